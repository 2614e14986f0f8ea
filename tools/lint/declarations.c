/* Every declaration and every macro with arguments of a public header has a doc
 * comment: before it, behind it, or before the first of a run of lines that it stands
 * in without a gap. Names alone (`typedef struct x x;`) need none: they are described
 * where the type is. */
#include <string.h>

#include "lint.h"

static bool ends_with_doc(const struct source *source, size_t begin)
{
    const char *text = source->text;
    size_t end = begin;
    size_t open = 0;

    while (end > 0 && strchr(" \t\r\n", text[end - 1]) != NULL) {
        end--;
    }
    if (end < 4 || text[end - 1] != '/' || text[end - 2] != '*') {
        return false;
    }
    for (open = end - 3; open > 0; open--) {
        if (text[open - 1] == '/' && text[open] == '*') {
            open--;
            break;
        }
    }
    /* Neither a plain comment, nor the one behind the declaration before, nor the
     * file's. */
    if (strncmp(text + open, "/**", 3) != 0 || text[open + 3] == '<' ||
        text[open + 3] == '/') {
        return false;
    }
    for (size_t i = open; i + 5 < end; i++) {
        if (strncmp(text + i, "@file", 5) == 0) {
            return false;
        }
    }
    return true;
}

/* The end of the comment behind the declaration that ends at `end`, or `end`. */
static size_t behind_doc(const struct source *source, size_t end)
{
    const char *at = source->text + end;
    const char *close = NULL;

    at += strspn(at, " \t\r\n");
    if (strncmp(at, "/**<", 4) != 0) {
        return end;
    }
    close = strstr(at, "*/");
    return close != NULL ? (size_t)(close - source->text) + 2 : source->size;
}

static size_t word_length(const char *at)
{
    size_t length = 0;

    while (is_word_char(at[length])) {
        length++;
    }
    return length;
}

/* `typedef struct a a;`, `struct a;`, an assertion, an enum without a name (its
 * constants carry the comments), or nothing at all. */
static bool needs_no_doc(const struct source *source, size_t begin, size_t end)
{
    const char *at = source->code + begin;
    int words = 0;

    if (strncmp(at, "_Static_assert", 14) == 0 ||
        strncmp(at, "static_assert", 13) == 0) {
        return true;
    }
    if (strncmp(at, "enum {", 6) == 0) {
        return true;
    }
    for (const char *c = at; c < source->code + end; c++) {
        if (strchr(" \t\r\n;", *c) == NULL && !is_word_char(*c)) {
            return false;
        }
    }
    for (const char *c = at; c < source->code + end;) {
        size_t length = word_length(c);

        words += length > 0;
        c += length > 0 ? length : 1;
    }
    if (strncmp(at, "typedef struct ", 15) == 0 ||
        strncmp(at, "typedef union ", 14) == 0) {
        return words == 4;
    }
    return words == 0 || ((strncmp(at, "struct ", 7) == 0) && words == 2);
}

/* End of the declaration that begins at `i`: behind its `;`, or behind a function's
 * body. */
static size_t declaration_end(const struct source *source, size_t i)
{
    int depth = 0;
    bool is_body = false;

    for (char last = ' '; i < source->size; i++) {
        char c = source->code[i];

        if (c == '{') {
            is_body = is_body || (depth == 0 && last == ')');
            depth++;
        } else if (c == '}') {
            depth--;
            if (depth == 0 && is_body) {
                return i + 1;
            }
        } else if (c == ';' && depth == 0) {
            return i + 1;
        }
        if (strchr(" \t\r\n", c) == NULL) {
            last = c;
        }
    }
    return source->size;
}

/* Is the word at `at` what a #define defines? */
static bool is_defined_here(const struct source *source, const char *at)
{
    static const char define[] = "#define ";
    size_t length = sizeof(define) - 1;

    return (size_t)(at - source->code) >= length &&
           memcmp(at - length, define, length) == 0;
}

/* The comment may stand at another definition of the macro, or at a function that it
 * covers, whose declaration is checked for itself. */
static bool has_comment_elsewhere(const struct source *source, const char *name,
                                  size_t length)
{
    const char *at = source->code;

    while ((at = strchr(at, name[0])) != NULL) {
        bool is_word = at == source->code || !is_word_char(at[-1]);

        if (is_word && word_length(at) == length && memcmp(at, name, length) == 0 &&
            at[length] == '(') {
            size_t begin = (size_t)(at - source->code);

            if (!is_defined_here(source, at) ||
                ends_with_doc(source, begin - strlen("#define "))) {
                return true;
            }
        }
        at++;
    }
    return false;
}

/* Is `begin` the line after `end`, with nothing but line ends between? */
static bool is_next_line(const struct source *source, size_t end, size_t begin)
{
    int breaks = 0;

    for (size_t i = end; i < begin; i++) {
        if (strchr(" \t\r\n", source->text[i]) == NULL) {
            return false;
        }
        breaks += source->text[i] == '\n';
    }
    return breaks <= 1;
}

/* What was looked at last: the run that the next declaration may belong to. */
struct run {
    size_t end;
    bool is_documented;
};

static bool is_documented(const struct source *source, size_t begin, size_t end,
                          const struct run *run)
{
    return ends_with_doc(source, begin) || behind_doc(source, end) > end ||
           (run->is_documented && is_next_line(source, run->end, begin));
}

static size_t directive_end(const struct source *source, size_t i)
{
    while (i < source->size && source->code[i] != '\n') {
        i += source->code[i] == '\\' ? 2 : 1;
    }
    return i < source->size ? i : source->size;
}

/* A macro with arguments wants a comment at one of its definitions. */
static size_t check_directive(const struct source *source, size_t begin,
                              struct run *run)
{
    static const char define[] = "#define ";
    const char *name = source->code + begin + sizeof(define) - 1;
    size_t end = directive_end(source, begin);
    size_t length = 0;

    if (strncmp(source->code + begin, define, sizeof(define) - 1) == 0) {
        length = word_length(name);
        run->is_documented = is_documented(source, begin, end, run);
        if (name[length] == '(' && !run->is_documented &&
            !has_comment_elsewhere(source, name, length)) {
            report(source, source_line(source, begin), "doc-comment",
                   "macro %.*s has none", (int)length, name);
        }
    }
    run->end = behind_doc(source, end);
    return end;
}

/* The name that is declared: `name(...)`, `(*name)(...)`, `struct name {`, `name;`. */
static void report_declaration(const struct source *source, size_t begin, size_t end)
{
    size_t name = begin;
    size_t length = 0;

    for (size_t i = begin; i < end && source->code[i] != '{';) {
        size_t word = word_length(source->code + i);

        if (source->code[i] == '(' && source->code[i + 1] != '*') {
            break;
        }
        if (word > 0) {
            name = i;
            length = word;
        }
        i += word > 0 ? word : 1;
    }
    report(source, source_line(source, begin), "doc-comment", "%.*s has none",
           (int)length, source->code + name);
}

static size_t check_declaration(const struct source *source, size_t begin,
                                struct run *run)
{
    size_t end = declaration_end(source, begin);

    run->is_documented = is_documented(source, begin, end, run);
    if (!run->is_documented && !needs_no_doc(source, begin, end)) {
        report_declaration(source, begin, end);
    }
    run->end = behind_doc(source, end);
    return end;
}

void check_declarations(const struct source *source)
{
    struct run run = {0};

    if (!source->is_header || !source_is_in(source, "include/")) {
        return;
    }
    for (size_t i = 0; i < source->size;) {
        size_t word = word_length(source->code + i);

        if (strchr(" \t\r\n;}", source->code[i]) != NULL) {
            i++;
        } else if (source->code[i] == '#') {
            i = check_directive(source, i, &run);
        } else if (source_word_is(source, i, word, "MM_BEGIN_DECLS") ||
                   source_word_is(source, i, word, "MM_END_DECLS")) {
            i += word;
        } else {
            i = check_declaration(source, i, &run);
        }
    }
}
