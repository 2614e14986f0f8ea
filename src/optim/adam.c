/* Adam and AdamW. The operators give the same bits as torch.optim; the kernels do too
 * wherever libtorch's square root is correctly rounded, which MKL's is not always.
 *
 * Bias correction depends on each parameter's own step count, so the coefficients are
 * made anew for every step: one set per different (settings, step count). Groups with
 * equal options are one setting, so a group per parameter costs nothing. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "mmengine/memory.h"
#include "mmengine/ops.h"
#include "optim/builtin.h"
#include "optim/optimizer.h"
#include "optim/torch_options.h"

/* A group's options as numbers. */
struct setting {
    double lr;
    double beta1;
    double beta2;
    double eps;
    double weight_decay;
    bool amsgrad;
    bool maximize;
    bool decoupled;
};

/* What a set of coefficients was made for. */
struct rule_key {
    size_t setting;
    float step;
};

struct adam {
    double lr;
    mm_f64s betas;
    double eps;
    double weight_decay;
    bool amsgrad;
    struct mmi_torch_options torch;
    bool capturable;
    bool decoupled_weight_decay;
    struct setting *settings; /* ours: one per group */
    size_t *same_as;          /* ours: per group, the first group with equal settings */
    size_t num_groups;
    uint64_t version;
    mmi_adam_rule *rules; /* ours: room for one per parameter, as keys and steps */
    struct rule_key *keys;
    float **steps; /* where a parameter's step count lies; NULL: not looked up yet */
    size_t num_params;
};

static const char step_name[] = "step";
static const char avg_name[] = "exp_avg";
static const char avg_sq_name[] = "exp_avg_sq";
static const char max_name[] = "max_exp_avg_sq";

static mm_value *adam_defaults(void *self)
{
    const struct adam *adam = self;
    mm_value *defaults = mm_value_new_dict();
    mm_value *betas = mm_value_new_tuple();

    for (size_t i = 0; i < adam->betas.count; i++) {
        mm_list_push(betas, mm_value_new_f64(adam->betas.data[i]));
    }
    mmi_put_option_f64(defaults, adam, "lr", adam->lr);
    mm_dict_take(defaults, "betas", betas);
    mmi_put_option_f64(defaults, adam, "eps", adam->eps);
    mmi_put_option_f64(defaults, adam, "weight_decay", adam->weight_decay);
    mm_dict_put_bool(defaults, "amsgrad", adam->amsgrad);
    mm_dict_put_bool(defaults, "maximize", adam->torch.maximize);
    mmi_put_option(defaults, "foreach", adam->torch.foreach);
    mm_dict_put_bool(defaults, "capturable", adam->capturable);
    mm_dict_put_bool(defaults, "differentiable", adam->torch.differentiable);
    mmi_put_option(defaults, "fused", adam->torch.fused);
    mm_dict_put_bool(defaults, "decoupled_weight_decay", adam->decoupled_weight_decay);
    return mmi_checked(defaults);
}

static double beta_of(const mm_value *options, size_t index)
{
    return mm_value_f64(mm_list_get(mm_dict_get(options, "betas"), index));
}

static mm_status adam_check(void *self, const mm_value *options)
{
    (void)self;
    mmi_check_not_negative(options, "lr");
    mmi_check_not_negative(options, "eps");
    mmi_check_not_negative(options, "weight_decay");
    for (size_t i = 0; i < 2 && !mm_has_error(); i++) {
        double beta = beta_of(options, i);

        if (!mm_has_error() && !(beta >= 0.0 && beta < 1.0)) {
            return mm_raise(MM_ECONFIG, "betas[%zu] is %g: must be in [0, 1)", i, beta);
        }
    }
    return mmi_check_torch_options(options);
}

static mm_status adam_init(void *self)
{
    struct adam *adam = self;

    if (adam->betas.count != 2) {
        return mm_raise(MM_ECONFIG, "betas has %zu entries: two are needed",
                        adam->betas.count);
    }
    if (adam->capturable) {
        return mm_raise(MM_EUNSUPPORTED, "capturable=True is not supported");
    }
    return mmi_check_torch_struct(&adam->torch);
}

static mm_status adamw_init(void *self)
{
    struct adam *adam = self;

    adam->decoupled_weight_decay = true;
    return adam_init(self);
}

static void adam_deinit(void *self)
{
    struct adam *adam = self;

    mm_free(adam->settings);
    mm_free(adam->same_as);
    mm_free(adam->rules);
    mm_free(adam->keys);
    mm_free(adam->steps);
}

static struct setting read_setting(const struct adam *adam, const mm_value *options)
{
    return (struct setting){
        .lr = mmi_option_f64(options, "lr", 0.0),
        .beta1 = beta_of(options, 0),
        .beta2 = beta_of(options, 1),
        .eps = mmi_option_f64(options, "eps", 1e-8),
        .weight_decay = mmi_option_f64(options, "weight_decay", 0.0),
        .amsgrad = mmi_option_bool(options, "amsgrad", false),
        .maximize = mmi_option_bool(options, "maximize", false),
        .decoupled = mmi_option_bool(options, "decoupled_weight_decay",
                                     adam->decoupled_weight_decay),
    };
}

static bool is_same(const struct setting *a, const struct setting *b)
{
    return a->lr == b->lr && a->beta1 == b->beta1 && a->beta2 == b->beta2 &&
           a->eps == b->eps && a->weight_decay == b->weight_decay &&
           a->amsgrad == b->amsgrad && a->maximize == b->maximize &&
           a->decoupled == b->decoupled;
}

static mm_status allocate(struct adam *adam, const mm_optimizer *optimizer)
{
    size_t num_groups = mm_param_groups_count(optimizer->groups);

    if (adam->settings != NULL && adam->num_groups == num_groups &&
        adam->num_params == optimizer->num_params) {
        return MM_OK;
    }
    adam_deinit(adam);
    adam->settings = mm_alloc_array(num_groups, sizeof *adam->settings);
    adam->same_as = mm_alloc_array(num_groups, sizeof *adam->same_as);
    adam->rules = mm_alloc_array(optimizer->num_params, sizeof *adam->rules);
    adam->keys = mm_alloc_array(optimizer->num_params, sizeof *adam->keys);
    adam->steps = mm_alloc_array(optimizer->num_params, sizeof *adam->steps);
    adam->num_groups = mm_has_error() ? 0 : num_groups;
    adam->num_params = mm_has_error() ? 0 : optimizer->num_params;
    adam->version = 0;
    return mm_pending();
}

/* Reads the groups' options only if they changed since the last step. */
static mm_status update_settings(struct adam *adam, const mm_optimizer *optimizer)
{
    const mm_param_groups *groups = optimizer->groups;

    if (allocate(adam, optimizer) < 0 ||
        adam->version == mm_param_groups_version(groups)) {
        return mm_pending();
    }
    for (size_t i = 0; i < adam->num_groups; i++) {
        adam->settings[i] = read_setting(adam, mm_param_groups_options(groups, i));
        adam->same_as[i] = i;
        for (size_t k = 0; k < i; k++) {
            if (is_same(&adam->settings[k], &adam->settings[i])) {
                adam->same_as[i] = k;
                break;
            }
        }
    }
    if (!mm_has_error()) {
        adam->version = mm_param_groups_version(groups);
    }
    return mm_pending();
}

/* Scalars are rounded to float once, at the end, as ATen does with Python's floats. */
static mmi_adam_rule make_rule(const struct setting *setting, float step, float factor)
{
    double bias1 = 1.0 - pow(setting->beta1, (double)step);
    double bias2 = 1.0 - pow(setting->beta2, (double)step);
    bool is_l2 = setting->weight_decay != 0.0 && !setting->decoupled;

    return (mmi_adam_rule){
        .flags = (is_l2 ? (unsigned)MMI_ADAM_L2 : 0u) |
                 (setting->amsgrad ? (unsigned)MMI_ADAM_AMSGRAD : 0u),
        .grad_factor = setting->maximize ? -factor : factor,
        .param_factor = setting->decoupled && setting->weight_decay != 0.0
                            ? (float)(1.0 - setting->lr * setting->weight_decay)
                            : 1.0F,
        .weight_decay = (float)setting->weight_decay,
        .lerp_weight = (float)(1.0 - setting->beta1),
        .beta2 = (float)setting->beta2,
        .one_minus_beta2 = (float)(1.0 - setting->beta2),
        .bias2_sqrt = (float)pow(bias2, 0.5),
        .eps = (float)setting->eps,
        .neg_step_size = (float)-(setting->lr / bias1),
    };
}

/* The float that counts the steps of a parameter. A number that was loaded becomes a
 * tensor, as in newer versions of torch. */
static mm_tensor *step_tensor(mm_optimizer *optimizer, size_t index)
{
    const mm_value *state = mm_optimizer_state(optimizer, index);
    const mm_value *value = state != NULL ? mm_dict_find(state, step_name) : NULL;
    mm_tensor *tensor = value != NULL ? mm_value_find_tensor(value) : NULL;
    double count = value != NULL && tensor == NULL ? mm_value_f64(value) : 0.0;

    if (tensor == NULL && !mm_has_error()) {
        mm_scope scope = mm_scope_open();

        tensor = mmi_optimizer_put_state(optimizer, index, step_name,
                                         mm_scalar(count, MM_DTYPE_F32));
        mm_scope_close(scope);
    }
    return tensor;
}

/* Looks up step count and averages of a plain parameter, making them if need be. */
static mm_status prepare_states(struct adam *adam, mm_optimizer *optimizer,
                                size_t index, bool amsgrad)
{
    float **states = optimizer->spans.spans[index].states;

    if (adam->steps[index] == NULL) {
        adam->steps[index] = mm_data(step_tensor(optimizer, index), MM_DTYPE_F32);
    }
    if (states[0] == NULL) {
        states[0] = mmi_optimizer_state_memory(optimizer, index, avg_name, true);
        states[1] = mmi_optimizer_state_memory(optimizer, index, avg_sq_name, true);
    }
    if (amsgrad && states[2] == NULL) {
        states[2] = mmi_optimizer_state_memory(optimizer, index, max_name, true);
    }
    return mm_pending();
}

/* The index of the coefficients for (setting, step); tensors of one age lie together,
 * so the search is short. */
static size_t find_rule(struct adam *adam, size_t setting, float step, float factor,
                        size_t *num_rules)
{
    for (size_t i = *num_rules; i > 0; i--) {
        const struct rule_key *key = &adam->keys[i - 1];

        if (key->setting == setting && key->step == step) {
            return i - 1;
        }
    }
    size_t index = (*num_rules)++;

    adam->keys[index] = (struct rule_key){setting, step};
    adam->rules[index] = make_rule(&adam->settings[setting], step, factor);
    return index;
}

static mm_status adam_step(void *self, mm_optimizer *optimizer)
{
    struct adam *adam = self;
    size_t num_rules = 0;

    if (mmi_optimizer_gather(optimizer, true) < 0 ||
        update_settings(adam, optimizer) < 0) {
        return mm_pending();
    }
    for (size_t i = 0; i < optimizer->num_params; i++) {
        mmi_span *span = &optimizer->spans.spans[i];
        size_t group = mm_param_groups_group_of(optimizer->groups, i);
        size_t setting = adam->same_as[group];

        if (span->grad == NULL) {
            continue;
        }
        if (prepare_states(adam, optimizer, i, adam->settings[setting].amsgrad) < 0) {
            return mm_pending();
        }
        *adam->steps[i] += 1.0F;
        span->rule = (int32_t)find_rule(adam, setting, *adam->steps[i],
                                        optimizer->grad_factor, &num_rules);
    }
    mmi_spans_adam(&optimizer->spans, adam->rules);
    return mmi_optimizer_step_slow(optimizer);
}

static mm_tensor *average(mm_optimizer *optimizer, size_t index, const char *name)
{
    mm_tensor *tensor = mmi_optimizer_find_state(optimizer, index, name);

    return tensor != NULL
               ? tensor
               : mmi_optimizer_put_state(optimizer, index, name,
                                         mm_zeros_like(optimizer->params[index]));
}

/* torch/optim/adam.py, _single_tensor_adam, operator by operator. */
static mm_status adam_step_param(void *self, mm_optimizer *optimizer, size_t index)
{
    struct adam *adam = self;
    size_t group = mm_param_groups_group_of(optimizer->groups, index);
    const struct setting setting =
        read_setting(adam, mm_param_groups_options(optimizer->groups, group));
    mm_tensor *param = optimizer->params[index];
    mm_tensor *grad = mmi_optimizer_grad(optimizer, index);
    mm_tensor *count = step_tensor(optimizer, index);
    mm_tensor *avg = average(optimizer, index, avg_name);
    mm_tensor *avg_sq = average(optimizer, index, avg_sq_name);
    mm_tensor *squares = avg_sq;

    mm_add_scalar_(count, 1);
    if (setting.maximize) {
        grad = mm_neg(grad);
    }
    if (setting.weight_decay != 0.0) {
        if (setting.decoupled) {
            mm_mul_scalar_(param, 1.0 - setting.lr * setting.weight_decay);
        } else {
            grad = mm_add_scaled(grad, param, setting.weight_decay);
        }
    }
    mm_lerp_(avg, grad, 1.0 - setting.beta1);
    mm_mul_scalar_(avg_sq, setting.beta2);
    mm_addcmul_(avg_sq, grad, grad, 1.0 - setting.beta2);
    if (setting.amsgrad) {
        squares = average(optimizer, index, max_name);
        mm_copy_(squares, mm_maximum(squares, avg_sq));
    }
    double step = mm_item(count);
    double bias1 = 1.0 - pow(setting.beta1, step);
    double bias2 = 1.0 - pow(setting.beta2, step);
    mm_tensor *denominator = mm_sqrt(squares);

    mm_div_scalar_(denominator, pow(bias2, 0.5));
    mm_add_scalar_(denominator, setting.eps);
    mm_addcdiv_(param, avg, denominator, -(setting.lr / bias1));
    return mm_pending();
}

static void adam_state_changed(void *self, mm_optimizer *optimizer)
{
    struct adam *adam = self;

    for (size_t i = 0; i < optimizer->num_params; i++) {
        memset(optimizer->spans.spans[i].states, 0,
               sizeof optimizer->spans.spans[i].states);
    }
    for (size_t i = 0; i < adam->num_params; i++) {
        adam->steps[i] = NULL;
    }
}

static const mm_optimizer_ops adam_ops = {
    .defaults = adam_defaults,
    .check = adam_check,
    .step_param = adam_step_param,
    .step = adam_step,
    .state_changed = adam_state_changed,
};

#define MM_OPT_STRUCT struct adam
#define ADAM_ROWS(decay)                                                               \
    {"lr", "learning rate", MM_OPT_F64(lr, 1e-3, 0.0, DBL_MAX)},                       \
        {"betas", "decay rates of the averages of gradient and square",                \
         MM_OPT_F64S(betas, "(0.9, 0.999)")},                                          \
        {"eps", "added to the denominator", MM_OPT_F64(eps, 1e-8, 0.0, DBL_MAX)},      \
        {"weight_decay", "weight decay",                                               \
         MM_OPT_F64(weight_decay, decay, 0.0, DBL_MAX)},                               \
        {"amsgrad", "use the largest average of squares so far",                       \
         MM_OPT_BOOL(amsgrad, false)},                                                 \
        {"", "", MM_OPT_INHERIT(torch, mmi_torch_options)},                            \
    {                                                                                  \
        "capturable", "not supported: must be False", MM_OPT_BOOL(capturable, false)   \
    }
static const mm_option adam_options[] = {
    ADAM_ROWS(0.0),
    {"decoupled_weight_decay", "decay the weight itself, as AdamW",
     MM_OPT_BOOL(decoupled_weight_decay, false)},
    {0},
};
static const mm_option adamw_options[] = {
    ADAM_ROWS(1e-2),
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmi_adam = {
    .registry = "optimizers",
    .name = "Adam",
    .help = "Adam, with weight decay through the gradient",
    .source = "torch/optim/adam.py",
    .size = sizeof(struct adam),
    .options = adam_options,
    .init = adam_init,
    .deinit = adam_deinit,
    MM_OPTIMIZER(&adam_ops),
};

const mm_component mmi_adamw = {
    .registry = "optimizers",
    .name = "AdamW",
    .help = "Adam with weight decay of its own",
    .source = "torch/optim/adamw.py",
    .size = sizeof(struct adam),
    .options = adamw_options,
    .init = adamw_init,
    .deinit = adam_deinit,
    MM_OPTIMIZER(&adam_ops),
};
