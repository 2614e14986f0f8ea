/*
 * Convolutions and pooling. Zero in an option stands for PyTorch's default, which is
 * filled in here: strides of convolutions and dilations are 1, strides of pools the
 * kernel.
 */
#include "tensor/bridge.h"

/* One value of an option. */
static int64_t or_else(int64_t value, int64_t otherwise)
{
    return value != 0 ? value : otherwise;
}

/* A triple whose zeros stand for 1. */
static void fill_ones(const int64_t *from, int count, int64_t *out)
{
    for (int i = 0; i < count; i++) {
        out[i] = or_else(from[i], 1);
    }
}

/* A stride that was not given is the kernel. */
static const int64_t *pool_stride(const int64_t *stride, const int64_t *kernel)
{
    return stride[0] != 0 ? stride : kernel;
}

mm_tensor *mm_conv1d_with(const mm_conv1d_args *args)
{
    static mmi_op op = {"aten::conv1d.", NULL};

    if (!MMI_HAS_AS(args->x, "x") || !MMI_HAS_AS(args->weight, "weight")) {
        return NULL;
    }
    return mmi_call(&op, MMI_ARGS(MM_T(args->x), MM_T(args->weight), MM_T(args->bias),
                                  MM_I(or_else(args->stride, 1)), MM_I(args->padding),
                                  MM_I(or_else(args->dilation, 1)),
                                  MM_I(or_else(args->groups, 1))));
}

mm_tensor *mm_conv2d_with(const mm_conv2d_args *args)
{
    const mmt_api *torch = mmi_op_begin();

    if (torch == NULL || !MMI_HAS_AS(args->x, "x") ||
        !MMI_HAS_AS(args->weight, "weight")) {
        return NULL;
    }
    if (args->same && (args->padding[0] != 0 || args->padding[1] != 0)) {
        mm_raise(MM_EINVAL, "conv2d takes 'same' or a padding, not both");
        return NULL;
    }
    return mmi_own(torch->conv2d(args));
}

mm_tensor *mm_conv3d_with(const mm_conv3d_args *args)
{
    static mmi_op op = {"aten::conv3d.", NULL};
    int64_t stride[3], dilation[3];

    if (!MMI_HAS_AS(args->x, "x") || !MMI_HAS_AS(args->weight, "weight")) {
        return NULL;
    }
    fill_ones(args->stride, 3, stride);
    fill_ones(args->dilation, 3, dilation);
    return mmi_call(&op, MMI_ARGS(MM_T(args->x), MM_T(args->weight), MM_T(args->bias),
                                  MM_IS(stride, 3), MM_IS(args->padding, 3),
                                  MM_IS(dilation, 3), MM_I(or_else(args->groups, 1))));
}

mm_tensor *mm_conv_transpose2d_with(const mm_conv_transpose2d_args *args)
{
    static mmi_op op = {"aten::conv_transpose2d.input", NULL};
    int64_t stride[2], dilation[2];

    if (!MMI_HAS_AS(args->x, "x") || !MMI_HAS_AS(args->weight, "weight")) {
        return NULL;
    }
    fill_ones(args->stride, 2, stride);
    fill_ones(args->dilation, 2, dilation);
    return mmi_call(&op, MMI_ARGS(MM_T(args->x), MM_T(args->weight), MM_T(args->bias),
                                  MM_IS(stride, 2), MM_IS(args->padding, 2),
                                  MM_IS(args->output_padding, 2),
                                  MM_I(or_else(args->groups, 1)), MM_IS(dilation, 2)));
}

mm_tensor *mm_unfold2d_with(const mm_unfold2d_args *args)
{
    static mmi_op op = {"aten::im2col.", NULL};
    int64_t stride[2], dilation[2];

    if (!MMI_HAS_AS(args->x, "x")) {
        return NULL;
    }
    fill_ones(args->stride, 2, stride);
    fill_ones(args->dilation, 2, dilation);
    return mmi_call(&op,
                    MMI_ARGS(MM_T(args->x), MM_IS(args->kernel, 2), MM_IS(dilation, 2),
                             MM_IS(args->padding, 2), MM_IS(stride, 2)));
}

/* ---- pooling ---- */

mm_tensor *mm_max_pool2d_with(const mm_pool2d_args *args)
{
    const mmt_api *torch = mmi_op_begin();

    return torch != NULL && MMI_HAS_AS(args->x, "x") ? mmi_own(torch->max_pool2d(args))
                                                     : NULL;
}

mm_tensor *mm_avg_pool2d_with(const mm_pool2d_args *args)
{
    static mmi_op op = {"aten::avg_pool2d.", NULL};
    mm_number divisor = {0};

    if (!MMI_HAS_AS(args->x, "x")) {
        return NULL;
    }
    if (args->divisor_override != 0) {
        divisor = mm_number_i64(args->divisor_override);
    }
    return mmi_call(&op, MMI_ARGS(MM_T(args->x), MM_IS(args->kernel, 2),
                                  MM_IS(pool_stride(args->stride, args->kernel), 2),
                                  MM_IS(args->padding, 2), MM_B(args->ceil_mode),
                                  MM_B(!args->exclude_pad), MM_NUM(divisor)));
}

mm_tensor *mm_adaptive_avg_pool2d(mm_tensor *x, int64_t out_h, int64_t out_w)
{
    const mmt_api *torch = mmi_op_begin();

    return torch != NULL && MMI_HAS(x)
               ? mmi_own(torch->adaptive_avg_pool2d(x, out_h, out_w))
               : NULL;
}

mm_tensor *mm_adaptive_max_pool2d(mm_tensor *x, int64_t out_h, int64_t out_w)
{
    static mmi_op op = {"aten::adaptive_max_pool2d.", NULL};
    const int64_t sizes[2] = {out_h, out_w};

    return MMI_HAS(x) ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_IS(sizes, 2))) : NULL;
}

mm_tensor *mm_max_pool1d_with(const mm_pool1d_args *args)
{
    static mmi_op op = {"aten::max_pool1d.", NULL};

    if (!MMI_HAS_AS(args->x, "x")) {
        return NULL;
    }
    return mmi_call(&op, MMI_ARGS(MM_T(args->x), MM_I(args->kernel),
                                  MM_I(or_else(args->stride, args->kernel)),
                                  MM_I(args->padding), MM_I(or_else(args->dilation, 1)),
                                  MM_B(args->ceil_mode)));
}

mm_tensor *mm_avg_pool1d_with(const mm_pool1d_args *args)
{
    static mmi_op op = {"aten::avg_pool1d.", NULL};

    if (!MMI_HAS_AS(args->x, "x")) {
        return NULL;
    }
    return mmi_call(&op, MMI_ARGS(MM_T(args->x), MM_I(args->kernel),
                                  MM_I(or_else(args->stride, args->kernel)),
                                  MM_I(args->padding), MM_B(args->ceil_mode),
                                  MM_B(!args->exclude_pad)));
}

mm_tensor *mm_adaptive_avg_pool1d(mm_tensor *x, int64_t out_l)
{
    static mmi_op op = {"aten::adaptive_avg_pool1d.", NULL};

    return MMI_HAS(x) ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_I(out_l))) : NULL;
}

mm_tensor *mm_adaptive_max_pool1d(mm_tensor *x, int64_t out_l)
{
    static mmi_op op = {"aten::adaptive_max_pool1d.", NULL};

    return MMI_HAS(x) ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_I(out_l))) : NULL;
}

mm_tensor *mm_max_pool3d_with(const mm_pool3d_args *args)
{
    static mmi_op op = {"aten::max_pool3d.", NULL};
    int64_t dilation[3];

    if (!MMI_HAS_AS(args->x, "x")) {
        return NULL;
    }
    fill_ones(args->dilation, 3, dilation);
    return mmi_call(&op, MMI_ARGS(MM_T(args->x), MM_IS(args->kernel, 3),
                                  MM_IS(pool_stride(args->stride, args->kernel), 3),
                                  MM_IS(args->padding, 3), MM_IS(dilation, 3),
                                  MM_B(args->ceil_mode)));
}

mm_tensor *mm_avg_pool3d_with(const mm_pool3d_args *args)
{
    static mmi_op op = {"aten::avg_pool3d.", NULL};

    if (!MMI_HAS_AS(args->x, "x")) {
        return NULL;
    }
    return mmi_call(&op, MMI_ARGS(MM_T(args->x), MM_IS(args->kernel, 3),
                                  MM_IS(pool_stride(args->stride, args->kernel), 3),
                                  MM_IS(args->padding, 3), MM_B(args->ceil_mode),
                                  MM_B(!args->exclude_pad)));
}

mm_tensor *mm_adaptive_avg_pool3d(mm_tensor *x, int64_t out_d, int64_t out_h,
                                  int64_t out_w)
{
    static mmi_op op = {"aten::adaptive_avg_pool3d.", NULL};
    const int64_t sizes[3] = {out_d, out_h, out_w};

    return MMI_HAS(x) ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_IS(sizes, 3))) : NULL;
}
