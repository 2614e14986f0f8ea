/* What an exact resume needs and MMEngine's keys do not hold, both ways: place in the
 * loop and in the data, states of the generators, a half-filled accumulation window,
 * hooks' state. It is one dict under one key of a checkpoint (MMI_OWN_KEY):
 *
 *   version        of this layout
 *   place          the last of after_train_iter, after_train_epoch, after_val_epoch
 *   stop_training  a hook has asked to end
 *   data_epoch, data_position   where the training data go on
 *   random         device -> state of its generator
 *   drawn          loaders that have drawn their number from the default generator
 *   scalars        the ends of the histories, as far back as log lines look
 *   memory_format, window, hooks
 *   training       the parameters came from a point of training that is not the one of
 *                  evaluation, where they are in the file
 *   training_point their values there, in a file that an uninterrupted run has not
 */
#include <inttypes.h>
#include <string.h>

#include "mmengine/log.h"
#include "mmengine/ops.h"
#include "runner/internal.h"
#include "runner/random_states.h"

static const char *const place_names[] = {
    [MMI_PLACE_START] = "start",
    [MMI_PLACE_AFTER_ITER] = "after_train_iter",
    [MMI_PLACE_AFTER_EPOCH] = "after_train_epoch",
    [MMI_PLACE_AFTER_VAL] = "after_val_epoch",
};

static void put_taken(mm_value *dict, const char *key, mm_value *value)
{
    if (value != NULL)
        mm_dict_take(dict, key, value);
}

static mm_value *hook_states(mm_runner *runner)
{
    mm_value *states = mm_value_new_dict();
    const mmi_hook *hook;

    for (size_t i = 0; !mm_has_error() && (hook = mmi_hooks_at(runner, i)) != NULL;
         i++) {
        if (hook->ops->save_state != NULL)
            put_taken(states, mm_instance_component(hook->instance)->name,
                      hook->ops->save_state(mm_instance_self(hook->instance)));
    }
    return states;
}

/* Calls `visit` for each loader that is made, with "train", "val" or "val.<name>". */
static void each_loader(mm_runner *runner, mm_value *names,
                        void (*visit)(mm_loader *loader, const char *name,
                                      mm_value *names))
{
    for (int mode = 0; mode < MMI_NUM_MODES; mode++) {
        const mmi_data_sets *sets = &runner->sets[mode];

        for (size_t i = 0; i < sets->count && !mm_has_error(); i++) {
            const char *own = sets->data[i].name;
            char *name = mm_strfmt("%s%s%s", mmi_mode_name((mm_mode)mode),
                                   own == NULL ? "" : ".", own == NULL ? "" : own);

            if (name != NULL && sets->data[i].loader != NULL)
                visit(sets->data[i].loader, name, names);
            mm_free(name);
        }
    }
}

static void note_drawn(mm_loader *loader, const char *name, mm_value *names)
{
    if (mm_loader_has_begun(loader))
        mm_list_push(names, mm_value_new_str(name));
}

static void resume_drawn(mm_loader *loader, const char *name, mm_value *names)
{
    for (size_t i = 0; i < mm_value_len(names); i++) {
        const mm_value *item = mm_list_get(names, i);

        if (mm_value_kind(item) == MM_KIND_STR && strcmp(mm_value_str(item), name) == 0)
            mm_loader_set_begun(loader);
    }
}

mm_value *mmi_random_state(mm_runner *runner)
{
    mm_value *state = mm_value_new_dict();
    mm_value *random = mmi_random_states(runner);
    mm_value *drawn = mm_value_new_list();

    each_loader(runner, drawn, note_drawn);
    if (random != NULL)
        mm_dict_take(state, "random", random);
    mm_dict_take(state, "drawn", drawn);
    return state;
}

/* What the next log lines average over. */
static mm_value *history_ends(mm_runner *runner)
{
    mm_value *state = mm_hub_state(runner->hub, mmi_log_window(runner));
    mm_value *scalars =
        state == NULL ? NULL : mm_value_ref(mm_dict_get(state, "log_scalars"));

    mm_value_unref(state);
    return scalars;
}

/* During a validation: the state before it, since it will be run again. */
static void put_random_state(mm_runner *runner, mm_value *own)
{
    mm_value *state = runner->before_val != NULL ? mm_value_ref(runner->before_val)
                                                 : mmi_random_state(runner);

    for (size_t i = 0; state != NULL && i < mm_value_len(state) && !mm_has_error(); i++)
        mm_dict_put(own, mm_dict_name_at(state, i), mm_dict_at(state, i));
    mm_value_unref(state);
}

mm_value *mmi_own_state(mm_runner *runner)
{
    mm_value *own = mm_value_new_dict();
    const mmi_counters *at = &runner->at;

    mm_dict_put_i64(own, "version", MMI_OWN_VERSION);
    mm_dict_put_str(own, "place", place_names[at->place]);
    mm_dict_put_bool(own, "stop_training", at->stop_training);
    mm_dict_put_i64(own, "data_epoch", at->data_epoch);
    mm_dict_put_i64(own, "data_position", at->in_epoch ? at->batches_done : 0);
    mm_dict_put_str(own, "memory_format", mm_runner_memory_format(runner));
    put_random_state(runner, own);
    put_taken(own, "scalars", history_ends(runner));
    put_taken(own, "window", mm_optim_wrapper_window_state(runner->optim_wrapper));
    put_taken(own, "hooks", hook_states(runner));
    if (runner->saves.is_training)
        mm_dict_put_bool(own, "training", true);
    if (runner->saves.point != NULL)
        mm_dict_put(own, "training_point", runner->saves.point);
    return own;
}

/* Resuming. */

static mm_status resume_hooks(mm_runner *runner, const mm_value *states)
{
    const mmi_hook *hook;

    for (size_t i = 0; !mm_has_error() && (hook = mmi_hooks_at(runner, i)) != NULL;
         i++) {
        const mm_value *state =
            mm_dict_find(states, mm_instance_component(hook->instance)->name);

        if (state != NULL && hook->ops->load_state != NULL)
            (void)hook->ops->load_state(mm_instance_self(hook->instance), state);
    }
    return mm_pending();
}

static mm_status resume_histories(mm_runner *runner, mm_value *scalars)
{
    mm_value *state = mm_value_new_dict();
    mm_value *resumed = mm_value_new_dict();

    for (size_t i = 0; i < mm_value_len(scalars) && !mm_has_error(); i++)
        mm_dict_put_bool(resumed, mm_dict_name_at(scalars, i), true);
    mm_dict_put(state, "log_scalars", scalars);
    mm_dict_take(state, "runtime_info", mm_value_new_dict());
    mm_dict_take(state, "resumed_keys", resumed);
    mm_status status =
        mm_has_error() ? mm_pending() : mm_hub_load_state(runner->hub, state);

    mm_value_unref(state);
    return status;
}

/* A validation that was due when the file was written has not been run yet. */
static void resume_place(mm_runner *runner, const mm_value *own)
{
    const mm_value *place = mm_dict_find(own, "place");
    const char *name = place == NULL ? "" : mm_value_str(place);
    mmi_place due = runner->at.by_epoch ? MMI_PLACE_AFTER_EPOCH : MMI_PLACE_AFTER_ITER;

    runner->at.owes_validation = name != NULL && strcmp(name, place_names[due]) == 0;
    runner->at.stop_training = mm_value_is_true(mm_dict_find(own, "stop_training"));
    if (runner->at.stop_training)
        mm_log(MM_LOG_WARN, "a hook had ended this training early; it stays ended");
}

mm_status mmi_check_own(const mm_value *own)
{
    const mm_value *version = own == NULL ? NULL : mm_dict_find(own, "version");

    if (mm_value_kind(version) == MM_KIND_I64 &&
        mm_value_i64(version) > MMI_OWN_VERSION)
        return mm_raise(MM_EDATA,
                        "its state for resuming is of version %" PRId64
                        ", this program knows %d",
                        mm_value_i64(version), (int)MMI_OWN_VERSION);
    return mm_pending();
}

/* Back to where the parameters were when the file was written, by the same way. */
static mm_status resume_point(mm_runner *runner, const mm_value *own)
{
    const mm_value *point = mm_dict_find(own, "training_point");

    if (!mm_value_is_none(point))
        return mm_optim_wrapper_load_training_point(runner->optim_wrapper, point);
    return mm_value_is_true(mm_dict_find(own, "training"))
               ? mm_optim_wrapper_set_training(runner->optim_wrapper, true)
               : mm_pending();
}

mm_status mmi_resume_own(mm_runner *runner, const mm_value *own)
{
    mm_value *drawn = own == NULL ? NULL : mm_dict_find(own, "drawn");
    mm_value *scalars = own == NULL ? NULL : mm_dict_find(own, "scalars");

    if (own == NULL) {
        mm_log(MM_LOG_WARN,
               "the checkpoint was written by another program: random state "
               "and place in the data are not in it");
        return MM_OK;
    }
    runner->at.data_epoch = mm_value_i64(mm_dict_get(own, "data_epoch"));
    runner->at.first_batch = mm_value_i64(mm_dict_get(own, "data_position"));
    if (!mm_has_error())
        resume_place(runner, own);
    if (!mm_has_error() && drawn != NULL)
        each_loader(runner, drawn, resume_drawn);
    if (!mm_has_error() && scalars != NULL)
        (void)resume_histories(runner, scalars);
    if (!mm_has_error())
        (void)mm_optim_wrapper_load_window_state(runner->optim_wrapper,
                                                 mm_dict_get(own, "window"));
    if (!mm_has_error())
        (void)resume_point(runner, own);
    if (!mm_has_error())
        (void)resume_hooks(runner, mm_dict_get(own, "hooks"));
    if (mm_has_error())
        return mm_pending();
    return mmi_random_restore(mm_dict_get(own, "random"));
}
