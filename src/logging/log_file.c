/*
 * The log file. Old files get the names that Python's RotatingFileHandler ("x.log.1" is
 * the newest) and TimedRotatingFileHandler ("x.log.2024-05-01") give them. A rotation
 * that fails leaves the file as it is: lines matter more than names.
 */
#include "logging/log_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "mmengine/file.h"

enum { DAY_S = 86400 };

/* Seconds since local midnight and the weekday, 0 for Monday. */
static void local_time(int64_t now_s, int64_t *out_second, int *out_weekday)
{
    char text[32];
    int part[4] = {0};
    mmi_time_text(now_s * 1000000000, "%H %M %S %u", text, sizeof text);
    if (sscanf(text, "%d %d %d %d", &part[0], &part[1], &part[2], &part[3]) != 4) {
        part[3] = 1;
    }
    *out_second = part[0] * 3600 + part[1] * 60 + part[2];
    *out_weekday = part[3] - 1;
}

/* When the file that was begun at `begin_s` is to end. */
static int64_t next_rotation(const mmi_log_file *file, int64_t begin_s)
{
    int64_t second = 0;
    int weekday = 0;
    if (file->when != 'N' && file->when != 'W') {
        return begin_s + file->interval_s;
    }
    local_time(begin_s, &second, &weekday);
    int64_t next = begin_s + DAY_S - second;
    if (file->when == 'W') {
        return next + (int64_t)((file->weekday - weekday + 7) % 7) * DAY_S;
    }
    return next + file->interval_s - DAY_S;
}

static mm_status read_when(mmi_log_file *file, const mm_logger_args *args)
{
    const char *when = args->rotate_when;
    int64_t interval = args->rotate_interval > 0 ? args->rotate_interval : 1;
    char first = (char)(when[0] & ~0x20); /* upper case */
    if ((first == 'S' || first == 'M' || first == 'H' || first == 'D') &&
        when[1] == '\0') {
        file->when = first;
        file->interval_s = interval * (first == 'S'   ? 1
                                       : first == 'M' ? 60
                                       : first == 'H' ? 3600
                                                      : DAY_S);
    } else if (strcmp(when, "MIDNIGHT") == 0 || strcmp(when, "midnight") == 0) {
        file->when = 'N';
        file->interval_s = interval * DAY_S;
    } else if (first == 'W' && when[1] >= '0' && when[1] <= '6' && when[2] == '\0') {
        file->when = 'W';
        file->weekday = when[1] - '0';
        file->interval_s = interval * 7 * DAY_S;
    } else {
        mm_raise(MM_EINVAL, "could not rotate a log by '%.20s'", when);
        mm_error_hint("use S, M, H, D, MIDNIGHT or W0 to W6");
    }
    return mm_pending();
}

mm_status mmi_log_file_open(mmi_log_file *file, const mm_logger_args *args)
{
    mmi_stat info = {0};
    *file = (mmi_log_file){.file = MMI_NO_FILE};
    file->path = mm_strdup(args->file);
    file->rotate_bytes = args->rotate_keep > 0 ? args->rotate_bytes : 0;
    file->keep = args->rotate_keep;
    char *folder = mm_path_dirname(args->file);
    if (folder == NULL || mm_make_dirs(folder) != MM_OK ||
        (args->rotate_when != NULL && read_when(file, args) != MM_OK)) {
        mm_free(folder);
        return mm_pending();
    }
    mm_free(folder);
    bool was_there = mmi_os_find_stat(file->path, &info) && !args->truncates;
    if (args->truncates) { /* appending lets several processes share a file */
        (void)mmi_file_open(&file->file, file->path, MMI_OPEN_WRITE);
        (void)mmi_file_close(&file->file);
    }
    if (mmi_file_open(&file->file, file->path, MMI_OPEN_APPEND) != MM_OK) {
        return mm_pending();
    }
    file->size = was_there ? info.size : 0;
    file->next_s =
        next_rotation(file, (was_there ? info.mtime_ns : mmi_wall_ns()) / 1000000000);
    return MM_OK;
}

void mmi_log_file_close(mmi_log_file *file)
{
    mm_error before;
    /* Every line was written when it came; what closing reports is too late to use. */
    bool had_error = mm_error_take(&before) != MM_OK;
    (void)mmi_file_close(&file->file);
    mm_error_take(NULL);
    if (had_error) {
        mm_error_restore(&before);
    }
    mm_free(file->path);
    file->path = NULL;
}

static void rename_numbered(const char *path, int from, int to)
{
    char *old = from == 0 ? mm_strdup(path) : mm_strfmt("%s.%d", path, from);
    char *new = mm_strfmt("%s.%d", path, to);
    if (old != NULL && new != NULL && mm_file_exists(old)) {
        (void)mmi_os_rename(old, new); /* pending; looked at by rotate() */
    }
    mm_free(old);
    mm_free(new);
}

/* Removes the oldest dated files beyond those that are kept. */
static void remove_old(const mmi_log_file *file)
{
    char *folder = mm_path_dirname(file->path);
    const char *base = mm_path_basename(file->path);
    mm_value *names = folder != NULL ? mm_list_dir(folder) : NULL; /* sorted by date */
    size_t base_size = strlen(base);
    size_t found = 0;
    size_t count = names != NULL ? mm_value_len(names) : 0;
    for (size_t i = count; i > 0 && !mm_has_error(); i--) {
        const char *name = mm_value_str(mm_list_get(names, i - 1));
        bool is_dated = strncmp(name, base, base_size) == 0 && name[base_size] == '.' &&
                        strspn(name + base_size + 1, "0123456789-_") ==
                            strlen(name + base_size + 1) &&
                        strlen(name + base_size + 1) >= 10;
        if (is_dated && ++found > (size_t)file->keep) {
            char *path = mm_path_join(folder, name);
            bool is_gone = path != NULL && mm_file_remove(path) == MM_OK;
            mm_free(path);
            if (!is_gone) {
                break; /* pending; looked at by rotate() */
            }
        }
    }
    mm_value_unref(names);
    mm_free(folder);
}

static void rotate_by_time(mmi_log_file *file, int64_t now_s)
{
    const char *format = file->when == 'S'   ? "%Y-%m-%d_%H-%M-%S"
                         : file->when == 'M' ? "%Y-%m-%d_%H-%M"
                         : file->when == 'H' ? "%Y-%m-%d_%H"
                                             : "%Y-%m-%d";
    char date[32];
    mmi_time_text((file->next_s - file->interval_s) * 1000000000, format, date,
                  sizeof date);
    char *old = mm_strfmt("%s.%s", file->path, date);
    if (old != NULL) {
        (void)mmi_os_rename(file->path, old); /* pending; looked at by rotate() */
    }
    mm_free(old);
    if (file->keep > 0) {
        remove_old(file);
    }
    while (file->next_s <= now_s) {
        file->next_s += file->interval_s;
    }
}

/* Puts the file aside and begins a new one under its name. */
static void rotate(mmi_log_file *file, int64_t now_s)
{
    mm_error before;
    mmi_file fresh = MMI_NO_FILE;
    bool had_error = mm_error_take(&before) != MM_OK;
    if (file->when != 0) {
        rotate_by_time(file, now_s);
    } else {
        for (int i = file->keep; i > 0; i--) {
            rename_numbered(file->path, i - 1, i);
        }
    }
    mm_error_take(NULL);
    if (mmi_file_open(&fresh, file->path, MMI_OPEN_APPEND) == MM_OK) {
        (void)mmi_file_close(&file->file);
        file->file = fresh;
    }
    mm_error_take(NULL);
    file->size = 0;
    if (had_error) {
        mm_error_restore(&before);
    }
}

int mmi_log_file_write(mmi_log_file *file, const char *text, size_t size,
                       int64_t wall_ns)
{
    int64_t now_s = wall_ns / 1000000000;
    bool is_due = file->when != 0 && now_s >= file->next_s;
    bool is_full = file->rotate_bytes > 0 && file->size > 0 &&
                   file->size + (int64_t)size >= file->rotate_bytes;
    if (is_due || is_full) {
        rotate(file, now_s);
    }
    file->size += (int64_t)size;
    return mmi_file_try_write(&file->file, text, size);
}
