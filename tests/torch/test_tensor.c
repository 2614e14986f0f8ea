/*
 * Handles, memory, reading, values, the generic door, errors, flags and devices.
 */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mmengine/log.h"
#include "mmengine/ops.h"

static void test_versions(void **state)
{
    (void)state;
    assert_string_equal(mm_torch_version(), mm_torch_built_for());
    assert_non_null(strstr(mm_torch_build_flags(), "PyTorch built with"));
    assert_true(mm_torch_is_open());
}

static void test_references_are_counted(void **state)
{
    mm_scope scope = mm_scope_open();
    mm_tensor *x = mm_ones(MM_DIMS(2));

    (void)state;
    assert_int_equal(mm_live_tensors(), 1);
    assert_ptr_equal(mm_keep(x), x);
    assert_int_equal(mm_live_tensors(), 2);
    mm_scope_close(scope);
    assert_int_equal(mm_live_tensors(), 1);
    assert_int_equal(mm_numel(x), 2);
    scope = mm_scope_open();
    assert_ptr_equal(mm_tensor_scoped(x), x);
    mm_scope_close(scope);
    assert_int_equal(mm_live_tensors(), 0);
    mm_tensor_unref(NULL);
}

static int released;
static void count_release(void *user)
{
    released += *(int *)user;
}

static void test_memory_is_used_and_given_back(void **state)
{
    mm_scope scope = mm_scope_open();
    float data[6] = {0, 1, 2, 3, 4, 5};
    int one = 1;
    mm_tensor_info info;

    (void)state;
    released = 0;
    mm_tensor *x = mm_from_memory(data, MM_DTYPE_F32, 2, (const int64_t[]){2, 3}, NULL,
                                  count_release, &one);
    assert_ptr_equal(mm_data(x, MM_DTYPE_F32), data);
    assert_int_equal(mm_tensor_info_get(x, &info), MM_OK);
    assert_int_equal(info.ndim, 2);
    assert_int_equal(info.strides[0], 3);
    assert_int_equal(info.numel, 6);
    assert_int_equal(info.storage_bytes, 24);
    assert_string_equal(info.device, "cpu");
    assert_true(info.is_cpu && info.is_contiguous && info.is_leaf &&
                !info.requires_grad);
    assert_ptr_equal(info.storage, data);
    mm_mul_scalar_(x, 2);
    assert_true(data[5] == 10.0F);
    mm_tensor *kept = mm_keep(mm_select(x, 0, 1));
    mm_scope_close(scope);
    assert_int_equal(released, 0); /* a view holds it */
    mm_tensor_unref(kept);
    assert_int_equal(released, 1);
    assert_int_equal(mm_live_tensors(), 0);
}

static void test_memory_is_given_back_on_failure(void **state)
{
    mm_scope scope = mm_scope_open();
    float data[1] = {0};
    int one = 1;
    int64_t bad[1] = {-1};

    (void)state;
    released = 0;
    assert_null(mm_from_memory(data, MM_DTYPE_F32, 1, bad, NULL, count_release, &one));
    check_error(MM_EINVAL);
    assert_int_equal(released, 1);
    assert_null(mm_from_memory(data, (mm_dtype)15, 0, NULL, NULL, count_release, &one));
    check_error(MM_EDTYPE);
    assert_int_equal(released, 2);
    assert_null(mm_from_memory(data, MM_DTYPE_F32, 9, bad, NULL, count_release, &one));
    check_error(MM_EINVAL);
    assert_int_equal(released, 3);
    mm_scope_close(scope);
    assert_null(mm_from_memory(data, MM_DTYPE_F32, 0, NULL, NULL, count_release, &one));
    check_error(MM_ESTATE);
    assert_int_equal(released, 4);
}

static void test_strided_memory(void **state)
{
    mm_scope scope = mm_scope_open();
    int64_t data[6] = {0, 1, 2, 3, 4, 5};
    const int64_t sizes[2] = {3, 2};
    const int64_t strides[2] = {1, 3};

    (void)state;
    mm_tensor *x = mm_from_memory(data, MM_DTYPE_I64, 2, sizes, strides, NULL, NULL);
    assert_int_equal(mm_item_i64(mm_select(mm_select(x, 0, 2), 0, 1)), 5);
    assert_int_equal(mm_item_i64(mm_select(mm_select(x, 0, 1), 0, 0)), 1);
    const int64_t backwards[2] = {-1, 3};
    assert_null(mm_from_memory(data, MM_DTYPE_I64, 2, sizes, backwards, NULL, NULL));
    check_error(MM_EINVAL);
    mm_scope_close(scope);
}

static void test_views_of_storage(void **state)
{
    mm_scope scope = mm_scope_open();
    mm_tensor *base = mm_arange(MM_N(0), MM_N(12));
    const int64_t sizes[2] = {2, 3};
    const int64_t strides[2] = {6, 2};

    (void)state;
    mm_tensor *x = mm_view_storage(base, 2, sizes, strides, 1);
    assert_int_equal(mm_item_i64(mm_sum(x)), 1 + 3 + 5 + 7 + 9 + 11);
    mm_zero_(x);
    assert_int_equal(mm_item_i64(mm_sum(base)), 0 + 2 + 4 + 6 + 8 + 10);
    assert_non_null(mm_view_storage(base, 1, (const int64_t[]){11}, NULL, 1));
    assert_null(mm_view_storage(base, 1, (const int64_t[]){12}, NULL, 1));
    check_error_text(MM_ERANGE,
                     "a view of 12 elements at offset 1 does not fit a storage "
                     "of 12");
    assert_null(mm_view_storage(base, 2, sizes, strides, 2));
    check_error(MM_ERANGE);
    assert_null(mm_view_storage(base, 0, NULL, NULL, -1));
    check_error(MM_ERANGE);
    assert_non_null(mm_view_storage(base, 1, (const int64_t[]){0}, NULL, 0));
    mm_scope_close(scope);
}

static void test_reading(void **state)
{
    mm_scope scope = mm_scope_open();
    mm_tensor *x = mm_zeros(MM_DIMS(4, 3), .dtype = MM_DTYPE_I64);

    (void)state;
    assert_int_equal(mm_ndim(x), 2);
    assert_int_equal(mm_size(x, -1), 3);
    assert_int_equal(mm_size(x, 0), 4);
    assert_int_equal(mm_size(x, 2), 0);
    check_error_text(MM_ERANGE, "dimension 2 of [4, 3] int64 does not exist");
    assert_null(mm_data(x, MM_DTYPE_F32));
    check_error_text(MM_EDTYPE, "the elements of [4, 3] int64 are not float32");
    char *text = mm_tensor_describe(x);
    assert_string_equal(text, "[4, 3] int64 cpu");
    mm_free(text);
    assert_true(mm_item(x) == 0);
    check_error(MM_ETORCH);
    assert_int_equal(mm_item_i64(mm_scalar(7.9, MM_DTYPE_F64)), 7);
    assert_int_equal(mm_item_i64(mm_scalar(NAN, MM_DTYPE_F32)), 0);
    check_error(MM_ENUMERIC);
    assert_int_equal(mm_item_i64(mm_add_scalar(
                         mm_zeros(MM_DIMS_EMPTY, .dtype = MM_DTYPE_I64), INT64_MAX)),
                     INT64_MAX);
    assert_true(mm_item(mm_scalar(1, MM_DTYPE_BOOL)) == 1.0);
    assert_true(mm_item(mm_scalar(0.5, MM_DTYPE_BF16)) == 0.5);
    mm_scope_close(scope);
}

static void test_equality_is_of_bits(void **state)
{
    mm_scope scope = mm_scope_open();
    const float one[3] = {1, NAN, 0};
    const float two[3] = {1, NAN, -0.0F};
    const int64_t three[1] = {3};
    mm_tensor *x = mm_from_f32(one, 1, three);

    (void)state;
    assert_true(mm_tensor_equal(x, mm_from_f32(one, 1, three)));
    assert_false(mm_tensor_equal(x, mm_from_f32(two, 1, three)));
    assert_false(mm_tensor_equal(x, mm_cast(x, MM_DTYPE_F64)));
    assert_false(mm_tensor_equal(x, mm_unsqueeze(x, 0)));
    mm_tensor *rows = mm_randn(MM_DIMS(3, 4));
    assert_true(mm_tensor_equal(mm_t(rows), mm_contiguous(mm_t(rows), 0)));
    check_ok();
    mm_scope_close(scope);
}

static void test_dtypes(void **state)
{
    mm_dtype dtype = MM_DTYPE_NONE;

    (void)state;
    assert_int_equal(mm_dtype_parse("torch.float32", &dtype), MM_OK);
    assert_int_equal(dtype, MM_DTYPE_F32);
    assert_int_equal(mm_dtype_parse("fp16", &dtype), MM_OK);
    assert_int_equal(dtype, MM_DTYPE_F16);
    assert_int_equal(mm_dtype_parse("bfloat16", &dtype), MM_OK);
    assert_int_equal(dtype, MM_DTYPE_BF16);
    assert_true(mm_dtype_parse("float33", &dtype) < 0);
    check_error_text(MM_EINVAL, "'float33' names no dtype");
    assert_int_equal(mm_dtype_size(MM_DTYPE_C128), 16);
    assert_int_equal(mm_dtype_size(MM_DTYPE_BOOL), 1);
    assert_string_equal(mm_dtype_name(MM_DTYPE_U8), "uint8");
}

static void test_values(void **state)
{
    mm_scope scope = mm_scope_open();
    mm_value *dict = mm_value_new_dict();
    mm_tensor *x = mm_ones(MM_DIMS(2));

    (void)state;
    assert_int_equal(mm_set_requires_grad(x, true), MM_OK);
    mm_dict_put_tensor(dict, "x", x);
    mm_dict_put_i64(dict, "n", 3);
    assert_ptr_equal(mm_dict_get_tensor(dict, "x"), x);
    assert_null(mm_dict_get_tensor(dict, "n"));
    check_error_text(MM_ETYPE, "expected a tensor under 'n', got int");
    assert_null(mm_value_tensor(mm_dict_get(dict, "n")));
    check_error(MM_ETYPE);
    mm_value *copy = mm_value_copy(dict);
    mm_tensor *other = mm_dict_get_tensor(copy, "x");
    assert_ptr_not_equal(other, x);
    assert_true(mm_value_equal(copy, dict));
    mm_tensor_info info;
    assert_int_equal(mm_tensor_info_get(other, &info), MM_OK);
    assert_true(info.requires_grad && info.is_leaf);
    assert_ptr_not_equal(info.data, mm_data(x, MM_DTYPE_F32));
    mm_value *scalar = mm_value_new_tensor(mm_scalar(2.5, MM_DTYPE_F32));
    assert_true(mm_value_f64(scalar) == 2.5);
    char *text = mm_value_repr(scalar);
    assert_string_equal(text, "tensor(2.5000)");
    mm_free(text);
    mm_value_unref(scalar);
    mm_value_unref(copy);
    mm_value_unref(dict);
    mm_scope_close(scope);
    assert_int_equal(mm_live_tensors(), 0);
}

static void test_set_data_keeps_identity(void **state)
{
    mm_scope scope = mm_scope_open();
    mm_tensor *x = mm_ones(MM_DIMS(2));
    mm_tensor *y = mm_zeros(MM_DIMS(3, 3));

    (void)state;
    assert_int_equal(mm_set_requires_grad(x, true), MM_OK);
    assert_ptr_equal(mm_set_data_(x, y), x);
    assert_int_equal(mm_numel(x), 9);
    assert_ptr_equal(mm_data(x, MM_DTYPE_F32), mm_data(y, MM_DTYPE_F32));
    mm_scope_close(scope);
}

/* ---- the generic door ---- */

static void test_overloads_are_chosen(void **state)
{
    mm_scope scope = mm_scope_open();
    mm_tensor *x = mm_reshape(mm_arange(MM_N(0.0), MM_N(6.0)), MM_DIMS(2, 3));
    const int64_t dims[1] = {1};

    (void)state;
    assert_true(mm_item(mm_op("aten::max", MM_T(x))) == 5.0);
    assert_int_equal(mm_numel(mm_op("aten::max", MM_T(x), MM_I(1))), 2);
    assert_int_equal(mm_numel(mm_op("aten::sum", MM_T(x), MM_IS(dims, 1))), 2);
    assert_true(mm_item(mm_op("aten::sum", MM_T(x))) == 15.0);
    assert_true(mm_item(mm_sum(mm_op("aten::add", MM_T(x), MM_I(1)))) == 21.0);
    assert_true(mm_item(mm_sum(mm_op("aten::add", MM_T(x), MM_T(x)))) == 30.0);
    assert_true(mm_item(mm_sum(mm_op("aten::add", MM_T(x), MM_T(x),
                                     MM_NAMED_F("alpha", 0.5)))) == 22.5);
    assert_true(mm_item(mm_op("aten::roll", MM_T(mm_arange(MM_N(0), MM_N(1))),
                              MM_NAMED_I("dims", 0), MM_NAMED_I("shifts", 1))) == 0);
    mm_tensor *empty =
        mm_op("aten::empty", MM_IS(((const int64_t[]){2, 4}), 2),
              MM_NAMED_DT("dtype", MM_DTYPE_F16), MM_NAMED_DEV("device", "cpu"));
    assert_int_equal(mm_tensor_dtype(empty), MM_DTYPE_F16);
    check_ok();
    mm_scope_close(scope);
}

static void test_all_results(void **state)
{
    mm_scope scope = mm_scope_open();
    mm_tensor *x = mm_arange(MM_N(0), MM_N(6));
    mm_tensor *out[6] = {NULL};
    mm_op_result result = {.tensors = out, .max_tensors = 6};

    (void)state;
    assert_int_equal(mm_op_run("aten::sort", &result, MM_T(x), MM_I(0), MM_B(true)),
                     MM_OK);
    assert_int_equal(result.num_tensors, 2);
    assert_int_equal(mm_item_i64(mm_select(out[0], 0, 0)), 5);
    assert_int_equal(mm_op_run("aten::split", &result, MM_T(x), MM_I(2)), MM_OK);
    assert_int_equal(result.num_tensors, 3);
    result.max_tensors = 2;
    assert_true(mm_op_run("aten::split", &result, MM_T(x), MM_I(2)) < 0);
    check_error_text(MM_ERANGE, "aten::split gives 3 tensors, there is room for 2");
    assert_int_equal(mm_op_run("aten::size", &result, MM_T(x), MM_I(0)), MM_OK);
    assert_int_equal(result.num_tensors, 0);
    assert_int_equal(result.number.u.i64, 6);
    mm_tensor *list[2] = {mm_ones(MM_DIMS(2)), mm_ones(MM_DIMS(3))};
    assert_int_equal(mm_op_run("aten::_foreach_add_", NULL, MM_TS(list, 2), MM_F(2.0)),
                     MM_OK);
    assert_true(mm_item(mm_sum(list[1])) == 9.0);
    assert_null(mm_op("aten::_foreach_add_", MM_TS(list, 2), MM_F(2.0)));
    check_error(MM_EINVAL);
    mm_scope_close(scope);
}

static void test_door_errors_name_what_is_wrong(void **state)
{
    mm_scope scope = mm_scope_open();
    mm_tensor *x = mm_ones(MM_DIMS(2, 3));
    mm_error error;

    (void)state;
    assert_null(mm_op("aten::rol", MM_T(x)));
    assert_int_equal(mm_error_take(&error), MM_EKEY);
    assert_string_equal(error.message, "libtorch has no operator 'aten::rol'");
    assert_non_null(strstr(error.hint, "aten::roll"));
    assert_null(mm_op("aten::max.dimm", MM_T(x)));
    assert_int_equal(mm_error_take(&error), MM_EKEY);
    assert_non_null(strstr(error.hint, "'dim'"));
    assert_null(mm_op("aten::relu.", MM_I(1)));
    check_error_text(MM_ETYPE,
                     "aten::relu.: argument 'self' (Tensor) cannot be an int");
    assert_null(mm_op("aten::relu.", MM_T(NULL)));
    check_error_text(MM_EINVAL,
                     "aten::relu.: argument 'self' (Tensor) must not be NULL");
    assert_null(mm_op("aten::relu.", MM_T(x), MM_I(1)));
    check_error_text(MM_EINVAL, "aten::relu.: argument 2 is one too many");
    assert_null(mm_op("aten::roll.", MM_T(x)));
    assert_int_equal(mm_error_take(&error), MM_EINVAL);
    assert_non_null(strstr(error.message, "argument 'shifts'"));
    assert_non_null(strstr(error.message, "is missing"));
    assert_null(mm_op("aten::relu.", MM_T(x), MM_NAMED_I("dim", 1)));
    check_error_text(MM_EINVAL, "aten::relu.: there is no argument 'dim'");
    const bool flags[1] = {true};
    assert_null(mm_op("aten::max", MM_T(x), MM_BS(flags, 1)));
    assert_int_equal(mm_error_take(&error), MM_EINVAL);
    assert_string_equal(error.message, "aten::max: no overload fits these arguments");
    assert_null(mm_op("aten::mm", MM_T(x), MM_T(x)));
    check_error_text(MM_ETORCH,
                     "aten::mm([2, 3] float32, [2, 3] float32): mat1 and mat2 "
                     "shapes cannot be multiplied (2x3 and 2x3)");
    assert_null(mm_select(x, 0, 7));
    check_error(MM_ERANGE);
    mm_scope_close(scope);
}

static void test_running_out_of_memory(void **state)
{
    mm_scope scope = mm_scope_open();

    (void)state;
    assert_null(mm_zeros(MM_DIMS(INT64_C(1) << 45)));
    check_error(MM_ENOMEM);
    assert_null(mm_empty(MM_DTYPE_F32, 1, (const int64_t[]){INT64_C(1) << 45}));
    check_error(MM_ENOMEM);
    assert_null(mm_empty(MM_DTYPE_F32, 2, (const int64_t[]){INT64_MAX, 4}));
    check_error(MM_ESHAPE);
    mm_scope_close(scope);
}

static void test_probing(void **state)
{
    (void)state;
    assert_true(mm_op_supports("aten::conv2d", "cpu"));
    assert_true(mm_op_supports("aten::cross_entropy_loss", "cpu"));
    assert_true(mm_op_supports("aten::max.dim", "cpu"));
    assert_false(mm_op_supports("aten::max.nodim", "cpu"));
    assert_false(mm_op_supports("aten::no_such_thing", "cpu"));
    assert_false(mm_op_supports("aten::cudnn_convolution", "cpu"));
    assert_non_null(strstr(mm_op_schema("aten::roll"), "aten::roll(Tensor self"));
    check_ok();
}

/* What the library and its parts call by schema must exist with a kernel for the CPU.
 */
static void test_operators_exist(void **state)
{
    static const char *const names[] = {
        "aten::_foreach_add_.List",
        "aten::_foreach_add_.Scalar",
        "aten::_foreach_mul_.Scalar",
        "aten::_foreach_mul.Scalar",
        "aten::_foreach_mul_.ScalarList",
        "aten::_foreach_norm.Scalar",
        "aten::_foreach_addcmul_.Scalar",
        "aten::_foreach_addcdiv_.Scalar",
        "aten::_foreach_sqrt",
        "aten::_foreach_zero_",
        "aten::_foreach_div_.Scalar",
        "aten::native_batch_norm",
        "aten::native_layer_norm",
        "aten::nll_loss_forward",
        "aten::convolution_backward",
        "aten::embedding_dense_backward",
        "aten::isfinite",
        "aten::linalg_vector_norm",
        "aten::unique_dim",
        "aten::index.Tensor",
        "aten::lstm.input",
        "aten::gru.input",
    };

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!mm_op_supports(names[i], "cpu")) {
            fail_msg("libtorch has no '%s' for the CPU", names[i]);
        }
    }
}

/* ---- process ---- */

static void test_flags_and_threads(void **state)
{
    (void)state;
    int threads = mm_num_threads();
    assert_int_equal(mm_set_num_threads(1), MM_OK);
    assert_int_equal(mm_num_threads(), 1);
    assert_int_equal(mm_set_num_threads(threads), MM_OK);
    assert_int_equal(mm_set_thread_width(1), MM_OK);
    assert_int_equal(mm_num_threads(), 1);
    assert_int_equal(mm_set_thread_width(threads), MM_OK);
    assert_true(mm_set_num_threads(-1) < 0);
    check_error(MM_EINVAL);
    assert_int_equal(mm_torch_set_flag("mkldnn", true), MM_OK);
    assert_int_equal(mm_torch_set_flag("tf32", false), MM_OK);
    assert_int_equal(mm_torch_set_flag("cudnn_benchmark", false), MM_OK);
    assert_true(mm_torch_set_flag("warp", true) < 0);
    check_error_text(MM_EKEY, "there is no flag 'warp'");
}

/* Unpooling writes in any order where indices meet, so libtorch refuses it. */
static void test_deterministic_mode_refuses(void **state)
{
    mm_scope scope = mm_scope_open();
    mm_tensor *x = mm_ones(MM_DIMS(1, 1, 2, 2));
    mm_tensor *index = mm_zeros(MM_DIMS(1, 1, 2, 2), .dtype = MM_DTYPE_I64);
    const int64_t sizes[2] = {4, 4};

    (void)state;
    assert_int_equal(mm_torch_set_flag("deterministic", true), MM_OK);
    assert_null(mm_op("aten::max_unpool2d", MM_T(x), MM_T(index), MM_IS(sizes, 2)));
    check_error(MM_ETORCH);
    assert_int_equal(mm_torch_set_flag("deterministic", false), MM_OK);
    assert_non_null(mm_op("aten::max_unpool2d", MM_T(x), MM_T(index), MM_IS(sizes, 2)));
    mm_scope_close(scope);
}

static void test_denormals_are_flushed(void **state)
{
    mm_scope scope = mm_scope_open();
    const float tiny = 1e-39F;
    mm_tensor *x = mm_from_f32(&tiny, 0, NULL);

    (void)state;
    assert_int_equal(mm_torch_set_flag("flush_denormal", true), MM_OK);
    double flushed = mm_item(mm_mul_scalar(x, 1.0));
    assert_int_equal(mm_torch_set_flag("flush_denormal", false), MM_OK);
    assert_true(flushed == 0.0);
    assert_true(mm_item(mm_mul_scalar(x, 1.0)) > 0.0);
    mm_scope_close(scope);
}

static void test_devices(void **state)
{
    (void)state;
    assert_true(mm_device_is_available("cpu"));
    assert_int_equal(mm_device_count("cpu"), 1);
    assert_int_equal(mm_device_synchronize("cpu"), MM_OK);
    bool has_cuda = mm_device_is_available("cuda");
    assert_string_equal(mm_device_best(), has_cuda ? "cuda:0" : "cpu");
    assert_false(mm_device_is_available("cuda:99"));
    check_ok();
    assert_false(mm_device_is_available("toaster"));
    check_error(MM_EINVAL);
    if (!has_cuda) {
        mm_scope scope = mm_scope_open();
        assert_int_equal(mm_device_count("cuda"), 0);
        assert_true(mm_device_synchronize("cuda") < 0);
        check_error(MM_EUNSUPPORTED);
        assert_null(mm_to(mm_ones(MM_DIMS(1)), .device = "cuda"));
        assert_true(mm_error_take(NULL) < 0);
        mm_scope_close(scope);
    }
}

static char logged[256];
static void keep_line(void *user, const mm_log_line *line)
{
    (void)user;
    snprintf(logged, sizeof logged, "%s", line->message);
}

static void test_warnings_go_to_the_log(void **state)
{
    mm_scope scope = mm_scope_open();
    mm_tensor *x = mm_ones(MM_DIMS(2));

    (void)state;
    logged[0] = '\0';
    mm_log_set_sink(keep_line, NULL);
    assert_int_equal(mm_set_requires_grad(x, true), MM_OK);
    mm_tensor *y = mm_mul_scalar(x, 2);
    assert_null(mm_grad_find(y)); /* libtorch warns: not a leaf */
    mm_log_set_sink(NULL, NULL);
    assert_non_null(strstr(logged, "libtorch: "));
    assert_non_null(strstr(logged, ".grad"));
    mm_scope_close(scope);
}

int test_tensor(void)
{
    const struct CMUnitTest tests[] = {
        CLEAN_TEST(test_versions),
        CLEAN_TEST(test_references_are_counted),
        CLEAN_TEST(test_memory_is_used_and_given_back),
        CLEAN_TEST(test_memory_is_given_back_on_failure),
        CLEAN_TEST(test_strided_memory),
        CLEAN_TEST(test_views_of_storage),
        CLEAN_TEST(test_reading),
        CLEAN_TEST(test_equality_is_of_bits),
        CLEAN_TEST(test_dtypes),
        CLEAN_TEST(test_values),
        CLEAN_TEST(test_set_data_keeps_identity),
        CLEAN_TEST(test_overloads_are_chosen),
        CLEAN_TEST(test_all_results),
        CLEAN_TEST(test_door_errors_name_what_is_wrong),
        CLEAN_TEST(test_running_out_of_memory),
        CLEAN_TEST(test_probing),
        CLEAN_TEST(test_operators_exist),
        CLEAN_TEST(test_flags_and_threads),
        CLEAN_TEST(test_deterministic_mode_refuses),
        CLEAN_TEST(test_denormals_are_flushed),
        CLEAN_TEST(test_devices),
        CLEAN_TEST(test_warnings_go_to_the_log),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
