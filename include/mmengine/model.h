/** @file
 * Models: modules that the runner can train. A model has `loss`, `predict` and `tensor`
 * modes (the last is the module's call) and, if it wants, a train_step of its own.
 * Source: mmengine/model/base_model.
 */
#ifndef MMENGINE_MODEL_H
#define MMENGINE_MODEL_H

#include "mmengine/module.h"

MM_BEGIN_DECLS

/**
 * The functions of a model. A batch is what the data preprocessor returned: mostly a
 * dict with "inputs" and "data_samples".
 */
struct mm_model_ops {
    mm_module_ops module; /**< first: a model is a module */
    /** required for training: dict of name -> tensor or list of tensors, scope-owned.
     * Entries whose name contains "loss" are summed and minimised. */
    mm_value *(*loss)(void *self, mm_value *batch);
    /** required for validation: list with one prediction per sample, scope-owned */
    mm_value *(*predict)(void *self, mm_value *batch);
    /** optional, default: preprocess, loss, mm_parse_losses(), update_params. For
     * several optimizers: GANs. Gets the loader's batch; returns the dict of log
     * variables. */
    mm_value *(*train_step)(void *self, mm_value *batch,
                            mm_optim_wrapper *optim_wrapper);
};

/** The functions of a data preprocessor. */
struct mm_preprocessor_ops {
    mm_module_ops module; /**< first; may be all NULL */
    /** required: moves a batch to the device and stacks, normalises, pads it. The
     * result is scope-owned; the batch is not changed. */
    mm_value *(*process)(void *self, mm_value *batch, bool training);
};

/** Default child name of a model's preprocessor. */
#define MM_DATA_PREPROCESSOR "data_preprocessor"

/**
 * One step of training: dict of log variables (tensors or numbers), scope-owned.
 * Source: BaseModel.train_step. The first entry is "loss", the sum that was minimised.
 */
MM_API mm_value *mm_model_train_step(mm_module *model, mm_value *batch,
                                     mm_optim_wrapper *optim_wrapper);
/** Predictions for a batch: preprocess (training=False), predict. Scope-owned list. */
MM_API mm_value *mm_model_val_step(mm_module *model, mm_value *batch);
/** BaseModel.parse_losses: total in `out_total` (scope-owned), log variables returned.
 */
MM_API mm_value *mm_parse_losses(mm_value *losses, mm_tensor **out_total);
/** Runs the model's preprocessor (child "data_preprocessor"); without one: the batch.
 */
MM_API mm_value *mm_model_preprocess(mm_module *model, mm_value *batch, bool training);

/** How mm_stack_images() makes a batch; zero is the default of each but the first. */
typedef struct mm_stack_images_args {
    mm_value *inputs;   /**< required: list of images [C, H, W], or one [N, C, H, W] */
    const float *mean;  /**< [num_mean], by output channel; NULL: no normalisation */
    const float *std;   /**< [num_mean]; required with mean */
    int num_mean;       /**< 1, or the number of channels */
    bool swap_channels; /**< reverse three channels: BGR to RGB and back */
    int64_t pad_size_divisor; /**< height and width become multiples; 0: 1 */
    double pad_value;         /**< of the border at the right and at the bottom */
    const char *device;       /**< default "cpu" */
    bool non_blocking;        /**< do not wait for the transfer, where memory allows */
} mm_stack_images_args;
/**
 * Images as one float batch: swapped, converted, normalised as (x - mean) / std, padded
 * to the largest one, stacked. Bytes on the host take one pass of our own with
 * PyTorch's rounding; everything else goes through libtorch's operators.
 *
 * Shapes: N times [C, H_i, W_i] u8 or float -> [N, C, max H, max W] f32 (rounded up).
 * Owner:  result is scope-owned.
 * Errors: MM_ESHAPE for images of other channels or dimensions, MM_ETYPE.
 * Source: ImgDataPreprocessor.forward, stack_batch.
 */
#define mm_stack_images(...)                                                           \
    mm_stack_images_with(&(const mm_stack_images_args){.inputs = __VA_ARGS__})
MM_API mm_tensor *mm_stack_images_with(const mm_stack_images_args *args);

/** A copy of nested data with all tensors and data elements on `device`; scope-owned.
 * What is there already is shared. Source: BaseDataPreprocessor.cast_data. */
MM_API mm_value *mm_value_to_device(mm_value *data, const char *device,
                                    bool non_blocking);

MM_END_DECLS

#endif
