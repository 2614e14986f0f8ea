/* Converting, averaging, describing and publishing checkpoint files. That Python's
 * libraries read the results is shown by tests/interop. */
#include "checkpoint_files.h"

#include <math.h>

#include "mmengine/fileio.h"
#include "mmengine/runner.h"
#include "mmengine/safetensors.h"

#define GOLDEN "golden/fileio/"

static const mm_pth_tensor *tensor_in(const mm_value *root, const char *first,
                                      const char *second)
{
    const mm_value *found = mm_dict_get(root, first);
    const mm_pth_tensor *tensor =
        mm_pth_find_tensor(second != NULL ? mm_dict_get(found, second) : found);

    check_ok();
    assert_non_null(tensor);
    return tensor;
}

static mm_value *weights_file(mm_value *weight, int64_t count)
{
    mm_value *root = mm_value_new_dict();
    mm_value *state = mm_value_new_dict();

    mm_dict_take(state, "w", weight);
    mm_dict_put_i64(state, "count", count);
    mm_value *meta = mm_value_new_dict();

    mm_dict_put_i64(meta, "epoch", count);
    mm_dict_take(root, "meta", meta);
    mm_dict_take(root, "state_dict", state);
    mm_dict_put_i64(root, "optimizer", 1);
    return root;
}

static void test_average(void **state)
{
    static const float one[] = {1, 2, INFINITY}, two[] = {2, 5, 1}, three[] = {6, 5, 0};
    char *folder = make_scratch();
    char *paths[] = {write_file(folder, "a.pth", weights_file(floats(one, 3), 7)),
                     write_file(folder, "b.pth", weights_file(floats(two, 3), 8)),
                     write_file(folder, "c.pth", weights_file(floats(three, 3), 9))};
    char *to = mm_path_join(folder, "mean.pth");
    const double shares[] = {1, 0, 3};
    mm_checkpoint_average_args args = {
        .paths = (const char *const *)paths, .num_paths = 3, .to = to};
    (void)state;

    assert_int_equal(mm_checkpoint_average(&args), MM_OK);
    mm_value *root = mm_pth_read(&(mm_pth_read_args){.path = to});
    const float *mean = mm_pth_tensor_data(tensor_in(root, "state_dict", "w"));
    assert_true(mean[0] == 3.0F && mean[1] == 4.0F && isinf(mean[2]));
    assert_int_equal(
        mm_value_i64(mm_dict_get(mm_dict_get(root, "state_dict"), "count")), 7);
    assert_false(mm_dict_has(root, "optimizer"));
    mm_value_unref(root);
    args.weights = shares;
    assert_int_equal(mm_checkpoint_average(&args), MM_OK);
    root = mm_pth_read(&(mm_pth_read_args){.path = to});
    mean = mm_pth_tensor_data(tensor_in(root, "state_dict", "w"));
    assert_true(mean[0] == 4.75F && mean[1] == 4.25F);
    mm_value_unref(root);
    mm_free(to);
    for (size_t i = 0; i < 3; i++)
        mm_free(paths[i]);
    remove_scratch(folder);
}

/* The first file's meta goes along, into a header of texts too, and back again. */
static void test_average_meta(void **state)
{
    static const float one[] = {1, 2};
    char *folder = make_scratch();
    char *path = write_file(folder, "a.pth", weights_file(floats(one, 2), 7));
    char *flat = mm_path_join(folder, "mean.safetensors");
    char *back = mm_path_join(folder, "back.pth");
    (void)state;

    assert_int_equal(
        mm_checkpoint_average(&(mm_checkpoint_average_args){
            .paths = (const char *const *)&path, .num_paths = 1, .to = flat}),
        MM_OK);
    mm_value *described = mm_checkpoint_describe(flat);
    check_ok();
    assert_int_equal(mm_value_i64(mm_dict_get(mm_dict_get(described, "meta"), "epoch")),
                     7);
    mm_value_unref(described);
    assert_int_equal(
        mm_checkpoint_convert(&(mm_checkpoint_convert_args){.from = flat, .to = back}),
        MM_OK);
    mm_value *root = mm_pth_read(&(mm_pth_read_args){.path = back});
    check_ok();
    assert_int_equal(mm_value_i64(mm_dict_get(mm_dict_get(root, "meta"), "epoch")), 7);
    mm_value_unref(root);
    mm_free(path);
    mm_free(flat);
    mm_free(back);
    remove_scratch(folder);
}

static void test_average_refuses(void **state)
{
    static const float one[] = {1, 2, 3};
    char *folder = make_scratch();
    mm_value *more = weights_file(floats(one, 3), 7);
    (void)state;

    mm_dict_take(mm_dict_get(more, "state_dict"), "extra", floats(one, 1));
    char *paths[] = {write_file(folder, "a.pth", weights_file(floats(one, 3), 7)),
                     write_file(folder, "b.pth", weights_file(floats(one, 2), 7)),
                     write_file(folder, "c.pth", more)};
    char *to = mm_path_join(folder, "mean.pth");
    const double zero[] = {1, -1};
    mm_checkpoint_average_args args = {
        .paths = (const char *const *)paths, .num_paths = 2, .to = to};

    assert_int_equal(mm_checkpoint_average(&args), MM_EDATA);
    check_error(MM_EDATA);
    mm_free(paths[1]);
    paths[1] = paths[2];
    assert_int_equal(mm_checkpoint_average(&args), MM_EDATA);
    check_error(MM_EDATA);
    paths[1] = paths[0];
    args.weights = zero;
    assert_int_equal(mm_checkpoint_average(&args), MM_EINVAL);
    check_error(MM_EINVAL);
    assert_false(mm_file_exists(to));
    mm_free(to);
    mm_free(paths[0]);
    mm_free(paths[2]);
    remove_scratch(folder);
}

static void convert(const mm_checkpoint_convert_args *args)
{
    assert_int_equal(mm_checkpoint_convert(args), MM_OK);
    check_ok();
}

static void check_equal(const char *a, const char *b, const char *const *ignore,
                        size_t count)
{
    mm_value *result =
        mm_checkpoint_diff(&(mm_checkpoint_diff_args){.first = a,
                                                      .second = b,
                                                      .exact = true,
                                                      .with_times = true,
                                                      .ignore = ignore,
                                                      .num_ignore = count});

    check_ok();
    if (mm_value_len(mm_dict_get(result, "rows")) > 0) {
        char *text = mm_value_repr(mm_dict_get(result, "rows"));
        fail_msg("%s", text);
    }
    mm_value_unref(result);
}

/* To .safetensors and back: meta and weights are as they were. */
static void test_containers(void **state)
{
    static const char *const lost[] = {"optimizer", "message_hub", "param_schedulers"};
    char *folder = make_scratch();
    char *there = mm_path_join(folder, "a.safetensors");
    char *back = mm_path_join(folder, "a.pth");
    (void)state;

    convert(
        &(mm_checkpoint_convert_args){.from = GOLDEN "checkpoint.pth", .to = there});
    assert_string_equal(mm_pth_format(there), "safetensors");
    convert(&(mm_checkpoint_convert_args){.from = there, .to = back});
    check_equal(GOLDEN "checkpoint.pth", back, lost, 3);
    convert(&(mm_checkpoint_convert_args){.from = GOLDEN "checkpoint.pth", .to = back});
    check_equal(GOLDEN "checkpoint.pth", back, NULL, 0);
    convert(&(mm_checkpoint_convert_args){
        .from = GOLDEN "checkpoint.pth", .to = back, .for_mmengine = true});
    check_equal(GOLDEN "checkpoint.pth", back, NULL, 0); /* Python's stays Python's */
    mm_free(back);
    mm_free(there);
    remove_scratch(folder);
}

static void test_dtypes(void **state)
{
    static const float memory[] = {1.0F, -2.5F, 1e-8F};
    char *folder = make_scratch();
    char *from = write_file(folder, "a.pth", weights_file(floats(memory, 3), 7));
    char *to = mm_path_join(folder, "b.pth");
    (void)state;

    convert(&(mm_checkpoint_convert_args){
        .from = from, .to = to, .weights_only = true, .dtype = MM_DTYPE_F16});
    mm_value *root = mm_pth_read(&(mm_pth_read_args){.path = to});
    const mm_pth_tensor *tensor = tensor_in(root, "w", NULL);
    static const uint16_t expected[] = {0x3c00, 0xc100, 0x0000};
    assert_int_equal(tensor->dtype, MM_DTYPE_F16);
    assert_memory_equal(mm_pth_tensor_data(tensor), expected, sizeof expected);
    mm_value_unref(root);
    assert_int_equal(mm_checkpoint_convert(&(mm_checkpoint_convert_args){
                         .from = from, .to = to, .dtype = MM_DTYPE_I32}),
                     MM_EINVAL);
    check_error(MM_EINVAL);
    mm_free(to);
    mm_free(from);
    remove_scratch(folder);
}

/* A hub whose histories are plain lists becomes one of HistoryBuffers, and those of a
 * scalars.json that belong to iterations before the checkpoint come with it. */
static void test_histories(void **state)
{
    static const char lines[] =
        "{\"loss\": 2.0, \"memory\": 3, \"epoch\": 1, \"iter\": 1, \"step\": 1}\n"
        "{\"accuracy/top1\": 50, \"step\": 1}\n"
        "{\"loss\": 1.0, \"epoch\": 2, \"iter\": 3, \"step\": 3}\n";
    static const char json[] =
        "{\"meta\": {\"iter\": 2}, \"state_dict\": {}, \"mmengine_c\": {}, "
        "\"message_hub\": {\"log_scalars\": {\"train/lr\": {\"log_history\": [1, 2], "
        "\"count_history\": [1, 3]}}, \"runtime_info\": {\"iter\": 2}, "
        "\"resumed_keys\": {\"train/lr\": true}}}";
    char *folder = make_scratch();
    char *scalars = mm_path_join(folder, "scalars.json");
    char *to = mm_path_join(folder, "b.pth");
    mm_value *root = mm_json_parse(json, strlen(json), NULL);
    (void)state;

    check_ok();
    char *from = write_file(folder, "a.pth", root);
    assert_int_equal(mm_file_write(scalars, lines, strlen(lines)), MM_OK);
    convert(&(mm_checkpoint_convert_args){
        .from = from, .to = to, .for_mmengine = true, .scalars = scalars});
    root = mm_pth_read(&(mm_pth_read_args){.path = to});
    check_ok();
    assert_false(mm_dict_has(root, "mmengine_c"));
    const mm_value *hub = mm_dict_get(root, "message_hub");
    const mm_value *made = mm_dict_get(hub, "log_scalars");
    static const char *const expected[][2] = {
        {"train/lr", "[1, 2]"}, {"train/loss", "[2.0]"}, {"val/accuracy/top1", "[50]"}};
    assert_int_equal(mm_value_len(made), 3);
    for (size_t i = 0; i < 3; i++) {
        const mm_value *node = mm_dict_get(made, expected[i][0]);
        assert_string_equal(mm_pickle_class(node),
                            "mmengine.logging.history_buffer.HistoryBuffer");
        mm_value *numbers =
            mm_pickle_find_numpy(mm_dict_get(mm_pickle_state(node), "_log_history"));
        char *text = mm_value_repr(numbers);
        assert_string_equal(text, expected[i][1]);
        mm_free(text);
        mm_value_unref(numbers);
    }
    assert_true(
        mm_value_is_true(mm_dict_get(mm_dict_get(hub, "resumed_keys"), "train/loss")));
    mm_value_unref(root);
    mm_free(from);
    mm_free(to);
    mm_free(scalars);
    remove_scratch(folder);
}

static void test_describe(void **state)
{
    mm_value *described = mm_checkpoint_describe(GOLDEN "checkpoint.pth");
    char *json = mm_json_format(described, NULL);
    (void)state;

    check_ok();
    assert_int_equal(mm_value_i64(mm_dict_get(described, "num_parameters")), 26);
    assert_int_equal(mm_value_i64(mm_dict_get(described, "num_tensors")), 4);
    assert_string_equal(mm_value_str(mm_dict_get(described, "format")), "zip");
    assert_int_equal(mm_value_i64(mm_dict_get(mm_dict_get(described, "meta"), "iter")),
                     3);
    assert_non_null(strstr(json, "\"name\": \"state_dict.0.weight\", \"dtype\": "
                                 "\"float32\", \"shape\": [4, 3], \"bytes\": 48"));
    mm_free(json);
    mm_value_unref(described);
    assert_string_equal(mm_pth_format(GOLDEN "legacy.pth"), "legacy");
}

static void test_publish(void **state)
{
    static const float memory[] = {1, 2};
    char *folder = make_scratch();
    char *from = write_file(folder, "epoch_3.pth", weights_file(floats(memory, 2), 1));
    const char *words[] = {"nothing", "state_dict"};
    char *path = NULL;
    (void)state;

    assert_int_equal(mm_checkpoint_publish(from, &(mm_strs){words, 2}, &path), MM_OK);
    assert_int_equal(strlen(path), strlen(from) + 9);
    assert_non_null(strstr(path, "/epoch_3-"));
    mm_value *root = mm_pth_read(&(mm_pth_read_args){.path = path});
    assert_int_equal(mm_value_len(root), 1);
    mm_value_unref(root);
    mm_free(path);
    words[1] = "weights";
    assert_true(mm_checkpoint_publish(from, &(mm_strs){words, 2}, &path) < 0);
    check_error(MM_EKEY);
    mm_free(from);
    remove_scratch(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLEAN_TEST(test_average),      CLEAN_TEST(test_average_refuses),
        CLEAN_TEST(test_average_meta), CLEAN_TEST(test_containers),
        CLEAN_TEST(test_dtypes),       CLEAN_TEST(test_histories),
        CLEAN_TEST(test_describe),     CLEAN_TEST(test_publish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
