/* PyTorch's Adafactor, registered as TorchAdafactor as in MMEngine: of the averages of
 * squares only the means of rows and columns are kept. The operators are
 * torch.optim.Adafactor's, in its order. */
#include <float.h>
#include <math.h>

#include "mmengine/ops.h"
#include "optim/builtin.h"
#include "optim/optimizer.h"
#include "optim/torch_options.h"

struct torch_adafactor {
    double lr;
    double beta2_decay;
    mm_value *eps; /* a tuple of a number or None and a number */
    double d;
    double weight_decay;
    mm_value *foreach;
    bool maximize;
};

static mm_value *adafactor_defaults(void *self)
{
    const struct torch_adafactor *adafactor = self;
    const mm_value *config = mm_instance_config(mm_instance_of(self));
    mm_value *defaults = mm_optimizer_defaults(self, NULL);

    if (defaults != NULL && adafactor->eps == NULL) {
        mm_value *eps = mm_value_new_tuple();

        mm_list_push(eps, mm_value_new_none());
        mm_list_push(eps, mm_value_new_f64(1e-3));
        mm_dict_take(defaults, "eps", eps);
    }
    if (defaults != NULL && adafactor->weight_decay == 0.0 &&
        mm_dict_find(config, "weight_decay") == NULL)
        mm_dict_put_f64(defaults, "weight_decay", 0.0);
    return defaults;
}

static mm_status check_eps(const mm_value *options)
{
    const mm_value *eps = mm_dict_get(options, "eps");
    mm_kind kind = mm_value_kind(eps);

    if (mm_has_error())
        return mm_pending();
    if ((kind != MM_KIND_LIST && kind != MM_KIND_TUPLE) || mm_value_len(eps) != 2)
        return mm_raise(MM_ECONFIG, "eps must be two: a number or None, and a number");
    for (size_t i = 0; i < 2; i++) {
        const mm_value *value = mm_list_get(eps, i);

        if (i == 0 && mm_value_is_none(value))
            continue;
        double number = mm_value_f64(value);

        if (!mm_has_error() && !(number >= 0.0))
            return mm_raise(MM_ECONFIG, "eps[%zu] is %g: must not be negative", i,
                            number);
    }
    return mm_pending();
}

static mm_status adafactor_check(void *self, const mm_value *options)
{
    (void)self;
    mm_option_check_f64(options, "lr", 0.0, INFINITY, false);
    mm_option_check_f64(options, "beta2_decay", -DBL_MAX, 0.0, false);
    mm_option_check_f64(options, "d", 1.0, INFINITY, false);
    mm_option_check_f64(options, "weight_decay", 0.0, INFINITY, false);
    return check_eps(options);
}

/* What `eps` means where it is None: the spacing of numbers at 1. */
static double spacing(mm_dtype dtype)
{
    if (dtype == MM_DTYPE_F64)
        return DBL_EPSILON;
    if (dtype == MM_DTYPE_F16)
        return 0x1p-10;
    return dtype == MM_DTYPE_BF16 ? 0x1p-7 : (double)FLT_EPSILON;
}

/* A state that is one element long in dimension `dim`. */
static mm_tensor *thin_state(mm_optimizer *optimizer, size_t index, const char *name,
                             mm_tensor *grad, int dim)
{
    mm_tensor *state = mm_optimizer_find_state(optimizer, index, name);
    int64_t sizes[MM_MAX_DIM];
    int ndim = mm_ndim(grad);

    if (state != NULL)
        return state;
    for (int i = 0; i < ndim && i < MM_MAX_DIM; i++)
        sizes[i] = i == ndim + dim ? 1 : mm_size(grad, i);
    return mm_optimizer_put_state(
        optimizer, index, name,
        mm_op("aten::new_zeros", MM_T(grad), MM_IS(sizes, ndim)));
}

/* Pulls the means of squares along `dim` towards the gradient's. */
static mm_tensor *pull_means(mm_tensor *state, mm_tensor *grad, int64_t dim,
                             double weight)
{
    mm_tensor *norm = mm_op("aten::linalg_vector_norm", MM_T(grad), MM_F(2.0),
                            MM_IS(&dim, 1), MM_B(true));
    mm_tensor *mean = mm_div_scalar(mm_square(norm), mm_size(grad, (int)dim));

    return mm_lerp_(state, mean, weight);
}

/* The average of squares, as far as rows and columns tell. */
static mm_tensor *estimate(mm_optimizer *optimizer, size_t index, mm_tensor *grad,
                           double weight, double eps)
{
    if (mm_ndim(grad) <= 1) {
        mm_tensor *state = mm_optimizer_zeros_state(optimizer, index, "variance");

        return mm_clone(mm_lerp_(state, mm_mul(grad, grad), weight));
    }
    mm_tensor *rows = thin_state(optimizer, index, "row_var", grad, -1);
    mm_tensor *columns = thin_state(optimizer, index, "col_var", grad, -2);

    pull_means(rows, grad, -1, weight);
    pull_means(columns, grad, -2, weight);
    const int64_t dim = -2;
    mm_tensor *product = mm_matmul(rows, columns);
    mm_tensor *mean = mm_op("aten::mean.dim", MM_T(rows), MM_IS(&dim, 1), MM_B(true));

    return mm_div_(product, mm_op("aten::clamp", MM_T(mean), MM_F(eps)));
}

static double norm_of(mm_tensor *tensor)
{
    return mm_item(mm_op("aten::linalg_vector_norm", MM_T(tensor), MM_F(2.0)));
}

/* The number of this step; counted in a tensor of no dimension, as PyTorch does. */
static double count_step(mm_optimizer *optimizer, size_t index)
{
    const mm_value *state = mm_optimizer_state(optimizer, index);
    const mm_value *saved = state != NULL ? mm_dict_find(state, "step") : NULL;
    mm_tensor *count = mm_optimizer_find_state(optimizer, index, "step");

    if (count == NULL) {
        double steps = saved != NULL ? mm_value_f64(saved) : 0.0;

        count = mm_optimizer_put_state(optimizer, index, "step",
                                       mm_scalar(steps, MM_DTYPE_F32));
    }
    mm_add_scalar_(count, 1);
    return count != NULL ? mm_item(count) : 0.0;
}

static mm_status adafactor_step_param(void *self, mm_optimizer *optimizer, size_t index)
{
    mm_param_groups *groups = mm_optimizer_groups(optimizer);
    size_t group = mm_param_groups_group_of(groups, index);
    const mm_value *options = mm_param_groups_options(groups, group);
    const mm_value *eps = mm_dict_get(options, "eps");
    mm_tensor *param = mm_param_groups_param(groups, index);
    mm_tensor *grad = mm_optimizer_grad(optimizer, index);
    double lr = mm_option_find_f64(options, "lr", 0.0);
    double decay = mm_option_find_f64(options, "weight_decay", 0.0);
    double count = (double)mm_numel(param);
    (void)self;

    if (mm_has_error() || count == 0.0)
        return mm_pending();
    double eps1 = mm_value_is_none(mm_list_get(eps, 0))
                      ? spacing(mm_tensor_dtype(param))
                      : mm_value_f64(mm_list_get(eps, 0));
    double step = count_step(optimizer, index);
    double weight = pow(step, mm_option_find_f64(options, "beta2_decay", -0.8));
    double rate = fmin(lr, 1.0 / pow(step, 0.5));
    double scale = norm_of(param) / pow(count, 0.5);
    double alpha = fmax(mm_value_f64(mm_list_get(eps, 1)), scale) * rate;

    if (mm_option_find_bool(options, "maximize", false))
        grad = mm_neg(grad);
    if (decay != 0.0)
        mm_mul_scalar_(param, 1.0 - lr * decay);
    mm_tensor *variance = estimate(optimizer, index, grad, weight, eps1);
    mm_tensor *update =
        mm_rsqrt(mm_op("aten::clamp", MM_T(variance), MM_F(eps1 * eps1)));

    mm_mul_(update, grad);
    double limit = pow(count, 0.5) * mm_option_find_f64(options, "d", 1.0);
    double denominator = fmax(1.0, norm_of(update) / limit);

    mm_add_scaled_(param, update, -alpha / denominator);
    return mm_pending();
}

static const mm_optimizer_ops adafactor_ops = {
    .defaults = adafactor_defaults,
    .check = adafactor_check,
    .step_param = adafactor_step_param,
    .has_free_states = true,
};

#define MM_OPT_STRUCT struct torch_adafactor
static const mm_option adafactor_options[] = {
    {"lr", "upper bound of the relative step", MM_OPT_F64(lr, 1e-2, 0.0, DBL_MAX)},
    {"beta2_decay", "exponent by which the average of squares slows down",
     MM_OPT_F64(beta2_decay, -0.8, -DBL_MAX, 0.0)},
    {"eps",
     "least average of squares (None: by dtype), least scale of a weight: "
     "(None, 0.001)",
     MM_OPT_VALUE(eps)},
    {"d", "updates with a larger root mean square are clipped",
     MM_OPT_F64(d, 1.0, 1.0, DBL_MAX)},
    {"weight_decay", "weight decay", MM_OPT_F64(weight_decay, 0.0, 0.0, DBL_MAX)},
    {"foreach", "accepted for PyTorch's sake", MM_OPT_VALUE(foreach)},
    {"maximize", "climb instead of descend", MM_OPT_BOOL(maximize, false)},
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmi_torch_adafactor = {
    .registry = "optimizers",
    .name = "TorchAdafactor",
    .help = "PyTorch's Adafactor: averages of squares by rows and columns",
    .source = "torch/optim/_adafactor.py",
    .size = sizeof(struct torch_adafactor),
    .options = adafactor_options,
    MM_OPTIMIZER(&adafactor_ops),
};
