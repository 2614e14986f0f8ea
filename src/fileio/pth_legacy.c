/* The format of torch.save before PyTorch 1.6: five pickles one behind the other (magic
 * number, version, system, object, storage keys), then for each key a count of elements
 * and the raw bytes. It has no checksums. Read only. */
#include <string.h>

#include "fileio/pth.h"
#include "mmengine/memory.h"

#define MAGIC "119547037146038801333356"
enum { VERSION = 1001 };

struct cursor {
    const unsigned char *data;
    size_t size, at;
    const char *path;
};

static mm_value *next_pickle(struct cursor *cursor, const mmi_pickle_reader *hooks)
{
    size_t used = 0;
    mm_value *value =
        mmi_pickle_read(cursor->data + cursor->at, cursor->size - cursor->at,
                        cursor->path, hooks, &used);
    cursor->at += used;
    return value;
}

static bool refuse(const struct cursor *cursor, const char *why)
{
    mm_raise(MM_EDATA, "could not read checkpoint '%s': %s", cursor->path, why);
    return false;
}

/* Magic number, version, and a system that is little-endian. */
static bool read_head(struct cursor *cursor)
{
    mm_value *magic = next_pickle(cursor, NULL);
    if (magic == NULL || mm_value_kind(magic) != MM_KIND_BIGINT ||
        strcmp(mm_value_digits(magic), MAGIC) != 0) {
        if (mm_pending() == MM_EDATA) { /* whatever it is, it is no pickle of ours */
            mm_error_take(NULL);
        }
        mm_value_unref(magic);
        return refuse(cursor, "it is no PyTorch checkpoint");
    }
    mm_value_unref(magic);
    mm_value *version = next_pickle(cursor, NULL);
    mm_value *system = next_pickle(cursor, NULL);
    bool is_fine = version != NULL && system != NULL;
    if (is_fine &&
        (mm_value_kind(version) != MM_KIND_I64 || mm_value_i64(version) != VERSION)) {
        is_fine = refuse(cursor, "its version is not known");
    }
    mm_value *little = mm_value_kind(system) == MM_KIND_DICT
                           ? mm_dict_find(system, "little_endian")
                           : NULL;
    if (is_fine && little != NULL && !mm_value_is_true(little)) {
        is_fine = refuse(cursor, "its numbers are big-endian");
    }
    mm_value_unref(version);
    mm_value_unref(system);
    return is_fine;
}

/* One storage: a count of elements, then its bytes. */
static bool place_storage(struct cursor *cursor, mm_pth_storage *storage)
{
    uint64_t size = storage != NULL ? mmi_pth_storage_size(storage) : 0;
    uint64_t count = 0;

    if (storage == NULL || cursor->size - cursor->at < 8) {
        return refuse(cursor, storage == NULL ? "it has bytes that no tensor uses"
                                              : "the file is cut off");
    }
    for (int i = 8; i > 0; i--) {
        count = count << 8 | cursor->data[cursor->at + (size_t)i - 1];
    }
    cursor->at += 8;
    bool is_same = count <= size && (count == 0 ? size == 0 : size % count == 0) &&
                   (count == 0 || size / count <= 16);
    if (!is_same) {
        return refuse(cursor, "a storage has another size than its tensors");
    }
    if (size > cursor->size - cursor->at) {
        return refuse(cursor, "the file is cut off");
    }
    mmi_pth_storage_set_data(storage, cursor->data + cursor->at);
    cursor->at += (size_t)size;
    return true;
}

static bool place_storages(struct cursor *cursor, mmi_pth_reader *reader,
                           const mm_value *keys)
{
    size_t placed = 0;

    if (mm_value_kind(keys) != MM_KIND_LIST) {
        return refuse(cursor, "the list of storages is missing");
    }
    for (size_t i = 0; i < mm_value_len(keys); i++) {
        mm_value *key = mm_list_get(keys, i);
        mm_pth_storage *storage =
            mm_value_kind(key) == MM_KIND_STR
                ? mmi_map_find(&reader->storages, mm_value_str(key))
                : NULL;
        if (!place_storage(cursor, storage)) {
            return false;
        }
        placed++;
    }
    return placed >= reader->storages.count ||
           refuse(cursor, "the bytes of a tensor are missing");
}

mm_value *mmi_pth_read_legacy(mmi_pth_reader *reader)
{
    const mmi_pickle_reader hooks = {.user = reader,
                                     .persistent = mmi_pth_persistent,
                                     .call = mmi_pth_call,
                                     .keep_ordered = reader->args->keep_ordered};
    struct cursor cursor = {.path = reader->args->path};

    cursor.data = mmi_pth_file_data(reader->file, &cursor.size);
    mm_value *root = read_head(&cursor) ? next_pickle(&cursor, &hooks) : NULL;
    mm_value *keys = root != NULL ? next_pickle(&cursor, NULL) : NULL;
    bool is_fine = keys != NULL && place_storages(&cursor, reader, keys);
    mm_value_unref(keys);
    if (!is_fine) {
        mm_value_unref(root);
        return NULL;
    }
    return root;
}
