/** @file
 * What the optimizers of D-Adaptation share. They learn the size of their steps, `d`,
 * from sums over all parameters; what is learned stands in every group's options, so
 * that it is in state dicts where the original has it.
 */
#ifndef MMI_OPTIM_DADAPT_H
#define MMI_OPTIM_DADAPT_H

#include "optim/optimizer.h"

/** Number `key` of group 0, which speaks for all. */
double mmi_dadapt_first(const mm_optimizer *optimizer, const char *key);

/** Options of the group of parameter `index`. */
const mm_value *mmi_dadapt_options(const mm_optimizer *optimizer, size_t index);

/** The largest lr of all groups. MM_ECONFIG if another one is neither that nor 0. */
double mmi_dadapt_lr(const mm_param_groups *groups);

/** Options in the checking of `lr`, `d`, `eps`, ...: MM_ECONFIG unless above 0. */
mm_status mmi_dadapt_check_positive(const char *key, double value);

/** Puts the number into every group. */
void mmi_dadapt_put(mm_optimizer *optimizer, const char *key, double value);

/** Counts the step, in option `k` of every group. */
void mmi_dadapt_count(mm_optimizer *optimizer);

/** `d` after an estimate: it never shrinks, and grows by `growth_rate` at most. */
double mmi_dadapt_grown(double d, double estimate, double growth_rate);

/** True if this step is to be logged. */
bool mmi_dadapt_logs(const mm_optimizer *optimizer);

/** The sum of all elements, rounded as a tensor, as a number. */
double mmi_dadapt_sum(mm_tensor *x);

/** The product of two tensors as vectors. */
double mmi_dadapt_dot(mm_tensor *x, mm_tensor *y);

/** A state tensor; a copy of the parameter if there is none. */
mm_tensor *mmi_dadapt_copy_state(mm_optimizer *optimizer, size_t index,
                                 const char *name);

/** The gradient with `decay` times the parameter added. */
mm_tensor *mmi_dadapt_grad(mm_optimizer *optimizer, size_t index, double decay);

/** Calls `visit` for each parameter with a gradient, in a scope of its own. */
mm_status mmi_dadapt_each(mm_optimizer *optimizer, void *user,
                          void (*visit)(void *user, mm_optimizer *optimizer,
                                        size_t index));

#endif
