/* The catalogue is one text in memory: lines in the order of their bytes, each field
 * ended by a zero byte. A look-up bisects the bytes and then goes along the few lines
 * of the name it found, so nothing is prepared and nothing allocated. */
#include "registry/catalogue.h"

#include <stdio.h>
#include <string.h>

#include "registry/registry.h"

extern const char mmi_catalogue[];
extern const size_t mmi_catalogue_size;

enum { MAX_MODULE = 192 };

/* The fields of the line that begins at `at`. Returns where the next one begins. */
static size_t read_line(size_t at, struct mmi_known *out)
{
    const char *fields[5] = {"", "", "", "", ""};
    size_t count = 0;

    while (at < mmi_catalogue_size && mmi_catalogue[at] != '\n') {
        if (count < 5)
            fields[count++] = &mmi_catalogue[at];
        at += strlen(&mmi_catalogue[at]) + 1;
    }
    *out = (struct mmi_known){fields[0], fields[1], fields[2], fields[3], fields[4]};
    return at + 1;
}

/* The beginning of the line that a byte lies in. */
static size_t line_start(size_t at)
{
    while (mmi_catalogue[at - 1] != '\n')
        at--;
    return at;
}

/* The first line whose name is not less. Byte 0 is a newline. */
static size_t lower_bound(const char *name)
{
    size_t low = 1;
    size_t high = mmi_catalogue_size;

    while (low < high) {
        size_t at = line_start(low + (high - low) / 2);

        if (strcmp(&mmi_catalogue[at], name) < 0) {
            struct mmi_known skipped;

            low = read_line(at, &skipped);
        } else {
            high = at;
        }
    }
    return low;
}

/* Goes along the lines of a name: begin with *at = 0. */
static bool next_of(const char *name, size_t *at, struct mmi_known *out)
{
    if (*at == 0)
        *at = lower_bound(name);
    if (*at >= mmi_catalogue_size)
        return false;
    *at = read_line(*at, out);
    return strcmp(out->name, name) == 0;
}

/* The full module: ".models" of scope "mmdet" is "mmdet.models". */
static void module_of(const struct mmi_known *known, char *out)
{
    bool is_below = known->module[0] == '.';
    bool has_more = is_below && known->module[1] != '\0';

    (void)snprintf(out, MAX_MODULE, "%s%s", is_below ? known->scope : "",
                   is_below && !has_more ? "" : known->module);
}

void mmi_catalogue_package(const struct mmi_known *known, char *out, size_t out_size)
{
    char module[MAX_MODULE];

    module_of(known, module);
    (void)snprintf(out, out_size, "%.*s", (int)strcspn(module, "."), module);
}

bool mmi_catalogue_library(const char *package, struct mmi_library *out)
{
    char head[MAX_MODULE];
    struct mmi_known line;
    size_t at = 0;

    (void)snprintf(head, sizeof(head), "#%s", package);
    if (!next_of(head, &at, &line))
        return false;
    *out = (struct mmi_library){line.name + 1, line.registry, line.scope};
    return true;
}

/* A line whose module is `module` or lies below it. */
static bool is_at_or_below(const struct mmi_known *known, const char *module,
                           size_t size)
{
    char home[MAX_MODULE];

    module_of(known, home);
    return strncmp(home, module, size) == 0 &&
           (home[size] == '.' || home[size] == '\0');
}

static bool is_plain(const struct mmi_known *known)
{
    return strcmp(known->registry, "-") == 0;
}

/* Packages whose functions and classes others name without a path: mmcv.ops, torch. */
static bool is_common(const char *scope)
{
    return strcmp(scope, "mmengine") == 0 || strcmp(scope, "mmcv") == 0 ||
           strcmp(scope, "torch") == 0;
}

/* How well a line answers to a name in a registry and scope; 0: not at all. */
static int rank_of(const struct mmi_known *known, const char *registry,
                   const char *scope)
{
    bool is_own = strcmp(known->scope, scope) == 0;

    /* A registry without a parent is asked whatever scope is in force. */
    if (registry == NULL && !is_plain(known) && mmi_registry_index(known->registry) < 0)
        return is_own ? 3 : 1;
    if (!is_own && !is_common(known->scope))
        return 0;
    if (is_plain(known))
        return registry != NULL ? 0 : is_own ? 2 : 1;
    if (registry != NULL && strcmp(known->registry, registry) != 0)
        return 0;
    return is_own ? 4 : 3;
}

static bool find_plain_name(const char *registry, const char *scope, const char *name,
                            struct mmi_known *out)
{
    struct mmi_known line;
    size_t at = 0;
    int best = 0;

    while (next_of(name, &at, &line)) {
        int rank = rank_of(&line, registry, scope);

        if (rank > best) {
            *out = line;
            best = rank;
        }
    }
    return best > 0;
}

/* mmcls became mmpretrain; its configs are read with both. */
static bool find_in_scope(const char *registry, const char *scope, const char *name,
                          struct mmi_known *out)
{
    return find_plain_name(registry, scope, name, out) ||
           (strcmp(scope, "mmcls") == 0 &&
            find_plain_name(registry, "mmpretrain", name, out));
}

/* "mmdet.models" names what is defined in mmdet.models.backbones.resnet too: packages
 * hand on what their modules define, and other packages' classes. */
static int rank_of_path(const struct mmi_known *known, const char *module,
                        const char *package)
{
    if (is_at_or_below(known, module, strlen(module)))
        return is_plain(known) ? 4 : 5;
    if (strcmp(known->scope, package) == 0)
        return is_plain(known) ? 2 : 3;
    return is_common(known->scope) ? 1 : 0;
}

/* Its class is called so: "BN" of torch.nn.BatchNorm2d is no class path. */
static bool is_class(const struct mmi_known *known, const char *name)
{
    return known->cls[0] == '\0' || strcmp(known->cls, name) == 0;
}

static bool find_path(const char *path, const char *package, struct mmi_known *out)
{
    const char *last = strrchr(path, '.') + 1;
    char module[MAX_MODULE];
    struct mmi_known line;
    size_t at = 0;
    int best = 0;

    (void)snprintf(module, sizeof(module), "%.*s", (int)(last - 1 - path), path);
    while (next_of(last, &at, &line)) {
        int rank = is_class(&line, last) ? rank_of_path(&line, module, package) : 0;

        if (rank > best) {
            *out = line;
            best = rank;
        }
    }
    return best > 0;
}

/* "a.b.Class.from_pretrained" is the class's. */
static bool find_method(const char *path, const char *package, struct mmi_known *out)
{
    char shorter[2 * MAX_MODULE];
    const char *last = strrchr(path, '.');

    if (last[1] < 'a' || last[1] > 'z' || (size_t)(last - path) >= sizeof(shorter))
        return false;
    (void)snprintf(shorter, sizeof(shorter), "%.*s", (int)(last - path), path);
    const char *cls = strrchr(shorter, '.');

    return cls != NULL && cls[1] >= 'A' && cls[1] <= 'Z' &&
           find_path(shorter, package, out);
}

bool mmi_catalogue_find(const char *registry, const char *scope, const char *type,
                        struct mmi_known *out)
{
    const char *dot = strchr(type, '.');
    char package[MAX_MODULE];

    if (find_in_scope(registry, mmi_scope_name(scope), type, out))
        return true;
    if (dot == NULL || dot[1] == '\0')
        return false;
    (void)snprintf(package, sizeof(package), "%.*s", (int)(dot - type), type);
    if (strchr(dot + 1, '.') == NULL) {
        struct mmi_library library;

        if (find_in_scope(registry, package, dot + 1, out))
            return true;
        if (mmi_catalogue_library(package, &library))
            return false; /* "scope.Name" of another registry */
    }
    return find_path(type, package, out) || find_method(type, package, out);
}

bool mmi_catalogue_elsewhere(const char *registry, const char *scope, const char *name,
                             struct mmi_known *out)
{
    struct mmi_known line;
    size_t at = 0;
    int best = -1;

    while (next_of(name, &at, &line)) {
        int rank = (registry != NULL && strcmp(line.registry, registry) == 0 ? 2 : 0) +
                   (strcmp(line.scope, mmi_scope_name(scope)) == 0 ? 1 : 0);

        if (!is_plain(&line) && rank > best) {
            *out = line;
            best = rank;
        }
    }
    return best >= 0;
}

static bool has_module(const char *module, size_t size)
{
    struct mmi_known line;

    for (size_t at = 1; at < mmi_catalogue_size;) {
        at = read_line(at, &line);
        if (line.name[0] != '#' && is_at_or_below(&line, module, size))
            return true;
    }
    return false;
}

bool mmi_catalogue_has_module_of(const char *path)
{
    const char *last = strrchr(path, '.');
    char package[MAX_MODULE];
    struct mmi_library library;
    struct mmi_known line;
    size_t at = 0;

    (void)snprintf(package, sizeof(package), "%.*s", (int)strcspn(path, "."), path);
    if (last == NULL || strchr(path, '.') == last ||
        !mmi_catalogue_library(package, &library))
        return true;
    size_t size = (size_t)(last - path);

    while (next_of(last + 1, &at, &line)) {
        if (is_at_or_below(&line, path, size))
            return true; /* as it mostly is */
    }
    return has_module(path, size);
}

void mmi_catalogue_suggest_library(mmi_suggest *suggest)
{
    struct mmi_known line;

    for (size_t at = lower_bound("#"); at < mmi_catalogue_size;) {
        at = read_line(at, &line);
        if (line.name[0] != '#')
            break;
        mmi_suggest_add(suggest, line.name + 1);
    }
}

void mmi_catalogue_scopes(const char *name,
                          void (*visit)(void *user, const char *scope), void *user)
{
    struct mmi_known line;
    size_t at = 0;

    while (next_of(name, &at, &line)) {
        if (!is_plain(&line))
            visit(user, line.scope);
    }
}

void mmi_catalogue_suggest(mmi_suggest *suggest, const char *registry,
                           const char *scope)
{
    struct mmi_known line;

    for (size_t at = 1; at < mmi_catalogue_size;) {
        at = read_line(at, &line);
        if (line.name[0] != '#' && !is_plain(&line) &&
            rank_of(&line, registry, mmi_scope_name(scope)) > 0)
            mmi_suggest_add(suggest, line.name);
    }
}

size_t mm_component_libraries(const char *name, char *out, size_t out_size)
{
    const char *dot = name != NULL ? strrchr(name, '.') : NULL;
    const char *last = dot != NULL ? dot + 1 : name;
    struct mmi_known line;
    size_t at = 0;
    size_t used = 0;
    size_t count = 0;

    if (out_size > 0)
        out[0] = '\0';
    while (last != NULL && last[0] != '\0' && next_of(last, &at, &line)) {
        char package[64];
        struct mmi_library library = {.version = "", .distribution = package};

        if (is_plain(&line))
            continue;
        mmi_catalogue_package(&line, package, sizeof(package));
        (void)mmi_catalogue_library(package, &library);
        if (used < out_size)
            used += (size_t)snprintf(out + used, out_size - used, "%s%s%s%s (%s)",
                                     count > 0 ? ", " : "", library.distribution,
                                     library.version[0] != '\0' ? " " : "",
                                     library.version, line.registry);
        count++;
    }
    return count;
}
