/* Clipping, unscaling and the look for what is not finite. Gradients that lie plainly
 * in host memory go through the kernels: the norm is summed in double and does not
 * depend on threads. PyTorch sums each tensor in float and takes the norm of the norms;
 * the operators' form does that, for `numerics='reference'` and for gradients that the
 * kernels cannot reach; on a device it takes lists of tensors, with one number read
 * back. */
#include "optim/clip_grad.h"

#include <math.h>
#include <string.h>

#include "mmengine/memory.h"
#include "mmengine/ops.h"
#include "optim/optimizer.h"

static const char norm_of_list[] = "aten::_foreach_norm.Scalar";
static const char scale_of_list[] = "aten::_foreach_mul_.Scalar";
static const char product_of_list[] = "aten::_foreach_mul_.Tensor";
static const char unscale_of_list[] =
    "aten::_amp_foreach_non_finite_check_and_unscale_";

mm_status mmi_clip_begin(mm_optimizer *optimizer)
{
    return mmi_optimizer_gather(optimizer, false);
}

bool mmi_clip_has_grads(const mm_optimizer *optimizer)
{
    for (size_t i = 0; i < optimizer->num_params; i++) {
        if (optimizer->memory[i].has_grad) {
            return true;
        }
    }
    return false;
}

bool mmi_clip_by_operators(const mm_optimizer *optimizer)
{
    if (optimizer->numerics == MM_NUMERICS_REFERENCE) {
        return true;
    }
    for (size_t i = 0; optimizer->num_slow > 0 && i < optimizer->num_params; i++) {
        if (optimizer->memory[i].has_grad && !mmi_optimizer_is_slow(optimizer, i)) {
            return false;
        }
    }
    return optimizer->num_slow > 0;
}

/* Gradients that the kernels cannot reach. */
struct grads {
    mm_tensor **list;
    const char **names; /* their parameters' */
    int count;
};

/* A gradient as numbers that make it up and may be changed in place: of a sparse one
 * the values, once rows that it names twice are added up. PyTorch clips no sparse ones.
 */
static mm_tensor *whole_grad(mm_tensor *param)
{
    mm_tensor *grad = mm_grad_find(param);

    if (!mm_is_sparse(grad)) {
        return grad;
    }
    grad = mm_op("aten::coalesce", MM_T(grad));
    mm_set_grad(param, grad);
    return mm_op("aten::_values", MM_T(grad));
}

static mm_status collect(mm_optimizer *optimizer, struct grads *out)
{
    *out = (struct grads){
        .list = mm_alloc_array(optimizer->num_params, sizeof *out->list),
        .names = mm_alloc_array(optimizer->num_params, sizeof *out->names),
    };
    for (size_t i = 0; !mm_has_error() && i < optimizer->num_params; i++) {
        if (mmi_optimizer_is_slow(optimizer, i)) {
            out->list[out->count] = whole_grad(optimizer->params[i]);
            out->names[out->count++] = mm_param_groups_name(optimizer->groups, i);
        }
    }
    return mm_pending();
}

/* What is stored of a gradient: of a sparse one the values that it has. */
static mm_tensor *stored(mm_tensor *grad)
{
    return mm_is_sparse(grad) ? mm_op("aten::_values", MM_T(grad)) : grad;
}

static void release(struct grads *grads)
{
    mm_free(grads->list);
    mm_free((void *)grads->names);
}

static bool is_one_kind(const mm_tensor_info *a, const mm_tensor_info *b)
{
    return a->dtype == b->dtype && strcmp(a->device, b->device) == 0;
}

/* True if an operator on lists takes all of `grads` at once: of one dtype on one device
 * that has a kernel of its own. On the host such lists are walked tensor by tensor. */
static bool takes_list(const struct grads *grads, const char *name)
{
    mm_tensor_info first = {0};
    mm_tensor_info info = {0};

    if (grads->count == 0 || mm_tensor_info_get(grads->list[0], &first) < 0 ||
        first.is_cpu || !mm_op_supports(name, "cuda")) {
        return false;
    }
    for (int i = 1; i < grads->count; i++) {
        if (mm_tensor_info_get(grads->list[i], &info) < 0 ||
            !is_one_kind(&first, &info)) {
            return false;
        }
    }
    return true;
}

/* Leaves out gradients without elements: some norms of nothing do not exist. */
static void drop_empty(struct grads *grads)
{
    int left = 0;

    for (int i = 0; i < grads->count && !mm_has_error(); i++) {
        if (mm_numel(grads->list[i]) > 0) {
            grads->list[left++] = grads->list[i];
        }
    }
    grads->count = left;
}

/* PyTorch's: the norm of the norms, as a tensor. There is an element. */
static mm_tensor *total_norm(const struct grads *grads, double norm_type)
{
    mm_tensor **norms = mm_alloc_array((size_t)grads->count, sizeof *norms);
    mm_op_result result = {.tensors = norms, .max_tensors = grads->count};

    if (norms != NULL && takes_list(grads, norm_of_list)) {
        (void)mm_op_run(norm_of_list, &result, MM_TS(grads->list, grads->count),
                        MM_F(norm_type));
    } else {
        for (int i = 0; norms != NULL && i < grads->count && !mm_has_error(); i++) {
            norms[i] = mm_op("aten::linalg_vector_norm", MM_T(grads->list[i]),
                             MM_F(norm_type));
        }
    }
    mm_tensor *all =
        norms != NULL && !mm_has_error() ? mm_stack(norms, grads->count, 0) : NULL;

    mm_free(norms);
    return all != NULL ? mm_op("aten::linalg_vector_norm", MM_T(all), MM_F(norm_type))
                       : NULL;
}

/* The norm of those gradients; 0 if there are none. */
static double slow_norm(mm_optimizer *optimizer, double norm_type)
{
    struct grads grads;
    double norm = 0.0;
    mm_scope scope = mm_scope_open();

    if (collect(optimizer, &grads) >= 0) {
        drop_empty(&grads);
    }
    if (!mm_has_error() && grads.count > 0) {
        mm_tensor *total = total_norm(&grads, norm_type);

        norm = mm_has_error() ? 0.0 : mm_item(total);
    }
    release(&grads);
    mm_scope_close(scope);
    return norm;
}

/* Norms other than 2 and inf, which are rare: PyTorch's, over all gradients. */
static double any_norm(mm_optimizer *optimizer, double norm_type)
{
    struct grads grads = {0};
    double norm = 0.0;
    mm_scope scope = mm_scope_open();

    grads.list = mm_alloc_array(optimizer->num_params, sizeof *grads.list);
    for (size_t i = 0; grads.list != NULL && i < optimizer->num_params; i++) {
        if (optimizer->memory[i].has_grad) {
            grads.list[grads.count++] = whole_grad(optimizer->params[i]);
        }
    }
    drop_empty(&grads);
    if (grads.count > 0) {
        mm_tensor *total = total_norm(&grads, norm_type);

        norm = mm_has_error() ? 0.0 : mm_item(total);
    }
    release(&grads);
    mm_scope_close(scope);
    return norm;
}

static mm_status check_finite(const mmi_clip *clip, double norm)
{
    if (clip->error_if_nonfinite && !isfinite(norm)) {
        mm_raise(MM_ENUMERIC, "the norm of order %g of all gradients is %g",
                 clip->norm_type, norm);
        return mm_error_hint("clip_grad.error_if_nonfinite=False goes on nevertheless");
    }
    return mm_pending();
}

/* The larger; NaN if either is. */
static double max_norm(double a, double b)
{
    return isnan(a) || a > b ? a : b;
}

mm_status mmi_clip_norm(mm_optimizer *optimizer, const mmi_clip *clip, float factor,
                        const double *squares, double *out_norm)
{
    double *partials = optimizer->partials;
    bool has_slow = optimizer->num_slow > 0;
    double order = clip->norm_type;
    double norm;

    if (order == 2.0) {
        double slow = has_slow ? slow_norm(optimizer, 2.0) : 0.0;

        norm = squares != NULL ? *squares
                               : mmi_spans_grad_squares(&optimizer->spans, partials);
        norm = sqrt(norm + slow * slow);
    } else if (order == INFINITY) {
        norm = mmi_spans_grad_max(&optimizer->spans, partials);
        norm = has_slow ? max_norm(slow_norm(optimizer, order), norm) : norm;
    } else {
        norm = any_norm(optimizer, order);
    }
    /* the norm of order 0 counts the tensors that are not zero */
    norm = (double)(float)(order == 0.0 ? norm : norm * fabs((double)factor));
    if (mm_has_error() || check_finite(clip, norm) < 0) {
        return mm_pending();
    }
    *out_norm = norm;
    return MM_OK;
}

/* In float, as PyTorch's `max_norm / (total_norm + 1e-6)`, which multiplies by the
 * reciprocal. NaN stays. */
float mmi_clip_coefficient(const mmi_clip *clip, double norm)
{
    float coefficient = 1.0F / ((float)norm + 1e-6F) * (float)clip->max_norm;

    return coefficient > 1.0F ? 1.0F : coefficient;
}

mm_status mmi_clip_scale(mm_optimizer *optimizer, float factor)
{
    struct grads grads;
    mm_scope scope;

    mmi_spans_grad_scale(&optimizer->spans, factor);
    if (optimizer->num_slow == 0) {
        return mm_pending();
    }
    scope = mm_scope_open();
    if (collect(optimizer, &grads) >= 0 && takes_list(&grads, scale_of_list)) {
        (void)mm_op_run(scale_of_list, NULL, MM_TS(grads.list, grads.count),
                        MM_F((double)factor));
    } else {
        for (int i = 0; i < grads.count && !mm_has_error(); i++) {
            mm_mul_scalar_(grads.list[i], factor);
        }
    }
    release(&grads);
    mm_scope_close(scope);
    return mm_pending();
}

mm_status mmi_clip_clamp(mm_optimizer *optimizer, double clip_value)
{
    mmi_spans_grad_clamp(&optimizer->spans, (float)clip_value);
    for (size_t i = 0; optimizer->num_slow > 0 && i < optimizer->num_params; i++) {
        if (mmi_optimizer_is_slow(optimizer, i)) {
            mm_scope scope = mm_scope_open();

            mm_clamp_(whole_grad(optimizer->params[i]), .min = MM_N(-clip_value),
                      .max = MM_N(clip_value));
            mm_scope_close(scope);
        }
    }
    return mm_pending();
}

static void multiply(const struct grads *grads, mm_tensor *coefficient)
{
    if (takes_list(grads, product_of_list)) {
        (void)mm_op_run(product_of_list, NULL, MM_TS(grads->list, grads->count),
                        MM_T(coefficient));
        return;
    }
    for (int i = 0; i < grads->count && !mm_has_error(); i++) {
        mm_mul_(grads->list[i], coefficient);
    }
}

mm_status mmi_clip_reference(mm_optimizer *optimizer, const mmi_clip *clip,
                             double *out_norm)
{
    struct grads grads;
    mm_scope scope = mm_scope_open();
    mm_tensor *norm = NULL;

    if (collect(optimizer, &grads) >= 0) {
        drop_empty(&grads);
        norm = grads.count > 0 ? total_norm(&grads, clip->norm_type) : NULL;
    }
    double value = norm == NULL ? 0.0 : mm_item(norm);

    if (!mm_has_error() && check_finite(clip, value) >= 0) {
        if (norm != NULL) {
            mm_tensor *inverse = mm_reciprocal(mm_add_scalar(norm, 1e-6));

            multiply(&grads, mm_clamp(mm_mul_scalar(inverse, clip->max_norm),
                                      .max = MM_N(1.0)));
        }
        *out_norm = value;
    }
    release(&grads);
    mm_scope_close(scope);
    return mm_pending();
}

/* Unscaling a list of one dtype on one device; is it finite? */
static bool unscale_list(const struct grads *grads, const mm_tensor_info *kind,
                         float inverse)
{
    const float start[] = {0.0F, inverse};
    mm_tensor *found = mm_from_f32(&start[0], 0, NULL);
    mm_tensor *factor = mm_from_f32(&start[1], 0, NULL);

    if (!kind->is_cpu) {
        found = mm_to(found, .device = kind->device);
        factor = mm_to(factor, .device = kind->device);
    }
    (void)mm_op_run(unscale_of_list, NULL, MM_TS(grads->list, grads->count),
                    MM_T(found), MM_T(factor));
    return !mm_has_error() && mm_item(found) == 0.0;
}

/* The same where libtorch has no operator for it: the host's up to 2.2. */
static bool unscale_each(const struct grads *grads, float inverse)
{
    bool is_finite = true;

    for (int i = 0; i < grads->count && !mm_has_error(); i++) {
        is_finite = is_finite && mm_item(mm_all(mm_isfinite(grads->list[i]))) != 0.0;
        if (inverse != 1.0F) {
            mm_mul_scalar_(grads->list[i], inverse);
        }
    }
    return is_finite;
}

static mm_status check_half(const struct grads *grads, int index,
                            const mm_tensor_info *info)
{
    if (info->dtype != MM_DTYPE_F16) {
        return mm_pending();
    }
    mm_raise(MM_EDTYPE,
             "could not take the loss scale out of the gradients of '%s': they are "
             "float16",
             grads->names[index]);
    return mm_error_hint("leave the parameters in float32: the forward is computed in "
                         "float16 all the same");
}

/* Takes the gradients of the first one's dtype and device out of `from` into `out`. */
static mm_status take_kind(struct grads *from, struct grads *out, mm_tensor_info *kind)
{
    mm_tensor_info info = {0};
    int left = 0;

    out->count = 0;
    for (int i = 0; i < from->count; i++) {
        if (mm_tensor_info_get(from->list[i], &info) < 0 ||
            check_half(from, i, &info) < 0) {
            return mm_pending();
        }
        if (i == 0) {
            *kind = info;
        }
        if (is_one_kind(kind, &info)) {
            out->list[out->count++] = from->list[i];
        } else {
            from->names[left] = from->names[i];
            from->list[left++] = from->list[i];
        }
    }
    from->count = left;
    return mm_pending();
}

mm_status mmi_clip_unscale(mm_optimizer *optimizer, float inverse, bool *out_finite)
{
    struct grads grads;
    struct grads part = {0};
    mm_tensor_info kind = {0};
    bool is_finite = true;
    mm_scope scope = mm_scope_open();

    if (collect(optimizer, &grads) >= 0) {
        part.list = mm_alloc_array((size_t)grads.count, sizeof *part.list);
    }
    while (!mm_has_error() && grads.count > 0 && take_kind(&grads, &part, &kind) >= 0) {
        bool has_operator =
            mm_op_supports(unscale_of_list, kind.is_cpu ? "cpu" : "cuda");
        bool is_good = has_operator ? unscale_list(&part, &kind, inverse)
                                    : unscale_each(&part, inverse);

        is_finite = is_finite && is_good;
    }
    if (!mm_has_error()) {
        *out_finite = is_finite;
    }
    release(&part);
    release(&grads);
    mm_scope_close(scope);
    return mm_pending();
}

const char *mmi_clip_find_nonfinite(mm_optimizer *optimizer)
{
    const char *found = NULL;
    mm_scope scope = mm_scope_open();

    for (size_t i = 0; found == NULL && i < optimizer->num_params; i++) {
        mm_tensor *grad = mm_grad_find(optimizer->params[i]);

        if (grad != NULL && mm_item(mm_all(mm_isfinite(stored(grad)))) == 0.0 &&
            !mm_has_error()) {
            found = mm_param_groups_name(optimizer->groups, i);
        }
    }
    mm_scope_close(scope);
    return found;
}
