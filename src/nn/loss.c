/* Losses as modules, under torch.nn's class paths: they live in scope "torch", since
 * other libraries give their names other meanings ('torch.nn.CrossEntropyLoss'). They
 * are called with input and target. */
#include "nn/layer.h"

#include <inttypes.h>
#include <math.h>

struct loss {
    int reduction;
    mm_f64s weight_option;
    mm_f64s pos_weight_option;
    int64_t ignore_index;
    double label_smoothing;
    double knee; /* beta of SmoothL1Loss, delta of HuberLoss */
    bool log_target;
    mm_tensor *weight;     /* buffer of the module, or NULL */
    mm_tensor *pos_weight; /* buffer of the module, or NULL */
    mm_tensor *(*compute)(const struct loss *loss, mm_tensor *x, mm_tensor *target);
};

enum { REDUCTION_BATCHMEAN = MM_REDUCTION_NONE + 1 /* KLDivLoss only */ };

static const mm_choice reductions[] = {
    {"mean", MM_REDUCTION_MEAN, "mean over the elements"},
    {"sum", MM_REDUCTION_SUM, "sum over the elements"},
    {"none", MM_REDUCTION_NONE, "one loss per element"},
    {0},
};

static const mm_choice kl_reductions[] = {
    {"mean", MM_REDUCTION_MEAN, "mean over the elements"},
    {"batchmean", REDUCTION_BATCHMEAN, "sum over the batch size: the definition"},
    {"sum", MM_REDUCTION_SUM, "sum over the elements"},
    {"none", MM_REDUCTION_NONE, "one loss per element"},
    {0},
};

static mm_reduction reduction_of(const struct loss *loss)
{
    return (mm_reduction)loss->reduction;
}

static mm_tensor *add_weight(mm_module *module, const char *name, mm_f64s values)
{
    if (values.data == NULL) {
        return NULL;
    }
    mm_scope scope = mm_scope_open();
    mm_tensor *weight = mm_empty(MM_DTYPE_F32, 1, (int64_t[]){(int64_t)values.count});
    float *data = weight != NULL ? mm_data(weight, MM_DTYPE_F32) : NULL;

    for (size_t i = 0; data != NULL && i < values.count; i++) {
        data[i] = (float)values.data[i];
    }
    weight = data != NULL ? mm_module_add_buffer(module, name, weight, true) : NULL;
    mm_scope_close(scope);
    return weight;
}

static mm_status loss_init(struct loss *loss,
                           mm_tensor *(*compute)(const struct loss *, mm_tensor *,
                                                 mm_tensor *))
{
    mm_module *module = mm_module_of(loss);

    loss->compute = compute;
    loss->weight = add_weight(module, "weight", loss->weight_option);
    loss->pos_weight = add_weight(module, "pos_weight", loss->pos_weight_option);
    return mm_pending();
}

static mm_value *loss_call(void *self, mm_value *args)
{
    const struct loss *loss = self;

    if (mm_value_len(args) != 2) {
        mm_raise(MM_EINVAL, "a loss takes input and target, not %zu arguments",
                 mm_value_len(args));
        return NULL;
    }
    mm_tensor *result = loss->compute(loss, mm_value_tensor(mm_list_get(args, 0)),
                                      mm_value_tensor(mm_list_get(args, 1)));

    return result != NULL ? mm_scoped(mm_value_new_tensor(result)) : NULL;
}

static const mm_module_ops loss_ops = {.call = loss_call};

static mm_tensor *cross_entropy(const struct loss *loss, mm_tensor *x,
                                mm_tensor *target)
{
    return mm_cross_entropy(x, target, loss->weight, .reduction = reduction_of(loss),
                            .ignore_index = MM_N(loss->ignore_index),
                            .label_smoothing = loss->label_smoothing);
}

static mm_tensor *nll(const struct loss *loss, mm_tensor *x, mm_tensor *target)
{
    return mm_nll_loss(x, target, loss->weight, .reduction = reduction_of(loss),
                       .ignore_index = MM_N(loss->ignore_index));
}

static mm_tensor *mse(const struct loss *loss, mm_tensor *x, mm_tensor *target)
{
    return mm_mse_loss(x, target, reduction_of(loss));
}

static mm_tensor *l1(const struct loss *loss, mm_tensor *x, mm_tensor *target)
{
    return mm_l1_loss(x, target, reduction_of(loss));
}

static mm_tensor *smooth_l1(const struct loss *loss, mm_tensor *x, mm_tensor *target)
{
    return mm_smooth_l1_loss(x, target, loss->knee, reduction_of(loss));
}

static mm_tensor *huber(const struct loss *loss, mm_tensor *x, mm_tensor *target)
{
    return mm_huber_loss(x, target, loss->knee, reduction_of(loss));
}

static mm_tensor *bce(const struct loss *loss, mm_tensor *x, mm_tensor *target)
{
    return mm_bce_loss(x, target, loss->weight, .reduction = reduction_of(loss));
}

static mm_tensor *bce_with_logits(const struct loss *loss, mm_tensor *x,
                                  mm_tensor *target)
{
    return mm_bce_with_logits(x, target, loss->weight, .reduction = reduction_of(loss),
                              .pos_weight = loss->pos_weight);
}

static mm_tensor *kl_div(const struct loss *loss, mm_tensor *x, mm_tensor *target)
{
    if (loss->reduction != REDUCTION_BATCHMEAN) {
        return mm_kl_div(x, target, loss->log_target, reduction_of(loss));
    }
    mm_tensor *sum = mm_kl_div(x, target, loss->log_target, MM_REDUCTION_SUM);

    return mm_ndim(x) > 0 ? mm_div_scalar(sum, mm_size(x, 0)) : sum;
}

#define MM_OPT_STRUCT struct loss
#define REDUCTION                                                                      \
    {                                                                                  \
        "reduction", "what happens to the losses of the elements",                     \
            MM_OPT_CHOICE(reduction, MM_REDUCTION_MEAN, reductions)                    \
    }
#define WEIGHT                                                                         \
    {                                                                                  \
        "weight", "factor per class; None: all 1", MM_OPT_F64S(weight_option, NULL),   \
            .flags = MM_OPTION_NULLABLE                                                \
    }
#define IGNORE                                                                         \
    {                                                                                  \
        "ignore_index", "class that does not count",                                   \
            MM_OPT_I64(ignore_index, -100, INT64_MIN, INT64_MAX)                       \
    }
static const mm_option plain_options[] = {REDUCTION, {0}};
static const mm_option cross_entropy_options[] = {
    WEIGHT,
    IGNORE,
    REDUCTION,
    {"label_smoothing", "share of the target spread over all classes",
     MM_OPT_F64(label_smoothing, 0.0, 0.0, 1.0)},
    {0},
};
static const mm_option nll_options[] = {WEIGHT, IGNORE, REDUCTION, {0}};
static const mm_option smooth_l1_options[] = {
    REDUCTION,
    {"beta", "quadratic below this error", MM_OPT_F64(knee, 1.0, 0.0, INFINITY)},
    {0},
};
static const mm_option huber_options[] = {
    REDUCTION,
    {"delta", "quadratic below this error", MM_OPT_F64(knee, 1.0, 0.0, INFINITY)},
    {0},
};
static const mm_option bce_options[] = {WEIGHT, REDUCTION, {0}};
static const mm_option bce_with_logits_options[] = {
    WEIGHT,
    REDUCTION,
    {"pos_weight", "factor of positive answers per class; None: all 1",
     MM_OPT_F64S(pos_weight_option, NULL), .flags = MM_OPTION_NULLABLE},
    {0},
};
static const mm_option kl_options[] = {
    {"reduction", "what happens to the losses of the elements",
     MM_OPT_CHOICE(reduction, MM_REDUCTION_MEAN, kl_reductions)},
    {"log_target", "the target is in log space too", MM_OPT_BOOL(log_target, false)},
    {0},
};
#undef MM_OPT_STRUCT

#define LOSS(id, name_, help_, options_)                                               \
    static mm_status id##_init(void *self)                                             \
    {                                                                                  \
        return loss_init(self, id);                                                    \
    }                                                                                  \
    const mm_component mmi_nn_##id##_loss = {                                          \
        .registry = "models",                                                          \
        .scope = "torch",                                                              \
        .name = name_,                                                                 \
        .help = help_,                                                                 \
        .source = "torch.nn." name_,                                                   \
        .size = sizeof(struct loss),                                                   \
        .options = options_,                                                           \
        .init = id##_init,                                                             \
        MM_MODULE(&loss_ops),                                                          \
    }

LOSS(cross_entropy, "CrossEntropyLoss", "cross entropy of logits with class indices",
     cross_entropy_options);
LOSS(nll, "NLLLoss", "negative log likelihood of class indices", nll_options);
LOSS(mse, "MSELoss", "mean squared error", plain_options);
LOSS(l1, "L1Loss", "mean absolute error", plain_options);
LOSS(smooth_l1, "SmoothL1Loss", "quadratic near zero, linear beyond",
     smooth_l1_options);
LOSS(huber, "HuberLoss", "quadratic near zero, linear beyond", huber_options);
LOSS(bce, "BCELoss", "binary cross entropy of probabilities", bce_options);
LOSS(bce_with_logits, "BCEWithLogitsLoss", "binary cross entropy of logits",
     bce_with_logits_options);
LOSS(kl_div, "KLDivLoss", "Kullback-Leibler divergence", kl_options);
