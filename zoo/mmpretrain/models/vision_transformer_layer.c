/* TransformerEncoderLayer of the vision transformer: attention and feed-forward layers,
 * each behind a normalisation and with a skip around it.
 * Source: mmpretrain/models/backbones/vision_transformer.py. */
#include <string.h>

#include "mmpretrain/models/attention.h"

enum { FFN_ORIGIN, FFN_SWIGLU_FUSED };

struct encoder_layer {
    int64_t embed_dims;
    int64_t num_heads;
    int64_t feedforward_channels;
    double layer_scale_init_value;
    double drop_rate;
    double attn_drop_rate;
    double drop_path_rate;
    int64_t num_fcs;
    bool qkv_bias;
    int ffn_type;
    mm_value *act_cfg;  /* or NULL: GELU */
    mm_value *norm_cfg; /* or NULL: LN */
    mm_module *ln1;     /* children */
    mm_module *attn;
    mm_module *ln2;
    mm_module *ffn;
};

static mm_value *typed(const char *type)
{
    mm_value *cfg = mm_value_new_dict();

    mm_dict_put_str(cfg, "type", type);
    return cfg;
}

static mm_module *make_norm(const struct encoder_layer *self)
{
    mm_value *cfg = self->norm_cfg != NULL ? mm_value_ref(self->norm_cfg) : typed("LN");
    char name[16];
    mm_module *norm = mmz_build_norm(cfg, self->embed_dims, 0, name);

    mm_value_unref(cfg);
    return norm;
}

static mm_module *make_ffn(const struct encoder_layer *self)
{
    if (self->ffn_type == FFN_SWIGLU_FUSED) {
        return mmz_swiglu_ffn_fused_new(self->embed_dims, self->feedforward_channels,
                                        self->layer_scale_init_value);
    }
    mm_value *cfg = typed("FFN");
    mm_value *drop = typed("DropPath");

    mm_dict_put_f64(drop, "drop_prob", self->drop_path_rate);
    mm_dict_take(cfg, "dropout_layer", drop);
    mm_dict_put_i64(cfg, "embed_dims", self->embed_dims);
    mm_dict_put_i64(cfg, "feedforward_channels", self->feedforward_channels);
    mm_dict_put_i64(cfg, "num_fcs", self->num_fcs);
    mm_dict_put_f64(cfg, "ffn_drop", self->drop_rate);
    mm_dict_put_f64(cfg, "layer_scale_init_value", self->layer_scale_init_value);
    mm_dict_take(cfg, "act_cfg",
                 self->act_cfg != NULL ? mm_value_ref(self->act_cfg) : typed("GELU"));
    mm_module *ffn = mm_module_build(cfg, NULL, "ffn");

    mm_value_unref(cfg);
    return ffn;
}

static mm_status encoder_layer_init(void *data)
{
    struct encoder_layer *self = data;
    mm_module *module = mm_module_of(self);
    mmz_attention_args attention = {
        .embed_dims = self->embed_dims,
        .num_heads = self->num_heads,
        .attn_drop = self->attn_drop_rate,
        .proj_drop = self->drop_rate,
        .drop_path_rate = self->drop_path_rate,
        .no_qkv_bias = !self->qkv_bias,
        .layer_scale_init_value = self->layer_scale_init_value,
    };

    self->ln1 = mm_module_add(module, "ln1", make_norm(self));
    self->attn = mm_module_add(module, "attn", mmz_attention_new(&attention));
    self->ln2 = mm_module_add(module, "ln2", make_norm(self));
    self->ffn = mm_module_add(module, "ffn", make_ffn(self));
    return mm_pending();
}

static mm_status init_linear(void *user, const char *name, mm_module *module)
{
    (void)user;
    (void)name;
    if (strcmp(mm_module_type(module), "Linear") != 0) {
        return MM_OK;
    }
    mm_init_xavier(mm_module_find_tensor(module, "weight"), 1.0, true);
    return mm_init_normal(mm_module_find_tensor(module, "bias"), 0.0, 1e-6);
}

static mm_status encoder_layer_init_weights(void *data)
{
    const struct encoder_layer *self = data;

    return mm_module_each(self->ffn, init_linear, NULL);
}

static mm_tensor *encoder_layer_forward(void *data, mm_tensor *x)
{
    const struct encoder_layer *self = data;
    mm_tensor *y = mm_module_forward(self->attn, mm_module_forward(self->ln1, x));
    mm_value *args = mm_scoped(mm_value_new_tuple());

    x = mm_add(x, y);
    y = mm_module_forward(self->ln2, x);
    if (y == NULL) {
        return NULL;
    }
    mm_list_push(args, mm_value_new_tensor(y));
    mm_list_push(args, mm_value_new_tensor(x));
    mm_value *out = mm_module_call(self->ffn, args);

    return out != NULL ? mm_value_tensor(out) : NULL;
}

static const mm_module_ops ops = {
    .forward = encoder_layer_forward,
    .init_weights = encoder_layer_init_weights,
};

static const mm_choice ffn_types[] = {
    {"origin", FFN_ORIGIN, "linear layers with activations"},
    {"swiglu_fused", FFN_SWIGLU_FUSED, "gated linear layers, two thirds as wide"},
    {0},
};

#define MM_OPT_STRUCT struct encoder_layer
static const mm_option options[] = {
    {"embed_dims", "size of a token", MM_OPT_I64_REQUIRED(embed_dims, 1, INT64_MAX)},
    {"num_heads", "heads of the attention",
     MM_OPT_I64_REQUIRED(num_heads, 1, INT64_MAX)},
    {"feedforward_channels", "size inside the feed-forward layers",
     MM_OPT_I64_REQUIRED(feedforward_channels, 1, INT64_MAX)},
    {"layer_scale_init_value", "first factor of each channel; 0: no factors",
     MM_OPT_F64(layer_scale_init_value, 0.0, 0.0, 1e308)},
    {"drop_rate", "probability of zeroing an element behind a layer",
     MM_OPT_F64(drop_rate, 0.0, 0.0, 1.0)},
    {"attn_drop_rate", "probability of zeroing a weight of the attention",
     MM_OPT_F64(attn_drop_rate, 0.0, 0.0, 1.0)},
    {"drop_path_rate", "probability of dropping a sample's branch",
     MM_OPT_F64(drop_path_rate, 0.0, 0.0, 1.0)},
    {"num_fcs", "linear layers of the feed-forward part",
     MM_OPT_I64(num_fcs, 2, 2, INT64_MAX)},
    {"qkv_bias", "queries, keys and values have a bias", MM_OPT_BOOL(qkv_bias, true)},
    {"ffn_type", "kind of the feed-forward part",
     MM_OPT_CHOICE(ffn_type, FFN_ORIGIN, ffn_types)},
    {"act_cfg", "config of activations; default GELU", MM_OPT_VALUE(act_cfg)},
    {"norm_cfg", "config of normalisations; default LN", MM_OPT_VALUE(norm_cfg)},
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmz_transformer_encoder_layer = {
    .registry = "models",
    .scope = "mmpretrain",
    .name = "TransformerEncoderLayer",
    .help = "a layer of the vision transformer",
    .source = "mmpretrain/models/backbones/vision_transformer.py",
    .size = sizeof(struct encoder_layer),
    .options = options,
    .init = encoder_layer_init,
    MM_MODULE(&ops),
};
