/* The runner: its life from config to finished run, and what others read of it. */
#include <string.h>

#include "mmengine/file.h"
#include "mmengine/fileio.h"
#include "mmengine/plugin.h"
#include "runner/internal.h"

/* Plugins first: what they register may be named anywhere in the config. */
static mm_status import_plugins(const mm_runner *runner)
{
    mm_value *imports = mm_dict_find(runner->root, "custom_imports");

    if (imports == NULL || mm_has_error())
        return mm_pending();
    return mm_plugin_import(&(mm_import_args){
        .imports = imports,
        .config_file = mm_config_filename(runner->config),
    });
}

mm_runner *mm_runner_new(mm_config *config)
{
    mm_runner *runner = mm_alloc(sizeof(*runner));

    if (runner == NULL)
        return NULL;
    runner->lock.file = (mmi_file)MMI_NO_FILE;
    runner->stage = MMI_NO_STAGE;
    runner->config = config;
    runner->root = mm_config_root(config);
    const char *scope = mm_config_default_scope(config);
    runner->scope = scope == NULL ? "mmengine" : scope;
    if (mm_has_error() || import_plugins(runner) < 0 || mmi_check(runner) < 0 ||
        mmi_setup(runner) < 0 || mmi_build_model(runner) < 0 ||
        mmi_hooks_register_all(runner) < 0)
        goto fail;
    mmi_strategy_log(runner);
    char *info = mm_runner_hooks_info(runner);
    if (info == NULL)
        goto fail;
    mm_log(MM_LOG_INFO, "Hooks will be executed in the following order:\n%s", info);
    mm_free(info);
    return runner;
fail:
    mm_runner_free(runner);
    return NULL;
}

void mm_runner_free(mm_runner *runner)
{
    if (runner == NULL)
        return;
    mmi_saves_free(runner);
    mmi_hooks_free(runner);
    mmi_build_free(runner);
    mmi_setup_free(runner);
    mm_free(runner);
}

/* One process at a time writes checkpoints to a folder; the lock dies with its holder.
 */
static mm_status lock_work_dir(mm_runner *runner)
{
    char *path = mm_path_join(runner->work_dir, ".train.lock");

    if (path != NULL)
        (void)mmi_file_lock_take(&runner->lock, path);
    if (mm_has_error() && mm_error_peek()->code == MM_EBUSY) {
        if (runner->force) {
            mm_log(MM_LOG_WARN, "%s; going on as asked", mm_error_peek()->message);
            (void)mm_error_take(NULL);
        } else {
            (void)mm_error_hint(
                "wait for it, choose another --work-dir, or say --force");
        }
    }
    mm_free(path);
    if (!mm_has_error())
        (void)mm_file_remove_stale(runner->work_dir);
    return mm_pending();
}

/* The last steps before the loop: weights, checkpoint, counters of the wrapper. */
static mm_status ready_to_train(mm_runner *runner)
{
    mm_scope scope = mm_scope_open();

    if (mmi_call_stage(runner, MMI_BEFORE_RUN) == MM_OK &&
        mm_module_init_weights(runner->model) == MM_OK &&
        mmi_model_features(runner) == MM_OK &&
        mmi_memory_format_begin(runner) == MM_OK &&
        mmi_load_or_resume(runner, MM_MODE_TRAIN) == MM_OK)
        (void)mm_optim_wrapper_initialize_count_status(runner->optim_wrapper,
                                                       runner->model, runner->at.iter,
                                                       runner->at.max_iters);
    mm_scope_close(scope);
    return mm_pending();
}

mm_status mm_runner_train(mm_runner *runner)
{
    if (mmi_section(runner, "train_cfg") == NULL)
        return mm_raise(MM_ECONFIG, "the config has no 'train_cfg': nothing to train");
    if (lock_work_dir(runner) < 0 || mmi_loop_build(runner, MM_MODE_TRAIN) < 0 ||
        mmi_build_optim(runner) < 0 || mmi_build_schedulers(runner) < 0)
        return mm_pending();
    if (mmi_section(runner, "val_cfg") != NULL &&
        mmi_loop_build(runner, MM_MODE_VAL) < 0)
        return mm_pending();
    if (ready_to_train(runner) < 0 || mmi_loop_run(runner, MM_MODE_TRAIN) < 0 ||
        mm_runner_wait_for_saves(runner) < 0 ||
        mmi_call_stage(runner, MMI_AFTER_RUN) < 0)
        return mm_pending();
    return mmi_saves_finish(runner);
}

/* Validation or test on its own. */
static mm_value *run_alone(mm_runner *runner, mm_mode mode)
{
    if (mmi_section(runner, mmi_mode_key(mode, "cfg")) == NULL) {
        (void)mm_raise(MM_ECONFIG, "the config has no '%s': nothing to evaluate",
                       mmi_mode_key(mode, "cfg"));
        return NULL;
    }
    if (mmi_loop_build(runner, mode) < 0 ||
        mmi_call_stage(runner, MMI_BEFORE_RUN) < 0 ||
        mmi_load_or_resume(runner, mode) < 0 || mmi_loop_run(runner, mode) < 0 ||
        mmi_call_stage(runner, MMI_AFTER_RUN) < 0)
        return NULL;
    return runner->metrics == NULL ? mm_value_new_dict()
                                   : mm_value_ref(runner->metrics);
}

mm_value *mm_runner_val(mm_runner *runner)
{
    return run_alone(runner, MM_MODE_VAL);
}

mm_value *mm_runner_test(mm_runner *runner)
{
    return run_alone(runner, MM_MODE_TEST);
}

void mm_runner_set_force(mm_runner *runner, bool force)
{
    runner->force = force;
}

bool mm_runner_was_stopped(const mm_runner *runner)
{
    return runner->exit_flow == MM_STOP;
}

void mm_runner_request(mm_runner *runner, unsigned flags)
{
    (void)atomic_fetch_or(&runner->requests, flags);
}

void mm_runner_stop_training(mm_runner *runner)
{
    runner->at.stop_training = true;
}

void mm_runner_set_progress(mm_runner *runner,
                            void (*show)(void *user, const mm_progress *progress),
                            void *user)
{
    runner->show = show;
    runner->show_user = user;
}

mm_config *mm_runner_config(const mm_runner *runner)
{
    return runner->config;
}

mm_hub *mm_runner_hub(const mm_runner *runner)
{
    return runner->hub;
}

mm_visualizer *mm_runner_visualizer(const mm_runner *runner)
{
    return runner->visualizer;
}

mm_module *mm_runner_model(const mm_runner *runner)
{
    return runner->model;
}

mm_status mm_runner_set_model(mm_runner *runner, MM_TAKES mm_module *model)
{
    if (model == NULL || mm_has_error()) {
        mm_module_unref(model);
        return mm_has_error() ? mm_pending()
                              : mm_raise(MM_EINVAL, "could not set a runner's model: "
                                                    "none given");
    }
    mm_module_unref(runner->model);
    runner->model = model;
    return MM_OK;
}

bool mm_runner_is_resuming(const mm_runner *runner)
{
    return runner->resuming;
}

mm_optim_wrapper *mm_runner_optim_wrapper(const mm_runner *runner)
{
    return runner->optim_wrapper;
}

const char *mm_runner_work_dir(const mm_runner *runner)
{
    return runner->work_dir;
}

const char *mm_runner_log_dir(const mm_runner *runner)
{
    return runner->log_dir;
}

const char *mm_runner_timestamp(const mm_runner *runner)
{
    return runner->timestamp;
}

const char *mm_runner_experiment_name(const mm_runner *runner)
{
    return runner->experiment_name;
}

int64_t mm_runner_epoch(const mm_runner *runner)
{
    return runner->at.epoch;
}

int64_t mm_runner_iter(const mm_runner *runner)
{
    return runner->at.iter;
}

int64_t mm_runner_max_epochs(const mm_runner *runner)
{
    return runner->at.max_epochs;
}

int64_t mm_runner_max_iters(const mm_runner *runner)
{
    return runner->at.max_iters;
}

bool mm_runner_by_epoch(const mm_runner *runner)
{
    return runner->at.by_epoch;
}

uint64_t mm_runner_seed(const mm_runner *runner)
{
    return runner->seed;
}
