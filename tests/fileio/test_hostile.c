/* Damaged files: cut off at every byte, bits flipped, random bytes in between.
 * Each gives an error or a value, never a crash and never a leak; run it under ASan. */
#include "helpers.h"

#include "fileio/pth.h"

enum format { JSON, PICKLE, PTH };

/* Reads a copy whose end is the end of its memory, so that ASan sees one byte more. */
static mm_value *parse(enum format format, const char *data, size_t size)
{
    char *copy = mm_alloc(size > 0 ? size : 1);
    mm_value *value = NULL;

    memcpy(copy, data, size);
    if (format == JSON) {
        value = mm_json_parse(copy, size, NULL);
    } else if (format == PICKLE) {
        value = mm_pickle_parse(copy, size, NULL);
    } else {
        mm_pth_read_args args = {.path = "x.pth"};
        mmi_pth_file *file = mmi_pth_file_of_memory(copy, size, args.path);
        value = mmi_pth_read_file(file, &args);
        mmi_pth_file_unref(file);
    }
    if (value != NULL) { /* walk it while its bytes are there */
        check_ok();
        char *text = mm_value_repr(value);
        mm_error_take(NULL);
        mm_free(text);
        size_t written_size = 0;
        void *written = format == JSON ? (void *)mm_json_format(value, NULL)
                                       : mm_pickle_format(value, &written_size);
        mm_error_take(NULL);
        mm_free(written);
        mm_value_unref(value);
    }
    mm_free(copy);
    return value;
}

static void expect_error(enum format format, const char *data, size_t size)
{
    if (parse(format, data, size) != NULL) {
        fail_msg("%zu bytes were read without an error", size);
    }
    mm_status status = mm_error_take(NULL);
    assert_true(status == MM_EDATA || status == MM_ETYPE || status == MM_EUNSUPPORTED);
    assert_int_equal(mm_live_values(), 0);
}

static void truncate_everywhere(enum format format, const char *data, size_t size)
{
    for (size_t cut = 0; cut < size; cut++) {
        expect_error(format, data, cut);
    }
}

/* `step` 1: every bit; an odd one still meets each place of a byte. */
static void flip_bits(enum format format, char *data, size_t size, size_t step)
{
    for (size_t bit = 0; bit < 8 * size; bit += step) {
        data[bit / 8] = (char)(data[bit / 8] ^ 1 << bit % 8);
        if (parse(format, data, size) == NULL) {
            mm_status status = mm_error_take(NULL);
            assert_true(status < 0 && status != MM_EINTERNAL);
        }
        data[bit / 8] = (char)(data[bit / 8] ^ 1 << bit % 8);
        assert_int_equal(mm_live_values(), 0);
    }
}

/* Bytes that mean most to the parsers, at random places; a fixed stream of numbers. */
static void mutate(enum format format, const char *data, size_t size, int rounds)
{
    static const unsigned char spice[] = {0,    0xff, 0x7f, 0x80, '(', '.', 'h', 'q',
                                          'R',  'b',  't',  'u',  'e', 'Q', 'c', '0',
                                          0x81, 0x85, '"',  '{',  '[', ']', '}', '\\'};
    uint64_t seed = 0x9e3779b97f4a7c15U;
    char *copy = mm_alloc(size);

    for (int round = 0; round < rounds; round++) {
        memcpy(copy, data, size);
        for (int i = 0; i < 1 + round % 5; i++) {
            seed = seed * 6364136223846793005U + 1442695040888963407U;
            size_t at = (size_t)(seed >> 33) % size;
            copy[at] = (char)spice[(seed >> 20) % sizeof spice];
        }
        if (parse(format, copy, size) == NULL) {
            assert_true(mm_error_take(NULL) < 0);
        }
        assert_int_equal(mm_live_values(), 0);
    }
    mm_free(copy);
}

static void run(enum format format, const char *name, size_t step, int rounds)
{
    size_t size = 0;
    char *data = golden_bytes(name, &size);

    truncate_everywhere(format, data, size);
    flip_bits(format, data, size, step);
    mutate(format, data, size, rounds);
    mm_free(data);
}

static void test_pickles(void **state)
{
    (void)state;
    run(PICKLE, "plain0.pkl", 1, 3000);
    run(PICKLE, "plain2.pkl", 1, 3000);
    run(PICKLE, "plain4.pkl", 1, 3000);
    run(PICKLE, "numpy2.pkl", 1, 3000);
    run(PICKLE, "numpy5.pkl", 1, 3000);
}

static void test_json(void **state)
{
    (void)state;
    char text[] =
        "{\"lr\": 0.01, \"a\\n\\u00e9\": [1, -2.5e-7, NaN, \"\\ud83d\\ude00\"],"
        "\"b\": {\"c\": null, \"d\": [true, false, []]}, \"\xc3\xa9\": 12345678"
        "901234567890}";

    truncate_everywhere(JSON, text, sizeof text - 1);
    flip_bits(JSON, text, sizeof text - 1, 1);
    mutate(JSON, text, sizeof text - 1, 10000);
}

static void test_archives(void **state)
{
    (void)state;
    run(PTH, "everything.pth", 31, 1000);
    run(PTH, "deflated.pth", 31, 1000);
    run(PTH, "zip64.pth", 31, 1000);
}

static void test_legacy(void **state)
{
    (void)state;
    run(PTH, "legacy.pth", 7, 2000);
}

/* Every bit of the smallest archive, its directory and its pickle. */
static void test_small_archive(void **state)
{
    (void)state;
    static const float memory[2] = {1.0F, 2.0F};
    char *folder = make_scratch();
    char *path = mm_path_join(folder, "a.pth");
    mm_value *root = mm_value_new_dict();
    mm_pth_tensor tensor = {.dtype = MM_DTYPE_F32,
                            .ndim = 1,
                            .sizes = {2},
                            .strides = {1},
                            .memory = memory,
                            .memory_bytes = sizeof memory};

    mm_dict_take(root, "w", mm_pth_tensor_new(&tensor));
    assert_int_equal(mm_pth_write(&(mm_pth_write_args){.path = path, .root = root}),
                     MM_OK);
    size_t size = 0;
    char *data = mm_file_read(path, &size);
    mm_value_unref(root);
    assert_in_range(size, 500, 1500);
    truncate_everywhere(PTH, data, size);
    flip_bits(PTH, data, size, 1);
    mm_free(data);
    mm_free(path);
    remove_scratch(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLEAN_TEST(test_pickles),       CLEAN_TEST(test_json),
        CLEAN_TEST(test_archives),      CLEAN_TEST(test_legacy),
        CLEAN_TEST(test_small_archive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
