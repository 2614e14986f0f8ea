/* What the verbs share: registering what is built in, and turning a pending error into
 * a message and an exit code. */
#include <stdio.h>

#include "cli/console.h"
#include "cli/verbs.h"
#include "mmengine/mmengine.h"

int cli_register(void)
{
    if (mm_init() != MM_OK) {
        return cli_report();
    }
#ifdef MM_HAS_ZOO
    if (mm_register(mm_zoo_components) != MM_OK) {
        return cli_report();
    }
#endif
    return CLI_DONE;
}

static int exit_code_of(mm_status code)
{
    switch (code) {
    case MM_ECONFIG:
        return CLI_USAGE;
    case MM_EDATA:
    case MM_ENOENT:
        return CLI_DATA;
    case MM_EPLUGIN:
    case MM_EABI:
        return CLI_PLUGIN;
    default:
        return CLI_FAILED;
    }
}

int cli_report(void)
{
    mm_error error;
    char text[MM_ERROR_MESSAGE_SIZE + MM_ERROR_FRAMES * (MM_ERROR_FRAME_SIZE + 8)];
    mm_status code = mm_error_take(&error);
    size_t used = 0;

    if (code == MM_OK) {
        return CLI_DONE;
    }
    used = (size_t)snprintf(text, sizeof(text), "%s", error.message);
    for (int i = 0; i < error.num_frames; i++) {
        used += (size_t)snprintf(text + used, sizeof(text) - used, "\n    %s",
                                 error.frames[i]);
    }
    cli_print_error(text, error.hint);
    if (code == MM_EINTERNAL) {
        cli_print_error("this is a bug of mmengine", "please report it");
    }
    return exit_code_of(code);
}

int cli_report_config(void)
{
    mm_status code = mm_pending();
    int exit_code = cli_report();
    bool is_config =
        code == MM_EKEY || code == MM_ETYPE || code == MM_EINVAL || code == MM_ERANGE;

    return is_config ? CLI_USAGE : exit_code;
}

int cli_usage_error(const struct cli_args *args, const char *message, const char *hint)
{
    cli_print_error(message, hint);
    if (args != NULL && args->verb != NULL) {
        (void)fprintf(stderr, "usage: 'mmengine %s%s%s --help' shows all options\n",
                      args->parent != NULL ? args->parent->name : "",
                      args->parent != NULL ? " " : "", args->verb->name);
    }
    return CLI_USAGE;
}
