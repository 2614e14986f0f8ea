/* The way of a wrapper's gradients into the step: a loss scale is taken out, they are
 * clipped, a guard may leave out the step. Where they lie plainly in host memory all of
 * it is folded: one pass for the norm, one for the update. */
#include <math.h>

#include "optim/optim_wrapper.h"
#include "optim/optimizer.h"

mm_status mmi_optim_wrapper_unscale(mm_optim_wrapper *wrapper, float *factor,
                                    bool *out_finite)
{
    mm_optimizer *optimizer = wrapper->optimizer;
    bool recorded = mm_grad_mode_set(false);
    bool is_finite = true;

    if (mmi_clip_begin(optimizer) >= 0) {
        bool by_operators = mmi_clip_by_operators(optimizer);

        if (optimizer->num_slow > 0) {
            (void)mmi_clip_unscale(optimizer, by_operators ? *factor : 1.0F,
                                   &is_finite);
        }
        if (by_operators) {
            *factor = 1.0F;
        } else {
            wrapper->squares =
                mmi_spans_grad_squares(&optimizer->spans, optimizer->partials);
            wrapper->has_squares = true;
            is_finite = is_finite && isfinite(wrapper->squares);
        }
    }
    mm_grad_mode_set(recorded);
    if (!mm_has_error()) {
        *out_finite = is_finite;
    }
    return mm_pending();
}

/* True if the guard leaves out the step. */
static bool drops_step(const mm_optim_wrapper *wrapper, double norm)
{
    const mm_step_guard *guard = wrapper->guard;

    return guard != NULL && guard->drops_step != NULL &&
           guard->drops_step(guard->user, norm);
}

/* PyTorch's way: the gradients themselves are changed, step by step. MM_STOP: no step.
 */
static mm_status clip_by_operators(mm_optim_wrapper *wrapper, float factor)
{
    mm_optimizer *optimizer = wrapper->optimizer;
    double norm = 0.0;

    if (factor != 1.0F && mmi_clip_scale(optimizer, factor) < 0) {
        return mm_pending();
    }
    if (wrapper->clip.by_value) {
        return mmi_clip_clamp(optimizer, wrapper->clip.clip_value);
    }
    if (wrapper->clip.by_norm &&
        mmi_clip_reference(optimizer, &wrapper->clip, &norm) >= 0) {
        if (drops_step(wrapper, norm)) {
            return MM_STOP;
        }
        mmi_optim_wrapper_report_norm(wrapper, norm);
    }
    return mm_pending();
}

/* True if `factor` can wait for the step. It cannot if float32 would overflow in the
 * norm that libtorch computes, or in the product of both factors. */
static bool is_foldable(const mm_optim_wrapper *wrapper, float factor)
{
    const mmi_clip *clip = &wrapper->clip;

    return factor == 1.0F ||
           (clip->by_norm && wrapper->optimizer->num_slow == 0 && factor > 1e-25F &&
            (clip->norm_type == 2.0 || clip->norm_type == INFINITY));
}

/* Folds what can be folded into the factor of the step. MM_STOP: no step. */
static mm_status clip_fast(mm_optim_wrapper *wrapper, float *factor)
{
    mm_optimizer *optimizer = wrapper->optimizer;
    double norm = 0.0;

    if (!is_foldable(wrapper, *factor)) {
        if (mmi_clip_scale(optimizer, *factor) < 0) {
            return mm_pending();
        }
        *factor = 1.0F;
        wrapper->has_squares = false;
    }
    if (wrapper->clip.by_value) {
        return mmi_clip_clamp(optimizer, wrapper->clip.clip_value);
    }
    if (mmi_clip_norm(optimizer, &wrapper->clip, *factor,
                      wrapper->has_squares ? &wrapper->squares : NULL, &norm) >= 0) {
        if (drops_step(wrapper, norm)) {
            return MM_STOP;
        }
        *factor *= mmi_clip_coefficient(&wrapper->clip, norm);
        mmi_optim_wrapper_report_norm(wrapper, norm);
    }
    return mm_pending();
}

static mm_status clip_and_step(mm_optim_wrapper *wrapper, float factor)
{
    mm_optimizer *optimizer = wrapper->optimizer;
    bool clips = wrapper->clip.by_norm || wrapper->clip.by_value;
    bool is_reference = optimizer->numerics == MM_NUMERICS_REFERENCE;
    mm_status status = MM_OK;

    if (clips || (is_reference && factor != 1.0F)) {
        bool recorded = mm_grad_mode_set(false);

        if (mmi_clip_begin(optimizer) >= 0 && mmi_clip_has_grads(optimizer)) {
            if (mmi_clip_by_operators(optimizer)) {
                status = clip_by_operators(wrapper, factor);
                factor = 1.0F;
            } else {
                status = clip_fast(wrapper, &factor);
            }
        }
        mm_grad_mode_set(recorded);
    }
    if (mm_has_error() || status == MM_STOP) {
        return mm_pending();
    }
    if (wrapper->before_step != NULL) {
        wrapper->before_step(wrapper->before_step_user, wrapper);
    }
    return mm_optimizer_step_scaled(optimizer, factor);
}

mm_status mm_optim_wrapper_clip_and_step(mm_optim_wrapper *wrapper, float factor)
{
    if (mmi_optim_wrapper_check_single(wrapper, "clip and step") < 0) {
        return mm_pending();
    }
    mm_status status = clip_and_step(wrapper, factor);

    wrapper->has_squares = false;
    return status;
}
