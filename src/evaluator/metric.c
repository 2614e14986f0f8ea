/* What all metrics share: options, results, the cut to the size of the dataset, names
 * with prefixes. Results stay a list with one entry per sample until they are computed,
 * so that entries of padded samples can be dropped. Source:
 * mmengine/evaluator/metric.py. */
#include "evaluator/metric.h"

#include "mmengine/log.h"
#include "mmengine/memory.h"
#include "mmengine/model.h"
#include "mmengine/ops.h"

enum { COLLECT_CPU, COLLECT_GPU };

static const mm_choice collect_devices[] = {
    {"cpu", COLLECT_CPU, "results are gathered in host memory"},
    {"gpu", COLLECT_GPU, "results are gathered in device memory"},
    {0},
};

#define MM_OPT_STRUCT mm_base_metric
const mm_option mm_base_metric_options[] = {
    {"collect_device", "where results of several processes meet",
     MM_OPT_CHOICE(collect_device, COLLECT_CPU, collect_devices)},
    {"prefix", "put before every name, with a slash", MM_OPT_STR(prefix, NULL)},
    {"collect_dir", "folder for gathering through files",
     MM_OPT_STR(collect_dir, NULL)},
    {0},
};
#undef MM_OPT_STRUCT

void mm_metric_add(mm_base_metric *metric, mm_value *result)
{
    mm_list_append(metric->results, result);
}

void mm_metric_push(mm_base_metric *metric, mm_value *result)
{
    mm_list_push(metric->results, result);
}

/* The embedded base: a metric's struct begins with it. */
static mm_base_metric *base_of(const mm_instance *metric)
{
    return mm_instance_self(metric);
}

static const mm_metric_ops *ops_of(const mm_instance *metric)
{
    return mm_instance_ops(metric, MM_INTERFACE_METRIC);
}

static const char *name_of(const mm_instance *metric)
{
    return mm_instance_component(metric)->name;
}

/* The prefix of its names; NULL: none. An empty one counts as not given. */
static const char *prefix_of(const mm_instance *metric)
{
    const char *prefix = base_of(metric)->prefix;

    if (prefix == NULL || prefix[0] == '\0')
        prefix = ops_of(metric)->default_prefix;
    return prefix;
}

mm_instance *mmi_metric_build(mm_value *config, const char *scope, const char *path)
{
    mm_instance *metric = mm_build(&(mm_build_args){
        .registry = "metrics",
        .config = config,
        .scope = scope,
        .path = path,
        .interface = MM_INTERFACE_METRIC,
    });

    if (metric == NULL)
        return NULL;
    mm_base_metric *base = base_of(metric);

    base->results = mm_value_new_list();
    if (base->collect_dir != NULL && base->collect_device != COLLECT_CPU)
        (void)mm_raise(MM_ECONFIG,
                       "%s: collect_dir '%s' needs collect_device='cpu', which is "
                       "'gpu'",
                       path, base->collect_dir);
    if (mm_has_error()) {
        mmi_metric_free(metric);
        return NULL;
    }
    if (prefix_of(metric) == NULL)
        mm_log(MM_LOG_WARN, "The prefix is not set in metric class %s.",
               name_of(metric));
    return metric;
}

void mmi_metric_free(mm_instance *metric)
{
    if (metric == NULL)
        return;
    mm_base_metric *base = base_of(metric);

    mm_value_unref(base->results);
    base->results = NULL;
    mm_value_unref(base->dataset_meta);
    base->dataset_meta = NULL;
    mm_instance_unref(metric);
}

void mmi_metric_set_meta(mm_instance *metric, mm_value *dataset_meta)
{
    mm_base_metric *base = base_of(metric);

    mm_value_unref(base->dataset_meta);
    base->dataset_meta = mm_value_ref(dataset_meta);
}

mm_status mmi_metric_process(mm_instance *metric, mm_value *data_batch,
                             mm_value *data_samples)
{
    mm_scope scope = mm_scope_open();
    mm_status status =
        ops_of(metric)->process(mm_instance_self(metric), data_batch, data_samples);

    mm_scope_close(scope);
    return status >= 0
               ? status
               : mm_error_frame("while metric %s took predictions", name_of(metric));
}

/* True if some tensor inside is on a device. */
static bool is_elsewhere(const mm_value *value)
{
    mm_kind kind = mm_value_kind(value);
    mm_tensor *tensor = kind == MM_KIND_OBJECT ? mm_value_find_tensor(value) : NULL;
    mm_tensor_info info;
    bool found =
        tensor != NULL && mm_tensor_info_get(tensor, &info) == MM_OK && !info.is_cpu;

    if (kind != MM_KIND_LIST && kind != MM_KIND_TUPLE && kind != MM_KIND_DICT)
        return found;
    for (size_t i = 0; i < mm_value_len(value) && !found; i++)
        found = is_elsewhere(kind == MM_KIND_DICT ? mm_dict_at(value, i)
                                                  : mm_list_get(value, i));
    return found;
}

mm_value *mmi_to_cpu(mm_value *value)
{
    mm_scope scope = mm_scope_open();
    mm_value *out = mm_value_ref(
        is_elsewhere(value) ? mm_value_to_device(value, "cpu", false) : value);

    mm_scope_close(scope);
    return out;
}

/* Adds one metric's numbers to `out`; `prefix` may be NULL. */
static void add_named(const char *prefix, const mm_value *numbers, mm_value *out)
{
    for (size_t i = 0; i < mm_value_len(numbers) && !mm_has_error(); i++) {
        const char *name = mm_dict_name_at(numbers, i);
        char *full =
            prefix == NULL ? mm_strdup(name) : mm_strfmt("%s/%s", prefix, name);

        if (full != NULL && mm_dict_has(out, full)) {
            (void)mm_raise(MM_EKEY, "two metrics give a result named '%s'", full);
            (void)mm_error_hint(
                "give one of them a prefix: dict(type=..., prefix='...')");
        }
        if (full != NULL)
            mm_dict_put(out, full, mm_dict_at(numbers, i));
        mm_free(full);
    }
}

/* The numbers of the first `size` results, by their own names. */
static mm_status compute(mm_instance *metric, int64_t size, mm_value *numbers)
{
    mm_base_metric *base = base_of(metric);

    if (mm_value_len(base->results) == 0)
        mm_log(MM_LOG_WARN,
               "%s got empty `self.results`. Please ensure that the processed results "
               "are properly added into `self.results` in `process` method.",
               name_of(metric));
    while (!mm_has_error() && mm_value_len(base->results) > (size_t)size)
        mm_list_remove(base->results, mm_value_len(base->results) - 1);
    mm_value *results = mmi_to_cpu(base->results);

    if (results != NULL)
        (void)ops_of(metric)->compute(mm_instance_self(metric), results, numbers);
    mm_value_unref(results);
    return mm_pending();
}

/* A metric is ready for the next evaluation, also after an error. */
static void forget(mm_base_metric *base)
{
    mm_error error;
    mm_status pending = mm_error_take(&error);

    mm_value_unref(base->results);
    base->results = mm_value_new_list();
    if (pending < 0) {
        (void)mm_error_take(NULL);
        (void)mm_error_restore(&error);
    }
}

void mmi_metric_evaluate(mm_instance *metric, int64_t size, mm_value *out)
{
    const mm_metric_ops *ops = ops_of(metric);
    bool is_whole = ops->evaluate != NULL, has_failed = mm_has_error();
    mm_value *numbers = mm_value_new_dict();
    mm_scope scope = mm_scope_open();

    if (is_whole)
        (void)ops->evaluate(mm_instance_self(metric), size, numbers);
    else if (!has_failed)
        (void)compute(metric, size, numbers);
    if (!has_failed && mm_has_error())
        (void)mm_error_frame("while metric %s computed its result", name_of(metric));
    else if (!has_failed)
        add_named(is_whole ? NULL : prefix_of(metric), numbers, out);
    mm_value_unref(numbers);
    mm_scope_close(scope);
    forget(base_of(metric));
}
