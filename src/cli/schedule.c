/* `schedule`: what learning rate, momentum and weight decay a training will have. This
 * file has the verb and the text for people; forms for programs and the picture are in
 * schedule_forms.c. Positions are counted from 0, as begin, end and milestones are. */
#include "cli/schedule.h"

#include <stdio.h>
#include <string.h>

#include "cli/console.h"
#include "cli/setup.h"
#include "cli/verbs.h"
#include "mmengine/mmengine.h"

enum { MAX_ROWS = 8 /* values of a phase that are listed one by one */ };

/* ---- heads ---- */

static void print_run(const mm_forecast *forecast)
{
    if (forecast->is_by_epoch) {
        (void)printf("%lld epochs\n", (long long)forecast->length);
    } else if (forecast->max_epochs > 0) {
        (void)printf("%lld epochs of %lld iterations: %lld iterations\n",
                     (long long)forecast->max_epochs, (long long)forecast->epoch_length,
                     (long long)forecast->length);
    } else {
        (void)printf("%lld iterations\n", (long long)forecast->length);
    }
    if (forecast->batch_size > 0 && forecast->num_groups > 0 &&
        forecast->groups[0].optimizer == NULL) {
        (void)printf("effective batch size: %lld = %lld per device x 1 device x %lld "
                     "accumulated\n",
                     (long long)(forecast->batch_size * forecast->accumulation),
                     (long long)forecast->batch_size,
                     (long long)forecast->accumulation);
    }
    if (forecast->is_scaled) {
        (void)printf(
            "auto_scale_lr: learning rates x %g (batch size %g instead of %g)\n",
            forecast->lr_scale, forecast->scaled_batch_size, forecast->base_batch_size);
    }
}

static bool is_alone(const mm_forecast *forecast, const mm_forecast_group *group)
{
    size_t count = 0;

    for (size_t i = 0; i < forecast->num_groups; i++) {
        count += forecast->groups[i].optimizer == group->optimizer ? 1 : 0;
    }
    return count == 1;
}

/* As many names as fit in a line, and how many are left. */
static void print_names(const mm_forecast_group *group, size_t used)
{
    size_t width = (size_t)cli_width();

    for (size_t i = 0; i < group->num_params; i++) {
        size_t size = strlen(group->params[i]) + 2;

        if (i > 0 && used + size + 8 > width) {
            (void)printf(", ...");
            break;
        }
        (void)printf("%s%s", i > 0 ? ", " : "", group->params[i]);
        used += size;
    }
}

static void print_group(const mm_forecast *forecast, const mm_forecast_group *group)
{
    const char *name = group->optimizer != NULL ? group->optimizer : "";
    const char *colon = group->optimizer != NULL ? ": " : "";

    (void)printf("\n%s%s%s", name, colon, group->type);
    if (group->optimizer != NULL && forecast->batch_size > 0 && !group->is_base) {
        (void)printf(", effective batch size %lld",
                     (long long)(forecast->batch_size * group->accumulation));
    }
    if (group->is_base) {
        (void)printf(", without parameters: the base_lr of the log\n");
        return;
    }
    if (is_alone(forecast, group)) {
        (void)printf("\n");
        return;
    }
    int used = printf(", %zu parameter%s: ", group->num_params,
                      group->num_params == 1 ? "" : "s");

    print_names(group, strlen(name) + strlen(group->type) + (size_t)used);
    (void)printf("\n");
}

/* ---- phases ---- */

/* A row of the table: values over positions. */
struct row {
    int64_t begin, end; /* before `end` */
    double first, last;
    double low, high;
    char rules[160]; /* what drives it */
};

static bool drives(const mm_forecast_rule *rule, const mm_forecast_group *group,
                   const char *option)
{
    return rule->optimizer == group->optimizer && strcmp(rule->option, option) == 0;
}

/* The first position behind `at` where a rule begins or ends. */
static int64_t phase_end(const mm_forecast *forecast, const mm_forecast_group *group,
                         const char *option, int64_t at)
{
    int64_t end = forecast->length;

    for (size_t i = 0; i < forecast->num_rules; i++) {
        const mm_forecast_rule *rule = &forecast->rules[i];

        if (!drives(rule, group, option) || rule->monitor != NULL) {
            continue;
        }
        end = rule->begin > at && rule->begin < end ? rule->begin : end;
        end = rule->end > at && rule->end < end ? rule->end : end;
    }
    return end;
}

static void name_rules(const mm_forecast *forecast, const mm_forecast_group *group,
                       const char *option, struct row *row)
{
    row->rules[0] = '\0';
    for (size_t i = 0; i < forecast->num_rules; i++) {
        const mm_forecast_rule *rule = &forecast->rules[i];
        size_t used = strlen(row->rules);

        if (drives(rule, group, option) && rule->monitor == NULL &&
            rule->begin <= row->begin && row->begin < rule->end) {
            (void)snprintf(row->rules + used, sizeof(row->rules) - used, "%s%s",
                           used > 0 ? " + " : "", rule->type);
        }
    }
}

/* One word for a range, as begin and end are written: "0 to 500". */
static void print_row(const mm_forecast *forecast, const char *option,
                      const struct row *row)
{
    char value[64];
    char range[64];
    const char *unit = forecast->is_by_epoch ? "epoch" : "iteration";
    double least = row->first < row->last ? row->first : row->last;
    double most = row->first > row->last ? row->first : row->last;
    bool is_whole = row->begin == 0 && row->end == forecast->length;

    (void)snprintf(value, sizeof(value),
                   row->first == row->last && row->low == row->high ? "%.6g"
                                                                    : "%.6g -> %.6g",
                   row->first, row->last);
    (void)snprintf(range, sizeof(range), "%ss %lld to %lld", unit,
                   (long long)row->begin, (long long)row->end);
    bool has_more = row->rules[0] != '\0' || row->low < least || row->high > most;

    (void)printf("  %-14s %-*s", option, is_whole && !has_more ? 0 : 27, value);
    if (!is_whole || has_more) {
        (void)printf(" %-*s", has_more ? 28 : 0, range);
    }
    if (row->rules[0] != '\0') {
        (void)printf(" %s", row->rules);
    }
    if (row->low < least || row->high > most) {
        (void)printf(" (%.6g to %.6g)", row->low, row->high);
    }
    (void)printf("\n");
}

/* A phase as rows: each value if they are few, else from where to where. */
static void print_phase(const mm_forecast *forecast, const mm_forecast_curve *curve,
                        struct row *phase, bool *is_first)
{
    size_t from = 0;
    size_t changes = 0;

    while (from + 1 < curve->count && curve->points[from + 1].at <= phase->begin) {
        from++;
    }
    while (from + changes + 1 < curve->count &&
           curve->points[from + changes + 1].at < phase->end) {
        changes++;
    }
    int64_t end = phase->end;
    size_t rows = changes < MAX_ROWS ? changes + 1 : 1;

    for (size_t i = 0; i < rows; i++) {
        bool is_last = i + 1 == rows;

        phase->end = is_last ? end : curve->points[from + i + 1].at;
        phase->first = phase->low = phase->high = curve->points[from + i].value;
        phase->last = phase->first;
        for (size_t k = i + 1; rows == 1 && k <= changes; k++) {
            phase->last = curve->points[from + k].value;
            phase->low = phase->last < phase->low ? phase->last : phase->low;
            phase->high = phase->last > phase->high ? phase->last : phase->high;
        }
        print_row(forecast, *is_first ? curve->option : "", phase);
        *is_first = false;
        phase->begin = phase->end;
    }
}

/* True if the value stays as it is until the end of the phase behind `at`. */
static bool goes_on_plainly(const mm_forecast_curve *curve, int64_t begin, int64_t at,
                            int64_t end)
{
    for (size_t i = 0; i < curve->count; i++) {
        if (curve->points[i].at > begin && curve->points[i].at < end) {
            return false;
        }
    }
    return at < end;
}

static void print_curve(const mm_forecast *forecast, const mm_forecast_group *group,
                        const mm_forecast_curve *curve)
{
    bool is_first = true;

    for (int64_t at = 0; at < forecast->length;) {
        struct row phase = {.begin = at};
        int64_t end = phase_end(forecast, group, curve->option, at);

        /* phases without a change are one */
        while (end < forecast->length &&
               goes_on_plainly(curve, at, end,
                               phase_end(forecast, group, curve->option, end))) {
            end = phase_end(forecast, group, curve->option, end);
        }
        phase.end = end;
        name_rules(forecast, group, curve->option, &phase);
        print_phase(forecast, curve, &phase, &is_first);
        at = end;
    }
}

static void print_notes(const mm_forecast *forecast)
{
    bool counts_steps = false;

    if (forecast->lacks_groups) {
        (void)printf(
            "\nthe model is not built here: the groups that paramwise_cfg makes "
            "of it are left out\n");
    }
    for (size_t i = 0; i < forecast->num_rules; i++) {
        const mm_forecast_rule *rule = &forecast->rules[i];

        if (rule->monitor != NULL) {
            (void)printf(
                "\n%s%s%s waits for '%s': what it will do to %s depends on the "
                "metrics and is left out\n",
                rule->optimizer != NULL ? rule->optimizer : "",
                rule->optimizer != NULL ? ": " : "", rule->type, rule->monitor,
                rule->option);
        }
        counts_steps = counts_steps || rule->unit == MM_SCHEDULE_OPTIMIZER_STEPS;
    }
    if (counts_steps) {
        (void)printf("\nschedules that count optimizer steps are shown as if none were "
                     "skipped\n");
    }
}

void cli_schedule_print(const mm_forecast *forecast)
{
    print_run(forecast);
    for (size_t i = 0; i < forecast->num_groups; i++) {
        const mm_forecast_group *group = &forecast->groups[i];

        print_group(forecast, group);
        for (size_t k = 0; k < group->num_curves; k++) {
            print_curve(forecast, group, &group->curves[k]);
        }
    }
    print_notes(forecast);
}

/* ---- the verb ---- */

/* What building a model says is for the log of a run. */
static mm_forecast *compute(mm_config *config, const mm_forecast_args *args)
{
    mm_logger *quiet = mm_logger_new(&(mm_logger_args){.level = MM_LOG_WARN});
    mm_logger *before = quiet != NULL ? mm_logger_set_current(quiet) : NULL;
    mm_forecast *forecast = quiet != NULL ? mm_forecast_new(config, args) : NULL;

    if (quiet != NULL) {
        (void)mm_logger_set_current(before);
    }
    mm_logger_free(quiet);
    return forecast;
}

static mm_status show(const struct cli_args *args, const mm_forecast *forecast)
{
    const char *path = cli_text(args, "plot");

    if (cli_is_given(args, "json")) {
        cli_schedule_print_json(forecast);
    } else if (path == NULL) {
        cli_schedule_print(forecast);
    }
    if (path == NULL || mm_has_error()) {
        return mm_pending();
    }
    const char *title = mm_path_basename(cli_text(args, "CONFIG"));

    if (cli_schedule_draw(forecast, title, path) == MM_OK &&
        !cli_is_given(args, "json")) {
        (void)printf("wrote %s\n", path);
    }
    return mm_pending();
}

int cli_schedule(const struct cli_args *args)
{
    mm_forecast_args how = {0};
    mm_forecast *forecast = NULL;
    int code = cli_register();

    if (code != CLI_DONE) {
        return code;
    }
    mm_config *config = cli_number(args, "epoch-length", &how.epoch_length) == MM_OK
                            ? cli_load_config(args)
                            : NULL;

    if (config != NULL && how.epoch_length < 0) {
        (void)mm_raise(MM_ECONFIG, "--epoch-length is %lld: it must be positive",
                       (long long)how.epoch_length);
    }
    if (config != NULL && cli_apply_schedule(config, args) == MM_OK) {
        forecast = compute(config, &how);
    }
    code = forecast == NULL ? cli_report_config() : CLI_DONE;
    if (forecast != NULL && show(args, forecast) < 0) {
        code = cli_report();
    }
    mm_forecast_free(forecast);
    mm_config_unref(config);
    return code;
}
