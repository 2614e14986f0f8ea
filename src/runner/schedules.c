/* The schedulers of a run: building them over one or several optimizers, and stepping
 * them, in training by what the optimizers have done, else as an undisturbed run would.
 * They keep the config's order, in which MMEngine steps them. Source:
 * Runner.build_param_scheduler, ParamSchedulerHook. */
#include <string.h>

#include "runner/internal.h"

/* Adds one scheduler over one optimizer's groups. */
static mm_status add_one(mm_runner *runner, mm_value *config, const mmi_driven *driven,
                         int64_t epoch_length, const char *path)
{
    mmi_scheduler *list =
        mm_realloc(runner->schedulers, (runner->num_schedulers + 1) * sizeof(*list));

    if (list == NULL)
        return mm_pending();
    runner->schedulers = list;
    mm_param_scheduler *scheduler =
        mm_param_scheduler_build(config, driven->groups,
                                 &(mm_schedule_context){
                                     .scope = runner->scope,
                                     .path = path,
                                     .epoch_length = epoch_length,
                                     .max_epochs = runner->at.max_epochs,
                                     .max_iters = runner->at.max_iters,
                                     .accumulation = driven->accumulation,
                                 });
    if (scheduler != NULL)
        list[runner->num_schedulers++] =
            (mmi_scheduler){.scheduler = scheduler,
                            .optimizer = driven->name,
                            .driven = driven->optimizer,
                            .accumulation = driven->accumulation};
    return mm_pending();
}

/* One config or a list of them, over one optimizer. */
static mm_status add_all(mm_runner *runner, mm_value *config, const mmi_driven *driven,
                         int64_t epoch_length, const char *path)
{
    if (mm_value_kind(config) == MM_KIND_DICT)
        return add_one(runner, config, driven, epoch_length, path);
    for (size_t i = 0; i < mm_value_len(config) && !mm_has_error(); i++) {
        char *item = mm_strfmt("%s[%zu]", path, i);

        if (item != NULL)
            (void)add_one(runner, mm_list_get(config, i), driven, epoch_length, item);
        mm_free(item);
    }
    return mm_pending();
}

/* A dict by the optimizers' names has no schedule for a name that is not there. */
static mm_status check_names(mm_value *config, const mmi_driven *driven, size_t count)
{
    const char *names[16] = {NULL};
    size_t known = 0;

    for (size_t i = 0; i < count && i < sizeof(names) / sizeof(names[0]); i++)
        names[known++] = driven[i].name;
    for (size_t i = 0; i < mm_value_len(config) && !mm_has_error(); i++) {
        const char *name = mm_dict_name_at(config, i);
        bool is_there = false;

        for (size_t k = 0; name != NULL && k < count; k++)
            is_there = is_there || strcmp(driven[k].name, name) == 0;
        if (!is_there) {
            (void)mm_raise(MM_ECONFIG, "param_scheduler: there is no optimizer '%s'",
                           name != NULL ? name : "");
            if (name != NULL)
                (void)mm_error_hint_nearest(name, names, known);
            return mm_error_locate(mm_dict_source_at(config, i));
        }
    }
    return mm_pending();
}

/* Several optimizers: a dict by name, or one list for each of them. */
static mm_status add_by_name(mm_runner *runner, mm_value *config,
                             const mmi_driven *driven, size_t count,
                             int64_t epoch_length)
{
    bool by_name =
        mm_value_kind(config) == MM_KIND_DICT && !mm_dict_has(config, "type");

    if (by_name && check_names(config, driven, count) < 0)
        return mm_pending();
    for (size_t i = 0; i < count && !mm_has_error(); i++) {
        mm_value *own = by_name ? mm_dict_find(config, driven[i].name) : config;
        char *path = by_name ? mm_strfmt("param_scheduler.%s", driven[i].name)
                             : mm_strdup("param_scheduler");

        if (own != NULL && path != NULL)
            (void)add_all(runner, own, &driven[i], epoch_length, path);
        mm_free(path);
    }
    return mm_pending();
}

mm_status mmi_schedulers_add(mm_runner *runner, const mmi_driven *driven, size_t count,
                             int64_t epoch_length)
{
    mm_value *config = mmi_section(runner, "param_scheduler");

    if (config == NULL || count == 0 || mm_has_error())
        return mm_pending();
    return driven[0].name != NULL
               ? add_by_name(runner, config, driven, count, epoch_length)
               : add_all(runner, config, driven, epoch_length, "param_scheduler");
}

static mmi_driven driven_by(const mm_optim_wrapper *wrapper, const char *name)
{
    return (mmi_driven){
        .name = name,
        .groups = mm_optim_wrapper_groups(wrapper),
        .optimizer = mm_optim_wrapper_optimizer(wrapper),
        .accumulation = mm_optim_wrapper_accumulative_counts(wrapper),
    };
}

mm_status mmi_build_schedulers(mm_runner *runner)
{
    const mm_optim_wrapper *wrapper = runner->optim_wrapper;
    int64_t epoch_length = mm_loader_len(mm_runner_loader(runner, MM_MODE_TRAIN));
    size_t count = mm_optim_wrapper_num_children(wrapper);

    if (mm_has_error() || runner->num_schedulers > 0)
        return mm_pending();
    if (!mm_optim_wrapper_is_dict(wrapper)) {
        mmi_driven only = driven_by(wrapper, NULL);

        return mmi_schedulers_add(runner, &only, 1, epoch_length);
    }
    mmi_driven *several = mm_alloc_array(count + 1, sizeof(*several));

    for (size_t i = 0; several != NULL && i < count; i++)
        several[i] = driven_by(mm_optim_wrapper_child(wrapper, i),
                               mm_optim_wrapper_child_name(wrapper, i));
    if (several != NULL)
        (void)mmi_schedulers_add(runner, several, count, epoch_length);
    mm_free(several);
    return mm_pending();
}

/* How often a scheduler is to be advanced now. */
static int64_t steps_due(mmi_scheduler *item)
{
    if (mm_param_scheduler_unit(item->scheduler) != MM_SCHEDULE_OPTIMIZER_STEPS)
        return 1;
    int64_t made = mm_optimizer_num_steps(item->driven);
    int64_t due = made - item->seen_steps;

    item->seen_steps = made;
    return due;
}

mm_status mm_runner_step_schedulers(mm_runner *runner, bool by_epoch)
{
    for (size_t i = 0; i < runner->num_schedulers && !mm_has_error(); i++) {
        mmi_scheduler *item = &runner->schedulers[i];

        if (mm_param_scheduler_by_epoch(item->scheduler) != by_epoch)
            continue;
        for (int64_t due = steps_due(item); due > 0 && !mm_has_error(); due--)
            (void)mm_param_scheduler_step(item->scheduler);
    }
    return mm_pending();
}

/* True if a run that skips no step has an update after iteration `iter`. */
static bool updates_after(const mm_runner *runner, const mmi_scheduler *item,
                          int64_t iter)
{
    return item->accumulation <= 1 || iter % item->accumulation == 0 ||
           iter == runner->at.max_iters;
}

mm_status mmi_schedulers_pass_iter(mm_runner *runner, int64_t iter)
{
    for (size_t i = 0; i < runner->num_schedulers && !mm_has_error(); i++) {
        const mmi_scheduler *item = &runner->schedulers[i];
        mm_schedule_unit unit = mm_param_scheduler_unit(item->scheduler);

        if (unit == MM_SCHEDULE_ITERATIONS ||
            (unit == MM_SCHEDULE_OPTIMIZER_STEPS && updates_after(runner, item, iter)))
            (void)mm_param_scheduler_step(item->scheduler);
    }
    return mm_pending();
}

mm_status mmi_schedulers_pass_epoch(mm_runner *runner)
{
    for (size_t i = 0; i < runner->num_schedulers && !mm_has_error(); i++) {
        mm_param_scheduler *scheduler = runner->schedulers[i].scheduler;

        if (mm_param_scheduler_by_epoch(scheduler))
            (void)mm_param_scheduler_step(scheduler);
    }
    return mm_pending();
}

mm_status mmi_replay_schedulers(mm_runner *runner)
{
    const mmi_counters *at = &runner->at;
    int64_t length = mm_loader_len(mm_runner_loader(runner, MM_MODE_TRAIN));
    int64_t epochs = at->by_epoch ? at->epoch : 0, epoch = 0;

    for (int64_t iter = 1; iter <= at->iter && !mm_has_error(); iter++) {
        (void)mmi_schedulers_pass_iter(runner, iter);
        if (epoch < epochs && iter % length == 0 && !mm_has_error()) {
            (void)mmi_schedulers_pass_epoch(runner);
            epoch++;
        }
    }
    for (; epoch < epochs && !mm_has_error(); epoch++)
        (void)mmi_schedulers_pass_epoch(runner);
    for (size_t i = 0; i < runner->num_schedulers && !mm_has_error(); i++) {
        if (mm_param_scheduler_needs_metrics(runner->schedulers[i].scheduler))
            mm_log(MM_LOG_WARN, "a scheduler that waits for metrics begins anew: "
                                "resume_policy='config' cannot repeat validations");
    }
    return mm_pending();
}

void mmi_schedulers_free(mm_runner *runner)
{
    for (size_t i = 0; i < runner->num_schedulers; i++)
        mm_param_scheduler_unref(runner->schedulers[i].scheduler);
    mm_free(runner->schedulers);
    runner->schedulers = NULL;
    runner->num_schedulers = 0;
}

size_t mm_runner_num_schedulers(const mm_runner *runner)
{
    return runner->num_schedulers;
}

mm_param_scheduler *mm_runner_scheduler(const mm_runner *runner, size_t index)
{
    return index < runner->num_schedulers ? runner->schedulers[index].scheduler : NULL;
}
