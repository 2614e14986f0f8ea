/*
 * The pending error of a thread. All errors pass through mm_raise_at(), so one
 * breakpoint sees them all. The text lies in thread-local storage: raising never
 * allocates. Invariant: `mmi_pending_code` is the code of `pending`, and negative or 0.
 */
#include "base/status.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mmengine/value.h"

MMI_FAST_THREAD_LOCAL int mmi_pending_code;

static MM_THREAD_LOCAL mm_error pending;

static _Atomic(mm_panic_handler) panic_handler;

/* Cuts a UTF-8 text that did not fit `size` bytes before its last, broken character. */
static void cut_at_character(char *text, size_t size, int needed)
{
    if (needed < 0) {
        text[0] = '\0';
        return;
    }
    if ((size_t)needed < size) {
        return;
    }
    size_t end = size - 1;
    size_t start = end;
    while (start > 0 && ((unsigned char)text[start - 1] & 0xC0) == 0x80) {
        start--;
    }
    if (start == 0) {
        return;
    }
    unsigned char lead = (unsigned char)text[start - 1];
    size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    if (end - (start - 1) < length) {
        text[start - 1] = '\0';
    }
}

static void write_text(char *out, size_t size, const char *format, va_list values)
    MM_PRINTF(3, 0);

static void write_text(char *out, size_t size, const char *format, va_list values)
{
    cut_at_character(out, size, vsnprintf(out, size, format, values));
}

mm_status mm_raise_at(mm_status code, const char *c_file, int c_line,
                      const char *format, ...)
{
    if (mmi_pending_code != 0) {
        return pending.code;
    }
    if (code >= MM_OK) {
        code = MM_EINTERNAL;
    }
    va_list values;
    va_start(values, format);
    write_text(pending.message, sizeof pending.message, format, values);
    va_end(values);
    pending.code = code;
    pending.c_file = c_file;
    pending.c_line = c_line;
    pending.hint[0] = '\0';
    pending.num_frames = 0;
    mmi_pending_code = code;
    return code;
}

mm_status mm_error_hint(const char *format, ...)
{
    if (mmi_pending_code != 0 && pending.hint[0] == '\0') {
        va_list values;
        va_start(values, format);
        write_text(pending.hint, sizeof pending.hint, format, values);
        va_end(values);
    }
    return mm_pending();
}

mm_status mm_error_frame(const char *format, ...)
{
    if (mmi_pending_code != 0 && pending.num_frames < MM_ERROR_FRAMES) {
        va_list values;
        va_start(values, format);
        write_text(pending.frames[pending.num_frames], sizeof pending.frames[0], format,
                   values);
        va_end(values);
        pending.num_frames++;
    }
    return mm_pending();
}

static const char *skip_digits(const char *text)
{
    while (*text >= '0' && *text <= '9') {
        text++;
    }
    return text;
}

/* True if the message begins with "name:12:3: ". */
static bool has_place(const char *message)
{
    const char *colon = message;
    while ((colon = strchr(colon, ':')) != NULL) {
        const char *line = colon + 1;
        const char *line_end = skip_digits(line);
        if (line_end > line && *line_end == ':') {
            const char *column_end = skip_digits(line_end + 1);
            if (column_end > line_end + 1 && column_end[0] == ':' &&
                column_end[1] == ' ') {
                return colon > message;
            }
        }
        if (line[0] == ' ') {
            return false; /* the message itself has begun */
        }
        colon = line;
    }
    return false;
}

mm_status mm_error_locate(const mm_source *source)
{
    if (mmi_pending_code == 0 || source == NULL || source->file == NULL ||
        has_place(pending.message)) {
        return mm_pending();
    }
    char place[MM_ERROR_MESSAGE_SIZE / 2];
    int size = snprintf(place, sizeof place, "%s:%d:%d: ", source->file,
                        (int)source->line, (int)source->column);
    if (size < 0 || (size_t)size >= sizeof place) {
        return mm_pending(); /* a path longer than any system allows */
    }
    size_t room = sizeof pending.message - (size_t)size;
    size_t length = strlen(pending.message);
    size_t moved = length < room ? length : room - 1;
    memmove(pending.message + size, pending.message, moved);
    pending.message[(size_t)size + moved] = '\0';
    memcpy(pending.message, place, (size_t)size);
    if (moved < length) {
        cut_at_character(pending.message, sizeof pending.message,
                         (int)sizeof pending.message);
    }
    return mm_pending();
}

mm_status mm_pending(void)
{
    return (mm_status)mmi_pending_code;
}

const mm_error *mm_error_peek(void)
{
    return mmi_pending_code != 0 ? &pending : NULL;
}

mm_status mm_error_take(mm_error *out)
{
    mm_status code = mm_pending();
    if (out != NULL) {
        if (code != MM_OK) {
            *out = pending;
        } else {
            memset(out, 0, sizeof *out);
        }
    }
    pending.code = MM_OK;
    mmi_pending_code = MM_OK;
    return code;
}

mm_status mm_error_restore(const mm_error *error)
{
    if (mmi_pending_code == 0 && error != NULL && error->code != MM_OK) {
        if (error != &pending) {
            pending = *error;
        }
        if (pending.code > MM_OK) {
            pending.code = MM_EINTERNAL;
        }
        mmi_pending_code = pending.code;
    }
    return mm_pending();
}

/* An snprintf() that keeps its place; `used` counts what would have been written. */
struct text_out {
    char *data;
    size_t size;
    size_t used;
};

static void add_line(struct text_out *out, const char *before, const char *text)
{
    bool fits = out->used < out->size;
    int written = snprintf(fits ? out->data + out->used : NULL,
                           fits ? out->size - out->used : 0, "%s%s", before, text);
    if (written > 0) {
        out->used += (size_t)written;
    }
}

size_t mm_error_format(const mm_error *error, char *out, size_t out_size)
{
    struct text_out text = {out, out_size, 0};

    if (out_size > 0) {
        out[0] = '\0';
    }
    if (error == NULL || error->code == MM_OK) {
        return 0;
    }
    add_line(&text, "", error->message);
    for (int i = 0; i < error->num_frames; i++) {
        add_line(&text, "\n  ", error->frames[i]);
    }
    if (error->hint[0] != '\0') {
        add_line(&text, "\nhint: ", error->hint);
    }
    return text.used;
}

const char *mm_status_name(mm_status status)
{
    switch (status) {
#define NAME(status_)                                                                  \
    case status_:                                                                      \
        return #status_
        NAME(MM_OK);
        NAME(MM_END);
        NAME(MM_STOP);
        NAME(MM_ENOMEM);
        NAME(MM_EINVAL);
        NAME(MM_ETYPE);
        NAME(MM_ESHAPE);
        NAME(MM_EDTYPE);
        NAME(MM_EKEY);
        NAME(MM_ERANGE);
        NAME(MM_ECONFIG);
        NAME(MM_EIO);
        NAME(MM_ENOENT);
        NAME(MM_EDATA);
        NAME(MM_EUNSUPPORTED);
        NAME(MM_EPLUGIN);
        NAME(MM_EABI);
        NAME(MM_EBUSY);
        NAME(MM_ETORCH);
        NAME(MM_ESTATE);
        NAME(MM_ENUMERIC);
        NAME(MM_EINTERRUPTED);
        NAME(MM_EINTERNAL);
#undef NAME
    }
    return "unknown status";
}

void mm_set_panic_handler(mm_panic_handler handler)
{
    atomic_store(&panic_handler, handler);
}

void mm_panic(const char *c_file, int c_line, const char *text)
{
    mm_panic_handler handler = atomic_load(&panic_handler);
    if (handler != NULL) {
        handler(c_file, c_line, text);
    }
    /* lint: allow exits, a broken invariant: going on could damage the user's files */
    abort();
}
