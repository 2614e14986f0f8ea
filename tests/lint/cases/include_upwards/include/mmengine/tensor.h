#include "mmengine/component.h"
