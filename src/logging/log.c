/*
 * The logger: MMEngine's lines to a file and to a console sink. One lock serves the
 * whole process: lines are few, and so the current logger, its file and the sinks can
 * be exchanged while other threads log. Writing a line raises nothing and needs no
 * memory but for long ones: lines must come out while an error is pending.
 */
#include "mmengine/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/index.h"
#include "base/suggest.h"
#include "base/thread.h"
#include "logging/log_file.h"
#include "mmengine/file.h"
#include "mmengine/number.h"

/* The functions behind the macros of the same names. */
#undef mm_log
#undef mm_logger_log

enum {
    SEEN_MOST = 1 << 15, /* warnings that are remembered; then all may come again */
    LEVEL_CRITICAL = 50,
    SMALL_LINE = 2048 /* bytes that need no memory */
};

struct mm_logger {
    char *name;
    bool has_file;
    bool has_reported; /* that the file cannot be written */
    mmi_log_file file;
    mm_log_level level;
    mm_log_level console_level;
    mm_log_sink sink;
    void *sink_user;
    uint64_t *seen; /* hashes of warnings shown, open addressing; 0: empty */
    size_t num_seen;
    size_t seen_capacity;
};

static mmi_mutex mutex = MMI_MUTEX_INIT;
static mm_logger *current;
static mm_log_sink process_sink;
static void *process_sink_user;
static _Atomic int current_level = MM_LOG_INFO; /* of `current` */

/* Set while this thread is in a sink: what it logs is dropped. */
static MM_THREAD_LOCAL bool is_in_sink;

static const struct {
    const char *name;
    int level;
} level_names[] = {{"DEBUG", MM_LOG_DEBUG},   {"INFO", MM_LOG_INFO},
                   {"WARNING", MM_LOG_WARN},  {"WARN", MM_LOG_WARN},
                   {"ERROR", MM_LOG_ERROR},   {"CRITICAL", LEVEL_CRITICAL},
                   {"FATAL", LEVEL_CRITICAL}, {"NOTSET", 0}};

const char *mm_log_level_name(mm_log_level level)
{
    int value = (int)level;
    return value >= LEVEL_CRITICAL ? "CRITICAL"
           : value >= MM_LOG_ERROR ? "ERROR"
           : value >= MM_LOG_WARN  ? "WARNING"
           : value >= MM_LOG_INFO  ? "INFO"
                                   : "DEBUG";
}

static bool equals_upper(const char *text, const char *upper)
{
    while (*upper != '\0' && (*text == *upper || *text - 'a' + 'A' == *upper)) {
        text++;
        upper++;
    }
    return *text == '\0' && *upper == '\0';
}

mm_status mm_log_level_parse(const char *text, mm_log_level *out_level)
{
    if (!MMI_NEED(text) || !MMI_NEED(out_level)) {
        return mm_pending();
    }
    mmi_suggest suggest = {.word = text};
    for (size_t i = 0; i < sizeof level_names / sizeof *level_names; i++) {
        if (equals_upper(text, level_names[i].name)) {
            *out_level = (mm_log_level)level_names[i].level;
            return MM_OK;
        }
        mmi_suggest_add(&suggest, level_names[i].name);
    }
    int64_t number = 0;
    if (mm_i64_parse(text, &number) == MM_OK && number >= 0 && number <= 1000) {
        *out_level = (mm_log_level)number;
        return MM_OK;
    }
    mm_error_take(NULL);
    mm_raise(MM_EINVAL, "could not read '%.60s' as a log level", text);
    mmi_suggest_hint(&suggest);
    return mm_pending();
}

/* The file of this process; mm_free(). NULL without an error: it has none. */
static char *file_of_rank(const mm_logger_args *args)
{
    char host[128], user[128];
    bool is_own =
        (args->distributed || (args->level != 0 && args->level <= MM_LOG_DEBUG)) &&
        args->world_size > 1;
    if (args->file == NULL || (args->rank != 0 && !is_own)) {
        return NULL;
    }
    if (!is_own) {
        return mm_strdup(args->file);
    }
    const char *extension = mm_path_extension(args->file);
    mmi_os_host_name(host, sizeof host);
    mmi_os_user_name(user, sizeof user);
    return mm_strfmt("%.*s_%s@%s_device%d_rank%d%s", (int)(extension - args->file),
                     args->file, user, host, args->device_id, args->rank, extension);
}

static void open_file(mm_logger *logger, const mm_logger_args *args)
{
    mm_logger_args own = *args;
    char *path = file_of_rank(args);
    own.file = path;
    if (path != NULL) {
        logger->has_file = true;
        if (mmi_log_file_open(&logger->file, &own) != MM_OK) {
            mm_error_frame("while opening log file '%s'", path);
        }
    }
    mm_free(path);
}

mm_logger *mm_logger_new(const mm_logger_args *args)
{
    static const mm_logger_args defaults;
    args = args != NULL ? args : &defaults;
    mm_logger *logger = mm_alloc(sizeof *logger);
    if (logger == NULL) {
        return NULL;
    }
    logger->name = mm_strdup(args->name != NULL ? args->name : "mmengine");
    logger->level = args->level != 0 ? args->level : MM_LOG_INFO;
    logger->console_level =
        args->rank != 0 && logger->level < MM_LOG_ERROR ? MM_LOG_ERROR : logger->level;
    logger->sink = args->sink;
    logger->sink_user = args->sink_user;
    open_file(logger, args);
    if (mm_has_error()) {
        mm_logger_free(logger);
        return NULL;
    }
    return logger;
}

static void make_current(mm_logger *logger)
{
    current = logger;
    atomic_store(&current_level, logger != NULL ? (int)logger->level : MM_LOG_INFO);
}

void mm_logger_free(mm_logger *logger)
{
    if (logger == NULL) {
        return;
    }
    mmi_mutex_lock(&mutex);
    if (current == logger) {
        make_current(NULL);
    }
    mmi_mutex_unlock(&mutex);
    if (logger->has_file) {
        mmi_log_file_close(&logger->file);
    }
    mm_free(logger->seen);
    mm_free(logger->name);
    mm_free(logger);
}

mm_logger *mm_logger_set_current(mm_logger *logger)
{
    mmi_mutex_lock(&mutex);
    mm_logger *former = current;
    make_current(logger);
    mmi_mutex_unlock(&mutex);
    return former;
}

mm_logger *mm_logger_current(void)
{
    mmi_mutex_lock(&mutex);
    mm_logger *logger = current;
    mmi_mutex_unlock(&mutex);
    return logger;
}

const char *mm_logger_file(const mm_logger *logger)
{
    return logger != NULL && logger->has_file ? logger->file.path : NULL;
}

mm_log_level mm_logger_level(const mm_logger *logger)
{
    return logger != NULL ? logger->level : (mm_log_level)atomic_load(&current_level);
}

bool mm_log_is_on(mm_log_level level)
{
    return (int)level >= atomic_load_explicit(&current_level, memory_order_relaxed);
}

void mm_log_set_sink(mm_log_sink sink, void *user)
{
    mmi_mutex_lock(&mutex);
    process_sink = sink;
    process_sink_user = user;
    mmi_mutex_unlock(&mutex);
}

/* ---- once is enough ---- */

static uint64_t *seen_slot(uint64_t *table, size_t capacity, uint64_t hash)
{
    size_t slot = (size_t)hash & (capacity - 1);
    while (table[slot] != 0 && table[slot] != hash) {
        slot = (slot + 1) & (capacity - 1);
    }
    return &table[slot];
}

static bool grow_seen(mm_logger *logger)
{
    size_t capacity = logger->seen_capacity == 0 ? 64 : logger->seen_capacity * 2;
    uint64_t *table = mmi_try_alloc(capacity * sizeof *table);
    if (table == NULL) {
        return false;
    }
    memset(table, 0, capacity * sizeof *table);
    for (size_t i = 0; i < logger->seen_capacity; i++) {
        if (logger->seen[i] != 0) {
            *seen_slot(table, capacity, logger->seen[i]) = logger->seen[i];
        }
    }
    mm_free(logger->seen);
    logger->seen = table;
    logger->seen_capacity = capacity;
    return true;
}

/* True if this logger has shown the warning before; remembers it. */
static bool was_seen(mm_logger *logger, const char *message)
{
    uint64_t hash = mmi_hash_bytes(message, strlen(message));
    if (logger->num_seen >= SEEN_MOST) {
        memset(logger->seen, 0, logger->seen_capacity * sizeof *logger->seen);
        logger->num_seen = 0;
    }
    if ((logger->num_seen + 1) * 2 > logger->seen_capacity && !grow_seen(logger)) {
        return false;
    }
    uint64_t *slot = seen_slot(logger->seen, logger->seen_capacity, hash);
    if (*slot == hash) {
        return true;
    }
    *slot = hash;
    logger->num_seen++;
    return false;
}

/* ---- lines ---- */

/* Text on the stack, or in memory if it is long. */
struct text {
    char small[SMALL_LINE];
    char *data;
    size_t size;
};

static void text_free(struct text *text)
{
    if (text->data != text->small) {
        mm_free(text->data);
    }
}

static void text_vprint(struct text *text, const char *format, va_list values)
    MM_PRINTF(2, 0);

/* Without memory for a long text its beginning has to do. */
static void text_vprint(struct text *text, const char *format, va_list values)
{
    va_list again;
    va_copy(again, values);
    int size = vsnprintf(text->small, sizeof text->small, format, values);
    text->data = text->small;
    if (size < 0) {
        text->small[0] = '\0';
    } else if ((size_t)size >= sizeof text->small) {
        char *memory = mmi_try_alloc((size_t)size + 1);
        if (memory != NULL) {
            vsnprintf(memory, (size_t)size + 1, format, again);
            text->data = memory;
        }
    }
    va_end(again);
    text->size = strlen(text->data);
}

static void text_print(struct text *text, const char *format, ...) MM_PRINTF(2, 3);

static void text_print(struct text *text, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    text_vprint(text, format, values);
    va_end(values);
}

/* Where a line comes from and what it says. */
struct record {
    mm_log_level level;
    const char *name;  /* of the logger */
    const char *place; /* "file - function - line - ", or "" */
    const char *message;
    int64_t wall_ns;
};

/* "2024/08/21 02:58:41". Under the lock, for which the last one is kept: lines come in
 * pairs, and often many in a second. */
static const char *date_of(int64_t wall_ns)
{
    static char text[32];
    static int64_t second = -1;
    if (wall_ns / 1000000000 != second) {
        second = wall_ns / 1000000000;
        mmi_time_text(wall_ns, "%Y/%m/%d %H:%M:%S", text, sizeof text);
    }
    return text;
}

/* The line with its date; `out_level_begin` gets where the level stands. The line ends
 * with a newline, which the console does not get. The console's date has no year. */
static void print_line(struct text *out, const struct record *record, bool is_console,
                       size_t *out_level_begin)
{
    const char *date = date_of(record->wall_ns);
    const char *slash = is_console ? strchr(date, '/') : NULL;
    date = slash != NULL ? slash + 1 : date;
    text_print(out, "%s - %s - %s - %s%s\n", date, record->name,
               mm_log_level_name(record->level), record->place, record->message);
    *out_level_begin = strlen(date) + 3 + strlen(record->name) + 3;
}

/* Under the lock: on the logger's console or the process's. */
static void show(const mm_logger *logger, const struct record *record)
{
    bool is_own = logger != NULL && logger->sink != NULL;
    mm_log_sink sink = is_own ? logger->sink : process_sink;
    void *user = is_own ? logger->sink_user : process_sink_user;
    struct text text;
    size_t level_begin = 0;
    if (sink == NULL) {
        return;
    }
    print_line(&text, record, true, &level_begin);
    if (text.size > 0 && text.data[text.size - 1] == '\n') {
        text.data[text.size - 1] = '\0';
    }
    size_t level_size = strlen(mm_log_level_name(record->level));
    size_t message_begin = level_begin + level_size + 3;
    mm_log_line line = {
        .level = record->level,
        .text = text.data,
        .message = text.data + (message_begin < text.size ? message_begin : text.size),
        .level_begin = level_begin < text.size ? level_begin : 0,
        .level_size = level_begin < text.size ? level_size : 0,
    };
    is_in_sink = true;
    sink(user, &line);
    is_in_sink = false;
    text_free(&text);
}

static void report_file(mm_logger *logger, int failed, int64_t wall_ns)
{
    char reason[128];
    struct text message;
    mmi_errno_text(failed, reason, sizeof reason);
    text_print(&message, "could not write log file '%s': %s, continuing without it",
               logger->file.path, reason);
    show(logger,
         &(struct record){MM_LOG_WARN, logger->name, "", message.data, wall_ns});
    text_free(&message);
    logger->has_reported = true;
}

/* Under the lock. */
static void write_text(mm_logger *logger, const char *text, size_t size,
                       int64_t wall_ns)
{
    int failed = mmi_log_file_write(&logger->file, text, size, wall_ns);
    if (failed != 0 && !logger->has_reported) {
        report_file(logger, failed, wall_ns);
    }
}

/* Under the lock. `logger` may be NULL: then there is only the process's console. */
static void deliver(mm_logger *logger, struct record *record)
{
    struct text text;
    size_t level_begin = 0;
    record->name = logger != NULL ? logger->name : "mmengine";
    if (logger != NULL && record->level == MM_LOG_WARN &&
        was_seen(logger, record->message)) {
        return;
    }
    if (logger == NULL || record->level >= logger->console_level) {
        show(logger, record);
    }
    if (logger != NULL && logger->has_file) {
        print_line(&text, record, false, &level_begin);
        write_text(logger, text.data, text.size, record->wall_ns);
        text_free(&text);
    }
}

void mm_logger_write(mm_logger *logger, const char *text)
{
    if (text == NULL || is_in_sink) {
        return;
    }
    mmi_mutex_lock(&mutex);
    mm_logger *target = logger != NULL ? logger : current;
    if (target != NULL && target->has_file) {
        write_text(target, text, strlen(text), mmi_wall_ns());
    }
    mmi_mutex_unlock(&mutex);
}

/* `place` is a part of the line, or "". */
static void log_text(mm_logger *logger, mm_log_level level, const char *place,
                     const char *message)
{
    struct record record = {level, NULL, place, message, mmi_wall_ns()};
    if (is_in_sink) {
        return;
    }
    mmi_mutex_lock(&mutex);
    mm_logger *target = logger != NULL ? logger : current;
    if (level >= mm_logger_level(target)) {
        deliver(target, &record);
    }
    mmi_mutex_unlock(&mutex);
}

/* MMEngine shows where an error line comes from; Python's words for what is unknown. */
static void print_place(struct text *out, mm_log_level level, const char *c_file,
                        const char *c_function, int c_line)
{
    if (level < MM_LOG_ERROR || (c_file == NULL && c_function == NULL)) {
        text_print(out, "%s", "");
        return;
    }
    text_print(out, "%s - %s - %d - ", c_file != NULL ? c_file : "(unknown file)",
               c_function != NULL ? c_function : "(unknown function)", c_line);
}

static void log_va(mm_logger *logger, mm_log_level level, const char *c_file,
                   const char *c_function, int c_line, const char *format,
                   va_list values) MM_PRINTF(6, 0);

static void log_va(mm_logger *logger, mm_log_level level, const char *c_file,
                   const char *c_function, int c_line, const char *format,
                   va_list values)
{
    struct text message;
    struct text place;
    if (level < mm_logger_level(logger)) {
        return;
    }
    text_vprint(&message, format, values);
    print_place(&place, level, c_file, c_function, c_line);
    log_text(logger, level, place.data, message.data);
    text_free(&place);
    text_free(&message);
}

void mm_logger_log_at(mm_logger *logger, mm_log_level level, const char *c_file,
                      const char *c_function, int c_line, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    log_va(logger, level, c_file, c_function, c_line, format, values);
    va_end(values);
}

void mm_log(mm_log_level level, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    log_va(NULL, level, NULL, NULL, 0, format, values);
    va_end(values);
}

void mm_logger_log(mm_logger *logger, mm_log_level level, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    log_va(logger, level, NULL, NULL, 0, format, values);
    va_end(values);
}

void mm_log_error(const mm_error *error)
{
    struct text place;
    char message[MM_ERROR_MESSAGE_SIZE + MM_ERROR_HINT_SIZE +
                 MM_ERROR_FRAMES * (MM_ERROR_FRAME_SIZE + 4) + 16];
    if (error == NULL || error->code == MM_OK) {
        return;
    }
    mm_error_format(error, message, sizeof message);
    print_place(&place, MM_LOG_ERROR, error->c_file, NULL, error->c_line);
    log_text(NULL, MM_LOG_ERROR, place.data, message);
    text_free(&place);
}
