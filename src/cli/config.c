/* `config show`, `config diff` and `config dump`. None builds anything, loads libtorch
 * or touches a plugin. */
#include <stdio.h>
#include <string.h>

#include "cli/console.h"
#include "cli/os_terminal.h"
#include "cli/setup.h"
#include "cli/verbs.h"
#include "mmengine/mmengine.h"

/* ---- colours of stdout ---- */

static bool has_color(const struct cli_args *args)
{
    bool is_forced = args->color != NULL && strcmp(args->color, "always") == 0;

    return is_forced || (cli_has_color() && cli_is_terminal(1));
}

static const char DIM[] = "\033[2m";
static const char RED[] = "\033[31m";
static const char GREEN[] = "\033[32m";
static const char BOLD[] = "\033[1m";
static const char PLAIN[] = "\033[0m";

/* ---- show ---- */

/* A config as text; yours. `format` may be NULL. */
static char *write_config(const mm_config *config, const char *format)
{
    mm_value *root = mm_config_root(config);

    if (format != NULL && strcmp(format, "json") == 0) {
        return mm_config_json(root);
    }
    return mm_config_format(root, format != NULL ? format : "py", MM_CONFIG_SOURCE);
}

static const char *text_of(const mm_value *row, const char *key)
{
    const mm_value *value = mm_dict_find(row, key);

    return value != NULL ? mm_value_str(value) : NULL;
}

/* One line: "path = value  # where it was written". */
static void print_row(const mm_value *row, const char *value, const char *source,
                      bool is_colored)
{
    (void)printf("%s = %s", text_of(row, "path"), text_of(row, value));
    if (text_of(row, source) != NULL) {
        (void)printf("  %s# %s", is_colored ? DIM : "", text_of(row, source));
    }
    (void)puts(is_colored ? PLAIN : "");
}

static void print_origins(const mm_config *config, bool is_colored)
{
    mm_value *rows = mm_config_origins(mm_config_root(config));

    for (size_t i = 0; rows != NULL && i < mm_value_len(rows); i++) {
        print_row(mm_list_get(rows, i), "value", "source", is_colored);
    }
    mm_value_unref(rows);
}

static void print_config(const mm_config *config, const char *format)
{
    char *text = write_config(config, format);

    if (text != NULL) {
        (void)fputs(text, stdout);
        if (text[0] != '\0' && text[strlen(text) - 1] != '\n') {
            (void)putchar('\n');
        }
    }
    mm_free(text);
}

int cli_config_show(const struct cli_args *args)
{
    bool overrides = cli_is_given(args, "cfg-options");
    int code =
        overrides ? cli_register() : CLI_DONE; /* components know their options */

    if (code != CLI_DONE) {
        return code;
    }
    mm_config *config = cli_load_config(args);

    if (config != NULL && cli_is_given(args, "origin")) {
        print_origins(config, has_color(args));
    } else if (config != NULL) {
        print_config(config, cli_text(args, "format"));
    }
    mm_config_unref(config);
    return cli_report_config();
}

/* ---- diff ---- */

static mm_config *load_plain(const char *path)
{
    if (!mm_file_exists(path)) {
        (void)mm_raise(MM_ECONFIG, "could not open config '%s': no such file", path);
        return NULL;
    }
    return mm_config_from_file(path, NULL);
}

static void print_change(const mm_value *row, bool is_colored)
{
    if (text_of(row, "old") != NULL) {
        (void)printf("%s- ", is_colored ? RED : "");
        print_row(row, "old", "old_source", is_colored);
    }
    if (text_of(row, "new") != NULL) {
        (void)printf("%s+ ", is_colored ? GREEN : "");
        print_row(row, "new", "new_source", is_colored);
    }
}

/* Nothing for equal configs. */
static void print_diff(const char *from, const char *to, const mm_value *rows,
                       bool is_colored)
{
    const char *begin = is_colored ? BOLD : "";
    const char *end = is_colored ? PLAIN : "";

    if (mm_value_len(rows) == 0) {
        return;
    }
    (void)printf("%s--- %s%s\n%s+++ %s%s\n", begin, from, end, begin, to, end);
    for (size_t i = 0; i < mm_value_len(rows); i++) {
        print_change(mm_list_get(rows, i), is_colored);
    }
}

int cli_config_diff(const struct cli_args *args)
{
    const char *from = cli_text(args, "A");
    const char *to = cli_text(args, "B");
    mm_config *first = load_plain(from);
    mm_config *second = first != NULL ? load_plain(to) : NULL;
    mm_value *rows = second != NULL
                         ? mm_config_diff(mm_config_root(first), mm_config_root(second))
                         : NULL;
    bool is_equal = rows == NULL || mm_value_len(rows) == 0;

    if (rows != NULL) {
        print_diff(from, to, rows, has_color(args));
    }
    mm_value_unref(rows);
    mm_config_unref(first);
    mm_config_unref(second);
    int code = cli_report_config();

    return code != CLI_DONE || is_equal ? code : CLI_FAILED;
}

/* ---- dump ---- */

int cli_config_dump(const struct cli_args *args)
{
    int code = cli_is_given(args, "cfg-options") ? cli_register() : CLI_DONE;

    if (code != CLI_DONE) {
        return code;
    }
    mm_config *config = cli_load_config(args);
    mm_status status =
        config != NULL ? mm_config_save(config, cli_text(args, "FILE")) : mm_pending();

    (void)status; /* reported below */
    mm_config_unref(config);
    return cli_report_config();
}
