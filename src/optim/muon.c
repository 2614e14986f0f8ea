/* Muon: momentum whose matrices are made nearly orthogonal before they are added. The
 * iteration runs in bfloat16 with libtorch's products in PyTorch's order, in both
 * numerics, so its bits are PyTorch's. Matrices only: every other parameter needs an
 * optimizer of its own. Source: torch/optim/_muon.py (2.13). */
#include <float.h>
#include <math.h>
#include <string.h>

#include "mmengine/memory.h"
#include "mmengine/ops.h"
#include "optim/builtin.h"
#include "optim/optimizer.h"

struct muon {
    double lr;
    double weight_decay;
    double momentum;
    bool nesterov;
    mm_f64s ns_coefficients;
    double eps;
    int64_t ns_steps;
    const char *adjust_lr_fn;
};

static mm_value *muon_defaults(void *self)
{
    return mm_optimizer_defaults(self, NULL);
}

static mm_status muon_init(void *data)
{
    const struct muon *self = data;
    const char *name = self->adjust_lr_fn;

    if (self->ns_coefficients.count != 3)
        return mm_raise(MM_ECONFIG, "ns_coefficients has %zu entries: three are needed",
                        self->ns_coefficients.count);
    if (name != NULL && strcmp(name, "original") != 0 &&
        strcmp(name, "match_rms_adamw") != 0)
        return mm_raise(MM_ECONFIG,
                        "adjust_lr_fn is '%s': must be 'original', 'match_rms_adamw' "
                        "or None",
                        name);
    return MM_OK;
}

static mm_status muon_check(void *self, const mm_value *options)
{
    (void)self;
    (void)mm_option_check_f64(options, "lr", 0.0, DBL_MAX, false);
    (void)mm_option_check_f64(options, "momentum", 0.0, DBL_MAX, false);
    (void)mm_option_check_f64(options, "weight_decay", 0.0, DBL_MAX, false);
    return mm_option_check_f64(options, "ns_steps", 0.0, 99.0, false);
}

static mm_status muon_check_groups(void *self, const mm_param_groups *groups)
{
    (void)self;
    for (size_t i = 0; i < mm_param_groups_num_params(groups); i++) {
        mm_tensor *param = mm_param_groups_param(groups, i);

        if (mm_has_error() || mm_ndim(param) == 2)
            continue;
        char *text = mm_tensor_describe(param);

        (void)mm_raise(MM_ECONFIG, "Muon trains matrices alone: parameter '%s' is %s",
                       mm_param_groups_name(groups, i), text != NULL ? text : "none");
        (void)mm_error_hint(
            "give such parameters an optimizer of their own, in a model "
            "whose train_step uses several");
        mm_free(text);
    }
    return mm_pending();
}

static mm_tensor *matmul(mm_tensor *x, mm_tensor *y)
{
    return mm_op("aten::mm", MM_T(x), MM_T(y));
}

/* beta * x + alpha * a b */
static mm_tensor *addmm(mm_tensor *x, mm_tensor *a, mm_tensor *b, double beta,
                        double alpha)
{
    return mm_op("aten::addmm", MM_T(x), MM_T(a), MM_T(b), MM_NAMED_F("beta", beta),
                 MM_NAMED_F("alpha", alpha));
}

/* Newton and Schulz's iteration towards the nearest orthogonal matrix. */
static mm_tensor *orthogonal(const mm_value *options, mm_tensor *x)
{
    double a = mm_option_get_f64_at(options, "ns_coefficients", 0);
    double b = mm_option_get_f64_at(options, "ns_coefficients", 1);
    double c = mm_option_get_f64_at(options, "ns_coefficients", 2);
    int64_t steps = (int64_t)mm_option_find_f64(options, "ns_steps", 5.0);
    bool is_tall = mm_size(x, 0) > mm_size(x, 1);
    mm_tensor *y = mm_cast(x, MM_DTYPE_BF16);

    if (is_tall)
        y = mm_op("aten::t", MM_T(y));
    mm_tensor *norm = mm_op("aten::linalg_vector_norm", MM_T(y), MM_I(2));

    mm_div_(y, mm_clamp(norm, .min = MM_N(mm_option_find_f64(options, "eps", 1e-7))));
    for (int64_t i = 0; i < steps && !mm_has_error(); i++) {
        mm_tensor *gram = matmul(y, mm_op("aten::t", MM_T(y)));

        y = addmm(y, addmm(gram, gram, gram, b, c), y, a, 1.0);
    }
    return is_tall ? mm_op("aten::t", MM_T(y)) : y;
}

/* The learning rate for a matrix of these sizes. */
static double adjusted(const mm_value *options, const mm_tensor *param)
{
    const mm_value *rule = mm_dict_find(options, "adjust_lr_fn");
    double lr = mm_option_find_f64(options, "lr", 0.0);
    double rows = (double)mm_size(param, 0);
    double columns = (double)mm_size(param, 1);

    if (mm_value_is_none(rule) || strcmp(mm_value_str(rule), "original") == 0)
        return lr * sqrt(fmax(1.0, rows / columns));
    return lr * (0.2 * sqrt(fmax(rows, columns)));
}

static mm_status muon_step_param(void *self, mm_optimizer *optimizer, size_t index)
{
    mm_tensor *param = optimizer->params[index];
    mm_tensor *grad = mm_optimizer_grad(optimizer, index);
    const mm_value *options = mm_param_groups_options(
        optimizer->groups, mm_param_groups_group_of(optimizer->groups, index));
    double momentum = mm_option_find_f64(options, "momentum", 0.95);
    double decay = mm_option_find_f64(options, "weight_decay", 0.1);
    mm_tensor *buffer = mm_optimizer_zeros_state(optimizer, index, "momentum_buffer");
    (void)self;

    if (mm_numel(param) == 0)
        return mm_pending();
    mm_lerp_(buffer, grad, 1.0 - momentum);
    mm_tensor *update = mm_option_find_bool(options, "nesterov", true)
                            ? mm_lerp(grad, buffer, momentum)
                            : buffer;

    update = orthogonal(options, update);
    mm_mul_scalar_(param, 1.0 - mm_option_find_f64(options, "lr", 0.0) * decay);
    mm_add_scaled_(param, update, -adjusted(options, param));
    return mm_pending();
}

static const mm_optimizer_ops ops = {
    .defaults = muon_defaults,
    .check = muon_check,
    .step_param = muon_step_param,
    .check_groups = muon_check_groups,
};

#define MM_OPT_STRUCT struct muon
static const mm_option options[] = {
    {"lr", "learning rate", MM_OPT_F64(lr, 1e-3, 0.0, DBL_MAX)},
    {"weight_decay", "weight decay of its own",
     MM_OPT_F64(weight_decay, 0.1, 0.0, DBL_MAX)},
    {"momentum", "decay rate of the average of gradients",
     MM_OPT_F64(momentum, 0.95, 0.0, DBL_MAX)},
    {"nesterov", "look ahead along the momentum", MM_OPT_BOOL(nesterov, true)},
    {"ns_coefficients", "coefficients of the iteration",
     MM_OPT_F64S(ns_coefficients, "(3.4445, -4.7750, 2.0315)")},
    {"eps", "least norm that an update is divided by",
     MM_OPT_F64(eps, 1e-7, 0.0, DBL_MAX)},
    {"ns_steps", "iterations", MM_OPT_I64(ns_steps, 5, 0, 99)},
    {"adjust_lr_fn",
     "how the sizes of a matrix change its rate: 'original', 'match_rms_adamw'",
     MM_OPT_STR(adjust_lr_fn, NULL)},
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmi_muon = {
    .registry = "optimizers",
    .name = "Muon",
    .help = "momentum made orthogonal, for matrices",
    .source = "torch/optim/_muon.py",
    .size = sizeof(struct muon),
    .options = options,
    .init = muon_init,
    MM_OPTIMIZER(&ops),
};
