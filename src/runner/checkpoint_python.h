/* Values as the classes that Python MMEngine has in its checkpoints. */
#ifndef MMI_RUNNER_CHECKPOINT_PYTHON_H
#define MMI_RUNNER_CHECKPOINT_PYTHON_H

#include "mmengine/value.h"

/* The message hub of a checkpoint with its histories, lists of numbers here, as objects
 * of HistoryBuffer. `scalars` (may be NULL) is a scalars.json whose records up to the
 * checkpoint's iteration become histories; for other keys there are the ends of
 * histories that our own key holds. Yours. */
mm_value *mmi_python_hub(const mm_value *root, const char *scalars);

#endif
