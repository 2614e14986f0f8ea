/* Looks at a component's description as a reader would: what its author forgot or
 * mistyped. Tests run it over all built-in components, loading a plugin over the
 * plugin's. */
#include <string.h>

#include "registry/registry.h"

enum { MAX_ROWS = 256 };

struct audit {
    const mm_component *component;
    const char *seen[MAX_ROWS];
    size_t num_seen;
};

static size_t field_size(const mm_option *option)
{
    bool is_maybe = (option->flags & MM_OPTION_NULLABLE) != 0;

    switch (option->kind) {
    case MM_OPTION_BOOL:
        return sizeof(bool);
    case MM_OPTION_I64:
        return is_maybe ? sizeof(mm_maybe_i64) : sizeof(int64_t);
    case MM_OPTION_F64:
        return is_maybe ? sizeof(mm_maybe_f64) : sizeof(double);
    case MM_OPTION_CHOICE:
        return sizeof(int);
    case MM_OPTION_I64_N:
        return option->count * sizeof(int64_t);
    case MM_OPTION_I64S:
        return sizeof(mm_i64s);
    case MM_OPTION_F64S:
        return sizeof(mm_f64s);
    case MM_OPTION_STRS:
        return sizeof(mm_strs);
    case MM_OPTION_BUILDS:
        return sizeof(mm_instances);
    default:
        return sizeof(void *);
    }
}

static mm_status fault(const struct audit *audit, const char *option, const char *what)
{
    return mm_raise(MM_EINVAL, "component '%s', option '%s': %s",
                    audit->component->name, option, what);
}

static mm_status check_choice(const struct audit *audit, const mm_option *option)
{
    const mm_choice *choices = option->u.choice.table;
    bool has_default = (option->flags & MM_OPTION_REQUIRED) != 0;

    if (choices == NULL || choices->name == NULL) {
        return fault(audit, option->name, "the table of choices is empty");
    }
    for (; choices->name != NULL; choices++) {
        has_default = has_default || choices->value == option->u.choice.value;
    }
    return has_default ? MM_OK : fault(audit, option->name, "the default is no choice");
}

static mm_status check_text(const struct audit *audit, const mm_option *option)
{
    if (option->u.text == NULL) {
        return MM_OK;
    }
    mm_value *value = mmi_literal_parse(option->u.text);

    mm_value_unref(value);
    return mm_error_frame("while checking component '%s', option '%s'",
                          audit->component->name, option->name);
}

static mm_status check_default(const struct audit *audit, const mm_option *option)
{
    bool has_default =
        (option->flags & (MM_OPTION_REQUIRED | MM_OPTION_NULLABLE)) == 0 ||
        (option->flags & MM_OPTION_DEFAULT) != 0;

    switch (option->kind) {
    case MM_OPTION_I64:
        if (option->u.i64.min > option->u.i64.max ||
            (has_default && (option->u.i64.value < option->u.i64.min ||
                             option->u.i64.value > option->u.i64.max))) {
            return fault(audit, option->name, "the default is out of its range");
        }
        return MM_OK;
    case MM_OPTION_F64:
        if (!(option->u.f64.min <= option->u.f64.max) ||
            (has_default && !(option->u.f64.value >= option->u.f64.min &&
                              option->u.f64.value <= option->u.f64.max))) {
            return fault(audit, option->name, "the default is out of its range");
        }
        return MM_OK;
    case MM_OPTION_CHOICE:
        return check_choice(audit, option);
    case MM_OPTION_I64_N:
    case MM_OPTION_I64S:
    case MM_OPTION_F64S:
    case MM_OPTION_STRS:
        return check_text(audit, option);
    case MM_OPTION_BUILD:
    case MM_OPTION_BUILDS:
        return mmi_registry_index(option->u.build.registry) >= 0
                   ? MM_OK
                   : fault(audit, option->name, "it is built from no known registry");
    default:
        return MM_OK;
    }
}

static mm_status check_row(void *user, const struct mmi_row *row)
{
    struct audit *audit = user;
    const mm_option *option = row->option;

    if (row->offset + field_size(option) > audit->component->size) {
        return fault(audit, option->name, "its field lies outside the struct");
    }
    if (option->kind == MM_OPTION_REST) {
        return MM_OK;
    }
    if (option->name[0] == '\0') {
        return fault(audit, "", "an option has no name");
    }
    if ((option->flags & MM_OPTION_HIDDEN) == 0 &&
        (option->help == NULL || option->help[0] == '\0')) {
        return fault(audit, option->name, "it has no help");
    }
    for (size_t i = 0; i < audit->num_seen; i++) {
        if (strcmp(audit->seen[i], option->name) == 0) {
            return fault(audit, option->name, "two rows have this name");
        }
    }
    if (audit->num_seen == MAX_ROWS) {
        return fault(audit, option->name, "there are too many options");
    }
    audit->seen[audit->num_seen++] = option->name;
    return check_default(audit, option);
}

mm_status mm_component_check(const mm_component *component)
{
    struct audit audit = {.component = component};

    if (mm_has_error()) {
        return mm_pending();
    }
    if (component == NULL || component->name == NULL || component->name[0] == '\0') {
        return mm_raise(MM_EINVAL, "component without a name");
    }
    if (mmi_registry_index(component->registry) < 0) {
        return mm_raise(MM_EINVAL, "component '%s': there is no registry '%s'",
                        component->name,
                        component->registry != NULL ? component->registry : "NULL");
    }
    if (component->help == NULL || component->help[0] == '\0') {
        return mm_raise(MM_EINVAL, "component '%s' has no help", component->name);
    }
    if (component->size == 0) {
        return mm_raise(MM_EINVAL, "component '%s' has size 0", component->name);
    }
    return mmi_table_each(component->options, check_row, &audit);
}
