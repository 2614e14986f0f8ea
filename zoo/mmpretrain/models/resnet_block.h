/* Residual blocks. Source: mmpretrain/models/backbones/resnet.py. */
#ifndef MMZ_MMPRETRAIN_RESNET_BLOCK_H
#define MMZ_MMPRETRAIN_RESNET_BLOCK_H

#include "mmcv/bricks.h"

/* What a block is made of. */
typedef struct mmz_block_args {
    bool is_bottleneck;
    int64_t in_channels;
    int64_t out_channels;
    int64_t expansion;
    int64_t stride;
    int64_t dilation;
    bool caffe_style;      /* the first convolution has the stride */
    mm_module *downsample; /* taken, also on failure; or NULL */
    mm_value *conv_cfg;
    mm_value *norm_cfg;
    double drop_path_rate;
} mmz_block_args;

/* BasicBlock or Bottleneck. */
mm_module *mmz_block_new(const mmz_block_args *args);
/* True for either. */
bool mmz_is_block(const mm_module *module);
/* Zeroes the scale of its last normalisation, so that it begins as the identity. */
mm_status mmz_block_zero_init(mm_module *module);

#endif
