/* Metrics of the zoo against the public originals (tools/golden/metrics.py): each case
 * has a config, data by column, and the numbers or that there was an exception. Then
 * what surrounds them: the evaluator, files of predictions, results that stay small. */
#include "nn_check.h"

#include "mmengine/metric.h"
#include "mmengine/ops.h"
#include "runner_parts.h"

#define GOLDEN "golden/evaluation/"

/* --- data --- */

/* Puts a value under "a.b" of nested dicts. */
static void put_at(mm_value *sample, const char *path, MM_TAKES mm_value *value)
{
    const char *dot = strchr(path, '.');
    char *first = dot == NULL ? NULL : mm_strfmt("%.*s", (int)(dot - path), path);

    if (dot == NULL) {
        mm_dict_take(sample, path, value);
        return;
    }
    if (!mm_dict_has(sample, first))
        mm_dict_take(sample, first, mm_value_new_dict());
    put_at(mm_dict_get(sample, first), dot + 1, value);
    mm_free(first);
}

/* A list of ints as a tensor; scope-owned. */
static mm_tensor *tensor_of(const mm_value *list)
{
    int64_t data[64] = {0}, size = (int64_t)mm_value_len(list);

    for (int64_t i = 0; i < size; i++)
        data[i] = mm_value_i64(mm_list_get(list, (size_t)i));
    return mm_from_i64(data, 1, &size);
}

/* Row `index` of a column; yours. */
static mm_value *row_of(const mm_value *column, size_t index, bool is_plain)
{
    mm_tensor *tensor = mm_value_find_tensor(column);

    if (tensor == NULL && is_plain)
        return mm_value_ref(mm_list_get(column, index));
    if (tensor == NULL)
        return mm_value_new_tensor(tensor_of(mm_list_get(column, index)));
    mm_tensor *row = mm_select(tensor, 0, (int64_t)index);

    return mm_value_new_tensor(mm_ndim(row) == 0 ? mm_unsqueeze(row, 0) : row);
}

static void put_rows(mm_value *sample, const mm_value *columns, size_t index,
                     bool is_plain)
{
    for (size_t i = 0; i < mm_value_len(columns); i++)
        put_at(sample, mm_dict_name_at(columns, i),
               row_of(mm_dict_at(columns, i), index, is_plain));
}

/* The samples begin..end of a case; yours. */
static mm_value *samples_of(const mm_value *one, size_t begin, size_t end)
{
    mm_value *list = mm_value_new_list();
    mm_scope scope = mm_scope_open();

    for (size_t i = begin; i < end; i++) {
        mm_value *sample = mm_value_new_dict();

        put_rows(sample, mm_dict_get(one, "columns"), i, false);
        put_rows(sample, mm_dict_get(one, "plain"), i, true);
        mm_list_push(list, sample);
    }
    mm_scope_close(scope);
    check_ok();
    return list;
}

/* --- cases --- */

static const char *scope_of(const mm_value *config)
{
    const char *type = mm_value_str(mm_dict_get(config, "type"));

    return strcmp(type, "IoUMetric") == 0 ? "mmseg" : "mmpretrain";
}

/* The numbers of a case; NULL with an error pending if there are none. Yours. */
static mm_value *evaluate(const mm_value *one)
{
    mm_value *config = mm_dict_get(one, "config");
    size_t count = (size_t)mm_value_i64(mm_dict_get(one, "count"));
    size_t chunk = (size_t)mm_value_i64(mm_dict_get(one, "chunk"));
    const mm_value *size = mm_dict_get(one, "size");
    mm_value *meta = mm_dict_get(one, "meta");
    mm_evaluator *evaluator = mm_evaluator_build(config, scope_of(config), "evaluator");
    mm_value *numbers = NULL;

    if (evaluator != NULL && !mm_value_is_none(meta))
        assert_int_equal(mm_evaluator_set_meta(evaluator, meta), MM_OK);
    for (size_t begin = 0; begin < count && evaluator != NULL && !mm_has_error();
         begin += chunk) {
        mm_value *samples =
            samples_of(one, begin, begin + chunk < count ? begin + chunk : count);

        if (mm_evaluator_process(evaluator, samples, NULL) < 0)
            mm_error_frame("in the test");
        mm_value_unref(samples);
    }
    if (evaluator != NULL && !mm_has_error())
        numbers = mm_evaluator_evaluate(
            evaluator, mm_value_is_none(size) ? (int64_t)count : mm_value_i64(size));
    mm_evaluator_free(evaluator);
    return numbers;
}

/* How far a number may be from the original's: sums of many classes are in another
 * order on another processor. */
static bool is_close(double a, double b)
{
    double tolerance = (nn_exact() ? 1e-15 : 1e-6) * fabs(b);

    return (isnan(a) && isnan(b)) || fabs(a - b) <= tolerance || a == b;
}

static bool are_close(const mm_value *a, const mm_value *b)
{
    mm_kind kind = mm_value_kind(b);

    if (kind == MM_KIND_I64)
        return mm_value_kind(a) == MM_KIND_I64 && mm_value_i64(a) == mm_value_i64(b);
    if (kind != MM_KIND_LIST)
        return mm_value_kind(a) == MM_KIND_F64 &&
               is_close(mm_value_f64(a), mm_value_f64(b));
    bool is_same =
        mm_value_kind(a) == MM_KIND_LIST && mm_value_len(a) == mm_value_len(b);

    for (size_t i = 0; is_same && i < mm_value_len(b); i++)
        is_same = are_close(mm_list_get(a, i), mm_list_get(b, i));
    return is_same;
}

/* A matrix as lists; yours. */
static mm_value *listed(mm_value *value)
{
    mm_tensor *tensor = mm_value_find_tensor(value);

    return tensor == NULL ? mm_value_ref(value) : mm_tensor_to_list(tensor);
}

static void fail_with(const mm_value *one, const char *what, const mm_value *got)
{
    char *config = mm_value_repr(mm_dict_get(one, "config"));
    char *wanted =
        mm_dict_has(one, "result") ? mm_value_repr(mm_dict_get(one, "result")) : NULL;
    char *found = got == NULL ? NULL : mm_value_repr(got);

    print_error("%s %s: %s\nwanted %s\ngot    %s\n",
                mm_value_str(mm_dict_get(one, "name")), config, what,
                wanted == NULL ? "an error" : wanted, found == NULL ? "none" : found);
    mm_free(config);
    mm_free(wanted);
    mm_free(found);
    fail();
}

/* Names in the original's order, and their values. */
static void compare(const mm_value *one, const mm_value *got)
{
    const mm_value *wanted = mm_dict_get(one, "result");

    if (mm_value_len(got) != mm_value_len(wanted))
        fail_with(one, "other names", got);
    for (size_t i = 0; i < mm_value_len(wanted); i++) {
        mm_value *a = listed(mm_dict_at(got, i));
        mm_value *b = listed(mm_dict_at(wanted, i));

        if (strcmp(mm_dict_name_at(got, i), mm_dict_name_at(wanted, i)) != 0)
            fail_with(one, "other names", got);
        if (!are_close(a, b))
            fail_with(one, mm_dict_name_at(wanted, i), got);
        mm_value_unref(a);
        mm_value_unref(b);
    }
}

static mm_value *tables; /* what IoUMetric logs, by case */
static char *logged;     /* the last table of a case */
static size_t num_tables;

static void take_line(void *user, const mm_log_line *line)
{
    const char *table = strstr(line->message, "\n+");

    (void)user;
    if (table == NULL)
        return;
    mm_free(logged);
    logged = mm_strdup(table);
}

static void check_table(const char *name)
{
    const mm_value *table = mm_dict_find(tables, name);

    if (table == NULL)
        return;
    num_tables++;
    assert_non_null(logged);
    assert_string_equal(logged, mm_value_str(table));
}

static void test_golden(void **state)
{
    mm_value *cases = mm_predictions_load(GOLDEN "metrics.pkl");

    (void)state;
    check_ok();
    tables = nn_json_file(GOLDEN "tables.json");
    mm_log_set_sink(take_line, NULL);
    for (size_t i = 0; i < mm_value_len(cases); i++) {
        const mm_value *one = mm_list_get(cases, i);

        mm_free(logged);
        logged = NULL;
        mm_value *got = evaluate(one);
        bool is_error = mm_has_error();

        if (is_error != mm_dict_has(one, "error")) {
            mm_error error = {0};

            mm_error_take(&error);
            fail_with(one, is_error ? error.message : "no error", got);
        }
        mm_error_take(NULL);
        if (!is_error) {
            compare(one, got);
            check_table(mm_value_str(mm_dict_get(one, "name")));
        }
        mm_value_unref(got);
    }
    mm_log_set_sink(NULL, NULL);
    assert_true(mm_value_len(cases) >= 300);
    assert_int_equal(num_tables, mm_value_len(tables));
    mm_free(logged);
    logged = NULL;
    mm_value_unref(tables);
    mm_value_unref(cases);
}

/* What is kept of a sample holds no tensor: scores and maps can go. */
static void test_small(void **state)
{
    static const char *const configs[] = {
        "{\"type\": \"Accuracy\", \"topk\": [1, 5]}",
        "{\"type\": \"SingleLabelMetric\"}",
        "{\"type\": \"ConfusionMatrix\"}",
        "{\"type\": \"MultiLabelMetric\", \"thr\": 0.1}",
        "{\"type\": \"AveragePrecision\"}",
        "{\"type\": \"RetrievalRecall\", \"topk\": 3}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(configs) / sizeof(configs[0]); i++) {
        mm_value *config = nn_json(configs[i]);
        mm_evaluator *evaluator = mm_evaluator_build(config, "mmpretrain", "evaluator");
        mm_value *samples = mm_value_new_list(), *sample = mm_value_new_dict();
        mm_scope scope = mm_scope_open();
        int64_t label = 1, one = 1;

        mm_dict_put_tensor(sample, "pred_score", mm_rand(MM_DIMS(1000)));
        mm_dict_put_tensor(sample, "gt_label", mm_from_i64(&label, 1, &one));
        mm_scope_close(scope);
        mm_list_push(samples, sample);
        assert_int_equal(mm_evaluator_process(evaluator, samples, NULL), MM_OK);
        mm_value_unref(samples);
        assert_int_equal(mm_live_tensors(), 0);
        mm_value_unref(mm_evaluator_evaluate(evaluator, 1));
        check_ok();
        mm_evaluator_free(evaluator);
        mm_value_unref(config);
    }
}

/* One sample with a predicted map [1, 2, 3] of a picture "a/b.c.jpg". Yours. */
static mm_value *map_samples(void)
{
    static const int64_t labels[] = {0, 1, 2, 3, 4, 5};
    mm_value *samples = mm_value_new_list(), *sample = mm_value_new_dict();
    mm_value *map = mm_value_new_dict();
    mm_scope scope = mm_scope_open();

    mm_dict_put_tensor(map, "data", mm_from_i64(labels, 3, (int64_t[]){1, 2, 3}));
    mm_scope_close(scope);
    mm_dict_take(sample, "pred_sem_seg", map);
    mm_dict_put_str(sample, "img_path", "a/b.c.jpg");
    mm_dict_put_bool(sample, "reduce_zero_label", true);
    mm_list_push(samples, sample);
    return samples;
}

/* format_only writes the map as a grey PNG named after the picture. */
static void test_maps(void **state)
{
    static const unsigned char head[] = {0, 0, 0, 3, 0, 0, 0, 2, 8, 0};
    char *dir = parts_new_dir();
    char *json = mm_strfmt("{\"type\": \"IoUMetric\", \"format_only\": true,"
                           "\"output_dir\": \"%s/maps\"}",
                           dir);
    char *path = mm_path_join(dir, "maps/b.c.png");
    mm_value *config = nn_json(json);
    mm_value *meta = nn_json("{\"classes\": [\"a\", \"b\"]}");
    mm_evaluator *evaluator = mm_evaluator_build(config, "mmseg", "evaluator");
    mm_value *samples = map_samples();
    size_t size = 0;

    (void)state;
    assert_int_equal(mm_evaluator_set_meta(evaluator, meta), MM_OK);
    mm_value *numbers = mm_evaluator_offline(evaluator, samples, NULL, 1);

    check_ok();
    assert_int_equal(mm_value_len(numbers), 0);
    char *png = mm_file_read(path, &size);

    check_ok();
    assert_true(size > 40);
    assert_memory_equal(png + 1, "PNG", 3);
    assert_memory_equal(png + 16, head, sizeof(head)); /* 3 x 2, 8 bits, grey */
    mm_free(png);
    mm_value_unref(numbers);
    mm_value_unref(samples);
    mm_evaluator_free(evaluator);
    mm_value_unref(meta);
    mm_value_unref(config);
    config = nn_json("{\"type\": \"IoUMetric\", \"format_only\": true}");
    assert_null(mm_evaluator_build(config, "mmseg", "evaluator"));
    check_error(MM_ECONFIG);
    mm_value_unref(config);
    mm_free(path);
    mm_free(json);
    parts_remove_dir(dir);
}

int test_metrics(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_golden, nn_set_up, nn_tear_down),
        cmocka_unit_test_setup_teardown(test_small, nn_set_up, nn_tear_down),
        cmocka_unit_test_setup_teardown(test_maps, nn_set_up, nn_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
