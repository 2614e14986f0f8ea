/* The visualizer and LocalVisBackend against the files MMEngine writes for the same
 * calls. */
#include "check.h"

#include <string.h>

#include "base/os.h"
#include "mmengine/component.h"
#include "mmengine/config.h"
#include "mmengine/file.h"
#include "mmengine/fileio.h"
#include "mmengine/visualizer.h"
#include "registry/registry.h"
#include "visualization/visualization.h"

#define GOLDEN "golden/visualization/"

/* A backend that counts, and fails when it is told to. */
struct counter {
    mm_vis_backend_options base;
    bool fails;
    int num_scalars, num_images, num_closed;
};

#define MM_OPT_STRUCT struct counter
static const mm_option counter_options[] = {
    {"", "", MM_OPT_INHERIT(base, mm_vis_backend_option_table)},
    {"fails", "refuses scalars", MM_OPT_BOOL(fails, false)},
    {0},
};
#undef MM_OPT_STRUCT

static int closed; /* outlives the instance */

static mm_status counter_add_scalars(void *data, const mm_value *scalars, int64_t step,
                                     const char *file_name)
{
    struct counter *self = data;
    (void)scalars;
    (void)step;
    (void)file_name;
    self->num_scalars++;
    return self->fails ? mm_raise(MM_EIO, "no room") : MM_OK;
}

static mm_status counter_close(void *self)
{
    (void)self;
    closed++;
    return MM_OK;
}

static const mm_vis_backend_ops counter_ops = {.add_scalars = counter_add_scalars,
                                               .close = counter_close};

static const mm_component counter_component = {
    .registry = "visbackends",
    .name = "CounterBackend",
    .help = "counts what it gets",
    .size = sizeof(struct counter),
    .options = counter_options,
    MM_VIS_BACKEND(&counter_ops),
};

static int setup(void **state)
{
    static const mm_component *const table[] = {&mmi_visualizer, &mmi_local_backend,
                                                &counter_component, NULL};
    (void)state;
    return mm_register(table) == MM_OK ? 0 : -1;
}

static int teardown(void **state)
{
    mmi_registry_clear();
    assert_int_equal(mm_live_instances(), 0);
    return check_clean(state);
}
#define BUILD_TEST(function)                                                           \
    cmocka_unit_test_setup_teardown((function), setup, teardown)

static mm_value *parse(const char *text)
{
    mm_value *value = mm_json_parse(text, strlen(text), NULL);
    check_ok();
    return value;
}

static mm_visualizer *make(const char *config_text, const char *dir, int rank)
{
    mm_value *config = config_text != NULL ? parse(config_text) : NULL;
    mm_visualizer *visualizer = mm_visualizer_new(
        &(mm_visualizer_args){.config = config, .save_dir = dir, .rank = rank});

    mm_value_unref(config);
    return visualizer;
}

static char *make_scratch(void)
{
    return mmi_os_temp_dir("mm-vis-");
}

static void remove_scratch(char *folder)
{
    assert_int_equal(mmi_os_remove_tree(folder), MM_OK);
    mm_free(folder);
}

#define LOCAL                                                                          \
    "{\"type\": \"Visualizer\", \"vis_backends\": [{\"type\": \"LocalVisBackend\"}]}"

static void check_same(const char *folder, const char *name)
{
    char *path = mm_strfmt("%s/vis_data/%s", folder, name);
    char *golden = mm_strfmt(GOLDEN "%s", name);
    char *ours = mm_file_read(path, NULL);
    char *theirs = mm_file_read(golden, NULL);

    check_ok();
    assert_string_equal(ours, theirs);
    mm_free(ours);
    mm_free(theirs);
    mm_free(path);
    mm_free(golden);
}

static void replay(mm_visualizer *visualizer, const mm_value *call)
{
    int64_t step = mm_value_i64(mm_dict_get(call, "step"));
    const mm_value *scalars = mm_dict_find(call, "scalars");
    const mm_value *file = mm_dict_find(call, "file");

    if (scalars == NULL) {
        mm_visualizer_add_scalar(visualizer, mm_value_str(mm_dict_get(call, "name")),
                                 mm_value_f64(mm_dict_get(call, "value")), step);
    } else {
        mm_visualizer_add_scalars(visualizer, scalars, step,
                                  mm_value_is_none(file) ? NULL : mm_value_str(file));
    }
    check_ok();
}

static void test_scalars(void **state)
{
    (void)state;
    char *folder = make_scratch();
    size_t size = 0;
    char *text = mm_file_read(GOLDEN "calls.jsonl", &size);
    mm_value *calls = mm_json_parse_lines(text, size, NULL);
    mm_visualizer *visualizer = make(LOCAL, folder, 0);

    check_ok();
    for (size_t i = 0; i < mm_value_len(calls); i++) {
        replay(visualizer, mm_list_get(calls, i));
    }
    assert_int_equal(mm_visualizer_close(visualizer), MM_OK);
    mm_visualizer_free(visualizer);
    check_same(folder, "scalars.json");
    check_same(folder, "20240101_000000.json");
    mm_value_unref(calls);
    mm_free(text);
    remove_scratch(folder);
}

/* Nothing is made before the first call; a second run appends. */
static void test_lazy_and_append(void **state)
{
    (void)state;
    char *folder = make_scratch();
    char *data = mm_path_join(folder, "vis_data");
    char *path = mm_path_join(data, "scalars.json");

    mm_visualizer_free(make(LOCAL, folder, 0));
    assert_false(mm_file_exists(data));
    for (int i = 0; i < 2; i++) {
        mm_visualizer *visualizer = make(LOCAL, folder, 0);
        assert_int_equal(mm_visualizer_add_scalar(visualizer, "a", 0.5, i), MM_OK);
        mm_visualizer_free(visualizer);
    }
    char *text = mm_file_read(path, NULL);
    assert_string_equal(text, "{\"a\": 0.5, \"step\": 0}\n{\"a\": 0.5, \"step\": 1}\n");
    mm_free(text);
    mm_free(path);
    mm_free(data);
    remove_scratch(folder);
}

static void test_other_ranks_write_nothing(void **state)
{
    (void)state;
    char *folder = make_scratch();
    mm_visualizer *visualizer = make(LOCAL, folder, 1);
    char *data = mm_path_join(folder, "vis_data");

    assert_int_equal(mm_visualizer_add_scalar(visualizer, "a", 0.5, 1), MM_OK);
    assert_int_equal(mm_visualizer_close(visualizer), MM_OK);
    mm_visualizer_free(visualizer);
    assert_false(mm_file_exists(data));
    mm_free(data);
    remove_scratch(folder);
}

static void test_config_and_image(void **state)
{
    (void)state;
    static const uint8_t pixels[12] = {255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9};
    char *folder = make_scratch();
    mm_value *root = parse("{\"a\": 1}");
    mm_config *config = mm_config_from_value(root);
    mm_visualizer *visualizer = make(LOCAL, folder, 0);
    char *path = mm_path_join(folder, "vis_data/config.py");
    char *image_path = mm_path_join(folder, "vis_data/vis_image/sub/img_7.png");
    mm_image image = {.data = pixels, .height = 2, .width = 2, .channels = 3};

    assert_int_equal(mm_visualizer_add_config(visualizer, config), MM_OK);
    assert_int_equal(mm_visualizer_add_image(visualizer, "sub/img", &image, 7), MM_OK);
    char *text = mm_file_read(path, NULL);
    char *pretty = mm_config_pretty_text(config);
    assert_string_equal(text, pretty);
    assert_true(mm_file_exists(image_path));
    mm_free(pretty);
    mm_free(text);
    mm_free(image_path);
    mm_free(path);
    mm_visualizer_free(visualizer);
    mm_config_unref(config);
    mm_value_unref(root);
    remove_scratch(folder);
}

static void test_wrong_calls(void **state)
{
    (void)state;
    char *folder = make_scratch();
    mm_visualizer *visualizer = make(LOCAL, folder, 0);
    mm_value *scalars = parse("{\"a\": 1}");
    mm_value *list = parse("[]");

    assert_int_equal(mm_visualizer_add_scalars(visualizer, scalars, 1, "scalars.json"),
                     MM_EINVAL);
    check_error(MM_EINVAL);
    assert_int_equal(mm_visualizer_add_scalars(visualizer, scalars, 1, "x.txt"),
                     MM_ECONFIG);
    check_error(MM_ECONFIG);
    assert_int_equal(mm_visualizer_add_scalars(visualizer, list, 1, NULL), MM_ETYPE);
    check_error(MM_ETYPE);
    assert_int_equal(mm_visualizer_close(visualizer), MM_OK);
    assert_int_equal(mm_visualizer_close(visualizer), MM_OK);
    assert_int_equal(mm_visualizer_add_scalar(visualizer, "a", 1.0, 1), MM_ESTATE);
    check_error(MM_ESTATE);
    mm_value_unref(list);
    mm_value_unref(scalars);
    mm_visualizer_free(visualizer);
    remove_scratch(folder);
}

static void test_wrong_configs(void **state)
{
    (void)state;
    static const char *const configs[] = {
        "{\"type\": \"Visualizer\", \"vis_backends\": [{\"type\": \"LocalVisBackend\"},"
        " {\"type\": \"LocalVisBackend\"}]}",
        "{\"type\": \"Visualizer\", \"vis_backends\": [{\"type\": \"LocalVisBackend\","
        " \"scalar_save_file\": \"a.txt\"}]}",
        "{\"type\": \"Visualizer\", \"vis_backends\": [{\"type\": \"LocalVisBackend\","
        " \"config_save_file\": \"a.json\"}]}",
        "{\"type\": \"Visualizer\", \"vis_backends\": [{\"type\": \"Nowhere\"}]}",
        "{\"type\": \"Visualizer\", \"vis_backend\": []}",
    };

    for (size_t i = 0; i < sizeof configs / sizeof configs[0]; i++) {
        assert_null(make(configs[i], "nowhere", 0));
        check_error(MM_ECONFIG);
    }
}

static void test_several_backends(void **state)
{
    (void)state;
    mm_visualizer *visualizer = make(
        "{\"type\": \"Visualizer\", \"vis_backends\": [{\"type\": \"CounterBackend\"},"
        "{\"type\": \"CounterBackend\", \"name\": \"b\", \"fails\": true},"
        "{\"type\": \"CounterBackend\", \"name\": \"c\"}]}",
        "nowhere", 0);
    mm_value *scalars = parse("{\"a\": 1}");

    check_ok();
    closed = 0;
    mm_instance *first = mm_visualizer_find_backend(visualizer, "CounterBackend");
    mm_instance *last = mm_visualizer_find_backend(visualizer, "c");
    assert_non_null(first);
    assert_non_null(last);
    assert_null(mm_visualizer_find_backend(visualizer, "d"));
    assert_int_equal(mm_visualizer_add_scalars(visualizer, scalars, 1, NULL), MM_EIO);
    check_error(MM_EIO);
    assert_int_equal(((struct counter *)mm_instance_self(first))->num_scalars, 1);
    assert_int_equal(((struct counter *)mm_instance_self(last))->num_scalars, 0);
    mm_visualizer_free(visualizer);
    assert_int_equal(closed, 3);
    mm_value_unref(scalars);
}

/* Freeing while an error is pending keeps that error and still closes. */
static void test_free_under_error(void **state)
{
    (void)state;
    mm_visualizer *visualizer = make("{\"type\": \"Visualizer\", \"vis_backends\": "
                                     "[{\"type\": \"CounterBackend\"}]}",
                                     "nowhere", 0);
    mm_value *scalars = parse("{\"a\": 1}");

    closed = 0;
    assert_int_equal(mm_visualizer_add_scalars(visualizer, scalars, 1, NULL), MM_OK);
    mm_raise(MM_EDATA, "first");
    mm_visualizer_free(visualizer);
    check_error_text(MM_EDATA, "first");
    assert_int_equal(closed, 1);
    mm_value_unref(scalars);
}

static void test_without_backends(void **state)
{
    (void)state;
    mm_visualizer *visualizer = make(NULL, NULL, 0);

    check_ok();
    assert_int_equal(mm_visualizer_add_scalar(visualizer, "a", 1.0, 1), MM_OK);
    assert_string_equal(mm_instance_component(mm_visualizer_instance(visualizer))->name,
                        "Visualizer");
    mm_visualizer_free(visualizer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BUILD_TEST(test_scalars),
        BUILD_TEST(test_lazy_and_append),
        BUILD_TEST(test_other_ranks_write_nothing),
        BUILD_TEST(test_config_and_image),
        BUILD_TEST(test_wrong_calls),
        BUILD_TEST(test_wrong_configs),
        BUILD_TEST(test_several_backends),
        BUILD_TEST(test_free_under_error),
        BUILD_TEST(test_without_backends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
