/** @file
 * Plugins: components in a C file of your own. A config names it,
 *
 *     custom_imports = dict(imports=['my_models.lenet'])
 *
 * and `my_models/lenet.c` (or `.so`) is looked for beside the config, in the working
 * folder, in the folders of MMENGINE_PLUGIN_PATH and in
 * $XDG_DATA_HOME/mmengine/plugins. A `.c` is compiled by the system's compiler into a
 * private cache; what has not changed is not compiled again. Loaded code stays loaded.
 *
 * The file includes <mmengine/mmengine.h> and ends with
 *
 *     MM_PLUGIN_OF(&lenet)
 *
 * A plugin made for another layout of the library's structs, or bound to another copy
 * of the library in the same process, is refused by name (MM_EABI).
 */
#ifndef MMENGINE_PLUGIN_H
#define MMENGINE_PLUGIN_H

#include "mmengine/component.h"

MM_BEGIN_DECLS

/** Grows with each change of a public struct, enum or function. */
#define MM_ABI_VERSION 1

/** The structs whose sizes plugin and library compare: X(struct). */
#define MM_ABI_STRUCTS(X)                                                              \
    X(mm_component)                                                                    \
    X(mm_option)                                                                       \
    X(mm_choice)                                                                       \
    X(mm_object_ops)                                                                   \
    X(mm_error)                                                                        \
    X(mm_build_args)                                                                   \
    X(mm_hook_ops)                                                                     \
    X(mm_loop_ops)                                                                     \
    X(mm_module_ops)                                                                   \
    X(mm_model_ops)                                                                    \
    X(mm_preprocessor_ops)                                                             \
    X(mm_dataset_ops)                                                                  \
    X(mm_base_dataset)                                                                 \
    X(mm_transform_ops)                                                                \
    X(mm_sampler_ops)                                                                  \
    X(mm_collate_ops)                                                                  \
    X(mm_optimizer_ops)                                                                \
    X(mm_update_rule)                                                                  \
    X(mm_update_memory)                                                                \
    X(mm_update_call)                                                                  \
    X(mm_param_scheduler_ops)                                                          \
    X(mm_metric_ops)                                                                   \
    X(mm_base_metric)                                                                  \
    X(mm_vis_backend_ops)

/** What a plugin says of itself. */
typedef struct mm_plugin {
    uint32_t abi;              /**< MM_ABI_VERSION when it was compiled; never moves */
    uint32_t size;             /**< sizeof(mm_plugin); never moves */
    const char *version;       /**< MM_VERSION when it was compiled */
    const void *token;         /**< mm_host_token() as it reached the plugin */
    const size_t *struct_size; /**< sizes of MM_ABI_STRUCTS, in order */
    size_t num_structs;
    const mm_component *const *components; /**< as for mm_register() */
} mm_plugin;

/** Tells one copy of the library from another in the same process. */
MM_API const void *mm_host_token(void);

/** Version of the library these headers belong to. */
#define MM_VERSION "0.1.0"

/** One entry of mm_plugin.struct_size. */
#define MM_ABI_SIZE_(type) sizeof(type),

/** Makes a file a plugin: exports `table`, which ends with NULL. Once per plugin, after
 * <mmengine/mmengine.h>. */
#define MM_PLUGIN(table)                                                               \
    MM_EXPORT const mm_plugin *mm_plugin_entry(void);                                  \
    const mm_plugin *mm_plugin_entry(void)                                             \
    {                                                                                  \
        static const size_t sizes[] = {MM_ABI_STRUCTS(MM_ABI_SIZE_)};                  \
        static mm_plugin plugin = {MM_ABI_VERSION, sizeof(mm_plugin),                  \
                                   MM_VERSION,     NULL,                               \
                                   sizes,          sizeof(sizes) / sizeof(sizes[0]),   \
                                   (table)};                                           \
        plugin.token = mm_host_token();                                                \
        return &plugin;                                                                \
    }

/** The same with the components in place of a table: `MM_PLUGIN_OF(&lenet, &loss)`. */
#define MM_PLUGIN_OF(...)                                                              \
    static const mm_component *const mm_plugin_components_[] = {__VA_ARGS__, NULL};    \
    MM_PLUGIN(mm_plugin_components_)

/** Where imports are looked for and what a failure means. */
typedef struct mm_import_args {
    /** required: the config's `custom_imports`: dict(imports=..., or a str or list;
     * None: nothing to do */
    mm_value *imports;
    const char *config_file; /**< its folder is searched first; NULL: none */
} mm_import_args;

/**
 * Loads what a config's custom_imports name. Packages whose components are built in
 * (mmengine, mmpretrain.models, ...) are accepted. With allow_failed_imports=True a
 * module that is not found is a warning.
 *
 * Errors: MM_ECONFIG for a malformed dict or an unknown module; MM_EPLUGIN with the
 * compiler's text; MM_EABI.
 */
MM_API mm_status mm_plugin_import(const mm_import_args *args);

/** Loads a plugin from a `.c` or `.so` file. */
MM_API mm_status mm_plugin_load(const char *path);

/** Compiles a plugin. `output` NULL: the source's name with ".so". Does not load it. */
MM_API mm_status mm_plugin_build(const char *source, const char *output);

/** Visits the plugins that are loaded: the file they came from. */
MM_API void mm_plugin_each(void (*visit)(void *user, const char *path,
                                         const mm_plugin *plugin),
                           void *user);

MM_END_DECLS

#endif
