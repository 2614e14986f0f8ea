#include "upstairs/x.h"
