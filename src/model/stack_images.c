/* Images to a batch. Bytes in host memory take one pass of our own kernel, image by
 * image over libtorch's threads; it rounds as PyTorch's `(x - mean) / std` does, so
 * both ways give the same bits. Everything else (floats, devices) goes through
 * operators, in PyTorch's order. */
#include "mmengine/model.h"

#include <inttypes.h>
#include <string.h>

#include "kernels/image.h"
#include "mmengine/memory.h"
#include "mmengine/ops.h"

enum { GRAIN = 32768 /* elements that are worth a thread */ };

/* The images of a batch and the sizes of what they become. */
struct batch {
    const mm_stack_images_args *args;
    mm_tensor **images;    /* [count], or one of 4 dimensions if is_stacked */
    mm_tensor_info *infos; /* of them */
    size_t num_tensors;
    bool is_stacked;
    int64_t count;
    int64_t channels;
    int64_t height; /* of the result */
    int64_t width;  /* of the result */
    bool is_even;   /* no image needs a border */
};

static mm_status describe(struct batch *batch)
{
    mm_value *inputs = batch->args->inputs;
    mm_kind kind = mm_value_kind(inputs);
    bool is_list = kind == MM_KIND_LIST || kind == MM_KIND_TUPLE;

    batch->is_stacked = !is_list;
    batch->num_tensors = is_list ? mm_value_len(inputs) : 1;
    if (batch->num_tensors == 0) {
        return mm_raise(MM_ESHAPE, "could not stack images: the batch is empty");
    }
    batch->images = mm_alloc_array(batch->num_tensors, sizeof(*batch->images));
    batch->infos = mm_alloc_array(batch->num_tensors, sizeof(*batch->infos));
    for (size_t i = 0; i < batch->num_tensors && !mm_has_error(); i++) {
        const mm_value *item = is_list ? mm_list_get(inputs, i) : inputs;

        batch->images[i] = mm_value_find_tensor(item);
        if (batch->images[i] == NULL) {
            return mm_raise(MM_ETYPE,
                            "could not stack images: expected a tensor, got %s",
                            mm_value_type_name(item));
        }
        mm_tensor_info_get(batch->images[i], &batch->infos[i]);
    }
    return mm_pending();
}

static int64_t round_up(int64_t size, int64_t divisor)
{
    return divisor > 1 ? (size + divisor - 1) / divisor * divisor : size;
}

static mm_status raise_shape(const struct batch *batch, size_t index)
{
    char *text = mm_tensor_describe(batch->images[index]);

    mm_raise(MM_ESHAPE,
             "could not stack images: expected %s with %" PRId64 " channels, got %s",
             batch->is_stacked ? "[N, C, H, W]" : "[C, H, W]", batch->channels,
             text != NULL ? text : "?");
    mm_free(text);
    return mm_pending();
}

static mm_status measure(struct batch *batch)
{
    int ndim = batch->is_stacked ? 4 : 3;
    int first = ndim - 3;

    batch->channels = batch->infos[0].sizes[first];
    batch->count =
        batch->is_stacked ? batch->infos[0].sizes[0] : (int64_t)batch->num_tensors;
    for (size_t i = 0; i < batch->num_tensors; i++) {
        const mm_tensor_info *info = &batch->infos[i];

        if (info->ndim != ndim || info->sizes[first] != batch->channels) {
            return raise_shape(batch, i);
        }
        int64_t height = info->sizes[first + 1];
        int64_t width = info->sizes[first + 2];

        batch->height = height > batch->height ? height : batch->height;
        batch->width = width > batch->width ? width : batch->width;
    }
    batch->height = round_up(batch->height, batch->args->pad_size_divisor);
    batch->width = round_up(batch->width, batch->args->pad_size_divisor);
    batch->is_even = true;
    for (size_t i = 0; i < batch->num_tensors; i++) {
        batch->is_even = batch->is_even &&
                         batch->infos[i].sizes[first + 1] == batch->height &&
                         batch->infos[i].sizes[first + 2] == batch->width;
    }
    return MM_OK;
}

static mm_status check_mean(const struct batch *batch)
{
    const mm_stack_images_args *args = batch->args;

    if (args->mean == NULL) {
        return MM_OK;
    }
    if (args->std == NULL) {
        return mm_raise(MM_EINVAL, "could not normalise images: a mean needs a std");
    }
    if (args->num_mean != 1 && args->num_mean != batch->channels) {
        return mm_raise(MM_ESHAPE,
                        "could not normalise images of %" PRId64
                        " channels with %d means",
                        batch->channels, args->num_mean);
    }
    return MM_OK;
}

static bool swaps(const struct batch *batch)
{
    return batch->args->swap_channels && batch->channels == 3;
}

/* --- bytes --- */

static bool is_cpu(const char *device)
{
    return device == NULL || strcmp(device, "cpu") == 0;
}

static bool all_bytes(const struct batch *batch)
{
    for (size_t i = 0; i < batch->num_tensors; i++) {
        if (batch->infos[i].dtype != MM_DTYPE_U8 || !batch->infos[i].is_cpu) {
            return false;
        }
    }
    return is_cpu(batch->args->device);
}

/* What the threads work on. */
struct pass {
    const struct batch *batch;
    const mmi_kernels *kernels;
    float *out;
    const float *mean; /* [channels] or NULL */
    const float *std;
};

static void fill_border(float *image, const struct batch *batch, int64_t height,
                        int64_t width)
{
    float value = (float)batch->args->pad_value;

    for (int64_t c = 0; c < batch->channels; c++) {
        for (int64_t y = 0; y < batch->height; y++) {
            float *row = image + (c * batch->height + y) * batch->width;

            for (int64_t x = y < height ? width : 0; x < batch->width; x++) {
                row[x] = value;
            }
        }
    }
}

static void stack_one(const struct pass *pass, int64_t index)
{
    const struct batch *batch = pass->batch;
    const mm_tensor_info *info = &batch->infos[batch->is_stacked ? 0 : index];
    int first = batch->is_stacked ? 1 : 0;
    const int64_t *sizes = info->sizes + first;
    const int64_t *strides = info->strides + first;
    const uint8_t *in = (const uint8_t *)info->data +
                        (batch->is_stacked ? index * info->strides[0] : 0);
    float *out = pass->out + index * batch->channels * batch->height * batch->width;
    mmi_normalize_args args = {
        .kernels = pass->kernels,
        .sizes = {.h = sizes[1], .w = sizes[2], .c = sizes[0]},
        .in = in,
        .in_strides = {.h = strides[1], .w = strides[2], .c = strides[0]},
        .out = out,
        .out_strides = {.h = batch->width, .w = 1, .c = batch->height * batch->width},
        .mean = pass->mean,
        .std = pass->std,
        .swap_channels = swaps(batch),
    };

    if (batch->is_even && strides[2] == 1 && strides[1] == sizes[2]) {
        args.sizes.w *= args.sizes.h; /* rows follow each other: one long row */
        args.sizes.h = 1;
    }
    mmi_normalize_u8(&args);
    if (!batch->is_even) {
        fill_border(out, batch, sizes[1], sizes[2]);
    }
}

static void stack_range(void *user, int64_t begin, int64_t end)
{
    for (int64_t i = begin; i < end; i++) {
        stack_one(user, i);
    }
}

static mm_tensor *stack_bytes(const struct batch *batch)
{
    enum { MAX_CHANNELS = 64 };
    const mm_stack_images_args *args = batch->args;
    int64_t sizes[] = {batch->count, batch->channels, batch->height, batch->width};
    int64_t per_image = batch->channels * batch->height * batch->width;
    float mean[MAX_CHANNELS];
    float std[MAX_CHANNELS];
    mm_tensor *out = mm_empty(MM_DTYPE_F32, 4, sizes);
    struct pass pass = {.batch = batch,
                        .kernels = mmi_kernels_best(),
                        .out = out != NULL ? mm_data(out, MM_DTYPE_F32) : NULL};

    if (pass.out == NULL) {
        return NULL;
    }
    for (int64_t c = 0; args->mean != NULL && c < batch->channels; c++) {
        mean[c] = args->mean[args->num_mean == 1 ? 0 : c];
        std[c] = args->std[args->num_mean == 1 ? 0 : c];
        pass.mean = mean;
        pass.std = std;
    }
    const mm_parallel *parallel = mm_torch_parallel();
    int64_t grain = per_image > 0 ? (GRAIN + per_image - 1) / per_image : 1;

    if (parallel != NULL && batch->count > grain) {
        parallel->run(batch->count, grain, stack_range, &pass);
    } else {
        stack_range(&pass, 0, batch->count);
    }
    return out;
}

/* --- everything else --- */

static mm_tensor *constant(const struct batch *batch, const float *values)
{
    int64_t sizes[] = {batch->args->num_mean, 1, 1};
    mm_tensor *tensor = mm_from_f32(values, 3, sizes);

    return is_cpu(batch->args->device) ? tensor
                                       : mm_to(tensor, .device = batch->args->device);
}

static mm_tensor *normalise(const struct batch *batch, mm_tensor *x)
{
    if (swaps(batch)) {
        x = mm_flip(x, MM_DIMS(-3));
    }
    x = mm_cast(x, MM_DTYPE_F32);
    if (batch->args->mean != NULL) {
        x = mm_sub(x, constant(batch, batch->args->mean));
        x = mm_div(x, constant(batch, batch->args->std));
    }
    return x;
}

static mm_tensor *pad(const struct batch *batch, mm_tensor *x,
                      const mm_tensor_info *info)
{
    int64_t down = batch->height - info->sizes[info->ndim - 2];
    int64_t right = batch->width - info->sizes[info->ndim - 1];

    return down == 0 && right == 0
               ? x
               : mm_pad(x, MM_DIMS(0, right, 0, down), .value = batch->args->pad_value);
}

static mm_tensor *move(const struct batch *batch, mm_tensor *x)
{
    return batch->args->device == NULL
               ? x
               : mm_to(x, .device = batch->args->device,
                       .non_blocking = batch->args->non_blocking);
}

static mm_tensor *stack_by_operators(const struct batch *batch)
{
    if (batch->is_stacked) {
        mm_tensor *x = normalise(batch, move(batch, batch->images[0]));

        return pad(batch, x, &batch->infos[0]);
    }
    if (batch->is_even) { /* one transfer and one pass for all of them */
        mm_tensor *x = mm_stack(batch->images, (int)batch->num_tensors, 0);

        return normalise(batch, move(batch, x));
    }
    mm_tensor **ready = mm_alloc_array(batch->num_tensors, sizeof(mm_tensor *));

    for (size_t i = 0; i < batch->num_tensors && !mm_has_error(); i++) {
        ready[i] = pad(batch, normalise(batch, move(batch, batch->images[i])),
                       &batch->infos[i]);
    }
    mm_tensor *out =
        !mm_has_error() ? mm_stack(ready, (int)batch->num_tensors, 0) : NULL;

    mm_free(ready);
    return out;
}

mm_tensor *mm_stack_images_with(const mm_stack_images_args *args)
{
    struct batch batch = {.args = args};
    mm_tensor *out = NULL;

    if (mm_has_error()) {
        return NULL;
    }
    if (args->inputs == NULL) {
        mm_raise(MM_EINVAL, "could not stack images: no inputs given");
        return NULL;
    }
    if (describe(&batch) == MM_OK && measure(&batch) == MM_OK &&
        check_mean(&batch) == MM_OK) {
        out = all_bytes(&batch) && batch.channels <= 64 ? stack_bytes(&batch)
                                                        : stack_by_operators(&batch);
    }
    mm_free(batch.images);
    mm_free(batch.infos);
    return mm_has_error() ? NULL : out;
}
