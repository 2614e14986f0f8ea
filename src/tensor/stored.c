/* Tensors in files: descriptions of bytes out of tensors and back. */
#include "tensor/stored.h"

#include <string.h>

#include "fileio/pickle.h"
#include "mmengine/ops.h"

bool mmi_describe_tensor(const mm_tensor *tensor, mm_pth_tensor *out, bool *out_is_cpu)
{
    mm_tensor_info info;

    if (mm_tensor_info_get(tensor, &info) < 0)
        return false;
    *out = (mm_pth_tensor){
        .dtype = info.dtype,
        .ndim = info.ndim,
        .offset = info.storage_offset,
        .memory = info.storage,
        .memory_bytes = info.storage_bytes,
    };
    memcpy(out->sizes, info.sizes, sizeof(out->sizes));
    memcpy(out->strides, info.strides, sizeof(out->strides));
    *out_is_cpu = info.is_cpu;
    return true;
}

bool mmi_stored_describe(void *user, const mm_value *object, mm_pth_tensor *out)
{
    mm_tensor *tensor = mm_value_find_tensor(object);
    bool is_cpu = true;
    (void)user;

    if (tensor == NULL || !mmi_describe_tensor(tensor, out, &is_cpu))
        return false;
    if (is_cpu)
        return true;
    tensor = mm_to(tensor, .device = "cpu");
    return tensor != NULL && mmi_describe_tensor(tensor, out, &is_cpu);
}

static void release_storage(void *storage)
{
    mm_pth_storage_unref(storage);
}

/* The tensor over the storage's bytes, in the open scope. */
static mm_tensor *view_of(const mm_pth_tensor *tensor)
{
    const char *data = mm_pth_storage_data(tensor->storage);

    if (data == NULL)
        return NULL;
    const char *first = data + (size_t)tensor->offset * mm_dtype_size(tensor->dtype);

    return mm_from_memory((void *)(uintptr_t)first, tensor->dtype, tensor->ndim,
                          tensor->sizes, tensor->strides, release_storage,
                          mm_pth_storage_ref(tensor->storage));
}

mm_value *mmi_stored_view(void *user, const mm_pth_tensor *tensor)
{
    mm_scope scope = mm_scope_open();
    mm_tensor *view = view_of(tensor);
    mm_value *value = view == NULL ? NULL : mm_value_new_tensor(view);
    (void)user;

    mm_scope_close(scope);
    return value;
}

mm_value *mmi_stored_copy(void *user, const mm_pth_tensor *tensor)
{
    mm_scope scope = mm_scope_open();
    mm_tensor *view = view_of(tensor);
    mm_value *value = view == NULL ? NULL : mm_value_new_tensor(mm_clone(view));
    (void)user;

    mm_scope_close(scope);
    return value;
}

/* --- NumPy arrays inside pickles --- */

static mm_dtype dtype_of(const mmi_numpy *array)
{
    static const struct {
        char kind;
        size_t size;
        mm_dtype dtype;
    } known[] = {
        {'f', 2, MM_DTYPE_F16}, {'f', 4, MM_DTYPE_F32}, {'f', 8, MM_DTYPE_F64},
        {'i', 1, MM_DTYPE_I8},  {'i', 2, MM_DTYPE_I16}, {'i', 4, MM_DTYPE_I32},
        {'i', 8, MM_DTYPE_I64}, {'u', 1, MM_DTYPE_U8},  {'b', 1, MM_DTYPE_BOOL},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (known[i].kind == array->kind && known[i].size == array->item_size)
            return known[i].dtype;
    return MM_DTYPE_NONE;
}

/* Strides of its bytes in memory. */
static void strides_of(const mmi_numpy *array, int64_t *strides)
{
    int64_t step = 1;

    for (int i = 0; i < array->ndim; i++) {
        int d = array->is_fortran ? i : array->ndim - 1 - i;

        strides[d] = step;
        step *= array->sizes[d];
    }
}

/* A tensor for an array, a number for a scalar; yours. NULL without an error: it has no
 * counterpart. */
static mm_value *from_numpy(const mmi_numpy *array)
{
    mm_dtype dtype = dtype_of(array);
    int64_t strides[8];

    if (array->is_scalar && array->kind != 'f')
        return mm_value_new_i64((int64_t)mmi_numpy_f64(array, 0));
    if (array->is_scalar)
        return mm_value_new_f64(mmi_numpy_f64(array, 0));
    if (dtype == MM_DTYPE_NONE || (array->is_big_endian && array->item_size > 1))
        return NULL;
    strides_of(array, strides);
    mm_scope scope = mm_scope_open();
    mm_tensor *view = mm_from_memory((void *)(uintptr_t)array->data, dtype, array->ndim,
                                     array->sizes, strides, NULL, NULL);
    mm_value *value =
        mm_value_new_tensor(mm_contiguous(mm_clone(view), MM_FORMAT_CONTIGUOUS));

    mm_scope_close(scope);
    return value;
}

mm_value *mmi_stored_numpy(const mm_value *value)
{
    const mmi_node *node = mmi_node_find(value);
    mmi_numpy array;

    return node != NULL && mmi_numpy_find(node, &array) ? from_numpy(&array) : NULL;
}
