/* Recordings. Operators come from the bridge when a recording ends, ranges are noted
 * here; both use the monotonic clock and libtorch's numbers of threads, so they nest.
 */
#include "tensor/profile.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/os.h"
#include "base/status.h"
#include "base/thread.h"
#include "mmengine/memory.h"
#include "mmengine/value.h"
#include "tensor/bridge.h"

/* The one recording of the process; NULL: none. Ranges of all threads go to it. */
static _Atomic(mm_profile *) running;
static mmi_mutex range_lock = MMI_MUTEX_INIT;

mm_profile *mm_profile_new(unsigned flags)
{
    mm_profile *profile = mm_alloc(sizeof(*profile));

    if (profile != NULL) {
        profile->flags = flags;
    }
    return profile;
}

void mm_profile_free(mm_profile *profile)
{
    if (profile == NULL) {
        return;
    }
    for (size_t i = 0; i < profile->texts.count; i++) {
        mm_free(profile->texts.data[i]);
    }
    mmi_vec_deinit(&profile->texts);
    mmi_vec_deinit(&profile->events);
    mm_free(profile);
}

/* A copy that the profile owns: sizes are rarely the same for long. */
static const char *keep_text(mm_profile *profile, const char *text)
{
    char *copy = text == NULL ? NULL : mm_strdup(text);

    if (copy != NULL && !mmi_vec_push(&profile->texts, copy)) {
        mm_free(copy);
        return NULL;
    }
    return copy;
}

mm_status mm_profile_add(mm_profile *profile, const mm_profile_event *event)
{
    if (!MMI_NEED(profile) || !MMI_NEED(event))
        return mm_pending();
    mm_profile_event added = *event;

    added.name = mm_intern(event->name);
    added.shapes = keep_text(profile, event->shapes);
    (void)mmi_vec_push(&profile->events, added);
    profile->is_sorted = false;
    return mm_pending();
}

/* --- recording --- */

mm_status mm_profile_start(unsigned flags)
{
    const mmt_api *torch = mmi_torch_begin();
    mm_profile *profile = torch == NULL ? NULL : mm_profile_new(flags);
    mm_profile *none = NULL;

    if (profile == NULL) {
        return mm_pending();
    }
    profile->begin_ns = mmi_clock_ns();
    if (!atomic_compare_exchange_strong(&running, &none, profile)) {
        mm_profile_free(profile);
        return mm_raise(MM_EBUSY, "could not begin to profile: a recording is running");
    }
    if (torch->profile_start(flags) < 0) {
        atomic_store(&running, NULL);
        mm_profile_free(profile);
    }
    return mm_pending();
}

static void add_event(void *user, const mm_profile_event *event)
{
    (void)mm_profile_add(user, event);
}

mm_profile *mm_profile_stop(void)
{
    const mmt_api *torch = mmi_torch_begin();

    if (torch == NULL) {
        return NULL;
    }
    mm_profile *profile = atomic_load(&running);

    if (profile == NULL) {
        mm_raise(MM_ESTATE, "could not end a recording: none is running");
        return NULL;
    }
    mmi_mutex_lock(&range_lock);
    atomic_store(&running, NULL);
    mmi_mutex_unlock(&range_lock);
    if (torch->profile_stop(add_event, profile) < 0 || mm_has_error()) {
        mm_profile_free(profile);
        return NULL;
    }
    mmi_profile_sort(profile);
    return profile;
}

bool mm_profile_is_running(void)
{
    return atomic_load_explicit(&running, memory_order_relaxed) != NULL;
}

int64_t mm_profile_begin(void)
{
    return mm_profile_is_running() ? mmi_clock_ns() : 0;
}

void mm_profile_end(int64_t begin, const char *name)
{
    const mmt_api *torch = atomic_load_explicit(&mmi_torch_table, memory_order_acquire);

    if (begin == 0 || torch == NULL || mm_has_error()) {
        return;
    }
    mm_profile_event event = {
        .name = name,
        .begin_ns = begin,
        .end_ns = mmi_clock_ns(),
        .thread = torch->profile_thread(),
        .is_range = true,
    };

    mmi_mutex_lock(&range_lock);
    mm_profile *profile = atomic_load(&running);

    if (profile != NULL && begin >= profile->begin_ns) {
        (void)mm_profile_add(profile, &event);
    }
    mmi_mutex_unlock(&range_lock);
}

/* --- order --- */

static int by_begin(const void *a, const void *b)
{
    const mm_profile_event *x = a, *y = b;

    if (x->begin_ns != y->begin_ns) {
        return x->begin_ns < y->begin_ns ? -1 : 1;
    }
    if (x->end_ns != y->end_ns) {
        return x->end_ns > y->end_ns ? -1 : 1;
    }
    return (x->thread > y->thread) - (x->thread < y->thread);
}

/* The order of events is no part of what a profile says. */
void mmi_profile_sort(const mm_profile *profile)
{
    mm_profile *sorted = (mm_profile *)(uintptr_t)profile;

    if (!sorted->is_sorted && sorted->events.count > 0) {
        qsort(sorted->events.data, sorted->events.count, sizeof(mm_profile_event),
              by_begin);
    }
    sorted->is_sorted = true;
}

size_t mm_profile_len(const mm_profile *profile)
{
    return profile == NULL ? 0 : profile->events.count;
}

const mm_profile_event *mm_profile_at(const mm_profile *profile, size_t index)
{
    if (profile == NULL)
        return NULL;
    mmi_profile_sort(profile);
    return index < profile->events.count ? &profile->events.data[index] : NULL;
}

/* The innermost call of each thread that has not ended. */
struct open_call {
    uint64_t thread;
    int64_t event;
};

typedef MMI_VEC(struct open_call) open_calls;

static struct open_call *call_of_thread(open_calls *calls, uint64_t thread)
{
    for (size_t i = 0; i < calls->count; i++) {
        if (calls->data[i].thread == thread) {
            return &calls->data[i];
        }
    }
    return mmi_vec_push(calls, (struct open_call){thread, -1})
               ? &calls->data[calls->count - 1]
               : NULL;
}

/* True if `call` cannot have made `event`. */
static bool is_over(const mm_profile_event *call, const mm_profile_event *event)
{
    return event->begin_ns >= call->end_ns || event->end_ns > call->end_ns;
}

static mm_status find_parents(const mm_profile *profile, bool only_ranges,
                              int64_t *parents)
{
    const mm_profile_event *events = profile->events.data;
    open_calls calls = {0};

    for (size_t i = 0; i < profile->events.count; i++) {
        bool counts = events[i].is_range || !only_ranges;
        struct open_call *call =
            counts ? call_of_thread(&calls, events[i].thread) : NULL;

        parents[i] = MMI_PROFILE_LEFT_OUT;
        if (call == NULL) {
            continue;
        }
        while (call->event >= 0 && is_over(&events[call->event], &events[i])) {
            call->event = parents[call->event];
        }
        parents[i] = call->event;
        call->event = (int64_t)i;
    }
    mmi_vec_deinit(&calls);
    return mm_pending();
}

/* An only call of the same name within a call is that call again, as PyTorch counts:
 * it is left out, and what it made is its caller's. Callers come before their calls. */
static mm_status leave_doubles_out(const mm_profile *profile, int64_t *parents)
{
    size_t count = profile->events.count;
    int64_t *num_calls = mm_alloc_array(count + 1, sizeof(*num_calls));
    int64_t *same = mm_alloc_array(count + 1, sizeof(*same)); /* stands for it */

    for (size_t i = 0; !mm_has_error() && i < count; i++) {
        if (parents[i] >= 0) {
            num_calls[parents[i]]++;
        }
    }
    for (size_t i = 0; !mm_has_error() && i < count; i++) {
        same[i] = (int64_t)i;
        if (parents[i] < 0) {
            continue;
        }
        int64_t parent = same[parents[i]];

        parents[i] = parent;
        if (num_calls[parent] == 1 &&
            profile->events.data[parent].name == profile->events.data[i].name) {
            num_calls[parent] = num_calls[i];
            same[i] = parent;
            parents[i] = MMI_PROFILE_LEFT_OUT;
        }
    }
    mm_free(num_calls);
    mm_free(same);
    return mm_pending();
}

mm_status mmi_profile_parents(const mm_profile *profile, bool only_ranges,
                              int64_t *parents)
{
    mmi_profile_sort(profile);
    if (find_parents(profile, only_ranges, parents) < 0) {
        return mm_pending();
    }
    return leave_doubles_out(profile, parents);
}
