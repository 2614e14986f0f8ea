/** @file
 * The driver of elementwise update rules (mmengine/update_rule.h).
 */
#ifndef MMI_OPTIM_ELEMENTWISE_H
#define MMI_OPTIM_ELEMENTWISE_H

#include "optim/optimizer.h"

typedef struct mmi_elementwise mmi_elementwise;

/** A driver for the optimizer's rule; makes the states at once if the rule says so. */
mmi_elementwise *mmi_elementwise_new(mm_optimizer *optimizer);
void mmi_elementwise_free(mmi_elementwise *driver);

/** The whole step of the optimizer. */
mm_status mmi_elementwise_step(mmi_elementwise *driver, mm_optimizer *optimizer);

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
