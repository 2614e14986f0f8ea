/* What a run writes into a checkpoint: MMEngine's keys, and one of our own
 * ("mmengine_c") that holds what an exact resume needs besides: random state, place in
 * the data, half-filled accumulation windows, hooks' state. Source:
 * Runner.save_checkpoint.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "mmengine/file.h"
#include "mmengine/plugin.h"
#include "runner/internal.h"

static void put_taken(mm_value *dict, const char *key, mm_value *value)
{
    if (value != NULL)
        mm_dict_take(dict, key, value);
}

static mm_value *make_meta(mm_runner *runner, const mm_save_args *args)
{
    mm_value *meta = mm_value_new_dict();
    mm_loader *loader = mm_runner_loader(runner, MM_MODE_TRAIN);
    char *text = mm_config_pretty_text(runner->config);
    char time[16];

    (void)mmi_time_text(mmi_wall_ns(), "%Y%m%d_%H%M%S", time, sizeof(time));
    mm_dict_put_i64(meta, "epoch", args->epoch);
    mm_dict_put_i64(meta, "iter", args->iter);
    if (text != NULL)
        mm_dict_put_str(meta, "cfg", text);
    mm_dict_put_i64(meta, "seed", (int64_t)runner->seed);
    mm_dict_put_str(meta, "experiment_name", runner->experiment_name);
    mm_dict_put_str(meta, "time", time);
    mm_dict_put_str(meta, "mmengine_version", MM_VERSION);
    if (loader != NULL)
        mm_dict_put(meta, "dataset_meta",
                    mm_dataset_metainfo(mm_loader_dataset(loader)));
    mm_free(text);
    return meta;
}

/* A list of states; with several optimizers a dict of lists by their names. */
static mm_value *scheduler_states(const mm_runner *runner)
{
    bool by_name = mm_optim_wrapper_is_dict(runner->optim_wrapper);
    mm_value *states = by_name ? mm_value_new_dict() : mm_value_new_list();

    for (size_t i = 0; i < runner->num_schedulers && !mm_has_error(); i++) {
        const mmi_scheduler *item = &runner->schedulers[i];
        mm_value *list = states;

        if (by_name && !mm_dict_has(states, item->optimizer))
            mm_dict_take(states, item->optimizer, mm_value_new_list());
        if (by_name)
            list = mm_dict_get(states, item->optimizer);
        mm_list_push(list, mm_param_scheduler_state_dict(item->scheduler));
    }
    return states;
}

static mm_value *make_checkpoint(mm_runner *runner, const mm_save_args *args)
{
    mm_value *checkpoint = mm_value_new_dict();

    put_taken(checkpoint, "meta", make_meta(runner, args));
    put_taken(checkpoint, "state_dict", mm_module_state_dict(runner->model));
    put_taken(checkpoint, "message_hub", mm_hub_state(runner->hub, 0));
    if (!args->no_optimizer && runner->optim_wrapper != NULL) {
        put_taken(checkpoint, "optimizer",
                  mm_optim_wrapper_state_dict(runner->optim_wrapper));
        put_taken(checkpoint, MMI_OWN_KEY, mmi_own_state(runner));
    }
    if (!args->no_param_scheduler && runner->num_schedulers > 0)
        put_taken(checkpoint, "param_schedulers", scheduler_states(runner));
    return checkpoint;
}

/* Requests. Inside a stage they wait for its end; then all of them are made, copied and
 * given to the writer. */

/* Tells who asked for a save what came of it; no error is pending then. */
static void tell(mm_runner *runner, const mm_save_args *args, bool is_good)
{
    mm_error error;

    (void)mm_error_take(&error);
    if (args->done != NULL)
        args->done(args->user, runner, is_good);
    (void)mm_error_restore(&error);
}

/* A save that came to a file or to nothing: noted and told. */
static void conclude(mm_runner *runner, mmi_save *save)
{
    bool is_good = save->error.code == MM_OK;

    if (save->args.is_last) {
        mm_free(runner->saves.failed);
        runner->saves.failed = is_good ? NULL : mm_strdup(save->args.path);
    }
    tell(runner, &save->args, is_good);
    mmi_save_free(save);
}

/* The same for a list, with an error line for each failure; works while an error is
 * pending. */
static void report(mm_runner *runner, mmi_save *saves)
{
    mm_error error;

    (void)mm_error_take(&error);
    for (mmi_save *next; saves != NULL; saves = next) {
        next = saves->next;
        if (saves->error.code != MM_OK)
            mm_log(MM_LOG_ERROR,
                   "could not save checkpoint '%s': %s; earlier ones stay",
                   saves->args.path, saves->error.message);
        conclude(runner, saves);
    }
    (void)mm_error_restore(&error);
}

/* Saves that came to nothing because of the pending error, which ends the run. */
static void drop(mm_runner *runner, mmi_save *saves)
{
    mm_error error;

    (void)mm_error_take(&error);
    for (mmi_save *next; saves != NULL; saves = next) {
        next = saves->next;
        saves->error = error;
        conclude(runner, saves);
    }
    (void)mm_error_restore(&error);
}

/* Waits for what is being written. */
static void finish_writing(mm_runner *runner)
{
    int64_t begin = mmi_clock_ns();
    mmi_save *written = mmi_saver_finish(runner->saves.saver);
    double seconds = (double)(mmi_clock_ns() - begin) * 1e-9;

    if (written != NULL && seconds > 1.0)
        mm_log(MM_LOG_INFO, "waited %.1f s for %s to be written", seconds,
               mm_path_basename(written->args.path));
    report(runner, written);
}

/* Optimizers that train at another point than they evaluate at go to the latter, which
 * is what checkpoints hold. */
static mm_status leave_training(mm_runner *runner, const mmi_save *saves)
{
    mmi_saves *self = &runner->saves;
    bool is_unplanned = true;

    for (; saves != NULL; saves = saves->next)
        is_unplanned = is_unplanned && saves->args.is_unplanned;
    self->is_training = mm_optim_wrapper_is_training(runner->optim_wrapper);
    if (!self->is_training)
        return mm_pending();
    if (is_unplanned)
        self->point = mm_optim_wrapper_training_point(runner->optim_wrapper);
    return mm_optim_wrapper_set_training(runner->optim_wrapper, false);
}

/* And back, once the state is copied. */
static mm_status return_to_training(mm_runner *runner)
{
    mmi_saves *self = &runner->saves;

    if (self->point != NULL)
        (void)mm_optim_wrapper_load_training_point(runner->optim_wrapper, self->point);
    else if (self->is_training)
        (void)mm_optim_wrapper_set_training(runner->optim_wrapper, true);
    mm_value_unref(self->point);
    self->point = NULL;
    self->is_training = false;
    return mm_pending();
}

/* What the saves contain, with what hooks make of it. */
static mm_status make_contents(mm_runner *runner, mmi_save *saves)
{
    if (leave_training(runner, saves) < 0)
        return mm_pending();
    runner->saves.is_making = true;
    for (mmi_save *save = saves; save != NULL && !mm_has_error(); save = save->next) {
        save->content = make_checkpoint(runner, &save->args);
        if (!mm_has_error())
            (void)mmi_call_value(runner, MMI_BEFORE_SAVE_CHECKPOINT, save->content);
    }
    runner->saves.is_making = false;
    return mm_pending();
}

static void drop_contents(mmi_save *saves)
{
    for (; saves != NULL; saves = saves->next) {
        mm_value_unref(saves->content);
        saves->content = NULL;
    }
}

/* Writes straight from the tensors. The errors go to the saves. */
static void write_now(mmi_save *saves)
{
    for (mmi_save *save = saves; save != NULL; save = save->next) {
        if (mm_checkpoint_save(save->args.path, save->content) == MM_OK)
            (void)mmi_save_conclude(save);
        (void)mm_error_take(&save->error);
    }
}

/* Copies the contents and begins to write. Gives back saves that are over already:
 * those that there was no memory to copy are written at once. */
static mmi_save *hand_over(mm_runner *runner, mmi_save *saves)
{
    if (runner->saves.saver == NULL)
        runner->saves.saver = mmi_saver_new();
    if (!mm_has_error() && mmi_saver_copy(runner->saves.saver, saves) == MM_OK) {
        drop_contents(saves);
        mmi_saver_start(runner->saves.saver, saves);
        return NULL;
    }
    if (mm_pending() == MM_ENOMEM) {
        (void)mm_error_take(NULL);
        mm_log(MM_LOG_WARN, "no memory for a copy of the state, so that training waits "
                            "while the checkpoint is written");
        write_now(saves);
    }
    return saves;
}

/* Makes what was asked for and has it written. */
static mm_status make_asked(mm_runner *runner)
{
    mmi_save *saves = runner->saves.asked;
    mm_error error;

    runner->saves.asked = NULL;
    finish_writing(runner);
    mm_scope scope = mm_scope_open();

    if (make_contents(runner, saves) == MM_OK)
        saves = hand_over(runner, saves);
    drop_contents(saves);
    mm_scope_close(scope);
    if (mm_pending() == MM_ENOMEM) {
        (void)mm_error_take(&error);
        for (mmi_save *save = saves; save != NULL; save = save->next)
            save->error = error;
    }
    (void)return_to_training(runner);
    if (mm_has_error())
        drop(runner, saves);
    else
        report(runner, saves);
    return mm_pending();
}

mm_status mmi_saves_stage_end(mm_runner *runner)
{
    if (runner->saves.is_making)
        return mm_pending();
    if (runner->saves.asked != NULL && !mm_has_error())
        return make_asked(runner);
    if (runner->saves.asked != NULL) {
        drop(runner, runner->saves.asked);
        runner->saves.asked = NULL;
    } else if (mmi_saver_is_done(runner->saves.saver)) {
        finish_writing(runner);
    }
    return mm_pending();
}

/* Adds a request behind those that are there. */
static mmi_save *ask(mm_runner *runner, const mm_save_args *args)
{
    mmi_save **end = &runner->saves.asked;

    while (*end != NULL)
        end = &(*end)->next;
    if (runner->saves.is_making)
        (void)mm_raise(MM_ESTATE,
                       "a checkpoint was asked for in before_save_checkpoint");
    else if (!mm_has_error())
        *end = mmi_save_new(args, runner->work_dir);
    return *end;
}

/* Writes the one save there is and gives its error. */
static mm_status save_at_once(mm_runner *runner)
{
    mmi_save *save = runner->saves.asked;
    mm_error error;

    runner->saves.asked = NULL;
    finish_writing(runner);
    mm_scope scope = mm_scope_open();

    if (make_contents(runner, save) == MM_OK) {
        write_now(save);
        (void)mm_error_restore(&save->error);
    }
    drop_contents(save);
    mm_scope_close(scope);
    (void)mm_error_take(&error);
    save->error = error;
    conclude(runner, save);
    (void)return_to_training(runner);
    return mm_has_error() ? mm_pending() : mm_error_restore(&error);
}

mm_status mm_runner_save_checkpoint(mm_runner *runner, const mm_save_args *args)
{
    if (!MMI_NEED(args))
        return mm_pending();
    if (!MMI_NEED(args->path) || ask(runner, args) == NULL) {
        tell(runner, args, false);
        return mm_pending();
    }
    return runner->stage_depth > 0 ? mm_pending() : save_at_once(runner);
}

mm_status mm_runner_wait_for_saves(mm_runner *runner)
{
    finish_writing(runner);
    return mm_pending();
}

mm_status mmi_saves_finish(mm_runner *runner)
{
    finish_writing(runner);
    if (runner->saves.failed == NULL || mm_has_error())
        return mm_pending();
    (void)mm_raise(MM_EIO,
                   "the run is over, but its last checkpoint '%s' could not be "
                   "written",
                   runner->saves.failed);
    return mm_error_hint("the log says why; checkpoints written before are good");
}

void mmi_saves_free(mm_runner *runner)
{
    finish_writing(runner);
    mmi_saver_free(runner->saves.saver);
    mm_free(runner->saves.failed);
    runner->saves = (mmi_saves){0};
}

/* The hub knows the file, so that the hook that keeps the number of files small can
 * remove it later. */
static mm_status note_request(mm_runner *runner, const char *name)
{
    mm_value *before = mm_hub_find_info(runner->hub, MMI_REQUESTED_INFO);
    mm_value *names = before == NULL ? mm_value_new_list() : mm_value_copy(before);

    if (names != NULL)
        mm_list_push(names, mm_value_new_str(name));
    if (!mm_has_error())
        mm_hub_update_info(runner->hub, MMI_REQUESTED_INFO, names);
    mm_value_unref(names);
    return mm_pending();
}

mm_status mmi_save_on_request(mm_runner *runner)
{
    char *name = mm_strfmt("iter_%" PRId64 ".pth", runner->at.iter);
    char *path = name == NULL ? NULL : mm_path_join(runner->work_dir, name);

    if (path != NULL && note_request(runner, name) == MM_OK &&
        ask(runner, &(mm_save_args){
                        .path = path,
                        .epoch = runner->at.epoch,
                        .iter = runner->at.iter,
                        .is_last = true,
                        .is_unplanned = true,
                    }) != NULL) {
        mm_log(MM_LOG_INFO, "Saving checkpoint %s on request", name);
        (void)make_asked(runner);
    }
    mm_free(path);
    mm_free(name);
    return mm_pending();
}
