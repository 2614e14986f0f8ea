/* What optimizers are written with: their options as a dict, states and gradients of a
 * parameter, reading and checking a group's options. Public, so that a plugin's
 * optimizer has the same. */
#include <math.h>
#include <string.h>

#include "mmengine/ops.h"
#include "optim/optimizer.h"
#include "registry/registry.h"

/* --- the options of a component as a dict --- */

static mm_value *tuple_of(const mm_f64s *numbers)
{
    mm_value *tuple = mm_value_new_tuple();

    for (size_t i = 0; i < numbers->count; i++)
        mm_list_push(tuple, mm_value_new_f64(numbers->data[i]));
    return tuple;
}

/* Python's defaults that are zero are ints nearly everywhere. */
static mm_value *number_of(double value)
{
    return value == 0.0 ? mm_value_new_i64(0) : mm_value_new_f64(value);
}

/* The field that a row stands for; NULL for kinds that optimizers do not have. */
static mm_value *field_value(const mm_option *option, const char *field)
{
    bool is_maybe = (option->flags & MM_OPTION_NULLABLE) != 0;
    const void *at = field;

    if (option->kind == MM_OPTION_BOOL)
        return mm_value_new_bool(*(const bool *)at);
    if (option->kind == MM_OPTION_F64S)
        return tuple_of(at);
    if (option->kind == MM_OPTION_I64 && !is_maybe)
        return mm_value_new_i64(*(const int64_t *)at);
    if (option->kind == MM_OPTION_F64 && !is_maybe)
        return number_of(*(const double *)at);
    if (option->kind == MM_OPTION_I64 && ((const mm_maybe_i64 *)at)->has)
        return mm_value_new_i64(((const mm_maybe_i64 *)at)->value);
    if (option->kind == MM_OPTION_F64 && ((const mm_maybe_f64 *)at)->has)
        return number_of(((const mm_maybe_f64 *)at)->value);
    if (option->kind == MM_OPTION_STR && *(const char *const *)at != NULL)
        return mm_value_new_str(*(const char *const *)at);
    if (option->kind == MM_OPTION_VALUE && *(mm_value *const *)at != NULL)
        return mm_value_ref(*(mm_value *const *)at);
    return mm_value_new_none();
}

static bool is_named(const char *const *names, const char *name)
{
    for (; names != NULL && *names != NULL; names++) {
        if (strcmp(*names, name) == 0)
            return true;
    }
    return false;
}

/* What the config writes stays as it is, an int an int, as in Python; so do the
 * defaults of lists. */
static mm_value *row_value(const mm_option *option, const mm_value *config,
                           const char *field)
{
    mm_value *given = config != NULL ? mm_dict_find(config, option->name) : NULL;

    if (given != NULL && option->kind != MM_OPTION_BOOL &&
        mm_value_kind(given) != MM_KIND_LIST)
        return mm_value_ref(given);
    if (given == NULL && config != NULL && option->kind == MM_OPTION_F64S &&
        option->u.text != NULL)
        return mmi_literal_parse(option->u.text);
    return field_value(option, field);
}

static void put_rows(mm_value *dict, const mm_option *table, const mm_value *config,
                     const char *self, const char *const *except)
{
    for (const mm_option *row = table; row != NULL && row->name != NULL; row++) {
        if (row->kind == MM_OPTION_INHERIT)
            put_rows(dict, row->u.inherited, config, self + row->offset, except);
        else if (row->kind != MM_OPTION_REST && !is_named(except, row->name))
            mm_dict_take(dict, row->name, row_value(row, config, self + row->offset));
    }
}

mm_value *mm_optimizer_defaults(const void *self, const char *const *except)
{
    if (mm_has_error())
        return NULL;
    const mm_instance *instance = mm_instance_of(self);
    mm_value *dict = mm_value_new_dict();

    put_rows(dict, mm_instance_component(instance)->options,
             mm_instance_config(instance), self, except);
    if (mm_has_error()) {
        mm_value_unref(dict);
        return NULL;
    }
    return dict;
}

/* --- a parameter's tensors --- */

mm_tensor *mm_optimizer_grad(mm_optimizer *optimizer, size_t param)
{
    return mmi_optimizer_grad(optimizer, param);
}

mm_tensor *mm_optimizer_find_state(const mm_optimizer *optimizer, size_t param,
                                   const char *name)
{
    const mm_value *state = optimizer->states[param];
    const mm_value *value = state != NULL ? mm_dict_find(state, name) : NULL;

    return value != NULL ? mm_value_find_tensor(value) : NULL;
}

mm_tensor *mm_optimizer_put_state(mm_optimizer *optimizer, size_t param,
                                  const char *name, mm_tensor *tensor)
{
    return mmi_optimizer_put_state(optimizer, param, name, tensor);
}

mm_tensor *mm_optimizer_zeros_state(mm_optimizer *optimizer, size_t param,
                                    const char *name)
{
    mm_tensor *tensor = mm_optimizer_find_state(optimizer, param, name);

    return tensor != NULL
               ? tensor
               : mmi_optimizer_put_state(optimizer, param, name,
                                         mm_zeros_like(optimizer->params[param]));
}

/* --- a group's options --- */

double mm_option_find_f64(const mm_value *options, const char *key, double absent)
{
    return mmi_option_f64(options, key, absent);
}

bool mm_option_find_bool(const mm_value *options, const char *key, bool absent)
{
    return mmi_option_bool(options, key, absent);
}

double mm_option_get_f64_at(const mm_value *options, const char *key, size_t index)
{
    return mm_value_f64(mm_list_get(mm_dict_get(options, key), index));
}

mm_status mm_option_check_f64(const mm_value *options, const char *key, double low,
                              double high, bool is_open)
{
    const mm_value *value = mm_dict_find(options, key);

    if (mm_has_error() || mm_value_is_none(value))
        return mm_pending();
    double number = mm_value_f64(value);

    if (mm_has_error())
        return mm_error_frame("while checking option '%s'", key);
    if (number >= low && (is_open ? number < high : number <= high))
        return MM_OK;
    if (isinf(high))
        return mm_raise(MM_ECONFIG, "%s is %g: must be at least %g", key, number, low);
    return mm_raise(MM_ECONFIG, "%s is %g: must be in [%g, %g%c", key, number, low,
                    high, is_open ? ')' : ']');
}
