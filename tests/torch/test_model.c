/* Models: losses parsed as MMEngine parses them, training and validation steps, batches
 * of images against MMEngine's preprocessor, a model of the user's own trained from C,
 * weights from a file. */
#include "nn_check.h"
#include "runner_parts.h"

#include "mmengine/ops.h"
#include "mmengine/optim.h"
#include "mmengine/runner.h"
#include "mmengine/structures.h"

/* --- losses --- */

static mm_tensor *scalar(double value)
{
    return mm_scalar(value, MM_DTYPE_F32);
}

static double loss_of(const mm_value *log_vars, const char *name)
{
    return mm_item(mm_dict_get_tensor(log_vars, name));
}

static void test_parse_losses(void **state)
{
    (void)state;
    mm_scope scope = mm_scope_open();
    mm_value *losses = mm_scoped(mm_value_new_dict());
    mm_value *list = mm_value_new_list();
    mm_tensor *total = NULL;

    mm_dict_put_tensor(losses, "acc", scalar(50));
    mm_dict_put_tensor(losses, "loss_cls", scalar(2));
    mm_list_push(list,
                 mm_value_new_tensor(mm_from_f32((float[]){1, 3}, 1, (int64_t[]){2})));
    mm_list_push(list, mm_value_new_tensor(scalar(4)));
    mm_dict_take(losses, "aux.loss", list);
    mm_value *log_vars = mm_parse_losses(losses, &total);

    check_ok();
    assert_true(mm_item(total) == 8.0);
    assert_int_equal(mm_value_len(log_vars), 4);
    assert_string_equal(mm_dict_name_at(log_vars, 0), "loss");
    assert_string_equal(mm_dict_name_at(log_vars, 1), "acc");
    assert_true(loss_of(log_vars, "loss") == 8.0);
    assert_true(loss_of(log_vars, "aux.loss") == 6.0);
    assert_true(loss_of(log_vars, "acc") == 50.0);
    mm_scope_close(scope);
}

/* An entry named "loss" beside others is what is logged; the sum is what is minimised.
 */
static void test_loss_entry_is_logged(void **state)
{
    (void)state;
    mm_scope scope = mm_scope_open();
    mm_value *losses = mm_scoped(mm_value_new_dict());
    mm_tensor *total = NULL;

    mm_dict_put_tensor(losses, "other_loss", scalar(2));
    mm_dict_put_tensor(losses, "loss", scalar(3));
    mm_value *log_vars = mm_parse_losses(losses, &total);

    assert_true(mm_item(total) == 5.0);
    assert_true(loss_of(log_vars, "loss") == 3.0);
    assert_string_equal(mm_dict_name_at(log_vars, 0), "loss");
    mm_scope_close(scope);
}

static void refuse_losses(const char *json, mm_status code)
{
    mm_value *losses = nn_json(json);
    mm_tensor *total = NULL;
    mm_scope scope = mm_scope_open();

    assert_null(mm_parse_losses(losses, &total));
    check_error(code);
    mm_scope_close(scope);
    mm_value_unref(losses);
}

static void test_bad_losses(void **state)
{
    (void)state;
    refuse_losses("{}", MM_EINVAL);
    refuse_losses("{\"loss\": 3}", MM_ETYPE);
    refuse_losses("{\"loss\": [3]}", MM_ETYPE);
    refuse_losses("{\"loss\": []}", MM_ETYPE);
    refuse_losses("[1]", MM_ETYPE);
}

/* --- images --- */

static mm_value *golden_images(const struct golden *golden, bool floats)
{
    static const int64_t sizes[3][3] = {{3, 5, 7}, {3, 6, 4}, {3, 2, 9}};
    mm_value *list = mm_scoped(mm_value_new_list());

    for (int i = 0; i < 3; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "image%d", i);
        mm_tensor *x = nn_from_golden(golden, name, MM_DIMS_N(sizes[i], 3));

        x = floats ? mm_div_scalar(x, 3) : mm_cast(x, MM_DTYPE_U8);
        mm_list_push(list, mm_value_new_tensor(x));
    }
    return list;
}

static void check_images(const struct golden *golden, mm_module *module,
                         const char *kind, const char *setting)
{
    const mm_preprocessor_ops *ops =
        mm_instance_ops(mm_module_instance(module), MM_INTERFACE_PREPROCESSOR);
    mm_value *batch = mm_scoped(mm_value_new_dict());
    char name[64];

    if (strcmp(kind, "batch") == 0) {
        mm_tensor *image =
            mm_value_tensor(mm_list_get(golden_images(golden, false), 0));
        mm_tensor *both[] = {image, mm_flip(image, MM_DIMS(2))};

        mm_dict_put_tensor(batch, "inputs", mm_stack(both, 2, 0));
    } else {
        mm_dict_put(batch, "inputs",
                    golden_images(golden, strcmp(kind, "floats") == 0));
    }
    mm_value *data = ops->process(mm_module_self(module), batch, true);

    check_ok();
    (void)snprintf(name, sizeof(name), "%s.%s", kind, setting);
    nn_golden(golden, mm_dict_get_tensor(data, "inputs"), 0.0, name);
    assert_true(mm_value_is_none(mm_dict_get(data, "data_samples")));
    assert_false(mm_dict_has(batch, "data_samples")); /* the batch is not changed */
}

/* Equal bits whatever the machine: the same rounding on both ways. */
static void test_images(void **state)
{
    (void)state;
    static const char *const settings[][2] = {
        {"plain", "{\"type\": \"ImgDataPreprocessor\"}"},
        {"normal", "{\"type\": \"ImgDataPreprocessor\", \"mean\": [123.675, 116.28,"
                   "103.53], \"std\": [58.395, 57.12, 57.375]}"},
        {"all", "{\"type\": \"ImgDataPreprocessor\", \"mean\": [123.675, 116.28,"
                "103.53], \"std\": [58.395, 57.12, 57.375], \"bgr_to_rgb\": true,"
                "\"pad_size_divisor\": 4, \"pad_value\": 2.5}"},
        {"one", "{\"type\": \"ImgDataPreprocessor\", \"mean\": 127.5, \"std\": [127.5],"
                "\"rgb_to_bgr\": true}"},
    };
    static const char *const kinds[] = {"list", "batch", "floats"};
    struct golden golden = golden_open("golden/nn/preprocess.bin");

    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        mm_module *module = nn_build(settings[i][1]);

        check_ok();
        for (size_t k = 0; k < 3; k++) {
            mm_scope scope = mm_scope_open();

            check_images(&golden, module, kinds[k], settings[i][0]);
            mm_scope_close(scope);
        }
        mm_module_unref(module);
    }
    golden_close(&golden);
}

/* Many images, so that threads share them, and views with strides of their own. */
static void test_images_in_parallel(void **state)
{
    (void)state;
    const float mean[] = {33.3F, 99.9F, 150.0F};
    const float std[] = {2.0F, 3.0F, 7.7F};
    mm_scope scope = mm_scope_open();
    mm_tensor *bytes =
        mm_randints(0, 256, MM_DIMS(64, 48, 40, 3), .dtype = MM_DTYPE_U8);
    mm_tensor *nchw = mm_permute(bytes, MM_DIMS(0, 3, 1, 2)); /* a view */
    mm_value *input = mm_scoped(mm_value_new_tensor(nchw));
    mm_tensor *fast = mm_stack_images(input, .mean = mean, .std = std, .num_mean = 3,
                                      .swap_channels = true);
    mm_tensor *slow = mm_cast(mm_flip(nchw, MM_DIMS(1)), MM_DTYPE_F32);

    slow = mm_sub(slow, mm_from_f32(mean, 3, (int64_t[]){3, 1, 1}));
    slow = mm_div(slow, mm_from_f32(std, 3, (int64_t[]){3, 1, 1}));
    check_ok();
    assert_true(mm_tensor_equal(fast, mm_contiguous(slow, MM_FORMAT_CONTIGUOUS)));
    mm_scope_close(scope);
}

static void test_bad_images(void **state)
{
    (void)state;
    mm_scope scope = mm_scope_open();
    mm_value *list = mm_scoped(mm_value_new_list());
    const float one[] = {1.0F, 1.0F};

    assert_null(mm_stack_images(list));
    check_error(MM_ESHAPE);
    mm_list_push(list, mm_value_new_tensor(mm_zeros(MM_DIMS(3, 4, 4))));
    mm_list_push(list, mm_value_new_tensor(mm_zeros(MM_DIMS(1, 4, 4))));
    assert_null(mm_stack_images(list));
    check_error_text(MM_ESHAPE, "could not stack images: expected [C, H, W] with 3 "
                                "channels, got [1, 4, 4] float32 cpu");
    mm_list_remove(list, 1);
    assert_null(mm_stack_images(list, .mean = one, .std = one, .num_mean = 2));
    check_error(MM_ESHAPE);
    mm_list_push(list, mm_value_new_i64(3));
    assert_null(mm_stack_images(list));
    check_error(MM_ETYPE);
    assert_null(nn_build("{\"type\": \"ImgDataPreprocessor\", \"mean\": [1, 2],"
                         "\"std\": [1, 2]}"));
    check_error(MM_EINVAL);
    assert_null(nn_build("{\"type\": \"ImgDataPreprocessor\", \"bgr_to_rgb\": true,"
                         "\"rgb_to_bgr\": true}"));
    check_error(MM_EINVAL);
    mm_scope_close(scope);
}

static void test_base_preprocessor(void **state)
{
    (void)state;
    mm_module *module = nn_build("{\"type\": \"BaseDataPreprocessor\"}");
    const mm_preprocessor_ops *ops =
        mm_instance_ops(mm_module_instance(module), MM_INTERFACE_PREPROCESSOR);
    mm_scope scope = mm_scope_open();
    mm_value *batch = mm_scoped(nn_json("{\"a\": [1, \"x\"], \"b\": {\"c\": null}}"));
    mm_tensor *x = mm_ones(MM_DIMS(2));

    mm_list_push(mm_dict_get(batch, "a"), mm_value_new_tensor(x));
    mm_value *data = ops->process(mm_module_self(module), batch, false);

    check_ok();
    assert_ptr_not_equal(data, batch);
    assert_ptr_equal(mm_value_tensor(mm_list_get(mm_dict_get(data, "a"), 2)), x);
    assert_string_equal(mm_value_str(mm_list_get(mm_dict_get(data, "a"), 1)), "x");
    mm_scope_close(scope);
    mm_module_unref(module);
}

/* --- a model of one's own --- */

struct own {
    mm_module *net;
    bool takes_over;
    int steps;
};

static mm_status own_init(void *data)
{
    struct own *own = data;

    own->net = mm_module_add(
        mm_module_of(own), "net",
        mm_nn_sequential(mm_nn_linear(2, 16), mm_nn_tanh(), mm_nn_linear(16, 1)));
    return mm_pending();
}

static mm_tensor *own_forward(void *data, mm_tensor *x)
{
    const struct own *own = data;

    return mm_module_forward(own->net, x);
}

static mm_value *own_loss(void *data, mm_value *batch)
{
    mm_tensor *y = own_forward(data, mm_dict_get_tensor(batch, "inputs"));
    mm_tensor *loss =
        mm_mse_loss(y, mm_dict_get_tensor(batch, "target"), MM_REDUCTION_MEAN);
    mm_value *losses = mm_scoped(mm_value_new_dict());

    mm_dict_put_tensor(losses, "loss", loss);
    return losses;
}

static mm_value *own_predict(void *data, mm_value *batch)
{
    mm_value *out = mm_scoped(mm_value_new_list());

    mm_list_push(out, mm_value_new_tensor(
                          own_forward(data, mm_dict_get_tensor(batch, "inputs"))));
    return out;
}

static const mm_model_ops own_ops = {
    .module = {.forward = own_forward}, .loss = own_loss, .predict = own_predict};
static const mm_component own_component = {
    .registry = "models",
    .name = "OwnModel",
    .help = "a model of the test's own",
    .size = sizeof(struct own),
    .init = own_init,
    MM_MODEL(&own_ops),
};

static mm_value *own_step(void *data, mm_value *batch, mm_optim_wrapper *optim_wrapper)
{
    struct own *own = data;
    mm_value *losses = own_loss(data, batch);
    mm_tensor *total = NULL;
    mm_value *log_vars = losses != NULL ? mm_parse_losses(losses, &total) : NULL;

    own->steps++;
    mm_optim_wrapper_update_params(optim_wrapper, total);
    return log_vars;
}

static const mm_model_ops stepping_ops = {
    .module = {.forward = own_forward}, .loss = own_loss, .train_step = own_step};
static const mm_component stepping_component = {
    .registry = "models",
    .name = "SteppingModel",
    .help = "a model with a train_step",
    .size = sizeof(struct own),
    .init = own_init,
    MM_MODEL(&stepping_ops),
};

/* x0 * x1 on random points; scope-owned. */
static mm_value *product_batch(void)
{
    mm_tensor *x = mm_randn(MM_DIMS(64, 2));
    mm_value *batch = mm_scoped(mm_value_new_dict());

    mm_dict_put_tensor(batch, "inputs", x);
    mm_dict_put_tensor(
        batch, "target",
        mm_reshape(mm_mul(mm_select(x, 1, 0), mm_select(x, 1, 1)), MM_DIMS(-1, 1)));
    return batch;
}

static double train(mm_module *model, int steps)
{
    mm_value *config = nn_json("{\"optimizer\": {\"type\": \"SGD\", \"lr\": 0.1,"
                               "\"momentum\": 0.9}}");
    mm_optim_wrapper *optim = mm_optim_wrapper_build(model, config, NULL);
    double loss = 0.0;

    check_ok();
    for (int i = 0; i < steps; i++) {
        mm_scope scope = mm_scope_open();
        mm_value *batch = product_batch();
        size_t before = mm_scope_size();
        mm_value *log_vars = mm_model_train_step(model, batch, optim);

        check_ok();
        assert_int_equal(mm_scope_size(), before + 1);
        loss = loss_of(log_vars, "loss");
        mm_scope_close(scope);
    }
    mm_optim_wrapper_unref(optim);
    mm_value_unref(config);
    return loss;
}

static void test_training(void **state)
{
    (void)state;
    mm_manual_seed(5);
    mm_module *model = mm_module_new(&own_component);
    double first = train(model, 1);
    double last = train(model, 300);

    assert_true(first > 0.3);
    assert_true(last < 0.05);
    mm_scope scope = mm_scope_open();
    mm_value *out = mm_model_val_step(model, product_batch());

    check_ok();
    assert_int_equal(mm_value_len(out), 1);
    mm_scope_close(scope);
    mm_module_unref(model);
}

static void test_own_train_step(void **state)
{
    (void)state;
    mm_module *model = mm_module_new(&stepping_component);
    const struct own *own = mm_module_self(model);

    train(model, 3);
    assert_int_equal(own->steps, 3);
    mm_scope scope = mm_scope_open();

    assert_null(mm_model_val_step(model, product_batch()));
    check_error(MM_EUNSUPPORTED);
    assert_null(mm_model_train_step(model, NULL, NULL));
    check_error(MM_EINVAL);
    mm_scope_close(scope);
    mm_module_unref(model);
    mm_module *layer = mm_nn_relu();

    scope = mm_scope_open();
    assert_null(mm_model_val_step(layer, product_batch()));
    check_error(MM_ETYPE);
    mm_scope_close(scope);
    mm_module_unref(layer);
}

/* --- weights from a file --- */

/* Writes a checkpoint of `model` with all names under "module.backbone.". */
static void write_checkpoint(mm_module *model, const char *path)
{
    mm_value *root = mm_value_new_dict();
    mm_value *weights = mm_value_new_dict();
    mm_value *state = mm_module_state_dict(model);

    for (size_t i = 0; i < mm_value_len(state); i++) {
        char name[96];

        (void)snprintf(name, sizeof(name), "module.backbone.%s",
                       mm_dict_name_at(state, i));
        mm_dict_put(weights, name, mm_dict_at(state, i));
    }
    mm_dict_take(root, "state_dict", weights);
    mm_dict_put_str(root, "note", "text");
    assert_int_equal(mm_checkpoint_save(path, root), MM_OK);
    mm_value_unref(state);
    mm_value_unref(root);
}

static void test_pretrained(void **state)
{
    (void)state;
    char *dir = parts_new_dir();
    char *path = mm_path_join(dir, "source.pth");
    char json[1024];
    mm_module *source = mm_module_new(&own_component);

    write_checkpoint(source, path);
    (void)snprintf(json, sizeof(json),
                   "[{\"type\": \"Pretrained\", \"checkpoint\": \"%s\", \"prefix\":"
                   "\"backbone.\"}, {\"type\": \"Constant\", \"layer\": \"Linear\","
                   "\"val\": 7}]",
                   path);
    mm_value *cfg = nn_json(json);
    mm_module *target = mm_module_new(&own_component);

    mm_module_set_init_cfg(target, cfg);
    assert_int_equal(mm_module_init_weights(target), MM_OK);
    assert_true(mm_tensor_equal(mm_module_find_tensor(source, "net.0.weight"),
                                mm_module_find_tensor(target, "net.0.weight")));
    mm_module_unref(target);
    mm_value_unref(cfg);
    (void)snprintf(json, sizeof(json),
                   "{\"type\": \"Pretrained\", \"checkpoint\": \"%s\", \"prefix\":"
                   "\"head\"}",
                   path);
    cfg = nn_json(json);
    target = mm_module_new(&own_component);
    mm_module_set_init_cfg(target, cfg);
    assert_int_equal(mm_module_init_weights(target), MM_EDATA);
    check_error(MM_EDATA);
    mm_module_unref(target);
    mm_value_unref(cfg);
    mm_free(path);
    parts_remove_dir(dir);
    mm_module_unref(source);
}

#define TEST(function) cmocka_unit_test_teardown((function), nn_tear_down)

int test_model(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_parse_losses),       TEST(test_loss_entry_is_logged),
        TEST(test_bad_losses),         TEST(test_images),
        TEST(test_images_in_parallel), TEST(test_bad_images),
        TEST(test_base_preprocessor),  TEST(test_training),
        TEST(test_own_train_step),     TEST(test_pretrained),
    };

    return cmocka_run_group_tests(tests, nn_set_up, NULL);
}
