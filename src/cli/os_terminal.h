/* What the program needs of the system beyond C: terminal, signals, environment. */
#ifndef CLI_OS_TERMINAL_H
#define CLI_OS_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

/* True if stdout (1) or stderr (2) is a terminal. */
bool cli_is_terminal(int stream);
/* Columns of the terminal of stderr, or 0. */
int cli_terminal_columns(void);
/* Seconds of a clock that never goes back. */
double cli_seconds(void);
/* Most memory this process had in RAM so far, bytes; 0: unknown. */
double cli_peak_bytes(void);

/* Sets an environment variable; before there are threads. */
void cli_set_env(const char *name, const char *value);
/* A new folder for temporary files into `out`; false if it cannot be made. */
bool cli_temp_dir(char *out, size_t out_size);
/* Removes a folder and all in it. */
void cli_remove_tree(const char *path);
/* Ends the process at once: no destructors, no buffers. */
void cli_exit_now(int code);

/* What signals do. */
struct cli_signals {
    void (*stop)(void *user); /* first SIGINT or SIGTERM; safe in a handler */
    void (*save)(void *user); /* SIGUSR1; safe in a handler */
    void *user;
    const char *greeting; /* written to stderr at the first */
    const char *farewell; /* written at the second, which ends the process: 128+n */
};

/* Installs the handlers; `signals` is copied. */
void cli_signals_open(const struct cli_signals *signals);
/* Restores what was before. */
void cli_signals_close(void);
/* The stop signal that came first, or 0. */
int cli_signal(void);

#endif
