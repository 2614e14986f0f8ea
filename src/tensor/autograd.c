/*
 * Gradients, recording modes, differentiable functions in C, mixed precision.
 */
#include "tensor/bridge.h"

mm_status mm_set_requires_grad(mm_tensor *leaf, bool requires_grad)
{
    const mmt_api *torch = mmi_torch_begin();

    if (torch != NULL && MMI_HAS(leaf)) {
        return torch->set_requires_grad(leaf, requires_grad);
    }
    return mm_pending();
}

mm_tensor *mm_grad_find(const mm_tensor *leaf)
{
    const mmt_api *torch = mmi_torch_begin();

    return torch != NULL && MMI_HAS(leaf) ? torch->grad_find(leaf) : NULL;
}

mm_status mm_set_grad(mm_tensor *leaf, mm_tensor *grad)
{
    const mmt_api *torch = mmi_torch_begin();

    if (torch != NULL && MMI_HAS(leaf)) {
        return torch->set_grad(leaf, grad);
    }
    return mm_pending();
}

mm_status mm_leaves_memory(mm_tensor *const *leaves, size_t count, bool writes,
                           mm_leaf_memory *out)
{
    const mmt_api *torch = mmi_torch_begin();

    if (torch == NULL || !MMI_HAS(leaves) || !MMI_HAS(out)) {
        return mm_pending();
    }
    for (size_t i = 0; i < count; i++) {
        if (!MMI_HAS_AS(leaves[i], "leaf")) {
            return mm_pending();
        }
    }
    return torch->leaves_memory(leaves, count, writes, out);
}

mm_status mm_leaves_drop_grads(mm_tensor *const *leaves, size_t count)
{
    const mmt_api *torch = mmi_torch_begin();

    if (torch == NULL || !MMI_HAS(leaves)) {
        return mm_pending();
    }
    for (size_t i = 0; i < count; i++) {
        if (!MMI_HAS_AS(leaves[i], "leaf")) {
            return mm_pending();
        }
    }
    return torch->leaves_drop_grads(leaves, count);
}

mm_status mm_backward(mm_tensor *root)
{
    return mm_backward_with(&root, NULL, 1, false, false);
}

mm_status mm_backward_with(mm_tensor *const *roots, mm_tensor *const *grads, int count,
                           bool retain_graph, bool create_graph)
{
    const mmt_api *torch = mmi_torch_begin();

    if (torch == NULL || !MMI_HAS(roots)) {
        return mm_pending();
    }
    for (int i = 0; i < count; i++) {
        if (!MMI_HAS_AS(roots[i], "root")) {
            return mm_pending();
        }
    }
    return torch->backward(roots, grads, count, retain_graph || create_graph,
                           create_graph);
}

/* These two work while an error is pending: they restore what a failing caller set. */
bool mm_grad_mode(void)
{
    const mmt_api *torch = atomic_load_explicit(&mmi_torch_table, memory_order_acquire);

    return torch == NULL || torch->grad_mode();
}

bool mm_grad_mode_set(bool enabled)
{
    const mmt_api *torch = atomic_load_explicit(&mmi_torch_table, memory_order_acquire);

    if (torch == NULL) {
        torch = mmi_torch_begin();
    }
    if (torch == NULL) {
        return true;
    }
    bool was_enabled = torch->grad_mode();
    torch->grad_mode_set(enabled);
    return was_enabled;
}

static bool is_complete(const mm_function *function)
{
    return MMI_HAS(function) && MMI_HAS_AS(function->name, "name") &&
           (function->forward != NULL ||
            mmi_raise_missing(function->name, "forward")) &&
           (function->backward != NULL ||
            mmi_raise_missing(function->name, "backward"));
}

mm_status mm_function_apply(const mm_function *function, void *user,
                            mm_tensor *const *inputs, int num_inputs,
                            mm_tensor **outputs, int num_outputs)
{
    const mmt_api *torch = mmi_op_begin();

    if (torch == NULL || !is_complete(function)) {
        if (function != NULL && function->release != NULL) {
            function->release(user);
        }
        return mm_pending();
    }
    if (torch->function_apply(function, user, inputs, num_inputs, outputs,
                              num_outputs) != MM_OK) {
        return mm_pending();
    }
    for (int i = 0; i < num_outputs; i++) {
        outputs[i] = mmi_own(outputs[i]);
    }
    return mm_pending();
}

mm_status mm_function_save(mm_function_ctx *ctx, mm_tensor *const *tensors, int count)
{
    const mmt_api *torch = mmi_torch_begin();

    if (torch != NULL && MMI_HAS(ctx) && (count == 0 || MMI_HAS(tensors))) {
        return torch->function_save(ctx, tensors, count);
    }
    return mm_pending();
}

mm_tensor *mm_function_saved(mm_function_ctx *ctx, int index)
{
    const mmt_api *torch = mmi_torch_begin();

    return torch != NULL && MMI_HAS(ctx) ? torch->function_saved(ctx, index) : NULL;
}

bool mm_function_needs_grad(mm_function_ctx *ctx, int input)
{
    const mmt_api *torch = mmi_torch_begin();

    return torch != NULL && MMI_HAS(ctx) && torch->function_needs_grad(ctx, input);
}

mm_status mm_autocast_enter(const char *device_type, mm_dtype dtype, bool enabled,
                            mm_autocast *out)
{
    const mmt_api *torch = mmi_torch_begin();

    if (torch == NULL || !MMI_HAS(device_type) || !MMI_HAS(out)) {
        if (out != NULL) {
            out->active = false;
        }
        return mm_pending();
    }
    out->active = false;
    return torch->autocast_enter(device_type, dtype, enabled, out);
}

void mm_autocast_exit(const mm_autocast *before)
{
    const mmt_api *torch = atomic_load_explicit(&mmi_torch_table, memory_order_acquire);

    if (before != NULL && before->active && torch != NULL) {
        torch->autocast_exit(before);
    }
}
