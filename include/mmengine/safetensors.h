/** @file
 * The `.safetensors` format: named tensors and nothing else, without a checksum.
 * mm_pth_read(), and so load_from and all of `mmengine ckpt`, reads such files too;
 * here is what is special to them. Source: the format's description of safetensors 0.8.
 */
#ifndef MMENGINE_SAFETENSORS_H
#define MMENGINE_SAFETENSORS_H

#include "mmengine/pth.h"

MM_BEGIN_DECLS

/**
 * The texts a file carries beside its tensors, its `__metadata__`: a dict of str, empty
 * if it has none; yours. MM_ENOENT, MM_EDATA.
 */
MM_API MM_OWNED mm_value *mm_safetensors_metadata(const char *path);

/** What mm_safetensors_write() does; zero is the default of each but the first two. */
typedef struct mm_safetensors_write_args {
    const char *path;         /**< required: the file; folders on the way are made */
    const mm_value *tensors;  /**< required: a dict of str -> tensor */
    const mm_value *metadata; /**< optional: a dict of str -> str */
    /** optional: as in mm_pth_write_args */
    bool (*describe)(void *user, const mm_value *object, mm_pth_tensor *out);
    void *user;
} mm_safetensors_write_args;

/**
 * Writes a file in one step, byte for byte as the `safetensors` package does: tensors
 * of wide elements first, then by name. Views become plain tensors; what shared memory
 * does so no more.
 * Errors: MM_EIO; MM_ETYPE for a value that is no tensor or no text; MM_EUNSUPPORTED
 * for a dtype without a name in the format.
 */
MM_API mm_status mm_safetensors_write(const mm_safetensors_write_args *args);

MM_END_DECLS

#endif
