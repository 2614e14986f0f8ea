/* Calls that are banned, everywhere or outside the folder that wraps them, and C++ or
 * OpenMP outside the bridge. */
#include <string.h>

#include "lint.h"

struct ban {
    const char *rule;
    const char *words;          /* separated by blanks, with blanks at both ends */
    const char *const *allowed; /* path prefixes, NULL at the end */
    const char *instead;
    bool is_call; /* only when a '(' follows */
};

static const char *const nowhere[] = {NULL};
static const char *const base_and_tests[] = {"src/base/", "tests/", "tools/",
                                             "benchmarks/", NULL};
static const char *const base_only[] = {"src/base/", "tests/", "tools/", NULL};
static const char *const programs[] = {"src/cli/",  "tests/",      "tools/",
                                       "examples/", "benchmarks/", NULL};
static const char *const streams[] = {"src/cli/",  "src/logging/", "tests/", "tools/",
                                      "examples/", "benchmarks/",  NULL};

static const struct ban bans[] = {
    {"banned-call",
     " strcpy strcat stpcpy sprintf vsprintf strtok atoi atol atoll atof "
     "gets ",
     nowhere, "writes or parses without bounds", true},
    {"allocation",
     " malloc calloc realloc free aligned_alloc posix_memalign strdup strndup ",
     base_and_tests, "use mm_alloc and its kin", true},
    {"prints", " printf vprintf puts putchar perror ", programs,
     "the library never prints; use mm_log", true},
    {"prints", " stdout stderr ", streams, "the library never prints; use mm_log",
     false},
    {"exits", " exit _exit _Exit quick_exit abort ", programs,
     "the library never ends the process; raise an error", true},
    {"locale", " strtod strtof strtold setlocale localeconv uselocale ", base_only,
     "use mm_f64_parse and mm_f64_format", true},
};

static bool has_word(const char *words, const char *word, size_t length)
{
    for (const char *at = words; *at != '\0';) {
        at += strspn(at, " ");
        if (strcspn(at, " ") == length && memcmp(at, word, length) == 0 && length > 0) {
            return true;
        }
        at += strcspn(at, " ");
    }
    return false;
}

static bool is_allowed(const struct source *source, const char *const *prefixes)
{
    for (; *prefixes != NULL; prefixes++) {
        if (source_is_in(source, *prefixes)) {
            return true;
        }
    }
    return false;
}

/* A member of that name (ops->free(x), .free = ...) is somebody else. */
static bool is_member(const struct source *source, size_t begin)
{
    while (begin > 0 && source->code[begin - 1] == ' ') {
        begin--;
    }
    return begin > 0 && (source->code[begin - 1] == '.' ||
                         (begin > 1 && source->code[begin - 1] == '>' &&
                          source->code[begin - 2] == '-'));
}

static bool is_called(const struct source *source, size_t end)
{
    return source->code[end + strspn(source->code + end, " \n")] == '(';
}

/* `(*free)(void *)` and `void free(...)` inside a struct declare a member. */
static bool is_function_pointer(const struct source *source, size_t begin)
{
    return begin > 1 && source->code[begin - 1] == '*' &&
           source->code[begin - 2] == '(';
}

static void visit(const struct source *source, size_t begin, size_t length)
{
    for (size_t i = 0; i < sizeof(bans) / sizeof(*bans); i++) {
        const struct ban *ban = &bans[i];

        if (has_word(ban->words, source->code + begin, length) &&
            !is_allowed(source, ban->allowed) && !is_member(source, begin) &&
            !is_function_pointer(source, begin) &&
            (!ban->is_call || is_called(source, begin + length))) {
            report(source, source_line(source, begin), ban->rule, "%.*s: %s",
                   (int)length, source->code + begin, ban->instead);
        }
    }
}

void check_calls(const struct source *source)
{
    if (source->is_c || source->is_cpp) {
        source_each_word(source, visit);
    }
}

/* `#pragma omp` or the operator form, in code. */
static void check_omp(const struct source *source)
{
    const char *at = source->code;

    if (source_is_in(source, "src/torch/parallel.")) {
        return;
    }
    while ((at = strstr(at, "pragma")) != NULL) {
        const char *next = at + strlen("pragma");

        next += strspn(next, " \t");
        if (strncmp(next, "omp", 3) == 0 && !is_word_char(next[3])) {
            report(source, source_line(source, (size_t)(at - source->code)), "omp",
                   "OpenMP is used in src/torch/parallel.cpp alone");
        }
        at = next;
    }
    for (at = source->code; (at = strstr(at, "_Pragma")) != NULL; at += 7) {
        const char *text = source->text + (at - source->code) + 7;

        if (strncmp(text, "(\"omp", 5) == 0) {
            report(source, source_line(source, (size_t)(at - source->code)), "omp",
                   "OpenMP is used in src/torch/parallel.cpp alone");
        }
    }
}

void check_languages(const struct source *source)
{
    if (source->is_cpp && !source_is_in(source, "src/torch/")) {
        report(source, 1, "language", "C++ belongs to src/torch");
    }
    if (source->is_c || source->is_cpp) {
        check_omp(source);
    }
}
