/* What is wrong with a wrapper's config although every option has the right type: found
 * before anything large is built, at the option's place in the file. A component says
 * so when it starts, or when it looks at a group's options; neither needs libtorch. */
#include "optim/clip_grad.h"
#include "optim/optim_wrapper.h"
#include "optim/optimizer.h"
#include "registry/audit.h"
#include "registry/registry.h"

/* The options that a group has if it sets none. */
static mm_status check_optimizer(mm_instance *optimizer, const char *path)
{
    const mm_optimizer_ops *ops = NULL;
    mm_param_groups *groups = mm_optimizer_new_groups(optimizer);

    optimizer = mmi_optimizer_meant(optimizer, &ops);
    if (groups != NULL && ops->check != NULL &&
        ops->check(mm_instance_self(optimizer), mm_param_groups_defaults(groups)) < 0) {
        mm_value *config = mm_instance_config(optimizer);

        (void)mmi_config_locate(config);
        (void)mm_error_locate(mmi_config_source(config, "type"));
        (void)mm_error_frame("in %s.optimizer", path);
    }
    mm_param_groups_unref(groups);
    return mm_pending();
}

static mm_status check_settings(const mm_optim_wrapper_settings *settings,
                                const mm_value *config, const char *path)
{
    mmi_clip clip;

    if (mmi_clip_parse(settings->clip_grad, &clip) < 0) {
        (void)mm_error_locate(mm_dict_source(config, "clip_grad"));
        return mm_error_frame("in %s", path);
    }
    return settings->optimizer != NULL ? check_optimizer(settings->optimizer, path)
                                       : MM_OK;
}

/* Builds what there is to build of a copy, which is frozen by it. */
static mm_status check_copy(const mm_build_args *given)
{
    mm_build_args args = *given;
    mm_instance *instance = NULL;

    args.config = mm_value_copy(given->config);
    if (args.config != NULL)
        instance = mm_build(&args);
    if (instance != NULL)
        (void)check_settings(mm_instance_self(instance), args.config,
                             args.path != NULL ? args.path : "optim_wrapper");
    mm_instance_unref(instance);
    mm_value_unref(args.config);
    return mm_pending();
}

mm_status mmi_wrapper_check_values(const mm_build_args *args)
{
    struct mmi_audit *former = mmi_audit_set(NULL);

    if (mm_build_check(args) >= 0)
        (void)check_copy(args);
    else if (former != NULL) /* the audit has reported it */
        (void)mm_error_take(NULL);
    (void)mmi_audit_set(former);
    return mm_pending();
}
