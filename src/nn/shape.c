/* Layers that only look at their input differently: identity, flattening, resampling.
 */
#include "nn/layer.h"

#include <inttypes.h>
#include <string.h>

/* --- identity --- */

struct identity {
    mm_value *ignored; /* torch.nn.Identity takes any argument */
};

static mm_status identity_init(void *self)
{
    mmi_module_set_single_op(self);
    return mm_pending();
}

static mm_tensor *identity_forward(void *self, mm_tensor *x)
{
    (void)self;
    return x;
}

static const mm_module_ops identity_ops = {.forward = identity_forward};

#define MM_OPT_STRUCT struct identity
static const mm_option identity_options[] = {
    {"", "anything, ignored", MM_OPT_REST(ignored)},
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmi_nn_identity = {
    .registry = "models",
    .name = "Identity",
    .help = "returns its input",
    .source = "torch.nn.Identity",
    .size = sizeof(struct identity),
    .options = identity_options,
    .init = identity_init,
    MM_MODULE(&identity_ops),
};

mm_module *mm_nn_identity(void)
{
    return mm_module_new(&mmi_nn_identity);
}

/* --- flatten --- */

struct flatten {
    int64_t start_dim;
    int64_t end_dim;
};

static mm_tensor *flatten_forward(void *self, mm_tensor *x)
{
    const struct flatten *flatten = self;

    return mm_flatten(x, flatten->start_dim, flatten->end_dim);
}

static char *flatten_repr(const void *self)
{
    const struct flatten *flatten = self;
    mmi_str text = {0};

    mmi_str_addf(&text, "start_dim=%" PRId64 ", end_dim=%" PRId64, flatten->start_dim,
                 flatten->end_dim);
    return mmi_str_take(&text);
}

static const mm_module_ops flatten_ops = {.forward = flatten_forward,
                                          .extra_repr = flatten_repr};

#define MM_OPT_STRUCT struct flatten
static const mm_option flatten_options[] = {
    {"start_dim", "first dimension that is joined",
     MM_OPT_I64(start_dim, 1, INT64_MIN, INT64_MAX)},
    {"end_dim", "last dimension that is joined",
     MM_OPT_I64(end_dim, -1, INT64_MIN, INT64_MAX)},
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmi_nn_flatten = {
    .registry = "models",
    .name = "Flatten",
    .help = "joins neighbouring dimensions",
    .source = "torch.nn.Flatten",
    .size = sizeof(struct flatten),
    .options = flatten_options,
    .init = identity_init,
    MM_MODULE(&flatten_ops),
};

mm_module *mm_nn_flatten(void)
{
    return mm_module_new(&mmi_nn_flatten);
}

/* --- unflatten --- */

struct unflatten {
    int64_t dim;
    mm_i64s sizes;
};

static mm_tensor *unflatten_forward(void *self, mm_tensor *x)
{
    const struct unflatten *unflatten = self;

    return mm_unflatten(x, unflatten->dim,
                        MM_DIMS_N(unflatten->sizes.data, unflatten->sizes.count));
}

static char *unflatten_repr(const void *self)
{
    const struct unflatten *unflatten = self;
    mmi_str text = {0};

    mmi_str_addf(&text, "dim=%" PRId64 ", unflattened_size=", unflatten->dim);
    mmi_str_add_tuple(&text, unflatten->sizes.data, (int)unflatten->sizes.count);
    return mmi_str_take(&text);
}

static const mm_module_ops unflatten_ops = {.forward = unflatten_forward,
                                            .extra_repr = unflatten_repr};

#define MM_OPT_STRUCT struct unflatten
static const mm_option unflatten_options[] = {
    {"dim", "dimension that is taken apart",
     MM_OPT_I64_REQUIRED(dim, INT64_MIN, INT64_MAX)},
    {"unflattened_size", "what it becomes; one size may be -1",
     MM_OPT_I64S(sizes, NULL), .flags = MM_OPTION_REQUIRED},
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmi_nn_unflatten = {
    .registry = "models",
    .name = "Unflatten",
    .help = "takes a dimension apart",
    .source = "torch.nn.Unflatten",
    .size = sizeof(struct unflatten),
    .options = unflatten_options,
    .init = identity_init,
    MM_MODULE(&unflatten_ops),
};

/* --- upsample --- */

struct upsample {
    mm_i64s size;
    mm_f64s scale_factor;
    const char *mode;
    mm_value *align_corners; /* NULL counts as False, as in PyTorch's linear modes */
};

static mm_status upsample_init(void *self)
{
    const struct upsample *upsample = self;

    if ((upsample->size.data == NULL) == (upsample->scale_factor.data == NULL)) {
        return mm_raise(MM_EINVAL, "exactly one of size and scale_factor is needed");
    }
    return mm_pending();
}

static mm_tensor *upsample_forward(void *self, mm_tensor *x)
{
    enum { MAX_ND = 3 };
    const struct upsample *upsample = self;
    bool has_size = upsample->size.data != NULL;
    size_t given = has_size ? upsample->size.count : upsample->scale_factor.count;
    int nd = mm_ndim(x) - 2;
    int64_t sizes[MAX_ND];
    double scales[MAX_ND];

    if (nd < 1 || nd > MAX_ND || (given != 1 && given != (size_t)nd)) {
        mm_raise(MM_ESHAPE,
                 "could not resample a tensor of %d dimensions by %zu numbers", nd + 2,
                 given);
        return NULL;
    }
    for (int i = 0; i < nd; i++) {
        size_t at = given == 1 ? 0 : (size_t)i;

        if (has_size) {
            sizes[i] = upsample->size.data[at];
        } else {
            scales[i] = upsample->scale_factor.data[at];
        }
    }
    return mm_interpolate(x, .sizes = has_size ? MM_DIMS_N(sizes, nd) : (mm_dims){0},
                          .scales = has_size ? NULL : scales, .mode = upsample->mode,
                          .align_corners = mm_value_is_true(upsample->align_corners));
}

static char *upsample_repr(const void *self)
{
    const struct upsample *upsample = self;
    mmi_str text = {0};

    if (upsample->scale_factor.data != NULL) {
        size_t count = upsample->scale_factor.count;

        mmi_str_add(&text, count == 1 ? "scale_factor=" : "scale_factor=(");
        for (size_t i = 0; i < count; i++) {
            mmi_str_add(&text, i > 0 ? ", " : "");
            mmi_str_add_f64(&text, upsample->scale_factor.data[i]);
        }
        mmi_str_add(&text, count == 1 ? "" : ")");
    } else {
        mmi_str_add(&text, "size=");
        if (upsample->size.count == 1) {
            mmi_str_add_i64(&text, upsample->size.data[0]);
        } else {
            mmi_str_add_tuple(&text, upsample->size.data, (int)upsample->size.count);
        }
    }
    mmi_str_addf(&text, ", mode='%s'", upsample->mode);
    return mmi_str_take(&text);
}

static const mm_module_ops upsample_ops = {.forward = upsample_forward,
                                           .extra_repr = upsample_repr};

#define MM_OPT_STRUCT struct upsample
static const mm_option upsample_options[] = {
    {"size", "size of the result, without batch and channels", MM_OPT_I64S(size, NULL),
     .flags = MM_OPTION_NULLABLE},
    {"scale_factor", "the result's size over the input's",
     MM_OPT_F64S(scale_factor, NULL), .flags = MM_OPTION_NULLABLE},
    {"mode", "nearest, linear, bilinear, bicubic, trilinear",
     MM_OPT_STR(mode, "nearest")},
    {"align_corners", "corners of input and output coincide",
     MM_OPT_VALUE(align_corners)},
    {0},
};
#undef MM_OPT_STRUCT

const mm_component mmi_nn_upsample = {
    .registry = "models",
    .name = "Upsample",
    .help = "resamples to another size",
    .source = "torch.nn.Upsample",
    .size = sizeof(struct upsample),
    .options = upsample_options,
    .init = upsample_init,
    MM_MODULE(&upsample_ops),
};
