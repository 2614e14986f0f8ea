/** @file
 * Local files and paths, for datasets, models and plugins. Paths are UTF-8 with '/'
 * between their parts. For files elsewhere (http, s3, lmdb) see fileio.h.
 *
 * Errors: MM_ENOENT if a file or folder is not there, MM_EIO for everything else the
 * system refuses; the message names the path and the reason. Threads: all functions can
 * be called by any thread.
 */
#ifndef MMENGINE_FILE_H
#define MMENGINE_FILE_H

#include "mmengine/value.h"

MM_BEGIN_DECLS

/** True if there is a file or folder (links are followed). Raises nothing. */
MM_API bool mm_file_exists(const char *path);
/** True if it is a folder. Raises nothing. */
MM_API bool mm_file_is_dir(const char *path);
/** Bytes of a file. -1 on error. */
MM_API int64_t mm_file_size(const char *path);

/**
 * The whole content, followed by a zero byte that `out_size` does not count. The memory
 * is yours; mm_free(). `out_size` may be NULL.
 */
MM_API MM_OWNED char *mm_file_read(const char *path, size_t *out_size);

/**
 * Writes a whole file so that a reader, and a machine that loses power, sees the former
 * content or the new one and nothing in between: a temporary file in the same folder,
 * flushed to disk, takes the name at the end.
 */
MM_API mm_status mm_file_write(const char *path, const void *data,
                               size_t size) MM_MUST_USE;

/** Makes a folder and those above it; one that is there is fine. */
MM_API mm_status mm_make_dirs(const char *path) MM_MUST_USE;

/** The names in a folder but "." and "..", sorted by their bytes: a new list of str. */
MM_API MM_OWNED mm_value *mm_list_dir(const char *path);

/** Removes a file or an empty folder. */
MM_API mm_status mm_file_remove(const char *path) MM_MUST_USE;

/** @name Paths as text; no file is touched. Results are yours, mm_free(). @{ */
/** `first` and `second` with one '/' between. An absolute `second` stands alone. */
MM_API MM_OWNED char *mm_path_join(const char *first, const char *second);
/** What stands before the last '/': "" if there is none, as Python's dirname(). */
MM_API MM_OWNED char *mm_path_dirname(const char *path);
/** What stands behind the last '/', inside `path`. Borrowed. */
MM_API const char *mm_path_basename(const char *path);
/** The extension of the last part with its dot, inside `path`: ".py"; "" if there is
 * none. A leading dot begins no extension. Borrowed. */
MM_API const char *mm_path_extension(const char *path);
/** True if it begins with '/'. */
MM_API bool mm_path_is_absolute(const char *path);
/** Without ".", "a/.." and double '/', as Python's normpath(). */
MM_API MM_OWNED char *mm_path_normalize(const char *path);
/** @} */

MM_END_DECLS

#endif
