/* Nested data made anew: what a recursion over dicts, lists and tuples needs. */
#ifndef MMI_BASE_VALUE_CONVERT_H
#define MMI_BASE_VALUE_CONVERT_H

#include "mmengine/value.h"

/* The new form of an item; yours. NULL with an error. */
typedef mm_value *(*mmi_convert_fn)(const mm_value *value, void *user);

/* True for a dict, a list and a tuple. */
bool mmi_value_is_container(const mm_value *value);

/* A new container of the kind of `value`, with the same keys, of what `convert` makes
 * of each item, in order; yours. `value` is a dict, a list or a tuple. */
mm_value *mmi_value_convert_items(const mm_value *value, mmi_convert_fn convert,
                                  void *user);

/* The same value, with a reference of its own: the last case of most conversions. */
mm_value *mmi_value_keep(const mm_value *value);

#endif
