/* The example plugins: each is compiled, loaded and used through its interface. */
#include "nn_check.h"

#include <stdlib.h>
#include <string.h>

#include "mmengine/plugin.h"

int test_plugins(void);

static mm_instance *build(const char *registry, const char *json)
{
    mm_value *config = nn_json(json);
    mm_instance *instance =
        mm_build(&(mm_build_args){.registry = registry, .config = config});

    mm_value_unref(config);
    check_ok();
    return instance;
}

static void load(const char *name)
{
    char *path = mm_strfmt("../examples/plugins/%s.c", name);

    assert_int_equal(mm_plugin_load(path), MM_OK);
    mm_free(path);
    check_ok();
}

/* Against torch: -(1 - p)^2 log p with cross_entropy(reduction='none'), mean, backward.
 */
static void test_focal_loss(void **state)
{
    (void)state;
    static const float logits[] = {1.0F, 2.0F, 0.5F, -1.0F, 3.0F, 0.0F};
    static const int64_t labels[] = {1, 1, 0};
    static const float gradient[] = {1.7527041957e-02F,  -1.7527040094e-02F,
                                     3.2047492266e-01F,  -3.2047495246e-01F,
                                     -1.0495722381e-04F, 1.0495723836e-04F};
    mm_scope scope = mm_scope_open();

    load("focal_loss");
    mm_instance *instance = build("models", "{\"type\": \"PluginFocalLoss\"}");
    mm_tensor *x = mm_from_f32(logits, 2, (const int64_t[]){3, 2});
    mm_value *args = mm_scoped(mm_value_new_tuple());

    (void)mm_set_requires_grad(x, true);
    mm_list_push(args, mm_value_new_tensor(x));
    mm_list_push(args,
                 mm_value_new_tensor(mm_from_i64(labels, 1, (const int64_t[]){3})));
    mm_tensor *loss =
        mm_value_tensor(mm_module_call(mm_module_of_instance(instance), args));

    assert_true(fabs(mm_item(loss) - 0.3866799771785736) < 1e-6);
    assert_int_equal(mm_backward(loss), MM_OK);
    const float *grad = mm_data(mm_grad_find(x), MM_DTYPE_F32);

    for (size_t i = 0; i < 6; i++) {
        assert_true(fabsf(grad[i] - gradient[i]) < 1e-6F);
    }
    mm_scope_close(scope);
    mm_instance_unref(instance);
}

static mm_dataset *moons(const char *std)
{
    char *json = mm_strfmt("{\"type\": \"TwoMoons\", \"size\": 8, \"pipeline\": "
                           "[{\"type\": \"Jitter\", \"std\": %s}]}",
                           std);
    mm_value *config = nn_json(json);
    mm_dataset *dataset = mm_dataset_build(config, NULL, "dataset");

    mm_value_unref(config);
    mm_free(json);
    check_ok();
    return dataset;
}

static void point(mm_dataset *dataset, int64_t index, uint64_t seed, int64_t epoch,
                  float *out)
{
    mm_scope scope = mm_scope_open();
    mm_value *sample = mm_dataset_get(dataset, index, seed, epoch);

    check_ok();
    memcpy(out, mm_data(mm_dict_get_tensor(sample, "inputs"), MM_DTYPE_F32),
           2 * sizeof(float));
    assert_int_equal(mm_item_i64(mm_dict_get_tensor(sample, "labels")), index % 2);
    mm_value_unref(sample);
    mm_scope_close(scope);
}

static void test_dataset_and_transform(void **state)
{
    (void)state;
    float exact[2];
    float noisy[2];
    float again[2];
    float other[2];

    load("two_moons");
    load("jitter");
    mm_dataset *still = moons("0.0");
    mm_dataset *moving = moons("0.5");

    assert_int_equal(mm_dataset_len(still), 8);
    point(still, 5, 1, 0, exact); /* lower arc, half way: (1 - cos, 0.5 - sin) */
    assert_true(fabsf(exact[0] - 1.0F) < 1e-6F);
    assert_true(fabsf(exact[1] + 0.5F) < 1e-6F);
    /* noise depends on seed, epoch and index alone */
    point(moving, 5, 1, 0, noisy);
    point(moving, 5, 1, 0, again);
    assert_memory_equal(noisy, again, sizeof(noisy));
    assert_true(fabsf(noisy[0] - exact[0]) > 0.0F);
    point(moving, 5, 1, 1, other);
    assert_memory_not_equal(noisy, other, sizeof(noisy));
    point(moving, 5, 2, 0, other);
    assert_memory_not_equal(noisy, other, sizeof(noisy));
    mm_dataset_unref(still);
    mm_dataset_unref(moving);
}

static void test_metric(void **state)
{
    (void)state;
    mm_value *config = nn_json("{\"type\": \"ErrorRate\", \"prefix\": \"moons\"}");
    mm_value *samples =
        nn_json("[{\"wrong\": true}, {\"wrong\": false}, {\"wrong\": false}, "
                "{\"wrong\": false}]");

    load("error_rate");
    mm_evaluator *evaluator = mm_evaluator_build(config, NULL, "val_evaluator");

    check_ok();
    assert_int_equal(mm_evaluator_process(evaluator, samples, NULL), MM_OK);
    mm_value *metrics = mm_evaluator_evaluate(evaluator, 4);

    check_ok();
    assert_true(mm_value_f64(mm_dict_get(metrics, "moons/error")) == 25.0);
    mm_value_unref(metrics);
    mm_evaluator_free(evaluator);
    mm_value_unref(samples);
    mm_value_unref(config);
}

/* A step along the gradient lowers the loss. */
static void test_model(void **state)
{
    (void)state;
    static const float points[] = {1.0F, 0.0F, 0.0F, 0.5F, -1.0F, 0.0F, 2.0F, 0.5F};
    static const int64_t labels[] = {0, 1, 0, 1};
    mm_scope scope = mm_scope_open();
    double losses[2] = {0.0, 0.0};

    load("mlp");
    assert_int_equal(mm_manual_seed(GOLDEN_SEED), MM_OK);
    mm_instance *instance =
        build("models", "{\"type\": \"PluginMLP\", \"hidden\": 16}");
    mm_module *model = mm_module_of_instance(instance);
    const mm_model_ops *ops = mm_instance_ops(instance, MM_INTERFACE_MODEL);
    mm_value *batch = mm_scoped(mm_value_new_dict());
    mm_tensor *weight = mm_module_find_tensor(model, "net.2.bias");

    assert_non_null(weight);
    assert_int_equal(mm_module_num_params(model, true), 2 * 16 + 16 + 16 * 2 + 2);
    mm_dict_put_tensor(batch, "inputs",
                       mm_from_f32(points, 2, (const int64_t[]){4, 2}));
    mm_dict_put_tensor(batch, "labels", mm_from_i64(labels, 1, (const int64_t[]){4}));
    for (int i = 0; i < 2; i++) {
        mm_tensor *loss =
            mm_dict_get_tensor(ops->loss(mm_instance_self(instance), batch), "loss");

        losses[i] = mm_item(loss);
        assert_int_equal(mm_backward(loss), MM_OK);
        bool before = mm_grad_mode_set(false);

        (void)mm_sub_(weight, mm_mul_scalar(mm_grad_find(weight), 0.1));
        (void)mm_grad_mode_set(before);
        check_ok();
    }
    assert_true(losses[0] > 0.3 && losses[0] < 1.5);
    assert_true(losses[1] < losses[0]);
    mm_scope_close(scope);
    mm_instance_unref(instance);
}

static void test_hook(void **state)
{
    (void)state;
    load("plateau_notice");
    mm_instance *hook = build("hooks", "{\"type\": \"PlateauNotice\"}");
    const mm_hook_ops *ops = mm_instance_ops(hook, MM_INTERFACE_HOOK);

    assert_int_equal(ops->priority, MM_PRIORITY_LOW);
    assert_non_null(ops->after_train_epoch);
    assert_null(ops->before_run);
    mm_instance_unref(hook);
}

#define TEST(function)                                                                 \
    cmocka_unit_test_setup_teardown((function), nn_set_up, nn_tear_down)

int test_plugins(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_focal_loss), TEST(test_dataset_and_transform),
        TEST(test_metric),     TEST(test_model),
        TEST(test_hook),
    };

    return cmocka_run_group_tests_name("plugins", tests, NULL, NULL);
}
