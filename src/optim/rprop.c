/* Rprop: steps whose sizes grow while the gradient keeps its sign and shrink when it
 * turns; only signs of gradients count. Both numerics give the bits of
 * torch.optim.Rprop. */
#include "kernels/kernels.h"
#include "optim/builtin.h"
#include "optim/torch_options.h"

#include "mmengine/ops.h"

struct rprop {
    double lr;
    mm_f64s etas;
    mm_f64s step_sizes;
    struct mmi_torch_options torch;
};

struct setting {
    mmi_rprop_rule rule;
    double lr;
};

static mm_status rprop_check(void *self, const mm_value *options)
{
    (void)self;
    mmi_check_pair(options, "etas");
    mmi_check_pair(options, "step_sizes");
    double minus = mm_option_get_f64_at(options, "etas", 0);
    double plus = mm_option_get_f64_at(options, "etas", 1);

    if (!mm_has_error() && !(0.0 < minus && minus < 1.0 && 1.0 < plus))
        return mm_raise(MM_ECONFIG,
                        "etas are %g and %g: the first must be in (0, 1), the second "
                        "above 1",
                        minus, plus);
    return mmi_check_torch_options(options);
}

static void rprop_read(void *self, const mm_value *options, void *out_setting)
{
    struct setting *setting = out_setting;

    (void)self;
    setting->lr = mmi_get_f64(options, "lr");
    setting->rule.eta_minus = mm_option_get_f64_at(options, "etas", 0);
    setting->rule.eta_plus = mm_option_get_f64_at(options, "etas", 1);
    setting->rule.min_step = mm_option_get_f64_at(options, "step_sizes", 0);
    setting->rule.max_step = mm_option_get_f64_at(options, "step_sizes", 1);
}

static void rprop_prepare(const void *setting, float *scalars, void *out_coefficients)
{
    *scalars += 1.0F;
    *(mmi_rprop_rule *)out_coefficients = ((const struct setting *)setting)->rule;
}

/* torch/optim/rprop.py, _single_tensor_rprop, operator by operator. */
static mm_status rprop_apply(const void *coefficients, mm_update_call *call)
{
    const mmi_rprop_rule *rule = coefficients;
    mm_tensor **former = call->states[0];
    mm_tensor **sizes = call->states[1];
    mm_tensor **factors = mm_each_sign(call, mm_each_mul(call, call->grads, former));
    mm_tensor **grads = mm_each_clone(call, call->grads);

    for (size_t i = 0; i < call->count && !mm_has_error(); i++) {
        mm_tensor *factor = factors[i];

        mm_masked_fill_(factor, mm_gt_scalar(factor, 0), rule->eta_plus);
        mm_masked_fill_(factor, mm_lt_scalar(factor, 0), rule->eta_minus);
        mm_masked_fill_(factor, mm_eq_scalar(factor, 0), 1);
        mm_masked_fill_(grads[i], mm_eq_scalar(factor, rule->eta_minus), 0);
    }
    mm_each_mul_(call, sizes, factors);
    mm_each_clamp_(call, sizes, rule->min_step, rule->max_step);
    mm_each_addcmul_(call, call->params, mm_each_sign(call, grads), sizes, -1.0);
    mm_each_copy_(call, former, grads);
    return mm_pending();
}

static double first_size(const void *setting)
{
    return ((const struct setting *)setting)->lr;
}

static const mm_update_state rprop_states[] = {
    {.name = "step", .is_scalar = true},
    {.name = "prev"},
    {.name = "step_size", .initial = first_size},
    {0},
};

static mm_update_fn rprop_select(void)
{
    return mmi_kernels_best()->rprop;
}

static const mm_update_rule rprop_rule = {
    .setting_size = sizeof(struct setting),
    .coefficients_size = sizeof(mmi_rprop_rule),
    .states = rprop_states,
    .read = rprop_read,
    .prepare = rprop_prepare,
    .select = rprop_select,
    .apply = rprop_apply,
};

static const mm_optimizer_ops rprop_ops = {.check = rprop_check, .rule = &rprop_rule};

#define MM_OPT_STRUCT struct rprop
static const mm_option rprop_options[] = {
    MMI_LR_ROW(1e-2),
    {"etas", "what the size of a step is multiplied by when the sign turns and stays",
     MM_OPT_F64S(etas, "(0.5, 1.2)")},
    {"step_sizes", "the least and the largest size of a step",
     MM_OPT_F64S(step_sizes, "(1e-6, 50)")},
    MMI_FOREACH_ROW,
    MMI_MAXIMIZE_ROW,
    MMI_DIFFERENTIABLE_ROW,
    MMI_CAPTURABLE_ROW,
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmi_rprop = {
    .registry = "optimizers",
    .name = "Rprop",
    .help = "steps by the signs of gradients, of sizes that adapt",
    .source = "torch/optim/rprop.py",
    .size = sizeof(struct rprop),
    .options = rprop_options,
    .init = mmi_optimizer_init,
    MM_OPTIMIZER(&rprop_ops),
};
