/* Early stopping against MMEngine's (tools/golden/early_stopping.py): rows of scores,
 * and after which of them training ends. */
#include "runner_parts.h"

#include "mmengine/fileio.h"

/* A metric that gives prepared scores, one a validation. */
struct prepared_metric {
    mm_base_metric base;
    mm_value *scores;
    const char *key;
};

static size_t num_validations;

#define MM_OPT_STRUCT struct prepared_metric
static const mm_option options[] = {
    {"", "", MM_OPT_INHERIT(base, mm_base_metric_options)},
    {"scores", "one for each validation", MM_OPT_VALUE_REQUIRED(scores)},
    {"key", "name of the metric", MM_OPT_STR_REQUIRED(key)},
    {0},
};
#undef MM_OPT_STRUCT

static mm_status process(void *data, mm_value *batch, mm_value *samples)
{
    struct prepared_metric *self = data;
    (void)batch;

    for (size_t i = 0; i < mm_value_len(samples); i++)
        mm_metric_add(&self->base, mm_list_get(self->scores, 0));
    return mm_pending();
}

static mm_status compute(void *data, mm_value *results, mm_value *out)
{
    struct prepared_metric *self = data;
    (void)results;

    mm_dict_put(out, self->key, mm_list_get(self->scores, num_validations++));
    return mm_pending();
}

static const mm_metric_ops metric_ops = {
    .process = process,
    .compute = compute,
    .default_prefix = "toy",
};

static const mm_component prepared_metric = {
    .registry = "metrics",
    .name = "PreparedMetric",
    .help = "prepared scores",
    .size = sizeof(struct prepared_metric),
    .options = options,
    MM_METRIC(&metric_ops),
};

static int register_parts(void **state)
{
    static const mm_component *const table[] = {&prepared_metric, NULL};
    (void)state;

    return parts_register() != 0 || mm_register(table) != MM_OK;
}

/* Trains with the scores and the hook; the number of validations. */
static size_t validations_of(const char *scores, const char *key, const char *hook,
                             int epochs, const char *more)
{
    char *dir = parts_new_dir();
    char *text = mm_strfmt(
        "inf, nan = float('inf'), float('nan')\n"
        "val_evaluator = dict(type='PreparedMetric', scores=%s, key='%s')\n"
        "test_evaluator = val_evaluator\n"
        "train_cfg = dict(by_epoch=True, max_epochs=%d)\n"
        "default_hooks = dict(checkpoint=dict(type='CheckpointHook', interval=-1))\n"
        "custom_hooks = [dict(%s, type='EarlyStoppingHook')]\n%s",
        scores, key, epochs, hook, more);

    mm_error error;

    num_validations = 0;
    mm_value_unref(parts_train(dir, text));
    mm_status status = mm_error_take(&error);
    mm_free(text);
    parts_remove_dir(dir);
    if (status != MM_OK)
        (void)mm_error_restore(&error);
    return num_validations;
}

static void training_ends_where_mmengines_does(void **state)
{
    mm_value *cases = mm_fileio_load("golden/hooks/early_stopping.json", NULL);
    (void)state;

    assert_true(mm_value_len(cases) == 60);
    for (size_t i = 0; i < mm_value_len(cases); i++) {
        mm_value *row = mm_list_get(cases, i);
        mm_value *settings = mm_dict_get(row, "settings");
        const char *monitor = mm_value_str(mm_dict_get(settings, "monitor"));
        int64_t ends = mm_value_i64(mm_dict_get(row, "ends_after"));
        char *scores = mm_value_repr(mm_dict_get(row, "values"));
        char *hook = mm_value_repr(settings);
        size_t count = validations_of(scores, strchr(monitor, '/') + 1, hook, 8, "");

        check_ok();
        if (count != (size_t)(ends == 0 ? 8 : ends))
            fail_msg("case %zu: %zu validations, not %d", i, count, (int)ends);
        mm_free(hook);
        mm_free(scores);
    }
    mm_value_unref(cases);
}

static void the_wait_survives_a_resume(void **state)
{
    char *dir = parts_new_dir();
    char *resume = mm_strfmt("resume = True\nwork_dir = '%s'\n", dir);
    char *begin = mm_strfmt("work_dir = '%s'\n", dir);
    const char *hook = "dict(monitor='toy/acc', patience=3, min_delta=0.0)";
    (void)state;

    /* 0.5 is the best; the checkpoint is written before the third validation, which the
     * resumed run makes up for; the one after that is the third without improvement */
    assert_int_equal(validations_of("[0.5, 0.4, 0.3]", "acc", hook, 3, begin), 3);
    check_ok();
    assert_int_equal(
        validations_of("[0.3, 0.2, 0.9, 0.9, 0.9]", "acc", hook, 6, resume), 2);
    check_ok();
    mm_free(begin);
    mm_free(resume);
    parts_remove_dir(dir);
}

static void a_missing_metric_is_told(void **state)
{
    mm_error error;
    (void)state;

    assert_int_equal(
        validations_of("[1.0, 1.0]", "acc", "dict(monitor='toy/accuracy')", 2, ""), 2);
    check_ok();
    (void)validations_of("[1.0, 1.0]", "acc",
                         "dict(monitor='toy/ac', rule='greater', strict=True)", 2, "");
    assert_int_equal(mm_error_take(&error), MM_EKEY);
    assert_string_equal(error.message,
                        "the validation has no metric 'toy/ac' to stop by");
    assert_string_equal(error.hint, "did you mean 'toy/acc'?");
    (void)validations_of("[1.0]", "acc", "dict(monitor='toy/f1')", 1, "");
    assert_int_equal(mm_error_take(&error), MM_ECONFIG);
}

int test_early_stopping(void)
{
    const struct CMUnitTest tests[] = {
        CLEAN_TEST(training_ends_where_mmengines_does),
        CLEAN_TEST(the_wait_survives_a_resume),
        CLEAN_TEST(a_missing_metric_is_told),
    };

    return cmocka_run_group_tests(tests, register_parts, NULL);
}
