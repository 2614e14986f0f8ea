/* Schoolbook arithmetic on natural numbers. Callers bound their operands so that
 * results fit; a result that does not is our bug and asserted. */
#include "base/bigint.h"

#include <string.h>

#include "mmengine/status.h"

void mmi_bigint_set(mmi_bigint *number, uint64_t value)
{
    number->count = 0;
    while (value != 0) {
        number->limbs[number->count++] = (uint32_t)value;
        value >>= 32;
    }
}

void mmi_bigint_multiply(mmi_bigint *number, uint32_t factor, uint32_t addend)
{
    uint64_t carry = addend;
    for (size_t i = 0; i < number->count; i++) {
        carry += (uint64_t)number->limbs[i] * factor;
        number->limbs[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry != 0) {
        MM_ASSERT(number->count < MMI_BIGINT_LIMBS);
        number->limbs[number->count++] = (uint32_t)carry;
    }
}

void mmi_bigint_multiply_pow5(mmi_bigint *number, uint32_t exponent)
{
    enum { STEP = 13 }; /* 5^13 is the largest power in 32 bits */
    const uint32_t power = 1220703125u;
    while (exponent >= STEP) {
        mmi_bigint_multiply(number, power, 0);
        exponent -= STEP;
    }
    while (exponent > 0) {
        mmi_bigint_multiply(number, 5, 0);
        exponent--;
    }
}

void mmi_bigint_shift_left(mmi_bigint *number, uint32_t bits)
{
    size_t whole = bits / 32;
    if (bits % 32 != 0) {
        mmi_bigint_multiply(number, 1u << (bits % 32), 0);
    }
    if (whole != 0 && number->count != 0) {
        MM_ASSERT(number->count + whole <= MMI_BIGINT_LIMBS);
        memmove(number->limbs + whole, number->limbs, number->count * sizeof(uint32_t));
        memset(number->limbs, 0, whole * sizeof(uint32_t));
        number->count += whole;
    }
}

int mmi_bigint_compare(const mmi_bigint *a, const mmi_bigint *b)
{
    if (a->count != b->count) {
        return a->count < b->count ? -1 : 1;
    }
    for (size_t i = a->count; i > 0; i--) {
        if (a->limbs[i - 1] != b->limbs[i - 1]) {
            return a->limbs[i - 1] < b->limbs[i - 1] ? -1 : 1;
        }
    }
    return 0;
}
