/** @file
 * Data elements: annotations and predictions of one sample. Two disjoint name spaces:
 * metainfo (image size, path: not moved between devices) and data fields (tensors,
 * other elements). Source: mmengine/structures/base_data_element.py.
 */
#ifndef MMENGINE_STRUCTURES_H
#define MMENGINE_STRUCTURES_H

#include "mmengine/tensor.h"

MM_BEGIN_DECLS

/** Recognises data elements among values. */
MM_API extern const mm_object_ops mm_data_element_object;

/** An empty element of type `type_name` ("BaseDataElement", "DataSample"); yours. The
 * name is not copied: static storage. */
MM_API mm_data_element *mm_data_element_new(const char *type_name);
MM_API mm_data_element *mm_data_element_ref(mm_data_element *element);
MM_API void mm_data_element_unref(mm_data_element *element);
/** Name given at creation. */
MM_API const char *mm_data_element_type(const mm_data_element *element);

/** Sets a data field. MM_EKEY if the name is a metainfo key. */
MM_API void mm_data_element_put(mm_data_element *element, const char *name,
                                mm_value *value);
MM_API void mm_data_element_put_tensor(mm_data_element *element, const char *name,
                                       mm_tensor *tensor);
/** Sets a metainfo entry. MM_EKEY if the name is a data field. */
MM_API void mm_data_element_put_meta(mm_data_element *element, const char *name,
                                     mm_value *value);
/** A data field or metainfo entry, borrowed; NULL without an error if absent. */
MM_API mm_value *mm_data_element_find(const mm_data_element *element, const char *name);
/** The same, but absence is MM_EKEY. */
MM_API mm_value *mm_data_element_get(const mm_data_element *element, const char *name);
MM_API mm_tensor *mm_data_element_get_tensor(const mm_data_element *element,
                                             const char *name);
MM_API bool mm_data_element_remove(mm_data_element *element, const char *name);
/** The dict of data fields, borrowed. */
MM_API mm_value *mm_data_element_fields(const mm_data_element *element);
/** The dict of metainfo, borrowed. */
MM_API mm_value *mm_data_element_metainfo(const mm_data_element *element);
/** A copy whose containers are its own and whose tensors are shared; yours. */
MM_API MM_OWNED mm_data_element *mm_data_element_copy(const mm_data_element *element);
/** A copy with all tensors on `device`; yours. */
MM_API MM_OWNED mm_data_element *mm_data_element_to(const mm_data_element *element,
                                                    const char *device);
/** Nested dict of data fields and metainfo, as to_dict(); yours. */
MM_API MM_OWNED mm_value *mm_data_element_to_dict(const mm_data_element *element);
/** MMEngine's nested repr; mm_free(). */
MM_API MM_OWNED char *mm_data_element_repr(const mm_data_element *element);

/** A value that refers to `element`; yours. */
MM_API mm_value *mm_value_new_data_element(mm_data_element *element);
/** The element of a value, borrowed; MM_ETYPE if it holds none. */
MM_API mm_data_element *mm_value_data_element(const mm_value *value);
/** The same, NULL without an error. */
MM_API mm_data_element *mm_value_find_data_element(const mm_value *value);

MM_END_DECLS

#endif
