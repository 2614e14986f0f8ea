/* The standard modules that configs can use: tables of names; nothing is imported. */
#ifndef MM_CONFIG_STD_H
#define MM_CONFIG_STD_H

#include "config/objects.h"

/* A name in a module: a function, a constant made on demand, or a type. */
typedef struct mmi_std_entry {
    mmi_builtin_def function; /* its name is the entry's */
    mm_value *(*constant)(void);
} mmi_std_entry;

struct mmi_std_def {
    const char *name;
    const mmi_std_entry *entries;
    size_t count;
};

#define FUNCTION(name, call)                                                           \
    {                                                                                  \
        {(name), (call), false}, NULL                                                  \
    }
#define PLAIN(name, call)                                                              \
    {                                                                                  \
        {(name), (call), true}, NULL                                                   \
    }
/* PLAIN: a function written in Python, which a config drops at its top level. */
#define CONSTANT(name, make)                                                           \
    {                                                                                  \
        {(name), NULL, false}, (make)                                                  \
    }

#define MODULE(name, entries)                                                          \
    {                                                                                  \
        (name), (entries), sizeof(entries) / sizeof((entries)[0])                      \
    }

extern const mmi_std_def mmi_std_math, mmi_std_os, mmi_std_path, mmi_std_environ,
    mmi_std_copy, mmi_std_config, mmi_std_functools, mmi_std_itertools, mmi_std_json,
    mmi_std_collections, mmi_std_sys;

#endif
