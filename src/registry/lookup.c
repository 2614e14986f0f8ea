/* Finding a component by the name a config gives it. MMEngine's order: the scope in
 * force, then the root; "scope.Name" looks in that scope, then in the root. A name that
 * the scope's library has but that is not built here hides the root's: mmdet's Resize
 * is not mmcv's. A class path ("torch.nn.ReLU", as pure Python configs leave it) means
 * the component of its last part in the scope of its package. What is not found is
 * explained: known to the catalogue but not built, near names, other registries, other
 * scopes. */
#include "registry/registry.h"

#include <stdio.h>
#include <string.h>

#include "base/suggest.h"
#include "registry/catalogue.h"

enum { MAX_PACKAGE = 128 };

static const mm_component *find_exact(int registry, const char *scope, const char *name)
{
    size_t count = 0;
    const struct mmi_entry *entries = mmi_entries(&count);
    size_t low = 0;
    size_t high = count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct mmi_entry *entry = &entries[middle];
        int order = registry - entry->registry;

        order = order != 0 ? order : strcmp(scope, entry->scope);
        order = order != 0 ? order : strcmp(name, entry->name);
        if (order == 0) {
            return entry->component;
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

static const mm_component *find_in_or_above(int registry, const char *scope,
                                            const char *name)
{
    const char *own = mmi_scope_name(scope);
    const mm_component *found = find_exact(registry, own, name);
    struct mmi_known known;

    if (found != NULL) {
        return found;
    }
    if (strcmp(own, mmi_scope_name(NULL)) != 0 &&
        mmi_catalogue_find(mm_registry_names()[registry], own, name, &known) &&
        strcmp(known.scope, own) == 0 && known.module[0] == '.') {
        return NULL; /* another package's class that it registers again is the root's */
    }
    return find_exact(registry, mmi_scope_name(NULL), name);
}

/* The part of a dotted name before its first dot, or false. */
static bool package_of(const char *name, char *out, size_t out_size)
{
    size_t size = strcspn(name, ".");

    if (name[size] == '\0' || size == 0 || size >= out_size) {
        return false;
    }
    memcpy(out, name, size);
    out[size] = '\0';
    return true;
}

static const mm_component *find_index(int registry, const char *scope, const char *name)
{
    const mm_component *found = find_in_or_above(registry, scope, name);
    char package[MAX_PACKAGE];

    if (found != NULL || !package_of(name, package, sizeof(package))) {
        return found;
    }
    const char *last = strrchr(name, '.') + 1;

    if (mmi_scope_is_known(package)) {
        return find_in_or_above(registry, package, last);
    }
    return mmi_package_is_known(package) ? find_in_or_above(registry, NULL, last)
                                         : NULL;
}

const mm_component *mm_component_find(const char *registry, const char *scope,
                                      const char *name)
{
    int index = mmi_registry_index(registry);

    return index < 0 || name == NULL ? NULL : find_index(index, scope, name);
}

/* Names that could have been meant: those of the registry that the scope can see, built
 * here or elsewhere. */
static void hint_near(int registry, const char *scope, const char *name)
{
    size_t count = 0;
    const struct mmi_entry *entries = mmi_entries(&count);
    mmi_suggest suggest = {.word = name};

    for (size_t i = 0; i < count; i++) {
        if ((registry < 0 || entries[i].registry == registry) &&
            (strcmp(entries[i].scope, mmi_scope_name(scope)) == 0 ||
             strcmp(entries[i].scope, mmi_scope_name(NULL)) == 0)) {
            mmi_suggest_add(&suggest, entries[i].name);
        }
    }
    mmi_catalogue_suggest(&suggest, registry < 0 ? NULL : mm_registry_names()[registry],
                          scope);
    mmi_suggest_hint(&suggest);
}

/* The nearest name that a scope out of sight has. */
static void hint_far(int registry, const char *name)
{
    size_t count = 0;
    const struct mmi_entry *entries = mmi_entries(&count);
    mmi_suggest suggest = {.word = name};

    for (size_t i = 0; i < count; i++) {
        if (entries[i].registry == registry) {
            mmi_suggest_add(&suggest, entries[i].name);
        }
    }
    for (size_t i = 0; i < count && suggest.count > 0; i++) {
        if (entries[i].registry == registry && entries[i].name == suggest.names[0]) {
            mm_error_hint("did you mean '%s.%s'?", entries[i].scope, entries[i].name);
            return;
        }
    }
}

const char *mm_suggest(const char *word, const char *const *names, size_t count)
{
    mmi_suggest suggest = {.word = word};

    for (size_t i = 0; i < count; i++) {
        mmi_suggest_add(&suggest, names[i]);
    }
    return suggest.count > 0 ? suggest.names[0] : NULL;
}

/* An entry of that very name anywhere: preferably of this registry, then of this
 * scope. */
static const struct mmi_entry *elsewhere(int registry, const char *scope,
                                         const char *name)
{
    size_t count = 0;
    const struct mmi_entry *entries = mmi_entries(&count);
    const struct mmi_entry *best = NULL;
    int best_rank = -1;

    for (size_t i = 0; i < count; i++) {
        int rank = (entries[i].registry == registry ? 2 : 0) +
                   (strcmp(entries[i].scope, mmi_scope_name(scope)) == 0 ? 1 : 0);

        if (rank > best_rank && strcmp(entries[i].name, name) == 0) {
            best = &entries[i];
            best_rank = rank;
        }
    }
    return best;
}

static mm_status hint_elsewhere(int registry, const struct mmi_entry *other)
{
    const char *home = mm_registry_names()[other->registry];

    if (other->registry == registry) {
        return mm_error_hint("scope '%s' has it: write type='%s.%s' or set "
                             "default_scope='%s'",
                             other->scope, other->scope, other->name, other->scope);
    }
    if (strcmp(other->scope, mmi_scope_name(NULL)) == 0) {
        return mm_error_hint("'%s' is in registry '%s' instead", other->name, home);
    }
    return mm_error_hint("'%s' is in registry '%s' of scope '%s' instead", other->name,
                         home, other->scope);
}

/* What `mmengine plugin new` begins for a registry; NULL: nothing of that kind. */
static const char *plugin_kind(const char *registry)
{
    static const char *const kinds[][2] = {
        {"models", "model"},   {"datasets", "dataset"}, {"transforms", "transform"},
        {"metrics", "metric"}, {"hooks", "hook"},
    };

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(kinds[i][0], registry) == 0) {
            return kinds[i][1];
        }
    }
    return NULL;
}

/* A library has it, this one does not. */
static mm_status raise_unbuilt(const char *prefix, const char *type,
                               const struct mmi_known *known)
{
    const char *kind = plugin_kind(known->registry);
    char package[MAX_PACKAGE];
    struct mmi_library library;

    mmi_catalogue_package(known, package, sizeof(package));
    if (mmi_catalogue_library(package, &library)) {
        mm_raise(MM_EUNSUPPORTED, "%s'%s' is known from %s %s, but not built here",
                 prefix, type, library.distribution, library.version);
    } else {
        mm_raise(MM_EUNSUPPORTED, "%s'%s' is known from %s, but not built here", prefix,
                 type, package);
    }
    if (kind == NULL) {
        return mm_error_hint("a C plugin can add it: custom_imports");
    }
    return mm_error_hint(
        "a C plugin can add it: 'mmengine plugin new %s %s' begins one", kind,
        known->name);
}

/* Another scope's library has it, or another registry. */
static mm_status hint_catalogued(const char *registry, const struct mmi_known *known)
{
    if (registry == NULL || strcmp(known->registry, registry) == 0) {
        return mm_error_hint(
            "scope '%s' has it (not built here): write type='%s.%s' or "
            "set default_scope='%s'",
            known->scope, known->scope, known->name, known->scope);
    }
    return mm_error_hint("'%s' is in registry '%s' of scope '%s' instead", known->name,
                         known->registry, known->scope);
}

/* Says what is near or elsewhere. `name` has no package any more. */
static mm_status hint_missing(int index, const char *scope, const char *name)
{
    const char *registry = index < 0 ? NULL : mm_registry_names()[index];
    const struct mmi_entry *other = elsewhere(index, scope, name);
    struct mmi_known known;

    if (other != NULL) {
        return hint_elsewhere(index, other);
    }
    hint_near(index, scope, name);
    if (mmi_catalogue_elsewhere(registry, scope, name, &known)) {
        return hint_catalogued(registry, &known);
    }
    hint_far(index, name);
    return mm_error_hint("'mmengine list%s%s' shows what there is; components of your "
                         "own come through custom_imports",
                         registry != NULL ? " " : "", registry != NULL ? registry : "");
}

mm_status mmi_component_missing(mm_status code, const char *registry, const char *scope,
                                const char *name, const char *path)
{
    int index = mmi_registry_index(registry);
    char prefix[256] = "";
    struct mmi_known line;

    if (mm_has_error()) {
        return mm_pending();
    }
    if (index < 0 && registry != NULL) {
        mm_raise(code, "there is no registry '%s'", registry);
        mmi_registry_hint(registry);
        return mm_pending();
    }
    if (path != NULL && path[0] != '\0') {
        (void)snprintf(prefix, sizeof(prefix), "%.250s: ", path);
    }
    if (mmi_catalogue_find(registry, scope, name, &line)) {
        return raise_unbuilt(prefix, name, &line);
    }
    char package[MAX_PACKAGE] = "";
    struct mmi_library library;
    bool dotted = package_of(name, package, sizeof(package));
    bool is_scope = dotted && (mmi_scope_is_known(package) ||
                               mmi_catalogue_library(package, &library));
    bool known = !dotted || is_scope || mmi_package_is_known(package);
    const char *inner = is_scope ? package : scope;
    char where[MAX_PACKAGE + 16] = "";

    if (inner != NULL && strcmp(inner, mmi_scope_name(NULL)) != 0) {
        (void)snprintf(where, sizeof(where), " (scope '%.100s')", inner);
    }
    mm_raise(code, "%s'%s' is not in %s%s%s%s%s", prefix, name,
             registry != NULL ? "registry '" : "any registry",
             registry != NULL ? registry : "", registry != NULL ? "'" : "", where,
             known ? "" : ", and nothing is known of its package");
    return hint_missing(index, inner, dotted ? strrchr(name, '.') + 1 : name);
}

const mm_component *mm_component_get(const char *registry, const char *scope,
                                     const char *name)
{
    if (mm_has_error()) {
        return NULL;
    }
    if (registry == NULL || name == NULL) {
        mm_raise(MM_EINVAL, "could not look up a component: %s is NULL",
                 registry == NULL ? "registry" : "name");
        return NULL;
    }
    const mm_component *found = mm_component_find(registry, scope, name);

    if (found == NULL) {
        mmi_component_missing(MM_EKEY, registry, scope, name, NULL);
    }
    return found;
}
