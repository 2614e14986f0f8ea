/* The list of this folder's components. */
#include "runner/internal.h"

extern const mm_component *const mmi_runner_components[];

const mm_component *const mmi_runner_components[] = {
    &mmi_epoch_based_train_loop,
    &mmi_iter_based_train_loop,
    &mmi_val_loop,
    &mmi_test_loop,
    &mmi_log_processor,
    &mmi_single_device_strategy,
    &mmi_ddp_strategy,
    &mmi_fsdp_strategy,
    &mmi_deepspeed_strategy,
    &mmi_colossalai_strategy,
    &mmi_deepspeed_wrapper,
    &mmi_colossalai_wrapper,
    NULL,
};
