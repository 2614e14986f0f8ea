#include "mmpretrain/metrics/parts.h"

#include <math.h>
#include <string.h>

#include "mmengine/memory.h"
#include "mmengine/ops.h"

const mm_choice mmz_averages[] = {
    {"macro", MMZ_AVERAGE_MACRO, "mean over the classes"},
    {"micro", MMZ_AVERAGE_MICRO, "of the sums over all classes"},
    {"None", MMZ_AVERAGE_NONE, "a list with a number per class"},
    {0},
};

/* --- samples --- */

mm_tensor *mmz_sample_tensor(const mm_value *sample, const char *name)
{
    mm_tensor *tensor = mm_dict_get_tensor(sample, name);
    mm_tensor_info info;

    if (tensor == NULL || mm_tensor_info_get(tensor, &info) < 0)
        return NULL;
    if (info.is_cpu && info.is_contiguous)
        return tensor;
    return mm_contiguous(mm_to(mm_detach(tensor), .device = "cpu"),
                         MM_FORMAT_CONTIGUOUS);
}

int64_t mmz_sample_label(const mm_value *sample, const char *name)
{
    mm_value *value = mm_dict_get(sample, name);

    if (value != NULL && mm_value_kind(value) != MM_KIND_OBJECT)
        return mm_value_i64(value);
    mm_tensor *tensor = mmz_sample_tensor(sample, name);

    if (tensor == NULL)
        return 0;
    if (mm_numel(tensor) != 1) {
        (void)mm_raise(MM_ESHAPE, "'%s' of a sample has %lld labels, not one", name,
                       (long long)mm_numel(tensor));
        return 0;
    }
    if (mm_tensor_dtype(tensor) != MM_DTYPE_I64)
        tensor = mm_cast(tensor, MM_DTYPE_I64);
    const int64_t *label = tensor == NULL ? NULL : mm_data(tensor, MM_DTYPE_I64);

    return label == NULL ? 0 : *label;
}

mm_tensor *mmz_sample_scores(const mm_value *sample)
{
    mm_tensor *row = mmz_sample_tensor(sample, "pred_score");

    if (row == NULL)
        return NULL;
    if (mm_ndim(row) != 1 || mm_numel(row) == 0) {
        char *text = mm_tensor_describe(row);

        (void)mm_raise(MM_ESHAPE, "pred_score of a sample is %s, not one row of scores",
                       text == NULL ? "?" : text);
        mm_free(text);
        return NULL;
    }
    return mm_dtype_is_floating(mm_tensor_dtype(row)) ? row
                                                      : mm_cast(row, MM_DTYPE_F32);
}

int64_t mmz_sample_i64(const mm_value *sample, const char *name, int64_t fallback)
{
    const mm_value *value = mm_dict_find(sample, name);

    return mm_value_is_none(value) ? fallback : mm_value_i64(value);
}

/* --- ranks --- */

/* How many of a row are greater than, equal to, and not comparable with a score. */
struct tally {
    int64_t greater, equal, unordered;
};

static struct tally tally(const float *row, int64_t count, float score)
{
    int32_t greater = 0, equal = 0, unordered = 0;

    for (int64_t i = 0; i < count; i++) {
        greater += row[i] > score;
        equal += row[i] == score;
        unordered += row[i] != row[i];
    }
    return (struct tally){greater, equal, unordered};
}

/* Equal scores matter only where one of the bounds lies between them. */
static bool is_settled(const struct tally *tally, const mm_i64s *bounds)
{
    if (tally->unordered > 0)
        return false;
    for (size_t i = 0; i < bounds->count && tally->equal > 1; i++)
        if (bounds->data[i] > tally->greater &&
            bounds->data[i] < tally->greater + tally->equal)
            return false;
    return true;
}

mm_tensor *mmz_widen(mm_tensor *row)
{
    mm_dtype dtype = mm_tensor_dtype(row);

    return dtype == MM_DTYPE_F16 || dtype == MM_DTYPE_BF16 ? mm_cast(row, MM_DTYPE_F32)
                                                           : row;
}

mm_tensor *mmz_topk(mm_tensor *row, int64_t k, const int64_t **out_order)
{
    mm_tensor *order = NULL;
    mm_tensor *scores = mm_topk(mmz_widen(row), k, 0, true, &order);

    *out_order = scores == NULL ? NULL : mm_data(order, MM_DTYPE_I64);
    return *out_order == NULL ? NULL : scores;
}

/* The place of `label` in torch's order of the row's best `k`; -1 if it is not there.
 */
static int64_t find_place(mm_tensor *row, int64_t k, int64_t label)
{
    const int64_t *indices = NULL;

    (void)mmz_topk(row, k, &indices);
    for (int64_t i = 0; indices != NULL && i < k; i++)
        if (indices[i] == label)
            return i;
    return -1;
}

int64_t mmz_rank(mm_tensor *row, int64_t label, const mm_i64s *bounds)
{
    int64_t count = mm_numel(row);
    const float *scores = mm_data(row, MM_DTYPE_F32);

    if (scores == NULL || label < 0 || label >= count)
        return count;
    struct tally found = tally(scores, count, scores[label]);

    if (is_settled(&found, bounds))
        return found.greater;
    int64_t place = find_place(row, mmz_check_topk(bounds, row), label);

    return place < 0 ? count : place;
}

int64_t mmz_best(mm_tensor *row, double *out_score)
{
    int64_t count = mm_numel(row), best = 0;

    if (mm_tensor_dtype(row) == MM_DTYPE_F32) {
        const float *scores = mm_data(row, MM_DTYPE_F32);

        for (int64_t i = 1; i < count; i++)
            best = scores[i] > scores[best] ? i : best;
        struct tally found = tally(scores, count, scores[best]);

        *out_score = (double)scores[best];
        if (found.unordered == 0 && found.equal == 1)
            return best;
    }
    const int64_t *order = NULL;
    mm_tensor *score = mmz_topk(row, 1, &order);

    *out_score = score == NULL ? 0.0 : mm_item(score);
    return order == NULL ? 0 : order[0];
}

int64_t mmz_check_topk(const mm_i64s *topk, const mm_tensor *row)
{
    int64_t largest = 0;

    for (size_t i = 0; i < topk->count; i++)
        largest = topk->data[i] > largest ? topk->data[i] : largest;
    if (largest > mm_numel(row)) {
        (void)mm_raise(MM_ECONFIG, "top-%lld of %lld classes", (long long)largest,
                       (long long)mm_numel(row));
        (void)mm_error_hint("look at topk in val_evaluator and test_evaluator");
    }
    return largest;
}

/* --- thresholds --- */

mm_value *mmz_thresholds(const void *self, mm_value *given)
{
    mm_value *config = mm_instance_config(mm_instance_of(self));
    mm_kind kind = mm_value_kind(given);
    mm_value *list = mm_value_new_list();

    if (kind == MM_KIND_LIST || kind == MM_KIND_TUPLE)
        for (size_t i = 0; i < mm_value_len(given); i++)
            mm_list_append(list, mm_list_get(given, i));
    else if (given != NULL)
        mm_list_append(list, given);
    else if (config != NULL && mm_dict_has(config, "thrs"))
        mm_list_push(list, mm_value_new_none());
    else
        mm_list_push(list, mm_value_new_f64(0.0));
    for (size_t i = 0; i < mm_value_len(list) && !mm_has_error(); i++)
        if (!mm_value_is_none(mm_list_get(list, i)))
            (void)mm_value_f64(mm_list_get(list, i));
    return list;
}

double mmz_threshold(double threshold, mm_dtype dtype)
{
    if (dtype == MM_DTYPE_F64)
        return threshold;
    return dtype == MM_DTYPE_F32 ? (double)(float)threshold
                                 : mm_item(mm_scalar(threshold, dtype));
}

bool mmz_has_threshold(const mm_value *thresholds, size_t index, double *out)
{
    const mm_value *item = mm_list_get(thresholds, index);

    *out = mm_value_is_none(item) ? 0.0 : mm_value_f64(item);
    return !mm_value_is_none(item);
}

char *mmz_threshold_suffix(const mm_value *thresholds, size_t index)
{
    double threshold = 0.0;

    return mmz_has_threshold(thresholds, index, &threshold)
               ? mm_strfmt("_thr-%.2f", threshold)
               : mm_strdup("_no-thr");
}

/* --- counts --- */

mm_status mmz_counts_init(mmz_counts *counts, int64_t num_classes)
{
    size_t size = (size_t)num_classes;
    int64_t *memory = mm_alloc_array(3 * size + 1, sizeof(int64_t));

    *counts = (mmz_counts){.num_classes = num_classes};
    if (memory != NULL) {
        counts->correct = memory;
        counts->predicted = memory + size;
        counts->expected = memory + 2 * size;
    }
    return mm_pending();
}

void mmz_counts_deinit(mmz_counts *counts)
{
    mm_free(counts->correct);
    counts->correct = NULL;
}

static const char *const item_names[] = {"precision", "recall", "f1-score", "support",
                                         NULL};

mm_status mmz_check_items(const mm_strs *items)
{
    for (size_t i = 0; i < items->count; i++) {
        bool is_known = false;

        for (size_t k = 0; item_names[k] != NULL; k++)
            is_known = is_known || strcmp(items->data[i], item_names[k]) == 0;
        if (!is_known) {
            (void)mm_raise(MM_ECONFIG,
                           "items: there is no '%s': known are precision, recall, "
                           "f1-score and support",
                           items->data[i]);
            return mm_error_hint_nearest(items->data[i], item_names, 4);
        }
    }
    return mm_pending();
}

static bool has_item(const mm_strs *items, const char *name)
{
    for (size_t i = 0; i < items->count; i++)
        if (strcmp(items->data[i], name) == 0)
            return true;
    return false;
}

/* The counts as the original has them at this point: per class, or one sum. */
static mm_tensor *counted(const int64_t *counts, int64_t num_classes, int average)
{
    mm_tensor *tensor = mm_from_i64(counts, 1, &num_classes);

    return average == MMZ_AVERAGE_MICRO ? mm_sum(tensor) : tensor;
}

static void put_item(mm_value *out, const mm_strs *items, const char *name,
                     const char *suffix, int average, mm_tensor *value)
{
    char *key = mm_strfmt("%s%s%s", name, suffix,
                          average == MMZ_AVERAGE_NONE    ? "_classwise"
                          : average == MMZ_AVERAGE_MICRO ? "_micro"
                                                         : "");

    if (key != NULL && has_item(items, name))
        mm_dict_take(out, key, mm_tensor_to_list(value));
    mm_free(key);
}

void mmz_put_scores(mm_value *out, const mmz_counts *counts, int average,
                    const mm_strs *items, const char *suffix)
{
    int64_t size = counts->num_classes;
    bool is_mean = average == MMZ_AVERAGE_MACRO;
    mm_tensor *correct = counted(counts->correct, size, average);
    mm_tensor *predicted = counted(counts->predicted, size, average);
    mm_tensor *expected = counted(counts->expected, size, average);
    mm_tensor *precision = mm_mul_scalar(
        mm_div(correct, mm_cast(mm_clamp(predicted, .min = MM_N(1)), MM_DTYPE_F32)),
        100);
    mm_tensor *recall = mm_mul_scalar(
        mm_div(correct, mm_cast(mm_clamp(expected, .min = MM_N(1)), MM_DTYPE_F32)),
        100);
    mm_tensor *f1 = mm_div(mm_mul(mm_mul_scalar(precision, 2), recall),
                           mm_clamp(mm_add(precision, recall),
                                    .min = MM_N((double)1.1920928955078125e-07F)));

    if (is_mean) {
        precision = mm_mean(precision);
        recall = mm_mean(recall);
        f1 = mm_mean(f1);
        expected = mm_sum(expected);
    }
    put_item(out, items, "precision", suffix, average, precision);
    put_item(out, items, "recall", suffix, average, recall);
    put_item(out, items, "f1-score", suffix, average, f1);
    put_item(out, items, "support", suffix, average, expected);
}

mm_status mmz_need_results(const mm_value *results)
{
    return mm_value_len(results) > 0
               ? mm_pending()
               : mm_raise(MM_EINVAL, "there are no predictions to compute from");
}

/* --- several labels --- */

/* gt_label as counts: a label that is named twice is 2. */
static mm_status count_labels(const mm_value *sample, int64_t num_classes, int8_t *out)
{
    mm_tensor *labels = mmz_sample_tensor(sample, "gt_label");
    const int64_t *data = NULL;

    memset(out, 0, (size_t)num_classes);
    if (labels != NULL && mm_tensor_dtype(labels) != MM_DTYPE_I64)
        labels = mm_cast(labels, MM_DTYPE_I64);
    if (labels != NULL && mm_numel(labels) > 0)
        data = mm_data(labels, MM_DTYPE_I64);
    for (int64_t i = 0; data != NULL && i < mm_numel(labels); i++) {
        if (data[i] < 0 || data[i] >= num_classes)
            return mm_raise(MM_ERANGE, "gt_label %lld of %lld classes",
                            (long long)data[i], (long long)num_classes);
        if (out[data[i]] < INT8_MAX)
            out[data[i]]++;
    }
    return mm_pending();
}

/* gt_score as doubles, [num_classes]; NULL without an error if it is absent. */
static const double *target_scores(const mm_value *sample, int64_t num_classes)
{
    if (!mm_dict_has(sample, "gt_score"))
        return NULL;
    mm_tensor *scores = mm_cast(mmz_sample_tensor(sample, "gt_score"), MM_DTYPE_F64);

    if (scores == NULL)
        return NULL;
    if (mm_numel(scores) != num_classes) {
        (void)mm_raise(MM_ESHAPE,
                       "gt_score of a sample has %lld classes, pred_score %lld",
                       (long long)mm_numel(scores), (long long)num_classes);
        return NULL;
    }
    return mm_data(scores, MM_DTYPE_F64);
}

mm_status mmz_sample_targets(const mm_value *sample, int64_t num_classes, int8_t *out)
{
    const double *scores = target_scores(sample, num_classes);

    if (mm_has_error())
        return mm_pending();
    if (scores == NULL)
        return count_labels(sample, num_classes, out);
    for (int64_t i = 0; i < num_classes; i++) {
        if (!(scores[i] > -129.0 && scores[i] < 128.0))
            return mm_raise(MM_ERANGE, "gt_score %g of class %lld", scores[i],
                            (long long)i);
        out[i] = (int8_t)scores[i];
    }
    return MM_OK;
}

mm_status mmz_sample_marks(const mm_value *sample, int64_t num_classes, int8_t *out)
{
    const double *scores = target_scores(sample, num_classes);

    if (mm_has_error())
        return mm_pending();
    if (scores == NULL && count_labels(sample, num_classes, out) < 0)
        return mm_pending();
    for (int64_t i = 0; i < num_classes; i++) {
        double score = scores == NULL ? (double)out[i] : scores[i];

        out[i] = (int8_t)(score > -1.0 ? score == 1.0 : -1);
    }
    return MM_OK;
}
