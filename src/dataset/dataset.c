/* Datasets as the loader sees them: an instance, its pipeline, its subset of indices.
 *
 * A sample is made in one scope: the dataset fills it, the transforms change it, its
 * value is handed out. All of it runs in loader threads at the same time, so nothing
 * here changes after mm_dataset_new(). Source: mmengine/dataset/base_dataset.py. */
#include <stdatomic.h>
#include <stdint.h>

#include "dataset/dataset_impl.h"
#include "mmengine/log.h"
#include "mmengine/memory.h"

struct mm_dataset {
    atomic_int references;
    mm_instance *instance; /* owned */
    void *self;
    const mm_dataset_ops *ops;
    const mm_base_dataset *base; /* NULL: the dataset has no pipeline of ours */
    mm_value *metainfo;          /* owned; never NULL */
    int64_t *indices;            /* owned: the subset; NULL: all */
    int64_t len;
};

#define MM_OPT_STRUCT mm_base_dataset
const mm_option mm_base_dataset_options[] = {
    {"ann_file", "annotation file", MM_OPT_STR(ann_file, "")},
    {"metainfo", "dict that wins over the dataset's own", MM_OPT_VALUE(metainfo)},
    {"data_root", "folder that relative paths begin at", MM_OPT_STR(data_root, "")},
    {"data_prefix", "folders of data, by name of the field", MM_OPT_VALUE(data_prefix)},
    {"filter_cfg", "what to leave out", MM_OPT_VALUE(filter_cfg)},
    {"indices", "int n: the first n (negative: the last); list: those samples",
     MM_OPT_VALUE(indices)},
    {"serialize_data", "accepted: the index is one flat buffer in any case",
     MM_OPT_BOOL(serialize_data, true)},
    {"pipeline", "transforms, in order", MM_OPT_BUILDS(pipeline, "transforms")},
    {"test_mode", "a sample that a transform drops is an error",
     MM_OPT_BOOL(test_mode, false)},
    {"lazy_init", "accepted: the index is read when the loader is made",
     MM_OPT_BOOL(lazy_init, false)},
    {"max_refetch", "tries to replace a dropped sample",
     MM_OPT_I64(max_refetch, 1000, 0, INT64_MAX)},
    {0},
};
#undef MM_OPT_STRUCT

const mm_base_dataset *mmi_base_of(const mm_instance *dataset)
{
    const mm_option *row = mm_instance_component(dataset)->options;

    for (; row != NULL && (row->name != NULL || row->kind == MM_OPTION_INHERIT);
         row++) {
        if (row->kind == MM_OPTION_INHERIT &&
            row->u.inherited == mm_base_dataset_options)
            return (const mm_base_dataset *)((const char *)mm_instance_self(dataset) +
                                             row->offset);
    }
    return NULL;
}

/* The class's own metainfo with the option's entries over it. */
static mm_status init_metainfo(mm_dataset *dataset)
{
    const mm_value *own =
        dataset->ops->metainfo == NULL ? NULL : dataset->ops->metainfo(dataset->self);
    const mm_value *given = dataset->base == NULL ? NULL : dataset->base->metainfo;

    dataset->metainfo = own == NULL ? mm_value_new_dict() : mm_value_copy(own);
    for (size_t i = 0; given != NULL && i < mm_value_len(given) && !mm_has_error(); i++)
        mm_dict_put_key(dataset->metainfo, mm_dict_key_at(given, i),
                        mm_dict_at(given, i));
    if (dataset->metainfo != NULL)
        mm_value_freeze(dataset->metainfo);
    return mm_pending();
}

/* Stores one index of the subset; negative ones count from the end. */
static void put_index(mm_dataset *dataset, size_t at, int64_t index, int64_t all)
{
    int64_t real = index < 0 ? index + all : index;

    if (real < 0 || real >= all)
        (void)mm_raise(MM_ERANGE,
                       "indices: %lld is outside of a dataset of %lld samples",
                       (long long)index, (long long)all);
    else
        dataset->indices[at] = real;
}

/* `indices`: an int takes the first ones, a negative int the last ones, a list those.
 */
static mm_status init_indices(mm_dataset *dataset)
{
    const mm_value *given = dataset->base == NULL ? NULL : dataset->base->indices;
    int64_t all = dataset->ops->len(dataset->self);
    bool is_count = mm_value_kind(given) == MM_KIND_I64;

    dataset->len = all;
    if (mm_has_error() || mm_value_is_none(given))
        return mm_pending();
    int64_t count = is_count ? mm_value_i64(given) : (int64_t)mm_value_len(given);
    int64_t first = is_count && count < 0 ? all + count : 0;

    count = count < 0 ? -count : count;
    dataset->indices = mm_alloc_array((size_t)count + 1, sizeof(int64_t));
    for (int64_t i = 0; i < count && !mm_has_error(); i++)
        put_index(dataset, (size_t)i,
                  is_count ? first + i : mm_value_i64(mm_list_get(given, (size_t)i)),
                  all);
    dataset->len = count;
    return mm_pending();
}

mm_dataset *mm_dataset_new(mm_instance *instance)
{
    const mm_dataset_ops *ops = mm_instance_ops(instance, MM_INTERFACE_DATASET);
    mm_dataset *dataset = ops == NULL ? NULL : mm_alloc(sizeof(*dataset));

    if (dataset == NULL)
        return NULL;
    atomic_init(&dataset->references, 1);
    dataset->instance = mm_instance_ref(instance);
    dataset->self = mm_instance_self(instance);
    dataset->ops = ops;
    dataset->base = mmi_base_of(instance);
    if (ops->full_init != NULL)
        (void)ops->full_init(dataset->self);
    if (mm_has_error() || init_metainfo(dataset) < 0 || init_indices(dataset) < 0) {
        (void)mm_error_frame("while reading dataset %s",
                             mm_instance_component(instance)->name);
        mm_dataset_unref(dataset);
        return NULL;
    }
    return dataset;
}

mm_dataset *mm_dataset_build(mm_value *config, const char *scope, const char *path)
{
    mm_instance *instance = mm_build(&(mm_build_args){
        .registry = "datasets",
        .config = config,
        .scope = scope,
        .path = path,
        .interface = MM_INTERFACE_DATASET,
    });
    mm_dataset *dataset = instance == NULL ? NULL : mm_dataset_new(instance);

    mm_instance_unref(instance);
    return dataset;
}

mm_dataset *mm_dataset_ref(mm_dataset *dataset)
{
    if (dataset != NULL)
        (void)atomic_fetch_add_explicit(&dataset->references, 1, memory_order_relaxed);
    return dataset;
}

void mm_dataset_unref(mm_dataset *dataset)
{
    if (dataset == NULL || atomic_fetch_sub(&dataset->references, 1) != 1)
        return;
    mm_value_unref(dataset->metainfo);
    mm_instance_unref(dataset->instance);
    mm_free(dataset->indices);
    mm_free(dataset);
}

int64_t mm_dataset_len(const mm_dataset *dataset)
{
    return dataset->len;
}

mm_value *mm_dataset_metainfo(const mm_dataset *dataset)
{
    return dataset->metainfo;
}

mm_instance *mm_dataset_instance(const mm_dataset *dataset)
{
    return dataset->instance;
}

/* Runs the pipeline. MM_END: a transform dropped the sample. */
static mm_status apply_pipeline(const mm_dataset *dataset, mm_sample *sample)
{
    size_t count = dataset->base == NULL ? 0 : dataset->base->pipeline.count;

    for (size_t i = 0; i < count; i++) {
        mm_instance *transform = dataset->base->pipeline.data[i];
        const mm_transform_ops *ops =
            mm_instance_ops(transform, MM_INTERFACE_TRANSFORM);
        mm_status status = ops == NULL
                               ? mm_pending()
                               : ops->apply(mm_instance_self(transform), sample);

        if (mm_has_error())
            return mm_error_frame("in transform %zu (%s)", i,
                                  mm_instance_component(transform)->name);
        if (status == MM_END)
            return MM_END;
    }
    return MM_OK;
}

/* Makes one sample. The value goes to `out` and is yours. */
static mm_status make_sample(const mm_dataset *dataset, mm_sample *sample,
                             mm_value **out)
{
    int64_t real =
        dataset->indices == NULL ? sample->index : dataset->indices[sample->index];
    mm_scope scope = mm_scope_open();
    mm_status status = MM_OK;

    if (sample->value != NULL)
        (void)dataset->ops->get(dataset->self, real, sample);
    if (!mm_has_error() && dataset->base != NULL)
        mm_sample_put_i64(sample, "sample_idx", sample->index);
    if (!mm_has_error())
        status = apply_pipeline(dataset, sample);
    mm_scope_close(scope);
    if (mm_has_error())
        return mm_pending();
    if (status == MM_OK)
        *out = mm_value_ref(sample->value);
    return status;
}

mm_value *mm_dataset_get(mm_dataset *dataset, int64_t index, uint64_t seed,
                         int64_t epoch)
{
    int64_t tries = dataset->base == NULL ? 0 : dataset->base->max_refetch;
    mm_value *value = NULL;
    mm_sample sample;

    if (mm_has_error())
        return NULL;
    if (index < 0 || index >= dataset->len) {
        (void)mm_raise(MM_ERANGE, "sample %lld of a dataset of %lld", (long long)index,
                       (long long)dataset->len);
        return NULL;
    }
    mmi_sample_init(&sample, seed, epoch, index);
    mm_status status = make_sample(dataset, &sample, &value);

    while (status == MM_END && tries-- > 0 && !dataset->base->test_mode) {
        int64_t other = mm_sample_randint(&sample, 0, dataset->len);

        mmi_sample_deinit(&sample);
        mmi_sample_init(&sample, seed, epoch, other);
        status = make_sample(dataset, &sample, &value);
    }
    mmi_sample_deinit(&sample);
    if (status == MM_END)
        (void)mm_raise(MM_EDATA, "a transform dropped the sample%s",
                       dataset->base == NULL || dataset->base->test_mode
                           ? ""
                           : " and all that were tried in its place");
    if (mm_has_error())
        (void)mm_error_frame("in sample %lld of dataset %s", (long long)index,
                             mm_instance_component(dataset->instance)->name);
    return value;
}
