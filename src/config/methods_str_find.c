/* Methods of str that look for texts: find, count, replace, prefixes and suffixes. */
#include <string.h>

#include "config/chars.h"
#include "config/methods_str.h"
#include "mmengine/memory.h"

/* ---- find and replace ---- */

/* The part [start, end) of arguments 1 and 2, in characters. False with an error. */
static bool read_window(mmi_eval *ev, const mmi_args *args, mmi_part *text,
                        size_t *out_skipped)
{
    int64_t length = (int64_t)mmi_utf8_count(text->at, text->size);
    int64_t bounds[2] = {0, length};

    for (size_t i = 0; i < 2; i++) {
        mm_value *given = mmi_arg(args, i + 1);

        if (given != NULL && !mm_value_is_none(given) &&
            !mmi_as_index(ev, given, &bounds[i])) {
            return false;
        }
        bounds[i] = bounds[i] < -length ? 0
                    : bounds[i] < 0     ? bounds[i] + length
                                        : bounds[i];
    }
    if (bounds[0] > length) {
        text->at = NULL; /* nothing is found there, not even "" */
        return true;
    }
    bounds[1] = bounds[1] > length ? length : bounds[1];
    *out_skipped = (size_t)bounds[0];
    if (bounds[1] < bounds[0]) {
        text->at = NULL;
        return true;
    }
    size_t from = mmi_utf8_offset(text->at, text->size, (size_t)bounds[0]);
    size_t to = mmi_utf8_offset(text->at, text->size, (size_t)bounds[1]);
    text->at += from;
    text->size = to - from;
    return true;
}

static mm_value *find(mmi_eval *ev, mm_value *self, const mmi_args *args,
                      const char *method, bool right, bool must)
{
    mmi_part text = mmi_part_of(self);
    mmi_part what = {0};
    const char *found = NULL;
    size_t skipped = 0;

    if (!mmi_expect_args(ev, method, args, 1, 3) || !mmi_pay_text(ev, text.size) ||
        !mmi_read_part(ev, method, mmi_arg(args, 0), &what) ||
        !read_window(ev, args, &text, &skipped)) {
        return NULL;
    }
    if (text.at != NULL) {
        found = right ? mmi_find_last_part(text, what) : mmi_find_part(text, what);
    }
    if (found == NULL) {
        return must ? mmi_fail(ev, EXC_VALUE, "the text does not contain '%.*s'",
                               (int)(what.size > 100 ? 100 : what.size), what.at)
                    : mm_value_new_i64(-1);
    }
    return mm_value_new_i64(
        (int64_t)(skipped + mmi_utf8_count(text.at, (size_t)(found - text.at))));
}

mm_value *mmi_method_find(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return find(ev, self, args, "find", false, false);
}

mm_value *mmi_method_rfind(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return find(ev, self, args, "rfind", true, false);
}

mm_value *mmi_method_index(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return find(ev, self, args, "index", false, true);
}

mm_value *mmi_method_rindex(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return find(ev, self, args, "rindex", true, true);
}

mm_value *mmi_method_count(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    mmi_part text = mmi_part_of(self);
    mmi_part what = {0};
    size_t skipped = 0;
    int64_t count = 0;

    if (!mmi_expect_args(ev, "count", args, 1, 3) || !mmi_pay_text(ev, text.size) ||
        !mmi_read_part(ev, "count", mmi_arg(args, 0), &what) ||
        !read_window(ev, args, &text, &skipped)) {
        return NULL;
    }
    if (text.at != NULL && what.size == 0) {
        count = (int64_t)mmi_utf8_count(text.at, text.size) + 1;
    }
    while (text.at != NULL && what.size > 0) {
        const char *found = mmi_find_part(text, what);

        if (found == NULL) {
            break;
        }
        count++;
        text.size -= (size_t)(found - text.at) + what.size;
        text.at = found + what.size;
    }
    return mm_value_new_i64(count);
}

/* "" is found before every character and at the end. */
static void replace_empty(mmi_str *out, mmi_part text, mmi_part new, int64_t limit)
{
    size_t at = 0;

    while (limit-- > 0) {
        uint32_t code = 0;
        size_t step = mmi_utf8_decode(text.at + at, text.size - at, &code);

        mmi_str_add_n(out, new.at, new.size);
        mmi_str_add_n(out, text.at + at, step);
        at += step;
        if (step == 0) {
            return;
        }
    }
    mmi_str_add_n(out, text.at + at, text.size - at);
}

mm_value *mmi_method_replace(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    mmi_part text = mmi_part_of(self);
    mmi_part old = {0};
    mmi_part new = {0};
    int64_t limit = -1;
    mmi_str out = {0};

    if (!mmi_expect_args(ev, "replace", args, 2, 3) || !mmi_pay_text(ev, text.size) ||
        !mmi_read_part(ev, "replace", mmi_arg(args, 0), &old) ||
        !mmi_read_part(ev, "replace", mmi_arg(args, 1), &new) ||
        (mmi_num_args(args) > 2 && !mmi_as_index(ev, mmi_arg(args, 2), &limit))) {
        return NULL;
    }
    limit = limit < 0 ? INT64_MAX : limit;
    if (old.size == 0) {
        if (mmi_reserve(ev, (text.size + 1) * new.size)) {
            replace_empty(&out, text, new, limit);
        }
        return mmi_str_value(&out);
    }
    while (limit-- > 0 && mmi_step(ev, 1)) {
        const char *found = mmi_find_part(text, old);
        size_t size = 0;

        if (found == NULL || !mmi_reserve(ev, new.size)) {
            break;
        }
        size = (size_t)(found - text.at);
        mmi_str_add_n(&out, text.at, size);
        mmi_str_add_n(&out, new.at, new.size);
        text.at += size + old.size;
        text.size -= size + old.size;
    }
    mmi_str_add_n(&out, text.at, text.size);
    return mmi_str_value(&out);
}

static bool has_affix(mmi_part text, mmi_part affix, bool end)
{
    return text.at != NULL && text.size >= affix.size &&
           memcmp(text.at + (end ? text.size - affix.size : 0), affix.at, affix.size) ==
               0;
}

static mm_value *affix(mmi_eval *ev, mm_value *self, const mmi_args *args, bool end)
{
    const char *method = end ? "endswith" : "startswith";
    mmi_part text = mmi_part_of(self);
    mmi_part part = {0};
    mm_value *what = NULL;
    size_t skipped = 0;

    if (!mmi_expect_args(ev, method, args, 1, 3) ||
        !read_window(ev, args, &text, &skipped)) {
        return NULL;
    }
    what = mmi_arg(args, 0);
    if (mm_value_kind(what) != MM_KIND_TUPLE) {
        return mmi_read_part(ev, method, what, &part)
                   ? mm_value_new_bool(has_affix(text, part, end))
                   : NULL;
    }
    for (size_t i = 0; i < mm_value_len(what); i++) {
        if (!mmi_read_part(ev, method, mm_list_get(what, i), &part)) {
            return NULL;
        }
        if (has_affix(text, part, end)) {
            return mm_value_new_bool(true);
        }
    }
    return mm_value_new_bool(false);
}

mm_value *mmi_method_startswith(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return affix(ev, self, args, false);
}

mm_value *mmi_method_endswith(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return affix(ev, self, args, true);
}

static mm_value *remove_affix(mmi_eval *ev, mm_value *self, const mmi_args *args,
                              bool end)
{
    mmi_part text = mmi_part_of(self);
    mmi_part part = {0};

    if (!mmi_expect_args(ev, end ? "removesuffix" : "removeprefix", args, 1, 1) ||
        !mmi_read_part(ev, end ? "removesuffix" : "removeprefix", mmi_arg(args, 0),
                       &part)) {
        return NULL;
    }
    if (has_affix(text, part, end)) {
        text.at += end ? 0 : part.size;
        text.size -= part.size;
    }
    return mmi_part_value(text);
}

mm_value *mmi_method_removeprefix(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return remove_affix(ev, self, args, false);
}

mm_value *mmi_method_removesuffix(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return remove_affix(ev, self, args, true);
}
