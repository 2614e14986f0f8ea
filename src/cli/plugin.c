/* `plugin new` and `plugin build`. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "cli/skeletons.h"
#include "cli/verbs.h"
#include "mmengine/mmengine.h"

enum { MAX_NAME = 64 };

/* A component's name: a letter, then letters, digits and '_'. */
static bool is_name(const char *name)
{
    if (!isalpha((unsigned char)name[0]) || strlen(name) >= MAX_NAME) {
        return false;
    }
    for (; *name != '\0'; name++) {
        if (!isalnum((unsigned char)*name) && *name != '_') {
            return false;
        }
    }
    return true;
}

/* "MyNet2D" -> "my_net2d": a '_' before a capital that follows a small letter. */
static void snake_case(const char *name, char *out)
{
    char last = '_';

    for (; *name != '\0'; name++) {
        if (isupper((unsigned char)*name) &&
            (islower((unsigned char)last) || isdigit((unsigned char)last))) {
            *out++ = '_';
        }
        *out++ = (char)tolower((unsigned char)*name);
        last = *name;
    }
    *out = '\0';
}

/* "my_net" -> "MyNet"; a name with capitals stays. */
static void camel_case(const char *name, char *out)
{
    bool has_capital = false;
    bool begins = true;

    for (const char *c = name; *c != '\0'; c++) {
        has_capital = has_capital || isupper((unsigned char)*c);
    }
    for (; *name != '\0'; name++) {
        if (has_capital) {
            *out++ = *name;
        } else if (*name == '_') {
            begins = true;
        } else {
            *out++ = begins ? (char)toupper((unsigned char)*name) : *name;
            begins = false;
        }
    }
    *out = '\0';
}

/* Writes the text with @Name@ and @name@ replaced. */
static void fill_in(FILE *file, const char *text, const char *camel, const char *snake)
{
    while (*text != '\0') {
        if (strncmp(text, "@Name@", 6) == 0) {
            (void)fputs(camel, file);
            text += 6;
        } else if (strncmp(text, "@name@", 6) == 0) {
            (void)fputs(snake, file);
            text += 6;
        } else {
            (void)fputc(*text++, file);
        }
    }
}

static int write_skeleton(const struct cli_args *args,
                          const struct cli_skeleton *skeleton, const char *name)
{
    char snake[2 * MAX_NAME];
    char camel[MAX_NAME];
    char path[2 * MAX_NAME + 8];
    char message[512];
    const char *out = cli_text(args, "out");

    snake_case(name, snake);
    camel_case(name, camel);
    (void)snprintf(path, sizeof(path), "%s.c", snake);
    out = out != NULL ? out : path;
    FILE *file = fopen(out, "wx"); /* never over a file that is there */

    if (file == NULL) {
        (void)snprintf(message, sizeof(message), "could not write '%.300s'%s", out,
                       mm_file_exists(out) ? ": the file is there already" : "");
        return cli_usage_error(args, message, NULL);
    }
    fill_in(file, skeleton->text, camel, snake);
    if (fclose(file) != 0) {
        (void)snprintf(message, sizeof(message), "could not write '%.300s'", out);
        return cli_usage_error(args, message, NULL);
    }
    (void)printf("wrote %s: %s '%s'\n\nIn a config beside it:\n\n", out, skeleton->kind,
                 camel);
    (void)printf("    custom_imports = dict(imports=['%.*s'])\n",
                 (int)(strlen(mm_path_basename(out)) - strlen(mm_path_extension(out))),
                 mm_path_basename(out));
    (void)fputs("    ", stdout);
    fill_in(stdout, skeleton->use, camel, snake);
    (void)fputc('\n', stdout);
    return CLI_DONE;
}

int cli_plugin_new(const struct cli_args *args)
{
    const char *kind = cli_text(args, "KIND");
    const char *name = cli_text(args, "NAME");
    char message[256];

    if (!is_name(name)) {
        (void)snprintf(
            message, sizeof(message),
            "'%.80s' is no name for a component: letters, digits and '_', at "
            "most %d",
            name, MAX_NAME - 1);
        return cli_usage_error(args, message, NULL);
    }
    for (const struct cli_skeleton *s = cli_skeletons; s->kind != NULL; s++) {
        if (strcmp(s->kind, kind) == 0) {
            return write_skeleton(args, s, name);
        }
    }
    (void)snprintf(message, sizeof(message), "there is no kind '%.80s'; kinds: %s",
                   kind, CLI_PLUGIN_KINDS);
    return cli_usage_error(args, message, NULL);
}

static void print_component(void *user, const char *path, const mm_plugin *plugin)
{
    (void)user;
    (void)path;
    for (size_t i = 0; plugin->components[i] != NULL; i++) {
        (void)printf("    %s '%s'\n", plugin->components[i]->registry,
                     plugin->components[i]->name);
    }
}

int cli_plugin_build(const struct cli_args *args)
{
    const char *source = cli_text(args, "FILE");
    const char *out = cli_text(args, "out");
    int code = cli_register();

    if (code != CLI_DONE) {
        return code;
    }
    char *path =
        out != NULL
            ? mm_strdup(out)
            : mm_strfmt("%.*s.so",
                        (int)(strlen(source) - strlen(mm_path_extension(source))),
                        source);

    /* Loading it shows now what a user would run into later. */
    if (path != NULL && mm_plugin_build(source, path) == MM_OK &&
        mm_plugin_load(path) == MM_OK) {
        (void)printf("built %s:\n", path);
        mm_plugin_each(print_component, NULL);
    }
    mm_free(path);
    return cli_report();
}
