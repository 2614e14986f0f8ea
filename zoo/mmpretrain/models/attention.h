/* Attention and feed-forward layers of MMPretrain's transformers.
 * Source: mmpretrain/models/utils/attention.py, swiglu_ffn.py. */
#ifndef MMZ_MMPRETRAIN_ATTENTION_H
#define MMZ_MMPRETRAIN_ATTENTION_H

#include "mmcv/bricks.h"

/* What a MultiheadAttention is made of; zero is the default of each but the first two.
 */
typedef struct mmz_attention_args {
    int64_t embed_dims;
    int64_t num_heads;
    double attn_drop;
    double proj_drop;
    double drop_path_rate;
    bool no_qkv_bias;
    double layer_scale_init_value;
} mmz_attention_args;

/* [N, L, C] -> [N, L, C]; yours. */
mm_module *mmz_attention_new(const mmz_attention_args *args);
/* SwiGLUFFNFused: called with (x, identity); yours. */
mm_module *mmz_swiglu_ffn_fused_new(int64_t embed_dims, int64_t feedforward_channels,
                                    double layer_scale_init_value);
/* Position embeddings [1, extra + h * w, C] for another grid of patches; `mode` is an
 * interpolation. Equal grids: the tensor itself. Source: resize_pos_embed. */
mm_tensor *mmz_resize_pos_embed(mm_tensor *pos_embed, const int64_t *from_hw,
                                const int64_t *to_hw, const char *mode,
                                int64_t num_extra);

#endif
