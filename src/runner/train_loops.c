/* The training loops, by epoch and by iteration.
 *
 * Counters live in the runner (mmi_counters) and are changed here alone. Every
 * iteration has a scope of its own, so what it made is gone when it ends. A request to
 * stop is honoured after the iteration in which it arrives. `at.place` says between
 * which stages the run stands, so that a checkpoint knows whether a validation is still
 * due after it. Source: mmengine/runner/loops.py. */
#include <string.h>

#include "runner/internal.h"

/* Options of both training loops. */
struct train_loop {
    int64_t max_epochs, max_iters;
    int64_t val_begin, val_interval;
    mm_value *dynamic_intervals;
    mm_value *by_epoch; /* accepted: it chose this loop */
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

/* One training iteration. Takes the batch. */
static mm_status run_iter(mm_runner *runner, int64_t batch_idx,
                          MM_TAKES mm_value *batch)
{
    mm_scope scope = mm_scope_open();
    mm_iter iter = {.batch_idx = batch_idx, .batch = batch};

    if (mm_optim_wrapper_set_training(runner->optim_wrapper, true) == MM_OK &&
        mm_runner_choose_memory_format(runner, batch, runner->optim_wrapper) == MM_OK &&
        mmi_call_iter(runner, MMI_BEFORE_TRAIN_ITER, &iter) == MM_OK)
        iter.outputs = mm_model_train_step(runner->model, batch, runner->optim_wrapper);
    runner->at.place = MMI_PLACE_AFTER_ITER;
    runner->at.batches_done++;
    if (iter.outputs != NULL)
        (void)mmi_call_iter(runner, MMI_AFTER_TRAIN_ITER, &iter);
    mm_scope_close(scope);
    mm_value_unref(batch);
    if (mm_has_error())
        return mm_error_frame("in training iteration %lld",
                              (long long)runner->at.iter + 1);
    mmi_show_progress(runner, MM_MODE_TRAIN, batch_idx);
    runner->at.iter++;
    return MM_OK;
}

/* Honours requests of the host: saves, and says whether the run must end. */
static bool must_leave(mm_runner *runner)
{
    unsigned requests = atomic_exchange(&runner->requests, 0);

    if (requests != 0)
        (void)mmi_save_on_request(runner);
    if ((requests & MM_REQUEST_STOP) != 0)
        runner->exit_flow = MM_STOP;
    return mm_has_error() || runner->exit_flow == MM_STOP;
}

mm_status mm_runner_train_iter(mm_runner *runner, int64_t batch_idx,
                               MM_TAKES mm_value *batch)
{
    if (run_iter(runner, batch_idx, batch) < 0)
        return mm_pending();
    if (must_leave(runner))
        return mm_has_error() ? mm_pending() : MM_STOP;
    return MM_OK;
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

/* Validates what `done` finished units of `all` ask for. MM_STOP: a request ended it.
 */
static mm_status maybe_validate(mm_runner *runner, const struct train_loop *loop,
                                int64_t done, int64_t all)
{
    int64_t interval = interval_at(loop, done + 1);

    if (mm_has_error() || runner->loops[MM_MODE_VAL] == NULL || done < loop->val_begin)
        return mm_pending();
    if (!mmi_sets_mark_due(runner, MM_MODE_VAL, done, all, interval))
        return mm_pending();
    mm_value_unref(runner->before_val);
    runner->before_val = mmi_random_state(runner);
    mm_status status = mmi_run_evaluation(runner, MM_MODE_VAL);

    mm_value_unref(runner->before_val);
    runner->before_val = NULL;
    return status;
}

/* A run that goes on from a checkpoint written before a validation that was due
 * validates first, so that it repeats what it would have done. */
static mm_status validate_if_owed(mm_runner *runner, const struct train_loop *loop,
                                  int64_t done, int64_t all)
{
    if (!runner->at.owes_validation)
        return MM_OK;
    runner->at.owes_validation = false;
    return maybe_validate(runner, loop, done, all);
}

/* The batches of one epoch, from at.first_batch on. */
static mm_status run_batches(mm_runner *runner, mm_loader *loader)
{
    int64_t batch_idx = runner->at.first_batch;
    mm_status status = mm_loader_begin(loader, batch_idx);

    runner->at.first_batch = 0;
    runner->at.batches_done = batch_idx;
    runner->at.in_epoch = true;
    while (status == MM_OK) {
        mm_value *batch = NULL;

        status = mm_loader_next(loader, &batch);
        if (status == MM_OK)
            status = mm_runner_train_iter(runner, batch_idx++, batch);
    }
    runner->at.in_epoch = false;
    return status == MM_END ? MM_OK : status;
}

/* MM_STOP: a request ended it in the middle; the epoch's end is not announced. */
static mm_status run_epoch(mm_runner *runner)
{
    mm_loader *loader = mm_runner_loader(runner, MM_MODE_TRAIN);

    if (mmi_call_stage(runner, MMI_BEFORE_TRAIN_EPOCH) < 0 ||
        mm_module_train(runner->model, true) < 0)
        return mm_pending();
    mm_status status = run_batches(runner, loader);

    if (status != MM_OK)
        return status;
    runner->at.place = MMI_PLACE_AFTER_EPOCH;
    if (mmi_call_stage(runner, MMI_AFTER_TRAIN_EPOCH) < 0)
        return mm_pending();
    runner->at.epoch++;
    return MM_OK;
}

/* What the run leaves is what it would be evaluated with. */
static mm_status finish_training(mm_runner *runner)
{
    (void)mm_optim_wrapper_set_training(runner->optim_wrapper, false);
    return mmi_call_stage(runner, MMI_AFTER_TRAIN);
}

static mm_status epoch_based_run(void *self, mm_runner *runner)
{
    const struct train_loop *loop = self;
    mmi_counters *at = &runner->at;
    mm_status status = mmi_call_stage(runner, MMI_BEFORE_TRAIN);

    if (status == MM_OK)
        status = validate_if_owed(runner, loop, at->epoch, at->max_epochs);
    while (status == MM_OK && at->epoch < at->max_epochs && !at->stop_training) {
        status = run_epoch(runner);
        if (status == MM_OK)
            status = maybe_validate(runner, loop, at->epoch, at->max_epochs);
    }
    return status == MM_OK ? finish_training(runner) : status;
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
    runner->at.batches_done = 0;
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
    return mm_runner_train_iter(runner, runner->at.iter, batch);
}

/* Puts the data where a checkpoint left them. */
static mm_status go_to_first_batch(mm_runner *runner, mm_loader *loader)
{
    mmi_counters *at = &runner->at;

    if (at->first_batch == 0)
        return MM_OK;
    if (mm_loader_set_epoch(loader, at->data_epoch) < 0 ||
        mm_loader_begin(loader, at->first_batch) < 0)
        return mm_pending();
    at->batches_done = at->first_batch;
    at->first_batch = 0;
    return MM_OK;
}

static mm_status iter_based_run(void *self, mm_runner *runner)
{
    const struct train_loop *loop = self;
    mmi_counters *at = &runner->at;
    mm_loader *loader = mm_runner_loader(runner, MM_MODE_TRAIN);
    mm_status status = mmi_call_stage(runner, MMI_BEFORE_TRAIN);

    if (status == MM_OK)
        status = mmi_call_stage(runner, MMI_BEFORE_TRAIN_EPOCH);
    if (status == MM_OK)
        status = go_to_first_batch(runner, loader);
    at->in_epoch = true;
    if (status == MM_OK)
        status = validate_if_owed(runner, loop, at->iter, at->max_iters);
    while (status == MM_OK && at->iter < at->max_iters && !at->stop_training) {
        status = run_one_iter(runner, loader);
        if (status == MM_OK)
            status = maybe_validate(runner, loop, at->iter, at->max_iters);
    }
    if (status != MM_OK)
        return status;
    at->place = MMI_PLACE_AFTER_EPOCH;
    return mmi_call_stage(runner, MMI_AFTER_TRAIN_EPOCH) < 0 ? mm_pending()
                                                             : finish_training(runner);
}

void mm_runner_set_lengths(mm_runner *runner, bool by_epoch, int64_t max_epochs,
                           int64_t max_iters)
{
    runner->at.by_epoch = by_epoch;
    runner->at.max_epochs = max_epochs;
    runner->at.max_iters = max_iters;
}

void mm_runner_end_epoch(mm_runner *runner)
{
    runner->at.epoch++;
}

static mm_status epoch_based_start(void *self, mm_runner *runner)
{
    const struct train_loop *loop = self;
    mm_loader *loader = mm_runner_loader(runner, MM_MODE_TRAIN);

    if (loader != NULL)
        mm_runner_set_lengths(runner, true, loop->max_epochs,
                              loop->max_epochs * mm_loader_len(loader));
    return mm_pending();
}

/* The iterator is made right away, as MMEngine does: it draws a number from the default
 * generator. */
static mm_status iter_based_start(void *self, mm_runner *runner)
{
    const struct train_loop *loop = self;
    mm_loader *loader = mm_runner_loader(runner, MM_MODE_TRAIN);

    mm_runner_set_lengths(runner, false, 1, loop->max_iters);
    return loader == NULL ? mm_pending() : mm_loader_begin(loader, 0);
}

static const mm_loop_ops epoch_ops = {
    .start = epoch_based_start,
    .run = epoch_based_run,
};
static const mm_loop_ops iter_ops = {
    .start = iter_based_start,
    .run = iter_based_run,
};

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
