/* Values of `--cfg-options` against MMEngine's DictAction: golden texts, and the one
 * difference, blanks between quotes. */
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "mmengine/config.h"
#include "mmengine/file.h"
#include "mmengine/fileio.h"

/* The value that an option gets, as JSON; yours. NULL: an error is pending. */
static char *value_of(const char *text)
{
    mm_config *config = mm_config_from_string("k = 0\n", ".py");
    char *option = mm_strfmt("k=%s", text);
    char *json = NULL;

    check_ok();
    if (mm_config_override(config, option, NULL, NULL) == MM_OK) {
        json = mm_config_json(mm_config_get(config, "k"));
    }
    mm_free(option);
    mm_config_unref(config);
    return json;
}

static bool check_row(const mm_value *row, const char *line)
{
    const char *text = mm_value_str(mm_dict_get(row, "text"));
    const char *expected = strstr(line, "\"value\": ");
    char *got = value_of(text);
    bool is_same = false;

    if (expected == NULL) {
        is_same = mm_error_take(NULL) == MM_EINVAL;
    } else if (got != NULL) {
        expected += strlen("\"value\": ");
        is_same = strlen(got) + 1 == strlen(expected) &&
                  strncmp(got, expected, strlen(got)) == 0;
    }
    if (!is_same) {
        (void)printf("'%s' gives %s: %s\n", text, got == NULL ? "an error" : got, line);
    }
    mm_free(got);
    (void)mm_error_take(NULL);
    return is_same;
}

static void test_golden(void **state)
{
    (void)state;
    size_t size = 0;
    char *data = mm_file_read("golden/config/options.txt", &size);
    mm_value *rows = mm_json_parse_lines(data, size, NULL);
    char *line = data;
    size_t different = 0;

    check_ok();
    assert_true(mm_value_len(rows) > 1500);
    for (size_t i = 0; i < mm_value_len(rows); i++) {
        char *end = strchr(line, '\n');

        *end = '\0';
        different += !check_row(mm_list_get(rows, i), line);
        line = end + 1;
    }
    assert_int_equal(different, 0);
    mm_value_unref(rows);
    mm_free(data);
}

static void test_blanks(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"'a b'", "\"a b\""},
        {"\"a  b\"", "\"a  b\""},
        {"['a b',c d]", "[\"a b\", \"cd\"]"},
        {"('a b', \"c d\")", "{\"__tuple__\": [\"a b\", \"c d\"]}"},
        {"'a b','c d'", "[\"a b\", \"c d\"]"},
        {"'a, b'", "[\"a\", \"b\"]"}, /* as MMEngine: a comma makes a list */
        {"'a b, c d'", "[\"a b\", \"c d\"]"},
        {"a b,'c d'", "[\"ab\", \"c d\"]"},
        {"' 1 '", "\" 1 \""},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *got = value_of(cases[i][0]);

        check_ok();
        assert_string_equal(got, cases[i][1]);
        mm_free(got);
    }
}

static void test_errors(void **state)
{
    (void)state;
    static const char *const texts[] = {"[1,2", "(1,[2)", "1,(2"};
    static const char *const messages[] = {"the brackets of '[1,2' do not balance",
                                           "the brackets of '1,[2' do not balance",
                                           "the brackets of '1,(2' do not balance"};

    for (size_t i = 0; i < 3; i++) {
        mm_error error = {0};

        assert_null(value_of(texts[i]));
        assert_int_equal(mm_error_take(&error), MM_EINVAL);
        assert_string_equal(error.message, messages[i]);
    }
}

/* ---- merge_from_dict ---- */

static bool check_merge(const mm_value *row)
{
    mm_config *config = mm_config_from_value(mm_dict_get(row, "base"));
    mm_status status = mm_config_merge(config, mm_dict_get(row, "options"));
    const mm_value *expected = mm_dict_find(row, "value");
    bool is_same = expected == NULL ? status < 0 : status == MM_OK;

    (void)mm_error_take(NULL);
    if (is_same && expected != NULL) {
        char *one = mm_config_json(mm_config_root(config));
        char *two = mm_config_json(expected);

        is_same = strcmp(one, two) == 0;
        mm_free(one);
        mm_free(two);
    }
    if (!is_same) {
        char *text = mm_value_repr(row);
        char *got = mm_value_repr(mm_config_root(config));

        (void)printf("%s\n  gives %s\n", text, got);
        mm_free(text);
        mm_free(got);
    }
    mm_config_unref(config);
    return is_same;
}

static void test_merge(void **state)
{
    (void)state;
    size_t size = 0;
    char *data = mm_file_read("golden/config/merge.txt", &size);
    mm_value *rows = mm_json_parse_lines(data, size, NULL);
    size_t different = 0;

    check_ok();
    assert_true(mm_value_len(rows) > 600);
    for (size_t i = 0; i < mm_value_len(rows); i++) {
        different += !check_merge(mm_list_get(rows, i));
    }
    assert_int_equal(different, 0);
    mm_value_unref(rows);
    mm_free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLEAN_TEST(test_golden),
        CLEAN_TEST(test_blanks),
        CLEAN_TEST(test_errors),
        CLEAN_TEST(test_merge),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
