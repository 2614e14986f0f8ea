/* First steps of three trainings and the random streams behind them, against what
 * PyTorch gave: tests/golden/training/torch-<version>.json, made by
 * tools/golden/training.py. Needs no Python, so it runs on every machine; tools/compare
 * shows bit-equality live. */
#include <math.h>
#include <stdio.h>

#include "runner_parts.h"

static const char base[] =
    "default_scope = 'mmpretrain'\n"
    "numerics = 'reference'\n"
    "pipeline = [dict(type='Pad', size=(SIZE, SIZE)), dict(type='PackInputs')]\n"
    "train_dataloader = dict(batch_size=32, num_workers=0, dataset=dict(type='MNIST',\n"
    "    data_root='../data/digits', split='train', pipeline=pipeline),\n"
    "    sampler=dict(type='DefaultSampler', shuffle=True))\n"
    "train_cfg = dict(by_epoch=True, max_epochs=1)\n"
    "optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.02, momentum=0.9,\n"
    "    weight_decay=1e-4))\n"
    "log_processor = dict(window_size=1)\n"
    "default_hooks = dict(logger=dict(type='LoggerHook', interval=1000))\n"
    "custom_hooks = [dict(type='FirstStepsHook')]\n"
    "randomness = dict(seed=17)\n"
    "preprocessor = dict(mean=[78.], std=[96.], num_classes=10)\n"
    "loss = dict(type='CrossEntropyLoss', loss_weight=1.0)\n";

/* Notes the first losses and the weights before them. */
enum { STEPS = 5, MAX_PARAMS = 80 };

static struct {
    double losses[STEPS];
    struct {
        char name[96];
        double first[4], sum, norm;
        int64_t count;
    } params[MAX_PARAMS];
    size_t num_params;
} seen;

static mm_status note_param(void *user, const char *name, mm_tensor *param,
                            mm_module *owner)
{
    mm_tensor *wide = mm_flatten(mm_cast(mm_detach(param), MM_DTYPE_F64), 0, -1);
    const double *data = wide == NULL ? NULL : mm_data(wide, MM_DTYPE_F64);
    int64_t count = wide == NULL ? 0 : mm_numel(wide);
    (void)user;
    (void)owner;

    if (data == NULL || seen.num_params == MAX_PARAMS)
        return mm_pending();
    size_t at = seen.num_params++;
    double sum = 0.0, squares = 0.0;
    for (int64_t i = 0; i < count; i++) {
        sum += data[i];
        squares += data[i] * data[i];
    }
    (void)snprintf(seen.params[at].name, sizeof(seen.params[at].name), "%s", name);
    for (int64_t i = 0; i < 4 && i < count; i++)
        seen.params[at].first[i] = data[i];
    seen.params[at].sum = sum;
    seen.params[at].norm = sqrt(squares);
    seen.params[at].count = count;
    return MM_OK;
}

static mm_status before_train(void *self, mm_runner *runner)
{
    (void)self;
    seen.num_params = 0;
    return mm_module_each_param(mm_runner_model(runner), note_param, NULL);
}

static mm_status after_train_iter(void *self, mm_runner *runner, const mm_iter *iter)
{
    (void)self;
    if (iter->batch_idx < STEPS)
        seen.losses[iter->batch_idx] =
            mm_hub_find_scalar(mm_runner_hub(runner), "train/loss", NAN);
    if (iter->batch_idx + 1 == STEPS)
        mm_runner_request(runner, MM_REQUEST_STOP);
    return mm_pending();
}

static const mm_hook_ops first_steps_ops = {
    .before_train = before_train,
    .after_train_iter = after_train_iter,
};

static const mm_component first_steps = {
    .registry = "hooks",
    .name = "FirstStepsHook",
    .help = "notes weights and losses of the first steps",
    .size = 1,
    MM_HOOK(&first_steps_ops),
};

static mm_value *golden;

static int set_up(void **state)
{
    static const mm_component *const table[] = {&first_steps, NULL};
    const char *version = mm_torch_version();
    int major = 0, minor = 0;
    (void)state;

    if (parts_register() != 0 || mm_register(table) < 0 ||
        mm_register(mm_zoo_components) < 0 || version == NULL)
        return -1;
    (void)sscanf(version, "%d.%d", &major, &minor);
    char *path = mm_strfmt("golden/training/torch-%d.%d.json", major, minor);
    if (mm_file_exists(path))
        golden = mm_fileio_load(path, "json");
    else
        print_message("no golden file for libtorch %s: skipped\n", version);
    mm_free(path);
    return mm_has_error() ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    mm_value_unref(golden);
    return 0;
}

static void assert_close(double got, double expected, const char *what)
{
    double bound = 1e-4 * (fabs(expected) > 1.0 ? fabs(expected) : 1.0);

    if (!(fabs(got - expected) <= bound))
        fail_msg("%s: %.9g, PyTorch %.9g", what, got, expected);
}

static void assert_initial(const mm_value *expected)
{
    assert_int_equal(seen.num_params, mm_value_len(expected));
    for (size_t i = 0; i < seen.num_params; i++) {
        const mm_value *one = mm_list_get(expected, i);
        const mm_value *first = mm_dict_get(one, "first");

        for (size_t k = 0; k < mm_value_len(first); k++)
            assert_close(seen.params[i].first[k], mm_value_f64(mm_list_get(first, k)),
                         seen.params[i].name);
        assert_close(seen.params[i].sum, mm_value_f64(mm_dict_get(one, "sum")),
                     seen.params[i].name);
        assert_close(seen.params[i].norm, mm_value_f64(mm_dict_get(one, "norm")),
                     seen.params[i].name);
    }
}

static void assert_training(const char *name, const char *model, const char *size)
{
    char *dir = parts_new_dir();
    char *text = mm_strfmt("SIZE = %s\n%swork_dir = '%s'\n%s", size, base, dir, model);
    mm_config *config = mm_config_from_string(text, ".py");
    mm_runner *runner = config == NULL ? NULL : mm_runner_new(config);
    int threads = mm_num_threads();

    if (golden == NULL)
        skip();
    assert_int_equal(mm_set_num_threads(1), MM_OK);
    if (runner != NULL)
        (void)mm_runner_train(runner);
    check_ok();
    assert_int_equal(mm_set_num_threads(threads), MM_OK);
    const mm_value *expected = mm_dict_get(golden, name);
    assert_initial(mm_dict_get(expected, "initial"));
    for (size_t i = 0; i < STEPS; i++)
        assert_close(seen.losses[i],
                     mm_value_f64(mm_list_get(mm_dict_get(expected, "losses"), i)),
                     "loss");
    mm_runner_free(runner);
    mm_config_unref(config);
    mm_free(text);
    parts_remove_dir(dir);
}

static void lenet5(void **state)
{
    (void)state;
    assert_training(
        "lenet5",
        "model = dict(type='ImageClassifier', data_preprocessor=preprocessor,\n"
        "    backbone=dict(type='LeNet5', num_classes=10), neck=None,\n"
        "    head=dict(type='ClsHead', loss=loss))\n",
        "32");
}

static void resnet18(void **state)
{
    (void)state;
    assert_training(
        "resnet18",
        "model = dict(type='ImageClassifier', data_preprocessor=preprocessor,\n"
        "    backbone=dict(type='ResNet', depth=18, in_channels=1,\n"
        "        num_stages=4, out_indices=(3, )),\n"
        "    neck=dict(type='GlobalAveragePooling'),\n"
        "    head=dict(type='LinearClsHead', num_classes=10,\n"
        "        in_channels=512, loss=loss))\n",
        "8");
}

static void mlp_with_dropout(void **state)
{
    (void)state;
    assert_training(
        "mlp",
        "model = dict(type='ImageClassifier', data_preprocessor=preprocessor,\n"
        "    backbone=dict(type='MLP', in_features=64, hidden_sizes=[256],\n"
        "        dropout=0.5),\n"
        "    head=dict(type='LinearClsHead', num_classes=10,\n"
        "        in_channels=256, loss=loss))\n",
        "8");
}

static void assert_stream(mm_tensor *got, const char *name)
{
    const mm_value *expected = mm_dict_get(mm_dict_get(golden, "streams"), name);
    mm_tensor *wide = mm_cast(got, MM_DTYPE_F64);
    const double *data = mm_data(wide, MM_DTYPE_F64);

    assert_int_equal(mm_numel(wide), mm_value_len(expected));
    for (size_t i = 0; i < mm_value_len(expected); i++)
        assert_close(data[i], mm_value_f64(mm_list_get(expected, i)), name);
}

static void random_streams(void **state)
{
    mm_scope scope = mm_scope_open();
    (void)state;

    if (golden == NULL)
        skip();
    assert_int_equal(mm_manual_seed(17), MM_OK);
    assert_stream(mm_rand(MM_DIMS(5)), "rand");
    assert_stream(mm_randn(MM_DIMS(20)), "randn");
    assert_stream(mm_randperm(10, NULL), "randperm");
    assert_stream(mm_normal_(mm_zeros(MM_DIMS(20)), 1.0, 2.0, NULL), "normal");
    assert_stream(mm_uniform_(mm_zeros(MM_DIMS(5)), -sqrt(2.0), sqrt(2.0), NULL),
                  "uniform");
    assert_true(mm_random_i64(NULL) ==
                mm_value_i64(mm_dict_get(mm_dict_get(golden, "streams"), "random")));
    assert_stream(mm_dropout(mm_ones(MM_DIMS(20)), 0.3, true), "dropout");
    check_ok();
    mm_scope_close(scope);
}

int test_training(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_streams),
        cmocka_unit_test(lenet5),
        cmocka_unit_test(mlp_with_dropout),
        cmocka_unit_test(resnet18),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
