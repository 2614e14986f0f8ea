/* What the files of this folder share. */
#ifndef MMI_STRUCTURES_H
#define MMI_STRUCTURES_H

#include <stdatomic.h>

#include "mmengine/structures.h"

struct mm_data_element {
    atomic_int refs;
    mm_element_kind kind;
    const char *type;
    mm_value *fields;   /* NULL: none yet */
    mm_value *metainfo; /* NULL: none yet */
};

/* The names an element holds, for messages: "gt_label, img_shape"; mm_free(). */
MM_OWNED char *mmi_data_element_keys(const mm_data_element *element);

/* Data fields, 0 if none were set. */
size_t mmi_num_fields(const mm_data_element *element);
/* An element of the same type and rules with a copy of the metainfo; yours. */
mm_data_element *mmi_data_element_bare(const mm_data_element *element);
/* Sets a field that is known to fit, without the rules. */
void mmi_data_element_set(mm_data_element *element, const char *name,
                          MM_TAKES mm_value *value);
/* `element`, or NULL after releasing it if an error is pending. */
mm_data_element *mmi_finished(MM_TAKES mm_data_element *element);

/* The rules of the kinds: what may be set under `name`; yours. NULL: an error. */
mm_value *mmi_instance_accept(const mm_data_element *element, const char *name,
                              mm_value *value);
mm_value *mmi_pixel_accept(const mm_data_element *element, const char *name,
                           mm_value *value);

/* A slice of `size` items as first item, number of items and step. */
mm_status mmi_slice_resolve(mm_slice slice, int64_t size, int64_t *out_start,
                            int64_t *out_count, int64_t *out_step);
/* x[.., slice, ..] along `dim`; scope-owned. */
mm_tensor *mmi_tensor_slice(mm_tensor *x, int64_t dim, mm_slice slice);

#endif
