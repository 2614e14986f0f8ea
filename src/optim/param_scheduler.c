/* The machinery of parameter schedulers: ranges, steps, base values, momentum behind
 * betas, state dicts. The rules themselves are in scheduler_rules.c and beside it. All
 * numbers are doubles, operated on in the order in which MMEngine's Python does, so the
 * values are bit-equal to its. */
#include "mmengine/scheduler.h"

#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "mmengine/log.h"
#include "mmengine/memory.h"
#include "optim/schedule_state.h"

struct mm_param_scheduler {
    atomic_size_t refs;
    mm_instance *instance;
    const mm_param_scheduler_ops *ops;
    mm_schedule *options; /* the first member of the component's struct */
    mm_param_groups *groups;
    char *param_name;
    bool uses_betas; /* drives betas[0] through an option `momentum` of ours */
    double begin;
    double end;
    mm_schedule_unit unit;
    bool verbose;
    int64_t last_step;
    int64_t global_step;
    size_t num_groups; /* scheduled groups, base group included */
    double *base_values;
    double *last_values;
    double *next_values; /* room for one step */
};

static const mm_choice counts[] = {
    {"iterations", MM_SCHEDULE_ITERATIONS, "every batch"},
    {"optimizer_steps", MM_SCHEDULE_OPTIMIZER_STEPS,
     "every update of the parameters: fewer with accumulative_counts"},
    {0},
};

#define MM_OPT_STRUCT mm_schedule
#define COMMON_ROWS                                                                    \
    {"begin", "first step the rule applies to",                                        \
     MM_OPT_F64(begin, 0.0, -MM_SCHEDULE_INF, MM_SCHEDULE_INF)},                       \
        {"end", "first step it no longer applies to; default: the end of the run",     \
         MM_OPT_F64_OR_NONE(end, -MM_SCHEDULE_INF, MM_SCHEDULE_INF)},                  \
        {"last_step", "steps taken before, less one; for resuming without a state",    \
         MM_OPT_I64(last_step, -1, -1, INT64_MAX)},                                    \
        {"by_epoch", "steps are epochs, not iterations", MM_OPT_BOOL(by_epoch, true)}, \
        {"verbose", "log every change", MM_OPT_BOOL(verbose, false)},                  \
        {"convert_to_iter_based", "written in epochs, applied at every iteration",     \
         MM_OPT_BOOL(convert_to_iter_based, false)},                                   \
    {                                                                                  \
        "count", "what a step is that is no epoch",                                    \
            MM_OPT_CHOICE(count, MM_SCHEDULE_ITERATIONS, counts)                       \
    }

const mm_option mm_schedule_options[] = {
    COMMON_ROWS,
    {0},
};
const mm_option mm_schedule_param_options[] = {
    {"param_name", "option of the parameter groups to drive",
     MM_OPT_STR_REQUIRED(param_name)},
    COMMON_ROWS,
    {0},
};
#undef MM_OPT_STRUCT

static const char *type_name(const mm_param_scheduler *scheduler)
{
    return mm_instance_component(scheduler->instance)->name;
}

double mm_schedule_steps(const mm_schedule_context *context, double epochs)
{
    double iters = epochs * (double)context->epoch_length;
    double window = (double)context->accumulation;

    if (window <= 1.0) {
        return iters;
    }
    bool is_end = context->max_iters > 0 && iters >= (double)context->max_iters;

    return is_end ? ceil(iters / window) : floor(iters / window);
}

/* Epochs to steps, as build_iter_from_epoch: fractions are cut off. */
static mm_status convert(mm_param_scheduler *scheduler,
                         const mm_schedule_context *context)
{
    int64_t length = context->epoch_length;

    if (!scheduler->options->convert_to_iter_based) {
        return MM_OK;
    }
    if (scheduler->unit != MM_SCHEDULE_EPOCHS) {
        mm_raise(MM_ECONFIG, "%s: convert_to_iter_based needs by_epoch=True",
                 type_name(scheduler));
        return mm_error_hint("leave convert_to_iter_based out");
    }
    if (length <= 0) {
        return mm_raise(MM_ESTATE,
                        "%s: convert_to_iter_based needs the length of an epoch, "
                        "got %" PRId64,
                        type_name(scheduler), length);
    }
    if (scheduler->ops->judge != NULL) {
        return mm_raise(MM_ECONFIG,
                        "%s counts validations and cannot be converted to iterations",
                        type_name(scheduler));
    }
    scheduler->unit = (mm_schedule_unit)scheduler->options->count;
    scheduler->begin = trunc(mm_schedule_steps(context, scheduler->begin));
    if (scheduler->end != MM_SCHEDULE_INF) {
        scheduler->end = trunc(mm_schedule_steps(context, scheduler->end));
    }
    return scheduler->ops->convert != NULL
               ? scheduler->ops->convert(scheduler->options, context)
               : MM_OK;
}

static mm_status check_count(const mm_schedule *options, const char *type)
{
    if (options->count == MM_SCHEDULE_OPTIMIZER_STEPS && options->by_epoch &&
        !options->convert_to_iter_based) {
        mm_raise(MM_ECONFIG,
                 "%s: count='optimizer_steps' is not for schedules by epoch", type);
        return mm_error_hint("by_epoch=False, with begin and end in steps of the "
                             "optimizer, or convert_to_iter_based=True");
    }
    return MM_OK;
}

/* Where the range ends unless the config says it. */
static double run_end(const mm_schedule *options, const mm_schedule_context *context)
{
    int64_t end = options->by_epoch ? context->max_epochs : context->max_iters;

    if (end > 0 && !options->by_epoch && context->accumulation > 1) {
        end = (end + context->accumulation - 1) / context->accumulation;
    }
    return end > 0 ? (double)end : MM_SCHEDULE_INF;
}

static mm_status read_range(mm_param_scheduler *scheduler,
                            const mm_schedule_context *run)
{
    const mm_schedule *options = scheduler->options;
    mm_schedule_context context = *run;

    if (check_count(options, type_name(scheduler)) < 0) {
        return mm_pending();
    }
    if (options->count == MM_SCHEDULE_ITERATIONS) {
        context.accumulation = 1;
    }
    scheduler->unit =
        options->by_epoch ? MM_SCHEDULE_EPOCHS : (mm_schedule_unit)options->count;
    scheduler->verbose = options->verbose;
    scheduler->last_step = options->last_step;
    scheduler->begin = options->begin;
    scheduler->end = options->end.has ? options->end.value : run_end(options, &context);
    if (convert(scheduler, &context) < 0) {
        return mm_pending();
    }
    if (!(scheduler->end > scheduler->begin)) {
        return mm_raise(MM_ECONFIG,
                        "%s: end must be larger than begin, got begin=%g, end=%g",
                        type_name(scheduler), scheduler->begin, scheduler->end);
    }
    return MM_OK;
}

/* Adam's momentum is betas[0]; MMEngine mirrors it in an option of that name. */
static mm_status mirror_betas(mm_param_scheduler *scheduler)
{
    mm_param_groups *groups = scheduler->groups;

    for (size_t i = 0; i < scheduler->num_groups; i++) {
        mm_value *betas = mm_dict_get(mm_param_groups_options(groups, i), "betas");

        mm_param_groups_put(groups, i, "momentum", mm_list_get(betas, 0));
    }
    return mm_pending();
}

static mm_status write_betas(mm_param_scheduler *scheduler)
{
    mm_param_groups *groups = scheduler->groups;

    for (size_t i = 0; i < scheduler->num_groups; i++) {
        const mm_value *options = mm_param_groups_options(groups, i);
        mm_value *momentum = mm_dict_get(options, "momentum");
        mm_value *betas = mm_dict_get(options, "betas");

        if (mm_has_error() || mm_value_equal(mm_list_get(betas, 0), momentum)) {
            continue;
        }
        mm_value *pair = mm_value_new_tuple();

        mm_list_append(pair, momentum);
        mm_list_append(pair, mm_list_get(betas, 1));
        mm_param_groups_put(groups, i, "betas", pair);
        mm_value_unref(pair);
    }
    return mm_pending();
}

static mm_status choose_param(mm_param_scheduler *scheduler)
{
    const mm_value *defaults = mm_param_groups_defaults(scheduler->groups);
    const char *name = "lr";

    if (scheduler->ops->target == MM_SCHEDULE_PARAM) {
        name = scheduler->options->param_name;
    } else if (scheduler->ops->target == MM_SCHEDULE_MOMENTUM) {
        name = "momentum";
        if (!mm_dict_has(defaults, "momentum")) {
            scheduler->uses_betas = mm_dict_has(defaults, "betas");
            if (!scheduler->uses_betas) {
                return mm_raise(MM_ECONFIG,
                                "%s: the optimizer has neither momentum nor betas",
                                type_name(scheduler));
            }
        }
    }
    scheduler->param_name = mm_strdup(name);
    return scheduler->uses_betas ? mirror_betas(scheduler) : mm_pending();
}

/* The value a group started from: remembered in the group itself, so that schedulers
 * made later see the same one. */
static mm_status read_base_values(mm_param_scheduler *scheduler)
{
    mm_param_groups *groups = scheduler->groups;
    char *initial = mm_strfmt("initial_%s", scheduler->param_name);

    for (size_t i = 0; initial != NULL && i < scheduler->num_groups; i++) {
        const mm_value *options = mm_param_groups_options(groups, i);

        if (!mm_dict_has(options, initial)) {
            if (scheduler->last_step != -1) {
                mm_raise(MM_EKEY,
                         "%s: last_step=%" PRId64
                         " resumes, but parameter group %zu has no option '%s'",
                         type_name(scheduler), scheduler->last_step, i, initial);
                break;
            }
            if (!mm_dict_has(options, scheduler->param_name)) {
                mm_raise(MM_EKEY, "%s: parameter group %zu has no option '%s'",
                         type_name(scheduler), i, scheduler->param_name);
                break;
            }
            if (mm_value_is_none(mm_dict_get(options, scheduler->param_name))) {
                mm_raise(MM_ECONFIG,
                         "%s: '%s' of parameter group %zu is None: the optimizer "
                         "makes its own, which has no schedule",
                         type_name(scheduler), scheduler->param_name, i);
                break;
            }
            mm_param_groups_put(groups, i, initial,
                                mm_dict_get(options, scheduler->param_name));
        }
        scheduler->base_values[i] = mm_param_groups_f64(groups, i, initial);
    }
    mm_free(initial);
    return mm_pending();
}

static mm_status remember_values(mm_param_scheduler *scheduler)
{
    for (size_t i = 0; i < scheduler->num_groups; i++) {
        scheduler->last_values[i] =
            mm_param_groups_f64(scheduler->groups, i, scheduler->param_name);
    }
    return mm_pending();
}

static mm_status allocate_values(mm_param_scheduler *scheduler)
{
    scheduler->num_groups = mm_param_groups_num_scheduled(scheduler->groups);
    if (scheduler->num_groups == 0) {
        return mm_raise(MM_EINVAL, "%s: there are no parameter groups",
                        type_name(scheduler));
    }
    scheduler->base_values = mm_alloc_array(scheduler->num_groups, sizeof(double));
    scheduler->last_values = mm_alloc_array(scheduler->num_groups, sizeof(double));
    scheduler->next_values = mm_alloc_array(scheduler->num_groups, sizeof(double));
    return mm_pending();
}

/* In the order of MMEngine's constructors, so that options appear in the groups in
 * MMEngine's order. */
static mm_status start(mm_param_scheduler *scheduler,
                       const mm_schedule_context *context)
{
    if (allocate_values(scheduler) < 0 || choose_param(scheduler) < 0 ||
        read_range(scheduler, context) < 0) {
        return mm_pending();
    }
    scheduler->options->begin = scheduler->begin;
    scheduler->options->end = (mm_maybe_f64){true, scheduler->end};
    if (scheduler->ops->start != NULL) {
        scheduler->ops->start(scheduler->options, scheduler->groups,
                              scheduler->param_name);
    }
    if (mm_has_error() || read_base_values(scheduler) < 0) {
        return mm_pending();
    }
    if (scheduler->ops->judge != NULL) {
        if (scheduler->unit != MM_SCHEDULE_EPOCHS) {
            return mm_raise(MM_ECONFIG, "%s: by_epoch must be True",
                            type_name(scheduler));
        }
        scheduler->global_step = 0;
        return remember_values(scheduler);
    }
    scheduler->global_step = -1;
    return mm_param_scheduler_step(scheduler);
}

mm_param_scheduler *mm_param_scheduler_new(mm_instance *instance,
                                           mm_param_groups *groups,
                                           const mm_schedule_context *context)
{
    const mm_schedule_context unknown = {0};

    if (mm_has_error()) {
        return NULL;
    }
    if (instance == NULL || groups == NULL) {
        mm_raise(MM_EINVAL, "cannot make a parameter scheduler: %s is NULL",
                 instance == NULL ? "instance" : "groups");
        return NULL;
    }
    const mm_param_scheduler_ops *ops =
        mm_instance_ops(instance, MM_INTERFACE_PARAM_SCHEDULER);
    mm_param_scheduler *scheduler = ops != NULL ? mm_alloc(sizeof *scheduler) : NULL;

    if (scheduler == NULL) {
        return NULL;
    }
    atomic_init(&scheduler->refs, 1);
    scheduler->instance = mm_instance_ref(instance);
    scheduler->ops = ops;
    scheduler->options = mm_instance_self(instance);
    scheduler->groups = mm_param_groups_ref(groups);
    if (start(scheduler, context != NULL ? context : &unknown) < 0) {
        mm_param_scheduler_unref(scheduler);
        return NULL;
    }
    return scheduler;
}

mm_param_scheduler *mm_param_scheduler_build(mm_value *config, mm_param_groups *groups,
                                             const mm_schedule_context *context)
{
    mm_instance *instance = mm_build(&(mm_build_args){
        .registry = "param_schedulers",
        .config = config,
        .scope = context != NULL ? context->scope : NULL,
        .path = context != NULL ? context->path : NULL,
        .interface = MM_INTERFACE_PARAM_SCHEDULER,
    });

    if (instance == NULL) {
        return NULL;
    }
    mm_param_scheduler *scheduler = mm_param_scheduler_new(instance, groups, context);

    if (scheduler == NULL) {
        mm_error_locate(mm_dict_source(config, "type"));
        if (context != NULL && context->path != NULL) {
            mm_error_frame("while building %s", context->path);
        }
    }
    mm_instance_unref(instance);
    return scheduler;
}

mm_param_scheduler *mm_param_scheduler_ref(mm_param_scheduler *scheduler)
{
    if (scheduler != NULL) {
        atomic_fetch_add_explicit(&scheduler->refs, 1, memory_order_relaxed);
    }
    return scheduler;
}

void mm_param_scheduler_unref(mm_param_scheduler *scheduler)
{
    if (scheduler == NULL ||
        atomic_fetch_sub_explicit(&scheduler->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    mm_param_groups_unref(scheduler->groups);
    mm_instance_unref(scheduler->instance);
    mm_free(scheduler->param_name);
    mm_free(scheduler->base_values);
    mm_free(scheduler->last_values);
    mm_free(scheduler->next_values);
    mm_free(scheduler);
}

/* All groups' new values, before any group is changed. */
static mm_status compute_values(mm_param_scheduler *scheduler)
{
    for (size_t i = 0; i < scheduler->num_groups; i++) {
        mm_schedule_step step = {
            .step = scheduler->last_step,
            .begin = scheduler->begin,
            .end = scheduler->end,
            .group = i,
            .value = mm_param_groups_f64(scheduler->groups, i, scheduler->param_name),
            .base = scheduler->base_values[i],
        };

        if (mm_has_error() ||
            scheduler->ops->value(scheduler->options, scheduler->groups, &step,
                                  &scheduler->next_values[i]) < 0) {
            return mm_pending();
        }
        if (!isfinite(scheduler->next_values[i])) {
            mm_raise(MM_ENUMERIC,
                     "%s: %s of parameter group %zu becomes %g at step %" PRId64,
                     type_name(scheduler), scheduler->param_name, i,
                     scheduler->next_values[i], step.step);
            return mm_error_hint("the rule divides by zero with these options");
        }
    }
    return MM_OK;
}

static void report_change(const mm_param_scheduler *scheduler, size_t group,
                          double value)
{
    if (!scheduler->verbose) {
        return;
    }
    if (scheduler->ops->judge != NULL) {
        mm_log(MM_LOG_INFO,
               "Adjusting parameter value of group %zu to %.4e in epoch %" PRId64 ".",
               group, value, scheduler->last_step);
    } else {
        mm_log(MM_LOG_INFO, "Adjusting parameter value of group %zu to %.4e.", group,
               value);
    }
}

/* Puts the new values. An equal one is not put: readers of the groups need not look
 * again, and an int stays an int. A judge's values only go down, by its least change.
 */
static mm_status apply_values(mm_param_scheduler *scheduler)
{
    const mm_param_scheduler_ops *ops = scheduler->ops;
    bool is_judged = ops->judge != NULL;
    double least =
        ops->least_change != NULL ? ops->least_change(scheduler->options) : 0.0;

    for (size_t i = 0; i < scheduler->num_groups; i++) {
        double value = scheduler->next_values[i];
        double current =
            mm_param_groups_f64(scheduler->groups, i, scheduler->param_name);
        bool is_change = is_judged ? current - value > least : current != value;

        if (is_change) {
            mm_param_groups_put_f64(scheduler->groups, i, scheduler->param_name, value);
        }
        if (is_change || !is_judged) {
            report_change(scheduler, i, value);
        }
    }
    return scheduler->uses_betas ? write_betas(scheduler) : mm_pending();
}

static bool is_in_range(const mm_param_scheduler *scheduler)
{
    double at = (double)scheduler->global_step;

    return scheduler->begin <= at && at < scheduler->end;
}

mm_status mm_param_scheduler_step(mm_param_scheduler *scheduler)
{
    if (mm_has_error()) {
        return mm_pending();
    }
    scheduler->global_step++;
    if (scheduler->ops->judge != NULL) {
        return MM_OK;
    }
    if (is_in_range(scheduler)) {
        scheduler->last_step++;
        if (compute_values(scheduler) < 0 || apply_values(scheduler) < 0) {
            return mm_pending();
        }
    }
    return remember_values(scheduler);
}

mm_status mm_param_scheduler_step_metrics(mm_param_scheduler *scheduler,
                                          const mm_value *metrics)
{
    bool applies = false;

    if (mm_has_error() || scheduler->ops->judge == NULL) {
        return mm_pending();
    }
    if (is_in_range(scheduler)) {
        scheduler->last_step++;
        if (scheduler->ops->judge(scheduler->options, metrics, &applies) < 0) {
            return mm_pending();
        }
        if (applies && (compute_values(scheduler) < 0 || apply_values(scheduler) < 0)) {
            return mm_pending();
        }
    }
    return remember_values(scheduler);
}

bool mm_param_scheduler_by_epoch(const mm_param_scheduler *scheduler)
{
    return scheduler->unit == MM_SCHEDULE_EPOCHS;
}

const char *mm_param_scheduler_type(const mm_param_scheduler *scheduler)
{
    return type_name(scheduler);
}

void mm_param_scheduler_range(const mm_param_scheduler *scheduler, double *out_begin,
                              double *out_end)
{
    *out_begin = scheduler->begin;
    *out_end = scheduler->end;
}

mm_schedule_unit mm_param_scheduler_unit(const mm_param_scheduler *scheduler)
{
    return scheduler->unit;
}

bool mm_param_scheduler_needs_metrics(const mm_param_scheduler *scheduler)
{
    return scheduler->ops->judge != NULL;
}

const char *mm_param_scheduler_monitor(const mm_param_scheduler *scheduler)
{
    return scheduler->ops->judge == NULL ? NULL
                                         : scheduler->ops->monitor(scheduler->options);
}

const char *mm_param_scheduler_param_name(const mm_param_scheduler *scheduler)
{
    return scheduler->param_name;
}

int64_t mm_param_scheduler_last_step(const mm_param_scheduler *scheduler)
{
    return scheduler->last_step;
}

mm_value *mm_param_scheduler_last_value(const mm_param_scheduler *scheduler)
{
    return mmi_f64s_new(scheduler->last_values, scheduler->num_groups);
}

static void put_position(const mm_param_scheduler *scheduler, mm_value *state)
{
    mm_dict_put_i64(state, "last_step", scheduler->last_step);
    mm_dict_put_i64(state, "_global_step", scheduler->global_step);
    mm_dict_put_bool(state, "verbose", scheduler->verbose);
}

static void put_range(const mm_param_scheduler *scheduler, mm_value *state)
{
    mm_dict_put_str(state, "param_name", scheduler->param_name);
    mmi_put_number(state, "begin", scheduler->begin);
    mmi_put_number(state, "end", scheduler->end);
    mm_dict_put_bool(state, "by_epoch", scheduler->unit == MM_SCHEDULE_EPOCHS);
}

static void put_own(const mm_param_scheduler *scheduler, mm_value *state)
{
    if (scheduler->ops->save_state != NULL && !mm_has_error()) {
        scheduler->ops->save_state(scheduler->options, state);
    }
}

/* Keys in the order of the attributes of MMEngine's objects. */
mm_value *mm_param_scheduler_state_dict(const mm_param_scheduler *scheduler)
{
    mm_value *state = mm_value_new_dict();

    if (scheduler->ops->target == MM_SCHEDULE_MOMENTUM) {
        mm_dict_put_bool(state, "use_betas", scheduler->uses_betas);
    }
    if (scheduler->ops->judge != NULL) {
        put_range(scheduler, state);
        put_position(scheduler, state);
        put_own(scheduler, state);
    } else {
        put_own(scheduler, state);
        put_range(scheduler, state);
        mm_dict_take(state, "base_values",
                     mmi_f64s_new(scheduler->base_values, scheduler->num_groups));
        put_position(scheduler, state);
    }
    mm_dict_take(state, "_last_value", mm_param_scheduler_last_value(scheduler));
    if (scheduler->unit == MM_SCHEDULE_OPTIMIZER_STEPS) { /* ours */
        mm_dict_put_str(state, "count", "optimizer_steps");
    }
    if (mm_has_error()) {
        mm_value_unref(state);
        return NULL;
    }
    return state;
}

static mm_status check_groups(const mm_param_scheduler *scheduler,
                              const mm_value *state)
{
    const mm_value *values = mm_dict_find(state, "_last_value");
    size_t count = values != NULL ? mm_value_len(values) : scheduler->num_groups;

    if (count != scheduler->num_groups && !mm_has_error()) {
        return mm_raise(MM_EDATA,
                        "cannot load the state of %s: it has %zu parameter groups, "
                        "the optimizer has %zu",
                        type_name(scheduler), count, scheduler->num_groups);
    }
    return mm_pending();
}

static void load_position(mm_param_scheduler *scheduler, const mm_value *state)
{
    mmi_read_i64(state, "last_step", &scheduler->last_step);
    mmi_read_i64(state, "_global_step", &scheduler->global_step);
    mmi_read_f64s(state, "_last_value", scheduler->last_values, scheduler->num_groups);
}

/* Files of MMEngine's do not say what they count: iterations. */
static void load_unit(mm_param_scheduler *scheduler, const mm_value *state)
{
    bool by_epoch = scheduler->unit == MM_SCHEDULE_EPOCHS;
    const mm_value *count = mm_dict_find(state, "count");

    mmi_read_bool(state, "by_epoch", &by_epoch);
    if (by_epoch) {
        scheduler->unit = MM_SCHEDULE_EPOCHS;
    } else {
        scheduler->unit =
            count != NULL && strcmp(mm_value_str(count), "optimizer_steps") == 0
                ? MM_SCHEDULE_OPTIMIZER_STEPS
                : MM_SCHEDULE_ITERATIONS;
    }
}

static void load_options(mm_param_scheduler *scheduler, const mm_value *state)
{
    const mm_value *name = mm_dict_find(state, "param_name");

    mmi_read_f64(state, "begin", &scheduler->begin);
    mmi_read_f64(state, "end", &scheduler->end);
    load_unit(scheduler, state);
    mmi_read_bool(state, "verbose", &scheduler->verbose);
    mmi_read_bool(state, "use_betas", &scheduler->uses_betas);
    mmi_read_f64s(state, "base_values", scheduler->base_values, scheduler->num_groups);
    if (name != NULL && strcmp(mm_value_str(name), scheduler->param_name) != 0) {
        mm_free(scheduler->param_name);
        scheduler->param_name = mm_strdup(mm_value_str(name));
    }
    scheduler->options->begin = scheduler->begin;
    scheduler->options->end = (mm_maybe_f64){true, scheduler->end};
}

mm_status mm_param_scheduler_load_state_dict(mm_param_scheduler *scheduler,
                                             const mm_value *state_dict,
                                             mm_schedule_load what)
{
    if (mm_has_error()) {
        return mm_pending();
    }
    if (mm_value_kind(state_dict) != MM_KIND_DICT) {
        return mm_raise(MM_EDATA, "cannot load the state of %s: it is %s, not a dict",
                        type_name(scheduler), mm_value_type_name(state_dict));
    }
    if (check_groups(scheduler, state_dict) < 0) {
        return mm_pending();
    }
    load_position(scheduler, state_dict);
    if (what == MM_SCHEDULE_LOAD_ALL) {
        load_options(scheduler, state_dict);
    }
    if (scheduler->ops->load_state != NULL && !mm_has_error()) {
        scheduler->ops->load_state(scheduler->options, state_dict, what);
    }
    if (mm_has_error()) {
        mm_error_frame("while loading the state of %s", type_name(scheduler));
    }
    return mm_pending();
}
