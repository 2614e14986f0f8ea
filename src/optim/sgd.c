/* Stochastic gradient descent with momentum, dampening, Nesterov's form and weight
 * decay. The kernels and the operators give the same bits as torch.optim.SGD. Each
 * group has two sets of coefficients: for parameters with a momentum buffer, and
 * without one yet, whose buffer becomes the gradient. */
#include <float.h>
#include <math.h>

#include "mmengine/memory.h"
#include "mmengine/ops.h"
#include "optim/builtin.h"
#include "optim/optimizer.h"
#include "optim/torch_options.h"

struct sgd {
    double lr;
    double momentum;
    double dampening;
    double weight_decay;
    bool nesterov;
    struct mmi_torch_options torch;
    mmi_sgd_rule *rules; /* two per group: with a buffer, without one */
    size_t num_groups;
    uint64_t version;  /* of the groups when the rules were made */
    float grad_factor; /* that is in the rules, apart from its sign */
};

static const char buffer_name[] = "momentum_buffer";

static mm_value *sgd_defaults(void *self)
{
    const struct sgd *sgd = self;
    mm_value *defaults = mm_value_new_dict();

    mmi_put_option_f64(defaults, sgd, "lr", sgd->lr);
    mmi_put_option_f64(defaults, sgd, "momentum", sgd->momentum);
    mmi_put_option_f64(defaults, sgd, "dampening", sgd->dampening);
    mmi_put_option_f64(defaults, sgd, "weight_decay", sgd->weight_decay);
    mm_dict_put_bool(defaults, "nesterov", sgd->nesterov);
    mm_dict_put_bool(defaults, "maximize", sgd->torch.maximize);
    mmi_put_option(defaults, "foreach", sgd->torch.foreach);
    mm_dict_put_bool(defaults, "differentiable", sgd->torch.differentiable);
    mmi_put_option(defaults, "fused", sgd->torch.fused);
    return mmi_checked(defaults);
}

static mm_status sgd_check(void *self, const mm_value *options)
{
    (void)self;
    mmi_check_not_negative(options, "lr");
    mmi_check_not_negative(options, "momentum");
    mmi_check_not_negative(options, "weight_decay");
    if (!mm_has_error() && mmi_option_bool(options, "nesterov", false) &&
        (mmi_option_f64(options, "momentum", 0.0) <= 0.0 ||
         mmi_option_f64(options, "dampening", 0.0) != 0.0)) {
        return mm_raise(MM_ECONFIG, "nesterov needs a momentum and no dampening");
    }
    return mmi_check_torch_options(options);
}

static mm_status sgd_init(void *self)
{
    return mmi_check_torch_struct(&((struct sgd *)self)->torch);
}

static void sgd_deinit(void *self)
{
    mm_free(((struct sgd *)self)->rules);
}

static mmi_sgd_rule make_rule(const mm_value *options)
{
    double decay = mmi_option_f64(options, "weight_decay", 0.0);
    double momentum = mmi_option_f64(options, "momentum", 0.0);
    bool is_nesterov = mmi_option_bool(options, "nesterov", false);

    return (mmi_sgd_rule){
        .flags = (decay != 0.0 ? (unsigned)MMI_SGD_DECAY : 0u) |
                 (momentum != 0.0 ? (unsigned)MMI_SGD_MOMENTUM : 0u) |
                 (is_nesterov ? (unsigned)MMI_SGD_NESTEROV : 0u),
        .grad_factor = mmi_option_bool(options, "maximize", false) ? -1.0F : 1.0F,
        .weight_decay = (float)decay,
        .momentum = (float)momentum,
        .one_minus_dampening = (float)(1.0 - mmi_option_f64(options, "dampening", 0.0)),
        .neg_lr = (float)-mmi_option_f64(options, "lr", 0.0),
    };
}

static mm_status read_groups(struct sgd *sgd, const mm_param_groups *groups)
{
    size_t count = mm_param_groups_count(groups);

    if (count != sgd->num_groups) {
        mm_free(sgd->rules);
        sgd->num_groups = 0;
        sgd->rules = mm_alloc_array(2 * count, sizeof *sgd->rules);
        if (sgd->rules == NULL) {
            return mm_pending();
        }
        sgd->num_groups = count;
    }
    for (size_t i = 0; i < count; i++) {
        mmi_sgd_rule rule = make_rule(mm_param_groups_options(groups, i));

        sgd->rules[2 * i] = rule;
        rule.flags |= MMI_SGD_FIRST;
        sgd->rules[2 * i + 1] = rule;
    }
    return mm_pending();
}

/* Reads the groups' options only if they changed since the last step. */
static mm_status update_rules(struct sgd *sgd, const mm_optimizer *optimizer)
{
    uint64_t version = mm_param_groups_version(optimizer->groups);

    if (version != sgd->version || sgd->rules == NULL) {
        if (read_groups(sgd, optimizer->groups) < 0) {
            return mm_pending();
        }
        sgd->version = version;
        sgd->grad_factor = 1.0F;
    }
    if (sgd->grad_factor != optimizer->grad_factor) {
        sgd->grad_factor = optimizer->grad_factor;
        for (size_t i = 0; i < 2 * sgd->num_groups; i++) {
            mmi_sgd_rule *rule = &sgd->rules[i];

            rule->grad_factor = copysignf(sgd->grad_factor, rule->grad_factor);
        }
    }
    return MM_OK;
}

/* Gives each plain parameter its coefficients and its buffer. */
static mm_status assign_rules(struct sgd *sgd, mm_optimizer *optimizer)
{
    for (size_t i = 0; i < optimizer->num_params; i++) {
        mmi_span *span = &optimizer->spans.spans[i];
        size_t group = mm_param_groups_group_of(optimizer->groups, i);

        if (span->grad == NULL) {
            continue;
        }
        span->rule = (int32_t)(2 * group);
        if (span->states[0] != NULL ||
            !(sgd->rules[2 * group].flags & MMI_SGD_MOMENTUM)) {
            continue;
        }
        bool is_new = mmi_optimizer_find_state(optimizer, i, buffer_name) == NULL;

        span->states[0] = mmi_optimizer_state_memory(optimizer, i, buffer_name, false);
        span->rule += is_new ? 1 : 0;
        if (span->states[0] == NULL) {
            return mm_pending();
        }
    }
    return MM_OK;
}

static mm_status sgd_step(void *self, mm_optimizer *optimizer)
{
    struct sgd *sgd = self;

    if (mmi_optimizer_gather(optimizer, true) < 0 || update_rules(sgd, optimizer) < 0 ||
        assign_rules(sgd, optimizer) < 0) {
        return mm_pending();
    }
    mmi_spans_sgd(&optimizer->spans, sgd->rules);
    return mmi_optimizer_step_slow(optimizer);
}

/* torch/optim/sgd.py, _single_tensor_sgd, operator by operator. */
static mm_status sgd_step_param(void *self, mm_optimizer *optimizer, size_t index)
{
    mm_tensor *param = optimizer->params[index];
    mm_tensor *grad = mmi_optimizer_grad(optimizer, index);
    size_t group = mm_param_groups_group_of(optimizer->groups, index);
    const mm_value *options = mm_param_groups_options(optimizer->groups, group);
    double decay = mmi_option_f64(options, "weight_decay", 0.0);
    double momentum = mmi_option_f64(options, "momentum", 0.0);
    double dampening = mmi_option_f64(options, "dampening", 0.0);

    (void)self;
    if (mmi_option_bool(options, "maximize", false)) {
        grad = mm_neg(grad);
    }
    if (decay != 0.0) {
        grad = mm_add_scaled(grad, param, decay);
    }
    if (momentum != 0.0) {
        mm_tensor *buffer = mmi_optimizer_find_state(optimizer, index, buffer_name);

        if (buffer == NULL) {
            buffer = mmi_optimizer_put_state(optimizer, index, buffer_name,
                                             mm_clone(mm_detach(grad)));
        } else {
            mm_mul_scalar_(buffer, momentum);
            mm_add_scaled_(buffer, grad, 1.0 - dampening);
        }
        grad = mmi_option_bool(options, "nesterov", false)
                   ? mm_add_scaled(grad, buffer, momentum)
                   : buffer;
    }
    mm_add_scaled_(param, grad, -mmi_option_f64(options, "lr", 0.0));
    return mm_pending();
}

static void sgd_state_changed(void *self, mm_optimizer *optimizer)
{
    (void)self;
    for (size_t i = 0; i < optimizer->num_params; i++) {
        optimizer->spans.spans[i].states[0] = NULL;
    }
}

static const mm_optimizer_ops sgd_ops = {
    .defaults = sgd_defaults,
    .check = sgd_check,
    .step_param = sgd_step_param,
    .step = sgd_step,
    .state_changed = sgd_state_changed,
};

#define MM_OPT_STRUCT struct sgd
static const mm_option sgd_options[] = {
    {"lr", "learning rate", MM_OPT_F64(lr, 1e-3, 0.0, DBL_MAX)},
    {"momentum", "share of the last update that is kept",
     MM_OPT_F64(momentum, 0.0, 0.0, DBL_MAX)},
    {"dampening", "share of the gradient kept out of the momentum",
     MM_OPT_F64(dampening, 0.0, -DBL_MAX, DBL_MAX)},
    {"weight_decay", "multiple of the weight added to its gradient",
     MM_OPT_F64(weight_decay, 0.0, 0.0, DBL_MAX)},
    {"nesterov", "look ahead along the momentum", MM_OPT_BOOL(nesterov, false)},
    {"", "", MM_OPT_INHERIT(torch, mmi_torch_options)},
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmi_sgd = {
    .registry = "optimizers",
    .name = "SGD",
    .help = "stochastic gradient descent with momentum",
    .source = "torch/optim/sgd.py",
    .size = sizeof(struct sgd),
    .options = sgd_options,
    .init = sgd_init,
    .deinit = sgd_deinit,
    MM_OPTIMIZER(&sgd_ops),
};
