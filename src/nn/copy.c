/* Copies of modules. A component's struct may hold anything, so it is not copied byte
 * by byte: the component is made anew from the same config or fields, then brought in
 * line with the original's shell (children added or replaced later, tensors, modes).
 * Making modules draws weights; the generator is put back afterwards. */
#include "nn/module.h"

#include <string.h>

#include "mmengine/memory.h"
#include "mmengine/ops.h"

static mm_module *copy_module(mm_module *module);

static size_t option_size(const mm_option *option)
{
    bool nullable = (option->flags & MM_OPTION_NULLABLE) != 0;

    switch (option->kind) {
    case MM_OPTION_BOOL:
        return sizeof(bool);
    case MM_OPTION_I64:
        return nullable ? sizeof(mm_maybe_i64) : sizeof(int64_t);
    case MM_OPTION_F64:
        return nullable ? sizeof(mm_maybe_f64) : sizeof(double);
    case MM_OPTION_STR:
        return sizeof(const char *);
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
    case MM_OPTION_VALUE:
    case MM_OPTION_REST:
        return sizeof(mm_value *);
    default:
        return 0; /* nested components are copied as modules */
    }
}

/* Fields that C code set: they belong to whoever set them and are shared. */
static void copy_fields(char *to, const char *from, const mm_option *table)
{
    for (const mm_option *row = table; row != NULL && row->name != NULL; row++) {
        if (row->kind == MM_OPTION_INHERIT) {
            copy_fields(to + row->offset, from + row->offset, row->u.inherited);
        } else if (row->kind == MM_OPTION_BUILD) {
            mm_instance *nested = NULL;

            memcpy(&nested, from + row->offset, sizeof(nested));
            if (nested != NULL && mm_instance_is(nested, MM_INTERFACE_MODULE)) {
                mm_module *inner = copy_module(mm_module_of_instance(nested));

                nested = inner != NULL ? mm_module_instance(inner) : NULL;
                memcpy(to + row->offset, &nested, sizeof(nested));
            }
        } else {
            memcpy(to + row->offset, from + row->offset, option_size(row));
        }
    }
}

static mm_module *make_like(const mm_module *module)
{
    const mm_component *component = mm_instance_component(module->instance);
    mm_value *config = mm_instance_config(module->instance);

    if (config != NULL) {
        mm_instance *instance = mm_build(&(const mm_build_args){
            .registry = component->registry,
            .config = config,
            .scope = mm_instance_scope(module->instance),
            .default_type = component->name,
        });

        return instance != NULL ? mm_module_of_instance(instance) : NULL;
    }
    mm_instance *instance = mm_instance_new(component);

    if (instance != NULL) {
        copy_fields(mm_instance_self(instance), module->self, component->options);
    }
    return mm_module_start(instance);
}

/* Brings a freshly made slot in line with the original's. */
static void match_slot(mm_module *copy, const struct mmi_slot *from, bool is_param)
{
    struct mmi_slots *slots = is_param ? &copy->params : &copy->buffers;
    struct mmi_slot *slot = mmi_slot_find(slots, from->name);
    mm_scope scope = mm_scope_open();
    mm_tensor *tensor = from->tensor != NULL ? mm_clone(from->tensor) : NULL;
    mm_tensor_info info = {0};

    if (slot == NULL) { /* added by hand after init */
        if (is_param) {
            mm_module_add_param(copy, from->name, tensor);
        } else {
            mm_module_add_buffer(copy, from->name, tensor, from->persistent);
        }
    } else if (tensor != NULL && slot->tensor != NULL) {
        mm_set_data_(slot->tensor, tensor);
    }
    slot = mmi_slot_find(slots, from->name);
    if (slot != NULL && slot->tensor != NULL && from->tensor != NULL &&
        mm_tensor_info_get(from->tensor, &info) == MM_OK && is_param) {
        mm_set_requires_grad(slot->tensor, info.requires_grad);
    }
    mm_scope_close(scope);
}

static bool same_component(const mm_module *a, const mm_module *b)
{
    return mm_instance_component(a->instance) == mm_instance_component(b->instance);
}

static void match_tree(mm_module *copy, mm_module *module)
{
    for (size_t i = 0; i < module->params.count && !mm_has_error(); i++) {
        match_slot(copy, &module->params.items[i], true);
    }
    for (size_t i = 0; i < module->buffers.count && !mm_has_error(); i++) {
        match_slot(copy, &module->buffers.items[i], false);
    }
    for (size_t i = 0; i < module->num_children && !mm_has_error(); i++) {
        const struct mmi_child *from = &module->children[i];
        mm_module *to = mm_module_find(copy, from->name);

        if (to == NULL) {
            mm_module_add(copy, from->name, copy_module(from->module));
        } else if (!same_component(to, from->module)) {
            mm_module_replace(copy, from->name, copy_module(from->module));
        } else {
            match_tree(to, from->module);
        }
    }
    copy->training = module->training;
    copy->type = module->type;
    copy->is_init = module->is_init;
    copy->is_plain = module->is_plain;
    memcpy(copy->device, module->device, sizeof(copy->device));
    mm_value_unref(copy->init_cfg);
    copy->init_cfg = mm_value_ref(module->init_cfg);
    copy->has_init_cfg = module->has_init_cfg;
}

static mm_module *copy_module(mm_module *module)
{
    mm_module *copy = module != NULL ? make_like(module) : NULL;

    if (copy != NULL) {
        match_tree(copy, module);
    }
    if (mm_has_error()) {
        mm_module_unref(copy);
        return NULL;
    }
    return copy;
}

mm_module *mm_module_copy(mm_module *module)
{
    if (mm_has_error()) {
        return NULL;
    }
    if (module == NULL) {
        mm_raise(MM_EINVAL, "could not copy a module: none given");
        return NULL;
    }
    mm_scope scope = mm_scope_open();
    bool recorded = mm_grad_mode_set(false);
    mm_tensor *state = mm_rng_state("cpu");
    mm_module *copy = copy_module(module);

    mm_rng_set_state("cpu", state);
    mm_grad_mode_set(recorded);
    mm_scope_close(scope);
    if (mm_has_error()) {
        mm_module_unref(copy);
        return NULL;
    }
    return copy;
}
