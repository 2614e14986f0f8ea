/* Data elements: two dicts, data fields and metainfo, under one counted object. A name
 * lives in one of them at most. The dicts are made when first needed, since a batch has
 * one element per sample and most have no metainfo. An element is changed by one thread
 * at a time; the count is atomic because batches cross from loader threads. */
#include "structures/structures.h"

#include <string.h>

#include "base/value_convert.h"
#include "mmengine/memory.h"

static void object_ref(void *object)
{
    mm_data_element_ref(object);
}

static void object_unref(void *object)
{
    mm_data_element_unref(object);
}

static mm_data_element *copy_with(const mm_data_element *element, mmi_convert_fn copy);

static mm_value *copy_deeply(const mm_value *value, void *user)
{
    (void)user;
    return mm_value_copy(value);
}

/* As part of a value that is copied deeply: tensors are copied too. */
static void *object_copy(const void *object)
{
    return copy_with(object, copy_deeply);
}

static char *object_print(const void *object)
{
    return mm_data_element_repr(object);
}

const mm_object_ops mm_data_element_object = {
    .name = "BaseDataElement",
    .ref = object_ref,
    .unref = object_unref,
    .copy = object_copy,
    .print = object_print,
};

mm_data_element *mm_data_element_new_of(mm_element_kind kind, const char *type_name)
{
    static const char *const names[] = {"BaseDataElement", "InstanceData", "PixelData",
                                        "LabelData"};

    if (mm_has_error()) {
        return NULL;
    }
    mm_data_element *element = mm_alloc(sizeof(*element));

    if (element != NULL) {
        atomic_init(&element->refs, 1);
        element->kind = kind;
        element->type = type_name != NULL ? type_name : names[kind];
    }
    return element;
}

mm_data_element *mm_data_element_new(const char *type_name)
{
    return mm_data_element_new_of(MM_ELEMENT_BASE, type_name);
}

mm_data_element *mm_data_element_ref(mm_data_element *element)
{
    if (element != NULL) {
        atomic_fetch_add_explicit(&element->refs, 1, memory_order_relaxed);
    }
    return element;
}

void mm_data_element_unref(mm_data_element *element)
{
    if (element == NULL ||
        atomic_fetch_sub_explicit(&element->refs, 1, memory_order_acq_rel) > 1) {
        return;
    }
    mm_value_unref(element->fields);
    mm_value_unref(element->metainfo);
    mm_free(element);
}

const char *mm_data_element_type(const mm_data_element *element)
{
    return element->type;
}

mm_element_kind mm_data_element_kind(const mm_data_element *element)
{
    return element->kind;
}

static bool is_given(const void *pointer, const char *what)
{
    if (pointer == NULL) {
        mm_raise(MM_EINVAL, "data element: no %s given", what);
    }
    return !mm_has_error();
}

static mm_value *dict_of(mm_value **dict)
{
    if (*dict == NULL && !mm_has_error()) {
        *dict = mm_value_new_dict();
    }
    return *dict;
}

static bool has(const mm_value *dict, const char *name)
{
    return dict != NULL && mm_dict_has(dict, name);
}

/* Python keeps the names of both spaces under two names of its own. */
static bool is_private(const char *name)
{
    return strcmp(name, "_metainfo_fields") == 0 || strcmp(name, "_data_fields") == 0;
}

/* True if `value` may go under `name`, which must not stand in the other dict. */
static bool may_put(const mm_data_element *element, const char *name,
                    const mm_value *value, bool as_meta)
{
    if (!is_given(element, "element") || !is_given(name, "name") ||
        !is_given(value, "value")) {
        return false;
    }
    if (is_private(name)) {
        mm_raise(MM_EKEY, "could not set '%s' of a %s: the name is private", name,
                 element->type);
    } else if (has(as_meta ? element->fields : element->metainfo, name)) {
        mm_raise(MM_EKEY, "could not set '%s' of a %s as %s: it is a %s already", name,
                 element->type, as_meta ? "metainfo" : "data",
                 as_meta ? "data field" : "metainfo entry");
    }
    return !mm_has_error();
}

/* What the element's rules make of a value; yours. NULL: they refuse it. */
static mm_value *accept(const mm_data_element *element, const char *name,
                        mm_value *value)
{
    switch (element->kind) {
    case MM_ELEMENT_INSTANCE:
        return mmi_instance_accept(element, name, value);
    case MM_ELEMENT_PIXEL:
        return mmi_pixel_accept(element, name, value);
    default:
        return mm_value_ref(value);
    }
}

void mm_data_element_put(mm_data_element *element, const char *name, mm_value *value)
{
    if (may_put(element, name, value, false)) {
        mmi_data_element_set(element, name, accept(element, name, value));
    }
}

void mmi_data_element_set(mm_data_element *element, const char *name,
                          MM_TAKES mm_value *value)
{
    if (value != NULL) {
        mm_dict_take(dict_of(&element->fields), name, value);
    }
}

void mm_data_element_put_tensor(mm_data_element *element, const char *name,
                                mm_tensor *tensor)
{
    if (!is_given(tensor, "tensor")) {
        return;
    }
    mm_value *value = mm_value_new_tensor(tensor);

    mm_data_element_put(element, name, value);
    mm_value_unref(value);
}

/* Visits a dict of names; MM_ETYPE for anything else. */
static void put_each(mm_data_element *element, const mm_value *dict,
                     void (*put)(mm_data_element *element, const char *name,
                                 mm_value *value))
{
    if (!is_given(dict, "dict")) {
        return;
    }
    if (mm_value_kind(dict) != MM_KIND_DICT) {
        mm_raise(MM_ETYPE, "could not set the entries of a %s: it is no dict",
                 mm_value_type_name(dict));
        return;
    }
    for (size_t i = 0; i < mm_value_len(dict) && !mm_has_error(); i++) {
        const char *name = mm_dict_name_at(dict, i);

        if (name == NULL) {
            mm_raise(MM_ETYPE, "a key of a data element is no text");
        }
        put(element, name, mm_dict_at(dict, i));
    }
}

void mm_data_element_put_fields(mm_data_element *element, const mm_value *fields)
{
    put_each(element, fields, mm_data_element_put);
}

void mm_data_element_put_metainfo(mm_data_element *element, const mm_value *metainfo)
{
    put_each(element, metainfo, mm_data_element_put_meta);
}

void mm_data_element_update(mm_data_element *element, const mm_data_element *from)
{
    if (!is_given(element, "element") || !is_given(from, "element to update from")) {
        return;
    }
    mm_data_element_put_metainfo(element, mm_data_element_metainfo(from));
    mm_data_element_put_fields(element, mm_data_element_fields(from));
}

/* Metainfo is copied, so that samples which share an annotation stay independent.
 * Scalars cannot change and are shared. */
static mm_value *copy_if_container(mm_value *value)
{
    switch (mm_value_kind(value)) {
    case MM_KIND_LIST:
    case MM_KIND_TUPLE:
    case MM_KIND_SET:
    case MM_KIND_DICT:
    case MM_KIND_OBJECT:
        return mm_value_copy(value);
    default:
        return mm_value_ref(value);
    }
}

void mm_data_element_put_meta(mm_data_element *element, const char *name,
                              mm_value *value)
{
    if (may_put(element, name, value, true)) {
        mm_dict_take(dict_of(&element->metainfo), name, copy_if_container(value));
    }
}

mm_value *mm_data_element_find(const mm_data_element *element, const char *name)
{
    if (element == NULL || name == NULL) {
        return NULL;
    }
    mm_value *value =
        element->fields != NULL ? mm_dict_find(element->fields, name) : NULL;

    if (value == NULL && element->metainfo != NULL) {
        value = mm_dict_find(element->metainfo, name);
    }
    return value;
}

bool mm_data_element_has(const mm_data_element *element, const char *name)
{
    return mm_data_element_find(element, name) != NULL;
}

mm_value *mm_data_element_get(const mm_data_element *element, const char *name)
{
    if (!is_given(element, "element") || !is_given(name, "name")) {
        return NULL;
    }
    mm_value *value = mm_data_element_find(element, name);

    if (value == NULL) {
        char *keys = mmi_data_element_keys(element);

        mm_raise(MM_EKEY, "a %s has no '%s': it holds %s", element->type, name,
                 keys != NULL ? keys : "?");
        mm_free(keys);
    }
    return value;
}

mm_tensor *mm_data_element_get_tensor(const mm_data_element *element, const char *name)
{
    mm_value *value = mm_data_element_get(element, name);

    if (value == NULL) {
        return NULL;
    }
    mm_tensor *tensor = mm_value_find_tensor(value);

    if (tensor == NULL) {
        mm_raise(MM_ETYPE, "'%s' of a %s is no tensor but %s", name, element->type,
                 mm_value_type_name(value));
    }
    return tensor;
}

mm_value *mm_data_element_pop(mm_data_element *element, const char *name)
{
    mm_value *value = mm_value_ref(mm_data_element_get(element, name));

    if (value != NULL) {
        mm_data_element_remove(element, name);
    }
    return value;
}

bool mm_data_element_remove(mm_data_element *element, const char *name)
{
    if (element == NULL || name == NULL) {
        return false;
    }
    return (element->fields != NULL && mm_dict_remove(element->fields, name)) ||
           (element->metainfo != NULL && mm_dict_remove(element->metainfo, name));
}

/* The dicts come into being at the first look; that changes nothing one can see. */
mm_value *mm_data_element_fields(const mm_data_element *element)
{
    return dict_of(&((mm_data_element *)element)->fields);
}

mm_value *mm_data_element_metainfo(const mm_data_element *element)
{
    return dict_of(&((mm_data_element *)element)->metainfo);
}

size_t mmi_num_fields(const mm_data_element *element)
{
    return element->fields != NULL ? mm_value_len(element->fields) : 0;
}

mm_data_element *mmi_finished(MM_TAKES mm_data_element *element)
{
    if (!mm_has_error()) {
        return element;
    }
    mm_data_element_unref(element);
    return NULL;
}

mm_data_element *mmi_data_element_bare(const mm_data_element *element)
{
    mm_data_element *bare = mm_data_element_new_of(element->kind, element->type);

    if (bare != NULL && element->metainfo != NULL) {
        bare->metainfo = mm_value_copy(element->metainfo);
    }
    return mmi_finished(bare);
}

mm_data_element *mm_data_element_new_like(const mm_data_element *element,
                                          const mm_value *metainfo,
                                          const mm_value *fields)
{
    if (!is_given(element, "element")) {
        return NULL;
    }
    mm_data_element *made = mm_data_element_new_of(element->kind, element->type);

    mm_data_element_put_metainfo(
        made, metainfo != NULL ? metainfo : mm_data_element_metainfo(element));
    mm_data_element_put_fields(made, fields != NULL ? fields
                                                    : mm_data_element_fields(element));
    return mmi_finished(made);
}

mm_data_element *mm_data_element_clone(const mm_data_element *element)
{
    return mm_data_element_new_like(element, NULL, NULL);
}

/* New containers around the same tensors. */
static mm_value *copy_containers(const mm_value *value, void *user)
{
    mm_data_element *inner = mm_value_find_data_element(value);

    if (mmi_value_is_container(value)) {
        return mmi_value_convert_items(value, copy_containers, user);
    }
    if (inner == NULL) {
        return mm_value_kind(value) == MM_KIND_SET ? mm_value_copy(value)
                                                   : mmi_value_keep(value);
    }
    mm_data_element *copy = mm_data_element_copy(inner);
    mm_value *out = copy != NULL ? mm_value_new_data_element(copy) : NULL;

    mm_data_element_unref(copy);
    return out;
}

static mm_data_element *copy_with(const mm_data_element *element, mmi_convert_fn copy)
{
    mm_data_element *made = mmi_data_element_bare(element);

    if (made != NULL && element->fields != NULL) {
        made->fields = copy(element->fields, NULL);
    }
    return mmi_finished(made);
}

mm_data_element *mm_data_element_copy(const mm_data_element *element)
{
    return is_given(element, "element") ? copy_with(element, copy_containers) : NULL;
}

static void put_all(mm_value *out, const mm_value *dict)
{
    size_t count = dict != NULL ? mm_value_len(dict) : 0;

    for (size_t i = 0; i < count && !mm_has_error(); i++) {
        mm_value *value = mm_dict_at(dict, i);
        mm_data_element *inner = mm_value_find_data_element(value);

        if (inner != NULL) {
            mm_dict_take(out, mm_dict_name_at(dict, i), mm_data_element_to_dict(inner));
        } else {
            mm_dict_put(out, mm_dict_name_at(dict, i), value);
        }
    }
}

mm_value *mm_data_element_to_dict(const mm_data_element *element)
{
    if (!is_given(element, "element")) {
        return NULL;
    }
    mm_value *out = mm_value_new_dict();

    put_all(out, element->metainfo);
    put_all(out, element->fields);
    if (mm_has_error()) {
        mm_value_unref(out);
        return NULL;
    }
    return out;
}

mm_value *mm_value_new_data_element(mm_data_element *element)
{
    return is_given(element, "element")
               ? mm_value_new_object(element, &mm_data_element_object)
               : NULL;
}

mm_data_element *mm_value_find_data_element(const mm_value *value)
{
    return mm_value_find_object(value, &mm_data_element_object);
}

mm_data_element *mm_value_data_element(const mm_value *value)
{
    mm_data_element *element = mm_value_find_data_element(value);

    if (element == NULL) {
        mm_raise(MM_ETYPE, "expected a data element, got %s",
                 mm_value_type_name(value));
    }
    return element;
}
