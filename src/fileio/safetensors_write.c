/* Writes .safetensors: tensors of wide elements first, then by name, so that every
 * tensor is aligned to its elements; the header is filled up with blanks to a multiple
 * of eight. The bytes are those that the `safetensors` package writes. */
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "base/str.h"
#include "base/vec.h"
#include "fileio/pth_elements.h"
#include "fileio/safetensors.h"
#include "mmengine/file.h"
#include "mmengine/fileio.h"
#include "mmengine/memory.h"
#include "mmengine/safetensors.h"

struct item {
    const char *name;
    mm_pth_tensor tensor;
    uint64_t bytes;
};

struct writer {
    const mm_safetensors_write_args *args;
    MMI_VEC(struct item) items;
};

/* The order of dtypes in the package's list. */
static int rank_of(mm_dtype dtype)
{
    static const mm_dtype order[] = {MM_DTYPE_BOOL, MM_DTYPE_U8,  MM_DTYPE_I8,
                                     MM_DTYPE_I16,  MM_DTYPE_F16, MM_DTYPE_BF16,
                                     MM_DTYPE_I32,  MM_DTYPE_F32, MM_DTYPE_C64,
                                     MM_DTYPE_F64,  MM_DTYPE_I64};
    int rank = 0;

    while (rank < (int)(sizeof order / sizeof order[0]) && order[rank] != dtype) {
        rank++;
    }
    return rank;
}

static int wide_first(const void *a, const void *b)
{
    const struct item *x = a;
    const struct item *y = b;
    int rank = rank_of(y->tensor.dtype) - rank_of(x->tensor.dtype);

    return rank != 0 ? rank : strcmp(x->name, y->name);
}

static bool describe(const struct writer *writer, const mm_value *value,
                     mm_pth_tensor *out)
{
    const mm_pth_tensor *stored = mm_pth_find_tensor(value);

    if (stored != NULL) {
        *out = *stored;
        return true;
    }
    return writer->args->describe != NULL &&
           writer->args->describe(writer->args->user, value, out);
}

/* False for what cannot name a tensor. */
static bool is_name(const mm_value *key)
{
    const char *text = mm_value_kind(key) == MM_KIND_STR ? mm_value_str(key) : NULL;

    return text != NULL && strlen(text) == mm_value_len(key) &&
           strcmp(text, "__metadata__") != 0;
}

static void add_item(struct writer *writer, const mm_value *key, const mm_value *value)
{
    const char *name = is_name(key) ? mm_value_str(key) : "";
    struct item item = {.name = name};

    if (!is_name(key)) {
        mm_raise(MM_ETYPE, "could not write safetensors: a tensor has no name, or one "
                           "that cannot be");
    } else if (!describe(writer, value, &item.tensor)) {
        mm_raise(MM_ETYPE, "could not write safetensors: '%.200s' is no tensor", name);
    } else if (mmi_safetensors_dtype(item.tensor.dtype) == NULL) {
        mm_raise(MM_EUNSUPPORTED,
                 "could not write safetensors: the dtype of '%.200s' has no name in it",
                 name);
    }
    int64_t count = mmi_pth_numel(&item.tensor);
    if (!mmi_is_pending() && count > INT64_MAX / 16) {
        mm_raise(MM_EINVAL,
                 "could not write safetensors: '%.200s' has too many elements", name);
    }
    if (!mmi_is_pending()) {
        item.bytes = (uint64_t)count * mmi_pth_dtype_size(item.tensor.dtype);
        (void)mmi_vec_push(&writer->items, item);
    }
}

static void add_text(mmi_str *out, const char *text)
{
    mm_value *value = mm_value_new_str(text);
    char *json = value != NULL
                     ? mm_json_format(value, &(mm_json_args){.keep_utf8 = true})
                     : NULL;

    mmi_str_add(out, json);
    mm_free(json);
    mm_value_unref(value);
}

static void add_metadata(mmi_str *out, const mm_value *metadata)
{
    size_t count = metadata != NULL ? mm_value_len(metadata) : 0;

    if (metadata == NULL) {
        return;
    }
    mmi_str_add(out, "\"__metadata__\":{");
    for (size_t i = 0; i < count && !mmi_is_pending(); i++) {
        const char *name = mm_dict_name_at(metadata, i);
        if (name == NULL || mm_value_kind(mm_dict_at(metadata, i)) != MM_KIND_STR) {
            mm_raise(MM_ETYPE, "could not write safetensors: metadata are texts");
            return;
        }
        mmi_str_add(out, i > 0 ? "," : "");
        add_text(out, name);
        mmi_str_add(out, ":");
        add_text(out, mm_value_str(mm_dict_at(metadata, i)));
    }
    mmi_str_add(out, "}");
}

/* Length and header as they stand in the file; mm_free(). */
static char *make_header(const struct writer *writer, size_t *out_size)
{
    mmi_str out = {0};
    uint64_t at = 0;

    mmi_str_add_n(&out, "\0\0\0\0\0\0\0\0{", 9);
    add_metadata(&out, writer->args->metadata);
    for (size_t i = 0; i < writer->items.count && !mmi_is_pending(); i++) {
        const struct item *item = &writer->items.data[i];
        mmi_str_add(&out, out.size > 9 ? "," : "");
        add_text(&out, item->name);
        mmi_str_addf(&out, ":{\"dtype\":\"%s\",\"shape\":[",
                     mmi_safetensors_dtype(item->tensor.dtype));
        for (int d = 0; d < item->tensor.ndim; d++) {
            mmi_str_add(&out, d > 0 ? "," : "");
            mmi_str_add_i64(&out, item->tensor.sizes[d]);
        }
        mmi_str_add(&out, "],\"data_offsets\":[");
        mmi_str_add_i64(&out, (int64_t)at);
        mmi_str_add(&out, ",");
        mmi_str_add_i64(&out, (int64_t)(at += item->bytes));
        mmi_str_add(&out, "]}");
    }
    mmi_str_add(&out, "}");
    while (!mmi_is_pending() && out.size % 8 != 0) {
        mmi_str_add(&out, " ");
    }
    *out_size = out.size;
    char *text = mmi_str_take(&out);
    for (int i = 0; text != NULL && i < 8; i++) {
        text[i] = (char)(unsigned char)((uint64_t)(*out_size - 8) >> (8 * i));
    }
    return text;
}

static void write_items(struct writer *writer, mmi_file *file)
{
    for (size_t i = 0; i < writer->items.count && !mmi_is_pending(); i++) {
        const struct item *item = &writer->items.data[i];
        void *owned = NULL;
        const void *data = mmi_pth_elements(&item->tensor, &owned);
        if (data != NULL && item->bytes > 0) {
            (void)mmi_file_write_all(file, data, (size_t)item->bytes);
        }
        mm_free(owned);
    }
}

static uint64_t total_bytes(const struct writer *writer, size_t header_size)
{
    uint64_t total = header_size;

    for (size_t i = 0; i < writer->items.count; i++) {
        total += writer->items.data[i].bytes;
    }
    return total;
}

static void write_file(struct writer *writer, const char *header, size_t size)
{
    const char *path = writer->args->path;
    char *folder = mm_path_dirname(path);
    mmi_atomic_file file = {0};

    if (folder != NULL && (folder[0] == '\0' || mm_make_dirs(folder) == MM_OK)) {
        mmi_pth_check_room(path, total_bytes(writer, size));
    }
    if (!mmi_is_pending() && mmi_atomic_begin(&file, path) == MM_OK) {
        (void)mmi_file_write_all(&file.file, header, size);
        write_items(writer, &file.file);
        if (mmi_is_pending()) {
            mmi_atomic_abort(&file);
        } else {
            (void)mmi_atomic_commit(&file);
        }
        mm_error_frame("while writing '%s'", path);
    }
    mm_free(folder);
}

mm_status mm_safetensors_write(const mm_safetensors_write_args *args)
{
    struct writer writer = {.args = args};
    size_t size = 0;

    if (!MMI_NEED(args) || !MMI_NEED(args->path) || !MMI_NEED(args->tensors)) {
        return mm_pending();
    }
    if (mm_value_kind(args->tensors) != MM_KIND_DICT) {
        return mm_raise(MM_ETYPE,
                        "could not write safetensors: a dict is needed, got %s",
                        mm_value_type_name(args->tensors));
    }
    for (size_t i = 0; i < mm_value_len(args->tensors) && !mmi_is_pending(); i++) {
        add_item(&writer, mm_dict_key_at(args->tensors, i),
                 mm_dict_at(args->tensors, i));
    }
    if (writer.items.count > 0) {
        qsort(writer.items.data, writer.items.count, sizeof(struct item), wide_first);
    }
    char *header = mmi_is_pending() ? NULL : make_header(&writer, &size);
    if (header != NULL) {
        write_file(&writer, header, size);
    }
    mm_free(header);
    mmi_vec_deinit(&writer.items);
    return mm_pending();
}
