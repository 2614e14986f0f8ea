/** @file
 * Shapes, indexing, copies. The law of ops.h holds for all of them. Where a `dim` is
 * asked for, negative counts from the end. Views share memory with their argument.
 */
#ifndef MMENGINE_OPS_SHAPE_H
#define MMENGINE_OPS_SHAPE_H

#include "mmengine/ops.h"

MM_BEGIN_DECLS

/** @name Shapes @{ */
/** A view if possible, else a copy; one size may be -1. `mm_reshape(x, MM_DIMS(2, -1))`
 */
MM_API mm_tensor *mm_reshape(mm_tensor *x, mm_dims sizes);
/** A view; refused where the strides do not allow it. */
MM_API mm_tensor *mm_view(mm_tensor *x, mm_dims sizes);
/** Dimensions start..end become one. All: mm_flatten(x, 0, -1). */
MM_API mm_tensor *mm_flatten(mm_tensor *x, int64_t start, int64_t end);
/** The opposite: dimension `dim` becomes `sizes`. */
MM_API mm_tensor *mm_unflatten(mm_tensor *x, int64_t dim, mm_dims sizes);
MM_API mm_tensor *mm_permute(mm_tensor *x, mm_dims order);
MM_API mm_tensor *mm_transpose(mm_tensor *x, int64_t dim0, int64_t dim1);
/** Of a matrix. */
MM_API mm_tensor *mm_t(mm_tensor *x);
/** Drops a dimension of size 1; leaves others. */
MM_API mm_tensor *mm_squeeze(mm_tensor *x, int64_t dim);
/** Drops all dimensions of size 1. */
MM_API mm_tensor *mm_squeeze_all(mm_tensor *x);
MM_API mm_tensor *mm_unsqueeze(mm_tensor *x, int64_t dim);
/** A view with dimensions of size 1 repeated; -1 keeps a size. */
MM_API mm_tensor *mm_expand(mm_tensor *x, mm_dims sizes);
MM_API mm_tensor *mm_expand_as(mm_tensor *x, mm_tensor *other);
/** Copies, as torch.Tensor.repeat. */
MM_API mm_tensor *mm_repeat(mm_tensor *x, mm_dims repeats);
MM_API mm_tensor *mm_repeat_interleave(mm_tensor *x, int64_t repeats, int64_t dim);
MM_API mm_tensor *mm_flip(mm_tensor *x, mm_dims dims);
MM_API mm_tensor *mm_roll(mm_tensor *x, mm_dims shifts, mm_dims dims);
MM_API mm_tensor *mm_tril(mm_tensor *x, int64_t diagonal);
MM_API mm_tensor *mm_triu(mm_tensor *x, int64_t diagonal);
MM_API mm_tensor *mm_diagonal(mm_tensor *x, int64_t offset, int64_t dim0, int64_t dim1);

/** Arguments of mm_pad(). */
typedef struct mm_pad_args {
    mm_tensor *x;     /**< required */
    mm_dims pads;     /**< required: before, after, from the last dimension on */
    const char *mode; /**< default "constant"; "reflect", "replicate", "circular" */
    double value;     /**< default 0 */
} mm_pad_args;
/** torch.nn.functional.pad. */
#define mm_pad(...) mm_pad_with(&(const mm_pad_args){.x = __VA_ARGS__})
MM_API mm_tensor *mm_pad_with(const mm_pad_args *args);
/** @} */

/** @name Joining and taking apart @{ */
MM_API mm_tensor *mm_cat(mm_tensor *const *tensors, int count, int64_t dim);
MM_API mm_tensor *mm_stack(mm_tensor *const *tensors, int count, int64_t dim);
/** Views of `size` items along `dim`, the last may be smaller. Writes at most `max` and
 * says how many there are; more than `max` is MM_ERANGE. */
MM_API mm_status mm_split(mm_tensor *x, int64_t size, int64_t dim, mm_tensor **out,
                          int max, int *out_count);
/** Views of the given sizes: as many as `sizes` has. */
MM_API mm_status mm_split_sizes(mm_tensor *x, mm_dims sizes, int64_t dim,
                                mm_tensor **out);
/** At most `chunks` views of about the same size. `out` has room for `chunks`. */
MM_API mm_status mm_chunk(mm_tensor *x, int chunks, int64_t dim, mm_tensor **out,
                          int *out_count);
/** One view for each index of `dim`; as mm_split otherwise. */
MM_API mm_status mm_unbind(mm_tensor *x, int64_t dim, mm_tensor **out, int max,
                           int *out_count);
/** torch.meshgrid(indexing="ij") or, `xy`, "xy". `out` has room for `count`. */
MM_API mm_status mm_meshgrid(mm_tensor *const *axes, int count, bool xy,
                             mm_tensor **out);
/** @} */

/** @name Taking and putting elements @{ */
/** x[.., index, ..] along `dim`; a view without that dimension. */
MM_API mm_tensor *mm_select(mm_tensor *x, int64_t dim, int64_t index);
/** `length` items from `start` along `dim`; a view. */
MM_API mm_tensor *mm_narrow(mm_tensor *x, int64_t dim, int64_t start, int64_t length);

/** Arguments of mm_slice(). */
typedef struct mm_slice_args {
    mm_tensor *x;  /**< required */
    int64_t dim;   /**< required */
    int64_t start; /**< default 0; negative counts from the end */
    mm_number end; /**< default the end: `.end = MM_N(-1)` leaves out the last */
    int64_t step;  /**< default 1 */
} mm_slice_args;
/** Python's x[start:end:step] along `dim`; a view. */
#define mm_slice(...) mm_slice_with(&(const mm_slice_args){.x = __VA_ARGS__})
MM_API mm_tensor *mm_slice_with(const mm_slice_args *args);

/** Rows of `dim` by index [K] i64. */
MM_API mm_tensor *mm_index_select(mm_tensor *x, int64_t dim, mm_tensor *index);
/** x[indices[0], indices[1], ...]; an index is i64 or bool, NULL is ':'. */
MM_API mm_tensor *mm_index(mm_tensor *x, mm_tensor *const *indices, int count);
/** x[indices] = values, or += if `accumulate`; returns x. */
MM_API mm_tensor *mm_index_put_(mm_tensor *x, mm_tensor *const *indices, int count,
                                mm_tensor *values, bool accumulate);
MM_API mm_tensor *mm_gather(mm_tensor *x, int64_t dim, mm_tensor *index);
MM_API mm_tensor *mm_scatter(mm_tensor *x, int64_t dim, mm_tensor *index,
                             mm_tensor *source);
MM_API mm_tensor *mm_scatter_(mm_tensor *x, int64_t dim, mm_tensor *index,
                              mm_tensor *source);
#define mm_scatter_scalar_(x, dim, index, value)                                       \
    mm_scatter_number_((x), (dim), (index), MM_N(value))
MM_API mm_tensor *mm_scatter_number_(mm_tensor *x, int64_t dim, mm_tensor *index,
                                     mm_number value);
MM_API mm_tensor *mm_scatter_add(mm_tensor *x, int64_t dim, mm_tensor *index,
                                 mm_tensor *source);
/** x[index[i]] += source[i] along `dim`; returns x. */
MM_API mm_tensor *mm_index_add_(mm_tensor *x, int64_t dim, mm_tensor *index,
                                mm_tensor *source);
/** The elements where `mask` (bool) is true, as a vector; waits for the device. */
MM_API mm_tensor *mm_masked_select(mm_tensor *x, mm_tensor *mask);
/** @} */

/** @name Copies, dtypes, devices @{ */
/** Arguments of mm_to(). */
typedef struct mm_to_args {
    mm_tensor *x;            /**< required */
    mm_dtype dtype;          /**< default unchanged */
    const char *device;      /**< default unchanged */
    mm_memory_format format; /**< default unchanged */
    bool non_blocking;       /**< do not wait, where memory allows it */
    bool copy;               /**< copy even if nothing changes */
} mm_to_args;
/** `mm_to(x, .dtype = MM_DTYPE_F16)`; the same tensor if nothing changes. */
#define mm_to(...) mm_to_with(&(const mm_to_args){.x = __VA_ARGS__})
MM_API mm_tensor *mm_to_with(const mm_to_args *args);
/** mm_to() for the dtype alone. */
MM_API mm_tensor *mm_cast(mm_tensor *x, mm_dtype dtype);
/** The same tensor if it lies so already. */
MM_API mm_tensor *mm_contiguous(mm_tensor *x, mm_memory_format format);
MM_API mm_tensor *mm_clone(mm_tensor *x);
/** Shares memory, forgets history. */
MM_API mm_tensor *mm_detach(mm_tensor *x);
/** Page-locked host memory, for asynchronous copies to a device. */
MM_API mm_tensor *mm_pin_memory(mm_tensor *x);
/** @} */

MM_END_DECLS

#endif
