/* Finding a component by the name a config gives it. MMEngine's order: the scope in
 * force, then the root; "scope.Name" looks in that scope, then in the root. A class
 * path ("torch.nn.ReLU", as pure Python configs leave it) means the component of its
 * last part in the scope of its package. What is not found is explained: near names,
 * other registries, other scopes. */
#include "registry/registry.h"

#include <stdio.h>
#include <string.h>

#include "base/suggest.h"

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
    const mm_component *found = find_exact(registry, mmi_scope_name(scope), name);

    return found != NULL ? found : find_exact(registry, mmi_scope_name(NULL), name);
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

/* Names that could have been meant: those of the registry that the scope can see. */
static void hint_near(int registry, const char *scope, const char *name)
{
    size_t count = 0;
    const struct mmi_entry *entries = mmi_entries(&count);
    mmi_suggest suggest = {.word = name};

    for (size_t i = 0; i < count; i++) {
        if (entries[i].registry == registry &&
            (strcmp(entries[i].scope, mmi_scope_name(scope)) == 0 ||
             strcmp(entries[i].scope, mmi_scope_name(NULL)) == 0)) {
            mmi_suggest_add(&suggest, entries[i].name);
        }
    }
    mmi_suggest_hint(&suggest);
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

mm_status mmi_component_missing(mm_status code, const char *registry, const char *scope,
                                const char *name, const char *path)
{
    int index = mmi_registry_index(registry);

    if (mm_has_error()) {
        return mm_pending();
    }
    if (index < 0) {
        mm_raise(code, "there is no registry '%s'", registry);
        mmi_registry_hint(registry);
        return mm_pending();
    }
    char package[MAX_PACKAGE] = "";
    bool dotted = package_of(name, package, sizeof(package));
    const char *last = dotted ? strrchr(name, '.') + 1 : name;
    bool known =
        !dotted || mmi_scope_is_known(package) || mmi_package_is_known(package);
    const char *inner = dotted && mmi_scope_is_known(package) ? package : scope;
    const struct mmi_entry *other = elsewhere(index, inner, last);
    char where[MAX_PACKAGE + 16] = "";

    if (inner != NULL && strcmp(inner, mmi_scope_name(NULL)) != 0) {
        (void)snprintf(where, sizeof(where), " (scope '%.100s')", inner);
    }
    mm_raise(code, "%s%s'%s' is not in registry '%s'%s%s", path != NULL ? path : "",
             path != NULL && path[0] != '\0' ? ": " : "", name, registry, where,
             known ? "" : ", and nothing is known of its package");
    if (other != NULL) {
        return hint_elsewhere(index, other);
    }
    hint_near(index, inner, last);
    return mm_error_hint("'mmengine list %s' shows what there is; components of your "
                         "own come through custom_imports",
                         registry);
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
