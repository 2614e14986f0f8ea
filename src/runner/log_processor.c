/* Turns what the hub knows into one line of text and one dict of numbers.
 *
 * A scalar whose name matches mean_pattern is averaged over the last window_size
 * values, any other gives its newest value; custom_cfg adds or replaces entries.
 * Layouts, widths and the order of entries are MMEngine's. Source:
 * mmengine/runner/log_processor.py. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/regex.h"
#include "base/str.h"
#include "runner/internal.h"

struct log_processor {
    int64_t window_size;
    bool by_epoch;
    mm_value *custom_cfg;
    int64_t num_digits;
    bool log_with_hierarchy;
    const char *mean_pattern;
    mmi_regex *mean; /* owned */
};

#define MM_OPT_STRUCT struct log_processor
static const mm_option options[] = {
    {"window_size", "values that are averaged",
     MM_OPT_I64(window_size, 10, 1, INT64_MAX)},
    {"by_epoch", "lines count epochs and batches, not iterations",
     MM_OPT_BOOL(by_epoch, true)},
    {"custom_cfg", "list of dict(data_src, method_name, log_name, window_size)",
     MM_OPT_VALUE(custom_cfg)},
    {"num_digits", "digits after the point", MM_OPT_I64(num_digits, 4, 0, 17)},
    {"log_with_hierarchy", "names keep their train/, val/ prefix in scalar files",
     MM_OPT_BOOL(log_with_hierarchy, false)},
    {"mean_pattern", "regular expression of names that are averaged",
     MM_OPT_STR(mean_pattern, ".*(loss|time|data_time|grad_norm).*")},
    {0},
};
#undef MM_OPT_STRUCT

/* A custom_cfg row with its window resolved. */
typedef struct custom_row {
    const char *data_src, *log_name, *method;
    size_t window; /* 0: the processor's method decides; all values for "global" */
} custom_row;

static mm_status check_custom(const struct log_processor *self)
{
    size_t count = self->custom_cfg == NULL ? 0 : mm_value_len(self->custom_cfg);

    for (size_t i = 0; i < count && !mm_has_error(); i++) {
        mm_value *row = mm_list_get(self->custom_cfg, i);
        const mm_value *window = mm_dict_find(row, "window_size");

        (void)mm_dict_get(row, "data_src");
        (void)mm_dict_get(row, "method_name");
        if (!mm_has_error() && !self->by_epoch &&
            mm_value_kind(window) == MM_KIND_STR &&
            strcmp(mm_value_str(window), "epoch") == 0)
            (void)mm_raise(MM_ECONFIG, "window_size='epoch' in custom_cfg of an "
                                       "iteration-based log processor");
        if (mm_has_error())
            return mm_error_locate(mm_list_source(self->custom_cfg, i));
    }
    return mm_pending();
}

static mm_status init(void *data)
{
    struct log_processor *self = data;

    self->mean = mmi_regex_new(self->mean_pattern);
    return self->mean == NULL ? mm_pending() : check_custom(self);
}

static void deinit(void *data)
{
    struct log_processor *self = data;

    mmi_regex_free(self->mean);
}

/* The name without "train/" and the like. */
static const char *bare(const char *name, const char *mode)
{
    size_t size = strlen(mode);

    return strncmp(name, mode, size) == 0 && name[size] == '/' ? name + size + 1 : name;
}

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text), end_size = strlen(end);

    return size >= end_size && strcmp(text + size - end_size, end) == 0;
}

/* Reads row `index`; `batch_idx` is the batch's index in its loop. */
static custom_row read_row(const struct log_processor *self, const mm_runner *runner,
                           size_t index, int64_t batch_idx)
{
    mm_value *dict = mm_list_get(self->custom_cfg, index);
    const mm_value *window = mm_dict_find(dict, "window_size");
    const mm_value *name = mm_dict_find(dict, "log_name");
    custom_row row = {
        .data_src = mm_value_str(mm_dict_get(dict, "data_src")),
        .method = mm_value_str(mm_dict_get(dict, "method_name")),
    };

    row.log_name = name == NULL ? row.data_src : mm_value_str(name);
    if (mm_value_kind(window) == MM_KIND_I64)
        row.window = (size_t)mm_value_i64(window);
    else if (mm_value_kind(window) == MM_KIND_STR &&
             strcmp(mm_value_str(window), "epoch") == 0)
        row.window = (size_t)(batch_idx + 1);
    else if (mm_value_kind(window) == MM_KIND_STR &&
             strcmp(mm_value_str(window), "global") == 0)
        row.window = (size_t)(runner->at.iter + 1);
    return row;
}

/* How far back row `index` looks. */
static size_t row_window(const struct log_processor *self, mm_runner *runner,
                         size_t index)
{
    const mm_value *window =
        mm_dict_find(mm_list_get(self->custom_cfg, index), "window_size");

    if (mm_value_kind(window) == MM_KIND_I64)
        return (size_t)mm_value_i64(window);
    if (mm_value_kind(window) == MM_KIND_STR &&
        strcmp(mm_value_str(window), "epoch") == 0)
        return (size_t)mm_loader_len(mm_runner_loader(runner, MM_MODE_TRAIN));
    return SIZE_MAX;
}

size_t mmi_log_window(mm_runner *runner)
{
    const struct log_processor *self = mm_instance_self(runner->log_processor);
    size_t count = self->custom_cfg == NULL ? 0 : mm_value_len(self->custom_cfg);
    size_t widest = (size_t)self->window_size;

    for (size_t i = 0; i < count && !mm_has_error(); i++) {
        size_t window = row_window(self, runner, i);

        widest = window > widest ? window : widest;
    }
    return widest;
}

static void put_statistic(mm_value *tag, const custom_row *row, mm_history *history)
{
    double value = mm_history_statistic(history, row->method, row->window, NULL);

    if (!mm_has_error())
        mm_dict_put_f64(tag, row->log_name, value);
}

/* Numbers of one mode, in the hub's order. `keep_prefix`: names as in the hub. */
static mm_value *collect(const struct log_processor *self, mm_runner *runner,
                         const char *mode, bool keep_prefix)
{
    mm_value *tag = mm_value_new_dict();
    mm_hub *hub = runner->hub;

    for (size_t i = 0; i < mm_hub_num_scalars(hub) && !mm_has_error(); i++) {
        const char *name = mm_hub_scalar_key(hub, i);
        mm_history *history = mm_hub_scalar_at(hub, i);

        if (strncmp(name, mode, strlen(mode)) != 0)
            continue;
        const char *key = keep_prefix ? name : bare(name, mode);
        if (mmi_regex_matches(self->mean, key))
            mm_dict_put_f64(tag, key,
                            mm_history_mean(history, (size_t)self->window_size));
        else if (mm_history_is_integer(history))
            mm_dict_put_i64(tag, key, (int64_t)mm_history_current(history));
        else
            mm_dict_put_f64(tag, key, mm_history_current(history));
    }
    return tag;
}

/* Adds the rows of custom_cfg to a tag of collect(). */
static void add_custom(const struct log_processor *self, mm_runner *runner,
                       const char *mode, bool keep_prefix, int64_t batch_idx,
                       mm_value *tag)
{
    size_t count = self->custom_cfg == NULL ? 0 : mm_value_len(self->custom_cfg);

    for (size_t i = 0; i < count && !mm_has_error(); i++) {
        custom_row row = read_row(self, runner, i, batch_idx);
        char *full = mm_strfmt("%s/%s", mode, row.data_src);
        char *name = mm_strfmt("%s/%s", mode, row.log_name);
        mm_history *history =
            full == NULL ? NULL : mm_hub_find_history(runner->hub, full);

        if (keep_prefix && name != NULL)
            row.log_name = name;
        if (history != NULL && row.log_name != NULL)
            put_statistic(tag, &row, history);
        mm_free(name);
        mm_free(full);
    }
}

/* Means of time and data_time over the loop, unless custom_cfg speaks of them. */
static void add_times(const struct log_processor *self, mm_runner *runner,
                      const char *mode, bool keep_prefix, int64_t batch_idx,
                      mm_value *tag)
{
    static const char *const names[] = {"time", "data_time"};
    size_t count = self->custom_cfg == NULL ? 0 : mm_value_len(self->custom_cfg);

    for (size_t n = 0; n < 2 && !mm_has_error(); n++) {
        char *full = mm_strfmt("%s/%s", mode, names[n]);
        mm_history *history =
            full == NULL ? NULL : mm_hub_find_history(runner->hub, full);
        bool named = false;

        for (size_t i = 0; i < count && !mm_has_error(); i++)
            named = named || strcmp(bare(read_row(self, runner, i, 0).data_src, mode),
                                    names[n]) == 0;
        if (history != NULL && !named)
            mm_dict_put_f64(tag, keep_prefix ? full : names[n],
                            mm_history_mean(history, (size_t)batch_idx + 1));
        mm_free(full);
    }
}

static int digits(int64_t number)
{
    return snprintf(NULL, 0, "%" PRId64, number);
}

/* Python's str(timedelta(seconds=int(eta))). */
static void print_eta(mmi_str *out, double seconds)
{
    int64_t all = seconds > 0.0 && seconds < 9e15 ? (int64_t)seconds : 0;
    int64_t days = all / 86400, rest = all % 86400;

    mmi_str_addf(out, "eta: ");
    if (days > 0)
        mmi_str_addf(out, "%" PRId64 " day%s, ", days, days == 1 ? "" : "s");
    mmi_str_addf(out, "%" PRId64 ":%02" PRId64 ":%02" PRId64 "  ", rest / 3600,
                 rest / 60 % 60, rest % 60);
}

/* "Epoch(train)  [ 9][ 10/270]  " and adds the epoch to the tag. */
static void print_epoch_header(mm_runner *runner, mm_mode mode, int64_t batch_idx,
                               mmi_str *out, mm_value *tag)
{
    int64_t len = mm_loader_len(mm_runner_loader(runner, mode));

    if (mode == MM_MODE_TEST) {
        mmi_str_addf(out, "Epoch(test) ");
    } else {
        int64_t epoch = runner->at.epoch + (mode == MM_MODE_TRAIN ? 1 : 0);
        char text[32];

        (void)snprintf(text, sizeof(text), "[%" PRId64 "]", epoch);
        int width = runner->loops[MM_MODE_TRAIN] == NULL
                        ? 0
                        : digits(runner->at.max_epochs) + 3;
        mmi_str_addf(out, "Epoch(%s)%*s", mmi_mode_name(mode), width, text);
        mm_dict_put_i64(tag, "epoch", epoch);
    }
    mmi_str_addf(out, "[%*" PRId64 "/%" PRId64 "]  ", digits(len), batch_idx + 1, len);
}

static void print_iter_header(mm_runner *runner, mm_mode mode, int64_t batch_idx,
                              mmi_str *out)
{
    int64_t len = mode == MM_MODE_TRAIN ? runner->at.max_iters
                                        : mm_loader_len(mm_runner_loader(runner, mode));
    int64_t iter = mode == MM_MODE_TRAIN ? runner->at.iter + 1 : batch_idx + 1;

    mmi_str_addf(out, "Iter(%s) [%*" PRId64 "/%" PRId64 "]  ", mmi_mode_name(mode),
                 digits(len), iter, len);
}

/* Moves every "...lr" from `log_tag` to the line, in %e. */
static void print_lr(const struct log_processor *self, mm_value *log_tag, mmi_str *out)
{
    bool first = true;

    for (size_t i = 0; i < mm_value_len(log_tag);) {
        const char *name = mm_dict_name_at(log_tag, i);

        if (!ends_with(name, "lr")) {
            i++;
            continue;
        }
        mmi_str_addf(out, "%s%s: %.*e", first ? "" : " ", name, (int)self->num_digits,
                     mm_value_f64(mm_dict_at(log_tag, i)));
        first = false;
        (void)mm_dict_remove(log_tag, name);
    }
    mmi_str_addf(out, "  ");
}

/* eta, time and data_time, if all three are known; they leave `log_tag`. */
static void print_times(const struct log_processor *self, mm_runner *runner,
                        mm_value *log_tag, mmi_str *out)
{
    const mm_value *time = mm_dict_find(log_tag, "time");
    const mm_value *data_time = mm_dict_find(log_tag, "data_time");
    const mm_value *eta = mm_hub_find_info(runner->hub, "eta");

    if (time == NULL || data_time == NULL || eta == NULL)
        return;
    print_eta(out, mm_value_f64(eta));
    mmi_str_addf(out, "time: %.*f  data_time: %.*f  ", (int)self->num_digits,
                 mm_value_f64(time), (int)self->num_digits, mm_value_f64(data_time));
    (void)mm_dict_remove(log_tag, "time");
    (void)mm_dict_remove(log_tag, "data_time");
}

/* "name: value" items separated by two spaces. Numbers print with num_digits. */
static void print_items(const struct log_processor *self, const mm_value *items,
                        const char *only_prefix, mmi_str *out)
{
    bool first = true;

    for (size_t i = 0; i < mm_value_len(items); i++) {
        const char *name = mm_dict_name_at(items, i);
        const mm_value *value = mm_dict_at(items, i);

        if (only_prefix != NULL && strncmp(name, only_prefix, strlen(only_prefix)) != 0)
            continue;
        mmi_str_addf(out, "%s%s: ", first ? "" : "  ", name);
        first = false;
        if (mm_value_kind(value) == MM_KIND_F64) {
            mmi_str_addf(out, "%.*f", (int)self->num_digits, mm_value_f64(value));
        } else {
            char *text = mm_value_kind(value) == MM_KIND_STR
                             ? mm_strdup(mm_value_str(value))
                             : mm_value_repr(value);

            mmi_str_addf(out, "%s", text == NULL ? "" : text);
            mm_free(text);
        }
    }
}

static mm_status finish(mm_log_text *out, mm_value *tag, mmi_str *line)
{
    char *text = mmi_str_take(line);

    if (mm_has_error()) {
        mm_free(text);
        mm_value_unref(tag);
        return mm_pending();
    }
    *out = (mm_log_text){.tag = tag, .line = text};
    return MM_OK;
}

mm_status mm_runner_log_iter(mm_runner *runner, int64_t batch_idx, mm_mode mode,
                             mm_log_text *out)
{
    const struct log_processor *self = mm_instance_self(runner->log_processor);
    const char *name = mmi_mode_name(mode);
    mm_value *log_tag = collect(self, runner, name, false);
    mmi_str line = {0};

    add_custom(self, runner, name, false, batch_idx, log_tag);
    mm_value *tag = self->log_with_hierarchy ? collect(self, runner, name, true)
                                             : mm_value_copy(log_tag);

    if (self->log_with_hierarchy)
        add_custom(self, runner, name, true, batch_idx, tag);
    if (!mm_has_error()) {
        if (self->by_epoch)
            print_epoch_header(runner, mode, batch_idx, &line, tag);
        else
            print_iter_header(runner, mode, batch_idx, &line);
        mm_dict_put_i64(tag, "iter",
                        runner->loops[MM_MODE_TRAIN] == NULL ? 0 : runner->at.iter + 1);
        print_lr(self, log_tag, &line);
        print_times(self, runner, log_tag, &line);
        if (mode == MM_MODE_TRAIN)
            print_items(self, log_tag, NULL, &line);
        else if (mode == MM_MODE_VAL)
            print_items(self, log_tag, "val/loss", &line);
    }
    mm_value_unref(log_tag);
    return finish(out, tag, &line);
}

/* Results that are no numbers: runtime information under "val/" or "test/". */
static void add_non_scalars(const struct log_processor *self, mm_runner *runner,
                            const char *mode, mm_value *out)
{
    const mm_value *info = mm_hub_infos(runner->hub);

    for (size_t i = 0; i < mm_value_len(info) && !mm_has_error(); i++) {
        const char *name = mm_dict_name_at(info, i);

        if (name != NULL && strncmp(name, mode, strlen(mode)) == 0)
            mm_dict_put(out, self->log_with_hierarchy ? name : bare(name, mode),
                        mm_dict_at(info, i));
    }
}

/* Scalar records of validation hold numbers alone; those of test hold everything. */
static void numbers_only(mm_value *tag)
{
    for (size_t i = 0; i < mm_value_len(tag);) {
        mm_kind kind = mm_value_kind(mm_dict_at(tag, i));

        if (kind == MM_KIND_F64 || kind == MM_KIND_I64)
            i++;
        else
            (void)mm_dict_remove(tag, mm_dict_name_at(tag, i));
    }
}

/* Moves time and data_time of `tag` to the end of the dict. */
static void times_last(mm_value *tag, const char *mode)
{
    static const char *const names[] = {"data_time", "time"};

    for (size_t n = 0; n < 2; n++) {
        for (size_t i = 0; i < mm_value_len(tag); i++) {
            const char *name = mm_dict_name_at(tag, i);

            if (name == NULL || strcmp(bare(name, mode), names[n]) != 0)
                continue;
            double value = mm_value_f64(mm_dict_at(tag, i));
            char *copy = mm_strdup(name);

            (void)mm_dict_remove(tag, name);
            mm_dict_put_f64(tag, copy, value);
            mm_free(copy);
            break;
        }
    }
}

mm_status mm_runner_log_epoch(mm_runner *runner, int64_t batch_idx, mm_mode mode,
                              mm_log_text *out)
{
    const struct log_processor *self = mm_instance_self(runner->log_processor);
    const char *name = mmi_mode_name(mode);
    int64_t len = mm_loader_len(mm_runner_loader(runner, mode));
    mm_value *tag = collect(self, runner, name, self->log_with_hierarchy);
    mmi_str line = {0};

    if (!mm_has_error()) {
        add_custom(self, runner, name, self->log_with_hierarchy, batch_idx, tag);
        add_times(self, runner, name, self->log_with_hierarchy, batch_idx, tag);
        add_non_scalars(self, runner, name, tag);
        times_last(tag, name);
    }
    if (!mm_has_error()) {
        mmi_str_addf(&line, "%s(%s) ", self->by_epoch ? "Epoch" : "Iter", name);
        if (self->by_epoch && mode == MM_MODE_VAL)
            mmi_str_addf(&line, "[%" PRId64 "]", runner->at.epoch);
        mmi_str_addf(&line, "[%" PRId64 "/%" PRId64 "]    ", len, len);
        print_items(self, tag, NULL, &line);
    }
    if (mode == MM_MODE_VAL)
        numbers_only(tag);
    return finish(out, tag, &line);
}

void mm_log_text_deinit(mm_log_text *text)
{
    mm_value_unref(text->tag);
    mm_free(text->line);
    *text = (mm_log_text){0};
}

const mm_component mmi_log_processor = {
    .registry = "log_processors",
    .name = "LogProcessor",
    .help = "formats log lines and scalar records",
    .source = "mmengine/runner/log_processor.py",
    .size = sizeof(struct log_processor),
    .options = options,
    .init = init,
    .deinit = deinit,
    .interface = MM_INTERFACE_LOG_PROCESSOR,
};
