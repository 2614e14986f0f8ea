/* BasicBlock and Bottleneck. Layers are made and registered in MMPretrain's order,
 * which is that of weights drawn and of names in a state dict. The skip is added in
 * place. */
#include "mmpretrain/models/resnet_block.h"

#include <string.h>

enum { MAX_CONVS = 3 };

struct block {
    int64_t in_channels;
    int64_t out_channels;
    int64_t expansion;
    int64_t stride;
    int64_t dilation;
    bool caffe_style;
    mm_instance *downsample_instance; /* or NULL */
    mm_value *conv_cfg;               /* or NULL; own reference */
    mm_value *norm_cfg;               /* own reference */
    double drop_path_rate;
    int num_convs;
    mm_module *convs[MAX_CONVS]; /* children */
    mm_module *norms[MAX_CONVS];
    mm_module *relu;
    mm_module *downsample; /* or NULL */
    mm_module *drop_path;  /* NULL: identity */
};

/* The convolutions of a block, in order. */
static void plan(const struct block *block, mmz_conv_args *convs)
{
    int64_t mid = block->out_channels / block->expansion;

    if (block->num_convs == 2) {
        convs[0] = (mmz_conv_args){block->in_channels,
                                   mid,
                                   3,
                                   .stride = block->stride,
                                   .padding = block->dilation,
                                   .dilation = block->dilation};
        convs[1] = (mmz_conv_args){mid, block->out_channels, 3, .padding = 1};
        return;
    }
    convs[0] = (mmz_conv_args){block->in_channels, mid, 1,
                               .stride = block->caffe_style ? block->stride : 1};
    convs[1] = (mmz_conv_args){mid,
                               mid,
                               3,
                               .stride = block->caffe_style ? 1 : block->stride,
                               .padding = block->dilation,
                               .dilation = block->dilation};
    convs[2] = (mmz_conv_args){mid, block->out_channels, 1, .stride = 1};
}

static void add_convs(struct block *block, mm_module *module)
{
    mmz_conv_args convs[MAX_CONVS];
    mm_module *norms[MAX_CONVS] = {NULL, NULL, NULL};
    char names[MAX_CONVS][16];

    plan(block, convs);
    for (int i = 0; i < block->num_convs; i++) {
        norms[i] =
            mmz_build_norm(block->norm_cfg, convs[i].out_channels, i + 1, names[i]);
    }
    for (int i = 0; i < block->num_convs; i++) {
        char name[8] = {'c', 'o', 'n', 'v', (char)('1' + i), '\0'};

        block->convs[i] =
            mm_module_add(module, name, mmz_build_conv(block->conv_cfg, &convs[i]));
        block->norms[i] = mm_module_add(module, names[i], norms[i]);
    }
}

static mm_module *inplace_relu(void)
{
    mm_value *cfg = mm_value_new_dict();

    mm_dict_put_str(cfg, "type", "ReLU");
    mm_module *relu = mmz_build_activation(cfg, true);

    mm_value_unref(cfg);
    return relu;
}

static mm_status block_init(struct block *block, int num_convs)
{
    const double least_rate = 1e-5;
    mm_module *module = mm_module_of(block);

    block->num_convs = num_convs;
    mm_value_ref(block->conv_cfg); /* from C they are only lent */
    mm_value_ref(block->norm_cfg);
    if (block->out_channels % block->expansion != 0) {
        return mm_raise(MM_EINVAL, "output channels of a block do not divide by its "
                                   "expansion");
    }
    add_convs(block, module);
    block->relu = mm_module_add(module, "relu", inplace_relu());
    if (block->downsample_instance != NULL) {
        block->downsample =
            mm_module_add_instance(module, "downsample", block->downsample_instance);
    }
    if (block->drop_path_rate > least_rate) {
        block->drop_path = mm_module_add(module, "drop_path",
                                         mmz_drop_path_new(block->drop_path_rate));
    } else {
        mm_module_add(module, "drop_path", mm_nn_identity());
    }
    return mm_pending();
}

static mm_status basic_init(void *data)
{
    struct block *block = data;

    if (block->expansion != 1) {
        return mm_raise(MM_EINVAL, "a BasicBlock has an expansion of 1");
    }
    return block_init(block, 2);
}

static mm_status bottleneck_init(void *data)
{
    return block_init(data, 3);
}

static void block_deinit(void *data)
{
    struct block *block = data;

    if (block->num_convs > 0) { /* init took its references */
        mm_value_unref(block->conv_cfg);
        mm_value_unref(block->norm_cfg);
    }
}

static mm_tensor *block_forward(void *data, mm_tensor *x)
{
    const struct block *block = data;
    mm_tensor *out = x;

    for (int i = 0; i < block->num_convs; i++) {
        out = mm_module_forward(block->convs[i], out);
        out = mm_module_forward(block->norms[i], out);
        if (i + 1 < block->num_convs) {
            out = mm_module_forward(block->relu, out);
        }
    }
    mm_tensor *identity =
        block->downsample != NULL ? mm_module_forward(block->downsample, x) : x;

    if (block->drop_path != NULL) {
        out = mm_module_forward(block->drop_path, out);
    }
    return mm_module_forward(block->relu, mm_add_(out, identity));
}

static const mm_module_ops ops = {.forward = block_forward};

#define MM_OPT_STRUCT struct block
static const mm_option options[] = {
    {"in_channels", "channels of the input",
     MM_OPT_I64_REQUIRED(in_channels, 1, INT64_MAX)},
    {"out_channels", "channels of the output",
     MM_OPT_I64_REQUIRED(out_channels, 1, INT64_MAX)},
    {"expansion", "output channels over those inside",
     MM_OPT_I64(expansion, 1, 1, INT64_MAX)},
    {"stride", "step of the strided convolution", MM_OPT_I64(stride, 1, 1, INT64_MAX)},
    {"dilation", "dilation of the 3x3 convolution",
     MM_OPT_I64(dilation, 1, 1, INT64_MAX)},
    {"caffe_style", "the first convolution has the stride",
     MM_OPT_BOOL(caffe_style, false)},
    {"downsample", "what the skip goes through",
     MM_OPT_BUILD(downsample_instance, "models")},
    {"conv_cfg", "config of convolutions", MM_OPT_VALUE(conv_cfg)},
    {"norm_cfg", "config of normalisations", MM_OPT_VALUE(norm_cfg)},
    {"drop_path_rate", "probability of dropping the branch",
     MM_OPT_F64(drop_path_rate, 0.0, 0.0, 1.0)},
    {0},
};
#undef MM_OPT_STRUCT

/* Not in the table: configs name the network, not its blocks. */
static const mm_component basic_block = {
    .registry = "models",
    .scope = "mmpretrain",
    .name = "BasicBlock",
    .help = "two convolutions and a skip",
    .source = "mmpretrain/models/backbones/resnet.py",
    .size = sizeof(struct block),
    .options = options,
    .init = basic_init,
    .deinit = block_deinit,
    MM_MODULE(&ops),
};

static const mm_component bottleneck = {
    .registry = "models",
    .scope = "mmpretrain",
    .name = "Bottleneck",
    .help = "three convolutions and a skip",
    .source = "mmpretrain/models/backbones/resnet.py",
    .size = sizeof(struct block),
    .options = options,
    .init = bottleneck_init,
    .deinit = block_deinit,
    MM_MODULE(&ops),
};

mm_module *mmz_block_new(const mmz_block_args *args)
{
    mm_instance *instance =
        mm_instance_new(args->is_bottleneck ? &bottleneck : &basic_block);
    struct block *block = mm_instance_self(instance);

    if (block == NULL) {
        mm_module_unref(args->downsample);
        return NULL;
    }
    block->in_channels = args->in_channels;
    block->out_channels = args->out_channels;
    block->expansion = args->expansion;
    block->stride = args->stride;
    block->dilation = args->dilation;
    block->caffe_style = args->caffe_style;
    block->conv_cfg = args->conv_cfg;
    block->norm_cfg = args->norm_cfg;
    block->drop_path_rate = args->drop_path_rate;
    if (args->downsample != NULL) {
        block->downsample_instance = mm_module_instance(args->downsample);
    }
    return mm_module_start(instance);
}

bool mmz_is_block(const mm_module *module)
{
    const mm_component *component = mm_instance_component(mm_module_instance(module));

    return component == &basic_block || component == &bottleneck;
}

mm_status mmz_block_zero_init(mm_module *module)
{
    const struct block *block = mm_module_self(module);

    return mmz_constant_init(block->norms[block->num_convs - 1], 0.0, 0.0);
}
