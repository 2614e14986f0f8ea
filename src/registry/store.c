/* From one value of a config to one field of a struct, as its row of the option table
 * says. The same pass serves checking (nothing is stored) and building. Every fault
 * names its place, its key path, what was expected and what was there. */
#include <stdio.h>
#include <string.h>

#include "mmengine/memory.h"
#include "registry/audit.h"
#include "registry/instance.h"
#include "registry/store.h"

/* --- messages --- */

void mmi_show_value(const mm_value *value, char *out, size_t out_size)
{
    char *repr = mm_value_repr(value);
    size_t room = out_size - 32;

    if (repr == NULL) {
        (void)snprintf(out, out_size, "a value of type %s", mm_value_type_name(value));
    } else if (mm_value_is_none(value)) {
        (void)snprintf(out, out_size, "None");
    } else {
        bool is_cut = strlen(repr) > room;

        (void)snprintf(out, out_size, "%.*s%s (%s)", (int)(is_cut ? room - 3 : room),
                       repr, is_cut ? "..." : "", mm_value_type_name(value));
    }
    mm_free(repr);
}

static mm_status raise_value(const struct mmi_reading *reading, const char *path,
                             const char *expects, const mm_value *value,
                             const mm_source *source)
{
    char shown[MMI_SHOWN_SIZE];

    if (mm_has_error() || (mm_value_is_none(value) && mmi_audit_skips_missing())) {
        return mm_pending();
    }
    mmi_show_value(value, shown, sizeof(shown));
    mm_raise(MM_ECONFIG, "%s: %s expects %s, got %s", path,
             reading->reader->component->name, expects, shown);
    if (reading->option->help != NULL && reading->option->help[0] != '\0') {
        (void)mm_error_hint("%s: %s", reading->option->name, reading->option->help);
    }
    return mmi_report_fault(source != NULL ? source : reading->source, path);
}

/* The value as a whole is not what the option takes. */
static mm_status raise_fault(const struct mmi_reading *reading)
{
    char expects[MMI_EXPECTS_SIZE];

    return raise_value(reading, reading->path,
                       mmi_option_expects(reading->option, expects, sizeof(expects)),
                       reading->value, NULL);
}

/* An item of a list is not. */
static mm_status raise_item(const struct mmi_reading *reading, size_t index,
                            const char *expects)
{
    char path[MMI_PATH_SIZE];

    (void)snprintf(path, sizeof(path), "%s[%zu]", reading->path, index);
    return raise_value(reading, path, expects, mm_list_get(reading->value, index),
                       mm_list_source(reading->value, index));
}

/* --- scalars --- */

/* An int, or a float that is whole, as MMEngine's max_iters=1e5. No bool. */
static bool to_i64(const mm_value *value, int64_t *out)
{
    if (mm_value_kind(value) == MM_KIND_I64) {
        *out = mm_value_i64(value);
        return true;
    }
    if (mm_value_kind(value) != MM_KIND_F64) {
        return false;
    }
    double number = mm_value_f64(value);

    if (!(number >= -9007199254740992.0 && number <= 9007199254740992.0) ||
        number != (double)(int64_t)number) {
        return false;
    }
    *out = (int64_t)number;
    return true;
}

static bool to_f64(const mm_value *value, double *out)
{
    mm_kind kind = mm_value_kind(value);

    if (kind != MM_KIND_I64 && kind != MM_KIND_F64 && kind != MM_KIND_BIGINT) {
        return false;
    }
    *out = mm_value_f64(value);
    return true;
}

/* A string without zero bytes, or NULL. */
static const char *to_str(const mm_value *value)
{
    size_t size = 0;

    if (mm_value_kind(value) != MM_KIND_STR) {
        return NULL;
    }
    const char *text = mm_value_str_n(value, &size);

    return strlen(text) == size ? text : NULL;
}

static mm_status read_bool(const struct mmi_reading *reading)
{
    int64_t number = 0;

    if (mm_value_kind(reading->value) == MM_KIND_BOOL) {
        number = mm_value_bool(reading->value) ? 1 : 0;
    } else if (!to_i64(reading->value, &number) || (number != 0 && number != 1)) {
        return raise_fault(reading);
    }
    if (reading->field != NULL) {
        *(bool *)reading->field = number == 1;
    }
    return MM_OK;
}

static mm_status read_i64(const struct mmi_reading *reading)
{
    const mm_option *option = reading->option;
    bool is_maybe = (option->flags & MM_OPTION_NULLABLE) != 0;
    bool has = !is_maybe || !mm_value_is_none(reading->value);
    int64_t number = 0;

    if (has && (!to_i64(reading->value, &number) || number < option->u.i64.min ||
                number > option->u.i64.max)) {
        return raise_fault(reading);
    }
    if (reading->field != NULL && is_maybe) {
        *(mm_maybe_i64 *)reading->field = (mm_maybe_i64){has, number};
    } else if (reading->field != NULL) {
        *(int64_t *)reading->field = number;
    }
    return MM_OK;
}

static mm_status read_f64(const struct mmi_reading *reading)
{
    const mm_option *option = reading->option;
    bool is_maybe = (option->flags & MM_OPTION_NULLABLE) != 0;
    bool has = !is_maybe || !mm_value_is_none(reading->value);
    double number = 0.0;

    if (has && (!to_f64(reading->value, &number) || !(number >= option->u.f64.min) ||
                !(number <= option->u.f64.max))) {
        return raise_fault(reading);
    }
    if (reading->field != NULL && is_maybe) {
        *(mm_maybe_f64 *)reading->field = (mm_maybe_f64){has, number};
    } else if (reading->field != NULL) {
        *(double *)reading->field = number;
    }
    return MM_OK;
}

static mm_status read_str(const struct mmi_reading *reading)
{
    const char *text = to_str(reading->value);

    if (text == NULL && !(mm_value_is_none(reading->value) &&
                          mmi_option_is_nullable(reading->option))) {
        return raise_fault(reading);
    }
    if (reading->field != NULL) {
        *(const char **)reading->field = text;
    }
    return MM_OK;
}

/* Words are compared with strings and with the repr of None, True, False and numbers,
 * so that a table may have the row "None". */
static const mm_choice *find_choice(const mm_choice *choices, const char *word)
{
    for (; choices->name != NULL; choices++) {
        if (strcmp(choices->name, word) == 0) {
            return choices;
        }
    }
    return NULL;
}

static mm_status read_choice(const struct mmi_reading *reading)
{
    const mm_choice *choices = reading->option->u.choice.table;
    const mm_choice *found = NULL;
    const char *word = to_str(reading->value);

    if (word != NULL) {
        found = find_choice(choices, word);
    } else if (mm_value_kind(reading->value) <= MM_KIND_F64) {
        char *repr = mm_value_repr(reading->value);

        found = repr != NULL ? find_choice(choices, repr) : NULL;
        mm_free(repr);
    }
    if (found == NULL) {
        return raise_fault(reading);
    }
    if (reading->field != NULL) {
        *(int *)reading->field = found->value;
    }
    return MM_OK;
}

/* --- lists --- */

static bool is_list(const mm_value *value)
{
    return mm_value_kind(value) == MM_KIND_LIST ||
           mm_value_kind(value) == MM_KIND_TUPLE;
}

static mm_status read_i64_n(const struct mmi_reading *reading)
{
    size_t count = reading->option->count;
    bool is_seq = is_list(reading->value);
    int64_t number = 0;

    if (is_seq ? mm_value_len(reading->value) != count
               : !to_i64(reading->value, &number)) {
        return raise_fault(reading);
    }
    for (size_t i = 0; i < count; i++) {
        if (is_seq && !to_i64(mm_list_get(reading->value, i), &number)) {
            return raise_item(reading, i, "int");
        }
        if (reading->field != NULL) {
            ((int64_t *)reading->field)[i] = number;
        }
    }
    return MM_OK;
}

/* What the three open lists share: None, one for a list of one, memory. */
struct items {
    bool is_none;
    bool is_seq;
    size_t count;
    void *memory; /* NULL: check only */
};

static mm_status open_items(const struct mmi_reading *reading, size_t item_size,
                            struct items *out)
{
    *out = (struct items){.is_seq = is_list(reading->value), .count = 1};
    if (mm_value_is_none(reading->value)) {
        if (!mmi_option_is_nullable(reading->option)) {
            return raise_fault(reading);
        }
        out->is_none = true;
        out->count = 0;
        return MM_OK;
    }
    if (out->is_seq) {
        out->count = mm_value_len(reading->value);
    }
    if (reading->field != NULL) {
        /* One more, so that an empty list is not NULL: that is None. */
        out->memory = mmi_instance_memory(reading->reader->instance,
                                          (out->count + 1) * item_size);
    }
    return mm_pending();
}

static const mm_value *item_at(const struct mmi_reading *reading,
                               const struct items *items, size_t index)
{
    return items->is_seq ? mm_list_get(reading->value, index) : reading->value;
}

static mm_status raise_in_items(const struct mmi_reading *reading,
                                const struct items *items, size_t index,
                                const char *expects)
{
    return items->is_seq ? raise_item(reading, index, expects) : raise_fault(reading);
}

static mm_status read_i64s(const struct mmi_reading *reading)
{
    struct items items = {0};

    if (open_items(reading, sizeof(int64_t), &items) != MM_OK) {
        return mm_pending();
    }
    for (size_t i = 0; i < items.count; i++) {
        int64_t number = 0;

        if (!to_i64(item_at(reading, &items, i), &number)) {
            return raise_in_items(reading, &items, i, "int");
        }
        if (items.memory != NULL) {
            ((int64_t *)items.memory)[i] = number;
        }
    }
    if (reading->field != NULL) {
        *(mm_i64s *)reading->field = (mm_i64s){items.memory, items.count};
    }
    return MM_OK;
}

static mm_status read_f64s(const struct mmi_reading *reading)
{
    struct items items = {0};

    if (open_items(reading, sizeof(double), &items) != MM_OK) {
        return mm_pending();
    }
    for (size_t i = 0; i < items.count; i++) {
        double number = 0.0;

        if (!to_f64(item_at(reading, &items, i), &number)) {
            return raise_in_items(reading, &items, i, "float");
        }
        if (items.memory != NULL) {
            ((double *)items.memory)[i] = number;
        }
    }
    if (reading->field != NULL) {
        *(mm_f64s *)reading->field = (mm_f64s){items.memory, items.count};
    }
    return MM_OK;
}

static mm_status read_strs(const struct mmi_reading *reading)
{
    struct items items = {0};

    if (open_items(reading, sizeof(char *), &items) != MM_OK) {
        return mm_pending();
    }
    for (size_t i = 0; i < items.count; i++) {
        const char *text = to_str(item_at(reading, &items, i));

        if (text == NULL) {
            return raise_in_items(reading, &items, i, "str");
        }
        if (items.memory != NULL) {
            ((const char **)items.memory)[i] = text;
        }
    }
    if (reading->field != NULL) {
        *(mm_strs *)reading->field = (mm_strs){items.memory, items.count};
    }
    return MM_OK;
}

/* --- nested components --- */

/* Checks or builds one nested config. `out` NULL: check only. */
static mm_status read_nested(const struct mmi_reading *reading, mm_value *config,
                             const char *path, const mm_source *source,
                             mm_instance **out)
{
    mm_instance *ready = mm_value_find_instance(config);

    if (ready != NULL) {
        if (out != NULL) {
            *out = mm_instance_ref(ready);
        }
        return MM_OK;
    }
    if (mm_value_kind(config) != MM_KIND_DICT &&
        !mmi_builds_list(reading->option->u.build.registry, config)) {
        char expects[MMI_EXPECTS_SIZE];

        mmi_option_expects(reading->option, expects, sizeof(expects));
        return raise_value(reading, path, expects, config, source);
    }
    mm_build_args args = {
        .registry = reading->option->u.build.registry,
        .config = config,
        .scope = mmi_scope_name(reading->reader->scope),
        .path = path,
        .default_type = reading->option->u.build.default_type,
    };

    if (out == NULL) {
        return mm_build_check(&args);
    }
    *out = mmi_build_checked(&args);
    return mm_pending();
}

static mm_status read_build(const struct mmi_reading *reading)
{
    if (mm_value_is_none(reading->value)) {
        return mmi_option_is_nullable(reading->option) ? MM_OK : raise_fault(reading);
    }
    return read_nested(reading, reading->value, reading->path, NULL, reading->field);
}

/* The field counts what is built so far, so that a failure releases just that. */
static mm_status read_builds(const struct mmi_reading *reading)
{
    struct items items = {0};
    mm_instances *field = reading->field;

    if (open_items(reading, sizeof(mm_instance *), &items) != MM_OK) {
        return mm_pending();
    }
    mm_instance **memory = items.memory;

    if (field != NULL) {
        *field = (mm_instances){memory, 0};
    }
    for (size_t i = 0; i < items.count; i++) {
        char path[MMI_PATH_SIZE];
        const mm_source *source = NULL;
        mm_value *config = reading->value;

        (void)snprintf(path, sizeof(path), "%s", reading->path);
        if (items.is_seq) {
            (void)snprintf(path, sizeof(path), "%s[%zu]", reading->path, i);
            source = mm_list_source(reading->value, i);
            config = mm_list_get(reading->value, i);
        }
        if (read_nested(reading, config, path, source,
                        memory != NULL ? &memory[i] : NULL) != MM_OK) {
            return mm_pending();
        }
        if (field != NULL) {
            field->count++;
        }
    }
    return MM_OK;
}

static mm_status read_value(const struct mmi_reading *reading)
{
    if (reading->field != NULL) {
        *(mm_value **)reading->field =
            mm_value_is_none(reading->value) ? NULL : reading->value;
    } else if (mmi_audit_is_on()) {
        mmi_audit_any(reading->value, reading->path, reading->reader->scope);
    }
    return MM_OK;
}

mm_status mmi_option_read(const struct mmi_reading *reading)
{
    switch (reading->option->kind) {
    case MM_OPTION_BOOL:
        return read_bool(reading);
    case MM_OPTION_I64:
        return read_i64(reading);
    case MM_OPTION_F64:
        return read_f64(reading);
    case MM_OPTION_STR:
        return read_str(reading);
    case MM_OPTION_CHOICE:
        return read_choice(reading);
    case MM_OPTION_I64_N:
        return read_i64_n(reading);
    case MM_OPTION_I64S:
        return read_i64s(reading);
    case MM_OPTION_F64S:
        return read_f64s(reading);
    case MM_OPTION_STRS:
        return read_strs(reading);
    case MM_OPTION_VALUE:
        return read_value(reading);
    case MM_OPTION_BUILD:
        return read_build(reading);
    case MM_OPTION_BUILDS:
        return read_builds(reading);
    case MM_OPTION_INHERIT:
    case MM_OPTION_REST:
        break;
    }
    return MM_OK;
}
