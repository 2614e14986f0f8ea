/** @file
 * What the files of LBFGS share. PyTorch computes step lengths and slopes with whatever
 * is at hand, Python's floats and tensors of no dimension, and rounds as these do; so
 * do we, since a line search that falls out otherwise goes elsewhere.
 */
#ifndef MMI_OPTIM_LBFGS_H
#define MMI_OPTIM_LBFGS_H

#include "mmengine/optim.h"

/** A float or an int of Python or, if `tensor` is not NULL, a tensor of no dimension.
 */
typedef struct mmi_scalar {
    mm_tensor *tensor; /**< scope-owned or borrowed */
    double value;
    bool is_int; /**< checkpoints tell 1 from 1.0 */
} mmi_scalar;

static inline mmi_scalar mmi_scalar_of(double value)
{
    return (mmi_scalar){.value = value};
}

static inline mmi_scalar mmi_scalar_of_int(int64_t value)
{
    return (mmi_scalar){.value = (double)value, .is_int = true};
}

static inline mmi_scalar mmi_scalar_at(mm_tensor *tensor)
{
    return (mmi_scalar){.tensor = tensor};
}

/** The number itself. */
double mmi_scalar_read(mmi_scalar x);
/** @name Python's operators, tensors rounding to their dtype. @{ */
mmi_scalar mmi_scalar_add(mmi_scalar x, mmi_scalar y);
mmi_scalar mmi_scalar_sub(mmi_scalar x, mmi_scalar y);
mmi_scalar mmi_scalar_mul(mmi_scalar x, mmi_scalar y);
mmi_scalar mmi_scalar_div(mmi_scalar x, mmi_scalar y);
mmi_scalar mmi_scalar_abs(mmi_scalar x);
mmi_scalar mmi_scalar_min(mmi_scalar x, mmi_scalar y);
mmi_scalar mmi_scalar_max(mmi_scalar x, mmi_scalar y);
bool mmi_scalar_less(mmi_scalar x, mmi_scalar y);
bool mmi_scalar_less_equal(mmi_scalar x, mmi_scalar y);
/** @} */

/** Loss and gradient at `t` along a direction; leaves the parameters where they were.
 */
typedef struct mmi_line {
    mm_status (*evaluate)(void *user, mmi_scalar t, double *out_loss,
                          mm_tensor **out_grad);
    void *user;
    mm_tensor *direction;
    double tolerance_change;
    int64_t max_evals;
} mmi_line;

/** A point of the line. */
typedef struct mmi_line_point {
    mmi_scalar t;
    double loss;
    mm_tensor *grad;
    mmi_scalar slope;
} mmi_line_point;

/** Searches the line from `start` (t is the first length to try, the rest is of the
 * line's origin) for a point that meets the strong Wolfe conditions. The point and how
 * often the loss was asked for. */
mm_status mmi_strong_wolfe(const mmi_line *line, const mmi_line_point *start,
                           mmi_line_point *out, int64_t *out_evals);

#endif
