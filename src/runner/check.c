/* Checks a config before anything expensive is built: which sections must come
 * together, whether every component and option exists, whether every top-level key is
 * known. */
#include <string.h>

#include "base/str.h"
#include "base/suggest.h"
#include "registry/audit.h"
#include "runner/internal.h"

/* Top-level keys that the runner, the program or the config language read. Others may
 * stand in a config as helpers (`img_size = 224`): they are no error. */
static const char *const known_keys[] = {
    "model",
    "work_dir",
    "train_dataloader",
    "val_dataloader",
    "test_dataloader",
    "train_cfg",
    "val_cfg",
    "test_cfg",
    "auto_scale_lr",
    "optim_wrapper",
    "param_scheduler",
    "val_evaluator",
    "test_evaluator",
    "default_hooks",
    "custom_hooks",
    "data_preprocessor",
    "load_from",
    "resume",
    "launcher",
    "env_cfg",
    "log_processor",
    "log_level",
    "file_handler_cfg",
    "visualizer",
    "vis_backends",
    "default_scope",
    "randomness",
    "experiment_name",
    "runner_type",
    "model_wrapper_cfg",
    "find_unused_parameters",
    "sync_bn",
    "compile",
    "activation_checkpointing",
    "efficient_conv_bn_eval",
    "custom_imports",
    "numerics",
    "memory_format",
    "resume_policy",
    "strategy",
    "load_cfg",
    NULL,
};

bool mm_runner_knows_key(const char *key)
{
    for (size_t i = 0; known_keys[i] != NULL; i++) {
        if (strcmp(key, known_keys[i]) == 0)
            return true;
    }
    return false;
}

const char *mm_runner_key_at(size_t index)
{
    return index < sizeof(known_keys) / sizeof(known_keys[0]) ? known_keys[index]
                                                              : NULL;
}

mm_value *mmi_section(const mm_runner *runner, const char *key)
{
    mm_value *value = mm_dict_find(runner->root, key);

    return mm_value_is_none(value) ? NULL : value;
}

const char *mmi_mode_name(mm_mode mode)
{
    static const char *const names[] = {"train", "val", "test"};

    return names[mode];
}

const char *mmi_mode_key(mm_mode mode, const char *suffix)
{
    static const char *const keys[][4] = {
        {"cfg", "train_cfg", "val_cfg", "test_cfg"},
        {"dataloader", "train_dataloader", "val_dataloader", "test_dataloader"},
        {"evaluator", "train_evaluator", "val_evaluator", "test_evaluator"},
    };

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (strcmp(keys[i][0], suffix) == 0)
            return keys[i][1 + mode];
    }
    MM_ASSERT(false && "a suffix without a key");
    return suffix;
}

/* The three keys stand together or not at all. */
static mm_status check_group(const mm_runner *runner, const char *const keys[3])
{
    const char *there = NULL, *missing = NULL;

    for (size_t i = 0; i < 3; i++) {
        if (mmi_section(runner, keys[i]) != NULL)
            there = keys[i];
        else
            missing = keys[i];
    }
    if (there == NULL || missing == NULL)
        return MM_OK;
    (void)mm_raise(MM_ECONFIG, "'%s' is given but '%s' is not", there, missing);
    (void)mm_error_hint("%s, %s and %s come together: give all three, or none", keys[0],
                        keys[1], keys[2]);
    return mmi_report_fault(mm_dict_source(runner->root, there), there);
}

mm_status mmi_check_groups(const mm_runner *runner)
{
    static const char *const groups[3][3] = {
        {"train_dataloader", "train_cfg", "optim_wrapper"},
        {"val_dataloader", "val_cfg", "val_evaluator"},
        {"test_dataloader", "test_cfg", "test_evaluator"},
    };

    for (size_t i = 0; i < 3; i++) {
        if (check_group(runner, groups[i]) < 0)
            return mm_pending();
    }
    if (mmi_section(runner, "param_scheduler") != NULL &&
        mmi_section(runner, "optim_wrapper") == NULL) {
        (void)mm_raise(MM_ECONFIG,
                       "'param_scheduler' is given but 'optim_wrapper' is not");
        return mmi_report_fault(mm_dict_source(runner->root, "param_scheduler"),
                                "param_scheduler");
    }
    return MM_OK;
}

/* The nearest top-level key of a missing one, as a hint: a slip of the pen. */
static mm_status missing_key(const mm_runner *runner, const char *key)
{
    (void)mm_raise(MM_ECONFIG, "the config has no '%s'", key);
    for (size_t i = 0; i < mm_value_len(runner->root); i++) {
        const char *name = mm_dict_name_at(runner->root, i);

        mmi_suggest near = {.word = key};

        if (name != NULL && !mm_runner_knows_key(name))
            mmi_suggest_add(&near, name);
        if (near.count > 0) {
            (void)mm_error_hint("did you mean '%s' where '%s' stands?", key, name);
            return mmi_report_fault(mm_dict_source_at(runner->root, i), name);
        }
    }
    return mmi_report_fault(NULL, key);
}

mm_status mmi_check_model(const mm_runner *runner)
{
    mm_value *model = mmi_section(runner, "model");

    if (model == NULL)
        return missing_key(runner, "model");
    return mm_build_check(&(mm_build_args){
        .registry = "models",
        .config = model,
        .scope = runner->scope,
        .path = "model",
        .interface = MM_INTERFACE_MODEL,
    });
}

static mm_status check_mode(const mm_runner *runner, mm_mode mode)
{
    if (mmi_section(runner, mmi_mode_key(mode, "dataloader")) == NULL)
        return MM_OK;
    if (mmi_loop_check(runner, mode) < 0)
        return mm_pending();
    return mmi_sets_check(runner, mode);
}

static mm_status check_scheduler(const mm_runner *runner, mm_value *config,
                                 const char *path)
{
    return mm_build_check(&(mm_build_args){
        .registry = "param_schedulers",
        .config = config,
        .scope = runner->scope,
        .path = path,
        .interface = MM_INTERFACE_PARAM_SCHEDULER,
    });
}

/* One scheduler, a list of them, or a dict of name -> either (several optimizers). */
mm_status mmi_check_schedulers(const mm_runner *runner, mm_value *config,
                               const char *path)
{
    mm_kind kind = mm_value_kind(config);
    bool by_name = kind == MM_KIND_DICT && !mm_dict_has(config, "type");

    if (kind == MM_KIND_DICT && !by_name)
        return check_scheduler(runner, config, path);
    if (!by_name && kind != MM_KIND_LIST && kind != MM_KIND_TUPLE)
        return mm_raise(MM_ECONFIG, "%s must be a dict or a list of dicts, not a %s",
                        path, mm_value_type_name(config));
    for (size_t i = 0; i < mm_value_len(config) && !mm_has_error(); i++) {
        char *item = by_name ? mm_strfmt("%s.%s", path, mm_dict_name_at(config, i))
                             : mm_strfmt("%s[%zu]", path, i);

        if (by_name && item != NULL)
            (void)mmi_check_schedulers(runner, mm_dict_at(config, i), item);
        else if (item != NULL)
            (void)check_scheduler(runner, mm_list_get(config, i), item);
        mm_free(item);
    }
    return mm_pending();
}

mm_status mmi_check_word(const mm_runner *runner, const char *key,
                         const char *const *words, size_t count)
{
    const mm_value *given = mmi_section(runner, key);
    bool is_text = given != NULL && mm_value_kind(given) == MM_KIND_STR;
    mmi_suggest near = {.word = is_text ? mm_value_str(given) : ""};
    mmi_str list = {0};

    if (given == NULL)
        return mm_pending();
    for (size_t i = 0; i < count; i++) {
        if (is_text && strcmp(mm_value_str(given), words[i]) == 0) {
            mmi_str_deinit(&list);
            return mm_pending();
        }
        mmi_suggest_add(&near, words[i]);
        mmi_str_addf(&list, "%s'%s'",
                     i == 0          ? ""
                     : i + 1 < count ? ", "
                                     : " or ",
                     words[i]);
    }
    char *text = mm_value_repr(given);

    (void)mm_raise(MM_ECONFIG, "%s must be %s, not %s", key, mmi_str_text(&list),
                   text == NULL ? "this" : text);
    mmi_suggest_hint(&near);
    mm_free(text);
    mmi_str_deinit(&list);
    return mmi_report_fault(mm_dict_source(runner->root, key), key);
}

mm_status mmi_numerics_check(const mm_runner *runner)
{
    static const char *const words[] = {"fast", "reference"};

    return mmi_check_word(runner, "numerics", words, 2);
}

bool mmi_wants_reference(const mm_runner *runner)
{
    const mm_value *numerics = mmi_section(runner, "numerics");

    return numerics != NULL && strcmp(mm_value_str(numerics), "reference") == 0;
}

mm_status mmi_check_optim(const mm_runner *runner)
{
    mm_value *optim = mm_runner_optim_config(runner);
    mm_value *schedulers = mmi_section(runner, "param_scheduler");

    if (optim != NULL &&
        mm_optim_wrapper_check(optim, runner->scope, "optim_wrapper") < 0)
        return mm_pending();
    if (schedulers == NULL ||
        mmi_check_schedulers(runner, schedulers, "param_scheduler") < 0)
        return mm_pending();
    return mmi_try_schedulers(runner);
}

mm_status mmi_check(mm_runner *runner)
{
    if (mm_value_kind(runner->root) != MM_KIND_DICT)
        return mm_raise(MM_ECONFIG, "the config is a %s, not a dict",
                        mm_value_type_name(runner->root));
    if (mmi_check_groups(runner) < 0 || mmi_check_model(runner) < 0 ||
        mmi_strategy_check(runner) < 0 || mmi_check_optim(runner) < 0 ||
        mmi_numerics_check(runner) < 0 || mmi_memory_format_check(runner) < 0 ||
        mmi_model_features_check(runner) < 0 || mmi_resume_policy_check(runner) < 0 ||
        mmi_load_cfg_check(runner) < 0 || mmi_hooks_check(runner) < 0)
        return mm_pending();
    for (int mode = MM_MODE_TRAIN; mode <= MM_MODE_TEST; mode++) {
        /* What is not built here may stand in sections that this run leaves alone; the
         * others raise it again when they are built. */
        if (check_mode(runner, (mm_mode)mode) == MM_EUNSUPPORTED)
            (void)mm_error_take(NULL);
        if (mm_has_error())
            return mm_pending();
    }
    return MM_OK;
}
