/* Forecasts for programs and for the eye: JSON with every change of every value, and
 * pictures of the curves. */
#include <stdio.h>
#include <string.h>

#include "cli/schedule.h"
#include "mmengine/mmengine.h"

/* ---- JSON ---- */

static void print_number(double value)
{
    char text[MM_F64_TEXT_SIZE];

    (void)mm_f64_format(value, text);
    (void)fputs(text, stdout);
}

/* A string, or null. */
static void print_text(const char *text)
{
    mm_value *value = text != NULL ? mm_value_new_str(text) : mm_value_new_none();
    char *json = mm_json_format(value, NULL);

    if (json != NULL) {
        (void)fputs(json, stdout);
    }
    mm_free(json);
    mm_value_unref(value);
}

static void print_curve(const mm_forecast_curve *curve)
{
    (void)fputs(", ", stdout);
    print_text(curve->option);
    (void)fputs(": [", stdout);
    for (size_t i = 0; i < curve->count; i++) {
        (void)printf("%s[%lld, ", i > 0 ? ", " : "", (long long)curve->points[i].at);
        print_number(curve->points[i].value);
        (void)putchar(']');
    }
    (void)putchar(']');
}

static void print_group(const mm_forecast_group *group)
{
    (void)fputs("{\"optimizer\": ", stdout);
    print_text(group->optimizer);
    (void)fputs(", \"type\": ", stdout);
    print_text(group->type);
    (void)printf(", \"accumulation\": %lld, \"is_base\": %s, \"params\": ",
                 (long long)group->accumulation, group->is_base ? "true" : "false");
    if (group->num_params == 0 && !group->is_base) {
        (void)fputs("null", stdout);
    } else {
        (void)putchar('[');
        for (size_t i = 0; i < group->num_params; i++) {
            (void)fputs(i > 0 ? ", " : "", stdout);
            print_text(group->params[i]);
        }
        (void)putchar(']');
    }
    for (size_t i = 0; i < group->num_curves; i++) {
        print_curve(&group->curves[i]);
    }
    (void)putchar('}');
}

static void print_rule(const mm_forecast_rule *rule)
{
    static const char *const units[] = {"epochs", "iterations", "optimizer_steps"};

    (void)fputs("{\"optimizer\": ", stdout);
    print_text(rule->optimizer);
    (void)fputs(", \"type\": ", stdout);
    print_text(rule->type);
    (void)fputs(", \"option\": ", stdout);
    print_text(rule->option);
    (void)printf(", \"count\": \"%s\", \"begin\": %lld, \"end\": %lld, \"monitor\": ",
                 units[rule->unit], (long long)rule->begin, (long long)rule->end);
    print_text(rule->monitor);
    (void)putchar('}');
}

/* An int, or null for 0: not known. */
static void print_known(const char *key, int64_t value)
{
    if (value > 0) {
        (void)printf("\"%s\": %lld, ", key, (long long)value);
    } else {
        (void)printf("\"%s\": null, ", key);
    }
}

void cli_schedule_print_json(const mm_forecast *forecast)
{
    (void)printf("{\"unit\": \"%s\", \"length\": %lld, ",
                 forecast->is_by_epoch ? "epoch" : "iteration",
                 (long long)forecast->length);
    print_known("max_epochs", forecast->max_epochs);
    print_known("epoch_length", forecast->epoch_length);
    print_known("batch_size", forecast->batch_size);
    (void)printf("\"lacks_groups\": %s, \"lr_scale\": ",
                 forecast->lacks_groups ? "true" : "false");
    print_number(forecast->lr_scale);
    (void)fputs(",\n \"schedules\": [", stdout);
    for (size_t i = 0; i < forecast->num_rules; i++) {
        (void)fputs(i > 0 ? ",\n  " : "", stdout);
        print_rule(&forecast->rules[i]);
    }
    (void)fputs("],\n \"groups\": [", stdout);
    for (size_t i = 0; i < forecast->num_groups; i++) {
        (void)fputs(i > 0 ? ",\n  " : "", stdout);
        print_group(&forecast->groups[i]);
    }
    (void)fputs("]}\n", stdout);
}

/* ---- pictures ---- */

enum { MAX_POINTS = 2000 /* more are more than a picture shows */ };

static void add_point(mm_value *records, const mm_forecast_curve *curve, int64_t at)
{
    mm_value *record = mm_value_new_dict();

    mm_dict_put_f64(record, curve->option, mm_forecast_value(curve, at));
    mm_dict_put_i64(record, "step", at);
    mm_list_push(records, record);
}

/* A change is a step, so the value before it is drawn as well. */
static void add_curve(mm_value *records, const mm_forecast_curve *curve, int64_t length)
{
    if (curve->count > MAX_POINTS) {
        for (int64_t i = 0; i < MAX_POINTS && !mm_has_error(); i++) {
            add_point(records, curve,
                      (int64_t)((double)i * (double)(length - 1) / (MAX_POINTS - 1)));
        }
        return;
    }
    for (size_t i = 0; i < curve->count && !mm_has_error(); i++) {
        int64_t at = curve->points[i].at;

        if (i > 0 && curve->points[i - 1].at < at - 1) {
            add_point(records, curve, at - 1);
        }
        add_point(records, curve, at);
    }
    if (curve->count > 0 && curve->points[curve->count - 1].at < length - 1) {
        add_point(records, curve, length - 1);
    }
}

/* The name of a group in the legend; mm_free(). */
static char *label_of(const mm_forecast_group *group)
{
    const char *name = group->optimizer != NULL ? group->optimizer : "";
    const char *colon = group->optimizer != NULL ? ": " : "";

    if (group->is_base) {
        return mm_strfmt("%s%sbase_lr", name, colon);
    }
    if (group->num_params == 0) {
        return mm_strfmt("%s%s%s", name, colon, group->type);
    }
    if (group->num_params == 1) {
        return mm_strfmt("%s%s%s", name, colon, group->params[0]);
    }
    return mm_strfmt("%s%s%s and %zu more", name, colon, group->params[0],
                     group->num_params - 1);
}

static mm_status add_group(mm_plot *plot, const mm_forecast_group *group,
                           int64_t length)
{
    mm_value *records = mm_value_new_list();
    char *label = label_of(group);

    for (size_t i = 0; i < group->num_curves && !mm_has_error(); i++) {
        add_curve(records, &group->curves[i], length);
    }
    if (label != NULL && !mm_has_error()) {
        (void)mm_plot_add_records(plot, records, label);
    }
    mm_free(label);
    mm_value_unref(records);
    return mm_pending();
}

mm_status cli_schedule_draw(const mm_forecast *forecast, const char *title,
                            const char *path)
{
    const char *keys[32] = {"lr"}; /* first, whatever else is driven */
    size_t count = 1;
    mm_plot *plot = mm_plot_new(title);

    if (plot != NULL && forecast->is_by_epoch) {
        (void)mm_plot_set_axis(plot, "epoch");
    }
    for (size_t i = 0; i < forecast->num_groups && !mm_has_error(); i++) {
        const mm_forecast_group *group = &forecast->groups[i];

        for (size_t k = 0; k < group->num_curves && count < 32; k++) {
            keys[count++] = group->curves[k].option;
        }
        (void)add_group(plot, group, forecast->length);
    }
    if (!mm_has_error() && mm_plot_set_keys(plot, keys, count) == MM_OK) {
        (void)mm_plot_write(plot, path);
    }
    mm_plot_free(plot);
    return mm_pending();
}
