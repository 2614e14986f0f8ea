/* Coverage by signed areas: each edge adds, to the pixels of a row it crosses, the area
 * to its right; the running sum along a row is then the part of each pixel inside.
 * Exact for polygons, without sorting edges. Edges are cut at the box first, and what
 * lies to its left counts for the whole row. */
#include "visualization/raster.h"

#include <math.h>

#include "mmengine/memory.h"

mmi_box mmi_box_of(double left, double top, double right, double bottom, mmi_box clip)
{
    double x0 = fmax(floor(left), clip.x);
    double y0 = fmax(floor(top), clip.y);
    double x1 = fmin(ceil(right), (double)clip.x + clip.width);
    double y1 = fmin(ceil(bottom), (double)clip.y + clip.height);

    if (!(x0 < x1 && y0 < y1)) { /* empty, or a number that is none */
        return (mmi_box){0, 0, 0, 0};
    }
    return (mmi_box){(int)x0, (int)y0, (int)(x1 - x0), (int)(y1 - y0)};
}

bool mmi_raster_init(mmi_raster *raster, mmi_box box)
{
    *raster = (mmi_raster){.box = box, .stride = (size_t)box.width + 2};
    if (box.width <= 0 || box.height <= 0) {
        return false;
    }
    raster->cover =
        mm_alloc_array(raster->stride * (size_t)box.height, sizeof *raster->cover);
    return raster->cover != NULL;
}

void mmi_raster_deinit(mmi_raster *raster)
{
    mm_free(raster->cover);
    raster->cover = NULL;
}

/* The part of an edge in one row: from x0 to x1 (x0 <= x1), of signed height `d`. */
static void add_span(float *row, double x0, double x1, double d)
{
    double floor0 = floor(x0);
    size_t first = (size_t)floor0;
    size_t behind = (size_t)ceil(x1);

    if (behind <= first + 1) { /* inside one pixel */
        double middle = 0.5 * (x0 + x1) - floor0;
        row[first] += (float)(d - d * middle);
        row[first + 1] += (float)(d * middle);
        return;
    }
    double slope = 1.0 / (x1 - x0);
    double in_first = 1.0 - (x0 - floor0);
    double in_last = x1 - (double)behind + 1.0;
    double area_first = 0.5 * slope * in_first * in_first;
    double area_last = 0.5 * slope * in_last * in_last;
    row[first] += (float)(d * area_first);
    if (behind == first + 2) {
        row[first + 1] += (float)(d * (1.0 - area_first - area_last));
    } else {
        double second = slope * (0.5 + in_first);
        row[first + 1] += (float)(d * (second - area_first));
        for (size_t x = first + 2; x + 1 < behind; x++) {
            row[x] += (float)(d * slope);
        }
        double before = second + (double)(behind - first - 3) * slope;
        row[behind - 1] += (float)(d * (1.0 - before - area_last));
    }
    row[behind] += (float)(d * area_last);
}

/* An edge that goes downwards and lies inside the box in both directions. */
static void add_edge(mmi_raster *raster, mm_point from, mm_point to, double sign)
{
    double slope = (to.x - from.x) / (to.y - from.y);
    double x = from.x;

    for (int y = (int)from.y; y < raster->box.height && y < to.y; y++) {
        double top = fmax(from.y, y);
        double bottom = fmin(to.y, y + 1.0);
        double next = from.x + (bottom - from.y) * slope;
        next = fmin(fmax(next, 0.0), raster->box.width);
        add_span(raster->cover + (size_t)y * raster->stride, fmin(x, next),
                 fmax(x, next), sign * (bottom - top));
        x = next;
    }
}

static mm_point at_x(mm_point from, mm_point to, double x)
{
    return (mm_point){x, from.y + (x - from.x) / (to.x - from.x) * (to.y - from.y)};
}

/* Cuts a downward edge at the left and right of the box; what is beyond runs along it.
 */
static void add_cut_edge(mmi_raster *raster, mm_point from, mm_point to, double sign)
{
    double sides[] = {0.0, raster->box.width};
    mm_point points[4] = {from};
    size_t count = 1;

    if (from.x > to.x) {
        sides[0] = sides[1];
        sides[1] = 0.0;
    }
    for (size_t i = 0; i < 2; i++) {
        if ((from.x < sides[i]) != (to.x < sides[i])) {
            points[count++] = at_x(from, to, sides[i]);
        }
    }
    points[count++] = to;
    for (size_t i = 0; i < count; i++) {
        points[i].x = fmin(fmax(points[i].x, 0.0), raster->box.width);
        points[i].y = fmin(fmax(points[i].y, from.y), to.y);
    }
    for (size_t i = 0; i + 1 < count; i++) {
        if (points[i].y < points[i + 1].y) {
            add_edge(raster, points[i], points[i + 1], sign);
        }
    }
}

void mmi_raster_edge(mmi_raster *raster, mm_point from, mm_point to)
{
    double height = raster->box.height;
    double sign = from.y < to.y ? 1.0 : -1.0;
    mm_point top = from.y < to.y ? from : to;
    mm_point bottom = from.y < to.y ? to : from;

    top.x -= raster->box.x;
    bottom.x -= raster->box.x;
    top.y -= raster->box.y;
    bottom.y -= raster->box.y;
    if (!(top.y < bottom.y) || bottom.y <= 0.0 || top.y >= height || !isfinite(top.x) ||
        !isfinite(bottom.x)) {
        return;
    }
    double slope = (bottom.x - top.x) / (bottom.y - top.y);
    if (top.y < 0.0) {
        top = (mm_point){top.x - top.y * slope, 0.0};
    }
    if (bottom.y > height) {
        bottom = (mm_point){top.x + (height - top.y) * slope, height};
    }
    add_cut_edge(raster, top, bottom, sign);
}

void mmi_raster_finish(mmi_raster *raster)
{
    for (int y = 0; y < raster->box.height; y++) {
        float *row = raster->cover + (size_t)y * raster->stride;
        float sum = 0.0F;
        for (int x = 0; x < raster->box.width; x++) {
            sum += row[x];
            row[x] = fminf(fabsf(sum), 1.0F);
        }
    }
}

void mmi_raster_capsule(mmi_raster *raster, mm_point from, mm_point to, double radius)
{
    double reach = radius + 1.0;
    double dx = to.x - from.x;
    double dy = to.y - from.y;
    double length2 = dx * dx + dy * dy;
    mmi_box box =
        mmi_box_of(fmin(from.x, to.x) - reach, fmin(from.y, to.y) - reach,
                   fmax(from.x, to.x) + reach, fmax(from.y, to.y) + reach, raster->box);

    for (int y = box.y; y < box.y + box.height; y++) {
        float *row = raster->cover + (size_t)(y - raster->box.y) * raster->stride;
        for (int x = box.x; x < box.x + box.width; x++) {
            double px = x + 0.5 - from.x;
            double py = y + 0.5 - from.y;
            double along = length2 > 0.0 ? (px * dx + py * dy) / length2 : 0.0;
            along = fmin(fmax(along, 0.0), 1.0);
            double away = hypot(px - along * dx, py - along * dy);
            float part = (float)fmin(fmax(radius + 0.5 - away, 0.0), 1.0);
            float *cover = &row[x - raster->box.x];
            *cover = fmaxf(*cover, part);
        }
    }
}
