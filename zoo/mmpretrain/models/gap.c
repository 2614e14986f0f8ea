/* GlobalAveragePooling: the mean of each channel, of every feature map it is given.
 * Source: mmpretrain/models/necks/gap.py. */
#include "mmengine/nn.h"

struct gap {
    int64_t dim;
};

static mm_status gap_init(void *data)
{
    const struct gap *self = data;
    static const char *const types[] = {"AdaptiveAvgPool1d", NULL, "AdaptiveAvgPool3d"};
    mm_module *pool = NULL;

    if (self->dim == 2) {
        pool = mm_nn_adaptive_avg_pool2d(1, 1);
    } else {
        mm_value *config = mm_value_new_dict();

        mm_dict_put_str(config, "type", types[self->dim - 1]);
        mm_dict_put_i64(config, "output_size", 1);
        pool = mm_module_build(config, "mmengine", "gap");
        mm_value_unref(config);
    }
    mm_module_add(mm_module_of(self), "gap", pool);
    return mm_pending();
}

static mm_tensor *pool_one(mm_module *module, mm_tensor *x)
{
    mm_tensor *y = mm_module_forward(mm_module_child(module, 0), x);

    return y != NULL ? mm_view(y, MM_DIMS(mm_size(x, 0), -1)) : NULL;
}

static mm_value *gap_call(void *data, mm_value *args)
{
    mm_module *module = mm_module_of(data);
    mm_value *input = mm_list_get(args, 0);
    mm_tensor *tensor = mm_value_find_tensor(input);

    if (tensor != NULL) {
        mm_tensor *y = pool_one(module, tensor);

        return y != NULL ? mm_scoped(mm_value_new_tensor(y)) : NULL;
    }
    if (mm_value_kind(input) != MM_KIND_TUPLE) {
        mm_raise(MM_ETYPE, "a neck takes a tensor or a tuple of them, got %s",
                 mm_value_type_name(input));
        return NULL;
    }
    mm_value *out = mm_scoped(mm_value_new_tuple());

    for (size_t i = 0; i < mm_value_len(input) && !mm_has_error(); i++) {
        mm_tensor *y = pool_one(module, mm_value_tensor(mm_list_get(input, i)));

        mm_list_push(out, y != NULL ? mm_value_new_tensor(y) : NULL);
    }
    return mm_has_error() ? NULL : out;
}

static const mm_module_ops ops = {.call = gap_call};

#define MM_OPT_STRUCT struct gap
static const mm_option options[] = {
    {"dim", "dimensions of a feature map", MM_OPT_I64(dim, 2, 1, 3)},
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmz_global_average_pooling = {
    .registry = "models",
    .scope = "mmpretrain",
    .name = "GlobalAveragePooling",
    .help = "mean of each channel",
    .source = "mmpretrain/models/necks/gap.py",
    .size = sizeof(struct gap),
    .options = options,
    .init = gap_init,
    MM_MODULE(&ops),
};
