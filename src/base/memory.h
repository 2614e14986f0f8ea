/* Allocation for the library's own use, beyond mmengine/memory.h. */
#ifndef MMI_BASE_MEMORY_H
#define MMI_BASE_MEMORY_H

#include "base/status.h"
#include "mmengine/memory.h"

/* `size` bytes, not zeroed. NULL: MM_ENOMEM. Free with mm_free(). */
void *mmi_alloc_raw(size_t size);

/* `size` bytes, not zeroed; works while an error is pending and raises nothing. For the
 * logger and for cleaning up. */
void *mmi_try_alloc(size_t size);

/* A copy of `size` bytes of text, zero-terminated. */
char *mmi_strndup(const char *text, size_t size);

/* Counts a value that begins (+1) or ends (-1) to live, for mm_live_values(). */
void mmi_count_value(int change);

/*
 * Fault injection, only in builds with MM_FAULTS defined (Debug): the n-th point that
 * this thread or any other reaches fails, counted from 1. The variable MM_FAIL_AT sets
 * n for a whole program; tests use mmi_fail_at(). Each allocation is a point; code that
 * can fail otherwise adds its own with mmi_fault().
 */
#ifdef MM_FAULTS
/* Fails the n-th point from now; 0: none. */
void mmi_fail_at(int64_t n);
/* Points reached since the last mmi_fail_at(). */
int64_t mmi_fault_points(void);
/* True if this point is to fail. */
bool mmi_fault(void);
#else
static inline bool mmi_fault(void)
{
    return false;
}
#endif

#endif
