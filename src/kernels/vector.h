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

/* torch.maximum: NaN if either is NaN. */
MMI_INLINE float max_nan(float a, float b)
{
    float larger = a > b ? a : b; /* b if one of them is NaN */

    return a != a ? a : larger;
}

#include "kernels/vector_update.h"

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
    .adamax = adamax,
    .nadam = nadam,
    .radam = radam,
    .adagrad = adagrad,
    .adadelta = adadelta,
    .rmsprop = rmsprop,
    .rprop = rprop,
    .asgd = asgd,
    .lion = lion,
    .schedule_free = schedule_free,
    .sum_squares = sum_squares,
    .max_abs = max_abs,
    .scale = scale,
    .clamp = clamp,
    .lerp = lerp,
    .pull = pull,
    .normalize = normalize,
    .normalize3 = normalize3,
};
