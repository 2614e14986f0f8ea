/* Builds what a config names: model, optimizer, loaders, evaluators. Order
 * and moments are MMEngine's, since initial weights depend on them: the model when the
 * runner is made, the rest when a loop needs it. Source: Runner.build_*. */
#include <string.h>

#include "mmengine/nn.h"
#include "runner/internal.h"

/* The model's config with the top-level data_preprocessor put in, if it has none.
 * Yours. */
static mm_value *model_config(const mm_runner *runner)
{
    mm_value *model = mmi_section(runner, "model");
    mm_value *preprocessor = mmi_section(runner, "data_preprocessor");

    if (preprocessor == NULL || mm_value_kind(model) != MM_KIND_DICT ||
        mm_dict_has(model, MM_DATA_PREPROCESSOR))
        return mm_value_ref(model);
    mm_value *merged = mm_value_copy(model);
    mm_dict_put(merged, MM_DATA_PREPROCESSOR, preprocessor);
    return merged;
}

mm_status mmi_build_model(mm_runner *runner)
{
    mm_value *config = model_config(runner);

    if (config != NULL)
        runner->model = mm_module_build(config, runner->scope, "model");
    mm_value_unref(config);
    if (runner->model == NULL)
        return mm_pending();
    if (mm_module_to(runner->model, runner->device, MM_DTYPE_NONE) != MM_OK) {
        return mm_pending();
    }
    return mm_nn_revert_sync_batchnorm(runner->model); /* one process */
}

/* Iterations per step of the optimizer; of several optimizers the first one's. */
static int64_t accumulation(const mm_optim_wrapper *wrapper)
{
    if (!mm_optim_wrapper_is_dict(wrapper))
        return mm_optim_wrapper_accumulative_counts(wrapper);
    return mm_optim_wrapper_accumulative_counts(mm_optim_wrapper_child(wrapper, 0));
}

static mm_status scale_lr(mm_runner *runner)
{
    mm_loader *loader = mm_runner_loader(runner, MM_MODE_TRAIN);
    int64_t counts = accumulation(runner->optim_wrapper);
    mmi_lr_scale scale;

    if (loader == NULL ||
        mmi_lr_scale_read(runner, mm_loader_batch_size(loader), counts, &scale) < 0)
        return mm_pending();
    mmi_lr_scale_log(&scale);
    return scale.is_on ? mm_optim_wrapper_scale_lr(runner->optim_wrapper, scale.ratio)
                       : MM_OK;
}

static void scalar_to_hub(void *user, const char *name, mm_number value)
{
    mm_runner *runner = user;
    mm_history *history = mm_hub_scalar(runner->hub, name);

    if (value.kind == MM_NUMBER_I64)
        mm_history_update_i64(history, value.u.i64, 1);
    else
        mm_history_update(history, value.u.f64, 1);
}

/* The usual train_step computes the gradients once, before the optimizer's step. */
static mm_status check_closure(const mm_runner *runner)
{
    const mm_model_ops *ops =
        mm_instance_ops(mm_module_instance(runner->model), MM_INTERFACE_MODEL);
    mm_optimizer *optimizer = mm_optim_wrapper_optimizer(runner->optim_wrapper);

    if (mm_has_error() || optimizer == NULL || !mm_optimizer_needs_closure(optimizer) ||
        ops == NULL || ops->train_step != NULL)
        return mm_pending();
    (void)mm_raise(MM_ECONFIG,
                   "optim_wrapper.optimizer: %s computes loss and gradients several "
                   "times in a step, but %s has no train_step of its own to let it",
                   mm_instance_component(mm_optimizer_instance(optimizer))->name,
                   mm_module_type(runner->model));
    return mm_error_hint(
        "a train_step that calls mm_optim_wrapper_step_closure() does; "
        "see examples/plugins/full_batch.c");
}

mm_status mmi_build_optim(mm_runner *runner)
{
    if (runner->optim_wrapper != NULL)
        return mm_pending();
    runner->optim_wrapper = mm_optim_wrapper_build(
        runner->model, mm_runner_optim_config(runner), runner->scope);
    if (runner->optim_wrapper == NULL || check_closure(runner) < 0)
        return mm_pending();
    mm_optim_wrapper_set_scalar_sink(runner->optim_wrapper, scalar_to_hub, runner);
    if (mmi_wants_reference(runner))
        mm_optim_wrapper_set_numerics(runner->optim_wrapper, MM_NUMERICS_REFERENCE);
    return scale_lr(runner);
}

void mmi_build_free(mm_runner *runner)
{
    mmi_sets_free(runner);
    for (int mode = 0; mode < MMI_NUM_MODES; mode++)
        mm_instance_unref(runner->loops[mode]);
    mmi_schedulers_free(runner);
    mm_optim_wrapper_unref(runner->optim_wrapper);
    mm_module_unref(runner->model);
    mm_value_unref(runner->metrics);
    mm_value_unref(runner->before_val);
    mm_value_unref(runner->optim_config);
}
