/* The validation and test loops: batches of one or several data sets through the model
 * into metrics, with recording of gradients off. Source: mmengine/runner/loops.py. */
#include <string.h>

#include "runner/internal.h"

struct eval_loop {
    bool fp16;
    mm_value *intervals; /* name of a data set -> its own interval */
};

#define MM_OPT_STRUCT struct eval_loop
static const mm_option val_options[] = {
    {"fp16", "run the model in mixed precision", MM_OPT_BOOL(fp16, false)},
    {"intervals",
     "for several data sets: name -> interval of its own, in the units of "
     "val_interval",
     MM_OPT_VALUE(intervals)},
    {0},
};

static const mm_option test_options[] = {
    {"fp16", "run the model in mixed precision", MM_OPT_BOOL(fp16, false)},
    {0},
};
#undef MM_OPT_STRUCT

/* The stages of one mode. */
typedef struct eval_stages {
    mmi_stage_id before, before_epoch, before_iter, after_iter, after_epoch, after;
} eval_stages;

static const eval_stages val_stages = {
    MMI_BEFORE_VAL,     MMI_BEFORE_VAL_EPOCH, MMI_BEFORE_VAL_ITER,
    MMI_AFTER_VAL_ITER, MMI_AFTER_VAL_EPOCH,  MMI_AFTER_VAL,
};

static const eval_stages test_stages = {
    MMI_BEFORE_TEST,     MMI_BEFORE_TEST_EPOCH, MMI_BEFORE_TEST_ITER,
    MMI_AFTER_TEST_ITER, MMI_AFTER_TEST_EPOCH,  MMI_AFTER_TEST,
};

/* One evaluation under way. */
typedef struct evaluation {
    mm_runner *runner;
    mm_mode mode;
    const eval_stages *stages;
    mm_value *losses; /* name -> list of numbers, of models that give them */
} evaluation;

/* The dict of losses that a model may put behind its predictions: a last element whose
 * only field is `loss`. NULL if there is none. */
static mm_value *losses_of(const mm_value *outputs)
{
    size_t count = mm_value_kind(outputs) == MM_KIND_LIST ? mm_value_len(outputs) : 0;
    mm_data_element *last =
        count == 0 ? NULL : mm_value_find_data_element(mm_list_get(outputs, count - 1));
    mm_value *fields = last == NULL ? NULL : mm_data_element_fields(last);

    return fields == NULL || mm_value_len(fields) != 1 ? NULL
                                                       : mm_dict_find(fields, "loss");
}

static void add_loss(mm_value *losses, const char *name, const mm_value *value)
{
    double number = mm_value_f64(value);

    if (!mm_dict_has(losses, name))
        mm_dict_take(losses, name, mm_value_new_list());
    if (!mm_has_error())
        mm_list_push(mm_dict_get(losses, name), mm_value_new_f64(number));
}

/* Keeps the losses of one batch and takes them off its predictions. */
static mm_status keep_losses(evaluation *self, mm_value *outputs)
{
    mm_value *given = losses_of(outputs);

    for (size_t i = 0; given != NULL && i < mm_value_len(given) && !mm_has_error();
         i++) {
        const char *name = mm_dict_name_at(given, i);
        mm_value *value = mm_dict_at(given, i);

        if (mm_value_kind(value) != MM_KIND_LIST)
            add_loss(self->losses, name, value);
        for (size_t j = 0; mm_value_kind(value) == MM_KIND_LIST && !mm_has_error() &&
                           j < mm_value_len(value);
             j++)
            add_loss(self->losses, name, mm_list_get(value, j));
    }
    if (given != NULL && !mm_has_error())
        mm_list_remove(outputs, mm_value_len(outputs) - 1);
    return mm_pending();
}

/* The means of the losses and "<mode>_loss", the sum of those called a loss. */
static void put_losses(const evaluation *self, mm_value *metrics)
{
    double sum = 0.0;
    char name[16];

    for (size_t i = 0; i < mm_value_len(self->losses) && !mm_has_error(); i++) {
        const char *key = mm_dict_name_at(self->losses, i);
        const mm_value *row = mm_dict_at(self->losses, i);
        mm_history *history = mm_history_new(mm_value_len(row));

        for (size_t j = 0; j < mm_value_len(row) && !mm_has_error(); j++)
            mm_history_update(history, mm_value_f64(mm_list_get(row, j)), 1);
        double mean = mm_has_error() ? 0.0 : mm_history_mean(history, MM_WINDOW_ALL);

        mm_history_free(history);
        mm_dict_put_f64(metrics, key, mean);
        if (strstr(key, "loss") != NULL)
            sum += mean;
    }
    (void)snprintf(name, sizeof(name), "%s_loss", mmi_mode_name(self->mode));
    if (mm_value_len(self->losses) > 0)
        mm_dict_put_f64(metrics, name, sum);
}

static mm_status eval_iter(evaluation *self, int64_t batch_idx,
                           MM_TAKES mm_value *batch)
{
    mm_runner *runner = self->runner;
    mm_evaluator *evaluator = mm_runner_evaluator(runner, self->mode);
    mm_scope scope = mm_scope_open();
    mm_iter iter = {.batch_idx = batch_idx, .batch = batch};

    if (mmi_call_iter(runner, self->stages->before_iter, &iter) == MM_OK)
        iter.outputs = self->mode == MM_MODE_TEST
                           ? mm_model_test_step(runner->model, batch)
                           : mm_model_val_step(runner->model, batch);
    if (iter.outputs != NULL && keep_losses(self, iter.outputs) == MM_OK &&
        mm_evaluator_process(evaluator, iter.outputs, batch) == MM_OK)
        (void)mmi_call_iter(runner, self->stages->after_iter, &iter);
    mm_scope_close(scope);
    mm_value_unref(batch);
    if (mm_has_error())
        return mm_error_frame("in %s iteration %lld", mmi_mode_name(self->mode),
                              (long long)batch_idx + 1);
    mmi_show_progress(runner, self->mode, batch_idx);
    return MM_OK;
}

/* All batches; requests are looked at, so that Ctrl-C is honoured here too. */
static mm_status eval_batches(evaluation *self)
{
    mm_runner *runner = self->runner;
    mm_loader *loader = mm_runner_loader(runner, self->mode);
    mm_status status = mm_loader_begin(loader, 0);
    int64_t batch_idx = 0;

    while (status == MM_OK) {
        mm_value *batch = NULL;

        status = mm_loader_next(loader, &batch);
        if (status == MM_OK)
            status = eval_iter(self, batch_idx++, batch);
        if (status == MM_OK && (atomic_load(&runner->requests) & MM_REQUEST_STOP) != 0)
            return MM_STOP;
    }
    return status == MM_END ? MM_OK : status;
}

/* The current data set, with recording off. */
static mm_status eval_set(evaluation *self, const struct eval_loop *loop)
{
    mm_autocast before = {0};
    bool is_cuda = strncmp(self->runner->device, "cuda", 4) == 0;
    bool recording = mm_grad_mode_set(false);
    mm_status status = MM_OK;

    if (loop->fp16)
        status =
            mm_autocast_enter(is_cuda ? "cuda" : "cpu", MM_DTYPE_NONE, true, &before);
    if (status == MM_OK)
        status = eval_batches(self);
    if (before.active)
        mm_autocast_exit(&before);
    (void)mm_grad_mode_set(recording);
    return status;
}

/* Puts the metrics of the current data set, "<name>/" before them if it has one. */
static mm_status put_metrics(const evaluation *self, mm_value *out)
{
    const mmi_data_set *set = mmi_set_current(self->runner, self->mode);
    mm_value *metrics = mm_evaluator_evaluate(
        set->evaluator, mm_dataset_len(mm_loader_dataset(set->loader)));

    if (metrics != NULL)
        put_losses(self, metrics);
    for (size_t i = 0; metrics != NULL && i < mm_value_len(metrics) && !mm_has_error();
         i++) {
        const char *name = mm_dict_name_at(metrics, i);
        char *full =
            set->name == NULL ? mm_strdup(name) : mm_strfmt("%s/%s", set->name, name);

        if (full != NULL)
            mm_dict_put(out, full, mm_dict_at(metrics, i));
        mm_free(full);
    }
    mm_value_unref(metrics);
    return mm_pending();
}

/* Every data set that is due, into one dict of metrics. */
static mm_status eval_sets(evaluation *self, const struct eval_loop *loop,
                           mm_value *metrics)
{
    mm_status status = MM_OK;

    for (size_t i = 0; status == MM_OK && mmi_set_choose(self->runner, self->mode, i);
         i++) {
        self->losses = mm_value_new_dict();
        status = mm_has_error() ? mm_pending() : eval_set(self, loop);
        if (status == MM_OK)
            status = put_metrics(self, metrics);
        mm_value_unref(self->losses);
    }
    return status;
}

/* A stop asked for during validation: training is saved as it stood before it. */
static mm_status stopped_in_evaluation(mm_runner *runner, mm_mode mode)
{
    unsigned requests = atomic_exchange(&runner->requests, 0);

    if (mode == MM_MODE_VAL && runner->before_val != NULL && requests != 0)
        (void)mmi_save_on_request(runner);
    runner->exit_flow = MM_STOP;
    return mm_has_error() ? mm_pending() : MM_STOP;
}

static mm_status finish(const evaluation *self, mm_value *metrics)
{
    mm_runner *runner = self->runner;

    if (self->mode == MM_MODE_VAL) {
        runner->at.place = MMI_PLACE_AFTER_VAL;
        mm_value_unref(runner->before_val);
        runner->before_val = NULL;
    }
    mm_value_unref(runner->metrics);
    runner->metrics = mm_value_ref(metrics);
    if (mmi_call_value(runner, self->stages->after_epoch, metrics) < 0)
        return mm_pending();
    return mmi_call_stage(runner, self->stages->after);
}

static mm_status eval_run(const struct eval_loop *loop, mm_runner *runner, mm_mode mode)
{
    evaluation self = {
        .runner = runner,
        .mode = mode,
        .stages = mode == MM_MODE_VAL ? &val_stages : &test_stages,
    };

    if (mm_optim_wrapper_set_training(runner->optim_wrapper, false) < 0 ||
        mmi_call_stage(runner, self.stages->before) < 0 ||
        mmi_call_stage(runner, self.stages->before_epoch) < 0 ||
        mm_module_train(runner->model, false) < 0)
        return mm_pending();
    mm_value *metrics = mm_value_new_dict();
    mm_status status = eval_sets(&self, loop, metrics);

    if (status == MM_STOP)
        status = stopped_in_evaluation(runner, mode);
    else if (status == MM_OK)
        status = finish(&self, metrics);
    mm_value_unref(metrics);
    return status;
}

static mm_status val_run(void *self, mm_runner *runner)
{
    return eval_run(self, runner, MM_MODE_VAL);
}

static mm_status test_run(void *self, mm_runner *runner)
{
    return eval_run(self, runner, MM_MODE_TEST);
}

mm_status mmi_run_evaluation(mm_runner *runner, mm_mode mode)
{
    if (mmi_loop_build(runner, mode) < 0)
        return mm_pending();
    mm_status status = mmi_loop_run(runner, mode);

    runner->last_iter_ns = 0; /* the next iteration's time is not this loop's */
    return status;
}

static mm_status val_start(void *self, mm_runner *runner)
{
    const struct eval_loop *loop = self;

    return mmi_sets_build(runner, MM_MODE_VAL, loop->intervals);
}

static mm_status test_start(void *self, mm_runner *runner)
{
    (void)self;
    return mmi_sets_build(runner, MM_MODE_TEST, NULL);
}

static const mm_loop_ops val_ops = {.start = val_start, .run = val_run};
static const mm_loop_ops test_ops = {.start = test_start, .run = test_run};

const mm_component mmi_val_loop = {
    .registry = "loops",
    .name = "ValLoop",
    .help = "runs the model over the validation data and evaluates it",
    .source = "mmengine/runner/loops.py",
    .size = sizeof(struct eval_loop),
    .options = val_options,
    MM_LOOP(&val_ops),
};

const mm_component mmi_test_loop = {
    .registry = "loops",
    .name = "TestLoop",
    .help = "runs the model over the test data and evaluates it",
    .source = "mmengine/runner/loops.py",
    .size = sizeof(struct eval_loop),
    .options = test_options,
    MM_LOOP(&test_ops),
};
