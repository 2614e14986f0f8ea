/* NAdam: Adam with Nesterov's momentum, whose weight grows with the steps; the product
 * of all weights so far is a state. */
#include <math.h>

#include "kernels/kernels.h"
#include "optim/builtin.h"
#include "optim/torch_options.h"

struct nadam {
    double lr;
    mm_f64s betas;
    double eps;
    double weight_decay;
    double momentum_decay;
    bool decoupled_weight_decay;
    struct mmi_torch_options torch;
};

struct setting {
    mmi_adam_like base;
    double momentum_decay;
};

static void nadam_read(void *self, const mm_value *options, void *out_setting)
{
    struct setting *setting = out_setting;

    mmi_read_adam_like(self, options, &setting->base);
    setting->momentum_decay = mmi_get_f64(options, "momentum_decay");
}

/* The weight of the momentum in a step. */
static double momentum_at(const struct setting *setting, double step)
{
    return setting->base.beta1 *
           (1.0 - 0.5 * pow(0.96, step * setting->momentum_decay));
}

/* Scalars: the step and, in float as PyTorch keeps it, the product. */
static void nadam_prepare(const void *setting, float *scalars, void *out_coefficients)
{
    const mmi_adam_like *s = &((const struct setting *)setting)->base;
    mmi_nadam_rule *rule = out_coefficients;
    double step = (double)(scalars[0] += 1.0F);
    double mu = momentum_at(setting, step);
    double mu_next = momentum_at(setting, step + 1.0);
    double product = (double)(scalars[1] *= (float)mu);

    rule->decay = mmi_decay_of(s->lr, s->weight_decay, s->decoupled);
    rule->lerp_weight = 1.0 - s->beta1;
    rule->beta2 = s->beta2;
    rule->one_minus_beta2 = 1.0 - s->beta2;
    rule->bias2 = 1.0 - pow(s->beta2, step);
    rule->eps = s->eps;
    rule->grad_step = -s->lr * (1.0 - mu) / (1.0 - product);
    rule->avg_step = (-s->lr * mu_next) / (1.0 - product * mu_next);
}

/* torch/optim/nadam.py, _single_tensor_nadam, operator by operator. */
static mm_status nadam_apply(const void *coefficients, mm_update_call *call)
{
    const mmi_nadam_rule *rule = coefficients;
    mm_tensor **grads = mmi_apply_decay(call, &rule->decay);
    mm_tensor **avg = call->states[0];
    mm_tensor **squares = call->states[1];

    mm_each_lerp_(call, avg, grads, rule->lerp_weight);
    mm_each_mul_number_(call, squares, rule->beta2);
    mm_each_addcmul_(call, squares, grads, grads, rule->one_minus_beta2);
    mm_tensor **denominators = mm_each_div_number(call, squares, rule->bias2);

    mm_each_sqrt_(call, denominators);
    mm_each_add_number_(call, denominators, rule->eps);
    mm_each_addcdiv_(call, call->params, grads, denominators, rule->grad_step);
    mm_each_addcdiv_(call, call->params, avg, denominators, rule->avg_step);
    return mm_pending();
}

static double first_product(const void *setting)
{
    (void)setting;
    return 1.0;
}

static const mm_update_state nadam_states[] = {
    {.name = "step", .is_scalar = true},
    {.name = "mu_product", .initial = first_product, .is_scalar = true},
    {.name = "exp_avg"},
    {.name = "exp_avg_sq"},
    {0},
};

static mm_update_fn nadam_select(void)
{
    return mmi_kernels_best()->nadam;
}

static const mm_update_rule nadam_rule = {
    .setting_size = sizeof(struct setting),
    .coefficients_size = sizeof(mmi_nadam_rule),
    .states = nadam_states,
    .read = nadam_read,
    .prepare = nadam_prepare,
    .select = nadam_select,
    .apply = nadam_apply,
};

static const mm_optimizer_ops nadam_ops = {.check = mmi_check_betas,
                                           .rule = &nadam_rule};

#define MM_OPT_STRUCT struct nadam
static const mm_option nadam_options[] = {
    MMI_LR_ROW(2e-3),
    MMI_BETAS_ROW,
    MMI_EPS_ROW(1e-8),
    MMI_WEIGHT_DECAY_ROW(0.0),
    {"momentum_decay", "how fast the momentum grows to beta1",
     MM_OPT_F64(momentum_decay, 4e-3, 0.0, DBL_MAX)},
    MMI_DECOUPLED_ROW,
    MMI_MAXIMIZE_ROW,
    MMI_FOREACH_ROW,
    MMI_CAPTURABLE_ROW,
    MMI_DIFFERENTIABLE_ROW,
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmi_nadam = {
    .registry = "optimizers",
    .name = "NAdam",
    .help = "Adam with Nesterov's momentum",
    .source = "torch/optim/nadam.py",
    .size = sizeof(struct nadam),
    .options = nadam_options,
    .init = mmi_optimizer_init,
    MM_OPTIMIZER(&nadam_ops),
};
