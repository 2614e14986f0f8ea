/* What the fuzz targets share. A target takes any bytes; it must neither crash nor hang
 * nor leave anything behind, and what it promises about values is checked with panic().
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mmengine/config.h"
#include "mmengine/fileio.h"
#include "mmengine/memory.h"

/* libFuzzer's entry; 0 always. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

_Noreturn static inline void panic(const char *what, const char *one, const char *two)
{
    (void)fprintf(stderr, "%s\n--- one\n%s\n--- two\n%s\n", what,
                  one == NULL ? "" : one, two == NULL ? "" : two);
    abort();
}

/* Takes the pending error; panics if there is one and `must_not` says there cannot be.
 */
static inline void take_error(const char *must_not)
{
    mm_error error = {0};

    if (mm_error_take(&error) != MM_OK && must_not != NULL) {
        panic(must_not, error.message, NULL);
    }
}

/* Values in a tree, shared ones as often as they occur; counts to `most`. */
static inline size_t count_values(const mm_value *value, size_t most)
{
    mm_kind kind = mm_value_kind(value);
    bool is_dict = kind == MM_KIND_DICT;
    size_t count = 1;

    if (!is_dict && kind != MM_KIND_LIST && kind != MM_KIND_TUPLE &&
        kind != MM_KIND_SET) {
        return 1;
    }
    for (size_t i = 0; i < mm_value_len(value) && count < most; i++) {
        count += is_dict ? count_values(mm_dict_key_at(value, i), most - count) : 0;
        count += count_values(is_dict ? mm_dict_at(value, i) : mm_list_get(value, i),
                              count < most ? most - count : 1);
    }
    return count;
}

/* True if `what` occurs in the repr of a value. */
static inline bool shows(const char *repr, const char *what)
{
    return strstr(repr, what) != NULL;
}

/* Nothing may be left when an input is done. */
static inline void check_nothing_left(void)
{
    char text[80];

    if (mm_has_error()) {
        panic("an error is left", mm_error_peek()->message, NULL);
    }
    if (mm_live_values() != 0) {
        (void)snprintf(text, sizeof(text), "%lld", (long long)mm_live_values());
        panic("values are left", text, NULL);
    }
}

#endif
