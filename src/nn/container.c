/* Containers. Sequential passes its input through its children and lets go of each
 * intermediate result as soon as the next one is there. */
#include "nn/layer.h"

#include <inttypes.h>
#include <stdio.h>

struct container {
    mm_instances modules;    /* from a config */
    mm_value *named_modules; /* ModuleDict: name -> config */
    mm_module *module;       /* its own */
};

mm_module *mm_nn_append(mm_module *container, mm_module *module)
{
    char name[24];

    (void)snprintf(name, sizeof(name), "%zu",
                   container != NULL ? mm_module_num_children(container) : 0);
    return mm_module_add(container, name, module);
}

mm_module *mm_nn_plain(mm_module *container)
{
    if (container != NULL) {
        container->is_plain = true;
    }
    return container;
}

static mm_status container_init(void *self)
{
    struct container *container = self;

    container->module = mm_module_of(self);
    for (size_t i = 0; i < container->modules.count && !mm_has_error(); i++) {
        mm_module *child = mm_module_of_instance(container->modules.data[i]);

        mm_nn_append(container->module, mm_module_ref(child));
    }
    return mm_pending();
}

static mm_status module_dict_init(void *self)
{
    struct container *container = self;
    mm_value *configs = container->named_modules;

    container->module = mm_module_of(self);
    if (configs == NULL) {
        return mm_pending();
    }
    if (mm_value_kind(configs) != MM_KIND_DICT) {
        return mm_raise(MM_ETYPE, "modules of a ModuleDict must be a dict, got %s",
                        mm_value_type_name(configs));
    }
    for (size_t i = 0; i < mm_value_len(configs) && !mm_has_error(); i++) {
        const char *name = mm_dict_name_at(configs, i);

        mm_module_add(container->module, name,
                      mm_module_build(mm_dict_at(configs, i), NULL, name));
    }
    return mm_pending();
}

/* Each child runs in a scope of its own; only its result outlives that scope, and only
 * until the next child has made its own. */
static mm_tensor *sequential_forward(void *self, mm_tensor *x)
{
    const struct container *container = self;
    const mm_module *module = container->module;
    mm_tensor *kept = NULL;

    for (size_t i = 0; i < module->num_children; i++) {
        mm_scope scope = mm_scope_open();
        mm_tensor *y = mm_keep(mmi_module_forward_bare(module->children[i].module,
                                                       kept != NULL ? kept : x));

        mm_scope_close(scope);
        mm_tensor_unref(kept);
        kept = y;
        if (y == NULL) {
            mm_error_frame("in module '%s' (%s)", module->children[i].name,
                           mm_module_type(module->children[i].module));
            return NULL;
        }
    }
    return kept != NULL ? mm_tensor_scoped(kept) : x;
}

static mm_value *sequential_call(void *self, mm_value *args)
{
    const struct container *container = self;
    const mm_module *module = container->module;

    if (mm_value_len(args) != 1) {
        mm_raise(MM_EINVAL, "could not call a Sequential: it takes one input, not %zu",
                 mm_value_len(args));
        return NULL;
    }
    mm_value *kept = mm_value_ref(mm_list_get(args, 0));

    for (size_t i = 0; i < module->num_children && kept != NULL; i++) {
        mm_scope scope = mm_scope_open();
        mm_value *y = mm_value_ref(mm_module_call1(module->children[i].module, kept));

        mm_scope_close(scope);
        mm_value_unref(kept);
        kept = y;
    }
    return mm_scoped(kept);
}

static const mm_module_ops sequential_ops = {.forward = sequential_forward,
                                             .call = sequential_call};
static const mm_module_ops holder_ops = {0};

#define MM_OPT_STRUCT struct container
static const mm_option list_options[] = {
    {"modules", "configs of the children, in order", MM_OPT_BUILDS(modules, "models")},
    {0},
};
static const mm_option dict_options[] = {
    {"modules", "dict: name of a child -> its config", MM_OPT_VALUE(named_modules)},
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmi_nn_sequential = {
    .registry = "models",
    .name = "Sequential",
    .help = "runs modules one after the other; a list of configs means this",
    .source = "mmengine.model.Sequential",
    .size = sizeof(struct container),
    .options = list_options,
    .init = container_init,
    MM_MODULE(&sequential_ops),
};

const mm_component mmi_nn_module_list = {
    .registry = "models",
    .name = "ModuleList",
    .help = "holds modules under numbers",
    .source = "mmengine.model.ModuleList",
    .size = sizeof(struct container),
    .options = list_options,
    .init = container_init,
    MM_MODULE(&holder_ops),
};

const mm_component mmi_nn_module_dict = {
    .registry = "models",
    .name = "ModuleDict",
    .help = "holds modules under names",
    .source = "mmengine.model.ModuleDict",
    .size = sizeof(struct container),
    .options = dict_options,
    .init = module_dict_init,
    MM_MODULE(&holder_ops),
};

mm_module *mm_nn_sequential_of(mm_module *const *modules, size_t count)
{
    mm_module *sequential = mm_module_new(&mmi_nn_sequential);

    for (size_t i = 0; i < count; i++) {
        if (sequential != NULL) {
            mm_nn_append(sequential, modules[i]);
        } else {
            mm_module_unref(modules[i]);
        }
    }
    if (mm_has_error()) {
        mm_module_unref(sequential);
        return NULL;
    }
    return sequential;
}
