/* What top-level keys change in how the model computes: activation_checkpointing and
 * efficient_conv_bn_eval, each a name of a module or a list of them. Source:
 * Runner.train. */
#include "mmengine/nn.h"
#include "runner/internal.h"

static mm_status bad_names(const mm_runner *runner, const char *key)
{
    (void)mm_raise(MM_ECONFIG, "'%s' must be the name of a module or a list of names",
                   key);
    return mm_error_locate(mm_dict_source(runner->root, key));
}

mm_status mmi_model_features_check(const mm_runner *runner)
{
    static const char *const keys[] = {"activation_checkpointing",
                                       "efficient_conv_bn_eval"};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const mm_value *value = mmi_section(runner, keys[i]);
        mm_kind kind = mm_value_kind(value);
        bool is_list = kind == MM_KIND_LIST || kind == MM_KIND_TUPLE;

        if (value != NULL && kind != MM_KIND_STR && !is_list)
            return bad_names(runner, keys[i]);
        for (size_t j = 0; is_list && j < mm_value_len(value); j++) {
            if (mm_value_kind(mm_list_get(value, j)) != MM_KIND_STR)
                return bad_names(runner, keys[i]);
        }
    }
    return mm_pending();
}

static mm_status apply_to(const mm_runner *runner, const char *key, const char *name,
                          mm_status (*apply)(mm_module *module))
{
    mm_module *module =
        name == NULL || name[0] == '\0' ? NULL : mm_module_find(runner->model, name);

    if (mm_has_error())
        return mm_pending();
    if (module == NULL) {
        (void)mm_raise(MM_ECONFIG, "'%s': the model has no module '%s'", key, name);
        (void)mm_error_hint("dotted names, as those of its weights: backbone.layer1");
        return mm_error_locate(mm_dict_source(runner->root, key));
    }
    mm_log(MM_LOG_INFO, "Enabling the \"%s\" feature for sub-modules: %s", key, name);
    return apply(module);
}

static mm_status apply_feature(const mm_runner *runner, const char *key,
                               mm_status (*apply)(mm_module *module))
{
    mm_value *names = mmi_section(runner, key);
    bool is_one = mm_value_kind(names) == MM_KIND_STR;

    if (is_one)
        return apply_to(runner, key, mm_value_str(names), apply);
    for (size_t i = 0; names != NULL && i < mm_value_len(names) && !mm_has_error(); i++)
        (void)apply_to(runner, key, mm_value_str(mm_list_get(names, i)), apply);
    return mm_pending();
}

mm_status mmi_model_features(const mm_runner *runner)
{
    if (apply_feature(runner, "activation_checkpointing",
                      mm_nn_checkpoint_activations) < 0)
        return mm_pending();
    return apply_feature(runner, "efficient_conv_bn_eval",
                         mm_nn_efficient_conv_bn_eval);
}
