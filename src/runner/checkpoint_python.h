/* Values as the classes that Python MMEngine has in its checkpoints. */
#ifndef MMI_RUNNER_CHECKPOINT_PYTHON_H
#define MMI_RUNNER_CHECKPOINT_PYTHON_H

#include "mmengine/value.h"

/* A message hub's state with its histories, lists of numbers here, as objects of
 * HistoryBuffer; `scalars` (may be NULL) is a scalars.json whose records up to
 * iteration `last_iter` become histories where there are none. Yours. */
mm_value *mmi_python_hub(const mm_value *hub, const char *scalars, int64_t last_iter);

#endif
