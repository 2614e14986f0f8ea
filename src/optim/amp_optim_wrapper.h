/** @file
 * Mixed precision as AmpOptimWrapper and ApexOptimWrapper share it.
 */
#ifndef MMI_OPTIM_AMP_OPTIM_WRAPPER_H
#define MMI_OPTIM_AMP_OPTIM_WRAPPER_H

#include "mmengine/optim.h"
#include "optim/grad_scaler.h"

/** First member of the structs of both components. */
typedef struct mmi_amp {
    mm_optim_wrapper_settings settings;
    mmi_scaler scaler;
    mm_dtype dtype;     /**< NONE: the device's default */
    bool casts;         /**< false: the forward is computed as it stands */
    mm_autocast before; /**< what autocast was outside */
} mmi_amp;

/** @name Slots of mm_optim_wrapper_ops @{ */
mm_status mmi_amp_start(void *self, mm_optim_wrapper *wrapper);
mm_status mmi_amp_enter(void *self, mm_optim_wrapper *wrapper);
void mmi_amp_leave(void *self, mm_optim_wrapper *wrapper);
mm_status mmi_amp_backward(void *self, mm_optim_wrapper *wrapper, mm_tensor *loss);
mm_status mmi_amp_step(void *self, mm_optim_wrapper *wrapper);
/** @} */

#endif
