#include "mmengine/status.h"
