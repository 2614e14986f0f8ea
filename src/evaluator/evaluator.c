/* The evaluator: hands predictions to metrics and collects their numbers.
 *
 * Data elements become plain dicts before a metric sees them. A metric keeps one entry
 * per sample in its results; evaluate() computes from them, prefixes the names and
 * clears. With one process nothing has to be gathered. Source: mmengine/evaluator. */
#include "evaluator/metric.h"

#include <math.h>
#include <string.h>

#include "mmengine/dataset.h"
#include "mmengine/memory.h"
#include "mmengine/profile.h"

struct mm_evaluator {
    mm_instance **metrics; /* owned */
    size_t count;
};

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

        evaluator->metrics[i] =
            mmi_metric_build(mm_list_get(configs, i), scope, item_path);
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
    for (size_t i = 0; i < evaluator->count; i++)
        mmi_metric_free(evaluator->metrics[i]);
    mm_free(evaluator->metrics);
    mm_free(evaluator);
}

mm_status mm_evaluator_set_meta(mm_evaluator *evaluator, mm_value *dataset_meta)
{
    for (size_t i = 0; i < evaluator->count; i++)
        mmi_metric_set_meta(evaluator->metrics[i], dataset_meta);
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
    int64_t begin = mm_profile_begin();
    mm_value *plain = plain_samples(data_samples);

    for (size_t i = 0; i < evaluator->count && !mm_has_error(); i++)
        (void)mmi_metric_process(evaluator->metrics[i], data_batch, plain);
    mm_value_unref(plain);
    mm_profile_end(begin, "metrics");
    return mm_pending();
}

mm_value *mm_evaluator_evaluate(mm_evaluator *evaluator, int64_t size)
{
    mm_value *out = mm_value_new_dict();

    for (size_t i = 0; i < evaluator->count; i++) /* all forget, whoever fails */
        mmi_metric_evaluate(evaluator->metrics[i], size, out);
    if (mm_has_error()) {
        mm_value_unref(out);
        return NULL;
    }
    return out;
}

/* Items begin..begin+count of a list; yours. */
static mm_value *slice(const mm_value *list, size_t begin, size_t count)
{
    mm_value *out = mm_value_new_list();

    for (size_t i = 0; out != NULL && i < count && !mm_has_error(); i++)
        mm_list_append(out, mm_list_get(list, begin + i));
    return out;
}

static mm_status process_chunk(mm_evaluator *evaluator, const mm_value *data_samples,
                               const mm_value *data, size_t begin, size_t count)
{
    mm_value *samples = slice(data_samples, begin, count);
    mm_value *items = data == NULL ? NULL : slice(data, begin, count);
    mm_value *batch = items == NULL ? NULL : mm_pseudo_collate(items);

    if (!mm_has_error())
        (void)mm_evaluator_process(evaluator, samples, batch);
    mm_value_unref(batch);
    mm_value_unref(items);
    mm_value_unref(samples);
    return mm_pending();
}

mm_value *mm_evaluator_offline(mm_evaluator *evaluator, mm_value *data_samples,
                               mm_value *data, int64_t chunk_size)
{
    size_t count = mm_value_len(data_samples);
    size_t chunk = chunk_size < 1 ? 1 : (size_t)chunk_size;

    if (data != NULL && mm_value_len(data) != count)
        (void)mm_raise(MM_EINVAL,
                       "could not evaluate %zu predictions with the data of %zu "
                       "samples",
                       count, mm_value_len(data));
    for (size_t begin = 0; begin < count && !mm_has_error(); begin += chunk)
        (void)process_chunk(evaluator, data_samples, data, begin,
                            chunk < count - begin ? chunk : count - begin);
    return mm_has_error() ? NULL : mm_evaluator_evaluate(evaluator, (int64_t)count);
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
