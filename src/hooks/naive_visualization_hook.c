/* Shows predictions of a test: every `interval` batches each picture is brought back to
 * what it was before normalisation, padding and resizing, and goes to the visualizer
 * with its data sample. A batch is a list of dicts of `inputs` and `data_sample`, or,
 * which MMEngine's hook does not take, a dict of the lists `inputs` and `data_samples`.
 * Source: mmengine/hooks/naive_visualization_hook.py. */
#include <string.h>

#include "hooks/hooks.h"
#include "mmengine/file.h"
#include "mmengine/memory.h"
#include "mmengine/ops.h"

struct naive_visualization_hook {
    int64_t interval;
    bool draw_gt, draw_pred;
};

#define MM_OPT_STRUCT struct naive_visualization_hook
static const mm_option options[] = {
    {"interval", "test batches between two that are shown",
     MM_OPT_I64(interval, 1, 1, INT64_MAX)},
    {"draw_gt", "show what is known of a sample", MM_OPT_BOOL(draw_gt, true)},
    {"draw_pred", "show what was predicted", MM_OPT_BOOL(draw_pred, true)},
    {0},
};
#undef MM_OPT_STRUCT

/* MMEngine hands the model to its backends here; none of ours draws graphs of models.
 */
static mm_status before_train(void *self, mm_runner *runner)
{
    (void)self;
    (void)runner;
    return MM_OK;
}

/* An entry of metainfo or data, unless it is absent or None. */
static mm_value *find_in(const mm_data_element *sample, const char *name)
{
    mm_value *value = mm_data_element_find(sample, name);

    return mm_value_is_none(value) ? NULL : value;
}

/* A list of numbers as a tensor [C, 1, 1]; NULL without an error if it is absent. */
static mm_tensor *per_channel(const mm_value *config, const char *key, int64_t channels)
{
    const mm_value *list = config == NULL ? NULL : mm_dict_find(config, key);
    float numbers[3] = {0};
    int64_t sizes[3] = {channels, 1, 1};

    if (mm_value_is_none(list) || mm_has_error())
        return NULL;
    if ((int64_t)mm_value_len(list) != channels || channels > 3) {
        (void)mm_raise(MM_EDATA, "img_norm_cfg has %zu numbers of %s for %d channels",
                       mm_value_len(list), key, (int)channels);
        return NULL;
    }
    for (int64_t i = 0; i < channels; i++)
        numbers[i] = (float)mm_value_f64(mm_list_get(list, (size_t)i));
    return mm_from_f32(numbers, 3, sizes);
}

/* tensor2imgs: [C, H, W] or [1, C, H, W] as it was before normalisation, f32 [C, H, W].
 */
static mm_tensor *denormalize(mm_tensor *input, const mm_value *config)
{
    mm_tensor *image = mm_ndim(input) == 4 ? mm_select(input, 0, 0) : input;

    if (mm_has_error() || mm_ndim(image) != 3) {
        (void)mm_raise(MM_ESHAPE, "a picture has 3 dimensions, not %d", mm_ndim(image));
        return NULL;
    }
    image = mm_to(mm_detach(image), .dtype = MM_DTYPE_F32, .device = "cpu");
    int64_t channels = mm_size(image, 0);
    mm_tensor *std = per_channel(config, "std", channels);
    mm_tensor *mean = per_channel(config, "mean", channels);
    const mm_value *to_bgr = config == NULL ? NULL : mm_dict_find(config, "to_bgr");

    if (std != NULL)
        image = mm_mul(image, std);
    if (mean != NULL)
        image = mm_add(image, mean);
    if (channels == 3 && (to_bgr == NULL || mm_value_is_true(to_bgr)))
        image = mm_flip(image, MM_DIMS(0));
    return image;
}

/* Two numbers, or false. */
static bool read_two(const mm_value *pair, int64_t out[2])
{
    if (pair == NULL || mm_value_len(pair) != 2)
        return false;
    out[0] = mm_value_i64(mm_list_get(pair, 0));
    out[1] = mm_value_i64(mm_list_get(pair, 1));
    return !mm_has_error();
}

/* Width and height of the picture on disk. */
static void original_size(const mm_data_element *sample, mm_tensor *image,
                          int64_t out[2])
{
    const mm_value *width = find_in(sample, "ori_width");
    const mm_value *height = find_in(sample, "ori_height");
    int64_t shape[2];

    out[0] = mm_size(image, 2);
    out[1] = mm_size(image, 1);
    if (width != NULL && height != NULL) {
        out[0] = mm_value_i64(width);
        out[1] = mm_value_i64(height);
    } else if (read_two(find_in(sample, "ori_shape"), shape)) {
        out[0] = shape[1];
        out[1] = shape[0];
    }
}

/* Cuts off the padding at the right and at the bottom, then resizes. */
static mm_tensor *restore_size(mm_tensor *image, const mm_data_element *sample)
{
    int64_t original[2], scale[2];

    original_size(sample, image, original);
    if (!mm_has_error() && find_in(sample, "pad_shape") != NULL) {
        if (!read_two(find_in(sample, "scale"), scale))
            memcpy(scale, original, sizeof(scale));
        if (scale[1] < mm_size(image, 1))
            image = mm_narrow(image, 1, 0, scale[1]);
        if (scale[0] < mm_size(image, 2))
            image = mm_narrow(image, 2, 0, scale[0]);
    }
    if (mm_has_error() ||
        (mm_size(image, 1) == original[1] && mm_size(image, 2) == original[0]))
        return image;
    mm_tensor *resized =
        mm_interpolate(mm_unsqueeze(image, 0),
                       .sizes = MM_DIMS(original[1], original[0]), .mode = "bilinear");

    return mm_select(resized, 0, 0);
}

/* What is known and what was predicted, as one dict; yours. */
static mm_value *join_fields(const mm_data_element *sample, const mm_value *output)
{
    const mm_data_element *predicted = mm_value_find_data_element(output);
    mm_value *fields = mm_value_copy(mm_data_element_fields(sample));
    const mm_value *more = predicted != NULL ? mm_data_element_fields(predicted)
                           : mm_value_kind(output) == MM_KIND_DICT ? output
                                                                   : NULL;

    for (size_t i = 0; more != NULL && i < mm_value_len(more) && !mm_has_error(); i++) {
        if (mm_dict_name_at(more, i) != NULL)
            mm_dict_put(fields, mm_dict_name_at(more, i), mm_dict_at(more, i));
    }
    return fields;
}

static mm_status show(const struct naive_visualization_hook *self, mm_runner *runner,
                      mm_tensor *input, const mm_data_element *sample,
                      const mm_value *output)
{
    mm_tensor *image = denormalize(input, find_in(sample, "img_norm_cfg"));
    const mm_value *path =
        mm_has_error() ? NULL : mm_data_element_get(sample, "img_path");

    if (path == NULL)
        return mm_pending();
    image = restore_size(image, sample);
    image = mm_cast(mm_round(mm_clamp(image, MM_N(0.0), MM_N(255.0))), MM_DTYPE_U8);
    image = mm_contiguous(mm_permute(image, MM_DIMS(1, 2, 0)), MM_FORMAT_CONTIGUOUS);
    if (image == NULL)
        return mm_pending();
    mm_value *fields = join_fields(sample, output);
    mm_image picture = {
        .data = mm_data(image, MM_DTYPE_U8),
        .height = mm_size(image, 0),
        .width = mm_size(image, 1),
        .channels = (int)mm_size(image, 2),
    };

    (void)mm_visualizer_add_datasample(mm_runner_visualizer(runner),
                                       &(mm_datasample_args){
                                           .name = mm_path_basename(mm_value_str(path)),
                                           .image = &picture,
                                           .sample = fields,
                                           .hide_gt = !self->draw_gt,
                                           .hide_pred = !self->draw_pred,
                                       });
    mm_value_unref(fields);
    return mm_pending();
}

/* The i-th picture of a batch and its data sample. */
static mm_status find_sample(const mm_value *batch, size_t i, mm_tensor **out_input,
                             mm_data_element **out_sample)
{
    bool is_dict = mm_value_kind(batch) == MM_KIND_DICT;
    const mm_value *holder = is_dict ? batch : mm_list_get(batch, i);
    mm_value *input = mm_dict_get(holder, "inputs");
    mm_value *sample = mm_dict_get(holder, is_dict ? "data_samples" : "data_sample");

    if (!mm_has_error() && is_dict) {
        input = mm_tta_first(input);
        sample = mm_tta_first(sample);
        sample = mm_list_get(sample, i);
        mm_tensor *stacked = mm_value_find_tensor(input);

        *out_input = stacked != NULL ? mm_select(stacked, 0, (int64_t)i)
                                     : mm_value_tensor(mm_list_get(input, i));
    } else if (!mm_has_error()) {
        *out_input = mm_value_tensor(input);
    }
    if (!mm_has_error())
        *out_sample = mm_value_data_element(sample);
    return mm_pending();
}

static mm_status after_test_iter(void *data, mm_runner *runner, const mm_iter *iter)
{
    const struct naive_visualization_hook *self = data;

    if ((iter->batch_idx + 1) % self->interval != 0)
        return MM_OK;
    for (size_t i = 0; i < mm_value_len(iter->outputs) && !mm_has_error(); i++) {
        mm_scope scope = mm_scope_open();
        mm_tensor *input = NULL;
        mm_data_element *sample = NULL;

        if (find_sample(iter->batch, i, &input, &sample) == MM_OK)
            (void)show(self, runner, input, sample, mm_list_get(iter->outputs, i));
        mm_scope_close(scope);
    }
    return mm_pending();
}

static const mm_hook_ops ops = {
    .priority = MM_PRIORITY_NORMAL,
    .before_train = before_train,
    .after_test_iter = after_test_iter,
};

const mm_component mmi_naive_visualization_hook = {
    .registry = "hooks",
    .name = "NaiveVisualizationHook",
    .help = "shows the pictures of a test with what was predicted",
    .source = "mmengine/hooks/naive_visualization_hook.py",
    .size = sizeof(struct naive_visualization_hook),
    .options = options,
    MM_HOOK(&ops),
};
