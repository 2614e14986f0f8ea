/* The tree of modules: children, parameters and buffers on the shell of an instance, in
 * order of registration, and the calls. Names are short lists searched in order;
 * lookups by name are for set-up, never for a forward pass. */
#include "nn/module.h"

#include <string.h>

#include "mmengine/memory.h"

static void free_slots(struct mmi_slots *slots)
{
    for (size_t i = 0; i < slots->count; i++) {
        mm_tensor_unref(slots->items[i].tensor);
        mm_free(slots->items[i].init_info);
    }
    mm_free(slots->items);
}

static void pop_wrap(struct mm_wrap **at)
{
    struct mm_wrap *wrap = *at;

    *at = wrap->next;
    if (wrap->release != NULL) {
        wrap->release(wrap->user);
    }
    mm_free(wrap);
}

static void free_shell(void *shell)
{
    mm_module *module = shell;

    for (size_t i = 0; i < module->num_children; i++) {
        mm_module_unref(module->children[i].module);
    }
    mm_free(module->children);
    free_slots(&module->params);
    free_slots(&module->buffers);
    mm_value_unref(module->init_cfg);
    while (module->wraps != NULL) {
        pop_wrap(&module->wraps);
    }
    mm_free(module);
}

/* The ops of all module kinds begin with mm_module_ops. */
static mm_module *make_shell(mm_instance *instance)
{
    const mm_module_ops *ops = mm_instance_ops(instance, MM_INTERFACE_MODULE);
    mm_module *module = ops != NULL ? mm_alloc(sizeof(*module)) : NULL;

    if (module == NULL) {
        return NULL;
    }
    module->instance = instance;
    module->self = mm_instance_self(instance);
    module->ops = ops;
    module->training = true;
    memcpy(module->device, "cpu", sizeof("cpu"));

    mm_value *config = mm_instance_config(instance);
    mm_value *init_cfg = config != NULL ? mm_dict_find(config, "init_cfg") : NULL;

    module->has_init_cfg = init_cfg != NULL;
    if (!mm_value_is_none(init_cfg)) {
        module->init_cfg = mm_value_ref(init_cfg);
    }
    mm_instance_attach(instance, module, free_shell);
    return module;
}

mm_module *mm_module_of_instance(mm_instance *instance)
{
    if (instance == NULL) {
        mm_raise(MM_EINVAL, "could not find the module of an instance: none given");
        return NULL;
    }
    mm_module *module = mm_instance_shell(instance);

    return module != NULL ? module : make_shell(instance);
}

mm_module *mm_module_of(const void *self)
{
    return mm_module_of_instance(mm_instance_of(self));
}

mm_module *mm_module_new(const mm_component *component)
{
    mm_instance *instance = mm_instance_new(component);

    return mm_module_start(instance);
}

mm_module *mm_module_start(MM_TAKES mm_instance *instance)
{
    mm_module *module = NULL;

    if (instance != NULL && mm_instance_start(instance) == MM_OK) {
        module = mm_module_of_instance(instance);
    }
    if (module == NULL) {
        mm_instance_unref(instance);
    }
    return module;
}

mm_module *mm_module_build(mm_value *config, const char *scope, const char *path)
{
    mm_value *wrapped = NULL;

    if (mm_value_kind(config) == MM_KIND_LIST ||
        mm_value_kind(config) == MM_KIND_TUPLE) {
        wrapped = mm_value_new_dict();
        mm_dict_put_str(wrapped, "type", "mmengine.Sequential");
        mm_dict_put(wrapped, "modules", config);
        config = wrapped;
    }
    mm_instance *instance = mm_build(&(const mm_build_args){
        .registry = "models",
        .config = config,
        .scope = scope,
        .path = path,
        .interface = MM_INTERFACE_MODULE,
    });

    mm_value_unref(wrapped);
    mm_module *module = instance != NULL ? mm_module_of_instance(instance) : NULL;

    if (module == NULL) {
        mm_instance_unref(instance);
    }
    return module;
}

mm_module *mm_module_ref(mm_module *module)
{
    if (module != NULL) {
        mm_instance_ref(module->instance);
    }
    return module;
}

void mm_module_unref(mm_module *module)
{
    if (module != NULL) {
        mm_instance_unref(module->instance);
    }
}

mm_instance *mm_module_instance(const mm_module *module)
{
    return module->instance;
}

void *mm_module_self(const mm_module *module)
{
    return module->self;
}

const char *mm_module_type(const mm_module *module)
{
    return module->type != NULL ? module->type
                                : mm_instance_component(module->instance)->name;
}

void mmi_module_set_single_op(const void *self)
{
    mm_module *module = mm_module_of(self);

    if (module != NULL) {
        module->is_single_op = true;
    }
}

static struct mmi_child *child_find(const mm_module *module, const char *name)
{
    for (size_t i = 0; i < module->num_children; i++) {
        if (strcmp(module->children[i].name, name) == 0) {
            return &module->children[i];
        }
    }
    return NULL;
}

struct mmi_slot *mmi_slot_find(const struct mmi_slots *slots, const char *name)
{
    for (size_t i = 0; i < slots->count; i++) {
        if (strcmp(slots->items[i].name, name) == 0) {
            return &slots->items[i];
        }
    }
    return NULL;
}

/* A name must be free: one name is one thing, as attributes of a Python object are. */
static bool may_add(const mm_module *module, const char *what, const char *name)
{
    if (mm_has_error()) {
        return false;
    }
    if (module == NULL || name == NULL || name[0] == '\0' ||
        strchr(name, '.') != NULL) {
        mm_raise(MM_EINVAL, "could not add %s '%s' to a module: %s", what,
                 name != NULL ? name : "NULL",
                 module == NULL ? "no module given" : "a name has no dots");
        return false;
    }
    if (child_find(module, name) != NULL ||
        mmi_slot_find(&module->params, name) != NULL ||
        mmi_slot_find(&module->buffers, name) != NULL) {
        mm_raise(MM_EKEY, "could not add %s '%s': the %s has one of that name", what,
                 name, mm_module_type(module));
        return false;
    }
    return true;
}

mm_module *mm_module_add(mm_module *parent, const char *name, mm_module *child)
{
    if (child == NULL && !mm_has_error()) {
        mm_raise(MM_EINVAL, "could not add child '%s': no module given",
                 name != NULL ? name : "NULL");
    }
    if (!may_add(parent, "child", name)) {
        mm_module_unref(child);
        return NULL;
    }
    const char *kept_name = mm_intern(name);
    struct mmi_child *grown = mm_realloc(
        parent->children, (parent->num_children + 1) * sizeof(*parent->children));

    if (grown != NULL) {
        parent->children = grown;
    }
    if (grown == NULL || kept_name == NULL) {
        mm_module_unref(child);
        return NULL;
    }
    grown[parent->num_children++] = (struct mmi_child){kept_name, child};
    return child;
}

mm_module *mm_module_add_instance(mm_module *parent, const char *name,
                                  mm_instance *child)
{
    if (child == NULL) {
        if (!mm_has_error()) {
            mm_raise(MM_EINVAL, "could not add child '%s': no instance given", name);
        }
        return NULL;
    }
    return mm_module_add(parent, name, mm_module_ref(mm_module_of_instance(child)));
}

mm_status mm_module_replace(mm_module *parent, const char *name, mm_module *child)
{
    struct mmi_child *slot = NULL;

    if (!mm_has_error() && (parent == NULL || name == NULL || child == NULL)) {
        mm_raise(MM_EINVAL, "could not replace a child: %s is missing",
                 parent == NULL ? "the parent"
                                : (name == NULL ? "the name" : "the module"));
    }
    if (!mm_has_error()) {
        slot = child_find(parent, name);
        if (slot == NULL) {
            mm_raise(MM_EKEY,
                     "could not replace child '%s': the %s has none of that name", name,
                     mm_module_type(parent));
        }
    }
    if (slot == NULL) {
        mm_module_unref(child);
        return mm_pending();
    }
    mm_module_unref(slot->module);
    slot->module = child;
    return MM_OK;
}

static mm_tensor *add_slot(struct mmi_slots *slots, const char *name, mm_tensor *tensor,
                           bool persistent)
{
    const char *kept_name = mm_intern(name);
    struct mmi_slot *grown =
        mm_realloc(slots->items, (slots->count + 1) * sizeof(*slots->items));

    if (grown == NULL) {
        return NULL;
    }
    slots->items = grown;
    if (kept_name == NULL) {
        return NULL;
    }
    grown[slots->count++] = (struct mmi_slot){
        .name = kept_name, .tensor = mm_tensor_ref(tensor), .persistent = persistent};
    return tensor;
}

mm_tensor *mm_module_add_param(mm_module *module, const char *name, mm_tensor *tensor)
{
    if (!may_add(module, "parameter", name)) {
        return NULL;
    }
    if (tensor != NULL && mm_set_requires_grad(tensor, true) != MM_OK) {
        return NULL;
    }
    return add_slot(&module->params, name, tensor, true);
}

mm_tensor *mm_module_add_buffer(mm_module *module, const char *name, mm_tensor *tensor,
                                bool persistent)
{
    if (!may_add(module, "buffer", name)) {
        return NULL;
    }
    return add_slot(&module->buffers, name, tensor, persistent);
}

/* --- calls --- */

static void unref_tensor(void *tensor)
{
    mm_tensor_unref(tensor);
}

static void ref_tensor(void *tensor)
{
    mm_tensor_ref(tensor);
}

static void unref_value(void *value)
{
    mm_value_unref(value);
}

static void ref_value(void *value)
{
    mm_value_ref(value);
}

/* What `call` returned, as the tensor that forward promises. */
static mm_tensor *tensor_of_result(const mm_module *module, mm_value *result)
{
    mm_tensor *tensor = mm_value_find_tensor(result);
    mm_kind kind = mm_value_kind(result);

    if (tensor == NULL && (kind == MM_KIND_TUPLE || kind == MM_KIND_LIST) &&
        mm_value_len(result) == 1) {
        tensor = mm_value_find_tensor(mm_list_get(result, 0));
    }
    if (tensor == NULL && !mm_has_error()) {
        mm_raise(MM_ETYPE, "could not call a %s for one tensor: it returned %s",
                 mm_module_type(module), mm_value_type_name(result));
    }
    return tensor;
}

static mm_value *tuple_of_tensor(mm_tensor *x)
{
    mm_value *args = mm_scoped(mm_value_new_tuple());

    mm_list_push(args, mm_value_new_tensor(x));
    return mm_has_error() ? NULL : args;
}

static mm_tensor *forward_itself(mm_module *module, mm_tensor *x)
{
    if (module->ops->forward != NULL) {
        return module->ops->forward(module->self, x);
    }
    if (module->ops->call == NULL) {
        mm_raise(MM_EUNSUPPORTED, "a %s cannot be called", mm_module_type(module));
        return NULL;
    }
    mm_value *args = tuple_of_tensor(x);
    mm_value *result = args != NULL ? module->ops->call(module->self, args) : NULL;

    return result != NULL ? tensor_of_result(module, result) : NULL;
}

/* The tensor form of a wrapped call. */
static mm_tensor *forward_wrapped(mm_module *module, mm_tensor *x)
{
    mm_value *args = tuple_of_tensor(x);
    mm_value *result =
        args != NULL ? mm_module_proceed((mm_inside){module->wraps, true}, module, args)
                     : NULL;

    return result != NULL ? tensor_of_result(module, result) : NULL;
}

mm_tensor *mmi_module_forward_bare(mm_module *module, mm_tensor *x)
{
    if (module->wraps != NULL) {
        return forward_wrapped(module, x);
    }
    return forward_itself(module, x);
}

static bool may_call(const mm_module *module, const void *argument)
{
    if (mm_has_error()) {
        return false;
    }
    if (module == NULL || argument == NULL) {
        mm_raise(MM_EINVAL, "could not call a module: no %s given",
                 module == NULL ? "module" : "input");
        return false;
    }
    return true;
}

static mm_status returned_nothing(const mm_module *module)
{
    return mm_raise(MM_EINTERNAL, "forward of a %s returned nothing",
                    mm_module_type(module));
}

mm_tensor *mm_module_forward(mm_module *module, mm_tensor *x)
{
    if (!may_call(module, x)) {
        return NULL;
    }
    if (module->is_single_op && module->wraps == NULL) {
        return module->ops->forward(module->self, x);
    }
    mm_scope scope = mm_scope_open();
    mm_tensor *y = mmi_module_forward_bare(module, x);

    if (y == NULL) {
        mm_scope_close(scope);
        (void)returned_nothing(module);
        return NULL;
    }
    return mm_scope_close_with(scope, y, unref_tensor, ref_tensor);
}

static mm_value *call_through_forward(mm_module *module, mm_value *args)
{
    mm_tensor *x =
        mm_value_len(args) == 1 ? mm_value_find_tensor(mm_list_get(args, 0)) : NULL;

    if (module->ops->forward == NULL) {
        mm_raise(MM_EUNSUPPORTED, "a %s cannot be called", mm_module_type(module));
        return NULL;
    }
    if (x == NULL && !mm_has_error()) {
        mm_raise(MM_ETYPE,
                 "could not call a %s: it takes one tensor, not %zu arguments%s",
                 mm_module_type(module), mm_value_len(args),
                 mm_value_len(args) == 1 ? " of another kind" : "");
    }
    mm_tensor *y = x != NULL ? module->ops->forward(module->self, x) : NULL;

    return y != NULL ? mm_scoped(mm_value_new_tensor(y)) : NULL;
}

mm_value *mm_module_proceed(mm_inside inside, mm_module *module, mm_value *args)
{
    const mm_module_ops *ops = module->ops;

    if (inside.next != NULL) {
        return inside.next->around(inside.next->user, module,
                                   (mm_inside){inside.next->next, inside.is_forward},
                                   args);
    }
    if (ops->call == NULL || (inside.is_forward && ops->forward != NULL)) {
        return call_through_forward(module, args);
    }
    return ops->call(module->self, args);
}

mm_value *mm_module_call(mm_module *module, mm_value *args)
{
    if (!may_call(module, args)) {
        return NULL;
    }
    mm_scope scope = mm_scope_open();
    mm_value *result =
        mm_module_proceed((mm_inside){module->wraps, false}, module, args);

    if (result == NULL) {
        mm_scope_close(scope);
        (void)returned_nothing(module);
        return NULL;
    }
    return mm_scope_close_with(scope, result, unref_value, ref_value);
}

mm_value *mm_module_call1(mm_module *module, mm_value *arg)
{
    if (!may_call(module, arg)) {
        return NULL;
    }
    mm_value *args = mm_value_new_tuple();

    mm_list_append(args, arg);
    mm_value *result = mm_module_call(module, args);

    mm_value_unref(args);
    return result;
}

mm_status mm_module_wrap(mm_module *module, mm_around around, void *user,
                         void (*release)(void *user))
{
    struct mm_wrap *wrap = NULL;

    if (module == NULL || around == NULL) {
        mm_raise(MM_EINVAL, "could not wrap a module: no %s given",
                 module == NULL ? "module" : "function");
    } else {
        wrap = mm_alloc(sizeof(*wrap));
    }
    if (wrap == NULL) {
        if (release != NULL) {
            release(user);
        }
        return mm_pending();
    }
    *wrap = (struct mm_wrap){around, user, release, module->wraps};
    module->wraps = wrap;
    return MM_OK;
}

bool mm_module_unwrap(mm_module *module, mm_around around, const void *user)
{
    struct mm_wrap **at = &module->wraps;

    while (*at != NULL && ((*at)->around != around || (*at)->user != user)) {
        at = &(*at)->next;
    }
    if (*at == NULL) {
        return false;
    }
    pop_wrap(at);
    return true;
}

/* --- modes --- */

mm_status mm_module_train(mm_module *module, bool training)
{
    if (mm_has_error()) {
        return mm_pending();
    }
    module->training = training;
    for (size_t i = 0; i < module->num_children; i++) {
        mm_module_train(module->children[i].module, training);
    }
    if (module->ops->mode_changed != NULL) {
        module->ops->mode_changed(module->self, training);
    }
    return mm_pending();
}

bool mm_module_is_training(const mm_module *module)
{
    return module->training;
}

const char *mm_module_device(const mm_module *module)
{
    return module->device;
}

mm_status mm_module_set_init_cfg(mm_module *module, mm_value *init_cfg)
{
    if (mm_has_error()) {
        return mm_pending();
    }
    mm_value *kept = NULL;

    if (!mm_value_is_none(init_cfg)) {
        kept = mm_value_copy(init_cfg);
        mm_value_freeze(kept);
    }
    if (!mm_has_error()) {
        mm_value_unref(module->init_cfg);
        module->init_cfg = kept;
        module->has_init_cfg = true;
    }
    return mm_pending();
}

mm_status mm_module_default_init_cfg(mm_module *module, mm_value *init_cfg)
{
    return module->has_init_cfg ? mm_pending()
                                : mm_module_set_init_cfg(module, init_cfg);
}

mm_value *mm_module_init_cfg(const mm_module *module)
{
    return module->init_cfg;
}
