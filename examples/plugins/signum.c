/* Signum: steps by the sign of a running mean of gradients. An elementwise rule: the
 * engine keeps the state and runs `update` over the memory of all parameters at once;
 * `apply` says the same in operators, for other dtypes, devices, numerics='reference'.
 */
#include <mmengine/mmengine.h>

struct signum {
    double lr, momentum;
};

static void read_group(void *self, const mm_value *options, void *out_setting)
{
    const struct signum *defaults = self;
    struct signum *setting = out_setting;

    setting->lr = mm_option_find_f64(options, "lr", defaults->lr);
    setting->momentum = mm_option_find_f64(options, "momentum", defaults->momentum);
}

static void update(const void *coefficients, const mm_update_memory *memory)
{
    const struct signum *c = coefficients;
    const float lr = (float)c->lr, keep = (float)c->momentum;
    float *param = memory->param, *mean = memory->states[0];

    for (int64_t i = 0; i < memory->count; i++) {
        float grad = memory->grad[i] * memory->grad_factor;

        mean[i] += (1.0F - keep) * (grad - mean[i]);
        param[i] -= lr * (float)((mean[i] > 0.0F) - (mean[i] < 0.0F));
    }
}

static mm_status apply(const void *coefficients, mm_update_call *call)
{
    const struct signum *c = coefficients;
    mm_tensor **mean = call->states[0];

    mm_each_lerp_(call, mean, call->grads, 1.0 - c->momentum);
    mm_each_add_(call, call->params, mm_each_sign(call, mean), -c->lr);
    return mm_pending();
}

static const mm_update_state states[] = {{.name = "momentum_buffer"}, {0}};
static const mm_update_rule rule = {
    .setting_size = sizeof(struct signum),
    .states = states,
    .read = read_group,
    .update = update,
    .apply = apply,
};
static const mm_optimizer_ops ops = {.rule = &rule};

#define MM_OPT_STRUCT struct signum
static const mm_option options[] = {
    {"lr", "size of a step", MM_OPT_F64(lr, 1e-3, 0.0, 1e30)},
    {"momentum", "share of the mean that is kept", MM_OPT_F64(momentum, 0.9, 0.0, 1.0)},
    {0},
};
static const mm_component signum = {
    .registry = "optimizers",
    .name = "Signum",
    .help = "steps by the sign of a running mean of gradients",
    .size = sizeof(struct signum),
    .options = options,
    MM_OPTIMIZER(&ops),
};
MM_PLUGIN_OF(&signum)
