/** @file
 * The runner: builds everything a config names and runs its loops. Hooks are called at
 * 22 stages. One running runner per process. Source: mmengine/runner, mmengine/hooks.
 */
#ifndef MMENGINE_RUNNER_H
#define MMENGINE_RUNNER_H

#include "mmengine/config.h"
#include "mmengine/hub.h"
#include "mmengine/loader.h"
#include "mmengine/metric.h"
#include "mmengine/model.h"
#include "mmengine/optim.h"
#include "mmengine/scheduler.h"
#include "mmengine/visualizer.h"

MM_BEGIN_DECLS

/** Which loop a stage belongs to. */
typedef enum mm_mode { MM_MODE_TRAIN, MM_MODE_VAL, MM_MODE_TEST } mm_mode;

/** Hook priorities: 0 runs first. Any int from 0 to 100 is allowed. */
enum {
    MM_PRIORITY_HIGHEST = 0,
    MM_PRIORITY_VERY_HIGH = 10,
    MM_PRIORITY_HIGH = 30,
    MM_PRIORITY_ABOVE_NORMAL = 40,
    MM_PRIORITY_NORMAL = 50,
    MM_PRIORITY_BELOW_NORMAL = 60,
    MM_PRIORITY_LOW = 70,
    MM_PRIORITY_VERY_LOW = 90,
    MM_PRIORITY_LOWEST = 100
};

/** What the iteration stages see. Borrowed for the call. */
typedef struct mm_iter {
    int64_t batch_idx; /**< in the epoch; the global iteration in iteration mode */
    mm_value *batch;   /**< as the loader made it */
    mm_value *outputs; /**< train: log variables; val, test: predictions; NULL before */
} mm_iter;

/**
 * The stages of a hook, MMEngine's names; every slot is optional, default: nothing. In
 * the train_iter stages mm_runner_iter() is the zero-based index of the current
 * iteration, in after_train_epoch mm_runner_epoch() likewise; in validation both count
 * finished units.
 */
struct mm_hook_ops {
    /** optional, default: 0, which means MM_PRIORITY_NORMAL; the config's `priority`
     * wins */
    int priority;
    mm_status (*before_run)(void *self, mm_runner *runner);
    mm_status (*after_load_checkpoint)(void *self, mm_runner *runner,
                                       mm_value *checkpoint);
    mm_status (*before_train)(void *self, mm_runner *runner);
    mm_status (*before_train_epoch)(void *self, mm_runner *runner);
    mm_status (*before_train_iter)(void *self, mm_runner *runner, const mm_iter *iter);
    mm_status (*after_train_iter)(void *self, mm_runner *runner, const mm_iter *iter);
    mm_status (*after_train_epoch)(void *self, mm_runner *runner);
    mm_status (*before_val)(void *self, mm_runner *runner);
    mm_status (*before_val_epoch)(void *self, mm_runner *runner);
    mm_status (*before_val_iter)(void *self, mm_runner *runner, const mm_iter *iter);
    mm_status (*after_val_iter)(void *self, mm_runner *runner, const mm_iter *iter);
    mm_status (*after_val_epoch)(void *self, mm_runner *runner, mm_value *metrics);
    mm_status (*after_val)(void *self, mm_runner *runner);
    mm_status (*before_save_checkpoint)(void *self, mm_runner *runner,
                                        mm_value *checkpoint);
    mm_status (*after_train)(void *self, mm_runner *runner);
    mm_status (*before_test)(void *self, mm_runner *runner);
    mm_status (*before_test_epoch)(void *self, mm_runner *runner);
    mm_status (*before_test_iter)(void *self, mm_runner *runner, const mm_iter *iter);
    mm_status (*after_test_iter)(void *self, mm_runner *runner, const mm_iter *iter);
    mm_status (*after_test_epoch)(void *self, mm_runner *runner, mm_value *metrics);
    mm_status (*after_test)(void *self, mm_runner *runner);
    mm_status (*after_run)(void *self, mm_runner *runner);
    /** a stage of a plugin's own loop, by name: mm_runner_call_hook() */
    mm_status (*custom)(void *self, mm_runner *runner, const char *stage,
                        mm_value *args);
    /** state that a checkpoint carries; a dict, yours to give away */
    MM_OWNED mm_value *(*save_state)(void *self);
    mm_status (*load_state)(void *self, const mm_value *state);
};

/** The functions of a loop; see "For loops of plugins". */
typedef struct mm_loop_ops {
    /** required: the whole loop; calls the runner's stages. MM_STOP if a request ended
     * it before its end */
    mm_status (*run)(void *self, mm_runner *runner);
    /** optional, default: nothing. Called when the loop is made, before optimizer and
     * schedulers: says how long the run is, builds what it needs */
    mm_status (*start)(void *self, mm_runner *runner);
} mm_loop_ops;

/** Requests to a running runner; bits. */
enum {
    MM_REQUEST_STOP = 1u << 0, /**< finish the iteration, save, leave */
    MM_REQUEST_SAVE = 1u << 1  /**< save and go on */
};

/** Where a run stands, for a progress display. Plain data. */
typedef struct mm_progress {
    mm_mode mode;
    int64_t epoch, max_epochs; /**< from 1; 0 if counted in iterations */
    int64_t iter, max_iters;   /**< in the epoch, or in all */
    double iter_seconds;       /**< mean of the last window */
    double eta_seconds;        /**< until the end of training */
    double images_per_second;
} mm_progress;

/** @name Life @{ */
/** True for top-level config keys that the runner reads, set or not: cfg-options. */
MM_API bool mm_runner_knows_key(const char *key);
/** The i-th of them; NULL behind the last. Static storage. */
MM_API const char *mm_runner_key_at(size_t index);
/**
 * A runner from a config. Checks every section first, then makes work_dir, logger, hub,
 * visualizer, model and hooks; loaders, optimizer and schedulers follow when needed.
 */
MM_API MM_OWNED mm_runner *mm_runner_new(mm_config *config);
/** NULL is fine. Works while an error is pending. */
MM_API void mm_runner_free(mm_runner *runner);
/** Trains although another process holds the lock of work_dir. */
MM_API void mm_runner_set_force(mm_runner *runner, bool force);
MM_API mm_status mm_runner_train(mm_runner *runner);
MM_API MM_OWNED mm_value *mm_runner_val(mm_runner *runner);  /**< metrics */
MM_API MM_OWNED mm_value *mm_runner_test(mm_runner *runner); /**< metrics */
/** True if a request ended the run before its end. */
MM_API bool mm_runner_was_stopped(const mm_runner *runner);
/** Lock-free; may be called from a signal handler. */
MM_API void mm_runner_request(mm_runner *runner, unsigned flags);
/** Ends training after the current epoch (in iteration mode after the current
 * iteration), as train_loop.stop_training. */
MM_API void mm_runner_stop_training(mm_runner *runner);
/** Called after each iteration (NULL: none); must be quick. */
MM_API void mm_runner_set_progress(mm_runner *runner,
                                   void (*show)(void *user,
                                                const mm_progress *progress),
                                   void *user);
/** @} */

/** @name Memory format of the model's convolutions @{ */
/** "contiguous", "channels_last", or "auto" while training has not chosen. Static
 * storage. */
MM_API const char *mm_runner_memory_format(const mm_runner *runner);
/**
 * Chooses the format that the config's `memory_format` asks for, once; later calls do
 * nothing. 'auto' times the loss and its gradients of `batch` in both formats and takes
 * channels last where it is at least a tenth faster. Random state, parameters, buffers,
 * gradients and the batch are left as they were. The training loops call this before
 * their first iteration; a loop of your own may. `optim_wrapper` (may be NULL) brings
 * the precision.
 */
MM_API mm_status mm_runner_choose_memory_format(mm_runner *runner, mm_value *batch,
                                                mm_optim_wrapper *optim_wrapper);
/** @} */

/** System, processor, libtorch and its build: name -> text or number, MMEngine's
 * collect_env(). Opens libtorch. Yours. */
MM_API MM_OWNED mm_value *mm_collect_env(void);

/** @name What hooks and loops read. Borrowed. @{ */
MM_API mm_config *mm_runner_config(const mm_runner *runner);
MM_API mm_hub *mm_runner_hub(const mm_runner *runner);
MM_API mm_visualizer *mm_runner_visualizer(const mm_runner *runner);
MM_API mm_module *mm_runner_model(const mm_runner *runner);
/** Puts another model in its place, as a wrapper for tests does before the test; takes
 * it. Optimizers keep the parameters they have. */
MM_API mm_status mm_runner_set_model(mm_runner *runner, MM_TAKES mm_module *model);
/** True while a checkpoint is loaded to go on with its run, false while one is loaded
 * for its weights: for after_load_checkpoint. */
MM_API bool mm_runner_is_resuming(const mm_runner *runner);
MM_API mm_optim_wrapper *mm_runner_optim_wrapper(const mm_runner *runner);
/** The config of the optimizer wrapper that is in force: `optim_wrapper`, or what the
 * `strategy` of a FlexibleRunner makes of it. NULL if there is none. */
MM_API mm_value *mm_runner_optim_config(const mm_runner *runner);
/** The loader of a mode, built if it was not yet. */
MM_API mm_loader *mm_runner_loader(mm_runner *runner, mm_mode mode);
MM_API mm_evaluator *mm_runner_evaluator(mm_runner *runner, mm_mode mode);
/** True if the last validation left out the data set that `metric` ("<name>/...") is
 * of, since that one has an interval of its own: whoever waits for the metric waits on.
 */
MM_API bool mm_runner_leaves_out(const mm_runner *runner, const char *metric);
MM_API const char *mm_runner_work_dir(const mm_runner *runner);
MM_API const char *mm_runner_log_dir(const mm_runner *runner);
MM_API const char *mm_runner_timestamp(const mm_runner *runner);
MM_API const char *mm_runner_experiment_name(const mm_runner *runner);
MM_API int64_t mm_runner_epoch(const mm_runner *runner);
MM_API int64_t mm_runner_iter(const mm_runner *runner);
MM_API int64_t mm_runner_max_epochs(const mm_runner *runner);
MM_API int64_t mm_runner_max_iters(const mm_runner *runner);
MM_API bool mm_runner_by_epoch(const mm_runner *runner);
MM_API uint64_t mm_runner_seed(const mm_runner *runner);
/** Param schedulers, in order. */
MM_API size_t mm_runner_num_schedulers(const mm_runner *runner);
MM_API mm_param_scheduler *mm_runner_scheduler(const mm_runner *runner, size_t index);
/**
 * Advances the schedulers that count epochs, or the others. Those that count steps of
 * the optimizer advance by what theirs has made since the last call, which may be none.
 */
MM_API mm_status mm_runner_step_schedulers(mm_runner *runner, bool by_epoch);
/** @} */

/** @name For loops of plugins @{ */
/** How long the run is, for logs, schedulers and hooks; in a loop's `start`. Max_epochs
 * is 1 if iterations are counted. */
MM_API void mm_runner_set_lengths(mm_runner *runner, bool by_epoch, int64_t max_epochs,
                                  int64_t max_iters);
/**
 * One training iteration: train_step between its two stages; counts the iteration.
 * Takes the batch, in failure too. MM_STOP: a request of the host was honoured, the
 * loop must return MM_STOP.
 */
MM_API mm_status mm_runner_train_iter(mm_runner *runner, int64_t batch_idx,
                                      MM_TAKES mm_value *batch);
/** Counts an epoch; after stage after_train_epoch. */
MM_API void mm_runner_end_epoch(mm_runner *runner);
/** @} */

/** @name Log lines, made by the log processor @{ */
/** A line and the numbers in it; release with mm_log_text_deinit(). */
typedef struct mm_log_text {
    mm_value *tag; /**< dict of numbers, for the visualizer */
    char *line;    /**< text without date and level */
} mm_log_text;
/** After the iteration `batch_idx` of a loop. */
MM_API mm_status mm_runner_log_iter(mm_runner *runner, int64_t batch_idx, mm_mode mode,
                                    mm_log_text *out);
/** After a validation or test of `num_batches`, with their metrics. */
MM_API mm_status mm_runner_log_epoch(mm_runner *runner, int64_t num_batches,
                                     mm_mode mode, mm_log_text *out);
MM_API void mm_log_text_deinit(mm_log_text *text);
/** @} */

/** @name Hooks and checkpoints @{ */
/** Adds a hook; priority below 0: the hook's own. */
MM_API mm_status mm_runner_register_hook(mm_runner *runner, mm_instance *hook,
                                         int priority);
/** Calls a stage on every hook, as MMEngine's call_hook(): one of the 22 (`args` for
 * those that take a value), or a name of a plugin's own, which goes to `custom`.
 * MM_ESTATE for the stages of an iteration: mm_runner_train_iter() calls them. */
MM_API mm_status mm_runner_call_hook(mm_runner *runner, const char *stage,
                                     mm_value *args);
/** Stage -> hooks, as MMEngine's get_hooks_info(); mm_free(). */
MM_API MM_OWNED char *mm_runner_hooks_info(const mm_runner *runner);
/** True at every n-th finished unit, counted from `start`. */
MM_API bool mm_every_n_epochs(const mm_runner *runner, int64_t n, int64_t start);
MM_API bool mm_every_n_train_iters(const mm_runner *runner, int64_t n, int64_t start);

/** What mm_runner_save_checkpoint() writes; zero is the default of each but the first.
 */
typedef struct mm_save_args {
    const char *path;    /**< required: the file */
    int64_t epoch, iter; /**< finished units, for `meta` */
    bool no_optimizer;
    bool no_param_scheduler;
    /** optional, default: no. Once the file is good, `last_checkpoint` in the work
     * folder names it. A run whose newest such file could not be written ends with an
     * error. */
    bool is_last;
    /** optional, default: no. An uninterrupted run would not save here: what is trained
     * must not change by it, to the bit. For optimizers that evaluate at another point
     * than they train at. */
    bool is_unplanned;
    /** optional: list of files that are removed after that; missing ones are fine */
    const mm_value *remove;
    /** optional: told once, whatever happens, whether the file is good; on the runner's
     * thread, with no error pending, a failure having been logged */
    void (*done)(void *user, mm_runner *runner, bool is_good);
    void *user; /**< for `done` */
} mm_save_args;
/**
 * Saves a checkpoint: it is there whole or not at all. Arguments are copied.
 *
 * In a stage (a hook calls it) it only asks for it. When the stage's last hook has
 * returned, the state is copied in memory and a thread writes it while training goes
 * on; saves asked for in one stage share the copy. A write that is still under way then
 * is waited for. A file that could not be written (full disk, read-only folder, no
 * memory for the copy) is an error line in the log, and training goes on.
 *
 * Outside a stage the file is there when this returns, and a failure is its error.
 *
 * Errors: MM_ESTATE in before_save_checkpoint.
 */
MM_API mm_status mm_runner_save_checkpoint(mm_runner *runner, const mm_save_args *args);
/** Waits until no file is being written; whoever uploads checkpoints calls it first.
 * Saves asked for in the present stage are not among them. The end of a run waits by
 * itself. */
MM_API mm_status mm_runner_wait_for_saves(mm_runner *runner);
/** The content of a checkpoint file, tensors included; yours. Tensors are read-only
 * views of the file: copy before writing to them. MM_ENOENT, MM_EDATA. */
MM_API MM_OWNED mm_value *mm_checkpoint_load(const char *path);
/** Writes `checkpoint`, a dict that may hold tensors, in one step: the file is there
 * whole or not at all. As mm_pth_write(). Source: mmengine save_checkpoint(). */
MM_API mm_status mm_checkpoint_save(const char *path, const mm_value *checkpoint);
/** The newest file of `folder` that can be read whole: the one `last_checkpoint` names,
 * else by age; mm_free(). NULL without an error if there is none. Damaged ones are
 * named in the log. */
MM_API MM_OWNED char *mm_find_latest_checkpoint(const char *folder);
/** Writes a copy with `keys` alone as "<stem>-<hash>.pth"; its path is yours. */
MM_API mm_status mm_checkpoint_publish(const char *path, const mm_strs *keys,
                                       char **out_path);
/** Loads weights only. */
MM_API mm_status mm_runner_load_checkpoint(mm_runner *runner, const char *path);
/** Loads weights, optimizer, schedulers, counters, random state and loader position. */
MM_API mm_status mm_runner_resume(mm_runner *runner, const char *path);
/** @} */

MM_END_DECLS

#endif
