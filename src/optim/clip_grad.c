/* Clipping. Gradients that lie plainly in host memory go through the kernels: the norm
 * is summed in double and does not depend on threads. PyTorch sums each tensor in float
 * and takes the norm of the norms; the reference form does that with its operators. */
#include "optim/clip_grad.h"

#include <math.h>
#include <string.h>

#include "mmengine/memory.h"
#include "mmengine/ops.h"
#include "optim/optimizer.h"

static mm_status unknown_key(const mm_value *config, size_t index)
{
    char *key = mm_value_repr(mm_dict_key_at(config, index));

    mm_raise(MM_ECONFIG, "clip_grad has no option %s", key != NULL ? key : "?");
    mm_free(key);
    mm_error_locate(mm_dict_source_at(config, index));
    return mm_error_hint("options: type, max_norm, norm_type, error_if_nonfinite, "
                         "foreach; with type='value': clip_value, foreach");
}

static double parse_norm_type(const mm_value *value)
{
    if (mm_value_kind(value) == MM_KIND_STR) {
        const char *text = mm_value_str(value);

        if (strcmp(text, "inf") == 0) {
            return INFINITY;
        }
        mm_raise(MM_ECONFIG, "clip_grad: norm_type is '%s': a number or 'inf'", text);
        return 0.0;
    }
    return mm_value_f64(value);
}

static mm_status parse_entry(const mm_value *config, size_t index, mmi_clip *out)
{
    const char *key = mm_dict_name_at(config, index);
    const mm_value *value = mm_dict_at(config, index);

    if (key == NULL) {
        return unknown_key(config, index);
    }
    if (strcmp(key, "type") == 0 || strcmp(key, "foreach") == 0) {
        return MM_OK;
    }
    if (out->by_value && strcmp(key, "clip_value") == 0) {
        out->clip_value = mm_value_f64(value);
    } else if (out->by_norm && strcmp(key, "max_norm") == 0) {
        out->max_norm = mm_value_f64(value);
    } else if (out->by_norm && strcmp(key, "norm_type") == 0) {
        out->norm_type = parse_norm_type(value);
    } else if (out->by_norm && strcmp(key, "error_if_nonfinite") == 0) {
        out->error_if_nonfinite = mm_value_is_true(value);
    } else {
        return unknown_key(config, index);
    }
    if (mm_has_error()) {
        mm_error_frame("in clip_grad.%s", key);
        return mm_error_locate(mm_dict_source_at(config, index));
    }
    return MM_OK;
}

mm_status mmi_clip_parse(const mm_value *config, mmi_clip *out)
{
    mmi_clip clip = {.norm_type = 2.0};

    if (mm_value_is_none(config)) {
        *out = (mmi_clip){0};
        return mm_pending();
    }
    if (mm_value_kind(config) != MM_KIND_DICT) {
        return mm_raise(MM_ECONFIG, "clip_grad is %s: a dict is needed",
                        mm_value_type_name(config));
    }
    const mm_value *type = mm_dict_find(config, "type");
    const char *name = type != NULL ? mm_value_str(type) : "norm";

    if (mm_has_error()) {
        return mm_error_frame("in clip_grad.type");
    }
    clip.by_norm = strcmp(name, "norm") == 0;
    clip.by_value = strcmp(name, "value") == 0;
    if (!clip.by_norm && !clip.by_value) {
        mm_raise(MM_ECONFIG, "clip_grad: type is '%s': 'norm' or 'value'", name);
        return mm_error_locate(mm_dict_source(config, "type"));
    }
    const char *needed = clip.by_norm ? "max_norm" : "clip_value";

    if (!mm_dict_has(config, needed)) {
        return mm_raise(MM_ECONFIG, "clip_grad needs %s", needed);
    }
    for (size_t i = 0; i < mm_value_len(config); i++) {
        if (parse_entry(config, i, &clip) < 0) {
            return mm_pending();
        }
    }
    *out = clip;
    return mm_pending();
}

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

/* The norm of one gradient through libtorch. */
static double slow_norm(mm_tensor *grad, double norm_type)
{
    return mm_item(mm_op("aten::linalg_vector_norm", MM_T(grad), MM_F(norm_type)));
}

/* Adds |x|^p of the gradients that the kernels cannot reach; for p = inf their largest
 * magnitude. */
static double slow_powers(mm_optimizer *optimizer, double norm_type, double total)
{
    for (size_t i = 0; optimizer->num_slow > 0 && i < optimizer->num_params; i++) {
        if (!mmi_optimizer_is_slow(optimizer, i) || mm_has_error()) {
            continue;
        }
        mm_scope scope = mm_scope_open();
        double norm = slow_norm(mm_grad_find(optimizer->params[i]), norm_type);

        mm_scope_close(scope);
        if (!isinf(norm_type)) {
            total += pow(norm, norm_type);
        } else if (norm > total || isnan(norm)) {
            total = norm;
        }
    }
    return total;
}

mm_status mmi_clip_squares(mm_optimizer *optimizer, double *out_squares)
{
    double squares = mmi_spans_grad_squares(&optimizer->spans, optimizer->partials);

    squares = slow_powers(optimizer, 2.0, squares);
    if (!mm_has_error()) {
        *out_squares = squares;
    }
    return mm_pending();
}

/* Any p: through libtorch, one tensor at a time. */
static double any_norm(mm_optimizer *optimizer, double norm_type)
{
    double total = 0.0;

    for (size_t i = 0; i < optimizer->num_params && !mm_has_error(); i++) {
        if (optimizer->memory[i].has_grad) {
            mm_scope scope = mm_scope_open();

            total += pow(slow_norm(mm_grad_find(optimizer->params[i]), norm_type),
                         norm_type);
            mm_scope_close(scope);
        }
    }
    return pow(total, 1.0 / norm_type);
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

mm_status mmi_clip_norm(mm_optimizer *optimizer, const mmi_clip *clip, float factor,
                        const double *squares, double *out_norm)
{
    double norm = 0.0;

    if (clip->norm_type == 2.0) {
        if (squares != NULL) {
            norm = *squares;
        } else if (mmi_clip_squares(optimizer, &norm) < 0) {
            return mm_pending();
        }
        norm = sqrt(norm);
    } else if (isinf(clip->norm_type)) {
        norm = mmi_spans_grad_max(&optimizer->spans, optimizer->partials);
        norm = slow_powers(optimizer, INFINITY, norm);
    } else {
        norm = any_norm(optimizer, clip->norm_type);
    }
    norm = (double)(float)(norm * fabs((double)factor));
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
    mmi_spans_grad_scale(&optimizer->spans, factor);
    for (size_t i = 0; optimizer->num_slow > 0 && i < optimizer->num_params; i++) {
        if (mmi_optimizer_is_slow(optimizer, i)) {
            mm_scope scope = mm_scope_open();

            mm_mul_scalar_(mm_grad_find(optimizer->params[i]), factor);
            mm_scope_close(scope);
        }
    }
    return mm_pending();
}

mm_status mmi_clip_clamp(mm_optimizer *optimizer, double clip_value)
{
    mmi_spans_grad_clamp(&optimizer->spans, (float)clip_value);
    for (size_t i = 0; optimizer->num_slow > 0 && i < optimizer->num_params; i++) {
        if (mmi_optimizer_is_slow(optimizer, i)) {
            mm_scope scope = mm_scope_open();

            mm_clamp_(mm_grad_find(optimizer->params[i]), .min = MM_N(-clip_value),
                      .max = MM_N(clip_value));
            mm_scope_close(scope);
        }
    }
    return mm_pending();
}

static mm_tensor *total_norm(mm_tensor *const *grads, int count, double norm_type)
{
    mm_tensor **norms = mm_alloc_array((size_t)count, sizeof *norms);

    for (int i = 0; norms != NULL && i < count; i++) {
        norms[i] = mm_op("aten::linalg_vector_norm", MM_T(grads[i]), MM_F(norm_type));
    }
    mm_tensor *all =
        norms != NULL && !mm_has_error() ? mm_stack(norms, count, 0) : NULL;

    mm_free(norms);
    return all != NULL ? mm_op("aten::linalg_vector_norm", MM_T(all), MM_F(norm_type))
                       : NULL;
}

mm_status mmi_clip_reference(mm_optimizer *optimizer, const mmi_clip *clip,
                             double *out_norm)
{
    mm_tensor **grads = mm_alloc_array(optimizer->num_params, sizeof *grads);
    mm_scope scope = mm_scope_open();
    int count = 0;

    for (size_t i = 0; grads != NULL && i < optimizer->num_params; i++) {
        mm_tensor *grad = mm_grad_find(optimizer->params[i]);

        if (grad != NULL) {
            grads[count++] = grad;
        }
    }
    mm_tensor *norm = total_norm(grads, count, clip->norm_type);
    double value = mm_has_error() ? 0.0 : mm_item(norm);

    if (!mm_has_error() && check_finite(clip, value) >= 0) {
        mm_tensor *inverse = mm_reciprocal(mm_add_scalar(norm, 1e-6));
        mm_tensor *coefficient =
            mm_clamp(mm_mul_scalar(inverse, clip->max_norm), .max = MM_N(1.0));

        for (int i = 0; i < count; i++) {
            mm_mul_(grads[i], coefficient);
        }
        *out_norm = value;
    }
    mm_scope_close(scope);
    mm_free(grads);
    return mm_pending();
}
