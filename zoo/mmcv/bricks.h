/* MMCV's builders: layers from the short configs that models take (`conv_cfg`,
 * `norm_cfg`, `act_cfg`). Results are yours. Source: mmcv/cnn/bricks. */
#ifndef MMZ_MMCV_BRICKS_H
#define MMZ_MMCV_BRICKS_H

#include "mmengine/nn.h"

/* A square convolution; zero is the default of each but the first three. */
typedef struct mmz_conv_args {
    int64_t in_channels;
    int64_t out_channels;
    int64_t kernel_size;
    int64_t stride;   /* default 1 */
    int64_t padding;  /* default 0 */
    int64_t dilation; /* default 1 */
    int64_t groups;   /* default 1 */
    bool bias;
} mmz_conv_args;

/* build_conv_layer: `cfg` NULL means Conv2d. */
mm_module *mmz_build_conv(mm_value *cfg, const mmz_conv_args *args);
/* build_norm_layer: `cfg` has a type and options; `requires_grad` is understood. Writes
 * the name MMCV gives it ("bn1", "gn") into `out_name` of 16 bytes; `postfix` 0: none.
 */
mm_module *mmz_build_norm(mm_value *cfg, int64_t num_features, int postfix,
                          char *out_name);
/* build_activation_layer. */
mm_module *mmz_build_activation(mm_value *cfg, bool inplace);
/* A norm_cfg that is given, or {type: BN, requires_grad: True}; yours. */
mm_value *mmz_norm_cfg(mm_value *given);
/* True for batch normalisation of any kind. */
bool mmz_is_batch_norm(const mm_module *module);
/* constant_init and kaiming_init: the module's own weight and bias. */
mm_status mmz_constant_init(mm_module *module, double weight, double bias);
mm_status mmz_kaiming_init(mm_module *module, const char *nonlinearity, double a);

/* Convolution, normalisation and activation as one module. */
mm_module *mmz_conv_module_new(const mmz_conv_args *args, mm_value *conv_cfg,
                               mm_value *norm_cfg);
/* Drops whole samples of a residual branch while training. */
mm_module *mmz_drop_path_new(double drop_prob);

/* A trainable float32 tensor filled with one value, of the module; borrowed. */
mm_tensor *mmz_add_param(mm_module *module, const char *name, mm_dims sizes,
                         double value);
/* Adds the entries of a dict to another, with their places in the config; those that
 * are there are replaced. NULL and None: nothing. `what` names it in messages. */
mm_status mmz_merge(mm_value *into, const mm_value *from, const char *what);

/* A learned factor for each of the last dimension's `dim` channels. */
mm_module *mmz_layer_scale_new(int64_t dim, double scale);
/* The same if `scale` is above zero. */
mm_module *mmz_layer_scale_or_identity(int64_t dim, double scale);
/* Height and width in patches of images of a PatchEmbed's input_size. */
mm_status mmz_patch_embed_out_size(mm_module *module, int64_t *out_hw);

#endif
