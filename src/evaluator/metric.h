/* What the evaluator does with one metric. */
#ifndef MMI_EVALUATOR_METRIC_H
#define MMI_EVALUATOR_METRIC_H

#include "mmengine/metric.h"

/* A metric ready for use; yours. */
mm_instance *mmi_metric_build(mm_value *config, const char *scope, const char *path);
/* Releases it and what it kept. NULL is fine. */
void mmi_metric_free(mm_instance *metric);
void mmi_metric_set_meta(mm_instance *metric, mm_value *dataset_meta);
mm_status mmi_metric_process(mm_instance *metric, mm_value *data_batch,
                             mm_value *data_samples);
/* Adds the numbers of its first `size` results to `out` under their full names, and
 * forgets the results; while an error is pending it only forgets. A name that is there
 * already is MM_EKEY. */
void mmi_metric_evaluate(mm_instance *metric, int64_t size, mm_value *out);

/* A value in which every tensor lies in host memory; yours. */
mm_value *mmi_to_cpu(mm_value *value);

extern const mm_component mmi_dump_results;

#endif
