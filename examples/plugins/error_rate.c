/* A metric: share of wrong predictions, in percent. It has no options but those that
 * all metrics share, so their struct is its own. */
#include <mmengine/mmengine.h>

/* One result per sample: whether it is wrong. */
static mm_status process(void *data, mm_value *batch, mm_value *samples)
{
    (void)batch;
    for (size_t i = 0; i < mm_value_len(samples); i++) {
        mm_metric_add(data, mm_dict_get(mm_list_get(samples, i), "wrong"));
    }
    return mm_pending();
}

static mm_status compute(void *data, mm_value *results, mm_value *out)
{
    size_t count = mm_value_len(results);
    size_t wrong = 0;

    (void)data;
    for (size_t i = 0; i < count; i++) {
        wrong += mm_value_bool(mm_list_get(results, i)) ? 1 : 0;
    }
    mm_dict_put_f64(out, "error", 100.0 * (double)wrong / (double)count);
    return mm_pending();
}

static const mm_metric_ops ops = {.process = process, .compute = compute};

static const mm_component error_rate = {
    .registry = "metrics",
    .name = "ErrorRate",
    .help = "share of wrong predictions, in percent",
    .size = sizeof(mm_base_metric),
    .options = mm_base_metric_options,
    MM_METRIC(&ops),
};
MM_PLUGIN_OF(&error_rate)
