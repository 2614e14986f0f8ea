/* What the files of this folder share. */
#ifndef MMI_STRUCTURES_H
#define MMI_STRUCTURES_H

#include "mmengine/structures.h"

/* The names an element holds, for messages: "gt_label, img_shape"; mm_free(). */
MM_OWNED char *mmi_data_element_keys(const mm_data_element *element);

#endif
