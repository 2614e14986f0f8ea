/* The mean of several checkpoints' weights, tensor by tensor: the sum is kept in
 * float64 and rounded once. Source: what scripts for averaging checkpoints do with
 * PyTorch.
 */
#include <math.h>
#include <string.h>

#include "base/status.h"
#include "fileio/pth_elements.h"
#include "mmengine/checkpoint.h"
#include "mmengine/memory.h"
#include "mmengine/tensor.h"
#include "runner/checkpoint_tree.h"

struct averager {
    const mm_checkpoint_average_args *args;
    mm_value **roots;   /* one for each file, owned */
    mm_value **weights; /* inside them */
    double total;       /* of the files' weights */
    mmi_tree_memory memory;
};

static bool read_all(struct averager *averager)
{
    const mm_checkpoint_average_args *args = averager->args;

    for (size_t i = 0; i < args->num_paths; i++) {
        averager->roots[i] = mmi_tree_read(args->paths[i]);
        if (averager->roots[i] == NULL)
            return false;
        averager->weights[i] = mmi_tree_weights(averager->roots[i], args->paths[i]);
        if (averager->weights[i] == NULL)
            return false;
        averager->total += args->weights != NULL ? args->weights[i] : 1.0;
    }
    if (!(averager->total > 0) || !isfinite(averager->total))
        (void)mm_raise(MM_EINVAL, "could not average: the files' weights sum up to %g",
                       averager->total);
    return !mmi_is_pending();
}

/* The tensor of that name in file `index`, which must be like the first one's. */
static const mm_pth_tensor *tensor_of(const struct averager *averager, size_t index,
                                      const mm_value *key, const mm_pth_tensor *first)
{
    const mm_value *found =
        mm_dict_find_key(mmi_tree_dict(averager->weights[index]), key);
    const mm_pth_tensor *tensor = mm_pth_find_tensor(found);
    const char *why = NULL;

    if (tensor == NULL)
        why = "is not in the second";
    else if (tensor->dtype != first->dtype)
        why = "has another dtype in the second";
    else if (tensor->ndim != first->ndim ||
             memcmp(tensor->sizes, first->sizes,
                    (size_t)first->ndim * sizeof(first->sizes[0])) != 0)
        why = "has another shape in the second";
    if (why != NULL)
        (void)mm_raise(MM_EDATA, "could not average '%s' and '%s': '%s' %s",
                       averager->args->paths[0], averager->args->paths[index],
                       mm_value_kind(key) == MM_KIND_STR ? mm_value_str(key) : "?",
                       why);
    return why == NULL ? tensor : NULL;
}

/* Adds one file's elements times `weight` to the sums. */
static bool add_elements(const mm_pth_tensor *tensor, double weight, bool is_weighted,
                         double *sums)
{
    double numbers[MMI_TREE_CHUNK];
    size_t count = (size_t)mmi_pth_numel(tensor);
    size_t item_size = mm_dtype_size(tensor->dtype);
    void *owned = NULL;
    const char *data = mmi_pth_elements(tensor, &owned);

    for (size_t at = 0; data != NULL && at < count; at += MMI_TREE_CHUNK) {
        size_t size = count - at < MMI_TREE_CHUNK ? count - at : MMI_TREE_CHUNK;

        mmi_dtype_to_f64(tensor->dtype, data + at * item_size, size, numbers);
        for (size_t i = 0; i < size; i++)
            sums[at + i] += is_weighted ? weight * numbers[i] : numbers[i];
    }
    mm_free(owned);
    return data != NULL;
}

/* The mean of a tensor over all files; yours. */
static mm_value *average_tensor(struct averager *averager, const mm_value *key,
                                const mm_pth_tensor *first)
{
    const mm_checkpoint_average_args *args = averager->args;
    size_t count = (size_t)mmi_pth_numel(first);
    double *sums = mm_alloc_array(count + 1, sizeof(*sums));
    void *data = NULL;
    mm_value *made = NULL;

    for (size_t i = 0; sums != NULL && i < args->num_paths; i++) {
        const mm_pth_tensor *tensor = tensor_of(averager, i, key, first);

        if (tensor == NULL ||
            !add_elements(tensor, args->weights != NULL ? args->weights[i] : 1.0,
                          args->weights != NULL, sums))
            break;
    }
    if (!mmi_is_pending())
        made = mmi_tree_new_tensor(&averager->memory, first, first->dtype, &data);
    for (size_t i = 0; made != NULL && i < count; i++)
        sums[i] /= averager->total;
    if (made != NULL)
        mmi_dtype_from_f64(first->dtype, sums, count, data);
    mm_free(sums);
    return made;
}

/* Names that a later file has and the first has not. */
static bool check_names(const struct averager *averager)
{
    const mm_value *first = mmi_tree_dict(averager->weights[0]);

    for (size_t i = 1; i < averager->args->num_paths; i++) {
        const mm_value *dict = mmi_tree_dict(averager->weights[i]);

        for (size_t k = 0; k < mm_value_len(dict); k++) {
            const mm_value *key = mm_dict_key_at(dict, k);

            if (mm_pth_find_tensor(mm_dict_at(dict, k)) == NULL ||
                mm_dict_find_key(first, key) != NULL)
                continue;
            (void)mm_raise(MM_EDATA,
                           "could not average '%s' and '%s': '%s' is not in the first",
                           averager->args->paths[0], averager->args->paths[i],
                           mm_value_kind(key) == MM_KIND_STR ? mm_value_str(key) : "?");
            return false;
        }
    }
    return true;
}

static mm_value *average_weights(struct averager *averager)
{
    const mm_value *first = mmi_tree_dict(averager->weights[0]);
    mm_value *out = mm_value_new_dict();

    for (size_t i = 0; i < mm_value_len(first) && !mmi_is_pending(); i++) {
        mm_value *key = mm_dict_key_at(first, i);
        mm_value *old = mm_dict_at(first, i);
        const mm_pth_tensor *tensor = mm_pth_find_tensor(old);
        mm_value *value = tensor != NULL && mm_dtype_is_floating(tensor->dtype)
                              ? average_tensor(averager, key, tensor)
                              : mm_value_ref(old);

        if (value != NULL)
            mm_dict_put_key(out, key, value);
        mm_value_unref(value);
    }
    mm_value *made = mmi_is_pending() ? NULL : mmi_tree_like(averager->weights[0], out);
    mm_value_unref(out);
    return made;
}

static void write_average(struct averager *averager, mm_value *weights)
{
    if (mmi_tree_is_safetensors(averager->args->to)) {
        mm_value *plain = mmi_tree_meta(averager->roots[0], averager->args->paths[0]);

        mmi_tree_write_safetensors(averager->args->to, weights, plain);
        mm_value_unref(plain);
        return;
    }
    mm_value *meta = mm_dict_find(mmi_tree_dict(averager->roots[0]), "meta");
    mm_value *out = mm_value_new_dict();

    if (averager->weights[0] == averager->roots[0]) {
        mm_value_unref(out);
        out = mm_value_ref(weights); /* bare state dicts give a bare one */
    } else {
        if (meta != NULL)
            mm_dict_put(out, "meta", meta);
        mm_dict_put(out, "state_dict", weights);
    }
    (void)mm_pth_write(&(mm_pth_write_args){.path = averager->args->to, .root = out});
    mm_value_unref(out);
}

mm_status mm_checkpoint_average(const mm_checkpoint_average_args *args)
{
    struct averager averager = {.args = args};

    if (!MMI_NEED(args) || !MMI_NEED(args->paths) || !MMI_NEED(args->to))
        return mm_pending();
    if (args->num_paths == 0)
        return mm_raise(MM_EINVAL, "could not average: no files are given");
    averager.roots = mm_alloc_array(args->num_paths, sizeof(mm_value *));
    averager.weights = mm_alloc_array(args->num_paths, sizeof(mm_value *));
    if (!mmi_is_pending() && read_all(&averager) && check_names(&averager)) {
        mm_value *weights = average_weights(&averager);

        if (weights != NULL)
            write_average(&averager, weights);
        mm_value_unref(weights);
    }
    for (size_t i = 0; averager.roots != NULL && i < args->num_paths; i++)
        mm_value_unref(averager.roots[i]);
    mm_free(averager.roots);
    mm_free(averager.weights);
    mmi_tree_memory_deinit(&averager.memory);
    return mm_pending();
}
