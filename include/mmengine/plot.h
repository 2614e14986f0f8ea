/** @file
 * Curves of runs as SVG or PNG: losses, metrics, learning rate, one small chart each,
 * from the records.jsonl or scalars.json that every run writes.
 *
 * All charts share the iteration as their axis. Values of validation are placed at the
 * iteration after which they were measured.
 */
#ifndef MMENGINE_PLOT_H
#define MMENGINE_PLOT_H

#include "mmengine/value.h"

MM_BEGIN_DECLS

/** Runs whose curves are drawn together. */
typedef struct mm_plot mm_plot;

/** An empty plot; `title` may be NULL. Yours. */
MM_API mm_plot *mm_plot_new(const char *title);
/** NULL is fine. */
MM_API void mm_plot_free(mm_plot *plot);

/**
 * Adds a run. `path` is a work_dir, one of its folders named by time, or a scalars
 * file. Of a work_dir all its folders are read, oldest first: what a later one repeats
 * from an iteration on replaces the former, so a resumed run is one curve and a run
 * started again is the newest alone. `label` NULL: the last part of the path. Errors:
 * MM_ENOENT without a scalars file, MM_EDATA for one that is damaged.
 */
MM_API mm_status mm_plot_add_run(mm_plot *plot, const char *path, const char *label);
/** Adds a run from records as records.jsonl or scalars.json have them: a list of
 * dicts. */
MM_API mm_status mm_plot_add_records(mm_plot *plot, const mm_value *records,
                                     const char *label);
/** Draws only these names ("loss", "accuracy/top1") and those below them, in this
 * order; NULL: all but times and memory. */
MM_API mm_status mm_plot_set_keys(mm_plot *plot, const char *const *keys, size_t count);
/** What the axis counts; default "iteration". Kept by copy. */
MM_API mm_status mm_plot_set_axis(mm_plot *plot, const char *name);
/** Runs added so far. */
MM_API size_t mm_plot_num_runs(const mm_plot *plot);

/** Writes a file; its extension says which kind: ".svg" or ".png". Errors: MM_ESTATE if
 * there is nothing to draw, MM_EINVAL for another extension. */
MM_API mm_status mm_plot_write(const mm_plot *plot, const char *path);

MM_END_DECLS

#endif
