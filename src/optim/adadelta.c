/* Adadelta: steps in proportion to the running size of former steps. */
#include "kernels/kernels.h"
#include "optim/builtin.h"
#include "optim/torch_options.h"

struct adadelta {
    double lr;
    double rho;
    double eps;
    double weight_decay;
    struct mmi_torch_options torch;
};

struct setting {
    double lr;
    double rho;
    double eps;
    double weight_decay;
};

static void adadelta_read(void *self, const mm_value *options, void *out_setting)
{
    struct setting *setting = out_setting;

    (void)self;
    setting->lr = mmi_get_f64(options, "lr");
    setting->rho = mm_option_find_f64(options, "rho", 0.9);
    setting->eps = mm_option_find_f64(options, "eps", 1e-6);
    setting->weight_decay = mmi_get_f64(options, "weight_decay");
}

static void adadelta_prepare(const void *setting, float *scalars,
                             void *out_coefficients)
{
    const struct setting *s = setting;
    mmi_adadelta_rule *rule = out_coefficients;

    *scalars += 1.0F;
    rule->decay = mmi_decay_of(s->lr, s->weight_decay, false);
    rule->rho = s->rho;
    rule->one_minus_rho = 1.0 - s->rho;
    rule->eps = s->eps;
    rule->neg_lr = -s->lr;
}

/* torch/optim/adadelta.py, _single_tensor_adadelta, operator by operator. */
static mm_status adadelta_apply(const void *coefficients, mm_update_call *call)
{
    const mmi_adadelta_rule *rule = coefficients;
    mm_tensor **grads = mmi_apply_decay(call, &rule->decay);
    mm_tensor **squares = call->states[0];
    mm_tensor **sizes = call->states[1];

    mm_each_mul_number_(call, squares, rule->rho);
    mm_each_addcmul_(call, squares, grads, grads, rule->one_minus_rho);
    mm_tensor **roots = mm_each_add_number(call, squares, rule->eps);
    mm_tensor **steps = mm_each_add_number(call, sizes, rule->eps);

    mm_each_sqrt_(call, roots);
    mm_each_sqrt_(call, steps);
    mm_each_div_(call, steps, roots);
    mm_each_mul_(call, steps, grads);
    mm_each_mul_number_(call, sizes, rule->rho);
    mm_each_addcmul_(call, sizes, steps, steps, rule->one_minus_rho);
    mm_each_add_(call, call->params, steps, rule->neg_lr);
    return mm_pending();
}

static const mm_update_state adadelta_states[] = {
    {.name = "step", .is_scalar = true},
    {.name = "square_avg"},
    {.name = "acc_delta"},
    {0},
};

static mm_update_fn adadelta_select(void)
{
    return mmi_kernels_best()->adadelta;
}

static const mm_update_rule adadelta_rule = {
    .setting_size = sizeof(struct setting),
    .coefficients_size = sizeof(mmi_adadelta_rule),
    .states = adadelta_states,
    .read = adadelta_read,
    .prepare = adadelta_prepare,
    .select = adadelta_select,
    .apply = adadelta_apply,
};

static const mm_optimizer_ops adadelta_ops = {.check = mmi_check_torch,
                                              .rule = &adadelta_rule};

#define MM_OPT_STRUCT struct adadelta
static const mm_option adadelta_options[] = {
    MMI_LR_ROW(1.0),
    {"rho", "decay rate of both averages", MM_OPT_F64(rho, 0.9, 0.0, 1.0)},
    MMI_EPS_ROW(1e-6),
    MMI_WEIGHT_DECAY_ROW(0.0),
    MMI_MAXIMIZE_ROW,
    MMI_CAPTURABLE_ROW,
    MMI_FOREACH_ROW,
    MMI_DIFFERENTIABLE_ROW,
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmi_adadelta = {
    .registry = "optimizers",
    .name = "Adadelta",
    .help = "steps in proportion to the size of former steps",
    .source = "torch/optim/adadelta.py",
    .size = sizeof(struct adadelta),
    .options = adadelta_options,
    .init = mmi_optimizer_init,
    MM_OPTIMIZER(&adadelta_ops),
};
