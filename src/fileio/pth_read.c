/* Reads .pth containers. The pickle says what there is; each tensor it describes is
 * checked against the bytes of its storage before anybody sees it. */
#include "mmengine/pth.h"

#include <string.h>

#include "fileio/pth.h"
#include "fileio/safetensors.h"
#include "mmengine/memory.h"

enum { MAX_VERSION = 10 /* PyTorch's kMaxSupportedFileFormatVersion */ };

static const char *path_of(const mmi_pth_reader *reader)
{
    return reader->args->path;
}

static mm_value *damaged(const mmi_pth_reader *reader, const char *why)
{
    mm_raise(MM_EDATA, "could not read checkpoint '%s': %s", path_of(reader), why);
    return NULL;
}

/* The storage of a key, borrowed; made at its first use. `size` in bytes. */
static mm_pth_storage *storage_of(mmi_pth_reader *reader, const char *key,
                                  uint64_t size)
{
    mm_pth_storage *storage = mmi_map_find(&reader->storages, key);
    size_t file_size = 0;

    if (storage == NULL && reader->zip != NULL) {
        char *name = mm_strfmt("%sdata/%s", reader->prefix, key);
        const mmi_zip_entry *entry =
            name != NULL ? mmi_zip_find(reader->zip, name) : NULL;
        if (name != NULL && entry == NULL) {
            damaged(reader, "the bytes of a tensor are missing");
        }
        mm_free(name);
        storage = entry == NULL
                      ? NULL
                      : mmi_pth_storage_of_entry(reader->file, reader->zip, entry);
    } else if (storage == NULL) {
        mmi_pth_file_data(reader->file, &file_size);
        if (size > file_size) {
            damaged(reader, "a tensor is larger than the file");
            return NULL;
        }
        storage = mmi_pth_storage_of_size(reader->file, size);
    } else {
        return storage;
    }
    if (storage != NULL) {
        mmi_map_put(&reader->storages, key, storage);
        if (mmi_is_pending()) {
            mm_pth_storage_unref(storage);
            storage = NULL;
        }
    }
    return storage;
}

/* ('storage', class, key, location, numel[, view]): the typed storage. */
mm_value *mmi_pth_persistent(void *user, mm_value *id)
{
    mmi_pth_reader *reader = user;
    size_t count = mm_value_kind(id) == MM_KIND_TUPLE ? mm_value_len(id) : 0;
    mm_dtype dtype = MM_DTYPE_NONE;

    const mm_value *kind = count < 4 ? NULL : mm_list_get(id, 0);
    const char *text = mm_value_kind(kind) == MM_KIND_STR ? mm_value_str(kind) : "";
    if (strcmp(text, "module") == 0 && mmi_node_find(mm_list_get(id, 1)) != NULL) {
        /* The older format tells a module's class with its source. */
        return mm_value_ref(mm_list_get(id, 1));
    }
    if (count < 5 || strcmp(text, "storage") != 0) {
        return NULL;
    }
    const mmi_node *class_node = mmi_node_find(mm_list_get(id, 1));
    mm_value *key = mm_list_get(id, 2);
    mm_value *numel = mm_list_get(id, 4);
    bool is_known = class_node != NULL && class_node->kind == MMI_NODE_CLASS &&
                    mmi_pth_find_class(class_node->class_name, &dtype) &&
                    (count == 5 || mm_value_is_none(mm_list_get(id, 5)));
    if (!is_known) {
        return NULL;
    }
    if (mm_value_kind(key) != MM_KIND_STR || mm_value_kind(numel) != MM_KIND_I64 ||
        mm_value_i64(numel) < 0 || mm_value_i64(numel) > INT64_MAX / 16) {
        return damaged(reader, "a storage has no key or no size");
    }
    uint64_t size = (uint64_t)mm_value_i64(numel);
    size *= dtype == MM_DTYPE_NONE ? 1 : mmi_pth_dtype_size(dtype);
    mm_pth_storage *storage = storage_of(reader, mm_value_str(key), size);
    if (storage != NULL && mmi_pth_storage_size(storage) != size) {
        return damaged(reader, "a tensor's bytes are not as many as its type needs");
    }
    return storage != NULL ? mmi_pth_typed_new(storage, dtype) : NULL;
}

/* Ints of a tuple; -1 if it is no such thing or too long. */
static int read_ints(const mm_value *tuple, int64_t *out)
{
    size_t count = mm_value_kind(tuple) == MM_KIND_TUPLE ? mm_value_len(tuple)
                                                         : (size_t)MM_MAX_DIM + 1;
    for (size_t i = 0; i < count && count <= MM_MAX_DIM; i++) {
        mm_value *item = mm_list_get(tuple, i);
        if (mm_value_kind(item) != MM_KIND_I64) {
            return -1;
        }
        out[i] = mm_value_i64(item);
    }
    return count <= MM_MAX_DIM ? (int)count : -1;
}

static mm_value *make_tensor(mmi_pth_reader *reader, const mm_pth_tensor *tensor)
{
    const mm_pth_read_args *args = reader->args;

    if (args->make == NULL) {
        return mm_pth_tensor_new(tensor);
    }
    mm_value *value = args->make(args->user, tensor);
    if (value == NULL && !mmi_is_pending()) {
        return damaged(reader, "no tensor could be made of a description");
    }
    if (value != NULL &&
        !mmi_vec_push(&reader->made, (struct mmi_pth_made){value, *tensor})) {
        mm_value_unref(value);
        return NULL;
    }
    return value;
}

/* The dtype of _rebuild_tensor_v3, whose storages have none. */
static bool read_dtype(const mm_value *value, mm_dtype *out)
{
    const mmi_node *node = mmi_node_find(value);

    return node != NULL && node->kind == MMI_NODE_CLASS &&
           mmi_pth_find_dtype(node->class_name, out);
}

/* Marks that change what the bytes mean (a conjugate view) stand in a dict. */
static bool has_marks(const mm_value *args, size_t index)
{
    const mm_value *marks =
        index < mm_value_len(args) ? mm_list_get(args, index) : NULL;

    return mm_value_is_true(marks);
}

/* (storage, offset, sizes, strides, requires_grad, hooks, ...); NULL: leave it alone.
 */
static mm_value *rebuild_tensor(mmi_pth_reader *reader, const mm_value *args,
                                bool has_dtype)
{
    size_t count = mm_value_len(args);
    mmi_pth_typed *typed =
        count < 4 ? NULL
                  : mm_value_find_object(mm_list_get(args, 0), &mmi_pth_typed_object);
    if (typed == NULL || mm_value_kind(mm_list_get(args, 1)) != MM_KIND_I64) {
        return NULL;
    }
    mm_pth_tensor tensor = {.dtype = typed->dtype, .storage = typed->storage};
    tensor.offset = mm_value_i64(mm_list_get(args, 1));
    tensor.ndim = read_ints(mm_list_get(args, 2), tensor.sizes);
    int num_strides = read_ints(mm_list_get(args, 3), tensor.strides);
    if (tensor.ndim < 0 || num_strides != tensor.ndim ||
        (has_dtype &&
         (count < 7 || !read_dtype(mm_list_get(args, 6), &tensor.dtype))) ||
        mmi_pth_dtype_size(tensor.dtype) == 0 || has_marks(args, has_dtype ? 7 : 6)) {
        return NULL;
    }
    tensor.memory_bytes = (size_t)mmi_pth_storage_size(typed->storage);
    tensor.requires_grad = count > 4 && mm_value_is_true(mm_list_get(args, 4));
    uint64_t numel = tensor.memory_bytes / mmi_pth_dtype_size(tensor.dtype);
    if (!mmi_pth_fits(&tensor, numel)) {
        return damaged(reader, "a tensor reaches beyond its storage");
    }
    return make_tensor(reader, &tensor);
}

/* (tensor, requires_grad, hooks): the same tensor as a parameter. */
static mm_value *rebuild_parameter(mmi_pth_reader *reader, const mm_value *args)
{
    mm_value *inner = mm_value_len(args) >= 2 ? mm_list_get(args, 0) : NULL;
    const mm_pth_tensor *found = mm_pth_find_tensor(inner);

    for (size_t i = reader->made.count; found == NULL && i > 0; i--) {
        if (reader->made.data[i - 1].value == inner) {
            found = &reader->made.data[i - 1].tensor;
        }
    }
    if (found == NULL) {
        return NULL;
    }
    mm_pth_tensor tensor = *found;
    tensor.is_parameter = true;
    tensor.requires_grad = mm_value_is_true(mm_list_get(args, 1));
    return make_tensor(reader, &tensor);
}

mm_value *mmi_pth_call(void *user, const char *class_name, mm_value *args)
{
    static const char utils[] = "torch._utils._rebuild_";
    const char *name = class_name + strlen(utils);

    if (strncmp(class_name, utils, strlen(utils)) != 0) {
        return NULL;
    }
    if (strcmp(name, "tensor_v2") == 0 || strcmp(name, "tensor") == 0) {
        return rebuild_tensor(user, args, false);
    }
    if (strcmp(name, "tensor_v3") == 0) {
        return rebuild_tensor(user, args, true);
    }
    return strcmp(name, "parameter") == 0 ? rebuild_parameter(user, args) : NULL;
}

/* --- the archive --- */

/* The member PREFIX/NAME with its checksum verified; NULL without an error if there is
 * none. */
static const unsigned char *find_member(const mmi_pth_reader *reader, const char *name,
                                        size_t *out_size, void **out_owned)
{
    char *full = mm_strfmt("%s%s", reader->prefix, name);
    const mmi_zip_entry *entry = full != NULL ? mmi_zip_find(reader->zip, full) : NULL;

    mm_free(full);
    *out_owned = NULL;
    if (entry == NULL) {
        return NULL;
    }
    *out_size = (size_t)entry->size;
    return mmi_zip_read(reader->zip, entry, out_owned);
}

/* The record `version`: a number in text. A later form of the container may mean
 * something else by the same bytes. */
static void check_version(const mmi_pth_reader *reader)
{
    void *owned = NULL;
    size_t size = 0;
    const unsigned char *text = find_member(reader, "version", &size, &owned);
    unsigned version = 0;

    for (size_t i = 0; text != NULL && i < size && text[i] >= '0' && text[i] <= '9' &&
                       version <= MAX_VERSION;
         i++) {
        version = 10 * version + text[i] - '0';
    }
    mm_free(owned);
    if (version > MAX_VERSION) {
        mm_raise(MM_EUNSUPPORTED,
                 "could not read checkpoint '%s': its container is of a version above "
                 "%d",
                 path_of(reader), MAX_VERSION);
    }
}

/* Refuses what looks like a checkpoint and is something else. */
static bool is_readable(const mmi_pth_reader *reader)
{
    void *owned = NULL;
    size_t size = 0;
    const unsigned char *order = find_member(reader, "byteorder", &size, &owned);
    bool is_little = order == NULL || (size >= 6 && memcmp(order, "little", 6) == 0);

    mm_free(owned);
    if (!is_little) {
        mm_raise(MM_EUNSUPPORTED,
                 "could not read checkpoint '%s': its numbers are big-"
                 "endian",
                 path_of(reader));
    }
    char *name = mm_strfmt("%sconstants.pkl", reader->prefix);
    if (name != NULL && mmi_zip_find(reader->zip, name) != NULL) {
        mm_raise(MM_EUNSUPPORTED,
                 "could not read checkpoint '%s': it is a TorchScript archive",
                 path_of(reader));
        mm_error_hint("name it as a scripted model, or save model.state_dict()");
    }
    mm_free(name);
    check_version(reader);
    return !mmi_is_pending();
}

static mm_value *read_archive(mmi_pth_reader *reader)
{
    const mmi_pickle_reader hooks = {.user = reader,
                                     .persistent = mmi_pth_persistent,
                                     .call = mmi_pth_call,
                                     .keep_ordered = reader->args->keep_ordered};
    void *owned = NULL;
    size_t size = 0;
    mm_value *root = NULL;
    const unsigned char *pickle =
        is_readable(reader) ? find_member(reader, "data.pkl", &size, &owned) : NULL;

    if (pickle != NULL) {
        root = mmi_pickle_read(pickle, size, path_of(reader), &hooks, NULL);
    } else if (!mmi_is_pending()) {
        damaged(reader, "it is an archive without data.pkl, no PyTorch checkpoint");
    }
    mm_free(owned);
    return root;
}

/* The folder all members lie in, with its '/'; mm_free(). */
static char *read_prefix(const mmi_zip *zip)
{
    const mmi_zip_entry *first = zip->count > 0 ? &zip->entries[0] : NULL;
    const char *slash =
        first != NULL ? memchr(first->name, '/', first->name_size) : NULL;

    return mmi_strndup(first != NULL ? first->name : "",
                       slash != NULL ? (size_t)(slash - first->name) + 1 : 0);
}

static mm_value *read_zip(mmi_pth_reader *reader, const unsigned char *data,
                          size_t size)
{
    mmi_zip zip;
    mm_value *root = NULL;

    if (mmi_zip_init(&zip, data, size, path_of(reader)) == MM_OK) {
        char *prefix = read_prefix(&zip);
        reader->zip = &zip;
        reader->prefix = prefix;
        root = prefix != NULL ? read_archive(reader) : NULL;
        mm_free(prefix);
    }
    mmi_zip_deinit(&zip);
    return root;
}

static bool is_tar(const unsigned char *data, size_t size)
{
    return size >= 512 && memcmp(data + 257, "ustar", 5) == 0;
}

static void free_storage(void *storage)
{
    mm_pth_storage_unref(storage);
}

mm_value *mmi_pth_read_file(mmi_pth_file *file, const mm_pth_read_args *args)
{
    mmi_pth_reader reader = {.file = file, .args = args};
    size_t size = 0;
    const unsigned char *data = mmi_pth_file_data(file, &size);
    mm_value *root = NULL;

    if (size >= 4 && memcmp(data, "PK\3\4", 4) == 0) {
        root = read_zip(&reader, data, size);
    } else if (is_tar(data, size)) {
        mm_raise(MM_EUNSUPPORTED,
                 "could not read checkpoint '%s': it has PyTorch's tar format of 2016",
                 args->path);
    } else if (size == 0) {
        damaged(&reader, "it is empty");
    } else if (mmi_is_safetensors(args->path, data, size)) {
        root = mmi_safetensors_read(file, args);
    } else {
        root = mmi_pth_read_legacy(&reader);
    }
    mmi_map_deinit(&reader.storages, free_storage);
    mmi_vec_deinit(&reader.made);
    return root;
}

mm_value *mm_pth_read(const mm_pth_read_args *args)
{
    if (!MMI_NEED(args) || !MMI_NEED(args->path)) {
        return NULL;
    }
    mmi_pth_file *file = mmi_pth_file_open(args->path);
    mm_value *root = file != NULL ? mmi_pth_read_file(file, args) : NULL;

    mmi_pth_file_unref(file);
    return root;
}

const char *mm_pth_format(const char *path)
{
    mmi_pth_file *file = MMI_NEED(path) ? mmi_pth_file_open(path) : NULL;
    size_t size = 0;

    if (file == NULL) {
        return NULL;
    }
    const unsigned char *data = mmi_pth_file_data(file, &size);
    const char *format = size >= 4 && memcmp(data, "PK\3\4", 4) == 0 ? "zip"
                         : mmi_is_safetensors(path, data, size)      ? "safetensors"
                                                                     : "legacy";
    mmi_pth_file_unref(file);
    return format;
}

mm_status mm_pth_verify(const char *path)
{
    mmi_pth_file *file = MMI_NEED(path) ? mmi_pth_file_open(path) : NULL;
    mm_pth_read_args args = {.path = path};

    if (file == NULL) {
        return mm_pending();
    }
    mm_value_unref(mmi_pth_read_file(file, &args));
    size_t size = 0;
    const unsigned char *data = mmi_pth_file_data(file, &size);
    if (!mmi_is_pending() && size >= 4 && memcmp(data, "PK\3\4", 4) == 0) {
        mmi_zip zip;
        mmi_zip_init(&zip, data, size, path);
        for (size_t i = 0; i < zip.count && !mmi_is_pending(); i++) {
            void *owned = NULL;
            mmi_zip_read(&zip, &zip.entries[i], &owned);
            mm_free(owned);
        }
        mmi_zip_deinit(&zip);
    }
    mmi_pth_file_unref(file);
    return mm_pending();
}
