/* Gradients made here against those of libtorch's own engine and operators, bit for
 * bit. Second derivatives are the engine's business, so asking for them is how the
 * engine is made to run; operators by name are libtorch's. */
#include "check.h"

#include <string.h>

#include "mmengine/ops.h"

enum { LEAVES = 6 };

struct net {
    mm_tensor *leaves[LEAVES];
};

static mm_tensor *leaf(mm_dims sizes)
{
    mm_tensor *made = mm_randn(sizes);

    assert_int_equal(mm_set_requires_grad(made, true), MM_OK);
    return made;
}

static struct net new_net(void)
{
    return (struct net){{
        leaf(MM_DIMS(5, 3, 8, 8)), /* pictures */
        leaf(MM_DIMS(4, 3, 3, 3)), /* kernels */
        leaf(MM_DIMS(4)),          /* broadcast over everything */
        leaf(MM_DIMS(7, 4)),       /* a product used twice */
        leaf(MM_DIMS(7)),
        leaf(MM_DIMS(1)),
    }};
}

/* Leaves and results used several times, broadcasting, several outputs of one node,
 * views, other types, a node without a gradient. */
static mm_tensor *loss_of(const struct net *net)
{
    mm_tensor *const *t = net->leaves;
    mm_tensor *parts[4], *x = mm_conv2d(t[0], t[1], t[2], .padding = {1, 1});
    mm_tensor *pooled;
    int count = 0;

    x = mm_relu(mm_add(x, mm_mul(x, mm_view(t[2], MM_DIMS(4, 1, 1)))));
    assert_int_equal(mm_split(x, 2, 1, parts, 4, &count), MM_OK);
    assert_int_equal(count, 2);
    x = mm_add(mm_cat((mm_tensor *[]){parts[1], parts[0]}, 2, 1), x);
    pooled = mm_flatten(mm_adaptive_avg_pool2d(x, 1, 1), 1, -1);
    x = mm_linear(mm_mul(pooled, t[5]), t[3], t[4]);
    x = mm_add(x, mm_matmul(mm_detach(x), mm_matmul(t[3], mm_transpose(t[3], 0, 1))));
    x = mm_cast(mm_mul(mm_cast(x, MM_DTYPE_F64), mm_cast(t[5], MM_DTYPE_F64)),
                MM_DTYPE_F32);
    return mm_add(mm_mean(mm_mul(x, x)), mm_sum(mm_select(t[3], 0, 2)));
}

static void compare_nets(const struct net *ours, const struct net *theirs)
{
    for (int i = 0; i < LEAVES; i++) {
        mm_tensor *a = mm_grad_find(ours->leaves[i]);
        mm_tensor *b = mm_grad_find(theirs->leaves[i]);

        assert_non_null(a);
        if (!mm_tensor_equal(a, b))
            fail_msg("gradient of leaf %d differs", i);
    }
}

static struct net copy_net(const struct net *net)
{
    struct net copy;

    for (int i = 0; i < LEAVES; i++) {
        copy.leaves[i] = mm_clone(mm_detach(net->leaves[i]));
        assert_int_equal(mm_set_requires_grad(copy.leaves[i], true), MM_OK);
    }
    return copy;
}

static mm_status backward_of_engine(mm_tensor *root)
{
    return mm_backward_with(&root, NULL, 1, false, true);
}

static void gradients_are_the_engines(void **state)
{
    mm_scope scope = mm_scope_open();
    (void)state;

    assert_int_equal(mm_manual_seed(3), MM_OK);
    struct net ours = new_net(), theirs = copy_net(&ours);

    for (int i = 0; i < 2; i++) { /* the second time adds up */
        assert_int_equal(mm_backward(loss_of(&ours)), MM_OK);
        assert_int_equal(backward_of_engine(loss_of(&theirs)), MM_OK);
        compare_nets(&ours, &theirs);
    }
    for (int i = 0; i < LEAVES; i++) /* their gradients hold their leaves */
        assert_int_equal(mm_set_grad(theirs.leaves[i], NULL), MM_OK);
    check_ok();
    mm_scope_close(scope);
}

static void deep_graphs_are_walked(void **state)
{
    mm_scope scope = mm_scope_open();
    mm_tensor *x = leaf(MM_DIMS(3)), *y = x;
    (void)state;

    for (int i = 0; i < 1000; i++)
        y = mm_add(mm_mul_scalar(y, 0.5), mm_mul_scalar(y, 0.5));
    assert_int_equal(mm_backward(mm_sum(y)), MM_OK);
    mm_tensor *grad = mm_grad_find(x);

    for (int i = 0; i < 3; i++)
        assert_true(((float *)mm_data(grad, MM_DTYPE_F32))[i] == 1.0F);
    check_ok();
    mm_scope_close(scope);
}

static void a_graph_is_freed_unless_it_is_kept(void **state)
{
    mm_scope scope = mm_scope_open();
    mm_tensor *x = leaf(MM_DIMS(4)), *loss = mm_sum(mm_mul(x, x));
    (void)state;

    assert_int_equal(mm_backward_with(&loss, NULL, 1, true, false), MM_OK);
    assert_int_equal(mm_backward(loss), MM_OK);
    mm_tensor *four = mm_mul_scalar(mm_detach(x), 4);
    assert_true(mm_tensor_equal(mm_grad_find(x), four));
    assert_int_equal(mm_backward(loss), MM_ETORCH);
    check_error(MM_ETORCH);
    assert_int_equal(mm_backward(x), MM_ETORCH); /* not a number */
    check_error(MM_ETORCH);
    mm_scope_close(scope);
}

/* A function whose backward runs another backward, and fails when it is told to. */
struct nested {
    mm_tensor *inner;
    bool fails;
};

static mm_status nested_forward(mm_function_ctx *ctx, void *user,
                                mm_tensor *const *inputs, int num_inputs,
                                mm_tensor **outputs, int num_outputs)
{
    (void)ctx;
    (void)user;
    (void)num_inputs;
    (void)num_outputs;
    outputs[0] = mm_mul_scalar(inputs[0], 2);
    return mm_pending();
}

static mm_status nested_backward(mm_function_ctx *ctx, void *user,
                                 mm_tensor *const *grad_outputs, int num_outputs,
                                 mm_tensor **grad_inputs, int num_inputs)
{
    struct nested *nested = user;
    bool recorded = mm_grad_mode_set(true);
    (void)ctx;
    (void)num_outputs;
    (void)num_inputs;

    assert_false(recorded);
    (void)mm_backward(mm_sum(mm_mul(nested->inner, nested->inner)));
    (void)mm_grad_mode_set(recorded);
    if (nested->fails)
        return mm_raise(MM_EDATA, "told to fail");
    grad_inputs[0] = mm_mul_scalar(grad_outputs[0], 2);
    return mm_pending();
}

static void callbacks_run_passes_of_their_own(void **state)
{
    static const mm_function function = {
        .name = "nested", .forward = nested_forward, .backward = nested_backward};
    mm_scope scope = mm_scope_open();
    mm_tensor *x = leaf(MM_DIMS(2)), *y = NULL;
    struct nested nested = {.inner = leaf(MM_DIMS(2))};
    (void)state;

    assert_int_equal(mm_function_apply(&function, &nested, &x, 1, &y, 1), MM_OK);
    assert_int_equal(mm_backward(mm_sum(mm_mul_scalar(y, 3))), MM_OK);
    assert_true(mm_tensor_equal(mm_grad_find(x), mm_full_like(mm_detach(x), 6)));
    assert_true(mm_tensor_equal(mm_grad_find(nested.inner),
                                mm_mul_scalar(mm_detach(nested.inner), 2)));
    assert_true(mm_grad_mode());
    nested.fails = true;
    assert_int_equal(mm_function_apply(&function, &nested, &x, 1, &y, 1), MM_OK);
    assert_int_equal(mm_backward(mm_sum(y)), MM_EDATA);
    check_error(MM_EDATA);
    assert_true(mm_grad_mode());
    mm_scope_close(scope);
}

/* Linear layers of all shapes, the gradient of which is checked at weight, bias, input.
 */
static void compare_linear(int64_t batch, int64_t in, int64_t out, unsigned wants)
{
    mm_tensor *values[3] = {mm_randn(MM_DIMS(batch, in)), mm_randn(MM_DIMS(out, in)),
                            (wants & 8u) != 0 ? NULL : mm_randn(MM_DIMS(out))};
    mm_tensor *grads[2][3] = {{NULL}}, *results[2];

    for (int way = 0; way < 2; way++) {
        mm_tensor *t[3] = {NULL};

        for (int i = 0; i < 3 && values[i] != NULL; i++) {
            t[i] = mm_clone(values[i]);
            assert_int_equal(mm_set_requires_grad(t[i], (wants >> i & 1u) != 0), MM_OK);
        }
        results[way] = way == 0
                           ? mm_linear(t[0], t[1], t[2])
                           : mm_op("aten::linear", MM_T(t[0]), MM_T(t[1]), MM_T(t[2]));
        if ((wants & 7u) != 0)
            assert_int_equal(mm_backward(mm_sum(mm_mul(results[way], results[way]))),
                             MM_OK);
        for (int i = 0; i < 3 && t[i] != NULL; i++)
            grads[way][i] = mm_grad_find(t[i]);
    }
    assert_true(mm_tensor_equal(results[0], results[1]));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(grads[0][i] == NULL, grads[1][i] == NULL);
        if (grads[0][i] != NULL && !mm_tensor_equal(grads[0][i], grads[1][i]))
            fail_msg("gradient %d of linear(%d, %d -> %d), %u, differs", i, (int)batch,
                     (int)in, (int)out, wants);
    }
    check_ok();
}

static void linear_is_libtorchs(void **state)
{
    static const int64_t sizes[] = {1, 2, 16, 33, 128};
    (void)state;

    for (size_t i = 0; i < 5 * 5 * 5; i++) {
        for (unsigned wants = 0; wants < 16; wants++) {
            mm_scope scope = mm_scope_open();

            if ((wants & 12u) != 12u) /* no bias wants no gradient */
                compare_linear(sizes[i % 5], sizes[i / 5 % 5], sizes[i / 25], wants);
            mm_scope_close(scope);
        }
    }
}

static mm_tensor *take_grad(mm_tensor *x)
{
    mm_tensor *grad = mm_clone(mm_detach(mm_grad_find(x)));

    assert_int_equal(mm_set_grad(x, NULL), MM_OK);
    return grad;
}

static void linear_has_second_derivatives(void **state)
{
    mm_scope scope = mm_scope_open();
    mm_tensor *x = leaf(MM_DIMS(3, 4)), *weight = leaf(MM_DIMS(2, 4));
    mm_tensor *seconds[2][2];
    (void)state;

    for (int way = 0; way < 2; way++) {
        mm_tensor *y = way == 0
                           ? mm_linear(x, weight, NULL)
                           : mm_op("aten::linear", MM_T(x), MM_T(weight), MM_NONE_ARG);

        assert_int_equal(backward_of_engine(mm_sum(mm_mul(mm_mul(y, y), y))), MM_OK);
        mm_tensor *grad = mm_grad_find(weight);
        mm_tensor *square = mm_sum(mm_mul(grad, grad));

        (void)take_grad(weight);
        (void)take_grad(x);
        assert_int_equal(backward_of_engine(square), MM_OK);
        seconds[way][0] = take_grad(weight);
        seconds[way][1] = take_grad(x);
    }
    for (int i = 0; i < 2; i++)
        assert_true(mm_tensor_equal(seconds[0][i], seconds[1][i]));
    check_ok();
    mm_scope_close(scope);
}

/* Wrong sizes, other types and layouts take libtorch's own way, with its messages. */
static void linear_leaves_the_rest_to_libtorch(void **state)
{
    mm_scope scope = mm_scope_open();
    mm_tensor *x = mm_randn(MM_DIMS(2, 3, 4)), *weight = leaf(MM_DIMS(5, 4));
    mm_tensor *square = mm_randn(MM_DIMS(4, 4));
    mm_tensor *turned = mm_transpose(square, 0, 1);
    (void)state;

    assert_int_equal(mm_size(mm_linear(x, weight, NULL), -1), 5);
    assert_int_equal(mm_size(mm_linear(turned, weight, NULL), -1), 5);
    assert_int_equal(
        mm_tensor_dtype(mm_linear(mm_cast(square, MM_DTYPE_F64),
                                  mm_cast(mm_detach(weight), MM_DTYPE_F64), NULL)),
        MM_DTYPE_F64);
    check_ok();
    assert_null(mm_linear(mm_randn(MM_DIMS(2, 3)), weight, NULL));
    assert_true(mm_has_error());
    (void)mm_error_take(NULL);
    mm_scope_close(scope);
}

int test_backward(void)
{
    const struct CMUnitTest tests[] = {
        CLEAN_TEST(gradients_are_the_engines),
        CLEAN_TEST(deep_graphs_are_walked),
        CLEAN_TEST(a_graph_is_freed_unless_it_is_kept),
        CLEAN_TEST(callbacks_run_passes_of_their_own),
        CLEAN_TEST(linear_is_libtorchs),
        CLEAN_TEST(linear_has_second_derivatives),
        CLEAN_TEST(linear_leaves_the_rest_to_libtorch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
