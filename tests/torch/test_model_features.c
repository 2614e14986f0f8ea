/* activation_checkpointing and efficient_conv_bn_eval: equal gradients, less memory,
 * MMEngine's numbers, whole runs. */
#include "runner_parts.h"

#include <math.h>

#include "mmengine/fileio.h"
#include "mmengine/nn.h"
#include "mmengine/ops.h"

static int set_up(void **state)
{
    (void)state;
    parts_record = (stage_record){.stop_at = -1, .nan_at = -1};
    return parts_register();
}

/* --- activation checkpointing --- */

static mm_module *make_net(void)
{
    mm_manual_seed(11);
    mm_module *net = mm_nn_sequential(
        mm_nn_sequential(mm_nn_conv2d(3, 8, 3), mm_nn_relu(), mm_nn_dropout(0.5)),
        mm_nn_sequential(mm_nn_conv2d(8, 8, 3), mm_nn_batch_norm2d(8), mm_nn_relu(),
                         mm_nn_dropout(0.3)),
        mm_nn_conv2d(8, 2, 1));

    check_ok();
    return net;
}

struct two_trees {
    mm_module *other;
    bool wants_buffers; /* equal too */
    size_t count;
};

static mm_status same_grad(void *user, const char *name, mm_tensor *tensor,
                           mm_module *owner)
{
    struct two_trees *trees = user;
    mm_tensor *other = mm_module_find_tensor(trees->other, name);
    (void)owner;

    assert_non_null(mm_grad_find(tensor));
    assert_non_null(mm_grad_find(other));
    if (!mm_tensor_equal(mm_grad_find(tensor), mm_grad_find(other)))
        fail_msg("the gradients of '%s' differ", name);
    trees->count++;
    return MM_OK;
}

/* One step; the loss. Random numbers go on from a seed. */
static double step(mm_module *net, mm_tensor *x, bool half)
{
    mm_scope scope = mm_scope_open();
    mm_autocast before = {0};

    mm_manual_seed(3);
    if (half)
        mm_autocast_enter("cpu", MM_DTYPE_BF16, true, &before);
    mm_tensor *y = mm_module_forward(net, x);
    mm_autocast_exit(&before);
    mm_tensor *loss = mm_sum(mm_mul(mm_to(y, .dtype = MM_DTYPE_F32), y));
    double value = mm_item(loss);

    mm_backward(loss);
    check_ok();
    mm_scope_close(scope);
    return value;
}

static void compare_steps(bool half, bool input_needs_grad, bool nested)
{
    mm_scope scope = mm_scope_open();
    mm_module *plain = make_net(), *saving = make_net();
    mm_tensor *x = mm_randn(MM_DIMS(2, 3, 9, 9));
    mm_tensor *x2 = mm_clone(x);
    struct two_trees trees = {.other = saving};

    mm_set_requires_grad(x, input_needs_grad);
    mm_set_requires_grad(x2, input_needs_grad);
    mm_nn_checkpoint_activations(mm_module_find(saving, "0"));
    mm_nn_checkpoint_activations(mm_module_find(saving, "1"));
    if (nested)
        mm_nn_checkpoint_activations(saving);
    double first = step(plain, x, half), second = step(saving, x2, half);

    assert_true(first == second);
    mm_module_each_param(plain, same_grad, &trees);
    assert_int_equal(trees.count, 8);
    if (input_needs_grad)
        assert_true(mm_tensor_equal(mm_grad_find(x), mm_grad_find(x2)));
    /* the random state is where it was, the norm has seen the batch again */
    assert_int_equal(
        mm_item_i64(mm_module_find_tensor(plain, "1.1.num_batches_tracked")), 1);
    assert_int_equal(
        mm_item_i64(mm_module_find_tensor(saving, "1.1.num_batches_tracked")),
        nested ? 3 : 2);
    mm_module_train(saving, false);
    mm_module_train(plain, false);
    mm_grad_mode_set(false);
    assert_non_null(mm_module_forward(saving, x2));
    mm_grad_mode_set(true);
    mm_module_unref(plain);
    mm_module_unref(saving);
    mm_scope_close(scope);
    check_ok();
}

static void gradients_are_equal(void **state)
{
    int64_t tensors = mm_live_tensors(), values = mm_live_values();
    (void)state;

    compare_steps(false, false, false);
    compare_steps(false, true, false);
    compare_steps(true, false, false);
    compare_steps(false, true, true);
    assert_int_equal(mm_live_tensors(), tensors); /* no graph holds itself */
    assert_int_equal(mm_live_values(), values);
}

/* The most that a step takes, beyond what was there. */
static int64_t memory_of_step(bool saves)
{
    mm_scope scope = mm_scope_open();
    mm_module *net = mm_nn_sequential(mm_nn_sigmoid());

    for (int i = 0; i < 4; i++) {
        mm_module *stage =
            mm_nn_sequential(mm_nn_conv2d(8, 8, 3, .padding = {1, 1}), mm_nn_sigmoid(),
                             mm_nn_conv2d(8, 8, 3, .padding = {1, 1}), mm_nn_sigmoid(),
                             mm_nn_conv2d(8, 8, 3, .padding = {1, 1}), mm_nn_sigmoid());

        if (saves)
            mm_nn_checkpoint_activations(stage);
        mm_nn_append(net, stage);
    }
    mm_tensor *x = mm_randn(MM_DIMS(4, 8, 64, 64));

    mm_empty_cache();
    int64_t before = mm_host_memory_now().in_use;
    (void)step(net, x, false);
    int64_t most = mm_host_memory_now().most_in_use - before;

    mm_module_unref(net);
    mm_scope_close(scope);
    check_ok();
    return most;
}

static void memory_is_lower(void **state)
{
    (void)state;
    int64_t plain = memory_of_step(false), saving = memory_of_step(true);

    if (plain == 0) /* the pool is switched off */
        skip();
    print_message("memory of a step: %lld KiB, with checkpointing %lld KiB\n",
                  (long long)plain / 1024, (long long)saving / 1024);
    assert_true(saving * 10 < plain * 7);
}

/* A module that fails when it is run a second time. */
static mm_value *fail_second(void *user, mm_module *module, mm_inside inside,
                             mm_value *args)
{
    int *calls = user;

    if ((*calls)++ == 1) {
        mm_raise(MM_ESTATE, "called twice");
        return NULL;
    }
    return mm_module_proceed(inside, module, args);
}

static void failures_of_the_second_run_arrive(void **state)
{
    mm_scope scope = mm_scope_open();
    mm_module *net = make_net();
    int calls = 0;
    mm_error error;
    (void)state;

    mm_module_wrap(mm_module_find(net, "0.1"), fail_second, &calls, NULL);
    mm_nn_checkpoint_activations(mm_module_find(net, "0"));
    mm_backward(mm_sum(mm_module_forward(net, mm_randn(MM_DIMS(1, 3, 9, 9)))));
    assert_int_equal(mm_error_take(&error), MM_ESTATE);
    assert_string_equal(error.message, "called twice");
    assert_string_equal(error.frames[error.num_frames - 1],
                        "while running a Sequential again for its gradients");
    mm_module_unref(net);
    mm_scope_close(scope);
}

static void runs_are_equal(void **state)
{
    char *one = parts_new_dir(), *two = parts_new_dir();
    mm_value *plain = parts_train(one, "");
    mm_value *saving =
        parts_train(two, "activation_checkpointing = ['hidden', 'drop']\n");
    (void)state;

    check_ok();
    assert_true(parts_same_weights(plain, saving));
    mm_value_unref(plain);
    mm_value_unref(saving);
    parts_remove_dir(one);
    parts_remove_dir(two);
}

static void check_refused(const char *more, const char *part)
{
    char *dir = parts_new_dir();
    mm_error error;

    assert_null(parts_train(dir, more));
    assert_int_equal(mm_error_take(&error), MM_ECONFIG);
    if (strstr(error.message, part) == NULL)
        fail_msg("'%s' is not in '%s'", part, error.message);
    parts_remove_dir(dir);
}

static void wrong_names_are_refused(void **state)
{
    (void)state;
    check_refused("activation_checkpointing = 'hiden'\n", "no module 'hiden'");
    check_refused("activation_checkpointing = ['out', '']\n", "no module ''");
    check_refused("activation_checkpointing = 3\n", "name of a module or a list");
    check_refused("efficient_conv_bn_eval = ['out', 3]\n",
                  "name of a module or a list");
    check_refused("efficient_conv_bn_eval = 'out.x'\n", "no module 'out.x'");
}

/* --- efficient_conv_bn_eval --- */

static mm_tensor *tensor_of(const mm_value *numbers)
{
    const mm_value *sizes = mm_dict_get(numbers, "sizes");
    const mm_value *data = mm_dict_get(numbers, "data");
    float floats[1024];
    int64_t dims[8];

    assert_true(mm_value_len(data) <= 1024 && mm_value_len(sizes) <= 8);
    for (size_t i = 0; i < mm_value_len(data); i++)
        floats[i] = (float)mm_value_f64(mm_list_get(data, i));
    for (size_t i = 0; i < mm_value_len(sizes); i++)
        dims[i] = mm_value_i64(mm_list_get(sizes, i));
    return mm_from_f32(floats, (int)mm_value_len(sizes), dims);
}

static void check_near(mm_tensor *got, const mm_value *want, const char *name)
{
    mm_tensor *expected = tensor_of(want);
    double most = mm_item(mm_max(mm_abs(expected)));
    double far = mm_item(mm_max(mm_abs(mm_sub(got, expected))));

    if (!(far <= 2e-6 * most))
        fail_msg("'%s' is %g away", name, far);
}

/* The network of tools/golden/efficient_conv_bn.py. */
static mm_module *golden_net(const mm_value *root)
{
    mm_value *config = mm_json_parse(
        "[{\"type\": \"Conv2d\", \"in_channels\": 4, \"out_channels\": 4, "
        "\"kernel_size\": 3, \"groups\": 2, \"padding\": 1, \"padding_mode\": "
        "\"reflect\"}]",
        strlen("[{\"type\": \"Conv2d\", \"in_channels\": 4, \"out_channels\": 4, "
               "\"kernel_size\": 3, \"groups\": 2, \"padding\": 1, \"padding_mode\": "
               "\"reflect\"}]"),
        "test");
    mm_module *middle = mm_module_build(mm_list_get(config, 0), NULL, "conv");
    mm_module *net =
        mm_nn_sequential(mm_nn_conv2d(3, 4, 3, .no_bias = true), mm_nn_batch_norm2d(4),
                         mm_nn_relu(), middle, mm_nn_batch_norm2d(4, .no_affine = true),
                         mm_nn_sigmoid(), mm_nn_conv2d(4, 2, 1),
                         mm_nn_batch_norm2d(2, .eps = 1e-3), mm_nn_conv2d(2, 2, 1));
    const mm_value *state = mm_dict_get(root, "state");
    mm_value *weights = mm_value_new_dict();

    for (size_t i = 0; i < mm_value_len(state); i++) {
        const char *name = mm_dict_name_at(state, i);

        if (strstr(name, "num_batches") == NULL)
            mm_dict_put_tensor(weights, name, tensor_of(mm_dict_at(state, i)));
    }
    mm_module_load_state_dict(net, weights, true, NULL);
    mm_value_unref(weights);
    mm_value_unref(config);
    check_ok();
    return net;
}

static mm_status eval_norms(void *user, const char *name, mm_module *module)
{
    (void)user;
    (void)name;
    if (strstr(mm_module_type(module), "BatchNorm") != NULL)
        mm_module_train(module, false);
    return MM_OK;
}

static mm_value *count_calls(void *user, mm_module *module, mm_inside inside,
                             mm_value *args)
{
    (*(int *)user)++;
    return mm_module_proceed(inside, module, args);
}

static void folding_is_mmengines(void **state)
{
    size_t size = 0;
    char *text = mm_file_read("golden/efficient_conv_bn.json", &size);
    mm_value *root = mm_json_parse(text, size, "golden");
    mm_scope scope = mm_scope_open();
    mm_module *net = golden_net(root);
    const mm_value *grads = mm_dict_get(root, "grads");
    int norm_calls = 0;
    (void)state;

    mm_module_wrap(mm_module_find(net, "1"), count_calls, &norm_calls, NULL);
    mm_module_each(net, eval_norms, NULL);
    assert_int_equal(mm_nn_efficient_conv_bn_eval(net), MM_OK);
    for (int round = 0; round < 2; round++) {
        mm_tensor *y = mm_module_forward(net, tensor_of(mm_dict_get(root, "x")));

        check_near(y, mm_dict_get(root, "y"), "y");
        assert_int_equal(norm_calls, 1); /* in the trial, never since */
        mm_backward(mm_sum(mm_mul(y, y)));
        check_ok();
        for (size_t i = 0; i < mm_value_len(grads); i++) {
            mm_tensor *param = mm_module_find_tensor(net, mm_dict_name_at(grads, i));

            check_near(mm_grad_find(param), mm_dict_at(grads, i),
                       mm_dict_name_at(grads, i));
            mm_set_grad(param, NULL);
        }
    }
    mm_module_train(net, true); /* norms that train are not folded */
    assert_non_null(mm_module_forward(net, tensor_of(mm_dict_get(root, "x"))));
    assert_int_equal(norm_calls, 2);
    assert_int_equal(mm_item_i64(mm_module_find_tensor(net, "1.num_batches_tracked")),
                     1);
    mm_module_unref(net);
    mm_scope_close(scope);
    mm_value_unref(root);
    mm_free(text);
    check_ok();
}

/* y = bn(conv(x)) + conv(x): the norm is not alone with the output. */
struct shared {
    mm_module *conv, *norm;
};

static mm_status shared_init(void *data)
{
    struct shared *shared = data;
    mm_module *module = mm_module_of(data);

    shared->conv = mm_module_add(module, "conv", mm_nn_conv2d(3, 4, 3));
    shared->norm = mm_module_add(module, "norm", mm_nn_batch_norm2d(4));
    return mm_pending();
}

static mm_tensor *shared_forward(void *data, mm_tensor *x)
{
    const struct shared *shared = data;
    mm_tensor *y = mm_module_forward(shared->conv, x);

    return mm_add(mm_module_forward(shared->norm, y), y);
}

static const mm_module_ops shared_ops = {.forward = shared_forward};
static const mm_component shared_component = {
    .registry = "models",
    .name = "SharedOutput",
    .help = "a convolution whose output is used twice",
    .size = sizeof(struct shared),
    .init = shared_init,
    MM_MODULE(&shared_ops),
};

static void shared_outputs_are_not_folded(void **state)
{
    mm_scope scope = mm_scope_open();
    mm_module *net = mm_module_new(&shared_component);
    mm_tensor *x = mm_randn(MM_DIMS(1, 3, 5, 5));
    (void)state;

    mm_fill_(mm_module_find_tensor(net, "norm.running_var"), 9.0);
    mm_module_train(net, false);
    mm_tensor *want = mm_module_forward(net, x);
    mm_nn_efficient_conv_bn_eval(net);
    assert_true(mm_tensor_equal(mm_module_forward(net, x), want));
    assert_true(mm_tensor_equal(mm_module_forward(net, x), want));
    mm_module_unref(net);
    mm_scope_close(scope);
    check_ok();
}

int test_model_features(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(gradients_are_equal, set_up),
        cmocka_unit_test_setup(memory_is_lower, set_up),
        cmocka_unit_test_setup(failures_of_the_second_run_arrive, set_up),
        cmocka_unit_test_setup(runs_are_equal, set_up),
        cmocka_unit_test_setup(wrong_names_are_refused, set_up),
        cmocka_unit_test_setup(folding_is_mmengines, set_up),
        cmocka_unit_test_setup(shared_outputs_are_not_folded, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
