/* ResNet of 18 to 152 layers, and the variants for small images (ResNet_CIFAR) and with
 * a deep stem (ResNetV1c, ResNetV1d). Names of parameters are TorchVision's; the order
 * in which layers are made is MMPretrain's, so weights come out equal for a seed.
 * Source: mmpretrain/models/backbones/resnet.py, resnet_cifar.py. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "mmengine/log.h"
#include "mmpretrain/models/layer_depth.h"
#include "mmpretrain/models/resnet_block.h"

enum { MAX_STAGES = 4 };
enum { STYLE_PYTORCH, STYLE_CAFFE };

struct resnet {
    int64_t depth;
    int64_t in_channels;
    int64_t stem_channels;
    int64_t base_channels;
    mm_maybe_i64 expansion;
    int64_t num_stages;
    mm_i64s strides;
    mm_i64s dilations;
    mm_i64s out_indices;
    int style;
    bool deep_stem;
    bool avg_down;
    int64_t frozen_stages;
    mm_value *conv_cfg;
    mm_value *norm_cfg_option;
    bool norm_eval;
    bool with_cp;
    bool zero_init_residual;
    double drop_path_rate;
    bool is_cifar;
    mm_value *norm_cfg; /* own reference: the option or its default */
    mm_module *stem;    /* children; NULL without a deep stem */
    mm_module *conv1;   /* NULL with one */
    mm_module *norm1;
    mm_module *relu;
    mm_module *maxpool; /* NULL for small images */
    mm_module *stages[MAX_STAGES];
};

static const struct arch {
    int64_t depth;
    bool is_bottleneck;
    int64_t blocks[MAX_STAGES];
} archs[] = {
    {18, false, {2, 2, 2, 2}},  {34, false, {3, 4, 6, 3}},  {50, true, {3, 4, 6, 3}},
    {101, true, {3, 4, 23, 3}}, {152, true, {3, 8, 36, 3}}, {0, false, {0, 0, 0, 0}},
};

static const struct arch *find_arch(int64_t depth)
{
    for (const struct arch *arch = archs; arch->depth != 0; arch++) {
        if (arch->depth == depth) {
            return arch;
        }
    }
    mm_raise(MM_EINVAL, "there is no ResNet of depth %" PRId64, depth);
    mm_error_hint("depths are 18, 34, 50, 101 and 152");
    return NULL;
}

static mm_status check_stages(const struct resnet *self)
{
    if (self->strides.count != (size_t)self->num_stages ||
        self->dilations.count != (size_t)self->num_stages) {
        return mm_raise(MM_EINVAL,
                        "%" PRId64 " stages need as many strides and dilations, "
                        "got %zu and %zu",
                        self->num_stages, self->strides.count, self->dilations.count);
    }
    for (size_t i = 0; i < self->out_indices.count; i++) {
        if (self->out_indices.data[i] < 0 ||
            self->out_indices.data[i] >= self->num_stages) {
            return mm_raise(MM_ERANGE,
                            "out_indices has %" PRId64 ", there are %" PRId64 " stages",
                            self->out_indices.data[i], self->num_stages);
        }
    }
    if (self->frozen_stages > self->num_stages) {
        return mm_raise(MM_ERANGE,
                        "frozen_stages is %" PRId64 ", there are %" PRId64 " stages",
                        self->frozen_stages, self->num_stages);
    }
    return MM_OK;
}

/* --- making --- */

static mm_value *strs(const char *a, const char *b)
{
    mm_value *list = mm_value_new_list();

    mm_list_push(list, mm_value_new_str(a));
    if (b != NULL) {
        mm_list_push(list, mm_value_new_str(b));
    }
    return list;
}

static mm_status add_init_cfg(mm_module *module)
{
    mm_value *cfg = mm_value_new_list();
    mm_value *kaiming = mm_value_new_dict();
    mm_value *constant = mm_value_new_dict();

    mm_dict_put_str(kaiming, "type", "Kaiming");
    mm_dict_take(kaiming, "layer", strs("Conv2d", NULL));
    mm_dict_put_str(constant, "type", "Constant");
    mm_dict_put_i64(constant, "val", 1);
    mm_dict_take(constant, "layer", strs("_BatchNorm", "GroupNorm"));
    mm_list_push(cfg, kaiming);
    mm_list_push(cfg, constant);
    mm_module_default_init_cfg(module, cfg);
    mm_value_unref(cfg);
    return mm_pending();
}

static mm_module *inplace_relu(void)
{
    mm_value *cfg = mm_value_new_dict();

    mm_dict_put_str(cfg, "type", "ReLU");
    mm_module *relu = mmz_build_activation(cfg, true);

    mm_value_unref(cfg);
    return relu;
}

static void add_deep_stem(struct resnet *self, mm_module *module)
{
    int64_t half = self->stem_channels / 2;
    const mmz_conv_args convs[] = {
        {self->in_channels, half, 3, .stride = 2, .padding = 1},
        {half, half, 3, .stride = 1, .padding = 1},
        {half, self->stem_channels, 3, .stride = 1, .padding = 1},
    };
    mm_module *stem = mm_nn_plain(mm_nn_sequential_of(NULL, 0));

    self->stem = mm_module_add(module, "stem", stem);
    for (int i = 0; i < 3 && !mm_has_error(); i++) {
        mm_nn_append(stem,
                     mmz_conv_module_new(&convs[i], self->conv_cfg, self->norm_cfg));
    }
}

static void add_stem(struct resnet *self, mm_module *module)
{
    mmz_conv_args conv = {self->in_channels, self->stem_channels, 7, .stride = 2,
                          .padding = 3};
    char name[16];

    if (self->deep_stem) {
        add_deep_stem(self, module);
    } else {
        if (self->is_cifar) {
            conv = (mmz_conv_args){self->in_channels, self->stem_channels, 3,
                                   .stride = 1, .padding = 1};
        }
        self->conv1 =
            mm_module_add(module, "conv1", mmz_build_conv(self->conv_cfg, &conv));
        mm_module *norm = mmz_build_norm(self->norm_cfg, self->stem_channels, 1, name);

        self->norm1 = mm_module_add(module, norm != NULL ? name : "bn1", norm);
        self->relu = mm_module_add(module, "relu", inplace_relu());
    }
    if (!self->is_cifar) {
        self->maxpool = mm_module_add(module, "maxpool",
                                      mm_nn_max_pool2d(3, .stride = 2, .padding = 1));
    }
}

/* AvgPool2d of MMPretrain's avg_down: the border's windows count what they hold. */
static mm_module *down_pool(int64_t stride)
{
    mm_value *cfg = mm_value_new_dict();

    mm_dict_put_str(cfg, "type", "AvgPool2d");
    mm_dict_put_i64(cfg, "kernel_size", stride);
    mm_dict_put_i64(cfg, "stride", stride);
    mm_dict_put_bool(cfg, "ceil_mode", true);
    mm_dict_put_bool(cfg, "count_include_pad", false);
    mm_module *pool = mm_module_build(cfg, "mmengine", "downsample");

    mm_value_unref(cfg);
    return pool;
}

/* What the skip goes through where sizes differ, or NULL without an error. */
static mm_module *make_downsample(const struct resnet *self,
                                  const mmz_block_args *block)
{
    bool pools = self->avg_down && block->stride != 1;
    mmz_conv_args conv = {block->in_channels, block->out_channels, 1,
                          .stride = pools ? 1 : block->stride};
    char name[16];

    if (block->stride == 1 && block->in_channels == block->out_channels) {
        return NULL;
    }
    mm_module *downsample = mm_nn_plain(mm_nn_sequential_of(NULL, 0));

    if (pools) {
        mm_nn_append(downsample, down_pool(block->stride));
    }
    mm_nn_append(downsample, mmz_build_conv(self->conv_cfg, &conv));
    mm_nn_append(downsample,
                 mmz_build_norm(self->norm_cfg, block->out_channels, 0, name));
    return downsample;
}

/* The drop rate of a block: it grows evenly from the first to the last, as
 * torch.linspace gives it. */
static double drop_rate(const struct resnet *self, const struct arch *arch,
                        int64_t index)
{
    int64_t total = 0;

    for (int i = 0; i < MAX_STAGES; i++) {
        total += arch->blocks[i];
    }
    if (self->drop_path_rate == 0.0) {
        return 0.0;
    }
    mm_tensor *rates = mm_linspace(0.0, self->drop_path_rate, total);

    return rates != NULL ? mm_item(mm_select(rates, 0, index)) : 0.0;
}

static void add_stage(struct resnet *self, const struct arch *arch, int stage,
                      mmz_block_args block, int64_t first_block)
{
    mm_module *layer = mm_nn_plain(mm_nn_sequential_of(NULL, 0));
    char name[24];

    (void)snprintf(name, sizeof(name), "layer%d", stage + 1);
    block.stride = self->strides.data[stage];
    block.dilation = self->dilations.data[stage];
    for (int64_t i = 0; i < arch->blocks[stage] && !mm_has_error(); i++) {
        block.downsample = i == 0 ? make_downsample(self, &block) : NULL;
        block.drop_path_rate = drop_rate(self, arch, first_block + i);
        mm_nn_append(layer, mmz_block_new(&block));
        block.in_channels = block.out_channels;
        block.stride = 1;
    }
    self->stages[stage] = mm_module_add(mm_module_of(self), name, layer);
}

static void freeze(struct resnet *self);

static mm_status make(struct resnet *self)
{
    const struct arch *arch = find_arch(self->depth);
    mm_module *module = mm_module_of(self);

    self->norm_cfg = mmz_norm_cfg(self->norm_cfg_option);
    if (arch == NULL || check_stages(self) != MM_OK || add_init_cfg(module) != MM_OK) {
        return mm_pending();
    }
    if (self->with_cp) {
        mm_log(MM_LOG_WARN,
               "with_cp is not built yet, continuing without recomputation");
    }
    int64_t expansion =
        self->expansion.has ? self->expansion.value : (arch->is_bottleneck ? 4 : 1);
    mmz_block_args block = {
        .is_bottleneck = arch->is_bottleneck,
        .in_channels = self->stem_channels,
        .out_channels = self->base_channels * expansion,
        .expansion = expansion,
        .caffe_style = self->style == STYLE_CAFFE,
        .conv_cfg = self->conv_cfg,
        .norm_cfg = self->norm_cfg,
    };
    int64_t first = 0;

    add_stem(self, module);
    for (int i = 0; i < (int)self->num_stages && !mm_has_error(); i++) {
        add_stage(self, arch, i, block, first);
        first += arch->blocks[i];
        block.in_channels = block.out_channels;
        block.out_channels *= 2;
    }
    if (!mm_has_error()) {
        freeze(self);
    }
    return mm_pending();
}

static mm_status resnet_init(void *data)
{
    return make(data);
}

static mm_status v1c_init(void *data)
{
    struct resnet *self = data;

    self->deep_stem = true;
    return make(self);
}

static mm_status v1d_init(void *data)
{
    struct resnet *self = data;

    self->deep_stem = true;
    self->avg_down = true;
    return make(self);
}

static mm_status cifar_init(void *data)
{
    struct resnet *self = data;

    if (self->deep_stem) {
        return mm_raise(MM_EINVAL, "ResNet_CIFAR has no deep stem");
    }
    self->is_cifar = true;
    return make(self);
}

static void resnet_deinit(void *data)
{
    struct resnet *self = data;

    mm_value_unref(self->norm_cfg);
}

/* --- modes --- */

static void freeze_module(mm_module *module)
{
    mm_module_train(module, false);
    mm_module_requires_grad(module, false);
}

static void freeze(struct resnet *self)
{
    if (self->frozen_stages >= 0) {
        if (self->stem != NULL) {
            freeze_module(self->stem);
        } else {
            freeze_module(self->norm1);
            mm_module_requires_grad(self->conv1, false);
        }
    }
    for (int64_t i = 0; i < self->frozen_stages; i++) {
        freeze_module(self->stages[i]);
    }
}

static mm_status eval_norm(void *user, const char *name, mm_module *module)
{
    (void)user;
    (void)name;
    return mmz_is_batch_norm(module) ? mm_module_train(module, false) : MM_OK;
}

static void resnet_mode_changed(void *data, bool training)
{
    struct resnet *self = data;

    freeze(self);
    if (training && self->norm_eval) {
        (void)mm_module_each(mm_module_of(self), eval_norm, NULL);
    }
}

/* --- weights --- */

static mm_status zero_block(void *user, const char *name, mm_module *module)
{
    (void)user;
    (void)name;
    return mmz_is_block(module) ? mmz_block_zero_init(module) : MM_OK;
}

static bool is_pretrained(const mm_value *cfg)
{
    const mm_value *type =
        mm_value_kind(cfg) == MM_KIND_DICT ? mm_dict_find(cfg, "type") : NULL;

    return mm_value_kind(type) == MM_KIND_STR &&
           strcmp(mm_value_str(type), "Pretrained") == 0;
}

static mm_status resnet_init_weights(void *data)
{
    const struct resnet *self = data;
    mm_module *module = mm_module_of(self);

    if (!self->zero_init_residual || is_pretrained(mm_module_init_cfg(module))) {
        return mm_pending();
    }
    return mm_module_each(module, zero_block, NULL);
}

/* --- forward --- */

static mm_tensor *run_stem(const struct resnet *self, mm_tensor *x)
{
    if (self->stem != NULL) {
        x = mm_module_forward(self->stem, x);
    } else {
        x = mm_module_forward(self->conv1, x);
        x = mm_module_forward(self->norm1, x);
        x = mm_module_forward(self->relu, x);
    }
    return self->maxpool != NULL ? mm_module_forward(self->maxpool, x) : x;
}

static bool is_output(const struct resnet *self, int stage)
{
    for (size_t i = 0; i < self->out_indices.count; i++) {
        if (self->out_indices.data[i] == stage) {
            return true;
        }
    }
    return false;
}

static mm_value *resnet_call(void *data, mm_value *args)
{
    const struct resnet *self = data;
    mm_tensor *x = run_stem(self, mm_value_tensor(mm_list_get(args, 0)));
    mm_value *out = mm_scoped(mm_value_new_tuple());

    for (int i = 0; i < (int)self->num_stages && !mm_has_error(); i++) {
        x = mm_module_forward(self->stages[i], x);
        if (x != NULL && is_output(self, i)) {
            mm_list_push(out, mm_value_new_tensor(x));
        }
    }
    return mm_has_error() ? NULL : out;
}

static mm_status resnet_layer_depth(const void *data, const char *name,
                                    const char *prefix, mm_layer_depth *out)
{
    const struct resnet *self = data;
    const struct arch *arch = find_arch(self->depth);
    mmz_stages stages = {arch->blocks, (size_t)self->num_stages};

    *out = mmz_depth_in_resnet(stages, name, prefix);
    if (out->count == 0) {
        mm_raise(MM_EUNSUPPORTED,
                 "a ResNet of depth %" PRId64
                 " has no rule for the depth of its layers",
                 self->depth);
        return mm_error_hint("MMPretrain has them for ResNets of four stages and 34 "
                             "layers or more");
    }
    return MM_OK;
}

static const mm_module_ops ops = {
    .call = resnet_call,
    .init_weights = resnet_init_weights,
    .mode_changed = resnet_mode_changed,
    .layer_depth = resnet_layer_depth,
};

/* --- components --- */

static const mm_choice styles[] = {
    {"pytorch", STYLE_PYTORCH, "the 3x3 convolution has the stride"},
    {"caffe", STYLE_CAFFE, "the first 1x1 convolution has the stride"},
    {0},
};

#define MM_OPT_STRUCT struct resnet
static const mm_option variant_options[] = {
    {"depth", "layers: 18, 34, 50, 101 or 152",
     MM_OPT_I64_REQUIRED(depth, 1, INT64_MAX)},
    {"in_channels", "channels of the images", MM_OPT_I64(in_channels, 3, 1, INT64_MAX)},
    {"stem_channels", "channels behind the stem",
     MM_OPT_I64(stem_channels, 64, 1, INT64_MAX)},
    {"base_channels", "channels inside the first stage",
     MM_OPT_I64(base_channels, 64, 1, INT64_MAX)},
    {"expansion", "channels of a block's output over those inside; None: 1 or 4",
     MM_OPT_I64_OR_NONE(expansion, 1, INT64_MAX)},
    {"num_stages", "number of stages", MM_OPT_I64(num_stages, 4, 1, MAX_STAGES)},
    {"strides", "stride of each stage", MM_OPT_I64S(strides, "(1, 2, 2, 2)")},
    {"dilations", "dilation of each stage", MM_OPT_I64S(dilations, "(1, 1, 1, 1)")},
    {"out_indices", "stages whose output is returned",
     MM_OPT_I64S(out_indices, "(3,)")},
    {"style", "which convolution of a bottleneck has the stride",
     MM_OPT_CHOICE(style, STYLE_PYTORCH, styles)},
    {"frozen_stages", "stages that are not trained, the stem is 0; -1: none",
     MM_OPT_I64(frozen_stages, -1, -1, MAX_STAGES)},
    {"conv_cfg", "config of convolutions; None: Conv2d", MM_OPT_VALUE(conv_cfg)},
    {"norm_cfg", "config of normalisations; default BN", MM_OPT_VALUE(norm_cfg_option)},
    {"norm_eval", "batch norms stay in evaluation mode", MM_OPT_BOOL(norm_eval, false)},
    {"with_cp", "recompute activations to save memory; not built yet",
     MM_OPT_BOOL(with_cp, false)},
    {"zero_init_residual", "blocks begin as the identity",
     MM_OPT_BOOL(zero_init_residual, true)},
    {"drop_path_rate", "stochastic depth at the last block",
     MM_OPT_F64(drop_path_rate, 0.0, 0.0, 1.0)},
    {0},
};

static const mm_option resnet_options[] = {
    {.name = "", .kind = MM_OPTION_INHERIT, .u.inherited = variant_options},
    {"deep_stem", "three 3x3 convolutions instead of one 7x7",
     MM_OPT_BOOL(deep_stem, false)},
    {"avg_down", "skips pool before their convolution", MM_OPT_BOOL(avg_down, false)},
    {0},
};
#undef MM_OPT_STRUCT

#define RESNET(id, name_, help_, options_, init_)                                      \
    const mm_component mmz_##id = {                                                    \
        .registry = "models",                                                          \
        .scope = "mmpretrain",                                                         \
        .name = name_,                                                                 \
        .help = help_,                                                                 \
        .source = "mmpretrain/models/backbones/resnet.py",                             \
        .size = sizeof(struct resnet),                                                 \
        .options = options_,                                                           \
        .init = init_,                                                                 \
        .deinit = resnet_deinit,                                                       \
        MM_MODULE(&ops),                                                               \
    }

RESNET(resnet, "ResNet", "residual network backbone", resnet_options, resnet_init);
RESNET(resnet_v1c, "ResNetV1c", "ResNet with a stem of three convolutions",
       variant_options, v1c_init);
RESNET(resnet_v1d, "ResNetV1d", "ResNetV1c whose skips pool first", variant_options,
       v1d_init);
RESNET(resnet_cifar, "ResNet_CIFAR", "ResNet for images of 32 by 32", resnet_options,
       cifar_init);
