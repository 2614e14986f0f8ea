#include "check.h"

static void quick(void **state)
{
    (void)state;
    mm_value *d = mm_value_new_dict();
    mm_dict_put_f64(d, "lr", 1e-5);
    mm_dict_put_str(d, "name", "it's");
    for (int i = 0; i < 100; i++) {
        mm_dict_take(d, "k", mm_value_new_i64(i * 1000));
    }
    for (int i = 0; i < 20; i++) {
        mm_value *k = mm_value_new_f64(i);
        mm_dict_put_key(d, k, k);
        mm_value_unref(k);
    }
    char *t = mm_value_repr(d);
    assert_string_equal(
        t, "{'lr': 1e-05, 'name': \"it's\", 'k': 99000, 0.0: 0.0, 1.0: 1.0, 2.0: 2.0, "
           "3.0: 3.0, 4.0: 4.0, 5.0: 5.0, 6.0: 6.0, 7.0: 7.0, 8.0: 8.0, 9.0: 9.0, "
           "10.0: 10.0, 11.0: 11.0, 12.0: 12.0, 13.0: 13.0, 14.0: 14.0, 15.0: 15.0, "
           "16.0: 16.0, 17.0: 17.0, 18.0: 18.0, 19.0: 19.0}");
    mm_free(t);
    mm_value *c = mm_value_copy(d);
    assert_true(mm_value_equal(c, d));
    mm_value_unref(c);
    mm_value_unref(d);
    assert_int_equal(mm_live_values(), 0);
    assert_int_equal(mm_live_blocks(), 0);
}
int main(void)
{
    const struct CMUnitTest tests[] = {CLEAN_TEST(quick)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
