/* The message hub as Python MMEngine has it. Its histories are HistoryBuffer objects
 * over NumPy arrays; here they are plain lists, or were dropped when the file was
 * written and come back from scalars.json. The objects are written as nodes of a
 * pickle: what Python would call to make them. Source:
 * mmengine/logging/history_buffer.py.
 */
#include "runner/checkpoint_python.h"

#include <string.h>

#include "base/map.h"
#include "base/status.h"
#include "base/vec.h"
#include "fileio/pickle.h"
#include "mmengine/file.h"
#include "mmengine/memory.h"
#include "runner/checkpoint_tree.h"
#include "runner/internal.h"

enum { MAX_LENGTH = 1000000 /* HistoryBuffer's default */ };

/* --- nodes --- */

static mm_value *class_node(const char *name)
{
    return mmi_node_new(
        &(mmi_node){.kind = MMI_NODE_CLASS,
                    .class_name = name,
                    .module_size = (size_t)(strrchr(name, '.') - name)});
}

/* name(*args) with a state; the arguments go. */
static mm_value *made_by(mmi_node_kind kind, const char *name, mm_value *args,
                         mm_value *state)
{
    mm_value *callee = class_node(name);
    mm_value *node = mmi_is_pending()
                         ? NULL
                         : mmi_node_new(&(mmi_node){
                               .kind = kind,
                               .class_name = name,
                               .module_size = (size_t)(strrchr(name, '.') - name),
                               .callee = callee,
                               .args = args,
                               .state = state});

    mm_value_unref(callee);
    mm_value_unref(args);
    mm_value_unref(state);
    return node;
}

/* numpy.dtype of little-endian 'f8' or 'i8'. */
static mm_value *dtype_node(const char *code)
{
    mm_value *args = mm_value_new_tuple();
    mm_value *state = mm_value_new_tuple();

    mm_list_push(args, mm_value_new_str(code));
    mm_list_push(args, mm_value_new_bool(false));
    mm_list_push(args, mm_value_new_bool(true));
    mm_list_push(state, mm_value_new_i64(3));
    mm_list_push(state, mm_value_new_str("<"));
    for (int i = 0; i < 3; i++)
        mm_list_push(state, mm_value_new_none());
    mm_list_push(state, mm_value_new_i64(-1));
    mm_list_push(state, mm_value_new_i64(-1));
    mm_list_push(state, mm_value_new_i64(0));
    return made_by(MMI_NODE_REDUCE, "numpy.dtype", args, state);
}

/* A NumPy array of one dimension over `count` items of 8 bytes. */
static mm_value *array_node(const char *code, const void *items, size_t count)
{
    mm_value *args = mm_value_new_tuple();
    mm_value *none = mm_value_new_tuple();
    mm_value *state = mm_value_new_tuple();
    mm_value *sizes = mm_value_new_tuple();

    mm_list_push(none, mm_value_new_i64(0));
    mm_list_push(args, class_node("numpy.ndarray"));
    mm_list_push(args, none);
    mm_list_push(args, mm_value_new_bytes("b", 1));
    mm_list_push(sizes, mm_value_new_i64((int64_t)count));
    mm_list_push(state, mm_value_new_i64(1));
    mm_list_push(state, sizes);
    mm_list_push(state, dtype_node(code));
    mm_list_push(state, mm_value_new_bool(false));
    mm_list_push(state, mm_value_new_bytes(items, 8 * count));
    return made_by(MMI_NODE_REDUCE, "numpy.core.multiarray._reconstruct", args, state);
}

static bool all_ints(const mm_value *list)
{
    for (size_t i = 0; i < mm_value_len(list); i++) {
        if (mm_value_kind(mm_list_get(list, i)) != MM_KIND_I64)
            return false;
    }
    return mm_value_len(list) > 0;
}

/* Bytes of the last numbers of a list, in the machine's order, which is little-endian
 * wherever checkpoints are written; yours. */
static mm_value *numbers_node(const mm_value *list)
{
    size_t size = mm_value_len(list);
    size_t skip = size > MAX_LENGTH ? size - MAX_LENGTH : 0;
    bool is_whole = all_ints(list);
    double *items = mm_alloc_array(size - skip + 1, sizeof(*items));
    mm_value *node = NULL;

    for (size_t i = skip; items != NULL && i < size && !mmi_is_pending(); i++) {
        const mm_value *item = mm_list_get(list, i);
        double number = is_whole ? 0.0 : mm_value_f64(item);
        int64_t whole = is_whole ? mm_value_i64(item) : 0;

        memcpy(&items[i - skip], is_whole ? (const void *)&whole : &number, 8);
    }
    if (items != NULL && !mmi_is_pending())
        node = array_node(is_whole ? "i8" : "f8", items, size - skip);
    mm_free(items);
    return node;
}

static mm_value *history_node(const mm_value *values, const mm_value *counts)
{
    mm_value *state = mm_value_new_dict();

    mm_dict_put_i64(state, "max_length", MAX_LENGTH);
    mm_dict_take(state, "_log_history", numbers_node(values));
    mm_dict_take(state, "_count_history", numbers_node(counts));
    return made_by(MMI_NODE_NEWOBJ, "mmengine.logging.history_buffer.HistoryBuffer",
                   mm_value_new_tuple(), state);
}

/* --- the hub --- */

static void put_histories(mm_value *out, const mm_value *scalars)
{
    size_t count = scalars == NULL ? 0 : mm_value_len(scalars);

    for (size_t i = 0; i < count && !mmi_is_pending(); i++) {
        mm_value *key = mm_dict_key_at(scalars, i);
        mm_value *entry = mm_dict_at(scalars, i);
        bool is_dict = mm_value_kind(entry) == MM_KIND_DICT;
        const mm_value *values = is_dict ? mm_dict_find(entry, "log_history") : NULL;
        const mm_value *counts = is_dict ? mm_dict_find(entry, "count_history") : NULL;

        if (mm_dict_find_key(out, key) != NULL)
            continue;
        mm_value *node = values != NULL && counts != NULL ? history_node(values, counts)
                                                          : mm_value_ref(entry);

        if (node != NULL)
            mm_dict_put_key(out, key, node);
        mm_value_unref(node);
    }
}

/* What a record says beside its scalars. */
static bool is_position(const char *name)
{
    return strcmp(name, "epoch") == 0 || strcmp(name, "iter") == 0 ||
           strcmp(name, "step") == 0 || strcmp(name, "memory") == 0;
}

/* Adds a record's numbers to the lists by key, "train/loss". */
static void add_record(mm_value *lists, const mm_value *record)
{
    const char *mode = mm_dict_has(record, "iter") ? "train" : "val";

    for (size_t i = 0; i < mm_value_len(record) && !mmi_is_pending(); i++) {
        const char *name = mm_dict_name_at(record, i);
        mm_value *number = mm_dict_at(record, i);
        mm_kind kind = mm_value_kind(number);

        if (name == NULL || is_position(name) ||
            (kind != MM_KIND_I64 && kind != MM_KIND_F64))
            continue;
        char *key = mm_strfmt("%s/%s", mode, name);
        mm_value *list = key == NULL ? NULL : mm_dict_find(lists, key);

        if (key != NULL && list == NULL) {
            mm_dict_take(lists, key, mm_value_new_list());
            list = mm_dict_find(lists, key);
        }
        if (list != NULL)
            mm_list_append(list, number);
        mm_free(key);
    }
}

static mm_value *lists_of_file(const char *path, int64_t last_iter)
{
    size_t size = 0;
    char *text = mm_file_read(path, &size);
    mm_value *records = text == NULL ? NULL : mm_json_parse_lines(text, size, path);
    mm_value *lists = mm_value_new_dict();

    for (size_t i = 0; records != NULL && i < mm_value_len(records); i++) {
        const mm_value *record = mm_list_get(records, i);

        if (mm_value_kind(record) != MM_KIND_DICT) {
            (void)mm_raise(MM_EDATA, "record %zu of '%s' is no dict", i + 1, path);
            break;
        }
        const mm_value *iter = mm_dict_find(record, "iter");

        if (mm_value_kind(iter) == MM_KIND_I64 && mm_value_i64(iter) > last_iter)
            break;
        add_record(lists, record);
    }
    mm_free(text);
    mm_value_unref(records);
    return lists;
}

/* Histories of a scalars.json, each number counted once. */
static void put_file(mm_value *out, mm_value *resumed, const char *path,
                     int64_t last_iter)
{
    mm_value *lists = lists_of_file(path, last_iter);

    for (size_t i = 0; i < mm_value_len(lists) && !mmi_is_pending(); i++) {
        const char *name = mm_dict_name_at(lists, i);
        const mm_value *values = mm_dict_at(lists, i);
        mm_value *counts = mm_value_new_list();

        for (size_t k = 0; k < mm_value_len(values); k++)
            mm_list_push(counts, mm_value_new_i64(1));
        if (!mm_dict_has(out, name)) {
            mm_dict_take(out, name, history_node(values, counts));
            mm_dict_put_bool(resumed, name, true);
        }
        mm_value_unref(counts);
    }
    mm_value_unref(lists);
}

static mm_value *copy_dict(const mm_value *dict)
{
    mm_value *copy = mm_value_new_dict();

    for (size_t i = 0; dict != NULL && i < mm_value_len(dict); i++)
        mm_dict_put_key(copy, mm_dict_key_at(dict, i), mm_dict_at(dict, i));
    return copy;
}

/* A dict below a dict, both plain or ordered; NULL if it is not there. */
static mm_value *below(const mm_value *dict, const char *key)
{
    const mm_value *found = dict == NULL ? NULL : mm_dict_find(dict, key);

    return found == NULL ? NULL : mmi_tree_dict(found);
}

static int64_t iter_of(const mm_value *root)
{
    const mm_value *meta = below(root, "meta");
    const mm_value *iter = meta == NULL ? NULL : mm_dict_find(meta, "iter");

    return mm_value_kind(iter) == MM_KIND_I64 ? mm_value_i64(iter) : INT64_MAX;
}

mm_value *mmi_python_hub(const mm_value *root, const char *scalars)
{
    const mm_value *hub = below(root, "message_hub");
    mm_value *out = mm_value_new_dict();
    mm_value *histories = mm_value_new_dict();
    mm_value *infos = copy_dict(below(hub, "runtime_info"));
    mm_value *resumed = copy_dict(below(hub, "resumed_keys"));

    put_histories(histories, below(hub, "log_scalars"));
    if (scalars != NULL && !mmi_is_pending())
        put_file(histories, resumed, scalars, iter_of(root));
    put_histories(histories, below(below(root, MMI_OWN_KEY), "scalars"));
    mm_dict_take(out, "log_scalars", histories);
    mm_dict_take(out, "runtime_info", infos);
    mm_dict_take(out, "resumed_keys", resumed);
    return out;
}
