/* LabelData's two conversions. Source: mmengine/structures/label_data.py. */
#include "mmengine/memory.h"
#include "mmengine/ops.h"
#include "structures/structures.h"

mm_tensor *mm_onehot_to_label(mm_tensor *onehot)
{
    if (!mm_has_error() && onehot == NULL) {
        mm_raise(MM_EINVAL, "label data: no row given");
    }
    if (mm_has_error()) {
        return NULL;
    }
    bool is_row = mm_ndim(onehot) == 1 && mm_numel(onehot) > 0 &&
                  mm_item(mm_max(onehot)) <= 1.0 && mm_item(mm_min(onehot)) >= 0.0;

    if (!is_row && !mm_has_error()) {
        char *text = mm_tensor_describe(onehot);

        mm_raise(MM_EINVAL,
                 "could not make labels of %s: a row of numbers between 0 and 1 is "
                 "needed",
                 text != NULL ? text : "a tensor");
        mm_free(text);
    }
    return is_row ? mm_reshape(mm_nonzero(onehot), MM_DIMS(-1)) : NULL;
}

mm_tensor *mm_label_to_onehot(mm_tensor *label, int64_t num_classes)
{
    if (!mm_has_error() && label == NULL) {
        mm_raise(MM_EINVAL, "label data: no labels given");
    }
    if (mm_has_error()) {
        return NULL;
    }
    if (mm_ndim(label) != 1) {
        mm_raise(MM_ESHAPE, "labels have one dimension, got %d", mm_ndim(label));
        return NULL;
    }
    bool has_labels = mm_numel(label) > 0;
    double largest = has_labels ? mm_item(mm_max(label)) : 0.0;
    double least = has_labels ? mm_item(mm_min(label)) : 0.0;
    int64_t sizes[1] = {num_classes};

    if (!mm_has_error() &&
        (largest >= (double)num_classes || least < -(double)num_classes)) {
        mm_raise(MM_ERANGE, "label %g of %lld classes",
                 largest >= (double)num_classes ? largest : least,
                 (long long)num_classes);
    }
    mm_tensor_info info;

    if (mm_tensor_info_get(label, &info) < 0) {
        return NULL;
    }
    mm_tensor *onehot =
        mm_zeros(MM_DIMS_N(sizes, 1), .dtype = info.dtype, .device = info.device);
    mm_tensor *one = mm_ones(MM_DIMS(1), .dtype = info.dtype, .device = info.device);

    return mm_index_put_(onehot, (mm_tensor *[]){mm_cast(label, MM_DTYPE_I64)}, 1, one,
                         false);
}
