/* A metric: share of wrong predictions, in percent, from the samples' "wrong" entry. */
#include <mmengine/mmengine.h>
struct error_rate {
    mm_base_metric base; /* options and results of all metrics */
};

#define MM_OPT_STRUCT struct error_rate
static const mm_option options[] = {
    {"", NULL, MM_OPT_INHERIT(base, mm_base_metric_options)},
    {0},
};

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
    mm_dict_put_f64(out, "error", count > 0 ? 100. * (double)wrong / (double)count : 0.);
    return mm_pending();
}

static const mm_metric_ops ops = {.process = process, .compute = compute};
static const mm_component error_rate = {
    .registry = "metrics", .name = "ErrorRate", .help = "share of wrong predictions",
    .size = sizeof(struct error_rate), .options = options, MM_METRIC(&ops)};
static const mm_component *const components[] = {&error_rate, NULL};
MM_PLUGIN(components)
