/* The shared part of constructors with rules. Numbers are taken as the config wrote
 * them, since an int times an int is an int in Python, and is logged as one. */
#include "optim/paramwise.h"

#include <string.h>

#include "mmengine/log.h"
#include "mmengine/memory.h"
#include "mmengine/ops.h"
#include "nn/walk.h"

static bool is_number(const mm_value *value)
{
    mm_kind kind = mm_value_kind(value);

    return kind == MM_KIND_F64 || kind == MM_KIND_I64 || kind == MM_KIND_BOOL;
}

static const mm_value *number_or_null(const mm_value *dict, const char *key)
{
    const mm_value *value = dict != NULL ? mm_dict_find(dict, key) : NULL;

    return is_number(value) ? value : NULL;
}

static const mm_value *rule_of(const mm_value *rules, const char *rule)
{
    const mm_value *value = rules != NULL ? mm_dict_find(rules, rule) : NULL;

    return mm_value_is_none(value) ? NULL : value;
}

/* --- checks --- */

/* A check under way. */
struct check {
    const mm_value *rules;
    bool has_decay;
    bool lr_mult;
};

static mm_status need_decay(const struct check *check, const char *what,
                            const mm_source *source)
{
    if (check->has_decay) {
        return mm_pending();
    }
    mm_raise(MM_ECONFIG, "paramwise_cfg: %s needs a weight_decay in the optimizer",
             what);
    mm_error_locate(source);
    return mm_error_hint("weight_decay=0.0 is enough if there is to be none");
}

static mm_status check_mult(const mm_value *entry, const char *key, const char *rule)
{
    const mm_value *value = mm_dict_find(entry, rule);

    if (value == NULL || is_number(value)) {
        return mm_pending();
    }
    mm_raise(MM_ECONFIG,
             "paramwise_cfg: %s of custom key '%s' is %s: a number is needed", rule,
             key, mm_value_type_name(value));
    return mm_error_locate(mm_dict_source(entry, rule));
}

static mm_status check_entry(const struct check *check, const mm_value *entry,
                             const char *key)
{
    if (check_mult(entry, key, "decay_mult") < 0 ||
        (check->lr_mult && check_mult(entry, key, "lr_mult") < 0)) {
        return mm_pending();
    }
    for (size_t i = 0; i < mm_value_len(entry); i++) {
        if (mm_dict_name_at(entry, i) == NULL) {
            return mm_raise(MM_ECONFIG,
                            "paramwise_cfg: an option of custom key '%s' is no string",
                            key);
        }
    }
    return mm_dict_has(entry, "decay_mult")
               ? need_decay(check, "custom_keys with decay_mult",
                            mm_dict_source(entry, "decay_mult"))
               : mm_pending();
}

static mm_status check_custom_keys(const struct check *check)
{
    const mm_value *custom = rule_of(check->rules, "custom_keys");

    if (custom == NULL) {
        return mm_pending();
    }
    if (mm_value_kind(custom) != MM_KIND_DICT) {
        mm_raise(MM_ECONFIG, "paramwise_cfg: custom_keys is %s: a dict is needed",
                 mm_value_type_name(custom));
        return mm_error_locate(mm_dict_source(check->rules, "custom_keys"));
    }
    for (size_t i = 0; i < mm_value_len(custom) && !mm_has_error(); i++) {
        const char *key = mm_dict_name_at(custom, i);
        const mm_value *entry = mm_dict_at(custom, i);

        if (key == NULL || mm_value_kind(entry) != MM_KIND_DICT) {
            mm_raise(MM_ECONFIG,
                     "paramwise_cfg: custom_keys maps parts of names to dicts, '%s' is "
                     "%s",
                     key != NULL ? key : "?", mm_value_type_name(entry));
            mm_error_locate(mm_dict_source_at(custom, i));
            return mm_error_hint("'backbone': dict(lr_mult=0.1)");
        }
        check_entry(check, entry, key);
    }
    return mm_pending();
}

static const mm_value *decay_of(const mm_value *optimizer)
{
    return mm_value_kind(optimizer) == MM_KIND_DICT
               ? number_or_null(optimizer, "weight_decay")
               : NULL;
}

mm_status mmi_paramwise_check(const mm_value *rules, const mm_value *optimizer,
                              bool lr_mult, const char *const *decay_rules)
{
    struct check check = {rules, decay_of(optimizer) != NULL, lr_mult};

    check_custom_keys(&check);
    for (size_t i = 0; decay_rules[i] != NULL && !mm_has_error(); i++) {
        if (rule_of(rules, decay_rules[i]) != NULL) {
            need_decay(&check, decay_rules[i], mm_dict_source(rules, decay_rules[i]));
        }
    }
    return mm_pending();
}

/* --- slips --- */

/* An option of a custom key that is neither a multiplier nor the optimizer's goes into
 * the group unread; one that looks like a slip is worth a word. */
static void look_at_option(const mmi_paramwise *wise, const char *key,
                           const char *option, bool lr_mult)
{
    static const char *const rules[] = {"lr_mult", "decay_mult"};
    const char *near = mm_suggest(option, rules, 2);

    if (near == NULL || strcmp(option, "decay_mult") == 0 ||
        mm_dict_has(mm_param_groups_defaults(wise->groups), option)) {
        return;
    }
    if (strcmp(option, "lr_mult") != 0) {
        mm_log(MM_LOG_WARN,
               "custom_keys '%s': '%s' is no rule and no option of the optimizer, did "
               "you mean '%s'?",
               key, option, near);
    } else if (!lr_mult) {
        mm_log(
            MM_LOG_WARN,
            "custom_keys '%s': lr_mult has no effect, the learning rate follows from "
            "the layer",
            key);
    }
}

static void look_at_options(const mmi_paramwise *wise, bool lr_mult)
{
    const mm_value *custom = wise->custom_keys;

    for (size_t i = 0; custom != NULL && i < mm_value_len(custom); i++) {
        const mm_value *entry = mm_dict_at(custom, i);

        for (size_t k = 0; k < mm_value_len(entry); k++) {
            look_at_option(wise, mm_dict_name_at(custom, i), mm_dict_name_at(entry, k),
                           lr_mult);
        }
    }
}

mm_status mmi_paramwise_init(mmi_paramwise *wise, const void *self,
                             const mm_value *optimizer, bool lr_mult,
                             mm_param_groups *groups)
{
    wise->rules = mm_instance_config(mm_instance_of(self));
    wise->groups = groups;
    wise->custom_keys = mmi_paramwise_rule(wise, "custom_keys");
    wise->base_lr = number_or_null(mm_param_groups_defaults(groups), "lr");
    wise->base_decay = decay_of(optimizer);
    size_t count = wise->custom_keys != NULL ? mm_value_len(wise->custom_keys) : 0;

    wise->is_used = mm_alloc_array(count + 1, sizeof *wise->is_used);
    if (!mm_has_error()) {
        look_at_options(wise, lr_mult);
    }
    return mm_pending();
}

void mmi_paramwise_deinit(mmi_paramwise *wise)
{
    mm_free(wise->is_used);
    wise->is_used = NULL;
}

/* --- rules --- */

const mm_value *mmi_paramwise_rule(const mmi_paramwise *wise, const char *rule)
{
    const mm_value *value =
        wise->rules != NULL ? mm_dict_find(wise->rules, rule) : NULL;

    return mm_value_is_none(value) ? NULL : value;
}

static bool goes_before(const char *a, const char *b)
{
    size_t x = strlen(a);
    size_t y = strlen(b);

    return x != y ? x > y : strcmp(a, b) < 0;
}

const mm_value *mmi_paramwise_custom(const mmi_paramwise *wise, const char *name)
{
    size_t count = wise->custom_keys != NULL ? mm_value_len(wise->custom_keys) : 0;
    const char *best = NULL;
    const mm_value *entry = NULL;

    for (size_t i = 0; i < count; i++) {
        const char *key = mm_dict_name_at(wise->custom_keys, i);

        if (strstr(name, key) == NULL) {
            continue;
        }
        wise->is_used[i] = true;
        if (best == NULL || goes_before(key, best)) {
            best = key;
            entry = mm_dict_at(wise->custom_keys, i);
        }
    }
    return entry;
}

void mmi_paramwise_put(mm_value *options, const char *key, const mm_value *base,
                       const mm_value *mult)
{
    const int64_t most = INT32_MAX;
    bool is_int = mult != NULL && mm_value_kind(mult) != MM_KIND_F64 &&
                  mm_value_kind(base) != MM_KIND_F64;
    double product = mm_value_f64(base) * (mult != NULL ? mm_value_f64(mult) : 1.0);

    if (is_int && product >= (double)-most && product <= (double)most) {
        mm_dict_put_i64(options, key, (int64_t)product);
    } else {
        mm_dict_put_f64(options, key, product);
    }
}

bool mmi_paramwise_is_norm(const mm_module *module)
{
    static const char *const parts[] = {"BatchNorm", "InstanceNorm", "GroupNorm",
                                        "LayerNorm"};
    const char *type = mm_module_type(module);

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (strstr(type, parts[i]) != NULL) {
            return true;
        }
    }
    return false;
}

/* --- the walk --- */

struct visit {
    mmi_paramwise *wise;
    mm_status (*function)(void *user, const mmi_paramwise_param *param);
    void *user;
};

static const char *name_in_groups(const mm_param_groups *groups,
                                  const mm_tensor *tensor)
{
    for (size_t i = 0; i < mm_param_groups_num_params(groups); i++) {
        if (mm_param_groups_param(groups, i) == tensor) {
            return mm_param_groups_name(groups, i);
        }
    }
    return NULL;
}

static mm_status visit_slot(const struct visit *visit, const char *prefix,
                            const struct mmi_slot *slot, mm_module *owner)
{
    mm_tensor_info info;
    char *name = mm_strfmt("%s%s%s", prefix, prefix[0] != '\0' ? "." : "", slot->name);

    if (name != NULL && mm_tensor_info_get(slot->tensor, &info) == MM_OK) {
        visit->function(visit->user, &(mmi_paramwise_param){
                                         .dotted_name = name,
                                         .prefix = prefix,
                                         .name = slot->name,
                                         .tensor = slot->tensor,
                                         .owner = owner,
                                         .first_name = name_in_groups(
                                             visit->wise->groups, slot->tensor),
                                         .requires_grad = info.requires_grad,
                                     });
    }
    mm_free(name);
    return mm_pending();
}

static mm_status visit_module(struct mmi_walk *walk, mm_module *module)
{
    for (size_t i = 0; i < module->params.count && !mm_has_error(); i++) {
        if (module->params.items[i].tensor != NULL) {
            visit_slot(walk->user, walk->path, &module->params.items[i], module);
        }
    }
    return mm_pending();
}

static void tell_unused(const mmi_paramwise *wise)
{
    size_t count = wise->custom_keys != NULL ? mm_value_len(wise->custom_keys) : 0;

    for (size_t i = 0; i < count && !mm_has_error(); i++) {
        if (!wise->is_used[i]) {
            mm_log(MM_LOG_INFO, "custom_keys '%s' is part of no parameter's name",
                   mm_dict_name_at(wise->custom_keys, i));
        }
    }
}

mm_status mmi_paramwise_each(mmi_paramwise *wise, mm_module *model,
                             mm_status (*visit)(void *user,
                                                const mmi_paramwise_param *param),
                             void *user)
{
    struct visit inner = {wise, visit, user};

    mmi_walk(&(struct mmi_walk){.visit = visit_module, .user = &inner}, model);
    tell_unused(wise);
    return mm_pending();
}

mm_status mmi_paramwise_add(mmi_paramwise *wise, const mmi_paramwise_param *param,
                            const mm_value *options)
{
    if (mm_has_error() || mm_param_groups_add(wise->groups, options) < 0) {
        return mm_pending();
    }
    return mm_param_groups_add_param(wise->groups, param->dotted_name, param->tensor);
}
