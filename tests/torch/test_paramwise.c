/* Parameter groups by rules against MMEngine's and MMPretrain's constructors on
 * ResNet-50 and ViT-B/16: names, order, every option given to a group digit for digit,
 * log lines, warnings. Then shared parameters, and what is wrong in a config. */
#include "nn_check.h"

#include "mmengine/config.h"
#include "mmengine/log.h"
#include "mmengine/optim.h"

/* --- log lines --- */

struct heard {
    mm_value *lines[2]; /* of INFO and DEBUG, of WARN */
    bool with_ours;
    mm_logger *logger;
    mm_logger *former;
};

static void hear(void *user, const mm_log_line *line)
{
    struct heard *heard = user;
    /* a line of our own, for which MMEngine has nothing */
    bool is_ours = strstr(line->message, "is part of no parameter's name") != NULL;
    mm_value *list = heard->lines[line->level == MM_LOG_WARN || is_ours ? 1 : 0];

    if (!is_ours || heard->with_ours) {
        mm_list_push(list, mm_value_new_str(line->message));
    }
}

static void start_listening(struct heard *heard)
{
    heard->lines[0] = mm_value_new_list();
    heard->lines[1] = mm_value_new_list();
    heard->logger = mm_logger_new(&(const mm_logger_args){
        .level = MM_LOG_DEBUG, .sink = hear, .sink_user = heard});
    check_ok();
    heard->former = mm_logger_set_current(heard->logger);
}

static void stop_listening(struct heard *heard)
{
    mm_logger_set_current(heard->former);
    mm_logger_free(heard->logger);
    mm_value_unref(heard->lines[0]);
    mm_value_unref(heard->lines[1]);
}

static const char *line_at(const mm_value *lines, size_t index)
{
    return index < mm_value_len(lines) ? mm_value_str(mm_list_get(lines, index))
                                       : "(no line)";
}

static void same_lines(const mm_value *got, const mm_value *expected, const char *what)
{
    for (size_t i = 0; i < mm_value_len(expected) || i < mm_value_len(got); i++) {
        if (strcmp(line_at(got, i), line_at(expected, i)) != 0) {
            fail_msg("%s, line %zu: %s\nexpected: %s", what, i, line_at(got, i),
                     line_at(expected, i));
        }
    }
}

/* --- golden cases --- */

/* Built models by name: each serves several cases. */
static mm_module *model_of(mm_value *golden, const char *name, mm_value *built)
{
    mm_value *known = mm_dict_find(built, name);

    if (known == NULL) {
        mm_value *config =
            mm_value_copy(mm_dict_get(mm_dict_get(golden, "models"), name));
        mm_module *model = mm_module_build(config, "mmpretrain", "model");

        check_ok();
        mm_dict_take(built, name, mm_value_new_instance(mm_module_instance(model)));
        mm_module_unref(model);
        mm_value_unref(config);
        known = mm_dict_get(built, name);
    }
    return mm_module_of_instance(mm_value_find_instance(known));
}

/* "lr=0.2": the option as the log shows it. */
static char *as_logged(const mm_value *options, const char *key)
{
    const mm_value *value = mm_dict_get(options, key);

    check_ok();
    return mm_value_kind(value) == MM_KIND_STR ? mm_strdup(mm_value_str(value))
                                               : mm_value_repr(value);
}

/* The given options come first, in order; after them only the optimizer's own. */
static void check_group(const mm_param_groups *groups, size_t group, const char *name,
                        const mm_value *given)
{
    const mm_value *options = mm_param_groups_options(groups, group);
    size_t count = mm_value_len(given);

    assert_string_equal(mm_param_groups_name(groups, group), name);
    assert_int_equal(mm_param_groups_group_of(groups, group), group);
    for (size_t i = 0; i < count; i++) {
        const char *expected = mm_value_str(mm_list_get(given, i));
        const char *key = mm_dict_name_at(options, i);
        char *value = as_logged(options, key);
        char *got = mm_strfmt("%s=%s", key, value);

        if (strcmp(got, expected) != 0) {
            fail_msg("%s: %s, expected %s", name, got, expected);
        }
        mm_free(got);
        mm_free(value);
    }
    if (mm_dict_has(options, "layer_id")) {
        assert_string_equal(mm_dict_name_at(options, count), "param_name");
        assert_string_equal(mm_value_str(mm_dict_at(options, count)), name);
        count++;
    }
    for (size_t i = count; i < mm_value_len(options); i++) {
        assert_true(
            mm_dict_has(mm_param_groups_defaults(groups), mm_dict_name_at(options, i)));
    }
}

static void expect_lines(mm_value *lines, const char *name, const mm_value *given)
{
    for (size_t i = 0; i < mm_value_len(given); i++) {
        mm_list_push(lines, mm_value_new_strf("paramwise_options -- %s:%s", name,
                                              mm_value_str(mm_list_get(given, i))));
    }
}

static void check_case(mm_value *golden, const mm_value *item, mm_module *model)
{
    const mm_value *which = mm_dict_get(item, "which");
    const mm_value *names = mm_list_get(
        mm_dict_get(golden, "names"), (size_t)mm_value_i64(mm_dict_get(item, "names")));
    mm_value *config = mm_value_copy(mm_dict_get(item, "config"));
    bool by_layers = mm_dict_has(config, "constructor");
    mm_value *lines = mm_value_new_list();
    struct heard heard = {0};

    start_listening(&heard);
    mm_optim_wrapper *wrapper = mm_optim_wrapper_build(model, config, "mmpretrain");

    check_ok();
    const mm_param_groups *groups = mm_optim_wrapper_groups(wrapper);

    assert_int_equal(mm_param_groups_count(groups), mm_value_len(which));
    assert_int_equal(mm_param_groups_num_params(groups), mm_value_len(which));
    for (size_t i = 0; i < mm_value_len(which); i++) {
        const char *name = mm_value_str(mm_list_get(names, i));
        const mm_value *given = mm_list_get(
            mm_dict_get(item, "kinds"), (size_t)mm_value_i64(mm_list_get(which, i)));

        check_group(groups, i, name, given);
        if (!by_layers) {
            expect_lines(lines, name, given);
        }
    }
    const mm_value *debug = mm_dict_get(item, "debug");

    if (!by_layers || mm_value_len(debug) > 0) {
        same_lines(heard.lines[0], by_layers ? debug : lines, "log");
    }
    same_lines(heard.lines[1], mm_dict_get(item, "warnings"), "warnings");
    mm_optim_wrapper_unref(wrapper);
    stop_listening(&heard);
    mm_value_unref(lines);
    mm_value_unref(config);
}

static void test_golden(void **state)
{
    (void)state;
    mm_value *golden = nn_json_file("golden/optim/paramwise.json");
    const mm_value *cases = mm_dict_get(golden, "cases");
    mm_value *built = mm_value_new_dict();

    assert_true(mm_value_len(cases) > 15);
    for (size_t i = 0; i < mm_value_len(cases); i++) {
        const mm_value *item = mm_list_get(cases, i);
        const char *name = mm_value_str(mm_dict_get(item, "model"));

        check_case(golden, item, model_of(golden, name, built));
    }
    mm_value_unref(built);
    mm_value_unref(golden);
}

/* --- configs --- */

static mm_value *wrapper_config(const char *more)
{
    char *text = mm_strfmt("optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.5), "
                           "%s)\n",
                           more);
    mm_config *config = mm_config_from_string(text, ".py");

    check_ok();
    mm_value *wrapper = mm_value_ref(mm_config_get(config, "optim_wrapper"));

    mm_config_unref(config);
    mm_free(text);
    return wrapper;
}

/* --- shared parameters --- */

/* Two linear layers with the same weight. */
static mm_module *tied_model(void)
{
    mm_module *model = nn_build("[{\"type\": \"Linear\", \"in_features\": 3,"
                                "\"out_features\": 3}, {\"type\": \"Linear\","
                                "\"in_features\": 3, \"out_features\": 3}]");

    check_ok();
    mm_module_add(model, "again", mm_module_ref(mm_module_find(model, "0")));
    check_ok();
    return model;
}

static void check_tied(const char *paramwise, const char *warning)
{
    mm_module *model = tied_model();
    mm_value *config = nn_json("{\"optimizer\": {\"type\": \"SGD\", \"lr\": 0.5}}");
    struct heard heard = {0};

    mm_dict_take(config, "paramwise_cfg", nn_json(paramwise));
    start_listening(&heard);
    mm_optim_wrapper *wrapper = mm_optim_wrapper_build(model, config, "mmpretrain");

    check_ok();
    assert_int_equal(mm_param_groups_num_params(mm_optim_wrapper_groups(wrapper)), 4);
    assert_true(mm_value_len(heard.lines[1]) > 0);
    assert_string_equal(line_at(heard.lines[1], 0), warning);
    mm_optim_wrapper_unref(wrapper);
    stop_listening(&heard);
    mm_value_unref(config);
    mm_module_unref(model);
}

static void test_shared(void **state)
{
    (void)state;
    check_tied("{\"bypass_duplicate\": true}",
               "again is duplicate. It is skipped since bypass_duplicate=True");
    check_tied("{\"bias_lr_mult\": 2}",
               "again.weight is the parameter '0.weight' again, it is updated once");
}

/* --- a module that says how deep its layers lie --- */

struct two_parts {
    int64_t size;
};

static mm_status two_parts_init(void *data)
{
    const struct two_parts *self = data;
    mm_module *module = mm_module_of(data);

    mm_module_add(module, "stem", mm_nn_linear(self->size, self->size));
    mm_module_add(module, "net", mm_nn_linear(self->size, self->size));
    return mm_pending();
}

static mm_tensor *two_parts_forward(void *data, mm_tensor *x)
{
    mm_module *module = mm_module_of(data);

    return mm_module_forward(mm_module_find(module, "net"),
                             mm_module_forward(mm_module_find(module, "stem"), x));
}

static mm_status two_parts_depth(const void *data, const char *name, const char *prefix,
                                 mm_layer_depth *out)
{
    (void)data;
    bool is_ours = strncmp(name, prefix, strlen(prefix)) == 0;
    bool is_stem = is_ours && strncmp(name + strlen(prefix), "stem.", 5) == 0;

    *out = (mm_layer_depth){.depth = is_stem ? 0 : is_ours ? 1 : 2, .count = 3};
    return MM_OK;
}

static const mm_module_ops two_parts_ops = {.forward = two_parts_forward,
                                            .layer_depth = two_parts_depth};

#define MM_OPT_STRUCT struct two_parts
static const mm_option two_parts_options[] = {
    {"size", "of both layers", MM_OPT_I64(size, 2, 1, 9)},
    {0},
};
#undef MM_OPT_STRUCT

static const mm_component two_parts = {
    .registry = "models",
    .name = "TestTwoParts",
    .help = "two layers in a row",
    .size = sizeof(struct two_parts),
    .options = two_parts_options,
    .init = two_parts_init,
    MM_MODULE(&two_parts_ops),
};

/* As the backbone of a classifier, and as the whole model. */
static void test_own_depths(void **state)
{
    (void)state;
    static const mm_component *const table[] = {&two_parts, NULL};
    static const struct {
        const char *model;
        double rates[6];
    } cases[] = {
        {"{\"type\": \"ImageClassifier\", \"backbone\": {\"type\": \"TestTwoParts\"},"
         "\"head\": {\"type\": \"LinearClsHead\", \"num_classes\": 2,"
         "\"in_channels\": 2}}",
         {0.25, 0.25, 0.5, 0.5, 1.0, 1.0}},
        {"{\"type\": \"TestTwoParts\"}", {0.25, 0.25, 0.5, 0.5}},
    };

    if (mm_component_find("models", NULL, "TestTwoParts") == NULL) {
        assert_int_equal(mm_register(table), MM_OK);
    }
    for (size_t i = 0; i < 2; i++) {
        mm_module *model = nn_build(cases[i].model);
        mm_value *config =
            wrapper_config("constructor='LearningRateDecayOptimWrapperConstructor', "
                           "paramwise_cfg=dict(layer_decay_rate=0.5)");
        mm_optim_wrapper *wrapper = mm_optim_wrapper_build(model, config, "mmpretrain");

        check_ok();
        const mm_param_groups *groups = mm_optim_wrapper_groups(wrapper);

        assert_int_equal(mm_param_groups_count(groups), i == 0 ? 6 : 4);
        for (size_t k = 0; k < mm_param_groups_count(groups); k++) {
            assert_true(mm_param_groups_f64(groups, k, "lr") ==
                        0.5 * cases[i].rates[k]);
            assert_false(mm_dict_has(mm_param_groups_options(groups, k), "decay_mult"));
        }
        mm_optim_wrapper_unref(wrapper);
        mm_value_unref(config);
        mm_module_unref(model);
    }
}

/* --- faults and slips --- */

static const char *const faults[][2] = {
    {"paramwise_cfg=dict(norm_decay_mult=0.)", "<string>:1:"},
    {"paramwise_cfg=dict(norm_decay_mult=0.)", "norm_decay_mult needs a weight_decay"},
    {"paramwise_cfg=dict(custom_keys=dict(a=dict(decay_mult=0.)))",
     "custom_keys with decay_mult needs a weight_decay"},
    {"paramwise_cfg=dict(custom_keys=dict(a=dict(lr_mult='x')))", "<string>:1:"},
    {"paramwise_cfg=dict(custom_keys=dict(a=dict(lr_mult='x')))",
     "lr_mult of custom key 'a' is str: a number is needed"},
    {"paramwise_cfg=dict(custom_keys=dict(a=0.1))", "'a' is float"},
    {"paramwise_cfg=dict(custom_keys=['a'])", "custom_keys is list: a dict is needed"},
    {"paramwise_cfg=dict(bias_lr_mul=2.)", "<string>:1:"},
    {"paramwise_cfg=dict(bias_lr_mul=2.)", "bias_lr_mult"},
    {"paramwise_cfg=dict(bias_lr_mult='2')", "bias_lr_mult"},
    {"paramwise_cfg=dict(bias_lr_mult=[2])", "<string>:1:"},
    {"paramwise_cfg=[1]", "paramwise_cfg is list: a dict is needed"},
    {"constructor='DefaultOptimWraperConstructor'", "<string>:1:"},
    {"constructor='DefaultOptimWraperConstructor'", "DefaultOptimWrapperConstructor"},
    {"constructor='LearningRateDecayOptimWrapperConstructor', "
     "paramwise_cfg=dict(layer_decay_rate=0.5, flat_decay_mult=0)",
     "flat_decay_mult needs a weight_decay"},
    {"constructor='LearningRateDecayOptimWrapperConstructor', "
     "paramwise_cfg=dict(layer_decay_rate=0.5)",
     "a Sequential does not say how deep its layers lie"},
    {"constructor='LearningRateDecayOptimWrapperConstructor', "
     "paramwise_cfg=dict(layer_decay=0.5)",
     "layer_decay_rate"},
};

/* All but what only a model can tell are found without one. */
static void test_faults(void **state)
{
    (void)state;
    mm_module *model = tied_model();

    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        mm_value *config = wrapper_config(faults[i][0]);
        bool needs_model = strstr(faults[i][1], "how deep its layers") != NULL;
        mm_error error;
        char text[1024];

        assert_int_equal(mm_optim_wrapper_check(config, "mmpretrain", "optim_wrapper") <
                             0,
                         !needs_model);
        if (needs_model) {
            assert_null(mm_optim_wrapper_build(model, config, "mmpretrain"));
        }
        assert_true(mm_error_take(&error) < 0);
        (void)mm_error_format(&error, text, sizeof text);
        if (strstr(text, faults[i][1]) == NULL) {
            fail_msg("%s: %s\nexpected: %s", faults[i][0], text, faults[i][1]);
        }
        mm_value_unref(config);
    }
    mm_module_unref(model);
}

/* Slips that MMEngine passes over in silence are said, and change nothing. */
static void test_slips(void **state)
{
    (void)state;
    mm_module *model = tied_model();
    mm_value *config = wrapper_config(
        "paramwise_cfg=dict(bypass_duplicate=True, flat_decay_mult=0., "
        "custom_keys={'bias': dict(lr_mul=2.), 'absent': dict(lr_mult=2.)})");
    struct heard heard = {.with_ours = true};

    start_listening(&heard);
    mm_optim_wrapper *wrapper = mm_optim_wrapper_build(model, config, "mmpretrain");

    check_ok();
    char *text = mm_value_repr(heard.lines[1]);

    assert_non_null(strstr(text,
                           "custom_keys 'bias': 'lr_mul' is no rule and no option "
                           "of the optimizer, did you mean 'lr_mult'?"));
    assert_non_null(strstr(text, "flat_decay_mult has no effect"));
    assert_non_null(
        strstr(text, "custom_keys 'absent' is part of no parameter's name"));
    assert_null(strstr(text, "custom_keys 'bias' is part"));
    assert_true(mm_param_groups_f64(mm_optim_wrapper_groups(wrapper), 1, "lr") == 0.5);
    mm_free(text);
    mm_optim_wrapper_unref(wrapper);
    stop_listening(&heard);
    mm_value_unref(config);
    mm_module_unref(model);
}

/* Without options both constructors make one group. */
static void test_no_options(void **state)
{
    (void)state;
    static const char *const configs[] = {
        "paramwise_cfg=None", "paramwise_cfg=dict()",
        "constructor='LearningRateDecayOptimWrapperConstructor'",
        ("constructor='mmpretrain.LearningRateDecayOptimWrapperConstructor', "
         "paramwise_cfg=dict()")};
    mm_module *model = tied_model();

    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        mm_value *config = wrapper_config(configs[i]);

        assert_int_equal(mm_optim_wrapper_check(config, "mmpretrain", "optim_wrapper"),
                         MM_OK);
        mm_optim_wrapper *wrapper = mm_optim_wrapper_build(model, config, "mmpretrain");

        check_ok();
        assert_int_equal(mm_param_groups_count(mm_optim_wrapper_groups(wrapper)), 1);
        assert_int_equal(mm_param_groups_num_params(mm_optim_wrapper_groups(wrapper)),
                         4);
        mm_optim_wrapper_unref(wrapper);
        mm_value_unref(config);
    }
    mm_module_unref(model);
}

#define TEST(function) cmocka_unit_test_teardown((function), nn_tear_down)

int test_paramwise(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_golden), TEST(test_shared), TEST(test_own_depths),
        TEST(test_faults), TEST(test_slips),  TEST(test_no_options),
    };

    return cmocka_run_group_tests(tests, nn_set_up, NULL);
}
