/* The header of an instance; the component's struct lies behind it. */
#ifndef REGISTRY_INSTANCE_H
#define REGISTRY_INSTANCE_H

#include <stdatomic.h>

#include "mmengine/component.h"

struct mmi_block;
struct mmi_kept;

struct mm_instance {
    uint32_t magic; /* tells a stray `self` */
    atomic_int refs;
    bool is_started; /* init was called, whatever it came to */
    const mm_component *component;
    mm_value *config;  /* frozen; NULL if made from C */
    const char *scope; /* NULL: the root */
    void *shell;       /* of the folder that owns the interface */
    void (*free_shell)(void *);
    struct mmi_block *blocks; /* memory */
    struct mmi_kept *kept;    /* values */
};

/* What an interface is called in messages: "hook". */
const char *mmi_interface_name(mm_interface_id interface);
/* True if a component of interface `has` can be used as `wanted`. */
bool mmi_interface_fits(mm_interface_id has, mm_interface_id wanted);

#endif
