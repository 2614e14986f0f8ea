/* Attributes: methods of built-in values, keys of ConfigDicts, contents of modules and
 * classes. */
#include <stdio.h>
#include <string.h>

#include "base/suggest.h"
#include "config/objects.h"

static const mmi_method *find_in(const mmi_method *methods, const char *name)
{
    for (; methods->name != NULL; methods++) {
        if (strcmp(methods->name, name) == 0) {
            return methods;
        }
    }
    return NULL;
}

/* The methods of a kind; NULL if it has none. */
static const mmi_method *methods_of(const mm_value *self)
{
    switch (mm_value_kind(self)) {
    case MM_KIND_STR:
        return mmi_str_methods;
    case MM_KIND_BYTES:
        return mmi_bytes_methods;
    case MM_KIND_LIST:
        return mmi_list_methods;
    case MM_KIND_TUPLE:
        return mmi_tuple_methods;
    case MM_KIND_SET:
        return mmi_set_methods;
    case MM_KIND_DICT:
        return mmi_dict_methods;
    case MM_KIND_BOOL:
    case MM_KIND_I64:
    case MM_KIND_BIGINT:
        return mmi_int_methods;
    case MM_KIND_F64:
        return mmi_float_methods;
    case MM_KIND_OBJECT:
        return mmi_is_file(self) ? mmi_file_methods : NULL;
    default:
        return NULL;
    }
}

const mmi_method *mmi_find_method(const mmi_eval *ev, const mm_value *self,
                                  const char *name)
{
    const mmi_method *methods = methods_of(self);
    const mmi_method *found = NULL;

    if (methods == mmi_dict_methods && mmi_is_config_dict(ev, self)) {
        found = find_in(mmi_config_dict_methods, name);
    }
    return found != NULL || methods == NULL ? found : find_in(methods, name);
}

/* ---- reading ---- */

static mm_value *attribute_of_exc(mmi_eval *ev, const mmi_exc_object *exception,
                                  const char *name)
{
    (void)ev;
    return strcmp(name, "args") == 0 ? mm_value_ref(exception->args) : NULL;
}

static mm_value *attribute_of_range(const mmi_range_object *range, const char *name)
{
    return strcmp(name, "start") == 0  ? mm_value_new_i64(range->start)
           : strcmp(name, "stop") == 0 ? mm_value_new_i64(range->stop)
           : strcmp(name, "step") == 0 ? mm_value_new_i64(range->step)
                                       : NULL;
}

static mm_value *name_of_object(const mm_value *object)
{
    const mmi_function_object *function =
        MMI_OBJECT(mmi_function_object, &mmi_function_ops, object);
    const mmi_type_object *type = MMI_OBJECT(mmi_type_object, &mmi_type_ops, object);
    const mmi_builtin_object *builtin =
        MMI_OBJECT(mmi_builtin_object, &mmi_builtin_ops, object);
    const mmi_std_object *module = MMI_OBJECT(mmi_std_object, &mmi_std_ops, object);

    return function != NULL  ? mm_value_new_str(function->function->name)
           : type != NULL    ? mm_value_new_str(type->name)
           : builtin != NULL ? mm_value_new_str(builtin->def->name)
           : module != NULL && module->def != NULL
               ? mm_value_new_str(mmi_std_name(module->def))
               : NULL;
}

/* str.upper and the like: the method of a built-in type, not bound to a value. */
static mm_value *attribute_of_type(mmi_eval *ev, const mmi_type_object *type,
                                   const char *name)
{
    if (type->attributes != NULL) {
        return mm_value_ref(mm_dict_find(type->attributes, name));
    }
    return mmi_type_attribute(ev, type, name);
}

static mm_value *attribute_of_lazy(mmi_eval *ev, const mmi_lazy_object *lazy,
                                   const char *name)
{
    if (strcmp(name, "module") == 0) {
        return mm_value_new_str(lazy->module);
    }
    if (strcmp(name, "name") == 0 && lazy->is_attribute) {
        return mm_value_new_str(lazy->name);
    }
    if (strcmp(name, "build") == 0) {
        return mmi_fail(ev, EXC_FATAL, "'%s.%s' cannot be imported in a config",
                        lazy->module, lazy->name);
    }
    return mmi_lazy_attribute(lazy, name);
}

static mm_value *attribute_of_object(mmi_eval *ev, mm_value *object, const char *name)
{
    const mm_object_ops *ops = mm_value_object_ops(object);
    const void *self = mm_value_find_object(object, ops);

    if (ops == &mmi_lazy_ops) {
        return attribute_of_lazy(ev, self, name);
    }
    if (strcmp(name, "__name__") == 0) {
        return name_of_object(object);
    }
    if (ops == &mmi_std_ops) {
        const mmi_std_object *module = self;

        return module->def != NULL
                   ? mmi_std_get(ev, module->def, name)
                   : mmi_fail(ev, EXC_FATAL, "'%s' is not available in a config",
                              module->name);
    }
    if (ops == &mmi_type_ops) {
        return attribute_of_type(ev, self, name);
    }
    if (ops == &mmi_exc_ops) {
        return attribute_of_exc(ev, self, name);
    }
    return ops == &mmi_range_ops ? attribute_of_range(self, name) : NULL;
}

mm_value *mmi_find_attribute(mmi_eval *ev, mm_value *object, const char *name)
{
    mm_kind kind = mm_value_kind(object);
    const mmi_method *method = mmi_find_method(ev, object, name);

    if (method != NULL) {
        return mmi_new_bound(object, method);
    }
    if (kind == MM_KIND_OBJECT) {
        return attribute_of_object(ev, object, name);
    }
    if (kind == MM_KIND_DICT && mmi_is_config_dict(ev, object)) {
        return mm_value_ref(mm_dict_find(object, name));
    }
    if (mmi_is_int(object) || kind == MM_KIND_F64) {
        if (strcmp(name, "real") == 0 || strcmp(name, "numerator") == 0) {
            return mm_value_ref(object);
        }
        if (strcmp(name, "imag") == 0) {
            return mm_value_new_i64(0);
        }
    }
    return NULL;
}

static void visit_name(void *user, const char *name)
{
    mmi_suggest_add(user, name);
}

static void suggest_methods(mmi_suggest *suggest, const mmi_method *methods)
{
    for (; methods != NULL && methods->name != NULL; methods++) {
        mmi_suggest_add(suggest, methods->name);
    }
}

static void suggest_keys(mmi_suggest *suggest, const mm_value *dict)
{
    for (size_t i = 0; dict != NULL && i < mm_value_len(dict); i++) {
        const char *key = mm_dict_name_at(dict, i);

        if (key != NULL) {
            mmi_suggest_add(suggest, key);
        }
    }
}

/* How messages call a value: "dict", "module 'os'". */
static void describe(const mmi_eval *ev, const mm_value *object, char *out, size_t size)
{
    const mmi_std_object *module =
        mm_value_kind(object) == MM_KIND_OBJECT
            ? MMI_OBJECT(mmi_std_object, &mmi_std_ops, object)
            : NULL;
    const mmi_type_object *type =
        mm_value_kind(object) == MM_KIND_OBJECT
            ? MMI_OBJECT(mmi_type_object, &mmi_type_ops, object)
            : NULL;

    if (module != NULL) {
        (void)snprintf(out, size, "module '%s'",
                       module->def == NULL ? module->name : mmi_std_name(module->def));
    } else if (type != NULL) {
        (void)snprintf(out, size, "class '%s'", type->name);
    } else {
        (void)snprintf(out, size, "%s",
                       mmi_is_config_dict(ev, object) ? "this part of the base"
                                                      : mm_value_type_name(object));
    }
}

/* Raises AttributeError with what was probably meant. */
static void *unknown_attribute(mmi_eval *ev, mm_value *object, const char *name)
{
    mmi_suggest suggest = {.word = name};
    const mmi_std_object *module = NULL;
    char what[100];

    describe(ev, object, what, sizeof(what));
    if (mm_value_kind(object) == MM_KIND_DICT) {
        if (mmi_is_config_dict(ev, object)) {
            suggest_keys(&suggest, object);
        }
    } else if (mm_value_kind(object) == MM_KIND_OBJECT) {
        module = MMI_OBJECT(mmi_std_object, &mmi_std_ops, object);
        if (module != NULL && module->def != NULL) {
            mmi_std_each(module->def, visit_name, &suggest);
        }
    }
    suggest_methods(&suggest, methods_of(object));
    (void)mmi_fail(ev, EXC_ATTRIBUTE, "%s has no attribute '%s'", what, name);
    if (mm_value_kind(object) == MM_KIND_DICT && mm_dict_has(object, name)) {
        (void)mm_error_hint("use ['%s'] for a key of a dict", name);
    }
    mmi_suggest_hint(&suggest);
    return NULL;
}

mm_value *mmi_get_attribute(mmi_eval *ev, mm_value *object, const char *name)
{
    mm_value *value = mmi_find_attribute(ev, object, name);

    return value != NULL || mm_has_error() ? value
                                           : unknown_attribute(ev, object, name);
}

/* ---- storing and deleting ---- */

bool mmi_set_attribute(mmi_eval *ev, mm_value *object, const char *name,
                       mm_value *value, mm_source source)
{
    const mmi_type_object *type = NULL;
    mm_value *key = NULL;

    if (mm_value_kind(object) == MM_KIND_OBJECT) {
        type = MMI_OBJECT(mmi_type_object, &mmi_type_ops, object);
        if (type != NULL && type->attributes != NULL) {
            mmi_note_change(ev, type->attributes);
            mm_dict_put(type->attributes, name, value);
            return !mm_has_error();
        }
    }
    if (!mmi_is_config_dict(ev, object)) {
        (void)mmi_fail(ev, EXC_ATTRIBUTE, "attributes of %s cannot be set",
                       mm_value_type_name(object));
        if (mm_value_kind(object) == MM_KIND_DICT) {
            (void)mm_error_hint("use ['%s'] for a key of a dict", name);
        }
        return false;
    }
    if (mmi_find_method(ev, object, name) != NULL) {
        (void)mmi_fail(ev, EXC_ATTRIBUTE,
                       "'%s' is a method of a dict and cannot be set", name);
        return false;
    }
    key = mm_value_new_str(name);
    (void)(key != NULL && mmi_dict_store(ev, object, key, value, source));
    mm_value_unref(key);
    return !mm_has_error();
}

bool mmi_delete_attribute(mmi_eval *ev, mm_value *object, const char *name)
{
    if (!mmi_is_config_dict(ev, object)) {
        (void)mmi_fail(ev, EXC_ATTRIBUTE, "attributes of %s cannot be deleted",
                       mm_value_type_name(object));
    } else if (!mm_dict_remove(object, name)) {
        (void)unknown_attribute(ev, object, name);
    }
    return !mm_has_error();
}
