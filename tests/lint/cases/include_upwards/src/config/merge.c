#include "config/merge.h"
#include "base/vec.h"
#include "runner/loop.h"
/* #include "runner/loop.h" */
#include "mmengine/value.h"
#include "mmengine/runner.h"
