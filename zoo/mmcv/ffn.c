/* FFN: linear layers with activations and the skip around them; LayerScale, a learned
 * factor for each channel. Source: mmcv/cnn/bricks/transformer.py, scale.py. */
#include "mmcv/bricks.h"

/* --- layer scale --- */

struct layer_scale {
    int64_t dim;
    double scale;
    mm_tensor *weight; /* of the module */
};

static mm_status layer_scale_init(void *data)
{
    struct layer_scale *self = data;

    self->weight =
        mmz_add_param(mm_module_of(self), "weight", MM_DIMS(self->dim), self->scale);
    return mm_pending();
}

static mm_tensor *layer_scale_forward(void *data, mm_tensor *x)
{
    const struct layer_scale *self = data;

    return mm_mul(x, self->weight);
}

static const mm_module_ops layer_scale_ops = {.forward = layer_scale_forward};

#define MM_OPT_STRUCT struct layer_scale
static const mm_option layer_scale_options[] = {
    {"dim", "number of channels", MM_OPT_I64_REQUIRED(dim, 1, INT64_MAX)},
    {"scale", "first value of the factors", MM_OPT_F64(scale, 1e-5, -1e308, 1e308)},
    {0},
};
#undef MM_OPT_STRUCT

/* Not in the table: configs name the layers that have it. */
static const mm_component layer_scale = {
    .registry = "models",
    .name = "LayerScale",
    .help = "a learned factor for each channel",
    .source = "mmcv/cnn/bricks/scale.py",
    .size = sizeof(struct layer_scale),
    .options = layer_scale_options,
    .init = layer_scale_init,
    MM_MODULE(&layer_scale_ops),
};

mm_module *mmz_layer_scale_new(int64_t dim, double scale)
{
    mm_instance *instance = mm_instance_new(&layer_scale);
    struct layer_scale *self = mm_instance_self(instance);

    if (self != NULL) {
        self->dim = dim;
        self->scale = scale;
    }
    return mm_module_start(instance);
}

mm_module *mmz_layer_scale_or_identity(int64_t dim, double scale)
{
    return scale > 0.0 ? mmz_layer_scale_new(dim, scale) : mm_nn_identity();
}

/* --- FFN --- */

struct ffn {
    int64_t embed_dims;
    int64_t feedforward_channels;
    int64_t num_fcs;
    mm_value *act_cfg;
    double ffn_drop;
    mm_instance *dropout_instance; /* NULL: none */
    bool add_identity;
    double layer_scale_init_value;
    mm_module *layers; /* children */
    mm_module *dropout_layer;
    mm_module *gamma;
};

static mm_module *make_activation(const struct ffn *self)
{
    if (self->act_cfg != NULL) {
        return mm_module_build(self->act_cfg, NULL, "act_cfg");
    }
    mm_value *cfg = mm_value_new_dict();

    mm_dict_put_str(cfg, "type", "ReLU");
    mm_dict_put_bool(cfg, "inplace", true);
    mm_module *act = mm_module_build(cfg, NULL, "act_cfg");

    mm_value_unref(cfg);
    return act;
}

static mm_module *make_layers(const struct ffn *self)
{
    mm_module *layers = mm_nn_sequential_of(NULL, 0);
    int64_t in = self->embed_dims;

    for (int64_t i = 0; i < self->num_fcs - 1 && !mm_has_error(); i++) {
        mm_module *inner = mm_nn_append(layers, mm_nn_sequential_of(NULL, 0));

        mm_nn_append(inner, mm_nn_linear(in, self->feedforward_channels));
        mm_nn_append(inner, make_activation(self));
        mm_nn_append(inner, mm_nn_dropout(self->ffn_drop));
        in = self->feedforward_channels;
    }
    mm_nn_append(layers, mm_nn_linear(self->feedforward_channels, self->embed_dims));
    mm_nn_append(layers, mm_nn_dropout(self->ffn_drop));
    return layers;
}

static mm_status ffn_init(void *data)
{
    struct ffn *self = data;
    mm_module *module = mm_module_of(self);

    self->layers = mm_module_add(module, "layers", make_layers(self));
    self->dropout_layer =
        self->dropout_instance != NULL
            ? mm_module_add_instance(module, "dropout_layer", self->dropout_instance)
            : mm_module_add(module, "dropout_layer", mm_nn_identity());
    self->gamma = mm_module_add(
        module, "gamma2",
        mmz_layer_scale_or_identity(self->embed_dims, self->layer_scale_init_value));
    return mm_pending();
}

/* One argument: x; a second is what the skip adds in its place. */
static mm_value *ffn_call(void *data, mm_value *args)
{
    const struct ffn *self = data;
    mm_tensor *x = mm_value_tensor(mm_list_get(args, 0));
    mm_tensor *identity =
        mm_value_len(args) > 1 ? mm_value_tensor(mm_list_get(args, 1)) : x;
    mm_tensor *out = mm_module_forward(self->layers, x);

    out = mm_module_forward(self->dropout_layer, mm_module_forward(self->gamma, out));
    if (self->add_identity) {
        out = mm_add(identity, out);
    }
    return out != NULL ? mm_scoped(mm_value_new_tensor(out)) : NULL;
}

static const mm_module_ops ffn_ops = {.call = ffn_call};

#define MM_OPT_STRUCT struct ffn
static const mm_option ffn_options[] = {
    {"embed_dims", "size of input and output",
     MM_OPT_I64(embed_dims, 256, 1, INT64_MAX)},
    {"feedforward_channels", "size between the linear layers",
     MM_OPT_I64(feedforward_channels, 1024, 1, INT64_MAX)},
    {"num_fcs", "number of linear layers", MM_OPT_I64(num_fcs, 2, 2, INT64_MAX)},
    {"act_cfg", "config of activations; default ReLU", MM_OPT_VALUE(act_cfg)},
    {"ffn_drop", "probability of zeroing an element behind a linear layer",
     MM_OPT_F64(ffn_drop, 0.0, 0.0, 1.0)},
    {"dropout_layer", "config of what drops before the skip; None: nothing",
     MM_OPT_BUILD(dropout_instance, "models")},
    {"add_identity", "add the skip", MM_OPT_BOOL(add_identity, true)},
    {"layer_scale_init_value", "first factor of each channel; 0: no factors",
     MM_OPT_F64(layer_scale_init_value, 0.0, 0.0, 1e308)},
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmz_ffn = {
    .registry = "models",
    .name = "FFN",
    .help = "linear layers with activations and the skip around them",
    .source = "mmcv/cnn/bricks/transformer.py",
    .size = sizeof(struct ffn),
    .options = ffn_options,
    .init = ffn_init,
    MM_MODULE(&ffn_ops),
};
