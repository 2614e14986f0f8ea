/* EMAHook against MMEngine's (tools/golden/ema_hook.py): real runs, their checkpoints,
 * a run that goes on from MMEngine's file, and runs that are interrupted. */
#include "hook_parts.h"

#include <math.h>
#include <stdlib.h>

#include "optim/optim_wrapper.h"

#define PROBE "dict(type='ProbeHook')"

/* Differences that a libtorch of another version or processor may make. */
static const double tolerance = 2e-6;

static void assert_numbers(const char *what, const mm_value *want, mm_tensor *tensor)
{
    mm_scope scope = mm_scope_open();
    mm_tensor *flat =
        mm_contiguous(mm_to(tensor, .dtype = MM_DTYPE_F64), MM_FORMAT_CONTIGUOUS);
    const double *got = mm_data(flat, MM_DTYPE_F64);
    double limit = getenv("MM_GOLDEN_EXACT") != NULL ? 0.0 : tolerance;

    check_ok();
    assert_int_equal(mm_numel(flat), mm_value_len(want));
    for (size_t i = 0; i < mm_value_len(want); i++) {
        double number = mm_value_f64(mm_list_get(want, i));

        if (!(fabs(got[i] - number) <= limit * fmax(1.0, fabs(number))))
            fail_msg("%s[%zu]: got %.9g, want %.9g", what, i, got[i], number);
    }
    mm_scope_close(scope);
}

/* A dict of tensors against MMEngine's numbers, names in the same order. */
static void assert_state(const char *what, const mm_value *want, const mm_value *got)
{
    assert_int_equal(mm_value_len(want), mm_value_len(got));
    for (size_t i = 0; i < mm_value_len(want); i++) {
        char *name = mm_strfmt("%s of %s", mm_dict_name_at(want, i), what);

        assert_string_equal(mm_dict_name_at(want, i), mm_dict_name_at(got, i));
        assert_numbers(name, mm_dict_at(want, i), mm_value_tensor(mm_dict_at(got, i)));
        mm_free(name);
    }
}

static void assert_checkpoint(const char *dir, int epoch, const mm_value *want)
{
    char name[32];

    snprintf(name, sizeof(name), "epoch_%d.pth", epoch);
    mm_value *got = hook_parts_load(dir, name);

    assert_state("state_dict", mm_dict_get(want, "state_dict"),
                 mm_dict_get(got, "state_dict"));
    assert_state("ema_state_dict", mm_dict_get(want, "ema_state_dict"),
                 mm_dict_get(got, "ema_state_dict"));
    mm_value_unref(got);
}

static void assert_errors(const mm_value *want, size_t first)
{
    size_t count = mm_value_len(want) - first;

    assert_int_equal(parts_probe.num_errors, count);
    for (size_t i = 0; i < count; i++)
        assert_float_equal(parts_probe.errors[i],
                           mm_value_f64(mm_list_get(want, first + i)), 1e-5);
}

static char *ema_config(const mm_value *options, const char *more)
{
    char *hook = mm_value_repr(options);
    char *text = mm_strfmt("custom_hooks = [dict(%s, type='EMAHook'), " PROBE "]\n%s",
                           hook, more);

    mm_free(hook);
    return text;
}

static void runs_are_mmengines(void **state)
{
    mm_value *cases = mm_fileio_load("golden/hooks/ema_hook.json", NULL);
    (void)state;

    assert_int_equal(mm_value_len(cases), 4);
    for (size_t i = 0; i < mm_value_len(cases); i++) {
        mm_value *row = mm_list_get(cases, i);
        const mm_value *epochs = mm_dict_get(row, "epochs");

        for (int reference = 0; reference < 2; reference++) {
            char *dir = parts_new_dir();
            char *text = ema_config(mm_dict_get(row, "options"),
                                    reference ? "numerics = 'reference'\n" : "");

            hook_parts_run(dir, text);
            check_ok();
            assert_errors(mm_dict_get(row, "errors"), 0);
            for (int epoch = 1; epoch <= 4; epoch++)
                assert_checkpoint(dir, epoch, mm_list_get(epochs, (size_t)epoch - 1));
            mm_free(text);
            parts_remove_dir(dir);
        }
    }
    mm_value_unref(cases);
}

static void a_run_of_mmengine_goes_on(void **state)
{
    mm_value *cases = mm_fileio_load("golden/hooks/ema_hook.json", NULL);
    mm_value *row = mm_list_get(cases, 0);
    const mm_value *epochs = mm_dict_get(row, "epochs");
    char *dir = parts_new_dir();
    char *text = ema_config(mm_dict_get(row, "options"),
                            "load_from = 'golden/hooks/ema_hook.pth'\nresume = True\n");
    (void)state;

    hook_parts_run(dir, text);
    check_ok();
    assert_errors(mm_dict_get(row, "errors"), 2);
    assert_checkpoint(dir, 3, mm_list_get(epochs, 2));
    assert_checkpoint(dir, 4, mm_list_get(epochs, 3));
    mm_free(text);
    parts_remove_dir(dir);
    mm_value_unref(cases);
}

static bool same_entry(const char *a, const char *b, const char *name, const char *key)
{
    mm_value *x = hook_parts_load(a, name), *y = hook_parts_load(b, name);
    bool same = parts_same_weights(mm_dict_get(x, key), mm_dict_get(y, key));

    mm_value_unref(y);
    mm_value_unref(x);
    return same;
}

#define DROPOUT                                                                        \
    "model = dict(type='ToyModel')\ntrain_dataloader = dict(batch_size=6, "            \
    "dataset=dict(type='ToyPoints'), sampler=dict(type='DefaultSampler', "             \
    "shuffle=True), collate_fn=dict(type='default_collate'))\n"

/* Trains in one go, and again with an interruption; the last files must be the same. */
static void assert_goes_on_exactly(const char *hook, int64_t stop_at, bool stop_in_val)
{
    char *whole = parts_new_dir(), *parts = parts_new_dir();
    char *text = mm_strfmt(DROPOUT "custom_hooks = [dict(type='EMAHook', %s), " PROBE
                                   ", dict(type='RecordHook')]\n",
                           hook);
    char *resumed = mm_strfmt("%sresume = True\n", text);

    hook_parts_run(whole, text);
    check_ok();
    double last = parts_probe.errors[parts_probe.num_errors - 1];

    parts_record.stop_at = stop_at;
    parts_probe.stop_in_val = stop_in_val;
    hook_parts_run(parts, text);
    check_ok();
    parts_record.stop_at = -1;
    assert_true(parts_probe.num_errors < 4);
    hook_parts_run(parts, resumed);
    check_ok();
    assert_true(parts_probe.errors[parts_probe.num_errors - 1] == last);
    assert_true(same_entry(whole, parts, "epoch_4.pth", "state_dict"));
    assert_true(same_entry(whole, parts, "epoch_4.pth", "ema_state_dict"));
    mm_free(resumed);
    mm_free(text);
    parts_remove_dir(whole);
    parts_remove_dir(parts);
}

static void interrupted_runs_go_on_exactly(void **state)
{
    (void)state;
    assert_goes_on_exactly("momentum=0.1", 5, false);
    assert_goes_on_exactly("momentum=0.1, begin_iter=4, interval=2", 2, false);
    assert_goes_on_exactly("ema_type='StochasticWeightAverage', begin_epoch=3", 9,
                           false);
    assert_goes_on_exactly("ema_type='MomentumAnnealingEMA', update_buffers=True", 7,
                           false);
}

static void a_stop_in_validation_saves_both_weights_where_they_belong(void **state)
{
    (void)state;
    assert_goes_on_exactly("momentum=0.1", -1, true);
}

static void a_file_asked_for_while_weights_are_exchanged_is_right(void **state)
{
    static const char *const priorities[] = {"HIGH", "LOW"};
    (void)state;

    for (size_t i = 0; i < 2; i++) {
        char *dir = parts_new_dir();
        char *path = mm_path_join(dir, "asked.pth");
        char *text = mm_strfmt("custom_hooks = [dict(type='EMAHook', momentum=0.1), "
                               "dict(type='ProbeHook', priority='%s')]\n"
                               "train_cfg = dict(by_epoch=True, max_epochs=1)\n",
                               priorities[i]);

        parts_probe.save_in_val = path;
        hook_parts_run(dir, text);
        check_ok();
        mm_value *regular = hook_parts_load(dir, "epoch_1.pth");
        mm_value *asked = hook_parts_load(dir, "asked.pth");

        assert_true(parts_same_weights(mm_dict_get(regular, "state_dict"),
                                       mm_dict_get(asked, "state_dict")));
        assert_true(parts_same_weights(mm_dict_get(regular, "ema_state_dict"),
                                       mm_dict_get(asked, "ema_state_dict")));
        mm_value_unref(asked);
        mm_value_unref(regular);
        mm_free(text);
        mm_free(path);
        parts_remove_dir(dir);
    }
}

/* Tests `file` of `dir`; the error of the average. */
static double test_error(const char *dir, const char *file, const char *more)
{
    char *text =
        mm_strfmt("%sload_from = '%s/%s'\n%s", hook_parts_config, dir, file, more);
    mm_config *config = parts_config(dir, text);
    mm_runner *runner = mm_runner_new(config);
    mm_value *metrics = runner == NULL ? NULL : mm_runner_test(runner);
    double error =
        metrics == NULL ? NAN : mm_value_f64(mm_dict_get(metrics, "toy/error"));

    mm_value_unref(metrics);
    mm_runner_free(runner);
    mm_config_unref(config);
    mm_free(text);
    return error;
}

#define EMA "custom_hooks = [dict(type='EMAHook', momentum=0.1), " PROBE "]\n"
#define PLAIN "custom_hooks = [" PROBE "]\n"

static void loading_takes_what_is_there(void **state)
{
    char *dir = parts_new_dir();
    char *again = parts_new_dir();
    (void)state;

    hook_parts_run(dir, EMA "train_cfg = dict(by_epoch=True, max_epochs=2)\n");
    check_ok();
    double error = parts_probe.errors[1];

    /* a file's state_dict is the average: with and without the hook */
    assert_true(test_error(dir, "epoch_2.pth", EMA) == error);
    assert_true(test_error(dir, "epoch_2.pth", PLAIN) == error);
    check_ok();

    /* load_from starts both weights from the average */
    char *text =
        mm_strfmt(EMA "load_from = '%s/epoch_2.pth'\n"
                      "train_cfg = dict(by_epoch=True, max_epochs=1)\n"
                      "optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.0))\n",
                  dir);
    hook_parts_run(again, text);
    check_ok();
    mm_value *loaded = hook_parts_load(again, "epoch_1.pth");
    mm_value *from = hook_parts_load(dir, "epoch_2.pth");
    mm_value *average = mm_dict_get(loaded, "ema_state_dict");

    assert_true(mm_tensor_equal(
        mm_dict_get_tensor(average, "module.out.weight"),
        mm_dict_get_tensor(mm_dict_get(from, "state_dict"), "out.weight")));
    assert_int_equal(mm_item_i64(mm_dict_get_tensor(average, "steps")), 4);
    mm_value_unref(from);
    mm_value_unref(loaded);
    mm_free(text);
    parts_remove_dir(again);
    parts_remove_dir(dir);
}

static void a_file_without_an_average_is_taken_with_a_warning(void **state)
{
    char *dir = parts_new_dir();
    (void)state;

    hook_parts_run(dir, "train_cfg = dict(by_epoch=True, max_epochs=1)\n" PLAIN);
    check_ok();
    mm_value *before = hook_parts_load(dir, "epoch_1.pth");

    hook_parts_run(dir,
                   EMA "train_cfg = dict(by_epoch=True, max_epochs=2)\n"
                       "resume = True\n"
                       "optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.05))\n");
    check_ok();
    mm_value *after = hook_parts_load(dir, "epoch_2.pth");

    assert_int_equal(
        mm_item_i64(mm_dict_get_tensor(mm_dict_get(after, "ema_state_dict"), "steps")),
        4);
    mm_value_unref(after);
    mm_value_unref(before);
    parts_remove_dir(dir);
}

static void faulty_settings_are_told_before_training(void **state)
{
    static const struct {
        const char *hook, *message;
    } cases[] = {
        {"begin_iter=3, begin_epoch=2", "begin_iter=3 or begin_epoch=2"},
        {"begin_epoch=9", "beyond the end of training, 4 epochs"},
        {"begin_iter=99", "beyond the end of training, 16 iterations"},
        {"momentum=2.0", "momentum"},
        {"momentun=0.1", "momentun"},
        {"ema_type='Exponential'", "Exponential"},
        {"ema_type='Linear'", "Linear"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *dir = parts_new_dir();
        char *text = mm_strfmt("custom_hooks = [dict(type='EMAHook', %s), " PROBE "]\n",
                               cases[i].hook);
        mm_error error;

        hook_parts_run(dir, text);
        assert_true(mm_error_take(&error) < 0);
        if (strstr(error.message, cases[i].message) == NULL)
            fail_msg("%s: %s", cases[i].hook, error.message);
        assert_int_equal(parts_probe.num_errors, 0);
        mm_free(text);
        parts_remove_dir(dir);
    }
}

/* Averages that follow in the optimizer's step. */

static size_t num_following, num_apart;

static void note_follower(mm_runner *runner, const mm_iter *iter)
{
    (void)iter;
    if (mm_runner_optim_wrapper(runner)->before_step != NULL)
        num_following++;
    else
        num_apart++;
}

/* A run whose average follows, and one with a foreign hook between step and average,
 * which therefore takes a pass of its own. */
static void assert_follows_exactly(const char *hook, const char *wrapper)
{
    static const char *const priorities[] = {"NORMAL", "ABOVE_NORMAL"};
    char *dirs[2];

    num_following = num_apart = 0;
    for (size_t i = 0; i < 2; i++) {
        char *text = mm_strfmt("optim_wrapper = dict(%s)\n"
                               "custom_hooks = [dict(type='EMAHook', %s), "
                               "dict(type='ProbeHook', priority='%s')]\n",
                               wrapper, hook, priorities[i]);

        dirs[i] = parts_new_dir();
        parts_probe.on_iter = note_follower;
        hook_parts_run(dirs[i], text);
        check_ok();
        mm_free(text);
    }
    parts_probe.on_iter = NULL;
    assert_int_equal(num_following, 16);
    assert_int_equal(num_apart, 16);
    for (int epoch = 1; epoch <= 4; epoch++) {
        char name[32];

        snprintf(name, sizeof(name), "epoch_%d.pth", epoch);
        if (!same_entry(dirs[0], dirs[1], name, "state_dict") ||
            !same_entry(dirs[0], dirs[1], name, "ema_state_dict"))
            fail_msg("%s with %s: epoch %d differs", hook, wrapper, epoch);
    }
    parts_remove_dir(dirs[0]);
    parts_remove_dir(dirs[1]);
}

static void averages_that_follow_are_those_of_a_pass_of_their_own(void **state)
{
    static const char *const hooks[] = {
        "momentum=0.1",
        "momentum=0.7, interval=2",
        "momentum=0.1, begin_iter=4",
        "momentum=0.1, begin_epoch=2, update_buffers=True",
        "ema_type='StochasticWeightAverage'",
        "ema_type='MomentumAnnealingEMA', update_buffers=True, interval=3",
    };
    static const char *const wrappers[] = {
        "optimizer=dict(type='SGD', lr=0.05, momentum=0.9)",
        "optimizer=dict(type='AdamW', lr=0.01), clip_grad=dict(max_norm=0.1)",
        "optimizer=dict(type='Adam', lr=0.01), accumulative_counts=3",
        "optimizer=dict(type='SGD', lr=0.05), "
        "paramwise_cfg=dict(bypass_duplicate=True, "
        "custom_keys={'hidden': dict(lr_mult=0.0)})",
        "type='AmpOptimWrapper', optimizer=dict(type='SGD', lr=0.05), "
        "loss_scale=dict(init_scale=3e38, growth_interval=2)", /* skips steps */
    };
    (void)state;

    for (size_t i = 0; i < sizeof(hooks) / sizeof(hooks[0]); i++) {
        for (size_t j = 0; j < sizeof(wrappers) / sizeof(wrappers[0]); j++)
            assert_follows_exactly(hooks[i], wrappers[j]);
    }
}

/* NanGuardHook leaves out the steps whose norm is beyond its bound. */
static void an_average_does_not_follow_a_step_that_is_left_out(void **state)
{
    (void)state;
    assert_follows_exactly("momentum=0.1), dict(type='NanGuardHook', action='skip'",
                           "optimizer=dict(type='SGD', lr=1e18, momentum=0.9), "
                           "clip_grad=dict(max_norm=1e30)");
}

int test_ema_hook(void)
{
    const struct CMUnitTest tests[] = {
        CLEAN_TEST(runs_are_mmengines),
        CLEAN_TEST(a_run_of_mmengine_goes_on),
        CLEAN_TEST(interrupted_runs_go_on_exactly),
        CLEAN_TEST(a_stop_in_validation_saves_both_weights_where_they_belong),
        CLEAN_TEST(a_file_asked_for_while_weights_are_exchanged_is_right),
        CLEAN_TEST(loading_takes_what_is_there),
        CLEAN_TEST(a_file_without_an_average_is_taken_with_a_warning),
        CLEAN_TEST(faulty_settings_are_told_before_training),
        CLEAN_TEST(averages_that_follow_are_those_of_a_pass_of_their_own),
        CLEAN_TEST(an_average_does_not_follow_a_step_that_is_left_out),
    };

    return cmocka_run_group_tests(tests, hook_parts_set_up, NULL);
}
