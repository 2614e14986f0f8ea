/* The log processor against the real one: lines and records of MMEngine, text for text,
 * over the hubs, settings and places of tools/golden/log_lines.py. */
#include "check.h"

#include <string.h>

#include "mmengine/component.h"
#include "mmengine/file.h"
#include "mmengine/fileio.h"
#include "registry/registry.h"
#include "runner/internal.h"
#include "runner/log_processor.h"

#define CASES "cases/logging/"

static int setup(void **state)
{
    static const mm_component *const table[] = {&mmi_log_processor, NULL};
    (void)state;
    return mm_register(table) == MM_OK ? 0 : -1;
}

static int teardown(void **state)
{
    mm_error_take(NULL); /* a test that failed has said so */
    mmi_registry_clear();
    assert_int_equal(mm_live_instances(), 0);
    return check_clean(state);
}

#define BUILD_TEST(function)                                                           \
    cmocka_unit_test_setup_teardown((function), setup, teardown)

static mm_instance *build(mm_value *config)
{
    return mm_build(&(mm_build_args){
        .registry = "log_processors",
        .config = config,
        .path = "log_processor",
        .default_type = "LogProcessor",
        .interface = MM_INTERFACE_LOG_PROCESSOR,
    });
}

static mm_value *parse(const char *text)
{
    mm_value *value = mm_json_parse(text, strlen(text), NULL);

    check_ok();
    return value;
}

static mm_value *read_cases(const char *path)
{
    size_t size = 0;
    char *text = mm_file_read(path, &size);
    mm_value *cases = mm_json_parse_lines(text, size, path);

    check_ok();
    mm_free(text);
    return cases;
}

/* ---- a hub and a place of a case ---- */

/* Stands for a tensor: an object that knows its text. */
static void keep(void *text)
{
    (void)text;
}

static char *print_text(const void *text)
{
    return mm_strdup(text);
}

static const mm_object_ops text_ops = {
    .name = "tensor", .ref = keep, .unref = keep, .print = print_text};

static void add_history(mm_hub *hub, const mm_value *row)
{
    const char *key = mm_value_str(mm_list_get(row, 0));
    const mm_value *updates = mm_list_get(row, 1);

    for (size_t i = 0; i < mm_value_len(updates); i++) {
        mm_value *update = mm_list_get(updates, i);
        bool is_pair = mm_value_kind(update) == MM_KIND_LIST;

        mm_hub_update_scalar_with(hub, key, is_pair ? mm_list_get(update, 0) : update,
                                  is_pair ? mm_value_i64(mm_list_get(update, 1)) : 1,
                                  true);
    }
}

static void add_info(mm_hub *hub, const char *key, mm_value *value)
{
    mm_value *text =
        mm_value_kind(value) == MM_KIND_DICT ? mm_dict_find(value, "tensor") : NULL;

    if (text == NULL) {
        mm_hub_update_info(hub, key, value);
        return;
    }
    mm_value *object = mm_value_new_object((void *)mm_value_str(text), &text_ops);
    mm_hub_update_info(hub, key, object);
    mm_value_unref(object);
}

static mm_hub *make_hub(const mm_value *given)
{
    mm_hub *hub = mm_hub_new("case");
    const mm_value *scalars = mm_dict_get(given, "scalars");
    const mm_value *info = mm_dict_get(given, "info");

    for (size_t i = 0; i < mm_value_len(scalars); i++)
        add_history(hub, mm_list_get(scalars, i));
    for (size_t i = 0; i < mm_value_len(info); i++)
        add_info(hub, mm_dict_name_at(info, i), mm_dict_at(info, i));
    check_ok();
    return hub;
}

static int64_t number_in(const mm_value *dict, const char *key)
{
    return mm_value_i64(mm_dict_get(dict, key));
}

static mm_mode mode_of(const char *name)
{
    return strcmp(name, "train") == 0 ? MM_MODE_TRAIN
           : strcmp(name, "val") == 0 ? MM_MODE_VAL
                                      : MM_MODE_TEST;
}

/* The record as JSON, without what JSON cannot hold. */
static char *record_text(mm_value *tag)
{
    for (size_t i = 0; i < mm_value_len(tag);) {
        if (mm_value_kind(mm_dict_at(tag, i)) == MM_KIND_OBJECT)
            (void)mm_dict_remove(tag, mm_dict_name_at(tag, i));
        else
            i++;
    }
    return mm_json_format(tag, NULL);
}

static void check_case(size_t index, mm_value *given)
{
    mm_hub *hub = make_hub(given);
    mm_instance *processor = build(mm_dict_get(given, "config"));
    const mm_value *where = mm_dict_get(given, "place");
    mmi_log_place place = {
        .hub = hub,
        .epoch = number_in(where, "epoch"),
        .iter = number_in(where, "iter"),
        .max_epochs = number_in(where, "max_epochs"),
        .max_iters = number_in(where, "max_iters"),
        .num_batches = number_in(where, "num_batches"),
        .has_train_loop = mm_value_is_true(mm_dict_get(where, "has_train_loop")),
        .memory_mb = number_in(where, "memory"),
    };
    bool is_iter = strcmp(mm_value_str(mm_dict_get(given, "call")), "iter") == 0;
    mm_log_text out = {0};

    check_ok();
    (is_iter ? mmi_log_after_iter : mmi_log_after_epoch)(
        mm_instance_self(processor), &place, number_in(given, "batch_idx"),
        mode_of(mm_value_str(mm_dict_get(given, "mode"))), &out);
    check_ok();
    char *record = record_text(out.tag);
    const char *line = mm_value_str(mm_dict_get(given, "line"));
    const char *tag = mm_value_str(mm_dict_get(given, "tag"));
    if (strcmp(out.line, line) != 0 || strcmp(record, tag) != 0)
        fail_msg("case %zu:\nours   %s\ntheirs %s\nours   %s\ntheirs %s", index,
                 out.line, line, record, tag);
    mm_free(record);
    mm_log_text_deinit(&out);
    mm_instance_unref(processor);
    mm_hub_free(hub);
}

static void test_lines_of_mmengine(void **state)
{
    mm_value *cases = read_cases(CASES "log_lines.jsonl");
    (void)state;

    assert_int_equal(mm_value_len(cases), 360);
    for (size_t i = 0; i < mm_value_len(cases); i++)
        check_case(i, mm_list_get(cases, i));
    mm_value_unref(cases);
}

/* ---- settings that are refused ---- */

/* What MMEngine refuses when it is built or at the first line is refused at once. */
static void test_wrong_configs(void **state)
{
    mm_value *cases = read_cases(CASES "wrong_configs.jsonl");
    (void)state;

    assert_int_equal(mm_value_len(cases), 19);
    for (size_t i = 0; i < mm_value_len(cases); i++) {
        mm_error error;
        mm_instance *made = build(mm_dict_get(mm_list_get(cases, i), "config"));

        if (made != NULL)
            fail_msg("wrong config %zu was built", i);
        (void)mm_error_take(&error);
        if (error.code != MM_ECONFIG && error.code != MM_EKEY &&
            error.code != MM_EINVAL)
            fail_msg("wrong config %zu: code %d, %s", i, error.code, error.message);
    }
    mm_value_unref(cases);
}

static void check_refused(const char *text, mm_status code, const char *message)
{
    mm_value *config = parse(text);
    mm_error error;

    assert_null(build(config));
    assert_int_equal(mm_error_take(&error), code);
    if (strstr(error.message, message) == NULL)
        fail_msg("'%s' is not in '%s'", message, error.message);
    mm_value_unref(config);
}

static void test_messages(void **state)
{
    (void)state;
    check_refused(
        "{\"custom_cfg\": [{\"data_src\": \"loss\", \"method_name\": \"max\"}, "
        "{\"data_src\": \"a\", \"method_name\": \"min\", "
        "\"log_name\": \"loss\"}]}",
        MM_ECONFIG, "two entries of custom_cfg are named 'loss'");
    check_refused("{\"by_epoch\": false, \"custom_cfg\": [{\"data_src\": \"loss\", "
                  "\"method_name\": \"max\", \"window_size\": \"epoch\"}]}",
                  MM_ECONFIG, "window_size='epoch' of 'loss' needs by_epoch=True");
    check_refused(
        "{\"custom_cfg\": [{\"data_src\": \"loss\", \"method_name\": \"max\", "
        "\"window_size\": \"al\"}]}",
        MM_ECONFIG, "window_size of 'loss' is a count, 'epoch' or 'global', got 'al'");
    check_refused(
        "{\"custom_cfg\": [{\"data_src\": \"loss\", \"method_name\": \"maxx\"}]}",
        MM_EKEY, "there is no statistic 'maxx'");
    check_refused(
        "{\"custom_cfg\": [{\"data_src\": \"loss\", \"method_name\": \"max\", "
        "\"weight\": 2}]}",
        MM_ECONFIG, "statistic 'max' of 'loss' has no option 'weight'");
    check_refused(
        "{\"custom_cfg\": [{\"data_src\": \"loss\", \"method_name\": \"max\", "
        "\"window_size\": -1}]}",
        MM_ECONFIG, "got -1");
    check_refused("{\"mean_pattern\": \"(?<=a)loss\"}", MM_EUNSUPPORTED,
                  "'(?<=a)loss'");
}

/* ---- statistics of plugins ---- */

/* The mean of the squares, times an option. */
static double squares(const double *values, const int64_t *counts, size_t size,
                      const mm_value *options)
{
    double sum = 0.0;
    (void)counts;

    for (size_t i = 0; i < size; i++)
        sum += values[i] * values[i];
    return sum / (double)size * mm_value_f64(mm_dict_get(options, "factor"));
}

static void test_registered_statistic(void **state)
{
    (void)state;
    if (!mm_statistic_is_known("squares"))
        assert_int_equal(mm_statistic_register("squares", squares), MM_OK);
    mm_value *config = parse("{\"custom_cfg\": [{\"data_src\": \"loss\", "
                             "\"method_name\": \"squares\", \"window_size\": 2, "
                             "\"log_name\": \"power\", \"factor\": 10}]}");
    mm_instance *processor = build(config);
    mm_hub *hub = mm_hub_new("x");
    mmi_log_place place = {.hub = hub,
                           .max_epochs = 1,
                           .num_batches = 5,
                           .has_train_loop = true,
                           .memory_mb = -1};
    mm_log_text out = {0};

    check_ok();
    for (int i = 0; i < 4; i++)
        mm_hub_update_scalar(hub, "train/loss", (double)i);
    assert_int_equal(
        mmi_log_after_iter(mm_instance_self(processor), &place, 3, MM_MODE_TRAIN, &out),
        MM_OK);
    assert_string_equal(out.line, "Epoch(train) [1][4/5]    loss: 1.5000  "
                                  "power: 65.0000");
    mm_log_text_deinit(&out);
    mm_instance_unref(processor);
    mm_hub_free(hub);
    mm_value_unref(config);
}

/* ---- what is read, and when ---- */

static int num_reads;

static bool read_number(const void *object, double *out)
{
    num_reads++;
    *out = *(const double *)object;
    return true;
}

static const mm_object_ops late_ops = {
    .name = "tensor", .ref = keep, .unref = keep, .to_f64 = read_number};

/* Losses on a device: 1000 iterations, a line each 100th with a window of 10. */
static void test_losses_are_read_when_a_line_is_due(void **state)
{
    static double loss = 2.0;
    mm_value *config = parse("{}");
    mm_instance *processor = build(config);
    mm_hub *hub = mm_hub_new("x");
    mm_value *late = mm_value_new_object(&loss, &late_ops);
    mmi_log_place place = {.hub = hub,
                           .max_epochs = 1,
                           .num_batches = 1000,
                           .has_train_loop = true,
                           .memory_mb = -1};
    (void)state;

    num_reads = 0;
    for (int i = 0; i < 1000; i++) {
        mm_log_text out = {0};

        mm_hub_update_scalar_with(hub, "train/loss", late, 1, true);
        mm_hub_update_scalar_with(hub, "train/acc", late, 1, true);
        if ((i + 1) % 100 != 0)
            continue;
        assert_int_equal(num_reads, i / 100 * 11);
        assert_int_equal(mmi_log_after_iter(mm_instance_self(processor), &place, i,
                                            MM_MODE_TRAIN, &out),
                         MM_OK);
        assert_int_equal(num_reads, (i / 100 + 1) * 11); /* 10 for the mean, 1 */
        mm_log_text_deinit(&out);
    }
    mm_value_unref(late);
    mm_instance_unref(processor);
    mm_hub_free(hub);
    mm_value_unref(config);
}

/* What a checkpoint has to keep for the lines that follow. */
static void test_reach(void **state)
{
    static const struct {
        const char *config;
        size_t reach;
    } rows[] = {
        {"{}", 10},
        {"{\"window_size\": 50}", 50},
        {"{\"custom_cfg\": [{\"data_src\": \"a\", \"method_name\": \"max\", "
         "\"window_size\": 70}]}",
         70},
        {"{\"custom_cfg\": [{\"data_src\": \"a\", \"method_name\": \"max\", "
         "\"window_size\": \"epoch\"}]}",
         120},
        {"{\"custom_cfg\": [{\"data_src\": \"a\", \"method_name\": \"max\", "
         "\"window_size\": \"global\"}]}",
         SIZE_MAX},
        {"{\"custom_cfg\": [{\"data_src\": \"a\", \"method_name\": \"max\"}]}",
         SIZE_MAX},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        mm_value *config = parse(rows[i].config);
        mm_instance *processor = build(config);

        check_ok();
        assert_int_equal(mmi_log_reach(mm_instance_self(processor), 120),
                         rows[i].reach);
        mm_instance_unref(processor);
        mm_value_unref(config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BUILD_TEST(test_lines_of_mmengine),
        BUILD_TEST(test_wrong_configs),
        BUILD_TEST(test_messages),
        BUILD_TEST(test_registered_statistic),
        BUILD_TEST(test_losses_are_read_when_a_line_is_due),
        BUILD_TEST(test_reach),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
