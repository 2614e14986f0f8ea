/* MMEngine's lazy ("pure Python") configs. */
#ifndef MM_CONFIG_LAZY_H
#define MM_CONFIG_LAZY_H

#include "config/load.h"

/* Reads what a parsed lazy file inherits, runs it, and gives what it leaves: the
 * finished tree of the file asked for, or the live names of a base. */
MM_OWNED mm_value *mmi_load_lazy(mmi_load *load, mmi_module *module,
                                 const mmi_link *link);

/* Key of `mmi_module.bases` for an import: its module with the leading dots. */
MM_OWNED char *mmi_import_key(const mmi_node *import);

#endif
