/* Parameter groups as a config makes them, without optimizers: for what wants to know a
 * schedule before training. Without a model nothing of libtorch is touched. */
#include <string.h>

#include "optim/builtin.h"
#include "optim/optim_wrapper.h"

/* A walk over the wrappers of a config. */
struct walk {
    mm_module *model; /* NULL: one group each */
    const char *scope;
    void *user;
    mm_status (*visit)(void *user, const mm_optim_plan *plan);
    bool needs_model; /* one of them does */
};

static bool needs_model(const mm_optim_wrapper_settings *settings)
{
    return mm_value_is_true(settings->paramwise_cfg) ||
           strcmp(settings->constructor, mmi_default_constructor.name) != 0;
}

/* What a wrapper is over; NULL without an error if there is no model. */
static mm_module *find_part(const struct walk *walk, const char *name,
                            const mm_value *config, const char *path)
{
    if (walk->model == NULL || name == NULL)
        return walk->model;
    mm_module *part = mm_module_find(walk->model, name);

    if (part == NULL)
        (void)mmi_raise_no_part(walk->model, name, config, path);
    return part;
}

static mm_status add_groups(const struct walk *walk, mm_module *part,
                            const mm_optim_wrapper_settings *settings,
                            mm_param_groups *groups)
{
    if (mm_has_error())
        return mm_pending();
    if (part == NULL)
        return mm_param_groups_add(groups, NULL) < 0 ? mm_pending() : MM_OK;
    if (mmi_add_groups(settings, part, walk->scope, groups) < 0)
        return mm_pending();
    return mm_param_groups_add_base(groups);
}

static mm_status plan_one(void *user, const char *name, mm_value *config,
                          const char *path)
{
    struct walk *walk = user;
    mm_build_args args = mmi_wrapper_args(config, walk->scope, path);
    mm_instance *instance = mm_build(&args);
    mm_param_groups *groups = NULL;

    if (instance == NULL)
        return mm_pending();
    const mm_optim_wrapper_settings *settings = mm_instance_self(instance);

    walk->needs_model = walk->needs_model || needs_model(settings);
    if (walk->visit == NULL)
        goto done;
    if (settings->optimizer == NULL) {
        (void)mm_raise(MM_ECONFIG, "%s needs an optimizer", path);
        goto done;
    }
    mm_module *part = find_part(walk, name, config, path);

    groups = mm_optimizer_new_groups(settings->optimizer);
    if (groups != NULL && add_groups(walk, part, settings, groups) >= 0)
        (void)walk->visit(walk->user,
                          &(mm_optim_plan){
                              .name = name,
                              .type = mm_instance_component(settings->optimizer)->name,
                              .accumulative_counts = settings->accumulative_counts,
                              .groups = groups,
                          });
done:
    mm_param_groups_unref(groups);
    mm_instance_unref(instance);
    return mm_pending();
}

static mm_status go(struct walk *walk, mm_value *config)
{
    return mmi_wrappers_are_by_name(config)
               ? mmi_each_wrapper(config, "optim_wrapper", walk, plan_one)
               : plan_one(walk, NULL, config, "optim_wrapper");
}

bool mm_optim_plan_needs_model(mm_value *config, const char *scope)
{
    struct walk walk = {.scope = scope};

    return go(&walk, config) >= 0 && walk.needs_model;
}

mm_status mm_optim_plan_each(mm_value *config, const char *scope, mm_module *model,
                             void *user,
                             mm_status (*visit)(void *user, const mm_optim_plan *plan))
{
    struct walk walk = {model, scope, user, visit, false};

    return go(&walk, config);
}
