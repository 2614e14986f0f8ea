/* What every test program includes: cmocka with the headers it wants before it, and a
 * check that a test leaves nothing behind. */
#ifndef TESTS_CHECK_H
#define TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka.h needs the four above. */
#include <cmocka.h>

#include "mmengine/memory.h"
#include "mmengine/scope.h"
#include "mmengine/status.h"
#include "mmengine/value.h"

/* Checks that `code` is the pending error, and takes it. */
#define check_error(code)                                                              \
    do {                                                                               \
        mm_error taken_;                                                               \
        assert_int_equal(mm_error_take(&taken_), (code));                              \
    } while (0)

/* The same, and that its message is `text`. */
#define check_error_text(code, text)                                                   \
    do {                                                                               \
        mm_error taken_;                                                               \
        assert_int_equal(mm_error_take(&taken_), (code));                              \
        assert_string_equal(taken_.message, (text));                                   \
    } while (0)

/* Checks that nothing is pending; prints what is. */
#define check_ok()                                                                     \
    do {                                                                               \
        mm_error taken_;                                                               \
        if (mm_error_take(&taken_) != MM_OK) {                                         \
            fail_msg("%s", taken_.message);                                            \
        }                                                                              \
    } while (0)

/* What was alive when a test began: tables that other tests of the program registered.
 */
static inline int64_t *check_baseline(void)
{
    static int64_t alive[2]; /* values, blocks */

    return alive;
}

/* A setup: what is alive now may stay. */
static inline int check_begin(void **state)
{
    (void)state;
    check_baseline()[0] = mm_live_values();
    check_baseline()[1] = mm_live_blocks();
    return 0;
}

/* A teardown: no error, scope, or new value or block is left. */
static inline int check_clean(void **state)
{
    (void)state;
    check_ok();
    assert_int_equal(mm_live_values(), check_baseline()[0]);
    assert_int_equal(mm_live_blocks(), check_baseline()[1]);
    assert_false(mm_scope_is_open());
    return 0;
}

/* One row of a test table whose test must leave nothing behind. */
#define CLEAN_TEST(function)                                                           \
    cmocka_unit_test_setup_teardown((function), check_begin, check_clean)

#endif
