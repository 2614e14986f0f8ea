/* Adagrad. Its states are there from the start, filled with the component's initial
 * value, whatever the groups say, as in PyTorch. */
#include "kernels/kernels.h"
#include "mmengine/ops.h"
#include "optim/builtin.h"
#include "optim/elementwise.h"
#include "optim/torch_options.h"

struct adagrad {
    double lr;
    double lr_decay;
    double eps;
    double weight_decay;
    double initial_accumulator_value;
    struct mmi_torch_options torch;
};

struct setting {
    double lr;
    double lr_decay;
    double eps;
    double weight_decay;
    double initial;
};

static void adagrad_read(void *self, const mm_value *options, void *out_setting)
{
    struct setting *setting = out_setting;

    setting->lr = mmi_get_f64(options, "lr");
    setting->lr_decay = mmi_get_f64(options, "lr_decay");
    setting->eps = mm_option_find_f64(options, "eps", 1e-10);
    setting->weight_decay = mmi_get_f64(options, "weight_decay");
    setting->initial = ((const struct adagrad *)self)->initial_accumulator_value;
}

static void adagrad_prepare(const void *setting, float *scalars, void *out_coefficients)
{
    const struct setting *s = setting;
    mmi_adagrad_rule *rule = out_coefficients;
    double step = (double)(*scalars += 1.0F);

    rule->decay = mmi_decay_of(s->lr, s->weight_decay, false);
    rule->eps = s->eps;
    rule->neg_lr = -(s->lr / (1.0 + (step - 1.0) * s->lr_decay));
}

static mm_tensor *sparse_like(mm_tensor *grad, mm_tensor *values)
{
    mm_tensor_info info;

    if (mm_tensor_info_get(grad, &info) < 0)
        return NULL;
    return mm_op("aten::sparse_coo_tensor.indices_size",
                 MM_T(mm_op("aten::_indices", MM_T(grad))), MM_T(values),
                 MM_IS(info.sizes, info.ndim));
}

/* Rows without a gradient are left alone. */
static mm_status apply_sparse(const mmi_adagrad_rule *rule, mm_update_call *call)
{
    mm_tensor *sum = call->states[0][0];
    mm_tensor *grad = mm_op("aten::coalesce", MM_T(call->grads[0]));
    mm_tensor *values = mm_op("aten::_values", MM_T(grad));

    if (rule->decay.weight_decay != 0.0)
        return mm_raise(MM_EUNSUPPORTED,
                        "weight_decay does not go with sparse gradients");
    if (mm_has_error() || mm_numel(values) == 0)
        return mm_pending();
    mm_add_(sum, sparse_like(grad, mm_mul(values, values)));
    mm_tensor *roots =
        mm_op("aten::_values", MM_T(mm_op("aten::sparse_mask", MM_T(sum), MM_T(grad))));

    mm_add_scalar_(mm_sqrt_(roots), rule->eps);
    mm_add_scaled_(call->params[0], sparse_like(grad, mm_div(values, roots)),
                   rule->neg_lr);
    return mm_pending();
}

/* The rate's decay is in it: the step count says nothing more. */
static mm_status adagrad_fused(const mmi_adagrad_rule *rule, mm_update_call *call)
{
    mm_tensor **steps = mmi_call_steps(call, 1.0);

    return mm_op_run("aten::_fused_adagrad_", NULL, MM_TS(call->params, call->count),
                     MM_TS(call->grads, call->count),
                     MM_TS(call->states[0], call->count), MM_TS(steps, call->count),
                     MM_NAMED_F("lr", -rule->neg_lr), MM_NAMED_F("lr_decay", 0.0),
                     MM_NAMED_F("weight_decay", rule->decay.weight_decay),
                     MM_NAMED_F("eps", rule->eps), MM_NAMED_B("maximize", false));
}

/* torch/optim/adagrad.py, _single_tensor_adagrad, operator by operator. */
static mm_status adagrad_apply(const void *coefficients, mm_update_call *call)
{
    const mmi_adagrad_rule *rule = coefficients;

    if (call->is_sparse)
        return apply_sparse(rule, call);
    if (mmi_call_can_fuse(call, "aten::_fused_adagrad_"))
        return adagrad_fused(rule, call);
    mm_tensor **grads = mmi_apply_decay(call, &rule->decay);
    mm_tensor **sums = mm_each_addcmul_(call, call->states[0], grads, grads, 1.0);
    mm_tensor **roots = mm_each_sqrt(call, sums);

    mm_each_add_number_(call, roots, rule->eps);
    mm_each_addcdiv_(call, call->params, grads, roots, rule->neg_lr);
    return mm_pending();
}

static double first_sum(const void *setting)
{
    return ((const struct setting *)setting)->initial;
}

static const mm_update_state adagrad_states[] = {
    {.name = "step", .is_scalar = true},
    {.name = "sum", .initial = first_sum},
    {0},
};

static mm_update_fn adagrad_select(void)
{
    return mmi_kernels_best()->adagrad;
}

static const mm_update_rule adagrad_rule = {
    .setting_size = sizeof(struct setting),
    .coefficients_size = sizeof(mmi_adagrad_rule),
    .states = adagrad_states,
    .read = adagrad_read,
    .prepare = adagrad_prepare,
    .select = adagrad_select,
    .apply = adagrad_apply,
    .takes_sparse = true,
    .makes_states_at_once = true,
};

static const mm_optimizer_ops adagrad_ops = {.check = mmi_check_torch,
                                             .rule = &adagrad_rule};

#define MM_OPT_STRUCT struct adagrad
static const mm_option adagrad_options[] = {
    MMI_LR_ROW(1e-2),
    {"lr_decay", "how fast the rate falls with the steps",
     MM_OPT_F64(lr_decay, 0.0, 0.0, DBL_MAX)},
    MMI_EPS_ROW(1e-10),
    MMI_WEIGHT_DECAY_ROW(0.0),
    {"initial_accumulator_value", "what the sums of squares start from",
     MM_OPT_F64(initial_accumulator_value, 0.0, 0.0, DBL_MAX)},
    MMI_FOREACH_ROW,
    MMI_MAXIMIZE_ROW,
    MMI_DIFFERENTIABLE_ROW,
    MMI_FUSED_ROW,
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmi_adagrad = {
    .registry = "optimizers",
    .name = "Adagrad",
    .help = "divides by the root of the sum of all squares so far",
    .source = "torch/optim/adagrad.py",
    .size = sizeof(struct adagrad),
    .options = adagrad_options,
    .init = mmi_optimizer_init,
    MM_OPTIMIZER(&adagrad_ops),
};
