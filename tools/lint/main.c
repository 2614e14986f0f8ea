/* mm_lint ROOT [PLAN] < LIST: checks the files named on the standard input, one path a
 * line, relative to ROOT. PLAN is the folder whose CMakeLists.txt gives the order of
 * folders, by default ROOT. Prints findings; exit status 0 none, 1 some, 2 could not
 * run. */
#include <stdio.h>
#include <string.h>

#include "lint.h"

static void check_file(const char *root, const struct plan *plan, const char *path)
{
    struct source source;

    if (!source_load(&source, root, path)) {
        return; /* binary, a link into nowhere, or deleted since it was listed */
    }
    check_includes(&source, plan);
    check_calls(&source);
    check_languages(&source);
    check_functions(&source);
    check_declarations(&source);
    check_text(&source);
    source_free(&source);
}

int main(int argc, char **argv)
{
    static struct plan plan;
    char path[4096];
    int num_files = 0;

    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: mm_lint ROOT [PLAN] < LIST\n");
        return 2;
    }
    if (!plan_load(&plan, argv[argc - 1])) {
        return 2;
    }
    while (fgets(path, sizeof(path), stdin) != NULL) {
        path[strcspn(path, "\r\n")] = '\0';
        if (path[0] != '\0') {
            check_file(argv[1], &plan, path);
            num_files++;
        }
    }
    fprintf(stderr, "mm_lint: %d files, %d findings\n", num_files, num_findings());
    return num_findings() > 0;
}
