/* The evaluator around metrics: names and prefixes, the cut to the size of a dataset,
 * DumpResults and files of predictions, offline evaluation, what is refused. */
#include "nn_check.h"

#include "mmengine/metric.h"
#include "mmengine/ops.h"
#include "mmengine/pth.h"
#include "mmengine/structures.h"
#include "runner_parts.h"

/* --- a metric of our own: how many samples, and the sum of their "x" --- */

static mm_status count_process(void *self, mm_value *batch, mm_value *samples)
{
    (void)batch;
    for (size_t i = 0; i < mm_value_len(samples); i++)
        mm_metric_add(self, mm_dict_get(mm_list_get(samples, i), "x"));
    return mm_pending();
}

static mm_status count_compute(void *self, mm_value *results, mm_value *out)
{
    double sum = 0.0;

    (void)self;
    for (size_t i = 0; i < mm_value_len(results); i++)
        sum += mm_value_f64(mm_list_get(results, i));
    mm_dict_put_i64(out, "count", (int64_t)mm_value_len(results));
    mm_dict_put_f64(out, "sum", sum);
    return mm_pending();
}

/* One that sees what it is given: "data" of the batch. */
static mm_status batch_process(void *self, mm_value *batch, mm_value *samples)
{
    const mm_value *data = mm_dict_get(batch, "data");

    for (size_t i = 0; i < mm_value_len(samples); i++)
        mm_metric_add(self, mm_list_get(data, i));
    return mm_pending();
}

static const mm_metric_ops count_ops = {.process = count_process,
                                        .compute = count_compute};
static const mm_metric_ops batch_ops = {
    .process = batch_process, .compute = count_compute, .default_prefix = "batch"};
#define METRIC(id, name_, ops_)                                                        \
    static const mm_component id = {                                                   \
        .registry = "metrics",                                                         \
        .name = name_,                                                                 \
        .help = "for this test",                                                       \
        .size = sizeof(mm_base_metric),                                                \
        .options = mm_base_metric_options,                                             \
        MM_METRIC(&(ops_)),                                                            \
    };
METRIC(count_metric, "TestCount", count_ops)
METRIC(batch_metric, "TestBatch", batch_ops)

static int set_up(void **state)
{
    static const mm_component *const table[] = {&count_metric, &batch_metric, NULL};

    if (nn_set_up(state) != 0)
        return -1;
    return mm_component_find("metrics", NULL, "TestCount") != NULL ||
                   mm_register(table) == MM_OK
               ? 0
               : -1;
}

/* --- helpers --- */

static char warnings[1024]; /* what was logged since the last look */

static void take_line(void *user, const mm_log_line *line)
{
    size_t used = strlen(warnings);

    (void)user;
    (void)snprintf(warnings + used, sizeof(warnings) - used, "%s\n", line->message);
}

/* A list of dicts x = 0, 1, ...; yours. */
static mm_value *numbers(int64_t count)
{
    mm_value *list = mm_value_new_list();

    for (int64_t i = 0; i < count; i++) {
        mm_value *sample = mm_value_new_dict();

        mm_dict_put_i64(sample, "x", i);
        mm_list_push(list, sample);
    }
    return list;
}

static mm_evaluator *build(const char *json)
{
    mm_value *config = nn_json(json);
    mm_evaluator *evaluator = mm_evaluator_build(config, "mmpretrain", "val_evaluator");

    mm_value_unref(config);
    return evaluator;
}

/* What offline evaluation of numbers(6) gives, as text. */
static void check_numbers(const char *json, int64_t chunk, const char *wanted)
{
    mm_evaluator *evaluator = build(json);
    mm_value *samples = numbers(6);
    mm_value *result = mm_evaluator_offline(evaluator, samples, NULL, chunk);

    check_ok();
    char *text = mm_value_repr(result);

    assert_string_equal(text, wanted);
    mm_free(text);
    mm_value_unref(result);
    mm_value_unref(samples);
    mm_evaluator_free(evaluator);
}

/* --- names --- */

static void test_prefixes(void **state)
{
    (void)state;
    mm_log_set_sink(take_line, NULL);
    warnings[0] = '\0';
    check_numbers("{\"type\": \"TestCount\"}", 1, "{'count': 6, 'sum': 15.0}");
    assert_string_equal(warnings, "The prefix is not set in metric class TestCount.\n");
    warnings[0] = '\0';
    check_numbers("{\"type\": \"TestCount\", \"prefix\": \"\"}", 4,
                  "{'count': 6, 'sum': 15.0}");
    assert_string_equal(warnings, "The prefix is not set in metric class TestCount.\n");
    warnings[0] = '\0';
    check_numbers("[{\"type\": \"TestCount\", \"prefix\": \"a\"},"
                  " {\"type\": \"TestCount\", \"prefix\": \"b/c\"}]",
                  100,
                  "{'a/count': 6, 'a/sum': 15.0, 'b/c/count': 6, 'b/c/sum': 15.0}");
    check_numbers("{\"type\": \"Evaluator\", \"metrics\": {\"type\": \"TestCount\","
                  "\"prefix\": \"a\"}}",
                  2, "{'a/count': 6, 'a/sum': 15.0}");
    assert_string_equal(warnings, "");
    mm_log_set_sink(NULL, NULL);
}

static void test_collisions(void **state)
{
    mm_evaluator *evaluator =
        build("[{\"type\": \"TestCount\"}, {\"type\": \"TestCount\"}]");
    mm_value *samples = numbers(2);

    (void)state;
    assert_null(mm_evaluator_offline(evaluator, samples, NULL, 1));
    check_error_text(MM_EKEY, "two metrics give a result named 'count'");
    mm_value_unref(samples);
    mm_evaluator_free(evaluator);
    assert_null(build("{\"type\": \"TestCount\", \"collect_dir\": \"x\","
                      "\"collect_device\": \"gpu\"}"));
    check_error(MM_ECONFIG);
}

/* Padded samples are cut off; afterwards the metric begins anew. */
static void test_size(void **state)
{
    mm_evaluator *evaluator = build("{\"type\": \"TestCount\", \"prefix\": \"a\"}");
    mm_value *samples = numbers(6);

    (void)state;
    for (int round = 0; round < 2; round++) {
        assert_int_equal(mm_evaluator_process(evaluator, samples, NULL), MM_OK);
        mm_value *result = mm_evaluator_evaluate(evaluator, 4);

        assert_int_equal(mm_value_i64(mm_dict_get(result, "a/count")), 4);
        assert_true(mm_metric_value(result, "sum") == 6.0);
        mm_value_unref(result);
    }
    mm_log_set_sink(take_line, NULL);
    warnings[0] = '\0';
    mm_value *empty = mm_evaluator_evaluate(evaluator, 4);

    assert_non_null(strstr(warnings, "TestCount got empty `self.results`."));
    mm_log_set_sink(NULL, NULL);
    mm_value_unref(empty);
    mm_value_unref(samples);
    mm_evaluator_free(evaluator);
}

/* The data of the dataset come in the same chunks, through pseudo_collate. */
static void test_offline_data(void **state)
{
    mm_evaluator *evaluator = build("{\"type\": \"TestBatch\"}");
    mm_value *samples = numbers(5), *data = mm_value_new_list();

    (void)state;
    for (int64_t i = 0; i < 5; i++) {
        mm_value *item = mm_value_new_dict();

        mm_dict_put_i64(item, "data", 10 * i);
        mm_list_push(data, item);
    }
    mm_value *result = mm_evaluator_offline(evaluator, samples, data, 2);

    check_ok();
    assert_int_equal(mm_value_i64(mm_dict_get(result, "batch/count")), 5);
    assert_true(mm_metric_value(result, "batch/sum") == 100.0);
    mm_value_unref(result);
    mm_list_remove(data, 0);
    assert_null(mm_evaluator_offline(evaluator, samples, data, 2));
    check_error_text(MM_EINVAL,
                     "could not evaluate 5 predictions with the data of 4 samples");
    mm_value_unref(data);
    mm_value_unref(samples);
    mm_evaluator_free(evaluator);
}

/* --- files --- */

/* Predictions of every kind: views, dtypes, elements, plain data. Yours. */
static mm_value *predictions(void)
{
    static const mm_dtype dtypes[] = {MM_DTYPE_F32,  MM_DTYPE_F64, MM_DTYPE_F16,
                                      MM_DTYPE_BF16, MM_DTYPE_I64, MM_DTYPE_U8,
                                      MM_DTYPE_BOOL};
    mm_value *list = mm_value_new_list();
    mm_scope scope = mm_scope_open();
    mm_tensor *table =
        mm_reshape(mm_arange(MM_N(0.0), MM_N(7000.0), MM_N(1.0)), MM_DIMS(7, 1000));

    for (int64_t i = 0; i < 7; i++) {
        mm_data_element *element = mm_data_element_new("DataSample");
        mm_data_element *inner = mm_data_element_new_of(MM_ELEMENT_INSTANCE, NULL);
        mm_tensor *row = mm_cast(mm_select(table, 0, i), dtypes[i]);

        mm_data_element_put_tensor(element, "row", mm_select(table, 0, i));
        mm_data_element_put_tensor(element, "column",
                                   mm_select(mm_transpose(table, 0, 1), 0, i));
        mm_data_element_put_tensor(element, "cast", row);
        mm_data_element_put_tensor(element, "none", mm_zeros(MM_DIMS(0, 3)));
        mm_data_element_put_tensor(element, "one", mm_scalar((double)i, MM_DTYPE_F32));
        mm_data_element_put_tensor(inner, "boxes", mm_ones(MM_DIMS(2, 4)));
        mm_value *nested = mm_value_new_data_element(inner);

        mm_data_element_put(element, "gt", nested);
        mm_list_push(list, mm_value_new_data_element(element));
        mm_value_unref(nested);
        mm_data_element_unref(inner);
        mm_data_element_unref(element);
    }
    mm_scope_close(scope);
    check_ok();
    return list;
}

/* Dicts of both lists hold equal values. */
static void check_equal(const mm_value *read, const mm_value *written)
{
    assert_int_equal(mm_value_len(read), mm_value_len(written));
    for (size_t i = 0; i < mm_value_len(read); i++) {
        mm_value *dict =
            mm_data_element_to_dict(mm_value_data_element(mm_list_get(written, i)));

        assert_true(mm_value_equal(mm_list_get(read, i), dict));
        mm_value_unref(dict);
    }
}

static void test_dump(void **state)
{
    char *folder = parts_new_dir();
    char *path = mm_path_join(folder, "new/all.pkl");
    char *json =
        mm_strfmt("{\"type\": \"DumpResults\", \"out_file_path\": \"%s\"}", path);
    mm_evaluator *evaluator = build(json);
    mm_value *written = predictions();
    mm_value *numbers_of = mm_evaluator_offline(evaluator, written, NULL, 3);

    (void)state;
    check_ok();
    assert_int_equal(mm_value_len(numbers_of), 0);
    mm_value *read = mm_predictions_load(path);

    check_ok();
    check_equal(read, written);
    /* a view is written with its own elements: 7 * (4000 + 28 + 4000 .. 8000) bytes,
     * in UTF-8; the table itself would be there 14 times */
    assert_in_range(mm_file_size(path), 60000, 130000);
    mm_value_unref(read);
    mm_value_unref(numbers_of);
    mm_value_unref(written);
    mm_evaluator_free(evaluator);
    mm_free(json);
    mm_free(path);
    parts_remove_dir(folder);
    assert_null(build("{\"type\": \"DumpResults\", \"out_file_path\": \"a.txt\"}"));
    check_error(MM_ECONFIG);
}

/* Python's pickle and torch read what we wrote: run where MM_TEST_PYTHON names one. */
static void test_python_reads_it(void **state)
{
    const char *python = getenv("MM_TEST_PYTHON");

    (void)state;
    if (python == NULL) {
        skip();
    }
    char *folder = parts_new_dir();
    char *path = mm_path_join(folder, "all.pkl");
    mm_value *written = predictions(), *dicts = mm_value_new_list();

    for (size_t i = 0; i < mm_value_len(written); i++)
        mm_list_push(dicts, mm_data_element_to_dict(
                                mm_value_data_element(mm_list_get(written, i))));
    assert_int_equal(mm_predictions_save(dicts, path), MM_OK);
    char *command =
        mm_strfmt("\"%s\" -W ignore torch/read_predictions.py \"%s\"", python, path);

    assert_int_equal(system(command), 0);
    mm_free(command);
    mm_value_unref(dicts);
    mm_value_unref(written);
    mm_free(path);
    parts_remove_dir(folder);
}

/* A file of Python's DumpResults (tools/golden/predictions.py): tensors, NumPy arrays,
 * numbers of NumPy, a data element that nobody turned into a dict. */
static void test_python_wrote_it(void **state)
{
    mm_value *read = mm_predictions_load("golden/evaluation/predictions.pkl");
    mm_value *wanted = nn_json_file("golden/evaluation/predictions.json");

    (void)state;
    check_ok();
    assert_int_equal(mm_value_len(read), mm_value_len(wanted));
    for (size_t i = 0; i < mm_value_len(read); i++) {
        char *text = mm_value_repr(mm_list_get(read, i));

        assert_string_equal(text, mm_value_str(mm_list_get(wanted, i)));
        mm_free(text);
    }
    mm_value_unref(wanted);
    mm_value_unref(read);
}

/* True if a file of these bytes is refused, as it must be for the right reason. */
static bool is_refused(const char *path, const char *data, size_t size)
{
    assert_int_equal(mm_file_write(path, data, size), MM_OK);
    mm_value *read = mm_predictions_load(path);
    bool refused = read == NULL;

    mm_value_unref(read);
    if (refused)
        assert_int_equal(mm_error_take(NULL), MM_EDATA);
    return refused;
}

/* Cut or changed anywhere: an error or other values, never a crash. */
static void test_damage(void **state)
{
    char *folder = parts_new_dir();
    char *path = mm_path_join(folder, "x.pkl");
    size_t size = 0;
    char *data = mm_file_read("golden/evaluation/predictions.pkl", &size);

    (void)state;
    check_ok();
    for (size_t cut = 0; cut < size; cut += 1 + size / 300)
        assert_true(is_refused(path, data, cut));
    size_t num_refused = 0;
    for (size_t at = 0; at < size; at += 1 + size / 1500) {
        char was = data[at];

        data[at] = (char)(was ^ (char)(1 << at % 8));
        num_refused += is_refused(path, data, size);
        data[at] = was;
    }
    assert_true(num_refused > 100);
    assert_true(is_refused(path, "\x80\x02K\x01.", 5));
    assert_null(mm_predictions_load("nowhere.pkl"));
    check_error(MM_ENOENT);
    mm_free(data);
    mm_free(path);
    parts_remove_dir(folder);
}

int test_evaluator(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, nn_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_prefixes),        TEST(test_collisions), TEST(test_size),
        TEST(test_offline_data),    TEST(test_dump),       TEST(test_python_reads_it),
        TEST(test_python_wrote_it), TEST(test_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
