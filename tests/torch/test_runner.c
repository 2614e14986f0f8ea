/* The runner over a toy model: stages in MMEngine's order, files, resuming, stopping.
 */
#include "runner_parts.h"

static int set_up(void **state)
{
    (void)state;
    parts_record = (stage_record){.stop_at = -1, .nan_at = -1};
    return parts_register();
}

#define RECORD "custom_hooks = [dict(type='RecordHook')]\n"

static void assert_exists(const char *dir, const char *name, bool there)
{
    char *path = mm_path_join(dir, name);

    if (mm_file_exists(path) != there)
        fail_msg("%s is %s", name, there ? "missing" : "there");
    mm_free(path);
}

/* Printed by mmengine 0.10.7 for two epochs of two batches with validation. */
static void stages_come_in_mmengines_order(void **state)
{
    static const char *const epoch[] = {
        "before_train_epoch",     "before_train_iter", "after_train_iter",
        "before_train_iter",      "after_train_iter",  "after_train_epoch",
        "before_save_checkpoint", "before_val",        "before_val_epoch",
        "before_val_iter",        "after_val_iter",    "before_val_iter",
        "after_val_iter",         "after_val_epoch",   "after_val",
    };
    enum { EPOCH = sizeof(epoch) / sizeof(epoch[0]) };
    char *dir = parts_new_dir();
    (void)state;

    mm_value_unref(parts_train(dir,
                               RECORD "train_cfg = dict(by_epoch=True, max_epochs=2)\n"
                                      "train_dataloader['batch_size'] = 12\n"));
    check_ok();
    assert_int_equal(parts_record.count, 2 + 2 * EPOCH + 2);
    assert_string_equal(parts_record.names[0], "before_run");
    assert_string_equal(parts_record.names[1], "before_train");
    for (size_t i = 0; i < 2 * EPOCH; i++)
        assert_string_equal(parts_record.names[2 + i], epoch[i % EPOCH]);
    assert_string_equal(parts_record.names[2 + 2 * EPOCH], "after_train");
    assert_string_equal(parts_record.names[3 + 2 * EPOCH], "after_run");
    parts_remove_dir(dir);
}

static void checkpoints_are_kept_and_dropped(void **state)
{
    char *dir = parts_new_dir();
    (void)state;

    mm_value_unref(parts_train(dir, "default_hooks = dict(checkpoint=dict("
                                    "type='CheckpointHook', interval=1, "
                                    "max_keep_ckpts=2, save_best='toy/acc'))\n"));
    check_ok();
    assert_exists(dir, "epoch_1.pth", false);
    assert_exists(dir, "epoch_2.pth", false);
    assert_exists(dir, "epoch_3.pth", true);
    assert_exists(dir, "epoch_4.pth", true);
    assert_exists(dir, "last_checkpoint", true);
    char *latest = mm_find_latest_checkpoint(dir);
    assert_string_equal(mm_path_basename(latest), "epoch_4.pth");
    mm_free(latest);
    mm_value *names = mm_list_dir(dir);
    int best = 0, leftovers = 0;
    for (size_t i = 0; i < mm_value_len(names); i++) {
        const char *name = mm_value_str(mm_list_get(names, i));

        best += strncmp(name, "best_toy_acc_epoch_", 19) == 0;
        leftovers += strstr(name, ".tmp") != NULL;
    }
    assert_int_equal(best, 1);
    assert_int_equal(leftovers, 0);
    mm_value_unref(names);
    parts_remove_dir(dir);
}

/* Trains to the end in one go, and again with a stop in iteration `stop_at`. */
static void assert_resume_is_exact(const char *more, int64_t stop_at)
{
    char *whole = parts_new_dir(), *parts = parts_new_dir();
    char *with_hook = mm_strfmt(RECORD "%s", more);
    char *resumed = mm_strfmt(RECORD "%sresume = True\n", more);
    mm_value *expected = parts_train(whole, with_hook);

    check_ok();
    parts_record.stop_at = stop_at;
    mm_value_unref(parts_train(parts, with_hook));
    check_ok();
    parts_record.stop_at = -1;
    mm_value *got = parts_train(parts, resumed);
    check_ok();
    assert_true(parts_same_weights(expected, got));
    mm_value_unref(got);
    mm_value_unref(expected);
    mm_free(resumed);
    mm_free(with_hook);
    parts_remove_dir(whole);
    parts_remove_dir(parts);
}

static void resume_in_the_middle_of_an_epoch_is_exact(void **state)
{
    (void)state;
    assert_resume_is_exact("", 8);
    assert_resume_is_exact("train_dataloader['num_workers'] = 0\n", 0);
    assert_resume_is_exact("optim_wrapper['accumulative_counts'] = 4\n", 8);
}

static void resume_at_the_end_of_an_epoch_is_exact(void **state)
{
    (void)state;
    assert_resume_is_exact("", 11); /* six batches an epoch */
}

static void resume_in_iteration_mode_is_exact(void **state)
{
    static const char iters[] =
        "train_cfg = dict(by_epoch=False, max_iters=20,"
        " val_interval=7)\n"
        "param_scheduler['by_epoch'] = False\n"
        "log_processor = dict(by_epoch=False)\n"
        "default_hooks = dict(checkpoint=dict("
        "type='CheckpointHook', by_epoch=False, interval=50))\n";
    (void)state;

    assert_resume_is_exact(iters, 8);
    assert_resume_is_exact(iters, 5);
}

static void a_damaged_checkpoint_gives_way_to_the_one_before(void **state)
{
    char *dir = parts_new_dir();
    char *path = mm_path_join(dir, "epoch_4.pth");
    char *latest;
    size_t size = 0;
    (void)state;

    mm_value_unref(parts_train(dir, ""));
    check_ok();
    char *content = mm_file_read(path, &size);
    for (size_t i = 0; i < 64; i++) /* more than there is between two tensors */
        content[size / 2 + i] ^= 1;
    assert_int_equal(mm_file_write(path, content, size), MM_OK);
    latest = mm_find_latest_checkpoint(dir);
    assert_string_equal(mm_path_basename(latest), "epoch_3.pth");
    mm_free(latest);
    assert_int_equal(mm_file_write(path, content, size / 2), MM_OK); /* cut off */
    latest = mm_find_latest_checkpoint(dir);
    assert_string_equal(mm_path_basename(latest), "epoch_3.pth");
    mm_free(latest);
    mm_free(content);
    mm_free(path);
    parts_remove_dir(dir);
}

static void a_second_training_in_one_folder_is_refused(void **state)
{
    char *dir = parts_new_dir();
    mm_config *config = parts_config(dir, "");
    mm_runner *first = mm_runner_new(config);
    mm_error error;
    (void)state;

    assert_int_equal(mm_runner_train(first),
                     MM_OK); /* holds the lock until it is freed */
    assert_null(parts_train(dir, ""));
    assert_int_equal(mm_error_take(&error), MM_EBUSY);
    assert_non_null(strstr(error.hint, "--force"));
    mm_runner_free(first);
    mm_value *weights = parts_train(dir, "");
    check_ok();
    mm_value_unref(weights);
    mm_config_unref(config);
    parts_remove_dir(dir);
}

static void a_loss_that_is_nan_ends_the_run(void **state)
{
    char *dir = parts_new_dir();
    mm_error error;
    (void)state;

    parts_record.nan_at = 4;
    assert_null(parts_train(dir, ""));
    parts_record.nan_at = -1;
    assert_int_equal(mm_error_take(&error), MM_ENUMERIC);
    assert_string_equal(error.message, "'loss' is nan");
    assert_string_equal(error.frames[1], "in training iteration 5");
    parts_remove_dir(dir);
}

/* The error of a config; its message begins with the place. */
static void assert_refused(const char *more, mm_status code, const char *part)
{
    char *dir = parts_new_dir();
    mm_error error;

    assert_null(parts_train(dir, more));
    assert_int_equal(mm_error_take(&error), code);
    if (strstr(error.message, part) == NULL)
        fail_msg("'%s' is not in '%s'", part, error.message);
    parts_remove_dir(dir);
}

static void faulty_configs_are_refused_before_anything_is_built(void **state)
{
    (void)state;
    assert_refused("val_cfg = None\n", MM_ECONFIG, "'val_cfg' is not");
    assert_refused("optim_wrapper = None\n", MM_ECONFIG, "'optim_wrapper' is not");
    assert_refused("train_cfg['max_epoch'] = 3\n", MM_ECONFIG, "max_epoch");
    assert_refused("model = dict(type='ToyModell')\n", MM_ECONFIG, "ToyModell");
    assert_refused("train_dataloader['dataset']['type'] = 'ToyPoint'\n", MM_ECONFIG,
                   "ToyPoint");
    assert_refused("train_cfg = dict(type='EpochBasedTrainLoop', by_epoch=True,"
                   " max_epochs=1)\n",
                   MM_ECONFIG, "both 'type' and 'by_epoch'");
    assert_refused(
        "default_hooks = dict(logger=dict(type='LoggerHook', interval='x'))\n",
        MM_ECONFIG, "interval");
    assert_refused("custom_hooks = [dict(type='RecordHook', priority='SOON')]\n",
                   MM_ECONFIG, "SOON");
}

static void test_mode_gives_metrics(void **state)
{
    char *dir = parts_new_dir();
    mm_config *config = parts_config(dir, "");
    mm_runner *runner = mm_runner_new(config);
    mm_value *metrics = mm_runner_test(runner);
    (void)state;

    check_ok();
    assert_true(mm_metric_value(metrics, "error") > 0.0);
    mm_value_unref(metrics);
    mm_runner_free(runner);
    mm_config_unref(config);
    parts_remove_dir(dir);
}

int test_runner(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(stages_come_in_mmengines_order, set_up),
        cmocka_unit_test_setup(checkpoints_are_kept_and_dropped, set_up),
        cmocka_unit_test_setup(resume_in_the_middle_of_an_epoch_is_exact, set_up),
        cmocka_unit_test_setup(resume_at_the_end_of_an_epoch_is_exact, set_up),
        cmocka_unit_test_setup(resume_in_iteration_mode_is_exact, set_up),
        cmocka_unit_test_setup(a_damaged_checkpoint_gives_way_to_the_one_before,
                               set_up),
        cmocka_unit_test_setup(a_second_training_in_one_folder_is_refused, set_up),
        cmocka_unit_test_setup(a_loss_that_is_nan_ends_the_run, set_up),
        cmocka_unit_test_setup(faulty_configs_are_refused_before_anything_is_built,
                               set_up),
        cmocka_unit_test_setup(test_mode_gives_metrics, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
