/*
 * A bounded blocking queue: a ring under one lock with a condition for each direction.
 * Items are batches and log records, so the lock is taken thousands of times a second,
 * not millions.
 */
#include "base/memory.h"
#include "base/thread.h"

struct mmi_queue {
    mmi_mutex mutex;
    mmi_cond not_empty;
    mmi_cond not_full;
    size_t capacity;
    size_t first;
    size_t count;
    bool is_closed;
    void *items[];
};

mmi_queue *mmi_queue_new(size_t capacity)
{
    if (capacity == 0 || capacity > SIZE_MAX / (2 * sizeof(void *))) {
        mm_raise(MM_EINVAL, "could not make a queue of %zu items", capacity);
        return NULL;
    }
    mmi_queue *queue = mm_alloc(sizeof *queue + capacity * sizeof(void *));
    if (queue != NULL) {
        queue->capacity = capacity;
        mmi_mutex_init(&queue->mutex);
        mmi_cond_init(&queue->not_empty);
        mmi_cond_init(&queue->not_full);
    }
    return queue;
}

void mmi_queue_free(mmi_queue *queue)
{
    if (queue != NULL) {
        mmi_cond_deinit(&queue->not_full);
        mmi_cond_deinit(&queue->not_empty);
        mmi_mutex_deinit(&queue->mutex);
        mm_free(queue);
    }
}

mmi_queue_result mmi_queue_push(mmi_queue *queue, void *item, int64_t timeout_ms)
{
    mmi_queue_result result = MMI_QUEUE_OK;
    mmi_mutex_lock(&queue->mutex);
    while (queue->count == queue->capacity && !queue->is_closed) {
        if (!mmi_cond_wait_ms(&queue->not_full, &queue->mutex, timeout_ms)) {
            result = MMI_QUEUE_TIMEOUT;
            break;
        }
    }
    if (queue->is_closed) {
        result = MMI_QUEUE_CLOSED;
    } else if (queue->count < queue->capacity) {
        queue->items[(queue->first + queue->count) % queue->capacity] = item;
        queue->count++;
        result = MMI_QUEUE_OK;
        mmi_cond_signal(&queue->not_empty);
    }
    mmi_mutex_unlock(&queue->mutex);
    return result;
}

mmi_queue_result mmi_queue_pop(mmi_queue *queue, int64_t timeout_ms, void **out_item)
{
    mmi_queue_result result = MMI_QUEUE_OK;
    mmi_mutex_lock(&queue->mutex);
    while (queue->count == 0 && !queue->is_closed) {
        if (!mmi_cond_wait_ms(&queue->not_empty, &queue->mutex, timeout_ms)) {
            result = MMI_QUEUE_TIMEOUT;
            break;
        }
    }
    if (queue->count > 0) {
        *out_item = queue->items[queue->first];
        queue->first = (queue->first + 1) % queue->capacity;
        queue->count--;
        result = MMI_QUEUE_OK;
        mmi_cond_signal(&queue->not_full);
    } else if (queue->is_closed) {
        result = MMI_QUEUE_CLOSED;
    }
    mmi_mutex_unlock(&queue->mutex);
    return result;
}

void mmi_queue_close(mmi_queue *queue)
{
    mmi_mutex_lock(&queue->mutex);
    queue->is_closed = true;
    mmi_cond_broadcast(&queue->not_empty);
    mmi_cond_broadcast(&queue->not_full);
    mmi_mutex_unlock(&queue->mutex);
}

size_t mmi_queue_size(mmi_queue *queue)
{
    mmi_mutex_lock(&queue->mutex);
    size_t count = queue->count;
    mmi_mutex_unlock(&queue->mutex);
    return count;
}
