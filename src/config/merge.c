/* Merging. Results are new dicts on the paths where both sides have dicts; everything
 * else is shared by reference, since nothing is changed in place. Every entry keeps the
 * place where it was written last. */
#include "config/merge.h"

#include <stdio.h>
#include <string.h>

#include "config/util.h"
#include "mmengine/memory.h"

static const char DELETE_KEY[] = "_delete_";

enum { MAX_DEPTH = 500 };

/* Where a merge is, for messages: "model.backbone". */
struct path {
    const struct path *outer;
    const char *key;
    int depth;
};

static void write_path(const struct path *path, mmi_str *out)
{
    if (path == NULL) {
        return;
    }
    write_path(path->outer, out);
    if (out->size > 0) {
        mmi_str_add_char(out, '.');
    }
    mmi_str_add(out, path->key);
}

/* Raises "key.path: ..." at the child's entry, saying where the base's was written. */
static mm_value *refuse(const struct path *path, const mm_source *child,
                        const mm_source *base, const char *what)
{
    char where[1024] = "";
    mmi_str text = {0};

    write_path(path, &text);
    (void)snprintf(where, sizeof(where), "%.400s: %.300s", mmi_str_text(&text), what);
    mmi_str_deinit(&text);
    if (base != NULL && base->file != NULL) {
        (void)mm_raise(MM_ECONFIG, "%s (%s:%d:%d)", where, base->file, (int)base->line,
                       (int)base->column);
    } else {
        (void)mm_raise(MM_ECONFIG, "%s", where);
    }
    (void)mm_error_locate(child);
    return NULL;
}

static const char *key_name(const mm_value *key)
{
    return mm_value_kind(key) == MM_KIND_STR ? mm_value_str(key) : "?";
}

/* A copy of one level of a dict, without the entry `without`. */
static mm_value *copy_dict(const mm_value *dict, const char *without)
{
    mm_value *made = mm_value_new_dict();

    for (size_t i = 0; !mm_has_error() && i < mm_value_len(dict); i++) {
        const char *name = mm_dict_name_at(dict, i);

        if (without == NULL || name == NULL || strcmp(name, without) != 0) {
            mmi_dict_put_at(made, mm_dict_key_at(dict, i), mm_dict_at(dict, i),
                            mmi_dict_source_of(dict, i));
        }
    }
    return made;
}

static mm_value *copy_list(const mm_value *list)
{
    mm_value *made = mm_value_kind(list) == MM_KIND_LIST ? mm_value_new_list()
                                                         : mm_value_new_tuple();

    for (size_t i = 0; !mm_has_error() && i < mm_value_len(list); i++) {
        mmi_list_append_at(made, mm_list_get(list, i), mmi_list_source_of(list, i));
    }
    return made;
}

static mm_value *merge(const mm_value *child, const mm_value *base, bool list_keys,
                       const struct path *path, const mm_source *place);
static mm_value *merge_value(const mm_value *value, const mm_value *old, bool list_keys,
                             const struct path *path, const mm_source *child_place,
                             const mm_source *base_place);

/* True if all characters are decimal digits; `out` gets the number. */
static bool read_index(const char *text, size_t *out)
{
    size_t value = 0;
    size_t size = strlen(text);

    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        value = value > SIZE_MAX / 20 ? value : value * 10 + (size_t)(text[i] - '0');
    }
    *out = value;
    return size > 0;
}

/* Merges items addressed by decimal keys into a copy of a list. */
static mm_value *merge_list(const mm_value *child, const mm_value *base,
                            const struct path *path, const mm_source *place)
{
    mm_value *made = copy_list(base);
    char what[200];

    for (size_t i = 0; !mm_has_error() && i < mm_value_len(child); i++) {
        const char *name = key_name(mm_dict_key_at(child, i));
        const mm_source *source = mm_dict_source_at(child, i);
        struct path here = {path, name, path == NULL ? 0 : path->depth + 1};
        mm_value *value = mm_dict_at(child, i);
        mm_value *item = NULL;
        size_t index = 0;

        if (!read_index(name, &index)) {
            (void)snprintf(what, sizeof(what),
                           "the base has a list of %zu items here, "
                           "'%.60s' is no index",
                           mm_value_len(base), name);
            (void)refuse(&here, source == NULL ? place : source, NULL, what);
        } else if (index >= mm_value_len(base)) {
            (void)snprintf(what, sizeof(what),
                           "index %zu exceeds the length %zu of the list", index,
                           mm_value_len(base));
            (void)refuse(&here, source == NULL ? place : source, NULL, what);
        } else if (mm_value_kind(value) == MM_KIND_DICT) {
            item = merge_value(value, mm_list_get(base, index), true, &here, source,
                               mm_list_source(base, index));
        } else {
            item = mm_value_ref(value);
        }
        if (item != NULL) {
            mm_list_put(made, index, item);
            if (source != NULL && !mm_has_error()) {
                mm_list_set_source(made, index, *source);
            }
        }
        mm_value_unref(item);
    }
    return made;
}

/* What a dict of the child becomes over the base's value. */
static mm_value *merge_value(const mm_value *value, const mm_value *old, bool list_keys,
                             const struct path *path, const mm_source *child_place,
                             const mm_source *base_place)
{
    mm_value *marked = mm_dict_find(value, DELETE_KEY);
    bool has_mark = marked != NULL;
    bool deletes = has_mark && mm_value_is_true(marked);
    mm_value *stripped = has_mark ? copy_dict(value, DELETE_KEY) : NULL;
    const mm_value *clean = has_mark ? stripped : value;
    mm_value *made = NULL;
    char what[200];

    if (deletes) {
        return stripped;
    }
    if (mm_value_kind(old) == MM_KIND_DICT ||
        (list_keys && mm_value_kind(old) == MM_KIND_LIST)) {
        made = merge(clean, old, list_keys, path, child_place);
    } else {
        (void)snprintf(what, sizeof(what),
                       "a dict cannot be merged into the %s of the base",
                       mm_value_type_name(old));
        (void)refuse(path, child_place, base_place, what);
        (void)mm_error_hint(
            "put _delete_=True into the dict to replace what the base has");
    }
    mm_value_unref(stripped);
    return made;
}

static mm_value *merge(const mm_value *child, const mm_value *base, bool list_keys,
                       const struct path *path, const mm_source *place)
{
    mm_value *made = NULL;

    if (path != NULL && path->depth > MAX_DEPTH) {
        return refuse(path, place, NULL, "nested too deeply to be merged");
    }
    if (mm_value_kind(base) == MM_KIND_LIST || mm_value_kind(base) == MM_KIND_TUPLE) {
        return merge_list(child, base, path, place);
    }
    if (mm_value_kind(base) != MM_KIND_DICT) {
        return refuse(path, place, NULL, "the base has neither a dict nor a list here");
    }
    made = copy_dict(base, NULL);
    for (size_t i = 0; !mm_has_error() && i < mm_value_len(child); i++) {
        mm_value *key = mm_dict_key_at(child, i);
        mm_value *value = mm_dict_at(child, i);
        const mm_source *source = mm_dict_source_at(child, i);
        mm_value *old = mm_dict_find_key(made, key);
        mm_value *next = NULL;

        if (old != NULL && mm_value_kind(value) == MM_KIND_DICT) {
            struct path here = {path, key_name(key),
                                path == NULL ? 0 : path->depth + 1};

            next = merge_value(value, old, list_keys, &here, source,
                               mm_dict_source(base, key_name(key)));
        } else {
            next = mm_value_ref(value);
        }
        if (next != NULL) {
            mmi_dict_put_at(made, key, next, source == NULL ? (mm_source){0} : *source);
        }
        mm_value_unref(next);
    }
    return made;
}

mm_value *mmi_merge(const mm_value *child, const mm_value *base, bool list_keys)
{
    mm_value *made = merge(child, base, list_keys, NULL, NULL);

    if (mm_has_error()) {
        mm_value_unref(made);
        return NULL;
    }
    return made;
}

/* ---- ConfigDict.merge ---- */

/* `_delete_` is taken out of the dicts of `other`, whether or not the base has them;
 * below a value that is no dict nothing is looked at. */
static mm_value *merge_config(const mm_value *base, const mm_value *other, int depth)
{
    bool deletes = mm_value_is_true(mm_dict_find(other, DELETE_KEY));
    mm_value *made = NULL;

    if (depth > MAX_DEPTH) {
        (void)mm_raise(MM_ECONFIG, "a value is nested too deeply to be merged");
        return NULL;
    }
    if (mm_value_kind(base) != MM_KIND_DICT) {
        return copy_dict(other, DELETE_KEY);
    }
    made = deletes ? mm_value_new_dict() : copy_dict(base, DELETE_KEY);
    for (size_t i = 0; !mm_has_error() && i < mm_value_len(other); i++) {
        mm_value *key = mm_dict_key_at(other, i);
        mm_value *value = mm_dict_at(other, i);
        mm_value *old = mm_dict_find_key(made, key);
        mm_value *next = NULL;

        if (strcmp(key_name(key), DELETE_KEY) == 0) {
            continue;
        }
        next = mm_value_kind(value) == MM_KIND_DICT
                   ? merge_config(old, value, depth + 1)
                   : mm_value_ref(value);
        if (next != NULL) {
            mmi_dict_put_at(made, key, next, mmi_dict_source_of(other, i));
        }
        mm_value_unref(next);
    }
    return made;
}

mm_value *mmi_merge_config(const mm_value *base, const mm_value *other)
{
    mm_value *made = NULL;

    if (mm_value_kind(other) != MM_KIND_DICT) {
        (void)mm_raise(MM_ECONFIG, "merge() needs a dict, not %s",
                       mm_value_type_name(other));
        return NULL;
    }
    made = merge_config(base, other, 0);
    if (mm_has_error()) {
        mm_value_unref(made);
        return NULL;
    }
    return made;
}
