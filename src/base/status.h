/* What the folders of the library share about errors beyond mmengine/status.h. */
#ifndef MMI_BASE_STATUS_H
#define MMI_BASE_STATUS_H

#include "base/thread_local.h"
#include "mmengine/status.h"

/* The pending code, MM_OK if none; for inlined checks. Written by status.c only. */
extern MMI_FAST_THREAD_LOCAL int mmi_pending_code;

static inline bool mmi_is_pending(void)
{
    return MMI_UNLIKELY(mmi_pending_code != 0);
}

/* True if the call may go on: no error is pending and the required argument is there.
 * A missing one is MM_EINVAL under the caller's name. */
#define MMI_NEED(argument)                                                             \
    (!mmi_is_pending() &&                                                              \
     (MMI_LIKELY((argument) != NULL) ||                                                \
      (mm_raise(MM_EINVAL, "argument '%s' of %s is missing", #argument, __func__),     \
       false)))

#endif
