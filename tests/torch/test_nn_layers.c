/* Every layer against torch.nn: first weights under a seed, results, gradients,
 * buffers, evaluation mode, and the printed form. Cases are data
 * (tests/cases/nn/layers.json). */
#include "nn_check.h"

struct layer_case {
    const char *name;
    const mm_value *json;
    struct golden golden;
    mm_module *module;
};

static char *name_of(const struct layer_case *test, const char *part, const char *rest)
{
    static char name[160];

    (void)snprintf(name, sizeof(name), "%s.%s%s", test->name, part, rest);
    return name;
}

struct visit {
    const struct layer_case *test;
    const char *part;
};

static mm_status check_param(void *user, const char *name, mm_tensor *tensor,
                             mm_module *owner)
{
    const struct visit *visit = user;

    (void)owner;
    nn_golden(&visit->test->golden, tensor, 1e-5,
              name_of(visit->test, visit->part, name));
    return MM_OK;
}

static mm_status check_grad(void *user, const char *name, mm_tensor *tensor,
                            mm_module *owner)
{
    const struct visit *visit = user;

    (void)owner;
    assert_non_null(mm_grad_find(tensor));
    nn_golden(&visit->test->golden, mm_grad_find(tensor), 1e-5,
              name_of(visit->test, visit->part, name));
    return MM_OK;
}

static mm_tensor *input_of(const struct layer_case *test)
{
    int64_t sizes[MM_MAX_DIM];
    const mm_value *shape = mm_dict_get(test->json, "input");
    size_t ndim = mm_value_len(shape);

    for (size_t i = 0; i < ndim; i++) {
        sizes[i] = mm_value_i64(mm_list_get(shape, i));
    }
    mm_tensor *x =
        nn_from_golden(&test->golden, name_of(test, "x", ""), MM_DIMS_N(sizes, ndim));

    return mm_dict_has(test->json, "index") ? mm_cast(x, MM_DTYPE_I64) : x;
}

static void check_shape(const struct layer_case *test, mm_tensor *y)
{
    for (int i = 0; i < mm_ndim(y); i++) {
        double size = golden_f64(&test->golden, (size_t)i, "%s.shape", test->name);

        assert_int_equal(mm_size(y, i), (int64_t)size);
    }
}

static void check_training(const struct layer_case *test)
{
    bool is_index = mm_dict_has(test->json, "index");
    mm_scope scope = mm_scope_open();
    mm_tensor *x = input_of(test);
    struct visit visit = {test, "grad."};

    if (!is_index) {
        mm_set_requires_grad(x, true);
    }
    mm_manual_seed(GOLDEN_SEED + 1);
    mm_tensor *y =
        mm_module_forward(test->module, is_index ? x : mm_mul_scalar(x, 1.0));

    check_ok();
    nn_golden(&test->golden, y, 1e-5, name_of(test, "y", ""));
    check_shape(test, y);
    assert_int_equal(mm_backward(mm_sum(mm_mul(y, y))), MM_OK);
    if (!is_index) {
        nn_golden(&test->golden, mm_grad_find(x), 1e-5, name_of(test, "dx", ""));
    }
    assert_int_equal(mm_module_each_param(test->module, check_grad, &visit), MM_OK);
    visit.part = "buffer.";
    assert_int_equal(mm_module_each_buffer(test->module, false, check_param, &visit),
                     MM_OK);
    mm_scope_close(scope);
}

static void check_evaluation(const struct layer_case *test)
{
    mm_scope scope = mm_scope_open();
    bool recorded = mm_grad_mode_set(false);
    mm_tensor *x = input_of(test);

    assert_int_equal(mm_module_train(test->module, false), MM_OK);
    nn_golden(&test->golden, mm_module_forward(test->module, x), 1e-5,
              name_of(test, "eval", ""));
    mm_grad_mode_set(recorded);
    mm_scope_close(scope);
}

static void check_layer(struct layer_case *test)
{
    struct visit visit = {test, "init."};

    mm_manual_seed(GOLDEN_SEED);
    mm_value *config = mm_value_copy(mm_dict_get(test->json, "config"));

    test->module = mm_module_build(config, NULL, test->name);
    check_ok();
    mm_value_unref(config);
    assert_int_equal(mm_module_each_param(test->module, check_param, &visit), MM_OK);
    check_training(test);
    check_evaluation(test);
    mm_module_unref(test->module);
}

static void test_layers(void **state)
{
    (void)state;
    mm_value *cases = nn_json_file("cases/nn/layers.json");
    struct layer_case test = {.golden = golden_open("golden/nn/layers.bin")};

    for (size_t i = 0; i < mm_value_len(cases); i++) {
        test.json = mm_list_get(cases, i);
        test.name = mm_value_str(mm_dict_get(test.json, "name"));
        check_layer(&test);
    }
    golden_close(&test.golden);
    mm_value_unref(cases);
}

static void test_reprs(void **state)
{
    (void)state;
    mm_value *cases = nn_json_file("cases/nn/layers.json");
    mm_value *reprs = nn_json_file("golden/nn/repr.json");

    for (size_t i = 0; i < mm_value_len(cases); i++) {
        const mm_value *test = mm_list_get(cases, i);
        const char *name = mm_value_str(mm_dict_get(test, "name"));
        mm_value *config = mm_value_copy(mm_dict_get(test, "config"));
        mm_module *module = mm_module_build(config, NULL, name);
        char *repr = mm_module_repr(module);

        check_ok();
        assert_string_equal(repr, mm_value_str(mm_dict_get(reprs, name)));
        mm_free(repr);
        mm_module_unref(module);
        mm_value_unref(config);
    }
    mm_value_unref(reprs);
    mm_value_unref(cases);
}

static void check_loss(const struct golden *golden, const mm_value *test)
{
    const char *name = mm_value_str(mm_dict_get(test, "name"));
    mm_value *config = mm_value_copy(mm_dict_get(test, "config"));
    mm_module *module = mm_module_build(config, NULL, name);
    mm_scope scope = mm_scope_open();
    char text[96];

    check_ok();
    (void)snprintf(text, sizeof(text), "%s.x", name);
    mm_tensor *x = nn_from_golden(golden, text, MM_DIMS(6, 4));

    (void)snprintf(text, sizeof(text), "%s.target", name);
    bool is_index = mm_dict_has(test, "index");
    mm_tensor *target =
        nn_from_golden(golden, text, is_index ? MM_DIMS(6) : MM_DIMS(6, 4));
    mm_value *args = mm_scoped(mm_value_new_tuple());

    mm_set_requires_grad(x, true);
    mm_list_push(args, mm_value_new_tensor(x));
    mm_list_push(
        args, mm_value_new_tensor(is_index ? mm_cast(target, MM_DTYPE_I64) : target));
    mm_tensor *y = mm_value_tensor(mm_module_call(module, args));

    check_ok();
    (void)snprintf(text, sizeof(text), "%s.y", name);
    nn_golden(golden, y, 1e-5, text);
    assert_int_equal(mm_backward(mm_sum(y)), MM_OK);
    (void)snprintf(text, sizeof(text), "%s.dx", name);
    nn_golden(golden, mm_grad_find(x), 1e-5, text);
    mm_scope_close(scope);
    mm_module_unref(module);
    mm_value_unref(config);
}

static void test_losses(void **state)
{
    (void)state;
    mm_value *cases = nn_json_file("cases/nn/losses.json");
    struct golden golden = golden_open("golden/nn/losses.bin");

    for (size_t i = 0; i < mm_value_len(cases); i++) {
        check_loss(&golden, mm_list_get(cases, i));
    }
    golden_close(&golden);
    mm_value_unref(cases);
}

static void refuse(const char *json, mm_status code)
{
    mm_module *module = nn_build(json);

    if (module != NULL) {
        fail_msg("was built: %s", json);
    }
    check_error(code);
}

static void test_refusals(void **state)
{
    (void)state;
    refuse("{\"type\": \"Linear\", \"in_features\": 3}", MM_ECONFIG);
    refuse("{\"type\": \"Linaer\", \"in_features\": 3}", MM_ECONFIG);
    refuse("{\"type\": \"Conv2d\", \"in_channels\": 3, \"out_channels\": 4,"
           "\"kernel_size\": 3, \"groups\": 2}",
           MM_EINVAL);
    refuse("{\"type\": \"Conv2d\", \"in_channels\": 3, \"out_channels\": 4,"
           "\"kernel_size\": 3, \"padding\": \"full\"}",
           MM_EINVAL);
    refuse("{\"type\": \"Conv2d\", \"in_channels\": 3, \"out_channels\": 4,"
           "\"kernel_size\": 3, \"padding\": \"same\", \"stride\": 2}",
           MM_EINVAL);
    refuse("{\"type\": \"MaxPool2d\", \"kernel_size\": 3, \"stride\": [1, 2, 3]}",
           MM_EINVAL);
    refuse("{\"type\": \"MaxPool2d\", \"kernel_size\": 3, \"padding\": 2}", MM_EINVAL);
    refuse("{\"type\": \"Embedding\", \"num_embeddings\": 3, \"embedding_dim\": 2,"
           "\"padding_idx\": 3}",
           MM_ERANGE);
    refuse("{\"type\": \"GN\", \"num_groups\": 4, \"num_channels\": 6}", MM_EINVAL);
    refuse("{\"type\": \"Upsample\"}", MM_EINVAL);
}

static void test_wrong_inputs(void **state)
{
    (void)state;
    mm_module *norm = nn_build("{\"type\": \"BN\", \"num_features\": 3}");
    mm_module *linear = mm_nn_linear(4, 2);
    mm_scope scope = mm_scope_open();
    mm_error error;

    assert_null(mm_module_forward(norm, mm_zeros(MM_DIMS(2, 3))));
    assert_int_equal(mm_error_take(&error), MM_ESHAPE);
    assert_string_equal(error.message,
                        "a BatchNorm2d takes an input of 4 dimensions, got "
                        "[2, 3] float32 cpu");
    assert_null(mm_module_forward(linear, mm_zeros(MM_DIMS(2, 3))));
    assert_int_not_equal(mm_error_take(&error), MM_OK);
    assert_null(mm_module_forward(linear, NULL));
    check_error(MM_EINVAL);
    mm_scope_close(scope);
    mm_module_unref(norm);
    mm_module_unref(linear);
}

#define TEST(function) cmocka_unit_test_teardown((function), nn_tear_down)

int test_nn_layers(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_layers),   TEST(test_reprs),        TEST(test_losses),
        TEST(test_refusals), TEST(test_wrong_inputs),
    };

    return cmocka_run_group_tests(tests, nn_set_up, NULL);
}
