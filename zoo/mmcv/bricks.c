/* MMCV's builders. A layer config lacks what the model knows (channels, sizes); that is
 * added to a copy, which then goes the usual way through the registry. */
#include "mmcv/bricks.h"

#include <stdio.h>
#include <string.h>

static mm_value *copy_of(mm_value *cfg, const char *what)
{
    if (mm_value_kind(cfg) != MM_KIND_DICT) {
        mm_raise(MM_ETYPE, "could not build a layer: %s must be a dict, got %s", what,
                 mm_value_type_name(cfg));
        return NULL;
    }
    return mm_value_copy(cfg);
}

static void put_default_i64(mm_value *cfg, const char *key, int64_t value)
{
    if (!mm_dict_has(cfg, key)) {
        mm_dict_put_i64(cfg, key, value);
    }
}

mm_module *mmz_build_conv(mm_value *cfg, const mmz_conv_args *args)
{
    int64_t stride = args->stride != 0 ? args->stride : 1;
    int64_t dilation = args->dilation != 0 ? args->dilation : 1;
    int64_t groups = args->groups != 0 ? args->groups : 1;

    if (mm_value_is_none(cfg)) {
        return mm_nn_conv2d(
            args->in_channels, args->out_channels, args->kernel_size,
            .stride = {stride, stride}, .padding = {args->padding, args->padding},
            .dilation = {dilation, dilation}, .groups = groups, .no_bias = !args->bias);
    }
    mm_value *copy = copy_of(cfg, "conv_cfg");

    if (copy == NULL) {
        return NULL;
    }
    mm_dict_put_i64(copy, "in_channels", args->in_channels);
    mm_dict_put_i64(copy, "out_channels", args->out_channels);
    mm_dict_put_i64(copy, "kernel_size", args->kernel_size);
    put_default_i64(copy, "stride", stride);
    put_default_i64(copy, "padding", args->padding);
    put_default_i64(copy, "dilation", dilation);
    put_default_i64(copy, "groups", groups);
    if (!mm_dict_has(copy, "bias")) {
        mm_dict_put_bool(copy, "bias", args->bias);
    }
    mm_module *conv = mm_module_build(copy, NULL, "conv_cfg");

    mm_value_unref(copy);
    return conv;
}

/* MMCV's short names of normalisation layers. */
static const char *norm_name(const char *type)
{
    if (strstr(type, "Batch") != NULL || strstr(type, "BN") != NULL) {
        return "bn";
    }
    if (strcmp(type, "GroupNorm") == 0 || strcmp(type, "GN") == 0) {
        return "gn";
    }
    if (strcmp(type, "LayerNorm") == 0 || strcmp(type, "LN") == 0) {
        return "ln";
    }
    return strstr(type, "Instance") != NULL ? "in" : "norm_layer";
}

static const char *size_key(const char *name)
{
    if (strcmp(name, "gn") == 0) {
        return "num_channels";
    }
    return strcmp(name, "ln") == 0 ? "normalized_shape" : "num_features";
}

mm_module *mmz_build_norm(mm_value *cfg, int64_t num_features, int postfix,
                          char *out_name)
{
    mm_value *copy = copy_of(cfg, "norm_cfg");
    const mm_value *type = copy != NULL ? mm_dict_get(copy, "type") : NULL;

    if (mm_value_kind(type) != MM_KIND_STR) {
        mm_raise(MM_ETYPE, "could not build a layer: norm_cfg needs a 'type'");
        mm_value_unref(copy);
        return NULL;
    }
    const char *name = norm_name(mm_value_str(type));
    const mm_value *grad = mm_dict_find(copy, "requires_grad");
    bool requires_grad = grad == NULL || mm_value_is_true(grad);

    (void)snprintf(out_name, 16, postfix > 0 ? "%s%d" : "%s", name, postfix);
    mm_dict_remove(copy, "requires_grad");
    mm_dict_put_i64(copy, size_key(name), num_features);
    mm_module *norm = mm_module_build(copy, NULL, "norm_cfg");

    mm_value_unref(copy);
    if (norm != NULL && mm_module_requires_grad(norm, requires_grad) != MM_OK) {
        mm_module_unref(norm);
        return NULL;
    }
    return norm;
}

mm_module *mmz_build_activation(mm_value *cfg, bool inplace)
{
    static const char *const without[] = {"Tanh",  "PReLU", "Sigmoid", "HSigmoid",
                                          "Swish", "GELU",  NULL};
    mm_value *copy = copy_of(cfg, "act_cfg");
    const mm_value *type = copy != NULL ? mm_dict_find(copy, "type") : NULL;
    bool takes_inplace = mm_value_kind(type) == MM_KIND_STR;

    if (copy == NULL) {
        return NULL;
    }
    for (int i = 0; takes_inplace && without[i] != NULL; i++) {
        takes_inplace = strcmp(mm_value_str(type), without[i]) != 0;
    }
    if (takes_inplace && !mm_dict_has(copy, "inplace")) {
        mm_dict_put_bool(copy, "inplace", inplace);
    }
    mm_module *act = mm_module_build(copy, NULL, "act_cfg");

    mm_value_unref(copy);
    return act;
}

mm_value *mmz_norm_cfg(mm_value *given)
{
    if (!mm_value_is_none(given)) {
        return mm_value_ref(given);
    }
    mm_value *cfg = mm_value_new_dict();

    mm_dict_put_str(cfg, "type", "BN");
    mm_dict_put_bool(cfg, "requires_grad", true);
    return cfg;
}

bool mmz_is_batch_norm(const mm_module *module)
{
    return strstr(mm_module_type(module), "BatchNorm") != NULL;
}

mm_status mmz_constant_init(mm_module *module, double weight, double bias)
{
    mm_tensor *w = mm_module_find_tensor(module, "weight");
    mm_tensor *b = mm_module_find_tensor(module, "bias");

    if (w != NULL && mm_init_constant(w, weight) != MM_OK) {
        return mm_pending();
    }
    return b != NULL ? mm_init_constant(b, bias) : mm_pending();
}

mm_status mmz_kaiming_init(mm_module *module, const char *nonlinearity, double a)
{
    mm_tensor *w = mm_module_find_tensor(module, "weight");
    mm_tensor *b = mm_module_find_tensor(module, "bias");

    if (w != NULL && mm_init_kaiming(w, a, MM_FAN_OUT, nonlinearity, false) != MM_OK) {
        return mm_pending();
    }
    return b != NULL ? mm_init_constant(b, 0.0) : mm_pending();
}

mm_tensor *mmz_add_param(mm_module *module, const char *name, mm_dims sizes,
                         double value)
{
    mm_scope scope = mm_scope_open();
    mm_tensor *tensor = mm_full(sizes, mm_number_f64(value));

    tensor = mm_has_error() ? NULL : mm_module_add_param(module, name, tensor);
    mm_scope_close(scope);
    return tensor;
}

mm_status mmz_merge(mm_value *into, const mm_value *from, const char *what)
{
    if (mm_value_is_none(from) || mm_has_error()) {
        return mm_pending();
    }
    if (mm_value_kind(from) != MM_KIND_DICT) {
        return mm_raise(MM_ETYPE, "%s must be a dict, got %s", what,
                        mm_value_type_name(from));
    }
    for (size_t i = 0; i < mm_value_len(from) && !mm_has_error(); i++) {
        const char *key = mm_dict_name_at(from, i);
        const mm_source *source = mm_dict_source_at(from, i);

        if (key == NULL) {
            return mm_raise(MM_ETYPE, "a key of %s is no string", what);
        }
        mm_dict_put(into, key, mm_dict_at(from, i));
        if (source != NULL) {
            mm_dict_set_source(into, key, *source);
        }
    }
    return mm_pending();
}
