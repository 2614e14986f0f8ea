/* Data elements: two name spaces, copies, moves, dicts and the printed form. */
#include "nn_check.h"

#include "mmengine/ops.h"
#include "mmengine/structures.h"

static void test_name_spaces(void **state)
{
    (void)state;
    mm_data_element *element = mm_data_element_new("DataSample");
    mm_value *one = mm_value_new_i64(1);

    mm_data_element_put(element, "score", one);
    mm_data_element_put_meta(element, "img_shape", one);
    check_ok();
    mm_data_element_put(element, "img_shape", one);
    check_error_text(MM_EKEY,
                     "could not set 'img_shape' of a DataSample as data: it is a "
                     "metainfo entry already");
    mm_data_element_put_meta(element, "score", one);
    check_error(MM_EKEY);
    mm_data_element_put(element, "score", one); /* again is fine */
    check_ok();
    assert_int_equal(mm_value_i64(mm_data_element_get(element, "img_shape")), 1);
    assert_null(mm_data_element_find(element, "nothing"));
    assert_null(mm_data_element_get(element, "nothing"));
    check_error_text(MM_EKEY,
                     "a DataSample has no 'nothing': it holds 'score', 'img_shape'");
    assert_null(mm_data_element_get_tensor(element, "score"));
    check_error_text(MM_ETYPE, "'score' of a DataSample is no tensor but int");
    assert_true(mm_data_element_remove(element, "score"));
    assert_false(mm_data_element_remove(element, "score"));
    mm_data_element_put_meta(element, "score", one); /* the name is free again */
    check_ok();
    assert_string_equal(mm_data_element_type(element), "DataSample");
    mm_value_unref(one);
    mm_data_element_unref(element);
}

static void test_missing_arguments(void **state)
{
    (void)state;
    mm_data_element *element = mm_data_element_new(NULL);

    assert_string_equal(mm_data_element_type(element), "BaseDataElement");
    mm_data_element_put(element, "x", NULL);
    check_error(MM_EINVAL);
    mm_data_element_put(NULL, "x", NULL);
    check_error(MM_EINVAL);
    mm_data_element_put_tensor(element, "x", NULL);
    check_error(MM_EINVAL);
    assert_null(mm_data_element_copy(NULL));
    check_error(MM_EINVAL);
    assert_null(mm_value_data_element(NULL));
    check_error(MM_ETYPE);
    mm_data_element_unref(NULL);
    mm_data_element_unref(element);
}

/* Metainfo is copied in, data fields are shared. */
static void test_sharing(void **state)
{
    (void)state;
    mm_data_element *element = mm_data_element_new("E");
    mm_value *list = nn_json("[1, 2]");

    mm_data_element_put(element, "data", list);
    mm_data_element_put_meta(element, "meta", list);
    mm_list_push(list, mm_value_new_i64(3));
    assert_int_equal(mm_value_len(mm_data_element_get(element, "data")), 3);
    assert_int_equal(mm_value_len(mm_data_element_get(element, "meta")), 2);
    mm_data_element *copy = mm_data_element_copy(element);

    mm_list_push(list, mm_value_new_i64(4));
    assert_int_equal(mm_value_len(mm_data_element_get(copy, "data")), 3);
    mm_data_element_unref(element);
    assert_int_equal(mm_value_len(mm_data_element_get(copy, "meta")), 2);
    mm_data_element_unref(copy);
    mm_value_unref(list);
}

static mm_data_element *nested(void)
{
    mm_data_element *inner = mm_data_element_new("InstanceData");
    mm_data_element *outer = mm_data_element_new("DetDataSample");
    mm_value *wrapped = NULL;
    mm_value *shape = nn_json("[800, 1196]");
    mm_scope scope = mm_scope_open();

    mm_data_element_put_tensor(inner, "labels", mm_zeros(MM_DIMS(2)));
    mm_data_element_put_meta(outer, "img_shape", shape);
    wrapped = mm_value_new_data_element(inner);
    mm_data_element_put(outer, "gt", wrapped);
    mm_data_element_put_tensor(outer, "score", mm_ones(MM_DIMS(3)));
    check_ok();
    mm_scope_close(scope);
    mm_value_unref(wrapped);
    mm_value_unref(shape);
    mm_data_element_unref(inner);
    return outer;
}

static void test_dicts(void **state)
{
    (void)state;
    mm_data_element *outer = nested();
    mm_value *dict = mm_data_element_to_dict(outer);

    assert_int_equal(mm_value_len(dict), 3);
    assert_string_equal(mm_dict_name_at(dict, 0), "img_shape");
    assert_int_equal(mm_value_kind(mm_dict_get(dict, "gt")), MM_KIND_DICT);
    assert_non_null(mm_dict_get_tensor(mm_dict_get(dict, "gt"), "labels"));
    mm_value_unref(dict);
    mm_data_element_unref(outer);
}

static void test_moving(void **state)
{
    (void)state;
    mm_data_element *outer = nested();
    mm_data_element *moved = mm_data_element_to(outer, "cpu");
    mm_data_element *inner = mm_value_data_element(mm_data_element_get(moved, "gt"));

    check_ok();
    assert_string_equal(mm_data_element_type(moved), "DetDataSample");
    assert_ptr_equal(mm_data_element_get_tensor(moved, "score"),
                     mm_data_element_get_tensor(outer, "score"));
    assert_ptr_not_equal(inner,
                         mm_value_data_element(mm_data_element_get(outer, "gt")));
    assert_int_equal(mm_size(mm_data_element_get_tensor(inner, "labels"), 0), 2);
    assert_int_equal(mm_value_len(mm_data_element_get(moved, "img_shape")), 2);
    assert_null(mm_data_element_to(outer, "nowhere"));
    assert_true(mm_error_take(NULL) < 0);
    mm_data_element_unref(moved);
    mm_data_element_unref(outer);
}

/* The form that mmengine 0.10.7 prints, addresses apart. */
static void test_repr(void **state)
{
    (void)state;
    mm_data_element *outer = nested();
    const mm_data_element *inner =
        mm_value_data_element(mm_data_element_get(outer, "gt"));
    char *text = mm_data_element_repr(outer);
    mm_value *score = mm_data_element_get(outer, "score");
    char *tensor = mm_value_repr(score);
    char *labels = mm_value_repr(mm_data_element_get(inner, "labels"));
    char *expected = mm_strfmt("<DetDataSample(\n"
                               "\n"
                               "    META INFORMATION\n"
                               "    img_shape: [800, 1196]\n"
                               "\n"
                               "    DATA FIELDS\n"
                               "    gt: <InstanceData(\n"
                               "        \n"
                               "            META INFORMATION\n"
                               "        \n"
                               "            DATA FIELDS\n"
                               "            labels: %s\n"
                               "        ) at %p>\n"
                               "    score: %s\n"
                               ") at %p>",
                               labels, (const void *)inner, tensor, (void *)outer);

    assert_string_equal(text, expected);
    mm_free(expected);
    mm_free(labels);
    mm_free(tensor);
    mm_free(text);
    mm_data_element_unref(outer);
}

/* As a value: copied deeply, counted, recognised. */
static void test_as_value(void **state)
{
    (void)state;
    mm_data_element *outer = nested();
    mm_value *value = mm_value_new_data_element(outer);
    mm_value *copy = mm_value_copy(value);

    mm_data_element_unref(outer);
    assert_ptr_equal(mm_value_data_element(value), outer);
    assert_ptr_not_equal(mm_value_data_element(copy), outer);
    mm_tensor *score = mm_data_element_get_tensor(outer, "score");
    mm_tensor *other = mm_data_element_get_tensor(mm_value_data_element(copy), "score");

    assert_ptr_not_equal(score, other); /* a deep copy, tensors and all */
    assert_true(mm_tensor_equal(score, other));
    mm_data_element *shallow = mm_data_element_copy(outer);

    assert_ptr_equal(mm_data_element_get_tensor(shallow, "score"), score);
    assert_ptr_not_equal(mm_value_data_element(mm_data_element_get(shallow, "gt")),
                         mm_value_data_element(mm_data_element_get(outer, "gt")));
    mm_data_element_unref(shallow);
    mm_value *number = mm_value_new_i64(1);

    assert_null(mm_value_find_data_element(number));
    mm_value_unref(number);
    mm_value_unref(copy);
    mm_value_unref(value);
}

#define TEST(function) cmocka_unit_test_teardown((function), nn_tear_down)

int test_structures(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_name_spaces), TEST(test_missing_arguments),
        TEST(test_sharing),     TEST(test_dicts),
        TEST(test_moving),      TEST(test_repr),
        TEST(test_as_value),
    };

    return cmocka_run_group_tests(tests, nn_set_up, NULL);
}
