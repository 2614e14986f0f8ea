/* How much of each pixel a shape covers. A polygon is entered edge by edge and summed
 * up at the end; a thick line is entered by the distance of each pixel from it. */
#ifndef MMI_VISUALIZATION_RASTER_H
#define MMI_VISUALIZATION_RASTER_H

#include "mmengine/canvas.h"

/* Pixels [x, x + width) by [y, y + height). */
typedef struct mmi_box {
    int x, y, width, height;
} mmi_box;

typedef struct mmi_raster {
    mmi_box box;
    size_t stride; /* floats from row to row */
    float *cover;  /* 0 to 1 after mmi_raster_finish() */
} mmi_raster;

/* The box of whole pixels that holds a rectangle and lies inside `clip`. */
mmi_box mmi_box_of(double left, double top, double right, double bottom, mmi_box clip);

/* Nothing covered yet. False if the box is empty or memory ran out. */
bool mmi_raster_init(mmi_raster *raster, mmi_box box);
void mmi_raster_deinit(mmi_raster *raster);
/* An edge of a polygon; all edges of a polygon make closed loops. */
void mmi_raster_edge(mmi_raster *raster, mm_point from, mm_point to);
/* Turns edges into coverage; what winds around more than once is covered once. */
void mmi_raster_finish(mmi_raster *raster);
/* A line with round ends, or a disc; the larger coverage stays. No finish needed. */
void mmi_raster_capsule(mmi_raster *raster, mm_point from, mm_point to, double radius);

#endif
