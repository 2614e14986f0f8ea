/* Models of the zoo against the same networks in PyTorch and MMEngine: initial weights
 * under a seed, scores, losses, gradients, evaluation. Then what surrounds them: data
 * preprocessing, predictions, accuracy, frozen stages. */
#include "model_check.h"

/* --- against golden values --- */

struct model_case {
    const char *name;
    const char *config;
    int64_t input[4];
};

#define HEAD(in)                                                                       \
    "\"neck\": {\"type\": \"GlobalAveragePooling\"}, \"head\": {\"type\": "            \
    "\"LinearClsHead\", \"num_classes\": 10, \"in_channels\": " in ", \"loss\": {"     \
    "\"type\": \"CrossEntropyLoss\", \"loss_weight\": 1.0}}}"

static const struct model_case cases[] = {
    {"lenet",
     "{\"type\": \"ImageClassifier\", \"backbone\": {\"type\": \"LeNet5\","
     "\"num_classes\": 10}, \"neck\": null, \"head\": {\"type\": \"ClsHead\","
     "\"loss\": {\"type\": \"CrossEntropyLoss\", \"loss_weight\": 1.0}}}",
     {4, 1, 32, 32}},
    {"mlp",
     "{\"type\": \"ImageClassifier\", \"backbone\": {\"type\": \"MLP\", \"dropout\": "
     "0.2}, \"head\": {\"type\": \"LinearClsHead\", \"num_classes\": 10,"
     "\"in_channels\": 256}}",
     {8, 1, 28, 28}},
    {"resnet18",
     "{\"type\": \"ImageClassifier\", \"backbone\": {\"type\": \"ResNet\", \"depth\": "
     "18, \"num_stages\": 4, \"out_indices\": [3], \"style\": \"pytorch\"}," HEAD(
         "512"),
     {2, 3, 64, 64}},
    {"resnet34_cifar",
     "{\"type\": \"ImageClassifier\", \"backbone\": {\"type\": \"ResNet_CIFAR\","
     "\"depth\": 34, \"base_channels\": 8, \"stem_channels\": 8},"
     "\"neck\": {\"type\": \"GlobalAveragePooling\"}, \"head\": {\"type\":"
     "\"LinearClsHead\", \"num_classes\": 10, \"in_channels\": 64, \"loss\": {\"type\":"
     "\"LabelSmoothLoss\", \"label_smooth_val\": 0.1, \"num_classes\": 10}}}",
     {4, 3, 32, 32}},
    {"resnet50",
     "{\"type\": \"ImageClassifier\", \"backbone\": {\"type\": \"ResNet\", \"depth\": "
     "50, \"base_channels\": 8, \"stem_channels\": 8}," HEAD("256"),
     {2, 3, 64, 64}},
    {"resnet50_caffe",
     "{\"type\": \"ImageClassifier\", \"backbone\": {\"type\": \"ResNet\", \"depth\": "
     "50, \"base_channels\": 4, \"stem_channels\": 8, \"style\": \"caffe\","
     "\"strides\": [1, 2, 1, 1], \"dilations\": [1, 1, 2, 4],"
     "\"zero_init_residual\": false}," HEAD("128"),
     {2, 3, 48, 48}},
    {"resnet_v1d",
     "{\"type\": \"ImageClassifier\", \"backbone\": {\"type\": \"ResNetV1d\","
     "\"depth\": 18, \"base_channels\": 8, \"stem_channels\": 16}," HEAD("64"),
     {2, 3, 65, 65}},
};

static void test_models(void **state)
{
    (void)state;
    struct golden golden = golden_open("golden/nn/models.bin");

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        mm_value *config = nn_json(cases[i].config);

        model_golden(&golden, cases[i].name, config, cases[i].input);
        mm_value_unref(config);
    }
    golden_close(&golden);
}

/* --- names and sizes --- */

static void count_params(const char *json, int64_t expected)
{
    mm_module *model = nn_build(json);

    check_ok();
    assert_int_equal(mm_module_num_params(model, false), expected);
    mm_module_unref(model);
}

/* TorchVision's counts without the classifier (fc: 513,000 and 2,049,000). */
static void test_sizes(void **state)
{
    (void)state;
    count_params("{\"type\": \"ResNet\", \"depth\": 18}", 11689512 - 513000);
    count_params("{\"type\": \"ResNet\", \"depth\": 34}", 21797672 - 513000);
    count_params("{\"type\": \"ResNet\", \"depth\": 50}", 25557032 - 2049000);
    count_params("{\"type\": \"ResNet\", \"depth\": 101}", 44549160 - 2049000);
    count_params("{\"type\": \"ResNet\", \"depth\": 152}", 60192808 - 2049000);
}

static void test_names(void **state)
{
    (void)state;
    static const char *const names[] = {
        "conv1.weight",
        "bn1.running_mean",
        "bn1.num_batches_tracked",
        "layer1.0.conv1.weight",
        "layer1.0.bn3.bias",
        "layer1.0.downsample.0.weight",
        "layer1.0.downsample.1.running_var",
        "layer4.2.conv3.weight",
    };
    mm_module *model = nn_build("{\"type\": \"ResNet\", \"depth\": 50}");

    check_ok();
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (mm_module_find_tensor(model, names[i]) == NULL) {
            fail_msg("no tensor '%s'", names[i]);
        }
    }
    mm_module_unref(model);
}

static void test_bad_configs(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{\"type\": \"ResNet\", \"depth\": 20}",
        "{\"type\": \"ResNet\", \"depth\": 18, \"strides\": [1, 2]}",
        "{\"type\": \"ResNet\", \"depth\": 18, \"out_indices\": [4]}",
        "{\"type\": \"ResNet_CIFAR\", \"depth\": 18, \"deep_stem\": true}",
        ("{\"type\": \"ImageClassifier\", \"backbone\": {\"type\": \"LeNet5\"},"
         "\"train_cfg\": {\"augments\": [{\"type\": \"Mixup\"}]}}"),
        "{\"type\": \"ClsDataPreprocessor\", \"mean\": [1, 2], \"std\": [1]}",
        "{\"type\": \"CrossEntropyLoss\", \"use_sigmoid\": true, \"use_soft\": true}",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        mm_module *model = nn_build(bad[i]);

        if (model != NULL) {
            fail_msg("was built: %s", bad[i]);
        }
        assert_true(mm_error_take(NULL) < 0);
    }
}

/* --- modes --- */

static void test_frozen_stages(void **state)
{
    (void)state;
    mm_module *model = nn_build("{\"type\": \"ResNet\", \"depth\": 18,"
                                "\"frozen_stages\": 1, \"norm_eval\": true}");
    mm_tensor_info info;

    check_ok();
    mm_module_train(model, true);
    assert_true(mm_module_is_training(model));
    assert_false(mm_module_is_training(mm_module_find(model, "layer1")));
    assert_false(mm_module_is_training(mm_module_find(model, "layer1.0.conv1")));
    assert_false(mm_module_is_training(mm_module_find(model, "bn1")));
    assert_true(mm_module_is_training(mm_module_find(model, "layer2")));
    assert_true(mm_module_is_training(mm_module_find(model, "layer2.0.conv1")));
    assert_false(mm_module_is_training(mm_module_find(model, "layer2.0.bn1")));
    mm_tensor_info_get(mm_module_find_tensor(model, "conv1.weight"), &info);
    assert_false(info.requires_grad);
    mm_tensor_info_get(mm_module_find_tensor(model, "layer1.1.bn2.bias"), &info);
    assert_false(info.requires_grad);
    mm_tensor_info_get(mm_module_find_tensor(model, "layer2.0.bn1.bias"), &info);
    assert_true(info.requires_grad);
    mm_module_unref(model);
}

static void test_norm_without_grad(void **state)
{
    (void)state;
    mm_module *model = nn_build("{\"type\": \"ResNet\", \"depth\": 18, \"norm_cfg\":"
                                "{\"type\": \"SyncBN\", \"requires_grad\": false}}");
    mm_tensor_info info;

    check_ok();
    assert_string_equal(mm_module_type(mm_module_find(model, "bn1")), "SyncBatchNorm");
    assert_int_equal(mm_nn_revert_sync_batchnorm(model), MM_OK);
    assert_string_equal(mm_module_type(mm_module_find(model, "bn1")), "_BatchNormXd");
    assert_int_equal(mm_module_init_weights(model), MM_OK); /* still a "_BatchNorm" */
    mm_tensor_info_get(mm_module_find_tensor(model, "bn1.weight"), &info);
    assert_false(info.requires_grad);
    mm_module_unref(model);
    model = nn_build("{\"type\": \"ResNet\", \"depth\": 18, \"norm_cfg\":"
                     "{\"type\": \"GN\", \"num_groups\": 8}}");
    check_ok();
    assert_non_null(mm_module_find_tensor(model, "gn1.weight"));
    assert_non_null(mm_module_find_tensor(model, "layer1.0.gn2.weight"));
    mm_module_unref(model);
}

static void test_out_indices_and_gap(void **state)
{
    (void)state;
    mm_module *model =
        nn_build("{\"type\": \"ResNet\", \"depth\": 18, \"base_channels\":"
                 "8, \"out_indices\": [0, 3]}");
    mm_module *gap = nn_build("{\"type\": \"GlobalAveragePooling\"}");
    mm_scope scope = mm_scope_open();
    bool recorded = mm_grad_mode_set(false);
    mm_value *x = mm_scoped(mm_value_new_tensor(mm_randn(MM_DIMS(2, 3, 64, 64))));
    mm_value *outs = mm_module_call1(model, x);

    check_ok();
    assert_int_equal(mm_value_len(outs), 2);
    assert_int_equal(mm_size(mm_value_tensor(mm_list_get(outs, 0)), 1), 8);
    assert_int_equal(mm_size(mm_value_tensor(mm_list_get(outs, 0)), 2), 16);
    assert_int_equal(mm_size(mm_value_tensor(mm_list_get(outs, 1)), 1), 64);
    mm_value *pooled = mm_module_call1(gap, outs);

    assert_int_equal(mm_value_len(pooled), 2);
    assert_int_equal(mm_ndim(mm_value_tensor(mm_list_get(pooled, 1))), 2);
    mm_grad_mode_set(recorded);
    mm_scope_close(scope);
    mm_module_unref(model);
    mm_module_unref(gap);
}

/* Stochastic depth: as many draws as blocks that drop, in order; none in evaluation. */
static void test_drop_path(void **state)
{
    (void)state;
    mm_module *drop = nn_build("{\"type\": \"DropPath\", \"drop_prob\": 0.5}");
    mm_scope scope = mm_scope_open();
    mm_tensor *x = mm_ones(MM_DIMS(64, 2, 3));

    mm_manual_seed(3);
    mm_tensor *expected = mm_floor_(mm_add_scalar(mm_rand(MM_DIMS(64, 1, 1)), 0.5));

    mm_manual_seed(3);
    mm_tensor *y = mm_module_forward(drop, x);

    assert_true(
        mm_tensor_equal(y, mm_contiguous(mm_mul(mm_mul_scalar(x, 2.0), expected),
                                         MM_FORMAT_CONTIGUOUS)));
    mm_module_train(drop, false);
    assert_ptr_equal(mm_module_forward(drop, x), x);
    mm_scope_close(scope);
    mm_module_unref(drop);
}

/* --- around the model --- */

static void test_preprocessor(void **state)
{
    (void)state;
    mm_module *model = nn_build(
        "{\"type\": \"ImageClassifier\", \"backbone\": {\"type\": \"MLP\","
        "\"in_features\": 4, \"hidden_sizes\": [3]}, \"head\": {\"type\":"
        "\"LinearClsHead\", \"num_classes\": 3, \"in_channels\": 3, \"cal_acc\": true,"
        "\"topk\": [1, 2]}, \"data_preprocessor\": {\"mean\": [10], \"std\": [2],"
        "\"to_onehot\": true, \"num_classes\": 3}}");
    mm_scope scope = mm_scope_open();
    const uint8_t pixels[2][4] = {{0, 10, 20, 255}, {1, 2, 3, 4}};
    const float labels[] = {2, 0};
    mm_value *inputs = mm_value_new_list();

    check_ok();
    for (int i = 0; i < 2; i++) {
        mm_tensor *image =
            mm_from_data(pixels[i], MM_DTYPE_U8, 3, (int64_t[]){1, 2, 2});

        mm_list_push(inputs, mm_value_new_tensor(image));
    }
    mm_value *batch = model_batch(mm_ones(MM_DIMS(1)), labels, 2);

    mm_dict_take(batch, "inputs", inputs);
    mm_value *data = mm_model_preprocess(model, batch, true);

    check_ok();
    mm_tensor *x = mm_dict_get_tensor(data, "inputs");
    const float *values = mm_data(x, MM_DTYPE_F32);

    assert_int_equal(mm_ndim(x), 4);
    assert_true(values[0] == -5.0F && values[1] == 0.0F && values[3] == 122.5F);
    assert_true(values[4] == -4.5F);
    mm_data_element *first =
        mm_value_data_element(mm_list_get(mm_dict_get(data, "data_samples"), 0));
    mm_tensor *score = mm_data_element_get_tensor(first, "gt_score");

    assert_int_equal(mm_tensor_dtype(score), MM_DTYPE_I64);
    assert_int_equal(((int64_t *)mm_data(score, MM_DTYPE_I64))[2], 1);
    assert_int_equal(mm_value_i64(mm_data_element_get(first, "num_classes")), 3);
    mm_scope_close(scope);
    mm_module_unref(model);
}

/* Accuracy in percent over a batch; scores below zero never count, as in MMPretrain. */
static void test_accuracy(void **state)
{
    (void)state;
    mm_module *head =
        nn_build("{\"type\": \"ClsHead\", \"cal_acc\": true, \"topk\": [1,"
                 "2]}");
    const mm_model_ops *ops =
        mm_instance_ops(mm_module_instance(head), MM_INTERFACE_MODEL);
    const float scores[] = {3, 2, 1, 1, 2, 3, -1, -2, -3, 1, 3, 2};
    const float labels[] = {0, 1, 0, 0};
    mm_scope scope = mm_scope_open();
    mm_value *batch = model_batch(mm_ones(MM_DIMS(1)), labels, 4);
    mm_value *feats = mm_value_new_tuple();

    mm_list_push(feats, mm_value_new_tensor(mm_from_f32(scores, 2, (int64_t[]){4, 3})));
    mm_dict_take(batch, "feats", feats);
    mm_value *losses = ops->loss(mm_module_self(head), batch);
    mm_tensor *total = NULL;

    check_ok();
    mm_value *log_vars = mm_parse_losses(losses, &total);

    check_ok();
    assert_int_equal(mm_value_len(log_vars), 3);
    assert_string_equal(mm_dict_name_at(log_vars, 0), "loss");
    assert_true(mm_item(mm_dict_get_tensor(log_vars, "accuracy_top-1")) == 25.0);
    assert_true(mm_item(mm_dict_get_tensor(log_vars, "accuracy_top-2")) == 50.0);
    mm_scope_close(scope);
    mm_module_unref(head);
}

static void test_predictions(void **state)
{
    (void)state;
    mm_module *model =
        nn_build("{\"type\": \"ImageClassifier\", \"backbone\": {\"type\": \"LeNet5\","
                 "\"num_classes\": 10}, \"head\": {\"type\": \"ClsHead\"}}");
    mm_scope scope = mm_scope_open();
    bool recorded = mm_grad_mode_set(false);
    const float labels[] = {1, 2, 3};
    mm_value *batch = model_batch(mm_randn(MM_DIMS(3, 1, 32, 32)), labels, 3);

    check_ok();
    mm_module_train(model, false);
    mm_value *out = mm_model_val_step(model, batch);

    check_ok();
    assert_int_equal(mm_value_len(out), 3);
    for (size_t i = 0; i < 3; i++) {
        mm_data_element *sample = mm_value_data_element(mm_list_get(out, i));
        mm_tensor *score = mm_data_element_get_tensor(sample, "pred_score");
        mm_tensor *label = mm_data_element_get_tensor(sample, "pred_label");
        mm_tensor *truth = mm_data_element_get_tensor(sample, "gt_label");

        assert_int_equal(mm_size(score, 0), 10);
        assert_true(fabs(mm_item(mm_sum(score)) - 1.0) < 1e-5);
        assert_int_equal(mm_item_i64(label), mm_item_i64(mm_argmax(score, 0, false)));
        assert_int_equal(mm_item_i64(truth), (int64_t)labels[i]);
        assert_int_equal(mm_value_i64(mm_data_element_get(sample, "num_classes")), 10);
    }
    mm_grad_mode_set(recorded);
    mm_scope_close(scope);
    mm_module_unref(model);
}

/* A copy has the same weights and none of the same tensors; training one leaves the
 * other alone. */
static void test_copy(void **state)
{
    (void)state;
    mm_module *model = nn_build(cases[3].config);

    check_ok();
    mm_module_init_weights(model);
    mm_scope scope = mm_scope_open();
    mm_tensor *before = mm_rng_state("cpu");
    mm_module *copy = mm_module_copy(model);

    check_ok();
    assert_true(mm_tensor_equal(before, mm_rng_state("cpu")));
    mm_value *a = mm_module_state_dict(model);
    mm_value *b = mm_module_state_dict(copy);

    assert_int_equal(mm_value_len(a), mm_value_len(b));
    for (size_t i = 0; i < mm_value_len(a); i++) {
        mm_tensor *x = mm_value_tensor(mm_dict_at(a, i));
        mm_tensor *y = mm_value_tensor(mm_dict_at(b, i));

        assert_string_equal(mm_dict_name_at(a, i), mm_dict_name_at(b, i));
        assert_true(mm_tensor_equal(x, y));
        assert_ptr_not_equal(mm_data(x, MM_DTYPE_NONE), mm_data(y, MM_DTYPE_NONE));
    }
    mm_value_unref(a);
    mm_value_unref(b);
    mm_scope_close(scope);
    mm_module_unref(copy);
    mm_module_unref(model);
}

#define TEST(function) cmocka_unit_test_teardown((function), nn_tear_down)

int test_zoo_models(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_models),
        TEST(test_sizes),
        TEST(test_names),
        TEST(test_bad_configs),
        TEST(test_frozen_stages),
        TEST(test_norm_without_grad),
        TEST(test_out_indices_and_gap),
        TEST(test_drop_path),
        TEST(test_preprocessor),
        TEST(test_accuracy),
        TEST(test_predictions),
        TEST(test_copy),
    };

    return cmocka_run_group_tests(tests, nn_set_up, NULL);
}
