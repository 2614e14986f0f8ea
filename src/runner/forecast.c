/* A forecast from a config: how long the run is, which groups its optimizers have,
 * which schedules drive them. Nothing is built that the question does not need: data
 * only for the length of an epoch, the model only for groups that follow from it. */
#include "runner/forecast.h"

#include <math.h>
#include <string.h>

/* ---- the config ---- */

static bool is_list(const mm_value *value)
{
    mm_kind kind = mm_value_kind(value);

    return kind == MM_KIND_LIST || kind == MM_KIND_TUPLE;
}

bool mmi_any_schedule(const mm_value *config, bool (*test)(const mm_value *one))
{
    if (config == NULL)
        return false;
    if (mm_value_kind(config) == MM_KIND_DICT && mm_dict_has(config, "type"))
        return test(config);
    for (size_t i = 0; i < mm_value_len(config); i++) {
        const mm_value *item = mm_value_kind(config) == MM_KIND_DICT
                                   ? mm_dict_at(config, i)
                                   : mm_list_get(config, i);
        bool is_inner = is_list(item) || mm_value_kind(item) == MM_KIND_DICT;

        if (is_inner && mmi_any_schedule(item, test))
            return true;
    }
    return false;
}

static bool is_converted(const mm_value *one)
{
    return mm_value_is_true(mm_dict_find(one, "convert_to_iter_based"));
}

static bool counts_iterations(const mm_value *one)
{
    const mm_value *by_epoch = mm_dict_find(one, "by_epoch");

    return is_converted(one) || (by_epoch != NULL && !mm_value_is_true(by_epoch));
}

bool mmi_has_values_by_group(const mm_value *one)
{
    return is_list(mm_dict_find(one, "eta_max")) ||
           is_list(mm_dict_find(one, "min_value"));
}

static mm_status read_length(mm_runner *runner, const char *key, int64_t *out)
{
    const mm_value *train = mmi_section(runner, "train_cfg");
    const mm_value *value = mm_dict_find(train, key);

    if (value == NULL)
        return MM_OK;
    *out = mm_value_i64(value);
    if (!mm_has_error() && *out < 1)
        (void)mm_raise(MM_ECONFIG, "train_cfg.%s is %lld: it must be at least 1", key,
                       (long long)*out);
    return mm_error_locate(mm_dict_source(train, key));
}

mm_status mmi_read_lengths(mm_runner *runner)
{
    const mm_value *train = mmi_section(runner, "train_cfg");
    mmi_counters *at = &runner->at;

    if (train == NULL)
        return mm_raise(MM_ECONFIG, "the config trains nothing: it has no train_cfg");
    if (mm_value_kind(train) != MM_KIND_DICT) {
        (void)mm_raise(MM_ECONFIG, "train_cfg is %s: a dict is needed",
                       mm_value_type_name(train));
        return mm_error_locate(mm_dict_source(runner->root, "train_cfg"));
    }
    if (read_length(runner, "max_epochs", &at->max_epochs) < 0 ||
        read_length(runner, "max_iters", &at->max_iters) < 0)
        return mm_pending();
    const mm_value *by_epoch = mm_dict_find(train, "by_epoch");

    at->by_epoch =
        at->max_epochs > 0 && (at->max_iters == 0 || mm_value_is_true(by_epoch));
    if (at->max_epochs == 0 && at->max_iters == 0) {
        (void)mm_raise(MM_ECONFIG, "train_cfg has neither max_epochs nor max_iters");
        return mm_error_locate(mm_dict_source(runner->root, "train_cfg"));
    }
    return MM_OK;
}

/* ---- the data ---- */

static mm_status ask_data(mm_runner *runner, int64_t *out)
{
    mm_value *config = mmi_section(runner, "train_dataloader");
    mm_loader *loader = NULL;

    if (config == NULL)
        (void)mm_raise(MM_ECONFIG, "the config has no train_dataloader");
    else
        loader = mm_loader_build(config, runner->scope, "train_dataloader", 0, 0, 1);
    if (loader != NULL)
        *out = mm_loader_len(loader);
    mm_loader_free(loader);
    mm_error error;

    if (mm_error_take(&error) >= 0)
        return MM_OK;
    /* The hint of what failed would lead away from the question. */
    (void)mm_raise(error.code, "%s", error.message);
    (void)mm_error_frame("while asking the data for the length of an epoch");
    return mm_error_hint("a schedule counts iterations: --epoch-length N says how many "
                         "there are in an epoch, without the data");
}

static mm_status measure(mm_forecast *out, mm_runner *runner, int64_t epoch_length)
{
    const mm_value *schedules = mmi_section(runner, "param_scheduler");
    mmi_counters *at = &runner->at;

    out->epoch_length = epoch_length;
    if (epoch_length == 0 &&
        mmi_any_schedule(schedules, at->by_epoch ? counts_iterations : is_converted) &&
        ask_data(runner, &out->epoch_length) < 0)
        return mm_pending();
    if (at->by_epoch)
        at->max_iters = at->max_epochs * out->epoch_length;
    else
        at->max_epochs = 1; /* as MMEngine has it */
    out->is_by_epoch = at->by_epoch && out->epoch_length == 0;
    out->max_epochs = at->by_epoch ? at->max_epochs : 0;
    out->length = out->is_by_epoch ? at->max_epochs : at->max_iters;
    return MM_OK;
}

static int64_t batch_size(const mm_runner *runner)
{
    const mm_value *config = mmi_section(runner, "train_dataloader");
    const mm_value *size = mm_value_kind(config) == MM_KIND_DICT
                               ? mm_dict_find(config, "batch_size")
                               : NULL;

    return mm_value_kind(size) == MM_KIND_I64 ? mm_value_i64(size) : 0;
}

/* ---- the optimizers ---- */

/* A copy that lives as long as the forecast; NULL for NULL. */
static char *keep(mmi_forecast *self, const char *text)
{
    char *copy = text != NULL ? mm_strdup(text) : NULL;

    if (copy != NULL && !mmi_vec_push(&self->texts, copy)) {
        mm_free(copy);
        return NULL;
    }
    return copy;
}

struct gathering {
    mmi_forecast *self;
    mm_runner *runner;
    bool is_apart;
    MMI_VEC(mmi_driven) driven;
};

static mm_status gather(void *user, const mm_optim_plan *plan)
{
    struct gathering *to = user;
    mm_optim_plan named = *plan;

    named.name = keep(to->self, plan->name);
    mm_param_groups *groups = mmi_forecast_add(to->self, &named, to->is_apart);

    if (groups != NULL &&
        !mmi_vec_push(&to->driven, (mmi_driven){
                                       .name = named.name,
                                       .groups = groups,
                                       .accumulation = plan->accumulative_counts,
                                   }))
        mm_param_groups_unref(groups);
    return mm_pending();
}

static mm_status scale_lr(mmi_forecast *self, const mm_runner *runner)
{
    mm_forecast *out = &self->out;
    mmi_lr_scale scale;

    out->batch_size = batch_size(runner);
    if (mmi_lr_scale_read(runner, out->batch_size, out->accumulation, &scale) < 0)
        return mm_pending();
    out->is_scaled = scale.is_on;
    out->lr_scale = scale.ratio;
    out->base_batch_size = scale.is_on ? scale.base : 0.0;
    out->scaled_batch_size = scale.is_on ? (double)scale.batch : 0.0;
    if (scale.is_on && out->batch_size == 0)
        return mm_raise(MM_ECONFIG,
                        "auto_scale_lr: train_dataloader says no batch_size");
    for (size_t i = 0; scale.is_on && i < self->items.count && !mm_has_error(); i++) {
        const mmi_forecast_group *item = &self->items.data[i];

        if (!item->is_base)
            (void)mm_param_groups_put_f64(
                item->groups, item->group, "lr",
                mm_param_groups_f64(item->groups, item->group, "lr") * scale.ratio);
    }
    return mm_pending();
}

/* The model for its parameters alone. Its train_cfg has none, but may name what is not
 * built here. */
static mm_status build_model(mm_runner *runner)
{
    mm_value *model = mmi_section(runner, "model");
    bool has_train_cfg = mm_value_kind(model) == MM_KIND_DICT &&
                         !mm_value_is_none(mm_dict_find(model, "train_cfg"));
    mm_value *root = has_train_cfg ? mm_value_copy(runner->root) : NULL;
    mm_value *whole = runner->root;

    if (root != NULL) {
        mm_value *bare = mm_value_copy(model);

        mm_dict_remove(bare, "train_cfg");
        mm_dict_take(root, "model", bare);
        runner->root = root;
    }
    if (mmi_check_model(runner) >= 0)
        (void)mmi_build_model(runner);
    runner->root = whole;
    mm_value_unref(root);
    return mm_pending();
}

static mm_status build_groups(struct gathering *to)
{
    mm_runner *runner = to->runner;
    mm_value *config = mm_runner_optim_config(runner);

    if (config == NULL)
        return mm_raise(MM_ECONFIG, "the config trains nothing: it has no "
                                    "optim_wrapper");
    if (mm_optim_wrapper_check(config, runner->scope, "optim_wrapper") < 0)
        return mm_pending();
    if (mm_optim_plan_needs_model(config, runner->scope) && !mm_has_error() &&
        build_model(runner) == MM_EUNSUPPORTED) {
        to->self->out.lacks_groups = true;
        (void)mm_error_take(NULL);
    }
    if (mm_has_error())
        return mm_pending();
    return mm_optim_plan_each(config, runner->scope, runner->model, to, gather);
}

/* ---- the rules ---- */

/* Where a step of a schedule lies in the run. A loop of iterations has no epochs. */
static int64_t position(const mm_forecast *out, const mm_runner *runner,
                        const mmi_scheduler *item, double step)
{
    mm_schedule_unit unit = mm_param_scheduler_unit(item->scheduler);
    double at = ceil(step);

    if (unit == MM_SCHEDULE_EPOCHS && !out->is_by_epoch)
        at = runner->at.by_epoch ? at * (double)out->epoch_length
             : at <= 0.0         ? 0.0
                                 : (double)out->length;
    if (unit == MM_SCHEDULE_OPTIMIZER_STEPS && item->accumulation > 1)
        at *= (double)item->accumulation;
    return at <= 0.0 ? 0 : at >= (double)out->length ? out->length : (int64_t)at;
}

static mm_status list_rules(mmi_forecast *self, const mm_runner *runner)
{
    mm_forecast *out = &self->out;
    size_t count = runner->num_schedulers;

    self->rules = mm_alloc_array(count + 1, sizeof(*self->rules));
    for (size_t i = 0; i < count && !mm_has_error(); i++) {
        const mmi_scheduler *item = &runner->schedulers[i];
        const char *monitor = mm_param_scheduler_monitor(item->scheduler);
        double begin = 0.0;
        double end = 0.0;

        mm_param_scheduler_range(item->scheduler, &begin, &end);
        self->rules[i] = (mm_forecast_rule){
            .optimizer = item->optimizer,
            .type = mm_param_scheduler_type(item->scheduler),
            .option = keep(self, mm_param_scheduler_param_name(item->scheduler)),
            .monitor = keep(self, monitor),
            .unit = mm_param_scheduler_unit(item->scheduler),
            .begin = position(out, runner, item, begin),
            .end = position(out, runner, item, end),
        };
    }
    out->rules = self->rules;
    out->num_rules = count;
    return mm_pending();
}

/* ---- the whole ---- */

static mm_status compute(struct gathering *to, const mm_forecast_args *args)
{
    mmi_forecast *self = to->self;
    mm_runner *runner = to->runner;
    const mm_value *schedules = mmi_section(runner, "param_scheduler");

    to->is_apart = mmi_any_schedule(schedules, mmi_has_values_by_group);
    if (mmi_read_lengths(runner) < 0 || mmi_strategy_check(runner) < 0 ||
        (schedules != NULL &&
         mmi_check_schedulers(runner, mmi_section(runner, "param_scheduler"),
                              "param_scheduler") < 0) ||
        measure(&self->out, runner, args->epoch_length) < 0 || build_groups(to) < 0)
        return mm_pending();
    self->out.accumulation = to->driven.count > 0 ? to->driven.data[0].accumulation : 1;
    if (scale_lr(self, runner) < 0 ||
        mmi_schedulers_add(runner, to->driven.data, to->driven.count,
                           self->out.epoch_length) < 0 ||
        list_rules(self, runner) < 0 || mmi_forecast_run(self, runner) < 0)
        return mm_pending();
    return mmi_forecast_fold(self);
}

static mm_runner *new_runner(mm_config *config)
{
    mm_runner *runner = mm_alloc(sizeof(*runner));

    if (runner == NULL)
        return NULL;
    runner->config = config;
    runner->root = mm_config_root(config);
    const mm_value *scope = mmi_section(runner, "default_scope");

    runner->scope = scope == NULL ? "mmengine" : mm_value_str(scope);
    memcpy(runner->device, "cpu", sizeof("cpu"));
    return runner;
}

mm_forecast *mm_forecast_new(mm_config *config, const mm_forecast_args *args)
{
    const mm_forecast_args defaults = {0};

    if (mm_has_error())
        return NULL;
    mmi_forecast *self = mm_alloc(sizeof(*self));
    mm_runner *runner = self != NULL ? new_runner(config) : NULL;
    struct gathering to = {.self = self, .runner = runner};

    if (runner != NULL && !mm_has_error())
        (void)compute(&to, args != NULL ? args : &defaults);
    for (size_t i = 0; i < to.driven.count; i++)
        mm_param_groups_unref(to.driven.data[i].groups);
    mmi_vec_deinit(&to.driven);
    if (runner != NULL)
        mmi_build_free(runner);
    mm_free(runner);
    if (mm_has_error() && self != NULL) {
        mm_forecast_free(&self->out);
        return NULL;
    }
    return self != NULL ? &self->out : NULL;
}

void mm_forecast_free(mm_forecast *forecast)
{
    mmi_forecast *self = (mmi_forecast *)forecast; /* its first member */

    if (self == NULL)
        return;
    for (size_t i = 0; i < self->items.count; i++) {
        mmi_forecast_group *item = &self->items.data[i];

        for (size_t k = 0; k < item->params.count; k++)
            mm_free(item->params.data[k]);
        for (size_t k = 0; k < MMI_MAX_CURVES; k++)
            mmi_vec_deinit(&item->points[k]);
        mmi_vec_deinit(&item->params);
        mmi_vec_deinit(&item->curves);
        mm_param_groups_unref(item->groups);
    }
    mmi_vec_deinit(&self->items);
    for (size_t i = 0; i < self->texts.count; i++)
        mm_free(self->texts.data[i]);
    mmi_vec_deinit(&self->texts);
    mm_free(self->rules);
    mm_free(self->groups);
    mm_free(self);
}
