/* Dicts, and MMEngine's ConfigDict: a dict with attributes that converts what is put
 * into it, updates recursively, and merges. Which dicts are ConfigDicts is noted beside
 * them. */
#include "base/suggest.h"
#include "config/objects.h"

enum { MAX_COPY_DEPTH = 900 }; /* below the limit of mm_value_copy() */

bool mmi_is_config_dict(const mmi_eval *ev, const mm_value *value)
{
    return mmi_value_set_has(&ev->config_dicts, value);
}

void mmi_mark_config_dict(mmi_eval *ev, mm_value *dict)
{
    mmi_value_set_add(&ev->config_dicts, dict);
}

bool mmi_check_key(mmi_eval *ev, const mm_value *key)
{
    switch (mm_value_kind(key)) {
    case MM_KIND_LIST:
    case MM_KIND_SET:
    case MM_KIND_DICT:
        (void)mmi_fail(ev, EXC_TYPE, "%s cannot be a key or an item of a set",
                       mm_value_type_name(key));
        return false;
    case MM_KIND_TUPLE:
        for (size_t i = 0; i < mm_value_len(key); i++) {
            if (!mmi_check_key(ev, mm_list_get(key, i))) {
                return false;
            }
        }
        return !mm_has_error();
    default:
        return !mm_has_error();
    }
}

/* ---- conversion ---- */

static mm_value *config_sequence(mmi_eval *ev, mm_value *value)
{
    mm_value *made = mm_value_kind(value) == MM_KIND_LIST ? mm_value_new_list()
                                                          : mm_value_new_tuple();

    for (size_t i = 0; !mm_has_error() && i < mm_value_len(value); i++) {
        mm_value *item = mmi_config_value(ev, mm_list_get(value, i));

        if (item != NULL) {
            mmi_list_append_at(made, item, mmi_list_source_of(value, i));
        }
        mm_value_unref(item);
    }
    return made;
}

static mm_value *config_dict(mmi_eval *ev, mm_value *value)
{
    mm_value *made = mm_value_new_dict();

    mmi_mark_config_dict(ev, made);
    for (size_t i = 0; !mm_has_error() && i < mm_value_len(value); i++) {
        mm_value *item = mmi_config_value(ev, mm_dict_at(value, i));

        if (item != NULL) {
            mmi_dict_put_at(made, mm_dict_key_at(value, i), item,
                            mmi_dict_source_of(value, i));
        }
        mm_value_unref(item);
    }
    return made;
}

mm_value *mmi_config_value(mmi_eval *ev, mm_value *value)
{
    mm_kind kind = mm_value_kind(value);
    mm_value *made = NULL;

    if ((kind != MM_KIND_DICT || mmi_is_config_dict(ev, value)) &&
        kind != MM_KIND_LIST && kind != MM_KIND_TUPLE) {
        return mm_value_ref(value);
    }
    if (ev->depth >= ev->max_depth) {
        return mmi_fail(ev, EXC_RECURSION,
                        "a value contains itself or is nested too deeply");
    }
    if (!mmi_step(ev, 1) || !mmi_reserve_items(ev, mm_value_len(value) + 1)) {
        return NULL;
    }
    ev->depth++;
    made = kind == MM_KIND_DICT ? config_dict(ev, value) : config_sequence(ev, value);
    ev->depth--;
    if (mm_has_error()) {
        mm_value_unref(made);
        return NULL;
    }
    return made;
}

/* ---- storing and reading ---- */

static bool may_hold_cycle(const mm_value *value)
{
    switch (mm_value_kind(value)) {
    case MM_KIND_LIST:
    case MM_KIND_TUPLE:
    case MM_KIND_DICT:
    case MM_KIND_OBJECT:
        return true;
    default:
        return false;
    }
}

bool mmi_dict_store(mmi_eval *ev, mm_value *dict, mm_value *key, mm_value *value,
                    mm_source source)
{
    mm_value *stored = NULL;

    if (!mmi_check_key(ev, key)) {
        return false;
    }
    stored = mmi_is_config_dict(ev, dict) ? mmi_config_value(ev, value)
                                          : mm_value_ref(value);
    if (stored != NULL && mmi_reserve_items(ev, 1)) {
        if (may_hold_cycle(stored)) {
            mmi_note_change(ev, dict);
        }
        mmi_dict_put_at(dict, key, stored, source);
    }
    mm_value_unref(stored);
    return !mm_has_error();
}

mm_value *mmi_dict_fetch(mmi_eval *ev, mm_value *dict, mm_value *key)
{
    mm_value *value = mmi_check_key(ev, key) ? mm_dict_find_key(dict, key) : NULL;
    mmi_suggest suggest = {0};
    mm_value *text = NULL;

    if (value != NULL || mm_has_error()) {
        return value;
    }
    text = mmi_repr_of(ev, key);
    if (text == NULL) {
        return NULL;
    }
    suggest.word = mm_value_kind(key) == MM_KIND_STR ? mm_value_str(key) : NULL;
    for (size_t i = 0; suggest.word != NULL && i < mm_value_len(dict); i++) {
        const char *name = mm_dict_name_at(dict, i);

        if (name != NULL) {
            mmi_suggest_add(&suggest, name);
        }
    }
    (void)mmi_fail(ev, EXC_KEY, "there is no key %s in the dict", mm_value_str(text));
    mmi_suggest_hint(&suggest);
    mm_value_unref(text);
    return NULL;
}

/* ---- update ---- */

/* One entry of ConfigDict.update(): a dict goes into a dict recursively. */
static bool update_config(mmi_eval *ev, mm_value *dict, mm_value *key, mm_value *value,
                          mm_source source)
{
    mm_value *old = mmi_check_key(ev, key) ? mm_dict_find_key(dict, key) : NULL;

    if (mm_value_kind(old) == MM_KIND_DICT && mm_value_kind(value) == MM_KIND_DICT) {
        return mmi_dict_update(ev, old, value);
    }
    return mmi_dict_store(ev, dict, key, value, source);
}

static bool update_entry(mmi_eval *ev, mm_value *dict, mm_value *key, mm_value *value,
                         mm_source source)
{
    return mmi_is_config_dict(ev, dict) ? update_config(ev, dict, key, value, source)
                                        : mmi_dict_store(ev, dict, key, value, source);
}

/* dict(pairs): each item is a sequence of two. */
static bool update_pairs(mmi_eval *ev, mm_value *dict, mm_value *pairs)
{
    mmi_iter iter = {0};
    mm_value *item = NULL;

    if (!mmi_iter_init(ev, &iter, pairs)) {
        return false;
    }
    while (!mm_has_error() && (item = mmi_iter_next(ev, &iter)) != NULL) {
        mm_value *pair = mmi_to_list(ev, item);

        if (pair != NULL && mm_value_len(pair) != 2) {
            (void)mmi_fail(ev, EXC_VALUE, "a dict is made of pairs, not of %zu items",
                           mm_value_len(pair));
        } else if (pair != NULL) {
            (void)update_entry(ev, dict, mm_list_get(pair, 0), mm_list_get(pair, 1),
                               mmi_iter_source(&iter));
        }
        mm_value_unref(pair);
        mm_value_unref(item);
    }
    mmi_iter_deinit(&iter);
    return !mm_has_error();
}

bool mmi_dict_update(mmi_eval *ev, mm_value *dict, mm_value *other)
{
    if (dict == other) {
        return !mm_has_error();
    }
    if (ev->depth >= ev->max_depth) {
        return mmi_fail(ev, EXC_RECURSION, "a value contains itself") != NULL;
    }
    if (mm_value_kind(other) != MM_KIND_DICT) {
        return update_pairs(ev, dict, other);
    }
    ev->depth++;
    for (size_t i = 0; i < mm_value_len(other) && mmi_step(ev, 1); i++) {
        mm_value *key = mm_value_ref(mm_dict_key_at(other, i));
        mm_value *value = mm_value_ref(mm_dict_at(other, i));

        (void)update_entry(ev, dict, key, value, mmi_dict_source_of(other, i));
        mm_value_unref(key);
        mm_value_unref(value);
    }
    ev->depth--;
    return !mm_has_error();
}

/* ---- copies ---- */

mm_value *mmi_shallow_copy(mmi_eval *ev, mm_value *value)
{
    mm_kind kind = mm_value_kind(value);
    mm_value *made = NULL;

    if (kind == MM_KIND_DICT) {
        made = mm_value_new_dict();
        if (mmi_is_config_dict(ev, value)) {
            mmi_mark_config_dict(ev, made);
        }
        (void)mmi_reserve_items(ev, mm_value_len(value));
        for (size_t i = 0; !mm_has_error() && i < mm_value_len(value); i++) {
            (void)mmi_dict_store(ev, made, mm_dict_key_at(value, i),
                                 mm_dict_at(value, i), mmi_dict_source_of(value, i));
        }
    } else if (kind == MM_KIND_LIST) {
        made = mmi_to_list(ev, value);
    } else if (kind == MM_KIND_SET) {
        made = mm_value_new_set();
        for (size_t i = 0; !mm_has_error() && i < mm_value_len(value); i++) {
            mm_set_add(made, mm_list_get(value, i));
        }
    } else {
        return mm_value_ref(value);
    }
    if (mm_has_error()) {
        mm_value_unref(made);
        return NULL;
    }
    return made;
}

/* Counts what a deep copy will make, within the limits. */
static bool reserve_tree(mmi_eval *ev, mm_value *value, mmi_value_set *seen)
{
    mm_kind kind = mm_value_kind(value);
    bool dict = kind == MM_KIND_DICT;

    if ((!dict && kind != MM_KIND_LIST && kind != MM_KIND_TUPLE) ||
        mmi_value_set_has(seen, value)) {
        return true;
    }
    if (ev->depth >= MAX_COPY_DEPTH) {
        return mmi_fail(ev, EXC_RECURSION,
                        "a value is nested too deeply to be copied") != NULL;
    }
    mmi_value_set_add(seen, value);
    if (!mmi_step(ev, 1) || !mmi_reserve_items(ev, mm_value_len(value) + 1)) {
        return false;
    }
    ev->depth++;
    for (size_t i = 0; i < mm_value_len(value) && !mm_has_error(); i++) {
        (void)reserve_tree(ev, dict ? mm_dict_at(value, i) : mm_list_get(value, i),
                           seen);
    }
    ev->depth--;
    return !mm_has_error();
}

/* Makes copies of ConfigDicts ConfigDicts, and notes every container: the copy may have
 * taken over cycles. Original and copy have the same shape. */
static void note_copies(mmi_eval *ev, const mm_value *from, mm_value *to,
                        mmi_value_set *seen)
{
    mm_kind kind = mm_value_kind(from);
    bool dict = kind == MM_KIND_DICT;

    if (from == to || (!dict && kind != MM_KIND_LIST && kind != MM_KIND_TUPLE) ||
        mmi_value_set_has(seen, to)) {
        return;
    }
    mmi_value_set_add(seen, to);
    if (kind != MM_KIND_TUPLE) {
        mmi_note_change(ev, to);
    }
    if (dict && mmi_is_config_dict(ev, from)) {
        mmi_mark_config_dict(ev, to);
    }
    for (size_t i = 0; i < mm_value_len(from) && !mm_has_error(); i++) {
        note_copies(ev, dict ? mm_dict_at(from, i) : mm_list_get(from, i),
                    dict ? mm_dict_at(to, i) : mm_list_get(to, i), seen);
    }
}

mm_value *mmi_deep_copy(mmi_eval *ev, mm_value *value)
{
    mmi_value_set seen = {0};
    mm_value *made = reserve_tree(ev, value, &seen) ? mm_value_copy(value) : NULL;

    mmi_value_set_deinit(&seen);
    if (made != NULL) {
        note_copies(ev, value, made, &seen);
    }
    mmi_value_set_deinit(&seen);
    if (mm_has_error()) {
        mm_value_unref(made);
        return NULL;
    }
    return made;
}
