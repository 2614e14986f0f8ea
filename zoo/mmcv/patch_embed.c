/* PatchEmbed: a convolution cuts the image into patches, each of which becomes a token.
 * The image is padded first so that the last patches are whole. The call gives tokens
 * [N, H * W, C] and (H, W). Source: mmcv/cnn/bricks/transformer.py. */
#include <string.h>

#include "mmcv/bricks.h"

enum { PAD_FIXED, PAD_CORNER, PAD_SAME };

struct patch_embed {
    int64_t in_channels;
    int64_t embed_dims;
    const char *conv_type;
    int64_t kernel_size[2];
    int64_t stride[2];
    int64_t dilation[2];
    mm_value *padding_option; /* "corner", "same", an int or two; NULL: "corner" */
    bool bias;
    mm_value *norm_cfg;    /* or NULL */
    mm_i64s input_size;    /* none: unknown */
    int adaptive;          /* of PAD_ */
    int64_t padding[2];    /* of the convolution */
    mm_module *projection; /* children */
    mm_module *norm;       /* or NULL */
};

static mm_status read_padding(struct patch_embed *self)
{
    const mm_value *given = self->padding_option;
    mm_kind kind = given != NULL ? mm_value_kind(given) : MM_KIND_NONE;

    if (given == NULL || kind == MM_KIND_STR) {
        const char *word = given != NULL ? mm_value_str(given) : "corner";

        self->adaptive = strcmp(word, "same") == 0 ? PAD_SAME : PAD_CORNER;
        if (self->adaptive == PAD_CORNER && strcmp(word, "corner") != 0) {
            mm_raise(MM_EINVAL, "there is no padding '%s'", word);
            return mm_error_hint("'corner', 'same', an int or two ints");
        }
        return mm_pending();
    }
    bool is_pair = kind == MM_KIND_TUPLE || kind == MM_KIND_LIST;

    if (is_pair && mm_value_len(given) != 2) {
        return mm_raise(MM_EINVAL, "padding needs one int or 2, got %zu",
                        mm_value_len(given));
    }
    for (size_t i = 0; i < 2; i++) {
        self->padding[i] = mm_value_i64(is_pair ? mm_list_get(given, i) : given);
    }
    return mm_pending();
}

/* What AdaptivePadding adds to a side of `size`. */
static int64_t missing(const struct patch_embed *self, int side, int64_t size)
{
    int64_t out = (size + self->stride[side] - 1) / self->stride[side];
    int64_t need = (out - 1) * self->stride[side] +
                   (self->kernel_size[side] - 1) * self->dilation[side] + 1;

    return self->adaptive != PAD_FIXED && need > size ? need - size : 0;
}

static int64_t out_side(const struct patch_embed *self, int side, int64_t size)
{
    return (size + missing(self, side, size) + 2 * self->padding[side] -
            self->dilation[side] * (self->kernel_size[side] - 1) - 1) /
               self->stride[side] +
           1;
}

mm_status mmz_patch_embed_out_size(mm_module *module, int64_t *out_hw)
{
    if (module == NULL || mm_has_error()) {
        return mm_pending();
    }
    const struct patch_embed *self = mm_module_self(module);

    if (self->input_size.count != 1 && self->input_size.count != 2) {
        return mm_raise(MM_EINVAL, "input_size needs one int or 2, got %zu",
                        self->input_size.count);
    }
    for (int side = 0; side < 2; side++) {
        out_hw[side] = out_side(
            self, side, self->input_size.data[self->input_size.count == 1 ? 0 : side]);
    }
    return MM_OK;
}

static void put_pair(mm_value *config, const char *key, const int64_t *pair)
{
    mm_value *list = mm_value_new_list();

    mm_list_push(list, mm_value_new_i64(pair[0]));
    mm_list_push(list, mm_value_new_i64(pair[1]));
    mm_dict_take(config, key, list);
}

static mm_module *make_projection(const struct patch_embed *self)
{
    mm_value *config = mm_value_new_dict();

    mm_dict_put_str(config, "type", self->conv_type);
    mm_dict_put_i64(config, "in_channels", self->in_channels);
    mm_dict_put_i64(config, "out_channels", self->embed_dims);
    put_pair(config, "kernel_size", self->kernel_size);
    put_pair(config, "stride", self->stride);
    put_pair(config, "padding", self->padding);
    put_pair(config, "dilation", self->dilation);
    mm_dict_put_bool(config, "bias", self->bias);
    mm_module *projection = mm_module_build(config, NULL, "projection");

    mm_value_unref(config);
    return projection;
}

static mm_status patch_embed_init(void *data)
{
    struct patch_embed *self = data;
    mm_module *module = mm_module_of(self);
    char name[16];

    if (read_padding(self) < 0) {
        return mm_pending();
    }
    self->projection = mm_module_add(module, "projection", make_projection(self));
    if (self->norm_cfg != NULL) {
        self->norm = mm_module_add(
            module, "norm", mmz_build_norm(self->norm_cfg, self->embed_dims, 0, name));
    }
    return mm_pending();
}

static mm_tensor *pad(const struct patch_embed *self, mm_tensor *x)
{
    int64_t h = missing(self, 0, mm_size(x, -2));
    int64_t w = missing(self, 1, mm_size(x, -1));

    if (mm_has_error() || (h == 0 && w == 0)) {
        return x;
    }
    return self->adaptive == PAD_SAME
               ? mm_pad(x, MM_DIMS(w / 2, w - w / 2, h / 2, h - h / 2))
               : mm_pad(x, MM_DIMS(0, w, 0, h));
}

static mm_value *patch_embed_call(void *data, mm_value *args)
{
    const struct patch_embed *self = data;
    mm_tensor *x = pad(self, mm_value_tensor(mm_list_get(args, 0)));

    x = mm_module_forward(self->projection, x);
    int64_t h = x != NULL ? mm_size(x, 2) : 0;
    int64_t w = x != NULL ? mm_size(x, 3) : 0;

    x = mm_transpose(mm_flatten(x, 2, -1), 1, 2);
    if (self->norm != NULL) {
        x = mm_module_forward(self->norm, x);
    }
    if (x == NULL) {
        return NULL;
    }
    mm_value *out = mm_scoped(mm_value_new_tuple());
    mm_value *size = mm_value_new_tuple();

    mm_list_push(size, mm_value_new_i64(h));
    mm_list_push(size, mm_value_new_i64(w));
    mm_list_push(out, mm_value_new_tensor(x));
    mm_list_push(out, size);
    return mm_has_error() ? NULL : out;
}

static const mm_module_ops ops = {.call = patch_embed_call};

#define MM_OPT_STRUCT struct patch_embed
static const mm_option options[] = {
    {"in_channels", "channels of the images", MM_OPT_I64(in_channels, 3, 1, INT64_MAX)},
    {"embed_dims", "size of a token", MM_OPT_I64(embed_dims, 768, 1, INT64_MAX)},
    {"conv_type", "the convolution", MM_OPT_STR(conv_type, "Conv2d")},
    {"kernel_size", "height and width of a patch", MM_OPT_I64_N(kernel_size, "16")},
    {"stride", "step from patch to patch", MM_OPT_I64_N(stride, "16")},
    {"padding", "'corner' or 'same': whole patches; ints: the convolution's",
     MM_OPT_VALUE(padding_option)},
    {"dilation", "step inside a patch", MM_OPT_I64_N(dilation, "1")},
    {"bias", "the convolution has a bias", MM_OPT_BOOL(bias, true)},
    {"norm_cfg", "config of a normalisation of the tokens; None: none",
     MM_OPT_VALUE(norm_cfg)},
    {"input_size", "height and width of the images, where the model asks for it",
     MM_OPT_I64S(input_size, NULL), .flags = MM_OPTION_NULLABLE},
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmz_patch_embed = {
    .registry = "models",
    .name = "PatchEmbed",
    .help = "tokens from the patches of an image",
    .source = "mmcv/cnn/bricks/transformer.py",
    .size = sizeof(struct patch_embed),
    .options = options,
    .init = patch_embed_init,
    MM_MODULE(&ops),
};
