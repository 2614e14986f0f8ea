/* A library to preload into a program: ends it, or lets a system call fail, at a chosen
 * operation on a file. What a crash test needs and polling cannot hit.
 *
 *   MM_TORTURE="rename .pth 3 before"
 *
 * names an operation (create, write, sync, rename, remove), a part of the file's path
 * ("*": any), which of them it is, counted from 1, and what happens: `before`, `half`
 * (of a write) or `after` ends the process with SIGKILL; `enospc`, `eio`, `erofs` make
 * this one and all that follow fail. MM_TORTURE_TRACE=FILE lists the operations that
 * were done, one in a line. */
#define _GNU_SOURCE /* RTLD_NEXT, open64 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { MAX_FILES = 1024, PATH_SIZE = 512 };

static struct {
    char op[16], part[64], what[16];
    long nth;
    _Atomic long seen;
    int trace;
    char paths[MAX_FILES][PATH_SIZE]; /* by descriptor; "": not of interest */
} torture = {.trace = -1};

#define REAL(name) (*(void **)&real_##name = dlsym(RTLD_NEXT, #name))

static int (*real_open)(const char *, int, ...);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_rename)(const char *, const char *);
static int (*real_unlink)(const char *);
static int (*real_remove)(const char *);

__attribute__((constructor)) static void begin(void)
{
    const char *plan = getenv("MM_TORTURE");
    const char *trace = getenv("MM_TORTURE_TRACE");

    if (real_open != NULL) /* another library's constructor was first */
        return;
    REAL(open);
    REAL(write);
    REAL(pwrite);
    REAL(fsync);
    REAL(fdatasync);
    REAL(rename);
    REAL(unlink);
    REAL(remove);
    if (plan != NULL && sscanf(plan, "%15s %63s %ld %15s", torture.op, torture.part,
                               &torture.nth, torture.what) != 4)
        torture.nth = 0;
    if (trace != NULL)
        torture.trace =
            real_open(trace, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

static const char *path_of(int file)
{
    return file >= 0 && file < MAX_FILES ? torture.paths[file] : "";
}

static void note(const char *op, const char *path)
{
    char line[PATH_SIZE + 32];
    int size = snprintf(line, sizeof(line), "%s %s\n", op, path);

    if (torture.trace >= 0 && size > 0)
        (void)!real_write(torture.trace, line, (size_t)size);
}

static void die(void)
{
    (void)kill(getpid(), SIGKILL);
    for (;;)
        (void)pause();
}

/* What is to happen at this operation: "" is nothing. */
static const char *due(const char *op, const char *path)
{
    if (path[0] == '\0' || torture.nth < 1 || strcmp(op, torture.op) != 0 ||
        (strcmp(torture.part, "*") != 0 && strstr(path, torture.part) == NULL))
        return "";
    long seen = atomic_fetch_add(&torture.seen, 1) + 1;
    bool fails = torture.what[0] == 'e';

    return seen == torture.nth || (fails && seen > torture.nth) ? torture.what : "";
}

static bool fails(const char *what)
{
    if (what[0] != 'e')
        return false;
    errno = strcmp(what, "enospc") == 0  ? ENOSPC
            : strcmp(what, "erofs") == 0 ? EROFS
                                         : EIO;
    return true;
}

/* True if the operation must not be done: it fails. */
static bool before(const char *what)
{
    if (strcmp(what, "before") == 0)
        die();
    return fails(what);
}

static void after(const char *what, const char *op, const char *path)
{
    int number = errno;

    if (path[0] != '\0')
        note(op, path);
    if (strcmp(what, "after") == 0)
        die();
    errno = number;
}

static int open_file(const char *path, int flags, mode_t mode)
{
    bool writes = (flags & O_ACCMODE) != O_RDONLY && strncmp(path, "/dev/", 5) != 0;
    const char *what = due("create", writes ? path : "");

    if (before(what))
        return -1;
    int file = real_open(path, flags, mode);

    if (file >= 0 && file < MAX_FILES)
        (void)snprintf(torture.paths[file], PATH_SIZE, "%s", path);
    if (writes)
        after(what, "create", path);
    return file;
}

#define MODE(flags)                                                                    \
    mode_t mode = 0;                                                                   \
    if (((flags)&O_CREAT) != 0) {                                                      \
        va_list rest;                                                                  \
        va_start(rest, flags);                                                         \
        mode = (mode_t)va_arg(rest, unsigned);                                         \
        va_end(rest);                                                                  \
    }

int open(const char *path, int flags, ...)
{
    begin();
    MODE(flags)
    return open_file(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    begin();
    MODE(flags)
    return open_file(path, flags, mode);
}

ssize_t write(int file, const void *data, size_t size)
{
    begin();
    const char *what = due("write", path_of(file));

    if (before(what))
        return -1;
    bool half = strcmp(what, "half") == 0;
    ssize_t put = real_write(file, data, half ? size / 2 : size);

    if (half)
        die();
    after(what, "write", path_of(file));
    return put;
}

static ssize_t write_at(int file, const void *data, size_t size, off_t offset)
{
    begin();
    const char *what = due("write", path_of(file));

    if (before(what))
        return -1;
    bool half = strcmp(what, "half") == 0;
    ssize_t put = real_pwrite(file, data, half ? size / 2 : size, offset);

    if (half)
        die();
    after(what, "write", path_of(file));
    return put;
}

ssize_t pwrite(int file, const void *data, size_t size, off_t offset)
{
    return write_at(file, data, size, offset);
}

ssize_t pwrite64(int file, const void *data, size_t size, off_t offset)
{
    return write_at(file, data, size, offset);
}

static int sync_file(int file, int (*real)(int))
{
    const char *what = due("sync", path_of(file));

    if (before(what))
        return -1;
    int failed = real(file);

    after(what, "sync", path_of(file));
    return failed;
}

int fsync(int file)
{
    begin();
    return sync_file(file, real_fsync);
}

int fdatasync(int file)
{
    begin();
    return sync_file(file, real_fdatasync);
}

int rename(const char *from, const char *to)
{
    begin();
    const char *what = due("rename", to);

    if (before(what))
        return -1;
    int failed = real_rename(from, to);

    after(what, "rename", to);
    return failed;
}

static int remove_file(const char *path, int (*real)(const char *))
{
    const char *what = due("remove", path);

    if (before(what))
        return -1;
    int failed = real(path);

    after(what, "remove", path);
    return failed;
}

int unlink(const char *path)
{
    begin();
    return remove_file(path, real_unlink);
}

int remove(const char *path)
{
    begin();
    return remove_file(path, real_remove);
}
