/* Multi-head attention with one linear layer for queries, keys and values; the gated
 * feed-forward layers of DINOv2; position embeddings for other image sizes. */
#include "mmpretrain/models/attention.h"

#include <inttypes.h>
#include <math.h>

/* --- multi-head attention --- */

struct attention {
    int64_t embed_dims;
    int64_t num_heads;
    double attn_drop;
    double proj_drop;
    double drop_path_rate;
    bool qkv_bias;
    double layer_scale_init_value;
    mm_module *module; /* its own */
    mm_module *qkv;    /* children */
    mm_module *proj;
    mm_module *after[3]; /* proj_drop, gamma1, out_drop, in order of use */
};

static mm_status attention_init(void *data)
{
    struct attention *self = data;
    mm_module *module = mm_module_of(self);
    int64_t dims = self->embed_dims;

    if (dims % self->num_heads != 0) {
        return mm_raise(MM_EINVAL,
                        "%" PRId64 " dimensions do not divide into %" PRId64 " heads",
                        dims, self->num_heads);
    }
    self->module = module;
    self->qkv = mm_module_add(module, "qkv",
                              mm_nn_linear(dims, dims * 3, .no_bias = !self->qkv_bias));
    self->proj = mm_module_add(module, "proj", mm_nn_linear(dims, dims));
    self->after[0] = mm_module_add(module, "proj_drop", mm_nn_dropout(self->proj_drop));
    self->after[2] =
        mm_module_add(module, "out_drop", mmz_drop_path_new(self->drop_path_rate));
    self->after[1] =
        mm_module_add(module, "gamma1",
                      mmz_layer_scale_or_identity(dims, self->layer_scale_init_value));
    return mm_pending();
}

/* What MMPretrain computes where PyTorch has no attention of its own. */
static mm_tensor *attend_by_parts(mm_tensor *q, mm_tensor *k, mm_tensor *v,
                                  double head_dims, double drop)
{
    mm_tensor *scores = mm_matmul(q, mm_transpose(k, -2, -1));
    mm_tensor *weights = mm_softmax(mm_div_scalar(scores, sqrt(head_dims)), -1);

    return mm_matmul(mm_dropout(weights, drop, true), v);
}

static mm_tensor *attend(mm_tensor *q, mm_tensor *k, mm_tensor *v, double head_dims,
                         double drop)
{
    return mm_op_supports("aten::scaled_dot_product_attention", "cpu")
               ? mm_attention(q, k, v, .dropout_p = drop)
               : attend_by_parts(q, k, v, head_dims, drop);
}

static mm_tensor *attention_forward(void *data, mm_tensor *x)
{
    const struct attention *self = data;
    bool training = mm_module_is_training(self->module);
    int64_t batch = mm_size(x, 0);
    int64_t tokens = mm_size(x, 1);
    int64_t head_dims = self->embed_dims / self->num_heads;
    mm_tensor *qkv = mm_module_forward(self->qkv, x);

    qkv = mm_reshape(qkv, MM_DIMS(batch, tokens, 3, self->num_heads, head_dims));
    qkv = mm_permute(qkv, MM_DIMS(2, 0, 3, 1, 4));
    mm_tensor *q = mm_select(qkv, 0, 0);
    mm_tensor *k = mm_select(qkv, 0, 1);
    mm_tensor *v = mm_select(qkv, 0, 2);
    mm_tensor *out =
        attend(q, k, v, (double)head_dims, training ? self->attn_drop : 0.0);

    out = mm_reshape(mm_transpose(out, 1, 2), MM_DIMS(batch, tokens, self->embed_dims));
    out = mm_module_forward(self->proj, out);
    for (int i = 0; i < 3; i++) {
        out = mm_module_forward(self->after[i], out);
    }
    return out;
}

static const mm_module_ops attention_ops = {.forward = attention_forward};

#define MM_OPT_STRUCT struct attention
static const mm_option attention_options[] = {
    {"embed_dims", "size of a token", MM_OPT_I64_REQUIRED(embed_dims, 1, INT64_MAX)},
    {"num_heads", "number of heads", MM_OPT_I64_REQUIRED(num_heads, 1, INT64_MAX)},
    {"attn_drop", "probability of zeroing a weight", MM_OPT_F64(attn_drop, 0, 0, 1)},
    {"proj_drop", "probability of zeroing an element of the output",
     MM_OPT_F64(proj_drop, 0, 0, 1)},
    {"drop_path_rate", "probability of dropping a sample's branch",
     MM_OPT_F64(drop_path_rate, 0, 0, 1)},
    {"qkv_bias", "queries, keys and values have a bias", MM_OPT_BOOL(qkv_bias, true)},
    {"layer_scale_init_value", "first factor of each channel; 0: no factors",
     MM_OPT_F64(layer_scale_init_value, 0, 0, 1e308)},
    {0},
};
#undef MM_OPT_STRUCT

/* Not in the table: configs name the network. */
static const mm_component attention = {
    .registry = "models",
    .scope = "mmpretrain",
    .name = "MultiheadAttention",
    .help = "attention of tokens to each other in several heads",
    .source = "mmpretrain/models/utils/attention.py",
    .size = sizeof(struct attention),
    .options = attention_options,
    .init = attention_init,
    MM_MODULE(&attention_ops),
};

mm_module *mmz_attention_new(const mmz_attention_args *args)
{
    mm_instance *instance = mm_instance_new(&attention);
    struct attention *self = mm_instance_self(instance);

    if (self != NULL) {
        self->embed_dims = args->embed_dims;
        self->num_heads = args->num_heads;
        self->attn_drop = args->attn_drop;
        self->proj_drop = args->proj_drop;
        self->drop_path_rate = args->drop_path_rate;
        self->qkv_bias = !args->no_qkv_bias;
        self->layer_scale_init_value = args->layer_scale_init_value;
    }
    return mm_module_start(instance);
}

/* --- gated feed-forward layers --- */

struct swiglu {
    int64_t embed_dims;
    int64_t feedforward_channels;
    double layer_scale_init_value;
    mm_module *w12; /* children */
    mm_module *w3;
    mm_module *gamma;
};

static mm_status swiglu_init(void *data)
{
    struct swiglu *self = data;
    mm_module *module = mm_module_of(self);
    /* two thirds, rounded up to a multiple of eight */
    int64_t hidden =
        ((int64_t)((double)(self->feedforward_channels * 2) / 3) + 7) / 8 * 8;

    self->w12 =
        mm_module_add(module, "w12", mm_nn_linear(self->embed_dims, 2 * hidden));
    mm_module_add(module, "norm", mm_nn_identity());
    self->w3 = mm_module_add(module, "w3", mm_nn_linear(hidden, self->embed_dims));
    self->gamma = mm_module_add(
        module, "gamma2",
        mmz_layer_scale_or_identity(self->embed_dims, self->layer_scale_init_value));
    mm_module_add(module, "dropout_layer", mm_nn_identity());
    return mm_pending();
}

static mm_value *swiglu_call(void *data, mm_value *args)
{
    const struct swiglu *self = data;
    mm_tensor *x = mm_value_tensor(mm_list_get(args, 0));
    mm_tensor *identity =
        mm_value_len(args) > 1 ? mm_value_tensor(mm_list_get(args, 1)) : x;
    mm_tensor *halves[2] = {NULL, NULL};
    int num_halves = 0;

    if (mm_chunk(mm_module_forward(self->w12, x), 2, -1, halves, &num_halves) !=
        MM_OK) {
        return NULL;
    }
    mm_tensor *hidden = mm_mul(mm_silu(halves[0]), halves[1]);
    mm_tensor *out =
        mm_module_forward(self->gamma, mm_module_forward(self->w3, hidden));

    out = mm_add(identity, out);
    return out != NULL ? mm_scoped(mm_value_new_tensor(out)) : NULL;
}

static const mm_module_ops swiglu_ops = {.call = swiglu_call};

#define MM_OPT_STRUCT struct swiglu
static const mm_option swiglu_options[] = {
    {"embed_dims", "size of a token", MM_OPT_I64_REQUIRED(embed_dims, 1, INT64_MAX)},
    {"feedforward_channels", "size inside, before it is cut to two thirds",
     MM_OPT_I64_REQUIRED(feedforward_channels, 1, INT64_MAX)},
    {"layer_scale_init_value", "first factor of each channel; 0: no factors",
     MM_OPT_F64(layer_scale_init_value, 0, 0, 1e308)},
    {0},
};
#undef MM_OPT_STRUCT

static const mm_component swiglu_ffn_fused = {
    .registry = "models",
    .scope = "mmpretrain",
    .name = "SwiGLUFFNFused",
    .help = "feed-forward layers gated by SiLU, with the skip",
    .source = "mmpretrain/models/utils/swiglu_ffn.py",
    .size = sizeof(struct swiglu),
    .options = swiglu_options,
    .init = swiglu_init,
    MM_MODULE(&swiglu_ops),
};

mm_module *mmz_swiglu_ffn_fused_new(int64_t embed_dims, int64_t feedforward_channels,
                                    double layer_scale_init_value)
{
    mm_instance *instance = mm_instance_new(&swiglu_ffn_fused);
    struct swiglu *self = mm_instance_self(instance);

    if (self != NULL) {
        self->embed_dims = embed_dims;
        self->feedforward_channels = feedforward_channels;
        self->layer_scale_init_value = layer_scale_init_value;
    }
    return mm_module_start(instance);
}

/* --- position embeddings --- */

mm_tensor *mmz_resize_pos_embed(mm_tensor *pos_embed, const int64_t *from_hw,
                                const int64_t *to_hw, const char *mode,
                                int64_t num_extra)
{
    if (pos_embed == NULL || (from_hw[0] == to_hw[0] && from_hw[1] == to_hw[1])) {
        return pos_embed;
    }
    if (mm_ndim(pos_embed) != 3) {
        mm_raise(MM_ESHAPE, "position embeddings have %d dimensions, not 3",
                 mm_ndim(pos_embed));
        return NULL;
    }
    int64_t length = mm_size(pos_embed, 1);
    int64_t channels = mm_size(pos_embed, 2);

    if (length != from_hw[0] * from_hw[1] + num_extra) {
        mm_raise(MM_ESHAPE,
                 "%" PRId64 " position embeddings do not fit %" PRId64 " x %" PRId64
                 " patches and %" PRId64 " extra tokens",
                 length, from_hw[0], from_hw[1], num_extra);
        mm_error_hint("look at img_size");
        return NULL;
    }
    mm_tensor *extra = mm_narrow(pos_embed, 1, 0, num_extra);
    mm_tensor *grid = mm_narrow(pos_embed, 1, num_extra, length - num_extra);

    grid = mm_permute(mm_reshape(grid, MM_DIMS(1, from_hw[0], from_hw[1], channels)),
                      MM_DIMS(0, 3, 1, 2));
    mm_tensor *resized =
        mm_interpolate(mm_cast(grid, MM_DTYPE_F32),
                       .sizes = MM_DIMS(to_hw[0], to_hw[1]), .mode = mode);

    resized = mm_transpose(mm_flatten(resized, 2, -1), 1, 2);
    resized = mm_cast(resized, mm_tensor_dtype(pos_embed));
    return mm_cat((mm_tensor *[]){extra, resized}, 2, 1);
}
