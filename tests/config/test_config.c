/* The public functions of a config: reading from text, dotted paths, overrides,
 * writing.
 */
#include <string.h>

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
    assert_int_equal(mm_config_override(config, "a.b.1=dict(n=1, t='x y')", NULL, NULL),
                     MM_OK);
    assert_string_equal(mm_value_str(mm_config_get(config, "a.b.1.t")), "x y");
    assert_int_equal(mm_config_override(config, "a.d=[(1, 2), 'x y']", NULL, NULL),
                     MM_OK);
    check_json(config, "{\"a\": {\"b\": [1, {\"c\": 0.001, \"n\": 1, \"t\": \"x y\"}], "
                       "\"d\": [{\"__tuple__\": [1, 2]}, \"x y\"]}}");
    mm_config_unref(config);
}

struct option_case {
    const char *text, *json;
};

/* The answers are those of MMEngine 0.10.7's DictAction, but for the blanks in quotes.
 */
static const struct option_case option_cases[] = {
    {"1_000", "1000"},
    {"0x10", "\"0x10\""},
    {"007", "7"},
    {"1__0", "\"1__0\""},
    {"1e3", "1000.0"},
    {"-inf", "-Infinity"},
    {"FALSE", "false"},
    {"None", "null"},
    {"none", "\"none\""},
    {"a,b", "[\"a\", \"b\"]"},
    {"1,", "[1]"},
    {",1", "[\"\", 1]"},
    {"(1,)", "{\"__tuple__\": [1]}"},
    {"[]", "[]"},
    {"[(1,2), [3, 4],x]", "[{\"__tuple__\": [1, 2]}, [3, 4], \"x\"]"},
    {"\"[1,2]\"", "[1, 2]"},
    {"a b", "\"ab\""},
    {"a(b", "\"a(b\""},
    {"a=b", "\"a=b\""},
    {"123456789012345678901", "123456789012345678901"},
    {"'a b'", "\"a b\""},
    {"['a b',c]", "[\"a b\", \"c\"]"},
};

static void test_option_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof option_cases / sizeof option_cases[0]; i++) {
        mm_config *config = read_text("k = 0\n");
        char *option = mm_strfmt("k=%s", option_cases[i].text);
        char *expected = mm_strfmt("{\"k\": %s}", option_cases[i].json);

        assert_int_equal(mm_config_override(config, option, NULL, NULL), MM_OK);
        check_json(config, expected);
        mm_free(option);
        mm_free(expected);
        mm_config_unref(config);
    }
}

static bool knows_momentum(void *user, const mm_config *config, const char *key)
{
    (void)config;
    ++*(int *)user;
    return strcmp(key, "opt.momentum") == 0;
}

static void test_unknown_keys(void **state)
{
    (void)state;
    mm_config *config = read_text("opt = dict(lr=1, steps=[3])\n");
    int asked = 0;

    assert_int_equal(mm_config_override(config, "opt.lr=2", knows_momentum, &asked),
                     MM_OK);
    assert_int_equal(asked, 0); /* it is there */
    assert_int_equal(
        mm_config_override(config, "opt.momentum=3", knows_momentum, &asked), MM_OK);
    (void)mm_config_override(config, "opt.momentun=3", knows_momentum, &asked);
    check_error_text(MM_ECONFIG,
                     "could not set 'opt.momentun': 'opt' has no key 'momentun'");
    (void)mm_config_override(config, "opt.steps.7=1", NULL, NULL);
    check_error_text(MM_ECONFIG, "--cfg-options:1:13: opt.steps.7: index 7 exceeds the "
                                 "length 1 of the list");
    (void)mm_config_override(config, "opt.steps=dict(a=)", NULL, NULL);
    assert_true(mm_error_take(NULL) < 0);
    (void)mm_config_override(config, "opt.steps=[1", NULL, NULL);
    check_ok();
    (void)mm_config_override(config, "opt.steps=[1,", NULL, NULL);
    check_error(MM_EINVAL);
    (void)mm_config_override(config, "nothing", NULL, NULL);
    check_error_text(MM_EINVAL, "'nothing' is no option of the form key=value");
    mm_config_unref(config);
}

static void test_limits(void **state)
{
    (void)state;
    const mm_config_args args = {.limits = {.max_steps = 10}};

    assert_null(mm_config_from_file("cases/config/valid/control/config.py", &args));
    check_error_text(MM_ECONFIG, "the config takes more than 10 steps to evaluate");
}

/* Each limit, just too small and just large enough. */
static void test_each_limit(void **state)
{
    (void)state;
    const char *path = "cases/config/valid/lazy_base/config.py";
    const mm_config_args few_bytes = {.limits = {.max_bytes = 2000}};
    const mm_config_args flat = {.limits = {.max_depth = 3}};
    const mm_config_args enough = {
        .limits = {.max_steps = 5000, .max_depth = 30, .max_bytes = INT64_MAX}};

    assert_null(mm_config_from_file(path, &few_bytes));
    check_error_text(MM_ECONFIG, "cases/config/valid/lazy_base/parts/model.py:6:1: "
                                 "the config needs more than 2000 bytes to evaluate");
    assert_null(mm_config_from_file(path, &flat));
    check_error_text(MM_ECONFIG, "cases/config/valid/lazy_base/parts/model.py:4:30: "
                                 "nested more than 3 levels deep");
    mm_config *config = mm_config_from_file(path, &enough);
    check_ok();
    mm_config_unref(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLEAN_TEST(test_paths),         CLEAN_TEST(test_override),
        CLEAN_TEST(test_option_values), CLEAN_TEST(test_unknown_keys),
        CLEAN_TEST(test_limits),        CLEAN_TEST(test_each_limit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
