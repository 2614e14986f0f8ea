/* LoggerHook against MMEngine's (tools/golden/hook_runs.py): which lines it writes and
 * when, the steps of its records, the files it uploads. */
#include "hook_parts.h"

#include <stdlib.h>

/* The head of a log line that the golden script looks for, or NULL; mm_free(). */
static char *head_of(const char *line, size_t size)
{
    char *text = mm_strfmt("%.*s", (int)size, line);
    char *at = strstr(text, "Exp name");
    char *head = NULL;

    if (at != NULL)
        head = mm_strdup("Exp name");
    for (int kind = 0; kind < 2 && head == NULL; kind++) {
        at = strstr(text, kind == 0 ? "Epoch(" : "Iter(");
        if (at == NULL)
            continue;
        char *end = strchr(at, ')') + 1;

        end += strspn(end, " ");
        while (*end == '[')
            end = strchr(end, ']') + 1;
        head = mm_strfmt("%.*s", (int)(end - at), at);
    }
    mm_free(text);
    return head;
}

static void assert_lines(const mm_value *want, const char *log)
{
    size_t count = 0;

    for (const char *line = log; *line != '\0';) {
        size_t size = strcspn(line, "\n");
        char *head = head_of(line, size);

        if (head != NULL) {
            if (count >= mm_value_len(want) ||
                strcmp(head, mm_value_str(mm_list_get(want, count))) != 0)
                fail_msg("line %zu is '%s', not '%s'", count, head,
                         count < mm_value_len(want)
                             ? mm_value_str(mm_list_get(want, count))
                             : "none");
            count++;
        }
        mm_free(head);
        line += size + (line[size] == '\n');
    }
    assert_int_equal(count, mm_value_len(want));
}

/* All files below a folder by relative name, the timestamp as TIME. */
static void list_files(mm_value *out, const char *dir, const char *below,
                       const char *timestamp)
{
    mm_value *names = mm_list_dir(dir);

    for (size_t i = 0; i < mm_value_len(names); i++) {
        const char *name = mm_value_str(mm_list_get(names, i));
        char *path = mm_path_join(dir, name);
        bool is_time = strncmp(name, timestamp, strlen(timestamp)) == 0;
        char *shown = mm_strfmt("%s%s%s", below, is_time ? "TIME" : "",
                                is_time ? name + strlen(timestamp) : name);

        if (mm_file_is_dir(path)) {
            char *deeper = mm_strfmt("%s/", shown);

            list_files(out, path, deeper, timestamp);
            mm_free(deeper);
        } else if (strstr(name, "records.jsonl") == NULL) { /* ours alone */
            mm_list_push(out, mm_value_new_str(shown));
        }
        mm_free(shown);
        mm_free(path);
    }
    mm_value_unref(names);
}

static void assert_files(const mm_value *want, const char *dir, const char *timestamp)
{
    mm_value *got = mm_value_new_list();

    list_files(got, dir, "", timestamp);
    char *listed = mm_value_repr(got);
    for (size_t i = 0; i < mm_value_len(want); i++) {
        if (strstr(listed, mm_value_str(mm_list_get(want, i))) == NULL)
            fail_msg("no %s in %s", mm_value_str(mm_list_get(want, i)), listed);
    }
    if (mm_value_len(got) != mm_value_len(want))
        fail_msg("%zu files expected, not %s", mm_value_len(want), listed);
    mm_free(listed);
    mm_value_unref(got);
}

/* "step" of each line of scalars.json. */
static void assert_steps(const mm_value *want, const char *log_dir)
{
    char *path = mm_path_join(log_dir, "vis_data/scalars.json");
    size_t size = 0, count = 0;
    char *text = mm_file_read(path, &size);

    check_ok();
    for (const char *at = text; (at = strstr(at, "\"step\": ")) != NULL; count++) {
        at += strlen("\"step\": ");
        if (count < mm_value_len(want))
            assert_int_equal(strtol(at, NULL, 10),
                             mm_value_i64(mm_list_get(want, count)));
    }
    assert_int_equal(count, mm_value_len(want));
    mm_free(text);
    mm_free(path);
}

static char *config_of(const mm_value *row, const char *out)
{
    char *train = mm_value_repr(mm_dict_get(row, "train"));
    mm_value *hook = mm_value_copy(mm_dict_get(row, "hook"));
    long batch = (long)mm_value_i64(mm_dict_get(row, "batch"));

    mm_dict_put_str(hook, "type", "LoggerHook");
    if (mm_dict_has(hook, "out_dir"))
        mm_dict_put_str(hook, "out_dir", out);
    char *logger = mm_value_repr(hook);
    char *text =
        mm_strfmt("%strain_cfg = %s\ndefault_hooks = dict(logger=%s)\n"
                  "train_dataloader['batch_size'] = %ld\n"
                  "val_dataloader['batch_size'] = %ld\n"
                  "log_processor = dict(by_epoch=train_cfg['by_epoch'])\n"
                  "param_scheduler = dict(type='MultiStepLR', milestones=[20], "
                  "by_epoch=train_cfg['by_epoch'])\n",
                  hook_parts_config, train, logger, batch, batch);

    mm_free(logger);
    mm_value_unref(hook);
    mm_free(train);
    return text;
}

static void run_case(const mm_value *row)
{
    char *dir = parts_new_dir(), *out = parts_new_dir();
    char *text = config_of(row, out);
    mm_config *config = parts_config(dir, text);
    mm_runner *runner = mm_runner_new(config);

    check_ok();
    const char *log_dir = mm_runner_log_dir(runner);
    const char *timestamp = mm_runner_timestamp(runner);
    const mm_value *uploaded = mm_dict_find(row, "uploaded");
    char *to = mm_path_join(out, mm_path_basename(dir));

    assert_int_equal(mm_runner_train(runner), MM_OK);
    char *log = hook_parts_log(log_dir);
    if (log[0] == '\0') { /* it was moved */
        mm_free(log);
        log = hook_parts_log(out);
    }
    if (log[0] != '\0')
        assert_lines(mm_dict_get(row, "lines"), log);
    if (uploaded == NULL || mm_value_len(mm_dict_get(row, "left")) == 4)
        assert_steps(mm_dict_get(row, "steps"), log_dir);
    if (uploaded != NULL) {
        assert_files(uploaded, to, timestamp);
        assert_files(mm_dict_get(row, "left"), log_dir, timestamp);
    }
    mm_free(log);
    mm_free(to);
    mm_runner_free(runner);
    mm_config_unref(config);
    mm_free(text);
    parts_remove_dir(out);
    parts_remove_dir(dir);
}

static void lines_records_and_uploads_are_mmengines(void **state)
{
    mm_value *cases = mm_fileio_load("golden/hooks/logger_hook.json", NULL);
    (void)state;

    assert_int_equal(mm_value_len(cases), 13);
    for (size_t i = 0; i < mm_value_len(cases); i++)
        run_case(mm_list_get(cases, i));
    mm_value_unref(cases);
}

static void faulty_options_are_refused(void **state)
{
    static const char *const faulty[] = {
        "interval=0",
        "interval_exp_name=0",
        "file_client_args=dict(backend='disk')",
        "out_dir='x', file_client_args=dict(backend='disk'), backend_args=dict()",
    };
    (void)state;

    for (size_t i = 0; i < sizeof(faulty) / sizeof(faulty[0]); i++) {
        char *dir = parts_new_dir();
        char *text = mm_strfmt(
            "default_hooks = dict(logger=dict(type='LoggerHook', %s))\n", faulty[i]);
        mm_error error;

        hook_parts_run(dir, text);
        assert_int_equal(mm_error_take(&error), MM_ECONFIG);
        mm_free(text);
        parts_remove_dir(dir);
    }
}

int test_logger_hook(void)
{
    const struct CMUnitTest tests[] = {
        CLEAN_TEST(lines_records_and_uploads_are_mmengines),
        CLEAN_TEST(faulty_options_are_refused),
    };

    return cmocka_run_group_tests(tests, hook_parts_set_up, NULL);
}
