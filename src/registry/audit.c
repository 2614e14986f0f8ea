/* All faults of a config at once, without building. Where the registry of a place is
 * known, a dict is a component and its options are checked; elsewhere a dict with a
 * `type` may be one, and only its name is looked at, in all registries: `norm_cfg` and
 * its like hold some options of a layer, not all. */
#include "registry/audit.h"

#include <stdio.h>
#include <string.h>

#include "base/thread_local.h"
#include "registry/catalogue.h"
#include "registry/instance.h"
#include "registry/registry.h"
#include "registry/store.h"

enum { MAX_DEPTH = 64, MAX_VISITED = 1000000 };

static MMI_FAST_THREAD_LOCAL struct mmi_audit *current;

struct mmi_audit *mmi_audit_set(struct mmi_audit *audit)
{
    struct mmi_audit *former = current;

    current = audit;
    return former;
}

bool mmi_audit_is_on(void)
{
    return current != NULL;
}

/* Reports the pending error as a finding and clears it. */
static mm_status report(enum mmi_finding_kind kind, const mm_source *source,
                        const char *path, const char *type, const char *library)
{
    mm_error error;

    if (mm_pending() != MM_ECONFIG && mm_pending() != MM_EUNSUPPORTED)
        return mm_pending();
    (void)mm_error_take(&error);
    current->report(current->user,
                    &(struct mmi_finding){kind, source, path, type, library,
                                          error.message, error.hint});
    return MM_OK;
}

mm_status mmi_fault(const mm_source *source, const char *path)
{
    if (current == NULL)
        return mm_error_locate(source);
    return report(MMI_FINDING_FAULT, source, path, "", "");
}

/* --- a dict with a type --- */

/* Where a component is named, and what is known of it. */
struct site {
    const char *registry; /* NULL: not known */
    const char *scope;
    const char *path; /* of the dict */
    const char *type;
    mm_value *config;
};

static void join(const char *path, const char *name, char *out)
{
    (void)snprintf(out, MMI_PATH_SIZE, "%s%s%s", path, path[0] != '\0' ? "." : "",
                   name);
}

/* The component, if it is built here. Without a registry: in the first that has it. */
static const mm_component *find_built(const struct site *site)
{
    const char *const *names = mm_registry_names();

    if (site->registry != NULL)
        return mm_component_find(site->registry, site->scope, site->type);
    for (size_t i = 0; names[i] != NULL; i++) {
        const mm_component *found =
            mm_component_find(names[i], site->scope, site->type);

        if (found != NULL)
            return found;
    }
    return NULL;
}

/* "a.b.C" of a package that no table lists: what Python would import. */
static bool is_foreign_path(const char *type)
{
    size_t size = strcspn(type, ".");
    char package[128];
    struct mmi_library library;

    if (type[size] == '\0' || size == 0 || size >= sizeof(package))
        return false;
    (void)snprintf(package, sizeof(package), "%.*s", (int)size, type);
    return !mmi_catalogue_library(package, &library) && !mmi_scope_is_known(package);
}

static void report_import(const struct site *site, const char *path,
                          const mm_source *source)
{
    bool is_foreign = is_foreign_path(site->type);

    mm_raise(MM_EUNSUPPORTED, "%s: '%s' comes from %s, not checked", path, site->type,
             is_foreign ? "a Python package" : "a plugin or another import");
    (void)report(MMI_FINDING_IMPORT, source, path, site->type, "");
}

/* No table of this library has the name. */
static void report_missing(const struct site *site)
{
    const mm_source *source = mmi_config_source(site->config, "type");
    char path[MMI_PATH_SIZE];
    char library[64] = "";
    struct mmi_known known;

    join(site->path, "type", path);
    if (mmi_catalogue_find(site->registry, site->scope, site->type, &known)) {
        mmi_catalogue_package(&known, library, sizeof(library));
        (void)mmi_component_missing(MM_ECONFIG, site->registry, site->scope, site->type,
                                    path);
        (void)report(MMI_FINDING_UNBUILT, source, path, site->type, library);
    } else if (current->has_imports || is_foreign_path(site->type)) {
        report_import(site, path, source);
    } else {
        (void)mmi_component_missing(MM_ECONFIG, site->registry, site->scope, site->type,
                                    path);
        (void)report(MMI_FINDING_UNKNOWN, source, path, site->type, "");
    }
}

static void audit_value(mm_value *value, const char *path, const char *scope,
                        const char *key, int depth);

/* The entries of a dict but for what names the component. */
static void audit_entries(mm_value *dict, const char *path, const char *scope,
                          int depth)
{
    for (size_t i = 0; i < mm_value_len(dict); i++) {
        const char *name = mm_dict_name_at(dict, i);
        char inner[MMI_PATH_SIZE];

        if (name != NULL && strcmp(name, "type") != 0 && strcmp(name, "_scope_") != 0) {
            join(path, name, inner);
            audit_value(mm_dict_at(dict, i), inner, scope, name, depth);
        }
    }
}

/* Weights are initialised by components of a registry of their own. */
static void audit_init_cfg(const struct site *site, int depth)
{
    mm_value *init = mm_dict_find(site->config, "init_cfg");
    char path[MMI_PATH_SIZE];

    join(site->path, "init_cfg", path);
    if (init != NULL)
        audit_value(init, path, site->scope, "init_cfg", depth);
}

/* `args` NULL: the place is not known to need this component. */
static void audit_site(const struct site *site, const mm_build_args *args, int depth)
{
    const mm_component *component = find_built(site);

    if (component == NULL) {
        report_missing(site);
        audit_entries(site->config, site->path, site->scope, depth);
        return;
    }
    current->num_built++;
    if (args == NULL) {
        audit_entries(site->config, site->path, site->scope, depth);
        return;
    }
    if (!mmi_interface_fits(component->interface, args->interface)) {
        mm_raise(MM_ECONFIG, "%s: '%s' is a %s, a %s is needed here", site->path,
                 component->name, mmi_interface_name(component->interface),
                 mmi_interface_name(args->interface));
        (void)mmi_fault(mmi_config_source(site->config, "type"), site->path);
        return;
    }
    struct mmi_reader reader = {component, site->config, site->path, site->scope, NULL};
    struct mmi_row row;

    (void)mmi_options_read(&reader);
    if (!mmi_table_find(component->options, "init_cfg", &row))
        audit_init_cfg(site, depth);
}

/* --- places whose registry is known --- */

static const char *scope_of(const mm_value *config, const char *scope)
{
    const mm_value *own = mm_dict_find(config, "_scope_");

    return mm_value_kind(own) == MM_KIND_STR ? mm_value_str(own) : scope;
}

static void audit_place(const mm_build_args *args, int depth);

static void audit_list(const mm_build_args *args, int depth)
{
    for (size_t i = 0; i < mm_value_len(args->config); i++) {
        mm_build_args item = *args;
        char path[MMI_PATH_SIZE];

        (void)snprintf(path, sizeof(path), "%s[%zu]", args->path, i);
        item.path = path;
        item.config = mm_list_get(args->config, i);
        audit_place(&item, depth);
    }
}

static void audit_place(const mm_build_args *args, int depth)
{
    const char *path = args->path != NULL ? args->path : "";

    if (depth > MAX_DEPTH || ++current->num_visited > MAX_VISITED ||
        mm_value_find_instance(args->config) != NULL)
        return;
    if (mmi_builds_list(args->registry, args->config)) {
        audit_list(args, depth + 1);
        return;
    }
    if (mm_value_kind(args->config) != MM_KIND_DICT) {
        mm_raise(MM_ECONFIG,
                 "%s: expected a dict with 'type' for registry '%s', got a value of "
                 "type %s",
                 path, args->registry, mm_value_type_name(args->config));
        (void)mmi_fault(NULL, path);
        return;
    }
    const mm_value *type = mm_dict_find(args->config, "type");
    struct site site = {args->registry, scope_of(args->config, args->scope), path,
                        args->default_type, args->config};

    if (mm_value_kind(type) == MM_KIND_OBJECT)
        return; /* a class or function of the config itself */
    if (mm_value_kind(type) == MM_KIND_STR)
        site.type = mm_value_str(type);
    if (site.type != NULL && (type == NULL || mm_value_kind(type) == MM_KIND_STR)) {
        audit_site(&site, args, depth + 1);
        return;
    }
    if (type == NULL)
        mm_raise(MM_ECONFIG,
                 "%s: the dict has no 'type', which names a component of registry '%s'",
                 path, args->registry);
    else
        mm_raise(MM_ECONFIG, "%s.type: expected a str, got a value of type %s", path,
                 mm_value_type_name(type));
    (void)mmi_fault(mmi_config_source(args->config, "type"), path);
}

void mmi_audit_build(const mm_build_args *args)
{
    audit_place(args, 0);
}

/* --- places of unknown meaning --- */

/* Keys below which `type` is a word of its own: the operator of non-maximum
 * suppression, what a policy does. */
static bool is_own_vocabulary(const char *key)
{
    static const char *const keys[] = {"nms", "metainfo", NULL};

    for (size_t i = 0; keys[i] != NULL; i++) {
        if (strcmp(keys[i], key) == 0)
            return true;
    }
    return false;
}

static void audit_value(mm_value *value, const char *path, const char *scope,
                        const char *key, int depth)
{
    mm_kind kind = mm_value_kind(value);
    char inner[MMI_PATH_SIZE];

    if (depth > MAX_DEPTH || ++current->num_visited > MAX_VISITED ||
        is_own_vocabulary(key))
        return;
    if (kind == MM_KIND_LIST || kind == MM_KIND_TUPLE) {
        for (size_t i = 0; i < mm_value_len(value); i++) {
            (void)snprintf(inner, sizeof(inner), "%s[%zu]", path, i);
            audit_value(mm_list_get(value, i), inner, scope, key, depth + 1);
        }
    } else if (kind == MM_KIND_DICT) {
        const mm_value *type = mm_dict_find(value, "type");
        struct site site = {NULL, scope_of(value, scope), path, "", value};

        if (mm_value_kind(type) == MM_KIND_STR) {
            site.type = mm_value_str(type);
            site.registry = strcmp(key, "init_cfg") == 0 ? "weight_initializers" : NULL;
            audit_site(&site, NULL, depth + 1);
        } else {
            audit_entries(value, path, site.scope, depth + 1);
        }
    }
}

void mmi_audit_any(mm_value *value, const char *path, const char *scope)
{
    const char *dot = strrchr(path, '.');

    audit_value(value, path, scope, dot != NULL ? dot + 1 : path, 0);
}
