/* Normalisation layers. Batch norm keeps PyTorch's buffers, the count of batches among
 * them as int64; on the host the count is stepped without an operator call. On one
 * process SyncBatchNorm is batch norm without a check of dimensions, MMEngine's
 * _BatchNormXd. */
#include "nn/layer.h"

#include <inttypes.h>
#include <math.h>

#include "mmengine/log.h"
#include "mmengine/memory.h"

struct batch_norm {
    int64_t num_features;
    double eps;
    mm_maybe_f64 momentum; /* None: plain mean of all batches */
    bool affine;
    bool track_running_stats;
    bool has_bias;
    int least_ndim; /* of the input; 0: any */
    int most_ndim;
    mm_module *module; /* its own */
    mm_tensor *weight; /* these are the module's; NULL where absent */
    mm_tensor *bias;
    mm_tensor *running_mean;
    mm_tensor *running_var;
    mm_tensor *num_batches_tracked; /* [] i64 */
};

static void add_stats(struct batch_norm *norm)
{
    mm_module *module = norm->module;
    mm_dims sizes = MM_DIMS(norm->num_features);

    if (!norm->track_running_stats) {
        mm_module_add_buffer(module, "running_mean", NULL, true);
        mm_module_add_buffer(module, "running_var", NULL, true);
        mm_module_add_buffer(module, "num_batches_tracked", NULL, true);
        return;
    }
    norm->running_mean = mmi_add_buffer_full(module, "running_mean", sizes, 0.0);
    norm->running_var = mmi_add_buffer_full(module, "running_var", sizes, 1.0);
    mm_scope scope = mm_scope_open();

    norm->num_batches_tracked = mm_module_add_buffer(
        module, "num_batches_tracked", mm_full(MM_DIMS_EMPTY, MM_N((int64_t)0)), true);
    mm_scope_close(scope);
}

static mm_status batch_norm_init(struct batch_norm *norm, int least_ndim, int most_ndim)
{
    mm_module *module = mm_module_of(norm);
    mm_dims sizes = MM_DIMS(norm->num_features);

    norm->module = module;
    norm->least_ndim = least_ndim;
    norm->most_ndim = most_ndim;
    mmi_module_set_single_op(norm);
    norm->weight = norm->affine ? mmi_add_param_full(module, "weight", sizes, 1.0)
                                : mm_module_add_param(module, "weight", NULL);
    norm->bias = norm->affine && norm->has_bias
                     ? mmi_add_param_full(module, "bias", sizes, 0.0)
                     : mm_module_add_param(module, "bias", NULL);
    add_stats(norm);
    return mm_pending();
}

static mm_status batch_norm1d_init(void *self)
{
    return batch_norm_init(self, 2, 3);
}

static mm_status batch_norm2d_init(void *self)
{
    return batch_norm_init(self, 4, 4);
}

static mm_status batch_norm3d_init(void *self)
{
    return batch_norm_init(self, 5, 5);
}

static mm_status sync_batch_norm_init(void *self)
{
    return batch_norm_init(self, 0, 0);
}

static mm_status check_ndim(const struct batch_norm *norm, const mm_tensor *x)
{
    int ndim = mm_ndim(x);

    if (norm->least_ndim == 0 ||
        (ndim >= norm->least_ndim && ndim <= norm->most_ndim)) {
        return MM_OK;
    }
    char *text = mm_tensor_describe(x);

    mm_raise(MM_ESHAPE, "a %s takes an input of %d%s dimensions, got %s",
             mm_module_type(norm->module), norm->least_ndim,
             norm->most_ndim > norm->least_ndim ? " or 3" : "",
             text != NULL ? text : "?");
    mm_free(text);
    return mm_pending();
}

/* Counts the batch and says how much it weighs in the running statistics. */
static double step_count(const struct batch_norm *norm)
{
    mm_tensor *count = norm->num_batches_tracked;
    mm_tensor_info info;

    if (mm_tensor_info_get(count, &info) != MM_OK) {
        return 0.0;
    }
    if (info.is_cpu) {
        ++*(int64_t *)info.data;
    } else {
        bool recorded = mm_grad_mode_set(false);

        mm_add_scalar_(count, 1);
        mm_grad_mode_set(recorded);
    }
    return norm->momentum.has ? norm->momentum.value : 1.0 / mm_item(count);
}

static mm_tensor *batch_norm_forward(void *self, mm_tensor *x)
{
    const struct batch_norm *norm = self;
    bool training = norm->module->training;
    bool tracks = norm->num_batches_tracked != NULL;
    double momentum = norm->momentum.has ? norm->momentum.value : 0.0;

    if (check_ndim(norm, x) != MM_OK) {
        return NULL;
    }
    if (training && tracks) {
        momentum = step_count(norm);
    }
    return mm_batch_norm(x, norm->running_mean, norm->running_var, norm->weight,
                         norm->bias, training || !tracks, momentum, norm->eps);
}

static char *batch_norm_repr(const void *self)
{
    const struct batch_norm *norm = self;
    mmi_str text = {0};

    mmi_str_addf(&text, "%" PRId64 ", eps=", norm->num_features);
    mmi_str_add_f64(&text, norm->eps);
    mmi_str_add(&text, ", momentum=");
    if (norm->momentum.has) {
        mmi_str_add_f64(&text, norm->momentum.value);
    } else {
        mmi_str_add(&text, "None");
    }
    mmi_str_addf(&text, ", affine=%s, bias=%s, track_running_stats=%s",
                 mmi_bool_text(norm->affine), mmi_bool_text(norm->bias != NULL),
                 mmi_bool_text(norm->track_running_stats));
    return mmi_str_take(&text);
}

static const mm_module_ops batch_norm_ops = {.forward = batch_norm_forward,
                                             .extra_repr = batch_norm_repr};

#define MM_OPT_STRUCT struct batch_norm
static const mm_option batch_norm_options[] = {
    {"num_features", "channels of the input",
     MM_OPT_I64_REQUIRED(num_features, 0, INT64_MAX)},
    {"eps", "added to the variance", MM_OPT_F64(eps, 1e-5, 0.0, INFINITY)},
    {"momentum", "weight of a batch in the running statistics; None: their plain mean",
     MM_OPT_F64_NULLABLE(momentum, 0.1, 0.0, 1.0)},
    {"affine", "learn a scale and an offset", MM_OPT_BOOL(affine, true)},
    {"track_running_stats", "keep statistics for evaluation",
     MM_OPT_BOOL(track_running_stats, true)},
    {"bias", "learn the offset too", MM_OPT_BOOL(has_bias, true)},
    {0},
};
#undef MM_OPT_STRUCT

#define BATCH_NORM(variable, name_, alias_, init_, source_)                            \
    const mm_component mmi_nn_##variable = {                                           \
        .registry = "models",                                                          \
        .name = (name_),                                                               \
        .aliases = alias_,                                                             \
        .help = "normalises each channel over the batch",                              \
        .source = (source_),                                                           \
        .size = sizeof(struct batch_norm),                                             \
        .options = batch_norm_options,                                                 \
        .init = (init_),                                                               \
        MM_MODULE(&batch_norm_ops),                                                    \
    }

static const char *const bn1d_aliases[] = {"BN1d", NULL};
static const char *const bn2d_aliases[] = {"BN", "BN2d", NULL};
static const char *const bn3d_aliases[] = {"BN3d", NULL};
static const char *const sync_aliases[] = {"SyncBN", "MMSyncBN", NULL};

BATCH_NORM(batch_norm1d, "BatchNorm1d", bn1d_aliases, batch_norm1d_init,
           "torch.nn.BatchNorm1d");
BATCH_NORM(batch_norm2d, "BatchNorm2d", bn2d_aliases, batch_norm2d_init,
           "torch.nn.BatchNorm2d");
BATCH_NORM(batch_norm3d, "BatchNorm3d", bn3d_aliases, batch_norm3d_init,
           "torch.nn.BatchNorm3d");
BATCH_NORM(sync_batch_norm, "SyncBatchNorm", sync_aliases, sync_batch_norm_init,
           "torch.nn.SyncBatchNorm");

static mm_module *make_batch_norm(const mm_component *component,
                                  const mm_nn_batch_norm_args *args)
{
    mm_instance *instance = mm_instance_new(component);
    struct batch_norm *norm = mm_instance_self(instance);

    if (norm != NULL) {
        norm->num_features = args->num_features;
        norm->eps = args->eps != 0.0 ? args->eps : 1e-5;
        norm->momentum = (mm_maybe_f64){!args->cumulative,
                                        args->momentum != 0.0 ? args->momentum : 0.1};
        norm->affine = !args->no_affine;
        norm->track_running_stats = !args->no_running_stats;
    }
    return mm_module_start(instance);
}

mm_module *mm_nn_batch_norm1d_with(const mm_nn_batch_norm_args *args)
{
    return make_batch_norm(&mmi_nn_batch_norm1d, args);
}

mm_module *mm_nn_batch_norm2d_with(const mm_nn_batch_norm_args *args)
{
    return make_batch_norm(&mmi_nn_batch_norm2d, args);
}

static mm_status revert(void *user, const char *name, mm_module *module)
{
    (void)user;
    (void)name;
    if (mm_instance_component(module->instance) == &mmi_nn_sync_batch_norm) {
        module->type = "_BatchNormXd"; /* it computes as one already */
    }
    return MM_OK;
}

mm_status mm_nn_revert_sync_batchnorm(mm_module *module)
{
    mm_log(
        MM_LOG_INFO,
        "Distributed training is not used, all SyncBatchNorm (SyncBN) layers in the "
        "model will be automatically reverted to BatchNormXd layers if they are used.");
    return mm_module_each(module, revert, NULL);
}

/* --- layer norm --- */

struct layer_norm {
    mm_i64s shape_option;
    int64_t shape[MM_MAX_DIM];
    double eps;
    bool affine;
    bool has_bias;
    mm_tensor *weight; /* of the module, or NULL */
    mm_tensor *bias;   /* of the module, or NULL */
};

static mm_status layer_norm_init(void *self)
{
    struct layer_norm *norm = self;
    mm_module *module = mm_module_of(self);
    size_t count = norm->shape_option.count;

    if (count == 0 || count > MM_MAX_DIM) {
        return mm_raise(MM_EINVAL,
                        "normalized_shape has %zu dimensions, 1 to %d are "
                        "needed",
                        count, MM_MAX_DIM);
    }
    for (size_t i = 0; i < count; i++) {
        norm->shape[i] = norm->shape_option.data[i];
    }
    norm->shape_option.data = norm->shape; /* outlives the caller's array */
    mm_dims sizes = MM_DIMS_N(norm->shape, count);

    mmi_module_set_single_op(self);
    norm->weight = norm->affine ? mmi_add_param_full(module, "weight", sizes, 1.0)
                                : mm_module_add_param(module, "weight", NULL);
    norm->bias = norm->affine && norm->has_bias
                     ? mmi_add_param_full(module, "bias", sizes, 0.0)
                     : mm_module_add_param(module, "bias", NULL);
    return mm_pending();
}

static mm_tensor *layer_norm_forward(void *self, mm_tensor *x)
{
    const struct layer_norm *norm = self;

    return mm_layer_norm(x, MM_DIMS_N(norm->shape, norm->shape_option.count),
                         norm->weight, norm->bias, norm->eps);
}

static char *layer_norm_repr(const void *self)
{
    const struct layer_norm *norm = self;
    mmi_str text = {0};

    mmi_str_add_tuple(&text, norm->shape, (int)norm->shape_option.count);
    mmi_str_add(&text, ", eps=");
    mmi_str_add_f64(&text, norm->eps);
    mmi_str_addf(&text, ", elementwise_affine=%s, bias=%s", mmi_bool_text(norm->affine),
                 mmi_bool_text(norm->bias != NULL));
    return mmi_str_take(&text);
}

static const mm_module_ops layer_norm_ops = {.forward = layer_norm_forward,
                                             .extra_repr = layer_norm_repr};

#define MM_OPT_STRUCT struct layer_norm
static const mm_option layer_norm_options[] = {
    {"normalized_shape", "sizes of the last dimensions, which are normalised together",
     MM_OPT_I64S(shape_option, NULL), .flags = MM_OPTION_REQUIRED},
    {"eps", "added to the variance", MM_OPT_F64(eps, 1e-5, 0.0, INFINITY)},
    {"elementwise_affine", "learn a scale and an offset", MM_OPT_BOOL(affine, true)},
    {"bias", "learn the offset too", MM_OPT_BOOL(has_bias, true)},
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmi_nn_layer_norm = {
    .registry = "models",
    .name = "LayerNorm",
    .aliases = (const char *const[]){"LN", NULL},
    .help = "normalises the last dimensions of each sample",
    .source = "torch.nn.LayerNorm",
    .size = sizeof(struct layer_norm),
    .options = layer_norm_options,
    .init = layer_norm_init,
    MM_MODULE(&layer_norm_ops),
};

mm_module *mm_nn_layer_norm(mm_dims normalized_shape)
{
    mm_instance *instance = mm_instance_new(&mmi_nn_layer_norm);
    struct layer_norm *norm = mm_instance_self(instance);

    if (norm != NULL) {
        norm->shape_option = (mm_i64s){normalized_shape.data, normalized_shape.count};
    }
    return mm_module_start(instance);
}

/* --- group norm --- */

struct group_norm {
    int64_t num_groups;
    int64_t num_channels;
    double eps;
    bool affine;
    bool has_bias;
    mm_tensor *weight; /* of the module, or NULL */
    mm_tensor *bias;   /* of the module, or NULL */
};

static mm_status group_norm_init(void *self)
{
    struct group_norm *norm = self;
    mm_module *module = mm_module_of(self);
    mm_dims sizes = MM_DIMS(norm->num_channels);

    if (norm->num_groups < 1 || norm->num_channels % norm->num_groups != 0) {
        return mm_raise(MM_EINVAL,
                        "%" PRId64 " channels do not divide into %" PRId64 " groups",
                        norm->num_channels, norm->num_groups);
    }
    mmi_module_set_single_op(self);
    norm->weight = norm->affine ? mmi_add_param_full(module, "weight", sizes, 1.0)
                                : mm_module_add_param(module, "weight", NULL);
    norm->bias = norm->affine && norm->has_bias
                     ? mmi_add_param_full(module, "bias", sizes, 0.0)
                     : mm_module_add_param(module, "bias", NULL);
    return mm_pending();
}

static mm_tensor *group_norm_forward(void *self, mm_tensor *x)
{
    const struct group_norm *norm = self;

    return mm_group_norm(x, norm->num_groups, norm->weight, norm->bias, norm->eps);
}

static char *group_norm_repr(const void *self)
{
    const struct group_norm *norm = self;
    mmi_str text = {0};

    mmi_str_addf(&text, "%" PRId64 ", %" PRId64 ", eps=", norm->num_groups,
                 norm->num_channels);
    mmi_str_add_f64(&text, norm->eps);
    mmi_str_addf(&text, ", affine=%s, bias=%s", mmi_bool_text(norm->affine),
                 mmi_bool_text(norm->bias != NULL));
    return mmi_str_take(&text);
}

static const mm_module_ops group_norm_ops = {.forward = group_norm_forward,
                                             .extra_repr = group_norm_repr};

#define MM_OPT_STRUCT struct group_norm
static const mm_option group_norm_options[] = {
    {"num_groups", "groups of channels, each normalised together",
     MM_OPT_I64_REQUIRED(num_groups, 1, INT64_MAX)},
    {"num_channels", "channels of the input",
     MM_OPT_I64_REQUIRED(num_channels, 1, INT64_MAX)},
    {"eps", "added to the variance", MM_OPT_F64(eps, 1e-5, 0.0, INFINITY)},
    {"affine", "learn a scale and an offset per channel", MM_OPT_BOOL(affine, true)},
    {"bias", "learn the offset too", MM_OPT_BOOL(has_bias, true)},
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmi_nn_group_norm = {
    .registry = "models",
    .name = "GroupNorm",
    .aliases = (const char *const[]){"GN", NULL},
    .help = "normalises groups of channels of each sample",
    .source = "torch.nn.GroupNorm",
    .size = sizeof(struct group_norm),
    .options = group_norm_options,
    .init = group_norm_init,
    MM_MODULE(&group_norm_ops),
};

mm_module *mm_nn_group_norm(int64_t num_groups, int64_t num_channels)
{
    mm_instance *instance = mm_instance_new(&mmi_nn_group_norm);
    struct group_norm *norm = mm_instance_self(instance);

    if (norm != NULL) {
        norm->num_groups = num_groups;
        norm->num_channels = num_channels;
    }
    return mm_module_start(instance);
}

bool mmi_norm_parts(const mm_module *module, struct mmi_norm_parts *out)
{
    const struct batch_norm *norm = module->self;

    if (module->ops != &batch_norm_ops || norm->running_mean == NULL) {
        return false;
    }
    *out = (struct mmi_norm_parts){norm->weight, norm->bias, norm->running_mean,
                                   norm->running_var, norm->eps};
    return true;
}
