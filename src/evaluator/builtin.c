/* The components of this folder. */
#include "evaluator/metric.h"

const mm_component *const mmi_evaluator_components[] = {
    &mmi_dump_results,
    NULL,
};
