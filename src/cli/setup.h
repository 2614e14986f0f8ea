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

#endif
