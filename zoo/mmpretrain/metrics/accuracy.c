/* Accuracy: the share of samples whose label is among the k best predictions, in
 * percent. A prediction counts only if its score is above a threshold. Whether a sample
 * is hit is settled when it comes, so no scores are kept. Source:
 * mmpretrain/evaluation/metrics/single_label.py. */
#include "mmengine/memory.h"
#include "mmengine/ops.h"
#include "mmpretrain/metrics/parts.h"

struct accuracy {
    mm_base_metric base;
    mm_i64s topk;
    mm_value *thrs_option;
    mm_value *thrs; /* owned: a list of numbers and None */
};

#define MM_OPT_STRUCT struct accuracy
static const mm_option options[] = {
    {"topk", "how many of the best predictions count", MM_OPT_I64S(topk, "(1,)")},
    {"thrs", "least score of a prediction that counts; None: any; default 0",
     MM_OPT_VALUE(thrs_option)},
    {"", "", MM_OPT_INHERIT(base, mm_base_metric_options)},
    {0},
};
#undef MM_OPT_STRUCT

static mm_status init(void *data)
{
    struct accuracy *self = data;

    self->thrs = mmz_thresholds(self, self->thrs_option);
    return mm_pending();
}

static void deinit(void *data)
{
    struct accuracy *self = data;

    mm_value_unref(self->thrs);
    self->thrs = NULL;
}

/* Bytes, one for each pair of k and threshold: 1 for a hit. Yours. */
static mm_value *judge(const struct accuracy *self, const mm_value *sample)
{
    mm_tensor *row = mmz_sample_scores(sample);
    int64_t label = mmz_sample_label(sample, "gt_label");
    size_t num_thrs = mm_value_len(self->thrs);
    uint8_t *hits = mm_alloc(self->topk.count * num_thrs + 1);

    row = mm_cast(row, MM_DTYPE_F32);
    if (row != NULL)
        (void)mmz_check_topk(&self->topk, row);
    if (mm_has_error()) {
        mm_free(hits);
        return NULL;
    }
    int64_t rank = mmz_rank(row, label, &self->topk);
    const float *scores = mm_data(row, MM_DTYPE_F32);

    for (size_t i = 0; i < self->topk.count && rank < mm_numel(row); i++) {
        for (size_t j = 0; j < num_thrs; j++) {
            double threshold = 0.0;
            bool is_above = !mmz_has_threshold(self->thrs, j, &threshold) ||
                            scores[label] > (float)threshold;

            hits[i * num_thrs + j] = rank < self->topk.data[i] && is_above;
        }
    }
    mm_value *result = mm_value_new_bytes(hits, self->topk.count * num_thrs);

    mm_free(hits);
    return result;
}

static mm_status process(void *data, mm_value *data_batch, mm_value *data_samples)
{
    struct accuracy *self = data;

    (void)data_batch;
    for (size_t i = 0; i < mm_value_len(data_samples) && !mm_has_error(); i++) {
        mm_value *sample = mm_list_get(data_samples, i);

        if (mm_dict_has(sample, "pred_score"))
            mm_metric_push(&self->base, judge(self, sample));
        else
            mm_metric_push(&self->base,
                           mm_value_new_bool(mmz_sample_label(sample, "pred_label") ==
                                             mmz_sample_label(sample, "gt_label")));
    }
    return mm_pending();
}

/* The original multiplies a float32 count by the float32 of 100 / N. */
static double share(int64_t hits, size_t total)
{
    return (double)((float)hits * (float)(100.0 / (double)total));
}

static int64_t count_hits(const mm_value *results, size_t place)
{
    int64_t hits = 0;

    for (size_t i = 0; i < mm_value_len(results) && !mm_has_error(); i++) {
        const mm_value *result = mm_list_get(results, i);
        size_t size = 0;
        const uint8_t *bytes = mm_value_kind(result) == MM_KIND_BYTES
                                   ? mm_value_bytes(result, &size)
                                   : NULL;

        if (mm_value_kind(result) == MM_KIND_BOOL && place == 0)
            hits += mm_value_bool(result);
        else if (place < size)
            hits += bytes[place];
        else
            (void)mm_raise(MM_EDATA, "some samples have pred_score and some have not");
    }
    return hits;
}

static mm_status compute(void *data, mm_value *results, mm_value *out)
{
    const struct accuracy *self = data;
    size_t total = mm_value_len(results);
    size_t num_thrs = mm_value_len(self->thrs);

    if (mmz_need_results(results) < 0)
        return mm_pending();
    if (mm_value_kind(mm_list_get(results, 0)) == MM_KIND_BOOL) {
        mm_dict_put_f64(out, "top1", share(count_hits(results, 0), total));
        return mm_pending();
    }
    for (size_t i = 0; i < self->topk.count * num_thrs && !mm_has_error(); i++) {
        char *suffix = num_thrs > 1 ? mmz_threshold_suffix(self->thrs, i % num_thrs)
                                    : mm_strdup("");
        char *name = mm_strfmt("top%lld%s", (long long)self->topk.data[i / num_thrs],
                               suffix == NULL ? "" : suffix);

        if (name != NULL)
            mm_dict_put_f64(out, name, share(count_hits(results, i), total));
        mm_free(name);
        mm_free(suffix);
    }
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
    .init = init,
    .deinit = deinit,
    MM_METRIC(&ops),
};
