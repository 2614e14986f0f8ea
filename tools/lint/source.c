/* Files as the rules see them. The masked copy has the same length and lines as the
 * text, so an offset means the same place in both. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lint.h"

enum { MAX_BYTES = 64 << 20 };

bool is_word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '_';
}

static void blank(char *code, size_t begin, size_t end)
{
    for (size_t i = begin; i < end; i++) {
        if (code[i] != '\n') {
            code[i] = ' ';
        }
    }
}

/* One past the end of the literal or comment that begins at `i`. */
static size_t skip_literal(const char *text, size_t size, size_t i)
{
    char quote = text[i];

    for (i++; i < size && text[i] != quote && text[i] != '\n'; i++) {
        if (text[i] == '\\' && i + 1 < size) {
            i++;
        }
    }
    return i < size ? i + 1 : size;
}

static size_t skip_comment(const char *text, size_t size, size_t i)
{
    const char *end = NULL;

    if (text[i + 1] == '*') {
        end = strstr(text + i + 2, "*/");
        return end != NULL ? (size_t)(end - text) + 2 : size;
    }
    end = strchr(text + i, '\n');
    return end != NULL ? (size_t)(end - text) : size;
}

/* A quote after a digit separates thousands in C++: 1'000. */
static bool begins_literal(const char *text, size_t i)
{
    if (text[i] == '"') {
        return true;
    }
    return text[i] == '\'' && (i == 0 || !(text[i - 1] >= '0' && text[i - 1] <= '9'));
}

static void mask(struct source *source)
{
    const char *text = source->text;
    size_t i = 0;

    while (i < source->size) {
        if (begins_literal(text, i)) {
            size_t end = skip_literal(text, source->size, i);

            blank(source->code, i + 1, end > i + 1 ? end - 1 : end);
            i = end;
        } else if (text[i] == '/' && (text[i + 1] == '*' || text[i + 1] == '/')) {
            size_t end = skip_comment(text, source->size, i);

            blank(source->code, i, end);
            i = end;
        } else {
            i++;
        }
    }
}

static bool has_suffix(const char *path, const char *suffix)
{
    size_t length = strlen(path);
    size_t tail = strlen(suffix);

    return length > tail && strcmp(path + length - tail, suffix) == 0;
}

static bool has_any_suffix(const char *path, const char *const *suffixes)
{
    for (; *suffixes != NULL; suffixes++) {
        if (has_suffix(path, *suffixes)) {
            return true;
        }
    }
    return false;
}

static void classify(struct source *source)
{
    static const char *const cpp[] = {".cpp", ".cc",  ".cxx", ".C",   ".hpp",
                                      ".hh",  ".hxx", ".cu",  ".ipp", NULL};
    const char *slash = NULL;

    source->is_c = has_suffix(source->path, ".c") || has_suffix(source->path, ".h");
    source->is_header = has_suffix(source->path, ".h");
    source->is_cpp = has_any_suffix(source->path, cpp);
    if (strncmp(source->path, "src/", 4) == 0) {
        slash = strchr(source->path + 4, '/');
    }
    if (slash != NULL && slash - source->path - 4 < LINT_NAME_SIZE) {
        memcpy(source->folder, source->path + 4, (size_t)(slash - source->path - 4));
    }
}

static bool read_text(struct source *source, const char *root)
{
    char path[4096];
    FILE *file = NULL;
    long size = -1;

    (void)snprintf(path, sizeof(path), "%s/%s", root, source->path);
    file = fopen(path, "rb");
    if (file == NULL) {
        return false;
    }
    if (fseek(file, 0, SEEK_END) == 0) {
        size = ftell(file);
    }
    if (size >= 0 && size < MAX_BYTES && fseek(file, 0, SEEK_SET) == 0) {
        source->text = calloc(1, (size_t)size + 2);
        source->code = calloc(1, (size_t)size + 2);
        source->size =
            source->text != NULL ? fread(source->text, 1, (size_t)size, file) : 0;
    }
    (void)fclose(file);
    return source->text != NULL && source->code != NULL &&
           memchr(source->text, '\0', source->size) == NULL;
}

bool source_load(struct source *source, const char *root, const char *path)
{
    memset(source, 0, sizeof(*source));
    source->path = path;
    classify(source);
    if (!read_text(source, root)) {
        source_free(source);
        return false;
    }
    memcpy(source->code, source->text, source->size);
    if (source->is_c || source->is_cpp) {
        mask(source);
    }
    return true;
}

void source_free(struct source *source)
{
    free(source->text);
    free(source->code);
    source->text = NULL;
    source->code = NULL;
}

int source_line(const struct source *source, size_t offset)
{
    int line = 1;

    for (size_t i = 0; i < offset && i < source->size; i++) {
        line += source->text[i] == '\n';
    }
    return line;
}

bool source_is_in(const struct source *source, const char *prefix)
{
    return strncmp(source->path, prefix, strlen(prefix)) == 0;
}

void source_each_word(const struct source *source,
                      void (*visit)(const struct source *source, size_t begin,
                                    size_t length))
{
    size_t i = 0;

    while (i < source->size) {
        size_t begin = i;

        while (i < source->size && is_word_char(source->code[i])) {
            i++;
        }
        if (i > begin) {
            visit(source, begin, i - begin);
        } else {
            i++;
        }
    }
}

bool source_word_is(const struct source *source, size_t begin, size_t length,
                    const char *word)
{
    return strlen(word) == length && memcmp(source->code + begin, word, length) == 0;
}
