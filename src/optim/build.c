/* Wrapper, optimizer and parameter groups from a config: one of each over the whole
 * model, or one under each name, over the model's part of that name (GANs). Source:
 * build_optim_wrapper; the second form is MMagic's MultiOptimWrapperConstructor. */
#include <stdio.h>
#include <string.h>

#include "base/suggest.h"
#include "mmengine/memory.h"
#include "optim/optim_wrapper.h"
#include "registry/registry.h"

mm_build_args mmi_wrapper_args(mm_value *config, const char *scope, const char *path)
{
    return (mm_build_args){
        .registry = "optim_wrappers",
        .config = config,
        .scope = scope,
        .path = path,
        .default_type = "OptimWrapper",
        .interface = MM_INTERFACE_OPTIM_WRAPPER,
    };
}

bool mmi_wrappers_are_by_name(const mm_value *config)
{
    if (mm_value_kind(config) != MM_KIND_DICT || mm_dict_has(config, "optimizer") ||
        mm_dict_has(config, "type"))
        return false;
    for (size_t i = 0; i < mm_value_len(config); i++) {
        const mm_value *item = mm_dict_at(config, i);

        if (mm_value_kind(item) == MM_KIND_DICT && mm_dict_has(item, "optimizer"))
            return true;
    }
    return false;
}

/* Wrappers stand beside the name of a constructor, which is known here. */
static mm_status check_constructor(const mm_value *config)
{
    const mm_value *value = mm_dict_find(config, "constructor");
    const char *name = value == NULL ? NULL : mm_value_str(value);

    if (name == NULL || strcmp(name, "MultiOptimWrapperConstructor") == 0 ||
        strcmp(name, "mmagic.MultiOptimWrapperConstructor") == 0 ||
        strcmp(name, "DefaultOptimWrapperConstructor") == 0)
        return mm_pending();
    (void)mm_raise(MM_EUNSUPPORTED, "constructor '%s' cannot make several optimizers",
                   name);
    return mm_error_locate(mm_dict_source(config, "constructor"));
}

mm_status mmi_each_wrapper(mm_value *config, const char *path, void *user,
                           mm_status (*visit)(void *user, const char *name,
                                              mm_value *config, const char *path))
{
    if (check_constructor(config) < 0)
        return mm_pending();
    for (size_t i = 0; i < mm_value_len(config) && !mm_has_error(); i++) {
        const char *name = mm_dict_name_at(config, i);
        char *item = mm_strfmt("%s.%s", path, name == NULL ? "?" : name);

        if (item != NULL && name != NULL && strcmp(name, "constructor") != 0)
            (void)visit(user, name, mm_dict_at(config, i), item);
        mm_free(item);
    }
    return mm_pending();
}

/* --- the constructor --- */

/* Its config: paramwise_cfg, or nothing, with the constructor's name as the type. */
static mm_value *constructor_config(const mm_value *paramwise_cfg, const char *name,
                                    const mm_source *source)
{
    mm_value *config = mm_value_is_none(paramwise_cfg) ? mm_value_new_dict()
                                                       : mm_value_copy(paramwise_cfg);

    if (config != NULL && mm_value_kind(config) != MM_KIND_DICT) {
        mm_raise(MM_ECONFIG, "paramwise_cfg is %s: a dict is needed",
                 mm_value_type_name(config));
    } else if (config != NULL) {
        mm_dict_put_str(config, "type", name);
        if (source != NULL)
            mm_dict_set_source(config, "type", *source);
    }
    if (mm_has_error()) {
        mm_value_unref(config);
        return NULL;
    }
    return config;
}

static mm_build_args constructor_args(mm_value *config, const char *scope,
                                      const char *path)
{
    return (mm_build_args){
        .registry = "optim_wrapper_constructors",
        .config = config,
        .scope = scope,
        .path = path,
        .interface = MM_INTERFACE_OPTIM_CONSTRUCTOR,
    };
}

static mm_status add_plainly(void *user, const char *dotted_name, mm_tensor *tensor,
                             mm_module *owner)
{
    (void)owner;
    return mm_param_groups_add_param(user, dotted_name, tensor);
}

mm_status mmi_add_groups(const mm_optim_wrapper_settings *settings, mm_module *model,
                         const char *scope, mm_param_groups *groups)
{
    mm_value *config =
        constructor_config(settings->paramwise_cfg, settings->constructor, NULL);
    mm_build_args args = constructor_args(config, scope, "optim_wrapper.paramwise_cfg");
    mm_instance *instance = config != NULL ? mm_build(&args) : NULL;

    if (instance != NULL) {
        const mm_optim_constructor_ops *ops =
            mm_instance_ops(instance, MM_INTERFACE_OPTIM_CONSTRUCTOR);

        if (!ops->only_with_options || mm_value_is_true(settings->paramwise_cfg)) {
            ops->add_groups(mm_instance_self(instance), model,
                            mm_instance_config(settings->optimizer), groups);
        } else if (mm_param_groups_add(groups, NULL) >= 0) {
            mm_module_each_param(model, add_plainly, groups);
        }
    }
    mm_instance_unref(instance);
    mm_value_unref(config);
    return mm_pending();
}

/* --- looking at a config --- */

/* What the constructor itself has to say, if it would be called. */
static mm_status ask_constructor(const mm_value *rules, const mm_value *config,
                                 const char *scope, const char *name)
{
    const mm_component *found =
        mm_component_find("optim_wrapper_constructors", scope, name);
    const mm_optim_constructor_ops *ops = found != NULL ? found->ops : NULL;

    if (mm_has_error() || ops == NULL || ops->check == NULL ||
        (ops->only_with_options &&
         !mm_value_is_true(mm_dict_find(config, "paramwise_cfg"))))
        return mm_pending();
    return ops->check(rules, mm_dict_find(config, "optimizer"));
}

mm_status mmi_constructor_check(const mm_value *config, const char *scope,
                                const char *path)
{
    const mm_value *given = mm_dict_find(config, "constructor");
    const char *name = mm_value_kind(given) == MM_KIND_STR
                           ? mm_value_str(given)
                           : "DefaultOptimWrapperConstructor";

    if (given == NULL && !mm_dict_has(config, "paramwise_cfg"))
        return mm_pending();
    mm_value *rules = constructor_config(mm_dict_find(config, "paramwise_cfg"), name,
                                         mm_dict_source(config, "constructor"));
    char *inner = mm_strfmt("%s.paramwise_cfg", path);
    mm_build_args args = constructor_args(rules, scope, inner);

    if (rules == NULL)
        mm_error_locate(mm_dict_source(config, "paramwise_cfg"));
    else if (mm_build_check(&args) == MM_OK)
        (void)ask_constructor(rules, config, scope, name);
    mm_free(inner);
    mm_value_unref(rules);
    return mm_pending();
}

static mm_status check_one(void *scope, const char *name, mm_value *config,
                           const char *path)
{
    mm_build_args args = mmi_wrapper_args(config, scope, path);
    (void)name;

    return mmi_wrapper_check_values(&args) < 0
               ? mm_pending()
               : mmi_constructor_check(config, scope, path);
}

mm_status mm_optim_wrapper_check(mm_value *config, const char *scope, const char *path)
{
    void *user = (void *)(uintptr_t)scope;

    return mmi_wrappers_are_by_name(config)
               ? mmi_each_wrapper(config, path, user, check_one)
               : check_one(user, NULL, config, path);
}

/* One wrapper over `model`. */
static mm_optim_wrapper *build_one(mm_module *model, mm_value *config,
                                   const char *scope, const char *path)
{
    mm_build_args args = mmi_wrapper_args(config, scope, path);
    mm_optim_wrapper *wrapper = NULL;
    mm_param_groups *groups = NULL;
    mm_optimizer *optimizer = NULL;
    mm_instance *instance = mm_build(&args);

    if (instance == NULL)
        return NULL;
    const mm_optim_wrapper_settings *settings = mm_instance_self(instance);

    if (settings->optimizer == NULL) {
        (void)mm_raise(MM_ECONFIG, "%s needs an optimizer", path);
        (void)mm_error_locate(mmi_config_source(config, "type"));
        goto done;
    }
    groups = mm_optimizer_new_groups(settings->optimizer);
    if (groups == NULL || mmi_add_groups(settings, model, scope, groups) < 0)
        goto done;
    optimizer = mm_optimizer_new(settings->optimizer, groups);
    if (optimizer != NULL)
        wrapper = mm_optim_wrapper_new(instance, optimizer);
done:
    if (mm_has_error())
        (void)mm_error_frame("while building %s", path);
    mm_optimizer_unref(optimizer);
    mm_param_groups_unref(groups);
    mm_instance_unref(instance);
    return wrapper;
}

/* Several wrappers under way. */
struct several {
    mm_module *model;
    const char *scope;
    mm_optim_wrapper *dict;
};

mm_status mmi_raise_no_part(const mm_module *model, const char *name,
                            const mm_value *config, const char *path)
{
    mmi_suggest near = {.word = name};
    char parts[256] = "";

    (void)mm_raise(MM_ECONFIG, "%s: the model has no part '%s'", path, name);
    for (size_t i = 0; i < mm_module_num_children(model); i++) {
        const char *child = mm_module_child_name(model, i);
        size_t used = strlen(parts);

        mmi_suggest_add(&near, child);
        (void)snprintf(parts + used, sizeof(parts) - used, "%s'%s'", i > 0 ? ", " : "",
                       child);
    }
    if (near.count == 0 && parts[0] != '\0')
        (void)mm_error_hint("its parts are %s", parts);
    mmi_suggest_hint(&near);
    return mm_error_locate(mmi_config_source(config, "type"));
}

static mm_status add_one(void *user, const char *name, mm_value *config,
                         const char *path)
{
    struct several *self = user;
    mm_module *part = mm_module_find(self->model, name);

    if (part == NULL)
        return mmi_raise_no_part(self->model, name, config, path);
    mm_optim_wrapper *wrapper = build_one(part, config, self->scope, path);

    if (wrapper == NULL)
        return mm_pending();
    return mm_optim_wrapper_add(self->dict, name, wrapper);
}

mm_optim_wrapper *mm_optim_wrapper_build(mm_module *model, mm_value *config,
                                         const char *scope)
{
    struct several self = {.model = model, .scope = scope};

    if (!mmi_wrappers_are_by_name(config))
        return build_one(model, config, scope, "optim_wrapper");
    self.dict = mm_optim_wrapper_new_dict();
    if (self.dict != NULL)
        (void)mmi_each_wrapper(config, "optim_wrapper", &self, add_one);
    if (mm_has_error()) {
        mm_optim_wrapper_unref(self.dict);
        return NULL;
    }
    return self.dict;
}
