/* Images as tensors [H, W, C] or [H, W] in host memory: what transforms share. Results
 * are scope-owned. Errors: MM_ESHAPE for other shapes, MM_ESTATE for other memory. */
#ifndef MMZ_COMMON_IMAGE_H
#define MMZ_COMMON_IMAGE_H

#include "mmengine/component.h"
#include "mmengine/tensor.h"

/* How the border of a padded image is filled. */
typedef enum mmz_pad_mode {
    MMZ_PAD_CONSTANT,
    MMZ_PAD_EDGE,     /* aaa|abcd|ddd */
    MMZ_PAD_REFLECT,  /* dcb|abcd|cba */
    MMZ_PAD_SYMMETRIC /* cba|abcd|dcb */
} mmz_pad_mode;

/* Names of the modes in configs. */
extern const mm_choice mmz_pad_modes[];

/* Pixels added at each side. */
typedef struct mmz_border {
    int64_t left, top, right, bottom;
} mmz_border;

/* The part that begins at (top, left): a view. */
mm_tensor *mmz_image_crop(mm_tensor *image, int64_t top, int64_t left, int64_t height,
                          int64_t width);
/* A copy, mirrored left to right, top to bottom, or both. */
mm_tensor *mmz_image_flip(mm_tensor *image, bool horizontal, bool vertical);
/* A copy with a border. `values`: one number for all channels, or one each; may be
 * NULL: zero. */
mm_tensor *mmz_image_pad(mm_tensor *image, mmz_border border, mmz_pad_mode mode,
                         const double *values, size_t num_values);
/* Puts "img" and, as a tuple (H, W), "img_shape" into the sample's dict. */
void mmz_image_put(mm_value *sample, mm_tensor *image);

#endif
