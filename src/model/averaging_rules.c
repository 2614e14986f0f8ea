/* MMEngine's three averaged models: how each moves towards the live weights. Source:
 * mmengine/model/averaged_model.py. */
#include <math.h>

#include "mmengine/log.h"
#include "mmengine/model.h"

struct moving_average {
    mm_base_averaged_model base;
    double momentum;
    double gamma; /* of MomentumAnnealingEMA */
};

#define MM_OPT_STRUCT struct moving_average
static const mm_option moving_options[] = {
    {"momentum", "share of the live weights in each update",
     MM_OPT_F64(momentum, 0.0002, 0.0, 1.0)},
    {"", "", MM_OPT_INHERIT(base, mm_base_averaged_model_options)},
    {0},
};

static const mm_option annealing_options[] = {
    {"", "", MM_OPT_INHERIT(base, moving_options)},
    {"gamma", "early updates use gamma / (gamma + steps) where that is more",
     MM_OPT_F64(gamma, 100.0, 0.0, INFINITY)},
    {0},
};
#undef MM_OPT_STRUCT

static mm_status moving_init(void *data)
{
    const struct moving_average *self = data;

    if (self->momentum <= 0.0 || self->momentum >= 1.0)
        return mm_raise(MM_ECONFIG,
                        "an average's momentum must be between 0 and 1, not %g",
                        self->momentum);
    if (self->momentum > 0.5)
        mm_log(MM_LOG_WARN,
               "the momentum of an average is the share of the new weights and usually "
               "small, not %g",
               self->momentum);
    return mm_averaged_model_init(data);
}

static mm_status annealing_init(void *data)
{
    const struct moving_average *self = data;

    if (self->gamma <= 0.0)
        return mm_raise(MM_ECONFIG, "gamma must be above 0, not %g", self->gamma);
    return moving_init(data);
}

static mm_average_rule moving_rule(void *data, int64_t steps)
{
    const struct moving_average *self = data;
    (void)steps;

    return (mm_average_rule){.is_lerp = true, .weight = self->momentum};
}

static mm_average_rule annealing_rule(void *data, int64_t steps)
{
    const struct moving_average *self = data;
    double early = self->gamma / (self->gamma + (double)steps);

    return (mm_average_rule){
        .is_lerp = true,
        .weight = early > self->momentum ? early : self->momentum,
    };
}

static mm_average_rule mean_rule(void *data, int64_t steps)
{
    const mm_base_averaged_model *self = data;

    return (mm_average_rule){
        .is_lerp = false,
        .weight = 1.0 / (double)(steps / self->interval + 1),
    };
}

static const mm_averaged_model_ops moving_ops = {
    .module = {.call = mm_averaged_model_call},
    .rule = moving_rule,
};

static const mm_averaged_model_ops annealing_ops = {
    .module = {.call = mm_averaged_model_call},
    .rule = annealing_rule,
};

static const mm_averaged_model_ops mean_ops = {
    .module = {.call = mm_averaged_model_call},
    .rule = mean_rule,
};

const mm_component mmi_model_exponential_moving_average = {
    .registry = "models",
    .name = "ExponentialMovingAverage",
    .help = "average += momentum * (weights - average)",
    .source = "mmengine/model/averaged_model.py",
    .size = sizeof(struct moving_average),
    .options = moving_options,
    .init = moving_init,
    .deinit = mm_averaged_model_deinit,
    MM_AVERAGED_MODEL(&moving_ops),
};

const mm_component mmi_model_momentum_annealing_ema = {
    .registry = "models",
    .name = "MomentumAnnealingEMA",
    .help = "a moving average that follows quickly at first",
    .source = "mmengine/model/averaged_model.py",
    .size = sizeof(struct moving_average),
    .options = annealing_options,
    .init = annealing_init,
    .deinit = mm_averaged_model_deinit,
    MM_AVERAGED_MODEL(&annealing_ops),
};

const mm_component mmi_model_stochastic_weight_average = {
    .registry = "models",
    .name = "StochasticWeightAverage",
    .help = "the plain mean of all weights so far",
    .source = "mmengine/model/averaged_model.py",
    .size = sizeof(mm_base_averaged_model),
    .options = mm_base_averaged_model_options,
    .init = mm_averaged_model_init,
    .deinit = mm_averaged_model_deinit,
    MM_AVERAGED_MODEL(&mean_ops),
};
