/* From a config to an instance. A build first checks the whole tree of the config, so
 * that a slip anywhere is reported before anything expensive is made, then builds from
 * the inside out. */
#include <stdio.h>
#include <string.h>

#include "registry/audit.h"
#include "registry/instance.h"
#include "registry/registry.h"

/* What a config was resolved to. */
struct plan {
    const mm_component *component;
    const char *scope;
    const char *path; /* "" at the top */
};

static mm_status check_args(const mm_build_args *args)
{
    if (args->registry == NULL || args->config == NULL) {
        return mm_raise(MM_EINVAL, "could not build: %s is missing",
                        args->registry == NULL ? "registry" : "config");
    }
    if (mm_value_kind(args->config) != MM_KIND_DICT) {
        return mm_raise(MM_ECONFIG,
                        "%s%sexpected a dict with 'type' for registry '%s', "
                        "got a value of type %s",
                        args->path != NULL ? args->path : "",
                        args->path != NULL ? ": " : "", args->registry,
                        mm_value_type_name(args->config));
    }
    return MM_OK;
}

/* A builder's key that must be a string; NULL if it is absent or an error is raised. */
static const char *find_str(const mm_value *config, const char *key, const char *path)
{
    const mm_value *value = mm_dict_find(config, key);

    if (value == NULL || mm_value_is_none(value)) {
        return NULL;
    }
    if (mm_value_kind(value) != MM_KIND_STR) {
        mm_raise(MM_ECONFIG, "%s%s%s: expected a str, got a value of type %s", path,
                 path[0] != '\0' ? "." : "", key, mm_value_type_name(value));
        mm_error_locate(mmi_config_source(config, key));
        return NULL;
    }
    return mm_value_str(value);
}

static mm_status raise_untyped(const mm_build_args *args, const char *path)
{
    mm_raise(MM_ECONFIG,
             "%s%sthe dict has no 'type', which names a component of "
             "registry '%s'",
             path, path[0] != '\0' ? ": " : "", args->registry);
    return mm_error_locate(mmi_config_source(args->config, "type"));
}

static mm_status raise_unknown(const mm_build_args *args, const struct plan *plan,
                               const char *type)
{
    char path[256];

    (void)snprintf(path, sizeof(path), "%s%stype", plan->path,
                   plan->path[0] != '\0' ? "." : "");
    mmi_component_missing(MM_ECONFIG, args->registry, plan->scope, type, path);
    return mm_error_locate(mmi_config_source(args->config, "type"));
}

static mm_status raise_interface(const mm_build_args *args, const struct plan *plan)
{
    mm_raise(MM_ECONFIG, "%s%s'%s' is a %s, a %s is needed here", plan->path,
             plan->path[0] != '\0' ? ": " : "", plan->component->name,
             mmi_interface_name(plan->component->interface),
             mmi_interface_name(args->interface));
    return mm_error_locate(mmi_config_source(args->config, "type"));
}

static mm_status make_plan(const mm_build_args *args, struct plan *out)
{
    if (mm_has_error() || check_args(args) != MM_OK) {
        return mm_pending();
    }
    out->path = args->path != NULL ? args->path : "";
    const char *scope = find_str(args->config, "_scope_", out->path);
    const char *type = find_str(args->config, "type", out->path);

    if (mm_has_error()) {
        return mm_pending();
    }
    out->scope = scope != NULL         ? scope
                 : args->scope != NULL ? args->scope
                                       : mmi_current_scope();
    type = type != NULL ? type : args->default_type;
    if (type == NULL) {
        return raise_untyped(args, out->path);
    }
    out->component = mm_component_find(args->registry, out->scope, type);
    if (out->component == NULL) {
        return raise_unknown(args, out, type);
    }
    if (!mmi_interface_fits(out->component->interface, args->interface)) {
        return raise_interface(args, out);
    }
    return MM_OK;
}

bool mmi_builds_list(const char *registry, const mm_value *config)
{
    return (mm_value_kind(config) == MM_KIND_LIST ||
            mm_value_kind(config) == MM_KIND_TUPLE) &&
           strcmp(registry, "models") == 0;
}

/* The arguments themselves, or with a list of models made a Sequential, as MMEngine's
 * MODELS.build() does. `out_made` is what was made for that, to be released. */
static mm_build_args without_list(const mm_build_args *args, mm_value **out_made)
{
    mm_build_args copy = args != NULL ? *args : (mm_build_args){0};

    *out_made = NULL;
    if (!mm_has_error() && copy.registry != NULL &&
        mmi_builds_list(copy.registry, copy.config)) {
        mm_value *dict = mm_value_new_dict();

        mm_dict_put_str(dict, "type", "mmengine.Sequential");
        mm_dict_put(dict, "modules", copy.config);
        copy.config = *out_made = dict;
    }
    return copy;
}

mm_status mm_build_check(const mm_build_args *given)
{
    struct plan plan = {0};
    mm_value *made = NULL;
    mm_build_args args = without_list(given, &made);

    if (mmi_audit_is_on()) {
        mmi_audit_build(&args);
    } else if (make_plan(&args, &plan) == MM_OK) {
        struct mmi_reader reader = {plan.component, args.config, plan.path, plan.scope,
                                    NULL};

        (void)mmi_options_read(&reader);
    }
    mm_value_unref(made);
    return mm_pending();
}

/* "while building model.backbone (ResNet), cfg.py:14:5" */
static void add_frame(const mm_build_args *args, const struct plan *plan)
{
    const mm_source *source = mmi_config_source(args->config, "type");
    const char *path = plan->path[0] != '\0' ? plan->path : args->registry;

    if (source != NULL && source->file != NULL) {
        (void)mm_error_frame("while building %s (%s), %s:%d:%d", path,
                             plan->component->name, source->file, (int)source->line,
                             (int)source->column);
    } else {
        (void)mm_error_frame("while building %s (%s)", path, plan->component->name);
    }
}

static mm_instance *build_dict(const mm_build_args *args)
{
    struct plan plan = {0};

    if (make_plan(args, &plan) != MM_OK) {
        return NULL;
    }
    mm_instance *instance =
        mmi_instance_alloc(plan.component, args->config, plan.scope);

    if (instance == NULL) {
        return NULL;
    }
    struct mmi_reader reader = {plan.component, args->config, plan.path, plan.scope,
                                instance};

    if (mmi_options_read(&reader) != MM_OK || mm_instance_start(instance) < 0) {
        (void)mmi_config_locate(args->config);
        add_frame(args, &plan);
        mm_instance_unref(instance);
        return NULL;
    }
    return instance;
}

mm_instance *mmi_build_checked(const mm_build_args *given)
{
    mm_value *made = NULL;
    mm_build_args args = without_list(given, &made);

    if (made != NULL) {
        mm_value_freeze(made);
    }
    mm_instance *instance = build_dict(&args);

    mm_value_unref(made);
    return instance;
}

mm_instance *mm_build(const mm_build_args *args)
{
    if (mm_build_check(args) != MM_OK) {
        return NULL;
    }
    mm_value_freeze(args->config);
    return mmi_build_checked(args);
}
