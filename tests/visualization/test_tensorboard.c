/* TensorboardVisBackend: its records are, byte for byte, those that PyTorch's writer
 * makes of the same calls, but for times and packed pixels. Called with a folder the
 * program leaves its files there, for tensorboard itself to read. */
#include "png_reader.h"

#include <math.h>
#include <stdlib.h>
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

enum { MAX_RECORDS = 64, WALL_TIME_SIZE = 9, WIDTH = 7, HEIGHT = 5 };

struct span {
    const unsigned char *data;
    size_t size;
};

/* The records of a file whose checksums hold. */
struct records {
    char *text;
    struct span at[MAX_RECORDS];
    size_t count;
    size_t left; /* bytes behind the last whole record */
};

/* ---- a reader of our own making: no part of the writer is used ---- */

static uint32_t crc_bit_by_bit(const unsigned char *data, size_t size)
{
    uint32_t crc = ~0U;

    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78U : 0);
    }
    return ~crc;
}

static uint64_t little(const unsigned char *data, int size)
{
    uint64_t number = 0;

    for (int i = size - 1; i >= 0; i--)
        number = number << 8 | data[i];
    return number;
}

static bool is_checksum(const unsigned char *at, const unsigned char *data, size_t size)
{
    uint32_t rotated = (uint32_t)little(at, 4) - 0xa282ead8U;

    return (rotated >> 17 | rotated << 15) == crc_bit_by_bit(data, size);
}

static struct records read_records(const char *path)
{
    struct records records = {0};
    size_t size = 0, at = 0;

    records.text = mm_file_read(path, &size);
    check_ok();
    const unsigned char *data = (const unsigned char *)records.text;
    while (size - at >= 12 && records.count < MAX_RECORDS) {
        uint64_t length = little(data + at, 8);
        assert_true(is_checksum(data + at + 8, data + at, 8));
        if (length > size - at - 12 || size - at - 12 - length < 4)
            break;
        assert_true(is_checksum(data + at + 12 + length, data + at + 12, length));
        records.at[records.count++] = (struct span){data + at + 12, length};
        at += 16 + length;
    }
    records.left = size - at;
    return records;
}

static uint64_t read_varint(struct span *rest)
{
    uint64_t number = 0;

    for (int shift = 0; rest->size > 0; shift += 7) {
        unsigned char byte = *rest->data++;
        rest->size--;
        number |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            break;
    }
    return number;
}

/* The content of a field of bytes, or of 8 bytes; `data` NULL: it is not there. */
static struct span find_field(struct span message, unsigned field)
{
    while (message.size > 0) {
        uint64_t key = read_varint(&message);
        size_t size = (key & 7) == 1 ? 8 : (key & 7) == 5 ? 4 : 0;
        if ((key & 7) == 0)
            (void)read_varint(&message);
        else if ((key & 7) == 2)
            size = read_varint(&message);
        assert_true(size <= message.size);
        if (key >> 3 == field && (key & 7) != 0)
            return (struct span){message.data, size};
        message.data += size;
        message.size -= size;
    }
    return (struct span){0};
}

/* The PNG of an event, NULL if it holds none. */
static struct span find_png(struct span event)
{
    static const unsigned path[] = {5, 1, 4, 4}; /* summary.value.image.encoded */

    for (size_t i = 0; i < sizeof path / sizeof *path && event.data != NULL; i++)
        event = find_field(event, path[i]);
    return event;
}

/* ---- the calls ---- */

static mm_visualizer *make(const char *dir)
{
    static const char text[] =
        "{\"type\": \"Visualizer\","
        " \"vis_backends\": [{\"type\": \"TensorboardVisBackend\"}]}";
    mm_value *config = mm_json_parse(text, strlen(text), NULL);
    mm_visualizer *visualizer =
        mm_visualizer_new(&(mm_visualizer_args){.config = config, .save_dir = dir});

    check_ok();
    mm_value_unref(config);
    return visualizer;
}

static void add_config(mm_visualizer *visualizer)
{
    static const char text[] = "model = dict(type='Toy', width=8)\n"
                               "lr = 0.1\n"
                               "name = 'run \"a\"'\n";
    mm_config *config = mm_config_from_string(text, ".py");

    check_ok();
    mm_visualizer_add_config(visualizer, config);
    mm_config_unref(config);
}

static void add_lines(mm_visualizer *visualizer)
{
    size_t size = 0;
    char *text = mm_file_read(GOLDEN "calls.jsonl", &size);
    mm_value *calls = mm_json_parse_lines(text, size, NULL);

    check_ok();
    for (size_t i = 0; i < mm_value_len(calls); i++) {
        const mm_value *call = mm_list_get(calls, i);
        int64_t step = mm_value_i64(mm_dict_get(call, "step"));
        const mm_value *scalars = mm_dict_find(call, "scalars");

        if (scalars != NULL)
            mm_visualizer_add_scalars(visualizer, scalars, step, NULL);
        else
            mm_visualizer_add_scalar(visualizer,
                                     mm_value_str(mm_dict_get(call, "name")),
                                     mm_value_f64(mm_dict_get(call, "value")), step);
    }
    mm_value_unref(calls);
    mm_free(text);
}

static void fill_picture(uint8_t *pixels)
{
    for (int y = 0; y < HEIGHT; y++) {
        for (int i = 0; i < WIDTH * 3; i++)
            pixels[y * WIDTH * 3 + i] = (uint8_t)(y * 50 + i / 3 * 7 + i % 3 * 3);
    }
}

static void make_all_calls(mm_visualizer *visualizer)
{
    uint8_t pixels[WIDTH * HEIGHT * 3];
    mm_image image = {.data = pixels, .width = WIDTH, .height = HEIGHT, .channels = 3};

    fill_picture(pixels);
    add_config(visualizer);
    add_lines(visualizer);
    mm_visualizer_add_image(visualizer, "sample/0", &image, 7);
    mm_visualizer_add_scalar(visualizer, "late", 1e40, (int64_t)1 << 40);
    check_ok();
}

/* The only file of a folder; mm_free(). */
static char *only_file(const char *folder)
{
    mm_value *names = mm_list_dir(folder);

    assert_int_equal(mm_value_len(names), 1);
    const char *name = mm_value_str(mm_list_get(names, 0));
    assert_int_equal(strncmp(name, "events.out.tfevents.", 20), 0);
    char *path = mm_path_join(folder, name);
    mm_value_unref(names);
    return path;
}

/* ---- tests ---- */

static void check_picture(struct span png)
{
    uint8_t pixels[WIDTH * HEIGHT * 3];
    char *folder = mmi_os_temp_dir("mm-events-");
    char *path = mm_path_join(folder, "x.png");

    fill_picture(pixels);
    assert_int_equal(mm_file_write(path, png.data, png.size), MM_OK);
    struct png read = png_read(path);
    assert_int_equal(read.width, WIDTH);
    assert_int_equal(read.height, HEIGHT);
    assert_memory_equal(read.pixels, pixels, sizeof pixels);
    free(read.pixels);
    mm_free(path);
    assert_int_equal(mmi_os_remove_tree(folder), MM_OK);
    mm_free(folder);
}

static void check_record(size_t index, struct span ours, struct span theirs)
{
    struct span png = find_png(ours);
    double seconds = 0.0;

    assert_int_equal(ours.data[0], 9); /* field 1, 8 bytes */
    memcpy(&seconds, ours.data + 1, sizeof seconds);
    assert_true(fabs(seconds - (double)mmi_wall_ns() * 1e-9) < 60.0);
    if (png.data != NULL) {
        check_picture(png);
        check_picture(find_png(theirs));
        return;
    }
    if (index == 0) /* PyTorch's names its writer behind the version */
        assert_true(ours.size <= theirs.size);
    else
        assert_int_equal(ours.size, theirs.size);
    assert_memory_equal(ours.data + WALL_TIME_SIZE, theirs.data + WALL_TIME_SIZE,
                        ours.size - WALL_TIME_SIZE);
}

static void test_bytes_of_pytorch(void **state)
{
    (void)state;
    char *folder = mmi_os_temp_dir("mm-events-");
    char *data = mm_path_join(folder, "vis_data");
    mm_visualizer *visualizer = make(folder);

    make_all_calls(visualizer);
    assert_int_equal(mm_visualizer_close(visualizer), MM_OK);
    mm_visualizer_free(visualizer);
    char *path = only_file(data);
    struct records ours = read_records(path);
    struct records theirs = read_records(GOLDEN "tensorboard.events");
    assert_int_equal(ours.count, theirs.count);
    assert_int_equal(ours.count, 26);
    assert_int_equal(ours.left, 0);
    for (size_t i = 0; i < ours.count; i++)
        check_record(i, ours.at[i], theirs.at[i]);
    mm_free(ours.text);
    mm_free(theirs.text);
    mm_free(path);
    mm_free(data);
    assert_int_equal(mmi_os_remove_tree(folder), MM_OK);
    mm_free(folder);
}

/* A process that is killed closes nothing: what it added is there. */
static void test_each_call_is_on_the_disk(void **state)
{
    (void)state;
    char *folder = mmi_os_temp_dir("mm-events-");
    char *data = mm_path_join(folder, "vis_data");
    mm_visualizer *visualizer = make(folder);

    for (size_t i = 0; i < 3; i++) {
        mm_visualizer_add_scalar(visualizer, "a", (double)i, (int64_t)i);
        check_ok();
        char *path = only_file(data);
        struct records records = read_records(path);
        assert_int_equal(records.count, i + 2);
        assert_int_equal(records.left, 0);
        mm_free(records.text);
        mm_free(path);
    }
    mm_visualizer_free(visualizer);
    mm_free(data);
    assert_int_equal(mmi_os_remove_tree(folder), MM_OK);
    mm_free(folder);
}

/* Two runs in a folder: two files. What is no number is left out. */
static void test_files_do_not_meet(void **state)
{
    (void)state;
    char *folder = mmi_os_temp_dir("mm-events-");
    char *data = mm_path_join(folder, "vis_data");
    mm_value *scalars = mm_value_new_dict();

    mm_dict_put_str(scalars, "text", "no number");
    mm_dict_put_bool(scalars, "flag", true);
    mm_visualizer *first = make(folder), *second = make(folder);
    assert_int_equal(mm_visualizer_add_scalars(first, scalars, 1, NULL), MM_OK);
    assert_int_equal(mm_visualizer_add_scalars(second, scalars, 1, NULL), MM_OK);
    mm_value *names = mm_list_dir(data);
    assert_int_equal(mm_value_len(names), 2);
    char *path = mm_path_join(data, mm_value_str(mm_list_get(names, 0)));
    struct records records = read_records(path);
    assert_int_equal(records.count, 2); /* the version and the flag */
    mm_free(records.text);
    mm_free(path);
    mm_value_unref(names);
    mm_value_unref(scalars);
    mm_visualizer_free(first);
    mm_visualizer_free(second);
    mm_free(data);
    assert_int_equal(mmi_os_remove_tree(folder), MM_OK);
    mm_free(folder);
}

static void test_wrong_places(void **state)
{
    (void)state;
    char *folder = mmi_os_temp_dir("mm-events-");
    char *file = mm_path_join(folder, "vis_data");
    mm_image image = {
        .data = (const uint8_t *)"", .width = 0, .height = 1, .channels = 3};

    assert_int_equal(mm_file_write(file, "", 0), MM_OK);
    mm_visualizer *visualizer = make(folder);
    assert_int_equal(mm_visualizer_add_scalar(visualizer, "a", 1.0, 1), MM_ENOENT);
    check_error(MM_ENOENT);
    mm_visualizer_free(visualizer);
    check_ok();
    assert_int_equal(mm_file_remove(file), MM_OK);
    visualizer = make(folder);
    assert_int_equal(mm_visualizer_add_image(visualizer, "a", &image, 1), MM_EINVAL);
    check_error(MM_EINVAL);
    assert_int_equal(mm_visualizer_add_scalar(visualizer, "a", 1.0, 1), MM_OK);
    mm_visualizer_free(visualizer);
    mm_free(file);
    assert_int_equal(mmi_os_remove_tree(folder), MM_OK);
    mm_free(folder);
}

static int setup(void **state)
{
    static const mm_component *const table[] = {&mmi_visualizer,
                                                &mmi_tensorboard_backend, NULL};
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

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        BUILD_TEST(test_bytes_of_pytorch),
        BUILD_TEST(test_each_call_is_on_the_disk),
        BUILD_TEST(test_files_do_not_meet),
        BUILD_TEST(test_wrong_places),
    };

    if (argc == 2) {
        (void)setup(NULL);
        mm_visualizer *visualizer = make(argv[1]);
        make_all_calls(visualizer);
        mm_visualizer_free(visualizer);
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
