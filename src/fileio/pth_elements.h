/* Elements of the tensors of a container as numbers, without libtorch. */
#ifndef MMI_FILEIO_PTH_ELEMENTS_H
#define MMI_FILEIO_PTH_ELEMENTS_H

#include "mmengine/pth.h"

/* Elements of all dimensions. */
int64_t mmi_pth_numel(const mm_pth_tensor *tensor);
/* Gives a tensor the strides of one whose elements lie one behind the other, PyTorch's
 * for empty ones too. False, without an error, if there are too many to count. */
bool mmi_pth_set_dense(mm_pth_tensor *tensor);
/* True if the elements lie one behind the other in the order of their indices. */
bool mmi_pth_is_contiguous(const mm_pth_tensor *tensor);
/* The elements in the order of their indices: borrowed where they lie so, else a copy
 * that *out_owned (mm_free()) holds. NULL on error. */
const void *mmi_pth_elements(const mm_pth_tensor *tensor, void **out_owned);

/* Parts of a number: 2 of a complex one, else 1; 0 for a dtype without numbers. */
int mmi_dtype_parts(mm_dtype dtype);
/* `count` parts from `src` as doubles, and back, rounded as PyTorch's casts are: to the
 * nearest, ties to even; to float16 and bfloat16 by way of float32; to integers towards
 * zero. */
void mmi_dtype_to_f64(mm_dtype dtype, const void *src, size_t count, double *out);
void mmi_dtype_from_f64(mm_dtype dtype, const double *src, size_t count, void *out);

#endif
