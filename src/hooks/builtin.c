/* The list of this folder's components. */
#include "hooks/hooks.h"

const mm_component *const mmi_hooks_components[] = {
    &mmi_runtime_info_hook,    &mmi_iter_timer_hook,
    &mmi_sampler_seed_hook,    &mmi_logger_hook,
    &mmi_param_scheduler_hook, &mmi_checkpoint_hook,
    &mmi_early_stopping_hook,  &mmi_ema_hook,
    &mmi_nan_guard_hook,       &mmi_empty_cache_hook,
    &mmi_sync_buffers_hook,    &mmi_memory_hook,
    &mmi_prepare_tta_hook,     &mmi_naive_visualization_hook,
    &mmi_profiler_hook,        NULL,
};
