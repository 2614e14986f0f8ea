/** @file
 * Elementwise update rules: optimizers in which each element of a parameter is updated
 * from its own value, its gradient, its own states and a few coefficients that all
 * parameters of equal options and age share. Such an optimizer fills in a
 * `mm_update_rule` and leaves the step to the engine, which reads the groups' options
 * only when they changed, keeps the states, counts, and runs one parallel pass over the
 * memory of all parameters together. Others write `step` or `step_param` (optim.h).
 *
 * A rule is written twice. `update` works on plain float32 memory of the host and is
 * the fast form. `apply` says the same in operators on lists of tensors, in the order
 * of the original: for numerics='reference', other dtypes, memory with holes, devices.
 */
#ifndef MMENGINE_UPDATE_RULE_H
#define MMENGINE_UPDATE_RULE_H

#include "mmengine/status.h"

MM_BEGIN_DECLS

enum {
    MM_UPDATE_MAX_STATES = 4, /**< tensors like the parameter */
    MM_UPDATE_MAX_SCALARS = 4 /**< single numbers */
};

/** A run of elements that are updated alike. */
typedef struct mm_update_memory {
    float *param;
    const float *grad; /**< to be multiplied by grad_factor when it is read */
    /** the rule's states without the single numbers, in its order; NULL where the
     * setting does without */
    float *states[MM_UPDATE_MAX_STATES];
    int64_t count;
    float grad_factor; /**< clips, unscales; negative to maximize */
    bool is_new;       /**< no former step wrote these states */
} mm_update_memory;

/** Updates parameters and states in place. Called on several threads at once; must not
 * fail, allocate or raise. */
typedef void (*mm_update_fn)(const void *coefficients, const mm_update_memory *memory);

/** Tensors that are updated alike, for a rule's operators. Lists have `count` tensors
 * of one device and dtype each. */
typedef struct mm_update_call {
    size_t count;
    mm_tensor **params;
    mm_tensor **grads; /**< clipped, unscaled, negated to maximize; not to be changed */
    /** as in mm_update_memory. Of a lazy state that is new the entries are NULL: what
     * the rule puts there becomes the state. */
    mm_tensor **states[MM_UPDATE_MAX_STATES];
    bool is_new;
    bool is_sparse; /**< the gradient is; `count` is 1 */
    const char *device;
    struct mm_update_room *room; /**< of the engine: where mm_each_ puts its results */
} mm_update_call;

/** One thing that a rule keeps for each parameter. */
typedef struct mm_update_state {
    const char *name; /**< required: its key in state dicts */
    /** optional, default: always there. False: this setting does without. */
    bool (*has)(const void *setting);
    /** optional, default: 0. What the state is filled with at first. */
    double (*initial)(const void *setting);
    bool is_scalar; /**< a single float: a step count */
    bool is_lazy;   /**< not filled at first: the first update writes all of it */
} mm_update_state;

/** An elementwise update rule. */
typedef struct mm_update_rule {
    size_t setting_size;      /**< required: bytes of a group's options as numbers */
    size_t coefficients_size; /**< optional, default: setting_size */
    /** optional, default: none; ends with {0}. In the order of state dicts. */
    const mm_update_state *states;
    /** required: reads a group's options. `out_setting` is zero before; settings of
     * equal bytes are one. `maximize` is the engine's to read. */
    void (*read)(void *self, const mm_value *options, void *out_setting);
    /**
     * optional, default: copies the setting. Makes the coefficients of one step; for
     * each setting and age once. `scalars` are the rule's single numbers of a
     * parameter, in order, and are advanced here: a step count is raised by one.
     */
    void (*prepare)(const void *setting, float *scalars, void *out_coefficients);
    /** required unless `select` */
    mm_update_fn update;
    /** optional, default: `update`. The best form for this CPU; asked once. */
    mm_update_fn (*select)(void);
    /** optional, default: all but plain float32 memory of the host is refused, and
     * numerics='reference' runs `update` too. In a scope, without recording. */
    mm_status (*apply)(const void *coefficients, mm_update_call *call);
    bool takes_sparse; /**< `apply` knows sparse gradients; else they are refused */
    bool makes_states_at_once; /**< with the optimizer, not at the first step */
} mm_update_rule;

/**
 * @name Operators over lists, for `apply`
 * On a device one call for the whole list (aten::_foreach_*) where libtorch has it,
 * else tensor by tensor: the bits are the same. Results are lists that live until
 * `apply` returns; those that end in `_` change x and return it. NULL while an error is
 * pending.
 * @{
 */
MM_API mm_tensor **mm_each_neg(mm_update_call *call, mm_tensor **x);
MM_API mm_tensor **mm_each_abs(mm_update_call *call, mm_tensor **x);
MM_API mm_tensor **mm_each_sign(mm_update_call *call, mm_tensor **x);
MM_API mm_tensor **mm_each_sqrt(mm_update_call *call, mm_tensor **x);
MM_API mm_tensor **mm_each_sqrt_(mm_update_call *call, mm_tensor **x);
MM_API mm_tensor **mm_each_reciprocal(mm_update_call *call, mm_tensor **x);
MM_API mm_tensor **mm_each_clone(mm_update_call *call, mm_tensor **x);
/** x + alpha * y */
MM_API mm_tensor **mm_each_add(mm_update_call *call, mm_tensor **x, mm_tensor **y,
                               double alpha);
MM_API mm_tensor **mm_each_add_(mm_update_call *call, mm_tensor **x, mm_tensor **y,
                                double alpha);
MM_API mm_tensor **mm_each_sub(mm_update_call *call, mm_tensor **x, mm_tensor **y);
MM_API mm_tensor **mm_each_mul(mm_update_call *call, mm_tensor **x, mm_tensor **y);
MM_API mm_tensor **mm_each_mul_(mm_update_call *call, mm_tensor **x, mm_tensor **y);
MM_API mm_tensor **mm_each_div_(mm_update_call *call, mm_tensor **x, mm_tensor **y);
MM_API mm_tensor **mm_each_maximum_(mm_update_call *call, mm_tensor **x, mm_tensor **y);
MM_API mm_tensor **mm_each_copy_(mm_update_call *call, mm_tensor **x, mm_tensor **y);
/** x and a number */
MM_API mm_tensor **mm_each_add_number(mm_update_call *call, mm_tensor **x,
                                      double value);
MM_API mm_tensor **mm_each_add_number_(mm_update_call *call, mm_tensor **x,
                                       double value);
MM_API mm_tensor **mm_each_mul_number(mm_update_call *call, mm_tensor **x,
                                      double value);
MM_API mm_tensor **mm_each_mul_number_(mm_update_call *call, mm_tensor **x,
                                       double value);
MM_API mm_tensor **mm_each_div_number(mm_update_call *call, mm_tensor **x,
                                      double value);
MM_API mm_tensor **mm_each_div_number_(mm_update_call *call, mm_tensor **x,
                                       double value);
MM_API mm_tensor **mm_each_clamp_(mm_update_call *call, mm_tensor **x, double low,
                                  double high);
/** x + weight * (y - x) */
MM_API mm_tensor **mm_each_lerp_(mm_update_call *call, mm_tensor **x, mm_tensor **y,
                                 double weight);
/** x + value * a * b */
MM_API mm_tensor **mm_each_addcmul(mm_update_call *call, mm_tensor **x, mm_tensor **a,
                                   mm_tensor **b, double value);
MM_API mm_tensor **mm_each_addcmul_(mm_update_call *call, mm_tensor **x, mm_tensor **a,
                                    mm_tensor **b, double value);
/** x + value * a / b */
MM_API mm_tensor **mm_each_addcdiv_(mm_update_call *call, mm_tensor **x, mm_tensor **a,
                                    mm_tensor **b, double value);
/** @} */

MM_END_DECLS

#endif
