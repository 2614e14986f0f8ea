/* Watches for losses and gradients that are not finite: stops with a diagnosis, skips
 * the step, or goes back to the last good checkpoint.
 *
 * The wrapper asks before backward (mm_step_guard), so on the host a bad step is never
 * made: weights, buffers and optimizer are what they were, and the batch can be run
 * again exactly as it ran. On a device a loss is not read at once: `loss * 0` of each
 * step is kept there, and one number is read every `interval` steps; the steps since
 * then were made, which only 'stop' and 'rollback' can bear. After a bad step the other
 * hooks see the outputs without what is not finite. */
#include <math.h>
#include <string.h>

#include "base/str.h"
#include "base/vec.h"
#include "hooks/hooks.h"
#include "mmengine/file.h"
#include "mmengine/log.h"
#include "mmengine/memory.h"
#include "mmengine/ops.h"
#include "runner/replay.h"

enum { ACTION_STOP, ACTION_SKIP, ACTION_ROLLBACK };

enum { DEVICE_INTERVAL = 10 /* as often as a log line is due by default */ };

static const mm_choice actions[] = {
    {"stop", ACTION_STOP, "ends the run with the diagnosis"},
    {"skip", ACTION_SKIP, "drops the step and goes on"},
    {"rollback", ACTION_ROLLBACK, "goes on from the last checkpoint's weights"},
    {0},
};

/* A step that is not known to be good yet. */
struct step {
    mm_value *batch;  /* owned */
    mm_rng *random;   /* the host's generator before it; owned, used again */
    mm_value *device; /* state of the device's, if there is one; owned */
    mm_tensor *zero;  /* the losses times 0: NaN if one is not finite; owned or NULL */
    int64_t iter, batch_idx;
    int64_t position; /* of the batch in the loader's epoch */
    char *samples;    /* names; owned, NULL until they are asked for */
};

/* A buffer and what it held before the step. */
struct kept_buffer {
    mm_tensor *buffer; /* the model's */
    mm_tensor *copy;   /* owned */
};

struct nan_guard_hook {
    int action;
    mm_maybe_i64 interval;
    int64_t max_skips, max_rollbacks, max_files;
    const char *out_dir;

    mm_step_guard guard;
    mm_optim_wrapper *optim_wrapper; /* that has our guard; borrowed */
    int64_t every;                   /* steps between readings */
    MMI_VEC(struct step) steps;
    MMI_VEC(mm_rng *) marks; /* of the steps, kept for later ones */
    MMI_VEC(struct kept_buffer) buffers;
    bool is_bad;  /* the guard dropped something in this step */
    bool is_norm; /* ... because of the norm of the gradients */
    mm_history *skipped_history;
    int64_t skipped, skipped_in_row, rollbacks, files; /* state */
};

#define MM_OPT_STRUCT struct nan_guard_hook
static const mm_option options[] = {
    {"action", "what to do about a loss or gradient that is not finite",
     MM_OPT_CHOICE(action, ACTION_STOP, actions)},
    {"interval",
     "iterations between readings of the check; None: each one on the host and for "
     "'skip', 10 on devices",
     MM_OPT_I64_OR_NONE(interval, 1, 1000)},
    {"max_skips", "steps skipped in a row after which the run ends",
     MM_OPT_I64(max_skips, 20, 0, INT64_MAX)},
    {"max_rollbacks", "rollbacks in a run after which the next one ends it",
     MM_OPT_I64(max_rollbacks, 3, 0, INT64_MAX)},
    {"out_dir", "folder of files for `mmengine replay`; default: nan_guard in work_dir",
     MM_OPT_STR(out_dir, NULL)},
    {"max_files", "such files, each with the model's weights, in a run",
     MM_OPT_I64(max_files, 3, 0, INT64_MAX)},
    {0},
};
#undef MM_OPT_STRUCT

static mm_status init(void *data)
{
    const struct nan_guard_hook *self = data;

    if (self->action == ACTION_SKIP && self->interval.has && self->interval.value > 1) {
        (void)mm_raise(MM_ECONFIG,
                       "NanGuardHook: action='skip' has to look at every step: "
                       "interval=%lld is too late",
                       (long long)self->interval.value);
        return mm_error_hint("leave interval out, or choose 'rollback'");
    }
    return MM_OK;
}

/* --- steps and buffers --- */

static void clear_steps(struct nan_guard_hook *self)
{
    for (size_t i = 0; i < self->steps.count; i++) {
        mm_value_unref(self->steps.data[i].batch);
        mm_value_unref(self->steps.data[i].device);
        mm_free(self->steps.data[i].samples);
        mm_tensor_unref(self->steps.data[i].zero);
    }
    self->steps.count = 0;
    self->is_bad = self->is_norm = false;
}

static void deinit(void *data)
{
    struct nan_guard_hook *self = data;

    clear_steps(self);
    mmi_vec_deinit(&self->steps);
    for (size_t i = 0; i < self->marks.count; i++)
        mm_rng_unref(self->marks.data[i]);
    mmi_vec_deinit(&self->marks);
    for (size_t i = 0; i < self->buffers.count; i++)
        mm_tensor_unref(self->buffers.data[i].copy);
    mmi_vec_deinit(&self->buffers);
}

static mm_status add_buffer(void *user, const char *name, mm_tensor *tensor,
                            mm_module *owner)
{
    struct nan_guard_hook *self = user;
    mm_scope scope = mm_scope_open();
    struct kept_buffer kept = {tensor, mm_keep(mm_clone(tensor))};
    (void)name;
    (void)owner;

    if (!mm_has_error() && !mmi_vec_push(&self->buffers, kept))
        mm_tensor_unref(kept.copy);
    mm_scope_close(scope);
    return mm_pending();
}

/* Copies the buffers, or puts the copies back: what a forward pass changes. */
static mm_status copy_buffers(struct nan_guard_hook *self, bool back)
{
    bool recorded = mm_grad_mode_set(false);

    for (size_t i = 0; i < self->buffers.count && !mm_has_error(); i++) {
        const struct kept_buffer *kept = &self->buffers.data[i];

        (void)mm_copy_(back ? kept->buffer : kept->copy,
                       back ? kept->copy : kept->buffer);
    }
    (void)mm_grad_mode_set(recorded);
    return mm_pending();
}

/* --- the guard --- */

static bool drops_loss(void *user, mm_tensor *loss)
{
    struct nan_guard_hook *self = user;
    struct step *step =
        self->steps.count == 0 ? NULL : &self->steps.data[self->steps.count - 1];

    if (self->every == 1) {
        bool is_bad = !isfinite(mm_item(loss));

        self->is_bad = self->is_bad || is_bad;
        return is_bad;
    }
    if (step != NULL) {
        mm_scope scope = mm_scope_open();
        mm_tensor *zero = mm_mul_scalar(mm_detach(loss), 0.0);

        if (step->zero != NULL)
            zero = mm_add(zero, step->zero);
        mm_tensor_unref(step->zero);
        step->zero = mm_has_error() ? NULL : mm_keep(zero);
        mm_scope_close(scope);
    }
    return false;
}

/* The norm is on the host already. */
static bool drops_step(void *user, double grad_norm)
{
    struct nan_guard_hook *self = user;
    bool is_bad = !isfinite(grad_norm);

    self->is_bad = self->is_bad || is_bad;
    self->is_norm = self->is_norm || is_bad;
    return is_bad;
}

static mm_status before_train(void *data, mm_runner *runner)
{
    struct nan_guard_hook *self = data;
    mm_module *model = mm_runner_model(runner);
    bool is_host = strncmp(mm_module_device(model), "cpu", 3) == 0;

    self->guard = (mm_step_guard){drops_loss, drops_step, self};
    self->optim_wrapper = mm_runner_optim_wrapper(runner);
    mm_optim_wrapper_set_guard(self->optim_wrapper, &self->guard);
    self->every = self->interval.has                       ? self->interval.value
                  : is_host || self->action == ACTION_SKIP ? 1
                                                           : DEVICE_INTERVAL;
    return mm_module_each_buffer(model, false, add_buffer, self);
}

static mm_status after_train(void *data, mm_runner *runner)
{
    struct nan_guard_hook *self = data;
    (void)runner;

    if (self->optim_wrapper != NULL)
        mm_optim_wrapper_set_guard(self->optim_wrapper, NULL);
    self->optim_wrapper = NULL;
    return MM_OK;
}

/* A generator to keep the state of the next step in. */
static mm_rng *next_mark(struct nan_guard_hook *self)
{
    size_t used = self->steps.count;

    if (used == self->marks.count) {
        mm_rng *made = mm_rng_new(0);

        if (made == NULL || !mmi_vec_push(&self->marks, made)) {
            mm_rng_unref(made);
            return NULL;
        }
    }
    return self->marks.data[used];
}

static mm_status before_train_iter(void *data, mm_runner *runner, const mm_iter *iter)
{
    struct nan_guard_hook *self = data;

    if (self->every == 1)
        clear_steps(self);
    mm_rng *mark = next_mark(self);

    if (mark == NULL || mm_rng_copy(mark, NULL) < 0)
        return mm_pending();
    struct step step = {
        .batch = mm_value_ref(iter->batch),
        .random = mark,
        .device = mmi_device_random_states(runner),
        .iter = mm_runner_iter(runner),
        .batch_idx = iter->batch_idx,
        .position = mm_loader_position(mm_runner_loader(runner, MM_MODE_TRAIN)) - 1,
    };

    if (!mmi_vec_push(&self->steps, step)) {
        mm_value_unref(step.batch);
        mm_value_unref(step.device);
    }
    return copy_buffers(self, false);
}

/* --- names of samples --- */

/* The file that a sample's dict of fields names, or NULL. */
static const char *file_of_sample(const mm_value *metainfo)
{
    static const char *const keys[] = {"img_path", "filename", "file_name", "path"};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const mm_value *value = mm_dict_find(metainfo, keys[i]);

        if (mm_value_kind(value) == MM_KIND_STR)
            return mm_value_str(value);
    }
    return NULL;
}

static const char *file_in_batch(const mm_value *batch, size_t index)
{
    const mm_value *samples = mm_value_kind(batch) == MM_KIND_DICT
                                  ? mm_dict_find(batch, "data_samples")
                                  : NULL;
    mm_kind kind = mm_value_kind(samples);

    if ((kind != MM_KIND_LIST && kind != MM_KIND_TUPLE) ||
        index >= mm_value_len(samples))
        return NULL;
    const mm_data_element *element =
        mm_value_find_data_element(mm_list_get(samples, index));

    return element == NULL ? NULL : file_of_sample(mm_data_element_metainfo(element));
}

/* "17 (cats/3.png), 4 (cats/9.png)"; mm_free(). */
static char *sample_names(mm_runner *runner, const struct step *step)
{
    mm_loader *loader = mm_runner_loader(runner, MM_MODE_TRAIN);
    int64_t *indices =
        mm_alloc_array((size_t)mm_loader_batch_size(loader), sizeof(*indices));
    int64_t count =
        indices == NULL ? 0 : mm_loader_batch_indices(loader, step->position, indices);
    mmi_str names = {0};

    for (int64_t i = 0; i < count; i++) {
        const char *file = file_in_batch(step->batch, (size_t)i);

        mmi_str_addf(&names, "%s%lld", i > 0 ? ", " : "", (long long)indices[i]);
        if (file != NULL)
            mmi_str_addf(&names, " (%s)", file);
    }
    mm_free(indices);
    return mmi_str_take(&names);
}

/* --- diagnosis --- */

/* The file for a step; NULL without an error: enough were written. Yours. */
static char *file_for(struct nan_guard_hook *self, mm_runner *runner,
                      const struct step *step)
{
    if (self->files >= self->max_files)
        return NULL;
    char *folder = self->out_dir != NULL
                       ? mm_strdup(self->out_dir)
                       : mm_path_join(mm_runner_work_dir(runner), "nan_guard");
    char *name = mm_strfmt("iter_%lld.pth", (long long)step->iter + 1);
    char *path = folder != NULL && name != NULL ? mm_path_join(folder, name) : NULL;

    mm_free(name);
    mm_free(folder);
    return path;
}

/* Writes the file; failing to is no reason to end a run. NULL: there is none. */
static char *write_file(struct nan_guard_hook *self, mm_runner *runner,
                        const struct step *step, const mm_value *random,
                        const char *diagnosis)
{
    char *path = file_for(self, runner, step);
    mm_error error;

    if (path != NULL && mmi_replay_write(path, runner,
                                         &(mmi_replay_file){
                                             .batch = step->batch,
                                             .random = random,
                                             .samples = step->samples,
                                             .batch_idx = step->batch_idx,
                                             .diagnosis = diagnosis,
                                         }) == MM_OK) {
        self->files++;
        return path;
    }
    if (mm_error_take(&error) < 0)
        mm_log(MM_LOG_WARN, "could not write the batch to a file, continuing: %s",
               error.message);
    mm_free(path);
    return NULL;
}

static void log_findings(const struct nan_guard_hook *self, mm_runner *runner,
                         const struct step *step, const char *findings,
                         const char *path)
{
    mm_log(MM_LOG_ERROR,
           "%s is not finite in epoch %lld, iteration %lld, batch %lld, samples "
           "%s:\n%s%s%s",
           self->is_norm ? "the norm of all gradients" : "the loss",
           (long long)mm_runner_epoch(runner) + 1, (long long)step->iter + 1,
           (long long)step->batch_idx + 1, step->samples,
           findings == NULL ? "" : findings,
           path == NULL ? "" : "\nto run it again: mmengine replay ",
           path == NULL ? "" : path);
}

/* The states of all generators before the step; yours. Leaves the host's as it was
 * then. */
static mm_value *states_before(mm_runner *runner, const struct step *step)
{
    mm_value *states = NULL;

    if (mm_rng_copy(NULL, step->random) == MM_OK)
        states = mmi_random_states(runner);
    for (size_t i = 0;
         step->device != NULL && !mm_has_error() && i < mm_value_len(step->device); i++)
        mm_dict_put(states, mm_dict_name_at(step->device, i),
                    mm_dict_at(step->device, i));
    return states;
}

/* Runs the step's batch again with a look at every module, logs and writes what was
 * found. Random state is left as it is, buffers as before the step. */
static mm_status diagnose(struct nan_guard_hook *self, mm_runner *runner,
                          struct step *step, mmi_batch_check *check, char **out_path)
{
    mm_value *now = mmi_random_states(runner);
    mm_value *before = states_before(runner, step);
    bool is_exact = self->every == 1;

    step->samples = sample_names(runner, step);
    if (mm_has_error() || mmi_random_restore(before) < 0 ||
        (is_exact && copy_buffers(self, true) < 0))
        goto done;
    if (mmi_batch_check_run(check, mm_runner_model(runner), step->batch,
                            mm_runner_optim_wrapper(runner)) < 0 ||
        (is_exact && copy_buffers(self, true) < 0))
        goto done;
    char *findings = mmi_batch_check_text(check, false);

    *out_path =
        findings == NULL ? NULL : write_file(self, runner, step, before, findings);
    log_findings(self, runner, step, findings, *out_path);
    mm_free(findings);
    if (!mm_has_error())
        (void)mmi_random_restore(now);
done:
    mm_value_unref(before);
    mm_value_unref(now);
    return mm_pending();
}

/* --- actions --- */

/* The error that ends the run. */
static mm_status give_up(const struct nan_guard_hook *self, const struct step *step,
                         const mmi_batch_check *check, const char *path,
                         const char *why)
{
    const mmi_module_row *row =
        check->culprit < 0 ? NULL : &check->rows.data[check->culprit];

    (void)mm_raise(MM_ENUMERIC, "%s in iteration %lld is not finite%s%s%s%s%s",
                   self->is_norm ? "the norm of all gradients" : "the loss",
                   (long long)step->iter + 1, row == NULL ? "" : ", first in ",
                   row == NULL ? "" : row->name, row == NULL ? "" : " (",
                   row == NULL ? "" : row->type, row == NULL ? "" : ")");
    (void)mm_error_hint("%s%s%s", why, path == NULL ? "" : "; mmengine replay ",
                        path == NULL ? "" : path);
    return mm_pending();
}

/* What is not finite among the outputs is kept from the other hooks. */
static void clean_outputs(mm_value *outputs)
{
    for (size_t i = mm_value_len(outputs); i-- > 0 && !mm_has_error();) {
        mm_value *value = mm_dict_at(outputs, i);
        mm_tensor *tensor = mm_value_find_tensor(value);
        bool is_good = tensor != NULL ? mmi_is_finite(tensor)
                       : mm_value_kind(value) == MM_KIND_F64
                           ? isfinite(mm_value_f64(value)) != 0
                           : true;

        if (!is_good)
            (void)mm_dict_remove(outputs, mm_dict_name_at(outputs, i));
    }
}

static mm_status skip(struct nan_guard_hook *self, const struct step *step,
                      const mmi_batch_check *check, const char *path)
{
    self->skipped++;
    if (++self->skipped_in_row > self->max_skips)
        return give_up(self, step, check, path,
                       "max_skips steps in a row were skipped");
    mm_log(MM_LOG_WARN,
           "skipped the step of iteration %lld: %lld in a row, %lld in all",
           (long long)step->iter + 1, (long long)self->skipped_in_row,
           (long long)self->skipped);
    return MM_OK;
}

/* The last regular checkpoint: the one the hub names, so that a resumed run takes the
 * same; else the newest good one. Yours. */
static char *last_checkpoint(mm_runner *runner)
{
    const mm_value *named = mm_hub_find_info(mm_runner_hub(runner), "last_ckpt");

    if (mm_value_kind(named) == MM_KIND_STR && mm_file_exists(mm_value_str(named)))
        return mm_strdup(mm_value_str(named));
    return mm_find_latest_checkpoint(mm_runner_work_dir(runner));
}

static mm_status roll_back(struct nan_guard_hook *self, mm_runner *runner,
                           const struct step *step, const mmi_batch_check *check,
                           const char *path)
{
    if (self->rollbacks >= self->max_rollbacks)
        return give_up(self, step, check, path, "max_rollbacks were made before");
    char *checkpoint =
        mm_runner_wait_for_saves(runner) < 0 ? NULL : last_checkpoint(runner);

    if (checkpoint == NULL && !mm_has_error())
        return give_up(self, step, check, path, "there is no checkpoint to go back to");
    if (checkpoint != NULL && mmi_roll_back(runner, checkpoint) == MM_OK) {
        self->rollbacks++;
        mm_log(
            MM_LOG_WARN,
            "went back to the weights of %s (rollback %lld of at most %lld); going on "
            "with the next batch",
            checkpoint, (long long)self->rollbacks, (long long)self->max_rollbacks);
    }
    mm_free(checkpoint);
    return mm_pending();
}

static mm_status act(struct nan_guard_hook *self, mm_runner *runner, struct step *step,
                     mm_value *outputs)
{
    mmi_batch_check check = {.culprit = -1};
    char *path = NULL;

    if (diagnose(self, runner, step, &check, &path) == MM_OK) {
        if (self->action == ACTION_SKIP)
            (void)skip(self, step, &check, path);
        else if (self->action == ACTION_ROLLBACK)
            (void)roll_back(self, runner, step, &check, path);
        else
            (void)give_up(
                self, step, &check, path,
                "lower the learning rate, clip gradients or look at the data");
    }
    if (!mm_has_error() && outputs != NULL)
        clean_outputs(outputs);
    mm_free(path);
    mmi_batch_check_deinit(&check);
    return mm_pending();
}

/* --- when --- */

/* The first step whose losses were not finite; NULL: all were. Reads the device once if
 * all is well. */
static struct step *first_bad(struct nan_guard_hook *self)
{
    mm_scope scope = mm_scope_open();
    mm_tensor *sum = NULL;
    struct step *found = NULL;

    for (size_t i = 0; i < self->steps.count; i++) {
        mm_tensor *zero = self->steps.data[i].zero;

        if (zero != NULL)
            sum = sum == NULL ? zero : mm_add(sum, zero);
    }
    bool is_good = sum == NULL || isfinite(mm_item(sum));

    for (size_t i = 0; !is_good && found == NULL && i < self->steps.count; i++) {
        mm_tensor *zero = self->steps.data[i].zero;

        if (zero != NULL && !isfinite(mm_item(zero)))
            found = &self->steps.data[i];
    }
    mm_scope_close(scope);
    return found;
}

/* A model with a train_step of its own may never ask the guard. */
static bool has_bad_loss(const mm_value *outputs)
{
    for (size_t i = 0; i < mm_value_len(outputs); i++) {
        mm_tensor *tensor = mm_value_find_tensor(mm_dict_at(outputs, i));
        const char *name = mm_dict_name_at(outputs, i);

        if (tensor != NULL && name != NULL && strstr(name, "loss") != NULL &&
            !mmi_is_finite(tensor))
            return true;
    }
    return false;
}

static mm_status look(struct nan_guard_hook *self, mm_runner *runner, mm_value *outputs)
{
    struct step *bad = NULL;

    if (self->steps.count == 0)
        return mm_pending();
    if (self->is_bad || (self->every == 1 && outputs != NULL && has_bad_loss(outputs)))
        bad = &self->steps.data[self->steps.count - 1];
    else if (self->every > 1)
        bad = first_bad(self);
    if (bad != NULL)
        (void)act(self, runner, bad, outputs);
    else
        self->skipped_in_row = 0;
    clear_steps(self);
    return mm_pending();
}

static mm_status after_train_iter(void *data, mm_runner *runner, const mm_iter *iter)
{
    struct nan_guard_hook *self = data;

    if (self->is_bad || (int64_t)self->steps.count >= self->every)
        (void)look(self, runner, iter->outputs);
    if (self->skipped > 0 && !mm_has_error()) {
        if (self->skipped_history == NULL)
            self->skipped_history =
                mm_hub_scalar(mm_runner_hub(runner), "train/skipped_steps");
        mm_history_update_i64(
            self->skipped_history,
            self->skipped + mm_optim_wrapper_skipped_steps(self->optim_wrapper), 1);
    }
    return mm_pending();
}

/* Before a validation, and before the run ends, nothing stays unread. */
static mm_status after_train_epoch(void *data, mm_runner *runner)
{
    return look(data, runner, NULL);
}

/* --- state --- */

static mm_value *save_state(void *data)
{
    const struct nan_guard_hook *self = data;
    mm_value *state = mm_value_new_dict();

    mm_dict_put_i64(state, "skipped", self->skipped);
    mm_dict_put_i64(state, "skipped_in_row", self->skipped_in_row);
    mm_dict_put_i64(state, "rollbacks", self->rollbacks);
    mm_dict_put_i64(state, "files", self->files);
    return state;
}

static mm_status load_state(void *data, const mm_value *state)
{
    struct nan_guard_hook *self = data;

    self->skipped = mm_value_i64(mm_dict_get(state, "skipped"));
    self->skipped_in_row = mm_value_i64(mm_dict_get(state, "skipped_in_row"));
    self->rollbacks = mm_value_i64(mm_dict_get(state, "rollbacks"));
    self->files = mm_value_i64(mm_dict_get(state, "files"));
    return mm_pending();
}

static const mm_hook_ops ops = {
    .priority = MM_PRIORITY_VERY_HIGH / 2, /* before the losses go to the hub */
    .before_train = before_train,
    .before_train_iter = before_train_iter,
    .after_train_iter = after_train_iter,
    .after_train_epoch = after_train_epoch,
    .after_train = after_train,
    .save_state = save_state,
    .load_state = load_state,
};

const mm_component mmi_nan_guard_hook = {
    .registry = "hooks",
    .name = "NanGuardHook",
    .help = "stops, skips or goes back where a loss is not finite; names the module",
    .size = sizeof(struct nan_guard_hook),
    .options = options,
    .init = init,
    .deinit = deinit,
    MM_HOOK(&ops),
};
