/* A checkpoint in another form: another container, other dtypes, for Python MMEngine,
 * weights alone. Tensors that stay as they are are written from the file they are in.
 */
#include <string.h>

#include "base/status.h"
#include "fileio/pickle.h"
#include "fileio/pth_elements.h"
#include "mmengine/checkpoint.h"
#include "mmengine/memory.h"
#include "mmengine/safetensors.h"
#include "mmengine/tensor.h"
#include "runner/checkpoint_python.h"
#include "runner/checkpoint_tree.h"
#include "runner/internal.h"

struct converter {
    const mm_checkpoint_convert_args *args;
    mmi_tree_memory memory;
};

/* --- tensors --- */

static void convert_elements(const void *from, mm_dtype from_dtype, void *to,
                             mm_dtype to_dtype, size_t count)
{
    double numbers[MMI_TREE_CHUNK];
    size_t from_size = mm_dtype_size(from_dtype), to_size = mm_dtype_size(to_dtype);

    for (size_t at = 0; at < count; at += MMI_TREE_CHUNK) {
        size_t size = count - at < MMI_TREE_CHUNK ? count - at : MMI_TREE_CHUNK;

        mmi_dtype_to_f64(from_dtype, (const char *)from + at * from_size, size,
                         numbers);
        mmi_dtype_from_f64(to_dtype, numbers, size, (char *)to + at * to_size);
    }
}

/* The value in the wanted dtype; yours. */
static mm_value *convert_value(struct converter *converter, mm_value *value)
{
    const mm_pth_tensor *tensor = mm_pth_find_tensor(value);
    mm_dtype dtype = converter->args->dtype;
    void *owned = NULL, *data = NULL;

    if (tensor == NULL || dtype == MM_DTYPE_NONE || tensor->dtype == dtype ||
        !mm_dtype_is_floating(tensor->dtype))
        return mm_value_ref(value);
    const void *from = mmi_pth_elements(tensor, &owned);
    mm_value *made =
        from == NULL ? NULL
                     : mmi_tree_new_tensor(&converter->memory, tensor, dtype, &data);

    if (made != NULL)
        convert_elements(from, tensor->dtype, data, dtype,
                         (size_t)mmi_pth_numel(tensor));
    mm_free(owned);
    return made;
}

/* A state dict with converted tensors, of the kind it was; yours. */
static mm_value *convert_weights(struct converter *converter, mm_value *weights)
{
    const mm_value *dict = mmi_tree_dict(weights);
    mm_value *out = mm_value_new_dict();

    if (dict == NULL || converter->args->dtype == MM_DTYPE_NONE) {
        mm_value_unref(out);
        return mm_value_ref(weights);
    }
    for (size_t i = 0; i < mm_value_len(dict) && !mmi_is_pending(); i++) {
        mm_value *value = convert_value(converter, mm_dict_at(dict, i));

        if (value != NULL)
            mm_dict_put_key(out, mm_dict_key_at(dict, i), value);
        mm_value_unref(value);
    }
    mm_value *made = mmi_is_pending() ? NULL : mmi_tree_like(weights, out);
    mm_value_unref(out);
    return made;
}

/* --- whole files --- */

/* One entry of the file; yours. */
static mm_value *convert_entry(struct converter *converter, const mm_value *root,
                               const char *name, mm_value *value)
{
    const mm_checkpoint_convert_args *args = converter->args;

    if (name != NULL &&
        (strcmp(name, "state_dict") == 0 || strcmp(name, "ema_state_dict") == 0))
        return convert_weights(converter, value);
    if (args->for_mmengine && name != NULL && strcmp(name, "message_hub") == 0)
        return mmi_python_hub(root, args->scalars);
    return mm_value_ref(value);
}

static mm_value *convert_root(struct converter *converter, const mm_value *root)
{
    mm_value *out = mm_value_new_dict();

    for (size_t i = 0; i < mm_value_len(root) && !mmi_is_pending(); i++) {
        const char *name = mm_dict_name_at(root, i);

        if (converter->args->for_mmengine && name != NULL &&
            strcmp(name, MMI_OWN_KEY) == 0)
            continue;
        mm_value *value = convert_entry(converter, root, name, mm_dict_at(root, i));

        if (value != NULL)
            mm_dict_put_key(out, mm_dict_key_at(root, i), value);
        mm_value_unref(value);
    }
    return out;
}

static void write_pth(struct converter *converter, mm_value *root, mm_value *weights)
{
    const mm_checkpoint_convert_args *args = converter->args;
    const char *format = mm_pth_format(args->from);
    bool is_bare = weights == root;
    mm_value *out = NULL;

    if (args->weights_only || is_bare)
        out = convert_weights(converter, weights);
    else
        out = convert_root(converter, mmi_tree_dict(root));
    if (format != NULL && strcmp(format, "safetensors") == 0 && !args->weights_only &&
        out != NULL) {
        mm_value *wrapped = mm_value_new_dict();
        mm_value *meta = mmi_tree_meta(root, args->from);

        if (meta != NULL)
            mm_dict_take(wrapped, "meta", meta);
        mm_dict_take(wrapped, "state_dict", mm_pth_new_ordered(out, NULL));
        mm_value_unref(out);
        out = wrapped;
    }
    if (!mmi_is_pending())
        (void)mm_pth_write(&(mm_pth_write_args){.path = args->to, .root = out});
    mm_value_unref(out);
}

/* --- .safetensors --- */

static void write_safetensors(struct converter *converter, const mm_value *root,
                              mm_value *weights)
{
    const mm_checkpoint_convert_args *args = converter->args;
    mm_value *converted = convert_weights(converter, weights);
    mm_value *meta = args->weights_only ? NULL : mmi_tree_meta(root, args->from);

    if (converted != NULL)
        mmi_tree_write_safetensors(args->to, converted, meta);
    mm_value_unref(meta);
    mm_value_unref(converted);
}

static bool is_wanted(const mm_checkpoint_convert_args *args)
{
    if (args->dtype != MM_DTYPE_NONE && !mm_dtype_is_floating(args->dtype)) {
        (void)mm_raise(MM_EINVAL,
                       "could not convert weights to %s: it is no "
                       "floating-point dtype",
                       mm_dtype_name(args->dtype));
        return false;
    }
    if (args->for_mmengine &&
        (args->weights_only || mmi_tree_is_safetensors(args->to))) {
        (void)mm_raise(MM_EINVAL, "a file for MMEngine to resume from is a .pth with "
                                  "everything in it, not weights alone");
        return false;
    }
    if (args->scalars != NULL && !args->for_mmengine) {
        (void)mm_raise(MM_EINVAL,
                       "scalars become histories in files for MMEngine only");
        return false;
    }
    return true;
}

mm_status mm_checkpoint_convert(const mm_checkpoint_convert_args *args)
{
    struct converter converter = {.args = args};

    if (!MMI_NEED(args) || !MMI_NEED(args->from) || !MMI_NEED(args->to) ||
        !is_wanted(args))
        return mm_pending();
    mm_value *root = mmi_tree_read(args->from);
    mm_value *weights = root == NULL ? NULL : mmi_tree_weights(root, args->from);

    if (weights != NULL && mmi_tree_is_safetensors(args->to))
        write_safetensors(&converter, root, weights);
    else if (weights != NULL)
        write_pth(&converter, root, weights);
    mm_value_unref(root);
    mmi_tree_memory_deinit(&converter.memory);
    return mm_pending();
}
