/* Products of 64-bit numbers in 128 bits, without compiler extensions. */
#ifndef MMI_BASE_WIDE_H
#define MMI_BASE_WIDE_H

#include <stdint.h>

typedef struct mmi_u128 {
    uint64_t high;
    uint64_t low;
} mmi_u128;

static inline mmi_u128 mmi_multiply_wide(uint64_t a, uint64_t b)
{
    uint64_t a0 = a & 0xFFFFFFFFu;
    uint64_t a1 = a >> 32;
    uint64_t b0 = b & 0xFFFFFFFFu;
    uint64_t b1 = b >> 32;
    uint64_t low = a0 * b0;
    uint64_t middle = a1 * b0 + (low >> 32);
    uint64_t cross = a0 * b1 + (middle & 0xFFFFFFFFu);
    mmi_u128 product = {a1 * b1 + (middle >> 32) + (cross >> 32),
                        (cross << 32) | (low & 0xFFFFFFFFu)};
    return product;
}

/* Zero bits above the highest set bit; `value` is not 0. */
static inline int mmi_leading_zeros(uint64_t value)
{
    int zeros = 0;
    for (int step = 32; step > 0; step /= 2) {
        if (value >> (64 - step) == 0) {
            value <<= step;
            zeros += step;
        }
    }
    return zeros;
}

#endif
