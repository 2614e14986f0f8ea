/* Mixed precision beyond the numbers of a step: which steps are skipped and who hears
 * of it, scales that shrink to nothing, losses of half precision, Apex's names and its
 * checkpoints, wrappers in a dict, wrappers that are not there. */
#include "optim_support.h"

#include "mmengine/log.h"

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
    assert_int_equal(now.blocks, at_start.blocks);
    assert_int_equal(now.tensors, at_start.tensors);
    assert_false(mm_scope_is_open());
    return 0;
}

/* One weight of two elements under a wrapper, and the last scalars it sent. */
struct training {
    mm_tensor *leaf;
    mm_optim_wrapper *wrapper;
    char names[8][48];
    double values[8];
    size_t num_names;
};

static void hear(void *user, const char *name, mm_number value)
{
    struct training *training = user;
    size_t i = 0;

    while (i < training->num_names && strcmp(training->names[i], name) != 0)
        i++;
    assert_true(i < 8);
    training->num_names = i == training->num_names ? i + 1 : training->num_names;
    snprintf(training->names[i], sizeof training->names[i], "%s", name);
    training->values[i] =
        value.kind == MM_NUMBER_I64 ? (double)value.u.i64 : value.u.f64;
}

static double heard(const struct training *training, const char *name)
{
    for (size_t i = 0; i < training->num_names; i++) {
        if (strcmp(training->names[i], name) == 0)
            return training->values[i];
    }
    return NAN;
}

static void start(struct training *training, const char *json)
{
    mm_value *config = support_json(json);
    mm_value *sgd = support_json("{\"type\": \"SGD\", \"lr\": 0.5}");
    mm_instance *instance = support_build("optim_wrappers", config);

    *training = (struct training){.leaf = support_leaf((const float[]){1.0F, 2.0F}, 2)};
    mm_optimizer *optimizer = support_optimizer(sgd, &training->leaf, 1);

    training->wrapper = mm_optim_wrapper_new(instance, optimizer);
    mm_optim_wrapper_set_scalar_sink(training->wrapper, hear, training);
    mm_optimizer_unref(optimizer);
    mm_instance_unref(instance);
    mm_value_unref(sgd);
    mm_value_unref(config);
    check_ok();
}

static void end(struct training *training)
{
    mm_optim_wrapper_unref(training->wrapper);
    mm_tensor_unref(training->leaf);
}

/* An iteration whose gradient is `slope`. */
static mm_status train(struct training *training, double slope)
{
    mm_scope scope = mm_scope_open();
    mm_tensor *loss = mm_sum(mm_mul_scalar(training->leaf, slope));
    mm_status status = mm_optim_wrapper_update_params(training->wrapper, loss);

    mm_scope_close(scope);
    return status;
}

/* Lines of warnings. */
struct warnings {
    int of_steps;
    int of_rows;
    char last[512];
};

static void note_line(void *user, const mm_log_line *line)
{
    struct warnings *warnings = user;

    warnings->of_steps += strstr(line->text, "a step was skipped") != NULL;
    if (strstr(line->text, "steps in a row were skipped") != NULL) {
        warnings->of_rows++;
        snprintf(warnings->last, sizeof warnings->last, "%s", line->text);
    }
}

static void skipped_steps_are_told(void **state)
{
    struct training training;
    struct warnings warnings = {0};

    (void)state;
    mm_log_set_sink(note_line, &warnings);
    start(&training, "{\"type\": \"AmpOptimWrapper\"}");
    assert_int_equal(train(&training, 1.0), MM_OK);
    assert_int_equal(training.num_names, 0); /* as MMEngine, while all goes well */
    for (int i = 0; i < 12; i++)
        assert_int_equal(train(&training, i == 3 ? NAN : INFINITY), MM_OK);
    assert_true(heard(&training, "train/skipped_steps") == 12.0);
    assert_true(heard(&training, "train/grad_scale") == 16.0);
    assert_int_equal(mm_optim_wrapper_skipped_steps(training.wrapper), 12);
    assert_true(support_data(training.leaf)[0] == 0.5F);
    assert_int_equal(train(&training, 1.0), MM_OK);
    assert_true(support_data(training.leaf)[0] == 0.0F);
    assert_true(heard(&training, "train/skipped_steps") == 12.0);
    mm_log_set_sink(NULL, NULL);
    assert_int_equal(warnings.of_steps, 1);
    assert_int_equal(warnings.of_rows, 1);
    assert_non_null(strstr(warnings.last, "10 steps in a row"));
    assert_non_null(strstr(warnings.last, "'w'"));
    end(&training);
}

/* A fixed scale is not told, it is in the config. */
static void fixed_scales_stay(void **state)
{
    struct training training;

    (void)state;
    start(&training, "{\"type\": \"AmpOptimWrapper\", \"loss_scale\": 512}");
    assert_int_equal(train(&training, NAN), MM_OK);
    assert_true(heard(&training, "train/skipped_steps") == 1.0);
    assert_true(isnan(heard(&training, "train/grad_scale")));
    end(&training);
}

static void counts_are_resumed(void **state)
{
    static const char json[] = "{\"type\": \"AmpOptimWrapper\"}";
    struct training first;
    struct training second;

    (void)state;
    start(&first, json);
    train(&first, INFINITY);
    train(&first, INFINITY);
    mm_value *saved = mm_optim_wrapper_state_dict(first.wrapper);
    mm_value *window = mm_optim_wrapper_window_state(first.wrapper);

    check_ok();
    assert_false(mm_dict_has(saved, "skipped_steps")); /* Python's, as it is */
    start(&second, json);
    mm_optim_wrapper_load_state_dict(second.wrapper, saved);
    mm_optim_wrapper_load_window_state(second.wrapper, window);
    assert_int_equal(mm_optim_wrapper_skipped_steps(second.wrapper), 2);
    train(&second, INFINITY);
    assert_true(heard(&second, "train/skipped_steps") == 3.0);
    assert_true(heard(&second, "train/grad_scale") == 8192.0);
    mm_value_unref(window);
    mm_value_unref(saved);
    end(&second);
    end(&first);
}

/* 165 halvings are more than a float has. */
static void scales_that_vanish_end_the_run(void **state)
{
    struct training training;
    int steps = 0;

    (void)state;
    start(&training, "{\"type\": \"AmpOptimWrapper\"}");
    while (steps < 1000 && train(&training, NAN) == MM_OK)
        steps++;
    check_error(MM_ENUMERIC);
    assert_true(steps > 100 && steps < 1000);
    assert_true(support_data(training.leaf)[0] == 1.0F);
    end(&training);
}

/* A scaler that is switched off lets everything through, as in Python. */
static void disabled_scalers_do_nothing(void **state)
{
    struct training training;

    (void)state;
    start(&training, "{\"type\": \"AmpOptimWrapper\", \"loss_scale\": "
                     "{\"enabled\": false}}");
    assert_int_equal(train(&training, NAN), MM_OK);
    assert_true(isnan(support_data(training.leaf)[0]));
    mm_value *saved = mm_optim_wrapper_state_dict(training.wrapper);

    assert_int_equal(mm_value_len(mm_dict_get(saved, "loss_scaler")), 0);
    mm_value_unref(saved);
    end(&training);
}

/* 2 times 65536 is no float16: PyTorch's product with the scale is a float32. */
static void half_losses_do_not_overflow(void **state)
{
    struct training training;
    mm_scope scope = mm_scope_open();

    (void)state;
    start(&training, "{\"type\": \"AmpOptimWrapper\"}");
    mm_tensor *loss = mm_cast(mm_sum(training.leaf), MM_DTYPE_F16);

    assert_int_equal(mm_optim_wrapper_update_params(training.wrapper, loss), MM_OK);
    /* the gradient of the cast is float16: the scale itself has to fit */
    assert_int_equal(mm_optim_wrapper_skipped_steps(training.wrapper), 1);
    loss = mm_cast(mm_sum(training.leaf), MM_DTYPE_F16);
    assert_int_equal(mm_optim_wrapper_update_params(training.wrapper, loss), MM_OK);
    assert_int_equal(mm_optim_wrapper_skipped_steps(training.wrapper), 1);
    mm_scope_close(scope);
    assert_true(support_data(training.leaf)[0] == 0.5F);
    end(&training);
}

static void apex_is_mixed_precision(void **state)
{
    struct training apex;
    struct training amp;
    struct training other;

    (void)state;
    start(&apex, "{\"type\": \"ApexOptimWrapper\", \"opt_level\": \"O2\", "
                 "\"keep_batchnorm_fp32\": true, \"min_loss_scale\": 16384.0}");
    train(&apex, 1.0);
    for (int i = 0; i < 3; i++)
        train(&apex, INFINITY);
    train(&apex, 1.0);
    mm_value *saved = mm_optim_wrapper_state_dict(apex.wrapper);
    const mm_value *first = mm_dict_get(mm_dict_get(saved, "apex_amp"), "loss_scaler0");

    check_ok();
    assert_true(mm_value_f64(mm_dict_get(first, "loss_scale")) == 16384.0);
    assert_int_equal(mm_value_i64(mm_dict_get(first, "unskipped")), 1);
    start(&amp, "{\"type\": \"AmpOptimWrapper\"}");
    assert_int_equal(mm_optim_wrapper_load_state_dict(amp.wrapper, saved), MM_OK);
    mm_value *changed = mm_optim_wrapper_state_dict(amp.wrapper);
    const mm_value *scaler = mm_dict_get(changed, "loss_scaler");

    assert_true(mm_value_f64(mm_dict_get(scaler, "scale")) == 16384.0);
    assert_int_equal(mm_value_i64(mm_dict_get(scaler, "_growth_tracker")), 1);
    start(&other, "{\"type\": \"ApexOptimWrapper\", \"loss_scale\": \"128.0\"}");
    assert_int_equal(mm_optim_wrapper_load_state_dict(other.wrapper, changed), MM_OK);
    end(&other);
    mm_value_unref(changed);
    end(&amp);
    mm_value_unref(saved);
    end(&apex);
}

static void levels_are_precisions(void **state)
{
    static const struct {
        const char *json;
        mm_dtype dtype;
    } levels[] = {
        {"{\"type\": \"ApexOptimWrapper\", \"opt_level\": \"O0\"}", MM_DTYPE_F32},
        {"{\"type\": \"ApexOptimWrapper\"}", MM_DTYPE_BF16},
        {"{\"type\": \"ApexOptimWrapper\", \"opt_level\": \"O3\"}", MM_DTYPE_BF16},
        {"{\"type\": \"ApexOptimWrapper\", \"enabled\": false}", MM_DTYPE_F32},
    };

    (void)state;
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        struct training training;

        start(&training, levels[i].json);
        mm_scope scope = mm_scope_open();
        mm_tensor *x = mm_ones(MM_DIMS(2, 2));

        assert_int_equal(mm_optim_wrapper_enter(training.wrapper), MM_OK);
        assert_int_equal(mm_tensor_dtype(mm_matmul(x, x)), levels[i].dtype);
        mm_optim_wrapper_leave(training.wrapper);
        mm_scope_close(scope);
        end(&training);
    }
}

static void dicts_tell_by_name(void **state)
{
    struct training one;
    struct training two;
    mm_optim_wrapper *dict = mm_optim_wrapper_new_dict();

    (void)state;
    start(&one, "{\"type\": \"AmpOptimWrapper\"}");
    start(&two, "{\"type\": \"AmpOptimWrapper\"}");
    mm_optim_wrapper_add(dict, "gen", mm_optim_wrapper_ref(one.wrapper));
    mm_optim_wrapper_add(dict, "disc", mm_optim_wrapper_ref(two.wrapper));
    mm_optim_wrapper_set_scalar_sink(dict, hear, &one);
    train(&one, INFINITY);
    train(&two, INFINITY);
    train(&two, INFINITY);
    assert_true(heard(&one, "train/gen.skipped_steps") == 1.0);
    assert_true(heard(&one, "train/disc.skipped_steps") == 2.0);
    assert_true(heard(&one, "train/disc.grad_scale") == 16384.0);
    assert_int_equal(mm_optim_wrapper_skipped_steps(dict), 3);
    /* counting is each one's own affair, as in MMEngine */
    assert_int_equal(mm_optim_wrapper_initialize_count_status(dict, NULL, 7, 10),
                     MM_OK);
    assert_int_equal(mm_optim_wrapper_inner_count(one.wrapper), 1);
    mm_optim_wrapper_enter(dict);
    check_error(MM_ESTATE);
    mm_optim_wrapper_leave(dict);
    mm_optim_wrapper_unref(dict);
    train(&one, INFINITY); /* it outlives the dict, and its name there */
    assert_true(heard(&one, "train/skipped_steps") == 2.0);
    end(&two);
    end(&one);
}

/* Another process whose gradients are the same as ours: their sum is twice ours. */
struct twin {
    int forwards, of_syncs, exchanges;
};

static mm_status begin(void *user, mm_optim_wrapper *wrapper, bool syncs)
{
    struct twin *twin = user;
    (void)wrapper;

    twin->forwards++;
    twin->of_syncs += syncs;
    return MM_OK;
}

static mm_status double_grads(void *user, mm_optim_wrapper *wrapper)
{
    struct twin *twin = user;
    mm_param_groups *groups = mm_optim_wrapper_groups(wrapper);
    bool recorded = mm_grad_mode_set(false);

    twin->exchanges++;
    mm_mul_scalar_(mm_grad_find(mm_param_groups_param(groups, 0)), 2.0);
    mm_grad_mode_set(recorded);
    return mm_pending();
}

static mm_status fails(void *user, mm_optim_wrapper *wrapper)
{
    (void)user;
    (void)wrapper;
    return mm_raise(MM_EIO, "a process is missing");
}

/* Gradients are exchanged once a window, before they are unscaled and clipped. */
static void gradients_are_exchanged(void **state)
{
    struct training training;
    struct twin twin = {0};
    const mm_grad_sync sync = {begin, double_grads, &twin};
    const mm_grad_sync broken = {NULL, fails, NULL};

    (void)state;
    start(&training, "{\"type\": \"AmpOptimWrapper\", \"accumulative_counts\": 3, "
                     "\"clip_grad\": {\"max_norm\": 1000.0}}");
    mm_optim_wrapper_initialize_count_status(training.wrapper, NULL, 0, 5);
    mm_optim_wrapper_set_grad_sync(training.wrapper, &sync);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(mm_optim_wrapper_enter(training.wrapper), MM_OK);
        mm_optim_wrapper_leave(training.wrapper);
        assert_int_equal(train(&training, 1.0), MM_OK);
    }
    assert_int_equal(twin.forwards, 5);
    assert_int_equal(twin.of_syncs, 2);
    assert_int_equal(twin.exchanges, 2);
    assert_true(fabs(heard(&training, "train/grad_norm") - sqrt(8.0)) < 1e-6);
    assert_true(support_data(training.leaf)[0] == -1.0F);
    mm_optim_wrapper_set_grad_sync(training.wrapper, &broken);
    mm_optim_wrapper_initialize_count_status(training.wrapper, NULL, 2, 3);
    train(&training, 1.0);
    check_error(MM_EIO);
    assert_true(support_data(training.leaf)[0] == -1.0F);
    end(&training);
}

/* Calls everything with `wrapper`, which is NULL. */
static void call_all(mm_optim_wrapper *wrapper)
{
    mm_value *empty = NULL;

    assert_true(mm_optim_wrapper_update_params(wrapper, NULL) < 0);
    assert_true(mm_optim_wrapper_backward(wrapper, NULL) < 0);
    assert_true(mm_optim_wrapper_step(wrapper) < 0);
    assert_true(mm_optim_wrapper_zero_grad(wrapper) < 0);
    assert_true(mm_optim_wrapper_clip_and_step(wrapper, 1.0F) < 0);
    assert_true(mm_optim_wrapper_initialize_count_status(wrapper, NULL, 0, 1) < 0);
    assert_true(mm_optim_wrapper_scale_lr(wrapper, 2.0) < 0);
    assert_true(mm_optim_wrapper_load_state_dict(wrapper, empty) < 0);
    assert_true(mm_optim_wrapper_load_window_state(wrapper, empty) < 0);
    assert_null(mm_optim_wrapper_scale_loss(wrapper, NULL));
    assert_null(mm_optim_wrapper_get_lr(wrapper));
    assert_null(mm_optim_wrapper_get_momentum(wrapper));
    assert_null(mm_optim_wrapper_state_dict(wrapper));
    assert_null(mm_optim_wrapper_window_state(wrapper));
    assert_null(mm_optim_wrapper_get(wrapper, "gen"));
    assert_null(mm_optim_wrapper_find(wrapper, "gen"));
    assert_null(mm_optim_wrapper_child(wrapper, 0));
    assert_null(mm_optim_wrapper_child_name(wrapper, 0));
    assert_null(mm_optim_wrapper_optimizer(wrapper));
    assert_null(mm_optim_wrapper_groups(wrapper));
    assert_null(mm_optim_wrapper_guard(wrapper));
    assert_int_equal(mm_optim_wrapper_num_children(wrapper), 0);
    assert_int_equal(mm_optim_wrapper_skipped_steps(wrapper), 0);
    assert_int_equal(mm_optim_wrapper_inner_count(wrapper), 0);
    assert_int_equal(mm_optim_wrapper_accumulative_counts(wrapper), 1);
    assert_false(mm_optim_wrapper_is_dict(wrapper));
    assert_false(mm_optim_wrapper_should_update(wrapper));
    assert_true(mm_optim_wrapper_should_sync(wrapper));
    mm_optim_wrapper_set_guard(wrapper, NULL);
    mm_optim_wrapper_set_grad_sync(wrapper, NULL);
    mm_optim_wrapper_set_numerics(wrapper, MM_NUMERICS_FAST);
    mm_optim_wrapper_set_scalar_sink(wrapper, NULL, NULL);
    mm_optim_wrapper_leave(wrapper);
    mm_optim_wrapper_unref(wrapper);
}

/* Each call raises one error; with one pending that one stays. */
static void absent_wrappers_are_told(void **state)
{
    (void)state;
    mm_raise(MM_EIO, "an earlier error");
    call_all(NULL);
    check_error(MM_EIO);
    mm_optim_wrapper_step(NULL);
    check_error(MM_EINVAL);
    mm_optim_wrapper_zero_grad(NULL);
    check_error(MM_EINVAL);
    assert_null(mm_optim_wrapper_get_lr(NULL));
    check_error(MM_EINVAL);
    assert_null(mm_optim_wrapper_state_dict(NULL));
    check_error(MM_EINVAL);
    assert_null(mm_optim_wrapper_new(NULL, NULL));
    check_error(MM_EINVAL);
}

static int set_up_group(void **state)
{
    (void)state;
    return mm_init() < 0 || mm_torch_open() < 0 ? -1 : 0;
}

#define TEST(function)                                                                 \
    cmocka_unit_test_setup_teardown((function), set_up_test, check_nothing_left)

int test_mixed_precision(void)
{
    const struct CMUnitTest tests[] = {
        TEST(skipped_steps_are_told),      TEST(fixed_scales_stay),
        TEST(counts_are_resumed),          TEST(scales_that_vanish_end_the_run),
        TEST(disabled_scalers_do_nothing), TEST(half_losses_do_not_overflow),
        TEST(apex_is_mixed_precision),     TEST(levels_are_precisions),
        TEST(dicts_tell_by_name),          TEST(gradients_are_exchanged),
        TEST(absent_wrappers_are_told),
    };

    return cmocka_run_group_tests(tests, set_up_group, NULL);
}
