/*
 * The operating system: the only way to it for the rest of the library. Files are
 * opened so that programs we start do not inherit them. Unless a comment says otherwise
 * a failure raises MM_ENOENT (not there), MM_ENOMEM or MM_EIO, with the path and the
 * system's reason.
 */
#ifndef MMI_BASE_OS_H
#define MMI_BASE_OS_H

#include "base/status.h"

/* ---- errors ---- */

/* Raises the system error `number` (an errno): "could not <attempt>: <reason>". */
mm_status mmi_raise_errno_at(int number, const char *c_file, int c_line,
                             const char *attempt, ...) MM_PRINTF(4, 5);
#define mmi_raise_errno(number, ...)                                                   \
    mmi_raise_errno_at((number), __FILE__, __LINE__, __VA_ARGS__)
/* The system's reason in lower case, into `out`. */
void mmi_errno_text(int number, char *out, size_t out_size);

/* ---- time ---- */

/* Nanoseconds of a clock that never jumps; for durations. */
int64_t mmi_clock_ns(void);
/* Nanoseconds since 1970 UTC; for dates. */
int64_t mmi_wall_ns(void);
/* Local time of a wall clock as strftime() writes it: "%Y%m%d_%H%M%S". Returns the
 * length, 0 if it does not fit. */
size_t mmi_time_text(int64_t wall_ns, const char *format, char *out, size_t out_size);
/* The same in UTC. */
size_t mmi_time_text_utc(int64_t wall_ns, const char *format, char *out,
                         size_t out_size);
void mmi_sleep_ms(int64_t duration_ms);

/* ---- files ---- */

typedef struct mmi_stat {
    bool is_dir;
    bool is_file;
    int64_t size;           /* bytes */
    int64_t mtime_ns;       /* since 1970 */
    uint64_t device, inode; /* together: which file it is, whatever its name */
} mmi_stat;

/* False, quietly, if there is nothing; raises nothing. */
bool mmi_os_find_stat(const char *path, mmi_stat *out);
mm_status mmi_os_stat(const char *path, mmi_stat *out);
mm_status mmi_os_rename(const char *from, const char *to);
/* Removes a folder with all in it, or a file. Not there is fine. Links are not
 * followed. */
mm_status mmi_os_remove_tree(const char *path);
mm_status mmi_os_link(const char *target, const char *link_path); /* symbolic */
/* The absolute path without links; must exist. Yours. */
MM_OWNED char *mmi_os_realpath(const char *path);
/* The working folder. Yours. */
MM_OWNED char *mmi_os_cwd(void);
/* Flushes a folder's entries (new names, renames) to disk. */
mm_status mmi_os_sync_dir(const char *path);
/* Free bytes for this user on the disk of `path`; -1 on error. */
int64_t mmi_os_free_bytes(const char *path);
/* Makes a folder that only this user may look into, and those above it. MM_EIO if what
 * is there belongs to somebody else or lets others write. */
mm_status mmi_os_make_private_dir(const char *path);
/* The private folder `name` ("plugins") of this user's cache, made if it is not there:
 * below $MMENGINE_CACHE_DIR, $XDG_CACHE_HOME/mmengine or $HOME/.cache/mmengine, the
 * first that is an absolute path. NULL without an error if none is. Yours. */
MM_OWNED char *mmi_os_cache_dir(const char *name);
/* A new empty folder under the system's folder for temporary files. Yours. */
MM_OWNED char *mmi_os_temp_dir(const char *prefix);

/* Memory straight from the system, zeroed, in large pages as far as the system gives
 * them: many megabytes that are walked over need two hundred times fewer page tables
 * then. NULL without an error if there is none. */
MM_OWNED void *mmi_os_pages_alloc(size_t size);
/* `size` is that of the call that made them. */
void mmi_os_pages_free(void *pages, size_t size);

/* A file open for reading or writing; -1: none. */
typedef struct mmi_file {
    int native;
} mmi_file;
#define MMI_NO_FILE                                                                    \
    {                                                                                  \
        -1                                                                             \
    }

/* How to open for writing. */
typedef enum mmi_open_mode {
    MMI_OPEN_READ,
    MMI_OPEN_WRITE, /* new or emptied */
    MMI_OPEN_APPEND,
    MMI_OPEN_NEW /* MM_EBUSY if it is there */
} mmi_open_mode;

mm_status mmi_file_open(mmi_file *file, const char *path, mmi_open_mode mode);
/* Opens a file of lines to append to. A last line without its newline is what a killed
 * writer left: it is cut off. */
mm_status mmi_file_open_lines(mmi_file *file, const char *path);
bool mmi_file_is_open(const mmi_file *file);
/* Reads up to `size` bytes; *out_read is less at the end of the file only. `offset` <
 * 0: from where the last read ended. */
mm_status mmi_file_read_at(mmi_file *file, int64_t offset, void *data, size_t size,
                           size_t *out_read);
/* Writes all of it; no short writes. MM_EIO "no space left on device". */
mm_status mmi_file_write_all(mmi_file *file, const void *data, size_t size);
/* The same at the end of a file that only this process writes to; if it fails the file
 * keeps its former size, so that no torn line stands before later ones. */
mm_status mmi_file_append(mmi_file *file, const void *data, size_t size);
/* The same for logs: works while an error is pending, raises nothing; 0 or an errno. */
int mmi_file_try_write(mmi_file *file, const void *data, size_t size);
mm_status mmi_file_write_at(mmi_file *file, int64_t offset, const void *data,
                            size_t size);
int64_t mmi_file_length(mmi_file *file);
/* Flushes to disk. */
mm_status mmi_file_sync(mmi_file *file);
mm_status mmi_file_truncate(mmi_file *file, int64_t size);
/* Closing reports what a delayed write ran into. Harmless if not open. */
mm_status mmi_file_close(mmi_file *file);

/* A file that takes its name when it is complete. */
typedef struct mmi_atomic_file {
    mmi_file file; /* write here */
    char *path;
    char *temp_path;
} mmi_atomic_file;

/* Opens "<path>.<host>-<pid>-<n>.tmp" in the same folder. */
mm_status mmi_atomic_begin(mmi_atomic_file *out, const char *path);
/* Flushes, renames, flushes the folder. On failure the temporary file is gone. */
mm_status mmi_atomic_commit(mmi_atomic_file *out);
/* Removes the temporary file. Harmless after a commit. */
void mmi_atomic_abort(mmi_atomic_file *out);
/* True for a name that mmi_atomic_begin() makes; `out_path_size` gets the bytes of the
 * name it stands for. */
bool mmi_atomic_is_temp(const char *name, size_t *out_path_size);

/* Memory that shows a file. */
typedef struct mmi_mapping {
    const void *data; /* NULL for an empty file */
    size_t size;
} mmi_mapping;
mm_status mmi_map_file(const char *path, mmi_mapping *out);
void mmi_unmap_file(mmi_mapping *mapping);

/* A lock file, held until it is released or the process ends, however it ends. */
typedef struct mmi_file_lock {
    mmi_file file;
} mmi_file_lock;
typedef struct mmi_lock_owner {
    int64_t pid; /* 0: unknown */
    char host[256];
} mmi_lock_owner;
/* MM_EBUSY, naming the owner, if somebody else holds it. The file stays. */
mm_status mmi_file_lock_take(mmi_file_lock *lock, const char *path);
/* Harmless if not taken. */
void mmi_file_lock_release(mmi_file_lock *lock);
/* True if somebody holds it now; `out` gets who. Raises nothing. */
bool mmi_file_lock_find_owner(const char *path, mmi_lock_owner *out);

/* ---- process and machine ---- */

int64_t mmi_os_pid(void);
bool mmi_os_process_is_alive(int64_t pid);
/* The host's name, cut to fit. */
void mmi_os_host_name(char *out, size_t out_size);
/* The user's name, or "". */
void mmi_os_user_name(char *out, size_t out_size);
/* An environment variable, borrowed until somebody changes it; NULL if it is not set.
 */
const char *mmi_os_env(const char *name);
mm_status mmi_os_set_env(const char *name, const char *value);
/* Cores (not hardware threads) that this process may use, by affinity and quota; at
 * least 1. */
int mmi_os_num_cores(void);
/* Hardware threads that this process may use; at least 1. */
int mmi_os_num_cpus(void);
/* Memory of this process now in RAM, bytes; 0: unknown. */
int64_t mmi_os_resident_bytes(void);
/* The most of it that there was, bytes; 0: unknown. */
int64_t mmi_os_most_resident_bytes(void);
/* RAM of the machine or of the process's quota, bytes; 0: unknown. */
int64_t mmi_os_memory_bytes(void);
/* "Linux 6.1.0 x86_64" and "Intel(R) Xeon(R) ...". */
void mmi_os_system_text(char *out, size_t out_size);
void mmi_os_cpu_text(char *out, size_t out_size);

/* What a program wrote and how it ended. */
typedef struct mmi_spawn_result {
    int exit_code; /* 128 + signal if a signal ended it */
    char *output;  /* stdout, and stderr if asked, as it came; yours */
    size_t output_size;
} mmi_spawn_result;
typedef struct mmi_spawn_args {
    const char *const *argv; /* required: program (searched in PATH) and arguments */
    const char *dir;         /* optional: working folder, default ours */
    bool joins_stderr;       /* captures stderr with stdout; default: stderr is ours */
    int64_t timeout_ms;      /* 0: none; then it is killed: MM_EINTERRUPTED */
} mmi_spawn_args;
/* Runs a program to its end. An exit code other than 0 is no error. MM_ENOENT: no such
 * program. */
mm_status mmi_spawn(const mmi_spawn_args *args, mmi_spawn_result *out);
void mmi_spawn_result_deinit(mmi_spawn_result *result);

/* A loaded library; NULL with MM_EPLUGIN and the loader's text. `path` NULL: this
 * program. `is_global`: its symbols serve libraries loaded later. */
void *mmi_library_open(const char *path, bool is_global);
/* A function or variable. NULL: MM_EPLUGIN. Use: *(void **)&f =
 * mmi_library_symbol(...).
 */
void *mmi_library_symbol(void *library, const char *name);
/* The same, NULL without an error if there is none. */
void *mmi_library_find_symbol(void *library, const char *name);
/* The path of the library or program that holds this code address; yours. NULL with
 * MM_ENOENT. */
MM_OWNED char *mmi_library_path_of(const void *address);

/* True if the file descriptor (1: stdout, 2: stderr) is a terminal. */
bool mmi_os_is_terminal(int descriptor);
/* Columns of the terminal; 80 if unknown. */
int mmi_os_terminal_width(int descriptor);

/* Bytes from the system's source of randomness. */
mm_status mmi_os_random(void *data, size_t size);

#endif
