/* Every allocation of a load may fail: the load is then refused, and nothing is left.
 */
#include "base/memory.h"
#include "check.h"
#include "mmengine/config.h"

static const char *const paths[] = {
    "cases/config/valid/lazy_base/config.py",
    "cases/config/valid/lazy_types/config.py",
    "cases/config/valid/lazy_std/config.py",
    "cases/config/valid/inherit_chain/config.py",
    "cases/config/valid/files/config.py",
    "cases/config/valid/environ/config.py",
    "cases/config/valid/evaluated/config.py",
    "cases/config/invalid/lazy_no_name/config.py",
};

#ifdef MM_FAULTS
/* True if the load ended before the point that was to fail. */
static bool load_with(const char *path, int64_t failing)
{
    mm_error error;

    mmi_fail_at(failing);
    mm_config *config = mm_config_from_file(path, NULL);
    bool is_done = mmi_fault_points() < failing;

    mmi_fail_at(0);
    mm_status status = mm_error_take(&error);

    assert_int_equal(status == MM_OK, config != NULL);
    mm_config_unref(config);
    return is_done;
}

static void test_each(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        int64_t live = mm_live_values();
        int64_t failing = 1;

        while (!load_with(paths[i], failing)) {
            assert_int_equal(mm_live_values(), live);
            failing++;
        }
        assert_true(failing > 20);
    }
}

#else
static void test_each(void **state)
{
    (void)state;
    (void)paths;
    skip(); /* a debug build can make allocations fail */
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {CLEAN_TEST(test_each)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
