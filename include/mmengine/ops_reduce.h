/** @file
 * Reductions, sorting, counting. The law of ops.h holds for all of them. Where a `dim`
 * is asked for, negative counts from the end.
 */
#ifndef MMENGINE_OPS_REDUCE_H
#define MMENGINE_OPS_REDUCE_H

#include "mmengine/ops.h"

MM_BEGIN_DECLS

/** Arguments of reductions. */
typedef struct mm_reduce_args {
    mm_tensor *x;   /**< required */
    mm_dims dims;   /**< default: all, giving a scalar tensor */
    bool keepdim;   /**< leave reduced dimensions with size 1 */
    mm_dtype dtype; /**< of the result; default PyTorch's choice (sum, mean, norm) */
} mm_reduce_args;
/** `mm_sum(x)`, `mm_sum(x, MM_DIMS(1), .keepdim = true)` */
#define mm_sum(...) mm_sum_with(&(const mm_reduce_args){.x = __VA_ARGS__})
MM_API mm_tensor *mm_sum_with(const mm_reduce_args *args);
#define mm_mean(...) mm_mean_with(&(const mm_reduce_args){.x = __VA_ARGS__})
MM_API mm_tensor *mm_mean_with(const mm_reduce_args *args);
/** Largest elements; gradients are shared evenly between equal ones. */
#define mm_amax(...) mm_amax_with(&(const mm_reduce_args){.x = __VA_ARGS__})
MM_API mm_tensor *mm_amax_with(const mm_reduce_args *args);
#define mm_amin(...) mm_amin_with(&(const mm_reduce_args){.x = __VA_ARGS__})
MM_API mm_tensor *mm_amin_with(const mm_reduce_args *args);
/** log(sum(exp(x))), without overflow. */
#define mm_logsumexp(...) mm_logsumexp_with(&(const mm_reduce_args){.x = __VA_ARGS__})
MM_API mm_tensor *mm_logsumexp_with(const mm_reduce_args *args);
/** True where any (all) elements are not zero; at most one dimension, or all. */
#define mm_any(...) mm_any_with(&(const mm_reduce_args){.x = __VA_ARGS__})
MM_API mm_tensor *mm_any_with(const mm_reduce_args *args);
#define mm_all(...) mm_all_with(&(const mm_reduce_args){.x = __VA_ARGS__})
MM_API mm_tensor *mm_all_with(const mm_reduce_args *args);

/** Arguments of mm_var() and mm_std(). */
typedef struct mm_var_args {
    mm_tensor *x; /**< required */
    mm_dims dims; /**< default all */
    bool keepdim; /**< leave reduced dimensions with size 1 */
    bool biased;  /**< divide by N; default by N - 1, as PyTorch */
} mm_var_args;
#define mm_var(...) mm_var_with(&(const mm_var_args){.x = __VA_ARGS__})
MM_API mm_tensor *mm_var_with(const mm_var_args *args);
#define mm_std(...) mm_std_with(&(const mm_var_args){.x = __VA_ARGS__})
MM_API mm_tensor *mm_std_with(const mm_var_args *args);

/** Arguments of mm_norm(). */
typedef struct mm_norm_args {
    mm_tensor *x; /**< required */
    mm_number p;  /**< default 2; MM_N(INFINITY): the largest absolute value */
    mm_dims dims; /**< default all */
    bool keepdim; /**< leave reduced dimensions with size 1 */
} mm_norm_args;
/** torch.linalg.vector_norm. */
#define mm_norm(...) mm_norm_with(&(const mm_norm_args){.x = __VA_ARGS__})
MM_API mm_tensor *mm_norm_with(const mm_norm_args *args);

/** Product of all elements. */
MM_API mm_tensor *mm_prod(mm_tensor *x);
/** Largest (smallest) element. */
MM_API mm_tensor *mm_max(mm_tensor *x);
MM_API mm_tensor *mm_min(mm_tensor *x);
/** Along a dimension; `out_index` (i64, may be NULL) says where. */
MM_API mm_tensor *mm_max_dim(mm_tensor *x, int64_t dim, bool keepdim,
                             mm_tensor **out_index);
MM_API mm_tensor *mm_min_dim(mm_tensor *x, int64_t dim, bool keepdim,
                             mm_tensor **out_index);
/** Index of the largest (smallest) element along `dim`, i64. */
MM_API mm_tensor *mm_argmax(mm_tensor *x, int64_t dim, bool keepdim);
MM_API mm_tensor *mm_argmin(mm_tensor *x, int64_t dim, bool keepdim);
MM_API mm_tensor *mm_cumsum(mm_tensor *x, int64_t dim);
MM_API mm_tensor *mm_cumprod(mm_tensor *x, int64_t dim);
/** The k largest along `dim`, sorted; `out_index` may be NULL. */
MM_API mm_tensor *mm_topk(mm_tensor *x, int64_t k, int64_t dim, bool largest,
                          mm_tensor **out_index);
MM_API mm_tensor *mm_sort(mm_tensor *x, int64_t dim, bool descending,
                          mm_tensor **out_index);
MM_API mm_tensor *mm_argsort(mm_tensor *x, int64_t dim, bool descending);
/** Lower median along `dim`. */
MM_API mm_tensor *mm_median(mm_tensor *x, int64_t dim, bool keepdim,
                            mm_tensor **out_index);
/** Sorted distinct elements; `out_inverse` and `out_counts` may be NULL. */
MM_API mm_tensor *mm_unique(mm_tensor *x, mm_tensor **out_inverse,
                            mm_tensor **out_counts);
/** How often each of 0, 1, ... occurs; `weights` may be NULL. */
MM_API mm_tensor *mm_bincount(mm_tensor *x, mm_tensor *weights, int64_t min_length);
/** Elements in equal bins between min and max, float. */
MM_API mm_tensor *mm_histc(mm_tensor *x, int64_t bins, double min, double max);
/** Elements that are not zero, i64 scalar. */
MM_API mm_tensor *mm_count_nonzero(mm_tensor *x);
/** Indices of elements that are not zero: [count, ndim] i64; waits for the device. */
MM_API mm_tensor *mm_nonzero(mm_tensor *x);

MM_END_DECLS

#endif
