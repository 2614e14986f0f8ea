/* Clocks, and the text of the system's errors. */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/os.h"

enum { NS_PER_S = 1000000000 };

static int64_t read_clock(clockid_t clock)
{
    struct timespec now = {0};
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

int64_t mmi_clock_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t mmi_wall_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

static size_t time_text(int64_t wall_ns, bool is_utc, const char *format, char *out,
                        size_t out_size)
{
    time_t seconds = (time_t)(wall_ns / NS_PER_S);
    struct tm parts;
    if (out_size == 0) {
        return 0;
    }
    out[0] = '\0';
    if ((is_utc ? gmtime_r(&seconds, &parts) : localtime_r(&seconds, &parts)) == NULL) {
        return 0;
    }
    size_t size = strftime(out, out_size, format, &parts);
    if (size == 0) {
        out[0] = '\0';
    }
    return size;
}

size_t mmi_time_text(int64_t wall_ns, const char *format, char *out, size_t out_size)
{
    return time_text(wall_ns, false, format, out, out_size);
}

size_t mmi_time_text_utc(int64_t wall_ns, const char *format, char *out,
                         size_t out_size)
{
    return time_text(wall_ns, true, format, out, out_size);
}

void mmi_sleep_ms(int64_t duration_ms)
{
    struct timespec left = {(time_t)(duration_ms / 1000),
                            (long)(duration_ms % 1000) * 1000000L};
    while (duration_ms > 0 && nanosleep(&left, &left) != 0 && errno == EINTR) {
        /* goes on with what is left */
    }
}

void mmi_errno_text(int number, char *out, size_t out_size)
{
    if (out_size == 0) {
        return;
    }
    if (strerror_r(number, out, out_size) != 0) {
        snprintf(out, out_size, "system error %d", number);
    }
    out[0] = (char)tolower((unsigned char)out[0]);
}

static mm_status status_of(int number)
{
    switch (number) {
    case ENOENT:
    case ENOTDIR:
        return MM_ENOENT;
    case ENOMEM:
        return MM_ENOMEM;
    case EEXIST:
        return MM_EBUSY;
    default:
        return MM_EIO;
    }
}

mm_status mmi_raise_errno_at(int number, const char *c_file, int c_line,
                             const char *attempt, ...)
{
    char text[1024];
    char reason[128];
    if (mmi_is_pending()) {
        return mm_pending();
    }
    va_list values;
    va_start(values, attempt);
    if (vsnprintf(text, sizeof text, attempt, values) < 0) {
        text[0] = '\0';
    }
    va_end(values);
    mmi_errno_text(number, reason, sizeof reason);
    return mm_raise_at(status_of(number), c_file, c_line, "could not %s: %s", text,
                       reason);
}
