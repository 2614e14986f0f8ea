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

/* "cfg.py:3:7: text" is divided into the place and the text; else NULL. Places were put
 * there by mm_error_locate(). */
static const char *split_place(const char *message, mm_source *out)
{
    const char *colon = strchr(message, ':');
    char file[MM_ERROR_MESSAGE_SIZE];
    int line = 0;
    int column = 0;
    int used = 0;

    while (colon != NULL && colon[1] != ' ') {
        if (sscanf(colon, ":%d:%d: %n", &line, &column, &used) == 2 && used > 0) {
            (void)snprintf(file, sizeof(file), "%.*s", (int)(colon - message), message);
            *out = (mm_source){mm_intern(file), (int32_t)line, (int32_t)column};
            return out->file != NULL ? colon + used : NULL;
        }
        colon = strchr(colon + 1, ':');
    }
    return NULL;
}

/* Reports the pending error as a finding and clears it. A place that it has already is
 * the nearer one. */
static mm_status report(enum mmi_finding_kind kind, const mm_source *source,
                        const char *path, const char *type, const char *library)
{
    mm_error error;
    mm_source place;

    if (!mm_has_error() || mm_pending() == MM_ENOMEM)
        return mm_pending();
    (void)mm_error_take(&error);
    const char *text = split_place(error.message, &place);

    current->report(
        current->user,
        &(struct mmi_finding){kind, text != NULL ? &place : source, path, type, library,
                              text != NULL ? text : error.message, error.hint});
    return mm_pending();
}

mm_status mmi_report_fault(const mm_source *source, const char *path)
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
    const mm_source *source; /* NULL: the config's */
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

/* "mmdte" is a slip of the pen rather than a package. */
static bool is_near_scope(const char *package)
{
    mmi_suggest suggest = {.word = package};

    mmi_catalogue_suggest_library(&suggest);
    return suggest.count > 0;
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
    return !mmi_catalogue_library(package, &library) && !is_near_scope(package);
}

static void report_import(const struct site *site, const char *path,
                          const mm_source *source)
{
    const char *from = current->foreign_depth > 0    ? "Albumentations"
                       : is_foreign_path(site->type) ? "a Python package"
                                                     : "a plugin or another import";

    mm_raise(MM_EUNSUPPORTED, "%s: '%s' comes from %s, not checked", path, site->type,
             from);
    (void)report(MMI_FINDING_IMPORT, source, path, site->type, "");
}

/* A known name is at most `edits` away. */
static bool has_near(const struct site *site, int edits)
{
    const char *dot = strrchr(site->type, '.');
    mmi_suggest suggest = {.word = dot != NULL ? dot + 1 : site->type};

    mmi_catalogue_suggest(&suggest, site->registry, site->scope);
    return suggest.count > 0 && suggest.distances[0] <= 2 * edits;
}

/* In a file for others to build on, what is no slip may come from what they import. */
static bool may_come_later(const struct site *site)
{
    return current->is_fragment && strchr(site->type, '.') == NULL &&
           !has_near(site, 1);
}

/* No table of this library has the name. */
static void report_missing(const struct site *given)
{
    struct site guessed = *given;
    const struct site *site = &guessed;
    const mm_source *source =
        site->source != NULL ? site->source : mmi_config_source(site->config, "type");
    char path[MMI_PATH_SIZE];
    char library[64] = "";
    struct mmi_known known;

    /* Whose base file it is was only guessed. */
    if (current->is_fragment &&
        !mmi_catalogue_find(site->registry, site->scope, site->type, &known) &&
        mmi_catalogue_elsewhere(site->registry, site->scope, site->type, &known))
        guessed.scope = known.scope;
    if (site->config != NULL)
        join(site->path, "type", path);
    else
        (void)snprintf(path, sizeof(path), "%s", site->path);
    if (current->foreign_depth > 0) {
        report_import(site, path, source);
    } else if (mmi_catalogue_find(site->registry, site->scope, site->type, &known)) {
        mmi_catalogue_package(&known, library, sizeof(library));
        (void)mmi_component_missing(MM_ECONFIG, site->registry, site->scope, site->type,
                                    path);
        (void)report(MMI_FINDING_UNBUILT, source, path, site->type, library);
    } else if (current->has_imports || is_foreign_path(site->type) ||
               may_come_later(site)) {
        report_import(site, path, source);
    } else {
        (void)mmi_component_missing(MM_ECONFIG, site->registry, site->scope, site->type,
                                    path);
        (void)report(MMI_FINDING_UNKNOWN, source, path, site->type, "");
    }
}

/* A class path may lead nowhere although its last part is known: Python could not
 * import it. A class's method is one step more. */
static bool has_module(const char *type)
{
    char shorter[256];
    const char *last = strrchr(type, '.');

    if (mmi_catalogue_has_module_of(type))
        return true;
    (void)snprintf(shorter, sizeof(shorter), "%.*s", (int)(last - type), type);
    return last[1] >= 'a' && last[1] <= 'z' && mmi_catalogue_has_module_of(shorter);
}

static void report_module(const struct site *site)
{
    const char *last = strrchr(site->type, '.');
    char path[MMI_PATH_SIZE];

    join(site->path, "type", path);
    (void)mm_raise(MM_ECONFIG, "%s: '%s' cannot be imported: there is no module '%.*s'",
                   path, site->type, (int)(last - site->type), site->type);
    (void)report(MMI_FINDING_UNKNOWN, mmi_config_source(site->config, "type"), path,
                 site->type, "");
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

/* In a place of unknown meaning: a word of the option's own, as the kinds of steps of
 * mmdet's FPG neck. Components have a capital, but for those the tables know. */
static bool is_plain_word(const char *type)
{
    for (const char *c = type; *c != '\0'; c++) {
        if ((*c >= 'A' && *c <= 'Z') || *c == '.')
            return false;
    }
    return true;
}

/* Libraries have words of their own for how weights begin; only what is near the name
 * of an initializer is a slip. */
static bool is_own_initializer(const struct site *site)
{
    return site->registry != NULL && !has_near(site, 4);
}

/* Components whose options name parts of another library: Albumentations. */
static bool is_foreign_wrapper(const char *type)
{
    const char *dot = strrchr(type, '.');

    return strncmp(dot != NULL ? dot + 1 : type, "Albu", 4) == 0;
}

/* `args` NULL: the place is not known to need this component. */
static void audit_site(const struct site *site, const mm_build_args *args, int depth)
{
    const mm_component *component = find_built(site);
    struct mmi_known known;

    if (!has_module(site->type)) {
        report_module(site);
        audit_entries(site->config, site->path, site->scope, depth);
        return;
    }
    if (component == NULL) {
        if (args != NULL || (!is_plain_word(site->type) && !is_own_initializer(site)) ||
            mmi_catalogue_find(site->registry, site->scope, site->type, &known))
            report_missing(site);
        current->foreign_depth += is_foreign_wrapper(site->type) ? 1 : 0;
        audit_entries(site->config, site->path, site->scope, depth);
        current->foreign_depth -= is_foreign_wrapper(site->type) ? 1 : 0;
        return;
    }
    current->num_built++;
    if (args == NULL) {
        audit_entries(site->config, site->path, site->scope, depth);
        return;
    }
    if (!current->is_fragment &&
        !mmi_interface_fits(component->interface, args->interface)) {
        mm_raise(MM_ECONFIG, "%s: '%s' is a %s, a %s is needed here", site->path,
                 component->name, mmi_interface_name(component->interface),
                 mmi_interface_name(args->interface));
        (void)mmi_report_fault(mmi_config_source(site->config, "type"), site->path);
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
        (void)mmi_report_fault(NULL, path);
        return;
    }
    const mm_value *type = mm_dict_find(args->config, "type");
    struct site site = {args->registry, scope_of(args->config, args->scope),
                        path,           args->default_type,
                        args->config,   NULL};

    if (mm_value_kind(type) == MM_KIND_OBJECT)
        return; /* a class or function of the config itself */
    if (mm_value_kind(type) == MM_KIND_STR)
        site.type = mm_value_str(type);
    if (site.type != NULL && (type == NULL || mm_value_kind(type) == MM_KIND_STR)) {
        audit_site(&site, args, depth + 1);
        return;
    }
    if (type == NULL && current->is_fragment) {
        audit_entries(args->config, path, site.scope, depth + 1);
        return;
    }
    if (type == NULL)
        mm_raise(MM_ECONFIG,
                 "%s: the dict has no 'type', which names a component of registry '%s'",
                 path, args->registry);
    else
        mm_raise(MM_ECONFIG, "%s.type: expected a str, got a value of type %s", path,
                 mm_value_type_name(type));
    (void)mmi_report_fault(mmi_config_source(args->config, "type"), path);
}

void mmi_audit_build(const mm_build_args *args)
{
    audit_place(args, 0);
}

bool mmi_audit_skips_unknown(const mm_component *component)
{
    return current != NULL && current->has_own_constructor &&
           (strcmp(component->registry, "optimizers") == 0 ||
            strcmp(component->registry, "optim_wrappers") == 0);
}

bool mmi_audit_skips_missing(void)
{
    return current != NULL && current->is_fragment;
}

mm_status mmi_audit_take(const mm_source *source, const char *path)
{
    return report(MMI_FINDING_FAULT, source, path, "", "");
}

void mmi_audit_name(const mm_build_args *args, const mm_source *source)
{
    struct site site = {args->registry, args->scope, args->path, "", NULL, source};

    if (mm_value_kind(args->config) != MM_KIND_STR)
        return;
    site.type = mm_value_str(args->config);
    if (find_built(&site) == NULL)
        report_missing(&site);
    else
        current->num_built++;
}

bool mmi_audit_has(const char *registry, const char *scope, const char *type)
{
    struct mmi_known known;

    return mm_component_find(registry, scope, type) != NULL ||
           (mmi_catalogue_find(registry, scope, type, &known) &&
            strcmp(known.registry, registry) == 0); /* a class path asks for none */
}

bool mmi_audit_knows_scope(const char *scope)
{
    struct mmi_library library;

    return mmi_scope_is_known(scope) || mmi_catalogue_library(scope, &library);
}

/* --- places of unknown meaning --- */

/* Keys below which `type` is a word of its own: the operator of non-maximum
 * suppression; how gradients are clipped; mmagic's pictures; mmrazor's recorders, to
 * which an ending is added. */
static bool is_own_vocabulary(const char *key)
{
    static const char *const keys[] = {"nms",
                                       "metainfo",
                                       "vis_kwargs_list",
                                       "dream_booth_lora_cfg",
                                       "recorders",
                                       "student_recorders",
                                       "teacher_recorders",
                                       "distill_deliveries",
                                       "clip_grad",
                                       NULL};

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
        struct site site = {NULL, scope_of(value, scope), path, "", value, NULL};

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

/* --- whose config it is --- */

mm_status mmi_audit_hint_scope(const char *scope)
{
    mmi_suggest suggest = {.word = scope};

    mmi_catalogue_suggest_library(&suggest);
    mmi_suggest_hint(&suggest);
    return mm_pending();
}

enum { MAX_SCOPES = 32 };

struct votes {
    const char *scopes[MAX_SCOPES];
    size_t votes[MAX_SCOPES];
    size_t count;
};

static void vote(void *user, const char *scope)
{
    struct votes *votes = user;
    size_t i = 0;

    if (strcmp(scope, mmi_scope_name(NULL)) == 0)
        return; /* every scope sees the root's */
    while (i < votes->count && strcmp(votes->scopes[i], scope) != 0)
        i++;
    if (i == MAX_SCOPES)
        return;
    if (i == votes->count)
        votes->scopes[votes->count++] = scope;
    votes->votes[i]++;
}

static void vote_for(struct votes *votes, const mm_value *value, int depth)
{
    mm_kind kind = mm_value_kind(value);
    const mm_value *type = kind == MM_KIND_DICT ? mm_dict_find(value, "type") : NULL;

    if (depth > 24 ||
        (kind != MM_KIND_DICT && kind != MM_KIND_LIST && kind != MM_KIND_TUPLE))
        return;
    if (mm_value_kind(type) == MM_KIND_STR)
        mmi_catalogue_scopes(mm_value_str(type), vote, votes);
    for (size_t i = 0; i < mm_value_len(value); i++)
        vote_for(votes,
                 kind == MM_KIND_DICT ? mm_dict_at(value, i) : mm_list_get(value, i),
                 depth + 1);
}

/* A library that has components here wins over one of as many votes. */
const char *mmi_audit_guess_scope(const mm_value *root)
{
    struct votes votes = {0};
    size_t best = 0;

    vote_for(&votes, root, 0);
    for (size_t i = 1; i < votes.count; i++) {
        bool is_equal = votes.votes[i] == votes.votes[best];

        if (votes.votes[i] > votes.votes[best] ||
            (is_equal && mmi_scope_is_known(votes.scopes[i])))
            best = i;
    }
    return votes.count > 0 ? votes.scopes[best] : NULL;
}
