/** @file
 * Errors. One error per thread can be *pending*. While it is, every fallible call on
 * that thread does nothing and fails, so the first error survives a whole expression
 * and the caller checks once, at the end. Free, unref, deinit, close, is/has and the
 * error calls still work.
 *
 * A status is negative if and only if an error is pending; flow results are positive
 * and raise nothing. NULL from a call that may fail means "an error is pending"; only
 * `find` returns a quiet NULL.
 */
#ifndef MMENGINE_STATUS_H
#define MMENGINE_STATUS_H

#include "mmengine/types.h"

MM_BEGIN_DECLS

/** What a call came to. */
typedef enum mm_status {
    MM_OK = 0,
    MM_END = 1,      /**< flow: nothing more to read */
    MM_STOP = 2,     /**< flow: a stop was asked for and honoured */
    MM_ENOMEM = -1,  /**< out of memory, host or device */
    MM_EINVAL = -2,  /**< an argument is missing or out of its range */
    MM_ETYPE = -3,   /**< a value has another kind than needed */
    MM_ESHAPE = -4,  /**< tensor sizes do not fit */
    MM_EDTYPE = -5,  /**< a tensor has another dtype than needed */
    MM_EKEY = -6,    /**< no such key, name or component */
    MM_ERANGE = -7,  /**< an index is outside */
    MM_ECONFIG = -8, /**< a configuration is wrong: syntax, key or value */
    MM_EIO = -9,     /**< reading or writing failed */
    MM_ENOENT = -10, /**< no such file or folder */
    MM_EDATA = -11,  /**< a data file or checkpoint is damaged or not what it says */
    MM_EUNSUPPORTED = -12, /**< valid, but this build or device cannot do it */
    MM_EPLUGIN = -13,      /**< a plugin does not compile or load */
    MM_EABI = -14,         /**< made for another version of this library */
    MM_EBUSY = -15,        /**< somebody else holds it */
    MM_ETORCH = -16,       /**< libtorch refused an operation */
    MM_ESTATE = -17,       /**< called in the wrong order */
    MM_ENUMERIC = -18,     /**< a number is NaN or infinite where it must not be */
    MM_EINTERRUPTED = -19, /**< a signal or the host asked to leave now */
    MM_EINTERNAL = -20     /**< a bug of this library */
} mm_status;

enum {
    MM_ERROR_MESSAGE_SIZE = 1536, /**< bytes of mm_error.message, zero included */
    MM_ERROR_HINT_SIZE = 384,     /**< bytes of mm_error.hint */
    MM_ERROR_FRAMES = 8,          /**< context frames that are kept, innermost first */
    MM_ERROR_FRAME_SIZE = 192     /**< bytes of one frame */
};

/**
 * An error, as plain data: it can be copied, stored and carried to another thread.
 * Strings are UTF-8, zero-terminated, cut at the end if too long.
 */
struct mm_error {
    mm_status code;     /**< negative; MM_OK if there is no error */
    const char *c_file; /**< C source file that raised it; static storage */
    int c_line;         /**< line in that file */
    char message[MM_ERROR_MESSAGE_SIZE]; /**< what was attempted, with which values */
    char hint[MM_ERROR_HINT_SIZE];       /**< what to do about it, or "" */
    int num_frames;                      /**< frames in use */
    char frames[MM_ERROR_FRAMES]
               [MM_ERROR_FRAME_SIZE]; /**< "while ...", innermost first */
};

/**
 * Raises an error on this thread, unless one is pending already, and returns its code.
 * The message is lower case, has no full stop and says what was attempted with which
 * values. Never allocates.
 */
#define mm_raise(code, ...) mm_raise_at((code), __FILE__, __LINE__, __VA_ARGS__)

/** What mm_raise() expands to; the place is that of the caller. */
MM_API mm_status mm_raise_at(mm_status code, const char *c_file, int c_line,
                             const char *format, ...) MM_PRINTF(4, 5);

/** Sets the hint of the pending error, if there is one without a hint. Returns its
 * code. */
MM_API mm_status mm_error_hint(const char *format, ...) MM_PRINTF(1, 2);

/** Sets "did you mean 'x'?" with those of `count` names that are nearest to `word`; no
 * hint if none is near. Returns the pending code. */
MM_API mm_status mm_error_hint_nearest(const char *word, const char *const *names,
                                       size_t count);

/**
 * Adds a context frame to the pending error: "while building train_dataloader.dataset".
 * Does nothing if none is pending or MM_ERROR_FRAMES are there. Returns the pending
 * code.
 */
MM_API mm_status mm_error_frame(const char *format, ...) MM_PRINTF(1, 2);

/**
 * Puts "file:line:column: " in front of the pending message unless a place stands there
 * already. `source` may be NULL or empty: nothing happens. Returns the pending code.
 */
MM_API mm_status mm_error_locate(const mm_source *source);

/** The pending error's code, or MM_OK. The usual last line of a function. */
MM_API mm_status mm_pending(void);

/** True while an error is pending on this thread. */
static inline bool mm_has_error(void)
{
    return mm_pending() != MM_OK;
}

/** The pending error, borrowed until the next error call; NULL if there is none. */
MM_API const mm_error *mm_error_peek(void);

/** Moves the pending error to `out` (may be NULL) and clears it. Returns its code. */
MM_API mm_status mm_error_take(mm_error *out);

/** Makes `error` the pending one. Does nothing if one is pending or error->code is
 * MM_OK. */
MM_API mm_status mm_error_restore(const mm_error *error);

/**
 * Writes message, frames and hint as text of several lines, without a final newline.
 * Returns the bytes needed without the terminating zero, as snprintf does.
 */
MM_API size_t mm_error_format(const mm_error *error, char *out, size_t out_size);

/** The name of a status: "MM_EINVAL". Static storage. */
MM_API const char *mm_status_name(mm_status status);

/** Called for a broken invariant of this library; must not return. */
typedef void (*mm_panic_handler)(const char *c_file, int c_line, const char *text);

/** Replaces the panic handler for the whole process; NULL restores abort(). */
MM_API void mm_set_panic_handler(mm_panic_handler handler);

/** Calls the panic handler. Used through MM_ASSERT. */
MM_API void mm_panic(const char *c_file, int c_line, const char *text);

/** Checks our own invariants, in release builds too. Never for input. */
#define MM_ASSERT(condition)                                                           \
    ((condition) ? (void)0 : mm_panic(__FILE__, __LINE__, #condition))

MM_END_DECLS

#endif
