/* Methods of dicts and of MMEngine's ConfigDict. */
#include <string.h>

#include "config/merge.h"
#include "config/objects.h"

static mm_value *dict_keys(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return mmi_expect_args(ev, "keys", args, 0, 0) ? mmi_new_view(self, VIEW_KEYS)
                                                   : NULL;
}

static mm_value *dict_values(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return mmi_expect_args(ev, "values", args, 0, 0) ? mmi_new_view(self, VIEW_VALUES)
                                                     : NULL;
}

static mm_value *dict_items(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return mmi_expect_args(ev, "items", args, 0, 0) ? mmi_new_view(self, VIEW_ITEMS)
                                                    : NULL;
}

static mm_value *dict_get(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    static const char *const names[] = {"/key", "/default"};
    mm_value *given[2] = {0};
    mm_value *value = NULL;
    bool config = mmi_is_config_dict(ev, self);
    static const char *const config_names[] = {"key", "default"};

    if (!mmi_bind(ev, "get", args, config ? config_names : names, 2, 1, given) ||
        !mmi_check_key(ev, given[0])) {
        return NULL;
    }
    value = mm_dict_find_key(self, given[0]);
    return value != NULL      ? mm_value_ref(value)
           : given[1] != NULL ? mm_value_ref(given[1])
                              : mm_value_new_none();
}

static mm_value *dict_pop(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    static const char *const names[] = {"/key", "/default"};
    static const char *const config_names[] = {"key", "default"};
    bool config = mmi_is_config_dict(ev, self);
    mm_value *given[2] = {0};
    mm_value *value = NULL;

    if (!mmi_bind(ev, "pop", args, config ? config_names : names, 2, 1, given) ||
        !mmi_check_key(ev, given[0])) {
        return NULL;
    }
    value = mm_value_ref(mm_dict_find_key(self, given[0]));
    if (value != NULL) {
        (void)mm_dict_remove_key(self, given[0]);
        return value;
    }
    if (given[1] != NULL) {
        return mm_value_ref(given[1]);
    }
    return config ? mm_value_new_none() : mmi_dict_fetch(ev, self, given[0]);
}

static mm_value *dict_popitem(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    size_t count = mm_value_len(self);
    mm_value *pair = NULL;

    if (!mmi_expect_args(ev, "popitem", args, 0, 0)) {
        return NULL;
    }
    if (count == 0) {
        return mmi_fail(ev, EXC_KEY, "popitem() of an empty dict");
    }
    pair = mm_value_new_tuple();
    mm_list_append(pair, mm_dict_key_at(self, count - 1));
    mm_list_append(pair, mm_dict_at(self, count - 1));
    if (!mm_has_error()) {
        (void)mm_dict_remove_key(self, mm_list_get(pair, 0));
    }
    return pair;
}

static mm_value *dict_setdefault(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    static const char *const names[] = {"/key", "/default"};
    mm_value *given[2] = {0};
    mm_value *value = NULL;
    mm_value *none = mm_value_new_none();

    if (!mmi_bind(ev, "setdefault", args, names, 2, 1, given) ||
        !mmi_check_key(ev, given[0])) {
        return NULL;
    }
    if (mm_dict_find_key(self, given[0]) == NULL) {
        (void)mmi_dict_store(ev, self, given[0], given[1] == NULL ? none : given[1],
                             mmi_source_at(ev, ev->at));
        if (mmi_is_config_dict(ev, self)) { /* it returns what was given */
            return mm_value_ref(given[1] == NULL ? none : given[1]);
        }
    }
    value = mm_has_error() ? NULL : mm_dict_find_key(self, given[0]);
    return mm_value_ref(value);
}

static mm_value *dict_update(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    if (mmi_num_args(args) > 1) {
        return mmi_fail(ev, EXC_TYPE,
                        "update() takes at most 1 positional argument, "
                        "got %zu",
                        mmi_num_args(args));
    }
    if (mmi_num_args(args) == 1 && !mmi_dict_update(ev, self, mmi_arg(args, 0))) {
        return NULL;
    }
    if (args->named != NULL && !mmi_dict_update(ev, self, args->named)) {
        return NULL;
    }
    return mm_value_new_none();
}

static mm_value *dict_clear(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    mm_value *keys = NULL;

    if (!mmi_expect_args(ev, "clear", args, 0, 0)) {
        return NULL;
    }
    keys = mmi_to_list(ev, self);
    for (size_t i = 0; keys != NULL && i < mm_value_len(keys) && !mm_has_error(); i++) {
        (void)mm_dict_remove_key(self, mm_list_get(keys, i));
    }
    mm_value_unref(keys);
    return mm_value_new_none();
}

static mm_value *dict_copy(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return mmi_expect_args(ev, "copy", args, 0, 0) ? mmi_shallow_copy(ev, self) : NULL;
}

static mm_value *dict_fromkeys(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    mm_value *made = mmi_fromkeys(ev, args);

    if (made != NULL && mmi_is_config_dict(ev, self)) {
        mmi_mark_config_dict(ev, made);
    }
    return made;
}

const mmi_method mmi_dict_methods[] = {
    {"keys", dict_keys},
    {"values", dict_values},
    {"items", dict_items},
    {"get", dict_get},
    {"pop", dict_pop},
    {"popitem", dict_popitem},
    {"setdefault", dict_setdefault},
    {"update", dict_update},
    {"clear", dict_clear},
    {"copy", dict_copy},
    {"fromkeys", dict_fromkeys},
    {NULL, NULL},
};

/* ---- ConfigDict ---- */

static mm_value *list_of_view(mmi_eval *ev, mm_value *self, mmi_view_kind kind)
{
    mm_value *view = mmi_new_view(self, kind);
    mm_value *list = view == NULL ? NULL : mmi_to_list(ev, view);

    mm_value_unref(view);
    return list;
}

static mm_value *config_values(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return mmi_expect_args(ev, "values", args, 0, 0)
               ? list_of_view(ev, self, VIEW_VALUES)
               : NULL;
}

static mm_value *config_items(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return mmi_expect_args(ev, "items", args, 0, 0) ? list_of_view(ev, self, VIEW_ITEMS)
                                                    : NULL;
}

static mm_value *config_update(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    if (mmi_num_args(args) == 1 && mm_value_kind(mmi_arg(args, 0)) != MM_KIND_DICT) {
        return mmi_fail(ev, EXC_TYPE, "update() needs a dict, not %s",
                        mm_value_type_name(mmi_arg(args, 0)));
    }
    return dict_update(ev, self, args);
}

static mm_value *config_merge(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    mm_value *other = NULL;
    mm_value *merged = NULL;
    mm_value *none = NULL;

    if (!mmi_expect_args(ev, "merge", args, 1, 1)) {
        return NULL;
    }
    other = mmi_deep_copy(ev, mmi_arg(args, 0));
    merged = other == NULL ? NULL : mmi_merge_config(self, other);
    if (merged != NULL) {
        mmi_args empty = {0};

        none = dict_clear(ev, self, &empty);
        for (size_t i = 0; i < mm_value_len(merged) && !mm_has_error(); i++) {
            (void)mmi_dict_store(ev, self, mm_dict_key_at(merged, i),
                                 mm_dict_at(merged, i), mmi_dict_source_of(merged, i));
        }
    }
    mm_value_unref(other);
    mm_value_unref(merged);
    return mm_has_error() ? NULL : none;
}

static mm_value *config_to_dict(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return mmi_expect_args(ev, "to_dict", args, 0, 0) ? mm_value_copy(self) : NULL;
}

static mm_value *config_deepcopy(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return mmi_expect_args(ev, "deepcopy", args, 0, 0) ? mmi_deep_copy(ev, self) : NULL;
}

const mmi_method mmi_config_dict_methods[] = {
    {"values", config_values},
    {"items", config_items},
    {"update", config_update},
    {"merge", config_merge},
    {"to_dict", config_to_dict},
    {"deepcopy", config_deepcopy},
    {NULL, NULL},
};
