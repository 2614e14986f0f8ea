/*
 * Shapes, indexing, copies: one function of ops_shape.h each, by schema. The hottest go
 * to the bridge's direct calls.
 */
#include "tensor/bridge.h"

/* ---- shapes ---- */

static bool has_list(mm_dims dims, const char *function, const char *name)
{
    return dims.data != NULL || mmi_raise_missing(function, name);
}

mm_tensor *mm_reshape(mm_tensor *x, mm_dims sizes)
{
    const mmt_api *torch = mmi_op_begin();

    return torch != NULL && MMI_HAS(x) && has_list(sizes, __func__, "sizes")
               ? mmi_own(torch->reshape(x, sizes))
               : NULL;
}

mm_tensor *mm_view(mm_tensor *x, mm_dims sizes)
{
    const mmt_api *torch = mmi_op_begin();

    return torch != NULL && MMI_HAS(x) && has_list(sizes, __func__, "sizes")
               ? mmi_own(torch->view(x, sizes))
               : NULL;
}

mm_tensor *mm_flatten(mm_tensor *x, int64_t start, int64_t end)
{
    const mmt_api *torch = mmi_op_begin();

    return torch != NULL && MMI_HAS(x) ? mmi_own(torch->flatten(x, start, end)) : NULL;
}

mm_tensor *mm_unflatten(mm_tensor *x, int64_t dim, mm_dims sizes)
{
    static mmi_op op = {"aten::unflatten.int", NULL};

    return MMI_HAS(x) && has_list(sizes, __func__, "sizes")
               ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_I(dim), MMI_DIMS(sizes)))
               : NULL;
}

mm_tensor *mm_permute(mm_tensor *x, mm_dims order)
{
    const mmt_api *torch = mmi_op_begin();

    return torch != NULL && MMI_HAS(x) && has_list(order, __func__, "order")
               ? mmi_own(torch->permute(x, order))
               : NULL;
}

mm_tensor *mm_transpose(mm_tensor *x, int64_t dim0, int64_t dim1)
{
    const mmt_api *torch = mmi_op_begin();

    return torch != NULL && MMI_HAS(x) ? mmi_own(torch->transpose(x, dim0, dim1))
                                       : NULL;
}

MMI_UNARY(mm_t, "aten::t.")
MMI_UNARY(mm_squeeze_all, "aten::squeeze.")

mm_tensor *mm_squeeze(mm_tensor *x, int64_t dim)
{
    static mmi_op op = {"aten::squeeze.dim", NULL};

    return MMI_HAS(x) ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_I(dim))) : NULL;
}

mm_tensor *mm_unsqueeze(mm_tensor *x, int64_t dim)
{
    static mmi_op op = {"aten::unsqueeze.", NULL};

    return MMI_HAS(x) ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_I(dim))) : NULL;
}

mm_tensor *mm_expand(mm_tensor *x, mm_dims sizes)
{
    static mmi_op op = {"aten::expand.", NULL};

    return MMI_HAS(x) && has_list(sizes, __func__, "sizes")
               ? mmi_call(&op, MMI_ARGS(MM_T(x), MMI_DIMS(sizes)))
               : NULL;
}

mm_tensor *mm_expand_as(mm_tensor *x, mm_tensor *other)
{
    static mmi_op op = {"aten::expand_as.", NULL};

    return MMI_HAS(x) && MMI_HAS(other) ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_T(other)))
                                        : NULL;
}

mm_tensor *mm_repeat(mm_tensor *x, mm_dims repeats)
{
    static mmi_op op = {"aten::repeat.", NULL};

    return MMI_HAS(x) && has_list(repeats, __func__, "repeats")
               ? mmi_call(&op, MMI_ARGS(MM_T(x), MMI_DIMS(repeats)))
               : NULL;
}

mm_tensor *mm_repeat_interleave(mm_tensor *x, int64_t repeats, int64_t dim)
{
    static mmi_op op = {"aten::repeat_interleave.self_int", NULL};

    return MMI_HAS(x) ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_I(repeats), MM_I(dim)))
                      : NULL;
}

mm_tensor *mm_flip(mm_tensor *x, mm_dims dims)
{
    static mmi_op op = {"aten::flip.", NULL};

    return MMI_HAS(x) && has_list(dims, __func__, "dims")
               ? mmi_call(&op, MMI_ARGS(MM_T(x), MMI_DIMS(dims)))
               : NULL;
}

mm_tensor *mm_roll(mm_tensor *x, mm_dims shifts, mm_dims dims)
{
    static mmi_op op = {"aten::roll.", NULL};

    return MMI_HAS(x) && has_list(shifts, __func__, "shifts") &&
                   has_list(dims, __func__, "dims")
               ? mmi_call(&op, MMI_ARGS(MM_T(x), MMI_DIMS(shifts), MMI_DIMS(dims)))
               : NULL;
}

mm_tensor *mm_tril(mm_tensor *x, int64_t diagonal)
{
    static mmi_op op = {"aten::tril.", NULL};

    return MMI_HAS(x) ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_I(diagonal))) : NULL;
}

mm_tensor *mm_triu(mm_tensor *x, int64_t diagonal)
{
    static mmi_op op = {"aten::triu.", NULL};

    return MMI_HAS(x) ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_I(diagonal))) : NULL;
}

mm_tensor *mm_diagonal(mm_tensor *x, int64_t offset, int64_t dim0, int64_t dim1)
{
    static mmi_op op = {"aten::diagonal.", NULL};

    return MMI_HAS(x)
               ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_I(offset), MM_I(dim0), MM_I(dim1)))
               : NULL;
}

mm_tensor *mm_pad_with(const mm_pad_args *args)
{
    static mmi_op op = {"aten::pad.", NULL};
    const char *mode = args->mode != NULL ? args->mode : "constant";
    bool has_value = args->value != 0.0;

    if (!MMI_HAS_AS(args->x, "x") || !has_list(args->pads, __func__, "pads")) {
        return NULL;
    }
    mm_number value = has_value ? mm_number_f64(args->value) : (mm_number){0};
    return mmi_call(
        &op, MMI_ARGS(MM_T(args->x), MMI_DIMS(args->pads), MM_S(mode), MM_NUM(value)));
}

/* ---- joining and taking apart ---- */

mm_tensor *mm_cat(mm_tensor *const *tensors, int count, int64_t dim)
{
    const mmt_api *torch = mmi_op_begin();

    return torch != NULL && MMI_HAS(tensors) ? mmi_own(torch->cat(tensors, count, dim))
                                             : NULL;
}

mm_tensor *mm_stack(mm_tensor *const *tensors, int count, int64_t dim)
{
    const mmt_api *torch = mmi_op_begin();

    return torch != NULL && MMI_HAS(tensors)
               ? mmi_own(torch->stack(tensors, count, dim))
               : NULL;
}

mm_status mm_split(mm_tensor *x, int64_t size, int64_t dim, mm_tensor **out, int max,
                   int *out_count)
{
    static mmi_op op = {"aten::split.Tensor", NULL};

    if (!MMI_HAS(x) || !MMI_HAS(out)) {
        return mm_pending();
    }
    return mmi_call_list(&op, out, max, out_count,
                         MMI_ARGS(MM_T(x), MM_I(size), MM_I(dim)));
}

mm_status mm_split_sizes(mm_tensor *x, mm_dims sizes, int64_t dim, mm_tensor **out)
{
    static mmi_op op = {"aten::split_with_sizes.", NULL};

    if (!MMI_HAS(x) || !MMI_HAS(out) || !has_list(sizes, __func__, "sizes")) {
        return mm_pending();
    }
    return mmi_call_list(&op, out, (int)sizes.count, NULL,
                         MMI_ARGS(MM_T(x), MMI_DIMS(sizes), MM_I(dim)));
}

mm_status mm_chunk(mm_tensor *x, int chunks, int64_t dim, mm_tensor **out,
                   int *out_count)
{
    static mmi_op op = {"aten::chunk.", NULL};

    if (!MMI_HAS(x) || !MMI_HAS(out)) {
        return mm_pending();
    }
    return mmi_call_list(&op, out, chunks, out_count,
                         MMI_ARGS(MM_T(x), MM_I(chunks), MM_I(dim)));
}

mm_status mm_unbind(mm_tensor *x, int64_t dim, mm_tensor **out, int max, int *out_count)
{
    static mmi_op op = {"aten::unbind.int", NULL};

    if (!MMI_HAS(x) || !MMI_HAS(out)) {
        return mm_pending();
    }
    return mmi_call_list(&op, out, max, out_count, MMI_ARGS(MM_T(x), MM_I(dim)));
}

mm_status mm_meshgrid(mm_tensor *const *axes, int count, bool xy, mm_tensor **out)
{
    static mmi_op op = {"aten::meshgrid.indexing", NULL};

    if (!MMI_HAS(axes) || !MMI_HAS(out)) {
        return mm_pending();
    }
    return mmi_call_list(&op, out, count, NULL,
                         MMI_ARGS(MM_TS(axes, count), MM_S(xy ? "xy" : "ij")));
}

/* ---- taking and putting ---- */

mm_tensor *mm_select(mm_tensor *x, int64_t dim, int64_t index)
{
    static mmi_op op = {"aten::select.int", NULL};

    return MMI_HAS(x) ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_I(dim), MM_I(index))) : NULL;
}

mm_tensor *mm_narrow(mm_tensor *x, int64_t dim, int64_t start, int64_t length)
{
    static mmi_op op = {"aten::narrow.", NULL};

    return MMI_HAS(x)
               ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_I(dim), MM_I(start), MM_I(length)))
               : NULL;
}

mm_tensor *mm_slice_with(const mm_slice_args *args)
{
    static mmi_op op = {"aten::slice.Tensor", NULL};
    int64_t step = args->step != 0 ? args->step : 1;

    if (!MMI_HAS_AS(args->x, "x")) {
        return NULL;
    }
    return mmi_call(&op, MMI_ARGS(MM_T(args->x), MM_I(args->dim), MM_I(args->start),
                                  MM_NUM(args->end), MM_I(step)));
}

mm_tensor *mm_index_select(mm_tensor *x, int64_t dim, mm_tensor *index)
{
    static mmi_op op = {"aten::index_select.", NULL};

    return MMI_HAS(x) && MMI_HAS(index)
               ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_I(dim), MM_T(index)))
               : NULL;
}

mm_tensor *mm_index(mm_tensor *x, mm_tensor *const *indices, int count)
{
    static mmi_op op = {"aten::index.Tensor", NULL};

    return MMI_HAS(x) && MMI_HAS(indices)
               ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_TS(indices, count)))
               : NULL;
}

mm_tensor *mm_index_put_(mm_tensor *x, mm_tensor *const *indices, int count,
                         mm_tensor *values, bool accumulate)
{
    static mmi_op op = {"aten::index_put_.", NULL};

    if (!MMI_HAS(x) || !MMI_HAS(indices) || !MMI_HAS(values)) {
        return NULL;
    }
    return mmi_call_in_place(
        &op, x,
        MMI_ARGS(MM_T(x), MM_TS(indices, count), MM_T(values), MM_B(accumulate)));
}

mm_tensor *mm_gather(mm_tensor *x, int64_t dim, mm_tensor *index)
{
    static mmi_op op = {"aten::gather.", NULL};

    return MMI_HAS(x) && MMI_HAS(index)
               ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_I(dim), MM_T(index)))
               : NULL;
}

mm_tensor *mm_scatter(mm_tensor *x, int64_t dim, mm_tensor *index, mm_tensor *source)
{
    static mmi_op op = {"aten::scatter.src", NULL};

    return MMI_HAS(x) && MMI_HAS(index) && MMI_HAS(source)
               ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_I(dim), MM_T(index), MM_T(source)))
               : NULL;
}

mm_tensor *mm_scatter_(mm_tensor *x, int64_t dim, mm_tensor *index, mm_tensor *source)
{
    static mmi_op op = {"aten::scatter_.src", NULL};

    return MMI_HAS(x) && MMI_HAS(index) && MMI_HAS(source)
               ? mmi_call_in_place(
                     &op, x, MMI_ARGS(MM_T(x), MM_I(dim), MM_T(index), MM_T(source)))
               : NULL;
}

mm_tensor *mm_scatter_number_(mm_tensor *x, int64_t dim, mm_tensor *index,
                              mm_number value)
{
    static mmi_op op = {"aten::scatter_.value", NULL};

    return MMI_HAS(x) && MMI_HAS(index)
               ? mmi_call_in_place(
                     &op, x, MMI_ARGS(MM_T(x), MM_I(dim), MM_T(index), MM_NUM(value)))
               : NULL;
}

mm_tensor *mm_scatter_add(mm_tensor *x, int64_t dim, mm_tensor *index,
                          mm_tensor *source)
{
    static mmi_op op = {"aten::scatter_add.", NULL};

    return MMI_HAS(x) && MMI_HAS(index) && MMI_HAS(source)
               ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_I(dim), MM_T(index), MM_T(source)))
               : NULL;
}

mm_tensor *mm_index_add_(mm_tensor *x, int64_t dim, mm_tensor *index, mm_tensor *source)
{
    static mmi_op op = {"aten::index_add_.", NULL};

    return MMI_HAS(x) && MMI_HAS(index) && MMI_HAS(source)
               ? mmi_call_in_place(
                     &op, x, MMI_ARGS(MM_T(x), MM_I(dim), MM_T(index), MM_T(source)))
               : NULL;
}

mm_tensor *mm_masked_select(mm_tensor *x, mm_tensor *mask)
{
    static mmi_op op = {"aten::masked_select.", NULL};

    return MMI_HAS(x) && MMI_HAS(mask) ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_T(mask)))
                                       : NULL;
}

/* ---- copies, dtypes, devices ---- */

mm_tensor *mm_to_with(const mm_to_args *args)
{
    const mmt_api *torch = mmi_op_begin();

    return torch != NULL && MMI_HAS_AS(args->x, "x") ? mmi_own(torch->to(args)) : NULL;
}

mm_tensor *mm_cast(mm_tensor *x, mm_dtype dtype)
{
    return mm_to(x, .dtype = dtype);
}

mm_tensor *mm_contiguous(mm_tensor *x, mm_memory_format format)
{
    static mmi_op op = {"aten::contiguous.", NULL};
    mm_memory_format wanted = format != MM_FORMAT_NONE ? format : MM_FORMAT_CONTIGUOUS;

    return MMI_HAS(x) ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_FMT(wanted))) : NULL;
}

MMI_UNARY(mm_clone, "aten::clone.")
MMI_UNARY(mm_pin_memory, "aten::pin_memory.")

mm_tensor *mm_detach(mm_tensor *x)
{
    const mmt_api *torch = mmi_op_begin();

    return torch != NULL && MMI_HAS(x) ? mmi_own(torch->detach(x)) : NULL;
}
