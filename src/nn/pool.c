/* Pooling. One struct serves all; of the arrays of three the first `nd` count. */
#include "nn/layer.h"

#include <inttypes.h>
#include <string.h>

enum { MAX_ND = 3 };

struct pool {
    int64_t kernel[MAX_ND];
    mm_i64s stride_option; /* None: the kernel */
    int64_t stride[MAX_ND];
    int64_t padding[MAX_ND];
    int64_t dilation[MAX_ND];
    bool ceil_mode;
    bool count_include_pad;
    mm_maybe_i64 divisor_override;
    int nd;
};

static mm_status pool_init(struct pool *pool, int nd)
{
    pool->nd = nd;
    mmi_module_set_single_op(pool);
    if (mmi_spread(&pool->stride_option, "stride", pool->kernel, nd, pool->stride) !=
        MM_OK) {
        return mm_pending();
    }
    for (int i = 0; i < nd; i++) {
        if (pool->kernel[i] < 1 || pool->stride[i] < 1) {
            return mm_raise(MM_EINVAL,
                            "kernel size %" PRId64 " and stride %" PRId64
                            " must be positive",
                            pool->kernel[i], pool->stride[i]);
        }
        if (2 * pool->padding[i] > pool->kernel[i]) {
            return mm_raise(MM_EINVAL,
                            "padding %" PRId64 " is more than half of kernel "
                            "size %" PRId64,
                            pool->padding[i], pool->kernel[i]);
        }
    }
    return MM_OK;
}

static mm_status pool1d_init(void *self)
{
    return pool_init(self, 1);
}

static mm_status pool2d_init(void *self)
{
    return pool_init(self, 2);
}

static mm_status pool3d_init(void *self)
{
    return pool_init(self, 3);
}

static mm_pool1d_args args1d(const struct pool *pool, mm_tensor *x)
{
    return (mm_pool1d_args){.x = x,
                            .kernel = pool->kernel[0],
                            .stride = pool->stride[0],
                            .padding = pool->padding[0],
                            .dilation = pool->dilation[0],
                            .ceil_mode = pool->ceil_mode,
                            .exclude_pad = !pool->count_include_pad};
}

static mm_pool2d_args args2d(const struct pool *pool, mm_tensor *x)
{
    return (mm_pool2d_args){.x = x,
                            .kernel = {pool->kernel[0], pool->kernel[1]},
                            .stride = {pool->stride[0], pool->stride[1]},
                            .padding = {pool->padding[0], pool->padding[1]},
                            .dilation = {pool->dilation[0], pool->dilation[1]},
                            .ceil_mode = pool->ceil_mode,
                            .exclude_pad = !pool->count_include_pad,
                            .divisor_override = pool->divisor_override.value};
}

static mm_pool3d_args args3d(const struct pool *pool, mm_tensor *x)
{
    mm_pool3d_args args = {
        .x = x, .ceil_mode = pool->ceil_mode, .exclude_pad = !pool->count_include_pad};

    memcpy(args.kernel, pool->kernel, sizeof(args.kernel));
    memcpy(args.stride, pool->stride, sizeof(args.stride));
    memcpy(args.padding, pool->padding, sizeof(args.padding));
    memcpy(args.dilation, pool->dilation, sizeof(args.dilation));
    return args;
}

static mm_tensor *max_pool_forward(void *self, mm_tensor *x)
{
    const struct pool *pool = self;

    if (pool->nd == 1) {
        mm_pool1d_args args = args1d(pool, x);

        return mm_max_pool1d_with(&args);
    }
    if (pool->nd == 2) {
        mm_pool2d_args args = args2d(pool, x);

        return mm_max_pool2d_with(&args);
    }
    mm_pool3d_args args = args3d(pool, x);

    return mm_op("aten::max_pool3d", MM_T(x), MM_IS(args.kernel, 3),
                 MM_IS(args.stride, 3), MM_IS(args.padding, 3), MM_IS(args.dilation, 3),
                 MM_B(args.ceil_mode));
}

static mm_tensor *avg_pool_forward(void *self, mm_tensor *x)
{
    const struct pool *pool = self;

    if (pool->nd == 1) {
        mm_pool1d_args args = args1d(pool, x);

        return mm_avg_pool1d_with(&args);
    }
    if (pool->nd == 2) {
        mm_pool2d_args args = args2d(pool, x);

        return mm_avg_pool2d_with(&args);
    }
    mm_pool3d_args args = args3d(pool, x);

    return mm_op("aten::avg_pool3d", MM_T(x), MM_IS(args.kernel, 3),
                 MM_IS(args.stride, 3), MM_IS(args.padding, 3), MM_B(args.ceil_mode),
                 MM_B(pool->count_include_pad),
                 MM_NUM(pool->divisor_override.has ? MM_N(pool->divisor_override.value)
                                                   : (mm_number){0}));
}

static char *max_pool_repr(const void *self)
{
    const struct pool *pool = self;
    mmi_str text = {0};

    mmi_str_add(&text, "kernel_size=");
    mmi_str_add_ints(&text, pool->kernel, pool->nd);
    mmi_str_add(&text, ", stride=");
    mmi_str_add_ints(&text, pool->stride, pool->nd);
    mmi_str_add(&text, ", padding=");
    mmi_str_add_ints(&text, pool->padding, pool->nd);
    mmi_str_add(&text, ", dilation=");
    mmi_str_add_ints(&text, pool->dilation, pool->nd);
    mmi_str_addf(&text, ", ceil_mode=%s", mmi_bool_text(pool->ceil_mode));
    return mmi_str_take(&text);
}

/* One dimension prints tuples, more print what was given: PyTorch's own difference. */
static char *avg_pool_repr(const void *self)
{
    const struct pool *pool = self;
    void (*add)(mmi_str *, const int64_t *, int) =
        pool->nd == 1 ? mmi_str_add_tuple : mmi_str_add_ints;
    mmi_str text = {0};

    mmi_str_add(&text, "kernel_size=");
    add(&text, pool->kernel, pool->nd);
    mmi_str_add(&text, ", stride=");
    add(&text, pool->stride, pool->nd);
    mmi_str_add(&text, ", padding=");
    add(&text, pool->padding, pool->nd);
    return mmi_str_take(&text);
}

static const mm_module_ops max_pool_ops = {.forward = max_pool_forward,
                                           .extra_repr = max_pool_repr};
static const mm_module_ops avg_pool_ops = {.forward = avg_pool_forward,
                                           .extra_repr = avg_pool_repr};

#define MM_OPT_STRUCT struct pool
#define WINDOW(nd)                                                                     \
    {"kernel_size", "size of the window", MMI_OPT_INTS(kernel, nd, NULL),              \
     .flags = MM_OPTION_REQUIRED},                                                     \
        {"stride", "step of the window; None: its size",                               \
         MM_OPT_I64S(stride_option, NULL), .flags = MM_OPTION_NULLABLE},               \
        {"padding", "added on both sides", MMI_OPT_INTS(padding, nd, "0")},            \
    {                                                                                  \
        "ceil_mode", "round the size of the output up", MM_OPT_BOOL(ceil_mode, false)  \
    }
#define MAX_POOL(nd)                                                                   \
    WINDOW(nd),                                                                        \
    {                                                                                  \
        "dilation", "distance between elements of the window",                         \
            MMI_OPT_INTS(dilation, nd, "1")                                            \
    }
#define AVG_POOL(nd)                                                                   \
    WINDOW(nd),                                                                        \
    {                                                                                  \
        "count_include_pad", "padding counts in the mean",                             \
            MM_OPT_BOOL(count_include_pad, true)                                       \
    }
#define DIVISOR                                                                        \
    {                                                                                  \
        "divisor_override", "divide by this instead of the window's size",             \
            MM_OPT_I64_OR_NONE(divisor_override, 1, INT64_MAX)                         \
    }
static const mm_option max_pool1d_options[] = {MAX_POOL(1), {0}};
static const mm_option max_pool2d_options[] = {MAX_POOL(2), {0}};
static const mm_option max_pool3d_options[] = {MAX_POOL(3), {0}};
static const mm_option avg_pool1d_options[] = {AVG_POOL(1), {0}};
static const mm_option avg_pool2d_options[] = {AVG_POOL(2), DIVISOR, {0}};
static const mm_option avg_pool3d_options[] = {AVG_POOL(3), DIVISOR, {0}};
#undef MM_OPT_STRUCT

#define POOL(id, name_, help_, init_, ops_)                                            \
    const mm_component mmi_nn_##id = {                                                 \
        .registry = "models",                                                          \
        .name = name_,                                                                 \
        .help = help_,                                                                 \
        .source = "torch.nn." name_,                                                   \
        .size = sizeof(struct pool),                                                   \
        .options = id##_options,                                                       \
        .init = init_,                                                                 \
        MM_MODULE(&ops_),                                                              \
    }

POOL(max_pool1d, "MaxPool1d", "largest element of each window", pool1d_init,
     max_pool_ops);
POOL(max_pool2d, "MaxPool2d", "largest element of each window", pool2d_init,
     max_pool_ops);
POOL(max_pool3d, "MaxPool3d", "largest element of each window", pool3d_init,
     max_pool_ops);
POOL(avg_pool1d, "AvgPool1d", "mean of each window", pool1d_init, avg_pool_ops);
POOL(avg_pool2d, "AvgPool2d", "mean of each window", pool2d_init, avg_pool_ops);
POOL(avg_pool3d, "AvgPool3d", "mean of each window", pool3d_init, avg_pool_ops);

static mm_module *make_pool2d(const mm_component *component,
                              const mm_nn_pool2d_args *args)
{
    mm_instance *instance = mm_instance_new(component);
    struct pool *pool = mm_instance_self(instance);

    for (int i = 0; pool != NULL && i < 2; i++) {
        pool->kernel[i] = args->kernel_size;
        pool->stride[i] = args->stride;
        pool->padding[i] = args->padding;
        pool->ceil_mode = args->ceil_mode;
    }
    if (pool != NULL && args->stride != 0) {
        pool->stride_option = (mm_i64s){pool->stride, 1};
    }
    return mm_module_start(instance);
}

mm_module *mm_nn_max_pool2d_with(const mm_nn_pool2d_args *args)
{
    return make_pool2d(&mmi_nn_max_pool2d, args);
}

mm_module *mm_nn_avg_pool2d_with(const mm_nn_pool2d_args *args)
{
    return make_pool2d(&mmi_nn_avg_pool2d, args);
}

/* --- adaptive --- */

enum { KEEP = -1 /* a None in output_size: the size of the input */ };

struct adaptive {
    mm_value *size_option; /* int, None, or a list of them; NULL: `size` holds */
    int64_t size[MAX_ND];
    int nd;
    bool is_max;
};

static mm_status read_size(struct adaptive *pool)
{
    mm_value *value = pool->size_option;
    mm_kind kind = mm_value_kind(value);
    bool is_list = kind == MM_KIND_LIST || kind == MM_KIND_TUPLE;

    pool->size_option = NULL;
    if (value == NULL) {
        return MM_OK;
    }
    if (is_list && mm_value_len(value) != (size_t)pool->nd) {
        return mm_raise(MM_EINVAL, "output_size needs one int or %d, got %zu", pool->nd,
                        mm_value_len(value));
    }
    for (int i = 0; i < pool->nd && !mm_has_error(); i++) {
        mm_value *item = is_list ? mm_list_get(value, (size_t)i) : value;

        pool->size[i] = mm_value_is_none(item) ? KEEP : mm_value_i64(item);
        if (pool->size[i] < KEEP) {
            return mm_raise(MM_EINVAL, "output_size %" PRId64 " is negative",
                            pool->size[i]);
        }
    }
    return mm_pending();
}

static mm_status adaptive_init(struct adaptive *pool, int nd, bool is_max)
{
    pool->nd = nd;
    pool->is_max = is_max;
    mmi_module_set_single_op(pool);
    return read_size(pool);
}

static mm_status adaptive_avg1d_init(void *self)
{
    return adaptive_init(self, 1, false);
}

static mm_status adaptive_avg2d_init(void *self)
{
    return adaptive_init(self, 2, false);
}

static mm_status adaptive_avg3d_init(void *self)
{
    return adaptive_init(self, 3, false);
}

static mm_status adaptive_max1d_init(void *self)
{
    return adaptive_init(self, 1, true);
}

static mm_status adaptive_max2d_init(void *self)
{
    return adaptive_init(self, 2, true);
}

static mm_tensor *adaptive_forward(void *self, mm_tensor *x)
{
    const struct adaptive *pool = self;
    int64_t size[MAX_ND];

    for (int i = 0; i < pool->nd; i++) {
        size[i] = pool->size[i] != KEEP ? pool->size[i] : mm_size(x, i - pool->nd);
    }
    if (pool->nd == 1) {
        return pool->is_max ? mm_adaptive_max_pool1d(x, size[0])
                            : mm_adaptive_avg_pool1d(x, size[0]);
    }
    if (pool->nd == 2) {
        return pool->is_max ? mm_adaptive_max_pool2d(x, size[0], size[1])
                            : mm_adaptive_avg_pool2d(x, size[0], size[1]);
    }
    return mm_adaptive_avg_pool3d(x, size[0], size[1], size[2]);
}

static char *adaptive_repr(const void *self)
{
    const struct adaptive *pool = self;
    mmi_str text = {0};

    mmi_str_add(&text, "output_size=");
    if (pool->nd == 1) {
        mmi_str_add_i64(&text, pool->size[0]);
        return mmi_str_take(&text);
    }
    for (int i = 0; i < pool->nd; i++) {
        mmi_str_add(&text, i == 0 ? "(" : ", ");
        if (pool->size[i] == KEEP) {
            mmi_str_add(&text, "None");
        } else {
            mmi_str_add_i64(&text, pool->size[i]);
        }
    }
    mmi_str_add(&text, ")");
    return mmi_str_take(&text);
}

static const mm_module_ops adaptive_ops = {.forward = adaptive_forward,
                                           .extra_repr = adaptive_repr};

#define MM_OPT_STRUCT struct adaptive
static const mm_option adaptive_options[] = {
    {"output_size", "int or one per dimension; None keeps the input's",
     MM_OPT_VALUE_REQUIRED(size_option)},
    {0},
};
#undef MM_OPT_STRUCT

#define ADAPTIVE(id, name_, help_)                                                     \
    const mm_component mmi_nn_##id = {                                                 \
        .registry = "models",                                                          \
        .name = name_,                                                                 \
        .help = help_,                                                                 \
        .source = "torch.nn." name_,                                                   \
        .size = sizeof(struct adaptive),                                               \
        .options = adaptive_options,                                                   \
        .init = id##_init,                                                             \
        MM_MODULE(&adaptive_ops),                                                      \
    }

ADAPTIVE(adaptive_avg1d, "AdaptiveAvgPool1d", "means that give the wanted size");
ADAPTIVE(adaptive_avg2d, "AdaptiveAvgPool2d", "means that give the wanted size");
ADAPTIVE(adaptive_avg3d, "AdaptiveAvgPool3d", "means that give the wanted size");
ADAPTIVE(adaptive_max1d, "AdaptiveMaxPool1d", "largest elements, of the wanted size");
ADAPTIVE(adaptive_max2d, "AdaptiveMaxPool2d", "largest elements, of the wanted size");

mm_module *mm_nn_adaptive_avg_pool2d(int64_t h, int64_t w)
{
    mm_instance *instance = mm_instance_new(&mmi_nn_adaptive_avg2d);
    struct adaptive *pool = mm_instance_self(instance);

    if (pool != NULL) {
        pool->size[0] = h;
        pool->size[1] = w;
    }
    return mm_module_start(instance);
}
