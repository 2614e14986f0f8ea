/** @file
 * Operations on tensors. Around 200 frequent ones have a typed function; mm_op()
 * reaches every other operator of libtorch by its schema name.
 *
 * Form. A function with options is called as `mm_conv2d(x, w, b, .stride = {2, 2})`:
 * required arguments first, in order, options by name after. Zero is every option's
 * default; where zero means something else, the argument is required. The `_with`
 * function beneath is the ABI, for C++ and foreign languages. A name that ends in `_`
 * changes its first argument and returns it.
 *
 * Law for all of them: nothing happens and the result is NULL while an error is
 * pending. A required argument that is NULL is MM_EINVAL with its name. Results belong
 * to the innermost scope; with none open it is MM_ESTATE. libtorch's refusal is
 * MM_ETORCH with the sizes of the tensors involved. Numbers, broadcasting, type
 * promotion and gradients are PyTorch's. C does not order sibling arguments: give an
 * operation that draws random numbers a statement of its own.
 */
#ifndef MMENGINE_OPS_H
#define MMENGINE_OPS_H

#include "mmengine/tensor.h"

MM_BEGIN_DECLS

/** What an mm_number holds. */
typedef enum mm_number_kind {
    MM_NUMBER_NONE, /**< absent */
    MM_NUMBER_I64,
    MM_NUMBER_F64
} mm_number_kind;

/** A number that keeps Python's difference between 1 and 1.0: adding an int to a tensor
 * of ints gives ints. Made by MM_N(). Zero-initialised it is absent. */
typedef struct mm_number {
    mm_number_kind kind;
    union {
        int64_t i64;
        double f64;
    } u;
} mm_number;

/** @name Making numbers @{ */
static inline mm_number mm_number_i64(int64_t value)
{
    mm_number number = {MM_NUMBER_I64, {0}};

    number.u.i64 = value;
    return number;
}
static inline mm_number mm_number_f64(double value)
{
    mm_number number = {MM_NUMBER_F64, {0}};

    number.u.f64 = value;
    return number;
}
/** Its value as a double; 0 if absent. */
static inline double mm_number_as_f64(mm_number number)
{
    return number.kind == MM_NUMBER_F64 ? number.u.f64 : (double)number.u.i64;
}
#ifndef __cplusplus
/** Any C number: floating kinds stay floating, all others are ints. */
#define MM_N(value)                                                                    \
    _Generic((value), float                                                            \
             : mm_number_f64, double                                                   \
             : mm_number_f64, long double                                              \
             : mm_number_f64, default                                                  \
             : mm_number_i64)(value)
#endif
/** @} */

/** A short list of ints: sizes, dimensions, repeats. Made by MM_DIMS().
 * Zero-initialised it is absent, which is not the same as an empty one. */
typedef struct mm_dims {
    const int64_t *data;
    size_t count;
} mm_dims;

#ifndef __cplusplus
/** `MM_DIMS(2, -1)`; lives as long as the block it stands in. */
#define MM_DIMS(...)                                                                   \
    ((mm_dims){(const int64_t[]){__VA_ARGS__},                                         \
               sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t)})
/** `count` ints at `data`. */
#define MM_DIMS_N(data_, count_) ((mm_dims){(data_), (size_t)(count_)})
/** No dimensions: the sizes of a scalar tensor. */
#define MM_DIMS_EMPTY ((mm_dims){(const int64_t[1]){0}, 0})
#endif

/** Order of elements in memory. */
typedef enum mm_memory_format {
    MM_FORMAT_NONE, /**< as it is, or libtorch's default */
    MM_FORMAT_CONTIGUOUS,
    MM_FORMAT_CHANNELS_LAST,   /**< of 4 dimensions: N H W C in memory */
    MM_FORMAT_CHANNELS_LAST_3D /**< of 5 dimensions */
} mm_memory_format;

/** @name Every operator of libtorch by name @{ */

/** How an mm_arg is to be read. */
typedef enum mm_arg_kind {
    MM_ARG_NONE,
    MM_ARG_TENSOR,
    MM_ARG_TENSORS,
    MM_ARG_I64,
    MM_ARG_F64,
    MM_ARG_BOOL,
    MM_ARG_STR,
    MM_ARG_I64S,
    MM_ARG_F64S,
    MM_ARG_BOOLS,
    MM_ARG_DTYPE,
    MM_ARG_FORMAT,
    MM_ARG_DEVICE,
    MM_ARG_RNG,
    MM_ARG_NUMBER
} mm_arg_kind;

/** One argument of an operator, by value. Use the macros below. */
struct mm_arg {
    const char *name; /**< NULL: by position */
    mm_arg_kind kind;
    int count; /**< of the list kinds */
    union {
        mm_tensor *tensor;
        mm_tensor *const
            *tensors; /**< NULL items are None where the schema allows it */
        int64_t i64;
        double f64;
        const char *str; /**< text, or a device */
        const int64_t *i64s;
        const double *f64s;
        const bool *bools;
        mm_rng *rng;
        mm_number number;
    } u;
};

/** A tensor; NULL is None, where the schema allows it. */
#define MM_T(x)                                                                        \
    {                                                                                  \
        .kind = MM_ARG_TENSOR, .u.tensor = (x)                                         \
    }
/** A list of tensors. */
#define MM_TS(data, n)                                                                 \
    {                                                                                  \
        .kind = MM_ARG_TENSORS, .count = (int)(n), .u.tensors = (data)                 \
    }
/** An int; also taken for float, bool, Scalar and, filling it, for int[n]. */
#define MM_I(value)                                                                    \
    {                                                                                  \
        .kind = MM_ARG_I64, .u.i64 = (value)                                           \
    }
/** A float; also taken for Scalar. */
#define MM_F(value)                                                                    \
    {                                                                                  \
        .kind = MM_ARG_F64, .u.f64 = (value)                                           \
    }
#define MM_B(value)                                                                    \
    {                                                                                  \
        .kind = MM_ARG_BOOL, .u.i64 = (value) ? 1 : 0                                  \
    }
/** A string; also taken for a device. */
#define MM_S(text)                                                                     \
    {                                                                                  \
        .kind = MM_ARG_STR, .u.str = (text)                                            \
    }
#define MM_IS(data, n)                                                                 \
    {                                                                                  \
        .kind = MM_ARG_I64S, .count = (int)(n), .u.i64s = (data)                       \
    }
#define MM_FS(data, n)                                                                 \
    {                                                                                  \
        .kind = MM_ARG_F64S, .count = (int)(n), .u.f64s = (data)                       \
    }
#define MM_BS(data, n)                                                                 \
    {                                                                                  \
        .kind = MM_ARG_BOOLS, .count = (int)(n), .u.bools = (data)                     \
    }
/** A dtype; MM_DTYPE_NONE is None. */
#define MM_DT(dtype)                                                                   \
    {                                                                                  \
        .kind = MM_ARG_DTYPE, .u.i64 = (dtype)                                         \
    }
/** A memory format; MM_FORMAT_NONE is None. */
#define MM_FMT(format)                                                                 \
    {                                                                                  \
        .kind = MM_ARG_FORMAT, .u.i64 = (format)                                       \
    }
/** A device as text; NULL is None. */
#define MM_DEV(text)                                                                   \
    {                                                                                  \
        .kind = MM_ARG_DEVICE, .u.str = (text)                                         \
    }
/** A generator; NULL is None, the default generator. */
#define MM_RNG(generator)                                                              \
    {                                                                                  \
        .kind = MM_ARG_RNG, .u.rng = (generator)                                       \
    }
/** An mm_number; an absent one is None. */
#define MM_NUM(number_)                                                                \
    {                                                                                  \
        .kind = MM_ARG_NUMBER, .u.number = (number_)                                   \
    }
#define MM_NONE_ARG                                                                    \
    {                                                                                  \
        .kind = MM_ARG_NONE                                                            \
    }
/** By name: `MM_NAMED("keepdim", MM_ARG_BOOL, i64, true)`. */
#define MM_NAMED(name_, kind_, field, ...)                                             \
    {                                                                                  \
        .name = (name_), .kind = (kind_), .u.field = __VA_ARGS__                       \
    }
/** The usual named ones: `MM_NAMED_I("dim", 1)`. */
#define MM_NAMED_T(name_, x) MM_NAMED(name_, MM_ARG_TENSOR, tensor, (x))
#define MM_NAMED_I(name_, v) MM_NAMED(name_, MM_ARG_I64, i64, (v))
#define MM_NAMED_F(name_, v) MM_NAMED(name_, MM_ARG_F64, f64, (v))
#define MM_NAMED_B(name_, v) MM_NAMED(name_, MM_ARG_BOOL, i64, (v) ? 1 : 0)
#define MM_NAMED_S(name_, v) MM_NAMED(name_, MM_ARG_STR, str, (v))
#define MM_NAMED_DT(name_, v) MM_NAMED(name_, MM_ARG_DTYPE, i64, (v))
#define MM_NAMED_DEV(name_, v) MM_NAMED(name_, MM_ARG_DEVICE, str, (v))
#define MM_NAMED_RNG(name_, v) MM_NAMED(name_, MM_ARG_RNG, rng, (v))
#define MM_NAMED_IS(name_, data, n)                                                    \
    {                                                                                  \
        .name = (name_), .kind = MM_ARG_I64S, .count = (int)(n), .u.i64s = (data)      \
    }

/**
 * Calls an operator: `mm_op("aten::roll", MM_T(x), MM_I(1), MM_I(0))`. `name` may carry
 * an overload ("aten::max.dim"); without one the overload that the arguments fit is
 * chosen. Arguments left out take the schema's defaults. Returns the first tensor it
 * gives; an operator that gives none is MM_EINVAL: use mm_op_run().
 * Errors: MM_EKEY for an unknown operator, with near names; MM_EINVAL for a missing or
 * superfluous argument; MM_ETYPE for one of the wrong kind.
 */
#define mm_op(name, ...)                                                               \
    mm_op_with((name), (const mm_arg[]){__VA_ARGS__},                                  \
               (int)(sizeof((const mm_arg[]){__VA_ARGS__}) / sizeof(mm_arg)))
MM_API mm_tensor *mm_op_with(const char *name, const mm_arg *args, int num_args);

/** What an operator gave. Fill `tensors` and `max_tensors`; the rest is written. */
typedef struct mm_op_result {
    mm_tensor *
        *tensors;     /**< room for the tensors; lists of tensors are laid out flat */
    int max_tensors;  /**< more than that is MM_ERANGE */
    int num_tensors;  /**< how many there are; scope-owned, None is NULL */
    mm_number number; /**< the first int, float or bool it gave, if any */
} mm_op_result;

/** The same with all results: `mm_op_run("aten::sort", &result, MM_T(x))`. `result` may
 * be NULL: nothing is wanted. */
#define mm_op_run(name, result, ...)                                                   \
    mm_op_run_with((name), (result), (const mm_arg[]){__VA_ARGS__},                    \
                   (int)(sizeof((const mm_arg[]){__VA_ARGS__}) / sizeof(mm_arg)))
MM_API mm_status mm_op_run_with(const char *name, mm_op_result *result,
                                const mm_arg *args, int num_args);

/** True if the operator exists and has a kernel for "cpu" or "cuda". Raises nothing but
 * what opening libtorch may raise. */
MM_API bool mm_op_supports(const char *name, const char *device);
/** Its schema: "aten::roll(Tensor self, ...) -> Tensor". MM_EKEY. Static storage. */
MM_API const char *mm_op_schema(const char *name);
/** @} */

MM_END_DECLS

#include "mmengine/ops_math.h"
#include "mmengine/ops_nn.h"
#include "mmengine/ops_reduce.h"
#include "mmengine/ops_shape.h"

#endif
