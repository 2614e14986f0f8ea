/** @file
 * Profiling: how long each operator of libtorch and each stage of a run takes. One
 * recording at a time in a process; while there is none, a range costs one load of an
 * atomic. Results are a table as that of PyTorch's key_averages(), and a trace that
 * chrome://tracing and Perfetto open. Source: torch.profiler.
 */
#ifndef MMENGINE_PROFILE_H
#define MMENGINE_PROFILE_H

#include "mmengine/status.h"

MM_BEGIN_DECLS

/** What is recorded besides times; bits. */
enum {
    MM_PROFILE_SHAPES = 1u << 0, /**< sizes of operators' inputs */
    MM_PROFILE_MEMORY = 1u << 1, /**< bytes in use on the host before and after */
    MM_PROFILE_FLOPS = 1u << 2   /**< estimates for products and convolutions */
};

/** An operator's call, or a range. Plain data. */
typedef struct mm_profile_event {
    const char *name;         /**< "aten::conv2d", "forward" */
    const char *shapes;       /**< "[[2, 3], []]"; NULL: not recorded */
    int64_t begin_ns, end_ns; /**< of the monotonic clock */
    uint64_t thread;          /**< small number of the thread */
    int64_t bytes;            /**< more in use at its end than at its begin */
    uint64_t flops;           /**< 0: not known */
    bool is_range;            /**< marked by mm_profile_end(), not an operator */
} mm_profile_event;

/** What was recorded; belongs to one thread. */
typedef struct mm_profile mm_profile;

/** @name Recording @{ */
/** Begins a recording of all threads. Opens libtorch. MM_EBUSY: there is one. */
MM_API mm_status mm_profile_start(unsigned flags);
/** Ends it. MM_ESTATE: there is none. */
MM_API MM_OWNED mm_profile *mm_profile_stop(void);
MM_API bool mm_profile_is_running(void);
/** The begin of a range: a time, or 0 if nothing is recorded. */
MM_API int64_t mm_profile_begin(void);
/** Its end. `begin` 0: does nothing. Records nothing while an error is pending. */
MM_API void mm_profile_end(int64_t begin, const char *name);
/** @} */

/** @name Results @{ */
/** An empty one, to be filled by hand; `flags` say which columns there are. */
MM_API MM_OWNED mm_profile *mm_profile_new(unsigned flags);
/** Adds an event; its texts are copied. */
MM_API mm_status mm_profile_add(mm_profile *profile, const mm_profile_event *event);
/** NULL is fine. */
MM_API void mm_profile_free(mm_profile *profile);
/** Events in order of their begins. */
MM_API size_t mm_profile_len(const mm_profile *profile);
MM_API const mm_profile_event *mm_profile_at(const mm_profile *profile, size_t index);

/** How a table looks; zero is the default of each. Names are PyTorch's. */
typedef struct mm_profile_table_args {
    const char *sort_by;      /**< "self_cpu_time_total", "cpu_time_total", "cpu_time",
                                 "count", "cpu_memory_usage", "self_cpu_memory_usage", ...;
                                 NULL: order of the first calls */
    int64_t row_limit;        /**< default 100; negative: all */
    int64_t max_name_width;   /**< default 55; negative: any */
    int64_t max_shapes_width; /**< default 80; negative: any */
    const char *header;       /**< a line above */
    const char *time_unit;    /**< "s", "ms", "us"; NULL: what fits */
    bool top_level_events_only;
    bool group_by_input_shape; /**< a row for each set of sizes */
    bool only_ranges;          /**< ours: leave out operators */
} mm_profile_table_args;
/** Calls summed by name, as key_averages().table(); mm_free(). MM_EINVAL for an unknown
 * `sort_by` or `time_unit`. */
MM_API MM_OWNED char *mm_profile_table(const mm_profile *profile,
                                       const mm_profile_table_args *args);
/** The trace in Chrome's format; mm_free(). */
MM_API MM_OWNED char *mm_profile_trace(const mm_profile *profile);
/** @} */

MM_END_DECLS

#endif
