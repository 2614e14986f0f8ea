/* UniversalVisualizer: what it writes into a picture, and where the picture goes. */
#include "nn_check.h"
#include "runner_parts.h"

#include "mmengine/visualizer.h"

/* Width and height of a PNG file, and its size in bytes. */
struct picture {
    int width, height;
    int64_t bytes;
};

static struct picture read_picture(const char *folder, const char *name)
{
    char *path = mm_path_join(folder, name);
    size_t size = 0;
    unsigned char *data = (unsigned char *)mm_file_read(path, &size);

    check_ok();
    assert_true(size > 33);
    struct picture picture = {data[18] << 8 | data[19], data[22] << 8 | data[23],
                              (int64_t)size};
    mm_free(data);
    mm_free(path);
    return picture;
}

static mm_value *sample_of(int64_t label, int64_t prediction)
{
    float scores[] = {0.05F, 0.9F, 0.05F};
    mm_value *sample = mm_value_new_dict();

    mm_dict_put_tensor(sample, "gt_label", mm_from_i64(&label, 1, (int64_t[]){1}));
    mm_dict_put_tensor(sample, "pred_label",
                       mm_from_i64(&prediction, 1, (int64_t[]){1}));
    mm_dict_put_tensor(sample, "pred_score", mm_from_f32(scores, 1, (int64_t[]){3}));
    return sample;
}

static mm_visualizer *make(const char *folder)
{
    const char *text =
        "{\"type\": \"UniversalVisualizer\", \"vis_backends\": [{\"type\": "
        "\"LocalVisBackend\"}]}";
    mm_value *config = mm_json_parse(text, strlen(text), NULL);
    mm_visualizer *visualizer = mm_visualizer_new(&(mm_visualizer_args){
        .config = config, .scope = "mmpretrain", .save_dir = folder});

    mm_value_unref(config);
    check_ok();
    return visualizer;
}

/* A tiny picture is enlarged until words are legible, a large one keeps its size; both
 * carry the words; hidden labels are not written. */
static void words_are_written(void **state)
{
    (void)state;
    static uint8_t pixels[300 * 200 * 3];
    char *folder = parts_new_dir();
    mm_scope scope = mm_scope_open();
    mm_visualizer *visualizer = make(folder);
    const char *names = "{\"classes\": [\"cat\", \"dog\", \"coat\"]}";
    mm_value *meta = mm_json_parse(names, strlen(names), NULL);
    mm_value *sample = sample_of(2, 1);
    mm_image small = {.data = pixels, .height = 28, .width = 28, .channels = 1};
    mm_image large = {.data = pixels, .height = 200, .width = 300, .channels = 3};
    mm_datasample_args args = {
        .name = "a", .image = &small, .sample = sample, .step = 5};

    assert_int_equal(mm_visualizer_add_datasample(visualizer, &args), MM_OK);
    struct picture plain = read_picture(folder, "vis_data/vis_image/a_5.png");
    assert_int_equal(plain.width, 140);
    assert_int_equal(plain.height, 140);
    mm_visualizer_set_dataset_meta(visualizer, meta);
    args.step = 6;
    assert_int_equal(mm_visualizer_add_datasample(visualizer, &args), MM_OK);
    struct picture named = read_picture(folder, "vis_data/vis_image/a_6.png");
    assert_true(named.bytes > plain.bytes); /* "(dog)" and "(coat)" */
    args.image = &large;
    args.hide_gt = true;
    char *out_file = mm_path_join(folder, "out/b.png");
    args.out_file = out_file;
    assert_int_equal(mm_visualizer_add_datasample(visualizer, &args), MM_OK);
    struct picture one = read_picture(folder, "out/b.png");
    assert_int_equal(one.width, 300);
    assert_int_equal(one.height, 200);
    args.hide_pred = true;
    assert_int_equal(mm_visualizer_add_datasample(visualizer, &args), MM_OK);
    assert_true(read_picture(folder, "out/b.png").bytes < one.bytes);
    args.sample = NULL;
    args.hide_gt = args.hide_pred = false;
    assert_int_equal(mm_visualizer_add_datasample(visualizer, &args), MM_OK);
    mm_free(out_file);
    mm_value_unref(sample);
    mm_value_unref(meta);
    mm_visualizer_free(visualizer);
    mm_scope_close(scope);
    parts_remove_dir(folder);
}

int test_universal_visualizer(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(words_are_written, nn_tear_down),
    };
    return cmocka_run_group_tests(tests, nn_set_up, NULL);
}
