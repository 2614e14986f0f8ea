/* Names on POSIX: what is there, folders, renaming, removing. */
#define _XOPEN_SOURCE 700

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/os.h"
#include "base/str.h"
#include "base/vec.h"
#include "mmengine/file.h"

static void fill_stat(const struct stat *info, mmi_stat *out)
{
    out->is_dir = S_ISDIR(info->st_mode);
    out->is_file = S_ISREG(info->st_mode);
    out->size = (int64_t)info->st_size;
    out->mtime_ns = (int64_t)info->st_mtim.tv_sec * 1000000000 + info->st_mtim.tv_nsec;
    out->device = (uint64_t)info->st_dev;
    out->inode = (uint64_t)info->st_ino;
}

bool mmi_os_find_stat(const char *path, mmi_stat *out)
{
    struct stat info;
    if (path == NULL || stat(path, &info) != 0) {
        return false;
    }
    fill_stat(&info, out);
    return true;
}

mm_status mmi_os_stat(const char *path, mmi_stat *out)
{
    struct stat info;
    if (!MMI_NEED(path)) {
        return mm_pending();
    }
    if (stat(path, &info) != 0) {
        return mmi_raise_errno(errno, "look at '%s'", path);
    }
    fill_stat(&info, out);
    return MM_OK;
}

bool mm_file_exists(const char *path)
{
    mmi_stat info;
    return mmi_os_find_stat(path, &info);
}

bool mm_file_is_dir(const char *path)
{
    mmi_stat info;
    return mmi_os_find_stat(path, &info) && info.is_dir;
}

int64_t mm_file_size(const char *path)
{
    mmi_stat info;
    return mmi_os_stat(path, &info) == MM_OK ? info.size : -1;
}

mm_status mmi_os_rename(const char *from, const char *to)
{
    if (!MMI_NEED(from) || !MMI_NEED(to)) {
        return mm_pending();
    }
    if (mmi_fault()) {
        return mmi_raise_errno(EIO, "rename '%s' to '%s'", from, to);
    }
    if (rename(from, to) != 0) {
        return mmi_raise_errno(errno, "rename '%s' to '%s'", from, to);
    }
    return MM_OK;
}

mm_status mm_file_remove(const char *path)
{
    if (!MMI_NEED(path)) {
        return mm_pending();
    }
    if (remove(path) != 0) {
        return mmi_raise_errno(errno, "remove '%s'", path);
    }
    return MM_OK;
}

mm_status mmi_os_link(const char *target, const char *link_path)
{
    if (!MMI_NEED(target) || !MMI_NEED(link_path)) {
        return mm_pending();
    }
    if (symlink(target, link_path) != 0) {
        return mmi_raise_errno(errno, "link '%s' to '%s'", link_path, target);
    }
    return MM_OK;
}

/* Makes one folder; one that is there already, or appears meanwhile, is fine. */
static mm_status make_dir(const char *path)
{
    if (mkdir(path, 0777) == 0 || (errno == EEXIST && mm_file_is_dir(path))) {
        return MM_OK;
    }
    return mmi_raise_errno(errno == EEXIST ? ENOTDIR : errno, "make folder '%s'", path);
}

mm_status mm_make_dirs(const char *path)
{
    if (!MMI_NEED(path)) {
        return mm_pending();
    }
    if (path[0] == '\0' || mm_file_is_dir(path)) {
        return MM_OK;
    }
    char *part = mm_strdup(path);
    if (part == NULL) {
        return mm_pending();
    }
    mm_status status = MM_OK;
    for (char *slash = strchr(part + 1, '/'); slash != NULL && status == MM_OK;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        /* Folders above may be there and not ours to look into: ask before making. */
        status = mm_file_is_dir(part) ? MM_OK : make_dir(part);
        *slash = '/';
    }
    if (status == MM_OK) {
        status = make_dir(part);
    }
    mm_free(part);
    return status;
}

mm_status mmi_os_make_private_dir(const char *path)
{
    struct stat info;

    if (!MMI_NEED(path)) {
        return mm_pending();
    }
    char *parent = mm_path_dirname(path);
    mm_status status = parent != NULL ? mm_make_dirs(parent) : mm_pending();

    mm_free(parent);
    if (status != MM_OK) {
        return status;
    }
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        return mmi_raise_errno(errno, "make folder '%s'", path);
    }
    /* lstat(): a link that somebody put there is not followed */
    if (lstat(path, &info) != 0) {
        return mmi_raise_errno(errno, "look at '%s'", path);
    }
    if (!S_ISDIR(info.st_mode) || info.st_uid != getuid() ||
        (info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return mm_raise(MM_EIO, "could not use folder '%s': others may write into it",
                        path);
    }
    return MM_OK;
}

/* Where one environment variable puts the cache: its value, then `below` it; NULL if it
 * says nothing usable. Yours. */
static char *cache_below(const char *variable, const char *below)
{
    const char *folder = mmi_os_env(variable);

    return folder != NULL && folder[0] == '/' ? mm_path_join(folder, below) : NULL;
}

char *mmi_os_cache_dir(const char *name)
{
    static const char *const places[][2] = {
        {"MMENGINE_CACHE_DIR", ""},
        {"XDG_CACHE_HOME", "mmengine"},
        {"HOME", ".cache/mmengine"},
    };
    char *root = NULL;

    if (!MMI_NEED(name))
        return NULL;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]) && root == NULL; i++)
        root = cache_below(places[i][0], places[i][1]);
    char *path = root != NULL ? mm_path_join(root, name) : NULL;

    mm_free(root);
    if (path != NULL && mmi_os_make_private_dir(path) != MM_OK) {
        mm_free(path);
        return NULL;
    }
    return path;
}

typedef MMI_VEC(char *) names_vec;

static void free_names(names_vec *names)
{
    for (size_t i = 0; i < names->count; i++) {
        mm_free(names->data[i]);
    }
    mmi_vec_deinit(names);
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static mm_status read_names(const char *path, names_vec *out)
{
    DIR *folder = opendir(path);
    if (folder == NULL) {
        return mmi_raise_errno(errno, "list folder '%s'", path);
    }
    struct dirent *entry = NULL;
    while (errno = 0, (entry = readdir(folder)) != NULL) {
        if (is_dots(entry->d_name)) {
            continue;
        }
        char *name = mm_strdup(entry->d_name);
        if (name == NULL || !mmi_vec_push(out, name)) {
            mm_free(name);
            break;
        }
    }
    if (entry == NULL && errno != 0) {
        (void)mmi_raise_errno(errno, "list folder '%s'", path);
    }
    closedir(folder);
    return mm_pending();
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

mm_value *mm_list_dir(const char *path)
{
    names_vec names = {0};
    if (!MMI_NEED(path)) {
        return NULL;
    }
    mm_value *list = NULL;
    if (read_names(path[0] != '\0' ? path : ".", &names) == MM_OK) {
        if (names.count > 0) {
            qsort(names.data, names.count, sizeof *names.data, compare_names);
        }
        list = mm_value_new_list();
        for (size_t i = 0; i < names.count && list != NULL; i++) {
            mm_list_push(list, mm_value_new_str(names.data[i]));
        }
    }
    free_names(&names);
    if (mmi_is_pending()) {
        mm_value_unref(list);
        return NULL;
    }
    return list;
}

static mm_status remove_tree_at(const char *path, int depth)
{
    enum { DEEPEST = 256 };
    struct stat info;
    names_vec names = {0};
    if (lstat(path, &info) != 0) {
        return errno == ENOENT ? MM_OK : mmi_raise_errno(errno, "remove '%s'", path);
    }
    if (S_ISDIR(info.st_mode)) {
        if (depth > DEEPEST) {
            return mm_raise(MM_EIO, "could not remove '%s': folders are too deep",
                            path);
        }
        (void)read_names(path, &names); /* pending if it fails; looked at below */
        for (size_t i = 0; i < names.count && !mmi_is_pending(); i++) {
            char *inner = mm_path_join(path, names.data[i]);
            if (inner != NULL) {
                (void)remove_tree_at(inner, depth + 1);
            }
            mm_free(inner);
        }
        free_names(&names);
    }
    return mmi_is_pending() ? mm_pending() : mm_file_remove(path);
}

mm_status mmi_os_remove_tree(const char *path)
{
    return MMI_NEED(path) ? remove_tree_at(path, 0) : mm_pending();
}

char *mmi_os_realpath(const char *path)
{
    if (!MMI_NEED(path)) {
        return NULL;
    }
    char *found = realpath(path, NULL);
    if (found == NULL) {
        mmi_raise_errno(errno, "find '%s'", path);
        return NULL;
    }
    char *copy = mm_strdup(found); /* ours is counted */
    free(found);
    return copy;
}

char *mmi_os_cwd(void)
{
    mmi_str text = {0};
    for (size_t size = 256; !mmi_is_pending(); size *= 2) {
        mmi_str_clear(&text);
        char *room = mmi_str_extend(&text, size);
        if (room != NULL && getcwd(room, size) != NULL) {
            mmi_str_cut(&text, strlen(text.data));
            return mmi_str_take(&text);
        }
        if (room != NULL && errno != ERANGE) {
            mmi_raise_errno(errno, "find the working folder");
        }
    }
    mmi_str_deinit(&text);
    return NULL;
}

int64_t mmi_os_free_bytes(const char *path)
{
    struct statvfs info;
    if (!MMI_NEED(path)) {
        return -1;
    }
    if (statvfs(path[0] != '\0' ? path : ".", &info) != 0) {
        mmi_raise_errno(errno, "ask for the free space at '%s'", path);
        return -1;
    }
    return (int64_t)info.f_bavail * (int64_t)info.f_frsize;
}

char *mmi_os_temp_dir(const char *prefix)
{
    const char *base = mmi_os_env("TMPDIR");
    /* lint: allow machine-path, what POSIX has where TMPDIR says nothing */
    const char *otherwise = "/tmp";
    char *path = mm_strfmt("%s/%s-XXXXXX",
                           base != NULL && base[0] != '\0' ? base : otherwise, prefix);
    if (path != NULL && mkdtemp(path) == NULL) {
        mmi_raise_errno(errno, "make a temporary folder '%s'", path);
        mm_free(path);
        return NULL;
    }
    return path;
}
