/* Saves checkpoints: at intervals, at the end, and whenever a metric is the best so
 * far. Where and when, file names, the rules of `save_best` and the hub's keys are
 * MMEngine's.
 *
 * A save is asked for here and written after the stage, by the runner: a new file is
 * complete before an old one is removed, so a kill at any moment leaves the last good
 * one. What this hook and the hub say is set when the save is asked for, since the file
 * itself holds it, and taken back if the file could not be written. Files that the new
 * one makes needless are named in the hook's state inside it, so that a run that is
 * resumed from it removes them if the kill came between. Source:
 * mmengine/hooks/checkpoint_hook.py. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/str.h"
#include "hooks/best_rule.h"
#include "hooks/hooks.h"
#include "mmengine/file.h"
#include "mmengine/fileio.h"
#include "mmengine/log.h"
#include "mmengine/memory.h"
#include "runner/saver.h"

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
    mm_value *needless;           /* names of files the one being saved makes so */
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
        for (size_t j = 0; j < i && !mm_has_error(); j++) {
            if (strcmp(self->save_best.data[j], indicator->name) == 0)
                (void)mm_raise(MM_ECONFIG, "save_best lists '%s' twice",
                               indicator->name);
        }
        if (!is_auto && !mm_has_error() && indicator->rule == MMI_RULE_INFER)
            indicator->rule = mmi_best_rule_infer(indicator->name, &self->greater_keys,
                                                  &self->less_keys);
    }
    return mm_pending();
}

/* Names. */

/* A field of the template, as Python's format() knows them for an int: {}, {0}, {:5},
 * {:05d}. What follows it, or NULL if it is another. */
static const char *read_field(const char *at, int *out_width, bool *out_has_zeros)
{
    *out_width = 0;
    *out_has_zeros = false;
    at += *at == '0' ? 1 : 0;
    if (*at == ':') {
        at++;
        *out_has_zeros = *at == '0';
        for (; *at >= '0' && *at <= '9' && *out_width < 1000; at++)
            *out_width = 10 * *out_width + (*at - '0');
        at += *at == 'd' ? 1 : 0;
    }
    return *at == '}' ? at + 1 : NULL;
}

/* The file of a step, without its folder. */
static char *file_name(const struct checkpoint_hook *self, int64_t step)
{
    mmi_str out = {0};

    for (const char *at = self->filename_tmpl; *at != '\0' && !mm_has_error();) {
        bool is_brace = *at == '{' || *at == '}', has_zeros = false;
        int width = 0;

        if (!is_brace || at[1] == at[0]) { /* two of them are one */
            mmi_str_add_char(&out, *at);
            at += is_brace ? 2 : 1;
            continue;
        }
        at = *at == '{' ? read_field(at + 1, &width, &has_zeros) : NULL;
        if (at == NULL) {
            (void)mm_raise(MM_ECONFIG, "could not read filename_tmpl '%s'",
                           self->filename_tmpl);
            (void)mm_error_hint("the number goes where {} or, with zeros, {:06d} is");
            break;
        }
        mmi_str_addf(&out, has_zeros ? "%0*" PRId64 : "%*" PRId64, width, step);
    }
    return mmi_str_take(&out);
}

static char *path_of(const struct checkpoint_hook *self, MM_TAKES char *name)
{
    char *path = name == NULL ? NULL : mm_path_join(self->folder, name);

    mm_free(name);
    return path;
}

static char *step_path(const struct checkpoint_hook *self, int64_t step)
{
    return path_of(self, file_name(self, step));
}

/* The hub's key of an indicator: plain with one metric, with its name with several. */
static char *hub_key(const struct checkpoint_hook *self, const char *base,
                     const struct indicator *indicator)
{
    return self->save_best.count == 1 ? mm_strdup(base)
                                      : mm_strfmt("%s_%s", base, indicator->name);
}

/* Life. */

static mm_status init(void *data)
{
    struct checkpoint_hook *self = data;

    if (self->filename_tmpl == NULL)
        self->filename_tmpl = self->by_epoch ? "epoch_{}.pth" : "iter_{}.pth";
    mm_free(file_name(self, 0)); /* an error if it cannot be read */
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
    mm_value_unref(self->needless);
}

static mm_value *save_state(void *data)
{
    const struct checkpoint_hook *self = data;
    mm_value *state = mm_value_new_dict();

    if (self->needless != NULL)
        mm_dict_put(state, "needless", self->needless);
    return state;
}

static mm_status load_state(void *data, const mm_value *state)
{
    struct checkpoint_hook *self = data;

    mm_value_unref(self->needless);
    self->needless = mm_value_ref(mm_dict_find(state, "needless"));
    return mm_pending();
}

/* What the file that was resumed from has made needless. Names only: a file cannot make
 * us remove anything outside our folder. */
static void remove_needless(struct checkpoint_hook *self)
{
    size_t count = self->needless == NULL ? 0 : mm_value_len(self->needless);

    for (size_t i = 0; i < count && !mm_has_error(); i++) {
        const char *name = mm_value_str(mm_list_get(self->needless, i));
        char *path = name == NULL || strchr(name, '/') != NULL
                         ? NULL
                         : mm_path_join(self->folder, name);

        if (path != NULL)
            mmi_remove_old_file(path);
        mm_free(path);
    }
    mm_value_unref(self->needless);
    self->needless = NULL;
}

/* Steps that the hub knows of an earlier part of the run; those that are too many now
 * go. */
static mm_status take_keep_ids(struct checkpoint_hook *self, mm_runner *runner)
{
    mm_value *ids = mm_hub_find_info(mm_runner_hub(runner), "keep_ckpt_ids");

    if (ids == NULL || self->max_keep_ckpts <= 0)
        return mm_pending();
    mm_value_unref(self->keep_ids);
    self->keep_ids = mm_value_copy(ids);
    while (!mm_has_error() &&
           mm_value_len(self->keep_ids) > (size_t)self->max_keep_ckpts) {
        char *path = step_path(self, mm_value_i64(mm_list_get(self->keep_ids, 0)));

        if (path != NULL)
            mmi_remove_old_file(path);
        mm_free(path);
        mm_list_remove(self->keep_ids, 0);
    }
    mm_value *copy = mm_value_copy(self->keep_ids);

    mm_hub_update_info(mm_runner_hub(runner), "keep_ckpt_ids", copy);
    mm_value_unref(copy);
    return mm_pending();
}

/* The newest regular file of an earlier part of the run, if it is in our folder: a
 * validation that is owed may find a new best and write it again. */
static mm_status take_last_ckpt(struct checkpoint_hook *self, mm_runner *runner)
{
    mm_value *info = mm_hub_find_info(mm_runner_hub(runner), "last_ckpt");
    const char *text = info == NULL ? NULL : mm_value_str(info);
    char *path =
        text == NULL ? NULL : mm_path_join(self->folder, mm_path_basename(text));

    if (path != NULL && mm_file_exists(path)) {
        mm_free(self->last_ckpt);
        self->last_ckpt = path;
        path = NULL;
    }
    mm_free(path);
    return mm_pending();
}

static mm_status before_train(void *data, mm_runner *runner)
{
    struct checkpoint_hook *self = data;
    const char *work_dir = mm_runner_work_dir(runner);

    mm_free(self->folder);
    if (self->out_dir == NULL || strcmp(self->out_dir, work_dir) == 0)
        self->folder = mm_strdup(work_dir);
    else
        self->folder = mm_path_join(self->out_dir, mm_path_basename(work_dir));
    if (mm_has_error() || mm_make_dirs(self->folder) < 0)
        return mm_pending();
    mm_log(MM_LOG_INFO, "Checkpoints will be saved to %s.", self->folder);
    remove_needless(self);
    return take_last_ckpt(self, runner) < 0 ? mm_pending()
                                            : take_keep_ids(self, runner);
}

/* What was before a save was asked for, to be put back if it fails. */
struct former {
    struct checkpoint_hook *hook;
    mm_value *infos; /* dict: key of the hub -> its value, None if it had none */
    bool is_regular;
    char *last_ckpt; /* of a regular save, as the next */
    mm_value *keep_ids;
};

static struct former *former_new(struct checkpoint_hook *self)
{
    struct former *former = mm_alloc(sizeof(*former));

    if (former != NULL) {
        former->hook = self;
        former->infos = mm_value_new_dict();
    }
    return former;
}

static void former_free(struct former *former)
{
    if (former == NULL)
        return;
    mm_value_unref(former->infos);
    mm_value_unref(former->keep_ids);
    mm_free(former->last_ckpt);
    mm_free(former);
}

/* Sets an information of the hub, NULL for none, and notes what it was. Takes the
 * value. */
static void set_info(struct former *former, mm_hub *hub, const char *key,
                     MM_TAKES mm_value *value)
{
    mm_value *before = mm_has_error() ? NULL : mm_hub_find_info(hub, key);

    mm_dict_take(former->infos, key,
                 before == NULL ? mm_value_new_none() : mm_value_ref(before));
    if (value != NULL)
        mm_hub_update_info(hub, key, value);
    else if (!mm_has_error())
        (void)mm_hub_remove_info(hub, key);
    mm_value_unref(value);
}

static void put_back(struct former *former, mm_hub *hub)
{
    struct checkpoint_hook *self = former->hook;

    for (size_t i = 0; i < mm_value_len(former->infos); i++) {
        const char *key = mm_dict_name_at(former->infos, i);
        mm_value *value = mm_dict_at(former->infos, i);

        if (mm_value_is_none(value))
            (void)mm_hub_remove_info(hub, key);
        else
            mm_hub_update_info(hub, key, value);
    }
    if (!former->is_regular)
        return;
    mm_free(self->last_ckpt);
    self->last_ckpt = former->last_ckpt;
    former->last_ckpt = NULL;
    mm_value_unref(self->keep_ids);
    self->keep_ids = mm_value_ref(former->keep_ids);
}

/* A save of this hook is over. */
static void saved(void *user, mm_runner *runner, bool is_good)
{
    struct former *former = user;
    struct checkpoint_hook *self = former->hook;

    if (!is_good)
        put_back(former, mm_runner_hub(runner));
    if (former->is_regular) {
        mm_value_unref(self->needless);
        self->needless = NULL;
    }
    former_free(former);
}

/* Asks for a save. Takes `former`, which saved() frees whatever happens. */
static mm_status ask(mm_runner *runner, mm_save_args args,
                     MM_TAKES struct former *former)
{
    args.done = saved;
    args.user = former;
    return mm_runner_save_checkpoint(runner, &args);
}

/* Saving at intervals. */

/* A regular save that is being asked for. */
struct regular {
    mm_hub *hub;
    struct former *former;
    mm_value *old; /* list of paths that are removed afterwards */
};

/* A file of `folder` goes once the new one is good. */
static void add_needless(struct checkpoint_hook *self, struct regular *regular,
                         const char *folder, const char *name)
{
    char *path = mm_path_join(folder, name);

    mm_list_push(regular->old, mm_value_new_str(path));
    if (strcmp(folder, self->folder) == 0)
        mm_list_push(self->needless, mm_value_new_str(name));
    mm_free(path);
}

/* Notes `step` as kept; steps that are too many then fall out. */
static mm_status keep_step(struct checkpoint_hook *self, struct regular *regular,
                           int64_t step)
{
    size_t count = mm_value_len(self->keep_ids);

    if (count > 0 && mm_value_i64(mm_list_get(self->keep_ids, count - 1)) == step)
        return mm_pending(); /* written before, now again with a new best */
    mm_value_unref(self->keep_ids);
    self->keep_ids = mm_value_copy(regular->former->keep_ids);
    for (; !mm_has_error() && count >= (size_t)self->max_keep_ckpts; count--) {
        char *name = file_name(self, mm_value_i64(mm_list_get(self->keep_ids, 0)));

        add_needless(self, regular, self->folder, name);
        mm_list_remove(self->keep_ids, 0);
        mm_free(name);
    }
    mm_list_push(self->keep_ids, mm_value_new_i64(step));
    set_info(regular->former, regular->hub, "keep_ckpt_ids",
             mm_value_copy(self->keep_ids));
    return mm_pending();
}

/* True if the file of a kept step has this name. */
static bool is_kept(const struct checkpoint_hook *self, const char *name)
{
    bool is_found = false;

    for (size_t i = 0; i < mm_value_len(self->keep_ids) && !is_found; i++) {
        char *kept = file_name(self, mm_value_i64(mm_list_get(self->keep_ids, i)));

        is_found = kept != NULL && strcmp(kept, name) == 0;
        mm_free(kept);
    }
    return is_found;
}

/* Files saved on request go too. */
static mm_status drop_requested(struct checkpoint_hook *self, struct regular *regular,
                                const char *work_dir)
{
    mm_value *names = mm_hub_find_info(regular->hub, MMI_REQUESTED_INFO);

    for (size_t i = 0; names != NULL && i < mm_value_len(names) && !mm_has_error();
         i++) {
        const char *name = mm_value_str(mm_list_get(names, i));
        bool is_ours = strcmp(work_dir, self->folder) == 0 && is_kept(self, name);

        if (name != NULL && strchr(name, '/') == NULL && !is_ours)
            add_needless(self, regular, work_dir, name);
    }
    if (names != NULL)
        set_info(regular->former, regular->hub, MMI_REQUESTED_INFO, NULL);
    return mm_pending();
}

/* What a regular save changes here and in the hub. */
static mm_status begin_regular(struct checkpoint_hook *self, struct regular *regular,
                               const mm_runner *runner, int64_t step, const char *path)
{
    struct former *former = regular->former;

    mm_value_unref(self->needless);
    self->needless = mm_value_new_list();
    former->is_regular = true;
    former->last_ckpt = self->last_ckpt;
    former->keep_ids = mm_value_ref(self->keep_ids);
    self->last_ckpt = mm_strdup(path);
    if (self->max_keep_ckpts > 0 && keep_step(self, regular, step) == MM_OK)
        (void)drop_requested(self, regular, mm_runner_work_dir(runner));
    set_info(former, regular->hub, "last_ckpt", mm_value_new_str(path));
    return mm_pending();
}

/* Asks for the regular file of `step`. */
static mm_status save_step(struct checkpoint_hook *self, mm_runner *runner,
                           int64_t step, int64_t epoch, int64_t iter)
{
    struct regular regular = {
        .hub = mm_runner_hub(runner),
        .former = former_new(self),
        .old = mm_value_new_list(),
    };
    char *path = step_path(self, step);

    if (regular.former != NULL &&
        begin_regular(self, &regular, runner, step, path) == MM_OK)
        (void)ask(runner,
                  (mm_save_args){
                      .path = path,
                      .epoch = epoch,
                      .iter = iter,
                      .no_optimizer = !self->save_optimizer,
                      .no_param_scheduler = !self->save_param_scheduler,
                      .is_last = true,
                      .remove = regular.old,
                  },
                  regular.former);
    else
        former_free(regular.former);
    mm_value_unref(regular.old);
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
    if (mm_runner_wait_for_saves(runner) < 0)
        return mm_pending();
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
    if (mm_runner_wait_for_saves(runner) < 0)
        return mm_pending();
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

/* The best file so far goes to `old`, if it is there and not the new one. It is looked
 * for in our folder alone: the hub may come from a run that was elsewhere, whose files
 * are not ours to remove, or from this folder before it was moved. */
static void note_former_best(const struct checkpoint_hook *self, mm_hub *hub,
                             const char *key, const char *path, mm_value *old)
{
    mm_value *info = mm_hub_find_info(hub, key);
    const char *text = info == NULL ? NULL : mm_value_str(info);
    char *former =
        text == NULL ? NULL : mm_path_join(self->folder, mm_path_basename(text));

    if (former != NULL && strcmp(former, path) != 0 && mm_file_exists(former)) {
        mm_list_push(old, mm_value_new_str(former));
        mm_log(MM_LOG_INFO, "The previous best checkpoint %s is removed", former);
    }
    mm_free(former);
}

/* Asks for the best file of a metric; the former one goes. */
static mm_status save_best_file(struct checkpoint_hook *self, mm_runner *runner,
                                const struct indicator *indicator, double score)
{
    mm_hub *hub = mm_runner_hub(runner);
    int64_t step = self->by_epoch ? mm_runner_epoch(runner) : mm_runner_iter(runner);
    struct former *former = former_new(self);
    char *path = best_path(self, indicator, step);
    char *score_key = hub_key(self, "best_score", indicator);
    char *path_key = hub_key(self, "best_ckpt", indicator);
    mm_value *old = mm_value_new_list();

    if (mm_has_error()) {
        former_free(former);
        goto done;
    }
    note_former_best(self, hub, path_key, path, old);
    set_info(former, hub, score_key, mm_value_new_f64(score));
    set_info(former, hub, path_key, mm_value_new_str(path));
    (void)ask(runner,
              (mm_save_args){
                  .path = path,
                  .epoch = mm_runner_epoch(runner),
                  .iter = mm_runner_iter(runner),
                  .no_optimizer = true,
                  .no_param_scheduler = true,
                  .remove = old,
              },
              former);
    mm_log(MM_LOG_INFO,
           "The best checkpoint with %.4f %s at %" PRId64 " %s is saved to %s.", score,
           indicator->name, step, self->by_epoch ? "epoch" : "iter",
           mm_path_basename(path));
done:
    mm_value_unref(old);
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
    if (resolve_auto(self, metrics) < 0 || mm_runner_wait_for_saves(runner) < 0)
        return mm_pending();
    for (size_t i = 0; i < self->save_best.count && !mm_has_error(); i++) {
        const struct indicator *indicator = &self->indicators[i];
        mm_value *value = mm_dict_find(metrics, indicator->name);

        if (mm_runner_leaves_out(runner, indicator->name) ||
            (value != NULL && mm_value_is_none(value)))
            continue;
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

    if (self->published_keys.count == 0 || mm_runner_wait_for_saves(runner) < 0)
        return mm_pending();
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
    .save_state = save_state,
    .load_state = load_state,
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
