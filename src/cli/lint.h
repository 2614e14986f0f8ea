/* The check of a config before it is run. */
#ifndef CLI_LINT_H
#define CLI_LINT_H

#include "mmengine/lint.h"

/* Prints all faults of what a run needs. Returns the exit code: CLI_DONE if there are
 * none. `flags`: MM_LINT_TRAIN or MM_LINT_TEST. */
int cli_lint_run(mm_config *config, unsigned flags);

#endif
