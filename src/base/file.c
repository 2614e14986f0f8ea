/* Whole files, and paths as text. Nothing here knows the system: see base/os.h. */
#include "mmengine/file.h"

#include <string.h>

#include "base/os.h"
#include "base/str.h"

/* Reads to the end: files that grow, and those of /proc with no size, come whole. */
static void read_all(mmi_file *file, mmi_str *out)
{
    enum { LEAST = 4096 };
    int64_t length = mmi_file_length(file);
    size_t wanted = length > 0 ? (size_t)length + 1 : LEAST;
    while (!mmi_is_pending()) {
        size_t before = out->size;
        size_t got = 0;
        char *room = mmi_str_extend(out, wanted);
        if (room == NULL || mmi_file_read_at(file, -1, room, wanted, &got) != MM_OK) {
            return;
        }
        mmi_str_cut(out, before + got);
        if (got < wanted) {
            return;
        }
        wanted = out->size < LEAST ? LEAST : out->size;
    }
}

char *mm_file_read(const char *path, size_t *out_size)
{
    mmi_file file = MMI_NO_FILE;
    mmi_str content = {0};
    if (mmi_file_open(&file, path, MMI_OPEN_READ) != MM_OK) {
        return NULL;
    }
    read_all(&file, &content);
    if (mmi_is_pending()) {
        mm_error_frame("while reading '%s'", path);
    }
    (void)mmi_file_close(&file); /* only read: nothing can be lost */
    size_t size = content.size;
    char *data = mmi_str_take(&content);
    if (data != NULL && out_size != NULL) {
        *out_size = size;
    }
    return data;
}

mm_status mm_file_write(const char *path, const void *data, size_t size)
{
    mmi_atomic_file file;
    if (size > 0 && !MMI_NEED(data)) {
        return mm_pending();
    }
    if (mmi_atomic_begin(&file, path) != MM_OK) {
        return mm_pending();
    }
    if (mmi_file_write_all(&file.file, data, size) != MM_OK) {
        mm_error_frame("while writing '%s'", path);
        mmi_atomic_abort(&file);
        return mm_pending();
    }
    return mmi_atomic_commit(&file);
}

bool mm_path_is_absolute(const char *path)
{
    return path != NULL && path[0] == '/';
}

char *mm_path_join(const char *first, const char *second)
{
    if (!MMI_NEED(first) || !MMI_NEED(second)) {
        return NULL;
    }
    size_t size = strlen(first);
    if (size == 0 || mm_path_is_absolute(second)) {
        return mm_strdup(second);
    }
    return mm_strfmt("%s%s%s", first, first[size - 1] == '/' ? "" : "/", second);
}

char *mm_path_dirname(const char *path)
{
    if (!MMI_NEED(path)) {
        return NULL;
    }
    const char *slash = strrchr(path, '/');
    if (slash == NULL) {
        return mm_strdup("");
    }
    size_t size = (size_t)(slash - path) + 1;
    size_t kept = size;
    while (kept > 0 && path[kept - 1] == '/') {
        kept--;
    }
    return mmi_strndup(path, kept > 0 ? kept : size); /* the root keeps its '/' */
}

const char *mm_path_basename(const char *path)
{
    if (!MMI_NEED(path)) {
        return NULL;
    }
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

const char *mm_path_extension(const char *path)
{
    const char *name = mm_path_basename(path);
    if (name == NULL) {
        return NULL;
    }
    const char *end = name + strlen(name);
    while (*name == '.') {
        name++;
    }
    const char *dot = strrchr(name, '.');
    return dot != NULL ? dot : end;
}

/* Where the last part of `text` begins, not below `root`. */
static size_t last_part(const mmi_str *text, size_t root)
{
    size_t begin = text->size;
    while (begin > root && text->data[begin - 1] != '/') {
        begin--;
    }
    return begin;
}

static void add_part(mmi_str *text, size_t root, const char *part, size_t size)
{
    if (size == 0 || (size == 1 && part[0] == '.')) {
        return;
    }
    if (size == 2 && part[0] == '.' && part[1] == '.') {
        size_t begin = last_part(text, root);
        bool is_up =
            text->size - begin == 2 && memcmp(text->data + begin, "..", 2) == 0;
        if (text->size > root && !is_up) {
            mmi_str_cut(text, begin > root ? begin - 1 : root);
            return;
        }
        if (root > 0) {
            return; /* above the root is the root */
        }
    }
    if (text->size > root) {
        mmi_str_add_char(text, '/');
    }
    mmi_str_add_n(text, part, size);
}

char *mm_path_normalize(const char *path)
{
    mmi_str text = {0};
    if (!MMI_NEED(path)) {
        return NULL;
    }
    if (path[0] == '/') {
        mmi_str_add_char(&text, '/');
        if (path[1] == '/' && path[2] != '/') {
            mmi_str_add_char(&text, '/'); /* POSIX gives two slashes a meaning */
        }
    }
    size_t root = text.size;
    while (*path != '\0') {
        size_t size = strcspn(path, "/");
        add_part(&text, root, path, size);
        path += size;
        path += strspn(path, "/");
    }
    if (text.size == 0) {
        mmi_str_add_char(&text, '.');
    }
    return mmi_str_take(&text);
}
