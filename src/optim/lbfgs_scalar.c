/* Numbers that are a float or a tensor of no dimension, as in Python. With a tensor on
 * either side the operator is libtorch's, the one that Python would have called. */
#include <math.h>

#include "mmengine/ops.h"
#include "optim/lbfgs.h"

double mmi_scalar_read(mmi_scalar x)
{
    return x.tensor != NULL ? mm_item(x.tensor) : x.value;
}

static mmi_scalar of_both(mmi_scalar x, mmi_scalar y, double value)
{
    return (mmi_scalar){.value = value, .is_int = x.is_int && y.is_int};
}

mmi_scalar mmi_scalar_add(mmi_scalar x, mmi_scalar y)
{
    if (x.tensor == NULL && y.tensor == NULL)
        return of_both(x, y, x.value + y.value);
    if (x.tensor != NULL && y.tensor != NULL)
        return mmi_scalar_at(mm_add(x.tensor, y.tensor));
    return mmi_scalar_at(x.tensor != NULL ? mm_add_scalar(x.tensor, y.value)
                                          : mm_add_scalar(y.tensor, x.value));
}

mmi_scalar mmi_scalar_sub(mmi_scalar x, mmi_scalar y)
{
    if (x.tensor == NULL && y.tensor == NULL)
        return of_both(x, y, x.value - y.value);
    if (x.tensor != NULL && y.tensor != NULL)
        return mmi_scalar_at(mm_sub(x.tensor, y.tensor));
    return mmi_scalar_at(x.tensor != NULL ? mm_sub_scalar(x.tensor, y.value)
                                          : mm_rsub_scalar(y.tensor, x.value));
}

mmi_scalar mmi_scalar_mul(mmi_scalar x, mmi_scalar y)
{
    if (x.tensor == NULL && y.tensor == NULL)
        return of_both(x, y, x.value * y.value);
    if (x.tensor != NULL && y.tensor != NULL)
        return mmi_scalar_at(mm_mul(x.tensor, y.tensor));
    return mmi_scalar_at(x.tensor != NULL ? mm_mul_scalar(x.tensor, y.value)
                                          : mm_mul_scalar(y.tensor, x.value));
}

/* A float by a tensor is the tensor's reciprocal times the float. */
mmi_scalar mmi_scalar_div(mmi_scalar x, mmi_scalar y)
{
    if (x.tensor == NULL && y.tensor == NULL)
        return mmi_scalar_of(x.value / y.value);
    if (x.tensor != NULL && y.tensor != NULL)
        return mmi_scalar_at(mm_div(x.tensor, y.tensor));
    return mmi_scalar_at(x.tensor != NULL
                             ? mm_div_scalar(x.tensor, y.value)
                             : mm_mul_scalar(mm_reciprocal(y.tensor), x.value));
}

mmi_scalar mmi_scalar_abs(mmi_scalar x)
{
    return x.tensor != NULL ? mmi_scalar_at(mm_abs(x.tensor))
                            : of_both(x, x, fabs(x.value));
}

/* A comparison by operators: a float is rounded to the tensor's dtype. `turned` is the
 * operator with its sides exchanged. */
static bool compare(mmi_scalar x, mmi_scalar y, const char *tensors, const char *number,
                    const char *turned)
{
    if (x.tensor != NULL && y.tensor != NULL)
        return mm_item(mm_op(tensors, MM_T(x.tensor), MM_T(y.tensor))) != 0.0;
    return x.tensor != NULL
               ? mm_item(mm_op(number, MM_T(x.tensor), MM_F(y.value))) != 0.0
               : mm_item(mm_op(turned, MM_T(y.tensor), MM_F(x.value))) != 0.0;
}

bool mmi_scalar_less(mmi_scalar x, mmi_scalar y)
{
    if (x.tensor == NULL && y.tensor == NULL)
        return x.value < y.value;
    return compare(x, y, "aten::lt.Tensor", "aten::lt.Scalar", "aten::gt.Scalar");
}

bool mmi_scalar_less_equal(mmi_scalar x, mmi_scalar y)
{
    if (x.tensor == NULL && y.tensor == NULL)
        return x.value <= y.value;
    return compare(x, y, "aten::le.Tensor", "aten::le.Scalar", "aten::ge.Scalar");
}

/* Of two that do not compare the first, as Python's. */
mmi_scalar mmi_scalar_min(mmi_scalar x, mmi_scalar y)
{
    return mmi_scalar_less(y, x) ? y : x;
}

mmi_scalar mmi_scalar_max(mmi_scalar x, mmi_scalar y)
{
    return mmi_scalar_less(x, y) ? y : x;
}
