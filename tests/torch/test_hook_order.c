/* The calls of hooks in a whole run against MMEngine's (tools/golden/hook_runs.py): the
 * table that is logged at start, and each call in turn. */
#include "hook_parts.h"

#include <stdlib.h>

/* What the runner's table says of a stage, in turn, into `out` as "stage Hook". */
static void push_stage(mm_value *calls, const char *table, const char *stage)
{
    char *head = mm_strfmt("%s:\n", stage);
    const char *at = strstr(table, head);

    /* the name must begin a line */
    while (at != NULL && at != table && at[-1] != '\n')
        at = strstr(at + 1, head);
    at = at == NULL ? NULL : at + strlen(head);
    while (at != NULL && *at == '(') {
        const char *name = strchr(at, ')') + 2;
        char *call = mm_strfmt("%s %.*s", stage, (int)strcspn(name, " "), name);

        if (strstr(call, " RecordHook") == NULL)
            mm_list_push(calls, mm_value_new_str(call));
        mm_free(call);
        at = strchr(at, '\n') + 1;
    }
    mm_free(head);
}

static void assert_calls(const mm_value *want, const mm_value *got)
{
    for (size_t i = 0; i < mm_value_len(want); i++) {
        const mm_value *row = mm_list_get(want, i);
        char *call = mm_strfmt("%s %s", mm_value_str(mm_list_get(row, 0)),
                               mm_value_str(mm_list_get(row, 1)));

        if (i >= mm_value_len(got) ||
            strcmp(call, mm_value_str(mm_list_get(got, i))) != 0)
            fail_msg("call %zu is '%s', not '%s'", i,
                     i < mm_value_len(got) ? mm_value_str(mm_list_get(got, i)) : "none",
                     call);
        mm_free(call);
    }
    assert_int_equal(mm_value_len(got), mm_value_len(want));
}

static void hooks_are_called_as_mmengine_calls_them(void **state)
{
    mm_value *golden = mm_fileio_load("golden/hooks/hook_order.json", NULL);
    char *dir = parts_new_dir();
    char *text =
        mm_strfmt("%strain_cfg = dict(by_epoch=True, max_epochs=2)\n"
                  "custom_hooks = [dict(type='RecordHook'), dict(type='EMAHook'), "
                  "dict(type='EarlyStoppingHook', monitor='toy/error', "
                  "rule='less')]\n",
                  hook_parts_config);
    mm_config *config = parts_config(dir, text);
    mm_runner *runner = mm_runner_new(config);
    mm_value *calls = mm_value_new_list();
    (void)state;

    check_ok();
    parts_record.count = 0;
    char *table = mm_runner_hooks_info(runner);
    assert_int_equal(mm_runner_train(runner), MM_OK);
    mm_value_unref(mm_runner_test(runner));
    check_ok();
    assert_true(parts_record.count < MAX_STAGES);
    for (size_t i = 0; i < parts_record.count; i++)
        push_stage(calls, table, parts_record.names[i]);
    assert_calls(mm_dict_get(golden, "calls"), calls);
    mm_free(table);
    mm_value_unref(calls);
    mm_runner_free(runner);
    mm_config_unref(config);
    mm_free(text);
    parts_remove_dir(dir);
    mm_value_unref(golden);
}

static void the_table_is_mmengines(void **state)
{
    mm_value *golden = mm_fileio_load("golden/hooks/hook_order.json", NULL);
    char *dir = parts_new_dir();
    char *text = mm_strfmt("%scustom_hooks = [dict(type='EMAHook'), "
                           "dict(type='EarlyStoppingHook', monitor='toy/error', "
                           "rule='less')]\n",
                           hook_parts_config);
    mm_config *config = parts_config(dir, text);
    mm_runner *runner = mm_runner_new(config);
    (void)state;

    check_ok();
    char *table = mm_runner_hooks_info(runner);
    const char *want = mm_value_str(mm_dict_get(golden, "table"));

    for (const char *got = table; strcmp(got, want) != 0;) {
        size_t size = strcspn(want, "\n");

        if (strncmp(got, want, size + 1) != 0)
            fail_msg("'%.60s' in place of '%.60s'", got, want);
        got += size + 1;
        want += size + 1;
    }
    mm_free(table);
    mm_runner_free(runner);
    mm_config_unref(config);
    mm_free(text);
    parts_remove_dir(dir);
    mm_value_unref(golden);
}

int test_hook_order(void)
{
    const struct CMUnitTest tests[] = {
        CLEAN_TEST(hooks_are_called_as_mmengine_calls_them),
        CLEAN_TEST(the_table_is_mmengines),
    };

    return cmocka_run_group_tests(tests, hook_parts_set_up, NULL);
}
