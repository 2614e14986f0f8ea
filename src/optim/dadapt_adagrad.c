/* AdaGrad with D-Adaptation: dual averaging from the first weights, whose step size is
 * learned. Two passes over the parameters: the sums that `d` is learned from, then the
 * weights. Operators in the order of the original, in both numerics. Source:
 * dadaptation/dadapt_adagrad.py (3.2); sparse gradients are refused. */
#include <float.h>
#include <math.h>

#include "mmengine/log.h"
#include "mmengine/ops.h"
#include "optim/builtin.h"
#include "optim/dadapt.h"

struct adagrad {
    double lr;
    double momentum;
    int64_t log_every;
    double weight_decay;
    double eps;
    double d0;
    double growth_rate;
};

/* The sums of one step. */
struct sums {
    double dlr, grad_sq, weighted_sq, size;
};

static mm_value *adagrad_defaults(void *data)
{
    const struct adagrad *self = data;
    mm_value *options = mm_optimizer_defaults(data, (const char *const[]){"d0", NULL});

    if (options == NULL)
        return NULL;
    mm_dict_put_f64(options, "gsq_weighted", 0.0);
    mm_dict_put_f64(options, "d", self->d0);
    mm_dict_put_i64(options, "k", 0);
    mm_dict_put_f64(options, "sksq_weighted", 0.0);
    mm_dict_put_f64(options, "skl1", 0.0);
    return options;
}

static mm_status adagrad_init(void *data)
{
    const struct adagrad *self = data;

    (void)mmi_dadapt_check_positive("d0", self->d0);
    (void)mmi_dadapt_check_positive("lr", self->lr);
    return mmi_dadapt_check_positive("eps", self->eps);
}

static double weighted_sum(mm_tensor *square, mm_tensor *weights, double eps)
{
    return mmi_dadapt_sum(mm_div(square, mm_add_scalar(mm_sqrt(weights), eps)));
}

static mm_tensor *weights_of(mm_optimizer *optimizer, size_t index)
{
    mm_tensor *weights = mm_optimizer_find_state(optimizer, index, "alphak");

    return weights != NULL
               ? weights
               : mm_optimizer_put_state(
                     optimizer, index, "alphak",
                     mm_full_like(mm_detach(optimizer->params[index]), 1e-6));
}

static void add_up(void *user, mm_optimizer *optimizer, size_t index)
{
    struct sums *sums = user;
    const mm_value *options = mmi_dadapt_options(optimizer, index);
    double eps = mm_option_find_f64(options, "eps", 1e-6);
    mm_tensor *grad = mmi_dadapt_grad(optimizer, index,
                                      mm_option_find_f64(options, "weight_decay", 0.0));
    mm_tensor *weights = weights_of(optimizer, index);
    mm_tensor *sum = mm_optimizer_zeros_state(optimizer, index, "sk");

    (void)mmi_dadapt_copy_state(optimizer, index, "x0");
    double before = weighted_sum(mm_mul(sum, sum), weights, eps);
    double size = mmi_dadapt_sum(mm_abs(sum));

    mm_add_(weights, mm_mul(grad, grad));
    sums->grad_sq += weighted_sum(mm_mul(grad, grad), weights, eps);
    mm_add_scaled_(sum, grad, sums->dlr);
    sums->weighted_sq += weighted_sum(mm_mul(sum, sum), weights, eps) - before;
    sums->size += mmi_dadapt_sum(mm_abs(sum)) - size;
}

static void update(void *user, mm_optimizer *optimizer, size_t index)
{
    const double *momentum = user;
    mm_tensor *param = optimizer->params[index];
    const mm_value *options = mmi_dadapt_options(optimizer, index);
    mm_tensor *root = mm_sqrt(mm_optimizer_find_state(optimizer, index, "alphak"));

    root = mm_add_scalar(root, mm_option_find_f64(options, "eps", 1e-6));
    mm_tensor *to =
        mm_sub(mm_optimizer_find_state(optimizer, index, "x0"),
               mm_div(mm_optimizer_find_state(optimizer, index, "sk"), root));
    double pull = 1.0 - *momentum;

    if (*momentum == 0.0) {
        mm_copy_(param, to);
    } else {
        mm_mul_scalar_(param, 1.0 - pull);
        mm_add_scaled_(param, to, pull);
    }
}

static mm_status adagrad_step(void *data, mm_optimizer *optimizer)
{
    double lr = mmi_dadapt_first(optimizer, "lr");
    double momentum = mmi_dadapt_first(optimizer, "momentum");
    double d = mmi_dadapt_first(optimizer, "d");
    double growth_rate = mmi_dadapt_first(optimizer, "growth_rate");
    struct sums sums = {.dlr = d * lr};
    (void)data;

    if (mmi_dadapt_each(optimizer, &sums, add_up) < 0)
        return mm_pending();
    double weighted_sq =
        mmi_dadapt_first(optimizer, "sksq_weighted") + sums.weighted_sq;
    double size = mmi_dadapt_first(optimizer, "skl1") + sums.size;

    if (size == 0.0) /* no gradient so far was other than zero */
        return MM_OK;
    double grad_sq = mmi_dadapt_first(optimizer, "gsq_weighted") +
                     sums.dlr * sums.dlr * sums.grad_sq;
    double estimate = (weighted_sq - grad_sq) / size;

    if (lr > 0.0)
        d = mmi_dadapt_grown(d, estimate, growth_rate);
    if (mmi_dadapt_logs(optimizer))
        mm_log(MM_LOG_INFO,
               "d_hat: %g, d: %g. sksq_weighted=%.1e skl1=%.1e gsq_weighted=%.1e lr=%g",
               lr > 0.0 ? estimate : d, d, weighted_sq, size, grad_sq, lr);
    mmi_dadapt_put(optimizer, "gsq_weighted", grad_sq);
    mmi_dadapt_put(optimizer, "skl1", size);
    mmi_dadapt_put(optimizer, "sksq_weighted", weighted_sq);
    mmi_dadapt_put(optimizer, "d", d);
    (void)mmi_dadapt_each(optimizer, &momentum, update);
    mmi_dadapt_count(optimizer);
    return mm_pending();
}

static const char *const state_options[] = {
    "gsq_weighted", "d", "k", "sksq_weighted", "skl1", NULL,
};

static const mm_optimizer_ops ops = {
    .defaults = adagrad_defaults,
    .step = adagrad_step,
    .state_options = state_options,
};

#define MM_OPT_STRUCT struct adagrad
static const mm_option options[] = {
    {"lr", "factor of the learned step size", MM_OPT_F64(lr, 1.0, 0.0, DBL_MAX)},
    {"momentum", "share of the weights that a step keeps",
     MM_OPT_F64(momentum, 0.0, 0.0, DBL_MAX)},
    {"log_every", "log what was learned every so many steps; 0: never",
     MM_OPT_I64(log_every, 0, 0, INT64_MAX)},
    {"weight_decay", "multiple of the weight added to its gradient",
     MM_OPT_F64(weight_decay, 0.0, -DBL_MAX, DBL_MAX)},
    {"eps", "added to the denominator", MM_OPT_F64(eps, 1e-6, 0.0, DBL_MAX)},
    {"d0", "step size to begin with", MM_OPT_F64(d0, 1e-6, 0.0, DBL_MAX)},
    {"growth_rate", "largest growth of the step size in one step",
     MM_OPT_F64(growth_rate, HUGE_VAL, 0.0, HUGE_VAL)},
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmi_dadapt_adagrad = {
    .registry = "optimizers",
    .name = "DAdaptAdaGrad",
    .help = "AdaGrad that learns its step size",
    .source = "dadaptation/dadapt_adagrad.py",
    .size = sizeof(struct adagrad),
    .options = options,
    .init = adagrad_init,
    MM_OPTIMIZER(&ops),
};
