/** @file
 * Options that torch's optimizers share, as rows: the order of the rows of a table is
 * that of the groups in checkpoints, and every optimizer has its own.
 */
#ifndef MMI_OPTIM_TORCH_OPTIONS_H
#define MMI_OPTIM_TORCH_OPTIONS_H

#include <float.h>

#include "kernels/update.h"
#include "mmengine/optim.h"

/** What torch's optimizers have besides their rule: member `torch` of a struct. */
struct mmi_torch_options {
    bool maximize;
    bool differentiable;
    bool capturable;
    mm_value
        *foreach;    /* bool or None: accepted, the kernels take all tensors at once */
    mm_value *fused; /* as foreach */
};

/** @name Rows of member `torch` @{ */
#define MMI_MAXIMIZE_ROW                                                               \
    {                                                                                  \
        "maximize", "climb instead of descend", MM_OPT_BOOL(torch.maximize, false)     \
    }
#define MMI_FOREACH_ROW                                                                \
    {                                                                                  \
        "foreach", "accepted for PyTorch's sake: all tensors are stepped at once",     \
            MM_OPT_VALUE(torch.foreach)                                                \
    }
#define MMI_FUSED_ROW                                                                  \
    {                                                                                  \
        "fused", "accepted for PyTorch's sake: the kernels are fused",                 \
            MM_OPT_VALUE(torch.fused)                                                  \
    }
#define MMI_DIFFERENTIABLE_ROW                                                         \
    {                                                                                  \
        "differentiable", "not supported: must be False",                              \
            MM_OPT_BOOL(torch.differentiable, false)                                   \
    }
#define MMI_CAPTURABLE_ROW                                                             \
    {                                                                                  \
        "capturable", "accepted for PyTorch's sake: steps are not captured",           \
            MM_OPT_BOOL(torch.capturable, false)                                       \
    }
/** The options of the rule itself. */
#define MMI_LR_ROW(value)                                                              \
    {                                                                                  \
        "lr", "learning rate", MM_OPT_F64(lr, value, 0.0, DBL_MAX)                     \
    }
#define MMI_BETAS_ROW                                                                  \
    {                                                                                  \
        "betas", "decay rates of the averages of gradient and square",                 \
            MM_OPT_F64S(betas, "(0.9, 0.999)")                                         \
    }
#define MMI_EPS_ROW(value)                                                             \
    {                                                                                  \
        "eps", "added to the denominator", MM_OPT_F64(eps, value, 0.0, DBL_MAX)        \
    }
#define MMI_WEIGHT_DECAY_ROW(value)                                                    \
    {                                                                                  \
        "weight_decay", "weight decay", MM_OPT_F64(weight_decay, value, 0.0, DBL_MAX)  \
    }
#define MMI_DECOUPLED_ROW                                                              \
    {                                                                                  \
        "decoupled_weight_decay", "decay the weight itself, as AdamW",                 \
            MM_OPT_BOOL(decoupled_weight_decay, false)                                 \
    }
/** @} */

/** mm_component.init: checks the options as those of a group, so that a fault is told
 * with its place in the config. */
mm_status mmi_optimizer_init(void *self);

/** Refuses options of a group that ask for what there is not: differentiable. */
mm_status mmi_check_torch_options(const mm_value *options);

/** MM_ECONFIG unless option `key` is two numbers. */
mm_status mmi_check_pair(const mm_value *options, const char *key);

/** The same, and both in [0, 1); then the shared options. For optimizers with betas. */
mm_status mmi_check_betas(void *self, const mm_value *options);

/** mm_optimizer_ops.check of those without. */
mm_status mmi_check_torch(void *self, const mm_value *options);

/** What the rules with betas have in common, as a setting. */
typedef struct mmi_adam_like {
    double lr;
    double beta1;
    double beta2;
    double eps;
    double weight_decay;
    bool decoupled; /* decay the weight itself */
} mmi_adam_like;

/** mm_update_rule.read of those rules. */
void mmi_read_adam_like(void *self, const mm_value *options, void *out_setting);

/** The two coefficients of weight decay. */
mmi_decay mmi_decay_of(double lr, double weight_decay, bool decoupled);

/** The part of an operator form that decays: gives the gradients to go on with. */
mm_tensor **mmi_apply_decay(mm_update_call *call, const mmi_decay *decay);

/** @name A group's option; absent or None: 0 or false @{ */
double mmi_get_f64(const mm_value *options, const char *key);
bool mmi_get_bool(const mm_value *options, const char *key);
/** @} */

#endif
