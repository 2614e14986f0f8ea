/* The help of a component as text, from its description and option table. */
#include <string.h>

#include "base/str.h"
#include "registry/instance.h"
#include "registry/registry.h"

enum { DEFAULT_WIDTH = 80, MIN_WIDTH = 40, CELL = 512 };

struct page {
    mmi_str text;
    size_t width;
    size_t column; /* where the types of options stand */
    size_t num_options;
    bool has_rest;
};

static void add_spaces(mmi_str *text, size_t count)
{
    while (count-- > 0) {
        mmi_str_add_char(text, ' ');
    }
}

/* Adds words from column `indent` on, broken at the width, and a newline. */
static void add_wrapped(struct page *page, size_t indent, const char *words)
{
    size_t at = indent;

    add_spaces(&page->text, indent);
    for (const char *word = words; *word != '\0';) {
        size_t size = strcspn(word, " ");

        if (at > indent && at + 1 + size > page->width) {
            mmi_str_add_char(&page->text, '\n');
            add_spaces(&page->text, indent);
            at = indent;
        } else if (at > indent) {
            mmi_str_add_char(&page->text, ' ');
            at++;
        }
        mmi_str_add_n(&page->text, word, size);
        at += size;
        word += size;
        word += strspn(word, " ");
    }
    mmi_str_add_char(&page->text, '\n');
}

/* "lr=0.001" or, if it must be given, "lr". */
static void head_of(const mm_option *option, mmi_str *out)
{
    char value[CELL];

    mmi_option_default(option, value, sizeof(value));
    mmi_str_clear(out);
    mmi_str_add(out, option->name);
    if (strcmp(value, "required") != 0) {
        mmi_str_addf(out, "=%s", value);
    }
}

static bool is_shown(const mm_option *option)
{
    return option->kind != MM_OPTION_REST && (option->flags & MM_OPTION_HIDDEN) == 0;
}

static mm_status measure_row(void *user, const struct mmi_row *row)
{
    struct page *page = user;
    mmi_str head = {0};

    page->has_rest = page->has_rest || row->option->kind == MM_OPTION_REST;
    if (is_shown(row->option)) {
        page->num_options++;
        head_of(row->option, &head);
        if (head.size + 4 > page->column && head.size < 28) {
            page->column = head.size + 4;
        }
    }
    mmi_str_deinit(&head);
    return mm_pending();
}

static void add_choices(struct page *page, const mm_choice *choices)
{
    for (; choices->name != NULL; choices++) {
        mmi_str line = {0};

        mmi_str_addf(&line, "'%s'", choices->name);
        if (choices->help != NULL && choices->help[0] != '\0') {
            mmi_str_addf(&line, ": %s", choices->help);
        }
        add_wrapped(page, 8, mmi_str_text(&line));
        mmi_str_deinit(&line);
    }
}

static mm_status add_row(void *user, const struct mmi_row *row)
{
    struct page *page = user;
    const mm_option *option = row->option;
    char cell[CELL];
    char range[96];
    mmi_str head = {0};

    if (!is_shown(option)) {
        return MM_OK;
    }
    head_of(option, &head);
    add_spaces(&page->text, 2);
    mmi_str_add(&page->text, mmi_str_text(&head));
    add_spaces(&page->text,
               head.size + 4 <= page->column ? page->column - head.size - 2 : 2);
    mmi_str_add(&page->text, mmi_option_type(option, cell, sizeof(cell)));
    mmi_option_range(option, range, sizeof(range));
    if (range[0] != '\0') {
        mmi_str_addf(&page->text, ", %s", range);
    }
    if (strcmp(mmi_option_default(option, cell, sizeof(cell)), "required") == 0) {
        mmi_str_add(&page->text, ", required");
    }
    mmi_str_add_char(&page->text, '\n');
    if (option->help != NULL && option->help[0] != '\0') {
        add_wrapped(page, 6, option->help);
    }
    if (option->kind == MM_OPTION_CHOICE) {
        add_choices(page, option->u.choice.table);
    }
    mmi_str_deinit(&head);
    return mm_pending();
}

static void add_identity(struct page *page, const mm_component *component)
{
    mmi_str *text = &page->text;

    mmi_str_addf(text, "%s\n", component->name);
    add_wrapped(page, 2, component->help != NULL ? component->help : "");
    mmi_str_addf(text, "\n  registry  %s", component->registry);
    if (component->interface != MM_INTERFACE_NONE) {
        mmi_str_addf(text, " (%s)", mmi_interface_name(component->interface));
    }
    mmi_str_addf(text, "\n  scope     %s\n", mmi_scope_name(component->scope));
    if (component->aliases != NULL && component->aliases[0] != NULL) {
        mmi_str_add(text, "  aliases   ");
        for (size_t i = 0; component->aliases[i] != NULL; i++) {
            mmi_str_addf(text, "%s%s", i > 0 ? ", " : "", component->aliases[i]);
        }
        mmi_str_add_char(text, '\n');
    }
    if (component->source != NULL) {
        mmi_str_addf(text, "  source    %s\n", component->source);
    }
}

char *mm_component_help(const mm_component *component, int width)
{
    struct page page = {.width = DEFAULT_WIDTH, .column = 12};

    if (mm_has_error()) {
        return NULL;
    }
    if (component == NULL) {
        mm_raise(MM_EINVAL, "could not write the help of a component: it is NULL");
        return NULL;
    }
    if (width > 0) {
        page.width = width < MIN_WIDTH ? MIN_WIDTH : (size_t)width;
    }
    add_identity(&page, component);
    (void)mmi_table_each(component->options, measure_row, &page);
    mmi_str_add(&page.text, page.num_options > 0 ? "\nOptions:\n" : "\nNo options.\n");
    (void)mmi_table_each(component->options, add_row, &page);
    if (page.has_rest) {
        mmi_str_add(&page.text, "  ...\n      further options are passed on\n");
    }
    return mmi_str_take(&page.text);
}
