/*
 * Losses.
 */
#include "tensor/bridge.h"

/* libtorch's code. */
static int64_t code_of(mm_reduction reduction)
{
    switch (reduction) {
    case MM_REDUCTION_NONE:
        return 0;
    case MM_REDUCTION_SUM:
        return 2;
    default:
        return 1;
    }
}

mm_tensor *mm_cross_entropy_with(const mm_cross_entropy_args *args)
{
    const mmt_api *torch = mmi_op_begin();

    return torch != NULL && MMI_HAS_AS(args->logits, "logits") &&
                   MMI_HAS_AS(args->target, "target")
               ? mmi_own(torch->cross_entropy(args))
               : NULL;
}

mm_tensor *mm_nll_loss_with(const mm_nll_loss_args *args)
{
    const mmt_api *torch = mmi_op_begin();

    return torch != NULL && MMI_HAS_AS(args->log_probs, "log_probs") &&
                   MMI_HAS_AS(args->target, "target")
               ? mmi_own(torch->nll_loss(args))
               : NULL;
}

mm_tensor *mm_bce_loss_with(const mm_bce_args *args)
{
    static mmi_op op = {"aten::binary_cross_entropy.", NULL};

    if (!MMI_HAS_AS(args->x, "x") || !MMI_HAS_AS(args->target, "target")) {
        return NULL;
    }
    if (args->pos_weight != NULL) {
        mm_raise(MM_EINVAL, "bce_loss takes no pos_weight");
        mm_error_hint("mm_bce_with_logits() does");
        return NULL;
    }
    return mmi_call(&op, MMI_ARGS(MM_T(args->x), MM_T(args->target), MM_T(args->weight),
                                  MM_I(code_of(args->reduction))));
}

mm_tensor *mm_bce_with_logits_with(const mm_bce_args *args)
{
    static mmi_op op = {"aten::binary_cross_entropy_with_logits.", NULL};

    if (!MMI_HAS_AS(args->x, "x") || !MMI_HAS_AS(args->target, "target")) {
        return NULL;
    }
    return mmi_call(&op,
                    MMI_ARGS(MM_T(args->x), MM_T(args->target), MM_T(args->weight),
                             MM_T(args->pos_weight), MM_I(code_of(args->reduction))));
}

mm_tensor *mm_mse_loss(mm_tensor *x, mm_tensor *target, mm_reduction reduction)
{
    static mmi_op op = {"aten::mse_loss.", NULL};

    return MMI_HAS(x) && MMI_HAS(target)
               ? mmi_call(&op,
                          MMI_ARGS(MM_T(x), MM_T(target), MM_I(code_of(reduction))))
               : NULL;
}

mm_tensor *mm_l1_loss(mm_tensor *x, mm_tensor *target, mm_reduction reduction)
{
    static mmi_op op = {"aten::l1_loss.", NULL};

    return MMI_HAS(x) && MMI_HAS(target)
               ? mmi_call(&op,
                          MMI_ARGS(MM_T(x), MM_T(target), MM_I(code_of(reduction))))
               : NULL;
}

mm_tensor *mm_smooth_l1_loss(mm_tensor *x, mm_tensor *target, double beta,
                             mm_reduction reduction)
{
    static mmi_op op = {"aten::smooth_l1_loss.", NULL};

    return MMI_HAS(x) && MMI_HAS(target)
               ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_T(target), MM_I(code_of(reduction)),
                                        MM_F(beta)))
               : NULL;
}

mm_tensor *mm_huber_loss(mm_tensor *x, mm_tensor *target, double delta,
                         mm_reduction reduction)
{
    static mmi_op op = {"aten::huber_loss.", NULL};

    return MMI_HAS(x) && MMI_HAS(target)
               ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_T(target), MM_I(code_of(reduction)),
                                        MM_F(delta)))
               : NULL;
}

mm_tensor *mm_kl_div(mm_tensor *x, mm_tensor *target, bool log_target,
                     mm_reduction reduction)
{
    static mmi_op op = {"aten::kl_div.", NULL};

    return MMI_HAS(x) && MMI_HAS(target)
               ? mmi_call(&op, MMI_ARGS(MM_T(x), MM_T(target), MM_I(code_of(reduction)),
                                        MM_B(log_target)))
               : NULL;
}
