/** @file
 * Modules: parameters, buffers and children under PyTorch's dotted names, so that state
 * dicts are interchangeable with PyTorch's. A module is a component's instance whose
 * interface is MM_MODULE (or MODEL, PREPROCESSOR); its children and tensors hang on the
 * instance. Source: torch.nn.Module, mmengine/model/base_module.py.
 */
#ifndef MMENGINE_MODULE_H
#define MMENGINE_MODULE_H

#include "mmengine/component.h"
#include "mmengine/tensor.h"

MM_BEGIN_DECLS

/** Where a parameter lies between a network's input and its output. */
typedef struct mm_layer_depth {
    int64_t depth; /**< 0: the stem; count - 1: what follows the layers, as the head */
    int64_t count; /**< how many depths there are */
} mm_layer_depth;

/** The functions of a module. One of `forward` and `call` is required. */
struct mm_module_ops {
    /** optional, default: call with a tuple of one tensor, which must return a tensor
     * (or a tuple of one). One tensor in, one out; the result is scope-owned. */
    mm_tensor *(*forward)(void *self, mm_tensor *x);
    /** optional, default: forward of the only argument. `args` is a tuple; the result
     * (a tensor value, tuple, list or dict) is scope-owned: mm_scoped(). */
    mm_value *(*call)(void *self, mm_value *args);
    /** optional, default: nothing. Called by mm_module_init_weights() once init_cfg and
     * the children have had their turn: what an override adds after
     * super().init_weights(). */
    mm_status (*init_weights)(void *self);
    /** optional, default: nothing. After the module's and all children's mode was set:
     * for frozen stages, which stay in evaluation mode. */
    void (*mode_changed)(void *self, bool training);
    /** optional, default: no. Text inside the parentheses of the printed module. */
    MM_OWNED char *(*extra_repr)(const void *self);
    /** optional, default: nothing. Before weights are loaded: may replace entries of
     * `state`, a dict that is no one else's, to make them fit. Names of this module's
     * tensors begin with `prefix` ("backbone.", or ""). Runs in a scope, without
     * recording. Source: PyTorch's load_state_dict_pre_hook. */
    mm_status (*before_load)(void *self, mm_value *state, const char *prefix);
    /** optional, default: MM_EUNSUPPORTED. How deep parameter `name` of the whole model
     * lies; `prefix` is where this module stands in it, names without it come after it.
     * For learning rates that decay by layers. Source: MMPretrain's get_layer_depth. */
    mm_status (*layer_depth)(const void *self, const char *name, const char *prefix,
                             mm_layer_depth *out);
};

/** @name Making modules @{ */
/** The module of a component's struct, made at the first call. For init and forward. */
MM_API mm_module *mm_module_of(const void *self);
/** The module of an instance. MM_ETYPE if its interface is none of the module kinds. */
MM_API mm_module *mm_module_of_instance(mm_instance *instance);
/** Builds a module from a config of registry "models". A list becomes a Sequential. */
MM_API MM_OWNED mm_module *mm_module_build(mm_value *config, const char *scope,
                                           const char *path);
/** A module made from C with its component's default options; yours. */
MM_API MM_OWNED mm_module *mm_module_new(const mm_component *component);
/** Starts an instance whose fields you have set; takes it, also on failure; yours. */
MM_API MM_OWNED mm_module *mm_module_start(MM_TAKES mm_instance *instance);
MM_API mm_module *mm_module_ref(mm_module *module);
MM_API void mm_module_unref(mm_module *module);
/** Its instance, borrowed. */
MM_API mm_instance *mm_module_instance(const mm_module *module);
/** Its struct: what the ops receive. */
MM_API void *mm_module_self(const mm_module *module);

/**
 * Registers `child` under `name` (no dots) and becomes its owner, also on failure.
 * Order of registration is the order of names. Returns it, borrowed.
 */
MM_API mm_module *mm_module_add(mm_module *parent, const char *name,
                                MM_TAKES mm_module *child);
/** Registers a nested component that the builder made (an MM_OPT_BUILD field). */
MM_API mm_module *mm_module_add_instance(mm_module *parent, const char *name,
                                         mm_instance *child);
/** Replaces a child; the new one keeps the old one's place. A parent that kept a
 * pointer to the old one must look it up again. */
MM_API mm_status mm_module_replace(mm_module *parent, const char *name,
                                   MM_TAKES mm_module *child);
/** Registers a trainable tensor and keeps it. NULL `tensor` under no error: absent, as
 * bias=None. Returns the tensor, borrowed: it stays the same through loading weights
 * and changes of device or dtype, so forward may keep the pointer. */
MM_API mm_tensor *mm_module_add_param(mm_module *module, const char *name,
                                      mm_tensor *tensor);
/** Registers a tensor that is state but not trained. */
MM_API mm_tensor *mm_module_add_buffer(mm_module *module, const char *name,
                                       mm_tensor *tensor, bool persistent);
/** @} */

/** @name Calling. Opens a scope; the result moves to the caller's. @{ */
MM_API mm_tensor *mm_module_forward(mm_module *module, mm_tensor *x);
MM_API mm_value *mm_module_call(mm_module *module, mm_value *args);
/** Calls with one value as the only argument. */
MM_API mm_value *mm_module_call1(mm_module *module, mm_value *arg);
/** @} */

/** @name Around a call
 * What MMEngine does by putting a function of its own in place of module.forward: to
 * look at what goes in and comes out, or to compute it in another way. A module that
 * nothing is wrapped around pays nothing. @{ */
/** What a wrapper is around: further wrappers, and the module itself within. Plain
 * data; lives as long as the wrapping. */
typedef struct mm_inside {
    const struct mm_wrap *next; /**< NULL: the module itself */
    bool is_forward; /**< one tensor in and out was asked for: mm_module_forward() */
} mm_inside;
/** Runs in place of a module's forward and call. `args` is a tuple; the result is
 * scope-owned. mm_module_proceed() gives what would have been returned without it. */
typedef mm_value *(*mm_around)(void *user, mm_module *module, mm_inside inside,
                               mm_value *args);
/** Wraps `around` about what is there already. `release` (may be NULL) gets `user` at
 * the end, also when this call fails. Copies of the module do not have it. */
MM_API mm_status mm_module_wrap(mm_module *module, mm_around around, void *user,
                                void (*release)(void *user));
/** Takes off the outermost wrapping with this function and `user`; true if there was
 * one. Not from within a call of the module. Works while an error is pending. */
MM_API bool mm_module_unwrap(mm_module *module, mm_around around, const void *user);
/** The result of what lies within. */
MM_API mm_value *mm_module_proceed(mm_inside inside, mm_module *module, mm_value *args);
/** @} */

/** @name Looking inside @{ */
/** A direct or dotted descendant; "" is the module itself. NULL without an error. */
MM_API mm_module *mm_module_find(mm_module *module, const char *dotted_name);
MM_API size_t mm_module_num_children(const mm_module *module);
MM_API mm_module *mm_module_child(const mm_module *module, size_t index);
MM_API const char *mm_module_child_name(const mm_module *module, size_t index);
/** A parameter or buffer by dotted name. NULL without an error. */
MM_API mm_tensor *mm_module_find_tensor(mm_module *module, const char *dotted_name);
/** The name of its component: "Conv2d". */
MM_API const char *mm_module_type(const mm_module *module);

/** Visits a tensor or module; a negative status ends the walk. */
typedef mm_status (*mm_visit_tensor)(void *user, const char *dotted_name,
                                     mm_tensor *tensor, mm_module *owner);
typedef mm_status (*mm_visit_module)(void *user, const char *dotted_name,
                                     mm_module *module);
/** Parameters in PyTorch's order; a shared one is visited once. */
MM_API mm_status mm_module_each_param(mm_module *module, mm_visit_tensor visit,
                                      void *user);
/** Buffers in PyTorch's order. */
MM_API mm_status mm_module_each_buffer(mm_module *module, bool persistent_only,
                                       mm_visit_tensor visit, void *user);
/** The module itself (name "") and its descendants, parents first. */
MM_API mm_status mm_module_each(mm_module *module, mm_visit_module visit, void *user);
/** The depth of parameter `name` of the whole model by the module's own rule; `prefix`
 * is where the module stands in it. MM_EUNSUPPORTED if it has no rule. */
MM_API mm_status mm_module_layer_depth(mm_module *module, const char *name,
                                       const char *prefix, mm_layer_depth *out);
/** Elements of all parameters. */
MM_API int64_t mm_module_num_params(mm_module *module, bool trainable_only);
/** PyTorch's print of the tree; mm_free(). */
MM_API MM_OWNED char *mm_module_repr(mm_module *module);
/** @} */

/** @name Modes, devices, weights @{ */
/** Training (true) or evaluation mode, for the whole tree. */
MM_API mm_status mm_module_train(mm_module *module, bool training);
MM_API bool mm_module_is_training(const mm_module *module);
MM_API mm_status mm_module_requires_grad(mm_module *module, bool requires_grad);
/** Moves all tensors in place; dtype NONE: unchanged. Parameters stay leaves. */
MM_API mm_status mm_module_to(mm_module *module, const char *device, mm_dtype dtype);
/** Device of the last mm_module_to(), "cpu" before: where a preprocessor moves batches.
 */
MM_API const char *mm_module_device(const mm_module *module);
/** Memory format of 4-D parameters: channels last or contiguous. */
MM_API mm_status mm_module_channels_last(mm_module *module, bool on);
/** MMEngine's BaseModule.init_weights: init_cfg, then children, then Pretrained; once.
 */
MM_API mm_status mm_module_init_weights(mm_module *module);
/** Sets the init_cfg: a dict, a list of dicts, or NULL for none. Copied. */
MM_API mm_status mm_module_set_init_cfg(mm_module *module, mm_value *init_cfg);
/** The same unless the config names an init_cfg, None included: what a component's init
 * does with the default that MMEngine has in the argument list. */
MM_API mm_status mm_module_default_init_cfg(mm_module *module, mm_value *init_cfg);
/** The init_cfg, borrowed; NULL without an error if there is none. */
MM_API mm_value *mm_module_init_cfg(const mm_module *module);
/**
 * A copy with tensors of its own (not shared), without gradients or history; yours. Its
 * components are made anew from their configs or fields, so what else was changed in
 * their structs after init is not copied. Draws no random numbers.
 */
MM_API MM_OWNED mm_module *mm_module_copy(mm_module *module);

/** Dotted name -> tensor value, sharing memory with the module; yours. */
MM_API MM_OWNED mm_value *mm_module_state_dict(mm_module *module);

/** What loading a state dict came to; release with mm_load_report_deinit(). */
typedef struct mm_load_report {
    int64_t matched;      /**< tensors copied */
    mm_value *missing;    /**< list of str: in the module, not in the file */
    mm_value *unexpected; /**< list of str: in the file, not in the module */
    mm_value *mismatched; /**< list of (name, sizes in file, sizes in module) */
} mm_load_report;
MM_API void mm_load_report_deinit(mm_load_report *report);
/**
 * Copies tensors into the module. Strict: anything in the report's lists is MM_EDATA.
 * `out` may be NULL. `num_batches_tracked` may be missing.
 */
MM_API mm_status mm_module_load_state_dict(mm_module *module,
                                           const mm_value *state_dict, bool strict,
                                           mm_load_report *out);
/** @} */

MM_END_DECLS

#endif
