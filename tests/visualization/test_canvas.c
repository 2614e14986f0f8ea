/* Pixels: what shapes cover, checked against areas that can be computed by hand, and
 * the files. */
#include "png_reader.h"

#include <math.h>

#include "base/os.h"
#include "mmengine/canvas.h"
#include "visualization/font.h"

static const mm_color white = {255, 255, 255, 255};
static const mm_color black = {0, 0, 0, 255};

/* Darkness of a pixel of a black-on-white drawing: 0 to 255. */
static int ink(const mm_canvas *canvas, int x, int y)
{
    mm_image image = mm_canvas_image(canvas);
    return 255 - image.data[3 * (y * image.width + x)];
}

/* Darkness of all pixels, in pixels. */
static double total_ink(const mm_canvas *canvas)
{
    mm_image image = mm_canvas_image(canvas);
    double sum = 0.0;

    for (int y = 0; y < image.height; y++) {
        for (int x = 0; x < image.width; x++) {
            sum += ink(canvas, x, y) / 255.0;
        }
    }
    return sum;
}

static double polygon_ink(const mm_point *points, size_t count)
{
    mm_canvas *canvas = mm_canvas_new(40, 30, white);
    mm_canvas_fill_polygon(canvas, points, count, black);
    double sum = total_ink(canvas);

    mm_canvas_free(canvas);
    check_ok();
    return sum;
}

#define check_near(value, wanted, tolerance)                                           \
    do {                                                                               \
        double value_ = (value);                                                       \
        if (!(fabs(value_ - (wanted)) <= (tolerance))) {                               \
            fail_msg("%s is %g, not %g", #value, value_, (double)(wanted));            \
        }                                                                              \
    } while (0)

static void test_rect(void **state)
{
    (void)state;
    mm_canvas *canvas = mm_canvas_new(8, 8, white);

    mm_canvas_fill_rect(canvas, (mm_rect){1.0, 2.0, 3.5, 2.25}, black);
    assert_int_equal(ink(canvas, 0, 2), 0);
    assert_int_equal(ink(canvas, 1, 2), 255);
    assert_int_equal(ink(canvas, 3, 3), 255);
    assert_in_range(ink(canvas, 4, 2), 127, 128);
    assert_in_range(ink(canvas, 2, 4), 63, 64);
    assert_in_range(ink(canvas, 4, 4), 31, 33);
    assert_int_equal(ink(canvas, 5, 2), 0);
    assert_int_equal(ink(canvas, 2, 5), 0);
    mm_canvas_free(canvas);
}

static void test_areas(void **state)
{
    (void)state;
    mm_point triangle[] = {{2.3, 1.7}, {33.1, 11.2}, {8.9, 27.4}};
    mm_point reversed[] = {{8.9, 27.4}, {33.1, 11.2}, {2.3, 1.7}};
    mm_point sliver[] = {{1.0, 5.0}, {39.0, 5.3}, {1.0, 5.6}};
    mm_point steep[] = {{5.2, 0.5}, {5.9, 29.5}, {5.5, 29.5}};
    double area = 0.5 * fabs((33.1 - 2.3) * (27.4 - 1.7) - (8.9 - 2.3) * (11.2 - 1.7));

    check_near(polygon_ink(triangle, 3), area, 0.3);
    check_near(polygon_ink(reversed, 3), area, 0.3);
    check_near(polygon_ink(sliver, 3), 0.5 * 38.0 * 0.6, 0.15);
    check_near(polygon_ink(steep, 3), 0.5 * 0.4 * 29.0, 0.15);
}

/* Shapes that reach beyond the canvas on every side are cut, not bent. */
static void test_cut_off(void **state)
{
    (void)state;
    mm_point all[] = {{-100, -50}, {300, -50}, {300, 90}, {-100, 90}};
    mm_point left[] = {{-20, 10}, {10, 10}, {10, 20}, {-20, 20}};
    mm_point right[] = {{30, 10}, {70, 10}, {70, 20}, {30, 20}};
    mm_point diamond[] = {{0, -20}, {40, 20}, {0, 60}, {-40, 20}};
    mm_point far_away[] = {{100, 100}, {200, 100}, {150, 200}};
    double inside = 0.0; /* of the diamond: |x| + |y - 20| <= 40 */

    check_near(polygon_ink(all, 4), 1200.0, 1e-6);
    check_near(polygon_ink(left, 4), 100.0, 1e-6);
    check_near(polygon_ink(right, 4), 100.0, 1e-6);
    check_near(polygon_ink(far_away, 3), 0.0, 1e-6);
    for (int y = 0; y < 3000; y++) {
        inside += fmin(40.0 - fabs(y / 100.0 + 0.005 - 20.0), 40.0) * 0.01;
    }
    check_near(polygon_ink(diamond, 4), inside, 0.3);
    mm_point nan_point[] = {{NAN, 1}, {3, 4}, {5, INFINITY}};
    check_near(polygon_ink(nan_point, 3), 0.0, 1e-6);
}

static void test_hole_and_overlap(void **state)
{
    (void)state;
    mm_point ring[] = {{0, 0}, {20, 0}, {20, 20}, {0, 20}, {0, 0},
                       {5, 5}, {5, 15}, {15, 15}, {15, 5}, {5, 5}};
    mm_point twice[] = {{0, 0}, {20, 0}, {20, 20}, {0, 20},
                        {0, 0}, {20, 0}, {20, 20}, {0, 20}};

    check_near(polygon_ink(ring, 10), 300.0, 1e-6);
    check_near(polygon_ink(twice, 8), 400.0, 1e-6);
}

static void test_lines(void **state)
{
    (void)state;
    mm_canvas *canvas = mm_canvas_new(60, 40, white);
    mm_point points[] = {{10.0, 20.0}, {50.0, 20.0}};
    mm_point same[] = {{10.0, 20.0}, {50.0, 20.0}, {10.0, 20.0}};

    mm_canvas_line(canvas, points, 2, 4.0, black);
    assert_int_equal(ink(canvas, 30, 19), 255);
    assert_int_equal(ink(canvas, 30, 16), 0);
    check_near(total_ink(canvas), 40.0 * 4.0 + 3.14159 * 4.0, 1.0);
    mm_canvas_free(canvas);
    canvas = mm_canvas_new(60, 40, white);
    mm_canvas_line(canvas, same, 3, 4.0, (mm_color){0, 0, 0, 128});
    assert_in_range(ink(canvas, 30, 19), 127, 129); /* not drawn twice */
    mm_canvas_free(canvas);
    canvas = mm_canvas_new(60, 40, white);
    mm_canvas_fill_circle(canvas, (mm_point){30.0, 20.0}, 10.0, black);
    check_near(total_ink(canvas), 3.14159 * 100.0, 1.5);
    mm_canvas_free(canvas);
}

/* Every glyph of the font can be drawn, and all but spaces leave ink. */
static void test_glyphs(void **state)
{
    (void)state;
    for (size_t i = 0; i < mmi_font_num_glyphs; i++) {
        uint32_t code = mmi_font_glyphs[i].code;
        char text[4] = {(char)code, 0, 0, 0};
        if (code >= 0x800) {
            text[0] = (char)(0xe0 | code >> 12);
            text[1] = (char)(0x80 | (code >> 6 & 0x3f));
            text[2] = (char)(0x80 | (code & 0x3f));
        } else if (code >= 0x80) {
            text[0] = (char)(0xc0 | code >> 6);
            text[1] = (char)(0x80 | (code & 0x3f));
        }
        mm_canvas *canvas = mm_canvas_new(60, 60, white);
        mm_canvas_text(canvas, (mm_point){10, 5}, text,
                       &(mm_text_style){.size = 30, .color = black});
        double sum = total_ink(canvas);
        assert_true(code == ' ' ? sum == 0.0 : sum > 4.0 && sum < 700.0);
        assert_ptr_equal(mmi_font_find(code), &mmi_font_glyphs[i]);
        mm_canvas_free(canvas);
    }
    assert_null(mmi_font_find(0x6c49));
}

/* Where the ink of a text lies. */
static void ink_box(const mm_canvas *canvas, int box[4])
{
    mm_image image = mm_canvas_image(canvas);

    box[0] = box[1] = 1000;
    box[2] = box[3] = -1;
    for (int y = 0; y < image.height; y++) {
        for (int x = 0; x < image.width; x++) {
            if (ink(canvas, x, y) > 60) {
                box[0] = x < box[0] ? x : box[0];
                box[1] = y < box[1] ? y : box[1];
                box[2] = x > box[2] ? x : box[2];
                box[3] = y > box[3] ? y : box[3];
            }
        }
    }
}

static void test_alignment(void **state)
{
    (void)state;
    int box[4];
    mm_text_style style = {.size = 20, .color = black};
    double width = mm_text_width("HHH", 20);
    mm_canvas *canvas = mm_canvas_new(200, 100, white);

    style.x_align = MM_ALIGN_END;
    style.y_align = MM_ALIGN_END;
    mm_canvas_text(canvas, (mm_point){150, 60}, "HHH", &style);
    ink_box(canvas, box);
    assert_in_range(box[2], 146, 149); /* the point is at the right end */
    assert_int_equal(box[3], 59);      /* and on the baseline */
    assert_in_range(box[3] - box[1], 13, 15);
    assert_in_range(box[0], 150 - (int)width, 150 - (int)width + 4);
    mm_canvas_free(canvas);
    canvas = mm_canvas_new(200, 100, white);
    style.x_align = MM_ALIGN_CENTER;
    style.y_align = MM_ALIGN_CENTER;
    mm_canvas_text(canvas, (mm_point){100, 50}, "HHH", &style);
    ink_box(canvas, box);
    assert_in_range(box[0] + box[2], 198, 201);
    assert_in_range(box[1] + box[3], 98, 100);
    mm_canvas_free(canvas);
    canvas = mm_canvas_new(100, 200, white);
    style.is_vertical = true;
    mm_canvas_text(canvas, (mm_point){50, 100}, "HHH", &style);
    ink_box(canvas, box);
    assert_true(box[3] - box[1] > box[2] - box[0]);
    assert_in_range(box[0] + box[2], 98, 101);
    assert_in_range(box[1] + box[3], 198, 201);
    mm_canvas_free(canvas);
}

static void test_text_measures(void **state)
{
    (void)state;
    assert_true(mm_text_width("", 20) == 0.0);
    assert_true(mm_text_width(NULL, 20) == 0.0);
    check_near(mm_text_width("ab", 20), mm_text_width("a", 20) + mm_text_width("b", 20),
               1e-9);
    check_near(mm_text_width("abc\na", 20), mm_text_width("abc", 20), 1e-9);
    check_near(mm_text_width("abc", 40), 2.0 * mm_text_width("abc", 20), 1e-9);
    assert_true(mm_text_width("\xff\xfe", 20) > 0.0); /* no UTF-8: boxes */
    assert_in_range(mm_text_line_height(100), 110, 130);
}

static void test_pictures(void **state)
{
    (void)state;
    static const uint8_t grey[] = {0, 100, 200, 60};
    mm_image image = {.data = grey, .height = 2, .width = 2, .channels = 1};
    mm_canvas *canvas = mm_canvas_new(12, 12, white);

    mm_canvas_put_image(canvas, &image, (mm_rect){0, 0, 8, 8}); /* blocks */
    assert_int_equal(ink(canvas, 3, 3), 255);
    assert_int_equal(ink(canvas, 4, 3), 155);
    assert_int_equal(ink(canvas, 3, 4), 55);
    assert_int_equal(ink(canvas, 7, 7), 195);
    assert_int_equal(ink(canvas, 8, 8), 0);
    mm_canvas_put_image(canvas, &image, (mm_rect){10, 10, 1, 1}); /* the mean */
    assert_int_equal(ink(canvas, 10, 10), 165);
    mm_canvas_put_image(canvas, &image, (mm_rect){9, 0, 3, 3}); /* smooth */
    assert_int_equal(ink(canvas, 10, 1), 165);
    mm_canvas_free(canvas);
    canvas = mm_canvas_copy_image(&image);
    mm_image copy = mm_canvas_image(canvas);
    static const uint8_t expected[] = {0,   0,   0,   100, 100, 100,
                                       200, 200, 200, 60,  60,  60};
    assert_memory_equal(copy.data, expected, sizeof expected);
    mm_canvas_free(canvas);
}

static void check_png(const char *path, const mm_image *image)
{
    assert_int_equal(mm_image_write_png(image, path), MM_OK);
    struct png png = png_read(path);
    size_t row = (size_t)image->width * (size_t)image->channels;

    assert_int_equal(png.width, image->width);
    assert_int_equal(png.height, image->height);
    assert_int_equal(png.channels, image->channels);
    for (size_t y = 0; y < png.height; y++) {
        size_t stride = image->row_bytes != 0 ? image->row_bytes : row;
        assert_memory_equal(png.pixels + y * row, image->data + y * stride, row);
    }
    free(png.pixels);
}

static void test_png(void **state)
{
    (void)state;
    char *folder = mmi_os_temp_dir("mm-canvas-");
    char *path = mm_path_join(folder, "new/folder/a.png");
    uint8_t pixels[64 * 50 * 4];

    for (size_t i = 0; i < sizeof pixels; i++) { /* slopes, noise, a flat part */
        pixels[i] = (uint8_t)(i < 3000 ? i / 7 : i < 8000 ? (i * i) >> 5 : 7);
    }
    check_png(path,
              &(mm_image){.data = pixels, .height = 50, .width = 64, .channels = 4});
    check_png(path,
              &(mm_image){.data = pixels, .height = 50, .width = 64, .channels = 3});
    check_png(path,
              &(mm_image){.data = pixels, .height = 7, .width = 9, .channels = 1});
    check_png(path,
              &(mm_image){.data = pixels, .height = 1, .width = 1, .channels = 1});
    check_png(path, &(mm_image){.data = pixels,
                                .height = 20,
                                .width = 30,
                                .channels = 3,
                                .row_bytes = 256});
    mm_image wrong = {.data = pixels, .height = 0, .width = 1, .channels = 1};
    assert_int_equal(mm_image_write_png(&wrong, path), MM_EINVAL);
    check_error(MM_EINVAL);
    wrong = (mm_image){.data = pixels, .height = 1, .width = 1, .channels = 2};
    assert_int_equal(mm_image_write_png(&wrong, path), MM_EINVAL);
    check_error(MM_EINVAL);
    assert_null(mm_canvas_new(0, 5, white));
    check_error(MM_EINVAL);
    assert_null(mm_canvas_new(5, 40000, white));
    check_error(MM_EINVAL);
    assert_int_equal(mmi_os_remove_tree(folder), MM_OK);
    mm_free(path);
    mm_free(folder);
}

/* Ticks and crosses differ, words that are too long end in an ellipsis, the grid has
 * the size its cells ask for. */
static void test_grid(void **state)
{
    (void)state;
    static const uint8_t pixels[28 * 28] = {0};
    char *folder = mmi_os_temp_dir("mm-grid-");
    char *path = mm_path_join(folder, "grid.png");
    mm_image image = {.data = pixels, .height = 28, .width = 28, .channels = 1};
    mm_grid_cell cells[] = {
        {.image = image, .label = "a", .prediction = "a", .score = 0.9},
        {.image = image, .label = "a", .prediction = "a much longer name than fits"},
        {.image = image, .prediction = "b"},
        {.image = image, .label = "c"},
        {.image = image},
    };
    mm_grid_args args = {.path = path, .cells = cells, .count = 5, .columns = 3};

    assert_int_equal(mm_grid_write_png(&args), MM_OK);
    struct png png = png_read(path);
    assert_int_equal(png.width, 2 * 14 + 3 * 112 + 2 * 12);
    int greens = 0;
    int reds = 0;
    for (size_t i = 0; i < (size_t)png.width * png.height; i++) {
        const unsigned char *pixel = png.pixels + 3 * i;
        greens += pixel[1] > pixel[0] + 60;
        reds += pixel[0] > pixel[1] + 60;
    }
    assert_true(greens > 50 && reds > 50);
    free(png.pixels);
    args.count = 0;
    assert_int_equal(mm_grid_write_png(&args), MM_EINVAL);
    check_error(MM_EINVAL);
    args.count = 1;
    cells[0].image.data = NULL;
    assert_int_equal(mm_grid_write_png(&args), MM_EINVAL);
    check_error(MM_EINVAL);
    assert_int_equal(mmi_os_remove_tree(folder), MM_OK);
    mm_free(path);
    mm_free(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLEAN_TEST(test_rect),      CLEAN_TEST(test_areas),
        CLEAN_TEST(test_cut_off),   CLEAN_TEST(test_hole_and_overlap),
        CLEAN_TEST(test_lines),     CLEAN_TEST(test_glyphs),
        CLEAN_TEST(test_alignment), CLEAN_TEST(test_text_measures),
        CLEAN_TEST(test_pictures),  CLEAN_TEST(test_png),
        CLEAN_TEST(test_grid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
