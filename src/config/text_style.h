/* Files of the style with `_base_`. */
#ifndef MM_CONFIG_TEXT_STYLE_H
#define MM_CONFIG_TEXT_STYLE_H

#include "config/load.h"

/* Reads what a parsed Python file inherits, runs it and merges it; the root is yours.
 */
MM_OWNED mm_value *mmi_load_text_style(mmi_load *load, mmi_module *module,
                                       const mmi_link *link);

/* The same of a YAML or JSON file. */
MM_OWNED mm_value *mmi_load_data(mmi_load *load, mmi_module *module,
                                 const mmi_link *link, bool is_json);

#endif
