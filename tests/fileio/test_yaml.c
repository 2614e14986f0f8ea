/* YAML against PyYAML: documents and their values are golden, error texts and the
 * writer's layout are ours. */
#include "helpers.h"

#include <stdio.h>

/* What the writer makes of a value reads back as the same value. */
static void check_back(const char *text, const mm_value *value,
                       const mm_yaml_args *args)
{
    char *expected = mm_value_repr(value);
    char *written = mm_yaml_format(value, args);

    check_ok();
    mm_value *again = mm_yaml_parse(written, strlen(written), NULL);
    if (again == NULL) {
        fail_msg("%s: what is written does not parse:\n%s\n%s", text, written,
                 mm_error_peek()->message);
    }
    char *got = mm_value_repr(again);
    bool in_order = args != NULL && args->keep_order;

    if (in_order ? strcmp(got, expected) != 0
                 : !mm_value_equal(again, value) && strstr(expected, "nan") == NULL) {
        fail_msg("%s: written as\n%s\nreads back as\n%s", text, written, got);
    }
    mm_free(expected);
    mm_free(written);
    mm_free(got);
    mm_value_unref(again);
}

static void check_document(const mm_value *row)
{
    size_t size = 0;
    const char *text = mm_value_str_n(mm_dict_get(row, "text"), &size);
    const mm_value *expected = mm_dict_find(row, "repr");
    mm_value *value = mm_yaml_parse(text, size, NULL);
    char *got = value == NULL ? NULL : mm_value_repr(value);

    if (expected == NULL) {
        if (value != NULL) {
            fail_msg("'%s' is no YAML for PyYAML, but %s here", text, got);
        }
        assert_int_equal(mm_error_take(NULL), MM_EDATA);
        return;
    }
    if (value == NULL) {
        fail_msg("'%s': %s, expected %s", text, mm_error_peek()->message,
                 mm_value_str(expected));
    }
    if (strcmp(got, mm_value_str(expected)) != 0) {
        fail_msg("'%s' is %s, expected %s", text, got, mm_value_str(expected));
    }
    check_back(text, value, &(mm_yaml_args){.keep_order = true});
    check_back(text, value, &(mm_yaml_args){.keep_utf8 = true});
    mm_free(got);
    mm_value_unref(value);
}

static void test_values(void **state)
{
    (void)state;
    size_t size = 0;
    char *data = golden_bytes("yaml.txt", &size);
    mm_value *rows = mm_json_parse_lines(data, size, NULL);

    check_ok();
    assert_true(mm_value_len(rows) > 1000);
    for (size_t i = 0; i < mm_value_len(rows); i++) {
        check_document(mm_list_get(rows, i));
    }
    mm_value_unref(rows);
    mm_free(data);
}

/* ---- texts that PyYAML has read back ---- */

/* A line of yaml_written.txt: what a document's value is written as. */
static char *written_line(const mm_value *row)
{
    size_t size = 0;
    const char *text = mm_value_str_n(mm_dict_get(row, "text"), &size);
    mm_value *value = mm_yaml_parse(text, size, NULL);
    char *plain = mm_yaml_format(value, NULL);
    char *kept = mm_yaml_format(value, &(mm_yaml_args){true, true});
    mm_value *line = mm_value_new_dict();

    mm_dict_put(line, "text", mm_dict_get(row, "text"));
    mm_dict_put_str(line, "plain", plain);
    mm_dict_put_str(line, "kept", kept);
    char *out = mm_json_format(line, NULL);

    check_ok();
    mm_value_unref(value);
    mm_value_unref(line);
    mm_free(plain);
    mm_free(kept);
    return out;
}

static mm_value *good_documents(void)
{
    size_t size = 0;
    char *data = golden_bytes("yaml.txt", &size);
    mm_value *rows = mm_json_parse_lines(data, size, NULL);

    check_ok();
    for (size_t i = mm_value_len(rows); i > 0; i--) {
        if (!mm_dict_has(mm_list_get(rows, i - 1), "repr")) {
            mm_list_remove(rows, i - 1);
        }
    }
    mm_free(data);
    return rows;
}

/* For tools/golden/yaml_written.py. */
static int print_written(void)
{
    mm_value *rows = good_documents();

    for (size_t i = 0; i < mm_value_len(rows); i++) {
        char *line = written_line(mm_list_get(rows, i));

        (void)puts(line);
        mm_free(line);
    }
    mm_value_unref(rows);
    return 0;
}

static void test_written(void **state)
{
    (void)state;
    char *golden = golden_bytes("yaml_written.txt", NULL);
    char *rest = golden;
    mm_value *rows = good_documents();

    for (size_t i = 0; i < mm_value_len(rows); i++) {
        char *line = written_line(mm_list_get(rows, i));
        char *expected = next_line(&rest);

        assert_non_null(expected);
        assert_string_equal(line, expected);
        mm_free(line);
    }
    assert_null(next_line(&rest));
    mm_value_unref(rows);
    mm_free(golden);
}

/* ---- errors ---- */

static const struct {
    const char *text, *message, *hint;
} cases[] = {
    {"a: b: c\n",
     "x.yaml:1:5: could not parse YAML: mapping values are not allowed "
     "in this context",
     ""},
    {"a: 1\nb: [1, 2\n",
     "x.yaml:3:1: could not parse YAML: did not find expected "
     "',' or ']', while parsing a flow sequence that begins in "
     "line 2",
     ""},
    {"a:\n\t- b\n",
     "x.yaml:2:1: could not parse YAML: found character that cannot "
     "start any token, while scanning for the next token that begins "
     "in line 2",
     ""},
    {"\xc3\xa9: \"x\\q\"\n",
     "x.yaml:1:7: could not parse YAML: found unknown escape "
     "character, while parsing a quoted scalar that begins in "
     "line 1",
     ""},
    {"a: \x01\n",
     "x.yaml:1:4: could not parse YAML: control characters are not "
     "allowed",
     ""},
    {"a: \xff\n", "x.yaml:1:4: could not parse YAML: invalid leading UTF-8 octet", ""},
    {"a: *b\n",
     "x.yaml:1:4: could not parse YAML: there is no anchor 'b' for this "
     "alias",
     ""},
    {"- &b 1\n- &b 2\n",
     "x.yaml:2:3: could not parse YAML: the anchor 'b' is there "
     "twice",
     ""},
    {"a: &b\n- *b\n", "x.yaml:2:3: could not parse YAML: 'b' contains itself", ""},
    {"- <<\n",
     "x.yaml:1:3: could not parse YAML: a plain '<<' is no value: it means "
     "something as a key only",
     "put it in quotes if it is text"},
    {"a: =\n",
     "x.yaml:1:4: could not parse YAML: a plain '=' is no value: it means "
     "something as a key only",
     "put it in quotes if it is text"},
    {"a: 1\n<<: 5\n",
     "x.yaml:2:1: could not parse YAML: '<<' takes a mapping or a "
     "list of them, not int",
     ""},
    {"<<: [{a: 1}, 5]\n",
     "x.yaml:1:1: could not parse YAML: '<<' takes mappings, "
     "item 2 of its list is of type int",
     ""},
    {"? [1]\n: 2\n", "x.yaml:1:3: could not parse YAML: a list cannot be a key", ""},
    {"a: 1\n---\nb: 2\n",
     "x.yaml:2:1: could not parse YAML: expected one document, "
     "here begins another",
     ""},
    {"a: !x 1\n", "x.yaml:1:4: could not parse YAML: unknown tag '!x'", ""},
    {"a: !!x 1\n", "x.yaml:1:4: could not parse YAML: unknown tag '!!x'", ""},
    {"a: !!python/object/apply:os.system [ls]\n",
     "x.yaml:1:4: could not parse YAML: the tag '!!python/object/apply:os.system' "
     "has "
     "no data form",
     "a YAML file is read as data; nothing in it is run"},
    {"a: !!python/object/apply:eval ['1']\n",
     "x.yaml:1:4: could not parse YAML: the tag '!!python/object/apply:eval' has "
     "no "
     "data form",
     "a YAML file is read as data; nothing in it is run"},
    {"!!int x", "x.yaml:1:1: could not parse YAML: 'x' is no int", ""},
    {"!!float x", "x.yaml:1:1: could not parse YAML: 'x' is no float", ""},
    {"!!bool x", "x.yaml:1:1: could not parse YAML: 'x' is no bool", ""},
    {"!!binary a",
     "x.yaml:1:1: could not parse YAML: binary data is no base64: its "
     "padding is wrong",
     ""},
    {"2021-02-29",
     "x.yaml:1:1: could not parse YAML: '2021-02-29' is no date: the day "
     "is out of range for the month",
     ""},
    {"!!timestamp x", "x.yaml:1:1: could not parse YAML: 'x' is no timestamp", ""},
    {"!!map [1]",
     "x.yaml:1:1: could not parse YAML: expected a mapping, found a "
     "sequence",
     ""},
    {"!!seq x",
     "x.yaml:1:1: could not parse YAML: expected a sequence, found a "
     "scalar",
     ""},
    {"!!seq {}",
     "x.yaml:1:1: could not parse YAML: expected a sequence, found a "
     "mapping",
     ""},
    {"!!omap [a]",
     "x.yaml:1:9: could not parse YAML: expected a mapping with one "
     "entry",
     ""},
};

static void test_errors(void **state)
{
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        mm_value *value = mm_yaml_parse(cases[i].text, strlen(cases[i].text), "x.yaml");
        mm_error error = {0};

        assert_null(value);
        assert_int_equal(mm_error_take(&error), MM_EDATA);
        assert_string_equal(error.message, cases[i].message);
        assert_string_equal(error.hint, cases[i].hint);
    }
    assert_null(mm_yaml_parse("[1", 2, NULL));
    check_error_text(MM_EDATA,
                     "could not parse YAML: did not find expected ',' or ']', while "
                     "parsing a flow sequence that begins in line 1 at line 1, "
                     "column 3");
}

static void test_depth(void **state)
{
    (void)state;
    char text[1100];

    memset(text, '[', 501);
    memset(text + 501, ']', 501);
    assert_null(mm_yaml_parse(text, 1002, "x.yaml"));
    check_error_text(MM_EDATA,
                     "x.yaml:1:501: could not parse YAML: containers are nested "
                     "deeper than 500");
    mm_value *value = mm_yaml_parse(text + 1, 1000, NULL);

    check_ok();
    mm_value *outer = mm_value_new_list();

    mm_list_push(outer, value);
    assert_null(mm_yaml_format(outer, NULL));
    check_error_text(MM_EDATA,
                     "could not write YAML: containers are nested deeper than 500");
    mm_value_unref(outer);
}

/* ---- the rest ---- */

static void test_places(void **state)
{
    (void)state;
    static const char text[] = "\xc3\xa9: [1,\r\n  2]\r\nb: &x\n  c: 3\nd:\n  <<: *x\n";
    mm_value *value = mm_yaml_parse(text, strlen(text), "x.yaml");
    check_ok();
    const mm_source *source = mm_list_source(mm_dict_at(value, 0), 1);

    assert_int_equal(source->line, 2);
    assert_int_equal(source->column, 3);
    source = mm_list_source(mm_dict_at(value, 0), 0);
    assert_int_equal(source->line, 1);
    assert_int_equal(source->column, 6);
    source = mm_dict_source(mm_dict_get(value, "d"), "c");
    assert_string_equal(source->file, "x.yaml");
    assert_int_equal(source->line, 4);
    assert_int_equal(source->column, 3);
    source = mm_dict_source(value, "d");
    assert_int_equal(source->line, 5);
    mm_value_unref(value);
}

static void test_documents(void **state)
{
    (void)state;
    static const char text[] = "a: &x 1\n---\n- &x 2\n- *x\n...\n";
    mm_value *all = mm_yaml_parse_all(text, strlen(text), NULL);
    char *repr = mm_value_repr(all);

    check_ok();
    assert_string_equal(repr, "[{'a': 1}, [2, 2]]");
    mm_free(repr);
    mm_value_unref(all);
    all = mm_yaml_parse_all("", 0, NULL);
    assert_int_equal(mm_value_len(all), 0);
    mm_value_unref(all);
    assert_null(mm_yaml_parse_all("a: 1\n---\n*x\n", 12, NULL));
    check_error_text(MM_EDATA,
                     "could not parse YAML: there is no anchor 'x' for this alias at "
                     "line 3, column 1");
}

static void test_dates(void **state)
{
    (void)state;
    mm_value *list =
        mm_yaml_parse("[2020-01-31, 2020-01-31, 2020-02-01 1:02:03Z, x]", 48, NULL);
    check_ok();
    assert_string_equal(mm_yaml_find_date(mm_list_get(list, 0)), "2020-01-31");
    assert_true(mm_value_equal(mm_list_get(list, 0), mm_list_get(list, 1)));
    assert_string_equal(mm_yaml_find_date(mm_list_get(list, 2)),
                        "2020-02-01 01:02:03+00:00");
    assert_null(mm_yaml_find_date(mm_list_get(list, 3)));
    mm_value *copy = mm_value_copy(list);

    assert_true(mm_value_equal(copy, list));
    assert_null(mm_json_format(list, NULL));
    check_error_text(MM_ETYPE,
                     "could not write JSON: a value of type 'date' has no form in it");
    mm_value_unref(copy);
    mm_value_unref(list);
}

static void test_layout(void **state)
{
    (void)state;
    static const char text[] =
        "{b: [1, [2, {c: 3}], {d: 4, e: [5]}], a: !!python/tuple [x, [], {}], "
        "f: !!set {g}, '{{x}}': 'l1\n\nl2', h: !!binary aGVsbG8=, 3.0e-5: 1e-5}";
    static const char expected[] = "b:\n"
                                   "- 1\n"
                                   "- - 2\n"
                                   "  - c: 3\n"
                                   "- d: 4\n"
                                   "  e:\n"
                                   "  - 5\n"
                                   "a: !!python/tuple\n"
                                   "- x\n"
                                   "- []\n"
                                   "- {}\n"
                                   "f: !!set\n"
                                   "  g: null\n"
                                   "\"{\\x7Bx}}\": \"l1\\nl2\"\n"
                                   "h: !!binary \"aGVsbG8=\"\n"
                                   "3.0e-05: 1e-5\n";
    mm_value *value = mm_yaml_parse(text, strlen(text), NULL);
    char *written = mm_yaml_format(value, NULL); /* keys of two types have no order */

    check_ok();
    assert_string_equal(written, expected);
    mm_free(written);
    mm_value_unref(value);
    value = mm_json_parse("\"\\ud800\"", 8, NULL);
    assert_null(mm_yaml_format(value, NULL));
    check_error_text(MM_EDATA, "could not write YAML: a string is not UTF-8");
    mm_value_unref(value);
}

static void test_files(void **state)
{
    (void)state;
    char *folder = make_scratch();
    static const char *const names[] = {"a.yaml", "a.yml"};

    for (size_t i = 0; i < 2; i++) {
        char *path = mm_path_join(folder, names[i]);
        mm_value *value = mm_yaml_parse("b: 1\na: [2.5, null]\n", 20, NULL);

        assert_int_equal(mm_fileio_dump(value, path, NULL), MM_OK);
        char *text = mm_file_read(path, NULL);
        mm_value *again = mm_fileio_load(path, NULL);

        check_ok();
        assert_string_equal(text, "a:\n- 2.5\n- null\nb: 1\n");
        assert_true(mm_value_equal(value, again));
        mm_free(text);
        mm_free(path);
        mm_value_unref(value);
        mm_value_unref(again);
    }
    remove_scratch(folder);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CLEAN_TEST(test_values), CLEAN_TEST(test_written), CLEAN_TEST(test_errors),
        CLEAN_TEST(test_depth),  CLEAN_TEST(test_places),  CLEAN_TEST(test_documents),
        CLEAN_TEST(test_dates),  CLEAN_TEST(test_layout),  CLEAN_TEST(test_files),
    };

    if (argc > 1 && strcmp(argv[1], "--print") == 0) {
        return print_written();
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
