/** @file
 * Sparse tensors in state dicts, where they stand as torch.save writes them: a call of
 * torch._utils._rebuild_sparse_tensor around indices and values.
 */
#ifndef MMI_OPTIM_SPARSE_STATE_H
#define MMI_OPTIM_SPARSE_STATE_H

#include "mmengine/tensor.h"

/** The call for a sparse tensor, whose parts are copied; yours. */
mm_value *mmi_sparse_pack(mm_tensor *tensor);

/** The tensor that such a call makes, scope-owned; NULL without an error if `value` is
 * something else. */
mm_tensor *mmi_sparse_find(const mm_value *value);

#endif
