/* Small helpers between the base library and the config language. */
#ifndef MM_CONFIG_UTIL_H
#define MM_CONFIG_UTIL_H

#include "base/str.h"
#include "mmengine/value.h"

/* Adds one character; `code` must be one. */
void mmi_str_add_utf8(mmi_str *str, uint32_t code);
/* Adds `count` times `c`. */
void mmi_str_fill(mmi_str *str, char c, size_t count);
/* The text as a str value; the builder is released. NULL with an error. */
mm_value *mmi_str_value(mmi_str *str);

/* Puts an entry under any key and notes where it was written. An entry that is there
 * keeps its place in the order and gets the new source. A source without file is
 * ignored. */
void mmi_dict_put_at(mm_value *dict, mm_value *key, mm_value *value, mm_source source);
/* Appends an item and notes where it was written. */
void mmi_list_append_at(mm_value *list, mm_value *item, mm_source source);
/* Copies an entry's or item's source, or an empty one. */
mm_source mmi_dict_source_of(const mm_value *dict, size_t index);
mm_source mmi_list_source_of(const mm_value *list, size_t index);

#endif
