/* `config lint`: checks configs without building, as text for people and JSON for
 * programs; and the same check before a run. */
#include "cli/lint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/console.h"
#include "cli/setup.h"
#include "cli/verbs.h"
#include "mmengine/mmengine.h"

/* What is not built here, over all files. */
struct wanted {
    char *name;       /* "mmdet: FPN" */
    size_t places;    /* where it stands */
    size_t files;     /* how many files need it */
    size_t last_file; /* the last one counted */
};

struct totals {
    size_t files, rejected, checked, faults, unknown, unbuilt, imports;
    struct wanted *wanted;
    size_t num_wanted;
    bool is_json, is_brief;
    bool has_printed; /* a finding stands before, for JSON's commas */
    bool has_unbuilt; /* the run needs something that is not built */
    const char *file;
};

/* --- JSON --- */

static void print_json_text(const char *text)
{
    (void)putchar('"');
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            (void)printf("\\%c", *c);
        else if (*c < 0x20)
            (void)printf("\\u%04x", *c);
        else
            (void)putchar(*c);
    }
    (void)putchar('"');
}

static void print_json_field(const char *name, const char *text)
{
    (void)printf(", \"%s\": ", name);
    print_json_text(text);
}

static const char *kind_name(mm_finding_kind kind)
{
    static const char *const names[] = {"fault", "unknown", "not built", "not checked"};

    return names[kind];
}

static void print_json(struct totals *totals, const mm_finding *finding)
{
    (void)printf("%s\n    {\"kind\": \"%s\"", totals->has_printed ? "," : "",
                 kind_name(finding->kind));
    print_json_field("config", totals->file);
    print_json_field("file", finding->source.file != NULL ? finding->source.file
                                                          : totals->file);
    (void)printf(", \"line\": %d, \"column\": %d", (int)finding->source.line,
                 (int)finding->source.column);
    print_json_field("path", finding->path);
    print_json_field("type", finding->type);
    print_json_field("library", finding->library);
    (void)printf(", \"needed\": %s", finding->is_needed ? "true" : "false");
    print_json_field("message", finding->message);
    print_json_field("hint", finding->hint);
    (void)printf("}");
    totals->has_printed = true;
}

/* --- text --- */

static bool is_mistake(const mm_finding *finding)
{
    return finding->kind == MM_FINDING_FAULT || finding->kind == MM_FINDING_UNKNOWN;
}

static void print_text(const struct totals *totals, const mm_finding *finding,
                       FILE *stream)
{
    const char *file =
        finding->source.file != NULL ? finding->source.file : totals->file;
    const char *word = is_mistake(finding) ? "error" : kind_name(finding->kind);

    if (finding->source.line > 0)
        (void)fprintf(stream, "%s:%d:%d: ", file, (int)finding->source.line,
                      (int)finding->source.column);
    else
        (void)fprintf(stream, "%s: ", file);
    (void)fprintf(stream, "%s: %s%s\n", word, finding->message,
                  finding->is_needed || finding->kind == MM_FINDING_FAULT
                      ? ""
                      : " (unused by a run)");
    if (finding->hint[0] != '\0' && is_mistake(finding))
        (void)fprintf(stream, "    hint: %s\n", finding->hint);
}

/* --- counting --- */

static struct wanted *find_wanted(struct totals *totals, const char *name)
{
    for (size_t i = 0; i < totals->num_wanted; i++) {
        if (strcmp(totals->wanted[i].name, name) == 0)
            return &totals->wanted[i];
    }
    struct wanted *grown =
        mm_realloc(totals->wanted, (totals->num_wanted + 1) * sizeof(*grown));

    if (grown == NULL)
        return NULL;
    totals->wanted = grown;
    grown[totals->num_wanted] = (struct wanted){.name = mm_strdup(name)};
    if (grown[totals->num_wanted].name == NULL)
        return NULL;
    return &grown[totals->num_wanted++];
}

static void count_wanted(struct totals *totals, const mm_finding *finding)
{
    char name[256];
    const char *last = strrchr(finding->type, '.');

    (void)snprintf(name, sizeof(name), "%s: %s", finding->library,
                   last != NULL ? last + 1 : finding->type);
    struct wanted *wanted = find_wanted(totals, name);

    if (wanted == NULL)
        return;
    wanted->places++;
    if (wanted->last_file != totals->files) {
        wanted->last_file = totals->files;
        wanted->files++;
    }
}

static void count(struct totals *totals, const mm_finding *finding)
{
    switch (finding->kind) {
    case MM_FINDING_FAULT:
        totals->faults++;
        break;
    case MM_FINDING_UNKNOWN:
        totals->unknown++;
        break;
    case MM_FINDING_UNBUILT:
        totals->unbuilt++;
        totals->has_unbuilt = totals->has_unbuilt || finding->is_needed;
        count_wanted(totals, finding);
        break;
    case MM_FINDING_IMPORT:
        totals->imports++;
        break;
    }
}

static void take_finding(void *user, const mm_finding *finding)
{
    struct totals *totals = user;

    count(totals, finding);
    if (totals->is_json)
        print_json(totals, finding);
    else if (!totals->is_brief || is_mistake(finding))
        print_text(totals, finding, stdout);
}

/* --- files --- */

/* A file that cannot be read is a finding too. */
static void report_rejected(struct totals *totals)
{
    mm_error error;

    (void)mm_error_take(&error);
    totals->rejected++;
    if (totals->is_json) {
        print_json(totals, &(mm_finding){.path = "",
                                         .type = "",
                                         .library = "",
                                         .is_needed = true,
                                         .message = error.message,
                                         .hint = error.hint});
        return;
    }
    (void)printf("%s: error: could not be read: %s\n", totals->file, error.message);
    if (error.hint[0] != '\0')
        (void)printf("    hint: %s\n", error.hint);
}

static void lint_file(struct totals *totals, const char *path, bool with_plugins)
{
    mm_config *config = mm_config_from_file(path, NULL);
    size_t checked = 0;

    totals->files++;
    totals->file = path;
    if (config != NULL && with_plugins)
        (void)mm_plugin_import(&(mm_import_args){
            .imports = mm_config_find(config, "custom_imports"), .config_file = path});
    if (!mm_has_error())
        (void)mm_config_lint(&(mm_lint_args){.config = config,
                                             .visit = take_finding,
                                             .user = totals,
                                             .has_plugins = with_plugins},
                             &checked);
    totals->checked += checked;
    if (mm_has_error())
        report_rejected(totals);
    mm_config_unref(config);
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void lint_path(struct totals *totals, const char *path, bool with_plugins,
                      int depth);

/* All `.py` files below a folder, in the order of their names. */
static void lint_folder(struct totals *totals, const char *path, bool with_plugins,
                        int depth)
{
    mm_value *list = mm_list_dir(path);
    size_t count = list != NULL ? mm_value_len(list) : 0;
    const char **names = mm_alloc_array(count + 1, sizeof(*names));

    for (size_t i = 0; names != NULL && i < count; i++)
        names[i] = mm_value_str(mm_list_get(list, i));
    if (names != NULL)
        qsort(names, count, sizeof(*names), compare_texts);
    for (size_t i = 0; names != NULL && i < count; i++) {
        char *inner = mm_path_join(path, names[i]);
        bool is_folder = inner != NULL && mm_file_is_dir(inner);

        if (is_folder ? names[i][0] != '.' && strcmp(names[i], "__pycache__") != 0
                      : strcmp(mm_path_extension(names[i]), ".py") == 0 &&
                            strcmp(names[i], "__init__.py") != 0)
            lint_path(totals, inner, with_plugins, depth + 1);
        mm_free(inner);
    }
    mm_free(names);
    mm_value_unref(list);
}

static void lint_path(struct totals *totals, const char *path, bool with_plugins,
                      int depth)
{
    if (path == NULL || depth > 64)
        return;
    if (mm_file_is_dir(path)) {
        lint_folder(totals, path, with_plugins, depth);
        return;
    }
    lint_file(totals, path, with_plugins);
}

/* --- the end --- */

static int compare_wanted(const void *a, const void *b)
{
    const struct wanted *x = a;
    const struct wanted *y = b;

    if (x->files != y->files)
        return x->files < y->files ? 1 : -1;
    return strcmp(x->name, y->name);
}

static void print_wanted(struct totals *totals)
{
    enum { SHOWN = 20 };
    size_t shown = totals->num_wanted < SHOWN ? totals->num_wanted : SHOWN;

    if (shown == 0)
        return;
    qsort(totals->wanted, totals->num_wanted, sizeof(*totals->wanted), compare_wanted);
    (void)printf("known, but not built here%s:\n",
                 totals->num_wanted > shown ? " (the most wanted)" : "");
    for (size_t i = 0; i < shown; i++)
        (void)printf("    %-48s %zu file%s\n", totals->wanted[i].name,
                     totals->wanted[i].files, totals->wanted[i].files == 1 ? "" : "s");
    if (totals->num_wanted > shown)
        (void)printf("    and %zu more; --all lists every place\n",
                     totals->num_wanted - shown);
}

static void print_summary(struct totals *totals)
{
    size_t mistakes = totals->faults + totals->unknown + totals->rejected;

    if (totals->is_json) {
        (void)printf("%s], \"files\": %zu, \"rejected\": %zu, \"checked\": %zu, "
                     "\"faults\": %zu, \"unknown\": %zu, \"not_built\": %zu, "
                     "\"not_checked\": %zu}\n",
                     totals->has_printed ? "\n" : "", totals->files, totals->rejected,
                     totals->checked, totals->faults, totals->unknown, totals->unbuilt,
                     totals->imports);
        return;
    }
    if (totals->is_brief)
        print_wanted(totals);
    (void)printf("%zu file%s, %zu component%s found here: %zu mistake%s (%zu unknown, "
                 "%zu unreadable), %zu place%s not built here, %zu not checked\n",
                 totals->files, totals->files == 1 ? "" : "s", totals->checked,
                 totals->checked == 1 ? "" : "s", mistakes, mistakes == 1 ? "" : "s",
                 totals->unknown, totals->rejected, totals->unbuilt,
                 totals->unbuilt == 1 ? "" : "s", totals->imports);
}

static void free_totals(struct totals *totals)
{
    for (size_t i = 0; i < totals->num_wanted; i++)
        mm_free(totals->wanted[i].name);
    mm_free(totals->wanted);
}

int cli_config_lint(const struct cli_args *args)
{
    const struct cli_given *files = cli_get(args, "FILE");
    const char *format = cli_text(args, "format");
    struct totals totals = {.is_json = format != NULL && strcmp(format, "json") == 0};
    int code = cli_register();

    if (code != CLI_DONE)
        return code;
    for (size_t i = 0; i < files->count; i++) {
        if (!mm_file_exists(files->words[i])) {
            mm_raise(MM_ENOENT, "could not open config '%s': no such file",
                     files->words[i]);
            return cli_report();
        }
    }
    totals.is_brief = !cli_is_given(args, "all") &&
                      (files->count > 1 || mm_file_is_dir(files->words[0]));
    if (totals.is_json)
        (void)printf("{\"findings\": [");
    for (size_t i = 0; i < files->count; i++)
        lint_path(&totals, files->words[i], cli_is_given(args, "plugins"), 0);
    print_summary(&totals);
    free_totals(&totals);
    return totals.faults + totals.unknown + totals.rejected > 0 ? CLI_USAGE
           : totals.has_unbuilt                                 ? CLI_FAILED
                                                                : CLI_DONE;
}

/* --- before a run --- */

struct findings {
    struct totals totals;
    size_t shown;
};

/* What the run needs and cannot have; what it leaves alone is no error. */
static void take_needed(void *user, const mm_finding *finding)
{
    struct findings *findings = user;
    char message[MM_ERROR_MESSAGE_SIZE + 256];

    if (!finding->is_needed)
        return;
    if (finding->source.file != NULL)
        (void)snprintf(message, sizeof(message), "%s:%d:%d: %s", finding->source.file,
                       (int)finding->source.line, (int)finding->source.column,
                       finding->message);
    else
        (void)snprintf(message, sizeof(message), "%s", finding->message);
    cli_print_error(message, finding->hint);
    findings->shown++;
}

int cli_lint_run(mm_config *config, unsigned flags)
{
    struct findings findings = {0};

    if (mm_config_lint(&(mm_lint_args){.config = config,
                                       .visit = take_needed,
                                       .user = &findings,
                                       .flags = flags | MM_LINT_STRICT,
                                       .has_plugins = true},
                       NULL) != MM_OK)
        return cli_report_config();
    return findings.shown > 0 ? CLI_USAGE : CLI_DONE;
}
