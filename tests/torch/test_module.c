/* Trees of modules: names and orders, state dicts, modes, devices, copies, walks,
 * calls, and MMEngine's weight initialisation with its report. */
#include "nn_check.h"
#include "runner_parts.h"

#include "mmengine/log.h"
#include "mmengine/ops.h"

/* --- a module of the test's own --- */

struct pair {
    mm_module *left;
    mm_module *right;
    mm_tensor *scale;
    mm_tensor *offset;
    int64_t width;
    int mode_changes;
};

static mm_status pair_init(void *data)
{
    struct pair *pair = data;
    mm_module *module = mm_module_of(pair);

    pair->left = mm_module_add(module, "left", mm_nn_linear(3, pair->width));
    pair->scale = mm_module_add_param(module, "scale", mm_ones(MM_DIMS(pair->width)));
    mm_module_add_param(module, "absent", NULL);
    pair->right =
        mm_module_add(module, "right",
                      mm_nn_sequential(mm_nn_relu(), mm_nn_batch_norm1d(pair->width),
                                       mm_nn_linear(pair->width, 2, .no_bias = true)));
    pair->offset = mm_module_add_buffer(module, "offset", mm_zeros(MM_DIMS(1)), true);
    mm_module_add_buffer(module, "scratch", mm_zeros(MM_DIMS(4)), false);
    return mm_pending();
}

static mm_tensor *pair_forward(void *data, mm_tensor *x)
{
    const struct pair *pair = data;

    x = mm_mul(mm_module_forward(pair->left, x), pair->scale);
    return mm_add(mm_module_forward(pair->right, x), pair->offset);
}

static void pair_mode_changed(void *data, bool training)
{
    struct pair *pair = data;

    (void)training;
    pair->mode_changes++;
}

static mm_status pair_init_weights(void *data)
{
    const struct pair *pair = data;

    return mm_init_constant(pair->scale, 3.0);
}

static const mm_module_ops pair_ops = {
    .forward = pair_forward,
    .mode_changed = pair_mode_changed,
    .init_weights = pair_init_weights,
};

#define MM_OPT_STRUCT struct pair
static const mm_option pair_options[] = {
    {"width", "inner width", MM_OPT_I64(width, 4, 1, 100)},
    {0},
};
#undef MM_OPT_STRUCT

static const mm_component pair_component = {
    .registry = "models",
    .name = "Pair",
    .help = "two layers and a scale",
    .size = sizeof(struct pair),
    .options = pair_options,
    .init = pair_init,
    MM_MODULE(&pair_ops),
};

/* --- names and orders: those of torch.nn.Module --- */

struct names {
    const char *const *expected;
    size_t count;
};

static mm_status next_tensor(void *user, const char *name, mm_tensor *tensor,
                             mm_module *owner)
{
    struct names *names = user;

    assert_non_null(tensor);
    assert_non_null(owner);
    assert_string_equal(name, names->expected[names->count++]);
    return MM_OK;
}

static mm_status next_module(void *user, const char *name, mm_module *module)
{
    struct names *names = user;

    assert_non_null(module);
    assert_string_equal(name, names->expected[names->count++]);
    return MM_OK;
}

static void test_orders(void **state)
{
    (void)state;
    static const char *const params[] = {"scale",        "left.weight",
                                         "left.bias",    "right.1.weight",
                                         "right.1.bias", "right.2.weight"};
    static const char *const buffers[] = {"offset", "scratch", "right.1.running_mean",
                                          "right.1.running_var",
                                          "right.1.num_batches_tracked"};
    static const char *const modules[] = {"",        "left",    "right",
                                          "right.0", "right.1", "right.2"};
    static const char *const keys[] = {"scale",
                                       "offset",
                                       "left.weight",
                                       "left.bias",
                                       "right.1.weight",
                                       "right.1.bias",
                                       "right.1.running_mean",
                                       "right.1.running_var",
                                       "right.1.num_batches_tracked",
                                       "right.2.weight"};
    mm_module *pair = mm_module_new(&pair_component);
    struct names names = {params, 0};

    check_ok();
    assert_int_equal(mm_module_each_param(pair, next_tensor, &names), MM_OK);
    assert_int_equal(names.count, 6);
    names = (struct names){buffers, 0};
    assert_int_equal(mm_module_each_buffer(pair, false, next_tensor, &names), MM_OK);
    assert_int_equal(names.count, 5);
    names = (struct names){modules, 0};
    assert_int_equal(mm_module_each(pair, next_module, &names), MM_OK);
    assert_int_equal(names.count, 6);
    mm_value *dict = mm_module_state_dict(pair);

    assert_int_equal(mm_value_len(dict), 10);
    for (size_t i = 0; i < 10; i++) {
        assert_string_equal(mm_dict_name_at(dict, i), keys[i]);
    }
    mm_value_unref(dict);
    assert_int_equal(mm_module_num_params(pair, false), 4 + 12 + 4 + 4 + 4 + 8);
    mm_module_unref(pair);
}

static void test_finding(void **state)
{
    (void)state;
    mm_module *pair = mm_module_new(&pair_component);

    assert_ptr_equal(mm_module_find(pair, ""), pair);
    assert_string_equal(mm_module_type(mm_module_find(pair, "right.1")), "BatchNorm1d");
    assert_null(mm_module_find(pair, "right.7"));
    assert_null(mm_module_find(pair, "right.1.x"));
    assert_non_null(mm_module_find_tensor(pair, "right.1.running_mean"));
    assert_non_null(mm_module_find_tensor(pair, "scale"));
    assert_null(mm_module_find_tensor(pair, "absent"));
    assert_null(mm_module_find_tensor(pair, "left.weigth"));
    assert_int_equal(mm_module_num_children(pair), 2);
    assert_string_equal(mm_module_child_name(pair, 1), "right");
    assert_null(mm_module_child(pair, 2));
    check_error(MM_ERANGE);
    mm_module_unref(pair);
}

static void test_repr(void **state)
{
    (void)state;
    mm_module *pair = mm_module_new(&pair_component);
    mm_value *cfg =
        nn_json("{\"type\": \"Normal\", \"layer\": \"Linear\", \"std\": 0.01}");
    char *text = NULL;

    mm_module_set_init_cfg(pair, cfg);
    text = mm_module_repr(pair);
    assert_string_equal(
        text,
        "Pair(\n"
        "  (left): Linear(in_features=3, out_features=4, bias=True)\n"
        "  (right): Sequential(\n"
        "    (0): ReLU()\n"
        "    (1): BatchNorm1d(4, eps=1e-05, momentum=0.1, affine=True, bias=True, "
        "track_running_stats=True)\n"
        "    (2): Linear(in_features=4, out_features=2, bias=False)\n"
        "  )\n"
        ")\n"
        "init_cfg={'type': 'Normal', 'layer': 'Linear', 'std': 0.01}");
    mm_free(text);
    mm_value_unref(cfg);
    mm_module_unref(pair);
    mm_module *list =
        nn_build("{\"type\": \"ModuleList\", \"modules\": [{\"type\": "
                 "\"ReLU\"}, {\"type\": \"ReLU\"}, {\"type\": \"Tanh\"}]}");

    text = mm_module_repr(list);
    assert_string_equal(text, "ModuleList(\n  (0-1): 2 x ReLU()\n  (2): Tanh()\n)");
    mm_free(text);
    mm_module_unref(list);
}

/* --- taking and refusing --- */

static void test_names_must_be_free(void **state)
{
    (void)state;
    mm_module *pair = mm_module_new(&pair_component);
    mm_scope scope = mm_scope_open();

    assert_null(mm_module_add(pair, "scale", mm_nn_relu()));
    check_error(MM_EKEY);
    assert_null(mm_module_add(pair, "a.b", mm_nn_relu()));
    check_error(MM_EINVAL);
    assert_null(mm_module_add(pair, "x", NULL));
    check_error(MM_EINVAL);
    assert_null(mm_module_add_buffer(pair, "left", mm_zeros(MM_DIMS(1)), true));
    check_error(MM_EKEY);
    assert_int_not_equal(mm_module_replace(pair, "nothing", mm_nn_relu()), MM_OK);
    check_error(MM_EKEY);
    assert_int_equal(mm_module_replace(pair, "left", mm_nn_identity()), MM_OK);
    assert_string_equal(mm_module_type(mm_module_find(pair, "left")), "Identity");
    assert_string_equal(mm_module_child_name(pair, 0), "left");
    mm_scope_close(scope);
    mm_module_unref(pair);
}

static void test_errors_poison(void **state)
{
    (void)state;
    mm_raise(MM_EIO, "something went wrong before");
    assert_null(mm_nn_linear(2, 3));
    assert_null(mm_nn_sequential(mm_nn_linear(2, 3), mm_nn_relu()));
    check_error_text(MM_EIO, "something went wrong before");
    assert_null(mm_nn_sequential(mm_nn_linear(2, 3), mm_nn_layer("NoSuchLayer")));
    check_error(MM_EKEY);
}

/* --- calls --- */

static void test_calls(void **state)
{
    (void)state;
    mm_module *pair = mm_module_new(&pair_component);
    mm_scope scope = mm_scope_open();
    mm_tensor *x = mm_randn(MM_DIMS(5, 3));
    size_t before = mm_scope_size();
    mm_tensor *y = mm_module_forward(pair, x);

    check_ok();
    assert_int_equal(mm_scope_size(), before + 1); /* the result and nothing else */
    assert_int_equal(mm_size(y, 1), 2);
    mm_module_train(pair, false);
    mm_tensor *once = mm_module_forward(pair, x);
    mm_value *wrapped = mm_module_call1(pair, mm_scoped(mm_value_new_tensor(x)));

    assert_true(mm_tensor_equal(once, mm_value_tensor(wrapped)));
    mm_value *args = mm_scoped(mm_value_new_tuple());

    assert_null(mm_module_call(pair, args));
    check_error(MM_ETYPE);
    mm_module *list = nn_build("{\"type\": \"ModuleList\"}");

    assert_null(mm_module_forward(list, x));
    check_error(MM_EUNSUPPORTED);
    mm_module_unref(list);
    mm_scope_close(scope);
    mm_module_unref(pair);
}

/* Sequential keeps one intermediate result alive at a time. */
struct counter {
    int64_t most;
};

static mm_tensor *counter_forward(void *data, mm_tensor *x)
{
    struct counter *counter = data;
    int64_t live = mm_live_tensors();

    counter->most = live > counter->most ? live : counter->most;
    return mm_add_scalar(x, 1.0);
}

static const mm_module_ops counter_ops = {.forward = counter_forward};
static const mm_component counter_component = {
    .registry = "models",
    .name = "Counter",
    .help = "counts tensors",
    .size = sizeof(struct counter),
    MM_MODULE(&counter_ops),
};

static void test_sequential_lets_go(void **state)
{
    (void)state;
    mm_module *net = mm_nn_sequential_of(NULL, 0);
    mm_scope scope = mm_scope_open();
    mm_tensor *x = mm_zeros(MM_DIMS(2));
    int64_t live = mm_live_tensors();

    for (int i = 0; i < 20; i++) {
        mm_nn_append(net, mm_module_new(&counter_component));
    }
    mm_tensor *y = mm_module_forward(net, x);

    check_ok();
    assert_true(mm_item(mm_select(y, 0, 0)) == 20.0);
    const struct counter *last = mm_module_self(mm_module_child(net, 19));

    assert_true(last->most <= live + 1);
    mm_scope_close(scope);
    mm_module_unref(net);
}

/* --- modes --- */

static void test_modes(void **state)
{
    (void)state;
    mm_module *pair = mm_module_new(&pair_component);
    const struct pair *self = mm_module_self(pair);

    assert_true(mm_module_is_training(pair));
    mm_module_train(pair, false);
    assert_false(mm_module_is_training(pair));
    assert_false(mm_module_is_training(mm_module_find(pair, "right.1")));
    assert_int_equal(self->mode_changes, 1);
    assert_int_equal(mm_module_requires_grad(mm_module_find(pair, "left"), false),
                     MM_OK);
    assert_int_equal(mm_module_num_params(pair, true), 4 + 4 + 4 + 8);
    mm_module_unref(pair);
}

static void test_dtype_keeps_handles(void **state)
{
    (void)state;
    mm_module *pair = mm_module_new(&pair_component);
    mm_tensor *weight = mm_module_find_tensor(pair, "left.weight");
    mm_tensor *count = mm_module_find_tensor(pair, "right.1.num_batches_tracked");
    mm_scope scope = mm_scope_open();
    mm_tensor_info info;

    assert_int_equal(mm_module_to(pair, "cpu", MM_DTYPE_F64), MM_OK);
    assert_ptr_equal(mm_module_find_tensor(pair, "left.weight"), weight);
    assert_int_equal(mm_tensor_dtype(weight), MM_DTYPE_F64);
    assert_int_equal(mm_tensor_dtype(count), MM_DTYPE_I64);
    assert_int_equal(mm_tensor_info_get(weight, &info), MM_OK);
    assert_true(info.requires_grad && info.is_leaf);
    mm_tensor *y =
        mm_module_forward(pair, mm_ones(MM_DIMS(4, 3), .dtype = MM_DTYPE_F64));

    check_ok();
    assert_int_equal(mm_tensor_dtype(y), MM_DTYPE_F64);
    assert_int_equal(mm_backward(mm_sum(y)), MM_OK);
    assert_int_equal(mm_module_to(pair, NULL, MM_DTYPE_F32), MM_OK);
    assert_int_equal(mm_tensor_dtype(mm_grad_find(weight)), MM_DTYPE_F32);
    assert_int_not_equal(mm_module_to(pair, NULL, MM_DTYPE_I64), MM_OK);
    check_error(MM_EDTYPE);
    assert_string_equal(mm_module_device(pair), "cpu");
    mm_scope_close(scope);
    mm_module_unref(pair);
}

static void test_channels_last(void **state)
{
    (void)state;
    mm_module *conv = mm_nn_conv2d(3, 4, 3);
    mm_scope scope = mm_scope_open();
    bool recorded = mm_grad_mode_set(false);
    mm_tensor *x = mm_randn(MM_DIMS(1, 3, 5, 5));
    mm_tensor *before = mm_module_forward(conv, x);
    mm_tensor_info info;

    assert_int_equal(mm_module_channels_last(conv, true), MM_OK);
    mm_tensor_info_get(mm_module_find_tensor(conv, "weight"), &info);
    assert_int_equal(info.strides[1], 1);
    mm_tensor *gap = mm_amax(mm_abs(mm_sub(before, mm_module_forward(conv, x))));

    assert_true(mm_item(gap) < 1e-5);
    assert_int_equal(mm_module_channels_last(conv, false), MM_OK);
    mm_tensor_info_get(mm_module_find_tensor(conv, "weight"), &info);
    assert_true(info.is_contiguous);
    mm_grad_mode_set(recorded);
    mm_scope_close(scope);
    mm_module_unref(conv);
}

/* --- state dicts --- */

static void test_loading(void **state)
{
    (void)state;
    mm_manual_seed(1);
    mm_module *a = mm_module_new(&pair_component);
    mm_module *b = mm_module_new(&pair_component);
    mm_value *dict = mm_module_state_dict(a);
    mm_load_report report;
    mm_scope scope = mm_scope_open();

    assert_false(mm_tensor_equal(mm_module_find_tensor(a, "left.weight"),
                                 mm_module_find_tensor(b, "left.weight")));
    assert_int_equal(mm_module_load_state_dict(b, dict, true, &report), MM_OK);
    assert_int_equal(report.matched, 10);
    assert_int_equal(mm_value_len(report.missing), 0);
    mm_load_report_deinit(&report);
    assert_true(mm_tensor_equal(mm_module_find_tensor(a, "left.weight"),
                                mm_module_find_tensor(b, "left.weight")));
    mm_scope_close(scope);
    mm_value_unref(dict);
    mm_module_unref(a);
    mm_module_unref(b);
}

static void test_loading_what_does_not_fit(void **state)
{
    (void)state;
    mm_module *pair = mm_module_new(&pair_component);
    mm_value *dict = mm_module_state_dict(pair);
    mm_load_report report;
    mm_error error;
    mm_scope scope = mm_scope_open();

    mm_dict_remove(dict, "scale");
    mm_dict_remove(dict, "right.1.num_batches_tracked"); /* may be missing */
    mm_dict_put_tensor(dict, "extra", mm_zeros(MM_DIMS(1)));
    mm_dict_put_tensor(dict, "left.bias", mm_zeros(MM_DIMS(7)));
    mm_dict_put_tensor(dict, "left.weight", mm_ones(MM_DIMS(4, 3)));
    assert_int_equal(mm_module_load_state_dict(pair, dict, true, NULL), MM_EDATA);
    mm_error_take(&error);
    assert_string_equal(error.message,
                        "could not load weights into a Pair: 1 missing (scale); 1 "
                        "unexpected (extra); 1 of another size (left.bias: [7] in the "
                        "file, [4] in the module)");
    /* nothing was written */
    assert_true(mm_item(mm_sum(mm_module_find_tensor(pair, "left.weight"))) != 12.0);
    assert_int_equal(mm_module_load_state_dict(pair, dict, false, &report), MM_OK);
    assert_int_equal(report.matched, 7);
    assert_string_equal(mm_value_str(mm_list_get(report.missing, 0)), "scale");
    assert_string_equal(mm_value_str(mm_list_get(report.unexpected, 0)), "extra");
    assert_int_equal(mm_value_len(report.mismatched), 1);
    assert_true(mm_item(mm_sum(mm_module_find_tensor(pair, "left.weight"))) == 12.0);
    mm_load_report_deinit(&report);
    mm_dict_put_i64(dict, "scale", 3);
    assert_int_equal(mm_module_load_state_dict(pair, dict, false, NULL), MM_ETYPE);
    check_error(MM_ETYPE);
    mm_scope_close(scope);
    mm_value_unref(dict);
    mm_module_unref(pair);
}

/* --- copies --- */

static void test_copy(void **state)
{
    (void)state;
    mm_instance *instance = mm_instance_new(&pair_component);
    struct pair *fields = mm_instance_self(instance);

    fields->width = 6;
    mm_module *pair = mm_module_start(instance);
    mm_scope scope = mm_scope_open();

    mm_module_add(pair, "later", mm_nn_linear(2, 2));
    mm_module_replace(mm_module_find(pair, "right"), "0", mm_nn_tanh());
    mm_module_requires_grad(mm_module_find(pair, "later"), false);
    mm_module_train(pair, false);
    mm_module *copy = mm_module_copy(pair);

    check_ok();
    char *a = mm_module_repr(pair);
    char *b = mm_module_repr(copy);

    assert_string_equal(a, b);
    mm_free(a);
    mm_free(b);
    assert_false(mm_module_is_training(mm_module_find(copy, "right.1")));
    assert_int_equal(mm_module_num_params(copy, true),
                     mm_module_num_params(pair, true));
    mm_tensor *x = mm_ones(MM_DIMS(2, 3));

    assert_true(
        mm_tensor_equal(mm_module_forward(pair, x), mm_module_forward(copy, x)));
    assert_int_equal(mm_init_constant(mm_module_find_tensor(copy, "left.weight"), 9),
                     0);
    assert_false(mm_tensor_equal(mm_module_find_tensor(pair, "left.weight"),
                                 mm_module_find_tensor(copy, "left.weight")));
    mm_scope_close(scope);
    mm_module_unref(pair);
    mm_module_unref(copy);
}

/* A tensor under two names is one parameter, but both names are in the state dict. */
static void test_sharing(void **state)
{
    (void)state;
    mm_module *net = mm_nn_sequential(mm_nn_linear(3, 3), mm_nn_linear(3, 3));
    mm_module *first = mm_module_child(net, 0);

    mm_module_add(net, "again", mm_module_ref(first));
    assert_int_equal(mm_module_num_params(net, false), 24);
    mm_value *dict = mm_module_state_dict(net);

    assert_int_equal(mm_value_len(dict), 6);
    assert_true(mm_dict_has(dict, "again.weight"));
    mm_value_unref(dict);
    mm_module_unref(net);
}

/* --- weights --- */

struct init_check {
    const struct golden *golden;
    const char *name;
};

static mm_status check_init(void *user, const char *name, mm_tensor *tensor,
                            mm_module *owner)
{
    const struct init_check *check = user;
    char text[96];

    (void)owner;
    (void)snprintf(text, sizeof(text), "%s.%s", check->name, name);
    nn_golden(check->golden, tensor, 1e-5, text);
    return MM_OK;
}

struct net {
    int unused;
};

static mm_status net_init(void *data)
{
    mm_module *module = mm_module_of(data);

    mm_nn_append(module, mm_nn_conv2d(3, 4, 3));
    mm_nn_append(module, mm_nn_batch_norm2d(4));
    mm_nn_append(module, mm_nn_conv2d(4, 6, 3, .no_bias = true));
    mm_nn_append(module, mm_nn_group_norm(2, 6));
    mm_nn_append(module, mm_nn_linear(6, 5));
    return mm_pending();
}

static const mm_module_ops net_ops = {0};
static const mm_component net_component = {
    .registry = "models",
    .name = "Net",
    .help = "what initialisers are tried on",
    .size = sizeof(struct net),
    .init = net_init,
    MM_MODULE(&net_ops),
};

/* The log file's report, as MMEngine wrote it. */
static void check_report(const char *path, const char *expected)
{
    size_t size = 0;
    char *text = mm_file_read(path, &size);

    check_ok();
    const char *report = strstr(text, "Name of parameter");

    assert_non_null(report);
    assert_string_equal(report, expected);
    mm_free(text);
}

static void test_init_cfg(void **state)
{
    (void)state;
    mm_value *cases = nn_json_file("cases/nn/init_cfg.json");
    mm_value *infos = nn_json_file("golden/nn/init_info.json");
    struct golden golden = golden_open("golden/nn/init_cfg.bin");

    for (size_t i = 0; i < mm_value_len(cases); i++) {
        const mm_value *test = mm_list_get(cases, i);
        struct init_check check = {&golden, mm_value_str(mm_dict_get(test, "name"))};
        char *dir = parts_new_dir();
        char *path = mm_path_join(dir, "init.log");
        mm_logger *logger = mm_logger_new(&(const mm_logger_args){.file = path});
        mm_logger *former = mm_logger_set_current(logger);

        mm_manual_seed(GOLDEN_SEED);
        mm_module *net = mm_module_new(&net_component);

        mm_module_set_init_cfg(net, mm_dict_get(test, "init_cfg"));
        assert_int_equal(mm_module_init_weights(net), MM_OK);
        assert_int_equal(mm_module_each_param(net, check_init, &check), MM_OK);
        mm_logger_set_current(former);
        mm_logger_free(logger);
        check_report(path, mm_value_str(mm_dict_get(infos, check.name)));
        mm_free(path);
        parts_remove_dir(dir);
        mm_module_unref(net);
    }
    golden_close(&golden);
    mm_value_unref(cases);
    mm_value_unref(infos);
}

/* init_cfg, then children, then what the component adds; plain containers stop it; a
 * second call changes nothing. */
static void test_init_order(void **state)
{
    (void)state;
    mm_module *outer = mm_nn_sequential(mm_module_new(&pair_component));
    mm_value *cfg =
        nn_json("{\"type\": \"Constant\", \"layer\": \"Pair\", \"val\": 5}");
    mm_scope scope = mm_scope_open();

    mm_module_set_init_cfg(outer, cfg);
    assert_int_equal(mm_module_init_weights(outer), MM_OK);
    mm_tensor *scale = mm_module_find_tensor(outer, "0.scale");

    assert_true(mm_item(mm_sum(scale)) == 12.0);
    mm_init_constant(scale, 1.0);
    assert_int_equal(mm_module_init_weights(outer), MM_OK);
    assert_true(mm_item(mm_sum(scale)) == 4.0);
    mm_module_unref(outer);

    outer = mm_nn_plain(mm_nn_sequential(mm_module_new(&pair_component)));
    mm_module *root = mm_nn_sequential(outer);

    assert_int_equal(mm_module_init_weights(root), MM_OK);
    assert_true(mm_item(mm_sum(mm_module_find_tensor(root, "0.0.scale"))) == 4.0);
    mm_scope_close(scope);
    mm_value_unref(cfg);
    mm_module_unref(root);
}

static void test_init_faults(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{\"type\": \"Nomral\", \"layer\": \"Linear\"}",
        "{\"type\": \"Normal\", \"layer\": \"Linear\", \"sdt\": 1}",
        "{\"type\": \"Xavier\", \"layer\": [\"BatchNorm2d\"]}",
        "{\"type\": \"Kaiming\", \"layer\": \"Linear\", \"nonlinearity\": \"what\"}",
        "{\"type\": \"Constant\", \"val\": 1, \"override\": {\"name\": \"9\"}}",
        "{\"type\": \"Constant\", \"val\": 1, \"override\": {\"val\": 2}}",
        ("{\"type\": \"Constant\", \"val\": 1, \"override\": {\"name\": \"0\","
         "\"val\": 2}}"),
        "{\"type\": \"Constant\", \"val\": 1, \"override\": 3}",
        "[3]",
        "{\"type\": \"Pretrained\", \"checkpoint\": \"no/such/file.pth\"}",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        mm_module *net = mm_module_new(&net_component);
        mm_value *cfg = nn_json(bad[i]);

        mm_module_set_init_cfg(net, cfg);
        if (mm_module_init_weights(net) == MM_OK) {
            fail_msg("was accepted: %s", bad[i]);
        }
        assert_true(mm_error_take(NULL) < 0);
        mm_value_unref(cfg);
        mm_module_unref(net);
    }
}

/* The module built from a config takes the config's init_cfg, None included. */
static void test_default_init_cfg(void **state)
{
    (void)state;
    mm_module *head = nn_build("{\"type\": \"LinearClsHead\", \"num_classes\": 2,"
                               "\"in_channels\": 3}");

    assert_true(mm_value_kind(mm_module_init_cfg(head)) == MM_KIND_DICT);
    mm_module_unref(head);
    head = nn_build("{\"type\": \"LinearClsHead\", \"num_classes\": 2,"
                    "\"in_channels\": 3, \"init_cfg\": null}");
    assert_null(mm_module_init_cfg(head));
    mm_module_unref(head);
    head =
        nn_build("{\"type\": \"LinearClsHead\", \"num_classes\": 2, \"in_channels\": 3,"
                 "\"init_cfg\": {\"type\": \"Constant\", \"layer\": \"Linear\","
                 "\"val\": 4}}");
    mm_module_init_weights(head);
    mm_scope scope = mm_scope_open();

    assert_true(mm_item(mm_sum(mm_module_find_tensor(head, "fc.weight"))) == 24.0);
    mm_scope_close(scope);
    mm_module_unref(head);
}

/* --- around calls --- */

struct look {
    const char *name;
    char *log; /* appended to */
    bool halves;
    int released;
};

static void note(char *log, const char *letter)
{
    size_t size = strlen(log);

    assert_true(size < 60);
    log[size] = letter[0];
    log[size + 1] = '\0';
}

static mm_value *look_around(void *user, mm_module *module, mm_inside inside,
                             mm_value *args)
{
    struct look *look = user;

    note(look->log, look->name);
    mm_value *result = mm_module_proceed(inside, module, args);

    note(look->log, inside.is_forward ? "f" : "c");
    note(look->log, look->name);
    if (!look->halves)
        return result;
    return mm_scoped(
        mm_value_new_tensor(mm_mul_scalar(mm_value_find_tensor(result), 0.5)));
}

static void count_release(void *user)
{
    struct look *look = user;

    look->released++;
}

static void test_wraps(void **state)
{
    (void)state;
    char log[64] = "";
    struct look inner = {"i", log, false, 0}, outer = {"o", log, true, 0};
    mm_module *layers = mm_nn_sequential(mm_nn_relu(), mm_nn_dropout(0.5));
    mm_module *relu = mm_module_child(layers, 0);
    mm_scope scope = mm_scope_open();
    mm_tensor *x = mm_ones(MM_DIMS(2));
    mm_value *value = mm_scoped(mm_value_new_tensor(x));

    mm_module_train(layers, false);
    assert_int_equal(mm_module_wrap(relu, look_around, &inner, count_release), MM_OK);
    assert_int_equal(mm_module_wrap(relu, look_around, &outer, count_release), MM_OK);
    assert_true(mm_item(mm_sum(mm_module_forward(relu, x))) == 1.0);
    assert_string_equal(log, "oififo");
    log[0] = '\0';
    assert_true(mm_item(mm_sum(mm_module_forward(layers, x))) == 1.0);
    assert_string_equal(log, "oififo");
    log[0] = '\0';
    mm_value *result = mm_module_call1(relu, value);
    assert_true(mm_item(mm_sum(mm_value_tensor(result))) == 1.0);
    assert_string_equal(log, "oicico");
    assert_false(mm_module_unwrap(layers, look_around, &inner));
    assert_true(mm_module_unwrap(relu, look_around, &outer));
    assert_int_equal(outer.released, 1);
    assert_false(mm_module_unwrap(relu, look_around, &outer));
    log[0] = '\0';
    mm_module *copy = mm_module_copy(layers);
    assert_true(mm_item(mm_sum(mm_module_forward(copy, x))) == 2.0);
    assert_string_equal(log, "");
    assert_int_equal(mm_module_wrap(relu, NULL, &inner, count_release), MM_EINVAL);
    check_error(MM_EINVAL);
    assert_int_equal(inner.released, 1);
    mm_scope_close(scope);
    mm_module_unref(copy);
    mm_module_unref(layers);
    assert_int_equal(inner.released, 2);
}

#define TEST(function) cmocka_unit_test_teardown((function), nn_tear_down)

int test_module(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_orders),
        TEST(test_finding),
        TEST(test_repr),
        TEST(test_names_must_be_free),
        TEST(test_errors_poison),
        TEST(test_calls),
        TEST(test_sequential_lets_go),
        TEST(test_modes),
        TEST(test_dtype_keeps_handles),
        TEST(test_channels_last),
        TEST(test_loading),
        TEST(test_loading_what_does_not_fit),
        TEST(test_copy),
        TEST(test_sharing),
        TEST(test_init_cfg),
        TEST(test_init_order),
        TEST(test_init_faults),
        TEST(test_default_init_cfg),
        TEST(test_wraps),
    };

    return cmocka_run_group_tests(tests, nn_set_up, NULL);
}
