/* MMCV's transforms of plain images: RandomFlip, CenterCrop, Pad, Normalize. Their
 * names stand in the root registry, as in MMCV. Source: mmcv/transforms/processing.py.
 */
#include <string.h>

#include "common/image.h"
#include "mmengine/dataset.h"
#include "mmengine/ops.h"

/* RandomFlip */

enum { HORIZONTAL, VERTICAL, DIAGONAL };

struct random_flip {
    mm_f64s prob;      /* one, or one per direction */
    mm_strs direction; /* names */
    mm_value *swap_seg_labels;
};

#define MM_OPT_STRUCT struct random_flip
static const mm_option flip_options[] = {
    {"prob", "chance of a flip; a list: of each direction", MM_OPT_F64S(prob, NULL)},
    {"direction", "'horizontal', 'vertical', 'diagonal', or a list of them",
     MM_OPT_STRS(direction, "('horizontal',)")},
    {"swap_seg_labels", "accepted for segmentation", MM_OPT_VALUE(swap_seg_labels)},
    {0},
};
#undef MM_OPT_STRUCT

static const char *const directions[] = {"horizontal", "vertical", "diagonal"};

static int direction_of(const char *name)
{
    for (int i = 0; i < 3; i++) {
        if (strcmp(name, directions[i]) == 0)
            return i;
    }
    (void)mm_raise(MM_ECONFIG, "unknown direction of a flip: '%s'", name);
    (void)mm_error_hint("'horizontal', 'vertical' or 'diagonal'");
    return -1;
}

static mm_status flip_init(void *data)
{
    const struct random_flip *self = data;
    double sum = 0.0;

    for (size_t i = 0; i < self->direction.count; i++) {
        if (direction_of(self->direction.data[i]) < 0)
            return mm_pending();
    }
    for (size_t i = 0; i < self->prob.count; i++)
        sum += self->prob.data[i];
    if (self->prob.count == 0)
        return mm_raise(MM_ECONFIG, "RandomFlip needs prob");
    if (self->prob.count > 1 && self->prob.count != self->direction.count)
        return mm_raise(MM_ECONFIG, "%zu chances for %zu directions", self->prob.count,
                        self->direction.count);
    if (sum < 0.0 || sum > 1.0)
        return mm_raise(MM_ECONFIG, "chances of a flip add up to %g, not 0 to 1", sum);
    return MM_OK;
}

/* The direction drawn, or -1 for none. */
static int choose(const struct random_flip *self, mm_sample *sample)
{
    double draw = mm_sample_uniform(sample);
    size_t count = self->direction.count;

    for (size_t i = 0; i < count; i++) {
        double share = self->prob.count == 1 ? self->prob.data[0] / (double)count
                                             : self->prob.data[i];

        if (draw < share)
            return direction_of(self->direction.data[i]);
        draw -= share;
    }
    return -1;
}

static mm_status flip_apply(void *data, mm_sample *sample)
{
    mm_tensor *image = mm_sample_get(sample, "img");
    int direction = image == NULL ? -1 : choose(data, sample);
    mm_value *flag = mm_value_new_bool(direction >= 0);

    mm_sample_put_value(sample, "flip", flag);
    mm_value_unref(flag);
    if (direction < 0)
        return mm_sample_status(sample);
    mm_sample_put_str(sample, "flip_direction", directions[direction]);
    mm_sample_put(
        sample, "img",
        mmz_image_flip(image, direction != VERTICAL, direction != HORIZONTAL));
    return mm_sample_status(sample);
}

/* CenterCrop */

struct center_crop {
    int64_t crop_size[2]; /* width, height */
    bool auto_pad;
    mm_value *pad_cfg;
    bool clip_object_border;
};

#define MM_OPT_STRUCT struct center_crop
static const mm_option center_options[] = {
    {"crop_size", "width and height, in pixels", MM_OPT_I64_N(crop_size, NULL)},
    {"auto_pad", "pad an image that is smaller", MM_OPT_BOOL(auto_pad, false)},
    {"pad_cfg", "accepted: the border is zero", MM_OPT_VALUE(pad_cfg)},
    {"clip_object_border", "accepted for detection",
     MM_OPT_BOOL(clip_object_border, true)},
    {0},
};
#undef MM_OPT_STRUCT

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static mm_status center_apply(void *data, mm_sample *sample)
{
    const struct center_crop *self = data;
    mm_tensor *image = mm_sample_get(sample, "img");

    if (image == NULL)
        return mm_pending();
    int64_t height = self->crop_size[1], width = self->crop_size[0];
    if (self->auto_pad) {
        mmz_border border = {0};

        border.bottom = height > mm_size(image, 0) ? height - mm_size(image, 0) : 0;
        border.right = width > mm_size(image, 1) ? width - mm_size(image, 1) : 0;
        image = mmz_image_pad(image, border, MMZ_PAD_CONSTANT, NULL, 0);
    }
    height = smaller(height, mm_size(image, 0));
    width = smaller(width, mm_size(image, 1));
    mmz_image_put(mm_sample_dict(sample),
                  mmz_image_crop(image, (mm_size(image, 0) - height) / 2,
                                 (mm_size(image, 1) - width) / 2, height, width));
    return mm_sample_status(sample);
}

/* Pad */

struct pad {
    mm_i64s size; /* width, height */
    mm_maybe_i64 size_divisor;
    bool pad_to_square;
    mm_value *pad_val; /* number, or dict(img=...) */
    int padding_mode;
};

#define MM_OPT_STRUCT struct pad
static const mm_option pad_options[] = {
    {"size", "width and height to pad to", MM_OPT_I64S(size, NULL)},
    {"size_divisor", "pad to multiples of this",
     MM_OPT_I64_OR_NONE(size_divisor, 1, INT64_MAX)},
    {"pad_to_square", "pad to a square", MM_OPT_BOOL(pad_to_square, false)},
    {"pad_val", "value of the border, or dict(img=value); default 0",
     MM_OPT_VALUE(pad_val)},
    {"padding_mode", "how the border is filled",
     MM_OPT_CHOICE(padding_mode, MMZ_PAD_CONSTANT, mmz_pad_modes)},
    {0},
};
#undef MM_OPT_STRUCT

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t round_up(int64_t size, int64_t divisor)
{
    return (size + divisor - 1) / divisor * divisor;
}

/* The border's values from a number, a list, or the "img" of a dict. */
static size_t pad_values(const mm_value *value, double out[4])
{
    if (mm_value_kind(value) == MM_KIND_DICT)
        value = mm_dict_find(value, "img");
    mm_kind kind = mm_value_kind(value);

    if (value == NULL)
        return 0;
    if (kind != MM_KIND_LIST && kind != MM_KIND_TUPLE) {
        out[0] = mm_value_f64(value);
        return 1;
    }
    size_t count = mm_value_len(value);

    for (size_t i = 0; i < count && i < 4; i++)
        out[i] = mm_value_f64(mm_list_get(value, i));
    return count < 4 ? count : 4;
}

static mm_status pad_apply(void *data, mm_sample *sample)
{
    const struct pad *self = data;
    mm_tensor *image = mm_sample_get(sample, "img");
    double values[4] = {0};
    size_t num_values = pad_values(self->pad_val, values);

    if (image == NULL || mm_has_error())
        return mm_pending();
    int64_t height = mm_size(image, 0), width = mm_size(image, 1);
    mmz_border border = {.right = width, .bottom = height};

    if (self->pad_to_square)
        width = height = larger(width, height);
    if (self->size.count > 0) {
        width = larger(width, self->size.data[0]);
        height = larger(height, self->size.data[self->size.count - 1]);
    }
    if (self->size_divisor.has) {
        width = round_up(width, self->size_divisor.value);
        height = round_up(height, self->size_divisor.value);
    }
    border.right = width - border.right;
    border.bottom = height - border.bottom;
    mmz_image_put(mm_sample_dict(sample),
                  mmz_image_pad(image, border, (mmz_pad_mode)self->padding_mode, values,
                                num_values));
    return mm_sample_status(sample);
}

/* Normalize */

struct normalize {
    mm_f64s mean, std;
    bool to_rgb;
};

#define MM_OPT_STRUCT struct normalize
static const mm_option normalize_options[] = {
    {"mean", "of each channel", MM_OPT_F64S(mean, NULL)},
    {"std", "of each channel", MM_OPT_F64S(std, NULL)},
    {"to_rgb", "swap the first and the third channel first", MM_OPT_BOOL(to_rgb, true)},
    {0},
};
#undef MM_OPT_STRUCT

static mm_status normalize_init(void *data)
{
    const struct normalize *self = data;

    if (self->mean.count == 0 || self->mean.count != self->std.count)
        return mm_raise(MM_ECONFIG, "Normalize needs mean and std, equally many");
    return MM_OK;
}

static mm_status normalize_apply(void *data, mm_sample *sample)
{
    const struct normalize *self = data;
    mm_tensor *image = mm_cast(mm_sample_get(sample, "img"), MM_DTYPE_F32);
    mm_tensor_info info;

    if (image == NULL || mm_tensor_info_get(image, &info) < 0)
        return mm_pending();
    int64_t channels = info.ndim == 3 ? info.sizes[2] : 1;
    int64_t stride = info.ndim == 3 ? info.strides[2] : 1;
    mm_tensor *normal = mm_empty(MM_DTYPE_F32, info.ndim, info.sizes);
    float *out = normal == NULL ? NULL : mm_data(normal, MM_DTYPE_F32);

    if (self->mean.count != 1 && (int64_t)self->mean.count != channels)
        return mm_raise(MM_ESHAPE, "%zu means for %lld channels", self->mean.count,
                        (long long)channels);
    for (int64_t y = 0; out != NULL && y < info.sizes[0]; y++) {
        for (int64_t x = 0; x < info.sizes[1]; x++) {
            const float *pixel =
                (const float *)info.data + y * info.strides[0] + x * info.strides[1];

            for (int64_t c = 0; c < channels; c++) {
                int64_t from = self->to_rgb && channels == 3 ? 2 - c : c;
                size_t k = self->mean.count == 1 ? 0 : (size_t)c;

                *out++ = (float)(((double)pixel[from * stride] - self->mean.data[k]) /
                                 self->std.data[k]);
            }
        }
    }
    mm_sample_put(sample, "img", normal);
    return mm_sample_status(sample);
}

static const mm_transform_ops flip_ops = {.apply = flip_apply};
static const mm_transform_ops center_ops = {.apply = center_apply};
static const mm_transform_ops pad_ops = {.apply = pad_apply};
static const mm_transform_ops normalize_ops = {.apply = normalize_apply};

const mm_component mmz_random_flip = {
    .registry = "transforms",
    .name = "RandomFlip",
    .help = "mirrors the image by chance",
    .source = "mmcv/transforms/processing.py",
    .size = sizeof(struct random_flip),
    .options = flip_options,
    .init = flip_init,
    MM_TRANSFORM(&flip_ops),
};

const mm_component mmz_center_crop = {
    .registry = "transforms",
    .name = "CenterCrop",
    .help = "cuts the middle of the image",
    .source = "mmcv/transforms/processing.py",
    .size = sizeof(struct center_crop),
    .options = center_options,
    MM_TRANSFORM(&center_ops),
};

const mm_component mmz_pad = {
    .registry = "transforms",
    .name = "Pad",
    .help = "adds a border at the right and the bottom",
    .source = "mmcv/transforms/processing.py",
    .size = sizeof(struct pad),
    .options = pad_options,
    MM_TRANSFORM(&pad_ops),
};

const mm_component mmz_normalize = {
    .registry = "transforms",
    .name = "Normalize",
    .help = "subtracts the mean and divides by the deviation, per channel",
    .source = "mmcv/transforms/processing.py",
    .size = sizeof(struct normalize),
    .options = normalize_options,
    .init = normalize_init,
    MM_TRANSFORM(&normalize_ops),
};
