/* Elementwise update rules as the driver runs them: lists of tensors and libtorch's
 * fused operators, which devices use, tried on the host; states of older versions; a
 * rule of a plugin. Trajectories are compared with PyTorch in test_optimizers.c. */
#include "optim_support.h"

#include "mmengine/plugin.h"
#include "optim/optimizer.h"

enum { STEPS = 5, TENSORS = 5 };

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

/* Tensors of several sizes and two dtypes in two groups, and their optimizer. */
struct trial {
    mm_tensor *params[TENSORS];
    mm_optimizer *optimizer;
};

static double noise(uint32_t *bits)
{
    *bits = *bits * 1664525U + 1013904223U;
    return (double)(*bits >> 8) / (double)(1U << 23) - 1.0;
}

static mm_tensor *noisy(size_t index, uint32_t seed)
{
    static const int64_t sizes[TENSORS] = {1, 700, 33, 0, 12};
    uint32_t bits = seed + (uint32_t)index;
    double numbers[700];

    for (int64_t i = 0; i < sizes[index]; i++)
        numbers[i] = noise(&bits);
    return mm_from_data(numbers, MM_DTYPE_F64, 1, &sizes[index]);
}

static struct trial trial_new(const char *config_text, mm_numerics numerics)
{
    struct trial trial = {0};
    mm_scope scope = mm_scope_open();
    mm_value *config = mm_scoped(support_json(config_text));
    mm_value *other = mm_scoped(support_json("{\"lr\": 0.02}"));
    mm_instance *instance = support_build("optimizers", config);
    mm_param_groups *groups = mm_optimizer_new_groups(instance);

    for (size_t i = 0; i < TENSORS; i++) {
        bool is_double = i == TENSORS - 1;
        mm_tensor *made = mm_to(noisy(i, 7), .copy = true,
                                .dtype = is_double ? MM_DTYPE_F64 : MM_DTYPE_F32);

        mm_set_requires_grad(made, true);
        trial.params[i] = mm_keep(made);
        if (i == 0 || i == 3)
            mm_param_groups_add(groups, i == 0 ? NULL : other);
        mm_param_groups_add_param(groups, "w", made);
    }
    trial.optimizer = mm_optimizer_new(instance, groups);
    mm_param_groups_unref(groups);
    mm_instance_unref(instance);
    mm_scope_close(scope);
    check_ok();
    mm_optimizer_set_numerics(trial.optimizer, numerics);
    return trial;
}

/* The third tensor gets its first gradient later than the others. */
static void trial_run(struct trial *trial, uint32_t first, uint32_t count)
{
    for (uint32_t step = first; step < first + count; step++) {
        for (size_t i = 0; i < TENSORS; i++) {
            mm_scope scope = mm_scope_open();
            mm_tensor *grad = mm_to(noisy(i, 100 + 10 * step),
                                    .dtype = mm_tensor_dtype(trial->params[i]));

            mm_set_grad(trial->params[i], i == 2 && step < 2 ? NULL : grad);
            mm_scope_close(scope);
        }
        mm_optimizer_step_scaled(trial->optimizer, step == 1 ? 0.5F : 1.0F);
        check_ok();
    }
}

static void trial_free(struct trial *trial)
{
    mm_optimizer_unref(trial->optimizer);
    for (size_t i = 0; i < TENSORS; i++)
        mm_tensor_unref(trial->params[i]);
}

/* The largest difference relative to the tensor's norm; 0 if all bits are equal. */
static double distance(const struct trial *a, const struct trial *b)
{
    mm_scope scope = mm_scope_open();
    double largest = 0.0;

    for (size_t i = 0; i < TENSORS; i++) {
        if (mm_numel(a->params[i]) == 0)
            continue;
        mm_tensor *away = mm_detach(mm_sub(a->params[i], b->params[i]));
        double norm = mm_item(mm_op("aten::norm", MM_T(mm_detach(b->params[i]))));
        double relative = mm_item(mm_op("aten::norm", MM_T(away))) / norm;

        largest = relative > largest ? relative : largest;
    }
    mm_scope_close(scope);
    check_ok();
    return largest;
}

static const char *const configs[] = {
    "{\"type\": \"SGD\", \"lr\": 0.1}",
    "{\"type\": \"SGD\", \"lr\": 0.1, \"momentum\": 0.9, \"weight_decay\": 0.01}",
    "{\"type\": \"SGD\", \"momentum\": 0.9, \"nesterov\": true, \"maximize\": true}",
    "{\"type\": \"SGD\", \"lr\": 0.1, \"momentum\": 0.9, \"dampening\": 0.25}",
    "{\"type\": \"Adam\", \"lr\": 0.1, \"weight_decay\": 0.01}",
    "{\"type\": \"Adam\", \"amsgrad\": true, \"maximize\": true}",
    "{\"type\": \"AdamW\", \"lr\": 0.1, \"amsgrad\": true}",
    "{\"type\": \"AdamW\", \"weight_decay\": 0.1, \"capturable\": true}",
    "{\"type\": \"Adagrad\", \"lr_decay\": 0.1, \"initial_accumulator_value\": 0.5}",
    "{\"type\": \"Adagrad\", \"weight_decay\": 0.1}",
    "{\"type\": \"Adamax\", \"weight_decay\": 0.1}",
    "{\"type\": \"NAdam\", \"weight_decay\": 0.1, \"decoupled_weight_decay\": true}",
    "{\"type\": \"RAdam\", \"betas\": [0.9, 0.9], \"weight_decay\": 0.1}",
    "{\"type\": \"Adadelta\", \"weight_decay\": 0.1}",
    "{\"type\": \"RMSprop\", \"centered\": true, \"momentum\": 0.9}",
    "{\"type\": \"Rprop\", \"lr\": 0.1}",
    "{\"type\": \"ASGD\", \"lr\": 0.1, \"t0\": 2, \"weight_decay\": 0.1}",
};
enum { CONFIGS = sizeof configs / sizeof *configs };

static void lists_have_the_bits_of_single_tensors(void **state)
{
    (void)state;
    for (size_t i = 0; i < CONFIGS; i++) {
        struct trial single = trial_new(configs[i], MM_NUMERICS_REFERENCE);
        struct trial lists = trial_new(configs[i], MM_NUMERICS_REFERENCE);

        lists.optimizer->by_list = true;
        trial_run(&single, 0, STEPS);
        trial_run(&lists, 0, STEPS);
        if (distance(&lists, &single) != 0.0)
            fail_msg("%s: lists differ", configs[i]);
        trial_free(&lists);
        trial_free(&single);
    }
}

/* Only some versions of libtorch have them for the host; else the lists run again. */
static void fused_operators_agree(void **state)
{
    (void)state;
    for (size_t i = 0; i < CONFIGS; i++) {
        struct trial single = trial_new(configs[i], MM_NUMERICS_REFERENCE);
        struct trial fused = trial_new(configs[i], MM_NUMERICS_REFERENCE);

        fused.optimizer->by_list = true;
        fused.optimizer->fuses = true;
        trial_run(&single, 0, STEPS);
        trial_run(&fused, 0, STEPS);
        if (!(distance(&fused, &single) <= 1e-6))
            fail_msg("%s: fused differs by %g", configs[i], distance(&fused, &single));
        trial_free(&fused);
        trial_free(&single);
    }
}

static void fast_and_reference_may_alternate(void **state)
{
    (void)state;
    for (size_t i = 0; i < CONFIGS; i++) {
        struct trial whole = trial_new(configs[i], MM_NUMERICS_REFERENCE);
        struct trial mixed = trial_new(configs[i], MM_NUMERICS_FAST);

        trial_run(&whole, 0, STEPS);
        for (uint32_t step = 0; step < STEPS; step++) {
            mm_optimizer_set_numerics(mixed.optimizer, step % 2 == 0
                                                           ? MM_NUMERICS_FAST
                                                           : MM_NUMERICS_REFERENCE);
            trial_run(&mixed, step, 1);
        }
        if (!(distance(&mixed, &whole) <= 1e-6))
            fail_msg("%s: differs by %g", configs[i], distance(&mixed, &whole));
        trial_free(&mixed);
        trial_free(&whole);
    }
}

/* A state as older versions of PyTorch wrote it: single numbers are no tensors. */
static void make_old(mm_value *states)
{
    static const char *const names[] = {"step", "mu_product", "eta", "mu"};

    for (size_t i = 0; i < mm_value_len(states); i++) {
        mm_value *state = mm_dict_at(states, i);

        for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
            const mm_value *entry = mm_dict_find(state, names[k]);

            if (entry != NULL)
                mm_dict_put_f64(state, names[k], mm_item(mm_value_tensor(entry)));
        }
    }
}

static void older_states_go_on(void **state)
{
    (void)state;
    for (size_t i = 0; i < CONFIGS; i++) {
        struct trial whole = trial_new(configs[i], MM_NUMERICS_FAST);
        struct trial resumed = trial_new(configs[i], MM_NUMERICS_FAST);
        mm_scope scope = mm_scope_open();

        trial_run(&whole, 0, 3);
        trial_run(&resumed, 0, 3);
        mm_value *saved = mm_scoped(mm_optimizer_state_dict(resumed.optimizer));

        make_old(mm_dict_get(saved, "state"));
        check_ok();
        mm_optimizer_load_state_dict(resumed.optimizer, saved);
        check_ok();
        mm_scope_close(scope);
        trial_run(&whole, 3, 2);
        trial_run(&resumed, 3, 2);
        if (distance(&resumed, &whole) != 0.0)
            fail_msg("%s: differs after loading", configs[i]);
        trial_free(&resumed);
        trial_free(&whole);
    }
}

/* Options may change between steps: states that a setting needs are made then, those
 * that it does without are left alone. */
static void settings_may_change(void **state)
{
    (void)state;
    struct trial trial =
        trial_new("{\"type\": \"SGD\", \"lr\": 0.1}", MM_NUMERICS_FAST);
    mm_param_groups *groups = mm_optimizer_groups(trial.optimizer);

    trial_run(&trial, 0, 2);
    assert_null(mm_optimizer_find_state(trial.optimizer, 1, "momentum_buffer"));
    mm_param_groups_put_f64(groups, 0, "momentum", 0.9);
    trial_run(&trial, 2, 1);
    mm_tensor *buffer = mm_optimizer_find_state(trial.optimizer, 1, "momentum_buffer");

    assert_non_null(buffer);
    const float *grad = support_data(mm_grad_find(trial.params[1]));

    assert_memory_equal(support_data(buffer), grad, 700 * sizeof *grad);
    mm_param_groups_put_f64(groups, 0, "momentum", 0.0);
    float kept = support_data(buffer)[5];

    trial_run(&trial, 3, 1);
    assert_true(support_data(buffer)[5] == kept);
    trial_free(&trial);
}

/* The bytes of a text file; yours. */
static char *read_text(const char *path)
{
    FILE *file = fopen(path, "rb");

    if (file == NULL)
        fail_msg("cannot open %s", path);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    size_t size = (size_t)ftell(file);
    char *text = calloc(size + 1, 1);

    rewind(file);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, size, file), size);
    fclose(file);
    return text;
}

static void the_guide_shows_the_plugin(void **state)
{
    char *guide = read_text("../docs/optimizers.md");
    char *plugin = read_text("../examples/plugins/signum.c");

    (void)state;
    assert_non_null(strstr(guide, strstr(plugin, "#include")));
    free(plugin);
    free(guide);
}

static void plugins_bring_rules(void **state)
{
    (void)state;
    mm_scope scope = mm_scope_open();
    const char *config = "{\"type\": \"Signum\", \"lr\": 0.1}";

    assert_int_equal(mm_plugin_load("../examples/plugins/signum.c"), MM_OK);
    check_ok();
    struct trial fast = trial_new(config, MM_NUMERICS_FAST);
    struct trial reference = trial_new(config, MM_NUMERICS_REFERENCE);
    float first = support_data(fast.params[0])[0];

    at_start = support_count(); /* a plugin stays loaded */
    trial_run(&fast, 0, STEPS);
    trial_run(&reference, 0, STEPS);
    assert_true(support_data(fast.params[0])[0] != first);
    assert_true(distance(&fast, &reference) <= 1e-6);
    assert_non_null(mm_optimizer_find_state(fast.optimizer, 1, "momentum_buffer"));
    trial_free(&reference);
    trial_free(&fast);
    mm_scope_close(scope);
    at_start = support_count();
}

/* A rule without operators: float32 on the host alone, in either numerics. */
static void read_nothing(void *self, const mm_value *options, void *out_setting)
{
    (void)self;
    *(double *)out_setting = mm_option_find_f64(options, "lr", 1.0);
}

static void subtract(const void *coefficients, const mm_update_memory *memory)
{
    float lr = (float)*(const double *)coefficients;

    for (int64_t i = 0; i < memory->count; i++)
        memory->param[i] -= lr * (memory->grad[i] * memory->grad_factor);
}

static void rules_may_lack_operators(void **state)
{
    static const mm_update_rule rule = {
        .setting_size = sizeof(double), .read = read_nothing, .update = subtract};
    static const mm_optimizer_ops ops = {.rule = &rule};
    static const mm_component component = {.registry = "optimizers",
                                           .name = "Subtract",
                                           .help = "for a test",
                                           .size = sizeof(double),
                                           MM_OPTIMIZER(&ops)};
    const float start[3] = {1.0F, 2.0F, 3.0F};
    const float grad[3] = {4.0F, 0.0F, -2.0F};
    mm_tensor *leaf = support_leaf(start, 3);
    mm_instance *instance = mm_instance_new(&component);

    (void)state;
    assert_int_equal(mm_instance_start(instance), MM_OK);
    mm_param_groups *groups = mm_optimizer_new_groups(instance);

    mm_param_groups_add(groups, NULL);
    mm_param_groups_add_param(groups, "a", leaf);
    mm_optimizer *optimizer = mm_optimizer_new(instance, groups);

    mm_optimizer_set_numerics(optimizer, MM_NUMERICS_REFERENCE);
    support_set_grad(leaf, grad);
    mm_optimizer_step_scaled(optimizer, 0.5F);
    check_ok();
    assert_true(support_data(leaf)[0] == -1.0F && support_data(leaf)[2] == 4.0F);
    mm_scope scope = mm_scope_open();

    mm_set_data_(leaf, mm_to(mm_detach(leaf), .dtype = MM_DTYPE_F64));
    mm_set_grad(leaf, mm_ones_like(mm_detach(leaf)));
    mm_scope_close(scope);
    mm_optimizer_step(optimizer);
    check_error_text(MM_EUNSUPPORTED,
                     "Subtract updates dense float32 on the host alone: "
                     "parameter 'a' is [3] float64 cpu");
    mm_optimizer_unref(optimizer);
    mm_param_groups_unref(groups);
    mm_instance_unref(instance);
    mm_tensor_unref(leaf);
}

static int set_up_group(void **state)
{
    (void)state;
    return mm_init() < 0 || mm_torch_open() < 0 ? -1 : 0;
}

/* Squares of complex numbers are none of what the rules mean. */
static void complex_parameters_are_refused(void **state)
{
    (void)state;
    mm_scope scope = mm_scope_open();
    mm_value *config = mm_scoped(support_json("{\"type\": \"Adam\"}"));
    mm_tensor *part = mm_ones(MM_DIMS(3));
    mm_tensor *leaf = mm_op("aten::complex", MM_T(part), MM_T(part));

    mm_set_requires_grad(leaf, true);
    mm_optimizer *optimizer = support_optimizer(config, &leaf, 1);

    mm_set_grad(leaf, mm_op("aten::complex", MM_T(part), MM_T(part)));
    check_ok();
    mm_optimizer_step(optimizer);
    check_error(MM_EUNSUPPORTED);
    mm_optimizer_unref(optimizer);
    mm_scope_close(scope);
}

int test_update_rules(void);

int test_update_rules(void)
{
#define TEST(name)                                                                     \
    cmocka_unit_test_setup_teardown(name, set_up_test, check_nothing_left)
    const struct CMUnitTest tests[] = {
        TEST(lists_have_the_bits_of_single_tensors),
        TEST(fused_operators_agree),
        TEST(fast_and_reference_may_alternate),
        TEST(older_states_go_on),
        TEST(settings_may_change),
        TEST(plugins_bring_rules),
        TEST(the_guide_shows_the_plugin),
        TEST(rules_may_lack_operators),
        TEST(complex_parameters_are_refused),
    };
#undef TEST
    return cmocka_run_group_tests(tests, set_up_group, NULL);
}
