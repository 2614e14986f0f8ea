/*
 * Text to floats and ints, correctly rounded. Three ways, from fast to sure: an exact
 * division or product of small numbers; Eisel and Lemire's method, one wide product
 * with the leading bits of the power of ten, exact for up to 19 digits; and for longer
 * texts whose tail matters, a comparison of the whole decimal with the middle between
 * two neighbouring floats in large natural numbers.
 */
#include <math.h>
#include <string.h>

#include "base/bigint.h"
#include "base/pow10_table.h"
#include "base/status.h"
#include "base/wide.h"
#include "mmengine/number.h"

enum {
    MANTISSA_BITS = 52,
    EXPONENT_BIAS = 1023,
    INFINITE_POWER = 0x7FF,
    WORD_DIGITS = 19,  /* decimal digits that fit 64 bits */
    KEPT_DIGITS = 770, /* digits beyond these cannot change the rounding but by being */
    EXPONENT_LIMIT = 400 /* of 10: beyond it all is 0 or infinite */
};

/* A scanned number: digits[0 .. count) * 10^exponent, and more nonzero digits after
 * them if `is_cut`. The digits are borrowed: `text` with points to be skipped. */
struct scanned {
    const char *text;  /* the first nonzero digit */
    size_t count;      /* significant digits, trailing ones included */
    int64_t exponent;  /* of the last of them */
    uint64_t word;     /* the first WORD_DIGITS of them */
    size_t word_count; /* how many those are */
    bool is_negative;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Reads digits with at most one point among them; returns the bytes read, 0 if no
 * digit. */
static size_t scan_digits(const char *text, size_t size, struct scanned *out)
{
    size_t i = 0;
    size_t point = SIZE_MAX;
    bool has_digit = false;
    out->text = NULL;
    for (; i < size; i++) {
        if (text[i] == '.' && point == SIZE_MAX) {
            point = i;
            continue;
        }
        if (!is_digit(text[i])) {
            break;
        }
        has_digit = true;
        if (text[i] != '0' && out->text == NULL) {
            out->text = text + i;
        }
        if (out->text != NULL) {
            if (out->word_count < WORD_DIGITS) {
                out->word = out->word * 10 + (uint64_t)(text[i] - '0');
                out->word_count++;
            }
            out->count++;
        }
    }
    if (!has_digit) {
        return 0;
    }
    if (point != SIZE_MAX) {
        out->exponent = -(int64_t)(i - point - 1);
    }
    return i;
}

/* Reads "e+12" and adds it to the exponent; returns the bytes read, 0 if there is none.
 */
static size_t scan_exponent(const char *text, size_t size, struct scanned *out)
{
    if (size < 2 || (text[0] != 'e' && text[0] != 'E')) {
        return 0;
    }
    size_t i = text[1] == '+' || text[1] == '-' ? 2 : 1;
    if (i >= size || !is_digit(text[i])) {
        return 0;
    }
    int64_t exponent = 0;
    for (; i < size && is_digit(text[i]); i++) {
        if (exponent < INT64_MAX / 100) {
            exponent = exponent * 10 + (text[i] - '0');
        }
    }
    out->exponent += text[1] == '-' ? -exponent : exponent;
    return i;
}

/* Small numbers: both operands are exact floats, so one operation rounds once. */
static bool convert_exactly(uint64_t word, int64_t exponent, double *out)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (word > UINT64_C(1) << 53 || exponent < -22 || exponent > 22) {
        return false;
    }
    *out = exponent < 0 ? (double)word / powers[-exponent]
                        : (double)word * powers[exponent];
    return true;
}

static double from_bits(uint64_t bits)
{
    double value = 0.0;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* word * 10^exponent in 128 bits; the low half is refined only if it can matter. */
static mmi_u128 multiply_pow10(uint64_t word, int exponent)
{
    const uint64_t *power = mmi_pow10[exponent - MMI_POW10_FIRST];
    uint64_t low = power[1];
    uint64_t high = power[0];
    if (exponent < 0 && exponent >= -27) { /* the method wants these rounded up */
        low++;
        high += low == 0;
    }
    mmi_u128 product = mmi_multiply_wide(word, high);
    if ((product.high & 0x1FF) == 0x1FF) {
        mmi_u128 more = mmi_multiply_wide(word, low);
        product.low += more.high;
        product.high += product.low < more.high;
    }
    return product;
}

/* The bits of the float nearest to word * 10^exponent. */
static uint64_t convert_word(uint64_t word, int64_t exponent)
{
    const uint64_t infinite = (uint64_t)INFINITE_POWER << MANTISSA_BITS;
    if (word == 0 || exponent < MMI_POW10_FIRST) {
        return 0;
    }
    if (exponent > 308) {
        return infinite;
    }
    int q = (int)exponent;
    int zeros = mmi_leading_zeros(word);
    mmi_u128 product = multiply_pow10(word << zeros, q);
    int upper = (int)(product.high >> 63);
    int shift = upper + 64 - MANTISSA_BITS - 3;
    uint64_t mantissa = product.high >> shift;
    int power = (int)(((152170 + 65536) * (int64_t)q) >> 16) + 63 + upper - zeros +
                EXPONENT_BIAS;
    if (power <= 0) { /* a subnormal number */
        if (1 - power >= 64) {
            return 0;
        }
        mantissa >>= 1 - power;
        mantissa = (mantissa + (mantissa & 1)) >> 1;
        return mantissa; /* a carry into bit 52 is the least normal number */
    }
    if (product.low <= 1 && q >= -4 && q <= 23 && (mantissa & 3) == 1 &&
        mantissa << shift == product.high) {
        mantissa &= ~UINT64_C(1); /* exactly in the middle: to even */
    }
    mantissa = (mantissa + (mantissa & 1)) >> 1;
    if (mantissa >= UINT64_C(2) << MANTISSA_BITS) {
        mantissa >>= 1;
        power++;
    }
    if (power >= INFINITE_POWER) {
        return infinite;
    }
    return (mantissa & ((UINT64_C(1) << MANTISSA_BITS) - 1)) |
           ((uint64_t)power << MANTISSA_BITS);
}

/* The first KEPT_DIGITS digits as a natural number; what is cut off becomes one more
 * digit, 1, which keeps the order against every middle of two floats. */
static int64_t load_digits(const struct scanned *number, mmi_bigint *out)
{
    size_t kept = number->count < KEPT_DIGITS ? number->count : KEPT_DIGITS;
    const char *digit = number->text;
    mmi_bigint_set(out, 0);
    for (size_t i = 0; i < kept; digit++) {
        if (*digit != '.') {
            mmi_bigint_multiply(out, 10, (uint32_t)(*digit - '0'));
            i++;
        }
    }
    if (kept == number->count) {
        return number->exponent;
    }
    bool has_more = false;
    for (size_t i = kept; i < number->count; digit++) {
        if (*digit != '.') {
            has_more = has_more || *digit != '0';
            i++;
        }
    }
    int64_t exponent = number->exponent + (int64_t)(number->count - kept);
    if (has_more) {
        mmi_bigint_multiply(out, 10, 1);
        exponent--;
    }
    return exponent;
}

/* Compares the number with the middle between the float of `bits` and the next one. */
static int compare_with_middle(const struct scanned *number, uint64_t bits)
{
    mmi_bigint decimal;
    mmi_bigint middle;
    int64_t exponent = load_digits(number, &decimal);
    uint64_t mantissa = bits & ((UINT64_C(1) << MANTISSA_BITS) - 1);
    int power = (int)(bits >> MANTISSA_BITS);
    if (power > 0) {
        mantissa |= UINT64_C(1) << MANTISSA_BITS;
    } else {
        power = 1;
    }
    /* middle = (2 * mantissa + 1) * 2^binary */
    int64_t binary = power - EXPONENT_BIAS - MANTISSA_BITS - 1;
    mmi_bigint_set(&middle, 2 * mantissa + 1);
    /* decimal * 5^e * 2^e against middle * 2^b: negative powers change sides */
    if (exponent >= 0) {
        mmi_bigint_multiply_pow5(&decimal, (uint32_t)exponent);
    } else {
        mmi_bigint_multiply_pow5(&middle, (uint32_t)-exponent);
    }
    int64_t shift = exponent - binary;
    if (shift >= 0) {
        mmi_bigint_shift_left(&decimal, (uint32_t)shift);
    } else {
        mmi_bigint_shift_left(&middle, (uint32_t)-shift);
    }
    return mmi_bigint_compare(&decimal, &middle);
}

/* More than 19 digits: the first 19 leave two neighbours at most; then all decide. */
static uint64_t convert_long(const struct scanned *number)
{
    int64_t exponent = number->exponent + (int64_t)(number->count - WORD_DIGITS);
    uint64_t low = convert_word(number->word, exponent);
    uint64_t high = convert_word(number->word + 1, exponent);
    while (low < high) {
        int order = compare_with_middle(number, low);
        if (order < 0 || (order == 0 && (low & 1) == 0)) {
            return low;
        }
        low++;
    }
    return low;
}

static double convert(const struct scanned *number)
{
    double value = 0.0;
    int64_t magnitude = number->exponent + (int64_t)number->count;
    if (number->text == NULL || magnitude < -EXPONENT_LIMIT) {
        value = 0.0;
    } else if (magnitude > EXPONENT_LIMIT) {
        value = INFINITY;
    } else if (number->count > WORD_DIGITS) {
        value = from_bits(convert_long(number));
    } else if (!convert_exactly(number->word, number->exponent, &value)) {
        value = from_bits(convert_word(number->word, number->exponent));
    }
    return number->is_negative ? -value : value;
}

static bool begins_with(const char *text, size_t size, const char *word)
{
    for (size_t i = 0; word[i] != '\0'; i++) {
        if (i >= size || (text[i] | 0x20) != word[i]) {
            return false;
        }
    }
    return true;
}

static size_t scan_word(const char *text, size_t size, double *out)
{
    if (begins_with(text, size, "infinity")) {
        *out = INFINITY;
        return 8;
    }
    if (begins_with(text, size, "inf")) {
        *out = INFINITY;
        return 3;
    }
    if (begins_with(text, size, "nan")) {
        *out = NAN;
        return 3;
    }
    return 0;
}

size_t mm_f64_scan(const char *text, size_t size, double *out)
{
    struct scanned number = {0};
    size_t sign = size > 0 && (text[0] == '-' || text[0] == '+') ? 1 : 0;
    number.is_negative = sign == 1 && text[0] == '-';
    size_t digits = scan_digits(text + sign, size - sign, &number);
    if (digits == 0) {
        double word = 0.0;
        size_t letters = scan_word(text + sign, size - sign, &word);
        if (letters == 0) {
            return 0;
        }
        *out = number.is_negative ? -word : word;
        return sign + letters;
    }
    size_t end = sign + digits;
    end += scan_exponent(text + end, size - end, &number);
    *out = convert(&number);
    return end;
}

mm_status mm_f64_parse(const char *text, double *out)
{
    double value = 0.0;
    if (!MMI_NEED(text) || !MMI_NEED(out)) {
        return mm_pending();
    }
    size_t size = strlen(text);
    if (size == 0 || mm_f64_scan(text, size, &value) != size) {
        return mm_raise(MM_EINVAL, "could not read '%.60s' as a float", text);
    }
    *out = value;
    return MM_OK;
}

mm_status mm_i64_parse(const char *text, int64_t *out)
{
    if (!MMI_NEED(text) || !MMI_NEED(out)) {
        return mm_pending();
    }
    bool is_negative = text[0] == '-';
    const char *digit = text + (is_negative || text[0] == '+' ? 1 : 0);
    uint64_t limit = (uint64_t)INT64_MAX + (is_negative ? 1 : 0);
    uint64_t sum = 0;
    bool is_large = false;
    const char *first = digit;
    for (; is_digit(*digit); digit++) {
        uint64_t value = (uint64_t)(*digit - '0');
        is_large = is_large || sum > (limit - value) / 10;
        sum = is_large ? 0 : sum * 10 + value;
    }
    if (digit == first || *digit != '\0') {
        return mm_raise(MM_EINVAL, "could not read '%.60s' as an int", text);
    }
    if (is_large) {
        return mm_raise(MM_ERANGE, "the int %.60s does not fit 64 bits", text);
    }
    *out = is_negative ? (int64_t)(0 - sum) : (int64_t)sum;
    return MM_OK;
}
