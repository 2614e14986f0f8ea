/** @file
 * Element types of tensors, as plain numbers: files and kernels name them without
 * knowing what a tensor is.
 */
#ifndef MMENGINE_DTYPE_H
#define MMENGINE_DTYPE_H

#include <stdbool.h>

#include "mmengine/export.h"

MM_BEGIN_DECLS

/** Element types. MM_DTYPE_NONE means "the default" where an option is left at zero. */
typedef enum mm_dtype {
    MM_DTYPE_NONE = 0,
    MM_DTYPE_U8,
    MM_DTYPE_I8,
    MM_DTYPE_I16,
    MM_DTYPE_I32,
    MM_DTYPE_I64,
    MM_DTYPE_F16,
    MM_DTYPE_F32,
    MM_DTYPE_F64,
    MM_DTYPE_C32,
    MM_DTYPE_C64,
    MM_DTYPE_C128,
    MM_DTYPE_BOOL,
    MM_DTYPE_BF16 = 16 /**< torch's ScalarType code plus one, as all of them */
} mm_dtype;

/** True for the real floating-point dtypes. Source: Tensor.is_floating_point(). */
static inline bool mm_dtype_is_floating(mm_dtype dtype)
{
    return dtype == MM_DTYPE_F16 || dtype == MM_DTYPE_BF16 || dtype == MM_DTYPE_F32 ||
           dtype == MM_DTYPE_F64;
}

enum { MM_MAX_DIM = 8 /**< most dimensions of a tensor here */ };

MM_END_DECLS

#endif
