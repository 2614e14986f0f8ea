/* IoUMetric: intersection over union, Dice and F-score of segmentation maps. Of a map
 * its areas per class are kept, in pixels. Sums, quotients and rounding are the
 * original's float32. Source: mmseg/evaluation/metrics/iou_metric.py. */
#include <math.h>
#include <string.h>

#include "mmengine/canvas.h"
#include "mmengine/file.h"
#include "mmengine/log.h"
#include "mmengine/memory.h"
#include "mmengine/metric.h"
#include "mmengine/ops.h"
#include "mmseg/metrics/areas.h"
#include "mmseg/metrics/table.h"

enum { MAX_SERIES = 8 };

struct iou_metric {
    mm_base_metric base;
    int64_t ignore_index;
    mm_strs iou_metrics;
    mm_maybe_f64 nan_to_num;
    double beta;
    const char *output_dir;
    bool format_only;
    mm_value *rest;
};

#define MM_OPT_STRUCT struct iou_metric
static const mm_option options[] = {
    {"ignore_index", "pixels with this annotation do not count",
     MM_OPT_I64(ignore_index, 255, INT32_MIN, INT32_MAX)},
    {"iou_metrics", "what is computed: mIoU, mDice, mFscore",
     MM_OPT_STRS(iou_metrics, "['mIoU']")},
    {"nan_to_num", "number that stands for classes without pixels; None: they are nan",
     MM_OPT_F64_OR_NONE(nan_to_num, -1e300, 1e300)},
    {"beta", "weight of recall in the F-score", MM_OPT_F64(beta, 1.0, 0.0, 1e9)},
    {"output_dir", "folder for the predicted maps as PNG; None: not written",
     MM_OPT_STR(output_dir, NULL)},
    {"format_only", "only writes the maps", MM_OPT_BOOL(format_only, false)},
    {"", "", MM_OPT_INHERIT(base, mm_base_metric_options)},
    {"", "others are accepted and not used, as in the original", MM_OPT_REST(rest)},
    {0},
};
#undef MM_OPT_STRUCT

static const char *const metric_names[] = {"mIoU", "mDice", "mFscore"};

static mm_status init(void *data)
{
    const struct iou_metric *self = data;

    for (size_t i = 0; i < self->iou_metrics.count; i++) {
        bool is_known = false;

        for (size_t k = 0; k < 3; k++)
            is_known |= strcmp(self->iou_metrics.data[i], metric_names[k]) == 0;
        if (!is_known) {
            (void)mm_raise(MM_ECONFIG,
                           "iou_metrics: there is no '%s': known are mIoU, "
                           "mDice and mFscore",
                           self->iou_metrics.data[i]);
            return mm_error_hint_nearest(self->iou_metrics.data[i], metric_names, 3);
        }
    }
    if (self->format_only && self->output_dir == NULL)
        return mm_raise(MM_ECONFIG, "format_only needs an output_dir to write to");
    return self->output_dir == NULL ? mm_pending() : mm_make_dirs(self->output_dir);
}

/* --- taking predictions --- */

static const mm_value *classes_of(const struct iou_metric *self)
{
    const mm_value *classes = self->base.dataset_meta == NULL
                                  ? NULL
                                  : mm_dict_find(self->base.dataset_meta, "classes");
    mm_kind kind = mm_value_kind(classes);

    if ((kind != MM_KIND_LIST && kind != MM_KIND_TUPLE) || mm_value_len(classes) == 0) {
        (void)mm_raise(MM_ECONFIG, "the dataset does not say its classes");
        (void)mm_error_hint("give it metainfo=dict(classes=[...])");
        return NULL;
    }
    return classes;
}

/* sample[name]["data"] on the host, contiguous. */
static mm_tensor *map_of(const mm_value *sample, const char *name)
{
    const mm_value *element = mm_dict_get(sample, name);
    mm_tensor *tensor = element == NULL ? NULL : mm_dict_get_tensor(element, "data");

    return mm_contiguous(mm_to(tensor, .device = "cpu"), MM_FORMAT_CONTIGUOUS);
}

/* The sizes that are not 1, as after squeeze(). */
static bool are_alike(const mm_tensor *a, const mm_tensor *b)
{
    int i = 0, k = 0;

    while (i < mm_ndim(a) || k < mm_ndim(b)) {
        if (i < mm_ndim(a) && mm_size(a, i) == 1)
            i++;
        else if (k < mm_ndim(b) && mm_size(b, k) == 1)
            k++;
        else if (i < mm_ndim(a) && k < mm_ndim(b) && mm_size(a, i) == mm_size(b, k))
            i++, k++;
        else
            return false;
    }
    return true;
}

/* Bytes: the floats of mmz_count_areas(). Yours. */
static mm_value *measure(const struct iou_metric *self, mm_tensor *predicted,
                         const mm_value *sample, size_t num_classes)
{
    mm_tensor *expected = map_of(sample, "gt_sem_seg");
    size_t size = MMZ_NUM_AREAS * num_classes * sizeof(float);
    float *areas = mm_alloc(size);
    mm_value *result = NULL;

    if (!mm_has_error() && !are_alike(predicted, expected)) {
        char *a = mm_tensor_describe(predicted), *b = mm_tensor_describe(expected);

        (void)mm_raise(MM_ESHAPE, "pred_sem_seg is %s, gt_sem_seg %s",
                       a == NULL ? "?" : a, b == NULL ? "?" : b);
        mm_free(a);
        mm_free(b);
    }
    if (!mm_has_error() && mmz_count_areas(predicted, expected, self->ignore_index,
                                           (int64_t)num_classes, areas) == MM_OK)
        result = mm_value_new_bytes(areas, size);
    mm_free(areas);
    return result;
}

/* The map as a grey PNG named after the picture. */
static mm_status write_map(const struct iou_metric *self, mm_tensor *predicted,
                           const mm_value *sample)
{
    const mm_value *source = mm_dict_get(sample, "img_path");
    const mm_value *shift = mm_dict_find(sample, "reduce_zero_label");
    const char *name = source == NULL ? NULL : mm_path_basename(mm_value_str(source));
    mm_tensor *map = mm_op("aten::squeeze", MM_T(predicted));

    if (shift != NULL && mm_value_is_true(shift))
        map = mm_add_scalar(map, 1);
    map = mm_cast(map, MM_DTYPE_U8);
    if (map == NULL || name == NULL)
        return mm_pending();
    if (mm_ndim(map) != 2)
        return mm_raise(MM_ESHAPE, "pred_sem_seg has %d dimensions, not 2",
                        mm_ndim(map));
    char *path = mm_strfmt("%s/%.*s.png", self->output_dir,
                           (int)(strlen(name) - strlen(mm_path_extension(name))), name);

    if (path != NULL)
        (void)!mm_image_write_png(&(mm_image){.data = mm_data(map, MM_DTYPE_U8),
                                              .height = mm_size(map, 0),
                                              .width = mm_size(map, 1),
                                              .channels = 1},
                                  path);
    mm_free(path);
    return mm_pending();
}

static mm_status process(void *data, mm_value *data_batch, mm_value *data_samples)
{
    struct iou_metric *self = data;
    const mm_value *classes = classes_of(self);
    size_t count = classes == NULL ? 0 : mm_value_len(data_samples);

    (void)data_batch;
    for (size_t i = 0; i < count && !mm_has_error(); i++) {
        const mm_value *sample = mm_list_get(data_samples, i);
        mm_scope scope = mm_scope_open();
        mm_tensor *predicted = map_of(sample, "pred_sem_seg");

        if (predicted != NULL && !self->format_only)
            mm_metric_push(&self->base,
                           measure(self, predicted, sample, mm_value_len(classes)));
        if (!mm_has_error() && self->output_dir != NULL)
            (void)write_map(self, predicted, sample);
        mm_scope_close(scope);
    }
    return mm_pending();
}

/* --- numbers --- */

/* A number per class under a name. */
struct series {
    const char *name;
    float *values; /* owned */
};

/* All that is computed, in the order of the results; a name stands once. */
struct report {
    const float *areas; /* [MMZ_NUM_AREAS][size], summed */
    size_t size;
    struct series series[MAX_SERIES];
    size_t count;
};

static const float *area(const struct report *report, int which)
{
    return report->areas + (size_t)which * report->size;
}

/* Room for a series: one of that name is overwritten. */
static float *series_of(struct report *report, const char *name)
{
    for (size_t i = 0; i < report->count; i++)
        if (strcmp(report->series[i].name, name) == 0)
            return report->series[i].values;
    float *values = mm_alloc_array(report->size, sizeof(float));

    if (values != NULL)
        report->series[report->count++] = (struct series){name, values};
    return values;
}

static void put_quotient(struct report *report, const char *name, int above, int below)
{
    float *out = series_of(report, name);

    for (size_t c = 0; out != NULL && c < report->size; c++)
        out[c] = area(report, above)[c] / area(report, below)[c];
}

static void put_dice(struct report *report)
{
    float *out = series_of(report, "Dice");

    for (size_t c = 0; out != NULL && c < report->size; c++)
        out[c] = 2.0F * area(report, MMZ_INTERSECT)[c] /
                 (area(report, MMZ_PREDICTED)[c] + area(report, MMZ_EXPECTED)[c]);
}

static void put_fscore(struct report *report, double beta)
{
    float *out = series_of(report, "Fscore");
    float square = (float)(beta * beta), weight = (float)(1.0 + beta * beta);

    for (size_t c = 0; out != NULL && c < report->size; c++) {
        float intersect = area(report, MMZ_INTERSECT)[c];
        float precision = intersect / area(report, MMZ_PREDICTED)[c];
        float recall = intersect / area(report, MMZ_EXPECTED)[c];

        out[c] = weight * (precision * recall) / (square * precision + recall);
    }
}

static void fill(struct report *report, const struct iou_metric *self)
{
    for (size_t i = 0; i < self->iou_metrics.count && !mm_has_error(); i++) {
        const char *name = self->iou_metrics.data[i];

        if (strcmp(name, "mIoU") == 0) {
            put_quotient(report, "IoU", MMZ_INTERSECT, MMZ_UNION);
            put_quotient(report, "Acc", MMZ_INTERSECT, MMZ_EXPECTED);
        } else if (strcmp(name, "mDice") == 0) {
            put_dice(report);
            put_quotient(report, "Acc", MMZ_INTERSECT, MMZ_EXPECTED);
        } else {
            put_fscore(report, self->beta);
            put_quotient(report, "Precision", MMZ_INTERSECT, MMZ_PREDICTED);
            put_quotient(report, "Recall", MMZ_INTERSECT, MMZ_EXPECTED);
        }
    }
}

/* NumPy's sum of float32: pairwise, eight at a time below 128. */
static float pairwise(const float *values, size_t count)
{
    float part[8], sum = 0.0F;
    size_t i = 8;

    if (count > 128) {
        size_t half = count / 2 - count / 2 % 8;

        return pairwise(values, half) + pairwise(values + half, count - half);
    }
    if (count < 8) {
        for (i = 0; i < count; i++)
            sum += values[i];
        return sum;
    }
    memcpy(part, values, sizeof(part));
    for (; i < count - count % 8; i += 8)
        for (size_t k = 0; k < 8; k++)
            part[k] += values[i + k];
    sum = ((part[0] + part[1]) + (part[2] + part[3])) +
          ((part[4] + part[5]) + (part[6] + part[7]));
    for (; i < count; i++)
        sum += values[i];
    return sum;
}

/* numpy.round(100 * value, 2) of a float32. */
static float percent(float value)
{
    return rintf(value * 100.0F * 100.0F) / 100.0F;
}

/* The mean over classes that are numbers; nan if none is. */
static float mean(const float *values, size_t count)
{
    float *numbers = mm_alloc_array(count, sizeof(float));
    size_t used = 0;

    for (size_t i = 0; numbers != NULL && i < count; i++) {
        numbers[i] = isnan(values[i]) ? 0.0F : values[i];
        used += isnan(values[i]) ? 0 : 1;
    }
    float sum = numbers == NULL ? NAN : pairwise(numbers, count);

    mm_free(numbers);
    return sum / (float)used;
}

static void replace_nan(const struct iou_metric *self, float *values, size_t count)
{
    for (size_t i = 0; self->nan_to_num.has && i < count; i++)
        if (isnan(values[i]))
            values[i] = (float)self->nan_to_num.value;
}

/* Pixels that are right among all pixels. */
static float all_accuracy(const struct report *report)
{
    int64_t size = (int64_t)report->size;
    mm_tensor *right = mm_sum(mm_from_f32(area(report, MMZ_INTERSECT), 1, &size));
    mm_tensor *all = mm_sum(mm_from_f32(area(report, MMZ_EXPECTED), 1, &size));

    return (float)mm_item(mm_div(right, all));
}

static mm_status log_table(struct report *report, const mm_value *classes)
{
    mmz_column columns[MAX_SERIES];

    for (size_t i = 0; i < report->count; i++) {
        for (size_t c = 0; c < report->size; c++)
            report->series[i].values[c] = percent(report->series[i].values[c]);
        columns[i] = (mmz_column){report->series[i].name, report->series[i].values};
    }
    char *table = mmz_class_table(classes, columns, report->count);

    if (table != NULL) {
        mm_log(MM_LOG_INFO, "per class results:");
        mm_log(MM_LOG_INFO, "\n%s", table);
    }
    mm_free(table);
    return mm_pending();
}

static mm_status put_report(const struct iou_metric *self, struct report *report,
                            mm_value *out)
{
    float accuracy = all_accuracy(report);

    replace_nan(self, &accuracy, 1);
    mm_dict_put_f64(out, "aAcc", (double)percent(accuracy));
    fill(report, self);
    for (size_t i = 0; i < report->count && !mm_has_error(); i++) {
        char *name = mm_strfmt("m%s", report->series[i].name);

        replace_nan(self, report->series[i].values, report->size);
        if (name != NULL)
            mm_dict_put_f64(
                out, name,
                (double)percent(mean(report->series[i].values, report->size)));
        mm_free(name);
    }
    return mm_pending();
}

/* The areas of all maps added up one after the other; mm_free(). */
static float *sum_areas(const mm_value *results, size_t size)
{
    float *sum = mm_alloc_array(size, sizeof(float));

    for (size_t i = 0; sum != NULL && i < mm_value_len(results); i++) {
        size_t bytes = 0;
        const void *data = mm_value_bytes(mm_list_get(results, i), &bytes);

        if (!mm_has_error() && bytes != size * sizeof(float))
            (void)mm_raise(
                MM_ESHAPE, "result %zu has areas of %zu classes, the dataset has %zu",
                i, bytes / (MMZ_NUM_AREAS * sizeof(float)), size / MMZ_NUM_AREAS);
        for (size_t k = 0; k < size && !mm_has_error(); k++) {
            float more;

            memcpy(&more, (const char *)data + k * sizeof(more), sizeof(more));
            sum[k] += more;
        }
    }
    return sum;
}

static mm_status compute(void *data, mm_value *results, mm_value *out)
{
    const struct iou_metric *self = data;
    const mm_value *classes = self->format_only ? NULL : classes_of(self);

    if (self->format_only) {
        mm_log(MM_LOG_INFO, "results are saved to %s", self->output_dir);
        return mm_pending();
    }
    if (classes != NULL && mm_value_len(results) == 0)
        (void)mm_raise(MM_EINVAL, "there are no predictions to compute from");
    if (mm_has_error())
        return mm_pending();
    struct report report = {.size = mm_value_len(classes)};
    float *sum = sum_areas(results, MMZ_NUM_AREAS * report.size);

    report.areas = sum;
    if (!mm_has_error() && put_report(self, &report, out) == MM_OK)
        (void)log_table(&report, classes);
    for (size_t i = 0; i < report.count; i++)
        mm_free(report.series[i].values);
    mm_free(sum);
    return mm_pending();
}

static const mm_metric_ops ops = {.process = process, .compute = compute};

const mm_component mmz_iou_metric = {
    .registry = "metrics",
    .scope = "mmseg",
    .name = "IoUMetric",
    .help = "IoU, Dice and F-score of segmentation maps, in percent",
    .source = "mmseg/evaluation/metrics/iou_metric.py",
    .size = sizeof(struct iou_metric),
    .options = options,
    .init = init,
    MM_METRIC(&ops),
};
