/* Test-time augmentation: a batch whose entries are lists over augmentations is run
 * through the wrapped model one augmentation at a time; the predictions, regrouped by
 * sample, go to merge_preds of the model at hand. Source:
 * mmengine/model/test_time_aug.py. */
#include "mmengine/memory.h"
#include "mmengine/model.h"

#define MM_OPT_STRUCT mm_base_tta_model
const mm_option mm_base_tta_model_options[] = {
    {"module", "the model to test; PrepareTTAHook puts in the runner's",
     MM_OPT_BUILD(module, "models")},
    {"data_preprocessor", "replaces the model's own",
     MM_OPT_BUILD(data_preprocessor, "models")},
    {0},
};
#undef MM_OPT_STRUCT

mm_status mm_tta_model_init(void *data)
{
    mm_base_tta_model *self = data;

    if (self->module == NULL)
        return mm_raise(MM_ECONFIG,
                        "a model for test-time augmentation has no 'module'");
    mm_module *inner =
        mm_module_add_instance(mm_module_of(data), "module", self->module);

    if (inner == NULL || mm_instance_ops(self->module, MM_INTERFACE_MODEL) == NULL)
        return mm_pending();
    if (self->data_preprocessor == NULL)
        return MM_OK;
    mm_module *own =
        mm_module_ref(mm_module_of_instance(self->data_preprocessor)); /* taken below */

    if (mm_module_find(inner, MM_DATA_PREPROCESSOR) != NULL)
        return mm_module_replace(inner, MM_DATA_PREPROCESSOR, own);
    (void)mm_module_add(inner, MM_DATA_PREPROCESSOR, own);
    return mm_pending();
}

static bool is_sequence(const mm_value *value)
{
    return mm_value_kind(value) == MM_KIND_LIST ||
           mm_value_kind(value) == MM_KIND_TUPLE;
}

/* The entry of one augmentation; every entry must have as many as the first. */
static mm_value *take_one(mm_value *entry, size_t index, size_t count)
{
    if (!is_sequence(entry) || mm_value_len(entry) != count) {
        (void)mm_raise(MM_EDATA,
                       "could not test with augmentations: every entry of a batch must "
                       "be a list over the same %zu augmentations",
                       count);
        return NULL;
    }
    return mm_list_get(entry, index);
}

static mm_value *batch_of_one(mm_value *batch, size_t index, size_t count)
{
    bool is_dict = mm_value_kind(batch) == MM_KIND_DICT;
    mm_value *one = mm_scoped(is_dict ? mm_value_new_dict() : mm_value_new_list());

    for (size_t i = 0; i < mm_value_len(batch) && !mm_has_error(); i++) {
        if (is_dict)
            mm_dict_put(one, mm_dict_name_at(batch, i),
                        take_one(mm_dict_at(batch, i), index, count));
        else
            mm_list_append(one, take_one(mm_list_get(batch, i), index, count));
    }
    return one;
}

static size_t count_augmentations(mm_value *batch)
{
    mm_value *first = NULL;

    if (mm_value_kind(batch) == MM_KIND_DICT)
        first = mm_value_len(batch) > 0 ? mm_dict_at(batch, 0) : NULL;
    else if (is_sequence(batch))
        first = mm_value_len(batch) > 0 ? mm_list_get(batch, 0) : NULL;
    else
        (void)mm_raise(
            MM_ETYPE,
            "could not test with augmentations: a batch must be a dict, list "
            "or tuple, not %s",
            mm_value_type_name(batch));
    if (!mm_has_error() && !is_sequence(first)) {
        (void)mm_raise(MM_EDATA,
                       "could not test with augmentations: the batch has none");
        (void)mm_error_hint("tta_pipeline must end in a TestTimeAug");
    }
    return mm_has_error() ? 0 : mm_value_len(first);
}

/* Appends each sample's prediction to the list of that sample. */
static mm_status regroup(mm_value *groups, const mm_value *predictions, bool is_first)
{
    size_t count = mm_value_len(predictions);

    if (!is_first && count != mm_value_len(groups))
        return mm_raise(MM_EDATA,
                        "could not merge predictions: %zu samples of one augmentation, "
                        "%zu of another",
                        mm_value_len(groups), count);
    for (size_t i = 0; i < count && !mm_has_error(); i++) {
        if (is_first)
            mm_list_push(groups, mm_value_new_list());
        mm_list_append(mm_list_get(groups, i), mm_list_get(predictions, i));
    }
    return mm_pending();
}

mm_value *mm_tta_model_test_step(void *self, mm_value *batch)
{
    mm_module *model = mm_module_of(self);
    const mm_tta_model_ops *ops =
        mm_instance_ops(mm_module_instance(model), MM_INTERFACE_TTA_MODEL);
    mm_module *inner = mm_module_find(model, "module");

    if (ops != NULL && ops->merge_preds == NULL)
        (void)mm_raise(MM_EUNSUPPORTED, "a %s has no merge_preds",
                       mm_module_type(model));
    size_t count = mm_has_error() ? 0 : count_augmentations(batch);
    mm_value *groups = mm_scoped(mm_value_new_list());

    for (size_t i = 0; i < count && !mm_has_error(); i++) {
        mm_value *one = batch_of_one(batch, i, count);
        mm_value *predictions = mm_has_error() ? NULL : mm_model_test_step(inner, one);

        if (predictions != NULL)
            (void)regroup(groups, predictions, i == 0);
    }
    return mm_has_error() ? NULL : ops->merge_preds(self, groups);
}

mm_value *mm_tta_first(mm_value *list)
{
    bool has_any = mm_value_kind(list) == MM_KIND_LIST && mm_value_len(list) > 0;
    mm_value *first = has_any ? mm_list_get(list, 0) : NULL;

    return mm_value_kind(first) == MM_KIND_LIST ? first : list;
}

static const mm_tta_model_ops base_ops = {.model.test_step = mm_tta_model_test_step};

const mm_component mmi_model_base_tta = {
    .registry = "models",
    .name = "BaseTTAModel",
    .help =
        "what models for test-time augmentation are built on; merges nothing itself",
    .source = "mmengine/model/test_time_aug.py",
    .size = sizeof(mm_base_tta_model),
    .options = mm_base_tta_model_options,
    .init = mm_tta_model_init,
    MM_TTA_MODEL(&base_ops),
};
