/* What a plot is drawn on: an SVG text or a canvas. Coordinates as in canvas.h. */
#ifndef MMI_VISUALIZATION_SURFACE_H
#define MMI_VISUALIZATION_SURFACE_H

#include "mmengine/canvas.h"

/* A pen for lines; `dash` pixels drawn and left out in turn, 0: solid. */
typedef struct mmi_stroke {
    double width, dash;
    mm_color color;
} mmi_stroke;

/* Calls raise no errors of their own; memory that runs out stays pending. */
typedef struct mmi_surface mmi_surface;
struct mmi_surface {
    void (*rect)(mmi_surface *surface, mm_rect rect, mm_color color);
    void (*line)(mmi_surface *surface, const mm_point *points, size_t count,
                 const mmi_stroke *stroke);
    void (*circle)(mmi_surface *surface, mm_point center, double radius,
                   mm_color color);
    void (*text)(mmi_surface *surface, mm_point at, const char *text,
                 const mm_text_style *style);
    /* Limits what follows; NULL: no limit. */
    void (*clip)(mmi_surface *surface, const mm_rect *rect);
    /* Writes the file. */
    mm_status (*write)(mmi_surface *surface, const char *path);
    void (*free)(mmi_surface *surface);
};

/* A white surface; NULL on error. */
mmi_surface *mmi_surface_new_svg(double width, double height);
/* `scale`: pixels per unit; 2 gives sharp pictures on dense screens. */
mmi_surface *mmi_surface_new_png(double width, double height, double scale);

#endif
