/* JSON against Python's json module: texts and values are golden, errors are ours. */
#include "helpers.h"

#include <math.h>
#include <stdlib.h>

#include "base/str.h"

static void undo_newlines(char *text)
{
    for (; *text != '\0'; text++) {
        *text = *text == '\x01' ? '\n' : *text;
    }
}

static void check_form(const mm_value *value, const mm_json_args *args, char *expected)
{
    char *text = mm_json_format(value, args);

    check_ok();
    undo_newlines(expected);
    assert_string_equal(text, expected);
    mm_free(text);
}

/* Documents and what json.dumps makes of them. */
static void test_dumps(void **state)
{
    (void)state;
    static const mm_json_args forms[] = {{0},
                                         {.indent = 2},
                                         {.sort_keys = true, .no_spaces = true},
                                         {.keep_utf8 = true}};
    char *text = golden_bytes("json.txt", NULL);
    char *rest = text;
    int documents = 0;

    for (char *line = next_line(&rest); line != NULL; line = next_line(&rest)) {
        mm_value *value = mm_json_parse(line, strlen(line), NULL);
        check_ok();
        for (size_t i = 0; i < 4; i++) {
            bool skip = i == 3 && strstr(line, "\\ud800") != NULL;
            char *expected = next_line(&rest);
            assert_non_null(expected);
            if (!skip) { /* Python cannot write a lone surrogate as UTF-8 */
                check_form(value, &forms[i], expected);
            }
        }
        mm_value_unref(value);
        documents++;
    }
    assert_int_equal(documents, 14);
    mm_free(text);
}

static void test_keys(void **state)
{
    (void)state;
    mm_value *keys = mm_fileio_load(GOLDEN "keys.pkl", NULL);
    char *expected = golden_bytes("keys.json", NULL);

    check_form(keys, NULL, expected);
    mm_free(expected);
    mm_value_unref(keys);
}

static void test_kinds(void **state)
{
    (void)state;
    const char *text =
        "{\"i\": 1, \"f\": 1.0, \"b\": 99999999999999999999, \"n\": null}";
    mm_value *value = mm_json_parse(text, strlen(text), "x.json");

    assert_int_equal(mm_value_kind(mm_dict_get(value, "i")), MM_KIND_I64);
    assert_int_equal(mm_value_kind(mm_dict_get(value, "f")), MM_KIND_F64);
    assert_int_equal(mm_value_kind(mm_dict_get(value, "b")), MM_KIND_BIGINT);
    assert_true(mm_value_is_none(mm_dict_get(value, "n")));
    const mm_source *source = mm_dict_source(value, "f");
    assert_non_null(source);
    assert_string_equal(source->file, "x.json");
    assert_int_equal(source->line, 1);
    assert_int_equal(source->column, 10);
    mm_value_unref(value);
}

static void test_sources_of_lines(void **state)
{
    (void)state;
    const char *text = "\xef\xbb\xbf[\n  1,\r\n  {\"a\":\n 2}]\n";
    mm_value *value = mm_json_parse(text, strlen(text), "y.json");

    check_ok();
    assert_int_equal(mm_list_source(value, 1)->line, 3);
    assert_int_equal(mm_list_source(value, 1)->column, 3);
    mm_value_unref(value);
}

struct wrong {
    const char *text, *message;
};

static void test_errors(void **state)
{
    (void)state;
    static const struct wrong cases[] = {
        {"", "x.json:1:1: could not parse JSON: expected a value"},
        {"{\"a\": 1,}", "x.json:1:9: could not parse JSON: expected a key in quotes"},
        {"{\"a\" 1}", "x.json:1:6: could not parse JSON: expected ':'"},
        {"[1 2]", "x.json:1:4: could not parse JSON: expected ',' or ']'"},
        {"{\"a\": 1 \"b\"}", "x.json:1:9: could not parse JSON: expected ',' or '}'"},
        {"[1,]", "x.json:1:4: could not parse JSON: expected a value"},
        {"\n\n  nul", "x.json:3:3: could not parse JSON: expected a value"},
        {"1 2",
         "x.json:1:3: could not parse JSON: text behind the end of the document"},
        {"01", "x.json:1:2: could not parse JSON: text behind the end of the document"},
        {"-", "x.json:1:1: could not parse JSON: expected a value"},
        {"\"a", "x.json:1:3: could not parse JSON: a string has no end"},
        {"\"a\tb\"",
         "x.json:1:3: could not parse JSON: a control character in a string"},
        {"\"\\x\"", "x.json:1:3: could not parse JSON: unknown escape in a string"},
        {"\"\\u12g4\"",
         "x.json:1:6: could not parse JSON: expected four hex digits after \\u"},
        {"\"\xff\"", "x.json:1:3: could not parse JSON: a string is not UTF-8"},
        {"\"\xc0\x80\"", "x.json:1:4: could not parse JSON: a string is not UTF-8"},
        {"'a'", "x.json:1:1: could not parse JSON: expected a value"},
        {"+1", "x.json:1:1: could not parse JSON: expected a value"},
        {".5", "x.json:1:1: could not parse JSON: expected a value"},
        {"1.", "x.json:1:2: could not parse JSON: text behind the end of the document"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_null(mm_json_parse(cases[i].text, strlen(cases[i].text), "x.json"));
        check_error_text(MM_EDATA, cases[i].message);
    }
    assert_null(mm_json_parse("[", 1, NULL));
    check_error_text(MM_EDATA,
                     "could not parse JSON: expected a value at line 1, column 2");
}

static void test_depth(void **state)
{
    (void)state;
    enum { DEEP = 100000 };
    char *text = mm_alloc(DEEP + 1);

    memset(text, '[', DEEP);
    assert_null(mm_json_parse(text, DEEP, NULL));
    check_error(MM_EDATA);
    memset(text + 400, ']', 400);
    mm_value *value = mm_json_parse(text, 800, NULL);
    check_ok();
    char *again = mm_json_format(value, NULL);
    assert_int_equal(strlen(again), 800);
    mm_free(again);
    mm_value_unref(value);
    mm_free(text);
}

static void test_not_writable(void **state)
{
    (void)state;
    mm_value *dict = mm_value_new_dict();
    mm_value *bytes = mm_value_new_bytes("x", 1);
    mm_value *key = mm_value_new_tuple();

    assert_null(mm_json_format(bytes, NULL));
    check_error_text(MM_ETYPE,
                     "could not write JSON: a value of type 'bytes' has no form in it");
    mm_dict_put_key(dict, key, bytes);
    assert_null(mm_json_format(dict, NULL));
    check_error(MM_ETYPE);
    mm_value *nan_value = mm_value_new_f64((double)NAN);
    assert_null(mm_json_format(nan_value, &(mm_json_args){.refuse_nan = true}));
    check_error(MM_ENUMERIC);
    mm_value_unref(nan_value);
    mm_value_unref(key);
    mm_value_unref(bytes);
    mm_value_unref(dict);
}

static void test_containers_become_arrays(void **state)
{
    (void)state;
    mm_value *tuple = mm_value_new_tuple();
    mm_value *set = mm_value_new_set();

    mm_list_push(tuple, mm_value_new_i64(1));
    mm_set_add(set, tuple);
    char *text = mm_json_format(set, NULL);
    assert_string_equal(text, "[[1]]");
    mm_free(text);
    mm_value_unref(tuple);
    mm_value_unref(set);
}

static void test_lines(void **state)
{
    (void)state;
    const char *text = "{\"loss\": 1.5}\n\n{\"loss\": NaN}\r\n{\"loss\": 0.";
    mm_value *lines = mm_json_parse_lines(text, strlen(text), "scalars.json");

    check_ok();
    assert_int_equal(mm_value_len(lines), 2);
    assert_true(isnan(mm_value_f64(mm_dict_get(mm_list_get(lines, 1), "loss"))));
    mm_value_unref(lines);
    text = "{\"loss\": 1.5}\n{\"loss\": 0.\n";
    assert_null(mm_json_parse_lines(text, strlen(text), "scalars.json"));
    check_error_text(MM_EDATA,
                     "scalars.json:2:11: could not parse JSON: expected ',' or '}'");
}

static void test_load_and_dump(void **state)
{
    (void)state;
    char *folder = make_scratch();
    char *path = mm_path_join(folder, "a.json");
    mm_value *value = mm_value_new_dict();

    mm_dict_put_f64(value, "x", 0.1);
    assert_int_equal(mm_fileio_dump(value, path, NULL), MM_OK);
    mm_value *again = mm_fileio_load(path, NULL);
    assert_true(mm_value_equal(value, again));
    assert_int_equal(mm_fileio_dump(value, path, "toml"), MM_EINVAL);
    check_error(MM_EINVAL);
    assert_null(mm_fileio_load("nowhere.json", NULL));
    check_error(MM_ENOENT);
    mm_value_unref(value);
    mm_value_unref(again);
    mm_free(path);
    remove_scratch(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLEAN_TEST(test_dumps),        CLEAN_TEST(test_keys),
        CLEAN_TEST(test_kinds),        CLEAN_TEST(test_sources_of_lines),
        CLEAN_TEST(test_errors),       CLEAN_TEST(test_depth),
        CLEAN_TEST(test_not_writable), CLEAN_TEST(test_containers_become_arrays),
        CLEAN_TEST(test_lines),        CLEAN_TEST(test_load_and_dump),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
