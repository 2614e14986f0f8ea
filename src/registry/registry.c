/* The table of components. Entries (registry, scope, name) lie in one array sorted in
 * that order, a component once per name it has. A batch of registrations is sorted and
 * merged, so start-up costs one pass per folder and look-ups are binary searches.
 * Registration happens before other threads look up; there is no lock. */
#include "registry/registry.h"

#include <stdlib.h>
#include <string.h>

#include "base/suggest.h"
#include "mmengine/memory.h"

static const char *const registry_names[] = {
    "runners",
    "runner_constructors",
    "loops",
    "hooks",
    "log_processors",
    "strategies",
    "optimizers",
    "optim_wrappers",
    "optim_wrapper_constructors",
    "param_schedulers",
    "datasets",
    "data_samplers",
    "transforms",
    "models",
    "model_wrappers",
    "weight_initializers",
    "metrics",
    "evaluator",
    "task_utils",
    "visualizers",
    "visbackends",
    "inferencers",
    "functions",
    NULL,
};

/* Packages whose classes stand in the root scope here. MMCV registers its parts in
 * MMEngine's own registries. */
static const char *const root_packages[] = {
    "mmengine", "mmcv", "torch", "torchvision", "apex", "bitsandbytes", NULL,
};

static struct {
    struct mmi_entry *entries;
    size_t count;
    char **packages; /* those of plugins */
    size_t num_packages;
} table;

const char *const *mm_registry_names(void)
{
    return registry_names;
}

int mmi_registry_index(const char *registry)
{
    for (int i = 0; registry != NULL && registry_names[i] != NULL; i++) {
        if (strcmp(registry, registry_names[i]) == 0) {
            return i;
        }
    }
    return -1;
}

void mmi_registry_hint(const char *word)
{
    mmi_suggest suggest = {.word = word};

    for (size_t i = 0; registry_names[i] != NULL; i++) {
        mmi_suggest_add(&suggest, registry_names[i]);
    }
    mmi_suggest_hint(&suggest);
}

const char *mmi_scope_name(const char *scope)
{
    return scope != NULL ? scope : "mmengine";
}

const struct mmi_entry *mmi_entries(size_t *out_count)
{
    *out_count = table.count;
    return table.entries;
}

static int compare_keys(const struct mmi_entry *a, const struct mmi_entry *b)
{
    if (a->registry != b->registry) {
        return a->registry < b->registry ? -1 : 1;
    }
    int order = strcmp(a->scope, b->scope);

    return order != 0 ? order : strcmp(a->name, b->name);
}

static int compare_entries(const void *a, const void *b)
{
    return compare_keys(a, b);
}

bool mmi_scope_is_known(const char *scope)
{
    for (size_t i = 0; i < table.count; i++) {
        if (strcmp(table.entries[i].scope, scope) == 0) {
            return true;
        }
    }
    return strcmp(scope, mmi_scope_name(NULL)) == 0;
}

bool mmi_package_is_builtin(const char *package)
{
    for (size_t i = 0; root_packages[i] != NULL; i++) {
        if (strcmp(root_packages[i], package) == 0) {
            return true;
        }
    }
    return false;
}

bool mmi_package_is_known(const char *package)
{
    if (mmi_package_is_builtin(package)) {
        return true;
    }
    for (size_t i = 0; i < table.num_packages; i++) {
        if (strcmp(table.packages[i], package) == 0) {
            return true;
        }
    }
    return false;
}

mm_status mmi_package_add(const char *package)
{
    if (mm_has_error() || mmi_package_is_known(package)) {
        return mm_pending();
    }
    char **packages =
        mm_realloc(table.packages, (table.num_packages + 1) * sizeof(*packages));

    if (packages == NULL) {
        return mm_pending();
    }
    table.packages = packages;
    packages[table.num_packages] = mm_strdup(package);
    if (packages[table.num_packages] == NULL) {
        return mm_pending();
    }
    table.num_packages++;
    return MM_OK;
}

/* The least that must hold for an entry to be found. */
static mm_status check_names(const mm_component *component)
{
    if (component->name == NULL || component->name[0] == '\0') {
        return mm_raise(MM_EINVAL, "could not register a component without a name");
    }
    if (component->registry == NULL) {
        return mm_raise(MM_EINVAL, "could not register '%s': it names no registry",
                        component->name);
    }
    if (mmi_registry_index(component->registry) < 0) {
        mm_raise(MM_EINVAL, "could not register '%s': there is no registry '%s'",
                 component->name, component->registry);
        mmi_registry_hint(component->registry);
        return mm_pending();
    }
    if (component->size == 0) {
        return mm_raise(MM_EINVAL, "could not register '%s': its size is 0",
                        component->name);
    }
    return MM_OK;
}

static size_t count_names(const mm_component *component)
{
    size_t count = 1;

    while (component->aliases != NULL && component->aliases[count - 1] != NULL) {
        count++;
    }
    return count;
}

static const struct mmi_entry *find_entry(const struct mmi_entry *key)
{
    if (table.count == 0) {
        return NULL;
    }
    return bsearch(key, table.entries, table.count, sizeof(*key), compare_entries);
}

/* Two components of one name: which, and where they come from. */
static mm_status raise_taken(const struct mmi_entry *entry, const mm_component *holder)
{
    return mm_raise(MM_EKEY,
                    "could not register '%s' in registry '%s' of scope '%s': the name "
                    "is taken by the component '%s'%s%s",
                    entry->name, registry_names[entry->registry], entry->scope,
                    holder->name, holder->source != NULL ? " of " : "",
                    holder->source != NULL ? holder->source : "");
}

/* Fills `batch` with the entries of the components that are not there yet, sorted. */
static mm_status fill_batch(const mm_component *const *components,
                            struct mmi_entry *batch, size_t *out_count)
{
    size_t count = 0;

    for (size_t i = 0; components[i] != NULL; i++) {
        const mm_component *component = components[i];
        size_t num_names = count_names(component);

        for (size_t n = 0; n < num_names; n++) {
            struct mmi_entry entry = {
                mmi_registry_index(component->registry),
                mmi_scope_name(component->scope),
                n == 0 ? component->name : component->aliases[n - 1], component};
            const struct mmi_entry *holder = find_entry(&entry);

            if (holder == NULL) {
                batch[count++] = entry;
            } else if (holder->component != component) {
                return raise_taken(&entry, holder->component);
            }
        }
    }
    qsort(batch, count, sizeof(*batch), compare_entries);
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        const struct mmi_entry *last = kept > 0 ? &batch[kept - 1] : NULL;

        if (last == NULL || compare_keys(last, &batch[i]) != 0) {
            batch[kept++] = batch[i];
        } else if (last->component != batch[i].component) {
            return raise_taken(&batch[i], last->component);
        }
    }
    *out_count = kept;
    return MM_OK;
}

/* Merges the sorted batch into the table, from the back, in place. */
static mm_status merge_batch(const struct mmi_entry *batch, size_t count)
{
    struct mmi_entry *entries =
        mm_realloc(table.entries, (table.count + count) * sizeof(*entries));

    if (entries == NULL) {
        return mm_pending();
    }
    table.entries = entries;
    size_t old = table.count;
    size_t added = count;

    while (added > 0) {
        if (old > 0 && compare_keys(&entries[old - 1], &batch[added - 1]) > 0) {
            entries[old + added - 1] = entries[old - 1];
            old--;
        } else {
            entries[old + added - 1] = batch[added - 1];
            added--;
        }
    }
    table.count += count;
    return MM_OK;
}

mm_status mm_register(const mm_component *const *components)
{
    if (mm_has_error()) {
        return mm_pending();
    }
    if (components == NULL) {
        return mm_raise(MM_EINVAL, "could not register components: table is NULL");
    }
    size_t room = 0;

    for (size_t i = 0; components[i] != NULL; i++) {
        if (check_names(components[i]) != MM_OK) {
            return mm_pending();
        }
        room += count_names(components[i]);
    }
    if (room == 0) {
        return MM_OK;
    }
    struct mmi_entry *batch = mm_alloc_array(room, sizeof(*batch));
    size_t count = 0;

    if (batch != NULL && fill_batch(components, batch, &count) == MM_OK && count > 0) {
        (void)merge_batch(batch, count);
    }
    mm_free(batch);
    return mm_pending();
}

void mmi_registry_clear(void)
{
    mm_free(table.entries);
    for (size_t i = 0; i < table.num_packages; i++) {
        mm_free(table.packages[i]);
    }
    mm_free(table.packages);
    memset(&table, 0, sizeof(table));
}

void mm_component_each(const char *registry,
                       void (*visit)(void *user, const mm_component *component),
                       void *user)
{
    int wanted = mmi_registry_index(registry);

    for (size_t i = 0; i < table.count; i++) {
        const struct mmi_entry *entry = &table.entries[i];

        /* Once per component: under its own name, not under aliases. */
        if ((registry == NULL || entry->registry == wanted) &&
            strcmp(entry->name, entry->component->name) == 0) {
            visit(user, entry->component);
        }
    }
}
