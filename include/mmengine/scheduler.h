/** @file
 * Parameter schedulers: rules that change an option of parameter groups (lr, momentum,
 * weight decay, anything) from step to step. A step is an epoch, an iteration or, where
 * a config asks for it, a step of the optimizer. Rules are recursive, as MMEngine's:
 * the new value follows from the current one, so several schedulers on one option
 * compose, and ranges may follow each other (warm-up, then decay). No libtorch is
 * needed. Source: mmengine/optim/scheduler.
 */
#ifndef MMENGINE_SCHEDULER_H
#define MMENGINE_SCHEDULER_H

#include "mmengine/optim.h"

MM_BEGIN_DECLS

/** MMEngine's "no end". */
#define MM_SCHEDULE_INF 1e9

/** What a schedule counts. */
typedef enum mm_schedule_unit {
    MM_SCHEDULE_EPOCHS,
    MM_SCHEDULE_ITERATIONS,
    MM_SCHEDULE_OPTIMIZER_STEPS /**< fewer than iterations where gradients accumulate */
} mm_schedule_unit;

/** Options that all schedulers have: first member of a scheduler component's struct. */
typedef struct mm_schedule {
    double begin;      /**< first step the rule applies to */
    mm_maybe_f64 end;  /**< first step it no longer does; absent: the run's end */
    int64_t last_step; /**< -1; else: resume without a state dict */
    bool by_epoch;     /**< steps are epochs */
    bool verbose;      /**< log every change */
    bool convert_to_iter_based; /**< written in epochs, applied per iteration */
    int count;              /**< what a step is that is no epoch: an mm_schedule_unit */
    const char *param_name; /**< option to drive, in the ParamScheduler forms */
} mm_schedule;

/** Rows of mm_schedule, for MM_OPT_INHERIT: without and with `param_name`. */
MM_API extern const mm_option mm_schedule_options[];
MM_API extern const mm_option mm_schedule_param_options[];

/** What a rule sees of one step for one group. */
typedef struct mm_schedule_step {
    int64_t step; /**< active steps before this one: 0 at the first */
    double begin; /**< of the range */
    double end;   /**< of the range */
    size_t group; /**< index of the group */
    double value; /**< current value */
    double base;  /**< initial value */
} mm_schedule_step;

/** Which option a component drives. */
typedef enum mm_schedule_target {
    MM_SCHEDULE_LR,       /**< "lr" */
    MM_SCHEDULE_MOMENTUM, /**< "momentum", or betas[0] where there are betas */
    MM_SCHEDULE_PARAM     /**< mm_schedule.param_name */
} mm_schedule_target;

/** What the run around a schedule looks like; zero: unknown. */
typedef struct mm_schedule_context {
    const char *scope;    /**< default scope of `type` */
    const char *path;     /**< key path for messages: "param_scheduler[0]" */
    int64_t epoch_length; /**< iterations of an epoch; for convert_to_iter_based */
    int64_t max_epochs;   /**< default `end` of schedules by epoch */
    int64_t max_iters;    /**< default `end` of schedules by iteration */
    int64_t accumulation; /**< iterations of one step of the optimizer */
} mm_schedule_context;

/** Which side wins when a state is loaded. */
typedef enum mm_schedule_load {
    MM_SCHEDULE_LOAD_ALL,     /**< MMEngine: hyper-parameters come from the file too */
    MM_SCHEDULE_LOAD_POSITION /**< the config's hyper-parameters, the file's position */
} mm_schedule_load;

/** The functions of a parameter scheduler; `self` begins with mm_schedule. */
struct mm_param_scheduler_ops {
    mm_schedule_target target;
    /** optional, default: epochs only become steps in begin and end. Converts further
     * options with mm_schedule_steps(); before `start` */
    mm_status (*convert)(void *self, const mm_schedule_context *context);
    /** optional, default: nothing. Checks options, may put options of its own into the
     * groups (max_lr) */
    mm_status (*start)(void *self, mm_param_groups *groups, const char *param_name);
    /** required unless `judge`: the value after this step */
    mm_status (*value)(void *self, const mm_param_groups *groups,
                       const mm_schedule_step *step, double *out_value);
    /** optional: a scheduler that waits for metrics. Looks at one validation and says
     * whether the rule applies now; `value` then gives the new values */
    mm_status (*judge)(void *self, const mm_value *metrics, bool *out_apply);
    /** required with `judge`: name of the metric it looks at */
    const char *(*monitor)(const void *self);
    /** optional: least change that counts, with `judge` */
    double (*least_change)(const void *self);
    /** optional: adds MMEngine's attributes to a state dict, and reads them */
    mm_status (*save_state)(const void *self, mm_value *state);
    mm_status (*load_state)(void *self, const mm_value *state, mm_schedule_load what);
};

/**
 * The steps behind a run's first `epochs`, for `convert`. Its `accumulation` is 1 for
 * schedules that count iterations: MMEngine's product. Else a step that begins in one
 * epoch and is made in the next belongs to the next, and the run's last, shorter window
 * makes one more.
 */
MM_API double mm_schedule_steps(const mm_schedule_context *context, double epochs);

/**
 * Builds a scheduler from a config of registry "param_schedulers" and takes its first
 * step, as MMEngine's constructors do. `groups` is kept.
 */
MM_API MM_OWNED mm_param_scheduler *
mm_param_scheduler_build(mm_value *config, mm_param_groups *groups,
                         const mm_schedule_context *context);
/** The same from an instance, which is kept. */
MM_API MM_OWNED mm_param_scheduler *
mm_param_scheduler_new(mm_instance *instance, mm_param_groups *groups,
                       const mm_schedule_context *context);
MM_API mm_param_scheduler *mm_param_scheduler_ref(mm_param_scheduler *scheduler);
MM_API void mm_param_scheduler_unref(mm_param_scheduler *scheduler);

/** Advances by one step and, in its range, changes the groups. */
MM_API mm_status mm_param_scheduler_step(mm_param_scheduler *scheduler);
/** Shows it the metrics (dict) of a validation. MM_EKEY if the watched one is missing.
 * Does nothing for schedulers that need none. */
MM_API mm_status mm_param_scheduler_step_metrics(mm_param_scheduler *scheduler,
                                                 const mm_value *metrics);
/** True if steps are epochs (after conversion). */
MM_API bool mm_param_scheduler_by_epoch(const mm_param_scheduler *scheduler);
/** Name of its component: "LinearLR". Borrowed. */
MM_API const char *mm_param_scheduler_type(const mm_param_scheduler *scheduler);
/** The range it is active in, in its unit; `out_end` may be MM_SCHEDULE_INF. */
MM_API void mm_param_scheduler_range(const mm_param_scheduler *scheduler,
                                     double *out_begin, double *out_end);
/** What it counts (after conversion). */
MM_API mm_schedule_unit mm_param_scheduler_unit(const mm_param_scheduler *scheduler);
/** True if it wants metrics: ReduceOnPlateau. */
MM_API bool mm_param_scheduler_needs_metrics(const mm_param_scheduler *scheduler);
/** The metric it waits for; NULL if it needs none. Borrowed. */
MM_API const char *mm_param_scheduler_monitor(const mm_param_scheduler *scheduler);
/** The option it drives: "lr". Borrowed. */
MM_API const char *mm_param_scheduler_param_name(const mm_param_scheduler *scheduler);
MM_API int64_t mm_param_scheduler_last_step(const mm_param_scheduler *scheduler);
/** The last computed values, one per scheduled group: a new list. */
MM_API MM_OWNED mm_value *
mm_param_scheduler_last_value(const mm_param_scheduler *scheduler);
/** MMEngine's layout: its attributes, hyper-parameters included. */
MM_API MM_OWNED mm_value *
mm_param_scheduler_state_dict(const mm_param_scheduler *scheduler);

/** Takes over what `what` names of such a dict. */
MM_API mm_status mm_param_scheduler_load_state_dict(mm_param_scheduler *scheduler,
                                                    const mm_value *state_dict,
                                                    mm_schedule_load what);

MM_END_DECLS

#endif
