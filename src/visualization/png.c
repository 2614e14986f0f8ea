/* Writes PNG files: zlib and a hundred lines, so that pictures need no further library.
 * Each row gets the filter whose result has the smallest sum of absolute values, the
 * usual guess at what packs best. */
#include <stdlib.h>
#include <string.h>

#define ZLIB_CONST
#include <zlib.h>

#include "base/checksum.h"
#include "base/str.h"
#include "mmengine/canvas.h"
#include "mmengine/file.h"
#include "visualization/visualization.h"

enum { NUM_FILTERS = 5, MAX_SIDE = 1 << 20 };

static void put_big(mmi_str *out, uint32_t number)
{
    for (int shift = 24; shift >= 0; shift -= 8) {
        mmi_str_add_char(out, (char)(unsigned char)(number >> shift));
    }
}

/* Length, type, data, checksum of type and data. */
static void put_chunk(mmi_str *out, const char *type, const void *data, size_t size)
{
    put_big(out, (uint32_t)size);
    mmi_str_add_n(out, type, 4);
    mmi_str_add_n(out, data, size);
    put_big(out, mmi_crc32(mmi_crc32(0, type, 4), data, size));
}

static int paeth(int left, int up, int corner)
{
    int guess = left + up - corner;
    int by_left = abs(guess - left);
    int by_up = abs(guess - up);
    int by_corner = abs(guess - corner);

    return by_left <= by_up && by_left <= by_corner ? left
           : by_up <= by_corner                     ? up
                                                    : corner;
}

/* One filter over one row; `above` is NULL for the first. Returns the sum. */
static size_t filter_row(int filter, const uint8_t *row, const uint8_t *above,
                         size_t size, size_t pixel, uint8_t *out)
{
    size_t sum = 0;

    out[0] = (uint8_t)filter;
    for (size_t i = 0; i < size; i++) {
        int left = i >= pixel ? row[i - pixel] : 0;
        int up = above != NULL ? above[i] : 0;
        int corner = above != NULL && i >= pixel ? above[i - pixel] : 0;
        int guess = filter == 0   ? 0
                    : filter == 1 ? left
                    : filter == 2 ? up
                    : filter == 3 ? (left + up) / 2
                                  : paeth(left, up, corner);
        out[i + 1] = (uint8_t)(row[i] - guess);
        sum += (size_t)(out[i + 1] < 128 ? out[i + 1] : 256 - out[i + 1]);
    }
    return sum;
}

/* All rows with their filters; mm_free(). */
static uint8_t *filter_image(const mm_image *image, size_t row_size)
{
    size_t height = (size_t)image->height;
    size_t pixel = (size_t)image->channels;
    size_t stride = image->row_bytes != 0 ? image->row_bytes : row_size;
    uint8_t *out = mm_alloc_array(height, row_size + 1);
    uint8_t *trial = mm_alloc(row_size + 1);

    for (size_t y = 0; out != NULL && trial != NULL && y < height; y++) {
        const uint8_t *row = image->data + y * stride;
        const uint8_t *above = y > 0 ? row - stride : NULL;
        uint8_t *best = out + y * (row_size + 1);
        size_t least = filter_row(0, row, above, row_size, pixel, best);
        for (int filter = 1; filter < NUM_FILTERS; filter++) {
            size_t sum = filter_row(filter, row, above, row_size, pixel, trial);
            if (sum < least) {
                least = sum;
                memcpy(best, trial, row_size + 1);
            }
        }
    }
    mm_free(trial);
    if (mmi_is_pending()) {
        mm_free(out);
        return NULL;
    }
    return out;
}

static void put_pixels(mmi_str *out, const mm_image *image)
{
    size_t row_size = (size_t)image->width * (size_t)image->channels;
    size_t size = (row_size + 1) * (size_t)image->height;
    uint8_t *rows = filter_image(image, row_size);
    uLongf packed_size = compressBound((uLong)size);
    uint8_t *packed = rows != NULL ? mm_alloc(packed_size) : NULL;

    if (packed != NULL) {
        if (compress2(packed, &packed_size, rows, (uLong)size, 6) == Z_OK) {
            put_chunk(out, "IDAT", packed, packed_size);
        } else {
            mm_raise(MM_ENOMEM, "out of memory while packing a picture");
        }
    }
    mm_free(packed);
    mm_free(rows);
}

static void put_header(mmi_str *out, const mm_image *image)
{
    static const char color_types[] = {0, 0, 0, 2, 6};
    mmi_str header = {0};

    put_big(&header, (uint32_t)image->width);
    put_big(&header, (uint32_t)image->height);
    mmi_str_add_char(&header, 8); /* bits a channel */
    mmi_str_add_char(&header, color_types[image->channels]);
    mmi_str_add_n(&header, "\0\0\0", 3); /* deflate, the usual filters, no interlace */
    put_chunk(out, "IHDR", mmi_str_text(&header), header.size);
    mmi_str_deinit(&header);
}

static bool is_valid(const mm_image *image)
{
    bool has_pixels = image->width > 0 && image->height > 0 &&
                      image->width <= MAX_SIDE && image->height <= MAX_SIDE;
    bool has_form =
        image->channels == 1 || image->channels == 3 || image->channels == 4;

    if (!has_pixels || !has_form) {
        mm_raise(MM_EINVAL, "no PNG can be made of a picture of %d x %d x %d",
                 (int)image->height, (int)image->width, image->channels);
    }
    return has_pixels && has_form;
}

mm_status mmi_image_to_png(const mm_image *image, mmi_str *out)
{
    if (MMI_NEED(image) && MMI_NEED(image->data) && is_valid(image)) {
        mmi_str_add_n(out, "\x89PNG\r\n\x1a\n", 8);
        put_header(out, image);
        put_pixels(out, image);
        put_chunk(out, "IEND", "", 0);
    }
    return mm_pending();
}

mm_status mm_image_write_png(const mm_image *image, const char *path)
{
    mmi_str out = {0};

    if (!MMI_NEED(path) || mmi_image_to_png(image, &out) < 0) {
        mmi_str_deinit(&out);
        return mm_pending();
    }
    size_t size = out.size;
    char *data = mmi_str_take(&out);
    char *folder = data != NULL ? mm_path_dirname(path) : NULL;
    if (folder != NULL && (folder[0] == '\0' || mm_make_dirs(folder) == MM_OK)) {
        mm_status status = mm_file_write(path, data, size);
        (void)status; /* pending, as all failures here */
    }
    mm_free(folder);
    mm_free(data);
    return mm_pending();
}
