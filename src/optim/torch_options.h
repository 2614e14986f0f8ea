/** @file
 * Options that all of torch's optimizers have, and how a group's defaults are written:
 * with the value of the config itself where it gives one, so that an int stays an int
 * in checkpoints, as in Python.
 */
#ifndef MMI_OPTIM_TORCH_OPTIONS_H
#define MMI_OPTIM_TORCH_OPTIONS_H

#include "mmengine/component.h"

/** Last members of an optimizer's struct. */
struct mmi_torch_options {
    bool maximize;
    mm_value *foreach; /* bool or None: accepted, our kernels are always fused */
    bool differentiable;
    mm_value *fused; /* as foreach */
};

/** Their rows. */
extern const mm_option mmi_torch_options[];

/** MM_EUNSUPPORTED for options that ask for what there is not. */
mm_status mmi_check_torch_struct(const struct mmi_torch_options *options);
mm_status mmi_check_torch_options(const mm_value *options);

/** MM_ECONFIG if the option is below zero. */
mm_status mmi_check_not_negative(const mm_value *options, const char *key);

/** Puts a number of component struct `self`: the config's own value if it names it; an
 * int if it is the default and integral, as torch's `momentum=0`. */
void mmi_put_option_f64(mm_value *dict, const void *self, const char *key,
                        double value);

/** Puts `value`, or None for NULL. */
void mmi_put_option(mm_value *dict, const char *key, mm_value *value);

/** `dict`, or NULL after releasing it if an error is pending. */
mm_value *mmi_checked(mm_value *dict);

#endif
