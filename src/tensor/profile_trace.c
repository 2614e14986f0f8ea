/* The trace of a recording in Chrome's JSON format: one complete event ("X") per call,
 * one metadata event per thread. Times are microseconds of the monotonic clock. */
#include <inttypes.h>
#include <stdio.h>

#include "base/os.h"
#include "base/status.h"
#include "base/str.h"
#include "mmengine/memory.h"
#include "tensor/profile.h"

static void put_string(mmi_str *out, const char *text)
{
    mmi_str_add_char(out, '"');
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '"' || c == '\\') {
            mmi_str_add_char(out, '\\');
        }
        if (c < 0x20) {
            mmi_str_addf(out, "\\u%04x", c);
        } else {
            mmi_str_add_char(out, (char)c);
        }
    }
    mmi_str_add_char(out, '"');
}

static void put_name(mmi_str *out, const char *kind, uint64_t thread, const char *name)
{
    mmi_str_addf(out,
                 "{\"ph\": \"M\", \"name\": \"%s\", \"pid\": %" PRId64
                 ", \"tid\": %" PRIu64 ", \"args\": {\"name\": ",
                 kind, mmi_os_pid(), thread);
    put_string(out, name);
    mmi_str_add(out, "}},\n");
}

/* Nanoseconds as microseconds with three digits, without rounding. */
static void put_time(mmi_str *out, const char *key, int64_t ns)
{
    mmi_str_addf(out, "\"%s\": %" PRId64 ".%03" PRId64, key, ns / 1000, ns % 1000);
}

static void put_event(mmi_str *out, const mm_profile *profile,
                      const mm_profile_event *event)
{
    const char *comma = "";

    mmi_str_addf(out, "{\"ph\": \"X\", \"cat\": \"%s\", \"name\": ",
                 event->is_range ? "user_annotation" : "cpu_op");
    put_string(out, event->name);
    mmi_str_addf(out, ", \"pid\": %" PRId64 ", \"tid\": %" PRIu64 ", ", mmi_os_pid(),
                 event->thread);
    put_time(out, "ts", event->begin_ns);
    mmi_str_add(out, ", ");
    put_time(out, "dur", event->end_ns - event->begin_ns);
    mmi_str_add(out, ", \"args\": {");
    if (event->shapes != NULL) {
        mmi_str_addf(out, "\"Input Dims\": %s", event->shapes);
        comma = ", ";
    }
    if ((profile->flags & MM_PROFILE_MEMORY) != 0 && !event->is_range) {
        mmi_str_addf(out, "%s\"Bytes\": %" PRId64, comma, event->bytes);
        comma = ", ";
    }
    if (event->flops > 0) {
        mmi_str_addf(out, "%s\"Flops\": %" PRIu64, comma, event->flops);
    }
    mmi_str_add(out, "}}");
}

static void put_threads(mmi_str *out, const mm_profile *profile)
{
    uint64_t seen[64]; /* more have no name */
    size_t count = 0;

    put_name(out, "process_name", 0, "mmengine");
    for (size_t i = 0; i < profile->events.count; i++) {
        uint64_t thread = profile->events.data[i].thread;
        size_t at = 0;
        char name[32];

        while (at < count && seen[at] != thread) {
            at++;
        }
        if (at < count || count == sizeof(seen) / sizeof(seen[0])) {
            continue;
        }
        seen[count++] = thread;
        (void)snprintf(name, sizeof(name), "thread %" PRIu64, thread);
        put_name(out, "thread_name", thread, name);
    }
}

char *mm_profile_trace(const mm_profile *profile)
{
    mmi_str text = {0};

    if (!MMI_NEED(profile))
        return NULL;
    mmi_profile_sort(profile);
    mmi_str_addf(&text,
                 "{\"schemaVersion\": 1, \"displayTimeUnit\": \"ms\", "
                 "\"record_shapes\": %d, \"profile_memory\": %d, \"with_flops\": %d,\n"
                 "\"traceEvents\": [\n",
                 (profile->flags & MM_PROFILE_SHAPES) != 0,
                 (profile->flags & MM_PROFILE_MEMORY) != 0,
                 (profile->flags & MM_PROFILE_FLOPS) != 0);
    put_threads(&text, profile);
    for (size_t i = 0; i < profile->events.count; i++) {
        put_event(&text, profile, &profile->events.data[i]);
        mmi_str_add(&text, i + 1 < profile->events.count ? ",\n" : "\n");
    }
    if (profile->events.count == 0) {
        mmi_str_cut(&text, text.size - 2); /* the comma of the last name */
    }
    mmi_str_add(&text, "]}\n");
    return mmi_str_take(&text);
}
