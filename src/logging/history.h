/* What the hub knows of histories beyond mmengine/hub.h. */
#ifndef MMI_LOGGING_HISTORY_H
#define MMI_LOGGING_HISTORY_H

#include "mmengine/hub.h"

/* Exchanges the contents of two histories. */
void mmi_history_swap(mm_history *a, mm_history *b);

#endif
