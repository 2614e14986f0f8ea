/* Gives memory that allocators keep for later back to the system, at the ends of epochs
 * or iterations of all loops: that of devices, and what our pool on the host keeps.
 * Source: mmengine/hooks/empty_cache_hook.py. */
#include "hooks/hooks.h"
#include "mmengine/tensor.h"

struct empty_cache_hook {
    bool before_epoch, after_epoch, after_iter;
};

#define MM_OPT_STRUCT struct empty_cache_hook
static const mm_option options[] = {
    {"before_epoch", "before each epoch of a loop", MM_OPT_BOOL(before_epoch, false)},
    {"after_epoch", "after each epoch of a loop", MM_OPT_BOOL(after_epoch, true)},
    {"after_iter", "after each iteration of a loop; slow",
     MM_OPT_BOOL(after_iter, false)},
    {0},
};
#undef MM_OPT_STRUCT

static mm_status before_epoch(void *data, mm_runner *runner)
{
    const struct empty_cache_hook *self = data;
    (void)runner;

    return self->before_epoch ? mm_empty_cache() : MM_OK;
}

static mm_status after_train_epoch(void *data, mm_runner *runner)
{
    const struct empty_cache_hook *self = data;
    (void)runner;

    return self->after_epoch ? mm_empty_cache() : MM_OK;
}

static mm_status after_eval_epoch(void *data, mm_runner *runner, mm_value *metrics)
{
    (void)metrics;
    return after_train_epoch(data, runner);
}

static mm_status after_iter(void *data, mm_runner *runner, const mm_iter *iter)
{
    const struct empty_cache_hook *self = data;
    (void)runner;
    (void)iter;

    return self->after_iter ? mm_empty_cache() : MM_OK;
}

static const mm_hook_ops ops = {
    .priority = MM_PRIORITY_NORMAL,
    .before_train_epoch = before_epoch,
    .before_val_epoch = before_epoch,
    .before_test_epoch = before_epoch,
    .after_train_iter = after_iter,
    .after_val_iter = after_iter,
    .after_test_iter = after_iter,
    .after_train_epoch = after_train_epoch,
    .after_val_epoch = after_eval_epoch,
    .after_test_epoch = after_eval_epoch,
};

const mm_component mmi_empty_cache_hook = {
    .registry = "hooks",
    .name = "EmptyCacheHook",
    .help = "gives memory that is kept for later back to the system",
    .source = "mmengine/hooks/empty_cache_hook.py",
    .size = sizeof(struct empty_cache_hook),
    .options = options,
    MM_HOOK(&ops),
};
