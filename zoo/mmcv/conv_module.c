/* ConvModule: convolution, normalisation and activation under MMCV's names "conv", "bn"
 * and "activate". As MMCV's, it draws the weights of its convolution a second time when
 * it is made, and again in init_weights. Source: mmcv/cnn/bricks/conv_module.py. */
#include <string.h>

#include "mmcv/bricks.h"

struct conv_module {
    mmz_conv_args conv_args;
    int with_bias; /* of BIAS_ */
    mm_value *conv_cfg;
    mm_value *norm_cfg;
    mm_value *act_cfg; /* NULL: {type: ReLU}, unless the config says None */
    bool inplace;
    mm_module *conv;     /* children */
    mm_module *norm;     /* or NULL */
    mm_module *activate; /* or NULL */
    const char *nonlinearity;
    double slope;
};

enum { BIAS_AUTO, BIAS_FALSE, BIAS_TRUE };

static const mm_choice bias_choices[] = {
    {"auto", BIAS_AUTO, "unless a normalisation follows"},
    {"False", BIAS_FALSE, "never"},
    {"True", BIAS_TRUE, "always"},
    {0},
};

static mm_value *relu_cfg(void)
{
    mm_value *cfg = mm_value_new_dict();

    mm_dict_put_str(cfg, "type", "ReLU");
    return cfg;
}

static void add_activation(struct conv_module *self, mm_module *module)
{
    mm_value *config = mm_instance_config(mm_instance_of(self));
    bool is_none =
        self->act_cfg == NULL && config != NULL && mm_dict_has(config, "act_cfg");

    self->nonlinearity = "relu";
    if (is_none) {
        return;
    }
    mm_value *cfg = self->act_cfg != NULL ? mm_value_ref(self->act_cfg) : relu_cfg();
    const mm_value *type = mm_dict_find(cfg, "type");

    self->activate =
        mm_module_add(module, "activate", mmz_build_activation(cfg, self->inplace));
    if (mm_value_kind(type) == MM_KIND_STR &&
        strcmp(mm_value_str(type), "LeakyReLU") == 0) {
        const mm_value *slope = mm_dict_find(cfg, "negative_slope");

        self->nonlinearity = "leaky_relu";
        self->slope = slope != NULL ? mm_value_f64(slope) : 0.01;
    }
    mm_value_unref(cfg);
}

static mm_status draw_weights(void *data)
{
    struct conv_module *self = data;

    if (mmz_kaiming_init(self->conv, self->nonlinearity, self->slope) != MM_OK ||
        self->norm == NULL) {
        return mm_pending();
    }
    return mmz_constant_init(self->norm, 1.0, 0.0);
}

static mm_status conv_module_init(void *data)
{
    struct conv_module *self = data;
    mm_module *module = mm_module_of(self);
    char name[16];

    mm_value_ref(self->conv_cfg); /* from C they are only lent */
    mm_value_ref(self->norm_cfg);
    mm_value_ref(self->act_cfg);
    self->conv_args.bias = self->with_bias == BIAS_TRUE ||
                           (self->with_bias == BIAS_AUTO && self->norm_cfg == NULL);
    self->conv =
        mm_module_add(module, "conv", mmz_build_conv(self->conv_cfg, &self->conv_args));
    if (self->norm_cfg != NULL && !mm_has_error()) {
        mm_module *norm =
            mmz_build_norm(self->norm_cfg, self->conv_args.out_channels, 0, name);

        self->norm = mm_module_add(module, norm != NULL ? name : "norm", norm);
    }
    if (!mm_has_error()) {
        add_activation(self, module);
    }
    return mm_has_error() ? mm_pending() : draw_weights(self);
}

static void conv_module_deinit(void *data)
{
    struct conv_module *self = data;

    mm_value_unref(self->conv_cfg);
    mm_value_unref(self->norm_cfg);
    mm_value_unref(self->act_cfg);
}

static mm_tensor *conv_module_forward(void *data, mm_tensor *x)
{
    const struct conv_module *self = data;

    x = mm_module_forward(self->conv, x);
    if (self->norm != NULL) {
        x = mm_module_forward(self->norm, x);
    }
    return self->activate != NULL ? mm_module_forward(self->activate, x) : x;
}

static const mm_module_ops ops = {.forward = conv_module_forward,
                                  .init_weights = draw_weights};

#define MM_OPT_STRUCT struct conv_module
static const mm_option options[] = {
    {"in_channels", "channels of the input",
     MM_OPT_I64_REQUIRED(conv_args.in_channels, 1, INT64_MAX)},
    {"out_channels", "channels of the output",
     MM_OPT_I64_REQUIRED(conv_args.out_channels, 1, INT64_MAX)},
    {"kernel_size", "size of the kernel",
     MM_OPT_I64_REQUIRED(conv_args.kernel_size, 1, INT64_MAX)},
    {"stride", "step of the kernel", MM_OPT_I64(conv_args.stride, 1, 1, INT64_MAX)},
    {"padding", "zeros at each border", MM_OPT_I64(conv_args.padding, 0, 0, INT64_MAX)},
    {"dilation", "distance between kernel elements",
     MM_OPT_I64(conv_args.dilation, 1, 1, INT64_MAX)},
    {"groups", "blocks of channels that do not mix",
     MM_OPT_I64(conv_args.groups, 1, 1, INT64_MAX)},
    {"bias", "offset of the convolution",
     MM_OPT_CHOICE(with_bias, BIAS_AUTO, bias_choices)},
    {"conv_cfg", "config of the convolution; None: Conv2d", MM_OPT_VALUE(conv_cfg)},
    {"norm_cfg", "config of the normalisation; None: none", MM_OPT_VALUE(norm_cfg)},
    {"act_cfg", "config of the activation; None: none; default ReLU",
     MM_OPT_VALUE(act_cfg)},
    {"inplace", "the activation writes into its input", MM_OPT_BOOL(inplace, true)},
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmz_conv_module = {
    .registry = "models",
    .name = "ConvModule",
    .help = "convolution, normalisation and activation",
    .source = "mmcv/cnn/bricks/conv_module.py",
    .size = sizeof(struct conv_module),
    .options = options,
    .init = conv_module_init,
    .deinit = conv_module_deinit,
    MM_MODULE(&ops),
};

mm_module *mmz_conv_module_new(const mmz_conv_args *args, mm_value *conv_cfg,
                               mm_value *norm_cfg)
{
    mm_instance *instance = mm_instance_new(&mmz_conv_module);
    struct conv_module *self = mm_instance_self(instance);

    if (self != NULL) {
        self->conv_args = *args;
        self->conv_cfg = conv_cfg;
        self->norm_cfg = norm_cfg;
    }
    return mm_module_start(instance);
}
