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

/** Where results of mm_each_ functions lie until the call ends. */
typedef struct mm_update_room {
    mm_tensor ***lists;
    size_t count;
    size_t room;
    bool by_list; /**< aten::_foreach_* where there are such */
} mm_update_room;

/** Releases the lists, not what is in them. */
void mmi_update_room_deinit(mm_update_room *room);

/** A list of `count` tensors that lives until the room is released. */
mm_tensor **mmi_update_room_list(mm_update_room *room, size_t count);

#endif
