/* Files of predictions. Written: a list of dicts with torch tensors, as Python's
 * DumpResults leaves it. Read: the same, and what Python programs put beside: NumPy
 * arrays and scalars, data elements that nobody turned into dicts. */
#include <string.h>

#include "base/value_convert.h"
#include "evaluator/metric.h"
#include "fileio/pickle.h"
#include "mmengine/file.h"
#include "mmengine/memory.h"
#include "mmengine/pth.h"
#include "tensor/stored.h"

enum { MAX_DEPTH = 200 };

static mm_value *plain(const mm_value *value, void *user);

/* --- reading --- */

/* A pickled BaseDataElement: its attributes, two of which are the sets of names. */
static bool is_element(const mmi_node *node)
{
    return mm_value_kind(node->state) == MM_KIND_DICT &&
           mm_dict_has(node->state, "_metainfo_fields") &&
           mm_dict_has(node->state, "_data_fields");
}

static mm_value *from_element(const mmi_node *node, int *depth)
{
    mm_value *out = mm_value_new_dict();
    size_t count = out == NULL ? 0 : mm_value_len(node->state);

    for (size_t i = 0; i < count && !mm_has_error(); i++) {
        const char *name = mm_dict_name_at(node->state, i);

        if (name == NULL || strcmp(name, "_metainfo_fields") == 0 ||
            strcmp(name, "_data_fields") == 0)
            continue;
        /* to_dict() gives the property's name to a field behind a property */
        mm_dict_take(out, name[0] == '_' ? name + 1 : name,
                     plain(mm_dict_at(node->state, i), depth));
    }
    return out;
}

static mm_value *from_node(const mm_value *value, int *depth)
{
    const mmi_node *node = mmi_node_find(value);
    mm_value *out = mmi_stored_numpy(value);

    if (out == NULL && node != NULL && is_element(node))
        out = from_element(node, depth);
    return out != NULL || mm_has_error() ? out : mmi_value_keep(value);
}

/* The value without classes of Python; yours. `user`: how deep it lies, an int. */
static mm_value *plain(const mm_value *value, void *user)
{
    int depth = *(const int *)user + 1;

    if (depth > MAX_DEPTH) {
        (void)mm_raise(MM_EDATA, "predictions are nested deeper than %d", MAX_DEPTH);
        return NULL;
    }
    if (mm_value_kind(value) == MM_KIND_OBJECT)
        return from_node(value, &depth);
    return mmi_value_is_container(value) ? mmi_value_convert_items(value, plain, &depth)
                                         : mmi_value_keep(value);
}

mm_value *mm_predictions_load(const char *path)
{
    mm_value *root =
        mm_pth_read_pickle(&(mm_pth_read_args){.path = path, .make = mmi_stored_copy});
    int depth = 0;
    mm_value *predictions = root == NULL ? NULL : plain(root, &depth);

    mm_value_unref(root);
    if (predictions != NULL && mm_value_kind(predictions) != MM_KIND_LIST) {
        (void)mm_raise(MM_EDATA,
                       "could not read predictions '%s': they are a %s, no list", path,
                       mm_value_type_name(predictions));
        mm_value_unref(predictions);
        return NULL;
    }
    return predictions;
}

/* --- writing --- */

mm_status mm_predictions_save(const mm_value *predictions, const char *path)
{
    char *folder = path == NULL ? NULL : mm_path_dirname(path);
    mm_scope scope = mm_scope_open();

    if (folder == NULL || folder[0] == '\0' || mm_make_dirs(folder) == MM_OK)
        (void)mm_pth_write_pickle(&(mm_pth_write_args){
            .path = path, .root = predictions, .describe = mmi_stored_describe});
    mm_scope_close(scope);
    mm_free(folder);
    return mm_pending();
}
