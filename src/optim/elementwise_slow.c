/* The part of the driver that updates what the kernels do not reach, by the rule's
 * operators: parameter by parameter on the host, which keeps temporaries small, and all
 * that share coefficients, device and dtype at once on a device (update_lists.c). */
#include <math.h>
#include <string.h>

#include "mmengine/memory.h"
#include "mmengine/ops.h"
#include "optim/elementwise.h"

/* Fills the lists of a call for parameters `indices`; without gradients' factor. */
static mm_status fill_call(const mmi_elementwise *driver, mm_optimizer *optimizer,
                           const size_t *indices, mm_update_call *call)
{
    const mm_update_state *states = driver->rule->states;
    const struct mmi_known *known = &driver->known[indices[0]];
    size_t tensor = 0;

    call->params = mmi_update_room_list(call->room, call->count);
    call->grads = mmi_update_room_list(call->room, call->count);
    for (size_t k = 0; k < call->count && !mm_has_error(); k++) {
        call->params[k] = optimizer->params[indices[k]];
        call->grads[k] = mm_grad_find(optimizer->params[indices[k]]);
    }
    for (size_t i = 0; i < driver->num_states && !mm_has_error(); i++) {
        if (states[i].is_scalar)
            continue;
        if (known->uses & (1u << tensor)) {
            mm_tensor **list = mmi_update_room_list(call->room, call->count);

            for (size_t k = 0; k < call->count && list != NULL; k++)
                list[k] =
                    mmi_optimizer_find_state(optimizer, indices[k], states[i].name);
            call->states[tensor] = list;
        }
        tensor++;
    }
    return mm_pending();
}

/* What a rule put into lazy states becomes the state. */
static mm_status keep_lazy(const mmi_elementwise *driver, mm_optimizer *optimizer,
                           const size_t *indices, const mm_update_call *call)
{
    const mm_update_state *states = driver->rule->states;
    size_t tensor = 0;

    for (size_t i = 0; i < driver->num_states && !mm_has_error(); i++) {
        if (states[i].is_scalar)
            continue;
        mm_tensor **list = call->states[tensor++];

        for (size_t k = 0; states[i].is_lazy && list != NULL && k < call->count; k++)
            mmi_optimizer_put_state(optimizer, indices[k], states[i].name, list[k]);
    }
    return mm_pending();
}

static mm_status apply(const mmi_elementwise *driver, mm_optimizer *optimizer,
                       const size_t *indices, mm_update_call *call)
{
    const mmi_span *span = &optimizer->spans.spans[indices[0]];
    float factor = span->grad_factor;

    if (fill_call(driver, optimizer, indices, call) < 0)
        return mm_pending();
    if (factor != 1.0F && factor != -1.0F)
        call->grads = mm_each_mul_number(call, call->grads, (double)fabsf(factor));
    if (factor < 0.0F)
        call->grads = mm_each_neg(call, call->grads);
    if (!mm_has_error())
        driver->rule->apply(driver->coefficients + (size_t)span->rule * driver->size,
                            call);
    return call->is_new ? keep_lazy(driver, optimizer, indices, call) : mm_pending();
}

/* True if two parameters may be in one list. */
static bool goes_with(const mm_optimizer *optimizer, size_t index, size_t first,
                      const mm_tensor_info *first_info)
{
    const mmi_span *a = &optimizer->spans.spans[first];
    const mmi_span *b = &optimizer->spans.spans[index];
    mm_tensor_info info;

    return a->rule == b->rule && a->grad_factor == b->grad_factor &&
           a->is_new == b->is_new &&
           mm_tensor_info_get(optimizer->params[index], &info) >= 0 &&
           info.dtype == first_info->dtype &&
           strcmp(info.device, first_info->device) == 0;
}

static bool has_sparse_grad(const mm_optimizer *optimizer, size_t index)
{
    return mm_is_sparse(mm_grad_find(optimizer->params[index]));
}

static mm_status refuse(const mm_optimizer *optimizer, size_t index, const char *what)
{
    char *text = mm_tensor_describe(optimizer->params[index]);

    mm_raise(MM_EUNSUPPORTED, "%s updates %s alone: parameter '%s' is %s",
             mm_instance_component(optimizer->instance)->name, what,
             mm_param_groups_name(optimizer->groups, index),
             text != NULL ? text : "another");
    mm_free(text);
    return mm_pending();
}

/* Updates the parameter at *indices and, on a device, all that go with it; their spans'
 * rules become -1. */
static mm_status apply_from(const mmi_elementwise *driver, mm_optimizer *optimizer,
                            size_t first, size_t *indices)
{
    mm_tensor_info info = {0};
    mm_update_room room = {0};
    mm_update_call call = {.count = 1, .device = info.device, .room = &room};

    indices[0] = first;
    if (mm_tensor_info_get(optimizer->params[first], &info) < 0)
        return mm_pending();
    if (!mm_dtype_is_floating(info.dtype))
        return refuse(optimizer, first, "real numbers");
    call.is_new = optimizer->spans.spans[first].is_new;
    call.is_sparse = has_sparse_grad(optimizer, first);
    if (call.is_sparse && !driver->rule->takes_sparse)
        return mmi_optimizer_refuse_sparse(optimizer);
    room.by_list = (!info.is_cpu || optimizer->by_list) && !call.is_sparse;
    room.fuses =
        optimizer->fuses || (!info.is_cpu && optimizer->numerics == MM_NUMERICS_FAST);
    for (size_t i = first + 1; room.by_list && i < optimizer->num_params; i++) {
        if (mmi_optimizer_is_slow(optimizer, i) && !has_sparse_grad(optimizer, i) &&
            goes_with(optimizer, i, first, &info))
            indices[call.count++] = i;
    }
    mm_scope scope = mm_scope_open();
    mm_status status = apply(driver, optimizer, indices, &call);

    mm_scope_close(scope);
    mmi_update_room_deinit(&room);
    for (size_t i = 0; i < call.count; i++)
        optimizer->spans.spans[indices[i]].rule = -1;
    return status < 0 ? mm_error_frame("while stepping parameter '%s'",
                                       mm_param_groups_name(optimizer->groups, first))
                      : MM_OK;
}

mm_status mmi_elementwise_step_slow(const mmi_elementwise *driver,
                                    mm_optimizer *optimizer)
{
    size_t *indices = mm_alloc_array(optimizer->num_params, sizeof *indices);

    for (size_t i = 0; indices != NULL && i < optimizer->num_params; i++) {
        if (!mmi_optimizer_is_slow(optimizer, i) || optimizer->spans.spans[i].rule < 0)
            continue;
        bool is_empty = optimizer->memory[i].count == 0;
        mm_status status = MM_OK;

        if (driver->rule->apply != NULL)
            status = apply_from(driver, optimizer, i, indices);
        else if (!is_empty)
            status = refuse(optimizer, i, "dense float32 on the host");

        if (status < 0)
            break;
    }
    mm_free(indices);
    return mm_pending();
}
