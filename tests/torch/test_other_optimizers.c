/* Optimizers beside PyTorch's dense ones: what is refused before training and where,
 * what is defined where the originals divide by zero or stop, names that stand for
 * others. Their numbers are in test_optimizers.c, their resuming in test_resume.c. */
#include "optim_support.h"

#include "mmengine/config.h"
#include "mmengine/zoo.h"

static int set_up(void **state)
{
    (void)state;
    if (mm_component_find("optimizers", NULL, "SGD") == NULL && mm_init() < 0)
        return -1;
    return mm_component_find("optimizers", "mmpretrain", "Lamb") != NULL ||
                   mm_register(mm_zoo_components) == MM_OK
               ? 0
               : -1;
}

struct slip {
    const char *optimizer; /* its options as Python text */
    const char *message;   /* a part of it */
    int line;              /* of the option */
};

static const struct slip slips[] = {
    {"type='Adafactor', lr=0.1", "lr=0.1 and relative_step=True exclude each other", 2},
    {"type='Adafactor', relative_step=False", "relative_step=False needs lr", 2},
    {"type='Adafactor', lr=0.1, relative_step=False, warmup_init=True",
     "warmup_init=True needs relative_step=True", 2},
    {"type='Adafactor', eps=(1e-30,)", "eps has 1 entries: two are needed", 2},
    {"type='Adafactor', beta1=1.5", "beta1", 2},
    {"type='Lion', lr=0.0", "lr is 0: must be above 0", 2},
    {"type='Lion', betas=(0.9, 1.5)", "betas[1] is 1.5: must be in [0, 1]", 2},
    {"type='Muon', adjust_lr_fn='none'", "adjust_lr_fn is 'none': must be", 2},
    {"type='Muon', ns_steps=100", "ns_steps", 2},
    {"type='Muon', ns_coefficients=(1, 2)", "ns_coefficients has 2 entries", 2},
    {"type='DAdaptAdam', d0=0", "d0 is 0: must be above 0", 2},
    {"type='DAdaptAdam', fsdp_in_use=True", "fsdp_in_use=True is not supported", 2},
    {"type='DAdaptSGD', lr=-1.0", "lr", 2},
    {"type='DAdaptAdaGrad', eps=0", "eps is 0: must be above 0", 2},
    {"type='SGDScheduleFree', momentum=1.0", "momentum is 1: must be between 0 and 1",
     2},
    {"type='AdamWScheduleFree', betas=(0.0, 0.9)",
     "betas[0] is 0: must be between 0 and 1", 2},
    {"type='RAdamScheduleFree', warmup_steps=3", "warmup_steps", 2},
    {"type='mmpretrain.LARS'", "lr", 2},
    {"type='mmpretrain.LARS', lr=0.1, nesterov=True",
     "nesterov needs a momentum and no dampening", 2},
    {"type='mmpretrain.Lamb', betas=(0.9, 1.0)", "betas[1] is 1: must be in [0, 1)", 2},
    {"type='mmpretrain.Adan', betas=(0.9, 0.9)", "betas has 2 entries", 2},
    {"type='ZeroRedundancyOptimizer', lr=0.1", "optimizer_type", 2},
    {"type='ZeroRedundancyOptimizer', optimizer_type='AdamW', lr=-0.5", "lr", 2},
    {"type='ZeroRedundancyOptimizer', optimizer_type='AdaW'",
     "'AdaW' is not in registry 'optimizers'", 2},
    {"type='FusedLamb'", "is known from", 2},
};

static void slips_are_told_at_their_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof slips / sizeof *slips; i++) {
        char *text = mm_strfmt("optim_wrapper = dict(\n    optimizer=dict(%s))\n",
                               slips[i].optimizer);
        mm_config *config = mm_config_from_string(text, ".py");
        char place[32];
        char said[4096];
        mm_error error;

        check_ok();
        (void)snprintf(place, sizeof place, ":%d:", slips[i].line);
        assert_true(mm_optim_wrapper_check(mm_config_get(config, "optim_wrapper"), NULL,
                                           "optim_wrapper") < 0);
        (void)mm_error_take(&error);
        (void)mm_error_format(&error, said, sizeof said);
        if (strstr(said, slips[i].message) == NULL || strstr(said, place) == NULL)
            fail_msg("%s: %s", slips[i].optimizer, said);
        mm_config_unref(config);
        mm_free(text);
    }
}

static mm_tensor *new_param(int ndim, const int64_t *sizes, double value)
{
    mm_scope scope = mm_scope_open();
    mm_tensor *param =
        mm_keep(mm_full(MM_DIMS_N(sizes, ndim), MM_N(value), .dtype = MM_DTYPE_F32));

    mm_scope_close(scope);
    mm_set_requires_grad(param, true);
    check_ok();
    return param;
}

static void put_grad(mm_tensor *param, double value)
{
    mm_scope scope = mm_scope_open();

    mm_set_grad(param, mm_full_like(mm_detach(param), value));
    mm_scope_close(scope);
    check_ok();
}

static double first_of(mm_tensor *tensor)
{
    mm_scope scope = mm_scope_open();
    double value = mm_item(mm_select(mm_reshape(mm_detach(tensor), MM_DIMS(-1)), 0, 0));

    mm_scope_close(scope);
    check_ok();
    return value;
}

static mm_optimizer *new_optimizer(const char *json, mm_tensor *const *params,
                                   size_t count)
{
    mm_value *config = support_json(json);
    mm_optimizer *optimizer = support_optimizer(config, params, count);

    mm_value_unref(config);
    return optimizer;
}

static void muon_takes_matrices_alone(void **state)
{
    mm_value *config = support_json("{\"type\": \"Muon\"}");
    mm_instance *instance = support_build("optimizers", config);
    mm_param_groups *groups = mm_optimizer_new_groups(instance);
    mm_tensor *bias = new_param(1, (const int64_t[]){3}, 1.0);
    mm_error error;
    (void)state;

    (void)mm_param_groups_add(groups, NULL);
    (void)mm_param_groups_add_param(groups, "fc.bias", bias);
    assert_null(mm_optimizer_new(instance, groups));
    assert_int_equal(mm_error_take(&error), MM_ECONFIG);
    assert_non_null(strstr(error.message, "parameter 'fc.bias' is"));
    mm_tensor_unref(bias);
    mm_param_groups_unref(groups);
    mm_instance_unref(instance);
    mm_value_unref(config);
}

static void d_adaptation_takes_one_rate(void **state)
{
    mm_value *config = support_json("{\"type\": \"DAdaptAdam\"}");
    mm_value *half = support_json("{\"lr\": 0.5}");
    mm_instance *instance = support_build("optimizers", config);
    mm_param_groups *groups = mm_optimizer_new_groups(instance);
    mm_tensor *params[2];
    mm_error error;
    (void)state;

    for (int i = 0; i < 2; i++) {
        params[i] = new_param(1, (const int64_t[]){3}, 1.0);
        (void)mm_param_groups_add(groups, i == 0 ? NULL : half);
        (void)mm_param_groups_add_param(groups, "w", params[i]);
    }
    assert_null(mm_optimizer_new(instance, groups));
    assert_int_equal(mm_error_take(&error), MM_ECONFIG);
    assert_non_null(strstr(error.message, "parameter group 1 has lr=0.5"));
    assert_non_null(strstr(error.hint, "layer_scale"));
    for (int i = 0; i < 2; i++)
        mm_tensor_unref(params[i]);
    mm_param_groups_unref(groups);
    mm_instance_unref(instance);
    mm_value_unref(half);
    mm_value_unref(config);
}

/* Gradients of zero: the originals divide by zero or return. */
static void nothing_to_go_by_is_no_step(void **state)
{
    static const char *const optimizers[] = {
        "{\"type\": \"DAdaptAdaGrad\"}",
        "{\"type\": \"DAdaptAdam\"}",
        "{\"type\": \"DAdaptSGD\"}",
        "{\"type\": \"mmpretrain.LARS\", \"lr\": 0.1}",
        "{\"type\": \"mmpretrain.Lamb\", \"weight_decay\": 0.0}",
        "{\"type\": \"mmpretrain.Adan\"}",
        "{\"type\": \"Lion\"}",
        "{\"type\": \"Adafactor\"}",
    };
    (void)state;

    for (size_t i = 0; i < sizeof optimizers / sizeof *optimizers; i++) {
        mm_tensor *param = new_param(2, (const int64_t[]){2, 3}, 0.5);
        mm_optimizer *optimizer = new_optimizer(optimizers[i], &param, 1);

        for (int step = 0; step < 3; step++) {
            put_grad(param, 0.0);
            assert_int_equal(mm_optimizer_step(optimizer), MM_OK);
        }
        if (first_of(param) != 0.5)
            fail_msg("%s: 0.5 became %g", optimizers[i], first_of(param));
        put_grad(param, 0.25); /* and it goes on */
        assert_int_equal(mm_optimizer_step(optimizer), MM_OK);
        assert_true(isfinite(first_of(param)));
        mm_optimizer_unref(optimizer);
        mm_tensor_unref(param);
    }
}

static void a_rate_of_its_own_has_no_schedule(void **state)
{
    mm_tensor *param = new_param(1, (const int64_t[]){5}, 1.0);
    mm_optimizer *optimizer = new_optimizer("{\"type\": \"Adafactor\"}", &param, 1);
    mm_value *config = support_json("{\"type\": \"ExponentialLR\", \"gamma\": 0.5}");
    mm_error error;
    (void)state;

    assert_null(mm_param_scheduler_build(config, mm_optimizer_groups(optimizer), NULL));
    assert_int_equal(mm_error_take(&error), MM_ECONFIG);
    assert_non_null(strstr(error.message, "'lr' of parameter group 0 is None"));
    mm_value_unref(config);
    mm_optimizer_unref(optimizer);
    mm_tensor_unref(param);
}

static void schedule_free_steps_where_it_trains(void **state)
{
    mm_tensor *param = new_param(1, (const int64_t[]){5}, 1.0);
    mm_optimizer *optimizer =
        new_optimizer("{\"type\": \"SGDScheduleFree\", \"lr\": 0.5}", &param, 1);
    mm_error error;
    (void)state;

    put_grad(param, 1.0);
    assert_int_equal(mm_optimizer_step(optimizer), MM_ESTATE);
    (void)mm_error_take(&error);
    assert_non_null(strstr(error.hint, "mm_optimizer_set_training"));
    assert_false(mm_optimizer_is_training(optimizer));
    for (int step = 0; step < 2; step++) {
        assert_int_equal(mm_optimizer_set_training(optimizer, true), MM_OK);
        assert_int_equal(mm_optimizer_step(optimizer), MM_OK);
    }
    assert_true(mm_optimizer_is_training(optimizer));
    /* newest: 1, 0.5, 0; average of those after the first: 0.5, 0.25;
     * training at 0.9 of the average and 0.1 of the newest */
    assert_true(fabs(first_of(param) - (0.9 * 0.25 + 0.1 * 0.0)) < 1e-6);
    assert_int_equal(mm_optimizer_set_training(optimizer, false), MM_OK);
    assert_true(fabs(first_of(param) - 0.25) < 1e-6);
    assert_int_equal(mm_optimizer_set_training(optimizer, false), MM_OK);
    assert_true(fabs(first_of(param) - 0.25) < 1e-6);
    mm_optimizer_unref(optimizer);
    mm_tensor_unref(param);
}

/* One step of the named optimizer and its state dict as text. */
static char *outcome_of(const char *json, double *out_value)
{
    mm_tensor *param = new_param(1, (const int64_t[]){5}, 1.0);
    mm_optimizer *optimizer = new_optimizer(json, &param, 1);

    put_grad(param, 0.3);
    assert_int_equal(mm_optimizer_step(optimizer), MM_OK);
    mm_value *dict = mm_optimizer_state_dict(optimizer);
    char *text = mm_value_repr(mm_dict_get(dict, "param_groups"));

    *out_value = first_of(param);
    mm_value_unref(dict);
    mm_optimizer_unref(optimizer);
    mm_tensor_unref(param);
    check_ok();
    return text;
}

static void zero_redundancy_is_the_optimizer_it_names(void **state)
{
    double value = 0.0;
    double expected = 0.0;
    char *text = outcome_of("{\"type\": \"ZeroRedundancyOptimizer\", "
                            "\"optimizer_type\": \"AdamW\", \"lr\": 0.1}",
                            &value);
    char *other = outcome_of("{\"type\": \"AdamW\", \"lr\": 0.1}", &expected);
    (void)state;

    assert_true(value == expected && value != 1.0);
    assert_string_equal(text, other);
    mm_free(text);
    mm_free(other);
    /* torch.optim's classes: Adafactor is PyTorch's */
    text = outcome_of("{\"type\": \"ZeroRedundancyOptimizer\", "
                      "\"optimizer_type\": \"Adafactor\"}",
                      &value);
    other = outcome_of("{\"type\": \"TorchAdafactor\"}", &expected);
    assert_true(value == expected);
    assert_string_equal(text, other);
    mm_free(text);
    mm_free(other);
}

int test_other_optimizers(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slips_are_told_at_their_place),
        cmocka_unit_test(muon_takes_matrices_alone),
        cmocka_unit_test(d_adaptation_takes_one_rate),
        cmocka_unit_test(nothing_to_go_by_is_no_step),
        cmocka_unit_test(a_rate_of_its_own_has_no_schedule),
        cmocka_unit_test(schedule_free_steps_where_it_trains),
        cmocka_unit_test(zero_redundancy_is_the_optimizer_it_names),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
