/* A run of Python MMEngine goes on here: golden/checkpoints/python.pth has a message
 * hub full of histories, an averaged model, groups of parameters, three schedulers and
 * the state of a gradient scaler. What follows must be what followed there. */
#include "hook_parts.h"

#include <math.h>

#include "mmengine/file.h"

#define GOLDEN "golden/checkpoints/python"

static const char options[] =
    "numerics = 'reference'\n"
    "param_scheduler = [\n"
    "    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=6),\n"
    "    dict(type='CosineAnnealingLR', by_epoch=True, begin=1, end=4, T_max=3),\n"
    "    dict(type='LinearMomentum', start_factor=0.9, by_epoch=False, begin=0, "
    "end=12)]\n"
    "custom_hooks = [dict(type='EMAHook', momentum=0.1)]\n"
    "log_processor = dict(window_size=1)\n"
    "default_hooks = dict(logger=dict(type='LoggerHook', interval=1))\n"
    "load_from = '" GOLDEN ".pth'\n"
    "resume = True\n";

#define OPTIMIZER                                                                      \
    "optimizer=dict(type='AdamW', lr=0.02, weight_decay=0.1), "                        \
    "paramwise_cfg=dict(norm_decay_mult=0., custom_keys={'out': "                      \
    "dict(lr_mult=0.5)}))\n"

/* With the libtorch and the one thread of the golden run: AdamW divides small gradients
 * by their own size, so another order of additions shows after a few steps. */
static bool is_close(double a, double b)
{
    bool is_same = strncmp(mm_torch_version(), "2.13", 4) == 0;

    return fabs(a - b) <= (is_same ? 2e-6 : 1e-2) * fmax(1.0, fabs(b));
}

/* The records of the run in `dir`; yours. */
static mm_value *records_of(const char *dir)
{
    mm_value *names = mm_list_dir(dir);
    mm_value *records = NULL;

    for (size_t i = 0; i < mm_value_len(names) && records == NULL; i++) {
        char *path = mm_strfmt("%s/%s/vis_data/scalars.json", dir,
                               mm_value_str(mm_list_get(names, i)));
        size_t size = 0;
        char *text = mm_file_exists(path) ? mm_file_read(path, &size) : NULL;

        if (text != NULL)
            records = mm_json_parse_lines(text, size, path);
        mm_free(text);
        mm_free(path);
    }
    mm_value_unref(names);
    check_ok();
    assert_non_null(records);
    return records;
}

/* All numbers of a golden record are in ours. */
static void check_record(const mm_value *ours, const mm_value *golden)
{
    for (size_t i = 0; i < mm_value_len(golden); i++) {
        const char *name = mm_dict_name_at(golden, i);
        double got = mm_value_f64(mm_dict_get(ours, name));
        double expected = mm_value_f64(mm_dict_at(golden, i));

        check_ok();
        if (!is_close(got, expected))
            fail_msg("%s: %.9g, expected %.9g", name, got, expected);
    }
}

/* A bias before a batch norm: its gradient is rounding alone, of which Adam makes steps
 * of full length. The norm's mean follows it. */
static bool is_noise(const char *name)
{
    return strstr(name, "hidden.bias") != NULL || strstr(name, "running_mean") != NULL;
}

static void check_weights(const mm_value *ours, const mm_value *golden)
{
    assert_int_equal(mm_value_len(ours), mm_value_len(golden));
    for (size_t i = 0; i < mm_value_len(golden); i++) {
        const char *name = mm_dict_name_at(golden, i);
        const mm_value *numbers = mm_dict_at(golden, i);

        if (is_noise(name))
            continue;
        mm_scope scope = mm_scope_open();
        mm_tensor *flat = mm_reshape(
            mm_to(mm_value_tensor(mm_dict_get(ours, name)), .dtype = MM_DTYPE_F64),
            MM_DIMS(-1));
        const double *data = mm_data(flat, MM_DTYPE_F64);

        check_ok();
        assert_int_equal(mm_numel(flat), mm_value_len(numbers));
        for (size_t k = 0; k < mm_value_len(numbers); k++) {
            double expected = mm_value_f64(mm_list_get(numbers, k));

            if (!is_close(data[k], expected))
                fail_msg("%s[%zu]: %.9g, expected %.9g", name, k, data[k], expected);
        }
        mm_scope_close(scope);
    }
}

static void it_goes_on_as_there(void **state)
{
    mm_value *golden = mm_fileio_load(GOLDEN ".json", NULL);
    const mm_value *expected = mm_dict_get(golden, "records");
    const mm_value *end = mm_dict_get(golden, "end");
    char *dir = parts_new_dir();
    char *text =
        mm_strfmt("%soptim_wrapper = dict(type='OptimWrapper', " OPTIMIZER, options);
    int threads = mm_num_threads();
    (void)state;

    assert_int_equal(mm_set_num_threads(1), MM_OK);
    hook_parts_run(dir, text);
    check_ok();
    assert_int_equal(mm_set_num_threads(threads), MM_OK);
    mm_value *records = records_of(dir);
    size_t count = mm_value_len(records), skip = mm_value_len(expected) - count;
    assert_int_equal(count, 10); /* two epochs of four iterations and a validation */
    for (size_t i = 0; i < count; i++)
        check_record(mm_list_get(records, i), mm_list_get(expected, skip + i));
    mm_value *last = hook_parts_load(dir, "epoch_4.pth");
    check_weights(mm_dict_get(last, "state_dict"), mm_dict_get(end, "state_dict"));
    check_weights(mm_dict_get(last, "ema_state_dict"),
                  mm_dict_get(end, "ema_state_dict"));
    mm_value_unref(last);
    mm_value_unref(records);
    mm_free(text);
    parts_remove_dir(dir);
    mm_value_unref(golden);
}

/* The gradient scaler goes on from its scale, its growth is counted from where it was.
 */
static void the_scaler_comes_with_it(void **state)
{
    char *dir = parts_new_dir();
    char *text = mm_strfmt("%strain_cfg = dict(by_epoch=True, max_epochs=3)\n"
                           "optim_wrapper = dict(type='AmpOptimWrapper', "
                           "dtype='bfloat16', loss_scale='dynamic', " OPTIMIZER,
                           options);
    (void)state;

    hook_parts_run(dir, text);
    check_ok();
    mm_value *last = hook_parts_load(dir, "epoch_3.pth");
    const mm_value *scaler = mm_dict_get(mm_dict_get(last, "optimizer"), "loss_scaler");
    assert_true(mm_value_f64(mm_dict_get(scaler, "scale")) == 1024.0);
    assert_int_equal(mm_value_i64(mm_dict_get(scaler, "growth_interval")), 100);
    assert_int_equal(mm_value_i64(mm_dict_get(scaler, "_growth_tracker")), 4);
    mm_value_unref(last);
    mm_free(text);
    parts_remove_dir(dir);
}

int test_python_checkpoints(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(it_goes_on_as_there, hook_parts_set_up),
        cmocka_unit_test_setup(the_scaler_comes_with_it, hook_parts_set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
