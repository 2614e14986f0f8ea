/* The components of this folder, and layers by name. */
#include "nn/layer.h"

#include <string.h>

const mm_component *const mmi_nn_components[] = {
#define X(id) &mmi_nn_##id,
#include "nn/components.def"
#undef X
    NULL,
};

mm_module *mm_nn_layer(const char *type)
{
    if (type == NULL && !mm_has_error()) {
        mm_raise(MM_EINVAL, "could not make a layer: no type given");
    }
    for (size_t i = 0; !mm_has_error() && mmi_nn_components[i] != NULL; i++) {
        const mm_component *component = mmi_nn_components[i];

        if (component->interface == MM_INTERFACE_MODULE &&
            strcmp(component->name, type) == 0) {
            return mm_module_new(component);
        }
    }
    if (!mm_has_error()) {
        mm_raise(MM_EKEY, "could not make a layer: there is no '%s'", type);
    }
    return NULL;
}
