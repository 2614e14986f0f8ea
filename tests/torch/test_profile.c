/* Profiles: tables against those of torch.autograd.profiler_util over the same events,
 * traces as JSON, recordings of real operators. */
#include "nn_check.h"

#include "mmengine/file.h"
#include "mmengine/model.h"
#include "mmengine/ops.h"
#include "mmengine/profile.h"

/* The events of tools/golden/profiles.py. */
static mm_profile *golden_profile(const mm_value *root)
{
    const mm_value *events = mm_dict_get(root, "events");
    bool has_shapes =
        (mm_value_i64(mm_dict_get(root, "flags")) & MM_PROFILE_SHAPES) != 0;
    mm_profile *profile =
        mm_profile_new((unsigned)mm_value_i64(mm_dict_get(root, "flags")));

    for (size_t i = 0; i < mm_value_len(events); i++) {
        const mm_value *item = mm_list_get(events, i);
        mm_profile_event event = {
            .name = mm_value_str(mm_dict_get(item, "name")),
            .shapes = has_shapes ? mm_value_str(mm_dict_get(item, "shapes")) : NULL,
            .begin_ns = mm_value_i64(mm_dict_get(item, "begin")),
            .end_ns = mm_value_i64(mm_dict_get(item, "end")),
            .thread = (uint64_t)mm_value_i64(mm_dict_get(item, "thread")),
            .bytes = mm_value_i64(mm_dict_get(item, "bytes")),
            .flops = (uint64_t)mm_value_i64(mm_dict_get(item, "flops")),
            .is_range = mm_value_bool(mm_dict_get(item, "is_range")),
        };

        assert_int_equal(mm_profile_add(profile, &event), MM_OK);
    }
    check_ok();
    return profile;
}

static const char *text_of(const mm_value *dict, const char *key)
{
    const mm_value *value = mm_dict_find(dict, key);

    return mm_value_is_none(value) ? NULL : mm_value_str(value);
}

static int64_t number_of(const mm_value *dict, const char *key)
{
    const mm_value *value = mm_dict_find(dict, key);

    return mm_value_is_none(value) ? 0 : mm_value_i64(value);
}

static void tables_are_torchs(void **state)
{
    mm_value *root = nn_json_file("golden/profile.json");
    const mm_value *profiles = mm_dict_get(root, "profiles");
    size_t count = 0;
    (void)state;

    for (size_t i = 0; i < mm_value_len(profiles); i++) {
        const mm_value *one = mm_list_get(profiles, i);
        mm_profile *profile = golden_profile(one);
        const mm_value *tables = mm_dict_get(one, "tables");

        for (size_t j = 0; j < mm_value_len(tables); j++, count++) {
            const mm_value *table = mm_list_get(tables, j);
            const mm_value *args = mm_dict_get(table, "args");
            const char *want = mm_value_str(mm_dict_get(table, "text"));
            char *got = mm_profile_table(
                profile,
                &(mm_profile_table_args){
                    .sort_by = text_of(args, "sort_by"),
                    .row_limit = number_of(args, "row_limit"),
                    .max_name_width = number_of(args, "max_name_column_width"),
                    .max_shapes_width = number_of(args, "max_shapes_column_width"),
                    .header = text_of(args, "header"),
                    .time_unit = text_of(args, "time_unit"),
                    .top_level_events_only =
                        mm_value_is_true(mm_dict_find(args, "top_level_events_only")),
                    .group_by_input_shape =
                        mm_value_is_true(mm_dict_find(args, "group_by_input_shape")),
                });

            check_ok();
            size_t size = strlen(want);
            assert_true(size > 100);
            if (strncmp(got, want, size) != 0)
                fail_msg("profile %zu, table %zu:\n%s\nis not\n%s", i, j, got, want);
            mm_free(got);
        }
        mm_profile_free(profile);
    }
    assert_true(count >= 20);
    mm_value_unref(root);
}

static void traces_are_json(void **state)
{
    mm_value *root = nn_json_file("golden/profile.json");
    mm_profile *profile = golden_profile(mm_list_get(mm_dict_get(root, "profiles"), 0));
    char *text = mm_profile_trace(profile);
    mm_value *trace = nn_json(text);
    const mm_value *events = mm_dict_get(trace, "traceEvents");
    size_t num_calls = 0, num_names = 0;
    (void)state;

    for (size_t i = 0; i < mm_value_len(events); i++) {
        const mm_value *event = mm_list_get(events, i);
        const char *kind = mm_value_str(mm_dict_get(event, "ph"));

        num_names += strcmp(kind, "M") == 0;
        if (strcmp(kind, "X") != 0)
            continue;
        const mm_profile_event *call = mm_profile_at(profile, num_calls++);

        assert_string_equal(mm_value_str(mm_dict_get(event, "name")), call->name);
        assert_true(fabs(mm_value_f64(mm_dict_get(event, "ts")) * 1e3 -
                         (double)call->begin_ns) < 1e-3);
        assert_true(fabs(mm_value_f64(mm_dict_get(event, "dur")) * 1e3 -
                         (double)(call->end_ns - call->begin_ns)) < 1e-3);
        assert_int_equal(mm_value_i64(mm_dict_get(event, "tid")), call->thread);
        assert_string_equal(mm_value_str(mm_dict_get(event, "cat")),
                            call->is_range ? "user_annotation" : "cpu_op");
        const mm_value *args = mm_dict_get(event, "args");
        char *dims = mm_value_repr(mm_dict_get(args, "Input Dims"));
        assert_string_equal(dims, call->shapes);
        mm_free(dims);
    }
    check_ok();
    assert_int_equal(num_calls, mm_profile_len(profile));
    assert_true(num_names >= 2);
    mm_value_unref(trace);
    mm_free(text);
    mm_profile_free(profile);
    profile = mm_profile_new(0);
    text = mm_profile_trace(profile);
    mm_value_unref(nn_json(text)); /* also with nothing in it */
    mm_free(text);
    text = mm_profile_table(profile, &(mm_profile_table_args){0});
    assert_string_equal(text, "");
    mm_free(text);
    mm_profile_free(profile);
    mm_value_unref(root);
}

/* One step of a small model under a recording. */
static mm_profile *record_step(unsigned flags)
{
    mm_scope scope = mm_scope_open();
    mm_module *net = mm_nn_sequential(mm_nn_conv2d(3, 8, 3), mm_nn_relu());
    mm_tensor *x = mm_randn(MM_DIMS(2, 3, 8, 8));

    assert_int_equal(mm_profile_start(flags), MM_OK);
    int64_t begin = mm_profile_begin();
    mm_tensor *loss = mm_sum(mm_module_forward(net, x));

    assert_true(begin > 0);
    mm_profile_end(begin, "a \"range\"");
    mm_backward(loss);
    mm_profile *profile = mm_profile_stop();

    mm_module_unref(net);
    mm_scope_close(scope);
    check_ok();
    return profile;
}

static const mm_profile_event *find_event(const mm_profile *profile, const char *name)
{
    for (size_t i = 0; i < mm_profile_len(profile); i++) {
        if (strcmp(mm_profile_at(profile, i)->name, name) == 0)
            return mm_profile_at(profile, i);
    }
    fail_msg("no event '%s'", name);
    return NULL;
}

static void operators_are_recorded(void **state)
{
    mm_profile *profile =
        record_step(MM_PROFILE_SHAPES | MM_PROFILE_MEMORY | MM_PROFILE_FLOPS);
    const mm_profile_event *range = find_event(profile, "a \"range\"");
    const mm_profile_event *conv = find_event(profile, "aten::conv2d");
    const mm_profile_event *back = find_event(profile, "ConvolutionBackward0");
    (void)state;

    assert_true(range->is_range && !conv->is_range);
    assert_true(range->begin_ns <= conv->begin_ns && conv->end_ns <= range->end_ns);
    assert_true(back->begin_ns >= range->end_ns);
    assert_int_equal(range->thread, conv->thread);
    assert_true(strncmp(conv->shapes, "[[2, 3, 8, 8], [8, 3, 3, 3], [8]", 32) == 0);
    assert_int_equal(conv->flops,
                     2 * 2 * 6 * 6 * 3 * 3 * 3 * 8); /* as torch's 31.104 K */
    assert_true(conv->bytes >= 2 * 8 * 6 * 6 * 4);
    char *text = mm_profile_trace(profile);
    mm_value_unref(nn_json(text)); /* with the quotes in the range's name */
    mm_free(text);
    text = mm_profile_table(profile, &(mm_profile_table_args){.only_ranges = true});
    assert_non_null(strstr(text, "a \"range\""));
    assert_null(strstr(text, "aten::"));
    mm_free(text);
    mm_profile_free(profile);
    profile = record_step(0);
    assert_null(find_event(profile, "aten::conv2d")->shapes);
    mm_profile_free(profile);
}

static void recordings_come_one_by_one(void **state)
{
    (void)state;
    assert_false(mm_profile_is_running());
    assert_int_equal(mm_profile_begin(), 0);
    mm_profile_end(0, "nothing");
    assert_null(mm_profile_stop());
    check_error(MM_ESTATE);
    assert_int_equal(mm_profile_start(0), MM_OK);
    assert_int_equal(mm_profile_start(0), MM_EBUSY);
    check_error(MM_EBUSY);
    assert_true(mm_profile_is_running());
    mm_profile *profile = mm_profile_stop();
    assert_false(mm_profile_is_running());
    assert_null(
        mm_profile_table(profile, &(mm_profile_table_args){.sort_by = "cuont"}));
    check_error(MM_EINVAL);
    assert_null(mm_profile_table(profile, &(mm_profile_table_args){.time_unit = "h"}));
    check_error(MM_EINVAL);
    mm_profile_free(profile);
}

#define TEST(function) cmocka_unit_test_teardown((function), nn_tear_down)

int test_profile(void)
{
    const struct CMUnitTest tests[] = {
        TEST(tables_are_torchs),
        TEST(traces_are_json),
        TEST(operators_are_recorded),
        TEST(recordings_come_one_by_one),
    };

    return cmocka_run_group_tests(tests, nn_set_up, NULL);
}
