/* `--cfg-options key=value`. */
#ifndef MM_CONFIG_OVERRIDES_H
#define MM_CONFIG_OVERRIDES_H

#include "mmengine/value.h"

/* Reads the text of a value by the grammar of MMEngine's DictAction. Errors: MM_EINVAL.
 */
MM_OWNED mm_value *mmi_override_parse(const char *text);

/* Nested dicts of an options dict with dotted keys: {"a.b": 1} becomes {"a": {"b": 1}}.
 * Errors: MM_ECONFIG for keys that contradict each other. */
MM_OWNED mm_value *mmi_override_nest(const mm_value *options);

#endif
