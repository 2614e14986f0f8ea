/* ProfilerHook: which steps a schedule records, what is written, and what is refused.
 * The recorded steps are those of torch.profiler.schedule, printed by torch 2.13.0. */
#include "runner_parts.h"

#include "mmengine/file.h"
#include "mmengine/fileio.h"

static int set_up(void **state)
{
    (void)state;
    parts_record = (stage_record){.stop_at = -1, .nan_at = -1};
    return parts_register();
}

/* Six iterations an epoch; `options` with one %s for the folder. */
static void train_with(const char *dir, const char *options, const char *more)
{
    char *inner = mm_strfmt(options, dir);
    char *config =
        mm_strfmt("custom_hooks = [dict(type='ProfilerHook', %s)]\n%s", inner, more);
    mm_value *weights = parts_train(dir, config);

    mm_value_unref(weights);
    mm_free(config);
    mm_free(inner);
}

static mm_value *read_trace(const char *dir, const char *name)
{
    char *path = mm_path_join(dir, name);
    size_t size = 0;
    char *text = mm_gz_read(path, 0, &size);
    mm_value *trace = text == NULL ? NULL : mm_json_parse(text, size, name);

    check_ok();
    mm_free(text);
    mm_free(path);
    return trace;
}

/* How many calls of that name a trace has. */
static int64_t count_calls(const mm_value *trace, const char *name)
{
    const mm_value *events = mm_dict_get(trace, "traceEvents");
    int64_t count = 0;

    for (size_t i = 0; i < mm_value_len(events); i++)
        count += strcmp(mm_value_str(mm_dict_get(mm_list_get(events, i), "name")),
                        name) == 0;
    return count;
}

static void the_first_epoch_is_recorded(void **state)
{
    char *dir = parts_new_dir();
    (void)state;

    train_with(dir, "json_trace_path='%s/trace.json', record_shapes=True", "");
    check_ok();
    mm_value *trace = read_trace(dir, "trace.json");
    assert_int_equal(count_calls(trace, "forward"), 6);
    assert_int_equal(count_calls(trace, "backward"), 6);
    assert_int_equal(count_calls(trace, "optimizer step"), 6);
    assert_int_equal(count_calls(trace, "data"), 6);
    assert_int_equal(count_calls(trace, "LoggerHook.after_train_iter"), 6);
    assert_int_equal(count_calls(trace, "aten::linear"), 12);
    assert_int_equal(count_calls(trace, "AddmmBackward0"), 12);
    assert_int_equal(count_calls(trace, "ProfilerStep#5"), 1);
    assert_int_equal(count_calls(trace, "ProfilerStep#7"), 0);
    assert_int_equal(count_calls(trace, "CheckpointHook.after_train_epoch"), 1);
    assert_int_equal(count_calls(trace, "predict"), 0); /* ended before validation */
    mm_value_unref(trace);
    parts_remove_dir(dir);
}

static void iterations_are_counted(void **state)
{
    char *dir = parts_new_dir();
    (void)state;

    train_with(dir, "by_epoch=False, profile_times=8, json_trace_path='%s/t.json.gz'",
               "");
    check_ok();
    mm_value *trace = read_trace(dir, "t.json.gz");
    assert_int_equal(count_calls(trace, "forward"), 8);
    mm_value_unref(trace);
    parts_remove_dir(dir);
}

/* The sum of `name` over all traces in a folder; how many traces to `out_files`. */
static int64_t count_in_traces(const char *dir, const char *name, int64_t *out_files)
{
    mm_value *names = mm_list_dir(dir);
    int64_t count = 0;

    *out_files = (int64_t)mm_value_len(names);
    for (size_t i = 0; i < mm_value_len(names); i++) {
        mm_value *trace = read_trace(dir, mm_value_str(mm_list_get(names, i)));

        count += count_calls(trace, name);
        mm_value_unref(trace);
    }
    mm_value_unref(names);
    return count;
}

static void schedules_are_torchs(void **state)
{
    static const struct {
        const char *schedule;
        int64_t num_traces, num_steps;
    } cases[] = {
        {"wait=1, warmup=1, active=2", 5, 9}, /* cut off in its fifth cycle */
        {"wait=1, warmup=1, active=2, repeat=2", 2, 4},
        {"wait=0, warmup=1, active=3, skip_first=10", 2, 6},
        {"wait=3, warmup=0, active=1, skip_first=2, skip_first_wait=1", 4, 4},
        {"wait=30, warmup=0, active=1", 0, 0},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *dir = parts_new_dir(), *traces = mm_path_join(dir, "traces");
        char *options = mm_strfmt(
            "by_epoch=False, profile_times=%d, schedule=dict(%s), "
            "on_trace_ready=dict(type='tb_trace', "
            "dir_name='%%s/traces', worker_name='w'%s)",
            i == 0 ? 19 : 18, cases[i].schedule, i == 1 ? ", use_gzip=True" : "");
        int64_t files = 0;

        train_with(dir, options, "");
        check_ok();
        int64_t steps =
            mm_file_is_dir(traces) ? count_in_traces(traces, "forward", &files) : 0;
        assert_int_equal(files, cases[i].num_traces);
        assert_int_equal(steps, cases[i].num_steps);
        mm_free(options);
        mm_free(traces);
        parts_remove_dir(dir);
    }
}

static char *log_of(const char *dir)
{
    mm_value *names = mm_list_dir(dir);
    char *text = NULL;

    for (size_t i = 0; i < mm_value_len(names) && text == NULL; i++) {
        const char *name = mm_value_str(mm_list_get(names, i));
        char *path = mm_strfmt("%s/%s/%s.log", dir, name, name);
        size_t size = 0;

        if (mm_file_exists(path))
            text = mm_file_read(path, &size);
        mm_free(path);
    }
    mm_value_unref(names);
    return text;
}

static void tables_are_logged(void **state)
{
    char *dir = parts_new_dir();
    (void)state;

    train_with(dir,
               "profile_memory=True, with_flops=True, activity_with_cuda=True, "
               "with_stack=True, on_trace_ready=dict(type='log_trace', "
               "sort_by='count', row_limit=40, header='in %s')",
               "");
    check_ok();
    char *log = log_of(dir);
    assert_non_null(strstr(log, "# of Calls  "));
    assert_non_null(strstr(log, "Self CPU Mem"));
    assert_non_null(strstr(log, "FLOPs  "));
    assert_non_null(strstr(log, "stages of the run"));
    assert_non_null(strstr(log, "aten::linear"));
    assert_non_null(strstr(log, "times on devices are not recorded"));
    mm_free(log);
    parts_remove_dir(dir);
    dir = parts_new_dir();
    train_with(dir, "json_trace_path=None", "# %s\n"); /* never nothing */
    check_ok();
    log = log_of(dir);
    assert_non_null(strstr(log, "Self CPU time total: "));
    mm_free(log);
    parts_remove_dir(dir);
}

static void check_refused(const char *options, const char *part)
{
    char *dir = parts_new_dir();
    mm_error error;

    train_with(dir, options, "");
    assert_int_equal(mm_error_take(&error), MM_ECONFIG);
    if (strstr(error.message, part) == NULL)
        fail_msg("'%s' is not in '%s'", part, error.message);
    assert_false(mm_profile_is_running());
    parts_remove_dir(dir);
}

static void faulty_options_are_refused(void **state)
{
    (void)state;
    check_refused("profile_times=2", "2 epochs are too many");
    check_refused("profile_times=0", "profile_times");
    check_refused("by_epoch=False, profile_times=25", "more than the run's 24");
    check_refused("schedule=dict(wait=1)", "schedule needs 'warmup'");
    check_refused("schedule=dict(wait=1, warmup=1, active=0)",
                  "active must be positive");
    check_refused("schedule=dict(wait=1, warmup=1, actve=1)", "no option 'actve'");
    check_refused("schedule=[1]", "not a dict");
    check_refused("on_trace_ready=dict(type='log')", "type 'log'");
    check_refused("on_trace_ready=dict(type='log_trace', sort_by='cuont')", "cuont");
    check_refused("on_trace_ready=dict(type='tb_trace', sort_by='count')", "sort_by");
    check_refused("on_trace_ready='log_trace'", "not a dict");
}

/* A run that fails leaves no recording behind. */
static void failures_end_the_recording(void **state)
{
    char *dir = parts_new_dir();
    (void)state;

    parts_record.nan_at = 2;
    train_with(dir, "json_trace_path='%s/t.json'", "");
    parts_record.nan_at = -1;
    check_error(MM_ENUMERIC);
    assert_int_equal(mm_profile_start(0), MM_OK);
    mm_profile_free(mm_profile_stop());
    check_ok();
    parts_remove_dir(dir);
}

int test_profiler_hook(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_first_epoch_is_recorded, set_up),
        cmocka_unit_test_setup(iterations_are_counted, set_up),
        cmocka_unit_test_setup(schedules_are_torchs, set_up),
        cmocka_unit_test_setup(tables_are_logged, set_up),
        cmocka_unit_test_setup(faulty_options_are_refused, set_up),
        cmocka_unit_test_setup(failures_end_the_recording, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
