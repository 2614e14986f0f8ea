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

/** Device that the preprocessor moves batches to; follows mm_module_to(). */
MM_API const char *mm_module_device(const mm_module *module);

MM_END_DECLS

#endif
