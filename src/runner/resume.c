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
    if (runner->has_seed)
        mm_log(MM_LOG_WARN,
               "the checkpoint's seed %" PRId64 " replaces the config's %" PRIu64,
               mm_value_i64(value), runner->seed);
    return mmi_seed_everything(runner, (uint64_t)mm_value_i64(value));
}

static mm_status resume_schedulers(mm_runner *runner, const mm_value *states)
{
    size_t count = states == NULL ? 0 : mm_value_len(states);

    if (count != runner->num_schedulers)
        mm_log(MM_LOG_WARN, "the checkpoint has %zu schedulers, the config %zu", count,
               runner->num_schedulers);
    for (size_t i = 0; i < count && i < runner->num_schedulers && !mm_has_error(); i++)
        (void)mm_param_scheduler_load_state_dict(
            runner->schedulers[i], mm_list_get(states, i), MM_SCHEDULE_LOAD_ALL);
    return mm_pending();
}

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

static mm_status resume_random(const mm_value *states)
{
    for (size_t i = 0; i < mm_value_len(states) && !mm_has_error(); i++) {
        const char *device = mm_dict_name_at(states, i);

        if (mm_device_is_available(device))
            (void)mm_rng_set_state(device, mm_value_tensor(mm_dict_at(states, i)));
    }
    return mm_pending();
}

static mm_status resume_own(mm_runner *runner, const mm_value *own)
{
    if (own == NULL) {
        mm_log(MM_LOG_WARN,
               "the checkpoint was written by another program: random state "
               "and place in the data are not in it");
        return MM_OK;
    }
    runner->at.data_epoch = mm_value_i64(mm_dict_get(own, "data_epoch"));
    runner->at.first_batch = mm_value_i64(mm_dict_get(own, "data_position"));
    if (!mm_has_error())
        (void)mm_optim_wrapper_load_window_state(runner->optim_wrapper,
                                                 mm_dict_get(own, "window"));
    if (!mm_has_error())
        (void)resume_hooks(runner, mm_dict_get(own, "hooks"));
    if (mm_has_error())
        return mm_pending();
    return resume_random(mm_dict_get(own, "random"));
}

static mm_status resume_from(mm_runner *runner, const mm_value *checkpoint)
{
    const mm_value *meta = mm_dict_get(checkpoint, "meta");
    const mm_value *hub = mm_dict_find(checkpoint, "message_hub");
    const mm_value *optimizer = mm_dict_find(checkpoint, "optimizer");

    if (meta == NULL)
        return mm_error_hint("a file of weights alone goes to load_from");
    runner->at.epoch = mm_value_i64(mm_dict_get(meta, "epoch"));
    runner->at.iter = mm_value_i64(mm_dict_get(meta, "iter"));
    if (mm_has_error() || resume_seed(runner, meta) < 0)
        return mm_pending();
    if (hub != NULL && mm_hub_load_state(runner->hub, hub) < 0)
        return mm_pending();
    if (mmi_memory_format_resume(runner, mm_dict_find(checkpoint, MMI_OWN_KEY)) < 0)
        return mm_pending();
    if (optimizer != NULL &&
        mm_optim_wrapper_load_state_dict(runner->optim_wrapper, optimizer) < 0)
        return mm_pending();
    if (resume_schedulers(runner, mm_dict_find(checkpoint, "param_schedulers")) < 0)
        return mm_pending();
    return resume_own(runner, mm_dict_find(checkpoint, MMI_OWN_KEY));
}

mm_status mm_runner_resume(mm_runner *runner, const char *path)
{
    mm_value *checkpoint = mmi_open_checkpoint(runner, path, true);

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
