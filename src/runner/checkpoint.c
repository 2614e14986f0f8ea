/* Checkpoint files: tensors between memory and the .pth container, whole files in and
 * out, publishing. What a run puts into one is save.c's, how it comes back load.c's and
 * resume.c's. Source: mmengine/runner/checkpoint.py.
 */
#include <string.h>

#include "base/checksum.h"
#include "mmengine/file.h"
#include "mmengine/fileio.h"
#include "mmengine/ops.h"
#include "mmengine/pth.h"
#include "runner/checkpoint_tree.h"
#include "runner/internal.h"

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

/* Where a tensor's bytes are. One on a device is copied into the open scope first. */
static bool describe(void *user, const mm_value *object, mm_pth_tensor *out)
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

/* A tensor over the file's mapped bytes: read-only, copied by whoever loads it. */
static mm_value *make(void *user, const mm_pth_tensor *tensor)
{
    const char *data = mm_pth_storage_data(tensor->storage);
    mm_scope scope = mm_scope_open();
    mm_value *value = NULL;
    (void)user;

    if (data != NULL) {
        const char *first =
            data + (size_t)tensor->offset * mm_dtype_size(tensor->dtype);

        value = mm_value_new_tensor(mm_from_memory(
            (void *)(uintptr_t)first, tensor->dtype, tensor->ndim, tensor->sizes,
            tensor->strides, release_storage, mm_pth_storage_ref(tensor->storage)));
    }
    mm_scope_close(scope);
    return value;
}

mm_status mm_checkpoint_save(const char *path, const mm_value *checkpoint)
{
    mm_scope scope = mm_scope_open();

    (void)mm_pth_write(&(mm_pth_write_args){
        .path = path,
        .root = checkpoint,
        .describe = describe,
    });
    mm_scope_close(scope);
    return mm_pending();
}

mm_value *mm_checkpoint_load(const char *path)
{
    mm_value *checkpoint = mm_pth_read(&(mm_pth_read_args){.path = path, .make = make});

    if (checkpoint != NULL && mm_value_kind(checkpoint) != MM_KIND_DICT)
        (void)mm_raise(MM_EDATA, "checkpoint '%s' holds a %s, not a dict", path,
                       mm_value_type_name(checkpoint));
    if (mm_has_error()) {
        mm_value_unref(checkpoint);
        return NULL;
    }
    return checkpoint;
}

/* The entries of the file that are published. MM_EKEY if there are none of them. */
static mm_value *keep_keys(const mm_value *checkpoint, const mm_strs *keys,
                           const char *path)
{
    mm_value *kept = mm_value_new_dict();

    for (size_t i = 0; i < keys->count && !mm_has_error(); i++) {
        mm_value *value = mm_dict_find(checkpoint, keys->data[i]);

        if (value != NULL)
            mm_dict_put(kept, keys->data[i], value);
    }
    if (!mm_has_error() && mm_value_len(kept) == 0)
        (void)mm_raise(MM_EKEY, "checkpoint '%s' has none of the keys to be published",
                       path);
    return kept;
}

/* "<stem>-<first digits of the file's SHA-256>.pth"; yours. */
static char *published_path(const char *path)
{
    char digest[MMI_SHA256_TEXT_SIZE];
    size_t size = 0;
    char *content = mm_file_read(path, &size);
    size_t stem = strlen(path) - strlen(mm_path_extension(path));

    if (content == NULL)
        return NULL;
    mmi_sha256_text(content, size, digest);
    mm_free(content);
    return mm_strfmt("%.*s-%.8s.pth", (int)stem, path, digest);
}

mm_status mm_checkpoint_publish(const char *path, const mm_strs *keys, char **out_path)
{
    mm_value *root = mmi_tree_read(path);
    mm_value *kept = root == NULL ? NULL : keep_keys(mmi_tree_dict(root), keys, path);
    char *to = mm_has_error() ? NULL : published_path(path);

    if (to != NULL &&
        mm_pth_write(&(mm_pth_write_args){.path = to, .root = kept}) == MM_OK)
        *out_path = to;
    else
        mm_free(to);
    mm_value_unref(kept);
    mm_value_unref(root);
    return mm_pending();
}
