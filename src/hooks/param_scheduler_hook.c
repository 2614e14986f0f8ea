/* Steps the schedulers: those counted in iterations or steps of the optimizer after
 * each iteration, those counted in epochs after each epoch, those that look at results
 * after validation. Source: mmengine/hooks/param_scheduler_hook.py. */
#include "hooks/hooks.h"

static mm_status after_train_iter(void *self, mm_runner *runner, const mm_iter *iter)
{
    (void)self;
    (void)iter;
    return mm_runner_step_schedulers(runner, false);
}

static mm_status after_train_epoch(void *self, mm_runner *runner)
{
    (void)self;
    return mm_runner_step_schedulers(runner, true);
}

static mm_status after_val_epoch(void *self, mm_runner *runner, mm_value *metrics)
{
    (void)self;
    for (size_t i = 0; i < mm_runner_num_schedulers(runner) && !mm_has_error(); i++) {
        mm_param_scheduler *scheduler = mm_runner_scheduler(runner, i);

        const char *monitor = mm_param_scheduler_monitor(scheduler);

        if (mm_param_scheduler_by_epoch(scheduler) && monitor != NULL &&
            !mm_runner_leaves_out(runner, monitor))
            (void)mm_param_scheduler_step_metrics(scheduler, metrics);
    }
    return mm_pending();
}

static const mm_hook_ops ops = {
    .priority = MM_PRIORITY_LOW,
    .after_train_iter = after_train_iter,
    .after_train_epoch = after_train_epoch,
    .after_val_epoch = after_val_epoch,
};

const mm_component mmi_param_scheduler_hook = {
    .registry = "hooks",
    .name = "ParamSchedulerHook",
    .help = "steps the schedulers of learning rates and other parameters",
    .source = "mmengine/hooks/param_scheduler_hook.py",
    .size = 1,
    MM_HOOK(&ops),
};
