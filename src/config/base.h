/* The bases of a file of the style with `_base_`. */
#ifndef MM_CONFIG_BASE_H
#define MM_CONFIG_BASE_H

#include "config/load.h"

/* The names in `_base_` of a Python file (`assign` may be NULL) or of a YAML or JSON
 * dict: a list, yours, where a single value counts as one. `out_source` gets its place.
 * NULL without an error if there are none. */
MM_OWNED mm_value *mmi_base_names(mmi_load *load, const mmi_node *assign,
                                  mm_source *out_source);
MM_OWNED mm_value *mmi_data_base_names(mm_value *data, mm_source *out_source);

/* All bases of a file in one dict; `names` may be NULL, `place` is where they stand.
 * Errors: those of mmi_load_base(), MM_ECONFIG for a key of two bases. */
MM_OWNED mm_value *mmi_load_bases(mmi_load *load, const mmi_link *link, mm_value *names,
                                  mm_source place);

#endif
