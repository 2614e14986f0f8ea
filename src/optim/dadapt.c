/* What the optimizers of D-Adaptation share; see the header. Source: dadaptation (3.2).
 */
#include "optim/dadapt.h"

#include "mmengine/ops.h"

double mmi_dadapt_first(const mm_optimizer *optimizer, const char *key)
{
    return mm_option_find_f64(mm_param_groups_options(optimizer->groups, 0), key, 0.0);
}

const mm_value *mmi_dadapt_options(const mm_optimizer *optimizer, size_t index)
{
    return mm_param_groups_options(optimizer->groups,
                                   mm_param_groups_group_of(optimizer->groups, index));
}

double mmi_dadapt_lr(const mm_param_groups *groups)
{
    size_t count = mm_param_groups_count(groups);
    double largest = 0.0;

    for (size_t i = 0; i < count; i++) {
        double lr = mm_param_groups_f64(groups, i, "lr");

        largest = lr > largest ? lr : largest;
    }
    for (size_t i = 0; i < count && !mm_has_error(); i++) {
        double lr = mm_param_groups_f64(groups, i, "lr");

        if (lr == largest || lr == 0.0)
            continue;
        (void)mm_raise(MM_ECONFIG,
                       "parameter group %zu has lr=%g, another has %g: D-Adaptation "
                       "takes one lr, and 0",
                       i, lr, largest);
        (void)mm_error_hint("DAdaptAdam scales a group's steps by its layer_scale");
    }
    return largest;
}

mm_status mmi_dadapt_check_positive(const char *key, double value)
{
    if (mm_has_error() || value > 0.0)
        return mm_pending();
    return mm_raise(MM_ECONFIG, "%s is %g: must be above 0", key, value);
}

void mmi_dadapt_put(mm_optimizer *optimizer, const char *key, double value)
{
    for (size_t i = 0; i < mm_param_groups_count(optimizer->groups); i++)
        (void)mm_param_groups_put_f64(optimizer->groups, i, key, value);
}

void mmi_dadapt_count(mm_optimizer *optimizer)
{
    for (size_t i = 0; i < mm_param_groups_count(optimizer->groups); i++) {
        double k = mm_param_groups_f64(optimizer->groups, i, "k");
        mm_value *next = mm_value_new_i64((int64_t)k + 1);

        (void)mm_param_groups_put(optimizer->groups, i, "k", next);
        mm_value_unref(next);
    }
}

double mmi_dadapt_grown(double d, double estimate, double growth_rate)
{
    double limit = d * growth_rate;

    estimate = limit < estimate ? limit : estimate;
    return estimate > d ? estimate : d;
}

bool mmi_dadapt_logs(const mm_optimizer *optimizer)
{
    int64_t every = (int64_t)mmi_dadapt_first(optimizer, "log_every");

    return every > 0 && (int64_t)mmi_dadapt_first(optimizer, "k") % every == 0;
}

double mmi_dadapt_sum(mm_tensor *x)
{
    mm_tensor *sum = mm_sum(x);

    return sum != NULL ? mm_item(sum) : 0.0;
}

double mmi_dadapt_dot(mm_tensor *x, mm_tensor *y)
{
    mm_tensor *dot = mm_op("aten::dot", MM_T(mm_reshape(x, MM_DIMS(-1))),
                           MM_T(mm_reshape(y, MM_DIMS(-1))));

    return dot != NULL ? mm_item(dot) : 0.0;
}

mm_tensor *mmi_dadapt_copy_state(mm_optimizer *optimizer, size_t index,
                                 const char *name)
{
    mm_tensor *tensor = mm_optimizer_find_state(optimizer, index, name);

    return tensor != NULL
               ? tensor
               : mm_optimizer_put_state(optimizer, index, name,
                                        mm_clone(mm_detach(optimizer->params[index])));
}

mm_tensor *mmi_dadapt_grad(mm_optimizer *optimizer, size_t index, double decay)
{
    mm_tensor *grad = mm_optimizer_grad(optimizer, index);

    return decay != 0.0 ? mm_add_scaled(grad, optimizer->params[index], decay) : grad;
}

mm_status mmi_dadapt_each(mm_optimizer *optimizer, void *user,
                          void (*visit)(void *user, mm_optimizer *optimizer,
                                        size_t index))
{
    for (size_t i = 0; i < optimizer->num_params && !mm_has_error(); i++) {
        if (mm_grad_find(optimizer->params[i]) == NULL)
            continue;
        mm_scope scope = mm_scope_open();

        visit(user, optimizer, i);
        mm_scope_close(scope);
        if (mm_has_error())
            return mm_error_frame("while stepping parameter '%s'",
                                  mm_param_groups_name(optimizer->groups, i));
    }
    return mm_pending();
}
