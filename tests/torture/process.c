/* Processes of the program under test: starting, waiting for, what they said. */
#define _XOPEN_SOURCE 700

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "temp_folder.h"
#include "torture.h"

struct tt_places tt_places;

double tt_seconds(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void tt_sleep(double seconds)
{
    struct timespec time = {.tv_sec = (time_t)seconds};

    time.tv_nsec = (long)((seconds - (double)time.tv_sec) * 1e9);
    (void)nanosleep(&time, NULL);
}

static int remove_one(const char *path, const struct stat *info, int type,
                      struct FTW *walk)
{
    (void)info;
    (void)type;
    (void)walk;
    return remove(path);
}

void tt_remove_tree(const char *path)
{
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

bool tt_setup(const char *program, const char *faults, const char *source)
{
    char cache[600], plugins[1024];

    tt_places.program = realpath(program, NULL);
    tt_places.faults = realpath(faults, NULL);
    tt_places.source = realpath(source, NULL);
    if (tt_places.program == NULL || tt_places.faults == NULL ||
        tt_places.source == NULL)
        return false;
    if (!make_temp_folder(tt_places.folder, sizeof(tt_places.folder),
                          "mmengine-torture"))
        return false;
    (void)snprintf(cache, sizeof(cache), "%s/cache", tt_places.folder);
    (void)snprintf(plugins, sizeof(plugins), "%s/examples/plugins", tt_places.source);
    return setenv("MMENGINE_PLUGIN_PATH", plugins, 1) == 0 &&
           setenv("MMENGINE_CACHE_DIR", cache, 1) == 0 &&
           setenv("OMP_NUM_THREADS", "1", 1) == 0 &&
           setenv("MMENGINE_NUM_THREADS", "1", 1) == 0 && unsetenv("MM_TORTURE") == 0;
}

/* In the child: everything that only it may see. */
static void enter(const struct tt_run *run)
{
    char path[1024];

    (void)snprintf(path, sizeof(path), "%s/%s/out.txt", tt_places.folder, run->name);
    int file =
        open(path, O_WRONLY | O_CREAT | (run->appends ? O_APPEND : O_TRUNC), 0644);

    (void)dup2(file, STDOUT_FILENO);
    (void)dup2(file, STDERR_FILENO);
    (void)snprintf(path, sizeof(path), "%s/%s", tt_places.folder, run->name);
    if (chdir(path) != 0)
        _exit(126);
    if (run->trace != NULL)
        (void)setenv("MM_TORTURE_TRACE", run->trace, 1);
    if (run->fault != NULL || run->trace != NULL) {
        const char *asan = getenv("ASAN_OPTIONS");

        (void)snprintf(path, sizeof(path), "%s:verify_asan_link_order=0",
                       asan != NULL ? asan : "");
        (void)setenv("ASAN_OPTIONS", path, 1);
        (void)setenv("LD_PRELOAD", tt_places.faults, 1);
        (void)setenv("MM_TORTURE", run->fault != NULL ? run->fault : "none * 0 none",
                     1);
    }
    if (run->max_file > 0) {
        struct rlimit limit = {(rlim_t)run->max_file, (rlim_t)run->max_file};

        (void)signal(SIGXFSZ, SIG_IGN);
        (void)setrlimit(RLIMIT_FSIZE, &limit);
    }
}

/* The working folder, with a link to the data in it. */
static void make_folder(const struct tt_run *run)
{
    char folder[1024], data[1024], link_path[1100];

    (void)snprintf(folder, sizeof(folder), "%s/%s", tt_places.folder, run->name);
    (void)mkdir(folder, 0755);
    (void)snprintf(data, sizeof(data), "%s/data", tt_places.source);
    (void)snprintf(link_path, sizeof(link_path), "%s/data", folder);
    if (symlink(data, link_path) != 0)
        errno = 0; /* it is there from the run before */
}

pid_t tt_start(const struct tt_run *run)
{
    char config[1024];
    const char *argv[TT_MAX_OPTIONS + 8] = {tt_places.program, "train", config,
                                            "--work-dir", "run"};
    size_t count = 5;

    make_folder(run);
    (void)snprintf(config, sizeof(config), "%s/tests/torture/configs/%s",
                   tt_places.source, run->config);
    if (run->resume != NULL)
        argv[count++] = "--resume";
    if (run->resume != NULL && run->resume[0] != '\0')
        argv[count++] = run->resume;
    for (size_t i = 0; run->options[i] != NULL; i++)
        argv[count++] = run->options[i];
    (void)fflush(NULL);
    pid_t process = fork();

    if (process == 0) {
        union { /* execv() wants them without const */
            const char **shown;
            char **given;
        } words = {argv};
        enter(run);
        (void)execv(tt_places.program, words.given);
        _exit(127);
    }
    return process;
}

static int code_of(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int tt_wait(pid_t process)
{
    double end = tt_seconds() + 60.0;
    int status = 0;

    while (tt_seconds() < end) {
        if (waitpid(process, &status, WNOHANG) == process)
            return code_of(status);
        tt_sleep(0.0005);
    }
    (void)kill(process, SIGKILL);
    (void)waitpid(process, &status, 0);
    return -1;
}

int tt_train(const struct tt_run *run)
{
    return tt_wait(tt_start(run));
}

char *tt_output(const char *name)
{
    char path[1024];
    size_t size = 0;

    (void)snprintf(path, sizeof(path), "%s/%s/out.txt", tt_places.folder, name);
    char *text = mm_file_exists(path) ? mm_file_read(path, &size) : NULL;

    return text != NULL ? text : mm_strdup("");
}

bool tt_said(const char *name, const char *text)
{
    char *output = tt_output(name);
    bool said = strstr(output, text) != NULL;

    mm_free(output);
    return said;
}

static bool has_ended(pid_t process)
{
    siginfo_t info = {0};

    return waitid(P_PID, (id_t)process, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
           info.si_pid == process;
}

bool tt_wait_for(const char *name, const char *text, pid_t process)
{
    double end = tt_seconds() + 60.0;

    while (tt_seconds() < end && !has_ended(process)) {
        if (tt_said(name, text))
            return true;
        tt_sleep(0.0002);
    }
    return tt_said(name, text);
}

void tt_print_end_of_output(const char *name)
{
    enum { SHOWN = 2500 };
    char *output = tt_output(name);
    size_t size = strlen(output);

    (void)printf("--- end of what it said:\n%s\n---\n",
                 output + (size > SHOWN ? size - SHOWN : 0));
    mm_free(output);
}
