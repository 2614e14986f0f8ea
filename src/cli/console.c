/* The console. Log lines and the progress line share stderr: the progress line is
 * erased before anything else is written and drawn again after. Without a terminal
 * there is no progress line. Colours are MMEngine's: the level's name underlined, red,
 * yellow, white, green; errors and warnings also blink there, which is left out. */
#include "cli/console.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/os_terminal.h"

enum { MIN_COLUMNS = 40, LINE = 256 };

static struct {
    bool has_color;
    bool is_live;    /* stderr is a terminal that can erase a line */
    char line[LINE]; /* the progress line on the screen, or "" */
    double drawn_at; /* seconds; of the last drawing */
} console;

static bool is_set(const char *name)
{
    const char *value = getenv(name);

    return value != NULL && value[0] != '\0' && strcmp(value, "0") != 0;
}

static bool is_dumb(void)
{
    const char *term = getenv("TERM");

    return term == NULL || strcmp(term, "dumb") == 0;
}

/* --color beats NO_COLOR beats FORCE_COLOR beats the terminal. */
static bool decide_color(const char *when)
{
    const char *no_color = getenv("NO_COLOR");

    if (when != NULL && strcmp(when, "auto") != 0) {
        return strcmp(when, "always") == 0;
    }
    if (when == NULL && no_color != NULL && no_color[0] != '\0') {
        return false;
    }
    if (when == NULL && (is_set("FORCE_COLOR") || is_set("CLICOLOR_FORCE"))) {
        return true;
    }
    return cli_is_terminal(2) && !is_dumb();
}

bool cli_has_color(void)
{
    return console.has_color;
}

int cli_width(void)
{
    int columns = cli_terminal_columns();

    return columns >= MIN_COLUMNS ? columns : 80;
}

static const char *color_of(mm_log_level level)
{
    if (level >= MM_LOG_ERROR) {
        return "\033[4;31m";
    }
    if (level >= MM_LOG_WARN) {
        return "\033[4;33m";
    }
    return level >= MM_LOG_INFO ? "\033[4;37m" : "\033[4;32m";
}

static void erase(void)
{
    if (console.line[0] != '\0') {
        (void)fputs("\r\033[K", stderr);
    }
}

static void draw(void)
{
    if (console.line[0] != '\0') {
        (void)fputs(console.line, stderr);
        (void)fflush(stderr);
    }
}

/* A sink: called under the logger's lock. */
static void show_line(void *user, const mm_log_line *line)
{
    const char *after = line->text + line->level_begin + line->level_size;

    (void)user;
    erase();
    if (console.has_color && line->level_size > 0) {
        (void)fprintf(stderr, "%.*s%s%.*s\033[0m%s\n", (int)line->level_begin,
                      line->text, color_of(line->level), (int)line->level_size,
                      line->text + line->level_begin, after);
    } else {
        (void)fprintf(stderr, "%s\n", line->text);
    }
    draw();
}

void cli_console_open(const char *when)
{
    console.has_color = decide_color(when);
    console.is_live = cli_is_terminal(2) && !is_dumb();
    mm_log_set_sink(show_line, NULL);
}

void cli_print_error(const char *message, const char *hint)
{
    erase();
    console.line[0] = '\0';
    (void)fprintf(stderr, "%s: %s\n",
                  console.has_color ? "\033[1;31merror\033[0m" : "error", message);
    if (hint != NULL && hint[0] != '\0') {
        (void)fprintf(stderr, "%s: %s\n",
                      console.has_color ? "\033[1mhint\033[0m" : "hint", hint);
    }
}

/* --- progress --- */

/* "1:02:03", or "1 day, 2:03:04" as MMEngine's eta. */
static void format_duration(double seconds, char *out, size_t out_size)
{
    if (!(seconds >= 0.0) || seconds > 3.15e9) {
        (void)snprintf(out, out_size, "?");
        return;
    }
    long long whole = (long long)seconds;
    long long days = whole / 86400;
    int size = 0;

    if (days > 0) {
        size = snprintf(out, out_size, "%lld day%s, ", days, days == 1 ? "" : "s");
    }
    (void)snprintf(out + size, out_size - (size_t)size, "%lld:%02lld:%02lld",
                   whole / 3600 % 24, whole / 60 % 60, whole % 60);
}

static const char *mode_name(mm_mode mode)
{
    return mode == MM_MODE_TRAIN ? "train" : mode == MM_MODE_VAL ? "val" : "test";
}

void cli_format_progress(const mm_progress *progress, char *out, size_t out_size)
{
    enum { BAR = 20 };
    char bar[BAR + 1];
    char eta[48];
    char epoch[48] = "";
    char rate[48] = "";
    int64_t all = progress->max_iters > 0 ? progress->max_iters : 1;
    int64_t done = progress->iter < all ? progress->iter : all;
    int64_t filled = done < 0 ? 0 : BAR * done / all;

    for (int i = 0; i < BAR; i++) {
        bar[i] = i < filled ? '=' : i == filled ? '>' : ' ';
    }
    bar[BAR] = '\0';
    if (progress->max_epochs > 0) {
        (void)snprintf(epoch, sizeof(epoch), " %lld/%lld", (long long)progress->epoch,
                       (long long)progress->max_epochs);
    }
    if (progress->images_per_second > 0.0) {
        (void)snprintf(rate, sizeof(rate), "  %.*f img/s",
                       progress->images_per_second < 10.0 ? 2 : 0,
                       progress->images_per_second);
    } else if (progress->iter_seconds > 0.0) {
        (void)snprintf(rate, sizeof(rate), "  %.1f it/s", 1.0 / progress->iter_seconds);
    }
    format_duration(progress->eta_seconds, eta, sizeof(eta));
    (void)snprintf(out, out_size, "%s%s [%s] %lld/%lld%s  eta %s",
                   mode_name(progress->mode), epoch, bar, (long long)progress->iter,
                   (long long)progress->max_iters, rate, eta);
}

void cli_show_progress(void *user, const mm_progress *progress)
{
    double now = 0.0;

    (void)user;
    if (!console.is_live || (now = cli_seconds()) - console.drawn_at < 0.1) {
        return;
    }
    console.drawn_at = now;
    char line[LINE];
    int width = cli_width() - 1; /* the last column would wrap */

    cli_format_progress(progress, line, sizeof(line));
    (void)snprintf(console.line, sizeof(console.line), "%.*s",
                   width < LINE ? width : LINE - 1, line);
    (void)fputs("\r\033[K", stderr);
    draw();
}

void cli_clear_progress(void)
{
    erase();
    console.line[0] = '\0';
    (void)fflush(stderr);
}
