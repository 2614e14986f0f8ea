/* Adam with D-Adaptation. Two passes over the parameters: averages and the sums that
 * `d` is learned from, then the weights. Operators in the order of the original, in
 * both numerics. Source: dadaptation/dadapt_adam.py (3.2). */
#include <float.h>
#include <math.h>

#include "mmengine/log.h"
#include "mmengine/ops.h"
#include "optim/builtin.h"
#include "optim/dadapt.h"

struct adam {
    double lr;
    mm_f64s betas;
    double eps;
    double weight_decay;
    int64_t log_every;
    bool decouple;
    bool use_bias_correction;
    double d0;
    double growth_rate;
    bool fsdp_in_use;
};

/* One step: what all parameters share, and sums. */
struct step {
    double dlr, beta1, beta2, root_beta2;
    bool decouples;
    double numerator, size; /* sums */
};

static mm_value *adam_defaults(void *data)
{
    const struct adam *self = data;
    mm_value *options = mm_optimizer_defaults(data, (const char *const[]){"d0", NULL});

    if (options == NULL)
        return NULL;
    mm_dict_put_f64(options, "d", self->d0);
    mm_dict_put_i64(options, "k", 0);
    mm_dict_put_f64(options, "layer_scale", 1.0);
    mm_dict_put_f64(options, "numerator_weighted", 0.0);
    return options;
}

static mm_status adam_init(void *data)
{
    const struct adam *self = data;

    if (self->betas.count != 2)
        return mm_raise(MM_ECONFIG, "betas has %zu entries: two are needed",
                        self->betas.count);
    if (self->fsdp_in_use)
        return mm_raise(MM_EUNSUPPORTED, "fsdp_in_use=True is not supported");
    (void)mmi_dadapt_check_positive("d0", self->d0);
    (void)mmi_dadapt_check_positive("lr", self->lr);
    return mmi_dadapt_check_positive("eps", self->eps);
}

static mm_status adam_check(void *self, const mm_value *options)
{
    (void)self;
    for (size_t i = 0; i < 2 && !mm_has_error(); i++) {
        double beta = mm_option_get_f64_at(options, "betas", i);

        if (!mm_has_error() && !(beta >= 0.0 && beta < 1.0))
            return mm_raise(MM_ECONFIG, "betas[%zu] is %g: must be in [0, 1)", i, beta);
    }
    return mm_pending();
}

static mm_status check_groups(void *self, const mm_param_groups *groups)
{
    (void)self;
    (void)mmi_dadapt_lr(groups);
    return mm_pending();
}

static mm_tensor *denominator_of(mm_tensor *avg_sq, const mm_value *options)
{
    return mm_add_scalar_(mm_sqrt(avg_sq), mm_option_find_f64(options, "eps", 1e-8));
}

static void prepare(mm_optimizer *optimizer, size_t index)
{
    mm_value *state = mm_optimizer_state(optimizer, index);

    if (state == NULL || mm_dict_has(state, "step"))
        return;
    mm_dict_put_i64(state, "step", 0);
    (void)mm_optimizer_zeros_state(optimizer, index, "s");
    (void)mm_optimizer_zeros_state(optimizer, index, "exp_avg");
    (void)mm_optimizer_zeros_state(optimizer, index, "exp_avg_sq");
}

static void add_up(void *user, mm_optimizer *optimizer, size_t index)
{
    struct step *step = user;
    const mm_value *options = mmi_dadapt_options(optimizer, index);
    double scale = mm_option_find_f64(options, "layer_scale", 1.0);
    double decay =
        step->decouples ? 0.0 : mm_option_find_f64(options, "weight_decay", 0.0);

    prepare(optimizer, index);
    if (mm_option_find_f64(options, "lr", 0.0) <= 0.0)
        return;
    mm_tensor *grad = mmi_dadapt_grad(optimizer, index, decay);
    mm_tensor *avg = mm_optimizer_find_state(optimizer, index, "exp_avg");
    mm_tensor *avg_sq = mm_optimizer_find_state(optimizer, index, "exp_avg_sq");
    mm_tensor *sum = mm_optimizer_find_state(optimizer, index, "s");

    step->numerator +=
        scale * step->dlr *
        mmi_dadapt_dot(grad, mm_div(sum, denominator_of(avg_sq, options)));
    mm_mul_scalar_(avg, step->beta1);
    mm_add_scaled_(avg, grad, scale * step->dlr * (1.0 - step->beta1));
    mm_mul_scalar_(avg_sq, step->beta2);
    mm_addcmul_(avg_sq, grad, grad, 1.0 - step->beta2);
    mm_mul_scalar_(sum, step->root_beta2);
    mm_add_scaled_(sum, grad, step->dlr * (1.0 - step->root_beta2));
    step->size += scale * mmi_dadapt_sum(mm_abs(sum));
}

static void update(void *user, mm_optimizer *optimizer, size_t index)
{
    const struct step *step = user;
    const mm_value *options = mmi_dadapt_options(optimizer, index);
    mm_tensor *param = optimizer->params[index];
    mm_value *state = mm_optimizer_state(optimizer, index);
    double decay = mm_option_find_f64(options, "weight_decay", 0.0);
    mm_tensor *avg_sq = mm_optimizer_find_state(optimizer, index, "exp_avg_sq");
    mm_tensor *denominator = denominator_of(avg_sq, options);

    mm_dict_put_i64(state, "step", (int64_t)mm_option_find_f64(state, "step", 0.0) + 1);
    if (decay != 0.0 && step->decouples)
        mm_add_scaled_(param, param, -decay * step->dlr);
    mm_addcdiv_(param, mm_optimizer_find_state(optimizer, index, "exp_avg"),
                denominator, -1.0);
}

static struct step begin_step(const mm_optimizer *optimizer, double lr)
{
    const mm_value *options = mm_param_groups_options(optimizer->groups, 0);
    double next = mmi_dadapt_first(optimizer, "k") + 1.0;
    struct step step = {
        .dlr = mmi_dadapt_first(optimizer, "d") * lr,
        .beta1 = mm_option_get_f64_at(options, "betas", 0),
        .beta2 = mm_option_get_f64_at(options, "betas", 1),
        .decouples = mm_option_find_bool(options, "decouple", false),
    };

    step.root_beta2 = pow(step.beta2, 0.5);
    if (mm_option_find_bool(options, "use_bias_correction", false))
        step.dlr *=
            pow(1.0 - pow(step.beta2, next), 0.5) / (1.0 - pow(step.beta1, next));
    return step;
}

static mm_status adam_step(void *data, mm_optimizer *optimizer)
{
    double lr = mmi_dadapt_lr(optimizer->groups);
    double d = mmi_dadapt_first(optimizer, "d");
    struct step step = begin_step(optimizer, lr);
    (void)data;

    if (mm_has_error() || mmi_dadapt_each(optimizer, &step, add_up) < 0)
        return mm_pending();
    if (step.size == 0.0) /* no gradient so far was other than zero */
        return MM_OK;
    double numerator =
        step.root_beta2 * mmi_dadapt_first(optimizer, "numerator_weighted") +
        (1.0 - step.root_beta2) * step.numerator;
    double estimate = numerator / ((1.0 - step.root_beta2) * step.size);

    d = mmi_dadapt_grown(d, estimate, mmi_dadapt_first(optimizer, "growth_rate"));
    if (mmi_dadapt_logs(optimizer))
        mm_log(MM_LOG_INFO,
               "lr: %g dlr: %g d_hat: %g, d: %g. sk_l1=%.1e numerator_weighted=%.1e",
               lr, step.dlr, estimate, d, step.size, numerator);
    mmi_dadapt_put(optimizer, "numerator_weighted", numerator);
    mmi_dadapt_put(optimizer, "d", d);
    (void)mmi_dadapt_each(optimizer, &step, update);
    mmi_dadapt_count(optimizer);
    return mm_pending();
}

static const char *const state_options[] = {
    "d",
    "k",
    "numerator_weighted",
    NULL,
};

static const mm_optimizer_ops ops = {
    .defaults = adam_defaults,
    .check = adam_check,
    .step = adam_step,
    .check_groups = check_groups,
    .state_options = state_options,
};

#define MM_OPT_STRUCT struct adam
static const mm_option options[] = {
    {"lr", "factor of the learned step size", MM_OPT_F64(lr, 1.0, 0.0, DBL_MAX)},
    {"betas", "decay rates of the averages of gradient and square",
     MM_OPT_F64S(betas, "(0.9, 0.999)")},
    {"eps", "added to the denominator", MM_OPT_F64(eps, 1e-8, 0.0, DBL_MAX)},
    {"weight_decay", "weight decay", MM_OPT_F64(weight_decay, 0.0, -DBL_MAX, DBL_MAX)},
    {"log_every", "log what was learned every so many steps; 0: never",
     MM_OPT_I64(log_every, 0, 0, INT64_MAX)},
    {"decouple", "decay the weight itself, as AdamW", MM_OPT_BOOL(decouple, false)},
    {"use_bias_correction", "correct the averages for their start",
     MM_OPT_BOOL(use_bias_correction, false)},
    {"d0", "step size to begin with", MM_OPT_F64(d0, 1e-6, 0.0, DBL_MAX)},
    {"growth_rate", "largest growth of the step size in one step",
     MM_OPT_F64(growth_rate, HUGE_VAL, 0.0, HUGE_VAL)},
    {"fsdp_in_use", "not supported: must be False", MM_OPT_BOOL(fsdp_in_use, false)},
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmi_dadapt_adam = {
    .registry = "optimizers",
    .name = "DAdaptAdam",
    .help = "Adam that learns its step size",
    .source = "dadaptation/dadapt_adam.py",
    .size = sizeof(struct adam),
    .options = options,
    .init = adam_init,
    MM_OPTIMIZER(&ops),
};
