/* A forecast under way: what forecast.c gathers from a config and forecast_curves.c
 * runs through. */
#ifndef MMI_RUNNER_FORECAST_H
#define MMI_RUNNER_FORECAST_H

#include "base/vec.h"
#include "mmengine/forecast.h"
#include "runner/internal.h"

enum { MMI_MAX_CURVES = 8 };

/* One group of an optimizer's that stands for all with the same options. */
typedef struct mmi_forecast_group {
    const char *optimizer; /* one of the texts */
    const char *type;      /* the component's */
    int64_t accumulation;
    mm_param_groups *groups; /* that change: the optimizer's; a reference */
    size_t group;            /* index in them */
    bool is_base;
    MMI_VEC(char *) params; /* names; owned */
    MMI_VEC(mm_forecast_curve) curves;
    MMI_VEC(mm_forecast_point)
    points[MMI_MAX_CURVES]; /* of the curves, while they grow */
    uint64_t seen_version;
} mmi_forecast_group;

/* The whole; `out` is the part that is public. */
typedef struct mmi_forecast {
    mm_forecast out;
    MMI_VEC(mmi_forecast_group) items;
    mm_forecast_group *groups; /* of `out` */
    mm_forecast_rule *rules;   /* of `out` */
    MMI_VEC(char *) texts;     /* names in `out`; owned */
} mmi_forecast;

/* Calls `test` for the dict of every scheduler in a config; true if it is true for one.
 */
bool mmi_any_schedule(const mm_value *config, bool (*test)(const mm_value *one));
/* A test: it has a value for each group, by number. */
bool mmi_has_values_by_group(const mm_value *one);
/* Epochs or iterations from train_cfg, whichever the training loop has. */
mm_status mmi_read_lengths(mm_runner *runner);

/* Adds an optimizer's groups, those with equal options as one, unless `is_apart`:
 * schedules give values by the group's number. Returns the groups that change; yours.
 */
mm_param_groups *mmi_forecast_add(mmi_forecast *self, const mm_optim_plan *plan,
                                  bool is_apart);
/* Runs the schedules of `runner` through `out.length` positions and notes all changes.
 */
mm_status mmi_forecast_run(mmi_forecast *self, mm_runner *runner);
/* Makes `out.groups`: groups with equal curves are one. */
mm_status mmi_forecast_fold(mmi_forecast *self);

#endif
