/* Crop, flip and pad of images in host memory. Elements are moved as they are, whatever
 * their type; rows are copied, never single elements where a row will do. */
#include <string.h>

#include "common/image.h"

const mm_choice mmz_pad_modes[] = {
    {"constant", MMZ_PAD_CONSTANT, "one value"},
    {"edge", MMZ_PAD_EDGE, "the nearest pixel"},
    {"reflect", MMZ_PAD_REFLECT, "mirrored, the edge once"},
    {"symmetric", MMZ_PAD_SYMMETRIC, "mirrored, the edge twice"},
    {0},
};

static mm_status image_info(mm_tensor *image, mm_tensor_info *out)
{
    if (mm_tensor_info_get(image, out) < 0)
        return mm_pending();
    if (out->ndim != 2 && out->ndim != 3)
        return mm_raise(MM_ESHAPE, "an image has 2 or 3 dimensions, not %d", out->ndim);
    if (!out->is_cpu)
        return mm_raise(MM_ESTATE, "an image must lie in host memory, not on %s",
                        out->device);
    if (out->ndim == 2) {
        out->sizes[2] = 1;
        out->strides[2] = 1;
    }
    return MM_OK;
}

mm_tensor *mmz_image_crop(mm_tensor *image, int64_t top, int64_t left, int64_t height,
                          int64_t width)
{
    mm_tensor_info info;

    if (image_info(image, &info) < 0)
        return NULL;
    if (top < 0 || left < 0 || height < 0 || width < 0 ||
        top > info.sizes[0] - height || left > info.sizes[1] - width) {
        (void)mm_raise(MM_ERANGE,
                       "a crop of %lldx%lld at (%lld, %lld) leaves the image of "
                       "%lldx%lld",
                       (long long)height, (long long)width, (long long)top,
                       (long long)left, (long long)info.sizes[0],
                       (long long)info.sizes[1]);
        return NULL;
    }
    int64_t sizes[] = {height, width, info.sizes[2]};
    int64_t offset = top * info.strides[0] + left * info.strides[1];

    return mm_view_storage(image, info.ndim, sizes, info.strides,
                           info.storage_offset + offset);
}

/* A contiguous tensor of the image's type and channels. */
static mm_tensor *new_image(const mm_tensor_info *like, int64_t height, int64_t width,
                            char **out_data)
{
    int64_t sizes[] = {height, width, like->sizes[2]};
    mm_tensor *tensor = mm_empty(like->dtype, like->ndim, sizes);

    *out_data = tensor == NULL ? NULL : mm_data(tensor, MM_DTYPE_NONE);
    return tensor;
}

/* Copies pixel (y, x) of the image. */
static void copy_pixel(const mm_tensor_info *info, int64_t y, int64_t x, char *out,
                       size_t element)
{
    const char *pixel = (const char *)info->data +
                        (size_t)(y * info->strides[0] + x * info->strides[1]) * element;

    if (info->strides[2] == 1) {
        memcpy(out, pixel, (size_t)info->sizes[2] * element);
        return;
    }
    for (int64_t c = 0; c < info->sizes[2]; c++)
        memcpy(out + (size_t)c * element,
               pixel + (size_t)(c * info->strides[2]) * element, element);
}

mm_tensor *mmz_image_flip(mm_tensor *image, bool horizontal, bool vertical)
{
    mm_tensor_info info;
    char *out = NULL;

    if (image_info(image, &info) < 0)
        return NULL;
    int64_t height = info.sizes[0], width = info.sizes[1];
    size_t element = mm_dtype_size(info.dtype);
    size_t pixel = (size_t)info.sizes[2] * element;
    mm_tensor *flipped = new_image(&info, height, width, &out);

    for (int64_t y = 0; out != NULL && y < height; y++) {
        for (int64_t x = 0; x < width; x++, out += pixel)
            copy_pixel(&info, vertical ? height - 1 - y : y,
                       horizontal ? width - 1 - x : x, out, element);
    }
    return flipped;
}

/* Where a position outside [0, size) reads from; -1: the constant. */
static int64_t source(int64_t at, int64_t size, mmz_pad_mode mode)
{
    if (at >= 0 && at < size)
        return at;
    if (mode == MMZ_PAD_CONSTANT || size == 0)
        return -1;
    if (mode == MMZ_PAD_EDGE || size == 1)
        return at < 0 ? 0 : size - 1;
    int64_t period = mode == MMZ_PAD_REFLECT ? 2 * size - 2 : 2 * size;
    int64_t turned = ((at % period) + period) % period;

    if (turned < size)
        return turned;
    return mode == MMZ_PAD_REFLECT ? period - turned : period - 1 - turned;
}

/* Writes a number as an element of the image's type. */
static mm_status put_number(char *out, mm_dtype dtype, double value)
{
    uint8_t byte = (uint8_t)value;
    float single = (float)value;

    if (dtype == MM_DTYPE_U8)
        memcpy(out, &byte, sizeof(byte));
    else if (dtype == MM_DTYPE_F32)
        memcpy(out, &single, sizeof(single));
    else if (dtype == MM_DTYPE_F64)
        memcpy(out, &value, sizeof(value));
    else if (value == 0.0)
        memset(out, 0, mm_dtype_size(dtype));
    else
        return mm_raise(MM_EDTYPE, "could not pad an image of %s with %g",
                        mm_dtype_name(dtype), value);
    return MM_OK;
}

enum { MAX_CHANNELS = 64 };

/* The border's pixel, all channels. */
static mm_status border_pixel(const mm_tensor_info *info, const double *values,
                              size_t num_values, char *out)
{
    size_t element = mm_dtype_size(info->dtype);
    size_t channels = (size_t)info->sizes[2];

    if (channels > MAX_CHANNELS)
        return mm_raise(MM_ESHAPE, "could not pad an image of %zu channels", channels);
    if (num_values > 1 && num_values != channels)
        return mm_raise(MM_ESHAPE, "%zu pad values for %zu channels", num_values,
                        channels);
    for (size_t c = 0; c < channels; c++) {
        double value = num_values == 0 ? 0.0 : values[num_values == 1 ? 0 : c];

        if (put_number(out + c * element, info->dtype, value) < 0)
            return mm_pending();
    }
    return MM_OK;
}

mm_tensor *mmz_image_pad(mm_tensor *image, mmz_border border, mmz_pad_mode mode,
                         const double *values, size_t num_values)
{
    char constant[MAX_CHANNELS * sizeof(double)];
    mm_tensor_info info;
    char *out = NULL;

    if (image_info(image, &info) < 0 ||
        border_pixel(&info, values, num_values, constant) < 0)
        return NULL;
    int64_t height = info.sizes[0] + border.top + border.bottom;
    int64_t width = info.sizes[1] + border.left + border.right;
    size_t element = mm_dtype_size(info.dtype);
    size_t pixel = (size_t)info.sizes[2] * element;
    mm_tensor *padded = new_image(&info, height, width, &out);

    for (int64_t y = 0; out != NULL && y < height; y++) {
        int64_t from_y = source(y - border.top, info.sizes[0], mode);

        for (int64_t x = 0; x < width; x++, out += pixel) {
            int64_t from_x = source(x - border.left, info.sizes[1], mode);

            if (from_y < 0 || from_x < 0)
                memcpy(out, constant, pixel);
            else
                copy_pixel(&info, from_y, from_x, out, element);
        }
    }
    return padded;
}

void mmz_image_put(mm_value *sample, mm_tensor *image)
{
    mm_value *shape = mm_value_new_tuple();

    mm_list_push(shape, mm_value_new_i64(mm_size(image, 0)));
    mm_list_push(shape, mm_value_new_i64(mm_size(image, 1)));
    mm_dict_put_tensor(sample, "img", image);
    mm_dict_take(sample, "img_shape", shape);
}
