/* Ints without a bound, for the results that 64 bits do not hold. Size is limited so
 * that no expression can run away. */
#ifndef MM_CONFIG_BIGINT_H
#define MM_CONFIG_BIGINT_H

#include "mmengine/value.h"

enum { MMI_BIG_MAX_LIMBS = 2048 }; /* 65,536 bits, about 19,700 decimal digits */

/* Sign and magnitude, least significant limb first, no leading zeros. Zero is 0. */
typedef struct mmi_big {
    uint32_t *limbs;
    int32_t count, room;
    bool negative;
} mmi_big;

void mmi_big_deinit(mmi_big *big);

/* From an int or bool value. Errors: MM_ENOMEM. */
bool mmi_big_load(mmi_big *out, const mm_value *value);
/* From digits of a base (2 to 36), without sign or underscores. Errors: MM_ECONFIG if
 * too large. */
bool mmi_big_parse(mmi_big *out, const char *digits, size_t size, int base);
/* From the whole part of a finite double. */
bool mmi_big_from_f64(mmi_big *out, double value);
/* As an int value: 64 bits where it fits. */
mm_value *mmi_big_value(const mmi_big *big);
/* Digits in a base, with a '-'. The text is yours. */
char *mmi_big_format(const mmi_big *big, int base);
/* The nearest double; infinite if too large. */
double mmi_big_f64(const mmi_big *big);

/* -1, 0, 1 */
int mmi_big_compare(const mmi_big *a, const mmi_big *b);
int64_t mmi_big_bits(const mmi_big *big); /* length of the magnitude in bits */

/* Results are new; `out` must be empty. False with an error. */
bool mmi_big_add(mmi_big *out, const mmi_big *a, const mmi_big *b);
bool mmi_big_sub(mmi_big *out, const mmi_big *a, const mmi_big *b);
bool mmi_big_mul(mmi_big *out, const mmi_big *a, const mmi_big *b);
/* Python's floor division; `b` is not zero. Either result may be NULL. */
bool mmi_big_divmod(mmi_big *out_quotient, mmi_big *out_rest, const mmi_big *a,
                    const mmi_big *b);
bool mmi_big_pow(mmi_big *out, const mmi_big *base, uint64_t exponent);
bool mmi_big_shift_left(mmi_big *out, const mmi_big *a, uint64_t bits);
bool mmi_big_shift_right(mmi_big *out, const mmi_big *a, uint64_t bits); /* floors */
/* op: '&', '|' or '^', on two's complement. */
bool mmi_big_bitwise(mmi_big *out, const mmi_big *a, const mmi_big *b, char op);
/* a / b as Python rounds it. False without an error if the result is too large. */
bool mmi_big_true_divide(const mmi_big *a, const mmi_big *b, double *out);

#endif
