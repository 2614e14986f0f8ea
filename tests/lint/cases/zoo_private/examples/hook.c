#include "runner/loop.h"
