/* Averaged models against MMEngine's (tools/golden/averaged_models.py), bit for bit, by
 * our kernels and by libtorch's operators, in both memory formats. */
#include "nn_check.h"

enum { STEPS = 7, EARLY_LOOK = 3 };

static const char model_config[] =
    "[{\"type\": \"Conv2d\", \"in_channels\": 3, \"out_channels\": 4, \"kernel_size\": "
    "3},"
    " {\"type\": \"BatchNorm2d\", \"num_features\": 4},"
    " {\"type\": \"Linear\", \"in_features\": 9, \"out_features\": 5}]";

static struct golden open_averages(void)
{
    bool has_avx = strstr(mm_torch_build_flags(), "capability usage: AVX") != NULL;

    return golden_open(has_avx ? "golden/model/averaged_avx2.bin"
                               : "golden/model/averaged_default.bin");
}

/* A tensor's elements in logical order, as doubles; free(). */
static double *read_tensor(mm_tensor *tensor, size_t *count)
{
    mm_scope scope = mm_scope_open();
    mm_tensor *flat = mm_contiguous(mm_to(mm_detach(tensor), .dtype = MM_DTYPE_F64),
                                    MM_FORMAT_CONTIGUOUS);
    double *copy = malloc((size_t)mm_numel(flat) * sizeof(double) + 1);

    *count = (size_t)mm_numel(flat);
    memcpy(copy, mm_data(flat, MM_DTYPE_F64), *count * sizeof(double));
    mm_scope_close(scope);
    return copy;
}

static void assert_same(const struct golden *golden, mm_tensor *tensor,
                        const char *name)
{
    size_t count = 0;
    double *got = read_tensor(tensor, &count);
    struct golden_record record = {0};

    check_ok();
    if (!golden_find(golden, name, &record) || record.count != count)
        fail_msg("no record '%s' of %zu numbers", name, count);
    for (size_t i = 0; i < count; i++) {
        double want = 0.0;
        float single = 0.0F;

        if (record.is_f64)
            memcpy(&want, (const double *)record.data + i, sizeof(want));
        else
            memcpy(&single, (const float *)record.data + i, sizeof(single));
        want = record.is_f64 ? want : (double)single;
        if (memcmp(&want, &got[i], sizeof(want)) != 0)
            fail_msg("%s[%zu]: got %.9g, want %.9g", name, i, got[i], want);
    }
    free(got);
}

/* The weights of an update, as the script drew them, into what lies there. */
static void load_live(const struct golden *golden, mm_module *live, int step)
{
    mm_value *dict = mm_module_state_dict(live);
    bool recorded = mm_grad_mode_set(false);

    for (size_t i = 0; i < mm_value_len(dict); i++) {
        mm_scope scope = mm_scope_open();
        mm_tensor *tensor = mm_value_tensor(mm_dict_at(dict, i));
        struct golden_record record = {0};
        mm_tensor_info info;
        char name[64];

        snprintf(name, sizeof(name), "live/%d/%s", step, mm_dict_name_at(dict, i));
        assert_true(golden_find(golden, name, &record));
        assert_int_equal(mm_tensor_info_get(tensor, &info), MM_OK);
        mm_copy_(tensor,
                 mm_from_data(record.data, record.is_f64 ? MM_DTYPE_F64 : MM_DTYPE_F32,
                              info.ndim, info.sizes));
        check_ok();
        mm_scope_close(scope);
    }
    mm_grad_mode_set(recorded);
    mm_value_unref(dict);
}

static void compare(const struct golden *golden, mm_module *averaged, size_t index,
                    int step)
{
    mm_value *dict = mm_module_state_dict(averaged);

    assert_string_equal(mm_dict_name_at(dict, 0), "steps");
    for (size_t i = 0; i < mm_value_len(dict); i++) {
        char name[64];

        snprintf(name, sizeof(name), "%zu/%d/%s", index, step,
                 mm_dict_name_at(dict, i));
        assert_same(golden, mm_value_tensor(mm_dict_at(dict, i)), name);
    }
    mm_value_unref(dict);
}

static void run_case(const struct golden *golden, mm_value *config, size_t index,
                     bool reference, bool channels_last)
{
    mm_module *live = nn_build(model_config);

    check_ok();
    mm_module *averaged = mm_averaged_model_build(config, live, NULL, "ema");

    check_ok();
    assert_int_equal(mm_averaged_model_set_reference(averaged, reference), MM_OK);
    if (channels_last)
        assert_int_equal(mm_module_channels_last(live, true), MM_OK);
    for (int step = 0; step < STEPS; step++) {
        load_live(golden, live, step);
        assert_int_equal(mm_averaged_model_update(averaged, live), MM_OK);
        if (step == EARLY_LOOK || step == STEPS - 1)
            compare(golden, averaged, index, step);
    }
    assert_int_equal(mm_averaged_model_steps(averaged), STEPS);
    mm_module_unref(averaged);
    mm_module_unref(live);
}

static void averages_are_mmengines(void **state)
{
    mm_value *cases = nn_json_file("golden/model/averaged.json");
    struct golden golden = open_averages();
    (void)state;

    assert_int_equal(mm_value_len(cases), 13);
    for (size_t i = 0; i < mm_value_len(cases); i++) {
        for (int form = 0; form < 4; form++)
            run_case(&golden, mm_list_get(cases, i), i, (form & 1) != 0,
                     (form & 2) != 0);
    }
    golden_close(&golden);
    mm_value_unref(cases);
}

static mm_module *build_average(const char *json, mm_module *live)
{
    mm_value *config = nn_json(json);
    mm_module *averaged = mm_averaged_model_build(config, live, NULL, "ema");

    mm_value_unref(config);
    return averaged;
}

static void a_swap_exchanges_weights(void **state)
{
    struct golden golden = open_averages();
    (void)state;

    for (int buffers = 0; buffers < 2; buffers++) {
        mm_module *live = nn_build(model_config);
        mm_module *averaged = build_average(
            buffers
                ? "{\"type\": \"ExponentialMovingAverage\", \"update_buffers\": true}"
                : "{\"type\": \"ExponentialMovingAverage\"}",
            live);

        check_ok();
        load_live(&golden, live, 0);
        assert_int_equal(mm_averaged_model_update(averaged, live), MM_OK);
        load_live(&golden, live, 1);
        assert_int_equal(mm_averaged_model_swap(averaged, live), MM_OK);
        assert_same(&golden, mm_module_find_tensor(live, "0.weight"),
                    "live/0/0.weight");
        assert_same(&golden, mm_module_find_tensor(averaged, "module.2.bias"),
                    "live/1/2.bias");
        assert_same(&golden, mm_module_find_tensor(live, "1.running_var"),
                    buffers ? "live/0/1.running_var" : "live/1/1.running_var");
        assert_int_equal(mm_averaged_model_swap(averaged, live), MM_OK);
        assert_same(&golden, mm_module_find_tensor(live, "0.weight"),
                    "live/1/0.weight");
        /* into another memory format the numbers are copied */
        assert_int_equal(mm_module_channels_last(live, true), MM_OK);
        assert_int_equal(mm_averaged_model_swap(averaged, live), MM_OK);
        assert_same(&golden, mm_module_find_tensor(live, "0.weight"),
                    "live/0/0.weight");
        assert_same(&golden, mm_module_find_tensor(averaged, "module.0.weight"),
                    "live/1/0.weight");
        mm_tensor_info info;
        assert_int_equal(
            mm_tensor_info_get(mm_module_find_tensor(live, "0.weight"), &info), MM_OK);
        assert_int_equal(info.strides[1], 1);
        assert_true(info.requires_grad);
        mm_module_unref(averaged);
        mm_module_unref(live);
    }
    golden_close(&golden);
}

/* mul_(1 - m).add_(live, alpha=m), the way of some detectors: a rule of its own. */
struct own_average {
    mm_base_averaged_model base;
};

static mm_status own_rule(void *self, mm_tensor *averaged, mm_tensor *live,
                          int64_t steps)
{
    (void)self;
    (void)steps;
    mm_add_scaled_(mm_mul_scalar_(averaged, 0.5), live, 0.5);
    return mm_pending();
}

static const mm_averaged_model_ops own_ops = {
    .module = {.call = mm_averaged_model_call},
    .average = own_rule,
};

#define MM_OPT_STRUCT struct own_average
static const mm_option own_options[] = {
    {"", "", MM_OPT_INHERIT(base, mm_base_averaged_model_options)},
    {0},
};
#undef MM_OPT_STRUCT

static const mm_component own_average = {
    .registry = "models",
    .name = "HalfAverage",
    .help = "half old, half new",
    .size = sizeof(struct own_average),
    .options = own_options,
    .init = mm_averaged_model_init,
    .deinit = mm_averaged_model_deinit,
    MM_AVERAGED_MODEL(&own_ops),
};

static void own_rules_are_asked(void **state)
{
    static const mm_component *const table[] = {&own_average, NULL};
    struct golden golden = open_averages();
    (void)state;

    assert_int_equal(mm_register(table), MM_OK);
    mm_module *live = nn_build(model_config);
    mm_module *averaged = build_average("{\"type\": \"HalfAverage\"}", live);
    float *first = golden_f32(&golden, NULL, "live/0/2.bias");
    float *second = golden_f32(&golden, NULL, "live/1/2.bias");

    load_live(&golden, live, 0);
    assert_int_equal(mm_averaged_model_update(averaged, live), MM_OK);
    load_live(&golden, live, 1);
    assert_int_equal(mm_averaged_model_update(averaged, live), MM_OK);
    const float *got =
        mm_data(mm_module_find_tensor(averaged, "module.2.bias"), MM_DTYPE_F32);
    for (int i = 0; i < 5; i++)
        assert_true(got[i] == 0.5F * first[i] + 0.5F * second[i]);
    free(second);
    free(first);
    mm_module_unref(averaged);
    mm_module_unref(live);
    golden_close(&golden);
}

static void faulty_options_are_refused(void **state)
{
    static const char *const faulty[] = {
        "{\"type\": \"ExponentialMovingAverage\", \"momentum\": 0.0}",
        "{\"type\": \"ExponentialMovingAverage\", \"momentum\": 1.0}",
        "{\"type\": \"ExponentialMovingAverage\", \"momentun\": 0.1}",
        "{\"type\": \"MomentumAnnealingEMA\", \"gamma\": 0}",
        "{\"type\": \"StochasticWeightAverage\", \"interval\": 0}",
    };
    mm_module *live = nn_build(model_config);
    (void)state;

    for (size_t i = 0; i < sizeof(faulty) / sizeof(faulty[0]); i++) {
        mm_error error;

        assert_null(build_average(faulty[i], live));
        assert_int_equal(mm_error_take(&error), MM_ECONFIG);
    }
    mm_module_unref(live);
}

/* Within the step, before the update: what is stepped by a kernel has followed then,
 * and the update adds nothing to it. */
static void averages_follow_a_step(void **state)
{
    mm_module *live = nn_build(model_config);
    mm_module *averaged = build_average(
        "{\"type\": \"ExponentialMovingAverage\", \"momentum\": 0.25}", live);
    mm_value *config = nn_json("{\"optimizer\": {\"type\": \"SGD\", \"lr\": 1.0}}");
    mm_optim_wrapper *wrapper = mm_optim_wrapper_build(live, config, NULL);
    mm_scope scope = mm_scope_open();
    mm_tensor *weight = mm_module_find_tensor(live, "2.weight");
    mm_tensor *average = mm_module_find_tensor(averaged, "module.2.weight");
    mm_tensor *bias = mm_module_find_tensor(averaged, "module.2.bias");
    (void)state;

    check_ok();
    assert_int_equal(mm_averaged_model_update(averaged, live), MM_OK);
    mm_tensor *want = mm_clone(mm_detach(weight)), *still = mm_clone(bias);
    mm_tensor *grad = mm_randn_like(want, NULL);

    assert_int_equal(mm_set_grad(weight, grad), MM_OK); /* the others have none */
    assert_int_equal(mm_averaged_model_follow(averaged, live, wrapper), MM_OK);
    assert_int_equal(mm_optim_wrapper_step(wrapper), MM_OK);
    mm_lerp_(want, mm_detach(weight), 0.25);
    assert_true(mm_tensor_equal(average, want));
    mm_add_scalar_(mm_module_find_tensor(averaged, "module.2.bias"), 4.0);
    assert_int_equal(mm_averaged_model_update(averaged, live), MM_OK);
    assert_true(mm_tensor_equal(average, want));
    /* bias had no gradient: averaged by the update */
    assert_true(mm_tensor_equal(
        bias, mm_lerp_(mm_add_scalar(still, 4.0),
                       mm_detach(mm_module_find_tensor(live, "2.bias")), 0.25)));
    assert_int_equal(mm_averaged_model_steps(averaged), 2);
    /* the next update has no step to lean on */
    assert_int_equal(mm_averaged_model_update(averaged, live), MM_OK);
    mm_lerp_(want, mm_detach(weight), 0.25);
    assert_true(mm_tensor_equal(average, want));
    /* an offer that outlives the average is no danger */
    assert_int_equal(mm_averaged_model_follow(averaged, live, wrapper), MM_OK);
    mm_scope_close(scope);
    mm_module_unref(averaged);
    assert_int_equal(mm_optim_wrapper_step(wrapper), MM_OK);
    mm_value_unref(config);
    mm_optim_wrapper_unref(wrapper);
    mm_module_unref(live);
}

int test_averaged_model(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(averages_are_mmengines),
        cmocka_unit_test(a_swap_exchanges_weights),
        cmocka_unit_test(own_rules_are_asked),
        cmocka_unit_test(faulty_options_are_refused),
        CLEAN_TEST(averages_follow_a_step),
    };

    return cmocka_run_group_tests(tests, nn_set_up, nn_tear_down);
}
