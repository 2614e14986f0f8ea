/* Going back to a checkpoint in the middle of a run: what was learnt is the
 * checkpoint's, the clock is the run's. */
#include <string.h>

#include "mmengine/ops.h"
#include "runner/internal.h"
#include "runner/replay.h"

/* The wrapper's state `now` with the optimizer's memory of `then`; yours. Options (the
 * learning rate, as the schedule has it) and the loss scale are those of now; options
 * that count steps are memory. */
static mm_value *with_memory_of(const mm_optim_wrapper *wrapper, const mm_value *now,
                                const mm_value *then)
{
    mm_value *mixed = mm_value_new_dict();

    for (size_t i = 0; i < mm_value_len(now) && !mm_has_error(); i++) {
        const char *key = mm_dict_name_at(now, i);
        mm_optim_wrapper *child = mm_optim_wrapper_is_dict(wrapper)
                                      ? mm_optim_wrapper_find(wrapper, key)
                                      : NULL;

        if (child != NULL)
            mm_dict_take(
                mixed, key,
                with_memory_of(child, mm_dict_at(now, i), mm_dict_get(then, key)));
        else if (strcmp(key, "state") == 0)
            mm_dict_put(mixed, key, mm_dict_get(then, key));
        else if (strcmp(key, "param_groups") == 0)
            mm_dict_take(mixed, key,
                         mmi_groups_with_state(mm_optim_wrapper_optimizer(wrapper),
                                               mm_dict_at(now, i),
                                               mm_dict_get(then, key)));
        else
            mm_dict_put(mixed, key, mm_dict_at(now, i));
    }
    return mixed;
}

static mm_status restore_optimizer(mm_runner *runner, const mm_value *checkpoint)
{
    const mm_value *then = mm_dict_get(checkpoint, "optimizer");

    if (then == NULL)
        return mm_error_hint("the checkpoints need save_optimizer=True");
    mm_value *now = mm_optim_wrapper_state_dict(runner->optim_wrapper);
    mm_value *mixed =
        now == NULL ? NULL : with_memory_of(runner->optim_wrapper, now, then);

    if (mixed != NULL && !mm_has_error() &&
        mm_optim_wrapper_load_state_dict(runner->optim_wrapper, mixed) == MM_OK)
        (void)mm_optim_wrapper_zero_grad(runner->optim_wrapper);
    mm_value_unref(mixed);
    mm_value_unref(now);
    return mm_pending();
}

static mm_status check_weight(void *user, const char *name, mm_tensor *tensor,
                              mm_module *owner)
{
    const char *path = user;
    (void)owner;

    if (!mmi_is_finite(tensor) && !mm_has_error())
        return mm_raise(MM_EDATA, "'%s' in '%s' is not finite", name, path);
    return mm_pending();
}

mm_status mmi_roll_back(mm_runner *runner, const char *path)
{
    mm_scope scope = mm_scope_open();

    runner->resuming = true; /* for hooks that put averages aside */
    mm_value *checkpoint = mmi_open_checkpoint(runner, path, true);
    runner->resuming = false;

    if (checkpoint != NULL && mm_module_each_param(runner->model, check_weight,
                                                   (void *)(uintptr_t)path) == MM_OK)
        (void)restore_optimizer(runner, checkpoint);
    mm_value_unref(checkpoint);
    mm_scope_close(scope);
    return mm_has_error() ? mm_error_frame("while going back to '%s'", path) : MM_OK;
}
