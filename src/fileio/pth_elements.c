/* Elements of stored tensors: in the order of their indices, and as doubles. What is
 * converted is only as exact as a double: integers beyond 2^53 are rounded. */
#include "fileio/pth_elements.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "fileio/pth.h"

int64_t mmi_pth_numel(const mm_pth_tensor *tensor)
{
    int64_t count = 1;

    for (int i = 0; i < tensor->ndim; i++) {
        if (tensor->sizes[i] == 0) {
            return 0;
        }
        /* only a tensor that repeats its elements gets there */
        count =
            tensor->sizes[i] > INT64_MAX / count ? INT64_MAX : count * tensor->sizes[i];
    }
    return count;
}

bool mmi_pth_set_dense(mm_pth_tensor *tensor)
{
    int64_t count = 1;

    for (int i = tensor->ndim; i > 0; i--) {
        int64_t size = tensor->sizes[i - 1];

        tensor->strides[i - 1] = count;
        if (size > 0 && count > INT64_MAX / 16 / size) {
            return false;
        }
        count *= size > 0 ? size : 1;
    }
    return true;
}

bool mmi_pth_is_contiguous(const mm_pth_tensor *tensor)
{
    int64_t stride = 1;

    if (mmi_pth_numel(tensor) == 0) {
        return true;
    }
    for (int i = tensor->ndim; i > 0; i--) {
        if (tensor->sizes[i - 1] > 1 && tensor->strides[i - 1] != stride) {
            return false;
        }
        stride *= tensor->sizes[i - 1];
    }
    return true;
}

/* Copies the elements below dimension `dim` and returns the place behind them. */
static unsigned char *gather(const mm_pth_tensor *tensor, size_t item_size, int dim,
                             const unsigned char *from, unsigned char *out)
{
    if (dim == tensor->ndim) {
        memcpy(out, from, item_size);
        return out + item_size;
    }
    size_t stride = (size_t)tensor->strides[dim] * item_size;
    for (int64_t i = 0; i < tensor->sizes[dim]; i++, from += stride) {
        out = gather(tensor, item_size, dim + 1, from, out);
    }
    return out;
}

const void *mmi_pth_elements(const mm_pth_tensor *tensor, void **out_owned)
{
    const unsigned char *first = mm_pth_tensor_data(tensor);
    size_t item_size = mmi_pth_dtype_size(tensor->dtype);

    *out_owned = NULL;
    if (first == NULL || mmi_pth_is_contiguous(tensor)) {
        return first;
    }
    /* Strides of zero repeat elements: the copy may be larger than the storage. */
    int64_t count = mmi_pth_numel(tensor);
    if (count > INT64_MAX / 16) {
        mm_raise(MM_EDATA, "could not read a tensor: it claims too many elements");
        return NULL;
    }
    *out_owned = mm_realloc(NULL, (size_t)count * item_size);
    if (*out_owned != NULL) {
        gather(tensor, item_size, 0, first, *out_owned);
    }
    return *out_owned;
}

int mmi_dtype_parts(mm_dtype dtype)
{
    bool is_complex =
        dtype == MM_DTYPE_C32 || dtype == MM_DTYPE_C64 || dtype == MM_DTYPE_C128;

    return dtype == MM_DTYPE_NONE ? 0 : is_complex ? 2 : 1;
}

static float float_of_bits(uint32_t bits)
{
    float value = 0;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t bits_of_float(float value)
{
    uint32_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static double f16_to_f64(uint16_t half)
{
    int exponent = half >> 10 & 0x1f;
    double fraction = half & 0x3ff;
    double sign = (half & 0x8000) != 0 ? -1.0 : 1.0;

    if (exponent == 0) {
        return sign * ldexp(fraction, -24);
    }
    if (exponent == 0x1f) {
        return fraction != 0 ? (double)NAN : sign * (double)INFINITY;
    }
    return sign * ldexp(1024.0 + fraction, exponent - 25);
}

static uint16_t f16_of_float(float value)
{
    uint16_t sign = (uint16_t)(bits_of_float(value) >> 16 & 0x8000);
    double size = fabs((double)value);

    if (isnan(value)) {
        return (uint16_t)(sign | 0x7e00);
    }
    if (size >= 65520.0) { /* half way to what would be the next number */
        return (uint16_t)(sign | 0x7c00);
    }
    int exponent = 0;
    (void)frexp(size, &exponent); /* size < 2^exponent */
    exponent = size == 0 || exponent < -13 ? -13 : exponent;
    /* nearbyint() rounds half to even, the default mode; a carry moves on by itself. */
    double steps = nearbyint(ldexp(size, 11 - exponent));
    return (uint16_t)(sign | (unsigned)(steps + 1024.0 * (exponent + 13)));
}

static uint16_t bf16_of_float(float value)
{
    uint32_t bits = bits_of_float(value);

    if (isnan(value)) {
        return 0x7fc0;
    }
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

#define TO_F64(type, expression)                                                       \
    for (size_t i = 0; i < count; i++) {                                               \
        type x;                                                                        \
        memcpy(&x, (const char *)src + i * sizeof x, sizeof x);                        \
        out[i] = (double)(expression);                                                 \
    }                                                                                  \
    break

void mmi_dtype_to_f64(mm_dtype dtype, const void *src, size_t count, double *out)
{
    switch (dtype) {
    case MM_DTYPE_U8:
        TO_F64(uint8_t, x);
    case MM_DTYPE_BOOL:
        TO_F64(uint8_t, x != 0);
    case MM_DTYPE_I8:
        TO_F64(int8_t, x);
    case MM_DTYPE_I16:
        TO_F64(int16_t, x);
    case MM_DTYPE_I32:
        TO_F64(int32_t, x);
    case MM_DTYPE_I64:
        TO_F64(int64_t, x);
    case MM_DTYPE_F16:
    case MM_DTYPE_C32:
        TO_F64(uint16_t, f16_to_f64(x));
    case MM_DTYPE_BF16:
        TO_F64(uint16_t, float_of_bits((uint32_t)x << 16));
    case MM_DTYPE_F32:
    case MM_DTYPE_C64:
        TO_F64(float, x);
    case MM_DTYPE_F64:
    case MM_DTYPE_C128:
        TO_F64(double, x);
    case MM_DTYPE_NONE:
        break;
    }
}

#define FROM_F64(type, expression)                                                     \
    for (size_t i = 0; i < count; i++) {                                               \
        type x = (type)(expression);                                                   \
        memcpy((char *)out + i * sizeof x, &x, sizeof x);                              \
    }                                                                                  \
    break

/* The integer part; what does not fit 64 bits has no defined cast in PyTorch either. */
static int64_t whole(double value)
{
    if (isnan(value)) {
        return 0;
    }
    return value >= 0x1p63 ? INT64_MAX : value < -0x1p63 ? INT64_MIN : (int64_t)value;
}

void mmi_dtype_from_f64(mm_dtype dtype, const double *src, size_t count, void *out)
{
    switch (dtype) {
    case MM_DTYPE_U8:
        FROM_F64(uint8_t, whole(src[i]));
    case MM_DTYPE_BOOL:
        FROM_F64(uint8_t, src[i] != 0);
    case MM_DTYPE_I8:
        FROM_F64(int8_t, whole(src[i]));
    case MM_DTYPE_I16:
        FROM_F64(int16_t, whole(src[i]));
    case MM_DTYPE_I32:
        FROM_F64(int32_t, whole(src[i]));
    case MM_DTYPE_I64:
        FROM_F64(int64_t, whole(src[i]));
    case MM_DTYPE_F16:
    case MM_DTYPE_C32:
        FROM_F64(uint16_t, f16_of_float((float)src[i]));
    case MM_DTYPE_BF16:
        FROM_F64(uint16_t, bf16_of_float((float)src[i]));
    case MM_DTYPE_F32:
    case MM_DTYPE_C64:
        FROM_F64(float, src[i]);
    case MM_DTYPE_F64:
    case MM_DTYPE_C128:
        FROM_F64(double, src[i]);
    case MM_DTYPE_NONE:
        break;
    }
}
