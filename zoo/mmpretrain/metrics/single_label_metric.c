/* SingleLabelMetric: precision, recall, F1 and support where each sample has one label.
 * Of a sample the label, the best class and whether its score passes each threshold
 * are kept. Source: mmpretrain/evaluation/metrics/single_label.py. */
#include <string.h>

#include "mmengine/memory.h"
#include "mmengine/ops.h"
#include "mmpretrain/metrics/parts.h"

struct single_label {
    mm_base_metric base;
    mm_value *thrs_option;
    mm_strs items;
    int average;
    mm_maybe_i64 num_classes;
    mm_value *thrs;    /* owned: a list of numbers and None */
    int64_t num_known; /* classes of the samples in this evaluation; 0: none yet */
    bool has_scores;   /* of the same samples */
};

/* One sample; behind it a byte for each threshold: 1 if the score passes. */
struct verdict {
    int64_t expected, predicted;
};

#define MM_OPT_STRUCT struct single_label
static const mm_option options[] = {
    {"thrs", "score above which the best class counts; None: any; default 0",
     MM_OPT_VALUE(thrs_option)},
    {"items", "what is computed: precision, recall, f1-score, support",
     MM_OPT_STRS(items, "('precision', 'recall', 'f1-score')")},
    {"average", "how the classes become one number",
     MM_OPT_CHOICE(average, MMZ_AVERAGE_MACRO, mmz_averages)},
    {"num_classes", "classes, where samples have labels and no scores",
     MM_OPT_I64_OR_NONE(num_classes, 1, INT32_MAX)},
    {"", "", MM_OPT_INHERIT(base, mm_base_metric_options)},
    {0},
};
#undef MM_OPT_STRUCT

static mm_status init(void *data)
{
    struct single_label *self = data;

    self->thrs = mmz_thresholds(self, self->thrs_option);
    return mmz_check_items(&self->items);
}

static void deinit(void *data)
{
    struct single_label *self = data;

    mm_value_unref(self->thrs);
    self->thrs = NULL;
}

/* All samples of an evaluation are alike; the first one says how. */
static mm_status agree(struct single_label *self, int64_t num_classes, bool has_scores)
{
    if (mm_value_len(self->base.results) == 0) {
        self->num_known = num_classes;
        self->has_scores = has_scores;
    }
    if (has_scores != self->has_scores)
        return mm_raise(MM_EDATA, "some samples have pred_score and some have not");
    if (has_scores && num_classes != self->num_known)
        return mm_raise(MM_ESHAPE, "pred_score of %lld and of %lld classes",
                        (long long)self->num_known, (long long)num_classes);
    return mm_pending();
}

/* Bytes of a verdict; yours. */
static mm_value *judge_scores(struct single_label *self, const mm_value *sample)
{
    mm_tensor *row = mmz_sample_scores(sample);
    size_t num_thrs = mm_value_len(self->thrs);
    double score = 0.0;
    uint8_t *bytes = mm_alloc(sizeof(struct verdict) + num_thrs);
    struct verdict verdict = {.expected = mmz_sample_label(sample, "gt_label")};

    if (row != NULL && bytes != NULL && agree(self, mm_numel(row), true) == MM_OK)
        verdict.predicted = mmz_best(row, &score);
    for (size_t i = 0; !mm_has_error() && i < num_thrs; i++) {
        double threshold = 0.0;
        bool has = mmz_has_threshold(self->thrs, i, &threshold);

        /* the original drops what is not above: NaN stays */
        bytes[sizeof(verdict) + i] =
            !has || !(score <= mmz_threshold(threshold, mm_tensor_dtype(row)));
    }
    mm_value *result = NULL;

    if (!mm_has_error()) {
        memcpy(bytes, &verdict, sizeof(verdict));
        result = mm_value_new_bytes(bytes, sizeof(verdict) + num_thrs);
    }
    mm_free(bytes);
    return result;
}

static mm_value *judge_label(struct single_label *self, const mm_value *sample)
{
    int64_t classes = self->num_classes.has ? self->num_classes.value
                                            : mmz_sample_i64(sample, "num_classes", 0);

    if (!mm_has_error() && classes <= 0)
        (void)mm_raise(MM_ECONFIG,
                       "num_classes must be given where samples have no pred_score");
    struct verdict verdict = {.expected = mmz_sample_label(sample, "gt_label"),
                              .predicted = mmz_sample_label(sample, "pred_label")};

    return agree(self, classes, false) == MM_OK
               ? mm_value_new_bytes(&verdict, sizeof(verdict))
               : NULL;
}

static mm_status process(void *data, mm_value *data_batch, mm_value *data_samples)
{
    struct single_label *self = data;

    (void)data_batch;
    for (size_t i = 0; i < mm_value_len(data_samples) && !mm_has_error(); i++) {
        mm_value *sample = mm_list_get(data_samples, i);

        mm_metric_push(&self->base, mm_dict_has(sample, "pred_score")
                                        ? judge_scores(self, sample)
                                        : judge_label(self, sample));
    }
    return mm_pending();
}

static bool is_class(const mmz_counts *counts, int64_t label, const char *what)
{
    if (label < 0 || label >= counts->num_classes)
        (void)mm_raise(MM_ERANGE, "%s %lld of %lld classes", what, (long long)label,
                       (long long)counts->num_classes);
    return !mm_has_error();
}

static mm_status count(const mm_value *results, size_t threshold, mmz_counts *counts)
{
    for (size_t i = 0; i < mm_value_len(results) && !mm_has_error(); i++) {
        size_t size = 0;
        const uint8_t *bytes = mm_value_bytes(mm_list_get(results, i), &size);
        struct verdict verdict;

        memcpy(&verdict, bytes, sizeof(verdict));
        bool passes =
            size == sizeof(verdict) || bytes[sizeof(verdict) + threshold] != 0;

        if (!is_class(counts, verdict.expected, "gt_label") ||
            !is_class(counts, verdict.predicted, "pred_label"))
            return mm_pending();
        counts->expected[verdict.expected]++;
        counts->predicted[verdict.predicted] += passes;
        counts->correct[verdict.expected] +=
            passes && verdict.expected == verdict.predicted;
    }
    return mm_pending();
}

static mm_status compute(void *data, mm_value *results, mm_value *out)
{
    const struct single_label *self = data;
    size_t num_thrs = self->has_scores ? mm_value_len(self->thrs) : 1;

    if (mmz_need_results(results) < 0)
        return mm_pending();
    for (size_t i = 0; i < num_thrs && !mm_has_error(); i++) {
        char *suffix =
            num_thrs > 1 ? mmz_threshold_suffix(self->thrs, i) : mm_strdup("");
        mmz_counts counts;

        if (suffix != NULL && mmz_counts_init(&counts, self->num_known) == MM_OK) {
            if (count(results, i, &counts) == MM_OK)
                mmz_put_scores(out, &counts, self->average, &self->items, suffix);
            mmz_counts_deinit(&counts);
        }
        mm_free(suffix);
    }
    return mm_pending();
}

static const mm_metric_ops ops = {
    .process = process,
    .compute = compute,
    .default_prefix = "single-label",
};

const mm_component mmz_single_label_metric = {
    .registry = "metrics",
    .scope = "mmpretrain",
    .name = "SingleLabelMetric",
    .help = "precision, recall, F1 and support of samples with one label each",
    .source = "mmpretrain/evaluation/metrics/single_label.py",
    .size = sizeof(struct single_label),
    .options = options,
    .init = init,
    .deinit = deinit,
    MM_METRIC(&ops),
};
