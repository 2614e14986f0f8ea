/* The schedules of a config made for trial: wrong ranges, options that exclude each
 * other, options that the optimizer does not have show before data, model and optimizer
 * are built. What only these would tell is made up so that it raises nothing. */
#include "registry/audit.h"
#include "runner/forecast.h"

enum { MADE_UP_LENGTH = 1 << 20 /* of an epoch: no range is rounded to nothing */ };

struct trial {
    mm_runner runner; /* of its fields what schedules need */
    MMI_VEC(mmi_driven) driven;
};

static mm_status gather(void *user, const mm_optim_plan *plan)
{
    struct trial *trial = user;
    mm_param_groups *groups = mm_param_groups_ref(plan->groups);

    if (!mmi_vec_push(&trial->driven,
                      (mmi_driven){.name = plan->name,
                                   .groups = groups,
                                   .accumulation = plan->accumulative_counts}))
        mm_param_groups_unref(groups);
    return mm_pending();
}

/* What is wrong elsewhere is said elsewhere. False: nothing can be tried. */
static bool prepare(struct trial *trial, mm_value *optim, bool *out_needs_model)
{
    mm_runner *runner = &trial->runner;

    if (mmi_read_lengths(runner) >= 0) {
        if (runner->at.by_epoch)
            runner->at.max_iters = runner->at.max_epochs * MADE_UP_LENGTH;
        else
            runner->at.max_epochs = 1;
        *out_needs_model = mm_optim_plan_needs_model(optim, runner->scope);
        (void)mm_optim_plan_each(optim, runner->scope, NULL, trial, gather);
    }
    if (mm_has_error() && mm_pending() != MM_ENOMEM) {
        (void)mm_error_take(NULL);
        return false;
    }
    return !mm_has_error();
}

static void run(struct trial *trial, mm_value *optim)
{
    const mm_value *schedules = mmi_section(&trial->runner, "param_scheduler");
    bool needs_model = false;

    if (!prepare(trial, optim, &needs_model) ||
        (needs_model && mmi_any_schedule(schedules, mmi_has_values_by_group)))
        return;
    (void)mmi_schedulers_add(&trial->runner, trial->driven.data, trial->driven.count,
                             MADE_UP_LENGTH);
    /* A constructor may give its groups options of its own. */
    if (needs_model && mm_has_error() && mm_pending() == MM_EKEY)
        (void)mm_error_take(NULL);
}

mm_status mmi_try_schedulers(const mm_runner *runner)
{
    mm_value *optim = mm_runner_optim_config(runner);

    if (mm_has_error() || optim == NULL || mm_value_kind(optim) != MM_KIND_DICT ||
        mmi_section(runner, "param_scheduler") == NULL ||
        mmi_section(runner, "train_cfg") == NULL)
        return mm_pending();
    struct trial trial = {.runner = {.root = runner->root, .scope = runner->scope}};
    struct mmi_audit *audit = mmi_audit_set(NULL);
    mm_logger *quiet = mm_logger_new(&(mm_logger_args){.level = MM_LOG_ERROR});
    mm_logger *before = mm_logger_set_current(quiet);

    if (quiet != NULL)
        run(&trial, optim);
    (void)mm_logger_set_current(before);
    (void)mmi_audit_set(audit);
    mmi_schedulers_free(&trial.runner);
    for (size_t i = 0; i < trial.driven.count; i++)
        mm_param_groups_unref(trial.driven.data[i].groups);
    mmi_vec_deinit(&trial.driven);
    mm_logger_free(quiet);
    return mm_pending();
}
