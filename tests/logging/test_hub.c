/* The message hub: order, resumed keys, state. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "mmengine/hub.h"
#include "mmengine/log.h"

static void check_repr(const mm_value *value, const char *expected)
{
    char *text = mm_value_repr(value);
    assert_string_equal(text, expected);
    mm_free(text);
}

static void scalars_keep_their_order(void **state)
{
    (void)state;
    mm_hub *hub = mm_hub_new("run");
    assert_string_equal(mm_hub_name(hub), "run");
    mm_hub_update_scalar(hub, "train/lr", 0.1);
    mm_hub_update_scalar(hub, "train/loss", 2.0);
    mm_hub_update_scalar_i64(hub, "train/epoch", 3);
    mm_hub_update_scalar(hub, "train/lr", 0.2);
    assert_int_equal(mm_hub_num_scalars(hub), 3);
    assert_string_equal(mm_hub_scalar_key(hub, 0), "train/lr");
    assert_string_equal(mm_hub_scalar_key(hub, 2), "train/epoch");
    assert_int_equal(mm_history_len(mm_hub_scalar_at(hub, 0)), 2);
    assert_true(mm_history_is_integer(mm_hub_scalar_at(hub, 2)));
    assert_null(mm_hub_scalar_at(hub, 3));
    check_error(MM_ERANGE);
    assert_true(mm_hub_find_scalar(hub, "train/lr", NAN) == 0.2);
    assert_true(mm_hub_find_scalar(hub, "val/lr", 7.0) == 7.0);
    assert_null(mm_hub_find_history(hub, "none"));
    check_ok();
    assert_null(mm_hub_get_history(hub, "train/los"));
    mm_error error;
    mm_error_take(&error);
    assert_string_equal(error.message,
                        "there is no scalar 'train/los' in the message hub");
    assert_string_equal(error.hint, "did you mean 'train/loss'?");
    mm_hub_free(hub);
    mm_hub_free(NULL);
}

/* Handles stay good while other keys come and go. */
static void handles_stay_good(void **state)
{
    (void)state;
    mm_hub *hub = mm_hub_new("run");
    mm_history *loss = mm_hub_scalar(hub, "train/loss");
    char key[16];
    for (int i = 0; i < 500; i++) {
        snprintf(key, sizeof key, "k%d", i);
        mm_hub_update_scalar(hub, key, i);
        mm_history_update(loss, i, 1);
    }
    assert_ptr_equal(mm_hub_get_history(hub, "train/loss"), loss);
    assert_true(mm_hub_find_scalar(hub, "k250", 0.0) == 250.0);
    assert_int_equal(mm_history_len(loss), 500);
    mm_value *saved = mm_hub_state(hub, 3);
    mm_history_update(loss, 1000.0, 1);
    assert_int_equal(mm_hub_load_state(hub, saved), MM_OK);
    assert_ptr_equal(mm_hub_get_history(hub, "train/loss"), loss);
    assert_true(mm_history_current(loss) == 499.0);
    mm_value_unref(saved);
    mm_hub_free(hub);
}

static void resumed_cannot_change(void **state)
{
    (void)state;
    mm_hub *hub = mm_hub_new("run");
    mm_value *one = mm_value_new_f64(1.0);
    mm_hub_update_scalar(hub, "loss", 1.0);
    mm_hub_update_scalar_with(hub, "loss", one, 1, false);
    check_error_text(MM_ESTATE,
                     "could not update 'loss' with resumed=false: it was true before");
    assert_int_equal(mm_history_len(mm_hub_scalar(hub, "loss")), 1);
    mm_hub_update_info_with(hub, "loss", one, false); /* one key for both */
    check_error(MM_ESTATE);
    mm_hub_update_info_with(hub, "eta", one, false);
    mm_hub_update_info(hub, "eta", one);
    check_error(MM_ESTATE);
    mm_value_unref(one);
    mm_hub_free(hub);
}

static void dicts_of_scalars(void **state)
{
    (void)state;
    mm_hub *hub = mm_hub_new("run");
    mm_value *scalars = mm_value_new_dict();
    mm_value *counted = mm_value_new_dict();
    mm_dict_put_f64(counted, "value", 6.0);
    mm_dict_put_i64(counted, "count", 3);
    mm_dict_put_f64(scalars, "a", 1.5);
    mm_dict_put_i64(scalars, "b", 2);
    mm_dict_put(scalars, "c", counted);
    mm_hub_update_scalars(hub, scalars, true);
    check_ok();
    assert_true(mm_history_mean(mm_hub_get_history(hub, "c"), 0) == 2.0);
    assert_true(mm_history_is_integer(mm_hub_get_history(hub, "b")));
    mm_dict_remove(counted, "value");
    mm_hub_update_scalars(hub, scalars, true);
    mm_error error;
    mm_error_take(&error);
    assert_int_equal(error.code, MM_EKEY);
    assert_string_equal(error.frames[0], "while updating scalar 'c'");
    mm_dict_put_str(scalars, "a", "text");
    mm_hub_update_scalars(hub, scalars, true);
    check_error_text(MM_ETYPE, "a scalar needs a number, got str");
    mm_value *list = mm_value_new_list();
    mm_hub_update_scalars(hub, list, true);
    check_error(MM_ETYPE);
    mm_value_unref(list);
    mm_value_unref(counted);
    mm_value_unref(scalars);
    mm_hub_free(hub);
}

static void information(void **state)
{
    (void)state;
    mm_hub *hub = mm_hub_new("run");
    mm_hub_update_info_i64(hub, "iter", 5);
    mm_hub_update_info_str(hub, "loop_stage", "train");
    mm_hub_update_info_f64(hub, "best_score", 0.5);
    mm_hub_update_info_bool(hub, "done", false);
    mm_hub_update_info_i64(hub, "iter", 6);
    check_repr(mm_hub_infos(hub), "{'iter': 6, 'loop_stage': 'train', "
                                  "'best_score': 0.5, 'done': False}");
    assert_int_equal(mm_value_i64(mm_hub_get_info(hub, "iter")), 6);
    assert_null(mm_hub_find_info(hub, "epoch"));
    check_ok();
    assert_null(mm_hub_get_info(hub, "best_scor"));
    mm_error error;
    mm_error_take(&error);
    assert_string_equal(error.hint, "did you mean 'best_score'?");
    assert_true(mm_hub_remove_info(hub, "done"));
    assert_false(mm_hub_remove_info(hub, "done"));
    mm_value *more = mm_value_new_dict();
    mm_dict_put_i64(more, "epoch", 1);
    mm_hub_update_infos(hub, more, true);
    assert_int_equal(mm_value_i64(mm_hub_get_info(hub, "epoch")), 1);
    mm_value_unref(more);
    mm_hub_free(hub);
}

static mm_hub *make_hub(void)
{
    mm_hub *hub = mm_hub_new("run");
    mm_value *two = mm_value_new_f64(2.0);
    mm_value *list = mm_value_new_list();
    mm_list_push(list, mm_value_new_str("epoch_1.pth"));
    for (int i = 0; i < 4; i++) {
        mm_hub_update_scalar(hub, "train/loss", i + 0.5);
    }
    mm_hub_update_scalar_i64(hub, "train/step", 7);
    mm_hub_update_scalar_with(hub, "train/time", two, 2, false);
    mm_hub_update_info_i64(hub, "iter", 4);
    mm_hub_update_info(hub, "keep_ckpt_ids", list);
    mm_hub_update_info_with(hub, "cfg", two, false);
    mm_value_unref(list);
    mm_value_unref(two);
    return hub;
}

static void state_is_bounded(void **state)
{
    (void)state;
    mm_hub *hub = make_hub();
    mm_value *saved = mm_hub_state(hub, 0);
    check_repr(saved, "{'log_scalars': {}, "
                      "'runtime_info': {'iter': 4, 'keep_ckpt_ids': ['epoch_1.pth']}, "
                      "'resumed_keys': {'iter': True, 'keep_ckpt_ids': True}}");
    mm_list_push(mm_dict_get(mm_dict_get(saved, "runtime_info"), "keep_ckpt_ids"),
                 mm_value_new_none());
    assert_int_equal(mm_value_len(mm_hub_get_info(hub, "keep_ckpt_ids")), 1);
    mm_value_unref(saved);
    saved = mm_hub_state(hub, 2);
    check_repr(mm_dict_get(saved, "log_scalars"),
               "{'train/loss': {'log_history': [2.5, 3.5], 'count_history': [1, 1]}, "
               "'train/step': {'log_history': [7], 'count_history': [1]}}");
    check_repr(mm_dict_get(saved, "resumed_keys"),
               "{'train/loss': True, 'train/step': True, 'iter': True, "
               "'keep_ckpt_ids': True}");
    mm_value_unref(saved);
    mm_hub_free(hub);
}

static void state_comes_back(void **state)
{
    (void)state;
    mm_hub *hub = make_hub();
    mm_value *saved = mm_hub_state(hub, SIZE_MAX);
    mm_hub *second = mm_hub_new("second");
    mm_hub_update_info_i64(second, "iter", 0);
    mm_hub_update_info_i64(second, "max_iters", 10);
    mm_hub_update_scalar(second, "train/lr", 0.1);
    assert_int_equal(mm_hub_load_state(second, saved), MM_OK);
    check_repr(mm_hub_infos(second), "{'iter': 4, 'max_iters': 10, "
                                     "'keep_ckpt_ids': ['epoch_1.pth']}");
    assert_true(mm_history_mean(mm_hub_get_history(second, "train/loss"), 0) == 2.0);
    assert_true(mm_history_is_integer(mm_hub_get_history(second, "train/step")));
    assert_string_equal(mm_hub_scalar_key(second, 0), "train/lr");
    mm_hub_remove_info(second, "max_iters");
    mm_hub_update_scalar(second, "train/loss", 1.0); /* resumed as before */
    check_ok();
    mm_value_unref(saved);
    mm_hub_free(second);
    mm_hub_free(hub);
}

static char last_line[512];

static void note_line(void *user, const mm_log_line *line)
{
    (void)user;
    snprintf(last_line, sizeof last_line, "%s", line->message);
}

/* Checkpoints of Python hold histories as objects; they are skipped with one line. */
static void foreign_histories_are_skipped(void **state)
{
    (void)state;
    mm_hub *hub = mm_hub_new("run");
    mm_value *saved = mm_value_new_dict();
    mm_value *scalars = mm_value_new_dict();
    mm_value *resumed = mm_value_new_dict();
    mm_value *infos = mm_value_new_dict();
    mm_dict_put_str(scalars, "train/loss", "a pickled object");
    mm_dict_put_str(scalars, "train/lr", "a pickled object");
    mm_dict_put_bool(resumed, "train/loss", true);
    mm_dict_put_bool(resumed, "eta", false);
    mm_dict_put_i64(infos, "eta", 5);
    mm_dict_put(saved, "log_scalars", scalars);
    mm_dict_put(saved, "runtime_info", infos);
    assert_int_equal(mm_hub_load_state(hub, saved), MM_EDATA);
    check_error_text(MM_EDATA, "a message hub's state needs a dict 'resumed_keys', "
                               "got NoneType");
    mm_dict_put(saved, "resumed_keys", resumed);
    mm_log_set_sink(note_line, NULL);
    assert_int_equal(mm_hub_load_state(hub, saved), MM_OK);
    mm_log_set_sink(NULL, NULL);
    assert_string_equal(last_line,
                        "2 scalar histories of the message hub's state cannot "
                        "be read, continuing without them");
    assert_int_equal(mm_hub_num_scalars(hub), 0);
    mm_hub_update_scalar(hub, "train/loss", 1.0);
    mm_hub_update_info_with(hub, "eta", resumed, false); /* was false in the state */
    check_ok();
    assert_int_equal(mm_hub_load_state(hub, scalars), MM_EDATA);
    check_error(MM_EDATA);
    mm_value *all[] = {saved, scalars, resumed, infos};
    for (size_t i = 0; i < 4; i++) {
        mm_value_unref(all[i]);
    }
    mm_hub_free(hub);
}

#ifdef MM_FAULTS
static void runs_out_of_memory_cleanly(void **state)
{
    (void)state;
    for (int64_t n = 1;; n++) {
        mmi_fail_at(n);
        mm_hub *hub = make_hub();
        mm_value *saved = mm_hub_state(hub, 5);
        mm_hub *second = mm_hub_new("second");
        bool is_loaded = saved != NULL && mm_hub_load_state(second, saved) == MM_OK;
        bool was_reached = mmi_fault_points() >= n;
        mmi_fail_at(0);
        mm_value_unref(saved);
        mm_hub_free(second);
        mm_hub_free(hub);
        assert_int_equal(is_loaded, !was_reached);
        if (!was_reached) {
            assert_true(n > 50);
            break;
        }
        check_error(MM_ENOMEM);
        assert_int_equal(mm_live_blocks(), 0);
        assert_int_equal(mm_live_values(), 0);
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLEAN_TEST(scalars_keep_their_order),
        CLEAN_TEST(handles_stay_good),
        CLEAN_TEST(resumed_cannot_change),
        CLEAN_TEST(dicts_of_scalars),
        CLEAN_TEST(information),
        CLEAN_TEST(state_is_bounded),
        CLEAN_TEST(state_comes_back),
        CLEAN_TEST(foreign_histories_are_skipped),
#ifdef MM_FAULTS
        CLEAN_TEST(runs_out_of_memory_cleanly),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
