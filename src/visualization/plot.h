/* What the files that make plots share. */
#ifndef MMI_VISUALIZATION_PLOT_H
#define MMI_VISUALIZATION_PLOT_H

#include "base/vec.h"
#include "mmengine/plot.h"
#include "visualization/plot_data.h"
#include "visualization/surface.h"

/* A curve in a chart. */
typedef struct mmi_curve {
    const mmi_series *series;
    char *name;   /* in the legend */
    size_t color; /* number of colour and dash */
} mmi_curve;

/* One small chart. */
typedef struct mmi_panel {
    char *title;
    int rank;         /* charts of lower rank come first */
    bool is_smooth;   /* noisy curves get a running mean */
    bool may_be_log;  /* if the values span much */
    const char *axis; /* the plot's */
    MMI_VEC(mmi_curve) curves;
} mmi_panel;

typedef struct mmi_panels {
    MMI_VEC(mmi_panel) items;
} mmi_panels;

struct mm_plot {
    char *title;
    char *axis; /* NULL: "iteration" */
    mmi_runs runs;
    char **keys; /* drawn alone; NULL: all */
    size_t num_keys;
};

/* Groups the curves of all runs into charts. */
mm_status mmi_panels_init(mmi_panels *panels, const mm_plot *plot);
void mmi_panels_deinit(mmi_panels *panels);

/* Height of one chart and its width, axes included. */
enum { MMI_PANEL_WIDTH = 430, MMI_PANEL_HEIGHT = 290 };
/* Draws a chart with its top left corner at `corner`; `has_legend`: names its curves.
 */
void mmi_panel_draw(const mmi_panel *panel, mmi_surface *surface, mm_point corner,
                    bool has_legend);
/* The pen of a curve's colour number. */
mmi_stroke mmi_plot_stroke(size_t number);
/* The room for a label, with some to spare: the reader of an SVG may have another font
 * than ours. */
double mmi_plot_label_width(const char *label, double size);

#endif
