/* What the files of this folder share: the runner's fields and the steps of its life.
 *
 * Order of life: check (nothing is built) -> set-up (folders, logger, seed, hub,
 * visualizer) -> model -> hooks -> train()/val()/test() build what they need and run.
 */
#ifndef MM_RUNNER_INTERNAL_H
#define MM_RUNNER_INTERNAL_H

#include <stdatomic.h>

#include "base/os.h"
#include <stdio.h>

#include "mmengine/log.h"
#include "mmengine/memory.h"
#include "mmengine/runner.h"
#include "runner/saver.h"

enum { MMI_NUM_MODES = 3, MMI_NUM_STAGES = 22 };

/* One hook as registered. */
typedef struct mmi_hook {
    mm_instance *instance; /* owned */
    const mm_hook_ops *ops;
    int priority;
} mmi_hook;

/* One hook's function for one stage, ready to be called. */
typedef struct mmi_call {
    void *self;
    void (*function)(void); /* cast back by the stage's kind */
    const char *hook;       /* name, for messages */
} mmi_call;

/* The hooks of one stage, in order. */
typedef struct mmi_stage {
    mmi_call *calls; /* owned */
    size_t count;
} mmi_stage;

/* Positions in mm_runner.stages; the order in which MMEngine prints them. */
typedef enum mmi_stage_id {
    MMI_BEFORE_RUN,
    MMI_AFTER_LOAD_CHECKPOINT,
    MMI_BEFORE_TRAIN,
    MMI_BEFORE_TRAIN_EPOCH,
    MMI_BEFORE_TRAIN_ITER,
    MMI_AFTER_TRAIN_ITER,
    MMI_AFTER_TRAIN_EPOCH,
    MMI_BEFORE_VAL,
    MMI_BEFORE_VAL_EPOCH,
    MMI_BEFORE_VAL_ITER,
    MMI_AFTER_VAL_ITER,
    MMI_AFTER_VAL_EPOCH,
    MMI_AFTER_VAL,
    MMI_BEFORE_SAVE_CHECKPOINT,
    MMI_AFTER_TRAIN,
    MMI_BEFORE_TEST,
    MMI_BEFORE_TEST_EPOCH,
    MMI_BEFORE_TEST_ITER,
    MMI_AFTER_TEST_ITER,
    MMI_AFTER_TEST_EPOCH,
    MMI_AFTER_TEST,
    MMI_AFTER_RUN,
    MMI_NO_STAGE
} mmi_stage_id;

/* One data set of a mode. Training has one; an evaluation may have several. */
typedef struct mmi_data_set {
    const char *name;        /* key in the config, borrowed; NULL for the only one */
    mm_loader *loader;       /* owned; made when it is needed */
    mm_evaluator *evaluator; /* owned; made when it is needed */
    int64_t interval;        /* of its own between validations; 0: the loop's */
    bool is_due;             /* in the next evaluation */
} mmi_data_set;

typedef struct mmi_data_sets {
    mmi_data_set *data; /* owned */
    size_t count;
    size_t current; /* the one that is read */
} mmi_data_sets;

/* A param scheduler and the optimizer it drives. */
typedef struct mmi_scheduler {
    mm_param_scheduler *scheduler; /* owned */
    const char *optimizer;         /* name among several; NULL for the only one */
    const mm_optimizer *driven;    /* borrowed; NULL without training */
    int64_t accumulation;          /* iterations of one of that one's steps */
    int64_t seen_steps;            /* of them, as far as it has counted them */
} mmi_scheduler;

/* An optimizer as schedulers see it. */
typedef struct mmi_driven {
    const char *name; /* among several; NULL for the only one */
    mm_param_groups *groups;
    const mm_optimizer *optimizer; /* NULL without training */
    int64_t accumulation;
} mmi_driven;

/* Between which stages a run stands: what a checkpoint written now has behind it. */
typedef enum mmi_place {
    MMI_PLACE_START,       /* of this process; nothing is known of before */
    MMI_PLACE_AFTER_ITER,  /* a training iteration */
    MMI_PLACE_AFTER_EPOCH, /* the last iteration of an epoch */
    MMI_PLACE_AFTER_VAL    /* a validation */
} mmi_place;

/* Counters of the training loop; the loops alone change them. */
typedef struct mmi_counters {
    bool by_epoch;
    int64_t epoch, iter; /* finished units */
    int64_t max_epochs, max_iters;
    int64_t data_epoch;   /* iteration mode: passes over the data */
    bool in_epoch;        /* batches are being handed out */
    int64_t batches_done; /* of this pass over the data */
    int64_t first_batch;  /* where the data go on, when resumed in the middle */
    mmi_place place;
    bool owes_validation; /* resumed from before a validation that was due */
    bool stop_training;
} mmi_counters;

/* Checkpoints asked for and the thread that writes them. */
typedef struct mmi_saves {
    struct mmi_save *asked; /* in this stage, in order; owned */
    mmi_saver *saver;       /* NULL before the first save */
    bool is_making;         /* before_save_checkpoint runs */
    bool is_training;       /* where the parameters were before they went to the point
                               of evaluation, to be saved there */
    mm_value *point;        /* copies of them if they must come back unrounded */
    char *failed;           /* the newest `is_last` file, if it was not written */
} mmi_saves;

/* How 4-D weights lie in memory. */
typedef enum mmi_weights_format {
    MMI_WEIGHTS_AUTO, /* not decided yet */
    MMI_WEIGHTS_CONTIGUOUS,
    MMI_WEIGHTS_CHANNELS_LAST
} mmi_weights_format;

struct mm_runner {
    mm_config *config; /* borrowed from the caller */
    mm_value *root;    /* its value, borrowed */
    const char *scope; /* default_scope */

    char *work_dir, *log_dir, *experiment_name; /* owned */
    char timestamp[16];                         /* YYYYmmdd_HHMMSS */
    mmi_file_lock lock;                         /* of work_dir, while training */

    uint64_t seed;
    bool has_seed; /* the config names one */
    bool deterministic;
    char device[16];
    mmi_weights_format weights_format; /* of this run's training */

    mm_logger *logger, *logger_before;
    mm_hub *hub;
    mm_visualizer *visualizer;
    mm_instance *log_processor;
    mm_value *optim_config; /* owned; `optim_wrapper` as the strategy makes it */
    mm_module *model;
    mm_optim_wrapper *optim_wrapper;
    mmi_scheduler *schedulers;
    size_t num_schedulers;
    mmi_data_sets sets[MMI_NUM_MODES];
    mm_instance *loops[MMI_NUM_MODES];

    mmi_hook *hooks;
    size_t num_hooks;
    bool sorted; /* stages are up to date */
    mmi_stage stages[MMI_NUM_STAGES];
    int stage_depth;    /* calls of stages that have not returned */
    mmi_stage_id stage; /* the outermost of them; MMI_NO_STAGE: none */
    mmi_saves saves;

    mmi_counters at;
    mm_value *metrics;    /* of the last evaluation, owned */
    mm_value *before_val; /* mmi_random_state() when the validation under way began */
    bool has_loaded;
    bool resuming;       /* a checkpoint is being loaded to go on with its run */
    bool force;          /* train although the lock is held */
    mm_status exit_flow; /* MM_STOP if a request ended the run */

    atomic_uint requests;
    void (*show)(void *user, const mm_progress *progress);
    void *show_user;
    int64_t last_iter_ns; /* when the last iteration ended; 0: none yet */
    double iter_seconds;  /* smoothed */
};

/* log_processor.c */
extern const mm_component mmi_log_processor;
/* How many numbers of a history the log lines of training look back on at most. */
size_t mmi_log_window(mm_runner *runner);

/* stages.c */
mm_status mmi_hooks_register_all(mm_runner *runner);
mm_status mmi_hooks_check(const mm_runner *runner);
void mmi_hooks_free(mm_runner *runner);
mm_status mmi_call_stage(mm_runner *runner, mmi_stage_id stage);
mm_status mmi_call_iter(mm_runner *runner, mmi_stage_id stage, const mm_iter *iter);
mm_status mmi_call_value(mm_runner *runner, mmi_stage_id stage, mm_value *value);
/* Visits hooks in calling order. */
const mmi_hook *mmi_hooks_at(mm_runner *runner, size_t index);

/* loops.c */
/* Makes the loop of a mode from train_cfg, val_cfg, test_cfg, if it is not there. */
mm_status mmi_loop_build(mm_runner *runner, mm_mode mode);
mm_status mmi_loop_check(const mm_runner *runner, mm_mode mode);
/* MM_STOP: a request ended it. */
mm_status mmi_loop_run(mm_runner *runner, mm_mode mode);
void mmi_show_progress(mm_runner *runner, mm_mode mode, int64_t batch_idx);

/* train_loops.c */
extern const mm_component mmi_epoch_based_train_loop, mmi_iter_based_train_loop;

/* eval_loops.c */
extern const mm_component mmi_val_loop, mmi_test_loop;
/* Runs validation or test over the data sets that are due; the metrics are
 * runner->metrics. MM_STOP: a request ended it. */
mm_status mmi_run_evaluation(mm_runner *runner, mm_mode mode);

/* data_sets.c */
mm_status mmi_sets_check(const mm_runner *runner, mm_mode mode);
/* Loaders and evaluators of an evaluation. `intervals`: name -> interval, or NULL. */
mm_status mmi_sets_build(mm_runner *runner, mm_mode mode, mm_value *intervals);
/* Marks the sets that are due after `done` units of `all`; false if there is none. */
bool mmi_sets_mark_due(mm_runner *runner, mm_mode mode, int64_t done, int64_t all,
                       int64_t interval);
/* Makes the nth set that is due the current one; false behind the last. */
bool mmi_set_choose(mm_runner *runner, mm_mode mode, size_t nth);
mmi_data_set *mmi_set_current(mm_runner *runner, mm_mode mode);
void mmi_sets_free(mm_runner *runner);

/* setup.c */
mm_status mmi_setup(mm_runner *runner);
void mmi_setup_free(mm_runner *runner);
mm_status mmi_seed_everything(mm_runner *runner, uint64_t seed);
mm_status mmi_log_environment(mm_runner *runner);

/* build.c */
mm_status mmi_build_model(mm_runner *runner);
mm_status mmi_build_optim(mm_runner *runner);
void mmi_build_free(mm_runner *runner);

/* lr_scale.c */
/* What auto_scale_lr says of a run, and its batches. */
typedef struct mmi_lr_scale {
    bool is_on;
    double base;          /* its base_batch_size; as was written: for the log */
    int64_t per_device;   /* samples of an iteration */
    int64_t accumulation; /* iterations of a step */
    int64_t batch;        /* what `base` is compared with */
    double ratio;         /* of the two; 1 if it is off */
} mmi_lr_scale;
mm_status mmi_lr_scale_read(const mm_runner *runner, int64_t batch_size,
                            int64_t accumulation, mmi_lr_scale *out);
void mmi_lr_scale_log(const mmi_lr_scale *scale);

/* schedules_trial.c */
/* Makes the schedules over optimizers without parameters, for the sake of their errors.
 * Errors of other sections are none of it. */
mm_status mmi_try_schedulers(const mm_runner *runner);

/* schedules.c */
/* Schedulers for the runner's optimizers, unless it has them. */
mm_status mmi_build_schedulers(mm_runner *runner);
/* Adds those of `param_scheduler` over `count` optimizers; at.max_epochs and
 * at.max_iters are known. */
mm_status mmi_schedulers_add(mm_runner *runner, const mmi_driven *driven, size_t count,
                             int64_t epoch_length);
/* Steps them as after iteration `iter`, counted from 1, of a run that skips no step;
 * and as after an epoch. */
mm_status mmi_schedulers_pass_iter(mm_runner *runner, int64_t iter);
mm_status mmi_schedulers_pass_epoch(mm_runner *runner);
/* Steps them, which are new, to where the counters stand. */
mm_status mmi_replay_schedulers(mm_runner *runner);
void mmi_schedulers_free(mm_runner *runner);

/* A top-level key that must be one of `words`, if it is there; MM_ECONFIG with the
 * nearest ones and the place. */
mm_status mmi_check_word(const mm_runner *runner, const char *key,
                         const char *const *words, size_t count);
/* The word of `numerics`: "fast" or "reference". */
mm_status mmi_numerics_check(const mm_runner *runner);
/* True if it says "reference". */
bool mmi_wants_reference(const mm_runner *runner);

/* model_features.c */
/* The kinds of activation_checkpointing and efficient_conv_bn_eval. */
mm_status mmi_model_features_check(const mm_runner *runner);
/* Switches them on; after the weights have their initial values. */
mm_status mmi_model_features(const mm_runner *runner);

/* memory_format.c */
/* The config's word for the format; MM_ECONFIG if it is none. */
mm_status mmi_memory_format_check(const mm_runner *runner);
/* Takes the format that needs no measurement, if there is one. Before weights are
 * loaded. */
mm_status mmi_memory_format_begin(mm_runner *runner);
/* Goes on in the format of a checkpoint whose own state is `own`, unless the config
 * settles it. Before optimizer states are loaded. */
mm_status mmi_memory_format_resume(mm_runner *runner, const mm_value *own);

/* check.c */
mm_status mmi_check(mm_runner *runner);
/* Its parts. While an audit is on they report and go on. */
mm_status mmi_check_groups(const mm_runner *runner);
mm_status mmi_check_model(const mm_runner *runner);
mm_status mmi_check_optim(const mm_runner *runner);
mm_status mmi_check_schedulers(const mm_runner *runner, mm_value *config,
                               const char *path);
/* A top-level entry that is not None, or NULL. */
mm_value *mmi_section(const mm_runner *runner, const char *key);
/* An entry of a section that may be absent, or NULL. */
static inline mm_value *mmi_find_in(const mm_value *section, const char *key)
{
    return section == NULL ? NULL : mm_dict_find(section, key);
}
/* "train", "val", "test". */
const char *mmi_mode_name(mm_mode mode);
/* "train_dataloader" and so on: the mode's name before `suffix`; static storage. */
const char *mmi_mode_key(mm_mode mode, const char *suffix);

/* Our own key in a checkpoint; its layout's version is inside. */
#define MMI_OWN_KEY "mmengine_c"
enum { MMI_OWN_VERSION = 1 };

/* own_state.c */
/* What an exact resume needs and MMEngine's keys do not hold; yours. */
mm_value *mmi_own_state(mm_runner *runner);
/* MM_EDATA if it was written by a later version than we know; NULL is fine. */
mm_status mmi_check_own(const mm_value *own);
/* Takes it over; `own` is NULL in other programs' files. */
mm_status mmi_resume_own(mm_runner *runner, const mm_value *own);
/* States of the generators, and which loaders have drawn from them; yours. */
mm_value *mmi_random_state(mm_runner *runner);

/* strategy.c */
extern const mm_component mmi_single_device_strategy, mmi_ddp_strategy,
    mmi_fsdp_strategy, mmi_deepspeed_strategy, mmi_colossalai_strategy,
    mmi_deepspeed_wrapper, mmi_colossalai_wrapper;
/* Checks `strategy` and works out what it makes of the optimizer wrapper's config. */
mm_status mmi_strategy_check(mm_runner *runner);
void mmi_strategy_log(const mm_runner *runner);

/* resume_policy.c */
/* The word of `resume_policy`: "checkpoint" or "config". */
mm_status mmi_resume_policy_check(const mm_runner *runner);
bool mmi_config_wins(const mm_runner *runner);
/* Logs what differs between the run's config and the text of a checkpoint's, and which
 * of the two is in force. */
void mmi_log_differences(const mm_runner *runner, const mm_value *checkpoint);
/* The optimizer's state with the config's options; yours. */
mm_value *mmi_with_config_options(const mm_runner *runner, const mm_value *optimizer);
/* State dicts' groups with the options of `now` and what is state among them, as step
 * counts, of `then`; yours. */
mm_value *mmi_groups_with_state(const mm_optimizer *optimizer, const mm_value *now,
                                const mm_value *then);

/* save.c */
/* Saves the state in the middle of a run, at at.first_batch, as "iter_N.pth". */
mm_status mmi_save_on_request(mm_runner *runner);
/* The end of a stage: makes and copies what was asked for in it, and hears of files
 * that are written by now. */
mm_status mmi_saves_stage_end(mm_runner *runner);
/* The end of a run: waits. MM_EIO if the newest checkpoint could not be written. */
mm_status mmi_saves_finish(mm_runner *runner);
void mmi_saves_free(mm_runner *runner);

/* load.c */
/* Opens a file, lets hooks look at it, loads the weights. The checkpoint is yours. */
mm_value *mmi_open_checkpoint(mm_runner *runner, const char *name, bool strict);
mm_status mmi_load_or_resume(mm_runner *runner, mm_mode mode);
/* The config's load_cfg; MM_ECONFIG with the place. */
mm_status mmi_load_cfg_check(const mm_runner *runner);

#endif
