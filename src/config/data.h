/* YAML and JSON as configs. */
#ifndef MM_CONFIG_DATA_H
#define MM_CONFIG_DATA_H

#include "config/eval.h"

/* What a YAML or JSON text holds: a dict with text keys, yours. Places are those of the
 * file before its templates were replaced. Errors: MM_ECONFIG. */
MM_OWNED mm_value *mmi_read_data(mmi_eval *ev, const mmi_text *text, bool is_json);

#endif
