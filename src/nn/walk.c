/* Walks over modules, parameters and buffers. Order is PyTorch's: what a module itself
 * holds comes before its children, everything in order of registration. Modules and
 * parameters that are shared are visited once, under their first name, except for state
 * dicts, which list every name. */
#include "nn/walk.h"

#include <string.h>

#include "mmengine/memory.h"

size_t mmi_walk_push(struct mmi_walk *walk, const char *name)
{
    size_t before = walk->size;
    size_t length = strlen(name);
    size_t needed = before + length + 2;

    if (needed > walk->room) {
        char *grown = mm_realloc(walk->path, needed * 2);

        if (grown == NULL) {
            return before;
        }
        walk->path = grown;
        walk->room = needed * 2;
    }
    char *end = walk->path + before;

    if (before > 0) {
        *end++ = '.';
    }
    memcpy(end, name, length + 1);
    walk->size = (size_t)(end - walk->path) + length;
    return before;
}

void mmi_walk_pop(struct mmi_walk *walk, size_t size)
{
    walk->size = size;
    if (walk->path != NULL) {
        walk->path[size] = '\0';
    }
}

static bool is_new(struct mmi_walk *walk, mm_module *module)
{
    if (!walk->unique) {
        return true;
    }
    for (size_t i = 0; i < walk->num_seen; i++) {
        if (walk->seen[i] == module) {
            return false;
        }
    }
    if ((walk->num_seen & (walk->num_seen + 1)) == 0) { /* 0, 1, 3, 7, ... are full */
        mm_module **grown =
            mm_realloc(walk->seen, (2 * walk->num_seen + 1) * sizeof(*walk->seen));

        if (grown == NULL) {
            return false;
        }
        walk->seen = grown;
    }
    walk->seen[walk->num_seen++] = module;
    return true;
}

static mm_status walk_from(struct mmi_walk *walk, mm_module *module)
{
    if (!is_new(walk, module)) {
        return mm_pending();
    }
    mm_status status = walk->visit(walk, module);

    for (size_t i = 0; status >= 0 && i < module->num_children; i++) {
        size_t before = mmi_walk_push(walk, module->children[i].name);

        status = mm_pending();
        if (status >= 0) {
            status = walk_from(walk, module->children[i].module);
        }
        mmi_walk_pop(walk, before);
    }
    return status;
}

mm_status mmi_walk(struct mmi_walk *walk, mm_module *root)
{
    if (mm_has_error()) {
        return mm_pending();
    }
    if (root == NULL) {
        return mm_raise(MM_EINVAL, "could not walk over a module: none given");
    }
    walk->path = mm_alloc(64);
    walk->room = walk->path != NULL ? 64 : 0;
    mm_status status = walk->path != NULL ? walk_from(walk, root) : mm_pending();

    mm_free(walk->path);
    mm_free(walk->seen);
    walk->path = NULL;
    walk->seen = NULL;
    return status < 0 ? status : mm_pending();
}

/* --- public walks --- */

struct module_user {
    mm_visit_module visit;
    void *user;
};

static mm_status visit_module(struct mmi_walk *walk, mm_module *module)
{
    struct module_user *user = walk->user;

    return user->visit(user->user, walk->path, module);
}

mm_status mm_module_each(mm_module *module, mm_visit_module visit, void *user)
{
    struct module_user inner = {visit, user};

    return mmi_walk(
        &(struct mmi_walk){.visit = visit_module, .user = &inner, .unique = true},
        module);
}

struct tensor_user {
    mm_visit_tensor visit;
    void *user;
    bool buffers;
    bool persistent_only;
    mm_tensor **seen;
    size_t num_seen;
};

static bool is_new_tensor(struct tensor_user *user, mm_tensor *tensor)
{
    for (size_t i = 0; i < user->num_seen; i++) {
        if (user->seen[i] == tensor) {
            return false;
        }
    }
    if ((user->num_seen & (user->num_seen + 1)) == 0) {
        mm_tensor **grown =
            mm_realloc(user->seen, (2 * user->num_seen + 1) * sizeof(*user->seen));

        if (grown == NULL) {
            return false;
        }
        user->seen = grown;
    }
    user->seen[user->num_seen++] = tensor;
    return true;
}

static mm_status visit_tensors(struct mmi_walk *walk, mm_module *module)
{
    struct tensor_user *user = walk->user;
    const struct mmi_slots *slots = user->buffers ? &module->buffers : &module->params;
    mm_status status = mm_pending();

    for (size_t i = 0; status >= 0 && i < slots->count; i++) {
        const struct mmi_slot *slot = &slots->items[i];

        if (slot->tensor == NULL || (user->persistent_only && !slot->persistent) ||
            !is_new_tensor(user, slot->tensor)) {
            continue;
        }
        size_t before = mmi_walk_push(walk, slot->name);

        status = mm_pending();
        if (status >= 0) {
            status = user->visit(user->user, walk->path, slot->tensor, module);
        }
        mmi_walk_pop(walk, before);
    }
    return status;
}

static mm_status each_tensor(mm_module *module, struct tensor_user *user)
{
    mm_status status = mmi_walk(
        &(struct mmi_walk){.visit = visit_tensors, .user = user, .unique = true},
        module);

    mm_free(user->seen);
    return status;
}

mm_status mm_module_each_param(mm_module *module, mm_visit_tensor visit, void *user)
{
    return each_tensor(module, &(struct tensor_user){.visit = visit, .user = user});
}

mm_status mm_module_each_buffer(mm_module *module, bool persistent_only,
                                mm_visit_tensor visit, void *user)
{
    return each_tensor(module,
                       &(struct tensor_user){.visit = visit,
                                             .user = user,
                                             .buffers = true,
                                             .persistent_only = persistent_only});
}

/* --- looking up --- */

size_t mm_module_num_children(const mm_module *module)
{
    return module->num_children;
}

mm_module *mm_module_child(const mm_module *module, size_t index)
{
    if (index >= module->num_children) {
        mm_raise(MM_ERANGE, "could not get child %zu of a %s: it has %zu", index,
                 mm_module_type(module), module->num_children);
        return NULL;
    }
    return module->children[index].module;
}

const char *mm_module_child_name(const mm_module *module, size_t index)
{
    return index < module->num_children ? module->children[index].name : NULL;
}

static mm_module *find_child_n(const mm_module *module, const char *name, size_t size)
{
    for (size_t i = 0; i < module->num_children; i++) {
        const char *other = module->children[i].name;

        if (strncmp(other, name, size) == 0 && other[size] == '\0') {
            return module->children[i].module;
        }
    }
    return NULL;
}

/* Follows `name` as far as dots go; `out_last` is the part behind the last one. */
static mm_module *find_owner(mm_module *module, const char *name, const char **out_last)
{
    const char *dot = strchr(name, '.');

    while (module != NULL && dot != NULL) {
        module = find_child_n(module, name, (size_t)(dot - name));
        name = dot + 1;
        dot = strchr(name, '.');
    }
    *out_last = name;
    return module;
}

mm_module *mm_module_find(mm_module *module, const char *dotted_name)
{
    if (module == NULL || dotted_name == NULL || dotted_name[0] == '\0') {
        return dotted_name != NULL ? module : NULL;
    }
    const char *last = NULL;
    mm_module *owner = find_owner(module, dotted_name, &last);

    return owner != NULL ? find_child_n(owner, last, strlen(last)) : NULL;
}

mm_tensor *mm_module_find_tensor(mm_module *module, const char *dotted_name)
{
    if (module == NULL || dotted_name == NULL) {
        return NULL;
    }
    const char *last = NULL;
    mm_module *owner = find_owner(module, dotted_name, &last);

    if (owner == NULL) {
        return NULL;
    }
    const struct mmi_slot *slot = mmi_slot_find(&owner->params, last);

    slot = slot != NULL ? slot : mmi_slot_find(&owner->buffers, last);
    return slot != NULL ? slot->tensor : NULL;
}

struct count {
    bool trainable_only;
    int64_t elements;
};

static mm_status count_param(void *user, const char *name, mm_tensor *tensor,
                             mm_module *owner)
{
    struct count *count = user;
    mm_tensor_info info;

    (void)name;
    (void)owner;
    if (mm_tensor_info_get(tensor, &info) == MM_OK &&
        (info.requires_grad || !count->trainable_only)) {
        count->elements += info.numel;
    }
    return mm_pending();
}

int64_t mm_module_num_params(mm_module *module, bool trainable_only)
{
    struct count count = {trainable_only, 0};

    return mm_module_each_param(module, count_param, &count) == MM_OK ? count.elements
                                                                      : 0;
}

mm_status mm_module_layer_depth(mm_module *module, const char *name, const char *prefix,
                                mm_layer_depth *out)
{
    if (mm_has_error()) {
        return mm_pending();
    }
    if (module == NULL || name == NULL || prefix == NULL || out == NULL) {
        return mm_raise(MM_EINVAL,
                        "could not tell the depth of a parameter: %s is "
                        "NULL",
                        module == NULL ? "the module"
                        : name == NULL ? "the name"
                        : out == NULL  ? "out"
                                       : "the prefix");
    }
    if (module->ops->layer_depth == NULL) {
        mm_raise(MM_EUNSUPPORTED, "a %s does not say how deep its layers lie",
                 mm_module_type(module));
        return mm_error_hint("its component needs a layer_depth function");
    }
    return module->ops->layer_depth(module->self, name, prefix, out);
}
