/*
 * What the files of this folder share: the bridge's table, the beginning and the end of
 * every call, and calls by schema. The order in a call is always the same: nothing if
 * an error is pending, arguments checked, libtorch opened, the operation, its result
 * given to the scope.
 */
#ifndef MMI_TENSOR_BRIDGE_H
#define MMI_TENSOR_BRIDGE_H

#include <stdatomic.h>

#include "base/memory.h"
#include "base/status.h"
#include "mmengine/ops.h"
#include "torch/mmt.h"

/* The bridge's table once it is open; NULL before. */
extern _Atomic(const mmt_api *) mmi_torch_table;

/* Opens the bridge. NULL with an error. */
const mmt_api *mmi_torch_open_slowly(void);
/* Raises that no scope is open. */
void mmi_raise_no_scope(void);
/* Raises that argument `name` of `function` is missing; always false. */
bool mmi_raise_missing(const char *function, const char *name);
/* Counts a handle that begins (+1) or ends (-1) to live, for mm_live_tensors(). */
void mmi_count_tensor(int change);

/* The table, or NULL: an error is pending or libtorch cannot be opened. */
static inline const mmt_api *mmi_torch_begin(void)
{
    if (mmi_is_pending()) {
        return NULL;
    }
    if (mmi_fault()) {
        mm_raise(MM_ETORCH, "fault injected into a tensor operation");
        return NULL;
    }
    const mmt_api *torch = atomic_load_explicit(&mmi_torch_table, memory_order_acquire);
    return MMI_LIKELY(torch != NULL) ? torch : mmi_torch_open_slowly();
}

/* The same for calls whose result a scope must own. */
static inline const mmt_api *mmi_op_begin(void)
{
    const mmt_api *torch = mmi_torch_begin();

    if (torch != NULL && !mm_scope_is_open()) {
        mmi_raise_no_scope();
        return NULL;
    }
    return torch;
}

/* True if a required argument is there. */
#define MMI_HAS(argument) MMI_HAS_AS(argument, #argument)
#define MMI_HAS_AS(argument, name)                                                     \
    (MMI_LIKELY((argument) != NULL) || mmi_raise_missing(__func__, (name)))

/* Gives a new reference to the scope; NULL stays NULL. */
mm_tensor *mmi_own(mm_tensor *made);

/* An operator named in our code, resolved at its first call. "aten::abs." is the
 * overload without a name. */
typedef struct mmi_op {
    const char *name;
    _Atomic(mmt_op *) resolved;
} mmi_op;

/* Its first tensor, scope-owned. */
mm_tensor *mmi_call(mmi_op *op, const mm_arg *args, int num_args);
/* An operator that changes `x`: returns `x`. */
mm_tensor *mmi_call_in_place(mmi_op *op, mm_tensor *x, const mm_arg *args,
                             int num_args);
/* Its first `count` tensors, scope-owned; `out[i]` may be NULL: not wanted. */
mm_status mmi_call_many(mmi_op *op, mm_tensor ***out, int count, const mm_arg *args,
                        int num_args);
/* All its tensors, at most `max`. */
mm_status mmi_call_list(mmi_op *op, mm_tensor **out, int max, int *out_count,
                        const mm_arg *args, int num_args);

#define MMI_ARGS(...)                                                                  \
    (const mm_arg[]){__VA_ARGS__},                                                     \
        (int)(sizeof((const mm_arg[]){__VA_ARGS__}) / sizeof(mm_arg))
/* An argument that is the list of a mm_dims; an absent one is None. */
#define MMI_DIMS(dims_) MM_IS((dims_).data, (dims_).count)

/* A function of one tensor. */
#define MMI_UNARY(function, schema)                                                    \
    mm_tensor *function(mm_tensor *x)                                                  \
    {                                                                                  \
        static mmi_op op = {schema, NULL};                                             \
        return MMI_HAS(x) ? mmi_call(&op, MMI_ARGS(MM_T(x))) : NULL;                   \
    }
#define MMI_UNARY_IN_PLACE(function, schema)                                           \
    mm_tensor *function(mm_tensor *x)                                                  \
    {                                                                                  \
        static mmi_op op = {schema, NULL};                                             \
        return MMI_HAS(x) ? mmi_call_in_place(&op, x, MMI_ARGS(MM_T(x))) : NULL;       \
    }
/* A function of two tensors. */
#define MMI_BINARY(function, schema)                                                   \
    mm_tensor *function(mm_tensor *x, mm_tensor *y)                                    \
    {                                                                                  \
        static mmi_op op = {schema, NULL};                                             \
        return MMI_HAS(x) && MMI_HAS(y) ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_T(y)))    \
                                        : NULL;                                        \
    }
#define MMI_BINARY_IN_PLACE(function, schema)                                          \
    mm_tensor *function(mm_tensor *x, mm_tensor *y)                                    \
    {                                                                                  \
        static mmi_op op = {schema, NULL};                                             \
        return MMI_HAS(x) && MMI_HAS(y)                                                \
                   ? mmi_call_in_place(&op, x, MMI_ARGS(MM_T(x), MM_T(y)))             \
                   : NULL;                                                             \
    }
/* A function of a tensor and a number. */
#define MMI_WITH_NUMBER(function, schema)                                              \
    mm_tensor *function(mm_tensor *x, mm_number value)                                 \
    {                                                                                  \
        static mmi_op op = {schema, NULL};                                             \
        return MMI_HAS(x) ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_NUM(value))) : NULL;    \
    }
#define MMI_WITH_NUMBER_IN_PLACE(function, schema)                                     \
    mm_tensor *function(mm_tensor *x, mm_number value)                                 \
    {                                                                                  \
        static mmi_op op = {schema, NULL};                                             \
        return MMI_HAS(x)                                                              \
                   ? mmi_call_in_place(&op, x, MMI_ARGS(MM_T(x), MM_NUM(value)))       \
                   : NULL;                                                             \
    }
/* The frequent ones, called without boxing: `member` of the bridge's table. */
#define MMI_DIRECT_UNARY(function, member)                                             \
    mm_tensor *function(mm_tensor *x)                                                  \
    {                                                                                  \
        const mmt_api *torch = mmi_op_begin();                                         \
        return torch != NULL && MMI_HAS(x) ? mmi_own(torch->member(x)) : NULL;         \
    }
#define MMI_DIRECT_BINARY(function, member, ...)                                       \
    mm_tensor *function(mm_tensor *x, mm_tensor *y)                                    \
    {                                                                                  \
        const mmt_api *torch = mmi_op_begin();                                         \
        return torch != NULL && MMI_HAS(x) && MMI_HAS(y)                               \
                   ? mmi_own(torch->member(__VA_ARGS__))                               \
                   : NULL;                                                             \
    }

#endif
