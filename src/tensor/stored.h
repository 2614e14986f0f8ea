/* Tensors in files: the callbacks that mm_pth_read() and mm_pth_write() ask for. */
#ifndef MMI_TENSOR_STORED_H
#define MMI_TENSOR_STORED_H

#include "mmengine/pth.h"
#include "mmengine/tensor.h"

/* Where a tensor's bytes are, on whatever device. False with an error. */
bool mmi_describe_tensor(const mm_tensor *tensor, mm_pth_tensor *out, bool *out_is_cpu);
/* `describe` of mm_pth_write_args: where a tensor's bytes are. One on a device is
 * copied into the open scope first. `user` is not used. */
bool mmi_stored_describe(void *user, const mm_value *object, mm_pth_tensor *out);
/* `make` of mm_pth_read_args: a tensor over the file's bytes, read-only, copied by
 * whoever loads it. `user` is not used. */
mm_value *mmi_stored_view(void *user, const mm_pth_tensor *tensor);
/* The same with memory of its own. */
mm_value *mmi_stored_copy(void *user, const mm_pth_tensor *tensor);
/* A tensor with memory of its own for a NumPy array inside a pickle, a number for a
 * NumPy scalar; yours. NULL without an error if `value` is neither. */
mm_value *mmi_stored_numpy(const mm_value *value);

#endif
