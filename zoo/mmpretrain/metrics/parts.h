/* What the metrics of labels and scores share: reading samples, ranking scores as
 * torch.topk does, thresholds, precision and recall from counts. */
#ifndef MMZ_METRICS_PARTS_H
#define MMZ_METRICS_PARTS_H

#include "mmengine/metric.h"

/* How a number per class becomes one. */
enum { MMZ_AVERAGE_NONE, MMZ_AVERAGE_MACRO, MMZ_AVERAGE_MICRO };
extern const mm_choice mmz_averages[];

/* A tensor of a sample in host memory, contiguous; scope-owned or borrowed. */
mm_tensor *mmz_sample_tensor(const mm_value *sample, const char *name);
/* The only label of a sample: a tensor of one element, or a number. */
int64_t mmz_sample_label(const mm_value *sample, const char *name);
/* The scores of a sample as one row; ints become float32. */
mm_tensor *mmz_sample_scores(const mm_value *sample);
/* What an optional entry says; `fallback` if it is absent. */
int64_t mmz_sample_i64(const mm_value *sample, const char *name, int64_t fallback);

/* Where class `label` stands in torch.topk's order of a float32 row; only whether that
 * is below each of `bounds` is exact. The row's size if there is no such class. */
int64_t mmz_rank(mm_tensor *row, int64_t label, const mm_i64s *bounds);
/* The first index in that order, and its score. */
int64_t mmz_best(mm_tensor *row, double *out_score);
/* Half precision as float32, which orders alike: libtorch 1.13 cannot rank it. */
mm_tensor *mmz_widen(mm_tensor *row);
/* The best `k` scores, in torch's order, and their places; scope-owned. */
mm_tensor *mmz_topk(mm_tensor *row, int64_t k, const int64_t **out_order);
/* The largest of some bounds; MM_ECONFIG if a row is too short for it. */
int64_t mmz_check_topk(const mm_i64s *topk, const mm_tensor *row);

/* The option `thrs`: a number, None, or a list of them; yours. Absent: one of 0. */
mm_value *mmz_thresholds(const void *self, mm_value *given);
/* `threshold` as torch compares it with a tensor of `dtype`. */
double mmz_threshold(double threshold, mm_dtype dtype);
/* The threshold of a list's item: false for None. */
bool mmz_has_threshold(const mm_value *thresholds, size_t index, double *out);
/* "_no-thr" or "_thr-0.50"; mm_free(). */
char *mmz_threshold_suffix(const mm_value *thresholds, size_t index);

/* What of a class was predicted, was true, and both. */
typedef struct mmz_counts {
    int64_t *correct, *predicted, *expected; /* [num_classes] each */
    int64_t num_classes;
} mmz_counts;
/* Memory for the counts, all zero. Release with mmz_counts_deinit(). */
mm_status mmz_counts_init(mmz_counts *counts, int64_t num_classes);
void mmz_counts_deinit(mmz_counts *counts);

/* Precision, recall, F1 and support, as far as `items` asks for them, under their names
 * with `suffix`. In float32 and in the order of the original's operations. */
void mmz_put_scores(mm_value *out, const mmz_counts *counts, int average,
                    const mm_strs *items, const char *suffix);
/* MM_ECONFIG for an unknown item. */
mm_status mmz_check_items(const mm_strs *items);
/* MM_EINVAL if there is nothing to compute from. */
mm_status mmz_need_results(const mm_value *results);

/* A sample's classes for metrics of several labels: [num_classes] ints, from gt_score
 * or gt_label; fills `out`. Fractions are cut, as Tensor.long() does. */
mm_status mmz_sample_targets(const mm_value *sample, int64_t num_classes, int8_t *out);
/* The same as gt_score stands there: 1 for exactly 1, -1 for -1 and below, else 0. */
mm_status mmz_sample_marks(const mm_value *sample, int64_t num_classes, int8_t *out);

#endif
