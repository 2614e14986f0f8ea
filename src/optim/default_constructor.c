/* The default division of parameters into groups. Without `paramwise_cfg` there is one
 * group with all parameters; with it there is one group per trainable parameter, in the
 * order of the module tree, whose learning rate and weight decay follow from rules
 * about names, layers and shapes. */
#include <string.h>

#include "mmengine/log.h"
#include "mmengine/memory.h"
#include "mmengine/ops.h"
#include "optim/builtin.h"
#include "optim/paramwise.h"

/* Types are checked by the table; values are read from the config (paramwise.h). */
struct constructor {
    mm_value *custom_keys;
    mm_maybe_f64 bias_lr_mult;
    mm_maybe_f64 bias_decay_mult;
    mm_maybe_f64 norm_decay_mult;
    mm_maybe_f64 dwconv_decay_mult;
    mm_maybe_f64 flat_decay_mult;
    mm_maybe_f64 dcn_offset_lr_mult;
    bool bypass_duplicate;
};

struct division {
    mmi_paramwise wise;
    mm_module *model;
    bool bypass_duplicate;
};

/* What the rules ask about a parameter. */
struct subject {
    const mmi_paramwise_param *param;
    bool is_bias;
    bool is_norm;
    bool is_dwconv;
    bool is_conv2d;
    bool is_dcn; /* inside a deformable convolution */
};

static bool is_dcn_type(const char *type)
{
    return strstr(type, "DeformConv2d") != NULL || strstr(type, "DCN") != NULL;
}

/* True if the parent of the module called `prefix` is a deformable convolution. */
static bool has_dcn_parent(mm_module *model, const char *prefix)
{
    const char *dot = strrchr(prefix, '.');
    char *parent_name = mm_strdup(prefix);

    if (parent_name == NULL || prefix[0] == '\0') {
        mm_free(parent_name);
        return false;
    }
    parent_name[dot != NULL ? dot - prefix : 0] = '\0';
    mm_module *parent = mm_module_find(model, parent_name);
    bool is_dcn = parent != NULL && is_dcn_type(mm_module_type(parent));

    mm_free(parent_name);
    return is_dcn;
}

static struct subject look_at(const struct division *division,
                              const mmi_paramwise_param *param)
{
    const char *type = mm_module_type(param->owner);
    bool is_conv2d = strstr(type, "Conv2d") != NULL && !is_dcn_type(type);
    mm_tensor *weight =
        is_conv2d ? mm_module_find_tensor(param->owner, "weight") : NULL;

    return (struct subject){
        .param = param,
        .is_bias = strcmp(param->name, "bias") == 0,
        .is_norm = mmi_paramwise_is_norm(param->owner),
        .is_conv2d = is_conv2d,
        /* in_channels == groups: one input channel per filter */
        .is_dwconv = weight != NULL && mm_ndim(weight) == 4 && mm_size(weight, 1) == 1,
        .is_dcn = has_dcn_parent(division->model, param->prefix),
    };
}

/* --- rules --- */

static void put_lr(const mmi_paramwise *wise, mm_value *options, const mm_value *mult)
{
    if (wise->base_lr != NULL) {
        mmi_paramwise_put(options, "lr", wise->base_lr, mult);
    } else if (mult != NULL) {
        mm_raise(MM_ECONFIG,
                 "paramwise_cfg: a multiplier of the learning rate needs an "
                 "lr in the optimizer");
    }
}

/* The options of a custom key decide everything. */
static void apply_custom(const mmi_paramwise *wise, const mm_value *entry,
                         mm_value *options)
{
    put_lr(wise, options, mm_dict_find(entry, "lr_mult"));
    if (wise->base_decay != NULL) {
        mmi_paramwise_put(options, "weight_decay", wise->base_decay,
                          mm_dict_find(entry, "decay_mult"));
    }
    for (size_t i = 0; i < mm_value_len(entry) && !mm_has_error(); i++) {
        mm_dict_put_key(options, mm_dict_key_at(entry, i), mm_dict_at(entry, i));
    }
}

static const mm_value *decay_rule(const mmi_paramwise *wise,
                                  const struct subject *subject)
{
    const mm_value *rule = NULL;

    if (subject->is_norm) {
        rule = mmi_paramwise_rule(wise, "norm_decay_mult");
    }
    if (rule == NULL && subject->is_bias && !subject->is_dcn) {
        rule = mmi_paramwise_rule(wise, "bias_decay_mult");
    }
    if (rule == NULL && subject->is_dwconv) {
        rule = mmi_paramwise_rule(wise, "dwconv_decay_mult");
    }
    if (rule == NULL && mm_ndim(subject->param->tensor) == 1 && !subject->is_dcn) {
        rule = mmi_paramwise_rule(wise, "flat_decay_mult");
    }
    return rule;
}

static void apply_rules(const mmi_paramwise *wise, const struct subject *subject,
                        mm_value *options)
{
    const mm_value *bias_lr = mmi_paramwise_rule(wise, "bias_lr_mult");
    const mm_value *dcn_lr = mmi_paramwise_rule(wise, "dcn_offset_lr_mult");
    const mm_value *decay = decay_rule(wise, subject);

    if (subject->is_bias && !subject->is_norm && !subject->is_dcn && bias_lr != NULL) {
        put_lr(wise, options, bias_lr);
    }
    if (subject->is_dcn && subject->is_conv2d && dcn_lr != NULL &&
        strstr(subject->param->prefix, "conv_offset") != NULL) {
        put_lr(wise, options, dcn_lr);
    }
    if (wise->base_decay != NULL && decay != NULL) {
        mmi_paramwise_put(options, "weight_decay", wise->base_decay, decay);
    }
}

static void log_options(const char *name, const mm_value *options)
{
    for (size_t i = 0; i < mm_value_len(options); i++) {
        const mm_value *value = mm_dict_at(options, i);
        char *text = mm_value_kind(value) == MM_KIND_STR
                         ? mm_strdup(mm_value_str(value))
                         : mm_value_repr(value);

        mm_log(MM_LOG_INFO, "paramwise_options -- %s:%s=%s", name,
               mm_dict_name_at(options, i), text != NULL ? text : "");
        mm_free(text);
    }
}

static mm_status add_param(struct division *division, const mmi_paramwise_param *param)
{
    mmi_paramwise *wise = &division->wise;
    mm_value *options = mm_value_new_dict();
    /* the rules see a dot in front of names at the root of the model */
    char *full_name = mm_strfmt("%s.%s", param->prefix, param->name);
    const mm_value *custom =
        full_name != NULL ? mmi_paramwise_custom(wise, full_name) : NULL;

    if (custom != NULL) {
        apply_custom(wise, custom, options);
    } else if (!mm_has_error()) {
        struct subject subject = look_at(division, param);

        apply_rules(wise, &subject, options);
    }
    if (mmi_paramwise_add(wise, param, options) >= 0) {
        log_options(param->dotted_name, options);
    }
    mm_free(full_name);
    mm_value_unref(options);
    return mm_pending();
}

static mm_status visit_param(void *user, const mmi_paramwise_param *param)
{
    struct division *division = user;

    if (param->first_name != NULL) {
        if (division->bypass_duplicate) {
            mm_log(MM_LOG_WARN,
                   "%s is duplicate. It is skipped since bypass_duplicate=True",
                   param->prefix);
        } else {
            mm_log(MM_LOG_WARN, "%s is the parameter '%s' again, it is updated once",
                   param->dotted_name, param->first_name);
        }
        return mm_pending();
    }
    if (!param->requires_grad) {
        mm_log(MM_LOG_WARN, "%s.%s is skipped since its requires_grad=False",
               param->prefix, param->name);
        return mm_pending();
    }
    return add_param(division, param);
}

static mm_status constructor_check(const mm_value *options, const mm_value *optimizer)
{
    static const char *const rules[] = {"bias_decay_mult", "norm_decay_mult",
                                        "dwconv_decay_mult", NULL};

    return mmi_paramwise_check(options, optimizer, true, rules);
}

static mm_status constructor_add_groups(void *self, mm_module *model,
                                        const mm_value *optimizer,
                                        mm_param_groups *groups)
{
    const struct constructor *constructor = self;
    struct division division = {.model = model,
                                .bypass_duplicate = constructor->bypass_duplicate};
    mmi_paramwise *wise = &division.wise;

    if (constructor_check(mm_instance_config(mm_instance_of(self)), optimizer) < 0 ||
        mmi_paramwise_init(wise, self, optimizer, true, groups) < 0) {
        return mm_pending();
    }
    if (wise->base_decay == NULL &&
        mmi_paramwise_rule(wise, "flat_decay_mult") != NULL) {
        mm_log(MM_LOG_WARN, "flat_decay_mult has no effect: the optimizer's config has "
                            "no weight_decay");
    }
    mmi_paramwise_each(wise, model, visit_param, &division);
    mmi_paramwise_deinit(wise);
    return mm_pending();
}

static const mm_optim_constructor_ops constructor_ops = {
    .add_groups = constructor_add_groups,
    .check = constructor_check,
    .only_with_options = true,
};

#define MM_OPT_STRUCT struct constructor
#define MULTIPLIER(field) MM_OPT_F64_OR_NONE(field, -1e308, 1e308)
static const mm_option constructor_options[] = {
    {"custom_keys", "part of a name -> dict(lr_mult, decay_mult, any option)",
     MM_OPT_VALUE(custom_keys)},
    {"bias_lr_mult", "lr multiplier of biases outside normalisation",
     MULTIPLIER(bias_lr_mult)},
    {"bias_decay_mult", "weight decay multiplier of biases",
     MULTIPLIER(bias_decay_mult)},
    {"norm_decay_mult", "weight decay multiplier of normalisation layers",
     MULTIPLIER(norm_decay_mult)},
    {"dwconv_decay_mult", "weight decay multiplier of depth-wise convolutions",
     MULTIPLIER(dwconv_decay_mult)},
    {"flat_decay_mult", "weight decay multiplier of other one-dimensional parameters",
     MULTIPLIER(flat_decay_mult)},
    {"dcn_offset_lr_mult", "lr multiplier of offsets in deformable convolutions",
     MULTIPLIER(dcn_offset_lr_mult)},
    {"bypass_duplicate", "shared parameters are meant; they are never added twice",
     MM_OPT_BOOL(bypass_duplicate, false)},
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmi_default_constructor = {
    .registry = "optim_wrapper_constructors",
    .name = "DefaultOptimWrapperConstructor",
    .help = "one group of parameters, or one each with multipliers by rules",
    .source = "mmengine/optim/optimizer/default_constructor.py",
    .size = sizeof(struct constructor),
    .options = constructor_options,
    MM_OPTIM_CONSTRUCTOR(&constructor_ops),
};
