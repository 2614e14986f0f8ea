/* Methods of str that cut and join: strip, split, join, partition. */
#include <string.h>

#include "config/chars.h"
#include "config/methods_str.h"
#include "mmengine/memory.h"

/* ---- strip ---- */

static bool is_stripped(uint32_t code, const mmi_part *set)
{
    size_t at = 0;

    if (set->at == NULL) {
        return mmi_is_space(code);
    }
    while (at < set->size) {
        uint32_t one = 0;

        at += mmi_utf8_decode(set->at + at, set->size - at, &one);
        if (one == code) {
            return true;
        }
    }
    return false;
}

static mm_value *strip(mmi_eval *ev, mm_value *self, const mmi_args *args,
                       const char *method, bool left, bool right)
{
    mmi_part text = mmi_part_of(self);
    mmi_part set = {0};

    if (!mmi_expect_args(ev, method, args, 0, 1) || !mmi_pay_text(ev, text.size)) {
        return NULL;
    }
    if (mmi_num_args(args) == 1 && !mm_value_is_none(mmi_arg(args, 0)) &&
        !mmi_read_part(ev, method, mmi_arg(args, 0), &set)) {
        return NULL;
    }
    while (left && text.size > 0) {
        uint32_t code = 0;
        size_t step = mmi_utf8_decode(text.at, text.size, &code);

        if (!is_stripped(code, &set)) {
            break;
        }
        text.at += step;
        text.size -= step;
    }
    while (right && text.size > 0) {
        uint32_t code = 0;
        size_t at = text.size - 1;

        while (at > 0 && ((unsigned char)text.at[at] & 0xC0U) == 0x80U) {
            at--;
        }
        (void)mmi_utf8_decode(text.at + at, text.size - at, &code);
        if (!is_stripped(code, &set)) {
            break;
        }
        text.size = at;
    }
    return mmi_part_value(text);
}

mm_value *mmi_method_strip(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return strip(ev, self, args, "strip", true, true);
}

mm_value *mmi_method_lstrip(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return strip(ev, self, args, "lstrip", true, false);
}

mm_value *mmi_method_rstrip(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return strip(ev, self, args, "rstrip", false, true);
}

/* ---- split and join ---- */

static void push_part(mmi_eval *ev, mm_value *list, const char *at, size_t size)
{
    if (mmi_step(ev, 1) && mmi_reserve_items(ev, 1)) {
        mm_list_push(list, mm_value_new_str_n(size == 0 ? "" : at, size));
    }
}

/* At runs of white space, at most `limit` times. */
static void split_blanks(mmi_eval *ev, mm_value *list, mmi_part text, int64_t limit)
{
    const char *end = text.at + text.size;
    const char *p = text.at;

    while (p < end && !mm_has_error()) {
        const char *start = p;
        uint32_t code = 0;
        size_t step = mmi_utf8_decode(p, (size_t)(end - p), &code);

        if (mmi_is_space(code)) {
            p += step;
            continue;
        }
        if (limit == 0) { /* the rest, with the white space at its end */
            push_part(ev, list, p, (size_t)(end - p));
            return;
        }
        while (p < end && !mmi_is_space(code)) {
            p += step;
            step = mmi_utf8_decode(p, (size_t)(end - p), &code);
        }
        push_part(ev, list, start, (size_t)(p - start));
        limit--;
    }
}

/* From the right: splits fully, then joins what is too much at the left. */
static void rsplit_blanks(mmi_eval *ev, mm_value *list, mmi_part text, int64_t limit)
{
    mm_value *all = mm_value_new_list();
    size_t count = 0;
    size_t first = 0;

    split_blanks(ev, all, text, INT64_MAX);
    count = mm_value_len(all);
    if (limit >= 0 && (uint64_t)limit < count && !mm_has_error()) {
        /* the head ends where its last word ends */
        const char *p = text.at;
        size_t words = count - (size_t)limit;
        mmi_part head = {text.at, 0}; /* white space at the beginning stays */

        for (size_t i = 0; i < words; i++) {
            mmi_part word = mmi_part_of(mm_list_get(all, i));
            mmi_part rest = {p, (size_t)(text.at + text.size - p)};
            const char *found = mmi_find_part(rest, word);

            p = found + word.size;
        }
        head.size = (size_t)(p - head.at);
        push_part(ev, list, head.at, head.size);
        first = words;
    }
    for (size_t i = first; i < count && !mm_has_error(); i++) {
        mm_list_append(list, mm_list_get(all, i));
    }
    mm_value_unref(all);
}

static void split_at(mmi_eval *ev, mm_value *list, mmi_part text, mmi_part by,
                     int64_t limit)
{
    while (limit-- != 0 && !mm_has_error()) {
        const char *found = mmi_find_part(text, by);
        size_t size = 0;

        if (found == NULL) {
            break;
        }
        size = (size_t)(found - text.at);
        push_part(ev, list, text.at, size);
        text.at += size + by.size;
        text.size -= size + by.size;
    }
    push_part(ev, list, text.at, text.size);
}

static void rsplit_at(mmi_eval *ev, mm_value *list, mmi_part text, mmi_part by,
                      int64_t limit)
{
    while (limit-- != 0 && !mm_has_error()) {
        const char *found = mmi_find_last_part(text, by);
        const char *rest = NULL;

        if (found == NULL || !mmi_reserve_items(ev, 1)) {
            break;
        }
        rest = found + by.size;
        mm_value *value =
            mm_value_new_str_n(rest, (size_t)(text.at + text.size - rest));
        mm_list_insert(list, 0, value);
        mm_value_unref(value);
        text.size = (size_t)(found - text.at);
    }
    mm_value *head = mmi_part_value(text);
    mm_list_insert(list, 0, head);
    mm_value_unref(head);
}

static mm_value *split(mmi_eval *ev, mm_value *self, const mmi_args *args, bool right)
{
    static const char *const names[] = {"sep", "maxsplit"};
    const char *method = right ? "rsplit" : "split";
    mm_value *given[2] = {0};
    mmi_part text = mmi_part_of(self);
    mmi_part by = {0};
    int64_t limit = -1;
    mm_value *list = NULL;

    if (!mmi_bind(ev, method, args, names, 2, 0, given) ||
        !mmi_pay_text(ev, text.size) ||
        (given[1] != NULL && !mmi_as_index(ev, given[1], &limit))) {
        return NULL;
    }
    limit = limit < 0 ? INT64_MAX : limit;
    list = mm_value_new_list();
    if (given[0] == NULL || mm_value_is_none(given[0])) {
        if (right) {
            rsplit_blanks(ev, list, text, limit);
        } else {
            split_blanks(ev, list, text, limit);
        }
    } else if (mmi_read_part(ev, method, given[0], &by) && by.size == 0) {
        (void)mmi_fail(ev, EXC_VALUE, "%s() by an empty text", method);
    } else if (right && !mm_has_error()) {
        rsplit_at(ev, list, text, by, limit);
    } else if (!mm_has_error()) {
        split_at(ev, list, text, by, limit);
    }
    if (mm_has_error()) {
        mm_value_unref(list);
        return NULL;
    }
    return list;
}

mm_value *mmi_method_split(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return split(ev, self, args, false);
}

mm_value *mmi_method_rsplit(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return split(ev, self, args, true);
}

mm_value *mmi_method_splitlines(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    mmi_part text = mmi_part_of(self);
    mm_value *list = NULL;
    size_t from = 0;

    if (!mmi_expect_args(ev, "splitlines", args, 0, 0) ||
        !mmi_pay_text(ev, text.size)) {
        return NULL;
    }
    list = mm_value_new_list();
    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] == '\n' || text.at[i] == '\r') {
            push_part(ev, list, text.at + from, i - from);
            i += text.at[i] == '\r' && i + 1 < text.size && text.at[i + 1] == '\n';
            from = i + 1;
        }
    }
    if (from < text.size) {
        push_part(ev, list, text.at + from, text.size - from);
    }
    return list;
}

mm_value *mmi_method_join(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    mmi_part by = mmi_part_of(self);
    mm_value *items = NULL;
    mmi_str out = {0};

    if (!mmi_expect_args(ev, "join", args, 1, 1)) {
        return NULL;
    }
    items = mmi_to_list(ev, mmi_arg(args, 0));
    for (size_t i = 0; items != NULL && i < mm_value_len(items) && !mm_has_error();
         i++) {
        mm_value *item = mm_list_get(items, i);
        mmi_part part = {0};

        if (mm_value_kind(item) != MM_KIND_STR) {
            (void)mmi_fail(ev, EXC_TYPE, "join() needs strings, but item %zu is %s", i,
                           mm_value_type_name(item));
            break;
        }
        part = mmi_part_of(item);
        if (mmi_reserve(ev, part.size + by.size)) {
            mmi_str_add_n(&out, by.at, i == 0 ? 0 : by.size);
            mmi_str_add_n(&out, part.at, part.size);
        }
    }
    mm_value_unref(items);
    return mmi_str_value(&out);
}

static mm_value *partition(mmi_eval *ev, mm_value *self, const mmi_args *args,
                           bool right)
{
    mmi_part text = mmi_part_of(self);
    mmi_part by = {0};
    const char *found = NULL;
    mm_value *out = NULL;

    if (!mmi_expect_args(ev, "partition", args, 1, 1) || !mmi_pay_text(ev, text.size) ||
        !mmi_read_part(ev, "partition", mmi_arg(args, 0), &by)) {
        return NULL;
    }
    if (by.size == 0) {
        return mmi_fail(ev, EXC_VALUE, "partition() by an empty text");
    }
    found = right ? mmi_find_last_part(text, by) : mmi_find_part(text, by);
    out = mm_value_new_tuple();
    if (found != NULL) {
        size_t head = (size_t)(found - text.at);

        push_part(ev, out, text.at, head);
        push_part(ev, out, by.at, by.size);
        push_part(ev, out, found + by.size, text.size - head - by.size);
    } else {
        push_part(ev, out, text.at, right ? 0 : text.size);
        push_part(ev, out, "", 0);
        push_part(ev, out, text.at, right ? text.size : 0);
    }
    return out;
}

mm_value *mmi_method_partition(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return partition(ev, self, args, false);
}

mm_value *mmi_method_rpartition(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return partition(ev, self, args, true);
}
