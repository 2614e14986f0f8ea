/* What the files of this folder share. */
#ifndef MMI_VISUALIZATION_VISUALIZATION_H
#define MMI_VISUALIZATION_VISUALIZATION_H

#include "base/str.h"
#include "mmengine/visualizer.h"

extern const mm_component mmi_visualizer;
extern const mm_component mmi_local_backend;
extern const mm_component mmi_tensorboard_backend;

/* Appends the picture as a PNG file. */
mm_status mmi_image_to_png(const mm_image *image, mmi_str *out);

#endif
