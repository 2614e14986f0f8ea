/** @file
 * Looking into checkpoint files and making new ones of them, without a runner and
 * without libtorch: what `mmengine ckpt` does. Saving and loading in a run is in
 * runner.h, the container in pth.h.
 *
 * Files may be `.pth` of torch.save or `.safetensors`; what a file is, its content says
 * and not its name. Errors: MM_ENOENT; MM_EDATA for a damaged file or one that is no
 * checkpoint.
 */
#ifndef MMENGINE_CHECKPOINT_H
#define MMENGINE_CHECKPOINT_H

#include "mmengine/value.h"

MM_BEGIN_DECLS

/** What mm_checkpoint_diff() compares; zero is the default of each but the first two.
 */
typedef struct mm_checkpoint_diff_args {
    const char *first, *second; /**< required: the files */
    /** equal means the same bits, types and dtypes; default: the same values, where 1
     * and 1.0 are equal */
    bool exact;
    /** what is left out: full paths ("meta.cfg"), all below them, or last parts of
     * paths ("time") */
    const char *const *ignore;
    size_t num_ignore;
    bool with_times; /**< compares times, memory and names with a time in them too */
} mm_checkpoint_diff_args;

/**
 * Compares two files, all of their trees: weights, optimizers, schedulers, message hub.
 * Yours: {"rows": list, "values": compared values that are no tensors, "tensors":
 * compared tensors}. A row is a dict with "path"; "what" ("first only", "second only",
 * "type", "dtype", "shape", "value"); "first" and "second" as texts; and for tensors of
 * one shape "max_abs", "max_rel" (of the larger of both), "differing", "elements".
 * Equal files have no rows. Times, ETAs and memory are not compared.
 */
MM_API MM_OWNED mm_value *mm_checkpoint_diff(const mm_checkpoint_diff_args *args);

MM_END_DECLS

#endif
