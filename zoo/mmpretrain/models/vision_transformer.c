/* The vision transformer: patches of an image become tokens, a class token and position
 * embeddings join them, and layers of attention follow. Names of parameters and the
 * order in which weights are drawn are MMPretrain's; position embeddings of a file are
 * resized to the model's image size. Source:
 * mmpretrain/models/backbones/vision_transformer.py. */
#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "mmengine/log.h"
#include "mmengine/memory.h"
#include "mmpretrain/models/attention.h"
#include "mmpretrain/models/layer_depth.h"

enum { OUT_CLS_TOKEN, OUT_FEATMAP, OUT_AVG_FEATMAP, OUT_RAW };
enum { MODE_BICUBIC, MODE_BILINEAR, MODE_NEAREST };

/* Sizes of an architecture. */
struct arch {
    int64_t embed_dims;
    int64_t num_layers;
    int64_t num_heads;
    int64_t feedforward_channels;
};

struct vit {
    mm_value *arch_option; /* a name or a dict; NULL: "base" */
    int64_t img_size[2];
    int64_t patch_size[2];
    int64_t in_channels;
    mm_i64s out_indices;
    double drop_rate;
    double drop_path_rate;
    bool qkv_bias;
    mm_value *norm_cfg_option;
    bool final_norm;
    int out_type;
    bool with_cls_token;
    int64_t frozen_stages;
    int interpolate_mode;
    double layer_scale_init_value;
    mm_value *patch_cfg;
    mm_value *layer_cfgs;
    bool pre_norm;
    struct arch arch;
    mm_value *norm_cfg;       /* own reference: the option or its default */
    int64_t patches[2];       /* grid of img_size */
    int64_t num_extra_tokens; /* 1 with a class token */
    mm_tensor *cls_token;     /* of the module, or NULL */
    mm_tensor *pos_embed;     /* of the module */
    mm_module *patch_embed;   /* children */
    mm_module *drop_after_pos;
    mm_module *layers;
    mm_module *norm_before; /* pre_norm: a normalisation or an identity */
    mm_module *ln1;         /* NULL without final_norm */
    mm_module *ln2;         /* of avg_featmap, else NULL */
};

/* --- architectures --- */

static const struct {
    const char *names[4];
    struct arch arch;
} archs[] = {
    {{"s", "small"}, {768, 8, 8, 2304}},
    {{"b", "base"}, {768, 12, 12, 3072}},
    {{"l", "large"}, {1024, 24, 16, 4096}},
    {{"h", "huge"}, {1280, 32, 16, 5120}},
    {{"eva-g", "eva-giant"}, {1408, 40, 16, 6144}},
    {{"deit-t", "deit-tiny"}, {192, 12, 3, 768}},
    {{"deit-s", "deit-small", "dinov2-s", "dinov2-small"}, {384, 12, 6, 1536}},
    {{"deit-b", "deit-base"}, {768, 12, 12, 3072}},
    {{"dinov2-g", "dinov2-giant"}, {1536, 40, 24, 6144}},
};

static bool equals_lowered(const char *given, const char *name)
{
    for (; *given != '\0' && tolower((unsigned char)*given) == *name; given++) {
        name++;
    }
    return *given == *name;
}

static mm_status raise_arch(const char *name)
{
    const char *names[4 * sizeof archs / sizeof *archs];
    size_t count = 0;

    for (size_t i = 0; i < sizeof archs / sizeof *archs; i++) {
        for (int k = 0; k < 4 && archs[i].names[k] != NULL; k++) {
            names[count++] = archs[i].names[k];
        }
    }
    const char *near = mm_suggest(name, names, count);

    mm_raise(MM_EINVAL, "there is no VisionTransformer of arch '%s'", name);
    return near != NULL ? mm_error_hint("did you mean '%s'?", near)
                        : mm_error_hint("'base', 'large', 'deit-small', ... or a dict "
                                        "with embed_dims, num_layers, num_heads and "
                                        "feedforward_channels");
}

static mm_status find_arch(struct vit *self, const char *name)
{
    for (size_t i = 0; i < sizeof archs / sizeof *archs; i++) {
        for (int k = 0; k < 4 && archs[i].names[k] != NULL; k++) {
            if (equals_lowered(name, archs[i].names[k])) {
                self->arch = archs[i].arch;
                return MM_OK;
            }
        }
    }
    return raise_arch(name);
}

static mm_status read_arch(struct vit *self)
{
    static const char *const keys[] = {"embed_dims", "num_layers", "num_heads",
                                       "feedforward_channels"};
    int64_t *const fields[] = {&self->arch.embed_dims, &self->arch.num_layers,
                               &self->arch.num_heads, &self->arch.feedforward_channels};
    const mm_value *option = self->arch_option;

    if (option == NULL || mm_value_kind(option) == MM_KIND_STR) {
        return find_arch(self, option != NULL ? mm_value_str(option) : "base");
    }
    for (size_t i = 0; i < 4 && !mm_has_error(); i++) {
        if (mm_value_kind(option) != MM_KIND_DICT || !mm_dict_has(option, keys[i])) {
            mm_raise(MM_EINVAL, "arch has no '%s'", keys[i]);
            return mm_error_hint("a name, or a dict with embed_dims, num_layers, "
                                 "num_heads and feedforward_channels");
        }
        *fields[i] = mm_value_i64(mm_dict_get(option, keys[i]));
        if (!mm_has_error() && *fields[i] < 1) {
            mm_raise(MM_ERANGE, "arch: %s is %" PRId64 ", at least 1 is needed",
                     keys[i], *fields[i]);
            mm_error_locate(mm_dict_source(option, keys[i]));
        }
    }
    return mm_pending();
}

/* --- making --- */

static mm_value *default_norm_cfg(void)
{
    mm_value *cfg = mm_value_new_dict();

    mm_dict_put_str(cfg, "type", "LN");
    mm_dict_put_f64(cfg, "eps", 1e-6);
    return cfg;
}

static mm_status check(const struct vit *self)
{
    if (!self->with_cls_token && self->out_type == OUT_CLS_TOKEN) {
        mm_raise(MM_EINVAL, "out_type 'cls_token' needs with_cls_token");
        return mm_error_hint("without it out_type can be 'featmap', 'avg_featmap' or "
                             "'raw'");
    }
    for (size_t i = 0; i < self->out_indices.count; i++) {
        int64_t index = self->out_indices.data[i];

        if (index < -self->arch.num_layers || index > self->arch.num_layers) {
            return mm_raise(MM_ERANGE,
                            "out_indices has %" PRId64 ", there are %" PRId64 " layers",
                            index, self->arch.num_layers);
        }
    }
    if (self->frozen_stages > self->arch.num_layers) {
        return mm_raise(MM_ERANGE,
                        "frozen_stages is %" PRId64 ", there are %" PRId64 " layers",
                        self->frozen_stages, self->arch.num_layers);
    }
    return MM_OK;
}

static void put_pair(mm_value *cfg, const char *key, const int64_t *pair)
{
    mm_value *list = mm_value_new_list();

    mm_list_push(list, mm_value_new_i64(pair[0]));
    mm_list_push(list, mm_value_new_i64(pair[1]));
    mm_dict_take(cfg, key, list);
}

static void add_patch_embed(struct vit *self, mm_module *module)
{
    mm_value *cfg = mm_value_new_dict();

    mm_dict_put_str(cfg, "type", "PatchEmbed");
    mm_dict_put_i64(cfg, "in_channels", self->in_channels);
    mm_dict_put_i64(cfg, "embed_dims", self->arch.embed_dims);
    put_pair(cfg, "input_size", self->img_size);
    put_pair(cfg, "kernel_size", self->patch_size);
    put_pair(cfg, "stride", self->patch_size);
    mm_dict_put_bool(cfg, "bias", !self->pre_norm);
    mmz_merge(cfg, self->patch_cfg, "patch_cfg");
    self->patch_embed =
        mm_module_add(module, "patch_embed", mm_module_build(cfg, NULL, "patch_cfg"));
    mm_value_unref(cfg);
    mmz_patch_embed_out_size(self->patch_embed, self->patches);
}

static void add_tokens(struct vit *self, mm_module *module)
{
    int64_t dims = self->arch.embed_dims;

    self->num_extra_tokens = self->with_cls_token ? 1 : 0;
    if (self->with_cls_token) {
        self->cls_token = mmz_add_param(module, "cls_token", MM_DIMS(1, 1, dims), 0.0);
    }
    int64_t tokens = self->patches[0] * self->patches[1] + self->num_extra_tokens;

    self->pos_embed = mmz_add_param(module, "pos_embed", MM_DIMS(1, tokens, dims), 0.0);
}

/* Stochastic depth grows evenly, as numpy.linspace gives it. */
static double drop_path_of(const struct vit *self, int64_t layer)
{
    int64_t steps = self->arch.num_layers - 1;

    if (layer == 0) {
        return 0.0;
    }
    return layer == steps ? self->drop_path_rate
                          : (double)layer * (self->drop_path_rate / (double)steps);
}

/* The options of one layer; NULL for one too many. */
static const mm_value *layer_cfg(const struct vit *self, int64_t layer)
{
    mm_kind kind =
        self->layer_cfgs != NULL ? mm_value_kind(self->layer_cfgs) : MM_KIND_DICT;

    if (kind == MM_KIND_DICT) {
        return self->layer_cfgs;
    }
    if (kind != MM_KIND_LIST && kind != MM_KIND_TUPLE) {
        mm_raise(MM_ETYPE, "layer_cfgs must be a dict or a list of dicts, got %s",
                 mm_value_type_name(self->layer_cfgs));
        return NULL;
    }
    if (mm_value_len(self->layer_cfgs) != (size_t)self->arch.num_layers) {
        mm_raise(MM_EINVAL, "layer_cfgs has %zu entries for %" PRId64 " layers",
                 mm_value_len(self->layer_cfgs), self->arch.num_layers);
        return NULL;
    }
    return mm_list_get(self->layer_cfgs, (size_t)layer);
}

static mm_module *make_layer(const struct vit *self, int64_t layer)
{
    mm_value *cfg = mm_value_new_dict();

    mm_dict_put_str(cfg, "type", "TransformerEncoderLayer");
    mm_dict_put_i64(cfg, "embed_dims", self->arch.embed_dims);
    mm_dict_put_i64(cfg, "num_heads", self->arch.num_heads);
    mm_dict_put_i64(cfg, "feedforward_channels", self->arch.feedforward_channels);
    mm_dict_put_f64(cfg, "layer_scale_init_value", self->layer_scale_init_value);
    mm_dict_put_f64(cfg, "drop_rate", self->drop_rate);
    mm_dict_put_f64(cfg, "drop_path_rate", drop_path_of(self, layer));
    mm_dict_put_bool(cfg, "qkv_bias", self->qkv_bias);
    mm_dict_put(cfg, "norm_cfg", self->norm_cfg);
    mmz_merge(cfg, layer_cfg(self, layer), "layer_cfgs");
    mm_module *module = mm_module_build(cfg, NULL, "layer_cfgs");

    mm_value_unref(cfg);
    return module;
}

static mm_module *make_norm(const struct vit *self)
{
    char name[16];

    return mmz_build_norm(self->norm_cfg, self->arch.embed_dims, 0, name);
}

static void add_layers(struct vit *self, mm_module *module)
{
    self->layers = mm_module_add(module, "layers", mm_nn_layer("ModuleList"));
    for (int64_t i = 0; i < self->arch.num_layers && !mm_has_error(); i++) {
        mm_nn_append(self->layers, make_layer(self, i));
    }
    self->norm_before = mm_module_add(
        module, "pre_norm", self->pre_norm ? make_norm(self) : mm_nn_identity());
    if (self->final_norm) {
        self->ln1 = mm_module_add(module, "ln1", make_norm(self));
    }
    if (self->out_type == OUT_AVG_FEATMAP) {
        self->ln2 = mm_module_add(module, "ln2", make_norm(self));
    }
}

static void freeze(mm_module *module)
{
    if (module != NULL) {
        mm_module_train(module, false);
        mm_module_requires_grad(module, false);
    }
}

static mm_status freeze_stages(const struct vit *self)
{
    mm_set_requires_grad(self->pos_embed, false);
    mm_module_train(self->drop_after_pos, false);
    freeze(self->patch_embed);
    mm_module_requires_grad(self->norm_before, false);
    if (self->cls_token != NULL) {
        mm_set_requires_grad(self->cls_token, false);
    }
    for (int64_t i = 0; i < self->frozen_stages; i++) {
        freeze(mm_module_child(self->layers, (size_t)i));
    }
    if (self->frozen_stages == self->arch.num_layers) {
        freeze(self->ln1);
        freeze(self->ln2);
    }
    return mm_pending();
}

static mm_status vit_init(void *data)
{
    struct vit *self = data;
    mm_module *module = mm_module_of(self);

    self->norm_cfg = self->norm_cfg_option != NULL ? mm_value_ref(self->norm_cfg_option)
                                                   : default_norm_cfg();
    if (read_arch(self) < 0 || check(self) < 0) {
        return mm_pending();
    }
    add_patch_embed(self, module);
    add_tokens(self, module);
    self->drop_after_pos =
        mm_module_add(module, "drop_after_pos", mm_nn_dropout(self->drop_rate));
    add_layers(self, module);
    return self->frozen_stages > 0 && !mm_has_error() ? freeze_stages(self)
                                                      : mm_pending();
}

static void vit_deinit(void *data)
{
    struct vit *self = data;

    mm_value_unref(self->norm_cfg);
}

/* --- weights --- */

static bool is_pretrained(const mm_value *cfg)
{
    const mm_value *type =
        mm_value_kind(cfg) == MM_KIND_DICT ? mm_dict_find(cfg, "type") : NULL;

    return mm_value_kind(type) == MM_KIND_STR &&
           strcmp(mm_value_str(type), "Pretrained") == 0;
}

static mm_status vit_init_weights(void *data)
{
    const struct vit *self = data;

    if (is_pretrained(mm_module_init_cfg(mm_module_of(self)))) {
        return mm_pending();
    }
    return mm_init_trunc_normal(self->pos_embed, 0.0, 0.02, -2.0, 2.0);
}

static const char *mode_name(const struct vit *self)
{
    static const char *const names[] = {"bicubic", "bilinear", "nearest"};

    return names[self->interpolate_mode];
}

static void put_entry(mm_value *state, const char *key, mm_tensor *tensor)
{
    if (!mm_has_error()) {
        mm_dict_take(state, key, mm_value_new_tensor(tensor));
    }
}

/* Position embeddings of a file that was made for a square image of another size. */
static void fit_pos_embed(const struct vit *self, mm_value *state, const char *key,
                          mm_tensor *given)
{
    int64_t length = mm_size(given, 1);
    int64_t side = (int64_t)sqrt((double)(length - self->num_extra_tokens));
    int64_t from[2] = {side, side};

    mm_log(MM_LOG_INFO,
           "Resize the pos_embed shape from torch.Size([%" PRId64 ", %" PRId64
           ", %" PRId64 "]) to torch.Size([1, %" PRId64 ", %" PRId64 "]).",
           mm_size(given, 0), length, mm_size(given, 2), mm_size(self->pos_embed, 1),
           mm_size(self->pos_embed, 2));
    put_entry(state, key,
              mmz_resize_pos_embed(given, from, self->patches, mode_name(self),
                                   self->num_extra_tokens));
}

static mm_status vit_before_load(void *data, mm_value *state, const char *prefix)
{
    const struct vit *self = data;
    char *key = mm_strfmt("%spos_embed", prefix);
    mm_tensor *given =
        key != NULL ? mm_value_find_tensor(mm_dict_find(state, key)) : NULL;

    if (given != NULL && mm_ndim(given) == 3) {
        int64_t length = mm_size(self->pos_embed, 1);

        if (!self->with_cls_token && mm_size(given, 1) == length + 1) {
            given = mm_narrow(given, 1, 1, length); /* the class token's goes */
            put_entry(state, key, given);
        }
        if (!mm_has_error() && (mm_size(given, 1) != length ||
                                mm_size(given, 2) != mm_size(self->pos_embed, 2))) {
            fit_pos_embed(self, state, key, given);
        }
    }
    mm_free(key);
    return mm_pending();
}

/* --- forward --- */

static bool is_output(const struct vit *self, int64_t layer)
{
    for (size_t i = 0; i < self->out_indices.count; i++) {
        int64_t index = self->out_indices.data[i];

        if ((index < 0 ? index + self->arch.num_layers : index) == layer) {
            return true;
        }
    }
    return false;
}

/* Tokens of the images with what is added to them; the grid in `out_hw`. */
static mm_tensor *embed(const struct vit *self, mm_value *images, int64_t *out_hw)
{
    mm_value *embedded = mm_module_call1(self->patch_embed, images);

    if (embedded == NULL) {
        return NULL;
    }
    mm_tensor *x = mm_value_tensor(mm_list_get(embedded, 0));
    const mm_value *size = mm_list_get(embedded, 1);

    for (size_t i = 0; i < 2; i++) {
        out_hw[i] = mm_value_i64(mm_list_get(size, i));
    }
    if (self->cls_token != NULL) {
        mm_tensor *cls = mm_expand(self->cls_token, MM_DIMS(mm_size(x, 0), -1, -1));

        x = mm_cat((mm_tensor *[]){cls, x}, 2, 1);
    }
    x = mm_add(x, mmz_resize_pos_embed(self->pos_embed, self->patches, out_hw,
                                       mode_name(self), self->num_extra_tokens));
    return mm_module_forward(self->norm_before,
                             mm_module_forward(self->drop_after_pos, x));
}

static mm_tensor *format(const struct vit *self, mm_tensor *x, const int64_t *hw)
{
    if (self->out_type == OUT_RAW) {
        return x;
    }
    if (self->out_type == OUT_CLS_TOKEN) {
        return mm_select(x, 1, 0);
    }
    mm_tensor *patches =
        mm_narrow(x, 1, self->num_extra_tokens, mm_size(x, 1) - self->num_extra_tokens);

    if (self->out_type == OUT_AVG_FEATMAP) {
        return mm_module_forward(self->ln2, mm_mean(patches, .dims = MM_DIMS(1)));
    }
    return mm_permute(mm_reshape(patches, MM_DIMS(mm_size(x, 0), hw[0], hw[1], -1)),
                      MM_DIMS(0, 3, 1, 2));
}

static mm_value *vit_call(void *data, mm_value *args)
{
    const struct vit *self = data;
    int64_t hw[2] = {0, 0};
    mm_tensor *x = embed(self, mm_list_get(args, 0), hw);
    mm_value *out = mm_scoped(mm_value_new_tuple());

    for (int64_t i = 0; i < self->arch.num_layers && x != NULL; i++) {
        x = mm_module_forward(mm_module_child(self->layers, (size_t)i), x);
        if (i == self->arch.num_layers - 1 && self->ln1 != NULL) {
            x = mm_module_forward(self->ln1, x);
        }
        if (x != NULL && is_output(self, i)) {
            mm_tensor *feature = format(self, x, hw);

            mm_list_push(out, feature != NULL ? mm_value_new_tensor(feature) : NULL);
        }
    }
    return mm_has_error() ? NULL : out;
}

static mm_status vit_layer_depth(const void *data, const char *name, const char *prefix,
                                 mm_layer_depth *out)
{
    const struct vit *self = data;

    *out = mmz_depth_in_vit(self->arch.num_layers, name, prefix);
    return MM_OK;
}

static const mm_module_ops ops = {
    .call = vit_call,
    .init_weights = vit_init_weights,
    .before_load = vit_before_load,
    .layer_depth = vit_layer_depth,
};

static const mm_choice out_types[] = {
    {"cls_token", OUT_CLS_TOKEN, "the class token, [N, C]"},
    {"featmap", OUT_FEATMAP, "the patches as an image, [N, C, H, W]"},
    {"avg_featmap", OUT_AVG_FEATMAP, "the mean of the patches, normalised, [N, C]"},
    {"raw", OUT_RAW, "all tokens, [N, L, C]"},
    {0},
};

static const mm_choice modes[] = {
    {"bicubic", MODE_BICUBIC, "cubic in both directions"},
    {"bilinear", MODE_BILINEAR, "linear in both directions"},
    {"nearest", MODE_NEAREST, "the nearest one"},
    {0},
};

#define MM_OPT_STRUCT struct vit
static const mm_option options[] = {
    {"arch", "'small', 'base', 'large', 'huge', 'deit-tiny', ... or a dict of sizes",
     MM_OPT_VALUE(arch_option)},
    {"img_size", "height and width of the images", MM_OPT_I64_N(img_size, "224")},
    {"patch_size", "height and width of a patch", MM_OPT_I64_N(patch_size, "16")},
    {"in_channels", "channels of the images", MM_OPT_I64(in_channels, 3, 1, INT64_MAX)},
    {"out_indices", "layers whose output is returned; negative: from the end",
     MM_OPT_I64S(out_indices, "(-1,)")},
    {"drop_rate", "probability of zeroing an element behind a layer",
     MM_OPT_F64(drop_rate, 0.0, 0.0, 1.0)},
    {"drop_path_rate", "stochastic depth at the last layer",
     MM_OPT_F64(drop_path_rate, 0.0, 0.0, 1.0)},
    {"qkv_bias", "queries, keys and values have a bias", MM_OPT_BOOL(qkv_bias, true)},
    {"norm_cfg", "config of normalisations; default LN with an eps of 1e-6",
     MM_OPT_VALUE(norm_cfg_option)},
    {"final_norm", "normalise behind the last layer", MM_OPT_BOOL(final_norm, true)},
    {"out_type", "what is returned", MM_OPT_CHOICE(out_type, OUT_CLS_TOKEN, out_types)},
    {"with_cls_token", "add a class token", MM_OPT_BOOL(with_cls_token, true)},
    {"frozen_stages", "layers that are not trained, with all before them; -1: none",
     MM_OPT_I64(frozen_stages, -1, -1, INT64_MAX)},
    {"interpolate_mode", "how position embeddings are resized",
     MM_OPT_CHOICE(interpolate_mode, MODE_BICUBIC, modes)},
    {"layer_scale_init_value", "first factor of each channel; 0: no factors",
     MM_OPT_F64(layer_scale_init_value, 0.0, 0.0, 1e308)},
    {"patch_cfg", "more options of PatchEmbed", MM_OPT_VALUE(patch_cfg)},
    {"layer_cfgs", "more options of the layers: a dict, or a list with one for each",
     MM_OPT_VALUE(layer_cfgs)},
    {"pre_norm", "normalise before the first layer", MM_OPT_BOOL(pre_norm, false)},
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmz_vision_transformer = {
    .registry = "models",
    .scope = "mmpretrain",
    .name = "VisionTransformer",
    .help = "vision transformer backbone",
    .source = "mmpretrain/models/backbones/vision_transformer.py",
    .size = sizeof(struct vit),
    .options = options,
    .init = vit_init,
    .deinit = vit_deinit,
    MM_MODULE(&ops),
};
