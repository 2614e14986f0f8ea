/* ImageClassifier: backbone, neck and head as one model.
 * Source: mmpretrain/models/classifiers/image.py. */
#include "mmengine/memory.h"
#include "mmengine/model.h"

struct image_classifier {
    mm_instance *data_preprocessor;
    mm_instance *backbone;
    mm_instance *neck;
    mm_instance *head;
    const char *pretrained;
    mm_value *train_cfg;
    mm_module *backbone_module; /* children; the last two may be NULL */
    mm_module *neck_module;
    mm_module *head_module;
};

/* Without a config of its own, the preprocessor has all defaults. */
static mm_instance *default_preprocessor(void)
{
    mm_value *config = mm_value_new_dict();
    mm_instance *instance = mm_build(&(const mm_build_args){
        .registry = "models",
        .config = config,
        .scope = "mmpretrain",
        .path = MM_DATA_PREPROCESSOR,
        .default_type = "ClsDataPreprocessor",
    });

    mm_value_unref(config);
    return instance;
}

static mm_status use_pretrained(mm_module *module, const char *checkpoint)
{
    mm_value *cfg = mm_value_new_dict();

    mm_dict_put_str(cfg, "type", "Pretrained");
    mm_dict_put_str(cfg, "checkpoint", checkpoint);
    mm_module_set_init_cfg(module, cfg);
    mm_value_unref(cfg);
    return mm_pending();
}

static mm_status classifier_init(void *data)
{
    struct image_classifier *self = data;
    mm_module *module = mm_module_of(self);

    if (mm_value_is_true(self->train_cfg)) {
        return mm_raise(MM_EUNSUPPORTED,
                        "train_cfg: batch augmentations (Mixup, CutMix) "
                        "are not built yet");
    }
    if (self->pretrained != NULL) {
        use_pretrained(module, self->pretrained);
    }
    if (self->data_preprocessor == NULL) {
        self->data_preprocessor = default_preprocessor();
    }
    mm_module_add_instance(module, MM_DATA_PREPROCESSOR, self->data_preprocessor);
    self->backbone_module = mm_module_add_instance(module, "backbone", self->backbone);
    if (self->neck != NULL) {
        self->neck_module = mm_module_add_instance(module, "neck", self->neck);
    }
    if (self->head != NULL) {
        self->head_module = mm_module_add_instance(module, "head", self->head);
    }
    return mm_pending();
}

static mm_value *extract_feat(const struct image_classifier *self, mm_value *inputs)
{
    mm_value *feats = mm_module_call1(self->backbone_module, inputs);

    return feats != NULL && self->neck_module != NULL
               ? mm_module_call1(self->neck_module, feats)
               : feats;
}

static mm_value *classifier_call(void *data, mm_value *args)
{
    const struct image_classifier *self = data;
    mm_value *feats = extract_feat(self, mm_list_get(args, 0));

    return feats != NULL && self->head_module != NULL
               ? mm_module_call1(self->head_module, feats)
               : feats;
}

/* What a head's loss and predict take. */
static mm_value *head_batch(const struct image_classifier *self, mm_value *batch)
{
    mm_value *feats = extract_feat(self, mm_dict_get(batch, "inputs"));
    mm_value *samples = mm_dict_find(batch, "data_samples");

    if (feats == NULL) {
        return NULL;
    }
    if (self->head_module == NULL) {
        mm_raise(MM_EUNSUPPORTED, "an ImageClassifier without a head only extracts "
                                  "features");
        return NULL;
    }
    mm_value *out = mm_scoped(mm_value_new_dict());

    mm_dict_put(out, "feats", feats);
    if (samples != NULL) {
        mm_dict_put(out, "data_samples", samples);
    } else {
        mm_dict_take(out, "data_samples", mm_value_new_none());
    }
    return mm_has_error() ? NULL : out;
}

static const mm_model_ops *head_ops(const struct image_classifier *self)
{
    return mm_instance_ops(self->head, MM_INTERFACE_MODEL);
}

static mm_value *classifier_loss(void *data, mm_value *batch)
{
    const struct image_classifier *self = data;
    mm_value *inner = head_batch(self, batch);
    const mm_model_ops *ops = inner != NULL ? head_ops(self) : NULL;

    return ops != NULL ? ops->loss(mm_module_self(self->head_module), inner) : NULL;
}

static mm_value *classifier_predict(void *data, mm_value *batch)
{
    const struct image_classifier *self = data;
    mm_value *inner = head_batch(self, batch);
    const mm_model_ops *ops = inner != NULL ? head_ops(self) : NULL;

    return ops != NULL ? ops->predict(mm_module_self(self->head_module), inner) : NULL;
}

/* The backbone's, whose names begin with its own in the model. */
static mm_status classifier_layer_depth(const void *data, const char *name,
                                        const char *prefix, mm_layer_depth *out)
{
    const struct image_classifier *self = data;
    char *inner = mm_strfmt("%sbackbone.", prefix);
    mm_status status =
        inner != NULL ? mm_module_layer_depth(self->backbone_module, name, inner, out)
                      : mm_pending();

    mm_free(inner);
    return status;
}

static const mm_model_ops ops = {
    .module = {.call = classifier_call, .layer_depth = classifier_layer_depth},
    .loss = classifier_loss,
    .predict = classifier_predict,
};

#define MM_OPT_STRUCT struct image_classifier
static const mm_option options[] = {
    {"data_preprocessor", "how batches become inputs; untyped: ClsDataPreprocessor",
     MM_OPT_BUILD_AS(data_preprocessor, "models", "ClsDataPreprocessor")},
    {"backbone", "what extracts features", MM_OPT_BUILD_REQUIRED(backbone, "models")},
    {"neck", "what stands between backbone and head", MM_OPT_BUILD(neck, "models")},
    {"head", "what scores, and computes losses", MM_OPT_BUILD(head, "models")},
    {"pretrained", "checkpoint with the first weights", MM_OPT_STR(pretrained, NULL)},
    {"train_cfg", "batch augmentations; not built yet", MM_OPT_VALUE(train_cfg)},
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmz_image_classifier = {
    .registry = "models",
    .scope = "mmpretrain",
    .name = "ImageClassifier",
    .help = "classifies images with a backbone, a neck and a head",
    .source = "mmpretrain/models/classifiers/image.py",
    .size = sizeof(struct image_classifier),
    .options = options,
    .init = classifier_init,
    MM_MODEL(&ops),
};
