/* A transform: adds normal noise to "inputs", from the sample's own generator, so that
 * any number of workers gives the same samples. */
#include <mmengine/mmengine.h>

struct jitter {
    double std; /* option */
};

#define MM_OPT_STRUCT struct jitter
static const mm_option options[] = {
    {"std", "standard deviation of the noise", MM_OPT_F64(std, 0.1, 0.0, 1e6)},
    {0},
};

static mm_status apply(void *data, mm_sample *sample)
{
    const struct jitter *self = data;
    mm_tensor *x = mm_sample_get(sample, "inputs"); /* borrowed */
    mm_tensor *noise = mm_randn_like(x, mm_sample_rng(sample));

    mm_sample_put(sample, "inputs", mm_add(x, mm_mul_scalar(noise, self->std)));
    return mm_sample_status(sample);
}

static const mm_transform_ops ops = {.apply = apply};

static const mm_component jitter = {
    .registry = "transforms",
    .name = "Jitter",
    .help = "adds normal noise",
    .size = sizeof(struct jitter),
    .options = options,
    MM_TRANSFORM(&ops),
};
MM_PLUGIN_OF(&jitter)
