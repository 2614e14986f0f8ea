/* The program's way in: finds the verb, parses its words, runs it, and shows what is
 * pending at the end. */
#include <stdio.h>
#include <string.h>

#include "cli/console.h"
#include "cli/verbs.h"
#include "mmengine/mmengine.h"

static int unknown_verb(const struct cli_verb *verbs, const char *word)
{
    const char *names[32];
    char message[160];
    char hint[96] = "'mmengine --help' lists the verbs";
    size_t count = 0;

    for (; verbs->name != NULL; verbs++) {
        if (!verbs->is_hidden) {
            names[count++] = verbs->name;
        }
    }
    const char *near = mm_suggest(word, names, count);

    (void)snprintf(message, sizeof(message), "unknown verb '%.100s'", word);
    if (near != NULL) {
        (void)snprintf(hint, sizeof(hint), "did you mean '%s'?", near);
    }
    return cli_usage_error(NULL, message, hint);
}

static bool is_help(const char *word)
{
    return strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0;
}

static void print_version(void)
{
    const char *built_for = mm_torch_built_for();

    (void)printf("mmengine %s (ABI %d), built for libtorch %s\n", mm_version(),
                 MM_ABI_VERSION, built_for != NULL ? built_for : "?");
}

static int run_verb(const struct cli_verb *parent, const struct cli_verb *verb,
                    int count, char **words)
{
    struct cli_args args = {.parent = parent};
    bool is_good = cli_parse(verb, count, words, &args);
    int code = CLI_DONE;

    cli_console_open(args.color);
    if (!is_good) {
        code = cli_usage_error(&args, args.error, args.hint);
    } else if (args.wants_help || args.wants_short_help) {
        cli_print_help(parent, verb, args.wants_help);
    } else {
        code = verb->run(&args);
        if (mm_has_error()) {
            code = cli_report();
        }
    }
    cli_args_deinit(&args);
    return code;
}

/* A word that can only be a file or an option. */
static bool is_path(const char *word)
{
    return word[0] == '-' || strpbrk(word, "./") != NULL;
}

/* "plugin new KIND NAME": the second word is a verb too, or a file where the verb has a
 * usual one. */
static int run_second(const struct cli_verb *verb, int count, char **words)
{
    if (count == 0 || is_help(words[0])) {
        cli_print_help(NULL, verb, true);
        return count == 0 ? CLI_USAGE : CLI_DONE;
    }
    const struct cli_verb *second = cli_find_verb(verb->verbs, words[0]);

    if (second == NULL && verb->usual != NULL && is_path(words[0])) {
        return run_verb(verb, cli_find_verb(verb->verbs, verb->usual), count, words);
    }
    return second != NULL ? run_verb(verb, second, count - 1, words + 1)
                          : unknown_verb(verb->verbs, words[0]);
}

int main(int argc, char **argv)
{
    cli_console_open(NULL);
    if (argc < 2) {
        cli_print_help(NULL, NULL, false);
        return CLI_USAGE;
    }
    if (is_help(argv[1])) {
        cli_print_help(NULL, NULL, strcmp(argv[1], "--help") == 0);
        return CLI_DONE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        print_version();
        return CLI_DONE;
    }
    const struct cli_verb *verb = cli_find_verb(cli_verbs, argv[1]);

    if (verb == NULL) {
        return unknown_verb(cli_verbs, argv[1]);
    }
    int code = verb->verbs != NULL ? run_second(verb, argc - 2, argv + 2)
                                   : run_verb(NULL, verb, argc - 2, argv + 2);

    /* What was printed must have arrived: a full disk behind "> file" is an error. */
    if (fflush(stdout) != 0 && code == CLI_DONE) {
        cli_print_error("could not write to standard output", NULL);
        code = CLI_FAILED;
    }
    return code;
}
