/* VisionTransformerClsHead: one linear layer on the class token, or two with an
 * activation between them. Source: mmpretrain/models/heads/vision_transformer_head.py.
 */
#include <math.h>

#include "mmpretrain/models/heads.h"

struct vit_head {
    mmz_cls_head_base base; /* its fc is the child "layers" */
    int64_t num_classes;
    int64_t in_channels;
    mm_maybe_i64 hidden_dim;
    mm_value *act_cfg; /* or NULL: Tanh */
};

static mm_value *default_init_cfg(void)
{
    mm_value *cfg = mm_value_new_dict();

    mm_dict_put_str(cfg, "type", "Constant");
    mm_dict_put_str(cfg, "layer", "Linear");
    mm_dict_put_i64(cfg, "val", 0);
    return cfg;
}

static mm_module *make_activation(const struct vit_head *self)
{
    return self->act_cfg != NULL ? mm_module_build(self->act_cfg, NULL, "act_cfg")
                                 : mm_nn_tanh();
}

static mm_module *make_layers(const struct vit_head *self)
{
    mm_module *layers = mm_nn_sequential_of(NULL, 0);
    int64_t in = self->in_channels;

    if (self->hidden_dim.has) {
        in = self->hidden_dim.value;
        mm_module_add(layers, "pre_logits", mm_nn_linear(self->in_channels, in));
        mm_module_add(layers, "act", make_activation(self));
    }
    mm_module_add(layers, "head", mm_nn_linear(in, self->num_classes));
    return layers;
}

static mm_status vit_head_init(void *data)
{
    struct vit_head *self = data;
    mm_module *module = mm_module_of(self);
    mm_value *init_cfg = default_init_cfg();

    mm_module_default_init_cfg(module, init_cfg);
    mm_value_unref(init_cfg);
    if (mmz_cls_head_init(&self->base) != MM_OK) {
        return mm_pending();
    }
    self->base.fc = mm_module_add(module, "layers", make_layers(self));
    return mm_pending();
}

static mm_status vit_head_init_weights(void *data)
{
    const struct vit_head *self = data;

    if (!self->hidden_dim.has) {
        return mm_pending();
    }
    mm_init_trunc_normal(mm_module_find_tensor(self->base.fc, "pre_logits.weight"), 0.0,
                         sqrt(1 / (double)self->in_channels), -2.0, 2.0);
    return mm_init_constant(mm_module_find_tensor(self->base.fc, "pre_logits.bias"),
                            0.0);
}

/* The functions of all heads, and this one's weights. */
static const mm_model_ops ops = {
    .module = {.call = mmz_cls_head_call, .init_weights = vit_head_init_weights},
    .loss = mmz_cls_head_loss,
    .predict = mmz_cls_head_predict,
};

#define MM_OPT_STRUCT struct vit_head
static const mm_option options[] = {
    {"num_classes", "number of classes",
     MM_OPT_I64_REQUIRED(num_classes, 1, INT64_MAX)},
    {"in_channels", "channels of the features",
     MM_OPT_I64_REQUIRED(in_channels, 1, INT64_MAX)},
    {"hidden_dim", "size of the hidden layer; None: there is none",
     MM_OPT_I64_OR_NONE(hidden_dim, 1, INT64_MAX)},
    {"act_cfg", "config of the hidden layer's activation; default Tanh",
     MM_OPT_VALUE(act_cfg)},
    {"", NULL, MM_OPT_INHERIT(base, mmz_cls_head_options)},
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmz_vision_transformer_cls_head = {
    .registry = "models",
    .scope = "mmpretrain",
    .name = "VisionTransformerClsHead",
    .help = "classification head of the vision transformer",
    .source = "mmpretrain/models/heads/vision_transformer_head.py",
    .size = sizeof(struct vit_head),
    .options = options,
    .init = vit_head_init,
    MM_MODEL(&ops),
};
