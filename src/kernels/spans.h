/** @file
 * One optimizer step over many tensors. All tensors together are cut into blocks of
 * MMI_BLOCK elements and one parallel-for runs over the blocks, so a model of a
 * thousand small tensors costs no more than one large one; below a grain the caller's
 * thread does it without asking the pool. Results do not depend on the thread count.
 */
#ifndef MMI_KERNELS_SPANS_H
#define MMI_KERNELS_SPANS_H

#include "kernels/kernels.h"
#include "mmengine/parallel.h"

enum {
    MMI_BLOCK = 4096,    /**< elements of a block; 64 KiB of Adam's four arrays */
    MMI_BLOCK_GRAIN = 8, /**< least blocks that are worth a thread */
    /** elements of a block that are updated before their average follows: five arrays
     * of so many are half of a first-level cache */
    MMI_STRIP = 1024
};

/** How averages follow: as kernels->lerp or as kernels->pull. */
typedef struct mmi_pull {
    bool is_lerp;
    float weight;
} mmi_pull;

/** A dense float tensor that is stepped. Its arrays have `count` elements each. */
typedef struct mmi_span {
    float *param;
    float *grad; /**< NULL: left alone in this step */
    float *states[MM_UPDATE_MAX_STATES];
    float *average; /**< follows what an update makes of `param`; NULL: none */
    int64_t count;
    int64_t first_block; /**< set by mmi_spans_lay_out() */
    int32_t rule;        /**< index of its coefficients */
    float grad_factor;   /**< as in mm_update_memory */
    bool is_new;         /**< as in mm_update_memory */
    bool has_moved;      /**< the owner's mark: states may lie elsewhere now */
} mmi_span;

/** What a step works on. */
typedef struct mmi_spans {
    const mmi_kernels *kernels;
    const mm_parallel *parallel; /**< NULL: the caller's thread */
    mmi_span *spans;
    int64_t count;
    int64_t num_blocks; /**< set by mmi_spans_lay_out() */
    mmi_pull pull;      /**< of the averages */
    bool zero_grad;     /**< fill each gradient with zeros once it is used */
} mmi_spans;

/** Numbers the blocks. Call when spans or their counts change, not for each step. */
void mmi_spans_lay_out(mmi_spans *spans);

/** What an update applies: the coefficients of a span lie at coefficients + rule *
 * size.
 */
typedef struct mmi_update {
    mm_update_fn function;
    const void *coefficients;
    size_t size;
} mmi_update;

/** One step of an update rule over all spans that have a gradient. */
void mmi_spans_update(const mmi_spans *spans, const mmi_update *update);

/**
 * Sum of squares of all gradients. `partials` has num_blocks elements and is scratch.
 * The same bits for any thread count and instruction set.
 */
double mmi_spans_grad_squares(const mmi_spans *spans, double *partials);

/** Largest magnitude of all gradients, or NaN. `partials` as above. */
double mmi_spans_grad_max(const mmi_spans *spans, double *partials);

/** grad *= factor, in place. */
void mmi_spans_grad_scale(const mmi_spans *spans, float factor);

/** grad = clamp(grad, -limit, limit), in place. */
void mmi_spans_grad_clamp(const mmi_spans *spans, float limit);

/** param = lerp(param, grad, weight): the moving average of models; `grad` is the live
 * weight. */
void mmi_spans_lerp(const mmi_spans *spans, float weight);

/** param += weight * (grad - param): the mean of models. */
void mmi_spans_pull(const mmi_spans *spans, float weight);

#endif
