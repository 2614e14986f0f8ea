/* Builds what a config names: model, optimizer, schedulers, loaders, evaluators. Order
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

/* Linear scaling of learning rates with the batch size: MMEngine's auto_scale_lr, which
 * does not count accumulation; `count_accumulation=True` is ours and does. */
static mm_status scale_lr(mm_runner *runner)
{
    const mm_value *config = mmi_section(runner, "auto_scale_lr");
    mm_loader *loader = mm_runner_loader(runner, MM_MODE_TRAIN);

    if (config == NULL || !mm_value_is_true(mm_dict_find(config, "enable")) ||
        loader == NULL)
        return mm_pending();
    const mm_value *counted = mm_dict_find(config, "count_accumulation");
    int64_t base = mm_value_i64(mm_dict_get(config, "base_batch_size"));
    int64_t batch = mm_loader_batch_size(loader);
    int64_t counts = accumulation(runner->optim_wrapper);

    if (!mm_has_error() && base < 1)
        (void)mm_raise(MM_ECONFIG, "auto_scale_lr.base_batch_size must be at least 1");
    if (mm_has_error())
        return mm_error_locate(mm_dict_source(runner->root, "auto_scale_lr"));
    if (counted != NULL && mm_value_is_true(counted))
        batch *= counts;
    double ratio = (double)batch / (double)base;

    mm_log(MM_LOG_INFO,
           "LR is set based on batch size of %lld and the current batch size is %lld. "
           "Scaling the original LR by %.6g.",
           (long long)base, (long long)batch, ratio);
    if (counts > 1)
        mm_log(MM_LOG_INFO,
               "gradients are accumulated over %lld iterations: the optimizer sees "
               "batches of %lld",
               (long long)counts, (long long)(mm_loader_batch_size(loader) * counts));
    return mm_optim_wrapper_scale_lr(runner->optim_wrapper, ratio);
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

mm_status mmi_build_optim(mm_runner *runner)
{
    if (runner->optim_wrapper != NULL)
        return mm_pending();
    runner->optim_wrapper = mm_optim_wrapper_build(
        runner->model, mm_runner_optim_config(runner), runner->scope);
    if (runner->optim_wrapper == NULL)
        return mm_pending();
    mm_optim_wrapper_set_scalar_sink(runner->optim_wrapper, scalar_to_hub, runner);
    if (mmi_wants_reference(runner))
        mm_optim_wrapper_set_numerics(runner->optim_wrapper, MM_NUMERICS_REFERENCE);
    return scale_lr(runner);
}

/* Adds one scheduler over one optimizer's groups. */
static mm_status add_scheduler(mm_runner *runner, mm_value *config,
                               mm_param_groups *groups, const char *name,
                               const char *path)
{
    mmi_scheduler *list =
        mm_realloc(runner->schedulers, (runner->num_schedulers + 1) * sizeof(*list));

    if (list == NULL)
        return mm_pending();
    runner->schedulers = list;
    mm_param_scheduler *scheduler = mm_param_scheduler_build(
        config, groups,
        &(mm_schedule_context){
            .scope = runner->scope,
            .path = path,
            .epoch_length = mm_loader_len(mm_runner_loader(runner, MM_MODE_TRAIN)),
            .max_epochs = runner->at.max_epochs,
            .max_iters = runner->at.max_iters,
        });
    if (scheduler != NULL)
        list[runner->num_schedulers++] =
            (mmi_scheduler){.scheduler = scheduler, .optimizer = name};
    return mm_pending();
}

/* One config or a list of them, over one optimizer. */
static mm_status add_schedulers(mm_runner *runner, mm_value *config,
                                mm_param_groups *groups, const char *name,
                                const char *path)
{
    mm_kind kind = mm_value_kind(config);

    if (kind == MM_KIND_DICT)
        return add_scheduler(runner, config, groups, name, path);
    for (size_t i = 0; i < mm_value_len(config) && !mm_has_error(); i++) {
        char *item = mm_strfmt("%s[%zu]", path, i);

        if (item != NULL)
            (void)add_scheduler(runner, mm_list_get(config, i), groups, name, item);
        mm_free(item);
    }
    return mm_pending();
}

/* Several optimizers: a dict by name, or one list for each of them. */
static mm_status add_schedulers_by_name(mm_runner *runner, mm_value *config)
{
    const mm_optim_wrapper *dict = runner->optim_wrapper;
    bool by_name =
        mm_value_kind(config) == MM_KIND_DICT && !mm_dict_has(config, "type");

    for (size_t i = 0; i < mm_optim_wrapper_num_children(dict) && !mm_has_error();
         i++) {
        const char *name = mm_optim_wrapper_child_name(dict, i);
        mm_value *own = by_name ? mm_dict_find(config, name) : config;

        if (own != NULL)
            (void)add_schedulers(
                runner, own, mm_optim_wrapper_groups(mm_optim_wrapper_child(dict, i)),
                name, "param_scheduler");
    }
    return mm_pending();
}

mm_status mmi_build_schedulers(mm_runner *runner)
{
    mm_value *config = mmi_section(runner, "param_scheduler");

    if (config == NULL || runner->num_schedulers > 0)
        return mm_pending();
    if (mm_optim_wrapper_is_dict(runner->optim_wrapper))
        return add_schedulers_by_name(runner, config);
    return add_schedulers(runner, config,
                          mm_optim_wrapper_groups(runner->optim_wrapper), NULL,
                          "param_scheduler");
}

void mmi_build_free(mm_runner *runner)
{
    mmi_sets_free(runner);
    for (int mode = 0; mode < MMI_NUM_MODES; mode++)
        mm_instance_unref(runner->loops[mode]);
    for (size_t i = 0; i < runner->num_schedulers; i++)
        mm_param_scheduler_unref(runner->schedulers[i].scheduler);
    mm_free(runner->schedulers);
    mm_optim_wrapper_unref(runner->optim_wrapper);
    mm_module_unref(runner->model);
    mm_value_unref(runner->metrics);
    mm_value_unref(runner->before_val);
    mm_value_unref(runner->optim_config);
}
