/* Reading a config file with everything it inherits. */
#ifndef MM_CONFIG_LOAD_H
#define MM_CONFIG_LOAD_H

#include "config/eval.h"
#include "mmengine/config.h"

/* A file on the way from the one asked for to its bases. */
typedef struct mmi_link {
    const struct mmi_link *child; /* the file that inherits from it, or NULL */
    const char *path;             /* absolute, without ".." */
    const char *given;            /* how it is opened, and its `__file__` */
    const char *file;             /* how messages call it */
    int depth;
    bool is_lazy; /* reached by read_base() */
} mmi_link;

/* What one load of a config gathers. Zero but for `args` (may be NULL). */
typedef struct mmi_load {
    const mm_config_args *args;
    mmi_eval ev;
    mm_value *imported; /* names that lazy files bind by imports: a set */
    mm_value *env;      /* environment variables that templates used: a dict */
    mmi_str text;       /* of all files, bases first, as MMEngine's `text` */
} mmi_load;

/* Reads a file and merges it into its bases. The root dict is yours. Errors: MM_ENOENT,
 * MM_EIO, MM_ECONFIG with place and a frame for each base on the way. */
MM_OWNED mm_value *mmi_load_file(mmi_load *load, const char *path);

/* The same of text with the format ".py", ".json" or ".yaml"; bases are relative to the
 * working folder. */
MM_OWNED mm_value *mmi_load_string(mmi_load *load, const char *text,
                                   const char *format);

/* Reads a base of `link`. `source`: where it is named. Its `child` and `depth` are
 * filled in. What comes back is a lazy file's names if `base` is lazy. */
MM_OWNED mm_value *mmi_load_base(mmi_load *load, const mmi_link *link, mmi_link *base,
                                 const mm_source *source);

/* The path that `~` and a folder make of `path`, without "..". */
MM_OWNED char *mmi_absolute_path(const char *folder, const char *path);

/* Hints at files with similar names in the folder of a path that does not exist. */
void mmi_suggest_files(const char *path);

void mmi_load_deinit(mmi_load *load);

/* True for names that a config cannot have as keys at its top. */
bool mmi_is_reserved(const char *name, size_t size);

#endif
