/* From CONFIG and the options to a config that is ready to run: overrides, options as
 * MMEngine's tools/train.py applies them, plugins. Everything an option does is done to
 * the config, so the dumped config of a run says it all. */
#include "cli/setup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/keys.h"
#include "cli/os_terminal.h"
#include "mmengine/mmengine.h"

/* --- loading --- */

/* "model._delete_=True" */
static bool is_delete(const char *option)
{
    static const char mark[] = "._delete_=";
    const char *equals = strchr(option, '=');
    const char *found = strstr(option, mark);

    return found != NULL && found + strlen(mark) - 1 == equals;
}

/* MMEngine merges all options at once, where `_delete_` works before what else goes to
 * its dict, wherever it stands. */
static mm_status apply_overrides(mm_config *config, const struct cli_args *args)
{
    const struct cli_given *given = cli_get(args, "cfg-options");

    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < given->count; i++) {
            if (is_delete(given->words[i]) == (pass == 0) &&
                mm_config_override(config, given->words[i], cli_knows_key, NULL) !=
                    MM_OK) {
                return mm_pending();
            }
        }
    }
    return mm_pending();
}

mm_config *cli_load_config(const struct cli_args *args)
{
    const char *path = cli_text(args, "CONFIG");

    if (!mm_file_exists(path)) {
        mm_raise(MM_ECONFIG, "could not open config '%s': no such file", path);
        return NULL;
    }
    mm_config *config = mm_config_from_file(path, NULL);

    if (config != NULL && apply_overrides(config, args) != MM_OK) {
        mm_config_unref(config);
        return NULL;
    }
    return config;
}

/* --- options of train and test --- */

static mm_status put_str(mm_config *config, const char *path, const char *text)
{
    mm_value *value = mm_value_new_str(text);
    mm_status status = mm_config_put(config, path, value);

    mm_value_unref(value);
    return status;
}

static mm_status put_bool(mm_config *config, const char *path, bool flag)
{
    mm_value *value = mm_value_new_bool(flag);
    mm_status status = mm_config_put(config, path, value);

    mm_value_unref(value);
    return status;
}

static mm_status put_i64(mm_config *config, const char *path, int64_t number)
{
    mm_value *value = mm_value_new_i64(number);
    mm_status status = mm_config_put(config, path, value);

    mm_value_unref(value);
    return status;
}

static mm_status put_none(mm_config *config, const char *path)
{
    mm_value *value = mm_value_new_none();
    mm_status status = mm_config_put(config, path, value);

    mm_value_unref(value);
    return status;
}

/* A whole number of an option or variable; MM_ECONFIG if it is none. */
static mm_status parse_number(const char *name, const char *text, int64_t *out)
{
    if (mm_i64_parse(text, out) != MM_OK) {
        (void)mm_error_take(NULL);
        return mm_raise(MM_ECONFIG, "%s takes a whole number, got '%s'", name, text);
    }
    return MM_OK;
}

/* The option, else the config's, else <work_dirs>/<name of the config>. */
static mm_status apply_work_dir(mm_config *config, const struct cli_args *args)
{
    const char *given = cli_text(args, "work-dir");
    const char *root = getenv("MMENGINE_WORK_DIR");
    const char *name = mm_path_basename(cli_text(args, "CONFIG"));
    char path[1024];

    if (given != NULL) {
        return put_str(config, "work_dir", given);
    }
    if (!mm_value_is_none(mm_config_find(config, "work_dir"))) {
        return mm_pending();
    }
    (void)snprintf(path, sizeof(path), "%s/%.*s",
                   root != NULL && root[0] != '\0' ? root : "./work_dirs",
                   (int)(strlen(name) - strlen(mm_path_extension(name))), name);
    return put_str(config, "work_dir", path);
}

static mm_status apply_launcher(mm_config *config, const struct cli_args *args)
{
    const char *launcher = cli_text(args, "launcher");
    const char *rank = cli_text(args, "local-rank");
    int64_t number = 0;

    if (launcher != NULL && strcmp(launcher, "none") != 0) {
        return mm_raise(MM_EUNSUPPORTED,
                        "could not start with launcher '%s': this version trains in "
                        "one process",
                        launcher);
    }
    if (launcher != NULL && put_str(config, "launcher", launcher) != MM_OK) {
        return mm_pending();
    }
    if (rank != NULL && parse_number("--local-rank", rank, &number) == MM_OK &&
        getenv("LOCAL_RANK") == NULL) {
        cli_set_env("LOCAL_RANK", rank);
    }
    return mm_pending();
}

mm_status cli_number(const struct cli_args *args, const char *name, int64_t *out)
{
    const char *text = cli_text(args, name);

    return text == NULL ? mm_pending() : parse_number(name, text, out);
}

mm_status cli_apply_plugins(mm_config *config)
{
    const char *threads = getenv("MMENGINE_NUM_THREADS");
    int64_t number = 0;

    if (threads != NULL && threads[0] != '\0' &&
        parse_number("MMENGINE_NUM_THREADS", threads, &number) == MM_OK) {
        (void)mm_set_num_threads((int)number);
    }
    return mm_plugin_import(
        &(mm_import_args){.imports = mm_config_find(config, "custom_imports"),
                          .config_file = mm_config_filename(config)});
}

/* What train and test have in common. */
static mm_status apply_common(mm_config *config, const struct cli_args *args)
{
    const char *level = getenv("MMENGINE_LOG_LEVEL");

    (void)apply_work_dir(config, args);
    (void)apply_launcher(config, args);
    if (!mm_has_error() && cli_is_given(args, "allow-partial")) {
        (void)put_bool(config, "load_cfg.allow_partial", true);
    }
    if (level != NULL && level[0] != '\0') {
        (void)put_str(config, "log_level", level);
    }
    return cli_apply_plugins(config);
}

static mm_status apply_resume(mm_config *config, const struct cli_args *args)
{
    const char *path = cli_text(args, "resume");

    if (!cli_is_given(args, "resume")) {
        return mm_pending();
    }
    (void)put_bool(config, "resume", true);
    return path != NULL && strcmp(path, "auto") != 0
               ? put_str(config, "load_from", path)
               : put_none(config, "load_from");
}

static mm_status apply_amp(mm_config *config)
{
    const mm_value *type = mm_config_find(config, "optim_wrapper.type");
    const char *name =
        mm_value_kind(type) == MM_KIND_STR ? mm_value_str(type) : "OptimWrapper";

    if (strcmp(name, "OptimWrapper") != 0 && strcmp(name, "AmpOptimWrapper") != 0) {
        mm_raise(MM_ECONFIG,
                 "could not switch on --amp: optim_wrapper is a '%s', which is no "
                 "OptimWrapper",
                 name);
        return mm_error_locate(
            mm_dict_source(mm_config_find(config, "optim_wrapper"), "type"));
    }
    (void)put_str(config, "optim_wrapper.type", "AmpOptimWrapper");
    if (!mm_has_error() && mm_config_find(config, "optim_wrapper.loss_scale") == NULL) {
        (void)put_str(config, "optim_wrapper.loss_scale", "dynamic");
    }
    return mm_pending();
}

static mm_status apply_auto_scale_lr(mm_config *config)
{
    if (mm_value_is_none(mm_config_find(config, "auto_scale_lr.base_batch_size"))) {
        return mm_raise(MM_ECONFIG,
                        "could not switch on --auto-scale-lr: the config has no "
                        "auto_scale_lr.base_batch_size");
    }
    return put_bool(config, "auto_scale_lr.enable", true);
}

static mm_status apply_no_validate(mm_config *config)
{
    static const char *const keys[] = {"val_cfg", "val_dataloader", "val_evaluator"};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        (void)put_none(config, keys[i]);
    }
    return mm_pending();
}

mm_status cli_apply_train(mm_config *config, const struct cli_args *args)
{
    const char *seed = cli_text(args, "seed");
    int64_t number = 0;

    (void)apply_common(config, args);
    (void)apply_resume(config, args);
    if (!mm_has_error() && cli_is_given(args, "amp")) {
        (void)apply_amp(config);
    }
    if (!mm_has_error() && cli_is_given(args, "auto-scale-lr")) {
        (void)apply_auto_scale_lr(config);
    }
    if (!mm_has_error() && cli_is_given(args, "no-validate")) {
        (void)apply_no_validate(config);
    }
    if (!mm_has_error() && seed != NULL &&
        parse_number("--seed", seed, &number) == MM_OK) {
        (void)put_i64(config, "randomness.seed", number);
    }
    return mm_pending();
}

mm_status cli_apply_schedule(mm_config *config, const struct cli_args *args)
{
    if (cli_is_given(args, "auto-scale-lr")) {
        (void)apply_auto_scale_lr(config);
    }
    return mm_has_error() ? mm_pending() : cli_apply_plugins(config);
}

/* Pictures go through the VisualizationHook, as in tools/test.py. */
static mm_status apply_show_dir(mm_config *config, const struct cli_args *args)
{
    static const char hook[] = "default_hooks.visualization";
    const char *interval = cli_text(args, "interval");
    int64_t number = 1;

    if (interval != NULL && parse_number("--interval", interval, &number) != MM_OK) {
        return mm_pending();
    }
    if (mm_value_is_none(mm_config_find(config, hook))) {
        mm_value *dict = mm_value_new_dict();

        mm_dict_put_str(dict, "type", "VisualizationHook");
        (void)mm_config_put(config, hook, dict);
        mm_value_unref(dict);
    }
    (void)put_bool(config, "default_hooks.visualization.enable", true);
    (void)put_i64(config, "default_hooks.visualization.interval", number);
    return put_str(config, "default_hooks.visualization.out_dir",
                   cli_text(args, "show-dir"));
}

/* Adds DumpResults to the test evaluator, as tools/test.py does. */
static mm_status apply_out(mm_config *config, const char *path)
{
    mm_value *given = mm_config_find(config, "test_evaluator");
    bool is_evaluator =
        mm_value_kind(given) == MM_KIND_DICT && mm_dict_has(given, "metrics");
    const char *key = is_evaluator ? "test_evaluator.metrics" : "test_evaluator";
    mm_value *metrics = mm_value_new_list();
    mm_value *dump = mm_value_new_dict();

    given = mm_config_find(config, key);
    if (mm_value_kind(given) == MM_KIND_LIST || mm_value_kind(given) == MM_KIND_TUPLE) {
        for (size_t i = 0; i < mm_value_len(given); i++) {
            mm_list_append(metrics, mm_list_get(given, i));
        }
    } else if (given != NULL) {
        mm_list_append(metrics, given);
    }
    mm_dict_put_str(dump, "type", "mmengine.DumpResults");
    mm_dict_put_str(dump, "out_file_path", path);
    mm_list_push(metrics, dump);
    (void)mm_config_put(config, key, metrics);
    mm_value_unref(metrics);
    return mm_pending();
}

static bool is_mmpretrain(const mm_config *config)
{
    const char *scope = mm_config_default_scope(config);

    return scope != NULL && strcmp(scope, "mmpretrain") == 0;
}

/* Puts `text`, an expression of Python, at a path. */
static mm_status put_parsed(mm_config *config, const char *path, const char *text)
{
    char *line = mm_strfmt("value = %s\n", text);
    mm_config *parsed = mm_config_from_string(line, ".py");

    if (parsed != NULL)
        (void)mm_config_put(config, path, mm_config_find(parsed, "value"));
    mm_config_unref(parsed);
    mm_free(line);
    return mm_pending();
}

/* MMPretrain's default: the test pipeline, mirrored and not, before its last step. */
static mm_status default_tta_pipeline(mm_config *config)
{
    const mm_value *given = mm_config_find(config, "test_dataloader.dataset.pipeline");
    bool is_list = mm_value_kind(given) == MM_KIND_LIST && mm_value_len(given) > 0;

    if (!is_list || !is_mmpretrain(config)) {
        (void)mm_raise(MM_ECONFIG, "the config has no 'tta_pipeline'");
        return mm_error_hint("a list of transforms that ends in a TestTimeAug");
    }
    mm_value *pipeline = mm_value_new_list();
    size_t last = mm_value_len(given) - 1;

    for (size_t i = 0; i < last; i++)
        mm_list_append(pipeline, mm_list_get(given, i));
    char *packing = mm_value_repr(mm_list_get(given, last));
    char *flips = mm_strfmt("dict(type='TestTimeAug', transforms=[["
                            "dict(type='RandomFlip', prob=1.), "
                            "dict(type='RandomFlip', prob=0.)], [%s]])",
                            packing);

    if (put_parsed(config, "tta_pipeline", flips) == MM_OK) {
        mm_list_append(pipeline, mm_config_find(config, "tta_pipeline"));
        (void)mm_config_put(config, "tta_pipeline", pipeline);
    }
    mm_free(flips);
    mm_free(packing);
    mm_value_unref(pipeline);
    return mm_pending();
}

/* build_runner_with_tta: the pipeline changes, a hook wraps the model before the test.
 */
static mm_status apply_tta(mm_config *config)
{
    if (mm_config_find(config, "tta_model") == NULL) {
        if (!is_mmpretrain(config)) {
            (void)mm_raise(MM_ECONFIG, "the config has no 'tta_model'");
            return mm_error_hint("dict(type=...) of a model that merges predictions");
        }
        (void)put_parsed(config, "tta_model", "dict(type='AverageClsScoreTTA')");
    }
    if (mm_has_error() || (mm_config_find(config, "tta_pipeline") == NULL &&
                           default_tta_pipeline(config) < 0))
        return mm_pending();
    mm_value *hooks = mm_value_new_list();
    mm_value *hook = mm_value_new_dict();
    const mm_value *given = mm_config_find(config, "custom_hooks");

    for (size_t i = 0; !mm_value_is_none(given) && i < mm_value_len(given); i++)
        mm_list_append(hooks, mm_list_get(given, i));
    mm_dict_put_str(hook, "type", "mmengine.PrepareTTAHook");
    mm_dict_put(hook, "tta_cfg", mm_config_find(config, "tta_model"));
    mm_list_push(hooks, hook);
    (void)mm_config_put(config, "custom_hooks", hooks);
    (void)mm_config_put(config, "test_dataloader.dataset.pipeline",
                        mm_config_find(config, "tta_pipeline"));
    mm_value_unref(hooks);
    return mm_pending();
}

mm_status cli_apply_test(mm_config *config, const struct cli_args *args)
{
    const char *checkpoint = cli_text(args, "CHECKPOINT");

    char *local = mm_pth_locate(checkpoint);

    if (local != NULL && !mm_file_exists(local)) {
        (void)mm_raise(MM_ENOENT, "could not open checkpoint '%s': no such file",
                       checkpoint);
    }
    mm_free(local);
    if (mm_has_error()) {
        return mm_pending();
    }
    (void)apply_common(config, args);
    (void)put_str(config, "load_from", checkpoint);
    (void)put_bool(config, "resume", false);
    if (!mm_has_error() && cli_is_given(args, "show-dir")) {
        (void)apply_show_dir(config, args);
    }
    if (!mm_has_error() && cli_text(args, "out") != NULL) {
        (void)apply_out(config, cli_text(args, "out"));
    }
    if (!mm_has_error() && cli_is_given(args, "tta")) {
        (void)apply_tta(config);
    }
    return mm_pending();
}
