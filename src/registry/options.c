/* The options of a component as a whole: defaults, then the entries of its config. An
 * entry that no row names is a fault, unless the table has a rest row; so is a required
 * row without an entry. */
#include <stdio.h>
#include <string.h>

#include "base/suggest.h"
#include "registry/audit.h"
#include "registry/instance.h"
#include "registry/store.h"

/* Works while an error is pending: messages are located last. */
const mm_source *mmi_config_source(const mm_value *config, const char *key)
{
    const mm_source *source = mm_dict_source(config, key);

    if (source == NULL) {
        source = mm_dict_source(config, "type");
    }
    return source != NULL ? source : mm_dict_source_at(config, 0);
}

mm_status mmi_config_locate(const mm_value *config)
{
    const mm_error *error = mm_error_peek();
    const char *text = error != NULL ? error->message : "";
    size_t size = strspn(text, "abcdefghijklmnopqrstuvwxyz_0123456789");
    char word[64];

    if (size == 0 || size >= sizeof(word))
        return mm_pending();
    memcpy(word, text, size);
    word[size] = '\0';
    return mm_error_locate(mm_dict_source(config, word));
}

/* --- defaults --- */

/* Reads a default that is written as config text, through the same door. */
static mm_status store_text(mm_instance *instance, const mm_option *option, void *field)
{
    if (option->u.text == NULL) {
        return MM_OK;
    }
    mm_value *value = mmi_literal_parse(option->u.text);

    if (mmi_instance_keep(instance, value) != MM_OK) {
        return mm_pending();
    }
    struct mmi_reader reader = {.component = instance->component, .instance = instance};
    struct mmi_reading reading = {&reader, option, value, NULL, option->name, field};

    return mmi_option_read(&reading);
}

/* None is zero in each kind. */
static void store_nullable(const mm_option *option, void *field)
{
    if ((option->flags & MM_OPTION_DEFAULT) == 0) {
        return;
    }
    if (option->kind == MM_OPTION_I64) {
        *(mm_maybe_i64 *)field = (mm_maybe_i64){true, option->u.i64.value};
    } else if (option->kind == MM_OPTION_F64) {
        *(mm_maybe_f64 *)field = (mm_maybe_f64){true, option->u.f64.value};
    }
}

static mm_status store_default(mm_instance *instance, const mm_option *option,
                               void *field)
{
    if ((option->flags & MM_OPTION_NULLABLE) != 0 && option->kind != MM_OPTION_I64S) {
        store_nullable(option, field);
        return MM_OK;
    }
    switch (option->kind) {
    case MM_OPTION_BOOL:
        *(bool *)field = option->u.boolean;
        break;
    case MM_OPTION_I64:
        *(int64_t *)field = option->u.i64.value;
        break;
    case MM_OPTION_F64:
        *(double *)field = option->u.f64.value;
        break;
    case MM_OPTION_STR:
        *(const char **)field = option->u.str;
        break;
    case MM_OPTION_CHOICE:
        *(int *)field = option->u.choice.value;
        break;
    case MM_OPTION_I64_N:
    case MM_OPTION_I64S:
    case MM_OPTION_F64S:
    case MM_OPTION_STRS:
        return store_text(instance, option, field);
    default:
        break;
    }
    return MM_OK;
}

/* Inherited tables first: a row of the same field in the outer table wins. */
static mm_status store_defaults(mm_instance *instance, const mm_option *table,
                                size_t base)
{
    char *self = mm_instance_self(instance);

    for (const mm_option *option = table; option != NULL && option->name != NULL;
         option++) {
        if (option->kind == MM_OPTION_INHERIT &&
            store_defaults(instance, option->u.inherited, base + option->offset) !=
                MM_OK) {
            return mm_pending();
        }
    }
    for (const mm_option *option = table; option != NULL && option->name != NULL;
         option++) {
        if (option->kind != MM_OPTION_INHERIT &&
            store_default(instance, option, self + base + option->offset) != MM_OK) {
            return mm_pending();
        }
    }
    return MM_OK;
}

mm_status mmi_options_default(mm_instance *instance)
{
    return store_defaults(instance, instance->component->options, 0);
}

/* --- entries --- */

/* Keys that belong to the builder unless a row claims them. */
static bool is_builder_key(const char *name)
{
    static const char *const names[] = {"type", "_scope_", "priority", "init_cfg"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static void join(const char *path, const char *name, char *out)
{
    (void)snprintf(out, MMI_PATH_SIZE, "%s%s%s", path, path[0] != '\0' ? "." : "",
                   name);
}

/* Names of options, for a hint. */
struct names {
    mmi_suggest suggest;
    char text[MM_ERROR_HINT_SIZE - 64]; /* "groups, depth" */
    size_t used;
    size_t count;
};

static mm_status collect_name(void *user, const struct mmi_row *row)
{
    struct names *names = user;

    if (row->option->kind == MM_OPTION_REST ||
        (row->option->flags & MM_OPTION_HIDDEN) != 0) {
        return MM_OK;
    }
    mmi_suggest_add(&names->suggest, row->option->name);
    if (names->used < sizeof(names->text)) {
        int wrote =
            snprintf(names->text + names->used, sizeof(names->text) - names->used,
                     "%s%s", names->count > 0 ? ", " : "", row->option->name);

        names->used += wrote > 0 ? (size_t)wrote : 0;
    }
    names->count++;
    return MM_OK;
}

/* The nearest names, else all there are. */
static void hint_options(const mm_component *component, const char *name)
{
    struct names names = {.suggest.word = name};

    (void)mmi_table_each(component->options, collect_name, &names);
    mmi_suggest_hint(&names.suggest);
    if (names.count == 0) {
        (void)mm_error_hint("%s has no options", component->name);
    } else {
        (void)mm_error_hint("options of %s: %s%s", component->name, names.text,
                            names.used >= sizeof(names.text) ? "..." : "");
    }
}

static mm_status raise_unknown(const struct mmi_reader *reader, size_t index)
{
    const char *name = mm_dict_name_at(reader->config, index);
    char path[MMI_PATH_SIZE];

    if (name == NULL) {
        char shown[MMI_SHOWN_SIZE];

        mmi_show_value(mm_dict_key_at(reader->config, index), shown, sizeof(shown));
        mm_raise(MM_ECONFIG, "%s%s%s takes options by name, got the key %s",
                 reader->path, reader->path[0] != '\0' ? ": " : "",
                 reader->component->name, shown);
    } else {
        join(reader->path, name, path);
        mm_raise(MM_ECONFIG, "%s: %s has no option '%s'", path, reader->component->name,
                 name);
        hint_options(reader->component, name);
    }
    const mm_source *source = mm_dict_source_at(reader->config, index);

    return mmi_report_fault(source != NULL ? source
                                           : mmi_config_source(reader->config, "type"),
                            name != NULL ? path : reader->path);
}

/* An entry that no row names and the builder does not take. */
static bool is_rest(const struct mmi_reader *reader, size_t index)
{
    const char *name = mm_dict_name_at(reader->config, index);
    struct mmi_row row = {0};

    return name == NULL || (!is_builder_key(name) &&
                            !mmi_table_find(reader->component->options, name, &row));
}

static mm_status find_rest_row(void *user, const struct mmi_row *row)
{
    bool *has_rest = user;

    *has_rest = *has_rest || row->option->kind == MM_OPTION_REST;
    return MM_OK;
}

static mm_status check_names(const struct mmi_reader *reader)
{
    bool takes_rest = false;
    size_t count = mm_value_len(reader->config);

    (void)mmi_table_each(reader->component->options, find_rest_row, &takes_rest);
    for (size_t i = 0; i < count; i++) {
        if (is_rest(reader, i) &&
            (!takes_rest || mm_dict_name_at(reader->config, i) == NULL) &&
            !mmi_audit_skips_unknown(reader->component) &&
            raise_unknown(reader, i) != MM_OK) {
            return mm_pending();
        }
    }
    return MM_OK;
}

static mm_status store_rest(const struct mmi_reader *reader, void *field)
{
    mm_value *rest = NULL;
    size_t count = mm_value_len(reader->config);

    for (size_t i = 0; i < count; i++) {
        if (!is_rest(reader, i)) {
            continue;
        }
        rest = rest != NULL ? rest : mm_value_new_dict();
        if (rest == NULL) {
            return mm_pending();
        }
        const char *name = mm_dict_name_at(reader->config, i);
        const mm_source *source = mm_dict_source_at(reader->config, i);

        mm_dict_put(rest, name, mm_dict_at(reader->config, i));
        if (source != NULL) {
            mm_dict_set_source(rest, name, *source);
        }
    }
    if (rest == NULL) {
        return MM_OK;
    }
    mm_value_freeze(rest);
    *(mm_value **)field = rest;
    return mmi_instance_keep(reader->instance, rest);
}

static mm_status raise_missing(const struct mmi_reader *reader, const mm_option *option)
{
    char expects[MMI_EXPECTS_SIZE];

    mm_raise(MM_ECONFIG, "%s%s%s needs the option '%s' (%s)", reader->path,
             reader->path[0] != '\0' ? ": " : "", reader->component->name, option->name,
             mmi_option_expects(option, expects, sizeof(expects)));
    if (option->help != NULL && option->help[0] != '\0') {
        (void)mm_error_hint("%s: %s", option->name, option->help);
    }
    return mmi_report_fault(mmi_config_source(reader->config, "type"), reader->path);
}

/* The values of entries that no row names may hold components too. */
static void audit_rest(const struct mmi_reader *reader)
{
    size_t count = mm_value_len(reader->config);

    for (size_t i = 0; i < count; i++) {
        const char *name = mm_dict_name_at(reader->config, i);
        char path[MMI_PATH_SIZE];

        if (name != NULL && is_rest(reader, i)) {
            join(reader->path, name, path);
            mmi_audit_any(mm_dict_at(reader->config, i), path, reader->scope);
        }
    }
}

static mm_status read_row(void *user, const struct mmi_row *row)
{
    const struct mmi_reader *reader = user;
    const mm_option *option = row->option;
    char path[MMI_PATH_SIZE];
    void *field = reader->instance != NULL
                      ? (char *)mm_instance_self(reader->instance) + row->offset
                      : NULL;

    if (option->kind == MM_OPTION_REST) {
        if (field == NULL && mmi_audit_is_on()) {
            audit_rest(reader);
        }
        return field != NULL ? store_rest(reader, field) : MM_OK;
    }
    mm_value *value = mm_dict_find(reader->config, option->name);

    if (value == NULL) {
        bool is_required = (option->flags & MM_OPTION_REQUIRED) != 0 ||
                           (option->kind == MM_OPTION_I64_N && option->u.text == NULL);

        return is_required && !mmi_audit_skips_missing() ? raise_missing(reader, option)
                                                         : MM_OK;
    }
    join(reader->path, option->name, path);
    struct mmi_reading reading = {
        reader, option, value, mmi_config_source(reader->config, option->name),
        path,   field};

    return mmi_option_read(&reading);
}

mm_status mmi_options_read(const struct mmi_reader *reader)
{
    struct mmi_reader copy = *reader;

    if (mm_has_error() || check_names(reader) != MM_OK) {
        return mm_pending();
    }
    if (reader->instance != NULL && mmi_options_default(reader->instance) != MM_OK) {
        return mm_pending();
    }
    return mmi_table_each(reader->component->options, read_row, &copy);
}
