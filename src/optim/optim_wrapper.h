/** @file
 * Inside of optimizer wrappers: what mixed precision needs of the common part.
 */
#ifndef MMI_OPTIM_OPTIM_WRAPPER_H
#define MMI_OPTIM_OPTIM_WRAPPER_H

#include "mmengine/optim.h"
#include "optim/clip_grad.h"

/** A wrapper in a dict. */
typedef struct mmi_named_wrapper {
    char *name;
    mm_optim_wrapper *wrapper;
} mmi_named_wrapper;

/** What the gradients of a wrapper's parameters should be at its next backward. */
typedef enum mmi_grads_of {
    MMI_GRADS_NONE,     /**< none: they were dropped */
    MMI_GRADS_BACKWARD, /**< those of backward calls since */
    MMI_GRADS_STEP      /**< those of a step, not dropped yet */
} mmi_grads_of;

struct mm_optim_wrapper {
    _Atomic size_t refs;
    mm_instance *instance; /* NULL for a dict */
    const mm_optim_wrapper_ops *ops;
    void *self;
    const mm_optim_wrapper_settings *settings;
    mm_optimizer *optimizer;
    mmi_clip clip;
    int64_t inner_count;
    int64_t max_counts;       /* -1: unknown */
    int64_t remainder_counts; /* of the last window; -1: unknown */
    mmi_grads_of grads_of;
    int64_t num_looks; /* backward calls that looked for gradients of others */
    bool has_squares;  /* `squares` is that of the running step's plain gradients */
    double squares;
    int64_t skipped_steps;  /* left out for gradients that are not finite */
    int64_t skipped_in_row; /* ... since the last step that was made */
    const char *name;       /* in a dict, which owns it; else NULL */
    void (*sink)(void *user, const char *name, mm_number value);
    void *sink_user;
    const mm_step_guard *guard;                                 /* NULL: none */
    const mm_grad_sync *sync;                                   /* NULL: one process */
    void (*before_step)(void *user, mm_optim_wrapper *wrapper); /* NULL: nobody */
    void *before_step_user;
    mmi_named_wrapper *children; /* of a dict */
    size_t num_children;
    bool is_dict;
};

/**
 * Looks whether all gradients are finite and takes a loss scale out of them. What can
 * be left to the step stays in `factor`, the inverse of the scale; it becomes 1 once
 * the gradients have been multiplied. The sum of squares that was needed is kept for
 * the clipping of the same step.
 */
mm_status mmi_optim_wrapper_unscale(mm_optim_wrapper *wrapper, float *factor,
                                    bool *out_finite);

/** Sends "train/grad_norm" to the sink, if there is one. */
void mmi_optim_wrapper_report_norm(mm_optim_wrapper *wrapper, double norm);

/** Sends "train/<name>", in a dict "train/<wrapper>.<name>". */
void mmi_optim_wrapper_report(mm_optim_wrapper *wrapper, const char *name,
                              mm_number value);

/** MM_OK if `wrapper` is there and no dict; `what` names the call in the error. */
mm_status mmi_optim_wrapper_check_single(const mm_optim_wrapper *wrapper,
                                         const char *what);

/** Checks a wrapper's config, values included. Under an audit only what the audit does
 * not see is raised. */
mm_status mmi_wrapper_check_values(const mm_build_args *args);
/** Checks the constructor and its paramwise_cfg in a wrapper's config. */
mm_status mmi_constructor_check(const mm_value *config, const char *scope,
                                const char *path);

/** An empty wrapper or dict. */
mm_optim_wrapper *mmi_optim_wrapper_allocate(void);

/** How a wrapper's config is built or checked. */
mm_build_args mmi_wrapper_args(mm_value *config, const char *scope, const char *path);
/** True for a dict of wrappers by name. */
bool mmi_wrappers_are_by_name(const mm_value *config);
/** Calls `visit` for each wrapper of a dict by name. */
mm_status mmi_each_wrapper(mm_value *config, const char *path, void *user,
                           mm_status (*visit)(void *user, const char *name,
                                              mm_value *config, const char *path));
/** Raises that there is nothing for wrapper `name`; the hint is the nearest part, or
 * all parts. */
mm_status mmi_raise_no_part(const mm_module *model, const char *name,
                            const mm_value *config, const char *path);

/** Adds the groups that the settings' constructor makes of `model`'s parameters. */
mm_status mmi_add_groups(const mm_optim_wrapper_settings *settings, mm_module *model,
                         const char *scope, mm_param_groups *groups);

#endif
