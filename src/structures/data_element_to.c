/* Data elements with other tensors: on another device, of another dtype, without
 * history. Elements inside elements are followed; everything else is shared. */
#include "structures/structures.h"

#include "mmengine/ops.h"
#include "tensor/stored.h"

/* What becomes of each tensor, and of values that are no tensors. */
struct change {
    const char *device; /* NULL: as it is */
    mm_dtype dtype;     /* NONE: as it is */
    bool detaches, from_numpy;
};

static mm_data_element *changed(const mm_data_element *element,
                                const struct change *change);

static mm_value *changed_tensor(mm_tensor *tensor, const struct change *change)
{
    if (change->detaches) {
        tensor = mm_detach(tensor);
    }
    if (change->device != NULL || change->dtype != MM_DTYPE_NONE) {
        tensor = mm_to(tensor, .device = change->device, .dtype = change->dtype);
    }
    return mm_value_new_tensor(tensor);
}

/* Yours. */
static mm_value *changed_value(mm_value *value, const struct change *change)
{
    mm_tensor *tensor = mm_value_find_tensor(value);
    mm_data_element *inner = mm_value_find_data_element(value);

    if (tensor != NULL) {
        return changed_tensor(tensor, change);
    }
    if (inner != NULL) {
        mm_data_element *made = changed(inner, change);
        mm_value *wrapped = made != NULL ? mm_value_new_data_element(made) : NULL;

        mm_data_element_unref(made);
        return wrapped;
    }
    mm_value *array = change->from_numpy ? mmi_stored_numpy(value) : NULL;

    return array != NULL ? array : mm_value_ref(value);
}

static mm_data_element *changed(const mm_data_element *element,
                                const struct change *change)
{
    if (!mm_has_error() && element == NULL) {
        mm_raise(MM_EINVAL, "data element: no element given");
    }
    mm_data_element *made = mm_has_error() ? NULL : mmi_data_element_bare(element);
    size_t count = made != NULL ? mmi_num_fields(element) : 0;
    mm_scope scope = mm_scope_open();

    for (size_t i = 0; i < count && !mm_has_error(); i++) {
        mmi_data_element_set(made, mm_dict_name_at(element->fields, i),
                             changed_value(mm_dict_at(element->fields, i), change));
    }
    mm_scope_close(scope);
    return mmi_finished(made);
}

mm_data_element *mm_data_element_to(const mm_data_element *element, const char *device)
{
    if (!mm_has_error() && device == NULL) {
        mm_raise(MM_EINVAL, "data element: no device given");
    }
    return changed(element, &(struct change){.device = device});
}

mm_data_element *mm_data_element_cast(const mm_data_element *element, mm_dtype dtype)
{
    return changed(element, &(struct change){.dtype = dtype});
}

mm_data_element *mm_data_element_detach(const mm_data_element *element)
{
    return changed(element, &(struct change){.detaches = true});
}

mm_data_element *mm_data_element_numpy(const mm_data_element *element)
{
    return changed(element, &(struct change){.detaches = true, .device = "cpu"});
}

mm_data_element *mm_data_element_to_tensor(const mm_data_element *element)
{
    return changed(element, &(struct change){.from_numpy = true});
}
