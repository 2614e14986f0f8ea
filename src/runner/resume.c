/* Everything of a checkpoint back into a run, so that it goes on as if it had never
 * ended. Source: Runner.resume.
 */
#include <inttypes.h>
#include <string.h>

#include "mmengine/ops.h"
#include "runner/internal.h"

static mm_status resume_seed(mm_runner *runner, const mm_value *meta)
{
    const mm_value *value = mm_dict_find(meta, "seed");

    if (mm_value_is_none(value) || (uint64_t)mm_value_i64(value) == runner->seed)
        return mm_pending();
    if (runner->has_seed && mmi_config_wins(runner))
        return mm_pending();
    if (runner->has_seed)
        mm_log(MM_LOG_WARN,
               "the checkpoint's seed %" PRId64 " replaces the config's %" PRIu64,
               mm_value_i64(value), runner->seed);
    return mmi_seed_everything(runner, (uint64_t)mm_value_i64(value));
}

static mm_status resume_optimizer(mm_runner *runner, const mm_value *state)
{
    mm_value *mixed = NULL;

    if (state == NULL)
        return mm_pending();
    if (mmi_config_wins(runner)) {
        mixed = mmi_with_config_options(runner, state);
        state = mixed;
    }
    if (state != NULL)
        (void)mm_optim_wrapper_load_state_dict(runner->optim_wrapper, state);
    mm_value_unref(mixed);
    return mm_pending();
}

/* The states of one optimizer's schedulers, in order. */
static mm_status load_schedulers(mm_runner *runner, const char *optimizer,
                                 const mm_value *states)
{
    size_t next = 0, count = states == NULL ? 0 : mm_value_len(states);

    for (size_t i = 0; i < runner->num_schedulers && !mm_has_error(); i++) {
        const mmi_scheduler *item = &runner->schedulers[i];

        if (item->optimizer != optimizer)
            continue;
        if (next < count)
            (void)mm_param_scheduler_load_state_dict(
                item->scheduler, mm_list_get(states, next), MM_SCHEDULE_LOAD_ALL);
        next++;
    }
    if (next != count)
        mm_log(MM_LOG_WARN, "the checkpoint has %zu schedulers, the config %zu", count,
               next);
    return mm_pending();
}

static mm_status resume_schedulers(mm_runner *runner, const mm_value *states)
{
    const mm_optim_wrapper *wrapper = runner->optim_wrapper;

    if (mmi_config_wins(runner))
        return mmi_replay_schedulers(runner);
    if (!mm_optim_wrapper_is_dict(wrapper))
        return load_schedulers(runner, NULL, states);
    for (size_t i = 0; i < mm_optim_wrapper_num_children(wrapper) && !mm_has_error();
         i++) {
        const char *name = mm_optim_wrapper_child_name(wrapper, i);
        bool by_name = states != NULL && mm_value_kind(states) == MM_KIND_DICT;

        (void)load_schedulers(runner, name,
                              by_name ? mm_dict_find(states, name) : NULL);
    }
    return mm_pending();
}

static mm_status resume_from(mm_runner *runner, const mm_value *checkpoint)
{
    const mm_value *meta = mm_dict_get(checkpoint, "meta");
    const mm_value *own = mm_dict_find(checkpoint, MMI_OWN_KEY);
    const mm_value *hub = mm_dict_find(checkpoint, "message_hub");

    if (meta == NULL)
        return mm_error_hint("a file of weights alone goes to load_from");
    if (mmi_check_own(own) < 0)
        return mm_pending();
    mmi_log_differences(runner, checkpoint);
    runner->at.epoch = mm_value_i64(mm_dict_get(meta, "epoch"));
    runner->at.iter = mm_value_i64(mm_dict_get(meta, "iter"));
    if (mm_has_error() || resume_seed(runner, meta) < 0)
        return mm_pending();
    if (hub != NULL && mm_hub_load_state(runner->hub, hub) < 0)
        return mm_pending();
    if (mmi_memory_format_resume(runner, own) < 0 ||
        resume_optimizer(runner, mm_dict_find(checkpoint, "optimizer")) < 0 ||
        resume_schedulers(runner, mm_dict_find(checkpoint, "param_schedulers")) < 0)
        return mm_pending();
    return mmi_resume_own(runner, own);
}

mm_status mm_runner_resume(mm_runner *runner, const char *path)
{
    runner->resuming = true;
    mm_value *checkpoint = mmi_open_checkpoint(runner, path, true);

    runner->resuming = false;
    if (checkpoint == NULL || resume_from(runner, checkpoint) < 0) {
        mm_value_unref(checkpoint);
        return mm_error_frame("while resuming from '%s'", path);
    }
    mm_value_unref(checkpoint);
    runner->has_loaded = true;
    mm_log(MM_LOG_INFO, "resumed epoch: %" PRId64 ", iter: %" PRId64, runner->at.epoch,
           runner->at.iter);
    return MM_OK;
}
