/* Completion scripts for bash, zsh and fish, written from the tables of verbs.c. What
 * registries and components there are is asked of the program at the time. */
#include <stdio.h>
#include <string.h>

#include "cli/verbs.h"

static void print_names(const struct cli_verb *verbs)
{
    for (; verbs->name != NULL; verbs++) {
        if (!verbs->is_hidden) {
            (void)printf("%s ", verbs->name);
        }
    }
}

static void print_option_names(const struct cli_option *options)
{
    for (; options != NULL && options->name != NULL; options++) {
        if (options->missing == NULL) {
            (void)printf("--%s ", options->name);
        }
    }
}

/* "a|b" as "a b" */
static void print_choices(const char *choices)
{
    for (; *choices != '\0'; choices++) {
        (void)fputc(*choices == '|' ? ' ' : *choices, stdout);
    }
}

/* --- bash --- */

static void bash_words(const struct cli_option *option)
{
    switch (option->word) {
    case CLI_FILE:
        (void)fputs("COMPREPLY=($(compgen -f -- \"$cur\"))", stdout);
        break;
    case CLI_FOLDER:
        (void)fputs("COMPREPLY=($(compgen -d -- \"$cur\"))", stdout);
        break;
    case CLI_REGISTRY:
    case CLI_COMPONENT:
        (void)printf("COMPREPLY=($(compgen -W \"$(mmengine __gen %s)\" -- \"$cur\"))",
                     option->word == CLI_REGISTRY ? "registries" : "components");
        break;
    case CLI_CHOICE:
        (void)fputs("COMPREPLY=($(compgen -W '", stdout);
        print_choices(option->choices);
        (void)fputs("' -- \"$cur\"))", stdout);
        break;
    case CLI_ANY:
        (void)fputs("COMPREPLY=()", stdout);
        break;
    }
}

static void bash_verb(const struct cli_verb *verb, int depth)
{
    (void)printf("    case \"$prev\" in\n");
    for (const struct cli_option *o = verb->options; o != NULL && o->name; o++) {
        if (o->kind == CLI_VALUE || o->kind == CLI_EACH || o->kind == CLI_MAYBE) {
            (void)printf("    --%s) ", o->name);
            bash_words(o);
            (void)fputs("; return ;;\n", stdout);
        }
    }
    (void)fputs("    esac\n    if [[ $cur == -* ]]; then\n"
                "        COMPREPLY=($(compgen -W '",
                stdout);
    print_option_names(verb->options);
    print_option_names(cli_global_options);
    (void)fputs("' -- \"$cur\"))\n        return\n    fi\n", stdout);
    if (verb->verbs != NULL) {
        (void)printf("    if ((COMP_CWORD == %d)); then\n"
                     "        COMPREPLY=($(compgen -W '",
                     depth + 1);
        print_names(verb->verbs);
        (void)fputs("' -- \"$cur\"))\n    fi\n", stdout);
    } else if (verb->arguments != NULL) {
        (void)fputs("    ", stdout);
        bash_words(verb->arguments);
        (void)fputc('\n', stdout);
    }
}

static void print_bash(void)
{
    (void)fputs("# bash completion for mmengine\n_mmengine() {\n"
                "    local cur=${COMP_WORDS[COMP_CWORD]} "
                "prev=${COMP_WORDS[COMP_CWORD-1]}\n"
                "    if ((COMP_CWORD == 1)); then\n"
                "        COMPREPLY=($(compgen -W '",
                stdout);
    print_names(cli_verbs);
    (void)fputs("--help --version' -- \"$cur\"))\n        return\n    fi\n"
                "    case \"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" in\n",
                stdout);
    for (const struct cli_verb *verb = cli_verbs; verb->name != NULL; verb++) {
        for (const struct cli_verb *v = verb->verbs; v != NULL && v->name; v++) {
            (void)printf("    \"%s %s\")\n", verb->name, v->name);
            bash_verb(v, 2);
            (void)fputs("    ;;\n", stdout);
        }
        if (!verb->is_hidden) {
            (void)printf("    \"%s \"*)\n", verb->name);
            bash_verb(verb, 1);
            (void)fputs("    ;;\n", stdout);
        }
    }
    (void)fputs("    esac\n}\n"
                "complete -o filenames -o bashdefault -F _mmengine mmengine\n",
                stdout);
}

/* --- zsh --- */

/* Text between single quotes inside [..]. */
static void print_zsh_text(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'') {
            (void)fputs("'\\''", stdout);
        } else {
            if (*text == '[' || *text == ']' || *text == ':') {
                (void)fputc('\\', stdout);
            }
            (void)fputc(*text, stdout);
        }
    }
}

static void zsh_action(const struct cli_option *option)
{
    switch (option->word) {
    case CLI_FILE:
        (void)fputs("_files", stdout);
        break;
    case CLI_FOLDER:
        (void)fputs("_files -/", stdout);
        break;
    case CLI_REGISTRY:
        (void)fputs("($(mmengine __gen registries))", stdout);
        break;
    case CLI_COMPONENT:
        (void)fputs("($(mmengine __gen components))", stdout);
        break;
    case CLI_CHOICE:
        (void)fputc('(', stdout);
        print_choices(option->choices);
        (void)fputc(')', stdout);
        break;
    case CLI_ANY:
        (void)fputc(' ', stdout);
        break;
    }
}

static void zsh_options(const struct cli_option *options)
{
    for (; options != NULL && options->name != NULL; options++) {
        if (options->missing != NULL) {
            continue;
        }
        (void)printf(" \\\n        '%s--%s[", options->kind == CLI_EACH ? "*" : "",
                     options->name);
        print_zsh_text(options->help);
        (void)fputc(']', stdout);
        if (options->kind != CLI_FLAG) {
            (void)fputs(options->kind == CLI_MAYBE ? "::" : ":", stdout);
            print_zsh_text(options->value);
            (void)fputc(':', stdout);
            zsh_action(options);
        }
        (void)fputc('\'', stdout);
    }
}

static void zsh_arguments(const struct cli_verb *verb)
{
    (void)fputs("    _arguments -s", stdout);
    zsh_options(verb->options);
    zsh_options(cli_global_options);
    for (const struct cli_option *a = verb->arguments; a != NULL && a->name; a++) {
        (void)printf(" \\\n        '%s:%s:", a->kind == CLI_PATHS ? "*" : "", a->name);
        zsh_action(a);
        (void)fputc('\'', stdout);
    }
    (void)fputc('\n', stdout);
}

static void zsh_describe(const struct cli_verb *verbs, const char *what)
{
    (void)printf("    local -a verbs=(");
    for (; verbs->name != NULL; verbs++) {
        if (!verbs->is_hidden) {
            (void)printf("\n        '%s:", verbs->name);
            print_zsh_text(verbs->help);
            (void)fputc('\'', stdout);
        }
    }
    (void)printf(")\n    _describe '%s' verbs\n", what);
}

static void print_zsh(void)
{
    (void)fputs("#compdef mmengine\n_mmengine() {\n"
                "    if ((CURRENT == 2)); then\n",
                stdout);
    zsh_describe(cli_verbs, "verb");
    (void)fputs("    return\n    fi\n    local verb=$words[2] second=$words[3]\n"
                "    shift words; ((CURRENT--))\n    case $verb in\n",
                stdout);
    for (const struct cli_verb *verb = cli_verbs; verb->name != NULL; verb++) {
        if (verb->is_hidden) {
            continue;
        }
        (void)printf("    %s)\n", verb->name);
        if (verb->verbs == NULL) {
            zsh_arguments(verb);
        } else {
            (void)fputs("    if ((CURRENT == 2)); then\n", stdout);
            zsh_describe(verb->verbs, "verb");
            (void)fputs("    return\n    fi\n    shift words; ((CURRENT--))\n"
                        "    case $second in\n",
                        stdout);
            for (const struct cli_verb *v = verb->verbs; v->name != NULL; v++) {
                (void)printf("    %s)\n", v->name);
                zsh_arguments(v);
                (void)fputs("    ;;\n", stdout);
            }
            (void)fputs("    esac\n", stdout);
        }
        (void)fputs("    ;;\n", stdout);
    }
    (void)fputs("    esac\n}\n"
                "if [[ $zsh_eval_context[-1] == loadautofunc ]]; then\n"
                "    _mmengine \"$@\"\nelse\n    compdef _mmengine mmengine\nfi\n",
                stdout);
}

/* --- fish --- */

static void print_fish_text(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'' || *text == '\\') {
            (void)fputc('\\', stdout);
        }
        (void)fputc(*text, stdout);
    }
}

static void fish_values(const struct cli_option *option)
{
    switch (option->word) {
    case CLI_FOLDER:
        (void)fputs(" -a '(__fish_complete_directories)'", stdout);
        break;
    case CLI_REGISTRY:
    case CLI_COMPONENT:
        (void)printf(" -f -a '(mmengine __gen %s)'",
                     option->word == CLI_REGISTRY ? "registries" : "components");
        break;
    case CLI_CHOICE:
        (void)fputs(" -f -a '", stdout);
        print_choices(option->choices);
        (void)fputc('\'', stdout);
        break;
    default:
        break;
    }
}

static void fish_verb(const struct cli_verb *parent, const struct cli_verb *verb)
{
    char seen[128];

    (void)snprintf(seen, sizeof(seen),
                   parent != NULL ? "__fish_seen_subcommand_from %s; and "
                                    "__fish_seen_subcommand_from %s"
                                  : "__fish_seen_subcommand_from %s%.0s",
                   parent != NULL ? parent->name : verb->name, verb->name);
    for (const struct cli_option *o = verb->options; o != NULL && o->name; o++) {
        if (o->missing != NULL) {
            continue;
        }
        (void)printf("complete -c mmengine -n '%s' -l %s", seen, o->name);
        if (o->letter != 0) {
            (void)printf(" -s %c", o->letter);
        }
        (void)fputs(" -d '", stdout);
        print_fish_text(o->help);
        (void)printf("'%s", o->kind != CLI_FLAG && o->kind != CLI_MAYBE ? " -r" : "");
        fish_values(o);
        (void)fputc('\n', stdout);
    }
    if (verb->arguments != NULL && verb->arguments->word != CLI_FILE &&
        verb->arguments->word != CLI_ANY) {
        (void)printf("complete -c mmengine -n '%s'", seen);
        fish_values(verb->arguments);
        (void)fputc('\n', stdout);
    }
}

static void fish_names(const char *condition, const struct cli_verb *verbs)
{
    for (; verbs->name != NULL; verbs++) {
        if (!verbs->is_hidden) {
            (void)printf("complete -c mmengine -f -n '%s' -a %s -d '", condition,
                         verbs->name);
            print_fish_text(verbs->help);
            (void)fputs("'\n", stdout);
        }
    }
}

static void print_fish(void)
{
    (void)fputs("# fish completion for mmengine\n", stdout);
    fish_names("__fish_use_subcommand", cli_verbs);
    for (const struct cli_verb *verb = cli_verbs; verb->name != NULL; verb++) {
        if (verb->is_hidden) {
            continue;
        }
        fish_verb(NULL, verb);
        if (verb->verbs != NULL) {
            char seen[128];

            (void)snprintf(seen, sizeof(seen), "__fish_seen_subcommand_from %s",
                           verb->name);
            fish_names(seen, verb->verbs);
        }
        for (const struct cli_verb *v = verb->verbs; v != NULL && v->name; v++) {
            fish_verb(verb, v);
        }
    }
}

int cli_completion(const struct cli_args *args)
{
    const char *shell = cli_text(args, "SHELL");

    if (strcmp(shell, "bash") == 0) {
        print_bash();
    } else if (strcmp(shell, "zsh") == 0) {
        print_zsh();
    } else {
        print_fish();
    }
    return CLI_DONE;
}
