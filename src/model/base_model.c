/* MMEngine's BaseModel: one training step, one validation step, and what becomes of the
 * losses. The runner calls these; a model supplies loss and predict. */
#include "mmengine/model.h"

#include <string.h>

#include "mmengine/memory.h"
#include "mmengine/ops.h"
#include "mmengine/optim.h"
#include "mmengine/profile.h"

static void ref_value(void *value)
{
    mm_value_ref(value);
}

static void unref_value(void *value)
{
    mm_value_unref(value);
}

static const mm_model_ops *ops_of(mm_module *model)
{
    if (model == NULL && !mm_has_error()) {
        mm_raise(MM_EINVAL, "could not run a model: none given");
    }
    return mm_has_error()
               ? NULL
               : mm_instance_ops(mm_module_instance(model), MM_INTERFACE_MODEL);
}

static mm_status lacks(const mm_module *model, const char *what)
{
    return mm_raise(MM_EUNSUPPORTED, "a %s has no %s", mm_module_type(model), what);
}

mm_value *mm_model_preprocess(mm_module *model, mm_value *batch, bool training)
{
    mm_module *child = mm_module_find(model, MM_DATA_PREPROCESSOR);

    if (mm_has_error() || child == NULL) {
        return mm_has_error() ? NULL : batch;
    }
    const mm_preprocessor_ops *ops =
        mm_instance_ops(mm_module_instance(child), MM_INTERFACE_PREPROCESSOR);
    int64_t begin = mm_profile_begin();
    mm_value *data =
        ops != NULL ? ops->process(mm_module_self(child), batch, training) : NULL;

    mm_profile_end(begin, "preprocess");

    if (data == NULL) {
        mm_error_frame("while preprocessing a batch (%s)", mm_module_type(child));
    }
    return data;
}

static mm_value *compute_losses(mm_module *model, const mm_model_ops *ops,
                                mm_value *batch, mm_optim_wrapper *optim_wrapper)
{
    mm_value *losses = NULL;

    if (ops->loss == NULL) {
        (void)lacks(model, "loss to train with");
        return NULL;
    }
    if (mm_optim_wrapper_enter(optim_wrapper) == MM_OK) {
        mm_value *data = mm_model_preprocess(model, batch, true);
        int64_t begin = mm_profile_begin();

        losses = data != NULL ? ops->loss(mm_module_self(model), data) : NULL;
        mm_profile_end(begin, "forward");
    }
    mm_optim_wrapper_leave(optim_wrapper);
    return losses;
}

static mm_value *default_train_step(mm_module *model, const mm_model_ops *ops,
                                    mm_value *batch, mm_optim_wrapper *optim_wrapper)
{
    mm_value *losses = compute_losses(model, ops, batch, optim_wrapper);
    mm_tensor *total = NULL;
    mm_value *log_vars = losses != NULL ? mm_parse_losses(losses, &total) : NULL;

    if (log_vars == NULL ||
        mm_optim_wrapper_update_params(optim_wrapper, total) != MM_OK) {
        return NULL;
    }
    return log_vars;
}

mm_value *mm_model_train_step(mm_module *model, mm_value *batch,
                              mm_optim_wrapper *optim_wrapper)
{
    const mm_model_ops *ops = ops_of(model);

    if (ops == NULL) {
        return NULL;
    }
    if (batch == NULL || optim_wrapper == NULL) {
        mm_raise(MM_EINVAL, "could not train a %s: no %s given", mm_module_type(model),
                 batch == NULL ? "batch" : "optim_wrapper");
        return NULL;
    }
    if (ops->train_step == NULL && mm_optim_wrapper_is_dict(optim_wrapper)) {
        (void)lacks(model, "train_step of its own, which several optimizers need");
        return NULL;
    }
    mm_scope scope = mm_scope_open();
    mm_value *log_vars =
        ops->train_step != NULL
            ? ops->train_step(mm_module_self(model), batch, optim_wrapper)
            : default_train_step(model, ops, batch, optim_wrapper);

    if (mm_value_kind(log_vars) != MM_KIND_DICT && !mm_has_error()) {
        mm_raise(MM_ETYPE, "the train_step of a %s gave %s, not a dict of what to log",
                 mm_module_type(model),
                 log_vars == NULL ? "nothing" : mm_value_type_name(log_vars));
        log_vars = NULL;
    }
    return mm_scope_close_with(scope, log_vars, unref_value, ref_value);
}

mm_value *mm_model_val_step(mm_module *model, mm_value *batch)
{
    const mm_model_ops *ops = ops_of(model);
    mm_value *predictions = NULL;

    if (ops == NULL) {
        return NULL;
    }
    if (batch == NULL || ops->predict == NULL) {
        if (batch == NULL) {
            mm_raise(MM_EINVAL, "could not run a %s: no batch given",
                     mm_module_type(model));
        } else {
            (void)lacks(model, "predict to validate with");
        }
        return NULL;
    }
    mm_scope scope = mm_scope_open();
    mm_value *data = mm_model_preprocess(model, batch, false);

    if (data != NULL) {
        int64_t begin = mm_profile_begin();

        predictions = ops->predict(mm_module_self(model), data);
        mm_profile_end(begin, "predict");
    }
    return mm_scope_close_with(scope, predictions, unref_value, ref_value);
}

mm_value *mm_model_test_step(mm_module *model, mm_value *batch)
{
    const mm_model_ops *ops = ops_of(model);

    if (ops == NULL) {
        return NULL;
    }
    if (ops->test_step == NULL) {
        return mm_model_val_step(model, batch);
    }
    if (batch == NULL) {
        mm_raise(MM_EINVAL, "could not test a %s: no batch given",
                 mm_module_type(model));
        return NULL;
    }
    mm_scope scope = mm_scope_open();
    mm_value *predictions = ops->test_step(mm_module_self(model), batch);

    return mm_scope_close_with(scope, predictions, unref_value, ref_value);
}

/* --- losses --- */

/* The mean of a tensor of no dimensions is itself, bit for bit, and so is its gradient.
 */
static mm_tensor *mean_of(mm_tensor *tensor)
{
    return mm_ndim(tensor) == 0 ? tensor : mm_mean(tensor);
}

/* The sum of the means of a list. Python's sum starts from 0, which changes no bit but
 * the sign of a negative zero. */
static mm_tensor *sum_of_means(const char *name, const mm_value *list)
{
    mm_tensor *sum = NULL;

    for (size_t i = 0; i < mm_value_len(list) && !mm_has_error(); i++) {
        mm_tensor *tensor = mm_value_find_tensor(mm_list_get(list, i));

        if (tensor == NULL) {
            mm_raise(MM_ETYPE,
                     "could not parse losses: '%s' is not a tensor or a list of "
                     "tensors",
                     name);
            return NULL;
        }
        mm_tensor *mean = mean_of(tensor);

        sum = sum == NULL ? mean : mm_add(sum, mean);
    }
    if (sum == NULL && !mm_has_error()) {
        mm_raise(MM_ETYPE, "could not parse losses: '%s' is an empty list", name);
    }
    return sum;
}

static mm_tensor *reduce_loss(const char *name, const mm_value *value)
{
    mm_tensor *tensor = mm_value_find_tensor(value);

    if (tensor != NULL) {
        return mean_of(tensor);
    }
    if (mm_value_kind(value) == MM_KIND_LIST) {
        return sum_of_means(name, value);
    }
    mm_raise(MM_ETYPE,
             "could not parse losses: '%s' is not a tensor or a list of tensors "
             "but %s",
             name, mm_value_type_name(value));
    return NULL;
}

static void put_losses(mm_value *log_vars, const mm_value *losses,
                       mm_tensor **out_total)
{
    for (size_t i = 0; i < mm_value_len(losses) && !mm_has_error(); i++) {
        const char *name = mm_dict_name_at(losses, i);
        mm_tensor *value = reduce_loss(name, mm_dict_at(losses, i));

        if (value == NULL) {
            return;
        }
        mm_dict_put_tensor(log_vars, name, value);
        if (strstr(name, "loss") != NULL) {
            *out_total = *out_total == NULL ? value : mm_add(*out_total, value);
        }
    }
}

/* "loss" is the total unless the model returned an entry of that very name, which then
 * is what is logged: MMEngine's order of puts, kept with its consequence. */
mm_value *mm_parse_losses(mm_value *losses, mm_tensor **out_total)
{
    if (mm_has_error()) {
        return NULL;
    }
    if (mm_value_kind(losses) != MM_KIND_DICT) {
        mm_raise(MM_ETYPE, "could not parse losses: expected a dict, got %s",
                 mm_value_type_name(losses));
        return NULL;
    }
    mm_value *log_vars = mm_scoped(mm_value_new_dict());
    mm_value *place = mm_value_new_none();
    mm_tensor *total = NULL;

    mm_dict_take(log_vars, "loss", place); /* first, whatever its value will be */
    put_losses(log_vars, losses, &total);
    if (total == NULL && !mm_has_error()) {
        mm_raise(MM_EINVAL, "could not parse losses: no entry has 'loss' in its name");
    }
    if (!mm_has_error() && !mm_dict_has(losses, "loss")) {
        mm_dict_put_tensor(log_vars, "loss", total);
    }
    if (mm_has_error()) {
        return NULL;
    }
    *out_total = total;
    return log_vars;
}
