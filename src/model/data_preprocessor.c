/* Data preprocessors: batches go to the model's device; images become one normalised
 * float tensor. A batch belongs to the loader and the evaluator sees it too, so it is
 * never changed. */
#include "mmengine/model.h"

#include <math.h>
#include <string.h>

#include "base/value_convert.h"
#include "mmengine/ops.h"
#include "mmengine/structures.h"

/* --- moving nested data --- */

struct move {
    const char *device;
    bool non_blocking;
};

static mm_value *tensor_to_device(const mm_value *data, mm_tensor *tensor,
                                  const struct move *move)
{
    mm_tensor *moved =
        mm_to(tensor, .device = move->device, .non_blocking = move->non_blocking);

    return moved == tensor ? mmi_value_keep(data) : mm_value_new_tensor(moved);
}

static mm_value *element_to_device(mm_data_element *element, const char *device)
{
    mm_data_element *moved = mm_data_element_to(element, device);
    mm_value *value = moved != NULL ? mm_value_new_data_element(moved) : NULL;

    mm_data_element_unref(moved);
    return value;
}

static mm_value *to_device(const mm_value *data, void *user)
{
    const struct move *move = user;

    if (mmi_value_is_container(data)) {
        return mmi_value_convert_items(data, to_device, user);
    }
    mm_tensor *tensor = mm_value_find_tensor(data);
    mm_data_element *element = mm_value_find_data_element(data);

    if (tensor != NULL) {
        return tensor_to_device(data, tensor, move);
    }
    return element != NULL ? element_to_device(element, move->device)
                           : mmi_value_keep(data);
}

mm_value *mm_value_to_device(mm_value *data, const char *device, bool non_blocking)
{
    if (mm_has_error()) {
        return NULL;
    }
    if (data == NULL || device == NULL) {
        mm_raise(MM_EINVAL, "could not move data: no %s given",
                 data == NULL ? "data" : "device");
        return NULL;
    }
    return mm_scoped(to_device(data, &(struct move){device, non_blocking}));
}

/* --- BaseDataPreprocessor --- */

struct base_preprocessor {
    bool non_blocking;
};

static mm_value *base_process(void *self, mm_value *batch, bool training)
{
    const struct base_preprocessor *base = self;

    (void)training;
    return mm_value_to_device(batch, mm_module_device(mm_module_of(self)),
                              base->non_blocking);
}

static const mm_preprocessor_ops base_ops = {.process = base_process};

#define MM_OPT_STRUCT struct base_preprocessor
static const mm_option base_options[] = {
    {"non_blocking", "do not wait for transfers, where memory allows it",
     MM_OPT_BOOL(non_blocking, false)},
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmi_model_base_data_preprocessor = {
    .registry = "models",
    .name = "BaseDataPreprocessor",
    .help = "moves batches to the model's device",
    .source = "mmengine/model/base_model/data_preprocessor.py",
    .size = sizeof(struct base_preprocessor),
    .options = base_options,
    MM_PREPROCESSOR(&base_ops),
};

/* --- ImgDataPreprocessor --- */

enum { MAX_MEAN = 3 };

struct img_preprocessor {
    struct base_preprocessor base;
    mm_f64s mean_option;
    mm_f64s std_option;
    int64_t pad_size_divisor;
    double pad_value;
    bool bgr_to_rgb;
    bool rgb_to_bgr;
    int num_mean; /* 0: no normalisation */
    float mean[MAX_MEAN];
    float std[MAX_MEAN];
};

static mm_status check_img(const struct img_preprocessor *img)
{
    if (img->bgr_to_rgb && img->rgb_to_bgr) {
        return mm_raise(MM_EINVAL, "bgr_to_rgb and rgb_to_bgr cannot both be set");
    }
    if ((img->mean_option.data == NULL) != (img->std_option.data == NULL)) {
        return mm_raise(MM_EINVAL, "mean and std must both be set or both be None");
    }
    if (img->mean_option.data != NULL &&
        (img->mean_option.count != img->std_option.count ||
         (img->mean_option.count != 1 && img->mean_option.count != MAX_MEAN))) {
        return mm_raise(MM_EINVAL,
                        "mean and std need 1 or 3 values each, got %zu and %zu",
                        img->mean_option.count, img->std_option.count);
    }
    return MM_OK;
}

static mm_status img_init(void *self)
{
    struct img_preprocessor *img = self;
    mm_module *module = mm_module_of(self);

    if (check_img(img) != MM_OK || img->mean_option.data == NULL) {
        return mm_pending();
    }
    img->num_mean = (int)img->mean_option.count;
    for (int i = 0; i < img->num_mean; i++) {
        img->mean[i] = (float)img->mean_option.data[i];
        img->std[i] = (float)img->std_option.data[i];
    }
    int64_t sizes[] = {img->num_mean, 1, 1};

    mm_module_add_buffer(module, "mean", mm_from_f32(img->mean, 3, sizes), false);
    mm_module_add_buffer(module, "std", mm_from_f32(img->std, 3, sizes), false);
    return mm_pending();
}

static mm_value *img_process(void *self, mm_value *batch, bool training)
{
    const struct img_preprocessor *img = self;
    const char *device = mm_module_device(mm_module_of(self));

    (void)training;
    if (mm_value_kind(batch) != MM_KIND_DICT || !mm_dict_has(batch, "inputs")) {
        mm_raise(MM_ETYPE,
                 "could not preprocess a batch: expected a dict with 'inputs', "
                 "got %s",
                 mm_value_type_name(batch));
        return NULL;
    }
    mm_value *out = mm_scoped(mm_value_new_dict());

    for (size_t i = 0; i < mm_value_len(batch) && !mm_has_error(); i++) {
        const char *name = mm_dict_name_at(batch, i);
        mm_value *value = mm_dict_at(batch, i);

        if (name != NULL && strcmp(name, "inputs") == 0) {
            mm_dict_put_tensor(
                out, name,
                mm_stack_images(value, .mean = img->num_mean > 0 ? img->mean : NULL,
                                .std = img->std, .num_mean = img->num_mean,
                                .swap_channels = img->bgr_to_rgb || img->rgb_to_bgr,
                                .pad_size_divisor = img->pad_size_divisor,
                                .pad_value = img->pad_value, .device = device,
                                .non_blocking = img->base.non_blocking));
        } else {
            mm_dict_put_key(out, mm_dict_key_at(batch, i),
                            mm_value_to_device(value, device, img->base.non_blocking));
        }
    }
    if (!mm_has_error() && !mm_dict_has(out, "data_samples")) {
        mm_dict_take(out, "data_samples", mm_value_new_none());
    }
    return mm_has_error() ? NULL : out;
}

static const mm_preprocessor_ops img_ops = {.process = img_process};

#define MM_OPT_STRUCT struct img_preprocessor
static const mm_option img_options[] = {
    {"mean", "mean per channel, 1 or 3 values; None: no normalisation",
     MM_OPT_F64S(mean_option, NULL)},
    {"std", "standard deviation per channel", MM_OPT_F64S(std_option, NULL)},
    {"pad_size_divisor", "height and width become multiples of it",
     MM_OPT_I64(pad_size_divisor, 1, 1, INT64_MAX)},
    {"pad_value", "value of the border",
     MM_OPT_F64(pad_value, 0.0, -INFINITY, INFINITY)},
    {"bgr_to_rgb", "reverse the channels of colour images",
     MM_OPT_BOOL(bgr_to_rgb, false)},
    {"rgb_to_bgr", "reverse the channels of colour images",
     MM_OPT_BOOL(rgb_to_bgr, false)},
    {"", NULL, MM_OPT_INHERIT(base, base_options)},
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmi_model_img_data_preprocessor = {
    .registry = "models",
    .name = "ImgDataPreprocessor",
    .help = "normalises, pads and stacks images",
    .source = "mmengine/model/base_model/data_preprocessor.py",
    .size = sizeof(struct img_preprocessor),
    .options = img_options,
    .init = img_init,
    MM_PREPROCESSOR(&img_ops),
};
