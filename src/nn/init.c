/* torch.nn.init: the same operators in the same order on the same sizes, with bounds
 * computed in double in PyTorch's order of operations, so that a seed gives the same
 * bits. Nothing is recorded for autograd. */
#include "nn/layer.h"

#include <math.h>
#include <string.h>

#include "mmengine/log.h"

static bool begin(const mm_tensor *tensor)
{
    if (tensor == NULL && !mm_has_error()) {
        mm_raise(MM_EINVAL, "could not initialise a tensor: none given");
    }
    return !mm_has_error();
}

enum fill { FILL_CONSTANT, FILL_NORMAL, FILL_UNIFORM };

static mm_status fill(mm_tensor *tensor, enum fill how, double a, double b)
{
    if (!begin(tensor)) {
        return mm_pending();
    }
    mm_scope scope = mm_scope_open();
    bool recorded = mm_grad_mode_set(false);

    if (how == FILL_NORMAL) {
        mm_normal_(tensor, a, b, NULL);
    } else if (how == FILL_UNIFORM) {
        mm_uniform_(tensor, a, b, NULL);
    } else {
        mm_fill_(tensor, a);
    }
    mm_grad_mode_set(recorded);
    mm_scope_close(scope);
    return mm_pending();
}

mm_status mm_init_constant(mm_tensor *tensor, double value)
{
    return fill(tensor, FILL_CONSTANT, value, 0.0);
}

mm_status mm_init_normal(mm_tensor *tensor, double mean, double std)
{
    return fill(tensor, FILL_NORMAL, mean, std);
}

mm_status mm_init_uniform(mm_tensor *tensor, double low, double high)
{
    return fill(tensor, FILL_UNIFORM, low, high);
}

static double normal_cdf(double x)
{
    return (1.0 + erf(x / sqrt(2.0))) / 2.0;
}

mm_status mm_init_trunc_normal(mm_tensor *tensor, double mean, double std, double low,
                               double high)
{
    if (!begin(tensor)) {
        return mm_pending();
    }
    if (mean < low - 2.0 * std || mean > high + 2.0 * std) {
        mm_log(
            MM_LOG_WARN,
            "a truncated normal distribution with mean %g lies more than two standard "
            "deviations outside [%g, %g], its values may be distributed wrongly",
            mean, low, high);
    }
    double lower = normal_cdf((low - mean) / std);
    double upper = normal_cdf((high - mean) / std);
    mm_scope scope = mm_scope_open();
    bool recorded = mm_grad_mode_set(false);

    mm_uniform_(tensor, 2.0 * lower - 1.0, 2.0 * upper - 1.0, NULL);
    mm_erfinv_(tensor);
    mm_mul_scalar_(tensor, std * sqrt(2.0));
    mm_add_scalar_(tensor, mean);
    mm_clamp_(tensor, .min = MM_N(low), .max = MM_N(high));
    mm_grad_mode_set(recorded);
    mm_scope_close(scope);
    return mm_pending();
}

mm_status mmi_fans(const mm_tensor *tensor, int64_t *out_in, int64_t *out_out)
{
    mm_tensor_info info;

    if (mm_tensor_info_get(tensor, &info) != MM_OK) {
        return mm_pending();
    }
    if (info.ndim < 2) {
        return mm_raise(MM_ESHAPE,
                        "could not compute the fan of a weight with %d "
                        "dimensions: two are needed",
                        info.ndim);
    }
    int64_t field = 1;

    for (int i = 2; i < info.ndim; i++) {
        field *= info.sizes[i];
    }
    *out_in = info.sizes[1] * field;
    *out_out = info.sizes[0] * field;
    return MM_OK;
}

mm_status mm_init_xavier(mm_tensor *tensor, double gain, bool uniform)
{
    int64_t fan_in = 0;
    int64_t fan_out = 0;

    if (!begin(tensor) || mmi_fans(tensor, &fan_in, &fan_out) != MM_OK) {
        return mm_pending();
    }
    double std = gain * sqrt(2.0 / (double)(fan_in + fan_out));

    if (uniform) {
        double bound = sqrt(3.0) * std;

        return mm_init_uniform(tensor, -bound, bound);
    }
    return mm_init_normal(tensor, 0.0, std);
}

static mm_status gain_of(const char *nonlinearity, double a, double *out)
{
    static const char *const linear[] = {
        "linear",           "sigmoid",          "conv1d",           "conv2d", "conv3d",
        "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", NULL};

    for (int i = 0; linear[i] != NULL; i++) {
        if (strcmp(nonlinearity, linear[i]) == 0) {
            *out = 1.0;
            return MM_OK;
        }
    }
    if (strcmp(nonlinearity, "tanh") == 0) {
        *out = 5.0 / 3;
    } else if (strcmp(nonlinearity, "relu") == 0) {
        *out = sqrt(2.0);
    } else if (strcmp(nonlinearity, "leaky_relu") == 0) {
        *out = sqrt(2.0 / (1 + pow(a, 2)));
    } else if (strcmp(nonlinearity, "selu") == 0) {
        *out = 3.0 / 4;
    } else {
        return mm_raise(MM_EINVAL,
                        "could not initialise for nonlinearity '%s': unknown",
                        nonlinearity);
    }
    return MM_OK;
}

mm_status mm_init_kaiming(mm_tensor *tensor, double a, mm_fan fan,
                          const char *nonlinearity, bool uniform)
{
    int64_t fan_in = 0;
    int64_t fan_out = 0;
    double gain = 0.0;

    if (!begin(tensor) || mm_numel(tensor) == 0) { /* PyTorch leaves empty ones alone */
        return mm_pending();
    }
    if (mmi_fans(tensor, &fan_in, &fan_out) != MM_OK ||
        gain_of(nonlinearity, a, &gain) != MM_OK) {
        return mm_pending();
    }
    double std = gain / sqrt((double)(fan == MM_FAN_IN ? fan_in : fan_out));

    if (uniform) {
        double bound = sqrt(3.0) * std;

        return mm_init_uniform(tensor, -bound, bound);
    }
    return mm_init_normal(tensor, 0.0, std);
}

double mm_init_bias_with_prob(double p)
{
    return -log((1 - p) / p);
}

mm_status mmi_reset_linear(mm_tensor *weight, mm_tensor *bias)
{
    int64_t fan_in = 0;
    int64_t fan_out = 0;

    mm_init_kaiming(weight, sqrt(5.0), MM_FAN_IN, "leaky_relu", true);
    if (mm_has_error() || bias == NULL ||
        mmi_fans(weight, &fan_in, &fan_out) != MM_OK) {
        return mm_pending();
    }
    double bound = fan_in > 0 ? 1 / sqrt((double)fan_in) : 0.0;

    return mm_init_uniform(bias, -bound, bound);
}
