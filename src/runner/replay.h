/* Writing what mm_replay() reads, and going back to a checkpoint in the middle of a
 * run: for NanGuardHook. */
#ifndef MM_RUNNER_REPLAY_H
#define MM_RUNNER_REPLAY_H

#include "mmengine/replay.h"
#include "mmengine/runner.h"
#include "runner/batch_check.h"
#include "runner/random_states.h"

/* What goes into a file besides the model's weights and the config. */
typedef struct mmi_replay_file {
    mm_value *batch;        /* as the loader made it */
    const mm_value *random; /* as it was before the step */
    const char *samples;    /* names of the samples, for people */
    int64_t batch_idx;
    const char *diagnosis;
} mmi_replay_file;

/* Weights and buffers are those of the runner's model at this moment. MM_ETYPE if the
 * batch holds what no file can hold. */
mm_status mmi_replay_write(const char *path, mm_runner *runner,
                           const mmi_replay_file *file);

/*
 * Puts back what a checkpoint says was learnt: weights, buffers, the optimizer's
 * memory. The run's clock goes on: iteration, schedule, place in the data, random
 * state. MM_EDATA if its weights are not finite.
 */
mm_status mmi_roll_back(mm_runner *runner, const char *path);

#endif
