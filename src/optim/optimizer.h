/** @file
 * What the files of this folder know of an optimizer. For every step the tensors are
 * sorted once: those that lie plainly in host memory become spans for the kernels, all
 * others go through libtorch's operators one by one.
 */
#ifndef MMI_OPTIM_OPTIMIZER_H
#define MMI_OPTIM_OPTIMIZER_H

#include "kernels/spans.h"
#include "mmengine/optim.h"

struct mm_optimizer {
    _Atomic size_t refs;
    mm_instance *instance;
    const mm_optimizer_ops *ops;
    void *self;
    mm_param_groups *groups;
    size_t num_params;
    mm_value **states;  /* per parameter: a dict, or NULL while it has none */
    mm_tensor **params; /* borrowed from the groups */
    mm_leaf_memory *memory;
    mmi_spans
        spans; /* one per parameter; grad is NULL for those without or not plain */
    double *partials; /* one per block, for reductions */
    int64_t partials_room;
    size_t num_slow; /* parameters with a gradient that are not plain */
    mm_numerics numerics;
    float grad_factor;
    struct mmi_follow
        *follow; /* averages for the next step to pull along; NULL: none */
    struct mmi_elementwise *driver; /* with ops->rule */
    bool by_list;                   /* for tests: lists of tensors on the host, too */
    bool fuses;                     /* for tests: and libtorch's fused operators */
    int64_t num_steps;              /* made since it was built */
};

/** The optimizer that a component means: itself, or the one it stands for. Borrowed;
 * NULL with an error pending if it is no optimizer. */
mm_instance *mmi_optimizer_meant(mm_instance *instance,
                                 const mm_optimizer_ops **out_ops);

/** Looks where parameters and gradients lie now: fills memory, spans, num_slow. In
 * reference numerics every parameter counts as not plain. `writes`: the parameters will
 * be changed. */
mm_status mmi_optimizer_gather(mm_optimizer *optimizer, bool writes);

/** True if parameter `index` has a gradient that the kernels cannot reach. */
bool mmi_optimizer_is_slow(const mm_optimizer *optimizer, size_t index);

/** Calls ops->step_param for the parameters that are not plain. */
mm_status mmi_optimizer_step_slow(mm_optimizer *optimizer);

/** MM_ECONFIG unless the options of a group are what the optimizer takes. */
mm_status mmi_optimizer_check_group(const mm_optimizer *optimizer, size_t group);

/** Tells the rules that state tensors were replaced. */
void mmi_optimizer_states_changed(mm_optimizer *optimizer);

/** MM_EUNSUPPORTED: a gradient is sparse, and the optimizer takes dense ones. */
mm_status mmi_optimizer_refuse_sparse(const mm_optimizer *optimizer);

/** The gradient of a parameter times the factor of the step; scope-owned or borrowed.
 */
mm_tensor *mmi_optimizer_grad(mm_optimizer *optimizer, size_t index);

/** A state tensor, borrowed; NULL without an error if there is none. */
mm_tensor *mmi_optimizer_find_state(mm_optimizer *optimizer, size_t index,
                                    const char *name);

/** Puts the tensor under `name` and returns it. */
mm_tensor *mmi_optimizer_put_state(mm_optimizer *optimizer, size_t index,
                                   const char *name, mm_tensor *tensor);

/** Memory of a state tensor of a plain parameter, laid out as the parameter is. Makes
 * it, filled with zeros or not at all, if it is absent. */
float *mmi_optimizer_state_memory(mm_optimizer *optimizer, size_t index,
                                  const char *name, bool zeros);

/** True if both have the same sizes, dtype and, but where it does not matter, strides.
 */
bool mmi_lies_alike(const mm_tensor_info *a, const mm_tensor_info *b);

/** `tensor`, laid out in memory as `param` is if both have the same sizes and dtype;
 * the same one if it lies so already. Scope-owned or borrowed. Equal layouts let the
 * kernels walk over both at once. */
mm_tensor *mmi_laid_out_like(mm_tensor *tensor, mm_tensor *param);

/** Replaces the options of a group by `options` without "params", defaults added. */
mm_status mmi_param_groups_replace(mm_param_groups *groups, size_t group,
                                   const mm_value *options);

/** @name Options of a group. Absent: the second argument. @{ */
double mmi_option_f64(const mm_value *options, const char *key, double absent);
bool mmi_option_bool(const mm_value *options, const char *key, bool absent);
/** @} */

#endif
