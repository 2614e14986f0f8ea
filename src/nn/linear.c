/* Linear and embedding layers. */
#include "nn/layer.h"

#include <inttypes.h>

#include "mmengine/memory.h"

struct linear {
    int64_t in_features;
    int64_t out_features;
    bool has_bias;
    mm_tensor *weight; /* of the module */
    mm_tensor *bias;   /* of the module, or NULL */
};

static mm_status linear_init(void *self)
{
    struct linear *linear = self;
    mm_module *module = mm_module_of(self);

    mmi_module_set_single_op(self);
    linear->weight = mmi_add_param(module, "weight",
                                   MM_DIMS(linear->out_features, linear->in_features));
    linear->bias = linear->has_bias
                       ? mmi_add_param(module, "bias", MM_DIMS(linear->out_features))
                       : mm_module_add_param(module, "bias", NULL);
    return mmi_reset_linear(linear->weight, linear->bias);
}

static mm_tensor *linear_forward(void *self, mm_tensor *x)
{
    const struct linear *linear = self;

    return mm_linear(x, linear->weight, linear->bias);
}

static char *linear_repr(const void *self)
{
    const struct linear *linear = self;

    return mm_strfmt("in_features=%" PRId64 ", out_features=%" PRId64 ", bias=%s",
                     linear->in_features, linear->out_features,
                     mmi_bool_text(linear->bias != NULL));
}

static const mm_module_ops linear_ops = {.forward = linear_forward,
                                         .extra_repr = linear_repr};

#define MM_OPT_STRUCT struct linear
static const mm_option linear_options[] = {
    {"in_features", "size of each input sample",
     MM_OPT_I64_REQUIRED(in_features, 0, INT64_MAX)},
    {"out_features", "size of each output sample",
     MM_OPT_I64_REQUIRED(out_features, 0, INT64_MAX)},
    {"bias", "learn an offset", MM_OPT_BOOL(has_bias, true)},
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmi_nn_linear = {
    .registry = "models",
    .name = "Linear",
    .help = "y = x W^T + b",
    .source = "torch.nn.Linear",
    .size = sizeof(struct linear),
    .options = linear_options,
    .init = linear_init,
    MM_MODULE(&linear_ops),
};

mm_module *mm_nn_linear_with(const mm_nn_linear_args *args)
{
    mm_instance *instance = mm_instance_new(&mmi_nn_linear);
    struct linear *linear = mm_instance_self(instance);

    if (linear != NULL) {
        linear->in_features = args->in_features;
        linear->out_features = args->out_features;
        linear->has_bias = !args->no_bias;
    }
    return mm_module_start(instance);
}

/* --- embedding --- */

struct embedding {
    int64_t num_embeddings;
    int64_t embedding_dim;
    mm_maybe_i64 padding_idx;
    bool sparse;
    mm_tensor *weight; /* of the module */
};

/* A negative padding_idx counts from the end. */
static mm_status check_padding(struct embedding *embedding)
{
    mm_maybe_i64 *padding = &embedding->padding_idx;

    if (!padding->has) {
        return MM_OK;
    }
    if (padding->value < -embedding->num_embeddings ||
        padding->value >= embedding->num_embeddings) {
        return mm_raise(
            MM_ERANGE, "padding_idx %" PRId64 " lies outside of %" PRId64 " embeddings",
            padding->value, embedding->num_embeddings);
    }
    if (padding->value < 0) {
        padding->value += embedding->num_embeddings;
    }
    return MM_OK;
}

static mm_status embedding_init(void *self)
{
    struct embedding *embedding = self;
    mm_module *module = mm_module_of(self);

    if (check_padding(embedding) != MM_OK) {
        return mm_pending();
    }
    mmi_module_set_single_op(self);
    embedding->weight = mmi_add_param(
        module, "weight", MM_DIMS(embedding->num_embeddings, embedding->embedding_dim));
    mm_init_normal(embedding->weight, 0.0, 1.0);
    if (embedding->padding_idx.has) {
        mm_scope scope = mm_scope_open();
        bool recorded = mm_grad_mode_set(false);

        mm_fill_(mm_select(embedding->weight, 0, embedding->padding_idx.value), 0.0);
        mm_grad_mode_set(recorded);
        mm_scope_close(scope);
    }
    return mm_pending();
}

static mm_tensor *embedding_forward(void *self, mm_tensor *x)
{
    const struct embedding *embedding = self;

    return mm_embedding(embedding->weight, x,
                        .padding_idx = embedding->padding_idx.has
                                           ? MM_N(embedding->padding_idx.value)
                                           : (mm_number){0},
                        .sparse = embedding->sparse);
}

static char *embedding_repr(const void *self)
{
    const struct embedding *embedding = self;
    const char *end = embedding->sparse ? ", sparse=True" : "";

    return embedding->padding_idx.has
               ? mm_strfmt("%" PRId64 ", %" PRId64 ", padding_idx=%" PRId64 "%s",
                           embedding->num_embeddings, embedding->embedding_dim,
                           embedding->padding_idx.value, end)
               : mm_strfmt("%" PRId64 ", %" PRId64 "%s", embedding->num_embeddings,
                           embedding->embedding_dim, end);
}

static const mm_module_ops embedding_ops = {.forward = embedding_forward,
                                            .extra_repr = embedding_repr};

#define MM_OPT_STRUCT struct embedding
static const mm_option embedding_options[] = {
    {"num_embeddings", "rows of the table",
     MM_OPT_I64_REQUIRED(num_embeddings, 0, INT64_MAX)},
    {"embedding_dim", "size of a row",
     MM_OPT_I64_REQUIRED(embedding_dim, 0, INT64_MAX)},
    {"padding_idx", "row that stays zero and gets no gradient",
     MM_OPT_I64_OR_NONE(padding_idx, INT64_MIN, INT64_MAX)},
    {"sparse", "gradients are sparse: for SparseAdam, SGD and Adagrad",
     MM_OPT_BOOL(sparse, false)},
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmi_nn_embedding = {
    .registry = "models",
    .name = "Embedding",
    .help = "looks rows up in a learned table",
    .source = "torch.nn.Embedding",
    .size = sizeof(struct embedding),
    .options = embedding_options,
    .init = embedding_init,
    MM_MODULE(&embedding_ops),
};

mm_module *mm_nn_embedding(int64_t num_embeddings, int64_t embedding_dim)
{
    mm_instance *instance = mm_instance_new(&mmi_nn_embedding);
    struct embedding *embedding = mm_instance_self(instance);

    if (embedding != NULL) {
        embedding->num_embeddings = num_embeddings;
        embedding->embedding_dim = embedding_dim;
    }
    return mm_module_start(instance);
}
