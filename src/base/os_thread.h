/*
 * Threads, locks and thread exit. The one header besides os_*.c that knows pthreads.
 * Locks and conditions cannot fail once they are made; making one cannot fail on the
 * systems we know, and is asserted.
 */
#ifndef MMI_BASE_OS_THREAD_H
#define MMI_BASE_OS_THREAD_H

#include <pthread.h>

#include "mmengine/status.h"

typedef struct mmi_mutex {
    pthread_mutex_t native;
} mmi_mutex;
typedef struct mmi_cond {
    pthread_cond_t native;
} mmi_cond;
typedef struct mmi_once {
    pthread_once_t native;
} mmi_once;
typedef struct mmi_thread {
    pthread_t native;
    bool is_running; /* started and not joined */
} mmi_thread;

#define MMI_MUTEX_INIT                                                                 \
    {                                                                                  \
        PTHREAD_MUTEX_INITIALIZER                                                      \
    }
#define MMI_ONCE_INIT                                                                  \
    {                                                                                  \
        PTHREAD_ONCE_INIT                                                              \
    }

/* Starts a thread that blocks all signals. `name` (at most 15 bytes) is for debuggers.
 * Errors: MM_ENOMEM, MM_EBUSY. */
mm_status mmi_thread_start(mmi_thread *thread, const char *name, void (*run)(void *),
                           void *user) MM_MUST_USE;
/* Waits for its end. Does nothing if it is not running. */
void mmi_thread_join(mmi_thread *thread);
/* A number that differs between all living threads. */
uint64_t mmi_thread_id(void);
/* Calls run(user) when the calling thread ends. False: no memory. */
bool mmi_thread_at_exit(void (*run)(void *), void *user);
/* Gives the rest of the time slice to others. */
void mmi_thread_pause(void);

void mmi_mutex_init(mmi_mutex *mutex);
void mmi_mutex_deinit(mmi_mutex *mutex);
void mmi_mutex_lock(mmi_mutex *mutex);
bool mmi_mutex_try_lock(mmi_mutex *mutex);
void mmi_mutex_unlock(mmi_mutex *mutex);

void mmi_cond_init(mmi_cond *cond);
void mmi_cond_deinit(mmi_cond *cond);
void mmi_cond_wait(mmi_cond *cond, mmi_mutex *mutex);
/* False if `timeout_ms` passed; negative: no limit. */
bool mmi_cond_wait_ms(mmi_cond *cond, mmi_mutex *mutex, int64_t timeout_ms);
void mmi_cond_signal(mmi_cond *cond);
void mmi_cond_broadcast(mmi_cond *cond);

void mmi_once_run(mmi_once *once, void (*run)(void));

#endif
