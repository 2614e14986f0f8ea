/* `config show` and `config dump`. Neither builds anything or loads a plugin. */
#include <stdio.h>
#include <string.h>

#include "cli/setup.h"
#include "cli/verbs.h"
#include "mmengine/mmengine.h"

/* A config as text; yours. `format` may be NULL. */
static char *write_config(const mm_config *config, const char *format)
{
    mm_value *root = mm_config_root(config);

    return format != NULL && strcmp(format, "json") == 0
               ? mm_config_json(root)
               : mm_config_dump(root, MM_CONFIG_SOURCE);
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
    char *text = config == NULL ? NULL : write_config(config, cli_text(args, "format"));

    if (text != NULL) {
        (void)fputs(text, stdout);
        if (text[0] != '\0' && text[strlen(text) - 1] != '\n') {
            (void)fputc('\n', stdout);
        }
    }
    mm_free(text);
    mm_config_unref(config);
    return cli_report_config();
}

int cli_config_dump(const struct cli_args *args)
{
    const char *path = cli_text(args, "FILE");
    int code = cli_register();

    if (code != CLI_DONE) {
        return code;
    }
    mm_config *config = cli_load_config(args);

    if (config != NULL && strcmp(mm_path_extension(path), ".py") == 0) {
        char *text = mm_config_pretty_text(config);
        mm_status status =
            text != NULL ? mm_file_write(path, text, strlen(text)) : mm_pending();

        (void)status; /* reported below */
        mm_free(text);
    } else if (config != NULL) {
        (void)mm_fileio_dump(mm_config_root(config), path, NULL);
    }
    mm_config_unref(config);
    return cli_report_config();
}
