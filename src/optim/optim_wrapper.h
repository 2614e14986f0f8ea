/** @file
 * Inside of optimizer wrappers: what AmpOptimWrapper needs of the common part.
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
    bool has_squares; /* `squares` is the sum of the gradients of the running step */
    double squares;
    void (*sink)(void *user, const char *name, double value);
    void *sink_user;
    const mm_step_guard *guard;  /* NULL: none */
    mmi_named_wrapper *children; /* of a dict */
    size_t num_children;
    bool is_dict;
};

/** Sum of squares of the gradients, kept for the clipping of the same step. */
mm_status mmi_optim_wrapper_squares(mm_optim_wrapper *wrapper, double *out_squares);

/** Sends a scalar to the sink, if there is one. */
void mmi_optim_wrapper_report(mm_optim_wrapper *wrapper, const char *name,
                              double value);

/** Adds the groups that the settings' constructor makes of `model`'s parameters. */
mm_status mmi_add_groups(const mm_optim_wrapper_settings *settings, mm_module *model,
                         const char *scope, mm_param_groups *groups);

/** "cpu" or "cuda": where the first parameter is. */
mm_status mmi_optim_wrapper_device_type(const mm_optim_wrapper *wrapper, char *out,
                                        size_t out_size);

#endif
