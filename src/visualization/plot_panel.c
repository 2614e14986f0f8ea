/* One chart: axes, curves, names. The plan of a chart from top to bottom: a line with
 * its title and, to the right, the last values; a line of curve names; the curves; the
 * ticks. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "mmengine/memory.h"
#include "mmengine/number.h"
#include "visualization/plot.h"
#include "visualization/ticks.h"

enum {
    LEFT = 52, /* room for the numbers of the vertical axis */
    RIGHT = 18,
    TOP = 44,
    BOTTOM = 38,
    TITLE_SIZE = 13,
    SMALL_SIZE = 11,
    MAX_POINTS = 1200, /* more cannot be told apart */
    MAX_MARKERS = 40,
    SMOOTH_POINTS = 60, /* fewer are shown as they are */
    LOG_RATIO = 40
};

/* Okabe and Ito's colours, which people with any kind of colour vision tell apart; the
 * yellow is left out on white. */
static const mm_color colors[] = {
    {0, 114, 178, 255}, {213, 94, 0, 255},   {0, 158, 115, 255}, {204, 121, 167, 255},
    {230, 159, 0, 255}, {86, 180, 233, 255}, {0, 0, 0, 255},
};
enum { NUM_COLORS = sizeof colors / sizeof colors[0] };

static const mm_color text_color = {38, 38, 38, 255};
static const mm_color pale_color = {110, 110, 110, 255};
static const mm_color grid_color = {232, 232, 232, 255};
static const mm_color axis_color = {150, 150, 150, 255};
static const mm_color alarm_color = {190, 30, 30, 255};

mmi_stroke mmi_plot_stroke(size_t number)
{
    static const double dashes[] = {0.0, 5.0, 2.0};

    return (mmi_stroke){.width = 1.6,
                        .dash = dashes[number / NUM_COLORS % 3],
                        .color = colors[number % NUM_COLORS]};
}

double mmi_plot_label_width(const char *label, double size)
{
    return 1.15 * mm_text_width(label, size);
}

struct chart {
    const mmi_panel *panel;
    mmi_surface *surface;
    mm_point corner;
    mm_rect area; /* of the curves */
    mmi_axis x, y;
};

/* --- ranges --- */

struct range {
    mm_point low, high;
};

static struct range range_of(const mmi_panel *panel)
{
    struct range range = {{INFINITY, INFINITY}, {-INFINITY, -INFINITY}};

    for (size_t i = 0; i < panel->curves.count; i++) {
        const mmi_series *series = panel->curves.data[i].series;
        for (size_t j = 0; j < series->points.count; j++) {
            mm_point point = series->points.data[j];
            range.low.x = fmin(range.low.x, point.x);
            range.low.y = fmin(range.low.y, point.y);
            range.high.x = fmax(range.high.x, point.x);
            range.high.y = fmax(range.high.y, point.y);
        }
    }
    if (!(range.low.x <= range.high.x)) { /* all values are NaN */
        range = (struct range){{0.0, 0.0}, {1.0, 1.0}};
    }
    return range;
}

static int compare_numbers(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The value that a tenth of a curve lies below: a dip at the end, as schedules that go
 * to zero have, does not count. */
static double low_tenth(const mmi_series *series)
{
    size_t count = series->points.count;
    double *values = mm_alloc_array(count + 1, sizeof *values);
    double tenth = INFINITY;

    for (size_t i = 0; values != NULL && i < count; i++) {
        values[i] = series->points.data[i].y;
    }
    if (values != NULL && count > 0) {
        qsort(values, count, sizeof *values, compare_numbers);
        tenth = values[count / 10];
    }
    mm_free(values);
    return tenth;
}

static bool wants_log(const mmi_panel *panel, const struct range *range)
{
    double low = INFINITY;

    if (!panel->may_be_log || !(range->low.y > 0.0)) {
        return false;
    }
    for (size_t i = 0; i < panel->curves.count; i++) {
        low = fmin(low, low_tenth(panel->curves.data[i].series));
    }
    return range->high.y > LOG_RATIO * low;
}

static void init_axes(struct chart *chart)
{
    struct range range = range_of(chart->panel);
    bool is_log = wants_log(chart->panel, &range);

    /* Iterations count from zero unless the run is far from it. */
    if (range.low.x > 0.0 && range.low.x < 0.3 * range.high.x) {
        range.low.x = 0.0;
    }
    mmi_axis_init(&chart->x, range.low.x, range.high.x, 6, false);
    if (is_log) {
        double margin = pow(range.high.y / range.low.y, 0.04);
        mmi_axis_init(&chart->y, range.low.y / margin, range.high.y * margin, 5, true);
        return;
    }
    double margin = 0.05 * (range.high.y - range.low.y);
    bool from_zero = range.low.y >= 0.0 && range.low.y < 0.25 * range.high.y;
    mmi_axis_init(&chart->y, from_zero ? 0.0 : range.low.y - margin,
                  range.high.y + margin, 5, false);
}

static mm_point to_page(const struct chart *chart, mm_point value)
{
    const mm_rect *area = &chart->area;

    return (mm_point){area->x + mmi_axis_place(&chart->x, value.x) * area->width,
                      area->y +
                          (1.0 - mmi_axis_place(&chart->y, value.y)) * area->height};
}

/* --- axes --- */

static void draw_axes(const struct chart *chart)
{
    mmi_surface *surface = chart->surface;
    const mm_rect *area = &chart->area;
    double bottom = area->y + area->height;
    mmi_stroke grid = {.width = 1.0, .color = grid_color};
    mmi_stroke base = {.width = 1.0, .color = axis_color};
    mm_text_style style = {.size = SMALL_SIZE, .color = pale_color};

    style.x_align = MM_ALIGN_END;
    style.y_align = MM_ALIGN_CENTER;
    for (size_t i = 0; i < chart->y.num_ticks; i++) {
        double y = bottom - mmi_axis_place(&chart->y, chart->y.ticks[i]) * area->height;
        mm_point ends[] = {{area->x, y}, {area->x + area->width, y}};
        surface->line(surface, ends, 2, &grid);
        surface->text(surface, (mm_point){area->x - 6, y}, chart->y.texts[i], &style);
    }
    style.x_align = MM_ALIGN_CENTER;
    style.y_align = MM_ALIGN_BEGIN;
    for (size_t i = 0; i < chart->x.num_ticks; i++) {
        double x = area->x + mmi_axis_place(&chart->x, chart->x.ticks[i]) * area->width;
        mm_point ends[] = {{x, bottom}, {x, bottom + 4}};
        surface->line(surface, ends, 2, &base);
        surface->text(surface, (mm_point){x, bottom + 5}, chart->x.texts[i], &style);
    }
    mm_point ends[] = {{area->x, bottom}, {area->x + area->width, bottom}};
    surface->line(surface, ends, 2, &base);
    style.x_align = MM_ALIGN_END;
    surface->text(surface, (mm_point){area->x + area->width, bottom + 19},
                  chart->panel->axis, &style);
}

/* --- curves --- */

/* Centred running mean over `window` points; mm_free(). */
static mm_point *smooth(const mmi_series *series, size_t window)
{
    size_t count = series->points.count;
    const mm_point *from = series->points.data;
    mm_point *out = mm_alloc_array(count, sizeof *out);

    for (size_t i = 0; out != NULL && i < count; i++) {
        size_t reach = window / 2;
        reach = reach < i ? reach : i;
        reach = reach < count - 1 - i ? reach : count - 1 - i;
        double sum = 0.0;
        for (size_t j = i - reach; j <= i + reach; j++) {
            sum += from[j].y;
        }
        out[i] = (mm_point){from[i].x, sum / (double)(2 * reach + 1)};
    }
    return out;
}

/* Points of the page, at most MAX_POINTS: of each group the lowest and the highest, so
 * that no spike is lost. mm_free(). */
static mm_point *page_points(const struct chart *chart, const mm_point *values,
                             size_t count, size_t *out_count)
{
    size_t group = count > MAX_POINTS ? (2 * count + MAX_POINTS - 1) / MAX_POINTS : 1;
    mm_point *out = mm_alloc_array(count + 1, sizeof *out);
    size_t used = 0;

    for (size_t i = 0; out != NULL && i < count; i += group) {
        size_t end = i + group < count ? i + group : count;
        size_t low = i;
        size_t high = i;
        for (size_t j = i + 1; j < end; j++) {
            low = values[j].y < values[low].y ? j : low;
            high = values[j].y > values[high].y ? j : high;
        }
        out[used++] = to_page(chart, values[low < high ? low : high]);
        if (low != high) {
            out[used++] = to_page(chart, values[low < high ? high : low]);
        }
    }
    *out_count = used;
    return out;
}

static void draw_points(const struct chart *chart, const mm_point *values, size_t count,
                        const mmi_stroke *stroke)
{
    size_t used = 0;
    mm_point *points = page_points(chart, values, count, &used);

    if (points != NULL && used > 1) {
        chart->surface->line(chart->surface, points, used, stroke);
    }
    mm_free(points);
}

static void draw_curve(const struct chart *chart, const mmi_curve *curve)
{
    const mmi_series *series = curve->series;
    size_t count = series->points.count;
    mmi_stroke stroke = mmi_plot_stroke(curve->color);
    bool is_smooth =
        chart->panel->is_smooth && !series->is_val && count >= SMOOTH_POINTS;

    if (is_smooth) {
        mmi_stroke faint = stroke;
        mm_point *means = smooth(series, count / 40 + 4);
        faint.width = 1.0;
        faint.dash = 0.0;
        faint.color.alpha = 70;
        draw_points(chart, series->points.data, count, &faint);
        if (means != NULL) {
            draw_points(chart, means, count, &stroke);
        }
        mm_free(means);
    } else {
        draw_points(chart, series->points.data, count, &stroke);
    }
    if ((series->is_val && count <= MAX_MARKERS) || count == 1) {
        for (size_t i = 0; i < count; i++) {
            chart->surface->circle(chart->surface,
                                   to_page(chart, series->points.data[i]), 2.8,
                                   stroke.color);
        }
    }
}

/* --- words --- */

static void put_value(mmi_str *out, double value)
{
    char text[64];
    size_t size = mm_f64_format_general(value, 4, text, sizeof text);

    mmi_str_add_n(out, text, size < sizeof text ? size : 0);
}

/* "last 0.21" or, for what validation measured, "max 91.5 at 4690, last 91.2"; only
 * where the chart has one curve. */
static void put_summary(mmi_str *out, const mmi_series *series)
{
    const mm_point *points = series->points.data;
    size_t count = series->points.count;
    size_t best = 0;

    for (size_t i = 1; i < count; i++) {
        best = points[i].y > points[best].y ? i : best;
    }
    if (series->is_val && count > 1) {
        mmi_str_add(out, "max ");
        put_value(out, points[best].y);
        mmi_str_addf(out, " at %.0f, ", points[best].x);
    }
    mmi_str_add(out, "last ");
    put_value(out, points[count - 1].y);
}

static void draw_title(const struct chart *chart)
{
    const mmi_panel *panel = chart->panel;
    mmi_surface *surface = chart->surface;
    double right = chart->area.x + chart->area.width;
    mm_text_style style = {.size = TITLE_SIZE, .color = text_color};
    mmi_str words = {0};
    size_t num_wrong = 0;

    surface->text(surface, (mm_point){chart->area.x, chart->corner.y + 4}, panel->title,
                  &style);
    for (size_t i = 0; i < panel->curves.count; i++) {
        num_wrong += panel->curves.data[i].series->num_wrong;
    }
    if (num_wrong > 0) {
        mmi_str_addf(&words, "%zu values are NaN or infinite", num_wrong);
    } else if (panel->curves.count == 1) {
        put_summary(&words, panel->curves.data[0].series);
    }
    style.size = SMALL_SIZE;
    style.x_align = MM_ALIGN_END;
    style.color = num_wrong > 0 ? alarm_color : pale_color;
    if (words.size > 0) {
        surface->text(surface, (mm_point){right, chart->corner.y + 6},
                      mmi_str_text(&words), &style);
    }
    mmi_str_deinit(&words);
}

/* Names of curves in one line; those that find no room are counted. */
static void draw_legend(const struct chart *chart)
{
    mmi_surface *surface = chart->surface;
    double x = chart->area.x;
    double y = chart->corner.y + 30;
    double right = chart->area.x + chart->area.width;
    mm_text_style style = {
        .size = SMALL_SIZE, .color = text_color, .y_align = MM_ALIGN_CENTER};
    size_t count = chart->panel->curves.count;

    for (size_t i = 0; i < count; i++) {
        const mmi_curve *curve = &chart->panel->curves.data[i];
        double width = 20 + mmi_plot_label_width(curve->name, style.size);
        double rest = i + 1 < count ? 40 : 0; /* room for "+ 9" */
        if (x + width + rest > right) {
            char more[32];
            mm_i64_format((int64_t)(count - i), more + 2);
            memcpy(more, "+ ", 2);
            surface->text(surface, (mm_point){x, y}, more, &style);
            return;
        }
        mm_point ends[] = {{x, y}, {x + 14, y}};
        mmi_stroke stroke = mmi_plot_stroke(curve->color);
        stroke.width = 2.5;
        surface->line(surface, ends, 2, &stroke);
        surface->text(surface, (mm_point){x + 19, y}, curve->name, &style);
        x += width + 14;
    }
}

void mmi_panel_draw(const mmi_panel *panel, mmi_surface *surface, mm_point corner,
                    bool has_legend)
{
    struct chart chart = {.panel = panel, .surface = surface, .corner = corner};
    bool has_names = has_legend && panel->curves.count > 1;
    double top = has_names ? TOP : TOP - 14;

    chart.area =
        (mm_rect){corner.x + LEFT, corner.y + top, MMI_PANEL_WIDTH - LEFT - RIGHT,
                  MMI_PANEL_HEIGHT - top - BOTTOM - 6};
    init_axes(&chart);
    draw_title(&chart);
    if (has_names) {
        draw_legend(&chart);
    }
    draw_axes(&chart);
    mm_rect clip = {chart.area.x - 3, chart.area.y - 3, chart.area.width + 6,
                    chart.area.height + 6};
    surface->clip(surface, &clip);
    for (size_t i = 0; i < panel->curves.count; i++) {
        draw_curve(&chart, &panel->curves.data[i]);
    }
    surface->clip(surface, NULL);
}
