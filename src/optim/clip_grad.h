/** @file
 * Clipping of gradients, by norm or by value, over all parameters of an optimizer, and
 * taking a loss scale out of them.
 */
#ifndef MMI_OPTIM_CLIP_GRAD_H
#define MMI_OPTIM_CLIP_GRAD_H

#include "mmengine/optim.h"

/** How a wrapper clips; zero: not at all. */
typedef struct mmi_clip {
    bool by_norm;
    bool by_value;
    double max_norm;
    double norm_type; /**< may be infinite */
    bool error_if_nonfinite;
    double clip_value;
} mmi_clip;

/** Reads `clip_grad` of a wrapper's config; NULL: none. */
mm_status mmi_clip_parse(const mm_value *config, mmi_clip *out);

/** Looks where the gradients lie now; before the calls below. */
mm_status mmi_clip_begin(mm_optimizer *optimizer);

/** True if there is any gradient. */
bool mmi_clip_has_grads(const mm_optimizer *optimizer);

/** True if all gradients go through libtorch's operators: there is none that the
 * kernels reach. */
bool mmi_clip_by_operators(const mm_optimizer *optimizer);

/** Norm of all gradients times `factor`. `squares`: what mmi_spans_grad_squares() gave
 * for the plain ones, or NULL. */
mm_status mmi_clip_norm(mm_optimizer *optimizer, const mmi_clip *clip, float factor,
                        const double *squares, double *out_norm);

/** What the gradients are to be multiplied by: max_norm / norm, 1 at most. */
float mmi_clip_coefficient(const mmi_clip *clip, double norm);

/** Multiplies all gradients in place. */
mm_status mmi_clip_scale(mm_optimizer *optimizer, float factor);

/** Clamps all gradients to [-clip_value, clip_value] in place. */
mm_status mmi_clip_clamp(mm_optimizer *optimizer, double clip_value);

/** PyTorch's clip_grad_norm_, operator by operator, if mmi_clip_by_operators(): scales
 * in place, gives the norm. */
mm_status mmi_clip_reference(mm_optimizer *optimizer, const mmi_clip *clip,
                             double *out_norm);

/**
 * Multiplies the gradients that the kernels do not reach by `inverse`, in place, and
 * says whether all of them were finite before. Source: GradScaler.unscale_. Errors:
 * MM_EDTYPE for float16.
 */
mm_status mmi_clip_unscale(mm_optimizer *optimizer, float inverse, bool *out_finite);

/** Name of the first parameter whose gradient is not finite, or NULL. For messages. */
const char *mmi_clip_find_nonfinite(mm_optimizer *optimizer);

#endif
