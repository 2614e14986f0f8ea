/* Where strings end: prefixes, escapes, triple quotes, and the replacement fields of
 * f-strings, which may hold strings themselves. */
#include <stdint.h>
#include <string.h>

#include "config/chars.h"
#include "config/lexer.h"
#include "config/lexer_scan.h"

/* Strings and fields inside each other; what is deeper is taken for damaged. */
enum { MAX_FIELDS = 150 };

static const char *skip_string(const char *p, const char *end, bool formatted,
                               int depth);

/* True if the letters before the quote at `p` make it an f-string. */
static bool is_formatted(const char *begin, const char *p)
{
    bool found = false;

    for (int i = 0; i < 2 && p > begin; i++) {
        char c = *--p;

        if (c == 'f' || c == 'F') {
            found = true;
        } else if (strchr("rRbBuU", c) == NULL) {
            return found && !mmi_is_name_part((unsigned char)c);
        }
    }
    return found && (p == begin || !mmi_is_name_part((unsigned char)p[-1]));
}

/* From behind the ':' of a field to behind its '}', or NULL. */
static const char *skip_field(const char *p, const char *end, char quote, bool triple,
                              int nesting);

static const char *skip_spec(const char *p, const char *end, char quote, bool triple,
                             int nesting)
{
    while (p != NULL && p < end && *p != '}') {
        if (*p == quote && !triple) {
            return NULL;
        }
        p = *p == '{' ? skip_field(p + 1, end, quote, triple, nesting + 1) : p + 1;
    }
    return p != NULL && p < end ? p + 1 : NULL;
}

/* From behind the '{' of a replacement field to behind its '}', or NULL. Quotes inside
 * are strings of their own, even of the same kind, as in Python 3.12. */
static const char *skip_field(const char *p, const char *end, char quote, bool triple,
                              int nesting)
{
    const char *begin = p;
    int depth = 0;

    if (nesting > MAX_FIELDS) {
        return NULL;
    }
    while (p != NULL && p < end) {
        char c = *p;

        if (c == '\n' && !triple) {
            return NULL;
        }
        if (c == '\'' || c == '"') {
            p = skip_string(p, end, is_formatted(begin, p), nesting + 1);
            continue;
        }
        if (c == '(' || c == '[' || c == '{') {
            depth++;
        } else if (c == '}' && depth == 0) {
            return p + 1;
        } else if (c == ')' || c == ']' || c == '}') {
            depth--;
        } else if (c == ':' && depth == 0) {
            return skip_spec(p + 1, end, quote, triple, nesting);
        }
        p++;
    }
    return NULL;
}

/* From the opening quote to behind the closing one, or NULL if there is none. A string
 * whose field has no end is taken as if it had none at all, so that it can be reported;
 * a string inside it then has no end, or trying would take exponential time. */
static const char *skip_string(const char *p, const char *end, bool formatted,
                               int depth)
{
    char quote = *p;
    bool triple = end - p >= 3 && p[1] == quote && p[2] == quote;

    p += triple ? 3 : 1;
    while (p < end) {
        if (*p == quote &&
            (!triple || (end - p >= 3 && p[1] == quote && p[2] == quote))) {
            return p + (triple ? 3 : 1);
        }
        if (*p == '\n' && !triple) {
            return NULL;
        }
        if (*p == '\\') {
            p += end - p > 1 ? 2 : 1;
            continue;
        }
        if (formatted && *p == '{') {
            const char *after = NULL;

            if (end - p > 1 && p[1] == '{') {
                p += 2;
                continue;
            }
            after = skip_field(p + 1, end, quote, triple, depth);
            if (after != NULL) {
                p = after;
                continue;
            }
            if (depth > 0) {
                return NULL;
            }
            formatted = false;
        }
        p++;
    }
    return NULL;
}

size_t mmi_field_end(const mmi_text *text, size_t at, size_t limit)
{
    const char *p = text->data + at;
    const char *end = text->data + limit;
    const char *begin = p;
    int depth = 0;

    while (p != NULL && p < end) {
        char c = *p;
        char next = end - p > 1 ? p[1] : '\0';

        if (c == '\'' || c == '"') {
            p = skip_string(p, end, is_formatted(begin, p), 1);
            continue;
        }
        if (depth == 0 && (c == '}' || c == ':' || (c == '!' && next != '='))) {
            return (size_t)(p - text->data);
        }
        if (depth == 0 && strchr("=!<>", c) != NULL && next == '=') {
            p += 2;
            continue;
        }
        if (depth == 0 && c == '=' && (p == begin || strchr("<>", p[-1]) == NULL)) {
            return (size_t)(p - text->data);
        }
        depth += c == '(' || c == '[' || c == '{';
        depth -= c == ')' || c == ']' || c == '}';
        p++;
    }
    return limit;
}

size_t mmi_string_prefix(const char *p, const char *end)
{
    static const char *const pairs[] = {"br", "rb", "fr", "rf"};
    char low[2] = {0};
    size_t size = 0;

    while (size < 2 && p + size < end && strchr("rRbBuUfF", p[size]) != NULL) {
        low[size] = (char)(p[size] | 32);
        size++;
    }
    if (p + size >= end || (p[size] != '\'' && p[size] != '"')) {
        return SIZE_MAX;
    }
    if (size < 2) {
        return size;
    }
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        if (memcmp(low, pairs[i], 2) == 0) {
            return size;
        }
    }
    return SIZE_MAX;
}

const char *mmi_string_end(const char *quote, const char *end, bool formatted)
{
    return skip_string(quote, end, formatted, 0);
}
