/* Keeps the hub informed: epoch, iteration, learning rates, losses, metrics.
 *
 * A loss on the host is read at once; one on a device goes to the hub unread, so that
 * no iteration waits for the device. Source: mmengine/hooks/runtime_info_hook.py. */
#include <math.h>
#include <string.h>

#include "hooks/hooks.h"
#include "mmengine/memory.h"
#include "mmengine/ops.h"
#include "mmengine/plugin.h"

enum {
    MAX_LOSSES = 32,
    READ_INTERVAL = 10 /* iterations between looks at losses on a device */
};

/* A loss by name, with its place in the hub: looked up once. */
struct known_loss {
    char name[64];
    mm_history *history;
};

struct runtime_info_hook {
    bool check_finite;
    mm_history *lr, *base_lr; /* in the hub */
    struct known_loss losses[MAX_LOSSES];
    size_t num_losses;
    int64_t num_unread; /* iterations whose losses stayed on a device */
    bool checks;        /* in this iteration: a NanGuardHook looks by itself */
    bool was_training;  /* loop_stage before validation */
};

#define MM_OPT_STRUCT struct runtime_info_hook
static const mm_option options[] = {
    {"check_finite", "a loss that is NaN or infinite ends the run",
     MM_OPT_BOOL(check_finite, true)},
    {0},
};
#undef MM_OPT_STRUCT

static mm_status before_run(void *self, mm_runner *runner)
{
    mm_hub *hub = mm_runner_hub(runner);
    (void)self;

    mm_hub_update_info_str(hub, "experiment_name", mm_runner_experiment_name(runner));
    mm_hub_update_info_str(hub, "mmengine_version", MM_VERSION);
    mm_hub_update_info_i64(hub, "seed", (int64_t)mm_runner_seed(runner));
    char *text = mm_config_pretty_text(mm_runner_config(runner));
    mm_hub_update_info_str(hub, "cfg", text);
    mm_free(text);
    return mm_pending();
}

/* A resumed hub stays as the last iteration left it: if no other follows, as before an
 * owed validation, checkpoints are those of a run that was not interrupted. */
static mm_status before_train(void *self, mm_runner *runner)
{
    mm_hub *hub = mm_runner_hub(runner);
    mm_loader *loader = mm_runner_loader(runner, MM_MODE_TRAIN);
    (void)self;

    mm_hub_update_info_str(hub, "loop_stage", "train");
    if (mm_runner_iter(runner) == 0 || mm_hub_find_info(hub, "iter") == NULL) {
        mm_hub_update_info_i64(hub, "epoch", mm_runner_epoch(runner));
        mm_hub_update_info_i64(hub, "iter", mm_runner_iter(runner));
    }
    mm_hub_update_info_i64(hub, "max_epochs", mm_runner_max_epochs(runner));
    mm_hub_update_info_i64(hub, "max_iters", mm_runner_max_iters(runner));
    mm_hub_update_info(hub, "dataset_meta",
                       mm_dataset_metainfo(mm_loader_dataset(loader)));
    return mm_pending();
}

static mm_status after_train(void *self, mm_runner *runner)
{
    (void)self;
    (void)mm_hub_remove_info(mm_runner_hub(runner), "loop_stage");
    return mm_pending();
}

static mm_status before_train_epoch(void *self, mm_runner *runner)
{
    (void)self;
    mm_hub_update_info_i64(mm_runner_hub(runner), "epoch", mm_runner_epoch(runner));
    return mm_pending();
}

/* Notes a group's rate; Adafactor that makes its own has none. */
static void note_lr(mm_history **history, mm_hub *hub, const char *key,
                    const mm_param_groups *groups, size_t group)
{
    const mm_value *lr = mm_dict_find(mm_param_groups_options(groups, group), "lr");

    if (lr != NULL && mm_value_is_none(lr))
        return;
    if (*history == NULL)
        *history = mm_hub_scalar(hub, key);
    mm_history_update(*history, mm_param_groups_f64(groups, group, "lr"), 1);
}

/* "train/lr" of the first group; before it "train/base_lr" where there is a base group.
 */
static mm_status put_lr(struct runtime_info_hook *self, mm_hub *hub,
                        const mm_param_groups *groups)
{
    if (mm_param_groups_has_base(groups))
        note_lr(&self->base_lr, hub, "train/base_lr", groups,
                mm_param_groups_count(groups));
    note_lr(&self->lr, hub, "train/lr", groups, 0);
    return mm_pending();
}

/* Every learning rate of several wrappers, as "train/<name>.lr". */
static mm_status put_lr_of_dict(mm_hub *hub, const mm_optim_wrapper *optim)
{
    mm_value *rates = mm_optim_wrapper_get_lr(optim);

    for (size_t i = 0; rates != NULL && i < mm_value_len(rates) && !mm_has_error();
         i++) {
        char *key = mm_strfmt("train/%s", mm_dict_name_at(rates, i));
        const mm_value *rate = mm_list_get(mm_dict_at(rates, i), 0);

        if (!mm_value_is_none(rate))
            mm_history_update(mm_hub_scalar(hub, key), mm_value_f64(rate), 1);
        mm_free(key);
    }
    mm_value_unref(rates);
    return mm_pending();
}

static mm_status before_train_iter(void *data, mm_runner *runner, const mm_iter *iter)
{
    mm_hub *hub = mm_runner_hub(runner);
    mm_optim_wrapper *optim = mm_runner_optim_wrapper(runner);
    (void)iter;

    mm_hub_update_info_i64(hub, "iter", mm_runner_iter(runner));
    if (mm_optim_wrapper_is_dict(optim))
        return put_lr_of_dict(hub, optim);
    return put_lr(data, hub, mm_optim_wrapper_groups(optim));
}

/* The hub's buffer of "train/<name>". */
static mm_history *loss_history(struct runtime_info_hook *self, mm_hub *hub,
                                const char *name)
{
    for (size_t i = 0; i < self->num_losses; i++) {
        if (strcmp(self->losses[i].name, name) == 0)
            return self->losses[i].history;
    }
    char *key = mm_strfmt("train/%s", name);
    mm_history *history = key == NULL ? NULL : mm_hub_scalar(hub, key);

    mm_free(key);
    if (history != NULL && self->num_losses < MAX_LOSSES &&
        strlen(name) < sizeof(self->losses[0].name)) {
        struct known_loss *loss = &self->losses[self->num_losses++];

        memcpy(loss->name, name, strlen(name) + 1);
        loss->history = history;
    }
    return history;
}

static mm_status not_finite(const char *name, double value)
{
    (void)mm_raise(MM_ENUMERIC, "'%s' is %s", name,
                   value != value ? "nan" : "infinite");
    return mm_error_hint(
        "lower the learning rate, clip gradients "
        "(optim_wrapper.clip_grad) or look at the data; "
        "default_hooks.runtime_info.check_finite=False goes on anyway");
}

/* A tensor on a device goes in unread, without its graph. */
static mm_status put_unread(mm_history *history, mm_tensor *tensor)
{
    mm_value *unread = mm_value_new_tensor(mm_detach(tensor));

    mm_history_update_value(history, unread, 1);
    mm_value_unref(unread);
    return mm_pending();
}

/* The losses that were left on a device since the last look: one reading of what the
 * log needs anyway. */
static mm_status check_unread(struct runtime_info_hook *self)
{
    self->num_unread = 0;
    for (size_t i = 0; i < self->num_losses && !mm_has_error(); i++) {
        const struct known_loss *loss = &self->losses[i];

        if (strstr(loss->name, "loss") == NULL || mm_history_len(loss->history) == 0)
            continue;
        double mean = mm_history_mean(loss->history, READ_INTERVAL);

        if (!mm_has_error() && !isfinite(mean))
            return not_finite(loss->name, mean);
    }
    return mm_pending();
}

static mm_status put_output(struct runtime_info_hook *self, mm_history *history,
                            const char *name, mm_value *value)
{
    mm_tensor *tensor = mm_value_find_tensor(value);
    mm_tensor_info info;

    if (tensor != NULL && mm_tensor_info_get(tensor, &info) < 0)
        return mm_pending();
    if (tensor != NULL && !info.is_cpu) {
        self->num_unread += strcmp(name, "loss") == 0;
        return put_unread(history, tensor);
    }
    double number = tensor != NULL ? mm_item(tensor) : mm_value_f64(value);

    mm_history_update(history, number, 1);
    if (self->checks && !isfinite(number) && strstr(name, "loss") != NULL)
        return not_finite(name, number);
    return mm_pending();
}

static mm_status after_train_iter(void *data, mm_runner *runner, const mm_iter *iter)
{
    mm_hub *hub = mm_runner_hub(runner);
    struct runtime_info_hook *self = data;

    self->checks = self->check_finite &&
                   mm_optim_wrapper_guard(mm_runner_optim_wrapper(runner)) == NULL;
    for (size_t i = 0; i < mm_value_len(iter->outputs) && !mm_has_error(); i++) {
        const char *name = mm_dict_name_at(iter->outputs, i);
        mm_history *history = loss_history(data, hub, name);

        if (history != NULL)
            (void)put_output(data, history, name, mm_dict_at(iter->outputs, i));
    }
    return self->checks && self->num_unread >= READ_INTERVAL ? check_unread(self)
                                                             : mm_pending();
}

static mm_status before_val(void *data, mm_runner *runner)
{
    struct runtime_info_hook *self = data;
    mm_hub *hub = mm_runner_hub(runner);

    self->was_training = mm_hub_find_info(hub, "loop_stage") != NULL;
    mm_hub_update_info_str(hub, "loop_stage", "val");
    return mm_pending();
}

static mm_status after_val(void *data, mm_runner *runner)
{
    struct runtime_info_hook *self = data;
    mm_hub *hub = mm_runner_hub(runner);

    if (self->was_training)
        mm_hub_update_info_str(hub, "loop_stage", "train");
    else
        (void)mm_hub_remove_info(hub, "loop_stage");
    return mm_pending();
}

static mm_status before_test(void *self, mm_runner *runner)
{
    (void)self;
    mm_hub_update_info_str(mm_runner_hub(runner), "loop_stage", "test");
    return mm_pending();
}

static mm_status after_test(void *self, mm_runner *runner)
{
    (void)self;
    (void)mm_hub_remove_info(mm_runner_hub(runner), "loop_stage");
    return mm_pending();
}

/* Numbers and tensors of one element become scalars "<mode>/<name>", everything else
 * runtime information. */
static mm_status put_metrics(mm_hub *hub, const char *mode, const mm_value *metrics)
{
    for (size_t i = 0; i < mm_value_len(metrics) && !mm_has_error(); i++) {
        mm_value *value = mm_dict_at(metrics, i);
        char *key = mm_strfmt("%s/%s", mode, mm_dict_name_at(metrics, i));
        mm_kind kind = mm_value_kind(value);
        const mm_tensor *tensor = mm_value_find_tensor(value);

        if (kind == MM_KIND_F64 || kind == MM_KIND_I64 || kind == MM_KIND_BOOL)
            mm_history_update_value(mm_hub_scalar(hub, key), value, 1);
        else if (tensor != NULL && mm_numel(tensor) == 1)
            mm_history_update(mm_hub_scalar(hub, key), mm_item(tensor), 1);
        else
            mm_hub_update_info(hub, key, value);
        mm_free(key);
    }
    return mm_pending();
}

static mm_status after_val_epoch(void *self, mm_runner *runner, mm_value *metrics)
{
    (void)self;
    return put_metrics(mm_runner_hub(runner), "val", metrics);
}

static mm_status after_test_epoch(void *self, mm_runner *runner, mm_value *metrics)
{
    (void)self;
    return put_metrics(mm_runner_hub(runner), "test", metrics);
}

static const mm_hook_ops ops = {
    .priority = MM_PRIORITY_VERY_HIGH,
    .before_run = before_run,
    .before_train = before_train,
    .before_train_epoch = before_train_epoch,
    .before_train_iter = before_train_iter,
    .after_train_iter = after_train_iter,
    .before_val = before_val,
    .after_val_epoch = after_val_epoch,
    .after_val = after_val,
    .after_train = after_train,
    .before_test = before_test,
    .after_test_epoch = after_test_epoch,
    .after_test = after_test,
};

const mm_component mmi_runtime_info_hook = {
    .registry = "hooks",
    .name = "RuntimeInfoHook",
    .help = "keeps epoch, iteration, learning rates, losses and metrics in the hub",
    .source = "mmengine/hooks/runtime_info_hook.py",
    .size = sizeof(struct runtime_info_hook),
    .options = options,
    MM_HOOK(&ops),
};
