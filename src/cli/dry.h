/* `train --dry`. */
#ifndef CLI_DRY_H
#define CLI_DRY_H

#include "mmengine/config.h"

/* Builds everything, trains one batch twice, prints shapes, memory and time. Leaves no
 * file behind. Returns the exit code. */
int cli_dry_run(mm_config *config);

#endif
