/* Which keys `--cfg-options` may add to a config. */
#ifndef CLI_KEYS_H
#define CLI_KEYS_H

#include "mmengine/config.h"

/* For mm_config_override(): true if the runner or the component at that place reads the
 * key. False with an error that names the nearest keys, if it is known which there are.
 */
bool cli_knows_key(void *user, const mm_config *config, const char *path);

#endif
