/* Our side of metrics.py: seconds of the metrics alone, and how the process grew.
 * Usage: bench_metrics THREADS. The data are made before the clock starts; a few
 * batches are handed over again and again. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "mmengine/metric.h"
#include "mmengine/mmengine.h"
#include "mmengine/ops.h"
#include "mmengine/zoo.h"

enum {
    BATCH = 250,
    CLASSES = 1000,
    BATCHES = 200,
    MAPS = 500,
    HEIGHT = 512,
    WIDTH = 1024
};

static double now(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static double megabytes(void)
{
    struct rusage usage;

    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024.0;
}

static void check(const char *what)
{
    mm_error error;

    if (mm_error_take(&error) < 0) {
        fprintf(stderr, "%s: %s\n", what, error.message);
        exit(1);
    }
}

static mm_value *score_batch(void)
{
    mm_value *list = mm_value_new_list();
    mm_tensor *scores = mm_softmax(mm_randn(MM_DIMS(BATCH, CLASSES)), 1);

    for (int64_t i = 0; i < BATCH; i++) {
        mm_value *sample = mm_value_new_dict();
        int64_t label = i * 7 % CLASSES, one = 1;

        mm_dict_put_tensor(sample, "pred_score", mm_select(scores, 0, i));
        mm_dict_put_tensor(sample, "gt_label", mm_from_i64(&label, 1, &one));
        mm_list_push(list, sample);
    }
    return list;
}

/* A map of blocks with a little noise, as networks give them. */
static mm_tensor *random_map(double noise)
{
    mm_tensor *blocks = mm_rand(MM_DIMS(1, HEIGHT / 32, WIDTH / 32));
    mm_tensor *map = mm_op("aten::repeat_interleave.self_int",
                           MM_T(mm_op("aten::repeat_interleave.self_int", MM_T(blocks),
                                      MM_I(32), MM_I(1))),
                           MM_I(32), MM_I(2));
    mm_tensor *other = mm_rand(MM_DIMS(1, HEIGHT, WIDTH));
    mm_tensor *where =
        mm_op("aten::lt.Scalar", MM_T(mm_rand(MM_DIMS(1, HEIGHT, WIDTH))), MM_F(noise));

    map = mm_op("aten::where.self", MM_T(where), MM_T(other), MM_T(map));
    return mm_cast(mm_mul_scalar(map, 19), MM_DTYPE_I64);
}

static mm_value *map_sample(void)
{
    mm_value *sample = mm_value_new_dict();
    mm_value *predicted = mm_value_new_dict(), *expected = mm_value_new_dict();

    mm_dict_put_tensor(predicted, "data", random_map(0.02));
    mm_dict_put_tensor(expected, "data", random_map(0.0));
    mm_dict_take(sample, "pred_sem_seg", predicted);
    mm_dict_take(sample, "gt_sem_seg", expected);
    mm_value *list = mm_value_new_list();

    mm_list_push(list, sample);
    return list;
}

static mm_evaluator *build(const char *scope, const char *type)
{
    mm_value *config = mm_value_new_dict(), *topk = mm_value_new_list();

    mm_dict_put_str(config, "type", type);
    mm_list_push(topk, mm_value_new_i64(1));
    mm_list_push(topk, mm_value_new_i64(5));
    if (scope[2] == 'p')
        mm_dict_put(config, "topk", topk);
    mm_evaluator *evaluator = mm_evaluator_build(config, scope, "evaluator");

    mm_value_unref(topk);
    mm_value_unref(config);
    check("build");
    return evaluator;
}

static void run(const char *name, mm_evaluator *evaluator, mm_value **batches,
                int num_batches, int rounds)
{
    double before = megabytes(), start = now();
    int64_t size = 0;

    for (int i = 0; i < rounds; i++) {
        size += (int64_t)mm_value_len(batches[i % num_batches]);
        (void)!mm_evaluator_process(evaluator, batches[i % num_batches], NULL);
    }
    mm_value *result = mm_evaluator_evaluate(evaluator, size);

    check(name);
    printf("%s %.4f %.1f\n", name, now() - start, megabytes() - before);
    mm_value_unref(result);
    mm_evaluator_free(evaluator);
}

static void quiet(void *user, const mm_log_line *line)
{
    (void)user;
    (void)line;
}

int main(int argc, char **argv)
{
    mm_value *batches[8] = {NULL}, *maps[10] = {NULL};
    mm_value *meta = mm_value_new_dict(), *names = mm_value_new_list();

    mm_log_set_sink(quiet, NULL);
    int64_t threads = 1;

    if (mm_init() < 0 || mm_register(mm_zoo_components) < 0 ||
        (argc > 1 && mm_i64_parse(argv[1], &threads) < 0) ||
        mm_set_num_threads((int)threads) < 0)
        check("start");
    mm_scope scope = mm_scope_open();

    for (int i = 0; i < 8; i++)
        batches[i] = score_batch();
    for (int i = 0; i < 10; i++)
        maps[i] = map_sample();
    for (int i = 0; i < 19; i++)
        mm_list_push(names, mm_value_new_str("class"));
    mm_dict_take(meta, "classes", names);
    mm_scope_close(scope);
    check("data");
    run("Accuracy", build("mmpretrain", "Accuracy"), batches, 8, BATCHES);
    mm_evaluator *iou = build("mmseg", "IoUMetric");

    (void)!mm_evaluator_set_meta(iou, meta);
    run("IoUMetric", iou, maps, 10, MAPS);
    for (int i = 0; i < 8; i++)
        mm_value_unref(batches[i]);
    for (int i = 0; i < 10; i++)
        mm_value_unref(maps[i]);
    mm_value_unref(meta);
    return 0;
}
