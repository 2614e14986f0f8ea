/* Wraps the model for test-time augmentation right before the test, when its weights
 * are loaded. `mmengine test --tta` puts it into a config. Source:
 * mmengine/hooks/test_time_aug_hook.py. */
#include "hooks/hooks.h"
#include "mmengine/memory.h"
#include "runner/internal.h"

struct prepare_tta_hook {
    mm_value *tta_cfg;
    bool is_wrapped;
};

#define MM_OPT_STRUCT struct prepare_tta_hook
static const mm_option options[] = {
    {"tta_cfg", "config of the wrapping model, without its `module`",
     MM_OPT_VALUE_REQUIRED(tta_cfg)},
    {0},
};
#undef MM_OPT_STRUCT

static mm_build_args model_args(mm_value *config, const char *scope)
{
    return (mm_build_args){
        .registry = "models",
        .config = config,
        .scope = scope,
        .path = "PrepareTTAHook.tta_cfg",
        .interface = MM_INTERFACE_TTA_MODEL,
    };
}

/* Looks at tta_cfg now, before a checkpoint is loaded. */
static mm_status init(void *data)
{
    const struct prepare_tta_hook *self = data;
    mm_build_args args =
        model_args(self->tta_cfg, mm_instance_scope(mm_instance_of(data)));

    if (mm_value_kind(self->tta_cfg) != MM_KIND_DICT)
        return mm_raise(MM_ECONFIG, "tta_cfg must be the dict of a model, not %s",
                        mm_value_type_name(self->tta_cfg));
    return mm_build_check(&args);
}

static mm_status before_test(void *data, mm_runner *runner)
{
    struct prepare_tta_hook *self = data;

    if (self->is_wrapped)
        return MM_OK;
    mm_value *config = mm_value_copy(self->tta_cfg);
    mm_value *model =
        mm_value_new_instance(mm_module_instance(mm_runner_model(runner)));

    mm_dict_take(config, "module", model);
    mm_build_args args = model_args(config, runner->scope);
    mm_instance *instance = mm_build(&args);

    mm_value_unref(config);
    if (instance == NULL)
        return mm_pending();
    self->is_wrapped = true;
    return mm_runner_set_model(runner, mm_module_of_instance(instance));
}

static const mm_hook_ops ops = {
    .priority = MM_PRIORITY_NORMAL,
    .before_test = before_test,
};

const mm_component mmi_prepare_tta_hook = {
    .registry = "hooks",
    .name = "PrepareTTAHook",
    .help = "wraps the model for test-time augmentation before the test",
    .source = "mmengine/hooks/test_time_aug_hook.py",
    .size = sizeof(struct prepare_tta_hook),
    .options = options,
    .init = init,
    MM_HOOK(&ops),
};
