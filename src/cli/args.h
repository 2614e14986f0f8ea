/* Verbs and options of the program as tables. One table per verb feeds parsing, --help,
 * the man page, shell completion and the documentation, so they cannot drift apart. */
#ifndef CLI_ARGS_H
#define CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>

enum { CLI_MAX_OPTIONS = 24, CLI_MAX_ARGUMENTS = 4 };

/* What follows an option on the command line. */
enum cli_kind {
    CLI_FLAG,      /* nothing */
    CLI_VALUE,     /* one word */
    CLI_EACH,      /* one word; may come several times */
    CLI_MAYBE,     /* one word or nothing */
    CLI_OVERRIDES, /* key=value words; may come several times */
    CLI_PATHS      /* several words; positional arguments only */
};

/* What a word means, for completion. */
enum cli_word {
    CLI_ANY,
    CLI_FILE,
    CLI_FOLDER,
    CLI_REGISTRY,
    CLI_COMPONENT,
    CLI_CHOICE
};

/* One option or positional argument. A table ends with {0}. */
struct cli_option {
    const char *name; /* "work-dir"; positional: "CONFIG" */
    char letter;      /* one-letter form, or 0 */
    enum cli_kind kind;
    enum cli_word word;
    const char *value;   /* what help calls the value: "DIR" */
    const char *choices; /* "auto|always|never", or NULL */
    const char *help;    /* half a sentence, lower case, no full stop */
    const char *missing; /* not built yet: what is; NULL if it works */
    bool is_required;    /* positional arguments only */
};

struct cli_args;

/* One verb. A table ends with {0}. */
struct cli_verb {
    const char *name;
    const char *help;                   /* one line, lower case, no full stop */
    const char *details;                /* paragraph for --help and man page, or NULL */
    const struct cli_option *arguments; /* positional, or NULL */
    const struct cli_option *options;   /* or NULL */
    const struct cli_verb *verbs;       /* second words: "plugin new", or NULL */
    int (*run)(const struct cli_args *args);
    bool is_hidden;
    const char *usual; /* the second word that may be left out before a file, or NULL */
};

/* What was given for one row. */
struct cli_given {
    bool is_given;
    const char *text;   /* first value, or NULL */
    const char **words; /* all values; ends with NULL */
    size_t count;
};

/* A parsed command line. */
struct cli_args {
    const struct cli_verb *verb;
    const struct cli_verb *parent; /* of a second word, or NULL */
    struct cli_given arguments[CLI_MAX_ARGUMENTS];
    struct cli_given options[CLI_MAX_OPTIONS];
    char error[512]; /* "" or what is wrong */
    char hint[256];
    bool wants_short_help; /* -h */
    bool wants_help;       /* --help */
    const char *color;     /* --color, or NULL */
    char **owned;          /* texts that the parser made */
    size_t num_owned;
};

/* Options that every verb takes. */
extern const struct cli_option cli_global_options[];
/* All verbs. */
extern const struct cli_verb cli_verbs[];

/* Parses the words after the verb. False: `error` is set. Release with
 * cli_args_deinit() either way. */
bool cli_parse(const struct cli_verb *verb, int count, char **words,
               struct cli_args *out);
void cli_args_deinit(struct cli_args *args);
/* What was given for an option or argument of the verb, by its name in the table. */
const struct cli_given *cli_get(const struct cli_args *args, const char *name);
/* Its text or NULL. */
const char *cli_text(const struct cli_args *args, const char *name);
bool cli_is_given(const struct cli_args *args, const char *name);
/* The verb of that name, or NULL. */
const struct cli_verb *cli_find_verb(const struct cli_verb *verbs, const char *name);

/* --- usage.c --- */

/* Prints help of the program (verb NULL) or of a verb; `full`: options of all kinds. */
void cli_print_help(const struct cli_verb *parent, const struct cli_verb *verb,
                    bool full);
/* Prints the man page (roff). */
void cli_print_man(void);

#endif
