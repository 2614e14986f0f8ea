/* LARS: SGD whose learning rate is scaled for each tensor by the ratio of the norms of
 * weights and gradient. Operators in the order of the original, in both numerics: the
 * norms are libtorch's, so that the ratios have its bits. `lars_exclude=True` in a
 * group's options (custom_keys of paramwise_cfg) leaves its tensors unscaled. Source:
 * mmpretrain/engine/optimizers/lars.py. */
#include <float.h>

#include "mmengine/ops.h"
#include "mmengine/optim.h"

struct lars {
    double lr;
    double momentum;
    double dampening;
    double weight_decay;
    bool nesterov;
    double eta;
    double eps;
};

static mm_value *lars_defaults(void *self)
{
    return mm_optimizer_defaults(self, (const char *const[]){"eps", NULL});
}

static mm_status lars_check(void *self, const mm_value *options)
{
    (void)self;
    (void)mm_option_check_f64(options, "lr", 0.0, DBL_MAX, false);
    (void)mm_option_check_f64(options, "momentum", 0.0, DBL_MAX, false);
    (void)mm_option_check_f64(options, "weight_decay", 0.0, DBL_MAX, false);
    (void)mm_option_check_f64(options, "eta", 0.0, DBL_MAX, false);
    if (!mm_has_error() && mm_option_find_bool(options, "nesterov", false) &&
        (mm_option_find_f64(options, "momentum", 0.0) <= 0.0 ||
         mm_option_find_f64(options, "dampening", 0.0) != 0.0))
        return mm_raise(MM_ECONFIG, "nesterov needs a momentum and no dampening");
    return mm_pending();
}

static double norm_of(mm_tensor *x)
{
    mm_tensor *norm = mm_op("aten::linalg_vector_norm", MM_T(x), MM_I(2));

    return norm != NULL ? mm_item(norm) : 0.0;
}

/* The learning rate of one tensor. */
static double local_lr(const struct lars *self, const mm_value *options,
                       mm_tensor *param, mm_tensor *grad)
{
    double lr = mm_option_find_f64(options, "lr", 0.0);

    if (mm_option_find_bool(options, "lars_exclude", false))
        return lr;
    double weight_norm = norm_of(param);
    double grad_norm = norm_of(grad);

    if (weight_norm == 0.0 || grad_norm == 0.0)
        return lr;
    return mm_option_find_f64(options, "eta", 0.001) * weight_norm /
           (grad_norm + mm_option_find_f64(options, "weight_decay", 0.0) * weight_norm +
            self->eps) *
           lr;
}

/* The update that the momentum makes of `step`. */
static mm_tensor *with_momentum(mm_optimizer *optimizer, size_t index,
                                const mm_value *options, mm_tensor *step)
{
    static const char name[] = "momentum_buffer";
    double momentum = mm_option_find_f64(options, "momentum", 0.0);
    mm_tensor *buffer = mm_optimizer_find_state(optimizer, index, name);

    if (buffer == NULL) {
        buffer = mm_optimizer_put_state(optimizer, index, name, mm_clone(step));
    } else {
        mm_mul_scalar_(buffer, momentum);
        mm_add_scaled_(buffer, step,
                       1.0 - mm_option_find_f64(options, "dampening", 0.0));
    }
    return mm_option_find_bool(options, "nesterov", false)
               ? mm_add_scaled(step, buffer, momentum)
               : buffer;
}

static mm_status lars_step_param(void *data, mm_optimizer *optimizer, size_t index)
{
    const struct lars *self = data;
    const mm_param_groups *groups = mm_optimizer_groups(optimizer);
    const mm_value *options =
        mm_param_groups_options(groups, mm_param_groups_group_of(groups, index));
    mm_tensor *param = mm_param_groups_param(groups, index);
    mm_tensor *grad = mm_optimizer_grad(optimizer, index);
    double lr = local_lr(self, options, param, grad);
    mm_tensor *step =
        mm_add_scaled(grad, param, mm_option_find_f64(options, "weight_decay", 0.0));

    step = mm_mul_scalar(step, lr);
    if (mm_option_find_f64(options, "momentum", 0.0) != 0.0)
        step = with_momentum(optimizer, index, options, step);
    mm_add_(param, mm_neg(step));
    return mm_pending();
}

static const mm_optimizer_ops ops = {
    .defaults = lars_defaults,
    .check = lars_check,
    .step_param = lars_step_param,
};

#define MM_OPT_STRUCT struct lars
static const mm_option options[] = {
    {"lr", "learning rate before it is scaled", MM_OPT_F64_REQUIRED(lr, 0.0, DBL_MAX)},
    {"momentum", "share of the last update that is kept",
     MM_OPT_F64(momentum, 0.0, 0.0, DBL_MAX)},
    {"dampening", "share of the gradient kept out of the momentum",
     MM_OPT_F64(dampening, 0.0, -DBL_MAX, DBL_MAX)},
    {"weight_decay", "multiple of the weight added to its gradient",
     MM_OPT_F64(weight_decay, 0.0, 0.0, DBL_MAX)},
    {"nesterov", "look ahead along the momentum", MM_OPT_BOOL(nesterov, false)},
    {"eta", "trust in the ratio of the norms", MM_OPT_F64(eta, 0.001, 0.0, DBL_MAX)},
    {"eps", "added to the denominator of the ratio",
     MM_OPT_F64(eps, 1e-8, 0.0, DBL_MAX)},
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmz_lars = {
    .registry = "optimizers",
    .scope = "mmpretrain",
    .name = "LARS",
    .help = "SGD with a learning rate scaled to each tensor",
    .source = "mmpretrain/engine/optimizers/lars.py",
    .size = sizeof(struct lars),
    .options = options,
    MM_OPTIMIZER(&ops),
};
