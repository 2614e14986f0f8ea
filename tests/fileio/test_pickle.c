/* Pickles of Python in all protocols, and ours read again. */
#include "helpers.h"

#include "fileio/pickle.h"

static void test_protocols(void **state)
{
    (void)state;
    char *text = golden_bytes("plain.txt", NULL);
    char *rest = text;
    char *expected = next_line(&rest);

    for (int protocol = 0; protocol <= 5; protocol++) {
        char *path = mm_strfmt(GOLDEN "plain%d.pkl", protocol);
        mm_value *value = mm_fileio_load(path, NULL);
        check_repr(value, expected);
        size_t size = 0;
        void *written = mm_pickle_format(value, &size);
        mm_value *again = mm_pickle_parse(written, size, NULL);
        check_repr(again, expected);
        mm_value_unref(again);
        mm_free(written);
        mm_value_unref(value);
        mm_free(path);
    }
    mm_free(text);
}

static void test_numpy(void **state)
{
    (void)state;
    for (int protocol = 2; protocol <= 5; protocol += 3) {
        char *path = mm_strfmt(GOLDEN "numpy%d.pkl", protocol);
        mm_value *arrays = mm_fileio_load(path, NULL);
        char *text = golden_bytes("numpy.txt", NULL);
        char *rest = text;
        for (char *line = next_line(&rest); line != NULL; line = next_line(&rest)) {
            char *expected = strchr(line, ' ');
            *expected++ = '\0';
            mm_value *lists = mm_pickle_find_numpy(mm_dict_get(arrays, line));
            check_ok();
            if (strcmp(expected, "-") == 0) {
                assert_null(lists);
            } else {
                check_repr(lists, expected);
            }
            mm_value_unref(lists);
        }
        mm_value *scalar = mm_dict_get(arrays, "int");
        assert_true(mm_value_f64(scalar) == -7.0);
        mm_value_unref(arrays);
        mm_free(text);
        mm_free(path);
    }
}

/* A class nobody knows: kept, shown, written back with the same bytes around it. */
static void test_nodes(void **state)
{
    (void)state;
    static const char pickle[] = "\x80\x02"
                                 "cmy.mod\nThing\nq\x00(K\x01X\x01\x00\x00\x00"
                                 "at\x81q\x01}X\x01\x00\x00\x00kK\x02sb.";
    mm_value *value = mm_pickle_parse(pickle, sizeof pickle - 1, NULL);

    check_ok();
    assert_true(mm_pickle_is_node(value));
    assert_string_equal(mm_pickle_class(value), "my.mod.Thing");
    check_repr(mm_pickle_args(value), "(1, 'a')");
    check_repr(mm_pickle_state(value), "{'k': 2}");
    assert_null(mm_pickle_items(value));
    assert_null(mm_pickle_entries(value));
    size_t size = 0;
    void *written = mm_pickle_format(value, &size);
    mm_value *again = mm_pickle_parse(written, size, NULL);
    assert_true(mm_value_equal(value, again));
    mm_value_unref(again);
    mm_value_unref(value);
    mm_free(written);
}

/* A class inside a class, as protocol 4 names it and as older ones make it. */
static void test_inner_classes(void **state)
{
    (void)state;
    static const char *const texts[] = {"cm\nA.b\n.",
                                        "c__builtin__\ngetattr\n(cm\nA\nVb\ntR."};
    size_t sizes[2] = {0};
    char *written[2] = {NULL};

    for (size_t i = 0; i < 2; i++) {
        mm_value *value = mm_pickle_parse(texts[i], strlen(texts[i]), NULL);
        check_ok();
        assert_string_equal(mm_pickle_class(value), "m.A.b");
        assert_null(mm_pickle_args(value));
        written[i] = mm_pickle_format(value, &sizes[i]);
        mm_value_unref(value);
    }
    assert_int_equal(sizes[0], sizes[1]);
    assert_memory_equal(written[0], written[1], sizes[0]);
    mm_free(written[0]);
    mm_free(written[1]);
}

static void test_list_and_dict_nodes(void **state)
{
    (void)state;
    static const char pickle[] = "\x80\x02"
                                 "cm\nT\n)\x81(K\x01K\x02"
                                 "eK\x03K\x04s.";
    mm_value *value = mm_pickle_parse(pickle, sizeof pickle - 1, NULL);

    check_repr(mm_pickle_items(value), "[1, 2]");
    check_repr(mm_pickle_entries(value), "{3: 4}");
    size_t size = 0;
    void *written = mm_pickle_format(value, &size);
    mm_value *again = mm_pickle_parse(written, size, NULL);
    assert_true(mm_value_equal(value, again));
    mm_value_unref(again);
    mm_value_unref(value);
    mm_free(written);
}

/* One object in two places is one object after a round trip. */
static void test_sharing(void **state)
{
    (void)state;
    mm_value *list = mm_value_new_list();
    mm_value *shared = mm_value_new_list();
    size_t size = 0;

    mm_list_append(list, shared);
    mm_list_append(list, shared);
    void *written = mm_pickle_format(list, &size);
    mm_value *again = mm_pickle_parse(written, size, NULL);
    assert_ptr_equal(mm_list_get(again, 0), mm_list_get(again, 1));
    mm_value_unref(again);
    mm_value_unref(shared);
    mm_value_unref(list);
    mm_free(written);
}

struct wrong {
    const char *pickle;
    size_t size;
    const char *why;
};
#define WRONG(text, why)                                                               \
    {                                                                                  \
        text, sizeof(text) - 1, why                                                    \
    }

static void test_errors(void **state)
{
    (void)state;
    static const struct wrong cases[] = {
        WRONG("", "the data end too early at byte 0"),
        WRONG("N", "the data end too early at byte 1"),
        WRONG(".", "the stack is empty at byte 1"),
        WRONG("NN.", "values are left on the stack at byte 3"),
        WRONG("(.", "the stack is empty at byte 2"),
        WRONG("\x80\x06N.", "the protocol is newer than 5 at byte 2"),
        WRONG("\xffN.", "an instruction is unknown at byte 1"),
        WRONG("h\x05.", "the memo has no such entry at byte 2"),
        WRONG("Nr\xff\xff\xff\x7f.", "a memo index is out of range at byte 6"),
        WRONG("X\xff\xff\xff\xff"
              "a.",
              "the data end too early at byte 5"),
        WRONG("X\x02\x00\x00\x00\xff\xff.", "a string is not UTF-8 at byte 7"),
        WRONG("\x8b\xff\xff\xff\x7f.", "an int is longer than 8192 bytes at byte 5"),
        WRONG("NNa.", "items are added to something that holds none at byte 3"),
        WRONG("}NNNs.", "items are added to something that holds none at byte 5"),
        WRONG("}(Nu.", "a dict entry has no value at byte 4"),
        WRONG("u.", "no mark is set at byte 1"),
        WRONG("N)R.", "something that is no class or function is called at byte 3"),
        WRONG("]Nb.", "a state is given to plain data at byte 3"),
        WRONG("cos\n", "a line has no end at byte 4"),
        WRONG("c\nx\n.", "a class name is empty, too long or not UTF-8 at byte 4"),
        WRONG("Iabc\n.", "a line is no int at byte 5"),
        WRONG("Fx\n.", "a line is no float at byte 3"),
        WRONG("Sab\n.", "a string has no quotes at byte 4"),
        WRONG("S'\\xg1'\n.", "a string has a wrong escape at byte 8"),
        WRONG("V\\u12\n.", "a string has a wrong escape at byte 6"),
        WRONG("]q\x00h\x00"
              "a.",
              "a container contains itself"),
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_null(mm_pickle_parse(cases[i].pickle, cases[i].size, "p"));
        mm_error error;
        assert_int_equal(mm_error_take(&error), MM_EDATA);
        assert_string_equal(error.message + strlen("could not read pickle 'p': "),
                            cases[i].why);
    }
    assert_null(mm_pickle_parse("}]Ns.", 5, NULL)); /* a list is no key */
    check_error(MM_ETYPE);
}

/* Doubling by sharing 60 times would unfold to 2^60 values. */
static void test_unfolding(void **state)
{
    (void)state;
    char pickle[640];
    size_t size = 0;

    pickle[size++] = ']';
    for (int i = 0; i < 60; i++) { /* l = [l, l] */
        static const char step[] = {'q', 0, '0', ']', '(', 'h', 0, 'h', 0, 'e'};
        memcpy(pickle + size, step, sizeof step);
        pickle[size + 1] = pickle[size + 6] = pickle[size + 8] = (char)i;
        size += sizeof step;
    }
    pickle[size++] = '.';
    assert_null(mm_pickle_parse(pickle, size, NULL));
    check_error_text(MM_EDATA, "could not read pickle '<memory>': shared containers "
                               "unfold to too many values");
}

static void test_depth(void **state)
{
    (void)state;
    enum { DEEP = 100000 };
    char *pickle = mm_alloc(2 * DEEP + 1);

    memset(pickle, ']', DEEP);
    memset(pickle + DEEP, 'a', DEEP - 1);
    pickle[2 * DEEP - 1] = '.';
    assert_null(mm_pickle_parse(pickle, 2 * DEEP, NULL));
    check_error(MM_EDATA);
    mm_free(pickle);
    mm_value *list = mm_value_new_list();
    for (int i = 0; i < 600; i++) {
        mm_value *outer = mm_value_new_list();
        mm_list_push(outer, list);
        list = outer;
    }
    size_t size = 0;
    assert_null(mm_pickle_format(list, &size));
    check_error(MM_EDATA);
    mm_value_unref(list);
}

static void test_ints(void **state)
{
    (void)state;
    static const char *const numbers[] = {
        "0",
        "255",
        "256",
        "65535",
        "65536",
        "2147483647",
        "2147483648",
        "-1",
        "-2147483648",
        "-2147483649",
        "9223372036854775807",
        "-9223372036854775808",
        "9223372036854775808",
        "-9223372036854775809",
        "18446744073709551616",
        "-128",
        "-32768",
        "-549755813888",
        "549755813887",
        "549755813888",
        "123456789012345678901234567890123456789012345678901234567890",
        "-340282366920938463463374607431768211456",
        "-170141183460469231731687303715884105728"};

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        mm_value *value = mm_value_new_bigint(numbers[i]);
        size_t size = 0;
        void *pickle = mm_pickle_format(value, &size);
        mm_value *again = mm_pickle_parse(pickle, size, NULL);
        check_repr(again, numbers[i]);
        mm_value_unref(value);
        mm_value_unref(again);
        mm_free(pickle);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLEAN_TEST(test_protocols),
        CLEAN_TEST(test_numpy),
        CLEAN_TEST(test_nodes),
        CLEAN_TEST(test_inner_classes),
        CLEAN_TEST(test_list_and_dict_nodes),
        CLEAN_TEST(test_sharing),
        CLEAN_TEST(test_errors),
        CLEAN_TEST(test_unfolding),
        CLEAN_TEST(test_depth),
        CLEAN_TEST(test_ints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
