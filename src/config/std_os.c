/* Python's os and os.path: paths, questions about files, the environment. Nothing is
 * changed on the host. */
#include <string.h>

#include "base/os.h"
#include "config/std.h"
#include "mmengine/file.h"
#include "mmengine/memory.h"

/* A path argument. NULL with an error. */
static const char *read_path(mmi_eval *ev, const char *name, const mmi_args *args,
                             size_t index)
{
    mm_value *value = mmi_arg(args, index);

    if (mm_value_kind(value) != MM_KIND_STR) {
        return mmi_fail(ev, EXC_TYPE, "%s() needs a str, not %s", name,
                        mm_value_type_name(value));
    }
    return mm_value_str(value);
}

static const char *one_path(mmi_eval *ev, const char *name, const mmi_args *args)
{
    return mmi_expect_args(ev, name, args, 1, 1) ? read_path(ev, name, args, 0) : NULL;
}

/* A str of text that is ours. */
static mm_value *take_text(char *text)
{
    mm_value *value = text == NULL ? NULL : mm_value_new_str(text);

    mm_free(text);
    return value;
}

static mm_value *path_join(mmi_eval *ev, const mmi_args *args)
{
    mmi_str out = {0};

    if (mmi_num_args(args) == 0) {
        return mmi_fail(ev, EXC_TYPE, "join() needs at least 1 argument");
    }
    for (size_t i = 0; i < mmi_num_args(args); i++) {
        const char *part = read_path(ev, "join", args, i);

        if (part == NULL) {
            break;
        }
        if (part[0] == '/') {
            mmi_str_clear(&out);
        } else if (i > 0 && out.size > 0 && out.data[out.size - 1] != '/') {
            mmi_str_add_char(&out, '/');
        }
        mmi_str_add(&out, part);
    }
    return mmi_str_value(&out);
}

static mm_value *path_dirname(mmi_eval *ev, const mmi_args *args)
{
    const char *path = one_path(ev, "dirname", args);

    return path == NULL ? NULL : take_text(mm_path_dirname(path));
}

static mm_value *path_basename(mmi_eval *ev, const mmi_args *args)
{
    const char *path = one_path(ev, "basename", args);

    return path == NULL ? NULL : mm_value_new_str(mm_path_basename(path));
}

static mm_value *new_pair(const char *first, size_t size, const char *second)
{
    mm_value *pair = mm_value_new_tuple();

    mm_list_push(pair, mm_value_new_str_n(first, size));
    mm_list_push(pair, mm_value_new_str(second));
    return pair;
}

static mm_value *path_splitext(mmi_eval *ev, const mmi_args *args)
{
    const char *path = one_path(ev, "splitext", args);
    const char *extension = path == NULL ? NULL : mm_path_extension(path);

    return path == NULL ? NULL : new_pair(path, (size_t)(extension - path), extension);
}

static mm_value *path_split(mmi_eval *ev, const mmi_args *args)
{
    const char *path = one_path(ev, "split", args);
    char *head = path == NULL ? NULL : mm_path_dirname(path);
    mm_value *pair =
        head == NULL ? NULL : new_pair(head, strlen(head), mm_path_basename(path));

    mm_free(head);
    return pair;
}

static mm_value *path_isabs(mmi_eval *ev, const mmi_args *args)
{
    const char *path = one_path(ev, "isabs", args);

    return path == NULL ? NULL : mm_value_new_bool(mm_path_is_absolute(path));
}

static char *absolute(const char *path)
{
    char *cwd = mmi_os_cwd();
    char *joined = cwd == NULL ? NULL : mm_path_join(cwd, path);
    char *normal = joined == NULL ? NULL : mm_path_normalize(joined);

    mm_free(cwd);
    mm_free(joined);
    return normal;
}

/* The way from a folder to a path. */
static mm_value *path_relpath(mmi_eval *ev, const mmi_args *args)
{
    char *from = NULL;
    char *to = NULL;
    size_t same = 0;
    mmi_str out = {0};

    if (!mmi_expect_args(ev, "relpath", args, 1, 2) ||
        read_path(ev, "relpath", args, 0) == NULL ||
        (mmi_num_args(args) == 2 && read_path(ev, "relpath", args, 1) == NULL)) {
        return NULL;
    }
    to = absolute(read_path(ev, "relpath", args, 0));
    from = absolute(mmi_num_args(args) == 2 ? read_path(ev, "relpath", args, 1) : ".");
    for (size_t i = 0; to != NULL && from != NULL; i++) {
        bool ends =
            (to[i] == '/' || to[i] == '\0') && (from[i] == '/' || from[i] == '\0');

        same = ends ? i : same;
        if (to[i] != from[i] || to[i] == '\0') {
            break;
        }
    }
    for (const char *p = from == NULL ? "" : from + same; *p != '\0'; p++) {
        if (*p == '/' && p[1] != '\0') {
            mmi_str_add(&out, out.size > 0 ? "/.." : "..");
        }
    }
    if (to != NULL && to[same] != '\0' && to[same + (to[same] == '/')] != '\0') {
        mmi_str_add(&out, out.size > 0 ? "/" : "");
        mmi_str_add(&out, to + same + (to[same] == '/'));
    }
    if (out.size == 0) {
        mmi_str_add_char(&out, '.');
    }
    mm_free(from);
    mm_free(to);
    return mmi_str_value(&out);
}

static mm_value *path_exists(mmi_eval *ev, const mmi_args *args)
{
    const char *path = one_path(ev, "exists", args);

    return path == NULL ? NULL : mm_value_new_bool(mm_file_exists(path));
}

static mm_value *path_isdir(mmi_eval *ev, const mmi_args *args)
{
    const char *path = one_path(ev, "isdir", args);

    return path == NULL ? NULL : mm_value_new_bool(mm_file_is_dir(path));
}

static mm_value *path_isfile(mmi_eval *ev, const mmi_args *args)
{
    const char *path = one_path(ev, "isfile", args);
    mmi_stat stat = {0};

    return path == NULL
               ? NULL
               : mm_value_new_bool(mmi_os_find_stat(path, &stat) && stat.is_file);
}

static mm_value *path_normpath(mmi_eval *ev, const mmi_args *args)
{
    const char *path = one_path(ev, "normpath", args);

    return path == NULL ? NULL : take_text(mm_path_normalize(path));
}

static mm_value *path_abspath(mmi_eval *ev, const mmi_args *args)
{
    const char *path = one_path(ev, "abspath", args);

    return path == NULL ? NULL : take_text(absolute(path));
}

/* A path that is not there stays as it is, made absolute. */
static mm_value *path_realpath(mmi_eval *ev, const mmi_args *args)
{
    const char *path = one_path(ev, "realpath", args);
    mmi_stat stat = {0};

    if (path == NULL) {
        return NULL;
    }
    return take_text(mmi_os_find_stat(path, &stat) ? mmi_os_realpath(path)
                                                   : absolute(path));
}

static mm_value *path_expanduser(mmi_eval *ev, const mmi_args *args)
{
    const char *path = one_path(ev, "expanduser", args);
    const char *home = mmi_os_env("HOME");

    if (path == NULL) {
        return NULL;
    }
    return path[0] == '~' && (path[1] == '/' || path[1] == '\0') && home != NULL
               ? mm_value_new_strf("%s%s", home, path + 1)
               : mm_value_new_str(path);
}

static mm_value *os_getcwd(mmi_eval *ev, const mmi_args *args)
{
    return mmi_expect_args(ev, "getcwd", args, 0, 0) ? take_text(mmi_os_cwd()) : NULL;
}

/* Names in a folder, sorted: Python's order is the host's. */
static mm_value *os_listdir(mmi_eval *ev, const mmi_args *args)
{
    const char *path = mmi_num_args(args) == 0 ? "." : one_path(ev, "listdir", args);
    mm_value *names = NULL;

    if (path == NULL) {
        return NULL;
    }
    if (!mm_file_is_dir(path)) {
        return mmi_fail(ev, EXC_FILE_NOT_FOUND, "there is no folder '%s'", path);
    }
    names = mm_list_dir(path);
    return names;
}

static mm_value *os_cpu_count(mmi_eval *ev, const mmi_args *args)
{
    return mmi_expect_args(ev, "cpu_count", args, 0, 0)
               ? mm_value_new_i64(mmi_os_num_cpus())
               : NULL;
}

static mm_value *make_separator(void)
{
    return mm_value_new_str("/");
}

static mm_value *make_line_end(void)
{
    return mm_value_new_str("\n");
}

static mm_value *make_posix(void)
{
    return mm_value_new_str("posix");
}

static mm_value *make_path(void)
{
    return mmi_new_std(&mmi_std_path, NULL);
}

static mm_value *make_environ(void)
{
    return mmi_new_std(&mmi_std_environ, NULL);
}

static const mmi_std_entry os_entries[] = {
    CONSTANT("path", make_path),     CONSTANT("environ", make_environ),
    CONSTANT("sep", make_separator), CONSTANT("linesep", make_line_end),
    CONSTANT("name", make_posix),    PLAIN("getenv", mmi_getenv),
    FUNCTION("getcwd", os_getcwd),   FUNCTION("cpu_count", os_cpu_count),
    FUNCTION("listdir", os_listdir),
};

static const mmi_std_entry path_entries[] = {
    PLAIN("join", path_join),
    PLAIN("dirname", path_dirname),
    PLAIN("basename", path_basename),
    PLAIN("splitext", path_splitext),
    PLAIN("split", path_split),
    PLAIN("isabs", path_isabs),
    PLAIN("exists", path_exists),
    PLAIN("isdir", path_isdir),
    PLAIN("isfile", path_isfile),
    PLAIN("normpath", path_normpath),
    PLAIN("abspath", path_abspath),
    PLAIN("realpath", path_realpath),
    PLAIN("expanduser", path_expanduser),
    PLAIN("relpath", path_relpath),
    CONSTANT("sep", make_separator),
};

const mmi_std_def mmi_std_os = MODULE("os", os_entries);
const mmi_std_def mmi_std_path = MODULE("os.path", path_entries);
