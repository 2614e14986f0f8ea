/* Learning rates that decay by layers: a parameter's is the base times
 * layer_decay_rate to the power of the layers that come after it. The model says how
 * deep a parameter lies. One group per trainable parameter, with weight decay by rules.
 * Source: mmpretrain/engine/optimizers/layer_decay_optim_wrapper_constructor.py. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/str.h"
#include "mmengine/log.h"
#include "mmengine/memory.h"
#include "mmengine/number.h"
#include "mmengine/ops.h"
#include "optim/builtin.h"
#include "optim/paramwise.h"

/* Types are checked by the table; multipliers are read from the config. */
struct layer_decay {
    double rate;
    mm_value *custom_keys;
    mm_maybe_f64 bias_decay_mult;
    mm_maybe_f64 norm_decay_mult;
    mm_maybe_f64 flat_decay_mult;
};

struct division {
    mmi_paramwise wise;
    mm_module *model;
    double rate;
};

/* --- one parameter --- */

static const mm_value *decay_rule(const mmi_paramwise *wise,
                                  const mmi_paramwise_param *param)
{
    const mm_value *rule = NULL;

    if (mmi_paramwise_is_norm(param->owner)) {
        rule = mmi_paramwise_rule(wise, "norm_decay_mult");
    }
    if (rule == NULL && strcmp(param->name, "bias") == 0) {
        rule = mmi_paramwise_rule(wise, "bias_decay_mult");
    }
    if (rule == NULL && mm_ndim(param->tensor) == 1) {
        rule = mmi_paramwise_rule(wise, "flat_decay_mult");
    }
    return rule;
}

static void put_custom(mm_value *options, const mm_value *entry)
{
    for (size_t i = 0; i < mm_value_len(entry) && !mm_has_error(); i++) {
        if (strcmp(mm_dict_name_at(entry, i), "decay_mult") != 0) {
            mm_dict_put_key(options, mm_dict_key_at(entry, i), mm_dict_at(entry, i));
        }
    }
}

static void put_decay(const mmi_paramwise *wise, const mmi_paramwise_param *param,
                      mm_value *options)
{
    const mm_value *custom = mmi_paramwise_custom(wise, param->dotted_name);
    const mm_value *rule = custom != NULL ? NULL : decay_rule(wise, param);

    if (wise->base_decay == NULL) {
        return;
    }
    if (custom != NULL) {
        mmi_paramwise_put(options, "weight_decay", wise->base_decay,
                          mm_dict_find(custom, "decay_mult"));
        put_custom(options, custom);
    } else if (rule != NULL) {
        mmi_paramwise_put(options, "weight_decay", wise->base_decay, rule);
    } else {
        mm_value *copy = mm_value_copy(wise->base_decay);

        mm_dict_take(options, "weight_decay", copy);
    }
}

static mm_status visit_param(void *user, const mmi_paramwise_param *param)
{
    struct division *division = user;
    mm_layer_depth depth = {0, 1};

    if (!param->requires_grad) {
        return mm_pending();
    }
    if (param->first_name != NULL) {
        mm_log(MM_LOG_WARN, "%s is the parameter '%s' again, it is updated once",
               param->dotted_name, param->first_name);
        return mm_pending();
    }
    if (mm_module_layer_depth(division->model, param->dotted_name, "", &depth) < 0) {
        return mm_pending();
    }
    double scale = pow(division->rate, (double)(depth.count - depth.depth - 1));
    mm_value *options = mm_value_new_dict();
    double lr = mm_value_f64(division->wise.base_lr) * scale;

    put_decay(&division->wise, param, options);
    mm_dict_put_f64(options, "lr", lr);
    mm_dict_put_f64(options, "lr_scale", scale);
    mm_dict_put_i64(options, "layer_id", depth.depth);
    mm_dict_put_str(options, "param_name", param->dotted_name);
    mmi_paramwise_add(&division->wise, param, options);
    mm_value_unref(options);
    return mm_pending();
}

/* --- what is logged --- */

/* Python's '.3g' of an option; nothing if the group has none. */
static void add_short(mmi_str *text, const mm_value *options, const char *key)
{
    const mm_value *value = mm_dict_find(options, key);
    char number[MM_F64_TEXT_SIZE];

    if (value != NULL &&
        (mm_value_kind(value) == MM_KIND_F64 || mm_value_kind(value) == MM_KIND_I64)) {
        mm_f64_format_general(mm_value_f64(value), 3, number, sizeof number);
        mmi_str_add(text, number);
    }
}

static int64_t layer_of(const mm_param_groups *groups, size_t group)
{
    return mm_value_i64(
        mm_dict_get(mm_param_groups_options(groups, group), "layer_id"));
}

/* All groups of the layer that group `first` is the first of. */
static void log_layer(const mm_param_groups *groups, size_t first)
{
    int64_t layer = layer_of(groups, first);
    mmi_str text = {0};

    mmi_str_addf(&text, "layer %" PRId64 " params (lr=", layer);
    add_short(&text, mm_param_groups_options(groups, first), "lr");
    mmi_str_add(&text, ", lr_scale=");
    add_short(&text, mm_param_groups_options(groups, first), "lr_scale");
    mmi_str_add(&text, "):");
    for (size_t i = first; i < mm_param_groups_count(groups); i++) {
        const mm_value *options = mm_param_groups_options(groups, i);

        if (layer_of(groups, i) == layer) {
            mmi_str_addf(&text, "\n\t%s: weight_decay=",
                         mm_value_str(mm_dict_get(options, "param_name")));
            add_short(&text, options, "weight_decay");
        }
    }
    mm_log(MM_LOG_DEBUG, "%s", mmi_str_text(&text));
    mmi_str_deinit(&text);
}

/* Layer by layer, in the order in which they came up. */
static void log_layers(const mm_param_groups *groups)
{
    for (size_t i = 0; i < mm_param_groups_count(groups) && !mm_has_error(); i++) {
        bool is_first = true;

        for (size_t k = 0; k < i && is_first; k++) {
            is_first = layer_of(groups, k) != layer_of(groups, i);
        }
        if (is_first) {
            log_layer(groups, i);
        }
    }
}

/* --- the component --- */

static mm_status layer_decay_check(const mm_value *options, const mm_value *optimizer)
{
    static const char *const rules[] = {"bias_decay_mult", "norm_decay_mult",
                                        "flat_decay_mult", NULL};

    return mmi_paramwise_check(options, optimizer, false, rules);
}

static mm_status layer_decay_add_groups(void *self, mm_module *model,
                                        const mm_value *optimizer,
                                        mm_param_groups *groups)
{
    const struct layer_decay *constructor = self;
    struct division division = {.model = model, .rate = constructor->rate};

    if (layer_decay_check(mm_instance_config(mm_instance_of(self)), optimizer) < 0 ||
        mmi_paramwise_init(&division.wise, self, optimizer, false, groups) < 0) {
        return mm_pending();
    }
    if (division.wise.base_lr == NULL) {
        mm_raise(MM_ECONFIG, "learning rates that decay by layers need an lr in the "
                             "optimizer");
        mm_error_hint("optimizer=dict(type=..., lr=4e-3, weight_decay=0.05)");
    } else {
        mmi_paramwise_each(&division.wise, model, visit_param, &division);
    }
    if (!mm_has_error() && mm_log_is_on(MM_LOG_DEBUG)) {
        log_layers(groups);
    }
    mmi_paramwise_deinit(&division.wise);
    return mm_pending();
}

static const mm_optim_constructor_ops layer_decay_ops = {
    .add_groups = layer_decay_add_groups,
    .check = layer_decay_check,
    .only_with_options = true,
};

#define MM_OPT_STRUCT struct layer_decay
#define MULTIPLIER(field) MM_OPT_F64_OR_NONE(field, -1e308, 1e308)
static const mm_option layer_decay_options[] = {
    {"layer_decay_rate", "factor of the learning rate from a layer to the one before",
     MM_OPT_F64(rate, 1.0, 0.0, 1e308)},
    {"custom_keys", "part of a name -> dict(decay_mult, any option)",
     MM_OPT_VALUE(custom_keys)},
    {"bias_decay_mult", "weight decay multiplier of biases",
     MULTIPLIER(bias_decay_mult)},
    {"norm_decay_mult", "weight decay multiplier of normalisation layers",
     MULTIPLIER(norm_decay_mult)},
    {"flat_decay_mult", "weight decay multiplier of other one-dimensional parameters",
     MULTIPLIER(flat_decay_mult)},
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmi_layer_decay_constructor = {
    .registry = "optim_wrapper_constructors",
    .scope = "mmpretrain",
    .name = "LearningRateDecayOptimWrapperConstructor",
    .help = "one group per parameter, with learning rates that decay by layers",
    .source = "mmpretrain/engine/optimizers/layer_decay_optim_wrapper_constructor.py",
    .size = sizeof(struct layer_decay),
    .options = layer_decay_options,
    MM_OPTIM_CONSTRUCTOR(&layer_decay_ops),
};
