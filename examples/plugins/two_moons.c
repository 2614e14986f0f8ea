/* A dataset: points on two half circles. Loader threads share the struct: read only. */
#include <math.h>
#include <mmengine/mmengine.h>
struct two_moons {
    mm_base_dataset base; /* pipeline and other options of all datasets */
    int64_t size;         /* option */
};
#define MM_OPT_STRUCT struct two_moons
static const mm_option options[] = {
    {"", NULL, MM_OPT_INHERIT(base, mm_base_dataset_options)},
    {"size", "points", MM_OPT_I64(size, 1000, 2, INT64_MAX)},
    {0},
};

static int64_t len(void *data)
{
    return ((struct two_moons *)data)->size;
}

static mm_status get(void *data, int64_t index, mm_sample *out)
{
    int64_t label = index % 2;
    double half = (double)(((struct two_moons *)data)->size / 2);
    double angle = 3.14159265358979 * (double)(index / 2) / half;
    double side = label == 0 ? 1.0 : -1.0; /* the lower arc is turned and shifted */
    float x[2] = {(float)(side * cos(angle)) + (float)label,
                  (float)(side * sin(angle)) + 0.5F * (float)label};

    mm_sample_put(out, "inputs", mm_from_f32(x, 1, (const int64_t[]){2}));
    mm_sample_put(out, "labels", mm_from_i64(&label, 0, NULL));
    return mm_sample_status(out);
}
static const mm_dataset_ops ops = {.len = len, .get = get};
static const mm_component two_moons = {.registry = "datasets",
                                       .name = "TwoMoons",
                                       .help = "points on two half circles",
                                       .size = sizeof(struct two_moons),
                                       .options = options,
                                       MM_DATASET(&ops)};
MM_PLUGIN_OF(&two_moons)
