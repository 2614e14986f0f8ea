/** @file
 * Making tensors, arithmetic, comparison: element by element. The law of ops.h holds
 * for all of them. Scalars are written with MM_N() by the macros: `mm_add_scalar(x,
 * 1)`.
 */
#ifndef MMENGINE_OPS_MATH_H
#define MMENGINE_OPS_MATH_H

#include "mmengine/ops.h"

MM_BEGIN_DECLS

/** @name Making tensors @{ */
/** Options of what makes tensors. */
typedef struct mm_make_args {
    mm_dims sizes;      /**< required */
    mm_dtype dtype;     /**< default float32 */
    const char *device; /**< default "cpu" */
    mm_rng *rng;        /**< of random ones; default the device's generator */
} mm_make_args;
/** `mm_zeros(MM_DIMS(2, 3), .dtype = MM_DTYPE_I64)` */
#define mm_zeros(...) mm_zeros_with(&(const mm_make_args){.sizes = __VA_ARGS__})
MM_API mm_tensor *mm_zeros_with(const mm_make_args *args);
#define mm_ones(...) mm_ones_with(&(const mm_make_args){.sizes = __VA_ARGS__})
MM_API mm_tensor *mm_ones_with(const mm_make_args *args);
/** Uniform in [0, 1), as torch.rand. */
#define mm_rand(...) mm_rand_with(&(const mm_make_args){.sizes = __VA_ARGS__})
MM_API mm_tensor *mm_rand_with(const mm_make_args *args);
/** Normal with mean 0 and variance 1, as torch.randn. */
#define mm_randn(...) mm_randn_with(&(const mm_make_args){.sizes = __VA_ARGS__})
MM_API mm_tensor *mm_randn_with(const mm_make_args *args);

/** Arguments of mm_full(). */
typedef struct mm_full_args {
    mm_dims sizes;      /**< required */
    mm_number value;    /**< required */
    mm_dtype dtype;     /**< default: i64 for an int value, else float32 */
    const char *device; /**< default "cpu" */
} mm_full_args;
/** `mm_full(MM_DIMS(2), MM_N(0.5))` */
#define mm_full(...) mm_full_with(&(const mm_full_args){.sizes = __VA_ARGS__})
MM_API mm_tensor *mm_full_with(const mm_full_args *args);

/** Arguments of mm_arange(). */
typedef struct mm_arange_args {
    mm_number start;    /**< required */
    mm_number end;      /**< required, not included */
    mm_number step;     /**< default 1 */
    mm_dtype dtype;     /**< default: i64 if all are ints, else float32 */
    const char *device; /**< default "cpu" */
} mm_arange_args;
/** `mm_arange(MM_N(0), MM_N(10))` */
#define mm_arange(...) mm_arange_with(&(const mm_arange_args){.start = __VA_ARGS__})
MM_API mm_tensor *mm_arange_with(const mm_arange_args *args);
/** `steps` numbers from start to end, both included; float32. */
MM_API mm_tensor *mm_linspace(double start, double end, int64_t steps);
/** The n x n identity, float32. */
MM_API mm_tensor *mm_eye(int64_t n);

/** Same sizes, dtype and device as `x`. */
MM_API mm_tensor *mm_empty_like(mm_tensor *x);
MM_API mm_tensor *mm_zeros_like(mm_tensor *x);
MM_API mm_tensor *mm_ones_like(mm_tensor *x);
#define mm_full_like(x, value) mm_full_like_with((x), MM_N(value))
MM_API mm_tensor *mm_full_like_with(mm_tensor *x, mm_number value);
/** Random ones; `rng` NULL: the device's generator. */
MM_API mm_tensor *mm_rand_like(mm_tensor *x, mm_rng *rng);
MM_API mm_tensor *mm_randn_like(mm_tensor *x, mm_rng *rng);

/** Arguments of mm_randints(). */
typedef struct mm_randints_args {
    int64_t low;        /**< required */
    int64_t high;       /**< required, not included */
    mm_dims sizes;      /**< required */
    mm_dtype dtype;     /**< default i64 */
    const char *device; /**< default "cpu" */
    mm_rng *rng;        /**< default the device's generator */
} mm_randints_args;
/** torch.randint. One number: mm_randint(). */
#define mm_randints(...) mm_randints_with(&(const mm_randints_args){.low = __VA_ARGS__})
MM_API mm_tensor *mm_randints_with(const mm_randints_args *args);
/** 0 or 1 with the probabilities in `p`, dtype of `p`. */
MM_API mm_tensor *mm_bernoulli(mm_tensor *p, mm_rng *rng);
/** Row-wise draws of `num_samples` indices with weights [N] or [M, N] -> i64. */
MM_API mm_tensor *mm_multinomial(mm_tensor *weights, int64_t num_samples,
                                 bool replacement, mm_rng *rng);
/** [..] i64 -> [.., num_classes] i64; `num_classes` -1: the largest plus one. */
MM_API mm_tensor *mm_one_hot(mm_tensor *index, int64_t num_classes);
/** @} */

/** @name Filling in place. Return their first argument. @{ */
MM_API mm_tensor *mm_zero_(mm_tensor *x);
#define mm_fill_(x, value) mm_fill_with_((x), MM_N(value))
MM_API mm_tensor *mm_fill_with_(mm_tensor *x, mm_number value);
/** dst = src, with broadcasting, across dtypes and devices. */
MM_API mm_tensor *mm_copy_(mm_tensor *dst, mm_tensor *src);
/** Uniform in [low, high). */
MM_API mm_tensor *mm_uniform_(mm_tensor *x, double low, double high, mm_rng *rng);
MM_API mm_tensor *mm_normal_(mm_tensor *x, double mean, double std, mm_rng *rng);
MM_API mm_tensor *mm_bernoulli_(mm_tensor *x, double p, mm_rng *rng);
/** Makes `x` refer to the memory of `source`, keeping x's identity: `x.data = source`.
 * Sizes, strides, dtype and device are taken over too. No gradient is recorded. */
MM_API mm_tensor *mm_set_data_(mm_tensor *x, mm_tensor *source);
/** @} */

/** @name Two tensors, broadcast @{ */
MM_API mm_tensor *mm_add(mm_tensor *x, mm_tensor *y);
MM_API mm_tensor *mm_sub(mm_tensor *x, mm_tensor *y);
MM_API mm_tensor *mm_mul(mm_tensor *x, mm_tensor *y);
MM_API mm_tensor *mm_div(mm_tensor *x, mm_tensor *y);
/** x + alpha * y */
MM_API mm_tensor *mm_add_scaled(mm_tensor *x, mm_tensor *y, double alpha);
MM_API mm_tensor *mm_floor_divide(mm_tensor *x, mm_tensor *y);
/** Python's %: the sign of the divisor. */
MM_API mm_tensor *mm_remainder(mm_tensor *x, mm_tensor *y);
/** C's fmod: the sign of the dividend. */
MM_API mm_tensor *mm_fmod(mm_tensor *x, mm_tensor *y);
MM_API mm_tensor *mm_pow(mm_tensor *x, mm_tensor *exponent);
MM_API mm_tensor *mm_maximum(mm_tensor *x, mm_tensor *y);
MM_API mm_tensor *mm_minimum(mm_tensor *x, mm_tensor *y);
MM_API mm_tensor *mm_atan2(mm_tensor *y, mm_tensor *x);
/** x + weight * (y - x) */
MM_API mm_tensor *mm_lerp(mm_tensor *x, mm_tensor *y, double weight);
/** x + value * a * b */
MM_API mm_tensor *mm_addcmul(mm_tensor *x, mm_tensor *a, mm_tensor *b, double value);
/** x + value * a / b */
MM_API mm_tensor *mm_addcdiv(mm_tensor *x, mm_tensor *a, mm_tensor *b, double value);

/** The same into x, which is returned, borrowed. */
MM_API mm_tensor *mm_add_(mm_tensor *x, mm_tensor *y);
MM_API mm_tensor *mm_sub_(mm_tensor *x, mm_tensor *y);
MM_API mm_tensor *mm_mul_(mm_tensor *x, mm_tensor *y);
MM_API mm_tensor *mm_div_(mm_tensor *x, mm_tensor *y);
MM_API mm_tensor *mm_add_scaled_(mm_tensor *x, mm_tensor *y, double alpha);
MM_API mm_tensor *mm_lerp_(mm_tensor *x, mm_tensor *y, double weight);
MM_API mm_tensor *mm_addcmul_(mm_tensor *x, mm_tensor *a, mm_tensor *b, double value);
MM_API mm_tensor *mm_addcdiv_(mm_tensor *x, mm_tensor *a, mm_tensor *b, double value);
/** @} */

/** @name A tensor and a number @{ */
#define mm_add_scalar(x, value) mm_add_number((x), MM_N(value))
MM_API mm_tensor *mm_add_number(mm_tensor *x, mm_number value);
#define mm_sub_scalar(x, value) mm_sub_number((x), MM_N(value))
MM_API mm_tensor *mm_sub_number(mm_tensor *x, mm_number value);
/** value - x */
#define mm_rsub_scalar(x, value) mm_rsub_number((x), MM_N(value))
MM_API mm_tensor *mm_rsub_number(mm_tensor *x, mm_number value);
#define mm_mul_scalar(x, value) mm_mul_number((x), MM_N(value))
MM_API mm_tensor *mm_mul_number(mm_tensor *x, mm_number value);
#define mm_div_scalar(x, value) mm_div_number((x), MM_N(value))
MM_API mm_tensor *mm_div_number(mm_tensor *x, mm_number value);
#define mm_floor_divide_scalar(x, value) mm_floor_divide_number((x), MM_N(value))
MM_API mm_tensor *mm_floor_divide_number(mm_tensor *x, mm_number value);
#define mm_remainder_scalar(x, value) mm_remainder_number((x), MM_N(value))
MM_API mm_tensor *mm_remainder_number(mm_tensor *x, mm_number value);
#define mm_pow_scalar(x, exponent) mm_pow_number((x), MM_N(exponent))
MM_API mm_tensor *mm_pow_number(mm_tensor *x, mm_number exponent);

/** The same into x, which is returned, borrowed. */
#define mm_add_scalar_(x, value) mm_add_number_((x), MM_N(value))
MM_API mm_tensor *mm_add_number_(mm_tensor *x, mm_number value);
#define mm_sub_scalar_(x, value) mm_sub_number_((x), MM_N(value))
MM_API mm_tensor *mm_sub_number_(mm_tensor *x, mm_number value);
#define mm_mul_scalar_(x, value) mm_mul_number_((x), MM_N(value))
MM_API mm_tensor *mm_mul_number_(mm_tensor *x, mm_number value);
#define mm_div_scalar_(x, value) mm_div_number_((x), MM_N(value))
MM_API mm_tensor *mm_div_number_(mm_tensor *x, mm_number value);

/** Arguments of mm_clamp(). One bound at least. */
typedef struct mm_clamp_args {
    mm_tensor *x;  /**< required */
    mm_number min; /**< default no bound: `.min = MM_N(0)` */
    mm_number max; /**< default no bound */
} mm_clamp_args;
#define mm_clamp(...) mm_clamp_with(&(const mm_clamp_args){.x = __VA_ARGS__})
MM_API mm_tensor *mm_clamp_with(const mm_clamp_args *args);
#define mm_clamp_(...) mm_clamp_with_(&(const mm_clamp_args){.x = __VA_ARGS__})
MM_API mm_tensor *mm_clamp_with_(const mm_clamp_args *args);
/** @} */

/** @name One tensor. Results are new; the `_` forms work in place. @{ */
MM_API mm_tensor *mm_abs(mm_tensor *x);
MM_API mm_tensor *mm_neg(mm_tensor *x);
MM_API mm_tensor *mm_sign(mm_tensor *x);
MM_API mm_tensor *mm_exp(mm_tensor *x);
MM_API mm_tensor *mm_expm1(mm_tensor *x);
/** torch.log; the logger has the name mm_log(). */
/** Natural logarithm; mm_log() is the logger. */
MM_API mm_tensor *mm_ln(mm_tensor *x);
MM_API mm_tensor *mm_log1p(mm_tensor *x);
MM_API mm_tensor *mm_log2(mm_tensor *x);
MM_API mm_tensor *mm_log10(mm_tensor *x);
MM_API mm_tensor *mm_sqrt(mm_tensor *x);
MM_API mm_tensor *mm_rsqrt(mm_tensor *x);
MM_API mm_tensor *mm_square(mm_tensor *x);
MM_API mm_tensor *mm_reciprocal(mm_tensor *x);
MM_API mm_tensor *mm_sin(mm_tensor *x);
MM_API mm_tensor *mm_cos(mm_tensor *x);
MM_API mm_tensor *mm_tan(mm_tensor *x);
MM_API mm_tensor *mm_atan(mm_tensor *x);
MM_API mm_tensor *mm_erf(mm_tensor *x);
MM_API mm_tensor *mm_erfinv(mm_tensor *x);
MM_API mm_tensor *mm_floor(mm_tensor *x);
MM_API mm_tensor *mm_ceil(mm_tensor *x);
/** Halves go to the even neighbour. */
MM_API mm_tensor *mm_round(mm_tensor *x);
MM_API mm_tensor *mm_trunc(mm_tensor *x);
MM_API mm_tensor *mm_isnan(mm_tensor *x);
MM_API mm_tensor *mm_isinf(mm_tensor *x);
MM_API mm_tensor *mm_isfinite(mm_tensor *x);
MM_API mm_tensor *mm_logical_not(mm_tensor *x);
MM_API mm_tensor *mm_bitwise_not(mm_tensor *x);

/** The same into x, which is returned, borrowed. */
MM_API mm_tensor *mm_abs_(mm_tensor *x);
MM_API mm_tensor *mm_neg_(mm_tensor *x);
MM_API mm_tensor *mm_exp_(mm_tensor *x);
MM_API mm_tensor *mm_ln_(mm_tensor *x); /**< torch.log_ */
MM_API mm_tensor *mm_sqrt_(mm_tensor *x);
MM_API mm_tensor *mm_rsqrt_(mm_tensor *x);
MM_API mm_tensor *mm_reciprocal_(mm_tensor *x);
MM_API mm_tensor *mm_erfinv_(mm_tensor *x);
MM_API mm_tensor *mm_floor_(mm_tensor *x);
MM_API mm_tensor *mm_ceil_(mm_tensor *x);
MM_API mm_tensor *mm_round_(mm_tensor *x);
/** @} */

/** @name Comparison and choice. Comparisons give bool. @{ */
MM_API mm_tensor *mm_eq(mm_tensor *x, mm_tensor *y);
MM_API mm_tensor *mm_ne(mm_tensor *x, mm_tensor *y);
MM_API mm_tensor *mm_lt(mm_tensor *x, mm_tensor *y);
MM_API mm_tensor *mm_le(mm_tensor *x, mm_tensor *y);
MM_API mm_tensor *mm_gt(mm_tensor *x, mm_tensor *y);
MM_API mm_tensor *mm_ge(mm_tensor *x, mm_tensor *y);
#define mm_eq_scalar(x, value) mm_eq_number((x), MM_N(value))
MM_API mm_tensor *mm_eq_number(mm_tensor *x, mm_number value);
#define mm_ne_scalar(x, value) mm_ne_number((x), MM_N(value))
MM_API mm_tensor *mm_ne_number(mm_tensor *x, mm_number value);
#define mm_lt_scalar(x, value) mm_lt_number((x), MM_N(value))
MM_API mm_tensor *mm_lt_number(mm_tensor *x, mm_number value);
#define mm_le_scalar(x, value) mm_le_number((x), MM_N(value))
MM_API mm_tensor *mm_le_number(mm_tensor *x, mm_number value);
#define mm_gt_scalar(x, value) mm_gt_number((x), MM_N(value))
MM_API mm_tensor *mm_gt_number(mm_tensor *x, mm_number value);
#define mm_ge_scalar(x, value) mm_ge_number((x), MM_N(value))
MM_API mm_tensor *mm_ge_number(mm_tensor *x, mm_number value);
MM_API mm_tensor *mm_logical_and(mm_tensor *x, mm_tensor *y);
MM_API mm_tensor *mm_logical_or(mm_tensor *x, mm_tensor *y);
MM_API mm_tensor *mm_logical_xor(mm_tensor *x, mm_tensor *y);
MM_API mm_tensor *mm_bitwise_and(mm_tensor *x, mm_tensor *y);
MM_API mm_tensor *mm_bitwise_or(mm_tensor *x, mm_tensor *y);
/** x where `condition` (bool) is true, else y. */
MM_API mm_tensor *mm_where(mm_tensor *condition, mm_tensor *x, mm_tensor *y);
/** `value` where `mask` (bool) is true. */
#define mm_masked_fill(x, mask, value) mm_masked_fill_number((x), (mask), MM_N(value))
MM_API mm_tensor *mm_masked_fill_number(mm_tensor *x, mm_tensor *mask, mm_number value);
#define mm_masked_fill_(x, mask, value) mm_masked_fill_number_((x), (mask), MM_N(value))
MM_API mm_tensor *mm_masked_fill_number_(mm_tensor *x, mm_tensor *mask,
                                         mm_number value);
/** @} */

MM_END_DECLS

#endif
