/* The tree of a checkpoint file as mm_pth_read() gives it with `keep_ordered`, for the
 * tools that make new files of old ones without libtorch. */
#ifndef MMI_RUNNER_CHECKPOINT_TREE_H
#define MMI_RUNNER_CHECKPOINT_TREE_H

#include "base/vec.h"
#include "mmengine/pth.h"

/* The entries of a dict, or of an OrderedDict that is a node; NULL if it is neither. */
mm_value *mmi_tree_dict(const mm_value *value);
/* The file's tree, which must be a dict (plain or ordered); yours. */
mm_value *mmi_tree_read(const char *path);
/* Where the weights are: under 'state_dict', or the whole file if it holds tensors
 * under names. MM_EDATA if there are none. Borrowed. */
mm_value *mmi_tree_weights(mm_value *root, const char *path);
/* True if a dict holds a tensor directly. */
bool mmi_tree_has_tensors(const mm_value *dict);
/* A dict in place of another with the same kind: an OrderedDict keeps its attributes.
 */
mm_value *mmi_tree_like(const mm_value *old, mm_value *dict);

/* True for a path that ends in ".safetensors". */
bool mmi_tree_is_safetensors(const char *path);
/* The file's meta as plain data that JSON can hold, empty if there is none; yours. A
 * .safetensors file has it as a text in its header. */
mm_value *mmi_tree_meta(const mm_value *root, const char *path);
/* Writes the tensors of a state dict, with the "format" that Python's libraries look
 * for and `meta` (may be NULL) as a text; what is no tensor is named in the log and
 * left out. */
void mmi_tree_write_safetensors(const char *path, const mm_value *weights,
                                const mm_value *meta);

/* Memory of tensors that are made; it must live until they are written. */
typedef struct mmi_tree_memory {
    MMI_VEC(void *) blocks;
} mmi_tree_memory;
/* A dense tensor with the sizes of `like` and its bytes to be filled, yours; NULL on
 * error. */
mm_value *mmi_tree_new_tensor(mmi_tree_memory *memory, const mm_pth_tensor *like,
                              mm_dtype dtype, void **out_data);
void mmi_tree_memory_deinit(mmi_tree_memory *memory);

/* Elements that are converted at a time. */
enum { MMI_TREE_CHUNK = 1024 };

#endif
