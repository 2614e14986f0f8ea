/* Looking up standard modules and what is in them. Every module of Python's library can
 * be imported; what is in no table here is an error when it is used. */
#include "config/std.h"

#include <string.h>

static const mmi_std_def *const modules[] = {
    &mmi_std_math,        &mmi_std_os,        &mmi_std_path,      &mmi_std_copy,
    &mmi_std_config,      &mmi_std_functools, &mmi_std_itertools, &mmi_std_json,
    &mmi_std_collections, &mmi_std_sys,
};

mm_value *mmi_std_module(mmi_eval *ev, const char *name)
{
    (void)ev;
    if (strcmp(name, "posixpath") == 0) {
        name = "os.path";
    }
    for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++) {
        if (strcmp(modules[i]->name, name) == 0) {
            return mmi_new_std(modules[i], NULL);
        }
    }
    return NULL;
}

/* True if Python's module has no such name: a mistake, not something we lack. */
static bool is_unknown(const mmi_std_def *def, const char *name)
{
    static const char *const lacking[] = {
        "comb",  "dist", "frexp",     "fsum", "isqrt",     "lcm",
        "ldexp", "modf", "nextafter", "perm", "remainder", "ulp",
    };

    for (size_t i = 0; i < sizeof(lacking) / sizeof(lacking[0]); i++) {
        if (strcmp(lacking[i], name) == 0) {
            return false;
        }
    }
    return def == &mmi_std_math || def == &mmi_std_copy || def == &mmi_std_environ;
}

mm_value *mmi_std_get(mmi_eval *ev, const mmi_std_def *def, const char *name)
{
    mm_value *full = NULL;
    mm_value *made = NULL;

    (void)ev;
    for (size_t i = 0; i < def->count; i++) {
        const mmi_std_entry *entry = &def->entries[i];

        if (strcmp(entry->function.name, name) == 0) {
            return entry->constant != NULL ? entry->constant()
                                           : mmi_new_builtin(&entry->function);
        }
    }
    if (is_unknown(def, name)) {
        return NULL;
    }
    full = mm_value_new_strf("%s.%s", def->name, name);
    made = full == NULL ? NULL : mmi_new_std(NULL, mm_value_str(full));
    mm_value_unref(full);
    return made;
}

const char *mmi_std_name(const mmi_std_def *def)
{
    return def->name;
}

bool mmi_is_std_class(const mm_value *value)
{
    static const char *const small[] = {"defaultdict", "deque",     "datetime",
                                        "date",        "timedelta", "timezone"};
    const mmi_std_object *object = MMI_OBJECT(mmi_std_object, &mmi_std_ops, value);
    const char *name = NULL;

    if (mmi_is_environ(value)) {
        return true;
    }
    if (object != NULL && object->def == NULL) {
        name = strrchr(object->name, '.');
    }
    if (name == NULL) {
        return false; /* a module */
    }
    for (size_t i = 0; i < sizeof(small) / sizeof(small[0]); i++) {
        if (strcmp(small[i], name + 1) == 0) {
            return true;
        }
    }
    return name[1] >= 'A' && name[1] <= 'Z';
}

void mmi_std_each(const mmi_std_def *def, void (*visit)(void *user, const char *name),
                  void *user)
{
    for (size_t i = 0; i < def->count; i++) {
        visit(user, def->entries[i].function.name);
    }
}
