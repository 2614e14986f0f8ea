/* Writes a log line and a scalar record every `interval` iterations and after each
 * evaluation. A record that cannot be written is reported, and training goes on.
 * Source: mmengine/hooks/logger_hook.py. */
#include <stdio.h>
#include <string.h>

#include "hooks/hooks.h"
#include "hooks/record_file.h"
#include "mmengine/file.h"
#include "mmengine/fileio.h"
#include "mmengine/log.h"
#include "mmengine/memory.h"

struct logger_hook {
    int64_t interval;
    bool ignore_last;
    int64_t interval_exp_name;
    const char *out_dir;
    mm_strs out_suffix;
    bool keep_local;
    mm_value *file_client_args, *backend_args;
    bool log_metric_by_epoch;
    char json_file[32]; /* "<timestamp>.json" */
    mmi_record_file records;
    bool reported_scalars, reported_records, reported_results; /* that they fail */
    int64_t samples; /* of training, seen so far; in checkpoints */
    enum { PLACE_UNKNOWN, PLACE_KNOWN, PLACE_WRITTEN } place;
    mmi_record start; /* where the run began or was put back to */
};

#define MM_OPT_STRUCT struct logger_hook
static const mm_option options[] = {
    {"interval", "iterations between two lines",
     MM_OPT_I64(interval, 10, 1, INT64_MAX)},
    {"ignore_last", "no line for the rest at the end of an epoch",
     MM_OPT_BOOL(ignore_last, true)},
    {"interval_exp_name", "iterations between two lines with the experiment's name",
     MM_OPT_I64(interval_exp_name, 1000, 1, INT64_MAX)},
    {"out_dir", "folder that logs are copied to after the run",
     MM_OPT_STR(out_dir, NULL)},
    {"out_suffix", "ends of the names of files that are copied",
     MM_OPT_STRS(out_suffix, "('.json', '.log', '.py', 'yaml')")},
    {"keep_local", "keep the files that were copied", MM_OPT_BOOL(keep_local, true)},
    {"file_client_args", "accepted for old configs", MM_OPT_VALUE(file_client_args)},
    {"backend_args", "storage of out_dir", MM_OPT_VALUE(backend_args)},
    {"log_metric_by_epoch", "records of validation count epochs, not iterations",
     MM_OPT_BOOL(log_metric_by_epoch, true)},
    {0},
};
#undef MM_OPT_STRUCT

static mm_status init(void *data)
{
    struct logger_hook *self = data;

    self->records.file = (mmi_file)MMI_NO_FILE;
    if (self->out_dir == NULL && self->file_client_args != NULL)
        return mm_raise(MM_ECONFIG, "file_client_args of LoggerHook without out_dir");
    if (self->backend_args != NULL && self->file_client_args != NULL)
        return mm_raise(MM_ECONFIG,
                        "LoggerHook has both file_client_args and backend_args");
    return MM_OK;
}

/* "<out_dir>/<name of the work folder>"; mm_free(). */
static char *upload_dir(const struct logger_hook *self, const mm_runner *runner)
{
    return mm_path_join(self->out_dir, mm_path_basename(mm_runner_work_dir(runner)));
}

static mm_status before_run(void *data, mm_runner *runner)
{
    struct logger_hook *self = data;
    char *folder = mm_path_join(mm_runner_log_dir(runner), "vis_data");

    (void)snprintf(self->json_file, sizeof(self->json_file), "%s.json",
                   mm_runner_timestamp(runner));
    if (folder != NULL)
        (void)mmi_record_file_open(&self->records, folder);
    mm_free(folder);
    if (self->out_dir == NULL || mm_has_error())
        return mm_pending();
    char *to = upload_dir(self, runner);

    if (to != NULL)
        mm_log(MM_LOG_INFO, "Text logs will be saved to %s after the training process.",
               to);
    mm_free(to);
    return mm_pending();
}

static void deinit(void *data)
{
    struct logger_hook *self = data;

    mmi_record_file_close(&self->records);
}

/* A full disk must not end a training: the log says it, once for each `*reported`. */
static mm_status report(bool *reported, const char *what)
{
    mm_error error;
    mm_status code = mm_pending();

    if (code != MM_EIO && code != MM_ENOENT)
        return code;
    (void)mm_error_take(&error);
    if (!*reported)
        mm_log(MM_LOG_WARN, "%s could not be kept: %s %s", what, error.message,
               error.num_frames > 0 ? error.frames[0] : "");
    *reported = true;
    return MM_OK;
}

/* Rows of a collated batch's first field; 0: not known. */
static int64_t count_rows(mm_value *batch)
{
    mm_kind kind = mm_value_kind(batch);
    bool is_row = kind == MM_KIND_LIST || kind == MM_KIND_TUPLE;
    mm_value *field = (kind != MM_KIND_DICT && !is_row) || mm_value_len(batch) == 0
                          ? NULL
                      : is_row ? mm_list_get(batch, 0)
                               : mm_dict_at(batch, 0);
    mm_tensor *tensor = field == NULL ? NULL : mm_value_find_tensor(field);
    mm_tensor_info info;

    if (tensor != NULL)
        return mm_tensor_info_get(tensor, &info) == MM_OK && info.ndim > 0
                   ? info.sizes[0]
                   : 0;
    kind = field == NULL ? MM_KIND_NONE : mm_value_kind(field);
    return kind == MM_KIND_LIST || kind == MM_KIND_TUPLE ? (int64_t)mm_value_len(field)
                                                         : 0;
}

/* Samples of a batch of training; a list of bare samples looks like a list of fields,
 * so more than a batch holds is none. */
static int64_t count_samples(mm_runner *runner, mm_value *batch)
{
    int64_t most = mm_loader_batch_size(mm_runner_loader(runner, MM_MODE_TRAIN));
    int64_t rows = batch == NULL ? 0 : count_rows(batch);

    return rows > 0 && rows <= most ? rows : most;
}

/* Finished epochs; passes over the data in iteration mode. */
static int64_t epochs_after(mm_runner *runner, int64_t iters)
{
    if (mm_runner_by_epoch(runner) || mm_runner_max_iters(runner) == 0)
        return mm_runner_epoch(runner);
    int64_t len = mm_loader_len(mm_runner_loader(runner, MM_MODE_TRAIN));

    return len > 0 ? iters / len : 0;
}

/* Where this run goes on. A checkpoint of another program does not tell the samples:
 * its batches were whole. */
static void find_place(struct logger_hook *self, mm_runner *runner)
{
    int64_t iters = mm_runner_iter(runner);

    if (self->samples == 0 && iters > 0)
        self->samples =
            iters * mm_loader_batch_size(mm_runner_loader(runner, MM_MODE_TRAIN));
    self->start = (mmi_record){.mode = "start",
                               .epoch = epochs_after(runner, iters),
                               .iter = iters,
                               .samples = self->samples};
    self->place = PLACE_KNOWN;
}

static mm_status add_record(struct logger_hook *self, mm_runner *runner, mm_mode mode,
                            mm_value *scalars)
{
    static const char *const names[] = {"train", "val", "test"};
    bool is_train = mode == MM_MODE_TRAIN;
    mmi_record record = {.mode = names[mode],
                         .iter = mm_runner_iter(runner) + is_train,
                         .samples = self->samples,
                         .scalars = scalars};

    record.epoch = epochs_after(runner, mm_runner_iter(runner)) + is_train;
    if (self->place == PLACE_UNKNOWN)
        find_place(self, runner);
    if (self->place == PLACE_KNOWN && mm_runner_max_iters(runner) > 0 && /* trains */
        mmi_record_file_add(&self->records, &self->start) == MM_OK)
        self->place = PLACE_WRITTEN;
    (void)mmi_record_file_add(&self->records, &record);
    return report(&self->reported_records, "records");
}

static mm_status add_scalars(struct logger_hook *self, mm_runner *runner, mm_mode mode,
                             int64_t step, mm_value *scalars)
{
    (void)mm_visualizer_add_scalars(mm_runner_visualizer(runner), scalars, step,
                                    self->json_file);
    return report(&self->reported_scalars, "scalars") < 0
               ? mm_pending()
               : add_record(self, runner, mode, scalars);
}

static mm_status after_train_iter(void *data, mm_runner *runner, const mm_iter *iter)
{
    struct logger_hook *self = data;
    int64_t len = mm_loader_len(mm_runner_loader(runner, MM_MODE_TRAIN));
    bool last = iter->batch_idx + 1 == len;
    mm_log_text text;

    if (self->place == PLACE_UNKNOWN)
        find_place(self, runner);
    self->samples += count_samples(runner, iter->batch);
    if (mm_every_n_train_iters(runner, self->interval_exp_name, 0) || last)
        mm_log(MM_LOG_INFO, "Exp name: %s", mm_runner_experiment_name(runner));
    if ((iter->batch_idx + 1) % self->interval != 0 &&
        !(last && (!self->ignore_last || len <= self->interval)))
        return mm_pending();
    if (mm_runner_log_iter(runner, iter->batch_idx, MM_MODE_TRAIN, &text) < 0)
        return mm_pending();
    mm_log(MM_LOG_INFO, "%s", text.line);
    (void)add_scalars(self, runner, MM_MODE_TRAIN, mm_runner_iter(runner) + 1,
                      text.tag);
    mm_log_text_deinit(&text);
    return mm_pending();
}

static mm_status after_eval_iter(const struct logger_hook *self, mm_runner *runner,
                                 const mm_iter *iter, mm_mode mode)
{
    mm_log_text text;

    if ((iter->batch_idx + 1) % self->interval != 0)
        return MM_OK;
    if (mm_runner_log_iter(runner, iter->batch_idx, mode, &text) < 0)
        return mm_pending();
    mm_log(MM_LOG_INFO, "%s", text.line);
    mm_log_text_deinit(&text);
    return mm_pending();
}

static mm_status after_val_iter(void *self, mm_runner *runner, const mm_iter *iter)
{
    return after_eval_iter(self, runner, iter, MM_MODE_VAL);
}

static mm_status after_test_iter(void *self, mm_runner *runner, const mm_iter *iter)
{
    return after_eval_iter(self, runner, iter, MM_MODE_TEST);
}

static mm_status after_val_epoch(void *data, mm_runner *runner, mm_value *metrics)
{
    struct logger_hook *self = data;
    int64_t len = mm_loader_len(mm_runner_loader(runner, MM_MODE_VAL));
    mm_log_text text;
    (void)metrics;

    if (mm_runner_log_epoch(runner, len, MM_MODE_VAL, &text) < 0)
        return mm_pending();
    mm_log(MM_LOG_INFO, "%s", text.line);
    (void)add_scalars(self, runner, MM_MODE_VAL,
                      self->log_metric_by_epoch ? mm_runner_epoch(runner)
                                                : mm_runner_iter(runner),
                      text.tag);
    mm_log_text_deinit(&text);
    return mm_pending();
}

static mm_status after_test_epoch(void *data, mm_runner *runner, mm_value *metrics)
{
    struct logger_hook *self = data;
    int64_t len = mm_loader_len(mm_runner_loader(runner, MM_MODE_TEST));
    mm_log_text text;
    (void)metrics;

    if (mm_runner_log_epoch(runner, len, MM_MODE_TEST, &text) < 0)
        return mm_pending();
    mm_log(MM_LOG_INFO, "%s", text.line);
    char *path = mm_strfmt("%s/%s", mm_runner_log_dir(runner), self->json_file);
    mm_value *ready = mmi_json_ready(text.tag);

    if (ready != NULL && path != NULL)
        (void)mm_fileio_dump(ready, path, "json");
    if (report(&self->reported_results, "results") == MM_OK)
        (void)add_record(self, runner, MM_MODE_TEST, ready);
    mm_value_unref(ready);
    mm_free(path);
    mm_log_text_deinit(&text);
    return mm_pending();
}

/* True for files whose name ends in one of the suffixes. */
static bool is_wanted(const struct logger_hook *self, const char *name)
{
    for (size_t i = 0; i < self->out_suffix.count; i++) {
        size_t size = strlen(name), end = strlen(self->out_suffix.data[i]);

        if (size >= end && strcmp(name + size - end, self->out_suffix.data[i]) == 0)
            return true;
    }
    return false;
}

static mm_status upload_file(const struct logger_hook *self, const char *from,
                             const char *to)
{
    size_t size = 0;
    char *content = mm_file_read(from, &size);

    if (content != NULL && mm_file_write(to, content, size) == MM_OK) {
        mm_log(MM_LOG_INFO, "The file %s has been uploaded to %s.", from, to);
        if (!self->keep_local)
            mm_log(
                MM_LOG_INFO,
                "%s was removed due to the `self.keep_local=False`. You can check the "
                "running logs in %s",
                from, to);
    }
    mm_free(content);
    return mm_pending();
}

static mm_status remove_file(const struct logger_hook *self, const char *from,
                             const char *to)
{
    (void)self;
    (void)to;
    return mm_file_remove(from);
}

/* Does something with a folder's wanted files, those of its folders too. Names that
 * begin with a dot are left alone. */
static mm_status each_wanted(const struct logger_hook *self, const char *from,
                             const char *to,
                             mm_status (*action)(const struct logger_hook *self,
                                                 const char *from, const char *to))
{
    mm_value *names = mm_list_dir(from);
    size_t count = names == NULL ? 0 : mm_value_len(names);

    for (size_t i = 0; i < count && !mm_has_error(); i++) {
        const char *name = mm_value_str(mm_list_get(names, i));
        char *source = mm_path_join(from, name), *target = mm_path_join(to, name);

        if (target == NULL || name[0] == '.') {
            /* nothing */
        } else if (mm_file_is_dir(source)) {
            (void)each_wanted(self, source, target, action);
        } else if (is_wanted(self, name) && mm_make_dirs(to) == MM_OK) {
            (void)action(self, source, target);
        }
        mm_free(target);
        mm_free(source);
    }
    mm_value_unref(names);
    return mm_pending();
}

static mm_status after_run(void *data, mm_runner *runner)
{
    struct logger_hook *self = data;
    const char *from = mm_runner_log_dir(runner);

    (void)mm_visualizer_close(mm_runner_visualizer(runner));
    if (report(&self->reported_scalars, "scalars") < 0 || self->out_dir == NULL)
        return mm_pending();
    char *to = upload_dir(self, runner);

    if (to != NULL && each_wanted(self, from, to, upload_file) == MM_OK &&
        !self->keep_local)
        (void)each_wanted(self, from, to, remove_file);
    mm_free(to);
    return mm_pending();
}

static mm_value *save_state(void *data)
{
    const struct logger_hook *self = data;
    mm_value *state = mm_value_new_dict();

    mm_dict_put_i64(state, "samples", self->samples);
    return state;
}

/* Also where a run is put back on its way. */
static mm_status load_state(void *data, const mm_value *state)
{
    struct logger_hook *self = data;

    self->samples = mm_value_i64(mm_dict_get(state, "samples"));
    self->place = PLACE_UNKNOWN;
    return mm_pending();
}

static const mm_hook_ops ops = {
    .priority = MM_PRIORITY_BELOW_NORMAL,
    .before_run = before_run,
    .after_train_iter = after_train_iter,
    .after_val_iter = after_val_iter,
    .after_val_epoch = after_val_epoch,
    .after_test_iter = after_test_iter,
    .after_test_epoch = after_test_epoch,
    .after_run = after_run,
    .save_state = save_state,
    .load_state = load_state,
};

const mm_component mmi_logger_hook = {
    .registry = "hooks",
    .name = "LoggerHook",
    .help = "writes log lines and scalar records",
    .source = "mmengine/hooks/logger_hook.py",
    .size = sizeof(struct logger_hook),
    .options = options,
    .init = init,
    .deinit = deinit,
    MM_HOOK(&ops),
};
