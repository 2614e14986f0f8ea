/* The canvas: RGB pixels, and shapes blended onto them by coverage. */
#include "visualization/canvas.h"

#include <math.h>
#include <string.h>

#include "base/status.h"
#include "mmengine/memory.h"

enum { MAX_SIDE = 32767 };

static uint8_t mix(uint8_t below, uint8_t above, float part)
{
    float mixed = (float)below + ((float)above - (float)below) * part;
    return (uint8_t)(mixed + 0.5F);
}

static void blend_pixel(uint8_t *pixel, mm_color color, float part)
{
    part *= (float)color.alpha / 255.0F;
    pixel[0] = mix(pixel[0], color.red, part);
    pixel[1] = mix(pixel[1], color.green, part);
    pixel[2] = mix(pixel[2], color.blue, part);
}

static uint8_t *pixel_at(const mm_canvas *canvas, int x, int y)
{
    return canvas->pixels + 3 * ((size_t)y * (size_t)canvas->width + (size_t)x);
}

static mm_canvas *new_canvas(int64_t width, int64_t height)
{
    if (width < 1 || height < 1 || width > MAX_SIDE || height > MAX_SIDE) {
        mm_raise(MM_EINVAL, "no canvas of %lld x %lld pixels", (long long)width,
                 (long long)height);
        return NULL;
    }
    mm_canvas *canvas = mm_alloc(sizeof *canvas);
    if (canvas == NULL) {
        return NULL;
    }
    canvas->width = (int)width;
    canvas->height = (int)height;
    canvas->clip = (mmi_box){0, 0, canvas->width, canvas->height};
    canvas->pixels = mm_alloc_array(3 * (size_t)width, (size_t)height);
    if (canvas->pixels == NULL) {
        mm_free(canvas);
        return NULL;
    }
    return canvas;
}

mm_canvas *mm_canvas_new(int64_t width, int64_t height, mm_color background)
{
    mm_canvas *canvas = mmi_is_pending() ? NULL : new_canvas(width, height);

    for (size_t i = 0; canvas != NULL && i < (size_t)(width * height); i++) {
        canvas->pixels[3 * i] = background.red;
        canvas->pixels[3 * i + 1] = background.green;
        canvas->pixels[3 * i + 2] = background.blue;
    }
    return canvas;
}

mm_canvas *mm_canvas_copy_image(const mm_image *image)
{
    mm_canvas *canvas = NULL;

    if (MMI_NEED(image) && MMI_NEED(image->data)) {
        canvas = new_canvas(image->width, image->height);
    }
    if (canvas != NULL) {
        mm_canvas_put_image(
            canvas, image,
            (mm_rect){0.0, 0.0, (double)image->width, (double)image->height});
    }
    return canvas;
}

void mm_canvas_free(mm_canvas *canvas)
{
    if (canvas != NULL) {
        mm_free(canvas->pixels);
        mm_free(canvas);
    }
}

mm_image mm_canvas_image(const mm_canvas *canvas)
{
    if (canvas == NULL) {
        return (mm_image){0};
    }
    return (mm_image){.data = canvas->pixels,
                      .height = canvas->height,
                      .width = canvas->width,
                      .channels = 3};
}

mm_status mm_canvas_write_png(const mm_canvas *canvas, const char *path)
{
    if (!MMI_NEED(canvas)) {
        return mm_pending();
    }
    mm_image image = mm_canvas_image(canvas);
    return mm_image_write_png(&image, path);
}

void mmi_canvas_set_clip(mm_canvas *canvas, const mm_rect *rect)
{
    mmi_box all = {0, 0, canvas->width, canvas->height};

    canvas->clip = rect == NULL ? all
                                : mmi_box_of(rect->x, rect->y, rect->x + rect->width,
                                             rect->y + rect->height, all);
}

void mmi_canvas_blend(mm_canvas *canvas, const mmi_raster *raster, mm_color color)
{
    for (int y = 0; y < raster->box.height; y++) {
        const float *row = raster->cover + (size_t)y * raster->stride;
        uint8_t *pixel = pixel_at(canvas, raster->box.x, raster->box.y + y);
        for (int x = 0; x < raster->box.width; x++, pixel += 3) {
            if (row[x] > 0.0F) {
                blend_pixel(pixel, color, row[x]);
            }
        }
    }
}

static bool can_draw(const mm_canvas *canvas)
{
    return canvas != NULL && !mmi_is_pending();
}

void mm_canvas_fill_rect(mm_canvas *canvas, mm_rect rect, mm_color color)
{
    mm_point corners[] = {{rect.x, rect.y},
                          {rect.x + rect.width, rect.y},
                          {rect.x + rect.width, rect.y + rect.height},
                          {rect.x, rect.y + rect.height}};

    mm_canvas_fill_polygon(canvas, corners, 4, color);
}

/* Bounds of points, `margin` wider; empty if one of them is no number. */
static mmi_box bounds(const mm_canvas *canvas, const mm_point *points, size_t count,
                      double margin)
{
    double left = INFINITY;
    double top = INFINITY;
    double right = -INFINITY;
    double bottom = -INFINITY;

    for (size_t i = 0; i < count; i++) {
        if (!isfinite(points[i].x) || !isfinite(points[i].y)) {
            return (mmi_box){0, 0, 0, 0};
        }
        left = fmin(left, points[i].x);
        right = fmax(right, points[i].x);
        top = fmin(top, points[i].y);
        bottom = fmax(bottom, points[i].y);
    }
    return mmi_box_of(left - margin, top - margin, right + margin, bottom + margin,
                      canvas->clip);
}

void mm_canvas_fill_polygon(mm_canvas *canvas, const mm_point *points, size_t count,
                            mm_color color)
{
    mmi_raster raster;

    if (!can_draw(canvas) || count < 3 ||
        !mmi_raster_init(&raster, bounds(canvas, points, count, 0.0))) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        mmi_raster_edge(&raster, points[i], points[i + 1 < count ? i + 1 : 0]);
    }
    mmi_raster_finish(&raster);
    mmi_canvas_blend(canvas, &raster, color);
    mmi_raster_deinit(&raster);
}

void mm_canvas_fill_circle(mm_canvas *canvas, mm_point center, double radius,
                           mm_color color)
{
    mm_canvas_line(canvas, &center, 1, 2.0 * radius, color);
}

void mm_canvas_line(mm_canvas *canvas, const mm_point *points, size_t count,
                    double width, mm_color color)
{
    mmi_raster raster;
    double radius = 0.5 * width;

    if (!can_draw(canvas) || count == 0 ||
        !mmi_raster_init(&raster, bounds(canvas, points, count, radius + 1.0))) {
        return;
    }
    for (size_t i = 0; i + 1 < count; i++) {
        mmi_raster_capsule(&raster, points[i], points[i + 1], radius);
    }
    if (count == 1) {
        mmi_raster_capsule(&raster, points[0], points[0], radius);
    }
    mmi_canvas_blend(canvas, &raster, color);
    mmi_raster_deinit(&raster);
}

/* --- pictures --- */

/* A source pixel as a colour; coordinates are kept inside. */
static mm_color source_pixel(const mm_image *image, int64_t x, int64_t y)
{
    size_t row = image->row_bytes != 0 ? image->row_bytes
                                       : (size_t)image->width * (size_t)image->channels;
    x = x < 0 ? 0 : x >= image->width ? image->width - 1 : x;
    y = y < 0 ? 0 : y >= image->height ? image->height - 1 : y;
    const uint8_t *pixel =
        image->data + (size_t)y * row + (size_t)x * (size_t)image->channels;
    if (image->channels < 3) {
        return (mm_color){pixel[0], pixel[0], pixel[0], 255};
    }
    return (mm_color){pixel[0], pixel[1], pixel[2],
                      image->channels == 4 ? pixel[3] : 255};
}

/* Weighted sums of colours. */
struct sum {
    double red, green, blue, alpha, weight;
};

static void add_to(struct sum *sum, mm_color color, double weight)
{
    sum->red += weight * color.red;
    sum->green += weight * color.green;
    sum->blue += weight * color.blue;
    sum->alpha += weight * color.alpha;
    sum->weight += weight;
}

static mm_color mean_of(const struct sum *sum)
{
    double scale = sum->weight > 0.0 ? 1.0 / sum->weight : 0.0;

    return (mm_color){
        (uint8_t)(sum->red * scale + 0.5), (uint8_t)(sum->green * scale + 0.5),
        (uint8_t)(sum->blue * scale + 0.5), (uint8_t)(sum->alpha * scale + 0.5)};
}

/* Mean of the source between two corners. */
static mm_color average(const mm_image *image, mm_point from, mm_point to)
{
    struct sum sum = {0};
    int64_t x1 = (int64_t)ceil(to.x - 1e-9);
    int64_t y1 = (int64_t)ceil(to.y - 1e-9);

    for (int64_t y = (int64_t)(from.y + 1e-9); y < y1; y++) {
        double height = fmin(to.y, (double)y + 1.0) - fmax(from.y, (double)y);
        for (int64_t x = (int64_t)(from.x + 1e-9); x < x1; x++) {
            double width = fmin(to.x, (double)x + 1.0) - fmax(from.x, (double)x);
            add_to(&sum, source_pixel(image, x, y), width * height);
        }
    }
    return mean_of(&sum);
}

/* Bilinear between the four pixels around a place. */
static mm_color interpolate(const mm_image *image, double x, double y)
{
    struct sum sum = {0};
    double left = floor(x - 0.5);
    double top = floor(y - 0.5);
    double right_part = x - 0.5 - left;
    double low_part = y - 0.5 - top;
    int64_t x0 = (int64_t)left;
    int64_t y0 = (int64_t)top;

    add_to(&sum, source_pixel(image, x0, y0), (1.0 - right_part) * (1.0 - low_part));
    add_to(&sum, source_pixel(image, x0 + 1, y0), right_part * (1.0 - low_part));
    add_to(&sum, source_pixel(image, x0, y0 + 1), (1.0 - right_part) * low_part);
    add_to(&sum, source_pixel(image, x0 + 1, y0 + 1), right_part * low_part);
    return mean_of(&sum);
}

void mm_canvas_put_image(mm_canvas *canvas, const mm_image *image, mm_rect rect)
{
    if (!can_draw(canvas) || image == NULL || image->data == NULL || image->width < 1 ||
        image->height < 1 || !(rect.width > 0.0) || !(rect.height > 0.0)) {
        return;
    }
    double left = floor(rect.x + 0.5);
    double top = floor(rect.y + 0.5);
    double step_x = (double)image->width / fmax(floor(rect.width + 0.5), 1.0);
    double step_y = (double)image->height / fmax(floor(rect.height + 0.5), 1.0);
    bool is_block = step_x <= 0.5 && step_y <= 0.5;
    bool is_smooth = !is_block && step_x < 1.0 && step_y < 1.0;
    mmi_box box = mmi_box_of(left, top, left + floor(rect.width + 0.5),
                             top + floor(rect.height + 0.5), canvas->clip);
    for (int y = box.y; y < box.y + box.height; y++) {
        uint8_t *pixel = pixel_at(canvas, box.x, y);
        for (int x = box.x; x < box.x + box.width; x++, pixel += 3) {
            mm_point from = {(x - left) * step_x, (y - top) * step_y};
            mm_point to = {from.x + step_x, from.y + step_y};
            mm_point middle = {0.5 * (from.x + to.x), 0.5 * (from.y + to.y)};
            mm_color color =
                is_block    ? source_pixel(image, (int64_t)middle.x, (int64_t)middle.y)
                : is_smooth ? interpolate(image, middle.x, middle.y)
                            : average(image, from, to);
            blend_pixel(pixel, color, 1.0F);
        }
    }
}
