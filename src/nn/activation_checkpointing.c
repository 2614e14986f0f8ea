/* Activation checkpointing: a wrapped module's forward records nothing and keeps its
 * inputs alone; its backward runs it again, recording this time, from the same random
 * state and in the same precision, and goes on from there. Batch norm sees the batch
 * twice, so its running statistics move twice, as with torch.utils.checkpoint. Source:
 * mmengine/runner/activation_checkpointing.py.
 *
 * Different from there: what has trainable parameters gets their gradients although no
 * input needs one, as a backbone's images do not. */
#include <string.h>

#include "base/value_convert.h"
#include "mmengine/memory.h"
#include "mmengine/nn.h"
#include "mmengine/ops.h"
#include "nn/module.h"
#include "nn/rng.h"

/* One call of a module between its forward and its backward. */
struct call {
    mm_module *module; /* owned */
    mm_inside inside;
    mm_value *args;   /* owned */
    mm_value *result; /* of the forward; owned until its tensors have been handed out */
    mmi_rng_pair random;  /* states before */
    mm_autocast autocast; /* the precision of the forward */
    int num_inputs;       /* tensors in args; one more stands behind */
    int num_outputs;
};

static void free_call(void *user)
{
    struct call *call = user;

    if (call == NULL)
        return;
    mmi_rng_free(&call->random);
    mm_value_unref(call->args);
    mm_value_unref(call->result);
    mm_module_unref(call->module);
    mm_free(call);
}

/* --- tensors in nested data --- */

static mm_value *item_of(const mm_value *value, size_t index)
{
    return mm_value_kind(value) == MM_KIND_DICT ? mm_dict_at(value, index)
                                                : mm_list_get(value, index);
}

/* Writes the tensors to `out` (NULL: only counts); how many. */
static int flatten(const mm_value *value, mm_tensor **out)
{
    mm_tensor *tensor = mm_value_find_tensor(value);
    int count = 0;

    if (tensor != NULL) {
        if (out != NULL)
            *out = tensor;
        return 1;
    }
    for (size_t i = 0; mmi_value_is_container(value) && i < mm_value_len(value); i++)
        count += flatten(item_of(value, i), out == NULL ? NULL : out + count);
    return count;
}

/* A copy with the tensors replaced, in order; yours. */
static mm_value *rebuild(const mm_value *value, void *user)
{
    mm_tensor *const **next = user;

    if (mm_value_find_tensor(value) != NULL)
        return mm_value_new_tensor(*(*next)++);
    return mmi_value_is_container(value) ? mmi_value_convert_items(value, rebuild, next)
                                         : mmi_value_keep(value);
}

static bool needs_grad(const mm_tensor *tensor)
{
    mm_tensor_info info;

    return mm_tensor_info_get(tensor, &info) == MM_OK && info.requires_grad;
}

/* --- state around a call --- */

/* Entering and leaving says what is set, and changes nothing. */
static mm_status note_precision(struct call *call)
{
    if (mm_autocast_enter(mmi_is_on_host(call->module) ? "cpu" : "cuda", MM_DTYPE_NONE,
                          false, &call->autocast) == MM_OK)
        mm_autocast_exit(&call->autocast);
    return mm_pending();
}

/* --- backward --- */

static mm_status forward(mm_function_ctx *ctx, void *user, mm_tensor *const *inputs,
                         int num_inputs, mm_tensor **outputs, int num_outputs)
{
    struct call *call = user;
    (void)num_outputs;

    (void)flatten(call->result, outputs);
    (void)mm_scoped(call->result); /* kept, it would hold the graph that holds it */
    call->result = NULL;
    return mm_function_save(ctx, inputs, num_inputs);
}

/* The module's result for leaves of their own; scope-owned. */
static mm_value *run_again(const struct call *call, mm_tensor *const *leaves)
{
    mm_tensor *const *next = leaves;
    mm_value *args = mm_scoped(rebuild(call->args, &next));
    mmi_rng_pair now;
    mm_autocast before = {0};
    mm_value *result = NULL;

    if (mmi_rng_keep(call->module, &now) == MM_OK &&
        mmi_rng_restore(call->module, &call->random) == MM_OK &&
        mm_autocast_enter(call->autocast.device_type, call->autocast.dtype_before,
                          call->autocast.was_enabled, &before) == MM_OK)
        result = mm_module_proceed(call->inside, call->module, args);
    mm_autocast_exit(&before);
    if (!mm_has_error())
        (void)mmi_rng_restore(call->module, &now);
    mmi_rng_free(&now);
    return result;
}

/* Those outputs that have a history and a gradient, with it. */
static mm_status backward_from(const struct call *call, const mm_value *result,
                               mm_tensor *const *grads)
{
    mm_tensor **outputs = mm_alloc_array((size_t)call->num_outputs, sizeof(*outputs));
    mm_tensor **weights = mm_alloc_array((size_t)call->num_outputs, sizeof(*weights));
    int count = 0;

    if (!mm_has_error() && flatten(result, NULL) != call->num_outputs)
        (void)mm_raise(MM_ESTATE,
                       "a %s returned another number of tensors when it was "
                       "run again",
                       mm_module_type(call->module));
    if (!mm_has_error())
        (void)flatten(result, outputs);
    for (int i = 0; !mm_has_error() && i < call->num_outputs; i++) {
        if (grads[i] == NULL || !needs_grad(outputs[i]))
            continue;
        outputs[count] = outputs[i];
        weights[count++] = grads[i];
    }
    if (count > 0 && !mm_has_error())
        (void)mm_backward_with(outputs, weights, count, false, false);
    mm_free(outputs);
    mm_free(weights);
    return mm_pending();
}

static mm_status backward(mm_function_ctx *ctx, void *user,
                          mm_tensor *const *grad_outputs, int num_outputs,
                          mm_tensor **grad_inputs, int num_inputs)
{
    const struct call *call = user;
    mm_tensor **leaves = mm_alloc_array((size_t)num_inputs, sizeof(*leaves));
    bool recorded = mm_grad_mode_set(true);
    (void)num_outputs;

    for (int i = 0; i < call->num_inputs && !mm_has_error(); i++) {
        leaves[i] = mm_detach(mm_function_saved(ctx, i));
        if (mm_function_needs_grad(ctx, i))
            (void)mm_set_requires_grad(leaves[i], true);
    }
    mm_value *result = mm_has_error() ? NULL : run_again(call, leaves);

    if (result != NULL && backward_from(call, result, grad_outputs) == MM_OK) {
        for (int i = 0; i < call->num_inputs; i++)
            grad_inputs[i] = mm_grad_find(leaves[i]);
    }
    (void)mm_grad_mode_set(recorded);
    mm_free(leaves);
    return mm_has_error() ? mm_error_frame("while running a %s again for its gradients",
                                           mm_module_type(call->module))
                          : MM_OK;
}

static const mm_function checkpoint = {
    .name = "activation checkpoint",
    .forward = forward,
    .backward = backward,
    .release = free_call,
};

/* --- forward --- */

static mm_status look_for_trainable(void *user, const char *name, mm_tensor *tensor,
                                    mm_module *owner)
{
    bool *found = user;
    (void)name;
    (void)owner;

    *found = *found || needs_grad(tensor);
    return mm_pending();
}

/* True if there will be a backward pass through the module. */
static bool has_gradients(mm_module *module, mm_tensor *const *inputs, int count)
{
    bool found = false;

    for (int i = 0; i < count; i++)
        found = found || needs_grad(inputs[i]);
    if (!found)
        (void)mm_module_each_param(module, look_for_trainable, &found);
    return found;
}

/* The forward pass, without a record of it; yours with its result. */
static struct call *run_first(mm_module *module, mm_inside inside, mm_value *args)
{
    struct call *call = mm_alloc(sizeof(*call));

    if (call == NULL)
        return NULL;
    call->module = mm_module_ref(module);
    call->inside = inside;
    call->args = mm_value_ref(args);
    call->num_inputs = flatten(args, NULL);
    if (mmi_rng_keep(module, &call->random) == MM_OK && note_precision(call) == MM_OK) {
        bool recorded = mm_grad_mode_set(false);

        call->result = mm_value_ref(mm_module_proceed(inside, module, args));
        (void)mm_grad_mode_set(recorded);
    }
    if (mm_has_error() || call->result == NULL) {
        free_call(call);
        return NULL;
    }
    call->num_outputs = flatten(call->result, NULL);
    return call;
}

/* `inputs` has room for one more: a number that makes the call part of the graph. Takes
 * the call. */
static mm_value *record(struct call *call, mm_tensor **inputs)
{
    int num_outputs = call->num_outputs, num_inputs = call->num_inputs;
    mm_tensor **outputs = mm_alloc_array((size_t)num_outputs + 1, sizeof(*outputs));
    mm_value *shape = mm_value_ref(call->result);
    mm_value *result = NULL;

    inputs[num_inputs] = mm_scalar(0.0, MM_DTYPE_F32);
    if (mm_has_error() || mm_set_requires_grad(inputs[num_inputs], true) < 0)
        free_call(call);
    else if (mm_function_apply(&checkpoint, call, inputs, num_inputs + 1, outputs,
                               num_outputs) == MM_OK) {
        mm_tensor *const *next = outputs;

        result = mm_scoped(rebuild(shape, &next));
    }
    mm_value_unref(shape);
    mm_free(outputs);
    return result;
}

static mm_value *checkpoint_around(void *user, mm_module *module, mm_inside inside,
                                   mm_value *args)
{
    int count = flatten(args, NULL);
    mm_tensor **inputs = mm_alloc_array((size_t)count + 1, sizeof(*inputs));
    mm_value *result = NULL;
    (void)user;

    if (inputs != NULL)
        (void)flatten(args, inputs);
    if (!mm_has_error() && mm_grad_mode() && has_gradients(module, inputs, count)) {
        struct call *call = run_first(module, inside, args);

        result = call == NULL ? NULL : record(call, inputs);
    } else if (!mm_has_error()) {
        result = mm_module_proceed(inside, module, args);
    }
    mm_free(inputs);
    return result;
}

mm_status mm_nn_checkpoint_activations(mm_module *module)
{
    return mm_module_wrap(module, checkpoint_around, NULL, NULL);
}
