/* NVIDIA Apex's mixed precision, whose work PyTorch's own has taken over: its names and
 * options are accepted and trained by autocast and a scaled loss. What Apex's levels
 * cast besides, the weights, stays in float32 here, as in its master weights. The loss
 * scale keeps Apex's bounds and its place in checkpoints. Source:
 * mmengine/optim/optimizer/apex_optimizer_wrapper.py, apex.amp.frontend. */
#include <math.h>
#include <string.h>

#include "mmengine/log.h"
#include "mmengine/number.h"
#include "optim/amp_optim_wrapper.h"
#include "optim/builtin.h"

enum { LEVEL_O0, LEVEL_O1, LEVEL_O2, LEVEL_O3 };

static const mm_choice levels[] = {
    {"O0", LEVEL_O0, "float32"},
    {"O1", LEVEL_O1, "half precision where it is safe"},
    {"O2", LEVEL_O2, "Apex: the whole model in float16 but for batch normalisation"},
    {"O3", LEVEL_O3, "Apex: all of it in float16"},
    {0},
};

struct apex {
    mmi_amp common;
    int level;
    mm_value *loss_scale;
    bool enabled;
    mm_maybe_f64 min_loss_scale, max_loss_scale;
    int64_t num_losses;
    mm_value *cast_model_type, *patch_torch_functions, *keep_batchnorm_fp32;
    mm_value *master_weights, *cast_model_outputs, *verbosity;
};

/* 'dynamic', a number, or a text with one. */
static mm_status read_scale(struct apex *apex)
{
    mmi_scaler *scaler = &apex->common.scaler;
    const mm_value *given = apex->loss_scale;
    double scale = 0.0;

    if (mm_value_kind(given) == MM_KIND_DICT)
        return mm_raise(MM_ECONFIG,
                        "loss_scale is a dict: Apex takes 'dynamic' or a number");
    if (mm_value_kind(given) == MM_KIND_STR) {
        if (mm_f64_parse(mm_value_str(given), &scale) == MM_OK)
            return mmi_scaler_fix(scaler, scale);
        (void)mm_error_take(NULL); /* no number */
    }
    return mmi_scaler_parse(scaler, given);
}

static mm_status init(void *self)
{
    struct apex *apex = self;
    mmi_amp *common = &apex->common;

    mmi_scaler_init(&common->scaler);
    common->scaler.min_scale =
        apex->min_loss_scale.has ? apex->min_loss_scale.value : 0.0;
    common->scaler.max_scale =
        apex->max_loss_scale.has ? apex->max_loss_scale.value : INFINITY;
    common->scaler.is_enabled = apex->enabled;
    common->casts = apex->enabled && apex->level != LEVEL_O0;
    if (common->scaler.min_scale > common->scaler.max_scale)
        return mm_raise(MM_ECONFIG, "min_loss_scale is %g: max_loss_scale, %g, is less",
                        common->scaler.min_scale, common->scaler.max_scale);
    return read_scale(apex);
}

/* True if the config wants something that autocast does otherwise. */
static bool wants_more(const struct apex *apex)
{
    return apex->level == LEVEL_O2 || apex->level == LEVEL_O3 ||
           !mm_value_is_none(apex->cast_model_type) ||
           !mm_value_is_none(apex->patch_torch_functions) ||
           !mm_value_is_none(apex->keep_batchnorm_fp32) ||
           !mm_value_is_none(apex->master_weights) ||
           !mm_value_is_none(apex->cast_model_outputs) || apex->num_losses != 1;
}

static mm_status start(void *self, mm_optim_wrapper *wrapper)
{
    const struct apex *apex = self;
    const char *level = levels[apex->level].name;

    if (!apex->enabled || apex->level == LEVEL_O0)
        mm_log(MM_LOG_INFO, "ApexOptimWrapper, %s%s: trained in float32", level,
               apex->enabled ? "" : " and enabled=False");
    else
        mm_log(MM_LOG_INFO,
               "ApexOptimWrapper, %s: trained as by AmpOptimWrapper, in half precision "
               "where it is safe%s",
               level,
               wants_more(apex) ? "; weights and their updates stay in float32, other "
                                  "options of Apex have no effect"
                                : "");
    return mmi_amp_start(self, wrapper);
}

static mm_status save(void *self, mm_value *state_dict)
{
    const struct apex *apex = self;

    return mmi_scaler_save_apex(&apex->common.scaler, state_dict);
}

static mm_status load(void *self, const mm_value *state_dict)
{
    struct apex *apex = self;

    return mmi_scaler_load(&apex->common.scaler, state_dict);
}

static const mm_optim_wrapper_ops ops = {
    .start = start,
    .enter = mmi_amp_enter,
    .leave = mmi_amp_leave,
    .backward = mmi_amp_backward,
    .step = mmi_amp_step,
    .save_state = save,
    .load_state = load,
};

#define MM_OPT_STRUCT struct apex
#define NO_EFFECT "accepted; has no effect: weights stay in float32"
static const mm_option options[] = {
    {"", "", MM_OPT_INHERIT(common.settings, mm_optim_wrapper_options)},
    {"opt_level", "how much is computed in half precision",
     MM_OPT_CHOICE(level, LEVEL_O1, levels)},
    {"loss_scale", "'dynamic', a number, or a text with one", MM_OPT_VALUE(loss_scale)},
    {"enabled", "False: trained as without it", MM_OPT_BOOL(enabled, true)},
    {"cast_model_type", NO_EFFECT, MM_OPT_VALUE(cast_model_type)},
    {"patch_torch_functions", NO_EFFECT, MM_OPT_VALUE(patch_torch_functions)},
    {"keep_batchnorm_fp32", NO_EFFECT, MM_OPT_VALUE(keep_batchnorm_fp32)},
    {"master_weights", NO_EFFECT, MM_OPT_VALUE(master_weights)},
    {"cast_model_outputs", NO_EFFECT, MM_OPT_VALUE(cast_model_outputs)},
    {"num_losses", "accepted; there is one loss scale for all",
     MM_OPT_I64(num_losses, 1, 1, INT64_MAX)},
    {"verbosity", "accepted; has no effect", MM_OPT_VALUE(verbosity)},
    {"min_loss_scale", "least that a dynamic scale shrinks to",
     MM_OPT_F64_OR_NONE(min_loss_scale, 0.0, INFINITY)},
    {"max_loss_scale", "most that a dynamic scale grows to",
     MM_OPT_F64_NULLABLE(max_loss_scale, 16777216.0, 0.0, INFINITY)},
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmi_apex_optim_wrapper = {
    .registry = "optim_wrappers",
    .name = "ApexOptimWrapper",
    .help = "Apex's names for mixed precision, trained as AmpOptimWrapper does",
    .source = "mmengine/optim/optimizer/apex_optimizer_wrapper.py",
    .size = sizeof(struct apex),
    .options = options,
    .init = init,
    MM_OPTIM_WRAPPER(&ops),
};
