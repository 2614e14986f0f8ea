/* The default division of parameters into groups, and the building of a wrapper from a
 * config. Without `paramwise_cfg` there is one group with all parameters; with it there
 * is one group per trainable parameter, in the order of the module tree, whose learning
 * rate and weight decay follow from rules about names, layers and shapes. */
#include <string.h>

#include "mmengine/log.h"
#include "mmengine/memory.h"
#include "mmengine/ops.h"
#include "optim/builtin.h"
#include "optim/optim_wrapper.h"
#include "optim/optimizer.h"

struct constructor {
    mm_value *custom_keys; /* dict or NULL */
    mm_maybe_f64 bias_lr_mult;
    mm_maybe_f64 bias_decay_mult;
    mm_maybe_f64 norm_decay_mult;
    mm_maybe_f64 dwconv_decay_mult;
    mm_maybe_f64 flat_decay_mult;
    mm_maybe_f64 dcn_offset_lr_mult;
    bool bypass_duplicate;
};

/* A walk over the model's parameters. */
struct walk {
    const struct constructor *rules;
    mm_module *model;
    mm_param_groups *groups;
    double base_lr;
    mm_maybe_f64 base_decay; /* absent unless the config names it */
    const char **keys;       /* of custom_keys: longest first, then by the alphabet */
    size_t num_keys;
};

/* What the rules ask about a parameter. */
struct subject {
    const char *full_name; /* "backbone.conv1.weight"; ".weight" at the root */
    const char *name;      /* "weight" */
    mm_tensor *tensor;
    bool is_norm;
    bool is_dwconv;
    bool is_conv2d;
    bool is_dcn; /* inside a deformable convolution */
};

static mm_status need_decay(const mm_value *optimizer, const char *what)
{
    if (optimizer == NULL ||
        mm_value_is_none(mm_dict_find(optimizer, "weight_decay"))) {
        mm_raise(MM_ECONFIG, "paramwise_cfg: %s needs a weight_decay in the optimizer",
                 what);
        return mm_error_hint("weight_decay=0.0 is enough if there is to be none");
    }
    return mm_pending();
}

static mm_status check_rules(const struct constructor *rules, const mm_value *optimizer)
{
    const mm_value *custom = rules->custom_keys;

    if (custom != NULL && mm_value_kind(custom) != MM_KIND_DICT) {
        return mm_raise(MM_ECONFIG,
                        "paramwise_cfg: custom_keys is %s: a dict is needed",
                        mm_value_type_name(custom));
    }
    for (size_t i = 0; custom != NULL && i < mm_value_len(custom); i++) {
        const mm_value *entry = mm_dict_at(custom, i);

        if (mm_dict_name_at(custom, i) == NULL ||
            mm_value_kind(entry) != MM_KIND_DICT) {
            mm_raise(MM_ECONFIG,
                     "paramwise_cfg: custom_keys maps names to dicts, entry %zu does "
                     "not",
                     i);
            return mm_error_locate(mm_dict_source_at(custom, i));
        }
        if (mm_dict_has(entry, "decay_mult") &&
            need_decay(optimizer, "custom_keys with decay_mult") < 0) {
            return mm_pending();
        }
    }
    if (rules->bias_decay_mult.has || rules->norm_decay_mult.has ||
        rules->dwconv_decay_mult.has || rules->flat_decay_mult.has) {
        return need_decay(optimizer, "a decay multiplier");
    }
    return mm_pending();
}

static bool goes_before(const char *a, const char *b)
{
    size_t x = strlen(a);
    size_t y = strlen(b);

    return x != y ? x > y : strcmp(a, b) < 0;
}

static mm_status sort_keys(struct walk *walk)
{
    const mm_value *custom = walk->rules->custom_keys;

    if (custom == NULL) {
        return MM_OK;
    }
    size_t count = mm_value_len(custom);

    walk->keys = mm_alloc_array(count + 1, sizeof *walk->keys);
    for (size_t i = 0; walk->keys != NULL && i < count; i++) {
        const char *key = mm_dict_name_at(custom, i);
        size_t at = i;

        for (; at > 0 && goes_before(key, walk->keys[at - 1]); at--) {
            walk->keys[at] = walk->keys[at - 1];
        }
        walk->keys[at] = key;
    }
    walk->num_keys = count;
    return mm_pending();
}

static bool is_in(const char *text, const char *const *table)
{
    for (size_t i = 0; table[i] != NULL; i++) {
        if (strstr(text, table[i]) != NULL) {
            return true;
        }
    }
    return false;
}

/* Layers by the names of their components; mmcv registers some under short ones. */
static bool is_norm_type(const char *type)
{
    static const char *const parts[] = {"BatchNorm", "InstanceNorm", "GroupNorm",
                                        "LayerNorm", NULL};
    static const char *const shorts[] = {"BN",     "BN1d", "BN2d", "BN3d",
                                         "SyncBN", "GN",   "LN",   "LN2d",
                                         "IN",     "IN1d", "IN2d", "IN3d"};

    for (size_t i = 0; i < sizeof shorts / sizeof *shorts; i++) {
        if (strcmp(type, shorts[i]) == 0) {
            return true;
        }
    }
    return is_in(type, parts);
}

static bool is_dcn_type(const char *type)
{
    static const char *const parts[] = {"DeformConv2d", "DCN", NULL};

    return is_in(type, parts);
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

static void put_product(mm_value *options, const char *key, double base, double mult)
{
    mm_dict_put_f64(options, key, base * mult);
}

static double multiplier(const mm_value *entry, const char *key)
{
    const mm_value *value = mm_dict_find(entry, key);

    return value != NULL ? mm_value_f64(value) : 1.0;
}

/* The first custom key that is part of the name decides everything. */
static bool apply_custom(const struct walk *walk, const struct subject *subject,
                         mm_value *options)
{
    for (size_t i = 0; i < walk->num_keys; i++) {
        if (strstr(subject->full_name, walk->keys[i]) == NULL) {
            continue;
        }
        const mm_value *entry = mm_dict_find(walk->rules->custom_keys, walk->keys[i]);

        put_product(options, "lr", walk->base_lr, multiplier(entry, "lr_mult"));
        if (walk->base_decay.has) {
            put_product(options, "weight_decay", walk->base_decay.value,
                        multiplier(entry, "decay_mult"));
        }
        for (size_t k = 0; k < mm_value_len(entry); k++) {
            mm_dict_put_key(options, mm_dict_key_at(entry, k), mm_dict_at(entry, k));
        }
        return true;
    }
    return false;
}

static const mm_maybe_f64 *decay_rule(const struct constructor *rules,
                                      const struct subject *subject)
{
    bool is_bias = strcmp(subject->name, "bias") == 0;

    if (subject->is_norm && rules->norm_decay_mult.has) {
        return &rules->norm_decay_mult;
    }
    if (is_bias && !subject->is_dcn && rules->bias_decay_mult.has) {
        return &rules->bias_decay_mult;
    }
    if (subject->is_dwconv && rules->dwconv_decay_mult.has) {
        return &rules->dwconv_decay_mult;
    }
    if (mm_ndim(subject->tensor) == 1 && !subject->is_dcn &&
        rules->flat_decay_mult.has) {
        return &rules->flat_decay_mult;
    }
    return NULL;
}

static void apply_rules(const struct walk *walk, const struct subject *subject,
                        mm_value *options)
{
    const struct constructor *rules = walk->rules;
    bool is_bias = strcmp(subject->name, "bias") == 0;

    if (is_bias && !subject->is_norm && !subject->is_dcn && rules->bias_lr_mult.has) {
        put_product(options, "lr", walk->base_lr, rules->bias_lr_mult.value);
    }
    if (subject->is_dcn && subject->is_conv2d && rules->dcn_offset_lr_mult.has &&
        strstr(subject->full_name, "conv_offset") != NULL) {
        put_product(options, "lr", walk->base_lr, rules->dcn_offset_lr_mult.value);
    }
    const mm_maybe_f64 *decay = decay_rule(rules, subject);

    if (walk->base_decay.has && decay != NULL) {
        put_product(options, "weight_decay", walk->base_decay.value, decay->value);
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

static mm_status add_param(struct walk *walk, const char *dotted_name,
                           const struct subject *subject)
{
    mm_value *options = mm_value_new_dict();

    if (!apply_custom(walk, subject, options)) {
        apply_rules(walk, subject, options);
    }
    if (!mm_has_error() && mm_param_groups_add(walk->groups, options) >= 0 &&
        mm_param_groups_add_param(walk->groups, dotted_name, subject->tensor) >= 0) {
        log_options(dotted_name, options);
    }
    mm_value_unref(options);
    return mm_pending();
}

/* The name as MMEngine's rules see it: with a dot in front at the root of the model. */
static char *name_for_rules(const char *dotted_name)
{
    return strchr(dotted_name, '.') != NULL ? mm_strdup(dotted_name)
                                            : mm_strfmt(".%s", dotted_name);
}

static mm_status visit_param(void *user, const char *dotted_name, mm_tensor *tensor,
                             mm_module *owner)
{
    struct walk *walk = user;
    mm_tensor_info info;
    char *full_name = name_for_rules(dotted_name);

    if (full_name == NULL || mm_tensor_info_get(tensor, &info) < 0) {
        mm_free(full_name);
        return mm_pending();
    }
    if (!info.requires_grad) {
        mm_log(MM_LOG_WARN, "%s is skipped since its requires_grad=False", dotted_name);
        mm_free(full_name);
        return MM_OK;
    }
    char *dot = strrchr(full_name, '.');
    const char *type = mm_module_type(owner);
    bool is_conv2d = strstr(type, "Conv2d") != NULL && !is_dcn_type(type);

    *dot = '\0'; /* for a moment: the prefix */
    bool is_dcn = has_dcn_parent(walk->model, full_name);

    *dot = '.';
    mm_tensor *weight = is_conv2d ? mm_module_find_tensor(owner, "weight") : NULL;
    struct subject subject = {
        .full_name = full_name,
        .name = dot + 1,
        .tensor = tensor,
        .is_norm = is_norm_type(type),
        .is_conv2d = is_conv2d,
        /* in_channels == groups: one input channel per filter */
        .is_dwconv = weight != NULL && mm_ndim(weight) == 4 && mm_size(weight, 1) == 1,
        .is_dcn = is_dcn,
    };
    mm_status status =
        mm_has_error() ? mm_pending() : add_param(walk, dotted_name, &subject);

    mm_free(full_name);
    return status;
}

static mm_status constructor_add_groups(void *self, mm_module *model,
                                        const mm_value *optimizer,
                                        mm_param_groups *groups)
{
    struct walk walk = {.rules = self, .model = model, .groups = groups};

    if (check_rules(self, optimizer) < 0 || sort_keys(&walk) < 0) {
        mm_free(walk.keys);
        return mm_pending();
    }
    const mm_value *defaults = mm_param_groups_defaults(groups);
    const mm_value *decay =
        optimizer != NULL ? mm_dict_find(optimizer, "weight_decay") : NULL;

    if (mm_dict_has(defaults, "lr")) {
        walk.base_lr = mm_value_f64(mm_dict_get(defaults, "lr"));
    }
    if (!mm_value_is_none(decay)) {
        walk.base_decay = (mm_maybe_f64){true, mm_value_f64(decay)};
    }
    mm_module_each_param(model, visit_param, &walk);
    mm_free(walk.keys);
    return mm_pending();
}

static const mm_optim_constructor_ops constructor_ops = {
    .add_groups = constructor_add_groups,
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
    {"bypass_duplicate", "accepted: a shared parameter is never added twice",
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

static mm_status add_plainly(void *user, const char *dotted_name, mm_tensor *tensor,
                             mm_module *owner)
{
    (void)owner;
    return mm_param_groups_add_param(user, dotted_name, tensor);
}

static mm_status add_by_rules(const mm_optim_wrapper_settings *settings,
                              mm_module *model, const char *scope,
                              mm_param_groups *groups)
{
    mm_value *config = settings->paramwise_cfg != NULL
                           ? mm_value_copy(settings->paramwise_cfg)
                           : mm_value_new_dict();
    mm_instance *instance = NULL;

    mm_dict_put_str(config, "type", settings->constructor);
    instance = mm_build(&(mm_build_args){
        .registry = "optim_wrapper_constructors",
        .config = config,
        .scope = scope,
        .path = "optim_wrapper.paramwise_cfg",
        .interface = MM_INTERFACE_OPTIM_CONSTRUCTOR,
    });
    if (instance != NULL) {
        const mm_optim_constructor_ops *ops =
            mm_instance_ops(instance, MM_INTERFACE_OPTIM_CONSTRUCTOR);

        ops->add_groups(mm_instance_self(instance), model,
                        mm_instance_config(settings->optimizer), groups);
    }
    mm_instance_unref(instance);
    mm_value_unref(config);
    return mm_pending();
}

mm_status mmi_add_groups(const mm_optim_wrapper_settings *settings, mm_module *model,
                         const char *scope, mm_param_groups *groups)
{
    bool is_default = strcmp(settings->constructor, mmi_default_constructor.name) == 0;

    if (is_default && !mm_value_is_true(settings->paramwise_cfg)) {
        if (mm_param_groups_add(groups, NULL) >= 0) {
            mm_module_each_param(model, add_plainly, groups);
        }
        return mm_pending();
    }
    return add_by_rules(settings, model, scope, groups);
}
