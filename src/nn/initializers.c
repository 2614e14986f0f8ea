/* The initialisers of an init_cfg: what each draws, and how the log describes it.
 * Weights and biases are the tensors of those names that the module itself has. */
#include "nn/layer.h"

#include <math.h>
#include <string.h>

#include "mmengine/log.h"
#include "mmengine/memory.h"

struct initializer {
    mm_base_initializer base; /* first: its options are shared */
    double a;                 /* val, gain, mean, low, a */
    double b;                 /* std, high */
    double low;               /* TruncNormal: cut-offs */
    double high;
    int fan;
    int is_uniform;
    const char *nonlinearity;
};

#define MM_OPT_STRUCT mm_base_initializer
const mm_option mm_base_initializer_options[] = {
    {"bias", "value of biases", MM_OPT_F64(bias, 0.0, -INFINITY, INFINITY)},
    {"bias_prob", "biases under which a sigmoid starts at this probability",
     MM_OPT_F64_OR_NONE(bias_prob, 0.0, 1.0)},
    {"layer", "names of classes, or of their direct bases; others are left alone",
     MM_OPT_STRS(layer, NULL), .flags = MM_OPTION_NULLABLE},
    {0},
};
#undef MM_OPT_STRUCT

double mm_base_initializer_bias(const mm_base_initializer *base)
{
    return base->bias_prob.has ? mm_init_bias_with_prob(base->bias_prob.value)
                               : base->bias;
}

static mm_tensor *own_tensor(const mm_module *module, const char *name)
{
    const struct mmi_slot *slot = mmi_slot_find(&module->params, name);

    slot = slot != NULL ? slot : mmi_slot_find(&module->buffers, name);
    return slot != NULL ? slot->tensor : NULL;
}

static mm_status init_bias(const struct initializer *init, const mm_module *module)
{
    mm_tensor *bias = own_tensor(module, "bias");

    if (mm_has_error() || bias == NULL) {
        return mm_pending();
    }
    return mm_init_constant(bias, mm_base_initializer_bias(&init->base));
}

static mm_status constant_apply(void *self, mm_module *module)
{
    const struct initializer *init = self;
    mm_tensor *weight = own_tensor(module, "weight");

    if (weight != NULL) {
        mm_init_constant(weight, init->a);
    }
    return init_bias(init, module);
}

static mm_status xavier_apply(void *self, mm_module *module)
{
    const struct initializer *init = self;
    mm_tensor *weight = own_tensor(module, "weight");

    if (weight != NULL) {
        mm_init_xavier(weight, init->a, init->is_uniform != 0);
    }
    return init_bias(init, module);
}

static mm_status normal_apply(void *self, mm_module *module)
{
    const struct initializer *init = self;
    mm_tensor *weight = own_tensor(module, "weight");

    if (weight != NULL) {
        mm_init_normal(weight, init->a, init->b);
    }
    return init_bias(init, module);
}

static mm_status trunc_normal_apply(void *self, mm_module *module)
{
    const struct initializer *init = self;
    mm_tensor *weight = own_tensor(module, "weight");

    if (weight != NULL) {
        mm_init_trunc_normal(weight, init->a, init->b, init->low, init->high);
    }
    return init_bias(init, module);
}

static mm_status uniform_apply(void *self, mm_module *module)
{
    const struct initializer *init = self;
    mm_tensor *weight = own_tensor(module, "weight");

    if (weight != NULL) {
        mm_init_uniform(weight, init->a, init->b);
    }
    return init_bias(init, module);
}

static mm_status kaiming_apply(void *self, mm_module *module)
{
    const struct initializer *init = self;
    mm_tensor *weight = own_tensor(module, "weight");

    if (weight != NULL) {
        mm_init_kaiming(weight, init->a, (mm_fan)init->fan, init->nonlinearity,
                        init->is_uniform != 0);
    }
    return init_bias(init, module);
}

static mm_status caffe2_xavier_init(void *self)
{
    struct initializer *init = self;

    init->a = 1.0;
    init->fan = MM_FAN_IN;
    init->nonlinearity = "leaky_relu";
    init->is_uniform = 1;
    return MM_OK;
}

/* --- descriptions, word for word as MMEngine logs them --- */

/* A number as the config wrote it: Python keeps 0 and 0.0 apart. `usual` is the text of
 * the default. */
static void add_number(mmi_str *text, const struct initializer *init, const char *key,
                       const char *usual)
{
    mm_value *config = mm_instance_config(mm_instance_of(init));
    mm_value *value = config != NULL ? mm_dict_find(config, key) : NULL;
    char *repr = value != NULL ? mm_value_repr(value) : NULL;

    mmi_str_addf(text, "%s=%s", key, repr != NULL ? repr : usual);
    mm_free(repr);
}

static void add_bias(mmi_str *text, const struct initializer *init)
{
    if (init->base.bias_prob.has) {
        mmi_str_add(text, ", bias=");
        mmi_str_add_f64(text, mm_base_initializer_bias(&init->base));
    } else {
        mmi_str_add(text, ", ");
        add_number(text, init, "bias", "0");
    }
}

static char *constant_describe(const void *self)
{
    mmi_str text = {0};

    mmi_str_add(&text, "ConstantInit: ");
    add_number(&text, self, "val", "0");
    add_bias(&text, self);
    return mmi_str_take(&text);
}

static const char *distribution(const struct initializer *init)
{
    return init->is_uniform != 0 ? "uniform" : "normal";
}

static char *xavier_describe(const void *self)
{
    mmi_str text = {0};

    mmi_str_add(&text, "XavierInit: ");
    add_number(&text, self, "gain", "1");
    mmi_str_addf(&text, ", distribution=%s", distribution(self));
    add_bias(&text, self);
    return mmi_str_take(&text);
}

static char *normal_describe(const void *self)
{
    mmi_str text = {0};

    mmi_str_add(&text, "NormalInit: ");
    add_number(&text, self, "mean", "0");
    mmi_str_add(&text, ", ");
    add_number(&text, self, "std", "1");
    add_bias(&text, self);
    return mmi_str_take(&text);
}

static char *trunc_normal_describe(const void *self)
{
    mmi_str text = {0};

    mmi_str_add(&text, "TruncNormalInit: ");
    add_number(&text, self, "a", "-2");
    mmi_str_add(&text, ", ");
    add_number(&text, self, "b", "2");
    mmi_str_add(&text, ", ");
    add_number(&text, self, "mean", "0");
    mmi_str_add(&text, ", ");
    add_number(&text, self, "std", "1");
    add_bias(&text, self);
    return mmi_str_take(&text);
}

static char *uniform_describe(const void *self)
{
    mmi_str text = {0};

    mmi_str_add(&text, "UniformInit: ");
    add_number(&text, self, "a", "0");
    mmi_str_add(&text, ", ");
    add_number(&text, self, "b", "1");
    add_bias(&text, self);
    return mmi_str_take(&text);
}

static char *kaiming_text(const struct initializer *init, const char *name,
                          const char *usual_a)
{
    mmi_str text = {0};

    mmi_str_addf(&text, "%s: ", name);
    add_number(&text, init, "a", usual_a);
    mmi_str_addf(&text, ", mode=%s, nonlinearity=%s, distribution =%s",
                 init->fan == MM_FAN_IN ? "fan_in" : "fan_out", init->nonlinearity,
                 distribution(init));
    add_bias(&text, init);
    return mmi_str_take(&text);
}

static char *kaiming_describe(const void *self)
{
    return kaiming_text(self, "KaimingInit", "0");
}

static char *caffe2_xavier_describe(const void *self)
{
    return kaiming_text(self, "Caffe2XavierInit", "1");
}

/* --- components --- */

static const mm_choice distributions[] = {
    {"normal", 0, "normal"},
    {"uniform", 1, "uniform, of the same variance"},
    {0},
};

static const mm_choice fans[] = {
    {"fan_out", MM_FAN_OUT, "keeps the variance of gradients"},
    {"fan_in", MM_FAN_IN, "keeps the variance of activations"},
    {0},
};

#define MM_OPT_STRUCT struct initializer
#define BASE                                                                           \
    {                                                                                  \
        "", "", MM_OPT_INHERIT(base, mm_base_initializer_options)                      \
    }
#define NUMBER(field, value) MM_OPT_F64(field, value, -INFINITY, INFINITY)
#define DISTRIBUTION                                                                   \
    {                                                                                  \
        "distribution", "shape of the distribution",                                   \
            MM_OPT_CHOICE(is_uniform, 0, distributions)                                \
    }
static const mm_option constant_options[] = {
    BASE,
    {"val", "value of weights", MM_OPT_F64_REQUIRED(a, -INFINITY, INFINITY)},
    {0},
};
static const mm_option xavier_options[] = {
    BASE,
    {"gain", "factor", NUMBER(a, 1.0)},
    DISTRIBUTION,
    {0},
};
static const mm_option normal_options[] = {
    BASE,
    {"mean", "mean of weights", NUMBER(a, 0.0)},
    {"std", "standard deviation of weights", MM_OPT_F64(b, 1.0, 0.0, INFINITY)},
    {0},
};
static const mm_option trunc_normal_options[] = {
    BASE,
    {"mean", "mean of weights", NUMBER(a, 0.0)},
    {"std", "standard deviation of weights", MM_OPT_F64(b, 1.0, 0.0, INFINITY)},
    {"a", "least value", NUMBER(low, -2.0)},
    {"b", "largest value", NUMBER(high, 2.0)},
    {0},
};
static const mm_option uniform_options[] = {
    BASE,
    {"a", "lower bound", NUMBER(a, 0.0)},
    {"b", "upper bound", NUMBER(b, 1.0)},
    {0},
};
static const mm_option kaiming_options[] = {
    BASE,
    {"a", "slope of the leaky ReLU that follows", NUMBER(a, 0.0)},
    {"mode", "which direction keeps its variance",
     MM_OPT_CHOICE(fan, MM_FAN_OUT, fans)},
    {"nonlinearity", "what follows: relu or leaky_relu",
     MM_OPT_STR(nonlinearity, "relu")},
    DISTRIBUTION,
    {0},
};
static const mm_option caffe2_xavier_options[] = {BASE, {0}};
#undef MM_OPT_STRUCT

#define INITIALIZER(id, name_, alias_, help_, init_)                                   \
    static const mm_initializer_ops id##_ops = {.apply = id##_apply,                   \
                                                .describe = id##_describe};            \
    const mm_component mmi_nn_##id##_initializer = {                                   \
        .registry = "weight_initializers",                                             \
        .name = name_,                                                                 \
        .aliases = (const char *const[]){alias_, NULL},                                \
        .help = help_,                                                                 \
        .source = "mmengine/model/weight_init.py",                                     \
        .size = sizeof(struct initializer),                                            \
        .options = id##_options,                                                       \
        .init = init_,                                                                 \
        MM_INITIALIZER(&id##_ops),                                                     \
    }

static mm_status caffe2_xavier_apply(void *self, mm_module *module)
{
    return kaiming_apply(self, module);
}

INITIALIZER(constant, "Constant", "ConstantInit", "one value", NULL);
INITIALIZER(xavier, "Xavier", "XavierInit", "variance from both fans", NULL);
INITIALIZER(normal, "Normal", "NormalInit", "normal distribution", NULL);
INITIALIZER(trunc_normal, "TruncNormal", "TruncNormalInit",
            "normal distribution between two bounds", NULL);
INITIALIZER(uniform, "Uniform", "UniformInit", "uniform distribution", NULL);
INITIALIZER(kaiming, "Kaiming", "KaimingInit", "variance from one fan, for ReLUs",
            NULL);
INITIALIZER(caffe2_xavier, "Caffe2Xavier", "Caffe2XavierInit", "Caffe2's XavierFill",
            caffe2_xavier_init);

/* --- pretrained --- */

struct pretrained {
    const char *checkpoint;
    const char *prefix;
    const char *map_location;
};

static mm_status pretrained_apply(void *self, mm_module *root)
{
    const struct pretrained *pretrained = self;

    if (pretrained->prefix == NULL) {
        mm_log(MM_LOG_INFO, "load model from: %s", pretrained->checkpoint);
    } else {
        mm_log(MM_LOG_INFO, "load %s in model from: %s", pretrained->prefix,
               pretrained->checkpoint);
    }
    return mmi_load_pretrained(root, pretrained->checkpoint, pretrained->prefix);
}

static char *pretrained_describe(const void *self)
{
    const struct pretrained *pretrained = self;

    return mm_strfmt("PretrainedInit: load from %s", pretrained->checkpoint);
}

static const mm_initializer_ops pretrained_ops = {.apply_tree = pretrained_apply,
                                                  .describe = pretrained_describe};

#define MM_OPT_STRUCT struct pretrained
static const mm_option pretrained_options[] = {
    {"checkpoint", "file with weights", MM_OPT_STR_REQUIRED(checkpoint)},
    {"prefix", "part of the file's model that is loaded: 'backbone.'",
     MM_OPT_STR(prefix, NULL)},
    {"map_location", "accepted: tensors go where the module's are",
     MM_OPT_STR(map_location, "cpu")},
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmi_nn_pretrained_initializer = {
    .registry = "weight_initializers",
    .name = "Pretrained",
    .aliases = (const char *const[]){"PretrainedInit", NULL},
    .help = "weights from a checkpoint",
    .source = "mmengine/model/weight_init.py",
    .size = sizeof(struct pretrained),
    .options = pretrained_options,
    MM_INITIALIZER(&pretrained_ops),
};
