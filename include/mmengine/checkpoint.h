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

#include "mmengine/dtype.h"
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

/**
 * What is in a file, as plain data that JSON can hold; yours. A dict: "file"; "format"
 * ("zip", "legacy" or "safetensors"); "bytes" of the file; "meta"; "keys", a list of
 * {"key", "holds"}, if the file is no bare state dict; "tensors", a list of {"name",
 * "dtype", "shape", "bytes"} with full paths; "num_tensors", "num_parameters" and
 * "parameter_bytes" of the weights alone, and "tensor_bytes" of all. Checksums of
 * tensors are not verified: mm_pth_verify().
 */
MM_API MM_OWNED mm_value *mm_checkpoint_describe(const char *path);

/** What mm_checkpoint_convert() does; zero is the default of each but the first two. */
typedef struct mm_checkpoint_convert_args {
    const char *from; /**< required */
    /** required: the file that is written; ".safetensors" at its end makes it one,
     * which holds the weights, and the meta as a text of JSON */
    const char *to;
    /** for MMEngine 0.10: our own key goes, histories become its HistoryBuffer */
    bool for_mmengine;
    /** optional: a scalars.json whose numbers become histories, for_mmengine only */
    const char *scalars;
    bool weights_only; /**< the bare state dict, as torch.save(model.state_dict()) */
    /** optional: floating-point weights get this dtype; MM_DTYPE_NONE: they stay */
    mm_dtype dtype;
} mm_checkpoint_convert_args;

/** Writes a checkpoint in another form. MM_EINVAL if `dtype` is no floating one. */
MM_API mm_status mm_checkpoint_convert(const mm_checkpoint_convert_args *args);

/** What mm_checkpoint_average() does; zero is the default of the last. */
typedef struct mm_checkpoint_average_args {
    const char *const *paths; /**< required: the files */
    size_t num_paths;         /**< at least 1 */
    const char *to;           /**< required: the file that is written */
    const double *weights;    /**< optional: one for each file; default: all equal */
} mm_checkpoint_average_args;

/**
 * Writes the mean of several files' weights, summed in float64 and rounded once. What
 * is no floating-point tensor, and `meta`, are the first file's. MM_EDATA if names,
 * shapes or dtypes differ; MM_EINVAL if the weights do not sum up to a positive number.
 */
MM_API mm_status mm_checkpoint_average(const mm_checkpoint_average_args *args);

MM_END_DECLS

#endif
