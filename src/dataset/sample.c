/* Samples: a dict on its way through the transforms, with random numbers of its own.
 *
 * Both generators begin at a number mixed from (seed, epoch, index), so a sample's
 * draws do not depend on the thread that makes it or on other samples. The small one is
 * SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators",
 * 2014). */
#include <string.h>

#include "dataset/dataset_impl.h"

/* SplitMix64's output function: every bit of `x` reaches every bit of the result. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

#define GOLDEN UINT64_C(0x9e3779b97f4a7c15) /* 2^64 / golden ratio, odd */

void mmi_sample_init(mm_sample *sample, uint64_t seed, int64_t epoch, int64_t index)
{
    uint64_t mixed = mix(seed + GOLDEN);

    mixed = mix(mixed ^ ((uint64_t)epoch + 2 * GOLDEN));
    mixed = mix(mixed ^ ((uint64_t)index + 3 * GOLDEN));
    *sample = (mm_sample){
        .value = mm_value_new_dict(),
        .index = index,
        .epoch = epoch,
        .stream = mixed,
        .seed = mixed,
    };
}

void mmi_sample_deinit(mm_sample *sample)
{
    mm_value_unref(sample->value);
    mm_rng_unref(sample->rng);
    *sample = (mm_sample){0};
}

void mm_sample_put(mm_sample *sample, const char *key, mm_tensor *tensor)
{
    mm_dict_put_tensor(sample->value, key, tensor);
}

void mm_sample_put_value(mm_sample *sample, const char *key, mm_value *value)
{
    mm_dict_put(sample->value, key, value);
}

void mm_sample_put_i64(mm_sample *sample, const char *key, int64_t value)
{
    mm_dict_put_i64(sample->value, key, value);
}

void mm_sample_put_str(mm_sample *sample, const char *key, const char *value)
{
    mm_dict_put_str(sample->value, key, value);
}

mm_value *mm_sample_get_value(mm_sample *sample, const char *key)
{
    mm_value *value = mm_dict_find(sample->value, key);

    if (value != NULL || mm_has_error())
        return value;
    char text[512] = "";
    size_t used = 0;

    for (size_t i = 0; i < mm_value_len(sample->value) && used < sizeof(text) - 80;
         i++) {
        const char *name = mm_dict_name_at(sample->value, i);
        size_t size = name == NULL ? 0 : strlen(name);

        if (size == 0 || used + size + 3 > sizeof(text))
            continue;
        memcpy(text + used, i == 0 ? "" : ", ", i == 0 ? 0 : 2);
        used += i == 0 ? 0 : 2;
        memcpy(text + used, name, size + 1);
        used += size;
    }
    (void)mm_raise(MM_EKEY, "the sample has no '%s'; it has: %s", key, text);
    return NULL;
}

mm_tensor *mm_sample_get(mm_sample *sample, const char *key)
{
    mm_value *value = mm_sample_get_value(sample, key);
    mm_tensor *tensor = value == NULL ? NULL : mm_value_find_tensor(value);

    if (value != NULL && tensor == NULL)
        (void)mm_raise(MM_ETYPE, "the sample's '%s' is a %s, not a tensor", key,
                       mm_value_type_name(value));
    return tensor;
}

mm_tensor *mm_sample_find(mm_sample *sample, const char *key)
{
    mm_value *value = mm_dict_find(sample->value, key);

    return value == NULL ? NULL : mm_value_find_tensor(value);
}

mm_value *mm_sample_find_value(mm_sample *sample, const char *key)
{
    return mm_dict_find(sample->value, key);
}

bool mm_sample_remove(mm_sample *sample, const char *key)
{
    return mm_dict_remove(sample->value, key);
}

mm_value *mm_sample_dict(mm_sample *sample)
{
    return sample->value;
}

void mm_sample_replace(mm_sample *sample, mm_value *value)
{
    mm_value *former = sample->value;

    sample->value = mm_value_ref(value);
    mm_value_unref(former);
}

mm_status mm_sample_status(const mm_sample *sample)
{
    (void)sample; /* a put that failed has left its error pending */
    return mm_pending();
}

int64_t mm_sample_index(const mm_sample *sample)
{
    return sample->index;
}

int64_t mm_sample_epoch(const mm_sample *sample)
{
    return sample->epoch;
}

mm_rng *mm_sample_rng(mm_sample *sample)
{
    if (sample->rng == NULL)
        sample->rng = mm_rng_new(sample->seed);
    return sample->rng;
}

static uint64_t next_bits(mm_sample *sample)
{
    sample->stream += GOLDEN;
    return mix(sample->stream);
}

double mm_sample_uniform(mm_sample *sample)
{
    return (double)(next_bits(sample) >> 11) * 0x1p-53;
}

int64_t mm_sample_randint(mm_sample *sample, int64_t low, int64_t high)
{
    if (high <= low) {
        (void)mm_raise(MM_EINVAL, "could not draw an int from [%lld, %lld)",
                       (long long)low, (long long)high);
        return low;
    }
    uint64_t range = (uint64_t)high - (uint64_t)low;
    uint64_t limit = UINT64_MAX - UINT64_MAX % range; /* no value is likelier */
    uint64_t bits = next_bits(sample);

    while (bits >= limit)
        bits = next_bits(sample);
    return (int64_t)((uint64_t)low + bits % range);
}
