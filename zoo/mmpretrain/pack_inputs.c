/* PackInputs: the end of a classification pipeline. The image becomes "inputs" [C, H,
 * W], the label and what is known about the image a DataSample. Source:
 * mmpretrain/datasets/transforms/formatting.py. */
#include <string.h>

#include "mmengine/dataset.h"
#include "mmengine/ops.h"

struct pack_inputs {
    const char *input_key;
    mm_strs algorithm_keys;
    mm_strs meta_keys;
};

#define MM_OPT_STRUCT struct pack_inputs
static const mm_option options[] = {
    {"input_key", "what the model is fed with", MM_OPT_STR(input_key, "img")},
    {"algorithm_keys", "more fields that become data of the sample",
     MM_OPT_STRS(algorithm_keys, "()")},
    {"meta_keys", "fields that become meta information",
     MM_OPT_STRS(meta_keys, "('sample_idx', 'img_path', 'ori_shape', 'img_shape', "
                            "'scale_factor', 'flip', 'flip_direction')")},
    {0},
};
#undef MM_OPT_STRUCT

/* The same memory as [1, H, W]: [H, W] or [H, W, 1]. Cheap: it runs for every sample.
 */
static mm_tensor *one_channel(mm_tensor *image, const mm_tensor_info *info)
{
    int64_t sizes[] = {1, info->sizes[0], info->sizes[1]};
    int64_t strides[] = {info->sizes[0] * info->strides[0], info->strides[0],
                         info->strides[1]};

    return mm_view_storage(image, 3, sizes, strides, info->storage_offset);
}

/* [H, W, C] or [H, W] as [C, H, W]; anything else as it is. */
static mm_tensor *to_chw(mm_tensor *image)
{
    mm_tensor_info info;

    if (mm_tensor_info_get(image, &info) < 0)
        return NULL;
    if (info.ndim == 2 || (info.ndim == 3 && info.sizes[2] == 1))
        return one_channel(image, &info);
    if (info.ndim != 3)
        return image;
    return mm_contiguous(mm_permute(image, MM_DIMS(2, 0, 1)), MM_FORMAT_CONTIGUOUS);
}

/* gt_label becomes a tensor [n] i64, whatever it was. */
static void put_label(mm_data_element *element, mm_value *label)
{
    mm_tensor *tensor = mm_value_find_tensor(label);
    int64_t one = 0, size = 1;

    if (tensor != NULL) {
        mm_data_element_put_tensor(element, "gt_label",
                                   mm_ndim(tensor) == 0 ? mm_unsqueeze(tensor, 0)
                                                        : tensor);
        return;
    }
    if (mm_value_kind(label) != MM_KIND_LIST && mm_value_kind(label) != MM_KIND_TUPLE) {
        one = mm_value_i64(label);
        mm_data_element_put_tensor(element, "gt_label", mm_from_i64(&one, 1, &size));
        return;
    }
    size = (int64_t)mm_value_len(label);
    mm_tensor *labels = mm_empty(MM_DTYPE_I64, 1, &size);
    int64_t *data = labels == NULL ? NULL : mm_data(labels, MM_DTYPE_I64);

    for (int64_t i = 0; data != NULL && i < size; i++)
        data[i] = mm_value_i64(mm_list_get(label, (size_t)i));
    mm_data_element_put_tensor(element, "gt_label", labels);
}

static void put_fields(const struct pack_inputs *self, mm_sample *sample,
                       mm_data_element *element)
{
    static const char *const plain[] = {"gt_score", "mask"};
    mm_value *label = mm_sample_find_value(sample, "gt_label");

    if (label != NULL)
        put_label(element, label);
    for (size_t i = 0; i < 2; i++) {
        mm_value *value = mm_sample_find_value(sample, plain[i]);

        if (value != NULL)
            mm_data_element_put(element, plain[i], value);
    }
    for (size_t i = 0; i < self->algorithm_keys.count; i++) {
        mm_value *value = mm_sample_find_value(sample, self->algorithm_keys.data[i]);

        if (value != NULL)
            mm_data_element_put(element, self->algorithm_keys.data[i], value);
    }
    for (size_t i = 0; i < self->meta_keys.count; i++) {
        mm_value *value = mm_sample_find_value(sample, self->meta_keys.data[i]);

        if (value != NULL)
            mm_data_element_put_meta(element, self->meta_keys.data[i], value);
    }
}

static mm_status apply(void *data, mm_sample *sample)
{
    const struct pack_inputs *self = data;
    mm_value *packed = mm_value_new_dict();
    mm_data_element *element = mm_data_element_new("DataSample");
    mm_tensor *input = mm_sample_find(sample, self->input_key);

    if (input != NULL)
        mm_dict_put_tensor(packed, "inputs", to_chw(input));
    if (element != NULL)
        put_fields(self, sample, element);
    mm_dict_take(packed, "data_samples",
                 element == NULL ? NULL : mm_value_new_data_element(element));
    mm_data_element_unref(element);
    if (!mm_has_error())
        mm_sample_replace(sample, packed);
    mm_value_unref(packed);
    return mm_pending();
}

static const mm_transform_ops ops = {.apply = apply};

const mm_component mmz_pack_inputs = {
    .registry = "transforms",
    .scope = "mmpretrain",
    .name = "PackInputs",
    .help = "packs image and label for the model",
    .source = "mmpretrain/datasets/transforms/formatting.py",
    .size = sizeof(struct pack_inputs),
    .options = options,
    MM_TRANSFORM(&ops),
};
