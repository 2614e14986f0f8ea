/* Writes .pth containers. The pickle is made first; on the way each tensor's storage
 * gets a key, one for all that share it. Then the bytes go from where they are in
 * memory to a file that takes its name only when it is complete. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "fileio/pth.h"
#include "mmengine/file.h"
#include "mmengine/memory.h"

enum { MMI_KEY_SIZE = 24 };

struct writer {
    const mm_pth_write_args *args;
    mmi_map keys; /* "address-size-dtype" -> place + 1 in image->storages */
    mmi_pth_image *image;
};

/* The number of a storage; -1 on failure. Empty ones are never shared. */
static int64_t storage_number(struct writer *writer, const void *memory, size_t size,
                              mm_dtype dtype)
{
    char key[80];
    uintptr_t known = 0;

    snprintf(key, sizeof key, "%" PRIxPTR "-%zx-%d", (uintptr_t)memory, size,
             (int)dtype);
    if (size > 0) {
        known = (uintptr_t)mmi_map_find(&writer->keys, key);
    }
    if (known == 0) {
        if (!mmi_vec_push(&writer->image->storages, (mmi_pth_bytes){memory, size})) {
            return -1;
        }
        known = writer->image->storages.count;
        if (size > 0) {
            mmi_map_put(&writer->keys, key, (void *)known);
        }
    }
    return mmi_is_pending() ? -1 : (int64_t)known - 1;
}

/* ('storage', class, key, 'cpu', numel) and the instruction that looks it up. */
static void put_storage(struct writer *writer, mmi_pickle_writer *out,
                        const void *memory, size_t size, mm_dtype dtype)
{
    char key[MMI_KEY_SIZE];
    bool has_type = dtype != MM_DTYPE_NONE;
    int64_t number = storage_number(writer, memory, size, dtype);

    if (number < 0) {
        return;
    }
    snprintf(key, sizeof key, "%" PRId64, number);
    mmi_pickle_put_op(out, '(');
    mmi_pickle_put_str(out, "storage");
    mmi_pickle_put_class(out, has_type ? mmi_pth_storage_class(dtype)
                                       : "torch.storage.UntypedStorage");
    mmi_pickle_put_str(out, key);
    mmi_pickle_put_str(out, "cpu");
    mmi_pickle_put_int(out,
                       (int64_t)(size / (has_type ? mmi_pth_dtype_size(dtype) : 1)));
    mmi_pickle_put_op(out, 't');
    mmi_pickle_put_op(out, 'Q');
}

static void put_empty_ordered(mmi_pickle_writer *out)
{
    mmi_pickle_put_class(out, "collections.OrderedDict");
    mmi_pickle_put_op(out, ')');
    mmi_pickle_put_op(out, 'R');
}

static void put_tensor(struct writer *writer, mmi_pickle_writer *out,
                       const mm_pth_tensor *tensor, const void *memory)
{
    if (tensor->is_parameter) {
        mmi_pickle_put_class(out, "torch._utils._rebuild_parameter");
        mmi_pickle_put_op(out, '(');
    }
    mmi_pickle_put_class(out, "torch._utils._rebuild_tensor_v2");
    mmi_pickle_put_op(out, '(');
    put_storage(writer, out, memory, tensor->memory_bytes, tensor->dtype);
    mmi_pickle_put_int(out, tensor->offset);
    mmi_pickle_put_ints(out, tensor->sizes, tensor->ndim);
    mmi_pickle_put_ints(out, tensor->strides, tensor->ndim);
    mmi_pickle_put_bool(out, tensor->requires_grad && !tensor->is_parameter);
    put_empty_ordered(out);
    mmi_pickle_put_op(out, 't');
    mmi_pickle_put_op(out, 'R');
    if (tensor->is_parameter) {
        mmi_pickle_put_bool(out, tensor->requires_grad);
        put_empty_ordered(out);
        mmi_pickle_put_op(out, 't');
        mmi_pickle_put_op(out, 'R');
    }
}

static bool is_valid(const mm_pth_tensor *tensor)
{
    size_t item_size = mmi_pth_dtype_size(tensor->dtype);

    if (item_size == 0) {
        mm_raise(MM_EUNSUPPORTED,
                 "could not write checkpoint: dtype %d has no form in it",
                 (int)tensor->dtype);
        return false;
    }
    if (tensor->ndim < 0 || tensor->ndim > MM_MAX_DIM ||
        !mmi_pth_fits(tensor, tensor->memory_bytes / item_size)) {
        mm_raise(MM_EINVAL,
                 "could not write checkpoint: a tensor reaches beyond its "
                 "storage of %zu bytes",
                 tensor->memory_bytes);
        return false;
    }
    return true;
}

static bool put_object(void *user, mmi_pickle_writer *out, const mm_value *object)
{
    struct writer *writer = user;
    mm_pth_tensor tensor = {0};
    const mm_pth_tensor *stored = mm_pth_find_tensor(object);
    const mmi_pth_typed *typed = mm_value_find_object(object, &mmi_pth_typed_object);
    const void *memory = NULL;

    if (stored != NULL) {
        tensor = *stored;
        memory = tensor.storage != NULL ? mm_pth_storage_data(tensor.storage)
                                        : tensor.memory;
    } else if (typed != NULL) {
        memory = mm_pth_storage_data(typed->storage);
        if (memory != NULL) {
            put_storage(writer, out, memory,
                        (size_t)mmi_pth_storage_size(typed->storage), typed->dtype);
        }
        return memory != NULL;
    } else if (writer->args->describe == NULL ||
               !writer->args->describe(writer->args->user, object, &tensor)) {
        return false;
    } else {
        memory = tensor.memory;
    }
    if (mmi_is_pending() || !is_valid(&tensor)) {
        return false;
    }
    put_tensor(writer, out, &tensor, memory);
    return true;
}

/* --- the file --- */

void mmi_pth_check_room(const char *path, uint64_t need)
{
    char *folder = mm_path_dirname(path);
    int64_t room =
        folder == NULL ? -1 : mmi_os_free_bytes(folder[0] != '\0' ? folder : ".");

    mm_free(folder);
    if (!mmi_is_pending() && room >= 0 && (uint64_t)room < need) {
        mm_raise(MM_EIO,
                 "could not write checkpoint '%s': it needs %" PRIu64
                 " MB and the disk has %" PRId64 " MB free",
                 path, need / 1000000 + 1, room / 1000000);
    }
}

static uint64_t total_cost(const mmi_pth_image *image, const mmi_zip_writer *zip)
{
    uint64_t cost = 4096 + image->pickle_size;

    for (size_t i = 0; i < image->storages.count; i++) {
        cost += mmi_zip_cost(zip, "data/1000000000", image->storages.data[i].size);
    }
    return cost;
}

static void write_members(const mmi_pth_image *image, mmi_zip_writer *zip)
{
    mmi_zip_add(zip, "data.pkl", image->pickle, image->pickle_size);
    mmi_zip_add(zip, "byteorder", "little", strlen("little"));
    for (size_t i = 0; i < image->storages.count && !mmi_is_pending(); i++) {
        char name[MMI_KEY_SIZE + 8];
        snprintf(name, sizeof name, "data/%zu", i);
        mmi_zip_add(zip, name, image->storages.data[i].memory,
                    image->storages.data[i].size);
    }
    mmi_zip_add(zip, "version", "3\n", 2);
    mmi_zip_finish(zip);
}

mm_status mmi_pth_image_write(const mmi_pth_image *image, const char *path)
{
    mmi_atomic_file file = {0};
    mmi_zip_writer zip = {.file = &file.file, .prefix = "archive"};
    char *folder = mm_path_dirname(path);

    if (folder != NULL && folder[0] != '\0' && mm_make_dirs(folder) != MM_OK) {
        mm_free(folder);
        return mm_pending();
    }
    mm_free(folder);
    mmi_pth_check_room(path, total_cost(image, &zip));
    if (!mmi_is_pending() && mmi_atomic_begin(&file, path) == MM_OK) {
        write_members(image, &zip);
        if (mmi_is_pending()) {
            mmi_atomic_abort(&file);
        } else if (mmi_atomic_commit(&file) != MM_OK) {
            mm_error_frame("while writing checkpoint '%s'", path);
        }
    }
    mmi_zip_writer_deinit(&zip);
    return mm_pending();
}

mm_status mmi_pth_image_init(mmi_pth_image *image, const mm_pth_write_args *args)
{
    struct writer writer = {.args = args, .image = image};

    *image = (mmi_pth_image){0};
    image->pickle =
        mmi_pickle_write(args->root, put_object, &writer, &image->pickle_size);
    mmi_map_deinit(&writer.keys, NULL);
    return mm_pending();
}

void mmi_pth_image_deinit(mmi_pth_image *image)
{
    mm_free(image->pickle);
    mmi_vec_deinit(&image->storages);
    *image = (mmi_pth_image){0};
}

mm_status mm_pth_write(const mm_pth_write_args *args)
{
    if (!MMI_NEED(args) || !MMI_NEED(args->path) || !MMI_NEED(args->root)) {
        return mm_pending();
    }
    mmi_pth_image image;
    if (mmi_pth_image_init(&image, args) == MM_OK) {
        (void)mmi_pth_image_write(&image, args->path);
    }
    mmi_pth_image_deinit(&image);
    return mm_pending();
}

mm_value *mm_pth_new_ordered(mm_value *dict, mm_value *metadata)
{
    if (!MMI_NEED(dict)) {
        return NULL;
    }
    if (mm_value_kind(dict) != MM_KIND_DICT) {
        mm_raise(MM_ETYPE, "an OrderedDict is made of a dict, got '%s'",
                 mm_value_type_name(dict));
        return NULL;
    }
    mm_value *state = metadata != NULL ? mm_value_new_dict() : NULL;
    if (state != NULL) {
        mm_dict_put(state, "_metadata", metadata);
    }
    mm_value *value = mmi_node_new(&(mmi_node){.kind = MMI_NODE_ORDERED,
                                               .class_name = "collections.OrderedDict",
                                               .module_size = strlen("collections"),
                                               .state = state,
                                               .entries = dict});
    mm_value_unref(state);
    return value;
}
