/* A recording's events and what is derived from them. */
#ifndef MMI_TENSOR_PROFILE_H
#define MMI_TENSOR_PROFILE_H

#include "base/vec.h"
#include "mmengine/profile.h"

struct mm_profile {
    unsigned flags;
    int64_t begin_ns;                 /* of a recording: what began before is not its */
    MMI_VEC(mm_profile_event) events; /* texts are interned, or owned by `texts` */
    MMI_VEC(char *) texts;            /* owned */
    bool is_sorted;
};

/* Sorts the events: by begin, those that last longer first. */
void mmi_profile_sort(const mm_profile *profile);
enum { MMI_PROFILE_LEFT_OUT = -2 };

/* The call that event i was made in: a smaller number; -1: none; LEFT_OUT: the event
 * does not count, as operators with `only_ranges`. `parents` has room for all. */
mm_status mmi_profile_parents(const mm_profile *profile, bool only_ranges,
                              int64_t *parents);

#endif
