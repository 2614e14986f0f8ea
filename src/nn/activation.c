/* Activations. One struct serves all; each has its own options, as torch.nn does, and a
 * function. In-place forms write into their input, which saves memory and changes no
 * number. */
#include "nn/layer.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "mmengine/memory.h"

struct activation {
    bool inplace;
    int form;          /* GELU: 1 for the approximation by tanh */
    double a;          /* slope, alpha, beta or lower bound */
    double b;          /* threshold or upper bound */
    int64_t size;      /* PReLU: number of parameters */
    int64_t dim;       /* GLU */
    mm_maybe_i64 any;  /* softmax: dim, or None for PyTorch's old rule */
    mm_tensor *weight; /* PReLU: of the module */
};

static mm_status activation_init(void *self)
{
    mmi_module_set_single_op(self);
    return mm_pending();
}

static mm_tensor *relu_forward(void *self, mm_tensor *x)
{
    const struct activation *act = self;

    return act->inplace ? mm_relu_(x) : mm_relu(x);
}

static mm_tensor *relu6_forward(void *self, mm_tensor *x)
{
    const struct activation *act = self;

    return act->inplace ? mm_op("aten::relu6_", MM_T(x)) : mm_relu6(x);
}

static mm_tensor *leaky_relu_forward(void *self, mm_tensor *x)
{
    const struct activation *act = self;

    return act->inplace ? mm_leaky_relu_(x, act->a) : mm_leaky_relu(x, act->a);
}

static mm_status prelu_init(void *self)
{
    struct activation *act = self;

    mmi_module_set_single_op(self);
    act->weight =
        mmi_add_param_full(mm_module_of(self), "weight", MM_DIMS(act->size), act->a);
    return mm_pending();
}

static mm_tensor *prelu_forward(void *self, mm_tensor *x)
{
    const struct activation *act = self;

    return mm_prelu(x, act->weight);
}

static mm_tensor *elu_forward(void *self, mm_tensor *x)
{
    const struct activation *act = self;

    return act->inplace ? mm_op("aten::elu_", MM_T(x), MM_F(act->a))
                        : mm_elu(x, act->a);
}

static mm_tensor *selu_forward(void *self, mm_tensor *x)
{
    const struct activation *act = self;

    return act->inplace ? mm_op("aten::selu_", MM_T(x)) : mm_selu(x);
}

static mm_tensor *celu_forward(void *self, mm_tensor *x)
{
    const struct activation *act = self;

    return act->inplace ? mm_op("aten::celu_", MM_T(x), MM_F(act->a))
                        : mm_celu(x, act->a);
}

static mm_tensor *gelu_forward(void *self, mm_tensor *x)
{
    const struct activation *act = self;

    return mm_gelu(x, act->form == 1);
}

static mm_tensor *silu_forward(void *self, mm_tensor *x)
{
    const struct activation *act = self;

    return act->inplace ? mm_silu_(x) : mm_silu(x);
}

static mm_tensor *mish_forward(void *self, mm_tensor *x)
{
    const struct activation *act = self;

    return act->inplace ? mm_op("aten::mish_", MM_T(x)) : mm_mish(x);
}

static mm_tensor *sigmoid_forward(void *self, mm_tensor *x)
{
    (void)self;
    return mm_sigmoid(x);
}

static mm_tensor *tanh_forward(void *self, mm_tensor *x)
{
    (void)self;
    return mm_tanh(x);
}

static mm_tensor *hardswish_forward(void *self, mm_tensor *x)
{
    const struct activation *act = self;

    return act->inplace ? mm_hardswish_(x) : mm_hardswish(x);
}

static mm_tensor *hardsigmoid_forward(void *self, mm_tensor *x)
{
    const struct activation *act = self;

    return act->inplace ? mm_op("aten::hardsigmoid_", MM_T(x)) : mm_hardsigmoid(x);
}

static mm_tensor *hardtanh_forward(void *self, mm_tensor *x)
{
    const struct activation *act = self;

    return act->inplace ? mm_op("aten::hardtanh_", MM_T(x), MM_F(act->a), MM_F(act->b))
                        : mm_hardtanh(x, act->a, act->b);
}

static mm_tensor *softplus_forward(void *self, mm_tensor *x)
{
    const struct activation *act = self;

    return mm_softplus(x, act->a, act->b);
}

static mm_tensor *softsign_forward(void *self, mm_tensor *x)
{
    (void)self;
    return mm_softsign(x);
}

static mm_tensor *log_sigmoid_forward(void *self, mm_tensor *x)
{
    (void)self;
    return mm_log_sigmoid(x);
}

static mm_tensor *glu_forward(void *self, mm_tensor *x)
{
    const struct activation *act = self;

    return mm_glu(x, act->dim);
}

/* Without a dimension PyTorch takes the first of 0, 1 and 3 dimensions, else the
 * second.
 */
static int64_t softmax_dim(const struct activation *act, const mm_tensor *x)
{
    int ndim = act->any.has ? 0 : mm_ndim(x);

    return act->any.has ? act->any.value
                        : (ndim == 0 || ndim == 1 || ndim == 3 ? 0 : 1);
}

static mm_tensor *softmax_forward(void *self, mm_tensor *x)
{
    return mm_softmax(x, softmax_dim(self, x));
}

static mm_tensor *log_softmax_forward(void *self, mm_tensor *x)
{
    return mm_log_softmax(x, softmax_dim(self, x));
}

/* --- print --- */

static char *inplace_repr(const void *self)
{
    const struct activation *act = self;

    return mm_strdup(act->inplace ? "inplace=True" : "");
}

/* "name=1.0", then "inplace=True". */
static char *number_repr(const struct activation *act, const char *first,
                         const char *second)
{
    mmi_str text = {0};

    mmi_str_add(&text, first);
    mmi_str_add_f64(&text, act->a);
    if (second != NULL) {
        mmi_str_add(&text, second);
        mmi_str_add_f64(&text, act->b);
    }
    if (act->inplace) {
        mmi_str_add(&text, ", inplace=True");
    }
    return mmi_str_take(&text);
}

static char *slope_repr(const void *self)
{
    return number_repr(self, "negative_slope=", NULL);
}

static char *alpha_repr(const void *self)
{
    return number_repr(self, "alpha=", NULL);
}

static char *hardtanh_repr(const void *self)
{
    return number_repr(self, "min_val=", ", max_val=");
}

static char *softplus_repr(const void *self)
{
    return number_repr(self, "beta=", ", threshold=");
}

static char *prelu_repr(const void *self)
{
    const struct activation *act = self;

    return mm_strfmt("num_parameters=%" PRId64, act->size);
}

static char *gelu_repr(const void *self)
{
    const struct activation *act = self;

    return mm_strfmt("approximate='%s'", act->form == 1 ? "tanh" : "none");
}

static char *glu_repr(const void *self)
{
    const struct activation *act = self;

    return mm_strfmt("dim=%" PRId64, act->dim);
}

static char *softmax_repr(const void *self)
{
    const struct activation *act = self;

    return act->any.has ? mm_strfmt("dim=%" PRId64, act->any.value)
                        : mm_strdup("dim=None");
}

/* --- options --- */

static const mm_choice gelu_forms[] = {
    {"none", 0, "exact, by the error function"},
    {"tanh", 1, "approximation by tanh"},
    {0},
};

#define MM_OPT_STRUCT struct activation
#define INPLACE                                                                        \
    {                                                                                  \
        "inplace", "write into the input", MM_OPT_BOOL(inplace, false)                 \
    }
static const mm_option inplace_options[] = {INPLACE, {0}};
static const mm_option leaky_relu_options[] = {
    {"negative_slope", "factor below zero", MM_OPT_F64(a, 0.01, -INFINITY, INFINITY)},
    INPLACE,
    {0},
};
static const mm_option prelu_options[] = {
    {"num_parameters", "1, or the number of channels",
     MM_OPT_I64(size, 1, 1, INT64_MAX)},
    {"init", "first value of the slope", MM_OPT_F64(a, 0.25, -INFINITY, INFINITY)},
    {0},
};
static const mm_option alpha_options[] = {
    {"alpha", "limit below zero, negated", MM_OPT_F64(a, 1.0, -INFINITY, INFINITY)},
    INPLACE,
    {0},
};
static const mm_option gelu_options[] = {
    {"approximate", "how the Gaussian is computed", MM_OPT_CHOICE(form, 0, gelu_forms)},
    {0},
};
static const mm_option hardtanh_options[] = {
    {"min_val", "lower bound", MM_OPT_F64(a, -1.0, -INFINITY, INFINITY)},
    {"max_val", "upper bound", MM_OPT_F64(b, 1.0, -INFINITY, INFINITY)},
    INPLACE,
    {0},
};
static const mm_option softplus_options[] = {
    {"beta", "sharpness", MM_OPT_F64(a, 1.0, -INFINITY, INFINITY)},
    {"threshold", "linear above this", MM_OPT_F64(b, 20.0, -INFINITY, INFINITY)},
    {0},
};
static const mm_option glu_options[] = {
    {"dim", "dimension that is halved", MM_OPT_I64(dim, -1, INT64_MIN, INT64_MAX)},
    {0},
};
static const mm_option softmax_options[] = {
    {"dim", "dimension that sums to one",
     MM_OPT_I64_OR_NONE(any, INT64_MIN, INT64_MAX)},
    {0},
};
#undef MM_OPT_STRUCT

/* `id` names the static objects; one line is one component. */
#define ACTIVATION(id, name_, help_, options_, init_, forward_, repr_)                 \
    static const mm_module_ops id##_ops = {.forward = forward_, .extra_repr = repr_};  \
    const mm_component mmi_nn_##id = {                                                 \
        .registry = "models",                                                          \
        .name = name_,                                                                 \
        .help = help_,                                                                 \
        .source = "torch.nn." name_,                                                   \
        .size = sizeof(struct activation),                                             \
        .options = options_,                                                           \
        .init = init_,                                                                 \
        MM_MODULE(&id##_ops),                                                          \
    }

ACTIVATION(relu, "ReLU", "max(x, 0)", inplace_options, activation_init, relu_forward,
           inplace_repr);
ACTIVATION(relu6, "ReLU6", "min(max(x, 0), 6)", inplace_options, activation_init,
           relu6_forward, inplace_repr);
ACTIVATION(leaky_relu, "LeakyReLU", "x above zero, a fraction of it below",
           leaky_relu_options, activation_init, leaky_relu_forward, slope_repr);
ACTIVATION(prelu, "PReLU", "leaky ReLU with a learned slope", prelu_options, prelu_init,
           prelu_forward, prelu_repr);
ACTIVATION(elu, "ELU", "alpha * (exp(x) - 1) below zero", alpha_options,
           activation_init, elu_forward, alpha_repr);
ACTIVATION(selu, "SELU", "scaled ELU that keeps mean and variance", inplace_options,
           activation_init, selu_forward, inplace_repr);
ACTIVATION(celu, "CELU", "alpha * (exp(x / alpha) - 1) below zero", alpha_options,
           activation_init, celu_forward, alpha_repr);
ACTIVATION(gelu, "GELU", "x times the normal distribution function", gelu_options,
           activation_init, gelu_forward, gelu_repr);
ACTIVATION(silu, "SiLU", "x * sigmoid(x)", inplace_options, activation_init,
           silu_forward, inplace_repr);
ACTIVATION(mish, "Mish", "x * tanh(softplus(x))", inplace_options, activation_init,
           mish_forward, inplace_repr);
ACTIVATION(sigmoid, "Sigmoid", "1 / (1 + exp(-x))", NULL, activation_init,
           sigmoid_forward, NULL);
ACTIVATION(tanh, "Tanh", "hyperbolic tangent", NULL, activation_init, tanh_forward,
           NULL);
ACTIVATION(hardswish, "Hardswish", "x * relu6(x + 3) / 6", inplace_options,
           activation_init, hardswish_forward, NULL);
ACTIVATION(hardsigmoid, "Hardsigmoid", "relu6(x + 3) / 6", inplace_options,
           activation_init, hardsigmoid_forward, NULL);
ACTIVATION(hardtanh, "Hardtanh", "x between two bounds", hardtanh_options,
           activation_init, hardtanh_forward, hardtanh_repr);
ACTIVATION(softplus, "Softplus", "log(1 + exp(beta * x)) / beta", softplus_options,
           activation_init, softplus_forward, softplus_repr);
ACTIVATION(softsign, "Softsign", "x / (1 + |x|)", NULL, activation_init,
           softsign_forward, NULL);
ACTIVATION(log_sigmoid, "LogSigmoid", "log(sigmoid(x))", NULL, activation_init,
           log_sigmoid_forward, NULL);
ACTIVATION(glu, "GLU", "one half times the sigmoid of the other", glu_options,
           activation_init, glu_forward, glu_repr);
ACTIVATION(softmax, "Softmax", "exp(x), divided by its sum along a dimension",
           softmax_options, activation_init, softmax_forward, softmax_repr);
ACTIVATION(log_softmax, "LogSoftmax", "log(softmax(x))", softmax_options,
           activation_init, log_softmax_forward, softmax_repr);

mm_module *mm_nn_relu(void)
{
    return mm_module_new(&mmi_nn_relu);
}

mm_module *mm_nn_leaky_relu(double negative_slope)
{
    mm_instance *instance = mm_instance_new(&mmi_nn_leaky_relu);
    struct activation *act = mm_instance_self(instance);

    if (act != NULL) {
        act->a = negative_slope;
    }
    return mm_module_start(instance);
}

mm_module *mm_nn_gelu(void)
{
    return mm_module_new(&mmi_nn_gelu);
}

mm_module *mm_nn_silu(void)
{
    return mm_module_new(&mmi_nn_silu);
}

mm_module *mm_nn_sigmoid(void)
{
    return mm_module_new(&mmi_nn_sigmoid);
}

mm_module *mm_nn_tanh(void)
{
    return mm_module_new(&mmi_nn_tanh);
}

mm_module *mm_nn_softmax(int64_t dim)
{
    mm_instance *instance = mm_instance_new(&mmi_nn_softmax);
    struct activation *act = mm_instance_self(instance);

    if (act != NULL) {
        act->any = (mm_maybe_i64){true, dim};
    }
    return mm_module_start(instance);
}
