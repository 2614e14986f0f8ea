/* Reading a file and replacing its templates. Replacements are remembered as edits, so
 * that every place reported later is one in the file as the user sees it. The order is
 * MMEngine's: predefined variables, environment variables, references to bases. */
#include "config/text.h"

#include <string.h>

#include "base/os.h"
#include "base/unicode.h"
#include "base/vec.h"
#include "config/chars.h"
#include "config/util.h"
#include "mmengine/file.h"
#include "mmengine/log.h"
#include "mmengine/memory.h"

/* ---- reading ---- */

static void count_place(const char *text, size_t offset, int32_t *out_line,
                        int32_t *out_column)
{
    int32_t line = 1;
    size_t start = 0;

    for (size_t i = 0; i < offset; i++) {
        if (text[i] == '\n') {
            line++;
            start = i + 1;
        }
    }
    *out_line = line;
    *out_column = (int32_t)(offset - start) + 1;
}

static mm_status refuse(const mmi_text *text, size_t offset, const char *what)
{
    mm_source source = {.file = text->file};

    count_place(text->source, offset, &source.line, &source.column);
    (void)mm_raise(MM_ECONFIG, "%s", what);
    return mm_error_locate(&source);
}

/* The file must be UTF-8 without zero bytes. */
static mm_status check(const mmi_text *text)
{
    const char *zero = NULL;

    if (!mmi_utf8_is_valid(text->source, text->source_size)) {
        for (size_t at = 0; at < text->source_size;) {
            uint32_t code = 0;
            size_t step =
                mmi_utf8_decode(text->source + at, text->source_size - at, &code);

            if (step == 0) {
                (void)refuse(text, at, "this byte is not UTF-8 text");
                return mm_error_hint("save the file as UTF-8");
            }
            at += step;
        }
    }
    zero = memchr(text->source, '\0', text->source_size);
    return zero == NULL ? MM_OK
                        : refuse(text, (size_t)(zero - text->source),
                                 "a config may not hold zero bytes");
}

/* CR LF and CR become LF, as Python reads text. */
static void unify_lines(mmi_text *text)
{
    const char *from = memchr(text->source, '\r', text->source_size);
    const char *end = text->source + text->source_size;
    char *to = text->source + (from == NULL ? 0 : from - text->source);

    if (from == NULL) {
        return;
    }
    while (from < end) {
        if (*from == '\r') {
            *to++ = '\n';
            from += end - from > 1 && from[1] == '\n' ? 2 : 1;
        } else {
            *to++ = *from++;
        }
    }
    *to = '\0';
    text->source_size = (size_t)(to - text->source);
}

/* Takes over `source`. */
static mm_status take_source(mmi_text *text, char *source, size_t size,
                             const char *file)
{
    static const char mark[] = "\xEF\xBB\xBF";

    text->source = source;
    text->source_size = size;
    text->file = mm_intern(file);
    if (mm_has_error()) {
        return mm_pending();
    }
    if (size >= 3 && memcmp(source, mark, 3) == 0) {
        memmove(source, source + 3, size - 3 + 1);
        text->source_size -= 3;
    }
    unify_lines(text);
    text->data = text->source;
    text->size = text->source_size;
    return check(text);
}

mm_status mmi_text_read(mmi_text *text, const char *given, const char *path,
                        const char *file)
{
    size_t size = 0;
    char *source = mm_file_read(given, &size);

    if (source == NULL) {
        return mm_pending();
    }
    text->path = mm_strdup(path);
    return take_source(text, source, size, file);
}

mm_status mmi_text_set(mmi_text *text, const char *data, size_t size, const char *path,
                       const char *file)
{
    char *source = mmi_strndup(data, size);

    if (source == NULL) {
        return mm_pending();
    }
    text->path = path == NULL ? NULL : mm_strdup(path);
    return take_source(text, source, size, file);
}

/* ---- edits ---- */

/* A pass over the text: what is copied, what is replaced. */
struct pass {
    mmi_text *text;
    mmi_str out;
    size_t copied;           /* of text->data */
    MMI_VEC(mmi_edit) edits; /* in offsets of text->data and of `out` */
};

static void replace(struct pass *pass, size_t at, size_t end, const char *value,
                    size_t size)
{
    mmi_edit edit = {.old_at = at, .old_size = end - at, .size = size};

    mmi_str_add_n(&pass->out, pass->text->data + pass->copied, at - pass->copied);
    edit.at = pass->out.size;
    mmi_str_add_n(&pass->out, value, size);
    pass->copied = end;
    (void)mmi_vec_push(&pass->edits, edit);
}

/* The offset in the file of an offset of `data`. */
static size_t original_offset(const mmi_text *text, size_t offset)
{
    const mmi_edit *found = NULL;
    size_t low = 0;
    size_t high = text->num_edits;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (text->edits[middle].at <= offset) {
            found = &text->edits[middle];
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (found == NULL) {
        return offset;
    }
    if (offset < found->at + found->size) {
        return found->old_at;
    }
    return offset - (found->at + found->size) + found->old_at + found->old_size;
}

/* The edits of a pass in offsets of the file, merged with those of the passes before.
 * An earlier edit inside a later one is swallowed. */
static mm_status merge_edits(struct pass *pass)
{
    mmi_text *text = pass->text;
    MMI_VEC(mmi_edit) all = {0};
    size_t old = 0;
    ptrdiff_t shift = 0; /* from data to out, behind the edits so far */

    for (size_t i = 0; i <= pass->edits.count; i++) {
        size_t limit = i < pass->edits.count ? pass->edits.data[i].old_at : SIZE_MAX;

        for (; old < text->num_edits && text->edits[old].at < limit; old++) {
            mmi_edit edit = text->edits[old];

            edit.at = (size_t)((ptrdiff_t)edit.at + shift);
            (void)mmi_vec_push(&all, edit);
        }
        if (i < pass->edits.count) {
            mmi_edit edit = pass->edits.data[i];
            size_t end = edit.old_at + edit.old_size;
            size_t begin = original_offset(text, edit.old_at);
            size_t stop =
                end == text->size ? text->source_size : original_offset(text, end);

            shift += (ptrdiff_t)edit.size - (ptrdiff_t)edit.old_size;
            edit.old_at = begin;
            edit.old_size = stop > begin ? stop - begin : 0;
            (void)mmi_vec_push(&all, edit);
            while (old < text->num_edits && text->edits[old].at < end) {
                old++;
            }
        }
    }
    mm_free(text->edits);
    text->edits = all.data;
    text->num_edits = all.count;
    return mm_pending();
}

static mm_status end_pass(struct pass *pass)
{
    mmi_text *text = pass->text;
    size_t size = 0;
    char *data = NULL;

    if (pass->edits.count > 0) {
        mmi_str_add_n(&pass->out, text->data + pass->copied, text->size - pass->copied);
        (void)merge_edits(pass);
        size = pass->out.size;
        data = mmi_str_take(&pass->out);
        if (data != NULL) {
            if (text->data != text->source) {
                mm_free(text->data);
            }
            text->data = data;
            text->size = size;
        }
    }
    mmi_str_deinit(&pass->out);
    mmi_vec_deinit(&pass->edits);
    return mm_pending();
}

static mm_status find_lines(mmi_text *text)
{
    MMI_VEC(size_t) lines = {0};

    (void)mmi_vec_push(&lines, 0);
    for (size_t i = 0; i < text->source_size; i++) {
        if (text->source[i] == '\n') {
            (void)mmi_vec_push(&lines, i + 1);
        }
    }
    text->lines = lines.data;
    text->num_lines = lines.count;
    return mm_pending();
}

void mmi_text_place(const mmi_text *text, size_t offset, int32_t *out_line,
                    int32_t *out_column)
{
    size_t low = 0;
    size_t high = text->num_lines;

    if (text->num_lines == 0) {
        count_place(text->data, offset, out_line, out_column);
        return;
    }
    offset = original_offset(text, offset);
    while (high - low > 1) {
        size_t middle = (low + high) / 2;

        if (text->lines[middle] <= offset) {
            low = middle;
        } else {
            high = middle;
        }
    }
    *out_line = (int32_t)low + 1;
    *out_column = (int32_t)(offset - text->lines[low]) + 1;
}

/* ---- predefined variables ---- */

static size_t skip_blanks(const mmi_text *text, size_t at)
{
    while (at < text->size) {
        uint32_t code = 0;
        size_t step = mmi_utf8_decode(text->data + at, text->size - at, &code);

        if (!mmi_is_space(code)) {
            break;
        }
        at += step;
    }
    return at;
}

/* Behind blanks and "}}", or 0. */
static size_t skip_close(const mmi_text *text, size_t at)
{
    at = skip_blanks(text, at);
    return at + 1 < text->size && text->data[at] == '}' && text->data[at + 1] == '}'
               ? at + 2
               : 0;
}

/* The next "{{" at or behind `at`, or the end. */
static size_t find_open(const mmi_text *text, size_t at)
{
    while (at + 1 < text->size) {
        const char *p = memchr(text->data + at, '{', text->size - at - 1);

        if (p == NULL) {
            return text->size;
        }
        if (p[1] == '{') {
            return (size_t)(p - text->data);
        }
        at = (size_t)(p - text->data) + 1;
    }
    return text->size;
}

static bool starts_with(const mmi_text *text, size_t at, const char *word)
{
    size_t size = strlen(word);

    return text->size - at >= size && memcmp(text->data + at, word, size) == 0;
}

typedef struct predefined {
    const char *name;
    mmi_str value;
} predefined;

enum { NUM_PREDEFINED = 4 };

static void set_predefined(const mmi_text *text, predefined vars[NUM_PREDEFINED])
{
    const char *path = text->path == NULL ? text->file : text->path;
    const char *base = mm_path_basename(path);
    const char *extension = mm_path_extension(base);
    char *dir = mm_path_dirname(path);

    vars[0].name = "fileDirname";
    mmi_str_add(&vars[0].value, dir == NULL ? "" : dir);
    vars[1].name = "fileBasenameNoExtension";
    mmi_str_add_n(&vars[1].value, base, (size_t)(extension - base));
    vars[2].name = "fileBasename";
    mmi_str_add(&vars[2].value, base);
    vars[3].name = "fileExtname";
    mmi_str_add(&vars[3].value, extension);
    for (int i = 0; i < NUM_PREDEFINED; i++) {
        for (size_t j = 0; j < vars[i].value.size; j++) {
            if (vars[i].value.data[j] == '\\') {
                vars[i].value.data[j] = '/';
            }
        }
    }
    mm_free(dir);
}

static mm_status expand_predefined(mmi_text *text)
{
    predefined vars[NUM_PREDEFINED] = {{0}};
    struct pass pass = {.text = text};

    set_predefined(text, vars);
    for (size_t at = find_open(text, 0); at < text->size && !mm_has_error();) {
        size_t begin = skip_blanks(text, at + 2);
        size_t end = 0;

        for (int i = 0; i < NUM_PREDEFINED && end == 0; i++) {
            if (starts_with(text, begin, vars[i].name)) {
                end = skip_close(text, begin + strlen(vars[i].name));
                if (end > 0) {
                    replace(&pass, at, end, mmi_str_text(&vars[i].value),
                            vars[i].value.size);
                }
            }
        }
        at = find_open(text, end > 0 ? end : at + 1);
    }
    for (int i = 0; i < NUM_PREDEFINED; i++) {
        mmi_str_deinit(&vars[i].value);
    }
    return end_pass(&pass);
}

/* ---- environment variables ---- */

/* {{ $NAME:default }} taken apart, in offsets of the text. */
typedef struct env_ref {
    size_t at, end;
    size_t name, name_size;
    size_t value, value_size;
} env_ref;

static size_t skip_word(const mmi_text *text, size_t at)
{
    while (at < text->size) {
        uint32_t code = 0;
        size_t step = mmi_utf8_decode(text->data + at, text->size - at, &code);

        if (!mmi_is_name_part(code)) {
            break;
        }
        at += step;
    }
    return at;
}

/* Blanks, an optional quote, "}}": behind it, or 0. */
static size_t skip_env_close(const mmi_text *text, size_t at)
{
    at = skip_blanks(text, at);
    if (at < text->size && (text->data[at] == '\'' || text->data[at] == '"')) {
        at++;
    }
    return starts_with(text, at, "}}") ? at + 2 : 0;
}

/* Reads a reference at "{{"; false if it is none. */
static bool read_env(const mmi_text *text, size_t at, env_ref *out)
{
    size_t p = at + 2;

    out->at = at;
    if (p < text->size && (text->data[p] == '\'' || text->data[p] == '"')) {
        p++;
    }
    p = skip_blanks(text, p);
    if (!starts_with(text, p, "$")) {
        return false;
    }
    out->name = p + 1;
    p = skip_word(text, p + 1);
    out->name_size = p - out->name;
    p = skip_blanks(text, p);
    if (out->name_size == 0 || !starts_with(text, p, ":")) {
        return false;
    }
    out->value = skip_blanks(text, p + 1);
    /* the default ends at the first place where the rest of the template follows */
    for (p = out->value; (out->end = skip_env_close(text, p)) == 0; p++) {
        uint32_t code = 0;

        if (mmi_utf8_decode(text->data + p, text->size - p, &code) == 0 ||
            mmi_is_space(code)) {
            return false;
        }
    }
    out->value_size = p - out->value;
    return true;
}

static mm_status replace_env(struct pass *pass, const env_ref *ref, mm_value *env)
{
    const mmi_text *text = pass->text;
    char *name = mmi_strndup(text->data + ref->name, ref->name_size);
    const char *value = name == NULL ? NULL : mmi_os_env(name);

    if (value != NULL) {
        mm_dict_put_str(env, name, value);
        mm_log(MM_LOG_INFO,
               "using the environment variable '%s' with the value '%s' in the config",
               name, value);
        replace(pass, ref->at, ref->end, value, strlen(value));
    } else {
        replace(pass, ref->at, ref->end, text->data + ref->value, ref->value_size);
    }
    if (!mm_has_error() && (value != NULL ? *value == '\0' : ref->value_size == 0)) {
        mm_source source = {.file = text->file};

        mmi_text_place(text, ref->at, &source.line, &source.column);
        (void)mm_raise(MM_ECONFIG,
                       "the environment variable '%s' is not set and has no "
                       "default here",
                       name);
        (void)mm_error_hint("set %s, or write {{$%s:default}}", name, name);
        (void)mm_error_locate(&source);
    }
    mm_free(name);
    return mm_pending();
}

static mm_status expand_env(mmi_text *text, mm_value *env)
{
    struct pass pass = {.text = text};

    for (size_t at = find_open(text, 0); at < text->size && !mm_has_error();) {
        env_ref ref = {0};

        if (read_env(text, at, &ref)) {
            (void)replace_env(&pass, &ref, env);
            at = find_open(text, ref.end);
        } else {
            at = find_open(text, at + 1);
        }
    }
    return end_pass(&pass);
}

/* ---- references to bases ---- */

/* FNV-1a: the markers of a file are always the same. */
static uint32_t hash_text(const char *data, size_t size)
{
    uint32_t hash = 2166136261U;

    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ (unsigned char)data[i]) * 16777619U;
    }
    return hash;
}

/* The marker of a path, new or used before. NULL with an error. */
static const char *marker_of(mmi_text *text, const char *path, size_t size)
{
    mmi_marker *grown = NULL;
    mmi_marker marker = {0};

    for (size_t i = 0; i < text->num_markers; i++) {
        if (strlen(text->markers[i].path) == size &&
            memcmp(text->markers[i].path, path, size) == 0) {
            return text->markers[i].text;
        }
    }
    grown = mm_realloc(text->markers, (text->num_markers + 1) * sizeof(*grown));
    if (grown == NULL) {
        return NULL;
    }
    text->markers = grown;
    marker.path = mmi_strndup(path, size);
    marker.text = mm_strfmt("_%.*s_%06x", (int)size, path,
                            (unsigned)(hash_text(text->data, text->size) & 0xFFFFFFU));
    text->markers[text->num_markers++] = marker;
    return mm_has_error() ? NULL : marker.text;
}

static mm_status expand_bases(mmi_text *text)
{
    struct pass pass = {.text = text};
    mmi_str quoted = {0};

    for (size_t at = find_open(text, 0); at < text->size && !mm_has_error();) {
        size_t path = skip_blanks(text, at + 2);
        size_t stop = 0;
        size_t end = 0;

        if (starts_with(text, path, "_base_.")) {
            path += strlen("_base_.");
            for (stop = path; stop < text->size;) {
                size_t after = skip_word(text, stop);

                if (after == stop && text->data[stop] != '.') {
                    break;
                }
                stop = after == stop ? stop + 1 : after;
            }
            end = stop > path ? skip_close(text, stop) : 0;
        }
        if (end > 0) {
            const char *marker = marker_of(text, text->data + path, stop - path);

            mmi_str_clear(&quoted);
            mmi_str_addf(&quoted, "\"%s\"", marker == NULL ? "" : marker);
            replace(&pass, at, end, mmi_str_text(&quoted), quoted.size);
        }
        at = find_open(text, end > 0 ? end : at + 1);
    }
    mmi_str_deinit(&quoted);
    return end_pass(&pass);
}

mm_status mmi_text_expand(mmi_text *text, mm_value *env, const mm_config_args *args)
{
    bool variables = args == NULL || !args->no_predefined;
    bool environment = args == NULL || !args->no_env;

    if (mm_has_error() || find_open(text, 0) == text->size) {
        return mm_pending();
    }
    if (find_lines(text) == MM_OK && (!variables || expand_predefined(text) == MM_OK) &&
        (!environment || expand_env(text, env) == MM_OK)) {
        (void)expand_bases(text);
    }
    return mm_pending();
}

void mmi_text_deinit(mmi_text *text)
{
    for (size_t i = 0; i < text->num_markers; i++) {
        mm_free(text->markers[i].text);
        mm_free(text->markers[i].path);
    }
    if (text->data != text->source) {
        mm_free(text->data);
    }
    mm_free(text->path);
    mm_free(text->source);
    mm_free(text->edits);
    mm_free(text->lines);
    mm_free(text->markers);
    memset(text, 0, sizeof(*text));
}
