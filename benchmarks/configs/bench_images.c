/* BenchImages: sixteen pictures of 224 x 224 pixels, made up. bench_images.py is its
 * twin for Python's MMEngine, with the same bytes. */
#include <mmengine/mmengine.h>

enum { COUNT = 16, SIDE = 224, CHANNELS = 3, CLASSES = 1000 };

struct bench_images {
    mm_base_dataset base;
};

#define MM_OPT_STRUCT struct bench_images
static const mm_option options[] = {
    {"", "", MM_OPT_INHERIT(base, mm_base_dataset_options)},
    {0},
};
#undef MM_OPT_STRUCT

static int64_t len(void *self)
{
    (void)self;
    return COUNT;
}

static mm_status get(void *self, int64_t index, mm_sample *out)
{
    const int64_t sizes[] = {SIDE, SIDE, CHANNELS};
    mm_tensor *image = mm_empty(MM_DTYPE_U8, 3, sizes);
    uint8_t *bytes = image == NULL ? NULL : mm_data(image, MM_DTYPE_U8);
    (void)self;

    for (uint32_t i = 0; bytes != NULL && i < SIDE * SIDE * CHANNELS; i++)
        bytes[i] = (uint8_t)((i * 2654435761u + (uint32_t)index * 40503u) >> 24);
    mm_sample_put(out, "img", image);
    mm_sample_put_i64(out, "gt_label", index * 61 % CLASSES);
    return mm_sample_status(out);
}

static const mm_dataset_ops ops = {.len = len, .get = get};

static const mm_component bench_images = {
    .registry = "datasets",
    .name = "BenchImages",
    .help = "pictures that are made up",
    .size = sizeof(struct bench_images),
    .options = options,
    MM_DATASET(&ops),
};

static const mm_component *const table[] = {&bench_images, NULL};
MM_PLUGIN(table)
