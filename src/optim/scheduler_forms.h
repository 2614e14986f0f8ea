/** @file
 * Each rule is registered in MMEngine's three forms: for the learning rate (<X>LR), for
 * the momentum (<X>Momentum) and for any option (<X>ParamScheduler). A rule's file
 * defines its struct, a table `<rule>_rows` of its own options, the functions
 * <rule>_value and so on, and then says MMI_SCHEDULER_FORMS.
 */
#ifndef MMI_OPTIM_SCHEDULER_FORMS_H
#define MMI_OPTIM_SCHEDULER_FORMS_H

#include "mmengine/scheduler.h"

/* One form: `rule` and `type` as below, the form's suffix, its target, its common rows,
 * what it drives, and the functions as designated initialisers. */
#define MMI_SCHEDULER_FORM(rule, Name, Form, target_, common, what, ...)               \
    static const mm_param_scheduler_ops rule##_##Form##_ops = {.target = (target_),    \
                                                               __VA_ARGS__};           \
    static const mm_option rule##_##Form##_options[] = {                               \
        {"", "", MM_OPT_INHERIT(schedule, common)},                                    \
        {"", "", MM_OPT_INHERIT(schedule, rule##_rows)},                               \
        {0},                                                                           \
    };                                                                                 \
    const mm_component mmi_##rule##_##Form = {                                         \
        .registry = "param_schedulers",                                                \
        .name = #Name #Form,                                                           \
        .help = what,                                                                  \
        .source = "mmengine/optim/scheduler/param_scheduler.py",                       \
        .size = sizeof(MM_OPT_STRUCT),                                                 \
        .options = rule##_##Form##_options,                                            \
        .init = rule##_init,                                                           \
        .deinit = rule##_deinit,                                                       \
        MM_PARAM_SCHEDULER(&rule##_##Form##_ops),                                      \
    }

#define MMI_SCHEDULER_LR(rule, Name, help_, ...)                                       \
    MMI_SCHEDULER_FORM(rule, Name, LR, MM_SCHEDULE_LR, mm_schedule_options,            \
                       help_ " of the learning rate", __VA_ARGS__)
#define MMI_SCHEDULER_MOMENTUM(rule, Name, help_, ...)                                 \
    MMI_SCHEDULER_FORM(rule, Name, Momentum, MM_SCHEDULE_MOMENTUM,                     \
                       mm_schedule_options, help_ " of the momentum", __VA_ARGS__)
#define MMI_SCHEDULER_PARAM(rule, Name, help_, ...)                                    \
    MMI_SCHEDULER_FORM(rule, Name, ParamScheduler, MM_SCHEDULE_PARAM,                  \
                       mm_schedule_param_options,                                      \
                       help_ " of any option of the groups", __VA_ARGS__)
#define MMI_SCHEDULER_FORMS(rule, Name, help_, ...)                                    \
    MMI_SCHEDULER_LR(rule, Name, help_, __VA_ARGS__);                                  \
    MMI_SCHEDULER_MOMENTUM(rule, Name, help_, __VA_ARGS__);                            \
    MMI_SCHEDULER_PARAM(rule, Name, help_, __VA_ARGS__)

#define MMI_SCHEDULER_DECLARE(rule)                                                    \
    extern const mm_component mmi_##rule##_LR;                                         \
    extern const mm_component mmi_##rule##_Momentum;                                   \
    extern const mm_component mmi_##rule##_ParamScheduler

MMI_SCHEDULER_DECLARE(constant);
MMI_SCHEDULER_DECLARE(linear);
MMI_SCHEDULER_DECLARE(step);
MMI_SCHEDULER_DECLARE(multi_step);
MMI_SCHEDULER_DECLARE(exponential);
MMI_SCHEDULER_DECLARE(poly);
MMI_SCHEDULER_DECLARE(cosine_annealing);
MMI_SCHEDULER_DECLARE(cosine_restart);
MMI_SCHEDULER_DECLARE(reduce_on_plateau);
extern const mm_component mmi_one_cycle_LR;
extern const mm_component mmi_one_cycle_ParamScheduler;

#endif
