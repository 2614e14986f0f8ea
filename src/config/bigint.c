/* Schoolbook arithmetic on 32-bit limbs. Invariant: `count` has no leading zero limbs
 * and zero is never negative. Everything goes through reserve(), which enforces the
 * limit. */
#include "config/bigint.h"

#include <math.h>
#include <string.h>

#include "mmengine/memory.h"

void mmi_big_deinit(mmi_big *big)
{
    mm_free(big->limbs);
    *big = (mmi_big){0};
}

/* Room for `count` limbs; all of them zero. */
static bool reserve(mmi_big *out, int64_t count)
{
    if (count > MMI_BIG_MAX_LIMBS + 2) {
        (void)mm_raise(MM_ECONFIG, "an int of more than %d bits is too large",
                       MMI_BIG_MAX_LIMBS * 32);
        return false;
    }
    out->limbs = mm_alloc_array((size_t)(count > 0 ? count : 1), sizeof(uint32_t));
    out->room = (int32_t)count;
    out->count = out->limbs == NULL ? 0 : (int32_t)count;
    out->negative = false;
    return out->limbs != NULL;
}

static bool trim(mmi_big *big)
{
    while (big->count > 0 && big->limbs[big->count - 1] == 0) {
        big->count--;
    }
    big->negative = big->negative && big->count > 0;
    if (big->count > MMI_BIG_MAX_LIMBS) {
        (void)mm_raise(MM_ECONFIG, "an int of more than %d bits is too large",
                       MMI_BIG_MAX_LIMBS * 32);
        return false;
    }
    return true;
}

/* big = big * factor + term */
static void multiply_add(mmi_big *big, uint32_t factor, uint32_t term)
{
    uint64_t carry = term;

    for (int32_t i = 0; i < big->count; i++) {
        carry += (uint64_t)big->limbs[i] * factor;
        big->limbs[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry > 0) {
        big->limbs[big->count++] = (uint32_t)carry;
    }
}

/* Divides by a small number; returns the rest. */
static uint32_t divide_small(mmi_big *big, uint32_t divisor)
{
    uint64_t rest = 0;

    for (int32_t i = big->count - 1; i >= 0; i--) {
        rest = rest << 32 | big->limbs[i];
        big->limbs[i] = (uint32_t)(rest / divisor);
        rest %= divisor;
    }
    (void)trim(big);
    return (uint32_t)rest;
}

static uint32_t digit_value(char c)
{
    if (c >= '0' && c <= '9') {
        return (uint32_t)(c - '0');
    }
    return (uint32_t)((c | 32) - 'a' + 10);
}

bool mmi_big_parse(mmi_big *out, const char *digits, size_t size, int base)
{
    if (size > (size_t)MMI_BIG_MAX_LIMBS * 32) {
        return reserve(out, MMI_BIG_MAX_LIMBS + 3); /* raises */
    }
    if (!reserve(out, (int64_t)(size * 6 / 32 + 2))) {
        return false;
    }
    out->count = 0;
    for (size_t i = 0; i < size; i++) {
        multiply_add(out, (uint32_t)base, digit_value(digits[i]));
    }
    return trim(out);
}

static bool from_i64(mmi_big *out, int64_t value)
{
    uint64_t magnitude = value < 0 ? ~(uint64_t)value + 1 : (uint64_t)value;

    if (!reserve(out, 2)) {
        return false;
    }
    out->limbs[0] = (uint32_t)magnitude;
    out->limbs[1] = (uint32_t)(magnitude >> 32);
    out->negative = value < 0;
    return trim(out);
}

bool mmi_big_load(mmi_big *out, const mm_value *value)
{
    const char *digits = NULL;
    bool negative = false;

    if (mm_value_kind(value) != MM_KIND_BIGINT) {
        return from_i64(out, mm_value_i64(value));
    }
    digits = mm_value_digits(value);
    if (digits == NULL) {
        return false;
    }
    negative = digits[0] == '-';
    digits += negative;
    if (!mmi_big_parse(out, digits, strlen(digits), 10)) {
        return false;
    }
    out->negative = negative && out->count > 0;
    return true;
}

bool mmi_big_from_f64(mmi_big *out, double value)
{
    int exponent = 0;
    double fraction = frexp(fabs(trunc(value)), &exponent);
    mmi_big mantissa = {0};
    bool good = from_i64(&mantissa, (int64_t)ldexp(fraction, 53));

    if (exponent >= 53) {
        good = good && mmi_big_shift_left(out, &mantissa, (uint64_t)(exponent - 53));
    } else {
        good = good && mmi_big_shift_right(out, &mantissa, (uint64_t)(53 - exponent));
    }
    mmi_big_deinit(&mantissa);
    out->negative = good && value < 0 && out->count > 0;
    return good;
}

static bool copy(mmi_big *out, const mmi_big *a)
{
    if (!reserve(out, a->count)) {
        return false;
    }
    if (a->count > 0) {
        memcpy(out->limbs, a->limbs, (size_t)a->count * sizeof(uint32_t));
    }
    out->negative = a->negative;
    return true;
}

char *mmi_big_format(const mmi_big *big, int base)
{
    /* whole groups of digits per division */
    uint32_t group = (uint32_t)base;
    int digits = 1;
    mmi_big left = {0};
    char *text = NULL;
    size_t room = (size_t)big->count * 33 + 16;
    size_t at = room;

    while (group <= UINT32_MAX / (uint32_t)base) {
        group *= (uint32_t)base;
        digits++;
    }
    text = mm_alloc(room + 1);
    if (text == NULL || !copy(&left, big)) {
        mm_free(text);
        return NULL;
    }
    do {
        uint32_t rest = divide_small(&left, group);

        for (int i = 0; i < digits && (rest > 0 || left.count > 0); i++) {
            text[--at] = "0123456789abcdefghijklmnopqrstuvwxyz"[rest % (uint32_t)base];
            rest /= (uint32_t)base;
        }
    } while (left.count > 0);
    if (at == room) {
        text[--at] = '0';
    }
    if (big->negative) {
        text[--at] = '-';
    }
    memmove(text, text + at, room - at + 1);
    mmi_big_deinit(&left);
    return text;
}

mm_value *mmi_big_value(const mmi_big *big)
{
    char *text = NULL;
    mm_value *value = NULL;

    if (big->count <= 1) {
        int64_t small = big->count == 0 ? 0 : (int64_t)big->limbs[0];

        return mm_value_new_i64(big->negative ? -small : small);
    }
    text = mmi_big_format(big, 10);
    value = text == NULL ? NULL : mm_value_new_bigint(text);
    mm_free(text);
    return value;
}

int64_t mmi_big_bits(const mmi_big *big)
{
    uint32_t top = big->count == 0 ? 0 : big->limbs[big->count - 1];
    int64_t bits = big->count == 0 ? 0 : (int64_t)(big->count - 1) * 32;

    for (; top > 0; top >>= 1) {
        bits++;
    }
    return bits;
}

/* True if any of the lowest `bits` bits is set. */
static bool has_low_bits(const mmi_big *big, int64_t bits)
{
    for (int32_t i = 0; i < big->count && (int64_t)i * 32 < bits; i++) {
        int64_t left = bits - (int64_t)i * 32;
        uint32_t mask = left >= 32 ? UINT32_MAX : ((uint32_t)1 << left) - 1;

        if ((big->limbs[i] & mask) != 0) {
            return true;
        }
    }
    return false;
}

double mmi_big_f64(const mmi_big *big)
{
    int64_t bits = mmi_big_bits(big);
    int64_t drop = bits > 62 ? bits - 62 : 0;
    uint64_t top = 0;

    for (int64_t bit = drop; bit < bits; bit++) {
        uint64_t one = big->limbs[bit / 32] >> (bit % 32) & 1U;

        top |= one << (bit - drop);
    }
    /* 62 bits leave room below the 53 of a double: a set bit keeps ties apart */
    if (has_low_bits(big, drop)) {
        top |= 1;
    }
    double value = drop > 4096 ? (double)INFINITY : ldexp((double)top, (int)drop);
    return big->negative ? -value : value;
}

static int compare_magnitude(const mmi_big *a, const mmi_big *b)
{
    if (a->count != b->count) {
        return a->count < b->count ? -1 : 1;
    }
    for (int32_t i = a->count - 1; i >= 0; i--) {
        if (a->limbs[i] != b->limbs[i]) {
            return a->limbs[i] < b->limbs[i] ? -1 : 1;
        }
    }
    return 0;
}

int mmi_big_compare(const mmi_big *a, const mmi_big *b)
{
    if (a->negative != b->negative) {
        return a->negative ? -1 : 1;
    }
    return a->negative ? compare_magnitude(b, a) : compare_magnitude(a, b);
}

static bool add_magnitude(mmi_big *out, const mmi_big *a, const mmi_big *b)
{
    int32_t count = (a->count > b->count ? a->count : b->count) + 1;
    uint64_t carry = 0;

    if (!reserve(out, count)) {
        return false;
    }
    for (int32_t i = 0; i < count; i++) {
        carry += i < a->count ? a->limbs[i] : 0;
        carry += i < b->count ? b->limbs[i] : 0;
        out->limbs[i] = (uint32_t)carry;
        carry >>= 32;
    }
    return trim(out);
}

/* |a| - |b|, where |a| >= |b| */
static bool sub_magnitude(mmi_big *out, const mmi_big *a, const mmi_big *b)
{
    int64_t borrow = 0;

    if (!reserve(out, a->count)) {
        return false;
    }
    for (int32_t i = 0; i < a->count; i++) {
        int64_t d = (int64_t)a->limbs[i] - (i < b->count ? b->limbs[i] : 0) - borrow;

        borrow = d < 0;
        out->limbs[i] = (uint32_t)(d + (borrow ? (int64_t)1 << 32 : 0));
    }
    return trim(out);
}

static bool add_signed(mmi_big *out, const mmi_big *a, const mmi_big *b, bool negate)
{
    bool b_negative = b->negative != negate;
    bool good = false;
    bool negative = a->negative;

    if (a->negative == b_negative) {
        good = add_magnitude(out, a, b);
    } else if (compare_magnitude(a, b) >= 0) {
        good = sub_magnitude(out, a, b);
    } else {
        good = sub_magnitude(out, b, a);
        negative = b_negative;
    }
    out->negative = good && negative && out->count > 0;
    return good;
}

bool mmi_big_add(mmi_big *out, const mmi_big *a, const mmi_big *b)
{
    return add_signed(out, a, b, false);
}

bool mmi_big_sub(mmi_big *out, const mmi_big *a, const mmi_big *b)
{
    return add_signed(out, a, b, true);
}

bool mmi_big_mul(mmi_big *out, const mmi_big *a, const mmi_big *b)
{
    if (!reserve(out, (int64_t)a->count + b->count)) {
        return false;
    }
    for (int32_t i = 0; i < a->count; i++) {
        uint64_t carry = 0;

        for (int32_t j = 0; j < b->count; j++) {
            carry += out->limbs[i + j] + (uint64_t)a->limbs[i] * b->limbs[j];
            out->limbs[i + j] = (uint32_t)carry;
            carry >>= 32;
        }
        out->limbs[i + b->count] = (uint32_t)carry;
    }
    out->negative = a->negative != b->negative;
    return trim(out);
}

/* Divides magnitudes bit by bit: `out_rest` walks down the bits of `a`. */
static bool divide_magnitude(mmi_big *out_quotient, mmi_big *out_rest, const mmi_big *a,
                             const mmi_big *b)
{
    if (!reserve(out_quotient, a->count) || !reserve(out_rest, (int64_t)b->count + 1)) {
        return false;
    }
    out_rest->count = 0;
    for (int64_t bit = mmi_big_bits(a) - 1; bit >= 0; bit--) {
        uint32_t one = a->limbs[bit / 32] >> (bit % 32) & 1U;

        multiply_add(out_rest, 2, one);
        if (compare_magnitude(out_rest, b) >= 0) {
            int64_t borrow = 0;

            for (int32_t i = 0; i < out_rest->count; i++) {
                int64_t d = (int64_t)out_rest->limbs[i] -
                            (i < b->count ? b->limbs[i] : 0) - borrow;

                borrow = d < 0;
                out_rest->limbs[i] = (uint32_t)(d + (borrow ? (int64_t)1 << 32 : 0));
            }
            (void)trim(out_rest);
            out_quotient->limbs[bit / 32] |= (uint32_t)1 << (bit % 32);
        }
    }
    return trim(out_quotient);
}

/* Towards minus infinity: if signs differ and a rest is left, one down. */
static bool make_floor(mmi_big *quotient, mmi_big *rest, const mmi_big *b, bool differ)
{
    mmi_big one = {0};
    mmi_big floored = {0};
    mmi_big fixed = {0};
    bool good = true;

    quotient->negative = differ && quotient->count > 0;
    rest->negative = rest->count > 0 && (b->negative != differ);
    if (!differ || rest->count == 0) {
        return true;
    }
    good = from_i64(&one, 1) && mmi_big_sub(&floored, quotient, &one) &&
           mmi_big_add(&fixed, rest, b);
    mmi_big_deinit(&one);
    mmi_big_deinit(quotient);
    mmi_big_deinit(rest);
    *quotient = floored;
    *rest = fixed;
    return good;
}

bool mmi_big_divmod(mmi_big *out_quotient, mmi_big *out_rest, const mmi_big *a,
                    const mmi_big *b)
{
    mmi_big quotient = {0};
    mmi_big rest = {0};
    bool good = divide_magnitude(&quotient, &rest, a, b) &&
                make_floor(&quotient, &rest, b, a->negative != b->negative);

    if (good && out_quotient != NULL) {
        *out_quotient = quotient;
        quotient = (mmi_big){0};
    }
    if (good && out_rest != NULL) {
        *out_rest = rest;
        rest = (mmi_big){0};
    }
    mmi_big_deinit(&quotient);
    mmi_big_deinit(&rest);
    return good;
}

/* *a *= b */
static bool multiply_by(mmi_big *a, const mmi_big *b)
{
    mmi_big product = {0};
    bool good = mmi_big_mul(&product, a, b);

    mmi_big_deinit(a);
    *a = product;
    return good;
}

bool mmi_big_pow(mmi_big *out, const mmi_big *base, uint64_t exponent)
{
    mmi_big power = {0};
    bool good = from_i64(out, 1) && copy(&power, base);

    while (good && exponent > 0) {
        if (exponent & 1) {
            good = multiply_by(out, &power);
        }
        exponent >>= 1;
        if (exponent > 0 && good) {
            mmi_big square = {0};

            good = mmi_big_mul(&square, &power, &power);
            mmi_big_deinit(&power);
            power = square;
        }
    }
    mmi_big_deinit(&power);
    return good;
}

bool mmi_big_shift_left(mmi_big *out, const mmi_big *a, uint64_t bits)
{
    int64_t words = (int64_t)(bits / 32 > 1u << 20 ? 1u << 20 : bits / 32);
    uint32_t shift = (uint32_t)(bits % 32);

    if (a->count == 0) {
        return copy(out, a);
    }
    if (!reserve(out, a->count + words + 1)) {
        return false;
    }
    for (int32_t i = 0; i < a->count; i++) {
        uint64_t wide = (uint64_t)a->limbs[i] << shift;

        out->limbs[i + words] |= (uint32_t)wide;
        out->limbs[i + words + 1] |= (uint32_t)(wide >> 32);
    }
    out->negative = a->negative;
    return trim(out);
}

bool mmi_big_shift_right(mmi_big *out, const mmi_big *a, uint64_t bits)
{
    uint64_t words = bits / 32;
    uint32_t shift = (uint32_t)(bits % 32);
    int64_t count = words >= (uint64_t)a->count ? 0 : a->count - (int64_t)words;
    bool lost = has_low_bits(a, bits > INT64_MAX ? INT64_MAX : (int64_t)bits);
    mmi_big one = {0};
    mmi_big floored = {0};
    bool good = false;

    if (!reserve(out, count)) {
        return false;
    }
    for (int64_t i = 0; i < count; i++) {
        uint64_t wide = a->limbs[i + (int64_t)words];

        if (i + 1 < count) {
            wide |= (uint64_t)a->limbs[i + 1 + (int64_t)words] << 32;
        }
        out->limbs[i] = (uint32_t)(wide >> shift);
    }
    out->negative = a->negative;
    good = trim(out);
    if (!good || !a->negative || !lost) {
        return good;
    }
    good = from_i64(&one, 1) && mmi_big_sub(&floored, out, &one);
    mmi_big_deinit(&one);
    mmi_big_deinit(out);
    *out = floored;
    return good;
}

/* The i-th limb in two's complement; `carry` starts as 1. */
static uint32_t complement_limb(const mmi_big *a, int32_t i, uint64_t *carry)
{
    uint32_t limb = i < a->count ? a->limbs[i] : 0;

    if (!a->negative) {
        return limb;
    }
    *carry += ~limb;
    limb = (uint32_t)*carry;
    *carry >>= 32;
    return limb;
}

bool mmi_big_bitwise(mmi_big *out, const mmi_big *a, const mmi_big *b, char op)
{
    int32_t count = (a->count > b->count ? a->count : b->count) + 1;
    uint64_t carry_a = 1;
    uint64_t carry_b = 1;
    uint64_t carry = 1;

    if (!reserve(out, count)) {
        return false;
    }
    for (int32_t i = 0; i < count; i++) {
        uint32_t x = complement_limb(a, i, &carry_a);
        uint32_t y = complement_limb(b, i, &carry_b);

        out->limbs[i] = op == '&' ? x & y : op == '|' ? x | y : x ^ y;
    }
    out->negative = out->limbs[count - 1] >> 31 != 0;
    for (int32_t i = 0; out->negative && i < count; i++) {
        carry += (uint32_t)~out->limbs[i];
        out->limbs[i] = (uint32_t)carry;
        carry >>= 32;
    }
    return trim(out);
}

bool mmi_big_true_divide(const mmi_big *a, const mmi_big *b, double *out)
{
    /* a quotient of at least 63 bits; the rest only breaks ties */
    int64_t shift = mmi_big_bits(b) - mmi_big_bits(a) + 64;
    mmi_big scaled = {0};
    mmi_big quotient = {0};
    mmi_big rest = {0};
    mmi_big divisor = {0};
    bool good = copy(&divisor, b);

    divisor.negative = false;
    good = good && (shift >= 0 ? mmi_big_shift_left(&scaled, a, (uint64_t)shift)
                               : copy(&scaled, a));
    if (good && shift < 0) {
        mmi_big moved = {0};

        good = mmi_big_shift_left(&moved, &divisor, (uint64_t)-shift);
        mmi_big_deinit(&divisor);
        divisor = moved;
    }
    scaled.negative = false;
    good = good && divide_magnitude(&quotient, &rest, &scaled, &divisor);
    if (good) {
        if (rest.count > 0 && quotient.count > 0) {
            quotient.limbs[0] |= 1;
        }
        double value = ldexp(mmi_big_f64(&quotient), (int)-shift);
        *out = a->negative != b->negative ? -value : value;
        good = isfinite(*out);
    }
    mmi_big_deinit(&scaled);
    mmi_big_deinit(&quotient);
    mmi_big_deinit(&rest);
    mmi_big_deinit(&divisor);
    return good;
}
