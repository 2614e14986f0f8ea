/* DropPath: stochastic depth. One number is drawn per sample; dropped samples become
 * zero, the others are scaled. Source: mmcv/cnn/bricks/drop.py. */
#include "mmcv/bricks.h"

struct drop_path {
    double drop_prob;
};

static mm_tensor *drop_path_forward(void *data, mm_tensor *x)
{
    const struct drop_path *self = data;
    double keep = 1.0 - self->drop_prob;
    mm_tensor_info info;

    if (self->drop_prob == 0.0 || !mm_module_is_training(mm_module_of(self)) ||
        mm_tensor_info_get(x, &info) != MM_OK) {
        return x;
    }
    int64_t sizes[MM_MAX_DIM];

    for (int i = 0; i < info.ndim; i++) {
        sizes[i] = i == 0 ? info.sizes[0] : 1;
    }
    mm_tensor *draw = mm_rand(MM_DIMS_N(sizes, info.ndim), .dtype = info.dtype,
                              .device = info.device);
    mm_tensor *mask = mm_floor_(mm_add_scalar(draw, keep));

    return mm_mul(mm_div_scalar(x, keep), mask);
}

static const mm_module_ops ops = {.forward = drop_path_forward};

#define MM_OPT_STRUCT struct drop_path
static const mm_option options[] = {
    {"drop_prob", "probability that a sample's branch is dropped",
     MM_OPT_F64(drop_prob, 0.1, 0.0, 1.0)},
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmz_drop_path = {
    .registry = "models",
    .name = "DropPath",
    .help = "drops the branch of whole samples while training",
    .source = "mmcv/cnn/bricks/drop.py",
    .size = sizeof(struct drop_path),
    .options = options,
    MM_MODULE(&ops),
};

mm_module *mmz_drop_path_new(double drop_prob)
{
    mm_instance *instance = mm_instance_new(&mmz_drop_path);
    struct drop_path *self = mm_instance_self(instance);

    if (self != NULL) {
        self->drop_prob = drop_prob;
    }
    return mm_module_start(instance);
}
