/* Options that torch's optimizers share; see the header. */
#include "optim/torch_options.h"

#include "mmengine/memory.h"

mm_status mmi_optimizer_init(void *self)
{
    const mm_optimizer_ops *ops = mm_instance_component(mm_instance_of(self))->ops;
    mm_value *options =
        ops->defaults != NULL ? ops->defaults(self) : mm_optimizer_defaults(self, NULL);

    if (options != NULL && ops->check != NULL)
        ops->check(self, options);
    mm_value_unref(options);
    return mm_pending();
}

mm_status mmi_check_torch_options(const mm_value *options)
{
    if (!mm_has_error() && mm_value_is_true(mm_dict_find(options, "differentiable"))) {
        mm_raise(MM_EUNSUPPORTED, "differentiable=True is not supported");
        return mm_error_hint("a step through which gradients flow is made of operators "
                             "in a train_step of one's own");
    }
    return mm_pending();
}

mm_status mmi_check_pair(const mm_value *options, const char *key)
{
    const mm_value *pair = mm_dict_get(options, key);
    mm_kind kind = mm_value_kind(pair);

    if (!mm_has_error() &&
        ((kind != MM_KIND_TUPLE && kind != MM_KIND_LIST) || mm_value_len(pair) != 2)) {
        char *text = mm_value_repr(pair);

        mm_raise(MM_ECONFIG, "%s is %s: two numbers are needed", key,
                 text != NULL ? text : "of another kind");
        mm_free(text);
    }
    return mm_pending();
}

mm_status mmi_check_torch(void *self, const mm_value *options)
{
    (void)self;
    return mmi_check_torch_options(options);
}

mm_status mmi_check_betas(void *self, const mm_value *options)
{
    (void)self;
    mmi_check_pair(options, "betas");
    for (size_t i = 0; i < 2 && !mm_has_error(); i++) {
        double beta = mm_option_get_f64_at(options, "betas", i);

        if (!mm_has_error() && !(beta >= 0.0 && beta < 1.0))
            return mm_raise(MM_ECONFIG, "betas[%zu] is %g: must be in [0, 1)", i, beta);
    }
    return mmi_check_torch_options(options);
}

double mmi_get_f64(const mm_value *options, const char *key)
{
    return mm_option_find_f64(options, key, 0.0);
}

bool mmi_get_bool(const mm_value *options, const char *key)
{
    return mm_option_find_bool(options, key, false);
}

void mmi_read_adam_like(void *self, const mm_value *options, void *out_setting)
{
    mmi_adam_like *setting = out_setting;

    (void)self;
    setting->lr = mmi_get_f64(options, "lr");
    setting->beta1 = mm_option_get_f64_at(options, "betas", 0);
    setting->beta2 = mm_option_get_f64_at(options, "betas", 1);
    setting->eps = mm_option_find_f64(options, "eps", 1e-8);
    setting->weight_decay = mmi_get_f64(options, "weight_decay");
    setting->decoupled = mmi_get_bool(options, "decoupled_weight_decay");
}

mmi_decay mmi_decay_of(double lr, double weight_decay, bool decoupled)
{
    if (decoupled && weight_decay != 0.0)
        return (mmi_decay){.param_factor = 1.0 - lr * weight_decay};
    return (mmi_decay){.weight_decay = weight_decay, .param_factor = 1.0};
}

mm_tensor **mmi_apply_decay(mm_update_call *call, const mmi_decay *decay)
{
    if (decay->param_factor != 1.0)
        mm_each_mul_number_(call, call->params, decay->param_factor);
    return decay->weight_decay != 0.0
               ? mm_each_add(call, call->grads, call->params, decay->weight_decay)
               : call->grads;
}
