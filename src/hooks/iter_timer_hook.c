/* Measures time and data_time of iterations and estimates when the loop ends.
 *
 * The clock is set when an epoch begins and when an iteration ends, so `time` includes
 * `data_time`. Unlike MMEngine's, the clock is set anew after a validation, so metric
 * computation is not counted as loading. Source: mmengine/hooks/iter_timer_hook.py. */
#include "base/os.h"
#include "hooks/hooks.h"
#include "mmengine/memory.h"

struct iter_timer_hook {
    int64_t since_ns; /* monotonic */
    double train_seconds, eval_seconds;
    int64_t start_iter;
    mm_history *time[3], *data_time[3]; /* in the hub, by mode */
};

static const char *const mode_names[] = {"train", "val", "test"};

static double seconds_since(int64_t since_ns)
{
    return (double)(mmi_clock_ns() - since_ns) * 1e-9;
}

static mm_history *history_of(mm_runner *runner, mm_mode mode, const char *name)
{
    char *key = mm_strfmt("%s/%s", mode_names[mode], name);
    mm_history *history =
        key == NULL ? NULL : mm_hub_scalar(mm_runner_hub(runner), key);

    mm_free(key);
    return history;
}

static mm_status before_train(void *data, mm_runner *runner)
{
    struct iter_timer_hook *self = data;

    self->start_iter = mm_runner_iter(runner);
    self->train_seconds = 0.0;
    return MM_OK;
}

static mm_status set_clock(void *data, mm_runner *runner)
{
    struct iter_timer_hook *self = data;
    (void)runner;

    self->since_ns = mmi_clock_ns();
    return MM_OK;
}

static mm_status begin_eval(void *data, mm_runner *runner)
{
    struct iter_timer_hook *self = data;

    self->eval_seconds = 0.0;
    return set_clock(data, runner);
}

static mm_status before_iter(struct iter_timer_hook *self, mm_runner *runner,
                             mm_mode mode)
{
    if (self->data_time[mode] == NULL)
        self->data_time[mode] = history_of(runner, mode, "data_time");
    if (self->data_time[mode] == NULL)
        return mm_pending();
    mm_history_update(self->data_time[mode], seconds_since(self->since_ns), 1);
    return mm_pending();
}

/* Records the time and returns it. */
static double after_iter(struct iter_timer_hook *self, mm_runner *runner, mm_mode mode)
{
    double seconds = seconds_since(self->since_ns);

    self->since_ns = mmi_clock_ns();
    if (self->time[mode] == NULL)
        self->time[mode] = history_of(runner, mode, "time");
    if (self->time[mode] != NULL)
        mm_history_update(self->time[mode], seconds, 1);
    return seconds;
}

static mm_status before_train_iter(void *data, mm_runner *runner, const mm_iter *iter)
{
    (void)iter;
    return before_iter(data, runner, MM_MODE_TRAIN);
}

static mm_status after_train_iter(void *data, mm_runner *runner, const mm_iter *iter)
{
    struct iter_timer_hook *self = data;
    int64_t done = mm_runner_iter(runner) + 1;
    (void)iter;

    self->train_seconds += after_iter(self, runner, MM_MODE_TRAIN);
    mm_hub_update_info_f64(mm_runner_hub(runner), "eta",
                           self->train_seconds / (double)(done - self->start_iter) *
                               (double)(mm_runner_max_iters(runner) - done));
    return mm_pending();
}

static mm_status after_eval_iter(struct iter_timer_hook *self, mm_runner *runner,
                                 const mm_iter *iter, mm_mode mode)
{
    int64_t done = iter->batch_idx + 1;
    int64_t len = mm_loader_len(mm_runner_loader(runner, mode));

    self->eval_seconds += after_iter(self, runner, mode);
    mm_hub_update_info_f64(mm_runner_hub(runner), "eta",
                           self->eval_seconds / (double)done * (double)(len - done));
    return mm_pending();
}

static mm_status before_val_iter(void *data, mm_runner *runner, const mm_iter *iter)
{
    (void)iter;
    return before_iter(data, runner, MM_MODE_VAL);
}

static mm_status after_val_iter(void *data, mm_runner *runner, const mm_iter *iter)
{
    return after_eval_iter(data, runner, iter, MM_MODE_VAL);
}

static mm_status before_test_iter(void *data, mm_runner *runner, const mm_iter *iter)
{
    (void)iter;
    return before_iter(data, runner, MM_MODE_TEST);
}

static mm_status after_test_iter(void *data, mm_runner *runner, const mm_iter *iter)
{
    return after_eval_iter(data, runner, iter, MM_MODE_TEST);
}

/* After the epoch of any loop: the clock is set anew, so that metrics that were
 * computed do not count as loading. */
static mm_status after_train_epoch(void *data, mm_runner *runner)
{
    struct iter_timer_hook *self = data;

    self->eval_seconds = 0.0;
    return set_clock(data, runner);
}

static mm_status after_eval_epoch(void *data, mm_runner *runner, mm_value *metrics)
{
    (void)metrics;
    return after_train_epoch(data, runner);
}

static const mm_hook_ops ops = {
    .priority = MM_PRIORITY_NORMAL,
    .before_train = before_train,
    .before_train_epoch = set_clock,
    .before_train_iter = before_train_iter,
    .after_train_iter = after_train_iter,
    .before_val_epoch = begin_eval,
    .before_val_iter = before_val_iter,
    .after_val_iter = after_val_iter,
    .after_train_epoch = after_train_epoch,
    .after_val_epoch = after_eval_epoch,
    .after_test_epoch = after_eval_epoch,
    .before_test_epoch = begin_eval,
    .before_test_iter = before_test_iter,
    .after_test_iter = after_test_iter,
};

const mm_component mmi_iter_timer_hook = {
    .registry = "hooks",
    .name = "IterTimerHook",
    .help = "measures the time of iterations and of loading, in seconds",
    .source = "mmengine/hooks/iter_timer_hook.py",
    .size = sizeof(struct iter_timer_hook),
    MM_HOOK(&ops),
};
