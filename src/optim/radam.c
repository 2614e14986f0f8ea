/* RAdam: Adam whose first steps, while the average of squares rests on too few of them,
 * go along the average of gradients alone. */
#include <math.h>

#include "kernels/kernels.h"
#include "optim/builtin.h"
#include "optim/torch_options.h"

struct radam {
    double lr;
    mm_f64s betas;
    double eps;
    double weight_decay;
    bool decoupled_weight_decay;
    struct mmi_torch_options torch;
};

/* What the step is rectified by; 0: the average of squares is of no use yet. */
static double rectification(double beta2, double step)
{
    double longest = 2.0 / (1.0 - beta2) - 1.0;
    double power = pow(beta2, step);
    double length = longest - 2.0 * step * power / (1.0 - power);

    if (!(length > 5.0))
        return 0.0;
    return pow((length - 4.0) * (length - 2.0) * longest /
                   ((longest - 4.0) * (longest - 2.0) * length),
               0.5);
}

static void radam_prepare(const void *setting, float *scalars, void *out_coefficients)
{
    const mmi_adam_like *s = setting;
    mmi_radam_rule *rule = out_coefficients;
    double step = (double)(*scalars += 1.0F);

    rule->decay = mmi_decay_of(s->lr, s->weight_decay, s->decoupled);
    rule->lerp_weight = 1.0 - s->beta1;
    rule->beta2 = s->beta2;
    rule->one_minus_beta2 = 1.0 - s->beta2;
    rule->bias1 = 1.0 - pow(s->beta1, step);
    rule->bias2_sqrt = pow(1.0 - pow(s->beta2, step), 0.5);
    rule->eps = s->eps;
    rule->lr = s->lr;
    rule->rectification = rectification(s->beta2, step);
}

/* torch/optim/radam.py, _single_tensor_radam, operator by operator. */
static mm_status radam_apply(const void *coefficients, mm_update_call *call)
{
    const mmi_radam_rule *rule = coefficients;
    mm_tensor **grads = mmi_apply_decay(call, &rule->decay);
    mm_tensor **avg = call->states[0];
    mm_tensor **squares = call->states[1];

    mm_each_lerp_(call, avg, grads, rule->lerp_weight);
    mm_each_mul_number_(call, squares, rule->beta2);
    mm_each_addcmul_(call, squares, grads, grads, rule->one_minus_beta2);
    mm_tensor **steps = mm_each_div_number(call, avg, rule->bias1);

    mm_each_mul_number_(call, steps, rule->lr);
    if (rule->rectification != 0.0) {
        mm_tensor **rates = mm_each_sqrt(call, squares);

        mm_each_add_number_(call, rates, rule->eps);
        rates = mm_each_reciprocal(call, rates);
        mm_each_mul_number_(call, rates, rule->bias2_sqrt);
        mm_each_mul_(call, steps, rates);
        mm_each_mul_number_(call, steps, rule->rectification);
    }
    mm_each_add_(call, call->params, steps, -1.0);
    return mm_pending();
}

static const mm_update_state radam_states[] = {
    {.name = "step", .is_scalar = true},
    {.name = "exp_avg"},
    {.name = "exp_avg_sq"},
    {0},
};

static mm_update_fn radam_select(void)
{
    return mmi_kernels_best()->radam;
}

static const mm_update_rule radam_rule = {
    .setting_size = sizeof(mmi_adam_like),
    .coefficients_size = sizeof(mmi_radam_rule),
    .states = radam_states,
    .read = mmi_read_adam_like,
    .prepare = radam_prepare,
    .select = radam_select,
    .apply = radam_apply,
};

static const mm_optimizer_ops radam_ops = {.check = mmi_check_betas,
                                           .rule = &radam_rule};

#define MM_OPT_STRUCT struct radam
static const mm_option radam_options[] = {
    MMI_LR_ROW(1e-3),       MMI_BETAS_ROW,
    MMI_EPS_ROW(1e-8),      MMI_WEIGHT_DECAY_ROW(0.0),
    MMI_MAXIMIZE_ROW,       MMI_FOREACH_ROW,
    MMI_CAPTURABLE_ROW,     MMI_DECOUPLED_ROW,
    MMI_DIFFERENTIABLE_ROW, {0},
};
#undef MM_OPT_STRUCT

const mm_component mmi_radam = {
    .registry = "optimizers",
    .name = "RAdam",
    .help = "Adam with a rectified variance in its first steps",
    .source = "torch/optim/radam.py",
    .size = sizeof(struct radam),
    .options = radam_options,
    .init = mmi_optimizer_init,
    MM_OPTIMIZER(&radam_ops),
};
