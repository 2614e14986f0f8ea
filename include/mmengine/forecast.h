/** @file
 * What a run's schedules will do, without the run: the learning rate, momentum, weight
 * decay and whatever else schedules drive, of every parameter group over the training.
 *
 * No data are read where the config alone says how long an epoch is, and no model is
 * made unless the groups follow from it (paramwise_cfg).
 */
#ifndef MMENGINE_FORECAST_H
#define MMENGINE_FORECAST_H

#include "mmengine/config.h"
#include "mmengine/scheduler.h"

MM_BEGIN_DECLS

/** A value in force from a position on: that of the iteration or epoch, counted from 0,
 * that is trained with it. */
typedef struct mm_forecast_point {
    int64_t at;
    double value;
} mm_forecast_point;

/** An option over the run: its changes, the first at 0. */
typedef struct mm_forecast_curve {
    const char *option; /**< "lr", "momentum" (betas[0] where there are betas), ... */
    const mm_forecast_point *points;
    size_t count;
} mm_forecast_curve;

/** Parameter groups of one optimizer whose curves are all equal. */
typedef struct mm_forecast_group {
    const char *optimizer;     /**< its name among several; NULL for the only one */
    const char *type;          /**< "SGD" */
    int64_t accumulation;      /**< iterations of one of its steps */
    const char *const *params; /**< dotted names; none without a model: then the group
                                  holds all of the optimizer's parameters */
    size_t num_params;
    bool is_base; /**< no parameters: what is logged as base_lr, where it differs */
    const mm_forecast_curve *curves;
    size_t num_curves;
} mm_forecast_group;

/** A schedule and where it is active: from `begin` to before `end`. */
typedef struct mm_forecast_rule {
    const char *optimizer; /**< as of the group */
    const char *type;      /**< "LinearLR" */
    const char *option;    /**< "lr" */
    const char *monitor;   /**< metric it waits for, which no forecast has; or NULL */
    mm_schedule_unit unit;
    int64_t begin, end; /**< in positions */
} mm_forecast_rule;

/** A forecast; plain data, for reading. */
typedef struct mm_forecast {
    bool is_by_epoch;     /**< positions are epochs: no schedule needs iterations */
    int64_t length;       /**< positions of the run */
    int64_t epoch_length; /**< iterations; 0: was not needed */
    int64_t max_epochs;   /**< 0 for a run of iterations */
    int64_t batch_size;   /**< per device; 0: the config does not say it */
    int64_t accumulation; /**< iterations of a step (of the first optimizer) */
    bool lacks_groups;    /**< the model is not built here: one group stands for those
                             that paramwise_cfg would make of it */
    bool is_scaled;       /**< auto_scale_lr is enabled */
    double lr_scale;      /**< what it multiplies learning rates by; 1 */
    double base_batch_size, scaled_batch_size; /**< its two batch sizes; 0 */
    const mm_forecast_group *groups;
    size_t num_groups;
    const mm_forecast_rule *rules; /**< in the config's order */
    size_t num_rules;
} mm_forecast;

/** Settings; zero is each one's default. */
typedef struct mm_forecast_args {
    int64_t epoch_length; /**< iterations of an epoch; 0: asks the data if needed */
} mm_forecast_args;

/**
 * Computes one from a config whose plugins are loaded. `args` may be NULL. Yours.
 * ReduceOnPlateau and its like are taken to see no plateau. Errors: MM_ECONFIG with the
 * place for a wrong option; what building the dataset raises, with a hint at
 * `epoch_length`.
 */
MM_API MM_OWNED mm_forecast *mm_forecast_new(mm_config *config,
                                             const mm_forecast_args *args);
/** NULL is fine. */
MM_API void mm_forecast_free(mm_forecast *forecast);
/** The value of a curve at a position. */
MM_API double mm_forecast_value(const mm_forecast_curve *curve, int64_t at);

MM_END_DECLS

#endif
