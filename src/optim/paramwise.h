/** @file
 * What constructors that divide parameters by rules share: the rules as the config
 * wrote them, the walk over the model, custom keys, products as Python computes them.
 */
#ifndef MMI_OPTIM_PARAMWISE_H
#define MMI_OPTIM_PARAMWISE_H

#include "mmengine/optim.h"

/** A division under way. Zero, then mmi_paramwise_init(). All values are borrowed. */
typedef struct mmi_paramwise {
    const mm_value *rules;       /**< the constructor's config */
    const mm_value *custom_keys; /**< dict of dicts, or NULL */
    const mm_value *base_lr;     /**< a number, or NULL: the optimizer has none */
    const mm_value *base_decay;  /**< a number, or NULL: the config names none */
    mm_param_groups *groups;
    bool *is_used; /**< for each custom key: part of some name; ours */
} mmi_paramwise;

/** A parameter under its name; a shared one comes under each of its names. */
typedef struct mmi_paramwise_param {
    const char *dotted_name; /**< "backbone.conv1.weight" */
    const char *prefix;      /**< "backbone.conv1"; "" at the root */
    const char *name;        /**< "weight" */
    mm_tensor *tensor;
    mm_module *owner;
    const char *first_name; /**< name under which it is in the groups, or NULL */
    bool requires_grad;
} mmi_paramwise_param;

/**
 * Checks custom keys, and that there is a weight decay where a rule of `decay_rules`
 * (ends with NULL) multiplies it. `rules` and `optimizer` are configs. `lr_mult` says
 * whether custom keys know it. Errors: MM_ECONFIG with the place in the config.
 */
mm_status mmi_paramwise_check(const mm_value *rules, const mm_value *optimizer,
                              bool lr_mult, const char *const *decay_rules);
/** Reads what a constructor has to know; the configs have passed the check. `self` is
 * the constructor's struct. Tells slips. */
mm_status mmi_paramwise_init(mmi_paramwise *wise, const void *self,
                             const mm_value *optimizer, bool lr_mult,
                             mm_param_groups *groups);
void mmi_paramwise_deinit(mmi_paramwise *wise);

/** A rule's value, or NULL if the config has none. */
const mm_value *mmi_paramwise_rule(const mmi_paramwise *wise, const char *rule);
/** The options under the first custom key that is part of `name`: longer ones first,
 * then by the alphabet. NULL if there is none. */
const mm_value *mmi_paramwise_custom(const mmi_paramwise *wise, const char *name);
/** Calls `visit` for every parameter in PyTorch's order, then tells which custom keys
 * were part of no name. */
mm_status mmi_paramwise_each(mmi_paramwise *wise, mm_module *model,
                             mm_status (*visit)(void *user,
                                                const mmi_paramwise_param *param),
                             void *user);
/** options[key] = base * mult, an int if both are; `mult` NULL: 1.0. */
void mmi_paramwise_put(mm_value *options, const char *key, const mm_value *base,
                       const mm_value *mult);
/** A group of its own for the parameter. */
mm_status mmi_paramwise_add(mmi_paramwise *wise, const mmi_paramwise_param *param,
                            const mm_value *options);
/** Batch, instance, group or layer normalisation. */
bool mmi_paramwise_is_norm(const mm_module *module);

#endif
