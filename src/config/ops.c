/* Operators on everything: numbers are handed on, the rest is done here. Comparisons
 * follow Python: equality of everything, order within numbers, strings and sequences.
 */
#include <math.h>
#include <string.h>

#include "config/bigint.h"
#include "config/objects.h"

static void *unsupported(mmi_eval *ev, mmi_op op, const mm_value *a, const mm_value *b)
{
    (void)mmi_fail(ev, EXC_TYPE, "'%s' cannot be applied to %s and %s", mmi_op_text(op),
                   mm_value_type_name(a), mm_value_type_name(b));
    if (op == OP_ADD &&
        (mm_value_kind(a) == MM_KIND_STR) != (mm_value_kind(b) == MM_KIND_STR) &&
        (mmi_is_number(a) || mmi_is_number(b))) {
        (void)mm_error_hint("use str() or an f-string to join a number to a text");
    }
    return NULL;
}

bool mmi_is_true(const mm_value *value)
{
    const mmi_range_object *range = NULL;
    const mmi_view_object *view = NULL;

    if (mm_value_kind(value) != MM_KIND_OBJECT) {
        return mm_value_is_true(value);
    }
    range = MMI_OBJECT(mmi_range_object, &mmi_range_ops, value);
    view = MMI_OBJECT(mmi_view_object, &mmi_view_ops, value);
    if (range != NULL) {
        return range->count > 0;
    }
    return view == NULL || mm_value_len(view->dict) > 0;
}

bool mmi_is_same(const mm_value *a, const mm_value *b)
{
    mm_kind kind = mm_value_kind(a);

    if (a == b) {
        return true;
    }
    if (kind != mm_value_kind(b)) {
        return false;
    }
    if (kind == MM_KIND_OBJECT) {
        return mm_value_object_ops(a) == mm_value_object_ops(b) &&
               (mm_value_find_object(a, NULL) == mm_value_find_object(b, NULL) ||
                (mm_value_object_ops(a)->equal != NULL && mm_value_equal(a, b)));
    }
    return kind == MM_KIND_NONE || kind == MM_KIND_BOOL
               ? mm_value_equal(a, b)
               : kind == MM_KIND_I64 && mm_value_i64(a) == mm_value_i64(b);
}

/* ---- concatenation and repetition ---- */

static mm_value *concat_text(mmi_eval *ev, mm_value *a, mm_value *b)
{
    size_t x = 0;
    size_t y = 0;
    const char *left = mm_value_str_n(a, &x);
    const char *right = mm_value_str_n(b, &y);
    mmi_str out = {0};

    if (!mmi_reserve(ev, x + y)) {
        return NULL;
    }
    mmi_str_add_n(&out, left, x);
    mmi_str_add_n(&out, right, y);
    return mmi_str_value(&out);
}

static mm_value *concat_bytes(mmi_eval *ev, mm_value *a, mm_value *b)
{
    size_t x = 0;
    size_t y = 0;
    const void *left = mm_value_bytes(a, &x);
    const void *right = mm_value_bytes(b, &y);
    mmi_str out = {0};
    mm_value *made = NULL;

    if (!mmi_reserve(ev, x + y)) {
        return NULL;
    }
    mmi_str_add_n(&out, left, x);
    mmi_str_add_n(&out, right, y);
    made = mm_value_new_bytes(mmi_str_text(&out), out.size);
    mmi_str_deinit(&out);
    return made;
}

static mm_value *concat_items(mmi_eval *ev, mm_value *a, mm_value *b)
{
    mm_value *made =
        mm_value_kind(a) == MM_KIND_LIST ? mm_value_new_list() : mm_value_new_tuple();

    if (made != NULL && (!mmi_extend(ev, made, a) || !mmi_extend(ev, made, b))) {
        mm_value_unref(made);
        return NULL;
    }
    return made;
}

static mm_value *repeat_data(mmi_eval *ev, mm_value *value, size_t count)
{
    bool text = mm_value_kind(value) == MM_KIND_STR;
    size_t size = 0;
    const char *data =
        text ? mm_value_str_n(value, &size) : mm_value_bytes(value, &size);
    mmi_str out = {0};
    mm_value *made = NULL;

    if (size > 0 && count > ev->max_memory / size) {
        (void)mmi_reserve(ev, SIZE_MAX);
        return NULL;
    }
    if (!mmi_reserve(ev, size * count)) {
        return NULL;
    }
    for (size_t i = 0; size > 0 && i < count; i++) {
        mmi_str_add_n(&out, data, size);
    }
    if (text) {
        return mmi_str_value(&out);
    }
    made = mm_value_new_bytes(mmi_str_text(&out), out.size);
    mmi_str_deinit(&out);
    return made;
}

mm_value *mmi_repeat(mmi_eval *ev, mm_value *value, mm_value *count_value)
{
    mm_kind kind = mm_value_kind(value);
    int64_t count = 0;
    mm_value *made = NULL;

    if (mm_value_kind(count_value) == MM_KIND_BIGINT) {
        count = mm_value_digits(count_value)[0] == '-' ? 0 : INT64_MAX;
    } else {
        count = mm_value_i64(count_value);
    }
    count = count < 0 ? 0 : count;
    if (kind == MM_KIND_STR || kind == MM_KIND_BYTES) {
        return repeat_data(ev, value, (size_t)count);
    }
    if (mm_value_len(value) > 0 &&
        (uint64_t)count > ev->max_memory / mm_value_len(value)) {
        (void)mmi_reserve(ev, SIZE_MAX);
        return NULL;
    }
    made = kind == MM_KIND_LIST ? mm_value_new_list() : mm_value_new_tuple();
    for (int64_t i = 0; mm_value_len(value) > 0 && i < count && !mm_has_error(); i++) {
        (void)mmi_extend(ev, made, value);
    }
    if (mm_has_error()) {
        mm_value_unref(made);
        return NULL;
    }
    return made;
}

/* ---- sets and dicts ---- */

/* A set of what `value` holds: a set itself or keys of a dict. NULL: no such thing. */
static bool is_set_like(const mm_value *value)
{
    const mmi_view_object *view =
        mm_value_kind(value) == MM_KIND_OBJECT
            ? MMI_OBJECT(mmi_view_object, &mmi_view_ops, value)
            : NULL;

    return mm_value_kind(value) == MM_KIND_SET ||
           (view != NULL && view->kind != VIEW_VALUES);
}

static void add_if(mmi_eval *ev, mm_value *out, mm_value *from, const mm_value *other,
                   bool wanted)
{
    mmi_iter iter = {0};
    mm_value *item = NULL;

    if (!mmi_iter_init(ev, &iter, from)) {
        return;
    }
    while (!mm_has_error() && (item = mmi_iter_next(ev, &iter)) != NULL) {
        if (mmi_check_key(ev, item) && mm_set_has(other, item) == wanted &&
            mmi_reserve_items(ev, 1)) {
            mm_set_add(out, item);
        }
        mm_value_unref(item);
    }
    mmi_iter_deinit(&iter);
}

static mm_value *to_set(mmi_eval *ev, mm_value *value)
{
    mm_value *none = mm_value_new_set();
    mm_value *made = mm_value_new_set();

    if (made != NULL && none != NULL) {
        add_if(ev, made, value, none, false);
    }
    mm_value_unref(none);
    return made;
}

static mm_value *set_binary(mmi_eval *ev, mmi_op op, mm_value *a, mm_value *b)
{
    mm_value *x = to_set(ev, a);
    mm_value *y = x == NULL ? NULL : to_set(ev, b);
    mm_value *made = mm_value_new_set();
    mm_value *none = mm_value_new_set();

    if (!mm_has_error()) {
        switch (op) {
        case OP_OR:
            add_if(ev, made, x, none, false);
            add_if(ev, made, y, none, false);
            break;
        case OP_AND:
            add_if(ev, made, x, y, true);
            break;
        case OP_SUB:
            add_if(ev, made, x, y, false);
            break;
        default:
            add_if(ev, made, x, y, false);
            add_if(ev, made, y, x, false);
            break;
        }
    }
    mm_value_unref(x);
    mm_value_unref(y);
    mm_value_unref(none);
    if (mm_has_error()) {
        mm_value_unref(made);
        return NULL;
    }
    return made;
}

static mm_value *merge_dicts(mmi_eval *ev, mm_value *a, mm_value *b)
{
    mm_value *made = mmi_shallow_copy(ev, a);

    if (made != NULL && !mmi_dict_update(ev, made, b)) {
        mm_value_unref(made);
        return NULL;
    }
    return made;
}

/* ---- dispatch ---- */

static bool is_sequence(mm_kind kind)
{
    return kind == MM_KIND_STR || kind == MM_KIND_BYTES || kind == MM_KIND_LIST ||
           kind == MM_KIND_TUPLE;
}

/* ConfigDict + x: x if the dict is empty (a quirk of MMEngine's dict class). */
static bool is_empty_config(const mmi_eval *ev, const mm_value *a)
{
    return mm_value_kind(a) == MM_KIND_DICT && mm_value_len(a) == 0 &&
           mmi_is_config_dict(ev, a);
}

mm_value *mmi_binary(mmi_eval *ev, mmi_op op, mm_value *a, mm_value *b)
{
    mm_kind x = mm_value_kind(a);
    mm_kind y = mm_value_kind(b);

    if (mmi_is_number(a) && mmi_is_number(b) && op != OP_MATMUL) {
        return mmi_binary_number(ev, op, a, b);
    }
    if (op == OP_MOD && x == MM_KIND_STR) {
        return mmi_percent(ev, a, b);
    }
    if (op == OP_ADD && x == y && is_sequence(x)) {
        return x == MM_KIND_STR     ? concat_text(ev, a, b)
               : x == MM_KIND_BYTES ? concat_bytes(ev, a, b)
                                    : concat_items(ev, a, b);
    }
    if (op == OP_MUL && is_sequence(x) && mmi_is_int(b)) {
        return mmi_repeat(ev, a, b);
    }
    if (op == OP_MUL && mmi_is_int(a) && is_sequence(y)) {
        return mmi_repeat(ev, b, a);
    }
    if ((op == OP_OR || op == OP_AND || op == OP_SUB || op == OP_XOR) &&
        is_set_like(a) && is_set_like(b)) {
        return set_binary(ev, op, a, b);
    }
    if (op == OP_OR && x == MM_KIND_DICT && y == MM_KIND_DICT) {
        return merge_dicts(ev, a, b);
    }
    if (op == OP_ADD && is_empty_config(ev, a)) {
        return mm_value_ref(b);
    }
    return unsupported(ev, op, a, b);
}

/* list *= n */
static mm_value *repeat_in_place(mmi_eval *ev, mm_value *list, mm_value *count)
{
    mm_value *repeated = mmi_repeat(ev, list, count);

    if (repeated == NULL) {
        return NULL;
    }
    while (mm_value_len(list) > 0 && !mm_has_error()) {
        mm_list_remove(list, mm_value_len(list) - 1);
    }
    (void)mmi_extend(ev, list, repeated);
    mm_value_unref(repeated);
    return mm_has_error() ? NULL : mm_value_ref(list);
}

/* set |= other and so on */
static mm_value *set_in_place(mmi_eval *ev, mmi_op op, mm_value *a, mm_value *b)
{
    mm_value *result = set_binary(ev, op, a, b);

    /* sets have no removal below: the new set takes the place of the old one */
    return result;
}

mm_value *mmi_binary_in_place(mmi_eval *ev, mmi_op op, mm_value *a, mm_value *b)
{
    mm_kind kind = mm_value_kind(a);

    if (kind == MM_KIND_LIST && op == OP_ADD) {
        mmi_note_change(ev, a);
        return mmi_extend(ev, a, b) ? mm_value_ref(a) : NULL;
    }
    if (kind == MM_KIND_LIST && op == OP_MUL && mmi_is_int(b)) {
        return repeat_in_place(ev, a, b);
    }
    if (kind == MM_KIND_DICT && op == OP_OR) {
        return mmi_dict_update(ev, a, b) ? mm_value_ref(a) : NULL;
    }
    if (kind == MM_KIND_SET && op == OP_OR && mm_value_kind(b) == MM_KIND_SET) {
        mm_value *none = mm_value_new_set();

        add_if(ev, a, b, none, false);
        mm_value_unref(none);
        return mm_has_error() ? NULL : mm_value_ref(a);
    }
    if (kind == MM_KIND_SET && is_set_like(b)) {
        return set_in_place(ev, op, a, b);
    }
    return mmi_binary(ev, op, a, b);
}

/* ---- comparison ---- */

/* Order of two numbers: -1, 0, 1; 2 if one is NaN; 3 with an error. */
static int order_numbers(mm_value *a, mm_value *b)
{
    bool floats = mm_value_kind(a) == MM_KIND_F64 || mm_value_kind(b) == MM_KIND_F64;
    bool big = mm_value_kind(a) == MM_KIND_BIGINT || mm_value_kind(b) == MM_KIND_BIGINT;
    mmi_big x = {0};
    mmi_big y = {0};
    int order = 3;

    if (mm_value_equal(a, b)) { /* exact, also between ints and floats */
        return 0;
    }
    if (floats) {
        double p = big && mm_value_kind(a) == MM_KIND_BIGINT ? 0 : mm_value_f64(a);
        double q = big && mm_value_kind(b) == MM_KIND_BIGINT ? 0 : mm_value_f64(b);

        if (isnan(p) || isnan(q)) {
            return 2;
        }
        if (!big && p != q) {
            return p < q ? -1 : 1;
        }
        if (isinf(p) || isinf(q)) {
            return isinf(p) ? (p > 0 ? 1 : -1) : (q > 0 ? -1 : 1);
        }
        /* a large int beside a float: compare whole parts, then what is behind the
         * point */
        if ((mm_value_kind(a) == MM_KIND_F64 ? mmi_big_from_f64(&x, p)
                                             : mmi_big_load(&x, a)) &&
            (mm_value_kind(b) == MM_KIND_F64 ? mmi_big_from_f64(&y, q)
                                             : mmi_big_load(&y, b))) {
            order = mmi_big_compare(&x, &y);
            if (order == 0) {
                double rest =
                    mm_value_kind(a) == MM_KIND_F64 ? p - trunc(p) : trunc(q) - q;

                order = rest < 0 ? -1 : rest > 0 ? 1 : 0;
            }
        }
    } else if (!big) {
        order = mm_value_i64(a) < mm_value_i64(b) ? -1 : 1;
    } else if (mmi_big_load(&x, a) && mmi_big_load(&y, b)) {
        order = mmi_big_compare(&x, &y);
    }
    mmi_big_deinit(&x);
    mmi_big_deinit(&y);
    return order;
}

/* UTF-8 keeps the order of code points. */
static int order_data(const void *a, size_t x, const void *b, size_t y)
{
    size_t least = x < y ? x : y;
    int order = least == 0 ? 0 : memcmp(a, b, least);

    return order != 0 ? (order < 0 ? -1 : 1) : x < y ? -1 : x > y;
}

static int order_values(mmi_eval *ev, mmi_op op, mm_value *a, mm_value *b);

static int order_items(mmi_eval *ev, mmi_op op, mm_value *a, mm_value *b)
{
    size_t x = mm_value_len(a);
    size_t y = mm_value_len(b);
    int order = 0;

    if (ev->depth >= ev->max_depth) {
        (void)mmi_fail(ev, EXC_RECURSION, "values nested too deeply to be compared");
        return 3;
    }
    ev->depth++;
    for (size_t i = 0; i < x && i < y && order == 0; i++) {
        mm_value *p = mm_list_get(a, i);
        mm_value *q = mm_list_get(b, i);

        if (!mmi_step(ev, 1)) {
            order = 3;
        } else if (p != q && !mm_value_equal(p, q)) {
            order = mm_has_error() ? 3 : order_values(ev, op, p, q);
        }
    }
    ev->depth--;
    return order != 0 ? order : x < y ? -1 : x > y;
}

static int order_values(mmi_eval *ev, mmi_op op, mm_value *a, mm_value *b)
{
    mm_kind kind = mm_value_kind(a);
    size_t x = 0;
    size_t y = 0;

    if (mmi_is_number(a) && mmi_is_number(b)) {
        return order_numbers(a, b);
    }
    if (kind == mm_value_kind(b)) {
        if (kind == MM_KIND_STR) {
            const char *p = mm_value_str_n(a, &x);
            const char *q = mm_value_str_n(b, &y);

            return order_data(p, x, q, y);
        }
        if (kind == MM_KIND_BYTES) {
            const void *p = mm_value_bytes(a, &x);
            const void *q = mm_value_bytes(b, &y);

            return order_data(p, x, q, y);
        }
        if (kind == MM_KIND_LIST || kind == MM_KIND_TUPLE) {
            return order_items(ev, op, a, b);
        }
    }
    (void)unsupported(ev, op, a, b);
    return 3;
}

static bool is_subset(const mm_value *a, const mm_value *b)
{
    for (size_t i = 0; i < mm_value_len(a); i++) {
        if (!mm_set_has(b, mm_list_get(a, i))) {
            return false;
        }
    }
    return true;
}

static int compare_sets(mmi_op op, const mm_value *a, const mm_value *b)
{
    bool smaller = mm_value_len(a) < mm_value_len(b);
    bool larger = mm_value_len(a) > mm_value_len(b);

    switch (op) {
    case OP_LT:
        return smaller && is_subset(a, b);
    case OP_LE:
        return is_subset(a, b);
    case OP_GT:
        return larger && is_subset(b, a);
    default:
        return is_subset(b, a);
    }
}

static int compare_order(mmi_eval *ev, mmi_op op, mm_value *a, mm_value *b)
{
    int order = 0;

    if (mm_value_kind(a) == MM_KIND_SET && mm_value_kind(b) == MM_KIND_SET) {
        return compare_sets(op, a, b);
    }
    order = order_values(ev, op, a, b);
    if (order == 3 || mm_has_error()) {
        return -1;
    }
    if (order == 2) {
        return 0;
    }
    return op == OP_LT   ? order < 0
           : op == OP_LE ? order <= 0
           : op == OP_GT ? order > 0
                         : order >= 0;
}

int mmi_compare(mmi_eval *ev, mmi_op op, mm_value *a, mm_value *b)
{
    int result = 0;

    switch (op) {
    case OP_EQ:
    case OP_NE:
        result = mm_value_equal(a, b) == (op == OP_EQ);
        return mm_has_error() ? -1 : result;
    case OP_IS:
    case OP_IS_NOT:
        return mmi_is_same(a, b) == (op == OP_IS);
    case OP_IN:
    case OP_NOT_IN:
        result = mmi_contains(ev, b, a);
        return result < 0 ? -1 : result == (op == OP_IN);
    default:
        return compare_order(ev, op, a, b);
    }
}

/* ---- in ---- */

static int contains_text(mmi_eval *ev, mm_value *container, mm_value *item)
{
    size_t size = 0;
    size_t part = 0;
    const char *text = mm_value_str_n(container, &size);
    const char *wanted = NULL;

    if (mm_value_kind(item) != MM_KIND_STR) {
        (void)mmi_fail(ev, EXC_TYPE, "'in' a str needs a str, not %s",
                       mm_value_type_name(item));
        return -1;
    }
    wanted = mm_value_str_n(item, &part);
    if (!mmi_step(ev, (int64_t)(size / 16))) {
        return -1;
    }
    for (size_t i = 0; i + part <= size; i++) {
        if (memcmp(text + i, wanted, part) == 0) {
            return 1;
        }
    }
    return 0;
}

static int contains_iterated(mmi_eval *ev, mm_value *container, mm_value *item)
{
    mmi_iter iter = {0};
    mm_value *one = NULL;
    int found = 0;

    if (!mmi_iter_init(ev, &iter, container)) {
        return -1;
    }
    while (found == 0 && (one = mmi_iter_next(ev, &iter)) != NULL) {
        found = one == item || mm_value_equal(one, item);
        mm_value_unref(one);
    }
    mmi_iter_deinit(&iter);
    return mm_has_error() ? -1 : found;
}

int mmi_contains(mmi_eval *ev, mm_value *container, mm_value *item)
{
    const mmi_range_object *range = NULL;
    const mmi_view_object *view = NULL;

    switch (mm_value_kind(container)) {
    case MM_KIND_STR:
        return contains_text(ev, container, item);
    case MM_KIND_DICT:
        return mmi_check_key(ev, item) ? mm_dict_find_key(container, item) != NULL : -1;
    case MM_KIND_SET:
        return mmi_check_key(ev, item) ? mm_set_has(container, item) : -1;
    case MM_KIND_OBJECT:
        if (mmi_is_environ(container)) {
            mm_value *value = mmi_environ_find(ev, item);

            mm_value_unref(value);
            return mm_has_error() ? -1 : value != NULL;
        }
        range = MMI_OBJECT(mmi_range_object, &mmi_range_ops, container);
        view = MMI_OBJECT(mmi_view_object, &mmi_view_ops, container);
        if (view != NULL && view->kind == VIEW_KEYS) {
            return mmi_contains(ev, view->dict, item);
        }
        if (range != NULL && (mm_value_kind(item) == MM_KIND_I64 ||
                              mm_value_kind(item) == MM_KIND_BOOL)) {
            int64_t value = mm_value_i64(item);
            int64_t last =
                range->count == 0 ? 0 : mmi_range_at(range, range->count - 1);
            int64_t low = range->step > 0 ? range->start : last;
            int64_t high = range->step > 0 ? last : range->start;

            return range->count > 0 && value >= low && value <= high &&
                   ((uint64_t)value - (uint64_t)range->start) %
                           (range->step > 0 ? (uint64_t)range->step
                                            : 0 - (uint64_t)range->step) ==
                       0;
        }
        break;
    default:
        break;
    }
    return contains_iterated(ev, container, item);
}
