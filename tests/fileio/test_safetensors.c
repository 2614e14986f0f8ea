/* Files of the `safetensors` package read here, the same bytes written, and headers
 * that lie refused. The golden .pth file holds the same tensors. */
#include "helpers.h"

#include "fileio/pth_elements.h"
#include "mmengine/safetensors.h"

static mm_value *read_file(const char *path)
{
    return mm_pth_read(&(mm_pth_read_args){.path = path});
}

static void check_same(const mm_value *value_a, const mm_value *value_b)
{
    const mm_pth_tensor *a = mm_pth_find_tensor(value_a);
    const mm_pth_tensor *b = mm_pth_find_tensor(value_b);
    const void *data_a = mm_pth_tensor_data(a), *data_b = mm_pth_tensor_data(b);
    double one[16], two[16];

    assert_int_equal(a->dtype, b->dtype);
    assert_int_equal(a->ndim, b->ndim);
    for (int i = 0; i < a->ndim; i++) {
        assert_int_equal(a->sizes[i], b->sizes[i]);
        assert_int_equal(a->strides[i], b->strides[i]);
    }
    size_t count = (size_t)(mmi_pth_numel(a) * mmi_dtype_parts(a->dtype));
    assert_in_range(count, 0, 16);
    mmi_dtype_to_f64(a->dtype, data_a, count, one);
    mmi_dtype_to_f64(b->dtype, data_b, count, two);
    assert_memory_equal(one, two, count * sizeof one[0]);
}

static void test_read(void **state)
{
    (void)state;
    mm_value *a = read_file(GOLDEN "tensors.safetensors");
    mm_value *b = read_file(GOLDEN "tensors.pth");
    mm_value *metadata = mm_safetensors_metadata(GOLDEN "tensors.safetensors");

    check_ok();
    assert_int_equal(mm_value_len(a), 13);
    assert_int_equal(mm_value_len(b), 13);
    for (size_t i = 0; i < mm_value_len(b); i++) {
        mm_value *found = mm_dict_find(a, mm_dict_name_at(b, i));
        assert_non_null(found);
        check_same(found, mm_dict_at(b, i));
    }
    check_repr(metadata, "{'format': 'pt'}");
    assert_int_equal(mm_pth_verify(GOLDEN "tensors.safetensors"), MM_OK);
    mm_value_unref(metadata);
    mm_value_unref(b);
    mm_value_unref(a);
}

/* From a .pth in any order to the very bytes of the package. */
static void test_write(void **state)
{
    (void)state;
    char *folder = make_scratch();
    char *path = mm_path_join(folder, "new/x.safetensors");
    mm_value *tensors = read_file(GOLDEN "tensors.pth");
    mm_value *metadata = mm_value_new_dict();
    size_t sizes[2] = {0};

    mm_dict_put_str(metadata, "format", "pt");
    assert_int_equal(mm_safetensors_write(&(mm_safetensors_write_args){
                         .path = path, .tensors = tensors, .metadata = metadata}),
                     MM_OK);
    char *ours = mm_file_read(path, &sizes[0]);
    char *theirs = golden_bytes("tensors.safetensors", &sizes[1]);
    assert_int_equal(sizes[0], sizes[1]);
    assert_memory_equal(ours, theirs, sizes[0]);
    mm_free(ours);
    mm_free(theirs);
    mm_value_unref(metadata);
    mm_value_unref(tensors);
    mm_free(path);
    remove_scratch(folder);
}

/* A transposed view is written in the order of its indices. */
static void test_views(void **state)
{
    (void)state;
    static const int32_t memory[] = {1, 2, 3, 4, 5, 6};
    char *folder = make_scratch();
    char *path = mm_path_join(folder, "x.safetensors");
    mm_value *dict = mm_value_new_dict();

    mm_dict_take(dict, "t",
                 mm_pth_tensor_new(&(mm_pth_tensor){.dtype = MM_DTYPE_I32,
                                                    .ndim = 2,
                                                    .sizes = {2, 2},
                                                    .strides = {1, 3},
                                                    .offset = 1,
                                                    .memory = memory,
                                                    .memory_bytes = sizeof memory}));
    assert_int_equal(mm_safetensors_write(
                         &(mm_safetensors_write_args){.path = path, .tensors = dict}),
                     MM_OK);
    mm_value_unref(dict);
    dict = read_file(path);
    const int32_t *data =
        mm_pth_tensor_data(mm_pth_find_tensor(mm_dict_get(dict, "t")));
    static const int32_t expected[] = {2, 5, 3, 6};
    assert_memory_equal(data, expected, sizeof expected);
    mm_value_unref(dict);
    mm_free(path);
    remove_scratch(folder);
}

static void test_unwritable(void **state)
{
    (void)state;
    mm_value *dict = mm_value_new_dict();
    mm_safetensors_write_args args = {.path = "nowhere.safetensors", .tensors = dict};

    mm_dict_put_i64(dict, "x", 1);
    assert_int_equal(mm_safetensors_write(&args), MM_ETYPE);
    check_error_text(MM_ETYPE, "could not write safetensors: 'x' is no tensor");
    assert_false(mm_file_exists("nowhere.safetensors"));
    mm_value_unref(dict);
}

/* --- headers that lie --- */

/* A file of this header and `data_size` bytes behind it. */
static void write_with(const char *path, const char *header, size_t data_size)
{
    unsigned char bytes[1024] = {0};
    size_t size = strlen(header);

    assert_in_range(8 + size + data_size, 0, sizeof bytes);
    bytes[0] = (unsigned char)(size & 0xff);
    bytes[1] = (unsigned char)(size >> 8);
    memcpy(bytes + 8, header, size);
    assert_int_equal(mm_file_write(path, bytes, 8 + size + data_size), MM_OK);
}

static void check_header(const char *header, size_t data_size, const char *why)
{
    char *folder = make_scratch();
    char *path = mm_path_join(folder, "x.safetensors");
    mm_error error;

    write_with(path, header, data_size);
    mm_value *value = read_file(path);
    if (why == NULL) {
        check_ok();
        assert_non_null(value);
    } else {
        assert_null(value);
        assert_true(mm_error_take(&error) < 0);
        if (strstr(error.message, why) == NULL) {
            fail_msg("%s\n%s", header, error.message);
        }
        assert_non_null(strstr(error.message, "x.safetensors"));
    }
    mm_value_unref(value);
    mm_free(path);
    remove_scratch(folder);
}

#define F32(shape, begin, end)                                                         \
    "{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[" #begin "," #end "]}"

static void test_headers(void **state)
{
    (void)state;
    check_header("{}", 0, NULL);
    check_header("{}   ", 0, NULL);
    check_header("{\"a\":" F32("[1]", 0, 4) "}", 4, NULL);
    check_header("{\"a\":" F32("[0]", 0, 0) ",\"b\":" F32("[1]", 0, 4) "}", 4, NULL);
    check_header("{\"a\":" F32("[]", 0, 4) "}", 4, NULL);
    check_header("{}", 1, "bytes of no tensor at its end");
    check_header("{\"a\":" F32("[1]", 0, 4) "}", 5, "bytes of no tensor at its end");
    check_header("{\"a\":" F32("[1]", 0, 4) "}", 3, "cut off");
    check_header("{\"a\":" F32("[1]", 4, 8) "}", 8, "bytes of no tensor before it");
    check_header("{\"a\":" F32("[1]", 0, 4) ",\"b\":" F32("[1]", 8, 12) "}", 12,
                 "bytes of no tensor before it");
    check_header("{\"a\":" F32("[2]", 0, 8) ",\"b\":" F32("[1]", 4, 8) "}", 8,
                 "overlaps another tensor");
    check_header("{\"a\":" F32("[1]", 0, 4) ",\"b\":" F32("[1]", 0, 4) "}", 4,
                 "overlaps another tensor");
    check_header("{\"a\":" F32("[2]", 0, 4) "}", 4, "not as many");
    check_header("{\"a\":" F32("[1]", 4, 0) "}", 4, "not as many");
    check_header("{\"a\":" F32("[-1]", 0, 4) "}", 4, "its shape");
    check_header("{\"a\":" F32("[4611686018427387904,4,4]", 0, 0) "}", 0,
                 "not as many");
    check_header("{\"a\":" F32("[4611686018427387904,4,0]", 0, 0) "}", 0,
                 "not as many");
    check_header("{\"a\":" F32("[1,1,1,1,1,1,1,1,1]", 0, 4) "}", 4, "its shape");
    check_header("{\"a\":" F32("[1.0]", 0, 4) "}", 4, "its shape");
    check_header("{\"a\":" F32("1", 0, 4) "}", 4, "its shape");
    check_header("{\"a\":{\"dtype\":\"F99\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
                 "dtype F99");
    check_header("{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "its dtype");
    check_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "its offsets");
    check_header("{\"a\":7}", 0, "its dtype");
    check_header("[]", 0, "no JSON object");
    check_header(" {}", 0, "no JSON object");
    check_header("{\"a\":", 0, "x.safetensors");
    check_header("", 0, "no JSON object");
}

static void test_cut(void **state)
{
    (void)state;
    char *folder = make_scratch();
    char *path = mm_path_join(folder, "x.safetensors");
    size_t size = 0;
    char *data = golden_bytes("tensors.safetensors", &size);

    for (size_t cut = 0; cut < size; cut++) {
        assert_int_equal(mm_file_write(path, data, cut), MM_OK);
        assert_null(read_file(path));
        check_error(MM_EDATA);
    }
    mm_free(data);
    data = mm_alloc(8);
    memset(data, 0xff, 8);
    assert_int_equal(mm_file_write(path, data, 8), MM_OK);
    assert_null(read_file(path));
    check_error(MM_EDATA);
    mm_free(data);
    mm_free(path);
    remove_scratch(folder);
}

/* Any number of float16 and bfloat16 there and back. */
static void test_halves(void **state)
{
    (void)state;
    static const mm_dtype dtypes[] = {MM_DTYPE_F16, MM_DTYPE_BF16};

    for (size_t d = 0; d < 2; d++) {
        for (uint32_t bits = 0; bits <= UINT16_MAX; bits++) {
            uint16_t half = (uint16_t)bits, again = 0;
            double value = 0;

            mmi_dtype_to_f64(dtypes[d], &half, 1, &value);
            mmi_dtype_from_f64(dtypes[d], &value, 1, &again);
            if (value == value) {
                assert_int_equal(again, half);
            }
        }
    }
    /* Ties to even, in both. */
    static const struct {
        mm_dtype dtype;
        double value;
        uint16_t bits;
    } rows[] = {
        {MM_DTYPE_F16, 1.0 + 0x1p-11, 0x3c00},
        {MM_DTYPE_F16, 1.0 + 3 * 0x1p-11, 0x3c02},
        {MM_DTYPE_F16, 65519.99, 0x7bff},
        {MM_DTYPE_F16, 65520.0, 0x7c00},
        {MM_DTYPE_F16, 0x1p-25, 0x0000},
        {MM_DTYPE_F16, 0x1.8p-25, 0x0001},
        {MM_DTYPE_F16, 0x1.ffcp-15, 0x03ff + 1},
        {MM_DTYPE_BF16, 1.0 + 0x1p-8, 0x3f80},
        {MM_DTYPE_BF16, 1.0 + 3 * 0x1p-8, 0x3f82},
        {MM_DTYPE_BF16, 3.4e38, 0x7f80},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint16_t bits = 0;
        mmi_dtype_from_f64(rows[i].dtype, &rows[i].value, 1, &bits);
        assert_int_equal(bits, rows[i].bits);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLEAN_TEST(test_read),       CLEAN_TEST(test_write),   CLEAN_TEST(test_views),
        CLEAN_TEST(test_unwritable), CLEAN_TEST(test_headers), CLEAN_TEST(test_cut),
        CLEAN_TEST(test_halves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
