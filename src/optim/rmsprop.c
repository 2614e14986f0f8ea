/* RMSprop, plain, centered, with momentum. */
#include "kernels/kernels.h"
#include "optim/builtin.h"
#include "optim/torch_options.h"

struct rmsprop {
    double lr;
    double momentum;
    double alpha;
    double eps;
    bool centered;
    double weight_decay;
    struct mmi_torch_options torch;
};

struct setting {
    double lr;
    double momentum;
    double alpha;
    double eps;
    double weight_decay;
    bool centered;
};

static void rmsprop_read(void *self, const mm_value *options, void *out_setting)
{
    struct setting *setting = out_setting;

    (void)self;
    setting->lr = mmi_get_f64(options, "lr");
    setting->momentum = mmi_get_f64(options, "momentum");
    setting->alpha = mm_option_find_f64(options, "alpha", 0.99);
    setting->eps = mm_option_find_f64(options, "eps", 1e-8);
    setting->weight_decay = mmi_get_f64(options, "weight_decay");
    setting->centered = mmi_get_bool(options, "centered");
}

static void rmsprop_prepare(const void *setting, float *scalars, void *out_coefficients)
{
    const struct setting *s = setting;
    mmi_rmsprop_rule *rule = out_coefficients;

    *scalars += 1.0F;
    rule->decay = mmi_decay_of(s->lr, s->weight_decay, false);
    rule->alpha = s->alpha;
    rule->one_minus_alpha = 1.0 - s->alpha;
    rule->momentum = s->momentum;
    rule->eps = s->eps;
    rule->neg_lr = -s->lr;
}

/* torch/optim/rmsprop.py, _single_tensor_rmsprop, operator by operator. */
static mm_status rmsprop_apply(const void *coefficients, mm_update_call *call)
{
    const mmi_rmsprop_rule *rule = coefficients;
    mm_tensor **grads = mmi_apply_decay(call, &rule->decay);
    mm_tensor **squares = call->states[0];
    mm_tensor **buffers = call->states[1];
    mm_tensor **means = call->states[2];
    mm_tensor **roots = NULL;

    mm_each_mul_number_(call, squares, rule->alpha);
    mm_each_addcmul_(call, squares, grads, grads, rule->one_minus_alpha);
    if (means != NULL) {
        mm_each_lerp_(call, means, grads, rule->one_minus_alpha);
        roots = mm_each_sqrt_(call, mm_each_addcmul(call, squares, means, means, -1.0));
    } else {
        roots = mm_each_sqrt(call, squares);
    }
    mm_each_add_number_(call, roots, rule->eps);
    if (buffers != NULL) {
        mm_each_mul_number_(call, buffers, rule->momentum);
        mm_each_addcdiv_(call, buffers, grads, roots, 1.0);
        mm_each_add_(call, call->params, buffers, rule->neg_lr);
    } else {
        mm_each_addcdiv_(call, call->params, grads, roots, rule->neg_lr);
    }
    return mm_pending();
}

static bool has_buffer(const void *setting)
{
    return ((const struct setting *)setting)->momentum > 0.0;
}

static bool has_mean(const void *setting)
{
    return ((const struct setting *)setting)->centered;
}

static const mm_update_state rmsprop_states[] = {
    {.name = "step", .is_scalar = true},
    {.name = "square_avg"},
    {.name = "momentum_buffer", .has = has_buffer},
    {.name = "grad_avg", .has = has_mean},
    {0},
};

static mm_update_fn rmsprop_select(void)
{
    return mmi_kernels_best()->rmsprop;
}

static const mm_update_rule rmsprop_rule = {
    .setting_size = sizeof(struct setting),
    .coefficients_size = sizeof(mmi_rmsprop_rule),
    .states = rmsprop_states,
    .read = rmsprop_read,
    .prepare = rmsprop_prepare,
    .select = rmsprop_select,
    .apply = rmsprop_apply,
};

static const mm_optimizer_ops rmsprop_ops = {.check = mmi_check_torch,
                                             .rule = &rmsprop_rule};

#define MM_OPT_STRUCT struct rmsprop
static const mm_option rmsprop_options[] = {
    MMI_LR_ROW(1e-2),
    {"momentum", "share of the last update that is kept",
     MM_OPT_F64(momentum, 0.0, 0.0, DBL_MAX)},
    {"alpha", "decay rate of the averages", MM_OPT_F64(alpha, 0.99, 0.0, DBL_MAX)},
    MMI_EPS_ROW(1e-8),
    {"centered", "divide by an estimate of the deviation from the mean",
     MM_OPT_BOOL(centered, false)},
    MMI_WEIGHT_DECAY_ROW(0.0),
    MMI_CAPTURABLE_ROW,
    MMI_FOREACH_ROW,
    MMI_MAXIMIZE_ROW,
    MMI_DIFFERENTIABLE_ROW,
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmi_rmsprop = {
    .registry = "optimizers",
    .name = "RMSprop",
    .help = "divides by the root of a running average of squares",
    .source = "torch/optim/rmsprop.py",
    .size = sizeof(struct rmsprop),
    .options = rmsprop_options,
    .init = mmi_optimizer_init,
    MM_OPTIMIZER(&rmsprop_ops),
};
