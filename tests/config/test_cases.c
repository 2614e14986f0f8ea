/* The cases of tests/cases/config. valid/<name>/config.* must give the value that
 * MMEngine gives (expected.json), read back from its own dumps; invalid/<name>/config.*
 * must fail with the text in expected.txt: message, frames and hint. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "mmengine/config.h"
#include "mmengine/file.h"

static const char VALID[] = "cases/config/valid";
static const char INVALID[] = "cases/config/invalid";

/* The file called config.* in a folder; yours. */
static char *find_config(const char *folder)
{
    mm_value *names = mm_list_dir(folder);
    char *found = NULL;

    for (size_t i = 0; i < mm_value_len(names) && found == NULL; i++) {
        const char *name = mm_value_str(mm_list_get(names, i));

        if (strncmp(name, "config.", strlen("config.")) == 0) {
            found = mm_path_join(folder, name);
        }
    }
    mm_value_unref(names);
    check_ok();
    if (found == NULL) {
        fail_msg("there is no config in %s", folder);
    }
    return found;
}

static char *read_expected(const char *folder, const char *name)
{
    char *path = mm_path_join(folder, name);
    char *text = mm_file_read(path, NULL);

    check_ok();
    mm_free(path);
    return text;
}

/* Runs `check` on every folder below `root`; returns how many there are. */
static size_t each_case(const char *root,
                        void (*check)(const char *folder, const char *config))
{
    mm_value *names = mm_list_dir(root);
    size_t count = mm_value_len(names);

    for (size_t i = 0; i < count; i++) {
        char *folder = mm_path_join(root, mm_value_str(mm_list_get(names, i)));
        char *config = find_config(folder);

        check(folder, config);
        mm_free(config);
        mm_free(folder);
    }
    mm_value_unref(names);
    return count;
}

/* ---- valid ---- */

static void check_value(const char *folder, const char *path)
{
    mm_config *config = mm_config_from_file(path, NULL);
    check_ok();
    char *json = mm_config_json(mm_config_root(config));
    char *expected = read_expected(folder, "expected.json");

    check_ok();
    expected[strcspn(expected, "\n")] = '\0';
    if (strcmp(json, expected) != 0) {
        fail_msg("%s:\n  expected %s\n  got      %s", path, expected, json);
    }
    mm_free(json);
    mm_free(expected);
    mm_config_unref(config);
}

/* Opaque values are written as their description and come back as text. */
static bool has_opaque(const char *json)
{
    return strstr(json, "__opaque__") != NULL;
}

static void check_dump(const char *path, const mm_value *root, mm_config_order order)
{
    char *text = mm_config_dump(root, order);
    check_ok();
    mm_config *again = mm_config_from_string(text, ".py");
    check_ok();
    char *first = mm_config_json(root);
    char *second = mm_config_json(mm_config_root(again));

    check_ok();
    if (order == MM_CONFIG_SOURCE && !has_opaque(first) && strcmp(first, second) != 0) {
        fail_msg("%s does not read back:\n%s\n%s\n%s", path, first, second, text);
    }
    if (order == MM_CONFIG_SORTED && !has_opaque(first)) {
        char *twice = mm_config_pretty_text(again);

        check_ok();
        assert_string_equal(text, twice);
        mm_free(twice);
    }
    mm_free(first);
    mm_free(second);
    mm_free(text);
    mm_config_unref(again);
}

static void check_dumps(const char *folder, const char *path)
{
    (void)folder;
    mm_config *config = mm_config_from_file(path, NULL);

    check_ok();
    check_dump(path, mm_config_root(config), MM_CONFIG_SOURCE);
    check_dump(path, mm_config_root(config), MM_CONFIG_SORTED);
    mm_config_unref(config);
}

static void test_values(void **state)
{
    (void)state;
    assert_true(each_case(VALID, check_value) >= 24);
}

static void test_dumps(void **state)
{
    (void)state;
    assert_true(each_case(VALID, check_dumps) >= 24);
}

/* Every entry of a Python config knows its place. */
static void check_places(const mm_value *value, const char *path)
{
    mm_kind kind = mm_value_kind(value);

    for (size_t i = 0; kind == MM_KIND_DICT && i < mm_value_len(value); i++) {
        const mm_source *source = mm_dict_source_at(value, i);

        if (source == NULL || source->line < 1 || source->column < 1) {
            fail_msg("%s: the entry %zu has no place", path, i);
        }
        check_places(mm_dict_at(value, i), path);
    }
}

static void check_all_places(const char *folder, const char *path)
{
    (void)folder;
    mm_config *config = mm_config_from_file(path, NULL);

    check_ok();
    check_places(mm_config_root(config), path);
    mm_config_unref(config);
}

static void test_places(void **state)
{
    (void)state;
    const char *const names[] = {"cases/config/valid/inherit",
                                 "cases/config/valid/inherit_chain",
                                 "cases/config/valid/json_child"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *path = find_config(names[i]);

        check_all_places(names[i], path);
        mm_free(path);
    }
}

/* ---- invalid ---- */

static void check_error_of(const char *folder, const char *path)
{
    mm_config *config = mm_config_from_file(path, NULL);
    mm_error error;
    char text[4096];
    char *expected = NULL;

    if (config != NULL) {
        fail_msg("%s was accepted", path);
    }
    assert_true(mm_error_take(&error) < 0);
    (void)mm_error_format(&error, text, sizeof text);
    expected = read_expected(folder, "expected.txt");
    assert_true(strlen(expected) > 0);
    expected[strlen(expected) - 1] = '\0'; /* the last newline */
    if (strcmp(text, expected) != 0) {
        fail_msg("%s:\n--- expected\n%s\n--- got\n%s", path, expected, text);
    }
    mm_free(expected);
}

static void test_errors(void **state)
{
    (void)state;
    assert_true(each_case(INVALID, check_error_of) >= 80);
}

int main(void)
{
    const struct CMUnitTest tests[] = {CLEAN_TEST(test_values), CLEAN_TEST(test_dumps),
                                       CLEAN_TEST(test_places),
                                       CLEAN_TEST(test_errors)};

    (void)setenv("MMENGINE_SITE", "cases/config/site", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
