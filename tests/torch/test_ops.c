/*
 * Every typed operation against PyTorch: values, sizes, dtypes, and gradients with
 * respect to each float input. The cases and inputs are in tools/golden/tensor_ops.py.
 */
#include "check.h"

#include <math.h>

#include "golden_records.h"
#include "mmengine/ops.h"

#define PATH "golden/tensor/ops.bin"

/* Inputs whose gradients are compared, then the others. */
/* Lists of X(...): clang-format breaks them anew each time it runs. */
/* clang-format off */
#define FLOATS(X)                                                                      \
    X(a)                                                                               \
    X(b) X(c) X(p) X(u) X(v) X(w) X(r) X(img) X(seq) X(vol) X(k2) X(k2g) X(kt) X(b8)   \
        X(k1) X(k3) X(gamma) X(beta) X(logits) X(probs) X(cw) X(emb) X(q) X(key)       \
            X(val) X(bat1) X(bat2) X(grid)
#define OTHERS(X)                                                                      \
    X(mean)                                                                            \
    X(var) X(target) X(target_ignore) X(mask) X(mask2) X(amask) X(idx) X(gidx)         \
        X(tokens) X(ints) X(ints2) X(counts) X(special)

/* clang-format on */
#define FIELD(name) mm_tensor *name;
struct in {
    FLOATS(FIELD)
    OTHERS(FIELD)
};

static mm_tensor *copy_of(mm_tensor *x)
{
    return mm_clone(mm_detach(x));
}

static mm_tensor *zeros34(void)
{
    return mm_zeros(MM_DIMS(3, 4));
}

static mm_tensor *second(mm_tensor *first, mm_tensor *index)
{
    return first != NULL ? index : NULL;
}

static mm_tensor *mask_as_float(const struct in *t)
{
    return mm_cast(t->mask, MM_DTYPE_F32);
}

/* Cases that take more than one expression. */
static mm_tensor *max_index(const struct in *t)
{
    mm_tensor *index = NULL;
    mm_tensor *values = mm_max_dim(t->a, 1, false, &index);

    return second(values, index);
}

static mm_tensor *topk_index(const struct in *t)
{
    mm_tensor *index = NULL;
    mm_tensor *values = mm_topk(t->a, 2, 1, true, &index);

    return second(values, index);
}

static mm_tensor *unique_inverse(const struct in *t)
{
    mm_tensor *inverse = NULL;
    mm_tensor *values = mm_unique(t->counts, &inverse, NULL);

    return second(values, inverse);
}

static mm_tensor *unique_counts(const struct in *t)
{
    mm_tensor *counts = NULL;
    mm_tensor *values = mm_unique(t->counts, NULL, &counts);

    return second(values, counts);
}

static mm_tensor *split_second(const struct in *t)
{
    mm_tensor *out[4];
    int count = 0;

    assert_int_equal(mm_split(t->a, 3, 1, out, 4, &count), MM_OK);
    assert_int_equal(count, 2);
    return out[1];
}

static mm_tensor *split_sizes_second(const struct in *t)
{
    mm_tensor *out[2];

    assert_int_equal(mm_split_sizes(t->a, MM_DIMS(1, 3), 1, out), MM_OK);
    return out[1];
}

static mm_tensor *chunk_second(const struct in *t)
{
    mm_tensor *out[2];
    int count = 0;

    assert_int_equal(mm_chunk(t->a, 2, 1, out, &count), MM_OK);
    assert_int_equal(count, 2);
    return out[1];
}

static mm_tensor *unbind_third(const struct in *t)
{
    mm_tensor *out[3];
    int count = 0;

    assert_int_equal(mm_unbind(t->a, 0, out, 3, &count), MM_OK);
    assert_int_equal(count, 3);
    return out[2];
}

static mm_tensor *meshgrid_second(const struct in *t)
{
    mm_tensor *out[2];
    mm_tensor *axes[2] = {t->v, t->r};

    assert_int_equal(mm_meshgrid(axes, 2, true, out), MM_OK);
    return out[1];
}

static mm_tensor *cat_two(const struct in *t)
{
    mm_tensor *both[2] = {t->a, t->b};

    return mm_cat(both, 2, 1);
}

static mm_tensor *stack_two(const struct in *t)
{
    mm_tensor *both[2] = {t->a, t->b};

    return mm_stack(both, 2, 1);
}

static mm_tensor *index_first(const struct in *t)
{
    return mm_index(t->a, &t->idx, 1);
}

static mm_tensor *index_second(const struct in *t)
{
    mm_tensor *indices[2] = {NULL, t->idx};

    return mm_index(t->a, indices, 2);
}

static mm_tensor *einsum_two(const struct in *t)
{
    mm_tensor *both[2] = {t->bat1, t->bat2};

    return mm_einsum("bij,bjk->bik", both, 2);
}

static mm_tensor *rows2(mm_tensor *x)
{
    return mm_narrow(x, 0, 0, 2);
}

static const double up[3] = {1.5, 1.5, 1.5};
static const double twice[3] = {2, 2, 2};
static const double half[3] = {0.5, 0.5, 0.5};

/* clang-format off */
#define CASES(X)                                                                       \
    X(zeros, mm_zeros(MM_DIMS(2, 3), .dtype = MM_DTYPE_I64))                           \
    X(ones, mm_ones(MM_DIMS(2)))                                                       \
    X(full, mm_full(MM_DIMS(2, 2), MM_N(0.5)))                                         \
    X(full_int, mm_full(MM_DIMS(2), MM_N(3)))                                          \
    X(arange, mm_arange(MM_N(0), MM_N(10), .step = MM_N(3)))                           \
    X(arange_f, mm_arange(MM_N(0.0), MM_N(1.0), .step = MM_N(0.25)))                   \
    X(linspace, mm_linspace(-1, 1, 5))                                                 \
    X(eye, mm_eye(3))                                                                  \
    X(zeros_like, mm_zeros_like(t->ints))                                              \
    X(ones_like, mm_ones_like(t->a))                                                   \
    X(full_like, mm_full_like(t->a, 2.5))                                              \
    X(one_hot, mm_one_hot(t->target, 7))                                               \
    X(scalar, mm_scalar(1.5, MM_DTYPE_NONE))                                           \
    X(scalar_half, mm_scalar(1.5, MM_DTYPE_F16))                                       \
    X(zero_, mm_zero_(copy_of(t->a)))                                                  \
    X(fill_, mm_fill_(copy_of(t->a), 2))                                               \
    X(copy_, mm_copy_(zeros34(), t->b))                                                \
    X(add, mm_add(t->a, t->b))                                                         \
    X(add_bcast, mm_add(t->a, t->v))                                                   \
    X(sub, mm_sub(t->a, t->b))                                                         \
    X(mul, mm_mul(t->a, t->b))                                                         \
    X(div, mm_div(t->a, t->p))                                                         \
    X(add_scaled, mm_add_scaled(t->a, t->b, -0.5))                                     \
    X(add_ints, mm_add_scaled(t->ints, t->ints2, 2))                                   \
    X(floor_divide, mm_floor_divide(t->ints, t->ints2))                                \
    X(remainder, mm_remainder(t->ints, t->ints2))                                      \
    X(fmod, mm_fmod(t->ints, t->ints2))                                                \
    X(pow, mm_pow(t->p, t->b))                                                         \
    X(maximum, mm_maximum(t->a, t->b))                                                 \
    X(minimum, mm_minimum(t->a, t->b))                                                 \
    X(atan2, mm_atan2(t->a, t->b))                                                     \
    X(lerp, mm_lerp(t->a, t->b, 0.25))                                                 \
    X(addcmul, mm_addcmul(t->a, t->b, t->p, 0.5))                                      \
    X(addcdiv, mm_addcdiv(t->a, t->b, t->p, 0.5))                                      \
    X(add_, mm_add_(copy_of(t->a), mm_detach(t->b)))                                   \
    X(sub_, mm_sub_(copy_of(t->a), mm_detach(t->b)))                                   \
    X(mul_, mm_mul_(copy_of(t->a), mm_detach(t->b)))                                   \
    X(div_, mm_div_(copy_of(t->a), mm_detach(t->p)))                                   \
    X(add_scaled_, mm_add_scaled_(copy_of(t->a), mm_detach(t->b), 0.3))                \
    X(lerp_, mm_lerp_(copy_of(t->a), mm_detach(t->b), 0.3))                            \
    X(addcmul_, mm_addcmul_(copy_of(t->a), mm_detach(t->b), mm_detach(t->p), 2))       \
    X(addcdiv_, mm_addcdiv_(copy_of(t->a), mm_detach(t->b), mm_detach(t->p), 2))       \
    X(add_scalar, mm_add_scalar(t->a, 1.5))                                            \
    X(add_scalar_int, mm_add_scalar(t->ints, 1))                                       \
    X(add_scalar_promotes, mm_add_scalar(t->ints, 1.5))                                \
    X(sub_scalar, mm_sub_scalar(t->a, 2))                                              \
    X(rsub_scalar, mm_rsub_scalar(t->a, 2))                                            \
    X(mul_scalar, mm_mul_scalar(t->a, 3))                                              \
    X(div_scalar, mm_div_scalar(t->a, 3))                                              \
    X(div_scalar_int, mm_div_scalar(t->ints, 2))                                       \
    X(floor_divide_scalar, mm_floor_divide_scalar(t->ints, 2))                         \
    X(remainder_scalar, mm_remainder_scalar(t->ints, 3))                               \
    X(pow_scalar, mm_pow_scalar(t->a, 2))                                              \
    X(add_scalar_, mm_add_scalar_(copy_of(t->a), 1))                                   \
    X(sub_scalar_, mm_sub_scalar_(copy_of(t->a), 1))                                   \
    X(mul_scalar_, mm_mul_scalar_(copy_of(t->a), 0.5))                                 \
    X(div_scalar_, mm_div_scalar_(copy_of(t->a), 4))                                   \
    X(clamp, mm_clamp(t->a, .min = MM_N(-0.5), .max = MM_N(0.5)))                      \
    X(clamp_min, mm_clamp(t->ints, .min = MM_N(0)))                                    \
    X(clamp_, mm_clamp_(copy_of(t->a), .max = MM_N(0.1)))                              \
    X(abs, mm_abs(t->a))                                                               \
    X(neg, mm_neg(t->a))                                                               \
    X(sign, mm_sign(t->a))                                                             \
    X(exp, mm_exp(t->a))                                                               \
    X(expm1, mm_expm1(t->a))                                                           \
    X(ln, mm_ln(t->p))                                                                 \
    X(log1p, mm_log1p(t->p))                                                           \
    X(log2, mm_log2(t->p))                                                             \
    X(log10, mm_log10(t->p))                                                           \
    X(sqrt, mm_sqrt(t->p))                                                             \
    X(rsqrt, mm_rsqrt(t->p))                                                           \
    X(square, mm_square(t->a))                                                         \
    X(reciprocal, mm_reciprocal(t->p))                                                 \
    X(sin, mm_sin(t->a))                                                               \
    X(cos, mm_cos(t->a))                                                               \
    X(tan, mm_tan(t->u))                                                               \
    X(atan, mm_atan(t->a))                                                             \
    X(erf, mm_erf(t->a))                                                               \
    X(erfinv, mm_erfinv(t->u))                                                         \
    X(floor, mm_floor(t->a))                                                           \
    X(ceil, mm_ceil(t->a))                                                             \
    X(round, mm_round(t->a))                                                           \
    X(trunc, mm_trunc(t->a))                                                           \
    X(isnan, mm_isnan(t->special))                                                     \
    X(isinf, mm_isinf(t->special))                                                     \
    X(isfinite, mm_isfinite(t->special))                                               \
    X(logical_not, mm_logical_not(t->mask))                                            \
    X(bitwise_not, mm_bitwise_not(t->ints))                                            \
    X(abs_, mm_abs_(copy_of(t->a)))                                                    \
    X(neg_, mm_neg_(copy_of(t->a)))                                                    \
    X(exp_, mm_exp_(copy_of(t->a)))                                                    \
    X(ln_, mm_ln_(copy_of(t->p)))                                                      \
    X(sqrt_, mm_sqrt_(copy_of(t->p)))                                                  \
    X(rsqrt_, mm_rsqrt_(copy_of(t->p)))                                                \
    X(reciprocal_, mm_reciprocal_(copy_of(t->p)))                                      \
    X(erfinv_, mm_erfinv_(copy_of(t->u)))                                              \
    X(floor_, mm_floor_(copy_of(t->a)))                                                \
    X(ceil_, mm_ceil_(copy_of(t->a)))                                                  \
    X(round_, mm_round_(copy_of(t->a)))                                                \
    X(eq, mm_eq(t->ints, t->ints2))                                                    \
    X(ne, mm_ne(t->ints, t->ints2))                                                    \
    X(lt, mm_lt(t->a, t->b))                                                           \
    X(le, mm_le(t->a, t->b))                                                           \
    X(gt, mm_gt(t->a, t->b))                                                           \
    X(ge, mm_ge(t->a, t->b))                                                           \
    X(eq_scalar, mm_eq_scalar(t->ints, 2))                                             \
    X(ne_scalar, mm_ne_scalar(t->ints, 2))                                             \
    X(lt_scalar, mm_lt_scalar(t->a, 0.5))                                              \
    X(le_scalar, mm_le_scalar(t->a, 0))                                                \
    X(gt_scalar, mm_gt_scalar(t->a, 0))                                                \
    X(ge_scalar, mm_ge_scalar(t->a, 0.5))                                              \
    X(logical_and, mm_logical_and(t->mask, t->mask2))                                  \
    X(logical_or, mm_logical_or(t->mask, t->mask2))                                    \
    X(logical_xor, mm_logical_xor(t->mask, t->mask2))                                  \
    X(bitwise_and, mm_bitwise_and(t->ints, t->ints2))                                  \
    X(bitwise_or, mm_bitwise_or(t->ints, t->ints2))                                    \
    X(where, mm_where(t->mask, t->a, t->b))                                            \
    X(masked_fill, mm_masked_fill(t->a, t->mask, -1.5))                                \
    X(masked_fill_, mm_masked_fill_(copy_of(t->a), t->mask, 9))                        \
    X(sum, mm_sum(t->a))                                                               \
    X(sum_dim, mm_sum(t->a, MM_DIMS(1), .keepdim = true))                              \
    X(sum_dims, mm_sum(t->img, MM_DIMS(0, 2, 3)))                                      \
    X(sum_ints, mm_sum(t->ints))                                                       \
    X(sum_f64, mm_sum(t->a, .dtype = MM_DTYPE_F64))                                    \
    X(mean, mm_mean(t->a))                                                             \
    X(mean_dims, mm_mean(t->img, MM_DIMS(2, 3)))                                       \
    X(amax, mm_amax(t->a, MM_DIMS(1)))                                                 \
    X(amin, mm_amin(t->a))                                                             \
    X(logsumexp, mm_logsumexp(t->a, MM_DIMS(1)))                                       \
    X(any, mm_any(t->mask))                                                            \
    X(any_dim, mm_any(t->mask, MM_DIMS(1)))                                            \
    X(all, mm_all(t->mask))                                                            \
    X(all_dim, mm_all(t->mask, MM_DIMS(0), .keepdim = true))                           \
    X(var, mm_var(t->a))                                                               \
    X(var_biased, mm_var(t->a, MM_DIMS(1), .biased = true))                            \
    X(std, mm_std(t->a, MM_DIMS(0)))                                                   \
    X(norm, mm_norm(t->a))                                                             \
    X(norm_dim, mm_norm(t->a, MM_N(1), MM_DIMS(1), .keepdim = true))                   \
    X(norm_inf, mm_norm(t->a, MM_N((double)INFINITY)))                                 \
    X(prod, mm_prod(t->a))                                                             \
    X(max, mm_max(t->a))                                                               \
    X(min, mm_min(t->a))                                                               \
    X(max_dim, mm_max_dim(t->a, 1, false, NULL))                                       \
    X(max_dim_index, max_index(t))                                                     \
    X(min_dim, mm_min_dim(t->a, 0, true, NULL))                                        \
    X(argmax, mm_argmax(t->a, 1, false))                                               \
    X(argmin, mm_argmin(t->a, 0, false))                                               \
    X(cumsum, mm_cumsum(t->a, 1))                                                      \
    X(cumprod, mm_cumprod(t->a, 0))                                                    \
    X(topk, mm_topk(t->a, 2, 1, true, NULL))                                           \
    X(topk_index, topk_index(t))                                                       \
    X(sort, mm_sort(t->a, 1, true, NULL))                                              \
    X(argsort, mm_argsort(t->a, 0, false))                                             \
    X(median, mm_median(t->a, 1, false, NULL))                                         \
    X(unique, mm_unique(t->counts, NULL, NULL))                                        \
    X(unique_inverse, unique_inverse(t))                                               \
    X(unique_counts, unique_counts(t))                                                 \
    X(bincount, mm_bincount(t->counts, NULL, 8))                                       \
    X(histc, mm_histc(mm_detach(t->a), 4, -2, 2))                                      \
    X(count_nonzero, mm_count_nonzero(t->ints))                                        \
    X(nonzero, mm_nonzero(t->ints))                                                    \
    X(reshape, mm_reshape(t->a, MM_DIMS(2, -1)))                                       \
    X(view, mm_view(t->a, MM_DIMS(12)))                                                \
    X(flatten, mm_flatten(t->img, 1, -1))                                              \
    X(unflatten, mm_unflatten(t->a, 1, MM_DIMS(2, 2)))                                 \
    X(permute, mm_permute(t->img, MM_DIMS(0, 2, 3, 1)))                                \
    X(transpose, mm_transpose(t->a, 0, 1))                                             \
    X(t, mm_t(t->a))                                                                   \
    X(squeeze, mm_squeeze(mm_unsqueeze(t->a, 1), 1))                                   \
    X(squeeze_all, mm_squeeze_all(mm_unsqueeze(t->a, 0)))                              \
    X(unsqueeze, mm_unsqueeze(t->a, -1))                                               \
    X(expand, mm_expand(t->v, MM_DIMS(3, -1)))                                         \
    X(expand_as, mm_expand_as(t->v, t->a))                                             \
    X(repeat, mm_repeat(t->a, MM_DIMS(2, 1)))                                          \
    X(repeat_interleave, mm_repeat_interleave(t->a, 2, 1))                             \
    X(flip, mm_flip(t->a, MM_DIMS(1)))                                                 \
    X(roll, mm_roll(t->a, MM_DIMS(1, 2), MM_DIMS(0, 1)))                               \
    X(tril, mm_tril(t->a, 0))                                                          \
    X(triu, mm_triu(t->a, 1))                                                          \
    X(diagonal, mm_diagonal(t->a, 1, 0, 1))                                            \
    X(pad, mm_pad(t->a, MM_DIMS(1, 2), .value = 0.5))                                  \
    X(pad_reflect, mm_pad(t->img, MM_DIMS(1, 1, 2, 2), .mode = "reflect"))             \
    X(cat, cat_two(t))                                                                 \
    X(stack, stack_two(t))                                                             \
    X(split, split_second(t))                                                          \
    X(split_sizes, split_sizes_second(t))                                              \
    X(chunk, chunk_second(t))                                                          \
    X(unbind, unbind_third(t))                                                         \
    X(meshgrid, meshgrid_second(t))                                                    \
    X(select, mm_select(t->a, 1, -1))                                                  \
    X(narrow, mm_narrow(t->a, 1, 1, 2))                                                \
    X(slice, mm_slice(t->a, 1, 1))                                                     \
    X(slice_end, mm_slice(t->a, 1, .end = MM_N(-1)))                                   \
    X(slice_step, mm_slice(t->a, 0, .step = 2))                                        \
    X(index_select, mm_index_select(t->a, 0, t->idx))                                  \
    X(index, index_first(t))                                                           \
    X(index_second, index_second(t))                                                   \
    X(index_mask, mm_index(t->a, &t->mask, 1))                                         \
    X(index_put_, mm_index_put_(zeros34(), &t->idx, 1, mm_detach(t->b), false))        \
    X(gather, mm_gather(t->a, 0, t->gidx))                                             \
    X(scatter, mm_scatter(zeros34(), 0, t->gidx, rows2(mm_detach(t->b))))              \
    X(scatter_, mm_scatter_(zeros34(), 0, t->gidx, rows2(mm_detach(t->b))))            \
    X(scatter_scalar_, mm_scatter_scalar_(zeros34(), 0, t->gidx, 2.0))                 \
    X(scatter_add, mm_scatter_add(t->a, 0, t->gidx, rows2(t->b)))                      \
    X(index_add_, mm_index_add_(zeros34(), 0, t->idx, mm_detach(t->b)))                \
    X(masked_select, mm_masked_select(t->a, t->mask))                                  \
    X(to_half, mm_to(t->a, .dtype = MM_DTYPE_F16))                                     \
    X(cast, mm_cast(t->ints, MM_DTYPE_F32))                                            \
    X(contiguous, mm_contiguous(mm_t(t->a), MM_FORMAT_NONE))                           \
    X(clone, mm_clone(t->a))                                                           \
    X(channels_last, mm_contiguous(t->img, MM_FORMAT_CHANNELS_LAST))                   \
    X(detach, mm_detach(t->a))                                                         \
    X(linear, mm_linear(t->a, t->w, t->r))                                             \
    X(linear_no_bias, mm_linear(t->a, t->w, NULL))                                     \
    X(matmul, mm_matmul(t->a, t->c))                                                   \
    X(matmul_vec, mm_matmul(t->a, t->v))                                               \
    X(mm, mm_mm(t->a, t->c))                                                           \
    X(bmm, mm_bmm(t->bat1, t->bat2))                                                   \
    X(addmm, mm_addmm(t->r, t->a, t->c, 0.5, 2))                                       \
    X(outer, mm_outer(t->v, t->r))                                                     \
    X(einsum, einsum_two(t))                                                           \
    X(conv1d, mm_conv1d(t->seq, t->k1, .stride = 2, .padding = 1))                     \
    X(conv2d, mm_conv2d(t->img, t->k2, t->b8, .stride = {2, 2}, .padding = {1, 1}))    \
    X(conv2d_plain, mm_conv2d(t->img, t->k2))                                          \
    X(conv2d_same, mm_conv2d(t->img, t->k2, .same = true))                             \
    X(conv2d_groups, mm_conv2d(t->img, t->k2g, .dilation = {2, 2}, .groups = 2))       \
    X(conv2d_uneven, mm_conv2d(t->img, t->k2, .stride = {1, 2}, .padding = {0, 2}))    \
    X(conv3d, mm_conv3d(t->vol, t->k3, .padding = {1, 0, 0}))                          \
    X(conv_transpose2d,                                                                \
      mm_conv_transpose2d(t->img, t->kt, .stride = {2, 2}, .padding = {1, 1},          \
                          .output_padding = {1, 1}))                                   \
    X(unfold2d, mm_unfold2d(t->img, {2, 3}, .stride = {2, 2}))                         \
    X(max_pool2d, mm_max_pool2d(t->img, {2, 2}))                                       \
    X(max_pool2d_all,                                                                  \
      mm_max_pool2d(t->img, {3, 3}, {2, 2}, {1, 1}, .ceil_mode = true))                \
    X(avg_pool2d, mm_avg_pool2d(t->img, {3, 3}, {2, 2}, {1, 1}))                       \
    X(avg_pool2d_nopad,                                                                \
      mm_avg_pool2d(t->img, {3, 3}, {2, 2}, {1, 1}, .exclude_pad = true))              \
    X(adaptive_avg_pool2d, mm_adaptive_avg_pool2d(t->img, 2, 3))                       \
    X(adaptive_max_pool2d, mm_adaptive_max_pool2d(t->img, 2, 3))                       \
    X(max_pool1d, mm_max_pool1d(t->seq, 3, 2))                                         \
    X(avg_pool1d, mm_avg_pool1d(t->seq, 3))                                            \
    X(adaptive_avg_pool1d, mm_adaptive_avg_pool1d(t->seq, 4))                          \
    X(adaptive_max_pool1d, mm_adaptive_max_pool1d(t->seq, 4))                          \
    X(max_pool3d, mm_max_pool3d(t->vol, {2, 2, 2}))                                    \
    X(avg_pool3d, mm_avg_pool3d(t->vol, {2, 2, 2}, {1, 1, 1}))                         \
    X(adaptive_avg_pool3d, mm_adaptive_avg_pool3d(t->vol, 1, 2, 3))                    \
    X(batch_norm,                                                                      \
      mm_batch_norm(t->img, t->mean, t->var, t->gamma, t->beta, true, 0.1, 1e-5))      \
    X(batch_norm_eval,                                                                 \
      mm_batch_norm(t->img, t->mean, t->var, t->gamma, t->beta, false, 0.1, 1e-5))     \
    X(layer_norm, mm_layer_norm(t->a, MM_DIMS(4), t->gamma, t->beta, 1e-6))            \
    X(group_norm, mm_group_norm(t->img, 2, t->gamma, t->beta, 1e-5))                   \
    X(instance_norm,                                                                   \
      mm_instance_norm(t->img, NULL, NULL, t->gamma, t->beta, true, 0.1, 1e-5))        \
    X(normalize, mm_normalize(t->a, 2, 1, 1e-12))                                      \
    X(local_response_norm, mm_local_response_norm(t->img, 3, 1e-2, 0.75, 1))           \
    X(local_response_norm_3, mm_local_response_norm(t->seq, 2, 1e-2, 0.75, 2))         \
    X(relu, mm_relu(t->a))                                                             \
    X(relu_, mm_relu_(copy_of(t->a)))                                                  \
    X(relu6, mm_relu6(mm_mul_scalar(t->a, 5)))                                         \
    X(leaky_relu, mm_leaky_relu(t->a, 0.1))                                            \
    X(leaky_relu_, mm_leaky_relu_(copy_of(t->a), 0.1))                                 \
    X(prelu, mm_prelu(t->img, t->gamma))                                               \
    X(elu, mm_elu(t->a, 0.7))                                                          \
    X(selu, mm_selu(t->a))                                                             \
    X(celu, mm_celu(t->a, 0.7))                                                        \
    X(gelu, mm_gelu(t->a, false))                                                      \
    X(gelu_tanh, mm_gelu(t->a, true))                                                  \
    X(silu, mm_silu(t->a))                                                             \
    X(mish, mm_mish(t->a))                                                             \
    X(sigmoid, mm_sigmoid(t->a))                                                       \
    X(tanh, mm_tanh(t->a))                                                             \
    X(silu_, mm_silu_(copy_of(t->a)))                                                  \
    X(sigmoid_, mm_sigmoid_(copy_of(t->a)))                                            \
    X(tanh_, mm_tanh_(copy_of(t->a)))                                                  \
    X(hardswish, mm_hardswish(mm_mul_scalar(t->a, 3)))                                 \
    X(hardswish_, mm_hardswish_(mm_mul_scalar(mm_detach(t->a), 3)))                    \
    X(hardsigmoid, mm_hardsigmoid(mm_mul_scalar(t->a, 3)))                             \
    X(hardtanh, mm_hardtanh(t->a, -0.5, 0.7))                                          \
    X(softplus, mm_softplus(t->a, 2, 1))                                               \
    X(softsign, mm_softsign(t->a))                                                     \
    X(log_sigmoid, mm_log_sigmoid(t->a))                                               \
    X(glu, mm_glu(t->a, 1))                                                            \
    X(softmax, mm_softmax(t->a, 1))                                                    \
    X(log_softmax, mm_log_softmax(t->a, -1))                                           \
    X(dropout_eval, mm_dropout(t->a, 0.5, false))                                      \
    X(embedding, mm_embedding(t->emb, t->tokens))                                      \
    X(embedding_padding, mm_embedding(t->emb, t->tokens, .padding_idx = MM_N(-9)))     \
    X(interp_nearest, mm_interpolate(t->img, .scales = up))                            \
    X(interp_nearest1, mm_interpolate(t->seq, MM_DIMS(5)))                             \
    X(interp_exact, mm_interpolate(t->img, MM_DIMS(4, 9), .mode = "nearest-exact"))    \
    X(interp_linear, mm_interpolate(t->seq, MM_DIMS(5), .mode = "linear"))             \
    X(interp_bilinear, mm_interpolate(t->img, MM_DIMS(9, 4), .mode = "bilinear"))      \
    X(interp_corners, mm_interpolate(t->img, .scales = twice, .mode = "bilinear",      \
                                     .align_corners = true))                           \
    X(interp_bicubic, mm_interpolate(t->img, MM_DIMS(9, 4), .mode = "bicubic"))        \
    X(interp_trilinear, mm_interpolate(t->vol, MM_DIMS(3, 5, 6), .mode = "trilinear")) \
    X(interp_area, mm_interpolate(t->img, .scales = half, .mode = "area"))             \
    X(interp_antialias,                                                                \
      mm_interpolate(t->img, MM_DIMS(3, 3), .mode = "bilinear", .antialias = true))    \
    X(grid_sample, mm_grid_sample(t->img, t->grid))                                    \
    X(grid_sample_border,                                                              \
      mm_grid_sample(t->img, t->grid, .mode = "nearest", .padding_mode = "border",     \
                     .align_corners = true))                                           \
    X(attention, mm_attention(t->q, t->key, t->val))                                   \
    X(attention_mask, mm_attention(t->q, t->key, t->val, .mask = t->amask))            \
    X(attention_scale, mm_attention(t->q, t->key, t->val, .scale = MM_N(0.3)))         \
    X(attention_causal, mm_attention(t->key, t->key, t->val, .is_causal = true))       \
    X(pixel_shuffle, mm_pixel_shuffle(t->img, 2))                                      \
    X(pixel_unshuffle, mm_pixel_unshuffle(t->img, 2))                                  \
    X(channel_shuffle, mm_channel_shuffle(mm_detach(t->img), 2))                       \
    X(cosine_similarity, mm_cosine_similarity(t->a, t->b, 1, 1e-8))                    \
    X(cdist, mm_cdist(t->a, t->b, 2))                                                  \
    X(cross_entropy, mm_cross_entropy(t->logits, t->target))                           \
    X(cross_entropy_all,                                                               \
      mm_cross_entropy(t->logits, t->target, mm_detach(t->cw),                         \
                       .ignore_index = MM_N(3), .label_smoothing = 0.1))               \
    X(cross_entropy_sum,                                                               \
      mm_cross_entropy(t->logits, t->target, .reduction = MM_REDUCTION_SUM))           \
    X(cross_entropy_none,                                                              \
      mm_cross_entropy(t->logits, t->target_ignore, .reduction = MM_REDUCTION_NONE))   \
    X(cross_entropy_soft, mm_cross_entropy(t->logits, mm_detach(t->probs)))            \
    X(nll_loss,                                                                        \
      mm_nll_loss(mm_log_softmax(t->logits, 1), t->target, mm_detach(t->cw)))          \
    X(bce_loss, mm_bce_loss(t->u, mask_as_float(t)))                                   \
    X(bce_with_logits,                                                                 \
      mm_bce_with_logits(t->a, mask_as_float(t), .pos_weight = mm_detach(t->gamma)))   \
    X(bce_with_logits_sum,                                                             \
      mm_bce_with_logits(t->a, mask_as_float(t), mm_detach(t->p), MM_REDUCTION_SUM))   \
    X(mse_loss, mm_mse_loss(t->a, t->b, MM_REDUCTION_MEAN))                            \
    X(mse_loss_none, mm_mse_loss(t->a, t->b, MM_REDUCTION_NONE))                       \
    X(l1_loss, mm_l1_loss(t->a, t->b, MM_REDUCTION_MEAN))                              \
    X(smooth_l1_loss, mm_smooth_l1_loss(t->a, t->b, 0.5, MM_REDUCTION_MEAN))           \
    X(huber_loss, mm_huber_loss(t->a, t->b, 0.7, MM_REDUCTION_SUM))                    \
    X(kl_div, mm_kl_div(mm_log_softmax(t->logits, 1), mm_detach(t->probs), false,      \
                        MM_REDUCTION_SUM))

/* clang-format on */
#define CASE_FUNCTION(name, ...)                                                       \
    static mm_tensor *case_##name(const struct in *t)                                  \
    {                                                                                  \
        (void)t;                                                                       \
        return __VA_ARGS__;                                                            \
    }
CASES(CASE_FUNCTION)

static const struct op_case {
    const char *name;
    mm_tensor *(*run)(const struct in *t);
} cases[] = {
#define CASE_ROW(name, ...) {#name, case_##name},
    CASES(CASE_ROW)};

static struct golden golden;

static int open_golden(void **state)
{
    (void)state;
    golden = golden_open(PATH);
    return 0;
}

static int close_golden(void **state)
{
    (void)state;
    golden_close(&golden);
    return 0;
}

/* A record as a float tensor. */
static mm_tensor *read_floats(const char *name)
{
    size_t ndim = 0;
    int64_t sizes[MM_MAX_DIM] = {0};
    float *lengths = golden_f32(&golden, &ndim, "%s.sizes", name);
    float *data = golden_f32(&golden, NULL, "%s", name);

    for (size_t i = 0; i < ndim; i++) {
        sizes[i] = (int64_t)lengths[i];
    }
    mm_tensor *made = mm_from_f32(data, (int)ndim, sizes);
    free(lengths);
    free(data);
    return made;
}

static mm_tensor *read_input(const char *name)
{
    char record[64];

    snprintf(record, sizeof record, "in.%s", name);
    float *dtype = golden_f32(&golden, NULL, "%s.dtype", record);
    mm_tensor *made = mm_cast(read_floats(record), (mm_dtype)dtype[0]);
    free(dtype);
    return made;
}

static void load(struct in *t)
{
#define LOAD(name)                                                                     \
    t->name = mm_detach(read_input(#name));                                            \
    assert_int_equal(mm_set_requires_grad(t->name, true), MM_OK);
#define LOAD_OTHER(name) t->name = read_input(#name);
    FLOATS(LOAD)
    OTHERS(LOAD_OTHER)
    check_ok();
}

static void compare(const char *what, mm_tensor *x, mm_tensor *wanted)
{
    mm_tensor *flat = mm_contiguous(mm_cast(mm_detach(x), MM_DTYPE_F32), 0);
    const float *got = mm_data(flat, MM_DTYPE_F32);
    const float *want = mm_data(wanted, MM_DTYPE_F32);

    check_ok();
    assert_int_equal(mm_ndim(x), mm_ndim(wanted));
    for (int i = 0; i < mm_ndim(x); i++) {
        assert_int_equal(mm_size(x, i), mm_size(wanted, i));
    }
    for (int64_t i = 0; i < mm_numel(flat); i++) {
        float error = fabsf(got[i] - want[i]);
        if (!(error <= 1e-5F + 1e-5F * fabsf(want[i])) && got[i] != want[i]) {
            fail_msg("%s: element %d is %.9g, not %.9g", what, (int)i, (double)got[i],
                     (double)want[i]);
        }
    }
}

static void compare_gradient(const char *name, const char *input, mm_tensor *leaf)
{
    char record[96];
    struct golden_record found;
    mm_tensor *grad = mm_grad_find(leaf);

    snprintf(record, sizeof record, "%s.grad_%s", name, input);
    if (!golden_find(&golden, record, &found)) {
        if (grad != NULL) {
            fail_msg("%s: a gradient that PyTorch does not give", record);
        }
        return;
    }
    if (grad == NULL) {
        fail_msg("%s: no gradient", record);
    }
    compare(record, grad, read_floats(record));
}

static void check_case(const struct op_case *row)
{
    struct in t;

    load(&t);
    mm_tensor *y = row->run(&t);
    mm_error error;
    if (mm_error_take(&error) != MM_OK) {
        fail_msg("%s: %s", row->name, error.message);
    }
    float *dtype = golden_f32(&golden, NULL, "%s.dtype", row->name);
    if (mm_tensor_dtype(y) != (mm_dtype)dtype[0]) {
        fail_msg("%s: dtype %s", row->name, mm_dtype_name(mm_tensor_dtype(y)));
    }
    free(dtype);
    compare(row->name, y, read_floats(row->name));
    mm_tensor_info info;
    assert_int_equal(mm_tensor_info_get(y, &info), MM_OK);
    if (info.requires_grad) {
        assert_int_equal(mm_backward(mm_sum(mm_cast(y, MM_DTYPE_F32))), MM_OK);
    }
#define COMPARE(input) compare_gradient(row->name, #input, t.input);
    FLOATS(COMPARE)
}

static void test_every_operation_is_pytorchs(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mm_scope scope = mm_scope_open();
        check_case(&cases[i]);
        mm_scope_close(scope);
        assert_int_equal(mm_live_tensors(), 0);
    }
}

/* A required argument that is NULL is named; nothing else happens. */
static void test_missing_arguments_are_named(void **state)
{
    mm_scope scope = mm_scope_open();
    mm_tensor *x = mm_ones(MM_DIMS(2, 2));

    (void)state;
    assert_null(mm_abs(NULL));
    check_error_text(MM_EINVAL, "argument 'x' of mm_abs is missing");
    assert_null(mm_conv2d(x, NULL));
    check_error_text(MM_EINVAL, "argument 'weight' of mm_conv2d is missing");
    assert_null(mm_add(x, NULL));
    check_error_text(MM_EINVAL, "argument 'y' of mm_add is missing");
    assert_null(mm_cross_entropy(x, NULL));
    check_error_text(MM_EINVAL, "argument 'target' of mm_cross_entropy is missing");
    mm_scope_close(scope);
}

static void test_an_error_stops_what_follows(void **state)
{
    mm_scope scope = mm_scope_open();
    mm_tensor *x = mm_ones(MM_DIMS(2, 3));
    mm_tensor *y = mm_ones(MM_DIMS(2, 3));

    (void)state;
    assert_null(mm_relu(mm_add_(mm_matmul(x, y), x)));
    assert_null(mm_zero_(x));
    check_error_text(
        MM_ETORCH,
        "matmul([2, 3] float32, [2, 3] float32): mat1 and mat2 shapes cannot "
        "be multiplied (2x3 and 2x3)");
    assert_true(mm_item(mm_sum(x)) == 6.0);
    mm_scope_close(scope);
}

static void test_no_scope_is_an_error(void **state)
{
    (void)state;
    assert_null(mm_ones(MM_DIMS(2)));
    check_error(MM_ESTATE);
}

static void test_batch_norm_keeps_statistics(void **state)
{
    mm_scope scope = mm_scope_open();
    float data[4] = {1, 2, 3, 6};
    mm_tensor *x = mm_from_f32(data, 2, (const int64_t[]){4, 1});
    mm_tensor *mean = mm_zeros(MM_DIMS(1));
    mm_tensor *var = mm_ones(MM_DIMS(1));

    (void)state;
    assert_non_null(mm_batch_norm(x, mean, var, NULL, NULL, true, 0.1, 1e-5));
    /* mean 3, unbiased variance 14/3 */
    assert_true(fabs(mm_item(mean) - 0.3) < 1e-6);
    assert_true(fabs(mm_item(var) - (0.9 + 0.1 * 14 / 3)) < 1e-6);
    assert_null(mm_batch_norm(x, NULL, NULL, NULL, NULL, false, 0.1, 1e-5));
    check_error(MM_EINVAL);
    mm_scope_close(scope);
}

static void test_dropout_scales_what_is_left(void **state)
{
    mm_scope scope = mm_scope_open();
    mm_tensor *x = mm_ones(MM_DIMS(1000));

    (void)state;
    mm_tensor *y = mm_dropout(x, 0.25, true);
    mm_tensor *zeros = mm_sum(mm_eq_scalar(y, 0));
    mm_tensor *kept = mm_sum(mm_eq_scalar(mm_mul_scalar(y, 0.75), 1));
    assert_int_equal(mm_item_i64(zeros) + mm_item_i64(kept), 1000);
    assert_true(mm_item_i64(zeros) > 150 && mm_item_i64(zeros) < 350);
    check_ok();
    mm_scope_close(scope);
}

/* Plain samples are copied by the bridge itself; all others go through libtorch. */
static void compare_stack(mm_tensor *x, mm_tensor *y)
{
    mm_tensor *both[2] = {x, y};
    mm_tensor *ours = mm_stack(both, 2, 0);
    mm_tensor *theirs = mm_op("aten::stack", MM_TS(both, 2), MM_I(0));

    check_ok();
    assert_int_equal(mm_tensor_dtype(ours), mm_tensor_dtype(theirs));
    mm_tensor_info a, b;

    assert_int_equal(mm_tensor_info_get(ours, &a), MM_OK);
    assert_int_equal(mm_tensor_info_get(theirs, &b), MM_OK);
    assert_int_equal(a.requires_grad, b.requires_grad);
    assert_true(mm_tensor_equal(ours, theirs));
}

static void test_stacking_samples_is_libtorchs(void **state)
{
    mm_scope scope = mm_scope_open();
    mm_tensor *x = mm_randn(MM_DIMS(3, 4)), *y = mm_randn(MM_DIMS(3, 4));
    mm_tensor *leaf = mm_randn(MM_DIMS(3, 4));
    (void)state;

    assert_int_equal(mm_set_requires_grad(leaf, true), MM_OK);
    compare_stack(x, y);
    compare_stack(x, leaf);
    compare_stack(mm_t(x), mm_t(y));
    compare_stack(mm_select(x, 0, 1), mm_select(y, 0, 2)); /* parts of others */
    compare_stack(mm_cast(x, MM_DTYPE_U8), mm_cast(y, MM_DTYPE_U8));
    compare_stack(mm_cast(x, MM_DTYPE_BF16), mm_cast(y, MM_DTYPE_BF16));
    compare_stack(mm_cast(x, MM_DTYPE_I64), y); /* promoted */
    compare_stack(mm_scalar(1.0, MM_DTYPE_F64), mm_scalar(2.0, MM_DTYPE_F64));
    compare_stack(mm_zeros(MM_DIMS(0, 4)), mm_zeros(MM_DIMS(0, 4)));
    mm_tensor *uneven[2] = {x, mm_select(y, 0, 0)};

    assert_null(mm_stack(uneven, 2, 0));
    check_error(MM_ETORCH);
    assert_null(mm_stack(uneven, 0, 0));
    assert_true(mm_has_error());
    (void)mm_error_take(NULL);
    mm_scope_close(scope);
}

static void test_ten_thousand_operations_leave_nothing(void **state)
{
    (void)state;
    mm_scope outer = mm_scope_open();
    mm_tensor *x = mm_ones(MM_DIMS(2, 2));

    for (int i = 0; i < 1000; i++) {
        mm_scope scope = mm_scope_open();
        mm_tensor *y = x;
        for (int k = 0; k < 10; k++) {
            y = mm_relu(mm_op("aten::roll", MM_T(y), MM_I(1), MM_I(0)));
        }
        assert_int_equal(mm_live_tensors(), 21);
        mm_scope_close(scope);
    }
    assert_int_equal(mm_live_tensors(), 1);
    mm_scope_close(outer);
    assert_int_equal(mm_live_tensors(), 0);
}

int test_ops(void)
{
    const struct CMUnitTest tests[] = {
        CLEAN_TEST(test_every_operation_is_pytorchs),
        CLEAN_TEST(test_missing_arguments_are_named),
        CLEAN_TEST(test_an_error_stops_what_follows),
        CLEAN_TEST(test_no_scope_is_an_error),
        CLEAN_TEST(test_batch_norm_keeps_statistics),
        CLEAN_TEST(test_dropout_scales_what_is_left),
        CLEAN_TEST(test_stacking_samples_is_libtorchs),
        CLEAN_TEST(test_ten_thousand_operations_leave_nothing),
    };

    return cmocka_run_group_tests(tests, open_golden, close_golden);
}
