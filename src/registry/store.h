/* One option on its way from a config's value to a field. */
#ifndef REGISTRY_STORE_H
#define REGISTRY_STORE_H

#include "registry/registry.h"

enum {
    MMI_PATH_SIZE = 256,   /* bytes of a key path in messages */
    MMI_SHOWN_SIZE = 96,   /* bytes of a value in messages */
    MMI_EXPECTS_SIZE = 320 /* bytes of what an option takes */
};

struct mmi_reading {
    const struct mmi_reader *reader;
    const mm_option *option;
    mm_value *value;
    const mm_source *source;
    const char *path; /* "model.backbone.depth" */
    void *field;      /* NULL: check only */
};

/* Checks the value against the row and stores it, if there is a field. */
mm_status mmi_option_read(const struct mmi_reading *reading);
/* Writes a value as a message shows it: its repr, cut, and its type. */
void mmi_show_value(const mm_value *value, char *out, size_t out_size);

#endif
