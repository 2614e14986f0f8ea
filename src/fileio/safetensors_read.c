/* Reads .safetensors: eight bytes of length, a JSON object that says where each tensor
 * lies, the bytes. Nothing is believed: the header is bounded, and the tensors must
 * cover the bytes behind it without overlap and without holes, so that no two readers
 * can disagree about a file. */
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "fileio/pth_elements.h"
#include "fileio/safetensors.h"
#include "mmengine/fileio.h"
#include "mmengine/memory.h"
#include "mmengine/safetensors.h"

enum { HEAD = 8, MAX_HEADER = 100000000 };
static const char METADATA[] = "__metadata__";

static const struct {
    const char *name;
    mm_dtype dtype;
} dtypes[] = {
    {"BOOL", MM_DTYPE_BOOL}, {"U8", MM_DTYPE_U8},   {"I8", MM_DTYPE_I8},
    {"I16", MM_DTYPE_I16},   {"F16", MM_DTYPE_F16}, {"BF16", MM_DTYPE_BF16},
    {"I32", MM_DTYPE_I32},   {"F32", MM_DTYPE_F32}, {"C64", MM_DTYPE_C64},
    {"F64", MM_DTYPE_F64},   {"I64", MM_DTYPE_I64},
};

/* Where a tensor lies behind the header. */
struct place {
    const char *name;
    uint64_t begin, end;
};

struct reader {
    mmi_pth_file *file;
    const mm_pth_read_args *args;
    const unsigned char *data; /* behind the header */
    uint64_t size;
    struct place *places;
    size_t count;
};

const char *mmi_safetensors_dtype(mm_dtype dtype)
{
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++) {
        if (dtypes[i].dtype == dtype) {
            return dtypes[i].name;
        }
    }
    return NULL;
}

static mm_value *damaged(const char *path, const char *name, const char *why)
{
    if (name == NULL) {
        mm_raise(MM_EDATA, "could not read safetensors '%s': %s", path, why);
    } else {
        mm_raise(MM_EDATA, "could not read tensor '%.200s' of '%s': %s", name, path,
                 why);
    }
    return NULL;
}

/* --- the header --- */

static uint64_t header_size(const unsigned char *data)
{
    uint64_t size = 0;

    for (int i = HEAD; i > 0; i--) {
        size = size << 8 | data[i - 1];
    }
    return size;
}

bool mmi_is_safetensors(const char *path, const unsigned char *data, size_t size)
{
    static const char ending[] = ".safetensors";
    size_t length = strlen(path);

    if (length >= strlen(ending) &&
        strcmp(path + length - strlen(ending), ending) == 0) {
        return true;
    }
    return size > HEAD && header_size(data) <= size - HEAD && data[HEAD] == '{';
}

/* The header's dict; yours. `out_end` gets the bytes of length and header. */
static mm_value *read_header(const unsigned char *data, size_t size, const char *path,
                             size_t *out_end)
{
    if (size < HEAD || header_size(data) > size - HEAD) {
        return damaged(path, NULL,
                       "its header reaches beyond its end, the file is cut off or "
                       "something else");
    }
    size_t length = (size_t)header_size(data);
    if (length > MAX_HEADER) {
        return damaged(path, NULL, "its header has more than 100 MB");
    }
    if (length < 2 || data[HEAD] != '{') {
        return damaged(path, NULL, "its header is no JSON object");
    }
    mm_value *header = mm_json_parse((const char *)data + HEAD, length, path);
    if (header == NULL && mm_pending() == MM_EDATA) {
        mm_error_frame("while reading the header of '%s'", path);
    }
    *out_end = HEAD + length;
    return header;
}

/* --- one tensor --- */

static bool read_dtype(const mm_value *info, mm_dtype *out)
{
    const mm_value *name = mm_dict_find(info, "dtype");

    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++) {
        if (mm_value_kind(name) == MM_KIND_STR &&
            strcmp(mm_value_str(name), dtypes[i].name) == 0) {
            *out = dtypes[i].dtype;
            return true;
        }
    }
    return false;
}

/* Whole numbers that are not negative; -1 if there is something else or too many. */
static int read_numbers(const mm_value *list, int64_t *out, int most)
{
    size_t count = mm_value_kind(list) == MM_KIND_LIST ? mm_value_len(list) : SIZE_MAX;

    if (count > (size_t)most) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        const mm_value *item = mm_list_get(list, i);
        if (mm_value_kind(item) != MM_KIND_I64 || mm_value_i64(item) < 0) {
            return -1;
        }
        out[i] = mm_value_i64(item);
    }
    return (int)count;
}

/* Makes the tensor dense and says its bytes; false if they are too many to count. */
static bool lay_out(mm_pth_tensor *tensor, uint64_t *out_bytes)
{
    if (!mmi_pth_set_dense(tensor)) {
        return false;
    }
    *out_bytes = (uint64_t)mmi_pth_numel(tensor) * mmi_pth_dtype_size(tensor->dtype);
    return true;
}

/* Fills a description and where its bytes are. */
static bool read_info(struct reader *reader, const char *name, const mm_value *info,
                      mm_pth_tensor *tensor, struct place *place)
{
    const char *path = reader->args->path;
    int64_t offsets[2] = {0};
    uint64_t bytes = 0;

    if (mm_value_kind(info) != MM_KIND_DICT ||
        mm_value_kind(mm_dict_find(info, "dtype")) != MM_KIND_STR ||
        read_numbers(mm_dict_find(info, "data_offsets"), offsets, 2) != 2) {
        return damaged(path, name, "its dtype or its offsets are missing");
    }
    if (!read_dtype(info, &tensor->dtype)) {
        mm_raise(MM_EUNSUPPORTED, "could not read tensor '%.200s' of '%s': dtype %.20s",
                 name, path, mm_value_str(mm_dict_find(info, "dtype")));
        return false;
    }
    tensor->ndim = read_numbers(mm_dict_find(info, "shape"), tensor->sizes, MM_MAX_DIM);
    if (tensor->ndim < 0) {
        return damaged(path, name, "its shape is no list of up to 8 sizes");
    }
    *place = (struct place){name, (uint64_t)offsets[0], (uint64_t)offsets[1]};
    if (!lay_out(tensor, &bytes) || place->begin > place->end ||
        place->end - place->begin != bytes) {
        return damaged(path, name, "its bytes are not as many as its shape needs");
    }
    if (place->end > reader->size) {
        return damaged(path, name, "it reaches beyond the end, the file is cut off");
    }
    tensor->memory_bytes = (size_t)bytes;
    return true;
}

static mm_value *make_tensor(struct reader *reader, mm_pth_tensor *tensor,
                             const struct place *place)
{
    const mm_pth_read_args *args = reader->args;
    mm_value *value = NULL;

    tensor->storage = mmi_pth_storage_of_size(reader->file, place->end - place->begin);
    if (tensor->storage != NULL) {
        mmi_pth_storage_set_data(tensor->storage, reader->data + place->begin);
        value = args->make != NULL ? args->make(args->user, tensor)
                                   : mm_pth_tensor_new(tensor);
    }
    mm_pth_storage_unref(tensor->storage);
    return value;
}

/* --- all of them --- */

static int by_place(const void *a, const void *b)
{
    const struct place *x = a;
    const struct place *y = b;

    if (x->begin != y->begin) {
        return x->begin < y->begin ? -1 : 1;
    }
    return (x->end > y->end) - (x->end < y->end);
}

/* Each begins where the former ends, and the last ends with the file. */
static void check_cover(struct reader *reader)
{
    uint64_t at = 0;

    if (reader->count > 0) {
        qsort(reader->places, reader->count, sizeof *reader->places, by_place);
    }
    for (size_t i = 0; i < reader->count; i++) {
        const struct place *place = &reader->places[i];
        if (place->begin != at) {
            damaged(reader->args->path, place->name,
                    place->begin < at ? "it overlaps another tensor"
                                      : "there are bytes of no tensor before it");
            return;
        }
        at = place->end;
    }
    if (at != reader->size) {
        damaged(reader->args->path, NULL, "there are bytes of no tensor at its end");
    }
}

static mm_value *read_tensors(struct reader *reader, const mm_value *header)
{
    mm_value *dict = mm_value_new_dict();

    for (size_t i = 0; i < mm_value_len(header) && !mmi_is_pending(); i++) {
        const char *name = mm_dict_name_at(header, i);
        mm_pth_tensor tensor = {0};
        struct place *place = &reader->places[reader->count];
        if (strcmp(name, METADATA) == 0 ||
            !read_info(reader, name, mm_dict_at(header, i), &tensor, place)) {
            continue;
        }
        reader->count++;
        mm_value *value = make_tensor(reader, &tensor, place);
        if (value != NULL) {
            mm_dict_put_key(dict, mm_dict_key_at(header, i), value);
        }
        mm_value_unref(value);
    }
    if (!mmi_is_pending()) {
        check_cover(reader);
    }
    if (mmi_is_pending()) {
        mm_value_unref(dict);
        return NULL;
    }
    return dict;
}

mm_value *mmi_safetensors_read(mmi_pth_file *file, const mm_pth_read_args *args)
{
    struct reader reader = {.file = file, .args = args};
    size_t size = 0, begin = 0;
    const unsigned char *data = mmi_pth_file_data(file, &size);
    mm_value *header = read_header(data, size, args->path, &begin);
    mm_value *dict = NULL;

    if (header != NULL) {
        reader.data = data + begin;
        reader.size = size - begin;
        reader.places = mm_alloc_array(mm_value_len(header) + 1, sizeof *reader.places);
        dict = reader.places != NULL ? read_tensors(&reader, header) : NULL;
    }
    mm_free(reader.places);
    mm_value_unref(header);
    return dict;
}

/* A dict of str -> str, as the format wants it. */
static bool is_texts(const mm_value *dict)
{
    bool is_dict = mm_value_kind(dict) == MM_KIND_DICT;

    for (size_t i = 0; is_dict && i < mm_value_len(dict); i++) {
        is_dict = mm_value_kind(mm_dict_at(dict, i)) == MM_KIND_STR;
    }
    return is_dict;
}

mm_value *mm_safetensors_metadata(const char *path)
{
    mmi_pth_file *file = MMI_NEED(path) ? mmi_pth_file_open(path) : NULL;
    size_t size = 0, begin = 0;
    mm_value *found = NULL;

    if (file == NULL) {
        return NULL;
    }
    const unsigned char *data = mmi_pth_file_data(file, &size);
    mm_value *header = read_header(data, size, path, &begin);
    if (header != NULL && mm_dict_has(header, METADATA)) {
        found = mm_value_ref(mm_dict_find(header, METADATA));
        if (!is_texts(found)) {
            mm_value_unref(found);
            found = damaged(path, NULL, "its metadata is no dict of texts");
        }
    } else if (header != NULL) {
        found = mm_value_new_dict();
    }
    mm_value_unref(header);
    mmi_pth_file_unref(file);
    return found;
}
