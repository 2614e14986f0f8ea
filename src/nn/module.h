/* What hangs on a module's instance, shared by the files of this folder. */
#ifndef MMI_NN_MODULE_H
#define MMI_NN_MODULE_H

#include "mmengine/module.h"

/* A child. Names are interned: they live as long as the process. */
struct mmi_child {
    const char *name;
    mm_module *module; /* one reference of its instance is ours */
};

/* A parameter or buffer. */
struct mmi_slot {
    const char *name;
    mm_tensor *tensor; /* ours; NULL: declared absent, as bias=None */
    bool persistent;   /* buffers: part of the state dict */
    double init_mean;  /* while weights are initialised: mean at the last look */
    char *init_info;   /* while weights are initialised: who changed it last */
};

struct mmi_slots {
    struct mmi_slot *items;
    size_t count;
};

/* A function around the calls of a module, and what it is around. */
struct mm_wrap {
    mm_around around;
    void *user;
    void (*release)(void *user); /* may be NULL */
    struct mm_wrap *next;        /* NULL: the module itself */
};

/* The shell of an instance. It lives as long as the instance and holds no reference to
 * it. Tensor handles never change once registered: moving and loading write into them,
 * so that optimizers and forward functions may keep pointers. */
struct mm_module {
    mm_instance *instance;
    void *self;
    const mm_module_ops *ops;
    struct mmi_child *children;
    size_t num_children;
    struct mmi_slots params;
    struct mmi_slots buffers;
    struct mm_wrap *wraps; /* ours, outermost first; NULL: none */
    const char *type;   /* class name, if not that of the component; static storage */
    mm_value *init_cfg; /* frozen; NULL: none */
    bool has_init_cfg;  /* the config named it, maybe as None */
    bool training;
    bool is_init;      /* init_weights was called */
    bool in_init;      /* an init_weights further out is at work */
    bool is_single_op; /* forward makes its result and nothing else */
    bool is_plain;     /* init_weights does not reach into it */
    char device[16];
};

/* The own slot of that name, or NULL. */
struct mmi_slot *mmi_slot_find(const struct mmi_slots *slots, const char *name);

/* Declares that forward makes one tensor, its result: a call needs no scope then. */
void mmi_module_set_single_op(const void *self);

/* Calls forward without a scope of its own. */
mm_tensor *mmi_module_forward_bare(mm_module *module, mm_tensor *x);

/* True if the component's class or its direct base has that name, as init_cfg's `layer`
 * asks: "Conv2d", "_BatchNorm". */
bool mmi_module_is_layer(const mm_module *module, const char *layer);

#endif
