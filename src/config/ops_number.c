/* Arithmetic with Python's rules: ints without a bound, `/` gives a float, `//` and `%`
 * round towards minus infinity. 64 bits first; what overflows goes on in big ints. */
#include <float.h>
#include <math.h>

#include "config/bigint.h"
#include "config/eval.h"

bool mmi_is_int(const mm_value *value)
{
    mm_kind kind = mm_value_kind(value);

    return kind == MM_KIND_I64 || kind == MM_KIND_BOOL || kind == MM_KIND_BIGINT;
}

bool mmi_is_number(const mm_value *value)
{
    return mmi_is_int(value) || mm_value_kind(value) == MM_KIND_F64;
}

static void *divides_by_zero(mmi_eval *ev)
{
    return mmi_fail(ev, EXC_ZERO_DIVISION, "division by zero");
}

/* ---- big ints ---- */

static mm_value *big_power(mmi_eval *ev, const mmi_big *a, const mmi_big *b,
                           mmi_big *out)
{
    int64_t bits = mmi_big_bits(a);
    uint64_t exponent = b->count == 0 ? 0 : b->limbs[0];

    if (b->count > 1 && bits > 1) {
        return mmi_fail(ev, EXC_FATAL, "the result of '**' is too large");
    }
    if (bits <= 1) { /* 0, 1, -1: only the parity counts */
        exponent = b->count == 0 ? 0 : 2 + (exponent & 1U);
    } else if ((double)bits * (double)exponent > (double)MMI_BIG_MAX_LIMBS * 32 + 64) {
        return mmi_fail(ev, EXC_FATAL, "the result of '**' is too large");
    }
    return mmi_big_pow(out, a, exponent) ? mmi_big_value(out) : NULL;
}

static mm_value *big_shift(mmi_eval *ev, mmi_op op, const mmi_big *a, const mmi_big *b,
                           mmi_big *out)
{
    uint64_t bits = b->count == 0 ? 0 : b->limbs[0];

    if (b->negative) {
        return mmi_fail(ev, EXC_VALUE, "a shift by a negative number");
    }
    if (b->count > 1 || bits > MMI_BIG_MAX_LIMBS * 32) {
        if (op == OP_LSHIFT && a->count > 0) {
            return mmi_fail(ev, EXC_FATAL, "the result of '<<' is too large");
        }
        bits = MMI_BIG_MAX_LIMBS * 32;
    }
    if (op == OP_LSHIFT ? !mmi_big_shift_left(out, a, bits)
                        : !mmi_big_shift_right(out, a, bits)) {
        return NULL;
    }
    return mmi_big_value(out);
}

static mm_value *big_divide(mmi_eval *ev, const mmi_big *a, const mmi_big *b)
{
    double result = 0;

    if (!mmi_big_true_divide(a, b, &result)) {
        return mmi_fail(ev, EXC_OVERFLOW, "the result of '/' is too large for a float");
    }
    return mm_value_new_f64(result);
}

static bool big_simple(mmi_op op, const mmi_big *a, const mmi_big *b, mmi_big *out)
{
    switch (op) {
    case OP_ADD:
        return mmi_big_add(out, a, b);
    case OP_SUB:
        return mmi_big_sub(out, a, b);
    case OP_MUL:
        return mmi_big_mul(out, a, b);
    case OP_FLOOR_DIV:
        return mmi_big_divmod(out, NULL, a, b);
    case OP_MOD:
        return mmi_big_divmod(NULL, out, a, b);
    case OP_AND:
        return mmi_big_bitwise(out, a, b, '&');
    case OP_OR:
        return mmi_big_bitwise(out, a, b, '|');
    default:
        return mmi_big_bitwise(out, a, b, '^');
    }
}

static mm_value *big_compute(mmi_eval *ev, mmi_op op, const mmi_big *a,
                             const mmi_big *b)
{
    mmi_big out = {0};
    mm_value *value = NULL;
    /* division walks over every bit; decimal text is read and written by squares */
    int64_t cost = ((int64_t)a->count + 1) * (b->count + 1) / 4 +
                   (int64_t)a->count * a->count / 4 + (int64_t)b->count * b->count / 4;

    if (!mmi_step(ev, op == OP_FLOOR_DIV || op == OP_MOD || op == OP_DIV ? cost * 32
                                                                         : cost)) {
        return NULL;
    }
    if (b->count == 0 && (op == OP_DIV || op == OP_FLOOR_DIV || op == OP_MOD)) {
        return divides_by_zero(ev);
    }
    switch (op) {
    case OP_DIV:
        value = big_divide(ev, a, b);
        break;
    case OP_POW:
        value = big_power(ev, a, b, &out);
        break;
    case OP_LSHIFT:
    case OP_RSHIFT:
        value = big_shift(ev, op, a, b, &out);
        break;
    default:
        value = big_simple(op, a, b, &out) ? mmi_big_value(&out) : NULL;
        break;
    }
    mmi_big_deinit(&out);
    return value;
}

static mm_value *big_binary(mmi_eval *ev, mmi_op op, mm_value *a, mm_value *b)
{
    mmi_big x = {0};
    mmi_big y = {0};
    mm_value *value = NULL;

    if (mmi_big_load(&x, a) && mmi_big_load(&y, b)) {
        value = big_compute(ev, op, &x, &y);
    }
    mmi_big_deinit(&x);
    mmi_big_deinit(&y);
    return value;
}

/* ---- 64 bits ---- */

static bool multiply_i64(int64_t a, int64_t b, int64_t *out)
{
    if (a != 0 && b != 0) {
        if ((a > 0) == (b > 0) ? (a > 0 ? a > INT64_MAX / b : a < INT64_MAX / b)
                               : (a > 0 ? b < INT64_MIN / a : a < INT64_MIN / b)) {
            return false;
        }
    }
    *out = a * b;
    return true;
}

/* Floor division; `b` is neither 0 nor -1. */
static void divide_i64(int64_t a, int64_t b, int64_t *quotient, int64_t *rest)
{
    *quotient = a / b;
    *rest = a % b;
    if (*rest != 0 && (*rest < 0) != (b < 0)) {
        *quotient -= 1;
        *rest += b;
    }
}

static bool power_i64(int64_t base, int64_t exponent, int64_t *out)
{
    int64_t result = 1;

    while (exponent > 0) {
        if ((exponent & 1) != 0 && !multiply_i64(result, base, &result)) {
            return false;
        }
        exponent >>= 1;
        if (exponent > 0 && !multiply_i64(base, base, &base)) {
            return false;
        }
    }
    *out = result;
    return true;
}

/* False if the result does not fit or the case is better left to big ints. */
static bool small_binary(mmi_op op, int64_t a, int64_t b, int64_t *out)
{
    int64_t unused = 0;

    switch (op) {
    case OP_ADD:
        if (b > 0 ? a > INT64_MAX - b : a < INT64_MIN - b) {
            return false;
        }
        *out = a + b;
        return true;
    case OP_SUB:
        if (b < 0 ? a > INT64_MAX + b : a < INT64_MIN + b) {
            return false;
        }
        *out = a - b;
        return true;
    case OP_MUL:
        return multiply_i64(a, b, out);
    case OP_FLOOR_DIV:
    case OP_MOD:
        if (b == 0 || b == -1) {
            return false;
        }
        divide_i64(a, b, op == OP_MOD ? &unused : out, op == OP_MOD ? out : &unused);
        return true;
    case OP_POW:
        return power_i64(a, b, out);
    case OP_AND:
        *out = a & b;
        return true;
    case OP_OR:
        *out = a | b;
        return true;
    case OP_XOR:
        *out = a ^ b;
        return true;
    case OP_LSHIFT:
        if (b < 0 || b > 62 || a < 0 || a > INT64_MAX >> b) {
            return false;
        }
        *out = a << b;
        return true;
    case OP_RSHIFT:
        if (b < 0 || a < 0) {
            return false;
        }
        *out = b > 62 ? 0 : a >> b;
        return true;
    default:
        return false;
    }
}

/* ---- floats ---- */

/* Python's float %: the sign of the divisor. */
static double modulo(double a, double b)
{
    double rest = fmod(a, b);

    if (rest != 0) {
        return (b < 0) != (rest < 0) ? rest + b : rest;
    }
    return copysign(0.0, b);
}

static double floor_divide(double a, double b)
{
    double rest = fmod(a, b);
    double quotient = (a - rest) / b;
    double down = 0;

    if (rest != 0 && (b < 0) != (rest < 0)) {
        quotient -= 1.0;
    }
    if (quotient == 0) {
        return copysign(0.0, a / b);
    }
    down = floor(quotient);
    return quotient - down > 0.5 ? down + 1.0 : down;
}

static mm_value *power_f64(mmi_eval *ev, double a, double b)
{
    double result = 0;

    if (a == 0 && b < 0) {
        return mmi_fail(ev, EXC_ZERO_DIVISION,
                        "0.0 cannot be raised to a negative power");
    }
    if (a < 0 && isfinite(a) && isfinite(b) && b != floor(b)) {
        return mmi_fail(ev, EXC_FATAL,
                        "a root of a negative number is complex, which a "
                        "config cannot hold");
    }
    result = pow(a, b);
    if (isinf(result) && isfinite(a) && isfinite(b)) {
        return mmi_fail(ev, EXC_OVERFLOW,
                        "the result of '**' is too large for a float");
    }
    return mm_value_new_f64(result);
}

static mm_value *float_binary(mmi_eval *ev, mmi_op op, double a, double b)
{
    if (b == 0 && (op == OP_DIV || op == OP_FLOOR_DIV || op == OP_MOD)) {
        return divides_by_zero(ev);
    }
    switch (op) {
    case OP_ADD:
        return mm_value_new_f64(a + b);
    case OP_SUB:
        return mm_value_new_f64(a - b);
    case OP_MUL:
        return mm_value_new_f64(a * b);
    case OP_DIV:
        return mm_value_new_f64(a / b);
    case OP_FLOOR_DIV:
        return mm_value_new_f64(floor_divide(a, b));
    case OP_MOD:
        return mm_value_new_f64(modulo(a, b));
    case OP_POW:
        return power_f64(ev, a, b);
    default:
        return mmi_fail(ev, EXC_TYPE, "'%s' needs ints, not floats", mmi_op_text(op));
    }
}

/* ---- dispatch ---- */

static bool is_negative(const mm_value *value)
{
    return mm_value_kind(value) == MM_KIND_BIGINT ? mm_value_digits(value)[0] == '-'
                                                  : mm_value_i64(value) < 0;
}

static mm_value *int_binary(mmi_eval *ev, mmi_op op, mm_value *a, mm_value *b)
{
    bool small =
        mm_value_kind(a) != MM_KIND_BIGINT && mm_value_kind(b) != MM_KIND_BIGINT;
    int64_t x = small ? mm_value_i64(a) : 0;
    int64_t y = small ? mm_value_i64(b) : 0;
    int64_t result = 0;
    const int64_t exact = (int64_t)1 << DBL_MANT_DIG;

    if (op == OP_POW && is_negative(b)) {
        return power_f64(ev, mm_value_f64(a), mm_value_f64(b));
    }
    if (op == OP_DIV && small && y != 0 && x >= -exact && x <= exact && y >= -exact &&
        y <= exact) {
        return mm_value_new_f64((double)x / (double)y);
    }
    if (small && small_binary(op, x, y, &result)) {
        return mm_value_new_i64(result);
    }
    return big_binary(ev, op, a, b);
}

mm_value *mmi_binary_number(mmi_eval *ev, mmi_op op, mm_value *a, mm_value *b)
{
    mm_kind x = mm_value_kind(a);
    mm_kind y = mm_value_kind(b);

    if (x == MM_KIND_F64 || y == MM_KIND_F64) {
        double left = mm_value_f64(a);
        double right = mm_value_f64(b);

        return mm_has_error() ? NULL : float_binary(ev, op, left, right);
    }
    if (x == MM_KIND_BOOL && y == MM_KIND_BOOL &&
        (op == OP_AND || op == OP_OR || op == OP_XOR)) {
        bool p = mm_value_bool(a);
        bool q = mm_value_bool(b);

        return mm_value_new_bool(op == OP_AND ? p && q : op == OP_OR ? p || q : p != q);
    }
    return int_binary(ev, op, a, b);
}

mm_value *mmi_int_of_f64(mmi_eval *ev, double value)
{
    mmi_big big = {0};
    mm_value *made = NULL;

    if (!isfinite(value)) {
        return mmi_fail(ev, isnan(value) ? EXC_VALUE : EXC_OVERFLOW,
                        "%s cannot be made an int", isnan(value) ? "nan" : "infinity");
    }
    if (fabs(value) < 9e18) {
        return mm_value_new_i64((int64_t)value);
    }
    made = mmi_big_from_f64(&big, value) ? mmi_big_value(&big) : NULL;
    mmi_big_deinit(&big);
    return made;
}

static mm_value *negate(mmi_eval *ev, mm_value *a)
{
    mm_value *zero = mm_value_new_i64(0);

    return mmi_binary_number(ev, OP_SUB, zero, a);
}

mm_value *mmi_unary(mmi_eval *ev, mmi_op op, mm_value *a)
{
    mm_kind kind = mm_value_kind(a);
    mm_value *one = NULL;
    mm_value *sum = NULL;
    mm_value *result = NULL;

    if (!mmi_is_number(a) || (op == OP_INVERT && kind == MM_KIND_F64)) {
        return mmi_fail(ev, EXC_TYPE, "'%s' cannot be applied to %s", mmi_op_text(op),
                        mm_value_type_name(a));
    }
    if (kind == MM_KIND_F64) {
        double value = mm_value_f64(a);

        return mm_value_new_f64(op == OP_NEG ? -value : value);
    }
    if (op == OP_POS) {
        return kind == MM_KIND_BOOL ? mm_value_new_i64(mm_value_i64(a))
                                    : mm_value_ref(a);
    }
    if (op == OP_NEG) {
        return negate(ev, a);
    }
    one = mm_value_new_i64(1); /* ~a = -(a + 1) */
    sum = mmi_binary_number(ev, OP_ADD, a, one);
    result = sum == NULL ? NULL : negate(ev, sum);
    mm_value_unref(sum);
    return result;
}
