/* The built-in font: outlines in units of 1/1024 em, y upwards from the baseline. */
#ifndef MMI_VISUALIZATION_FONT_H
#define MMI_VISUALIZATION_FONT_H

#include <stddef.h>
#include <stdint.h>

enum { MMI_FONT_EM = 1024, MMI_FONT_CAP_HEIGHT = 728 };

typedef struct mmi_glyph {
    uint16_t code; /* Unicode */
    int16_t advance;
    uint16_t first; /* in mmi_font_points */
} mmi_glyph;

extern const int mmi_font_ascent, mmi_font_descent;
extern const size_t mmi_font_num_glyphs;
/* By code. */
extern const mmi_glyph mmi_font_glyphs[];
/* Per glyph: number of contours; per contour: number of points; per point: 2 * x, plus
 * 1 for a point on the curve, and y. */
extern const int16_t mmi_font_points[];

/* The glyph of a character, NULL if the font has none. */
const mmi_glyph *mmi_font_find(uint32_t code);

#endif
