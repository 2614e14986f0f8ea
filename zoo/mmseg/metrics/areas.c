/* Pixels are counted in runs of one pair of classes: neighbours are mostly alike, so
 * most pixels cost one comparison. */
#include "mmseg/metrics/areas.h"

#include "mmengine/memory.h"
#include "mmengine/ops.h"

/* Counts of one map, [num_classes] each. */
struct counts {
    int64_t *intersect, *predicted, *expected;
    int64_t num_classes;
    int64_t ignore_index;
};

/* torch.histc() of a single bin takes every value. */
static bool is_counted(const struct counts *counts, int64_t label)
{
    return (label >= 0 && label < counts->num_classes) || counts->num_classes == 1;
}

static void add_run(struct counts *counts, int64_t predicted, int64_t expected,
                    int64_t pixels)
{
    bool is_one = counts->num_classes == 1;

    if (expected == counts->ignore_index)
        return;
    if (is_counted(counts, predicted))
        counts->predicted[is_one ? 0 : predicted] += pixels;
    if (is_counted(counts, expected))
        counts->expected[is_one ? 0 : expected] += pixels;
    if (predicted == expected && is_counted(counts, expected))
        counts->intersect[is_one ? 0 : expected] += pixels;
}

#define RUNS(name, predicted_type, expected_type)                                      \
    static void name(struct counts *counts, const void *predicted,                     \
                     const void *expected, int64_t pixels)                             \
    {                                                                                  \
        const predicted_type *p = predicted;                                           \
        const expected_type *e = expected;                                             \
                                                                                       \
        for (int64_t i = 0; i < pixels;) {                                             \
            int64_t first = i;                                                         \
                                                                                       \
            for (i++; i < pixels && p[i] == p[first] && e[i] == e[first]; i++)         \
                ;                                                                      \
            add_run(counts, (int64_t)p[first], (int64_t)e[first], i - first);          \
        }                                                                              \
    }

RUNS(runs_u8_u8, uint8_t, uint8_t)
RUNS(runs_i64_u8, int64_t, uint8_t)
RUNS(runs_i64_i64, int64_t, int64_t)

typedef void (*runs_fn)(struct counts *counts, const void *predicted,
                        const void *expected, int64_t pixels);

/* Brings both maps to one of three pairs of dtypes. The annotation takes the values it
 * has in the dtype of the prediction, as in the original. */
static runs_fn prepare(mm_tensor **predicted, mm_tensor **expected)
{
    mm_dtype p = mm_tensor_dtype(*predicted), e = mm_tensor_dtype(*expected);

    if (p == MM_DTYPE_U8 && e != MM_DTYPE_U8)
        *expected = mm_cast(*expected, MM_DTYPE_U8);
    if (p == MM_DTYPE_U8)
        return runs_u8_u8;
    if (p == MM_DTYPE_I64 && e == MM_DTYPE_U8)
        return runs_i64_u8;
    *expected = mm_cast(mm_cast(*expected, p), MM_DTYPE_I64);
    *predicted = mm_cast(*predicted, MM_DTYPE_I64);
    return runs_i64_i64;
}

/* As the original adds them: float32, the union from the sums. */
static void write_areas(const struct counts *counts, float *out)
{
    int64_t size = counts->num_classes;

    for (int64_t c = 0; c < size; c++) {
        float intersect = (float)counts->intersect[c];
        float predicted = (float)counts->predicted[c];
        float expected = (float)counts->expected[c];

        out[MMZ_INTERSECT * size + c] = intersect;
        out[MMZ_UNION * size + c] = predicted + expected - intersect;
        out[MMZ_PREDICTED * size + c] = predicted;
        out[MMZ_EXPECTED * size + c] = expected;
    }
}

mm_status mmz_count_areas(mm_tensor *predicted, mm_tensor *expected,
                          int64_t ignore_index, int64_t num_classes, float *out)
{
    runs_fn runs = prepare(&predicted, &expected);
    int64_t *memory = mm_alloc_array(3 * (size_t)num_classes, sizeof(int64_t));
    struct counts counts = {.num_classes = num_classes, .ignore_index = ignore_index};
    const void *p = mm_has_error() ? NULL : mm_data(predicted, MM_DTYPE_NONE);
    const void *e = mm_has_error() ? NULL : mm_data(expected, MM_DTYPE_NONE);

    if (!mm_has_error()) {
        counts.intersect = memory;
        counts.predicted = memory + num_classes;
        counts.expected = memory + 2 * num_classes;
        runs(&counts, p, e, mm_numel(predicted));
        write_areas(&counts, out);
    }
    mm_free(memory);
    return mm_pending();
}
