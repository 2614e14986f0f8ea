/* AverageClsScoreTTA: the mean of the scores over all augmentations of an image. As in
 * the original everything else, the label too, is that of the first augmentation.
 * Source: mmpretrain/models/tta/score_tta.py. */
#include "mmengine/memory.h"
#include "mmengine/ops.h"
#include "mmpretrain/models/heads.h"

/* Python's sum of the scores divided by their number. */
static mm_tensor *mean_score(const mm_value *samples)
{
    mm_tensor *sum = NULL;
    size_t count = mm_value_len(samples);

    for (size_t i = 0; i < count && !mm_has_error(); i++) {
        mm_data_element *sample = mm_value_data_element(mm_list_get(samples, i));
        mm_tensor *score =
            sample == NULL ? NULL : mm_data_element_get_tensor(sample, "pred_score");

        sum = sum == NULL ? score : mm_add(sum, score);
    }
    return mm_div_scalar(sum, (double)count);
}

static mm_value *merge_one(const mm_value *samples)
{
    mm_tensor *score = mean_score(samples);
    mm_data_element *first =
        mm_has_error() ? NULL : mm_value_data_element(mm_list_get(samples, 0));
    mm_data_element *merged = first == NULL ? NULL : mm_data_element_copy(first);
    mm_value *value = NULL;

    if (merged != NULL) {
        mmz_set_score(merged, "pred_score", score, mm_size(score, 0));
        value = mm_value_new_data_element(merged);
    }
    mm_data_element_unref(merged);
    return value;
}

static mm_value *merge_preds(void *self, mm_value *predictions)
{
    mm_value *out = mm_scoped(mm_value_new_list());
    (void)self;

    for (size_t i = 0; i < mm_value_len(predictions) && !mm_has_error(); i++) {
        mm_value *merged = merge_one(mm_list_get(predictions, i));

        if (merged != NULL)
            mm_list_push(out, merged);
    }
    return mm_has_error() ? NULL : out;
}

static const mm_tta_model_ops ops = {
    .model.test_step = mm_tta_model_test_step,
    .merge_preds = merge_preds,
};

const mm_component mmz_average_cls_score_tta = {
    .registry = "models",
    .scope = "mmpretrain",
    .name = "AverageClsScoreTTA",
    .help = "averages the scores of all augmentations of an image",
    .source = "mmpretrain/models/tta/score_tta.py",
    .size = sizeof(mm_base_tta_model),
    .options = mm_base_tta_model_options,
    .init = mm_tta_model_init,
    MM_TTA_MODEL(&ops),
};
