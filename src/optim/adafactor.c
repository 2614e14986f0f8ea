/* Transformers' Adafactor: squares of a matrix's gradient are kept as averages of rows
 * and of columns, updates are clipped by their root mean square, and the learning rate
 * may come from the step count and the size of the weights. MMEngine registers it under
 * this name; PyTorch's is TorchAdafactor. Operators in the order of the original, in
 * both numerics. Averages of half-precision parameters are float32. Source:
 * transformers/optimization.py. */
#include <float.h>
#include <math.h>

#include "mmengine/ops.h"
#include "optim/builtin.h"
#include "optim/optimizer.h"

struct adafactor {
    mm_maybe_f64 lr;
    mm_f64s eps;
    double clip_threshold;
    double decay_rate;
    mm_maybe_f64 beta1;
    double weight_decay;
    bool scale_parameter;
    bool relative_step;
    bool warmup_init;
};

static mm_value *adafactor_defaults(void *self)
{
    return mm_optimizer_defaults(self, NULL);
}

static mm_status adafactor_init(void *data)
{
    const struct adafactor *self = data;

    if (self->eps.count != 2)
        return mm_raise(MM_ECONFIG, "eps has %zu entries: two are needed",
                        self->eps.count);
    if (self->lr.has && self->relative_step) {
        (void)mm_raise(MM_ECONFIG, "lr=%g and relative_step=True exclude each other",
                       self->lr.value);
        return mm_error_hint("relative_step=False uses lr and a schedule; without lr "
                             "the step count gives the rate");
    }
    if (!self->lr.has && !self->relative_step)
        return mm_raise(MM_ECONFIG, "relative_step=False needs lr");
    if (self->warmup_init && !self->relative_step)
        return mm_raise(MM_ECONFIG, "warmup_init=True needs relative_step=True");
    return MM_OK;
}

static mm_status adafactor_check(void *self, const mm_value *options)
{
    (void)self;
    (void)mm_option_check_f64(options, "lr", 0.0, DBL_MAX, false);
    (void)mm_option_check_f64(options, "weight_decay", 0.0, DBL_MAX, false);
    return mm_option_check_f64(options, "beta1", 0.0, 1.0, false);
}

/* Root of the mean of squares, []. */
static mm_tensor *rms_of(mm_tensor *x)
{
    return mm_div_scalar(mm_op("aten::linalg_vector_norm", MM_T(x), MM_I(2)),
                         pow((double)mm_numel(x), 0.5));
}

/* A rate as the original has it: a tensor where the weights scale it, else a number,
 * and rounded so when it is multiplied. */
struct rate {
    double value;
    mm_dtype dtype; /* NONE: a number */
};

static double product(double x, double y, mm_dtype dtype)
{
    return dtype == MM_DTYPE_F32 ? (double)((float)x * (float)y) : x * y;
}

/* The rate of this step. */
static struct rate rate_of(const mm_value *options, double step, mm_tensor *rms)
{
    double rate = mm_option_find_f64(options, "lr", 0.0);
    double least = mm_option_get_f64_at(options, "eps", 1);
    mm_dtype dtype = mm_tensor_dtype(rms);
    double size = mm_item(rms);

    if (mm_option_find_bool(options, "relative_step", true)) {
        bool warms = mm_option_find_bool(options, "warmup_init", false);

        rate = fmin(warms ? 1e-6 * step : 1e-2, 1.0 / sqrt(step));
    }
    if (!mm_option_find_bool(options, "scale_parameter", true))
        return (struct rate){rate, MM_DTYPE_NONE};
    if (!(size > product(least, 1.0, dtype)))
        return (struct rate){least * rate, MM_DTYPE_NONE};
    return (struct rate){product(size, rate, dtype), dtype};
}

/* A state tensor in the dtype of `like`; made of `sizes` zeros if there is none. */
static mm_tensor *state_of(mm_optimizer *optimizer, size_t index, const char *name,
                           mm_tensor *like, mm_dims sizes)
{
    mm_tensor *state = mm_optimizer_find_state(optimizer, index, name);
    mm_tensor_info info;

    if (mm_tensor_info_get(like, &info) < 0)
        return NULL;
    if (state == NULL)
        return mm_optimizer_put_state(
            optimizer, index, name,
            sizes.data == NULL
                ? mm_zeros_like(like)
                : mm_zeros(sizes, .dtype = info.dtype, .device = info.device));
    mm_tensor *fit = mm_to(state, .dtype = info.dtype, .device = info.device);

    return fit == state ? state : mm_optimizer_put_state(optimizer, index, name, fit);
}

static void pull(mm_tensor *average, double keep, mm_tensor *towards)
{
    mm_mul_scalar_(average, keep);
    mm_add_scaled_(average, towards, 1.0 - keep);
}

/* The gradient over the root of the product of row and column averages. */
static mm_tensor *factored(mm_optimizer *optimizer, size_t index, mm_tensor *grad,
                           mm_tensor *squares, double keep)
{
    mm_tensor_info info;

    if (mm_tensor_info_get(grad, &info) < 0)
        return NULL;
    int64_t sizes[MM_MAX_DIM];
    size_t last = (size_t)info.ndim - 1;

    for (size_t i = 0; i < last; i++)
        sizes[i] = info.sizes[i];
    mm_tensor *row =
        state_of(optimizer, index, "exp_avg_sq_row", grad, MM_DIMS_N(sizes, last));

    sizes[last - 1] = info.sizes[last];
    mm_tensor *col =
        state_of(optimizer, index, "exp_avg_sq_col", grad, MM_DIMS_N(sizes, last));

    pull(row, keep, mm_mean(squares, .dims = MM_DIMS(-1)));
    pull(col, keep, mm_mean(squares, .dims = MM_DIMS(-2)));
    mm_tensor *mean = mm_mean(row, .dims = MM_DIMS(-1), .keepdim = true);
    mm_tensor *by_row = mm_unsqueeze(mm_rsqrt_(mm_div(row, mean)), -1);
    mm_tensor *by_col = mm_rsqrt(mm_unsqueeze(col, -2));

    return mm_mul_(mm_mul(by_row, by_col), grad);
}

static mm_tensor *plain(mm_optimizer *optimizer, size_t index, mm_tensor *grad,
                        mm_tensor *squares, double keep)
{
    mm_tensor *avg_sq = state_of(optimizer, index, "exp_avg_sq", grad, (mm_dims){0});

    pull(avg_sq, keep, squares);
    return mm_mul_(mm_rsqrt(avg_sq), grad);
}

/* Counts the step and notes the size of the weights. */
static double count_step(mm_optimizer *optimizer, size_t index, mm_tensor *rms)
{
    mm_value *state = mm_optimizer_state(optimizer, index);
    const mm_value *before = state != NULL ? mm_dict_find(state, "step") : NULL;
    mm_tensor *tensor = before != NULL ? mm_value_find_tensor(before) : NULL;
    double step = 1.0;

    if (tensor != NULL)
        step += mm_item(tensor);
    else if (before != NULL)
        step += mm_value_f64(before);
    mm_dict_put_i64(state, "step", (int64_t)step);
    (void)mm_optimizer_put_state(optimizer, index, "RMS", rms);
    return step;
}

static bool is_half(const mm_tensor *x)
{
    mm_dtype dtype = mm_tensor_dtype(x);

    return dtype == MM_DTYPE_F16 || dtype == MM_DTYPE_BF16;
}

static mm_tensor *first_moment(mm_optimizer *optimizer, size_t index,
                               const mm_value *options, mm_tensor *grad,
                               mm_tensor *update)
{
    if (mm_value_is_none(mm_dict_find(options, "beta1")))
        return update;
    mm_tensor *avg = state_of(optimizer, index, "exp_avg", grad, (mm_dims){0});

    pull(avg, mm_option_find_f64(options, "beta1", 0.0), update);
    return avg;
}

static mm_status adafactor_step_param(void *self, mm_optimizer *optimizer, size_t index)
{
    mm_tensor *param = optimizer->params[index];
    mm_tensor *grad = mm_optimizer_grad(optimizer, index);
    const mm_value *options = mm_param_groups_options(
        optimizer->groups, mm_param_groups_group_of(optimizer->groups, index));
    double decay = mm_option_find_f64(options, "weight_decay", 0.0);
    double clip = mm_option_find_f64(options, "clip_threshold", 1.0);
    mm_tensor *weights = is_half(param) ? mm_cast(param, MM_DTYPE_F32) : param;
    (void)self;

    if (is_half(grad))
        grad = mm_cast(grad, MM_DTYPE_F32);
    mm_tensor *rms = rms_of(weights);
    double step = count_step(optimizer, index, rms);
    struct rate rate = rate_of(options, step, rms);
    double keep = 1.0 - pow(step, mm_option_find_f64(options, "decay_rate", -0.8));
    mm_tensor *squares =
        mm_add_scalar(mm_pow_scalar(grad, 2), mm_option_get_f64_at(options, "eps", 0));
    mm_tensor *update = mm_ndim(grad) >= 2
                            ? factored(optimizer, index, grad, squares, keep)
                            : plain(optimizer, index, grad, squares, keep);

    mm_div_(update, mm_clamp(mm_div_scalar(rms_of(update), clip), .min = MM_N(1.0)));
    mm_mul_scalar_(update, rate.value);
    update = first_moment(optimizer, index, options, grad, update);
    if (decay != 0.0)
        mm_add_scaled_(weights, weights, product(-decay, rate.value, rate.dtype));
    mm_add_(weights, mm_neg(update));
    if (weights != param)
        mm_copy_(param, weights);
    return mm_pending();
}

static const mm_optimizer_ops ops = {
    .defaults = adafactor_defaults,
    .check = adafactor_check,
    .step_param = adafactor_step_param,
    .has_free_states = true,
};

#define MM_OPT_STRUCT struct adafactor
static const mm_option options[] = {
    {"lr", "learning rate; None: from the step count",
     MM_OPT_F64_OR_NONE(lr, 0.0, DBL_MAX)},
    {"eps", "added to squares of gradients; least size of weights for the rate",
     MM_OPT_F64S(eps, "(1e-30, 1e-3)")},
    {"clip_threshold", "root mean square above which an update is scaled down",
     MM_OPT_F64(clip_threshold, 1.0, 0.0, DBL_MAX)},
    {"decay_rate", "power of the step count that a new square weighs",
     MM_OPT_F64(decay_rate, -0.8, -DBL_MAX, DBL_MAX)},
    {"beta1", "decay rate of an average of updates; None: no average",
     MM_OPT_F64_OR_NONE(beta1, 0.0, 1.0)},
    {"weight_decay", "weight decay of its own",
     MM_OPT_F64(weight_decay, 0.0, 0.0, DBL_MAX)},
    {"scale_parameter", "scale the rate by the root mean square of the weights",
     MM_OPT_BOOL(scale_parameter, true)},
    {"relative_step", "the rate comes from the step count",
     MM_OPT_BOOL(relative_step, true)},
    {"warmup_init", "begin with a small rate", MM_OPT_BOOL(warmup_init, false)},
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmi_adafactor = {
    .registry = "optimizers",
    .name = "Adafactor",
    .help = "Transformers' Adafactor: factored squares, relative learning rate",
    .source = "transformers/optimization.py",
    .size = sizeof(struct adafactor),
    .options = options,
    .init = adafactor_init,
    MM_OPTIMIZER(&ops),
};
