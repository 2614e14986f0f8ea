/* Memory that runs out, or a system call that fails, at every possible point: an error,
 * nothing leaks. Fault injection is part of debug builds only. */
#include "check.h"

#include <string.h>

#include "base/memory.h"
#include "base/os.h"
#include "mmengine/component.h"
#include "mmengine/file.h"
#include "mmengine/fileio.h"
#include "mmengine/plot.h"
#include "mmengine/visualizer.h"
#include "registry/registry.h"
#include "visualization/visualization.h"

#ifdef MM_FAULTS

/* A task; true if it came to its end. */
typedef bool (*task)(const char *folder);

static const char scalars[] = "{\"lr\": 0.1, \"loss\": 2.0, \"iter\": 1, \"step\": 1}\n"
                              "{\"lr\": 0.1, \"loss\": 1.0, \"iter\": 2, \"step\": 2}\n"
                              "{\"accuracy/top1\": 50.0, \"time\": 1.0, \"step\": 1}\n";

static bool plot_to(const char *folder, const char *name, size_t num_keys)
{
    static const char *const keys[] = {"loss", "lr"};
    mm_value *records = mm_json_parse_lines(scalars, strlen(scalars), NULL);
    mm_plot *plot = records != NULL ? mm_plot_new("title") : NULL;
    char *path = plot != NULL ? mm_path_join(folder, name) : NULL;
    bool is_done = path != NULL && mm_plot_set_keys(plot, keys, num_keys) == MM_OK &&
                   mm_plot_add_records(plot, records, "a") == MM_OK &&
                   (num_keys < 2 || mm_plot_add_records(plot, records, "b") == MM_OK) &&
                   mm_plot_write(plot, path) == MM_OK;

    mm_free(path);
    mm_plot_free(plot);
    mm_value_unref(records);
    return is_done;
}

static bool plot_svg(const char *folder)
{
    return plot_to(folder, "a.svg", 2);
}

static bool plot_png(const char *folder)
{
    return plot_to(folder, "a.png", 1);
}

static bool plot_work_dir(const char *folder)
{
    mm_plot *plot = mm_plot_new(NULL);
    char *path = mm_path_join(folder, "work");
    bool is_done =
        plot != NULL && path != NULL && mm_plot_add_run(plot, path, NULL) == MM_OK;

    mm_free(path);
    mm_plot_free(plot);
    return is_done;
}

static bool write_grid(const char *folder)
{
    static const uint8_t pixels[64] = {0};
    mm_grid_cell cell = {
        .image = {.data = pixels, .height = 8, .width = 8, .channels = 1},
        .label = "a",
        .prediction = "a name that is far too long for its place",
        .score = 0.5};
    char *path = mm_path_join(folder, "grid.png");
    mm_grid_args args = {.path = path, .cells = &cell, .count = 1, .title = "t"};
    bool is_done = path != NULL && mm_grid_write_png(&args) == MM_OK;

    mm_free(path);
    return is_done;
}

static bool visualize(const char *folder)
{
    static const uint8_t pixels[12] = {0};
    static const char config_text[] = "{\"type\": \"Visualizer\", \"vis_backends\": "
                                      "[{\"type\": \"LocalVisBackend\"}]}";
    mm_image image = {.data = pixels, .height = 2, .width = 2, .channels = 3};
    mm_value *config = mm_json_parse(config_text, strlen(config_text), NULL);
    mm_value *record = mm_json_parse("{\"a\": 1}", 8, NULL);
    mm_visualizer *visualizer =
        mm_visualizer_new(&(mm_visualizer_args){.config = config, .save_dir = folder});
    bool is_done =
        config != NULL && record != NULL && visualizer != NULL &&
        mm_visualizer_add_scalars(visualizer, record, 1, "x.json") == MM_OK &&
        mm_visualizer_add_scalars(visualizer, record, 2, "y.json") == MM_OK &&
        mm_visualizer_add_scalar(visualizer, "b", 1.0, 1) == MM_OK &&
        mm_visualizer_add_image(visualizer, "i", &image, 1) == MM_OK &&
        mm_visualizer_close(visualizer) == MM_OK;

    mm_visualizer_free(visualizer);
    mm_value_unref(record);
    mm_value_unref(config);
    return is_done;
}

static void put_work_dir(const char *folder)
{
    for (int i = 0; i < 2; i++) {
        char *dir = mm_strfmt("%s/work/2024010%d_000000/vis_data", folder, i);
        char *path = mm_path_join(dir, "scalars.json");
        assert_int_equal(mm_make_dirs(dir), MM_OK);
        assert_int_equal(mm_file_write(path, scalars, strlen(scalars)), MM_OK);
        mm_free(path);
        mm_free(dir);
    }
}

static void sweep(task run)
{
    static const mm_component *const table[] = {&mmi_visualizer, &mmi_local_backend,
                                                NULL};
    char *folder = mmi_os_temp_dir("mm-faults-");
    bool is_done = false;

    put_work_dir(folder);
    assert_int_equal(mm_register(table), MM_OK);
    int64_t blocks = mm_live_blocks();
    int64_t values = mm_live_values();
    for (int64_t n = 1; !is_done; n++) {
        mmi_fail_at(n);
        is_done = run(folder);
        mmi_fail_at(0);
        mm_status status = mm_error_take(NULL);
        assert_true(is_done ? status == MM_OK
                            : status == MM_ENOMEM || status == MM_EIO);
        assert_int_equal(mm_live_values(), values);
        assert_int_equal(mm_live_blocks(), blocks);
    }
    mmi_registry_clear();
    assert_int_equal(mmi_os_remove_tree(folder), MM_OK);
    mm_free(folder);
}

#define SWEEP(run)                                                                     \
    static void test_##run(void **state)                                               \
    {                                                                                  \
        (void)state;                                                                   \
        sweep(run);                                                                    \
    }
SWEEP(plot_svg)
SWEEP(plot_png)
SWEEP(plot_work_dir)
SWEEP(write_grid)
SWEEP(visualize)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLEAN_TEST(test_plot_svg),      CLEAN_TEST(test_plot_png),
        CLEAN_TEST(test_plot_work_dir), CLEAN_TEST(test_write_grid),
        CLEAN_TEST(test_visualize),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    return 0;
}

#endif
