/* SGD with D-Adaptation: dual averaging from the first weights, normed by the first
 * gradient. Two passes over the parameters: the sums that `d` is learned from, then the
 * weights. Operators in the order of the original, in both numerics; its quirk that
 * weight_decay of the first group decays all groups is kept. A first gradient of zero,
 * which divides by zero there, makes no step here. Source: dadaptation/dadapt_sgd.py
 * (3.2). */
#include <float.h>
#include <math.h>

#include "mmengine/log.h"
#include "mmengine/ops.h"
#include "optim/builtin.h"
#include "optim/dadapt.h"

struct sgd {
    double lr;
    double momentum;
    double weight_decay;
    int64_t log_every;
    double d0;
    double growth_rate;
    bool fsdp_in_use;
};

/* One step: what all parameters share, and sums. */
struct step {
    double dlr, decay, pull;
    double numerator, size_sq, grad_sq; /* sums */
};

static mm_value *sgd_defaults(void *data)
{
    const struct sgd *self = data;
    mm_value *options = mm_optimizer_defaults(data, (const char *const[]){"d0", NULL});

    if (options == NULL)
        return NULL;
    mm_dict_put_i64(options, "k", 0);
    mm_dict_put_f64(options, "numerator_weighted", 0.0);
    mm_dict_put_f64(options, "d", self->d0);
    return options;
}

static mm_status sgd_init(void *data)
{
    const struct sgd *self = data;

    if (self->fsdp_in_use)
        return mm_raise(MM_EUNSUPPORTED, "fsdp_in_use=True is not supported");
    (void)mmi_dadapt_check_positive("d0", self->d0);
    return mmi_dadapt_check_positive("lr", self->lr);
}

static mm_status check_groups(void *self, const mm_param_groups *groups)
{
    (void)self;
    (void)mmi_dadapt_lr(groups);
    return mm_pending();
}

static bool is_frozen(const mm_optimizer *optimizer, size_t index)
{
    return mm_option_find_f64(mmi_dadapt_options(optimizer, index), "lr", 0.0) <= 0.0;
}

static void add_square(void *user, mm_optimizer *optimizer, size_t index)
{
    struct step *step = user;
    mm_tensor *grad = mm_optimizer_grad(optimizer, index);

    if (!is_frozen(optimizer, index))
        step->grad_sq += mmi_dadapt_sum(mm_mul(grad, grad));
}

static void add_up(void *user, mm_optimizer *optimizer, size_t index)
{
    struct step *step = user;
    mm_tensor *grad = mmi_dadapt_grad(optimizer, index, step->decay);

    (void)mmi_dadapt_copy_state(optimizer, index, "z");
    mm_tensor *sum = mm_optimizer_zeros_state(optimizer, index, "s");

    (void)mmi_dadapt_copy_state(optimizer, index, "x0");
    if (is_frozen(optimizer, index))
        return;
    step->numerator += step->dlr * mmi_dadapt_dot(grad, sum);
    mm_add_scaled_(sum, grad, step->dlr);
    step->size_sq += mmi_dadapt_sum(mm_mul(sum, sum));
}

static void update(void *user, mm_optimizer *optimizer, size_t index)
{
    const struct step *step = user;
    mm_tensor *param = optimizer->params[index];
    mm_tensor *to = mm_optimizer_find_state(optimizer, index, "z");

    mm_copy_(to, mm_sub(mm_optimizer_find_state(optimizer, index, "x0"),
                        mm_optimizer_find_state(optimizer, index, "s")));
    mm_mul_scalar_(param, 1.0 - step->pull);
    mm_add_scaled_(param, to, step->pull);
}

/* The norm of all gradients in the first step. */
static double first_norm(mm_optimizer *optimizer, struct step *step)
{
    if (mmi_dadapt_first(optimizer, "k") != 0.0)
        return mmi_dadapt_first(optimizer, "g0_norm");
    (void)mmi_dadapt_each(optimizer, step, add_square);
    return sqrt(step->grad_sq);
}

static mm_status sgd_step(void *data, mm_optimizer *optimizer)
{
    double lr = mmi_dadapt_lr(optimizer->groups);
    double d = mmi_dadapt_first(optimizer, "d");
    struct step step = {
        .decay = mmi_dadapt_first(optimizer, "weight_decay"),
        .pull = 1.0 - mmi_dadapt_first(optimizer, "momentum"),
        .numerator = mmi_dadapt_first(optimizer, "numerator_weighted"),
    };
    double norm = first_norm(optimizer, &step);
    (void)data;

    if (mm_has_error() || norm == 0.0)
        return mm_pending();
    step.dlr = d * lr / norm;
    if (mmi_dadapt_each(optimizer, &step, add_up) < 0 || step.size_sq == 0.0)
        return mm_pending();
    double estimate = 2.0 * step.numerator / sqrt(step.size_sq);

    d = mmi_dadapt_grown(d, estimate, mmi_dadapt_first(optimizer, "growth_rate"));
    if (mmi_dadapt_logs(optimizer))
        mm_log(MM_LOG_INFO,
               "(k=%g) dlr: %g d_hat: %g, d: %g. sk_norm=%g numerator_weighted=%g "
               "g0_norm=%g",
               mmi_dadapt_first(optimizer, "k"), step.dlr, estimate, d,
               sqrt(step.size_sq), step.numerator, norm);
    mmi_dadapt_put(optimizer, "numerator_weighted", step.numerator);
    mmi_dadapt_put(optimizer, "d", d);
    mmi_dadapt_put(optimizer, "g0_norm", norm);
    (void)mmi_dadapt_each(optimizer, &step, update);
    mmi_dadapt_count(optimizer);
    return mm_pending();
}

static const char *const state_options[] = {
    "d", "k", "numerator_weighted", "g0_norm", NULL,
};

static const mm_optimizer_ops ops = {
    .defaults = sgd_defaults,
    .step = sgd_step,
    .check_groups = check_groups,
    .state_options = state_options,
};

#define MM_OPT_STRUCT struct sgd
static const mm_option options[] = {
    {"lr", "factor of the learned step size", MM_OPT_F64(lr, 1.0, 0.0, DBL_MAX)},
    {"momentum", "share of the weights that a step keeps",
     MM_OPT_F64(momentum, 0.0, 0.0, 1.0)},
    {"weight_decay", "multiple of the weight added to its gradient",
     MM_OPT_F64(weight_decay, 0.0, -DBL_MAX, DBL_MAX)},
    {"log_every", "log what was learned every so many steps; 0: never",
     MM_OPT_I64(log_every, 0, 0, INT64_MAX)},
    {"d0", "step size to begin with", MM_OPT_F64(d0, 1e-6, 0.0, DBL_MAX)},
    {"growth_rate", "largest growth of the step size in one step",
     MM_OPT_F64(growth_rate, HUGE_VAL, 0.0, HUGE_VAL)},
    {"fsdp_in_use", "not supported: must be False", MM_OPT_BOOL(fsdp_in_use, false)},
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmi_dadapt_sgd = {
    .registry = "optimizers",
    .name = "DAdaptSGD",
    .help = "SGD that learns its step size",
    .source = "dadaptation/dadapt_sgd.py",
    .size = sizeof(struct sgd),
    .options = options,
    .init = sgd_init,
    MM_OPTIMIZER(&ops),
};
