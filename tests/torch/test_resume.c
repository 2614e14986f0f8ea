/* Resuming: what a run writes between two stages is enough to go on as if it had never
 * ended, also where a validation was due; which of config and checkpoint wins. */
#include "runner_parts.h"

#include <math.h>

#include "mmengine/zoo.h"

static int set_up(void **state)
{
    (void)state;
    parts_record = (stage_record){.stop_at = -1, .nan_at = -1};
    if (parts_register() != 0)
        return -1;
    return mm_component_find("optimizers", "mmpretrain", "Lamb") != NULL ||
                   mm_register(mm_zoo_components) == MM_OK
               ? 0
               : -1;
}

#define RECORD "custom_hooks = [dict(type='RecordHook')]\n"

/* Trains in a folder of its own; the folder stays for the caller. */
static mm_value *train_in(char **out_dir, const char *more)
{
    mm_value *weights;

    *out_dir = parts_new_dir();
    weights = parts_train(*out_dir, more);
    check_ok();
    return weights;
}

/* Goes on from `name` of the whole run's folder and compares the ends. */
static void assert_goes_on_from(const char *whole_dir, const char *name,
                                const char *more, const mm_value *expected)
{
    char *dir;
    char *text =
        mm_strfmt("%sresume = True\nload_from = '%s/%s'\n", more, whole_dir, name);
    mm_value *got = train_in(&dir, text);

    if (!parts_same_weights(expected, got))
        fail_msg("other weights after going on from %s with\n%s", name, more);
    mm_value_unref(got);
    mm_free(text);
    parts_remove_dir(dir);
}

/* Every file of a run in `step` steps leads to the same end. */
static void assert_every_file_is_exact(const char *more, const char *form, int last)
{
    char *whole;
    mm_value *expected = train_in(&whole, more);

    for (int i = 1; i <= last; i++) {
        char *name = mm_strfmt(form, i);

        assert_goes_on_from(whole, name, more, expected);
        mm_free(name);
    }
    mm_value_unref(expected);
    parts_remove_dir(whole);
}

/* The file of an epoch is written before that epoch's validation, whose iterator draws
 * a number: a run that goes on from there has to validate first. */
static void validations_that_are_due_are_run_first(void **state)
{
    (void)state;
    assert_every_file_is_exact("", "epoch_%d.pth", 4);
    assert_every_file_is_exact("train_cfg['val_interval'] = 2\n", "epoch_%d.pth", 3);
    assert_every_file_is_exact("val_dataloader['persistent_workers'] = True\n"
                               "val_dataloader['num_workers'] = 1\n"
                               "train_dataloader['persistent_workers'] = True\n",
                               "epoch_%d.pth", 3);
    assert_every_file_is_exact(
        "train_cfg = dict(by_epoch=False, max_iters=16, val_interval=4)\n"
        "param_scheduler['by_epoch'] = False\n"
        "log_processor = dict(by_epoch=False)\n"
        "default_hooks = dict(checkpoint=dict(type='CheckpointHook', by_epoch=False,"
        " interval=1))\n",
        "iter_%d.pth", 14);
}

static void the_first_stage_after_resuming_is_the_validation_owed(void **state)
{
    char *whole, *dir;
    mm_value *weights = train_in(&whole, "");
    char *text =
        mm_strfmt(RECORD "resume = True\nload_from = '%s/epoch_2.pth'\n", whole);
    (void)state;

    mm_value_unref(weights);
    mm_value_unref(train_in(&dir, text));
    assert_string_equal(parts_record.names[0], "before_run");
    assert_string_equal(parts_record.names[1], "after_load_checkpoint");
    assert_string_equal(parts_record.names[2], "before_train");
    assert_string_equal(parts_record.names[3], "before_val");
    parts_remove_dir(dir);
    mm_free(text);
    parts_remove_dir(whole);
}

/* A stop in the middle of a validation: it is run again from its beginning. */
static void stopping_in_a_validation_is_exact(void **state)
{
    char *whole, *parts;
    mm_value *expected = train_in(&whole, RECORD);
    (void)state;

    for (int64_t at = 1; at <= 5; at += 2) {
        parts_record.stop_at_val = at;
        mm_value_unref(train_in(&parts, RECORD));
        assert_string_equal(parts_record.names[parts_record.count - 1], "after_run");
        assert_string_equal(parts_record.names[parts_record.count - 2],
                            "before_save_checkpoint");
        parts_record.stop_at_val = 0;
        mm_value *got = parts_train(parts, RECORD "resume = True\n");

        check_ok();
        assert_true(parts_same_weights(expected, got));
        mm_value_unref(got);
        parts_remove_dir(parts);
    }
    mm_value_unref(expected);
    parts_remove_dir(whole);
}

#define PAIR                                                                           \
    "model = dict(type='ToyPair')\n"                                                   \
    "optim_wrapper = dict(constructor='MultiOptimWrapperConstructor',\n"               \
    "    first=dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.05,\n"        \
    "        momentum=0.9)),\n"                                                        \
    "    second=dict(optimizer=dict(type='AdamW', lr=0.01),\n"                         \
    "        accumulative_counts=4))\n"

/* Two optimizers, one with a window that is open in most iterations. */
static void several_optimizers_are_exact(void **state)
{
    (void)state;
    assert_every_file_is_exact(PAIR, "epoch_%d.pth", 3);
    assert_every_file_is_exact(
        PAIR "param_scheduler = dict(first=[dict(type='LinearLR', start_factor=0.1,\n"
             "    by_epoch=False, end=9)], second=dict(type='ConstantLR', factor=0.5,\n"
             "    by_epoch=False, end=11))\n"
             "default_hooks = dict(checkpoint=dict(type='CheckpointHook',\n"
             "    by_epoch=False, interval=5))\n",
        "iter_%d0.pth", 2);
    assert_every_file_is_exact(
        PAIR "param_scheduler = dict(second=[dict(type='LinearLR', start_factor=0.1,\n"
             "    by_epoch=False, end=3, count='optimizer_steps'),\n"
             "    dict(type='CosineAnnealingLR', convert_to_iter_based=True,\n"
             "    count='optimizer_steps')])\n"
             "default_hooks = dict(checkpoint=dict(type='CheckpointHook',\n"
             "    by_epoch=False, interval=5))\n",
        "iter_%d0.pth", 2);
}

#define OPTIMIZER(text) "optim_wrapper['optimizer'] = dict(" text ")\n"
#define BY_ITER                                                                        \
    "train_cfg = dict(by_epoch=False, max_iters=16, val_interval=4)\n"                 \
    "param_scheduler['by_epoch'] = False\n"                                            \
    "log_processor = dict(by_epoch=False)\n"                                           \
    "default_hooks = dict(checkpoint=dict(type='CheckpointHook', by_epoch=False,"      \
    " interval=1))\n"

static const char *const averaging[] = {
    OPTIMIZER("type='SGDScheduleFree', lr=0.1, warmup_steps=3"),
    OPTIMIZER("type='AdamWScheduleFree', lr=0.05, weight_decay=0.01"),
    OPTIMIZER("type='RAdamScheduleFree', lr=0.05, silent_sgd_phase=False"),
};

/* Optimizers that evaluate at another point than they train at go from one to the other
 * around validations and files, and round on the way. */
static void two_points_are_exact(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof averaging / sizeof *averaging; i++) {
        char *by_iter = mm_strfmt("%s" BY_ITER, averaging[i]);
        char *with_average = mm_strfmt(
            "%scustom_hooks = [dict(type='EMAHook', momentum=0.1)]\n", averaging[i]);

        assert_every_file_is_exact(averaging[i], "epoch_%d.pth", 3);
        assert_every_file_is_exact(by_iter, "iter_%d.pth", 15);
        assert_every_file_is_exact(with_average, "epoch_%d.pth", 3);
        mm_free(with_average);
        mm_free(by_iter);
    }
    assert_every_file_is_exact(
        PAIR "optim_wrapper['second']['optimizer'] = dict(type='AdamWScheduleFree')\n",
        "epoch_%d.pth", 3);
    assert_every_file_is_exact(
        OPTIMIZER("type='AdamWScheduleFree', lr=0.05") "resume_policy = 'config'\n",
        "epoch_%d.pth", 3);
}

/* A file that only a stop has caused: the run that was never stopped went on without
 * rounding. */
static void stopping_two_points_is_exact(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof averaging / sizeof *averaging; i++) {
        char *whole, *parts;
        char *text = mm_strfmt("%s" RECORD, averaging[i]);
        mm_value *expected = train_in(&whole, text);

        for (int64_t at = 2; at <= 11; at += 3) {
            parts_record.stop_at = at;
            mm_value_unref(train_in(&parts, text));
            parts_record.stop_at = -1;
            char *resumed = mm_strfmt("%sresume = True\n", text);
            mm_value *got = parts_train(parts, resumed);

            check_ok();
            if (!parts_same_weights(expected, got))
                fail_msg("other weights after a stop at %d with\n%s", (int)at, text);
            mm_value_unref(got);
            mm_free(resumed);
            parts_remove_dir(parts);
        }
        mm_value_unref(expected);
        mm_free(text);
        parts_remove_dir(whole);
    }
}

/* What the file of an epoch holds is what is validated after it. */
static void files_hold_the_point_of_evaluation(void **state)
{
    char *whole;
    (void)state;

    mm_value_unref(train_in(&whole, averaging[0]));
    char *path = mm_strfmt("%s/epoch_4.pth", whole);
    mm_scope scope = mm_scope_open();
    mm_value *file = mm_checkpoint_load(path);
    const mm_value *optimizer = mm_dict_get(file, "optimizer");
    const mm_value *group = mm_list_get(mm_dict_get(optimizer, "param_groups"), 0);
    mm_tensor *newest = NULL;
    mm_tensor *weight =
        mm_dict_get_tensor(mm_dict_get(file, "state_dict"), "hidden.weight");

    assert_false(mm_value_is_true(mm_dict_get(group, "train_mode")));
    assert_true(
        mm_value_is_true(mm_dict_get(mm_dict_get(file, "mmengine_c"), "training")));
    assert_null(mm_dict_find(mm_dict_get(file, "mmengine_c"), "training_point"));
    newest = mm_dict_get_tensor(mm_dict_at(mm_dict_get(optimizer, "state"), 0), "z");
    check_ok();
    assert_false(mm_tensor_equal(weight, newest));
    mm_value_unref(file);
    mm_scope_close(scope);
    mm_free(path);
    parts_remove_dir(whole);
}

/* Step counts, sums and estimates that stand in groups' options. */
static void states_in_options_are_exact(void **state)
{
    static const char *const optimizers[] = {
        OPTIMIZER("type='DAdaptAdaGrad', momentum=0.9, d0=0.01"),
        OPTIMIZER("type='DAdaptAdam', d0=0.01"),
        OPTIMIZER("type='DAdaptSGD', momentum=0.9, d0=0.01"),
        OPTIMIZER("type='mmpretrain.Lamb', lr=0.01"),
        OPTIMIZER("type='mmpretrain.Adan', lr=0.01, max_grad_norm=1.0"),
        OPTIMIZER("type='mmpretrain.LARS', lr=0.1, momentum=0.9"),
        OPTIMIZER("type='Lion', lr=0.01"),
        OPTIMIZER("type='Adafactor', beta1=0.9, lr=0.01, relative_step=False"),
        OPTIMIZER("type='Adafactor', warmup_init=True") "param_scheduler = []\n",
    };
    (void)state;

    for (size_t i = 0; i < sizeof optimizers / sizeof *optimizers; i++) {
        char *by_config = mm_strfmt("%sresume_policy = 'config'\n", optimizers[i]);

        assert_every_file_is_exact(optimizers[i], "epoch_%d.pth", 3);
        assert_every_file_is_exact(by_config, "epoch_%d.pth", 3);
        mm_free(by_config);
    }
}

static void early_stopping_is_exact(void **state)
{
    static const char more[] =
        "custom_hooks = [dict(type='EarlyStoppingHook', monitor='toy/error',"
        " rule='less', min_delta=10.0, patience=2)]\n"
        "train_cfg['max_epochs'] = 9\n"
        "default_hooks = dict(checkpoint=dict(type='CheckpointHook', interval=1,"
        " save_best='toy/error', rule='less'))\n";
    (void)state;
    assert_every_file_is_exact(more, "epoch_%d.pth", 3);
}

/* What a run has at its end. */
typedef struct outcome {
    double lr;
    int64_t epoch;
} outcome;

static outcome resume_with(const char *whole, const char *name, const char *more)
{
    char *dir = parts_new_dir();
    char *text = mm_strfmt("resume = True\nload_from = '%s/%s'\n%s", whole, name, more);
    mm_config *config = parts_config(dir, text);
    mm_runner *runner = mm_runner_new(config);

    assert_int_equal(mm_runner_train(runner), MM_OK);
    mm_value *lr = mm_optim_wrapper_get_lr(mm_runner_optim_wrapper(runner));
    outcome end = {
        .lr = mm_value_f64(mm_list_get(mm_dict_get(lr, "lr"), 0)),
        .epoch = mm_runner_epoch(runner),
    };

    mm_value_unref(lr);
    mm_runner_free(runner);
    mm_config_unref(config);
    mm_free(text);
    parts_remove_dir(dir);
    return end;
}

/* The log of the newest run in a folder holds `part`. */
static void assert_logged(const char *dir, const char *part, bool there)
{
    mm_value *names = mm_list_dir(dir);
    bool found = false;

    for (size_t i = 0; i < mm_value_len(names); i++) {
        const char *name = mm_value_str(mm_list_get(names, i));
        char *log = mm_strfmt("%s/%s/%s.log", dir, name, name);

        if (mm_file_exists(log)) {
            char *text = mm_file_read(log, NULL);

            found = found || strstr(text, part) != NULL;
            mm_free(text);
        }
        mm_free(log);
    }
    mm_value_unref(names);
    if (found != there)
        fail_msg("'%s' is %s the log", part, there ? "not in" : "in");
}

static void policy_decides_between_config_and_checkpoint(void **state)
{
    char *whole;
    (void)state;

    mm_value_unref(train_in(&whole, ""));
    /* milestone 2, gamma 0.1: the file's schedule whatever the config says */
    outcome end = resume_with(whole, "epoch_1.pth",
                              "optim_wrapper['optimizer']['lr'] = 0.5\n"
                              "param_scheduler['gamma'] = 0.5\n"
                              "train_cfg['max_epochs'] = 6\n");
    assert_true(fabs(end.lr - 0.005) < 1e-15);
    assert_int_equal(end.epoch, 6);
    end = resume_with(whole, "epoch_1.pth",
                      "optim_wrapper['optimizer']['lr'] = 0.5\n"
                      "param_scheduler['gamma'] = 0.5\n"
                      "resume_policy = 'config'\n");
    assert_true(fabs(end.lr - 0.25) < 1e-15);
    /* the schedule is stepped to where the run stands: behind its milestone */
    end = resume_with(whole, "epoch_3.pth",
                      "param_scheduler['gamma'] = 0.5\n"
                      "resume_policy = 'config'\n");
    assert_true(fabs(end.lr - 0.025) < 1e-15);
    /* the same config under either policy: the same run */
    end = resume_with(whole, "epoch_3.pth", "resume_policy = 'config'\n");
    assert_true(fabs(end.lr - 0.005) < 1e-15);
    parts_remove_dir(whole);
}

static void differences_are_a_table_in_the_log(void **state)
{
    char *whole, *dir = parts_new_dir();
    mm_value *weights;
    (void)state;

    mm_value_unref(train_in(&whole, ""));
    char *text = mm_strfmt("resume = True\nload_from = '%s/epoch_3.pth'\n"
                           "optim_wrapper['optimizer']['lr'] = 0.5\n"
                           "train_cfg['max_epochs'] = 5\n",
                           whole);

    weights = parts_train(dir, text);
    check_ok();
    assert_logged(dir, "optim_wrapper.optimizer.lr  0.05 ", true);
    assert_logged(dir, "0.5                                   checkpoint\n", true);
    assert_logged(dir, "train_cfg.max_epochs        4 ", true);
    assert_logged(dir, "5                                     config\n", true);
    assert_logged(dir, "\nparam_scheduler.end         4 ", true);
    assert_logged(dir, "\nwork_dir  ", false);
    mm_value_unref(weights);
    mm_free(text);
    parts_remove_dir(dir);
    parts_remove_dir(whole);
}

static void a_policy_that_is_none_is_refused(void **state)
{
    char *dir = parts_new_dir();
    mm_error error;
    (void)state;

    assert_null(parts_train(dir, "resume_policy = 'confg'\n"));
    assert_int_equal(mm_error_take(&error), MM_ECONFIG);
    assert_non_null(strstr(error.message, "resume_policy must be 'checkpoint' or "
                                          "'config', not 'confg'"));
    assert_string_equal(error.hint, "did you mean 'config'?");
    parts_remove_dir(dir);
}

int test_resume(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(validations_that_are_due_are_run_first, set_up),
        cmocka_unit_test_setup(the_first_stage_after_resuming_is_the_validation_owed,
                               set_up),
        cmocka_unit_test_setup(stopping_in_a_validation_is_exact, set_up),
        cmocka_unit_test_setup(several_optimizers_are_exact, set_up),
        cmocka_unit_test_setup(two_points_are_exact, set_up),
        cmocka_unit_test_setup(stopping_two_points_is_exact, set_up),
        cmocka_unit_test_setup(files_hold_the_point_of_evaluation, set_up),
        cmocka_unit_test_setup(states_in_options_are_exact, set_up),
        cmocka_unit_test_setup(early_stopping_is_exact, set_up),
        cmocka_unit_test_setup(policy_decides_between_config_and_checkpoint, set_up),
        cmocka_unit_test_setup(differences_are_a_table_in_the_log, set_up),
        cmocka_unit_test_setup(a_policy_that_is_none_is_refused, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
