/*
 * Names and sizes of element types. Needs no libtorch.
 */
#include <string.h>

#include "base/status.h"
#include "mmengine/tensor.h"

struct dtype_row {
    mm_dtype dtype;
    size_t size;
    const char *names[4]; /* the first is torch's */
};

static const struct dtype_row rows[] = {
    {MM_DTYPE_U8, 1, {"uint8", "byte"}},
    {MM_DTYPE_I8, 1, {"int8"}},
    {MM_DTYPE_I16, 2, {"int16", "short"}},
    {MM_DTYPE_I32, 4, {"int32", "int"}},
    {MM_DTYPE_I64, 8, {"int64", "long"}},
    {MM_DTYPE_F16, 2, {"float16", "half", "fp16"}},
    {MM_DTYPE_F32, 4, {"float32", "float", "fp32"}},
    {MM_DTYPE_F64, 8, {"float64", "double", "fp64"}},
    {MM_DTYPE_C32, 4, {"complex32", "chalf"}},
    {MM_DTYPE_C64, 8, {"complex64", "cfloat"}},
    {MM_DTYPE_C128, 16, {"complex128", "cdouble"}},
    {MM_DTYPE_BOOL, 1, {"bool"}},
    {MM_DTYPE_BF16, 2, {"bfloat16", "bf16"}},
};

enum { NUM_ROWS = sizeof rows / sizeof rows[0] };

static const struct dtype_row *find_row(mm_dtype dtype)
{
    for (size_t i = 0; i < NUM_ROWS; i++) {
        if (rows[i].dtype == dtype) {
            return &rows[i];
        }
    }
    return NULL;
}

size_t mm_dtype_size(mm_dtype dtype)
{
    const struct dtype_row *row = find_row(dtype);

    return row != NULL ? row->size : 0;
}

const char *mm_dtype_name(mm_dtype dtype)
{
    const struct dtype_row *row = find_row(dtype);

    return row != NULL ? row->names[0] : "no dtype";
}

mm_status mm_dtype_parse(const char *text, mm_dtype *out)
{
    static const char prefix[] = "torch.";

    if (!MMI_NEED(text)) {
        return mm_pending();
    }
    const char *name = text;
    if (strncmp(text, prefix, sizeof prefix - 1) == 0) {
        name += sizeof prefix - 1;
    }
    for (size_t i = 0; i < NUM_ROWS; i++) {
        for (size_t k = 0; k < 4 && rows[i].names[k] != NULL; k++) {
            if (strcmp(rows[i].names[k], name) == 0) {
                *out = rows[i].dtype;
                return MM_OK;
            }
        }
    }
    mm_raise(MM_EINVAL, "'%s' names no dtype", text);
    return mm_error_hint("dtypes: float32, float16, bfloat16, float64, int64, int32, "
                         "int16, int8, uint8, bool, complex64, complex128");
}
