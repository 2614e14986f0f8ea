/* Tensors as nested lists. */
#include "tensor/bridge.h"

/* What stands at one place, of any dtype that values can hold. */
static mm_value *element(const mm_tensor_info *info, const char *at)
{
    switch (info->dtype) {
    case MM_DTYPE_F64:
        return mm_value_new_f64(*(const double *)(const void *)at);
    case MM_DTYPE_BOOL:
        return mm_value_new_bool(*at != 0);
    default:
        return mm_value_new_i64(*(const int64_t *)(const void *)at);
    }
}

/* The elements of dimension `dim` and those below it; `at` is the first. */
static mm_value *nest(const mm_tensor_info *info, int dim, const char *at)
{
    if (dim == info->ndim) {
        return element(info, at);
    }
    mm_value *list = mm_value_new_list();
    int64_t step = info->strides[dim] * (int64_t)mm_dtype_size(info->dtype);

    for (int64_t i = 0; i < info->sizes[dim] && !mmi_is_pending(); i++) {
        mm_list_push(list, nest(info, dim + 1, at + i * step));
    }
    return list;
}

/* Three kinds of elements are enough: numbers with a point, ints, truth values. */
static mm_dtype wide(mm_dtype dtype)
{
    switch (dtype) {
    case MM_DTYPE_F16:
    case MM_DTYPE_BF16:
    case MM_DTYPE_F32:
    case MM_DTYPE_F64:
        return MM_DTYPE_F64;
    case MM_DTYPE_BOOL:
        return MM_DTYPE_BOOL;
    case MM_DTYPE_C32:
    case MM_DTYPE_C64:
    case MM_DTYPE_C128:
        return MM_DTYPE_NONE;
    default:
        return MM_DTYPE_I64;
    }
}

mm_value *mm_tensor_to_list(mm_tensor *tensor)
{
    mm_dtype dtype = MMI_NEED(tensor) ? wide(mm_tensor_dtype(tensor)) : MM_DTYPE_NONE;
    mm_scope scope = mm_scope_open();
    mm_tensor_info info;
    mm_value *value = NULL;

    if (!mmi_is_pending() && dtype == MM_DTYPE_NONE) {
        mm_raise(MM_EUNSUPPORTED, "complex tensors have no form as lists");
    }
    if (!mmi_is_pending() &&
        mm_tensor_info_get(mm_to(mm_detach(tensor), .device = "cpu", .dtype = dtype),
                           &info) == MM_OK) {
        value = nest(&info, 0, info.data);
    }
    mm_scope_close(scope);
    if (mmi_is_pending()) {
        mm_value_unref(value);
        return NULL;
    }
    return value;
}
