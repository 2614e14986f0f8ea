/* Steps that ask for the loss themselves. The gradients of such a step come and go
 * within it, so what a wrapper does to gradients before a step has no place here. */
#include <inttypes.h>

#include "optim/optim_wrapper.h"
#include "optim/optimizer.h"

mm_status mm_loss_closure_call(const mm_loss_closure *closure, double *out_loss)
{
    double loss = 0.0;

    if (mm_has_error())
        return mm_pending();
    if (closure == NULL || closure->call == NULL)
        return mm_raise(MM_EINVAL, "cannot compute the loss: the closure is NULL");
    bool recorded = mm_grad_mode_set(true);
    mm_scope scope = mm_scope_open();

    (void)closure->call(closure->user, &loss);
    mm_scope_close(scope);
    mm_grad_mode_set(recorded);
    if (mm_has_error())
        return mm_error_frame("in the closure of an optimizer's step");
    if (out_loss != NULL)
        *out_loss = loss;
    return MM_OK;
}

bool mm_optimizer_needs_closure(const mm_optimizer *optimizer)
{
    return optimizer->ops->needs_closure;
}

static mm_status step_often(mm_optimizer *optimizer, const mm_loss_closure *closure,
                            double *out_loss)
{
    bool recorded = mm_grad_mode_set(false);
    mm_scope scope = mm_scope_open();

    (void)optimizer->ops->step_closure(optimizer->self, optimizer, closure, out_loss);
    mm_scope_close(scope);
    optimizer->num_steps += mm_has_error() ? 0 : 1;
    mm_grad_mode_set(recorded);
    return mm_pending();
}

mm_status mm_optimizer_step_closure(mm_optimizer *optimizer,
                                    const mm_loss_closure *closure, double *out_loss)
{
    double loss = 0.0;

    if (mm_has_error())
        return mm_pending();
    if (optimizer == NULL)
        return mm_raise(MM_EINVAL, "cannot step: the optimizer is NULL");
    if (optimizer->ops->step_closure != NULL)
        (void)step_often(optimizer, closure, &loss);
    else if (mm_loss_closure_call(closure, &loss) >= 0)
        (void)mm_optimizer_step(optimizer);
    if (!mm_has_error() && out_loss != NULL)
        *out_loss = loss;
    return mm_pending();
}

/* Gradients that the optimizer makes anew many times cannot be changed on their way. */
static mm_status check_step_often(const mm_optim_wrapper *wrapper)
{
    const char *name = mm_instance_component(wrapper->optimizer->instance)->name;
    int64_t counts = wrapper->settings->accumulative_counts;

    if (wrapper->clip.by_norm || wrapper->clip.by_value)
        return mm_raise(MM_EUNSUPPORTED,
                        "clip_grad has no effect on %s, which computes its gradients "
                        "within the step",
                        name);
    if (wrapper->ops->step != NULL)
        return mm_raise(MM_EUNSUPPORTED, "%s cannot step with a scaled loss", name);
    if (counts != 1)
        return mm_raise(MM_EUNSUPPORTED,
                        "%s cannot accumulate gradients over %" PRId64 " iterations",
                        name, counts);
    return MM_OK;
}

mm_status mm_optim_wrapper_step_closure(mm_optim_wrapper *wrapper,
                                        const mm_loss_closure *closure,
                                        double *out_loss)
{
    if (mm_has_error())
        return mm_pending();
    if (wrapper == NULL || wrapper->is_dict)
        return mm_raise(
            wrapper == NULL ? MM_EINVAL : MM_ESTATE, "step with a closure: %s",
            wrapper == NULL ? "the optim wrapper is NULL"
                            : "a dict of optim wrappers cannot say for which of them");
    int64_t before = wrapper->inner_count;
    bool asks_often = wrapper->optimizer->ops->step_closure != NULL;

    if (asks_often && check_step_often(wrapper) >= 0)
        (void)mm_optimizer_step_closure(wrapper->optimizer, closure, out_loss);
    else if (!asks_often && mm_loss_closure_call(closure, out_loss) >= 0)
        (void)mm_optim_wrapper_step(wrapper);
    wrapper->inner_count = before + 1;
    return mm_pending();
}
