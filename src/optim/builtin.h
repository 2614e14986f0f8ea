/** @file
 * The components of this folder.
 */
#ifndef MMI_OPTIM_BUILTIN_H
#define MMI_OPTIM_BUILTIN_H

#include "mmengine/component.h"

extern const mm_component mmi_sgd;
extern const mm_component mmi_adam;
extern const mm_component mmi_adamw;
extern const mm_component mmi_adamax;
extern const mm_component mmi_nadam;
extern const mm_component mmi_radam;
extern const mm_component mmi_adagrad;
extern const mm_component mmi_adadelta;
extern const mm_component mmi_rmsprop;
extern const mm_component mmi_rprop;
extern const mm_component mmi_asgd;
extern const mm_component mmi_adafactor;
extern const mm_component mmi_lion;
extern const mm_component mmi_muon;
extern const mm_component mmi_dadapt_adagrad;
extern const mm_component mmi_dadapt_adam;
extern const mm_component mmi_dadapt_sgd;
extern const mm_component mmi_sgd_schedule_free;
extern const mm_component mmi_adamw_schedule_free;
extern const mm_component mmi_radam_schedule_free;
extern const mm_component mmi_zero_optimizer;
extern const mm_component mmi_sparse_adam;
extern const mm_component mmi_torch_adafactor;
extern const mm_component mmi_lbfgs;
extern const mm_component mmi_optim_wrapper;
extern const mm_component mmi_amp_optim_wrapper;
extern const mm_component mmi_apex_optim_wrapper;
extern const mm_component mmi_default_constructor;
extern const mm_component mmi_layer_decay_constructor;

/** All of them, ends with NULL. */
extern const mm_component *const mmi_optim_components[];

#endif
