/* States of the generators that a run draws from: for checkpoints, and for going back.
 */
#ifndef MM_RUNNER_RANDOM_STATES_H
#define MM_RUNNER_RANDOM_STATES_H

#include "mmengine/runner.h"

/* Device -> state, "cpu" first; yours. */
MM_OWNED mm_value *mmi_random_states(const mm_runner *runner);
/* Without the host's; NULL without an error if the run has no other device. Yours. */
MM_OWNED mm_value *mmi_device_random_states(const mm_runner *runner);
/* Puts them back; devices that are not here are passed over. */
mm_status mmi_random_restore(const mm_value *states);

#endif
