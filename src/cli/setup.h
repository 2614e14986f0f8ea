/* Configs for the verbs that run them. */
#ifndef CLI_SETUP_H
#define CLI_SETUP_H

#include "cli/args.h"
#include "mmengine/config.h"

/* The argument CONFIG with --cfg-options applied; yours. NULL: an error is pending. */
mm_config *cli_load_config(const struct cli_args *args);
/* Applies the options of the verb to the config and loads its plugins. */
mm_status cli_apply_train(mm_config *config, const struct cli_args *args);
mm_status cli_apply_test(mm_config *config, const struct cli_args *args);
/* The options of training that change its schedule. */
mm_status cli_apply_schedule(mm_config *config, const struct cli_args *args);
/* Threads and plugins alone, for verbs that run no runner. */
mm_status cli_apply_plugins(mm_config *config);
/* The whole number of an option; `out` stays as it is if it was not given. */
mm_status cli_number(const struct cli_args *args, const char *name, int64_t *out);

/* The last step of a verb that began to load libtorch: ends the process without running
 * destructors if it is still being loaded on its thread, under which they would pull
 * the ground. Else returns `code`. */
int cli_finish(int code);

#endif
