/* Reads the PNG files that the library writes: 8 bits, not interlaced. For tests: any
 * fault fails the test. */
#ifndef TESTS_VISUALIZATION_PNG_READER_H
#define TESTS_VISUALIZATION_PNG_READER_H

#include "check.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "mmengine/file.h"

struct png {
    unsigned width, height, channels;
    unsigned char *pixels; /* free() */
};

static inline unsigned png_big(const unsigned char *at)
{
    return (unsigned)at[0] << 24 | (unsigned)at[1] << 16 | (unsigned)at[2] << 8 | at[3];
}

static inline unsigned char png_guess(int filter, int left, int up, int corner)
{
    int p = left + up - corner;
    int a = abs(p - left);
    int b = abs(p - up);
    int c = abs(p - corner);

    switch (filter) {
    case 0:
        return 0;
    case 1:
        return (unsigned char)left;
    case 2:
        return (unsigned char)up;
    case 3:
        return (unsigned char)((left + up) / 2);
    default:
        assert_int_equal(filter, 4);
        return (unsigned char)(a <= b && a <= c ? left : b <= c ? up : corner);
    }
}

static inline void png_unfilter(struct png *png, const unsigned char *rows)
{
    size_t size = (size_t)png->width * png->channels;

    for (size_t y = 0; y < png->height; y++) {
        const unsigned char *row = rows + y * (size + 1);
        unsigned char *out = png->pixels + y * size;
        for (size_t i = 0; i < size; i++) {
            int left = i >= png->channels ? out[i - png->channels] : 0;
            int up = y > 0 ? out[i - size] : 0;
            int corner =
                y > 0 && i >= png->channels ? (out - size)[i - png->channels] : 0;
            out[i] = (unsigned char)(row[i + 1] + png_guess(row[0], left, up, corner));
        }
    }
}

static inline struct png png_read(const char *path)
{
    static const unsigned char_types[] = {1, 0, 3, 0, 0, 0, 4};
    struct png png = {0};
    size_t size = 0;
    unsigned char *data = (unsigned char *)mm_file_read(path, &size);

    check_ok();
    assert_memory_equal(data, "\x89PNG\r\n\x1a\n", 8);
    for (size_t at = 8; at < size;) {
        unsigned length = png_big(data + at);
        const unsigned char *type = data + at + 4;
        assert_true(at + 12 + length <= size);
        assert_int_equal(png_big(type + 4 + length), crc32(0, type, length + 4));
        if (memcmp(type, "IHDR", 4) == 0) {
            png.width = png_big(type + 4);
            png.height = png_big(type + 8);
            assert_int_equal(type[12], 8);
            png.channels = char_types[type[13]];
            assert_memory_equal(type + 14, "\0\0\0", 3);
        } else if (memcmp(type, "IDAT", 4) == 0) {
            uLongf rows_size = (uLongf)(png.width * png.channels + 1) * png.height;
            unsigned char *rows = malloc(rows_size);
            assert_int_equal(uncompress(rows, &rows_size, type + 4, length), Z_OK);
            png.pixels = malloc(rows_size);
            png_unfilter(&png, rows);
            free(rows);
        }
        at += 12 + length;
    }
    assert_non_null(png.pixels);
    mm_free(data);
    return png;
}

#endif
