/* Threads, locks, conditions and a blocking queue. */
#ifndef MMI_BASE_THREAD_H
#define MMI_BASE_THREAD_H

#include "base/os_thread.h"

/* How a wait on a queue ended. */
typedef enum mmi_queue_result {
    MMI_QUEUE_OK,
    MMI_QUEUE_CLOSED, /* no more items will come (pop) or be taken (push) */
    MMI_QUEUE_TIMEOUT
} mmi_queue_result;

/* A bounded first-in first-out queue of pointers between threads. */
typedef struct mmi_queue mmi_queue;

/* `capacity` items, at least 1. NULL: MM_ENOMEM, MM_EINVAL. */
mmi_queue *mmi_queue_new(size_t capacity);
/* All threads must have left it. Items still inside are the caller's to drain before.
 */
void mmi_queue_free(mmi_queue *queue);
/* Waits for room; a negative timeout: for ever. The caller keeps the item on failure.
 */
mmi_queue_result mmi_queue_push(mmi_queue *queue, void *item, int64_t timeout_ms);
/* Waits for an item. After a close the items inside still come out. */
mmi_queue_result mmi_queue_pop(mmi_queue *queue, int64_t timeout_ms, void **out_item);
/* Wakes all who wait; nothing more can be pushed. */
void mmi_queue_close(mmi_queue *queue);
size_t mmi_queue_size(mmi_queue *queue);

#endif
