/* The text of all vector kernels. Included once by each kernels_<isa>.c, which is
 * compiled for its instruction set and defines MMI_TABLE (name of the dispatch table),
 * MMI_NAME and MMI_HAS_FMA. Loops are plain C that compilers vectorise; nothing here
 * depends on the vector length, so lanes and tails round alike.
 *
 * MADD(a, b, c) is a * b + c in the rounding of ATen's kernels of this capability. All
 * of this is compiled with -ffp-contract=off: where MADD is not written, two roundings
 * happen, as in ATen.
 */
#include <math.h>

#include "kernels/kernels.h"

#if MMI_HAS_FMA
#define MADD(a, b, c) fmaf((a), (b), (c))
#else
#define MADD(a, b, c) ((a) * (b) + (c))
#endif

#if defined(__GNUC__) || defined(__clang__)
#define MMI_INLINE static inline __attribute__((always_inline))
#else
#define MMI_INLINE static inline
#endif

/* Order of operations: torch/optim/sgd.py, _single_tensor_sgd. */
MMI_INLINE void sgd_loop(unsigned flags, const mmi_sgd_rule *rule,
                         float *restrict param, const float *restrict grad,
                         float *restrict buffer, int64_t count)
{
    const float factor = rule->grad_factor;
    const float decay = rule->weight_decay;
    const float momentum = rule->momentum;
    const float keep = rule->one_minus_dampening;
    const float neg_lr = rule->neg_lr;

    for (int64_t i = 0; i < count; i++) {
        float p = param[i];
        float g = grad[i] * factor;

        if (flags & MMI_SGD_DECAY) {
            g = MADD(p, decay, g);
        }
        if (flags & MMI_SGD_MOMENTUM) {
            float b = flags & MMI_SGD_FIRST ? g : MADD(g, keep, buffer[i] * momentum);

            buffer[i] = b;
            g = flags & MMI_SGD_NESTEROV ? MADD(b, momentum, g) : b;
        }
        param[i] = MADD(g, neg_lr, p);
    }
}

#define MMI_SGD_CASE(n)                                                                \
    case (n):                                                                          \
        sgd_loop((n), rule, param, grad, buffer, count);                               \
        break

static void sgd(const mmi_sgd_rule *rule, float *param, const float *grad,
                float *buffer, int64_t count)
{
    unsigned flags = rule->flags;

    if (!(flags & MMI_SGD_MOMENTUM)) { /* the other bits mean nothing then */
        flags &= MMI_SGD_DECAY;
    }
    switch (flags) {
        MMI_SGD_CASE(0);
        MMI_SGD_CASE(MMI_SGD_DECAY);
        MMI_SGD_CASE(MMI_SGD_MOMENTUM);
        MMI_SGD_CASE(MMI_SGD_MOMENTUM | MMI_SGD_DECAY);
        MMI_SGD_CASE(MMI_SGD_MOMENTUM | MMI_SGD_FIRST);
        MMI_SGD_CASE(MMI_SGD_MOMENTUM | MMI_SGD_FIRST | MMI_SGD_DECAY);
        MMI_SGD_CASE(MMI_SGD_MOMENTUM | MMI_SGD_NESTEROV);
        MMI_SGD_CASE(MMI_SGD_MOMENTUM | MMI_SGD_NESTEROV | MMI_SGD_DECAY);
        MMI_SGD_CASE(MMI_SGD_MOMENTUM | MMI_SGD_NESTEROV | MMI_SGD_FIRST);
        MMI_SGD_CASE(MMI_SGD_MOMENTUM | MMI_SGD_NESTEROV | MMI_SGD_FIRST |
                     MMI_SGD_DECAY);
    default:
        break;
    }
}

/* torch.maximum: NaN if either is NaN. */
MMI_INLINE float max_nan(float a, float b)
{
    float larger = a > b ? a : b; /* b if one of them is NaN */

    return a != a ? a : larger;
}

/* Order of operations: torch/optim/adam.py, _single_tensor_adam. */
MMI_INLINE void adam_loop(unsigned flags, bool low, const mmi_adam_rule *rule,
                          const mmi_adam_memory *memory, int64_t count)
{
    float *restrict param = memory->param;
    const float *restrict grad = memory->grad;
    float *restrict avg = memory->avg;
    float *restrict avg_sq = memory->avg_sq;
    float *restrict max_sq = memory->max_sq;
    const mmi_adam_rule r = *rule;
    const float pull = low ? r.lerp_weight : r.lerp_weight - 1.0F;

    for (int64_t i = 0; i < count; i++) {
        float p = param[i] * r.param_factor;
        float g = grad[i] * r.grad_factor;

        if (flags & MMI_ADAM_L2) {
            g = MADD(p, r.weight_decay, g);
        }
        float m = avg[i];
        float v = avg_sq[i] * r.beta2;

        m = MADD(pull, g - m, low ? m : g);
        v = MADD(r.one_minus_beta2 * g, g, v);
        avg[i] = m;
        avg_sq[i] = v;
        if (flags & MMI_ADAM_AMSGRAD) {
            v = max_nan(max_sq[i], v);
            max_sq[i] = v;
        }
        float denominator = sqrtf(v) / r.bias2_sqrt + r.eps;

        param[i] = p + (r.neg_step_size * m) / denominator;
    }
}

#define MMI_ADAM_CASE(n)                                                               \
    case (n):                                                                          \
        if (low) {                                                                     \
            adam_loop((n), true, rule, memory, count);                                 \
        } else {                                                                       \
            adam_loop((n), false, rule, memory, count);                                \
        }                                                                              \
        break

static void adam(const mmi_adam_rule *rule, const mmi_adam_memory *memory,
                 int64_t count)
{
    bool low = fabsf(rule->lerp_weight) < 0.5F; /* as Tensor.lerp chooses its form */

    switch (rule->flags & (MMI_ADAM_VARIANTS - 1)) {
        MMI_ADAM_CASE(0);
        MMI_ADAM_CASE(MMI_ADAM_L2);
        MMI_ADAM_CASE(MMI_ADAM_AMSGRAD);
        MMI_ADAM_CASE(MMI_ADAM_AMSGRAD | MMI_ADAM_L2);
    default:
        break;
    }
}

enum { MMI_LANES = 16 };

/* Sixteen sums in double, whatever the vector length: squares of floats are exact
 * there, so every variant gives the same bits. */
static double sum_squares(const float *x, int64_t count)
{
    double lanes[MMI_LANES] = {0};
    int64_t whole = count - count % MMI_LANES;

    for (int64_t i = 0; i < whole; i += MMI_LANES) {
        for (int k = 0; k < MMI_LANES; k++) {
            double value = (double)x[i + k];

            lanes[k] += value * value;
        }
    }
    for (int64_t i = whole; i < count; i++) {
        lanes[i - whole] += (double)x[i] * (double)x[i];
    }
    for (int width = MMI_LANES / 2; width > 0; width /= 2) {
        for (int k = 0; k < width; k++) {
            lanes[k] += lanes[k + width];
        }
    }
    return lanes[0];
}

static float max_abs(const float *x, int64_t count)
{
    float lanes[MMI_LANES] = {0};
    int64_t whole = count - count % MMI_LANES;

    for (int64_t i = 0; i < whole; i += MMI_LANES) {
        for (int k = 0; k < MMI_LANES; k++) {
            lanes[k] = max_nan(lanes[k], fabsf(x[i + k]));
        }
    }
    for (int64_t i = whole; i < count; i++) {
        lanes[i - whole] = max_nan(lanes[i - whole], fabsf(x[i]));
    }
    float result = 0.0F;

    for (int k = 0; k < MMI_LANES; k++) {
        result = max_nan(result, lanes[k]);
    }
    return result;
}

static void scale(float *x, float factor, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        x[i] *= factor;
    }
}

static void clamp(float *x, float limit, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        float value = x[i] < -limit ? -limit : x[i];

        x[i] = value > limit ? limit : value;
    }
}

static void pull(float *restrict average, const float *restrict x, float weight,
                 int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        average[i] = MADD(weight, x[i] - average[i], average[i]);
    }
}

static void lerp(float *restrict average, const float *restrict x, float weight,
                 int64_t count)
{
    if (fabsf(weight) < 0.5F) {
        pull(average, x, weight, count);
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        average[i] = MADD(weight - 1.0F, x[i] - average[i], x[i]);
    }
}

MMI_INLINE void normalize_loop(const mmi_norm_row *row, int64_t in_step,
                               int64_t out_step)
{
    const uint8_t *restrict in = row->in;
    float *restrict out = row->out;
    const float mean = row->mean;
    const float std = row->std;

    for (int64_t i = 0; i < row->count; i++) {
        out[i * out_step] = ((float)in[i * in_step] - mean) / std;
    }
}

static void normalize(const mmi_norm_row *row)
{
    if (row->in_step == 1 && row->out_step == 1) {
        normalize_loop(row, 1, 1);
    } else if (row->in_step == 3 && row->out_step == 1) {
        normalize_loop(row, 3, 1);
    } else {
        normalize_loop(row, row->in_step, row->out_step);
    }
}

/* Reads each pixel once and writes three planes, or one interleaved row. */
static void normalize3(const mmi_norm_row rows[3])
{
    const int64_t count = rows[0].count;
    const uint8_t *restrict in0 = rows[0].in;
    const uint8_t *restrict in1 = rows[1].in;
    const uint8_t *restrict in2 = rows[2].in;
    const float mean[3] = {rows[0].mean, rows[1].mean, rows[2].mean};
    const float std[3] = {rows[0].std, rows[1].std, rows[2].std};

    if (rows[0].out_step == 1 && rows[0].in_step == 3) {
        float *restrict out0 = rows[0].out;
        float *restrict out1 = rows[1].out;
        float *restrict out2 = rows[2].out;

        for (int64_t i = 0; i < count; i++) {
            out0[i] = ((float)in0[3 * i] - mean[0]) / std[0];
            out1[i] = ((float)in1[3 * i] - mean[1]) / std[1];
            out2[i] = ((float)in2[3 * i] - mean[2]) / std[2];
        }
        return;
    }
    for (int channel = 0; channel < 3; channel++) {
        normalize(&rows[channel]);
    }
}

const mmi_kernels MMI_TABLE = {
    .name = MMI_NAME,
    .has_fma = MMI_HAS_FMA,
    .sgd = sgd,
    .adam = adam,
    .sum_squares = sum_squares,
    .max_abs = max_abs,
    .scale = scale,
    .clamp = clamp,
    .lerp = lerp,
    .pull = pull,
    .normalize = normalize,
    .normalize3 = normalize3,
};
