/* Collate functions: how a list of samples becomes a batch.
 *
 * pseudo_collate regroups and stacks nothing: a batch of dicts is a dict of lists, a
 * batch of tuples a list with one list per place. default_collate does the same and
 * stacks the leaves that are tensors or numbers. Source: mmengine/dataset/utils.py. */
#include <string.h>

#include "dataset/dataset_impl.h"
#include "mmengine/memory.h"
#include "mmengine/ops.h"

typedef mm_value *(*collate_leaf)(mm_value *items);

static mm_value *collate(mm_value *items, collate_leaf leaf);

/* The list of items[i][key], or of items[i][place] if `key` is NULL; yours. */
static mm_value *column(const mm_value *items, const mm_value *key, size_t place)
{
    mm_value *list = mm_value_new_list();
    size_t count = mm_value_len(items);

    for (size_t i = 0; i < count && !mm_has_error(); i++) {
        mm_value *item = mm_list_get(items, i);
        mm_value *part =
            key == NULL ? mm_list_get(item, place) : mm_dict_find_key(item, key);

        if (part == NULL && !mm_has_error()) {
            char *text = mm_value_repr(key);

            (void)mm_raise(MM_EKEY, "sample %zu of the batch has no %s", i,
                           text == NULL ? "such key" : text);
            mm_free(text);
        }
        mm_list_append(list, part);
    }
    return list;
}

static mm_value *collate_dicts(const mm_value *items, collate_leaf leaf)
{
    const mm_value *first = mm_list_get(items, 0);
    mm_value *batch = mm_value_new_dict();

    for (size_t i = 0; i < mm_value_len(first) && !mm_has_error(); i++) {
        mm_value *key = mm_dict_key_at(first, i);
        mm_value *parts = column(items, key, 0);
        mm_value *joined = mm_has_error() ? NULL : collate(parts, leaf);

        if (joined != NULL)
            mm_dict_put_key(batch, key, joined);
        mm_value_unref(joined);
        mm_value_unref(parts);
    }
    return batch;
}

static mm_value *collate_sequences(const mm_value *items, collate_leaf leaf)
{
    size_t width = mm_value_len(mm_list_get(items, 0));
    mm_value *batch = mm_value_new_list();

    for (size_t i = 1; i < mm_value_len(items) && !mm_has_error(); i++) {
        if (mm_value_len(mm_list_get(items, i)) != width)
            (void)mm_raise(MM_ESHAPE,
                           "sample %zu of the batch has %zu parts, the first %zu", i,
                           mm_value_len(mm_list_get(items, i)), width);
    }
    for (size_t place = 0; place < width && !mm_has_error(); place++) {
        mm_value *parts = column(items, NULL, place);

        mm_list_push(batch, mm_has_error() ? NULL : collate(parts, leaf));
        mm_value_unref(parts);
    }
    return batch;
}

static mm_value *collate(mm_value *items, collate_leaf leaf)
{
    mm_value *batch = NULL;

    switch (mm_value_kind(mm_list_get(items, 0))) {
    case MM_KIND_DICT:
        batch = collate_dicts(items, leaf);
        break;
    case MM_KIND_LIST:
    case MM_KIND_TUPLE:
        batch = collate_sequences(items, leaf);
        break;
    default:
        batch = leaf(items);
        break;
    }
    if (!mm_has_error())
        return batch;
    mm_value_unref(batch);
    return NULL;
}

static mm_value *keep_list(mm_value *items)
{
    return mm_value_ref(items);
}

mm_value *mm_pseudo_collate(mm_value *samples)
{
    return mm_has_error() ? NULL : collate(samples, keep_list);
}

static mm_value *stack_tensors(const mm_value *items)
{
    size_t count = mm_value_len(items);
    mm_tensor **tensors = mm_alloc_array(count, sizeof(mm_tensor *));
    mm_value *value = NULL;

    for (size_t i = 0; tensors != NULL && i < count && !mm_has_error(); i++)
        tensors[i] = mm_value_tensor(mm_list_get(items, i));
    if (!mm_has_error()) {
        mm_scope scope = mm_scope_open();

        value = mm_value_new_tensor(mm_stack(tensors, (int)count, 0));
        mm_scope_close(scope);
    }
    mm_free(tensors);
    return value;
}

/* Numbers as PyTorch's collate makes them: ints [B] i64, floats [B] f64. */
static mm_value *stack_numbers(const mm_value *items, bool floats)
{
    int64_t count = (int64_t)mm_value_len(items);
    mm_scope scope = mm_scope_open();
    mm_tensor *tensor = mm_empty(floats ? MM_DTYPE_F64 : MM_DTYPE_I64, 1, &count);
    void *data = tensor == NULL ? NULL : mm_data(tensor, MM_DTYPE_NONE);

    for (int64_t i = 0; data != NULL && i < count && !mm_has_error(); i++) {
        const mm_value *item = mm_list_get(items, (size_t)i);

        if (floats)
            ((double *)data)[i] = mm_value_f64(item);
        else
            ((int64_t *)data)[i] = mm_value_i64(item);
    }
    mm_value *value = mm_has_error() ? NULL : mm_value_new_tensor(tensor);

    mm_scope_close(scope);
    return value;
}

static mm_value *stack(mm_value *items)
{
    const mm_value *first = mm_list_get(items, 0);

    if (mm_value_find_tensor(first) != NULL)
        return stack_tensors(items);
    if (mm_value_kind(first) == MM_KIND_F64)
        return stack_numbers(items, true);
    if (mm_value_kind(first) == MM_KIND_I64 || mm_value_kind(first) == MM_KIND_BOOL)
        return stack_numbers(items, false);
    return mm_value_ref(items); /* text, data elements */
}

mm_value *mm_default_collate(mm_value *samples)
{
    return mm_has_error() ? NULL : collate(samples, stack);
}

static mm_value *pseudo(void *self, mm_value *samples)
{
    (void)self;
    return mm_pseudo_collate(samples);
}

static mm_value *stacking(void *self, mm_value *samples)
{
    (void)self;
    return mm_default_collate(samples);
}

static const mm_collate_ops pseudo_ops = {.collate = pseudo};
static const mm_collate_ops default_ops = {.collate = stacking};

const mm_component mmi_pseudo_collate = {
    .registry = "functions",
    .name = "pseudo_collate",
    .help = "regroups samples into a batch and stacks nothing",
    .source = "mmengine/dataset/utils.py",
    .size = 1,
    MM_COLLATE(&pseudo_ops),
};

const mm_component mmi_default_collate = {
    .registry = "functions",
    .name = "default_collate",
    .help = "regroups samples into a batch and stacks tensors and numbers",
    .source = "mmengine/dataset/utils.py",
    .size = 1,
    MM_COLLATE(&default_ops),
};
