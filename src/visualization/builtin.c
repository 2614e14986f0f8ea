/* The list of this folder's components. */
#include "visualization/visualization.h"

extern const mm_component *const mmi_visualization_components[];

const mm_component *const mmi_visualization_components[] = {
    &mmi_visualizer,
    &mmi_local_backend,
    &mmi_tensorboard_backend,
    NULL,
};
