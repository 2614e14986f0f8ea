/* What the files of this folder share. */
#ifndef MMI_VISUALIZATION_VISUALIZATION_H
#define MMI_VISUALIZATION_VISUALIZATION_H

#include "mmengine/visualizer.h"

extern const mm_component mmi_visualizer;
extern const mm_component mmi_local_backend;

#endif
