/* Pascal VOC's difficult objects: classes that are in a picture, but may be missed. */
#ifndef MMZ_METRICS_VOC_H
#define MMZ_METRICS_VOC_H

#include "mmengine/metric.h"

/* What becomes of classes that only difficult objects show. */
enum { MMZ_DIFFICULT_IGNORED, MMZ_DIFFICULT_NEGATIVE, MMZ_DIFFICULT_POSITIVE };
extern const mm_choice mmz_difficult_choices[];

/* Writes that into a sample's targets [num_classes]; 1, 0 and -1 as in parts.h. */
mm_status mmz_mark_difficult(const mm_value *sample, int how, int64_t num_classes,
                             int8_t *targets);

#endif
