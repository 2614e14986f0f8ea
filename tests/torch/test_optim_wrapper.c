/* Optimizer wrappers: accumulation, clipping and mixed precision against trainings with
 * MMEngine's OptimWrapper and torch.amp.GradScaler; groups by paramwise_cfg against
 * MMEngine's constructor. */
#include "optim_support.h"

#include "mmengine/nn.h"

enum {
    ITERS = 10,
    FIRST = SUPPORT_FIRST,
    SECOND = SUPPORT_SECOND,
    BOTH = FIRST + SECOND
};

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

/* What the sink was told. */
struct norms {
    double values[ITERS];
    size_t count;
};

static void note_norm(void *user, const char *name, mm_number value)
{
    struct norms *norms = user;

    assert_string_equal(name, "train/grad_norm");
    assert_true(norms->count < ITERS);
    norms->values[norms->count++] = value.u.f64;
}

/* Two weights under a wrapper made from JSON. */
struct training {
    mm_tensor *leaves[2];
    mm_optim_wrapper *wrapper;
    struct norms norms;
};

static struct training start_training(mm_value *config, const float *weights)
{
    struct training training = {
        .leaves = {support_leaf(weights, FIRST), support_leaf(weights + FIRST, SECOND)},
    };
    mm_value *sgd =
        support_json("{\"type\": \"SGD\", \"lr\": 0.05, \"momentum\": 0.9}");
    mm_optimizer *optimizer = support_optimizer(sgd, training.leaves, 2);
    mm_instance *instance = support_build("optim_wrappers", config);

    training.wrapper = mm_optim_wrapper_new(instance, optimizer);
    check_ok();
    mm_instance_unref(instance);
    mm_optimizer_unref(optimizer);
    mm_value_unref(sgd);
    return training;
}

static void end_training(struct training *training)
{
    mm_optim_wrapper_unref(training->wrapper);
    mm_tensor_unref(training->leaves[0]);
    mm_tensor_unref(training->leaves[1]);
}

static void train_one(struct training *training, const float *inputs)
{
    mm_scope scope = mm_scope_open();

    mm_optim_wrapper_update_params(training->wrapper,
                                   support_loss(training->leaves, inputs));
    mm_scope_close(scope);
    check_ok();
}

static void check_weights(const struct training *training, const float *want,
                          double tolerance, const char *what, size_t number)
{
    tolerance = support_tolerance(tolerance);
    for (size_t i = 0; i < 2; i++) {
        const float *got = support_data(training->leaves[i]);
        const float *wanted = want + i * FIRST;
        size_t count = i == 0 ? FIRST : SECOND;

        if (tolerance == 0.0) {
            support_same(got, wanted, count, what, number);
        } else {
            support_near(got, wanted, count, tolerance, what, number);
        }
    }
}

static void check_norms(const struct golden *golden, const struct training *training,
                        double tolerance, size_t index)
{
    char name[64];
    struct golden_record record = {0};

    snprintf(name, sizeof name, "wrapper/%zu/norms", index);
    assert_true(golden_find(golden, name, &record));
    assert_int_equal(training->norms.count, record.count);
    tolerance = support_tolerance(tolerance);
    for (size_t i = 0; i < record.count; i++) {
        double want = golden_f64(golden, i, "wrapper/%zu/norms", index);

        assert_true(fabs(training->norms.values[i] - want) <= tolerance * want);
    }
}

static void run_wrapper_case(const struct golden *golden, const mm_value *options,
                             size_t index, mm_numerics numerics)
{
    mm_value *config = mm_value_copy(options);
    const mm_value *clip = mm_dict_find(options, "clip_grad");
    bool by_norm = clip != NULL && mm_dict_has(clip, "max_norm");
    /* the kernels' norm is the more exact one, by some 1e-7 */
    bool is_exact = numerics == MM_NUMERICS_REFERENCE || !by_norm;
    float *weights = golden_f32(golden, NULL, "wrapper/%zu/weights", index);
    float *inputs = golden_f32(golden, NULL, "wrapper/%zu/inputs", index);
    float *trace = golden_f32(golden, NULL, "wrapper/%zu/trace", index);

    mm_dict_put_str(config, "type", "OptimWrapper");
    struct training training = start_training(config, weights);

    mm_optim_wrapper_set_scalar_sink(training.wrapper, note_norm, &training.norms);
    mm_optim_wrapper_set_numerics(training.wrapper, numerics);
    mm_optim_wrapper_initialize_count_status(training.wrapper, NULL, 0, ITERS);
    for (size_t i = 0; i < ITERS; i++) {
        train_one(&training, inputs + i * BOTH);
        check_weights(&training, trace + i * BOTH, is_exact ? 0.0 : 1e-6, "wrapper",
                      index);
    }
    assert_int_equal(mm_optim_wrapper_inner_count(training.wrapper), ITERS);
    assert_null(mm_grad_find(training.leaves[0]));
    check_norms(golden, &training, is_exact ? 0.0 : 1e-6, index);
    end_training(&training);
    free(trace);
    free(inputs);
    free(weights);
    mm_value_unref(config);
}

static void wrappers_are_mmengines(void **state)
{
    struct golden golden = support_golden("wrapper");
    mm_value *json = support_json_file("golden/optim/states.json");
    const mm_value *cases = mm_dict_get(json, "wrappers");

    (void)state;
    assert_int_equal(mm_value_len(cases), 8);
    for (size_t i = 0; i < mm_value_len(cases); i++) {
        run_wrapper_case(&golden, mm_list_get(cases, i), i, MM_NUMERICS_FAST);
        run_wrapper_case(&golden, mm_list_get(cases, i), i, MM_NUMERICS_REFERENCE);
    }
    mm_value_unref(json);
    golden_close(&golden);
}

static const char amp_json[] =
    "{\"type\": \"AmpOptimWrapper\", \"loss_scale\": {\"init_scale\": 1024.0, "
    "\"growth_interval\": 2}, \"clip_grad\": {\"max_norm\": 2.0}}";

/* The saved scale is a float. */
static double scale_of(const mm_optim_wrapper *wrapper)
{
    mm_value *state = mm_optim_wrapper_state_dict(wrapper);
    double scale =
        mm_value_f64(mm_dict_get(mm_dict_get(state, "loss_scaler"), "scale"));

    check_ok();
    mm_value_unref(state);
    return scale;
}

static void run_scaler(const struct golden *golden, mm_numerics numerics)
{
    mm_value *config = support_json(amp_json);
    mm_value *json = support_json_file("golden/optim/states.json");
    float *weights = golden_f32(golden, NULL, "scaler/weights");
    float *inputs = golden_f32(golden, NULL, "scaler/inputs");
    float *trace = golden_f32(golden, NULL, "scaler/trace");
    struct training training = start_training(config, weights);
    bool is_exact = numerics == MM_NUMERICS_REFERENCE;

    mm_optim_wrapper_set_numerics(training.wrapper, numerics);
    for (size_t i = 0; i < ITERS; i++) {
        train_one(&training, inputs + i * BOTH);
        check_weights(&training, trace + i * BOTH, is_exact ? 0.0 : 1e-6, "scaler", i);
        assert_true(scale_of(training.wrapper) ==
                    golden_f64(golden, i, "scaler/scales"));
    }
    mm_value *state = mm_optim_wrapper_state_dict(training.wrapper);
    const mm_value *saved = mm_dict_get(state, "loss_scaler");

    assert_true(mm_value_equal(saved, mm_dict_get(json, "scaler")));
    struct training second = start_training(config, weights);

    assert_int_equal(mm_optim_wrapper_load_state_dict(second.wrapper, state), MM_OK);
    assert_true(scale_of(second.wrapper) == scale_of(training.wrapper));
    end_training(&second);
    mm_value_unref(state);
    end_training(&training);
    free(trace);
    free(inputs);
    free(weights);
    mm_value_unref(json);
    mm_value_unref(config);
}

static void scaler_is_torchs(void **state)
{
    struct golden golden = support_golden("wrapper");

    (void)state;
    run_scaler(&golden, MM_NUMERICS_FAST);
    run_scaler(&golden, MM_NUMERICS_REFERENCE);
    golden_close(&golden);
}

/* The dtype of a product inside of a wrapper's forward. */
static mm_dtype dtype_inside(const char *json)
{
    const float zeros[BOTH] = {0};
    mm_value *config = support_json(json);
    struct training training = start_training(config, zeros);
    mm_scope scope = mm_scope_open();
    mm_tensor *x = mm_ones(MM_DIMS(2, 3));

    assert_int_equal(mm_optim_wrapper_enter(training.wrapper), MM_OK);
    mm_dtype dtype = mm_tensor_dtype(mm_matmul(x, mm_transpose(x, 0, 1)));

    mm_optim_wrapper_leave(training.wrapper);
    assert_int_equal(mm_tensor_dtype(mm_matmul(x, mm_transpose(x, 0, 1))),
                     MM_DTYPE_F32);
    mm_scope_close(scope);
    end_training(&training);
    mm_value_unref(config);
    return dtype;
}

/* Said when the wrapper is made, before training. */
static void half_is_refused(void)
{
    const float zeros[BOTH] = {0};
    mm_tensor *leaf = support_leaf(zeros, BOTH);
    mm_value *config = support_json("{\"type\": \"AmpOptimWrapper\", \"dtype\": "
                                    "\"float16\"}");
    mm_value *sgd = support_json("{\"type\": \"SGD\", \"lr\": 0.05}");
    mm_optimizer *optimizer = support_optimizer(sgd, &leaf, 1);
    mm_instance *instance = support_build("optim_wrappers", config);

    assert_null(mm_optim_wrapper_new(instance, optimizer));
    check_error(MM_EUNSUPPORTED);
    mm_instance_unref(instance);
    mm_optimizer_unref(optimizer);
    mm_value_unref(sgd);
    mm_value_unref(config);
    mm_tensor_unref(leaf);
}

static void amp_computes_in_half_precision(void **state)
{
    (void)state;
    assert_int_equal(dtype_inside("{\"type\": \"AmpOptimWrapper\"}"), MM_DTYPE_BF16);
    assert_int_equal(dtype_inside("{\"type\": \"AmpOptimWrapper\", \"dtype\": "
                                  "\"bfloat16\"}"),
                     MM_DTYPE_BF16);
    assert_int_equal(dtype_inside("{\"type\": \"AmpOptimWrapper\", \"dtype\": "
                                  "\"float32\"}"),
                     MM_DTYPE_F32);
    if (support_host_has_half())
        assert_int_equal(dtype_inside("{\"type\": \"AmpOptimWrapper\", \"dtype\": "
                                      "\"float16\"}"),
                         MM_DTYPE_F16);
    else
        half_is_refused();
}

/* Killed inside an accumulation window and resumed: the same bits as in one go. */
static void windows_resume(void **state)
{
    struct golden golden = support_golden("wrapper");
    mm_value *config = support_json("{\"type\": \"OptimWrapper\", "
                                    "\"accumulative_counts\": 4}");
    float *weights = golden_f32(&golden, NULL, "wrapper/1/weights");
    float *inputs = golden_f32(&golden, NULL, "wrapper/1/inputs");
    float *trace = golden_f32(&golden, NULL, "wrapper/1/trace");
    struct training first = start_training(config, weights);
    enum {
        KILLED = 6 /* two iterations into the second window */
    };

    (void)state;
    mm_optim_wrapper_initialize_count_status(first.wrapper, NULL, 0, ITERS);
    for (size_t i = 0; i < KILLED; i++) {
        train_one(&first, inputs + i * BOTH);
    }
    mm_value *saved = mm_optim_wrapper_state_dict(first.wrapper);
    mm_value *window = mm_optim_wrapper_window_state(first.wrapper);
    float middle[BOTH];

    memcpy(middle, support_data(first.leaves[0]), FIRST * sizeof *middle);
    memcpy(middle + FIRST, support_data(first.leaves[1]), SECOND * sizeof *middle);
    struct training second = start_training(config, middle);

    mm_optim_wrapper_initialize_count_status(second.wrapper, NULL, KILLED, ITERS);
    assert_int_equal(mm_optim_wrapper_load_state_dict(second.wrapper, saved), MM_OK);
    assert_int_equal(mm_optim_wrapper_load_window_state(second.wrapper, window), MM_OK);
    end_training(&first); /* what was loaded is a copy */
    mm_value_unref(window);
    mm_value_unref(saved);
    for (size_t i = KILLED; i < ITERS; i++) {
        train_one(&second, inputs + i * BOTH);
    }
    check_weights(&second, trace + (ITERS - 1) * BOTH, 0.0, "window", 0);
    end_training(&second);
    free(trace);
    free(inputs);
    free(weights);
    mm_value_unref(config);
    golden_close(&golden);
}

static void counts_are_mmengines(void **state)
{
    const float zeros[BOTH] = {0};
    mm_value *config = support_json("{\"type\": \"OptimWrapper\", "
                                    "\"accumulative_counts\": 4}");
    struct training training = start_training(config, zeros);
    static const bool updates[ITERS] = {0, 0, 0, 1, 0, 0, 0, 1, 0, 1};
    static const float divisors[ITERS] = {4, 4, 4, 4, 4, 4, 4, 4, 2, 2};

    (void)state;
    mm_optim_wrapper_initialize_count_status(training.wrapper, NULL, 0, ITERS);
    for (size_t i = 0; i < ITERS; i++) {
        mm_scope scope = mm_scope_open();
        mm_tensor *loss = mm_sum(training.leaves[1]);
        mm_tensor *one = mm_ones(MM_DIMS(1));
        mm_tensor *scaled = mm_optim_wrapper_scale_loss(training.wrapper, one);

        assert_true(support_data(scaled)[0] == 1.0F / divisors[i]);
        assert_int_equal(mm_optim_wrapper_should_sync(training.wrapper), updates[i]);
        mm_optim_wrapper_backward(training.wrapper, loss);
        assert_int_equal(mm_optim_wrapper_should_update(training.wrapper), updates[i]);
        mm_scope_close(scope);
    }
    mm_scope scope = mm_scope_open();

    assert_non_null(mm_optim_wrapper_scale_loss(training.wrapper, mm_ones(MM_DIMS(1))));
    mm_optim_wrapper_update_params(training.wrapper, NULL);
    check_error(MM_EINVAL);
    mm_scope_close(scope);
    end_training(&training);
    mm_value_unref(config);
}

static void non_finite_norms_are_reported(void **state)
{
    const float zeros[BOTH] = {0};
    float inputs[BOTH] = {0};
    mm_value *config =
        support_json("{\"type\": \"OptimWrapper\", \"clip_grad\": {\"max_norm\": 1.0, "
                     "\"error_if_nonfinite\": true}}");

    (void)state;
    inputs[3] = INFINITY;
    for (int numerics = 0; numerics < 2; numerics++) {
        struct training training = start_training(config, zeros);
        mm_scope scope = mm_scope_open();

        mm_optim_wrapper_set_numerics(training.wrapper, (mm_numerics)numerics);
        mm_optim_wrapper_update_params(training.wrapper,
                                       support_loss(training.leaves, inputs));
        check_error(MM_ENUMERIC);
        assert_true(support_data(training.leaves[0])[3] == 0.0F); /* no step */
        mm_scope_close(scope);
        end_training(&training);
    }
    mm_value_unref(config);
}

/* A guard that wants finite numbers. */
static bool drops_loss(void *user, mm_tensor *loss)
{
    int *count = user;
    bool is_bad = !isfinite(mm_item(loss));

    *count += is_bad;
    return is_bad;
}

static bool drops_step(void *user, double grad_norm)
{
    int *count = user;
    bool is_bad = !isfinite(grad_norm);

    *count += is_bad;
    return is_bad;
}

/* Three iterations in windows of `counts`, the second one's inputs with `bad` in them;
 * without a guard and with only the others, if `bad` is 0. The weights after it. */
static void train_three(const char *json, float bad, int numerics, bool is_guarded,
                        float *out, int *drops)
{
    const float zeros[BOTH] = {0};
    float inputs[BOTH];
    mm_value *config = support_json(json);
    struct training training = start_training(config, zeros);
    mm_step_guard guard = {drops_loss, drops_step, drops};

    mm_optim_wrapper_set_numerics(training.wrapper, (mm_numerics)numerics);
    if (is_guarded)
        mm_optim_wrapper_set_guard(training.wrapper, &guard);
    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < BOTH; j++)
            inputs[j] = (float)(i + j) / 8.0F;
        if (i == 1)
            inputs[3] = bad;
        if (i != 1 || bad != 0.0F)
            train_one(&training, inputs);
    }
    memcpy(out, support_data(training.leaves[0]), FIRST * sizeof(float));
    memcpy(out + FIRST, support_data(training.leaves[1]), SECOND * sizeof(float));
    end_training(&training);
    mm_value_unref(config);
}

/* What was dropped has left no trace: the weights are those of a training that never
 * met it. An infinite input makes the gradient infinite and, as the weights are zero,
 * the loss NaN; in the last case only the gradient. */
static void guards_drop_steps(void **state)
{
    static const char plain[] = "{\"type\": \"OptimWrapper\"}";
    static const char clips[] =
        "{\"type\": \"OptimWrapper\", \"clip_grad\": {\"max_norm\": 1.0}}";
    float want[BOTH], got[BOTH];
    (void)state;

    for (int i = 0; i < 4; i++) {
        int numerics = i % 2, drops = 0;
        const char *json = i < 2 ? plain : clips;
        float bad = i < 2 ? INFINITY : 3e38F; /* its square is not finite */

        train_three(json, 0.0F, numerics, false, want, NULL);
        train_three(json, bad, numerics, true, got, &drops);
        if (i == 2) { /* summed in double, this norm is finite */
            assert_int_equal(drops, 0);
            continue;
        }
        assert_int_equal(drops, 1);
        support_same(got, want, BOTH, "guarded weights", (size_t)i);
    }
}

/* Of a window of two the good half makes the step; a window of which nothing is left
 * makes none. */
static void dropped_iterations_count_in_their_window(void **state)
{
    const float zeros[BOTH] = {0};
    float inputs[BOTH] = {1.0F, 2.0F};
    float bad[BOTH] = {NAN};
    int drops = 0;
    mm_step_guard guard = {drops_loss, NULL, &drops};
    mm_value *config =
        support_json("{\"type\": \"OptimWrapper\", \"accumulative_counts\": 2}");
    struct training training = start_training(config, zeros);
    (void)state;

    mm_optim_wrapper_set_guard(training.wrapper, &guard);
    train_one(&training, bad);
    train_one(&training, bad);
    assert_true(support_data(training.leaves[0])[0] == 0.0F);
    train_one(&training, inputs);
    train_one(&training, bad);
    assert_int_equal(drops, 3);
    assert_int_equal(mm_optim_wrapper_inner_count(training.wrapper), 4);
    assert_true(support_data(training.leaves[0])[0] == -0.05F * 0.5F);
    assert_null(mm_grad_find(training.leaves[0]));
    end_training(&training);
    mm_value_unref(config);
}

/* The model of tools/golden/optim_wrapper.py. */
static mm_module *make_model(void)
{
    mm_module *model = mm_nn_sequential(
        mm_nn_conv2d(3, 4, 3), mm_nn_batch_norm2d(4),
        mm_nn_conv2d(4, 4, 3, .groups = 4),
        mm_nn_sequential(mm_nn_linear(4, 2), mm_nn_layer_norm(MM_DIMS(2))));

    mm_set_requires_grad(mm_module_find_tensor(model, "2.bias"), false);
    check_ok();
    return model;
}

static void check_group(const mm_param_groups *groups, size_t index, size_t *param,
                        const mm_value *want)
{
    const mm_value *names = mm_list_get(want, 0);
    char *got_text = mm_value_repr(mm_param_groups_options(groups, index));
    char *want_text = mm_value_repr(mm_list_get(want, 1));

    assert_string_equal(got_text, want_text);
    for (size_t i = 0; i < mm_value_len(names); i++, (*param)++) {
        assert_string_equal(mm_param_groups_name(groups, *param),
                            mm_value_str(mm_list_get(names, i)));
        assert_int_equal(mm_param_groups_group_of(groups, *param), index);
    }
    mm_free(want_text);
    mm_free(got_text);
}

static void groups_are_mmengines(void **state)
{
    mm_value *json = support_json_file("golden/optim/states.json");
    const mm_value *cases = mm_dict_get(json, "groups");

    (void)state;
    assert_int_equal(mm_value_len(cases), 6);
    for (size_t i = 0; i < mm_value_len(cases); i++) {
        const mm_value *spec = mm_list_get(cases, i);
        const mm_value *wanted = mm_dict_get(spec, "groups");
        mm_value *config = support_json("{\"optimizer\": {\"type\": \"SGD\", \"lr\": "
                                        "0.01, \"weight_decay\": 0.0001}}");
        mm_module *model = make_model();
        size_t param = 0;

        mm_dict_put(config, "paramwise_cfg", mm_dict_get(spec, "paramwise_cfg"));
        mm_optim_wrapper *wrapper = mm_optim_wrapper_build(model, config, NULL);

        check_ok();
        const mm_param_groups *groups = mm_optim_wrapper_groups(wrapper);

        assert_int_equal(mm_param_groups_count(groups), mm_value_len(wanted));
        assert_int_equal(mm_param_groups_has_base(groups), mm_value_len(wanted) > 1);
        for (size_t k = 0; k < mm_value_len(wanted); k++) {
            check_group(groups, k, &param, mm_list_get(wanted, k));
        }
        assert_int_equal(param, mm_param_groups_num_params(groups));
        mm_optim_wrapper_unref(wrapper);
        mm_module_unref(model);
        mm_value_unref(config);
    }
    mm_value_unref(json);
}

static void expect_refusal(const char *text, mm_status code)
{
    mm_value *config = support_json(text);
    mm_module *model = make_model();
    mm_optim_wrapper *wrapper = mm_optim_wrapper_build(model, config, NULL);

    if (wrapper != NULL) {
        fail_msg("accepted: %s", text);
    }
    mm_error error;

    if (mm_error_take(&error) != code) {
        fail_msg("%s gives %s: %s", text, mm_status_name(error.code), error.message);
    }
    mm_module_unref(model);
    mm_value_unref(config);
}

#define SGD "\"optimizer\": {\"type\": \"SGD\", \"lr\": 0.1}"

static void wrong_configs_are_refused(void **state)
{
    (void)state;
    expect_refusal("{\"type\": \"OptimWrapper\"}", MM_ECONFIG);
    expect_refusal("{" SGD ", \"clip_grad\": {}}", MM_ECONFIG);
    expect_refusal("{" SGD ", \"clip_grad\": {\"type\": \"norm\"}}", MM_ECONFIG);
    expect_refusal("{" SGD ", \"clip_grad\": {\"type\": \"x\", \"max_norm\": 1}}",
                   MM_ECONFIG);
    expect_refusal("{" SGD ", \"clip_grad\": {\"max_norm\": 1, \"clip_value\": 1}}",
                   MM_ECONFIG);
    expect_refusal("{" SGD ", \"accumulative_counts\": 0}", MM_ECONFIG);
    expect_refusal("{" SGD ", \"paramwise_cfg\": {\"norm_decay_mult\": 0.0}}",
                   MM_ECONFIG);
    expect_refusal("{" SGD ", \"paramwise_cfg\": {\"custom_keys\": {\"0\": "
                   "{\"decay_mult\": 0.0}}}}",
                   MM_ECONFIG);
    expect_refusal("{" SGD ", \"paramwise_cfg\": {\"norm_decay_mul\": 0.0}}",
                   MM_ECONFIG);
    expect_refusal("{" SGD ", \"type\": \"AmpOptimWrapper\", \"loss_scale\": "
                   "\"static\"}",
                   MM_ECONFIG);
}

static void dicts_of_wrappers(void **state)
{
    const float zeros[BOTH] = {0};
    mm_value *config = support_json("{\"type\": \"OptimWrapper\"}");
    struct training one = start_training(config, zeros);
    struct training two = start_training(config, zeros);
    mm_optim_wrapper *dict = mm_optim_wrapper_new_dict();

    (void)state;
    mm_optim_wrapper_add(dict, "gen", mm_optim_wrapper_ref(one.wrapper));
    mm_optim_wrapper_add(dict, "disc", mm_optim_wrapper_ref(two.wrapper));
    check_ok();
    mm_optim_wrapper_add(dict, "disc", mm_optim_wrapper_ref(two.wrapper));
    check_error(MM_EKEY);
    assert_ptr_equal(mm_optim_wrapper_find(dict, "disc"), two.wrapper);
    assert_null(mm_optim_wrapper_find(dict, "other"));
    mm_optim_wrapper_scale_lr(dict, 2.0);
    mm_value *rates = mm_optim_wrapper_get_lr(dict);
    mm_value *momenta = mm_optim_wrapper_get_momentum(dict);
    mm_value *saved = mm_optim_wrapper_state_dict(dict);
    char *text = mm_value_repr(rates);

    assert_string_equal(text, "{'gen.lr': [0.1], 'disc.lr': [0.1]}");
    assert_true(mm_dict_has(momenta, "gen.momentum"));
    assert_int_equal(mm_optim_wrapper_load_state_dict(dict, saved), MM_OK);
    mm_optim_wrapper_step(dict);
    check_error(MM_ESTATE);
    mm_optim_wrapper_update_params(dict, NULL);
    check_error(MM_ESTATE);
    assert_int_equal(mm_optim_wrapper_zero_grad(dict), MM_OK);
    mm_free(text);
    mm_value_unref(saved);
    mm_value_unref(momenta);
    mm_value_unref(rates);
    mm_optim_wrapper_unref(dict);
    end_training(&two);
    end_training(&one);
    mm_value_unref(config);
}

static int set_up_group(void **state)
{
    (void)state;
    return mm_init() < 0 || mm_torch_open() < 0 ? -1 : 0;
}

#define TEST(function)                                                                 \
    cmocka_unit_test_setup_teardown((function), set_up_test, check_nothing_left)

int test_optim_wrapper(void)
{
    const struct CMUnitTest tests[] = {
        TEST(wrappers_are_mmengines),
        TEST(scaler_is_torchs),
        TEST(amp_computes_in_half_precision),
        TEST(windows_resume),
        TEST(counts_are_mmengines),
        TEST(non_finite_norms_are_reported),
        TEST(guards_drop_steps),
        TEST(dropped_iterations_count_in_their_window),
        TEST(groups_are_mmengines),
        TEST(wrong_configs_are_refused),
        TEST(dicts_of_wrappers),
    };

    return cmocka_run_group_tests(tests, set_up_group, NULL);
}
