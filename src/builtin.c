/* What is built in: collects the components of every folder. Which folders have some is
 * generated: those with a builtin.c. */
#include "mmengine/mmengine.h"

#include "registry/plugin.h"

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

    static const size_t sizes[] = {MM_ABI_STRUCTS(MM_ABI_SIZE_)};

    mmi_plugin_set_layout(sizes, sizeof(sizes) / sizeof(sizes[0]));
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
