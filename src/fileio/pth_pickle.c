/* Plain pickles with tensors in them, as pickle.dump() and mmengine.dump() leave them:
 * a tensor is a call of _rebuild_tensor_v2 whose storage is a call of _load_from_bytes,
 * which holds a whole file of torch.save() in the format before PyTorch 1.6. Files of
 * predictions are such pickles. Nothing is called: the bytes are read by our reader. */
#include <string.h>

#include "base/str.h"
#include "fileio/pth.h"
#include "fileio/pth_elements.h"
#include "mmengine/file.h"
#include "mmengine/memory.h"

#define LOAD_FROM_BYTES "torch.storage._load_from_bytes"

/* --- reading --- */

static mm_value *read_storage(const mmi_pth_reader *reader, const mm_value *bytes)
{
    size_t size = 0;
    const void *data = mm_value_bytes(bytes, &size);
    mmi_pth_file *file = mmi_pth_file_of_copy(data, size, reader->args->path);
    mm_value *storage =
        file != NULL
            ? mmi_pth_read_file(file, &(mm_pth_read_args){.path = reader->args->path})
            : NULL;

    mmi_pth_file_unref(file);
    if (storage != NULL &&
        mm_value_find_object(storage, &mmi_pth_typed_object) == NULL) {
        mm_raise(MM_EDATA, "could not read '%s': the bytes of a tensor hold a '%s'",
                 reader->args->path, mm_value_type_name(storage));
        mm_value_unref(storage);
        return NULL;
    }
    return storage;
}

static mm_value *call(void *user, const char *class_name, mm_value *args)
{
    if (strcmp(class_name, LOAD_FROM_BYTES) == 0 && mm_value_len(args) == 1 &&
        mm_value_kind(mm_list_get(args, 0)) == MM_KIND_BYTES) {
        return read_storage(user, mm_list_get(args, 0));
    }
    return mmi_pth_call(user, class_name, args);
}

mm_value *mm_pth_read_pickle(const mm_pth_read_args *args)
{
    mmi_pth_file *file =
        MMI_NEED(args) && MMI_NEED(args->path) ? mmi_pth_file_open(args->path) : NULL;

    if (file == NULL) {
        return NULL;
    }
    mmi_pth_reader reader = {.file = file, .args = args};
    const mmi_pickle_reader hooks = {
        .user = &reader, .call = call, .keep_ordered = args->keep_ordered};
    size_t size = 0;
    const unsigned char *data = mmi_pth_file_data(file, &size);
    mm_value *root = mmi_pickle_read(data, size, args->path, &hooks, NULL);

    mmi_pth_file_unref(file);
    mmi_vec_deinit(&reader.made);
    return root;
}

/* --- writing --- */

/* Magic number, version and system, three pickles that are always the same. */
static const char head[] =
    "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
    "\x80\x02M\xe9\x03."
    "\x80\x02}(X\x10\0\0\0protocol_versionM\xe9\x03X\x0d\0\0\0little_endian\x88"
    "X\x0a\0\0\0type_sizes}(X\x05\0\0\0shortK\x02X\x03\0\0\0intK\x04"
    "X\x04\0\0\0longK\x04uu.";

/* The file of torch.save() that holds one storage under the key "0". */
static void *storage_file(const void *elements, size_t count, mm_dtype dtype,
                          size_t *out_size)
{
    const char *name = mmi_pth_storage_class(dtype) + strlen("torch.");
    mmi_str out = {0};

    mmi_str_add_n(&out, head, sizeof head - 1);
    mmi_str_add_n(&out, "\x80\x02(X\x07\0\0\0storagectorch\n", 22);
    mmi_str_add(&out, name);
    mmi_str_add_n(&out,
                  "\nX\x01\0\0\0"
                  "0X\x03\0\0\0cpu\x8a\x08",
                  17);
    mmi_str_add_little(&out, count, 8);
    mmi_str_add_n(&out,
                  "NtQ.\x80\x02]X\x01\0\0\0"
                  "0a.",
                  15);
    mmi_str_add_little(&out, count, 8);
    if (count > 0) {
        mmi_str_add_n(&out, elements, count * mmi_pth_dtype_size(dtype));
    }
    *out_size = out.size;
    return mmi_str_take(&out);
}

static void put_tensor(mmi_pickle_writer *out, const mm_pth_tensor *tensor,
                       const void *file, size_t file_size)
{
    mmi_pickle_put_class(out, "torch._utils._rebuild_tensor_v2");
    mmi_pickle_put_op(out, '(');
    mmi_pickle_put_class(out, LOAD_FROM_BYTES);
    mmi_pickle_put_bytes(out, file, file_size);
    mmi_pickle_put_op(out, '\x85');
    mmi_pickle_put_op(out, 'R');
    mmi_pickle_put_int(out, 0);
    mmi_pickle_put_ints(out, tensor->sizes, tensor->ndim);
    mmi_pickle_put_ints(out, tensor->strides, tensor->ndim);
    mmi_pickle_put_bool(out, tensor->requires_grad);
    mmi_pickle_put_class(out, "collections.OrderedDict");
    mmi_pickle_put_op(out, ')');
    mmi_pickle_put_op(out, 'R');
    mmi_pickle_put_op(out, 't');
    mmi_pickle_put_op(out, 'R');
}

static bool is_valid(const mm_pth_tensor *tensor, const void *memory)
{
    size_t item_size = mmi_pth_dtype_size(tensor->dtype);

    if (item_size == 0) {
        mm_raise(MM_EUNSUPPORTED, "could not write pickle: dtype %d has no form in it",
                 (int)tensor->dtype);
    } else if ((memory == NULL && tensor->memory_bytes > 0) || tensor->ndim < 0 ||
               tensor->ndim > MM_MAX_DIM ||
               !mmi_pth_fits(tensor, tensor->memory_bytes / item_size)) {
        mm_raise(MM_EINVAL,
                 "could not write pickle: a tensor reaches beyond its storage of %zu "
                 "bytes",
                 tensor->memory_bytes);
    }
    return !mmi_is_pending();
}

/* Puts the elements, one behind the other, into a file and that into the pickle. */
static bool put_packed(mmi_pickle_writer *out, const mm_pth_tensor *tensor)
{
    mm_pth_tensor packed = *tensor;
    size_t file_size = 0;
    void *owned = NULL;
    const void *elements = mmi_pth_elements(tensor, &owned);
    void *file = NULL;

    if (!mmi_is_pending() && !mmi_pth_set_dense(&packed)) {
        mm_raise(MM_EDATA, "could not write pickle: a tensor claims too many elements");
    }
    if (!mmi_is_pending()) {
        file = storage_file(elements, (size_t)mmi_pth_numel(tensor), tensor->dtype,
                            &file_size);
    }
    mm_free(owned);
    if (file == NULL) {
        return false;
    }
    put_tensor(out, &packed, file, file_size);
    mm_free(file);
    return true;
}

static bool put_object(void *user, mmi_pickle_writer *out, const mm_value *object)
{
    const mm_pth_write_args *args = user;
    const mm_pth_tensor *stored = mm_pth_find_tensor(object);
    mm_pth_tensor tensor = {0};

    if (stored != NULL) {
        tensor = *stored;
    } else if (args->describe == NULL || !args->describe(args->user, object, &tensor)) {
        return false;
    }
    const void *memory =
        tensor.storage != NULL ? mm_pth_storage_data(tensor.storage) : tensor.memory;

    return is_valid(&tensor, memory) && put_packed(out, &tensor);
}

mm_status mm_pth_write_pickle(const mm_pth_write_args *args)
{
    if (!MMI_NEED(args) || !MMI_NEED(args->path) || !MMI_NEED(args->root)) {
        return mm_pending();
    }
    size_t size = 0;
    void *data =
        mmi_pickle_write(args->root, put_object, (void *)(uintptr_t)args, &size);

    mm_status status =
        data != NULL ? mm_file_write(args->path, data, size) : mm_pending();

    mm_free(data);
    return status;
}
