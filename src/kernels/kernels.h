/** @file
 * The dispatch table of our CPU kernels. Every function works on one run of memory, on
 * the calling thread; splitting over threads is done by the callers beside it
 * (spans.h, image.h), which take a `const mm_parallel *`.
 *
 * Three variants are built from one text (vector.h): baseline, AVX2 with FMA, AVX-512.
 * They round as ATen's kernels of the same capability do: with a fused multiply-add
 * where ATen's vectorised code has one (AVX2, AVX-512, aarch64), with two roundings
 * where it has none (baseline x86). So SGD is bit-identical to torch.optim.SGD, and
 * Adam to torch.optim.Adam as far as its square root is correctly rounded.
 */
#ifndef MMI_KERNELS_KERNELS_H
#define MMI_KERNELS_KERNELS_H

#include "kernels/update.h"

/** One row or plane of pixels for normalisation: out = (in - mean) / std. */
typedef struct mmi_norm_row {
    const uint8_t *in;
    int64_t in_step; /**< elements between neighbours: 1 planar, C interleaved */
    float *out;
    int64_t out_step;
    int64_t count;
    float mean;
    float std;
} mmi_norm_row;

/** Kernels for one instruction set. No function allocates, fails or starts a thread. */
typedef struct mmi_kernels {
    const char *name; /**< "baseline", "avx2", "avx512" */
    bool has_fma;     /**< rounds a * b + c once where ATen does */
    /** @name Update rules; their coefficients are in update.h @{ */
    mm_update_fn sgd;
    mm_update_fn adam;
    mm_update_fn adamax;
    mm_update_fn nadam;
    mm_update_fn radam;
    mm_update_fn adagrad;
    mm_update_fn adadelta;
    mm_update_fn rmsprop;
    mm_update_fn rprop;
    mm_update_fn asgd;
    mm_update_fn lion;
    mm_update_fn schedule_free;
    /** @} */
    /** Sum of squares, in double, in an order that is the same in all variants. */
    double (*sum_squares)(const float *x, int64_t count);
    /** Largest magnitude; NaN if there is one. */
    float (*max_abs)(const float *x, int64_t count);
    /** x *= factor. */
    void (*scale)(float *x, float factor, int64_t count);
    /** x = min(max(x, -limit), limit); NaN stays. */
    void (*clamp)(float *x, float limit, int64_t count);
    /** average = lerp(average, x, weight), as Tensor.lerp_. */
    void (*lerp)(float *average, const float *x, float weight, int64_t count);
    /** average += weight * (x - average), as Tensor.add_(x - average, alpha=weight). */
    void (*pull)(float *average, const float *x, float weight, int64_t count);
    void (*normalize)(const mmi_norm_row *row);
    /** Three interleaved channels at once: rows[0..2] share `in` up to the channel. */
    void (*normalize3)(const mmi_norm_row rows[3]);
} mmi_kernels;

/** Instruction sets, weakest first. */
typedef enum mmi_isa {
    MMI_ISA_BASELINE,
    MMI_ISA_AVX2,
    MMI_ISA_AVX512,
    MMI_ISA_COUNT
} mmi_isa;

/** The variant for `isa`; NULL if this build or this CPU lacks it. */
const mmi_kernels *mmi_kernels_for(mmi_isa isa);

/** The best variant for this CPU. A few nanoseconds. */
const mmi_kernels *mmi_kernels_best(void);

extern const mmi_kernels mmi_kernels_baseline;
extern const mmi_kernels mmi_kernels_avx2;
extern const mmi_kernels mmi_kernels_avx512;

#endif
