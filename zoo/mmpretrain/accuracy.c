/* Accuracy: the share of samples whose label is among the k best predictions, in
 * percent. A prediction counts only if its score is above a threshold. Source:
 * mmpretrain/evaluation/metrics/single_label.py. */
#include <stdio.h>

#include "mmengine/memory.h"
#include "mmengine/metric.h"
#include "mmengine/ops.h"

struct accuracy {
    mm_base_metric base;
    mm_i64s topk;
    mm_value *thrs; /* number, None, or a list of them; NULL here means None */
};

#define MM_OPT_STRUCT struct accuracy
static const mm_option options[] = {
    {"topk", "how many of the best predictions count", MM_OPT_I64S(topk, "(1,)")},
    {"thrs", "least score of a prediction that counts; None: any; default 0",
     MM_OPT_VALUE(thrs)},
    {"", "", MM_OPT_INHERIT(base, mm_base_metric_options)},
    {0},
};
#undef MM_OPT_STRUCT

static mm_status process(void *data, mm_value *data_batch, mm_value *data_samples)
{
    struct accuracy *self = data;
    (void)data_batch;

    for (size_t i = 0; i < mm_value_len(data_samples) && !mm_has_error(); i++) {
        mm_value *sample = mm_list_get(data_samples, i);
        mm_value *scores = mm_dict_find(sample, "pred_score");
        mm_value *result = mm_value_new_dict();

        if (scores != NULL)
            mm_dict_put(result, "pred_score", scores);
        else
            mm_dict_put(result, "pred_label", mm_dict_get(sample, "pred_label"));
        mm_dict_put(result, "gt_label", mm_dict_get(sample, "gt_label"));
        mm_metric_add(&self->base, result);
        mm_value_unref(result);
    }
    return mm_pending();
}

/* One field of all results, joined along a new (stack) or the first dimension. */
static mm_tensor *join(const mm_value *results, const char *field, bool stack)
{
    size_t count = mm_value_len(results);
    mm_tensor **tensors = mm_alloc_array(count, sizeof(mm_tensor *));
    mm_tensor *joined = NULL;

    for (size_t i = 0; tensors != NULL && i < count && !mm_has_error(); i++)
        tensors[i] =
            mm_to(mm_dict_get_tensor(mm_list_get(results, i), field), .device = "cpu");
    if (!mm_has_error())
        joined =
            stack ? mm_stack(tensors, (int)count, 0) : mm_cat(tensors, (int)count, 0);
    mm_free(tensors);
    return joined;
}

/* Hits among the first k of each row: labels [N, maxk], target [N]. */
static int64_t count_hits(const int64_t *labels, const float *scores,
                          const int64_t *target, const int64_t sizes[2], int64_t k,
                          const double *threshold)
{
    int64_t hits = 0;

    for (int64_t row = 0; row < sizes[0]; row++) {
        for (int64_t i = 0; i < k; i++) {
            int64_t at = row * sizes[1] + i;

            if (labels[at] == target[row] &&
                (threshold == NULL || (double)scores[at] > *threshold))
                hits++;
        }
    }
    return hits;
}

/* "top1", or "top1_thr-0.50" and "top1_no-thr" with several thresholds. */
static void put_share(mm_value *out, int64_t k, const double *threshold, bool several,
                      int64_t hits, int64_t total)
{
    char name[64];

    if (!several)
        (void)snprintf(name, sizeof(name), "top%lld", (long long)k);
    else if (threshold == NULL)
        (void)snprintf(name, sizeof(name), "top%lld_no-thr", (long long)k);
    else
        (void)snprintf(name, sizeof(name), "top%lld_thr-%.2f", (long long)k,
                       *threshold);
    /* the original multiplies a float32 count by the float32 of 100 / N */
    mm_dict_put_f64(out, name, (double)((float)hits * (float)(100.0 / (double)total)));
}

/* The thresholds as a list; yours. The default is one of 0. */
static mm_value *thresholds(const struct accuracy *self)
{
    mm_value *config = mm_instance_config(mm_instance_of(self));
    mm_kind kind = mm_value_kind(self->thrs);

    if (kind == MM_KIND_LIST || kind == MM_KIND_TUPLE)
        return mm_value_ref(self->thrs);
    mm_value *list = mm_value_new_list();
    if (self->thrs != NULL)
        mm_list_append(list, self->thrs);
    else if (config != NULL && mm_dict_has(config, "thrs"))
        mm_list_push(list, mm_value_new_none());
    else
        mm_list_push(list, mm_value_new_f64(0.0));
    return list;
}

static mm_status from_scores(const struct accuracy *self, const mm_value *results,
                             const int64_t *target, mm_value *out)
{
    mm_tensor *scores = mm_cast(join(results, "pred_score", true), MM_DTYPE_F32);
    mm_value *thrs = thresholds(self);
    int64_t max_k = 1;
    mm_tensor *best_scores = NULL, *best_labels = NULL;

    for (size_t i = 0; i < self->topk.count; i++)
        max_k = self->topk.data[i] > max_k ? self->topk.data[i] : max_k;
    if (scores != NULL && max_k > mm_size(scores, 1))
        (void)mm_raise(MM_ECONFIG, "top-%lld accuracy of %lld classes",
                       (long long)max_k, (long long)mm_size(scores, 1));
    if (!mm_has_error())
        best_scores = mm_topk(scores, max_k, 1, true, &best_labels);
    if (!mm_has_error()) {
        int64_t sizes[2] = {mm_size(scores, 0), max_k};
        const int64_t *labels =
            mm_data(mm_contiguous(best_labels, MM_FORMAT_CONTIGUOUS), MM_DTYPE_I64);
        const float *values =
            mm_data(mm_contiguous(best_scores, MM_FORMAT_CONTIGUOUS), MM_DTYPE_F32);

        for (size_t i = 0; i < self->topk.count && !mm_has_error(); i++) {
            for (size_t j = 0; j < mm_value_len(thrs) && !mm_has_error(); j++) {
                mm_value *item = mm_list_get(thrs, j);
                double number = mm_value_is_none(item) ? 0.0 : mm_value_f64(item);
                const double *threshold = mm_value_is_none(item) ? NULL : &number;

                put_share(out, self->topk.data[i], threshold, mm_value_len(thrs) > 1,
                          count_hits(labels, values, target, sizes, self->topk.data[i],
                                     threshold),
                          sizes[0]);
            }
        }
    }
    mm_value_unref(thrs);
    return mm_pending();
}

static mm_status from_labels(const mm_value *results, const int64_t *target,
                             mm_value *out)
{
    mm_tensor *labels = mm_cast(join(results, "pred_label", false), MM_DTYPE_I64);
    const int64_t *predicted = labels == NULL ? NULL : mm_data(labels, MM_DTYPE_I64);
    int64_t sizes[2] = {labels == NULL ? 0 : mm_numel(labels), 1};

    if (!mm_has_error())
        put_share(out, 1, NULL, false,
                  count_hits(predicted, NULL, target, sizes, 1, NULL), sizes[0]);
    return mm_pending();
}

static mm_status compute(void *data, mm_value *results, mm_value *out)
{
    const struct accuracy *self = data;
    mm_scope scope = mm_scope_open();

    if (mm_value_len(results) > 0) {
        mm_tensor *joined = join(results, "gt_label", false);
        mm_tensor *target = mm_cast(joined, MM_DTYPE_I64);
        const int64_t *labels = target == NULL ? NULL : mm_data(target, MM_DTYPE_I64);

        if (labels != NULL && mm_numel(target) != (int64_t)mm_value_len(results))
            (void)mm_raise(MM_ESHAPE, "%lld labels for %zu samples",
                           (long long)mm_numel(target), mm_value_len(results));
        if (mm_has_error())
            ;
        else if (mm_dict_has(mm_list_get(results, 0), "pred_score"))
            (void)from_scores(self, results, labels, out);
        else
            (void)from_labels(results, labels, out);
    }
    mm_scope_close(scope);
    return mm_pending();
}

static const mm_metric_ops ops = {
    .process = process,
    .compute = compute,
    .default_prefix = "accuracy",
};

const mm_component mmz_accuracy = {
    .registry = "metrics",
    .scope = "mmpretrain",
    .name = "Accuracy",
    .help = "share of right predictions among the k best, in percent",
    .source = "mmpretrain/evaluation/metrics/single_label.py",
    .size = sizeof(struct accuracy),
    .options = options,
    MM_METRIC(&ops),
};
