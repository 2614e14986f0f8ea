/* Convolutions of one to three dimensions and the transposed one of two. Sizes are kept
 * in arrays of three of which the first `nd` count. Weights are drawn as torch.nn does:
 * the weight by Kaiming uniform with a = sqrt(5), then the bias. */
#include "nn/layer.h"

#include <inttypes.h>
#include <string.h>

enum { MAX_ND = 3 };

enum padding_mode { PAD_ZEROS, PAD_REFLECT, PAD_REPLICATE, PAD_CIRCULAR };

static const mm_choice padding_modes[] = {
    {"zeros", PAD_ZEROS, "zeros"},
    {"reflect", PAD_REFLECT, "mirrored, without the edge"},
    {"replicate", PAD_REPLICATE, "the edge, repeated"},
    {"circular", PAD_CIRCULAR, "the other side"},
    {0},
};

static const char *padding_mode_name(int mode)
{
    return padding_modes[mode].name;
}

struct conv {
    int64_t in_channels;
    int64_t out_channels;
    int64_t kernel_size[MAX_ND];
    int64_t stride[MAX_ND];
    int64_t padding[MAX_ND];
    mm_value *padding_option; /* int, list, "same" or "valid"; NULL: `padding` holds */
    int64_t output_padding[MAX_ND];
    int64_t dilation[MAX_ND];
    int64_t groups;
    bool has_bias;
    int padding_mode;
    int nd;
    bool is_transposed;
    bool is_same;
    mm_tensor *weight; /* of the module */
    mm_tensor *bias;   /* of the module, or NULL */
};

static mm_status bad_padding(const mm_value *value)
{
    char *repr = mm_value_repr(value);

    mm_raise(MM_EINVAL,
             "padding %s is neither an int, one int per dimension, 'same' nor "
             "'valid'",
             repr != NULL ? repr : "?");
    mm_free(repr);
    return mm_pending();
}

static mm_status read_padding(struct conv *conv)
{
    mm_value *value = conv->padding_option;
    mm_kind kind = mm_value_kind(value);

    conv->padding_option = NULL;
    if (kind == MM_KIND_NONE) {
        return MM_OK;
    }
    if (kind == MM_KIND_STR) {
        const char *word = mm_value_str(value);

        conv->is_same = strcmp(word, "same") == 0;
        if (conv->is_same && !mmi_all_equal(conv->stride, conv->nd, 1)) {
            return mm_raise(MM_EINVAL, "padding 'same' needs a stride of 1");
        }
        return conv->is_same || strcmp(word, "valid") == 0 ? MM_OK : bad_padding(value);
    }
    bool is_list = kind == MM_KIND_LIST || kind == MM_KIND_TUPLE;

    if (is_list ? mm_value_len(value) != (size_t)conv->nd : kind != MM_KIND_I64) {
        return bad_padding(value);
    }
    for (int i = 0; i < conv->nd; i++) {
        const mm_value *item = is_list ? mm_list_get(value, (size_t)i) : value;

        if (mm_value_kind(item) != MM_KIND_I64) {
            return bad_padding(value);
        }
        conv->padding[i] = mm_value_i64(item);
    }
    return MM_OK;
}

static mm_status check_conv(const struct conv *conv)
{
    if (conv->in_channels % conv->groups != 0 ||
        conv->out_channels % conv->groups != 0) {
        return mm_raise(MM_EINVAL,
                        "%" PRId64 " input and %" PRId64
                        " output channels do not divide "
                        "into %" PRId64 " groups",
                        conv->in_channels, conv->out_channels, conv->groups);
    }
    for (int i = 0; i < conv->nd; i++) {
        if (conv->kernel_size[i] < 1 || conv->stride[i] < 1 || conv->dilation[i] < 1 ||
            conv->padding[i] < 0) {
            return mm_raise(MM_EINVAL,
                            "kernel size %" PRId64 ", stride %" PRId64
                            ", dilation %" PRId64 " and padding %" PRId64
                            ": only padding may be 0",
                            conv->kernel_size[i], conv->stride[i], conv->dilation[i],
                            conv->padding[i]);
        }
    }
    return MM_OK;
}

static mm_status conv_init_nd(struct conv *conv, int nd, bool is_transposed)
{
    mm_module *module = mm_module_of(conv);

    conv->nd = nd;
    conv->is_transposed = is_transposed;
    if (read_padding(conv) != MM_OK || check_conv(conv) != MM_OK) {
        return mm_pending();
    }
    int64_t sizes[2 + MAX_ND];

    sizes[0] = is_transposed ? conv->in_channels : conv->out_channels;
    sizes[1] = (is_transposed ? conv->out_channels : conv->in_channels) / conv->groups;
    memcpy(sizes + 2, conv->kernel_size, sizeof(int64_t) * (size_t)nd);
    if (conv->padding_mode == PAD_ZEROS) {
        mmi_module_set_single_op(conv);
    }
    conv->weight = mmi_add_param(module, "weight", MM_DIMS_N(sizes, nd + 2));
    conv->bias = conv->has_bias
                     ? mmi_add_param(module, "bias", MM_DIMS(conv->out_channels))
                     : mm_module_add_param(module, "bias", NULL);
    return mmi_reset_linear(conv->weight, conv->bias);
}

static mm_status conv1d_init(void *self)
{
    return conv_init_nd(self, 1, false);
}

static mm_status conv2d_init(void *self)
{
    return conv_init_nd(self, 2, false);
}

static mm_status conv3d_init(void *self)
{
    return conv_init_nd(self, 3, false);
}

static mm_status conv_transpose2d_init(void *self)
{
    struct conv *conv = self;

    if (conv->padding_mode != PAD_ZEROS) {
        return mm_raise(MM_EINVAL, "a transposed convolution pads with zeros only");
    }
    return conv_init_nd(conv, 2, true);
}

/* Pads by mode, as torch.nn does for everything but zeros; then nothing is left to pad.
 */
static mm_tensor *pad_input(const struct conv *conv, mm_tensor *x)
{
    int64_t pads[2 * MAX_ND];

    for (int i = 0; i < conv->nd; i++) {
        int64_t total = conv->dilation[i] * (conv->kernel_size[i] - 1);
        int64_t *pair = pads + 2 * (conv->nd - 1 - i); /* from the last dimension on */

        pair[0] = conv->is_same ? total / 2 : conv->padding[i];
        pair[1] = conv->is_same ? total - total / 2 : conv->padding[i];
    }
    return mm_pad(x, MM_DIMS_N(pads, 2 * conv->nd),
                  .mode = padding_mode_name(conv->padding_mode));
}

static mm_tensor *conv_same(const struct conv *conv, mm_tensor *x)
{
    static const char *const names[] = {"aten::conv1d.padding", "aten::conv2d.padding",
                                        "aten::conv3d.padding"};

    return mm_op(names[conv->nd - 1], MM_T(x), MM_T(conv->weight), MM_T(conv->bias),
                 MM_IS(conv->stride, conv->nd), MM_S("same"),
                 MM_IS(conv->dilation, conv->nd), MM_I(conv->groups));
}

static mm_tensor *conv_forward(void *self, mm_tensor *x)
{
    const struct conv *conv = self;
    int64_t none[MAX_ND] = {0, 0, 0};
    const int64_t *pad = conv->padding;

    if (conv->padding_mode != PAD_ZEROS) {
        x = pad_input(conv, x);
        pad = none;
    } else if (conv->is_same) {
        return conv_same(conv, x);
    }
    if (conv->nd == 1) {
        return mm_conv1d(x, conv->weight, conv->bias, .stride = conv->stride[0],
                         .padding = pad[0], .dilation = conv->dilation[0],
                         .groups = conv->groups);
    }
    if (conv->nd == 2) {
        return mm_conv2d(
            x, conv->weight, conv->bias, .stride = {conv->stride[0], conv->stride[1]},
            .padding = {pad[0], pad[1]},
            .dilation = {conv->dilation[0], conv->dilation[1]}, .groups = conv->groups);
    }
    return mm_conv3d(
        x, conv->weight, conv->bias,
        .stride = {conv->stride[0], conv->stride[1], conv->stride[2]},
        .padding = {pad[0], pad[1], pad[2]},
        .dilation = {conv->dilation[0], conv->dilation[1], conv->dilation[2]},
        .groups = conv->groups);
}

static mm_tensor *conv_transpose2d_forward(void *self, mm_tensor *x)
{
    const struct conv *conv = self;

    return mm_conv_transpose2d(
        x, conv->weight, conv->bias, .stride = {conv->stride[0], conv->stride[1]},
        .padding = {conv->padding[0], conv->padding[1]},
        .output_padding = {conv->output_padding[0], conv->output_padding[1]},
        .dilation = {conv->dilation[0], conv->dilation[1]}, .groups = conv->groups);
}

static void add_sizes(mmi_str *text, const char *name, const int64_t *sizes, int nd,
                      int64_t usual)
{
    if (!mmi_all_equal(sizes, nd, usual)) {
        mmi_str_addf(text, ", %s=", name);
        mmi_str_add_tuple(text, sizes, nd);
    }
}

static char *conv_repr(const void *self)
{
    const struct conv *conv = self;
    mmi_str text = {0};

    mmi_str_addf(&text, "%" PRId64 ", %" PRId64, conv->in_channels, conv->out_channels);
    add_sizes(&text, "kernel_size", conv->kernel_size, conv->nd, -1);
    add_sizes(&text, "stride", conv->stride, conv->nd, -1);
    if (conv->is_same) {
        mmi_str_add(&text, ", padding=same");
    } else {
        add_sizes(&text, "padding", conv->padding, conv->nd, 0);
    }
    add_sizes(&text, "dilation", conv->dilation, conv->nd, 1);
    add_sizes(&text, "output_padding", conv->output_padding, conv->nd, 0);
    if (conv->groups != 1) {
        mmi_str_addf(&text, ", groups=%" PRId64, conv->groups);
    }
    if (conv->bias == NULL) {
        mmi_str_add(&text, ", bias=False");
    }
    if (conv->padding_mode != PAD_ZEROS) {
        mmi_str_addf(&text, ", padding_mode=%s", padding_mode_name(conv->padding_mode));
    }
    return mmi_str_take(&text);
}

static const mm_module_ops conv_ops = {.forward = conv_forward,
                                       .extra_repr = conv_repr};
static const mm_module_ops conv_transpose2d_ops = {.forward = conv_transpose2d_forward,
                                                   .extra_repr = conv_repr};

#define MM_OPT_STRUCT struct conv
#define CHANNELS                                                                       \
    {"in_channels", "channels of the input",                                           \
     MM_OPT_I64_REQUIRED(in_channels, 1, INT64_MAX)},                                  \
    {                                                                                  \
        "out_channels", "channels of the output",                                      \
            MM_OPT_I64_REQUIRED(out_channels, 1, INT64_MAX)                            \
    }
#define KERNEL(nd)                                                                     \
    {                                                                                  \
        "kernel_size", "size of the kernel", MMI_OPT_INTS(kernel_size, nd, NULL),      \
            .flags = MM_OPTION_REQUIRED                                                \
    }
#define STRIDE(nd)                                                                     \
    {                                                                                  \
        "stride", "step of the kernel", MMI_OPT_INTS(stride, nd, "1")                  \
    }
#define DILATION(nd)                                                                   \
    {                                                                                  \
        "dilation", "distance between kernel elements",                                \
            MMI_OPT_INTS(dilation, nd, "1")                                            \
    }
#define REST                                                                           \
    {"groups", "blocks of channels that do not mix",                                   \
     MM_OPT_I64(groups, 1, 1, INT64_MAX)},                                             \
        {"bias", "learn an offset per output channel", MM_OPT_BOOL(has_bias, true)},   \
    {                                                                                  \
        "padding_mode", "what stands beyond the border",                               \
            MM_OPT_CHOICE(padding_mode, PAD_ZEROS, padding_modes)                      \
    }
#define PADDING                                                                        \
    {                                                                                  \
        "padding", "int, one per dimension, 'same' or 'valid'; default 0",             \
            MM_OPT_VALUE(padding_option)                                               \
    }

static const mm_option conv1d_options[] = {
    CHANNELS, KERNEL(1), STRIDE(1), PADDING, DILATION(1), REST, {0},
};
static const mm_option conv2d_options[] = {
    CHANNELS, KERNEL(2), STRIDE(2), PADDING, DILATION(2), REST, {0},
};
static const mm_option conv3d_options[] = {
    CHANNELS, KERNEL(3), STRIDE(3), PADDING, DILATION(3), REST, {0},
};
static const mm_option conv_transpose2d_options[] = {
    CHANNELS,
    KERNEL(2),
    STRIDE(2),
    {"padding", "taken off each side of the output", MMI_OPT_INTS(padding, 2, "0")},
    {"output_padding", "added to one side of the output",
     MMI_OPT_INTS(output_padding, 2, "0")},
    REST,
    DILATION(2),
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmi_nn_conv1d = {
    .registry = "models",
    .name = "Conv1d",
    .help = "convolution over a sequence",
    .source = "torch.nn.Conv1d",
    .size = sizeof(struct conv),
    .options = conv1d_options,
    .init = conv1d_init,
    MM_MODULE(&conv_ops),
};

const mm_component mmi_nn_conv2d = {
    .registry = "models",
    .name = "Conv2d",
    .aliases = (const char *const[]){"Conv", NULL},
    .help = "convolution over an image",
    .source = "torch.nn.Conv2d",
    .size = sizeof(struct conv),
    .options = conv2d_options,
    .init = conv2d_init,
    MM_MODULE(&conv_ops),
};

const mm_component mmi_nn_conv3d = {
    .registry = "models",
    .name = "Conv3d",
    .help = "convolution over a volume",
    .source = "torch.nn.Conv3d",
    .size = sizeof(struct conv),
    .options = conv3d_options,
    .init = conv3d_init,
    MM_MODULE(&conv_ops),
};

const mm_component mmi_nn_conv_transpose2d = {
    .registry = "models",
    .name = "ConvTranspose2d",
    .aliases = (const char *const[]){"deconv", NULL},
    .help = "transposed convolution over an image",
    .source = "torch.nn.ConvTranspose2d",
    .size = sizeof(struct conv),
    .options = conv_transpose2d_options,
    .init = conv_transpose2d_init,
    MM_MODULE(&conv_transpose2d_ops),
};

mm_module *mm_nn_conv1d_with(const mm_nn_conv1d_args *args)
{
    mm_instance *instance = mm_instance_new(&mmi_nn_conv1d);
    struct conv *conv = mm_instance_self(instance);

    if (conv != NULL) {
        conv->in_channels = args->in_channels;
        conv->out_channels = args->out_channels;
        conv->kernel_size[0] = args->kernel_size;
        conv->stride[0] = args->stride != 0 ? args->stride : 1;
        conv->padding[0] = args->padding;
        conv->dilation[0] = args->dilation != 0 ? args->dilation : 1;
        conv->groups = args->groups != 0 ? args->groups : 1;
        conv->has_bias = !args->no_bias;
    }
    return mm_module_start(instance);
}

static mm_module *make_conv2d(const mm_component *component,
                              const mm_nn_conv2d_args *args)
{
    mm_instance *instance = mm_instance_new(component);
    struct conv *conv = mm_instance_self(instance);

    if (conv == NULL) {
        return NULL;
    }
    conv->in_channels = args->in_channels;
    conv->out_channels = args->out_channels;
    conv->kernel_size[0] = args->kernel_size;
    conv->kernel_size[1] = args->kernel_w != 0 ? args->kernel_w : args->kernel_size;
    conv->groups = args->groups != 0 ? args->groups : 1;
    conv->has_bias = !args->no_bias;
    for (int i = 0; i < 2; i++) {
        conv->stride[i] = args->stride[i] != 0 ? args->stride[i] : 1;
        conv->padding[i] = args->padding[i];
        conv->dilation[i] = args->dilation[i] != 0 ? args->dilation[i] : 1;
        conv->output_padding[i] = args->output_padding[i];
    }
    return mm_module_start(instance);
}

mm_module *mm_nn_conv2d_with(const mm_nn_conv2d_args *args)
{
    return make_conv2d(&mmi_nn_conv2d, args);
}

mm_module *mm_nn_conv_transpose2d_with(const mm_nn_conv2d_args *args)
{
    return make_conv2d(&mmi_nn_conv_transpose2d, args);
}

bool mmi_is_conv(const mm_module *module)
{
    return module->ops == &conv_ops;
}

mm_tensor *mmi_conv_with(const mm_module *module, mm_tensor *x, mm_tensor *weight,
                         mm_tensor *bias)
{
    struct conv conv = *(const struct conv *)module->self;

    conv.weight = weight;
    conv.bias = bias;
    return conv_forward(&conv, x);
}
