/* EmptyCacheHook, SyncBuffersHook, MemoryHook, NaiveVisualizationHook, PrepareTTAHook
 * and the models it wraps, and stages of a plugin's own loop. */
#include "hook_parts.h"

#include <math.h>
#include <stdlib.h>

#include "mmengine/plugin.h"
#include "mmengine/zoo.h"

/* --- EmptyCacheHook --- */

static int64_t most_kept;

static void look_and_use(mm_runner *runner, const mm_iter *iter)
{
    int64_t kept = mm_host_memory_now().kept;
    mm_scope scope = mm_scope_open();
    (void)runner;
    (void)iter;

    most_kept = kept > most_kept ? kept : most_kept;
    (void)mm_empty(MM_DTYPE_U8, 1, (const int64_t[]){8 << 20});
    mm_scope_close(scope);
}

static void kept_memory_is_given_back(void **state)
{
    (void)state;
    for (int after_iter = 0; after_iter < 2; after_iter++) {
        char *dir = parts_new_dir();
        char *text = mm_strfmt("custom_hooks = [dict(type='ProbeHook'), "
                               "dict(type='EmptyCacheHook', after_iter=%s)]\n",
                               after_iter ? "True" : "False");

        assert_int_equal(mm_empty_cache(), MM_OK);
        most_kept = 0;
        parts_probe.on_iter = look_and_use;
        hook_parts_run(dir, text);
        parts_probe.on_iter = NULL;
        check_ok();
        assert_int_equal(most_kept >= 8 << 20, !after_iter);
        mm_free(text);
        parts_remove_dir(dir);
    }
}

/* --- MemoryHook, SyncBuffersHook --- */

static void memory_is_logged(void **state)
{
    char *dir = parts_new_dir();
    (void)state;

    hook_parts_run(dir, "custom_hooks = [dict(type='MemoryHook', interval=2), "
                        "dict(type='SyncBuffersHook')]\n"
                        "default_hooks = dict(logger=dict(type='LoggerHook', "
                        "interval=2))\n");
    check_ok();
    char *log = hook_parts_log(dir);
    const char *at = strstr(log, "  host_memory: ");

    assert_non_null(at);
    assert_true(strtol(at + strlen("  host_memory: "), NULL, 10) > 10);
    assert_non_null(strstr(log, "  host_memory_peak: "));
    assert_non_null(strstr(log, "  pool_memory: "));
    assert_null(strstr(log, "device_memory"));
    assert_non_null(strstr(log, "(NORMAL      ) SyncBuffersHook"));
    mm_free(log);
    parts_remove_dir(dir);
}

static void a_host_is_no_device(void **state)
{
    (void)state;
    assert_false(mm_device_memory_now("cpu").is_known);
    assert_false(mm_device_memory_now("cuda:7").is_known);
    check_ok();
}

/* --- pictures: a dataset, a model that echoes, a visualizer that looks --- */

static int64_t pictures_len(void *self)
{
    (void)self;
    return 3;
}

/* 8x8, normalised by (x - 10) / 2; channel c of picture i was 20 + 40 * c + i. */
static mm_status pictures_get(void *self, int64_t index, mm_sample *out)
{
    static const char meta[] =
        "{\"img_path\": \"far/away.png\", \"ori_width\": 12, \"ori_height\": 10, "
        "\"pad_shape\": [8, 8], \"scale\": [6, 5], \"img_norm_cfg\": "
        "{\"mean\": [10, 10, 10], \"std\": [2, 2, 2]}}";
    float pixels[3][8][8] = {0}; /* the border stays 0: it must be cut off */
    mm_data_element *sample = mm_data_element_new("DataSample");
    mm_value *info = mm_json_parse(meta, strlen(meta), NULL);
    (void)self;

    for (int c = 0; c < 3; c++) {
        for (int y = 0; y < 5; y++) {
            for (int x = 0; x < 6; x++)
                pixels[c][y][x] = ((float)(20 + 40 * c + (int)index) - 10.0F) / 2.0F;
        }
    }
    for (size_t i = 0; i < mm_value_len(info); i++)
        mm_data_element_put_meta(sample, mm_dict_name_at(info, i), mm_dict_at(info, i));
    mm_value *value = mm_value_new_data_element(sample);

    mm_sample_put(out, "inputs",
                  mm_from_f32(&pixels[0][0][0], 3, (int64_t[]){3, 8, 8}));
    mm_sample_put_value(out, "data_samples", value);
    mm_value_unref(value);
    mm_value_unref(info);
    mm_data_element_unref(sample);
    return mm_sample_status(out);
}

static const mm_dataset_ops pictures_ops = {.len = pictures_len, .get = pictures_get};
static const mm_component pictures = {
    .registry = "datasets",
    .name = "ToyPictures",
    .help = "three pictures",
    .size = 1,
    MM_DATASET(&pictures_ops),
};

/* Predicts (m, 1 - m) with m the mean of a picture / 100. */
static mm_value *echo_predict(void *self, mm_value *batch)
{
    mm_value *inputs = mm_dict_get(batch, "inputs");
    mm_value *samples = mm_dict_get(batch, "data_samples");
    mm_value *out = mm_scoped(mm_value_new_list());
    (void)self;

    for (size_t i = 0; i < mm_value_len(inputs) && !mm_has_error(); i++) {
        mm_data_element *copy =
            mm_data_element_copy(mm_value_data_element(mm_list_get(samples, i)));
        float mean =
            (float)mm_item(mm_mean(mm_value_tensor(mm_list_get(inputs, i)))) / 100.0F;
        float score[] = {mean, 1.0F - mean};

        mm_data_element_put_tensor(copy, "pred_score",
                                   mm_from_f32(score, 1, (int64_t[]){2}));
        mm_list_push(out, mm_value_new_data_element(copy));
        mm_data_element_unref(copy);
    }
    return out;
}

static mm_tensor *echo_forward(void *self, mm_tensor *x)
{
    (void)self;
    return x;
}

static const mm_model_ops echo_ops = {
    .module = {.forward = echo_forward},
    .predict = echo_predict,
};
static const mm_component echo = {
    .registry = "models",
    .name = "ToyEcho",
    .help = "the mean of a picture as a score",
    .size = 1,
    MM_MODEL(&echo_ops),
};

static struct {
    size_t count;
    int64_t width, height;
    uint8_t first[3][3], last[3];
    bool hide_gt, has_score;
    char name[16];
} seen;

static mm_status look(void *self, mm_visualizer *visualizer,
                      const mm_datasample_args *args)
{
    const mm_image *image = args->image;
    (void)self;
    (void)visualizer;

    if (seen.count < 3)
        memcpy(seen.first[seen.count], image->data, 3);
    memcpy(seen.last, image->data + (image->width * image->height - 1) * 3, 3);
    seen.count++;
    seen.width = image->width;
    seen.height = image->height;
    seen.hide_gt = args->hide_gt;
    seen.has_score = mm_dict_has(args->sample, "pred_score");
    snprintf(seen.name, sizeof(seen.name), "%s", args->name);
    return MM_OK;
}

static const mm_visualizer_ops look_ops = {.add_datasample = look};
/* A metric that counts. */
static mm_status count_process(void *self, mm_value *batch, mm_value *samples)
{
    (void)batch;
    for (size_t i = 0; i < mm_value_len(samples); i++)
        mm_metric_add(self, mm_list_get(samples, i));
    return mm_pending();
}

static mm_status count_compute(void *self, mm_value *results, mm_value *out)
{
    (void)self;
    mm_dict_put_i64(out, "count", (int64_t)mm_value_len(results));
    return mm_pending();
}

static const mm_metric_ops count_ops = {
    .process = count_process,
    .compute = count_compute,
    .default_prefix = "toy",
};
static const mm_component count_metric = {
    .registry = "metrics",
    .name = "ToyCount",
    .help = "counts samples",
    .size = sizeof(mm_base_metric),
    .options = mm_base_metric_options,
    MM_METRIC(&count_ops),
};

static mm_component look_component;

static int set_up(void **state)
{
    static const mm_component *const table[] = {&pictures, &echo, &count_metric,
                                                &look_component, NULL};
    static bool done;

    if (hook_parts_set_up(state) != 0)
        return -1;
    if (done)
        return 0;
    look_component = (mm_component){
        .registry = "visualizers",
        .name = "ToyLook",
        .help = "looks at pictures",
        .size = sizeof(mm_visualizer_options),
        .options = mm_visualizer_option_table,
        MM_VISUALIZER(&look_ops),
    };
    if (mm_component_find("models", "mmpretrain", "ResNet") == NULL &&
        mm_register(mm_zoo_components) < 0)
        return -1;
    done = mm_register(table) == MM_OK &&
           mm_plugin_load("../examples/plugins/rounds.c") == MM_OK;
    return done ? 0 : -1;
}

/* Tests the pictures. */
static mm_status test_pictures(const char *more)
{
    char *dir = parts_new_dir();
    char *text = mm_strfmt(
        "model = dict(type='ToyEcho')\n"
        "test_dataloader = dict(batch_size=2, dataset=dict(type='ToyPictures'),\n"
        "    sampler=dict(type='DefaultSampler', shuffle=False))\n"
        "test_evaluator = dict(type='ToyCount')\n"
        "visualizer = dict(type='ToyLook')\n%s",
        more);
    mm_config *config = parts_config(dir, text);
    mm_runner *runner = config == NULL ? NULL : mm_runner_new(config);

    memset(&seen, 0, sizeof(seen));
    if (runner != NULL)
        mm_value_unref(mm_runner_test(runner));
    mm_runner_free(runner);
    mm_config_unref(config);
    mm_free(text);
    mm_error error;
    mm_status status = mm_error_take(&error);

    parts_remove_dir(dir);
    return status == MM_OK ? MM_OK : mm_error_restore(&error);
}

static void pictures_are_shown_as_they_were(void **state)
{
    (void)state;
    assert_int_equal(
        test_pictures("custom_hooks = [dict(type='NaiveVisualizationHook')]\n"), MM_OK);
    assert_int_equal(seen.count, 3);
    assert_int_equal(seen.width, 12);
    assert_int_equal(seen.height, 10);
    assert_string_equal(seen.name, "away.png");
    assert_true(seen.has_score);
    assert_false(seen.hide_gt);
    for (int i = 0; i < 3; i++) { /* channels turned round, as by tensor2imgs */
        for (int c = 0; c < 3; c++)
            assert_int_equal(seen.first[i][c], 20 + 40 * (2 - c) + i);
    }
    assert_int_equal(seen.last[0], 20 + 80 + 2);
    assert_int_equal(
        test_pictures("custom_hooks = [dict(type='NaiveVisualizationHook', "
                      "interval=2, draw_gt=False)]\n"),
        MM_OK);
    assert_int_equal(seen.count, 1);
    assert_true(seen.hide_gt);
}

/* --- test-time augmentation --- */

#define TTA(model)                                                                     \
    "custom_hooks = [dict(type='PrepareTTAHook', tta_cfg=dict(" model "))]\n"

static void predictions_are_merged(void **state)
{
    static const char config[] = "train = dict(type='mmpretrain.AverageClsScoreTTA', "
                                 "module=dict(type='ToyEcho'))\n";
    mm_scope scope = mm_scope_open();
    mm_config *parsed = mm_config_from_string(config, ".py");
    mm_module *model = mm_module_build(mm_config_find(parsed, "train"), NULL, "model");
    mm_value *inputs = mm_scoped(mm_value_new_list());
    mm_value *samples = mm_scoped(mm_value_new_list());
    mm_value *batch = mm_scoped(mm_value_new_dict());
    (void)state;

    check_ok();
    for (int aug = 0; aug < 3; aug++) {
        mm_value *images = mm_value_new_list(), *elements = mm_value_new_list();

        for (int i = 0; i < 2; i++) {
            float value = (float)(10 * aug + i);
            mm_data_element *element = mm_data_element_new("DataSample");

            mm_list_push(images,
                         mm_value_new_tensor(mm_from_f32(&value, 1, (int64_t[]){1})));
            mm_list_push(elements, mm_value_new_data_element(element));
            mm_data_element_unref(element);
        }
        mm_list_push(inputs, images);
        mm_list_push(samples, elements);
    }
    mm_dict_put(batch, "inputs", inputs);
    mm_dict_put(batch, "data_samples", samples);
    mm_value *merged = mm_model_test_step(model, batch);

    check_ok();
    assert_int_equal(mm_value_len(merged), 2);
    for (int i = 0; i < 2; i++) { /* means of 0, 10, 20 and of 1, 11, 21 */
        mm_tensor *score = mm_data_element_get_tensor(
            mm_value_data_element(mm_list_get(merged, (size_t)i)), "pred_score");

        double want = (10.0 + (double)i) / 100.0;

        assert_true(fabs(mm_item(mm_select(score, 0, 0)) - want) < 1e-6);
        assert_true(fabs(mm_item(mm_select(score, 0, 1)) - (1.0 - want)) < 1e-6);
    }
    /* not over the same augmentations */
    mm_list_push(inputs, mm_value_new_list());
    assert_null(mm_model_test_step(model, batch));
    check_error(MM_EDATA);
    mm_module_unref(model);
    mm_config_unref(parsed);
    mm_scope_close(scope);
}

static void faulty_wrappers_are_refused(void **state)
{
    (void)state;
    assert_true(test_pictures(TTA("type='ToyEcho'")) < 0);
    check_error(MM_ECONFIG);
    assert_true(test_pictures(TTA("type='AverageClsScore'")) < 0);
    check_error(MM_ECONFIG);
    /* no augmentations in the batches: a single picture is no list of pictures */
    assert_true(test_pictures(TTA("type='mmpretrain.AverageClsScoreTTA'")) < 0);
    check_error(MM_ETYPE);
    assert_true(test_pictures(TTA("type='BaseTTAModel'")) < 0);
    check_error(MM_EUNSUPPORTED);
}

/* --- a plugin's own loop and stages --- */

static void stages_of_a_plugin_reach_its_hooks(void **state)
{
    char *dir = parts_new_dir();
    char *text = mm_strfmt("%strain_cfg = dict(type='RoundsLoop', rounds=3, length=5)\n"
                           "custom_hooks = [dict(type='RecordHook')]\n"
                           "param_scheduler = None\n",
                           hook_parts_config);
    (void)state;

    mm_config *config = parts_config(dir, text);
    mm_runner *runner = mm_runner_new(config);

    check_ok();
    parts_record.count = 0;
    assert_int_equal(mm_runner_train(runner), MM_OK);
    assert_int_equal(mm_runner_iter(runner), 15);
    mm_hub *hub = mm_runner_hub(runner);

    assert_int_equal(mm_value_i64(mm_hub_get_info(hub, "rounds")), 3);
    assert_int_equal(mm_value_i64(mm_hub_get_info(hub, "last_round")), 2);
    assert_string_equal(parts_record.names[1], "before_train");
    mm_runner_free(runner);
    mm_config_unref(config);
    mm_free(text);
    parts_remove_dir(dir);
}

int test_small_hooks(void)
{
    const struct CMUnitTest tests[] = {
        CLEAN_TEST(kept_memory_is_given_back),
        CLEAN_TEST(memory_is_logged),
        CLEAN_TEST(a_host_is_no_device),
        CLEAN_TEST(pictures_are_shown_as_they_were),
        CLEAN_TEST(predictions_are_merged),
        CLEAN_TEST(faulty_wrappers_are_refused),
        CLEAN_TEST(stages_of_a_plugin_reach_its_hooks),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
