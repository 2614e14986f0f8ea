/** @file
 * Components: everything that a config can name with `type`. A `const mm_component`
 * describes one: where it is looked up (registry, scope, name), its option table, how
 * it is initialised, and its interface. The option table is the single source for
 * parsing, defaults, ranges, suggestions, help and docs.
 *
 * Names are not flat: identity is (registry, scope, name), because libraries give one
 * name different meanings. Registration is explicit; tables are read-only once a runner
 * exists. Source: mmengine/registry.
 */
#ifndef MMENGINE_COMPONENT_H
#define MMENGINE_COMPONENT_H

#include "mmengine/value.h"

MM_BEGIN_DECLS

/** What a component can be used as; `ops` of the component is the struct named here. */
typedef enum mm_interface_id {
    MM_INTERFACE_NONE,
    MM_INTERFACE_HOOK,            /**< mm_hook_ops */
    MM_INTERFACE_MODULE,          /**< mm_module_ops */
    MM_INTERFACE_MODEL,           /**< mm_model_ops, which begins with mm_module_ops */
    MM_INTERFACE_PREPROCESSOR,    /**< mm_preprocessor_ops, begins with mm_module_ops */
    MM_INTERFACE_INITIALIZER,     /**< mm_initializer_ops */
    MM_INTERFACE_DATASET,         /**< mm_dataset_ops */
    MM_INTERFACE_TRANSFORM,       /**< mm_transform_ops */
    MM_INTERFACE_SAMPLER,         /**< mm_sampler_ops */
    MM_INTERFACE_COLLATE,         /**< mm_collate_ops */
    MM_INTERFACE_OPTIMIZER,       /**< mm_optimizer_ops */
    MM_INTERFACE_OPTIM_WRAPPER,   /**< mm_optim_wrapper_ops */
    MM_INTERFACE_PARAM_SCHEDULER, /**< mm_param_scheduler_ops */
    MM_INTERFACE_METRIC,          /**< mm_metric_ops */
    MM_INTERFACE_EVALUATOR,       /**< mm_evaluator_ops */
    MM_INTERFACE_LOOP,            /**< mm_loop_ops */
    MM_INTERFACE_LOG_PROCESSOR,   /**< mm_log_processor_ops */
    MM_INTERFACE_VISUALIZER,      /**< mm_visualizer_ops */
    MM_INTERFACE_VIS_BACKEND,     /**< mm_vis_backend_ops */
    MM_INTERFACE_OPTIM_CONSTRUCTOR, /**< mm_optim_constructor_ops */
    MM_INTERFACE_AVERAGED_MODEL, /**< mm_averaged_model_ops, begins with mm_module_ops
                                  */
    MM_INTERFACE_TTA_MODEL       /**< mm_tta_model_ops, begins with mm_model_ops */
} mm_interface_id;

/** @name The interface line of a component: `MM_HOOK(&ops)` @{ */
#define MM_HOOK(table) .interface = MM_INTERFACE_HOOK, .ops = (table)
#define MM_MODULE(table) .interface = MM_INTERFACE_MODULE, .ops = (table)
#define MM_MODEL(table) .interface = MM_INTERFACE_MODEL, .ops = (table)
#define MM_PREPROCESSOR(table) .interface = MM_INTERFACE_PREPROCESSOR, .ops = (table)
#define MM_INITIALIZER(table) .interface = MM_INTERFACE_INITIALIZER, .ops = (table)
#define MM_DATASET(table) .interface = MM_INTERFACE_DATASET, .ops = (table)
#define MM_TRANSFORM(table) .interface = MM_INTERFACE_TRANSFORM, .ops = (table)
#define MM_SAMPLER(table) .interface = MM_INTERFACE_SAMPLER, .ops = (table)
#define MM_COLLATE(table) .interface = MM_INTERFACE_COLLATE, .ops = (table)
#define MM_OPTIMIZER(table) .interface = MM_INTERFACE_OPTIMIZER, .ops = (table)
#define MM_OPTIM_WRAPPER(table) .interface = MM_INTERFACE_OPTIM_WRAPPER, .ops = (table)
#define MM_PARAM_SCHEDULER(table)                                                      \
    .interface = MM_INTERFACE_PARAM_SCHEDULER, .ops = (table)
#define MM_METRIC(table) .interface = MM_INTERFACE_METRIC, .ops = (table)
#define MM_EVALUATOR(table) .interface = MM_INTERFACE_EVALUATOR, .ops = (table)
#define MM_LOOP(table) .interface = MM_INTERFACE_LOOP, .ops = (table)
#define MM_LOG_PROCESSOR(table) .interface = MM_INTERFACE_LOG_PROCESSOR, .ops = (table)
#define MM_VISUALIZER(table) .interface = MM_INTERFACE_VISUALIZER, .ops = (table)
#define MM_VIS_BACKEND(table) .interface = MM_INTERFACE_VIS_BACKEND, .ops = (table)
#define MM_OPTIM_CONSTRUCTOR(table)                                                    \
    .interface = MM_INTERFACE_OPTIM_CONSTRUCTOR, .ops = (table)
#define MM_AVERAGED_MODEL(table)                                                       \
    .interface = MM_INTERFACE_AVERAGED_MODEL, .ops = (table)
#define MM_TTA_MODEL(table) .interface = MM_INTERFACE_TTA_MODEL, .ops = (table)
/** @} */

/** How an option is read and stored. Use the MM_OPT_ macros. */
typedef enum mm_option_kind {
    MM_OPTION_BOOL,   /**< bool */
    MM_OPTION_I64,    /**< int64_t, or mm_maybe_i64 if nullable */
    MM_OPTION_F64,    /**< double, or mm_maybe_f64 if nullable */
    MM_OPTION_STR,    /**< const char *, borrowed from the instance's config */
    MM_OPTION_CHOICE, /**< int: the value of the row whose name was given */
    MM_OPTION_I64_N,  /**< int64_t[n]; one int fills all */
    MM_OPTION_I64S,   /**< mm_i64s; an int is a list of one */
    MM_OPTION_F64S,   /**< mm_f64s; a number is a list of one */
    MM_OPTION_STRS,   /**< mm_strs; a string is a list of one */
    MM_OPTION_VALUE,  /**< mm_value *, as it stands, borrowed; NULL: absent or None */
    /** mm_instance *, built from a nested config; NULL for None. Set from C, the
     * instance that holds it becomes the owner. */
    MM_OPTION_BUILD,
    MM_OPTION_BUILDS,  /**< mm_instances, built from one config or a list of them */
    MM_OPTION_INHERIT, /**< the rows of another table, whose struct is a member here */
    MM_OPTION_REST     /**< mm_value * dict of all options no row names; NULL if none */
} mm_option_kind;

/** An int that may be None. */
typedef struct mm_maybe_i64 {
    bool has;
    int64_t value;
} mm_maybe_i64;

/** A float that may be None. */
typedef struct mm_maybe_f64 {
    bool has;
    double value;
} mm_maybe_f64;

/** Ints; memory belongs to the instance. `data` NULL: None or absent. */
typedef struct mm_i64s {
    const int64_t *data;
    size_t count;
} mm_i64s;

/** Floats; memory belongs to the instance. */
typedef struct mm_f64s {
    const double *data;
    size_t count;
} mm_f64s;

/** Strings; memory belongs to the instance. */
typedef struct mm_strs {
    const char *const *data;
    size_t count;
} mm_strs;

/** Built components; they belong to the instance that holds them. */
typedef struct mm_instances {
    mm_instance *const *data;
    size_t count;
} mm_instances;

/** One allowed word of a choice option. A table ends with {0}. */
struct mm_choice {
    const char *name; /**< the word in configs */
    int value;        /**< what is stored */
    const char *help; /**< half a sentence */
};

/** Flags of an option. */
enum {
    MM_OPTION_REQUIRED = 1u << 0, /**< no default: must be given */
    MM_OPTION_NULLABLE = 1u << 1, /**< None is allowed */
    MM_OPTION_HIDDEN = 1u << 2,   /**< accepted, not shown in help */
    /** nullable, but what is absent is the row's value and not None; ints, floats and
     * lists */
    MM_OPTION_DEFAULT = 1u << 3
};

/** One row of an option table, which ends with {0}. Fill it through the MM_OPT_ macros.
 */
struct mm_option {
    const char *name; /**< the key in configs; "" for inherit and rest rows */
    const char *help; /**< one line, lower case, no full stop; names the unit */
    mm_option_kind kind;
    unsigned flags;
    size_t offset; /**< of the field in the component's struct */
    size_t count;  /**< of an I64_N field */
    union {
        bool boolean;
        struct {
            int64_t value, min, max;
        } i64;
        struct {
            double value, min, max;
        } f64;
        const char *str;
        struct {
            int value;
            const mm_choice *table;
        } choice;
        const char *text; /**< list kinds: default as config text, or NULL */
        struct {
            const char *registry;     /**< build kinds: where `type` is looked up */
            const char *default_type; /**< used if the config has no `type`; or NULL */
        } build;
        const mm_option *inherited; /**< the other table */
    } u;
};

/** @name Rows. Define MM_OPT_STRUCT as the struct first, #undef it after the table. @{
 */
#define MM_OPT_AT_(field) .offset = offsetof(MM_OPT_STRUCT, field)
#define MM_OPT_BOOL(field, value_)                                                     \
    .kind = MM_OPTION_BOOL, MM_OPT_AT_(field), .u.boolean = (value_)
#define MM_OPT_I64(field, value_, min_, max_)                                          \
    .kind = MM_OPTION_I64, MM_OPT_AT_(field), .u.i64 = {(value_), (min_), (max_)}
#define MM_OPT_I64_REQUIRED(field, min_, max_)                                         \
    .kind = MM_OPTION_I64, .flags = MM_OPTION_REQUIRED, MM_OPT_AT_(field),             \
    .u.i64 = {0, (min_), (max_)}
/** Field type mm_maybe_i64; default None. */
#define MM_OPT_I64_OR_NONE(field, min_, max_)                                          \
    .kind = MM_OPTION_I64, .flags = MM_OPTION_NULLABLE, MM_OPT_AT_(field),             \
    .u.i64 = {0, (min_), (max_)}
#define MM_OPT_F64(field, value_, min_, max_)                                          \
    .kind = MM_OPTION_F64, MM_OPT_AT_(field), .u.f64 = {(value_), (min_), (max_)}
#define MM_OPT_F64_REQUIRED(field, min_, max_)                                         \
    .kind = MM_OPTION_F64, .flags = MM_OPTION_REQUIRED, MM_OPT_AT_(field),             \
    .u.f64 = {0.0, (min_), (max_)}
/** Field type mm_maybe_f64; default None. */
#define MM_OPT_F64_OR_NONE(field, min_, max_)                                          \
    .kind = MM_OPTION_F64, .flags = MM_OPTION_NULLABLE, MM_OPT_AT_(field),             \
    .u.f64 = {0.0, (min_), (max_)}
/** As the two above, but absent means `value_`, and None is None. */
#define MM_OPT_I64_NULLABLE(field, value_, min_, max_)                                 \
    .kind = MM_OPTION_I64, .flags = MM_OPTION_NULLABLE | MM_OPTION_DEFAULT,            \
    MM_OPT_AT_(field), .u.i64 = {(value_), (min_), (max_)}
#define MM_OPT_F64_NULLABLE(field, value_, min_, max_)                                 \
    .kind = MM_OPTION_F64, .flags = MM_OPTION_NULLABLE | MM_OPTION_DEFAULT,            \
    MM_OPT_AT_(field), .u.f64 = {(value_), (min_), (max_)}
/** A default of NULL makes the option nullable. */
#define MM_OPT_STR(field, value_)                                                      \
    .kind = MM_OPTION_STR, MM_OPT_AT_(field), .u.str = (value_)
#define MM_OPT_STR_REQUIRED(field)                                                     \
    .kind = MM_OPTION_STR, .flags = MM_OPTION_REQUIRED, MM_OPT_AT_(field)
#define MM_OPT_CHOICE(field, value_, table_)                                           \
    .kind = MM_OPTION_CHOICE, MM_OPT_AT_(field), .u.choice = {(value_), (table_)}
/** Field int64_t[n]. The default is config text: "1", "(1, 1)". NULL: required. */
#define MM_OPT_I64_N(field, text_)                                                     \
    .kind = MM_OPTION_I64_N, MM_OPT_AT_(field),                                        \
    .count = sizeof(((MM_OPT_STRUCT *)0)->field) / sizeof(int64_t), .u.text = (text_)
#define MM_OPT_I64S(field, text_)                                                      \
    .kind = MM_OPTION_I64S, MM_OPT_AT_(field), .u.text = (text_)
#define MM_OPT_I64S_REQUIRED(field)                                                    \
    .kind = MM_OPTION_I64S, .flags = MM_OPTION_REQUIRED, MM_OPT_AT_(field)
/** As MM_OPT_I64S, and None is an empty list of no data, whatever the default. */
#define MM_OPT_I64S_NULLABLE(field, text_)                                             \
    .kind = MM_OPTION_I64S, .flags = MM_OPTION_NULLABLE | MM_OPTION_DEFAULT,           \
    MM_OPT_AT_(field), .u.text = (text_)
#define MM_OPT_F64S(field, text_)                                                      \
    .kind = MM_OPTION_F64S, MM_OPT_AT_(field), .u.text = (text_)
#define MM_OPT_STRS(field, text_)                                                      \
    .kind = MM_OPTION_STRS, MM_OPT_AT_(field), .u.text = (text_)
#define MM_OPT_VALUE(field) .kind = MM_OPTION_VALUE, MM_OPT_AT_(field)
#define MM_OPT_VALUE_REQUIRED(field)                                                   \
    .kind = MM_OPTION_VALUE, .flags = MM_OPTION_REQUIRED, MM_OPT_AT_(field)
#define MM_OPT_BUILD(field, registry_)                                                 \
    .kind = MM_OPTION_BUILD, MM_OPT_AT_(field), .u.build = {(registry_), NULL}
/** A config without `type` means `type_`; an absent one is NULL all the same. */
#define MM_OPT_BUILD_AS(field, registry_, type_)                                       \
    .kind = MM_OPTION_BUILD, MM_OPT_AT_(field), .u.build = {(registry_), (type_)}
#define MM_OPT_BUILD_REQUIRED(field, registry_)                                        \
    .kind = MM_OPTION_BUILD, .flags = MM_OPTION_REQUIRED, MM_OPT_AT_(field),           \
    .u.build = {(registry_), NULL}
#define MM_OPT_BUILDS(field, registry_)                                                \
    .kind = MM_OPTION_BUILDS, MM_OPT_AT_(field), .u.build = {(registry_), NULL}
#define MM_OPT_INHERIT(field, table_)                                                  \
    .kind = MM_OPTION_INHERIT, MM_OPT_AT_(field), .u.inherited = (table_)
#define MM_OPT_REST(field) .kind = MM_OPTION_REST, MM_OPT_AT_(field)
/** @} */

/** Describes a registrable thing. Always `const`, always static. */
struct mm_component {
    const char
        *registry;     /**< required: "hooks", "models", ...; see mm_registry_names() */
    const char *scope; /**< library whose name it carries; NULL: "mmengine", the root */
    const char *name;  /**< required: the `type` written in configs */
    const char *const *aliases; /**< optional: more names, NULL-terminated */
    const char *help;           /**< required: one line, lower case, no full stop */
    const char *source;         /**< optional: the file or paper it answers to */
    size_t size;                /**< required: bytes of its struct */
    const mm_option *options;   /**< optional: default no options */
    /** optional: called with the options stored and nested components built */
    mm_status (*init)(void *self);
    /** optional: releases what init acquired; also after a failed init; takes
     * half-built */
    void (*deinit)(void *self);
    mm_interface_id interface;
    const void *ops; /**< the interface's functions; may be NULL for NONE */
};

/** The 23 root registries of MMEngine, lower case, NULL-terminated. */
MM_API const char *const *mm_registry_names(void);

/**
 * Registers components; `table` ends with NULL and must outlive the process's use.
 * Errors: MM_EKEY for a name that is taken; MM_EINVAL for a faulty description.
 */
MM_API mm_status mm_register(const mm_component *const *table);

/**
 * Finds a component as MMEngine does: `name` may be "scope.Name"; else `scope` is
 * tried, then the root scope. `scope` NULL: the root. NULL without an error if there is
 * none.
 */
MM_API const mm_component *mm_component_find(const char *registry, const char *scope,
                                             const char *name);
/** The same, but its absence is MM_EKEY with the nearest names and other registries. */
MM_API const mm_component *mm_component_get(const char *registry, const char *scope,
                                            const char *name);

/**
 * Writes which public libraries have components of a name, whether built here or not:
 * "mmdetection 3.3.0 (models), mmyolo 0.6.0 (models)". Of a dotted name the last part
 * counts. Returns how many there are; what does not fit is cut. Raises nothing.
 */
MM_API size_t mm_component_libraries(const char *name, char *out, size_t out_size);

/** Visits all components of a registry (NULL: of all) in order of registry, scope,
 * name. */
MM_API void mm_component_each(const char *registry,
                              void (*visit)(void *user, const mm_component *component),
                              void *user);

/**
 * The help of a component as text, at most `width` columns wide (0: 80): what it is and
 * each option with type, range, default and meaning. Yours: mm_free().
 */
MM_API MM_OWNED char *mm_component_help(const mm_component *component, int width);

/** The one of `names` that `word` was probably meant to be; NULL if none is near. For
 * hosts with tables of their own. Raises nothing. */
MM_API const char *mm_suggest(const char *word, const char *const *names, size_t count);

/**
 * Checks a description for slips of its author: names without help, fields outside the
 * struct, defaults out of range, unknown registries. For tests of component tables; the
 * look of mm_register() is quicker. Errors: MM_EINVAL.
 */
MM_API mm_status mm_component_check(const mm_component *component);

/** What a build needs to know. Zero is the default of each but the first two. */
typedef struct mm_build_args {
    const char *registry; /**< required: where `type` is looked up */
    mm_value *config; /**< required: a dict with `type`; borrowed, then kept frozen */
    /** default scope; a `_scope_` key or "scope.Name" wins. NULL: the scope of the
     * component whose init runs on this thread, else the root. */
    const char *scope;
    const char *path;          /**< key path for messages: "model.backbone" */
    const char *default_type;  /**< used if `type` is absent */
    mm_interface_id interface; /**< what it must be usable as; NONE: anything */
} mm_build_args;

/**
 * Builds a component from a config: looks up `type`, checks all options, builds nested
 * components, calls init. `type`, `_scope_`, `priority` and `init_cfg` belong to the
 * builder and are no options. A list of registry "models" is built as a Sequential.
 * Errors carry file:line:column, the key path and the nearest valid names. The result
 * is yours: mm_instance_unref().
 */
MM_API mm_instance *mm_build(const mm_build_args *args);

/** Checks a config as mm_build() would, nested ones too, without building anything. */
MM_API mm_status mm_build_check(const mm_build_args *args);

/**
 * A component made from C: its fields hold the defaults; set them through
 * mm_instance_self(), then call mm_instance_start(). Required options are yours to set.
 */
MM_API mm_instance *mm_instance_new(const mm_component *component);
/** Calls init. On failure the instance can only be released. */
MM_API mm_status mm_instance_start(mm_instance *instance);

/** Another reference to the same instance. */
MM_API mm_instance *mm_instance_ref(mm_instance *instance);
/** Releases; at zero: deinit, then the nested components. NULL is fine. */
MM_API void mm_instance_unref(mm_instance *instance);

/** Its struct. */
MM_API void *mm_instance_self(const mm_instance *instance);
/** The instance that a component's struct belongs to; `self` as init and ops get it. */
MM_API mm_instance *mm_instance_of(const void *self);
/** Its description. */
MM_API const mm_component *mm_instance_component(const mm_instance *instance);
/** The config it was built from, frozen; NULL if made from C. */
MM_API mm_value *mm_instance_config(const mm_instance *instance);
/** The scope in which it looks up nested components; NULL: the root. */
MM_API const char *mm_instance_scope(const mm_instance *instance);
/** Its functions if it can be used as `interface`; else NULL and MM_ETYPE. */
MM_API const void *mm_instance_ops(const mm_instance *instance,
                                   mm_interface_id interface);
/** True if it can be used as `interface`. All kinds of models and PREPROCESSOR
 * are also MODULE, TTA_MODEL is also MODEL. */
MM_API bool mm_instance_is(const mm_instance *instance, mm_interface_id interface);

/** State that the owning folder attaches (a module's children): freed before deinit. */
MM_API void mm_instance_attach(mm_instance *instance, void *shell,
                               void (*free_shell)(void *));
/** What was attached, or NULL. */
MM_API void *mm_instance_shell(const mm_instance *instance);

/** @name Instances as values: where a config is expected, a built one may stand @{ */
MM_API extern const mm_object_ops mm_instance_object;
/** A value that refers to `instance`; yours. */
MM_API mm_value *mm_value_new_instance(mm_instance *instance);
/** The instance of a value, borrowed; NULL without an error if it holds none. */
MM_API mm_instance *mm_value_find_instance(const mm_value *value);
/** @} */

/** Instances not yet freed, whole process. For tests. */
MM_API int64_t mm_live_instances(void);

MM_END_DECLS

#endif
