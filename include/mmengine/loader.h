/** @file
 * The loader: batches of a dataset, made ahead of time by threads. The batches are the
 * same for any number of workers. Making an iterator draws one int64 from libtorch's
 * default generator, as PyTorch's DataLoader does (once with persistent workers).
 * Source: torch.utils.data.DataLoader, Runner.build_dataloader.
 */
#ifndef MMENGINE_LOADER_H
#define MMENGINE_LOADER_H

#include "mmengine/dataset.h"

MM_BEGIN_DECLS

/** Builds from a dataloader config (dataset, sampler, batch_size, num_workers, ...). */
MM_API MM_OWNED mm_loader *mm_loader_build(mm_value *config, const char *scope,
                                           const char *path, uint64_t seed,
                                           int64_t rank, int64_t world_size);
/** Checks a dataloader config without building anything. */
MM_API mm_status mm_loader_check(mm_value *config, const char *scope, const char *path);
/** Settings of a loader made from C; zero is the default of each but the first. */
typedef struct mm_loader_args {
    mm_dataset *dataset;  /**< required; the loader adds its reference */
    mm_instance *sampler; /**< default: DefaultSampler with `shuffle` */
    bool shuffle;
    int64_t batch_size;  /**< default 1 */
    int64_t num_workers; /**< threads; 0: the caller's thread */
    bool drop_last;
    bool persistent_workers;
    bool default_collate; /**< stack instead of MMEngine's pseudo_collate */
    uint64_t seed;
} mm_loader_args;
MM_API MM_OWNED mm_loader *mm_loader_new_with(const mm_loader_args *args);
#define mm_loader_new(...)                                                             \
    mm_loader_new_with(&(const mm_loader_args){.dataset = __VA_ARGS__})

/** Stops the threads and releases. NULL is fine. Never blocks on a full queue. */
MM_API void mm_loader_free(mm_loader *loader);
/** Batches in an epoch. */
MM_API int64_t mm_loader_len(const mm_loader *loader);
MM_API int64_t mm_loader_batch_size(const mm_loader *loader);
MM_API mm_dataset *mm_loader_dataset(const mm_loader *loader);
/** MMEngine's sampler.set_epoch(); the runner's DistSamplerSeedHook calls it. */
MM_API mm_status mm_loader_set_epoch(mm_loader *loader, int64_t epoch);
/** Begins an iteration at batch `first` of the epoch, in constant time. Draws the
 * int64. */
MM_API mm_status mm_loader_begin(mm_loader *loader, int64_t first);
/** The next batch, yours; MM_END after the last one. Errors name worker and sample. */
MM_API mm_status mm_loader_next(mm_loader *loader, mm_value **out_batch);
/** True if an iteration was ever begun. With persistent workers the int64 is drawn then
 * and never again, so an exact resume has to know. */
MM_API bool mm_loader_has_begun(const mm_loader *loader);
/** Makes it so without drawing. */
MM_API void mm_loader_set_begun(mm_loader *loader);
/** Batches handed out since the epoch began. */
MM_API int64_t mm_loader_position(const mm_loader *loader);
/** Indices in the dataset of batch `number` of this epoch, in order; how many. `out`
 * has room for mm_loader_batch_size() of them. */
MM_API int64_t mm_loader_batch_indices(mm_loader *loader, int64_t number, int64_t *out);

MM_END_DECLS

#endif
