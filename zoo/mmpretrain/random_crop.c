/* RandomCrop: pads if asked, then cuts a part at a random place. Offsets are drawn from
 * the sample's own generator. Source: mmpretrain/datasets/transforms/processing.py. */
#include "common/image.h"
#include "mmengine/dataset.h"

struct random_crop {
    int64_t crop_size[2]; /* height, width */
    mm_i64s padding;      /* none, 1, 2 or 4 numbers: left, top, right, bottom */
    bool pad_if_needed;
    mm_f64s pad_val;
    int padding_mode;
};

#define MM_OPT_STRUCT struct random_crop
static const mm_option options[] = {
    {"crop_size", "height and width, in pixels", MM_OPT_I64_N(crop_size, NULL)},
    {"padding",
     "pixels on every side; 2 numbers: sides, top and bottom; 4: left, top, "
     "right, bottom",
     MM_OPT_I64S(padding, NULL)},
    {"pad_if_needed", "pad an image that is smaller than the crop",
     MM_OPT_BOOL(pad_if_needed, false)},
    {"pad_val", "value of the border, one or one per channel",
     MM_OPT_F64S(pad_val, "0")},
    {"padding_mode", "how the border is filled",
     MM_OPT_CHOICE(padding_mode, MMZ_PAD_CONSTANT, mmz_pad_modes)},
    {0},
};
#undef MM_OPT_STRUCT

static mm_status init(void *data)
{
    const struct random_crop *self = data;
    size_t count = self->padding.count;

    if (self->crop_size[0] < 1 || self->crop_size[1] < 1)
        return mm_raise(MM_ECONFIG, "crop_size must be positive");
    if (count == 3 || count > 4)
        return mm_raise(MM_ECONFIG, "padding takes 1, 2 or 4 numbers, not %zu", count);
    for (size_t i = 0; i < count; i++) {
        if (self->padding.data[i] < 0)
            return mm_raise(MM_ECONFIG, "padding must not be negative");
    }
    return MM_OK;
}

static mmz_border border_of(const mm_i64s *padding)
{
    const int64_t *p = padding->data;

    if (padding->count == 1)
        return (mmz_border){p[0], p[0], p[0], p[0]};
    if (padding->count == 2)
        return (mmz_border){p[0], p[1], p[0], p[1]};
    return (mmz_border){p[0], p[1], p[2], p[3]};
}

static mm_tensor *pad(const struct random_crop *self, mm_tensor *image,
                      mmz_border border, mmz_pad_mode mode)
{
    return mmz_image_pad(image, border, mode, self->pad_val.data, self->pad_val.count);
}

/* Half of what is missing, rounded up, on both sides. */
static int64_t half_missing(int64_t wanted, int64_t there)
{
    return wanted > there ? (wanted - there + 1) / 2 : 0;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static mm_status apply(void *data, mm_sample *sample)
{
    const struct random_crop *self = data;
    mm_tensor *image = mm_sample_get(sample, "img");

    if (image != NULL && self->padding.count > 0)
        image = pad(self, image, border_of(&self->padding), MMZ_PAD_CONSTANT);
    if (image != NULL && self->pad_if_needed) {
        int64_t h = half_missing(self->crop_size[0], mm_size(image, 0));
        int64_t w = half_missing(self->crop_size[1], mm_size(image, 1));

        if (h > 0 || w > 0)
            image = pad(self, image, (mmz_border){w, h, w, h},
                        (mmz_pad_mode)self->padding_mode);
    }
    if (image == NULL)
        return mm_pending();
    int64_t height = smaller(self->crop_size[0], mm_size(image, 0));
    int64_t width = smaller(self->crop_size[1], mm_size(image, 1));
    int64_t top = mm_sample_randint(sample, 0, mm_size(image, 0) - height + 1);
    int64_t left = mm_sample_randint(sample, 0, mm_size(image, 1) - width + 1);

    mmz_image_put(mm_sample_dict(sample),
                  mmz_image_crop(image, top, left, height, width));
    return mm_sample_status(sample);
}

static const mm_transform_ops ops = {.apply = apply};

const mm_component mmz_random_crop = {
    .registry = "transforms",
    .scope = "mmpretrain",
    .name = "RandomCrop",
    .help = "cuts a part of the image at a random place",
    .source = "mmpretrain/datasets/transforms/processing.py",
    .size = sizeof(struct random_crop),
    .options = options,
    .init = init,
    MM_TRANSFORM(&ops),
};
