/* Optimizers that train at one point and evaluate at another: which of the two the
 * parameters are at, and going from one to the other. On the way they are rounded;
 * where that must not show, the point of training is kept and put back. */
#include <string.h>

#include "mmengine/ops.h"
#include "optim/optim_wrapper.h"
#include "optim/optimizer.h"

bool mm_optimizer_is_training(const mm_optimizer *optimizer)
{
    return optimizer->ops->set_training != NULL &&
           optimizer->ops->is_training(optimizer->self, optimizer);
}

mm_status mm_optimizer_set_training(mm_optimizer *optimizer, bool training)
{
    if (mm_has_error() || optimizer->ops->set_training == NULL ||
        mm_optimizer_is_training(optimizer) == training)
        return mm_pending();
    bool recorded = mm_grad_mode_set(false);
    mm_scope scope = mm_scope_open();

    (void)optimizer->ops->set_training(optimizer->self, optimizer, training);
    mm_scope_close(scope);
    mm_grad_mode_set(recorded);
    return mm_pending();
}

bool mm_optimizer_is_state_option(const mm_optimizer *optimizer, const char *name)
{
    const char *const *names = optimizer->ops->state_options;

    for (; names != NULL && *names != NULL; names++) {
        if (strcmp(*names, name) == 0)
            return true;
    }
    return false;
}

mm_status mm_optim_wrapper_set_training(mm_optim_wrapper *wrapper, bool training)
{
    if (wrapper == NULL || mm_has_error())
        return mm_pending();
    for (size_t i = 0; i < wrapper->num_children; i++)
        (void)mm_optim_wrapper_set_training(wrapper->children[i].wrapper, training);
    return wrapper->is_dict ? mm_pending()
                            : mm_optimizer_set_training(wrapper->optimizer, training);
}

bool mm_optim_wrapper_is_training(const mm_optim_wrapper *wrapper)
{
    if (wrapper == NULL)
        return false;
    for (size_t i = 0; i < wrapper->num_children; i++) {
        if (mm_optim_wrapper_is_training(wrapper->children[i].wrapper))
            return true;
    }
    return !wrapper->is_dict && mm_optimizer_is_training(wrapper->optimizer);
}

/* A list of copies. */
static mm_value *copy_params(const mm_optimizer *optimizer)
{
    mm_value *list = mm_value_new_list();
    bool recorded = mm_grad_mode_set(false);

    for (size_t i = 0; i < optimizer->num_params && !mm_has_error(); i++) {
        mm_scope scope = mm_scope_open();
        mm_tensor *copy = mm_clone(mm_detach(optimizer->params[i]));

        if (copy != NULL)
            mm_list_push(list, mm_value_new_tensor(copy));
        mm_scope_close(scope);
    }
    mm_grad_mode_set(recorded);
    if (mm_has_error()) {
        mm_value_unref(list);
        return NULL;
    }
    return list;
}

mm_value *mm_optim_wrapper_training_point(const mm_optim_wrapper *wrapper)
{
    if (mm_has_error() || !mm_optim_wrapper_is_training(wrapper))
        return NULL;
    if (!wrapper->is_dict)
        return copy_params(wrapper->optimizer);
    mm_value *points = mm_value_new_dict();

    for (size_t i = 0; i < wrapper->num_children; i++) {
        mm_value *point = mm_optim_wrapper_training_point(wrapper->children[i].wrapper);

        if (point != NULL)
            mm_dict_take(points, wrapper->children[i].name, point);
    }
    return points;
}

static mm_status load_params(mm_optimizer *optimizer, const mm_value *point)
{
    if (mm_value_len(point) != optimizer->num_params)
        return mm_raise(MM_EDATA,
                        "the point of training has %zu parameters, the optimizer %zu",
                        mm_value_len(point), optimizer->num_params);
    bool recorded = mm_grad_mode_set(false);
    mm_scope scope = mm_scope_open();

    for (size_t i = 0; i < optimizer->num_params && !mm_has_error(); i++)
        mm_copy_(optimizer->params[i], mm_value_tensor(mm_list_get(point, i)));
    mm_scope_close(scope);
    mm_grad_mode_set(recorded);
    return mm_pending();
}

mm_status mm_optim_wrapper_load_training_point(mm_optim_wrapper *wrapper,
                                               const mm_value *point)
{
    if (mm_has_error())
        return mm_pending();
    for (size_t i = 0; i < wrapper->num_children; i++) {
        const mm_value *part = mm_dict_find(point, wrapper->children[i].name);

        if (part != NULL)
            (void)mm_optim_wrapper_load_training_point(wrapper->children[i].wrapper,
                                                       part);
    }
    if (wrapper->is_dict ||
        mm_optimizer_set_training(wrapper->optimizer, true) != MM_OK)
        return mm_pending();
    return load_params(wrapper->optimizer, point);
}
