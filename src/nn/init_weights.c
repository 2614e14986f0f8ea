/* BaseModule.init_weights: the init_cfg of a module, then its children, then weights
 * from a file, then what the component adds. The outermost call keeps, per parameter,
 * who changed it last, told by a change of its mean as MMEngine tells it, and logs
 * that. */
#include "nn/layer.h"

#include <stdio.h>
#include <string.h>

#include "mmengine/log.h"
#include "mmengine/memory.h"
#include "nn/walk.h"

/* Class names with direct bases whose names an init_cfg's `layer` may use. All other
 * layers derive from "Module" directly. */
static const struct {
    const char *type;
    const char *base;
} bases[] = {
    {"Conv1d", "_ConvNd"},          {"Conv2d", "_ConvNd"},
    {"Conv3d", "_ConvNd"},          {"ConvTranspose2d", "_ConvTransposeNd"},
    {"BatchNorm1d", "_BatchNorm"},  {"BatchNorm2d", "_BatchNorm"},
    {"BatchNorm3d", "_BatchNorm"},  {"SyncBatchNorm", "_BatchNorm"},
    {"_BatchNormXd", "_BatchNorm"}, {"ReLU6", "Hardtanh"},
    {"Dropout", "_DropoutNd"},      {"Dropout1d", "_DropoutNd"},
    {"Dropout2d", "_DropoutNd"},    {"Dropout3d", "_DropoutNd"},
    {"AlphaDropout", "_DropoutNd"}, {NULL, NULL},
};

bool mmi_module_is_layer(const mm_module *module, const char *layer)
{
    const char *type = mm_module_type(module);

    if (strcmp(type, layer) == 0) {
        return true;
    }
    for (int i = 0; bases[i].type != NULL; i++) {
        if (strcmp(bases[i].type, type) == 0) {
            return strcmp(bases[i].base, layer) == 0;
        }
    }
    return false;
}

/* --- provenance --- */

/* The mean, or of a large tensor in host memory the mean of every n-th element: it only
 * has to tell whether values were drawn anew. */
static double mean_of(mm_tensor *tensor)
{
    enum { SAMPLES = 16384 };
    mm_tensor_info info;
    double sum = 0.0;

    if (mm_tensor_info_get(tensor, &info) != MM_OK) {
        return 0.0;
    }
    if (!info.is_cpu || !info.is_contiguous || info.dtype != MM_DTYPE_F32 ||
        info.numel == 0) {
        mm_scope scope = mm_scope_open();

        sum = mm_item(mm_mean(tensor));
        mm_scope_close(scope);
        return sum;
    }
    int64_t step = (info.numel > SAMPLES ? info.numel / SAMPLES : 1) | 1;

    for (int64_t i = 0; i < info.numel; i += step) {
        sum += (double)((const float *)info.data)[i];
    }
    return sum / (double)info.numel;
}

/* Says `info` of every parameter below `module` whose mean has changed. */
static mm_status note_module(struct mmi_walk *walk, mm_module *module)
{
    const char *info = walk->user;

    for (size_t i = 0; i < module->params.count && !mm_has_error(); i++) {
        struct mmi_slot *slot = &module->params.items[i];

        if (slot->tensor == NULL || slot->init_info == NULL) {
            continue;
        }
        double mean = mean_of(slot->tensor);

        if (mean != slot->init_mean) { /* NaN is a change, as in Python */
            mm_free(slot->init_info);
            slot->init_info = mm_strdup(info);
            slot->init_mean = mean;
        }
    }
    return mm_pending();
}

static mm_status note(mm_module *module, const char *info)
{
    if (!module->in_init) {
        return mm_pending();
    }
    bool recorded = mm_grad_mode_set(false);
    mm_status status = mmi_walk(&(struct mmi_walk){.visit = note_module,
                                                   .user = (void *)(uintptr_t)info,
                                                   .unique = true},
                                module);

    mm_grad_mode_set(recorded);
    return status;
}

static mm_status begin_module(struct mmi_walk *walk, mm_module *module)
{
    module->in_init = true;
    for (size_t i = 0; i < module->params.count && !mm_has_error(); i++) {
        struct mmi_slot *slot = &module->params.items[i];

        if (slot->tensor == NULL) {
            continue;
        }
        slot->init_mean = mean_of(slot->tensor);
        mm_free(slot->init_info);
        slot->init_info = mm_strfmt("The value is the same before and after calling "
                                    "`init_weights` of %s ",
                                    (const char *)walk->user);
    }
    return mm_pending();
}

/* Works while an error is pending. */
static void end_tree(mm_module *module)
{
    module->in_init = false;
    for (size_t i = 0; i < module->params.count; i++) {
        mm_free(module->params.items[i].init_info);
        module->params.items[i].init_info = NULL;
    }
    for (size_t i = 0; i < module->num_children; i++) {
        end_tree(module->children[i].module);
    }
}

static mm_status dump_module(struct mmi_walk *walk, mm_module *module)
{
    mmi_str *text = walk->user;
    mm_tensor_info info;

    for (size_t i = 0; i < module->params.count && !mm_has_error(); i++) {
        const struct mmi_slot *slot = &module->params.items[i];

        if (slot->init_info == NULL ||
            mm_tensor_info_get(slot->tensor, &info) != MM_OK) {
            continue;
        }
        mmi_str_addf(text, "\n%s%s%s - torch.Size([", walk->path,
                     walk->size > 0 ? "." : "", slot->name);
        for (int k = 0; k < info.ndim; k++) {
            mmi_str_add(text, k > 0 ? ", " : "");
            mmi_str_add_i64(text, info.sizes[k]);
        }
        mmi_str_addf(text, "]): \n%s \n", slot->init_info);
    }
    return mm_pending();
}

static mm_status dump(mm_module *module)
{
    mmi_str text = {0};

    mmi_str_add(&text, "Name of parameter - Initialization information\n");
    if (mmi_walk(
            &(struct mmi_walk){.visit = dump_module, .user = &text, .unique = true},
            module) == MM_OK) {
        mm_logger_write(NULL, mmi_str_text(&text));
    }
    mmi_str_deinit(&text);
    return mm_pending();
}

/* --- one initialiser --- */

static bool is_matched(const mm_module *module, const mm_base_initializer *base)
{
    for (size_t i = 0; i < base->layer.count; i++) {
        if (mmi_module_is_layer(module, base->layer.data[i])) {
            return true;
        }
    }
    return false;
}

struct use {
    const mm_initializer_ops *ops;
    void *self;
    bool whole; /* under `override`: every module, whatever `layer` says */
};

/* Children first, as torch.nn.Module.apply. */
static mm_status apply_from(const struct use *use, mm_module *module)
{
    for (size_t i = 0; i < module->num_children && !mm_has_error(); i++) {
        apply_from(use, module->children[i].module);
    }
    if (!mm_has_error() && (use->whole || is_matched(module, use->self))) {
        use->ops->apply(use->self, module);
    }
    return mm_pending();
}

static mm_status apply(const struct use *use, mm_module *module,
                       const mm_component *component)
{
    if (use->ops->apply_tree != NULL) {
        use->ops->apply_tree(use->self, module);
    } else {
        apply_from(use, module);
    }
    char *info = use->ops->describe != NULL ? use->ops->describe(use->self)
                                            : mm_strdup(component->name);

    note(module, info != NULL ? info : component->name);
    mm_free(info);
    return mm_pending();
}

static mm_status initialize_with(mm_module *module, mm_value *config, bool whole)
{
    mm_instance *instance = mm_build(&(const mm_build_args){
        .registry = "weight_initializers",
        .config = config,
        .scope = mm_instance_scope(module->instance),
        .path = "init_cfg",
        .interface = MM_INTERFACE_INITIALIZER,
    });

    if (instance == NULL) {
        return mm_pending();
    }
    bool recorded = mm_grad_mode_set(false);

    apply(&(struct use){mm_instance_ops(instance, MM_INTERFACE_INITIALIZER),
                        mm_instance_self(instance), whole},
          module, mm_instance_component(instance));
    mm_grad_mode_set(recorded);
    mm_instance_unref(instance);
    return mm_pending();
}

/* --- override --- */

static mm_status raise_override(const char *what, const mm_value *config)
{
    char *repr = mm_value_repr(config);

    mm_raise(MM_ECONFIG, "an override of an init_cfg %s: %s", what,
             repr != NULL ? repr : "?");
    mm_free(repr);
    return mm_pending();
}

/* With nothing but a name, it takes over the settings around it. */
static mm_status override_one(mm_module *module, const mm_value *override,
                              const mm_value *outer)
{
    if (mm_value_kind(override) != MM_KIND_DICT) {
        return raise_override("must be a dict", override);
    }
    const mm_value *name = mm_dict_find(override, "name");

    if (mm_value_kind(name) != MM_KIND_STR) {
        return raise_override("needs a 'name'", override);
    }
    bool only_name = mm_value_len(override) == 1;

    if (!only_name && !mm_dict_has(override, "type")) {
        return raise_override("needs a 'type'", override);
    }
    mm_module *part = mm_module_find(module, mm_value_str(name));

    if (part == NULL) {
        return mm_raise(MM_ECONFIG,
                        "an override of an init_cfg names '%s', which a %s "
                        "does not have",
                        mm_value_str(name), mm_module_type(module));
    }
    mm_value *config = mm_value_copy(only_name ? outer : override);

    mm_dict_remove(config, "name");
    initialize_with(part, config, true);
    mm_value_unref(config);
    return mm_pending();
}

static mm_status override_all(mm_module *module, mm_value *override,
                              const mm_value *config)
{
    mm_kind kind = mm_value_kind(override);

    if (kind == MM_KIND_DICT) {
        return override_one(module, override, config);
    }
    if (kind != MM_KIND_LIST && kind != MM_KIND_TUPLE) {
        return raise_override("must be a dict or a list of dicts", override);
    }
    for (size_t i = 0; i < mm_value_len(override) && !mm_has_error(); i++) {
        override_one(module, mm_list_get(override, i), config);
    }
    return mm_pending();
}

static mm_status initialize_one(mm_module *module, const mm_value *config)
{
    if (mm_value_kind(config) != MM_KIND_DICT) {
        return mm_raise(MM_ETYPE,
                        "an init_cfg must be a dict or a list of dicts, got %s",
                        mm_value_type_name(config));
    }
    mm_value *copy = mm_value_copy(config);
    mm_value *override = mm_value_ref(mm_dict_find(copy, "override"));

    mm_dict_remove(copy, "override");
    mm_value *inner = mm_value_copy(copy); /* building freezes its config */

    initialize_with(module, copy, false);
    if (!mm_value_is_none(override) && !mm_has_error()) {
        mm_dict_remove(inner, "layer");
        override_all(module, override, inner);
    }
    mm_value_unref(override);
    mm_value_unref(inner);
    mm_value_unref(copy);
    return mm_pending();
}

/* The i-th config of an init_cfg that is a dict or a list; NULL behind the last. */
static mm_value *config_at(mm_value *init_cfg, size_t index)
{
    mm_kind kind = mm_value_kind(init_cfg);

    if (kind == MM_KIND_LIST || kind == MM_KIND_TUPLE) {
        return index < mm_value_len(init_cfg) ? mm_list_get(init_cfg, index) : NULL;
    }
    return index == 0 ? init_cfg : NULL;
}

static bool is_pretrained(const mm_value *config)
{
    const mm_value *type =
        mm_value_kind(config) == MM_KIND_DICT ? mm_dict_find(config, "type") : NULL;

    return mm_value_kind(type) == MM_KIND_STR &&
           (strcmp(mm_value_str(type), "Pretrained") == 0 ||
            strcmp(mm_value_str(type), "PretrainedInit") == 0);
}

mm_status mm_initialize(mm_module *module, mm_value *init_cfg)
{
    if (mm_has_error()) {
        return mm_pending();
    }
    if (module == NULL || mm_value_is_none(init_cfg)) {
        return mm_raise(MM_EINVAL, "could not initialise a module: no %s given",
                        module == NULL ? "module" : "init_cfg");
    }
    mm_value *config = NULL;

    for (size_t i = 0; (config = config_at(init_cfg, i)) != NULL && !mm_has_error();
         i++) {
        initialize_one(module, config);
    }
    return mm_pending();
}

/* --- the tree --- */

static mm_status run_init_cfg(mm_module *module, bool pretrained)
{
    mm_value *config = NULL;

    for (size_t i = 0; !mm_value_is_none(module->init_cfg) && !mm_has_error() &&
                       (config = config_at(module->init_cfg, i)) != NULL;
         i++) {
        if (is_pretrained(config) == pretrained) {
            initialize_one(module, config);
        }
    }
    return mm_pending();
}

static mm_status init_tree(mm_module *module)
{
    run_init_cfg(module, false);
    for (size_t i = 0; i < module->num_children && !mm_has_error(); i++) {
        mm_module *child = module->children[i].module;
        char info[160];

        if (child->is_init || child->is_plain) {
            continue;
        }
        init_tree(child);
        (void)snprintf(info, sizeof(info),
                       "Initialized by user-defined `init_weights` in %s ",
                       mm_module_type(child));
        if (child->ops->init_weights != NULL) { /* nothing else goes unnoticed */
            note(child, info);
        }
    }
    run_init_cfg(module, true);
    module->is_init = true;
    if (!mm_has_error() && module->ops->init_weights != NULL) {
        module->ops->init_weights(module->self);
    }
    if (mm_has_error()) {
        mm_error_frame("while initialising a %s", mm_module_type(module));
    }
    return mm_pending();
}

static mm_status init_top(mm_module *module)
{
    bool recorded = mm_grad_mode_set(false);
    mm_scope scope = mm_scope_open();

    mmi_walk(&(struct mmi_walk){.visit = begin_module,
                                .user = (void *)(uintptr_t)mm_module_type(module),
                                .unique = true},
             module);
    if (!mm_has_error() && init_tree(module) == MM_OK) {
        dump(module);
    }
    end_tree(module);
    mm_scope_close(scope);
    mm_grad_mode_set(recorded);
    return mm_pending();
}

mm_status mm_module_init_weights(mm_module *module)
{
    if (mm_has_error()) {
        return mm_pending();
    }
    if (module == NULL) {
        return mm_raise(MM_EINVAL, "could not initialise weights: no module given");
    }
    if (module->is_init) {
        mm_log(MM_LOG_WARN, "init_weights of %s has been called more than once.",
               mm_module_type(module));
        return MM_OK;
    }
    return module->in_init ? init_tree(module) : init_top(module);
}
