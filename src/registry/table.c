/* Option tables as data: walking them with their inherited tables, and putting a row in
 * words (what it takes, its default, its range) for messages, help and docs. */
#include "registry/registry.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "mmengine/number.h"

static bool is_end(const mm_option *option)
{
    return option->name == NULL;
}

/* A table and those that inherit it, so that an inner row knows what hides it. */
struct level {
    const mm_option *table;
    const struct level *outer;
};

static bool has_own_row(const mm_option *table, const char *name)
{
    for (const mm_option *option = table; !is_end(option); option++) {
        if (option->kind != MM_OPTION_INHERIT && option->kind != MM_OPTION_REST &&
            strcmp(option->name, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_hidden_by_outer(const struct level *level, const char *name)
{
    for (level = level->outer; level != NULL; level = level->outer) {
        if (has_own_row(level->table, name)) {
            return true;
        }
    }
    return false;
}

static mm_status each_in(const struct level *level, size_t base,
                         mm_status (*visit)(void *user, const struct mmi_row *row),
                         void *user)
{
    mm_status status = MM_OK;

    for (const mm_option *option = level->table; status >= 0 && !is_end(option);
         option++) {
        if (option->kind == MM_OPTION_INHERIT) {
            struct level inner = {option->u.inherited, level};

            status = each_in(&inner, base + option->offset, visit, user);
        }
    }
    for (const mm_option *option = level->table; status >= 0 && !is_end(option);
         option++) {
        struct mmi_row row = {option, base + option->offset};

        if (option->kind != MM_OPTION_INHERIT &&
            (option->kind == MM_OPTION_REST ||
             !is_hidden_by_outer(level, option->name))) {
            status = visit(user, &row);
        }
    }
    return status;
}

mm_status mmi_table_each(const mm_option *table,
                         mm_status (*visit)(void *user, const struct mmi_row *row),
                         void *user)
{
    struct level level = {table, NULL};

    return table == NULL ? MM_OK : each_in(&level, 0, visit, user);
}

bool mmi_table_find(const mm_option *table, const char *name, struct mmi_row *out)
{
    if (table == NULL) {
        return false;
    }
    for (const mm_option *option = table; !is_end(option); option++) {
        if (option->kind != MM_OPTION_INHERIT && option->kind != MM_OPTION_REST &&
            strcmp(option->name, name) == 0) {
            *out = (struct mmi_row){option, option->offset};
            return true;
        }
    }
    for (const mm_option *option = table; !is_end(option); option++) {
        if (option->kind == MM_OPTION_INHERIT &&
            mmi_table_find(option->u.inherited, name, out)) {
            out->offset += option->offset;
            return true;
        }
    }
    return false;
}

bool mmi_option_is_nullable(const mm_option *option)
{
    if ((option->flags & MM_OPTION_NULLABLE) != 0) {
        return true;
    }
    bool required = (option->flags & MM_OPTION_REQUIRED) != 0;

    switch (option->kind) {
    case MM_OPTION_STR:
        return !required && option->u.str == NULL;
    case MM_OPTION_I64S:
    case MM_OPTION_F64S:
    case MM_OPTION_STRS:
        return !required &&
               (option->u.text == NULL || strcmp(option->u.text, "None") == 0);
    case MM_OPTION_BUILD:
    case MM_OPTION_BUILDS:
        return !required;
    case MM_OPTION_VALUE:
        return true;
    default:
        return false;
    }
}

/* Appends to a text of fixed room; what does not fit is cut. */
static void append(char *out, size_t out_size, const char *format, ...) MM_PRINTF(3, 4);
static void append(char *out, size_t out_size, const char *format, ...)
{
    size_t used = strlen(out);
    va_list args;

    va_start(args, format);
    (void)vsnprintf(out + used, out_size - used, format, args);
    va_end(args);
}

static void append_f64(char *out, size_t out_size, double value)
{
    char text[MM_F64_TEXT_SIZE];

    (void)mm_f64_format(value, text);
    append(out, out_size, "%s", text);
}

char *mmi_option_range(const mm_option *option, char *out, size_t out_size)
{
    out[0] = '\0';
    if (option->kind == MM_OPTION_I64) {
        long long min = option->u.i64.min;
        long long max = option->u.i64.max;

        if (min > INT64_MIN && max < INT64_MAX) {
            append(out, out_size, "%lld to %lld", min, max);
        } else if (min > INT64_MIN) {
            append(out, out_size, ">= %lld", min);
        } else if (max < INT64_MAX) {
            append(out, out_size, "<= %lld", max);
        }
    } else if (option->kind == MM_OPTION_F64) {
        /* -DBL_MAX and DBL_MAX are bounds that only exclude infinities. */
        bool low = option->u.f64.min > -1e300;
        bool high = option->u.f64.max < 1e300;

        if (low) {
            append(out, out_size, high ? "" : ">= ");
            append_f64(out, out_size, option->u.f64.min);
        }
        if (high) {
            append(out, out_size, low ? " to " : "<= ");
            append_f64(out, out_size, option->u.f64.max);
        }
    }
    return out;
}

/* A word as a config writes it: rows may be called None, True or False. */
static void append_word(const char *word, char *out, size_t out_size)
{
    bool is_plain = strcmp(word, "None") == 0 || strcmp(word, "True") == 0 ||
                    strcmp(word, "False") == 0;

    append(out, out_size, is_plain ? "%s" : "'%s'", word);
}

static void append_choices(const mm_choice *choices, char *out, size_t out_size)
{
    append(out, out_size, "one of ");
    for (const mm_choice *choice = choices; choice->name != NULL; choice++) {
        append(out, out_size, choice == choices ? "" : ", ");
        append_word(choice->name, out, out_size);
    }
}

static const char *article_of_registry(const char *registry)
{
    return registry != NULL ? registry : "components";
}

/* `full`: with the words of a choice and the ranges. */
static char *describe(const mm_option *option, char *out, size_t out_size, bool full)
{
    char range[96] = "";

    out[0] = '\0';
    if (full) {
        mmi_option_range(option, range, sizeof(range));
    }
    switch (option->kind) {
    case MM_OPTION_BOOL:
        append(out, out_size, "bool");
        break;
    case MM_OPTION_I64:
        append(out, out_size, "int%s%s", range[0] != '\0' ? " " : "", range);
        break;
    case MM_OPTION_F64:
        append(out, out_size, "float%s%s", range[0] != '\0' ? " " : "", range);
        break;
    case MM_OPTION_STR:
        append(out, out_size, "str");
        break;
    case MM_OPTION_CHOICE:
        if (full) {
            append_choices(option->u.choice.table, out, out_size);
        } else {
            append(out, out_size, "choice");
        }
        break;
    case MM_OPTION_I64_N:
        append(out, out_size, "int or %zu ints", option->count);
        break;
    case MM_OPTION_I64S:
        append(out, out_size, "int or list of ints");
        break;
    case MM_OPTION_F64S:
        append(out, out_size, "float or list of floats");
        break;
    case MM_OPTION_STRS:
        append(out, out_size, "str or list of strs");
        break;
    case MM_OPTION_VALUE:
    case MM_OPTION_REST:
    case MM_OPTION_INHERIT:
        append(out, out_size, "any");
        break;
    case MM_OPTION_BUILD:
        append(out, out_size, "dict for '%s'",
               article_of_registry(option->u.build.registry));
        break;
    case MM_OPTION_BUILDS:
        append(out, out_size, "dict or list of dicts for '%s'",
               article_of_registry(option->u.build.registry));
        break;
    }
    if (option->kind != MM_OPTION_VALUE && option->kind != MM_OPTION_REST &&
        mmi_option_is_nullable(option)) {
        append(out, out_size, " or None");
    }
    return out;
}

char *mmi_option_expects(const mm_option *option, char *out, size_t out_size)
{
    return describe(option, out, out_size, true);
}

char *mmi_option_type(const mm_option *option, char *out, size_t out_size)
{
    return describe(option, out, out_size, false);
}

static const char *choice_name(const mm_option *option)
{
    const mm_choice *choice = option->u.choice.table;

    while (choice->name != NULL && choice->value != option->u.choice.value) {
        choice++;
    }
    return choice->name != NULL ? choice->name : "?";
}

char *mmi_option_default(const mm_option *option, char *out, size_t out_size)
{
    bool is_text = option->kind == MM_OPTION_I64_N || option->kind == MM_OPTION_I64S ||
                   option->kind == MM_OPTION_F64S || option->kind == MM_OPTION_STRS;

    out[0] = '\0';
    if ((option->flags & MM_OPTION_REQUIRED) != 0 ||
        (option->kind == MM_OPTION_I64_N && option->u.text == NULL)) {
        append(out, out_size, "required");
    } else if (option->kind == MM_OPTION_BOOL) {
        append(out, out_size, option->u.boolean ? "True" : "False");
    } else if (option->kind == MM_OPTION_CHOICE) {
        append_word(choice_name(option), out, out_size);
    } else if (is_text && option->u.text != NULL) {
        append(out, out_size, "%s", option->u.text);
    } else if (mmi_option_is_nullable(option) &&
               (option->flags & MM_OPTION_DEFAULT) == 0) {
        append(out, out_size, "None");
    } else if (option->kind == MM_OPTION_I64) {
        append(out, out_size, "%lld", (long long)option->u.i64.value);
    } else if (option->kind == MM_OPTION_F64) {
        append_f64(out, out_size, option->u.f64.value);
    } else if (option->kind == MM_OPTION_STR) {
        append(out, out_size, "'%s'", option->u.str);
    } else {
        append(out, out_size, "None");
    }
    return out;
}
