/* Adan: Adam with Nesterov momentum from the difference of two gradients. Steps are
 * counted per group, in its option `step`, and all gradients may be clipped together,
 * as in the original, whose two forms (option `foreach`) differ in rounding; both are
 * here. One difference: with no_prox the original's foreach form forgets the update, so
 * that nothing is trained; here it is made. Source:
 * mmpretrain/engine/optimizers/adan_t.py. */
#include <float.h>
#include <math.h>

#include "mmengine/ops.h"
#include "mmengine/optim.h"

struct adan {
    double lr;
    mm_f64s betas;
    double eps;
    double weight_decay;
    double max_grad_norm;
    bool no_prox;
    bool foreach;
};

/* What the tensors of a group share in one step. */
struct terms {
    double lr, beta1, beta2, beta3, bias1, bias2, bias3_sqrt, eps, weight_decay;
    bool no_prox, foreach, is_first;
    mm_tensor *clip; /* [1], or NULL: no clipping */
};

static mm_value *adan_defaults(void *self)
{
    return mm_optimizer_defaults(self, NULL);
}

static mm_status adan_init(void *data)
{
    const struct adan *self = data;

    if (self->betas.count != 3)
        return mm_raise(MM_ECONFIG, "betas has %zu entries: three are needed",
                        self->betas.count);
    return MM_OK;
}

static mm_status adan_check(void *self, const mm_value *options)
{
    (void)self;
    (void)mm_option_check_f64(options, "lr", 0.0, DBL_MAX, false);
    (void)mm_option_check_f64(options, "eps", 0.0, DBL_MAX, false);
    (void)mm_option_check_f64(options, "weight_decay", 0.0, DBL_MAX, false);
    for (size_t i = 0; i < 3 && !mm_has_error(); i++) {
        double beta = mm_option_get_f64_at(options, "betas", i);

        if (!mm_has_error() && !(beta >= 0.0 && beta < 1.0))
            return mm_raise(MM_ECONFIG, "betas[%zu] is %g: must be in [0, 1)", i, beta);
    }
    return mm_pending();
}

/* What all gradients are multiplied by: at most 1. */
static mm_tensor *clip_factor(const struct adan *self, mm_optimizer *optimizer)
{
    const mm_param_groups *groups = mm_optimizer_groups(optimizer);
    size_t last = mm_param_groups_count(groups) - 1;
    mm_tensor_info info = {0};

    (void)mm_tensor_info_get(mm_param_groups_param(groups, 0), &info);
    mm_tensor *sum = mm_zeros(MM_DIMS(1), .device = info.device);
    mm_tensor *limit = mm_full(MM_DIMS_EMPTY, MM_N(self->max_grad_norm),
                               .dtype = MM_DTYPE_F32, .device = info.device);

    for (size_t i = 0; i < mm_param_groups_num_params(groups) && !mm_has_error(); i++) {
        if (mm_grad_find(mm_param_groups_param(groups, i)) == NULL)
            continue;
        mm_scope scope = mm_scope_open();

        mm_add_(sum, mm_sum(mm_pow_scalar(mm_optimizer_grad(optimizer, i), 2)));
        mm_scope_close(scope);
    }
    double eps = mm_option_find_f64(mm_param_groups_options(groups, last), "eps", 1e-8);
    mm_tensor *norm = mm_add_scalar(mm_sqrt(sum), eps);

    return mm_clamp(mm_div(limit, norm), .max = MM_N(1.0));
}

/* Counts the group's step and derives its coefficients. */
static struct terms begin_group(mm_param_groups *groups, size_t group)
{
    const mm_value *options = mm_param_groups_options(groups, group);
    double step = mm_option_find_f64(options, "step", 0.0) + 1.0;
    struct terms terms = {
        .lr = mm_option_find_f64(options, "lr", 0.0),
        .beta1 = mm_option_get_f64_at(options, "betas", 0),
        .beta2 = mm_option_get_f64_at(options, "betas", 1),
        .beta3 = mm_option_get_f64_at(options, "betas", 2),
        .eps = mm_option_find_f64(options, "eps", 1e-8),
        .weight_decay = mm_option_find_f64(options, "weight_decay", 0.0),
        .no_prox = mm_option_find_bool(options, "no_prox", false),
        .foreach = mm_option_find_bool(options, "foreach", true),
        .is_first = step == 1.0,
    };
    mm_value *count = mm_value_new_i64((int64_t)step);

    terms.bias1 = 1.0 - pow(terms.beta1, step);
    terms.bias2 = 1.0 - pow(terms.beta2, step);
    terms.bias3_sqrt = sqrt(1.0 - pow(terms.beta3, step));
    (void)mm_param_groups_put(groups, group, "step", count);
    mm_value_unref(count);
    return terms;
}

static mm_tensor *clipped(const struct terms *terms, mm_tensor *grad)
{
    if (!terms->foreach)
        return terms->clip != NULL ? mm_mul_(grad, terms->clip) : grad;
    double factor = terms->clip != NULL ? mm_item(terms->clip) : 1.0;

    return factor < 1.0 ? mm_mul_scalar(grad, factor) : grad;
}

/* The direction: averages, corrected for their start, over the root of the squares. */
static mm_tensor *direction(const struct terms *terms, mm_tensor *avg,
                            mm_tensor *avg_diff, mm_tensor *avg_sq)
{
    mm_tensor *denominator = mm_div_scalar(mm_sqrt(avg_sq), terms->bias3_sqrt);
    mm_tensor *update = mm_div_scalar(avg, terms->bias1);

    mm_add_scalar_(denominator, terms->eps);
    if (terms->foreach)
        mm_add_(update, mm_mul_scalar(avg_diff, terms->beta2 / terms->bias2));
    else
        mm_add_(update,
                mm_div_scalar(mm_mul_scalar(avg_diff, terms->beta2), terms->bias2));
    return mm_div_(update, denominator);
}

static void step_one(const struct terms *terms, mm_optimizer *optimizer, size_t index)
{
    mm_tensor *param = mm_param_groups_param(mm_optimizer_groups(optimizer), index);
    mm_tensor *grad = clipped(terms, mm_optimizer_grad(optimizer, index));
    mm_tensor *avg = mm_optimizer_zeros_state(optimizer, index, "exp_avg");
    mm_tensor *avg_sq = mm_optimizer_zeros_state(optimizer, index, "exp_avg_sq");
    mm_tensor *avg_diff = mm_optimizer_zeros_state(optimizer, index, "exp_avg_diff");
    mm_tensor *before = mm_optimizer_find_state(optimizer, index, "pre_grad");
    bool is_new = before == NULL || terms->is_first;
    mm_tensor *diff = mm_sub(grad, is_new ? grad : before);
    mm_tensor *update = terms->foreach
                            ? mm_add_scaled(grad, diff, terms->beta2)
                            : mm_add(grad, mm_mul_scalar(diff, terms->beta2));

    mm_mul_scalar_(avg, terms->beta1);
    mm_add_scaled_(avg, grad, 1.0 - terms->beta1);
    mm_mul_scalar_(avg_diff, terms->beta2);
    mm_add_scaled_(avg_diff, diff, 1.0 - terms->beta2);
    mm_mul_scalar_(avg_sq, terms->beta3);
    mm_addcmul_(avg_sq, update, update, 1.0 - terms->beta3);
    if (before != NULL)
        mm_copy_(before, grad);
    else
        mm_optimizer_put_state(optimizer, index, "pre_grad", mm_clone(grad));
    update = direction(terms, avg, avg_diff, avg_sq);
    if (terms->no_prox)
        mm_mul_scalar_(param, 1.0 - terms->lr * terms->weight_decay);
    mm_add_scaled_(param, update, -terms->lr);
    if (!terms->no_prox)
        mm_div_scalar_(param, 1.0 + terms->lr * terms->weight_decay);
}

static mm_status adan_step(void *data, mm_optimizer *optimizer)
{
    const struct adan *self = data;
    mm_param_groups *groups = mm_optimizer_groups(optimizer);
    size_t num_params = mm_param_groups_num_params(groups);
    mm_scope scope = mm_scope_open();
    mm_tensor *clip = self->max_grad_norm > 0.0 ? clip_factor(self, optimizer) : NULL;

    for (size_t group = 0; group < mm_param_groups_count(groups) && !mm_has_error();
         group++) {
        struct terms terms = begin_group(groups, group);

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
    .defaults = adan_defaults,
    .check = adan_check,
    .step = adan_step,
    .state_options = state_options,
};

#define MM_OPT_STRUCT struct adan
static const mm_option options[] = {
    {"lr", "learning rate", MM_OPT_F64(lr, 1e-3, 0.0, DBL_MAX)},
    {"betas", "decay rates of the averages of gradient, difference and square",
     MM_OPT_F64S(betas, "(0.98, 0.92, 0.99)")},
    {"eps", "added to the denominator", MM_OPT_F64(eps, 1e-8, 0.0, DBL_MAX)},
    {"weight_decay", "weight decay of its own",
     MM_OPT_F64(weight_decay, 0.0, 0.0, DBL_MAX)},
    {"max_grad_norm", "norm above which all gradients are scaled down; 0: never",
     MM_OPT_F64(max_grad_norm, 0.0, 0.0, HUGE_VAL)},
    {"no_prox", "decay before the update, as AdamW, not after it",
     MM_OPT_BOOL(no_prox, false)},
    {"foreach", "round as the form over lists of tensors does",
     MM_OPT_BOOL(foreach, true)},
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmz_adan = {
    .registry = "optimizers",
    .scope = "mmpretrain",
    .name = "Adan",
    .help = "Adam with Nesterov momentum from differences of gradients",
    .source = "mmpretrain/engine/optimizers/adan_t.py",
    .size = sizeof(struct adan),
    .options = options,
    .init = adan_init,
    MM_OPTIMIZER(&ops),
};
