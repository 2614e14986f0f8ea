/* Configs of MMEngine's FlexibleRunner: the strategy says how a model is spread over
 * processes. With one process on one device there is nothing to spread, so what remains
 * of a strategy are precision, clipping and accumulation, which DeepSpeed and
 * ColossalAI take away from the optimizer wrapper: they are put back into its config.
 * Source: mmengine/runner/_flexible_runner.py, mmengine/_strategy. */
#include <math.h>
#include <string.h>

#include "mmengine/fileio.h"
#include "mmengine/log.h"
#include "runner/internal.h"

/* Options of all strategies in one struct; each has those of its original. */
struct strategy {
    mm_value *config;  /* dict, or path of a JSON file */
    mm_value *ignored; /* what only matters with several processes */
    mm_value *fp16, *bf16, *mixed_precision;
    mm_maybe_f64 gradient_clipping;
    int64_t gradient_accumulation_steps;
};

#define MM_OPT_STRUCT struct strategy
#define SEVERAL "matters with several processes only"

static const mm_option common_options[] = {
    {"work_dir", "the runner's is used", MM_OPT_VALUE(ignored)},
    {"experiment_name", "the runner's is used", MM_OPT_VALUE(ignored)},
    {"env_kwargs", "the runner's env_cfg is used", MM_OPT_VALUE(ignored)},
    {"log_kwargs", "the runner's logger is used", MM_OPT_VALUE(ignored)},
    {"auto_scale_lr", "the runner's is used", MM_OPT_VALUE(ignored)},
    {0},
};

static const mm_option ddp_options[] = {
    {"model_wrapper", SEVERAL, MM_OPT_VALUE(ignored)},
    {"sync_bn", SEVERAL, MM_OPT_VALUE(ignored)},
    {"", "", .kind = MM_OPTION_INHERIT, .u.inherited = common_options},
    {0},
};

static const mm_option fsdp_options[] = {
    {"model_wrapper", SEVERAL, MM_OPT_VALUE(ignored)},
    {"skip_init_weights", SEVERAL, MM_OPT_VALUE(ignored)},
    {"state_dict_cfg", SEVERAL, MM_OPT_VALUE(ignored)},
    {"activation_checkpointing", "the runner's top-level key is used",
     MM_OPT_VALUE(ignored)},
    {"", "", .kind = MM_OPTION_INHERIT, .u.inherited = common_options},
    {0},
};

static const mm_option deepspeed_options[] = {
    {"config", "dict of these options, or a JSON file of them", MM_OPT_VALUE(config)},
    {"fp16", "dict(enabled, loss_scale, initial_scale_power, loss_scale_window, ...)",
     MM_OPT_VALUE(fp16)},
    {"bf16", "dict(enabled)", MM_OPT_VALUE(bf16)},
    {"gradient_clipping", "largest norm of all gradients",
     MM_OPT_F64_OR_NONE(gradient_clipping, 0.0, INFINITY)},
    {"gradient_accumulation_steps", "iterations per step of the optimizer",
     MM_OPT_I64(gradient_accumulation_steps, 1, 1, INT64_MAX)},
    {"zero_optimization", SEVERAL, MM_OPT_VALUE(ignored)},
    {"inputs_to_half", "autocast chooses the inputs", MM_OPT_VALUE(ignored)},
    {"amp", "Apex is not used", MM_OPT_VALUE(ignored)},
    {"activation_checkpointing", "the runner's top-level key is used",
     MM_OPT_VALUE(ignored)},
    {"aio", SEVERAL, MM_OPT_VALUE(ignored)},
    {"train_micro_batch_size_per_gpu", "the dataloader's batch_size is used",
     MM_OPT_VALUE(ignored)},
    {"steps_per_print", "the logger hook prints", MM_OPT_VALUE(ignored)},
    {"exclude_frozen_parameters", "checkpoints are whole", MM_OPT_VALUE(ignored)},
    {"", "", .kind = MM_OPTION_INHERIT, .u.inherited = common_options},
    {0},
};

static const mm_option colossalai_options[] = {
    {"config", "not used", MM_OPT_VALUE(ignored)},
    {"mixed_precision", "'fp16', 'bf16' or a dict with that type",
     MM_OPT_VALUE(mixed_precision)},
    {"plugin", SEVERAL, MM_OPT_VALUE(ignored)},
    {"model_wrapper", SEVERAL, MM_OPT_VALUE(ignored)},
    {"", "", .kind = MM_OPTION_INHERIT, .u.inherited = common_options},
    {0},
};
#undef MM_OPT_STRUCT

static mm_build_args build_args(const mm_runner *runner, mm_value *config)
{
    return (mm_build_args){
        .registry = "strategies",
        .config = config,
        .scope = runner->scope,
        .path = "strategy",
        .default_type = "SingleDeviceStrategy",
    };
}

/* DeepSpeed's `config`, which may be a file; the result is the caller's. */
static mm_value *read_config(const mm_value *config)
{
    if (mm_value_is_none(config))
        return mm_value_new_dict();
    if (mm_value_kind(config) == MM_KIND_STR)
        return mm_fileio_load(mm_value_str(config), "json");
    return mm_value_copy(config);
}

/* An option of DeepSpeed: the strategy's own, else that of its `config`. */
static mm_value *pick(mm_value *own, mm_value *config, const char *key)
{
    return mm_value_is_none(own) ? mm_dict_find(config, key) : own;
}

static bool is_enabled(mm_value *dict)
{
    return mm_value_kind(dict) == MM_KIND_DICT &&
           mm_value_is_true(mm_dict_find(dict, "enabled"));
}

static int64_t number_in(const mm_value *dict, const char *key, int64_t otherwise)
{
    const mm_value *value = mm_dict_find(dict, key);

    return mm_value_is_none(value) ? otherwise : mm_value_i64(value);
}

/* DeepSpeed's loss scale as AmpOptimWrapper's: 0 is a dynamic one. */
static mm_value *loss_scale(const mm_value *fp16)
{
    const mm_value *fixed = mm_dict_find(fp16, "loss_scale");

    if (!mm_value_is_none(fixed) && mm_value_f64(fixed) != 0.0)
        return mm_value_new_f64(mm_value_f64(fixed));
    mm_value *scale = mm_value_new_dict();

    mm_dict_put_f64(scale, "init_scale",
                    ldexp(1.0, (int)number_in(fp16, "initial_scale_power", 16)));
    mm_dict_put_i64(scale, "growth_interval",
                    number_in(fp16, "loss_scale_window", 1000));
    return scale;
}

/* Makes the wrapper one of mixed precision. */
static void put_precision(mm_value *wrapper, const char *dtype, mm_value *scale)
{
    mm_dict_put_str(wrapper, "type", "AmpOptimWrapper");
    if (dtype != NULL)
        mm_dict_put_str(wrapper, "dtype", dtype);
    if (scale != NULL)
        mm_dict_take(wrapper, "loss_scale", scale);
}

static mm_status apply_deepspeed(const struct strategy *self, mm_value *wrapper)
{
    mm_value *config = read_config(self->config);
    mm_value *fp16 = config == NULL ? NULL : pick(self->fp16, config, "fp16");
    mm_value *bf16 = config == NULL ? NULL : pick(self->bf16, config, "bf16");

    if (mm_has_error())
        return mm_pending();
    double clip = self->gradient_clipping.value;
    int64_t steps = number_in(config, "gradient_accumulation_steps",
                              self->gradient_accumulation_steps);

    if (!self->gradient_clipping.has && mm_dict_has(config, "gradient_clipping"))
        clip = mm_value_f64(mm_dict_get(config, "gradient_clipping"));
    mm_dict_put_str(wrapper, "type", "OptimWrapper");
    if (is_enabled(bf16))
        put_precision(wrapper, "bfloat16", mm_value_new_f64(1.0));
    else if (is_enabled(fp16))
        put_precision(wrapper, NULL, loss_scale(fp16));
    else
        (void)mm_dict_remove(wrapper, "loss_scale");
    if (steps > 1)
        mm_dict_put_i64(wrapper, "accumulative_counts", steps);
    if (clip > 0.0) {
        mm_value *norm = mm_value_new_dict();

        mm_dict_put_f64(norm, "max_norm", clip);
        mm_dict_take(wrapper, "clip_grad", norm);
    }
    mm_value_unref(config);
    return mm_pending();
}

static mm_status apply_colossalai(const struct strategy *self, mm_value *wrapper)
{
    mm_value *given = self->mixed_precision;

    mm_dict_put_str(wrapper, "type", "OptimWrapper");
    (void)mm_dict_remove(wrapper, "loss_scale");
    if (mm_value_is_none(given) || mm_has_error())
        return mm_pending();
    if (mm_value_kind(given) == MM_KIND_DICT)
        given = mm_dict_get(given, "type");
    const char *name = given == NULL ? NULL : mm_value_str(given);

    if (name == NULL)
        return mm_pending();
    if (strcmp(name, "bf16") == 0)
        put_precision(wrapper, "bfloat16", mm_value_new_f64(1.0));
    else if (strcmp(name, "fp16") == 0 || strcmp(name, "fp16_apex") == 0)
        put_precision(wrapper, NULL, NULL);
    else
        return mm_raise(MM_EUNSUPPORTED, "mixed_precision='%s' is not supported", name);
    return mm_pending();
}

/* The wrapper's config with what the strategy takes from it put back; NULL without an
 * error if it can stay as it is. */
static mm_value *apply(const mm_runner *runner, const mm_value *strategy)
{
    static const struct {
        const char *wrapper;
        mm_status (*apply)(const struct strategy *self, mm_value *wrapper);
    } forms[] = {
        {"DeepSpeedOptimWrapper", apply_deepspeed},
        {"ColossalAIOptimWrapper", apply_colossalai},
    };
    mm_value *config = mmi_section(runner, "optim_wrapper");
    const mm_value *type = mmi_find_in(config, "type");
    const char *name = mm_value_kind(type) == MM_KIND_STR ? mm_value_str(type) : "";
    mm_build_args args = build_args(runner, (mm_value *)(uintptr_t)strategy);
    mm_value *wrapper = NULL;

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (strcmp(name, forms[i].wrapper) != 0)
            continue;
        mm_instance *instance = mm_build(&args);

        wrapper = instance == NULL ? NULL : mm_value_copy(config);
        if (wrapper != NULL)
            (void)forms[i].apply(mm_instance_self(instance), wrapper);
        mm_instance_unref(instance);
    }
    return wrapper;
}

mm_status mmi_strategy_check(mm_runner *runner)
{
    mm_value *strategy = mmi_section(runner, "strategy");

    if (strategy == NULL)
        return mm_pending();
    mm_build_args args = build_args(runner, strategy);

    if (mm_build_check(&args) < 0)
        return mm_pending();
    mm_value_unref(runner->optim_config);
    runner->optim_config = apply(runner, strategy);
    return mm_pending();
}

void mmi_strategy_log(const mm_runner *runner)
{
    const mm_value *type = mmi_find_in(mmi_section(runner, "strategy"), "type");

    if (mm_value_kind(type) == MM_KIND_STR)
        mm_log(MM_LOG_INFO,
               "%s: one process trains on one device, so nothing is divided%s",
               mm_value_str(type),
               runner->optim_config == NULL
                   ? ""
                   : "; its precision, clipping and accumulation are the optimizer "
                     "wrapper's");
}

mm_value *mm_runner_optim_config(const mm_runner *runner)
{
    return runner->optim_config != NULL ? runner->optim_config
                                        : mmi_section(runner, "optim_wrapper");
}

#define STRATEGY(symbol, name_, help_, options_, source_)                              \
    const mm_component symbol = {                                                      \
        .registry = "strategies",                                                      \
        .name = name_,                                                                 \
        .help = help_,                                                                 \
        .source = source_,                                                             \
        .size = sizeof(struct strategy),                                               \
        .options = options_,                                                           \
    }

STRATEGY(mmi_single_device_strategy, "SingleDeviceStrategy",
         "one process on one device", common_options,
         "mmengine/_strategy/single_device.py");
STRATEGY(mmi_ddp_strategy, "DDPStrategy", "on one device: trains as without it",
         ddp_options, "mmengine/_strategy/distributed.py");
STRATEGY(mmi_fsdp_strategy, "FSDPStrategy", "on one device: trains as without it",
         fsdp_options, "mmengine/_strategy/fsdp.py");
STRATEGY(mmi_deepspeed_strategy, "DeepSpeedStrategy",
         "on one device: precision, clipping and accumulation of DeepSpeed's config",
         deepspeed_options, "mmengine/_strategy/deepspeed.py");
STRATEGY(mmi_colossalai_strategy, "ColossalAIStrategy",
         "on one device: the mixed precision of ColossalAI's config",
         colossalai_options, "mmengine/_strategy/colossalai.py");

/* The wrappers that these strategies bring. They are never built: with their strategy
 * their config becomes another wrapper's, without it they are a mistake. */
struct wrapper {
    mm_optim_wrapper_settings settings;
    mm_value *ignored;
};

#define MM_OPT_STRUCT struct wrapper
static const mm_option wrapper_options[] = {
    {"", "", MM_OPT_INHERIT(settings, mm_optim_wrapper_options)},
    {"loss_scale", "the strategy's is used", MM_OPT_VALUE(ignored)},
    {"dtype", "the strategy's precision is used", MM_OPT_VALUE(ignored)},
    {"booster", "made by the strategy", MM_OPT_VALUE(ignored)},
    {0},
};
#undef MM_OPT_STRUCT

static const mm_optim_wrapper_ops wrapper_ops = {0};

static mm_status needs_strategy(const char *wrapper, const char *strategy)
{
    (void)mm_raise(MM_ECONFIG, "%s needs its strategy", wrapper);
    return mm_error_hint("strategy = dict(type='%s', ...)", strategy);
}

static mm_status deepspeed_wrapper_init(void *self)
{
    (void)self;
    return needs_strategy("DeepSpeedOptimWrapper", "DeepSpeedStrategy");
}

static mm_status colossalai_wrapper_init(void *self)
{
    (void)self;
    return needs_strategy("ColossalAIOptimWrapper", "ColossalAIStrategy");
}

#define WRAPPER(symbol, name_, help_, init_, source_)                                  \
    const mm_component symbol = {                                                      \
        .registry = "optim_wrappers",                                                  \
        .name = name_,                                                                 \
        .help = help_,                                                                 \
        .source = source_,                                                             \
        .size = sizeof(struct wrapper),                                                \
        .options = wrapper_options,                                                    \
        .init = init_,                                                                 \
        MM_OPTIM_WRAPPER(&wrapper_ops),                                                \
    }

WRAPPER(mmi_deepspeed_wrapper, "DeepSpeedOptimWrapper",
        "what DeepSpeedStrategy's config makes of it", deepspeed_wrapper_init,
        "mmengine/_strategy/deepspeed.py");
WRAPPER(mmi_colossalai_wrapper, "ColossalAIOptimWrapper",
        "what ColossalAIStrategy's config makes of it", colossalai_wrapper_init,
        "mmengine/_strategy/colossalai.py");
