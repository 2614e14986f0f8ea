/*
 * Reductions, sorting, counting: one function of ops_reduce.h each, by schema.
 */
#include "tensor/bridge.h"

static bool takes_all(mm_dims dims)
{
    return dims.data == NULL && dims.count == 0;
}

/* All dimensions of x as a list, where a schema wants one. */
static mm_dims all_of(mm_tensor *x, int64_t store[MM_MAX_DIM])
{
    int ndim = mm_ndim(x);

    if (ndim > MM_MAX_DIM) {
        mm_raise(MM_EUNSUPPORTED, "a tensor of %d dimensions; at most %d", ndim,
                 (int)MM_MAX_DIM);
        ndim = 0;
    }
    for (int i = 0; i < ndim; i++) {
        store[i] = i;
    }
    return (mm_dims){store, (size_t)ndim};
}

mm_tensor *mm_sum_with(const mm_reduce_args *args)
{
    static mmi_op by_dims = {"aten::sum.dim_IntList", NULL};
    static mmi_op of_all = {"aten::sum.", NULL};

    if (!MMI_HAS_AS(args->x, "x")) {
        return NULL;
    }
    if (!takes_all(args->dims) || args->keepdim) {
        return mmi_call(&by_dims, MMI_ARGS(MM_T(args->x), MMI_DIMS(args->dims),
                                           MM_B(args->keepdim), MM_DT(args->dtype)));
    }
    if (args->dtype != MM_DTYPE_NONE) {
        return mmi_call(&of_all, MMI_ARGS(MM_T(args->x), MM_DT(args->dtype)));
    }
    const mmt_api *torch = mmi_op_begin();
    return torch != NULL ? mmi_own(torch->sum(args->x)) : NULL;
}

mm_tensor *mm_mean_with(const mm_reduce_args *args)
{
    static mmi_op by_dims = {"aten::mean.dim", NULL};
    static mmi_op of_all = {"aten::mean.", NULL};

    if (!MMI_HAS_AS(args->x, "x")) {
        return NULL;
    }
    if (!takes_all(args->dims) || args->keepdim) {
        return mmi_call(&by_dims, MMI_ARGS(MM_T(args->x), MMI_DIMS(args->dims),
                                           MM_B(args->keepdim), MM_DT(args->dtype)));
    }
    if (args->dtype != MM_DTYPE_NONE) {
        return mmi_call(&of_all, MMI_ARGS(MM_T(args->x), MM_DT(args->dtype)));
    }
    const mmt_api *torch = mmi_op_begin();
    return torch != NULL ? mmi_own(torch->mean(args->x)) : NULL;
}

static mm_tensor *reduce(mmi_op *op, const mm_reduce_args *args)
{
    int64_t store[MM_MAX_DIM];
    mm_dims dims = args->dims;

    if (!MMI_HAS_AS(args->x, "x")) {
        return NULL;
    }
    if (takes_all(dims)) {
        dims = all_of(args->x, store);
    }
    return mmi_call(op, MMI_ARGS(MM_T(args->x), MMI_DIMS(dims), MM_B(args->keepdim)));
}

mm_tensor *mm_amax_with(const mm_reduce_args *args)
{
    static mmi_op op = {"aten::amax.", NULL};

    return reduce(&op, args);
}

mm_tensor *mm_amin_with(const mm_reduce_args *args)
{
    static mmi_op op = {"aten::amin.", NULL};

    return reduce(&op, args);
}

mm_tensor *mm_logsumexp_with(const mm_reduce_args *args)
{
    static mmi_op op = {"aten::logsumexp.", NULL};

    return reduce(&op, args);
}

/* libtorch reduces one dimension or all. */
static mm_tensor *reduce_truth(mmi_op *of_all, mmi_op *by_dim,
                               const mm_reduce_args *args)
{
    if (!MMI_HAS_AS(args->x, "x")) {
        return NULL;
    }
    if (takes_all(args->dims)) {
        return mmi_call(of_all, MMI_ARGS(MM_T(args->x)));
    }
    if (args->dims.count != 1) {
        mm_raise(MM_EUNSUPPORTED, "any and all reduce one dimension or all, not %zu",
                 args->dims.count);
        return NULL;
    }
    return mmi_call(
        by_dim, MMI_ARGS(MM_T(args->x), MM_I(args->dims.data[0]), MM_B(args->keepdim)));
}

mm_tensor *mm_any_with(const mm_reduce_args *args)
{
    static mmi_op of_all = {"aten::any.", NULL};
    static mmi_op by_dim = {"aten::any.dim", NULL};

    return reduce_truth(&of_all, &by_dim, args);
}

mm_tensor *mm_all_with(const mm_reduce_args *args)
{
    static mmi_op of_all = {"aten::all.", NULL};
    static mmi_op by_dim = {"aten::all.dim", NULL};

    return reduce_truth(&of_all, &by_dim, args);
}

static mm_tensor *reduce_spread(mmi_op *op, const mm_var_args *args)
{
    if (!MMI_HAS_AS(args->x, "x")) {
        return NULL;
    }
    return mmi_call(op, MMI_ARGS(MM_T(args->x), MMI_DIMS(args->dims),
                                 MM_I(args->biased ? 0 : 1), MM_B(args->keepdim)));
}

mm_tensor *mm_var_with(const mm_var_args *args)
{
    static mmi_op op = {"aten::var.correction", NULL};

    return reduce_spread(&op, args);
}

mm_tensor *mm_std_with(const mm_var_args *args)
{
    static mmi_op op = {"aten::std.correction", NULL};

    return reduce_spread(&op, args);
}

mm_tensor *mm_norm_with(const mm_norm_args *args)
{
    static mmi_op op = {"aten::linalg_vector_norm.", NULL};
    mm_number p = args->p.kind != MM_NUMBER_NONE ? args->p : mm_number_i64(2);

    if (!MMI_HAS_AS(args->x, "x")) {
        return NULL;
    }
    return mmi_call(&op, MMI_ARGS(MM_T(args->x), MM_NUM(p), MMI_DIMS(args->dims),
                                  MM_B(args->keepdim)));
}

MMI_UNARY(mm_prod, "aten::prod.")
MMI_UNARY(mm_max, "aten::max.")
MMI_UNARY(mm_min, "aten::min.")
MMI_UNARY(mm_nonzero, "aten::nonzero.")
MMI_UNARY(mm_count_nonzero, "aten::count_nonzero.")

/* The first result; the second goes to `out_index`, which may be NULL. */
static mm_tensor *with_index(mmi_op *op, mm_tensor **out_index, const mm_arg *args,
                             int num_args)
{
    mm_tensor *values = NULL;
    mm_tensor **out[2] = {&values, out_index};

    return mmi_call_many(op, out, 2, args, num_args) == MM_OK ? values : NULL;
}

mm_tensor *mm_max_dim(mm_tensor *x, int64_t dim, bool keepdim, mm_tensor **out_index)
{
    static mmi_op op = {"aten::max.dim", NULL};

    if (!MMI_HAS(x)) {
        return NULL;
    }
    return with_index(&op, out_index, MMI_ARGS(MM_T(x), MM_I(dim), MM_B(keepdim)));
}

mm_tensor *mm_min_dim(mm_tensor *x, int64_t dim, bool keepdim, mm_tensor **out_index)
{
    static mmi_op op = {"aten::min.dim", NULL};

    if (!MMI_HAS(x)) {
        return NULL;
    }
    return with_index(&op, out_index, MMI_ARGS(MM_T(x), MM_I(dim), MM_B(keepdim)));
}

mm_tensor *mm_argmax(mm_tensor *x, int64_t dim, bool keepdim)
{
    const mmt_api *torch = mmi_op_begin();

    return torch != NULL && MMI_HAS(x) ? mmi_own(torch->argmax(x, dim, keepdim)) : NULL;
}

mm_tensor *mm_argmin(mm_tensor *x, int64_t dim, bool keepdim)
{
    static mmi_op op = {"aten::argmin.", NULL};

    return MMI_HAS(x) ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_I(dim), MM_B(keepdim)))
                      : NULL;
}

mm_tensor *mm_cumsum(mm_tensor *x, int64_t dim)
{
    static mmi_op op = {"aten::cumsum.", NULL};

    return MMI_HAS(x) ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_I(dim))) : NULL;
}

mm_tensor *mm_cumprod(mm_tensor *x, int64_t dim)
{
    static mmi_op op = {"aten::cumprod.", NULL};

    return MMI_HAS(x) ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_I(dim))) : NULL;
}

mm_tensor *mm_topk(mm_tensor *x, int64_t k, int64_t dim, bool largest,
                   mm_tensor **out_index)
{
    static mmi_op op = {"aten::topk.", NULL};

    if (!MMI_HAS(x)) {
        return NULL;
    }
    return with_index(&op, out_index,
                      MMI_ARGS(MM_T(x), MM_I(k), MM_I(dim), MM_B(largest), MM_B(true)));
}

mm_tensor *mm_sort(mm_tensor *x, int64_t dim, bool descending, mm_tensor **out_index)
{
    static mmi_op op = {"aten::sort.", NULL};

    if (!MMI_HAS(x)) {
        return NULL;
    }
    return with_index(&op, out_index, MMI_ARGS(MM_T(x), MM_I(dim), MM_B(descending)));
}

mm_tensor *mm_argsort(mm_tensor *x, int64_t dim, bool descending)
{
    static mmi_op op = {"aten::argsort.", NULL};

    return MMI_HAS(x) ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_I(dim), MM_B(descending)))
                      : NULL;
}

mm_tensor *mm_median(mm_tensor *x, int64_t dim, bool keepdim, mm_tensor **out_index)
{
    static mmi_op op = {"aten::median.dim", NULL};

    if (!MMI_HAS(x)) {
        return NULL;
    }
    return with_index(&op, out_index, MMI_ARGS(MM_T(x), MM_I(dim), MM_B(keepdim)));
}

mm_tensor *mm_unique(mm_tensor *x, mm_tensor **out_inverse, mm_tensor **out_counts)
{
    static mmi_op op = {"aten::_unique2.", NULL};
    mm_tensor *values = NULL;
    mm_tensor **out[3] = {&values, out_inverse, out_counts};

    if (!MMI_HAS(x)) {
        return NULL;
    }
    mm_status status =
        mmi_call_many(&op, out, 3,
                      MMI_ARGS(MM_T(x), MM_B(true), MM_B(out_inverse != NULL),
                               MM_B(out_counts != NULL)));
    return status == MM_OK ? values : NULL;
}

mm_tensor *mm_bincount(mm_tensor *x, mm_tensor *weights, int64_t min_length)
{
    static mmi_op op = {"aten::bincount.", NULL};

    return MMI_HAS(x)
               ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_T(weights), MM_I(min_length)))
               : NULL;
}

mm_tensor *mm_histc(mm_tensor *x, int64_t bins, double min, double max)
{
    static mmi_op op = {"aten::histc.", NULL};

    return MMI_HAS(x)
               ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_I(bins), MM_F(min), MM_F(max)))
               : NULL;
}
