#include "torch/bridge.h"
