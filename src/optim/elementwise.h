/** @file
 * The driver of elementwise update rules (mmengine/update_rule.h).
 */
#ifndef MMI_OPTIM_ELEMENTWISE_H
#define MMI_OPTIM_ELEMENTWISE_H

#include "optim/optimizer.h"

typedef struct mmi_elementwise mmi_elementwise;

/** What a set of coefficients was made for, and the single numbers after the step. */
struct mmi_made {
    size_t setting;
    float before[MM_UPDATE_MAX_SCALARS];
    float after[MM_UPDATE_MAX_SCALARS];
    size_t next; /* the one made before for the same setting, plus one; 0: none */
};

/** What is known of a parameter between steps. */
struct mmi_known {
    float *scalars[MM_UPDATE_MAX_SCALARS]; /* its single numbers */
    size_t group;
    unsigned uses; /* which tensors its setting had when they were looked up */
    bool is_known;
};

/** The driver itself. */
struct mmi_elementwise {
    const mm_update_rule *rule;
    mm_update_fn function;
    size_t num_states; /* rows of rule->states */
    size_t num_scalars;
    size_t size;             /* of coefficients */
    unsigned char *settings; /* one per group */
    bool *maximize;          /* one per group */
    unsigned *uses;          /* one per group: a bit per tensor that the setting has */
    size_t *same_as;         /* per group, the first group with an equal setting */
    size_t *last_made;       /* per group: index into `made` plus one */
    size_t num_groups;
    uint64_t version;
    struct mmi_made *made; /* room for one per parameter, as coefficients */
    unsigned char *coefficients;
    size_t num_made;
    struct mmi_known *known; /* per parameter */
};

/** A driver for the optimizer's rule; makes the states at once if the rule says so. */
mmi_elementwise *mmi_elementwise_new(mm_optimizer *optimizer);
void mmi_elementwise_free(mmi_elementwise *driver);

/** The whole step of the optimizer. */
mm_status mmi_elementwise_step(mmi_elementwise *driver, mm_optimizer *optimizer);

/** Its part that the kernels do not reach: after each parameter's preparation. */
mm_status mmi_elementwise_step_slow(const mmi_elementwise *driver,
                                    mm_optimizer *optimizer);

/** State tensors were replaced. */
void mmi_elementwise_forget(mmi_elementwise *driver, mm_optimizer *optimizer);

/** True if the rule keeps `name` as a single number: float on the host, whatever the
 * parameter is. */
bool mmi_elementwise_is_scalar(const mm_update_rule *rule, const char *name);

/** True if libtorch's fused operator `name` may update the tensors of the call: it
 * exists for the device, the numerics are not reference's, and each parameter, its
 * gradient and its states lie alike. */
bool mmi_call_can_fuse(const mm_update_call *call, const char *name);

/** The lists of a fused operator: a step count for all. */
mm_tensor **mmi_call_steps(mm_update_call *call, double step);

/** Where results of mm_each_ functions lie until the call ends. */
typedef struct mm_update_room {
    mm_tensor ***lists;
    size_t count;
    size_t room;
    bool by_list; /**< aten::_foreach_* where there are such */
    bool fuses;   /**< aten::_fused_* where there are such */
} mm_update_room;

/** Releases the lists, not what is in them. */
void mmi_update_room_deinit(mm_update_room *room);

/** A list of `count` tensors that lives until the room is released. */
mm_tensor **mmi_update_room_list(mm_update_room *room, size_t count);

#endif
