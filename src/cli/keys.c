/* Which keys `--cfg-options` may add: those that the runner reads, and the options of
 * the component whose dict they go to. Where nothing says what a dict is, any key may
 * be added, for it is better to miss a slip than to refuse what is right. */
#include "cli/keys.h"

#include <stdio.h>
#include <string.h>

#include "mmengine/mmengine.h"

enum { MAX_NAMES = 400, MAX_PATH = 512 };

/* What is known about a place: the options there, and whether all are known. */
struct place {
    const mm_config *config;
    const char *scope; /* of the type, or NULL */
    char written_scope[64];
    const char *type; /* name without scope, or NULL */
    const char *key;  /* the key asked for */
    const char *names[MAX_NAMES];
    size_t count;
    bool is_described; /* some table says what belongs here */
    bool has_key;
};

static void add_name(struct place *place, const char *name)
{
    place->has_key = place->has_key || strcmp(name, place->key) == 0;
    if (place->count < MAX_NAMES) {
        place->names[place->count++] = name;
    }
}

static void add_table(struct place *place, const mm_option *table)
{
    for (; table != NULL && table->name != NULL; table++) {
        if (table->kind == MM_OPTION_REST) {
            place->has_key = true;
        } else if (table->kind == MM_OPTION_INHERIT) {
            add_table(place, table->u.inherited);
        } else {
            add_name(place, table->name);
        }
    }
}

static bool is_root_scope(const char *scope)
{
    return scope == NULL || strcmp(scope, "mmengine") == 0;
}

/* The registry a dict belongs to is not known, so all components of the name count, of
 * the scope that would be looked in. */
static void add_component(void *user, const mm_component *component)
{
    struct place *place = user;
    bool is_in_scope = is_root_scope(component->scope) || is_root_scope(place->scope) ||
                       strcmp(component->scope, place->scope) == 0;

    if (is_in_scope && strcmp(component->name, place->type) == 0) {
        place->is_described = true;
        add_table(place, component->options);
    }
}

/* ---- what a dict is ---- */

/* Sections of the runner that need no `type`. */
static const char *implied_type(const mm_config *config, const char *path)
{
    static const struct {
        const char *path, *type;
    } table[] = {
        {"train_dataloader", "DataLoader"}, {"val_dataloader", "DataLoader"},
        {"test_dataloader", "DataLoader"},  {"val_cfg", "ValLoop"},
        {"test_cfg", "TestLoop"},           {"optim_wrapper", "OptimWrapper"},
        {"log_processor", "LogProcessor"},  {"visualizer", "Visualizer"},
    };

    if (strcmp(path, "train_cfg") == 0) {
        return mm_value_is_true(mm_config_find(config, "train_cfg.by_epoch"))
                   ? "EpochBasedTrainLoop"
                   : "IterBasedTrainLoop";
    }
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (strcmp(table[i].path, path) == 0) {
            return table[i].type;
        }
    }
    return NULL;
}

/* Sections of the runner that are no components: their keys. NULL: none of them. */
static const char *const *section_keys(const char *path)
{
    static const char *const randomness[] = {"seed", "diff_rank_seed", "deterministic",
                                             NULL};
    static const char *const env_cfg[] = {"cudnn_benchmark", "mp_cfg", "dist_cfg",
                                          "resource_limit", NULL};
    static const char *const auto_scale_lr[] = {"enable", "base_batch_size",
                                                "count_accumulation", NULL};

    return strcmp(path, "randomness") == 0      ? randomness
           : strcmp(path, "env_cfg") == 0       ? env_cfg
           : strcmp(path, "auto_scale_lr") == 0 ? auto_scale_lr
                                                : NULL;
}

static const char *text_at(const mm_value *dict, const char *key)
{
    const mm_value *value =
        mm_value_kind(dict) == MM_KIND_DICT ? mm_dict_find(dict, key) : NULL;

    return mm_value_kind(value) == MM_KIND_STR ? mm_value_str(value) : NULL;
}

/* Finds type and scope of the dict at `path`, which may not be there yet. */
static void find_type(struct place *place, const char *path, const mm_value *dict)
{
    const char *type = text_at(dict, "type");
    const char *dot = type != NULL ? strchr(type, '.') : NULL;

    place->scope = text_at(dict, "_scope_");
    if (place->scope == NULL) {
        place->scope = text_at(mm_config_root(place->config), "default_scope");
    }
    if (dot != NULL && (size_t)(dot - type) < sizeof(place->written_scope)) {
        (void)snprintf(place->written_scope, sizeof(place->written_scope), "%.*s",
                       (int)(dot - type), type);
        place->scope = place->written_scope;
    }
    place->type = type == NULL  ? implied_type(place->config, path)
                  : dot == NULL ? type
                                : strrchr(type, '.') + 1;
}

static bool is_builder_key(const char *name)
{
    static const char *const names[] = {"type",     "_scope_",  "priority",
                                        "init_cfg", "_delete_", NULL};

    for (size_t i = 0; names[i] != NULL; i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- the answer ---- */

/* Raises what cannot be set where, with the nearest names. */
static bool refuse(struct place *place, const char *path, const char *parent,
                   const mm_value *dict)
{
    for (size_t i = 0; mm_value_kind(dict) == MM_KIND_DICT && i < mm_value_len(dict);
         i++) {
        const char *name = mm_dict_name_at(dict, i);

        if (name != NULL) {
            add_name(place, name);
        }
    }
    if (parent[0] == '\0') {
        (void)mm_raise(
            MM_ECONFIG,
            "could not set '%s': neither the config nor the runner has a key "
            "'%s'",
            path, place->key);
    } else if (place->type != NULL) {
        (void)mm_raise(MM_ECONFIG, "could not set '%s': %s has no option '%s'", path,
                       place->type, place->key);
    } else {
        (void)mm_raise(MM_ECONFIG, "could not set '%s': '%s' has no key '%s'", path,
                       parent, place->key);
    }
    (void)mm_error_hint_nearest(place->key, place->names, place->count);
    return false;
}

/* A key of the config's top. */
static bool knows_top(struct place *place, const char *path)
{
    if (mm_runner_knows_key(place->key)) {
        return true;
    }
    for (size_t i = 0; mm_runner_key_at(i) != NULL; i++) {
        add_name(place, mm_runner_key_at(i));
    }
    return refuse(place, path, "", mm_config_root(place->config));
}

/* Asks about `key` in the dict at `parent`; `path` is what the user wrote. */
static bool knows_in(const mm_config *config, const char *path, const char *parent,
                     const char *key)
{
    struct place place = {.config = config, .key = key};
    const mm_value *dict =
        parent[0] == '\0' ? mm_config_root(config) : mm_config_find(config, parent);

    if (parent[0] == '\0') {
        return knows_top(&place, path);
    }
    if ((dict != NULL && mm_value_kind(dict) != MM_KIND_DICT) || is_builder_key(key)) {
        return true; /* the merge says what is wrong with a list or a number */
    }
    const char *const *keys = section_keys(parent);

    find_type(&place, parent, dict);
    for (; keys != NULL && *keys != NULL; keys++) {
        place.is_described = true;
        add_name(&place, *keys);
    }
    if (place.type != NULL) {
        mm_component_each(NULL, add_component, &place);
    }
    return !place.is_described || place.has_key || refuse(&place, path, parent, dict);
}

bool cli_knows_key(void *user, const mm_config *config, const char *path)
{
    char parent[MAX_PATH] = "";
    const char *key = path;

    (void)user;
    if (strlen(path) >= MAX_PATH) {
        return true;
    }
    /* every part that is not there yet is asked for in turn, from the top */
    for (;;) {
        char name[MAX_PATH];
        char whole[2 * MAX_PATH];
        size_t size = strcspn(key, ".");

        (void)snprintf(name, sizeof(name), "%.*s", (int)size, key);
        (void)snprintf(whole, sizeof(whole), "%s%s%s", parent,
                       parent[0] == '\0' ? "" : ".", name);
        if (mm_config_find(config, whole) == NULL &&
            !knows_in(config, path, parent, name)) {
            return false;
        }
        if (key[size] == '\0' || strlen(whole) >= MAX_PATH) {
            return true;
        }
        memcpy(parent, whole, strlen(whole) + 1);
        key += size + 1;
    }
}
