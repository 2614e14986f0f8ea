/* Tells the sampler which epoch begins, so that each epoch has an order of its own.
 * Source: mmengine/hooks/sampler_seed_hook.py. */
#include "hooks/hooks.h"

static mm_status before_train_epoch(void *self, mm_runner *runner)
{
    (void)self;
    return mm_loader_set_epoch(mm_runner_loader(runner, MM_MODE_TRAIN),
                               mm_runner_epoch(runner));
}

static const mm_hook_ops ops = {
    .priority = MM_PRIORITY_NORMAL,
    .before_train_epoch = before_train_epoch,
};

const mm_component mmi_sampler_seed_hook = {
    .registry = "hooks",
    .name = "DistSamplerSeedHook",
    .help = "tells the sampler which epoch begins",
    .source = "mmengine/hooks/sampler_seed_hook.py",
    .size = 1,
    MM_HOOK(&ops),
};
