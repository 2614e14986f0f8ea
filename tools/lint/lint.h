/* The lint of this repository: rules that compilers and clang-tidy do not know.
 *
 * A rule looks at one file and reports findings; it never changes anything. A line that
 * breaks a rule for a good reason says so itself, in a comment on it or just above it:
 * `lint: allow <rule>, <reason>`.
 */
#ifndef MM_LINT_H
#define MM_LINT_H

#include <stdbool.h>
#include <stddef.h>

enum {
    LINT_MAX_FOLDERS = 64,
    LINT_NAME_SIZE = 64,
    LINT_MAX_HEADERS = 256,
    LINT_MAX_FILE_LINES = 1000,
    LINT_MAX_FUNCTION_LINES = 80,
    LINT_MAX_README_LINES = 20
};

/* The ground plan: folders of src/ in their order, and the folder of each public
 * header. */
struct plan {
    int num_folders;
    char folders[LINT_MAX_FOLDERS][LINT_NAME_SIZE];
    int num_headers;
    char headers[LINT_MAX_HEADERS][LINT_NAME_SIZE];
    int header_folders[LINT_MAX_HEADERS]; /* index into folders */
};

/* A file, its text, and its text with comments and literals blanked out. */
struct source {
    const char *path; /* relative to the root, with '/' */
    char *text;       /* zero-terminated */
    char *code;       /* same length; contents of comments and literals are blanks */
    size_t size;
    char folder[LINT_NAME_SIZE]; /* X of src/X/..., else "" */
    bool is_c;                   /* .c or .h */
    bool is_cpp;                 /* any spelling of C++ */
    bool is_header;
};

/* ---- report.c */

/* Prints one finding unless the line allows it. Lines count from 1. */
void report(const struct source *source, int line, const char *rule, const char *format,
            ...) __attribute__((format(printf, 4, 5)));

/* Findings so far, in all files. */
int num_findings(void);

/* ---- plan.c */

/* Reads the order from `root`/CMakeLists.txt and the headers from
 * `root`/tools/lint/headers.txt. False, with a message, if either cannot be read. */
bool plan_load(struct plan *plan, const char *root);

/* Place of a folder in the order, or -1. */
int plan_rank(const struct plan *plan, const char *folder, size_t length);

/* Place of the folder a public header belongs to, or -1. */
int plan_header_rank(const struct plan *plan, const char *header, size_t length);

/* ---- source.c */

/* Reads a file below root. False if it cannot be read, or is binary. */
bool source_load(struct source *source, const char *root, const char *path);
void source_free(struct source *source);

/* The line of an offset into the text, from 1. */
int source_line(const struct source *source, size_t offset);

/* Does the path begin with this? */
bool source_is_in(const struct source *source, const char *prefix);

/* Calls `visit` for every identifier of the code. */
void source_each_word(const struct source *source,
                      void (*visit)(const struct source *source, size_t begin,
                                    size_t length));

/* Is the word at `begin` this one? */
bool source_word_is(const struct source *source, size_t begin, size_t length,
                    const char *word);

/* Is a character part of an identifier? Plain ASCII, whatever the locale. */
bool is_word_char(char c);

/* ---- the rules */
void check_includes(const struct source *source, const struct plan *plan);
void check_calls(const struct source *source);
void check_languages(const struct source *source);
void check_functions(const struct source *source);
void check_declarations(const struct source *source);
void check_text(const struct source *source);

#endif
