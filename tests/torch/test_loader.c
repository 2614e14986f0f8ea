/* Samplers, datasets, collate functions and the loader. Orders are MMEngine's: the
 * lists below were printed by mmengine 0.10.7 with torch 2.13.0 (DefaultSampler and
 * InfiniteSampler over 10 items, seed 7). */
#include <stdio.h>
#include <string.h>

#include "check.h"

#include "mmengine/memory.h"
#include "mmengine/mmengine.h"

/* A dataset of squares whose 13th item fails if asked to. */
struct squares {
    mm_base_dataset base;
    int64_t size;
    bool fails;
};

#define MM_OPT_STRUCT struct squares
static const mm_option squares_options[] = {
    {"size", "items", MM_OPT_I64(size, 10, 0, 1 << 20)},
    {"fails", "the 13th item cannot be read", MM_OPT_BOOL(fails, false)},
    {"", "", MM_OPT_INHERIT(base, mm_base_dataset_options)},
    {0},
};
#undef MM_OPT_STRUCT

static int64_t squares_len(void *self)
{
    return ((struct squares *)self)->size;
}

static mm_status squares_get(void *self, int64_t index, mm_sample *out)
{
    if (((struct squares *)self)->fails && index == 13)
        return mm_raise(MM_EDATA, "item 13 is damaged");
    mm_sample_put_i64(out, "x", index * index);
    return mm_sample_status(out);
}

static const mm_dataset_ops squares_ops = {.len = squares_len, .get = squares_get};

static const mm_component squares = {
    .registry = "datasets",
    .name = "TestSquares",
    .help = "squares of the index",
    .size = sizeof(struct squares),
    .options = squares_options,
    MM_DATASET(&squares_ops),
};

/* Puts a random number into the sample; drops items that are multiples of 4 if asked.
 */
struct noise {
    bool drops;
};

#define MM_OPT_STRUCT struct noise
static const mm_option noise_options[] = {
    {"drops", "drop every fourth item", MM_OPT_BOOL(drops, false)},
    {0},
};
#undef MM_OPT_STRUCT

static mm_status noise_apply(void *self, mm_sample *sample)
{
    if (((struct noise *)self)->drops && mm_sample_index(sample) % 4 == 0)
        return MM_END;
    mm_sample_put_i64(sample, "noise", mm_sample_randint(sample, 0, 1 << 30));
    return mm_sample_status(sample);
}

static const mm_transform_ops noise_ops = {.apply = noise_apply};

static const mm_component noise = {
    .registry = "transforms",
    .name = "TestNoise",
    .help = "puts a random number",
    .size = sizeof(struct noise),
    .options = noise_options,
    MM_TRANSFORM(&noise_ops),
};

static int set_up(void **state)
{
    static const mm_component *const table[] = {&squares, &noise, NULL};
    static bool done;
    (void)state;

    if (!done && (mm_init() < 0 || mm_register(table) < 0))
        return -1;
    done = true;
    return 0;
}

static mm_value *parse(const char *json)
{
    mm_value *value = mm_json_parse(json, strlen(json), NULL);

    assert_non_null(value);
    return value;
}

static mm_loader *build(const char *json, uint64_t seed)
{
    mm_value *config = parse(json);
    mm_loader *loader = mm_loader_build(config, NULL, "train_dataloader", seed, 0, 1);

    mm_value_unref(config);
    return loader;
}

/* All values of `key` in an epoch, in order. */
static size_t read_epoch(mm_loader *loader, int64_t first, const char *key,
                         int64_t *out, size_t max)
{
    mm_value *batch = NULL;
    size_t count = 0;

    assert_int_equal(mm_loader_begin(loader, first), MM_OK);
    while (count < max && mm_loader_next(loader, &batch) == MM_OK) {
        mm_value *list = mm_dict_get(batch, key);

        for (size_t i = 0; i < mm_value_len(list) && count < max; i++)
            out[count++] = mm_value_i64(mm_list_get(list, i));
        mm_value_unref(batch);
    }
    assert_false(mm_has_error());
    return count;
}

static void assert_squares(const int64_t *got, const int64_t *indices, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_int_equal(got[i], indices[i] * indices[i]);
}

static void default_sampler_has_mmengines_order(void **state)
{
    static const int64_t orders[3][10] = {
        {5, 0, 3, 4, 1, 7, 9, 6, 8, 2},
        {3, 5, 0, 1, 2, 6, 4, 7, 8, 9},
        {0, 5, 8, 7, 6, 2, 9, 1, 4, 3},
    };
    mm_loader *loader =
        build("{\"dataset\": {\"type\": \"TestSquares\"}, \"batch_size\": 3,"
              "\"sampler\": {\"type\": \"DefaultSampler\"}}",
              7);
    int64_t got[16];
    (void)state;

    assert_non_null(loader);
    assert_int_equal(mm_loader_len(loader), 4);
    for (int64_t epoch = 0; epoch < 3; epoch++) {
        assert_int_equal(mm_loader_set_epoch(loader, epoch), MM_OK);
        assert_int_equal(read_epoch(loader, 0, "x", got, 16), 10);
        assert_squares(got, orders[epoch], 10);
    }
    mm_loader_free(loader);
}

static void default_sampler_slices_by_rank(void **state)
{
    static const int64_t order[] = {0, 1, 6, 5};
    mm_value *config = parse("{\"dataset\": {\"type\": \"TestSquares\"},"
                             "\"sampler\": {\"type\": \"DefaultSampler\"}}");
    mm_loader *loader = mm_loader_build(config, NULL, "train_dataloader", 7, 1, 3);
    int64_t got[16];
    (void)state;

    assert_int_equal(read_epoch(loader, 0, "x", got, 16), 4);
    assert_squares(got, order, 4);
    mm_loader_free(loader);
    mm_value_unref(config);
}

static void infinite_sampler_goes_on_and_jumps(void **state)
{
    static const int64_t order[25] = {5, 0, 3, 4, 1, 7, 9, 6, 8, 2, 1, 8, 9,
                                      5, 7, 4, 0, 3, 6, 2, 3, 7, 6, 2, 9};
    mm_loader *loader =
        build("{\"dataset\": {\"type\": \"TestSquares\"}, \"batch_size\": 5,"
              "\"sampler\": {\"type\": \"InfiniteSampler\"}}",
              7);
    int64_t got[25];
    (void)state;

    assert_int_equal(read_epoch(loader, 0, "x", got, 25), 25);
    assert_squares(got, order, 25);
    assert_int_equal(mm_loader_position(loader), 5);
    assert_int_equal(read_epoch(loader, 3, "x", got, 10), 10); /* in the second pass */
    assert_squares(got, order + 15, 10);
    assert_int_equal(read_epoch(loader, 1, "x", got, 5), 5); /* and back */
    assert_squares(got, order + 5, 5);
    mm_loader_free(loader);
}

/* The batches, random numbers included, for a number of workers and a first batch. */
static size_t noisy_epoch(int workers, int64_t first, int64_t *out)
{
    char json[512];

    (void)snprintf(
        json, sizeof(json),
        "{\"dataset\": {\"type\": \"TestSquares\", \"size\": 101, \"pipeline\":"
        " [{\"type\": \"TestNoise\", \"drops\": true}]}, \"batch_size\": 4,"
        "\"num_workers\": %d, \"sampler\": {\"type\": \"DefaultSampler\"}}",
        workers);
    mm_loader *loader = build(json, 3);
    size_t count;

    assert_non_null(loader);
    assert_int_equal(mm_loader_set_epoch(loader, 2), MM_OK);
    count = read_epoch(loader, first, "noise", out, 101);
    mm_loader_free(loader);
    return count;
}

static void batches_do_not_depend_on_workers(void **state)
{
    int64_t alone[101], with[101];
    (void)state;

    assert_int_equal(noisy_epoch(0, 0, alone), 101);
    for (int workers = 1; workers <= 5; workers += 2) {
        assert_int_equal(noisy_epoch(workers, 0, with), 101);
        assert_memory_equal(alone, with, sizeof(alone));
    }
    assert_int_equal(noisy_epoch(3, 10, with), 61); /* resumed in the middle */
    assert_memory_equal(alone + 40, with, 61 * sizeof(int64_t));
}

static void beginning_again_discards_what_was_made(void **state)
{
    mm_loader *loader =
        build("{\"dataset\": {\"type\": \"TestSquares\", \"size\": 1000},"
              "\"batch_size\": 10, \"num_workers\": 3,"
              "\"sampler\": {\"type\": \"DefaultSampler\","
              "\"shuffle\": false}}",
              0);
    int64_t got[20];
    (void)state;

    for (int round = 0; round < 50; round++) {
        assert_int_equal(read_epoch(loader, round, "x", got, 20), 20);
        assert_int_equal(got[0], (int64_t)round * 10 * round * 10);
    }
    mm_loader_free(loader); /* in the middle of an epoch */
}

static void an_error_names_worker_sample_and_dataset(void **state)
{
    mm_loader *loader = build("{\"dataset\": {\"type\": \"TestSquares\", \"size\": 40,"
                              "\"fails\": true}, \"batch_size\": 4, \"num_workers\": 2,"
                              "\"sampler\": {\"type\": \"DefaultSampler\","
                              "\"shuffle\": false}}",
                              0);
    mm_value *batch = NULL;
    mm_error error;
    (void)state;

    assert_int_equal(mm_loader_begin(loader, 0), MM_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(mm_loader_next(loader, &batch), MM_OK);
        mm_value_unref(batch);
    }
    assert_int_equal(mm_loader_next(loader, &batch), MM_EDATA);
    assert_int_equal(mm_error_take(&error), MM_EDATA);
    assert_string_equal(error.message, "item 13 is damaged");
    assert_string_equal(error.frames[0], "in sample 13 of dataset TestSquares");
    assert_non_null(strstr(error.frames[1], "in batch 3, made by worker "));
    mm_loader_free(loader);
}

static void sizes_and_refusals(void **state)
{
    mm_loader *loader =
        build("{\"dataset\": {\"type\": \"TestSquares\"}, \"batch_size\": 4,"
              "\"drop_last\": true}",
              0);
    (void)state;

    assert_int_equal(mm_loader_len(loader), 2);
    mm_loader_free(loader);
    loader = build("{\"dataset\": {\"type\": \"TestSquares\"}, \"batch_size\": 2,"
                   "\"num_batch_per_epoch\": 3}",
                   0);
    assert_int_equal(mm_loader_len(loader), 3);
    mm_loader_free(loader);
    assert_null(build("{\"dataset\": {\"type\": \"TestSquares\"}, \"batch_size\": 11,"
                      "\"drop_last\": true}",
                      0));
    assert_int_equal(mm_error_take(NULL), MM_EDATA);
    assert_null(build("{\"dataset\": {\"type\": \"TestSquares\", \"size\": 0}}", 0));
    assert_int_equal(mm_error_take(NULL), MM_EDATA);
    assert_null(
        build("{\"dataset\": {\"type\": \"TestSquares\"}, \"batchsize\": 4}", 0));
    assert_int_equal(mm_error_take(NULL), MM_ECONFIG);
}

static void indices_choose_a_subset(void **state)
{
    mm_loader *loader =
        build("{\"dataset\": {\"type\": \"TestSquares\", \"indices\": -3},"
              "\"sampler\": {\"type\": \"DefaultSampler\","
              "\"shuffle\": false}}",
              0);
    static const int64_t last[] = {7, 8, 9};
    int64_t got[4];
    (void)state;

    assert_int_equal(read_epoch(loader, 0, "x", got, 4), 3);
    assert_squares(got, last, 3);
    mm_loader_free(loader);
    assert_null(
        build("{\"dataset\": {\"type\": \"TestSquares\", \"indices\": [1, 10]}}", 0));
    assert_int_equal(mm_error_take(NULL), MM_ERANGE);
}

/* torch.manual_seed(5); torch.empty((), dtype=torch.int64).random_() */
static void an_iterator_draws_one_number(void **state)
{
    mm_loader *loader = build("{\"dataset\": {\"type\": \"TestSquares\"},"
                              "\"persistent_workers\": true}",
                              0);
    mm_scope scope = mm_scope_open();
    (void)state;

    assert_int_equal(mm_manual_seed(5), MM_OK);
    assert_true(mm_random_i64(NULL) == INT64_C(4095051218741643470));
    mm_tensor *after_one = mm_rng_state("cpu");
    assert_int_equal(mm_manual_seed(5), MM_OK);
    assert_int_equal(mm_loader_begin(loader, 0), MM_OK);
    assert_true(mm_tensor_equal(mm_rng_state("cpu"), after_one));
    assert_int_equal(mm_loader_begin(loader, 0), MM_OK); /* persistent: not again */
    assert_int_equal(mm_loader_begin(loader, 2), MM_OK); /* resumed: drawn before */
    assert_true(mm_tensor_equal(mm_rng_state("cpu"), after_one));
    mm_scope_close(scope);
    mm_loader_free(loader);
}

static void default_collate_stacks(void **state)
{
    mm_value *samples =
        parse("[{\"a\": 1, \"b\": [0.5, \"x\"]}, {\"a\": 2, \"b\": [1.5,"
              "\"y\"]}]");
    mm_value *batch = mm_default_collate(samples);
    (void)state;

    assert_int_equal(mm_tensor_dtype(mm_dict_get_tensor(batch, "a")), MM_DTYPE_I64);
    mm_tensor *b = mm_value_tensor(mm_list_get(mm_dict_get(batch, "b"), 0));
    assert_int_equal(mm_tensor_dtype(b), MM_DTYPE_F64);
    assert_true(((double *)mm_data(b, MM_DTYPE_F64))[1] == 1.5);
    assert_int_equal(mm_value_kind(mm_list_get(mm_dict_get(batch, "b"), 1)),
                     MM_KIND_LIST);
    mm_value_unref(batch);
    mm_value_unref(samples);
    samples = parse("[{\"a\": 1}, {\"b\": 2}]");
    assert_null(mm_default_collate(samples));
    assert_int_equal(mm_error_take(NULL), MM_EKEY);
    mm_value_unref(samples);
}

int test_loader(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(default_sampler_has_mmengines_order),
        cmocka_unit_test(default_sampler_slices_by_rank),
        cmocka_unit_test(infinite_sampler_goes_on_and_jumps),
        cmocka_unit_test(batches_do_not_depend_on_workers),
        cmocka_unit_test(beginning_again_discards_what_was_made),
        cmocka_unit_test(an_error_names_worker_sample_and_dataset),
        cmocka_unit_test(sizes_and_refusals),
        cmocka_unit_test(indices_choose_a_subset),
        cmocka_unit_test(an_iterator_draws_one_number),
        cmocka_unit_test(default_collate_stacks),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
