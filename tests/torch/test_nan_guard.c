/* NanGuardHook over a model that makes one batch infinite behind a known module: each
 * action, what is named, what is written, and that runs with it resume exactly. */
#include "runner_parts.h"

#include <math.h>

/* Batch 4 of the second epoch is bad: iteration 9 from 0. */
#define TRAP                                                                           \
    "model = dict(type='TrapModel')\n"                                                 \
    "train_dataloader['dataset'] = dict(type='TrapPoints', bad_epoch=1)\n"             \
    "train_dataloader['sampler']['shuffle'] = False\n"                                 \
    "val_dataloader = val_cfg = val_evaluator = None\n"                                \
    "test_dataloader = test_cfg = test_evaluator = None\n"
#define GUARD(options)                                                                 \
    "custom_hooks = [dict(type='RecordHook'), dict(type='NanGuardHook', " options ")]" \
    "\n"

static int set_up(void **state)
{
    static bool has_plugin;
    (void)state;

    parts_record = (stage_record){.stop_at = -1, .nan_at = -1};
    if (parts_register() < 0)
        return -1;
    if (!has_plugin && mm_plugin_load("nan_guard/trap.c") != MM_OK)
        return -1;
    has_plugin = true;
    return 0;
}

/* The weights and buffers after a stop in iteration `stop_at`; -1: at the end. */
static mm_value *train_until(const char *dir, const char *more, int64_t stop_at)
{
    parts_record.stop_at = stop_at;
    mm_value *weights = parts_train(dir, more);

    parts_record.stop_at = -1;
    return weights;
}

static void check_stop(const char *more, const char *message)
{
    char *dir = parts_new_dir();
    mm_error error;

    assert_null(parts_train(dir, more));
    assert_int_equal(mm_error_take(&error), MM_ENUMERIC);
    assert_string_equal(error.message, message);
    parts_remove_dir(dir);
}

static void stop_names_the_module(void **state)
{
    char *dir = parts_new_dir();
    char *path = mm_path_join(dir, "nan_guard/iter_10.pth");
    mm_replay_result result;
    mm_error error;
    (void)state;

    assert_null(parts_train(dir, TRAP GUARD("action='stop'")));
    assert_int_equal(mm_error_take(&error), MM_ENUMERIC);
    assert_string_equal(error.message, "the loss in iteration 10 is not finite, first "
                                       "in net.1 (Square)");
    assert_non_null(strstr(error.hint, path));
    assert_int_equal(mm_replay(path, false, &result), MM_OK);
    check_ok();
    assert_false(result.is_finite);
    assert_non_null(strstr(result.text, "epoch 2, iteration 10, batch 4, samples 12, "
                                        "13, 14, 15\nloss nan, loss_y nan, loss_size "
                                        "nan\nfirst module that was not finite: net.1 "
                                        "(Square), in its output\n    input[0]     [4, "
                                        "8] float32 cpu: from "));
    assert_non_null(strstr(result.text, "8 inf of 32, the others from "));
    assert_null(strstr(result.text, "net.2"));
    mm_free(result.text);
    assert_int_equal(mm_replay(path, true, &result), MM_OK);
    assert_non_null(strstr(result.text, "\n  net.2 (BatchNorm1d)\n"));
    mm_free(result.text);
    mm_free(path);
    parts_remove_dir(dir);
}

static void the_diagnosis_is_written_too(void **state)
{
    char *dir = parts_new_dir();
    char *path = mm_path_join(dir, "elsewhere/iter_10.pth");
    char *option = mm_strfmt(TRAP GUARD("action='stop', out_dir='%s/elsewhere'"), dir);
    mm_replay_result result;
    (void)state;

    assert_null(parts_train(dir, option));
    check_error(MM_ENUMERIC);
    mm_value *file = mm_checkpoint_load(path);
    assert_int_equal(mm_replay(path, false, &result), MM_OK);
    const char *diagnosis = mm_value_str(mm_dict_get(file, "diagnosis"));
    assert_non_null(strstr(result.text, diagnosis)); /* to the last digit */
    assert_true(mm_value_i64(mm_dict_get(file, "iter")) == 9);
    mm_free(result.text);
    mm_value_unref(file);
    mm_free(option);
    mm_free(path);
    parts_remove_dir(dir);
}

static void other_places_are_named(void **state)
{
    (void)state;
    check_stop(TRAP GUARD("") "model['outside'] = True\n",
               "the loss in iteration 10 is not finite");
    /* the weights themselves are too large */
    check_stop(TRAP GUARD("") "optim_wrapper['optimizer']['lr'] = 1e25\n"
                              "train_dataloader['dataset']['bad_epoch'] = -1\n",
               "the loss in iteration 2 is not finite, first in net.1 (Square)");
    /* each gradient is finite, the sum of their squares is not */
    check_stop(TRAP GUARD("") "optim_wrapper['clip_grad'] = dict(max_norm=1.0)\n"
                              "numerics = 'reference'\n"
                              "train_dataloader['dataset']['bad_epoch'] = -1\n"
                              "model['scale'] = 1e25\n",
               "the norm of all gradients in iteration 1 is not finite");
}

/* Read at every third step: the bad one is found among those since. */
static void late_readings_name_the_step(void **state)
{
    char *dir = parts_new_dir();
    mm_error error;
    (void)state;

    assert_null(parts_train(dir, TRAP GUARD("interval=3")));
    assert_int_equal(mm_error_take(&error), MM_ENUMERIC);
    assert_non_null(strstr(error.message, "in iteration 10 is not finite"));
    assert_string_equal(error.frames[1], "in training iteration 12");
    parts_remove_dir(dir);
}

/* No weight, no buffer and no momentum knows of a step that was skipped. */
static void skipped_steps_leave_no_trace(void **state)
{
    char *one = parts_new_dir(), *two = parts_new_dir();
    mm_value *before = train_until(one, TRAP GUARD("action='skip'"), 8);
    mm_value *after = train_until(two, TRAP GUARD("action='skip'"), 9);
    (void)state;

    check_ok();
    assert_true(mm_value_len(before) == 9);
    /* of the buffers only the count of batches could differ, and does not */
    assert_true(parts_same_weights(before, after));
    mm_value_unref(before);
    mm_value_unref(after);
    char *path_one = mm_path_join(one, "iter_9.pth");
    char *path_two = mm_path_join(two, "iter_10.pth");
    mm_value *file_one = mm_checkpoint_load(path_one);
    mm_value *file_two = mm_checkpoint_load(path_two);
    check_ok();
    assert_true(
        mm_value_equal(mm_dict_get(mm_dict_get(file_one, "optimizer"), "state"),
                       mm_dict_get(mm_dict_get(file_two, "optimizer"), "state")));
    const mm_value *hooks = mm_dict_get(mm_dict_get(file_two, "mmengine_c"), "hooks");
    assert_true(
        mm_value_i64(mm_dict_get(mm_dict_get(hooks, "NanGuardHook"), "skipped")) == 1);
    mm_value_unref(file_one);
    mm_value_unref(file_two);
    mm_free(path_one);
    mm_free(path_two);
    parts_remove_dir(one);
    parts_remove_dir(two);
}

static void too_many_skips_end_the_run(void **state)
{
    (void)state;
    check_stop(TRAP GUARD("action='skip', max_skips=0"),
               "the loss in iteration 10 is not finite, first in net.1 (Square)");
}

/* What was learnt is the checkpoint's, the clock goes on. */
static void rollback_takes_the_last_checkpoint(void **state)
{
    char *dir = parts_new_dir();
    char *path = mm_path_join(dir, "epoch_1.pth");
    mm_value *got = train_until(dir, TRAP GUARD("action='rollback'"), 9);
    (void)state;

    check_ok();
    mm_value *file = mm_checkpoint_load(path);
    assert_true(parts_same_weights(mm_dict_get(file, "state_dict"), got));
    mm_value_unref(file);
    mm_free(path);
    path = mm_path_join(dir, "iter_10.pth");
    file = mm_checkpoint_load(path);
    assert_true(mm_value_i64(mm_dict_get(mm_dict_get(file, "meta"), "iter")) == 10);
    mm_value_unref(file);
    mm_value_unref(got);
    mm_free(path);
    parts_remove_dir(dir);
    check_stop(TRAP GUARD("action='rollback', max_rollbacks=0"),
               "the loss in iteration 10 is not finite, first in net.1 (Square)");
    check_stop(
        TRAP GUARD("action='rollback'") "default_hooks = dict(checkpoint=None)\n",
        "the loss in iteration 10 is not finite, first in net.1 (Square)");
}

/* The learning rate of a schedule by iterations is where it would be. */
static void rollback_keeps_the_schedule(void **state)
{
    static const char schedule[] =
        "param_scheduler = dict(type='ExponentialLR', gamma=0.9, by_epoch=False)\n";
    char *dir = parts_new_dir();
    char *more = mm_strfmt("%s%s", TRAP GUARD("action='rollback'"), schedule);
    char *path = mm_path_join(dir, "iter_12.pth");
    mm_value *weights = train_until(dir, more, 11);
    (void)state;

    check_ok();
    mm_value *file = mm_checkpoint_load(path);
    const mm_value *groups =
        mm_dict_get(mm_dict_get(file, "optimizer"), "param_groups");
    double lr = mm_value_f64(mm_dict_get(mm_list_get(groups, 0), "lr"));

    assert_true(fabs(lr - 0.05 * pow(0.9, 12)) < 1e-12);
    mm_value_unref(file);
    mm_value_unref(weights);
    mm_free(path);
    mm_free(more);
    parts_remove_dir(dir);
}

static void check_resume(const char *more, int64_t stop_at)
{
    char *whole = parts_new_dir(), *parts = parts_new_dir();
    char *resumed = mm_strfmt("%sresume = True\n", more);
    mm_value *expected = parts_train(whole, more);

    check_ok();
    mm_value_unref(train_until(parts, more, stop_at));
    check_ok();
    mm_value *got = parts_train(parts, resumed);
    check_ok();
    assert_true(parts_same_weights(expected, got));
    mm_value_unref(got);
    mm_value_unref(expected);
    mm_free(resumed);
    parts_remove_dir(whole);
    parts_remove_dir(parts);
}

static void guarded_runs_resume_exactly(void **state)
{
    static const char *const cases[] = {
        TRAP GUARD("action='skip'"),
        TRAP GUARD("action='rollback'"),
        TRAP GUARD("action='skip'") "optim_wrapper['accumulative_counts'] = 4\n",
        TRAP GUARD(
            "action='rollback'") "train_cfg = dict(by_epoch=False, max_iters=20)\n"
                                 "param_scheduler = None\nlog_processor = "
                                 "dict(by_epoch=False)\n"
                                 "default_hooks = "
                                 "dict(checkpoint=dict(type='CheckpointHook', "
                                 "by_epoch=False, interval=7))\n",
    };
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check_resume(cases[i], 7);
        check_resume(cases[i], 9);
        check_resume(cases[i], 10);
    }
}

static void faults_are_told(void **state)
{
    char *dir = parts_new_dir();
    char *path = mm_path_join(dir, "x.pth");
    mm_value *dict = mm_value_new_dict();
    mm_replay_result result;
    (void)state;

    assert_null(parts_train(dir, TRAP GUARD("action='skip', interval=2")));
    check_error_text(MM_ECONFIG,
                     "NanGuardHook: action='skip' has to look at every step: "
                     "interval=2 is too late");
    assert_null(parts_train(dir, TRAP GUARD("action='sikp'")));
    check_error(MM_ECONFIG);
    assert_int_equal(mm_replay(path, false, &result), MM_ENOENT);
    check_error(MM_ENOENT);
    assert_int_equal(mm_checkpoint_save(path, dict), MM_OK);
    assert_int_equal(mm_replay(path, false, &result), MM_EDATA);
    check_error(MM_EDATA);
    mm_value_unref(dict);
    mm_free(path);
    parts_remove_dir(dir);
}

int test_nan_guard(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(stop_names_the_module, set_up),
        cmocka_unit_test_setup(the_diagnosis_is_written_too, set_up),
        cmocka_unit_test_setup(other_places_are_named, set_up),
        cmocka_unit_test_setup(late_readings_name_the_step, set_up),
        cmocka_unit_test_setup(skipped_steps_leave_no_trace, set_up),
        cmocka_unit_test_setup(too_many_skips_end_the_run, set_up),
        cmocka_unit_test_setup(rollback_takes_the_last_checkpoint, set_up),
        cmocka_unit_test_setup(rollback_keeps_the_schedule, set_up),
        cmocka_unit_test_setup(guarded_runs_resume_exactly, set_up),
        cmocka_unit_test_setup(faults_are_told, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
