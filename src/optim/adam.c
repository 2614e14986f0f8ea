/* Adam and AdamW. The operators give the same bits as torch.optim; the kernels do too
 * wherever libtorch's square root is correctly rounded, which MKL's is not always. */
#include <math.h>

#include "kernels/kernels.h"
#include "mmengine/ops.h"
#include "optim/builtin.h"
#include "optim/elementwise.h"
#include "optim/torch_options.h"

struct adam {
    bool is_adamw; /* its decay is decoupled whatever a checkpoint says */
    double lr;
    mm_f64s betas;
    double eps;
    double weight_decay;
    bool amsgrad;
    bool decoupled_weight_decay;
    struct mmi_torch_options torch;
};

struct setting {
    mmi_adam_like base;
    bool amsgrad;
};

/* The kernel's first, then what libtorch's fused operators take. */
struct coefficients {
    mmi_adam_rule rule;
    struct setting setting;
    double step;
};

static mm_status adamw_init(void *self)
{
    ((struct adam *)self)->is_adamw = true;
    return mmi_optimizer_init(self);
}

/* AdamW's groups have it without its being an option. */
static mm_value *adamw_defaults(void *self)
{
    mm_value *defaults = mm_optimizer_defaults(self, NULL);

    if (defaults != NULL)
        mm_dict_put_bool(defaults, "decoupled_weight_decay", true);
    return defaults;
}

static void adam_read(void *self, const mm_value *options, void *out_setting)
{
    struct setting *setting = out_setting;

    mmi_read_adam_like(self, options, &setting->base);
    setting->base.decoupled =
        setting->base.decoupled || ((const struct adam *)self)->is_adamw;
    setting->amsgrad = mmi_get_bool(options, "amsgrad");
}

static bool has_max(const void *setting)
{
    return ((const struct setting *)setting)->amsgrad;
}

static void adam_prepare(const void *setting, float *scalars, void *out_coefficients)
{
    const mmi_adam_like *s = &((const struct setting *)setting)->base;
    struct coefficients *coefficients = out_coefficients;
    mmi_adam_rule *rule = &coefficients->rule;
    double step = (double)(*scalars += 1.0F);
    double bias1 = 1.0 - pow(s->beta1, step);
    double bias2 = 1.0 - pow(s->beta2, step);

    rule->decay = mmi_decay_of(s->lr, s->weight_decay, s->decoupled);
    rule->lerp_weight = 1.0 - s->beta1;
    rule->beta2 = s->beta2;
    rule->one_minus_beta2 = 1.0 - s->beta2;
    rule->bias2_sqrt = pow(bias2, 0.5);
    rule->eps = s->eps;
    rule->neg_step_size = -(s->lr / bias1);
    coefficients->setting = *(const struct setting *)setting;
    coefficients->step = step;
}

static const char *fused_name(const struct coefficients *coefficients)
{
    return coefficients->setting.base.decoupled ? "aten::_fused_adamw_"
                                                : "aten::_fused_adam_";
}

static mm_status adam_fused(const struct coefficients *coefficients,
                            mm_update_call *call)
{
    const mmi_adam_like *s = &coefficients->setting.base;
    mm_tensor **steps = mmi_call_steps(call, coefficients->step);
    size_t num_max = call->states[2] != NULL ? call->count : 0;

    return mm_op_run(
        fused_name(coefficients), NULL, MM_TS(call->params, call->count),
        MM_TS(call->grads, call->count), MM_TS(call->states[0], call->count),
        MM_TS(call->states[1], call->count), MM_TS(call->states[2], num_max),
        MM_TS(steps, call->count), MM_NAMED_F("lr", s->lr),
        MM_NAMED_F("beta1", s->beta1), MM_NAMED_F("beta2", s->beta2),
        MM_NAMED_F("weight_decay", s->weight_decay), MM_NAMED_F("eps", s->eps),
        MM_NAMED_B("amsgrad", num_max > 0), MM_NAMED_B("maximize", false));
}

/* torch/optim/adam.py, _single_tensor_adam, operator by operator. */
static mm_status adam_apply(const void *coefficients, mm_update_call *call)
{
    const mmi_adam_rule *rule = &((const struct coefficients *)coefficients)->rule;

    if (mmi_call_can_fuse(call, fused_name(coefficients)))
        return adam_fused(coefficients, call);
    mm_tensor **grads = mmi_apply_decay(call, &rule->decay);
    mm_tensor **squares = call->states[1];

    mm_each_lerp_(call, call->states[0], grads, rule->lerp_weight);
    mm_each_mul_number_(call, squares, rule->beta2);
    mm_each_addcmul_(call, squares, grads, grads, rule->one_minus_beta2);
    if (call->states[2] != NULL)
        squares = mm_each_maximum_(call, call->states[2], squares);
    mm_tensor **denominators = mm_each_sqrt(call, squares);

    mm_each_div_number_(call, denominators, rule->bias2_sqrt);
    mm_each_add_number_(call, denominators, rule->eps);
    mm_each_addcdiv_(call, call->params, call->states[0], denominators,
                     rule->neg_step_size);
    return mm_pending();
}

static mm_update_fn adam_select(void)
{
    return mmi_kernels_best()->adam;
}

static const mm_update_state adam_states[] = {
    {.name = "step", .is_scalar = true},
    {.name = "exp_avg"},
    {.name = "exp_avg_sq"},
    {.name = "max_exp_avg_sq", .has = has_max},
    {0},
};

static const mm_update_rule adam_rule = {
    .setting_size = sizeof(struct setting),
    .coefficients_size = sizeof(struct coefficients),
    .states = adam_states,
    .read = adam_read,
    .prepare = adam_prepare,
    .select = adam_select,
    .apply = adam_apply,
};

static const mm_optimizer_ops adam_ops = {.check = mmi_check_betas, .rule = &adam_rule};
static const mm_optimizer_ops adamw_ops = {
    .defaults = adamw_defaults,
    .check = mmi_check_betas,
    .rule = &adam_rule,
};

#define MM_OPT_STRUCT struct adam
/* clang-format off */
#define ADAM_ROWS(decay)                                                               \
    MMI_LR_ROW(1e-3),                                                                  \
    MMI_BETAS_ROW,                                                                     \
    MMI_EPS_ROW(1e-8),                                                                 \
    MMI_WEIGHT_DECAY_ROW(decay),                                                       \
    {"amsgrad", "use the largest average of squares so far",                           \
     MM_OPT_BOOL(amsgrad, false)},                                                     \
    MMI_MAXIMIZE_ROW,                                                                  \
    MMI_FOREACH_ROW,                                                                   \
    MMI_CAPTURABLE_ROW,                                                                \
    MMI_DIFFERENTIABLE_ROW,                                                            \
    MMI_FUSED_ROW
/* clang-format on */
static const mm_option adam_options[] = {
    ADAM_ROWS(0.0),
    MMI_DECOUPLED_ROW,
    {0},
};
static const mm_option adamw_options[] = {
    ADAM_ROWS(1e-2),
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmi_adam = {
    .registry = "optimizers",
    .name = "Adam",
    .help = "Adam, with weight decay through the gradient",
    .source = "torch/optim/adam.py",
    .size = sizeof(struct adam),
    .options = adam_options,
    .init = mmi_optimizer_init,
    MM_OPTIMIZER(&adam_ops),
};

const mm_component mmi_adamw = {
    .registry = "optimizers",
    .name = "AdamW",
    .help = "Adam with weight decay of its own",
    .source = "torch/optim/adamw.py",
    .size = sizeof(struct adam),
    .options = adamw_options,
    .init = adamw_init,
    MM_OPTIMIZER(&adamw_ops),
};
