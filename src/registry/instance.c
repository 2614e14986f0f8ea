/* Instances: a counted header with the component's struct behind it, so that the `self`
 * of init and ops leads back to the instance. What reading options allocates hangs on
 * the header and goes with it. */
#include "registry/instance.h"

#include <stdalign.h>
#include <string.h>

#include "mmengine/memory.h"
#include "mmengine/scope.h"
#include "registry/registry.h"

enum {
    MAGIC = 0x6d6d6969,
    ALIGN = alignof(max_align_t),
    HEADER = (sizeof(struct mm_instance) + ALIGN - 1) / ALIGN * ALIGN
};

/* Memory of an instance: a chain of blocks, the bytes behind each. */
struct mmi_block {
    alignas(max_align_t) struct mmi_block *next;
};

/* A value that an instance owns. */
struct mmi_kept {
    struct mmi_kept *next;
    mm_value *value;
};

static atomic_llong live_instances;

/* The innermost instance whose init runs on this thread. */
static MM_THREAD_LOCAL mm_instance *starting;

int64_t mm_live_instances(void)
{
    return atomic_load(&live_instances);
}

const char *mmi_current_scope(void)
{
    return starting != NULL ? starting->scope : NULL;
}

mm_instance *mmi_instance_alloc(const mm_component *component, mm_value *config,
                                const char *scope)
{
    if (mm_has_error()) {
        return NULL;
    }
    mm_instance *instance = mm_alloc(HEADER + component->size);

    if (instance == NULL) {
        return NULL;
    }
    instance->magic = MAGIC;
    atomic_init(&instance->refs, 1);
    instance->component = component;
    instance->config = mm_value_ref(config);
    atomic_fetch_add(&live_instances, 1);
    if (scope != NULL) {
        char *copy = mmi_instance_memory(instance, strlen(scope) + 1);

        if (copy == NULL) {
            mm_instance_unref(instance);
            return NULL;
        }
        memcpy(copy, scope, strlen(scope));
        instance->scope = copy;
    }
    return instance;
}

void *mmi_instance_memory(mm_instance *instance, size_t size)
{
    struct mmi_block *block = mm_alloc(sizeof(*block) + size);

    if (block == NULL) {
        return NULL;
    }
    block->next = instance->blocks;
    instance->blocks = block;
    return block + 1;
}

mm_status mmi_instance_keep(mm_instance *instance, MM_TAKES mm_value *value)
{
    struct mmi_kept *kept =
        value != NULL ? mmi_instance_memory(instance, sizeof(*kept)) : NULL;

    if (kept == NULL) {
        mm_value_unref(value);
        return mm_pending();
    }
    kept->value = value;
    kept->next = instance->kept;
    instance->kept = kept;
    return MM_OK;
}

mm_instance *mm_instance_new(const mm_component *component)
{
    if (!mm_has_error() && component == NULL) {
        mm_raise(MM_EINVAL, "could not make an instance: component is NULL");
    }
    mm_instance *instance = mmi_instance_alloc(component, NULL, NULL);

    if (instance != NULL && mmi_options_default(instance) != MM_OK) {
        mm_instance_unref(instance);
        return NULL;
    }
    return instance;
}

mm_status mm_instance_start(mm_instance *instance)
{
    if (mm_has_error()) {
        return mm_pending();
    }
    if (instance == NULL) {
        return mm_raise(MM_EINVAL, "could not start an instance: it is NULL");
    }
    if (instance->is_started) {
        return mm_raise(MM_ESTATE, "could not start '%s' twice",
                        instance->component->name);
    }
    instance->is_started = true;
    if (instance->component->init == NULL) {
        return MM_OK;
    }
    mm_instance *outer = starting;
    mm_scope scope = mm_scope_open(); /* init may make tensors */

    starting = instance;
    mm_status status = instance->component->init(mm_instance_self(instance));

    starting = outer;
    mm_scope_close(scope);
    return status < 0 ? status : mm_pending();
}

mm_instance *mm_instance_ref(mm_instance *instance)
{
    if (instance != NULL) {
        atomic_fetch_add_explicit(&instance->refs, 1, memory_order_relaxed);
    }
    return instance;
}

static void release_field(mm_instance *instance, const mm_option *option, size_t offset)
{
    char *field = (char *)mm_instance_self(instance) + offset;

    if (option->kind == MM_OPTION_BUILD) {
        mm_instance_unref(*(mm_instance **)(void *)field);
    } else {
        const mm_instances *nested = (const mm_instances *)(const void *)field;

        for (size_t i = 0; i < nested->count; i++) {
            mm_instance_unref(nested->data[i]);
        }
    }
}

/* All rows, also those that an outer table names again: each has a field of its own or
 * shares one, which must not be released twice. */
static void release_nested(mm_instance *instance, const mm_option *table, size_t base)
{
    for (const mm_option *option = table; option != NULL && option->name != NULL;
         option++) {
        size_t offset = base + option->offset;

        if (option->kind == MM_OPTION_INHERIT) {
            release_nested(instance, option->u.inherited, offset);
        } else if (option->kind == MM_OPTION_BUILD ||
                   option->kind == MM_OPTION_BUILDS) {
            char *field = (char *)mm_instance_self(instance) + offset;

            release_field(instance, option, offset);
            memset(field, 0,
                   option->kind == MM_OPTION_BUILD ? sizeof(mm_instance *)
                                                   : sizeof(mm_instances));
        }
    }
}

static void release_owned(mm_instance *instance)
{
    for (struct mmi_kept *kept = instance->kept; kept != NULL; kept = kept->next) {
        mm_value_unref(kept->value);
    }
    while (instance->blocks != NULL) {
        struct mmi_block *next = instance->blocks->next;

        mm_free(instance->blocks);
        instance->blocks = next;
    }
    mm_value_unref(instance->config);
}

void mm_instance_unref(mm_instance *instance)
{
    if (instance == NULL ||
        atomic_fetch_sub_explicit(&instance->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    if (instance->shell != NULL && instance->free_shell != NULL) {
        instance->free_shell(instance->shell);
    }
    instance->shell = NULL;
    if (instance->is_started && instance->component->deinit != NULL) {
        instance->component->deinit(mm_instance_self(instance));
    }
    release_nested(instance, instance->component->options, 0);
    release_owned(instance);
    instance->magic = 0;
    mm_free(instance);
    atomic_fetch_sub(&live_instances, 1);
}

void *mm_instance_self(const mm_instance *instance)
{
    return instance != NULL ? (char *)(uintptr_t)instance + HEADER : NULL;
}

mm_instance *mm_instance_of(const void *self)
{
    if (self == NULL) {
        return NULL;
    }
    mm_instance *instance = (mm_instance *)(void *)((char *)(uintptr_t)self - HEADER);

    MM_ASSERT(instance->magic == MAGIC);
    return instance;
}

const mm_component *mm_instance_component(const mm_instance *instance)
{
    return instance != NULL ? instance->component : NULL;
}

mm_value *mm_instance_config(const mm_instance *instance)
{
    return instance != NULL ? instance->config : NULL;
}

const char *mm_instance_scope(const mm_instance *instance)
{
    return instance != NULL ? instance->scope : NULL;
}

void mm_instance_attach(mm_instance *instance, void *shell, void (*free_shell)(void *))
{
    MM_ASSERT(instance != NULL && instance->shell == NULL);
    instance->shell = shell;
    instance->free_shell = free_shell;
}

void *mm_instance_shell(const mm_instance *instance)
{
    return instance != NULL ? instance->shell : NULL;
}

/* --- interfaces --- */

static const char *const interface_names[] = {
    "plain component", "hook",        "module",      "model",
    "preprocessor",    "initializer", "dataset",     "transform",
    "sampler",         "collate",     "optimizer",   "optim wrapper",
    "param scheduler", "metric",      "evaluator",   "loop",
    "log processor",   "visualizer",  "vis backend", "optim wrapper constructor",
    "averaged model",  "tta model",
};

const char *mmi_interface_name(mm_interface_id interface)
{
    size_t count = sizeof(interface_names) / sizeof(interface_names[0]);

    return (size_t)interface < count ? interface_names[interface] : "component";
}

bool mmi_interface_fits(mm_interface_id has, mm_interface_id wanted)
{
    if (wanted == MM_INTERFACE_NONE || has == wanted) {
        return true;
    }
    if (wanted == MM_INTERFACE_MODEL) {
        return has == MM_INTERFACE_TTA_MODEL;
    }
    return wanted == MM_INTERFACE_MODULE &&
           (has == MM_INTERFACE_MODEL || has == MM_INTERFACE_PREPROCESSOR ||
            has == MM_INTERFACE_AVERAGED_MODEL || has == MM_INTERFACE_TTA_MODEL);
}

bool mm_instance_is(const mm_instance *instance, mm_interface_id interface)
{
    return instance != NULL &&
           mmi_interface_fits(instance->component->interface, interface);
}

const void *mm_instance_ops(const mm_instance *instance, mm_interface_id interface)
{
    if (mm_has_error()) {
        return NULL;
    }
    if (instance == NULL) {
        mm_raise(MM_EINVAL, "could not use an instance as %s: it is NULL",
                 mmi_interface_name(interface));
        return NULL;
    }
    if (!mm_instance_is(instance, interface)) {
        mm_raise(MM_ETYPE, "could not use '%s' as %s: it is a %s",
                 instance->component->name, mmi_interface_name(interface),
                 mmi_interface_name(instance->component->interface));
        return NULL;
    }
    return instance->component->ops;
}

/* --- instances as values --- */

static void object_ref(void *object)
{
    (void)mm_instance_ref(object);
}

static void object_unref(void *object)
{
    mm_instance_unref(object);
}

static char *object_print(const void *object)
{
    const mm_instance *instance = object;

    return mm_strfmt("<%s>", instance->component->name);
}

const mm_object_ops mm_instance_object = {
    .name = "instance",
    .ref = object_ref,
    .unref = object_unref,
    .print = object_print,
};

mm_value *mm_value_new_instance(mm_instance *instance)
{
    if (!mm_has_error() && instance == NULL) {
        mm_raise(MM_EINVAL, "could not make a value of an instance: it is NULL");
    }
    return mm_has_error() ? NULL : mm_value_new_object(instance, &mm_instance_object);
}

mm_instance *mm_value_find_instance(const mm_value *value)
{
    return mm_value_kind(value) == MM_KIND_OBJECT
               ? mm_value_find_object(value, &mm_instance_object)
               : NULL;
}
