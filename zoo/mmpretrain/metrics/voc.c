/* Source: mmpretrain/evaluation/metrics/voc_multi_label.py. */
#include "mmpretrain/metrics/voc.h"

#include "mmengine/ops.h"
#include "mmpretrain/metrics/parts.h"

const mm_choice mmz_difficult_choices[] = {
    {"None", MMZ_DIFFICULT_IGNORED, "the class of this picture does not count"},
    {"True", MMZ_DIFFICULT_POSITIVE, "it counts as there"},
    {"False", MMZ_DIFFICULT_NEGATIVE, "it counts as not there"},
    {0},
};

/* A list of ints, from a list or a tensor; yours. */
static mm_value *labels_of(const mm_value *sample, const char *name)
{
    mm_value *value = mm_dict_get(sample, name);
    mm_tensor *tensor = mm_value_find_tensor(value);

    return tensor == NULL ? mm_value_ref(value) : mm_tensor_to_list(tensor);
}

static bool has_label(const mm_value *labels, int64_t label)
{
    for (size_t i = 0; i < mm_value_len(labels) && !mm_has_error(); i++)
        if (mm_value_i64(mm_list_get(labels, i)) == label)
            return true;
    return false;
}

mm_status mmz_mark_difficult(const mm_value *sample, int how, int64_t num_classes,
                             int8_t *targets)
{
    mm_value *difficult = labels_of(sample, "gt_label_difficult");
    mm_value *labels = labels_of(sample, "gt_label");
    size_t count = mm_has_error() ? 0 : mm_value_len(difficult);

    for (size_t i = 0; i < count && !mm_has_error(); i++) {
        int64_t label = mm_value_i64(mm_list_get(difficult, i));

        if (has_label(labels, label) || how == MMZ_DIFFICULT_NEGATIVE)
            continue;
        if (label < 0 || label >= num_classes)
            (void)mm_raise(MM_ERANGE, "gt_label_difficult %lld of %lld classes",
                           (long long)label, (long long)num_classes);
        else
            targets[label] = how == MMZ_DIFFICULT_POSITIVE ? 1 : -1;
    }
    mm_value_unref(difficult);
    mm_value_unref(labels);
    return mm_pending();
}
