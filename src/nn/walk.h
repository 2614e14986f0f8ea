/* Walking a tree of modules with dotted names. */
#ifndef MMI_NN_WALK_H
#define MMI_NN_WALK_H

#include "nn/module.h"

/* A walk in progress. Zero is its beginning. */
struct mmi_walk {
    mm_status (*visit)(struct mmi_walk *walk, mm_module *module); /* required */
    void *user;
    bool unique; /* a module that is registered twice is visited once */
    char *path;  /* dotted name of the module at hand, "" for the root */
    size_t size; /* bytes of it */
    size_t room; /* bytes allocated */
    mm_module **seen;
    size_t num_seen;
};

/* Visits `root` and its descendants, parents first, in order of registration. */
mm_status mmi_walk(struct mmi_walk *walk, mm_module *root);

/* Appends a name to the path; returns the former size for mmi_walk_pop(). */
size_t mmi_walk_push(struct mmi_walk *walk, const char *name);
void mmi_walk_pop(struct mmi_walk *walk, size_t size);

#endif
