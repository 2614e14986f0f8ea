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
#include "mmengine/number.h"
#include "runner/internal.h"
#include "runner/log_processor.h"

enum { NUMBER_SIZE = 352, NAME_SIZE = 256 };

struct log_processor {
    int64_t window_size;
    bool by_epoch;
    mm_value *custom_cfg;
    int64_t num_digits;
    bool log_with_hierarchy;
    const char *mean_pattern;
    mmi_regex *mean; /* owned, as the rows */
    mmi_log_rows rows;
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

static mm_status init(void *data)
{
    struct log_processor *self = data;

    self->mean = mmi_regex_new(self->mean_pattern);
    return self->mean == NULL
               ? mm_pending()
               : mmi_log_rows_read(&self->rows, self->custom_cfg, self->by_epoch);
}

static void deinit(void *data)
{
    struct log_processor *self = data;

    mmi_log_rows_free(&self->rows);
    mmi_regex_free(self->mean);
}

/* ---- numbers ---- */

/* One call: the processor, where the run stands, and for which loop. */
struct job {
    const struct log_processor *self;
    const mmi_log_place *place;
    mm_mode mode;
    const char *prefix; /* "train", "val", "test" */
    int64_t batch_idx;
};

static struct job make_job(const void *processor, const mmi_log_place *place,
                           int64_t batch_idx, mm_mode mode)
{
    return (struct job){processor, place, mode, mmi_mode_name(mode), batch_idx};
}

/* The name without "train/" and the like. */
static const char *bare(const struct job *job, const char *name)
{
    size_t size = strlen(job->prefix);

    return strncmp(name, job->prefix, size) == 0 && name[size] == '/' ? name + size + 1
                                                                      : name;
}

static bool is_of_loop(const struct job *job, const char *name)
{
    return strncmp(name, job->prefix, strlen(job->prefix)) == 0;
}

/* "train/<name>" in `out`, which has NAME_SIZE bytes; NULL if it is too long. */
static const char *full_name(const struct job *job, const char *name, char *out)
{
    int size = snprintf(out, NAME_SIZE, "%s/%s", job->prefix, name);

    return size < NAME_SIZE ? out : NULL;
}

static mm_history *find_source(const struct job *job, const char *name,
                               bool keep_prefix)
{
    char text[NAME_SIZE];
    const char *full = full_name(job, name, text);
    mm_history *found =
        full == NULL ? NULL : mm_hub_find_history(job->place->hub, full);

    /* Names such as "training_x" belong to the loop and have no prefix to lose. */
    if (found == NULL && !keep_prefix && is_of_loop(job, name) &&
        bare(job, name) == name)
        found = mm_hub_find_history(job->place->hub, name);
    return found;
}

static void put_number(mm_value *tag, const char *key, const mm_history *history,
                       bool may_be_int, double value)
{
    if (mm_has_error())
        return;
    if (may_be_int && mm_history_is_integer(history))
        mm_dict_put_i64(tag, key, (int64_t)value);
    else
        mm_dict_put_f64(tag, key, value);
}

static size_t window_of(const struct job *job, const mmi_log_row *row)
{
    switch (row->window) {
    case MMI_WINDOW_COUNT:
        return (size_t)row->size;
    case MMI_WINDOW_EPOCH:
        return (size_t)job->batch_idx + 1;
    case MMI_WINDOW_GLOBAL:
        return (size_t)(job->place->has_train_loop ? job->place->iter : 0) + 1;
    case MMI_WINDOW_ALL:
        break;
    }
    return MM_WINDOW_ALL;
}

static void put_row(const struct job *job, const mmi_log_row *row, bool keep_prefix,
                    mm_value *tag)
{
    char text[NAME_SIZE];
    mm_history *history = find_source(job, row->data_src, keep_prefix);
    const char *name =
        keep_prefix ? full_name(job, row->log_name, text) : row->log_name;

    if (history == NULL || name == NULL)
        return;
    double value =
        mm_history_statistic(history, row->method, window_of(job, row), row->options);

    put_number(tag, name, history,
               strcmp(row->method, "max") == 0 || strcmp(row->method, "min") == 0 ||
                   strcmp(row->method, "current") == 0,
               value);
}

/* Numbers of the loop, in the hub's order, then those of custom_cfg. `keep_prefix`:
 * under the names they have in the hub. */
static mm_value *collect(const struct job *job, bool keep_prefix)
{
    const struct log_processor *self = job->self;
    mm_value *tag = mm_value_new_dict();
    mm_hub *hub = job->place->hub;

    for (size_t i = 0; i < mm_hub_num_scalars(hub) && !mm_has_error(); i++) {
        const char *name = mm_hub_scalar_key(hub, i);
        mm_history *history = mm_hub_scalar_at(hub, i);

        if (!is_of_loop(job, name))
            continue;
        const char *key = keep_prefix ? name : bare(job, name);
        bool is_mean = mmi_regex_matches(self->mean, key);
        double value = is_mean ? mm_history_mean(history, (size_t)self->window_size)
                               : mm_history_current(history);

        put_number(tag, key, history, !is_mean, value);
    }
    for (size_t i = 0; i < self->rows.count && !mm_has_error(); i++)
        put_row(job, &self->rows.data[i], keep_prefix, tag);
    return tag;
}

/* Means of time and data_time over the loop, unless custom_cfg speaks of them. */
static void add_times(const struct job *job, mm_value *tag)
{
    static const char *const names[] = {"time", "data_time"};

    for (size_t n = 0; n < 2 && !mm_has_error(); n++) {
        const mmi_log_rows *rows = &job->self->rows;
        mmi_log_row row = {names[n], names[n], "mean", MMI_WINDOW_EPOCH, 0, NULL};
        bool is_named = false;

        for (size_t i = 0; i < rows->count; i++)
            is_named =
                is_named || strcmp(bare(job, rows->data[i].data_src), names[n]) == 0;
        if (!is_named)
            put_row(job, &row, job->self->log_with_hierarchy, tag);
    }
}

/* Results that are no numbers: runtime information under "val/" or "test/". */
static mm_value *collect_non_scalars(const struct job *job)
{
    const mm_value *info = mm_hub_infos(job->place->hub);
    mm_value *found = mm_value_new_dict();

    for (size_t i = 0; i < mm_value_len(info) && !mm_has_error(); i++) {
        const char *name = mm_dict_name_at(info, i);

        if (name != NULL && is_of_loop(job, name))
            mm_dict_put(found, job->self->log_with_hierarchy ? name : bare(job, name),
                        mm_dict_at(info, i));
    }
    return found;
}

/* Moves the times out of `tag`, in their order there. */
static mm_value *split_times(const struct job *job, mm_value *tag)
{
    mm_value *times = mm_value_new_dict();

    for (size_t i = 0; i < mm_value_len(tag) && !mm_has_error();) {
        const char *name = mm_dict_name_at(tag, i);
        const char *key = name == NULL ? "" : bare(job, name);

        if (strcmp(key, "time") != 0 && strcmp(key, "data_time") != 0) {
            i++;
            continue;
        }
        mm_dict_put(times, name, mm_dict_at(tag, i));
        (void)mm_dict_remove(tag, mm_dict_name_at(times, mm_value_len(times) - 1));
    }
    return times;
}

/* ---- text ---- */

static int digits(int64_t number)
{
    return snprintf(NULL, 0, "%" PRId64, number);
}

static void print_fixed(const struct job *job, mmi_str *out, double value)
{
    char text[NUMBER_SIZE];

    (void)mm_f64_format_fixed(value, (int)job->self->num_digits, text, sizeof(text));
    mmi_str_add(out, text);
}

/* Python's str(timedelta(seconds=int(eta))). */
static void print_eta(mmi_str *out, double seconds)
{
    int64_t all = fabs(seconds) < 9e15 ? (int64_t)seconds : 0;
    int64_t rest = (all % 86400 + 86400) % 86400, days = (all - rest) / 86400;

    mmi_str_add(out, "eta: ");
    if (days != 0)
        mmi_str_addf(out, "%" PRId64 " day%s, ", days,
                     days == 1 || days == -1 ? "" : "s");
    mmi_str_addf(out, "%" PRId64 ":%02" PRId64 ":%02" PRId64 "  ", rest / 3600,
                 rest / 60 % 60, rest % 60);
}

/* The epoch as MMEngine counts it: from 1 in training, finished ones in validation. */
static int64_t epoch_of(const struct job *job)
{
    int64_t epoch = job->place->has_train_loop ? job->place->epoch : 0;

    return job->mode == MM_MODE_TRAIN ? epoch + 1 : epoch;
}

/* "Epoch(train)  [ 9][ 10/270]  " */
static void print_epoch_header(const struct job *job, mmi_str *out)
{
    const mmi_log_place *place = job->place;

    if (job->mode == MM_MODE_TEST) {
        mmi_str_addf(out, "Epoch(test) ");
    } else {
        char epoch[32];
        int width = place->has_train_loop ? digits(place->max_epochs) + 3 : 0;

        (void)snprintf(epoch, sizeof(epoch), "[%" PRId64 "]", epoch_of(job));
        mmi_str_addf(out, "Epoch(%s)%*s", job->prefix, width, epoch);
    }
    mmi_str_addf(out, "[%*" PRId64 "/%" PRId64 "]  ", digits(place->num_batches),
                 job->batch_idx + 1, place->num_batches);
}

static void print_iter_header(const struct job *job, mmi_str *out)
{
    const mmi_log_place *place = job->place;
    bool is_train = job->mode == MM_MODE_TRAIN;
    int64_t all = is_train ? place->max_iters : place->num_batches;

    mmi_str_addf(out, "Iter(%s) [%*" PRId64 "/%" PRId64 "]  ", job->prefix, digits(all),
                 is_train ? place->iter + 1 : job->batch_idx + 1, all);
}

static bool is_lr(const char *name)
{
    size_t size = strlen(name);

    return size >= 2 && strcmp(name + size - 2, "lr") == 0;
}

/* Every "...lr" of the record goes to the line and leaves `log_tag`. */
static void print_lr(const struct job *job, const mm_value *tag, mm_value *log_tag,
                     mmi_str *out)
{
    const char *space = "";

    for (size_t i = 0; i < mm_value_len(tag) && !mm_has_error(); i++) {
        const char *name = mm_dict_name_at(tag, i);
        char text[NUMBER_SIZE];

        if (!is_lr(name))
            continue;
        (void)mm_f64_format_exponent(mm_value_f64(mm_dict_at(tag, i)),
                                     (int)job->self->num_digits, text, sizeof(text));
        mmi_str_add(out, space);
        mmi_str_add(out, bare(job, name));
        mmi_str_add(out, ": ");
        mmi_str_add(out, text);
        space = " ";
        (void)mm_dict_remove(log_tag, bare(job, name));
    }
    mmi_str_add(out, "  ");
}

/* eta, time and data_time, if all three are known; they leave `log_tag`. */
static void print_times(const struct job *job, mm_value *log_tag, mmi_str *out)
{
    const mm_value *time = mm_dict_find(log_tag, "time");
    const mm_value *data_time = mm_dict_find(log_tag, "data_time");
    const mm_value *eta = mm_hub_find_info(job->place->hub, "eta");

    if (time == NULL || data_time == NULL || eta == NULL)
        return;
    print_eta(out, mm_value_f64(eta));
    mmi_str_add(out, "time: ");
    print_fixed(job, out, mm_value_f64(time));
    mmi_str_add(out, "  data_time: ");
    print_fixed(job, out, mm_value_f64(data_time));
    mmi_str_add(out, "  ");
    (void)mm_dict_remove(log_tag, "time");
    (void)mm_dict_remove(log_tag, "data_time");
}

/* A float with num_digits; a text as it is; a tensor on lines of its own. */
static void print_value(const struct job *job, const mm_value *value, mmi_str *out)
{
    const mm_object_ops *ops = mm_value_object_ops(value);
    const char *around = ops != NULL && strcmp(ops->name, "tensor") == 0 ? "\n" : "";

    if (mm_value_kind(value) == MM_KIND_F64) {
        print_fixed(job, out, mm_value_f64(value));
    } else if (mm_value_kind(value) == MM_KIND_STR) {
        mmi_str_add(out, mm_value_str(value));
    } else {
        char *text = mm_value_repr(value);

        mmi_str_addf(out, "%s%s%s", around, text == NULL ? "" : text, around);
        mm_free(text);
    }
}

/* "name: value" items between two spaces; `*first` says whether none came before. */
static void print_items(const struct job *job, const mm_value *items,
                        const char *only_prefix, bool *first, mmi_str *out)
{
    for (size_t i = 0; i < mm_value_len(items) && !mm_has_error(); i++) {
        const char *name = mm_dict_name_at(items, i);

        if (strncmp(name, only_prefix, strlen(only_prefix)) != 0)
            continue;
        mmi_str_add(out, *first ? "" : "  ");
        mmi_str_add(out, name);
        mmi_str_add(out, ": ");
        *first = false;
        print_value(job, mm_dict_at(items, i), out);
    }
}

/* ---- the two calls ---- */

static mm_status finish(mm_log_text *out, MM_TAKES mm_value *tag, mmi_str *line)
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

static void put_all(mm_value *dict, const mm_value *more)
{
    for (size_t i = 0; i < mm_value_len(more) && !mm_has_error(); i++)
        mm_dict_put(dict, mm_dict_name_at(more, i), mm_dict_at(more, i));
}

static void print_iter_line(const struct job *job, const mm_value *tag,
                            mm_value *log_tag, mmi_str *out)
{
    bool first = true;

    if (job->self->by_epoch)
        print_epoch_header(job, out);
    else
        print_iter_header(job, out);
    print_lr(job, tag, log_tag, out);
    print_times(job, log_tag, out);
    if (job->place->memory_mb >= 0)
        mmi_str_addf(out, "memory: %" PRId64 "  ", job->place->memory_mb);
    if (job->mode != MM_MODE_TEST)
        print_items(job, log_tag, job->mode == MM_MODE_VAL ? "val/loss" : "", &first,
                    out);
}

mm_status mmi_log_after_iter(const void *processor, const mmi_log_place *place,
                             int64_t batch_idx, mm_mode mode, mm_log_text *out)
{
    struct job job = make_job(processor, place, batch_idx, mode);
    mm_value *log_tag = collect(&job, false);
    mm_value *tag =
        job.self->log_with_hierarchy ? collect(&job, true) : mm_value_new_dict();
    mmi_str line = {0};

    if (!job.self->log_with_hierarchy)
        put_all(tag, log_tag);
    if (!mm_has_error()) {
        if (job.self->by_epoch && mode != MM_MODE_TEST)
            mm_dict_put_i64(tag, "epoch", epoch_of(&job));
        mm_dict_put_i64(tag, "iter", place->has_train_loop ? place->iter + 1 : 0);
        if (place->memory_mb >= 0)
            mm_dict_put_i64(tag, "memory", place->memory_mb);
        print_iter_line(&job, tag, log_tag, &line);
    }
    mm_value_unref(log_tag);
    return finish(out, tag, &line);
}

static void print_epoch_line(const struct job *job, const mm_value *const parts[3],
                             mmi_str *out)
{
    int64_t len = job->place->num_batches;
    bool first = true;

    mmi_str_addf(out, "%s(%s) ", job->self->by_epoch ? "Epoch" : "Iter", job->prefix);
    if (job->self->by_epoch && job->mode == MM_MODE_VAL)
        mmi_str_addf(out, "[%" PRId64 "]", epoch_of(job));
    mmi_str_addf(out, "[%" PRId64 "/%" PRId64 "]    ", len, len);
    for (size_t i = 0; i < 3; i++)
        print_items(job, parts[i], "", &first, out);
}

/* Records of validation hold numbers alone; those of test hold everything. */
mm_status mmi_log_after_epoch(const void *processor, const mmi_log_place *place,
                              int64_t num_done, mm_mode mode, mm_log_text *out)
{
    struct job job = make_job(processor, place, num_done, mode);
    mm_value *tag = collect(&job, job.self->log_with_hierarchy);
    mmi_str line = {0};

    if (!mm_has_error())
        add_times(&job, tag);
    mm_value *times = split_times(&job, tag);
    mm_value *others = collect_non_scalars(&job);

    if (!mm_has_error()) {
        print_epoch_line(&job, (const mm_value *const[]){tag, others, times}, &line);
        if (mode == MM_MODE_TEST)
            put_all(tag, others);
        put_all(tag, times);
    }
    mm_value_unref(others);
    mm_value_unref(times);
    return finish(out, tag, &line);
}

size_t mmi_log_reach(const void *processor, int64_t epoch_batches)
{
    const struct log_processor *self = processor;
    size_t most = (size_t)self->window_size;

    for (size_t i = 0; i < self->rows.count; i++) {
        const mmi_log_row *row = &self->rows.data[i];
        size_t reach = row->window == MMI_WINDOW_COUNT   ? (size_t)row->size
                       : row->window == MMI_WINDOW_EPOCH ? (size_t)epoch_batches
                                                         : SIZE_MAX;

        most = reach > most ? reach : most;
    }
    return most;
}

/* ---- of a runner ---- */

/* What lines show of a GPU: the most since the last line, in MiB. */
static int64_t memory_of(const mm_runner *runner)
{
    if (strncmp(runner->device, "cuda", 4) != 0)
        return -1;
    mm_device_memory memory = mm_device_memory_take(runner->device);

    return memory.is_known ? memory.most_lately >> 20 : -1;
}

static mmi_log_place place_of(mm_runner *runner, mm_mode mode)
{
    return (mmi_log_place){
        .hub = runner->hub,
        .epoch = runner->at.epoch,
        .iter = runner->at.iter,
        .max_epochs = runner->at.max_epochs,
        .max_iters = runner->at.max_iters,
        .num_batches = mm_loader_len(mm_runner_loader(runner, mode)),
        .has_train_loop = runner->loops[MM_MODE_TRAIN] != NULL,
        .memory_mb = -1,
    };
}

size_t mmi_log_window(mm_runner *runner)
{
    return mmi_log_reach(mm_instance_self(runner->log_processor),
                         mm_loader_len(mm_runner_loader(runner, MM_MODE_TRAIN)));
}

mm_status mm_runner_log_iter(mm_runner *runner, int64_t batch_idx, mm_mode mode,
                             mm_log_text *out)
{
    mmi_log_place place = place_of(runner, mode);

    place.memory_mb = memory_of(runner);
    return mmi_log_after_iter(mm_instance_self(runner->log_processor), &place,
                              batch_idx, mode, out);
}

mm_status mm_runner_log_epoch(mm_runner *runner, int64_t num_batches, mm_mode mode,
                              mm_log_text *out)
{
    mmi_log_place place = place_of(runner, mode);

    return mmi_log_after_epoch(mm_instance_self(runner->log_processor), &place,
                               num_batches, mode, out);
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
