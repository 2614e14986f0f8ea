#include "nowhere/x.h"
#include "../base/vec.h"
#include "mmengine/lost.h"
#include "torch/bridge.h"
