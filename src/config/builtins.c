/* Python's built-in functions, as far as configs use them. What Python has and we have
 * not is known by name, so that calling it says so. */
#include <math.h>
#include <string.h>

#include "config/chars.h"
#include "config/objects.h"
#include "mmengine/log.h"
#include "mmengine/memory.h"

/* ---- iterators ---- */

static void deinit_iterator(void *object)
{
    mmi_iterator *self = object;

    for (int i = 0; i < self->num_levels; i++) {
        mmi_iter_deinit(&self->levels[i]);
    }
    mm_free(self->levels);
    mm_value_unref(self->function);
}

/* An iterator over arguments [from, end). */
static mm_value *make_iterator(mmi_eval *ev, const char *name, const mmi_args *args,
                               size_t from,
                               mm_value *(*next)(mmi_eval *ev, mmi_iterator *self))
{
    size_t count = mmi_num_args(args) - from;
    mmi_iterator *self = mmi_object_new(sizeof(*self), deinit_iterator);

    if (self == NULL) {
        return NULL;
    }
    self->name = name;
    self->next = next;
    self->levels = mm_alloc_array(count + 1, sizeof(*self->levels));
    if (from == 1) {
        self->function = mm_value_ref(mmi_arg(args, 0));
    }
    for (size_t i = 0; self->levels != NULL && i < count && !mm_has_error(); i++) {
        if (mmi_iter_init(ev, &self->levels[i], mmi_arg(args, from + i))) {
            self->num_levels++;
        }
    }
    if (mm_has_error()) {
        mmi_object_unref(self);
        return NULL;
    }
    return mmi_object_value(self, &mmi_iterator_ops);
}

/* The next item of each, as a tuple; NULL at the end of the shortest. */
static mm_value *next_of_all(mmi_eval *ev, mmi_iterator *self)
{
    mm_value *items = mm_value_new_tuple();

    for (int i = 0; i < self->num_levels; i++) {
        mm_value *item = mmi_iter_next(ev, &self->levels[i]);

        if (item == NULL) {
            mm_value_unref(items);
            return NULL;
        }
        mmi_list_append_at(items, item, mmi_iter_source(&self->levels[i]));
        mm_value_unref(item);
    }
    if (self->num_levels == 0) {
        mm_value_unref(items);
        return NULL;
    }
    return items;
}

static mm_value *call_zip(mmi_eval *ev, const mmi_args *args)
{
    if (args->named != NULL && mm_value_len(args->named) > 0 &&
        strcmp(mm_dict_name_at(args->named, 0), "strict") != 0) {
        return mmi_fail(ev, EXC_TYPE, "zip() has no argument '%s'",
                        mm_dict_name_at(args->named, 0));
    }
    return make_iterator(ev, "zip", args, 0, next_of_all);
}

static mm_value *next_of_enumerate(mmi_eval *ev, mmi_iterator *self)
{
    mm_value *item = mmi_iter_next(ev, &self->levels[0]);
    mm_value *pair = NULL;

    if (item == NULL) {
        return NULL;
    }
    pair = mm_value_new_tuple();
    mm_list_push(pair, mm_value_new_i64(self->count++));
    mm_list_push(pair, item);
    return pair;
}

static mm_value *call_enumerate(mmi_eval *ev, const mmi_args *args)
{
    static const char *const names[] = {"iterable", "start"};
    mm_value *given[2] = {0};
    mmi_args one = {0};
    mm_value *made = NULL;
    int64_t start = 0;

    if (!mmi_bind(ev, "enumerate", args, names, 2, 1, given) ||
        (given[1] != NULL && !mmi_as_index(ev, given[1], &start))) {
        return NULL;
    }
    one.list = mm_value_new_tuple();
    mm_list_append(one.list, given[0]);
    made = make_iterator(ev, "enumerate", &one, 0, next_of_enumerate);
    mm_value_unref(one.list);
    if (made != NULL) {
        MMI_OBJECT(mmi_iterator, &mmi_iterator_ops, made)->count = start;
    }
    return made;
}

static mm_value *next_of_map(mmi_eval *ev, mmi_iterator *self)
{
    mmi_args args = {.list = next_of_all(ev, self)};
    mm_value *result = NULL;

    if (args.list != NULL) {
        result = mmi_eval_apply(ev, self->function, &args);
    }
    mm_value_unref(args.list);
    return result;
}

static mm_value *call_map(mmi_eval *ev, const mmi_args *args)
{
    return mmi_expect_args(ev, "map", args, 2, 20)
               ? make_iterator(ev, "map", args, 1, next_of_map)
               : NULL;
}

static mm_value *next_of_filter(mmi_eval *ev, mmi_iterator *self)
{
    mm_value *item = NULL;

    while ((item = mmi_iter_next(ev, &self->levels[0])) != NULL) {
        bool kept = mmi_is_true(item);

        if (!mm_value_is_none(self->function)) {
            mm_value *test = mmi_call_one(ev, self->function, item);

            kept = test != NULL && mmi_is_true(test);
            mm_value_unref(test);
        }
        if (kept) {
            return item;
        }
        mm_value_unref(item);
        if (mm_has_error()) {
            return NULL;
        }
    }
    return NULL;
}

static mm_value *call_filter(mmi_eval *ev, const mmi_args *args)
{
    return mmi_expect_args(ev, "filter", args, 2, 2)
               ? make_iterator(ev, "filter", args, 1, next_of_filter)
               : NULL;
}

static mm_value *next_of_iter(mmi_eval *ev, mmi_iterator *self)
{
    return mmi_iter_next(ev, &self->levels[0]);
}

mm_value *mmi_iterate(mmi_eval *ev, mm_value *over)
{
    mmi_args one = {.list = mm_value_new_tuple()};
    mm_value *made = NULL;

    mm_list_append(one.list, over);
    if (!mm_has_error()) {
        made = make_iterator(ev, "iterator", &one, 0, next_of_iter);
    }
    mm_value_unref(one.list);
    return made;
}

static mm_value *call_iter(mmi_eval *ev, const mmi_args *args)
{
    if (!mmi_expect_args(ev, "iter", args, 1, 1)) {
        return NULL;
    }
    if (MMI_OBJECT(mmi_iterator, &mmi_iterator_ops, mmi_arg(args, 0)) != NULL) {
        return mm_value_ref(mmi_arg(args, 0));
    }
    return mmi_iterate(ev, mmi_arg(args, 0));
}

static mm_value *call_next(mmi_eval *ev, const mmi_args *args)
{
    mmi_iterator *iterator = NULL;
    mm_value *item = NULL;

    if (!mmi_expect_args(ev, "next", args, 1, 2)) {
        return NULL;
    }
    iterator = MMI_OBJECT(mmi_iterator, &mmi_iterator_ops, mmi_arg(args, 0));
    if (iterator == NULL) {
        return mmi_fail(ev, EXC_TYPE, "next() needs an iterator, not %s",
                        mm_value_type_name(mmi_arg(args, 0)));
    }
    item = iterator->next(ev, iterator);
    if (item != NULL || mm_has_error()) {
        return item;
    }
    return mmi_num_args(args) == 2
               ? mm_value_ref(mmi_arg(args, 1))
               : mmi_fail(ev, EXC_STOP_ITERATION, "the iterator has no more items");
}

static mm_value *call_reversed(mmi_eval *ev, const mmi_args *args)
{
    mmi_args one = {0};
    mm_value *list = NULL;
    mm_value *turned = NULL;
    mm_value *made = NULL;

    if (!mmi_expect_args(ev, "reversed", args, 1, 1)) {
        return NULL;
    }
    if (mm_value_kind(mmi_arg(args, 0)) == MM_KIND_SET ||
        MMI_OBJECT(mmi_iterator, &mmi_iterator_ops, mmi_arg(args, 0)) != NULL) {
        return mmi_fail(ev, EXC_TYPE, "reversed() needs a sequence, not %s",
                        mm_value_type_name(mmi_arg(args, 0)));
    }
    list = mmi_to_list(ev, mmi_arg(args, 0));
    turned = mm_value_new_list();
    for (size_t i = list == NULL ? 0 : mm_value_len(list);
         i-- > 0 && !mm_has_error();) {
        mmi_list_append_at(turned, mm_list_get(list, i), mmi_list_source_of(list, i));
    }
    one.list = mm_value_new_tuple();
    mm_list_append(one.list, turned);
    if (!mm_has_error()) {
        made = make_iterator(ev, "reversed", &one, 0, next_of_iter);
    }
    mm_value_unref(list);
    mm_value_unref(turned);
    mm_value_unref(one.list);
    return made;
}

/* ---- reductions ---- */

static mm_value *call_len(mmi_eval *ev, const mmi_args *args)
{
    mm_value *value = NULL;
    size_t size = 0;
    const char *text = NULL;
    const mmi_range_object *range = NULL;
    const mmi_view_object *view = NULL;

    if (!mmi_expect_args(ev, "len", args, 1, 1)) {
        return NULL;
    }
    value = mmi_arg(args, 0);
    switch (mm_value_kind(value)) {
    case MM_KIND_STR:
        text = mm_value_str_n(value, &size);
        return mm_value_new_i64((int64_t)mmi_utf8_count(text, size));
    case MM_KIND_BYTES:
    case MM_KIND_LIST:
    case MM_KIND_TUPLE:
    case MM_KIND_SET:
    case MM_KIND_DICT:
        return mm_value_new_i64((int64_t)mm_value_len(value));
    case MM_KIND_OBJECT:
        range = MMI_OBJECT(mmi_range_object, &mmi_range_ops, value);
        view = MMI_OBJECT(mmi_view_object, &mmi_view_ops, value);
        if (range != NULL) {
            return mm_value_new_i64(range->count);
        }
        if (view != NULL) {
            return mm_value_new_i64((int64_t)mm_value_len(view->dict));
        }
        break;
    default:
        break;
    }
    return mmi_fail(ev, EXC_TYPE, "%s has no length", mm_value_type_name(value));
}

static mm_value *call_sum(mmi_eval *ev, const mmi_args *args)
{
    static const char *const names[] = {"/iterable", "start"};
    mm_value *given[2] = {0};
    mmi_iter iter = {0};
    mm_value *item = NULL;
    mm_value *sum = NULL;

    if (!mmi_bind(ev, "sum", args, names, 2, 1, given) ||
        !mmi_iter_init(ev, &iter, given[0])) {
        return NULL;
    }
    sum = given[1] != NULL ? mm_value_ref(given[1]) : mm_value_new_i64(0);
    if (mm_value_kind(sum) == MM_KIND_STR) {
        (void)mmi_fail(ev, EXC_TYPE, "sum() cannot join strings");
        (void)mm_error_hint("use ''.join(...)");
    }
    while (!mm_has_error() && (item = mmi_iter_next(ev, &iter)) != NULL) {
        mm_value *next = mmi_binary(ev, OP_ADD, sum, item);

        mm_value_unref(item);
        mm_value_unref(sum);
        sum = next;
    }
    mmi_iter_deinit(&iter);
    if (mm_has_error()) {
        mm_value_unref(sum);
        return NULL;
    }
    return sum;
}

/* all() and any() */
static mm_value *test_items(mmi_eval *ev, const mmi_args *args, const char *name,
                            bool any)
{
    mmi_iter iter = {0};
    mm_value *item = NULL;
    bool decided = false;

    if (!mmi_expect_args(ev, name, args, 1, 1) ||
        !mmi_iter_init(ev, &iter, mmi_arg(args, 0))) {
        return NULL;
    }
    while (!decided && (item = mmi_iter_next(ev, &iter)) != NULL) {
        decided = mmi_is_true(item) == any;
        mm_value_unref(item);
    }
    mmi_iter_deinit(&iter);
    return mm_value_new_bool(decided == any);
}

static mm_value *call_all(mmi_eval *ev, const mmi_args *args)
{
    return test_items(ev, args, "all", false);
}

static mm_value *call_any(mmi_eval *ev, const mmi_args *args)
{
    return test_items(ev, args, "any", true);
}

struct extreme {
    mmi_eval *ev;
    mm_value *key_function;
    mmi_op op;
    mm_value *best, *best_key; /* owned */
};

static bool consider(struct extreme *x, mm_value *item)
{
    mm_value *key = x->key_function == NULL
                        ? mm_value_ref(item)
                        : mmi_call_one(x->ev, x->key_function, item);
    int better = key == NULL       ? -1
                 : x->best == NULL ? 1
                                   : mmi_compare(x->ev, x->op, key, x->best_key);

    if (better == 1) {
        mm_value_unref(x->best);
        mm_value_unref(x->best_key);
        x->best = mm_value_ref(item);
        x->best_key = mm_value_ref(key);
    }
    mm_value_unref(key);
    return better >= 0;
}

static mm_value *find_extreme(mmi_eval *ev, const mmi_args *args, const char *name,
                              mmi_op op)
{
    struct extreme x = {.ev = ev, .op = op};
    mm_value *fallback = NULL;
    mmi_iter iter = {0};
    mm_value *item = NULL;

    for (size_t i = 0; args->named != NULL && i < mm_value_len(args->named); i++) {
        const char *option = mm_dict_name_at(args->named, i);
        mm_value *value = mm_dict_at(args->named, i);

        if (strcmp(option, "key") == 0) {
            x.key_function = mm_value_is_none(value) ? NULL : value;
        } else if (strcmp(option, "default") == 0) {
            fallback = value;
        } else {
            return mmi_fail(ev, EXC_TYPE, "%s() has no argument '%s'", name, option);
        }
    }
    if (mmi_num_args(args) == 0) {
        return mmi_fail(ev, EXC_TYPE, "%s() needs at least 1 argument", name);
    }
    if (!mmi_iter_init(ev, &iter,
                       mmi_num_args(args) == 1 ? mmi_arg(args, 0) : args->list)) {
        return NULL;
    }
    while ((item = mmi_iter_next(ev, &iter)) != NULL) {
        bool good = consider(&x, item);

        mm_value_unref(item);
        if (!good) {
            break;
        }
    }
    mmi_iter_deinit(&iter);
    mm_value_unref(x.best_key);
    if (mm_has_error()) {
        mm_value_unref(x.best);
        return NULL;
    }
    return x.best != NULL     ? x.best
           : fallback != NULL ? mm_value_ref(fallback)
                              : mmi_fail(ev, EXC_VALUE, "%s() of nothing", name);
}

static mm_value *call_min(mmi_eval *ev, const mmi_args *args)
{
    return find_extreme(ev, args, "min", OP_LT);
}

static mm_value *call_max(mmi_eval *ev, const mmi_args *args)
{
    return find_extreme(ev, args, "max", OP_GT);
}

static mm_value *call_sorted(mmi_eval *ev, const mmi_args *args)
{
    mm_value *list = NULL;

    if (mmi_num_args(args) != 1) {
        return mmi_fail(ev, EXC_TYPE, "sorted() takes 1 positional argument, got %zu",
                        mmi_num_args(args));
    }
    list = mmi_to_list(ev, mmi_arg(args, 0));
    if (list != NULL && !mmi_sort(ev, list, args->named)) {
        mm_value_unref(list);
        return NULL;
    }
    return list;
}

/* ---- numbers and characters ---- */

static mm_value *call_abs(mmi_eval *ev, const mmi_args *args)
{
    mm_value *value = NULL;
    mm_value *zero = mm_value_new_i64(0);
    int negative = 0;

    if (!mmi_expect_args(ev, "abs", args, 1, 1)) {
        return NULL;
    }
    value = mmi_arg(args, 0);
    if (mm_value_kind(value) == MM_KIND_F64) {
        return mm_value_new_f64(fabs(mm_value_f64(value)));
    }
    if (!mmi_is_number(value)) {
        return mmi_fail(ev, EXC_TYPE, "abs() needs a number, not %s",
                        mm_value_type_name(value));
    }
    negative = mmi_compare(ev, OP_LT, value, zero);
    return negative < 0 ? NULL : mmi_unary(ev, negative == 1 ? OP_NEG : OP_POS, value);
}

static mm_value *call_divmod(mmi_eval *ev, const mmi_args *args)
{
    mm_value *pair = NULL;

    if (!mmi_expect_args(ev, "divmod", args, 2, 2)) {
        return NULL;
    }
    pair = mm_value_new_tuple();
    mm_list_push(pair,
                 mmi_binary(ev, OP_FLOOR_DIV, mmi_arg(args, 0), mmi_arg(args, 1)));
    mm_list_push(pair, mmi_binary(ev, OP_MOD, mmi_arg(args, 0), mmi_arg(args, 1)));
    if (mm_has_error()) {
        mm_value_unref(pair);
        return NULL;
    }
    return pair;
}

static mm_value *call_pow(mmi_eval *ev, const mmi_args *args)
{
    mm_value *power = NULL;
    mm_value *rest = NULL;

    if (!mmi_expect_args(ev, "pow", args, 2, 3)) {
        return NULL;
    }
    power = mmi_binary(ev, OP_POW, mmi_arg(args, 0), mmi_arg(args, 1));
    if (power == NULL || mmi_num_args(args) == 2) {
        return power;
    }
    rest = mmi_binary(ev, OP_MOD, power, mmi_arg(args, 2));
    mm_value_unref(power);
    return rest;
}

/* 10 ** digits as an int value. */
static mm_value *power_of_ten(mmi_eval *ev, int64_t digits)
{
    mm_value *ten = mm_value_new_i64(10);
    mm_value *exponent = mm_value_new_i64(digits);
    mm_value *power = mmi_binary_number(ev, OP_POW, ten, exponent);

    mm_value_unref(exponent);
    return power;
}

/* An int to a multiple of 10 ** digits; a tie goes to the even multiple. */
static mm_value *round_int(mmi_eval *ev, mm_value *value, int64_t digits)
{
    mm_value *unit = digits > 20000 ? NULL : power_of_ten(ev, digits);
    mm_value *two = mm_value_new_i64(2);
    mm_value *quotient = NULL;
    mm_value *rest = NULL;
    mm_value *twice = NULL;
    mm_value *result = NULL;
    int order = 0;

    if (unit == NULL) {
        return digits > 20000 ? mm_value_new_i64(0) : NULL;
    }
    quotient = mmi_binary_number(ev, OP_FLOOR_DIV, value, unit);
    rest = quotient == NULL ? NULL : mmi_binary_number(ev, OP_MOD, value, unit);
    twice = rest == NULL ? NULL : mmi_binary_number(ev, OP_MUL, rest, two);
    if (twice != NULL) {
        mm_value *odd = mmi_binary_number(ev, OP_MOD, quotient, two);
        mm_value *one = mm_value_new_i64(1);

        order = mmi_compare(ev, OP_EQ, twice, unit) == 1   ? 0
                : mmi_compare(ev, OP_GT, twice, unit) == 1 ? 1
                                                           : -1;
        if (odd != NULL && (order > 0 || (order == 0 && mmi_is_true(odd)))) {
            mm_value *up = mmi_binary_number(ev, OP_ADD, quotient, one);

            mm_value_unref(quotient);
            quotient = up;
        }
        result =
            quotient == NULL ? NULL : mmi_binary_number(ev, OP_MUL, quotient, unit);
        mm_value_unref(odd);
    }
    mm_value_unref(unit);
    mm_value_unref(quotient);
    mm_value_unref(rest);
    mm_value_unref(twice);
    return result;
}

static mm_value *call_round(mmi_eval *ev, const mmi_args *args)
{
    static const char *const names[] = {"number", "ndigits"};
    mm_value *given[2] = {0};
    int64_t digits = 0;

    if (!mmi_bind(ev, "round", args, names, 2, 1, given)) {
        return NULL;
    }
    if (!mmi_is_number(given[0])) {
        return mmi_fail(ev, EXC_TYPE, "round() needs a number, not %s",
                        mm_value_type_name(given[0]));
    }
    if (given[1] != NULL && mm_value_is_none(given[1])) {
        given[1] = NULL;
    }
    if (given[1] != NULL && !mmi_as_index(ev, given[1], &digits)) {
        return NULL;
    }
    if (mm_value_kind(given[0]) != MM_KIND_F64) {
        return digits >= 0 ? mmi_unary(ev, OP_POS, given[0])
                           : round_int(ev, given[0], digits < -30000 ? 30000 : -digits);
    }
    return given[1] == NULL
               ? mmi_int_of_f64(ev, nearbyint(mm_value_f64(given[0])))
               : mm_value_new_f64(mmi_round_f64(mm_value_f64(given[0]), digits));
}

static mm_value *call_chr(mmi_eval *ev, const mmi_args *args)
{
    int64_t code = 0;
    mmi_str out = {0};

    if (!mmi_expect_args(ev, "chr", args, 1, 1) ||
        !mmi_as_index(ev, mmi_arg(args, 0), &code)) {
        return NULL;
    }
    if (code < 0 || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
        return mmi_fail(ev, EXC_VALUE, "%lld is no character", (long long)code);
    }
    mmi_str_add_utf8(&out, (uint32_t)code);
    return mmi_str_value(&out);
}

static mm_value *call_ord(mmi_eval *ev, const mmi_args *args)
{
    size_t size = 0;
    const char *text = NULL;
    uint32_t code = 0;

    if (!mmi_expect_args(ev, "ord", args, 1, 1)) {
        return NULL;
    }
    if (mm_value_kind(mmi_arg(args, 0)) != MM_KIND_STR) {
        return mmi_fail(ev, EXC_TYPE, "ord() needs a str, not %s",
                        mm_value_type_name(mmi_arg(args, 0)));
    }
    text = mm_value_str_n(mmi_arg(args, 0), &size);
    if (mmi_utf8_count(text, size) != 1) {
        return mmi_fail(ev, EXC_TYPE, "ord() needs one character, got %zu",
                        mmi_utf8_count(text, size));
    }
    (void)mmi_utf8_decode(text, size, &code);
    return mm_value_new_i64(code);
}

static mm_value *in_base(mmi_eval *ev, const mmi_args *args, const char *name,
                         const char *spec)
{
    if (!mmi_expect_args(ev, name, args, 1, 1)) {
        return NULL;
    }
    return mmi_is_int(mmi_arg(args, 0))
               ? mmi_format(ev, mmi_arg(args, 0), spec, strlen(spec))
               : mmi_fail(ev, EXC_TYPE, "%s() needs an int, not %s", name,
                          mm_value_type_name(mmi_arg(args, 0)));
}

static mm_value *call_hex(mmi_eval *ev, const mmi_args *args)
{
    return in_base(ev, args, "hex", "#x");
}

static mm_value *call_oct(mmi_eval *ev, const mmi_args *args)
{
    return in_base(ev, args, "oct", "#o");
}

static mm_value *call_bin(mmi_eval *ev, const mmi_args *args)
{
    return in_base(ev, args, "bin", "#b");
}

/* ---- text ---- */

static mm_value *call_repr(mmi_eval *ev, const mmi_args *args)
{
    return mmi_expect_args(ev, "repr", args, 1, 1) ? mmi_repr_of(ev, mmi_arg(args, 0))
                                                   : NULL;
}

static mm_value *call_ascii(mmi_eval *ev, const mmi_args *args)
{
    mm_value *text = call_repr(ev, args);
    mm_value *made = text == NULL ? NULL : mmi_ascii_of(ev, text);

    mm_value_unref(text);
    return made;
}

static mm_value *call_format(mmi_eval *ev, const mmi_args *args)
{
    size_t size = 0;
    const char *spec = "";

    if (!mmi_expect_args(ev, "format", args, 1, 2)) {
        return NULL;
    }
    if (mmi_num_args(args) == 2) {
        if (mm_value_kind(mmi_arg(args, 1)) != MM_KIND_STR) {
            return mmi_fail(ev, EXC_TYPE, "format() needs a str, not %s",
                            mm_value_type_name(mmi_arg(args, 1)));
        }
        spec = mm_value_str_n(mmi_arg(args, 1), &size);
    }
    return mmi_format(ev, mmi_arg(args, 0), spec, size);
}

/* A config's print() goes to the log. */
static mm_value *call_print(mmi_eval *ev, const mmi_args *args)
{
    mmi_str out = {0};

    for (size_t i = 0; i < mmi_num_args(args); i++) {
        mm_value *text = mmi_str_of(ev, mmi_arg(args, i));

        if (text != NULL) {
            mmi_str_add(&out, i == 0 ? "" : " ");
            mmi_str_add(&out, mm_value_str(text));
        }
        mm_value_unref(text);
    }
    if (!mm_has_error()) {
        mm_log(MM_LOG_INFO, "%s", mmi_str_text(&out));
    }
    mmi_str_deinit(&out);
    return mm_has_error() ? NULL : mm_value_new_none();
}

/* ---- names and attributes ---- */

static mm_value *call_globals(mmi_eval *ev, const mmi_args *args)
{
    return mmi_expect_args(ev, "globals", args, 0, 0)
               ? mm_value_ref(ev->module->globals)
               : NULL;
}

static mm_value *call_locals(mmi_eval *ev, const mmi_args *args)
{
    if (!mmi_expect_args(ev, "locals", args, 0, 0)) {
        return NULL;
    }
    return ev->scope == NULL ? mm_value_ref(ev->module->globals)
                             : mmi_shallow_copy(ev, ev->scope->vars);
}

/* The name among the arguments of getattr() and hasattr(). */
static const char *attribute_name(mmi_eval *ev, const mmi_args *args)
{
    if (mm_value_kind(mmi_arg(args, 1)) != MM_KIND_STR) {
        return mmi_fail(ev, EXC_TYPE, "the name of an attribute must be a str, not %s",
                        mm_value_type_name(mmi_arg(args, 1)));
    }
    return mm_value_str(mmi_arg(args, 1));
}

static mm_value *call_getattr(mmi_eval *ev, const mmi_args *args)
{
    const char *name =
        mmi_expect_args(ev, "getattr", args, 2, 3) ? attribute_name(ev, args) : NULL;
    mm_value *value = NULL;

    if (name == NULL) {
        return NULL;
    }
    if (mmi_num_args(args) == 2) {
        return mmi_get_attribute(ev, mmi_arg(args, 0), name);
    }
    value = mmi_find_attribute(ev, mmi_arg(args, 0), name);
    return value != NULL || mm_has_error() ? value : mm_value_ref(mmi_arg(args, 2));
}

static mm_value *call_hasattr(mmi_eval *ev, const mmi_args *args)
{
    const char *name =
        mmi_expect_args(ev, "hasattr", args, 2, 2) ? attribute_name(ev, args) : NULL;
    mm_value *value =
        name == NULL ? NULL : mmi_find_attribute(ev, mmi_arg(args, 0), name);
    bool has = value != NULL;

    mm_value_unref(value);
    return mm_has_error() ? NULL : mm_value_new_bool(has);
}

static mm_value *call_setattr(mmi_eval *ev, const mmi_args *args)
{
    const char *name =
        mmi_expect_args(ev, "setattr", args, 3, 3) ? attribute_name(ev, args) : NULL;

    return name != NULL &&
                   mmi_set_attribute(ev, mmi_arg(args, 0), name, mmi_arg(args, 2),
                                     mmi_source_at(ev, ev->at))
               ? mm_value_new_none()
               : NULL;
}

static mm_value *call_delattr(mmi_eval *ev, const mmi_args *args)
{
    const char *name =
        mmi_expect_args(ev, "delattr", args, 2, 2) ? attribute_name(ev, args) : NULL;

    return name != NULL && mmi_delete_attribute(ev, mmi_arg(args, 0), name)
               ? mm_value_new_none()
               : NULL;
}

static mm_value *call_callable(mmi_eval *ev, const mmi_args *args)
{
    const mm_object_ops *ops = NULL;

    if (!mmi_expect_args(ev, "callable", args, 1, 1)) {
        return NULL;
    }
    ops = mm_value_kind(mmi_arg(args, 0)) == MM_KIND_OBJECT
              ? mm_value_object_ops(mmi_arg(args, 0))
              : NULL;
    return mm_value_new_bool(ops == &mmi_function_ops || ops == &mmi_builtin_ops ||
                             ops == &mmi_bound_ops || ops == &mmi_type_ops ||
                             ops == &mmi_partial_ops || ops == &mmi_lazy_ops);
}

/* ---- tables ---- */

static const mmi_builtin_def functions[] = {
    {"abs", call_abs, false},           {"all", call_all, false},
    {"any", call_any, false},           {"ascii", call_ascii, false},
    {"bin", call_bin, false},           {"callable", call_callable, false},
    {"chr", call_chr, false},           {"delattr", call_delattr, false},
    {"divmod", call_divmod, false},     {"enumerate", call_enumerate, false},
    {"eval", mmi_eval_text, false},     {"filter", call_filter, false},
    {"format", call_format, false},     {"getattr", call_getattr, false},
    {"globals", call_globals, false},   {"hasattr", call_hasattr, false},
    {"hex", call_hex, false},           {"iter", call_iter, false},
    {"len", call_len, false},           {"locals", call_locals, false},
    {"map", call_map, false},           {"max", call_max, false},
    {"min", call_min, false},           {"next", call_next, false},
    {"oct", call_oct, false},           {"open", mmi_open, false},
    {"ord", call_ord, false},           {"pow", call_pow, false},
    {"print", call_print, false},       {"repr", call_repr, false},
    {"reversed", call_reversed, false}, {"round", call_round, false},
    {"setattr", call_setattr, false},   {"sorted", call_sorted, false},
    {"sum", call_sum, false},           {"vars", call_locals, false},
    {"zip", call_zip, false},
};

/* Built-ins of Python that a config cannot use here. */
static const char *const missing[] = {
    "breakpoint", "bytearray", "classmethod", "compile",      "complex", "dir",
    "exec",       "hash",      "help",        "id",           "input",   "issubclass",
    "memoryview", "property",  "slice",       "staticmethod", "super",   "__import__",
};

mm_value *mmi_builtin(mmi_eval *ev, const char *name)
{
    mm_value *type = mmi_builtin_type(ev, name);

    if (type != NULL || mm_has_error()) {
        return type;
    }
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        if (strcmp(functions[i].name, name) == 0) {
            return mmi_new_builtin(&functions[i]);
        }
    }
    for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]); i++) {
        if (strcmp(missing[i], name) == 0) {
            return mmi_new_std(NULL, name);
        }
    }
    return strcmp(name, "__name__") == 0 ? mm_value_new_str("builtins") : NULL;
}

void mmi_builtin_each(void (*visit)(void *user, const char *name), void *user)
{
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        visit(user, functions[i].name);
    }
    mmi_builtin_type_each(visit, user);
}
