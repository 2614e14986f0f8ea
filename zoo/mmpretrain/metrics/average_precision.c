/* AveragePrecision and VOCAveragePrecision: precision at each true sample, in the order
 * of the scores, averaged per class. Scores are needed until the end; of a sample they
 * are kept with a byte per class for its target. Source:
 * mmpretrain/evaluation/metrics/multi_label.py. */
#include <string.h>

#include "mmengine/memory.h"
#include "mmengine/ops.h"
#include "mmpretrain/metrics/parts.h"
#include "mmpretrain/metrics/voc.h"

struct average_precision {
    mm_base_metric base;
    int average;
    int difficult;       /* of the VOC form */
    int64_t num_classes; /* of the samples in this evaluation */
    mm_dtype dtype;      /* of their scores */
};

static const mm_choice averages[] = {
    {"macro", MMZ_AVERAGE_MACRO, "mean over the classes: mAP"},
    {"None", MMZ_AVERAGE_NONE, "a list with a number per class"},
    {0},
};

#define MM_OPT_STRUCT struct average_precision
static const mm_option options[] = {
    {"average", "how the classes become one number",
     MM_OPT_CHOICE(average, MMZ_AVERAGE_MACRO, averages)},
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

static size_t score_bytes(const struct average_precision *self)
{
    return (size_t)self->num_classes * mm_dtype_size(self->dtype);
}

static mm_status agree(struct average_precision *self, const mm_tensor *row)
{
    if (mm_value_len(self->base.results) == 0) {
        self->num_classes = mm_numel(row);
        self->dtype = mm_tensor_dtype(row);
    }
    if (mm_numel(row) != self->num_classes || mm_tensor_dtype(row) != self->dtype)
        return mm_raise(MM_ESHAPE,
                        "pred_score of %lld classes and of %lld, or of "
                        "different dtypes",
                        (long long)self->num_classes, (long long)mm_numel(row));
    return mm_pending();
}

/* The scores and behind them the targets; yours. */
static mm_value *keep(struct average_precision *self, const mm_value *sample,
                      bool is_voc)
{
    mm_tensor *row = mmz_sample_scores(sample);

    if (row == NULL || agree(self, row) < 0)
        return NULL;
    size_t size = score_bytes(self) + (size_t)self->num_classes;
    char *bytes = mm_alloc(size + 1);
    int8_t *targets = bytes == NULL ? NULL : (int8_t *)(bytes + score_bytes(self));
    mm_value *result = NULL;

    if (targets != NULL &&
        mmz_sample_marks(sample, self->num_classes, targets) == MM_OK && is_voc)
        (void)mmz_mark_difficult(sample, self->difficult, self->num_classes, targets);
    if (!mm_has_error()) {
        memcpy(bytes, mm_data(row, self->dtype), score_bytes(self));
        result = mm_value_new_bytes(bytes, size);
    }
    mm_free(bytes);
    return result;
}

static mm_status process_all(struct average_precision *self,
                             const mm_value *data_samples, bool is_voc)
{
    for (size_t i = 0; i < mm_value_len(data_samples) && !mm_has_error(); i++)
        mm_metric_push(&self->base, keep(self, mm_list_get(data_samples, i), is_voc));
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

/* The samples of one class that are not ignored. */
struct column {
    char *scores;    /* owned */
    int8_t *targets; /* owned: 1 or 0 */
    int64_t count;
};

static mm_status gather(const struct average_precision *self, const mm_value *results,
                        int64_t index, struct column *out)
{
    size_t item_size = mm_dtype_size(self->dtype);

    out->count = 0;
    for (size_t i = 0; i < mm_value_len(results); i++) {
        size_t size = 0;
        const char *bytes = mm_value_bytes(mm_list_get(results, i), &size);
        int8_t target = (int8_t)bytes[score_bytes(self) + (size_t)index];

        if (target < 0)
            continue;
        memcpy(out->scores + (size_t)out->count * item_size,
               bytes + (size_t)index * item_size, item_size);
        out->targets[out->count++] = target;
    }
    if (out->count == 0)
        return mm_raise(MM_EINVAL, "class %lld has no sample that counts",
                        (long long)index);
    return mm_pending();
}

/* The average precision of a class, a float32 scalar. Order, sums and rounding are
 * torch's. */
static mm_tensor *precision_of(const struct average_precision *self,
                               const struct column *column)
{
    mm_tensor *scores = mm_from_data(column->scores, self->dtype, 1, &column->count);
    mm_tensor *order = mm_argsort(scores, 0, true);
    mm_tensor *precision = mm_empty(MM_DTYPE_F32, 1, &column->count);
    const int64_t *indices = order == NULL ? NULL : mm_data(order, MM_DTYPE_I64);
    float *values = precision == NULL ? NULL : mm_data(precision, MM_DTYPE_F32);
    int64_t hits = 0;

    if (indices == NULL || values == NULL)
        return NULL;
    for (int64_t i = 0; i < column->count; i++) {
        bool is_hit = column->targets[indices[i]] != 0;

        hits += is_hit;
        values[i] = is_hit ? (float)hits / (float)(i + 1) : 0.0F;
    }
    mm_tensor *sum = mm_sum(precision, MM_DIMS(0));

    return hits > 0 ? mm_div_scalar(sum, hits) : sum;
}

static mm_tensor *all_precisions(const struct average_precision *self,
                                 const mm_value *results, struct column *column)
{
    mm_tensor **precisions =
        mm_alloc_array((size_t)self->num_classes, sizeof(mm_tensor *));
    mm_tensor *joined = NULL;

    for (int64_t c = 0; precisions != NULL && c < self->num_classes; c++)
        if (gather(self, results, c, column) == MM_OK)
            precisions[c] = precision_of(self, column);
    if (!mm_has_error())
        joined = mm_cast(mm_stack(precisions, (int)self->num_classes, 0), self->dtype);
    mm_free(precisions);
    return joined;
}

static mm_status compute(void *data, mm_value *results, mm_value *out)
{
    const struct average_precision *self = data;
    size_t count = mm_value_len(results);

    if (mmz_need_results(results) < 0)
        return mm_pending();
    struct column column = {
        .scores = mm_alloc_array(count, mm_dtype_size(self->dtype)),
        .targets = mm_alloc(count),
    };
    mm_tensor *precisions =
        mm_has_error() ? NULL : all_precisions(self, results, &column);

    if (precisions == NULL)
        ;
    else if (self->average == MMZ_AVERAGE_NONE)
        mm_dict_take(out, "AP_classwise",
                     mm_tensor_to_list(mm_mul_scalar(precisions, 100)));
    else
        mm_dict_put_f64(out, "mAP", mm_item(mm_mul_scalar(mm_mean(precisions), 100.0)));
    mm_free(column.scores);
    mm_free(column.targets);
    return mm_pending();
}

static const mm_metric_ops ops = {
    .process = process,
    .compute = compute,
    .default_prefix = "multi-label",
};

const mm_component mmz_average_precision = {
    .registry = "metrics",
    .scope = "mmpretrain",
    .name = "AveragePrecision",
    .help = "average precision per class, or its mean",
    .source = "mmpretrain/evaluation/metrics/multi_label.py",
    .size = sizeof(struct average_precision),
    .options = options,
    MM_METRIC(&ops),
};

static const mm_metric_ops voc_ops = {
    .process = process_voc,
    .compute = compute,
    .default_prefix = "multi-label",
};

const mm_component mmz_voc_average_precision = {
    .registry = "metrics",
    .scope = "mmpretrain",
    .name = "VOCAveragePrecision",
    .help = "AveragePrecision with Pascal VOC's difficult objects",
    .source = "mmpretrain/evaluation/metrics/voc_multi_label.py",
    .size = sizeof(struct average_precision),
    .options = voc_options,
    MM_METRIC(&voc_ops),
};
