/* Text: the outlines of the built-in font, filled like any polygon, so it comes in any
 * size. No kerning and no shaping: one glyph a character, left to right. */
#include <math.h>
#include <string.h>

#include "base/status.h"
#include "base/unicode.h"
#include "visualization/canvas.h"
#include "visualization/font.h"

/* Advance and sides of the box that stands for a missing glyph, in font units. */
enum {
    BOX_ADVANCE = 640,
    BOX_LEFT = 80,
    BOX_RIGHT = 560,
    BOX_HEIGHT = 720,
    BOX_LINE = 60
};

/* Where a text goes: font units to pixels. */
struct pen {
    mmi_raster *raster;
    mm_point origin; /* baseline of the first line, begin */
    double scale;    /* pixels per font unit */
    double x, y;     /* of the glyph, in font units from the origin; y down */
    bool is_vertical;
};

const mmi_glyph *mmi_font_find(uint32_t code)
{
    size_t low = 0;
    size_t high = mmi_font_num_glyphs;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (mmi_font_glyphs[middle].code == code) {
            return &mmi_font_glyphs[middle];
        }
        if (mmi_font_glyphs[middle].code < code) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

/* The next character; what is no UTF-8 counts byte by byte. */
static uint32_t next_char(const char **text, const char *end)
{
    uint32_t code = 0xfffd;
    size_t size = mmi_utf8_decode(*text, (size_t)(end - *text), &code);

    *text += size > 0 ? size : 1;
    return size > 0 ? code : 0xfffd;
}

static double advance_of(uint32_t code)
{
    const mmi_glyph *glyph = mmi_font_find(code);

    return glyph != NULL ? glyph->advance : BOX_ADVANCE;
}

static const char *line_end(const char *text)
{
    const char *end = strchr(text, '\n');
    return end != NULL ? end : text + strlen(text);
}

/* Width of one line in font units. */
static double line_width(const char *text, const char *end)
{
    double width = 0.0;

    while (text < end) {
        width += advance_of(next_char(&text, end));
    }
    return width;
}

double mm_text_width(const char *text, double size)
{
    double widest = 0.0;

    while (text != NULL && *text != '\0') {
        const char *end = line_end(text);
        widest = fmax(widest, line_width(text, end));
        text = *end != '\0' ? end + 1 : end;
    }
    return widest * size / MMI_FONT_EM;
}

double mm_text_line_height(double size)
{
    return (mmi_font_ascent + mmi_font_descent) * size / MMI_FONT_EM;
}

static size_t count_lines(const char *text)
{
    size_t lines = 1;

    for (; *text != '\0'; text++) {
        lines += *text == '\n';
    }
    return lines;
}

/* Font units of the present glyph (y upwards) to pixels. */
static mm_point to_pixels(const struct pen *pen, double x, double y)
{
    double right = (pen->x + x) * pen->scale;
    double down = (pen->y - y) * pen->scale;

    return pen->is_vertical ? (mm_point){pen->origin.x + down, pen->origin.y - right}
                            : (mm_point){pen->origin.x + right, pen->origin.y + down};
}

/* A quadratic curve as straight pieces short enough for the eye. */
static void add_curve(const struct pen *pen, mm_point from, mm_point control,
                      mm_point to)
{
    double bend =
        hypot(from.x - 2.0 * control.x + to.x, from.y - 2.0 * control.y + to.y);
    int pieces = 1 + (int)fmin(sqrt(bend) * 1.5, 32.0);
    mm_point last = from;

    for (int i = 1; i <= pieces; i++) {
        double t = (double)i / pieces;
        double u = 1.0 - t;
        mm_point next = {u * u * from.x + 2.0 * u * t * control.x + t * t * to.x,
                         u * u * from.y + 2.0 * u * t * control.y + t * t * to.y};
        mmi_raster_edge(pen->raster, last, next);
        last = next;
    }
}

static mm_point middle_of(mm_point a, mm_point b)
{
    return (mm_point){0.5 * (a.x + b.x), 0.5 * (a.y + b.y)};
}

/* One contour; between two control points lies an implied point on the curve. */
static void add_contour(const struct pen *pen, const int16_t *points, size_t count)
{
    mm_point first = to_pixels(pen, points[0] >> 1, points[1]);
    mm_point last = first;
    mm_point control = {0.0, 0.0};
    bool has_control = false;

    if ((points[0] & 1) == 0) { /* no point on the curve to begin with */
        const int16_t *end = points + 2 * (count - 1);
        first = middle_of(first, to_pixels(pen, end[0] >> 1, end[1]));
        last = first;
    }
    for (size_t i = (size_t)(points[0] & 1); i < count; i++) {
        mm_point point = to_pixels(pen, points[2 * i] >> 1, points[2 * i + 1]);
        bool is_on = (points[2 * i] & 1) != 0;
        if (has_control) {
            mm_point end = is_on ? point : middle_of(control, point);
            add_curve(pen, last, control, end);
            last = end;
        } else if (is_on) {
            mmi_raster_edge(pen->raster, last, point);
            last = point;
        }
        has_control = !is_on;
        control = point;
    }
    if (has_control) {
        add_curve(pen, last, control, first);
    } else {
        mmi_raster_edge(pen->raster, last, first);
    }
}

static void add_missing(const struct pen *pen)
{
    static const int16_t outer[] = {
        2 * BOX_LEFT + 1,  0,          2 * BOX_LEFT + 1,  BOX_HEIGHT,
        2 * BOX_RIGHT + 1, BOX_HEIGHT, 2 * BOX_RIGHT + 1, 0};
    static const int16_t inner[] = {
        2 * (BOX_LEFT + BOX_LINE) + 1,  BOX_LINE,
        2 * (BOX_RIGHT - BOX_LINE) + 1, BOX_LINE,
        2 * (BOX_RIGHT - BOX_LINE) + 1, BOX_HEIGHT - BOX_LINE,
        2 * (BOX_LEFT + BOX_LINE) + 1,  BOX_HEIGHT - BOX_LINE};

    add_contour(pen, outer, 4);
    add_contour(pen, inner, 4);
}

static void add_glyph(struct pen *pen, uint32_t code)
{
    const mmi_glyph *glyph = mmi_font_find(code);

    if (glyph == NULL) {
        add_missing(pen);
        return;
    }
    const int16_t *at = mmi_font_points + glyph->first;
    int contours = *at++;
    for (int i = 0; i < contours; i++) {
        size_t count = (size_t)*at++;
        add_contour(pen, at, count);
        at += 2 * count;
    }
}

/* Font units from the point to the first baseline, downwards. */
static double first_baseline(size_t lines, mm_align align)
{
    double line = mmi_font_ascent + mmi_font_descent;
    double rest = line * (double)(lines - 1);

    return align == MM_ALIGN_BEGIN ? mmi_font_ascent
           : align == MM_ALIGN_END ? -rest
                                   : 0.5 * (MMI_FONT_CAP_HEIGHT - rest);
}

static void add_line(struct pen *pen, const char *text, const char *end, mm_align align)
{
    double width = line_width(text, end);

    pen->x = align == MM_ALIGN_BEGIN ? 0.0
             : align == MM_ALIGN_END ? -width
                                     : -0.5 * width;
    while (text < end) {
        uint32_t code = next_char(&text, end);
        add_glyph(pen, code);
        pen->x += advance_of(code);
    }
}

/* A box that surely holds the text. */
static mmi_box text_box(const mm_canvas *canvas, const struct pen *pen,
                        const char *text, const mm_text_style *style)
{
    double width = mm_text_width(text, style->size) + style->size;
    double height = mm_text_line_height(style->size) * (double)(count_lines(text) + 1);
    double across = style->is_vertical ? height : width;
    double down = style->is_vertical ? width : height;

    return mmi_box_of(pen->origin.x - across, pen->origin.y - down,
                      pen->origin.x + across, pen->origin.y + down, canvas->clip);
}

void mm_canvas_text(mm_canvas *canvas, mm_point at, const char *text,
                    const mm_text_style *style)
{
    mmi_raster raster;

    if (canvas == NULL || text == NULL || style == NULL || mmi_is_pending()) {
        return;
    }
    struct pen pen = {.raster = &raster,
                      .origin = at,
                      .scale = style->size / MMI_FONT_EM,
                      .is_vertical = style->is_vertical};
    if (!mmi_raster_init(&raster, text_box(canvas, &pen, text, style))) {
        return;
    }
    pen.y = first_baseline(count_lines(text), style->y_align);
    for (const char *line = text;; pen.y += mmi_font_ascent + mmi_font_descent) {
        const char *end = line_end(line);
        add_line(&pen, line, end, style->x_align);
        if (*end == '\0') {
            break;
        }
        line = end + 1;
    }
    mmi_raster_finish(&raster);
    mmi_canvas_blend(canvas, &raster, style->color);
    mmi_raster_deinit(&raster);
}
