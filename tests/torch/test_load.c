/* Weights into a model: what is loaded, what is refused, and what is said about it. */
#include "runner_parts.h"

#include "mmengine/file.h"
#include "mmengine/pth.h"

static char *dir, *file;
static mm_value *trained; /* weights of a short run: 4 tensors */

static int set_up(void **state)
{
    (void)state;
    if (parts_register() != 0)
        return -1;
    dir = parts_new_dir();
    file = mm_path_join(dir, "weights.pth");
    trained = parts_train(dir, "train_cfg['max_epochs'] = 1\n");
    check_ok();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    mm_value_unref(trained);
    mm_free(file);
    parts_remove_dir(dir);
    return 0;
}

/* The trained weights, `count` of them, with `prefix` before their names. */
static mm_value *renamed(const char *prefix, size_t count)
{
    mm_value *out = mm_value_new_dict();

    for (size_t i = 0; i < mm_value_len(trained) && i < count; i++) {
        char *name = mm_strfmt("%s%s", prefix, mm_dict_name_at(trained, i));

        mm_dict_put(out, name, mm_dict_at(trained, i));
        mm_free(name);
    }
    return out;
}

static void write_weights(mm_value *weights, bool is_bare)
{
    mm_value *root = mm_value_new_dict();

    mm_dict_put(root, "state_dict", weights);
    assert_int_equal(mm_checkpoint_save(file, is_bare ? weights : root), MM_OK);
    mm_value_unref(root);
    mm_value_unref(weights);
}

static mm_runner *new_runner(const char *more, mm_config **out_config)
{
    char *text = mm_strfmt("randomness = dict(seed=99)\n%s", more);

    *out_config = parts_config(dir, text);
    mm_free(text);
    mm_runner *runner = mm_runner_new(*out_config);
    check_ok();
    return runner;
}

/* Loads the file under a config; the error is left pending. True if the weights are the
 * trained ones then. `out_log` (may be NULL) gets the log, yours. */
static bool loads(const char *path, const char *more, char **out_log)
{
    mm_config *config = NULL;
    mm_runner *runner = new_runner(more, &config);
    mm_status status = mm_runner_load_checkpoint(runner, path);
    bool is_same = false;

    if (status == MM_OK) {
        mm_value *now = mm_module_state_dict(mm_runner_model(runner));
        is_same = parts_same_weights(now, trained);
        mm_value_unref(now);
    }
    char *log = mm_strdup("");
    if (out_log != NULL && status == MM_OK) {
        mm_free(log);
        log = mm_file_read(mm_logger_file(mm_logger_current()), NULL);
        *out_log = log;
    } else {
        mm_free(log);
    }
    mm_runner_free(runner);
    mm_config_unref(config);
    return is_same;
}

static void check_fails(const char *path, const char *more, mm_status code,
                        const char *message, const char *hint)
{
    mm_error error;

    assert_false(loads(path, more, NULL));
    assert_int_equal(mm_error_take(&error), code);
    if (strstr(error.message, message) == NULL || strstr(error.hint, hint) == NULL)
        fail_msg("%s\nhint: %s", error.message, error.hint);
}

static void check_loads(const char *more)
{
    bool is_same = loads(file, more, NULL);

    check_ok();
    assert_true(is_same);
}

static void test_whole(void **state)
{
    char *log = NULL;
    (void)state;

    write_weights(renamed("", 99), false);
    assert_true(loads(file, "", &log));
    assert_non_null(strstr(log, "Loaded all 4 tensors of the model from "));
    mm_free(log);
    write_weights(renamed("", 99), true); /* a bare state dict */
    check_loads("");
    write_weights(renamed("module.", 99), false); /* of a wrapped model */
    check_loads("");
    char *url = mm_strfmt("file://%s", file);
    assert_true(loads(url, "", NULL));
    check_ok();
    mm_free(url);
}

static void test_safetensors(void **state)
{
    char *path = mm_path_join(dir, "weights.safetensors");
    (void)state;

    write_weights(renamed("", 99), false);
    assert_int_equal(mm_checkpoint_convert(&(mm_checkpoint_convert_args){
                         .from = file, .to = path, .weights_only = true}),
                     MM_OK);
    assert_true(loads(path, "", NULL));
    check_ok();
    mm_free(path);
}

/* A prefix too many or too few is guessed, and what the hint says helps. */
static void test_prefixes(void **state)
{
    (void)state;
    write_weights(renamed("backbone.", 99), false);
    check_fails(file, "", MM_EDATA, "only 0 of the model's 4 tensors are in",
                "without 'backbone.' in front 4 of the file's 4 names would match: "
                "load_cfg=dict(prefix='backbone')");
    check_loads("load_cfg = dict(prefix='backbone')\n");
    check_loads("load_cfg = dict(prefix='backbone.')\n");
    check_loads(
        "load_cfg = dict(revise_keys=[(r'^back', 'x.'), (r'x\\.\\w+\\.', '')])\n");
    check_fails(file, "load_cfg = dict(prefix='neck')\n", MM_EDATA, "no name in '", "");
    check_fails(file, "load_cfg = dict(revise_keys=[('(?=x)', '')])\n", MM_EUNSUPPORTED,
                "could not read the pattern '(?=x)'", "");
}

static void test_parts(void **state)
{
    char *log = NULL;
    (void)state;

    write_weights(renamed("", 1), false);
    check_fails(file, "", MM_EDATA, "only 1 of the model's 4 tensors are in '",
                "--allow-partial");
    assert_false(loads(file, "load_cfg = dict(allow_partial=True)\n", &log));
    check_ok();
    assert_non_null(strstr(log, "Loaded 1 of the model's 4 tensors from "));
    assert_non_null(strstr(log, "3 missing in the file, they stay as they are:"));
    mm_free(log);
    write_weights(renamed("", 2), false); /* half is enough, but not if strict */
    assert_false(loads(file, "", NULL));
    check_ok();
    check_fails(file, "load_cfg = dict(strict=True)\n", MM_EDATA, "2 missing (",
                "--allow-partial");
}

static void test_shapes(void **state)
{
    char *log = NULL;
    mm_scope scope = mm_scope_open();
    mm_value *weights = renamed("", 99);
    (void)state;

    mm_dict_put_tensor(weights, mm_dict_name_at(trained, 0), mm_ones(MM_DIMS(7, 5)));
    mm_dict_put_tensor(weights, "fc.extra", mm_ones(MM_DIMS(1)));
    write_weights(weights, false);
    mm_scope_close(scope);
    assert_false(loads(file, "", &log));
    check_ok();
    assert_non_null(
        strstr(log, "1 in the file that the model has not:\n      fc.extra"));
    assert_non_null(strstr(log, "1 of another shape"));
    assert_non_null(strstr(log, "  [7, 5] in the file, ["));
    mm_free(log);
}

static void test_no_weights(void **state)
{
    mm_value *root = mm_value_new_dict();
    (void)state;

    mm_dict_put_i64(root, "epoch", 1);
    mm_dict_put_i64(root, "iter", 1);
    assert_int_equal(mm_checkpoint_save(file, root), MM_OK);
    mm_value_unref(root);
    check_fails(file, "", MM_EDATA, "has no 'state_dict' and no tensors",
                "it holds: epoch, iter");
    check_fails("nowhere.pth", "", MM_ENOENT, "nowhere.pth", "");
}

static void test_schemes(void **state)
{
    (void)state;
    check_fails("https://x.y/z.pth", "", MM_EUNSUPPORTED, "it names a download",
                "download the file");
    check_fails("torchvision://resnet50", "", MM_EUNSUPPORTED, "TorchVision", "");
    check_fails("open-mmlab://resnet50", "", MM_EUNSUPPORTED, "OpenMMLab", "");
    check_fails("mmcls://resnet50", "", MM_EUNSUPPORTED, "MMClassification", "");
    check_fails("ftp://x", "", MM_EINVAL, "'ftp' is no known scheme", "");
}

static void check_config(const char *more, mm_status code, const char *message)
{
    mm_config *config = parts_config(dir, more);
    mm_error error;

    assert_null(mm_runner_new(config));
    assert_int_equal(mm_error_take(&error), code);
    if (strstr(error.message, message) == NULL)
        fail_msg("%s", error.message);
    mm_config_unref(config);
}

static void test_configs(void **state)
{
    (void)state;
    check_config("load_cfg = 7\n", MM_ECONFIG, "load_cfg is a dict, got int");
    check_config("load_cfg = dict(strct=True)\n", MM_ECONFIG,
                 "load_cfg has no 'strct'");
    check_config("load_cfg = dict(strict=1)\n", MM_ECONFIG,
                 "load_cfg.strict is a bool, got int");
    check_config("load_cfg = dict(revise_keys=['^x'])\n", MM_ECONFIG, "list of pairs");
    check_config("load_from = 'nowhere.pth'\n", MM_ENOENT, "no such file");
    check_config("load_from = 'https://x.y/z.pth'\n", MM_EUNSUPPORTED, "a download");
    check_config("load_from = '.'\n", MM_EDATA, "is a folder");
    check_config("resume = 'nowhere.pth'\n", MM_ENOENT, "no such file");
}

/* Testing is strict, and --allow-partial makes it what it was in MMEngine. */
static void test_strict(void **state)
{
    char *text = mm_strfmt("load_from = '%s'\n", file);
    char *partial = mm_strfmt("%sload_cfg = dict(allow_partial=True)\n", text);
    mm_config *config = NULL;
    (void)state;

    write_weights(renamed("", 3), false);
    mm_runner *runner = new_runner(text, &config);
    assert_null(mm_runner_test(runner));
    check_error(MM_EDATA);
    mm_runner_free(runner);
    mm_config_unref(config);
    runner = new_runner(partial, &config);
    mm_value *metrics = mm_runner_test(runner);
    check_ok();
    mm_value_unref(metrics);
    mm_runner_free(runner);
    mm_config_unref(config);
    mm_free(partial);
    mm_free(text);
}

int test_load(void)
{
    const struct CMUnitTest tests[] = {
        CLEAN_TEST(test_whole),    CLEAN_TEST(test_safetensors),
        CLEAN_TEST(test_prefixes), CLEAN_TEST(test_parts),
        CLEAN_TEST(test_shapes),   CLEAN_TEST(test_no_weights),
        CLEAN_TEST(test_schemes),  CLEAN_TEST(test_configs),
        CLEAN_TEST(test_strict),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
