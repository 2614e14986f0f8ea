/* Saving in the background: what is in the files, what happens when one cannot be
 * written, which files go when a new one is good. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "hook_parts.h"

#include "mmengine/pth.h"

#define HOOKS(checkpoint)                                                              \
    "default_hooks = dict(checkpoint=dict(type='CheckpointHook', " checkpoint "))\n"   \
    "custom_hooks = [dict(type='ProbeHook')]\n"

static void assert_there(const char *dir, const char *name, bool there)
{
    char *path = mm_path_join(dir, name);

    if (mm_file_exists(path) != there)
        fail_msg("%s is %s", name, there ? "missing" : "there");
    mm_free(path);
}

static void assert_pointer(const char *dir, const char *name)
{
    char *path = mm_path_join(dir, "last_checkpoint");
    size_t size = 0;
    char *content = mm_file_read(path, &size);

    check_ok();
    assert_string_equal(mm_path_basename(content), name);
    mm_free(content);
    mm_free(path);
}

static void assert_no_leftovers(const char *dir)
{
    mm_value *names = mm_list_dir(dir);

    for (size_t i = 0; i < mm_value_len(names); i++)
        assert_null(strstr(mm_value_str(mm_list_get(names, i)), ".tmp"));
    mm_value_unref(names);
}

/* The list of kept steps that a file's hub has. */
static void assert_kept(const char *dir, const char *name, const char *expected)
{
    mm_value *file = hook_parts_load(dir, name);
    mm_value *hub = mm_dict_get(mm_dict_get(file, "message_hub"), "runtime_info");
    char *ids = mm_value_repr(mm_dict_get(hub, "keep_ckpt_ids"));

    check_ok();
    assert_string_equal(ids, expected);
    mm_free(ids);
    mm_value_unref(file);
}

static bool log_has(const char *dir, const char *text)
{
    char *log = hook_parts_log(dir);
    bool is_there = strstr(log, text) != NULL;

    mm_free(log);
    return is_there;
}

/* A folder that stands where a checkpoint should go: it cannot be renamed over. */
static char *block(const char *dir, const char *name)
{
    char *path = mm_path_join(dir, name);
    char *inside = mm_path_join(path, "x");

    assert_int_equal(mm_make_dirs(inside), MM_OK);
    mm_free(inside);
    return path;
}

static void train(const char *dir, const char *more)
{
    mm_value_unref(parts_train(dir, more));
}

static void a_failed_save_changes_nothing(void **state)
{
    char *dir = parts_new_dir(), *path = block(dir, "epoch_2.pth");
    (void)state;

    train(dir, HOOKS("interval=1, max_keep_ckpts=2"));
    check_ok();
    assert_true(log_has(dir, "could not save checkpoint"));
    assert_true(log_has(dir, "epoch_2.pth"));
    assert_there(dir, "epoch_1.pth", false);
    assert_there(dir, "epoch_3.pth", true);
    assert_there(dir, "epoch_4.pth", true);
    assert_kept(dir, "epoch_3.pth", "[1, 3]");
    assert_kept(dir, "epoch_4.pth", "[3, 4]");
    assert_pointer(dir, "epoch_4.pth");
    assert_no_leftovers(dir);
    mm_free(path);
    parts_remove_dir(dir);
}

static void a_failed_last_save_is_the_runs_error(void **state)
{
    char *dir = parts_new_dir(), *path = block(dir, "epoch_4.pth");
    mm_error error;
    (void)state;

    train(dir, HOOKS("interval=1, max_keep_ckpts=2"));
    assert_int_equal(mm_error_take(&error), MM_EIO);
    assert_non_null(strstr(error.message, "epoch_4.pth' could not be written"));
    assert_true(log_has(dir, "could not save checkpoint"));
    assert_there(dir, "epoch_2.pth", true);
    assert_there(dir, "epoch_3.pth", true);
    assert_pointer(dir, "epoch_3.pth");
    assert_no_leftovers(dir);
    mm_free(path);
    parts_remove_dir(dir);
}

static void a_failed_best_file_leaves_the_former(void **state)
{
    char *dir = parts_new_dir(), *path = block(dir, "best_toy_error_epoch_2.pth");
    (void)state;

    train(dir,
          HOOKS("interval=1, save_best='toy/error', rule='less'") "train_cfg = "
                                                                  "dict(by_epoch=True, "
                                                                  "max_epochs=2)\n");
    check_ok();
    assert_there(dir, "best_toy_error_epoch_1.pth", true);
    assert_true(log_has(dir, "best_toy_error_epoch_2.pth': could not"));
    mm_free(path);
    parts_remove_dir(dir);
}

/* Files on request. */

static void request_a_save(mm_runner *runner, const mm_iter *iter)
{
    (void)iter;
    if (mm_runner_iter(runner) == 2 || mm_runner_iter(runner) == 7)
        mm_runner_request(runner, MM_REQUEST_SAVE);
}

static void files_on_request_do_not_pile_up(void **state)
{
    char *dir = parts_new_dir();
    (void)state;

    parts_probe.on_iter = request_a_save;
    train(dir, HOOKS("interval=1, max_keep_ckpts=3"));
    check_ok();
    assert_there(dir, "iter_3.pth", false);
    assert_there(dir, "iter_8.pth", false);
    assert_there(dir, "epoch_4.pth", true);
    assert_pointer(dir, "epoch_4.pth");
    parts_remove_dir(dir);

    dir = parts_new_dir();
    train(dir, HOOKS("interval=1"));
    check_ok();
    assert_there(dir, "iter_3.pth", true);
    assert_there(dir, "iter_8.pth", true);
    parts_remove_dir(dir);
}

static void a_regular_file_on_request_stays(void **state)
{
    char *dir = parts_new_dir();
    (void)state;

    parts_probe.on_iter = request_a_save; /* iter_3 is a regular one too */
    train(dir, HOOKS("interval=3, by_epoch=False, max_keep_ckpts=8"));
    check_ok();
    assert_there(dir, "iter_3.pth", true);
    assert_there(dir, "iter_8.pth", false);
    parts_remove_dir(dir);
}

static void the_file_of_a_stopped_run_goes_after_the_resume(void **state)
{
    char *dir = parts_new_dir();
    (void)state;

    parts_record.stop_at = 3;
    train(dir, "custom_hooks = [dict(type='RecordHook')]\n"
               "default_hooks = dict(checkpoint=dict(type='CheckpointHook', interval=1,"
               " max_keep_ckpts=2))\n");
    check_ok();
    assert_there(dir, "iter_4.pth", true);
    assert_pointer(dir, "iter_4.pth");
    train(dir, HOOKS("interval=1, max_keep_ckpts=2") "resume = True\n");
    check_ok();
    assert_there(dir, "iter_4.pth", false);
    parts_remove_dir(dir);
}

/* A kill between a new file and the removal of what it replaces. */
static void the_resumed_run_removes_what_a_killed_one_left(void **state)
{
    char *dir = parts_new_dir();
    char *from = mm_path_join(dir, "epoch_3.pth"),
         *to = mm_path_join(dir, "epoch_2.pth");
    size_t size = 0;
    (void)state;

    train(dir, HOOKS("interval=1, max_keep_ckpts=1") "val_cfg = None\n"
                                                     "val_dataloader = "
                                                     "None\nval_evaluator = None\n"
                                                     "train_cfg = dict(by_epoch=True, "
                                                     "max_epochs=3)\n");
    check_ok();
    char *content = mm_file_read(from, &size);

    assert_int_equal(mm_file_write(to, content, size), MM_OK);
    train(dir, HOOKS("interval=1, max_keep_ckpts=1") "resume = True\n");
    check_ok();
    assert_there(dir, "epoch_2.pth", false);
    assert_there(dir, "epoch_3.pth", false);
    assert_there(dir, "epoch_4.pth", true);
    mm_free(content);
    mm_free(to);
    mm_free(from);
    parts_remove_dir(dir);
}

/* Hooks that ask. */

static struct {
    const char *path;
    mm_value *weights; /* as they were when the save was asked for */
    int good, bad;
    bool was_there_early;
} asked;

static void note_result(void *user, mm_runner *runner, bool is_good)
{
    (void)runner;
    assert_ptr_equal(user, &asked);
    assert_false(mm_has_error());
    asked.good += is_good ? 1 : 0;
    asked.bad += is_good ? 0 : 1;
}

static mm_value *copies_of_weights(mm_runner *runner)
{
    mm_scope scope = mm_scope_open();
    mm_value *weights = mm_module_state_dict(mm_runner_model(runner));
    mm_value *copies = mm_value_new_dict();

    for (size_t i = 0; i < mm_value_len(weights); i++)
        mm_dict_put_tensor(copies, mm_dict_name_at(weights, i),
                           mm_clone(mm_value_tensor(mm_dict_at(weights, i))));
    mm_value_unref(weights);
    mm_scope_close(scope);
    return copies;
}

static void ask_in_iteration_3(mm_runner *runner, const mm_iter *iter)
{
    (void)iter;
    if (mm_runner_iter(runner) == 3) {
        asked.weights = copies_of_weights(runner);
        assert_int_equal(mm_runner_save_checkpoint(runner,
                                                   &(mm_save_args){
                                                       .path = asked.path,
                                                       .done = note_result,
                                                       .user = &asked,
                                                   }),
                         MM_OK);
        (void)mm_runner_wait_for_saves(runner); /* of earlier stages */
        asked.was_there_early = mm_file_exists(asked.path);
    }
    if (mm_runner_iter(runner) == 4) {
        assert_int_equal(mm_runner_wait_for_saves(runner), MM_OK);
        assert_int_equal(asked.good + asked.bad, 1);
    }
}

static void a_file_is_of_the_end_of_its_stage(void **state)
{
    char *dir = parts_new_dir();
    (void)state;

    memset(&asked, 0, sizeof(asked));
    asked.path = mm_path_join(dir, "asked.pth");
    parts_probe.on_iter = ask_in_iteration_3;
    train(dir, HOOKS("interval=1"));
    check_ok();
    assert_false(asked.was_there_early);
    assert_int_equal(asked.good, 1);
    mm_value *file = hook_parts_load(dir, "asked.pth");

    assert_true(parts_same_weights(mm_dict_get(file, "state_dict"), asked.weights));
    mm_value_unref(file);
    mm_value_unref(asked.weights);
    mm_free((void *)(uintptr_t)asked.path);
    parts_remove_dir(dir);
}

static void who_asked_hears_of_a_failure(void **state)
{
    char *dir = parts_new_dir(), *path = block(dir, "asked.pth");
    (void)state;

    memset(&asked, 0, sizeof(asked));
    asked.path = path;
    parts_probe.on_iter = ask_in_iteration_3;
    train(dir, HOOKS("interval=1"));
    check_ok();
    assert_int_equal(asked.bad, 1);
    mm_value_unref(asked.weights);
    mm_free(path);
    parts_remove_dir(dir);
}

/* Outside a stage. */

static void a_save_outside_a_stage_is_there_or_an_error(void **state)
{
    char *dir = parts_new_dir(), *blocked = block(dir, "blocked.pth");
    char *path = mm_path_join(dir, "now.pth");
    mm_config *config = parts_config(dir, "");
    mm_runner *runner = mm_runner_new(config);
    mm_save_args args = {.path = path, .done = note_result, .user = &asked};
    (void)state;

    memset(&asked, 0, sizeof(asked));
    assert_int_equal(mm_runner_save_checkpoint(runner, &args), MM_OK);
    assert_int_equal(asked.good, 1);
    assert_int_equal(mm_pth_verify(path), MM_OK);
    args.path = blocked;
    assert_int_equal(mm_runner_save_checkpoint(runner, &args), MM_EIO);
    check_error(MM_EIO);
    assert_int_equal(asked.bad, 1);
    args.path = NULL;
    assert_int_equal(mm_runner_save_checkpoint(runner, &args), MM_EINVAL);
    check_error(MM_EINVAL);
    assert_int_equal(asked.bad, 2);
    mm_runner_free(runner);
    mm_config_unref(config);
    mm_free(path);
    mm_free(blocked);
    parts_remove_dir(dir);
}

/* A file system that is full: no file may grow beyond a limit. */
static void a_full_disk_leaves_the_old_file(void **state)
{
    char *dir = parts_new_dir(), *path = mm_path_join(dir, "x.pth");
    mm_scope scope = mm_scope_open();
    mm_value *content = mm_value_new_dict();
    struct rlimit before;
    size_t size = 0, size_after = 0;
    (void)state;

    mm_dict_put_tensor(content, "x", mm_randn(MM_DIMS(1000)));
    assert_int_equal(mm_checkpoint_save(path, content), MM_OK);
    char *old = mm_file_read(path, &size);

    mm_dict_put_tensor(content, "x", mm_randn(MM_DIMS(1000000)));
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){100000, before.rlim_max}),
                     0);
    assert_int_equal(mm_checkpoint_save(path, content), MM_EIO);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    (void)signal(SIGXFSZ, handler);
    check_error(MM_EIO);
    char *after = mm_file_read(path, &size_after);

    assert_int_equal(size, size_after);
    assert_memory_equal(old, after, size);
    assert_no_leftovers(dir);
    mm_free(after);
    mm_free(old);
    mm_value_unref(content);
    mm_scope_close(scope);
    mm_free(path);
    parts_remove_dir(dir);
}

int test_saving(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_failed_save_changes_nothing, hook_parts_set_up),
        cmocka_unit_test_setup(a_failed_last_save_is_the_runs_error, hook_parts_set_up),
        cmocka_unit_test_setup(a_failed_best_file_leaves_the_former, hook_parts_set_up),
        cmocka_unit_test_setup(files_on_request_do_not_pile_up, hook_parts_set_up),
        cmocka_unit_test_setup(a_regular_file_on_request_stays, hook_parts_set_up),
        cmocka_unit_test_setup(the_file_of_a_stopped_run_goes_after_the_resume,
                               hook_parts_set_up),
        cmocka_unit_test_setup(the_resumed_run_removes_what_a_killed_one_left,
                               hook_parts_set_up),
        cmocka_unit_test_setup(a_file_is_of_the_end_of_its_stage, hook_parts_set_up),
        cmocka_unit_test_setup(who_asked_hears_of_a_failure, hook_parts_set_up),
        cmocka_unit_test_setup(a_save_outside_a_stage_is_there_or_an_error,
                               hook_parts_set_up),
        cmocka_unit_test_setup(a_full_disk_leaves_the_old_file, hook_parts_set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
