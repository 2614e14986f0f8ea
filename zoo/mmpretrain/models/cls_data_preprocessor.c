/* ClsDataPreprocessor: images become a normalised batch, labels go to its device and,
 * if wanted, become one-hot. Source: mmpretrain/models/utils/data_preprocessor.py. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "mmengine/memory.h"
#include "mmpretrain/models/heads.h"

enum { MAX_MEAN = 64 };

struct preprocessor {
    mm_f64s mean_option;
    mm_f64s std_option;
    int64_t pad_size_divisor;
    double pad_value;
    bool to_rgb;
    bool to_onehot;
    mm_maybe_i64 num_classes;
    mm_value *batch_augments;
    int num_mean; /* 0: no normalisation */
    float mean[MAX_MEAN];
    float std[MAX_MEAN];
};

static mm_status add_statistics(struct preprocessor *self)
{
    mm_module *module = mm_module_of(self);
    size_t count = self->mean_option.count;
    int64_t sizes[] = {(int64_t)count, 1, 1};

    if (self->std_option.data == NULL || self->std_option.count != count ||
        count == 0 || count > MAX_MEAN) {
        return mm_raise(MM_EINVAL,
                        "mean and std need equally many values (1 to %d), got "
                        "%zu and %zu",
                        MAX_MEAN, count, self->std_option.count);
    }
    self->num_mean = (int)count;
    for (size_t i = 0; i < count; i++) {
        self->mean[i] = (float)self->mean_option.data[i];
        self->std[i] = (float)self->std_option.data[i];
    }
    mm_module_add_buffer(module, "mean", mm_from_f32(self->mean, 3, sizes), false);
    mm_module_add_buffer(module, "std", mm_from_f32(self->std, 3, sizes), false);
    return mm_pending();
}

static mm_status preprocessor_init(void *data)
{
    struct preprocessor *self = data;

    if (mm_value_is_true(self->batch_augments)) {
        return mm_raise(MM_EUNSUPPORTED,
                        "batch_augments: Mixup and CutMix are not built "
                        "yet");
    }
    (void)mm_module_of(self);
    return self->mean_option.data != NULL ? add_statistics(self) : mm_pending();
}

/* --- labels --- */

/* [C] i64: how often each class occurs among the labels of one sample. */
static mm_tensor *onehot_of(const struct preprocessor *self, mm_data_element *sample)
{
    mm_tensor *label = mm_data_element_get_tensor(sample, "gt_label");
    const mm_value *meta = mm_data_element_find(sample, "num_classes");
    int64_t num_classes = self->num_classes.has ? self->num_classes.value : 0;

    if (num_classes == 0 && !mm_value_is_none(meta)) {
        num_classes = mm_value_i64(meta);
    }
    if (num_classes == 0 && !mm_has_error()) {
        mm_raise(MM_EINVAL, "to_onehot needs num_classes in the data preprocessor");
    }
    return mm_has_error() ? NULL : mm_sum(mm_one_hot(label, num_classes), MM_DIMS(0));
}

static void move_field(mm_data_element *sample, const char *name, const char *device)
{
    mm_value *value = mm_data_element_find(sample, name);
    mm_tensor *tensor = value != NULL ? mm_value_find_tensor(value) : NULL;

    if (tensor != NULL) {
        mm_data_element_put_tensor(sample, name, mm_to(tensor, .device = device));
    }
}

static void prepare_sample(const struct preprocessor *self, mm_data_element *sample,
                           const char *device)
{
    if (self->to_onehot && mm_data_element_find(sample, "gt_score") == NULL &&
        mm_data_element_find(sample, "gt_label") != NULL) {
        mm_tensor *score = onehot_of(self, sample);

        if (score != NULL) {
            mmz_set_score(sample, "gt_score", score, mm_size(score, 0));
        }
    }
    if (strcmp(device, "cpu") != 0) {
        move_field(sample, "gt_label", device);
        move_field(sample, "gt_score", device);
    }
}

static mm_status prepare_samples(const struct preprocessor *self, mm_value *samples,
                                 const char *device)
{
    bool is_list = mm_value_kind(samples) == MM_KIND_LIST;
    size_t count = is_list ? mm_value_len(samples) : 0;

    if (!self->to_onehot && strcmp(device, "cpu") == 0) {
        return mm_pending(); /* nothing to do */
    }
    for (size_t i = 0; i < count && !mm_has_error(); i++) {
        mm_data_element *sample = mm_value_find_data_element(mm_list_get(samples, i));

        if (sample != NULL) {
            prepare_sample(self, sample, device);
        }
    }
    return mm_pending();
}

/* --- batches --- */

static mm_value *process(void *data, mm_value *batch, bool training)
{
    const struct preprocessor *self = data;
    const char *device = mm_module_device(mm_module_of(self));

    (void)training;
    if (mm_value_kind(batch) != MM_KIND_DICT) {
        mm_raise(MM_ETYPE, "could not preprocess a batch: expected a dict, got %s",
                 mm_value_type_name(batch));
        return NULL;
    }
    mm_tensor *inputs = mm_stack_images(
        mm_dict_get(batch, "inputs"), .mean = self->num_mean > 0 ? self->mean : NULL,
        .std = self->std, .num_mean = self->num_mean, .swap_channels = self->to_rgb,
        .pad_size_divisor = self->pad_size_divisor, .pad_value = self->pad_value,
        .device = device);
    mm_value *samples = mm_dict_find(batch, "data_samples");

    if (inputs == NULL || prepare_samples(self, samples, device) != MM_OK) {
        return NULL;
    }
    mm_value *out = mm_scoped(mm_value_new_dict());

    mm_dict_put_tensor(out, "inputs", inputs);
    if (samples != NULL) {
        mm_dict_put(out, "data_samples", samples);
    } else {
        mm_dict_take(out, "data_samples", mm_value_new_none());
    }
    return mm_has_error() ? NULL : out;
}

static const mm_preprocessor_ops ops = {.process = process};

#define MM_OPT_STRUCT struct preprocessor
static const mm_option options[] = {
    {"mean", "mean per channel; None: no normalisation",
     MM_OPT_F64S(mean_option, NULL)},
    {"std", "standard deviation per channel", MM_OPT_F64S(std_option, NULL)},
    {"pad_size_divisor", "height and width become multiples of it",
     MM_OPT_I64(pad_size_divisor, 1, 1, INT64_MAX)},
    {"pad_value", "value of the border",
     MM_OPT_F64(pad_value, 0.0, -INFINITY, INFINITY)},
    {"to_rgb", "reverse the channels of colour images", MM_OPT_BOOL(to_rgb, false)},
    {"to_onehot", "add one-hot labels as gt_score", MM_OPT_BOOL(to_onehot, false)},
    {"num_classes", "number of classes, for to_onehot",
     MM_OPT_I64_OR_NONE(num_classes, 1, INT64_MAX)},
    {"batch_augments", "Mixup and CutMix; not built yet", MM_OPT_VALUE(batch_augments)},
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmz_cls_data_preprocessor = {
    .registry = "models",
    .scope = "mmpretrain",
    .name = "ClsDataPreprocessor",
    .help = "normalises, pads and stacks images of a classification batch",
    .source = "mmpretrain/models/utils/data_preprocessor.py",
    .size = sizeof(struct preprocessor),
    .options = options,
    .init = preprocessor_init,
    MM_PREPROCESSOR(&ops),
};
