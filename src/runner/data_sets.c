/* Loaders and evaluators of a run's modes.
 *
 * A mode mostly has one data set. Validation and test may have several: then
 * `val_dataloader` is a dict of name -> dataloader, `val_evaluator` one evaluator for
 * all of them or a dict of name -> evaluator, and a set's metrics carry its name as a
 * prefix. MMEngine has one set only. */
#include <stdio.h>
#include <string.h>

#include "runner/internal.h"

/* True for a dict of dataloaders by name: it has no `dataset` of its own, its entries
 * have. */
static bool is_by_name(const mm_value *loaders)
{
    if (mm_value_kind(loaders) != MM_KIND_DICT || mm_value_len(loaders) == 0 ||
        mm_dict_has(loaders, "dataset"))
        return false;
    for (size_t i = 0; i < mm_value_len(loaders); i++) {
        const mm_value *item = mm_dict_at(loaders, i);

        if (mm_value_kind(item) != MM_KIND_DICT || !mm_dict_has(item, "dataset"))
            return false;
    }
    return true;
}

/* The configs of one set and their key paths. */
typedef struct set_config {
    const char *name; /* NULL: the only one */
    mm_value *loader, *evaluator;
    char loader_path[96], evaluator_path[96];
} set_config;

/* The i-th set of a mode; false behind the last. */
static bool find_config(const mm_runner *runner, mm_mode mode, size_t i,
                        set_config *out)
{
    const char *loader = mmi_mode_key(mode, "dataloader");
    const char *evaluator = mmi_mode_key(mode, "evaluator");

    *out = (set_config){
        .loader = mmi_section(runner, loader),
        .evaluator = mode == MM_MODE_TRAIN ? NULL : mmi_section(runner, evaluator),
    };
    (void)snprintf(out->loader_path, sizeof(out->loader_path), "%s", loader);
    (void)snprintf(out->evaluator_path, sizeof(out->evaluator_path), "%s", evaluator);
    if (out->loader == NULL)
        return false;
    if (mode == MM_MODE_TRAIN || !is_by_name(out->loader))
        return i == 0;
    if (i >= mm_value_len(out->loader))
        return false;
    out->name = mm_dict_name_at(out->loader, i);
    out->loader = mm_dict_at(out->loader, i);
    (void)snprintf(out->loader_path, sizeof(out->loader_path), "%s.%s", loader,
                   out->name);
    const mm_value *all = out->evaluator;

    if (mm_value_kind(all) == MM_KIND_DICT && !mm_dict_has(all, "type") &&
        !mm_dict_has(all, "metrics")) {
        out->evaluator = mm_dict_find(all, out->name);
        (void)snprintf(out->evaluator_path, sizeof(out->evaluator_path), "%s.%s",
                       evaluator, out->name);
    }
    return true;
}

static mm_status no_evaluator(const set_config *config)
{
    (void)mm_raise(MM_ECONFIG, "there is no '%s' for '%s'", config->evaluator_path,
                   config->loader_path);
    return mm_error_hint("one evaluator for all data sets, or a dict with an entry for "
                         "each of their names");
}

mm_status mmi_sets_check(const mm_runner *runner, mm_mode mode)
{
    set_config config;

    for (size_t i = 0; !mm_has_error() && find_config(runner, mode, i, &config); i++) {
        if (mm_loader_check(config.loader, runner->scope, config.loader_path) < 0)
            break;
        if (mode == MM_MODE_TRAIN)
            continue;
        if (config.evaluator == NULL)
            (void)no_evaluator(&config);
        else
            (void)mm_evaluator_check(config.evaluator, runner->scope,
                                     config.evaluator_path);
    }
    return mm_pending();
}

/* Room for the sets of a mode, once. */
static mm_status prepare(mm_runner *runner, mm_mode mode)
{
    mmi_data_sets *sets = &runner->sets[mode];
    set_config config;
    size_t count = 0;

    if (sets->data != NULL)
        return mm_pending();
    while (find_config(runner, mode, count, &config))
        count++;
    sets->data = mm_alloc_array(count + 1, sizeof(mmi_data_set));
    for (size_t i = 0; sets->data != NULL && i < count; i++) {
        (void)find_config(runner, mode, i, &config);
        sets->data[i] = (mmi_data_set){.name = config.name, .is_due = true};
    }
    sets->count = sets->data == NULL ? 0 : count;
    return mm_pending();
}

mm_loader *mm_runner_loader(mm_runner *runner, mm_mode mode)
{
    mmi_data_sets *sets = &runner->sets[mode];
    set_config config;

    if (sets->data != NULL && sets->data[sets->current].loader != NULL)
        return sets->data[sets->current].loader;
    if (mm_has_error() || prepare(runner, mode) < 0)
        return NULL;
    if (!find_config(runner, mode, sets->current, &config)) {
        (void)mm_raise(MM_ECONFIG, "the config has no '%s'", config.loader_path);
        return NULL;
    }
    mmi_data_set *set = &sets->data[sets->current];

    set->loader = mm_loader_build(config.loader, runner->scope, config.loader_path,
                                  runner->seed, 0, 1);
    return set->loader;
}

mm_evaluator *mm_runner_evaluator(mm_runner *runner, mm_mode mode)
{
    mmi_data_sets *sets = &runner->sets[mode];
    set_config config;

    if (sets->data != NULL && sets->data[sets->current].evaluator != NULL)
        return sets->data[sets->current].evaluator;
    if (mm_has_error() || prepare(runner, mode) < 0)
        return NULL;
    bool there = find_config(runner, mode, sets->current, &config);

    if (!there || config.evaluator == NULL) {
        (void)mm_raise(MM_ECONFIG, "the config has no '%s'", config.evaluator_path);
        return NULL;
    }
    mmi_data_set *set = &sets->data[sets->current];

    set->evaluator =
        mm_evaluator_build(config.evaluator, runner->scope, config.evaluator_path);
    return set->evaluator;
}

/* A set's own interval, or 0. */
static int64_t own_interval(mm_value *intervals, const char *name)
{
    const mm_value *own =
        intervals == NULL || name == NULL ? NULL : mm_dict_find(intervals, name);
    int64_t interval = own == NULL ? 0 : mm_value_i64(own);

    if (own != NULL && !mm_has_error() && interval < 1)
        (void)mm_raise(MM_ECONFIG, "an interval must be at least 1, not %lld",
                       (long long)interval);
    if (mm_has_error() && own != NULL)
        (void)mm_error_locate(mm_dict_source(intervals, name));
    return interval;
}

/* Names in `intervals` that no set has. */
static mm_status check_names(const mmi_data_sets *sets, mm_value *intervals)
{
    for (size_t i = 0; intervals != NULL && i < mm_value_len(intervals); i++) {
        const char *name = mm_dict_name_at(intervals, i);
        bool known = false;

        for (size_t j = 0; j < sets->count; j++)
            known = known || (sets->data[j].name != NULL && name != NULL &&
                              strcmp(sets->data[j].name, name) == 0);
        if (!known) {
            (void)mm_raise(MM_ECONFIG,
                           "val_cfg.intervals names '%s', which is no "
                           "entry of val_dataloader",
                           name == NULL ? "" : name);
            return mm_error_locate(mm_dict_source_at(intervals, i));
        }
    }
    return mm_pending();
}

mm_status mmi_sets_build(mm_runner *runner, mm_mode mode, mm_value *intervals)
{
    mmi_data_sets *sets = &runner->sets[mode];

    if (prepare(runner, mode) < 0 || check_names(sets, intervals) < 0)
        return mm_pending();
    for (size_t i = 0; i < sets->count && !mm_has_error(); i++) {
        mmi_data_set *set = &sets->data[i];

        sets->current = i;
        set->interval = own_interval(intervals, set->name);
        if (mm_runner_loader(runner, mode) != NULL &&
            mm_runner_evaluator(runner, mode) != NULL)
            (void)mm_evaluator_set_meta(
                set->evaluator, mm_dataset_metainfo(mm_loader_dataset(set->loader)));
    }
    sets->current = 0;
    return mm_pending();
}

bool mmi_sets_mark_due(mm_runner *runner, mm_mode mode, int64_t done, int64_t all,
                       int64_t interval)
{
    mmi_data_sets *sets = &runner->sets[mode];
    bool any = false;

    for (size_t i = 0; i < sets->count; i++) {
        mmi_data_set *set = &sets->data[i];
        int64_t own = set->interval > 0 ? set->interval : interval;

        set->is_due = done % own == 0 || done == all;
        any = any || set->is_due;
    }
    return any;
}

bool mm_runner_leaves_out(const mm_runner *runner, const char *metric)
{
    const mmi_data_sets *sets = &runner->sets[MM_MODE_VAL];

    for (size_t i = 0; i < sets->count; i++) {
        const char *name = sets->data[i].name;
        size_t size = name == NULL ? 0 : strlen(name);

        if (size > 0 && !sets->data[i].is_due && strncmp(metric, name, size) == 0 &&
            metric[size] == '/')
            return true;
    }
    return false;
}

bool mmi_set_choose(mm_runner *runner, mm_mode mode, size_t nth)
{
    mmi_data_sets *sets = &runner->sets[mode];

    for (size_t i = 0; i < sets->count; i++) {
        if (!sets->data[i].is_due || nth-- > 0)
            continue;
        sets->current = i;
        return true;
    }
    return false;
}

mmi_data_set *mmi_set_current(mm_runner *runner, mm_mode mode)
{
    return &runner->sets[mode].data[runner->sets[mode].current];
}

void mmi_sets_free(mm_runner *runner)
{
    for (int mode = 0; mode < MMI_NUM_MODES; mode++) {
        mmi_data_sets *sets = &runner->sets[mode];

        for (size_t i = 0; i < sets->count; i++) {
            mm_loader_free(sets->data[i].loader);
            mm_evaluator_free(sets->data[i].evaluator);
        }
        mm_free(sets->data);
    }
}
