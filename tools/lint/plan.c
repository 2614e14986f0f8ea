/* The order of folders. CMakeLists.txt is its only home; the lint reads it there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lint.h"

static char *read_file(const char *root, const char *name)
{
    char path[4096];
    FILE *file = NULL;
    char *text = NULL;
    size_t size = 0;

    (void)snprintf(path, sizeof(path), "%s/%s", root, name);
    file = fopen(path, "rb");
    text = calloc(1, 1u << 20);
    if (file != NULL && text != NULL) {
        size = fread(text, 1, (1u << 20) - 1, file);
        text[size] = '\0';
    }
    if (file == NULL || size == 0) {
        fprintf(stderr, "mm_lint: could not read '%s'\n", path);
        free(text);
        text = NULL;
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return text;
}

static void add_folder(struct plan *plan, const char *name, size_t length)
{
    if (plan->num_folders < LINT_MAX_FOLDERS && length < LINT_NAME_SIZE) {
        char *to = plan->folders[plan->num_folders++];

        memcpy(to, name, length);
        to[length] = '\0';
    }
}

/* Words of `set(MM_FOLDERS ... )`; the program comes after them all. */
static bool load_folders(struct plan *plan, const char *text)
{
    const char *at = strstr(text, "set(MM_FOLDERS");
    size_t length = 0;

    if (at == NULL) {
        fprintf(stderr, "mm_lint: no set(MM_FOLDERS ...) in CMakeLists.txt\n");
        return false;
    }
    at += strlen("set(MM_FOLDERS");
    for (at += strspn(at, " \r\n\t"); *at != ')' && *at != '\0'; at += length) {
        length = strcspn(at, " \r\n\t)");
        add_folder(plan, at, length);
        at += length;
        length = strspn(at, " \r\n\t");
    }
    add_folder(plan, "cli", 3);
    return true;
}

/* Lines "folder: a.h b.h"; '#' begins a comment. */
static bool load_headers(struct plan *plan, char *text)
{
    char *next = NULL;

    for (char *line = text; line != NULL; line = next) {
        char *colon = NULL;
        int rank = 0;

        next = strchr(line, '\n');
        if (next != NULL) {
            *next++ = '\0';
        }
        colon = strchr(line, ':');
        if (*line == '#' || colon == NULL) {
            continue;
        }
        rank = plan_rank(plan, line, (size_t)(colon - line));
        if (rank < 0) {
            fprintf(stderr,
                    "mm_lint: headers.txt names a folder that is not there: %s\n",
                    line);
            return false;
        }
        for (char *at = colon + 1 + strspn(colon + 1, " \t"); *at != '\0';) {
            size_t length = strcspn(at, " \t\r");

            if (plan->num_headers < LINT_MAX_HEADERS && length < LINT_NAME_SIZE) {
                memcpy(plan->headers[plan->num_headers], at, length);
                plan->headers[plan->num_headers][length] = '\0';
                plan->header_folders[plan->num_headers++] = rank;
            }
            at += length;
            at += strspn(at, " \t\r");
        }
    }
    return true;
}

bool plan_load(struct plan *plan, const char *root)
{
    char *order = read_file(root, "CMakeLists.txt");
    char *headers = order != NULL ? read_file(root, "tools/lint/headers.txt") : NULL;
    bool ok = false;

    memset(plan, 0, sizeof(*plan));
    ok = order != NULL && headers != NULL && load_folders(plan, order) &&
         load_headers(plan, headers);
    free(order);
    free(headers);
    return ok;
}

/* The bridge stands beside `tensor`, the one folder that talks to it. */
int plan_rank(const struct plan *plan, const char *folder, size_t length)
{
    if (length == strlen("torch") && memcmp(folder, "torch", length) == 0) {
        return plan_rank(plan, "tensor", strlen("tensor"));
    }
    for (int i = 0; i < plan->num_folders; i++) {
        if (strlen(plan->folders[i]) == length &&
            memcmp(plan->folders[i], folder, length) == 0) {
            return i;
        }
    }
    return -1;
}

int plan_header_rank(const struct plan *plan, const char *header, size_t length)
{
    for (int i = 0; i < plan->num_headers; i++) {
        if (strlen(plan->headers[i]) == length &&
            memcmp(plan->headers[i], header, length) == 0) {
            return plan->header_folders[i];
        }
    }
    return -1;
}
