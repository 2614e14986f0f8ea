/* Methods of str and bytes. Positions count characters; searching works on bytes, which
 * UTF-8 allows. */
#include <string.h>

#include "config/chars.h"
#include "config/objects.h"
#include "mmengine/memory.h"

/* A text inside a str value. */
struct part {
    const char *at;
    size_t size;
};

static struct part part_of(const mm_value *value)
{
    struct part out = {0};

    out.at = mm_value_str_n(value, &out.size);
    return out;
}

static mm_value *value_of(struct part part)
{
    return mm_value_new_str_n(part.at == NULL ? "" : part.at, part.size);
}

/* The text of an argument that must be a str. False with an error. */
static bool read_text(mmi_eval *ev, const char *method, const mm_value *value,
                      struct part *out)
{
    if (mm_value_kind(value) != MM_KIND_STR) {
        (void)mmi_fail(ev, EXC_TYPE, "%s() needs a str, not %s", method,
                       mm_value_type_name(value));
        return false;
    }
    *out = part_of(value);
    return true;
}

static const char *find_text(struct part in, struct part what)
{
    if (what.size == 0) {
        return in.at;
    }
    for (const char *p = in.at; (size_t)(in.at + in.size - p) >= what.size; p++) {
        p = memchr(p, what.at[0], (size_t)(in.at + in.size - p) - what.size + 1);
        if (p == NULL) {
            return NULL;
        }
        if (memcmp(p, what.at, what.size) == 0) {
            return p;
        }
    }
    return NULL;
}

static const char *find_last(struct part in, struct part what)
{
    for (size_t at = in.size + 1; at-- > 0;) {
        if (in.size - at >= what.size && memcmp(in.at + at, what.at, what.size) == 0) {
            return in.at + at;
        }
    }
    return NULL;
}

static bool pay(mmi_eval *ev, size_t size)
{
    return mmi_step(ev, (int64_t)(size / 16)) && mmi_reserve(ev, size);
}

/* ---- strip ---- */

static bool is_stripped(uint32_t code, const struct part *set)
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
    struct part text = part_of(self);
    struct part set = {0};

    if (!mmi_expect_args(ev, method, args, 0, 1) || !pay(ev, text.size)) {
        return NULL;
    }
    if (mmi_num_args(args) == 1 && !mm_value_is_none(mmi_arg(args, 0)) &&
        !read_text(ev, method, mmi_arg(args, 0), &set)) {
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
    return value_of(text);
}

static mm_value *str_strip(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return strip(ev, self, args, "strip", true, true);
}

static mm_value *str_lstrip(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return strip(ev, self, args, "lstrip", true, false);
}

static mm_value *str_rstrip(mmi_eval *ev, mm_value *self, const mmi_args *args)
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
static void split_blanks(mmi_eval *ev, mm_value *list, struct part text, int64_t limit)
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
static void rsplit_blanks(mmi_eval *ev, mm_value *list, struct part text, int64_t limit)
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
        struct part head = {text.at, 0}; /* white space at the beginning stays */

        for (size_t i = 0; i < words; i++) {
            struct part word = part_of(mm_list_get(all, i));
            struct part rest = {p, (size_t)(text.at + text.size - p)};
            const char *found = find_text(rest, word);

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

static void split_at(mmi_eval *ev, mm_value *list, struct part text, struct part by,
                     int64_t limit)
{
    while (limit-- != 0 && !mm_has_error()) {
        const char *found = find_text(text, by);
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

static void rsplit_at(mmi_eval *ev, mm_value *list, struct part text, struct part by,
                      int64_t limit)
{
    while (limit-- != 0 && !mm_has_error()) {
        const char *found = find_last(text, by);
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
    mm_value *head = value_of(text);
    mm_list_insert(list, 0, head);
    mm_value_unref(head);
}

static mm_value *split(mmi_eval *ev, mm_value *self, const mmi_args *args, bool right)
{
    static const char *const names[] = {"sep", "maxsplit"};
    const char *method = right ? "rsplit" : "split";
    mm_value *given[2] = {0};
    struct part text = part_of(self);
    struct part by = {0};
    int64_t limit = -1;
    mm_value *list = NULL;

    if (!mmi_bind(ev, method, args, names, 2, 0, given) || !pay(ev, text.size) ||
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
    } else if (read_text(ev, method, given[0], &by) && by.size == 0) {
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

static mm_value *str_split(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return split(ev, self, args, false);
}

static mm_value *str_rsplit(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return split(ev, self, args, true);
}

static mm_value *str_splitlines(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    struct part text = part_of(self);
    mm_value *list = NULL;
    size_t from = 0;

    if (!mmi_expect_args(ev, "splitlines", args, 0, 0) || !pay(ev, text.size)) {
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

static mm_value *str_join(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    struct part by = part_of(self);
    mm_value *items = NULL;
    mmi_str out = {0};

    if (!mmi_expect_args(ev, "join", args, 1, 1)) {
        return NULL;
    }
    items = mmi_to_list(ev, mmi_arg(args, 0));
    for (size_t i = 0; items != NULL && i < mm_value_len(items) && !mm_has_error();
         i++) {
        mm_value *item = mm_list_get(items, i);
        struct part part = {0};

        if (mm_value_kind(item) != MM_KIND_STR) {
            (void)mmi_fail(ev, EXC_TYPE, "join() needs strings, but item %zu is %s", i,
                           mm_value_type_name(item));
            break;
        }
        part = part_of(item);
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
    struct part text = part_of(self);
    struct part by = {0};
    const char *found = NULL;
    mm_value *out = NULL;

    if (!mmi_expect_args(ev, "partition", args, 1, 1) || !pay(ev, text.size) ||
        !read_text(ev, "partition", mmi_arg(args, 0), &by)) {
        return NULL;
    }
    if (by.size == 0) {
        return mmi_fail(ev, EXC_VALUE, "partition() by an empty text");
    }
    found = right ? find_last(text, by) : find_text(text, by);
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

static mm_value *str_partition(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return partition(ev, self, args, false);
}

static mm_value *str_rpartition(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return partition(ev, self, args, true);
}

/* ---- find and replace ---- */

/* The part [start, end) of arguments 1 and 2, in characters. False with an error. */
static bool read_window(mmi_eval *ev, const mmi_args *args, struct part *text,
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
    struct part text = part_of(self);
    struct part what = {0};
    const char *found = NULL;
    size_t skipped = 0;

    if (!mmi_expect_args(ev, method, args, 1, 3) || !pay(ev, text.size) ||
        !read_text(ev, method, mmi_arg(args, 0), &what) ||
        !read_window(ev, args, &text, &skipped)) {
        return NULL;
    }
    if (text.at != NULL) {
        found = right ? find_last(text, what) : find_text(text, what);
    }
    if (found == NULL) {
        return must ? mmi_fail(ev, EXC_VALUE, "the text does not contain '%.*s'",
                               (int)(what.size > 100 ? 100 : what.size), what.at)
                    : mm_value_new_i64(-1);
    }
    return mm_value_new_i64(
        (int64_t)(skipped + mmi_utf8_count(text.at, (size_t)(found - text.at))));
}

static mm_value *str_find(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return find(ev, self, args, "find", false, false);
}

static mm_value *str_rfind(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return find(ev, self, args, "rfind", true, false);
}

static mm_value *str_index(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return find(ev, self, args, "index", false, true);
}

static mm_value *str_rindex(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return find(ev, self, args, "rindex", true, true);
}

static mm_value *str_count(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    struct part text = part_of(self);
    struct part what = {0};
    size_t skipped = 0;
    int64_t count = 0;

    if (!mmi_expect_args(ev, "count", args, 1, 3) || !pay(ev, text.size) ||
        !read_text(ev, "count", mmi_arg(args, 0), &what) ||
        !read_window(ev, args, &text, &skipped)) {
        return NULL;
    }
    if (text.at != NULL && what.size == 0) {
        count = (int64_t)mmi_utf8_count(text.at, text.size) + 1;
    }
    while (text.at != NULL && what.size > 0) {
        const char *found = find_text(text, what);

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
static void replace_empty(mmi_str *out, struct part text, struct part new,
                          int64_t limit)
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

static mm_value *str_replace(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    struct part text = part_of(self);
    struct part old = {0};
    struct part new = {0};
    int64_t limit = -1;
    mmi_str out = {0};

    if (!mmi_expect_args(ev, "replace", args, 2, 3) || !pay(ev, text.size) ||
        !read_text(ev, "replace", mmi_arg(args, 0), &old) ||
        !read_text(ev, "replace", mmi_arg(args, 1), &new) ||
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
        const char *found = find_text(text, old);
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

static bool has_affix(struct part text, struct part affix, bool end)
{
    return text.at != NULL && text.size >= affix.size &&
           memcmp(text.at + (end ? text.size - affix.size : 0), affix.at, affix.size) ==
               0;
}

static mm_value *affix(mmi_eval *ev, mm_value *self, const mmi_args *args, bool end)
{
    const char *method = end ? "endswith" : "startswith";
    struct part text = part_of(self);
    struct part part = {0};
    mm_value *what = NULL;
    size_t skipped = 0;

    if (!mmi_expect_args(ev, method, args, 1, 3) ||
        !read_window(ev, args, &text, &skipped)) {
        return NULL;
    }
    what = mmi_arg(args, 0);
    if (mm_value_kind(what) != MM_KIND_TUPLE) {
        return read_text(ev, method, what, &part)
                   ? mm_value_new_bool(has_affix(text, part, end))
                   : NULL;
    }
    for (size_t i = 0; i < mm_value_len(what); i++) {
        if (!read_text(ev, method, mm_list_get(what, i), &part)) {
            return NULL;
        }
        if (has_affix(text, part, end)) {
            return mm_value_new_bool(true);
        }
    }
    return mm_value_new_bool(false);
}

static mm_value *str_startswith(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return affix(ev, self, args, false);
}

static mm_value *str_endswith(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return affix(ev, self, args, true);
}

static mm_value *remove_affix(mmi_eval *ev, mm_value *self, const mmi_args *args,
                              bool end)
{
    struct part text = part_of(self);
    struct part part = {0};

    if (!mmi_expect_args(ev, end ? "removesuffix" : "removeprefix", args, 1, 1) ||
        !read_text(ev, end ? "removesuffix" : "removeprefix", mmi_arg(args, 0),
                   &part)) {
        return NULL;
    }
    if (has_affix(text, part, end)) {
        text.at += end ? 0 : part.size;
        text.size -= part.size;
    }
    return value_of(text);
}

static mm_value *str_removeprefix(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return remove_affix(ev, self, args, false);
}

static mm_value *str_removesuffix(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return remove_affix(ev, self, args, true);
}

/* ---- case ---- */

typedef enum case_rule {
    CASE_UPPER,
    CASE_LOWER,
    CASE_TITLE,
    CASE_FIRST,
    CASE_SWAP
} case_rule;

static uint32_t change_case(uint32_t code, case_rule rule, bool first)
{
    switch (rule) {
    case CASE_UPPER:
        return mmi_upper(code);
    case CASE_LOWER:
        return mmi_lower(code);
    case CASE_SWAP:
        return mmi_upper(code) != code ? mmi_upper(code) : mmi_lower(code);
    default:
        return first ? mmi_upper(code) : mmi_lower(code);
    }
}

static mm_value *with_case(mmi_eval *ev, mm_value *self, const mmi_args *args,
                           const char *method, case_rule rule)
{
    struct part text = part_of(self);
    mmi_str out = {0};
    bool first = true;

    if (!mmi_expect_args(ev, method, args, 0, 0) || !pay(ev, text.size)) {
        return NULL;
    }
    for (size_t at = 0; at < text.size;) {
        uint32_t code = 0;

        at += mmi_utf8_decode(text.at + at, text.size - at, &code);
        if (code == 0xDF && rule != CASE_LOWER &&
            (rule < CASE_TITLE || rule == CASE_SWAP || first)) {
            mmi_str_add(&out, rule == CASE_UPPER || rule == CASE_SWAP ? "SS" : "Ss");
        } else {
            mmi_str_add_utf8(&out, change_case(code, rule, first));
        }
        first = rule == CASE_TITLE && !mmi_is_alpha(code);
    }
    return mmi_str_value(&out);
}

static mm_value *str_upper(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return with_case(ev, self, args, "upper", CASE_UPPER);
}

static mm_value *str_lower(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return with_case(ev, self, args, "lower", CASE_LOWER);
}

static mm_value *str_title(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return with_case(ev, self, args, "title", CASE_TITLE);
}

static mm_value *str_capitalize(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return with_case(ev, self, args, "capitalize", CASE_FIRST);
}

static mm_value *str_swapcase(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return with_case(ev, self, args, "swapcase", CASE_SWAP);
}

/* ---- tests ---- */

static bool is_digit(uint32_t code)
{
    return code >= '0' && code <= '9';
}

static bool is_alnum(uint32_t code)
{
    return is_digit(code) || mmi_is_alpha(code);
}

static mm_value *all_are(mmi_eval *ev, mm_value *self, const mmi_args *args,
                         const char *method, bool (*test)(uint32_t code))
{
    struct part text = part_of(self);
    bool all = text.size > 0;

    if (!mmi_expect_args(ev, method, args, 0, 0) || !pay(ev, text.size)) {
        return NULL;
    }
    for (size_t at = 0; at < text.size && all;) {
        uint32_t code = 0;

        at += mmi_utf8_decode(text.at + at, text.size - at, &code);
        all = test(code);
    }
    return mm_value_new_bool(all);
}

static mm_value *str_isdigit(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return all_are(ev, self, args, "isdigit", is_digit);
}

static mm_value *str_isalpha(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return all_are(ev, self, args, "isalpha", mmi_is_alpha);
}

static mm_value *str_isalnum(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return all_are(ev, self, args, "isalnum", is_alnum);
}

static mm_value *str_isspace(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return all_are(ev, self, args, "isspace", mmi_is_space);
}

static mm_value *str_isidentifier(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    struct part text = part_of(self);

    return mmi_expect_args(ev, "isidentifier", args, 0, 0)
               ? mm_value_new_bool(mmi_is_identifier(text.at, text.size))
               : NULL;
}

/* True if it has cased letters and all are lower (or upper). */
static mm_value *is_case(mmi_eval *ev, mm_value *self, const mmi_args *args, bool upper)
{
    struct part text = part_of(self);
    bool found = false;

    if (!mmi_expect_args(ev, upper ? "isupper" : "islower", args, 0, 0)) {
        return NULL;
    }
    for (size_t at = 0; at < text.size;) {
        uint32_t code = 0;

        at += mmi_utf8_decode(text.at + at, text.size - at, &code);
        if (mmi_upper(code) != code || mmi_lower(code) != code) {
            if ((upper ? mmi_lower(code) : mmi_upper(code)) == code) {
                return mm_value_new_bool(false);
            }
            found = true;
        }
    }
    return mm_value_new_bool(found);
}

static mm_value *str_islower(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return is_case(ev, self, args, false);
}

static mm_value *str_isupper(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return is_case(ev, self, args, true);
}

/* ---- padding ---- */

static mm_value *pad(mmi_eval *ev, mm_value *self, const mmi_args *args,
                     const char *method, int side)
{
    struct part text = part_of(self);
    struct part fill = {" ", 1};
    int64_t width = 0;
    size_t length = mmi_utf8_count(text.at, text.size);
    size_t left = 0;
    size_t right = 0;
    mmi_str out = {0};

    if (!mmi_expect_args(ev, method, args, 1, 2) ||
        !mmi_as_index(ev, mmi_arg(args, 0), &width) ||
        (mmi_num_args(args) > 1 && !read_text(ev, method, mmi_arg(args, 1), &fill))) {
        return NULL;
    }
    if (mmi_utf8_count(fill.at, fill.size) != 1) {
        return mmi_fail(ev, EXC_TYPE, "%s() fills with one character", method);
    }
    if (width > (int64_t)length) {
        size_t total = (size_t)width - length;

        /* center() puts the odd blank as CPython does */
        left = side < 0   ? 0
               : side > 0 ? total
                          : total / 2 + (total & (size_t)width & 1U);
        right = total - left;
        if (!mmi_reserve(ev, total > MMI_MAX_MEMORY ? total : total * fill.size)) {
            return NULL;
        }
    }
    for (size_t i = 0; i < left; i++) {
        mmi_str_add_n(&out, fill.at, fill.size);
    }
    mmi_str_add_n(&out, text.at, text.size);
    for (size_t i = 0; i < right; i++) {
        mmi_str_add_n(&out, fill.at, fill.size);
    }
    return mmi_str_value(&out);
}

static mm_value *str_ljust(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return pad(ev, self, args, "ljust", -1);
}

static mm_value *str_rjust(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return pad(ev, self, args, "rjust", 1);
}

static mm_value *str_center(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return pad(ev, self, args, "center", 0);
}

static mm_value *str_zfill(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    struct part text = part_of(self);
    size_t length = mmi_utf8_count(text.at, text.size);
    bool sign = text.size > 0 && (text.at[0] == '-' || text.at[0] == '+');
    int64_t width = 0;
    mmi_str out = {0};

    if (!mmi_expect_args(ev, "zfill", args, 1, 1) ||
        !mmi_as_index(ev, mmi_arg(args, 0), &width) ||
        (width > (int64_t)length && !mmi_reserve(ev, (size_t)width))) {
        return NULL;
    }
    mmi_str_add_n(&out, text.at, sign);
    mmi_str_fill(&out, '0', width > (int64_t)length ? (size_t)width - length : 0);
    mmi_str_add_n(&out, text.at + sign, text.size - sign);
    return mmi_str_value(&out);
}

/* ---- encode, decode, format ---- */

static bool is_utf8_name(const mm_value *value)
{
    static const char *const names[] = {"utf-8", "utf8", "UTF-8", "utf_8", "ascii"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (value == NULL || strcmp(mm_value_str(value), names[i]) == 0) {
            return true;
        }
    }
    return false;
}

static mm_value *str_encode(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    struct part text = part_of(self);
    struct part name = {0};

    if (!mmi_expect_args(ev, "encode", args, 0, 2) ||
        (mmi_num_args(args) > 0 && !read_text(ev, "encode", mmi_arg(args, 0), &name))) {
        return NULL;
    }
    if (!is_utf8_name(mmi_arg(args, 0))) {
        return mmi_fail(ev, EXC_FATAL, "a config can encode to UTF-8 only, not '%s'",
                        name.at);
    }
    return mm_value_new_bytes(text.at, text.size);
}

static mm_value *bytes_decode(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    size_t size = 0;
    const char *data = mm_value_bytes(self, &size);
    struct part name = {0};

    if (!mmi_expect_args(ev, "decode", args, 0, 2) ||
        (mmi_num_args(args) > 0 && !read_text(ev, "decode", mmi_arg(args, 0), &name))) {
        return NULL;
    }
    if (!is_utf8_name(mmi_arg(args, 0))) {
        return mmi_fail(ev, EXC_FATAL, "a config can decode from UTF-8 only, not '%s'",
                        name.at);
    }
    if (!mmi_utf8_is_valid(data, size)) {
        return mmi_fail(ev, EXC_VALUE, "these bytes are no UTF-8 text");
    }
    return mm_value_new_str_n(size == 0 ? "" : data, size);
}

static mm_value *bytes_hex(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    size_t size = 0;
    const unsigned char *data = mm_value_bytes(self, &size);
    mmi_str out = {0};

    if (!mmi_expect_args(ev, "hex", args, 0, 0) || !mmi_reserve(ev, size * 2)) {
        return NULL;
    }
    for (size_t i = 0; i < size; i++) {
        mmi_str_addf(&out, "%02x", data[i]);
    }
    return mmi_str_value(&out);
}

const mmi_method mmi_bytes_methods[] = {
    {"decode", bytes_decode},
    {"hex", bytes_hex},
    {NULL, NULL},
};

const mmi_method mmi_str_methods[] = {
    {"format", mmi_str_format},
    {"strip", str_strip},
    {"lstrip", str_lstrip},
    {"rstrip", str_rstrip},
    {"join", str_join},
    {"split", str_split},
    {"rsplit", str_rsplit},
    {"splitlines", str_splitlines},
    {"replace", str_replace},
    {"startswith", str_startswith},
    {"endswith", str_endswith},
    {"upper", str_upper},
    {"lower", str_lower},
    {"casefold", str_lower},
    {"title", str_title},
    {"capitalize", str_capitalize},
    {"swapcase", str_swapcase},
    {"find", str_find},
    {"rfind", str_rfind},
    {"index", str_index},
    {"rindex", str_rindex},
    {"count", str_count},
    {"partition", str_partition},
    {"rpartition", str_rpartition},
    {"removeprefix", str_removeprefix},
    {"removesuffix", str_removesuffix},
    {"isdigit", str_isdigit},
    {"isdecimal", str_isdigit},
    {"isnumeric", str_isdigit},
    {"isalpha", str_isalpha},
    {"isalnum", str_isalnum},
    {"isspace", str_isspace},
    {"isidentifier", str_isidentifier},
    {"islower", str_islower},
    {"isupper", str_isupper},
    {"ljust", str_ljust},
    {"rjust", str_rjust},
    {"center", str_center},
    {"zfill", str_zfill},
    {"encode", str_encode},
    {NULL, NULL},
};
