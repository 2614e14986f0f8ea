/* ASGD: gradient descent that keeps the mean of its weights from step t0 on. Rate and
 * weight of the mean are states, in float as PyTorch keeps them: each step uses what
 * the one before left. */
#include <math.h>

#include "kernels/kernels.h"
#include "optim/builtin.h"
#include "optim/torch_options.h"

struct asgd {
    double lr;
    double lambd;
    double alpha;
    double t0;
    double weight_decay;
    struct mmi_torch_options torch;
};

struct setting {
    double lr;
    double lambd;
    double alpha;
    double t0;
    double weight_decay;
};

static void asgd_read(void *self, const mm_value *options, void *out_setting)
{
    struct setting *setting = out_setting;

    (void)self;
    setting->lr = mmi_get_f64(options, "lr");
    setting->lambd = mmi_get_f64(options, "lambd");
    setting->alpha = mmi_get_f64(options, "alpha");
    setting->t0 = mmi_get_f64(options, "t0");
    setting->weight_decay = mmi_get_f64(options, "weight_decay");
}

/* Scalars: step, eta, mu. */
static void asgd_prepare(const void *setting, float *scalars, void *out_coefficients)
{
    const struct setting *s = setting;
    mmi_asgd_rule *rule = out_coefficients;
    double step = (double)(scalars[0] += 1.0F);
    double eta = (double)scalars[1];
    double age = step - s->t0;

    rule->decay.weight_decay = s->weight_decay;
    rule->decay.param_factor = 1.0 - s->lambd * eta;
    rule->neg_eta = -eta;
    rule->mu = (double)scalars[2];
    scalars[1] = (float)(s->lr / pow(1.0 + s->lambd * s->lr * step, s->alpha));
    scalars[2] = (float)(1.0 / (age > 1.0 ? age : 1.0));
}

/* torch/optim/asgd.py, _single_tensor_asgd, operator by operator. */
static mm_status asgd_apply(const void *coefficients, mm_update_call *call)
{
    const mmi_asgd_rule *rule = coefficients;
    mm_tensor **grads = call->grads;
    mm_tensor **means = call->states[0];

    if (rule->decay.weight_decay != 0.0)
        grads = mm_each_add(call, grads, call->params, rule->decay.weight_decay);
    mm_each_mul_number_(call, call->params, rule->decay.param_factor);
    mm_each_add_(call, call->params, grads, rule->neg_eta);
    if (rule->mu != 1.0) {
        mm_tensor **away = mm_each_sub(call, call->params, means);

        mm_each_mul_number_(call, away, rule->mu);
        mm_each_add_(call, means, away, 1.0);
    } else {
        mm_each_copy_(call, means, call->params);
    }
    return mm_pending();
}

static double first_eta(const void *setting)
{
    return ((const struct setting *)setting)->lr;
}

static double first_mu(const void *setting)
{
    (void)setting;
    return 1.0;
}

static const mm_update_state asgd_states[] = {
    {.name = "step", .is_scalar = true},
    {.name = "eta", .initial = first_eta, .is_scalar = true},
    {.name = "mu", .initial = first_mu, .is_scalar = true},
    {.name = "ax"},
    {0},
};

static mm_update_fn asgd_select(void)
{
    return mmi_kernels_best()->asgd;
}

static const mm_update_rule asgd_rule = {
    .setting_size = sizeof(struct setting),
    .coefficients_size = sizeof(mmi_asgd_rule),
    .states = asgd_states,
    .read = asgd_read,
    .prepare = asgd_prepare,
    .select = asgd_select,
    .apply = asgd_apply,
};

static const mm_optimizer_ops asgd_ops = {.check = mmi_check_torch, .rule = &asgd_rule};

#define MM_OPT_STRUCT struct asgd
static const mm_option asgd_options[] = {
    MMI_LR_ROW(1e-2),
    {"lambd", "weight decay of its own", MM_OPT_F64(lambd, 1e-4, -DBL_MAX, DBL_MAX)},
    {"alpha", "power by which the rate falls",
     MM_OPT_F64(alpha, 0.75, -DBL_MAX, DBL_MAX)},
    {"t0", "the step from which weights are averaged",
     MM_OPT_F64(t0, 1e6, -DBL_MAX, DBL_MAX)},
    MMI_WEIGHT_DECAY_ROW(0.0),
    MMI_FOREACH_ROW,
    MMI_MAXIMIZE_ROW,
    MMI_DIFFERENTIABLE_ROW,
    MMI_CAPTURABLE_ROW,
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmi_asgd = {
    .registry = "optimizers",
    .name = "ASGD",
    .help = "gradient descent with the mean of its weights",
    .source = "torch/optim/asgd.py",
    .size = sizeof(struct asgd),
    .options = asgd_options,
    .init = mmi_optimizer_init,
    MM_OPTIMIZER(&asgd_ops),
};
