/*
 * Open files on POSIX: reading, writing, files that take their name when they are
 * complete, mappings, lock files. Every descriptor is closed on exec. A file counts as
 * written only after fsync of the file and of its folder.
 */
#define _XOPEN_SOURCE 700

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/os.h"
#include "base/str.h"
#include "mmengine/file.h"
#include "mmengine/number.h"

enum { RIGHTS = 0666 /* less the umask */ };

static int open_quietly(const char *path, int flags)
{
    int descriptor = -1;
    do {
        descriptor = open(path, flags | O_CLOEXEC, RIGHTS);
    } while (descriptor < 0 && errno == EINTR);
    return descriptor;
}

mm_status mmi_file_open(mmi_file *file, const char *path, mmi_open_mode mode)
{
    static const int flags[] = {
        [MMI_OPEN_READ] = O_RDONLY,
        [MMI_OPEN_WRITE] = O_RDWR | O_CREAT | O_TRUNC,
        [MMI_OPEN_APPEND] = O_WRONLY | O_CREAT | O_APPEND,
        [MMI_OPEN_NEW] = O_RDWR | O_CREAT | O_EXCL,
    };
    file->native = -1;
    if (!MMI_NEED(path)) {
        return mm_pending();
    }
    if (mmi_fault()) {
        return mmi_raise_errno(EIO, "open '%s'", path);
    }
    file->native = open_quietly(path, flags[mode]);
    if (file->native < 0) {
        return mmi_raise_errno(errno, "open '%s'", path);
    }
    return MM_OK;
}

bool mmi_file_is_open(const mmi_file *file)
{
    return file->native >= 0;
}

mm_status mmi_file_read_at(mmi_file *file, int64_t offset, void *data, size_t size,
                           size_t *out_read)
{
    enum { MOST = 1 << 30 }; /* some systems refuse 2 GiB at once */
    size_t done = 0;
    if (mmi_is_pending()) {
        return mm_pending();
    }
    while (done < size) {
        size_t wanted = size - done < MOST ? size - done : MOST;
        char *to = (char *)data + done;
        ssize_t got = offset < 0 ? read(file->native, to, wanted)
                                 : pread(file->native, to, wanted,
                                         (off_t)(offset + (int64_t)done));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0 || mmi_fault()) {
            return mmi_raise_errno(got < 0 ? errno : EIO, "read a file");
        }
        if (got == 0) {
            break;
        }
        done += (size_t)got;
    }
    *out_read = done;
    return MM_OK;
}

/* 0 or an errno; `out_done` (may be NULL) gets the bytes that were written anyway. */
static int write_some(int descriptor, int64_t offset, const char *data, size_t size,
                      size_t *out_done)
{
    enum { MOST = 1 << 30 };
    size_t done = 0;
    int failed = mmi_fault() ? ENOSPC : 0;
    while (failed == 0 && done < size) {
        size_t wanted = size - done < MOST ? size - done : MOST;
        ssize_t put = offset < 0 ? write(descriptor, data + done, wanted)
                                 : pwrite(descriptor, data + done, wanted,
                                          (off_t)(offset + (int64_t)done));
        failed = put < 0 && errno != EINTR ? errno : 0;
        done += put > 0 ? (size_t)put : 0;
    }
    if (out_done != NULL) {
        *out_done = done;
    }
    return failed;
}

static int write_bytes(int descriptor, int64_t offset, const char *data, size_t size)
{
    return write_some(descriptor, offset, data, size, NULL);
}

int mmi_file_try_write(mmi_file *file, const void *data, size_t size)
{
    return write_bytes(file->native, -1, data, size);
}

mm_status mmi_file_write_all(mmi_file *file, const void *data, size_t size)
{
    return mmi_file_write_at(file, -1, data, size);
}

/* Bytes of the file up to its last newline; -1 on error. */
static int64_t whole_lines(const char *path)
{
    char part[4096];
    mmi_file file = MMI_NO_FILE;
    int64_t end = mmi_file_open(&file, path, MMI_OPEN_READ) == MM_OK
                      ? mmi_file_length(&file)
                      : -1;
    size_t got = 0;
    while (end > 0 && !mmi_is_pending()) {
        int64_t begin = end > (int64_t)sizeof part ? end - (int64_t)sizeof part : 0;
        if (mmi_file_read_at(&file, begin, part, (size_t)(end - begin), &got) < 0) {
            break;
        }
        while (got > 0 && part[got - 1] != '\n') {
            got--;
        }
        end = begin + (int64_t)got;
        if (got > 0) {
            break;
        }
    }
    (void)mmi_file_close(&file);
    return mmi_is_pending() ? -1 : end;
}

mm_status mmi_file_open_lines(mmi_file *file, const char *path)
{
    int64_t size = mm_file_exists(path) ? whole_lines(path) : 0;
    if (mmi_file_open(file, path, MMI_OPEN_APPEND) == MM_OK &&
        mmi_file_length(file) > size && mmi_file_truncate(file, size) < 0) {
        close(file->native);
        file->native = -1;
    }
    return mm_pending();
}

mm_status mmi_file_append(mmi_file *file, const void *data, size_t size)
{
    mm_error error;
    size_t done = 0;

    if (mmi_is_pending()) {
        return mm_pending();
    }
    int failed = write_some(file->native, -1, data, size, &done);
    if (failed == 0) {
        return MM_OK;
    }
    if (done > 0) { /* what was written of it goes again */
        (void)mmi_file_truncate(file, mmi_file_length(file) - (int64_t)done);
        (void)mm_error_take(&error);
    }
    return mmi_raise_errno(failed, "write %zu bytes to a file", size);
}

mm_status mmi_file_write_at(mmi_file *file, int64_t offset, const void *data,
                            size_t size)
{
    if (mmi_is_pending()) {
        return mm_pending();
    }
    int failed = write_bytes(file->native, offset, data, size);
    return failed == 0 ? MM_OK
                       : mmi_raise_errno(failed, "write %zu bytes to a file", size);
}

int64_t mmi_file_length(mmi_file *file)
{
    struct stat info;
    if (mmi_is_pending()) {
        return -1;
    }
    if (fstat(file->native, &info) != 0) {
        mmi_raise_errno(errno, "ask for the size of a file");
        return -1;
    }
    return (int64_t)info.st_size;
}

static int sync_descriptor(int descriptor)
{
    int failed = 0;
    do {
#ifdef F_FULLFSYNC /* where fsync leaves the data in the disk's own cache */
        failed = fcntl(descriptor, F_FULLFSYNC);
#else
        failed = fsync(descriptor);
#endif
    } while (failed != 0 && errno == EINTR);
    return failed == 0 && !mmi_fault() ? 0 : errno != 0 ? errno : EIO;
}

mm_status mmi_file_sync(mmi_file *file)
{
    if (mmi_is_pending()) {
        return mm_pending();
    }
    errno = 0;
    int failed = sync_descriptor(file->native);
    return failed == 0 ? MM_OK : mmi_raise_errno(failed, "flush a file to disk");
}

mm_status mmi_file_truncate(mmi_file *file, int64_t size)
{
    if (mmi_is_pending()) {
        return mm_pending();
    }
    if (ftruncate(file->native, (off_t)size) != 0) {
        return mmi_raise_errno(errno, "cut a file to %" PRId64 " bytes", size);
    }
    return MM_OK;
}

mm_status mmi_file_close(mmi_file *file)
{
    int descriptor = file->native;
    file->native = -1;
    /* After EINTR the state of the descriptor is open; Linux has closed it. */
    if (descriptor >= 0 && close(descriptor) != 0 && errno != EINTR) {
        return mmi_raise_errno(errno, "close a file");
    }
    return mm_pending();
}

mm_status mmi_os_sync_dir(const char *path)
{
    if (!MMI_NEED(path)) {
        return mm_pending();
    }
    int descriptor = open_quietly(path[0] != '\0' ? path : ".", O_RDONLY);
    if (descriptor < 0) {
        return mmi_raise_errno(errno, "open folder '%s'", path);
    }
    errno = 0;
    int failed = sync_descriptor(descriptor);
    close(descriptor);
    /* Some file systems cannot flush folders; nothing more can be done there. */
    if (failed != 0 && failed != EINVAL && failed != EBADF && failed != ENOTSUP) {
        return mmi_raise_errno(failed, "flush folder '%s' to disk", path);
    }
    return MM_OK;
}

/* ---- files that take their name when they are complete ---- */

/* What a write to `path` would really change: the target of a link. Yours. */
static char *resolve_link(const char *path)
{
    struct stat info;
    char *target = NULL;
    if (lstat(path, &info) == 0 && S_ISLNK(info.st_mode) && mm_file_exists(path)) {
        target = mmi_os_realpath(path);
    } else {
        target = mm_strdup(path);
    }
    return target;
}

static char *make_temp_path(const char *path)
{
    static _Atomic unsigned serial;
    char host[65];
    mmi_os_host_name(host, sizeof host);
    for (char *c = host; *c != '\0'; c++) {
        if (*c == '.' || *c == '/') {
            *c = '_';
        }
    }
    return mm_strfmt("%s.%s-%" PRId64 "-%u.tmp", path, host, mmi_os_pid(),
                     atomic_fetch_add(&serial, 1));
}

mm_status mmi_atomic_begin(mmi_atomic_file *out, const char *path)
{
    *out = (mmi_atomic_file){.file = MMI_NO_FILE};
    if (!MMI_NEED(path)) {
        return mm_pending();
    }
    out->path = resolve_link(path);
    out->temp_path = out->path != NULL ? make_temp_path(out->path) : NULL;
    if (out->temp_path == NULL ||
        mmi_file_open(&out->file, out->temp_path, MMI_OPEN_WRITE) != MM_OK) {
        mmi_atomic_abort(out);
    }
    return mm_pending();
}

mm_status mmi_atomic_commit(mmi_atomic_file *out)
{
    if (mmi_file_sync(&out->file) != MM_OK || mmi_file_close(&out->file) != MM_OK ||
        mmi_os_rename(out->temp_path, out->path) != MM_OK) {
        mm_error_frame("while writing '%s'", out->path != NULL ? out->path : "");
        mmi_atomic_abort(out);
        return mm_pending();
    }
    char *folder = mm_path_dirname(out->path);
    if (folder != NULL) {
        (void)mmi_os_sync_dir(folder); /* pending if it fails; returned below */
    }
    mm_free(folder);
    mm_free(out->temp_path);
    out->temp_path = NULL;
    mmi_atomic_abort(out);
    return mm_pending();
}

void mmi_atomic_abort(mmi_atomic_file *out)
{
    if (out->file.native >= 0) {
        close(out->file.native);
        out->file.native = -1;
    }
    if (out->temp_path != NULL) {
        unlink(out->temp_path);
    }
    mm_free(out->temp_path);
    mm_free(out->path);
    out->temp_path = NULL;
    out->path = NULL;
}

/* Steps back over digits and the character before them; 0 if they are not there. */
static size_t skip_number_back(const char *name, size_t end, char before)
{
    size_t begin = end;
    while (begin > 0 && name[begin - 1] >= '0' && name[begin - 1] <= '9') {
        begin--;
    }
    return begin < end && begin > 0 && name[begin - 1] == before ? begin - 1 : 0;
}

bool mmi_atomic_is_temp(const char *name, size_t *out_path_size)
{
    size_t size = strlen(name);
    if (size < 4 || strcmp(name + size - 4, ".tmp") != 0) {
        return false;
    }
    size_t end = skip_number_back(name, size - 4, '-');
    end = end > 0 ? skip_number_back(name, end, '-') : 0;
    size_t host = end;
    while (host > 0 && name[host - 1] != '.' && name[host - 1] != '/') {
        host--;
    }
    if (host < 2 || host == end || name[host - 1] != '.') {
        return false;
    }
    *out_path_size = host - 1;
    return true;
}

/* ---- mappings ---- */

mm_status mmi_map_file(const char *path, mmi_mapping *out)
{
    mmi_file file = MMI_NO_FILE;
    *out = (mmi_mapping){0};
    if (mmi_file_open(&file, path, MMI_OPEN_READ) != MM_OK) {
        return mm_pending();
    }
    struct stat info = {0};
    void *data = NULL;
    int failed = fstat(file.native, &info) != 0           ? errno
                 : S_ISDIR(info.st_mode)                  ? EISDIR
                 : (uintmax_t)info.st_size > SIZE_MAX / 2 ? EFBIG
                                                          : 0;
    if (failed == 0 && info.st_size > 0) {
        data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, file.native, 0);
        failed = data == MAP_FAILED ? errno : 0;
    }
    close(file.native); /* the mapping stays */
    if (failed != 0) {
        return mmi_raise_errno(failed, "map '%s'", path);
    }
    *out = (mmi_mapping){data, (size_t)info.st_size};
    return MM_OK;
}

void mmi_unmap_file(mmi_mapping *mapping)
{
    if (mapping->data != NULL) {
        union { /* munmap() wants it without const */
            const void *shown;
            void *given;
        } memory = {mapping->data};
        munmap(memory.given, mapping->size);
    }
    *mapping = (mmi_mapping){0};
}

/* ---- lock files ---- */

static void read_owner(int descriptor, mmi_lock_owner *out)
{
    char text[320];
    *out = (mmi_lock_owner){0};
    ssize_t size = pread(descriptor, text, sizeof text - 1, 0);
    if (size <= 0) {
        return;
    }
    text[size] = '\0';
    char *space = strchr(text, ' ');
    char *end = strchr(text, '\n');
    if (space == NULL || end == NULL || end < space) {
        return;
    }
    *space = '\0';
    *end = '\0';
    mm_error before = {0};
    bool had_error = mm_error_take(&before) != MM_OK;
    if (mm_i64_parse(text, &out->pid) != MM_OK) {
        mm_error_take(NULL);
    }
    if (had_error) {
        mm_error_restore(&before);
    }
    snprintf(out->host, sizeof out->host, "%s", space + 1);
}

static bool try_flock(int descriptor, int kind)
{
    int failed = 0;
    do {
        failed = flock(descriptor, kind | LOCK_NB);
    } while (failed != 0 && errno == EINTR);
    return failed == 0;
}

static mm_status write_owner(mmi_file_lock *lock)
{
    char host[256];
    char text[320];
    mmi_os_host_name(host, sizeof host);
    int size = snprintf(text, sizeof text, "%" PRId64 " %s\n", mmi_os_pid(), host);
    if (mmi_file_truncate(&lock->file, 0) == MM_OK) {
        return mmi_file_write_at(&lock->file, 0, text, (size_t)size);
    }
    return mm_pending();
}

mm_status mmi_file_lock_take(mmi_file_lock *lock, const char *path)
{
    lock->file = (mmi_file)MMI_NO_FILE;
    if (!MMI_NEED(path)) {
        return mm_pending();
    }
    /* Not emptied on opening: the content names whoever holds it. */
    int descriptor = open_quietly(path, O_RDWR | O_CREAT);
    if (descriptor < 0) {
        return mmi_raise_errno(errno, "open lock file '%s'", path);
    }
    if (!try_flock(descriptor, LOCK_EX)) {
        int failed = errno;
        mmi_lock_owner owner;
        read_owner(descriptor, &owner);
        close(descriptor);
        if (failed != EWOULDBLOCK) {
            return mmi_raise_errno(failed, "lock '%s'", path);
        }
        return mm_raise(MM_EBUSY,
                        "could not lock '%s': process %" PRId64 " on %s has it", path,
                        owner.pid, owner.host[0] != '\0' ? owner.host : "?");
    }
    lock->file.native = descriptor;
    if (write_owner(lock) != MM_OK) {
        mmi_file_lock_release(lock);
    }
    return mm_pending();
}

void mmi_file_lock_release(mmi_file_lock *lock)
{
    if (lock->file.native >= 0) {
        if (ftruncate(lock->file.native, 0) != 0) {
            errno = 0; /* a stale name in an unlocked file harms nobody */
        }
        close(lock->file.native);
        lock->file.native = -1;
    }
}

bool mmi_file_lock_find_owner(const char *path, mmi_lock_owner *out)
{
    int descriptor = open_quietly(path, O_RDONLY);
    if (descriptor < 0) {
        return false;
    }
    bool is_held = !try_flock(descriptor, LOCK_SH) && errno == EWOULDBLOCK;
    if (is_held) {
        read_owner(descriptor, out);
    }
    close(descriptor);
    return is_held;
}
