/* MMEngine's merge of a child config into its base. */
#ifndef MM_CONFIG_MERGE_H
#define MM_CONFIG_MERGE_H

#include "mmengine/value.h"

/* Merges `child` into `base`; both are dicts and stay as they are, what is not merged
 * is shared. Keys of the base come first. `_delete_=True` in a dict of the child
 * replaces that of the base; a dict over something else is an error. With `list_keys` a
 * decimal key of the child addresses an item of a list. Errors: MM_ECONFIG with both
 * places. */
MM_OWNED mm_value *mmi_merge(const mm_value *child, const mm_value *base,
                             bool list_keys);

/* ConfigDict.merge(): the same, but a dict may also go over anything, and `_delete_` is
 * obeyed and removed at every level. */
MM_OWNED mm_value *mmi_merge_config(const mm_value *base, const mm_value *other);

#endif
