/** @file
 * Averages that are pulled along by a step: while a block of a parameter is still in
 * the cache that the update left it in. Who averages makes an offer before a step; the
 * step takes it up where its kernels run and says which averages it moved. An offer is
 * for one step: a second one would pull towards weights that nobody asked for.
 */
#ifndef MMI_OPTIM_FOLLOW_H
#define MMI_OPTIM_FOLLOW_H

#include "mmengine/optim.h"

/** An offer; the owner keeps it until it is taken back. */
typedef struct mmi_follow {
    bool is_lerp; /**< as in mm_average_rule */
    float weight;
    float **averages;     /**< per parameter of the optimizer; NULL: not this one */
    const float **params; /**< where the parameter lay when its average was looked up */
    bool *has_followed;   /**< out, per parameter */
} mmi_follow;

/** True if a step of the wrapper changes each weight at most once and by nothing but
 * the optimizer's update: then an average may follow. */
bool mmi_optim_wrapper_steps_plainly(const mm_optim_wrapper *wrapper);

/** Asks `call` before every step that takes place, when it is known that it does: the
 * moment for an offer. Replaces the former one; NULL: nobody. */
void mmi_optim_wrapper_before_step(mm_optim_wrapper *wrapper,
                                   void (*call)(void *user, mm_optim_wrapper *wrapper),
                                   void *user);

/** Makes an offer to the next step; NULL takes it back. */
void mmi_optimizer_follow(mm_optimizer *optimizer, mmi_follow *follow);

/** Around the kernels of a step: puts the averages into the spans; notes which have
 * followed and takes them out again. */
void mmi_follow_begin(mm_optimizer *optimizer);
void mmi_follow_end(mm_optimizer *optimizer);

#endif
