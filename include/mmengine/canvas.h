/** @file
 * Drawing on a picture in host memory, with smooth edges and text of any size, and PNG
 * files. Needs no other library: shapes and letters are filled by one rasteriser, the
 * font's outlines are part of it.
 *
 * Coordinates are in pixels from the top left corner, x to the right, y down; whole
 * numbers lie between pixels. What reaches beyond the picture is cut off. Drawing
 * cannot fail but for memory: then the error stays pending and mm_canvas_write_png()
 * reports it.
 */
#ifndef MMENGINE_CANVAS_H
#define MMENGINE_CANVAS_H

#include "mmengine/status.h"

MM_BEGIN_DECLS

/** A picture in host memory, 8 bits a channel, rows from the top. Borrowed. */
typedef struct mm_image {
    const uint8_t *data; /**< [height, width, channels], RGB order */
    int64_t height, width;
    int channels;     /**< 1 grey, 3 RGB, 4 RGBA */
    size_t row_bytes; /**< from row to row; 0: width * channels */
} mm_image;

/** Writes a PNG file in one step; folders on the way are made. Errors: MM_EINVAL for a
 * picture without pixels or with 2 channels, MM_EIO. */
MM_API mm_status mm_image_write_png(const mm_image *image, const char *path);

/** A colour; `alpha` 255 covers what is below, 0 leaves it. */
typedef struct mm_color {
    uint8_t red, green, blue, alpha;
} mm_color;

/** A point in pixels. */
typedef struct mm_point {
    double x, y;
} mm_point;

/** A rectangle in pixels. */
typedef struct mm_rect {
    double x, y, width, height;
} mm_rect;

/** An RGB picture to draw on. */
typedef struct mm_canvas mm_canvas;

/** A canvas of one colour; yours. Errors: MM_EINVAL for sizes outside 1..32767. */
MM_API mm_canvas *mm_canvas_new(int64_t width, int64_t height, mm_color background);
/** A canvas with a copy of a picture; yours. */
MM_API mm_canvas *mm_canvas_copy_image(const mm_image *image);
/** NULL is fine. */
MM_API void mm_canvas_free(mm_canvas *canvas);
/** Its pixels, RGB; borrowed until the next call that draws. */
MM_API mm_image mm_canvas_image(const mm_canvas *canvas);
/** Writes it as PNG. Reports what drawing ran into. */
MM_API mm_status mm_canvas_write_png(const mm_canvas *canvas, const char *path);

/** Fills a rectangle. */
MM_API void mm_canvas_fill_rect(mm_canvas *canvas, mm_rect rect, mm_color color);
/** Fills a polygon, closed by itself; parts that wind around twice are filled too. */
MM_API void mm_canvas_fill_polygon(mm_canvas *canvas, const mm_point *points,
                                   size_t count, mm_color color);
/** Fills a disc. */
MM_API void mm_canvas_fill_circle(mm_canvas *canvas, mm_point center, double radius,
                                  mm_color color);
/** Draws a line through points, `width` pixels thick, with round ends and corners. */
MM_API void mm_canvas_line(mm_canvas *canvas, const mm_point *points, size_t count,
                           double width, mm_color color);
/** Draws a picture scaled into a rectangle: averaged where it shrinks, in sharp blocks
 * where it grows at least twofold, smooth between. */
MM_API void mm_canvas_put_image(mm_canvas *canvas, const mm_image *image, mm_rect rect);

/** Where a text stands relative to its point. */
typedef enum mm_align { MM_ALIGN_BEGIN, MM_ALIGN_CENTER, MM_ALIGN_END } mm_align;

/** How a text looks; zero is the default of each but `size` and `color`. */
typedef struct mm_text_style {
    double size; /**< required: of the font, in pixels */
    mm_color color;
    mm_align x_align; /**< BEGIN: the point is at the left */
    mm_align y_align; /**< BEGIN: at the top; END: at the baseline of the last line */
    bool is_vertical; /**< turned by a quarter to the left, reads upwards */
} mm_text_style;

/** Draws text of one or several lines, UTF-8. Letters the font lacks show as a box. */
MM_API void mm_canvas_text(mm_canvas *canvas, mm_point at, const char *text,
                           const mm_text_style *style);
/** Width of the widest line in pixels at `size`. */
MM_API double mm_text_width(const char *text, double size);
/** Distance from line to line in pixels at `size`. */
MM_API double mm_text_line_height(double size);

/** One picture of a grid. */
typedef struct mm_grid_cell {
    mm_image image;         /**< required */
    const char *label;      /**< what it is; NULL: not known */
    const char *prediction; /**< what was said; NULL: nothing */
    double score;           /**< of the prediction, shown as per cent; 0: not shown */
} mm_grid_cell;

/** A grid of pictures; zero is the default of each but the first three. */
typedef struct mm_grid_args {
    const char *path;          /**< required: the PNG file */
    const mm_grid_cell *cells; /**< required */
    size_t count;              /**< required: at least 1, at most 10000 */
    size_t columns;            /**< default: as wide as high */
    double cell_size; /**< longer side of each picture in pixels; default 112 */
    const char *title;
} mm_grid_args;

/**
 * Writes pictures with what was predicted below each: a tick in green where it equals
 * the label, else a cross in red with the label beside it.
 */
MM_API mm_status mm_grid_write_png(const mm_grid_args *args);

MM_END_DECLS

#endif
