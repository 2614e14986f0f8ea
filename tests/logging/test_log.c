/* The logger: MMEngine's lines, levels, files, rotation, threads. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/case_value.h"
#include "base/memory.h"
#include "base/os.h"
#include "base/thread.h"
#include "logging/log_file.h"
#include "mmengine/fileio.h"
#include "mmengine/log.h"
#include "mmengine/number.h"

enum { LINE_SIZE = 8192, DATE_SIZE = 14 /* "08/21 02:58:41" */ };

/* What a console was shown. */
struct console {
    int lines;
    char text[LINE_SIZE];
    char message[LINE_SIZE];
    char level[16];
};

static void show(void *user, const mm_log_line *line)
{
    struct console *console = user;
    console->lines++;
    snprintf(console->text, sizeof console->text, "%s", line->text);
    snprintf(console->message, sizeof console->message, "%s", line->message);
    snprintf(console->level, sizeof console->level, "%.*s", (int)line->level_size,
             line->text + line->level_begin);
    mm_log(MM_LOG_ERROR, "a sink that logs is not answered");
}

static char *folder;
static char *path; /* of the log */

static int make_folder(void **state)
{
    (void)state;
    folder = mmi_os_temp_dir("mmengine-test");
    path = mm_path_join(folder, "20240101_000000/run.log");
    return folder == NULL || path == NULL;
}

static int remove_folder(void **state)
{
    assert_int_equal(mmi_os_remove_tree(folder), MM_OK);
    mm_free(folder);
    mm_free(path);
    mm_log_set_sink(NULL, NULL);
    return check_clean(state);
}

static char *read_log(void)
{
    char *text = mm_file_read(path, NULL);
    assert_non_null(text);
    return text;
}

/* True if `text` begins with a date of this form, where 0 is any digit. */
static bool has_form(const char *text, const char *form)
{
    for (; *form != '\0'; form++, text++) {
        bool is_digit = *text >= '0' && *text <= '9';
        if (*form == '0' ? !is_digit : *form != *text) {
            return false;
        }
    }
    return true;
}

static struct console console;

/* A line of MMEngine, with the date in front: 2 rows for each level. */
static void check_line(char *const *fields)
{
    mm_log_level level = MM_LOG_DEBUG;
    assert_int_equal(mm_log_level_parse(fields[0], &level), MM_OK);
    bool is_console = fields[1][2] == '/';
    const char *form = is_console ? "00/00 00:00:00" : "0000/00/00 00:00:00";
    assert_true(has_form(fields[1], form));
    const char *rest = fields[1] + strlen(form);

    mm_logger_args args = {.file = path,
                           .level = MM_LOG_DEBUG,
                           .sink = show,
                           .sink_user = &console,
                           .truncates = true};
    mm_logger *logger = mm_logger_new(&args);
    mm_logger_log_at(logger, level, "src/x.c", "train", 12, "loss: %.1f", 2.5);
    mm_logger_free(logger);
    char *content = read_log();
    const char *line = is_console ? console.text : content;
    content[strcspn(content, "\n")] = '\0';
    assert_true(has_form(line, form));
    assert_string_equal(line + strlen(form), rest);
    assert_string_equal(console.level, fields[0]);
    mm_free(content);
}

static void lines_as_mmengine(void **state)
{
    (void)state;
    console = (struct console){0};
    assert_int_equal(case_lines("cases/logging/lines.txt", 2, check_line), 8);
}

static void dates_are_now(void **state)
{
    (void)state;
    char before[32];
    char after[32];
    console = (struct console){0};
    mm_log_set_sink(show, &console);
    mmi_time_text(mmi_wall_ns(), "%m/%d %H:%M:%S", before, sizeof before);
    mm_log(MM_LOG_INFO, "x");
    mmi_time_text(mmi_wall_ns(), "%m/%d %H:%M:%S", after, sizeof after);
    assert_true(strncmp(console.text, before, DATE_SIZE) >= 0);
    assert_true(strncmp(console.text, after, DATE_SIZE) <= 0);
    assert_string_equal(console.text + DATE_SIZE, " - mmengine - INFO - x");
    assert_string_equal(console.message, "x");
    assert_string_equal(console.level, "INFO");
}

static void the_current_logger(void **state)
{
    (void)state;
    console = (struct console){0};
    mm_log(MM_LOG_ERROR, "nobody listens");
    mm_log_set_sink(show, &console);
    mm_log(MM_LOG_DEBUG, "below the level without a logger");
    assert_int_equal(console.lines, 0);
    assert_null(mm_logger_current());
    assert_int_equal(mm_logger_level(NULL), MM_LOG_INFO);

    mm_logger_args args = {.name = "mine", .level = MM_LOG_WARN};
    mm_logger *logger = mm_logger_new(&args);
    assert_null(mm_logger_file(logger));
    assert_null(mm_logger_set_current(logger));
    assert_ptr_equal(mm_logger_current(), logger);
    assert_true(mm_log_is_on(MM_LOG_WARN));
    assert_false(mm_log_is_on(MM_LOG_INFO));
    mm_log(MM_LOG_INFO, "too low");
    assert_int_equal(console.lines, 0);
    mm_log(MM_LOG_WARN, "shown");
    assert_string_equal(console.text + DATE_SIZE, " - mine - WARNING - shown");
    mm_logger *second = mm_logger_new(NULL);
    assert_ptr_equal(mm_logger_set_current(second), logger);
    mm_logger_free(second); /* while it is the current one */
    assert_null(mm_logger_current());
    mm_log(MM_LOG_INFO, "again");
    assert_string_equal(console.text + DATE_SIZE, " - mmengine - INFO - again");
    mm_logger_free(logger);
    mm_logger_free(NULL);
}

static void other_ranks_show_errors_only(void **state)
{
    (void)state;
    console = (struct console){0};
    mm_logger_args args = {
        .file = path, .rank = 1, .world_size = 2, .sink = show, .sink_user = &console};
    mm_logger *logger = mm_logger_new(&args);
    assert_null(mm_logger_file(logger));
    mm_logger_log(logger, MM_LOG_WARN, "nowhere");
    assert_int_equal(console.lines, 0);
    mm_logger_log(logger, MM_LOG_ERROR, "on the console");
    assert_int_equal(console.lines, 1);
    mm_logger_free(logger);
    assert_false(mm_file_exists(path));
}

/* "run_user@host_device3_rank1.log", for all ranks or none. */
static void ranks_may_have_files_of_their_own(void **state)
{
    (void)state;
    char host[128];
    char user[128];
    mmi_os_host_name(host, sizeof host);
    mmi_os_user_name(user, sizeof user);
    for (int rank = 0; rank < 2; rank++) {
        mm_logger_args args = {.file = path,
                               .rank = rank,
                               .world_size = 2,
                               .device_id = 3,
                               .distributed = rank == 0,
                               .level = rank == 0 ? MM_LOG_INFO : MM_LOG_DEBUG};
        mm_logger *logger = mm_logger_new(&args);
        char *name = mm_strfmt("%.*s_%s@%s_device3_rank%d.log", (int)strlen(path) - 4,
                               path, user, host, rank);
        assert_string_equal(mm_logger_file(logger), name);
        mm_logger_log(logger, MM_LOG_INFO, "here");
        mm_logger_free(logger);
        assert_true(mm_file_exists(name));
        mm_free(name);
        args.world_size = 1; /* alone there is nothing to tell apart */
        args.rank = 0;
        logger = mm_logger_new(&args);
        assert_string_equal(mm_logger_file(logger), path);
        mm_logger_free(logger);
    }
}

static void a_warning_is_shown_once(void **state)
{
    (void)state;
    console = (struct console){0};
    mm_logger_args args = {.file = path, .sink = show, .sink_user = &console};
    mm_logger *logger = mm_logger_new(&args);
    mm_logger_log(logger, MM_LOG_WARN, "value %d", 1);
    mm_logger_log(logger, MM_LOG_WARN, "value %d", 1);
    assert_int_equal(console.lines, 1);
    mm_logger_log(logger, MM_LOG_WARN, "value %d", 2);
    mm_logger_log(logger, MM_LOG_INFO, "value %d", 1);
    mm_logger_log(logger, MM_LOG_INFO, "value %d", 1);
    assert_int_equal(console.lines, 4);
    for (int i = 0; i < 1000; i++) {
        mm_logger_log(logger, MM_LOG_WARN, "many %d", i / 2);
    }
    assert_int_equal(console.lines, 504);
    mm_logger_free(logger);
    char *content = read_log();
    int lines = 0;
    for (const char *c = content; *c != '\0'; c++) {
        lines += *c == '\n';
    }
    assert_int_equal(lines, 504);
    mm_free(content);
}

static void files_are_appended_to(void **state)
{
    (void)state;
    mm_logger_args args = {.file = path};
    for (int i = 0; i < 2; i++) {
        mm_logger *logger = mm_logger_new(&args);
        assert_string_equal(mm_logger_file(logger), path);
        mm_logger_log(logger, MM_LOG_INFO, "run %d", i);
        mm_logger_write(logger, "as it stands\n");
        mm_logger_free(logger);
    }
    char *content = read_log();
    assert_non_null(strstr(content, "run 0\nas it stands\n"));
    assert_non_null(strstr(content, "run 1\nas it stands\n"));
    mm_free(content);
    args.truncates = true;
    mm_logger_free(mm_logger_new(&args));
    content = read_log();
    assert_string_equal(content, "");
    mm_free(content);
    args.file = folder;
    assert_null(mm_logger_new(&args));
    mm_error error;
    assert_int_equal(mm_error_take(&error), MM_EIO);
    assert_non_null(strstr(error.frames[0], "while opening log file"));
}

static void logging_works_under_an_error(void **state)
{
    (void)state;
    console = (struct console){0};
    char *large = mm_alloc(LINE_SIZE / 2 + 1);
    memset(large, 'x', LINE_SIZE / 2);
    mm_logger_args args = {.file = path, .sink = show, .sink_user = &console};
    mm_logger *logger = mm_logger_new(&args);
    mm_logger_set_current(logger);
    mm_raise(MM_EIO, "pending");
    mm_log(MM_LOG_WARN, "a rescue %s", large);
    assert_int_equal(console.lines, 1);
    assert_int_equal(strlen(console.message), strlen("a rescue ") + LINE_SIZE / 2);
    mm_log_error(mm_error_peek());
    check_error_text(MM_EIO, "pending");
    mm_logger_free(logger);
    char *content = read_log();
    assert_non_null(strstr(content, "a rescue xxx"));
    mm_free(content);
    mm_free(large);
}

static void errors_show_all_they_know(void **state)
{
    (void)state;
    mm_error error;
    console = (struct console){0};
    mm_log_set_sink(show, &console);
    mm_raise_at(MM_EKEY, "src/x.c", 7, "no 'ResNte'");
    mm_error_frame("while building model");
    mm_error_hint("did you mean 'ResNet'?");
    mm_error_take(&error);
    mm_log_error(&error);
    assert_string_equal(console.message,
                        "src/x.c - (unknown function) - 7 - no 'ResNte'\n"
                        "  while building model\n"
                        "hint: did you mean 'ResNet'?");
    mm_log_error(NULL);
    error.code = MM_OK;
    mm_log_error(&error);
    assert_int_equal(console.lines, 1);
    mm_log(MM_LOG_ERROR, "here");
    assert_non_null(strstr(console.text, " - ERROR - "));
    assert_non_null(strstr(console.text, "tests/logging/test_log.c - "
                                         "errors_show_all_they_know - "));
}

static void levels(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int level;
    } cases[] = {{"INFO", 20},     {"info", 20},  {"Warning", 30},
                 {"WARN", 30},     {"debug", 10}, {"error", 40},
                 {"CRITICAL", 50}, {"15", 15},    {"NOTSET", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mm_log_level level = MM_LOG_ERROR;
        assert_int_equal(mm_log_level_parse(cases[i].text, &level), MM_OK);
        assert_int_equal(level, cases[i].level);
    }
    mm_log_level level = MM_LOG_ERROR;
    static const char *const bad[] = {"", "INF", "INFOO", "-1", "loud", "1 "};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(mm_log_level_parse(bad[i], &level), MM_EINVAL);
        mm_error_take(NULL);
    }
    assert_int_equal(level, MM_LOG_ERROR);
    mm_log_level_parse("INFOO", &level);
    mm_error error;
    mm_error_take(&error);
    assert_string_equal(error.hint, "did you mean 'INFO'?");
    assert_string_equal(mm_log_level_name(MM_LOG_WARN), "WARNING");
}

static void check_names(const char *expected)
{
    char *where = mm_path_dirname(path);
    mm_value *names = mm_list_dir(where);
    char *text = mm_value_repr(names);
    assert_string_equal(text, expected);
    mm_free(text);
    mm_value_unref(names);
    mm_free(where);
}

static void files_rotate_by_size(void **state)
{
    (void)state;
    mm_logger_args args = {.file = path, .rotate_bytes = 300, .rotate_keep = 2};
    mm_logger *logger = mm_logger_new(&args);
    for (int i = 0; i < 50; i++) {
        mm_logger_log(logger, MM_LOG_INFO, "line %d", i);
        assert_true(mm_file_size(path) < 300);
    }
    mm_logger_free(logger);
    check_names("['run.log', 'run.log.1', 'run.log.2']");
    char *content = read_log();
    assert_non_null(strstr(content, "line 49\n")); /* nothing is lost on the way */
    mm_free(content);
    char *old = mm_strfmt("%s.1", path);
    content = mm_file_read(old, NULL);
    assert_null(strstr(content, "line 49\n"));
    mm_free(content);
    mm_free(old);
}

static void files_rotate_by_time(void **state)
{
    (void)state;
    mm_logger_args args = {.file = path, .rotate_when = "S", .rotate_keep = 1};
    mm_logger *logger = mm_logger_new(&args);
    mm_logger_log(logger, MM_LOG_INFO, "first");
    mmi_sleep_ms(1100);
    mm_raise(MM_EIO, "pending"); /* rotation works under an error too */
    mm_logger_log(logger, MM_LOG_INFO, "second");
    check_error(MM_EIO);
    mmi_sleep_ms(1100);
    mm_logger_log(logger, MM_LOG_INFO, "third");
    mm_logger_free(logger);
    char *content = read_log();
    assert_non_null(strstr(content, "third"));
    assert_null(strstr(content, "second"));
    mm_free(content);
    char *where = mm_path_dirname(path);
    mm_value *names = mm_list_dir(where);
    assert_int_equal(mm_value_len(names), 2); /* one old file is kept: the second */
    const char *name = mm_value_str(mm_list_get(names, 1));
    assert_true(has_form(name, "run.log.0000-00-00_00-00-00"));
    char *old = mm_path_join(where, name);
    content = mm_file_read(old, NULL);
    assert_non_null(strstr(content, "second"));
    mm_free(content);
    mm_free(old);
    mm_value_unref(names);
    mm_free(where);

    args.rotate_when = "YEAR";
    assert_null(mm_logger_new(&args));
    check_error_text(MM_EINVAL, "could not rotate a log by 'YEAR'");
    static const char *const all[] = {"M", "h", "D", "MIDNIGHT", "W0", "w6"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        args.rotate_when = all[i];
        logger = mm_logger_new(&args);
        mm_logger_log(logger, MM_LOG_INFO, "%s", all[i]); /* not due */
        mm_logger_free(logger);
    }
    content = read_log();
    assert_non_null(strstr(content, "w6"));
    assert_non_null(strstr(content, "third"));
    mm_free(content);
}

static int64_t number_of(const char *text)
{
    int64_t number = 0;
    assert_int_equal(mm_i64_parse(text, &number), MM_OK);
    return number;
}

/* A row of tools/golden/log_rotation.py; its ten fields are cut here. */
static void check_rotation(char *const *fields)
{
    char *part[10];
    char *at = fields[0];
    for (int i = 0; i < 10; i++) {
        part[i] = at;
        at += strcspn(at, "\t");
        *at++ = '\0';
    }
    mm_logger_args args = {.file = path,
                           .rotate_when = part[1],
                           .rotate_interval = (int)number_of(part[2]),
                           .rotate_utc = part[3][0] == '1',
                           .rotate_at_s = (int)number_of(part[4])};
    mmi_log_file file;
    char date[32];
    assert_int_equal(mmi_os_set_env("TZ", part[0]), MM_OK);
    tzset();
    assert_int_equal(mmi_log_file_open(&file, &args), MM_OK);
    file.next_s = mmi_log_file_next(&file, number_of(part[5]));
    if (file.next_s != number_of(part[6])) {
        fail_msg("%s %s from %s: due at %lld, not %s", part[0], part[1], part[5],
                 (long long)file.next_s, part[6]);
    }
    mmi_log_file_date(&file, date, sizeof date);
    assert_string_equal(date, part[7]);
    assert_int_equal(mmi_log_file_next(&file, number_of(part[8])), number_of(part[9]));
    mmi_log_file_close(&file);
}

static void files_rotate_when_pythons_do(void **state)
{
    (void)state;
    assert_int_equal(case_lines("cases/logging/rotation.txt", 1, check_rotation), 300);
    assert_int_equal(mmi_os_set_env("TZ", "UTC"), MM_OK);
    tzset();
}

/* The day on which clocks go forward has 23 hours. */
static void days_end_at_midnight(void **state)
{
    (void)state;
    mm_logger_args args = {.file = path, .rotate_when = "MIDNIGHT"};
    mmi_log_file file;
    assert_int_equal(mmi_os_set_env("TZ", "CET-1CEST,M3.5.0,M10.5.0/3"), MM_OK);
    tzset();
    assert_int_equal(mmi_log_file_open(&file, &args), MM_OK);
    const int64_t noon = 1711796400; /* 2024-03-30 12:00 CET */
    int64_t first = mmi_log_file_next(&file, noon);
    assert_int_equal(first, noon + 12 * 3600);
    file.next_s = mmi_log_file_next(&file, first);
    assert_int_equal(file.next_s, first + 23 * 3600);
    char date[32];
    mmi_log_file_date(&file, date, sizeof date);
    assert_string_equal(date, "2024-03-31");
    file.interval_s *= 3;
    assert_int_equal(mmi_log_file_next(&file, first), first + 71 * 3600);
    mmi_log_file_close(&file);
    assert_int_equal(mmi_os_set_env("TZ", "UTC"), MM_OK);
    tzset();
}

/* WatchedFileHandler: logrotate moves the file, lines follow the name. */
static void a_moved_file_is_begun_anew(void **state)
{
    (void)state;
    mm_logger_args args = {.file = path, .watches = true};
    mm_logger *logger = mm_logger_new(&args);
    char *aside = mm_strfmt("%s.old", path);
    mm_logger_log(logger, MM_LOG_INFO, "first");
    mm_logger_log(logger, MM_LOG_INFO, "second");
    assert_int_equal(mmi_os_rename(path, aside), MM_OK);
    mm_raise(MM_EIO, "pending");
    mm_logger_log(logger, MM_LOG_INFO, "third");
    check_error(MM_EIO);
    mm_logger_log(logger, MM_LOG_INFO, "fourth");
    mm_logger_free(logger);
    char *content = read_log();
    assert_null(strstr(content, "second"));
    assert_non_null(strstr(content, "third"));
    assert_non_null(strstr(content, "fourth"));
    mm_free(content);
    content = mm_file_read(aside, NULL);
    assert_non_null(strstr(content, "second"));
    assert_null(strstr(content, "third"));
    mm_free(content);
    mm_free(aside);
}

static mm_value *parse(const char *text)
{
    mm_value *value = mm_json_parse(text, strlen(text), NULL);
    check_ok();
    return value;
}

static void handlers_of_a_config(void **state)
{
    (void)state;
    mm_logger_args args = {.file = path};
    mm_value *dict = parse("{\"type\": \"RotatingFileHandler\", \"maxBytes\": 300, "
                           "\"backupCount\": 2, \"mode\": \"w\", \"delay\": true}");
    assert_int_equal(mm_logger_read_handler(dict, &args), MM_OK);
    assert_int_equal(args.rotate_bytes, 300);
    assert_int_equal(args.rotate_keep, 2);
    assert_false(args.truncates); /* Python keeps what it may put aside */
    assert_string_equal(args.file, path);
    mm_value_unref(dict);

    args = (mm_logger_args){.file = path};
    dict = parse("{\"type\": \"TimedRotatingFileHandler\", \"when\": \"w3\", "
                 "\"interval\": 2, \"backupCount\": 365, \"utc\": true, "
                 "\"atTime\": \"13:45\", \"encoding\": null}");
    assert_int_equal(mm_logger_read_handler(dict, &args), MM_OK);
    assert_string_equal(args.rotate_when, "w3");
    assert_int_equal(args.rotate_interval, 2);
    assert_int_equal(args.rotate_keep, 365);
    assert_int_equal(args.rotate_at_s, 13 * 3600 + 45 * 60);
    assert_true(args.rotate_utc);
    mm_value_unref(dict);

    args = (mm_logger_args){.file = path};
    dict = parse("{\"type\": \"TimedRotatingFileHandler\"}");
    assert_int_equal(mm_logger_read_handler(dict, &args), MM_OK);
    assert_string_equal(args.rotate_when, "H"); /* Python's default */
    mm_value_unref(dict);

    args = (mm_logger_args){.file = path};
    dict = parse("{\"type\": \"WatchedFileHandler\", \"filename\": \"other.log\", "
                 "\"mode\": \"w\"}");
    assert_int_equal(mm_logger_read_handler(dict, &args), MM_OK);
    assert_true(args.watches && args.truncates);
    assert_string_equal(args.file, "other.log");
    mm_value_unref(dict);
}

static void wrong_handlers(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"[]", "a handler of log files is a dict, got a list"},
        {"{\"type\": \"RotatingFileHandle\"}",
         "there is no handler of log files 'RotatingFileHandle'"},
        {"{\"type\": \"SMTPHandler\"}",
         "there is no handler of log files 'SMTPHandler'"},
        {"{\"type\": \"RotatingFileHandler\", \"when\": \"H\"}",
         "RotatingFileHandler has no option 'when'"},
        {"{\"type\": \"TimedRotatingFileHandler\", \"mode\": \"w\"}",
         "TimedRotatingFileHandler has no option 'mode'"},
        {"{\"type\": \"RotatingFileHandler\", \"maxBytes\": -1}",
         "maxBytes is from 0 to 4611686018427387903, got -1"},
        {"{\"type\": \"FileHandler\", \"mode\": \"x\"}", "mode is 'a' or 'w', got 'x'"},
        {"{\"type\": \"FileHandler\", \"encoding\": \"latin-1\"}",
         "logs are written in utf-8, not in 'latin-1'"},
        {"{\"type\": \"TimedRotatingFileHandler\", \"atTime\": \"25:00\"}",
         "atTime is 'HH:MM:SS', got '25:00'"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        mm_logger_args args = {.file = path};
        mm_value *dict = parse(rows[i].text);
        assert_int_equal(mm_logger_read_handler(dict, &args), MM_ECONFIG);
        check_error_text(MM_ECONFIG, rows[i].message);
        mm_value_unref(dict);
    }
    mm_logger_args args = {.file = path};
    mm_value *dict = parse("{\"filename\": \"x\"}");
    assert_int_equal(mm_logger_read_handler(dict, &args), MM_EKEY);
    check_error(MM_EKEY);
    mm_value_unref(dict);
}

/* A disk that is full: training goes on, and the user hears of it once. */
static void a_full_disk_is_reported_once(void **state)
{
    (void)state;
    console = (struct console){0};
    if (!mm_file_exists("/dev/full")) {
        skip();
    }
    mm_logger_args args = {.file = "/dev/full", .sink = show, .sink_user = &console};
    mm_logger *logger = mm_logger_new(&args);
    check_ok();
    mm_logger_log(logger, MM_LOG_INFO, "first");
    assert_int_equal(console.lines, 2);
    assert_string_equal(console.message,
                        "could not write log file '/dev/full': no space "
                        "left on device, continuing without it");
    mm_logger_log(logger, MM_LOG_INFO, "second");
    assert_int_equal(console.lines, 3);
    assert_string_equal(console.message, "second");
    mm_logger_free(logger);
}

static void log_much(void *user)
{
    for (int i = 0; i < 500; i++) {
        mm_logger_log(user, MM_LOG_INFO, "%s",
                      "a line of which nothing must be lost or mixed with another");
    }
}

static void swap_loggers(void *unused)
{
    (void)unused;
    for (int i = 0; i < 200; i++) {
        mm_logger *logger = mm_logger_new(NULL);
        mm_logger_set_current(logger);
        mm_log(MM_LOG_WARN, "swap %d", i);
        mm_logger_free(logger);
    }
}

static void log_to_current(void *unused)
{
    (void)unused;
    for (int i = 0; i < 500; i++) {
        mm_log(MM_LOG_WARN, "to whatever is current %d", i);
    }
}

static void threads_do_not_mix(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    mmi_thread threads[THREADS + 2];
    mm_logger_args args = {.file = path};
    mm_logger *logger = mm_logger_new(&args);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(mmi_thread_start(&threads[i], "logs", log_much, logger),
                         MM_OK);
    }
    assert_int_equal(mmi_thread_start(&threads[4], "swaps", swap_loggers, NULL), MM_OK);
    assert_int_equal(mmi_thread_start(&threads[5], "any", log_to_current, NULL), MM_OK);
    for (int i = 0; i < THREADS + 2; i++) {
        mmi_thread_join(&threads[i]);
    }
    mm_logger_free(logger);
    char *content = read_log();
    int lines = 0;
    for (char *line = content; *line != '\0'; lines++) {
        size_t size = strcspn(line, "\n");
        assert_true(
            has_form(line, "0000/00/00 00:00:00 - mmengine - INFO - a line of "));
        assert_memory_equal(line + size - 12, "with another", 12);
        line += size + 1;
    }
    assert_int_equal(lines, THREADS * 500);
    mm_free(content);
}

#define FOLDER_TEST(function)                                                          \
    cmocka_unit_test_setup_teardown((function), make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOLDER_TEST(lines_as_mmengine),
        FOLDER_TEST(dates_are_now),
        FOLDER_TEST(the_current_logger),
        FOLDER_TEST(other_ranks_show_errors_only),
        FOLDER_TEST(ranks_may_have_files_of_their_own),
        FOLDER_TEST(a_warning_is_shown_once),
        FOLDER_TEST(files_are_appended_to),
        FOLDER_TEST(logging_works_under_an_error),
        FOLDER_TEST(errors_show_all_they_know),
        FOLDER_TEST(levels),
        FOLDER_TEST(files_rotate_by_size),
        FOLDER_TEST(files_rotate_by_time),
        FOLDER_TEST(files_rotate_when_pythons_do),
        FOLDER_TEST(days_end_at_midnight),
        FOLDER_TEST(a_moved_file_is_begun_anew),
        FOLDER_TEST(handlers_of_a_config),
        FOLDER_TEST(wrong_handlers),
        FOLDER_TEST(a_full_disk_is_reported_once),
        FOLDER_TEST(threads_do_not_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
