/* What the files of str's methods share: parts of texts, and the methods that the table
 * in methods_str.c lists. */
#ifndef MM_CONFIG_METHODS_STR_H
#define MM_CONFIG_METHODS_STR_H

#include "config/objects.h"

/* A text inside a str value. */
typedef struct mmi_part {
    const char *at;
    size_t size;
} mmi_part;

mmi_part mmi_part_of(const mm_value *value);
mm_value *mmi_part_value(mmi_part part);
/* The text of an argument that must be a str. False with an error. */
bool mmi_read_part(mmi_eval *ev, const char *method, const mm_value *value,
                   mmi_part *out);
/* Where `what` stands first (last) in `in`; NULL if it does not. */
const char *mmi_find_part(mmi_part in, mmi_part what);
const char *mmi_find_last_part(mmi_part in, mmi_part what);
/* Counts the work and memory of a text of `size` bytes. False with an error. */
bool mmi_pay_text(mmi_eval *ev, size_t size);

#define MMI_STR_METHOD(name)                                                           \
    mm_value *mmi_method_##name(mmi_eval *ev, mm_value *self, const mmi_args *args)

/* methods_str_split.c */
MMI_STR_METHOD(strip);
MMI_STR_METHOD(lstrip);
MMI_STR_METHOD(rstrip);
MMI_STR_METHOD(split);
MMI_STR_METHOD(rsplit);
MMI_STR_METHOD(splitlines);
MMI_STR_METHOD(join);
MMI_STR_METHOD(partition);
MMI_STR_METHOD(rpartition);

/* methods_str_find.c */
MMI_STR_METHOD(find);
MMI_STR_METHOD(rfind);
MMI_STR_METHOD(index);
MMI_STR_METHOD(rindex);
MMI_STR_METHOD(count);
MMI_STR_METHOD(replace);
MMI_STR_METHOD(startswith);
MMI_STR_METHOD(endswith);
MMI_STR_METHOD(removeprefix);
MMI_STR_METHOD(removesuffix);

/* methods_str_case.c */
MMI_STR_METHOD(upper);
MMI_STR_METHOD(lower);
MMI_STR_METHOD(title);
MMI_STR_METHOD(capitalize);
MMI_STR_METHOD(swapcase);
MMI_STR_METHOD(isdigit);
MMI_STR_METHOD(isalpha);
MMI_STR_METHOD(isalnum);
MMI_STR_METHOD(isspace);
MMI_STR_METHOD(isidentifier);
MMI_STR_METHOD(islower);
MMI_STR_METHOD(isupper);
MMI_STR_METHOD(ljust);
MMI_STR_METHOD(rjust);
MMI_STR_METHOD(center);
MMI_STR_METHOD(zfill);

#undef MMI_STR_METHOD

#endif
