/* The loops: epoch-based and iteration-based training, validation, testing.
 *
 * Counters live in the runner (mmi_counters) and are changed here alone. Every
 * iteration has a scope of its own, so what it made is gone when it ends. A request to
 * stop is honoured after the iteration in which it arrives. Source:
 * mmengine/runner/loops.py. */
#include <math.h>
#include <string.h>

#include "registry/audit.h"
#include "runner/internal.h"

/* Options of both training loops. */
struct train_loop {
    int64_t max_epochs, max_iters;
    int64_t val_begin, val_interval;
    mm_value *dynamic_intervals;
    mm_value *by_epoch; /* accepted: it chose this loop */
};

struct eval_loop {
    bool fp16;
};

#define MM_OPT_STRUCT struct train_loop
static const mm_option epoch_options[] = {
    {"max_epochs", "epochs to train", MM_OPT_I64_REQUIRED(max_epochs, 1, INT64_MAX)},
    {"val_begin", "first epoch that may be validated",
     MM_OPT_I64(val_begin, 1, 0, INT64_MAX)},
    {"val_interval", "epochs between validations",
     MM_OPT_I64(val_interval, 1, 1, INT64_MAX)},
    {"dynamic_intervals", "list of (milestone, interval) in epochs",
     MM_OPT_VALUE(dynamic_intervals)},
    {"by_epoch", "chooses this loop", MM_OPT_VALUE(by_epoch)},
    {0},
};

static const mm_option iter_options[] = {
    {"max_iters", "iterations to train", MM_OPT_I64_REQUIRED(max_iters, 1, INT64_MAX)},
    {"val_begin", "first iteration that may be validated",
     MM_OPT_I64(val_begin, 1, 0, INT64_MAX)},
    {"val_interval", "iterations between validations",
     MM_OPT_I64(val_interval, 1000, 1, INT64_MAX)},
    {"dynamic_intervals", "list of (milestone, interval) in iterations",
     MM_OPT_VALUE(dynamic_intervals)},
    {"by_epoch", "chooses this loop", MM_OPT_VALUE(by_epoch)},
    {0},
};
#undef MM_OPT_STRUCT

#define MM_OPT_STRUCT struct eval_loop
static const mm_option eval_options[] = {
    {"fp16", "run the model in mixed precision", MM_OPT_BOOL(fp16, false)},
    {0},
};
#undef MM_OPT_STRUCT

/* Progress display. */

static void show_progress(mm_runner *runner, mm_mode mode, int64_t batch_idx)
{
    int64_t now = mmi_clock_ns();
    double seconds = (double)(now - runner->last_iter_ns) * 1e-9;
    const mmi_counters *at = &runner->at;
    mm_loader *loader = runner->loaders[mode];
    bool epochs = mode == MM_MODE_TRAIN && at->by_epoch;

    if (runner->last_iter_ns != 0)
        runner->iter_seconds += (seconds - runner->iter_seconds) *
                                (runner->iter_seconds == 0.0 ? 1.0 : 0.1);
    runner->last_iter_ns = now;
    if (runner->show == NULL)
        return;
    mm_progress progress = {
        .mode = mode,
        .epoch = epochs ? at->epoch + 1 : 0,
        .max_epochs = epochs ? at->max_epochs : 0,
        .iter = batch_idx + 1,
        .max_iters = mode == MM_MODE_TRAIN && !at->by_epoch ? at->max_iters
                                                            : mm_loader_len(loader),
        .iter_seconds = runner->iter_seconds,
    };

    if (mode == MM_MODE_TRAIN)
        progress.eta_seconds =
            runner->iter_seconds * (double)(at->max_iters - at->iter - 1);
    else
        progress.eta_seconds =
            runner->iter_seconds * (double)(progress.max_iters - progress.iter);
    if (runner->iter_seconds > 0.0)
        progress.images_per_second =
            (double)mm_loader_batch_size(loader) / runner->iter_seconds;
    runner->show(runner->show_user, &progress);
}

/* One training iteration. Takes the batch. */
static mm_status run_iter(mm_runner *runner, int64_t batch_idx,
                          MM_TAKES mm_value *batch)
{
    mm_scope scope = mm_scope_open();
    mm_iter iter = {.batch_idx = batch_idx, .batch = batch};

    if (mm_runner_choose_memory_format(runner, batch, runner->optim_wrapper) == MM_OK &&
        mmi_call_iter(runner, MMI_BEFORE_TRAIN_ITER, &iter) == MM_OK)
        iter.outputs = mm_model_train_step(runner->model, batch, runner->optim_wrapper);
    if (iter.outputs != NULL)
        (void)mmi_call_iter(runner, MMI_AFTER_TRAIN_ITER, &iter);
    mm_scope_close(scope);
    mm_value_unref(batch);
    if (mm_has_error())
        return mm_error_frame("in training iteration %lld",
                              (long long)runner->at.iter + 1);
    show_progress(runner, MM_MODE_TRAIN, batch_idx);
    runner->at.iter++;
    return MM_OK;
}

/* Honours requests of the host: saves, and says whether the loop must end. */
static bool must_stop(mm_runner *runner)
{
    unsigned requests = atomic_exchange(&runner->requests, 0);

    if (requests != 0)
        (void)mmi_save_on_request(runner);
    if ((requests & MM_REQUEST_STOP) != 0) {
        runner->exit_flow = MM_STOP;
        runner->at.stop_training = true;
    }
    return mm_has_error() || runner->at.stop_training;
}

/* The interval in force: the last milestone at or before `step` decides. */
static int64_t interval_at(const struct train_loop *loop, int64_t step)
{
    int64_t interval = loop->val_interval;
    size_t count =
        loop->dynamic_intervals == NULL ? 0 : mm_value_len(loop->dynamic_intervals);

    for (size_t i = 0; i < count && !mm_has_error(); i++) {
        mm_value *pair = mm_list_get(loop->dynamic_intervals, i);
        int64_t milestone = mm_value_i64(mm_list_get(pair, 0));

        if (milestone > step)
            break;
        interval = mm_value_i64(mm_list_get(pair, 1));
    }
    if (!mm_has_error() && interval < 1)
        (void)mm_raise(MM_ECONFIG, "a validation interval must be at least 1, not %lld",
                       (long long)interval);
    return mm_has_error() ? 1 : interval;
}

/* Validates if `done` finished units ask for it. */
static mm_status maybe_validate(mm_runner *runner, const struct train_loop *loop,
                                int64_t done, int64_t all)
{
    int64_t interval = interval_at(loop, done + 1);

    if (mm_has_error() || mmi_section(runner, "val_cfg") == NULL ||
        done < loop->val_begin)
        return mm_pending();
    if (done % interval != 0 && done != all)
        return MM_OK;
    return mmi_run_evaluation(runner, MM_MODE_VAL, NULL);
}

/* The batches of one epoch, from at.first_batch on. MM_STOP: ended in the middle. */
static mm_status run_batches(mm_runner *runner, mm_loader *loader)
{
    int64_t batch_idx = runner->at.first_batch;
    mm_status status = mm_loader_begin(loader, batch_idx);

    runner->at.first_batch = 0;
    runner->at.in_epoch = true;
    while (status == MM_OK) {
        mm_value *batch = NULL;

        status = mm_loader_next(loader, &batch);
        if (status != MM_OK)
            break;
        status = run_iter(runner, batch_idx++, batch);
        if (status == MM_OK && must_stop(runner))
            status = mm_has_error() ? mm_pending() : MM_STOP;
    }
    runner->at.in_epoch = false;
    return status;
}

static mm_status run_epoch(mm_runner *runner)
{
    mm_loader *loader = mm_runner_loader(runner, MM_MODE_TRAIN);

    if (mmi_call_stage(runner, MMI_BEFORE_TRAIN_EPOCH) < 0 ||
        mm_module_train(runner->model, true) < 0)
        return mm_pending();
    mm_status status = run_batches(runner, loader);

    if (status < 0)
        return mm_pending();
    if (runner->exit_flow == MM_STOP)
        return MM_STOP; /* the epoch is unfinished: its end is not announced */
    if (mmi_call_stage(runner, MMI_AFTER_TRAIN_EPOCH) < 0)
        return mm_pending();
    runner->at.epoch++;
    return MM_OK;
}

static mm_status epoch_based_run(void *self, mm_runner *runner)
{
    const struct train_loop *loop = self;
    mmi_counters *at = &runner->at;
    mm_status status = mmi_call_stage(runner, MMI_BEFORE_TRAIN);

    while (status == MM_OK && at->epoch < at->max_epochs && !at->stop_training) {
        status = run_epoch(runner);
        if (status == MM_OK)
            status = maybe_validate(runner, loop, at->epoch, at->max_epochs);
    }
    if (status < 0)
        return status;
    return mmi_call_stage(runner, MMI_AFTER_TRAIN);
}

/* The next batch of an endless loader: at the end of the data it begins again. */
static mm_status next_batch(mm_runner *runner, mm_loader *loader, mm_value **out)
{
    mm_status status = mm_loader_next(loader, out);

    if (status != MM_END)
        return status;
    mm_log(MM_LOG_WARN,
           "reached the end of the data, which begins again; an InfiniteSampler makes "
           "the data endless");
    runner->at.data_epoch++;
    if (mm_loader_set_epoch(loader, runner->at.data_epoch) < 0 ||
        mm_loader_begin(loader, 0) < 0)
        return mm_pending();
    return mm_loader_next(loader, out);
}

static mm_status run_one_iter(mm_runner *runner, mm_loader *loader)
{
    mm_value *batch = NULL;

    if (!mm_module_is_training(runner->model) &&
        mm_module_train(runner->model, true) < 0)
        return mm_pending();
    if (next_batch(runner, loader, &batch) < 0)
        return mm_pending();
    if (run_iter(runner, runner->at.iter, batch) < 0)
        return mm_pending();
    return must_stop(runner) ? mm_pending() : MM_OK;
}

static mm_status iter_based_run(void *self, mm_runner *runner)
{
    const struct train_loop *loop = self;
    mmi_counters *at = &runner->at;
    mm_loader *loader = mm_runner_loader(runner, MM_MODE_TRAIN);
    mm_status status = mmi_call_stage(runner, MMI_BEFORE_TRAIN);

    if (status == MM_OK)
        status = mmi_call_stage(runner, MMI_BEFORE_TRAIN_EPOCH);
    if (status == MM_OK && at->first_batch > 0) { /* resumed */
        status = mm_loader_set_epoch(loader, at->data_epoch);
        if (status == MM_OK)
            status = mm_loader_begin(loader, at->first_batch);
        at->first_batch = 0;
    }
    at->in_epoch = true;
    while (status == MM_OK && at->iter < at->max_iters && !at->stop_training) {
        status = run_one_iter(runner, loader);
        if (status == MM_OK && runner->exit_flow != MM_STOP)
            status = maybe_validate(runner, loop, at->iter, at->max_iters);
    }
    if (status == MM_OK)
        status = mmi_call_stage(runner, MMI_AFTER_TRAIN_EPOCH);
    return status < 0 ? status : mmi_call_stage(runner, MMI_AFTER_TRAIN);
}

/* Validation and test. */

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

static mm_status eval_iter(mm_runner *runner, mm_mode mode, const eval_stages *stages,
                           int64_t batch_idx, MM_TAKES mm_value *batch)
{
    mm_scope scope = mm_scope_open();
    mm_iter iter = {.batch_idx = batch_idx, .batch = batch};

    if (mmi_call_iter(runner, stages->before_iter, &iter) == MM_OK)
        iter.outputs = mm_model_val_step(runner->model, batch);
    if (iter.outputs != NULL &&
        mm_evaluator_process(runner->evaluators[mode], iter.outputs, batch) == MM_OK)
        (void)mmi_call_iter(runner, stages->after_iter, &iter);
    mm_scope_close(scope);
    mm_value_unref(batch);
    if (mm_has_error())
        return mm_error_frame("in %s iteration %lld", mmi_mode_name(mode),
                              (long long)batch_idx + 1);
    show_progress(runner, mode, batch_idx);
    return MM_OK;
}

/* All batches; requests are looked at, so that Ctrl-C is honoured here too. */
static mm_status eval_batches(mm_runner *runner, mm_mode mode,
                              const eval_stages *stages)
{
    mm_loader *loader = runner->loaders[mode];
    mm_status status = mm_loader_begin(loader, 0);
    int64_t batch_idx = 0;

    while (status == MM_OK) {
        mm_value *batch = NULL;

        status = mm_loader_next(loader, &batch);
        if (status == MM_OK)
            status = eval_iter(runner, mode, stages, batch_idx++, batch);
        if (status == MM_OK && (atomic_load(&runner->requests) & MM_REQUEST_STOP) != 0)
            return MM_STOP;
    }
    return status;
}

/* The loop proper, with recording off. */
static mm_status evaluate(mm_runner *runner, mm_mode mode, const struct eval_loop *loop,
                          const eval_stages *stages)
{
    mm_autocast before = {0};
    bool recording = mm_grad_mode_set(false);
    mm_status status = MM_OK;

    if (loop->fp16)
        status =
            mm_autocast_enter(strncmp(runner->device, "cuda", 4) == 0 ? "cuda" : "cpu",
                              MM_DTYPE_NONE, true, &before);
    if (status == MM_OK)
        status = eval_batches(runner, mode, stages);
    if (before.active)
        mm_autocast_exit(&before);
    (void)mm_grad_mode_set(recording);
    return status;
}

/* A stop asked for during validation: training is saved as it stood before it. */
static mm_status stopped_in_evaluation(mm_runner *runner, mm_mode mode)
{
    unsigned requests = atomic_exchange(&runner->requests, 0);

    if (mode == MM_MODE_VAL && runner->optim_wrapper != NULL && requests != 0)
        (void)mmi_save_on_request(runner);
    runner->exit_flow = MM_STOP;
    runner->at.stop_training = true;
    return mm_has_error() ? mm_pending() : MM_STOP;
}

static mm_status eval_run(void *self, mm_runner *runner, mm_mode mode)
{
    const eval_stages *stages = mode == MM_MODE_VAL ? &val_stages : &test_stages;
    mm_dataset *dataset = mm_loader_dataset(runner->loaders[mode]);

    if (mmi_call_stage(runner, stages->before) < 0 ||
        mmi_call_stage(runner, stages->before_epoch) < 0 ||
        mm_module_train(runner->model, false) < 0)
        return mm_pending();
    mm_status status = evaluate(runner, mode, self, stages);

    if (status < 0)
        return mm_pending();
    if (status == MM_STOP)
        return stopped_in_evaluation(runner, mode);
    mm_value *metrics =
        mm_evaluator_evaluate(runner->evaluators[mode], mm_dataset_len(dataset));

    if (metrics != NULL &&
        mmi_call_value(runner, stages->after_epoch, metrics) == MM_OK)
        (void)mmi_call_stage(runner, stages->after);
    mm_value_unref(runner->metrics);
    runner->metrics = metrics;
    return mm_pending();
}

static mm_status val_run(void *self, mm_runner *runner)
{
    return eval_run(self, runner, MM_MODE_VAL);
}

static mm_status test_run(void *self, mm_runner *runner)
{
    return eval_run(self, runner, MM_MODE_TEST);
}

mm_status mmi_run_evaluation(mm_runner *runner, mm_mode mode, mm_value **out_metrics)
{
    if (mmi_loop_build(runner, mode) < 0)
        return mm_pending();
    const mm_loop_ops *ops = mm_instance_ops(runner->loops[mode], MM_INTERFACE_LOOP);
    mm_status status = ops->run(mm_instance_self(runner->loops[mode]), runner);

    runner->last_iter_ns = 0; /* the next iteration's time is not this loop's */
    if (status == MM_OK && out_metrics != NULL)
        *out_metrics = mm_value_ref(runner->metrics);
    return status;
}

/* Building. */

static const char *loop_type(const mm_value *config, mm_mode mode)
{
    mm_value *by_epoch = mm_dict_find(config, "by_epoch");

    if (mode == MM_MODE_VAL)
        return "ValLoop";
    if (mode == MM_MODE_TEST)
        return "TestLoop";
    if (by_epoch == NULL)
        return NULL;
    return mm_value_is_true(by_epoch) ? "EpochBasedTrainLoop" : "IterBasedTrainLoop";
}

static mm_status loop_args(const mm_runner *runner, mm_mode mode, mm_build_args *out)
{
    const char *path = mmi_mode_key(mode, "cfg");
    mm_value *config = mmi_section(runner, path);

    *out = (mm_build_args){0};
    if (config == NULL)
        return mm_raise(MM_ECONFIG, "'%s' is missing", path);
    if (mode == MM_MODE_TRAIN && mm_dict_has(config, "type") &&
        mm_dict_has(config, "by_epoch")) {
        (void)mm_raise(MM_ECONFIG, "train_cfg has both 'type' and 'by_epoch'");
        (void)mm_error_hint("remove one of them");
        return mmi_report_fault(mm_dict_source(config, "by_epoch"), path);
    }
    if (mode == MM_MODE_TRAIN && !mm_dict_has(config, "type") &&
        !mm_dict_has(config, "by_epoch") && !mmi_audit_skips_missing()) {
        (void)mm_raise(MM_ECONFIG, "train_cfg has neither 'type' nor 'by_epoch'");
        (void)mm_error_hint("by_epoch=True counts epochs, by_epoch=False iterations");
        return mmi_report_fault(mm_dict_source_at(config, 0), path);
    }
    *out = (mm_build_args){
        .registry = "loops",
        .config = config,
        .scope = runner->scope,
        .path = path,
        .default_type = loop_type(config, mode),
        .interface = MM_INTERFACE_LOOP,
    };
    return MM_OK;
}

mm_status mmi_loop_check(const mm_runner *runner, mm_mode mode)
{
    mm_build_args args;

    if (loop_args(runner, mode, &args) < 0 || args.config == NULL)
        return mm_pending();
    return mm_build_check(&args);
}

/* Takes over the loop's lengths. In iteration mode the iterator is made right away, as
 * MMEngine does: it draws a number from the default generator. */
static mm_status train_loop_ready(mm_runner *runner)
{
    const mm_instance *instance = runner->loops[MM_MODE_TRAIN];
    const struct train_loop *loop = mm_instance_self(instance);
    mm_loader *loader = mm_runner_loader(runner, MM_MODE_TRAIN);

    if (loader == NULL)
        return mm_pending();
    runner->at.by_epoch =
        mm_instance_component(instance) == &mmi_epoch_based_train_loop;
    if (runner->at.by_epoch) {
        runner->at.max_epochs = loop->max_epochs;
        runner->at.max_iters = loop->max_epochs * mm_loader_len(loader);
        return MM_OK;
    }
    if (mm_instance_component(instance) != &mmi_iter_based_train_loop)
        return MM_OK; /* a plugin's loop counts for itself */
    runner->at.max_epochs = 1;
    runner->at.max_iters = loop->max_iters;
    return mm_loader_begin(loader, 0);
}

/* Evaluators learn the dataset's metainfo (class names). */
static mm_status eval_loop_ready(mm_runner *runner, mm_mode mode)
{
    mm_loader *loader = mm_runner_loader(runner, mode);
    mm_evaluator *evaluator = mm_runner_evaluator(runner, mode);

    if (loader == NULL || evaluator == NULL)
        return mm_pending();
    return mm_evaluator_set_meta(evaluator,
                                 mm_dataset_metainfo(mm_loader_dataset(loader)));
}

mm_status mmi_loop_build(mm_runner *runner, mm_mode mode)
{
    mm_build_args args;

    if (runner->loops[mode] != NULL)
        return mm_pending();
    if (loop_args(runner, mode, &args) < 0)
        return mm_pending();
    runner->loops[mode] = mm_build(&args);
    if (runner->loops[mode] == NULL)
        return mm_pending();
    return mode == MM_MODE_TRAIN ? train_loop_ready(runner)
                                 : eval_loop_ready(runner, mode);
}

static const mm_loop_ops epoch_ops = {.run = epoch_based_run};
static const mm_loop_ops iter_ops = {.run = iter_based_run};
static const mm_loop_ops val_ops = {.run = val_run};
static const mm_loop_ops test_ops = {.run = test_run};

const mm_component mmi_epoch_based_train_loop = {
    .registry = "loops",
    .name = "EpochBasedTrainLoop",
    .help = "trains for a number of passes over the data",
    .source = "mmengine/runner/loops.py",
    .size = sizeof(struct train_loop),
    .options = epoch_options,
    MM_LOOP(&epoch_ops),
};

const mm_component mmi_iter_based_train_loop = {
    .registry = "loops",
    .name = "IterBasedTrainLoop",
    .help = "trains for a number of iterations",
    .source = "mmengine/runner/loops.py",
    .size = sizeof(struct train_loop),
    .options = iter_options,
    MM_LOOP(&iter_ops),
};

const mm_component mmi_val_loop = {
    .registry = "loops",
    .name = "ValLoop",
    .help = "runs the model over the validation data and evaluates it",
    .source = "mmengine/runner/loops.py",
    .size = sizeof(struct eval_loop),
    .options = eval_options,
    MM_LOOP(&val_ops),
};

const mm_component mmi_test_loop = {
    .registry = "loops",
    .name = "TestLoop",
    .help = "runs the model over the test data and evaluates it",
    .source = "mmengine/runner/loops.py",
    .size = sizeof(struct eval_loop),
    .options = eval_options,
    MM_LOOP(&test_ops),
};
