/* How deep a parameter lies in each kind of backbone, by its name in the model: for
 * learning rates that decay by layers. `prefix` is where the backbone stands in the
 * model ("backbone."); names without it belong to what comes after it. Pure functions.
 * Source: the get_layer_depth methods of mmpretrain/models/backbones. */
#ifndef MMZ_MMPRETRAIN_LAYER_DEPTH_H
#define MMZ_MMPRETRAIN_LAYER_DEPTH_H

#include "mmengine/module.h"

/* Blocks of each stage. */
typedef struct mmz_stages {
    const int64_t *blocks;
    size_t count;
} mmz_stages;

/* VisionTransformer, BEiTViT, ViTSAM, HiViT: `num_layers` layers in a row. */
mm_layer_depth mmz_depth_in_vit(int64_t num_layers, const char *name,
                                const char *prefix);
/* SwinTransformer: each stage ends with what shrinks the image. */
mm_layer_depth mmz_depth_in_swin(mmz_stages stages, const char *name,
                                 const char *prefix);
/* MixMIMTransformer: as Swin, with a neck of its own depth. */
mm_layer_depth mmz_depth_in_mixmim(mmz_stages stages, const char *name,
                                   const char *prefix);
/* ConvNeXt: the third stage counts by three blocks. At least two stages. */
mm_layer_depth mmz_depth_in_convnext(mmz_stages stages, const char *name,
                                     const char *prefix);
/* ResNet of 34 layers or more: the second and third stage count by several blocks.
 * A count of 0: there is no rule for these stages. */
mm_layer_depth mmz_depth_in_resnet(mmz_stages stages, const char *name,
                                   const char *prefix);

#endif
