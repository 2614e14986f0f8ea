/*
 * Threads on POSIX. Every thread of ours blocks all signals, so that a host's handlers
 * run on the host's threads; conditions measure their waits on the monotonic clock.
 */
#include "base/os_thread.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

struct start {
    void (*run)(void *);
    void *user;
};

struct at_exit {
    void (*run)(void *);
    void *user;
    struct at_exit *next;
};

static pthread_key_t at_exit_key;
static pthread_once_t at_exit_once = PTHREAD_ONCE_INIT;
static bool at_exit_works;

/* Newest first. What is added meanwhile makes pthreads call this again. */
static void run_at_exit(void *list)
{
    struct at_exit *item = list;
    while (item != NULL) {
        struct at_exit *next = item->next;
        item->run(item->user);
        free(item);
        item = next;
    }
}

static void make_at_exit_key(void)
{
    at_exit_works = pthread_key_create(&at_exit_key, run_at_exit) == 0;
}

bool mmi_thread_at_exit(void (*run)(void *), void *user)
{
    pthread_once(&at_exit_once, make_at_exit_key);
    /* Plain malloc: memory.c itself stands on this function. */
    struct at_exit *item = at_exit_works ? malloc(sizeof *item) : NULL;
    if (item == NULL) {
        return false;
    }
    *item = (struct at_exit){run, user, pthread_getspecific(at_exit_key)};
    if (pthread_setspecific(at_exit_key, item) != 0) {
        free(item);
        return false;
    }
    return true;
}

static void *thread_main(void *argument)
{
    struct start start = *(struct start *)argument;
    free(argument);
    start.run(start.user);
    return NULL;
}

mm_status mmi_thread_start(mmi_thread *thread, const char *name, void (*run)(void *),
                           void *user)
{
    thread->is_running = false;
    if (mm_has_error()) {
        return mm_pending();
    }
    struct start *start = malloc(sizeof *start);
    if (start == NULL) {
        return mm_raise(MM_ENOMEM, "could not start thread '%s'", name);
    }
    *start = (struct start){run, user};

    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* the new thread inherits it */
    int failed = pthread_create(&thread->native, NULL, thread_main, start);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed != 0) {
        free(start);
        return mm_raise(MM_EBUSY, "could not start thread '%s': too many threads",
                        name);
    }
    thread->is_running = true;
    return MM_OK;
}

void mmi_thread_join(mmi_thread *thread)
{
    if (thread->is_running) {
        pthread_join(thread->native, NULL);
        thread->is_running = false;
    }
}

uint64_t mmi_thread_id(void)
{
    static _Atomic uint64_t last;
    static MM_THREAD_LOCAL uint64_t mine;
    if (mine == 0) {
        mine = atomic_fetch_add(&last, 1) + 1;
    }
    return mine;
}

void mmi_thread_pause(void)
{
    sched_yield();
}

void mmi_mutex_init(mmi_mutex *mutex)
{
    MM_ASSERT(pthread_mutex_init(&mutex->native, NULL) == 0);
}

void mmi_mutex_deinit(mmi_mutex *mutex)
{
    pthread_mutex_destroy(&mutex->native);
}

void mmi_mutex_lock(mmi_mutex *mutex)
{
    MM_ASSERT(pthread_mutex_lock(&mutex->native) == 0);
}

bool mmi_mutex_try_lock(mmi_mutex *mutex)
{
    return pthread_mutex_trylock(&mutex->native) == 0;
}

void mmi_mutex_unlock(mmi_mutex *mutex)
{
    MM_ASSERT(pthread_mutex_unlock(&mutex->native) == 0);
}

void mmi_cond_init(mmi_cond *cond)
{
    pthread_condattr_t attributes;
    MM_ASSERT(pthread_condattr_init(&attributes) == 0);
    MM_ASSERT(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    MM_ASSERT(pthread_cond_init(&cond->native, &attributes) == 0);
    pthread_condattr_destroy(&attributes);
}

void mmi_cond_deinit(mmi_cond *cond)
{
    pthread_cond_destroy(&cond->native);
}

void mmi_cond_wait(mmi_cond *cond, mmi_mutex *mutex)
{
    MM_ASSERT(pthread_cond_wait(&cond->native, &mutex->native) == 0);
}

bool mmi_cond_wait_ms(mmi_cond *cond, mmi_mutex *mutex, int64_t timeout_ms)
{
    if (timeout_ms < 0) {
        mmi_cond_wait(cond, mutex);
        return true;
    }
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(timeout_ms / 1000);
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    return pthread_cond_timedwait(&cond->native, &mutex->native, &until) != ETIMEDOUT;
}

void mmi_cond_signal(mmi_cond *cond)
{
    pthread_cond_signal(&cond->native);
}

void mmi_cond_broadcast(mmi_cond *cond)
{
    pthread_cond_broadcast(&cond->native);
}

void mmi_once_run(mmi_once *once, void (*run)(void))
{
    pthread_once(&once->native, run);
}
