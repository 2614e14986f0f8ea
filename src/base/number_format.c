/*
 * Floats and ints to text. The shortest decimal that reads back as the same float is
 * found by Raffaello Giulietti's Schubfach method: of the decimals with one digit less
 * and with full length inside the float's rounding interval, take the nearest. It needs
 * one 128-bit power of ten and three wide products, and is proved correct for doubles.
 * Text of a given number of digits is the C library's, which rounds correctly; only the
 * decimal point, which follows the host's locale, is put right.
 */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/pow10_table.h"
#include "base/status.h"
#include "base/wide.h"
#include "mmengine/number.h"

enum { MANTISSA_BITS = 52, EXPONENT_BIAS = 1075, MAX_DIGITS = 17 };

/* value = digits * 10^exponent */
struct decimal {
    uint64_t digits;
    int exponent;
};

/* floor(log10(2^e)), and of 3/4 of it if `is_low`; floor(log2(10^e)) */
static int floor_log10_pow2(int e, bool is_low)
{
    return (int)(((int64_t)e * 1262611 - (is_low ? 524031 : 0)) >> 22);
}

static int floor_log2_pow10(int e)
{
    return (int)(((int64_t)e * 1741647) >> 19);
}

/* The leading bits of 10^e, rounded up. Powers from 0 to 55 fit and are exact. */
static mmi_u128 pow10_ceil(int e)
{
    const uint64_t *entry = mmi_pow10[e - MMI_POW10_FIRST];
    mmi_u128 power = {entry[0], entry[1]};
    if (e < 0 || e > 55) {
        power.low++;
        power.high += power.low == 0;
    }
    return power;
}

/* The high 64 bits of power * factor, with the last bit set if anything was cut off. */
static uint64_t round_to_odd(mmi_u128 power, uint64_t factor)
{
    mmi_u128 low = mmi_multiply_wide(power.low, factor);
    mmi_u128 high = mmi_multiply_wide(power.high, factor);
    uint64_t middle = high.low + low.high;
    uint64_t top = high.high + (middle < high.low);
    return top | (middle > 1);
}

/* `mantissa` * 2^`exponent` is the float; `is_edge`: its lower neighbour is nearer. */
static struct decimal shortest(uint64_t mantissa, int exponent, bool is_edge)
{
    uint64_t odd = mantissa & 1; /* an even mantissa owns the ends of its interval */
    int k = floor_log10_pow2(exponent, is_edge);
    int shift = exponent + floor_log2_pow10(-k) + 1;
    mmi_u128 power = pow10_ceil(-k);
    /* four times the interval and the number, in units of 10^k */
    uint64_t lower =
        round_to_odd(power, (4 * mantissa - 2 + (is_edge ? 1 : 0)) << shift) + odd;
    uint64_t value = round_to_odd(power, (4 * mantissa) << shift);
    uint64_t upper = round_to_odd(power, (4 * mantissa + 2) << shift) - odd;
    uint64_t s = value / 4;

    if (s >= 10) {
        uint64_t tens = s / 10;
        bool down_fits = lower <= 40 * tens;
        bool up_fits = 40 * tens + 40 <= upper;
        if (down_fits != up_fits) {
            return (struct decimal){tens + up_fits, k + 1};
        }
    }
    bool down_fits = lower <= 4 * s;
    bool up_fits = 4 * s + 4 <= upper;
    if (down_fits != up_fits) {
        return (struct decimal){s + up_fits, k};
    }
    uint64_t middle = 4 * s + 2;
    bool goes_up = value > middle || (value == middle && (s & 1) != 0);
    return (struct decimal){s + goes_up, k};
}

/* A positive finite float as the shortest decimal, without trailing zeros. */
static struct decimal to_decimal(double value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    uint64_t fraction = bits & ((UINT64_C(1) << MANTISSA_BITS) - 1);
    int biased = (int)(bits >> MANTISSA_BITS) & 0x7FF;
    struct decimal decimal = {0, 0};

    if (value < 9007199254740992.0 && value == (double)(uint64_t)value) {
        decimal.digits = (uint64_t)value;
    } else if (biased == 0) {
        decimal = shortest(fraction, 1 - EXPONENT_BIAS, false);
    } else {
        decimal = shortest(fraction | (UINT64_C(1) << MANTISSA_BITS),
                           biased - EXPONENT_BIAS, fraction == 0 && biased > 1);
    }
    while (decimal.digits % 10 == 0) {
        decimal.digits /= 10;
        decimal.exponent++;
    }
    return decimal;
}

/* Digits of `value` into `out`; returns their number. No terminating zero. */
static size_t write_digits(uint64_t value, char *out)
{
    char reversed[MM_I64_TEXT_SIZE];
    size_t count = 0;
    do {
        reversed[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    for (size_t i = 0; i < count; i++) {
        out[i] = reversed[count - 1 - i];
    }
    return count;
}

/* 1.2345e+20: one digit before the point, at least two in the exponent. */
static size_t write_scientific(const char *digits, size_t count, int exponent,
                               char *out)
{
    size_t size = 0;
    out[size++] = digits[0];
    if (count > 1) {
        out[size++] = '.';
        memcpy(out + size, digits + 1, count - 1);
        size += count - 1;
    }
    out[size++] = 'e';
    out[size++] = exponent < 0 ? '-' : '+';
    unsigned magnitude = (unsigned)(exponent < 0 ? -exponent : exponent);
    if (magnitude < 10) {
        out[size++] = '0';
    }
    return size + write_digits(magnitude, out + size);
}

/* 123.0, 1.5, 0.0015; `point` digits stand before the point, possibly none. */
static size_t write_positional(const char *digits, size_t count, int point, char *out)
{
    size_t size = 0;
    if (point <= 0) {
        out[size++] = '0';
        out[size++] = '.';
        memset(out + size, '0', (size_t)-point);
        size += (size_t)-point;
        memcpy(out + size, digits, count);
        return size + count;
    }
    size_t whole = (size_t)point;
    size_t given = count < whole ? count : whole;
    memcpy(out, digits, given);
    memset(out + given, '0', whole - given);
    size = whole;
    out[size++] = '.';
    if (count > whole) {
        memcpy(out + size, digits + whole, count - whole);
        return size + count - whole;
    }
    out[size++] = '0';
    return size;
}

size_t mm_f64_format(double value, char *out)
{
    char digits[MAX_DIGITS + 8];
    size_t size = 0;

    if (isnan(value)) {
        memcpy(out, "nan", 4);
        return 3;
    }
    if (signbit(value)) {
        out[size++] = '-';
        value = -value;
    }
    if (isinf(value)) {
        memcpy(out + size, "inf", 4);
        return size + 3;
    }
    if (value == 0.0) {
        memcpy(out + size, "0.0", 4);
        return size + 3;
    }
    struct decimal decimal = to_decimal(value);
    size_t count = write_digits(decimal.digits, digits);
    int point = (int)count + decimal.exponent;
    /* Python's repr(): positional from 1e-4 to below 1e16. */
    size += point > -4 && point <= 16
                ? write_positional(digits, count, point, out + size)
                : write_scientific(digits, count, point - 1, out + size);
    out[size] = '\0';
    return size;
}

/* The locale's decimal point is whatever follows the first digits; makes it '.'. */
static size_t put_point(char *text, size_t size)
{
    size_t begin = text[0] == '-' ? 1 : 0;
    while (text[begin] >= '0' && text[begin] <= '9') {
        begin++;
    }
    size_t end = begin;
    while (end < size && (text[end] < '0' || text[end] > '9') && text[end] != 'e') {
        end++;
    }
    if (end > begin && begin > 0 && text[begin] != '.') {
        text[begin] = '.';
        memmove(text + begin + 1, text + end, size - end + 1);
        size -= end - begin - 1;
    }
    return size;
}

static size_t format_with(const char *format, double value, int digits, char *out,
                          size_t out_size)
{
    enum { MOST = 512 }; /* digits asked for; 1074 + 309 would be all there are */
    char text[1024];
    if (digits < 0) {
        digits = 6;
    }
    if (digits > MOST) {
        digits = MOST;
    }
    size_t size = 0;
    if (isfinite(value)) {
        int written = snprintf(text, sizeof text, format, digits, value);
        size = written > 0 ? put_point(text, (size_t)written) : 0;
    } else {
        size = mm_f64_format(value, text);
    }
    if (out_size > 0) {
        size_t kept = size < out_size ? size : out_size - 1;
        memcpy(out, text, kept);
        out[kept] = '\0';
    }
    return size;
}

size_t mm_f64_format_fixed(double value, int digits, char *out, size_t out_size)
{
    return format_with("%.*f", value, digits, out, out_size);
}

size_t mm_f64_format_exponent(double value, int digits, char *out, size_t out_size)
{
    return format_with("%.*e", value, digits, out, out_size);
}

size_t mm_f64_format_general(double value, int digits, char *out, size_t out_size)
{
    return format_with("%.*g", value, digits, out, out_size);
}

size_t mm_i64_format(int64_t value, char *out)
{
    size_t size = 0;
    uint64_t magnitude = (uint64_t)value;
    if (value < 0) {
        out[size++] = '-';
        magnitude = 0 - magnitude;
    }
    size += write_digits(magnitude, out + size);
    out[size] = '\0';
    return size;
}
