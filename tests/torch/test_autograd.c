/*
 * Gradients, modes, functions in C, mixed precision. Numbers by hand or by the rule of
 * the function; those of the operations are in test_ops.c.
 */
#include "check.h"

#include <math.h>
#include <string.h>

#include "mmengine/ops.h"

static mm_tensor *leaf(const float *data, int64_t count)
{
    mm_tensor *x = mm_from_f32(data, 1, &count);

    assert_int_equal(mm_set_requires_grad(x, true), MM_OK);
    return x;
}

static float element(mm_tensor *x, int64_t i)
{
    assert_non_null(x);
    return ((const float *)mm_data(x, MM_DTYPE_F32))[i];
}

static void test_backward_adds_up(void **state)
{
    mm_scope scope = mm_scope_open();
    mm_tensor *x = leaf((const float[]){1, 2, 3}, 3);

    (void)state;
    assert_null(mm_grad_find(x));
    assert_int_equal(mm_backward(mm_sum(mm_mul(x, x))), MM_OK);
    assert_true(element(mm_grad_find(x), 2) == 6.0F);
    assert_int_equal(mm_backward(mm_sum(mm_mul(x, x))), MM_OK);
    assert_true(element(mm_grad_find(x), 2) == 12.0F);
    assert_int_equal(mm_set_grad(x, NULL), MM_OK);
    assert_null(mm_grad_find(x));
    mm_scope_close(scope);
    assert_int_equal(mm_live_tensors(), 0);
}

static void test_graphs_are_freed_or_kept(void **state)
{
    mm_scope scope = mm_scope_open();
    mm_tensor *x = leaf((const float[]){1, 2}, 2);
    mm_tensor *y = mm_sum(mm_mul(x, x));

    (void)state;
    assert_int_equal(mm_backward_with(&y, NULL, 1, true, false), MM_OK);
    assert_int_equal(mm_backward(y), MM_OK);
    assert_true(element(mm_grad_find(x), 1) == 8.0F);
    assert_true(mm_backward(y) < 0);
    mm_error error;
    assert_int_equal(mm_error_take(&error), MM_ETORCH);
    assert_non_null(strstr(error.message, "second time"));
    mm_scope_close(scope);
}

static void test_given_gradients(void **state)
{
    mm_scope scope = mm_scope_open();
    mm_tensor *x = leaf((const float[]){1, 2}, 2);
    mm_tensor *y = mm_mul_scalar(x, 3);
    mm_tensor *weight = mm_from_f32((const float[]){10, 100}, 1, (const int64_t[]){2});

    (void)state;
    assert_true(mm_backward(y) < 0); /* not one element */
    check_error(MM_ETORCH);
    assert_int_equal(mm_backward_with(&y, &weight, 1, false, false), MM_OK);
    assert_true(element(mm_grad_find(x), 1) == 300.0F);
    mm_scope_close(scope);
}

static void test_second_derivative(void **state)
{
    mm_scope scope = mm_scope_open();
    mm_tensor *x = leaf((const float[]){2}, 1);
    mm_tensor *y = mm_sum(mm_pow_scalar(x, 3));

    (void)state;
    assert_int_equal(mm_backward_with(&y, NULL, 1, true, true), MM_OK);
    mm_tensor *grad = mm_tensor_scoped(mm_keep(mm_grad_find(x)));
    assert_true(element(mm_detach(grad), 0) == 12.0F);
    assert_int_equal(mm_set_grad(x, NULL), MM_OK);
    assert_int_equal(mm_backward(mm_sum(grad)), MM_OK);
    assert_true(element(mm_grad_find(x), 0) == 12.0F); /* 6 x */
    mm_scope_close(scope);
}

static void test_modes(void **state)
{
    mm_scope scope = mm_scope_open();
    mm_tensor *x = leaf((const float[]){1}, 1);
    mm_tensor_info info;

    (void)state;
    assert_true(mm_grad_mode());
    assert_true(mm_grad_mode_set(false));
    mm_tensor *y = mm_mul_scalar(x, 2);
    assert_int_equal(mm_tensor_info_get(y, &info), MM_OK);
    assert_false(info.requires_grad);
    mm_raise(MM_EINVAL, "some error");
    assert_false(mm_grad_mode_set(true)); /* works while an error is pending */
    check_error(MM_EINVAL);
    assert_true(mm_grad_mode());
    mm_scope_close(scope);
}

static void test_leaves_are_guarded(void **state)
{
    mm_scope scope = mm_scope_open();
    mm_tensor *x = leaf((const float[]){1, 2}, 2);

    (void)state;
    assert_null(mm_add_scalar_(x, 1));
    check_error(MM_ETORCH);
    assert_true(mm_set_requires_grad(mm_mul_scalar(x, 2), false) < 0);
    check_error(MM_ESTATE);
    mm_tensor *index = mm_zeros(MM_DIMS(1), .dtype = MM_DTYPE_I64);
    assert_true(mm_set_requires_grad(index, true) < 0);
    check_error(MM_ETORCH);
    assert_true(mm_set_grad(x, mm_ones(MM_DIMS(3))) < 0);
    check_error_text(MM_ESHAPE,
                     "a gradient [3] float32 does not belong to [2] float32");
    assert_true(mm_set_grad(x, mm_cast(mm_ones(MM_DIMS(2)), MM_DTYPE_F64)) < 0);
    check_error(MM_EDTYPE);
    assert_int_equal(mm_set_grad(x, mm_ones(MM_DIMS(2))), MM_OK);
    assert_true(element(mm_grad_find(x), 0) == 1.0F);
    mm_scope_close(scope);
}

static void test_no_gradient_flows_into_changed_values(void **state)
{
    mm_scope scope = mm_scope_open();
    mm_tensor *x = leaf((const float[]){1, 2}, 2);
    mm_tensor *y = mm_exp(x);
    mm_error error;

    (void)state;
    assert_non_null(mm_add_scalar_(y, 1));
    assert_true(mm_backward(mm_sum(y)) < 0);
    assert_int_equal(mm_error_take(&error), MM_ETORCH);
    assert_non_null(strstr(error.message, "modified by an inplace operation"));
    mm_scope_close(scope);
}

/* ---- functions in C ---- */

struct scale {
    double factor;
    int forwards;
    int backwards;
    int releases;
    bool fails_forward;
    bool fails_backward;
    bool needs[3];
};

/* y = factor * a * b; z = a. `c` is optional and unused. */
static mm_status scale_forward(mm_function_ctx *ctx, void *user,
                               mm_tensor *const *inputs, int num_inputs,
                               mm_tensor **outputs, int num_outputs)
{
    struct scale *scale = user;

    assert_int_equal(num_inputs, 3);
    assert_int_equal(num_outputs, 2);
    assert_false(mm_grad_mode());
    scale->forwards++;
    if (scale->fails_forward) {
        return mm_raise(MM_EDATA, "forward of scale failed on purpose");
    }
    for (int i = 0; i < 3; i++) {
        scale->needs[i] = mm_function_needs_grad(ctx, i);
    }
    outputs[0] = mm_mul_number(mm_mul(inputs[0], inputs[1]), MM_N(scale->factor));
    outputs[1] = mm_clone(inputs[0]);
    return mm_function_save(ctx, inputs, 2);
}

static mm_status scale_backward(mm_function_ctx *ctx, void *user,
                                mm_tensor *const *grad_outputs, int num_outputs,
                                mm_tensor **grad_inputs, int num_inputs)
{
    struct scale *scale = user;
    mm_tensor *a = mm_function_saved(ctx, 0);
    mm_tensor *b = mm_function_saved(ctx, 1);

    assert_int_equal(num_inputs, 3);
    assert_int_equal(num_outputs, 2);
    scale->backwards++;
    if (scale->fails_backward) {
        mm_raise(MM_EDATA, "backward of scale failed on purpose");
        return mm_error_frame("while scaling");
    }
    mm_tensor *g = mm_mul_number(grad_outputs[0], MM_N(scale->factor));
    grad_inputs[0] = mm_add(mm_mul(g, b), grad_outputs[1]);
    grad_inputs[1] = mm_mul(g, a);
    grad_inputs[2] = NULL;
    return mm_pending();
}

static void scale_release(void *user)
{
    ((struct scale *)user)->releases++;
}

static const mm_function scale_function = {
    .name = "scale",
    .forward = scale_forward,
    .backward = scale_backward,
    .release = scale_release,
};

static void test_functions_in_c(void **state)
{
    struct scale scale = {.factor = 3};
    mm_scope scope = mm_scope_open();
    mm_tensor *a = leaf((const float[]){1, 2}, 2);
    mm_tensor *b = leaf((const float[]){5, 7}, 2);
    mm_tensor *in[3] = {a, b, NULL};
    mm_tensor *out[2] = {NULL};

    (void)state;
    assert_int_equal(mm_function_apply(&scale_function, &scale, in, 3, out, 2), MM_OK);
    assert_true(element(mm_detach(out[0]), 1) == 42.0F);
    assert_true(scale.needs[0] && scale.needs[1] && !scale.needs[2]);
    assert_int_equal(mm_backward(mm_add(mm_sum(out[0]), mm_sum(out[1]))), MM_OK);
    assert_true(element(mm_grad_find(a), 0) == 16.0F); /* 3 * 5 + 1 */
    assert_true(element(mm_grad_find(b), 1) == 6.0F);
    assert_int_equal(scale.backwards, 1);
    assert_int_equal(scale.releases, 0);
    mm_scope_close(scope);
    assert_int_equal(scale.releases, 1);
    assert_int_equal(mm_live_tensors(), 0);
}

static void test_functions_without_recording(void **state)
{
    struct scale scale = {.factor = 2};
    mm_scope scope = mm_scope_open();
    mm_tensor *one = mm_ones(MM_DIMS(2));
    mm_tensor *in[3] = {one, one, NULL};
    mm_tensor *out[2] = {NULL};
    mm_tensor_info info;

    (void)state;
    assert_int_equal(mm_function_apply(&scale_function, &scale, in, 3, out, 2), MM_OK);
    assert_int_equal(mm_tensor_info_get(out[0], &info), MM_OK);
    assert_false(info.requires_grad);
    assert_int_equal(scale.releases, 1); /* no graph holds it */
    mm_scope_close(scope);
}

static void test_errors_of_callbacks_surface(void **state)
{
    struct scale scale = {.factor = 2, .fails_forward = true};
    mm_scope scope = mm_scope_open();
    mm_tensor *a = leaf((const float[]){1, 2}, 2);
    mm_tensor *in[3] = {a, a, NULL};
    mm_tensor *out[2] = {NULL};
    mm_error error;

    (void)state;
    assert_true(mm_function_apply(&scale_function, &scale, in, 3, out, 2) < 0);
    check_error_text(MM_EDATA, "forward of scale failed on purpose");
    assert_int_equal(scale.releases, 1);
    scale.fails_forward = false;
    scale.fails_backward = true;
    assert_int_equal(mm_function_apply(&scale_function, &scale, in, 3, out, 2), MM_OK);
    assert_int_equal(mm_backward(mm_sum(out[0])), MM_EDATA);
    assert_int_equal(mm_error_take(&error), MM_EDATA);
    assert_string_equal(error.message, "backward of scale failed on purpose");
    assert_string_equal(error.frames[0], "while scaling");
    assert_null(mm_grad_find(a));
    mm_scope_close(scope);
    assert_int_equal(scale.releases, 2);
    assert_int_equal(mm_live_tensors(), 0);
}

static mm_status lazy_forward(mm_function_ctx *ctx, void *user,
                              mm_tensor *const *inputs, int num_inputs,
                              mm_tensor **outputs, int num_outputs)
{
    (void)ctx, (void)user, (void)inputs, (void)num_inputs, (void)outputs;
    (void)num_outputs;
    return MM_OK;
}

static mm_status curious_backward(mm_function_ctx *ctx, void *user,
                                  mm_tensor *const *grad_outputs, int num_outputs,
                                  mm_tensor **grad_inputs, int num_inputs)
{
    (void)user, (void)grad_outputs, (void)num_outputs, (void)num_inputs;
    grad_inputs[0] = mm_function_saved(ctx, 3);
    return mm_pending();
}

static void test_careless_functions(void **state)
{
    static const mm_function lazy = {"lazy", lazy_forward, curious_backward, NULL};
    static const mm_function curious = {"curious", scale_forward, curious_backward,
                                        NULL};
    static const mm_function half = {"half", lazy_forward, NULL, NULL};
    struct scale scale = {.factor = 2};
    mm_scope scope = mm_scope_open();
    mm_tensor *a = leaf((const float[]){1, 2}, 2);
    mm_tensor *in[3] = {a, a, NULL};
    mm_tensor *out[2] = {NULL};

    (void)state;
    assert_true(mm_function_apply(&lazy, NULL, in, 1, out, 1) < 0);
    check_error_text(MM_EINVAL, "lazy: forward left an output NULL");
    assert_true(mm_function_apply(&half, NULL, in, 1, out, 1) < 0);
    check_error_text(MM_EINVAL, "argument 'backward' of half is missing");
    assert_int_equal(mm_function_apply(&curious, &scale, in, 3, out, 2), MM_OK);
    assert_true(mm_backward(mm_sum(out[0])) < 0);
    check_error_text(MM_ERANGE, "curious saved 2 tensors, not one with index 3");
    mm_scope_close(scope);
}

/* ---- mixed precision ---- */

static void test_autocast(void **state)
{
    mm_scope scope = mm_scope_open();
    mm_tensor *x = mm_ones(MM_DIMS(2, 3));
    mm_tensor *w = mm_full(MM_DIMS(4, 3), MM_N(0.5));
    mm_autocast before, inner;

    (void)state;
    assert_int_equal(mm_set_requires_grad(w, true), MM_OK);
    assert_int_equal(mm_autocast_enter("cpu", MM_DTYPE_BF16, true, &before), MM_OK);
    mm_tensor *y = mm_linear(x, w, NULL);
    assert_int_equal(mm_tensor_dtype(y), MM_DTYPE_BF16);
    assert_int_equal(mm_autocast_enter("cpu", MM_DTYPE_NONE, false, &inner), MM_OK);
    assert_int_equal(mm_tensor_dtype(mm_linear(x, w, NULL)), MM_DTYPE_F32);
    mm_autocast_exit(&inner);
    assert_int_equal(mm_tensor_dtype(mm_linear(x, w, NULL)), MM_DTYPE_BF16);
    mm_raise(MM_EINVAL, "some error");
    mm_autocast_exit(&before); /* works while an error is pending */
    check_error(MM_EINVAL);
    assert_int_equal(mm_tensor_dtype(mm_linear(x, w, NULL)), MM_DTYPE_F32);
    assert_int_equal(mm_backward(mm_sum(mm_cast(y, MM_DTYPE_F32))), MM_OK);
    assert_int_equal(mm_tensor_dtype(mm_grad_find(w)), MM_DTYPE_F32);
    assert_true(element(mm_grad_find(w), 5) == 2.0F);
    assert_true(mm_autocast_enter("cpu", MM_DTYPE_F64, true, &before) < 0);
    check_error(MM_EDTYPE);
    assert_false(before.active);
    assert_true(mm_autocast_enter("xpu", MM_DTYPE_F16, true, &before) < 0);
    check_error(MM_EUNSUPPORTED);
    mm_scope_close(scope);
}

/* A small training that PyTorch does the same: y = 2 x_0 - x_1 by plain SGD. */
static void test_training_by_hand(void **state)
{
    mm_scope outer = mm_scope_open();
    const float xs[8] = {0, 1, 1, 0, 1, 1, 2, -1};
    const float ys[4] = {-1, 2, 1, 5};
    mm_tensor *x = mm_from_f32(xs, 2, (const int64_t[]){4, 2});
    mm_tensor *y = mm_from_f32(ys, 2, (const int64_t[]){4, 1});
    mm_tensor *w = mm_zeros(MM_DIMS(1, 2));

    (void)state;
    assert_int_equal(mm_set_requires_grad(w, true), MM_OK);
    for (int i = 0; i < 200; i++) {
        mm_scope scope = mm_scope_open();
        mm_tensor *loss = mm_mse_loss(mm_linear(x, w, NULL), y, MM_REDUCTION_MEAN);
        assert_int_equal(mm_backward(loss), MM_OK);
        bool was_on = mm_grad_mode_set(false);
        mm_add_scaled_(w, mm_grad_find(w), -0.1);
        mm_grad_mode_set(was_on);
        assert_int_equal(mm_set_grad(w, NULL), MM_OK);
        mm_scope_close(scope);
    }
    check_ok();
    assert_true(fabsf(element(mm_detach(w), 0) - 2.0F) < 1e-4F);
    assert_true(fabsf(element(mm_detach(w), 1) + 1.0F) < 1e-4F);
    assert_int_equal(mm_live_tensors(), 5);
    mm_scope_close(outer);
}

int test_autograd(void)
{
    const struct CMUnitTest tests[] = {
        CLEAN_TEST(test_backward_adds_up),
        CLEAN_TEST(test_graphs_are_freed_or_kept),
        CLEAN_TEST(test_given_gradients),
        CLEAN_TEST(test_second_derivative),
        CLEAN_TEST(test_modes),
        CLEAN_TEST(test_leaves_are_guarded),
        CLEAN_TEST(test_no_gradient_flows_into_changed_values),
        CLEAN_TEST(test_functions_in_c),
        CLEAN_TEST(test_functions_without_recording),
        CLEAN_TEST(test_errors_of_callbacks_surface),
        CLEAN_TEST(test_careless_functions),
        CLEAN_TEST(test_autocast),
        CLEAN_TEST(test_training_by_hand),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
