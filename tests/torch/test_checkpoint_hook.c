/* CheckpointHook against MMEngine's (tools/golden/checkpoint_hook.py): which files
 * there are at each step of 40 short runs, what the hub says, and what is in the files.
 */
#include "runner_parts.h"

#include "mmengine/fileio.h"

/* A metric that gives prepared dicts, one a validation. */
struct dict_metric {
    mm_base_metric base;
    mm_value *scores;
};

static size_t next_score;

#define MM_OPT_STRUCT struct dict_metric
static const mm_option metric_options[] = {
    {"", "", MM_OPT_INHERIT(base, mm_base_metric_options)},
    {"scores", "one dict for each validation", MM_OPT_VALUE_REQUIRED(scores)},
    {0},
};
#undef MM_OPT_STRUCT

static mm_status process(void *data, mm_value *batch, mm_value *samples)
{
    struct dict_metric *self = data;
    (void)batch;

    for (size_t i = 0; i < mm_value_len(samples); i++)
        mm_metric_add(&self->base, mm_list_get(self->scores, 0));
    return mm_pending();
}

static mm_status compute(void *data, mm_value *results, mm_value *out)
{
    struct dict_metric *self = data;
    mm_value *scores = mm_list_get(self->scores, next_score++);
    (void)results;

    for (size_t i = 0; i < mm_value_len(scores); i++)
        mm_dict_put(out, mm_dict_name_at(scores, i), mm_dict_at(scores, i));
    return mm_pending();
}

static const mm_metric_ops metric_ops = {
    .process = process,
    .compute = compute,
    .default_prefix = "toy",
};

static const mm_component dict_metric = {
    .registry = "metrics",
    .name = "DictMetric",
    .help = "prepared dicts of scores",
    .size = sizeof(struct dict_metric),
    .options = metric_options,
    MM_METRIC(&metric_ops),
};

/* A hook that records what the golden file has. */

static struct {
    const char *root;
    bool by_epoch;
    mm_value *records; /* of the run under way */
} recorder;

/* The path below the root; others as they are. "-1a2b3c4d.pth" becomes "-HASH.pth". */
static char *relative(const char *path)
{
    size_t root = strlen(recorder.root), size = strlen(path);
    const char *below =
        strncmp(path, recorder.root, root) == 0 ? path + root + 1 : path;
    const char *hash = size > 13 ? path + size - 13 : path;

    if (hash > below && hash[0] == '-' && strspn(hash + 1, "0123456789abcdef") == 8 &&
        strcmp(hash + 9, ".pth") == 0)
        return mm_strfmt("%.*s-HASH.pth", (int)(hash - below), below);
    return mm_strdup(below);
}

/* A value of the hub as the golden file shows it; yours. */
static mm_value *shown(const mm_value *value)
{
    if (mm_value_kind(value) != MM_KIND_STR)
        return mm_value_copy(value);
    char *text = relative(mm_value_str(value));
    mm_value *copy = mm_value_new_str(text);

    mm_free(text);
    return copy;
}

/* The information about checkpoints. */
static mm_value *checkpoint_infos(const mm_value *infos)
{
    mm_value *found = mm_value_new_dict();

    for (size_t i = 0; i < mm_value_len(infos); i++) {
        const char *key = mm_dict_name_at(infos, i);

        if (strcmp(key, "keep_ckpt_ids") == 0 || strcmp(key, "last_ckpt") == 0 ||
            strncmp(key, "best_", 5) == 0)
            mm_dict_take(found, key, shown(mm_dict_at(infos, i)));
    }
    return found;
}

/* Adds the .pth files below a folder. */
static void find_files(const char *folder, mm_value *out)
{
    mm_value *names = mm_list_dir(folder);

    for (size_t i = 0; i < mm_value_len(names); i++) {
        char *path = mm_path_join(folder, mm_value_str(mm_list_get(names, i)));

        if (mm_file_is_dir(path))
            find_files(path, out);
        else if (strcmp(mm_path_extension(path), ".pth") == 0)
            mm_list_push(out, mm_value_new_str(path));
        mm_free(path);
    }
    mm_value_unref(names);
}

/* Sorted paths below the root. */
static mm_value *files_now(void)
{
    mm_value *paths = mm_value_new_list(), *sorted = mm_value_new_list();

    find_files(recorder.root, paths);
    for (size_t i = 0; i < mm_value_len(paths); i++) {
        char *name = relative(mm_value_str(mm_list_get(paths, i)));
        size_t at = 0;

        while (at < mm_value_len(sorted) &&
               strcmp(mm_value_str(mm_list_get(sorted, at)), name) < 0)
            at++;
        mm_value *text = mm_value_new_str(name);
        mm_list_insert(sorted, at, text);
        mm_value_unref(text);
        mm_free(name);
    }
    mm_value_unref(paths);
    return sorted;
}

static mm_value *pointer_now(mm_runner *runner)
{
    char *path = mm_path_join(mm_runner_work_dir(runner), "last_checkpoint");
    size_t size = 0;
    char *content = mm_file_exists(path) ? mm_file_read(path, &size) : NULL;
    char *name = content == NULL ? NULL : relative(content);
    mm_value *value = name == NULL ? mm_value_new_none() : mm_value_new_str(name);

    mm_free(name);
    mm_free(content);
    mm_free(path);
    return value;
}

static mm_status record(mm_runner *runner, const char *stage)
{
    mm_value *row = mm_value_new_dict();

    (void)mm_runner_wait_for_saves(runner);
    mm_dict_put_str(row, "stage", stage);
    mm_dict_take(row, "files", files_now());
    mm_dict_take(row, "infos", checkpoint_infos(mm_hub_infos(mm_runner_hub(runner))));
    mm_dict_take(row, "last", pointer_now(runner));
    mm_list_push(recorder.records, row);
    return mm_pending();
}

static mm_status record_epoch(void *self, mm_runner *runner)
{
    (void)self;
    return recorder.by_epoch ? record(runner, "before_train_epoch") : MM_OK;
}

static mm_status record_iter(void *self, mm_runner *runner, const mm_iter *iter)
{
    (void)self;
    (void)iter;
    return recorder.by_epoch ? MM_OK : record(runner, "before_train_iter");
}

static mm_status record_val(void *self, mm_runner *runner)
{
    (void)self;
    return record(runner, "before_val");
}

static mm_status record_end(void *self, mm_runner *runner)
{
    (void)self;
    return record(runner, "after_run");
}

static const mm_hook_ops recorder_ops = {
    .priority = 1,
    .before_train_epoch = record_epoch,
    .before_train_iter = record_iter,
    .before_val = record_val,
    .after_run = record_end,
};

static const mm_component recorder_hook = {
    .registry = "hooks",
    .name = "CheckpointRecorder",
    .help = "notes files and what the hub says",
    .size = 1,
    MM_HOOK(&recorder_ops),
};

static int set_up(void **state)
{
    static const mm_component *const table[] = {&dict_metric, &recorder_hook, NULL};
    (void)state;

    return parts_register() != 0 || mm_register(table) != MM_OK;
}

/* One run; its records. */
static mm_value *run(const mm_value *train_cfg, const mm_value *hook,
                     const mm_value *scores, bool resume)
{
    mm_value *settings = mm_value_copy(hook);
    char *work_dir = mm_path_join(recorder.root, "work");
    char *out_dir = mm_path_join(recorder.root, "elsewhere");

    if (mm_dict_has(settings, "out_dir"))
        mm_dict_put_str(settings, "out_dir", out_dir);
    mm_dict_put_str(settings, "type", "CheckpointHook");
    char *loop = mm_value_repr(train_cfg), *hooks = mm_value_repr(settings);
    char *metric = mm_value_repr(scores);
    char *text = mm_strfmt("nan = float('nan')\n"
                           "train_dataloader['batch_size'] = 12\n"
                           "val_evaluator = dict(type='DictMetric', scores=%s)\n"
                           "test_evaluator = val_evaluator\n"
                           "train_cfg = %s\n"
                           "default_hooks = dict(checkpoint=%s)\n"
                           "custom_hooks = [dict(type='CheckpointRecorder')]\n"
                           "resume = %s\n",
                           metric, loop, hooks, resume ? "True" : "False");

    recorder.by_epoch = mm_value_is_true(mm_dict_get(train_cfg, "by_epoch"));
    recorder.records = mm_value_new_list();
    mm_value_unref(parts_train(work_dir, text));
    mm_free(text);
    mm_free(metric);
    mm_free(hooks);
    mm_free(loop);
    mm_value_unref(settings);
    mm_free(out_dir);
    mm_free(work_dir);
    return recorder.records;
}

static void assert_same(const mm_value *got, const mm_value *expected, size_t number,
                        const char *what)
{
    char *a = mm_value_repr(got), *b = mm_value_repr(expected);

    if (!mm_value_equal(got, expected))
        fail_msg("case %zu, %s:\n%s\nis not\n%s", number, what, a, b);
    mm_free(b);
    mm_free(a);
}

/* Here a resumed run first makes up for a validation that was due. */
static void skip_validation(mm_value *records, const mm_value *expected)
{
    const char *first = mm_value_str(mm_dict_get(mm_list_get(expected, 0), "stage"));

    if (strcmp(first, "before_val") != 0 &&
        strcmp(mm_value_str(mm_dict_get(mm_list_get(records, 0), "stage")),
               "before_val") == 0)
        mm_list_remove(records, 0);
}

static void compare_records(const mm_value *got, const mm_value *expected,
                            size_t number)
{
    for (size_t i = 0; i < mm_value_len(got) && i < mm_value_len(expected); i++) {
        char what[32];

        (void)snprintf(what, sizeof(what), "record %zu", i);
        assert_same(mm_list_get(got, i), mm_list_get(expected, i), number, what);
    }
    assert_int_equal(mm_value_len(got), mm_value_len(expected));
}

/* What the hub in a file says. MMEngine writes a best file before the hub knows of the
 * next metric's best and of the regular file that follows; here all files of a stage
 * see the same hub. So of a best file only that it names itself. */
static void compare_infos(const mm_value *infos, const mm_value *expected,
                          const char *path, size_t number)
{
    char *name = relative(path);
    bool is_named = false;

    for (size_t i = 0; i < mm_value_len(infos); i++) {
        const mm_value *value = mm_dict_at(infos, i);

        is_named |= mm_value_kind(value) == MM_KIND_STR &&
                    strcmp(mm_value_str(value), name) == 0;
    }
    if (strncmp(mm_path_basename(path), "best_", 5) == 0)
        assert_true(is_named);
    else
        assert_same(infos, expected, number, path);
    mm_free(name);
}

/* Keys of the file that MMEngine writes, epoch and iter, what its hub says. */
static void compare_content(const char *path, const mm_value *expected, size_t number)
{
    mm_value *content = mm_checkpoint_load(path);
    mm_value *keys = mm_dict_get(expected, "keys");

    assert_non_null(content);
    for (size_t i = 0; i < mm_value_len(keys); i++)
        assert_true(mm_dict_has(content, mm_value_str(mm_list_get(keys, i))));
    assert_int_equal(mm_value_len(content) -
                         (mm_dict_has(content, "mmengine_c") ? 1 : 0),
                     mm_value_len(keys));
    if (mm_dict_has(content, "meta")) {
        mm_value *meta = mm_dict_get(content, "meta");

        assert_same(mm_dict_get(meta, "epoch"), mm_dict_get(expected, "epoch"), number,
                    path);
        assert_same(mm_dict_get(meta, "iter"), mm_dict_get(expected, "iter"), number,
                    path);
    }
    if (mm_dict_has(content, "message_hub")) {
        mm_value *hub = mm_dict_get(content, "message_hub");
        mm_value *infos = checkpoint_infos(mm_dict_get(hub, "runtime_info"));

        compare_infos(infos, mm_dict_get(expected, "infos"), path, number);
        mm_value_unref(infos);
    }
    mm_value_unref(content);
}

static void compare_contents(const mm_value *expected, size_t number)
{
    mm_value *paths = mm_value_new_list();

    find_files(recorder.root, paths);
    assert_int_equal(mm_value_len(paths), mm_value_len(expected));
    for (size_t i = 0; i < mm_value_len(paths); i++) {
        const char *path = mm_value_str(mm_list_get(paths, i));
        char *name = relative(path);

        compare_content(path, mm_dict_get(expected, name), number);
        mm_free(name);
    }
    mm_value_unref(paths);
}

static void files_are_mmengines(void **state)
{
    mm_value *cases = mm_fileio_load("golden/hooks/checkpoint_hook.json", NULL);
    (void)state;

    assert_int_equal(mm_value_len(cases), 40);
    for (size_t i = 0; i < mm_value_len(cases); i++) {
        mm_value *row = mm_list_get(cases, i), *then = mm_dict_find(row, "then");
        mm_value *hook = mm_dict_get(row, "hook"), *scores = mm_dict_get(row, "scores");
        char *root = parts_new_dir();

        recorder.root = root;
        next_score = 0;
        mm_value *got = run(mm_dict_get(row, "train_cfg"), hook, scores, false);
        check_ok();
        compare_records(got, mm_dict_get(row, "records"), i);
        mm_value_unref(got);
        if (then != NULL) {
            mm_value *expected = mm_dict_get(row, "records_then");

            hook = mm_dict_has(then, "hook") ? mm_dict_get(then, "hook") : hook;
            got = run(mm_dict_get(then, "train_cfg"), hook, scores, true);
            check_ok();
            skip_validation(got, expected);
            compare_records(got, expected, i);
            mm_value_unref(got);
        }
        compare_contents(mm_dict_get(row, "contents"), i);
        parts_remove_dir(root);
    }
    mm_value_unref(cases);
}

int test_checkpoint_hook(void)
{
    const struct CMUnitTest tests[] = {
        CLEAN_TEST(files_are_mmengines),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
