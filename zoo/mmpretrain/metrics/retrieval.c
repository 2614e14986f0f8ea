/* RetrievalRecall and RetrievalAveragePrecision: how well the best of a gallery fit a
 * query. Each query is settled when it comes. Source:
 * mmpretrain/evaluation/metrics/retrieval.py. */
#include "mmengine/memory.h"
#include "mmengine/ops.h"
#include "mmpretrain/metrics/parts.h"

/* --- what both share --- */

/* The best `k` of a query, in torch's order: [k] ints; scope-owned. */
static const int64_t *best_of(mm_tensor *row, int64_t k)
{
    const int64_t *order = NULL;

    (void)mmz_topk(row, k, &order);
    return order;
}

/* True for each of the gallery that fits the query; mm_free(). `out_count`: how many.
 */
static bool *fits_of(const mm_value *sample, int64_t size, int64_t *out_count)
{
    bool *fits = mm_alloc((size_t)size + 1);
    mm_tensor *target =
        mm_dict_has(sample, "gt_score")
            ? mm_cast(mmz_sample_tensor(sample, "gt_score"), MM_DTYPE_F64)
            : mm_cast(mmz_sample_tensor(sample, "gt_label"), MM_DTYPE_I64);
    bool is_label = !mm_dict_has(sample, "gt_score");
    int64_t count = target == NULL ? 0 : mm_numel(target);

    *out_count = 0;
    if (!mm_has_error() && !is_label && count != size)
        (void)mm_raise(MM_ESHAPE, "gt_score of %lld, pred_score of %lld",
                       (long long)count, (long long)size);
    for (int64_t i = 0; i < count && !mm_has_error(); i++) {
        if (!is_label) {
            fits[i] = ((const double *)mm_data(target, MM_DTYPE_F64))[i] != 0.0;
            continue;
        }
        int64_t label = ((const int64_t *)mm_data(target, MM_DTYPE_I64))[i];

        if (label < 0 || label >= size)
            (void)mm_raise(MM_ERANGE, "gt_label %lld of a gallery of %lld",
                           (long long)label, (long long)size);
        else
            fits[label] = true;
    }
    for (int64_t i = 0; i < size && !mm_has_error(); i++)
        *out_count += fits[i];
    if (!mm_has_error())
        return fits;
    mm_free(fits);
    return NULL;
}

/* --- recall --- */

struct recall {
    mm_base_metric base;
    mm_i64s topk;
};

#define MM_OPT_STRUCT struct recall
static const mm_option recall_options[] = {
    {.name = "topk",
     .help = "how many of the best may hold one that fits",
     .flags = MM_OPTION_REQUIRED,
     .kind = MM_OPTION_I64S,
     .offset = offsetof(MM_OPT_STRUCT, topk)},
    {"", "", MM_OPT_INHERIT(base, mm_base_metric_options)},
    {0},
};
#undef MM_OPT_STRUCT

static mm_status recall_init(void *data)
{
    const struct recall *self = data;

    for (size_t i = 0; i < self->topk.count; i++)
        if (self->topk.data[i] <= 0)
            return mm_raise(MM_ECONFIG, "topk must be larger than 0, got %lld",
                            (long long)self->topk.data[i]);
    return self->topk.count > 0 ? mm_pending()
                                : mm_raise(MM_ECONFIG, "topk must not be empty");
}

/* Bytes, one for each k: 1 if one of the best k fits. Yours. */
static mm_value *recall_judge(const struct recall *self, const mm_value *sample)
{
    mm_tensor *row = mmz_sample_scores(sample);
    int64_t largest = row == NULL ? 0 : mmz_check_topk(&self->topk, row);
    int64_t count = 0, first = 0;
    bool *fits = mm_has_error() ? NULL : fits_of(sample, mm_numel(row), &count);
    const int64_t *best = fits == NULL ? NULL : best_of(row, largest);
    uint8_t *hits = mm_alloc(self->topk.count + 1);
    mm_value *result = NULL;

    while (best != NULL && first < largest && !fits[best[first]])
        first++;
    for (size_t i = 0; i < self->topk.count && !mm_has_error(); i++)
        hits[i] = first < self->topk.data[i];
    if (!mm_has_error())
        result = mm_value_new_bytes(hits, self->topk.count);
    mm_free(hits);
    mm_free(fits);
    return result;
}

static mm_status recall_process(void *data, mm_value *data_batch,
                                mm_value *data_samples)
{
    struct recall *self = data;

    (void)data_batch;
    for (size_t i = 0; i < mm_value_len(data_samples) && !mm_has_error(); i++)
        mm_metric_push(&self->base, recall_judge(self, mm_list_get(data_samples, i)));
    return mm_pending();
}

static mm_status recall_compute(void *data, mm_value *results, mm_value *out)
{
    const struct recall *self = data;

    if (mmz_need_results(results) < 0)
        return mm_pending();
    for (size_t k = 0; k < self->topk.count && !mm_has_error(); k++) {
        char *name = mm_strfmt("Recall@%lld", (long long)self->topk.data[k]);
        int64_t hits = 0;

        for (size_t i = 0; i < mm_value_len(results); i++) {
            size_t size = 0;
            const uint8_t *bytes = mm_value_bytes(mm_list_get(results, i), &size);

            hits += bytes[k];
        }
        if (name != NULL)
            mm_dict_put_f64(out, name,
                            100.0 * (double)hits / (double)mm_value_len(results));
        mm_free(name);
    }
    return mm_pending();
}

static const mm_metric_ops recall_ops = {
    .process = recall_process,
    .compute = recall_compute,
    .default_prefix = "retrieval",
};

const mm_component mmz_retrieval_recall = {
    .registry = "metrics",
    .scope = "mmpretrain",
    .name = "RetrievalRecall",
    .help = "share of queries with a fit among the best k of the gallery, in percent",
    .source = "mmpretrain/evaluation/metrics/retrieval.py",
    .size = sizeof(struct recall),
    .options = recall_options,
    .init = recall_init,
    MM_METRIC(&recall_ops),
};

/* --- average precision --- */

enum { MODE_IR, MODE_INTEGRATE };

struct retrieval_ap {
    mm_base_metric base;
    int64_t topk;
    int mode;
};

static const mm_choice modes[] = {
    {"IR", MODE_IR, "mean of the precisions at each fit"},
    {"integrate", MODE_INTEGRATE, "area under the curve of precision and recall"},
    {0},
};

#define MM_OPT_STRUCT struct retrieval_ap
static const mm_option ap_options[] = {
    {"topk", "how many of the best count", MM_OPT_I64_REQUIRED(topk, 1, INT32_MAX)},
    {"mode", "which average precision", MM_OPT_CHOICE(mode, MODE_IR, modes)},
    {"", "", MM_OPT_INHERIT(base, mm_base_metric_options)},
    {0},
};
#undef MM_OPT_STRUCT

/* Of one query, in percent. */
static double ap_of(const struct retrieval_ap *self, const int64_t *best,
                    const bool *fits, int64_t num_fits)
{
    double sum = 0.0;
    int64_t found = 0;

    for (int64_t rank = 0; rank < self->topk; rank++) {
        if (!fits[best[rank]])
            continue;
        double before = rank > 0 ? (double)found / (double)rank : 1.0;
        double now = (double)(found + 1) / (double)(rank + 1);

        sum += self->mode == MODE_IR ? now : (before + now) / 2.0;
        found++;
    }
    return sum / (double)num_fits * 100.0;
}

static double ap_judge(const struct retrieval_ap *self, const mm_value *sample)
{
    mm_tensor *row = mmz_sample_scores(sample);
    const mm_i64s bound = {&self->topk, 1};
    int64_t count = 0;
    double result = 0.0;

    if (row != NULL)
        (void)mmz_check_topk(&bound, row);
    bool *fits = mm_has_error() ? NULL : fits_of(sample, mm_numel(row), &count);

    if (fits != NULL && count == 0)
        (void)mm_raise(MM_EINVAL, "nothing in the gallery fits a query");
    const int64_t *best = mm_has_error() ? NULL : best_of(row, self->topk);

    if (best != NULL)
        result = ap_of(self, best, fits, count);
    mm_free(fits);
    return result;
}

static mm_status ap_process(void *data, mm_value *data_batch, mm_value *data_samples)
{
    struct retrieval_ap *self = data;

    (void)data_batch;
    for (size_t i = 0; i < mm_value_len(data_samples) && !mm_has_error(); i++) {
        double precision = ap_judge(self, mm_list_get(data_samples, i));

        mm_metric_push(&self->base, mm_value_new_f64(precision));
    }
    return mm_pending();
}

static mm_status ap_compute(void *data, mm_value *results, mm_value *out)
{
    const struct retrieval_ap *self = data;
    char *name = mm_strfmt("mAP@%lld", (long long)self->topk);
    double sum = 0.0;

    (void)mmz_need_results(results);
    for (size_t i = 0; i < mm_value_len(results) && !mm_has_error(); i++)
        sum += mm_value_f64(mm_list_get(results, i));
    if (!mm_has_error())
        mm_dict_put_f64(out, name, sum / (double)mm_value_len(results));
    mm_free(name);
    return mm_pending();
}

static const mm_metric_ops ap_ops = {
    .process = ap_process,
    .compute = ap_compute,
    .default_prefix = "retrieval",
};

const mm_component mmz_retrieval_average_precision = {
    .registry = "metrics",
    .scope = "mmpretrain",
    .name = "RetrievalAveragePrecision",
    .help = "average precision of queries among the best k of a gallery, in percent",
    .source = "mmpretrain/evaluation/metrics/retrieval.py",
    .size = sizeof(struct retrieval_ap),
    .options = ap_options,
    MM_METRIC(&ap_ops),
};
