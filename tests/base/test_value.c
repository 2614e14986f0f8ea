/* Values: kinds, ownership, containers, Python's equality, hashing and repr. */
#include "check.h"

#include <math.h>
#include <stdio.h>

#include "base/case_value.h"
#include "base/index.h"
#include "base/thread.h"

static void scalars(void **state)
{
    (void)state;
    mm_value *none = mm_value_new_none();
    mm_value *yes = mm_value_new_bool(true);
    mm_value *large = mm_value_new_i64(INT64_MIN);
    mm_value *half = mm_value_new_f64(0.5);
    mm_value *text = mm_value_new_str_n("a\0b", 3);
    mm_value *bytes = mm_value_new_bytes("\x00\xff", 2);
    mm_value *print = mm_value_new_strf("%d-%s", 7, "x");
    size_t size = 0;

    assert_true(mm_value_is_none(none));
    assert_true(mm_value_is_none(NULL));
    assert_int_equal(mm_value_kind(NULL), MM_KIND_NONE);
    assert_true(mm_value_bool(yes));
    assert_int_equal(mm_value_i64(yes), 1);
    assert_true(mm_value_f64(yes) == 1.0);
    assert_true(mm_value_i64(large) == INT64_MIN);
    assert_true(mm_value_f64(half) == 0.5);
    assert_memory_equal(mm_value_str_n(text, &size), "a\0b", 4);
    assert_int_equal(size, 3);
    assert_int_equal(mm_value_len(text), 3);
    assert_memory_equal(mm_value_bytes(bytes, &size), "\x00\xff", 2);
    assert_int_equal(size, 2);
    assert_string_equal(mm_value_str(print), "7-x");
    assert_string_equal(mm_value_type_name(none), "NoneType");
    assert_string_equal(mm_value_type_name(half), "float");

    mm_value *all[] = {none, yes, large, half, text, bytes, print};
    for (size_t i = 0; i < 7; i++) {
        assert_true(mm_value_is_frozen(all[i]));
        mm_value_unref(all[i]);
    }
}

static void ints_of_any_size(void **state)
{
    (void)state;
    mm_value *fits = mm_value_new_bigint("-9223372036854775808");
    assert_int_equal(mm_value_kind(fits), MM_KIND_I64);
    assert_true(mm_value_i64(fits) == INT64_MIN);
    mm_value *zeros = mm_value_new_bigint("-000");
    assert_int_equal(mm_value_i64(zeros), 0);
    mm_value *large = mm_value_new_bigint("0009223372036854775808");
    assert_int_equal(mm_value_kind(large), MM_KIND_BIGINT);
    assert_string_equal(mm_value_digits(large), "9223372036854775808");
    assert_true(mm_value_f64(large) == 9223372036854775808.0);
    assert_int_equal(mm_value_i64(large), 0);
    check_error_text(MM_ERANGE, "the int 9223372036854775808 does not fit 64 bits");
    assert_null(mm_value_new_bigint("12x"));
    check_error_text(MM_EINVAL, "could not read '12x' as an int");
    assert_null(mm_value_new_bigint("-"));
    check_error(MM_EINVAL);
    char digits[402];
    memset(digits, '9', 401);
    digits[401] = '\0';
    mm_value *huge = mm_value_new_bigint(digits);
    assert_true(mm_value_f64(huge) == 0.0);
    check_error(MM_ERANGE);
    mm_value_unref(fits);
    mm_value_unref(zeros);
    mm_value_unref(large);
    mm_value_unref(huge);
}

static void wrong_kinds(void **state)
{
    (void)state;
    mm_value *text = mm_value_new_str("x");
    assert_int_equal(mm_value_i64(text), 0);
    check_error_text(MM_ETYPE, "mm_value_i64 needs an int, got str");
    assert_true(mm_value_f64(text) == 0.0);
    check_error(MM_ETYPE);
    assert_false(mm_value_bool(text));
    check_error(MM_ETYPE);
    mm_list_append(text, text);
    check_error_text(MM_ETYPE, "mm_list_append needs a list, got str");
    assert_null(mm_dict_get(text, "a"));
    check_error(MM_ETYPE);
    assert_null(mm_value_str(NULL));
    check_error_text(MM_EINVAL, "argument 'value' of mm_value_str_n is missing");
    mm_value_unref(text);
}

/* Rule 1 of errors: while one is pending, every fallible call does nothing. */
static void nothing_happens_under_an_error(void **state)
{
    (void)state;
    mm_value *list = mm_value_new_list();
    mm_value *dict = mm_value_new_dict();
    mm_dict_put_i64(dict, "a", 5);
    mm_raise(MM_EIO, "first");
    mm_list_push(list, mm_value_new_i64(1000));
    mm_dict_put_i64(dict, "b", 1);
    assert_null(mm_value_new_none());
    assert_null(mm_value_new_i64(5));
    assert_null(mm_value_copy(dict));
    assert_null(mm_dict_get(dict, "a"));
    assert_null(mm_dict_find(dict, "a"));
    assert_null(mm_value_repr(dict));
    assert_int_equal(mm_value_i64(NULL), 0);
    assert_true(mm_dict_has(dict, "a"));
    check_error_text(MM_EIO, "first");
    assert_int_equal(mm_value_len(list), 0);
    assert_int_equal(mm_value_len(dict), 1);
    mm_value_unref(list);
    mm_value_unref(dict);
}

static void lists(void **state)
{
    (void)state;
    mm_value *list = mm_value_new_list();
    for (int i = 0; i < 5; i++) {
        mm_list_push(list, mm_value_new_i64(i));
    }
    mm_value *item = mm_value_new_str("x");
    mm_list_insert(list, 0, item);
    mm_list_insert(list, 6, item);
    mm_list_put(list, 3, item);
    mm_list_remove(list, 1);
    char *text = mm_value_repr(list);
    assert_string_equal(text, "['x', 1, 'x', 3, 4, 'x']");
    mm_free(text);
    assert_null(mm_list_get(list, 6));
    check_error_text(MM_ERANGE, "mm_list_get: index 6 is outside a list of 6 items");
    mm_list_insert(list, 8, item);
    check_error(MM_ERANGE);
    mm_list_remove(list, 6);
    check_error(MM_ERANGE);
    mm_list_append(list, list);
    check_error(MM_EINVAL);
    mm_list_append(list, NULL);
    check_error_text(MM_EINVAL, "argument 'item' of mm_list_append is missing");
    mm_value_unref(item);
    mm_value_unref(list);
}

static void sources_stay_with_their_items(void **state)
{
    (void)state;
    mm_source here = {mm_intern("a.py"), 3, 7};
    assert_ptr_equal(here.file, mm_intern("a.py"));
    mm_value *list = mm_value_new_list();
    for (int i = 0; i < 3; i++) {
        mm_list_push(list, mm_value_new_i64(i));
    }
    assert_null(mm_list_source(list, 0));
    mm_list_set_source(list, 1, here);
    mm_value *item = mm_value_new_none();
    for (int i = 0; i < 10; i++) {
        mm_list_insert(list, 0, item);
    }
    assert_int_equal(mm_list_source(list, 11)->line, 3);
    assert_null(mm_list_source(list, 0));
    mm_list_remove(list, 0);
    assert_int_equal(mm_list_source(list, 10)->column, 7);

    mm_value *dict = mm_value_new_dict();
    for (char key[2] = "a"; key[0] <= 'z'; key[0]++) {
        mm_dict_put(dict, key, list);
        here.line = (unsigned char)key[0];
        mm_dict_set_source(dict, key, here);
    }
    mm_dict_remove(dict, "b");
    assert_int_equal(mm_dict_source(dict, "z")->line, 'z');
    assert_int_equal(mm_dict_source_at(dict, 1)->line, 'c');
    mm_value *copy = mm_value_copy(dict);
    assert_int_equal(mm_dict_source(copy, "q")->line, 'q');
    assert_int_equal(mm_list_source(mm_dict_get(copy, "a"), 10)->line, 3);
    assert_null(mm_dict_source(dict, "none"));
    mm_dict_set_source(dict, "none", here);
    check_error(MM_EKEY);
    mm_value_unref(copy);
    mm_value_unref(dict);
    mm_value_unref(list);
}

static void dicts(void **state)
{
    (void)state;
    mm_value *dict = mm_value_new_dict();
    mm_dict_put_i64(dict, "a", 1);
    mm_dict_put_str(dict, "b", "x");
    mm_dict_put_bool(dict, "c", true);
    mm_dict_put_f64(dict, "a", 2.0); /* keeps its place */
    assert_string_equal(mm_dict_name_at(dict, 0), "a");
    assert_true(mm_value_f64(mm_dict_get(dict, "a")) == 2.0);
    assert_true(mm_dict_has(dict, "b"));
    assert_false(mm_dict_has(dict, "x"));
    assert_null(mm_dict_find(dict, "x"));
    check_ok();
    assert_null(mm_dict_get(dict, "x"));
    check_error_text(MM_EKEY, "there is no key 'x' in a dict of 3 entries");
    assert_true(mm_dict_remove(dict, "b"));
    assert_false(mm_dict_remove(dict, "b"));
    assert_string_equal(mm_dict_name_at(dict, 1), "c");
    assert_null(mm_dict_at(dict, 2));
    check_error(MM_ERANGE);
    mm_dict_put(dict, "self", dict);
    check_error(MM_EINVAL);
    mm_value_unref(dict);
}

static void numbers_are_one_key(void **state)
{
    (void)state;
    mm_value *dict = mm_value_new_dict();
    mm_value *one = mm_value_new_i64(1);
    mm_value *one_float = mm_value_new_f64(1.0);
    mm_value *yes = mm_value_new_bool(true);
    mm_dict_put_key(dict, one, one);
    mm_dict_put_key(dict, one_float, one_float);
    mm_dict_put_key(dict, yes, yes);
    char *text = mm_value_repr(dict);
    assert_string_equal(text, "{1: True}"); /* the first key, the last value */
    mm_free(text);
    assert_ptr_equal(mm_dict_find_key(dict, one_float), yes);
    assert_null(mm_dict_name_at(dict, 0));
    check_ok();

    mm_value *nan_a = mm_value_new_f64(NAN);
    mm_value *nan_b = mm_value_new_f64(NAN);
    mm_dict_put_key(dict, nan_a, one);
    mm_dict_put_key(dict, nan_b, one);
    assert_int_equal(mm_value_len(dict), 3);
    assert_non_null(mm_dict_find_key(dict, nan_a));
    assert_false(mm_value_equal(nan_a, nan_a));
    mm_value *list_a = mm_value_new_list();
    mm_value *list_b = mm_value_new_list();
    mm_list_append(list_a, nan_a);
    mm_list_append(list_b, nan_a);
    assert_true(mm_value_equal(list_a, list_b)); /* the very same NaN */
    mm_list_put(list_b, 0, nan_b);
    assert_false(mm_value_equal(list_a, list_b));
    assert_true(mm_dict_remove_key(dict, nan_b));
    mm_dict_put_key(dict, list_a, one);
    check_error_text(MM_ETYPE,
                     "a value of type 'list' cannot be a key: it is not hashable");

    mm_value *all[] = {dict, one, one_float, yes, nan_a, nan_b, list_a, list_b};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        mm_value_unref(all[i]);
    }
}

static void a_tuple_that_is_a_key_is_frozen(void **state)
{
    (void)state;
    mm_value *dict = mm_value_new_dict();
    mm_value *tuple = mm_value_new_tuple();
    mm_list_push(tuple, mm_value_new_i64(1));
    mm_list_push(tuple, mm_value_new_str("a"));
    mm_dict_put_key(dict, tuple, tuple);
    mm_list_push(tuple, mm_value_new_i64(2));
    check_error_text(MM_ESTATE, "mm_list_push cannot change a frozen tuple");
    mm_value *same = mm_value_new_tuple();
    mm_list_push(same, mm_value_new_f64(1.0));
    mm_list_push(same, mm_value_new_str("a"));
    assert_ptr_equal(mm_dict_find_key(dict, same), tuple);
    mm_value_unref(same);
    mm_value_unref(tuple);
    mm_value_unref(dict);
}

static void sets(void **state)
{
    (void)state;
    mm_value *set = mm_value_new_set();
    for (int i = 0; i < 40; i++) {
        mm_value *item = mm_value_new_i64(i % 20);
        mm_set_add(set, item);
        mm_value_unref(item);
    }
    assert_int_equal(mm_value_len(set), 20);
    assert_int_equal(mm_value_i64(mm_list_get(set, 19)), 19);
    mm_value *item = mm_value_new_f64(7.0);
    assert_true(mm_set_has(set, item));
    mm_raise(MM_EIO, "pending");
    assert_true(mm_set_has(set, item)); /* is and has go on working */
    check_error(MM_EIO);
    assert_false(mm_set_has(set, set));
    check_ok();
    mm_set_add(set, set);
    check_error(MM_ETYPE);
    mm_value_unref(item);
    mm_value_unref(set);
}

/* A dict against the simplest thing that could be right, under random changes. */
static void dict_against_a_model(void **state)
{
    (void)state;
    enum { KEYS = 60, STEPS = 40000 };
    int order[KEYS];
    int64_t values[KEYS];
    int count = 0;
    uint32_t seed = 1;
    mm_value *dict = mm_value_new_dict();
    for (int step = 0; step < STEPS; step++) {
        seed = seed * 1664525u + 1013904223u;
        int key = (int)(seed >> 8) % KEYS;
        char name[8];
        snprintf(name, sizeof name, "k%d", key);
        int place = 0;
        while (place < count && order[place] != key) {
            place++;
        }
        unsigned what = (seed >> 24) % 8;
        if (what < 4) {
            mm_dict_put_i64(dict, name, step);
            if (place == count) {
                order[count++] = key;
            }
            values[key] = step;
        } else if (what < 7) {
            assert_int_equal(mm_dict_remove(dict, name), place < count);
            if (place < count) {
                count--;
                memmove(order + place, order + place + 1,
                        (size_t)(count - place) * sizeof *order);
            }
        } else {
            assert_int_equal(mm_dict_has(dict, name), place < count);
        }
        assert_int_equal(mm_value_len(dict), count);
        if (step % 50 == 0) {
            for (int i = 0; i < count; i++) {
                snprintf(name, sizeof name, "k%d", order[i]);
                assert_string_equal(mm_dict_name_at(dict, (size_t)i), name);
                assert_int_equal(mm_value_i64(mm_dict_at(dict, (size_t)i)),
                                 values[order[i]]);
            }
        }
    }
    mm_value_unref(dict);
}

static void copies(void **state)
{
    (void)state;
    mm_value *shared = mm_value_new_list();
    mm_list_push(shared, mm_value_new_i64(1));
    mm_value *outer = mm_value_new_dict();
    mm_dict_put(outer, "a", shared);
    mm_dict_put(outer, "b", shared);
    mm_value_freeze(outer);
    assert_true(mm_value_is_frozen(shared));
    mm_dict_put(outer, "c", shared);
    check_error(MM_ESTATE);

    mm_value *copy = mm_value_copy(outer);
    assert_true(mm_value_equal(copy, outer));
    assert_false(mm_value_is_frozen(copy));
    assert_ptr_not_equal(mm_dict_get(copy, "a"), shared);
    assert_ptr_equal(mm_dict_get(copy, "a"), mm_dict_get(copy, "b"));
    mm_list_push(mm_dict_get(copy, "a"), mm_value_new_i64(2));
    assert_int_equal(mm_value_len(shared), 1);
    assert_false(mm_value_equal(copy, outer));
    mm_value_unref(copy);
    mm_value_unref(outer);
    mm_value_unref(shared);
}

static void deep_nesting(void **state)
{
    (void)state;
    mm_value *deep = mm_value_new_list();
    for (int i = 0; i < 1000000; i++) { /* freeing must not use the stack for it */
        mm_value *around = i % 2 == 0 ? mm_value_new_list() : mm_value_new_dict();
        if (i % 2 == 0) {
            mm_list_push(around, deep);
        } else {
            mm_dict_take(around, "k", deep);
        }
        deep = around;
    }
    assert_null(mm_value_copy(deep));
    check_error_text(MM_EINVAL, "a value is nested deeper than 1000 levels");
    assert_null(mm_value_repr(deep));
    check_error(MM_EINVAL);
    mm_value *list = mm_value_new_list();
    mm_list_append(list, deep);
    assert_false(mm_value_equal(deep, list));
    mm_value_unref(list);
    mm_value_unref(deep);
}

/* An object that counts its references. */
struct thing {
    int refs;
    double number;
};

static void thing_ref(void *object)
{
    ((struct thing *)object)->refs++;
}

static void thing_unref(void *object)
{
    ((struct thing *)object)->refs--;
}

static bool thing_to_f64(const void *object, double *out)
{
    *out = ((const struct thing *)object)->number;
    return true;
}

static const mm_object_ops plain_ops = {"plain", thing_ref, thing_unref, NULL,
                                        NULL,    NULL,      NULL};
static const mm_object_ops number_ops = {
    .name = "number", .ref = thing_ref, .unref = thing_unref, .to_f64 = thing_to_f64};

static void objects(void **state)
{
    (void)state;
    struct thing thing = {0, 2.5};
    mm_value *plain = mm_value_new_object(&thing, &plain_ops);
    mm_value *number = mm_value_new_object(&thing, &number_ops);
    assert_int_equal(thing.refs, 2);
    assert_ptr_equal(mm_value_find_object(plain, &plain_ops), &thing);
    assert_null(mm_value_find_object(plain, &number_ops));
    assert_ptr_equal(mm_value_find_object(plain, NULL), &thing);
    assert_ptr_equal(mm_value_object_ops(number), &number_ops);
    assert_true(mm_value_f64(number) == 2.5);
    assert_true(mm_value_f64(plain) == 0.0);
    check_error_text(MM_ETYPE, "mm_value_f64 needs a number, got plain");
    mm_value *again = mm_value_new_object(&thing, &plain_ops);
    assert_true(mm_value_equal(plain, again));
    assert_true(mm_value_hash(plain) == mm_value_hash(again));
    assert_false(mm_value_equal(plain, number));
    mm_value *list = mm_value_new_list();
    mm_list_append(list, plain);
    mm_list_append(list, number);
    mm_value *copy = mm_value_copy(list);
    assert_int_equal(thing.refs, 5);
    char *text = mm_value_repr(copy);
    assert_string_equal(text, "[<plain>, <number>]");
    mm_free(text);
    mm_value *all[] = {plain, number, again, list, copy};
    for (size_t i = 0; i < 5; i++) {
        mm_value_unref(all[i]);
    }
    assert_int_equal(thing.refs, 0);
}

static void check_repr(char *const *fields)
{
    const char *code = fields[0];
    mm_value *value = case_value(&code);
    assert_int_equal(*code, '\0');
    char *text = mm_value_repr(value);
    assert_string_equal(text, fields[1]);
    mm_value *copy = mm_value_copy(value);
    char *copy_text = mm_value_repr(copy);
    assert_string_equal(copy_text, text);
    mm_free(copy_text);
    mm_free(text);
    mm_value_unref(copy);
    mm_value_unref(value);
}

static void repr_as_python(void **state)
{
    (void)state;
    assert_true(case_lines("cases/base/reprs.txt", 2, check_repr) > 1000);
}

static void check_pair(char *const *fields)
{
    const char *code_a = fields[0];
    const char *code_b = fields[1];
    mm_value *a = case_value(&code_a);
    mm_value *b = case_value(&code_b);
    bool expected = fields[2][0] == '1';
    if (mm_value_equal(a, b) != expected || mm_value_equal(b, a) != expected) {
        fail_msg("%s == %s is not %d", fields[0], fields[1], expected);
    }
    uint64_t hash_a = mm_value_hash(a);
    bool is_hashable = mm_error_take(NULL) == MM_OK;
    uint64_t hash_b = mm_value_hash(b);
    is_hashable = mm_error_take(NULL) == MM_OK && is_hashable;
    if (expected && is_hashable) {
        assert_true(hash_a == hash_b);
    }
    mm_value_unref(a);
    mm_value_unref(b);
}

static void equality_and_hashes_as_python(void **state)
{
    (void)state;
    assert_true(case_lines("cases/base/pairs.txt", 3, check_pair) > 1500);
}

/* Hashes of different keys must spread, or tables would be slow. */
static void hashes_spread(void **state)
{
    (void)state;
    enum { COUNT = 20000, BUCKETS = 1 << 12 };
    static int buckets[BUCKETS];
    memset(buckets, 0, sizeof buckets);
    for (int i = 0; i < COUNT; i++) {
        char text[32];
        snprintf(text, sizeof text, "backbone.layer%d.weight", i);
        uint64_t hash = mmi_hash_bytes(text, strlen(text));
        buckets[(uint32_t)(hash ^ (hash >> 32)) % BUCKETS]++;
    }
    for (int i = 0; i < BUCKETS; i++) {
        assert_true(buckets[i] < 30); /* 5 on the average */
    }
}

static void many_refs(void *value)
{
    for (int i = 0; i < 100000; i++) {
        mm_value_ref(value);
        mm_value *found = mm_dict_find(value, "k");
        mm_value_unref(mm_value_ref(found));
        mm_value_unref(value);
    }
    mm_value_unref(value);
}

static void counts_are_atomic(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    mmi_thread threads[THREADS];
    mm_value *dict = mm_value_new_dict();
    mm_dict_put_f64(dict, "k", 1.0);
    mm_value_freeze(dict);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(
            mmi_thread_start(&threads[i], "refs", many_refs, mm_value_ref(dict)),
            MM_OK);
    }
    mm_value_unref(dict); /* the last thread frees it */
    for (int i = 0; i < THREADS; i++) {
        mmi_thread_join(&threads[i]);
    }
}

#ifdef MM_FAULTS
static mm_value *build_something(void)
{
    mm_value *dict = mm_value_new_dict();
    mm_value *list = mm_value_new_list();
    for (int i = 0; i < 12 && list != NULL; i++) {
        char name[8];
        snprintf(name, sizeof name, "k%d", i);
        mm_list_push(list, mm_value_new_f64(i));
        mm_dict_put(dict, name, list);
    }
    if (dict != NULL) {
        mm_dict_set_source(dict, "k3", (mm_source){"x", 1, 1});
    }
    mm_value_unref(list);
    mm_value *copy = mm_value_copy(dict);
    mm_value_unref(dict);
    char *text = mm_value_repr(copy);
    mm_free(text);
    return copy;
}

/* Every allocation fails once: an error is pending, and nothing is lost. */
static void runs_out_of_memory_cleanly(void **state)
{
    (void)state;
    mmi_fail_at(0);
    mmi_fail_at(1 << 30);
    mm_value_unref(build_something());
    int64_t points = mmi_fault_points();
    assert_true(points > 20);
    for (int64_t n = 1; n <= points; n++) {
        mmi_fail_at(n);
        mm_value *made = build_something();
        mmi_fail_at(0);
        check_error(MM_ENOMEM);
        mm_value_unref(made);
        assert_int_equal(mm_live_values(), 0);
        assert_int_equal(mm_live_blocks(), 0);
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLEAN_TEST(scalars),
        CLEAN_TEST(ints_of_any_size),
        CLEAN_TEST(wrong_kinds),
        CLEAN_TEST(nothing_happens_under_an_error),
        CLEAN_TEST(lists),
        CLEAN_TEST(sources_stay_with_their_items),
        CLEAN_TEST(dicts),
        CLEAN_TEST(numbers_are_one_key),
        CLEAN_TEST(a_tuple_that_is_a_key_is_frozen),
        CLEAN_TEST(sets),
        CLEAN_TEST(dict_against_a_model),
        CLEAN_TEST(copies),
        CLEAN_TEST(deep_nesting),
        CLEAN_TEST(objects),
        CLEAN_TEST(repr_as_python),
        CLEAN_TEST(equality_and_hashes_as_python),
        CLEAN_TEST(hashes_spread),
        CLEAN_TEST(counts_are_atomic),
#ifdef MM_FAULTS
        CLEAN_TEST(runs_out_of_memory_cleanly),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
