/* Runs the program and keeps what it said. */
#ifndef TESTS_CLI_PROGRAM_H
#define TESTS_CLI_PROGRAM_H

#include "check.h"
#include "temp_folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* Exit code, and stdout and stderr as they came. */
static char program_text[1 << 18];

/* Runs a shell command in which $P is the program and $T the folder of this test. */
static inline int run(const char *command)
{
    FILE *pipe = NULL;
    char *line = mm_strfmt("exec 2>&1; %s", command);
    size_t used = 0;
    size_t got = 0;

    assert_int_equal(setenv("P", MM_PROGRAM, 1), 0);
    pipe = popen(line, "r");
    assert_non_null(pipe);
    while ((got = fread(program_text + used, 1, sizeof(program_text) - 1 - used,
                        pipe)) > 0) {
        used += got;
    }
    program_text[used] = '\0';
    mm_free(line);
    int status = pclose(pipe);

    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* The command ends with `code` and says `text` somewhere ("": anything). */
static inline void check_run(const char *command, int code, const char *text)
{
    int ended = run(command);

    if (ended != code || strstr(program_text, text) == NULL) {
        fail_msg("%s\nended with %d, expected %d and '%s', said:\n%s", command, ended,
                 code, text, program_text);
    }
}

/* A setup and teardown that make and remove the folder $T. */
static inline int make_folder(void **state)
{
    static char path[512];

    (void)state;
    if (!make_temp_folder(path, sizeof(path), "mmengine-test") ||
        setenv("T", path, 1) != 0 || unsetenv("MMENGINE_CACHE_DIR") != 0 ||
        setenv("XDG_CACHE_HOME", path, 1) != 0) {
        return -1;
    }
    return unsetenv("NO_COLOR") == 0 && unsetenv("FORCE_COLOR") == 0 ? 0 : -1;
}

static inline int remove_folder(void **state)
{
    (void)state;
    return run("rm -r \"$T\"") == 0 ? 0 : -1;
}

#endif
