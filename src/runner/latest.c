/* The newest good checkpoint of a folder: the one that last_checkpoint names, else by
 * age. A damaged file is named in the log and passed over. Source:
 * mmengine/runner/checkpoint.py find_latest_checkpoint.
 */
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

/* True for "epoch_3.pth" and "iter_100.pth". */
static bool is_regular_name(const char *name)
{
    size_t size = strlen(name);

    return size > 4 && strcmp(name + size - 4, ".pth") == 0 &&
           (strncmp(name, "epoch_", 6) == 0 || strncmp(name, "iter_", 5) == 0);
}

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
        (*out_count)++;
        mmi_stat stat = {0};

        if (next->path != NULL && mmi_os_find_stat(next->path, &stat))
            next->modified_ns = stat.mtime_ns;
    }
    mm_value_unref(names);
    if (list != NULL)
        qsort(list, *out_count, sizeof(*list), newer_first);
    return list;
}

/* Raises why a run cannot go on from the file. */
static mm_status check(const char *path)
{
    mm_value *content =
        mm_pth_verify(path) < 0 ? NULL : mm_pth_read(&(mm_pth_read_args){.path = path});

    if (mm_value_kind(content) == MM_KIND_DICT)
        (void)mmi_check_own(mm_dict_find(content, MMI_OWN_KEY));
    mm_value_unref(content);
    return mm_pending();
}

/* True if the file can be read whole and understood; another is named in the log. */
static bool is_good(const char *path)
{
    mm_error error;

    if (check(path) == MM_OK)
        return true;
    (void)mm_error_take(&error);
    bool is_named = strstr(error.message, path) != NULL;
    mm_log(MM_LOG_WARN, "%s%s%s; looking for an earlier checkpoint",
           is_named ? "" : path, is_named ? "" : ": ", error.message);
    return false;
}

/* The path that last_checkpoint holds, or NULL; yours. */
static char *read_pointer(const char *folder)
{
    char *pointer = mm_path_join(folder, "last_checkpoint");
    size_t size = 0;
    char *path = NULL;

    if (pointer != NULL && mm_file_exists(pointer))
        path = mm_file_read(pointer, &size);
    mm_free(pointer);
    while (path != NULL && size > 0 &&
           (path[size - 1] == '\n' || path[size - 1] == ' '))
        path[--size] = '\0';
    return path;
}

/* The file that last_checkpoint names, if it is good; yours. The one of that name in
 * the folder itself comes first: the folder may be a copy of where the path leads. */
static char *from_pointer(const char *folder)
{
    char *path = read_pointer(folder);
    char *beside = path == NULL ? NULL : mm_path_join(folder, mm_path_basename(path));

    if (beside != NULL && mm_file_exists(beside)) {
        mm_free(path);
        path = beside;
        beside = NULL;
    }
    mm_free(beside);
    if (path != NULL && is_good(path))
        return path;
    mm_free(path);
    return NULL;
}

char *mm_find_latest_checkpoint(const char *folder)
{
    char *found = mm_file_is_dir(folder) ? from_pointer(folder) : NULL;
    size_t count = 0;

    if (found != NULL || mm_has_error() || !mm_file_is_dir(folder))
        return found;
    struct candidate *list = find_candidates(folder, &count);

    for (size_t i = 0; list != NULL && i < count; i++) {
        if (found == NULL && !mm_has_error() && is_good(list[i].path))
            found = mm_strdup(list[i].path);
        mm_free(list[i].path);
    }
    mm_free(list);
    return found;
}
