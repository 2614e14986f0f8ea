/* Optimizers as objects: steps in both numerics against torch.optim, state dicts in
 * PyTorch's layout, resuming from files that PyTorch wrote. */
#include "optim_support.h"

#include "mmengine/pth.h"

enum { STEPS = 6 };

static struct support_counts at_start;

static int set_up_test(void **state)
{
    (void)state;
    at_start = support_count();
    return 0;
}

static int check_nothing_left(void **state)
{
    struct support_counts now = support_count();

    (void)state;
    check_ok();
    assert_int_equal(now.values, at_start.values);
    assert_int_equal(now.instances, at_start.instances);
    assert_int_equal(now.blocks, at_start.blocks);
    assert_int_equal(now.tensors, at_start.tensors);
    assert_false(mm_scope_is_open());
    return 0;
}

/* The config of a golden case. */
static mm_value *config_of(const struct golden *golden, const char *family, size_t i)
{
    mm_value *config = mm_value_new_dict();
    bool is_sgd = strcmp(family, "sgd") == 0;
    static const char *const sgd_keys[] = {"momentum", "dampening", "weight_decay"};

#define OPTION(k) golden_f64(golden, (k), "%s/%zu/options", family, i)
    mm_dict_put_f64(config, "lr", golden_f64(golden, 0, "%s/%zu/lr", family, i));
    if (is_sgd) {
        mm_dict_put_str(config, "type", "SGD");
        for (size_t k = 0; k < 3; k++) {
            mm_dict_put_f64(config, sgd_keys[k], OPTION(k));
        }
        mm_dict_put_bool(config, "nesterov", OPTION(3) != 0.0);
        mm_dict_put_bool(config, "maximize", OPTION(4) != 0.0);
        return config;
    }
    mm_value *betas = mm_value_new_list();

    mm_dict_put_str(config, "type", OPTION(6) != 0.0 ? "AdamW" : "Adam");
    mm_list_push(betas, mm_value_new_f64(OPTION(0)));
    mm_list_push(betas, mm_value_new_f64(OPTION(1)));
    mm_dict_take(config, "betas", betas);
    mm_dict_put_f64(config, "eps", OPTION(2));
    mm_dict_put_f64(config, "weight_decay", OPTION(3));
    mm_dict_put_bool(config, "amsgrad", OPTION(4) != 0.0);
    mm_dict_put_bool(config, "maximize", OPTION(5) != 0.0);
#undef OPTION
    return config;
}

static void step_case(const struct golden *golden, const char *family, size_t i,
                      mm_numerics numerics, bool sqrt_is_golden)
{
    size_t count = 0;
    float *start = golden_f32(golden, &count, "%s/%zu/param", family, i);
    float *grads = golden_f32(golden, NULL, "%s/%zu/grads", family, i);
    bool is_sgd = strcmp(family, "sgd") == 0;
    bool is_fast = numerics == MM_NUMERICS_FAST;
    float *want = golden_f32(golden, NULL, "%s/%zu/%s", family, i,
                             is_fast && !is_sgd ? "exact" : "torch");
    mm_value *config = config_of(golden, family, i);
    mm_tensor *leaf = support_leaf(start, count);
    mm_optimizer *optimizer = support_optimizer(config, &leaf, 1);

    mm_optimizer_set_numerics(optimizer, numerics);
    for (size_t step = 0; step < STEPS; step++) {
        double lr = golden_f64(golden, step, "%s/%zu/lr", family, i);

        mm_param_groups_put_f64(mm_optimizer_groups(optimizer), 0, "lr", lr);
        support_set_grad(leaf, grads + step * count);
        mm_optimizer_step(optimizer);
        check_ok();
        if (is_sgd || is_fast || sqrt_is_golden) {
            support_same(support_data(leaf), want + step * count, count, family, i);
        } else {
            support_near(support_data(leaf), want + step * count, count, 4e-6 * lr,
                         family, i);
        }
    }
    mm_optimizer_unref(optimizer);
    mm_tensor_unref(leaf);
    mm_value_unref(config);
    free(want);
    free(grads);
    free(start);
}

static void steps_are_torchs(mm_numerics numerics)
{
    struct golden golden = support_golden("steps");
    struct golden wrapper = support_golden("wrapper");
    bool sqrt_is_golden = support_sqrt_is_golden(&wrapper);
    static const char *const families[] = {"sgd", "adam", "adamw"};

    for (size_t f = 0; f < 3; f++) {
        size_t cases = (size_t)golden_f64(&golden, 0, "%s/cases", families[f]);

        for (size_t i = 0; i < cases; i++) {
            step_case(&golden, families[f], i, numerics, sqrt_is_golden);
        }
    }
    golden_close(&wrapper);
    golden_close(&golden);
}

static void fast_steps_are_torchs(void **state)
{
    (void)state;
    steps_are_torchs(MM_NUMERICS_FAST);
}

static void reference_steps_are_torchs(void **state)
{
    (void)state;
    steps_are_torchs(MM_NUMERICS_REFERENCE);
}

/* Tensors as {"tensor": sizes}, tuples as lists, keys as text: as the golden JSON. */
static mm_value *plain(const mm_value *value)
{
    mm_tensor *tensor = mm_value_find_tensor(value);
    mm_kind kind = mm_value_kind(value);

    if (tensor != NULL) {
        mm_value *sizes = mm_value_new_list();
        mm_value *dict = mm_value_new_dict();

        for (int i = 0; i < mm_ndim(tensor); i++) {
            mm_list_push(sizes, mm_value_new_i64(mm_size(tensor, i)));
        }
        mm_dict_take(dict, "tensor", sizes);
        return dict;
    }
    if (kind == MM_KIND_LIST || kind == MM_KIND_TUPLE) {
        mm_value *list = mm_value_new_list();

        for (size_t i = 0; i < mm_value_len(value); i++) {
            mm_list_push(list, plain(mm_list_get(value, i)));
        }
        return list;
    }
    if (kind != MM_KIND_DICT) {
        return mm_value_copy(value);
    }
    mm_value *dict = mm_value_new_dict();

    for (size_t i = 0; i < mm_value_len(value); i++) {
        char number[32];
        const char *key = mm_dict_name_at(value, i);

        if (key == NULL) {
            snprintf(number, sizeof number, "%lld",
                     (long long)mm_value_i64(mm_dict_key_at(value, i)));
            key = number;
        }
        mm_dict_take(dict, key, plain(mm_dict_at(value, i)));
    }
    return dict;
}

/* Equal, with the keys of all dicts in one order and ints being ints: by their text. */
static void check_same_value(const mm_value *got, const mm_value *want)
{
    mm_value *got_plain = plain(got);
    mm_value *want_plain = plain(want);
    char *got_text = mm_value_repr(got_plain);
    char *want_text = mm_value_repr(want_plain);

    assert_string_equal(got_text, want_text);
    mm_free(want_text);
    mm_free(got_text);
    mm_value_unref(want_plain);
    mm_value_unref(got_plain);
}

static mm_optim_wrapper *wrapper_of(const mm_value *spec, mm_tensor *const *leaves)
{
    mm_value *config = mm_value_copy(mm_dict_get(spec, "options"));

    mm_dict_put(config, "type", mm_dict_get(spec, "optimizer"));
    mm_instance *instance = support_build("optimizers", config);
    mm_param_groups *groups = mm_optimizer_new_groups(instance);
    mm_value *second = support_json("{\"lr\": 0.5, \"tag\": 3}");

    mm_param_groups_add(groups, NULL);
    mm_param_groups_add_param(groups, "a", leaves[0]);
    mm_param_groups_add_param(groups, "b", leaves[1]);
    mm_param_groups_add(groups, second);
    mm_param_groups_add_param(groups, "c", leaves[2]);
    mm_optimizer *optimizer = mm_optimizer_new(instance, groups);
    mm_optim_wrapper *wrapper = mm_optim_wrapper_new(NULL, optimizer);

    check_ok();
    mm_optimizer_unref(optimizer);
    mm_value_unref(second);
    mm_param_groups_unref(groups);
    mm_instance_unref(instance);
    mm_value_unref(config);
    return wrapper;
}

static void make_leaves(mm_tensor **leaves)
{
    static const int64_t sizes[3][2] = {{2, 3}, {4, 0}, {1, 0}};
    mm_scope scope = mm_scope_open();

    for (size_t i = 0; i < 3; i++) {
        leaves[i] = mm_keep(mm_zeros(MM_DIMS_N(sizes[i], i == 0 ? 2 : 1)));
        mm_set_requires_grad(leaves[i], true);
    }
    mm_scope_close(scope);
    check_ok();
}

static void check_layout(const mm_value *spec, mm_numerics numerics)
{
    mm_tensor *leaves[3];

    make_leaves(leaves);
    mm_optim_wrapper *wrapper = wrapper_of(spec, leaves);
    mm_value *empty = mm_optim_wrapper_state_dict(wrapper);
    mm_scope scope = mm_scope_open();

    mm_optim_wrapper_set_numerics(wrapper, numerics);
    check_same_value(empty, mm_dict_get(spec, "empty"));
    mm_set_grad(leaves[0], mm_ones_like(leaves[0]));
    mm_set_grad(leaves[2], mm_ones_like(leaves[2]));
    mm_optim_wrapper_step(wrapper);
    mm_scope_close(scope);
    mm_value *full = mm_optim_wrapper_state_dict(wrapper);
    mm_value *rates = mm_optim_wrapper_get_lr(wrapper);
    mm_value *momenta = mm_optim_wrapper_get_momentum(wrapper);

    check_ok();
    check_same_value(full, mm_dict_get(spec, "state"));
    check_same_value(rates, mm_dict_get(spec, "lr"));
    check_same_value(momenta, mm_dict_get(spec, "momentum"));
    mm_value_unref(momenta);
    mm_value_unref(rates);
    mm_value_unref(full);
    mm_value_unref(empty);
    mm_optim_wrapper_unref(wrapper);
    for (size_t i = 0; i < 3; i++) {
        mm_tensor_unref(leaves[i]);
    }
}

static void state_dicts_are_pytorchs(void **state)
{
    mm_value *golden = support_json_file("golden/optim/states.json");
    const mm_value *cases = mm_dict_get(golden, "states");

    (void)state;
    assert_int_equal(mm_value_len(cases), 6);
    for (size_t i = 0; i < mm_value_len(cases); i++) {
        check_layout(mm_list_get(cases, i), MM_NUMERICS_FAST);
        check_layout(mm_list_get(cases, i), MM_NUMERICS_REFERENCE);
    }
    mm_value_unref(golden);
}

enum { FIRST = 37, SECOND = 5, BOTH = FIRST + SECOND };

static mm_value *make_tensor(void *user, const mm_pth_tensor *tensor)
{
    const char *bytes = mm_pth_storage_data(tensor->storage);
    size_t offset = (size_t)tensor->offset * mm_dtype_size(tensor->dtype);

    (void)user;
    return bytes == NULL
               ? NULL
               : mm_value_new_tensor(mm_from_data(bytes + offset, tensor->dtype,
                                                  tensor->ndim, tensor->sizes));
}

/* torch saved after three steps; ours loads that and takes the other three. */
static void resume(const char *name, mm_numerics numerics)
{
    struct golden golden = support_golden("wrapper");
    char path[64];
    float *weights = golden_f32(&golden, NULL, "resume/%s/weights", name);
    float *inputs = golden_f32(&golden, NULL, "resume/%s/inputs", name);
    float *after = golden_f32(&golden, NULL, "resume/%s/after", name);
    bool is_exact = strcmp(name, "SGD") == 0 || (numerics == MM_NUMERICS_REFERENCE &&
                                                 support_sqrt_is_golden(&golden));
    mm_tensor *leaves[2] = {support_leaf(weights, FIRST),
                            support_leaf(weights + FIRST, SECOND)};
    mm_value *config = mm_value_new_dict();
    mm_scope scope = mm_scope_open();

    mm_dict_put_str(config, "type", name);
    mm_dict_put_f64(config, "lr", 77.0); /* the file's is taken */
    mm_optimizer *optimizer = support_optimizer(config, leaves, 2);

    snprintf(path, sizeof path, "golden/optim/%s.pth", name);
    mm_value *saved =
        mm_pth_read(&(mm_pth_read_args){.path = path, .make = make_tensor});

    check_ok();
    mm_optimizer_set_numerics(optimizer, numerics);
    assert_int_equal(mm_optimizer_load_state_dict(optimizer, saved), MM_OK);
    for (size_t step = 3; step < 6; step++) {
        mm_optimizer_zero_grad(optimizer, true);
        mm_backward(support_loss(leaves, inputs + step * BOTH));
        mm_optimizer_step(optimizer);
    }
    check_ok();
    for (size_t i = 0; i < 2; i++) {
        const float *want = after + i * FIRST;
        size_t count = i == 0 ? FIRST : SECOND;

        if (is_exact) {
            support_same(support_data(leaves[i]), want, count, name, i);
        } else {
            support_near(support_data(leaves[i]), want, count, 1e-8, name, i);
        }
        mm_tensor_unref(leaves[i]);
    }
    mm_scope_close(scope);
    mm_optimizer_unref(optimizer);
    mm_value_unref(saved);
    mm_value_unref(config);
    free(after);
    free(inputs);
    free(weights);
    golden_close(&golden);
}

/* The bits depend on the instruction set that made the files. */
static void pytorchs_files_resume(void **state)
{
    static const char *const names[] = {"SGD", "Adam", "AdamW"};

    (void)state;
    if (strstr(mm_torch_build_flags(), "capability usage: AVX") == NULL) {
        skip();
    }
    for (size_t i = 0; i < 3; i++) {
        resume(names[i], MM_NUMERICS_FAST);
        resume(names[i], MM_NUMERICS_REFERENCE);
    }
}

static mm_value *adam_config(void)
{
    return support_json("{\"type\": \"AdamW\", \"lr\": 0.01, \"amsgrad\": true}");
}

/* Save, load into a fresh optimizer, go on: the same bits as without. */
static void own_states_resume(void **state)
{
    float start[FIRST];
    float grad[FIRST];

    (void)state;
    for (size_t i = 0; i < FIRST; i++) {
        start[i] = (float)i / 7.0F - 2.0F;
        grad[i] = cosf((float)i);
    }
    mm_value *config = adam_config();
    mm_tensor *leaf = support_leaf(start, FIRST);
    mm_optimizer *first = support_optimizer(config, &leaf, 1);

    for (int step = 0; step < 3; step++) {
        support_set_grad(leaf, grad);
        mm_optimizer_step(first);
    }
    mm_value *saved = mm_optimizer_state_dict(first);
    mm_tensor *copy = support_leaf(support_data(leaf), FIRST);
    mm_optimizer *second = support_optimizer(config, &copy, 1);

    assert_int_equal(mm_optimizer_load_state_dict(second, saved), MM_OK);
    for (int step = 0; step < 3; step++) { /* in turn: no memory is shared */
        support_set_grad(leaf, grad);
        support_set_grad(copy, grad);
        mm_optimizer_step(first);
        mm_optimizer_step(second);
    }
    support_same(support_data(copy), support_data(leaf), FIRST, "own state", 0);
    mm_value_unref(saved);
    mm_optimizer_unref(second);
    mm_optimizer_unref(first);
    mm_tensor_unref(copy);
    mm_tensor_unref(leaf);
    mm_value_unref(config);
}

/* Parameters the kernels cannot reach: double, and a gradient laid out otherwise. Both
 * numerics must agree, and the plain neighbour must not suffer. */
static void odd_parameters_are_stepped(void **state)
{
    mm_value *config = support_json("{\"type\": \"SGD\", \"lr\": 0.1, \"momentum\": "
                                    "0.9, \"weight_decay\": 0.01}");

    (void)state;
    mm_tensor *results[2][3];

    for (int numerics = 0; numerics < 2; numerics++) {
        mm_tensor **leaves = results[numerics];
        mm_scope scope = mm_scope_open();

        mm_manual_seed(3);
        leaves[0] = mm_keep(mm_randn(MM_DIMS(3, 4)));
        leaves[1] = mm_keep(mm_randn(MM_DIMS(5), .dtype = MM_DTYPE_F64));
        leaves[2] = mm_keep(mm_randn(MM_DIMS(7)));
        for (size_t i = 0; i < 3; i++) {
            mm_set_requires_grad(leaves[i], true);
        }
        mm_optimizer *optimizer = support_optimizer(config, leaves, 3);

        mm_optimizer_set_numerics(optimizer, (mm_numerics)numerics);
        for (int step = 0; step < 3; step++) {
            mm_tensor *turned = mm_transpose(mm_randn(MM_DIMS(4, 3)), 0, 1);
            mm_tensor *wide = mm_randn(MM_DIMS(5), .dtype = MM_DTYPE_F64);
            mm_tensor *usual = mm_randn(MM_DIMS(7));

            mm_set_grad(leaves[0], turned);
            mm_set_grad(leaves[1], wide);
            mm_set_grad(leaves[2], usual);
            mm_optimizer_step(optimizer);
        }
        check_ok();
        mm_optimizer_unref(optimizer);
        mm_scope_close(scope);
    }
    for (size_t i = 0; i < 3; i++) {
        assert_true(mm_tensor_equal(results[0][i], results[1][i]));
        mm_tensor_unref(results[0][i]);
        mm_tensor_unref(results[1][i]);
    }
    mm_value_unref(config);
}

/* A parameter is laid out anew between two steps, as channels-last conversion does. */
static void states_follow_the_layout(void **state)
{
    mm_value *config = adam_config();
    mm_tensor *results[2];

    (void)state;
    for (int turned = 0; turned < 2; turned++) {
        mm_scope scope = mm_scope_open();

        mm_manual_seed(5);
        mm_tensor *leaf = mm_keep(mm_randn(MM_DIMS(2, 3, 4, 5)));

        mm_set_requires_grad(leaf, true);
        mm_optimizer *optimizer = support_optimizer(config, &leaf, 1);

        for (int step = 0; step < 4; step++) {
            mm_tensor *grad = mm_randn(MM_DIMS(2, 3, 4, 5));

            if (turned == 1 && step == 2) {
                mm_set_grad(leaf, NULL);
                mm_set_data_(leaf,
                             mm_contiguous(mm_detach(leaf), MM_FORMAT_CHANNELS_LAST));
            }
            if (turned == 1 && step >= 2) {
                grad = mm_contiguous(grad, MM_FORMAT_CHANNELS_LAST);
            }
            mm_set_grad(leaf, grad);
            mm_optimizer_step(optimizer);
        }
        check_ok();
        mm_optimizer_unref(optimizer);
        results[turned] = leaf;
        mm_scope_close(scope);
    }
    assert_true(mm_tensor_equal(results[0], results[1]));
    mm_tensor_unref(results[0]);
    mm_tensor_unref(results[1]);
    mm_value_unref(config);
}

/* Autograd must notice that the kernels changed a weight it still needs. */
static void steps_are_seen_by_autograd(void **state)
{
    const float start[3] = {1.0F, 2.0F, 3.0F};
    mm_value *config = support_json("{\"type\": \"SGD\", \"lr\": 0.1}");
    mm_tensor *leaf = support_leaf(start, 3);
    mm_optimizer *optimizer = support_optimizer(config, &leaf, 1);
    mm_scope scope = mm_scope_open();
    mm_tensor *loss = mm_sum(mm_mul(leaf, leaf)); /* its backward reads the leaf */

    (void)state;
    support_set_grad(leaf, start);
    mm_optimizer_step(optimizer);
    check_ok();
    assert_int_equal(mm_backward(loss), MM_ETORCH);
    check_error(MM_ETORCH);
    mm_scope_close(scope);
    mm_optimizer_unref(optimizer);
    mm_tensor_unref(leaf);
    mm_value_unref(config);
}

static void expect_load_error(mm_optimizer *optimizer, const char *json)
{
    mm_value *saved = support_json(json);
    mm_error error;

    mm_optimizer_load_state_dict(optimizer, saved);
    assert_true(mm_error_take(&error) < 0);
    mm_value_unref(saved);
}

static void damaged_states_are_refused(void **state)
{
    const float start[3] = {1.0F, 2.0F, 3.0F};
    mm_value *config = adam_config();
    mm_tensor *leaf = support_leaf(start, 3);
    mm_optimizer *optimizer = support_optimizer(config, &leaf, 1);

    (void)state;
    expect_load_error(optimizer, "{}");
    expect_load_error(optimizer, "{\"state\": {}, \"param_groups\": []}");
    expect_load_error(optimizer, "{\"state\": {}, \"param_groups\": [{\"lr\": 1, "
                                 "\"params\": [0, 1]}]}");
    expect_load_error(optimizer, "{\"state\": {}, \"param_groups\": [{\"lr\": -1.0, "
                                 "\"params\": [0]}]}");
    mm_optimizer_unref(optimizer);
    mm_tensor_unref(leaf);
    mm_value_unref(config);
}

static void expect_build_error(const char *json)
{
    mm_value *config = support_json(json);
    mm_instance *instance =
        mm_build(&(mm_build_args){.registry = "optimizers", .config = config});

    if (instance != NULL) {
        fail_msg("accepted: %s", json);
    }
    assert_true(mm_error_take(NULL) < 0);
    mm_value_unref(config);
}

static void wrong_options_are_refused(void **state)
{
    (void)state;
    expect_build_error("{\"type\": \"SGD\", \"lr\": -0.1}");
    expect_build_error("{\"type\": \"SGD\", \"lr\": 0.1, \"momentun\": 0.9}");
    expect_build_error("{\"type\": \"SGD\", \"differentiable\": true}");
    expect_build_error("{\"type\": \"SGD\", \"nesterov\": true}");
    expect_build_error("{\"type\": \"Adam\", \"betas\": [0.9, 1.0]}");
    expect_build_error("{\"type\": \"Adam\", \"betas\": [0.9]}");
    mm_value *config = support_json("{\"type\": \"SGD\"}");
    mm_value *nesterov = support_json("{\"nesterov\": true}");
    const float start[1] = {0.0F};
    mm_tensor *leaf = support_leaf(start, 1);
    mm_instance *instance = support_build("optimizers", config);
    mm_param_groups *groups = mm_optimizer_new_groups(instance);

    mm_param_groups_add(groups, nesterov);
    assert_null(mm_optimizer_new(instance, groups)); /* no parameters */
    check_error(MM_EINVAL);
    mm_param_groups_add_param(groups, "w", leaf);
    assert_null(mm_optimizer_new(instance, groups)); /* nesterov without momentum */
    check_error(MM_ECONFIG);
    mm_param_groups_add_param(groups, "again", leaf);
    check_error_text(MM_EINVAL, "parameter 'again' is in the groups already, as 'w'");
    mm_param_groups_unref(groups);
    mm_instance_unref(instance);
    mm_tensor_unref(leaf);
    mm_value_unref(nesterov);
    mm_value_unref(config);
}

/* An optimizer of a plugin: the least there is to write. */
struct sign_descent {
    double lr;
};

static mm_value *sign_defaults(void *self)
{
    mm_value *defaults = mm_value_new_dict();

    mm_dict_put_f64(defaults, "lr", ((struct sign_descent *)self)->lr);
    return defaults;
}

static mm_status sign_step(void *self, mm_optimizer *optimizer, size_t index)
{
    mm_param_groups *groups = mm_optimizer_groups(optimizer);
    mm_tensor *param = mm_param_groups_param(groups, index);
    double lr =
        mm_param_groups_f64(groups, mm_param_groups_group_of(groups, index), "lr");
    mm_value *state = mm_optimizer_state(optimizer, index);

    (void)self;
    mm_dict_put_i64(state, "seen", 1);
    mm_add_scaled_(param, mm_sign(mm_grad_find(param)), -lr);
    return mm_pending();
}

static void own_optimizers_work(void **state)
{
    static const mm_optimizer_ops ops = {.defaults = sign_defaults,
                                         .step_param = sign_step};
#define MM_OPT_STRUCT struct sign_descent
    static const mm_option options[] = {
        {"lr", "learning rate", MM_OPT_F64(lr, 0.5, 0.0, 1.0)},
        {0},
    };
#undef MM_OPT_STRUCT
    static const mm_component component = {.registry = "optimizers",
                                           .name = "SignDescent",
                                           .help = "for a test",
                                           .size = sizeof(struct sign_descent),
                                           .options = options,
                                           MM_OPTIMIZER(&ops)};
    const float start[3] = {1.0F, 2.0F, 3.0F};
    const float grad[3] = {-7.0F, 0.0F, 0.1F};
    mm_tensor *leaves[2] = {support_leaf(start, 3), support_leaf(start, 3)};
    mm_instance *instance = mm_instance_new(&component);

    (void)state;
    assert_int_equal(mm_instance_start(instance), MM_OK);
    mm_param_groups *groups = mm_optimizer_new_groups(instance);

    mm_param_groups_add(groups, NULL);
    mm_param_groups_add_param(groups, "a", leaves[0]);
    mm_param_groups_add_param(groups, "b", leaves[1]);
    mm_optimizer *optimizer = mm_optimizer_new(instance, groups);

    support_set_grad(leaves[0], grad);
    mm_optimizer_step(optimizer);
    check_ok();
    const float *stepped = support_data(leaves[0]);

    assert_true(stepped[0] == 1.5F && stepped[1] == 2.0F && stepped[2] == 2.5F);
    assert_true(support_data(leaves[1])[0] == 1.0F); /* no gradient: left alone */
    assert_true(mm_grad_mode());
    mm_optimizer_unref(optimizer);
    mm_param_groups_unref(groups);
    mm_instance_unref(instance);
    mm_tensor_unref(leaves[0]);
    mm_tensor_unref(leaves[1]);
}

static void gradients_are_dropped_or_zeroed(void **state)
{
    const float start[3] = {1.0F, 2.0F, 3.0F};
    mm_value *config = support_json("{\"type\": \"SGD\"}");
    mm_tensor *leaf = support_leaf(start, 3);
    mm_optimizer *optimizer = support_optimizer(config, &leaf, 1);

    (void)state;
    support_set_grad(leaf, start);
    mm_optimizer_zero_grad(optimizer, false);
    assert_non_null(mm_grad_find(leaf));
    assert_true(support_data(mm_grad_find(leaf))[2] == 0.0F);
    mm_optimizer_zero_grad(optimizer, true);
    assert_null(mm_grad_find(leaf));
    mm_optimizer_step(optimizer); /* nothing to do */
    assert_true(support_data(leaf)[2] == 3.0F);
    mm_optimizer_unref(optimizer);
    mm_tensor_unref(leaf);
    mm_value_unref(config);
}

static int set_up_group(void **state)
{
    (void)state;
    return mm_init() < 0 || mm_torch_open() < 0 ? -1 : 0;
}

#define TEST(function)                                                                 \
    cmocka_unit_test_setup_teardown((function), set_up_test, check_nothing_left)

int test_optim(void)
{
    const struct CMUnitTest tests[] = {
        TEST(fast_steps_are_torchs),      TEST(reference_steps_are_torchs),
        TEST(state_dicts_are_pytorchs),   TEST(pytorchs_files_resume),
        TEST(own_states_resume),          TEST(odd_parameters_are_stepped),
        TEST(states_follow_the_layout),   TEST(steps_are_seen_by_autograd),
        TEST(damaged_states_are_refused), TEST(wrong_options_are_refused),
        TEST(own_optimizers_work),        TEST(gradients_are_dropped_or_zeroed),
    };

    return cmocka_run_group_tests(tests, set_up_group, NULL);
}
