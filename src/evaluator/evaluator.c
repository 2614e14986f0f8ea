/* The evaluator: hands predictions to metrics and collects their numbers.
 *
 * Data elements become plain dicts before a metric sees them. A metric keeps one entry
 * per sample in its results; evaluate() computes from them, prefixes the names and
 * clears. With one process nothing has to be gathered. Source: mmengine/evaluator. */
#include <math.h>
#include <string.h>

#include "mmengine/log.h"
#include "mmengine/memory.h"
#include "mmengine/metric.h"

struct mm_evaluator {
    mm_instance **metrics; /* owned */
    size_t count;
};

#define MM_OPT_STRUCT mm_base_metric
static const mm_choice collect_devices[] = {
    {"cpu", 0, "results are gathered in host memory"},
    {"gpu", 1, "results are gathered in device memory"},
    {0},
};

const mm_option mm_base_metric_options[] = {
    {"collect_device", "where results of several processes meet",
     MM_OPT_CHOICE(collect_device, 0, collect_devices)},
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

/* The embedded base: a metric's struct begins with it. */
static mm_base_metric *base_of(const mm_instance *metric)
{
    return mm_instance_self(metric);
}

static const mm_metric_ops *ops_of(const mm_instance *metric)
{
    return mm_instance_ops(metric, MM_INTERFACE_METRIC);
}

static mm_instance *build_metric(mm_value *config, const char *scope, const char *path)
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
    base_of(metric)->results = mm_value_new_list();
    if (base_of(metric)->results == NULL) {
        mm_instance_unref(metric);
        return NULL;
    }
    if (base_of(metric)->prefix == NULL && ops_of(metric)->default_prefix == NULL)
        mm_log(
            MM_LOG_WARN,
            "the prefix is not set in metric class %s, so its names stand without one",
            mm_instance_component(metric)->name);
    return metric;
}

/* The configs of all metrics in one list: a dict is one metric, unless it has
 * `metrics`. */
static mm_value *metric_configs(mm_value *config)
{
    mm_kind kind = mm_value_kind(config);

    if (kind == MM_KIND_DICT && mm_dict_has(config, "metrics")) {
        config = mm_dict_get(config, "metrics");
        kind = mm_value_kind(config);
    }
    if (kind == MM_KIND_LIST || kind == MM_KIND_TUPLE)
        return mm_value_ref(config);
    mm_value *list = mm_value_new_list();
    mm_list_append(list, config);
    return list;
}

mm_evaluator *mm_evaluator_build(mm_value *config, const char *scope, const char *path)
{
    mm_evaluator *evaluator = mm_alloc(sizeof(*evaluator));
    mm_value *configs = metric_configs(config);
    size_t count = configs == NULL ? 0 : mm_value_len(configs);

    if (evaluator != NULL)
        evaluator->metrics = mm_alloc_array(count + 1, sizeof(mm_instance *));
    for (size_t i = 0; i < count && !mm_has_error(); i++) {
        char *item_path = mm_strfmt("%s[%zu]", path == NULL ? "evaluator" : path, i);

        evaluator->metrics[i] = build_metric(mm_list_get(configs, i), scope, item_path);
        evaluator->count = i + 1;
        mm_free(item_path);
    }
    mm_value_unref(configs);
    if (mm_has_error()) {
        mm_evaluator_free(evaluator);
        return NULL;
    }
    return evaluator;
}

mm_status mm_evaluator_check(mm_value *config, const char *scope, const char *path)
{
    mm_value *configs = metric_configs(config);
    size_t count = configs == NULL ? 0 : mm_value_len(configs);

    for (size_t i = 0; i < count && !mm_has_error(); i++) {
        char *item_path = mm_strfmt("%s[%zu]", path, i);

        (void)mm_build_check(&(mm_build_args){
            .registry = "metrics",
            .config = mm_list_get(configs, i),
            .scope = scope,
            .path = item_path,
            .interface = MM_INTERFACE_METRIC,
        });
        mm_free(item_path);
    }
    mm_value_unref(configs);
    return mm_pending();
}

void mm_evaluator_free(mm_evaluator *evaluator)
{
    if (evaluator == NULL)
        return;
    for (size_t i = 0; i < evaluator->count; i++) {
        mm_instance *metric = evaluator->metrics[i];

        if (metric == NULL)
            continue;
        mm_value_unref(base_of(metric)->results);
        base_of(metric)->results = NULL;
        mm_value_unref(base_of(metric)->dataset_meta);
        base_of(metric)->dataset_meta = NULL;
        mm_instance_unref(metric);
    }
    mm_free(evaluator->metrics);
    mm_free(evaluator);
}

mm_status mm_evaluator_set_meta(mm_evaluator *evaluator, mm_value *dataset_meta)
{
    for (size_t i = 0; i < evaluator->count; i++) {
        mm_base_metric *base = base_of(evaluator->metrics[i]);

        mm_value_unref(base->dataset_meta);
        base->dataset_meta = mm_value_ref(dataset_meta);
    }
    return mm_pending();
}

/* Each data element as a dict; everything else as it is. The list is the caller's. */
static mm_value *plain_samples(mm_value *data_samples)
{
    mm_value *plain = mm_value_new_list();
    size_t count = plain == NULL ? 0 : mm_value_len(data_samples);

    for (size_t i = 0; i < count && !mm_has_error(); i++) {
        mm_value *item = mm_list_get(data_samples, i);
        mm_data_element *element = mm_value_find_data_element(item);

        if (element == NULL)
            mm_list_append(plain, item);
        else
            mm_list_push(plain, mm_data_element_to_dict(element));
    }
    return plain;
}

mm_status mm_evaluator_process(mm_evaluator *evaluator, mm_value *data_samples,
                               mm_value *data_batch)
{
    mm_value *plain = plain_samples(data_samples);

    for (size_t i = 0; i < evaluator->count && !mm_has_error(); i++) {
        mm_instance *metric = evaluator->metrics[i];

        (void)ops_of(metric)->process(mm_instance_self(metric), data_batch, plain);
        if (mm_has_error())
            (void)mm_error_frame("while metric %s took predictions",
                                 mm_instance_component(metric)->name);
    }
    mm_value_unref(plain);
    return mm_pending();
}

/* Adds one metric's numbers to `out` under their full names. */
static void add_named(const mm_instance *metric, const mm_value *numbers, mm_value *out)
{
    const char *prefix = base_of(metric)->prefix;

    if (prefix == NULL)
        prefix = ops_of(metric)->default_prefix;
    for (size_t i = 0; i < mm_value_len(numbers) && !mm_has_error(); i++) {
        const char *name = mm_dict_name_at(numbers, i);
        char *full =
            prefix == NULL ? mm_strdup(name) : mm_strfmt("%s/%s", prefix, name);

        if (full != NULL && mm_dict_has(out, full)) {
            (void)mm_raise(MM_EKEY, "two metrics give a result named '%s'", full);
            (void)mm_error_hint(
                "give one of them a prefix: dict(type=..., prefix='...')");
        }
        mm_dict_put(out, full, mm_dict_at(numbers, i));
        mm_free(full);
    }
}

/* Computes one metric from its first `size` results and clears them. */
static void compute(mm_instance *metric, int64_t size, mm_value *out)
{
    mm_base_metric *base = base_of(metric);
    mm_value *numbers = mm_value_new_dict();

    if (base->results != NULL && mm_value_len(base->results) == 0)
        mm_log(MM_LOG_WARN, "%s got an empty results list: its process() kept nothing",
               mm_instance_component(metric)->name);
    while (!mm_has_error() && mm_value_len(base->results) > (size_t)size)
        mm_list_remove(base->results, mm_value_len(base->results) - 1);
    if (!mm_has_error())
        (void)ops_of(metric)->compute(mm_instance_self(metric), base->results, numbers);
    if (mm_has_error())
        (void)mm_error_frame("while metric %s computed its result",
                             mm_instance_component(metric)->name);
    else
        add_named(metric, numbers, out);
    mm_value_unref(numbers);
    mm_value_unref(base->results);
    base->results = NULL;
    if (!mm_has_error())
        base->results = mm_value_new_list();
}

mm_value *mm_evaluator_evaluate(mm_evaluator *evaluator, int64_t size)
{
    mm_value *out = mm_value_new_dict();

    for (size_t i = 0; i < evaluator->count && !mm_has_error(); i++)
        compute(evaluator->metrics[i], size, out);
    if (mm_has_error()) {
        mm_value_unref(out);
        return NULL;
    }
    return out;
}

/* True if the last path component of `name` is `indicator`. */
static bool ends_in(const char *name, const char *indicator)
{
    const char *slash = name == NULL ? NULL : strrchr(name, '/');

    return name != NULL && strcmp(slash == NULL ? name : slash + 1, indicator) == 0;
}

double mm_metric_value(const mm_value *metrics, const char *indicator)
{
    mm_value *exact = mm_dict_find(metrics, indicator);
    const mm_value *found = NULL;
    int matches = 0;

    if (exact != NULL)
        return mm_value_f64(exact);
    for (size_t i = 0; i < mm_value_len(metrics); i++) {
        if (ends_in(mm_dict_name_at(metrics, i), indicator)) {
            found = mm_dict_at(metrics, i);
            matches++;
        }
    }
    if (matches == 1)
        return mm_value_f64(found);
    char *names = mm_value_repr(metrics);
    (void)mm_raise(MM_EKEY, "%s metric is named '%s' in %s",
                   matches == 0 ? "no" : "more than one", indicator,
                   names == NULL ? "the results" : names);
    mm_free(names);
    return NAN;
}
