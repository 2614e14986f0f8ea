/* Trains small configs with the real program, ends them in the middle, and compares
 * what is left with a run that was not disturbed. */
#ifndef TESTS_TORTURE_TORTURE_H
#define TESTS_TORTURE_TORTURE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "mmengine/mmengine.h"

/* Where things are: set once, by tt_setup(). */
struct tt_places {
    const char *program; /* mmengine */
    const char *faults;  /* the library to preload */
    const char *source;  /* root of the sources */
    char folder[512];    /* of this test; runs lie in it */
};
extern struct tt_places tt_places;

/* Makes the folder of the test, with a link to the data; false if that fails. */
bool tt_setup(const char *program, const char *faults, const char *source);
void tt_remove_tree(const char *path);

/* ---- one run of the program ---- */

enum { TT_MAX_OPTIONS = 16 };

/* The work folder is `<folder>/<name>/run`, the working folder `<folder>/<name>`. */
struct tt_run {
    const char *name;
    const char *config;                  /* in tests/torture/configs */
    const char *options[TT_MAX_OPTIONS]; /* of `train`; NULL at the end */
    const char *resume;                  /* NULL: no; "": the newest; else a path */
    const char *fault;                   /* MM_TORTURE of faults.c; NULL: none */
    const char *trace;                   /* MM_TORTURE_TRACE of faults.c; NULL: none */
    int64_t max_file; /* bytes a file may have (RLIMIT_FSIZE); 0: any number */
    bool appends;     /* output goes behind what is there */
};

/* Starts it; output goes to <folder>/<name>/out.txt. */
pid_t tt_start(const struct tt_run *run);
/* Exit code, or 128 + signal. A process that takes a minute is killed: -1. */
int tt_wait(pid_t process);
/* tt_start() and tt_wait(). */
int tt_train(const struct tt_run *run);
/* Waits until the output of `name` holds `text` (true) or the process has ended, which
 * leaves it to be waited for. */
bool tt_wait_for(const char *name, const char *text, pid_t process);
/* The output so far; yours (mm_free). */
char *tt_output(const char *name);
bool tt_said(const char *name, const char *text);
void tt_print_end_of_output(const char *name);
void tt_sleep(double seconds);
double tt_seconds(void);

/* ---- what a run leaves ---- */

/* `<folder>/<name>/run/<file>`; the buffer is of this call's caller. */
const char *tt_path(const char *name, const char *file, char *out, size_t size);
/* Names in the work folder that begin and end so; yours. */
mm_value *tt_files(const char *name, const char *begin, const char *end);

/* The comparisons return how many differences they found and print the first. */
int tt_compare_checkpoints(const char *ours, const char *expected);
/* Files, checkpoints and pointer of two work folders. */
int tt_compare_folders(const char *name, const char *expected);
/* All records, log lines and pictures: each that `name` ever wrote is one of
 * `expected`, and none of those is missing. */
int tt_compare_logs(const char *name, const char *expected);
/* All three. */
int tt_compare_runs(const char *name, const char *expected);
/* Files that may be there in tt_compare_folders() though not expected: what their names
 * begin with; NULL: none. */
extern const char *tt_extra_files;
/* Weights, optimizer and schedulers of two checkpoints. */
int tt_compare_states(const char *ours, const char *expected);
/* As tt_compare_logs(), of a run that began in the middle: nothing needs to be there.
 */
int tt_compare_later_logs(const char *name, const char *expected);
/* After a kill: every checkpoint can be read, the pointer points, nothing piles up. */
int tt_check_folder(const char *name, int max_keep);

#endif
