/* The public functions of a config: reading from text, dotted paths, overrides,
 * writing.
 */
#include "check.h"
#include "mmengine/config.h"

static mm_config *read_text(const char *text)
{
    mm_config *config = mm_config_from_string(text, ".py");
    check_ok();
    return config;
}

static void check_json(const mm_config *config, const char *expected)
{
    char *text = mm_config_json(mm_config_root(config));
    check_ok();
    assert_string_equal(text, expected);
    mm_free(text);
}

static void test_paths(void **state)
{
    (void)state;
    mm_config *config = read_text("a = dict(b=[1, dict(c='x')])\n");

    assert_string_equal(mm_value_str(mm_config_get(config, "a.b.1.c")), "x");
    assert_null(mm_config_find(config, "a.b.2"));
    assert_null(mm_config_get(config, "a.d"));
    check_error_text(MM_EKEY, "could not get 'a.d': 'a' has no key 'd'");
    mm_config_unref(config);
}

static void test_override(void **state)
{
    (void)state;
    mm_config *config = read_text("a = dict(b=[1, dict(c='x')], d=None)\n");

    assert_int_equal(mm_config_override(config, "a.b.1.c=1e-3", NULL, NULL), MM_OK);
    assert_int_equal(mm_config_override(config, "a.d=[(1, 2), 'x y']", NULL, NULL),
                     MM_OK);
    check_json(config, "{\"a\": {\"b\": [1, {\"c\": 0.001}], "
                       "\"d\": [{\"__tuple__\": [1, 2]}, \"x y\"]}}");
    mm_config_unref(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {CLEAN_TEST(test_paths),
                                       CLEAN_TEST(test_override)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
