/* Subscripts and slices, reading, storing and deleting. Positions in a str count
 * characters. Slices follow Python's slice.indices(). */
#include <string.h>

#include "config/chars.h"
#include "config/objects.h"

bool mmi_as_index(mmi_eval *ev, mm_value *value, int64_t *out)
{
    if (mm_value_kind(value) == MM_KIND_BIGINT) { /* beyond the end on either side */
        *out = mm_value_digits(value)[0] == '-' ? INT64_MIN : INT64_MAX;
        return !mm_has_error();
    }
    if (!mmi_is_int(value)) {
        (void)mmi_fail(ev, EXC_TYPE, "an index must be an int, not %s",
                       mm_value_type_name(value));
        return false;
    }
    *out = mm_value_i64(value);
    return !mm_has_error();
}

/* The position in a sequence of `count` items. False with an IndexError. */
static bool find_place(mmi_eval *ev, const mm_value *object, mm_value *index,
                       size_t count, size_t *out)
{
    int64_t at = 0;

    if (!mmi_as_index(ev, index, &at)) {
        return false;
    }
    if (at < 0 ? at < -(int64_t)count : at >= (int64_t)count) {
        (void)mmi_fail(ev, EXC_INDEX, "index %lld is outside a %s of %zu items",
                       (long long)at, mm_value_type_name(object), count);
        return false;
    }
    *out = (size_t)(at < 0 ? at + (int64_t)count : at);
    return true;
}

/* ---- reading ---- */

static size_t text_length(const mm_value *text)
{
    size_t size = 0;
    const char *data = mm_value_str_n(text, &size);

    return mmi_utf8_count(data, size);
}

static mm_value *get_character(mmi_eval *ev, mm_value *text, mm_value *index)
{
    size_t size = 0;
    const char *data = mm_value_str_n(text, &size);
    size_t place = 0;
    size_t at = 0;
    uint32_t code = 0;

    if (!mmi_step(ev, (int64_t)(size / 32)) ||
        !find_place(ev, text, index, mmi_utf8_count(data, size), &place)) {
        return NULL;
    }
    at = mmi_utf8_offset(data, size, place);
    return mm_value_new_str_n(data + at, mmi_utf8_decode(data + at, size - at, &code));
}

static mm_value *get_of_object(mmi_eval *ev, mm_value *object, mm_value *index)
{
    const mmi_range_object *range =
        MMI_OBJECT(mmi_range_object, &mmi_range_ops, object);
    size_t place = 0;

    if (mmi_is_environ(object)) {
        mm_value *value = mmi_environ_find(ev, index);

        return value != NULL || mm_has_error()
                   ? value
                   : mmi_fail(ev, EXC_KEY, "the environment variable '%s' is not set",
                              mm_value_str(index));
    }
    if (range == NULL) {
        /* list[int] and the like in annotations that are evaluated */
        if (MMI_OBJECT(mmi_type_object, &mmi_type_ops, object) != NULL) {
            return mm_value_ref(object);
        }
        return mmi_fail(ev, EXC_TYPE, "%s has no items", mm_value_type_name(object));
    }
    return find_place(ev, object, index, (size_t)range->count, &place)
               ? mm_value_new_i64(mmi_range_at(range, (int64_t)place))
               : NULL;
}

mm_value *mmi_get_item(mmi_eval *ev, mm_value *object, mm_value *index)
{
    size_t place = 0;
    const unsigned char *data = NULL;

    switch (mm_value_kind(object)) {
    case MM_KIND_DICT:
        return mm_value_ref(mmi_dict_fetch(ev, object, index));
    case MM_KIND_LIST:
    case MM_KIND_TUPLE:
        return find_place(ev, object, index, mm_value_len(object), &place)
                   ? mm_value_ref(mm_list_get(object, place))
                   : NULL;
    case MM_KIND_STR:
        return get_character(ev, object, index);
    case MM_KIND_BYTES:
        data = mm_value_bytes(object, NULL);
        return find_place(ev, object, index, mm_value_len(object), &place)
                   ? mm_value_new_i64(data[place])
                   : NULL;
    case MM_KIND_OBJECT:
        return get_of_object(ev, object, index);
    default:
        return mmi_fail(ev, EXC_TYPE, "%s has no items", mm_value_type_name(object));
    }
}

/* ---- storing and deleting ---- */

bool mmi_set_item(mmi_eval *ev, mm_value *object, mm_value *index, mm_value *value,
                  mm_source source)
{
    size_t place = 0;

    switch (mm_value_kind(object)) {
    case MM_KIND_DICT:
        return mmi_dict_store(ev, object, index, value, source);
    case MM_KIND_LIST:
        if (find_place(ev, object, index, mm_value_len(object), &place)) {
            mmi_note_change(ev, object);
            mm_list_put(object, place, value);
            mm_list_set_source(object, place, source);
        }
        return !mm_has_error();
    default:
        if (mmi_is_environ(object)) {
            return mmi_environ_set(ev, index, value);
        }
        (void)mmi_fail(ev, EXC_TYPE, "items of %s cannot be changed",
                       mm_value_type_name(object));
        return false;
    }
}

bool mmi_delete_item(mmi_eval *ev, mm_value *object, mm_value *index)
{
    size_t place = 0;

    switch (mm_value_kind(object)) {
    case MM_KIND_DICT:
        if (mmi_dict_fetch(ev, object, index) != NULL) {
            (void)mm_dict_remove_key(object, index);
        }
        return !mm_has_error();
    case MM_KIND_LIST:
        if (find_place(ev, object, index, mm_value_len(object), &place)) {
            mm_list_remove(object, place);
        }
        return !mm_has_error();
    default:
        if (mmi_is_environ(object)) {
            mm_value *old = mmi_get_item(ev, object, index);

            mm_value_unref(old);
            return old != NULL && mmi_environ_set(ev, index, NULL);
        }
        (void)mmi_fail(ev, EXC_TYPE, "items of %s cannot be deleted",
                       mm_value_type_name(object));
        return false;
    }
}

/* ---- slices ---- */

/* start, then `count` times on by `step`. */
struct slice {
    int64_t start, stop, step, count;
};

/* One bound; `fallback` if it is absent or None. */
static bool read_bound(mmi_eval *ev, mmi_node *node, int64_t fallback, int64_t length,
                       bool backward, int64_t *out)
{
    mm_value *value = node == NULL ? NULL : mmi_evaluate(ev, node);
    int64_t at = 0;

    *out = fallback;
    if (node == NULL || mm_has_error()) {
        return !mm_has_error();
    }
    ev->at = node;
    if (!mm_value_is_none(value) && mmi_as_index(ev, value, &at)) {
        int64_t least = backward ? -1 : 0;
        int64_t most = backward ? length - 1 : length;

        if (at < 0) {
            at = at < -length ? least : at + length;
        }
        *out = at < least ? least : at > most ? most : at;
    }
    mm_value_unref(value);
    return !mm_has_error();
}

static bool read_step(mmi_eval *ev, mmi_node *node, int64_t *out)
{
    mm_value *value = node == NULL ? NULL : mmi_evaluate(ev, node);

    *out = 1;
    if (node == NULL || mm_has_error()) {
        return !mm_has_error();
    }
    ev->at = node;
    if (!mm_value_is_none(value) && mmi_as_index(ev, value, out)) {
        if (*out == 0) {
            (void)mmi_fail(ev, EXC_VALUE, "the step of a slice cannot be 0");
        }
        *out = *out < -INT64_MAX ? -INT64_MAX : *out;
    }
    mm_value_unref(value);
    return !mm_has_error();
}

static bool read_slice(mmi_eval *ev, mmi_node *node, size_t count, struct slice *out)
{
    int64_t length = (int64_t)count;
    bool backward = false;
    uint64_t span = 0;
    uint64_t width = 0;

    if (!read_step(ev, node->u.slice.step, &out->step)) {
        return false;
    }
    backward = out->step < 0;
    if (!read_bound(ev, node->u.slice.lower, backward ? length - 1 : 0, length,
                    backward, &out->start) ||
        !read_bound(ev, node->u.slice.upper, backward ? -1 : length, length, backward,
                    &out->stop)) {
        return false;
    }
    if (backward ? out->start > out->stop : out->stop > out->start) {
        span = (uint64_t)(backward ? out->start - out->stop : out->stop - out->start);
        width = (uint64_t)(backward ? -out->step : out->step);
    }
    out->count = span == 0 ? 0 : (int64_t)((span - 1) / width + 1);
    ev->at = node;
    return true;
}

static int64_t place_of(const struct slice *slice, int64_t i)
{
    return slice->start + i * slice->step;
}

static mm_value *slice_items(const mm_value *object, const struct slice *slice)
{
    mm_value *made = mm_value_kind(object) == MM_KIND_LIST ? mm_value_new_list()
                                                           : mm_value_new_tuple();

    for (int64_t i = 0; i < slice->count && !mm_has_error(); i++) {
        size_t at = (size_t)place_of(slice, i);

        mmi_list_append_at(made, mm_list_get(object, at),
                           mmi_list_source_of(object, at));
    }
    return made;
}

static mm_value *slice_text(const mm_value *object, const struct slice *slice)
{
    size_t size = 0;
    const char *data = mm_value_str_n(object, &size);
    mmi_str out = {0};

    if (slice->step == 1) {
        size_t from = mmi_utf8_offset(data, size, (size_t)slice->start);
        size_t length = mmi_utf8_offset(data + from, size - from, (size_t)slice->count);

        return mm_value_new_str_n(data + from, length);
    }
    for (int64_t i = 0; i < slice->count; i++) {
        size_t at = mmi_utf8_offset(data, size, (size_t)place_of(slice, i));
        uint32_t code = 0;

        mmi_str_add_n(&out, data + at, mmi_utf8_decode(data + at, size - at, &code));
    }
    return mmi_str_value(&out);
}

static mm_value *slice_bytes(const mm_value *object, const struct slice *slice)
{
    const char *data = mm_value_bytes(object, NULL);
    mmi_str out = {0};
    mm_value *made = NULL;

    for (int64_t i = 0; i < slice->count; i++) {
        mmi_str_add_char(&out, data[place_of(slice, i)]);
    }
    made = mm_value_new_bytes(mmi_str_text(&out), out.size);
    mmi_str_deinit(&out);
    return made;
}

mm_value *mmi_get_slice(mmi_eval *ev, mm_value *object, mmi_node *node)
{
    struct slice slice = {0};
    mm_kind kind = mm_value_kind(object);
    const mmi_range_object *range =
        kind == MM_KIND_OBJECT ? MMI_OBJECT(mmi_range_object, &mmi_range_ops, object)
                               : NULL;

    if (kind == MM_KIND_STR) {
        size_t length = text_length(object);

        return read_slice(ev, node, length, &slice) &&
                       mmi_step(ev, slice.step == 1
                                        ? (int64_t)(length / 32)
                                        : slice.count * (int64_t)(length / 32 + 1)) &&
                       mmi_reserve(ev, mm_value_len(object))
                   ? slice_text(object, &slice)
                   : NULL;
    }
    if (kind == MM_KIND_LIST || kind == MM_KIND_TUPLE || kind == MM_KIND_BYTES) {
        if (!read_slice(ev, node, mm_value_len(object), &slice) ||
            !mmi_step(ev, slice.count) || !mmi_reserve_items(ev, (size_t)slice.count)) {
            return NULL;
        }
        return kind == MM_KIND_BYTES ? slice_bytes(object, &slice)
                                     : slice_items(object, &slice);
    }
    if (range != NULL && read_slice(ev, node, (size_t)range->count, &slice)) {
        return mmi_new_range(mmi_range_at(range, slice.start),
                             mmi_range_at(range, slice.stop), range->step * slice.step);
    }
    return mmi_fail(ev, EXC_TYPE, "%s cannot be sliced", mm_value_type_name(object));
}

static bool needs_list(mmi_eval *ev, const mm_value *object)
{
    if (mm_value_kind(object) != MM_KIND_LIST) {
        (void)mmi_fail(ev, EXC_TYPE, "slices of %s cannot be changed",
                       mm_value_type_name(object));
        return false;
    }
    return true;
}

/* Makes `list` hold exactly the items of `items`. */
static bool replace_all(mmi_eval *ev, mm_value *list, mm_value *items)
{
    size_t count = mm_value_len(items);

    while (mm_value_len(list) > count && !mm_has_error()) {
        mm_list_remove(list, mm_value_len(list) - 1);
    }
    for (size_t i = 0; i < count && mmi_step(ev, 1); i++) {
        if (i < mm_value_len(list)) {
            mm_list_put(list, i, mm_list_get(items, i));
        } else {
            mm_list_append(list, mm_list_get(items, i));
        }
        if (!mm_has_error()) {
            mm_list_set_source(list, i, mmi_list_source_of(items, i));
        }
    }
    return !mm_has_error();
}

static bool append_range(mm_value *out, const mm_value *from, size_t begin, size_t end)
{
    for (size_t i = begin; i < end && !mm_has_error(); i++) {
        mmi_list_append_at(out, mm_list_get(from, i), mmi_list_source_of(from, i));
    }
    return !mm_has_error();
}

/* list[a:b] = items, of any number */
static bool splice(mmi_eval *ev, mm_value *list, const struct slice *slice,
                   mm_value *items)
{
    mm_value *all = mm_value_new_list();
    size_t start = (size_t)slice->start;
    size_t stop = slice->stop < slice->start ? start : (size_t)slice->stop;

    if (append_range(all, list, 0, start) &&
        append_range(all, items, 0, mm_value_len(items)) &&
        append_range(all, list, stop, mm_value_len(list))) {
        (void)replace_all(ev, list, all);
    }
    mm_value_unref(all);
    return !mm_has_error();
}

bool mmi_set_slice(mmi_eval *ev, mm_value *object, mmi_node *node, mm_value *value)
{
    struct slice slice = {0};
    mm_value *items = NULL;

    if (!needs_list(ev, object) ||
        !read_slice(ev, node, mm_value_len(object), &slice)) {
        return false;
    }
    items = mmi_to_list(ev, value);
    mmi_note_change(ev, object);
    if (items == NULL) {
        return false;
    }
    if (slice.step == 1) {
        (void)splice(ev, object, &slice, items);
    } else if ((int64_t)mm_value_len(items) != slice.count) {
        (void)mmi_fail(ev, EXC_VALUE, "a slice of %lld items cannot take %zu",
                       (long long)slice.count, mm_value_len(items));
    } else {
        for (int64_t i = 0; i < slice.count && !mm_has_error(); i++) {
            size_t at = (size_t)place_of(&slice, i);

            mm_list_put(object, at, mm_list_get(items, (size_t)i));
            mm_list_set_source(object, at, mmi_list_source_of(items, (size_t)i));
        }
    }
    mm_value_unref(items);
    return !mm_has_error();
}

bool mmi_delete_slice(mmi_eval *ev, mm_value *object, mmi_node *node)
{
    struct slice slice = {0};
    mm_value *kept = NULL;

    if (!needs_list(ev, object) ||
        !read_slice(ev, node, mm_value_len(object), &slice)) {
        return false;
    }
    if (slice.step < 0 && slice.count > 0) { /* the same places, forwards */
        slice.start = place_of(&slice, slice.count - 1);
        slice.step = -slice.step;
    }
    kept = mm_value_new_list();
    for (size_t i = 0; i < mm_value_len(object) && mmi_step(ev, 1); i++) {
        int64_t at = (int64_t)i - slice.start;

        if (at < 0 || at % slice.step != 0 || at / slice.step >= slice.count) {
            (void)append_range(kept, object, i, i + 1);
        }
    }
    if (!mm_has_error()) {
        (void)replace_all(ev, object, kept);
    }
    mm_value_unref(kept);
    return !mm_has_error();
}
