/* Every way of clipping with accumulation, groups of parameters, loss scales and
 * gradients that are not finite, as MMEngine's wrappers and torch.amp.GradScaler train:
 * weights, norms, scales, what is shown and what is saved. A wrapper goes on from
 * Python's checkpoint with the same bits. Source: tools/golden/wrapper_cases.py. */
#include "optim_support.h"

#include "mmengine/pth.h"

enum { FIRST = SUPPORT_FIRST, BOTH = SUPPORT_FIRST + SUPPORT_SECOND, MOST_ITERS = 16 };

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

/* The golden files. */
struct cases {
    struct golden golden;
    mm_value *json;
    const mm_value *list;
    float *weights, *inputs;
    int64_t iterations;
};

static struct cases open_cases(void)
{
    struct cases cases = {
        .golden = support_golden("wrapper_cases"),
        .json = support_json_file("golden/optim/wrapper_cases.json"),
    };

    cases.list = mm_dict_get(cases.json, "cases");
    cases.iterations = mm_value_i64(mm_dict_get(cases.json, "iterations"));
    cases.weights = golden_f32(&cases.golden, NULL, "weights");
    cases.inputs = golden_f32(&cases.golden, NULL, "inputs");
    check_ok();
    return cases;
}

static void close_cases(struct cases *cases)
{
    free(cases->inputs);
    free(cases->weights);
    mm_value_unref(cases->json);
    golden_close(&cases->golden);
}

/* A training under way, and what the sink heard of it. */
struct training {
    mm_tensor *leaves[2];
    mm_optim_wrapper *wrapper;
    double norms[MOST_ITERS];
    size_t num_norms;
    double scale;
    int64_t skipped;
};

static void hear(void *user, const char *name, mm_number value)
{
    struct training *training = user;

    if (strcmp(name, "train/grad_norm") == 0) {
        assert_true(training->num_norms < MOST_ITERS);
        assert_int_equal(value.kind, MM_NUMBER_F64);
        training->norms[training->num_norms++] = value.u.f64;
    } else if (strcmp(name, "train/grad_scale") == 0) {
        training->scale = value.u.f64;
    } else {
        assert_string_equal(name, "train/skipped_steps");
        assert_int_equal(value.kind, MM_NUMBER_I64);
        training->skipped = value.u.i64;
    }
}

/* SGD over the leaves in one group or two. */
static mm_optimizer *make_optimizer(mm_tensor *const *leaves, int64_t num_groups)
{
    mm_value *config =
        support_json("{\"type\": \"SGD\", \"lr\": 0.05, \"momentum\": 0.9}");
    mm_instance *instance = support_build("optimizers", config);
    mm_param_groups *groups = mm_optimizer_new_groups(instance);
    mm_value *own = support_json("{\"lr\": 0.01}");

    mm_param_groups_add(groups, NULL);
    mm_param_groups_add_param(groups, "first", leaves[0]);
    if (num_groups == 2)
        mm_param_groups_add(groups, own);
    mm_param_groups_add_param(groups, "second", leaves[1]);
    mm_optimizer *optimizer = mm_optimizer_new(instance, groups);

    mm_value_unref(own);
    mm_param_groups_unref(groups);
    mm_instance_unref(instance);
    mm_value_unref(config);
    check_ok();
    return optimizer;
}

static void start(struct training *training, const mm_value *spec, const float *weights,
                  int64_t iterations, mm_numerics numerics)
{
    mm_value *config = mm_value_copy(mm_dict_get(spec, "wrapper"));

    *training = (struct training){
        .leaves = {support_leaf(weights, FIRST),
                   support_leaf(weights + FIRST, BOTH - FIRST)},
    };
    mm_optimizer *optimizer =
        make_optimizer(training->leaves, mm_value_i64(mm_dict_get(spec, "groups")));
    mm_instance *instance = support_build("optim_wrappers", config);

    training->wrapper = mm_optim_wrapper_new(instance, optimizer);
    check_ok();
    mm_optim_wrapper_set_scalar_sink(training->wrapper, hear, training);
    mm_optim_wrapper_set_numerics(training->wrapper, numerics);
    mm_optim_wrapper_initialize_count_status(training->wrapper, NULL, 0, iterations);
    mm_instance_unref(instance);
    mm_optimizer_unref(optimizer);
    mm_value_unref(config);
    check_ok();
}

static void end(struct training *training)
{
    mm_optim_wrapper_unref(training->wrapper);
    mm_tensor_unref(training->leaves[0]);
    mm_tensor_unref(training->leaves[1]);
}

/* The inputs of an iteration with the case's bad element put in. */
static void train_one(struct training *training, const struct cases *cases,
                      const mm_value *spec, int64_t iteration)
{
    float inputs[BOTH];
    char key[8];

    memcpy(inputs, cases->inputs + iteration * BOTH, sizeof inputs);
    snprintf(key, sizeof key, "%d", (int)iteration);
    const mm_value *bad = mm_dict_find(mm_dict_get(spec, "bad"), key);

    if (bad != NULL) {
        int64_t at = mm_value_i64(mm_list_get(bad, 0)) * FIRST +
                     mm_value_i64(mm_list_get(bad, 1));

        inputs[at] = strtof(mm_value_str(mm_list_get(bad, 2)), NULL);
    }
    mm_scope scope = mm_scope_open();

    mm_optim_wrapper_update_params(training->wrapper,
                                   support_loss(training->leaves, inputs));
    mm_scope_close(scope);
    check_ok();
}

/* The distance over the norm; what is not finite has to be the same. */
static double distance(const float *got, const float *want, size_t count)
{
    double difference = 0.0;
    double norm = 0.0;

    for (size_t i = 0; i < count; i++) {
        if (!isfinite(want[i])) {
            if (isnan(want[i]) ? !isnan(got[i]) : got[i] != want[i])
                return INFINITY;
            continue;
        }
        difference += pow((double)got[i] - (double)want[i], 2.0);
        norm += pow((double)want[i], 2.0);
    }
    return sqrt(difference) / (norm > 0.0 ? sqrt(norm) : 1.0);
}

static void check_weights(const struct training *training, const float *want,
                          double tolerance, size_t number, int64_t iteration)
{
    for (size_t i = 0; i < 2; i++) {
        double off = distance(support_data(training->leaves[i]), want + i * FIRST,
                              i == 0 ? FIRST : BOTH - FIRST);

        if (!(off <= tolerance))
            fail_msg("case %zu: weight %zu is off by %g after iteration %d", number, i,
                     off, (int)iteration + 1);
    }
}

static bool is_near(double got, double want, double tolerance)
{
    return (isnan(want) && isnan(got)) || got == want ||
           fabs(got - want) <= tolerance * fabs(want);
}

static void check_norms(const struct cases *cases, const struct training *training,
                        double tolerance, size_t number)
{
    char name[64];
    struct golden_record record = {0};

    snprintf(name, sizeof name, "case/%zu/norms", number);
    assert_true(golden_find(&cases->golden, name, &record));
    assert_int_equal(training->num_norms, record.count);
    for (size_t i = 0; i < record.count; i++) {
        double want = golden_f64(&cases->golden, i, "%s", name);

        if (!is_near(training->norms[i], want, tolerance))
            fail_msg("case %zu: norm %zu is %.9g, torch has %.9g", number, i,
                     training->norms[i], want);
    }
}

/* The state without the optimizer's part, the learning rates. */
static void check_state(const struct training *training, const mm_value *spec,
                        size_t number)
{
    mm_value *state = mm_optim_wrapper_state_dict(training->wrapper);
    mm_value *lr = mm_optim_wrapper_get_lr(training->wrapper);
    mm_value *momentum = mm_optim_wrapper_get_momentum(training->wrapper);
    const mm_value *saved = mm_dict_get(spec, "saved");
    const mm_value *scaler = mm_dict_find(saved, "loss_scaler");
    const mm_value *base = mm_dict_find(saved, "base_param_settings");

    check_ok();
    if (!mm_value_equal(lr, mm_dict_get(spec, "lr")) ||
        !mm_value_equal(momentum, mm_dict_get(spec, "momentum")))
        fail_msg("case %zu shows other rates", number);
    assert_int_equal(mm_dict_has(state, "loss_scaler"), scaler != NULL);
    if (scaler != NULL)
        assert_true(mm_value_equal(mm_dict_get(state, "loss_scaler"), scaler));
    assert_int_equal(mm_dict_has(state, "base_param_settings"), base != NULL);
    if (base != NULL)
        assert_int_equal(mm_value_len(mm_dict_get(state, "base_param_settings")),
                         mm_value_len(base));
    mm_value_unref(momentum);
    mm_value_unref(lr);
    mm_value_unref(state);
}

/* The scale that would be saved now; NAN without a scaler. */
static double scale_of(const struct training *training)
{
    mm_value *state = mm_optim_wrapper_state_dict(training->wrapper);
    const mm_value *scaler = mm_dict_find(state, "loss_scaler");
    double scale = scaler != NULL && mm_dict_has(scaler, "scale")
                       ? mm_value_f64(mm_dict_get(scaler, "scale"))
                       : NAN;

    mm_value_unref(state);
    return scale;
}

/* The scale after each iteration; the steps that were left out are those after which
 * PyTorch's became smaller. */
static void check_scale(const struct cases *cases, const struct training *training,
                        size_t number, int64_t iteration)
{
    double got = scale_of(training);

    if (isnan(got))
        return;
    if (got != golden_f64(&cases->golden, (size_t)iteration, "case/%zu/scales", number))
        fail_msg("case %zu: scale %g after iteration %d", number, got,
                 (int)iteration + 1);
    if (training->scale != 0.0)
        assert_true(training->scale == got);
}

static void run_case(const struct cases *cases, size_t number, mm_numerics numerics)
{
    const mm_value *spec = mm_list_get(cases->list, number);
    const mm_value *shown = mm_dict_get(cases->json, "shown");
    bool clips_norm = mm_dict_has(mm_dict_get(spec, "wrapper"), "clip_grad");
    bool is_exact = numerics == MM_NUMERICS_REFERENCE || !clips_norm;
    double tolerance = support_tolerance(is_exact ? 0.0 : 1e-6);
    float *trace = golden_f32(&cases->golden, NULL, "case/%zu/trace", number);
    struct training training;
    size_t row = 0;

    start(&training, spec, cases->weights, cases->iterations, numerics);
    for (int64_t i = 0; i < cases->iterations; i++) {
        train_one(&training, cases, spec, i);
        check_scale(cases, &training, number, i);
        if (mm_value_i64(mm_list_get(shown, row)) == i) {
            check_weights(&training, trace + row * BOTH, tolerance, number, i);
            row = row + 1 < mm_value_len(shown) ? row + 1 : row;
        }
    }
    assert_null(mm_grad_find(training.leaves[0]));
    check_norms(cases, &training, tolerance, number);
    check_state(&training, spec, number);
    assert_int_equal(mm_optim_wrapper_skipped_steps(training.wrapper),
                     training.skipped);
    end(&training);
    free(trace);
}

static void cases_are_mmengines(void **state)
{
    struct cases cases = open_cases();
    size_t count = mm_value_len(cases.list);

    (void)state;
    assert_true(count >= 300);
    for (size_t i = 0; i < count; i++) {
        run_case(&cases, i, MM_NUMERICS_FAST);
        run_case(&cases, i, MM_NUMERICS_REFERENCE);
    }
    close_cases(&cases);
}

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

/* From the checkpoint that Python wrote in the middle of a case to the case's end. */
static void python_checkpoints_go_on(void **state)
{
    struct cases cases = open_cases();
    size_t number = (size_t)mm_value_i64(mm_dict_get(cases.json, "resumed"));
    int64_t at = mm_value_i64(mm_dict_get(cases.json, "resume_at"));
    const mm_value *spec = mm_list_get(cases.list, number);
    const mm_value *middle = mm_dict_get(spec, "middle");
    float *trace = golden_f32(&cases.golden, NULL, "case/%zu/trace", number);
    size_t last = mm_value_len(mm_dict_get(cases.json, "shown")) - 1;
    mm_scope scope = mm_scope_open();
    mm_value *saved = mm_pth_read(&(mm_pth_read_args){
        .path = "golden/optim/amp_resume.pth", .make = make_tensor});
    float weights[BOTH];
    struct training training;

    (void)state;
    check_ok();
    for (size_t i = 0; i < BOTH; i++)
        weights[i] = (float)mm_value_f64(
            mm_list_get(mm_list_get(middle, i < FIRST ? 0 : 1), i % FIRST));
    start(&training, spec, weights, cases.iterations, MM_NUMERICS_REFERENCE);
    mm_optim_wrapper_initialize_count_status(training.wrapper, NULL, at,
                                             cases.iterations);
    assert_int_equal(mm_optim_wrapper_load_state_dict(training.wrapper, saved), MM_OK);
    mm_value_unref(saved);
    mm_scope_close(scope);
    for (int64_t i = at; i < cases.iterations; i++)
        train_one(&training, &cases, spec, i);
    check_weights(&training, trace + last * BOTH, support_tolerance(0.0), number,
                  cases.iterations);
    check_state(&training, spec, number);
    end(&training);
    free(trace);
    close_cases(&cases);
}

static int set_up_group(void **state)
{
    (void)state;
    return mm_init() < 0 || mm_torch_open() < 0 ? -1 : 0;
}

#define TEST(function)                                                                 \
    cmocka_unit_test_setup_teardown((function), set_up_test, check_nothing_left)

int test_wrapper_cases(void)
{
    const struct CMUnitTest tests[] = {
        TEST(cases_are_mmengines),
        TEST(python_checkpoints_go_on),
    };

    return cmocka_run_group_tests(tests, set_up_group, NULL);
}
