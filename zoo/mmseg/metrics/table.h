/* A table of numbers per class, drawn as the original's log shows it. */
#ifndef MMZ_MMSEG_TABLE_H
#define MMZ_MMSEG_TABLE_H

#include "mmengine/value.h"

/* One column: a heading and a number per row. */
typedef struct mmz_column {
    const char *name;
    const float *values;
} mmz_column;

/* The text: a column "Class" with `names` (a list or tuple of strings), then `columns`,
 * centred, in a frame; mm_free(). */
char *mmz_class_table(const mm_value *names, const mmz_column *columns, size_t count);

#endif
