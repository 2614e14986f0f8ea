/* Random states around a module's calls. */
#include "nn/rng.h"

#include <string.h>

#include "mmengine/ops.h"

bool mmi_is_on_host(const mm_module *module)
{
    return strncmp(mm_module_device(module), "cpu", 3) == 0;
}

mm_status mmi_rng_keep(const mm_module *module, mmi_rng_pair *out)
{
    *out = (mmi_rng_pair){.cpu = mm_keep(mm_rng_state("cpu"))};
    if (!mmi_is_on_host(module))
        out->device = mm_keep(mm_rng_state(mm_module_device(module)));
    return mm_pending();
}

mm_status mmi_rng_restore(const mm_module *module, const mmi_rng_pair *pair)
{
    if (mm_rng_set_state("cpu", pair->cpu) < 0 || pair->device == NULL)
        return mm_pending();
    return mm_rng_set_state(mm_module_device(module), pair->device);
}

void mmi_rng_free(mmi_rng_pair *pair)
{
    mm_tensor_unref(pair->cpu);
    mm_tensor_unref(pair->device);
    *pair = (mmi_rng_pair){0};
}
