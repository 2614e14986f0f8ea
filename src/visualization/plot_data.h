/* Curves: what a plot draws, taken from the records of runs. */
#ifndef MMI_VISUALIZATION_PLOT_DATA_H
#define MMI_VISUALIZATION_PLOT_DATA_H

#include "base/vec.h"
#include "mmengine/canvas.h"
#include "mmengine/value.h"

/* The values of one name in one run, by iteration. */
typedef struct mmi_series {
    char *key;        /* without "train/" or "val/" */
    bool is_val;      /* measured by validation: few points, shown one by one */
    size_t num_wrong; /* NaN or infinite values, which are left out */
    MMI_VEC(mm_point) points;
} mmi_series;

typedef struct mmi_run {
    char *label;
    MMI_VEC(mmi_series) series;
} mmi_run;

typedef struct mmi_runs {
    MMI_VEC(mmi_run) items;
} mmi_runs;

/* Adds the curves of a list of records; `label` is copied. */
mm_status mmi_run_init(mmi_run *run, const mm_value *records, const char *label);
void mmi_run_deinit(mmi_run *run);
/* The series, NULL if the run has none. */
const mmi_series *mmi_run_find(const mmi_run *run, const char *key, bool is_val);
/* All records of a work_dir, a folder of a run or a scalars file: a list, yours. */
mm_value *mmi_load_records(const char *path);

#endif
