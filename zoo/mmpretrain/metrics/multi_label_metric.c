/* MultiLabelMetric and VOCMultiLabelMetric: precision, recall, F1 and support where a
 * sample may have several labels. Of a sample two bytes per class are kept: whether it
 * was predicted, and its target. Source:
 * mmpretrain/evaluation/metrics/multi_label.py. */
#include <string.h>

#include "mmengine/log.h"
#include "mmengine/memory.h"
#include "mmengine/ops.h"
#include "mmpretrain/metrics/parts.h"
#include "mmpretrain/metrics/voc.h"

struct multi_label {
    mm_base_metric base;
    mm_maybe_f64 thr;
    mm_maybe_i64 topk;
    mm_strs items;
    int average;
    int difficult;       /* of the VOC form */
    int64_t num_classes; /* of the samples in this evaluation */
};

#define MM_OPT_STRUCT struct multi_label
static const mm_option options[] = {
    {"thr", "least score of a class that counts as predicted; default 0.5 without topk",
     MM_OPT_F64_OR_NONE(thr, -1e300, 1e300)},
    {"topk", "how many of the best classes count as predicted",
     MM_OPT_I64_OR_NONE(topk, 1, INT32_MAX)},
    {"items", "what is computed: precision, recall, f1-score, support",
     MM_OPT_STRS(items, "('precision', 'recall', 'f1-score')")},
    {"average", "how the classes become one number",
     MM_OPT_CHOICE(average, MMZ_AVERAGE_MACRO, mmz_averages)},
    {"", "", MM_OPT_INHERIT(base, mm_base_metric_options)},
    {0},
};

static const mm_option voc_options[] = {
    {"difficult_as_positive", "classes that only difficult objects show",
     MM_OPT_CHOICE(difficult, MMZ_DIFFICULT_IGNORED, mmz_difficult_choices)},
    {.name = "", .help = "", .kind = MM_OPTION_INHERIT, .u.inherited = options},
    {0},
};
#undef MM_OPT_STRUCT

static mm_status init(void *data)
{
    struct multi_label *self = data;

    if (!self->thr.has && !self->topk.has) {
        self->thr = (mm_maybe_f64){true, 0.5};
        mm_log(MM_LOG_WARN, "Neither thr nor k is given, set thr as 0.5 by default.");
    } else if (self->thr.has && self->topk.has) {
        mm_log(MM_LOG_WARN,
               "Both thr and topk are given, use threshold in favor of top-k.");
    }
    return mmz_check_items(&self->items);
}

/* Fills `out` with 1 for the classes that count as predicted. */
static mm_status predict(const struct multi_label *self, mm_tensor *row, int8_t *out)
{
    int64_t count = mm_numel(row);

    memset(out, 0, (size_t)count);
    if (self->thr.has) {
        double threshold = mmz_threshold(self->thr.value, mm_tensor_dtype(row));
        mm_tensor *wide = mm_cast(row, MM_DTYPE_F64);
        const double *scores = wide == NULL ? NULL : mm_data(wide, MM_DTYPE_F64);

        for (int64_t i = 0; scores != NULL && i < count; i++)
            out[i] = scores[i] >= threshold;
        return mm_pending();
    }
    const mm_i64s bound = {&self->topk.value, 1};
    const int64_t *best = NULL;

    (void)mmz_topk(row, mmz_check_topk(&bound, row), &best);
    for (int64_t i = 0; best != NULL && i < self->topk.value; i++)
        out[best[i]] = 1;
    return mm_pending();
}

static mm_value *judge(struct multi_label *self, const mm_value *sample, bool is_voc)
{
    mm_tensor *row = mmz_sample_scores(sample);
    int64_t count = row == NULL ? 0 : mm_numel(row);
    int8_t *bytes = mm_alloc(2 * (size_t)count + 1);
    mm_value *result = NULL;

    if (mm_value_len(self->base.results) == 0)
        self->num_classes = count;
    if (!mm_has_error() && count != self->num_classes)
        (void)mm_raise(MM_ESHAPE, "pred_score of %lld and of %lld classes",
                       (long long)self->num_classes, (long long)count);
    if (!mm_has_error() && predict(self, row, bytes) == MM_OK &&
        mmz_sample_targets(sample, count, bytes + count) == MM_OK && is_voc)
        (void)mmz_mark_difficult(sample, self->difficult, count, bytes + count);
    if (!mm_has_error())
        result = mm_value_new_bytes(bytes, 2 * (size_t)count);
    mm_free(bytes);
    return result;
}

static mm_status process_all(struct multi_label *self, const mm_value *data_samples,
                             bool is_voc)
{
    for (size_t i = 0; i < mm_value_len(data_samples) && !mm_has_error(); i++)
        mm_metric_push(&self->base, judge(self, mm_list_get(data_samples, i), is_voc));
    return mm_pending();
}

static mm_status process(void *self, mm_value *data_batch, mm_value *data_samples)
{
    (void)data_batch;
    return process_all(self, data_samples, false);
}

static mm_status process_voc(void *self, mm_value *data_batch, mm_value *data_samples)
{
    (void)data_batch;
    return process_all(self, data_samples, true);
}

/* A target of -1 is ignored. Both are taken bit by bit, as the original does: a class
 * that is named twice is 2 and meets no prediction. */
static void count(const mm_value *results, mmz_counts *counts)
{
    int64_t num_classes = counts->num_classes;

    for (size_t i = 0; i < mm_value_len(results); i++) {
        size_t size = 0;
        const int8_t *bytes = mm_value_bytes(mm_list_get(results, i), &size);
        const int8_t *targets = bytes + num_classes;

        for (int64_t c = 0; c < num_classes; c++) {
            if (targets[c] == -1)
                continue;
            counts->predicted[c] += bytes[c];
            counts->expected[c] += targets[c];
            counts->correct[c] += bytes[c] & targets[c];
        }
    }
}

/* "", "_thr-0.70" or "_top3"; a threshold of 0 counts as none here, as in the original.
 * mm_free(). */
static char *suffix_of(const struct multi_label *self)
{
    if (self->thr.has && self->thr.value != 0.0)
        return self->thr.value == 0.5 ? mm_strdup("")
                                      : mm_strfmt("_thr-%.2f", self->thr.value);
    return self->topk.has ? mm_strfmt("_top%lld", (long long)self->topk.value)
                          : mm_strdup("_topNone");
}

static mm_status compute(void *data, mm_value *results, mm_value *out)
{
    const struct multi_label *self = data;
    char *suffix = mmz_need_results(results) < 0 ? NULL : suffix_of(self);
    mmz_counts counts;

    if (suffix != NULL && mmz_counts_init(&counts, self->num_classes) == MM_OK) {
        count(results, &counts);
        mmz_put_scores(out, &counts, self->average, &self->items, suffix);
        mmz_counts_deinit(&counts);
    }
    mm_free(suffix);
    return mm_pending();
}

static const mm_metric_ops ops = {
    .process = process,
    .compute = compute,
    .default_prefix = "multi-label",
};

const mm_component mmz_multi_label_metric = {
    .registry = "metrics",
    .scope = "mmpretrain",
    .name = "MultiLabelMetric",
    .help = "precision, recall, F1 and support of samples with several labels",
    .source = "mmpretrain/evaluation/metrics/multi_label.py",
    .size = sizeof(struct multi_label),
    .options = options,
    .init = init,
    MM_METRIC(&ops),
};

static const mm_metric_ops voc_ops = {
    .process = process_voc,
    .compute = compute,
    .default_prefix = "multi-label",
};

const mm_component mmz_voc_multi_label_metric = {
    .registry = "metrics",
    .scope = "mmpretrain",
    .name = "VOCMultiLabelMetric",
    .help = "MultiLabelMetric with Pascal VOC's difficult objects",
    .source = "mmpretrain/evaluation/metrics/voc_multi_label.py",
    .size = sizeof(struct multi_label),
    .options = voc_options,
    .init = init,
    MM_METRIC(&voc_ops),
};
