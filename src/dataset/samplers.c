/* Samplers: in which order a dataset is read. The order is MMEngine's, number for
 * number: permutations come from a libtorch generator of their own, seeded with seed +
 * epoch. A sampler answers for any position, so resuming is index arithmetic. Source:
 * mmengine/dataset/sampler.py. */
#include <string.h>

#include "dataset/dataset_impl.h"
#include "mmengine/memory.h"

/* Options and state of both samplers. */
struct sampler {
    bool shuffle;
    mm_maybe_i64 seed_option;
    bool round_up;

    int64_t dataset_len, rank, world_size;
    uint64_t seed;
    int64_t epoch;
    int64_t *order;  /* owned: the permutation at hand */
    int64_t at_pass; /* which one it is; -1: none */
    mm_rng *rng;     /* InfiniteSampler's stream, owned */
    int64_t drawn;   /* permutations drawn from it */
};

#define MM_OPT_STRUCT struct sampler
static const mm_option default_options[] = {
    {"shuffle", "a new order in every epoch", MM_OPT_BOOL(shuffle, true)},
    {"seed", "of the order; None: the run's seed",
     MM_OPT_I64_OR_NONE(seed_option, 0, INT64_MAX)},
    {"round_up", "every process draws equally many, some samples twice",
     MM_OPT_BOOL(round_up, true)},
    {0},
};

static const mm_option infinite_options[] = {
    {"shuffle", "a new order in every pass", MM_OPT_BOOL(shuffle, true)},
    {"seed", "of the order; None: the run's seed",
     MM_OPT_I64_OR_NONE(seed_option, 0, INT64_MAX)},
    {0},
};
#undef MM_OPT_STRUCT

static void deinit(void *data)
{
    struct sampler *self = data;

    mm_free(self->order);
    mm_rng_unref(self->rng);
}

static mm_status begin(void *data, int64_t dataset_len, int64_t rank,
                       int64_t world_size, uint64_t seed)
{
    struct sampler *self = data;

    self->dataset_len = dataset_len;
    self->rank = rank;
    self->world_size = world_size;
    self->seed = self->seed_option.has ? (uint64_t)self->seed_option.value : seed;
    self->at_pass = -1;
    mm_free(self->order);
    self->order = NULL;
    if (dataset_len < 1)
        return mm_raise(MM_EDATA, "the dataset is empty");
    self->order = mm_alloc_array((size_t)dataset_len, sizeof(int64_t));
    return mm_pending();
}

/* Puts 0..n-1, or a permutation drawn from `rng`, into the order. */
static mm_status draw(struct sampler *self)
{
    if (!self->shuffle) {
        for (int64_t i = 0; i < self->dataset_len; i++)
            self->order[i] = i;
        return MM_OK;
    }
    mm_scope scope = mm_scope_open();
    mm_tensor *permutation = mm_randperm(self->dataset_len, self->rng);
    const int64_t *data =
        permutation == NULL ? NULL : mm_data(permutation, MM_DTYPE_I64);

    if (data != NULL)
        memcpy(self->order, data, (size_t)self->dataset_len * sizeof(*data));
    mm_scope_close(scope);
    return mm_pending();
}

static mm_status seed_rng(struct sampler *self, uint64_t seed)
{
    if (!self->shuffle)
        return MM_OK;
    if (self->rng != NULL)
        return mm_rng_seed(self->rng, seed);
    self->rng = mm_rng_new(seed);
    return mm_pending();
}

/* DefaultSampler */

static int64_t default_len(void *data)
{
    const struct sampler *self = data;
    int64_t n = self->dataset_len, world = self->world_size;

    return self->round_up ? (n + world - 1) / world
                          : (n - self->rank + world - 1) / world;
}

static mm_status default_set_epoch(void *data, int64_t epoch)
{
    struct sampler *self = data;

    self->epoch = epoch;
    return MM_OK;
}

static int64_t default_index_at(void *data, int64_t position)
{
    struct sampler *self = data;

    if (self->at_pass != self->epoch) {
        if (seed_rng(self, self->seed + (uint64_t)self->epoch) < 0 || draw(self) < 0)
            return 0;
        self->at_pass = self->epoch;
    }
    return self->order[(position * self->world_size + self->rank) % self->dataset_len];
}

/* InfiniteSampler: one endless stream of permutations. */

static int64_t infinite_len(void *data)
{
    const struct sampler *self = data;

    return self->dataset_len;
}

/* Makes permutation number `pass` the one at hand. */
static mm_status go_to_pass(struct sampler *self, int64_t pass)
{
    if (self->at_pass > pass || self->at_pass < 0) {
        self->drawn = 0;
        if (seed_rng(self, self->seed) < 0)
            return mm_pending();
    }
    while (self->drawn <= pass) {
        if (draw(self) < 0)
            return mm_pending();
        self->drawn++;
    }
    self->at_pass = pass;
    return MM_OK;
}

static int64_t infinite_index_at(void *data, int64_t position)
{
    struct sampler *self = data;
    int64_t global = position * self->world_size + self->rank;
    int64_t pass = global / self->dataset_len;

    if (self->at_pass != pass && go_to_pass(self, pass) < 0)
        return 0;
    return self->order[global % self->dataset_len];
}

static bool always(void *self)
{
    (void)self;
    return true;
}

static const mm_sampler_ops default_ops = {
    .begin = begin,
    .len = default_len,
    .set_epoch = default_set_epoch,
    .index_at = default_index_at,
};

static const mm_sampler_ops infinite_ops = {
    .begin = begin,
    .len = infinite_len,
    .index_at = infinite_index_at,
    .is_infinite = always,
};

const mm_component mmi_default_sampler = {
    .registry = "data_samplers",
    .name = "DefaultSampler",
    .help = "reads the dataset once an epoch, shuffled or in order",
    .source = "mmengine/dataset/sampler.py",
    .size = sizeof(struct sampler),
    .options = default_options,
    .deinit = deinit,
    MM_SAMPLER(&default_ops),
};

const mm_component mmi_infinite_sampler = {
    .registry = "data_samplers",
    .name = "InfiniteSampler",
    .help = "reads the dataset again and again without an end",
    .source = "mmengine/dataset/sampler.py",
    .size = sizeof(struct sampler),
    .options = infinite_options,
    .deinit = deinit,
    MM_SAMPLER(&infinite_ops),
};
