/* Reads file_handler_cfg, in which a config says how the log file is kept: the names
 * and arguments of Python's logging.handlers. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/suggest.h"
#include "mmengine/log.h"

enum handler_kind { PLAIN = 1, BY_SIZE = 2, BY_TIME = 4, WATCHED = 8, ANY = 15 };

static const struct {
    const char *name;
    unsigned kind;
} handlers[] = {
    {"BaseRotatingHandler", PLAIN},   {"FileHandler", PLAIN},
    {"RotatingFileHandler", BY_SIZE}, {"TimedRotatingFileHandler", BY_TIME},
    {"WatchedFileHandler", WATCHED},
};

/* A key of the dict: whose it is, and how it is read. */
struct key {
    const char *name;
    unsigned kinds;
    mm_status (*read)(const mm_value *value, mm_logger_args *args);
};

static mm_status read_filename(const mm_value *value, mm_logger_args *args)
{
    args->file = mm_value_str(value);
    return mm_pending();
}

static mm_status read_mode(const mm_value *value, mm_logger_args *args)
{
    const char *mode = mm_value_str(value);
    if (mode == NULL) {
        return mm_pending();
    }
    if (strcmp(mode, "a") != 0 && strcmp(mode, "w") != 0) {
        return mm_raise(MM_ECONFIG, "mode is 'a' or 'w', got '%.20s'", mode);
    }
    args->truncates = mode[0] == 'w';
    return MM_OK;
}

static mm_status read_count(const mm_value *value, const char *name, int64_t most,
                            int64_t *out)
{
    int64_t count = mm_value_i64(value);
    if (mm_has_error()) {
        return mm_pending();
    }
    if (count < 0 || count > most) {
        return mm_raise(MM_ECONFIG, "%s is from 0 to %lld, got %lld", name,
                        (long long)most, (long long)count);
    }
    *out = count;
    return MM_OK;
}

static mm_status read_max_bytes(const mm_value *value, mm_logger_args *args)
{
    return read_count(value, "maxBytes", INT64_MAX / 2, &args->rotate_bytes);
}

static mm_status read_backup_count(const mm_value *value, mm_logger_args *args)
{
    int64_t count = args->rotate_keep;
    mm_status status = read_count(value, "backupCount", 1000000, &count);
    args->rotate_keep = (int)count;
    return status;
}

static mm_status read_when(const mm_value *value, mm_logger_args *args)
{
    args->rotate_when = mm_value_str(value); /* checked when the file is opened */
    return mm_pending();
}

static mm_status read_interval(const mm_value *value, mm_logger_args *args)
{
    int64_t count = args->rotate_interval;
    mm_status status = read_count(value, "interval", 1000000, &count);
    args->rotate_interval = (int)count;
    return status;
}

static mm_status read_utc(const mm_value *value, mm_logger_args *args)
{
    args->rotate_utc = mm_value_is_true(value);
    return mm_pending();
}

/* "HH:MM" or "HH:MM:SS": a config has no objects of Python's datetime. */
static mm_status read_at_time(const mm_value *value, mm_logger_args *args)
{
    int part[3] = {0};
    char rest = '\0';
    const char *text = mm_value_is_none(value) ? "0:0" : mm_value_str(value);
    if (text == NULL) {
        return mm_pending();
    }
    int found = sscanf(text, "%2d:%2d:%2d%c", &part[0], &part[1], &part[2], &rest);
    if (found < 2 || found > 3 || part[0] < 0 || part[0] > 23 || part[1] < 0 ||
        part[1] > 59 || part[2] < 0 || part[2] > 59) {
        return mm_raise(MM_ECONFIG, "atTime is 'HH:MM:SS', got '%.20s'", text);
    }
    args->rotate_at_s = part[0] * 3600 + part[1] * 60 + part[2];
    return MM_OK;
}

static mm_status read_encoding(const mm_value *value, mm_logger_args *args)
{
    const char *text = mm_value_is_none(value) ? "utf-8" : mm_value_str(value);
    (void)args;
    if (text != NULL && strcmp(text, "utf-8") != 0 && strcmp(text, "utf8") != 0 &&
        strcmp(text, "UTF-8") != 0) {
        return mm_raise(MM_ECONFIG, "logs are written in utf-8, not in '%.20s'", text);
    }
    return mm_pending();
}

/* What changes nothing here. */
static mm_status read_nothing(const mm_value *value, mm_logger_args *args)
{
    (void)value;
    (void)args;
    return MM_OK;
}

static const struct key keys[] = {
    {"type", ANY, read_nothing},
    {"filename", ANY, read_filename},
    {"mode", ANY & ~(unsigned)BY_TIME, read_mode},
    {"encoding", ANY, read_encoding},
    {"delay", ANY, read_nothing},
    {"errors", ANY, read_nothing},
    {"maxBytes", BY_SIZE, read_max_bytes},
    {"backupCount", BY_SIZE | BY_TIME, read_backup_count},
    {"when", BY_TIME, read_when},
    {"interval", BY_TIME, read_interval},
    {"utc", BY_TIME, read_utc},
    {"atTime", BY_TIME, read_at_time},
};

/* The kind of a handler's name; 0: an error is pending. */
static unsigned read_type(const mm_value *handler)
{
    const mm_value *type = mm_dict_get(handler, "type");
    const char *name = type != NULL ? mm_value_str(type) : NULL;
    mmi_suggest suggest = {.word = name};
    if (name == NULL) {
        return 0;
    }
    for (size_t i = 0; i < sizeof handlers / sizeof *handlers; i++) {
        if (strcmp(handlers[i].name, name) == 0) {
            return handlers[i].kind;
        }
        mmi_suggest_add(&suggest, handlers[i].name);
    }
    mm_raise(MM_ECONFIG, "there is no handler of log files '%.60s'", name);
    mmi_suggest_hint(&suggest);
    return 0;
}

static mm_status read_key(const mm_value *handler, size_t index, unsigned kind,
                          mm_logger_args *args)
{
    const char *name = mm_dict_name_at(handler, index);
    mmi_suggest suggest = {.word = name != NULL ? name : ""};
    for (size_t i = 0; name != NULL && i < sizeof keys / sizeof *keys; i++) {
        if ((keys[i].kinds & kind) == 0) {
            continue;
        }
        if (strcmp(keys[i].name, name) == 0) {
            return keys[i].read(mm_dict_at(handler, index), args);
        }
        mmi_suggest_add(&suggest, keys[i].name);
    }
    mm_raise(MM_ECONFIG, "%s has no option '%.60s'",
             mm_value_str(mm_dict_find(handler, "type")), name != NULL ? name : "?");
    mmi_suggest_hint(&suggest);
    return mm_pending();
}

mm_status mm_logger_read_handler(const mm_value *handler, mm_logger_args *args)
{
    if (!MMI_NEED(handler) || !MMI_NEED(args)) {
        return mm_pending();
    }
    if (mm_value_kind(handler) != MM_KIND_DICT) {
        return mm_raise(MM_ECONFIG, "a handler of log files is a dict, got a %s",
                        mm_value_type_name(handler));
    }
    unsigned kind = read_type(handler);
    if (kind == BY_TIME) {
        args->rotate_when = "H";
    }
    args->watches = kind == WATCHED;
    for (size_t i = 0; kind != 0 && i < mm_value_len(handler); i++) {
        if (read_key(handler, i, kind, args) < 0) {
            return mm_error_locate(mm_dict_source_at(handler, i));
        }
    }
    if (args->rotate_bytes > 0) { /* Python does not empty what it may put aside */
        args->truncates = false;
    }
    return mm_pending();
}
