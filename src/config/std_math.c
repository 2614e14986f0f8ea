/* Python's math module. */
#include <math.h>
#include <string.h>

#include "config/bigint.h"
#include "config/std.h"

static bool read_f64(mmi_eval *ev, const char *name, const mmi_args *args, size_t index,
                     double *out)
{
    mm_value *value = mmi_arg(args, index);

    if (!mmi_is_number(value)) {
        (void)mmi_fail(ev, EXC_TYPE, "%s() needs a number, not %s", name,
                       mm_value_type_name(value));
        return false;
    }
    *out = mm_value_f64(value);
    return !mm_has_error();
}

/* Checks a result as Python's math module does: new NaNs are domain errors. */
static mm_value *checked(mmi_eval *ev, const char *name, double x, double result)
{
    if (isnan(result) && !isnan(x)) {
        return mmi_fail(ev, EXC_VALUE, "%s() is not defined there", name);
    }
    if (isinf(result) && isfinite(x)) {
        return mmi_fail(ev, EXC_OVERFLOW, "the result of %s() is too large", name);
    }
    return mm_value_new_f64(result);
}

static mm_value *math_one(mmi_eval *ev, const char *name, const mmi_args *args,
                          double (*function)(double))
{
    double x = 0;

    if (!mmi_expect_args(ev, name, args, 1, 1) || !read_f64(ev, name, args, 0, &x)) {
        return NULL;
    }
    return checked(ev, name, x, function(x));
}

#define MATH_ONE(name)                                                                 \
    static mm_value *math_##name(mmi_eval *ev, const mmi_args *args)                   \
    {                                                                                  \
        return math_one(ev, #name, args, name);                                        \
    }

MATH_ONE(acosh)
MATH_ONE(asinh)
MATH_ONE(atanh)
MATH_ONE(cbrt)
MATH_ONE(erfc)
MATH_ONE(exp)
MATH_ONE(exp2)
MATH_ONE(expm1)
MATH_ONE(log1p)
MATH_ONE(sqrt)
MATH_ONE(sin)
MATH_ONE(cos)
MATH_ONE(tan)
MATH_ONE(asin)
MATH_ONE(acos)
MATH_ONE(atan)
MATH_ONE(sinh)
MATH_ONE(cosh)
MATH_ONE(tanh)
MATH_ONE(fabs)
MATH_ONE(erf)

static mm_value *math_two(mmi_eval *ev, const char *name, const mmi_args *args,
                          double (*function)(double, double))
{
    double x = 0;
    double y = 0;

    if (!mmi_expect_args(ev, name, args, 2, 2) || !read_f64(ev, name, args, 0, &x) ||
        !read_f64(ev, name, args, 1, &y)) {
        return NULL;
    }
    return checked(ev, name, isfinite(x) ? y : x, function(x, y));
}

#define MATH_TWO(name)                                                                 \
    static mm_value *math_##name(mmi_eval *ev, const mmi_args *args)                   \
    {                                                                                  \
        return math_two(ev, #name, args, name);                                        \
    }

MATH_TWO(pow)
MATH_TWO(atan2)
MATH_TWO(fmod)
MATH_TWO(copysign)

/* A positive int as x * 2^exponent with x in [0.5, 1), rounded correctly; CPython takes
 * logarithms of ints beyond all floats in this form. False with an error. */
static bool split_int(const mm_value *value, double *out_x, int64_t *out_exponent)
{
    mmi_big number = {0}, one = {0}, power = {0};
    bool ok = mmi_big_load(&number, value) && mmi_big_parse(&one, "1", 1, 10);

    if (ok) {
        *out_exponent = mmi_big_bits(&number);
        ok = mmi_big_shift_left(&power, &one, (uint64_t)*out_exponent) &&
             mmi_big_true_divide(&number, &power, out_x);
    }
    mmi_big_deinit(&number);
    mmi_big_deinit(&one);
    mmi_big_deinit(&power);
    return ok;
}

/* The logarithm of a positive number; ints may be larger than any float. */
static mm_value *logarithm(mmi_eval *ev, const char *name, mm_value *value,
                           double (*function)(double))
{
    bool is_big =
        mm_value_kind(value) == MM_KIND_BIGINT && mm_value_digits(value)[0] != '-';

    if (!mmi_is_number(value)) {
        return mmi_fail(ev, EXC_TYPE, "%s() needs a number, not %s", name,
                        mm_value_type_name(value));
    }
    if (is_big && strlen(mm_value_digits(value)) > 308) {
        int64_t exponent = 0;
        double x = 0;

        return split_int(value, &x, &exponent)
                   ? mm_value_new_f64(function(x) + function(2.0) * (double)exponent)
                   : NULL;
    }
    double x = mm_value_f64(value);

    if (mm_has_error() || x <= 0) {
        return mmi_fail(ev, EXC_VALUE, "%s() is defined for positive numbers only",
                        name);
    }
    return mm_value_new_f64(function(x));
}

static mm_value *math_log(mmi_eval *ev, const mmi_args *args)
{
    mm_value *up = NULL;
    mm_value *down = NULL;
    mm_value *result = NULL;

    if (!mmi_expect_args(ev, "log", args, 1, 2)) {
        return NULL;
    }
    up = logarithm(ev, "log", mmi_arg(args, 0), log);
    if (up == NULL || mmi_num_args(args) == 1) {
        return up;
    }
    down = logarithm(ev, "log", mmi_arg(args, 1), log);
    result = down == NULL ? NULL : mmi_binary_number(ev, OP_DIV, up, down);
    mm_value_unref(up);
    mm_value_unref(down);
    return result;
}

static mm_value *math_log2(mmi_eval *ev, const mmi_args *args)
{
    return mmi_expect_args(ev, "log2", args, 1, 1)
               ? logarithm(ev, "log2", mmi_arg(args, 0), log2)
               : NULL;
}

static mm_value *math_log10(mmi_eval *ev, const mmi_args *args)
{
    return mmi_expect_args(ev, "log10", args, 1, 1)
               ? logarithm(ev, "log10", mmi_arg(args, 0), log10)
               : NULL;
}

/* floor(), ceil(), trunc(): ints. */
static mm_value *to_whole(mmi_eval *ev, const char *name, const mmi_args *args,
                          double (*function)(double))
{
    double x = 0;

    if (!mmi_expect_args(ev, name, args, 1, 1)) {
        return NULL;
    }
    if (mmi_is_int(mmi_arg(args, 0))) {
        return mmi_unary(ev, OP_POS, mmi_arg(args, 0));
    }
    return read_f64(ev, name, args, 0, &x) ? mmi_int_of_f64(ev, function(x)) : NULL;
}

static mm_value *math_floor(mmi_eval *ev, const mmi_args *args)
{
    return to_whole(ev, "floor", args, floor);
}

static mm_value *math_ceil(mmi_eval *ev, const mmi_args *args)
{
    return to_whole(ev, "ceil", args, ceil);
}

static mm_value *math_trunc(mmi_eval *ev, const mmi_args *args)
{
    return to_whole(ev, "trunc", args, trunc);
}

#define MATH_TEST(name)                                                                \
    static mm_value *math_##name(mmi_eval *ev, const mmi_args *args)                   \
    {                                                                                  \
        double x = 0;                                                                  \
                                                                                       \
        return mmi_expect_args(ev, #name, args, 1, 1) &&                               \
                       read_f64(ev, #name, args, 0, &x)                                \
                   ? mm_value_new_bool(name(x))                                        \
                   : NULL;                                                             \
    }

MATH_TEST(isnan)
MATH_TEST(isinf)
MATH_TEST(isfinite)

static double radians(double x)
{
    return x * (3.141592653589793 / 180.0);
}

static double degrees(double x)
{
    return x * (180.0 / 3.141592653589793);
}

MATH_ONE(radians)
MATH_ONE(degrees)

static mm_value *math_hypot(mmi_eval *ev, const mmi_args *args)
{
    double sum = 0;

    for (size_t i = 0; i < mmi_num_args(args); i++) {
        double x = 0;

        if (!read_f64(ev, "hypot", args, i, &x)) {
            return NULL;
        }
        sum = hypot(sum, x);
    }
    return mm_value_new_f64(sum);
}

static mm_value *math_gcd(mmi_eval *ev, const mmi_args *args)
{
    mm_value *a = mm_value_new_i64(0);

    for (size_t i = 0; i < mmi_num_args(args) && a != NULL; i++) {
        mm_value *b = mm_value_ref(mmi_arg(args, i));

        if (!mmi_is_int(b)) {
            (void)mmi_fail(ev, EXC_TYPE, "gcd() needs ints, not %s",
                           mm_value_type_name(b));
        }
        while (!mm_has_error() && mmi_is_true(b)) {
            mm_value *rest = mmi_binary_number(ev, OP_MOD, a, b);

            mm_value_unref(a);
            a = b;
            b = rest;
        }
        mm_value_unref(b);
        if (mm_has_error()) {
            mm_value_unref(a);
            return NULL;
        }
    }
    if (a != NULL && mm_value_kind(a) == MM_KIND_I64 && mm_value_i64(a) < 0) {
        mm_value *positive = mmi_unary(ev, OP_NEG, a);

        mm_value_unref(a);
        a = positive;
    }
    return a;
}

static mm_value *math_factorial(mmi_eval *ev, const mmi_args *args)
{
    mm_value *product = mm_value_new_i64(1);
    int64_t count = 0;

    if (!mmi_expect_args(ev, "factorial", args, 1, 1) ||
        !mmi_as_index(ev, mmi_arg(args, 0), &count)) {
        return NULL;
    }
    if (count < 0) {
        return mmi_fail(ev, EXC_VALUE, "factorial() of a negative number");
    }
    for (int64_t i = 2; i <= count && product != NULL && mmi_step(ev, 1); i++) {
        mm_value *factor = mm_value_new_i64(i);
        mm_value *next = mmi_binary_number(ev, OP_MUL, product, factor);

        mm_value_unref(factor);
        mm_value_unref(product);
        product = next;
    }
    return product;
}

static mm_value *math_prod(mmi_eval *ev, const mmi_args *args)
{
    mmi_iter iter = {0};
    mm_value *item = NULL;
    mm_value *product = mm_value_new_i64(1);

    if (!mmi_expect_args(ev, "prod", args, 1, 1) ||
        !mmi_iter_init(ev, &iter, mmi_arg(args, 0))) {
        return NULL;
    }
    while (product != NULL && (item = mmi_iter_next(ev, &iter)) != NULL) {
        mm_value *next = mmi_binary(ev, OP_MUL, product, item);

        mm_value_unref(item);
        mm_value_unref(product);
        product = next;
    }
    mmi_iter_deinit(&iter);
    return product;
}

static mm_value *make_pi(void)
{
    return mm_value_new_f64(3.141592653589793);
}

static mm_value *make_e(void)
{
    return mm_value_new_f64(2.718281828459045);
}

static mm_value *make_tau(void)
{
    return mm_value_new_f64(6.283185307179586);
}

static mm_value *make_inf(void)
{
    return mm_value_new_f64((double)INFINITY);
}

static mm_value *make_nan(void)
{
    return mm_value_new_f64((double)NAN);
}

static mm_value *math_gamma(mmi_eval *ev, const mmi_args *args)
{
    return math_one(ev, "gamma", args, tgamma);
}

static mm_value *math_lgamma(mmi_eval *ev, const mmi_args *args)
{
    return math_one(ev, "lgamma", args, lgamma);
}

static mm_value *math_isclose(mmi_eval *ev, const mmi_args *args)
{
    mm_value *relative =
        args->named == NULL ? NULL : mm_dict_find(args->named, "rel_tol");
    mm_value *absolute =
        args->named == NULL ? NULL : mm_dict_find(args->named, "abs_tol");
    double a = 0;
    double b = 0;

    if (!mmi_expect_args(ev, "isclose", &(mmi_args){.list = args->list}, 2, 2) ||
        !read_f64(ev, "isclose", args, 0, &a) ||
        !read_f64(ev, "isclose", args, 1, &b)) {
        return NULL;
    }
    double near =
        (relative == NULL ? 1e-9 : mm_value_f64(relative)) * fmax(fabs(a), fabs(b));
    double least = absolute == NULL ? 0 : mm_value_f64(absolute);

    return mm_has_error()
               ? NULL
               : mm_value_new_bool(a == b || (isfinite(a) && isfinite(b) &&
                                              fabs(a - b) <= fmax(near, least)));
}

static const mmi_std_entry math_entries[] = {
    FUNCTION("acos", math_acos),
    FUNCTION("acosh", math_acosh),
    FUNCTION("asin", math_asin),
    FUNCTION("asinh", math_asinh),
    FUNCTION("atan", math_atan),
    FUNCTION("atan2", math_atan2),
    FUNCTION("atanh", math_atanh),
    FUNCTION("cbrt", math_cbrt),
    FUNCTION("ceil", math_ceil),
    FUNCTION("copysign", math_copysign),
    FUNCTION("cos", math_cos),
    FUNCTION("cosh", math_cosh),
    FUNCTION("degrees", math_degrees),
    FUNCTION("erf", math_erf),
    FUNCTION("erfc", math_erfc),
    FUNCTION("exp", math_exp),
    FUNCTION("exp2", math_exp2),
    FUNCTION("expm1", math_expm1),
    FUNCTION("fabs", math_fabs),
    FUNCTION("factorial", math_factorial),
    FUNCTION("floor", math_floor),
    FUNCTION("fmod", math_fmod),
    FUNCTION("gamma", math_gamma),
    FUNCTION("gcd", math_gcd),
    FUNCTION("hypot", math_hypot),
    FUNCTION("isclose", math_isclose),
    FUNCTION("isfinite", math_isfinite),
    FUNCTION("isinf", math_isinf),
    FUNCTION("isnan", math_isnan),
    FUNCTION("lgamma", math_lgamma),
    FUNCTION("log", math_log),
    FUNCTION("log10", math_log10),
    FUNCTION("log1p", math_log1p),
    FUNCTION("log2", math_log2),
    FUNCTION("pow", math_pow),
    FUNCTION("prod", math_prod),
    FUNCTION("radians", math_radians),
    FUNCTION("sin", math_sin),
    FUNCTION("sinh", math_sinh),
    FUNCTION("sqrt", math_sqrt),
    FUNCTION("tan", math_tan),
    FUNCTION("tanh", math_tanh),
    FUNCTION("trunc", math_trunc),
    CONSTANT("pi", make_pi),
    CONSTANT("e", make_e),
    CONSTANT("tau", make_tau),
    CONSTANT("inf", make_inf),
    CONSTANT("nan", make_nan),
};

const mmi_std_def mmi_std_math = MODULE("math", math_entries);
