/* Random states around a module's calls: those of the host and of the device that the
 * module is on. */
#ifndef MMI_NN_RNG_H
#define MMI_NN_RNG_H

#include "mmengine/module.h"

/* States of generators; owned. NULL on the device where there is none but the host. */
typedef struct mmi_rng_pair {
    mm_tensor *cpu, *device;
} mmi_rng_pair;

/* True if the module is on the host. */
bool mmi_is_on_host(const mm_module *module);
/* The states now; mmi_rng_free(), also after an error. */
mm_status mmi_rng_keep(const mm_module *module, mmi_rng_pair *out);
/* Puts them back. */
mm_status mmi_rng_restore(const mm_module *module, const mmi_rng_pair *pair);
void mmi_rng_free(mmi_rng_pair *pair);

#endif
