/* Loading plugins: what a config imports, the handshake that refuses code made for
 * another layout or bound to another copy of the library, and the list of what is
 * loaded. Loaded code is never unloaded: libtorch's registrations and our own tables
 * point into it. */
#include "registry/plugin.h"

#include <string.h>

#include "base/os.h"
#include "base/vec.h"
#include "mmengine/file.h"
#include "mmengine/log.h"
#include "registry/registry.h"

/* Its address tells this copy of the library. */
static const char token;

#define ABI_NAME(type) #type,
static const char *const abi_names[] = {MM_ABI_STRUCTS(ABI_NAME)};
enum { NUM_ABI_STRUCTS = sizeof(abi_names) / sizeof(abi_names[0]) };

struct loaded {
    const char *path; /* as it was asked for */
    const mm_plugin *plugin;
};

static struct {
    size_t struct_size[NUM_ABI_STRUCTS]; /* 0: not told */
    MMI_VEC(struct loaded) loaded;
} plugins;

const void *mm_host_token(void)
{
    return &token;
}

void mmi_plugin_set_layout(const size_t *struct_size, size_t count)
{
    MM_ASSERT(count == NUM_ABI_STRUCTS);
    memcpy(plugins.struct_size, struct_size, sizeof(plugins.struct_size));
}

void mm_plugin_each(void (*visit)(void *user, const char *path,
                                  const mm_plugin *plugin),
                    void *user)
{
    for (size_t i = 0; i < plugins.loaded.count; i++) {
        visit(user, plugins.loaded.data[i].path, plugins.loaded.data[i].plugin);
    }
}

/* --- the handshake --- */

static mm_status hint_rebuild(void)
{
    return mm_error_hint("compile it again for this version: mmengine plugin build");
}

/* The first two members never move, so that any version can be told. */
static mm_status check_abi(const char *path, const mm_plugin *plugin)
{
    if (plugin->abi != MM_ABI_VERSION || plugin->size != sizeof(mm_plugin)) {
        mm_raise(MM_EABI,
                 "could not use plugin '%s': it was made for ABI %u of mmengine, this "
                 "is ABI %d of version %s",
                 path, plugin->abi, MM_ABI_VERSION, MM_VERSION);
        return hint_rebuild();
    }
    if (plugin->token != mm_host_token()) {
        mm_raise(MM_EABI,
                 "could not use plugin '%s': it is bound to another copy of "
                 "libmmengine than this program",
                 path);
        return mm_error_hint("link the plugin against the library that the program "
                             "uses, or against none");
    }
    size_t count =
        plugin->num_structs < NUM_ABI_STRUCTS ? plugin->num_structs : NUM_ABI_STRUCTS;

    for (size_t i = 0; i < count; i++) {
        if (plugins.struct_size[i] != 0 &&
            plugins.struct_size[i] != plugin->struct_size[i]) {
            mm_raise(MM_EABI,
                     "could not use plugin '%s': its %s has %zu bytes, that of this "
                     "library %zu",
                     path, abi_names[i], plugin->struct_size[i],
                     plugins.struct_size[i]);
            return hint_rebuild();
        }
    }
    return MM_OK;
}

static mm_status check_components(const mm_plugin *plugin)
{
    if (plugin->components == NULL || plugin->components[0] == NULL) {
        return mm_raise(MM_EPLUGIN, "it has no components");
    }
    for (size_t i = 0; plugin->components[i] != NULL; i++) {
        if (mm_component_check(plugin->components[i]) != MM_OK) {
            return mm_pending();
        }
    }
    return MM_OK;
}

static bool is_loaded(const mm_plugin *plugin)
{
    for (size_t i = 0; i < plugins.loaded.count; i++) {
        if (plugins.loaded.data[i].plugin == plugin) {
            return true;
        }
    }
    return false;
}

/* Opens a library and takes its components in. `path` is what messages call it. */
static mm_status load_library(const char *path, const char *library)
{
    char *full = mmi_os_realpath(library); /* without '/' the loader would search */
    void *handle = full != NULL ? mmi_library_open(full, false) : NULL;

    mm_free(full);
    if (handle == NULL) {
        if (mm_pending() == MM_EPLUGIN &&
            strstr(mm_error_peek()->message, "undefined symbol") != NULL) {
            (void)mm_error_hint("was it made for another version of libmmengine?");
        }
        return mm_error_frame("while loading plugin '%s'", path);
    }
    const mm_plugin *(*entry)(void) = NULL;
    void *symbol = mmi_library_find_symbol(handle, "mm_plugin_entry");

    if (symbol == NULL) {
        mm_raise(MM_EPLUGIN, "could not load '%s': it is no plugin of mmengine", path);
        return mm_error_hint("its source must end with MM_PLUGIN(components)");
    }
    *(void **)&entry = symbol;
    const mm_plugin *plugin = entry();

    if (is_loaded(plugin)) {
        return MM_OK;
    }
    if (check_abi(path, plugin) != MM_OK) {
        return mm_pending();
    }
    struct loaded loaded = {mm_intern(path), plugin};

    if (loaded.path == NULL || check_components(plugin) != MM_OK ||
        mm_register(plugin->components) != MM_OK) {
        return mm_error_frame("while loading plugin '%s'", path);
    }
    (void)mmi_vec_push(&plugins.loaded, loaded);
    return mm_pending();
}

/* A library of the same name lies beside the source: for machines without a
 * compiler. */
static mm_status load_prebuilt(const char *source)
{
    mm_error cause;

    (void)mm_error_take(&cause);
    size_t stem = strlen(source) - strlen(mm_path_extension(source));
    char *library = mm_strfmt("%.*s.so", (int)stem, source);

    if (library == NULL) {
        return mm_pending();
    }
    if (mm_file_exists(library)) {
        mm_log(MM_LOG_WARN, "%s; loading '%s' instead", cause.message, library);
        (void)load_library(library, library);
    } else {
        (void)mm_error_restore(&cause);
    }
    mm_free(library);
    return mm_pending();
}

mm_status mm_plugin_load(const char *path)
{
    if (mm_has_error()) {
        return mm_pending();
    }
    if (path == NULL || !mm_file_exists(path)) {
        return mm_raise(path == NULL ? MM_EINVAL : MM_ENOENT,
                        "could not load plugin '%s': no such file",
                        path != NULL ? path : "NULL");
    }
    if (strcmp(mm_path_extension(path), ".c") != 0) {
        return load_library(path, path);
    }
    char *library = mmi_plugin_cached(path);

    if (library == NULL) {
        return mm_pending() == MM_EPLUGIN &&
                       strstr(mm_error_peek()->message, "no compiler") != NULL
                   ? load_prebuilt(path)
                   : mm_pending();
    }
    mm_status status = load_library(path, library);

    mm_free(library);
    return status;
}

/* --- imports --- */

/* "a" of "a.b.c" */
static bool package_of(const char *module, char *out, size_t out_size)
{
    size_t size = strcspn(module, ".");

    if (size == 0 || size >= out_size) {
        return false;
    }
    memcpy(out, module, size);
    out[size] = '\0';
    return true;
}

/* Names are letters, digits and '_', with dots between. */
static bool is_module_name(const char *module)
{
    char last = '.';

    for (; *module != '\0'; module++) {
        bool is_letter =
            (*module >= 'a' && *module <= 'z') || (*module >= 'A' && *module <= 'Z') ||
            (*module >= '0' && *module <= '9') || *module == '_' || *module == '-';

        if (!is_letter && (*module != '.' || last == '.')) {
            return false;
        }
        last = *module;
    }
    return last != '.';
}

static mm_status raise_not_found(const char *module, const char *config_file)
{
    char *places = mmi_plugin_places(config_file);

    if (places == NULL) {
        return mm_pending();
    }
    mm_raise(MM_ECONFIG,
             "could not import '%s': no such plugin (.c or .so) in %s, and no package "
             "of that name is built in",
             module, places);
    mm_free(places);
    return mm_error_hint("Python modules cannot be imported: write the component in C "
                         "('mmengine plugin new' begins one), or set "
                         "allow_failed_imports=True to go on without it");
}

static mm_status import_module(const char *module, const mm_import_args *args,
                               bool *out_found)
{
    char package[128];

    *out_found = true;
    if (!is_module_name(module) || !package_of(module, package, sizeof(package))) {
        return mm_raise(MM_ECONFIG, "could not import '%s': it is no module name",
                        module);
    }
    char *path = mmi_plugin_find(module, args->config_file);

    if (path != NULL) {
        if (mm_plugin_load(path) == MM_OK) {
            mm_log(MM_LOG_DEBUG, "imported '%s' from '%s'", module, path);
            (void)mmi_package_add(package);
        }
        mm_free(path);
    } else if (!mm_has_error() && !mmi_scope_is_known(package) &&
               !mmi_package_is_builtin(package)) {
        *out_found = false;
        (void)raise_not_found(module, args->config_file);
    }
    return mm_pending();
}

/* What is not found is a warning if the config allows it. */
static mm_status import_one(const mm_value *item, const mm_source *source,
                            const mm_import_args *args, bool allow_failed)
{
    bool found = true;

    if (mm_value_kind(item) != MM_KIND_STR) {
        mm_raise(MM_ECONFIG, "custom_imports: module names are strings, got %s",
                 mm_value_type_name(item));
        return mm_error_locate(source);
    }
    if (import_module(mm_value_str(item), args, &found) != MM_OK) {
        if (!found && allow_failed) {
            mm_error error;

            (void)mm_error_take(&error);
            mm_log(MM_LOG_WARN, "%s", error.message);
        } else if (!found) {
            (void)mm_error_locate(source);
        }
    }
    return mm_pending();
}

static mm_status import_all(const mm_value *modules, const mm_source *source,
                            const mm_import_args *args, bool allow_failed)
{
    mm_kind kind = mm_value_kind(modules);

    if (mm_value_is_none(modules)) {
        return MM_OK;
    }
    if (kind != MM_KIND_LIST && kind != MM_KIND_TUPLE) {
        return import_one(modules, source, args, allow_failed);
    }
    for (size_t i = 0; i < mm_value_len(modules); i++) {
        const mm_source *place = mm_list_source(modules, i);

        if (import_one(mm_list_get(modules, i), place != NULL ? place : source, args,
                       allow_failed) != MM_OK) {
            return mm_pending();
        }
    }
    return MM_OK;
}

mm_status mm_plugin_import(const mm_import_args *args)
{
    if (mm_has_error()) {
        return mm_pending();
    }
    if (args == NULL) {
        return mm_raise(MM_EINVAL, "could not import plugins: args is NULL");
    }
    const mm_value *imports = args->imports;

    if (mm_value_kind(imports) != MM_KIND_DICT) {
        return import_all(imports, NULL, args, false);
    }
    for (size_t i = 0; i < mm_value_len(imports); i++) {
        const char *name = mm_dict_name_at(imports, i);

        if (name == NULL || (strcmp(name, "imports") != 0 &&
                             strcmp(name, "allow_failed_imports") != 0)) {
            mm_raise(MM_ECONFIG,
                     "custom_imports takes imports and allow_failed_imports, got '%s'",
                     name != NULL ? name : "?");
            return mm_error_locate(mm_dict_source_at(imports, i));
        }
    }
    return import_all(mm_dict_find(imports, "imports"),
                      mm_dict_source(imports, "imports"), args,
                      mm_value_is_true(mm_dict_find(imports, "allow_failed_imports")));
}
