/** @file
 * Everything: includes all public headers, and begins with mm_init(). A program of its
 * own calls mm_init() once; what it needs of the zoo it registers itself:
 *
 *     if (mm_init() != MM_OK || mm_register(mm_zoo_components) != MM_OK) {
 */
#ifndef MMENGINE_MMENGINE_H
#define MMENGINE_MMENGINE_H

#include "mmengine/canvas.h"
#include "mmengine/checkpoint.h"
#include "mmengine/component.h"
#include "mmengine/config.h"
#include "mmengine/dataset.h"
#include "mmengine/dtype.h"
#include "mmengine/export.h"
#include "mmengine/file.h"
#include "mmengine/fileio.h"
#include "mmengine/forecast.h"
#include "mmengine/hub.h"
#include "mmengine/lint.h"
#include "mmengine/loader.h"
#include "mmengine/log.h"
#include "mmengine/memory.h"
#include "mmengine/metric.h"
#include "mmengine/model.h"
#include "mmengine/module.h"
#include "mmengine/nn.h"
#include "mmengine/number.h"
#include "mmengine/ops.h"
#include "mmengine/ops_math.h"
#include "mmengine/ops_nn.h"
#include "mmengine/ops_reduce.h"
#include "mmengine/ops_shape.h"
#include "mmengine/optim.h"
#include "mmengine/parallel.h"
#include "mmengine/plot.h"
#include "mmengine/plugin.h"
#include "mmengine/profile.h"
#include "mmengine/pth.h"
#include "mmengine/replay.h"
#include "mmengine/runner.h"
#include "mmengine/safetensors.h"
#include "mmengine/scheduler.h"
#include "mmengine/scope.h"
#include "mmengine/status.h"
#include "mmengine/structures.h"
#include "mmengine/tensor.h"
#include "mmengine/types.h"
#include "mmengine/value.h"
#include "mmengine/visualizer.h"
#include "mmengine/zoo.h"

MM_BEGIN_DECLS

/** Registers the components that are built in. Again does nothing. Does not open
 * libtorch. */
MM_API mm_status mm_init(void);

/** The library's version: "0.1.0". Static storage. */
MM_API const char *mm_version(void);

MM_END_DECLS

#endif
