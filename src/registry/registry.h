/* What the files of this folder share; the program's help reads it too. Public
 * declarations are in mmengine/component.h and mmengine/plugin.h. */
#ifndef REGISTRY_REGISTRY_H
#define REGISTRY_REGISTRY_H

#include "mmengine/component.h"

/* --- registry.c --- */

/* A name under which a component is found: its own or an alias. */
struct mmi_entry {
    int registry;      /* index in mm_registry_names() */
    const char *scope; /* never NULL: the root is "mmengine" */
    const char *name;
    const mm_component *component;
};

/* Index of a registry name, or -1. */
int mmi_registry_index(const char *registry);
/* Hints at registries of nearly that name. */
void mmi_registry_hint(const char *word);
/* "mmengine" for NULL, else the argument. */
const char *mmi_scope_name(const char *scope);
/* All entries, sorted by registry, scope and name; borrowed until the next
 * registration. */
const struct mmi_entry *mmi_entries(size_t *out_count);
/* True if some component lives in that scope. */
bool mmi_scope_is_known(const char *scope);
/* Declares a package whose class paths ("torch.nn.ReLU", "my_models.lenet.LeNet") mean
 * components of the root scope. */
mm_status mmi_package_add(const char *package);
/* True for a package whose classes are built in: "torch", "mmcv". */
bool mmi_package_is_builtin(const char *package);
/* True for those and for the packages of plugins. */
bool mmi_package_is_known(const char *package);
/* Forgets all registrations. For tests. */
void mmi_registry_clear(void);

/* --- lookup.c --- */

/* Raises `code` for a name that was not found, with what is near or elsewhere;
 * MM_EUNSUPPORTED for one that another library is known to have. `registry` NULL: any.
 * `path` may be NULL: the key path of the config. */
mm_status mmi_component_missing(mm_status code, const char *registry, const char *scope,
                                const char *name, const char *path);

/* --- table.c --- */

/* A row as found in a table or in one that the table inherits. */
struct mmi_row {
    const mm_option *option;
    size_t offset; /* of the field in the outer struct */
};

/* Calls `visit` for each row that holds an option, inherited ones first, until it
 * returns a negative status. Rows that an outer table names again are left out. */
mm_status mmi_table_each(const mm_option *table,
                         mm_status (*visit)(void *user, const struct mmi_row *row),
                         void *user);
/* The row of `name`: the outermost table wins. False if there is none. */
bool mmi_table_find(const mm_option *table, const char *name, struct mmi_row *out);
/* True if the option takes None. */
bool mmi_option_is_nullable(const mm_option *option);
/* Writes what an option takes: "int >= 1", "one of 'a', 'b'". Returns `out`. */
char *mmi_option_expects(const mm_option *option, char *out, size_t out_size);
/* The same in the short form of help: "int", "str or None", "list of ints". */
char *mmi_option_type(const mm_option *option, char *out, size_t out_size);
/* Writes its default as config text; "required" if it has none. Returns `out`. */
char *mmi_option_default(const mm_option *option, char *out, size_t out_size);
/* Writes its range, "" if there is none. Returns `out`. */
char *mmi_option_range(const mm_option *option, char *out, size_t out_size);
/* --- literal.c --- */

/* Reads the text of a default: ints, floats, strings, None, True, False, lists, tuples.
 * Yours; NULL: MM_EINVAL. */
MM_OWNED mm_value *mmi_literal_parse(const char *text);

/* --- options.c --- */

/* Where the options of one component are read from and stored to. */
struct mmi_reader {
    const mm_component *component;
    mm_value *config;      /* NULL: defaults only */
    const char *path;      /* key path of `config`, "" at the top */
    const char *scope;     /* for nested components */
    mm_instance *instance; /* NULL: check only */
};

/* Reads, checks and stores all options; nested components are checked or built. */
mm_status mmi_options_read(const struct mmi_reader *reader);
/* The place of an entry of the config, else of its `type`, else of its first entry. */
const mm_source *mmi_config_source(const mm_value *config, const char *key);
/* Places the pending error at the option whose name its message begins with: "betas[1]
 * is 1.5", "dtype is 'int8'". Returns the pending code. */
mm_status mmi_config_locate(const mm_value *config);
/* Stores defaults only. */
mm_status mmi_options_default(mm_instance *instance);

/* --- build.c --- */

/* mm_build() and mm_build_check() for a nested config that has been checked already,
 * or that is being checked. */
mm_instance *mmi_build_checked(const mm_build_args *given);
/* True for a list of models: it is built as a Sequential. */
bool mmi_builds_list(const char *registry, const mm_value *config);

/* --- instance.c --- */

/* A new instance of zeroed fields. `config` and `scope` may be NULL. */
mm_instance *mmi_instance_alloc(const mm_component *component, mm_value *config,
                                const char *scope);
/* Zeroed memory that lives as long as the instance. */
void *mmi_instance_memory(mm_instance *instance, size_t size);
/* Makes the instance own a value; also when this fails. */
mm_status mmi_instance_keep(mm_instance *instance, MM_TAKES mm_value *value);
/* The scope of the component whose init runs on this thread, or NULL. */
const char *mmi_current_scope(void);

#endif
