/* Copies past the caches: the bytes, and nothing beside them. */
#include "check.h"

#include <string.h>

#include "kernels/copy.h"

enum { MOST = 700, SPACE = MOST + 64 };

static void copies_are_exact(void **state)
{
    static unsigned char from[SPACE], to[SPACE], expected[SPACE];
    (void)state;

    for (int i = 0; i < SPACE; i++) {
        from[i] = (unsigned char)(i * 7 + i / 256);
    }
    for (size_t size = 0; size <= MOST; size += size < 200 ? 1 : 37) {
        for (size_t shift = 0; shift < 20; shift += 3) {
            memset(to, 0xEE, sizeof to);
            memset(expected, 0xEE, sizeof expected);
            memcpy(expected + shift, from + shift / 2, size);
            mmi_copy_past_caches(to + shift, from + shift / 2, size);
            assert_memory_equal(to, expected, SPACE);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_are_exact),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
