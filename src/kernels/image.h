/** @file
 * Image passes of data preprocessors and transforms: normalisation from bytes to floats
 * and strided copies, of which crop, flip, transpose and channel swap are cases. Images
 * have up to three dimensions, height, width and channels, with any strides in
 * elements; a negative stride walks backwards.
 */
#ifndef MMI_KERNELS_IMAGE_H
#define MMI_KERNELS_IMAGE_H

#include "kernels/kernels.h"
#include "mmengine/parallel.h"

/** Sizes or strides, by name, so that HWC and CHW cannot be mixed up. */
typedef struct mmi_hwc {
    int64_t h;
    int64_t w;
    int64_t c;
} mmi_hwc;

/** What mmi_normalize_u8() works on. */
typedef struct mmi_normalize_args {
    const mmi_kernels *kernels;
    const mm_parallel *parallel; /**< NULL: the caller's thread */
    mmi_hwc sizes;
    const uint8_t *in;
    mmi_hwc in_strides; /**< elements */
    float *out;
    mmi_hwc out_strides; /**< elements */
    const float *mean;   /**< [c], by output channel; NULL: zeros */
    const float *std;    /**< [c], by output channel; NULL: ones */
    bool swap_channels;  /**< output channel k reads input channel c - 1 - k */
} mmi_normalize_args;

/**
 * out = (in - mean) / std, per channel, in the rounding of torch's `(x - mean) / std`
 * on float tensors.
 */
void mmi_normalize_u8(const mmi_normalize_args *args);

/** What mmi_image_copy() works on. */
typedef struct mmi_copy_args {
    const mm_parallel *parallel; /**< NULL: the caller's thread */
    mmi_hwc sizes;
    const void *in; /**< first element to read: for a flip the last one of the axis */
    mmi_hwc in_strides; /**< elements */
    void *out;
    mmi_hwc out_strides;  /**< elements */
    int64_t element_size; /**< bytes: 1, 2, 4 or 8 */
} mmi_copy_args;

/** Copies `sizes` elements. `in` and `out` may not overlap. */
void mmi_image_copy(const mmi_copy_args *args);

/** How the border of a padded image is filled. */
typedef enum mmi_pad_mode {
    MMI_PAD_CONSTANT,
    MMI_PAD_EDGE,     /**< aaa|abcd|ddd */
    MMI_PAD_REFLECT,  /**< dcb|abcd|cba */
    MMI_PAD_SYMMETRIC /**< cba|abcd|dcb */
} mmi_pad_mode;

/** What mmi_image_pad() works on. */
typedef struct mmi_pad_args {
    mmi_copy_args copy; /**< sizes and strides of the image inside the border */
    int64_t top, left;  /**< border before; elements */
    mmi_hwc out_sizes;  /**< of the padded image; `copy.out` is its first element */
    mmi_pad_mode mode;
    const void *fill; /**< [c] elements for MMI_PAD_CONSTANT; NULL: zero bytes */
} mmi_pad_args;

/** Copies an image into a larger one and fills the border. */
void mmi_image_pad(const mmi_pad_args *args);

#endif
