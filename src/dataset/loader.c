/* The loader: batches of a dataset, made ahead of time by threads.
 *
 * A ring of slots, one per batch that may be ahead. Workers take batch numbers in order
 * and put what they made, or the error, into slot number % size; the consumer takes the
 * slots in order. So the order of batches does not depend on the workers, and memory is
 * bounded by the ring. The sampler is asked under the lock, the samples are made
 * outside. `generation` grows with every begin: what a worker made for an older one is
 * thrown away. With num_workers 0 the consumer makes the batches itself. */
#include <string.h>

#include "base/thread.h"
#include "dataset/dataset_impl.h"
#include "mmengine/log.h"
#include "mmengine/memory.h"
#include "mmengine/profile.h"

enum { PREFETCH = 2 /* batches ahead per worker, as PyTorch's prefetch_factor */ };

/* What a worker left for the consumer. */
typedef struct slot {
    bool is_full;
    mm_value *batch; /* owned; NULL with an error */
    mm_error *error; /* owned; NULL without */
} slot;

typedef struct worker {
    mm_loader *loader;
    mmi_thread thread;
    int64_t number;
} worker;

struct mm_loader {
    mm_dataset *dataset;
    mm_instance *sampler, *collate; /* owned */
    void *sampler_self, *collate_self;
    const mm_sampler_ops *sampler_ops;
    const mm_collate_ops *collate_ops;
    int64_t batch_size, num_workers, num_batches, num_indices;
    bool drop_last, persistent, is_infinite;
    bool has_drawn; /* persistent workers: the iterator's number was drawn */
    uint64_t seed;

    int64_t epoch;
    int64_t position; /* next batch for the consumer */

    mmi_mutex lock; /* guards all below */
    mmi_cond filled, emptied;
    int64_t next; /* next batch for a worker */
    uint64_t generation;
    bool is_open; /* workers may take batches */
    bool must_end;
    slot *ring;
    size_t ring_size;
    worker *workers;
    int64_t num_started;
};

/* Options of a dataloader config. */
struct data_loader {
    mm_instance *dataset, *sampler, *batch_sampler, *collate_fn;
    int64_t batch_size, num_workers;
    bool persistent_workers, pin_memory, drop_last, shuffle;
    mm_maybe_i64 num_batch_per_epoch;
    mm_value *worker_init_fn, *prefetch_factor, *timeout, *pin_memory_device;
    bool disable_subprocess_warning;
};

#define MM_OPT_STRUCT struct data_loader
static const mm_option options[] = {
    {"dataset", "what is read", MM_OPT_BUILD_REQUIRED(dataset, "datasets")},
    {"sampler", "in which order; default: DefaultSampler",
     MM_OPT_BUILD(sampler, "data_samplers")},
    {"batch_size", "samples in a batch", MM_OPT_I64(batch_size, 1, 1, INT64_MAX)},
    {"num_workers", "threads; 0: none but the training thread",
     MM_OPT_I64(num_workers, 0, 0, 1024)},
    {"collate_fn", "how samples become a batch; default: pseudo_collate",
     MM_OPT_BUILD(collate_fn, "functions")},
    {"drop_last", "leave out the last batch if it is not full",
     MM_OPT_BOOL(drop_last, false)},
    {"num_batch_per_epoch", "cut the dataset to this many batches",
     MM_OPT_I64_OR_NONE(num_batch_per_epoch, 1, INT64_MAX)},
    {"persistent_workers", "draw one number for all epochs, as PyTorch does with it",
     MM_OPT_BOOL(persistent_workers, false)},
    {"pin_memory", "page-locked batches, for devices", MM_OPT_BOOL(pin_memory, false)},
    {"shuffle", "order of the default sampler", MM_OPT_BOOL(shuffle, false)},
    {"batch_sampler", "what groups samples into batches; none can be used yet",
     MM_OPT_BUILD(batch_sampler, "data_samplers")},
    {"worker_init_fn", "accepted: threads need no seeds", MM_OPT_VALUE(worker_init_fn)},
    {"prefetch_factor", "accepted: two batches a worker",
     MM_OPT_VALUE(prefetch_factor)},
    {"timeout", "accepted", MM_OPT_VALUE(timeout)},
    {"pin_memory_device", "accepted", MM_OPT_VALUE(pin_memory_device)},
    {"disable_subprocess_warning", "accepted",
     MM_OPT_BOOL(disable_subprocess_warning, false)},
    {0},
};
#undef MM_OPT_STRUCT

/* A description of the options alone: for checking, building and help. */
const mm_component mmi_data_loader = {
    .registry = "functions",
    .name = "DataLoader",
    .help = "options of train_dataloader, val_dataloader and test_dataloader",
    .source = "torch.utils.data.DataLoader",
    .size = sizeof(struct data_loader),
    .options = options,
};

/* Making one batch. */

/* Indices of batch `number` into `out`; how many. Under the lock. */
static int64_t batch_indices(mm_loader *loader, int64_t number, int64_t *out)
{
    int64_t first = number * loader->batch_size;
    int64_t count = loader->batch_size;

    if (!loader->is_infinite && count > loader->num_indices - first)
        count = loader->num_indices - first;
    for (int64_t i = 0; i < count; i++)
        out[i] = loader->sampler_ops->index_at(loader->sampler_self, first + i);
    return count;
}

/* Reads the samples and collates them; yours. */
static mm_value *make_batch(mm_loader *loader, const int64_t *indices, int64_t count,
                            int64_t epoch)
{
    mm_scope scope = mm_scope_open();
    mm_value *samples = mm_value_new_list();
    mm_value *batch = NULL;

    for (int64_t i = 0; i < count && !mm_has_error(); i++)
        mm_list_push(samples,
                     mm_dataset_get(loader->dataset, indices[i], loader->seed, epoch));
    if (!mm_has_error())
        batch = loader->collate_ops->collate(loader->collate_self, samples);
    mm_value_unref(samples);
    mm_scope_close(scope);
    if (mm_has_error()) {
        mm_value_unref(batch);
        return NULL;
    }
    return batch;
}

/* Workers. */

static bool has_work(const mm_loader *loader)
{
    return loader->is_open &&
           (loader->is_infinite || loader->next < loader->num_batches) &&
           loader->next - loader->position < (int64_t)loader->ring_size;
}

static mm_error *take_error(int64_t worker_number, int64_t batch)
{
    mm_error taken;
    mm_error *copy;

    (void)mm_error_frame("in batch %lld, made by worker %lld", (long long)batch,
                         (long long)worker_number);
    (void)mm_error_take(&taken);
    copy = mm_alloc(sizeof(*copy));
    if (copy != NULL)
        *copy = taken;
    else
        (void)mm_error_take(NULL);
    return copy;
}

/* Puts a finished batch into its slot, unless it is of an older generation. */
static void deliver(mm_loader *loader, int64_t number, uint64_t generation,
                    mm_value *batch, mm_error *error)
{
    slot *place = &loader->ring[(size_t)number % loader->ring_size];

    if (generation != loader->generation || loader->must_end) {
        mm_value_unref(batch);
        mm_free(error);
        return;
    }
    *place = (slot){.is_full = true, .batch = batch, .error = error};
    mmi_cond_broadcast(&loader->filled);
}

/* Makes the next batch. Enters and leaves with the lock held. */
static void work_once(mm_loader *loader, worker *self, int64_t *indices)
{
    int64_t number = loader->next++, epoch = loader->epoch;
    uint64_t generation = loader->generation;
    int64_t count = batch_indices(loader, number, indices);
    mm_error *error = NULL;

    mmi_mutex_unlock(&loader->lock);
    mm_value *batch = mm_has_error() ? NULL : make_batch(loader, indices, count, epoch);
    if (batch == NULL)
        error = take_error(self->number, number);
    mmi_mutex_lock(&loader->lock);
    deliver(loader, number, generation, batch, error);
}

static void run_worker(void *user)
{
    worker *self = user;
    mm_loader *loader = self->loader;
    int64_t *indices = mm_alloc_array((size_t)loader->batch_size, sizeof(int64_t));

    (void)mm_grad_mode_set(false);
    mmi_mutex_lock(&loader->lock);
    while (!loader->must_end && indices != NULL) {
        if (has_work(loader))
            work_once(loader, self, indices);
        else
            mmi_cond_wait(&loader->emptied, &loader->lock);
    }
    mmi_mutex_unlock(&loader->lock);
    mm_free(indices);
    (void)mm_error_take(NULL);
}

static mm_status start_workers(mm_loader *loader)
{
    if (loader->num_workers == 0 || loader->workers != NULL)
        return MM_OK;
    loader->ring_size = (size_t)loader->num_workers * PREFETCH;
    loader->ring = mm_alloc_array(loader->ring_size, sizeof(slot));
    loader->workers = mm_alloc_array((size_t)loader->num_workers, sizeof(worker));
    for (int64_t i = 0; i < loader->num_workers && !mm_has_error(); i++) {
        worker *next = &loader->workers[i];

        next->loader = loader;
        next->number = i;
        if (mmi_thread_start(&next->thread, "mm-loader", run_worker, next) == MM_OK)
            loader->num_started++;
    }
    return mm_pending();
}

static void empty_ring(mm_loader *loader)
{
    for (size_t i = 0; loader->ring != NULL && i < loader->ring_size; i++) {
        mm_value_unref(loader->ring[i].batch);
        mm_free(loader->ring[i].error);
        loader->ring[i] = (slot){0};
    }
}

/* Life. */

static mm_status init_sampler(mm_loader *loader, int64_t len, int64_t rank,
                              int64_t world_size)
{
    loader->sampler_self = mm_instance_self(loader->sampler);
    loader->sampler_ops = mm_instance_ops(loader->sampler, MM_INTERFACE_SAMPLER);
    if (loader->sampler_ops == NULL ||
        loader->sampler_ops->begin(loader->sampler_self, len, rank, world_size,
                                   loader->seed) < 0)
        return mm_pending();
    loader->is_infinite = loader->sampler_ops->is_infinite != NULL &&
                          loader->sampler_ops->is_infinite(loader->sampler_self);
    loader->num_indices = loader->sampler_ops->len(loader->sampler_self);
    loader->num_batches = loader->num_indices / loader->batch_size;
    if (!loader->drop_last && loader->num_indices % loader->batch_size != 0)
        loader->num_batches++;
    if (loader->num_batches == 0)
        return mm_raise(MM_EDATA,
                        "%lld samples make no batch of %lld with drop_last=True",
                        (long long)loader->num_indices, (long long)loader->batch_size);
    return MM_OK;
}

static mm_status init_collate(mm_loader *loader, bool stack)
{
    if (loader->collate == NULL) {
        loader->collate =
            mm_instance_new(stack ? &mmi_default_collate : &mmi_pseudo_collate);
        if (loader->collate == NULL || mm_instance_start(loader->collate) < 0)
            return mm_pending();
    }
    loader->collate_self = mm_instance_self(loader->collate);
    loader->collate_ops = mm_instance_ops(loader->collate, MM_INTERFACE_COLLATE);
    return mm_pending();
}

/* A DefaultSampler made from C. */
static mm_instance *new_sampler(bool shuffle)
{
    mm_value *config = mm_value_new_dict();

    mm_dict_put_str(config, "type", "mmengine.DefaultSampler");
    mm_dict_put_bool(config, "shuffle", shuffle);
    mm_instance *sampler = mm_build(&(mm_build_args){
        .registry = "data_samplers",
        .config = config,
        .interface = MM_INTERFACE_SAMPLER,
    });

    mm_value_unref(config);
    return sampler;
}

static mm_loader *new_loader(const mm_loader_args *args, mm_instance *collate,
                             int64_t len, int64_t rank, int64_t world_size)
{
    mm_loader *loader = mm_alloc(sizeof(*loader));

    if (loader == NULL)
        return NULL;
    mmi_mutex_init(&loader->lock);
    mmi_cond_init(&loader->filled);
    mmi_cond_init(&loader->emptied);
    loader->dataset = mm_dataset_ref(args->dataset);
    loader->sampler = args->sampler == NULL ? new_sampler(args->shuffle)
                                            : mm_instance_ref(args->sampler);
    loader->collate = mm_instance_ref(collate);
    loader->batch_size = args->batch_size == 0 ? 1 : args->batch_size;
    loader->num_workers = args->num_workers;
    loader->drop_last = args->drop_last;
    loader->persistent = args->persistent_workers;
    loader->seed = args->seed;
    if (mm_has_error() || init_collate(loader, args->default_collate) < 0 ||
        init_sampler(loader, len, rank, world_size) < 0) {
        mm_loader_free(loader);
        return NULL;
    }
    return loader;
}

mm_loader *mm_loader_new_with(const mm_loader_args *args)
{
    if (!mm_has_error() && args->dataset == NULL)
        (void)mm_raise(MM_EINVAL, "a loader needs a dataset");
    return mm_has_error() ? NULL
                          : new_loader(args, NULL, mm_dataset_len(args->dataset), 0, 1);
}

static mm_build_args config_args(mm_value *config, const char *scope, const char *path)
{
    return (mm_build_args){
        .registry = "functions",
        .config = config,
        .scope = scope,
        .path = path,
        .default_type = "mmengine.DataLoader",
    };
}

mm_status mm_loader_check(mm_value *config, const char *scope, const char *path)
{
    mm_build_args args = config_args(config, scope, path);

    return mm_build_check(&args);
}

/* Samples that count: num_batch_per_epoch cuts the dataset. */
static int64_t effective_len(const struct data_loader *settings, int64_t len,
                             int64_t world_size)
{
    int64_t wanted =
        settings->num_batch_per_epoch.value * settings->batch_size * world_size;

    return settings->num_batch_per_epoch.has && wanted < len ? wanted : len;
}

mm_loader *mm_loader_build(mm_value *config, const char *scope, const char *path,
                           uint64_t seed, int64_t rank, int64_t world_size)
{
    mm_build_args args = config_args(config, scope, path);
    mm_instance *instance = mm_build(&args);
    const struct data_loader *settings =
        instance == NULL ? NULL : mm_instance_self(instance);
    mm_dataset *dataset = settings == NULL ? NULL : mm_dataset_new(settings->dataset);
    mm_loader *loader = NULL;

    if (settings != NULL && settings->batch_sampler != NULL)
        (void)mm_raise(MM_EUNSUPPORTED, "%s: batches cannot be grouped by a '%s' yet",
                       path == NULL ? "batch_sampler" : path,
                       mm_instance_component(settings->batch_sampler)->name);
    if (dataset != NULL && !mm_has_error())
        loader = new_loader(
            &(mm_loader_args){
                .dataset = dataset,
                .sampler = settings->sampler,
                .shuffle = settings->shuffle,
                .batch_size = settings->batch_size,
                .num_workers = settings->num_workers,
                .drop_last = settings->drop_last,
                .persistent_workers = settings->persistent_workers,
                .seed = seed,
            },
            settings->collate_fn,
            effective_len(settings, mm_dataset_len(dataset), world_size), rank,
            world_size);
    mm_dataset_unref(dataset);
    mm_instance_unref(instance);
    if (loader == NULL)
        (void)mm_error_frame("while building %s", path == NULL ? "a loader" : path);
    return loader;
}

void mm_loader_free(mm_loader *loader)
{
    if (loader == NULL)
        return;
    mmi_mutex_lock(&loader->lock);
    loader->must_end = true;
    mmi_cond_broadcast(&loader->emptied);
    mmi_mutex_unlock(&loader->lock);
    for (int64_t i = 0; i < loader->num_started; i++)
        mmi_thread_join(&loader->workers[i].thread);
    empty_ring(loader);
    mm_free(loader->ring);
    mm_free(loader->workers);
    mm_instance_unref(loader->sampler);
    mm_instance_unref(loader->collate);
    mm_dataset_unref(loader->dataset);
    mmi_cond_deinit(&loader->emptied);
    mmi_cond_deinit(&loader->filled);
    mmi_mutex_deinit(&loader->lock);
    mm_free(loader);
}

int64_t mm_loader_len(const mm_loader *loader)
{
    return loader->num_batches;
}

int64_t mm_loader_batch_size(const mm_loader *loader)
{
    return loader->batch_size;
}

mm_dataset *mm_loader_dataset(const mm_loader *loader)
{
    return loader->dataset;
}

int64_t mm_loader_batch_indices(mm_loader *loader, int64_t number, int64_t *out)
{
    if (number < 0 || (!loader->is_infinite && number >= loader->num_batches)) {
        (void)mm_raise(MM_ERANGE, "the loader has no batch %lld", (long long)number);
        return 0;
    }
    mmi_mutex_lock(&loader->lock);
    int64_t count = batch_indices(loader, number, out);

    mmi_mutex_unlock(&loader->lock);
    return count;
}

int64_t mm_loader_position(const mm_loader *loader)
{
    return loader->position;
}

bool mm_loader_has_begun(const mm_loader *loader)
{
    return loader->has_drawn;
}

void mm_loader_set_begun(mm_loader *loader)
{
    loader->has_drawn = true;
}

/* Stops handing out work and forgets what was made. */
static void close_iteration(mm_loader *loader)
{
    loader->generation++;
    loader->is_open = false;
    empty_ring(loader);
}

mm_status mm_loader_set_epoch(mm_loader *loader, int64_t epoch)
{
    if (mm_has_error() || loader->epoch == epoch)
        return mm_pending(); /* an iteration that has begun goes on */
    mmi_mutex_lock(&loader->lock);
    close_iteration(loader);
    loader->epoch = epoch;
    if (loader->sampler_ops->set_epoch != NULL)
        (void)loader->sampler_ops->set_epoch(loader->sampler_self, epoch);
    mmi_mutex_unlock(&loader->lock);
    return mm_pending();
}

mm_status mm_loader_begin(mm_loader *loader, int64_t first)
{
    if (mm_has_error())
        return mm_pending();
    if (first == 0 && !(loader->persistent && loader->has_drawn))
        (void)mm_random_i64(NULL);
    loader->has_drawn = true;
    if (start_workers(loader) < 0)
        return mm_pending();
    mmi_mutex_lock(&loader->lock);
    close_iteration(loader);
    loader->position = first;
    loader->next = first;
    loader->is_open = true;
    mmi_cond_broadcast(&loader->emptied);
    mmi_mutex_unlock(&loader->lock);
    return mm_pending();
}

/* The consumer's own work when there are no threads. */
static mm_status make_here(mm_loader *loader, mm_value **out_batch)
{
    int64_t *indices = mm_alloc_array((size_t)loader->batch_size, sizeof(int64_t));
    bool recording = mm_grad_mode_set(false);

    if (indices != NULL) {
        int64_t count = batch_indices(loader, loader->position, indices);

        *out_batch =
            mm_has_error() ? NULL : make_batch(loader, indices, count, loader->epoch);
    }
    (void)mm_grad_mode_set(recording);
    mm_free(indices);
    if (mm_has_error())
        return mm_error_frame("in batch %lld", (long long)loader->position);
    loader->position++;
    return MM_OK;
}

/* Waits for the slot of the next batch and empties it. */
static mm_status take_made(mm_loader *loader, mm_value **out_batch)
{
    slot *place = &loader->ring[(size_t)loader->position % loader->ring_size];

    mmi_mutex_lock(&loader->lock);
    while (!place->is_full)
        mmi_cond_wait(&loader->filled, &loader->lock);
    slot made = *place;
    *place = (slot){0};
    loader->position++;
    mmi_cond_signal(&loader->emptied);
    mmi_mutex_unlock(&loader->lock);
    if (made.error != NULL) {
        (void)mm_error_restore(made.error);
        mm_free(made.error);
        return mm_pending();
    }
    *out_batch = made.batch;
    return MM_OK;
}

mm_status mm_loader_next(mm_loader *loader, mm_value **out_batch)
{
    if (mm_has_error())
        return mm_pending();
    if (!loader->is_open)
        return mm_raise(MM_ESTATE, "a loader is read before mm_loader_begin()");
    if (!loader->is_infinite && loader->position >= loader->num_batches)
        return MM_END;
    int64_t begin = mm_profile_begin();
    mm_status status = loader->num_workers == 0 ? make_here(loader, out_batch)
                                                : take_made(loader, out_batch);

    mm_profile_end(begin, "data");
    return status;
}
