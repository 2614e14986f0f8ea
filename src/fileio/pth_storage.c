/* Storages and tensors of a container: counted descriptions that keep the file mapped.
 * Bytes are looked at when somebody asks for them; then an archive's checksum is
 * verified, once, and a deflated entry is unpacked. */
#include <stdatomic.h>
#include <string.h>

#include "base/str.h"
#include "base/thread.h"
#include "fileio/pth.h"
#include "mmengine/memory.h"

struct mmi_pth_file {
    atomic_int_fast64_t count;
    mmi_mapping mapping;
    bool is_mapped;
    void *owned;    /* or a copy of the bytes */
    mmi_mutex lock; /* of the first look at each storage */
    char path[];
};

struct mm_pth_storage {
    atomic_int_fast64_t count;
    mmi_pth_file *file;
    uint64_t size;
    _Atomic(const unsigned char *) data; /* NULL: not looked at yet */
    const unsigned char *plain;          /* bytes that have no checksum */
    bool is_entry;
    mmi_zip_entry entry; /* its name points into the file */
    void *owned;         /* bytes of a deflated entry */
};

static const unsigned char no_bytes[64];

/* --- files --- */

static mmi_pth_file *new_file(const char *path)
{
    size_t size = strlen(path) + 1;
    mmi_pth_file *file = mm_alloc(sizeof *file + size);

    if (file != NULL) {
        memcpy(file->path, path, size);
        atomic_init(&file->count, 1);
        mmi_mutex_init(&file->lock);
    }
    return file;
}

mmi_pth_file *mmi_pth_file_open(const char *path)
{
    mmi_pth_file *file = new_file(path);

    if (file == NULL) {
        return NULL;
    }
    file->is_mapped = mmi_map_file(path, &file->mapping) == MM_OK;
    if (!file->is_mapped) {
        mmi_pth_file_unref(file);
        return NULL;
    }
    return file;
}

mmi_pth_file *mmi_pth_file_of_memory(const void *data, size_t size, const char *path)
{
    mmi_pth_file *file = new_file(path);

    if (file != NULL) {
        file->mapping = (mmi_mapping){.data = data, .size = size};
    }
    return file;
}

mmi_pth_file *mmi_pth_file_of_copy(const void *data, size_t size, const char *path)
{
    void *copy = mm_alloc(size + 1);
    mmi_pth_file *file = copy != NULL ? mmi_pth_file_of_memory(copy, size, path) : NULL;

    if (file == NULL) {
        mm_free(copy);
        return NULL;
    }
    memcpy(copy, data, size);
    file->owned = copy;
    return file;
}

static mmi_pth_file *ref_file(mmi_pth_file *file)
{
    atomic_fetch_add_explicit(&file->count, 1, memory_order_relaxed);
    return file;
}

void mmi_pth_file_unref(mmi_pth_file *file)
{
    if (file == NULL ||
        atomic_fetch_sub_explicit(&file->count, 1, memory_order_acq_rel) != 1) {
        return;
    }
    if (file->is_mapped) {
        mmi_unmap_file(&file->mapping);
    }
    mm_free(file->owned);
    mmi_mutex_deinit(&file->lock);
    mm_free(file);
}

const unsigned char *mmi_pth_file_data(const mmi_pth_file *file, size_t *out_size)
{
    *out_size = file->mapping.size;
    return file->mapping.data != NULL ? file->mapping.data : no_bytes;
}

/* --- storages --- */

static mm_pth_storage *new_storage(mmi_pth_file *file, uint64_t size)
{
    mm_pth_storage *storage = mm_alloc(sizeof *storage);

    if (storage != NULL) {
        atomic_init(&storage->count, 1);
        atomic_init(&storage->data, NULL);
        storage->file = ref_file(file);
        storage->size = size;
    }
    return storage;
}

mm_pth_storage *mmi_pth_storage_of_entry(mmi_pth_file *file, const mmi_zip *zip,
                                         const mmi_zip_entry *entry)
{
    if (mmi_zip_packed(zip, entry) == NULL) {
        return NULL;
    }
    mm_pth_storage *storage = new_storage(file, entry->size);
    if (storage != NULL) {
        storage->is_entry = true;
        storage->entry = *entry;
    }
    return storage;
}

mm_pth_storage *mmi_pth_storage_of_size(mmi_pth_file *file, uint64_t size)
{
    return new_storage(file, size);
}

void mmi_pth_storage_set_data(mm_pth_storage *storage, const unsigned char *data)
{
    storage->plain = data;
}

uint64_t mmi_pth_storage_size(const mm_pth_storage *storage)
{
    return storage->size;
}

mm_pth_storage *mm_pth_storage_ref(mm_pth_storage *storage)
{
    if (storage != NULL) {
        atomic_fetch_add_explicit(&storage->count, 1, memory_order_relaxed);
    }
    return storage;
}

void mm_pth_storage_unref(mm_pth_storage *storage)
{
    if (storage == NULL ||
        atomic_fetch_sub_explicit(&storage->count, 1, memory_order_acq_rel) != 1) {
        return;
    }
    mm_free(storage->owned);
    mmi_pth_file_unref(storage->file);
    mm_free(storage);
}

/* The first look at the bytes; under the file's lock. */
static const unsigned char *load(mm_pth_storage *storage)
{
    mmi_pth_file *file = storage->file;

    if (storage->size == 0) {
        return no_bytes;
    }
    if (!storage->is_entry) {
        if (storage->plain == NULL) {
            mm_raise(MM_EDATA, "could not read checkpoint '%s': a storage has no bytes",
                     file->path);
        }
        return storage->plain;
    }
    mmi_zip zip = {
        .data = file->mapping.data, .size = file->mapping.size, .path = file->path};
    return mmi_zip_read(&zip, &storage->entry, &storage->owned);
}

const void *mm_pth_storage_data(mm_pth_storage *storage)
{
    if (!MMI_NEED(storage)) {
        return NULL;
    }
    const unsigned char *data =
        atomic_load_explicit(&storage->data, memory_order_acquire);
    if (data != NULL) {
        return data;
    }
    mmi_mutex_lock(&storage->file->lock);
    data = atomic_load_explicit(&storage->data, memory_order_relaxed);
    if (data == NULL) {
        data = load(storage);
        atomic_store_explicit(&storage->data, data, memory_order_release);
    }
    mmi_mutex_unlock(&storage->file->lock);
    return data;
}

/* --- storages with a type --- */

struct counted_typed {
    mmi_pth_typed typed;
    atomic_int_fast64_t count;
};

static void typed_ref(void *object)
{
    struct counted_typed *counted = object;
    atomic_fetch_add_explicit(&counted->count, 1, memory_order_relaxed);
}

static void typed_unref(void *object)
{
    struct counted_typed *counted = object;

    if (atomic_fetch_sub_explicit(&counted->count, 1, memory_order_acq_rel) == 1) {
        mm_pth_storage_unref(counted->typed.storage);
        mm_free(counted);
    }
}

const mm_object_ops mmi_pth_typed_object = {
    .name = "torch storage",
    .ref = typed_ref,
    .unref = typed_unref,
};

mm_value *mmi_pth_typed_new(mm_pth_storage *storage, mm_dtype dtype)
{
    struct counted_typed *counted = mm_alloc(sizeof *counted);

    if (counted == NULL) {
        return NULL;
    }
    atomic_init(&counted->count, 1);
    counted->typed.storage = mm_pth_storage_ref(storage);
    counted->typed.dtype = dtype;
    mm_value *value = mm_value_new_object(counted, &mmi_pth_typed_object);
    typed_unref(counted);
    return value;
}

/* --- tensors --- */

struct counted_tensor {
    mm_pth_tensor tensor;
    atomic_int_fast64_t count;
};

static void tensor_ref(void *object)
{
    struct counted_tensor *counted = object;
    atomic_fetch_add_explicit(&counted->count, 1, memory_order_relaxed);
}

static void tensor_unref(void *object)
{
    struct counted_tensor *counted = object;

    if (atomic_fetch_sub_explicit(&counted->count, 1, memory_order_acq_rel) == 1) {
        mm_pth_storage_unref(counted->tensor.storage);
        mm_free(counted);
    }
}

static char *tensor_print(const void *object)
{
    const mm_pth_tensor *tensor = object;
    const char *class_name = mmi_pth_storage_class(tensor->dtype);
    mmi_str out = {0};

    mmi_str_add(&out, "<tensor of [");
    for (int i = 0; i < tensor->ndim; i++) {
        mmi_str_add(&out, i > 0 ? ", " : "");
        mmi_str_add_i64(&out, tensor->sizes[i]);
    }
    mmi_str_addf(&out, "] in %s>", class_name != NULL ? class_name : "?");
    return mmi_str_take(&out);
}

const mm_object_ops mm_pth_tensor_object = {
    .name = "stored tensor",
    .ref = tensor_ref,
    .unref = tensor_unref,
    .print = tensor_print,
};

mm_value *mm_pth_tensor_new(const mm_pth_tensor *tensor)
{
    struct counted_tensor *counted =
        MMI_NEED(tensor) ? mm_alloc(sizeof *counted) : NULL;

    if (counted == NULL) {
        return NULL;
    }
    atomic_init(&counted->count, 1);
    counted->tensor = *tensor;
    mm_pth_storage_ref(tensor->storage);
    mm_value *value = mm_value_new_object(counted, &mm_pth_tensor_object);
    tensor_unref(counted);
    return value;
}

const mm_pth_tensor *mm_pth_find_tensor(const mm_value *value)
{
    return mm_value_find_object(value, &mm_pth_tensor_object);
}

const void *mm_pth_tensor_data(const mm_pth_tensor *tensor)
{
    if (!MMI_NEED(tensor)) {
        return NULL;
    }
    const unsigned char *data =
        tensor->storage != NULL ? mm_pth_storage_data(tensor->storage) : tensor->memory;
    if (data == NULL) {
        return tensor->memory_bytes == 0 && !mmi_is_pending() ? no_bytes : NULL;
    }
    return data + (size_t)tensor->offset * mmi_pth_dtype_size(tensor->dtype);
}

/* --- element types --- */

static const struct {
    const char *class_name; /* of the storage */
    const char *dtype_name;
    mm_dtype dtype;
    size_t size;
} dtypes[] = {
    {"torch.ByteStorage", "torch.uint8", MM_DTYPE_U8, 1},
    {"torch.CharStorage", "torch.int8", MM_DTYPE_I8, 1},
    {"torch.ShortStorage", "torch.int16", MM_DTYPE_I16, 2},
    {"torch.IntStorage", "torch.int32", MM_DTYPE_I32, 4},
    {"torch.LongStorage", "torch.int64", MM_DTYPE_I64, 8},
    {"torch.HalfStorage", "torch.float16", MM_DTYPE_F16, 2},
    {"torch.FloatStorage", "torch.float32", MM_DTYPE_F32, 4},
    {"torch.DoubleStorage", "torch.float64", MM_DTYPE_F64, 8},
    {"torch.ComplexFloatStorage", "torch.complex64", MM_DTYPE_C64, 8},
    {"torch.ComplexDoubleStorage", "torch.complex128", MM_DTYPE_C128, 16},
    {"torch.BoolStorage", "torch.bool", MM_DTYPE_BOOL, 1},
    {"torch.BFloat16Storage", "torch.bfloat16", MM_DTYPE_BF16, 2},
};
enum { NUM_DTYPES = sizeof dtypes / sizeof dtypes[0] };

size_t mmi_pth_dtype_size(mm_dtype dtype)
{
    for (size_t i = 0; i < NUM_DTYPES; i++) {
        if (dtypes[i].dtype == dtype) {
            return dtypes[i].size;
        }
    }
    return 0;
}

const char *mmi_pth_storage_class(mm_dtype dtype)
{
    for (size_t i = 0; i < NUM_DTYPES; i++) {
        if (dtypes[i].dtype == dtype) {
            return dtypes[i].class_name;
        }
    }
    return NULL;
}

bool mmi_pth_find_class(const char *class_name, mm_dtype *out)
{
    static const char cuda[] = "torch.cuda.";
    size_t skip = strlen("torch.");
    const char *name = class_name;

    if (strncmp(name, cuda, strlen(cuda)) == 0) {
        name += strlen(cuda) - skip; /* older files name the device's class */
    }
    if (strcmp(class_name, "torch.storage.UntypedStorage") == 0 ||
        strcmp(class_name, "torch.UntypedStorage") == 0) {
        *out = MM_DTYPE_NONE;
        return true;
    }
    for (size_t i = 0; i < NUM_DTYPES && strlen(name) > skip; i++) {
        if (strcmp(name + skip, dtypes[i].class_name + skip) == 0) {
            *out = dtypes[i].dtype;
            return true;
        }
    }
    return false;
}

bool mmi_pth_find_dtype(const char *class_name, mm_dtype *out)
{
    for (size_t i = 0; i < NUM_DTYPES; i++) {
        if (strcmp(class_name, dtypes[i].dtype_name) == 0) {
            *out = dtypes[i].dtype;
            return true;
        }
    }
    return false;
}

bool mmi_pth_fits(const mm_pth_tensor *tensor, uint64_t numel)
{
    uint64_t last = (uint64_t)tensor->offset;

    if (tensor->offset < 0 || last > numel) {
        return false;
    }
    for (int i = 0; i < tensor->ndim; i++) {
        if (tensor->sizes[i] < 0 || tensor->strides[i] < 0) {
            return false;
        }
    }
    for (int i = 0; i < tensor->ndim; i++) {
        if (tensor->sizes[i] == 0) {
            return true; /* no element at all */
        }
    }
    for (int i = 0; i < tensor->ndim; i++) {
        uint64_t steps = (uint64_t)tensor->sizes[i] - 1;
        uint64_t stride = (uint64_t)tensor->strides[i];
        if (steps > 0 && stride > (numel - last) / steps) {
            return false;
        }
        last += steps * stride;
    }
    return last < numel;
}
