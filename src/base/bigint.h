/* Natural numbers of bounded size, for exact comparisons between decimal and binary. */
#ifndef MMI_BASE_BIGINT_H
#define MMI_BASE_BIGINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 5120 bits: 770 significant decimal digits times 2^1100 or 5^350 fit. */
enum { MMI_BIGINT_LIMBS = 160 };

/* Little endian; the highest limb in use is not 0. */
typedef struct mmi_bigint {
    size_t count;
    uint32_t limbs[MMI_BIGINT_LIMBS];
} mmi_bigint;

void mmi_bigint_set(mmi_bigint *number, uint64_t value);
/* number = number * factor + addend. */
void mmi_bigint_multiply(mmi_bigint *number, uint32_t factor, uint32_t addend);
void mmi_bigint_multiply_pow5(mmi_bigint *number, uint32_t exponent);
void mmi_bigint_shift_left(mmi_bigint *number, uint32_t bits);
/* Negative, 0 or positive as memcmp(). */
int mmi_bigint_compare(const mmi_bigint *a, const mmi_bigint *b);

#endif
