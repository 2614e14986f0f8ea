/* Include direction. A file of src/<folder> sees its own folder and those before it; a
 * public header sees those of its own folder and those before it; zoo and examples see
 * public headers only; libtorch's headers are for the bridge. */
#include <string.h>

#include "lint.h"

struct include {
    const char *name; /* between the quotes */
    size_t length;
    size_t first; /* length of the part before the first '/', or 0 */
    int line;
    bool is_quoted;
};

static bool begins_with(const struct include *include, const char *prefix)
{
    size_t length = strlen(prefix);

    return include->length >= length && memcmp(include->name, prefix, length) == 0;
}

static bool is_name(const struct include *include, const char *name)
{
    return include->length == strlen(name) && begins_with(include, name);
}

/* Headers of the operating system; the rest of the tree goes through base/os. */
static bool is_os_header(const struct include *include)
{
    static const char *const names[] = {
        "unistd.h",  "pthread.h", "dlfcn.h",  "fcntl.h",  "dirent.h",    "poll.h",
        "sched.h",   "spawn.h",   "netdb.h",  "glob.h",   "semaphore.h", "fnmatch.h",
        "ftw.h",     "pwd.h",     "grp.h",    "aio.h",    "termios.h",   "regex.h",
        "windows.h", "io.h",      "direct.h", "syslog.h", "wordexp.h",   "langinfo.h",
    };
    static const char *const folders[] = {"sys/", "arpa/",  "netinet/",
                                          "net/", "linux/", "mach/"};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (is_name(include, names[i])) {
            return true;
        }
    }
    for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
        if (begins_with(include, folders[i])) {
            return true;
        }
    }
    return false;
}

static bool is_torch_header(const struct include *include)
{
    return begins_with(include, "ATen/") || begins_with(include, "c10/") ||
           begins_with(include, "caffe2/") ||
           (!include->is_quoted && begins_with(include, "torch/"));
}

/* The bridge links nothing of base, so it has a place of its own. */
static bool may_use_os(const struct source *source)
{
    return source_is_in(source, "src/base/os_") ||
           source_is_in(source, "src/cli/os_") ||
           source_is_in(source, "src/torch/runtime.") ||
           source_is_in(source, "tests/") || source_is_in(source, "tools/") ||
           source_is_in(source, "benchmarks/");
}

static void check_system(const struct source *source, const struct include *include)
{
    if (is_os_header(include) && !may_use_os(source)) {
        report(source, include->line, "os-header",
               "<%.*s> belongs to os_* of src/base or src/cli", (int)include->length,
               include->name);
    }
    if (is_torch_header(include) && !source_is_in(source, "src/torch/")) {
        report(source, include->line, "torch-header", "<%.*s> belongs to src/torch",
               (int)include->length, include->name);
    }
}

/* Rank of what a quoted include names: public header or folder; -1 if neither. */
static int include_rank(const struct include *include, const struct plan *plan)
{
    if (begins_with(include, "mmengine/")) {
        return plan_header_rank(plan, include->name + 9, include->length - 9);
    }
    return plan_rank(plan, include->name, include->first);
}

static void check_order(const struct source *source, const struct include *include,
                        const struct plan *plan, int own, const char *own_name)
{
    int rank = include_rank(include, plan);

    if (rank < 0 && include->first > 0) {
        report(source, include->line, "include-order",
               begins_with(include, "mmengine/")
                   ? "\"%.*s\" has no folder in tools/lint/headers.txt"
                   : "\"%.*s\" is in no folder of the ground plan",
               (int)include->length, include->name);
    } else if (rank > own) {
        report(source, include->line, "include-order",
               "\"%.*s\" belongs to '%s', which stands after '%s'",
               (int)include->length, include->name, plan->folders[rank], own_name);
    }
}

/* The bridge's interface is for the folders that forward to it. */
static void check_bridge(const struct source *source, const struct include *include)
{
    static const char *const users[] = {"torch", "tensor", "device", "dist"};

    if (!begins_with(include, "torch/") || source->folder[0] == '\0') {
        return;
    }
    for (size_t i = 0; i < sizeof(users) / sizeof(*users); i++) {
        if (strcmp(source->folder, users[i]) == 0) {
            return;
        }
    }
    report(source, include->line, "include-order",
           "\"%.*s\": use the tensor folder's calls", (int)include->length,
           include->name);
}

static void check_public_only(const struct source *source,
                              const struct include *include, const struct plan *plan)
{
    if (include->first > 0 && !begins_with(include, "mmengine/") &&
        plan_rank(plan, include->name, include->first) >= 0) {
        report(source, include->line, "public-only",
               "\"%.*s\" is private; only mmengine/*.h may be used here",
               (int)include->length, include->name);
    }
}

static void check_quoted(const struct source *source, const struct include *include,
                         const struct plan *plan)
{
    if (begins_with(include, "../") || begins_with(include, "./")) {
        report(source, include->line, "include-order",
               "\"%.*s\": name the folder instead", (int)include->length,
               include->name);
    } else if (source->folder[0] != '\0') {
        int own = plan_rank(plan, source->folder, strlen(source->folder));

        if (own < 0) {
            report(source, 1, "include-order", "folder '%s' is not in MM_FOLDERS",
                   source->folder);
        } else {
            check_order(source, include, plan, own, source->folder);
            check_bridge(source, include);
        }
    } else if (source_is_in(source, "include/mmengine/")) {
        const char *name = source->path + strlen("include/mmengine/");
        int own = plan_header_rank(plan, name, strlen(name));

        if (own < 0) {
            report(source, 1, "include-order",
                   "say in tools/lint/headers.txt which folder this header belongs to");
        } else {
            check_order(source, include, plan, own, plan->folders[own]);
        }
    } else if (source_is_in(source, "zoo/") || source_is_in(source, "examples/")) {
        check_public_only(source, include, plan);
    }
}

/* Reads `#include <...>` or "..." at the start of a line. */
static bool parse_include(const char *line, struct include *out)
{
    const char *at = line + strspn(line, " \t");
    char close = '\0';

    if (*at != '#') {
        return false;
    }
    at += 1 + strspn(at + 1, " \t");
    if (strncmp(at, "include", 7) != 0) {
        return false;
    }
    at += 7 + strspn(at + 7, " \t");
    if (*at != '"' && *at != '<') {
        return false;
    }
    close = *at == '"' ? '"' : '>';
    out->is_quoted = *at == '"';
    out->name = at + 1;
    out->length = strcspn(at + 1, close == '"' ? "\"\n" : ">\n");
    out->first = strcspn(at + 1, "/\"\n>");
    if (out->first >= out->length) {
        out->first = 0;
    }
    return true;
}

void check_includes(const struct source *source, const struct plan *plan)
{
    int line = 1;

    if (!source->is_c && !source->is_cpp) {
        return;
    }
    for (size_t i = 0; i < source->size; line++) {
        struct include include = {.line = line};
        size_t length = strcspn(source->text + i, "\n");

        /* The masked copy tells an include in a comment from a real one. */
        if (memchr(source->code + i, '#', length) != NULL &&
            parse_include(source->text + i, &include)) {
            check_system(source, &include);
            if (include.is_quoted) {
                check_quoted(source, &include, plan);
            }
        }
        i += length + 1;
    }
}
