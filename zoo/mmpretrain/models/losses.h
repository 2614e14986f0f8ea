/* What the losses share, and how a head calls one: with a tuple (score, target,
 * options), where options is a dict that may hold "weight" (tensor), "avg_factor"
 * (number) and "reduction_override" (str). Source: mmpretrain/models/losses. */
#ifndef MMZ_MMPRETRAIN_LOSSES_H
#define MMZ_MMPRETRAIN_LOSSES_H

#include "mmengine/nn.h"

/* The arguments of a call. */
typedef struct mmz_loss_call {
    mm_tensor *score;
    mm_tensor *target;
    mm_tensor *weight; /* or NULL */
    mm_maybe_f64 avg_factor;
    bool has_override;
    mm_reduction override; /* if has_override */
} mmz_loss_call;

/* Reads the tuple. False: an error is pending. */
bool mmz_loss_call_read(mm_value *args, mmz_loss_call *out);

/* CrossEntropyLoss as a struct, for losses that contain one. */
typedef struct mmz_cross_entropy {
    bool use_sigmoid;
    bool use_soft;
    int reduction;
    double loss_weight;
    mm_f64s class_weight;
    mm_f64s pos_weight;
} mmz_cross_entropy;
extern const mm_component mmz_cross_entropy_loss;
extern const mm_choice mmz_reductions[];

/* The loss of a call. */
mm_tensor *mmz_cross_entropy_forward(const mmz_cross_entropy *self,
                                     const mmz_loss_call *call);
/* factor * x, without an operation where the factor is 1. */
mm_tensor *mmz_scale(mm_tensor *x, double factor);

#endif
