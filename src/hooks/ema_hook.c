/* Keeps a running average of the weights, evaluates with it and saves it.
 *
 * A checkpoint's `state_dict` holds the average, ready for use, and `ema_state_dict`
 * the live weights (under "module.") and the number of updates: MMEngine's layout.
 * While an evaluation runs the model's own tensors are the average, so a checkpoint of
 * that moment has both where they belong already. Source: mmengine/hooks/ema_hook.py.
 */
#include <inttypes.h>
#include <string.h>

#include "hooks/hooks.h"
#include "mmengine/log.h"
#include "mmengine/memory.h"
#include "optim/follow.h"
#include "runner/internal.h"

static const char prefix[] = "module.";
enum { PREFIX = sizeof(prefix) - 1 };

struct ema_hook {
    const char *ema_type;
    bool strict_load;
    int64_t begin_iter, begin_epoch;
    mm_value *ema_options; /* all other options */

    mm_value *config; /* of the averaged model, owned */
    mm_module *average, *live;
    bool is_swapped; /* the model holds the average */
    mm_runner *runner;
    mm_optim_wrapper *stepped; /* whose steps take the average along; NULL: none do */
};

#define MM_OPT_STRUCT struct ema_hook
static const mm_option options[] = {
    {"ema_type", "the averaged model",
     MM_OPT_STR(ema_type, "ExponentialMovingAverage")},
    {"strict_load", "names of the average that differ from a checkpoint's are an error",
     MM_OPT_BOOL(strict_load, false)},
    {"begin_iter", "iteration, from 1, with the first update; before it: a copy",
     MM_OPT_I64(begin_iter, 0, 0, INT64_MAX)},
    {"begin_epoch", "the same as an epoch; not both",
     MM_OPT_I64(begin_epoch, 0, 0, INT64_MAX)},
    {"", "options of ema_type: momentum, interval, update_buffers, ...",
     MM_OPT_REST(ema_options)},
    {0},
};
#undef MM_OPT_STRUCT

/* Looks at the options of ema_type now, long before there is a model to average. */
static mm_status check_config(const mm_value *config, const char *scope)
{
    mm_value *trial = mm_value_copy(config);
    mm_value *any = mm_value_new_dict();

    mm_dict_put_str(any, "type", "mmengine.BaseDataPreprocessor");
    mm_dict_take(trial, "model", any);
    (void)mm_build_check(&(mm_build_args){
        .registry = "models",
        .config = trial,
        .scope = scope,
        .path = "EMAHook",
        .interface = MM_INTERFACE_AVERAGED_MODEL,
    });
    mm_value_unref(trial);
    return mm_pending();
}

static mm_status init(void *data)
{
    struct ema_hook *self = data;

    if (self->begin_iter != 0 && self->begin_epoch != 0)
        return mm_raise(MM_ECONFIG,
                        "an average begins at begin_iter=%" PRId64
                        " or begin_epoch=%" PRId64 ", not at both",
                        self->begin_iter, self->begin_epoch);
    self->config = self->ema_options == NULL ? mm_value_new_dict()
                                             : mm_value_copy(self->ema_options);
    mm_dict_put_str(self->config, "type", self->ema_type);
    return check_config(self->config, mm_instance_scope(mm_instance_of(data)));
}

static void let_go(struct ema_hook *self)
{
    if (self->stepped != NULL)
        mmi_optim_wrapper_before_step(self->stepped, NULL, NULL);
    mm_optim_wrapper_unref(self->stepped);
    self->stepped = NULL;
}

static void deinit(void *data)
{
    struct ema_hook *self = data;

    let_go(self);
    mm_module_unref(self->average);
    mm_module_unref(self->live);
    mm_value_unref(self->config);
}

static mm_status before_run(void *data, mm_runner *runner)
{
    struct ema_hook *self = data;

    let_go(self);
    mm_module_unref(self->average);
    mm_module_unref(self->live);
    self->is_swapped = false;
    self->live = mm_module_ref(mm_runner_model(runner));
    self->average =
        mm_averaged_model_build(self->config, self->live, runner->scope, "EMAHook");
    if (self->average == NULL)
        return mm_pending();
    return mm_averaged_model_set_reference(self->average, mmi_wants_reference(runner));
}

static bool has_begun(const struct ema_hook *self, const mm_runner *runner)
{
    if (self->begin_epoch > 0)
        return mm_runner_epoch(runner) + 1 >= self->begin_epoch;
    return mm_runner_iter(runner) + 1 >= self->begin_iter;
}

/* The step of an iteration takes the average along; after_train_iter does the rest. */
static void before_step(void *data, mm_optim_wrapper *wrapper)
{
    const struct ema_hook *self = data;

    if (has_begun(self, self->runner))
        (void)mm_averaged_model_follow(self->average, self->live, wrapper);
}

static bool is_ours(const mm_component *component)
{
    for (size_t i = 0; mmi_hooks_components[i] != NULL; i++) {
        if (mmi_hooks_components[i] == component)
            return true;
    }
    return false;
}

/* True if nothing but one step of the optimizer changes the weights between the two
 * ends of an iteration: a loop and a training step of ours, and before this hook no
 * foreign one. */
static bool weights_are_left_alone(void *data, mm_runner *runner)
{
    const mm_component *loop = mm_instance_component(runner->loops[MM_MODE_TRAIN]);
    const mm_model_ops *model =
        mm_instance_ops(mm_module_instance(runner->model), MM_INTERFACE_MODEL);

    if ((loop != &mmi_epoch_based_train_loop && loop != &mmi_iter_based_train_loop) ||
        model == NULL || model->train_step != NULL || runner->optim_wrapper == NULL)
        return false;
    for (size_t i = 0; mmi_hooks_at(runner, i) != NULL; i++) {
        const mmi_hook *hook = mmi_hooks_at(runner, i);

        if (hook->instance == mm_instance_of(data))
            return true;
        if (hook->ops->after_train_iter != NULL &&
            !is_ours(mm_instance_component(hook->instance)))
            return false;
    }
    return false;
}

static mm_status before_train(void *data, mm_runner *runner)
{
    struct ema_hook *self = data;

    let_go(self);
    if (self->begin_epoch > 0 && self->begin_epoch > mm_runner_max_epochs(runner))
        return mm_raise(MM_ECONFIG,
                        "begin_epoch=%" PRId64
                        " of EMAHook is beyond the end of training, %" PRId64 " epochs",
                        self->begin_epoch, mm_runner_max_epochs(runner));
    if (self->begin_iter > mm_runner_max_iters(runner))
        return mm_raise(MM_ECONFIG,
                        "begin_iter=%" PRId64
                        " of EMAHook is beyond the end of training, %" PRId64
                        " iterations",
                        self->begin_iter, mm_runner_max_iters(runner));
    if (weights_are_left_alone(data, runner)) {
        self->runner = runner;
        self->stepped = mm_optim_wrapper_ref(runner->optim_wrapper);
        mmi_optim_wrapper_before_step(self->stepped, before_step, self);
    }
    return MM_OK;
}

static mm_status after_train_iter(void *data, mm_runner *runner, const mm_iter *iter)
{
    struct ema_hook *self = data;
    (void)iter;

    if (has_begun(self, runner))
        return mm_averaged_model_update(self->average, self->live);
    return mm_averaged_model_copy(self->average, self->live);
}

static mm_status swap_weights(struct ema_hook *self, bool in)
{
    if (self->is_swapped == in)
        return mm_pending();
    if (mm_averaged_model_swap(self->average, self->live) < 0)
        return mm_pending();
    self->is_swapped = in;
    return MM_OK;
}

static mm_status swap_in(void *data, mm_runner *runner)
{
    (void)runner;
    return swap_weights(data, true);
}

static mm_status swap_out(void *data, mm_runner *runner, mm_value *metrics)
{
    (void)runner;
    (void)metrics;
    return swap_weights(data, false);
}

/* Exchanges the entries of state_dict with those of ema_state_dict that have their name
 * behind "module.". */
static mm_status swap_entries(mm_value *checkpoint)
{
    mm_value *weights = mm_dict_get(checkpoint, "state_dict");
    mm_value *average = mm_dict_get(checkpoint, "ema_state_dict");
    size_t count = mm_has_error() ? 0 : mm_value_len(average);

    for (size_t i = 0; i < count && !mm_has_error(); i++) {
        const char *name = mm_dict_name_at(average, i);

        if (name == NULL || strncmp(name, prefix, PREFIX) != 0)
            continue;
        mm_value *other = mm_dict_find(weights, name + PREFIX);
        mm_value *own = mm_value_ref(mm_dict_at(average, i));

        if (other != NULL) {
            mm_dict_put(average, name, other);
            mm_dict_put(weights, name + PREFIX, own);
        }
        mm_value_unref(own);
    }
    return mm_pending();
}

static mm_status before_save_checkpoint(void *data, mm_runner *runner,
                                        mm_value *checkpoint)
{
    const struct ema_hook *self = data;
    mm_value *state = mm_module_state_dict(self->average);
    (void)runner;

    if (state == NULL)
        return mm_pending();
    mm_dict_take(checkpoint, "ema_state_dict", state);
    return self->is_swapped ? mm_pending() : swap_entries(checkpoint);
}

/* A checkpoint without an average: its weights become the average. */
static mm_status load_weights(struct ema_hook *self, const mm_value *checkpoint)
{
    const mm_value *weights = mm_dict_find(checkpoint, "state_dict");
    mm_module *copy = mm_module_find(self->average, "module");

    return mm_module_load_state_dict(copy, weights == NULL ? checkpoint : weights,
                                     self->strict_load, NULL);
}

static mm_status after_load_checkpoint(void *data, mm_runner *runner,
                                       mm_value *checkpoint)
{
    struct ema_hook *self = data;
    bool resuming = mm_runner_is_resuming(runner);

    if (!resuming || !mm_dict_has(checkpoint, "ema_state_dict")) {
        if (resuming)
            mm_log(
                MM_LOG_WARN,
                "the checkpoint has no 'ema_state_dict': the average starts as a copy "
                "of its weights");
        (void)load_weights(self, checkpoint);
    } else if (swap_entries(checkpoint) == MM_OK) {
        (void)mm_module_load_state_dict(self->average,
                                        mm_dict_get(checkpoint, "ema_state_dict"),
                                        self->strict_load, NULL);
    }
    return mm_has_error() ? mm_error_frame("while loading the average of the weights")
                          : MM_OK;
}

static const mm_hook_ops ops = {
    .priority = MM_PRIORITY_NORMAL,
    .before_run = before_run,
    .after_load_checkpoint = after_load_checkpoint,
    .before_train = before_train,
    .after_train_iter = after_train_iter,
    .before_val_epoch = swap_in,
    .after_val_epoch = swap_out,
    .before_save_checkpoint = before_save_checkpoint,
    .before_test_epoch = swap_in,
    .after_test_epoch = swap_out,
};

const mm_component mmi_ema_hook = {
    .registry = "hooks",
    .name = "EMAHook",
    .help = "keeps a running average of the weights, evaluates with it and saves it",
    .source = "mmengine/hooks/ema_hook.py",
    .size = sizeof(struct ema_hook),
    .options = options,
    .init = init,
    .deinit = deinit,
    MM_HOOK(&ops),
};
