/* The optimizer object: groups, states, the sorting of tensors for the kernels, and the
 * step. A step allocates nothing once every parameter has its state. */
#include "optim/optimizer.h"

#include <string.h>

#include "mmengine/log.h"
#include "mmengine/memory.h"
#include "mmengine/ops.h"
#include "optim/elementwise.h"

mm_instance *mmi_optimizer_meant(mm_instance *instance,
                                 const mm_optimizer_ops **out_ops)
{
    *out_ops = mm_instance_ops(instance, MM_INTERFACE_OPTIMIZER);
    while (*out_ops != NULL && (*out_ops)->stands_for != NULL) {
        instance = (*out_ops)->stands_for(mm_instance_self(instance));
        *out_ops = mm_instance_ops(instance, MM_INTERFACE_OPTIMIZER);
    }
    return *out_ops != NULL ? instance : NULL;
}

mm_param_groups *mm_optimizer_new_groups(mm_instance *instance)
{
    const mm_optimizer_ops *ops = NULL;

    if (instance == NULL) {
        mm_raise(MM_EINVAL, "cannot make parameter groups: the optimizer is NULL");
    }
    if (mm_has_error()) {
        return NULL;
    }
    instance = mmi_optimizer_meant(instance, &ops);
    if (instance == NULL) {
        return NULL;
    }
    void *self = mm_instance_self(instance);
    mm_value *defaults =
        ops->defaults != NULL ? ops->defaults(self) : mm_optimizer_defaults(self, NULL);
    mm_param_groups *groups = defaults != NULL ? mm_param_groups_new(defaults) : NULL;

    mm_value_unref(defaults);
    return groups;
}

/* A group's options lie in the ranges of the component's own options. */
static mm_status check_ranges(const mm_option *table, const mm_value *options)
{
    for (const mm_option *row = table; row != NULL && row->name != NULL; row++) {
        if (row->kind == MM_OPTION_INHERIT)
            check_ranges(row->u.inherited, options);
        else if (row->kind == MM_OPTION_F64)
            mm_option_check_f64(options, row->name, row->u.f64.min, row->u.f64.max,
                                false);
    }
    return mm_pending();
}

mm_status mmi_optimizer_check_group(const mm_optimizer *optimizer, size_t group)
{
    const mm_value *options = mm_param_groups_options(optimizer->groups, group);
    const mm_component *component = mm_instance_component(optimizer->instance);

    if (check_ranges(component->options, options) >= 0 && optimizer->ops->check != NULL)
        optimizer->ops->check(optimizer->self, options);
    return mm_has_error() ? mm_error_frame("in parameter group %zu", group) : MM_OK;
}

static mm_status check_options(const mm_optimizer *optimizer)
{
    size_t count = mm_param_groups_num_scheduled(optimizer->groups);

    for (size_t i = 0; i < count && !mm_has_error(); i++)
        mmi_optimizer_check_group(optimizer, i);
    return mm_pending();
}

static mm_status check_params(const mm_optimizer *optimizer)
{
    for (size_t i = 0; i < optimizer->num_params; i++) {
        mm_tensor_info info;

        if (mm_tensor_info_get(optimizer->params[i], &info) < 0) {
            break;
        }
        if (!info.is_leaf) {
            return mm_raise(MM_EINVAL, "parameter '%s' is no leaf: it has a history",
                            mm_param_groups_name(optimizer->groups, i));
        }
    }
    return mm_pending();
}

static mm_status allocate(mm_optimizer *optimizer)
{
    size_t count = mm_param_groups_num_params(optimizer->groups);

    if (count == 0) {
        return mm_raise(MM_EINVAL, "the optimizer got an empty list of parameters");
    }
    optimizer->states = mm_alloc_array(count, sizeof *optimizer->states);
    optimizer->params = mm_alloc_array(count, sizeof *optimizer->params);
    optimizer->memory = mm_alloc_array(count, sizeof *optimizer->memory);
    optimizer->spans.spans = mm_alloc_array(count, sizeof *optimizer->spans.spans);
    if (mm_has_error()) {
        return mm_pending();
    }
    optimizer->num_params = count;
    optimizer->spans.count = (int64_t)count;
    optimizer->spans.kernels = mmi_kernels_best();
    optimizer->spans.parallel = mm_torch_parallel();
    for (size_t i = 0; i < count; i++) {
        optimizer->params[i] = mm_param_groups_param(optimizer->groups, i);
    }
    return mm_pending();
}

static void log_meaning(mm_instance *instance)
{
    const mm_optimizer_ops *ops = mm_instance_ops(instance, MM_INTERFACE_OPTIMIZER);

    if (ops == NULL || ops->stands_for == NULL)
        return;
    const mm_instance *meant = ops->stands_for(mm_instance_self(instance));

    mm_log(MM_LOG_INFO, "%s is %s here%s%s", mm_instance_component(instance)->name,
           mm_instance_component(meant)->name, ops->stands_why != NULL ? ": " : "",
           ops->stands_why != NULL ? ops->stands_why : "");
}

mm_optimizer *mm_optimizer_new(mm_instance *instance, mm_param_groups *groups)
{
    if (mm_has_error()) {
        return NULL;
    }
    if (instance == NULL || groups == NULL) {
        mm_raise(MM_EINVAL, "cannot make an optimizer: %s is NULL",
                 instance == NULL ? "instance" : "groups");
        return NULL;
    }
    const mm_optimizer_ops *ops = NULL;

    log_meaning(instance);
    instance = mmi_optimizer_meant(instance, &ops);
    mm_optimizer *optimizer = instance != NULL ? mm_alloc(sizeof *optimizer) : NULL;

    if (optimizer == NULL) {
        return NULL;
    }
    optimizer->refs = 1;
    optimizer->instance = mm_instance_ref(instance);
    optimizer->ops = ops;
    optimizer->self = mm_instance_self(instance);
    optimizer->groups = mm_param_groups_ref(groups);
    optimizer->grad_factor = 1.0F;
    if (allocate(optimizer) < 0 || check_params(optimizer) < 0 ||
        check_options(optimizer) < 0 ||
        (ops->check_groups != NULL && ops->check_groups(optimizer->self, groups) < 0) ||
        (ops->rule != NULL &&
         (optimizer->driver = mmi_elementwise_new(optimizer)) == NULL)) {
        mm_optimizer_unref(optimizer);
        return NULL;
    }
    return optimizer;
}

static mm_status add_to_groups(void *user, const char *dotted_name, mm_tensor *tensor,
                               mm_module *owner)
{
    (void)owner;
    return mm_param_groups_add_param(user, dotted_name, tensor);
}

mm_optimizer *mm_optimizer_build(mm_value *config, mm_module *model)
{
    mm_instance *instance = mm_build(&(mm_build_args){
        .registry = "optimizers",
        .config = config,
        .path = "optimizer",
        .interface = MM_INTERFACE_OPTIMIZER,
    });
    mm_param_groups *groups =
        instance != NULL ? mm_optimizer_new_groups(instance) : NULL;
    mm_optimizer *optimizer = NULL;

    if (groups != NULL && mm_param_groups_add(groups, NULL) == 0 &&
        mm_module_each_param(model, add_to_groups, groups) >= 0) {
        optimizer = mm_optimizer_new(instance, groups);
    }
    mm_param_groups_unref(groups);
    mm_instance_unref(instance);
    return optimizer;
}

void mmi_optimizer_states_changed(mm_optimizer *optimizer)
{
    if (optimizer->driver != NULL) {
        mmi_elementwise_forget(optimizer->driver, optimizer);
    } else if (optimizer->ops->state_changed != NULL) {
        optimizer->ops->state_changed(optimizer->self, optimizer);
    }
}

mm_optimizer *mm_optimizer_ref(mm_optimizer *optimizer)
{
    if (optimizer != NULL) {
        optimizer->refs++;
    }
    return optimizer;
}

void mm_optimizer_unref(mm_optimizer *optimizer)
{
    if (optimizer == NULL || --optimizer->refs != 0) {
        return;
    }
    for (size_t i = 0; i < optimizer->num_params; i++) {
        mm_value_unref(optimizer->states[i]);
    }
    mm_free(optimizer->states);
    mm_free(optimizer->params);
    mm_free(optimizer->memory);
    mm_free(optimizer->spans.spans);
    mm_free(optimizer->partials);
    mmi_elementwise_free(optimizer->driver);
    mm_param_groups_unref(optimizer->groups);
    mm_instance_unref(optimizer->instance);
    mm_free(optimizer);
}

mm_param_groups *mm_optimizer_groups(const mm_optimizer *optimizer)
{
    return optimizer->groups;
}

mm_instance *mm_optimizer_instance(const mm_optimizer *optimizer)
{
    return optimizer->instance;
}

void mm_optimizer_set_numerics(mm_optimizer *optimizer, mm_numerics numerics)
{
    optimizer->numerics = numerics;
}

mm_numerics mm_optimizer_numerics(const mm_optimizer *optimizer)
{
    return optimizer->numerics;
}

float mm_optimizer_grad_factor(const mm_optimizer *optimizer)
{
    return optimizer->grad_factor;
}

mm_value *mm_optimizer_state(mm_optimizer *optimizer, size_t param)
{
    if (mm_has_error()) {
        return NULL;
    }
    if (param >= optimizer->num_params) {
        mm_raise(MM_ERANGE, "no state of parameter %zu: there are %zu", param,
                 optimizer->num_params);
        return NULL;
    }
    if (optimizer->states[param] == NULL) {
        optimizer->states[param] = mm_value_new_dict();
    }
    return optimizer->states[param];
}

/* Blocks are numbered anew only when a size changed, which means at the first step. */
static mm_status lay_out(mm_optimizer *optimizer)
{
    mmi_spans *spans = &optimizer->spans;

    mmi_spans_lay_out(spans);
    if (spans->num_blocks > optimizer->partials_room) {
        double *grown =
            mm_realloc(optimizer->partials, (size_t)spans->num_blocks * sizeof *grown);

        if (grown == NULL) {
            return mm_pending();
        }
        optimizer->partials = grown;
        optimizer->partials_room = spans->num_blocks;
    }
    return MM_OK;
}

mm_status mmi_optimizer_gather(mm_optimizer *optimizer, bool writes)
{
    const mm_update_rule *rule = optimizer->ops->rule;
    bool is_fast = optimizer->numerics == MM_NUMERICS_FAST ||
                   (rule != NULL && rule->apply == NULL);
    bool is_resized = optimizer->partials == NULL;

    if (mm_leaves_memory(optimizer->params, optimizer->num_params, writes && is_fast,
                         optimizer->memory) < 0) {
        return mm_pending();
    }
    optimizer->num_slow = 0;
    for (size_t i = 0; i < optimizer->num_params; i++) {
        const mm_leaf_memory *memory = &optimizer->memory[i];
        mmi_span *span = &optimizer->spans.spans[i];
        bool is_plain = memory->is_plain && is_fast && memory->count > 0;

        if (span->param != memory->data) { /* moved: its states may lie otherwise now */
            memset(span->states, 0, sizeof span->states);
            span->has_moved = true;
        }
        span->param = is_plain ? memory->data : NULL;
        span->grad = is_plain ? memory->grad : NULL;
        is_resized = is_resized || span->count != memory->count;
        span->count = memory->count;
        optimizer->num_slow += memory->has_grad && !is_plain ? 1 : 0;
    }
    return is_resized ? lay_out(optimizer) : MM_OK;
}

bool mmi_optimizer_is_slow(const mm_optimizer *optimizer, size_t index)
{
    return optimizer->memory[index].has_grad &&
           optimizer->spans.spans[index].grad == NULL;
}

mm_status mmi_optimizer_step_slow(mm_optimizer *optimizer)
{
    for (size_t i = 0; optimizer->num_slow > 0 && i < optimizer->num_params; i++) {
        if (!mmi_optimizer_is_slow(optimizer, i)) {
            continue;
        }
        mm_scope scope = mm_scope_open();
        mm_status status = optimizer->ops->step_param(optimizer->self, optimizer, i);

        mm_scope_close(scope);
        if (status < 0) {
            return mm_error_frame("while stepping parameter '%s'",
                                  mm_param_groups_name(optimizer->groups, i));
        }
    }
    return MM_OK;
}

mm_status mmi_optimizer_refuse_sparse(const mm_optimizer *optimizer)
{
    (void)mm_raise(MM_EUNSUPPORTED, "%s does not support sparse gradients",
                   mm_instance_component(optimizer->instance)->name);
    return mm_error_hint("SparseAdam, SGD and Adagrad do");
}

mm_tensor *mmi_optimizer_grad(mm_optimizer *optimizer, size_t index)
{
    mm_tensor *grad = mm_grad_find(optimizer->params[index]);

    if (grad != NULL && !optimizer->ops->takes_sparse && mm_is_sparse(grad)) {
        (void)mmi_optimizer_refuse_sparse(optimizer);
        return NULL;
    }
    if (grad != NULL && optimizer->grad_factor != 1.0F) {
        grad = mm_mul_scalar(grad, optimizer->grad_factor);
    }
    return grad;
}

mm_tensor *mmi_optimizer_find_state(mm_optimizer *optimizer, size_t index,
                                    const char *name)
{
    const mm_value *state = optimizer->states[index];
    const mm_value *value = state != NULL ? mm_dict_find(state, name) : NULL;

    return value != NULL ? mm_value_find_tensor(value) : NULL;
}

mm_tensor *mmi_optimizer_put_state(mm_optimizer *optimizer, size_t index,
                                   const char *name, mm_tensor *tensor)
{
    mm_value *state = mm_optimizer_state(optimizer, index);

    if (state != NULL && tensor != NULL) {
        mm_dict_put_tensor(state, name, tensor);
    }
    return mm_has_error() ? NULL : tensor;
}

static bool is_same_size(const mm_tensor_info *a, const mm_tensor_info *b)
{
    bool is_same = a->ndim == b->ndim && a->dtype == b->dtype;

    for (int i = 0; is_same && i < a->ndim; i++) {
        is_same = a->sizes[i] == b->sizes[i];
    }
    return is_same;
}

bool mmi_lies_alike(const mm_tensor_info *a, const mm_tensor_info *b)
{
    bool is_alike = is_same_size(a, b);

    for (int i = 0; is_alike && i < a->ndim; i++) {
        is_alike = a->sizes[i] == 1 || a->strides[i] == b->strides[i];
    }
    return is_alike;
}

mm_tensor *mmi_laid_out_like(mm_tensor *tensor, mm_tensor *param)
{
    mm_tensor_info from;
    mm_tensor_info to;

    if (mm_tensor_info_get(tensor, &from) < 0 || mm_tensor_info_get(param, &to) < 0) {
        return NULL;
    }
    if (!is_same_size(&from, &to) || strcmp(from.device, to.device) != 0 ||
        mmi_lies_alike(&to, &from)) {
        return tensor;
    }
    mm_tensor *made = mm_empty_like(param);

    mm_copy_(made, tensor);
    return mm_has_error() ? NULL : made;
}

/* A new state tensor beside the parameter, holding `old` (laid out otherwise), zeros or
 * anything. */
static mm_tensor *make_state(mm_optimizer *optimizer, size_t index, const char *name,
                             mm_tensor *old, bool zeros)
{
    mm_scope scope = mm_scope_open();
    mm_tensor *param = optimizer->params[index];
    mm_tensor *made =
        zeros && old == NULL ? mm_zeros_like(param) : mm_empty_like(param);

    if (old != NULL) {
        mm_copy_(made, old);
    }
    made = mmi_optimizer_put_state(optimizer, index, name, made);
    mm_scope_close(scope);
    return made;
}

float *mmi_optimizer_state_memory(mm_optimizer *optimizer, size_t index,
                                  const char *name, bool zeros)
{
    mm_tensor *state = mmi_optimizer_find_state(optimizer, index, name);
    mm_tensor_info info = {0};
    mm_tensor_info param = {0};

    mm_tensor_info_get(optimizer->params[index], &param);
    if (state != NULL) {
        mm_tensor_info_get(state, &info);
    }
    if (!mm_has_error() &&
        (state == NULL || !info.is_cpu || !mmi_lies_alike(&param, &info))) {
        state = make_state(optimizer, index, name, state, zeros);
        if (state != NULL) {
            mm_tensor_info_get(state, &info);
        }
    }
    if (mm_has_error()) {
        mm_error_frame("while preparing state '%s' of parameter '%s'", name,
                       mm_param_groups_name(optimizer->groups, index));
        return NULL;
    }
    MM_ASSERT(mmi_lies_alike(&param, &info));
    return info.data;
}

/* For optimizers that have only step_param. */
static mm_status step_each(mm_optimizer *optimizer)
{
    for (size_t i = 0; i < optimizer->num_params; i++) {
        if (mm_grad_find(optimizer->params[i]) == NULL) {
            continue;
        }
        mm_scope scope = mm_scope_open();
        mm_status status = optimizer->ops->step_param(optimizer->self, optimizer, i);

        mm_scope_close(scope);
        if (status < 0) {
            return mm_error_frame("while stepping parameter '%s'",
                                  mm_param_groups_name(optimizer->groups, i));
        }
    }
    return mm_pending();
}

mm_status mm_optimizer_step_scaled(mm_optimizer *optimizer, float factor)
{
    if (mm_has_error()) {
        return mm_pending();
    }
    if (optimizer == NULL) {
        return mm_raise(MM_EINVAL, "cannot step: the optimizer is NULL");
    }
    if (optimizer->ops->needs_closure) {
        mm_raise(MM_ESTATE, "%s has no step without a closure",
                 mm_instance_component(optimizer->instance)->name);
        return mm_error_hint("a model's own train_step gives it one: "
                             "mm_optim_wrapper_step_closure()");
    }
    bool recorded = mm_grad_mode_set(false);

    optimizer->grad_factor = factor;
    if (optimizer->driver != NULL) {
        if (optimizer->ops->begin_step == NULL ||
            optimizer->ops->begin_step(optimizer->self, optimizer) >= 0)
            mmi_elementwise_step(optimizer->driver, optimizer);
    } else if (optimizer->ops->step != NULL) {
        optimizer->ops->step(optimizer->self, optimizer);
    } else {
        step_each(optimizer);
    }
    optimizer->grad_factor = 1.0F;
    optimizer->num_steps += mm_has_error() ? 0 : 1;
    mm_grad_mode_set(recorded);
    return mm_pending();
}

int64_t mm_optimizer_num_steps(const mm_optimizer *optimizer)
{
    return optimizer->num_steps;
}

mm_status mm_optimizer_step(mm_optimizer *optimizer)
{
    return mm_optimizer_step_scaled(optimizer, 1.0F);
}

mm_status mm_optimizer_zero_grad(mm_optimizer *optimizer, bool set_to_none)
{
    if (mm_has_error()) {
        return mm_pending();
    }
    if (set_to_none) {
        return mm_leaves_drop_grads(optimizer->params, optimizer->num_params);
    }
    bool recorded = mm_grad_mode_set(false);
    mm_scope scope = mm_scope_open();

    for (size_t i = 0; i < optimizer->num_params; i++) {
        mm_tensor *grad = mm_grad_find(optimizer->params[i]);

        if (grad != NULL) {
            mm_zero_(grad);
        }
    }
    mm_scope_close(scope);
    mm_grad_mode_set(recorded);
    return mm_pending();
}

double mmi_option_f64(const mm_value *options, const char *key, double absent)
{
    const mm_value *value = mm_dict_find(options, key);

    return mm_value_is_none(value) ? absent : mm_value_f64(value);
}

bool mmi_option_bool(const mm_value *options, const char *key, bool absent)
{
    const mm_value *value = mm_dict_find(options, key);

    return mm_value_is_none(value) ? absent : mm_value_is_true(value);
}
