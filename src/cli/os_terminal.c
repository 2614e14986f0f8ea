/* The program's POSIX part. The handlers touch nothing but sig_atomic_t, atomics and
 * write(), which is all that a handler may do. */
#if defined(__linux__)
#define _DEFAULT_SOURCE /* struct winsize */
#endif
#define _XOPEN_SOURCE 700

#include "cli/os_terminal.h"

#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static struct {
    struct cli_signals do_;
    size_t greeting_size;
    size_t farewell_size;
    struct sigaction old_int, old_term, old_usr1;
    volatile sig_atomic_t signal; /* the first that came */
    bool is_open;
} handlers;

bool cli_is_terminal(int stream)
{
    return isatty(stream) == 1;
}

int cli_terminal_columns(void)
{
    struct winsize size = {0};

    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

double cli_seconds(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

double cli_peak_bytes(void)
{
    struct rusage usage;

    if (getrusage(RUSAGE_SELF, &usage) != 0) {
        return 0.0;
    }
#if defined(__APPLE__)
    return (double)usage.ru_maxrss;
#else
    return 1024.0 * (double)usage.ru_maxrss;
#endif
}

void cli_set_env(const char *name, const char *value)
{
    (void)setenv(name, value, 1);
}

bool cli_temp_dir(char *out, size_t out_size)
{
    const char *base = getenv("TMPDIR");
    /* lint: allow machine-path, what POSIX has where TMPDIR says nothing */
    const char *otherwise = "/tmp";

    (void)snprintf(out, out_size, "%s/mmengine-XXXXXX",
                   base != NULL && base[0] != '\0' ? base : otherwise);
    return mkdtemp(out) != NULL;
}

static int remove_one(const char *path, const struct stat *info, int type,
                      struct FTW *walk)
{
    (void)info;
    (void)type;
    (void)walk;
    return remove(path);
}

void cli_remove_tree(const char *path)
{
    enum { OPEN_FOLDERS = 16 };

    (void)nftw(path, remove_one, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS);
}

void cli_exit_now(int code)
{
    _exit(code);
}

/* --- signals --- */

static void tell(const char *text, size_t size)
{
    ssize_t ignored = write(STDERR_FILENO, text, size);

    (void)ignored;
}

static void on_stop(int number)
{
    if (handlers.signal != 0) {
        tell(handlers.do_.farewell, handlers.farewell_size);
        _exit(128 + number);
    }
    handlers.signal = number;
    handlers.do_.stop(handlers.do_.user);
    tell(handlers.do_.greeting, handlers.greeting_size);
}

static void on_save(int number)
{
    (void)number;
    handlers.do_.save(handlers.do_.user);
}

void cli_signals_open(const struct cli_signals *signals)
{
    struct sigaction action = {.sa_flags = SA_RESTART};

    handlers.do_ = *signals;
    handlers.greeting_size = strlen(signals->greeting);
    handlers.farewell_size = strlen(signals->farewell);
    handlers.signal = 0;
    (void)sigemptyset(&action.sa_mask);
    (void)sigaddset(&action.sa_mask, SIGINT);
    (void)sigaddset(&action.sa_mask, SIGTERM);
    action.sa_handler = on_stop;
    (void)sigaction(SIGINT, &action, &handlers.old_int);
    (void)sigaction(SIGTERM, &action, &handlers.old_term);
    action.sa_handler = on_save;
    (void)sigaction(SIGUSR1, &action, &handlers.old_usr1);
    handlers.is_open = true;
}

void cli_signals_close(void)
{
    if (!handlers.is_open) {
        return;
    }
    (void)sigaction(SIGINT, &handlers.old_int, NULL);
    (void)sigaction(SIGTERM, &handlers.old_term, NULL);
    (void)sigaction(SIGUSR1, &handlers.old_usr1, NULL);
    handlers.is_open = false;
}

int cli_signal(void)
{
    return handlers.signal;
}
