/* DumpResults: predictions into a file instead of numbers. Tensors are moved to the
 * host as they come, so that predictions do not fill a device. Source:
 * mmengine/evaluator/metric.py. */
#include "evaluator/metric.h"

#include <string.h>

#include "mmengine/log.h"

struct dump_results {
    mm_base_metric base;
    const char *out_file_path;
};

static bool ends_in(const char *text, const char *end)
{
    size_t size = strlen(text), end_size = strlen(end);

    return size >= end_size && strcmp(text + size - end_size, end) == 0;
}

static mm_status init(void *data)
{
    const struct dump_results *self = data;

    if (!ends_in(self->out_file_path, ".pkl") &&
        !ends_in(self->out_file_path, ".pickle")) {
        mm_raise(MM_ECONFIG,
                 "DumpResults: out_file_path '%s' does not end in .pkl or .pickle",
                 self->out_file_path);
    }
    return mm_pending();
}

static mm_status process(void *data, mm_value *data_batch, mm_value *data_samples)
{
    struct dump_results *self = data;

    (void)data_batch;
    for (size_t i = 0; i < mm_value_len(data_samples) && !mm_has_error(); i++) {
        mm_metric_push(&self->base, mmi_to_cpu(mm_list_get(data_samples, i)));
    }
    return mm_pending();
}

static mm_status compute(void *data, mm_value *results, mm_value *out)
{
    const struct dump_results *self = data;

    (void)out;
    if (mm_predictions_save(results, self->out_file_path) == MM_OK) {
        mm_log(MM_LOG_INFO, "Results has been saved to %s.", self->out_file_path);
    }
    return mm_pending();
}

#define MM_OPT_STRUCT struct dump_results
static const mm_option options[] = {
    {"out_file_path", "file to write, .pkl or .pickle",
     MM_OPT_STR_REQUIRED(out_file_path)},
    {"", "", MM_OPT_INHERIT(base, mm_base_metric_options)},
    {0},
};
#undef MM_OPT_STRUCT

static const mm_metric_ops ops = {.process = process, .compute = compute};

const mm_component mmi_dump_results = {
    .registry = "metrics",
    .name = "DumpResults",
    .help = "writes all predictions to a pickle file for offline evaluation",
    .source = "mmengine/evaluator/metric.py",
    .size = sizeof(struct dump_results),
    .options = options,
    .init = init,
    MM_METRIC(&ops),
};
