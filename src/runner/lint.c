/* A whole config against the tables: the runner's sections with the checks that a run
 * makes, under an audit that gathers their faults, then what no section of the run
 * needs. Values that several keys share are reported where they are met first, so what
 * a run needs comes first. */
#include "mmengine/lint.h"

#include <stdio.h>
#include <string.h>

#include "base/suggest.h"
#include "base/vec.h"
#include "optim/optim_wrapper.h"
#include "registry/audit.h"
#include "registry/registry.h"
#include "runner/internal.h"

/* A place that has been reported, as a component or for a fault. */
struct spot {
    mm_source source;
    bool is_fault;
};

struct lint {
    const mm_lint_args *args;
    mm_runner runner; /* of its fields only root and scope */
    bool is_needed;   /* the section at hand is built by the run */
    MMI_VEC(struct spot) spots;
};

static bool is_new_spot(struct lint *lint, const struct mmi_finding *finding)
{
    /* Options of the command line share their places. */
    if (strncmp(finding->source->file, "--", 2) == 0)
        return true;
    struct spot spot = {*finding->source, finding->kind == MMI_FINDING_FAULT};

    for (size_t i = 0; i < lint->spots.count; i++) {
        const struct spot *other = &lint->spots.data[i];

        if (other->is_fault == spot.is_fault &&
            other->source.line == spot.source.line &&
            other->source.column == spot.source.column &&
            other->source.file == spot.source.file)
            return false;
    }
    (void)mmi_vec_push(&lint->spots, spot);
    return true;
}

static void take_finding(void *user, const struct mmi_finding *finding)
{
    struct lint *lint = user;
    mm_finding out = {
        .kind = (mm_finding_kind)finding->kind,
        .is_needed = lint->is_needed,
        .path = finding->path,
        .type = finding->type,
        .library = finding->library,
        .message = finding->message,
        .hint = finding->hint,
    };

    if (finding->source != NULL) {
        out.source = *finding->source;
        if (out.source.file != NULL && !is_new_spot(lint, finding))
            return;
    }
    lint->args->visit(lint->args->user, &out);
}

/* What a check raised although an audit is on: a fault of the section. */
static void settle(const struct lint *lint, const char *key)
{
    (void)mmi_audit_take(mm_dict_source(lint->runner.root, key), key);
}

static mm_value *section(const struct lint *lint, const char *key)
{
    return mmi_section(&lint->runner, key);
}

static void check_build(struct lint *lint, const char *key, const char *registry,
                        const char *default_type)
{
    mm_value *config = section(lint, key);

    if (config != NULL)
        (void)mm_build_check(&(mm_build_args){
            .registry = registry,
            .config = config,
            .scope = lint->runner.scope,
            .path = key,
            .default_type = default_type,
        });
    settle(lint, key);
}

/* Calls `check` for a config or for each of a list. */
static void each_item(struct lint *lint, mm_value *config, const char *path,
                      void (*check)(struct lint *lint, mm_value *config,
                                    const char *path))
{
    mm_kind kind = mm_value_kind(config);

    if (kind != MM_KIND_LIST && kind != MM_KIND_TUPLE) {
        check(lint, config, path);
        return;
    }
    for (size_t i = 0; i < mm_value_len(config); i++) {
        char *item = mm_strfmt("%s[%zu]", path, i);

        if (item != NULL)
            check(lint, mm_list_get(config, i), item);
        mm_free(item);
    }
}

static void check_loader(struct lint *lint, mm_value *config, const char *path)
{
    (void)mm_loader_check(config, lint->runner.scope, path);
}

static void check_metric(struct lint *lint, mm_value *config, const char *path)
{
    (void)mm_build_check(&(mm_build_args){
        .registry = "metrics",
        .config = config,
        .scope = lint->runner.scope,
        .path = path,
        .interface = MM_INTERFACE_METRIC,
    });
}

/* The metrics of an evaluator; those of one that is not built here may have any form.
 */
static void check_metrics(struct lint *lint, mm_value *metrics, const char *path,
                          const char *evaluator)
{
    if (evaluator == NULL ||
        mm_component_find("evaluator", lint->runner.scope, evaluator) != NULL)
        each_item(lint, metrics, path, check_metric);
    else
        mmi_audit_any(metrics, path, lint->runner.scope);
}

/* A metric, or an evaluator of its own type around metrics; lists of them, lists in
 * lists for several loaders. */
static void check_evaluator(struct lint *lint, mm_value *config, const char *path)
{
    mm_kind kind = mm_value_kind(config);
    mm_value *metrics = kind == MM_KIND_DICT ? mm_dict_find(config, "metrics") : NULL;

    if (kind == MM_KIND_LIST || kind == MM_KIND_TUPLE) {
        each_item(lint, config, path, check_evaluator);
        return;
    }
    mm_value *type = kind == MM_KIND_DICT ? mm_dict_find(config, "type") : NULL;
    const char *name = mm_value_kind(type) == MM_KIND_STR ? mm_value_str(type) : NULL;

    if (metrics == NULL &&
        (name == NULL || !mmi_audit_has("evaluator", lint->runner.scope, name))) {
        check_metric(lint, config, path);
        return;
    }
    char *inner = mm_strfmt("%s.type", path);

    if (inner != NULL && type != NULL)
        mmi_audit_name(&(mm_build_args){.registry = "evaluator",
                                        .config = type,
                                        .scope = lint->runner.scope,
                                        .path = inner},
                       mm_dict_source(config, "type"));
    mm_free(inner);
    inner = mm_strfmt("%s.metrics", path);
    if (inner != NULL && metrics != NULL)
        check_metrics(lint, metrics, inner, name);
    mm_free(inner);
}

static void check_mode(struct lint *lint, mm_mode mode)
{
    const char *loop = mmi_mode_key(mode, "cfg");
    const char *loader = mmi_mode_key(mode, "dataloader");
    const char *evaluator = mmi_mode_key(mode, "evaluator");
    unsigned flags = lint->args->flags;
    bool is_skipped = mode == MM_MODE_TEST ? (flags & MM_LINT_TRAIN) != 0
                                           : (flags & MM_LINT_TEST) != 0;

    lint->is_needed = !is_skipped && section(lint, loop) != NULL;
    if (section(lint, loop) != NULL)
        (void)mmi_loop_check(&lint->runner, mode);
    settle(lint, loop);
    if (section(lint, loader) != NULL)
        each_item(lint, section(lint, loader), loader, check_loader);
    settle(lint, loader);
    if (mode != MM_MODE_TRAIN && section(lint, evaluator) != NULL)
        check_evaluator(lint, section(lint, evaluator), evaluator);
    settle(lint, evaluator);
}

/* Several optimizers: a dict of wrappers by name. */
static bool has_many_optimizers(const mm_value *optim)
{
    if (mm_value_kind(optim) != MM_KIND_DICT || mm_dict_has(optim, "type") ||
        mm_dict_has(optim, "optimizer"))
        return false;
    for (size_t i = 0; i < mm_value_len(optim); i++) {
        const mm_value *item = mm_dict_at(optim, i);

        if (mm_value_kind(item) == MM_KIND_DICT && mm_dict_has(item, "optimizer"))
            return true;
    }
    return false;
}

/* MMagic's, which is known here in every scope: one wrapper under each name. */
static bool makes_several(const mm_value *constructor)
{
    static const char *const names[] = {"MultiOptimWrapperConstructor",
                                        "mmagic.MultiOptimWrapperConstructor"};

    return mm_value_kind(constructor) == MM_KIND_STR &&
           (strcmp(mm_value_str(constructor), names[0]) == 0 ||
            strcmp(mm_value_str(constructor), names[1]) == 0);
}

static bool has_own_constructor(const struct lint *lint)
{
    const mm_value *optim = section(lint, "optim_wrapper");
    const mm_value *constructor =
        mm_value_kind(optim) == MM_KIND_DICT ? mmi_find_in(optim, "constructor") : NULL;

    if (has_many_optimizers(optim) && makes_several(constructor))
        return false;
    return mm_value_kind(constructor) == MM_KIND_STR &&
           strcmp(mm_value_str(constructor), "DefaultOptimWrapperConstructor") != 0;
}

static bool is_built_constructor(const struct lint *lint, const mm_value *name)
{
    return mm_value_kind(name) == MM_KIND_STR &&
           mm_component_find("optim_wrapper_constructors", lint->runner.scope,
                             mm_value_str(name)) != NULL;
}

/* The options of a constructor that is built here; else only its name is looked at. */
static void check_constructor(struct lint *lint, const mm_value *config,
                              const char *path)
{
    const mm_value *name = mm_dict_find(config, "constructor");

    if (name != NULL && !is_built_constructor(lint, name))
        return;
    (void)mmi_constructor_check(config, lint->runner.scope, path);
    (void)mmi_audit_take(mm_dict_source(config, "paramwise_cfg"), path);
}

static void check_wrapper(struct lint *lint, mm_value *config, const char *path)
{
    mm_build_args args = {
        .registry = "optim_wrappers",
        .config = config,
        .scope = lint->runner.scope,
        .path = path,
        .default_type = "OptimWrapper",
    };

    (void)mm_build_check(&args);
    args.interface = MM_INTERFACE_OPTIM_WRAPPER;
    (void)mmi_wrapper_check_values(&args);
    (void)mmi_audit_take(mmi_config_source(config, "type"), path);
    check_constructor(lint, config, path);
}

static void check_wrappers(struct lint *lint, mm_value *optim)
{
    for (size_t i = 0; i < mm_value_len(optim); i++) {
        const char *name = mm_dict_name_at(optim, i);
        mm_value *config = mm_dict_at(optim, i);
        char *path = mm_strfmt("optim_wrapper.%s", name != NULL ? name : "?");

        if (path != NULL && mm_value_kind(config) == MM_KIND_DICT)
            check_wrapper(lint, config, path);
        mm_free(path);
    }
}

/* Base files hold some sections only: there nothing is missing. */
static bool is_whole(const struct lint *lint)
{
    return (lint->args->flags & MM_LINT_STRICT) != 0 ||
           (section(lint, "model") != NULL &&
            (section(lint, "train_dataloader") != NULL ||
             section(lint, "test_dataloader") != NULL));
}

static void check_optim(struct lint *lint)
{
    mm_value *optim = mm_runner_optim_config(&lint->runner);
    mm_value *constructor = mm_value_kind(optim) == MM_KIND_DICT
                                ? mm_dict_find(optim, "constructor")
                                : NULL;

    size_t known = lint->spots.count;

    lint->is_needed = (lint->args->flags & MM_LINT_TEST) == 0;
    if (optim != NULL && mm_value_kind(optim) != MM_KIND_DICT) {
        (void)mm_raise(MM_ECONFIG, "optim_wrapper is of type %s: a dict is needed",
                       mm_value_type_name(optim));
        settle(lint, "optim_wrapper");
        return;
    }
    if (constructor != NULL &&
        (has_many_optimizers(optim) || !is_built_constructor(lint, constructor)) &&
        !(has_many_optimizers(optim) && makes_several(constructor)))
        mmi_audit_name(&(mm_build_args){.registry = "optim_wrapper_constructors",
                                        .config = constructor,
                                        .scope = lint->runner.scope,
                                        .path = "optim_wrapper.constructor"},
                       mm_dict_source(optim, "constructor"));
    if (is_whole(lint) && mm_value_kind(optim) == MM_KIND_DICT &&
        !has_many_optimizers(optim) && !mm_dict_has(optim, "optimizer") &&
        !has_own_constructor(lint)) {
        (void)mm_raise(MM_ECONFIG, "optim_wrapper: there is no 'optimizer' in it");
        settle(lint, "optim_wrapper");
    }
    if (has_many_optimizers(optim) && has_own_constructor(lint))
        mmi_audit_any(optim, "optim_wrapper", lint->runner.scope);
    else if (has_many_optimizers(optim))
        check_wrappers(lint, optim);
    else if (optim != NULL)
        check_wrapper(lint, optim, "optim_wrapper");
    settle(lint, "optim_wrapper");
    if (section(lint, "param_scheduler") != NULL)
        (void)mmi_check_schedulers(&lint->runner, section(lint, "param_scheduler"),
                                   "param_scheduler");
    settle(lint, "param_scheduler");
    if (is_whole(lint) && lint->spots.count == known) {
        (void)mmi_try_schedulers(&lint->runner);
        settle(lint, "param_scheduler");
    }
}

static void check_model(struct lint *lint)
{
    if (section(lint, "model") != NULL)
        (void)mmi_check_model(&lint->runner);
    settle(lint, "model");
}

/* Keys by which MMCV 1.x knew what MMEngine calls otherwise. */
static bool is_of_mmcv_1(const struct lint *lint)
{
    static const char *const keys[] = {"runner",     "optimizer_config",  "lr_config",
                                       "log_config", "checkpoint_config", NULL};
    const mm_value *data = section(lint, "data");

    if (mm_value_kind(data) != MM_KIND_DICT || !mm_dict_has(data, "train") ||
        section(lint, "train_dataloader") != NULL)
        return false;
    for (size_t i = 0; keys[i] != NULL; i++) {
        if (section(lint, keys[i]) != NULL)
            return true;
    }
    return false;
}

static void report_mmcv_1(const struct lint *lint)
{
    (void)mm_raise(MM_ECONFIG,
                   "data: the config is written for MMCV 1.x, whose keys MMEngine does "
                   "not read; it is not checked further");
    (void)mm_error_hint("MMEngine has train_dataloader, optim_wrapper and "
                        "param_scheduler where 'data', 'optimizer' and 'lr_config' "
                        "stood");
    settle(lint, "data");
}

static void check_scope(struct lint *lint, const struct mmi_audit *audit)
{
    if (audit->has_imports || mmi_audit_knows_scope(lint->runner.scope))
        return;
    (void)mm_raise(MM_ECONFIG, "default_scope: no library is known as '%s'",
                   lint->runner.scope);
    (void)mmi_audit_hint_scope(lint->runner.scope);
    settle(lint, "default_scope");
}

/* What the runner's sections need, then what stands switched off or unused. */
static void check_sections(struct lint *lint)
{
    lint->is_needed = true;
    if (is_whole(lint))
        (void)mmi_check_groups(&lint->runner);
    if ((lint->args->flags & MM_LINT_STRICT) != 0 && section(lint, "model") == NULL)
        (void)mmi_check_model(&lint->runner);
    check_model(lint);
    check_mode(lint, MM_MODE_TRAIN);
    (void)mmi_strategy_check(&lint->runner);
    settle(lint, "strategy");
    check_optim(lint);
    check_mode(lint, MM_MODE_VAL);
    check_mode(lint, MM_MODE_TEST);
    lint->is_needed = true;
    (void)mmi_hooks_check(&lint->runner);
    settle(lint, "default_hooks");
    (void)mmi_numerics_check(&lint->runner);
    settle(lint, "numerics");
    (void)mmi_memory_format_check(&lint->runner);
    settle(lint, "memory_format");
    (void)mmi_model_features_check(&lint->runner);
    settle(lint, "activation_checkpointing");
    check_build(lint, "log_processor", "log_processors", "LogProcessor");
    lint->is_needed = false;
    check_build(lint, "visualizer", "visualizers", "Visualizer");
    check_build(lint, "model_wrapper_cfg", "model_wrappers", NULL);
    check_build(lint, "tta_model", "models", NULL);
}

/* --- slips in keys that nobody looks for --- */

/* What MMEngine reads of sections that have no option table. */
struct keys {
    const char *section;
    bool is_closed; /* any other key is an error there, elsewhere it is passed over */
    const char *names[8];
};

static const struct keys plain_sections[] = {
    {"randomness", true, {"seed", "diff_rank_seed", "deterministic", "stream"}},
    {"auto_scale_lr", false, {"enable", "base_batch_size", "count_accumulation"}},
    {"env_cfg", false, {"cudnn_benchmark", "mp_cfg", "dist_cfg", "resource_limit"}},
};

static void report_key(const mm_value *dict, const char *prefix, const char *key,
                       const char *near)
{
    char path[256];

    (void)snprintf(path, sizeof(path), "%.120s%s%.120s", prefix,
                   prefix[0] != '\0' ? "." : "", key);
    (void)mm_raise(MM_ECONFIG, "%s: nothing reads the key '%s'", path, key);
    if (near != NULL)
        (void)mm_error_hint("did you mean '%s'?", near);
    (void)mmi_audit_take(mm_dict_source(dict, key), path);
}

static bool is_one_of(const char *const *names, const char *key)
{
    for (size_t i = 0; i < 8 && names[i] != NULL; i++) {
        if (strcmp(names[i], key) == 0)
            return true;
    }
    return false;
}

static void check_plain_section(const struct lint *lint, const struct keys *keys)
{
    const mm_value *dict = section(lint, keys->section);

    if (mm_value_kind(dict) != MM_KIND_DICT)
        return;
    for (size_t i = 0; i < mm_value_len(dict); i++) {
        const char *key = mm_dict_name_at(dict, i);
        mmi_suggest near = {.word = key};

        if (key == NULL || is_one_of(keys->names, key))
            continue;
        for (size_t n = 0; n < 8 && keys->names[n] != NULL; n++)
            mmi_suggest_add(&near, keys->names[n]);
        if (keys->is_closed || near.count > 0)
            report_key(dict, keys->section, key, near.count > 0 ? near.names[0] : NULL);
    }
}

/* Configs may have keys of their own; one that is a letter off a key of the runner,
 * which the config lacks, is a slip that no run would ever notice. */
static bool is_slip(const struct lint *lint, const char *key, const char **out_near)
{
    mmi_suggest near = {.word = key};

    if (strlen(key) < 6 || mm_runner_knows_key(key))
        return false;
    for (size_t i = 0; mm_runner_key_at(i) != NULL; i++)
        mmi_suggest_add(&near, mm_runner_key_at(i));
    if (near.count == 0 || near.distances[0] > 2 ||
        mm_dict_has(lint->runner.root, near.names[0]))
        return false;
    *out_near = near.names[0];
    size_t size = strlen(*out_near);

    /* "train_cfgs" is a plural */
    return strlen(key) != size + 1 || key[size] != 's' ||
           strncmp(key, *out_near, size) != 0;
}

static void check_keys(struct lint *lint)
{
    const mm_value *root = lint->runner.root;

    lint->is_needed = true;
    for (size_t i = 0; i < sizeof(plain_sections) / sizeof(plain_sections[0]); i++)
        check_plain_section(lint, &plain_sections[i]);
    for (size_t i = 0; i < mm_value_len(root); i++) {
        const char *key = mm_dict_name_at(root, i);
        const char *near = NULL;

        if (key != NULL && is_slip(lint, key, &near))
            report_key(root, "", key, near);
    }
    lint->is_needed = false;
}

/* Everything else: pipelines and parts that other keys use, leftovers. */
static void check_rest(struct lint *lint)
{
    for (size_t i = 0; i < mm_value_len(lint->runner.root); i++) {
        const char *key = mm_dict_name_at(lint->runner.root, i);

        if (key != NULL)
            mmi_audit_any(mm_dict_at(lint->runner.root, i), key, lint->runner.scope);
    }
}

/* --- what a config imports --- */

static bool is_known_module(const mm_value *module)
{
    char package[128];
    const char *name = mm_value_kind(module) == MM_KIND_STR ? mm_value_str(module) : "";
    size_t size = strcspn(name, ".");

    if (size == 0 || size >= sizeof(package))
        return false;
    memcpy(package, name, size);
    package[size] = '\0';
    return mmi_package_is_builtin(package) || mmi_audit_knows_scope(package);
}

/* True if components may come from modules that no table lists. */
static bool has_foreign_imports(const struct lint *lint)
{
    const mm_value *imports = section(lint, "custom_imports");

    if (mm_value_kind(imports) == MM_KIND_DICT)
        imports = mm_dict_find(imports, "imports");
    if (mm_value_kind(imports) != MM_KIND_LIST &&
        mm_value_kind(imports) != MM_KIND_TUPLE)
        return mm_value_kind(imports) == MM_KIND_STR && !is_known_module(imports);
    for (size_t i = 0; i < mm_value_len(imports); i++) {
        if (!is_known_module(mm_list_get(imports, i)))
            return true;
    }
    return false;
}

mm_status mm_config_lint(const mm_lint_args *args, size_t *out_num_checked)
{
    if (mm_has_error())
        return mm_pending();
    if (args == NULL || args->config == NULL || args->visit == NULL)
        return mm_raise(MM_EINVAL, "could not check a config: %s is NULL",
                        args == NULL           ? "args"
                        : args->config == NULL ? "config"
                                               : "visit");
    struct lint lint = {.args = args, .is_needed = true};
    struct mmi_audit audit = {.report = take_finding, .user = &lint};

    lint.runner.config = args->config;
    lint.runner.root = mm_config_root(args->config);
    if (mm_value_kind(lint.runner.root) != MM_KIND_DICT)
        return mm_raise(MM_ECONFIG, "the config is a %s, not a dict",
                        mm_value_type_name(lint.runner.root));
    const mm_value *scope = section(&lint, "default_scope");

    lint.runner.scope =
        mm_value_kind(scope) == MM_KIND_STR ? mm_value_str(scope) : NULL;
    audit.is_fragment = !is_whole(&lint);
    audit.has_own_constructor = has_own_constructor(&lint);
    if (lint.runner.scope == NULL && audit.is_fragment)
        lint.runner.scope = mmi_audit_guess_scope(lint.runner.root);
    if (lint.runner.scope == NULL)
        lint.runner.scope = "mmengine";
    audit.has_imports = !args->has_plugins && has_foreign_imports(&lint);
    struct mmi_audit *former = mmi_audit_set(&audit);

    if (is_of_mmcv_1(&lint)) {
        report_mmcv_1(&lint);
    } else {
        check_scope(&lint, &audit);
        check_sections(&lint);
        check_keys(&lint);
        check_rest(&lint);
    }
    (void)mmi_audit_set(former);
    mm_value_unref(lint.runner.optim_config);
    mmi_vec_deinit(&lint.spots);
    if (out_num_checked != NULL)
        *out_num_checked = audit.num_built;
    return mm_pending();
}
