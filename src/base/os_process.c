/*
 * Programs, libraries, the environment and the terminal on POSIX. Programs are started
 * by posix_spawn: a fork in a process with threads and a device driver inside is not
 * safe. A started program gets no signals blocked, no input, and none of our files.
 */
#if defined(__linux__)
#define _GNU_SOURCE /* pipe2(), dladdr(); both are in POSIX since 2024 */
#else
#define _XOPEN_SOURCE 700
#endif

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/os.h"
#include "base/str.h"
#include "base/vec.h"

extern char **environ;

int64_t mmi_os_pid(void)
{
    return (int64_t)getpid();
}

bool mmi_os_process_is_alive(int64_t pid)
{
    return pid > 0 && (kill((pid_t)pid, 0) == 0 || errno == EPERM);
}

void mmi_os_host_name(char *out, size_t out_size)
{
    if (out_size == 0) {
        return;
    }
    if (gethostname(out, out_size) != 0) {
        out[0] = '\0';
    }
    out[out_size - 1] = '\0'; /* a cut name may come without it */
}

void mmi_os_user_name(char *out, size_t out_size)
{
    char buffer[2048];
    struct passwd entry;
    struct passwd *found = NULL;
    static const char *const variables[] = {"LOGNAME", "USER", "LNAME", "USERNAME"};
    if (out_size == 0) {
        return;
    }
    out[0] = '\0';
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        const char *name = getenv(variables[i]);
        if (name != NULL && name[0] != '\0') {
            snprintf(out, out_size, "%s", name);
            return;
        }
    }
    if (getpwuid_r(getuid(), &entry, buffer, sizeof buffer, &found) == 0 &&
        found != NULL) {
        snprintf(out, out_size, "%s", found->pw_name);
    }
}

const char *mmi_os_env(const char *name)
{
    return getenv(name);
}

mm_status mmi_os_set_env(const char *name, const char *value)
{
    if (!MMI_NEED(name)) {
        return mm_pending();
    }
    if ((value != NULL ? setenv(name, value, 1) : unsetenv(name)) != 0) {
        return mmi_raise_errno(errno, "set the variable %s", name);
    }
    return MM_OK;
}

/* ---- programs ---- */

static bool make_pipe(int ends[2])
{
#if defined(__linux__)
    return pipe2(ends, O_CLOEXEC) == 0;
#else
    if (pipe(ends) != 0) {
        return false;
    }
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    return true;
#endif
}

typedef MMI_VEC(char *) argv_vec;

/* The arguments for posix_spawn, ended by NULL; a shell changes the folder first. */
static bool make_argv(const mmi_spawn_args *args, argv_vec *out)
{
    static const char *const change[] = {"/bin/sh", "-c", "cd \"$0\" && exec \"$@\""};
    union { /* posix_spawn() takes them without const and does not change them */
        const char *given;
        char *taken;
    } word;
    if (args->dir != NULL) {
        for (size_t i = 0; i < sizeof change / sizeof *change; i++) {
            word.given = change[i];
            mmi_vec_push(out, word.taken);
        }
        word.given = args->dir;
        mmi_vec_push(out, word.taken);
    }
    for (const char *const *argument = args->argv; *argument != NULL; argument++) {
        word.given = *argument;
        mmi_vec_push(out, word.taken);
    }
    return mmi_vec_push(out, (char *)NULL);
}

/* Starts the program with its output on `output_end`. 0 or an errno. */
static int start_program(const mmi_spawn_args *args, char *const *argv, int output_end,
                         pid_t *out_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigset_t all;
    short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;

    sigemptyset(&none);
    sigfillset(&all);
    sigdelset(&all, SIGKILL);
    sigdelset(&all, SIGSTOP);
    int failed = posix_spawn_file_actions_init(&actions);
    if (failed != 0) {
        return failed;
    }
    failed = posix_spawnattr_init(&attributes);
    if (failed == 0) {
        posix_spawnattr_setsigmask(&attributes, &none);
        posix_spawnattr_setsigdefault(&attributes, &all);
        if (args->timeout_ms > 0) { /* a group of its own, to be killed as a whole */
            flags |= POSIX_SPAWN_SETPGROUP;
            posix_spawnattr_setpgroup(&attributes, 0);
        }
        posix_spawnattr_setflags(&attributes, flags);
        failed =
            posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
        failed |= posix_spawn_file_actions_adddup2(&actions, output_end, 1);
        if (args->joins_stderr) {
            failed |= posix_spawn_file_actions_adddup2(&actions, output_end, 2);
        }
        if (failed == 0) {
            failed =
                posix_spawnp(out_pid, argv[0], &actions, &attributes, argv, environ);
        }
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return failed;
}

/* Milliseconds left until `deadline_ns`; -1: no deadline. */
static int ms_left(int64_t deadline_ns)
{
    if (deadline_ns == 0) {
        return -1;
    }
    int64_t left = (deadline_ns - mmi_clock_ns()) / 1000000;
    return left < 0 ? 0 : left > 3600000 ? 3600000 : (int)left;
}

static bool is_late(int64_t deadline_ns)
{
    return deadline_ns != 0 && mmi_clock_ns() >= deadline_ns;
}

/* Reads the program's output to its end. False: the deadline passed, or an error. */
static bool read_output(int descriptor, int64_t deadline_ns, mmi_str *out)
{
    enum { CHUNK = 16384 };
    while (!mmi_is_pending()) {
        struct pollfd poll_for = {.fd = descriptor, .events = POLLIN};
        int ready = poll(&poll_for, 1, ms_left(deadline_ns));
        if (ready == 0 && is_late(deadline_ns)) {
            return false;
        }
        if (ready <= 0) {
            continue;
        }
        size_t before = out->size;
        char *room = mmi_str_extend(out, CHUNK);
        ssize_t got = room != NULL ? read(descriptor, room, CHUNK) : 0;
        mmi_str_cut(out, before + (got > 0 ? (size_t)got : 0));
        if (got == 0) {
            return !mmi_is_pending();
        }
        if (got < 0 && errno != EINTR) {
            mmi_raise_errno(errno, "read the output of a program");
        }
    }
    return false;
}

/* Waits for the end. False: the deadline passed. */
static bool wait_for(pid_t pid, int64_t deadline_ns, int *out_state)
{
    while (true) {
        pid_t done = waitpid(pid, out_state, deadline_ns != 0 ? WNOHANG : 0);
        if (done == pid) {
            return true;
        }
        if (done < 0 && errno != EINTR) {
            *out_state = 0; /* the host reaps children itself: the state is lost */
            return true;
        }
        if (is_late(deadline_ns)) {
            return false;
        }
        if (done == 0) {
            mmi_sleep_ms(1);
        }
    }
}

static void kill_program(pid_t pid, bool is_group)
{
    int state = 0;
    kill(is_group ? -pid : pid, SIGKILL);
    wait_for(pid, 0, &state);
}

static void collect(const mmi_spawn_args *args, pid_t pid, int output_end,
                    mmi_spawn_result *out)
{
    int64_t deadline_ns =
        args->timeout_ms > 0 ? mmi_clock_ns() + args->timeout_ms * 1000000 : 0;
    mmi_str output = {0};
    int state = 0;
    if (!read_output(output_end, deadline_ns, &output) ||
        !wait_for(pid, deadline_ns, &state)) {
        kill_program(pid, deadline_ns != 0);
        mm_raise(MM_EINTERRUPTED, "stopped '%s': it ran longer than %lld ms",
                 args->argv[0], (long long)args->timeout_ms);
        mmi_str_deinit(&output);
        return;
    }
    out->exit_code = WIFSIGNALED(state) ? 128 + WTERMSIG(state) : WEXITSTATUS(state);
    out->output_size = output.size;
    out->output = mmi_str_take(&output);
}

mm_status mmi_spawn(const mmi_spawn_args *args, mmi_spawn_result *out)
{
    argv_vec argv = {0};
    int ends[2] = {-1, -1};
    pid_t pid = 0;

    *out = (mmi_spawn_result){0};
    if (!MMI_NEED(args->argv) || !MMI_NEED(args->argv[0])) {
        return mm_pending();
    }
    if (!make_argv(args, &argv)) {
        goto done;
    }
    if (!make_pipe(ends)) {
        mmi_raise_errno(errno, "start '%s'", args->argv[0]);
        goto done;
    }
    int failed = start_program(args, argv.data, ends[1], &pid);
    close(ends[1]);
    if (failed != 0) {
        mmi_raise_errno(failed, "start '%s'", args->argv[0]);
    } else {
        collect(args, pid, ends[0], out);
    }
    close(ends[0]);
done:
    mmi_vec_deinit(&argv);
    return mm_pending();
}

void mmi_spawn_result_deinit(mmi_spawn_result *result)
{
    mm_free(result->output);
    *result = (mmi_spawn_result){0};
}

/* ---- libraries ---- */

void *mmi_library_open(const char *path, bool is_global)
{
    if (mmi_is_pending()) {
        return NULL;
    }
    void *library = dlopen(path, RTLD_NOW | (is_global ? RTLD_GLOBAL : RTLD_LOCAL));
    if (library == NULL) {
        const char *reason = dlerror();
        mm_raise(MM_EPLUGIN, "could not load '%s': %s", path != NULL ? path : "",
                 reason != NULL ? reason : "no reason given");
    }
    return library;
}

void *mmi_library_find_symbol(void *library, const char *name)
{
    return dlsym(library, name);
}

void *mmi_library_symbol(void *library, const char *name)
{
    if (!MMI_NEED(library) || !MMI_NEED(name)) {
        return NULL;
    }
    void *symbol = dlsym(library, name);
    if (symbol == NULL) {
        mm_raise(MM_EPLUGIN, "could not find '%s' in a library", name);
    }
    return symbol;
}

char *mmi_library_path_of(const void *address)
{
    Dl_info info;
    if (mmi_is_pending()) {
        return NULL;
    }
    if (dladdr(address, &info) == 0 || info.dli_fname == NULL) {
        mm_raise(MM_ENOENT, "could not find the library of a code address");
        return NULL;
    }
    return mm_strdup(info.dli_fname);
}

/* ---- terminal ---- */

bool mmi_os_is_terminal(int descriptor)
{
    return isatty(descriptor) == 1;
}

int mmi_os_terminal_width(int descriptor)
{
    enum { USUAL = 80 };
    const char *columns = getenv("COLUMNS");
    long given = columns != NULL ? strtol(columns, NULL, 10) : 0;
    if (given > 0 && given < 10000) {
        return (int)given;
    }
#ifdef TIOCGWINSZ
    struct winsize size;
    if (ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        return size.ws_col;
    }
#endif
    return USUAL;
}
