/* The list of this folder's components. */
#include "dataset/dataset_impl.h"

extern const mm_component *const mmi_dataset_components[];

const mm_component *const mmi_dataset_components[] = {
    &mmi_default_sampler, &mmi_infinite_sampler, &mmi_pseudo_collate,
    &mmi_default_collate, &mmi_data_loader,      NULL,
};
