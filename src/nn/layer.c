/* Helpers of the layers: parameters, options with several forms, printed numbers. */
#include "nn/layer.h"

#include <inttypes.h>

mm_tensor *mmi_add_param(mm_module *module, const char *name, mm_dims sizes)
{
    mm_scope scope = mm_scope_open();
    mm_tensor *tensor = mm_empty(MM_DTYPE_F32, (int)sizes.count, sizes.data);

    tensor = mm_has_error() ? NULL : mm_module_add_param(module, name, tensor);
    mm_scope_close(scope);
    return tensor;
}

mm_tensor *mmi_add_param_full(mm_module *module, const char *name, mm_dims sizes,
                              double value)
{
    mm_tensor *tensor = mmi_add_param(module, name, sizes);

    return tensor != NULL && mm_init_constant(tensor, value) == MM_OK ? tensor : NULL;
}

mm_tensor *mmi_add_buffer_full(mm_module *module, const char *name, mm_dims sizes,
                               double value)
{
    mm_scope scope = mm_scope_open();
    mm_tensor *tensor = mm_full(sizes, mm_number_f64(value));

    tensor = mm_has_error() ? NULL : mm_module_add_buffer(module, name, tensor, true);
    mm_scope_close(scope);
    return tensor;
}

mm_status mmi_spread(mm_i64s *option, const char *name, const int64_t *fallback,
                     int count, int64_t *out)
{
    if (mm_has_error()) {
        return mm_pending();
    }
    if (option->data != NULL && option->count != 1 && option->count != (size_t)count) {
        return mm_raise(MM_EINVAL, "%s needs one int or %d, got %zu", name, count,
                        option->count);
    }
    if (option->data == NULL && fallback == NULL) {
        return mm_raise(MM_EINVAL, "%s is required", name);
    }
    for (int i = 0; i < count; i++) {
        out[i] = option->data == NULL ? fallback[i]
                                      : option->data[option->count == 1 ? 0 : i];
    }
    *option = (mm_i64s){out, (size_t)count};
    return MM_OK;
}

void mmi_str_add_tuple(mmi_str *str, const int64_t *items, int count)
{
    for (int i = 0; i < count; i++) {
        mmi_str_add(str, i == 0 ? "(" : ", ");
        mmi_str_add_i64(str, items[i]);
    }
    mmi_str_add(str, count == 1 ? ",)" : ")");
}

bool mmi_all_equal(const int64_t *items, int count, int64_t value)
{
    for (int i = 0; i < count; i++) {
        if (items[i] != value) {
            return false;
        }
    }
    return true;
}

void mmi_str_add_ints(mmi_str *str, const int64_t *items, int count)
{
    if (mmi_all_equal(items, count, items[0])) {
        mmi_str_add_i64(str, items[0]);
    } else {
        mmi_str_add_tuple(str, items, count);
    }
}

const char *mmi_bool_text(bool value)
{
    return value ? "True" : "False";
}
