/* MLP: fully connected layers with ReLU and dropout between them, for flat inputs and
 * small images. As a backbone of an ImageClassifier it returns a tuple of one tensor:
 * logits with `num_classes`, the last hidden layer without. */
#include "mmengine/nn.h"

struct mlp {
    int64_t in_features;
    mm_i64s hidden_sizes;
    int64_t num_classes;
    double dropout;
    mm_module *layers; /* child */
};

static mm_status add_layer(mm_module *layers, mm_module *layer)
{
    return mm_nn_append(layers, layer) != NULL ? MM_OK : mm_pending();
}

static mm_status mlp_init(void *data)
{
    struct mlp *self = data;
    mm_module *layers = mm_nn_plain(mm_nn_sequential_of(NULL, 0));
    int64_t size = self->in_features;

    self->layers = mm_module_add(mm_module_of(self), "layers", layers);
    for (size_t i = 0; i < self->hidden_sizes.count && !mm_has_error(); i++) {
        add_layer(layers, mm_nn_linear(size, self->hidden_sizes.data[i]));
        add_layer(layers, mm_nn_relu());
        if (self->dropout > 0.0) {
            add_layer(layers, mm_nn_dropout(self->dropout));
        }
        size = self->hidden_sizes.data[i];
    }
    if (self->num_classes > 0 && !mm_has_error()) {
        add_layer(layers, mm_nn_linear(size, self->num_classes));
    }
    return mm_pending();
}

static mm_value *mlp_call(void *data, mm_value *args)
{
    const struct mlp *self = data;
    mm_tensor *x = mm_value_tensor(mm_list_get(args, 0));

    if (x != NULL && mm_ndim(x) > 2) {
        x = mm_flatten(x, 1, -1);
    }
    mm_tensor *y = x != NULL ? mm_module_forward(self->layers, x) : NULL;
    mm_value *out = mm_scoped(mm_value_new_tuple());

    mm_list_push(out, y != NULL ? mm_value_new_tensor(y) : NULL);
    return mm_has_error() ? NULL : out;
}

static const mm_module_ops ops = {.call = mlp_call};

#define MM_OPT_STRUCT struct mlp
static const mm_option options[] = {
    {"in_features", "elements of a sample", MM_OPT_I64(in_features, 784, 1, INT64_MAX)},
    {"hidden_sizes", "sizes of the hidden layers", MM_OPT_I64S(hidden_sizes, "(256,)")},
    {"num_classes", "size of a last layer of logits; -1: no such layer",
     MM_OPT_I64(num_classes, -1, -1, INT64_MAX)},
    {"dropout", "probability of a zero behind each hidden layer",
     MM_OPT_F64(dropout, 0.0, 0.0, 1.0)},
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmz_mlp = {
    .registry = "models",
    .name = "MLP",
    .help = "fully connected layers, as a backbone",
    .size = sizeof(struct mlp),
    .options = options,
    .init = mlp_init,
    MM_MODULE(&ops),
};
