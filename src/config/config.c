/* A loaded config: its root dict, text and name; reading and changing values by dotted
 * path. Changes merge into copies and then replace the entries of the root, so the root
 * stays the same dict for whoever holds it. */
#include "mmengine/config.h"

#include <stdatomic.h>
#include <string.h>

#include "base/status.h"
#include "base/suggest.h"
#include "base/unicode.h"
#include "config/dump.h"
#include "config/load.h"
#include "config/merge.h"
#include "config/overrides.h"
#include "config/util.h"
#include "mmengine/memory.h"

struct mm_config {
    _Atomic int32_t refs;
    mm_value *root;
    mm_value *env; /* dict */
    char *filename;
    char *text;
};

static mm_config *new_config(mm_value *root)
{
    mm_config *config = mm_alloc(sizeof(*config));

    if (config != NULL) {
        atomic_init(&config->refs, 1);
        config->root = mm_value_ref(root);
    }
    return config;
}

/* Takes what a load gathered. */
static mm_config *finish_load(mmi_load *load, mm_value *root, const char *filename)
{
    mm_config *config = root == NULL ? NULL : new_config(root);

    if (config != NULL) {
        config->env = mm_value_ref(load->env);
        config->filename = filename == NULL ? NULL : mm_strdup(filename);
        config->text = mmi_str_take(&load->text);
    }
    mmi_load_deinit(load);
    mm_value_unref(root);
    if (mm_has_error()) {
        mm_config_unref(config);
        return NULL;
    }
    return config;
}

mm_config *mm_config_from_file(const char *path, const mm_config_args *args)
{
    mmi_load load = {.args = args};

    if (!MMI_NEED(path)) {
        return NULL;
    }
    mm_value *root = mmi_load_file(&load, path);
    return finish_load(&load, root, path);
}

mm_config *mm_config_from_string(const char *text, const char *format)
{
    mmi_load load = {0};

    if (!MMI_NEED(text) || !MMI_NEED(format)) {
        return NULL;
    }
    mm_value *root = mmi_load_string(&load, text, format);
    return finish_load(&load, root, NULL);
}

mm_config *mm_config_from_value(mm_value *root)
{
    if (!MMI_NEED(root)) {
        return NULL;
    }
    if (mm_value_kind(root) != MM_KIND_DICT) {
        (void)mm_raise(MM_ETYPE, "a config is made of a dict, not of %s",
                       mm_value_type_name(root));
        return NULL;
    }
    return new_config(root);
}

mm_config *mm_config_ref(mm_config *config)
{
    if (config != NULL) {
        atomic_fetch_add_explicit(&config->refs, 1, memory_order_relaxed);
    }
    return config;
}

void mm_config_unref(mm_config *config)
{
    if (config == NULL ||
        atomic_fetch_sub_explicit(&config->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    mm_value_unref(config->root);
    mm_value_unref(config->env);
    mm_free(config->filename);
    mm_free(config->text);
    mm_free(config);
}

mm_value *mm_config_root(const mm_config *config)
{
    return MMI_NEED(config) ? config->root : NULL;
}

const char *mm_config_filename(const mm_config *config)
{
    return config == NULL ? NULL : config->filename;
}

const char *mm_config_text(const mm_config *config)
{
    return config == NULL || config->text == NULL ? "" : config->text;
}

mm_value *mm_config_env_variables(const mm_config *config)
{
    return config == NULL ? NULL : config->env;
}

/* ---- by dotted path ---- */

/* The value one step down, or NULL without an error. */
static mm_value *step(mm_value *value, const char *key, size_t size)
{
    mm_kind kind = mm_value_kind(value);
    size_t index = 0;

    if (kind == MM_KIND_DICT) {
        for (size_t i = 0; i < mm_value_len(value); i++) {
            const char *name = mm_dict_name_at(value, i);

            if (name != NULL && strncmp(name, key, size) == 0 && name[size] == '\0') {
                return mm_dict_at(value, i);
            }
        }
        return NULL;
    }
    if ((kind != MM_KIND_LIST && kind != MM_KIND_TUPLE) || size == 0 || size > 9) {
        return NULL;
    }
    for (size_t i = 0; i < size; i++) {
        if (key[i] < '0' || key[i] > '9') {
            return NULL;
        }
        index = index * 10 + (size_t)(key[i] - '0');
    }
    return index < mm_value_len(value) ? mm_list_get(value, index) : NULL;
}

/* Walks down a path. `out_parent` and `out_rest`: the last value found and the part of
 * the path that is missing in it. */
static mm_value *walk(const mm_config *config, const char *path, mm_value **out_parent,
                      const char **out_rest)
{
    mm_value *value = config->root;
    const char *p = path;

    for (;;) {
        size_t size = strcspn(p, ".");
        mm_value *next = step(value, p, size);

        *out_parent = value;
        *out_rest = p;
        if (next == NULL || p[size] == '\0') {
            return next;
        }
        value = next;
        p += size + 1;
    }
}

mm_value *mm_config_find(const mm_config *config, const char *dotted_path)
{
    mm_value *parent = NULL;
    const char *rest = NULL;

    return MMI_NEED(config) && MMI_NEED(dotted_path)
               ? walk(config, dotted_path, &parent, &rest)
               : NULL;
}

const char *mm_config_default_scope(const mm_config *config)
{
    const mm_value *scope = mm_config_find(config, "default_scope");

    if (mm_value_is_none(scope))
        return NULL;
    if (mm_value_kind(scope) == MM_KIND_STR)
        return mm_value_str(scope);
    (void)mm_raise(MM_ECONFIG, "default_scope is %s: the name of a library is needed",
                   mm_value_type_name(scope));
    (void)mm_error_locate(mm_dict_source(mm_config_root(config), "default_scope"));
    return NULL;
}

/* Raises "... has no key ..." with the nearest keys of where the path ends. */
static mm_status unknown_key(mm_status code, const char *attempt, const char *path,
                             mm_value *parent, const char *rest)
{
    char *key = mmi_strndup(rest, strcspn(rest, "."));
    mmi_suggest suggest = {.word = key == NULL ? "" : key};
    size_t above = rest > path ? (size_t)(rest - path) - 1 : 0;
    const char *where = above > 0 ? "'" : "the config";

    for (size_t i = 0;
         mm_value_kind(parent) == MM_KIND_DICT && i < mm_value_len(parent); i++) {
        const char *name = mm_dict_name_at(parent, i);

        if (name != NULL) {
            mmi_suggest_add(&suggest, name);
        }
    }
    if (mm_value_kind(parent) == MM_KIND_LIST ||
        mm_value_kind(parent) == MM_KIND_TUPLE) {
        (void)mm_raise(code, "could not %s '%s': '%.*s' is a %s of %zu items", attempt,
                       path, (int)above, path, mm_value_type_name(parent),
                       mm_value_len(parent));
    } else if (mm_value_kind(parent) != MM_KIND_DICT) {
        (void)mm_raise(code, "could not %s '%s': '%.*s' is of type %s", attempt, path,
                       (int)above, path, mm_value_type_name(parent));
    } else {
        (void)mm_raise(code, "could not %s '%s': %s%.*s%s has no key '%s'", attempt,
                       path, where, (int)above, path, above > 0 ? "'" : "", key);
    }
    mmi_suggest_hint(&suggest);
    mm_free(key);
    return mm_pending();
}

mm_value *mm_config_get(const mm_config *config, const char *dotted_path)
{
    mm_value *parent = NULL;
    const char *rest = NULL;
    mm_value *value = NULL;

    if (!MMI_NEED(config) || !MMI_NEED(dotted_path)) {
        return NULL;
    }
    value = walk(config, dotted_path, &parent, &rest);
    if (value == NULL && !mm_has_error()) {
        (void)unknown_key(MM_EKEY, "get", dotted_path, parent, rest);
    }
    return value;
}

/* ---- changes ---- */

/* Makes the root hold what `merged` holds. Keys only ever join. */
static mm_status replace_root(mm_config *config, mm_value *merged)
{
    for (size_t i = 0; !mm_has_error() && i < mm_value_len(merged); i++) {
        mmi_dict_put_at(config->root, mm_dict_key_at(merged, i), mm_dict_at(merged, i),
                        mmi_dict_source_of(merged, i));
    }
    return mm_pending();
}

mm_status mm_config_merge(mm_config *config, const mm_value *options)
{
    mm_value *nested = NULL;
    mm_value *merged = NULL;

    if (!MMI_NEED(config) || !MMI_NEED(options)) {
        return mm_pending();
    }
    if (mm_value_kind(options) != MM_KIND_DICT) {
        return mm_raise(MM_ETYPE, "options are merged from a dict, not from %s",
                        mm_value_type_name(options));
    }
    nested = mmi_override_nest(options);
    merged = nested == NULL ? NULL : mmi_merge(nested, config->root, true);
    if (merged != NULL) {
        (void)replace_root(config, merged);
    }
    mm_value_unref(nested);
    mm_value_unref(merged);
    return mm_pending();
}

mm_status mm_config_put(mm_config *config, const char *dotted_path, mm_value *value)
{
    mm_value *options = NULL;
    mm_value *copy = NULL;

    if (!MMI_NEED(config) || !MMI_NEED(dotted_path) || !MMI_NEED(value)) {
        return mm_pending();
    }
    options = mm_value_new_dict();
    copy = mm_value_copy(value);
    if (copy != NULL && mm_value_kind(copy) == MM_KIND_DICT &&
        mm_config_find(config, dotted_path) != NULL) {
        mm_dict_put_bool(copy, "_delete_", true); /* set, not merged */
    }
    if (copy != NULL) {
        mm_dict_put(options, dotted_path, copy);
    }
    if (!mm_has_error()) {
        (void)mm_config_merge(config, options);
    }
    mm_value_unref(copy);
    mm_value_unref(options);
    return mm_pending();
}

/* A key that is new must be known to the component there. */
static mm_status check_key(const mm_config *config, const char *key,
                           mm_config_known_key known, void *user)
{
    mm_value *parent = NULL;
    const char *rest = NULL;

    if (walk(config, key, &parent, &rest) != NULL || known == NULL ||
        known(user, config, key) || mm_has_error()) {
        return mm_pending();
    }
    (void)unknown_key(MM_ECONFIG, "set", key, parent, rest);
    return mm_pending();
}

enum { MAX_PARTS = 64 };

/* Keys that a config cannot have, or that mean something only while files are read. */
static mm_status refuse_reserved(const char *key)
{
    size_t size = strcspn(key, ".");
    size_t parts = 1;

    for (const char *p = key; *p != '\0'; p++) {
        parts += *p == '.';
    }
    if (parts > MAX_PARTS) { /* what is nested deeper could not be written and read */
        return mm_raise(MM_ECONFIG,
                        "could not set '%.40s...': a key has at most %d parts", key,
                        (int)MAX_PARTS);
    }
    if (size == strlen("_base_") && strncmp(key, "_base_", size) == 0) {
        return mm_raise(MM_ECONFIG,
                        "could not set '%s': the bases have been read before", key);
    }
    return mmi_is_reserved(key, size)
               ? mm_raise(
                     MM_ECONFIG,
                     "could not set '%s': '%.*s' is a reserved name and cannot be a "
                     "key of a config",
                     key, (int)size, key)
               : mm_pending();
}

mm_status mm_config_override(mm_config *config, const char *assignment,
                             mm_config_known_key known, void *user)
{
    const char *equals = NULL;
    mm_source source = {.line = 1};
    char *key = NULL;
    mm_value *value = NULL;
    mm_value *options = NULL;

    if (!MMI_NEED(config) || !MMI_NEED(assignment)) {
        return mm_pending();
    }
    if (!mmi_utf8_is_valid(assignment, strlen(assignment))) {
        return mm_raise(MM_EINVAL, "an option is not UTF-8 text");
    }
    equals = strchr(assignment, '=');
    if (equals == NULL || equals == assignment) {
        (void)mm_raise(MM_EINVAL, "'%s' is no option of the form key=value",
                       assignment);
        return mm_error_hint("write it like optim_wrapper.optimizer.lr=0.01");
    }
    key = mmi_strndup(assignment, (size_t)(equals - assignment));
    if (key != NULL && refuse_reserved(key) != MM_OK) {
        mm_free(key);
        return mm_pending();
    }
    source.file = mm_intern("--cfg-options");
    source.column = (int32_t)(equals - assignment) + 2;
    value = mmi_override_parse(equals + 1);
    options = mm_value_new_dict();
    if (value != NULL && key != NULL && check_key(config, key, known, user) == MM_OK) {
        mm_dict_put(options, key, value);
        mm_dict_set_source(options, key, source);
        (void)mm_config_merge(config, options);
    }
    if (mm_has_error()) {
        (void)mm_error_frame("while applying the option %s", assignment);
    }
    mm_value_unref(options);
    mm_value_unref(value);
    mm_free(key);
    return mm_pending();
}

/* ---- text ---- */

char *mm_config_pretty_text(const mm_config *config)
{
    return MMI_NEED(config) ? mmi_dump_python(config->root, MM_CONFIG_SORTED) : NULL;
}

char *mm_config_dump(const mm_value *dict, mm_config_order order)
{
    return MMI_NEED(dict) ? mmi_dump_python(dict, order) : NULL;
}

char *mm_config_json(const mm_value *value)
{
    return MMI_NEED(value) ? mmi_dump_json(value) : NULL;
}
