/** @file
 * The logger: MMEngine's line format, levels and files.
 *
 *     08/21 02:58:41 - mmengine - INFO - Epoch(train)   [1][ 100/3125]  lr: 1.0000e-01
 *
 * mm_log() writes to the process's current logger. The library never prints: lines
 * reach the console only through the sink that the host set. Source:
 * mmengine/logging/logger.py.
 */
#ifndef MMENGINE_LOG_H
#define MMENGINE_LOG_H

#include "mmengine/value.h"

MM_BEGIN_DECLS

/** Python logging's levels. */
typedef enum mm_log_level {
    MM_LOG_DEBUG = 10,
    MM_LOG_INFO = 20,
    MM_LOG_WARN = 30,
    MM_LOG_ERROR = 40
} mm_log_level;

/** What a console sink gets: one finished line without its newline. */
typedef struct mm_log_line {
    mm_log_level level;
    const char *text;    /**< "08/21 02:58:41 - mmengine - INFO - ..." */
    const char *message; /**< the part after the level */
    size_t level_begin;  /**< where the level's name stands in `text`, for colour */
    size_t level_size;   /**< its bytes */
} mm_log_line;

/** Shows a line. Called under the logger's lock: must not log. */
typedef void (*mm_log_sink)(void *user, const mm_log_line *line);

/** Settings of a logger; zero is the default of each. */
typedef struct mm_logger_args {
    const char *name;   /**< shown in each line; default "mmengine" */
    const char *file;   /**< log file, opened for appending; default none */
    mm_log_level level; /**< least level; default MM_LOG_INFO */
    mm_log_sink sink;   /**< console; default: the process's sink (mm_log_set_sink) */
    void *sink_user;
    bool truncates; /**< empties the file first */
    /** @name Several processes. Ranks other than 0 show errors only and have no file,
     * unless `distributed` or a level of MM_LOG_DEBUG asks for a file for each of them:
     * "<stem>_<user>@<host>_device<id>_rank<rank>.log" @{ */
    int rank;
    int world_size;   /**< processes; 0: one */
    int device_id;    /**< of the name alone */
    bool distributed; /**< a file for each rank */
    /** @} */
    /** @name MMEngine's file_handler_cfg, see mm_logger_read_handler() @{ */
    int64_t rotate_bytes;    /**< RotatingFileHandler's maxBytes; 0: no such handler */
    const char *rotate_when; /**< TimedRotatingFileHandler's when: "S", "M", "H", "D",
                                  "MIDNIGHT", "W0" to "W6"; NULL: no such handler */
    int rotate_interval;     /**< how many of them; default 1 */
    int rotate_keep;         /**< backupCount: old files that are kept; 0: all by time,
                                  no rotation by size */
    bool rotate_utc;         /**< days begin at UTC's midnight */
    int rotate_at_s;         /**< atTime: seconds after midnight, of MIDNIGHT and W */
    bool watches;            /**< WatchedFileHandler: opens the file anew where another
                                  program moved it */
    /** @} */
} mm_logger_args;

/**
 * Reads a dict as MMEngine's `file_handler_cfg` into `args`: `type` is
 * BaseRotatingHandler, FileHandler, RotatingFileHandler (maxBytes, backupCount),
 * TimedRotatingFileHandler (when, interval, backupCount, utc, atTime as "HH:MM:SS") or
 * WatchedFileHandler; all take filename and mode. Texts are borrowed from the dict.
 * Errors: MM_ECONFIG with the place and the nearest names; `args` is then half read.
 */
MM_API mm_status mm_logger_read_handler(const mm_value *handler,
                                        mm_logger_args *args) MM_MUST_USE;

/** A new logger. Makes the folder of its file. Errors: MM_EIO if the file cannot be
 * opened. */
MM_API mm_logger *mm_logger_new(const mm_logger_args *args);
/** Writes what is left and closes the file. The current logger may be freed: there is
 * none then. NULL is fine. */
MM_API void mm_logger_free(mm_logger *logger);
/** Makes it the current one; returns the former. NULL: no current logger. */
MM_API mm_logger *mm_logger_set_current(mm_logger *logger);
/** The current logger or NULL. */
MM_API mm_logger *mm_logger_current(void);
/** Its log file, borrowed; NULL if it has none. */
MM_API const char *mm_logger_file(const mm_logger *logger);
/** Its least level. NULL: that of the current logger, or MM_LOG_INFO. */
MM_API mm_log_level mm_logger_level(const mm_logger *logger);
/** The console sink used where a logger has none, and when there is no current logger.
 */
MM_API void mm_log_set_sink(mm_log_sink sink, void *user);

/**
 * Logs to the current logger. Works while an error is pending. Never fails: a log file
 * that cannot be written is reported once through the sink. The same warning is shown
 * once per logger. Error lines carry the place in the C source, as MMEngine's do.
 */
MM_API void mm_log(mm_log_level level, const char *format, ...) MM_PRINTF(2, 3);
/** The same to a given logger; `logger` may be NULL: the current one. */
MM_API void mm_logger_log(mm_logger *logger, mm_log_level level, const char *format,
                          ...) MM_PRINTF(3, 4);
/** What both expand to; a place that is NULL or 0 is not known. */
MM_API void mm_logger_log_at(mm_logger *logger, mm_log_level level, const char *c_file,
                             const char *c_function, int c_line, const char *format,
                             ...) MM_PRINTF(6, 7);
/** True if a line of this level would be shown: for texts that are dear to make. */
MM_API bool mm_log_is_on(mm_log_level level);

#define mm_log(level, ...)                                                             \
    mm_logger_log_at(NULL, (level), __FILE__, __func__, __LINE__, __VA_ARGS__)
#define mm_logger_log(logger, level, ...)                                              \
    mm_logger_log_at((logger), (level), __FILE__, __func__, __LINE__, __VA_ARGS__)

/** Logs an error's message, frames and hint, with the place that raised it. */
MM_API void mm_log_error(const mm_error *error);
/**
 * Appends text as it stands to the log file: for reports that are no log lines. Nothing
 * happens without a file. `logger` NULL: the current one. Works while an error is
 * pending.
 */
MM_API void mm_logger_write(mm_logger *logger, const char *text);
/** Parses "INFO", "debug", "WARNING", "30", ... Errors: MM_EINVAL. */
MM_API mm_status mm_log_level_parse(const char *text, mm_log_level *out_level);
/** Python's name of a level: "WARNING". Static storage. */
MM_API const char *mm_log_level_name(mm_log_level level);

MM_END_DECLS

#endif
