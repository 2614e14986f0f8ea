/* What our engine needs for small pieces of work: bench PART. Prints one JSON dict of
 * seconds; every figure is the least of many short rounds. peer.py has the same parts,
 * name for name, in Python's PyTorch and MMEngine. Public headers only. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"

enum { BATCH = 4, POINTS = 8000, FULL = 1000000, WINDOW = 50 };

double bench_now(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* Seconds per call: the least of rounds of `count` calls, for at least `seconds`. */
static double rounds(void (*call)(void *user), void *user, int count, double seconds)
{
    double best = 1e9, begin = bench_now();

    while (!mm_has_error()) {
        double start = bench_now();

        for (int i = 0; i < count; i++)
            call(user);
        double end = bench_now();

        if ((end - start) / count < best)
            best = (end - start) / count;
        if (end - begin > seconds)
            break;
    }
    return best;
}

/* Two layers, batches of four points. */

struct toy {
    mm_module *net;
    mm_optim_wrapper *optim;
    mm_tensor *x, *y;
};

static mm_module *toy_net(void)
{
    return mm_nn_sequential(mm_nn_linear(2, 16), mm_nn_relu(), mm_nn_linear(16, 1));
}

static void toy_step(void *user)
{
    struct toy *toy = user;
    mm_scope scope = mm_scope_open();
    mm_tensor *loss =
        mm_mse_loss(mm_module_forward(toy->net, toy->x), toy->y, MM_REDUCTION_MEAN);

    (void)mm_optim_wrapper_update_params(toy->optim, loss);
    mm_scope_close(scope);
}

mm_value *bench_config_entry(const char *text, const char *key)
{
    mm_config *config = mm_config_from_string(text, ".py");
    mm_value *entry = mm_value_ref(mm_config_get(config, key));

    mm_config_unref(config);
    return entry;
}

static double time_toy_step(void)
{
    mm_scope scope = mm_scope_open();
    struct toy toy = {.net = toy_net(),
                      .x = mm_randn(MM_DIMS(BATCH, 2)),
                      .y = mm_randn(MM_DIMS(BATCH, 1))};
    mm_value *settings = bench_config_entry(
        "optim = dict(optimizer=dict(type='SGD', lr=0.001))\n", "optim");

    toy.optim = mm_optim_wrapper_build(toy.net, settings, NULL);
    (void)rounds(toy_step, &toy, 25, 0.2);
    double seconds = rounds(toy_step, &toy, 25, 1.0);

    mm_value_unref(settings);
    mm_optim_wrapper_unref(toy.optim);
    mm_module_unref(toy.net);
    mm_scope_close(scope);
    return seconds;
}

static void measure_toy(mm_value *out)
{
    mm_dict_put_f64(out, "step", time_toy_step());
}

/* The same under the runner, with a data set in memory. */

struct points {
    mm_tensor *x[POINTS], *y[POINTS];
};

static mm_status points_init(void *data)
{
    struct points *self = data;
    mm_scope scope = mm_scope_open();

    for (size_t i = 0; i < POINTS; i++) {
        self->x[i] = mm_keep(mm_randn(MM_DIMS(2)));
        self->y[i] = mm_keep(mm_randn(MM_DIMS(1)));
    }
    mm_scope_close(scope);
    return mm_pending();
}

static void points_deinit(void *data)
{
    struct points *self = data;

    for (size_t i = 0; i < POINTS; i++) {
        mm_tensor_unref(self->x[i]);
        mm_tensor_unref(self->y[i]);
    }
}

static int64_t points_len(void *self)
{
    (void)self;
    return POINTS;
}

static mm_status points_get(void *data, int64_t index, mm_sample *out)
{
    struct points *self = data;

    mm_sample_put(out, "x", self->x[index]);
    mm_sample_put(out, "y", self->y[index]);
    return mm_sample_status(out);
}

static const mm_dataset_ops points_ops = {.len = points_len, .get = points_get};

static const mm_component points = {
    .registry = "datasets",
    .name = "BenchPoints",
    .help = "points in memory",
    .size = sizeof(struct points),
    .init = points_init,
    .deinit = points_deinit,
    MM_DATASET(&points_ops),
};

struct toy_model {
    mm_module *net;
};

static mm_status model_init(void *data)
{
    struct toy_model *self = data;

    self->net = mm_module_add(mm_module_of(data), "net", toy_net());
    return mm_pending();
}

static mm_value *model_loss(void *data, mm_value *batch)
{
    struct toy_model *self = data;
    mm_value *losses = mm_scoped(mm_value_new_dict());
    mm_tensor *out = mm_module_forward(self->net, mm_dict_get_tensor(batch, "x"));

    mm_dict_put_tensor(
        losses, "loss",
        mm_mse_loss(out, mm_dict_get_tensor(batch, "y"), MM_REDUCTION_MEAN));
    return losses;
}

static const mm_model_ops model_ops = {.loss = model_loss};

static const mm_component toy_model = {
    .registry = "models",
    .name = "BenchToy",
    .help = "two linear layers",
    .size = sizeof(struct toy_model),
    .init = model_init,
    MM_MODEL(&model_ops),
};

/* Seconds per iteration of the quickest row of WINDOW iterations: short, so that a busy
 * machine does not blur it, and a multiple of the logger's interval. */
struct clock_hook {
    int64_t prefill; /* numbers that each history holds before training */
};

static double quickest, window_begin;

#define MM_OPT_STRUCT struct clock_hook
static const mm_option clock_options[] = {
    {"prefill", "numbers in each history", MM_OPT_I64(prefill, 0, 0, INT64_MAX)},
    {0},
};
#undef MM_OPT_STRUCT

static mm_status clock_before_train(void *data, mm_runner *runner)
{
    static const char *const keys[] = {"train/lr", "train/data_time", "train/loss",
                                       "train/time"};
    struct clock_hook *self = data;

    quickest = 1e9;
    for (size_t key = 0; key < 4 && self->prefill > 0; key++) {
        mm_history *history = mm_hub_scalar(mm_runner_hub(runner), keys[key]);

        for (int64_t i = 0; i < self->prefill; i++)
            mm_history_update(history, 0.5, 1);
    }
    return mm_pending();
}

static mm_status clock_before_iter(void *self, mm_runner *runner, const mm_iter *iter)
{
    (void)self;
    (void)runner;
    if (iter->batch_idx % WINDOW == 0) {
        double time = bench_now();

        if (iter->batch_idx > 0 && (time - window_begin) / WINDOW < quickest)
            quickest = (time - window_begin) / WINDOW;
        window_begin = time;
    }
    return MM_OK;
}

static const mm_hook_ops clock_ops = {
    .priority = 1,
    .before_train = clock_before_train,
    .before_train_iter = clock_before_iter,
};

static const mm_component clock_hook = {
    .registry = "hooks",
    .name = "BenchClock",
    .help = "takes the time of an iteration",
    .size = sizeof(struct clock_hook),
    .options = clock_options,
    MM_HOOK(&clock_ops),
};

static const char run_config[] =
    "model = dict(type='BenchToy')\n"
    "train_dataloader = dict(batch_size=4, num_workers=0,\n"
    "    dataset=dict(type='BenchPoints'%s),\n"
    "    sampler=dict(type='DefaultSampler', shuffle=True),\n"
    "    collate_fn=dict(type='default_collate'))\n"
    "optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.001))\n"
    "train_cfg = dict(by_epoch=True, max_epochs=%d)\n"
    "default_hooks = dict(checkpoint=dict(type='CheckpointHook', interval=-1,\n"
    "                                     save_last=False))\n"
    "custom_hooks = [dict(type='BenchClock', prefill=%d)%s]\n"
    "work_dir = '%s'\n";

/* All others but the profiler, which measures. */
static const char more_hooks[] =
    ", dict(type='EMAHook'), dict(type='EmptyCacheHook'),"
    " dict(type='SyncBuffersHook'), dict(type='NanGuardHook'), dict(type='MemoryHook'),"
    " dict(type='NaiveVisualizationHook'),"
    " dict(type='EarlyStoppingHook', monitor='loss')";

/* Seconds per iteration under the runner. */
static double time_run(int prefill, int epochs, const char *hooks)
{
    const char *dir = getenv("BENCH_DIR");
    char *text = mm_strfmt(run_config, "", epochs, prefill, hooks,
                           dir == NULL ? "build/bench_run" : dir);
    mm_config *config = mm_config_from_string(text, ".py");
    mm_runner *runner = mm_runner_new(config);

    (void)mm_runner_train(runner);
    mm_runner_free(runner);
    mm_config_unref(config);
    mm_free(text);
    return quickest;
}

/* Seconds per batch of the loader alone. */
static double time_loader(void)
{
    mm_value *settings = bench_config_entry(
        "loader = dict(batch_size=4, dataset=dict(type='BenchPoints'),\n"
        "    sampler=dict(type='DefaultSampler', shuffle=True),\n"
        "    collate_fn=dict(type='default_collate'))\n",
        "loader");
    mm_loader *loader = mm_loader_build(settings, NULL, "loader", 0, 0, 1);
    double best = 1e9;

    for (int epoch = 0; epoch < 20; epoch++) {
        double begin = 0.0;
        mm_value *batch;

        (void)mm_loader_begin(loader, 0);
        for (int i = 0; mm_loader_next(loader, &batch) == MM_OK; i++) {
            mm_value_unref(batch);
            if (i % WINDOW != 0)
                continue;
            double time = bench_now();

            if (i > 0 && (time - begin) / WINDOW < best)
                best = (time - begin) / WINDOW;
            begin = time;
        }
    }
    mm_loader_free(loader);
    mm_value_unref(settings);
    return best;
}

static void measure_engine(mm_value *out)
{
    double step = time_toy_step(), loader = time_loader();
    double whole = time_run(0, 20, ""), whole_full = time_run(FULL, 5, "");
    double whole_all = time_run(0, 20, more_hooks);

    mm_dict_put_f64(out, "step", step);
    mm_dict_put_f64(out, "loader", loader);
    mm_dict_put_f64(out, "whole", whole);
    mm_dict_put_f64(out, "whole_full", whole_full);
    mm_dict_put_f64(out, "engine", whole - step - loader);
    mm_dict_put_f64(out, "engine_full", whole_full - step - loader);
    mm_dict_put_f64(out, "engine_all", whole_all - step - loader);
}

/* Files at the size of ResNet-50. */

struct file_case {
    char *path;
    mm_value *content; /* dict of dicts of tensors */
};

static void write_file(void *user)
{
    struct file_case *file = user;

    (void)mm_checkpoint_save(file->path, file->content);
}

/* Into tensors that are there already, as resuming does. */
static void read_file(void *user)
{
    struct file_case *file = user;
    mm_scope scope = mm_scope_open();
    mm_value *read = mm_scoped(mm_checkpoint_load(file->path));

    for (size_t i = 0; i < mm_value_len(file->content) && !mm_has_error(); i++) {
        const mm_value *to = mm_dict_at(file->content, i);
        const mm_value *from = mm_dict_at(read, i);

        for (size_t j = 0; j < mm_value_len(to) && !mm_has_error(); j++)
            mm_copy_(mm_value_tensor(mm_dict_at(to, j)),
                     mm_value_tensor(mm_dict_at(from, j)));
    }
    mm_scope_close(scope);
}

static void measure_checkpoint(mm_value *out)
{
    const char *dir = getenv("BENCH_DIR");
    mm_scope scope = mm_scope_open();
    struct params params = {.count = 0};
    struct file_case file = {
        .path = mm_path_join(dir == NULL ? "build" : dir, "ours.pth"),
        .content = mm_value_new_dict(),
    };
    mm_value *weights = mm_value_new_dict(), *momenta = mm_value_new_dict();

    bench_add_resnet50(&params);
    for (int i = 0; i < params.count && !mm_has_error(); i++) {
        char *key = mm_strfmt("p%d", i);

        mm_dict_put_tensor(weights, key, params.all[i]);
        mm_dict_put_tensor(momenta, key, mm_randn_like(params.all[i], NULL));
        mm_free(key);
    }
    mm_dict_take(file.content, "state_dict", weights);
    mm_dict_take(file.content, "momenta", momenta);
    mm_dict_put_f64(out, "save", rounds(write_file, &file, 1, 2.0));
    mm_dict_put_f64(out, "load", rounds(read_file, &file, 1, 2.0));
    if (mm_file_remove(file.path) < 0)
        (void)mm_error_frame("while leaving the benchmark of files");
    mm_value_unref(file.content);
    mm_free(file.path);
    mm_scope_close(scope);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* A run with saves: the tensors of ResNet-50 as a model, and products of matrices as
 * its work. */

enum { SAVE_ITERS = 80, SAVE_EVERY = 10, AFTER_SAVE = 4, HEAD_ROUNDS = 4 };

struct large_model {
    struct params params;
    mm_tensor *x;
};

static mm_status large_init(void *data)
{
    struct large_model *self = data;
    mm_scope scope = mm_scope_open();

    bench_add_resnet50(&self->params);
    for (int i = 0; i < self->params.count && !mm_has_error(); i++) {
        char *name = mm_strfmt("p%d", i);

        self->params.all[i] = mm_module_add_param(
            mm_module_of(data), name, mm_mul_scalar(self->params.all[i], 0.01));
        mm_free(name);
    }
    self->x = mm_keep(mm_randn(MM_DIMS(256, 2048)));
    mm_scope_close(scope);
    return mm_pending();
}

static void large_deinit(void *data)
{
    struct large_model *self = data;

    mm_tensor_unref(self->x);
}

static mm_value *large_loss(void *data, mm_value *batch)
{
    struct large_model *self = data;
    mm_value *losses = mm_scoped(mm_value_new_dict());
    mm_tensor *head = self->params.all[self->params.count - 2], *x = self->x;
    mm_tensor *loss = NULL;
    (void)batch;

    for (int i = 0; i < HEAD_ROUNDS; i++)
        x = mm_tanh(mm_matmul(mm_matmul(x, mm_transpose(head, 0, 1)), head));
    loss = mm_mean(x);
    for (int i = 0; i < self->params.count && !mm_has_error(); i++)
        loss = mm_add(loss, mm_mean(self->params.all[i]));
    mm_dict_put_tensor(losses, "loss", loss);
    return losses;
}

static const mm_model_ops large_ops = {.loss = large_loss};

static const mm_component large_model = {
    .registry = "models",
    .name = "BenchLarge",
    .help = "as many parameters as ResNet-50 has",
    .size = sizeof(struct large_model),
    .init = large_init,
    .deinit = large_deinit,
    MM_MODEL(&large_ops),
};

/* When each iteration began, and when its last hooks had still to run. */
static double iter_begin[SAVE_ITERS], iter_end[SAVE_ITERS];

static mm_status gap_after_iter(void *self, mm_runner *runner, const mm_iter *iter)
{
    (void)self;
    (void)iter;
    iter_end[mm_runner_iter(runner)] = bench_now();
    return MM_OK;
}

static mm_status gap_before_iter(void *self, mm_runner *runner, const mm_iter *iter)
{
    (void)self;
    (void)iter;
    iter_begin[mm_runner_iter(runner)] = bench_now();
    return MM_OK;
}

static const mm_hook_ops gap_ops = {
    .priority = 1,
    .before_train_iter = gap_before_iter,
    .after_train_iter = gap_after_iter,
};

static const mm_component gap_hook = {
    .registry = "hooks",
    .name = "BenchGap",
    .help = "takes the time between iterations",
    .size = 1,
    MM_HOOK(&gap_ops),
};

static const char saving_config[] =
    "model = dict(type='BenchLarge')\n"
    "train_dataloader = dict(batch_size=4, num_workers=0,\n"
    "    dataset=dict(type='BenchPoints'),\n"
    "    sampler=dict(type='InfiniteSampler', shuffle=True),\n"
    "    collate_fn=dict(type='default_collate'))\n"
    "optim_wrapper = dict(optimizer=dict(type='SGD', lr=1e-6, momentum=0.9))\n"
    "train_cfg = dict(by_epoch=False, max_iters=%d)\n"
    "default_hooks = dict(checkpoint=dict(type='CheckpointHook', by_epoch=False,\n"
    "                     interval=%d, save_last=False, max_keep_ckpts=1))\n"
    "log_processor = dict(by_epoch=False)\n"
    "custom_hooks = [dict(type='BenchGap')]\n"
    "work_dir = '%s/saving'\n";

/* What a save before iteration `at` added: its iteration and the next ones, less as
 * many later ones. */
static double slowed(int at)
{
    double with = iter_begin[at + AFTER_SAVE] - iter_begin[at - 1];
    double without = iter_begin[at + 2 * AFTER_SAVE] - iter_begin[at + AFTER_SAVE];

    return with - without * (AFTER_SAVE + 1) / AFTER_SAVE;
}

static double middle(double *values, int count)
{
    qsort(values, (size_t)count, sizeof(*values), by_size);
    return values[count / 2];
}

/* Medians of all saves but the first: how long the loop stood still, and what the run
 * lost in all. */
static void measure_saving(mm_value *out)
{
    const char *dir = getenv("BENCH_DIR");
    char *text =
        mm_strfmt(saving_config, SAVE_ITERS, SAVE_EVERY, dir == NULL ? "build" : dir);
    mm_config *config = mm_config_from_string(text, ".py");
    mm_runner *runner = mm_runner_new(config);
    double blocked[SAVE_ITERS], lost[SAVE_ITERS];
    int count = 0;

    (void)mm_runner_train(runner);
    for (int at = 2 * SAVE_EVERY; at < SAVE_ITERS; at += SAVE_EVERY, count++) {
        blocked[count] = iter_begin[at] - iter_end[at - 1];
        lost[count] = slowed(at);
    }
    mm_dict_put_f64(out, "blocked", middle(blocked, count));
    mm_dict_put_f64(out, "blocked_first",
                    iter_begin[SAVE_EVERY] - iter_end[SAVE_EVERY - 1]);
    mm_dict_put_f64(
        out, "iter",
        (iter_begin[2 * SAVE_EVERY - 1] - iter_begin[SAVE_EVERY + AFTER_SAVE]) /
            (SAVE_EVERY - AFTER_SAVE - 1));
    mm_dict_put_f64(out, "lost", middle(lost, count));
    mm_runner_free(runner);
    mm_config_unref(config);
    mm_free(text);
}

/* Configs: each file of the list in BENCH_CONFIGS (a file, one path a line), warm. */

enum { CONFIG_ROUNDS = 3 };

/* Seconds of the quickest reading; negative for a file that is refused. */
static double time_config(const char *path)
{
    double best = 1e9;

    for (int i = 0; i < CONFIG_ROUNDS && best >= 0; i++) {
        double start = bench_now();
        mm_config *config = mm_config_from_file(path, NULL);
        double took = bench_now() - start;

        best = config == NULL ? -1 : took < best ? took : best;
        mm_config_unref(config);
        (void)mm_error_take(NULL);
    }
    return best;
}

static void put_quantiles(mm_value *out, double *times, size_t count)
{
    double sum = 0;

    qsort(times, count, sizeof(*times), by_size);
    for (size_t i = 0; i < count; i++)
        sum += times[i];
    mm_dict_put_f64(out, "median", times[count / 2]);
    mm_dict_put_f64(out, "p90", times[count * 9 / 10]);
    mm_dict_put_f64(out, "p99", times[count * 99 / 100]);
    mm_dict_put_f64(out, "all", sum);
}

static void measure_config(mm_value *out)
{
    const char *list = getenv("BENCH_CONFIGS");
    char *text = list == NULL ? NULL : mm_file_read(list, NULL);
    size_t room = text == NULL ? 0 : strlen(text), count = 0;
    double *times = text == NULL ? NULL : malloc((room + 1) * sizeof(*times));

    for (char *line = text; times != NULL && *line != '\0';) {
        char *end = line + strcspn(line, "\n");
        char *next = *end == '\0' ? end : end + 1;

        *end = '\0';
        double seconds = *line == '\0' ? -1 : time_config(line);

        if (seconds >= 0)
            times[count++] = seconds;
        line = next;
    }
    if (count > 0)
        put_quantiles(out, times, count);
    free(times);
    mm_free(text);
}

static const mm_component *const components[] = {
    &points, &toy_model, &clock_hook, &large_model, &gap_hook, &bench_weights, NULL};

/* Seconds of an update of a history that holds `size` numbers, of its mean over a
 * window of 10 and over all of them. */
static void measure_history_of(mm_value *out, const char *name, size_t size)
{
    enum { CALLS = 2000, TRIES = 20 };
    static const char *const names[] = {"update", "mean_of_10", "mean_of_all"};
    mm_history *history = mm_history_new(0);
    double best[3] = {HUGE_VAL, HUGE_VAL, HUGE_VAL}, sum = 0.0;

    for (size_t i = 0; i < size - (size_t)CALLS * TRIES; i++)
        mm_history_update(history, (double)i, 1);
    for (int try = 0; try < TRIES; try++) {
        double times[4] = {bench_now()};

        for (int i = 0; i < CALLS; i++)
            mm_history_update(history, (double)i, 1);
        times[1] = bench_now();
        for (int i = 0; i < CALLS; i++)
            sum += mm_history_mean(history, 10);
        times[2] = bench_now();
        sum += mm_history_mean(history, MM_WINDOW_ALL);
        times[3] = bench_now();
        for (int i = 0; i < 3; i++) {
            double time = (times[i + 1] - times[i]) / (i < 2 ? CALLS : 1);

            best[i] = time < best[i] ? time : best[i];
        }
    }
    for (int i = 0; i < 3 && sum > 0.0; i++) {
        char *key = mm_strfmt("%s.%s", name, names[i]);

        mm_dict_put_f64(out, key, best[i]);
        mm_free(key);
    }
    mm_history_free(history);
}

static void measure_history(mm_value *out)
{
    measure_history_of(out, "100000", 100000);
    measure_history_of(out, "1000000", 1000000);
}

static const struct part {
    const char *name;
    void (*measure)(mm_value *out);
} parts[] = {
    {"toy", measure_toy},
    {"engine", measure_engine},
    {"checkpoint", measure_checkpoint},
    {"saving", measure_saving},
    {"config", measure_config},
    {"history", measure_history},
};

static void drop_line(void *user, const mm_log_line *line)
{
    (void)user;
    (void)line;
}

static mm_status run_part(const char *name)
{
    const char *threads = getenv("OMP_NUM_THREADS");

    (void)mm_set_num_threads(threads == NULL ? 2 : (int)strtol(threads, NULL, 10));
    if (strcmp(name, "optim") == 0) {
        bench_optim();
        return mm_pending();
    }
    mm_value *out = mm_value_new_dict();

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && !mm_has_error(); i++) {
        if (strcmp(parts[i].name, name) == 0)
            parts[i].measure(out);
    }
    char *text = mm_json_format(out, NULL);

    if (text != NULL)
        printf("%s\n", text);
    mm_free(text);
    mm_value_unref(out);
    return mm_pending();
}

int main(int argc, char **argv)
{
    mm_log_set_sink(drop_line, NULL);
    if (argc == 2 && mm_init() == MM_OK && mm_register(components) == MM_OK)
        (void)run_part(argv[1]);
    if (mm_has_error())
        (void)fprintf(stderr, "%s\n", mm_error_peek()->message);
    return mm_has_error() || argc != 2;
}
