/* What is in a checkpoint file, as plain data for people and other programs.
 */
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "base/str.h"
#include "fileio/pickle.h"
#include "fileio/pth_elements.h"
#include "mmengine/checkpoint.h"
#include "mmengine/file.h"
#include "mmengine/tensor.h"
#include "runner/checkpoint_tree.h"

struct listing {
    mm_value *tensors;
    mmi_str path;
    int64_t bytes;
};

static void list_tensors(struct listing *listing, const mm_value *value);

static int64_t bytes_of(const mm_pth_tensor *tensor)
{
    int64_t count = mmi_pth_numel(tensor);
    int64_t size = (int64_t)mm_dtype_size(tensor->dtype);

    return size > 0 && count > INT64_MAX / size ? INT64_MAX : count * size;
}

static void add_tensor(struct listing *listing, const mm_pth_tensor *tensor)
{
    mm_value *row = mm_value_new_dict();
    mm_value *shape = mm_value_new_list();

    for (int i = 0; i < tensor->ndim; i++)
        mm_list_push(shape, mm_value_new_i64(tensor->sizes[i]));
    mm_dict_put_str(row, "name", mmi_str_text(&listing->path));
    mm_dict_put_str(row, "dtype", mm_dtype_name(tensor->dtype));
    mm_dict_take(row, "shape", shape);
    mm_dict_put_i64(row, "bytes", bytes_of(tensor));
    mm_list_push(listing->tensors, row);
    listing->bytes += bytes_of(tensor);
}

static void list_below(struct listing *listing, const char *name, const mm_value *value)
{
    size_t size = listing->path.size;

    mmi_str_addf(&listing->path, "%s%s", size > 0 ? "." : "", name);
    list_tensors(listing, value);
    mmi_str_cut(&listing->path, size);
}

static void list_tensors(struct listing *listing, const mm_value *value)
{
    const mm_pth_tensor *tensor = mm_pth_find_tensor(value);
    const mm_value *dict = mmi_tree_dict(value);
    mm_kind kind = mm_value_kind(value);
    bool is_list = kind == MM_KIND_LIST || kind == MM_KIND_TUPLE;
    size_t count = dict != NULL ? mm_value_len(dict)
                   : is_list    ? mm_value_len(value)
                                : 0;

    if (tensor != NULL)
        add_tensor(listing, tensor);
    for (size_t i = 0; i < count && !mmi_is_pending(); i++) {
        const char *name = dict != NULL ? mm_dict_name_at(dict, i) : NULL;
        const mm_value *below =
            dict != NULL ? mm_dict_at(dict, i) : mm_list_get(value, i);
        char *text = dict == NULL   ? mm_strfmt("%zu", i)
                     : name == NULL ? mm_value_repr(mm_dict_key_at(dict, i))
                                    : mm_strdup(name);

        if (text != NULL)
            list_below(listing, text, below);
        mm_free(text);
    }
}

/* "dict of 320 tensors", "list of 2": what stands under a key of the file; yours. */
static char *holds(const mm_value *value)
{
    const mm_value *dict = mmi_tree_dict(value);
    mm_kind kind = mm_value_kind(value);

    if (dict != NULL)
        return mm_strfmt("%zu %s", mm_value_len(dict),
                         mmi_tree_has_tensors(dict) ? "tensors" : "entries");
    if (kind == MM_KIND_LIST || kind == MM_KIND_TUPLE)
        return mm_strfmt("%s of %zu", mm_value_type_name(value), mm_value_len(value));
    return mm_value_repr(value);
}

static void put_keys(mm_value *out, const mm_value *root)
{
    mm_value *keys = mm_value_new_list();

    for (size_t i = 0; i < mm_value_len(root) && !mmi_is_pending(); i++) {
        const char *name = mm_dict_name_at(root, i);
        char *text = holds(mm_dict_at(root, i));
        mm_value *row = mm_value_new_dict();

        mm_dict_put_str(row, "key", name != NULL ? name : "?");
        mm_dict_put_str(row, "holds", text != NULL ? text : "");
        mm_list_push(keys, row);
        mm_free(text);
    }
    mm_dict_take(out, "keys", keys);
}

static void put_weights(mm_value *out, mm_value *root)
{
    const mm_value *inner = mm_dict_find(mmi_tree_dict(root), "state_dict");
    const mm_value *weights = mmi_tree_dict(inner != NULL ? inner : root);
    int64_t numbers = 0, bytes = 0, count = 0;

    for (size_t i = 0; weights != NULL && i < mm_value_len(weights); i++) {
        const mm_pth_tensor *tensor = mm_pth_find_tensor(mm_dict_at(weights, i));

        if (tensor != NULL) {
            numbers += mmi_pth_numel(tensor);
            bytes += bytes_of(tensor);
            count++;
        }
    }
    mm_dict_put_i64(out, "num_tensors", count);
    mm_dict_put_i64(out, "num_parameters", numbers);
    mm_dict_put_i64(out, "parameter_bytes", bytes);
}

mm_value *mm_checkpoint_describe(const char *path)
{
    mm_value *root =
        MMI_NEED(path)
            ? mm_pth_read(&(mm_pth_read_args){.path = path, .keep_ordered = true})
            : NULL;
    const mm_value *dict = root == NULL ? NULL : mmi_tree_dict(root);
    struct listing listing = {.tensors = mm_value_new_list()};
    mm_value *out = mm_value_new_dict();

    if (!mmi_is_pending()) {
        mm_value *meta = mmi_tree_meta(root, path);

        list_tensors(&listing, root);
        mm_dict_put_str(out, "file", path);
        mm_dict_put_str(out, "format", mm_pth_format(path));
        mm_dict_put_i64(out, "bytes", mm_file_size(path));
        if (meta != NULL)
            mm_dict_take(out, "meta", meta);
        if (dict != NULL) {
            if (!mmi_tree_has_tensors(dict))
                put_keys(out, dict);
            put_weights(out, root);
        }
        mm_dict_put(out, "tensors", listing.tensors);
        mm_dict_put_i64(out, "tensor_bytes", listing.bytes);
    }
    mmi_str_deinit(&listing.path);
    mm_value_unref(listing.tensors);
    mm_value_unref(root);
    if (mmi_is_pending()) {
        mm_value_unref(out);
        return NULL;
    }
    return out;
}
