/* The zoo's one table. A component is added by its line in components.def. */
#include "mmengine/zoo.h"

#define X(id) extern const mm_component mmz_##id;
#include "components.def"
#undef X

const mm_component *const mm_zoo_components[] = {
#define X(id) &mmz_##id,
#include "components.def"
#undef X
    NULL,
};
