/* Rules for any text: no stray blanks, no notes to self, no paths of somebody's
 * machine, no endless files. */
#include <string.h>

#include "lint.h"

static bool begins_path(char before)
{
    return !is_word_char(before) && strchr(".~})]-/*", before) == NULL;
}

/* Folders that exist on one machine only. Split, so that this file passes itself. */
static void check_machine_path(const struct source *source, const char *line,
                               size_t length, int number)
{
    static const char *const folders[] = {"/tm"
                                          "p",
                                          "/roo"
                                          "t",
                                          "/hom"
                                          "e",
                                          "/wor"
                                          "k",
                                          "/User"
                                          "s",
                                          "/op"
                                          "t",
                                          "/mn"
                                          "t",
                                          "/scratc"
                                          "h"};

    for (size_t f = 0; f < sizeof(folders) / sizeof(*folders); f++) {
        size_t size = strlen(folders[f]);

        for (size_t i = 0; i + size <= length; i++) {
            char after = i + size < length ? line[i + size] : ' ';

            if (memcmp(line + i, folders[f], size) == 0 &&
                (i == 0 || begins_path(line[i - 1])) && !is_word_char(after) &&
                after != '.' && after != '-') {
                report(source, number, "machine-path", "%s is a path of one machine",
                       folders[f]);
                return;
            }
        }
    }
}

static void check_notes(const struct source *source, const char *line, size_t length,
                        int number)
{
    static const char *const notes[] = {"TO"
                                        "DO",
                                        "FIX"
                                        "ME",
                                        "XX"
                                        "X",
                                        "HAC"
                                        "K"};

    for (size_t n = 0; n < sizeof(notes) / sizeof(*notes); n++) {
        size_t size = strlen(notes[n]);

        for (size_t i = 0; i + size <= length; i++) {
            if (memcmp(line + i, notes[n], size) == 0 &&
                (i == 0 || !is_word_char(line[i - 1])) &&
                (i + size == length || !is_word_char(line[i + size]))) {
                report(source, number, "note", "%s: do it or open an issue", notes[n]);
                return;
            }
        }
    }
}

static void check_line(const struct source *source, const char *line, size_t length,
                       int number)
{
    if (length > 0 && line[length - 1] == '\r') {
        report(source, number, "whitespace", "the line ends in a carriage return");
    } else if (length > 0 && (line[length - 1] == ' ' || line[length - 1] == '\t')) {
        report(source, number, "whitespace", "blanks at the end of the line");
    }
    if ((source->is_c || source->is_cpp) && memchr(line, '\t', length) != NULL) {
        report(source, number, "whitespace", "a tab; indent with blanks");
    }
    check_machine_path(source, line, length, number);
    check_notes(source, line, length, number);
}

/* src/<folder>/README.md: what it is, entry points, differences; no more. */
static bool is_folder_readme(const struct source *source)
{
    return source->folder[0] != '\0' &&
           strcmp(source->path + 4 + strlen(source->folder), "/README.md") == 0;
}

void check_text(const struct source *source)
{
    int lines = 0;

    for (size_t i = 0; i < source->size;) {
        size_t length = strcspn(source->text + i, "\n");

        check_line(source, source->text + i, length, ++lines);
        i += length + 1;
    }
    if (source->size > 0 && source->text[source->size - 1] != '\n') {
        report(source, lines, "whitespace", "no newline at the end of the file");
    }
    if ((source->is_c || source->is_cpp) && lines > LINT_MAX_FILE_LINES) {
        report(source, 1, "file-length", "%d lines, at most %d", lines,
               LINT_MAX_FILE_LINES);
    }
    if (is_folder_readme(source) && lines > LINT_MAX_README_LINES) {
        report(source, 1, "file-length", "%d lines, at most %d", lines,
               LINT_MAX_README_LINES);
    }
}
