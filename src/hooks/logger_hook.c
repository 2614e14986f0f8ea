/* Writes a log line and a scalar record every `interval` iterations and after each
 * evaluation. Source: mmengine/hooks/logger_hook.py. */
#include <stdio.h>
#include <string.h>

#include "hooks/hooks.h"
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

static mm_status before_run(void *data, mm_runner *runner)
{
    struct logger_hook *self = data;

    (void)snprintf(self->json_file, sizeof(self->json_file), "%s.json",
                   mm_runner_timestamp(runner));
    return MM_OK;
}

static mm_status after_train_iter(void *data, mm_runner *runner, const mm_iter *iter)
{
    struct logger_hook *self = data;
    int64_t len = mm_loader_len(mm_runner_loader(runner, MM_MODE_TRAIN));
    bool last = iter->batch_idx + 1 == len;
    mm_log_text text;

    if (mm_every_n_train_iters(runner, self->interval_exp_name, 0) || last)
        mm_log(MM_LOG_INFO, "Exp name: %s", mm_runner_experiment_name(runner));
    if ((iter->batch_idx + 1) % self->interval != 0 &&
        !(last && (!self->ignore_last || len <= self->interval)))
        return MM_OK;
    if (mm_runner_log_iter(runner, iter->batch_idx, MM_MODE_TRAIN, &text) < 0)
        return mm_pending();
    mm_log(MM_LOG_INFO, "%s", text.line);
    (void)mm_visualizer_add_scalars(mm_runner_visualizer(runner), text.tag,
                                    mm_runner_iter(runner) + 1, self->json_file);
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
    const struct logger_hook *self = data;
    int64_t len = mm_loader_len(mm_runner_loader(runner, MM_MODE_VAL));
    mm_log_text text;
    (void)metrics;

    if (mm_runner_log_epoch(runner, len, MM_MODE_VAL, &text) < 0)
        return mm_pending();
    mm_log(MM_LOG_INFO, "%s", text.line);
    (void)mm_visualizer_add_scalars(mm_runner_visualizer(runner), text.tag,
                                    self->log_metric_by_epoch ? mm_runner_epoch(runner)
                                                              : mm_runner_iter(runner),
                                    self->json_file);
    mm_log_text_deinit(&text);
    return mm_pending();
}

static mm_status after_test_epoch(void *data, mm_runner *runner, mm_value *metrics)
{
    const struct logger_hook *self = data;
    int64_t len = mm_loader_len(mm_runner_loader(runner, MM_MODE_TEST));
    mm_log_text text;
    (void)metrics;

    if (mm_runner_log_epoch(runner, len, MM_MODE_TEST, &text) < 0)
        return mm_pending();
    mm_log(MM_LOG_INFO, "%s", text.line);
    char *path = mm_strfmt("%s/%s", mm_runner_log_dir(runner), self->json_file);
    (void)mm_fileio_dump(text.tag, path, "json");
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

static mm_status copy_file(const struct logger_hook *self, const char *from,
                           const char *to)
{
    size_t size = 0;
    char *content = mm_file_read(from, &size);

    if (content != NULL && mm_file_write(to, content, size) == MM_OK) {
        mm_log(MM_LOG_INFO, "The file %s has been copied to %s.", from, to);
    }
    mm_free(content);
    if (mm_has_error() || self->keep_local)
        return mm_pending();
    return mm_file_remove(from);
}

/* Copies a folder's wanted files, those of its folders too. */
static mm_status copy_logs(const struct logger_hook *self, const char *from,
                           const char *to)
{
    mm_value *names = mm_list_dir(from);

    bool ready = names != NULL && mm_make_dirs(to) == MM_OK;

    for (size_t i = 0; ready && i < mm_value_len(names) && !mm_has_error(); i++) {
        const char *name = mm_value_str(mm_list_get(names, i));
        char *source = mm_path_join(from, name), *target = mm_path_join(to, name);

        if (source != NULL && target != NULL && mm_file_is_dir(source))
            (void)copy_logs(self, source, target);
        else if (target != NULL && is_wanted(self, name))
            (void)copy_file(self, source, target);
        mm_free(target);
        mm_free(source);
    }
    mm_value_unref(names);
    return mm_pending();
}

static mm_status after_run(void *data, mm_runner *runner)
{
    const struct logger_hook *self = data;

    if (mm_visualizer_close(mm_runner_visualizer(runner)) < 0 || self->out_dir == NULL)
        return mm_pending();
    char *to =
        mm_path_join(self->out_dir, mm_path_basename(mm_runner_work_dir(runner)));

    if (to != NULL)
        (void)copy_logs(self, mm_runner_log_dir(runner), to);
    mm_free(to);
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
};

const mm_component mmi_logger_hook = {
    .registry = "hooks",
    .name = "LoggerHook",
    .help = "writes log lines and scalar records",
    .source = "mmengine/hooks/logger_hook.py",
    .size = sizeof(struct logger_hook),
    .options = options,
    MM_HOOK(&ops),
};
