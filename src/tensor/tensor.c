/*
 * Handles: references, memory, reading. What is called for every sample goes straight
 * to the bridge, without the dispatcher.
 */
#include "mmengine/tensor.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tensor/bridge.h"

static atomic_llong live_tensors;

void mmi_count_tensor(int change)
{
    atomic_fetch_add_explicit(&live_tensors, change, memory_order_relaxed);
}

int64_t mm_live_tensors(void)
{
    return atomic_load_explicit(&live_tensors, memory_order_relaxed);
}

void mmi_raise_no_scope(void)
{
    mm_raise(MM_ESTATE, "no scope is open to own the result of a tensor operation");
    mm_error_hint("open one with mm_scope_open() around code that runs outside of "
                  "forward, hooks and transforms");
}

bool mmi_raise_missing(const char *function, const char *name)
{
    size_t length = strlen(function);

    if (length > 5 && strcmp(function + length - 5, "_with") == 0) {
        length -= 5;
    }
    mm_raise(MM_EINVAL, "argument '%s' of %.*s is missing", name, (int)length,
             function);
    return false;
}

static void unref_handle(void *handle)
{
    mm_tensor_unref(handle);
}

mm_tensor *mmi_own(mm_tensor *made)
{
    if (made == NULL) {
        return NULL;
    }
    mmi_count_tensor(1);
    return mm_scope_own(made, unref_handle);
}

/* ---- references ---- */

mm_tensor *mm_tensor_ref(mm_tensor *tensor)
{
    if (tensor != NULL) {
        atomic_load_explicit(&mmi_torch_table, memory_order_acquire)->ref(tensor);
        mmi_count_tensor(1);
    }
    return tensor;
}

mm_tensor *mm_keep(mm_tensor *tensor)
{
    return MMI_NEED(tensor) ? mm_tensor_ref(tensor) : NULL;
}

void mm_tensor_unref(mm_tensor *tensor)
{
    if (tensor != NULL) {
        atomic_load_explicit(&mmi_torch_table, memory_order_acquire)->unref(tensor);
        mmi_count_tensor(-1);
    }
}

mm_tensor *mm_tensor_scoped(mm_tensor *tensor)
{
    return mm_scope_own(tensor, unref_handle);
}

/* ---- making ---- */

static bool has_sizes(int ndim, const int64_t *sizes)
{
    if (ndim < 0 || ndim > MM_MAX_DIM) {
        mm_raise(MM_EINVAL, "a tensor of %d dimensions; 0 to %d are possible", ndim,
                 (int)MM_MAX_DIM);
        return false;
    }
    return ndim == 0 || MMI_HAS(sizes);
}

mm_tensor *mm_empty(mm_dtype dtype, int ndim, const int64_t *sizes)
{
    const mmt_api *torch = mmi_op_begin();

    if (torch == NULL || !has_sizes(ndim, sizes)) {
        return NULL;
    }
    return mmi_own(
        torch->empty(dtype != MM_DTYPE_NONE ? dtype : MM_DTYPE_F32, ndim, sizes));
}

mm_tensor *mm_from_data(const void *data, mm_dtype dtype, int ndim,
                        const int64_t *sizes)
{
    mm_tensor *made = mm_empty(dtype, ndim, sizes);

    if (made == NULL) {
        return NULL;
    }
    size_t bytes = (size_t)mm_numel(made) * mm_dtype_size(mm_tensor_dtype(made));
    void *memory = bytes > 0 && MMI_HAS(data) ? mm_data(made, MM_DTYPE_NONE) : NULL;

    if (memory != NULL) {
        memcpy(memory, data, bytes);
    }
    return mmi_is_pending() ? NULL : made;
}

mm_tensor *mm_from_f32(const float *data, int ndim, const int64_t *sizes)
{
    return mm_from_data(data, MM_DTYPE_F32, ndim, sizes);
}

mm_tensor *mm_from_i64(const int64_t *data, int ndim, const int64_t *sizes)
{
    return mm_from_data(data, MM_DTYPE_I64, ndim, sizes);
}

mm_tensor *mm_from_memory(void *data, mm_dtype dtype, int ndim, const int64_t *sizes,
                          const int64_t *strides, void (*release)(void *user),
                          void *user)
{
    const mmt_api *torch = mmi_op_begin();

    if (torch == NULL || !has_sizes(ndim, sizes)) {
        if (release != NULL) {
            release(user);
        }
        return NULL;
    }
    return mmi_own(torch->from_memory(data,
                                      dtype != MM_DTYPE_NONE ? dtype : MM_DTYPE_F32,
                                      ndim, sizes, strides, release, user));
}

mm_tensor *mm_view_storage(mm_tensor *base, int ndim, const int64_t *sizes,
                           const int64_t *strides, int64_t storage_offset)
{
    const mmt_api *torch = mmi_op_begin();

    if (torch == NULL || !MMI_HAS(base) || !has_sizes(ndim, sizes)) {
        return NULL;
    }
    return mmi_own(torch->view_storage(base, ndim, sizes, strides, storage_offset));
}

mm_tensor *mm_scalar(double value, mm_dtype dtype)
{
    if (dtype == MM_DTYPE_F32 || dtype == MM_DTYPE_NONE) {
        float single = (float)value;
        return mm_from_data(&single, MM_DTYPE_F32, 0, NULL);
    }
    if (dtype == MM_DTYPE_F64) {
        return mm_from_data(&value, dtype, 0, NULL);
    }
    return mm_full(MM_DIMS_EMPTY, mm_number_f64(value), .dtype = dtype);
}

/* ---- reading ---- */

mm_status mm_tensor_info_get(const mm_tensor *tensor, mm_tensor_info *out)
{
    const mmt_api *torch = mmi_torch_begin();

    if (torch != NULL && MMI_HAS(tensor) && MMI_HAS(out)) {
        return torch->info(tensor, out);
    }
    return mm_pending();
}

int mm_ndim(const mm_tensor *tensor)
{
    const mmt_api *torch = mmi_torch_begin();

    return torch != NULL && MMI_HAS(tensor) ? torch->ndim(tensor) : 0;
}

bool mm_is_sparse(const mm_tensor *tensor)
{
    const mmt_api *torch = mmi_torch_begin();

    return torch != NULL && MMI_HAS(tensor) && torch->is_sparse(tensor);
}

int64_t mm_size(const mm_tensor *tensor, int dim)
{
    const mmt_api *torch = mmi_torch_begin();
    int64_t size = 0;

    if (torch == NULL || !MMI_HAS(tensor) ||
        torch->size_of(tensor, dim, &size) != MM_OK) {
        return 0;
    }
    return size;
}

int64_t mm_numel(const mm_tensor *tensor)
{
    const mmt_api *torch = mmi_torch_begin();

    return torch != NULL && MMI_HAS(tensor) ? torch->numel(tensor) : 0;
}

mm_dtype mm_tensor_dtype(const mm_tensor *tensor)
{
    const mmt_api *torch = mmi_torch_begin();

    return torch != NULL && MMI_HAS(tensor) ? torch->dtype(tensor) : MM_DTYPE_NONE;
}

void *mm_data(mm_tensor *tensor, mm_dtype dtype)
{
    const mmt_api *torch = mmi_torch_begin();

    return torch != NULL && MMI_HAS(tensor) ? torch->data(tensor, dtype) : NULL;
}

static mm_number read_item(const mm_tensor *tensor)
{
    const mmt_api *torch = mmi_torch_begin();
    mm_number number = {MM_NUMBER_NONE, {0}};

    if (torch != NULL && MMI_HAS(tensor) && torch->item(tensor, &number) != MM_OK) {
        number.kind = MM_NUMBER_NONE;
    }
    return number;
}

double mm_item(const mm_tensor *tensor)
{
    return mm_number_as_f64(read_item(tensor));
}

int64_t mm_item_i64(const mm_tensor *tensor)
{
    mm_number number = read_item(tensor);

    if (number.kind != MM_NUMBER_F64) {
        return number.u.i64;
    }
    if (!(fabs(number.u.f64) < 9223372036854775808.0)) {
        mm_raise(MM_ENUMERIC, "the number %g does not fit an int64", number.u.f64);
        return 0;
    }
    return (int64_t)number.u.f64;
}

bool mm_tensor_equal(const mm_tensor *a, const mm_tensor *b)
{
    const mmt_api *torch = mmi_torch_begin();
    bool is_equal = false;

    if (torch == NULL || !MMI_HAS(a) || !MMI_HAS(b)) {
        return false;
    }
    return torch->equal(a, b, &is_equal) == MM_OK && is_equal;
}

char *mm_tensor_describe(const mm_tensor *tensor)
{
    char text[32 * (MM_MAX_DIM + 1)] = "";
    mm_tensor_info info;
    int at = 0;

    if (mm_tensor_info_get(tensor, &info) != MM_OK) {
        return NULL;
    }
    for (int i = 0; i < info.ndim; i++) {
        at += snprintf(text + at, sizeof text - (size_t)at, "%s%" PRId64,
                       i > 0 ? ", " : "", info.sizes[i]);
    }
    return mm_strfmt("[%s] %s %s", text, mm_dtype_name(info.dtype), info.device);
}

mm_tensor *mm_set_data_(mm_tensor *x, mm_tensor *source)
{
    const mmt_api *torch = mmi_torch_begin();

    if (torch == NULL || !MMI_HAS(x) || !MMI_HAS(source) ||
        torch->set_data(x, source) != MM_OK) {
        return NULL;
    }
    return x;
}
