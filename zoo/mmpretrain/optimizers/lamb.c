/* LAMB: Adam whose update is scaled for each tensor by the ratio of the norms of
 * weights and update, after the gradients of all tensors were clipped together.
 * Operators in the order of the original, in both numerics. Steps are counted per
 * group, in its option `step`, as there. Source: mmpretrain/engine/optimizers/lamb.py.
 */
#include <float.h>
#include <math.h>

#include "mmengine/ops.h"
#include "mmengine/optim.h"

struct lamb {
    double lr;
    bool bias_correction;
    mm_f64s betas;
    double eps;
    double weight_decay;
    bool grad_averaging;
    double max_grad_norm;
    bool trust_clip;
    bool always_adapt;
};

/* What the tensors of a group share in one step. */
struct terms {
    double lr, beta1, beta2, grad_weight, bias1, bias2, eps, weight_decay;
    bool adapts, trust_clip;
    mm_tensor *one, *clip; /* [] and [1] */
};

static mm_value *lamb_defaults(void *self)
{
    return mm_optimizer_defaults(self, NULL);
}

static mm_status lamb_init(void *data)
{
    const struct lamb *self = data;

    if (self->betas.count != 2)
        return mm_raise(MM_ECONFIG, "betas has %zu entries: two are needed",
                        self->betas.count);
    return MM_OK;
}

static mm_status lamb_check(void *self, const mm_value *options)
{
    (void)self;
    (void)mm_option_check_f64(options, "lr", 0.0, DBL_MAX, false);
    (void)mm_option_check_f64(options, "eps", 0.0, DBL_MAX, false);
    (void)mm_option_check_f64(options, "weight_decay", 0.0, DBL_MAX, false);
    for (size_t i = 0; i < 2 && !mm_has_error(); i++) {
        double beta = mm_option_get_f64_at(options, "betas", i);

        if (!mm_has_error() && !(beta >= 0.0 && beta < 1.0))
            return mm_raise(MM_ECONFIG, "betas[%zu] is %g: must be in [0, 1)", i, beta);
    }
    return mm_pending();
}

static mm_tensor *norm_of(mm_tensor *x)
{
    return mm_op("aten::linalg_vector_norm", MM_T(x), MM_I(2));
}

/* What all gradients are divided by. */
static mm_tensor *clip_divisor(const struct lamb *self, mm_optimizer *optimizer,
                               mm_tensor *one, const char *device)
{
    const mm_param_groups *groups = mm_optimizer_groups(optimizer);
    size_t count = mm_param_groups_num_params(groups);
    mm_tensor *sum = mm_zeros(MM_DIMS(1), .device = device);

    for (size_t i = 0; i < count && !mm_has_error(); i++) {
        if (mm_grad_find(mm_param_groups_param(groups, i)) == NULL)
            continue;
        mm_scope scope = mm_scope_open();
        mm_tensor *grad = mm_optimizer_grad(optimizer, i);

        mm_add_(sum, mm_sum(mm_pow_scalar(grad, 2)));
        mm_scope_close(scope);
    }
    mm_tensor *norm = mm_sqrt(sum);
    mm_tensor *limit = mm_mul_scalar(one, self->max_grad_norm);

    return mm_where(mm_gt(norm, limit), mm_div(norm, limit), one);
}

/* Counts the group's step and derives its coefficients. */
static struct terms begin_group(mm_param_groups *groups, size_t group)
{
    const mm_value *options = mm_param_groups_options(groups, group);
    bool corrects = mm_option_find_bool(options, "bias_correction", true);
    double decay = mm_option_find_f64(options, "weight_decay", 0.0);
    double step = mm_option_find_f64(options, "step", 0.0) + 1.0;
    struct terms terms = {
        .lr = mm_option_find_f64(options, "lr", 0.0),
        .beta1 = mm_option_get_f64_at(options, "betas", 0),
        .beta2 = mm_option_get_f64_at(options, "betas", 1),
        .bias1 = 1.0,
        .bias2 = 1.0,
        .eps = mm_option_find_f64(options, "eps", 1e-6),
        .weight_decay = decay,
        .adapts = decay != 0.0 || mm_option_find_bool(options, "always_adapt", false),
        .trust_clip = mm_option_find_bool(options, "trust_clip", false),
    };

    terms.grad_weight =
        mm_option_find_bool(options, "grad_averaging", true) ? 1.0 - terms.beta1 : 1.0;
    if (corrects) {
        terms.bias1 = 1.0 - pow(terms.beta1, step);
        terms.bias2 = 1.0 - pow(terms.beta2, step);
    }
    mm_value *count = mm_value_new_i64((int64_t)step);

    (void)mm_param_groups_put(groups, group, "step", count);
    mm_value_unref(count);
    return terms;
}

static mm_tensor *trust_ratio(const struct terms *terms, mm_tensor *param,
                              mm_tensor *update)
{
    mm_tensor *weight_norm = norm_of(param);
    mm_tensor *update_norm = norm_of(update);
    mm_tensor *ratio = mm_where(mm_gt_scalar(update_norm, 0),
                                mm_div(weight_norm, update_norm), terms->one);

    ratio = mm_where(mm_gt_scalar(weight_norm, 0), ratio, terms->one);
    return terms->trust_clip ? mm_minimum(ratio, terms->one) : ratio;
}

static void step_one(const struct terms *terms, mm_optimizer *optimizer, size_t index)
{
    mm_tensor *param = mm_param_groups_param(mm_optimizer_groups(optimizer), index);
    mm_tensor *grad = mm_div_(mm_optimizer_grad(optimizer, index), terms->clip);
    mm_tensor *avg = mm_optimizer_zeros_state(optimizer, index, "exp_avg");
    mm_tensor *avg_sq = mm_optimizer_zeros_state(optimizer, index, "exp_avg_sq");

    mm_mul_scalar_(avg, terms->beta1);
    mm_add_scaled_(avg, grad, terms->grad_weight);
    mm_mul_scalar_(avg_sq, terms->beta2);
    mm_addcmul_(avg_sq, grad, grad, 1.0 - terms->beta2);
    mm_tensor *denominator = mm_div_scalar(mm_sqrt(avg_sq), sqrt(terms->bias2));

    mm_add_scalar_(denominator, terms->eps);
    mm_tensor *update = mm_div_(mm_div_scalar(avg, terms->bias1), denominator);

    if (terms->weight_decay != 0.0)
        mm_add_scaled_(update, param, terms->weight_decay);
    if (terms->adapts)
        mm_mul_(update, trust_ratio(terms, param, update));
    mm_add_scaled_(param, update, -terms->lr);
}

static mm_status lamb_step(void *data, mm_optimizer *optimizer)
{
    const struct lamb *self = data;
    mm_param_groups *groups = mm_optimizer_groups(optimizer);
    size_t num_params = mm_param_groups_num_params(groups);
    mm_scope scope = mm_scope_open();
    mm_tensor_info info = {0};

    (void)mm_tensor_info_get(mm_param_groups_param(groups, 0), &info);
    mm_tensor *one = mm_ones(MM_DIMS_EMPTY, .device = info.device);
    mm_tensor *clip = clip_divisor(self, optimizer, one, info.device);

    for (size_t group = 0; group < mm_param_groups_count(groups) && !mm_has_error();
         group++) {
        struct terms terms = begin_group(groups, group);

        terms.one = one;
        terms.clip = clip;
        for (size_t i = 0; i < num_params && !mm_has_error(); i++) {
            if (mm_param_groups_group_of(groups, i) != group ||
                mm_grad_find(mm_param_groups_param(groups, i)) == NULL)
                continue;
            mm_scope inner = mm_scope_open();

            step_one(&terms, optimizer, i);
            mm_scope_close(inner);
        }
    }
    mm_scope_close(scope);
    return mm_pending();
}

static const char *const state_options[] = {"step", NULL};

static const mm_optimizer_ops ops = {
    .defaults = lamb_defaults,
    .check = lamb_check,
    .step = lamb_step,
    .state_options = state_options,
};

#define MM_OPT_STRUCT struct lamb
static const mm_option options[] = {
    {"lr", "learning rate", MM_OPT_F64(lr, 1e-3, 0.0, DBL_MAX)},
    {"bias_correction", "divide the averages by what they lack at the start",
     MM_OPT_BOOL(bias_correction, true)},
    {"betas", "decay rates of the averages of gradient and square",
     MM_OPT_F64S(betas, "(0.9, 0.999)")},
    {"eps", "added to the denominator", MM_OPT_F64(eps, 1e-6, 0.0, DBL_MAX)},
    {"weight_decay", "multiple of the weight added to its update",
     MM_OPT_F64(weight_decay, 0.01, 0.0, DBL_MAX)},
    {"grad_averaging", "weigh a new gradient with 1 - betas[0]",
     MM_OPT_BOOL(grad_averaging, true)},
    {"max_grad_norm", "norm of all gradients above which they are scaled down",
     MM_OPT_F64(max_grad_norm, 1.0, 0.0, HUGE_VAL)},
    {"trust_clip", "never scale an update up", MM_OPT_BOOL(trust_clip, false)},
    {"always_adapt", "scale updates of tensors without weight decay too",
     MM_OPT_BOOL(always_adapt, false)},
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmz_lamb = {
    .registry = "optimizers",
    .scope = "mmpretrain",
    .name = "Lamb",
    .help = "Adam with an update scaled to each tensor",
    .source = "mmpretrain/engine/optimizers/lamb.py",
    .size = sizeof(struct lamb),
    .options = options,
    .init = lamb_init,
    MM_OPTIMIZER(&ops),
};
