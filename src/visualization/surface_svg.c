/* SVG: plain text that a diff can read and every browser shows. Numbers have two
 * decimals at most, so equal plots are equal files. */
#include <string.h>

#include "base/status.h"
#include "base/str.h"
#include "mmengine/file.h"
#include "mmengine/number.h"
#include "visualization/font.h"
#include "visualization/surface.h"

struct svg {
    mmi_surface base;
    mmi_str out;
    int num_clips;
    bool is_clipped;
};

static void put_number(mmi_str *out, double value)
{
    char text[64];
    size_t size = mm_f64_format_fixed(value, 2, text, sizeof text);

    if (size >= sizeof text) {
        return;
    }
    while (size > 0 && text[size - 1] == '0') {
        size--;
    }
    size -= size > 0 && text[size - 1] == '.';
    mmi_str_add_n(out, text, size);
}

static void put_attribute(mmi_str *out, const char *name, double value)
{
    mmi_str_addf(out, " %s=\"", name);
    put_number(out, value);
    mmi_str_add_char(out, '"');
}

static void put_color(mmi_str *out, const char *name, mm_color color)
{
    mmi_str_addf(out, " %s=\"#%02x%02x%02x\"", name, color.red, color.green,
                 color.blue);
    if (color.alpha < 255) {
        mmi_str_addf(out, " %s-opacity=\"", name);
        put_number(out, (double)color.alpha / 255.0);
        mmi_str_add_char(out, '"');
    }
}

static void put_escaped(mmi_str *out, const char *text)
{
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '<':
            mmi_str_add(out, "&lt;");
            break;
        case '>':
            mmi_str_add(out, "&gt;");
            break;
        case '&':
            mmi_str_add(out, "&amp;");
            break;
        case '"':
            mmi_str_add(out, "&quot;");
            break;
        default:
            mmi_str_add_char(out, (unsigned char)*text < 0x20 ? ' ' : *text);
            break;
        }
    }
}

static void put_rect(mmi_str *out, mm_rect rect)
{
    put_attribute(out, "x", rect.x);
    put_attribute(out, "y", rect.y);
    put_attribute(out, "width", rect.width);
    put_attribute(out, "height", rect.height);
}

static void svg_rect(mmi_surface *surface, mm_rect rect, mm_color color)
{
    mmi_str *out = &((struct svg *)surface)->out;

    mmi_str_add(out, "<rect");
    put_rect(out, rect);
    put_color(out, "fill", color);
    mmi_str_add(out, "/>\n");
}

static void svg_line(mmi_surface *surface, const mm_point *points, size_t count,
                     const mmi_stroke *stroke)
{
    mmi_str *out = &((struct svg *)surface)->out;

    mmi_str_add(out, "<polyline points=\"");
    for (size_t i = 0; i < count; i++) {
        mmi_str_add(out, i > 0 ? " " : "");
        put_number(out, points[i].x);
        mmi_str_add_char(out, ',');
        put_number(out, points[i].y);
    }
    mmi_str_add(out, "\" fill=\"none\"");
    put_color(out, "stroke", stroke->color);
    put_attribute(out, "stroke-width", stroke->width);
    if (stroke->dash > 0.0) {
        put_attribute(out, "stroke-dasharray", stroke->dash);
    }
    mmi_str_add(out, " stroke-linejoin=\"round\" stroke-linecap=\"round\"/>\n");
}

static void svg_circle(mmi_surface *surface, mm_point center, double radius,
                       mm_color color)
{
    mmi_str *out = &((struct svg *)surface)->out;

    mmi_str_add(out, "<circle");
    put_attribute(out, "cx", center.x);
    put_attribute(out, "cy", center.y);
    put_attribute(out, "r", radius);
    put_color(out, "fill", color);
    mmi_str_add(out, "/>\n");
}

/* Baselines are computed here: viewers disagree about dominant-baseline. */
static void svg_text(mmi_surface *surface, mm_point at, const char *text,
                     const mm_text_style *style)
{
    static const char *const anchors[] = {"start", "middle", "end"};
    mmi_str *out = &((struct svg *)surface)->out;
    double units = style->y_align == MM_ALIGN_BEGIN    ? mmi_font_ascent
                   : style->y_align == MM_ALIGN_CENTER ? MMI_FONT_CAP_HEIGHT / 2.0
                                                       : 0.0;
    double down = units * style->size / MMI_FONT_EM;

    mmi_str_add(out, "<text");
    put_attribute(out, "x", style->is_vertical ? at.x + down : at.x);
    put_attribute(out, "y", style->is_vertical ? at.y : at.y + down);
    put_attribute(out, "font-size", style->size);
    if (style->x_align != MM_ALIGN_BEGIN) {
        mmi_str_addf(out, " text-anchor=\"%s\"", anchors[style->x_align]);
    }
    if (style->is_vertical) {
        mmi_str_add(out, " transform=\"rotate(-90 ");
        put_number(out, at.x + down);
        mmi_str_add_char(out, ' ');
        put_number(out, at.y);
        mmi_str_add(out, ")\"");
    }
    put_color(out, "fill", style->color);
    mmi_str_add_char(out, '>');
    put_escaped(out, text);
    mmi_str_add(out, "</text>\n");
}

static void svg_clip(mmi_surface *surface, const mm_rect *rect)
{
    struct svg *svg = (struct svg *)surface;

    if (svg->is_clipped) {
        mmi_str_add(&svg->out, "</g>\n");
    }
    svg->is_clipped = rect != NULL;
    if (rect != NULL) {
        mmi_str_addf(&svg->out, "<clipPath id=\"c%d\"><rect", svg->num_clips);
        put_rect(&svg->out, *rect);
        mmi_str_addf(&svg->out, "/></clipPath>\n<g clip-path=\"url(#c%d)\">\n",
                     svg->num_clips++);
    }
}

static mm_status svg_write(mmi_surface *surface, const char *path)
{
    struct svg *svg = (struct svg *)surface;

    svg_clip(surface, NULL);
    mmi_str_add(&svg->out, "</svg>\n");
    if (mmi_is_pending()) {
        return mm_pending();
    }
    return mm_file_write(path, mmi_str_text(&svg->out), svg->out.size);
}

static void svg_free(mmi_surface *surface)
{
    mmi_str_deinit(&((struct svg *)surface)->out);
    mm_free(surface);
}

mmi_surface *mmi_surface_new_svg(double width, double height)
{
    struct svg *svg = mm_alloc(sizeof *svg);

    if (svg == NULL) {
        return NULL;
    }
    svg->base = (mmi_surface){.rect = svg_rect,
                              .line = svg_line,
                              .circle = svg_circle,
                              .text = svg_text,
                              .clip = svg_clip,
                              .write = svg_write,
                              .free = svg_free};
    mmi_str *out = &svg->out;
    mmi_str_add(out, "<svg xmlns=\"http://www.w3.org/2000/svg\"");
    put_attribute(out, "width", width);
    put_attribute(out, "height", height);
    mmi_str_addf(out, " viewBox=\"0 0 %d %d\"", (int)width, (int)height);
    mmi_str_add(out, " font-family=\"Roboto, Helvetica, Arial, sans-serif\">\n");
    svg_rect(&svg->base, (mm_rect){0.0, 0.0, width, height},
             (mm_color){255, 255, 255, 255});
    return &svg->base;
}
