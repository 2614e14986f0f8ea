/* The newest good checkpoint of a folder. `last_checkpoint` says which one that is, but
 * a run may have died between writing a file and writing the pointer, the pointer may
 * be stale, and any file may be damaged. So every candidate is read whole before it is
 * chosen; one that is no good is named in the log and passed over. Source:
 * mmengine/runner/checkpoint.py find_latest_checkpoint.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "mmengine/file.h"
#include "mmengine/pth.h"
#include "runner/internal.h"

/* A candidate for automatic resuming. */
struct candidate {
    char *path;
    int64_t modified_ns;
};

static int newer_first(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;

    return (x->modified_ns < y->modified_ns) - (x->modified_ns > y->modified_ns);
}

/* True for "epoch_3.pth" and "iter_100.pth"; not for published or temporary files. */
static bool is_regular_name(const char *name)
{
    size_t skip = strncmp(name, "epoch_", 6) == 0 ? 6 : 5;

    if (skip == 5 && strncmp(name, "iter_", 5) != 0)
        return false;
    name += skip;
    skip = strspn(name, "0123456789");
    return skip > 0 && strcmp(name + skip, ".pth") == 0;
}

static int64_t modified(const char *path)
{
    mmi_stat stat = {0};

    return mmi_os_find_stat(path, &stat) ? stat.mtime_ns : 0;
}

/* Newest first. */
static struct candidate *find_candidates(const char *folder, size_t *out_count)
{
    mm_value *names = mm_list_dir(folder);
    size_t count = names == NULL ? 0 : mm_value_len(names);
    struct candidate *list = mm_alloc_array(count + 1, sizeof(*list));

    *out_count = 0;
    for (size_t i = 0; list != NULL && i < count && !mm_has_error(); i++) {
        const char *name = mm_value_str(mm_list_get(names, i));
        struct candidate *next = &list[*out_count];

        if (!is_regular_name(name))
            continue;
        next->path = mm_path_join(folder, name);
        if (next->path == NULL)
            break;
        next->modified_ns = modified(next->path);
        (*out_count)++;
    }
    mm_value_unref(names);
    if (list != NULL && *out_count > 0)
        qsort(list, *out_count, sizeof(*list), newer_first);
    return list;
}

/* --- is it good? --- */

/* A whole file that no run can go on from: weights alone, or a newer version's. */
static mm_status check_content(const mm_value *root, const char *path)
{
    bool is_dict = mm_value_kind(root) == MM_KIND_DICT;
    const mm_value *meta = is_dict ? mm_dict_find(root, "meta") : NULL;
    const mm_value *iter =
        mm_value_kind(meta) == MM_KIND_DICT ? mm_dict_find(meta, "iter") : NULL;
    const mm_value *own = is_dict ? mm_dict_find(root, MMI_OWN_KEY) : NULL;

    if (mm_value_kind(iter) != MM_KIND_I64)
        return mm_raise(MM_EDATA,
                        "checkpoint '%s' does not say at which iteration it was "
                        "written",
                        path);
    if (own != NULL && mm_value_kind(own) != MM_KIND_DICT)
        return mm_raise(MM_EDATA, "the state in checkpoint '%s' is no dict", path);
    mm_error error;
    if (mmi_check_own(own) < 0 && mm_error_take(&error) < 0)
        return mm_raise(MM_EDATA, "checkpoint '%s': %s", path, error.message);
    return mm_pending();
}

/* True if a run can go on from the file; what is wrong with another is logged. */
static bool is_good(const char *path)
{
    mm_error error;
    mm_value *root = mm_pth_verify(path) == MM_OK
                         ? mm_pth_read(&(mm_pth_read_args){.path = path})
                         : NULL;

    if (root != NULL)
        (void)check_content(root, path);
    mm_value_unref(root);
    if (!mm_has_error() || mm_pending() == MM_ENOMEM)
        return !mm_has_error(); /* no memory is no fault of the file */
    (void)mm_error_take(&error);
    mm_log(MM_LOG_WARN, "%s; looking for an earlier checkpoint", error.message);
    return false;
}

/* --- the pointer --- */

static char *trimmed(char *text, size_t size)
{
    while (text != NULL && size > 0 && isspace((unsigned char)text[size - 1]))
        text[--size] = '\0';
    return text;
}

/* The path in last_checkpoint, yours. A file of its name in the folder comes first: the
 * folder may have been moved, or be a copy of where the path leads. NULL without an
 * error if there is none. */
static char *read_pointer(const char *folder, const char *pointer)
{
    size_t size = 0;
    char *path = mm_file_exists(pointer) ? mm_file_read(pointer, &size) : NULL;

    path = trimmed(path, size);
    if (path == NULL || path[0] == '\0')
        return path;
    char *beside = mm_path_join(folder, mm_path_basename(path));

    if (beside != NULL && mm_file_exists(beside)) {
        mm_free(path);
        return beside;
    }
    mm_free(beside);
    if (mm_file_exists(path))
        return path;
    mm_log(MM_LOG_WARN, "'%s' names '%s', which is not there", pointer, path);
    mm_free(path);
    return NULL;
}

/* The first good one of those that are newer than `when`, or of the others. */
static char *first_good(const struct candidate *list, size_t count, int64_t when,
                        bool newer)
{
    for (size_t i = 0; i < count && !mm_has_error(); i++) {
        if ((list[i].modified_ns > when) == newer && is_good(list[i].path))
            return mm_strdup(list[i].path);
    }
    return NULL;
}

char *mm_find_latest_checkpoint(const char *folder)
{
    size_t count = 0;

    if (!mm_file_is_dir(folder))
        return NULL;
    char *pointer = mm_path_join(folder, "last_checkpoint");
    char *named = pointer == NULL ? NULL : read_pointer(folder, pointer);
    int64_t when = named == NULL ? INT64_MIN : modified(pointer);
    struct candidate *list = find_candidates(folder, &count);
    /* A file that is newer than the pointer: the run died before it could say so. */
    char *found = first_good(list, count, when, true);

    if (found == NULL && named != NULL && !mm_has_error() && is_good(named)) {
        found = named;
        named = NULL;
    }
    if (found == NULL)
        found = first_good(list, count, when, false);
    for (size_t i = 0; list != NULL && i < count; i++)
        mm_free(list[i].path);
    mm_free(list);
    mm_free(named);
    mm_free(pointer);
    return found;
}
