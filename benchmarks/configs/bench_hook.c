/* BenchHook: writes what a benchmark reads to <work_dir>/bench.json: when the first
 * iteration began (seconds since 1970) and how long each epoch took. bench_hook.py is
 * its twin for Python's MMEngine. */
#include <stdio.h>
#include <time.h>

#include <mmengine/mmengine.h>

struct bench_hook {
    double first_iter, epoch_begin;
    mm_value *epochs; /* list of [iterations, seconds] */
    int64_t iters;
};

static double now(clockid_t clock)
{
    struct timespec time;

    (void)clock_gettime(clock, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static mm_status init(void *data)
{
    struct bench_hook *self = data;

    self->epochs = mm_value_new_list();
    return mm_pending();
}

static void deinit(void *data)
{
    struct bench_hook *self = data;

    mm_value_unref(self->epochs);
}

static mm_status before_train_epoch(void *data, mm_runner *runner)
{
    struct bench_hook *self = data;
    (void)runner;

    self->iters = 0;
    self->epoch_begin = now(CLOCK_MONOTONIC);
    return MM_OK;
}

static mm_status before_train_iter(void *data, mm_runner *runner, const mm_iter *iter)
{
    struct bench_hook *self = data;
    (void)runner;
    (void)iter;

    if (self->first_iter == 0.0)
        self->first_iter = now(CLOCK_REALTIME);
    self->iters++;
    return MM_OK;
}

static mm_status after_train_epoch(void *data, mm_runner *runner)
{
    struct bench_hook *self = data;
    mm_value *pair = mm_value_new_list();
    (void)runner;

    mm_list_push(pair, mm_value_new_i64(self->iters));
    mm_list_push(pair, mm_value_new_f64(now(CLOCK_MONOTONIC) - self->epoch_begin));
    mm_list_push(self->epochs, pair);
    return mm_pending();
}

static mm_status after_train(void *data, mm_runner *runner)
{
    struct bench_hook *self = data;
    mm_value *record = mm_value_new_dict();
    char *path = mm_path_join(mm_runner_work_dir(runner), "bench.json");

    mm_dict_put_f64(record, "first_iter", self->first_iter);
    mm_dict_put(record, "epochs", self->epochs);
    (void)mm_fileio_dump(record, path, "json");
    mm_free(path);
    mm_value_unref(record);
    return mm_pending();
}

static const mm_hook_ops ops = {
    .priority = 100,
    .before_train_epoch = before_train_epoch,
    .before_train_iter = before_train_iter,
    .after_train_epoch = after_train_epoch,
    .after_train = after_train,
};

static const mm_component bench_hook = {
    .registry = "hooks",
    .name = "BenchHook",
    .help = "writes times for the benchmark",
    .size = sizeof(struct bench_hook),
    .init = init,
    .deinit = deinit,
    MM_HOOK(&ops),
};

static const mm_component *const table[] = {&bench_hook, NULL};
MM_PLUGIN(table)
