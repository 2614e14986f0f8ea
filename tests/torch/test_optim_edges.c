/* Optimizer steps in unusual places: parameters and gradients of other layouts and
 * dtypes, without elements, without gradients, in empty groups, shared, with lr = 0, in
 * other memory than at first; gradients that are not finite. What PyTorch computes is
 * computed here, what it refuses is refused, but for the places listed below. Source:
 * tools/golden/optim_edges.py. */
#include "optim_support.h"

enum { MOST_PARAMS = 3, MOST_ELEMENTS = 64 };

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

/* Where PyTorch raises an error and a step is made here: norms of nothing; a scaler
 * without a gradient; a gradient whose elements share memory, where clipping leaves it
 * as it is; clipping of sparse gradients. */
static bool may_succeed(const char *place, const mm_value *run)
{
    bool is_clipped = mm_dict_find(mm_dict_get(run, "wrapper"), "clip_grad") != NULL;

    return (is_clipped && strcmp(place, "sparse gradient") == 0) ||
           strcmp(place, "no elements") == 0 ||
           strcmp(place, "no gradient at all") == 0 ||
           strcmp(place, "gradient expanded") == 0;
}

static double number_at(const mm_value *list, size_t index)
{
    const mm_value *value = mm_list_get(list, index);

    return mm_value_kind(value) == MM_KIND_STR ? strtod(mm_value_str(value), NULL)
                                               : mm_value_f64(value);
}

static const char *text_in(const mm_value *dict, const char *key)
{
    return mm_value_str(mm_dict_get(dict, key));
}

static mm_tensor *lay_out(mm_tensor *x, const char *layout)
{
    if (strcmp(layout, "transposed") == 0)
        return mm_transpose(mm_contiguous(mm_transpose(x, 0, 1), MM_FORMAT_CONTIGUOUS),
                            0, 1);
    if (strcmp(layout, "holes") == 0)
        return mm_op(
            "aten::slice.Tensor",
            MM_T(mm_op("aten::repeat_interleave.self_int", MM_T(x), MM_I(2), MM_I(1))),
            MM_I(1), MM_NONE_ARG, MM_NONE_ARG, MM_I(2));
    if (strcmp(layout, "channels_last") == 0)
        return mm_contiguous(x, MM_FORMAT_CHANNELS_LAST);
    if (strcmp(layout, "expanded") == 0)
        return mm_expand_as(mm_narrow(x, 0, 0, 1), x);
    if (strcmp(layout, "sparse") == 0)
        return mm_op("aten::to_sparse.sparse_dim", MM_T(x), MM_I(1));
    assert_string_equal(layout, "contiguous");
    return x;
}

/* A tensor of a parameter's shape and dtype. */
static mm_tensor *make_tensor(const mm_value *spec, const mm_value *numbers,
                              double scale, const char *layout)
{
    const mm_value *shape = mm_dict_get(spec, "shape");
    double data[MOST_ELEMENTS];
    int64_t sizes[4];
    mm_dtype dtype = MM_DTYPE_NONE;

    assert_true(mm_value_len(numbers) <= MOST_ELEMENTS && mm_value_len(shape) <= 4);
    for (size_t i = 0; i < mm_value_len(numbers); i++)
        data[i] = number_at(numbers, i) * scale;
    for (size_t i = 0; i < mm_value_len(shape); i++)
        sizes[i] = mm_value_i64(mm_list_get(shape, i));
    assert_int_equal(mm_dtype_parse(text_in(spec, "dtype"), &dtype), MM_OK);
    mm_tensor *plain =
        mm_from_data(data, MM_DTYPE_F64, (int)mm_value_len(shape), sizes);

    return lay_out(mm_cast(plain, dtype), layout);
}

/* One case under one optimizer and wrapper. */
struct training {
    const mm_value *place;
    mm_tensor *leaves[MOST_PARAMS];
    size_t count;
    mm_optim_wrapper *wrapper;
    double scale; /* of the gradients */
};

static mm_optimizer *make_optimizer(const struct training *training,
                                    const mm_value *options)
{
    mm_value *config = mm_value_copy(options);
    mm_instance *instance = support_build("optimizers", config);
    mm_param_groups *groups = mm_optimizer_new_groups(instance);
    const mm_value *lists = mm_dict_get(training->place, "groups");

    for (size_t i = 0; i < mm_value_len(lists); i++) {
        const mm_value *list = mm_list_get(lists, i);

        mm_param_groups_add(groups, NULL);
        for (size_t k = 0; k < mm_value_len(list); k++)
            mm_param_groups_add_param(
                groups, "w", training->leaves[mm_value_i64(mm_list_get(list, k))]);
    }
    mm_optimizer *optimizer = mm_optimizer_new(instance, groups);

    mm_param_groups_unref(groups);
    mm_instance_unref(instance);
    mm_value_unref(config);
    check_ok();
    return optimizer;
}

static void start(struct training *training, const mm_value *place, const mm_value *run,
                  mm_numerics numerics)
{
    const mm_value *specs = mm_dict_get(place, "params");
    const mm_value *weights = mm_dict_get(place, "weights");
    mm_value *config = mm_value_copy(mm_dict_get(run, "wrapper"));
    const mm_value *scale = mm_dict_find(config, "loss_scale");
    mm_scope scope = mm_scope_open();

    *training = (struct training){.place = place, .count = mm_value_len(specs)};
    training->scale = scale != NULL ? mm_value_f64(scale) : 1.0;
    for (size_t i = 0; i < training->count; i++) {
        const mm_value *spec = mm_list_get(specs, i);

        training->leaves[i] = mm_keep(mm_detach(
            make_tensor(spec, mm_list_get(weights, i), 1.0, text_in(spec, "layout"))));
        mm_set_requires_grad(training->leaves[i], true);
    }
    mm_scope_close(scope);
    mm_optimizer *optimizer = make_optimizer(training, mm_dict_get(run, "optimizer"));
    mm_instance *instance = support_build("optim_wrappers", config);

    training->wrapper = mm_optim_wrapper_new(instance, optimizer);
    mm_optim_wrapper_set_numerics(training->wrapper, numerics);
    mm_instance_unref(instance);
    mm_optimizer_unref(optimizer);
    mm_value_unref(config);
    check_ok();
}

static void end(struct training *training)
{
    mm_optim_wrapper_unref(training->wrapper);
    for (size_t i = 0; i < training->count; i++)
        mm_tensor_unref(training->leaves[i]);
}

/* Sets the gradients of a step and makes it. */
static mm_status step(struct training *training, const mm_value *row)
{
    const mm_value *specs = mm_dict_get(training->place, "params");
    mm_scope scope = mm_scope_open();

    for (size_t i = 0; i < training->count; i++) {
        const mm_value *grad = mm_list_get(row, i);

        mm_set_grad(training->leaves[i],
                    mm_value_is_none(grad)
                        ? NULL
                        : make_tensor(mm_list_get(specs, i), mm_dict_get(grad, "data"),
                                      training->scale, text_in(grad, "layout")));
    }
    check_ok();
    mm_status status = mm_optim_wrapper_step(training->wrapper);

    mm_scope_close(scope);
    return status;
}

/* How far apart the elements are; what is not finite has to be the same. */
static double distance(mm_tensor *got, const mm_value *want)
{
    double data[MOST_ELEMENTS];
    double difference = 0.0;
    double norm = 0.0;
    size_t count = (size_t)mm_numel(got);
    mm_scope scope = mm_scope_open();
    mm_tensor *plain =
        mm_contiguous(mm_cast(mm_detach(got), MM_DTYPE_F64), MM_FORMAT_CONTIGUOUS);

    assert_int_equal(count, mm_value_len(want));
    if (count > 0)
        memcpy(data, mm_data(plain, MM_DTYPE_F64), count * sizeof *data);
    mm_scope_close(scope);
    check_ok();
    for (size_t i = 0; i < count; i++) {
        double wanted = number_at(want, i);

        if (!isfinite(wanted)) {
            if (isnan(wanted) ? !isnan(data[i]) : data[i] != wanted)
                return INFINITY;
            continue;
        }
        difference += pow(data[i] - wanted, 2.0);
        norm += wanted * wanted;
    }
    return sqrt(difference) / (norm > 0.0 ? sqrt(norm) : 1.0);
}

static double tolerance_of(const mm_value *spec, mm_numerics numerics)
{
    const char *dtype = text_in(spec, "dtype");

    if (strcmp(dtype, "bfloat16") == 0)
        return 8e-3;
    if (strcmp(dtype, "float16") == 0)
        return 1e-3;
    return numerics == MM_NUMERICS_REFERENCE ? 1e-7 : 1e-6;
}

/* Which parameters have a state. */
static void check_states(const struct training *training, const mm_value *want,
                         const char *what)
{
    mm_value *state = mm_optim_wrapper_state_dict(training->wrapper);
    const mm_value *states = mm_dict_get(state, "state");

    if (mm_value_len(states) != mm_value_len(want))
        fail_msg("%s: %zu parameters have a state, PyTorch's %zu", what,
                 mm_value_len(states), mm_value_len(want));
    mm_value_unref(state);
}

static void run_case(const mm_value *place, const mm_value *run, mm_numerics numerics)
{
    const char *name = text_in(place, "name");
    const mm_value *grads = mm_dict_get(place, "grads");
    const mm_value *want = mm_dict_find(run, "result");
    char *optimizer = mm_value_repr(mm_dict_get(run, "optimizer"));
    char *wrapper = mm_value_repr(mm_dict_get(run, "wrapper"));
    char *what =
        mm_strfmt("%s, %s, %s, numerics %d", name, optimizer, wrapper, (int)numerics);
    struct training training;
    mm_status status = MM_OK;

    start(&training, place, run, numerics);
    for (size_t i = 0; i < mm_value_len(grads) && status >= 0; i++)
        status = step(&training, mm_list_get(grads, i));
    mm_error error = {0};

    if (status < 0)
        (void)mm_error_take(&error);
    if (status < 0 ? want != NULL : want == NULL && !may_succeed(name, run))
        fail_msg("%s: %s, PyTorch: %s", what, status < 0 ? error.message : "no error",
                 want != NULL ? "no error" : text_in(run, "error"));
    for (size_t i = 0; want != NULL && i < training.count; i++) {
        double off = distance(training.leaves[i], mm_list_get(want, i));

        if (!(off <=
              tolerance_of(mm_list_get(mm_dict_get(place, "params"), i), numerics)))
            fail_msg("%s: parameter %zu is off by %g", what, i, off);
    }
    if (want != NULL)
        check_states(&training, mm_dict_get(run, "states"), what);
    end(&training);
    mm_free(what);
    mm_free(wrapper);
    mm_free(optimizer);
}

static void places_are_pytorchs(void **state)
{
    mm_value *places = support_json_file("golden/optim/edges.json");

    (void)state;
    assert_true(mm_value_len(places) >= 24);
    for (size_t i = 0; i < mm_value_len(places); i++) {
        const mm_value *place = mm_list_get(places, i);
        const mm_value *runs = mm_dict_get(place, "runs");

        assert_int_equal(mm_value_len(runs), 28);
        if (strcmp(text_in(place, "name"), "half") == 0 && !support_host_has_half())
            continue; /* libtorch lacks the operators */
        for (size_t k = 0; k < mm_value_len(runs); k++) {
            run_case(place, mm_list_get(runs, k), MM_NUMERICS_FAST);
            run_case(place, mm_list_get(runs, k), MM_NUMERICS_REFERENCE);
        }
    }
    mm_value_unref(places);
}

/* PyTorch warns of a parameter that is twice in a group and refuses one in two groups;
 * here each is refused. What a model shares, its modules name once. */
static void shared_parameters_are_refused(void **state)
{
    const float zeros[2] = {0};
    mm_tensor *leaf = support_leaf(zeros, 2);
    mm_value *config = support_json("{\"type\": \"SGD\", \"lr\": 0.1}");
    mm_instance *instance = support_build("optimizers", config);
    mm_param_groups *groups = mm_optimizer_new_groups(instance);

    (void)state;
    mm_param_groups_add(groups, NULL);
    assert_int_equal(mm_param_groups_add_param(groups, "a", leaf), MM_OK);
    mm_param_groups_add_param(groups, "b", leaf);
    check_error(MM_EINVAL);
    mm_param_groups_add(groups, NULL);
    mm_param_groups_add_param(groups, "b", leaf);
    check_error(MM_EINVAL);
    assert_int_equal(mm_param_groups_num_params(groups), 1);
    mm_param_groups_unref(groups);
    mm_instance_unref(instance);
    mm_value_unref(config);
    mm_tensor_unref(leaf);
}

/* The weights of a place after its steps; those of `layout` are there from step 2 on.
 */
static void train_and_move(const mm_value *place, const mm_value *run,
                           mm_numerics numerics, const char *layout, double *out)
{
    const mm_value *grads = mm_dict_get(place, "grads");
    struct training training;

    start(&training, place, run, numerics);
    for (size_t i = 0; i < mm_value_len(grads); i++) {
        mm_scope scope = mm_scope_open();

        if (i == 2 && layout != NULL) {
            mm_tensor *moved = mm_clone(
                mm_contiguous(mm_detach(training.leaves[0]), MM_FORMAT_CONTIGUOUS));

            mm_set_data_(training.leaves[0], lay_out(moved, layout));
        }
        mm_scope_close(scope);
        assert_int_equal(step(&training, mm_list_get(grads, i)), MM_OK);
    }
    mm_scope scope = mm_scope_open();
    mm_tensor *plain = mm_contiguous(
        mm_cast(mm_detach(training.leaves[0]), MM_DTYPE_F64), MM_FORMAT_CONTIGUOUS);

    memcpy(out, mm_data(plain, MM_DTYPE_F64), (size_t)mm_numel(plain) * sizeof *out);
    mm_scope_close(scope);
    end(&training);
    check_ok();
}

/* A parameter that lies elsewhere after the optimizer was made: states follow it. */
static void moved_parameters_go_on(void **state)
{
    mm_value *places = support_json_file("golden/optim/edges.json");

    (void)state;
    for (size_t i = 0; i < mm_value_len(places); i++) {
        const mm_value *place = mm_list_get(places, i);
        const mm_value *runs = mm_dict_get(place, "runs");

        if (strcmp(text_in(place, "name"), "channels last") != 0)
            continue;
        for (size_t k = 0; k < mm_value_len(runs); k++) {
            double stayed[MOST_ELEMENTS] = {0};
            double moved[MOST_ELEMENTS] = {0};
            mm_numerics numerics = (mm_numerics)(k % 2);

            train_and_move(place, mm_list_get(runs, k), numerics, NULL, stayed);
            train_and_move(place, mm_list_get(runs, k), numerics, "contiguous", moved);
            for (size_t e = 0; e < 24; e++)
                assert_true(fabs(stayed[e] - moved[e]) <= 1e-6);
        }
    }
    mm_value_unref(places);
}

static int set_up_group(void **state)
{
    (void)state;
    return mm_init() < 0 || mm_torch_open() < 0 ? -1 : 0;
}

#define TEST(function)                                                                 \
    cmocka_unit_test_setup_teardown((function), set_up_test, check_nothing_left)

int test_optim_edges(void)
{
    const struct CMUnitTest tests[] = {
        TEST(places_are_pytorchs),
        TEST(shared_parameters_are_refused),
        TEST(moved_parameters_go_on),
    };

    return cmocka_run_group_tests(tests, set_up_group, NULL);
}
