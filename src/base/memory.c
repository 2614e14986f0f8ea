/*
 * Memory: counted, and failing as MM_ENOMEM. Counting must not make threads wait for
 * each other, so each thread has a counter of its own, which it alone writes; the sum
 * over all of them is the figure. A thread that ends gives its counter, with the count
 * in it, to the next thread that starts. Invariant: the sum of all counters is the
 * number of live blocks (values).
 */
#include "base/memory.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/os_thread.h"
#include "mmengine/value.h"

enum { NUM_COUNTERS = 256, LINE = 64 };

struct counter {
    _Alignas(LINE) _Atomic int64_t blocks;
    _Atomic int64_t values;
    _Atomic bool taken;
};

static struct counter counters[NUM_COUNTERS];
static struct counter shared; /* for threads beyond NUM_COUNTERS, and ending ones */
static MMI_FAST_THREAD_LOCAL struct counter *mine;

static void release_counter(void *counter)
{
    mine = &shared; /* other destructors of this thread may still free memory */
    atomic_store_explicit(&((struct counter *)counter)->taken, false,
                          memory_order_release);
}

static struct counter *take_counter(void)
{
    mine = &shared;
    for (int i = 0; i < NUM_COUNTERS; i++) {
        bool expected = false;
        if (!atomic_load_explicit(&counters[i].taken, memory_order_relaxed) &&
            atomic_compare_exchange_strong(&counters[i].taken, &expected, true)) {
            if (mmi_thread_at_exit(release_counter, &counters[i])) {
                mine = &counters[i];
            } else {
                atomic_store(&counters[i].taken, false);
            }
            break;
        }
    }
    return mine;
}

static inline void add(_Atomic int64_t *own, bool is_shared, int change)
{
    if (MMI_UNLIKELY(is_shared)) {
        atomic_fetch_add_explicit(own, change, memory_order_relaxed);
        return;
    }
    /* Only this thread writes it, so a load and a store do. */
    int64_t count = atomic_load_explicit(own, memory_order_relaxed);
    atomic_store_explicit(own, count + change, memory_order_relaxed);
}

static inline void count_block(int change)
{
    struct counter *counter = MMI_LIKELY(mine != NULL) ? mine : take_counter();
    add(&counter->blocks, counter == &shared, change);
}

void mmi_count_value(int change)
{
    struct counter *counter = MMI_LIKELY(mine != NULL) ? mine : take_counter();
    add(&counter->values, counter == &shared, change);
}

int64_t mm_live_blocks(void)
{
    int64_t sum = atomic_load_explicit(&shared.blocks, memory_order_relaxed);
    for (int i = 0; i < NUM_COUNTERS; i++) {
        sum += atomic_load_explicit(&counters[i].blocks, memory_order_relaxed);
    }
    return sum;
}

int64_t mm_live_values(void)
{
    int64_t sum = atomic_load_explicit(&shared.values, memory_order_relaxed);
    for (int i = 0; i < NUM_COUNTERS; i++) {
        sum += atomic_load_explicit(&counters[i].values, memory_order_relaxed);
    }
    return sum;
}

#ifdef MM_FAULTS
static _Atomic int64_t fail_at = -1; /* -1: the environment was not asked yet */
static _Atomic int64_t fault_points;

void mmi_fail_at(int64_t n)
{
    atomic_store(&fault_points, 0);
    atomic_store(&fail_at, n);
}

int64_t mmi_fault_points(void)
{
    return atomic_load(&fault_points);
}

bool mmi_fault(void)
{
    int64_t n = atomic_load_explicit(&fail_at, memory_order_relaxed);
    if (n == 0) {
        return false;
    }
    if (n < 0) {
        const char *text = getenv("MM_FAIL_AT");
        n = text != NULL ? strtoll(text, NULL, 10) : 0;
        atomic_store(&fail_at, n);
    }
    return atomic_fetch_add(&fault_points, 1) + 1 == n;
}
#endif

/* Sizes no machine has: overflows of the caller's, refused without asking the system.
 */
#define MOST_BYTES (SIZE_MAX / 8)

static void *out_of_memory(size_t size)
{
    mm_raise(MM_ENOMEM, "could not allocate %zu bytes", size);
    return NULL;
}

void *mmi_try_alloc(size_t size)
{
    bool is_refused = size > MOST_BYTES || mmi_fault();
    void *memory = is_refused ? NULL : malloc(size > 0 ? size : 1);
    if (MMI_LIKELY(memory != NULL)) {
        count_block(1);
    }
    return memory;
}

void *mmi_alloc_raw(size_t size)
{
    if (mmi_is_pending()) {
        return NULL;
    }
    void *memory = mmi_try_alloc(size);
    return MMI_LIKELY(memory != NULL) ? memory : out_of_memory(size);
}

void *mm_alloc(size_t size)
{
    enum { SMALL = 1024 }; /* malloc has caches per thread that calloc may not use */
    if (size <= SMALL) {
        void *memory = mmi_alloc_raw(size);
        return memory != NULL ? memset(memory, 0, size) : NULL;
    }
    if (mmi_is_pending()) {
        return NULL;
    }
    void *memory = size > MOST_BYTES || mmi_fault() ? NULL : calloc(1, size);
    if (memory == NULL) {
        return out_of_memory(size);
    }
    count_block(1);
    return memory;
}

void *mm_alloc_array(size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / size) {
        mm_raise(MM_ENOMEM, "could not allocate %zu items of %zu bytes", count, size);
        return NULL;
    }
    return mm_alloc(count * size);
}

void *mm_realloc(void *memory, size_t size)
{
    if (mmi_is_pending()) {
        return NULL;
    }
    bool is_refused = size > MOST_BYTES || mmi_fault();
    void *moved = is_refused ? NULL : realloc(memory, size > 0 ? size : 1);
    if (moved == NULL) {
        return out_of_memory(size);
    }
    if (memory == NULL) {
        count_block(1);
    }
    return moved;
}

void *mm_alloc_aligned(size_t size)
{
    enum { ALIGNMENT = 64 };
    if (mmi_is_pending()) {
        return NULL;
    }
    if (size > MOST_BYTES) {
        return out_of_memory(size);
    }
    size_t rounded = size == 0 ? ALIGNMENT : (size + ALIGNMENT - 1) / ALIGNMENT;
    rounded = size == 0 ? ALIGNMENT : rounded * ALIGNMENT;
    void *memory = mmi_fault() ? NULL : aligned_alloc(ALIGNMENT, rounded);
    if (memory == NULL) {
        return out_of_memory(size);
    }
    count_block(1);
    return memory;
}

void mm_free(void *memory)
{
    if (memory != NULL) {
        count_block(-1);
        free(memory);
    }
}

void mm_free_aligned(void *memory)
{
    mm_free(memory);
}

char *mmi_strndup(const char *text, size_t size)
{
    if (!MMI_NEED(text)) {
        return NULL;
    }
    char *copy = size < SIZE_MAX ? mmi_alloc_raw(size + 1) : out_of_memory(size);
    if (copy != NULL) {
        memcpy(copy, text, size);
        copy[size] = '\0';
    }
    return copy;
}

char *mm_strdup(const char *text)
{
    /* NULL is allowed here: the copy of an absent text is absent. */
    return text != NULL ? mmi_strndup(text, strlen(text)) : NULL;
}

char *mm_strfmt(const char *format, ...)
{
    if (!MMI_NEED(format)) {
        return NULL;
    }
    char begin[256]; /* most texts fit */
    va_list values;
    va_start(values, format);
    va_list again;
    va_copy(again, values);
    int size = vsnprintf(begin, sizeof begin, format, values);
    va_end(values);
    char *text = NULL;
    if (size < 0) {
        mm_raise(MM_EINVAL, "could not format a text with '%s'", format);
    } else if ((text = mmi_alloc_raw((size_t)size + 1)) == NULL) {
        /* pending */
    } else if ((size_t)size < sizeof begin) {
        memcpy(text, begin, (size_t)size + 1);
    } else {
        vsnprintf(text, (size_t)size + 1, format, again);
    }
    va_end(again);
    return text;
}
