/* `list` and `help`: what there is and what it takes, from the component tables.
 * Neither opens libtorch. */
#include <stdio.h>
#include <string.h>

#include "cli/console.h"
#include "cli/verbs.h"
#include "mmengine/mmengine.h"

enum { MAX_FOUND = 64 };

/* --- list --- */

struct listing {
    const char *scope; /* NULL: all */
    bool names_only;
    size_t count;
    size_t width; /* of the longest name */
};

static const char *scope_of(const mm_component *component)
{
    return component->scope != NULL ? component->scope : "mmengine";
}

static bool is_wanted(const struct listing *listing, const mm_component *component)
{
    return listing->scope == NULL || strcmp(listing->scope, scope_of(component)) == 0;
}

static void measure(void *user, const mm_component *component)
{
    struct listing *listing = user;
    size_t size = strlen(component->name);

    if (is_wanted(listing, component)) {
        listing->count++;
        listing->width = size > listing->width ? size : listing->width;
    }
}

static void print_component(void *user, const mm_component *component)
{
    const struct listing *listing = user;
    bool is_root = component->scope == NULL;

    if (!is_wanted(listing, component)) {
        return;
    }
    if (listing->names_only) {
        (void)printf("%s%s%s\n", is_root ? "" : component->scope, is_root ? "" : ".",
                     component->name);
    } else {
        (void)printf("%-*s  %-10s  %s\n", (int)listing->width, component->name,
                     scope_of(component), component->help);
    }
}

static int unknown_registry(const struct cli_args *args, const char *name)
{
    const char *const *names = mm_registry_names();
    char message[160];
    char hint[160] = "'mmengine list' shows all registries";
    size_t count = 0;

    while (names[count] != NULL) {
        count++;
    }
    const char *near = mm_suggest(name, names, count);

    (void)snprintf(message, sizeof(message), "there is no registry '%.100s'", name);
    if (near != NULL) {
        (void)snprintf(hint, sizeof(hint), "did you mean '%s'?", near);
    }
    return cli_usage_error(args, message, hint);
}

static bool is_registry(const char *name)
{
    for (const char *const *at = mm_registry_names(); *at != NULL; at++) {
        if (strcmp(*at, name) == 0) {
            return true;
        }
    }
    return false;
}

static void list_registry(const char *registry, struct listing *listing)
{
    mm_component_each(registry, measure, listing);
    mm_component_each(registry, print_component, listing);
}

static void list_all(const struct listing *options)
{
    for (const char *const *name = mm_registry_names(); *name != NULL; name++) {
        struct listing listing = *options;

        if (options->names_only) {
            list_registry(*name, &listing);
        } else {
            mm_component_each(*name, measure, &listing);
            (void)printf("%-28s %4zu\n", *name, listing.count);
        }
    }
}

int cli_list(const struct cli_args *args)
{
    const char *registry = cli_text(args, "REGISTRY");
    struct listing listing = {.scope = cli_text(args, "scope"),
                              .names_only = cli_is_given(args, "names")};
    int code = cli_register();

    if (code != CLI_DONE) {
        return code;
    }
    if (registry == NULL) {
        list_all(&listing);
    } else if (is_registry(registry)) {
        list_registry(registry, &listing);
    } else {
        return unknown_registry(args, registry);
    }
    return CLI_DONE;
}

/* --- help --- */

/* Components that answer to a name: in any registry and scope, or "scope.Name". */
struct search {
    const char *scope; /* NULL: any */
    size_t scope_size;
    const char *name;
    const mm_component *found[MAX_FOUND];
    size_t count;
    const char *all[4096]; /* for suggestions */
    size_t num_all;
};

static bool has_name(const mm_component *component, const char *name)
{
    bool is_it = strcmp(component->name, name) == 0;

    for (size_t i = 0; !is_it && component->aliases && component->aliases[i]; i++) {
        is_it = strcmp(component->aliases[i], name) == 0;
    }
    return is_it;
}

static void match(void *user, const mm_component *component)
{
    struct search *search = user;
    const char *scope = scope_of(component);
    bool is_in_scope = search->scope == NULL ||
                       (strlen(scope) == search->scope_size &&
                        strncmp(scope, search->scope, search->scope_size) == 0);

    if (search->num_all < sizeof(search->all) / sizeof(search->all[0])) {
        search->all[search->num_all++] = component->name;
    }
    if (is_in_scope && search->count < MAX_FOUND && has_name(component, search->name)) {
        search->found[search->count++] = component;
    }
}

static int print_found(const struct search *search)
{
    for (size_t i = 0; i < search->count; i++) {
        char *text = mm_component_help(search->found[i], cli_width());

        if (text == NULL) {
            return cli_report();
        }
        (void)printf("%s%s", i > 0 ? "\n" : "", text);
        mm_free(text);
    }
    return CLI_DONE;
}

static int help_unknown(const struct cli_args *args, const struct search *search,
                        const char *name)
{
    char message[200];
    char hint[200] = "'mmengine list' shows what there is; a plugin's components are "
                     "known only to configs that import it";
    const char *near = mm_suggest(search->name, search->all, search->num_all);
    char libraries[256];

    if (mm_component_libraries(name, libraries, sizeof(libraries)) > 0) {
        char known[512];

        (void)snprintf(known, sizeof(known),
                       "'%.120s' is not built here; known from %s", name, libraries);
        return cli_usage_error(args, known,
                               "a C plugin can add it: 'mmengine help plugin'");
    }
    (void)snprintf(message, sizeof(message), "nothing is called '%.120s'", name);
    if (near != NULL) {
        (void)snprintf(hint, sizeof(hint), "did you mean '%.100s'?", near);
    }
    return cli_usage_error(args, message, hint);
}

static int help_component(const struct cli_args *args, const char *name)
{
    static struct search search; /* large */
    const char *dot = strchr(name, '.');

    search.name = name;
    mm_component_each(NULL, match, &search);
    if (search.count == 0 && dot != NULL) {
        /* "scope.Name"; of a class path the last part */
        search.scope = strchr(dot + 1, '.') == NULL ? name : NULL;
        search.scope_size = (size_t)(dot - name);
        search.name = strrchr(name, '.') + 1;
        search.num_all = 0;
        mm_component_each(NULL, match, &search);
    }
    return search.count > 0 ? print_found(&search) : help_unknown(args, &search, name);
}

int cli_help(const struct cli_args *args)
{
    const char *name = cli_text(args, "NAME");
    int code = CLI_DONE;

    if (name == NULL) {
        cli_print_help(NULL, NULL, true);
        return CLI_DONE;
    }
    const struct cli_verb *verb = cli_find_verb(cli_verbs, name);

    if (verb != NULL) {
        cli_print_help(NULL, verb, true);
        return CLI_DONE;
    }
    code = cli_register();
    if (code != CLI_DONE) {
        return code;
    }
    if (is_registry(name)) {
        struct listing listing = {0};

        list_registry(name, &listing);
        return CLI_DONE;
    }
    return help_component(args, name);
}

/* --- what other tools ask for --- */

/* A component's section in the reference. */
static void print_section(void *user, const mm_component *component)
{
    char *text = mm_component_help(component, 100);

    (void)user;
    if (text != NULL) {
        (void)printf("## %s\n\n```\n%s```\n\n", component->name, text);
    }
    mm_free(text);
}

/* A reference of all components as Markdown, for the documentation. */
static void print_reference(void)
{
    for (const char *const *name = mm_registry_names(); *name != NULL; name++) {
        struct listing listing = {0};

        mm_component_each(*name, measure, &listing);
        if (listing.count > 0) {
            (void)printf("# %s\n\n", *name);
            mm_component_each(*name, print_section, NULL);
        }
    }
}

/* The help of all verbs as Markdown. */
static void print_verbs(const struct cli_verb *parent, const struct cli_verb *verbs)
{
    for (; verbs->name != NULL; verbs++) {
        if (verbs->is_hidden) {
            continue;
        }
        (void)printf("## %s%s%s\n\n```\n", parent != NULL ? parent->name : "",
                     parent != NULL ? " " : "", verbs->name);
        cli_print_help(parent, verbs, true);
        (void)printf("```\n\n");
        if (verbs->verbs != NULL) {
            print_verbs(verbs, verbs->verbs);
        }
    }
}

static void print_name(void *user, const mm_component *component)
{
    (void)user;
    (void)printf("%s\n", component->name);
}

int cli_gen(const struct cli_args *args)
{
    const char *what = cli_text(args, "WHAT");
    int code = cli_register();

    if (code != CLI_DONE) {
        return code;
    }
    if (strcmp(what, "man") == 0) {
        cli_print_man();
    } else if (strcmp(what, "registries") == 0) {
        for (const char *const *name = mm_registry_names(); *name != NULL; name++) {
            (void)printf("%s\n", *name);
        }
    } else if (strcmp(what, "components") == 0) {
        mm_component_each(NULL, print_name, NULL);
    } else if (strcmp(what, "verbs") == 0) {
        print_verbs(NULL, cli_verbs);
    } else {
        print_reference();
    }
    return CLI_DONE;
}
