/*
 * Products, normalisation, activations, embedding, attention.
 */
#include <math.h>

#include "tensor/bridge.h"

/* ---- products ---- */

mm_tensor *mm_linear(mm_tensor *x, mm_tensor *weight, mm_tensor *bias)
{
    const mmt_api *torch = mmi_op_begin();

    return torch != NULL && MMI_HAS(x) && MMI_HAS(weight)
               ? mmi_own(torch->linear(x, weight, bias))
               : NULL;
}

MMI_DIRECT_BINARY(mm_matmul, matmul, x, y)
MMI_BINARY(mm_mm, "aten::mm.")
MMI_BINARY(mm_bmm, "aten::bmm.")
MMI_BINARY(mm_outer, "aten::outer.")

mm_tensor *mm_addmm(mm_tensor *bias, mm_tensor *x, mm_tensor *y, double beta,
                    double alpha)
{
    static mmi_op op = {"aten::addmm.", NULL};

    return MMI_HAS(bias) && MMI_HAS(x) && MMI_HAS(y)
               ? mmi_call(&op, MMI_ARGS(MM_T(bias), MM_T(x), MM_T(y), MM_F(beta),
                                        MM_F(alpha)))
               : NULL;
}

mm_tensor *mm_einsum(const char *equation, mm_tensor *const *tensors, int count)
{
    static mmi_op op = {"aten::einsum.", NULL};

    return MMI_HAS(equation) && MMI_HAS(tensors)
               ? mmi_call(&op, MMI_ARGS(MM_S(equation), MM_TS(tensors, count)))
               : NULL;
}

/* ---- normalisation ---- */

mm_tensor *mm_batch_norm_with(const mm_batch_norm_args *args)
{
    const mmt_api *torch = mmi_op_begin();

    if (torch == NULL || !MMI_HAS_AS(args->x, "x")) {
        return NULL;
    }
    if (!args->training && (!MMI_HAS_AS(args->running_mean, "running_mean") ||
                            !MMI_HAS_AS(args->running_var, "running_var"))) {
        return NULL;
    }
    return mmi_own(torch->batch_norm(args));
}

mm_tensor *mm_instance_norm_with(const mm_batch_norm_args *args)
{
    static mmi_op op = {"aten::instance_norm.", NULL};

    if (!MMI_HAS_AS(args->x, "x")) {
        return NULL;
    }
    return mmi_call(&op, MMI_ARGS(MM_T(args->x), MM_T(args->weight), MM_T(args->bias),
                                  MM_T(args->running_mean), MM_T(args->running_var),
                                  MM_B(args->training), MM_F(args->momentum),
                                  MM_F(args->eps), MM_B(true)));
}

mm_tensor *mm_layer_norm(mm_tensor *x, mm_dims sizes, mm_tensor *weight,
                         mm_tensor *bias, double eps)
{
    const mmt_api *torch = mmi_op_begin();

    return torch != NULL && MMI_HAS(x) && MMI_HAS_AS(sizes.data, "sizes")
               ? mmi_own(torch->layer_norm(x, sizes, weight, bias, eps))
               : NULL;
}

mm_tensor *mm_group_norm(mm_tensor *x, int64_t num_groups, mm_tensor *weight,
                         mm_tensor *bias, double eps)
{
    static mmi_op op = {"aten::group_norm.", NULL};

    return MMI_HAS(x) ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_I(num_groups), MM_T(weight),
                                               MM_T(bias), MM_F(eps)))
                      : NULL;
}

mm_tensor *mm_normalize(mm_tensor *x, double p, int64_t dim, double eps)
{
    mm_tensor *norm =
        mm_norm(x, .p = mm_number_f64(p), .dims = MM_DIMS(dim), .keepdim = true);

    return norm != NULL ? mm_div(x, mm_clamp(norm, .min = mm_number_f64(eps))) : NULL;
}

/* The mean square of `size` neighbouring channels, by average pooling over them. */
static mm_tensor *mean_square_of_channels(mm_tensor *x, int64_t size)
{
    mm_tensor_info info;

    if (!MMI_HAS(x) || mm_tensor_info_get(x, &info) != MM_OK) {
        return NULL;
    }
    if (info.ndim < 3) {
        mm_raise(MM_ESHAPE, "local response norm needs 3 dimensions or more, got %d",
                 info.ndim);
        return NULL;
    }
    int64_t before = size / 2;
    int64_t after = (size - 1) / 2;
    mm_tensor *square = mm_mul(x, x);
    if (info.ndim == 3) {
        square = mm_pad(mm_unsqueeze(square, 1), MM_DIMS(0, 0, before, after));
        return mm_squeeze(mm_avg_pool2d(square, {size, 1}, .stride = {1, 1}), 1);
    }
    square =
        mm_reshape(square, MM_DIMS(info.sizes[0], 1, info.sizes[1], info.sizes[2], -1));
    square = mm_pad(square, MM_DIMS(0, 0, 0, 0, before, after));
    square = mm_squeeze(mm_avg_pool3d(square, {size, 1, 1}, .stride = {1, 1, 1}), 1);
    return mm_reshape(square, MM_DIMS_N(info.sizes, info.ndim));
}

mm_tensor *mm_local_response_norm(mm_tensor *x, int64_t size, double alpha, double beta,
                                  double k)
{
    mm_tensor *div = mean_square_of_channels(x, size);

    div = mm_add_scalar(mm_mul_scalar(div, alpha), k);
    return mm_div(x, mm_pow_scalar(div, beta));
}

/* ---- activations ---- */

MMI_DIRECT_UNARY(mm_relu, relu)
MMI_DIRECT_UNARY(mm_sigmoid, sigmoid)
MMI_UNARY(mm_relu6, "aten::relu6.")
MMI_UNARY(mm_selu, "aten::selu.")
MMI_UNARY(mm_silu, "aten::silu.")
MMI_UNARY_IN_PLACE(mm_silu_, "aten::silu_.")
MMI_UNARY(mm_mish, "aten::mish.")
MMI_UNARY_IN_PLACE(mm_sigmoid_, "aten::sigmoid_.")
MMI_UNARY(mm_tanh, "aten::tanh.")
MMI_UNARY_IN_PLACE(mm_tanh_, "aten::tanh_.")
MMI_UNARY(mm_hardswish, "aten::hardswish.")
MMI_UNARY_IN_PLACE(mm_hardswish_, "aten::hardswish_.")
MMI_UNARY(mm_hardsigmoid, "aten::hardsigmoid.")
MMI_UNARY(mm_log_sigmoid, "aten::log_sigmoid.")

mm_tensor *mm_relu_(mm_tensor *x)
{
    const mmt_api *torch = mmi_torch_begin();

    return torch != NULL && MMI_HAS(x) ? torch->relu_in(x) : NULL;
}

mm_tensor *mm_leaky_relu(mm_tensor *x, double negative_slope)
{
    static mmi_op op = {"aten::leaky_relu.", NULL};

    return MMI_HAS(x) ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_F(negative_slope))) : NULL;
}

mm_tensor *mm_leaky_relu_(mm_tensor *x, double negative_slope)
{
    static mmi_op op = {"aten::leaky_relu_.", NULL};

    return MMI_HAS(x)
               ? mmi_call_in_place(&op, x, MMI_ARGS(MM_T(x), MM_F(negative_slope)))
               : NULL;
}

mm_tensor *mm_prelu(mm_tensor *x, mm_tensor *weight)
{
    static mmi_op op = {"aten::prelu.", NULL};

    return MMI_HAS(x) && MMI_HAS(weight)
               ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_T(weight)))
               : NULL;
}

mm_tensor *mm_elu(mm_tensor *x, double alpha)
{
    static mmi_op op = {"aten::elu.", NULL};

    return MMI_HAS(x) ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_F(alpha))) : NULL;
}

mm_tensor *mm_celu(mm_tensor *x, double alpha)
{
    static mmi_op op = {"aten::celu.", NULL};

    return MMI_HAS(x) ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_F(alpha))) : NULL;
}

mm_tensor *mm_gelu(mm_tensor *x, bool tanh_form)
{
    const mmt_api *torch = mmi_op_begin();

    return torch != NULL && MMI_HAS(x) ? mmi_own(torch->gelu(x, tanh_form)) : NULL;
}

mm_tensor *mm_hardtanh(mm_tensor *x, double min, double max)
{
    static mmi_op op = {"aten::hardtanh.", NULL};

    return MMI_HAS(x) ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_F(min), MM_F(max))) : NULL;
}

mm_tensor *mm_softplus(mm_tensor *x, double beta, double threshold)
{
    static mmi_op op = {"aten::softplus.", NULL};

    return MMI_HAS(x) ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_F(beta), MM_F(threshold)))
                      : NULL;
}

mm_tensor *mm_softsign(mm_tensor *x)
{
    return MMI_HAS(x) ? mm_div(x, mm_add_scalar(mm_abs(x), 1)) : NULL;
}

mm_tensor *mm_glu(mm_tensor *x, int64_t dim)
{
    static mmi_op op = {"aten::glu.", NULL};

    return MMI_HAS(x) ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_I(dim))) : NULL;
}

mm_tensor *mm_softmax(mm_tensor *x, int64_t dim)
{
    const mmt_api *torch = mmi_op_begin();

    return torch != NULL && MMI_HAS(x) ? mmi_own(torch->softmax(x, dim)) : NULL;
}

mm_tensor *mm_log_softmax(mm_tensor *x, int64_t dim)
{
    const mmt_api *torch = mmi_op_begin();

    return torch != NULL && MMI_HAS(x) ? mmi_own(torch->log_softmax(x, dim)) : NULL;
}

mm_tensor *mm_dropout(mm_tensor *x, double p, bool training)
{
    const mmt_api *torch = mmi_op_begin();

    return torch != NULL && MMI_HAS(x) ? mmi_own(torch->dropout(x, p, training)) : NULL;
}

mm_tensor *mm_dropout_(mm_tensor *x, double p, bool training)
{
    static mmi_op op = {"aten::dropout_.", NULL};

    return MMI_HAS(x)
               ? mmi_call_in_place(&op, x, MMI_ARGS(MM_T(x), MM_F(p), MM_B(training)))
               : NULL;
}

mm_tensor *mm_feature_dropout(mm_tensor *x, double p, bool training)
{
    static mmi_op op = {"aten::feature_dropout.", NULL};

    return MMI_HAS(x) ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_F(p), MM_B(training)))
                      : NULL;
}

mm_tensor *mm_alpha_dropout(mm_tensor *x, double p, bool training)
{
    static mmi_op op = {"aten::alpha_dropout.", NULL};

    return MMI_HAS(x) ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_F(p), MM_B(training)))
                      : NULL;
}

/* ---- looking up ---- */

mm_tensor *mm_embedding_with(const mm_embedding_args *args)
{
    static mmi_op op = {"aten::embedding.", NULL};
    int64_t padding = -1;

    if (!MMI_HAS_AS(args->weight, "weight") || !MMI_HAS_AS(args->index, "index")) {
        return NULL;
    }
    if (args->padding_idx.kind != MM_NUMBER_NONE) {
        padding = (int64_t)mm_number_as_f64(args->padding_idx);
        padding += padding < 0 ? mm_size(args->weight, 0) : 0;
    }
    return mmi_call(&op, MMI_ARGS(MM_T(args->weight), MM_T(args->index), MM_I(padding),
                                  MM_B(false), MM_B(args->sparse)));
}

/* ---- attention ---- */

/* What is added to the scores: -inf where `allowed` (bool) is false. */
static mm_tensor *as_added_mask(mm_tensor *allowed, mm_tensor *scores)
{
    if (mm_tensor_dtype(allowed) != MM_DTYPE_BOOL) {
        return allowed;
    }
    mm_tensor *zeros = mm_zeros(MM_DIMS(1), .dtype = mm_tensor_dtype(scores));
    zeros = mm_expand_as(zeros, allowed);
    return mm_masked_fill(zeros, mm_logical_not(allowed), -INFINITY);
}

static mm_tensor *causal_mask(mm_tensor *scores)
{
    int64_t rows = mm_size(scores, -2);
    int64_t columns = mm_size(scores, -1);

    return mm_tril(mm_ones(MM_DIMS(rows, columns), .dtype = MM_DTYPE_BOOL), 0);
}

/* Attention made of its parts, for libtorch that does not have it. */
static mm_tensor *attention_by_parts(const mm_attention_args *args, double scale)
{
    mm_tensor *query = mm_mul_scalar(args->query, scale);
    mm_tensor *scores = mm_matmul(query, mm_transpose(args->key, -2, -1));
    mm_tensor *allowed =
        args->is_causal && scores != NULL ? causal_mask(scores) : args->mask;

    if (allowed != NULL) {
        scores = mm_add(scores, as_added_mask(allowed, scores));
    }
    mm_tensor *weights = mm_softmax(scores, -1);
    if (args->dropout_p > 0.0) {
        weights = mm_dropout(weights, args->dropout_p, true);
    }
    return mm_matmul(weights, args->value);
}

mm_tensor *mm_attention_with(const mm_attention_args *args)
{
    static mmi_op op = {"aten::scaled_dot_product_attention.", NULL};
    bool has_scale = args->scale.kind != MM_NUMBER_NONE;
    mm_number none = {0};

    if (mmi_op_begin() == NULL || !MMI_HAS_AS(args->query, "query") ||
        !MMI_HAS_AS(args->key, "key") || !MMI_HAS_AS(args->value, "value")) {
        return NULL;
    }
    if (args->mask != NULL && args->is_causal) {
        mm_raise(MM_EINVAL, "attention takes a mask or is_causal, not both");
        return NULL;
    }
    double scale = has_scale ? mm_number_as_f64(args->scale)
                             : 1.0 / sqrt((double)mm_size(args->query, -1));
    if (mmi_is_pending()) {
        return NULL;
    }
    if (!mm_op_supports("aten::scaled_dot_product_attention", "cpu")) {
        return attention_by_parts(args, scale);
    }
    const mm_arg in[] = {MM_T(args->query),
                         MM_T(args->key),
                         MM_T(args->value),
                         MM_T(args->mask),
                         MM_F(args->dropout_p),
                         MM_B(args->is_causal),
                         MM_NAMED("scale", MM_ARG_NUMBER, number,
                                  has_scale ? mm_number_f64(scale) : none)};
    /* The first release that has it does not know `scale`. */
    return mmi_call(&op, in, has_scale ? 7 : 6);
}

/* ---- rearranging and distances ---- */

mm_tensor *mm_pixel_shuffle(mm_tensor *x, int64_t upscale_factor)
{
    static mmi_op op = {"aten::pixel_shuffle.", NULL};

    return MMI_HAS(x) ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_I(upscale_factor))) : NULL;
}

mm_tensor *mm_pixel_unshuffle(mm_tensor *x, int64_t downscale_factor)
{
    static mmi_op op = {"aten::pixel_unshuffle.", NULL};

    return MMI_HAS(x) ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_I(downscale_factor))) : NULL;
}

mm_tensor *mm_channel_shuffle(mm_tensor *x, int64_t groups)
{
    static mmi_op op = {"aten::channel_shuffle.", NULL};

    return MMI_HAS(x) ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_I(groups))) : NULL;
}

mm_tensor *mm_cosine_similarity(mm_tensor *x, mm_tensor *y, int64_t dim, double eps)
{
    static mmi_op op = {"aten::cosine_similarity.", NULL};

    return MMI_HAS(x) && MMI_HAS(y)
               ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_T(y), MM_I(dim), MM_F(eps)))
               : NULL;
}

mm_tensor *mm_cdist(mm_tensor *x, mm_tensor *y, double p)
{
    static mmi_op op = {"aten::cdist.", NULL};

    return MMI_HAS(x) && MMI_HAS(y) ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_T(y), MM_F(p)))
                                    : NULL;
}
