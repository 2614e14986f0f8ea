/** @file
 * Datasets, transforms, samplers, collate functions: what stands between a file and a
 * batch. Loader threads call datasets and transforms at the same time, so both are pure
 * functions of (self, index, sample); randomness comes from the sample alone.
 * Source: mmengine/dataset.
 */
#ifndef MMENGINE_DATASET_H
#define MMENGINE_DATASET_H

#include "mmengine/component.h"
#include "mmengine/structures.h"

MM_BEGIN_DECLS

/** @name Sample: one item on its way through the transforms @{ */
/** Puts a tensor (kept) under `key`. */
MM_API void mm_sample_put(mm_sample *sample, const char *key, mm_tensor *tensor);
MM_API void mm_sample_put_value(mm_sample *sample, const char *key, mm_value *value);
MM_API void mm_sample_put_i64(mm_sample *sample, const char *key, int64_t value);
MM_API void mm_sample_put_str(mm_sample *sample, const char *key, const char *value);
/** Borrowed; MM_EKEY with the keys that are there. */
MM_API mm_tensor *mm_sample_get(mm_sample *sample, const char *key);
MM_API mm_value *mm_sample_get_value(mm_sample *sample, const char *key);
/** Borrowed; NULL without an error. */
MM_API mm_tensor *mm_sample_find(mm_sample *sample, const char *key);
MM_API mm_value *mm_sample_find_value(mm_sample *sample, const char *key);
MM_API bool mm_sample_remove(mm_sample *sample, const char *key);
/** The whole dict, borrowed. */
MM_API mm_value *mm_sample_dict(mm_sample *sample);
/** Makes `value` the sample itself: for transforms that pack. */
MM_API void mm_sample_replace(mm_sample *sample, mm_value *value);
/** The first put that failed, or MM_OK. */
MM_API mm_status mm_sample_status(const mm_sample *sample);
/** Index in the dataset, and the epoch it is drawn in. */
MM_API int64_t mm_sample_index(const mm_sample *sample);
MM_API int64_t mm_sample_epoch(const mm_sample *sample);
/** Generator seeded from (seed, epoch, index) alone; made at the first call. */
MM_API mm_rng *mm_sample_rng(mm_sample *sample);
/** A double in [0, 1) from a small generator of the same seed: no libtorch needed. */
MM_API double mm_sample_uniform(mm_sample *sample);
/** An int in [low, high). */
MM_API int64_t mm_sample_randint(mm_sample *sample, int64_t low, int64_t high);
/** @} */

/** The functions of a dataset. */
struct mm_dataset_ops {
    /** required: samples, valid after full_init */
    int64_t (*len)(void *self);
    /** required: fills `out`. Thread-safe; the same index gives the same bytes. */
    mm_status (*get)(void *self, int64_t index, mm_sample *out);
    /** optional, default: nothing. Reads the index; called once before the first get.
     */
    mm_status (*full_init)(void *self);
    /** optional, default: none. Dict, borrowed: {"classes": (...)} */
    mm_value *(*metainfo)(void *self);
    /** optional, default: none. Category ids of a sample into a list (class balance).
     */
    mm_status (*cat_ids)(void *self, int64_t index, mm_value *out_ids);
};

/** The functions of a transform. */
struct mm_transform_ops {
    /** required: changes the sample. MM_END drops it: another one is fetched. */
    mm_status (*apply)(void *self, mm_sample *sample);
};

/**
 * Options that all of MMEngine's datasets share. Embed it first in the dataset's struct
 * and inherit mm_base_dataset_options. Source: mmengine/dataset/base_dataset.py.
 */
typedef struct mm_base_dataset {
    const char *ann_file; /**< joined to data_root unless absolute */
    mm_value *metainfo;   /**< wins over the class's own */
    const char *data_root;
    mm_value *data_prefix; /**< dict or str */
    mm_value *filter_cfg;
    mm_value *indices;     /**< int n: first n (negative: last); list: those */
    bool serialize_data;   /**< accepted: the index is always one flat buffer here */
    mm_instances pipeline; /**< transforms, in order */
    bool test_mode;        /**< a dropped sample is an error instead of a refetch */
    bool lazy_init;
    int64_t max_refetch;
} mm_base_dataset;
MM_API extern const mm_option mm_base_dataset_options[];

/** A dataset of an instance with interface DATASET; yours. Calls full_init. */
MM_API mm_dataset *mm_dataset_new(mm_instance *instance);
/** Builds from a config of registry "datasets". */
MM_API MM_OWNED mm_dataset *mm_dataset_build(mm_value *config, const char *scope,
                                             const char *path);
MM_API mm_dataset *mm_dataset_ref(mm_dataset *dataset);
MM_API void mm_dataset_unref(mm_dataset *dataset);
/** Samples, after `indices`. */
MM_API int64_t mm_dataset_len(const mm_dataset *dataset);
/** Dict, borrowed; empty dict if the dataset has none. */
MM_API mm_value *mm_dataset_metainfo(const mm_dataset *dataset);
MM_API mm_instance *mm_dataset_instance(const mm_dataset *dataset);
/**
 * One sample through the pipeline; the value is yours. `seed` and `epoch` feed the
 * sample's generators. Errors name dataset, index and transform.
 */
MM_API MM_OWNED mm_value *mm_dataset_get(mm_dataset *dataset, int64_t index,
                                         uint64_t seed, int64_t epoch);

/** The functions of a sampler. Position is state: resume is index arithmetic. */
struct mm_sampler_ops {
    /** required: told the dataset's size, this process's rank, and the run's seed */
    mm_status (*begin)(void *self, int64_t dataset_len, int64_t rank,
                       int64_t world_size, uint64_t seed);
    /** required: indices that this rank draws in an epoch */
    int64_t (*len)(void *self);
    /** optional, default: nothing. MMEngine's set_epoch. */
    mm_status (*set_epoch)(void *self, int64_t epoch);
    /** required: the i-th index of the epoch, 0 <= i < len (endless ones: any i) */
    int64_t (*index_at)(void *self, int64_t position);
    /** optional, default: false. True if it never ends. */
    bool (*is_infinite)(void *self);
};

/** The functions of a collate function. */
struct mm_collate_ops {
    /** required: `samples` is a list of samples; the batch is yours */
    MM_OWNED mm_value *(*collate)(void *self, mm_value *samples);
};

/** MMEngine's pseudo_collate: regroups, stacks nothing; yours. */
MM_API MM_OWNED mm_value *mm_pseudo_collate(mm_value *samples);
/** MMEngine's default_collate: stacks tensors and numbers; yours. */
MM_API MM_OWNED mm_value *mm_default_collate(mm_value *samples);

MM_END_DECLS

#endif
