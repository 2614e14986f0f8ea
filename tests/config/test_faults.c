/* Memory that runs out at every possible point of reading, changing, comparing and
 * writing configs: an error, nothing leaks. Fault injection is part of debug builds. */
#include <string.h>

#include "base/memory.h"
#include "check.h"
#include "mmengine/config.h"

#ifdef MM_FAULTS

/* True if it came to its end. */
static bool load_yaml(void)
{
    mm_config *config =
        mm_config_from_file("cases/config/valid/yaml_child/config.yaml", NULL);
    bool is_done = config != NULL;

    mm_config_unref(config);
    return is_done;
}

static bool load_json(void)
{
    mm_config *config =
        mm_config_from_file("cases/config/valid/json_child/config.json", NULL);
    bool is_done = config != NULL;

    mm_config_unref(config);
    return is_done;
}

static bool load_eval(void)
{
    mm_config *config =
        mm_config_from_string("a: !!python/object/apply:eval ['[1, 2] * 2']", ".yaml");
    bool is_done = config != NULL;

    mm_config_unref(config);
    return is_done;
}

static bool format(const char *name)
{
    mm_config *config = mm_config_from_string(
        "a: {b: [1, {c: !!python/tuple [x, 2.5]}], d: '{{'}\n", ".yaml");
    char *text = config == NULL
                     ? NULL
                     : mm_config_format(mm_config_root(config), name, MM_CONFIG_SORTED);
    bool is_done = text != NULL;

    mm_free(text);
    mm_config_unref(config);
    return is_done;
}

static bool format_yaml(void)
{
    return format("yaml");
}

static bool format_json(void)
{
    return format("json");
}

static bool format_py(void)
{
    return format("py");
}

static bool compare(void)
{
    mm_config *a = mm_config_from_string("{\"a\": [{\"b\": 1}, 2], \"c\": 3}", ".json");
    mm_config *b =
        a == NULL
            ? NULL
            : mm_config_from_string("{\"a\": [{\"b\": 2}, 2, 3], \"d\": 3}", ".json");
    mm_value *rows =
        b == NULL ? NULL : mm_config_diff(mm_config_root(a), mm_config_root(b));
    mm_value *origins = rows == NULL ? NULL : mm_config_origins(mm_config_root(a));
    bool is_done = origins != NULL;

    mm_value_unref(rows);
    mm_value_unref(origins);
    mm_config_unref(a);
    mm_config_unref(b);
    return is_done;
}

static bool override(void)
{
    mm_config *config =
        mm_config_from_string("{\"a\": [{\"b\": 1}, 2], \"c\": 3}", ".json");
    bool is_done =
        config != NULL &&
        mm_config_override(config, "a.0.b=[1,(2,'x y'),None]", NULL, NULL) == MM_OK &&
        mm_config_override(config, "x.y.z=1e3", NULL, NULL) == MM_OK;

    mm_config_unref(config);
    return is_done;
}

static void sweep(bool (*run)(void))
{
    int64_t values = mm_live_values();
    int64_t blocks = mm_live_blocks();
    bool is_done = false;

    for (int64_t n = 1; !is_done; n++) {
        mmi_fail_at(n);
        is_done = run();
        mmi_fail_at(0);
        if (!is_done) {
            mm_status status = mm_error_take(NULL); /* system calls fail too */

            assert_true(status == MM_ENOMEM || status == MM_EIO ||
                        status == MM_ENOENT || status == MM_ECONFIG);
        }
        assert_int_equal(mm_live_values(), values);
        assert_int_equal(mm_live_blocks(), blocks);
    }
    check_ok();
}

#define SWEEP(run)                                                                     \
    static void test_##run(void **state)                                               \
    {                                                                                  \
        (void)state;                                                                   \
        sweep(run);                                                                    \
    }
SWEEP(load_yaml)
SWEEP(load_json)
SWEEP(load_eval)
SWEEP(format_yaml)
SWEEP(format_json)
SWEEP(format_py)
SWEEP(compare)
SWEEP(override)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLEAN_TEST(test_load_yaml),   CLEAN_TEST(test_load_json),
        CLEAN_TEST(test_load_eval),   CLEAN_TEST(test_format_yaml),
        CLEAN_TEST(test_format_json), CLEAN_TEST(test_format_py),
        CLEAN_TEST(test_compare),     CLEAN_TEST(test_override),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    return 0;
}

#endif
