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
    /** optional, default: preprocess, predict. Called by the test loop alone. Gets the
     * loader's batch; returns the list of predictions. */
    mm_value *(*test_step)(void *self, mm_value *batch);
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
/** The same for a test: the model's own test_step, if it has one. Scope-owned list. */
MM_API mm_value *mm_model_test_step(mm_module *model, mm_value *batch);
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

/** @name Averaged models: a copy of a model whose weights are a running average
 *
 * An averaged model is a module with a buffer `steps` (updates so far) and a child
 * `module` (the copy, without gradients). To write one: embed mm_base_averaged_model
 * first in the struct, inherit its options, give `mm_averaged_model_init` and
 * `mm_averaged_model_deinit` as init and deinit (or call them first), and a rule.
 * Source: mmengine/model/averaged_model.py. @{ */

/** State of an averaged model; private. */
typedef struct mm_averaging mm_averaging;

/** First member of every averaged model's struct. */
typedef struct mm_base_averaged_model {
    mm_instance *model;  /**< the model to average; in a config an instance may stand */
    int64_t interval;    /**< updates between two averages */
    const char *device;  /**< where the copy lies; NULL: where the model lies */
    bool update_buffers; /**< average buffers too; else they are copied */
    mm_averaging *state;
} mm_base_averaged_model;
/** Rows for MM_OPT_INHERIT. */
MM_API extern const mm_option mm_base_averaged_model_options[];
/** Makes the copy and `steps`. */
MM_API mm_status mm_averaged_model_init(void *self);
MM_API void mm_averaged_model_deinit(void *self);
/** Calls the copy. */
MM_API mm_value *mm_averaged_model_call(void *self, mm_value *args);

/** How an average moves towards the live weight. */
typedef struct mm_average_rule {
    bool
        is_lerp; /**< true: average = lerp(average, live, weight), as Tensor.lerp_;
                  * false: average += weight * (live - average), rounded in two steps */
    double weight;
} mm_average_rule;

/** The functions of an averaged model; one of `rule` and `average` is required. */
typedef struct mm_averaged_model_ops {
    mm_module_ops module; /**< first; mostly {.call = mm_averaged_model_call} */
    /** optional: the rule at update number `steps` >= 1. A whole model is averaged in
     * one pass. */
    mm_average_rule (*rule)(void *self, int64_t steps);
    /** optional, default: the rule. One tensor, changed in place:
     * BaseAveragedModel.avg_func. */
    mm_status (*average)(void *self, mm_tensor *averaged, mm_tensor *live,
                         int64_t steps);
} mm_averaged_model_ops;

/**
 * Builds an averaged model of `model` from a config with `type`; yours. The config's
 * locations and `path` are for messages. Source: MODELS.build(cfg, dict(model=model)).
 */
MM_API MM_OWNED mm_module *mm_averaged_model_build(mm_value *config, mm_module *model,
                                                   const char *scope, const char *path);
/** One update from the live model: the first copies, later ones average.
 * Source: update_parameters. */
MM_API mm_status mm_averaged_model_update(mm_module *averaged, mm_module *live);
/**
 * Before a step of `wrapper`'s optimizer: lets it pull the average along where it can,
 * one pass over memory less. The update after the step, which is still due, does what
 * is left, so the numbers are the same with and without this call. Nothing but that one
 * step may change the live weights in between. Without effect where a step may do more
 * than that: several optimizers, wrappers of plugins.
 */
MM_API mm_status mm_averaged_model_follow(mm_module *averaged, mm_module *live,
                                          mm_optim_wrapper *wrapper);
/** Copies the live weights without counting it as an update. */
MM_API mm_status mm_averaged_model_copy(mm_module *averaged, mm_module *live);
/** Exchanges the weights of both (buffers too with update_buffers). Parameters stay the
 * tensors they are; where both lie alike only their memory changes hands. */
MM_API mm_status mm_averaged_model_swap(mm_module *averaged, mm_module *live);
/** Updates so far. */
MM_API int64_t mm_averaged_model_steps(mm_module *averaged);
/** True (false is the default): libtorch's operators instead of our kernels. */
MM_API mm_status mm_averaged_model_set_reference(mm_module *averaged, bool on);
/** @} */

/** @name Test-time augmentation
 *
 * A TTA model wraps a model as its child `module`. Its test_step gets batches in which
 * each entry is a list over augmentations, runs the model on each and merges what comes
 * out. To write one: embed mm_base_tta_model first in the struct, inherit its options,
 * give `mm_tta_model_init` as init (or call it first), `mm_tta_model_test_step` as
 * test_step, and merge_preds. Its interface is MM_TTA_MODEL. Source:
 * mmengine/model/test_time_aug.py. @{ */

/** First member of every TTA model's struct. */
typedef struct mm_base_tta_model {
    mm_instance *module;            /**< the model; in a config an instance may stand */
    mm_instance *data_preprocessor; /**< replaces the model's; NULL: keep */
} mm_base_tta_model;
/** Rows for MM_OPT_INHERIT. */
MM_API extern const mm_option mm_base_tta_model_options[];
/** Registers the children. */
MM_API mm_status mm_tta_model_init(void *self);

/** The functions of a TTA model. */
typedef struct mm_tta_model_ops {
    mm_model_ops model; /**< first; test_step is mm_tta_model_test_step() */
    /** required: `predictions` holds one list per sample, with one prediction per
     * augmentation; returns one prediction per sample, a scope-owned list */
    mm_value *(*merge_preds)(void *self, mm_value *predictions);
} mm_tta_model_ops;

/** Runs the wrapped model on each augmentation of a batch and merges; scope-owned.
 * MM_EUNSUPPORTED without merge_preds. */
MM_API mm_value *mm_tta_model_test_step(void *self, mm_value *batch);
/** A batch's list of inputs or samples: the first augmentation's, where there are
 * several. Borrowed from `list`. */
MM_API mm_value *mm_tta_first(mm_value *list);
/** @} */

MM_END_DECLS

#endif
