/** @file
 * Replay: a batch that NanGuardHook wrote to a file, run again in a process of its own,
 * with a look at every module. The file is a checkpoint in form: `state_dict`, `batch`,
 * `random`, `config` and where in the run it was.
 */
#ifndef MMENGINE_REPLAY_H
#define MMENGINE_REPLAY_H

#include "mmengine/status.h"

MM_BEGIN_DECLS

/** What a replay says. */
typedef struct mm_replay_result {
    char *text;     /**< the findings, several lines; mm_free() */
    bool is_finite; /**< losses and gradients are, this time */
} mm_replay_result;

/**
 * Builds the file's model, puts its weights and random state in place and runs its
 * batch: losses, gradients, the first module that is not finite. Plugins of the config
 * are looked for beside the config file that the run used. `all` adds a row for each
 * module. Sets libtorch's random state.
 * Errors: MM_ENOENT; MM_EDATA for a file that is not NanGuardHook's; those of building.
 */
MM_API mm_status mm_replay(const char *path, bool all, mm_replay_result *out);

MM_END_DECLS

#endif
