/* Axes: where ticks stand and how they are written. */
#ifndef MMI_VISUALIZATION_TICKS_H
#define MMI_VISUALIZATION_TICKS_H

#include <stdbool.h>
#include <stddef.h>

enum { MMI_MAX_TICKS = 16, MMI_TICK_TEXT_SIZE = 32 };

typedef struct mmi_axis {
    double low, high;
    bool is_log;
    size_t num_ticks;
    double ticks[MMI_MAX_TICKS];
    char texts[MMI_MAX_TICKS][MMI_TICK_TEXT_SIZE];
} mmi_axis;

/* Chooses the range around [low, high] and about `wanted` ticks at round numbers. A
 * logarithmic axis needs low > 0. */
void mmi_axis_init(mmi_axis *axis, double low, double high, size_t wanted, bool is_log);
/* Where a value lies: 0 at the low end, 1 at the high end. */
double mmi_axis_place(const mmi_axis *axis, double value);

#endif
