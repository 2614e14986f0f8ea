/* PixelData: tensors [C, H, W] of one height and width, cut together. Source:
 * mmengine/structures/pixel_data.py. */
#include "mmengine/log.h"
#include "mmengine/ops.h"
#include "structures/structures.h"

bool mm_pixel_data_shape(const mm_data_element *element, int64_t out_sizes[2])
{
    const mm_tensor *first = element != NULL && mmi_num_fields(element) > 0
                                 ? mm_value_find_tensor(mm_dict_at(element->fields, 0))
                                 : NULL;

    if (first == NULL) {
        return false;
    }
    out_sizes[0] = mm_size(first, -2);
    out_sizes[1] = mm_size(first, -1);
    return true;
}

/* False, with an error, for a tensor of another number of dimensions or size. */
static bool fits(const mm_data_element *element, const char *name,
                 const mm_tensor *tensor)
{
    int64_t sizes[2] = {0};
    int ndim = mm_ndim(tensor);

    if (ndim != 2 && ndim != 3) {
        mm_raise(MM_ESHAPE,
                 "could not set '%s' of a %s: it has %d dimensions, not 2 or 3", name,
                 element->type, ndim);
    } else if (mm_pixel_data_shape(element, sizes) &&
               (mm_size(tensor, -2) != sizes[0] || mm_size(tensor, -1) != sizes[1])) {
        mm_raise(MM_ESHAPE,
                 "could not set '%s' of a %s: its height and width %lld, %lld are not "
                 "those of the other fields, %lld, %lld",
                 name, element->type, (long long)mm_size(tensor, -2),
                 (long long)mm_size(tensor, -1), (long long)sizes[0],
                 (long long)sizes[1]);
    }
    return !mm_has_error();
}

mm_value *mmi_pixel_accept(const mm_data_element *element, const char *name,
                           mm_value *value)
{
    mm_tensor *tensor = mm_value_find_tensor(value);

    if (tensor == NULL) {
        mm_raise(MM_ETYPE, "could not set '%s' of a %s: a '%s' is no tensor", name,
                 element->type, mm_value_type_name(value));
        return NULL;
    }
    if (!fits(element, name, tensor) || mm_ndim(tensor) == 3) {
        return mm_has_error() ? NULL : mm_value_ref(value);
    }
    mm_log(MM_LOG_WARN,
           "the shape of '%s' becomes [1, %lld, %lld], it was [%lld, %lld]", name,
           (long long)mm_size(tensor, 0), (long long)mm_size(tensor, 1),
           (long long)mm_size(tensor, 0), (long long)mm_size(tensor, 1));
    mm_scope scope = mm_scope_open();
    mm_value *raised = mm_value_new_tensor(mm_unsqueeze(tensor, 0));

    mm_scope_close(scope);
    return raised;
}

mm_data_element *mm_pixel_data_crop(const mm_data_element *element, mm_slice rows,
                                    mm_slice columns)
{
    if (!mm_has_error() && (element == NULL || element->kind != MM_ELEMENT_PIXEL)) {
        mm_raise(MM_ETYPE, "a %s is no PixelData",
                 element == NULL ? "NULL" : element->type);
    }
    mm_data_element *made = mm_has_error() ? NULL : mmi_data_element_bare(element);
    size_t count = made != NULL ? mmi_num_fields(element) : 0;
    mm_scope scope = mm_scope_open();

    for (size_t i = 0; i < count && !mm_has_error(); i++) {
        mm_tensor *tensor = mm_value_tensor(mm_dict_at(element->fields, i));
        mm_tensor *cut =
            mmi_tensor_slice(mmi_tensor_slice(tensor, 1, rows), 2, columns);

        if (cut != NULL) {
            mmi_data_element_set(made, mm_dict_name_at(element->fields, i),
                                 mm_value_new_tensor(cut));
        }
    }
    mm_scope_close(scope);
    return mmi_finished(made);
}
