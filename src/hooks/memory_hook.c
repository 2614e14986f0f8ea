/* Puts the memory in use into the hub, where log lines, scalar files and trackers show
 * it: of the process, of the pool that host tensors come from, of the device. MMEngine
 * has no such hook; its log lines know the device's alone. */
#include "base/os.h"
#include "hooks/hooks.h"
#include "mmengine/tensor.h"
#include "runner/internal.h"

struct memory_hook {
    int64_t interval;
    mm_history *resident, *most_resident, *pool, *device, *most_device; /* in the hub */
};

#define MM_OPT_STRUCT struct memory_hook
static const mm_option options[] = {
    {"interval", "training iterations between two looks",
     MM_OPT_I64(interval, 50, 1, INT64_MAX)},
    {0},
};
#undef MM_OPT_STRUCT

static void put(mm_hub *hub, mm_history **history, const char *key, int64_t bytes)
{
    enum { MIB = 1 << 20 };

    if (*history == NULL)
        *history = mm_hub_scalar(hub, key);
    if (*history != NULL)
        mm_history_update_i64(*history, (bytes + MIB / 2) / MIB, 1);
}

/* Runs begin with histories of their own. */
static mm_status before_run(void *data, mm_runner *runner)
{
    struct memory_hook *self = data;
    (void)runner;

    *self = (struct memory_hook){.interval = self->interval};
    return MM_OK;
}

static mm_status after_train_iter(void *data, mm_runner *runner, const mm_iter *iter)
{
    struct memory_hook *self = data;
    mm_hub *hub = mm_runner_hub(runner);

    if ((iter->batch_idx + 1) % self->interval != 0)
        return MM_OK;
    mm_host_memory pool = mm_host_memory_now();
    mm_device_memory device = mm_device_memory_now(runner->device);

    put(hub, &self->resident, "train/host_memory", mmi_os_resident_bytes());
    put(hub, &self->most_resident, "train/host_memory_peak",
        mmi_os_most_resident_bytes());
    put(hub, &self->pool, "train/pool_memory", pool.in_use + pool.kept);
    if (device.is_known) {
        put(hub, &self->device, "train/device_memory", device.in_use);
        put(hub, &self->most_device, "train/device_memory_peak", device.most_in_use);
    }
    return mm_pending();
}

static const mm_hook_ops ops = {
    .priority = MM_PRIORITY_NORMAL,
    .before_run = before_run,
    .after_train_iter = after_train_iter,
};

const mm_component mmi_memory_hook = {
    .registry = "hooks",
    .name = "MemoryHook",
    .help = "logs the memory of the process, of host tensors and of the device, in MiB",
    .size = sizeof(struct memory_hook),
    .options = options,
    MM_HOOK(&ops),
};
