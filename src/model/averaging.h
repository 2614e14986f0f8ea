/** @file
 * The state of an averaged model, for the files that average.
 */
#ifndef MMI_MODEL_AVERAGING_H
#define MMI_MODEL_AVERAGING_H

#include "kernels/spans.h"
#include "mmengine/model.h"
#include "optim/follow.h"

/** One tensor of both models. Borrowed from the modules. */
typedef struct mmi_pair {
    mm_tensor *averaged, *live;
    bool is_float;
    bool is_again;     /**< a tensor that stands twice: its second turn comes after the
                        * first */
    bool has_followed; /**< a step has done what the next update would do */
} mmi_pair;

typedef struct mmi_pairs {
    mmi_pair *items;
    size_t count, room;
} mmi_pairs;

/** Where a pair lay when it was last looked at. */
typedef struct mmi_pair_place {
    const void *averaged, *live;
    bool is_alike;
} mmi_pair_place;

struct mm_averaging {
    mm_module *copy; /* the child "module", borrowed */
    mm_tensor *steps;
    bool is_reference;
    mm_module *live; /* the model that the pairs belong to; a reference is ours */
    mmi_pairs params, buffers, states; /* states: with update_buffers */
    mm_tensor **averaged, **originals; /* of the averaged pairs, for one look at all */
    mm_leaf_memory *averaged_memory, *live_memory;
    mmi_pair_place *places;
    mmi_spans spans;
    /* What is offered to steps: averaged_follow.c. */
    mm_optimizer *optimizer; /* that the offers go to; a reference is ours */
    mmi_follow follow;
    size_t *pair_of; /* per parameter of the optimizer; SIZE_MAX: none */
    size_t num_params;
    mm_average_rule rule; /* of the offer */
    bool has_offered;
    size_t num_followed; /* pairs with has_followed */
};

/** What of the model is averaged. */
const mmi_pairs *mmi_averaged_pairs(const mm_base_averaged_model *self);

/** The struct of an averaged model; NULL with an error if it is none. */
mm_base_averaged_model *mmi_averaged_base_of(mm_module *averaged);

/** Pairs the copy's tensors with those of `live`, unless they are. */
mm_status mmi_averaged_know(mm_base_averaged_model *self, mm_module *live);

/** Finds what our kernels can take in one pass: spans with a `grad`. */
mm_status mmi_averaged_fill_spans(mm_averaging *state, const mmi_pairs *pairs);

/** Takes back the offer of this update and marks the pairs that have followed. */
void mmi_averaged_end_offer(mm_base_averaged_model *self);

/** Forgets the optimizer. */
void mmi_averaged_forget_offer(mm_averaging *state);

#endif
