/* Length of functions, from the first line of the signature to the closing brace. */
#include <string.h>

#include "lint.h"

/* One past the brace that closes the one at `open`, or the end of the file. */
static size_t matching_brace(const struct source *source, size_t open)
{
    int depth = 0;

    for (size_t i = open; i < source->size; i++) {
        depth += source->code[i] == '{';
        depth -= source->code[i] == '}';
        if (depth == 0) {
            return i + 1;
        }
    }
    return source->size;
}

/* One past a preprocessor directive with its continuation lines. */
static size_t skip_directive(const struct source *source, size_t i)
{
    while (i < source->size && source->code[i] != '\n') {
        if (source->code[i] == '\\' && i + 1 < source->size) {
            i++;
        }
        i++;
    }
    return i;
}

static size_t skip_blanks(const struct source *source, size_t i)
{
    return i + strspn(source->code + i, " \t\r\n");
}

/* Does `{` at `open` begin a body? Its declarator ends in `)`, perhaps with words after
 * (const, noexcept), and nothing is assigned. */
static bool begins_body(const struct source *source, size_t begin, size_t open)
{
    int parens = 0;
    size_t last = open;

    for (size_t i = begin; i < open; i++) {
        parens += source->code[i] == '(';
        parens -= source->code[i] == ')';
        if (source->code[i] == '=' && parens == 0) {
            return false;
        }
    }
    while (last > begin && (is_word_char(source->code[last - 1]) ||
                            strchr(" \t\r\n", source->code[last - 1]) != NULL)) {
        last--;
    }
    return last > begin && source->code[last - 1] == ')';
}

static size_t check_body(const struct source *source, size_t begin, size_t open)
{
    size_t end = matching_brace(source, open);
    int first = source_line(source, skip_blanks(source, begin));
    int lines = source_line(source, end) - first + 1;

    if (lines > LINT_MAX_FUNCTION_LINES) {
        report(source, first, "function-length", "%d lines, at most %d", lines,
               LINT_MAX_FUNCTION_LINES);
    }
    return end;
}

void check_functions(const struct source *source)
{
    size_t begin = 0; /* of the declaration at hand */

    if (!source->is_c && !source->is_cpp) {
        return;
    }
    for (size_t i = 0; i < source->size;) {
        char c = source->code[i];

        if (c == '#' &&
            source->code[begin + strspn(source->code + begin, " \n")] == '#') {
            i = skip_directive(source, i);
            begin = i;
        } else if (c == '{' && begins_body(source, begin, i)) {
            i = check_body(source, begin, i);
            begin = i;
        } else {
            i++;
            if (c == '{' || c == '}' || c == ';') {
                begin = i;
            }
        }
    }
}
