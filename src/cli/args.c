/* The parser of the command line, driven by the tables of args.h. Long options are
 * taken with dashes and with underscores; "--name=value" and "--name value" are one;
 * "--" ends the options; a bare key=value is an override where the verb takes such. */
#include "cli/args.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "mmengine/component.h"
#include "mmengine/memory.h"

struct parser {
    const struct cli_verb *verb;
    int count;
    char **words;
    int at; /* next word */
    int num_positional;
    const struct cli_option *maybe; /* the option whose value may be an argument */
    struct cli_args *out;
};

static bool fail(struct parser *parser, const char *format, ...) MM_PRINTF(2, 3);
static bool fail(struct parser *parser, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(parser->out->error, sizeof(parser->out->error), format, args);
    va_end(args);
    return false;
}

static size_t count_options(const struct cli_option *options)
{
    size_t count = 0;

    while (options != NULL && options[count].name != NULL) {
        count++;
    }
    return count;
}

/* "work_dir" and "work-dir" are one name. */
static bool is_same_name(const char *name, const char *given, size_t size)
{
    if (strlen(name) != size) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        if ((given[i] == '_' ? '-' : given[i]) != name[i]) {
            return false;
        }
    }
    return true;
}

const struct cli_verb *cli_find_verb(const struct cli_verb *verbs, const char *name)
{
    for (; verbs != NULL && verbs->name != NULL; verbs++) {
        if (strcmp(verbs->name, name) == 0) {
            return verbs;
        }
    }
    return NULL;
}

static struct cli_given *slot_of(struct cli_args *args, const char *name)
{
    const struct cli_verb *verb = args->verb;

    for (size_t i = 0; i < count_options(verb->arguments); i++) {
        if (strcmp(verb->arguments[i].name, name) == 0) {
            return &args->arguments[i];
        }
    }
    for (size_t i = 0; i < count_options(verb->options); i++) {
        if (strcmp(verb->options[i].name, name) == 0) {
            return &args->options[i];
        }
    }
    return NULL;
}

const struct cli_given *cli_get(const struct cli_args *args, const char *name)
{
    const struct cli_given *given = slot_of((struct cli_args *)(size_t)args, name);

    MM_ASSERT(given != NULL);
    return given;
}

const char *cli_text(const struct cli_args *args, const char *name)
{
    return cli_get(args, name)->text;
}

bool cli_is_given(const struct cli_args *args, const char *name)
{
    return cli_get(args, name)->is_given;
}

static bool add_word(struct parser *parser, struct cli_given *given, const char *word)
{
    const char **words = mm_realloc(given->words, (given->count + 2) * sizeof(*words));

    if (words == NULL) {
        return fail(parser, "out of memory");
    }
    given->words = words;
    words[given->count++] = word;
    words[given->count] = NULL;
    given->text = words[0];
    given->is_given = true;
    return true;
}

/* The last one wins, as with argparse. */
static bool set_word(struct parser *parser, struct cli_given *given, const char *word)
{
    given->count = 0;
    return add_word(parser, given, word);
}

static bool own(struct parser *parser, char *text)
{
    struct cli_args *args = parser->out;
    char **owned = text != NULL
                       ? mm_realloc(args->owned, (args->num_owned + 1) * sizeof(*owned))
                       : NULL;

    if (owned == NULL) {
        mm_free(text);
        return fail(parser, "out of memory");
    }
    args->owned = owned;
    owned[args->num_owned++] = text;
    return true;
}

/* --- overrides --- */

/* "optim_wrapper.optimizer.lr=0.1": a dotted key before the first '='. */
static bool is_override(const char *word)
{
    size_t size = strcspn(word, "=");

    if (size == 0 || word[size] == '\0' ||
        (!isalpha((unsigned char)word[0]) && word[0] != '_')) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        if (!isalnum((unsigned char)word[i]) && strchr("_.-", word[i]) == NULL) {
            return false;
        }
    }
    return true;
}

/* Brackets that are open at the end of a text, outside of strings. */
static int open_brackets(const char *text)
{
    int depth = 0;
    char quote = '\0';

    for (; *text != '\0'; text++) {
        if (quote != '\0') {
            quote = *text == quote ? '\0' : quote;
        } else if (*text == '\'' || *text == '"') {
            quote = *text;
        } else if (strchr("([{", *text) != NULL) {
            depth++;
        } else if (strchr(")]}", *text) != NULL) {
            depth--;
        }
    }
    return depth;
}

/* Takes the word at hand and, while a bracket is open, those that follow: the shell
 * split "key=[1, 2]" at the blank. */
static bool take_override(struct parser *parser, struct cli_given *given)
{
    const char *text = parser->words[parser->at++];

    while (open_brackets(text) > 0 && parser->at < parser->count) {
        char *joined = mm_strfmt("%s %s", text, parser->words[parser->at++]);

        if (!own(parser, joined)) {
            return false;
        }
        text = joined;
    }
    if (open_brackets(text) != 0) {
        return fail(parser, "the brackets of '%s' do not match", text);
    }
    return add_word(parser, given, text);
}

static bool take_overrides(struct parser *parser, const struct cli_option *option,
                           struct cli_given *given)
{
    int first = parser->at;

    while (parser->at < parser->count && is_override(parser->words[parser->at])) {
        if (!take_override(parser, given)) {
            return false;
        }
    }
    if (parser->at == first) {
        return fail(parser, "--%s needs at least one key=value, got %s%s%s",
                    option->name, first < parser->count ? "'" : "",
                    first < parser->count ? parser->words[first] : "nothing",
                    first < parser->count ? "'" : "");
    }
    return true;
}

static struct cli_given *overrides_slot(struct parser *parser)
{
    size_t count = count_options(parser->verb->options);

    for (size_t i = 0; i < count; i++) {
        if (parser->verb->options[i].kind == CLI_OVERRIDES) {
            return &parser->out->options[i];
        }
    }
    return NULL;
}

/* --- options --- */

static bool is_option_word(const char *word)
{
    if (word[0] != '-' || word[1] == '\0') {
        return false;
    }
    return !isdigit((unsigned char)word[1]) && word[1] != '.';
}

static bool check_choice(struct parser *parser, const struct cli_option *option,
                         const char *value)
{
    size_t size = strlen(value);

    for (const char *at = option->choices; at != NULL && *at != '\0';) {
        size_t word = strcspn(at, "|");

        if (word == size && strncmp(at, value, size) == 0) {
            return true;
        }
        at += word;
        at += *at == '|' ? 1 : 0;
    }
    return option->choices == NULL || fail(parser, "--%s takes one of %s, got '%s'",
                                           option->name, option->choices, value);
}

/* Takes what follows an option. `attached`: the text after '=', or NULL. */
static bool take_value(struct parser *parser, const struct cli_option *option,
                       struct cli_given *given, const char *attached)
{
    bool has_next =
        parser->at < parser->count && !is_option_word(parser->words[parser->at]);

    /* "--resume key=value": the word is an override, no path */
    if (has_next && option->kind == CLI_MAYBE && overrides_slot(parser) != NULL &&
        is_override(parser->words[parser->at])) {
        has_next = false;
    }

    given->is_given = true;
    switch (option->kind) {
    case CLI_FLAG:
        return attached == NULL ||
               fail(parser, "--%s takes no value, got '%s'", option->name, attached);
    case CLI_OVERRIDES:
        if (attached != NULL) {
            return is_override(attached)
                       ? add_word(parser, given, attached)
                       : fail(parser, "--%s needs key=value, got '%s'", option->name,
                              attached);
        }
        return take_overrides(parser, option, given);
    default:
        break;
    }
    if (attached == NULL && has_next) {
        attached = parser->words[parser->at++];
        parser->maybe = option->kind == CLI_MAYBE ? option : parser->maybe;
    }
    if (attached == NULL) {
        return option->kind == CLI_MAYBE ||
               fail(parser, "--%s needs a value (%s)", option->name, option->value);
    }
    if (!check_choice(parser, option, attached)) {
        return false;
    }
    return option->kind == CLI_EACH ? add_word(parser, given, attached)
                                    : set_word(parser, given, attached);
}

static bool fail_option(struct parser *parser, const char *word)
{
    const char *names[CLI_MAX_OPTIONS + 8];
    size_t count = 0;
    char plain[64];
    size_t size = strcspn(word, "=");

    for (const struct cli_option *o = parser->verb->options; o && o->name; o++) {
        names[count++] = o->name;
    }
    for (const struct cli_option *o = cli_global_options; o->name != NULL; o++) {
        names[count++] = o->name;
    }
    while (*word == '-') {
        word++;
        size--;
    }
    (void)snprintf(plain, sizeof(plain), "%.*s", (int)size, word);
    for (char *c = plain; *c != '\0'; c++) {
        *c = *c == '_' ? '-' : *c;
    }
    const char *near = mm_suggest(plain, names, count);

    if (near != NULL) {
        (void)snprintf(parser->out->hint, sizeof(parser->out->hint),
                       "did you mean '--%s'?", near);
    }
    return fail(parser, "unknown option '--%.*s'", (int)size, word);
}

static bool is_row(const struct cli_option *option, const char *word, size_t size,
                   bool is_long)
{
    if (is_long) {
        return is_same_name(option->name, word, size);
    }
    return size == 1 && option->letter != 0 && option->letter == word[0];
}

static bool take_global(struct parser *parser, const struct cli_option *option,
                        const char *word, const char *attached)
{
    struct cli_args *out = parser->out;

    if (strcmp(option->name, "help") == 0) {
        out->wants_help = strncmp(word, "--", 2) == 0;
        out->wants_short_help = !out->wants_help;
        return true;
    }
    struct cli_given given = {0};
    bool is_good = take_value(parser, option, &given, attached);

    out->color = given.text;
    mm_free(given.words);
    return is_good;
}

static bool take_option(struct parser *parser)
{
    const char *word = parser->words[parser->at++];
    bool is_long = strncmp(word, "--", 2) == 0;
    const char *name = word + (is_long ? 2 : 1);
    size_t size = strcspn(name, "=");
    const char *attached = name[size] == '=' ? name + size + 1 : NULL;
    size_t count = count_options(parser->verb->options);

    for (size_t i = 0; i < count; i++) {
        const struct cli_option *option = &parser->verb->options[i];

        if (is_row(option, name, size, is_long)) {
            return take_value(parser, option, &parser->out->options[i], attached);
        }
    }
    for (const struct cli_option *o = cli_global_options; o->name != NULL; o++) {
        if (is_row(o, name, size, is_long)) {
            return take_global(parser, o, word, attached);
        }
    }
    if (!is_long) {
        return fail(parser, "unknown option '%s'", word);
    }
    return fail_option(parser, word);
}

/* --- positional arguments --- */

static bool take_positional(struct parser *parser, const char *word)
{
    int count = (int)count_options(parser->verb->arguments);

    if (parser->num_positional >= count) {
        return fail(parser, "unexpected argument '%s'", word);
    }
    const struct cli_option *row = &parser->verb->arguments[parser->num_positional];
    struct cli_given *given = &parser->out->arguments[parser->num_positional];

    if (row->kind != CLI_PATHS) {
        parser->num_positional++;
    }
    return check_choice(parser, row, word) && add_word(parser, given, word);
}

static bool take_word(struct parser *parser, bool options_ended)
{
    const char *word = parser->words[parser->at];
    struct cli_given *overrides = overrides_slot(parser);

    if (!options_ended && is_option_word(word)) {
        return take_option(parser);
    }
    if (overrides != NULL && is_override(word)) {
        return take_override(parser, overrides);
    }
    parser->at++;
    return take_positional(parser, word);
}

/* "train --resume cfg.py": the option took what was meant as the argument. */
static bool give_back(struct parser *parser)
{
    if (parser->maybe == NULL) {
        return true;
    }
    struct cli_given *given = slot_of(parser->out, parser->maybe->name);
    const char *word = given->text;

    parser->maybe = NULL;
    given->text = NULL;
    given->count = 0;
    return take_positional(parser, word);
}

static bool check_arguments(struct parser *parser)
{
    const struct cli_option *rows = parser->verb->arguments;
    size_t count = count_options(rows);

    for (size_t i = 0; i < count; i++) {
        if (!rows[i].is_required || parser->out->arguments[i].is_given) {
            continue;
        }
        if (parser->maybe != NULL && i + 1 == count) {
            return give_back(parser);
        }
        return fail(parser, "%s is missing: %s", rows[i].name, rows[i].help);
    }
    return true;
}

static bool check_missing_parts(struct parser *parser)
{
    size_t count = count_options(parser->verb->options);

    for (size_t i = 0; i < count; i++) {
        const struct cli_option *option = &parser->verb->options[i];

        if (parser->out->options[i].is_given && option->missing != NULL) {
            return fail(parser, "--%s is not available yet: %s", option->name,
                        option->missing);
        }
    }
    return true;
}

bool cli_parse(const struct cli_verb *verb, int count, char **words,
               struct cli_args *out)
{
    struct parser parser = {.verb = verb, .count = count, .words = words, .out = out};
    bool options_ended = false;

    out->verb = verb;
    while (parser.at < count) {
        if (!options_ended && strcmp(words[parser.at], "--") == 0) {
            options_ended = true;
            parser.at++;
        } else if (!take_word(&parser, options_ended)) {
            return out->wants_help || out->wants_short_help;
        }
    }
    if (out->wants_help || out->wants_short_help) {
        return true;
    }
    return check_arguments(&parser) && check_missing_parts(&parser);
}

void cli_args_deinit(struct cli_args *args)
{
    for (size_t i = 0; i < CLI_MAX_ARGUMENTS; i++) {
        mm_free(args->arguments[i].words);
    }
    for (size_t i = 0; i < CLI_MAX_OPTIONS; i++) {
        mm_free(args->options[i].words);
    }
    for (size_t i = 0; i < args->num_owned; i++) {
        mm_free(args->owned[i]);
    }
    mm_free(args->owned);
}
