/** @file
 * Metrics and the evaluator. Source: mmengine/evaluator.
 */
#ifndef MMENGINE_METRIC_H
#define MMENGINE_METRIC_H

#include "mmengine/component.h"
#include "mmengine/structures.h"

MM_BEGIN_DECLS

/** The functions of a metric. Embed mm_base_metric first in its struct. */
struct mm_metric_ops {
    /** required: adds one entry per sample to the results. `data_samples` is a list of
     * dicts (data elements are turned into dicts first); `data_batch` may be NULL. */
    mm_status (*process)(void *self, mm_value *data_batch, mm_value *data_samples);
    /** required: puts name -> number into `out` from all results, a list. What is no
     * number (a list per class, a matrix) becomes information and no scalar. */
    mm_status (*compute)(void *self, mm_value *results, mm_value *out);
    const char *default_prefix; /**< optional, default: no prefix, with a warning */
    /** optional, default: compute() of the first `size` results, names with the prefix.
     * For metrics made of others: puts full names and numbers into `out`, and lets each
     * forget its results, also when another failed or an error is pending already. */
    mm_status (*evaluate)(void *self, int64_t size, mm_value *out);
};

/** What every metric has. Source: BaseMetric. */
typedef struct mm_base_metric {
    int collect_device; /**< accepted: one process needs no collecting */
    const char *prefix; /**< keys become "prefix/name" */
    const char *collect_dir;
    mm_value *results; /**< state: list of what process() kept */
    mm_value
        *dataset_meta; /**< state: metainfo of the dataset, borrowed; may be NULL */
} mm_base_metric;
MM_API extern const mm_option mm_base_metric_options[];
/** Adds an entry to the results. For process(). */
MM_API void mm_metric_add(mm_base_metric *metric, mm_value *result);
/** The same, and the list becomes the owner. */
MM_API void mm_metric_push(mm_base_metric *metric, MM_TAKES mm_value *result);

/** Builds from a config: one metric, a list, or dict(type='Evaluator', metrics=...). */
MM_API MM_OWNED mm_evaluator *mm_evaluator_build(mm_value *config, const char *scope,
                                                 const char *path);
MM_API mm_status mm_evaluator_check(mm_value *config, const char *scope,
                                    const char *path);
MM_API void mm_evaluator_free(mm_evaluator *evaluator);
MM_API mm_status mm_evaluator_set_meta(mm_evaluator *evaluator, mm_value *dataset_meta);
/** Hands predictions to every metric. */
MM_API mm_status mm_evaluator_process(mm_evaluator *evaluator, mm_value *data_samples,
                                      mm_value *data_batch);
/** Computes all metrics over `size` samples and clears them: dict name -> number;
 * yours. */
MM_API MM_OWNED mm_value *mm_evaluator_evaluate(mm_evaluator *evaluator, int64_t size);
/**
 * Computes all metrics from predictions that were kept: dict name -> number; yours.
 * `data` (may be NULL) are the samples of the dataset, one for each prediction; the two
 * lists are handed over in chunks of `chunk_size`. Source: Evaluator.offline_evaluate.
 */
MM_API MM_OWNED mm_value *mm_evaluator_offline(mm_evaluator *evaluator,
                                               mm_value *data_samples, mm_value *data,
                                               int64_t chunk_size);

/** @name Predictions in files @{ */
/**
 * Reads the predictions that DumpResults wrote, here or in Python: a list of dicts;
 * yours. Tensors lie in host memory, NumPy arrays become tensors, pickled data elements
 * become dicts. Nothing in the file is executed. Errors: MM_ENOENT, MM_EDATA.
 */
MM_API MM_OWNED mm_value *mm_predictions_load(const char *path);
/** Writes them as DumpResults does: pickle.load() gives dicts with torch tensors. */
MM_API mm_status mm_predictions_save(const mm_value *predictions, const char *path);
/** @} */

/** MMEngine's get_metric_value: exact, or the unique match of the last path component.
 */
MM_API double mm_metric_value(const mm_value *metrics, const char *indicator);

MM_END_DECLS

#endif
