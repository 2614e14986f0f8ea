/** @file
 * Layers, activations, losses as functions: torch.nn.functional. The law of ops.h holds
 * for all of them. N batch, C channels, H height, W width, L length, D depth.
 */
#ifndef MMENGINE_OPS_NN_H
#define MMENGINE_OPS_NN_H

#include "mmengine/ops.h"

MM_BEGIN_DECLS

/** @name Products @{ */
/** x [.., in] times weight [out, in], plus bias [out] or NULL -> [.., out]. */
MM_API mm_tensor *mm_linear(mm_tensor *x, mm_tensor *weight, mm_tensor *bias);
/** torch.matmul: vectors, matrices, batches of them. */
MM_API mm_tensor *mm_matmul(mm_tensor *x, mm_tensor *y);
/** [N, K] times [K, M]. */
MM_API mm_tensor *mm_mm(mm_tensor *x, mm_tensor *y);
/** [B, N, K] times [B, K, M]. */
MM_API mm_tensor *mm_bmm(mm_tensor *x, mm_tensor *y);
/** beta * bias + alpha * (x times y). */
MM_API mm_tensor *mm_addmm(mm_tensor *bias, mm_tensor *x, mm_tensor *y, double beta,
                           double alpha);
/** [N] times [M] -> [N, M]. */
MM_API mm_tensor *mm_outer(mm_tensor *x, mm_tensor *y);
/** "bij,bjk->bik" */
MM_API mm_tensor *mm_einsum(const char *equation, mm_tensor *const *tensors, int count);
/** @} */

/** @name Convolution @{ */
/** Arguments of mm_conv1d(). */
typedef struct mm_conv1d_args {
    mm_tensor *x;      /**< required: [N, in, L] */
    mm_tensor *weight; /**< required: [out, in / groups, k] */
    mm_tensor *bias;   /**< [out] or NULL */
    int64_t stride;    /**< default 1 */
    int64_t padding;   /**< default 0 */
    int64_t dilation;  /**< default 1 */
    int64_t groups;    /**< default 1 */
} mm_conv1d_args;
#define mm_conv1d(...) mm_conv1d_with(&(const mm_conv1d_args){.x = __VA_ARGS__})
MM_API mm_tensor *mm_conv1d_with(const mm_conv1d_args *args);

/** Arguments of mm_conv2d(). */
typedef struct mm_conv2d_args {
    mm_tensor *x;        /**< required: [N, in, H, W] */
    mm_tensor *weight;   /**< required: [out, in / groups, kh, kw] */
    mm_tensor *bias;     /**< [out] or NULL */
    int64_t stride[2];   /**< default 1, 1 */
    int64_t padding[2];  /**< default 0, 0 */
    int64_t dilation[2]; /**< default 1, 1 */
    int64_t groups;      /**< default 1 */
    bool same; /**< pad so that a stride of 1 keeps H and W; not with padding */
} mm_conv2d_args;
/** `mm_conv2d(x, w, b, .stride = {2, 2}, .padding = {1, 1})` -> [N, out, H', W'] */
#define mm_conv2d(...) mm_conv2d_with(&(const mm_conv2d_args){.x = __VA_ARGS__})
MM_API mm_tensor *mm_conv2d_with(const mm_conv2d_args *args);

/** Arguments of mm_conv3d(). */
typedef struct mm_conv3d_args {
    mm_tensor *x;        /**< required: [N, in, D, H, W] */
    mm_tensor *weight;   /**< required: [out, in / groups, kd, kh, kw] */
    mm_tensor *bias;     /**< [out] or NULL */
    int64_t stride[3];   /**< default 1 */
    int64_t padding[3];  /**< default 0 */
    int64_t dilation[3]; /**< default 1 */
    int64_t groups;      /**< default 1 */
} mm_conv3d_args;
#define mm_conv3d(...) mm_conv3d_with(&(const mm_conv3d_args){.x = __VA_ARGS__})
MM_API mm_tensor *mm_conv3d_with(const mm_conv3d_args *args);

/** Arguments of mm_conv_transpose2d(). */
typedef struct mm_conv_transpose2d_args {
    mm_tensor *x;              /**< required: [N, in, H, W] */
    mm_tensor *weight;         /**< required: [in, out / groups, kh, kw] */
    mm_tensor *bias;           /**< [out] or NULL */
    int64_t stride[2];         /**< default 1 */
    int64_t padding[2];        /**< default 0 */
    int64_t output_padding[2]; /**< default 0 */
    int64_t dilation[2];       /**< default 1 */
    int64_t groups;            /**< default 1 */
} mm_conv_transpose2d_args;
#define mm_conv_transpose2d(...)                                                       \
    mm_conv_transpose2d_with(&(const mm_conv_transpose2d_args){.x = __VA_ARGS__})
MM_API mm_tensor *mm_conv_transpose2d_with(const mm_conv_transpose2d_args *args);

/** Arguments of mm_unfold2d(). */
typedef struct mm_unfold2d_args {
    mm_tensor *x;        /**< required: [N, C, H, W] */
    int64_t kernel[2];   /**< required */
    int64_t stride[2];   /**< default 1 */
    int64_t padding[2];  /**< default 0 */
    int64_t dilation[2]; /**< default 1 */
} mm_unfold2d_args;
/** Blocks as columns: [N, C * kh * kw, blocks]; torch.nn.functional.unfold. */
#define mm_unfold2d(...) mm_unfold2d_with(&(const mm_unfold2d_args){.x = __VA_ARGS__})
MM_API mm_tensor *mm_unfold2d_with(const mm_unfold2d_args *args);
/** @} */

/** @name Pooling @{ */
/** Arguments of mm_max_pool2d() and mm_avg_pool2d(). */
typedef struct mm_pool2d_args {
    mm_tensor *x;        /**< required: [N, C, H, W] */
    int64_t kernel[2];   /**< required */
    int64_t stride[2];   /**< default the kernel */
    int64_t padding[2];  /**< default 0 */
    int64_t dilation[2]; /**< default 1; max only */
    bool ceil_mode;      /**< round the output size up */
    bool exclude_pad;    /**< avg: do not count padding; PyTorch's default counts */
    int64_t divisor_override; /**< avg: default the window's size */
} mm_pool2d_args;
/** `mm_max_pool2d(x, {2, 2})` */
#define mm_max_pool2d(...) mm_max_pool2d_with(&(const mm_pool2d_args){.x = __VA_ARGS__})
MM_API mm_tensor *mm_max_pool2d_with(const mm_pool2d_args *args);
#define mm_avg_pool2d(...) mm_avg_pool2d_with(&(const mm_pool2d_args){.x = __VA_ARGS__})
MM_API mm_tensor *mm_avg_pool2d_with(const mm_pool2d_args *args);
/** [N, C, H, W] -> [N, C, out_h, out_w]. */
MM_API mm_tensor *mm_adaptive_avg_pool2d(mm_tensor *x, int64_t out_h, int64_t out_w);
MM_API mm_tensor *mm_adaptive_max_pool2d(mm_tensor *x, int64_t out_h, int64_t out_w);

/** Arguments of mm_max_pool1d() and mm_avg_pool1d(). */
typedef struct mm_pool1d_args {
    mm_tensor *x;     /**< required: [N, C, L] */
    int64_t kernel;   /**< required */
    int64_t stride;   /**< default the kernel */
    int64_t padding;  /**< default 0 */
    int64_t dilation; /**< default 1; max only */
    bool ceil_mode;   /**< round the output size up */
    bool exclude_pad; /**< avg: do not count padding */
} mm_pool1d_args;
#define mm_max_pool1d(...) mm_max_pool1d_with(&(const mm_pool1d_args){.x = __VA_ARGS__})
MM_API mm_tensor *mm_max_pool1d_with(const mm_pool1d_args *args);
#define mm_avg_pool1d(...) mm_avg_pool1d_with(&(const mm_pool1d_args){.x = __VA_ARGS__})
MM_API mm_tensor *mm_avg_pool1d_with(const mm_pool1d_args *args);
MM_API mm_tensor *mm_adaptive_avg_pool1d(mm_tensor *x, int64_t out_l);
MM_API mm_tensor *mm_adaptive_max_pool1d(mm_tensor *x, int64_t out_l);

/** Arguments of mm_max_pool3d() and mm_avg_pool3d(). */
typedef struct mm_pool3d_args {
    mm_tensor *x;        /**< required: [N, C, D, H, W] */
    int64_t kernel[3];   /**< required */
    int64_t stride[3];   /**< default the kernel */
    int64_t padding[3];  /**< default 0 */
    int64_t dilation[3]; /**< default 1; max only */
    bool ceil_mode;      /**< round the output size up */
    bool exclude_pad;    /**< avg: do not count padding */
} mm_pool3d_args;
#define mm_max_pool3d(...) mm_max_pool3d_with(&(const mm_pool3d_args){.x = __VA_ARGS__})
MM_API mm_tensor *mm_max_pool3d_with(const mm_pool3d_args *args);
#define mm_avg_pool3d(...) mm_avg_pool3d_with(&(const mm_pool3d_args){.x = __VA_ARGS__})
MM_API mm_tensor *mm_avg_pool3d_with(const mm_pool3d_args *args);
MM_API mm_tensor *mm_adaptive_avg_pool3d(mm_tensor *x, int64_t out_d, int64_t out_h,
                                         int64_t out_w);
/** @} */

/** @name Normalisation @{ */
/** Arguments of mm_batch_norm(). */
typedef struct mm_batch_norm_args {
    mm_tensor *x;            /**< required: [N, C, ..] */
    mm_tensor *running_mean; /**< [C]; NULL only when training */
    mm_tensor *running_var;  /**< [C]; NULL only when training */
    mm_tensor *weight;       /**< [C] or NULL */
    mm_tensor *bias;         /**< [C] or NULL */
    bool training;           /**< use and record the batch's statistics */
    double momentum;         /**< required: weight of the batch in the running ones */
    double eps;              /**< required */
} mm_batch_norm_args;
/** `mm_batch_norm(x, mean, var, w, b, training, 0.1, 1e-5)` */
#define mm_batch_norm(...)                                                             \
    mm_batch_norm_with(&(const mm_batch_norm_args){.x = __VA_ARGS__})
MM_API mm_tensor *mm_batch_norm_with(const mm_batch_norm_args *args);
/** Over the last dimensions, as many as `sizes` has; weight and bias may be NULL. */
MM_API mm_tensor *mm_layer_norm(mm_tensor *x, mm_dims sizes, mm_tensor *weight,
                                mm_tensor *bias, double eps);
MM_API mm_tensor *mm_group_norm(mm_tensor *x, int64_t num_groups, mm_tensor *weight,
                                mm_tensor *bias, double eps);
/** Arguments as mm_batch_norm(); `training` stands for use_input_stats. */
#define mm_instance_norm(...)                                                          \
    mm_instance_norm_with(&(const mm_batch_norm_args){.x = __VA_ARGS__})
MM_API mm_tensor *mm_instance_norm_with(const mm_batch_norm_args *args);
/** x / max(norm_p(x, dim), eps); torch.nn.functional.normalize. */
MM_API mm_tensor *mm_normalize(mm_tensor *x, double p, int64_t dim, double eps);
MM_API mm_tensor *mm_local_response_norm(mm_tensor *x, int64_t size, double alpha,
                                         double beta, double k);
/** @} */

/** @name Activations @{ */
MM_API mm_tensor *mm_relu(mm_tensor *x);
MM_API mm_tensor *mm_relu_(mm_tensor *x);
MM_API mm_tensor *mm_relu6(mm_tensor *x);
MM_API mm_tensor *mm_leaky_relu(mm_tensor *x, double negative_slope);
MM_API mm_tensor *mm_leaky_relu_(mm_tensor *x, double negative_slope);
/** weight: [1] or [C]. */
MM_API mm_tensor *mm_prelu(mm_tensor *x, mm_tensor *weight);
MM_API mm_tensor *mm_elu(mm_tensor *x, double alpha);
MM_API mm_tensor *mm_selu(mm_tensor *x);
MM_API mm_tensor *mm_celu(mm_tensor *x, double alpha);
/** `tanh_form`: the approximation by tanh. */
MM_API mm_tensor *mm_gelu(mm_tensor *x, bool tanh_form);
MM_API mm_tensor *mm_silu(mm_tensor *x);
MM_API mm_tensor *mm_silu_(mm_tensor *x);
MM_API mm_tensor *mm_mish(mm_tensor *x);
MM_API mm_tensor *mm_sigmoid(mm_tensor *x);
MM_API mm_tensor *mm_sigmoid_(mm_tensor *x);
MM_API mm_tensor *mm_tanh(mm_tensor *x);
MM_API mm_tensor *mm_tanh_(mm_tensor *x);
MM_API mm_tensor *mm_hardswish(mm_tensor *x);
MM_API mm_tensor *mm_hardswish_(mm_tensor *x);
MM_API mm_tensor *mm_hardsigmoid(mm_tensor *x);
MM_API mm_tensor *mm_hardtanh(mm_tensor *x, double min, double max);
MM_API mm_tensor *mm_softplus(mm_tensor *x, double beta, double threshold);
MM_API mm_tensor *mm_softsign(mm_tensor *x);
MM_API mm_tensor *mm_log_sigmoid(mm_tensor *x);
/** One half times the sigmoid of the other. */
MM_API mm_tensor *mm_glu(mm_tensor *x, int64_t dim);
MM_API mm_tensor *mm_softmax(mm_tensor *x, int64_t dim);
MM_API mm_tensor *mm_log_softmax(mm_tensor *x, int64_t dim);
/** Zeroes elements with probability p and scales the rest, when training. */
MM_API mm_tensor *mm_dropout(mm_tensor *x, double p, bool training);
MM_API mm_tensor *mm_dropout_(mm_tensor *x, double p, bool training);
/** Zeroes whole channels: dropout1d, 2d, 3d of torch.nn.functional. */
MM_API mm_tensor *mm_feature_dropout(mm_tensor *x, double p, bool training);
MM_API mm_tensor *mm_alpha_dropout(mm_tensor *x, double p, bool training);
/** @} */

/** @name Looking up, resampling, attention @{ */
/** Arguments of mm_embedding(). */
typedef struct mm_embedding_args {
    mm_tensor *weight;     /**< required: [num, dim] */
    mm_tensor *index;      /**< required: [..] i64 or i32 */
    mm_number padding_idx; /**< row without gradient; default none */
    bool sparse;           /**< the weight's gradient is sparse (mm_is_sparse()) */
} mm_embedding_args;
/** -> [.., dim] */
#define mm_embedding(...)                                                              \
    mm_embedding_with(&(const mm_embedding_args){.weight = __VA_ARGS__})
MM_API mm_tensor *mm_embedding_with(const mm_embedding_args *args);

/** Arguments of mm_interpolate(). One of `sizes` and `scales`. */
typedef struct mm_interpolate_args {
    mm_tensor *x;         /**< required: [N, C, ..] with 1 to 3 dimensions after C */
    mm_dims sizes;        /**< of the result, without N and C */
    const double *scales; /**< one for each dimension after C */
    const char *mode;     /**< default "nearest"; "nearest-exact", "linear", "bilinear",
                             "bicubic", "trilinear", "area" */
    bool align_corners; /**< corners of input and output coincide; linear kinds only */
    bool antialias;     /**< "bilinear" and "bicubic" only */
} mm_interpolate_args;
/** torch.nn.functional.interpolate. */
#define mm_interpolate(...)                                                            \
    mm_interpolate_with(&(const mm_interpolate_args){.x = __VA_ARGS__})
MM_API mm_tensor *mm_interpolate_with(const mm_interpolate_args *args);

/** Arguments of mm_grid_sample(). */
typedef struct mm_grid_sample_args {
    mm_tensor *x;             /**< required: [N, C, H, W] */
    mm_tensor *grid;          /**< required: [N, H', W', 2], coordinates in [-1, 1] */
    const char *mode;         /**< default "bilinear"; "nearest", "bicubic" */
    const char *padding_mode; /**< default "zeros"; "border", "reflection" */
    bool align_corners;       /**< -1 and 1 are the centres of corner pixels */
} mm_grid_sample_args;
#define mm_grid_sample(...)                                                            \
    mm_grid_sample_with(&(const mm_grid_sample_args){.x = __VA_ARGS__})
MM_API mm_tensor *mm_grid_sample_with(const mm_grid_sample_args *args);

/** Arguments of mm_attention(). */
typedef struct mm_attention_args {
    mm_tensor *query; /**< required: [N, .., L, E] */
    mm_tensor *key;   /**< required: [N, .., S, E] */
    mm_tensor *value; /**< required: [N, .., S, Ev] */
    mm_tensor *mask;  /**< bool (true takes part) or added to the scores; or NULL */
    double dropout_p; /**< default 0 */
    bool is_causal;   /**< row i sees columns up to i; not with mask */
    mm_number scale;  /**< default 1 / sqrt(E) */
} mm_attention_args;
/** softmax(q k^T scale + mask) v -> [N, .., L, Ev]; scaled_dot_product_attention, made
 * of its parts where libtorch lacks it. */
#define mm_attention(...)                                                              \
    mm_attention_with(&(const mm_attention_args){.query = __VA_ARGS__})
MM_API mm_tensor *mm_attention_with(const mm_attention_args *args);

/** As the PyTorch functions of these names. */
MM_API mm_tensor *mm_pixel_shuffle(mm_tensor *x, int64_t upscale_factor);
MM_API mm_tensor *mm_pixel_unshuffle(mm_tensor *x, int64_t downscale_factor);
MM_API mm_tensor *mm_channel_shuffle(mm_tensor *x, int64_t groups);
MM_API mm_tensor *mm_cosine_similarity(mm_tensor *x, mm_tensor *y, int64_t dim,
                                       double eps);
/** Distances of rows: [.., N, D], [.., M, D] -> [.., N, M]. */
MM_API mm_tensor *mm_cdist(mm_tensor *x, mm_tensor *y, double p);
/** @} */

/** @name Losses @{ */
/** What a loss does with the losses of the elements. */
typedef enum mm_reduction {
    MM_REDUCTION_MEAN, /**< the default */
    MM_REDUCTION_SUM,
    MM_REDUCTION_NONE
} mm_reduction;

/** Arguments of mm_cross_entropy(). */
typedef struct mm_cross_entropy_args {
    mm_tensor *logits;      /**< required: [N, C, ..] or [C] */
    mm_tensor *target;      /**< required: [N, ..] i64, or probabilities as logits */
    mm_tensor *weight;      /**< [C]; default all 1 */
    mm_reduction reduction; /**< default mean: over the weights that count */
    mm_number ignore_index; /**< default -100 */
    double label_smoothing; /**< default 0 */
} mm_cross_entropy_args;
/**
 * Cross entropy between logits and class indices or probabilities.
 *
 * Owner:  result is scope-owned; arguments are borrowed.
 * Units:  nats.
 * Source: torch.nn.functional.cross_entropy.
 */
#define mm_cross_entropy(...)                                                          \
    mm_cross_entropy_with(&(const mm_cross_entropy_args){.logits = __VA_ARGS__})
MM_API mm_tensor *mm_cross_entropy_with(const mm_cross_entropy_args *args);

/** Arguments of mm_nll_loss(). */
typedef struct mm_nll_loss_args {
    mm_tensor *log_probs;   /**< required: [N, C, ..] */
    mm_tensor *target;      /**< required: [N, ..] i64 */
    mm_tensor *weight;      /**< [C]; default all 1 */
    mm_reduction reduction; /**< default mean */
    mm_number ignore_index; /**< default -100 */
} mm_nll_loss_args;
#define mm_nll_loss(...)                                                               \
    mm_nll_loss_with(&(const mm_nll_loss_args){.log_probs = __VA_ARGS__})
MM_API mm_tensor *mm_nll_loss_with(const mm_nll_loss_args *args);

/** Arguments of mm_bce_loss() and mm_bce_with_logits(). */
typedef struct mm_bce_args {
    mm_tensor *x;           /**< required: probabilities, or logits */
    mm_tensor *target;      /**< required: same sizes, float */
    mm_tensor *weight;      /**< broadcast; default all 1 */
    mm_reduction reduction; /**< default mean */
    mm_tensor *pos_weight;  /**< with logits only: of positive answers; default all 1 */
} mm_bce_args;
#define mm_bce_loss(...) mm_bce_loss_with(&(const mm_bce_args){.x = __VA_ARGS__})
MM_API mm_tensor *mm_bce_loss_with(const mm_bce_args *args);
#define mm_bce_with_logits(...)                                                        \
    mm_bce_with_logits_with(&(const mm_bce_args){.x = __VA_ARGS__})
MM_API mm_tensor *mm_bce_with_logits_with(const mm_bce_args *args);

/** As PyTorch's: [..] and target [..] -> [] or, unreduced, [..]. */
MM_API mm_tensor *mm_mse_loss(mm_tensor *x, mm_tensor *target, mm_reduction reduction);
MM_API mm_tensor *mm_l1_loss(mm_tensor *x, mm_tensor *target, mm_reduction reduction);
MM_API mm_tensor *mm_smooth_l1_loss(mm_tensor *x, mm_tensor *target, double beta,
                                    mm_reduction reduction);
MM_API mm_tensor *mm_huber_loss(mm_tensor *x, mm_tensor *target, double delta,
                                mm_reduction reduction);
/** `log_target`: the target is in log space too. Mean is over all elements. */
MM_API mm_tensor *mm_kl_div(mm_tensor *x, mm_tensor *target, bool log_target,
                            mm_reduction reduction);
/** @} */

MM_END_DECLS

#endif
