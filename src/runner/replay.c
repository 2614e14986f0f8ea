/* The file of a batch that went wrong, written by NanGuardHook and run again by
 * `mmengine replay`. Data elements are written as dicts under a key of their own, since
 * a checkpoint holds plain data and tensors alone. */
#include "runner/replay.h"

#include <string.h>

#include "base/value_convert.h"
#include "mmengine/file.h"
#include "mmengine/ops.h"
#include "mmengine/plugin.h"
#include "mmengine/structures.h"
#include "runner/internal.h"

#define ELEMENT_KEY "__data_element__"

enum { REPLAY_VERSION = 1 };

/* --- batches as plain data and back --- */

static mm_value *to_plain(const mm_value *value, void *user)
{
    const mm_data_element *element = mm_value_find_data_element(value);

    if (element == NULL)
        return mmi_value_is_container(value)
                   ? mmi_value_convert_items(value, to_plain, user)
                   : mmi_value_keep(value);
    mm_value *plain = mm_value_new_dict();
    const mm_value *metainfo = mm_data_element_metainfo(element);

    mm_dict_put_str(plain, ELEMENT_KEY, mm_data_element_type(element));
    mm_dict_take(
        plain, "fields",
        mmi_value_convert_items(mm_data_element_fields(element), to_plain, user));
    mm_dict_take(plain, "metainfo", mmi_value_convert_items(metainfo, to_plain, user));
    return plain;
}

static mm_value *from_plain(const mm_value *value, void *user);

static mm_value *element_from_plain(const mm_value *plain, const char *type)
{
    mm_data_element *element = mm_data_element_new(mm_intern(type));
    const mm_value *fields = mm_dict_get(plain, "fields");
    const mm_value *metainfo = mm_dict_get(plain, "metainfo");

    for (size_t i = 0; i < mm_value_len(fields) && !mm_has_error(); i++) {
        mm_value *item = from_plain(mm_dict_at(fields, i), NULL);

        mm_data_element_put(element, mm_dict_name_at(fields, i), item);
        mm_value_unref(item);
    }
    for (size_t i = 0; i < mm_value_len(metainfo) && !mm_has_error(); i++) {
        mm_value *item = from_plain(mm_dict_at(metainfo, i), NULL);

        mm_data_element_put_meta(element, mm_dict_name_at(metainfo, i), item);
        mm_value_unref(item);
    }
    mm_value *value = mm_has_error() ? NULL : mm_value_new_data_element(element);

    mm_data_element_unref(element);
    return value;
}

/* Tensors are copied: those of a file are read-only. */
static mm_value *from_plain(const mm_value *value, void *user)
{
    mm_tensor *tensor = mm_value_find_tensor(value);
    const mm_value *type =
        mm_value_kind(value) == MM_KIND_DICT ? mm_dict_find(value, ELEMENT_KEY) : NULL;

    if (tensor != NULL)
        return mm_value_new_tensor(mm_clone(tensor));
    if (type != NULL)
        return element_from_plain(value, mm_value_str(type));
    return mmi_value_is_container(value)
               ? mmi_value_convert_items(value, from_plain, user)
               : mmi_value_keep(value);
}

/* --- writing --- */

static void put_text(mm_value *dict, const char *key, const char *text)
{
    if (text != NULL)
        mm_dict_put_str(dict, key, text);
}

/* The config's file, whose folder plugins are looked for in, as an absolute path. */
static void put_config_file(mm_value *dict, const char *file)
{
    char *cwd = file == NULL ? NULL : mmi_os_cwd();
    char *path = cwd == NULL ? NULL : mm_path_join(cwd, file);

    put_text(dict, "config_file", path);
    mm_free(path);
    mm_free(cwd);
}

mm_status mmi_replay_write(const char *path, mm_runner *runner,
                           const mmi_replay_file *file)
{
    mm_scope scope = mm_scope_open();
    mm_value *root = mm_value_new_dict();
    char *config = mm_config_pretty_text(runner->config);

    mm_dict_put_i64(root, "replay_version", REPLAY_VERSION);
    put_text(root, "config", config);
    put_config_file(root, mm_config_filename(runner->config));
    put_text(root, "diagnosis", file->diagnosis);
    mm_dict_put_str(root, "torch_version", mm_torch_version());
    mm_dict_put_str(root, "memory_format", mm_runner_memory_format(runner));
    mm_dict_put_i64(root, "epoch", runner->at.epoch);
    mm_dict_put_i64(root, "iter", runner->at.iter);
    mm_dict_put_i64(root, "batch_idx", file->batch_idx);
    put_text(root, "samples", file->samples);
    mm_dict_put(root, "random", (mm_value *)(uintptr_t)file->random);
    mm_dict_take(root, "state_dict", mm_module_state_dict(runner->model));
    mm_dict_take(root, "batch", to_plain(file->batch, NULL));
    if (!mm_has_error())
        (void)mm_checkpoint_save(path, root);
    mm_free(config);
    mm_value_unref(root);
    mm_scope_close(scope);
    return mm_pending();
}

/* --- running it again --- */

/* A runner of which only the model is there: no folder is made, nothing is locked. */
static mm_status build_model(mm_runner *runner, const mm_value *file)
{
    const mm_value *config_file = mm_dict_find(file, "config_file");
    const char *scope = mm_config_default_scope(runner->config);
    mm_value *imports = mmi_section(runner, "custom_imports");
    const char *device = mm_device_best();

    if (device == NULL)
        return mm_pending();
    (void)snprintf(runner->device, sizeof(runner->device), "%s", device);
    runner->scope = scope == NULL ? "mmengine" : scope;
    if (imports != NULL &&
        mm_plugin_import(&(mm_import_args){
            .imports = imports,
            .config_file = config_file == NULL ? NULL : mm_value_str(config_file),
        }) < 0)
        return mm_pending();
    if (mmi_build_model(runner) < 0 || mmi_model_features(runner) < 0)
        return mm_pending();
    runner->optim_wrapper = mm_optim_wrapper_build(
        runner->model, mm_runner_optim_config(runner), runner->scope);
    return mm_pending();
}

static mm_status prepare_model(mm_runner *runner, const mm_value *file)
{
    const char *format = mm_value_str(mm_dict_get(file, "memory_format"));

    if (format != NULL && strcmp(format, "channels_last") == 0)
        (void)mm_module_channels_last(runner->model, true);
    if (mm_module_load_state_dict(runner->model, mm_dict_get(file, "state_dict"), true,
                                  NULL) < 0 ||
        mm_module_train(runner->model, true) < 0)
        return mm_pending();
    return mmi_random_restore(mm_dict_get(file, "random"));
}

static char *finish_text(const mm_value *file, const mmi_batch_check *check, bool all)
{
    const char *names = mm_value_str(mm_dict_get(file, "samples"));
    char *findings = mmi_batch_check_text(check, all);
    const mm_value *version = mm_dict_find(file, "torch_version");
    char *text = NULL;

    if (names != NULL && findings != NULL)
        text = mm_strfmt("epoch %lld, iteration %lld, batch %lld, samples %s\n%s",
                         (long long)mm_value_i64(mm_dict_get(file, "epoch")) + 1,
                         (long long)mm_value_i64(mm_dict_get(file, "iter")) + 1,
                         (long long)mm_value_i64(mm_dict_get(file, "batch_idx")) + 1,
                         names, findings);
    if (version != NULL && strcmp(mm_value_str(version), mm_torch_version()) != 0)
        mm_log(MM_LOG_WARN,
               "the file was written with libtorch %s, this is %s: numbers "
               "may differ",
               mm_value_str(version), mm_torch_version());
    mm_free(findings);
    return text;
}

static mm_status run_file(mm_runner *runner, const mm_value *file, bool all,
                          mm_replay_result *out)
{
    mmi_batch_check check = {0};
    mm_value *batch = NULL;

    if (build_model(runner, file) == MM_OK && prepare_model(runner, file) == MM_OK)
        batch = from_plain(mm_dict_get(file, "batch"), NULL);
    if (batch != NULL && mmi_batch_check_run(&check, runner->model, batch,
                                             runner->optim_wrapper) == MM_OK) {
        out->text = finish_text(file, &check, all);
        out->is_finite = check.is_finite;
    }
    mmi_batch_check_deinit(&check);
    mm_value_unref(batch);
    return mm_pending();
}

static mm_value *open_file(const char *path)
{
    mm_value *file = mm_checkpoint_load(path);
    const mm_value *version =
        file == NULL ? NULL : mm_dict_find(file, "replay_version");

    if (file == NULL)
        return NULL;
    if (mm_value_kind(version) != MM_KIND_I64 ||
        mm_value_i64(version) != REPLAY_VERSION) {
        (void)mm_raise(MM_EDATA, "'%s' is no file to replay: %s", path,
                       version == NULL ? "NanGuardHook did not write it"
                                       : "it is of another version");
        (void)mm_error_hint(
            "NanGuardHook writes them to nan_guard/ in the work folder");
        mm_value_unref(file);
        return NULL;
    }
    return file;
}

mm_status mm_replay(const char *path, bool all, mm_replay_result *out)
{
    mm_scope scope = mm_scope_open();
    mm_value *file = open_file(path);
    const char *text = file == NULL ? NULL : mm_value_str(mm_dict_get(file, "config"));
    mm_config *config = text == NULL ? NULL : mm_config_from_string(text, ".py");

    *out = (mm_replay_result){0};
    if (config != NULL) {
        mm_runner runner = {.config = config, .root = mm_config_root(config)};

        (void)run_file(&runner, file, all, out);
        mmi_build_free(&runner);
    }
    mm_config_unref(config);
    mm_value_unref(file);
    mm_scope_close(scope);
    if (mm_has_error()) {
        mm_free(out->text);
        out->text = NULL;
        return mm_error_frame("while replaying '%s'", path);
    }
    return MM_OK;
}
