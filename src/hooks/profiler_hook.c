/* Profiles training with libtorch's operators and our stages. When it records is
 * PyTorch's: a schedule says for each step whether to wait, warm up, record, or record
 * and hand out; without one everything from the run's begin on is recorded and handed
 * out at the end. Source: mmengine/hooks/profiler_hook.py, torch/profiler/profiler.py.
 */
#include <stdio.h>
#include <string.h>

#include "base/os.h"
#include "hooks/hooks.h"
#include "mmengine/file.h"
#include "mmengine/fileio.h"
#include "mmengine/log.h"
#include "mmengine/memory.h"
#include "mmengine/profile.h"

/* What a step does. */
enum action { WAIT, WARM_UP, RECORD, RECORD_AND_SAVE };

/* torch.profiler.schedule's arguments. */
struct schedule {
    int64_t wait, warmup, active, repeat, skip_first, skip_first_wait;
};

/* Who gets a recording. */
enum handler { HANDLE_DEFAULT, HANDLE_NOT, HANDLE_LOG, HANDLE_TB };

struct profiler_hook {
    bool by_epoch;
    int64_t profile_times;
    bool activity_with_cpu, activity_with_cuda;
    mm_value *schedule_option, *on_trace_ready;
    bool record_shapes, profile_memory, with_stack, with_flops;
    const char *json_trace_path;

    bool has_schedule;
    struct schedule schedule;
    enum handler handler;
    mm_profile_table_args table;
    const char *dir_name, *worker_name; /* tb_trace */
    bool use_gzip;

    bool is_open; /* between before_run and the export */
    int64_t step;
    int64_t step_begin;
    mm_profile *last; /* of the last finished recording */
};

#define MM_OPT_STRUCT struct profiler_hook
static const mm_option options[] = {
    {"by_epoch", "count epochs, not iterations", MM_OPT_BOOL(by_epoch, true)},
    {"profile_times", "epochs (1 at most) or iterations that are profiled",
     MM_OPT_I64(profile_times, 1, 1, INT64_MAX)},
    {"activity_with_cpu", "record operators on the host",
     MM_OPT_BOOL(activity_with_cpu, true)},
    {"activity_with_cuda",
     "record devices; their calls' times on the host are all "
     "there is",
     MM_OPT_BOOL(activity_with_cuda, false)},
    {"schedule",
     "dict(wait, warmup, active, repeat=0, skip_first=0, skip_first_wait=0) in "
     "iterations; None: record all",
     MM_OPT_VALUE(schedule_option)},
    {"on_trace_ready",
     "dict(type='log_trace', sort_by=.., row_limit=.., ...) logs a table; "
     "dict(type='tb_trace', dir_name=.., worker_name=.., use_gzip=..) writes traces; "
     "None: json_trace_path, or a table if that is None too",
     MM_OPT_VALUE(on_trace_ready)},
    {"record_shapes", "record the sizes of operators' inputs",
     MM_OPT_BOOL(record_shapes, false)},
    {"profile_memory", "record memory of tensors on the host",
     MM_OPT_BOOL(profile_memory, false)},
    {"with_stack", "accepted: there is no Python to take stacks of",
     MM_OPT_BOOL(with_stack, false)},
    {"with_flops", "estimate the operations of products and convolutions",
     MM_OPT_BOOL(with_flops, false)},
    {"json_trace_path", "file of the trace, for chrome://tracing and Perfetto",
     MM_OPT_STR(json_trace_path, NULL)},
    {0},
};
#undef MM_OPT_STRUCT

/* --- options --- */

static mm_status unknown_key(const char *where, const mm_value *dict, size_t index,
                             const char *const *names, size_t count)
{
    const char *key = mm_dict_name_at(dict, index);

    (void)mm_raise(MM_ECONFIG, "ProfilerHook: %s has no option '%s'", where,
                   key == NULL ? "?" : key);
    (void)mm_error_hint_nearest(key == NULL ? "" : key, names, count);
    return mm_error_locate(mm_dict_source_at(dict, index));
}

static mm_status check_schedule(const struct schedule *at)
{
    if (mm_has_error() || (at->wait >= 0 && at->warmup >= 0 && at->active > 0 &&
                           at->repeat >= 0 && at->skip_first >= 0))
        return mm_pending();
    return mm_raise(MM_ECONFIG,
                    "ProfilerHook: schedule with wait=%lld, warmup=%lld, active=%lld, "
                    "repeat=%lld, skip_first=%lld: active must be positive, the others "
                    "not negative",
                    (long long)at->wait, (long long)at->warmup, (long long)at->active,
                    (long long)at->repeat, (long long)at->skip_first);
}

static mm_status read_schedule(struct profiler_hook *self)
{
    static const char *const names[] = {"wait",   "warmup",     "active",
                                        "repeat", "skip_first", "skip_first_wait"};
    enum { COUNT = sizeof(names) / sizeof(names[0]), REQUIRED = 3 };
    struct schedule *at = &self->schedule;
    int64_t *const fields[COUNT] = {&at->wait,   &at->warmup,     &at->active,
                                    &at->repeat, &at->skip_first, &at->skip_first_wait};
    const mm_value *dict = self->schedule_option;

    if (mm_value_is_none(dict))
        return MM_OK;
    if (mm_value_kind(dict) != MM_KIND_DICT)
        return mm_raise(MM_ECONFIG, "ProfilerHook: schedule is a %s, not a dict",
                        mm_value_type_name(dict));
    for (size_t i = 0; i < mm_value_len(dict) && !mm_has_error(); i++) {
        size_t found = 0;

        while (found < COUNT && (mm_dict_name_at(dict, i) == NULL ||
                                 strcmp(names[found], mm_dict_name_at(dict, i)) != 0))
            found++;
        if (found == COUNT)
            return unknown_key("schedule", dict, i, names, COUNT);
        *fields[found] = mm_value_i64(mm_dict_at(dict, i));
    }
    for (size_t i = 0; i < REQUIRED && !mm_has_error(); i++) {
        if (!mm_dict_has(dict, names[i]))
            (void)mm_raise(MM_ECONFIG, "ProfilerHook: schedule needs '%s'", names[i]);
    }
    self->has_schedule = true;
    return check_schedule(at);
}

static const char *text_or_none(const mm_value *value)
{
    return mm_value_is_none(value) ? NULL : mm_value_str(value);
}

/* None, PyTorch's "any", is a negative number here. */
static int64_t number_or_none(const mm_value *value)
{
    return mm_value_is_none(value) ? -1 : mm_value_i64(value);
}

static bool read_table_option(mm_profile_table_args *args, const char *key,
                              const mm_value *value)
{
    if (strcmp(key, "sort_by") == 0)
        args->sort_by = text_or_none(value);
    else if (strcmp(key, "row_limit") == 0)
        args->row_limit = mm_value_i64(value);
    else if (strcmp(key, "max_name_column_width") == 0)
        args->max_name_width = number_or_none(value);
    else if (strcmp(key, "max_shapes_column_width") == 0)
        args->max_shapes_width = number_or_none(value);
    else if (strcmp(key, "header") == 0)
        args->header = text_or_none(value);
    else if (strcmp(key, "time_unit") == 0)
        args->time_unit = text_or_none(value);
    else if (strcmp(key, "top_level_events_only") == 0)
        args->top_level_events_only = mm_value_is_true(value);
    else
        return strcmp(key, "max_src_column_width") == 0; /* of stacks */
    return true;
}

static bool read_tb_option(struct profiler_hook *self, const char *key,
                           const mm_value *value)
{
    if (strcmp(key, "dir_name") == 0)
        self->dir_name = mm_value_str(value);
    else if (strcmp(key, "worker_name") == 0)
        self->worker_name = text_or_none(value);
    else if (strcmp(key, "use_gzip") == 0)
        self->use_gzip = mm_value_is_true(value);
    else
        return false;
    return true;
}

static mm_status read_handler_options(struct profiler_hook *self, const mm_value *dict)
{
    static const char *const names[] = {"type",
                                        "sort_by",
                                        "row_limit",
                                        "max_src_column_width",
                                        "max_name_column_width",
                                        "max_shapes_column_width",
                                        "header",
                                        "top_level_events_only",
                                        "time_unit",
                                        "dir_name",
                                        "worker_name",
                                        "use_gzip"};

    for (size_t i = 0; i < mm_value_len(dict) && !mm_has_error(); i++) {
        const char *key = mm_dict_name_at(dict, i);
        const mm_value *value = mm_dict_at(dict, i);
        bool is_known =
            key != NULL &&
            (strcmp(key, "type") == 0 ||
             (self->handler == HANDLE_LOG ? read_table_option(&self->table, key, value)
                                          : read_tb_option(self, key, value)));

        if (!is_known)
            return unknown_key("on_trace_ready", dict, i, names,
                               sizeof(names) / sizeof(names[0]));
    }
    return mm_pending();
}

static mm_status read_handler(struct profiler_hook *self)
{
    const mm_value *dict = self->on_trace_ready;

    self->handler = self->json_trace_path == NULL ? HANDLE_DEFAULT : HANDLE_NOT;
    if (mm_value_is_none(dict))
        return MM_OK;
    if (mm_value_kind(dict) != MM_KIND_DICT)
        return mm_raise(MM_ECONFIG, "ProfilerHook: on_trace_ready is a %s, not a dict",
                        mm_value_type_name(dict));
    const char *type = mm_value_str(mm_dict_get(dict, "type"));

    if (type == NULL)
        return mm_error_frame("in on_trace_ready of ProfilerHook");
    if (strcmp(type, "log_trace") == 0)
        self->handler = HANDLE_LOG;
    else if (strcmp(type, "tb_trace") == 0)
        self->handler = HANDLE_TB;
    else
        return mm_raise(
            MM_ECONFIG,
            "ProfilerHook: on_trace_ready has type '%s', not 'log_trace' or "
            "'tb_trace'",
            type);
    return read_handler_options(self, dict);
}

/* A table of nothing finds wrong names now, not after an epoch. */
static mm_status check_table(const struct profiler_hook *self)
{
    mm_profile *empty = mm_profile_new(0);

    if (empty != NULL)
        mm_free(mm_profile_table(empty, &self->table));
    mm_profile_free(empty);
    mm_error error;

    if (mm_error_take(&error) != MM_EINVAL)
        return mm_error_restore(&error);
    (void)mm_raise(MM_ECONFIG, "ProfilerHook: on_trace_ready: %s", error.message);
    return mm_error_hint("%s", error.hint);
}

static mm_status init(void *data)
{
    struct profiler_hook *self = data;

    if (self->by_epoch && self->profile_times > 1) {
        (void)mm_raise(MM_ECONFIG,
                       "ProfilerHook: %lld epochs are too many to profile: one at most",
                       (long long)self->profile_times);
        return mm_error_hint("by_epoch=False counts iterations");
    }
    if (read_schedule(self) < 0 || read_handler(self) < 0)
        return mm_pending();
    return check_table(self);
}

static void deinit(void *data)
{
    struct profiler_hook *self = data;
    mm_error error;

    (void)mm_error_take(&error);
    if (self->is_open && mm_profile_is_running())
        mm_profile_free(mm_profile_stop()); /* the run failed */
    (void)mm_error_restore(&error);
    mm_profile_free(self->last);
}

/* --- steps --- */

static enum action action_of(const struct profiler_hook *self, int64_t step)
{
    const struct schedule *at = &self->schedule;

    if (!self->has_schedule)
        return RECORD;
    if (step < at->skip_first)
        return WAIT;
    step -= at->skip_first;
    if (at->skip_first_wait != 0)
        step += at->wait;
    int64_t cycle = at->wait + at->warmup + at->active;

    if (at->repeat > 0 && step >= at->repeat * cycle)
        return WAIT;
    step %= cycle;
    if (step < at->wait)
        return WAIT;
    if (step < at->wait + at->warmup)
        return WARM_UP;
    return step < cycle - 1 ? RECORD : RECORD_AND_SAVE;
}

static bool records(enum action action)
{
    return action == RECORD || action == RECORD_AND_SAVE;
}

static mm_status start(const struct profiler_hook *self)
{
    return mm_profile_start((self->record_shapes ? MM_PROFILE_SHAPES : 0u) |
                            (self->profile_memory ? MM_PROFILE_MEMORY : 0u) |
                            (self->with_flops ? MM_PROFILE_FLOPS : 0u));
}

static mm_status stop(struct profiler_hook *self)
{
    mm_profile_free(self->last);
    self->last = mm_profile_stop();
    return mm_pending();
}

/* --- handing out --- */

static mm_status log_table(const struct profiler_hook *self,
                           const mm_profile_table_args *args)
{
    char *table = mm_profile_table(self->last, args);
    char *stages = mm_profile_table(self->last, &(mm_profile_table_args){
                                                    .sort_by = "self_cpu_time_total",
                                                    .header = "stages of the run",
                                                    .only_ranges = true,
                                                });

    if (table != NULL && stages != NULL)
        mm_log(MM_LOG_INFO, "profile:\n%s\n%s", table, stages);
    mm_free(stages);
    mm_free(table);
    return mm_pending();
}

static mm_status write_trace(const mm_profile *profile, const char *path)
{
    char *text = mm_profile_trace(profile);
    size_t size = strlen(path);
    bool is_packed = size > 3 && strcmp(path + size - 3, ".gz") == 0;
    mm_status status = text == NULL ? mm_pending()
                       : is_packed  ? mm_gz_write(path, text, strlen(text))
                                    : mm_file_write(path, text, strlen(text));

    mm_free(text);
    if (status == MM_OK)
        mm_log(MM_LOG_INFO, "wrote the trace to %s", path);
    return status;
}

/* "<dir>/<host>_<pid>.<ns>.pt.trace.json", as tensorboard's plugin looks for it. */
static mm_status write_for_tensorboard(const struct profiler_hook *self,
                                       mm_runner *runner)
{
    char host[64];
    mmi_os_host_name(host, sizeof(host));
    char *folder =
        mm_path_join(mm_runner_log_dir(runner),
                     self->dir_name != NULL ? self->dir_name : "tf_tracing_logs");
    char *worker = self->worker_name != NULL
                       ? mm_strdup(self->worker_name)
                       : mm_strfmt("%s_%lld", host, (long long)mmi_os_pid());
    char *path = mm_strfmt("%s/%s.%lld.pt.trace.json%s", folder, worker,
                           (long long)mmi_wall_ns(), self->use_gzip ? ".gz" : "");

    if (!mm_has_error() && mm_make_dirs(folder) == MM_OK)
        (void)write_trace(self->last, path);
    mm_free(path);
    mm_free(worker);
    mm_free(folder);
    return mm_pending();
}

static mm_status hand_out(const struct profiler_hook *self, mm_runner *runner)
{
    switch (self->handler) {
    case HANDLE_LOG:
        return log_table(self, &self->table);
    case HANDLE_TB:
        return write_for_tensorboard(self, runner);
    case HANDLE_DEFAULT:
        return log_table(self, &(mm_profile_table_args){
                                   .sort_by = "self_cpu_time_total", .row_limit = 30});
    default:
        return mm_pending();
    }
}

/* From what step `step` did to what the next one does; -1 as `next`: the end. */
static mm_status change_action(struct profiler_hook *self, mm_runner *runner, int next)
{
    enum action now = action_of(self, self->step);
    bool saves = now == RECORD_AND_SAVE || (next < 0 && now == RECORD);
    bool goes_on = now == RECORD && next >= 0 && records((enum action)next);

    if (records(now) && !goes_on && stop(self) < 0)
        return mm_pending();
    if (saves && hand_out(self, runner) < 0)
        return mm_pending();
    if (next >= 0 && records((enum action)next) && !goes_on)
        return start(self);
    return mm_pending();
}

static void begin_step(struct profiler_hook *self)
{
    self->step_begin = mm_profile_begin();
}

static void end_step(const struct profiler_hook *self)
{
    char name[40];

    (void)snprintf(name, sizeof(name), "ProfilerStep#%lld", (long long)self->step);
    mm_profile_end(self->step_begin, name);
}

/* --- stages --- */

static mm_status check_length(const struct profiler_hook *self, mm_runner *runner)
{
    int64_t most =
        self->by_epoch ? mm_runner_max_epochs(runner) : mm_runner_max_iters(runner);

    /* an iteration-based loop counts as one epoch */
    if (self->by_epoch && !mm_runner_by_epoch(runner))
        most = 1;
    if (self->profile_times <= most)
        return MM_OK;
    return mm_raise(MM_ECONFIG,
                    "ProfilerHook: profile_times=%lld is more than the run's %lld %s",
                    (long long)self->profile_times, (long long)most,
                    self->by_epoch ? "epochs" : "iterations");
}

static mm_status before_run(void *data, mm_runner *runner)
{
    struct profiler_hook *self = data;

    if (mm_runner_max_iters(runner) == 0)
        return MM_OK; /* a test: there are no steps to count */
    if (check_length(self, runner) < 0)
        return mm_pending();
    if (self->activity_with_cuda)
        mm_log(MM_LOG_WARN, "times on devices are not recorded, continuing with those "
                            "on the host");
    if (self->with_stack)
        mm_log(MM_LOG_WARN, "with_stack: there are no Python stacks to record");
    if (self->handler == HANDLE_TB && self->json_trace_path != NULL)
        mm_log(MM_LOG_WARN,
               "with tb_trace a worker_name is better than json_trace_path");
    self->is_open = self->activity_with_cpu || self->activity_with_cuda;
    self->step = 0;
    if (self->is_open && records(action_of(self, 0)) && start(self) < 0)
        return mm_pending();
    begin_step(self);
    mm_log(MM_LOG_INFO, "profiler is profiling...");
    return mm_pending();
}

static mm_status export(struct profiler_hook *self, mm_runner *runner)
{
    end_step(self);
    self->is_open = false;
    mm_log(MM_LOG_INFO, "profiler may take a few minutes...");
    if (change_action(self, runner, -1) < 0)
        return mm_pending();
    if (self->json_trace_path != NULL && self->last != NULL)
        (void)write_trace(self->last, self->json_trace_path);
    return mm_pending();
}

static mm_status after_train_iter(void *data, mm_runner *runner, const mm_iter *iter)
{
    struct profiler_hook *self = data;
    (void)iter;

    if (!self->is_open)
        return MM_OK;
    if (!self->by_epoch && mm_runner_iter(runner) >= self->profile_times - 1)
        return export(self, runner);
    end_step(self);
    int next = (int)action_of(self, self->step + 1);

    (void)change_action(self, runner, next);
    self->step++;
    begin_step(self);
    return mm_pending();
}

static mm_status after_train_epoch(void *data, mm_runner *runner)
{
    struct profiler_hook *self = data;

    return self->is_open && self->by_epoch ? export(self, runner) : MM_OK;
}

/* A run that was stopped before its time. */
static mm_status after_train(void *data, mm_runner *runner)
{
    struct profiler_hook *self = data;

    return self->is_open ? export(self, runner) : MM_OK;
}

static const mm_hook_ops ops = {
    .priority = MM_PRIORITY_VERY_LOW,
    .before_run = before_run,
    .after_train_iter = after_train_iter,
    .after_train_epoch = after_train_epoch,
    .after_train = after_train,
};

const mm_component mmi_profiler_hook = {
    .registry = "hooks",
    .name = "ProfilerHook",
    .help = "records how long operators and stages of training take",
    .source = "mmengine/hooks/profiler_hook.py",
    .size = sizeof(struct profiler_hook),
    .options = options,
    .init = init,
    .deinit = deinit,
    MM_HOOK(&ops),
};
