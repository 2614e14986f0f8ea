/* A surface over a canvas. Everything is scaled, so that a plot laid out in units of a
 * screen gives a picture of twice the pixels. */
#include <math.h>

#include "base/status.h"
#include "base/vec.h"
#include "mmengine/memory.h"
#include "visualization/canvas.h"
#include "visualization/surface.h"

struct png {
    mmi_surface base;
    mm_canvas *canvas;
    double scale;
    MMI_VEC(mm_point) points; /* scratch */
};

static mm_rect scaled_rect(const struct png *png, mm_rect rect)
{
    return (mm_rect){rect.x * png->scale, rect.y * png->scale, rect.width * png->scale,
                     rect.height * png->scale};
}

static mm_point scaled_point(const struct png *png, mm_point point)
{
    return (mm_point){point.x * png->scale, point.y * png->scale};
}

static void png_rect(mmi_surface *surface, mm_rect rect, mm_color color)
{
    struct png *png = (struct png *)surface;

    mm_canvas_fill_rect(png->canvas, scaled_rect(png, rect), color);
}

/* Draws the piece gathered so far and begins a new one. */
static void flush(struct png *png, const mmi_stroke *stroke)
{
    mm_canvas_line(png->canvas, png->points.data, png->points.count,
                   stroke->width * png->scale, stroke->color);
    png->points.count = 0;
}

/* Cuts a line into dashes. */
static void dashed_line(struct png *png, const mm_point *points, size_t count,
                        const mmi_stroke *stroke)
{
    double dash = stroke->dash * png->scale;
    double left = dash; /* of the present dash or gap */
    bool is_gap = false;
    mm_point last = scaled_point(png, points[0]);

    png->points.count = 0;
    mmi_vec_push(&png->points, last);
    for (size_t i = 1; i < count && !mmi_is_pending(); i++) {
        mm_point next = scaled_point(png, points[i]);
        double length = hypot(next.x - last.x, next.y - last.y);
        while (length > left) {
            double part = left / length;
            last.x += (next.x - last.x) * part;
            last.y += (next.y - last.y) * part;
            length -= left;
            left = dash;
            if (!is_gap && mmi_vec_push(&png->points, last)) {
                flush(png, stroke);
            }
            is_gap = !is_gap;
            if (!is_gap) {
                mmi_vec_push(&png->points, last);
            }
        }
        left -= length;
        last = next;
        if (!is_gap) {
            mmi_vec_push(&png->points, last);
        }
    }
    flush(png, stroke);
}

static void png_line(mmi_surface *surface, const mm_point *points, size_t count,
                     const mmi_stroke *stroke)
{
    struct png *png = (struct png *)surface;

    if (count == 0) {
        return;
    }
    if (stroke->dash > 0.0) {
        dashed_line(png, points, count, stroke);
        return;
    }
    png->points.count = 0;
    for (size_t i = 0; i < count; i++) {
        mmi_vec_push(&png->points, scaled_point(png, points[i]));
    }
    flush(png, stroke);
}

static void png_circle(mmi_surface *surface, mm_point center, double radius,
                       mm_color color)
{
    struct png *png = (struct png *)surface;

    mm_canvas_fill_circle(png->canvas, scaled_point(png, center), radius * png->scale,
                          color);
}

static void png_text(mmi_surface *surface, mm_point at, const char *text,
                     const mm_text_style *style)
{
    struct png *png = (struct png *)surface;
    mm_text_style scaled = *style;

    scaled.size *= png->scale;
    mm_canvas_text(png->canvas, scaled_point(png, at), text, &scaled);
}

static void png_clip(mmi_surface *surface, const mm_rect *rect)
{
    struct png *png = (struct png *)surface;
    mm_rect scaled = rect != NULL ? scaled_rect(png, *rect) : (mm_rect){0};

    mmi_canvas_set_clip(png->canvas, rect != NULL ? &scaled : NULL);
}

static mm_status png_write(mmi_surface *surface, const char *path)
{
    return mm_canvas_write_png(((struct png *)surface)->canvas, path);
}

static void png_free(mmi_surface *surface)
{
    struct png *png = (struct png *)surface;

    mm_canvas_free(png->canvas);
    mmi_vec_deinit(&png->points);
    mm_free(png);
}

mmi_surface *mmi_surface_new_png(double width, double height, double scale)
{
    struct png *png = mm_alloc(sizeof *png);

    if (png == NULL) {
        return NULL;
    }
    png->base = (mmi_surface){.rect = png_rect,
                              .line = png_line,
                              .circle = png_circle,
                              .text = png_text,
                              .clip = png_clip,
                              .write = png_write,
                              .free = png_free};
    png->scale = scale;
    png->canvas = mm_canvas_new((int64_t)(width * scale), (int64_t)(height * scale),
                                (mm_color){255, 255, 255, 255});
    if (png->canvas == NULL) {
        mm_free(png);
        return NULL;
    }
    return &png->base;
}
