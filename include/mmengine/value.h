/** @file
 * mm_value: one counted, typed value for configs, samples, batches, checkpoints,
 * message hub, JSON, YAML and pickle. It follows Python's data model: ordered dicts
 * with any hashable key, Python's equality (1, 1.0 and True are one key), ints without
 * a bound.
 *
 * Ownership: `new` and `copy` give you a reference; everything else is borrowed. `put`
 * and `append` add their own reference, `take` and `push` become the owner. Threads:
 * counts are atomic. A value is mutable while one thread builds it; after
 * mm_value_freeze() it can be read by all, and only frozen values cross threads.
 * Errors: MM_ETYPE for the wrong kind, MM_EKEY, MM_ERANGE, MM_ENOMEM, MM_ESTATE
 * (frozen).
 */
#ifndef MMENGINE_VALUE_H
#define MMENGINE_VALUE_H

#include "mmengine/status.h"

MM_BEGIN_DECLS

/** What a value is. Order is part of the ABI. */
typedef enum mm_kind {
    MM_KIND_NONE,
    MM_KIND_BOOL,
    MM_KIND_I64,
    MM_KIND_BIGINT, /**< an int that does not fit 64 bits; decimal text */
    MM_KIND_F64,
    MM_KIND_STR, /**< UTF-8, may hold zero bytes */
    MM_KIND_BYTES,
    MM_KIND_LIST,
    MM_KIND_TUPLE,
    MM_KIND_SET, /**< keeps insertion order */
    MM_KIND_DICT,
    MM_KIND_OBJECT /**< a pointer plus mm_object_ops */
} mm_kind;

/** A place in a text. `file` is interned: it lives as long as the process. */
struct mm_source {
    const char *file; /**< NULL: unknown */
    int32_t line;     /**< from 1 */
    int32_t column;   /**< from 1, in bytes */
};

/** Behaviour of an object value. Two objects are of one type if their ops are at one
 * address. */
struct mm_object_ops {
    const char *name;                                /**< required: "tensor" */
    void (*ref)(void *object);                       /**< required */
    void (*unref)(void *object);                     /**< required */
    MM_OWNED void *(*copy)(const void *object);      /**< optional: ref of the same */
    bool (*equal)(const void *a, const void *b);     /**< optional: same pointer */
    bool (*to_f64)(const void *object, double *out); /**< optional: no number */
    MM_OWNED char *(*print)(const void *object);     /**< optional: "<name>" */
};

/** The interned copy of a file name, for mm_source. NULL: MM_ENOMEM. */
MM_API const char *mm_intern(const char *text);

/** @name Making values. NULL: MM_ENOMEM or an error was pending. @{ */
MM_API mm_value *mm_value_new_none(void);
MM_API mm_value *mm_value_new_bool(bool value);
MM_API mm_value *mm_value_new_i64(int64_t value);
/** `digits`: optional '-', then decimal digits. Becomes an i64 if it fits. */
MM_API mm_value *mm_value_new_bigint(const char *digits);
MM_API mm_value *mm_value_new_f64(double value);
MM_API mm_value *mm_value_new_str(const char *text);
MM_API mm_value *mm_value_new_str_n(const char *text, size_t size);
MM_API mm_value *mm_value_new_strf(const char *format, ...) MM_PRINTF(1, 2);
MM_API mm_value *mm_value_new_bytes(const void *data, size_t size);
MM_API mm_value *mm_value_new_list(void);
MM_API mm_value *mm_value_new_tuple(void);
MM_API mm_value *mm_value_new_set(void);
MM_API mm_value *mm_value_new_dict(void);
/** Adds a reference to `object` through ops->ref. */
MM_API mm_value *mm_value_new_object(void *object, const mm_object_ops *ops);
/** @} */

/** One more reference; returns its argument. NULL is fine. */
MM_API mm_value *mm_value_ref(mm_value *value);
/** One reference less; frees at zero. NULL is fine. */
MM_API void mm_value_unref(mm_value *value);

/** The kind. MM_KIND_NONE for NULL. */
MM_API mm_kind mm_value_kind(const mm_value *value);
/** Python's name of the kind: "int", "dict". Static storage (objects: ops->name). */
MM_API const char *mm_value_type_name(const mm_value *value);
/** True for a none value and for NULL. */
MM_API bool mm_value_is_none(const mm_value *value);
/** Python's truth: false for None, False, 0, 0.0 and empty containers. */
MM_API bool mm_value_is_true(const mm_value *value);

/** @name Reading scalars. Wrong kind: MM_ETYPE and a zero result. @{ */
MM_API bool mm_value_bool(const mm_value *value);
MM_API int64_t mm_value_i64(const mm_value *value); /**< int or bool */
MM_API double
mm_value_f64(const mm_value *value); /**< float, int, bool, object with to_f64 */
MM_API const char *
mm_value_str(const mm_value *value); /**< zero-terminated, borrowed */
MM_API const char *mm_value_str_n(const mm_value *value, size_t *out_size);
MM_API const void *mm_value_bytes(const mm_value *value, size_t *out_size);
MM_API const char *mm_value_digits(const mm_value *value); /**< of a bigint */
/** The object if its ops are `ops`, else NULL without an error. `ops` NULL: any object.
 */
MM_API void *mm_value_find_object(const mm_value *value, const mm_object_ops *ops);
/** Its ops; NULL if it is no object. */
MM_API const mm_object_ops *mm_value_object_ops(const mm_value *value);
/** @} */

/** Items of a list, tuple, set or dict; bytes of a str or bytes; else 0 and MM_ETYPE.
 */
MM_API size_t mm_value_len(const mm_value *value);

/** @name Lists, tuples, sets. A tuple may be appended to until it is used as a key. @{
 */
MM_API void mm_list_append(mm_value *list, mm_value *item);
MM_API void mm_list_push(mm_value *list, MM_TAKES mm_value *item);
MM_API mm_value *mm_list_get(const mm_value *list,
                             size_t index); /**< MM_ERANGE outside */
MM_API void mm_list_put(mm_value *list, size_t index, mm_value *item);
MM_API void mm_list_insert(mm_value *list, size_t index, mm_value *item);
MM_API void mm_list_remove(mm_value *list, size_t index);
MM_API const mm_source *mm_list_source(const mm_value *list,
                                       size_t index); /**< or NULL */
MM_API void mm_list_set_source(mm_value *list, size_t index, mm_source source);
/** Adds to a set; an equal item stays. MM_ETYPE if `item` is not hashable. */
MM_API void mm_set_add(mm_value *set, mm_value *item);
MM_API bool mm_set_has(const mm_value *set, const mm_value *item);
/** Removes an item. True if it was there. */
MM_API bool mm_set_remove(mm_value *set, const mm_value *item);
/** @} */

/** @name Dicts with string keys @{ */
MM_API void mm_dict_put(mm_value *dict, const char *key, mm_value *value);
MM_API void mm_dict_take(mm_value *dict, const char *key, MM_TAKES mm_value *value);
MM_API void mm_dict_put_bool(mm_value *dict, const char *key, bool value);
MM_API void mm_dict_put_i64(mm_value *dict, const char *key, int64_t value);
MM_API void mm_dict_put_f64(mm_value *dict, const char *key, double value);
MM_API void mm_dict_put_str(mm_value *dict, const char *key, const char *value);
MM_API mm_value *mm_dict_find(const mm_value *dict, const char *key);
MM_API mm_value *mm_dict_get(const mm_value *dict, const char *key); /**< MM_EKEY */
MM_API bool mm_dict_has(const mm_value *dict, const char *key);
/** Removes an entry. True if it was there. */
MM_API bool mm_dict_remove(mm_value *dict, const char *key);
/** @} */

/** @name Dicts with any hashable key @{ */
MM_API void mm_dict_put_key(mm_value *dict, mm_value *key, mm_value *value);
MM_API mm_value *mm_dict_find_key(const mm_value *dict, const mm_value *key);
MM_API bool mm_dict_remove_key(mm_value *dict, const mm_value *key);
/** The i-th entry in insertion order, i < mm_value_len(); borrowed. */
MM_API mm_value *mm_dict_key_at(const mm_value *dict, size_t index);
MM_API mm_value *mm_dict_at(const mm_value *dict, size_t index);
/** The i-th key as a string, or NULL without an error if that key is no string. */
MM_API const char *mm_dict_name_at(const mm_value *dict, size_t index);
/** Where the entry was written, or NULL. */
MM_API const mm_source *mm_dict_source_at(const mm_value *dict, size_t index);
MM_API const mm_source *mm_dict_source(const mm_value *dict, const char *key);
MM_API void mm_dict_set_source(mm_value *dict, const char *key, mm_source source);
/** The same for the i-th entry, whatever its key. MM_ERANGE outside. */
MM_API void mm_dict_set_source_at(mm_value *dict, size_t index, mm_source source);
/** @} */

/** A deep copy: containers are new, scalars shared, objects through ops->copy. Not
 * frozen. */
MM_API mm_value *mm_value_copy(const mm_value *value);
/** Makes it and all it holds read-only. */
MM_API void mm_value_freeze(mm_value *value);
MM_API bool mm_value_is_frozen(const mm_value *value);
/** Python's ==. */
MM_API bool mm_value_equal(const mm_value *a, const mm_value *b);
/** Python's hash rule: equal values have equal hashes. MM_ETYPE if it is not hashable.
 */
MM_API uint64_t mm_value_hash(const mm_value *value);
/** Python's repr(). The text is yours; mm_free(). */
MM_API MM_OWNED char *mm_value_repr(const mm_value *value);

/** Values not yet freed, whole process. For tests. */
MM_API int64_t mm_live_values(void);

MM_END_DECLS

#endif
