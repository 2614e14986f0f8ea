/* Configs value by value: where each was written, and what two configs have that is not
 * equal. Both walk the same way: dicts and lists that hold dicts are gone into,
 * anything else is one value. */
#include <string.h>

#include "base/status.h"
#include "config/dump.h"
#include "config/util.h"
#include "mmengine/config.h"
#include "mmengine/memory.h"

enum { MAX_NESTING = 500 };

/* ---- rows ---- */

static bool is_list(const mm_value *value)
{
    return mm_value_kind(value) == MM_KIND_LIST ||
           mm_value_kind(value) == MM_KIND_TUPLE;
}

static bool is_dict(const mm_value *value)
{
    return mm_value_kind(value) == MM_KIND_DICT;
}

/* True if a walk goes into the value: a dict, or a list with something to go into. */
static bool is_inner(const mm_value *value, int depth)
{
    if (is_dict(value)) {
        return mm_value_len(value) > 0;
    }
    for (size_t i = 0; is_list(value) && depth < MAX_NESTING && i < mm_value_len(value);
         i++) {
        if (is_inner(mm_list_get(value, i), depth + 1)) {
            return true;
        }
    }
    return false;
}

static void put_text(mm_value *row, const char *key, MM_TAKES char *text)
{
    if (text != NULL) {
        mm_dict_put_str(row, key, text);
    }
    mm_free(text);
}

static void put_source(mm_value *row, const char *key, const mm_source *source)
{
    if (source != NULL && source->file != NULL) {
        put_text(row, key,
                 mm_strfmt("%s:%d:%d", source->file, (int)source->line,
                           (int)source->column));
    }
}

/* A value and where it was written. `value` NULL: it is not there. */
struct side {
    const mm_value *value;
    const mm_source *source;
};

/* The path grows and shrinks with the walk. Returns its size before. */
static size_t push_key(mmi_str *path, const mm_value *key)
{
    size_t size = path->size;
    char *text = NULL;

    mmi_str_add(path, size > 0 ? "." : "");
    if (mm_value_kind(key) == MM_KIND_STR) {
        mmi_str_add(path, mm_value_str(key));
    } else {
        text = mm_value_repr(key);
        mmi_str_add(path, text == NULL ? "" : text);
    }
    mm_free(text);
    return size;
}

static size_t push_index(mmi_str *path, size_t index)
{
    size_t size = path->size;

    mmi_str_addf(path, size > 0 ? ".%zu" : "%zu", index);
    return size;
}

/* ---- origins ---- */

static void add_origins(mm_value *rows, mmi_str *path, struct side side, int depth);

static void add_inner(mm_value *rows, mmi_str *path, const mm_value *value, int depth)
{
    for (size_t i = 0; i < mm_value_len(value) && !mm_has_error(); i++) {
        struct side inner = {
            is_dict(value) ? mm_dict_at(value, i) : mm_list_get(value, i),
            is_dict(value) ? mm_dict_source_at(value, i) : mm_list_source(value, i)};
        size_t size = is_dict(value) ? push_key(path, mm_dict_key_at(value, i))
                                     : push_index(path, i);

        add_origins(rows, path, inner, depth + 1);
        mmi_str_cut(path, size);
    }
}

static void add_origins(mm_value *rows, mmi_str *path, struct side side, int depth)
{
    mm_value *row = NULL;

    if (depth > MAX_NESTING) {
        (void)mm_raise(MM_ECONFIG, "a config is nested deeper than %d",
                       (int)MAX_NESTING);
        return;
    }
    if (is_inner(side.value, 0)) {
        add_inner(rows, path, side.value, depth);
        return;
    }
    row = mm_value_new_dict();
    mm_dict_put_str(row, "path", mmi_str_text(path));
    put_text(row, "value", mmi_dump_inline(side.value));
    put_source(row, "source", side.source);
    mm_list_push(rows, row);
}

mm_value *mm_config_origins(const mm_value *root)
{
    mm_value *rows = MMI_NEED(root) ? mm_value_new_list() : NULL;
    mmi_str path = {0};

    if (rows == NULL) {
        return NULL;
    }
    if (!is_dict(root)) {
        (void)mm_raise(MM_ETYPE, "a config is a dict, not %s",
                       mm_value_type_name(root));
    } else {
        add_inner(rows, &path, root, 0);
    }
    mmi_str_deinit(&path);
    if (mm_has_error()) {
        mm_value_unref(rows);
        return NULL;
    }
    return rows;
}

/* ---- differences ---- */

/* Equal in kind too, all the way down; the order of keys does not count. */
static bool is_same(const mm_value *a, const mm_value *b, int depth)
{
    mm_kind kind = mm_value_kind(a);

    if (a == b) {
        return true;
    }
    if (kind != mm_value_kind(b) || depth > MAX_NESTING) {
        return false;
    }
    if (kind != MM_KIND_DICT && !is_list(a)) {
        double number = kind == MM_KIND_F64 ? mm_value_f64(a) : 0.0;

        return mm_value_equal(a, b) ||
               (number != number && mm_value_f64(b) != mm_value_f64(b));
    }
    if (mm_value_len(a) != mm_value_len(b)) {
        return false;
    }
    for (size_t i = 0; i < mm_value_len(a); i++) {
        const mm_value *other = kind == MM_KIND_DICT
                                    ? mm_dict_find_key(b, mm_dict_key_at(a, i))
                                    : mm_list_get(b, i);

        if (other == NULL ||
            !is_same(kind == MM_KIND_DICT ? mm_dict_at(a, i) : mm_list_get(a, i), other,
                     depth + 1)) {
            return false;
        }
    }
    return true;
}

static void add_change(mm_value *rows, const mmi_str *path, struct side from,
                       struct side to)
{
    mm_value *row = mm_value_new_dict();

    mm_dict_put_str(row, "path", mmi_str_text(path));
    if (from.value != NULL) {
        put_text(row, "old", mmi_dump_inline(from.value));
        put_source(row, "old_source", from.source);
    }
    if (to.value != NULL) {
        put_text(row, "new", mmi_dump_inline(to.value));
        put_source(row, "new_source", to.source);
    }
    mm_list_push(rows, row);
}

static void compare(mm_value *rows, mmi_str *path, struct side from, struct side to,
                    int depth);

static struct side entry_of(const mm_value *dict, const mm_value *key)
{
    struct side side = {mm_dict_find_key(dict, key), NULL};

    if (mm_value_kind(key) == MM_KIND_STR) {
        side.source = mm_dict_source(dict, mm_value_str(key));
        return side;
    }
    for (size_t i = 0; side.value != NULL && i < mm_value_len(dict); i++) {
        if (mm_dict_at(dict, i) == side.value &&
            mm_value_equal(mm_dict_key_at(dict, i), key)) {
            side.source = mm_dict_source_at(dict, i);
            break;
        }
    }
    return side;
}

/* Keys in the order of `from`, then those that are new. */
static void compare_dicts(mm_value *rows, mmi_str *path, const mm_value *from,
                          const mm_value *to, int depth)
{
    for (int pass = 0; pass < 2; pass++) {
        const mm_value *walked = pass == 0 ? from : to;

        for (size_t i = 0; i < mm_value_len(walked) && !mm_has_error(); i++) {
            const mm_value *key = mm_dict_key_at(walked, i);
            struct side old = {mm_dict_find_key(from, key), NULL};

            if (pass == 1 && old.value != NULL) {
                continue;
            }
            size_t size = push_key(path, key);

            compare(rows, path, entry_of(from, key), entry_of(to, key), depth + 1);
            mmi_str_cut(path, size);
        }
    }
}

static struct side item_of(const mm_value *list, size_t index)
{
    if (index >= mm_value_len(list)) {
        return (struct side){0};
    }
    return (struct side){mm_list_get(list, index), mm_list_source(list, index)};
}

/* Items that are equal at both ends are no change; what lies between is compared one by
 * one if there are as many on both sides, else it went or came as a whole. */
static void compare_lists(mm_value *rows, mmi_str *path, const mm_value *from,
                          const mm_value *to, int depth)
{
    size_t old_end = mm_value_len(from);
    size_t new_end = mm_value_len(to);
    size_t begin = 0;

    while (begin < old_end && begin < new_end &&
           is_same(mm_list_get(from, begin), mm_list_get(to, begin), 0)) {
        begin++;
    }
    while (old_end > begin && new_end > begin &&
           is_same(mm_list_get(from, old_end - 1), mm_list_get(to, new_end - 1), 0)) {
        old_end--;
        new_end--;
    }
    bool is_paired = old_end == new_end;

    for (size_t i = begin; i < old_end && !mm_has_error(); i++) {
        size_t size = push_index(path, i);

        compare(rows, path, item_of(from, i),
                is_paired ? item_of(to, i) : (struct side){0}, depth + 1);
        mmi_str_cut(path, size);
    }
    for (size_t i = begin; !is_paired && i < new_end && !mm_has_error(); i++) {
        size_t size = push_index(path, i);

        compare(rows, path, (struct side){0}, item_of(to, i), depth + 1);
        mmi_str_cut(path, size);
    }
}

static void compare(mm_value *rows, mmi_str *path, struct side from, struct side to,
                    int depth)
{
    if (depth > MAX_NESTING) {
        (void)mm_raise(MM_ECONFIG, "a config is nested deeper than %d",
                       (int)MAX_NESTING);
    } else if (from.value == NULL || to.value == NULL) {
        add_change(rows, path, from, to);
    } else if (is_dict(from.value) && is_dict(to.value)) {
        compare_dicts(rows, path, from.value, to.value, depth);
    } else if (mm_value_kind(from.value) == mm_value_kind(to.value) &&
               is_inner(from.value, 0) && is_inner(to.value, 0)) {
        compare_lists(rows, path, from.value, to.value, depth);
    } else if (!is_same(from.value, to.value, 0)) {
        add_change(rows, path, from, to);
    }
}

mm_value *mm_config_diff(const mm_value *from, const mm_value *to)
{
    mm_value *rows = MMI_NEED(from) && MMI_NEED(to) ? mm_value_new_list() : NULL;
    mmi_str path = {0};

    if (rows == NULL) {
        return NULL;
    }
    if (!is_dict(from) || !is_dict(to)) {
        (void)mm_raise(MM_ETYPE, "a config is a dict, not %s",
                       mm_value_type_name(is_dict(from) ? to : from));
    } else {
        compare_dicts(rows, &path, from, to, 0);
    }
    mmi_str_deinit(&path);
    if (mm_has_error()) {
        mm_value_unref(rows);
        return NULL;
    }
    return rows;
}
