/** @file
 * Data elements: annotations and predictions of one sample. Two disjoint name spaces:
 * metainfo (image size, path: not moved between devices) and data fields (tensors,
 * other elements). InstanceData, PixelData and LabelData are elements with rules of
 * their own about fields. Source: mmengine/structures.
 *
 * Python's operations and their calls here:
 *
 *     element.x = v, set_data()        put(), put_fields()
 *     set_metainfo()                   put_meta(), put_metainfo()
 *     element.x, get(), in             get(), find(), has()
 *     del element.x, pop()             remove(), pop()
 *     items(), metainfo_items()        fields(), metainfo(): dicts
 *     new(), clone(), update()         new_like(), clone(), update()
 *     to(), cpu(), detach(), numpy()   to(), cast(), detach(), numpy(), to_tensor()
 *     to_dict(), repr()                to_dict(), repr()
 *
 * Errors: MM_EKEY for names, MM_ESHAPE for lengths and sizes that do not fit, MM_ETYPE
 * for values that an element cannot hold, MM_ERANGE for indices outside.
 */
#ifndef MMENGINE_STRUCTURES_H
#define MMENGINE_STRUCTURES_H

#include "mmengine/tensor.h"

MM_BEGIN_DECLS

/** Recognises data elements among values. */
MM_API extern const mm_object_ops mm_data_element_object;

/** The rules that data fields of an element follow. */
typedef enum mm_element_kind {
    MM_ELEMENT_BASE,     /**< none */
    MM_ELEMENT_INSTANCE, /**< all fields have one length; can be indexed */
    MM_ELEMENT_PIXEL, /**< all fields are [C, H, W] tensors of one H and W; can be cut
                       */
    MM_ELEMENT_LABEL  /**< none; stands for annotations of the whole */
} mm_element_kind;

/** @name Making elements @{ */
/** An empty element of type `type_name` ("BaseDataElement", "DataSample"); yours. The
 * name is not copied: static storage. */
MM_API mm_data_element *mm_data_element_new(const char *type_name);
/** The same with rules. `type_name` NULL: "InstanceData", "PixelData", "LabelData". */
MM_API mm_data_element *mm_data_element_new_of(mm_element_kind kind,
                                               const char *type_name);
MM_API mm_data_element *mm_data_element_ref(mm_data_element *element);
MM_API void mm_data_element_unref(mm_data_element *element);
/** Name given at creation. */
MM_API const char *mm_data_element_type(const mm_data_element *element);
MM_API mm_element_kind mm_data_element_kind(const mm_data_element *element);
/**
 * Another element of the same type and rules; yours. Metainfo is a deep copy of
 * `metainfo`, the data fields are those of `fields`; NULL: those of `element`. Source:
 * BaseDataElement.new().
 */
MM_API MM_OWNED mm_data_element *
mm_data_element_new_like(const mm_data_element *element, const mm_value *metainfo,
                         const mm_value *fields);
/** new_like() without changes: metainfo is copied, values of data fields are shared. */
MM_API MM_OWNED mm_data_element *mm_data_element_clone(const mm_data_element *element);
/** A copy whose containers are its own and whose tensors are shared; yours. */
MM_API MM_OWNED mm_data_element *mm_data_element_copy(const mm_data_element *element);
/** @} */

/** @name Setting @{ */
/** Sets a data field. MM_EKEY if the name is a metainfo key. */
MM_API void mm_data_element_put(mm_data_element *element, const char *name,
                                mm_value *value);
MM_API void mm_data_element_put_tensor(mm_data_element *element, const char *name,
                                       mm_tensor *tensor);
/** Sets all entries of a dict as data fields. */
MM_API void mm_data_element_put_fields(mm_data_element *element,
                                       const mm_value *fields);
/** Sets a metainfo entry, a copy of `value`. MM_EKEY if the name is a data field. */
MM_API void mm_data_element_put_meta(mm_data_element *element, const char *name,
                                     mm_value *value);
/** Sets all entries of a dict as metainfo. */
MM_API void mm_data_element_put_metainfo(mm_data_element *element,
                                         const mm_value *metainfo);
/** Sets metainfo and data fields of another element. */
MM_API void mm_data_element_update(mm_data_element *element,
                                   const mm_data_element *from);
/** @} */

/** @name Looking @{ */
MM_API bool mm_data_element_has(const mm_data_element *element, const char *name);
/** A data field or metainfo entry, borrowed; NULL without an error if absent. */
MM_API mm_value *mm_data_element_find(const mm_data_element *element, const char *name);
/** The same, but absence is MM_EKEY. */
MM_API mm_value *mm_data_element_get(const mm_data_element *element, const char *name);
MM_API mm_tensor *mm_data_element_get_tensor(const mm_data_element *element,
                                             const char *name);
/** The dict of data fields in the order they were set, borrowed. */
MM_API mm_value *mm_data_element_fields(const mm_data_element *element);
/** The dict of metainfo, borrowed. */
MM_API mm_value *mm_data_element_metainfo(const mm_data_element *element);
/** @} */

/** @name Taking away @{ */
/** Removes a data field or metainfo entry. False if there is none. */
MM_API bool mm_data_element_remove(mm_data_element *element, const char *name);
/** Removes it and returns it; yours. MM_EKEY if absent. */
MM_API MM_OWNED mm_value *mm_data_element_pop(mm_data_element *element,
                                              const char *name);
/** @} */

/** @name The same with other tensors
 * Elements inside elements change too; metainfo and all else stays. The results are
 * yours. @{ */
/** On `device`. */
MM_API MM_OWNED mm_data_element *mm_data_element_to(const mm_data_element *element,
                                                    const char *device);
/** Of `dtype`: to(dtype). */
MM_API MM_OWNED mm_data_element *mm_data_element_cast(const mm_data_element *element,
                                                      mm_dtype dtype);
/** Without history. */
MM_API MM_OWNED mm_data_element *mm_data_element_detach(const mm_data_element *element);
/** Without history, in host memory: what stands for Python's NumPy arrays here. */
MM_API MM_OWNED mm_data_element *mm_data_element_numpy(const mm_data_element *element);
/** NumPy arrays that came out of a pickle become tensors. */
MM_API MM_OWNED mm_data_element *
mm_data_element_to_tensor(const mm_data_element *element);
/** @} */

/** @name As other things @{ */
/** Nested dict of metainfo and data fields; yours. */
MM_API MM_OWNED mm_value *mm_data_element_to_dict(const mm_data_element *element);
/** MMEngine's nested repr; mm_free(). */
MM_API MM_OWNED char *mm_data_element_repr(const mm_data_element *element);
/** A value that refers to `element`; yours. */
MM_API mm_value *mm_value_new_data_element(mm_data_element *element);
/** The element of a value, borrowed; MM_ETYPE if it holds none. */
MM_API mm_data_element *mm_value_data_element(const mm_value *value);
/** The same, NULL without an error. */
MM_API mm_data_element *mm_value_find_data_element(const mm_value *value);
/** @} */

/** Python's slice(start, stop, step). Zero is slice(None): everything. */
typedef struct mm_slice {
    bool has_start, has_stop;
    int64_t start, stop; /**< negative: from the end */
    int64_t step;        /**< 0: 1 */
} mm_slice;
/** The slice of the one item `index`, from the end if negative. */
MM_API mm_slice mm_slice_at(int64_t index);

/** @name InstanceData
 * A field is a tensor, a list, a tuple, a text or another InstanceData. Its length is
 * that of the first field; a field of another length is MM_ESHAPE. Results are new
 * elements with the same metainfo; yours. @{ */
/** Instances, 0 without fields. */
MM_API int64_t mm_instance_data_len(const mm_data_element *element);
/** One instance, as an element of length 1: element[index]. MM_ERANGE. */
MM_API MM_OWNED mm_data_element *mm_instance_data_at(const mm_data_element *element,
                                                     int64_t index);
/** element[start:stop:step]; steps are positive. */
MM_API MM_OWNED mm_data_element *mm_instance_data_slice(const mm_data_element *element,
                                                        mm_slice slice);
/** The instances that an index names: [K] i64, or [len] bool for those that are true.
 */
MM_API MM_OWNED mm_data_element *mm_instance_data_select(const mm_data_element *element,
                                                         mm_tensor *index);
/** The same with an int, a list of ints or bools, or a tensor. */
MM_API MM_OWNED mm_data_element *mm_instance_data_index(const mm_data_element *element,
                                                        const mm_value *index);
/** One behind the other; metainfo is that of the first. All must have the same names.
 * A single one is returned as it is. */
MM_API MM_OWNED mm_data_element *mm_instance_data_cat(mm_data_element *const *elements,
                                                      size_t count);
/** @} */

/** @name PixelData
 * A field is a tensor [C, H, W], or [H, W], which becomes [1, H, W] with a warning. @{
 */
/** {H, W}; false without fields. */
MM_API bool mm_pixel_data_shape(const mm_data_element *element, int64_t out_sizes[2]);
/** element[rows, columns]: a new element with the same metainfo; yours. */
MM_API MM_OWNED mm_data_element *mm_pixel_data_crop(const mm_data_element *element,
                                                    mm_slice rows, mm_slice columns);
/** @} */

/** @name LabelData @{ */
/** Indices of what is not 0 in a row of numbers between 0 and 1: [K] i64. MM_EINVAL for
 * anything else. */
MM_API mm_tensor *mm_onehot_to_label(mm_tensor *onehot);
/** A row with 1 at each label, [num_classes] of the label's dtype. MM_ERANGE for a
 * label outside. */
MM_API mm_tensor *mm_label_to_onehot(mm_tensor *label, int64_t num_classes);
/** @} */

MM_END_DECLS

#endif
