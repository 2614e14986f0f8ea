/* Adamax: Adam with the largest gradient so far, decayed, in place of the average of
 * squares. */
#include <math.h>

#include "kernels/kernels.h"
#include "optim/builtin.h"
#include "optim/torch_options.h"

struct adamax {
    double lr;
    mm_f64s betas;
    double eps;
    double weight_decay;
    struct mmi_torch_options torch;
};

static void adamax_prepare(const void *setting, float *scalars, void *out_coefficients)
{
    const mmi_adam_like *s = setting;
    mmi_adamax_rule *rule = out_coefficients;
    double step = (double)(*scalars += 1.0F);

    rule->decay = mmi_decay_of(s->lr, s->weight_decay, false);
    rule->lerp_weight = 1.0 - s->beta1;
    rule->beta2 = s->beta2;
    rule->eps = s->eps;
    rule->neg_step_size = -(s->lr / (1.0 - pow(s->beta1, step)));
}

/* torch/optim/adamax.py, _single_tensor_adamax, operator by operator. */
static mm_status adamax_apply(const void *coefficients, mm_update_call *call)
{
    const mmi_adamax_rule *rule = coefficients;
    mm_tensor **grads = mmi_apply_decay(call, &rule->decay);
    mm_tensor **avg = call->states[0];
    mm_tensor **norm = call->states[1];

    mm_each_lerp_(call, avg, grads, rule->lerp_weight);
    mm_each_mul_number_(call, norm, rule->beta2);
    mm_tensor **sizes = mm_each_add_number_(call, mm_each_abs(call, grads), rule->eps);

    mm_each_maximum_(call, norm, sizes);
    mm_each_addcdiv_(call, call->params, avg, norm, rule->neg_step_size);
    return mm_pending();
}

static const mm_update_state adamax_states[] = {
    {.name = "step", .is_scalar = true},
    {.name = "exp_avg"},
    {.name = "exp_inf"},
    {0},
};

static mm_update_fn adamax_select(void)
{
    return mmi_kernels_best()->adamax;
}

static const mm_update_rule adamax_rule = {
    .setting_size = sizeof(mmi_adam_like),
    .coefficients_size = sizeof(mmi_adamax_rule),
    .states = adamax_states,
    .read = mmi_read_adam_like,
    .prepare = adamax_prepare,
    .select = adamax_select,
    .apply = adamax_apply,
};

static const mm_optimizer_ops adamax_ops = {.check = mmi_check_betas,
                                            .rule = &adamax_rule};

#define MM_OPT_STRUCT struct adamax
static const mm_option adamax_options[] = {
    MMI_LR_ROW(2e-3),          MMI_BETAS_ROW,      MMI_EPS_ROW(1e-8),
    MMI_WEIGHT_DECAY_ROW(0.0), MMI_FOREACH_ROW,    MMI_MAXIMIZE_ROW,
    MMI_DIFFERENTIABLE_ROW,    MMI_CAPTURABLE_ROW, {0},
};
#undef MM_OPT_STRUCT

const mm_component mmi_adamax = {
    .registry = "optimizers",
    .name = "Adamax",
    .help = "Adam with the infinity norm of the gradients",
    .source = "torch/optim/adamax.py",
    .size = sizeof(struct adamax),
    .options = adamax_options,
    .init = mmi_optimizer_init,
    MM_OPTIMIZER(&adamax_ops),
};
