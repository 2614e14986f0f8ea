/* Files that a config opens: open(path).read() and `with open(...)`. They are read
 * whole, at once, and never written. */
#include <string.h>

#include "base/os.h"
#include "config/objects.h"
#include "mmengine/file.h"
#include "mmengine/memory.h"

static mmi_file_object *file_of(const mm_value *value)
{
    return mm_value_kind(value) == MM_KIND_OBJECT
               ? MMI_OBJECT(mmi_file_object, &mmi_file_ops, value)
               : NULL;
}

static void deinit_file(void *self)
{
    mmi_file_object *file = self;

    mm_free(file->name);
    mm_free(file->data);
}

/* CR LF and CR become LF, as Python reads text. */
static size_t unify_lines(char *data, size_t size)
{
    size_t kept = 0;

    for (size_t i = 0; i < size; i++) {
        if (data[i] == '\r') {
            data[kept++] = '\n';
            i += i + 1 < size && data[i + 1] == '\n' ? 1 : 0;
        } else {
            data[kept++] = data[i];
        }
    }
    data[kept] = '\0';
    return kept;
}

/* ---- opening ---- */

static bool check_mode(mmi_eval *ev, const mm_value *mode, bool *out_is_binary)
{
    const char *text = mode == NULL ? "r" : mm_value_str(mode);

    *out_is_binary = text != NULL && strchr(text, 'b') != NULL;
    if (text == NULL || strchr(text, 'r') == NULL || strchr(text, '+') != NULL) {
        (void)mmi_fail(ev, EXC_FATAL,
                       "a config may only read files, not open them "
                       "with mode '%s'",
                       text == NULL ? "" : text);
        return false;
    }
    return true;
}

/* What is no regular file (a folder, a pipe, a device) is not read: it may never end.
 */
static mm_value *new_file(mmi_eval *ev, const char *path, bool is_binary)
{
    mmi_file_object *file = NULL;
    mmi_stat stat = {0};
    bool found = mmi_os_find_stat(path, &stat);

    if (!found || !stat.is_file) {
        return mmi_fail(ev, found ? EXC_OS : EXC_FILE_NOT_FOUND,
                        "could not open '%s': %s", path,
                        found ? "it is no regular file" : "no such file");
    }
    if (!mmi_reserve(ev, (size_t)stat.size)) {
        return NULL;
    }
    file = mmi_object_new(sizeof(*file), deinit_file);
    if (file == NULL) {
        return NULL;
    }
    file->name = mm_strdup(path);
    file->data = mm_file_read(path, &file->size);
    file->is_binary = is_binary;
    if (file->data != NULL && !is_binary) {
        file->size = unify_lines(file->data, file->size);
    }
    if (file->data == NULL) {
        mmi_object_unref(file);
        return NULL;
    }
    return mmi_object_value(file, &mmi_file_ops);
}

mm_value *mmi_open(mmi_eval *ev, const mmi_args *args)
{
    static const char *const names[] = {"file",     "mode",   "buffering",
                                        "encoding", "errors", "newline"};
    mm_value *given[6] = {0};
    bool is_binary = false;

    if (!mmi_bind(ev, "open", args, names, 6, 1, given)) {
        return NULL;
    }
    if (mm_value_kind(given[0]) != MM_KIND_STR) {
        return mmi_fail(ev, EXC_TYPE, "open() needs a str, not %s",
                        mm_value_type_name(given[0]));
    }
    if (!check_mode(ev, given[1], &is_binary)) {
        return NULL;
    }
    return new_file(ev, mm_value_str(given[0]), is_binary);
}

/* ---- reading ---- */

/* The next `size` bytes as str or bytes. */
static mm_value *take(mmi_eval *ev, mmi_file_object *file, size_t size)
{
    mm_value *made = NULL;
    const char *data = file->data + file->at;

    if (file->is_closed) {
        return mmi_fail(ev, EXC_VALUE, "the file '%s' is closed", file->name);
    }
    if (!mmi_reserve(ev, size)) {
        return NULL;
    }
    file->at += size;
    if (file->is_binary) {
        return mm_value_new_bytes(data, size);
    }
    made = mm_value_new_str_n(data, size);
    return made != NULL
               ? made
               : mmi_fail(ev, EXC_VALUE, "the file '%s' is not UTF-8 text", file->name);
}

static size_t line_size(const mmi_file_object *file)
{
    const char *begin = file->data + file->at;
    const char *end = memchr(begin, '\n', file->size - file->at);

    return end == NULL ? file->size - file->at : (size_t)(end - begin) + 1;
}

mm_value *mmi_file_next(mmi_eval *ev, mmi_file_object *file)
{
    return file->at < file->size || file->is_closed ? take(ev, file, line_size(file))
                                                    : NULL;
}

/* Bytes of `count` characters. */
static size_t characters(const mmi_file_object *file, int64_t count)
{
    size_t size = 0;
    size_t left = file->size - file->at;

    while (size < left && count > 0) {
        size++;
        while (!file->is_binary && size < left &&
               ((unsigned char)file->data[file->at + size] & 0xC0U) == 0x80U) {
            size++;
        }
        count--;
    }
    return size;
}

static mm_value *file_read(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    mmi_file_object *file = file_of(self);
    int64_t count = -1;

    if (!mmi_expect_args(ev, "read", args, 0, 1) ||
        (mmi_num_args(args) == 1 && !mmi_as_index(ev, mmi_arg(args, 0), &count))) {
        return NULL;
    }
    return take(ev, file, count < 0 ? file->size - file->at : characters(file, count));
}

static mm_value *file_readline(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    mmi_file_object *file = file_of(self);

    return mmi_expect_args(ev, "readline", args, 0, 0) ? take(ev, file, line_size(file))
                                                       : NULL;
}

static mm_value *file_readlines(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    return mmi_expect_args(ev, "readlines", args, 0, 0) ? mmi_to_list(ev, self) : NULL;
}

static mm_value *file_close(mmi_eval *ev, mm_value *self, const mmi_args *args)
{
    if (!mmi_expect_args(ev, "close", args, 0, 0)) {
        return NULL;
    }
    file_of(self)->is_closed = true;
    return mm_value_new_none();
}

const mmi_method mmi_file_methods[] = {
    {"read", file_read},
    {"readline", file_readline},
    {"readlines", file_readlines},
    {"close", file_close},
    {NULL, NULL},
};

bool mmi_is_file(const mm_value *value)
{
    return file_of(value) != NULL;
}

mm_value *mmi_file_read_all(mmi_eval *ev, mm_value *value)
{
    mmi_args none = {0};

    return mmi_is_file(value) ? file_read(ev, value, &none)
                              : mmi_fail(ev, EXC_TYPE, "a file is needed, not %s",
                                         mm_value_type_name(value));
}

const char *mmi_file_name(const mm_value *value)
{
    const mmi_file_object *file = file_of(value);

    return file == NULL ? "" : file->name;
}
