/* Tensors in files: descriptions of bytes out of tensors and back. */
#include "tensor/stored.h"

#include <string.h>

#include "mmengine/ops.h"

bool mmi_stored_describe(void *user, const mm_value *object, mm_pth_tensor *out)
{
    mm_tensor *tensor = mm_value_find_tensor(object);
    mm_tensor_info info;

    (void)user;
    if (tensor == NULL || mm_tensor_info_get(tensor, &info) < 0) {
        return false;
    }
    if (!info.is_cpu) {
        tensor = mm_to(tensor, .device = "cpu");
        if (tensor == NULL || mm_tensor_info_get(tensor, &info) < 0) {
            return false;
        }
    }
    *out = (mm_pth_tensor){
        .dtype = info.dtype,
        .ndim = info.ndim,
        .offset = info.storage_offset,
        .memory = info.storage,
        .memory_bytes = info.storage_bytes,
    };
    memcpy(out->sizes, info.sizes, sizeof(out->sizes));
    memcpy(out->strides, info.strides, sizeof(out->strides));
    return true;
}

mm_value *mmi_stored_copy(void *user, const mm_pth_tensor *tensor)
{
    const char *data = mm_pth_storage_data(tensor->storage);
    mm_scope scope = mm_scope_open();
    mm_value *value = NULL;

    (void)user;
    if (data != NULL) {
        const char *first =
            data + (size_t)tensor->offset * mm_dtype_size(tensor->dtype);
        mm_tensor *view =
            mm_from_memory((void *)(uintptr_t)first, tensor->dtype, tensor->ndim,
                           tensor->sizes, tensor->strides, NULL, NULL);

        value = mm_value_new_tensor(mm_clone(view));
    }
    mm_scope_close(scope);
    return value;
}
