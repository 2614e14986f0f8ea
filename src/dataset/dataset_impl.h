/* What the files of this folder share. */
#ifndef MM_DATASET_DATASET_IMPL_H
#define MM_DATASET_DATASET_IMPL_H

#include "mmengine/dataset.h"
#include "mmengine/loader.h"

/* One item on its way; lives on the stack of the thread that makes it. */
struct mm_sample {
    mm_value *value; /* owned: the dict, or what a transform put in its place */
    int64_t index;   /* in the dataset */
    int64_t epoch;
    uint64_t stream; /* state of the small generator */
    uint64_t seed;   /* of (seed, epoch, index): where both generators begin */
    mm_rng *rng;     /* owned, made at the first use */
};

void mmi_sample_init(mm_sample *sample, uint64_t seed, int64_t epoch, int64_t index);
void mmi_sample_deinit(mm_sample *sample);

/* The settings a dataset's struct begins with (anywhere in it), or NULL. */
const mm_base_dataset *mmi_base_of(const mm_instance *dataset);

extern const mm_component mmi_default_sampler, mmi_infinite_sampler, mmi_pseudo_collate,
    mmi_default_collate, mmi_data_loader;

#endif
