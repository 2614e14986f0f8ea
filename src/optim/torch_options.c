/* Options that torch's optimizers share; see the header. */
#include "optim/torch_options.h"

#include <math.h>

#define MM_OPT_STRUCT struct mmi_torch_options
const mm_option mmi_torch_options[] = {
    {"maximize", "climb instead of descend", MM_OPT_BOOL(maximize, false)},
    {"foreach", "accepted for PyTorch's sake: all tensors are stepped at once",
     MM_OPT_VALUE(foreach)},
    {"differentiable", "not supported: must be False",
     MM_OPT_BOOL(differentiable, false)},
    {"fused", "accepted for PyTorch's sake: the kernels are fused",
     MM_OPT_VALUE(fused)},
    {0},
};
#undef MM_OPT_STRUCT

static mm_status refuse(const char *option)
{
    return mm_raise(MM_EUNSUPPORTED, "%s=True is not supported", option);
}

mm_status mmi_check_torch_struct(const struct mmi_torch_options *options)
{
    return options->differentiable ? refuse("differentiable") : mm_pending();
}

mm_status mmi_check_torch_options(const mm_value *options)
{
    static const char *const refused[] = {"differentiable", "capturable"};

    for (size_t i = 0; i < sizeof refused / sizeof *refused && !mm_has_error(); i++) {
        if (mm_value_is_true(mm_dict_find(options, refused[i]))) {
            return refuse(refused[i]);
        }
    }
    return mm_pending();
}

mm_status mmi_check_not_negative(const mm_value *options, const char *key)
{
    const mm_value *value = mm_dict_find(options, key);

    if (!mm_value_is_none(value) && !(mm_value_f64(value) >= 0.0) && !mm_has_error()) {
        return mm_raise(MM_ECONFIG, "%s is %g: must not be negative", key,
                        mm_value_f64(value));
    }
    return mm_pending();
}

void mmi_put_option_f64(mm_value *dict, const void *self, const char *key, double value)
{
    const mm_value *config = mm_instance_config(mm_instance_of(self));
    mm_value *given = config != NULL ? mm_dict_find(config, key) : NULL;

    if (given != NULL && mm_value_f64(given) == value) {
        mm_dict_put(dict, key, given);
    } else if (value == 0.0) {
        mm_dict_put_i64(dict, key, 0);
    } else {
        mm_dict_put_f64(dict, key, value);
    }
}

void mmi_put_option(mm_value *dict, const char *key, mm_value *value)
{
    if (value != NULL) {
        mm_dict_put(dict, key, value);
    } else {
        mm_dict_take(dict, key, mm_value_new_none());
    }
}

mm_value *mmi_checked(mm_value *dict)
{
    if (mm_has_error()) {
        mm_value_unref(dict);
        return NULL;
    }
    return dict;
}
