/* Methods of lists, tuples and sets, and those of numbers. */
#include <math.h>
#include <string.h>

#include "config/bigint.h"
#include "config/objects.h"
#include "mmengine/memory.h"

static mm_value *none(void)
{
    return mm_value_new_none();
}

/* ---- list ---- */

static mm_value *list_append(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    if (!mmi_expect_args(ev, "append", args, 1, 1) || !mmi_reserve_items(ev, 1)) {
        return NULL;
    }
    mmi_note_change(ev, self);
    mmi_list_append_at(self, mmi_arg(args, 0), mmi_list_source_of(args->list, 0));
    return none();
}

static mm_value *list_extend(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    if (!mmi_expect_args(ev, "extend", args, 1, 1)) {
        return NULL;
    }
    mmi_note_change(ev, self);
    return mmi_extend(ev, self, mmi_arg(args, 0)) ? none() : NULL;
}

/* A position as list.insert() and list.index() read it. */
static size_t clamp(int64_t at, size_t count)
{
    if (at < 0) {
        at = at < -(int64_t)count ? 0 : at + (int64_t)count;
    }
    return (uint64_t)at > count ? count : (size_t)at;
}

static mm_value *list_insert(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    int64_t at = 0;
    size_t place = 0;

    if (!mmi_expect_args(ev, "insert", args, 2, 2) ||
        !mmi_as_index(ev, mmi_arg(args, 0), &at) || !mmi_reserve_items(ev, 1) ||
        !mmi_step(ev, (int64_t)(mm_value_len(self) / 64))) {
        return NULL;
    }
    place = clamp(at, mm_value_len(self));
    mmi_note_change(ev, self);
    mm_list_insert(self, place, mmi_arg(args, 1));
    if (!mm_has_error()) {
        mm_list_set_source(self, place, mmi_list_source_of(args->list, 1));
    }
    return none();
}

static mm_value *list_pop(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    int64_t at = -1;
    size_t count = mm_value_len(self);
    mm_value *item = NULL;

    if (!mmi_expect_args(ev, "pop", args, 0, 1) ||
        (mmi_num_args(args) == 1 && !mmi_as_index(ev, mmi_arg(args, 0), &at)) ||
        !mmi_step(ev, (int64_t)(count / 64))) {
        return NULL;
    }
    if (at < -(int64_t)count || at >= (int64_t)count) {
        return mmi_fail(ev, EXC_INDEX, "index %lld is outside a list of %zu items",
                        (long long)at, count);
    }
    item = mm_value_ref(mm_list_get(self, clamp(at, count)));
    mm_list_remove(self, clamp(at, count));
    return item;
}

/* The place of an equal item, or SIZE_MAX without an error. */
static size_t find_item(mmi_eval *ev, const mm_value *list, const mm_value *item,
                        size_t from, size_t to)
{
    for (size_t i = from; i < to && i < mm_value_len(list) && mmi_step(ev, 1); i++) {
        const mm_value *one = mm_list_get(list, i);

        if (one == item || mm_value_equal(one, item)) {
            return i;
        }
    }
    return SIZE_MAX;
}

static void *not_in_list(mmi_eval *ev, mm_value *self, mm_value *item)
{
    mm_value *text = mmi_repr_of(ev, item);

    if (text != NULL) {
        (void)mmi_fail(ev, EXC_VALUE, "%.200s is not in the %s", mm_value_str(text),
                       mm_value_type_name(self));
    }
    mm_value_unref(text);
    return NULL;
}

static mm_value *list_remove(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    size_t at = 0;

    if (!mmi_expect_args(ev, "remove", args, 1, 1)) {
        return NULL;
    }
    at = find_item(ev, self, mmi_arg(args, 0), 0, SIZE_MAX);
    if (at == SIZE_MAX) {
        return mm_has_error() ? NULL : not_in_list(ev, self, mmi_arg(args, 0));
    }
    mm_list_remove(self, at);
    return none();
}

static mm_value *list_index(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    size_t count = mm_value_len(self);
    int64_t from = 0;
    int64_t to = (int64_t)count;
    size_t at = 0;

    if (!mmi_expect_args(ev, "index", args, 1, 3) ||
        (mmi_num_args(args) > 1 && !mmi_as_index(ev, mmi_arg(args, 1), &from)) ||
        (mmi_num_args(args) > 2 && !mmi_as_index(ev, mmi_arg(args, 2), &to))) {
        return NULL;
    }
    at = find_item(ev, self, mmi_arg(args, 0), clamp(from, count), clamp(to, count));
    if (at == SIZE_MAX) {
        return mm_has_error() ? NULL : not_in_list(ev, self, mmi_arg(args, 0));
    }
    return mm_value_new_i64((int64_t)at);
}

static mm_value *list_count(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    int64_t count = 0;

    if (!mmi_expect_args(ev, "count", args, 1, 1)) {
        return NULL;
    }
    for (size_t at = 0;
         (at = find_item(ev, self, mmi_arg(args, 0), at, SIZE_MAX)) != SIZE_MAX; at++) {
        count++;
    }
    return mm_value_new_i64(count);
}

static mm_value *list_reverse(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    size_t count = mm_value_len(self);

    if (!mmi_expect_args(ev, "reverse", args, 0, 0) || !mmi_step(ev, (int64_t)count)) {
        return NULL;
    }
    for (size_t i = 0; i < count / 2 && !mm_has_error(); i++) {
        size_t j = count - 1 - i;
        mm_value *first = mm_value_ref(mm_list_get(self, i));
        mm_source source = mmi_list_source_of(self, i);

        mm_list_put(self, i, mm_list_get(self, j));
        mm_list_set_source(self, i, mmi_list_source_of(self, j));
        mm_list_put(self, j, first);
        mm_list_set_source(self, j, source);
        mm_value_unref(first);
    }
    return none();
}

static mm_value *list_clear(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    if (!mmi_expect_args(ev, "clear", args, 0, 0)) {
        return NULL;
    }
    while (mm_value_len(self) > 0 && !mm_has_error()) {
        mm_list_remove(self, mm_value_len(self) - 1);
    }
    return none();
}

static mm_value *any_copy(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return mmi_expect_args(ev, "copy", args, 0, 0) ? mmi_shallow_copy(ev, self) : NULL;
}

static mm_value *list_sort(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    if (mmi_num_args(args) > 0) {
        return mmi_fail(ev, EXC_TYPE, "sort() takes no positional arguments");
    }
    return mmi_sort(ev, self, args->named) ? none() : NULL;
}

const mmi_method mmi_list_methods[] = {
    {"append", list_append}, {"extend", list_extend},   {"insert", list_insert},
    {"pop", list_pop},       {"remove", list_remove},   {"index", list_index},
    {"count", list_count},   {"reverse", list_reverse}, {"clear", list_clear},
    {"copy", any_copy},      {"sort", list_sort},       {NULL, NULL},
};

const mmi_method mmi_tuple_methods[] = {
    {"index", list_index},
    {"count", list_count},
    {NULL, NULL},
};

/* ---- numbers ---- */

static mm_value *int_bit_length(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    mmi_big big = {0};
    mm_value *result = NULL;

    if (mmi_expect_args(ev, "bit_length", args, 0, 0) && mmi_big_load(&big, self)) {
        result = mm_value_new_i64(mmi_big_bits(&big));
    }
    mmi_big_deinit(&big);
    return result;
}

static mm_value *float_is_integer(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    double value = mm_value_f64(self);

    return mmi_expect_args(ev, "is_integer", args, 0, 0)
               ? mm_value_new_bool(isfinite(value) && floor(value) == value)
               : NULL;
}

const mmi_method mmi_int_methods[] = {
    {"bit_length", int_bit_length},
    {NULL, NULL},
};

const mmi_method mmi_float_methods[] = {
    {"is_integer", float_is_integer},
    {NULL, NULL},
};
