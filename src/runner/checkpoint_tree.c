/* Finding one's way in the tree of a checkpoint file, whose dicts may be OrderedDicts
 * with attributes, and making tensors for a new one.
 */
#include "runner/checkpoint_tree.h"

#include <string.h>

#include "base/status.h"
#include "fileio/pickle.h"
#include "fileio/pth_elements.h"
#include "mmengine/file.h"
#include "mmengine/fileio.h"
#include "mmengine/log.h"
#include "mmengine/memory.h"
#include "mmengine/safetensors.h"
#include "mmengine/tensor.h"

/* Where a checkpoint's meta is in a .safetensors file. */
static const char META_TEXT[] = "mmengine_meta";

mm_value *mmi_tree_dict(const mm_value *value)
{
    const mmi_node *node = mmi_node_find(value);

    if (mm_value_kind(value) == MM_KIND_DICT)
        return (mm_value *)(uintptr_t)value;
    return node != NULL && node->kind == MMI_NODE_ORDERED ? node->entries : NULL;
}

mm_value *mmi_tree_read(const char *path)
{
    mm_value *root =
        mm_pth_read(&(mm_pth_read_args){.path = path, .keep_ordered = true});

    if (root != NULL && mmi_tree_dict(root) == NULL) {
        (void)mm_raise(MM_EDATA, "checkpoint '%s' holds a %s, not a dict", path,
                       mm_value_type_name(root));
        mm_value_unref(root);
        return NULL;
    }
    return root;
}

bool mmi_tree_has_tensors(const mm_value *dict)
{
    size_t count = dict == NULL ? 0 : mm_value_len(dict);

    for (size_t i = 0; i < count; i++) {
        if (mm_pth_find_tensor(mm_dict_at(dict, i)) != NULL)
            return true;
    }
    return false;
}

mm_value *mmi_tree_weights(mm_value *root, const char *path)
{
    mm_value *dict = mmi_tree_dict(root);
    mm_value *inner = mm_dict_find(dict, "state_dict");

    if (inner != NULL && mmi_tree_dict(inner) != NULL)
        return inner;
    if (mmi_tree_has_tensors(dict))
        return root;
    (void)mm_raise(MM_EDATA, "checkpoint '%s' has no 'state_dict' and no tensors",
                   path);
    return NULL;
}

mm_value *mmi_tree_like(const mm_value *old, mm_value *dict)
{
    const mmi_node *node = mmi_node_find(old);
    mm_value *made = NULL;

    if (node == NULL)
        return mm_value_ref(dict);
    mmi_node copy = *node;
    copy.entries = dict;
    made = mmi_node_new(&copy);
    return made;
}

bool mmi_tree_is_safetensors(const char *path)
{
    return strcmp(mm_path_extension(path), ".safetensors") == 0;
}

/* A value that JSON can hold: what it cannot becomes its text; yours. */
static mm_value *as_plain(const mm_value *value)
{
    const mm_value *dict = mmi_tree_dict(value);
    mm_kind kind = mm_value_kind(value);
    mm_value *numbers = dict == NULL ? mm_pickle_find_numpy(value) : NULL;

    if (numbers != NULL)
        return numbers;
    if (dict != NULL) {
        mm_value *out = mm_value_new_dict();

        for (size_t i = 0; i < mm_value_len(dict) && !mmi_is_pending(); i++) {
            mm_value *below = as_plain(mm_dict_at(dict, i));

            if (below != NULL)
                mm_dict_put_key(out, mm_dict_key_at(dict, i), below);
            mm_value_unref(below);
        }
        return out;
    }
    if (kind == MM_KIND_LIST || kind == MM_KIND_TUPLE || kind == MM_KIND_SET) {
        mm_value *out = mm_value_new_list();

        for (size_t i = 0; i < mm_value_len(value) && !mmi_is_pending(); i++)
            mm_list_push(out, as_plain(mm_list_get(value, i)));
        return out;
    }
    if (kind != MM_KIND_OBJECT && kind != MM_KIND_BYTES)
        return mm_value_ref((mm_value *)(uintptr_t)value);
    char *text = mm_value_repr(value);
    mm_value *out = text != NULL ? mm_value_new_str(text) : NULL;

    mm_free(text);
    return out;
}

mm_value *mmi_tree_meta(const mm_value *root, const char *path)
{
    const mm_value *dict = mmi_tree_dict(root);
    const mm_value *meta = dict == NULL ? NULL : mm_dict_find(dict, "meta");
    const char *format = mm_pth_format(path);

    if (meta != NULL)
        return as_plain(meta);
    if (format == NULL || strcmp(format, "safetensors") != 0)
        return mm_value_new_dict();
    mm_value *texts = mm_safetensors_metadata(path);
    const mm_value *text = texts == NULL ? NULL : mm_dict_find(texts, META_TEXT);
    mm_value *found = text == NULL
                          ? mm_value_new_dict()
                          : mm_json_parse(mm_value_str(text), mm_value_len(text), path);

    mm_value_unref(texts);
    return found;
}

static void put_meta(mm_value *texts, const mm_value *meta)
{
    char *text = mm_json_format(meta, &(mm_json_args){.keep_utf8 = true});

    if (text != NULL)
        mm_dict_put_str(texts, META_TEXT, text);
    mm_free(text);
}

void mmi_tree_write_safetensors(const char *path, const mm_value *weights,
                                const mm_value *meta)
{
    const mm_value *dict = mmi_tree_dict(weights);
    mm_value *tensors = mm_value_new_dict();
    mm_value *texts = mm_value_new_dict();

    for (size_t i = 0; i < mm_value_len(dict) && !mmi_is_pending(); i++) {
        mm_value *value = mm_dict_at(dict, i);
        const char *name = mm_dict_name_at(dict, i);

        if (mm_pth_find_tensor(value) != NULL)
            mm_dict_put_key(tensors, mm_dict_key_at(dict, i), value);
        else
            mm_log(MM_LOG_WARN, "'%s' is no tensor, continuing without it",
                   name != NULL ? name : "?");
    }
    if (meta != NULL && mm_value_len(meta) > 0)
        put_meta(texts, meta);
    mm_dict_put_str(texts, "format", "pt");
    if (!mmi_is_pending())
        (void)mm_safetensors_write(&(mm_safetensors_write_args){
            .path = path, .tensors = tensors, .metadata = texts});
    mm_value_unref(texts);
    mm_value_unref(tensors);
}

mm_value *mmi_tree_new_tensor(mmi_tree_memory *memory, const mm_pth_tensor *like,
                              mm_dtype dtype, void **out_data)
{
    mm_pth_tensor tensor = {.dtype = dtype,
                            .ndim = like->ndim,
                            .requires_grad = like->requires_grad,
                            .is_parameter = like->is_parameter};

    memcpy(tensor.sizes, like->sizes, sizeof(tensor.sizes));
    if (!mmi_pth_set_dense(&tensor)) {
        (void)mm_raise(MM_EDATA, "a tensor claims too many elements");
        return NULL;
    }
    tensor.memory_bytes = (size_t)mmi_pth_numel(like) * mm_dtype_size(dtype);
    void *data = mm_realloc(NULL, tensor.memory_bytes + 1);

    if (data == NULL || !mmi_vec_push(&memory->blocks, data)) {
        mm_free(data);
        return NULL;
    }
    tensor.memory = *out_data = data;
    return mm_pth_tensor_new(&tensor);
}

void mmi_tree_memory_deinit(mmi_tree_memory *memory)
{
    for (size_t i = 0; i < memory->blocks.count; i++)
        mm_free(memory->blocks.data[i]);
    mmi_vec_deinit(&memory->blocks);
}
