/* What base_model.c needs of test-time augmentation. */
#ifndef MM_MODEL_TTA_MODEL_H
#define MM_MODEL_TTA_MODEL_H

#include "mmengine/model.h"

/* Runs the wrapped model on each augmentation of a batch and merges; scope-owned. */
mm_value *mmi_tta_test_step(mm_module *model, mm_value *batch);

#endif
