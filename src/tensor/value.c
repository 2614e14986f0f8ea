/*
 * Tensors inside mm_values: an object type whose copies have memory of their own.
 */
#include "tensor/bridge.h"

static void ref_object(void *object)
{
    mm_tensor_ref(object);
}

static void unref_object(void *object)
{
    mm_tensor_unref(object);
}

/* As copy.deepcopy() in Python: own memory, no history, the same wish for gradients. */
static void *copy_object(const void *object)
{
    mm_tensor *tensor = (mm_tensor *)(uintptr_t)object;
    mm_tensor_info info;
    mm_tensor *copy = NULL;
    mm_scope scope = mm_scope_open();
    mm_tensor *made = mm_clone(mm_detach(tensor));

    if (made != NULL && mm_tensor_info_get(tensor, &info) == MM_OK) {
        if (!info.requires_grad || !info.is_leaf ||
            mm_set_requires_grad(made, true) == MM_OK) {
            copy = mm_keep(made);
        }
    }
    mm_scope_close(scope);
    return copy;
}

static bool equal_objects(const void *a, const void *b)
{
    return mm_tensor_equal(a, b);
}

static bool object_to_f64(const void *object, double *out)
{
    if (mm_numel(object) != 1) {
        return false;
    }
    double value = mm_item(object);

    if (mmi_is_pending()) {
        return false;
    }
    *out = value;
    return true;
}

static char *print_object(const void *object)
{
    return mm_tensor_repr((mm_tensor *)(uintptr_t)object);
}

const mm_object_ops mm_tensor_object = {
    .name = "tensor",
    .ref = ref_object,
    .unref = unref_object,
    .copy = copy_object,
    .equal = equal_objects,
    .to_f64 = object_to_f64,
    .print = print_object,
};

mm_value *mm_value_new_tensor(mm_tensor *tensor)
{
    return MMI_NEED(tensor) ? mm_value_new_object(tensor, &mm_tensor_object) : NULL;
}

mm_tensor *mm_value_find_tensor(const mm_value *value)
{
    return value != NULL ? mm_value_find_object(value, &mm_tensor_object) : NULL;
}

mm_tensor *mm_value_tensor(const mm_value *value)
{
    if (!MMI_NEED(value)) {
        return NULL;
    }
    mm_tensor *tensor = mm_value_find_tensor(value);

    if (tensor == NULL) {
        mm_raise(MM_ETYPE, "expected a tensor, got %s", mm_value_type_name(value));
    }
    return tensor;
}

void mm_dict_put_tensor(mm_value *dict, const char *key, mm_tensor *tensor)
{
    mm_value *value = mm_value_new_tensor(tensor);

    if (value != NULL) {
        mm_dict_take(dict, key, value);
    }
}

mm_tensor *mm_dict_get_tensor(const mm_value *dict, const char *key)
{
    mm_value *value = mm_dict_get(dict, key);
    mm_tensor *tensor = value != NULL ? mm_value_find_tensor(value) : NULL;

    if (value != NULL && tensor == NULL) {
        mm_raise(MM_ETYPE, "expected a tensor under '%s', got %s", key,
                 mm_value_type_name(value));
    }
    return tensor;
}
