/* Saves checkpoints: at intervals, at the end, and whenever a metric is the best so
 * far.
 *
 * A new file is complete before an old one is removed, so a kill at any moment leaves
 * the last good one. Where and when, file names, the rules of `save_best` and the hub's
 * keys are MMEngine's. Source: mmengine/hooks/checkpoint_hook.py. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/os.h"
#include "hooks/best_rule.h"
#include "hooks/hooks.h"
#include "mmengine/file.h"
#include "mmengine/fileio.h"
#include "mmengine/log.h"
#include "mmengine/memory.h"

/* One watched metric. */
struct indicator {
    const char *name; /* in the config, or of the first metrics for "auto" */
    char *owned_name; /* for "auto" */
    mmi_best_rule rule;
};

struct checkpoint_hook {
    int64_t interval;
    bool by_epoch;
    bool save_optimizer, save_param_scheduler;
    const char *out_dir;
    int64_t max_keep_ckpts;
    bool save_last;
    mm_strs save_best;
    mm_value *rule;
    mm_strs greater_keys, less_keys;
    mm_value *file_client_args, *backend_args;
    const char *filename_tmpl;
    mm_strs published_keys;
    int64_t save_begin;

    struct indicator *indicators; /* one for each of save_best */
    char *folder;                 /* where files go */
    char *last_ckpt;              /* newest regular file */
    mm_value *keep_ids;           /* list of steps whose files are kept */
};

#define MM_OPT_STRUCT struct checkpoint_hook
static const mm_option options[] = {
    {"interval", "epochs or iterations between checkpoints; 0 or less: none",
     MM_OPT_I64(interval, -1, INT64_MIN, INT64_MAX)},
    {"by_epoch", "count epochs, not iterations", MM_OPT_BOOL(by_epoch, true)},
    {"save_optimizer", "keep the optimizer's state", MM_OPT_BOOL(save_optimizer, true)},
    {"save_param_scheduler", "keep the schedulers' state",
     MM_OPT_BOOL(save_param_scheduler, true)},
    {"out_dir", "folder; a folder named as work_dir is made in it",
     MM_OPT_STR(out_dir, NULL)},
    {"max_keep_ckpts", "regular checkpoints that are kept; 0 or less: all",
     MM_OPT_I64(max_keep_ckpts, -1, INT64_MIN, INT64_MAX)},
    {"save_last", "save at the end of training whatever the interval",
     MM_OPT_BOOL(save_last, true)},
    {"save_best", "metrics whose best checkpoint is kept; 'auto': the first one",
     MM_OPT_STRS(save_best, NULL)},
    {"rule", "'greater' or 'less', for each of save_best", MM_OPT_VALUE(rule)},
    {"greater_keys", "parts of names of metrics that should grow",
     MM_OPT_STRS(greater_keys, NULL)},
    {"less_keys", "parts of names of metrics that should fall",
     MM_OPT_STRS(less_keys, NULL)},
    {"file_client_args", "accepted for old configs", MM_OPT_VALUE(file_client_args)},
    {"backend_args", "storage of out_dir", MM_OPT_VALUE(backend_args)},
    {"filename_tmpl", "file name with {} for the number",
     MM_OPT_STR(filename_tmpl, NULL)},
    {"published_keys", "keys that a published checkpoint keeps",
     MM_OPT_STRS(published_keys, NULL)},
    {"save_begin", "first epoch or iteration that is saved",
     MM_OPT_I64(save_begin, 0, 0, INT64_MAX)},
    {0},
};
#undef MM_OPT_STRUCT

/* Rules. */

/* The rule given for indicator `index`: one for all, or one each. */
static mmi_best_rule given_rule(const struct checkpoint_hook *self, size_t index)
{
    mm_kind kind = mm_value_kind(self->rule);

    if (kind != MM_KIND_LIST && kind != MM_KIND_TUPLE)
        return mmi_best_rule_parse(self->rule);
    size_t count = mm_value_len(self->rule);
    if (count != 1 && count != self->save_best.count) {
        (void)mm_raise(MM_ECONFIG, "%zu rules for %zu metrics in save_best", count,
                       self->save_best.count);
        return MMI_RULE_INFER;
    }
    return mmi_best_rule_parse(mm_list_get(self->rule, count == 1 ? 0 : index));
}

static mm_status init_indicators(struct checkpoint_hook *self)
{
    self->indicators =
        mm_alloc_array(self->save_best.count + 1, sizeof(struct indicator));
    for (size_t i = 0; i < self->save_best.count && !mm_has_error(); i++) {
        struct indicator *indicator = &self->indicators[i];
        bool is_auto = strcmp(self->save_best.data[i], "auto") == 0;

        indicator->name = self->save_best.data[i];
        indicator->rule = given_rule(self, i);
        if (is_auto && self->save_best.count > 1)
            (void)mm_raise(MM_ECONFIG, "save_best lists 'auto' beside other metrics");
        if (!is_auto && !mm_has_error() && indicator->rule == MMI_RULE_INFER)
            indicator->rule = mmi_best_rule_infer(indicator->name, &self->greater_keys,
                                                  &self->less_keys);
    }
    return mm_pending();
}

static mm_status init(void *data)
{
    struct checkpoint_hook *self = data;

    if (self->filename_tmpl == NULL)
        self->filename_tmpl = self->by_epoch ? "epoch_{}.pth" : "iter_{}.pth";
    if (strstr(self->filename_tmpl, "{}") == NULL)
        return mm_raise(MM_ECONFIG, "filename_tmpl '%s' has no {}",
                        self->filename_tmpl);
    self->keep_ids = mm_value_new_list();
    return init_indicators(self);
}

static void deinit(void *data)
{
    struct checkpoint_hook *self = data;

    for (size_t i = 0; self->indicators != NULL && i < self->save_best.count; i++)
        mm_free(self->indicators[i].owned_name);
    mm_free(self->indicators);
    mm_free(self->folder);
    mm_free(self->last_ckpt);
    mm_value_unref(self->keep_ids);
}

/* Names. */

static char *file_name(const struct checkpoint_hook *self, int64_t step)
{
    const char *hole = strstr(self->filename_tmpl, "{}");

    return mm_strfmt("%.*s%" PRId64 "%s", (int)(hole - self->filename_tmpl),
                     self->filename_tmpl, step, hole + 2);
}

static char *step_path(const struct checkpoint_hook *self, int64_t step)
{
    char *name = file_name(self, step);
    char *path = name == NULL ? NULL : mm_path_join(self->folder, name);

    mm_free(name);
    return path;
}

/* The hub's key of an indicator: plain with one metric, with its name with several. */
static char *hub_key(const struct checkpoint_hook *self, const char *base,
                     const struct indicator *indicator)
{
    return self->save_best.count == 1 ? mm_strdup(base)
                                      : mm_strfmt("%s_%s", base, indicator->name);
}

static void remove_file(const char *path)
{
    if (path != NULL && mm_file_exists(path) && mm_file_remove(path) < 0) {
        mm_error error;

        (void)mm_error_take(&error);
        mm_log(MM_LOG_WARN, "could not remove an old checkpoint: %s", error.message);
    }
}

/* Saving at intervals. */

static mm_status before_train(void *data, mm_runner *runner)
{
    struct checkpoint_hook *self = data;
    mm_value *ids = mm_hub_find_info(mm_runner_hub(runner), "keep_ckpt_ids");
    const char *work_dir = mm_runner_work_dir(runner);

    mm_free(self->folder);
    if (self->out_dir == NULL || strcmp(self->out_dir, work_dir) == 0)
        self->folder = mm_strdup(work_dir);
    else
        self->folder = mm_path_join(self->out_dir, mm_path_basename(work_dir));
    if (ids != NULL) {
        mm_value_unref(self->keep_ids);
        self->keep_ids = mm_value_copy(ids);
    }
    if (mm_has_error() || mm_make_dirs(self->folder) < 0)
        return mm_pending();
    mm_log(MM_LOG_INFO, "Checkpoints will be saved to %s.", self->folder);
    return MM_OK;
}

/* Notes `step` as kept; the step that falls out goes to `out_dropped`, or -1. */
static mm_status keep_step(struct checkpoint_hook *self, mm_runner *runner,
                           int64_t step, int64_t *out_dropped)
{
    size_t count = mm_value_len(self->keep_ids);

    *out_dropped = -1;
    if (self->max_keep_ckpts <= 0)
        return MM_OK;
    if (count > 0 && mm_value_i64(mm_list_get(self->keep_ids, count - 1)) == step)
        return MM_OK;
    if (count >= (size_t)self->max_keep_ckpts) {
        *out_dropped = mm_value_i64(mm_list_get(self->keep_ids, 0));
        mm_list_remove(self->keep_ids, 0);
    }
    mm_list_push(self->keep_ids, mm_value_new_i64(step));
    mm_value *copy = mm_value_copy(self->keep_ids);
    mm_hub_update_info(mm_runner_hub(runner), "keep_ckpt_ids", copy);
    mm_value_unref(copy);
    return mm_pending();
}

/* A save that failed is reported; training goes on and older files stay. */
static mm_status report_failed_save(const char *path)
{
    mm_error error;
    mm_status code = mm_error_take(&error);

    if (code != MM_EIO && code != MM_EBUSY)
        return mm_error_restore(&error);
    mm_log(MM_LOG_ERROR, "could not save checkpoint '%s': %s; training continues", path,
           error.message);
    return MM_OK;
}

static mm_status write_pointer(mm_runner *runner, const char *path)
{
    char *pointer = mm_path_join(mm_runner_work_dir(runner), "last_checkpoint");

    mm_status status =
        pointer == NULL ? mm_pending() : mm_file_write(pointer, path, strlen(path));

    mm_free(pointer);
    return status;
}

/* Writes the regular file of `step`, then removes the one that is no longer kept. */
static mm_status save_step(struct checkpoint_hook *self, mm_runner *runner,
                           int64_t step, int64_t epoch, int64_t iter)
{
    int64_t dropped = -1;
    char *path = step_path(self, step);
    char *old = NULL;

    if (path == NULL || keep_step(self, runner, step, &dropped) < 0)
        goto done;
    mm_hub_update_info_str(mm_runner_hub(runner), "last_ckpt", path);
    if (mm_runner_save_checkpoint(runner,
                                  &(mm_save_args){
                                      .path = path,
                                      .epoch = epoch,
                                      .iter = iter,
                                      .no_optimizer = !self->save_optimizer,
                                      .no_param_scheduler = !self->save_param_scheduler,
                                  }) < 0 ||
        write_pointer(runner, path) < 0) {
        (void)report_failed_save(path);
        goto done;
    }
    mm_free(self->last_ckpt);
    self->last_ckpt = mm_strdup(path);
    old = dropped < 0 ? NULL : step_path(self, dropped);
    remove_file(old);
done:
    mm_free(old);
    mm_free(path);
    return mm_pending();
}

static mm_status after_train_epoch(void *data, mm_runner *runner)
{
    struct checkpoint_hook *self = data;
    int64_t done = mm_runner_epoch(runner) + 1;
    bool last = self->save_last && done == mm_runner_max_epochs(runner);

    if (!self->by_epoch ||
        (!mm_every_n_epochs(runner, self->interval, self->save_begin) && !last))
        return MM_OK;
    mm_log(MM_LOG_INFO, "Saving checkpoint at %" PRId64 " epochs", done);
    return save_step(self, runner, done, done, mm_runner_iter(runner));
}

static mm_status after_train_iter(void *data, mm_runner *runner, const mm_iter *iter)
{
    struct checkpoint_hook *self = data;
    int64_t done = mm_runner_iter(runner) + 1;
    bool last = self->save_last && done == mm_runner_max_iters(runner);
    (void)iter;

    if (self->by_epoch ||
        (!mm_every_n_train_iters(runner, self->interval, self->save_begin) && !last))
        return MM_OK;
    mm_log(MM_LOG_INFO, "Saving checkpoint at %" PRId64 " iterations", done);
    return save_step(self, runner, done, mm_runner_epoch(runner), done);
}

/* Saving the best. */

static bool is_better(const struct checkpoint_hook *self, mm_runner *runner,
                      const struct indicator *indicator, double score)
{
    char *key = hub_key(self, "best_score", indicator);
    mm_value *best = key == NULL ? NULL : mm_hub_find_info(mm_runner_hub(runner), key);
    double bound =
        best != NULL ? mm_value_f64(best) : mmi_best_rule_worst(indicator->rule);

    mm_free(key);
    return mmi_best_rule_is_better(indicator->rule, score, bound);
}

static void replace_slashes(char *name)
{
    for (; *name != '\0'; name++) {
        if (*name == '/')
            *name = '_';
    }
}

/* "best_<metric>_<regular name>" in the folder. */
static char *best_path(const struct checkpoint_hook *self,
                       const struct indicator *indicator, int64_t step)
{
    char *regular = file_name(self, step);
    char *name =
        regular == NULL ? NULL : mm_strfmt("best_%s_%s", indicator->name, regular);
    char *path = NULL;

    if (name != NULL) {
        replace_slashes(name);
        path = mm_path_join(self->folder, name);
    }
    mm_free(name);
    mm_free(regular);
    return path;
}

/* Writes the best file and removes the former one. */
static mm_status save_best_file(struct checkpoint_hook *self, mm_runner *runner,
                                const struct indicator *indicator, double score)
{
    mm_hub *hub = mm_runner_hub(runner);
    int64_t step = self->by_epoch ? mm_runner_epoch(runner) : mm_runner_iter(runner);
    char *path = best_path(self, indicator, step);
    char *score_key = hub_key(self, "best_score", indicator);
    char *path_key = hub_key(self, "best_ckpt", indicator);
    mm_value *former =
        path_key == NULL ? NULL : mm_value_ref(mm_hub_find_info(hub, path_key));

    mm_hub_update_info_f64(hub, score_key, score);
    mm_hub_update_info_str(hub, path_key, path);
    if (mm_runner_save_checkpoint(runner, &(mm_save_args){
                                              .path = path,
                                              .epoch = mm_runner_epoch(runner),
                                              .iter = mm_runner_iter(runner),
                                              .no_optimizer = true,
                                              .no_param_scheduler = true,
                                          }) < 0) {
        (void)report_failed_save(path);
    } else {
        if (former != NULL && strcmp(mm_value_str(former), path) != 0) {
            remove_file(mm_value_str(former));
            mm_log(MM_LOG_INFO, "The previous best checkpoint %s is removed",
                   mm_value_str(former));
        }
        mm_log(MM_LOG_INFO,
               "The best checkpoint with %.4f %s at %" PRId64 " %s is saved to %s.",
               score, indicator->name, step, self->by_epoch ? "epoch" : "iter",
               mm_path_basename(path));
    }
    mm_value_unref(former);
    mm_free(path_key);
    mm_free(score_key);
    mm_free(path);
    return mm_pending();
}

/* "auto" becomes the first metric there is. */
static mm_status resolve_auto(struct checkpoint_hook *self, const mm_value *metrics)
{
    struct indicator *indicator = &self->indicators[0];

    if (strcmp(indicator->name, "auto") != 0)
        return MM_OK;
    indicator->owned_name = mm_strdup(mm_dict_name_at(metrics, 0));
    if (indicator->owned_name == NULL)
        return mm_pending();
    indicator->name = indicator->owned_name;
    if (indicator->rule == MMI_RULE_INFER)
        indicator->rule =
            mmi_best_rule_infer(indicator->name, &self->greater_keys, &self->less_keys);
    return mm_pending();
}

static mm_status after_val_epoch(void *data, mm_runner *runner, mm_value *metrics)
{
    struct checkpoint_hook *self = data;
    bool updated = false;

    if (self->save_best.count == 0 || self->folder == NULL)
        return MM_OK;
    if (mm_value_len(metrics) == 0) {
        mm_log(MM_LOG_WARN, "there are no metrics, so no best checkpoint is chosen");
        return MM_OK;
    }
    if (resolve_auto(self, metrics) < 0)
        return mm_pending();
    for (size_t i = 0; i < self->save_best.count && !mm_has_error(); i++) {
        const struct indicator *indicator = &self->indicators[i];
        double score = mm_metric_value(metrics, indicator->name);

        if (mm_has_error() || !is_better(self, runner, indicator, score))
            continue;
        updated = true;
        (void)save_best_file(self, runner, indicator, score);
    }
    if (mm_has_error() || !updated || self->last_ckpt == NULL)
        return mm_pending();
    /* the regular file learns the new best, so that a resumed run can replace it */
    return save_step(self, runner,
                     self->by_epoch ? mm_runner_epoch(runner) : mm_runner_iter(runner),
                     mm_runner_epoch(runner), mm_runner_iter(runner));
}

/* Publishing. */

static mm_status publish(const struct checkpoint_hook *self, const char *path)
{
    char *published = NULL;

    if (path == NULL || !mm_file_exists(path))
        return MM_OK;
    if (mm_checkpoint_publish(path, &self->published_keys, &published) == MM_OK)
        mm_log(MM_LOG_INFO, "The checkpoint (%s) is published to %s.", path, published);
    mm_free(published);
    return mm_pending();
}

static mm_status after_train(void *data, mm_runner *runner)
{
    struct checkpoint_hook *self = data;

    if (self->published_keys.count == 0)
        return MM_OK;
    if (self->save_last)
        (void)publish(self, self->last_ckpt);
    for (size_t i = 0; i < self->save_best.count && !mm_has_error(); i++) {
        char *key = hub_key(self, "best_ckpt", &self->indicators[i]);
        mm_value *path =
            key == NULL ? NULL : mm_hub_find_info(mm_runner_hub(runner), key);

        if (path != NULL)
            (void)publish(self, mm_value_str(path));
        mm_free(key);
    }
    return mm_pending();
}

static const mm_hook_ops ops = {
    .priority = MM_PRIORITY_VERY_LOW,
    .before_train = before_train,
    .after_train_iter = after_train_iter,
    .after_train_epoch = after_train_epoch,
    .after_val_epoch = after_val_epoch,
    .after_train = after_train,
};

const mm_component mmi_checkpoint_hook = {
    .registry = "hooks",
    .name = "CheckpointHook",
    .help = "saves checkpoints at intervals and the best ones",
    .source = "mmengine/hooks/checkpoint_hook.py",
    .size = sizeof(struct checkpoint_hook),
    .options = options,
    .init = init,
    .deinit = deinit,
    MM_HOOK(&ops),
};
