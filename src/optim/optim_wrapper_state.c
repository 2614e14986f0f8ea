/* What a wrapper shows and saves: learning rates and momenta as the logger wants them,
 * state dicts in MMEngine's layout, and the unfinished accumulation window, which
 * MMEngine loses. */
#include <string.h>

#include "mmengine/memory.h"
#include "mmengine/ops.h"
#include "optim/optim_wrapper.h"
#include "optim/optimizer.h"
#include "optim/schedule_state.h"

/* Entries of the children's dicts under "<name>.<key>", in one new dict. */
static mm_value *merge_children(const mm_optim_wrapper *wrapper,
                                mm_value *(*get)(const mm_optim_wrapper *child))
{
    mm_value *merged = mm_value_new_dict();

    for (size_t i = 0; i < wrapper->num_children; i++) {
        mm_value *part = get(wrapper->children[i].wrapper);
        size_t count = part != NULL ? mm_value_len(part) : 0;

        for (size_t k = 0; k < count; k++) {
            char *key =
                mm_strfmt("%s.%s", wrapper->children[i].name, mm_dict_name_at(part, k));

            if (key != NULL) {
                mm_dict_put(merged, key, mm_dict_at(part, k));
            }
            mm_free(key);
        }
        mm_value_unref(part);
    }
    return merged;
}

static mm_value *checked(mm_value *value)
{
    if (mm_has_error()) {
        mm_value_unref(value);
        return NULL;
    }
    return value;
}

/* False if nothing can be read: an error is pending, or is raised here. */
static bool is_readable(const mm_optim_wrapper *wrapper, const char *what)
{
    if (!mm_has_error() && wrapper == NULL) {
        (void)mm_raise(MM_EINVAL, "%s: the optim wrapper is NULL", what);
    }
    return !mm_has_error();
}

mm_value *mm_optim_wrapper_get_lr(const mm_optim_wrapper *wrapper)
{
    if (!is_readable(wrapper, "reading learning rates")) {
        return NULL;
    }
    if (wrapper->is_dict) {
        return checked(merge_children(wrapper, mm_optim_wrapper_get_lr));
    }
    const mm_param_groups *groups = wrapper->optimizer->groups;
    size_t count = mm_param_groups_count(groups);
    mm_value *result = mm_value_new_dict();
    mm_value *rates = mm_value_new_list();

    if (mm_param_groups_has_base(groups)) {
        mm_value *base = mm_value_new_list();

        mm_list_append(base, mm_dict_get(mm_param_groups_options(groups, count), "lr"));
        mm_dict_take(result, "base_lr", base);
    }
    for (size_t i = 0; i < count; i++) {
        mm_list_append(rates, mm_dict_get(mm_param_groups_options(groups, i), "lr"));
    }
    mm_dict_take(result, "lr", rates);
    return checked(result);
}

mm_value *mm_optim_wrapper_get_momentum(const mm_optim_wrapper *wrapper)
{
    if (!is_readable(wrapper, "reading momenta")) {
        return NULL;
    }
    if (wrapper->is_dict) {
        return checked(merge_children(wrapper, mm_optim_wrapper_get_momentum));
    }
    const mm_param_groups *groups = wrapper->optimizer->groups;
    mm_value *result = mm_value_new_dict();
    mm_value *momenta = mm_value_new_list();

    for (size_t i = 0; i < mm_param_groups_count(groups); i++) {
        const mm_value *options = mm_param_groups_options(groups, i);

        if (mm_dict_has(options, "momentum")) {
            mm_list_append(momenta, mm_dict_get(options, "momentum"));
        } else if (mm_dict_has(options, "betas")) {
            mm_list_append(momenta, mm_list_get(mm_dict_get(options, "betas"), 0));
        } else {
            mm_list_push(momenta, mm_value_new_i64(0));
        }
    }
    mm_dict_take(result, "momentum", momenta);
    return checked(result);
}

mm_status mm_optim_wrapper_scale_lr(mm_optim_wrapper *wrapper, double ratio)
{
    if (!is_readable(wrapper, "scaling learning rates")) {
        return mm_pending();
    }
    for (size_t i = 0; i < wrapper->num_children; i++) {
        mm_optim_wrapper_scale_lr(wrapper->children[i].wrapper, ratio);
    }
    if (wrapper->is_dict) {
        return mm_pending();
    }
    mm_param_groups *groups = wrapper->optimizer->groups;

    for (size_t i = 0; i < mm_param_groups_count(groups); i++) {
        if (mm_value_is_none(mm_dict_find(mm_param_groups_options(groups, i), "lr")))
            continue; /* the optimizer makes its own */
        double lr = mm_param_groups_f64(groups, i, "lr");

        mm_param_groups_put_f64(groups, i, "lr", lr * ratio);
    }
    return mm_pending();
}

/* MMEngine's base_param_settings: a tensor in the place of parameters, then options. */
static mm_value *pack_base(const mm_param_groups *groups)
{
    mm_value *packed = mm_value_new_dict();
    mm_scope scope = mm_scope_open();
    const mm_value *options =
        mm_param_groups_options(groups, mm_param_groups_count(groups));
    mm_tensor *params = mm_from_f32((const float[]){0.0F}, 1, (const int64_t[]){1});

    if (params != NULL) {
        mm_dict_put_tensor(packed, "params", params);
    }
    for (size_t i = 0; options != NULL && i < mm_value_len(options); i++) {
        mm_dict_put_key(packed, mm_dict_key_at(options, i), mm_dict_at(options, i));
    }
    mm_scope_close(scope);
    return packed;
}

static mm_value *children_state(const mm_optim_wrapper *wrapper,
                                mm_value *(*get)(const mm_optim_wrapper *child))
{
    mm_value *result = mm_value_new_dict();

    for (size_t i = 0; i < wrapper->num_children && !mm_has_error(); i++) {
        mm_dict_take(result, wrapper->children[i].name,
                     get(wrapper->children[i].wrapper));
    }
    return checked(result);
}

mm_value *mm_optim_wrapper_state_dict(const mm_optim_wrapper *wrapper)
{
    if (!is_readable(wrapper, "saving the optimizer")) {
        return NULL;
    }
    if (wrapper->is_dict) {
        return children_state(wrapper, mm_optim_wrapper_state_dict);
    }
    mm_value *result = mm_optimizer_state_dict(wrapper->optimizer);

    if (result != NULL && mm_param_groups_has_base(wrapper->optimizer->groups)) {
        mm_dict_take(result, "base_param_settings",
                     pack_base(wrapper->optimizer->groups));
    }
    if (result != NULL && wrapper->ops->save_state != NULL && !mm_has_error()) {
        wrapper->ops->save_state(wrapper->self, result);
    }
    return checked(result);
}

/* Runs `load` for every child that `state` names; a name without a wrapper is an error.
 */
static mm_status load_children(mm_optim_wrapper *wrapper, const mm_value *state,
                               mm_status (*load)(mm_optim_wrapper *, const mm_value *))
{
    for (size_t i = 0; i < mm_value_len(state) && !mm_has_error(); i++) {
        const char *name = mm_dict_name_at(state, i);
        mm_optim_wrapper *child =
            name != NULL ? mm_optim_wrapper_find(wrapper, name) : NULL;

        if (child == NULL) {
            return mm_raise(MM_EDATA,
                            "the state of optim wrapper '%s' has no wrapper to go to",
                            name != NULL ? name : "?");
        }
        if (load(child, mm_dict_at(state, i)) < 0) {
            mm_error_frame("in optim wrapper '%s'", name);
        }
    }
    return mm_pending();
}

mm_status mm_optim_wrapper_load_state_dict(mm_optim_wrapper *wrapper,
                                           const mm_value *state_dict)
{
    if (!is_readable(wrapper, "loading the optimizer")) {
        return mm_pending();
    }
    if (wrapper->is_dict) {
        return load_children(wrapper, state_dict, mm_optim_wrapper_load_state_dict);
    }
    mm_param_groups *groups = wrapper->optimizer->groups;
    const mm_value *base = mm_dict_find(state_dict, "base_param_settings");

    if (mm_optimizer_load_state_dict(wrapper->optimizer, state_dict) < 0) {
        return mm_pending();
    }
    if (base != NULL && mm_param_groups_has_base(groups)) {
        mmi_param_groups_replace(groups, mm_param_groups_count(groups), base);
    }
    if (wrapper->ops->load_state != NULL && !mm_has_error()) {
        wrapper->ops->load_state(wrapper->self, state_dict);
    }
    return mm_pending();
}

mm_value *mm_optim_wrapper_window_state(const mm_optim_wrapper *wrapper)
{
    if (!is_readable(wrapper, "saving the accumulation window")) {
        return NULL;
    }
    if (wrapper->is_dict) {
        return children_state(wrapper, mm_optim_wrapper_window_state);
    }
    mm_value *result = mm_value_new_dict();
    mm_value *grads = mm_value_new_dict();
    mm_optimizer *optimizer = wrapper->optimizer;

    mm_dict_put_i64(result, "inner_count", wrapper->inner_count);
    if (wrapper->skipped_steps > 0) {
        mm_dict_put_i64(result, "skipped_steps", wrapper->skipped_steps);
        mm_dict_put_i64(result, "skipped_in_row", wrapper->skipped_in_row);
    }
    for (size_t i = 0; i < optimizer->num_params && !mm_has_error(); i++) {
        mm_tensor *grad = mm_grad_find(optimizer->params[i]);
        mm_value *key = grad != NULL ? mm_value_new_i64((int64_t)i) : NULL;
        mm_value *value = grad != NULL ? mm_value_new_tensor(grad) : NULL;

        if (grad != NULL) {
            mm_dict_put_key(grads, key, value);
        }
        mm_value_unref(value);
        mm_value_unref(key);
    }
    mm_dict_take(result, "grads", grads);
    return checked(result);
}

static mm_status load_grad(mm_optimizer *optimizer, const mm_value *key,
                           const mm_value *value)
{
    int64_t index = mm_value_i64(key);
    mm_tensor *saved = mm_value_tensor(value);
    mm_tensor_info info;

    if (mm_has_error()) {
        return mm_pending();
    }
    if (index < 0 || (uint64_t)index >= optimizer->num_params) {
        return mm_raise(MM_EDATA,
                        "the window's state has a gradient of parameter %lld, the "
                        "optimizer has %zu parameters",
                        (long long)index, optimizer->num_params);
    }
    mm_tensor *param = optimizer->params[index];

    if (mm_tensor_info_get(param, &info) < 0) {
        return mm_pending();
    }
    mm_scope scope = mm_scope_open();

    mm_tensor *grad =
        mm_to(saved, .copy = true, .dtype = info.dtype, .device = info.device);

    mm_set_grad(param, grad == NULL ? NULL : mmi_laid_out_like(grad, param));
    mm_scope_close(scope);
    return mm_pending();
}

mm_status mm_optim_wrapper_load_window_state(mm_optim_wrapper *wrapper,
                                             const mm_value *state)
{
    if (!is_readable(wrapper, "loading the accumulation window")) {
        return mm_pending();
    }
    if (wrapper->is_dict) {
        return load_children(wrapper, state, mm_optim_wrapper_load_window_state);
    }
    int64_t count = mm_value_i64(mm_dict_get(state, "inner_count"));
    int64_t skipped = 0;
    int64_t in_row = 0;
    const mm_value *grads = mm_dict_get(state, "grads");
    size_t num_grads = mm_has_error() ? 0 : mm_value_len(grads);
    bool recorded = mm_grad_mode_set(false);

    for (size_t i = 0; i < num_grads && !mm_has_error(); i++) {
        load_grad(wrapper->optimizer, mm_dict_key_at(grads, i), mm_dict_at(grads, i));
    }
    mm_grad_mode_set(recorded);
    mmi_read_i64(state, "skipped_steps", &skipped);
    mmi_read_i64(state, "skipped_in_row", &in_row);
    if (!mm_has_error()) {
        wrapper->inner_count = count;
        wrapper->grads_of = num_grads > 0 ? MMI_GRADS_BACKWARD : wrapper->grads_of;
        wrapper->skipped_steps = skipped;
        wrapper->skipped_in_row = in_row;
    }
    return mm_pending();
}
