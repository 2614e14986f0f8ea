/* Changes to all tensors of a tree: device, dtype, memory format, gradients. Handles
 * stay what they are; the memory behind them is exchanged, as `param.data = ...` does,
 * so optimizers and forward functions keep their pointers. */
#include "nn/walk.h"

#include <stdio.h>
#include <string.h>

#include "mmengine/ops.h"

struct target {
    const char *device; /* NULL: stay */
    mm_dtype dtype;     /* of floating tensors; NONE: unchanged */
    mm_memory_format format;
};

static mm_tensor *converted(mm_tensor *tensor, const struct target *target)
{
    bool cast =
        target->dtype != MM_DTYPE_NONE && mm_dtype_is_floating(mm_tensor_dtype(tensor));

    return mm_to(tensor, .device = target->device,
                 .dtype = cast ? target->dtype : MM_DTYPE_NONE,
                 .format = mm_ndim(tensor) == 4 ? target->format : MM_FORMAT_NONE);
}

static void convert_tensor(mm_tensor *tensor, const struct target *target)
{
    mm_tensor *moved = converted(tensor, target);
    mm_tensor *grad = mm_grad_find(tensor);

    if (moved != NULL && moved != tensor) {
        mm_set_data_(tensor, moved);
    }
    if (grad != NULL) {
        mm_tensor *moved_grad = converted(grad, target);

        if (moved_grad != NULL && moved_grad != grad) {
            mm_set_grad(tensor, moved_grad);
        }
    }
}

static mm_status convert_slots(const struct mmi_slots *slots,
                               const struct target *target)
{
    for (size_t i = 0; i < slots->count && !mm_has_error(); i++) {
        if (slots->items[i].tensor == NULL) {
            continue;
        }
        mm_scope scope = mm_scope_open();

        convert_tensor(slots->items[i].tensor, target);
        mm_scope_close(scope);
        if (mm_has_error()) {
            mm_error_frame("while converting '%s'", slots->items[i].name);
        }
    }
    return mm_pending();
}

static mm_status convert_module(struct mmi_walk *walk, mm_module *module)
{
    const struct target *target = walk->user;

    if (convert_slots(&module->params, target) != MM_OK ||
        convert_slots(&module->buffers, target) != MM_OK) {
        return mm_pending();
    }
    if (target->device != NULL) {
        (void)snprintf(module->device, sizeof(module->device), "%s", target->device);
    }
    return MM_OK;
}

static mm_status convert(mm_module *module, const struct target *target)
{
    bool recorded = mm_grad_mode_set(false);
    mm_status status = mmi_walk(&(struct mmi_walk){.visit = convert_module,
                                                   .user = (void *)(uintptr_t)target,
                                                   .unique = true},
                                module);

    mm_grad_mode_set(recorded);
    return status;
}

mm_status mm_module_to(mm_module *module, const char *device, mm_dtype dtype)
{
    if (device != NULL && strlen(device) >= sizeof(module->device)) {
        return mm_raise(MM_EINVAL, "could not move a module: no device '%s'", device);
    }
    if (dtype != MM_DTYPE_NONE && !mm_dtype_is_floating(dtype)) {
        return mm_raise(MM_EDTYPE,
                        "could not convert a module to %s: only floating "
                        "dtypes",
                        mm_dtype_name(dtype));
    }
    return convert(module, &(struct target){.device = device, .dtype = dtype});
}

mm_status mm_module_channels_last(mm_module *module, bool on)
{
    return convert(module, &(struct target){.format = on ? MM_FORMAT_CHANNELS_LAST
                                                         : MM_FORMAT_CONTIGUOUS});
}

static mm_status set_requires_grad(void *user, const char *name, mm_tensor *tensor,
                                   mm_module *owner)
{
    const bool *value = user;

    (void)name;
    (void)owner;
    return mm_set_requires_grad(tensor, *value);
}

mm_status mm_module_requires_grad(mm_module *module, bool requires_grad)
{
    return mm_module_each_param(module, set_requires_grad, &requires_grad);
}
