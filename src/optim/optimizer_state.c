/* State dicts of optimizers, in PyTorch's layout: parameters are numbers, in the order
 * of the groups; the state of a parameter that never had a gradient is absent. */
#include <string.h>

#include "mmengine/memory.h"
#include "mmengine/ops.h"
#include "optim/elementwise.h"
#include "optim/sparse_state.h"

static mm_value *pack_group(const mm_param_groups *groups, size_t group)
{
    mm_value *packed = mm_value_new_dict();
    mm_value *numbers = mm_value_new_list();
    const mm_value *options = mm_param_groups_options(groups, group);

    for (size_t i = 0; i < mm_value_len(options); i++) {
        mm_dict_put_key(packed, mm_dict_key_at(options, i), mm_dict_at(options, i));
    }
    for (size_t i = 0; i < mm_param_groups_num_params(groups); i++) {
        if (mm_param_groups_group_of(groups, i) == group) {
            mm_list_push(numbers, mm_value_new_i64((int64_t)i));
        }
    }
    mm_dict_take(packed, "params", numbers);
    return packed;
}

/* A dict of its own around the shared tensors, so that later steps that add entries do
 * not change what was handed out. */
static mm_value *pack_state(const mm_value *state)
{
    mm_value *packed = mm_value_new_dict();

    for (size_t i = 0; i < mm_value_len(state); i++) {
        mm_value *key = mm_dict_key_at(state, i);
        mm_tensor *tensor = mm_value_find_tensor(mm_dict_at(state, i));
        mm_value *sparse =
            tensor != NULL && mm_is_sparse(tensor) ? mmi_sparse_pack(tensor) : NULL;

        mm_dict_put_key(packed, key, sparse != NULL ? sparse : mm_dict_at(state, i));
        mm_value_unref(sparse);
    }
    return packed;
}

mm_value *mm_optimizer_state_dict(const mm_optimizer *optimizer)
{
    mm_value *result = mm_value_new_dict();
    mm_value *states = mm_value_new_dict();
    mm_value *groups = mm_value_new_list();

    for (size_t i = 0; i < optimizer->num_params && !mm_has_error(); i++) {
        if (optimizer->states[i] == NULL || mm_value_len(optimizer->states[i]) == 0) {
            continue;
        }
        mm_value *key = mm_value_new_i64((int64_t)i);
        mm_value *packed = pack_state(optimizer->states[i]);

        mm_dict_put_key(states, key, packed);
        mm_value_unref(packed);
        mm_value_unref(key);
    }
    for (size_t i = 0; i < mm_param_groups_count(optimizer->groups); i++) {
        mm_list_push(groups, pack_group(optimizer->groups, i));
    }
    mm_dict_take(result, "state", states);
    mm_dict_take(result, "param_groups", groups);
    if (mm_has_error()) {
        mm_value_unref(result);
        return NULL;
    }
    return result;
}

static mm_status check_groups(const mm_optimizer *optimizer, const mm_value *saved)
{
    size_t count = mm_param_groups_count(optimizer->groups);
    size_t first = 0;

    if (!mm_has_error() && mm_value_len(saved) != count) {
        return mm_raise(MM_EDATA,
                        "cannot load the optimizer's state: it has %zu parameter "
                        "groups, the optimizer has %zu",
                        mm_value_len(saved), count);
    }
    for (size_t i = 0; i < count && !mm_has_error(); i++) {
        size_t wanted = mm_value_len(mm_dict_get(mm_list_get(saved, i), "params"));
        size_t next = first;

        while (next < optimizer->num_params &&
               mm_param_groups_group_of(optimizer->groups, next) == i) {
            next++;
        }
        if (!mm_has_error() && wanted != next - first) {
            return mm_raise(MM_EDATA,
                            "cannot load the optimizer's state: parameter group %zu "
                            "has %zu parameters there, %zu here",
                            i, wanted, next - first);
        }
        first = next;
    }
    return mm_pending();
}

static bool is_single(const mm_optimizer_ops *ops, const char *name)
{
    return strcmp(name, "step") == 0 ||
           (ops->rule != NULL && mmi_elementwise_is_scalar(ops->rule, name));
}

/* A copy of a state tensor in the parameter's dtype and memory format, on its device.
 * Step counts and other single numbers keep their own, on the host. */
static mm_tensor *take_tensor(mm_tensor *saved, const char *name, mm_tensor *owner,
                              const mm_tensor_info *param, const mm_optimizer_ops *ops)
{
    mm_tensor_info info;
    bool is_step = is_single(ops, name);
    bool any_size = ops->has_free_states;
    bool is_float = mm_dtype_is_floating(param->dtype);

    if (mm_is_sparse(saved)) {
        return mm_to(saved, .copy = true, .dtype = param->dtype,
                     .device = param->device);
    }
    if (mm_tensor_info_get(saved, &info) < 0) {
        return NULL;
    }
    if (!any_size && info.ndim != 0 && info.numel != param->numel) {
        char *text = mm_tensor_describe(saved);

        mm_raise(MM_EDATA, "state '%s' is %s, but its parameter has %lld elements",
                 name, text != NULL ? text : "of another size",
                 (long long)param->numel);
        mm_free(text);
        return NULL;
    }
    mm_tensor *taken =
        mm_to(mm_detach(saved), .copy = true,
              .dtype = is_step || !is_float ? MM_DTYPE_NONE : param->dtype,
              .device = is_step ? "cpu" : param->device);

    return taken == NULL ? NULL : mmi_laid_out_like(taken, owner);
}

/* What is loaded for one parameter. */
struct taking {
    mm_tensor *param;
    mm_tensor_info info;
    const mm_optimizer_ops *ops;
};

/* Older versions write single numbers as such. */
static mm_value *take_number(const mm_value *entry)
{
    mm_tensor *number = mm_scalar(mm_value_f64(entry), MM_DTYPE_F32);

    return number != NULL ? mm_value_new_tensor(number) : NULL;
}

/* An entry of our own; lists may hold tensors too. */
static mm_value *take_entry(const struct taking *taking, const char *name,
                            mm_value *entry)
{
    mm_tensor *tensor = mm_value_find_tensor(entry);

    tensor = tensor != NULL ? tensor : mmi_sparse_find(entry);
    if (tensor != NULL) {
        tensor = take_tensor(tensor, name, taking->param, &taking->info, taking->ops);
        return tensor != NULL ? mm_value_new_tensor(tensor) : NULL;
    }
    if (taking->ops->rule != NULL && is_single(taking->ops, name)) {
        return take_number(entry);
    }
    if (mm_value_kind(entry) != MM_KIND_LIST) {
        return mm_value_ref(entry);
    }
    mm_value *list = mm_value_new_list();

    for (size_t i = 0; i < mm_value_len(entry) && !mm_has_error(); i++) {
        mm_list_push(list, take_entry(taking, name, mm_list_get(entry, i)));
    }
    return list;
}

static mm_value *take_state(const mm_value *saved, mm_tensor *param,
                            const mm_optimizer_ops *ops)
{
    struct taking taking = {.param = param, .ops = ops};
    mm_value *state = mm_value_new_dict();

    mm_tensor_info_get(param, &taking.info);
    for (size_t i = 0; i < mm_value_len(saved) && !mm_has_error(); i++) {
        mm_value *entry = mm_dict_at(saved, i);
        const char *name = mm_dict_name_at(saved, i);

        if (mm_value_is_none(entry)) { /* older versions write None */
            continue;
        }
        entry = take_entry(&taking, name != NULL ? name : "", entry);
        mm_dict_put_key(state, mm_dict_key_at(saved, i), entry);
        mm_value_unref(entry);
    }
    if (mm_has_error()) {
        mm_value_unref(state);
        return NULL;
    }
    return state;
}

/* The state saved for parameter `index`: under the number that the saved groups give to
 * the parameter in its place. */
static const mm_value *find_saved(const mm_value *states, const mm_value *groups,
                                  size_t index)
{
    for (size_t i = 0; i < mm_value_len(groups); i++) {
        const mm_value *numbers = mm_dict_get(mm_list_get(groups, i), "params");
        size_t count = mm_value_len(numbers);

        if (index < count) {
            return mm_dict_find_key(states, mm_list_get(numbers, index));
        }
        index -= count;
    }
    return NULL;
}

/* All new states first, so that a damaged file changes nothing. */
static mm_status load_states(mm_optimizer *optimizer, const mm_value *states,
                             const mm_value *groups)
{
    mm_value **taken = mm_alloc_array(optimizer->num_params, sizeof *taken);
    mm_scope scope = mm_scope_open();

    for (size_t i = 0; i < optimizer->num_params && !mm_has_error(); i++) {
        const mm_value *saved = find_saved(states, groups, i);

        if (saved != NULL) {
            taken[i] = take_state(saved, optimizer->params[i], optimizer->ops);
        }
        if (mm_has_error()) {
            mm_error_frame("while loading the state of parameter '%s'",
                           mm_param_groups_name(optimizer->groups, i));
        }
    }
    mm_scope_close(scope);
    for (size_t i = 0; taken != NULL && i < optimizer->num_params; i++) {
        if (mm_has_error()) {
            mm_value_unref(taken[i]);
        } else {
            mm_value_unref(optimizer->states[i]);
            optimizer->states[i] = taken[i];
        }
    }
    mm_free(taken);
    return mm_pending();
}

mm_status mm_optimizer_load_state_dict(mm_optimizer *optimizer,
                                       const mm_value *state_dict)
{
    if (mm_has_error()) {
        return mm_pending();
    }
    const mm_value *states = mm_dict_get(state_dict, "state");
    const mm_value *groups = mm_dict_get(state_dict, "param_groups");
    bool recorded = mm_grad_mode_set(false);

    if (check_groups(optimizer, groups) >= 0 &&
        load_states(optimizer, states, groups) >= 0) {
        for (size_t i = 0; i < mm_value_len(groups) && !mm_has_error(); i++) {
            const mm_value *options = mm_list_get(groups, i);

            mmi_param_groups_replace(optimizer->groups, i, options);
            if (!mm_has_error()) {
                mmi_optimizer_check_group(optimizer, i);
            }
        }
    }
    mmi_optimizer_states_changed(optimizer);
    mm_grad_mode_set(recorded);
    return mm_pending();
}
