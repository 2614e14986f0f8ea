/* MultiTasksMetric: metrics for each of several tasks that a sample is annotated for.
 * Each metric is an evaluator of its own, so that one without samples can say 0.
 * Source: mmpretrain/evaluation/metrics/multi_task.py. */
#include <string.h>

#include "mmengine/memory.h"
#include "mmengine/ops.h"
#include "mmpretrain/metrics/parts.h"

/* One metric of one task. */
struct task_metric {
    const char *task; /* borrowed from the option */
    mm_value *config; /* the same */
    mm_evaluator *evaluator;
    int64_t num_samples; /* of this evaluation */
};

struct multi_tasks {
    mm_base_metric base;
    mm_value *task_metrics;
    struct task_metric *metrics; /* owned */
    size_t count;
};

#define MM_OPT_STRUCT struct multi_tasks
static const mm_option options[] = {
    {"task_metrics", "a list of metrics for each task: dict(color=[dict(type=...)])",
     MM_OPT_VALUE_REQUIRED(task_metrics)},
    {"", "", MM_OPT_INHERIT(base, mm_base_metric_options)},
    {0},
};
#undef MM_OPT_STRUCT

static mm_status add_metric(struct multi_tasks *self, const char *task,
                            mm_value *config, size_t index)
{
    struct task_metric *metrics =
        mm_realloc(self->metrics, (self->count + 1) * sizeof(*metrics));
    char *path = mm_strfmt("task_metrics.%s[%zu]", task, index);

    if (metrics == NULL || path == NULL) {
        self->metrics = metrics != NULL ? metrics : self->metrics;
        mm_free(path);
        return mm_pending();
    }
    self->metrics = metrics;
    metrics[self->count++] = (struct task_metric){
        .task = task,
        .config = config,
        .evaluator =
            mm_evaluator_build(config, mm_instance_scope(mm_instance_of(self)), path),
    };
    mm_free(path);
    return mm_pending();
}

static mm_status init(void *data)
{
    struct multi_tasks *self = data;
    mm_value *tasks = self->task_metrics;

    if (mm_value_kind(tasks) != MM_KIND_DICT)
        return mm_raise(MM_ECONFIG, "task_metrics must be a dict, got '%s'",
                        mm_value_type_name(tasks));
    for (size_t i = 0; i < mm_value_len(tasks) && !mm_has_error(); i++) {
        const char *task = mm_dict_name_at(tasks, i);
        mm_value *list = mm_dict_at(tasks, i);
        mm_kind kind = mm_value_kind(list);

        if (task == NULL || (kind != MM_KIND_LIST && kind != MM_KIND_TUPLE))
            return mm_raise(MM_ECONFIG, "task_metrics.%s must be a list of metrics",
                            task == NULL ? "?" : task);
        for (size_t k = 0; k < mm_value_len(list) && !mm_has_error(); k++)
            (void)add_metric(self, task, mm_list_get(list, k), k);
    }
    return mm_pending();
}

static void deinit(void *data)
{
    struct multi_tasks *self = data;

    for (size_t i = 0; i < self->count; i++)
        mm_evaluator_free(self->metrics[i].evaluator);
    mm_free(self->metrics);
    self->metrics = NULL;
    self->count = 0;
}

static bool is_set(const mm_value *value)
{
    mm_tensor *tensor = mm_value_find_tensor(value);

    return tensor != NULL ? mm_item(tensor) != 0.0 : mm_value_is_true(value);
}

/* The samples that are annotated for a task, as that task sees them; yours. */
static mm_value *samples_of(const mm_value *data_samples, const char *task)
{
    mm_value *out = mm_value_new_list();

    for (size_t i = 0; i < mm_value_len(data_samples) && !mm_has_error(); i++) {
        mm_value *sample = mm_dict_get(mm_list_get(data_samples, i), task);
        mm_value *mask = sample == NULL ? NULL : mm_dict_get(sample, "eval_mask");

        if (mask != NULL && is_set(mask))
            mm_list_append(out, sample);
    }
    return out;
}

static mm_status process(void *data, mm_value *data_batch, mm_value *data_samples)
{
    struct multi_tasks *self = data;

    for (size_t i = 0; i < self->count && !mm_has_error(); i++) {
        struct task_metric *metric = &self->metrics[i];
        mm_value *samples = samples_of(data_samples, metric->task);

        if (!mm_has_error()) {
            metric->num_samples += (int64_t)mm_value_len(samples);
            (void)mm_evaluator_set_meta(metric->evaluator, self->base.dataset_meta);
            (void)mm_evaluator_process(metric->evaluator, samples, data_batch);
        }
        mm_value_unref(samples);
    }
    return mm_pending();
}

/* Not used: evaluate() does the work. */
static mm_status compute(void *data, mm_value *results, mm_value *out)
{
    (void)data;
    (void)results;
    (void)out;
    return mm_raise(MM_ESTATE, "the metrics of tasks are computed one by one");
}

/* A metric that saw nothing is 0 under the name of its class; yours. */
static mm_value *nothing(const struct task_metric *metric)
{
    const mm_value *type = mm_dict_get(metric->config, "type");
    const char *name = type == NULL ? NULL : mm_value_str(type);
    const char *dot = name == NULL ? NULL : strrchr(name, '.');
    mm_value *out = mm_value_new_dict();

    if (name != NULL)
        mm_dict_put_i64(out, dot == NULL ? name : dot + 1, 0);
    return out;
}

static mm_status add_numbers(const struct task_metric *metric, const mm_value *numbers,
                             mm_value *out)
{
    for (size_t i = 0; i < mm_value_len(numbers) && !mm_has_error(); i++) {
        char *name = mm_strfmt("%s_%s", metric->task, mm_dict_name_at(numbers, i));

        if (name != NULL && mm_dict_has(out, name))
            (void)mm_raise(MM_EKEY, "two metrics give a result named '%s'", name);
        if (name != NULL)
            mm_dict_put(out, name, mm_dict_at(numbers, i));
        mm_free(name);
    }
    return mm_pending();
}

static mm_status evaluate(void *data, int64_t size, mm_value *out)
{
    struct multi_tasks *self = data;

    for (size_t i = 0; i < self->count; i++) { /* all forget, whoever fails */
        struct task_metric *metric = &self->metrics[i];
        const mm_value *type = mm_dict_find(metric->config, "type");
        bool is_nested = mm_value_kind(type) == MM_KIND_STR &&
                         strstr(mm_value_str(type), "MultiTasksMetric") != NULL;
        mm_value *numbers = metric->num_samples > 0 || is_nested
                                ? mm_evaluator_evaluate(metric->evaluator, size)
                                : nothing(metric);

        metric->num_samples = 0;
        if (numbers != NULL)
            (void)add_numbers(metric, numbers, out);
        mm_value_unref(numbers);
    }
    return mm_pending();
}

static const mm_metric_ops ops = {
    .process = process,
    .compute = compute,
    .evaluate = evaluate,
};

const mm_component mmz_multi_tasks_metric = {
    .registry = "metrics",
    .scope = "mmpretrain",
    .name = "MultiTasksMetric",
    .help = "metrics for each task of samples with several",
    .source = "mmpretrain/evaluation/metrics/multi_task.py",
    .size = sizeof(struct multi_tasks),
    .options = options,
    .init = init,
    .deinit = deinit,
    MM_METRIC(&ops),
};
