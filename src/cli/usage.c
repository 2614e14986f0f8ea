/* Help, man page and completion scripts, all written from the tables of verbs.c. */
#include <stdio.h>
#include <string.h>

#include "cli/console.h"
#include "cli/verbs.h"

enum { COLUMN = 26 };

/* --- help --- */

/* Words from column `indent` on, broken at the terminal's width. */
static void print_wrapped(FILE *out, size_t indent, size_t at, const char *words)
{
    size_t width = (size_t)cli_width();

    while (*words != '\0') {
        size_t size = strcspn(words, " ");

        if (at > indent && at + 1 + size > width) {
            (void)fprintf(out, "\n%*s", (int)indent, "");
            at = indent;
        } else if (at > indent) {
            (void)fputc(' ', out);
            at++;
        }
        (void)fprintf(out, "%.*s", (int)size, words);
        at += size;
        words += size;
        words += strspn(words, " ");
    }
    (void)fputc('\n', out);
}

static void print_row(FILE *out, const char *head, const char *help)
{
    size_t size = strlen(head);

    (void)fprintf(out, "  %s", head);
    if (size + 4 > COLUMN) {
        (void)fprintf(out, "\n%*s", COLUMN, "");
    } else {
        (void)fprintf(out, "%*s", (int)(COLUMN - 2 - size), "");
    }
    print_wrapped(out, COLUMN, COLUMN, help);
}

/* "--resume [PATH]", "-o, --out FILE" */
static void head_of(const struct cli_option *option, char *out, size_t out_size)
{
    bool maybe = option->kind == CLI_MAYBE;

    (void)snprintf(out, out_size, "%s%c%s--%s%s%s%s%s", option->letter ? "-" : "",
                   option->letter ? option->letter : ' ', option->letter ? ", " : "   ",
                   option->name, option->value != NULL ? " " : "", maybe ? "[" : "",
                   option->value != NULL ? option->value : "", maybe ? "]" : "");
}

/* The help of a row, with the words it takes. */
static void with_choices(const struct cli_option *option, char *out, size_t out_size)
{
    (void)snprintf(out, out_size, "%s%s%s%s%s", option->help,
                   option->choices != NULL ? " (" : "",
                   option->choices != NULL ? option->choices : "",
                   option->choices != NULL ? ")" : "",
                   option->missing != NULL ? " [not available yet]" : "");
}

static void print_options(FILE *out, const struct cli_option *options)
{
    char head[96];
    char help[512];

    for (; options != NULL && options->name != NULL; options++) {
        head_of(options, head, sizeof(head));
        with_choices(options, help, sizeof(help));
        print_row(out, head, help);
    }
}

/* "mmengine plugin new KIND NAME [options]" */
static void print_synopsis(FILE *out, const struct cli_verb *parent,
                           const struct cli_verb *verb)
{
    (void)fprintf(out, "mmengine %s%s%s", parent != NULL ? parent->name : "",
                  parent != NULL ? " " : "", verb->name);
    if (verb->verbs != NULL) {
        (void)fputs(" VERB", out);
    }
    for (const struct cli_option *a = verb->arguments; a && a->name; a++) {
        (void)fprintf(out, a->is_required ? " %s%s" : " [%s%s]", a->name,
                      a->kind == CLI_PATHS ? " ..." : "");
    }
    if (verb->options != NULL) {
        (void)fputs(" [options]", out);
    }
}

static void print_verbs(FILE *out, const struct cli_verb *verbs)
{
    for (; verbs->name != NULL; verbs++) {
        if (!verbs->is_hidden) {
            print_row(out, verbs->name, verbs->help);
        }
    }
}

static void print_notes(FILE *out, const char *title, const struct cli_note *notes)
{
    (void)fprintf(out, "\n%s:\n", title);
    for (; notes->name != NULL; notes++) {
        print_row(out, notes->name, notes->text);
    }
}

static void print_program(FILE *out, bool full)
{
    (void)fputs("MMEngine in C: trains PyTorch models from a config\n\n"
                "usage: mmengine VERB ... [options]\n\nverbs:\n",
                out);
    print_verbs(out, cli_verbs);
    (void)fputs("\noptions of all verbs:\n", out);
    print_options(out, cli_global_options);
    print_row(out, "    --version", "versions of this program and of libtorch");
    if (full) {
        print_notes(out, "exit codes", cli_exit_codes);
        print_notes(out, "environment", cli_environment);
    }
    (void)fputs("\n'mmengine help NAME' explains a verb or a component.\n", out);
}

void cli_print_help(const struct cli_verb *parent, const struct cli_verb *verb,
                    bool full)
{
    FILE *out = stdout;

    if (verb == NULL) {
        print_program(out, full);
        return;
    }
    (void)fputs("usage: ", out);
    print_synopsis(out, parent, verb);
    (void)fputs("\n\n", out);
    print_wrapped(out, 0, 0, verb->help);
    if (full && verb->details != NULL) {
        (void)fputc('\n', out);
        print_wrapped(out, 0, 0, verb->details);
    }
    if (verb->verbs != NULL) {
        (void)fputs("\nverbs:\n", out);
        print_verbs(out, verb->verbs);
    }
    if (verb->arguments != NULL) {
        (void)fputs("\narguments:\n", out);
        for (const struct cli_option *a = verb->arguments; a->name; a++) {
            char help[512];

            with_choices(a, help, sizeof(help));
            print_row(out, a->name, help);
        }
    }
    if (verb->options != NULL) {
        (void)fputs("\noptions:\n", out);
        print_options(out, verb->options);
    }
    if (full) {
        (void)fputs("\noptions of all verbs:\n", out);
        print_options(out, cli_global_options);
    }
}

/* --- man page --- */

/* Text for roff: '-' and a leading '.' or quote are special. */
static void print_roff(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '-') {
            (void)fputs("\\-", stdout);
        } else if (*text == '\\') {
            (void)fputs("\\e", stdout);
        } else {
            (void)fputc(*text, stdout);
        }
    }
    (void)fputc('\n', stdout);
}

static void man_rows(const struct cli_option *options, bool positional)
{
    char head[96];

    for (; options != NULL && options->name != NULL; options++) {
        (void)fputs(".TP\n.B ", stdout);
        head_of(options, head, sizeof(head));
        print_roff(positional ? options->name : head + strspn(head, " "));
        print_roff(options->help);
    }
}

static void man_verb(const struct cli_verb *parent, const struct cli_verb *verb)
{
    if (verb->is_hidden) {
        return;
    }
    (void)fputs(".SS ", stdout);
    print_synopsis(stdout, parent, verb);
    (void)fputc('\n', stdout);
    print_roff(verb->help);
    if (verb->details != NULL) {
        (void)fputs(".PP\n", stdout);
        print_roff(verb->details);
    }
    man_rows(verb->arguments, true);
    man_rows(verb->options, false);
    for (const struct cli_verb *v = verb->verbs; v != NULL && v->name != NULL; v++) {
        man_verb(verb, v);
    }
}

static void man_notes(const char *title, const struct cli_note *notes)
{
    (void)printf(".SH %s\n", title);
    for (; notes->name != NULL; notes++) {
        (void)fputs(".TP\n.B ", stdout);
        print_roff(notes->name);
        print_roff(notes->text);
    }
}

void cli_print_man(void)
{
    (void)fputs(".TH MMENGINE 1\n.SH NAME\nmmengine \\- trains PyTorch models from a "
                "config\n.SH SYNOPSIS\n.B mmengine\nVERB ... [options]\n.SH VERBS\n",
                stdout);
    for (const struct cli_verb *verb = cli_verbs; verb->name != NULL; verb++) {
        man_verb(NULL, verb);
    }
    (void)fputs(".SH OPTIONS OF ALL VERBS\n", stdout);
    man_rows(cli_global_options, false);
    man_notes("EXIT STATUS", cli_exit_codes);
    man_notes("ENVIRONMENT", cli_environment);
}
