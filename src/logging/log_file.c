/*
 * The log file. Old files get the names that Python's RotatingFileHandler ("x.log.1" is
 * the newest) and TimedRotatingFileHandler ("x.log.2024-05-01") give them. Days end at
 * midnight also where the clock changes in between; older Pythons were an hour off. A
 * rotation that fails leaves the file as it is: lines matter more than names.
 */
#include "logging/log_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "mmengine/file.h"

enum { DAY_S = 86400 };

static void print_time(const mmi_log_file *file, int64_t at_s, const char *format,
                       char *out, size_t out_size)
{
    (file->is_utc ? mmi_time_text_utc : mmi_time_text)(at_s * 1000000000, format, out,
                                                       out_size);
}

/* Seconds since midnight and the weekday, 0 for Monday. */
static int64_t second_of_day(const mmi_log_file *file, int64_t at_s, int *out_weekday)
{
    char text[32];
    int part[4] = {0, 0, 0, 1};
    print_time(file, at_s, "%H %M %S %u", text, sizeof text);
    if (sscanf(text, "%d %d %d %d", &part[0], &part[1], &part[2], &part[3]) != 4) {
        part[3] = 1;
    }
    *out_weekday = part[3] - 1;
    return part[0] * 3600 + part[1] * 60 + part[2];
}

/* The moment near `at_s` at which the day's clock shows at_s of the file: a day on
 * which the clock changes is an hour shorter or longer. */
static int64_t settle(const mmi_log_file *file, int64_t at_s)
{
    int weekday = 0;
    int64_t off = second_of_day(file, at_s, &weekday) - file->at_s;
    off = off > DAY_S / 2 ? off - DAY_S : off < -DAY_S / 2 ? off + DAY_S : off;
    return at_s - off;
}

int64_t mmi_log_file_next(const mmi_log_file *file, int64_t now_s)
{
    int weekday = 0;
    if (file->when != 'N' && file->when != 'W') {
        return now_s + file->interval_s;
    }
    int64_t second = second_of_day(file, now_s, &weekday);
    int64_t wait = (file->at_s > 0 ? file->at_s : DAY_S) - second;
    if (wait < 0) {
        wait += DAY_S;
        weekday = (weekday + 1) % 7;
    }
    int64_t next = now_s + wait;
    if (file->when == 'W') {
        next += (int64_t)((file->weekday - weekday + 7) % 7) * DAY_S;
        next += file->interval_s - 7 * (int64_t)DAY_S;
    } else {
        next += file->interval_s - DAY_S;
    }
    next = settle(file, next);
    return next > now_s ? next : settle(file, next + file->interval_s);
}

void mmi_log_file_date(const mmi_log_file *file, char *out, size_t out_size)
{
    const char *format = file->when == 'S'   ? "%Y-%m-%d_%H-%M-%S"
                         : file->when == 'M' ? "%Y-%m-%d_%H-%M"
                         : file->when == 'H' ? "%Y-%m-%d_%H"
                                             : "%Y-%m-%d";
    int64_t begin_s = file->next_s - file->interval_s;
    bool is_day = file->when == 'N' || file->when == 'W';
    print_time(file, is_day ? settle(file, begin_s) : begin_s, format, out, out_size);
}

/* In any case of letters. */
static bool is_midnight(const char *text)
{
    static const char word[] = "MIDNIGHT";
    size_t i = 0;
    while (word[i] != '\0' && (text[i] & ~0x20) == word[i]) {
        i++;
    }
    return word[i] == '\0' && text[i] == '\0';
}

static mm_status read_when(mmi_log_file *file, const mm_logger_args *args)
{
    const char *when = args->rotate_when;
    file->is_utc = args->rotate_utc;
    file->at_s = args->rotate_at_s;
    int64_t interval = args->rotate_interval > 0 ? args->rotate_interval : 1;
    char first = (char)(when[0] & ~0x20); /* upper case */
    if ((first == 'S' || first == 'M' || first == 'H' || first == 'D') &&
        when[1] == '\0') {
        file->when = first;
        file->interval_s = interval * (first == 'S'   ? 1
                                       : first == 'M' ? 60
                                       : first == 'H' ? 3600
                                                      : DAY_S);
    } else if (is_midnight(when)) {
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

/* Which file it is that is open. */
static void remember(mmi_log_file *file)
{
    mmi_stat info = {0};
    if (file->watches && mmi_os_find_stat(file->path, &info)) {
        file->device = info.device;
        file->inode = info.inode;
    }
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
    file->next_s = mmi_log_file_next(file, (was_there ? info.mtime_ns : mmi_wall_ns()) /
                                               1000000000);
    file->watches = args->watches;
    remember(file);
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
    char date[32];
    mmi_log_file_date(file, date, sizeof date);
    char *old = mm_strfmt("%s.%s", file->path, date);
    if (old != NULL) {
        (void)mmi_os_rename(file->path, old); /* pending; looked at by rotate() */
    }
    mm_free(old);
    if (file->keep > 0) {
        remove_old(file);
    }
    file->next_s = mmi_log_file_next(file, now_s);
}

/* Opens the path anew; the file that was open goes on if that fails. */
static void reopen(mmi_log_file *file)
{
    mmi_file fresh = MMI_NO_FILE;
    mm_error_take(NULL);
    if (mmi_file_open(&fresh, file->path, MMI_OPEN_APPEND) == MM_OK) {
        (void)mmi_file_close(&file->file);
        file->file = fresh;
    }
    mm_error_take(NULL);
}

/* Puts the file aside and begins a new one under its name. */
static void rotate(mmi_log_file *file, int64_t now_s)
{
    mm_error before;
    bool had_error = mm_error_take(&before) != MM_OK;
    if (file->when != 0) {
        rotate_by_time(file, now_s);
    } else {
        for (int i = file->keep; i > 0; i--) {
            rename_numbered(file->path, i - 1, i);
        }
    }
    reopen(file);
    file->size = 0;
    if (had_error) {
        mm_error_restore(&before);
    }
}

/* Another program may have put the file aside: lines follow the name. */
static void follow(mmi_log_file *file)
{
    mm_error before;
    mmi_stat info = {0};
    if (mmi_os_find_stat(file->path, &info) && info.device == file->device &&
        info.inode == file->inode) {
        return;
    }
    bool had_error = mm_error_take(&before) != MM_OK;
    reopen(file);
    remember(file);
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
    } else if (file->watches) {
        follow(file);
    }
    file->size += (int64_t)size;
    return mmi_file_try_write(&file->file, text, size);
}
