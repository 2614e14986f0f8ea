/* Memory of tensors: freed blocks come back, the pool stays within its bounds, and what
 * cannot be had is an error. */
#include "check.h"

#include <stdlib.h>
#include <string.h>
#include <threads.h>

#include "mmengine/ops.h"

enum { MIB = 1 << 20 };

static mm_tensor *floats(int64_t count)
{
    return mm_empty(MM_DTYPE_F32, 1, &count);
}

static bool is_off(void)
{
    const char *wanted = getenv("MMENGINE_HOST_CACHE");

    return wanted != NULL && strcmp(wanted, "0") == 0;
}

static void freed_blocks_come_back(void **state)
{
    static const int64_t counts[] = {1, 16, 256, 257, 1000, 4096, 1 << 18, 3 << 20};
    (void)state;

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        mm_scope scope = mm_scope_open();
        void *first = mm_data(floats(counts[i]), MM_DTYPE_F32);

        assert_int_equal((uintptr_t)first % 64, 0);
        memset(first, 1, (size_t)counts[i] * sizeof(float)); /* all of it is there */
        mm_scope_close(scope);
        scope = mm_scope_open();
        void *second = mm_data(floats(counts[i]), MM_DTYPE_F32);

        if (!is_off())
            assert_ptr_equal(first, second);
        mm_scope_close(scope);
    }
    check_ok();
}

static void blocks_in_use_are_apart(void **state)
{
    enum { COUNT = 300 };
    mm_scope scope = mm_scope_open();
    unsigned char *data[COUNT];
    (void)state;

    for (int64_t i = 0; i < COUNT; i++) {
        mm_tensor *made = floats(1 + i * 7 % 700);

        data[i] = mm_data(made, MM_DTYPE_F32);
        memset(data[i], (int)(i & 255), (size_t)(1 + i * 7 % 700) * sizeof(float));
    }
    for (int64_t i = 0; i < COUNT; i++) {
        size_t size = (size_t)(1 + i * 7 % 700) * sizeof(float);

        assert_int_equal(data[i][0], i & 255);
        assert_int_equal(data[i][size - 1], i & 255);
    }
    mm_scope_close(scope);
    check_ok();
}

/* Ever other sizes, one at a time: without a bound the pool would grow for ever. */
static void the_pool_is_bounded(void **state)
{
    (void)state;
    assert_int_equal(mm_empty_cache(), MM_OK);
    mm_host_memory before = mm_host_memory_now();

    assert_int_equal(before.kept, 0);
    for (int64_t i = 1; i <= 200; i++) {
        mm_scope scope = mm_scope_open();

        assert_non_null(floats(i * MIB / 8 / 4 * 5));
        mm_scope_close(scope);
        mm_host_memory now = mm_host_memory_now();

        assert_int_equal(now.in_use, before.in_use);
        assert_true(now.in_use + now.kept <= now.most_in_use + 64 * MIB);
    }
    mm_host_memory after = mm_host_memory_now();

    if (!is_off())
        assert_true(after.kept > 64 * MIB);
    assert_int_equal(mm_empty_cache(), MM_OK);
    assert_int_equal(mm_host_memory_now().kept, 0);
    check_ok();
}

static int allocate_elsewhere(void *user)
{
    mm_tensor **made = user;

    for (int i = 0; i < 100; i++) { /* small ones die with the thread */
        mm_scope scope = mm_scope_open();

        assert_non_null(floats(8 + i));
        mm_scope_close(scope);
    }
    mm_scope scope = mm_scope_open();

    made[0] = mm_keep(floats(10));
    made[1] = mm_keep(floats(MIB));
    mm_scope_close(scope);
    return 0;
}

static void threads_hand_blocks_over(void **state)
{
    (void)state;

    for (int i = 0; i < 20; i++) {
        mm_tensor *made[2] = {NULL};
        thrd_t thread;

        assert_int_equal(thrd_create(&thread, allocate_elsewhere, made), thrd_success);
        assert_int_equal(thrd_join(thread, NULL), thrd_success);
        memset(mm_data(made[0], MM_DTYPE_F32), 7, 40);
        memset(mm_data(made[1], MM_DTYPE_F32), 7, 4 * MIB);
        mm_tensor_unref(made[0]);
        mm_tensor_unref(made[1]);
    }
    check_ok();
}

static void too_much_is_an_error(void **state)
{
    mm_scope scope = mm_scope_open();
    mm_host_memory before = mm_host_memory_now();
    (void)state;

    assert_null(floats(INT64_C(1) << 45));
    check_error(MM_ENOMEM);
    assert_null(floats(INT64_C(1) << 50));
    check_error(MM_ENOMEM);
    assert_int_equal(mm_host_memory_now().in_use, before.in_use);
    mm_scope_close(scope);
}

int test_host_memory(void)
{
    const struct CMUnitTest tests[] = {
        CLEAN_TEST(freed_blocks_come_back), CLEAN_TEST(blocks_in_use_are_apart),
        CLEAN_TEST(the_pool_is_bounded),    CLEAN_TEST(threads_hand_blocks_over),
        CLEAN_TEST(too_much_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
