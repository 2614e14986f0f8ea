/* Dropout. The masks are drawn by libtorch's operators, so a seed gives PyTorch's. */
#include "nn/layer.h"

struct dropout {
    double p;
    mm_maybe_f64 drop_prob; /* MMCV's name of p; wins */
    bool inplace;
    mm_module *module; /* its own */
};

static mm_status dropout_init(void *self)
{
    struct dropout *dropout = self;

    dropout->module = mm_module_of(self);
    if (dropout->drop_prob.has) {
        dropout->p = dropout->drop_prob.value;
    }
    mmi_module_set_single_op(self);
    return mm_pending();
}

static mm_tensor *dropout_forward(void *self, mm_tensor *x)
{
    const struct dropout *dropout = self;
    bool training = dropout->module->training;

    return dropout->inplace ? mm_dropout_(x, dropout->p, training)
                            : mm_dropout(x, dropout->p, training);
}

static mm_tensor *feature_dropout_forward(void *self, mm_tensor *x)
{
    const struct dropout *dropout = self;

    return mm_feature_dropout(x, dropout->p, dropout->module->training);
}

static mm_tensor *alpha_dropout_forward(void *self, mm_tensor *x)
{
    const struct dropout *dropout = self;

    return mm_alpha_dropout(x, dropout->p, dropout->module->training);
}

static char *dropout_repr(const void *self)
{
    const struct dropout *dropout = self;
    mmi_str text = {0};

    mmi_str_add(&text, "p=");
    mmi_str_add_f64(&text, dropout->p);
    mmi_str_addf(&text, ", inplace=%s", mmi_bool_text(dropout->inplace));
    return mmi_str_take(&text);
}

static const mm_module_ops dropout_ops = {.forward = dropout_forward,
                                          .extra_repr = dropout_repr};
static const mm_module_ops feature_dropout_ops = {.forward = feature_dropout_forward,
                                                  .extra_repr = dropout_repr};
static const mm_module_ops alpha_dropout_ops = {.forward = alpha_dropout_forward,
                                                .extra_repr = dropout_repr};

#define MM_OPT_STRUCT struct dropout
static const mm_option dropout_options[] = {
    {"p", "probability of a zero", MM_OPT_F64(p, 0.5, 0.0, 1.0)},
    {"drop_prob", "MMCV's name of p", .kind = MM_OPTION_F64,
     .flags = MM_OPTION_NULLABLE | MM_OPTION_HIDDEN, MM_OPT_AT_(drop_prob),
     .u.f64 = {0.0, 0.0, 1.0}},
    {"inplace", "write into the input", MM_OPT_BOOL(inplace, false)},
    {0},
};
#undef MM_OPT_STRUCT

#define DROPOUT(id, name_, help_, ops_)                                                \
    const mm_component mmi_nn_##id = {                                                 \
        .registry = "models",                                                          \
        .name = name_,                                                                 \
        .help = help_,                                                                 \
        .source = "torch.nn." name_,                                                   \
        .size = sizeof(struct dropout),                                                \
        .options = dropout_options,                                                    \
        .init = dropout_init,                                                          \
        MM_MODULE(&ops_),                                                              \
    }

DROPOUT(dropout, "Dropout", "zeroes elements while training", dropout_ops);
DROPOUT(dropout1d, "Dropout1d", "zeroes channels while training", feature_dropout_ops);
DROPOUT(dropout2d, "Dropout2d", "zeroes channels while training", feature_dropout_ops);
DROPOUT(dropout3d, "Dropout3d", "zeroes channels while training", feature_dropout_ops);
DROPOUT(alpha_dropout, "AlphaDropout",
        "dropout that keeps mean and variance under SELU", alpha_dropout_ops);

mm_module *mm_nn_dropout(double p)
{
    mm_instance *instance = mm_instance_new(&mmi_nn_dropout);
    struct dropout *self = mm_instance_self(instance);

    if (self != NULL) {
        self->p = p;
    }
    return mm_module_start(instance);
}
