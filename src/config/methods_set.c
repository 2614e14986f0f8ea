/* Methods of sets. */
#include "config/objects.h"

static mm_value *none(void)
{
    return mm_value_new_none();
}

/* ---- making sets ---- */

static mm_value *set_add(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    if (!mmi_expect_args(ev, "add", args, 1, 1) ||
        !mmi_check_key(ev, mmi_arg(args, 0)) || !mmi_reserve_items(ev, 1)) {
        return NULL;
    }
    mm_set_add(self, mmi_arg(args, 0));
    return none();
}

static mm_value *set_update(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    for (size_t i = 0; i < mmi_num_args(args) && !mm_has_error(); i++) {
        mm_value *items = mmi_to_list(ev, mmi_arg(args, i));

        for (size_t j = 0; items != NULL && j < mm_value_len(items); j++) {
            if (!mmi_check_key(ev, mm_list_get(items, j)) ||
                !mmi_reserve_items(ev, 1)) {
                break;
            }
            mm_set_add(self, mm_list_get(items, j));
        }
        mm_value_unref(items);
    }
    return none();
}

/* set.union(other) and so on: the operator after making a set of the argument. */
static mm_value *set_operator(mmi_eval *ev, mm_value *self, const mmi_args *args,
                              mmi_op op)
{
    mm_value *result = mmi_shallow_copy(ev, self);

    for (size_t i = 0; i < mmi_num_args(args) && result != NULL; i++) {
        mm_value *other = mm_value_new_set();
        mmi_args one = {.list = mm_value_new_tuple()};
        mm_value *next = NULL;

        mm_list_append(one.list, mmi_arg(args, i));
        mm_value_unref(set_update(ev, other, &one));
        if (!mm_has_error()) {
            next = mmi_binary(ev, op, result, other);
        }
        mm_value_unref(one.list);
        mm_value_unref(other);
        mm_value_unref(result);
        result = next;
    }
    return result;
}

static mm_value *set_union(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return set_operator(ev, self, args, OP_OR);
}

static mm_value *set_intersection(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return set_operator(ev, self, args, OP_AND);
}

static mm_value *set_difference(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return set_operator(ev, self, args, OP_SUB);
}

static mm_value *set_symmetric(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return mmi_expect_args(ev, "symmetric_difference", args, 1, 1)
               ? set_operator(ev, self, args, OP_XOR)
               : NULL;
}

/* ---- questions ---- */

/* A set of the items of an argument; yours. */
static mm_value *to_set(mmi_eval *ev, mm_value *value)
{
    mm_value *made = mm_value_new_set();
    mmi_args one = {.list = mm_value_new_tuple()};

    mm_list_append(one.list, value);
    mm_value_unref(set_update(ev, made, &one));
    mm_value_unref(one.list);
    if (mm_has_error()) {
        mm_value_unref(made);
        return NULL;
    }
    return made;
}

static mm_value *ask(mmi_eval *ev, const char *name, mm_value *self,
                     const mmi_args *args, mmi_op op)
{
    mm_value *other =
        mmi_expect_args(ev, name, args, 1, 1) ? to_set(ev, mmi_arg(args, 0)) : NULL;
    int result = other == NULL ? -1 : mmi_compare(ev, op, self, other);

    mm_value_unref(other);
    return result < 0 ? NULL : mm_value_new_bool(result == 1);
}

static mm_value *set_issubset(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return ask(ev, "issubset", self, args, OP_LE);
}

static mm_value *set_issuperset(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return ask(ev, "issuperset", self, args, OP_GE);
}

static mm_value *set_isdisjoint(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    mm_value *both = mmi_expect_args(ev, "isdisjoint", args, 1, 1)
                         ? set_intersection(ev, self, args)
                         : NULL;
    bool disjoint = both != NULL && mm_value_len(both) == 0;

    mm_value_unref(both);
    return mm_has_error() ? NULL : mm_value_new_bool(disjoint);
}

/* ---- removing ---- */

static mm_value *set_discard(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    if (!mmi_expect_args(ev, "discard", args, 1, 1) ||
        !mmi_check_key(ev, mmi_arg(args, 0))) {
        return NULL;
    }
    (void)mm_set_remove(self, mmi_arg(args, 0));
    return none();
}

static mm_value *set_remove(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    mm_value *text = NULL;

    if (!mmi_expect_args(ev, "remove", args, 1, 1) ||
        !mmi_check_key(ev, mmi_arg(args, 0))) {
        return NULL;
    }
    if (mm_set_remove(self, mmi_arg(args, 0))) {
        return none();
    }
    text = mmi_repr_of(ev, mmi_arg(args, 0));
    if (text != NULL) {
        (void)mmi_fail(ev, EXC_KEY, "there is no item %s in the set",
                       mm_value_str(text));
    }
    mm_value_unref(text);
    return NULL;
}

/* Python takes any item; we take the first. */
static mm_value *set_pop(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    mm_value *item = NULL;

    if (!mmi_expect_args(ev, "pop", args, 0, 0)) {
        return NULL;
    }
    if (mm_value_len(self) == 0) {
        return mmi_fail(ev, EXC_KEY, "pop() of an empty set");
    }
    item = mm_value_ref(mm_list_get(self, 0));
    (void)mm_set_remove(self, item);
    return item;
}

static mm_value *set_clear(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    if (!mmi_expect_args(ev, "clear", args, 0, 0)) {
        return NULL;
    }
    while (mm_value_len(self) > 0 && !mm_has_error()) {
        mm_value *item = mm_value_ref(mm_list_get(self, mm_value_len(self) - 1));

        (void)mm_set_remove(self, item);
        mm_value_unref(item);
    }
    return none();
}

static mm_value *set_copy(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return mmi_expect_args(ev, "copy", args, 0, 0) ? mmi_shallow_copy(ev, self) : NULL;
}

const mmi_method mmi_set_methods[] = {
    {"add", set_add},
    {"update", set_update},
    {"union", set_union},
    {"intersection", set_intersection},
    {"difference", set_difference},
    {"symmetric_difference", set_symmetric},
    {"issubset", set_issubset},
    {"issuperset", set_issuperset},
    {"isdisjoint", set_isdisjoint},
    {"discard", set_discard},
    {"remove", set_remove},
    {"pop", set_pop},
    {"clear", set_clear},
    {"copy", set_copy},
    {NULL, NULL},
};
