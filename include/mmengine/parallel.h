/** @file
 * A way to run a loop on threads that a caller hands to a kernel. Kernels start no
 * threads of their own, so that one process has one pool.
 */
#ifndef MMENGINE_PARALLEL_H
#define MMENGINE_PARALLEL_H

#include "mmengine/types.h"

MM_BEGIN_DECLS

/** Handles items [begin, end). Must not fail and must not raise. */
typedef void (*mm_parallel_body)(void *user, int64_t begin, int64_t end);

/** A parallel-for. */
struct mm_parallel {
    /** Splits [0, count) into ranges of at least `grain` items and waits for all. */
    void (*run)(int64_t count, int64_t grain, mm_parallel_body body, void *user);
    /** Threads that run() may use now. */
    int (*width)(void);
};

MM_END_DECLS

#endif
