/* Batch norms in evaluation mode, folded into the convolutions before them: one
 * convolution with a scaled weight instead of two passes over the features. Weights are
 * folded at each call, so gradients reach all parameters. Source:
 * mmengine/model/efficient_conv_bn_eval.py.
 *
 * Where MMEngine traces the Python of the module, a trial at its first call says which
 * norm takes a convolution's output: without recording, norms in evaluation mode,
 * random state put back. A second, folded trial has to give the same result; else,
 * somebody besides the norm takes an output, nothing is folded, with a warning. */
#include <string.h>

#include "base/vec.h"
#include "mmengine/log.h"
#include "mmengine/memory.h"
#include "mmengine/ops.h"
#include "nn/layer.h"
#include "nn/rng.h"

/* A convolution and the norm behind it. */
struct pair {
    mm_module *conv, *norm; /* descendants of the module, which outlives this */
    bool passes;            /* the norm's turn is done already */
};

struct folding {
    bool is_tried;
    bool is_on;
    MMI_VEC(struct pair *) pairs; /* owned */
};

/* What a trial saw of a layer. */
struct seen {
    mm_module *module;
    bool is_conv;
    bool was_training;
    int num_calls;
    mm_tensor *input, *output; /* of the last call; owned, so that none is made anew */
};

struct trial {
    MMI_VEC(struct seen) layers;
};

/* --- folded calls --- */

/* MMEngine's order of operations. */
static mm_tensor *fold(const struct pair *pair, mm_tensor *x)
{
    struct mmi_norm_parts norm;
    mm_tensor *weight = mm_module_find_tensor(pair->conv, "weight");
    mm_tensor *bias = mm_module_find_tensor(pair->conv, "bias");
    int64_t sizes[MM_MAX_DIM] = {-1, 1, 1, 1, 1};

    if (!mmi_norm_parts(pair->norm, &norm))
        return NULL;
    mm_dims column = MM_DIMS_N(sizes, mm_ndim(weight));
    mm_tensor *factor = mm_reshape(mm_rsqrt(mm_add_scalar(norm.var, norm.eps)), column);

    if (norm.weight != NULL)
        factor = mm_mul(mm_reshape(norm.weight, column), factor);
    mm_tensor *shift = bias == NULL ? mm_neg(norm.mean) : mm_sub(bias, norm.mean);

    shift = mm_mul(mm_flatten(factor, 0, -1), shift);
    if (norm.bias != NULL)
        shift = mm_add(norm.bias, shift);
    return mmi_conv_with(pair->conv, x, mm_mul(weight, factor), shift);
}

static mm_value *conv_around(void *user, mm_module *module, mm_inside inside,
                             mm_value *args)
{
    struct pair *pair = user;
    mm_tensor *x =
        mm_value_len(args) == 1 ? mm_value_find_tensor(mm_list_get(args, 0)) : NULL;

    pair->passes = x != NULL && !pair->norm->training;
    if (!pair->passes)
        return mm_module_proceed(inside, module, args);
    mm_tensor *y = fold(pair, x);

    return y == NULL ? NULL : mm_scoped(mm_value_new_tensor(y));
}

static mm_value *norm_around(void *user, mm_module *module, mm_inside inside,
                             mm_value *args)
{
    struct pair *pair = user;

    if (!pair->passes)
        return mm_module_proceed(inside, module, args);
    pair->passes = false;
    return mm_list_get(args, 0);
}

/* --- the trial --- */

static mm_value *note_around(void *user, mm_module *module, mm_inside inside,
                             mm_value *args)
{
    struct seen *seen = user;
    mm_value *result = mm_module_proceed(inside, module, args);
    mm_tensor *x = mm_value_find_tensor(mm_list_get(args, 0));
    mm_tensor *y = mm_value_find_tensor(result);

    seen->num_calls++;
    mm_tensor_unref(seen->input);
    mm_tensor_unref(seen->output);
    seen->input = x == NULL ? NULL : mm_tensor_ref(x);
    seen->output = y == NULL ? NULL : mm_tensor_ref(y);
    return result;
}

static mm_status add_layer(void *user, const char *name, mm_module *module)
{
    struct trial *trial = user;
    struct mmi_norm_parts parts;
    bool is_conv = mmi_is_conv(module);
    (void)name;

    if (is_conv || mmi_norm_parts(module, &parts))
        (void)mmi_vec_push(&trial->layers,
                           (struct seen){.module = module,
                                         .is_conv = is_conv,
                                         .was_training = module->training});
    return mm_pending();
}

/* Pairs a norm with the convolution whose output it took, if both were called once. */
static mm_status find_pair(struct folding *folding, const struct trial *trial,
                           const struct seen *norm)
{
    for (size_t i = 0; i < trial->layers.count; i++) {
        const struct seen *conv = &trial->layers.data[i];

        if (!conv->is_conv || conv->num_calls != 1 || conv->output != norm->input)
            continue;
        struct pair *pair = mm_alloc(sizeof(*pair));

        if (pair != NULL)
            *pair = (struct pair){conv->module, norm->module, false};
        if (pair != NULL && !mmi_vec_push(&folding->pairs, pair))
            mm_free(pair);
        break;
    }
    return mm_pending();
}

static mm_status find_pairs(struct folding *folding, const struct trial *trial)
{
    for (size_t i = 0; i < trial->layers.count && !mm_has_error(); i++) {
        const struct seen *seen = &trial->layers.data[i];

        if (!seen->is_conv && seen->num_calls == 1 && seen->input != NULL)
            (void)find_pair(folding, trial, seen);
    }
    return mm_pending();
}

static void switch_pairs(struct folding *folding, bool on)
{
    for (size_t i = 0; i < folding->pairs.count; i++) {
        struct pair *pair = folding->pairs.data[i];

        if (on) {
            (void)mm_module_wrap(pair->conv, conv_around, pair, NULL);
            (void)mm_module_wrap(pair->norm, norm_around, pair, NULL);
        } else {
            (void)mm_module_unwrap(pair->conv, conv_around, pair);
            (void)mm_module_unwrap(pair->norm, norm_around, pair);
        }
    }
    folding->is_on = on;
}

static double distance(mm_tensor *a, mm_tensor *b)
{
    return mm_item(mm_max(mm_abs(mm_sub(a, b))));
}

/* True if nested results agree within what another order of rounding does. */
static bool agree(const mm_value *a, const mm_value *b)
{
    mm_tensor *x = mm_value_find_tensor(a), *y = mm_value_find_tensor(b);
    mm_kind kind = mm_value_kind(a);
    bool same = true;

    if (x != NULL && y != NULL && mm_numel(x) > 0 && mm_numel(x) == mm_numel(y)) {
        double limit = 1e-2 * mm_item(mm_max(mm_abs(x))) + 1e-6;

        return distance(x, y) <= limit;
    }
    for (size_t i = 0; kind == mm_value_kind(b) && i < mm_value_len(a) && same; i++) {
        if (kind == MM_KIND_DICT)
            same = agree(mm_dict_at(a, i), mm_dict_at(b, i));
        else if (kind == MM_KIND_TUPLE || kind == MM_KIND_LIST)
            same = agree(mm_list_get(a, i), mm_list_get(b, i));
        else
            break;
    }
    return same;
}

/* Both trials. */
static mm_status try_both(struct folding *folding, struct trial *trial,
                          mm_module *module, mm_inside inside, mm_value *args)
{
    for (size_t i = 0; i < trial->layers.count && !mm_has_error(); i++)
        (void)mm_module_wrap(trial->layers.data[i].module, note_around,
                             &trial->layers.data[i], NULL);
    mm_value *plain = mm_has_error() ? NULL : mm_module_proceed(inside, module, args);

    for (size_t i = 0; i < trial->layers.count; i++)
        (void)mm_module_unwrap(trial->layers.data[i].module, note_around,
                               &trial->layers.data[i]);
    if (plain == NULL || find_pairs(folding, trial) < 0)
        return mm_pending();
    switch_pairs(folding, true);
    mm_value *folded = mm_module_proceed(inside, module, args);

    if (folded != NULL && !agree(plain, folded)) {
        mm_log(MM_LOG_WARN, "efficient_conv_bn_eval: a convolution's output is used "
                            "besides by its batch norm, continuing without");
        switch_pairs(folding, false);
    } else if (folded != NULL) {
        mm_log(MM_LOG_INFO,
               "efficient_conv_bn_eval: %zu batch norms follow their "
               "convolutions",
               folding->pairs.count);
    }
    return mm_pending();
}

static mm_status try_out(struct folding *folding, mm_module *module, mm_inside inside,
                         mm_value *args)
{
    struct trial trial = {0};
    mm_scope scope = mm_scope_open();
    mmi_rng_pair random;
    bool recorded = mm_grad_mode_set(false);

    folding->is_tried = true;
    (void)mmi_rng_keep(module, &random);
    (void)mm_module_each(module, add_layer, &trial);
    for (size_t i = 0; i < trial.layers.count; i++)
        trial.layers.data[i].module->training = false;
    if (!mm_has_error())
        (void)try_both(folding, &trial, module, inside, args);
    for (size_t i = 0; i < trial.layers.count; i++) {
        struct seen *seen = &trial.layers.data[i];

        seen->module->training = seen->was_training;
        mm_tensor_unref(seen->input);
        mm_tensor_unref(seen->output);
    }
    mmi_vec_deinit(&trial.layers);
    (void)mm_grad_mode_set(recorded);
    if (!mm_has_error())
        (void)mmi_rng_restore(module, &random);
    mmi_rng_free(&random);
    mm_scope_close(scope);
    return mm_has_error() ? mm_error_frame("while looking for convolutions with norms")
                          : MM_OK;
}

/* --- the module --- */

static mm_value *folding_around(void *user, mm_module *module, mm_inside inside,
                                mm_value *args)
{
    struct folding *folding = user;

    if (!folding->is_tried && try_out(folding, module, inside, args) < 0)
        return NULL;
    return mm_module_proceed(inside, module, args);
}

/* The descendants may be gone by now, and their wrappings with them. */
static void free_folding(void *user)
{
    struct folding *folding = user;

    for (size_t i = 0; folding != NULL && i < folding->pairs.count; i++)
        mm_free(folding->pairs.data[i]);
    if (folding != NULL)
        mmi_vec_deinit(&folding->pairs);
    mm_free(folding);
}

mm_status mm_nn_efficient_conv_bn_eval(mm_module *module)
{
    struct folding *folding = mm_alloc(sizeof(*folding));

    return folding == NULL
               ? mm_pending()
               : mm_module_wrap(module, folding_around, folding, free_folding);
}
