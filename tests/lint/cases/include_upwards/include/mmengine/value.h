#include "mmengine/status.h"
#include "mmengine/component.h"
