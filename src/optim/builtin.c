/* The components of this folder. */
#include "optim/builtin.h"

#include "optim/scheduler_forms.h"

#define FORMS(rule)                                                                    \
    &mmi_##rule##_LR, &mmi_##rule##_Momentum, &mmi_##rule##_ParamScheduler

const mm_component *const mmi_optim_components[] = {
    &mmi_sgd,
    &mmi_adam,
    &mmi_adamw,
    &mmi_adamax,
    &mmi_nadam,
    &mmi_radam,
    &mmi_adagrad,
    &mmi_adadelta,
    &mmi_rmsprop,
    &mmi_rprop,
    &mmi_asgd,
    &mmi_adafactor,
    &mmi_lion,
    &mmi_muon,
    &mmi_dadapt_adagrad,
    &mmi_dadapt_adam,
    &mmi_dadapt_sgd,
    &mmi_sgd_schedule_free,
    &mmi_adamw_schedule_free,
    &mmi_radam_schedule_free,
    &mmi_zero_optimizer,
    &mmi_sparse_adam,
    &mmi_torch_adafactor,
    &mmi_lbfgs,
    &mmi_optim_wrapper,
    &mmi_amp_optim_wrapper,
    &mmi_apex_optim_wrapper,
    &mmi_default_constructor,
    &mmi_layer_decay_constructor,
    FORMS(constant),
    FORMS(linear),
    FORMS(step),
    FORMS(multi_step),
    FORMS(exponential),
    FORMS(cosine_annealing),
    FORMS(poly),
    &mmi_one_cycle_LR,
    &mmi_one_cycle_ParamScheduler,
    FORMS(cosine_restart),
    FORMS(reduce_on_plateau),
    NULL,
};
