/* LeNet-5 for grey images of 32 by 32. Source: mmpretrain/models/backbones/lenet.py. */
#include "mmengine/nn.h"

struct lenet {
    int64_t num_classes;
    mm_module *features;   /* child */
    mm_module *classifier; /* child, or NULL */
};

static mm_status lenet_init(void *data)
{
    struct lenet *self = data;
    mm_module *module = mm_module_of(self);
    mm_module *features =
        mm_nn_sequential(mm_nn_conv2d(1, 6, 5), mm_nn_tanh(), mm_nn_avg_pool2d(2),
                         mm_nn_conv2d(6, 16, 5), mm_nn_tanh(), mm_nn_avg_pool2d(2),
                         mm_nn_conv2d(16, 120, 5), mm_nn_tanh());

    self->features = mm_module_add(module, "features", mm_nn_plain(features));
    if (self->num_classes > 0 && !mm_has_error()) {
        mm_module *classifier = mm_nn_sequential(mm_nn_linear(120, 84), mm_nn_tanh(),
                                                 mm_nn_linear(84, self->num_classes));

        self->classifier = mm_module_add(module, "classifier", mm_nn_plain(classifier));
    }
    return mm_pending();
}

/* MMPretrain squeezes, which loses the batch where it is one sample; here it stays. */
static mm_value *lenet_call(void *data, mm_value *args)
{
    const struct lenet *self = data;
    mm_tensor *x = mm_value_tensor(mm_list_get(args, 0));

    x = x != NULL ? mm_module_forward(self->features, x) : NULL;
    if (x != NULL && self->classifier != NULL) {
        x = mm_module_forward(self->classifier, mm_flatten(x, 1, -1));
    }
    mm_value *out = mm_scoped(mm_value_new_tuple());

    mm_list_push(out, x != NULL ? mm_value_new_tensor(x) : NULL);
    return mm_has_error() ? NULL : out;
}

static const mm_module_ops ops = {.call = lenet_call};

#define MM_OPT_STRUCT struct lenet
static const mm_option options[] = {
    {"num_classes", "size of the classifier's output; -1: features only",
     MM_OPT_I64(num_classes, -1, -1, INT64_MAX)},
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmz_lenet5 = {
    .registry = "models",
    .scope = "mmpretrain",
    .name = "LeNet5",
    .help = "LeNet-5 backbone for grey images of 32 by 32",
    .source = "mmpretrain/models/backbones/lenet.py",
    .size = sizeof(struct lenet),
    .options = options,
    .init = lenet_init,
    MM_MODULE(&ops),
};
