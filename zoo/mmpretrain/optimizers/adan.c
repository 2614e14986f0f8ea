/* Adan: Adam with Nesterov momentum from the difference of two gradients. Steps are
 * counted per group, in its option `step`, and all gradients may be clipped together,
 * as in the original, whose two forms (option `foreach`) differ in rounding; both are
 * here. One difference: with no_prox the original's foreach form forgets the update, so
 * that nothing is trained; here it is made. Source:
 * mmpretrain/engine/optimizers/adan_t.py. */
#include <float.h>
#include <math.h>

#include "mmengine/ops.h"
#include "mmengine/optim.h"
#include "mmengine/update_rule.h"

struct adan {
    double lr;
    mm_f64s betas;
    double eps;
    double weight_decay;
    double max_grad_norm;
    bool no_prox;
    bool foreach;
    double clip; /* ours: of the running step */
};

/* What the tensors of a group share in one step: options whose step is counted. */
struct coefficients {
    double beta1, beta2, beta3;
    double bias1, bias2, bias3_sqrt;
    double lr, eps, decay; /* decay: lr * weight_decay */
    double clip;           /* what all gradients are multiplied by; 1: nothing */
    bool no_prox, foreach, is_first;
};

static mm_status adan_init(void *data)
{
    const struct adan *self = data;

    if (self->betas.count != 3)
        return mm_raise(MM_ECONFIG, "betas has %zu entries: three are needed",
                        self->betas.count);
    return MM_OK;
}

static mm_status adan_check(void *self, const mm_value *options)
{
    (void)self;
    (void)mm_option_check_f64(options, "lr", 0.0, DBL_MAX, false);
    (void)mm_option_check_f64(options, "eps", 0.0, DBL_MAX, false);
    (void)mm_option_check_f64(options, "weight_decay", 0.0, DBL_MAX, false);
    for (size_t i = 0; i < 3 && !mm_has_error(); i++) {
        double beta = mm_option_get_f64_at(options, "betas", i);

        if (!mm_has_error() && !(beta >= 0.0 && beta < 1.0))
            return mm_raise(MM_ECONFIG, "betas[%zu] is %g: must be in [0, 1)", i, beta);
    }
    return mm_pending();
}

/* What all gradients are multiplied by: at most 1. */
static double clip_factor(const struct adan *self, mm_optimizer *optimizer)
{
    const mm_param_groups *groups = mm_optimizer_groups(optimizer);
    size_t last = mm_param_groups_count(groups) - 1;
    mm_tensor_info info = {0};

    (void)mm_tensor_info_get(mm_param_groups_param(groups, 0), &info);
    mm_tensor *sum = mm_zeros(MM_DIMS(1), .device = info.device);
    mm_tensor *limit = mm_full(MM_DIMS_EMPTY, MM_N(self->max_grad_norm),
                               .dtype = MM_DTYPE_F32, .device = info.device);

    for (size_t i = 0; i < mm_param_groups_num_params(groups) && !mm_has_error(); i++) {
        if (mm_grad_find(mm_param_groups_param(groups, i)) == NULL)
            continue;
        mm_scope scope = mm_scope_open();

        mm_add_(sum, mm_sum(mm_pow_scalar(mm_optimizer_grad(optimizer, i), 2)));
        mm_scope_close(scope);
    }
    double eps = mm_option_find_f64(mm_param_groups_options(groups, last), "eps", 1e-8);
    mm_tensor *norm = mm_add_scalar(mm_sqrt(sum), eps);

    mm_tensor *factor = mm_clamp(mm_div(limit, norm), .max = MM_N(1.0));

    return factor != NULL ? mm_item(factor) : 1.0;
}

static mm_status adan_begin_step(void *data, mm_optimizer *optimizer)
{
    struct adan *self = data;
    mm_param_groups *groups = mm_optimizer_groups(optimizer);
    mm_scope scope = mm_scope_open();

    self->clip = self->max_grad_norm > 0.0 ? clip_factor(self, optimizer) : 1.0;
    mm_scope_close(scope);
    for (size_t i = 0; i < mm_param_groups_count(groups) && !mm_has_error(); i++) {
        const mm_value *options = mm_param_groups_options(groups, i);
        double step = mm_option_find_f64(options, "step", 0.0) + 1.0;
        mm_value *count = mm_value_new_i64((int64_t)step);

        (void)mm_param_groups_put(groups, i, "step", count);
        mm_value_unref(count);
    }
    return mm_pending();
}

static void adan_read(void *data, const mm_value *options, void *out_setting)
{
    const struct adan *self = data;
    struct coefficients *rule = out_setting;
    double step = mm_option_find_f64(options, "step", 1.0);

    rule->beta1 = mm_option_get_f64_at(options, "betas", 0);
    rule->beta2 = mm_option_get_f64_at(options, "betas", 1);
    rule->beta3 = mm_option_get_f64_at(options, "betas", 2);
    rule->bias1 = 1.0 - pow(rule->beta1, step);
    rule->bias2 = 1.0 - pow(rule->beta2, step);
    rule->bias3_sqrt = sqrt(1.0 - pow(rule->beta3, step));
    rule->lr = mm_option_find_f64(options, "lr", 0.0);
    rule->eps = mm_option_find_f64(options, "eps", 1e-8);
    rule->decay = rule->lr * mm_option_find_f64(options, "weight_decay", 0.0);
    rule->clip = self->clip;
    rule->no_prox = mm_option_find_bool(options, "no_prox", false);
    rule->foreach = mm_option_find_bool(options, "foreach", true);
    rule->is_first = step == 1.0;
}

/* The coefficients as the loop takes them. */
struct floats {
    float factor, beta1, beta2, beta3, rest1, rest2, rest3, bias1, look_ahead,
        bias3_sqrt, eps, lr, first, last;
    bool is_new;
    int64_t count;
};

static void update_loop(const struct floats f, float *restrict param,
                        const float *restrict grad, float *restrict avg,
                        float *restrict avg_sq, float *restrict avg_diff,
                        float *restrict before)
{
    for (int64_t i = 0; i < f.count; i++) {
        float g = grad[i] * f.factor;
        float old = before[i];
        float diff = g - (f.is_new ? g : old);
        float ahead = g + diff * f.beta2;
        float m = avg[i] * f.beta1 + g * f.rest1;
        float d = avg_diff[i] * f.beta2 + diff * f.rest2;
        float v = avg_sq[i] * f.beta3 + f.rest3 * ahead * ahead;
        float denominator = sqrtf(v) / f.bias3_sqrt + f.eps;
        float update = (m / f.bias1 + d * f.look_ahead) / denominator;

        before[i] = g;
        avg[i] = m;
        avg_diff[i] = d;
        avg_sq[i] = v;
        param[i] = (param[i] * f.first - update * f.lr) / f.last;
    }
}

static void adan_update(const void *coefficients, const mm_update_memory *memory)
{
    const struct coefficients *rule = coefficients;
    const struct floats f = {
        .factor = memory->grad_factor * (float)rule->clip,
        .beta1 = (float)rule->beta1,
        .beta2 = (float)rule->beta2,
        .beta3 = (float)rule->beta3,
        .rest1 = (float)(1.0 - rule->beta1),
        .rest2 = (float)(1.0 - rule->beta2),
        .rest3 = (float)(1.0 - rule->beta3),
        .bias1 = (float)rule->bias1,
        .look_ahead = (float)(rule->beta2 / rule->bias2),
        .bias3_sqrt = (float)rule->bias3_sqrt,
        .eps = (float)rule->eps,
        .lr = (float)rule->lr,
        .first = rule->no_prox ? (float)(1.0 - rule->decay) : 1.0F,
        .last = rule->no_prox ? 1.0F : (float)(1.0 + rule->decay),
        .is_new = memory->is_new || rule->is_first,
        .count = memory->count,
    };

    update_loop(f, memory->param, memory->grad, memory->states[0], memory->states[1],
                memory->states[2], memory->states[3]);
}

/* The direction: averages, corrected for their start, over the root of the squares. */
static mm_tensor **direction(const struct coefficients *rule, mm_update_call *call)
{
    mm_tensor **root = mm_each_sqrt(call, call->states[1]);
    mm_tensor **update = mm_each_div_number(call, call->states[0], rule->bias1);
    mm_tensor **ahead = NULL;

    mm_each_div_number_(call, root, rule->bias3_sqrt);
    mm_each_add_number_(call, root, rule->eps);
    if (rule->foreach) {
        ahead = mm_each_mul_number(call, call->states[2], rule->beta2 / rule->bias2);
    } else {
        ahead = mm_each_mul_number(call, call->states[2], rule->beta2);
        mm_each_div_number_(call, ahead, rule->bias2);
    }
    mm_each_add_(call, update, ahead, 1.0);
    return mm_each_div_(call, update, root);
}

/* What the averages become, _multi_tensor_adan or _single_tensor_adan. */
static void follow(const struct coefficients *rule, mm_update_call *call,
                   mm_tensor **grads)
{
    mm_tensor **before = call->states[3];
    mm_tensor **diff =
        mm_each_sub(call, grads, call->is_new || rule->is_first ? grads : before);
    mm_tensor **ahead =
        rule->foreach ? mm_each_add(call, grads, diff, rule->beta2)
                      : mm_each_add(call, grads,
                                    mm_each_mul_number(call, diff, rule->beta2), 1.0);

    mm_each_mul_number_(call, call->states[0], rule->beta1);
    mm_each_add_(call, call->states[0], grads, 1.0 - rule->beta1);
    mm_each_mul_number_(call, call->states[2], rule->beta2);
    mm_each_add_(call, call->states[2], diff, 1.0 - rule->beta2);
    mm_each_mul_number_(call, call->states[1], rule->beta3);
    mm_each_addcmul_(call, call->states[1], ahead, ahead, 1.0 - rule->beta3);
    if (call->is_new)
        call->states[3] = mm_each_clone(call, grads);
    else
        mm_each_copy_(call, before, grads);
}

static mm_status adan_apply(const void *coefficients, mm_update_call *call)
{
    const struct coefficients *rule = coefficients;
    mm_tensor **grads = call->grads;

    if (rule->clip < 1.0)
        grads = mm_each_mul_number(call, grads, rule->clip);
    follow(rule, call, grads);
    mm_tensor **update = direction(rule, call);

    if (rule->no_prox)
        mm_each_mul_number_(call, call->params, 1.0 - rule->decay);
    mm_each_add_(call, call->params, update, -rule->lr);
    if (!rule->no_prox)
        mm_each_div_number_(call, call->params, 1.0 + rule->decay);
    return mm_pending();
}

static const mm_update_state states[] = {
    {.name = "exp_avg"},
    {.name = "exp_avg_sq"},
    {.name = "exp_avg_diff"},
    {.name = "pre_grad", .is_lazy = true},
    {0},
};

static const mm_update_rule adan_rule = {
    .setting_size = sizeof(struct coefficients),
    .states = states,
    .read = adan_read,
    .update = adan_update,
    .apply = adan_apply,
};

static const char *const state_options[] = {"step", NULL};

static const mm_optimizer_ops ops = {
    .check = adan_check,
    .rule = &adan_rule,
    .begin_step = adan_begin_step,
    .state_options = state_options,
};

#define MM_OPT_STRUCT struct adan
static const mm_option options[] = {
    {"lr", "learning rate", MM_OPT_F64(lr, 1e-3, 0.0, DBL_MAX)},
    {"betas", "decay rates of the averages of gradient, difference and square",
     MM_OPT_F64S(betas, "(0.98, 0.92, 0.99)")},
    {"eps", "added to the denominator", MM_OPT_F64(eps, 1e-8, 0.0, DBL_MAX)},
    {"weight_decay", "weight decay of its own",
     MM_OPT_F64(weight_decay, 0.0, 0.0, DBL_MAX)},
    {"max_grad_norm", "norm above which all gradients are scaled down; 0: never",
     MM_OPT_F64(max_grad_norm, 0.0, 0.0, HUGE_VAL)},
    {"no_prox", "decay before the update, as AdamW, not after it",
     MM_OPT_BOOL(no_prox, false)},
    {"foreach", "round as the form over lists of tensors does",
     MM_OPT_BOOL(foreach, true)},
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmz_adan = {
    .registry = "optimizers",
    .scope = "mmpretrain",
    .name = "Adan",
    .help = "Adam with Nesterov momentum from differences of gradients",
    .source = "mmpretrain/engine/optimizers/adan_t.py",
    .size = sizeof(struct adan),
    .options = options,
    .init = adan_init,
    MM_OPTIMIZER(&ops),
};
