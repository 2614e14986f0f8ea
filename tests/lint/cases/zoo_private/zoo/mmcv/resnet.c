#include "mmengine/runner.h"
#include "mmcv/blocks.h"
#include "base/vec.h"
