/* What plots need of a canvas beyond mmengine/canvas.h. */
#ifndef MMI_VISUALIZATION_CANVAS_H
#define MMI_VISUALIZATION_CANVAS_H

#include "visualization/raster.h"

struct mm_canvas {
    int width, height;
    mmi_box clip; /* nothing outside is drawn on */
    uint8_t *pixels;
};

/* Draws the covered pixels in a colour. */
void mmi_canvas_blend(mm_canvas *canvas, const mmi_raster *raster, mm_color color);
/* Limits drawing to a rectangle; NULL: the whole canvas. */
void mmi_canvas_set_clip(mm_canvas *canvas, const mm_rect *rect);

#endif
