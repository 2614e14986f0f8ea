/* Adam for gradients of sparse embeddings: only the rows that a gradient names are
 * looked at, averages and weights alike. The operators are torch.optim.SparseAdam's, in
 * its order. */
#include <float.h>
#include <math.h>

#include "mmengine/ops.h"
#include "optim/builtin.h"
#include "optim/optimizer.h"
#include "optim/torch_options.h"

struct sparse_adam {
    double lr;
    mm_f64s betas;
    double eps;
    bool maximize;
};

/* A group's options as numbers. */
struct setting {
    double lr;
    double betas[2];
    double eps;
    bool maximize;
};

static mm_value *sparse_adam_defaults(void *self)
{
    return mm_optimizer_defaults(self, NULL);
}

static mm_status check_positive(const mm_value *options, const char *key)
{
    double value = mm_option_find_f64(options, key, 1.0);

    if (!mm_has_error() && !(value > 0.0))
        return mm_raise(MM_ECONFIG, "%s is %g: must be greater than 0", key, value);
    return mm_pending();
}

static mm_status sparse_adam_check(void *self, const mm_value *options)
{
    (void)self;
    if (check_positive(options, "lr") < 0 || check_positive(options, "eps") < 0)
        return mm_pending();
    for (size_t i = 0; i < 2 && !mm_has_error(); i++) {
        double beta = mm_option_get_f64_at(options, "betas", i);

        if (!mm_has_error() && !(beta >= 0.0 && beta < 1.0))
            return mm_raise(MM_ECONFIG, "betas[%zu] is %g: must be in [0, 1)", i, beta);
    }
    return mm_pending();
}

static mm_status sparse_adam_init(void *self)
{
    const struct sparse_adam *adam = self;

    return adam->betas.count == 2
               ? MM_OK
               : mm_raise(MM_ECONFIG, "betas has %zu entries: two are needed",
                          adam->betas.count);
}

static struct setting read_setting(const mm_value *options)
{
    return (struct setting){
        .lr = mm_option_find_f64(options, "lr", 1e-3),
        .betas = {mm_option_get_f64_at(options, "betas", 0),
                  mm_option_get_f64_at(options, "betas", 1)},
        .eps = mm_option_find_f64(options, "eps", 1e-8),
        .maximize = mm_option_find_bool(options, "maximize", false),
    };
}

/* The steps of a parameter so far with this one; an int, unlike other optimizers'. */
static double count_step(mm_optimizer *optimizer, size_t index)
{
    mm_value *state = mm_optimizer_state(optimizer, index);
    const mm_value *count = state != NULL ? mm_dict_find(state, "step") : NULL;
    int64_t steps = count != NULL ? (int64_t)mm_value_f64(count) + 1 : 1;

    if (state != NULL)
        mm_dict_put_i64(state, "step", steps);
    return (double)steps;
}

/* A sparse tensor with the places of `grad`. */
static mm_tensor *at_places_of(mm_tensor *grad, mm_tensor *values)
{
    int64_t sizes[MM_MAX_DIM];
    int ndim = mm_ndim(grad);

    for (int i = 0; i < ndim && i < MM_MAX_DIM; i++)
        sizes[i] = mm_size(grad, i);
    return mm_op("aten::sparse_coo_tensor.indices_size",
                 MM_T(mm_op("aten::_indices", MM_T(grad))), MM_T(values),
                 MM_IS(sizes, ndim));
}

static mm_tensor *values_of(mm_tensor *sparse)
{
    return mm_op("aten::_values", MM_T(sparse));
}

/* What is at the places of `grad` in a dense tensor. */
static mm_tensor *values_at(mm_tensor *dense, mm_tensor *grad)
{
    return values_of(mm_op("aten::sparse_mask", MM_T(dense), MM_T(grad)));
}

/* Pulls an average towards `values` at the places of `grad`; what it is there now. */
static mm_tensor *pull(mm_tensor *average, mm_tensor *grad, mm_tensor *values,
                       double weight)
{
    mm_tensor *old = values_at(average, grad);
    mm_tensor *change = mm_mul_scalar(mm_sub(values, old), weight);

    mm_add_(average, at_places_of(grad, change));
    return mm_add(change, old);
}

static mm_status sparse_adam_step_param(void *self, mm_optimizer *optimizer,
                                        size_t index)
{
    mm_param_groups *groups = mm_optimizer_groups(optimizer);
    size_t group = mm_param_groups_group_of(groups, index);
    const struct setting setting = read_setting(mm_param_groups_options(groups, group));
    mm_tensor *grad = mm_optimizer_grad(optimizer, index);
    (void)self;

    if (grad != NULL && !mm_is_sparse(grad)) {
        (void)mm_raise(MM_EUNSUPPORTED, "SparseAdam does not support dense gradients");
        return mm_error_hint("Adam does");
    }
    double step = count_step(optimizer, index);
    mm_tensor *avg = mm_optimizer_zeros_state(optimizer, index, "exp_avg");
    mm_tensor *avg_sq = mm_optimizer_zeros_state(optimizer, index, "exp_avg_sq");

    grad = mm_op("aten::coalesce", MM_T(setting.maximize ? mm_neg(grad) : grad));
    mm_tensor *values = values_of(grad);

    if (mm_has_error() || mm_numel(values) == 0)
        return mm_pending();
    mm_tensor *mean = pull(avg, grad, values, 1.0 - setting.betas[0]);
    mm_tensor *square =
        pull(avg_sq, grad, mm_pow_scalar(values, 2), 1.0 - setting.betas[1]);
    mm_tensor *root = mm_add_scalar(mm_sqrt(square), setting.eps);
    double bias1 = 1.0 - pow(setting.betas[0], step);
    double bias2 = 1.0 - pow(setting.betas[1], step);
    double size = setting.lr * sqrt(bias2) / bias1;
    mm_tensor *change = mm_mul_scalar(mm_div(mean, root), -size);

    mm_add_(mm_param_groups_param(groups, index), at_places_of(grad, change));
    return mm_pending();
}

static const mm_optimizer_ops sparse_adam_ops = {
    .defaults = sparse_adam_defaults,
    .check = sparse_adam_check,
    .step_param = sparse_adam_step_param,
    .takes_sparse = true,
};

#define MM_OPT_STRUCT struct sparse_adam
static const mm_option sparse_adam_options[] = {
    {"lr", "learning rate, above 0", MM_OPT_F64(lr, 1e-3, 0.0, DBL_MAX)},
    {"betas", "decay rates of the averages of gradient and square",
     MM_OPT_F64S(betas, "(0.9, 0.999)")},
    {"eps", "added to the denominator, above 0", MM_OPT_F64(eps, 1e-8, 0.0, DBL_MAX)},
    {"maximize", "climb instead of descend", MM_OPT_BOOL(maximize, false)},
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmi_sparse_adam = {
    .registry = "optimizers",
    .name = "SparseAdam",
    .help = "Adam for sparse gradients: only the rows they name are updated",
    .source = "torch/optim/sparse_adam.py",
    .size = sizeof(struct sparse_adam),
    .options = sparse_adam_options,
    .init = sparse_adam_init,
    MM_OPTIMIZER(&sparse_adam_ops),
};
