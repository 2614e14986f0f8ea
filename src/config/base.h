/* Reading a config file with everything it inherits. */
#ifndef MM_CONFIG_BASE_H
#define MM_CONFIG_BASE_H

#include "config/eval.h"
#include "mmengine/config.h"

/* What one load of a config gathers. Zero but for `args` (may be NULL). */
typedef struct mmi_load {
    const mm_config_args *args;
    mmi_eval ev;
    mm_value *env; /* environment variables that templates used: a dict */
    mmi_str text;  /* of all files, bases first, as MMEngine's `text` */
} mmi_load;

/* Reads a file and merges it into its bases. The root dict is yours. Errors: MM_ENOENT,
 * MM_EIO, MM_ECONFIG with place and a frame for each base on the way. */
MM_OWNED mm_value *mmi_load_file(mmi_load *load, const char *path);

/* The same of text with the format ".py", ".json" or ".yaml"; bases are relative to the
 * working folder. */
MM_OWNED mm_value *mmi_load_string(mmi_load *load, const char *text,
                                   const char *format);

void mmi_load_deinit(mmi_load *load);

/* True for names that a config cannot have as keys at its top. */
bool mmi_is_reserved(const char *name, size_t size);

#endif
