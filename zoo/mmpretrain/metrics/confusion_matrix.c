/* ConfusionMatrix: how many samples of each class were taken for each class. The result
 * is a matrix, which the log prints and the scalars leave out. Source:
 * mmpretrain/evaluation/metrics/single_label.py. */
#include <string.h>

#include "mmengine/memory.h"
#include "mmengine/ops.h"
#include "mmpretrain/metrics/parts.h"

struct confusion_matrix {
    mm_base_metric base;
    mm_maybe_i64 num_classes; /* option, or what the scores say */
};

/* What is kept of a sample. */
struct pair {
    int64_t predicted, expected;
};

#define MM_OPT_STRUCT struct confusion_matrix
static const mm_option options[] = {
    {"num_classes", "classes, where samples have labels and no scores",
     MM_OPT_I64_OR_NONE(num_classes, 1, 65535)},
    {"", "", MM_OPT_INHERIT(base, mm_base_metric_options)},
    {0},
};
#undef MM_OPT_STRUCT

/* The first of the largest scores; torch says where NaN is among them. */
static int64_t largest(mm_tensor *row)
{
    int64_t count = mm_numel(row), best = 0;
    const float *scores =
        mm_tensor_dtype(row) == MM_DTYPE_F32 ? mm_data(row, MM_DTYPE_F32) : NULL;
    bool is_ordered = scores != NULL && scores[0] == scores[0];

    for (int64_t i = 1; is_ordered && i < count; i++) {
        is_ordered = scores[i] == scores[i];
        best = scores[i] > scores[best] ? i : best;
    }
    return is_ordered ? best : mm_item_i64(mm_argmax(mmz_widen(row), 0, false));
}

static mm_status process(void *data, mm_value *data_batch, mm_value *data_samples)
{
    struct confusion_matrix *self = data;

    (void)data_batch;
    for (size_t i = 0; i < mm_value_len(data_samples) && !mm_has_error(); i++) {
        mm_value *sample = mm_list_get(data_samples, i);
        struct pair pair = {.expected = mmz_sample_label(sample, "gt_label")};

        if (mm_dict_has(sample, "pred_score")) {
            mm_tensor *row = mmz_sample_scores(sample);

            if (row == NULL)
                return mm_pending();
            pair.predicted = largest(row);
            self->num_classes = (mm_maybe_i64){true, mm_numel(row)};
        } else {
            pair.predicted = mmz_sample_label(sample, "pred_label");
        }
        mm_metric_push(&self->base, mm_value_new_bytes(&pair, sizeof(pair)));
    }
    return mm_pending();
}

static mm_status count(const mm_value *results, int64_t classes, int64_t *matrix)
{
    for (size_t i = 0; i < mm_value_len(results) && !mm_has_error(); i++) {
        size_t size = 0;
        struct pair pair;

        memcpy(&pair, mm_value_bytes(mm_list_get(results, i), &size), sizeof(pair));
        if (pair.expected < 0 || pair.expected >= classes || pair.predicted < 0 ||
            pair.predicted >= classes)
            return mm_raise(MM_ERANGE,
                            "gt_label %lld and pred_label %lld of %lld classes",
                            (long long)pair.expected, (long long)pair.predicted,
                            (long long)classes);
        matrix[pair.expected * classes + pair.predicted]++;
    }
    return mm_pending();
}

static mm_status compute(void *data, mm_value *results, mm_value *out)
{
    const struct confusion_matrix *self = data;
    int64_t classes = self->num_classes.value;

    if (mmz_need_results(results) < 0)
        return mm_pending();
    if (!self->num_classes.has)
        return mm_raise(MM_ECONFIG,
                        "num_classes must be given where samples have no pred_score");
    int64_t *matrix = mm_alloc_array((size_t)(classes * classes), sizeof(int64_t));

    if (matrix != NULL && count(results, classes, matrix) == MM_OK)
        mm_dict_put_tensor(out, "result",
                           mm_from_i64(matrix, 2, (int64_t[]){classes, classes}));
    mm_free(matrix);
    return mm_pending();
}

static const mm_metric_ops ops = {
    .process = process,
    .compute = compute,
    .default_prefix = "confusion_matrix",
};

const mm_component mmz_confusion_matrix = {
    .registry = "metrics",
    .scope = "mmpretrain",
    .name = "ConfusionMatrix",
    .help = "how often each class was taken for each class",
    .source = "mmpretrain/evaluation/metrics/single_label.py",
    .size = sizeof(struct confusion_matrix),
    .options = options,
    MM_METRIC(&ops),
};
