/* gzip files: members, bounds, and every way to be damaged. */
#include "helpers.h"

static char *scratch_file(const char *folder, const void *data, size_t size)
{
    char *path = mm_path_join(folder, "x.gz");

    assert_int_equal(mm_file_write(path, data, size), MM_OK);
    return path;
}

static void check_content(const unsigned char *data, size_t size)
{
    assert_int_equal(size, 2048 + strlen("second"));
    for (size_t i = 0; i < 2048; i++) {
        assert_int_equal(data[i], i % 256);
    }
    assert_string_equal((const char *)data + 2048, "second");
}

static void test_members(void **state)
{
    (void)state;
    size_t size = 0;
    unsigned char *data = mm_gz_read(GOLDEN "two.gz", 0, &size);

    check_ok();
    check_content(data, size);
    mm_free(data);
    data = mm_gz_read(GOLDEN "two.gz", 2054, &size);
    check_ok();
    check_content(data, size);
    mm_free(data);
    assert_null(mm_gz_read(GOLDEN "two.gz", 2053, &size));
    check_error_text(MM_EDATA,
                     "could not unpack 'golden/fileio/two.gz': more than 2053 "
                     "bytes come out");
}

static void test_padding_and_rest(void **state)
{
    (void)state;
    char *folder = make_scratch();
    size_t size = 0;
    char *packed = golden_bytes("two.gz", &size);
    char *longer = mm_alloc(size + 100);

    memcpy(longer, packed, size);
    char *path = scratch_file(folder, longer, size + 100);
    size_t out_size = 0;
    unsigned char *data = mm_gz_read(path, 0, &out_size);
    check_ok();
    check_content(data, out_size);
    mm_free(data);
    mm_free(path);
    longer[size + 50] = 'x';
    path = scratch_file(folder, longer, size + 100);
    assert_null(mm_gz_read(path, 0, &out_size));
    check_error(MM_EDATA);
    mm_free(path);
    mm_free(longer);
    mm_free(packed);
    remove_scratch(folder);
}

static void test_plain(void **state)
{
    (void)state;
    char *folder = make_scratch();
    char *path = scratch_file(folder, "plain", 5);
    size_t size = 0;
    char *data = mm_gz_read(path, 0, &size);

    assert_int_equal(size, 5);
    assert_string_equal(data, "plain");
    mm_free(data);
    assert_null(mm_gz_read(path, 4, &size));
    check_error(MM_EDATA);
    mm_free(path);
    path = scratch_file(folder, "", 0);
    data = mm_gz_read(path, 0, &size);
    check_ok();
    assert_int_equal(size, 0);
    mm_free(data);
    mm_free(path);
    assert_null(mm_gz_read("nowhere.gz", 0, &size));
    check_error(MM_ENOENT);
    remove_scratch(folder);
}

/* Cut off at every byte: an error, and the first member's end is no error of its own
 * only where the file really ends there. */
static void test_truncated(void **state)
{
    (void)state;
    char *folder = make_scratch();
    size_t size = 0;
    char *packed = golden_bytes("two.gz", &size);
    size_t fine = 0;

    for (size_t cut = 2; cut < size; cut++) {
        char *path = scratch_file(folder, packed, cut);
        size_t out_size = 0;
        char *data = mm_gz_read(path, 0, &out_size);
        if (data != NULL) {
            assert_int_equal(out_size, 2048);
            fine++;
        } else {
            mm_error error;
            assert_int_equal(mm_error_take(&error), MM_EDATA);
            assert_true(strstr(error.message, "cut off") != NULL ||
                        strstr(error.message, "not gzip") != NULL);
        }
        mm_free(data);
        mm_free(path);
    }
    assert_int_equal(fine, 1);
    mm_free(packed);
    remove_scratch(folder);
}

/* A flipped bit never gives other content: the checksum or the stream notices. */
static void test_flipped(void **state)
{
    (void)state;
    char *folder = make_scratch();
    size_t size = 0;
    char *packed = golden_bytes("two.gz", &size);

    for (size_t bit = 16; bit < 8 * size; bit += 3) {
        packed[bit / 8] = (char)(packed[bit / 8] ^ 1 << bit % 8);
        char *path = scratch_file(folder, packed, size);
        size_t out_size = 0;
        unsigned char *data = mm_gz_read(path, 0, &out_size);
        if (data != NULL) { /* a flag, time or name of the header */
            check_content(data, out_size);
        } else {
            check_error(MM_EDATA);
        }
        mm_free(data);
        mm_free(path);
        packed[bit / 8] = (char)(packed[bit / 8] ^ 1 << bit % 8);
    }
    mm_free(packed);
    remove_scratch(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLEAN_TEST(test_members), CLEAN_TEST(test_padding_and_rest),
        CLEAN_TEST(test_plain),   CLEAN_TEST(test_truncated),
        CLEAN_TEST(test_flipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
