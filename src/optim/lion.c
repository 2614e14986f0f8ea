/* Lion: the sign of an average of gradients, with weight decay of its own. Bit-equal to
 * lion-pytorch in both numerics. Source: lion_pytorch/lion_pytorch.py (0.2.5). */
#include <float.h>

#include "kernels/kernels.h"
#include "mmengine/optim.h"
#include "optim/builtin.h"

struct lion {
    double lr;
    mm_f64s betas;
    double weight_decay;
    bool use_triton;
    bool decoupled_weight_decay;
};

static mm_value *lion_defaults(void *self)
{
    return mm_optimizer_defaults(
        self, (const char *const[]){"use_triton", "decoupled_weight_decay", NULL});
}

static mm_status lion_init(void *data)
{
    const struct lion *self = data;

    if (self->betas.count != 2)
        return mm_raise(MM_ECONFIG, "betas has %zu entries: two are needed",
                        self->betas.count);
    if (self->lr <= 0.0)
        return mm_raise(MM_ECONFIG, "lr is %g: must be above 0", self->lr);
    return MM_OK;
}

static mm_status lion_check(void *self, const mm_value *options)
{
    (void)self;
    (void)mm_option_check_f64(options, "lr", 0.0, DBL_MAX, false);
    for (size_t i = 0; i < 2 && !mm_has_error(); i++) {
        double beta = mm_option_get_f64_at(options, "betas", i);

        if (!mm_has_error() && !(beta >= 0.0 && beta <= 1.0))
            return mm_raise(MM_ECONFIG, "betas[%zu] is %g: must be in [0, 1]", i, beta);
    }
    return mm_pending();
}

static void lion_read(void *data, const mm_value *options, void *out_setting)
{
    const struct lion *self = data;
    mmi_lion_rule *rule = out_setting;
    double lr = mm_option_find_f64(options, "lr", 0.0);
    double decay = mm_option_find_f64(options, "weight_decay", 0.0);

    if (self->decoupled_weight_decay)
        decay /= self->lr;
    rule->param_factor = 1.0 - lr * decay;
    rule->beta1 = mm_option_get_f64_at(options, "betas", 0);
    rule->one_minus_beta1 = 1.0 - rule->beta1;
    rule->beta2 = mm_option_get_f64_at(options, "betas", 1);
    rule->one_minus_beta2 = 1.0 - rule->beta2;
    rule->neg_lr = -lr;
}

/* update_fn, operator by operator. */
static mm_status lion_apply(const void *coefficients, mm_update_call *call)
{
    const mmi_lion_rule *rule = coefficients;
    mm_tensor **avg = call->states[0];

    mm_each_mul_number_(call, call->params, rule->param_factor);
    mm_tensor **update = mm_each_mul_number(call, avg, rule->beta1);

    mm_each_add_(call, update, call->grads, rule->one_minus_beta1);
    mm_each_add_(call, call->params, mm_each_sign(call, update), rule->neg_lr);
    mm_each_mul_number_(call, avg, rule->beta2);
    mm_each_add_(call, avg, call->grads, rule->one_minus_beta2);
    return mm_pending();
}

static const mm_update_state lion_states[] = {{.name = "exp_avg"}, {0}};

static mm_update_fn lion_select(void)
{
    return mmi_kernels_best()->lion;
}

static const mm_update_rule lion_rule = {
    .setting_size = sizeof(mmi_lion_rule),
    .states = lion_states,
    .read = lion_read,
    .select = lion_select,
    .apply = lion_apply,
};

static const mm_optimizer_ops ops = {
    .defaults = lion_defaults,
    .check = lion_check,
    .rule = &lion_rule,
};

#define MM_OPT_STRUCT struct lion
static const mm_option options[] = {
    {"lr", "learning rate: the size of every step", MM_OPT_F64(lr, 1e-4, 0.0, DBL_MAX)},
    {"betas", "decay rates: of the average that is followed, of the one that is kept",
     MM_OPT_F64S(betas, "(0.9, 0.99)")},
    {"weight_decay", "weight decay of its own, times lr",
     MM_OPT_F64(weight_decay, 0.0, -DBL_MAX, DBL_MAX)},
    {"use_triton", "accepted for lion-pytorch's sake: the kernels are fused",
     MM_OPT_BOOL(use_triton, false)},
    {"decoupled_weight_decay", "decay follows lr's schedule alone, not its size",
     MM_OPT_BOOL(decoupled_weight_decay, false)},
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmi_lion = {
    .registry = "optimizers",
    .name = "Lion",
    .help = "the sign of an average of gradients",
    .source = "lion_pytorch/lion_pytorch.py",
    .size = sizeof(struct lion),
    .options = options,
    .init = lion_init,
    MM_OPTIMIZER(&ops),
};
