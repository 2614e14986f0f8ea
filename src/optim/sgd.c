/* Stochastic gradient descent with momentum, dampening, Nesterov's form and weight
 * decay. The kernels and the operators give the same bits as torch.optim.SGD. The
 * momentum buffer is lazy: the first update makes it, of the gradient. */
#include "kernels/kernels.h"
#include "mmengine/ops.h"
#include "optim/builtin.h"
#include "optim/elementwise.h"
#include "optim/torch_options.h"

struct sgd {
    double lr;
    double momentum;
    double dampening;
    double weight_decay;
    bool nesterov;
    struct mmi_torch_options torch;
};

static mm_status sgd_check(void *self, const mm_value *options)
{
    (void)self;
    if (!mm_has_error() && mmi_get_bool(options, "nesterov") &&
        (mmi_get_f64(options, "momentum") <= 0.0 ||
         mmi_get_f64(options, "dampening") != 0.0))
        return mm_raise(MM_ECONFIG, "nesterov needs a momentum and no dampening");
    return mmi_check_torch_options(options);
}

/* The setting is what the kernel takes. */
static void sgd_read(void *self, const mm_value *options, void *out_setting)
{
    mmi_sgd_rule *rule = out_setting;

    (void)self;
    rule->nesterov = mmi_get_bool(options, "nesterov");
    rule->weight_decay = mmi_get_f64(options, "weight_decay");
    rule->momentum = mmi_get_f64(options, "momentum");
    rule->one_minus_dampening = 1.0 - mmi_get_f64(options, "dampening");
    rule->neg_lr = -mmi_get_f64(options, "lr");
}

static bool has_buffer(const void *setting)
{
    return ((const mmi_sgd_rule *)setting)->momentum != 0.0;
}

static mm_status sgd_fused(const mmi_sgd_rule *rule, mm_update_call *call)
{
    size_t num_buffers = rule->momentum != 0.0 ? call->count : 0;

    if (call->is_new)
        call->states[0] = mm_each_clone(call, call->params);
    return mm_op_run(
        "aten::_fused_sgd_", NULL, MM_TS(call->params, call->count),
        MM_TS(call->grads, call->count), MM_TS(call->states[0], num_buffers),
        MM_NAMED_F("weight_decay", rule->weight_decay),
        MM_NAMED_F("momentum", rule->momentum), MM_NAMED_F("lr", -rule->neg_lr),
        MM_NAMED_F("dampening", 1.0 - rule->one_minus_dampening),
        MM_NAMED_B("nesterov", rule->nesterov), MM_NAMED_B("maximize", false),
        MM_NAMED_B("is_first_step", call->is_new));
}

/* torch/optim/sgd.py, _single_tensor_sgd, operator by operator. */
static mm_status sgd_apply(const void *coefficients, mm_update_call *call)
{
    const mmi_sgd_rule *rule = coefficients;
    mm_tensor **grads = call->grads;

    if (mmi_call_can_fuse(call, "aten::_fused_sgd_"))
        return sgd_fused(rule, call);

    if (rule->weight_decay != 0.0)
        grads = mm_each_add(call, grads, call->params, rule->weight_decay);
    if (rule->momentum != 0.0) {
        mm_tensor **buffers = call->states[0];

        if (call->is_new) {
            buffers = call->states[0] = mm_each_clone(call, grads);
        } else {
            mm_each_mul_number_(call, buffers, rule->momentum);
            mm_each_add_(call, buffers, grads, rule->one_minus_dampening);
        }
        grads = rule->nesterov ? mm_each_add(call, grads, buffers, rule->momentum)
                               : buffers;
    }
    mm_each_add_(call, call->params, grads, rule->neg_lr);
    return mm_pending();
}

static mm_update_fn sgd_select(void)
{
    return mmi_kernels_best()->sgd;
}

static const mm_update_state sgd_states[] = {
    {.name = "momentum_buffer", .has = has_buffer, .is_lazy = true},
    {0},
};

static const mm_update_rule sgd_rule = {
    .setting_size = sizeof(mmi_sgd_rule),
    .states = sgd_states,
    .read = sgd_read,
    .select = sgd_select,
    .apply = sgd_apply,
    .takes_sparse = true,
};

static const mm_optimizer_ops sgd_ops = {.check = sgd_check, .rule = &sgd_rule};

#define MM_OPT_STRUCT struct sgd
static const mm_option sgd_options[] = {
    MMI_LR_ROW(1e-3),
    {"momentum", "share of the last update that is kept",
     MM_OPT_F64(momentum, 0.0, 0.0, DBL_MAX)},
    {"dampening", "share of the gradient kept out of the momentum",
     MM_OPT_F64(dampening, 0.0, -DBL_MAX, DBL_MAX)},
    {"weight_decay", "multiple of the weight added to its gradient",
     MM_OPT_F64(weight_decay, 0.0, 0.0, DBL_MAX)},
    {"nesterov", "look ahead along the momentum", MM_OPT_BOOL(nesterov, false)},
    MMI_MAXIMIZE_ROW,
    MMI_FOREACH_ROW,
    MMI_DIFFERENTIABLE_ROW,
    MMI_FUSED_ROW,
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmi_sgd = {
    .registry = "optimizers",
    .name = "SGD",
    .help = "stochastic gradient descent with momentum",
    .source = "torch/optim/sgd.py",
    .size = sizeof(struct sgd),
    .options = sgd_options,
    .init = mmi_optimizer_init,
    MM_OPTIMIZER(&sgd_ops),
};
