/* How many pixels of each class a map and its annotation have, and share. */
#ifndef MMZ_MMSEG_AREAS_H
#define MMZ_MMSEG_AREAS_H

#include "mmengine/tensor.h"

/* The rows of a table of areas. */
enum { MMZ_INTERSECT, MMZ_UNION, MMZ_PREDICTED, MMZ_EXPECTED, MMZ_NUM_AREAS };

/* Fills out[MMZ_NUM_AREAS][num_classes], in pixels. Both maps are ints on the host,
 * contiguous and of one size; pixels whose annotation is `ignore_index` do not count,
 * nor do classes outside 0..num_classes-1. */
mm_status mmz_count_areas(mm_tensor *predicted, mm_tensor *expected,
                          int64_t ignore_index, int64_t num_classes, float *out);

#endif
