/* Curves from records, axes, and the files they are drawn to. */
#include "png_reader.h"

#include <math.h>
#include <stdio.h>

#include "base/os.h"
#include "mmengine/fileio.h"
#include "mmengine/plot.h"
#include "visualization/plot.h"
#include "visualization/ticks.h"

static mm_value *records(const char *text)
{
    mm_value *list = mm_json_parse_lines(text, strlen(text), NULL);
    check_ok();
    return list;
}

#define TRAIN(iter, loss)                                                              \
    "{\"lr\": 0.1, \"data_time\": 0.1, \"loss\": " #loss                               \
    ", \"time\": 0.1, \"epoch\": 1, "                                                  \
    "\"iter\": " #iter ", \"memory\": 5, \"step\": " #iter "}\n"
#define VAL(epoch, top1)                                                               \
    "{\"accuracy/top1\": " #top1                                                       \
    ", \"data_time\": 0.1, \"time\": 0.2, \"step\": " #epoch "}\n"

static void check_series(const mmi_run *run, const char *key, bool is_val,
                         const mm_point *points, size_t count)
{
    const mmi_series *series = mmi_run_find(run, key, is_val);

    assert_non_null(series);
    assert_int_equal(series->points.count, count);
    for (size_t i = 0; i < count; i++) {
        assert_true(series->points.data[i].x == points[i].x);
        assert_true(series->points.data[i].y == points[i].y);
    }
}

/* Validation counts epochs in the file and stands at iterations here; counters and
 * times are no curves. */
static void test_places(void **state)
{
    (void)state;
    mm_value *list =
        records(TRAIN(100, 2.0) TRAIN(200, 1.0) VAL(1, 50.0) TRAIN(300, NaN) VAL(
            2, 60.0) "{\"mine\": 7, \"step\": 250}\n{\"val/loss\": 3.5, \"time\": 1, "
                     "\"step\": 3}\n");
    mmi_run run;

    assert_int_equal(mmi_run_init(&run, list, "x"), MM_OK);
    check_series(&run, "loss", false, (mm_point[]){{100, 2}, {200, 1}}, 2);
    assert_int_equal(mmi_run_find(&run, "loss", false)->num_wrong, 1);
    check_series(&run, "loss", true, (mm_point[]){{300, 3.5}}, 1);
    check_series(&run, "accuracy/top1", true, (mm_point[]){{200, 50}, {300, 60}}, 2);
    check_series(&run, "mine", false, (mm_point[]){{250, 7}}, 1);
    assert_null(mmi_run_find(&run, "time", false));
    assert_null(mmi_run_find(&run, "epoch", false));
    assert_null(mmi_run_find(&run, "step", true));
    mmi_run_deinit(&run);
    mm_value_unref(list);
}

static void put_file(const char *folder, const char *name, const char *text)
{
    char *path = mm_path_join(folder, name);
    char *above = mm_path_dirname(path);

    assert_int_equal(mm_make_dirs(above), MM_OK);
    assert_int_equal(mm_file_write(path, text, strlen(text)), MM_OK);
    mm_free(above);
    mm_free(path);
}

static void check_work_dir(const char *folder, const mm_point *losses, size_t count)
{
    mmi_run run;
    mm_value *list = mmi_load_records(folder);

    check_ok();
    assert_int_equal(mmi_run_init(&run, list, "x"), MM_OK);
    check_series(&run, "loss", false, losses, count);
    mmi_run_deinit(&run);
    mm_value_unref(list);
}

/* A resumed run is one curve, a run begun again is the newest alone, a test between
 * them changes nothing, a torn last line is no error. */
static void test_work_dirs(void **state)
{
    (void)state;
    char *folder = mmi_os_temp_dir("mm-plot-");

    assert_null(mmi_load_records(folder));
    check_error(MM_ENOENT);
    put_file(folder, "20240101_000000/vis_data/scalars.json",
             TRAIN(100, 5.0) TRAIN(200, 4.0) TRAIN(300, 3.0) "{\"loss\": 0.");
    check_work_dir(folder, (mm_point[]){{100, 5}, {200, 4}, {300, 3}}, 3);
    put_file(folder, "20240102_000000/vis_data/scalars.json",
             TRAIN(250, 2.5) TRAIN(350, 1.5));
    check_work_dir(folder, (mm_point[]){{100, 5}, {200, 4}, {250, 2.5}, {350, 1.5}}, 4);
    put_file(folder, "20240103_000000/vis_data/scalars.json", VAL(0, 11.0));
    check_work_dir(folder, (mm_point[]){{100, 5}, {200, 4}, {250, 2.5}, {350, 1.5}}, 4);
    put_file(folder, "20240104_000000/vis_data/scalars.json", TRAIN(100, 9.0));
    check_work_dir(folder, (mm_point[]){{100, 9}}, 1);
    put_file(folder, "20240105_000000/vis_data/scalars.json", "{broken}\n");
    assert_null(mmi_load_records(folder));
    check_error(MM_EDATA);
    char *inner = mm_path_join(folder, "20240101_000000");
    check_work_dir(inner, (mm_point[]){{100, 5}, {200, 4}, {300, 3}}, 3);
    mm_free(inner);
    inner = mm_path_join(folder, "20240104_000000/vis_data/scalars.json");
    check_work_dir(inner, (mm_point[]){{100, 9}}, 1);
    mm_free(inner);
    assert_int_equal(mmi_os_remove_tree(folder), MM_OK);
    mm_free(folder);
}

#define RECORD(mode, iter, name, value)                                                \
    "{\"mode\": \"" mode "\", \"epoch\": 1, \"iter\": " #iter ", \"samples\": 8, "     \
    "\"wall_time\": \"2024-01-01T00:00:00.000+00:00\", \"seconds\": 1.5, "             \
    "\"scalars\": {\"" name "\": " #value ", \"time\": 0.5, \"iter\": " #iter "}}\n"
#define START(iter)                                                                    \
    "{\"mode\": \"start\", \"epoch\": 0, \"iter\": " #iter ", \"samples\": 8, "        \
    "\"wall_time\": \"2024-01-01T00:00:00.000+00:00\", \"seconds\": 0.0, "             \
    "\"scalars\": {}}\n"

static void check_vals(const char *folder, const mm_point *points, size_t count)
{
    mmi_run run;
    mm_value *list = mmi_load_records(folder);

    check_ok();
    assert_int_equal(mmi_run_init(&run, list, "x"), MM_OK);
    check_series(&run, "acc", true, points, count);
    assert_null(mmi_run_find(&run, "time", true));
    mmi_run_deinit(&run);
    mm_value_unref(list);
}

/* records.jsonl says where a run goes on: what lies behind that was done again. */
static void test_records(void **state)
{
    (void)state;
    char *folder = mmi_os_temp_dir("mm-plot-");

    put_file(folder, "20240101_000000/vis_data/scalars.json", TRAIN(7, 7.0));
    put_file(folder, "20240101_000000/vis_data/records.jsonl",
             START(0) RECORD("train", 100, "loss", 5.0) RECORD("val", 150, "acc", 10.0)
                 RECORD("train", 200, "loss", 4.0) RECORD("train", 300, "loss", 3.0)
                     RECORD("val", 300, "acc", 20.0) "{\"mode\": \"tr");
    check_work_dir(folder, (mm_point[]){{100, 5}, {200, 4}, {300, 3}}, 3);
    check_vals(folder, (mm_point[]){{150, 10}, {300, 20}}, 2);
    /* Goes on at 300, where the validation is owed; is put back to 310 later. */
    put_file(folder, "20240102_000000/vis_data/records.jsonl",
             START(300) RECORD("val", 300, "acc", 21.0)
                 RECORD("train", 310, "loss", 2.0) RECORD("train", 320, "loss", 9.0)
                     START(310) RECORD("train", 320, "loss", 1.0));
    check_work_dir(folder,
                   (mm_point[]){{100, 5}, {200, 4}, {300, 3}, {310, 2}, {320, 1}}, 5);
    check_vals(folder, (mm_point[]){{150, 10}, {300, 21}}, 2);
    /* A test alone changes nothing, nor does a validation of a program's own. */
    put_file(folder, "20240103_000000/vis_data/records.jsonl",
             RECORD("test", 0, "acc", 99.0));
    put_file(folder, "20240104_000000/vis_data/records.jsonl",
             RECORD("val", 0, "acc", 99.0));
    check_vals(folder, (mm_point[]){{150, 10}, {300, 21}}, 2);
    put_file(folder, "20240105_000000/vis_data/records.jsonl",
             START(200) RECORD("train", 300, "loss", 8.0));
    check_work_dir(folder, (mm_point[]){{100, 5}, {200, 4}, {300, 8}}, 3);
    check_vals(folder, (mm_point[]){{150, 10}}, 1);
    assert_int_equal(mmi_os_remove_tree(folder), MM_OK);
    mm_free(folder);
}

static void check_ticks(double low, double high, size_t wanted, bool is_log,
                        const char *expected)
{
    mmi_axis axis;
    char text[MMI_MAX_TICKS * (MMI_TICK_TEXT_SIZE + 1)] = "";

    mmi_axis_init(&axis, low, high, wanted, is_log);
    for (size_t i = 0; i < axis.num_ticks; i++) {
        double place = mmi_axis_place(&axis, axis.ticks[i]);
        assert_true(place > -1e-6 && place < 1.0 + 1e-6);
        if (i > 0) {
            memcpy(text + strlen(text), " ", 2);
        }
        memcpy(text + strlen(text), axis.texts[i], strlen(axis.texts[i]) + 1);
    }
    assert_string_equal(text, expected);
    assert_true(fabs(mmi_axis_place(&axis, axis.low)) < 1e-9);
    assert_true(fabs(mmi_axis_place(&axis, axis.high) - 1.0) < 1e-9);
}

static void test_ticks(void **state)
{
    (void)state;
    check_ticks(0.0, 2.6, 5, false, "0 0.5 1 1.5 2 2.5");
    check_ticks(61.2, 101.0, 5, false, "70 80 90 100");
    check_ticks(0.0, 9380.0, 6, false, "0 2000 4000 6000 8000");
    check_ticks(0.0, 93800.0, 6, false, "0 20k 40k 60k 80k");
    check_ticks(0.0, 3.2e7, 6, false, "0 5M 10M 15M 20M 25M 30M");
    check_ticks(-1.0, 1.0, 5, false, "-1 -0.5 0 0.5 1");
    check_ticks(7.0, 7.0, 5, false, "6.4 6.6 6.8 7 7.2 7.4 7.6");
    check_ticks(0.0, 0.0, 5, false, "-1 -0.5 0 0.5 1");
    check_ticks(1e-5, 3e-5, 5, false, "1e-05 1.5e-05 2e-05 2.5e-05 3e-05");
    check_ticks(0.04, 2.5, 5, true, "0.05 0.1 0.2 0.5 1 2");
    check_ticks(1e-6, 0.12, 5, true, "1e-06 1e-05 0.0001 0.001 0.01 0.1");
    check_ticks(1e-12, 1.0, 5, true, "1e-12 1e-10 1e-08 1e-06 0.0001 0.01 1");
}

static void check_panels(const mm_plot *plot, const char *expected)
{
    mmi_panels panels;
    char text[400] = "";

    assert_int_equal(mmi_panels_init(&panels, plot), MM_OK);
    for (size_t i = 0; i < panels.items.count; i++) {
        const mmi_panel *panel = &panels.items.data[i];
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%s(", panel->title);
        for (size_t j = 0; j < panel->curves.count; j++) {
            used = strlen(text);
            snprintf(text + used, sizeof text - used, "%s%s", j > 0 ? "," : "",
                     panel->curves.data[j].name);
        }
        used = strlen(text);
        snprintf(text + used, sizeof text - used, ") ");
    }
    assert_string_equal(text, expected);
    mmi_panels_deinit(&panels);
}

static void test_panels(void **state)
{
    (void)state;
    static const char *const keys[] = {"accuracy", "loss"};
    mm_value *list =
        records("{\"lr\": 0.1, \"base_lr\": 0.1, \"grad_norm\": 2, \"loss\": 1, "
                "\"loss_cls\": 1, "
                "\"time\": 1, \"iter\": 10, \"step\": 10}\n{\"accuracy/top1\": 5, "
                "\"accuracy/top5\": 9, \"loss\": 2, \"time\": 1, \"step\": 1}\n");
    mm_plot *plot = mm_plot_new("t");

    assert_int_equal(mm_plot_add_records(plot, list, "one"), MM_OK);
    check_panels(plot,
                 "loss(loss,loss_cls,val loss) accuracy(accuracy/top1,"
                 "accuracy/top5) learning rate(lr,base_lr) grad_norm(grad_norm) ");
    assert_int_equal(mm_plot_add_records(plot, list, "two"), MM_OK);
    assert_int_equal(mm_plot_set_keys(plot, keys, 2), MM_OK);
    check_panels(plot, "accuracy/top1(one,two) accuracy/top5(one,two) "
                       "loss(one,val one,two,val two) "); /* as asked for */
    assert_int_equal(mm_plot_num_runs(plot), 2);
    mm_plot_free(plot);
    mm_value_unref(list);
}

static void add_long_run(mm_plot *plot, const char *label)
{
    mm_value *list = mm_value_new_list();

    for (int i = 1; i <= 5000; i++) {
        mm_value *record = mm_value_new_dict();
        mm_dict_put_f64(record, "lr", 0.1);
        mm_dict_put_f64(record, "loss",
                        2.0 * exp(-i / 900.0) + 0.2 + 0.1 * sin(i * 1.7));
        mm_dict_put_i64(record, "iter", i * 10);
        mm_dict_put_i64(record, "step", i * 10);
        mm_list_push(list, record);
    }
    assert_int_equal(mm_plot_add_records(plot, list, label), MM_OK);
    mm_value_unref(list);
}

/* Equal plots are equal files; special characters are escaped; long runs are thinned.
 */
static void test_svg(void **state)
{
    (void)state;
    char *folder = mmi_os_temp_dir("mm-plot-");
    char *path = mm_path_join(folder, "new/a.svg");
    mm_plot *plot = mm_plot_new("A <b> & \"c\"");

    add_long_run(plot, "long & short");
    assert_int_equal(mm_plot_write(plot, path), MM_OK);
    size_t size = 0;
    char *text = mm_file_read(path, &size);
    assert_in_range(size, 5000, 120000);
    assert_memory_equal(text, "<svg xmlns=", 11);
    assert_non_null(strstr(text, "A &lt;b&gt; &amp; &quot;c&quot;</text>"));
    assert_non_null(strstr(text, ">iteration</text>"));
    assert_non_null(strstr(text, ">40k</text>"));
    assert_string_equal(text + size - 7, "</svg>\n");
    assert_int_equal(mm_plot_write(plot, path), MM_OK);
    char *again = mm_file_read(path, NULL);
    assert_string_equal(text, again);
    mm_free(again);
    mm_free(text);
    mm_plot_free(plot);
    assert_int_equal(mmi_os_remove_tree(folder), MM_OK);
    mm_free(path);
    mm_free(folder);
}

static void test_png(void **state)
{
    (void)state;
    char *folder = mmi_os_temp_dir("mm-plot-");
    char *path = mm_path_join(folder, "a.png");
    mm_plot *plot = mm_plot_new(NULL);

    for (int i = 0; i < 9; i++) { /* more runs than colours: the last two are dashed */
        mm_value *list =
            records(TRAIN(10, 3.0) TRAIN(20, 1.5) TRAIN(30, 1.0) VAL(1, 9));
        char *label = mm_strfmt("run %d", i);
        assert_int_equal(mm_plot_add_records(plot, list, label), MM_OK);
        mm_free(label);
        mm_value_unref(list);
    }
    assert_int_equal(mm_plot_write(plot, path), MM_OK);
    struct png png = png_read(path);
    assert_int_equal(png.width, 2 * (2 * MMI_PANEL_WIDTH + 2 * 16));
    size_t blue = 0;
    for (size_t i = 0; i < (size_t)png.width * png.height; i++) {
        const unsigned char *pixel = png.pixels + 3 * i;
        blue += pixel[0] == 0 && pixel[1] == 114 && pixel[2] == 178;
    }
    assert_true(blue > 50);
    free(png.pixels);
    mm_plot_free(plot);
    assert_int_equal(mmi_os_remove_tree(folder), MM_OK);
    mm_free(path);
    mm_free(folder);
}

static void test_wrong_calls(void **state)
{
    (void)state;
    mm_plot *plot = mm_plot_new(NULL);
    mm_value *list = records(TRAIN(10, NaN) TRAIN(20, NaN));

    assert_int_equal(mm_plot_write(plot, "a.svg"), MM_ESTATE);
    check_error(MM_ESTATE);
    assert_int_equal(mm_plot_add_run(plot, "no/such/dir", NULL), MM_ENOENT);
    check_error(MM_ENOENT);
    assert_int_equal(mm_plot_add_records(plot, list, "x"), MM_OK);
    assert_int_equal(mm_plot_write(plot, "a.pdf"), MM_EINVAL);
    check_error(MM_EINVAL);
    char *folder = mmi_os_temp_dir("mm-plot-");
    char *path = mm_path_join(folder, "a.svg");
    assert_int_equal(mm_plot_write(plot, path), MM_OK); /* all NaN: axes and a word */
    char *text = mm_file_read(path, NULL);
    assert_non_null(strstr(text, "2 values are NaN or infinite"));
    mm_free(text);
    assert_int_equal(mmi_os_remove_tree(folder), MM_OK);
    mm_free(path);
    mm_free(folder);
    mm_value_unref(list);
    mm_plot_free(plot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLEAN_TEST(test_places), CLEAN_TEST(test_work_dirs),   CLEAN_TEST(test_records),
        CLEAN_TEST(test_ticks),  CLEAN_TEST(test_panels),      CLEAN_TEST(test_svg),
        CLEAN_TEST(test_png),    CLEAN_TEST(test_wrong_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
