/* Schedule-Free SGD, AdamW and RAdam. Gradients are taken at a point between an average
 * of all iterates and the newest one, which is a state (`z`); the parameters hold that
 * point while training and the average while evaluating and in checkpoints, and go from
 * one to the other by mm_optimizer_set_training(). Every group counts its steps and
 * weights in its own options, where the original has them. Source: schedulefree (1.4).
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "kernels/kernels.h"
#include "mmengine/ops.h"
#include "optim/builtin.h"
#include "optim/optimizer.h"

struct schedule_free {
    double lr;
    double momentum; /* of SGD */
    mm_f64s betas;   /* of the others */
    double eps;
    double r;
    int64_t warmup_steps;
    double weight_lr_power;
    double weight_decay;
    mm_value *foreach;
    bool silent_sgd_phase;
};

static bool is_sgd(const mm_value *options)
{
    return !mm_dict_has(options, "betas");
}

static double beta1_of(const mm_value *options)
{
    return is_sgd(options) ? mm_option_find_f64(options, "momentum", 0.9)
                           : mm_option_get_f64_at(options, "betas", 0);
}

static mm_value *free_defaults(void *self)
{
    mm_value *options = mm_optimizer_defaults(self, NULL);

    if (options == NULL)
        return NULL;
    if (mm_value_is_none(mm_dict_find(options, "foreach")))
        mm_dict_put_bool(options, "foreach", true);
    mm_dict_put_i64(options, "k", 0);
    mm_dict_put_bool(options, "train_mode", false);
    mm_dict_put_f64(options, "weight_sum", 0.0);
    mm_dict_put_f64(options, "lr_max", -1.0);
    mm_dict_put_f64(options, "scheduled_lr", 0.0);
    return options;
}

static mm_status free_init(void *data)
{
    const struct schedule_free *self = data;

    if (self->betas.data != NULL && self->betas.count != 2)
        return mm_raise(MM_ECONFIG, "betas has %zu entries: two are needed",
                        self->betas.count);
    return MM_OK;
}

static mm_status free_check(void *self, const mm_value *options)
{
    const char *name = is_sgd(options) ? "momentum" : "betas[0]";
    double beta1 = beta1_of(options);
    (void)self;

    (void)mm_option_check_f64(options, "lr", 0.0, DBL_MAX, false);
    (void)mm_option_check_f64(options, "weight_decay", 0.0, DBL_MAX, false);
    (void)mm_option_check_f64(options, "warmup_steps", 0.0, 9007199254740992.0, false);
    if (!mm_has_error() && !(beta1 > 0.0 && beta1 < 1.0))
        return mm_raise(MM_ECONFIG, "%s is %g: must be between 0 and 1", name, beta1);
    if (mm_has_error() || is_sgd(options))
        return mm_pending();
    double beta2 = mm_option_get_f64_at(options, "betas", 1);

    if (!mm_has_error() && !(beta2 >= 0.0 && beta2 < 1.0))
        return mm_raise(MM_ECONFIG, "betas[1] is %g: must be in [0, 1)", beta2);
    return mm_pending();
}

/* RAdam's correction of the rate; 0 or 1 while there are too few squares. */
static double rectification(const mm_value *options, double beta2, double step,
                            bool *out_is_adaptive)
{
    double power = pow(beta2, step);
    double most = 2.0 / (1.0 - beta2) - 1.0;
    double length = most - 2.0 * step * power / (1.0 - power);

    *out_is_adaptive = length > 4.0;
    if (!*out_is_adaptive)
        return mm_option_find_bool(options, "silent_sgd_phase", true) ? 0.0 : 1.0;
    return pow((length - 4.0) * (length - 2.0) * most /
                   ((most - 4.0) * (most - 2.0) * length),
               0.5);
}

/* The rate of step `k`, from 1: SGD and AdamW warm up, RAdam is rectified. */
static double rate_of(const mm_value *options, double k, bool *out_is_adaptive)
{
    double warmup = mm_option_find_f64(options, "warmup_steps", 0.0);
    double lr = mm_option_find_f64(options, "lr", 0.0);

    *out_is_adaptive = !is_sgd(options);
    if (mm_dict_has(options, "silent_sgd_phase"))
        return lr * rectification(options, mm_option_get_f64_at(options, "betas", 1), k,
                                  out_is_adaptive);
    return lr * (k <= warmup ? k / warmup : 1.0);
}

/* What an iterate weighs in the average, `largest` being the largest rate so far. */
static double weight_of(const mm_value *options, double k, double largest)
{
    return pow(k, mm_option_find_f64(options, "r", 0.0)) *
           pow(largest, mm_option_find_f64(options, "weight_lr_power", 2.0));
}

static bool is_training(const mm_optimizer *optimizer, size_t group)
{
    return mm_option_find_bool(mm_param_groups_options(optimizer->groups, group),
                               "train_mode", false);
}

/* Counts the step of a group. */
static void count_step(mm_param_groups *groups, size_t group)
{
    const mm_value *options = mm_param_groups_options(groups, group);
    double k = mm_option_find_f64(options, "k", 0.0) + 1.0;
    double largest = mm_option_find_f64(options, "lr_max", -1.0);
    double sum = mm_option_find_f64(options, "weight_sum", 0.0);
    bool is_adaptive = false;
    double rate = rate_of(options, k, &is_adaptive);
    mm_value *count = mm_value_new_i64((int64_t)k);

    largest = largest > rate ? largest : rate;
    sum += weight_of(options, k, largest);
    (void)mm_param_groups_put_f64(groups, group, "scheduled_lr", rate);
    (void)mm_param_groups_put_f64(groups, group, "lr_max", largest);
    (void)mm_param_groups_put_f64(groups, group, "weight_sum", sum);
    (void)mm_param_groups_put(groups, group, "k", count);
    mm_value_unref(count);
}

static mm_status free_begin_step(void *self, mm_optimizer *optimizer)
{
    (void)self;
    if (!is_training(optimizer, 0)) {
        (void)mm_raise(MM_ESTATE, "a schedule-free optimizer cannot step: its "
                                  "parameters are at the point of evaluation");
        return mm_error_hint("mm_optimizer_set_training(optimizer, true) goes before "
                             "the forward pass; training loops of the runner call it");
    }
    for (size_t i = 0; i < mm_param_groups_count(optimizer->groups); i++)
        count_step(optimizer->groups, i);
    return mm_pending();
}

/* From options whose step is counted. */
static void free_read(void *self, const mm_value *options, void *out_setting)
{
    mmi_schedule_free_rule *rule = out_setting;
    double k = mm_option_find_f64(options, "k", 1.0);
    double sum = mm_option_find_f64(options, "weight_sum", 0.0);
    double weight = weight_of(options, k, mm_option_find_f64(options, "lr_max", 0.0));
    double rate = rate_of(options, k, &rule->is_adaptive);
    (void)self;

    rule->has_squares = !is_sgd(options);
    if (rule->has_squares) {
        rule->beta2 = mm_option_get_f64_at(options, "betas", 1);
        rule->one_minus_beta2 = 1.0 - rule->beta2;
        rule->bias2 = 1.0 - pow(rule->beta2, k);
        rule->eps = mm_option_find_f64(options, "eps", 1e-8);
    }
    rule->by_list = mm_option_find_bool(options, "foreach", true);
    rule->weight_decay = mm_option_find_f64(options, "weight_decay", 0.0);
    rule->pull = sum == 0.0 ? 0.0 : weight / sum;
    rule->point_step = rate * (beta1_of(options) * (1.0 - rule->pull) - 1.0);
    rule->neg_lr = -rate;
}

/* The form over lists multiplies by a Scalar, which half precision rounds otherwise. */
static void scale(const mmi_schedule_free_rule *rule, mm_update_call *call,
                  mm_tensor **x)
{
    if (!rule->by_list)
        mm_each_mul_number_(call, x, rule->beta2);
    for (size_t i = 0; rule->by_list && i < call->count && !mm_has_error(); i++)
        (void)mm_op("aten::mul_.Scalar", MM_T(x[i]), MM_F(rule->beta2));
}

/* The step of adamw_schedulefree.py, operator by operator. */
static mm_status free_apply(const void *coefficients, mm_update_call *call)
{
    const mmi_schedule_free_rule *rule = coefficients;
    mm_tensor **points = call->params;
    mm_tensor **grads = call->grads;
    mm_tensor **squares = call->states[1];

    if (squares != NULL) {
        scale(rule, call, squares);
        mm_each_addcmul_(call, squares, grads, grads, rule->one_minus_beta2);
    }
    if (call->is_new)
        call->states[0] = mm_each_clone(call, points);
    if (rule->is_adaptive) {
        mm_tensor **root = mm_each_div_number(call, squares, rule->bias2);

        mm_each_sqrt_(call, root);
        mm_each_add_number_(call, root, rule->eps);
        grads = mm_each_div_(call, mm_each_clone(call, grads), root);
    }
    if (rule->weight_decay != 0.0)
        grads = mm_each_add(call, grads, points, rule->weight_decay);
    mm_each_lerp_(call, points, call->states[0], rule->pull);
    mm_each_add_(call, points, grads, rule->point_step);
    mm_each_add_(call, call->states[0], grads, rule->neg_lr);
    return mm_pending();
}

static void put_mode(mm_param_groups *groups, size_t group, bool training)
{
    mm_value *mode = mm_value_new_bool(training);

    (void)mm_param_groups_put(groups, group, "train_mode", mode);
    mm_value_unref(mode);
}

static mm_status free_set_training(void *self, mm_optimizer *optimizer, bool training)
{
    mm_param_groups *groups = optimizer->groups;
    (void)self;

    for (size_t i = 0; i < optimizer->num_params && !mm_has_error(); i++) {
        size_t group = mm_param_groups_group_of(groups, i);
        mm_tensor *newest = mm_optimizer_find_state(optimizer, i, "z");
        double beta1 = beta1_of(mm_param_groups_options(groups, group));

        if (newest != NULL && is_training(optimizer, group) != training)
            mm_lerp_(optimizer->params[i], newest,
                     training ? 1.0 - beta1 : 1.0 - 1.0 / beta1);
    }
    for (size_t group = 0; group < mm_param_groups_count(groups); group++) {
        if (is_training(optimizer, group) != training)
            put_mode(groups, group, training);
    }
    return mm_pending();
}

static bool free_is_training(void *self, const mm_optimizer *optimizer)
{
    (void)self;
    return is_training(optimizer, 0);
}

static bool has_squares(const void *setting)
{
    return ((const mmi_schedule_free_rule *)setting)->has_squares;
}

static const mm_update_state free_states[] = {
    {.name = "z", .is_lazy = true},
    {.name = "exp_avg_sq", .has = has_squares},
    {0},
};

static mm_update_fn free_select(void)
{
    return mmi_kernels_best()->schedule_free;
}

static const mm_update_rule free_rule = {
    .setting_size = sizeof(mmi_schedule_free_rule),
    .states = free_states,
    .read = free_read,
    .select = free_select,
    .apply = free_apply,
};

static const char *const state_options[] = {
    "k", "train_mode", "weight_sum", "lr_max", "scheduled_lr", NULL,
};

static const mm_optimizer_ops ops = {
    .defaults = free_defaults,
    .check = free_check,
    .rule = &free_rule,
    .begin_step = free_begin_step,
    .set_training = free_set_training,
    .is_training = free_is_training,
    .state_options = state_options,
};

#define MM_OPT_STRUCT struct schedule_free
#define RATE_ROW(value)                                                                \
    {                                                                                  \
        "lr", "learning rate", MM_OPT_F64(lr, value, 0.0, DBL_MAX)                     \
    }
#define WARMUP_ROW                                                                     \
    {                                                                                  \
        "warmup_steps", "steps in which the rate grows to lr",                         \
            MM_OPT_I64(warmup_steps, 0, 0, INT64_MAX)                                  \
    }
#define ADAM_ROWS                                                                      \
    {"betas", "place of the point of training; decay rate of the average of squares",  \
     MM_OPT_F64S(betas, "(0.9, 0.999)")},                                              \
    {                                                                                  \
        "eps", "added to the denominator", MM_OPT_F64(eps, 1e-8, 0.0, DBL_MAX)         \
    }
#define COMMON_ROWS                                                                    \
    {"weight_decay", "multiple of the weight added to its gradient",                   \
     MM_OPT_F64(weight_decay, 0.0, 0.0, DBL_MAX)},                                     \
        {"r", "power of the step count that an iterate weighs in the average",         \
         MM_OPT_F64(r, 0.0, -DBL_MAX, DBL_MAX)},                                       \
        {"weight_lr_power", "power of the largest rate that it weighs besides",        \
         MM_OPT_F64(weight_lr_power, 2.0, -DBL_MAX, DBL_MAX)},                         \
    {                                                                                  \
        "foreach", "accepted for schedulefree's sake", MM_OPT_VALUE(foreach)           \
    }

static const mm_option sgd_options[] = {
    RATE_ROW(1.0),
    {"momentum", "place of the point of training between average (1) and newest (0)",
     MM_OPT_F64(momentum, 0.9, 0.0, 1.0)},
    WARMUP_ROW,
    COMMON_ROWS,
    {0},
};
static const mm_option adamw_options[] = {
    RATE_ROW(0.0025), ADAM_ROWS, WARMUP_ROW, COMMON_ROWS, {0},
};
static const mm_option radam_options[] = {
    RATE_ROW(0.0025),
    ADAM_ROWS,
    COMMON_ROWS,
    {"silent_sgd_phase", "change no weights until there are squares enough",
     MM_OPT_BOOL(silent_sgd_phase, true)},
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmi_sgd_schedule_free = {
    .registry = "optimizers",
    .name = "SGDScheduleFree",
    .help = "SGD that needs no schedule",
    .source = "schedulefree/sgd_schedulefree.py",
    .size = sizeof(struct schedule_free),
    .options = sgd_options,
    .init = free_init,
    MM_OPTIMIZER(&ops),
};

const mm_component mmi_adamw_schedule_free = {
    .registry = "optimizers",
    .name = "AdamWScheduleFree",
    .help = "AdamW that needs no schedule",
    .source = "schedulefree/adamw_schedulefree.py",
    .size = sizeof(struct schedule_free),
    .options = adamw_options,
    .init = free_init,
    MM_OPTIMIZER(&ops),
};

const mm_component mmi_radam_schedule_free = {
    .registry = "optimizers",
    .name = "RAdamScheduleFree",
    .help = "RAdam that needs no schedule and no warmup",
    .source = "schedulefree/radam_schedulefree.py",
    .size = sizeof(struct schedule_free),
    .options = radam_options,
    .init = free_init,
    MM_OPTIMIZER(&ops),
};
