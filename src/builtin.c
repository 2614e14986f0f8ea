/* What is built in: collects the components of every folder. Which folders have some is
 * generated: those with a builtin.c. */
#include "mmengine/mmengine.h"

#define X(folder) extern const mm_component *const mmi_##folder##_components[];
#include "builtin_folders.def"
#undef X

mm_status mm_init(void)
{
    static const mm_component *const *const tables[] = {
#define X(folder) mmi_##folder##_components,
#include "builtin_folders.def"
#undef X
        NULL,
    };

    for (size_t i = 0; tables[i] != NULL; i++) {
        if (mm_register(tables[i]) != MM_OK) {
            return mm_pending();
        }
    }
    return mm_pending();
}

const char *mm_version(void)
{
    return MM_VERSION;
}
