/** @file
 * The state of a loss scale: torch.amp.GradScaler's numbers, Apex's bounds.
 */
#ifndef MMI_OPTIM_GRAD_SCALER_H
#define MMI_OPTIM_GRAD_SCALER_H

#include "mmengine/value.h"

typedef struct mmi_scaler {
    double scale; /**< a float's value */
    double growth_factor;
    double backoff_factor;
    int64_t growth_interval; /**< good steps after which it grows; 0: never */
    int64_t growth_tracker;  /**< good steps since it last changed */
    double min_scale;        /**< least that it shrinks to; Apex */
    double max_scale;        /**< most that it grows to; Apex */
    bool is_static;          /**< set back to `static_scale` after every step */
    double static_scale;
    bool is_enabled; /**< false: nothing is scaled */
} mmi_scaler;

/** PyTorch's defaults. */
void mmi_scaler_init(mmi_scaler *scaler);

/** Reads `loss_scale`: None, 'dynamic', a number or a dict of GradScaler's options. */
mm_status mmi_scaler_parse(mmi_scaler *scaler, const mm_value *loss_scale);

/** A scale that stays. MM_ECONFIG unless it is above 0 and finite. */
mm_status mmi_scaler_fix(mmi_scaler *scaler, double scale);

/** After a step, or one that was left out. Source: GradScaler.update. */
void mmi_scaler_update(mmi_scaler *scaler, bool is_finite);

/** GradScaler.state_dict(), put into `state_dict` as "loss_scaler". */
mm_status mmi_scaler_save(const mmi_scaler *scaler, mm_value *state_dict);

/** Reads "loss_scaler", or Apex's "apex_amp". Neither: nothing happens. */
mm_status mmi_scaler_load(mmi_scaler *scaler, const mm_value *state_dict);

/** apex.amp.state_dict(), put into `state_dict` as "apex_amp". */
mm_status mmi_scaler_save_apex(const mmi_scaler *scaler, mm_value *state_dict);

#endif
