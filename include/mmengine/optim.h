/** @file
 * Parameter groups, optimizers and optimizer wrappers. An optimizer applies an update
 * rule to groups of tensors; a wrapper adds what MMEngine's OptimWrapper adds: gradient
 * accumulation, clipping, mixed precision. Schedulers (scheduler.h) change the groups'
 * options. Source: torch.optim, mmengine/optim/optimizer.
 *
 * Threads: an object belongs to one thread at a time.
 */
#ifndef MMENGINE_OPTIM_H
#define MMENGINE_OPTIM_H

#include "mmengine/module.h"
#include "mmengine/ops.h"
#include "mmengine/update_rule.h"

MM_BEGIN_DECLS

/** How sums and updates are computed on the host. */
typedef enum mm_numerics {
    MM_NUMERICS_FAST,     /**< our fused kernels; default */
    MM_NUMERICS_REFERENCE /**< libtorch's operators in PyTorch's order: bit-equal to it
                           */
} mm_numerics;

/**
 * @name Parameter groups
 * Lists of parameters, each with a dict of options (lr, weight_decay, ...) in PyTorch's
 * order. They need no libtorch while they hold no tensors, so a schedule can be printed
 * without a model. Index `count` addresses the base group, where there is one:
 * MMEngine's base_param_settings, which holds no parameters and follows the schedule.
 * @{
 */
/** `defaults`: dict of options a group has unless it says otherwise; kept. */
MM_API MM_OWNED mm_param_groups *mm_param_groups_new(mm_value *defaults);
MM_API mm_param_groups *mm_param_groups_ref(mm_param_groups *groups);
MM_API void mm_param_groups_unref(mm_param_groups *groups);
/**
 * Adds an empty group. `options` (dict or NULL) overrides defaults; its keys come
 * first, as in PyTorch. The index of the group, or -1.
 */
MM_API int64_t mm_param_groups_add(mm_param_groups *groups, const mm_value *options);
/** Adds a parameter to the last group. `name` is for messages and may be NULL.
 * MM_EINVAL if the tensor is in a group already. */
MM_API mm_status mm_param_groups_add_param(mm_param_groups *groups, const char *name,
                                           mm_tensor *param);
/** Adds the base group with the default options if there are several groups. */
MM_API mm_status mm_param_groups_add_base(mm_param_groups *groups);
/** Groups that hold parameters. */
MM_API size_t mm_param_groups_count(const mm_param_groups *groups);
MM_API bool mm_param_groups_has_base(const mm_param_groups *groups);
/** Groups that a scheduler drives: count, plus one with a base group. */
MM_API size_t mm_param_groups_num_scheduled(const mm_param_groups *groups);
/** Default options, a dict; borrowed. */
MM_API const mm_value *mm_param_groups_defaults(const mm_param_groups *groups);
/** Options of a group, a dict without `params`; borrowed. Change them by put. */
MM_API const mm_value *mm_param_groups_options(const mm_param_groups *groups,
                                               size_t group);
/** An option as a number. MM_EKEY if it is absent. */
MM_API double mm_param_groups_f64(const mm_param_groups *groups, size_t group,
                                  const char *key);
/** Sets an option; optimizers notice. */
MM_API mm_status mm_param_groups_put(mm_param_groups *groups, size_t group,
                                     const char *key, mm_value *value);
MM_API mm_status mm_param_groups_put_f64(mm_param_groups *groups, size_t group,
                                         const char *key, double value);
/** Grows with every put; lets a reader keep what it derived from the options. */
MM_API uint64_t mm_param_groups_version(const mm_param_groups *groups);
/** Parameters of all groups, numbered through in PyTorch's order of state dicts. */
MM_API size_t mm_param_groups_num_params(const mm_param_groups *groups);
MM_API mm_tensor *mm_param_groups_param(const mm_param_groups *groups, size_t param);
/** Its dotted name, or "". */
MM_API const char *mm_param_groups_name(const mm_param_groups *groups, size_t param);
/** The group a parameter is in. */
MM_API size_t mm_param_groups_group_of(const mm_param_groups *groups, size_t param);
/** @} */

/**
 * How a step learns the loss at places it has not seen. `call` drops the gradients,
 * computes the loss of one and the same batch where the parameters are now, runs
 * backward and says the loss.
 */
typedef struct mm_loss_closure {
    mm_status (*call)(void *user, double *out_loss);
    void *user;
} mm_loss_closure;

/** Calls it as an optimizer must: with recording on, in a scope of its own. */
MM_API mm_status mm_loss_closure_call(const mm_loss_closure *closure, double *out_loss);

/**
 * The functions of an optimizer. Options live in the groups, not in the component's
 * struct, which only says the defaults.
 */
struct mm_optimizer_ops {
    /** optional: this component is another name for the optimizer it gives (borrowed,
     * of registry "optimizers"); the other slots stay NULL */
    mm_instance *(*stands_for)(void *self);
    /** optional, with stands_for: why, for the log */
    const char *stands_why;
    /** optional, default: mm_optimizer_defaults(). The options of a group that sets
     * none, in PyTorch's order; a new dict */
    MM_OWNED mm_value *(*defaults)(void *self);
    /** optional, default: any. Looks at a group's options: when a group is made and
     * when a state is loaded. */
    mm_status (*check)(void *self, const mm_value *options);
    /** optional: an elementwise rule. Then the engine steps; `step`, `step_param` and
     * `state_changed` stay NULL */
    const mm_update_rule *rule;
    /** optional, with `rule`: before each step, before the groups' options are read;
     * for rules that count in options */
    mm_status (*begin_step)(void *self, mm_optimizer *optimizer);
    /** required unless `step`, `rule` or needs_closure: updates one parameter in place.
     * Called for every parameter that has a gradient, in order, without recording, in a
     * scope. */
    mm_status (*step_param)(void *self, mm_optimizer *optimizer, size_t param);
    /** optional, default: step_param for each. The whole step. */
    mm_status (*step)(void *self, mm_optimizer *optimizer);
    /** optional: state tensors were replaced; what was derived from them is stale */
    void (*state_changed)(void *self, mm_optimizer *optimizer);
    /** optional. Looks at the groups and their parameters together, once, when the
     * optimizer is made. */
    mm_status (*check_groups)(void *self, const mm_param_groups *groups);
    /** optional: for optimizers that train at one point and evaluate at another. Moves
     * the parameters to the point of training or away from it; called again with the
     * same value it does nothing. Called without recording, in a scope. */
    mm_status (*set_training)(void *self, mm_optimizer *optimizer, bool training);
    /** required with set_training: whether the parameters are where they are trained */
    bool (*is_training)(void *self, const mm_optimizer *optimizer);
    /** optional, default: none. Options of groups that are state, as step counts:
     * names, NULL-terminated. Whoever loads the state without the options loads these
     * too. */
    const char *const *state_options;
    /** optional: state tensors may have other sizes than their parameter */
    bool has_free_states;
    /** optional, default: calls the closure once, then steps. The whole step of an
     * optimizer that asks for the loss more than once; `out_loss` is that of the first
     * call. Without recording, in a scope. */
    mm_status (*step_closure)(void *self, mm_optimizer *optimizer,
                              const mm_loss_closure *closure, double *out_loss);
    /** optional: gradients may be sparse (mm_is_sparse()); without it a sparse one is
     * MM_EUNSUPPORTED, as in PyTorch */
    bool takes_sparse;
    /** optional: there is no step without a closure; step and step_param stay NULL */
    bool needs_closure;
};

/** @name Optimizers @{ */
/** Empty groups whose defaults are those of optimizer component `instance`. */
MM_API MM_OWNED mm_param_groups *mm_optimizer_new_groups(mm_instance *instance);
/** An optimizer of component `instance` over `groups`; both are kept. */
MM_API MM_OWNED mm_optimizer *mm_optimizer_new(mm_instance *instance,
                                               mm_param_groups *groups);
/** Builds the component from a config of registry "optimizers" and its groups from
 * named parameters, all in one group. For use without a wrapper. */
MM_API MM_OWNED mm_optimizer *mm_optimizer_build(mm_value *config, mm_module *model);
MM_API mm_optimizer *mm_optimizer_ref(mm_optimizer *optimizer);
MM_API void mm_optimizer_unref(mm_optimizer *optimizer);
/** Groups, borrowed. */
MM_API mm_param_groups *mm_optimizer_groups(const mm_optimizer *optimizer);
/** The component's instance, borrowed. */
MM_API mm_instance *mm_optimizer_instance(const mm_optimizer *optimizer);
MM_API void mm_optimizer_set_numerics(mm_optimizer *optimizer, mm_numerics numerics);
MM_API mm_numerics mm_optimizer_numerics(const mm_optimizer *optimizer);
/**
 * Moves the parameters to where they are trained (true), or to where they are evaluated
 * and saved (false). Schedule-free optimizers need it around training and evaluation;
 * all others ignore it. Loops and checkpoints of the runner call it.
 */
MM_API mm_status mm_optimizer_set_training(mm_optimizer *optimizer, bool training);
/** True if set_training(false) would move the parameters. */
MM_API bool mm_optimizer_is_training(const mm_optimizer *optimizer);
/** True if this option of groups is state: a step count. */
MM_API bool mm_optimizer_is_state_option(const mm_optimizer *optimizer,
                                         const char *name);
/** Updates every parameter that has a gradient. Does not allocate after the first. */
MM_API mm_status mm_optimizer_step(mm_optimizer *optimizer);
/** The same with every gradient multiplied by `factor` on the way; the gradients
 * themselves may or may not be. For clipping and unscaling in one pass. */
MM_API mm_status mm_optimizer_step_scaled(mm_optimizer *optimizer, float factor);
/** Steps made since the optimizer was built: those that were skipped do not count, nor
 * those before a resume. */
MM_API int64_t mm_optimizer_num_steps(const mm_optimizer *optimizer);
/**
 * A step that computes loss and gradients itself, as often as the optimizer wants. Any
 * optimizer takes a closure; LBFGS has no step without one (MM_ESTATE). `out_loss` (may
 * be NULL): the loss before the step. Source: torch.optim.Optimizer.step(closure).
 */
MM_API mm_status mm_optimizer_step_closure(mm_optimizer *optimizer,
                                           const mm_loss_closure *closure,
                                           double *out_loss);
/** True if it has no step without a closure. */
MM_API bool mm_optimizer_needs_closure(const mm_optimizer *optimizer);
/** Drops the gradients, or fills them with zeros. */
MM_API mm_status mm_optimizer_zero_grad(mm_optimizer *optimizer, bool set_to_none);
/** The factor of the running step, 1 outside mm_optimizer_step_scaled(): for step_param
 * and step. */
MM_API float mm_optimizer_grad_factor(const mm_optimizer *optimizer);
/** State of a parameter: a dict (empty at first) of name -> tensor or number. Borrowed;
 * the optimizer's own functions may put entries. */
MM_API mm_value *mm_optimizer_state(mm_optimizer *optimizer, size_t param);
/**
 * PyTorch's layout: {"state": {index: {...}}, "param_groups": [{..., "params": [..]}]}.
 * Tensors are shared with the optimizer: copy before the next step.
 */
MM_API MM_OWNED mm_value *mm_optimizer_state_dict(const mm_optimizer *optimizer);
/** Takes over state and options. Tensors are copied. MM_EDATA if groups or sizes
 * differ. */
MM_API mm_status mm_optimizer_load_state_dict(mm_optimizer *optimizer,
                                              const mm_value *state_dict);
/** @} */

/** @name For an optimizer's own functions @{ */
/**
 * A dict of the options of component struct `self` in the order of its table, but for
 * those in `except` (names, NULL-terminated; may be NULL): for
 * mm_optimizer_ops.defaults. Numbers are as the config writes them, lists become
 * tuples.
 */
MM_API MM_OWNED mm_value *mm_optimizer_defaults(const void *self,
                                                const char *const *except);
/** The gradient of a parameter times the factor of the step; scope-owned or borrowed.
 * NULL without an error if it has none. */
MM_API mm_tensor *mm_optimizer_grad(mm_optimizer *optimizer, size_t param);
/** A state tensor, borrowed; NULL without an error if there is none. */
MM_API mm_tensor *mm_optimizer_find_state(const mm_optimizer *optimizer, size_t param,
                                          const char *name);
/** Puts the tensor under `name` and returns it. */
MM_API mm_tensor *mm_optimizer_put_state(mm_optimizer *optimizer, size_t param,
                                         const char *name, mm_tensor *tensor);
/** A state tensor; if there is none yet, zeros like the parameter. */
MM_API mm_tensor *mm_optimizer_zeros_state(mm_optimizer *optimizer, size_t param,
                                           const char *name);
/** An option of a group as a number or a truth value. Absent or None: `absent`. @{ */
MM_API double mm_option_find_f64(const mm_value *options, const char *key,
                                 double absent);
MM_API bool mm_option_find_bool(const mm_value *options, const char *key, bool absent);
/** @} */
/** Number `index` of an option that is a list: betas. */
MM_API double mm_option_get_f64_at(const mm_value *options, const char *key,
                                   size_t index);
/** MM_ECONFIG unless the option is a number in [low, high], or in [low, high) if
 * `is_open`. Absent or None is fine. */
MM_API mm_status mm_option_check_f64(const mm_value *options, const char *key,
                                     double low, double high, bool is_open);
/** @} */

/** Options that all wrappers have: first member of a wrapper component's struct. */
typedef struct mm_optim_wrapper_settings {
    mm_instance *optimizer;      /**< component of registry "optimizers" */
    int64_t accumulative_counts; /**< iterations per step, >= 1 */
    mm_value *clip_grad;         /**< dict or NULL */
    mm_value *paramwise_cfg;     /**< options of the constructor; NULL: none */
    const char *constructor;     /**< component that makes the groups */
} mm_optim_wrapper_settings;

/** Their rows, for MM_OPT_INHERIT. */
MM_API extern const mm_option mm_optim_wrapper_options[];

/** The functions of an optimizer wrapper; `self` begins with mm_optim_wrapper_settings.
 */
typedef struct mm_optim_wrapper_ops {
    /** optional, default: nothing. Around preprocessing and forward: autocast */
    mm_status (*enter)(void *self, mm_optim_wrapper *wrapper);
    /** optional, default: nothing. Also called when the forward failed */
    void (*leave)(void *self, mm_optim_wrapper *wrapper);
    /** optional, default: mm_backward(). Gets the loss divided for accumulation */
    mm_status (*backward)(void *self, mm_optim_wrapper *wrapper, mm_tensor *loss);
    /** optional, default: mm_optim_wrapper_clip_and_step() with factor 1 */
    mm_status (*step)(void *self, mm_optim_wrapper *wrapper);
    /** optional: adds entries to the wrapper's state dict */
    mm_status (*save_state)(void *self, mm_value *state_dict);
    /** optional: reads them; entries may be missing */
    mm_status (*load_state)(void *self, const mm_value *state_dict);
    /** optional: looks at the optimizer's parameters once, when the wrapper is made:
     * what cannot work is said before training starts */
    mm_status (*start)(void *self, mm_optim_wrapper *wrapper);
} mm_optim_wrapper_ops;

/** How the constructor divides parameters into groups. */
typedef struct mm_optim_constructor_ops {
    /** required: adds groups for the model's parameters. `optimizer` is the optimizer's
     * config (a dict; may be NULL) with its lr and weight_decay. */
    mm_status (*add_groups)(void *self, mm_module *model, const mm_value *optimizer,
                            mm_param_groups *groups);
    /** optional, default: nothing. Looks at the options (a dict) and the optimizer's
     * config before there is a model, beyond what the option table tells. */
    mm_status (*check)(const mm_value *options, const mm_value *optimizer);
    /** optional, default: false, always called. Without a `paramwise_cfg`, or with an
     * empty one, all parameters go into one group */
    bool only_with_options;
} mm_optim_constructor_ops;

/** @name Wrappers: making @{ */
/**
 * Builds wrapper, optimizer and groups from an `optim_wrapper` config. `type` defaults
 * to OptimWrapper, `constructor` to DefaultOptimWrapperConstructor, whose options are
 * in `paramwise_cfg`. A dict without `optimizer` whose entries have one makes several:
 * each over the model's part of that name. Source: build_optim_wrapper; MMagic's
 * MultiOptimWrapperConstructor.
 */
MM_API MM_OWNED mm_optim_wrapper *
mm_optim_wrapper_build(mm_module *model, mm_value *config, const char *scope);
/** Checks such a config without building it; `path` names it in messages. */
MM_API mm_status mm_optim_wrapper_check(mm_value *config, const char *scope,
                                        const char *path);
/** An optimizer as a config describes it, before there is one. */
typedef struct mm_optim_plan {
    const char *name;            /**< among several; NULL for the only one */
    const char *type;            /**< component: "SGD" */
    int64_t accumulative_counts; /**< iterations of a step */
    mm_param_groups *groups;     /**< base group included; without a model one group
                                    without parameters */
} mm_optim_plan;

/** True if the groups follow from the model: paramwise_cfg or another constructor. */
MM_API bool mm_optim_plan_needs_model(mm_value *config, const char *scope);
/** Visits the optimizers of an `optim_wrapper` config; what it gets lives for the call.
 * `model` may be NULL unless it is needed. No libtorch without a model. */
MM_API mm_status mm_optim_plan_each(mm_value *config, const char *scope,
                                    mm_module *model, void *user,
                                    mm_status (*visit)(void *user,
                                                       const mm_optim_plan *plan));
/** A wrapper of component `instance` around `optimizer`; both are kept. NULL instance:
 * a plain OptimWrapper. Adds the base group if the optimizer has several. */
MM_API MM_OWNED mm_optim_wrapper *mm_optim_wrapper_new(mm_instance *instance,
                                                       mm_optimizer *optimizer);
/** Several wrappers under names, as OptimWrapperDict: a model's own train_step uses
 * each. Add with mm_optim_wrapper_add(). */
MM_API MM_OWNED mm_optim_wrapper *mm_optim_wrapper_new_dict(void);
MM_API mm_status mm_optim_wrapper_add(mm_optim_wrapper *dict, const char *name,
                                      MM_TAKES mm_optim_wrapper *wrapper);
MM_API mm_optim_wrapper *mm_optim_wrapper_ref(mm_optim_wrapper *wrapper);
MM_API void mm_optim_wrapper_unref(mm_optim_wrapper *wrapper);
MM_API bool mm_optim_wrapper_is_dict(const mm_optim_wrapper *wrapper);
/** Wrappers in a dict, else 0. */
MM_API size_t mm_optim_wrapper_num_children(const mm_optim_wrapper *wrapper);
MM_API mm_optim_wrapper *mm_optim_wrapper_child(const mm_optim_wrapper *wrapper,
                                                size_t index);
MM_API const char *mm_optim_wrapper_child_name(const mm_optim_wrapper *wrapper,
                                               size_t index);
/** A wrapper of a dict by name. NULL without an error if there is none. */
MM_API mm_optim_wrapper *mm_optim_wrapper_find(const mm_optim_wrapper *wrapper,
                                               const char *name);
/** The same for a model's own train_step: MM_EKEY with the names there are, MM_ESTATE
 * if this is no dict. */
MM_API mm_optim_wrapper *mm_optim_wrapper_get(const mm_optim_wrapper *wrapper,
                                              const char *name);
/** @} */

/** @name Wrappers: training. A dict refuses all but zero_grad (MM_ESTATE). @{ */
/**
 * One training step from the loss of one iteration: divides the loss, runs backward,
 * and at the end of an accumulation window clips, steps and drops the gradients.
 */
MM_API mm_status mm_optim_wrapper_update_params(mm_optim_wrapper *wrapper,
                                                mm_tensor *loss);
/** The parts of update_params, for a train_step of one's own. */
MM_API mm_tensor *mm_optim_wrapper_scale_loss(mm_optim_wrapper *wrapper,
                                              mm_tensor *loss);
MM_API mm_status mm_optim_wrapper_backward(mm_optim_wrapper *wrapper, mm_tensor *loss);
MM_API bool mm_optim_wrapper_should_update(const mm_optim_wrapper *wrapper);
MM_API mm_status mm_optim_wrapper_step(mm_optim_wrapper *wrapper);
/**
 * A step with a closure, for a train_step of one's own: mm_optimizer_step_closure(),
 * counted as one iteration. An optimizer that asks once is clipped as ever; one that
 * asks more often takes neither clipping nor accumulation nor loss scaling
 * (MM_EUNSUPPORTED).
 */
MM_API mm_status mm_optim_wrapper_step_closure(mm_optim_wrapper *wrapper,
                                               const mm_loss_closure *closure,
                                               double *out_loss);
MM_API mm_status mm_optim_wrapper_zero_grad(mm_optim_wrapper *wrapper);
/** True if gradients are to be exchanged after this iteration's backward: at the end of
 * an accumulation window, which is where MMEngine's optim_context leaves no_sync(). */
MM_API bool mm_optim_wrapper_should_sync(const mm_optim_wrapper *wrapper);
/** Clips as the settings say, then steps; `factor` multiplies the gradients before. For
 * wrappers' own step. */
MM_API mm_status mm_optim_wrapper_clip_and_step(mm_optim_wrapper *wrapper,
                                                float factor);
/**
 * Enters what preprocessing and forward run in (autocast); `wrapper` may be NULL. Every
 * enter, failed or not, is followed by one leave, which works while an error is
 * pending.
 */
MM_API mm_status mm_optim_wrapper_enter(mm_optim_wrapper *wrapper);
MM_API void mm_optim_wrapper_leave(mm_optim_wrapper *wrapper);
/** Says where counting starts and ends, so that the last, shorter window still steps.
 * `model` (may be NULL) is looked at for normalisation layers: a warning. */
MM_API mm_status mm_optim_wrapper_initialize_count_status(mm_optim_wrapper *wrapper,
                                                          mm_module *model,
                                                          int64_t init_counts,
                                                          int64_t max_counts);
/** Backward calls so far, from init_counts on. */
MM_API int64_t mm_optim_wrapper_inner_count(const mm_optim_wrapper *wrapper);
MM_API int64_t mm_optim_wrapper_accumulative_counts(const mm_optim_wrapper *wrapper);
/** Steps that were left out because a gradient was not finite (mixed precision); of all
 * children for a dict. */
MM_API int64_t mm_optim_wrapper_skipped_steps(const mm_optim_wrapper *wrapper);
/**
 * Who learns of scalars; replaces the former one: "train/grad_norm" with clipping by
 * norm; once a step was skipped "train/grad_scale" and "train/skipped_steps"
 * ("train/<name>.grad_scale" for a wrapper in a dict).
 */
MM_API void mm_optim_wrapper_set_scalar_sink(mm_optim_wrapper *wrapper,
                                             void (*sink)(void *user, const char *name,
                                                          mm_number value),
                                             void *user);
MM_API void mm_optim_wrapper_set_numerics(mm_optim_wrapper *wrapper,
                                          mm_numerics numerics);
/** mm_optimizer_set_training() of the wrapper's optimizer, of all for a dict. `wrapper`
 * may be NULL. */
MM_API mm_status mm_optim_wrapper_set_training(mm_optim_wrapper *wrapper,
                                               bool training);
/** True if one of them is at a point of training that is not the point of evaluation.
 */
MM_API bool mm_optim_wrapper_is_training(const mm_optim_wrapper *wrapper);
/** Copies of the parameters of optimizers that are at such a point: going to the point
 * of evaluation and back rounds. NULL without an error if there are none. */
MM_API MM_OWNED mm_value *
mm_optim_wrapper_training_point(const mm_optim_wrapper *wrapper);
/** Goes to the point of training, where the parameters are these to the bit. */
MM_API mm_status mm_optim_wrapper_load_training_point(mm_optim_wrapper *wrapper,
                                                      const mm_value *point);

/** Who may drop an update: for losses and gradients that are not finite. */
typedef struct mm_step_guard {
    /** optional, default: goes on. Asked by update_params before backward; true drops
     * the iteration's gradients before they are made. */
    bool (*drops_loss)(void *user, mm_tensor *loss);
    /** optional, default: goes on. Asked where clipping has computed the norm of all
     * gradients; true leaves out the step, and with it all gradients of the window. A
     * scaler's own decisions come before. */
    bool (*drops_step)(void *user, double grad_norm);
    void *user;
} mm_step_guard;
/**
 * Replaces the former guard; NULL: none. It must outlive the wrapper or be replaced. A
 * dropped iteration counts as one in its accumulation window; a window of which nothing
 * is left makes no step. Children of a dict get it too.
 */
MM_API void mm_optim_wrapper_set_guard(mm_optim_wrapper *wrapper,
                                       const mm_step_guard *guard);
/** The guard, or NULL. */
MM_API const mm_step_guard *mm_optim_wrapper_guard(const mm_optim_wrapper *wrapper);

/**
 * Who exchanges gradients between processes that train one model. Within an
 * accumulation window nothing is exchanged. Scaled gradients are: what is not finite in
 * one process is so in all, which then skip the same step. A guard has to decide alike
 * in all processes.
 */
typedef struct mm_grad_sync {
    /** optional: in mm_optim_wrapper_enter(), before the forward; `syncs`: the
     * gradients of this iteration will be exchanged, and may be while they are made */
    mm_status (*begin)(void *user, mm_optim_wrapper *wrapper, bool syncs);
    /** optional: after the backward that ends a window, before unscaling, clipping and
     * the step: changes the gradients of the wrapper's parameters */
    mm_status (*exchange)(void *user, mm_optim_wrapper *wrapper);
    void *user;
} mm_grad_sync;
/** Replaces the former one; NULL: none. It must outlive the wrapper or be replaced.
 * Children of a dict get it too. */
MM_API void mm_optim_wrapper_set_grad_sync(mm_optim_wrapper *wrapper,
                                           const mm_grad_sync *sync);
/** @} */

/** @name Wrappers: reading and state @{ */
/** NULL for a dict; borrowed. */
MM_API mm_optimizer *mm_optim_wrapper_optimizer(const mm_optim_wrapper *wrapper);
/** The groups that schedulers drive, base group included; NULL for a dict. */
MM_API mm_param_groups *mm_optim_wrapper_groups(const mm_optim_wrapper *wrapper);
/** {"base_lr": [x], "lr": [per group]}; base_lr only with several groups. A dict's keys
 * begin with "<name>.". */
MM_API MM_OWNED mm_value *mm_optim_wrapper_get_lr(const mm_optim_wrapper *wrapper);
/** {"momentum": [per group]}: momentum, or betas[0], or 0. */
MM_API MM_OWNED mm_value *
mm_optim_wrapper_get_momentum(const mm_optim_wrapper *wrapper);
/** Multiplies lr of every group (not of the base group); before schedulers are made. */
MM_API mm_status mm_optim_wrapper_scale_lr(mm_optim_wrapper *wrapper, double ratio);
/** The optimizer's state dict plus "base_param_settings" and "loss_scaler" where there
 * are such; by name for a dict. */
MM_API MM_OWNED mm_value *mm_optim_wrapper_state_dict(const mm_optim_wrapper *wrapper);
MM_API mm_status mm_optim_wrapper_load_state_dict(mm_optim_wrapper *wrapper,
                                                  const mm_value *state_dict);
/** What MMEngine loses: the count and the gradients of an unfinished window. For exact
 * resume; a dict of its own. */
MM_API MM_OWNED mm_value *
mm_optim_wrapper_window_state(const mm_optim_wrapper *wrapper);
MM_API mm_status mm_optim_wrapper_load_window_state(mm_optim_wrapper *wrapper,
                                                    const mm_value *state);
/** @} */

MM_END_DECLS

#endif
