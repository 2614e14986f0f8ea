/** @file
 * Layers, containers and weight initialisation, for use from C without a config. Every
 * layer is also a component of registry "models" under torch.nn's name and options.
 *
 *     mm_module *net = mm_nn_sequential(mm_nn_linear(784, 256), mm_nn_relu(),
 *                                       mm_nn_dropout(0.2), mm_nn_linear(256, 10));
 *
 * The law of modules: required arguments first, in order, options by name; zero is
 * every option's default. Each call draws its weights exactly as torch.nn does, so the
 * same seed gives the same bits. Modules are yours until a container takes them.
 */
#ifndef MMENGINE_NN_H
#define MMENGINE_NN_H

#include "mmengine/module.h"
#include "mmengine/ops.h"

MM_BEGIN_DECLS

/** @name Layers with parameters @{ */
/** Arguments of mm_nn_linear(). */
typedef struct mm_nn_linear_args {
    int64_t in_features;  /**< required */
    int64_t out_features; /**< required */
    bool no_bias;         /**< y = x W^T alone */
} mm_nn_linear_args;
/** `mm_nn_linear(784, 10)`: [.., in] -> [.., out]. */
#define mm_nn_linear(...)                                                              \
    mm_nn_linear_with(&(const mm_nn_linear_args){.in_features = __VA_ARGS__})
MM_API MM_OWNED mm_module *mm_nn_linear_with(const mm_nn_linear_args *args);

/** Arguments of mm_nn_conv1d(). */
typedef struct mm_nn_conv1d_args {
    int64_t in_channels;  /**< required */
    int64_t out_channels; /**< required */
    int64_t kernel_size;  /**< required */
    int64_t stride;       /**< default 1 */
    int64_t padding;      /**< default 0 */
    int64_t dilation;     /**< default 1 */
    int64_t groups;       /**< default 1 */
    bool no_bias;         /**< no bias parameter */
} mm_nn_conv1d_args;
/** `mm_nn_conv1d(16, 32, 3, .padding = 1)`: [N, in, L] -> [N, out, L']. */
#define mm_nn_conv1d(...)                                                              \
    mm_nn_conv1d_with(&(const mm_nn_conv1d_args){.in_channels = __VA_ARGS__})
MM_API MM_OWNED mm_module *mm_nn_conv1d_with(const mm_nn_conv1d_args *args);

/** Arguments of mm_nn_conv2d() and mm_nn_conv_transpose2d(). */
typedef struct mm_nn_conv2d_args {
    int64_t in_channels;  /**< required */
    int64_t out_channels; /**< required */
    int64_t kernel_size;  /**< required: of a square kernel */
    int64_t kernel_w;     /**< width, where it differs; kernel_size is the height */
    int64_t stride[2];    /**< default 1, 1 */
    int64_t padding[2];   /**< default 0, 0 */
    int64_t dilation[2];  /**< default 1, 1 */
    int64_t output_padding[2]; /**< transposed only; default 0, 0 */
    int64_t groups;            /**< default 1 */
    bool no_bias;              /**< no bias parameter */
} mm_nn_conv2d_args;
/** `mm_nn_conv2d(3, 64, 7, .stride = {2, 2}, .padding = {3, 3})` */
#define mm_nn_conv2d(...)                                                              \
    mm_nn_conv2d_with(&(const mm_nn_conv2d_args){.in_channels = __VA_ARGS__})
MM_API MM_OWNED mm_module *mm_nn_conv2d_with(const mm_nn_conv2d_args *args);
#define mm_nn_conv_transpose2d(...)                                                    \
    mm_nn_conv_transpose2d_with(&(const mm_nn_conv2d_args){.in_channels = __VA_ARGS__})
MM_API MM_OWNED mm_module *mm_nn_conv_transpose2d_with(const mm_nn_conv2d_args *args);

/** Arguments of mm_nn_batch_norm1d() and mm_nn_batch_norm2d(). */
typedef struct mm_nn_batch_norm_args {
    int64_t num_features;  /**< required */
    double eps;            /**< default 1e-5 */
    double momentum;       /**< default 0.1 */
    bool cumulative;       /**< momentum=None: plain mean of all batches */
    bool no_affine;        /**< no weight and bias */
    bool no_running_stats; /**< always use the batch's own statistics */
} mm_nn_batch_norm_args;
#define mm_nn_batch_norm1d(...)                                                        \
    mm_nn_batch_norm1d_with(&(const mm_nn_batch_norm_args){.num_features = __VA_ARGS__})
MM_API MM_OWNED mm_module *mm_nn_batch_norm1d_with(const mm_nn_batch_norm_args *args);
#define mm_nn_batch_norm2d(...)                                                        \
    mm_nn_batch_norm2d_with(&(const mm_nn_batch_norm_args){.num_features = __VA_ARGS__})
MM_API MM_OWNED mm_module *mm_nn_batch_norm2d_with(const mm_nn_batch_norm_args *args);

/** Logs that SyncBatchNorm layers work as batch norms, and lets them be printed as
 * such: what MMEngine does with a model on one process. Source: revert_sync_batchnorm.
 */
MM_API mm_status mm_nn_revert_sync_batchnorm(mm_module *module);

/** Over the last dimensions, whose sizes are given: `mm_nn_layer_norm(MM_DIMS(768))`.
 */
MM_API MM_OWNED mm_module *mm_nn_layer_norm(mm_dims normalized_shape);
MM_API MM_OWNED mm_module *mm_nn_group_norm(int64_t num_groups, int64_t num_channels);
/** [..] i64 -> [.., embedding_dim]. */
MM_API MM_OWNED mm_module *mm_nn_embedding(int64_t num_embeddings,
                                           int64_t embedding_dim);
/** @} */

/** @name Layers without parameters @{ */
MM_API MM_OWNED mm_module *mm_nn_relu(void);
MM_API MM_OWNED mm_module *mm_nn_leaky_relu(double negative_slope);
MM_API MM_OWNED mm_module *mm_nn_gelu(void);
MM_API MM_OWNED mm_module *mm_nn_silu(void);
MM_API MM_OWNED mm_module *mm_nn_sigmoid(void);
MM_API MM_OWNED mm_module *mm_nn_tanh(void);
MM_API MM_OWNED mm_module *mm_nn_identity(void);
MM_API MM_OWNED mm_module *mm_nn_softmax(int64_t dim);
/** Zeroes elements with probability `p` while training. */
MM_API MM_OWNED mm_module *mm_nn_dropout(double p);
/** Joins all dimensions but the first. */
MM_API MM_OWNED mm_module *mm_nn_flatten(void);

/** Arguments of mm_nn_max_pool2d() and mm_nn_avg_pool2d(). */
typedef struct mm_nn_pool2d_args {
    int64_t kernel_size; /**< required: of a square window */
    int64_t stride;      /**< default the kernel */
    int64_t padding;     /**< default 0 */
    bool ceil_mode;      /**< round the output size up */
} mm_nn_pool2d_args;
#define mm_nn_max_pool2d(...)                                                          \
    mm_nn_max_pool2d_with(&(const mm_nn_pool2d_args){.kernel_size = __VA_ARGS__})
MM_API MM_OWNED mm_module *mm_nn_max_pool2d_with(const mm_nn_pool2d_args *args);
#define mm_nn_avg_pool2d(...)                                                          \
    mm_nn_avg_pool2d_with(&(const mm_nn_pool2d_args){.kernel_size = __VA_ARGS__})
MM_API MM_OWNED mm_module *mm_nn_avg_pool2d_with(const mm_nn_pool2d_args *args);
/** [N, C, H, W] -> [N, C, h, w]. */
MM_API MM_OWNED mm_module *mm_nn_adaptive_avg_pool2d(int64_t h, int64_t w);
/** Any other layer: `mm_nn_layer("PReLU")`, with its default options. */
MM_API MM_OWNED mm_module *mm_nn_layer(const char *type);
/** @} */

/** @name Containers @{ */
#ifndef __cplusplus
/** Runs modules one after the other. Takes them, in order; children are "0", "1", ...
 * Compilers evaluate the arguments in order here, so weights are drawn in order. */
#define mm_nn_sequential(...)                                                          \
    mm_nn_sequential_of((mm_module *[]){__VA_ARGS__},                                  \
                        sizeof((mm_module *[]){__VA_ARGS__}) / sizeof(mm_module *))
#endif
/** The same from an array, whose modules are taken, also on failure. */
MM_API MM_OWNED mm_module *mm_nn_sequential_of(MM_TAKES mm_module *const *modules,
                                               size_t count);
/** Marks a container as PyTorch's own, which mm_module_init_weights() does not reach
 * into; MMEngine's containers, the default here, it does. Returns it. */
MM_API mm_module *mm_nn_plain(mm_module *container);
/** Appends to a container under the next number; takes `module`. Returns it. */
MM_API mm_module *mm_nn_append(mm_module *container, MM_TAKES mm_module *module);
/** @} */

/** @name Writing weights: torch.nn.init. In place, unrecorded. @{ */
/** Which sizes of a weight count as its fan. */
typedef enum mm_fan { MM_FAN_OUT, MM_FAN_IN } mm_fan;
MM_API mm_status mm_init_constant(mm_tensor *tensor, double value);
MM_API mm_status mm_init_normal(mm_tensor *tensor, double mean, double std);
MM_API mm_status mm_init_uniform(mm_tensor *tensor, double low, double high);
/** By inverse CDF, as MMEngine draws it (PyTorch 2.13 draws otherwise). */
MM_API mm_status mm_init_trunc_normal(mm_tensor *tensor, double mean, double std,
                                      double low, double high);
MM_API mm_status mm_init_xavier(mm_tensor *tensor, double gain, bool uniform);
/** `nonlinearity`: "relu", "leaky_relu" (whose slope is `a`), "linear", "tanh", ... */
MM_API mm_status mm_init_kaiming(mm_tensor *tensor, double a, mm_fan fan,
                                 const char *nonlinearity, bool uniform);
/** -log((1 - p) / p): a bias under which a sigmoid starts at `p`. */
MM_API double mm_init_bias_with_prob(double p);
/** @} */

/** @name Ways to compute @{ */
/**
 * Keeps only the inputs of the module's forward and runs it again in the backward pass,
 * from the same random state: less memory, more time, the same gradients. Batch norm
 * within sees each batch twice. Source: turn_on_activation_checkpointing().
 */
MM_API mm_status mm_nn_checkpoint_activations(mm_module *module);
/**
 * Folds batch norms in evaluation mode into the convolutions whose output they take,
 * wherever in the tree they follow each other, while gradients still reach all
 * parameters: less memory and time. Which follow each other is found by a trial at the
 * module's first call. Source: turn_on_efficient_conv_bn_eval().
 */
MM_API mm_status mm_nn_efficient_conv_bn_eval(mm_module *module);
/** @} */

/** @name Initialisers: what an init_cfg names @{ */
/** Options of all initialisers but Pretrained: first member of their structs. */
typedef struct mm_base_initializer {
    double bias;
    mm_maybe_f64 bias_prob; /**< wins over bias */
    mm_strs layer;          /**< class names, or names of direct base classes */
} mm_base_initializer;
/** Their rows, for MM_OPT_INHERIT. */
MM_API extern const mm_option mm_base_initializer_options[];

/** The functions of an initialiser. One of `apply` and `apply_tree` is required. */
typedef struct mm_initializer_ops {
    /** `self` begins with mm_base_initializer. Called without recording for each module
     * that `layer` matches, children first; whole modules under `override`. */
    mm_status (*apply)(void *self, mm_module *module);
    /** initialises the tree itself, whatever `layer` is: Pretrained */
    mm_status (*apply_tree)(void *self, mm_module *root);
    /** optional, default: the component's name. What the log says of a parameter */
    MM_OWNED char *(*describe)(const void *self);
} mm_initializer_ops;

/** Runs an init_cfg (a dict or a list of them) over a module. Source: initialize(). */
MM_API mm_status mm_initialize(mm_module *module, mm_value *init_cfg);
/** The bias that the options ask for. */
MM_API double mm_base_initializer_bias(const mm_base_initializer *base);
/** @} */

MM_END_DECLS

#endif
