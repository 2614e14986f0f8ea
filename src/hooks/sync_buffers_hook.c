/* Makes the buffers of all processes (running means) equal after each training epoch,
 * and before a validation that comes without one. A single process has nothing to agree
 * on: the hook then keeps its place and changes nothing. Source:
 * mmengine/hooks/sync_buffer_hook.py. */
#include "hooks/hooks.h"

struct sync_buffers_hook {
    bool done_in_train; /* the last epoch's end has seen to it */
};

/* The one place that will reduce over processes. */
static mm_status average_buffers(const mm_runner *runner)
{
    (void)runner;
    return MM_OK;
}

static mm_status after_train_epoch(void *data, mm_runner *runner)
{
    struct sync_buffers_hook *self = data;

    self->done_in_train = true;
    return average_buffers(runner);
}

static mm_status before_val_epoch(void *data, mm_runner *runner)
{
    struct sync_buffers_hook *self = data;
    bool done = self->done_in_train;

    self->done_in_train = false;
    return done ? MM_OK : average_buffers(runner);
}

static const mm_hook_ops ops = {
    .priority = MM_PRIORITY_NORMAL,
    .after_train_epoch = after_train_epoch,
    .before_val_epoch = before_val_epoch,
};

const mm_component mmi_sync_buffers_hook = {
    .registry = "hooks",
    .name = "SyncBuffersHook",
    .help = "makes buffers of all processes equal; a single process has nothing to do",
    .source = "mmengine/hooks/sync_buffer_hook.py",
    .size = sizeof(struct sync_buffers_hook),
    MM_HOOK(&ops),
};
