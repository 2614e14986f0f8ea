/* Histories against MMEngine's HistoryBuffer, and what is only ours. */
#include "check.h"

#include <math.h>
#include <string.h>

#include "base/case_value.h"
#include "base/memory.h"
#include "base/os.h"
#include "mmengine/hub.h"

static uint64_t bits_of(double value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

#define check_bits(got, expected) assert_true(bits_of(got) == bits_of(expected))

/* The numbers that the script made; both sides compute them. */
static void fill(mm_history *history, size_t length, bool has_counts)
{
    uint64_t seed = length;
    for (size_t i = 0; i < length; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        double value = (double)(seed >> 11) / 9007199254740992.0 * 10 - 3;
        mm_history_update(history, value,
                          has_counts ? 1 + (int64_t)(seed >> 60) % 4 : 1);
    }
}

static void check_row(char *const *fields)
{
    size_t length = strtoul(fields[0], NULL, 10);
    size_t window = strtoul(fields[1], NULL, 10);
    mm_history *plain = mm_history_new(0);
    mm_history *counted = mm_history_new(0);
    fill(plain, length, false);
    fill(counted, length, true);
    check_bits(mm_history_mean(plain, window), case_f64(fields[2]));
    check_bits(mm_history_mean(counted, window), case_f64(fields[3]));
    check_bits(mm_history_max(counted, window), case_f64(fields[4]));
    check_bits(mm_history_min(plain, window), case_f64(fields[5]));
    check_bits(mm_history_current(plain), case_f64(fields[6]));
    mm_history_free(plain);
    mm_history_free(counted);
}

static void statistics_as_mmengine(void **state)
{
    (void)state;
    assert_true(case_lines("cases/logging/history.txt", 7, check_row) > 200);
}

static void empty(void **state)
{
    (void)state;
    mm_history *history = mm_history_new(0);
    size_t size = 7;
    assert_true(isnan(mm_history_mean(history, 10)));
    check_ok();
    assert_true(isnan(mm_history_max(history, 10)));
    check_error_text(MM_ERANGE, "could not take the maximum of an empty history");
    mm_history_min(history, 10);
    check_error(MM_ERANGE);
    mm_history_current(history);
    check_error(MM_ERANGE);
    assert_null(mm_history_data(history, NULL, &size));
    assert_int_equal(size, 0);
    check_ok();
    assert_false(mm_history_is_integer(history));
    mm_history_free(history);
    mm_history_free(NULL);
}

/* A row that is full forgets its oldest number, for ever, in constant memory. */
static void bounded(void **state)
{
    (void)state;
    enum { MOST = 100 };
    mm_history *history = mm_history_new(MOST);
    for (int64_t i = 0; i < 20000; i++) {
        mm_history_update(history, (double)i, i % 3 + 1);
        size_t size = 0;
        const int64_t *counts = NULL;
        if (i % 37 == 0) {
            const double *values = mm_history_data(history, &counts, &size);
            assert_int_equal(size, i + 1 < MOST ? i + 1 : MOST);
            for (size_t j = 0; j < size; j++) {
                int64_t expected = i - (int64_t)(size - 1 - j);
                assert_true(values[j] == (double)expected);
                assert_int_equal(counts[j], expected % 3 + 1);
            }
        }
    }
    assert_int_equal(mm_history_len(history), MOST);
    assert_true(mm_history_min(history, MM_WINDOW_ALL) == 19900.0);
    assert_int_equal(mm_live_blocks(), 3);
    mm_history_free(history);

    history = mm_history_new(1);
    mm_history_update(history, 1.0, 1);
    mm_history_update(history, 2.0, 1);
    assert_int_equal(mm_history_len(history), 1);
    assert_true(mm_history_mean(history, 5) == 2.0);
    mm_history_free(history);
}

static void ints_stay_ints(void **state)
{
    (void)state;
    mm_history *history = mm_history_new(0);
    mm_history_update_i64(history, 3, 1);
    mm_history_update_i64(history, 4, 1);
    assert_true(mm_history_is_integer(history));
    assert_true(mm_history_mean(history, 0) == 3.5);
    mm_history_update(history, 5.0, 1);
    assert_false(mm_history_is_integer(history));
    mm_history_update_i64(history, 3, 1);
    assert_false(mm_history_is_integer(history));
    mm_history_free(history);
}

static void nan_spreads(void **state)
{
    (void)state;
    mm_history *history = mm_history_new(0);
    mm_history_update(history, 1.0, 1);
    mm_history_update(history, NAN, 1);
    mm_history_update(history, 3.0, 1);
    assert_true(isnan(mm_history_max(history, 0)));
    assert_true(isnan(mm_history_min(history, 2)));
    assert_true(isnan(mm_history_mean(history, 3)));
    assert_true(mm_history_max(history, 1) == 3.0);
    mm_history_free(history);
}

/* A number on a device: reading it is dear, so it is counted. */
struct late {
    int refs;
    int reads;
    double number;
    bool fails;
};

static void late_ref(void *object)
{
    ((struct late *)object)->refs++;
}

static void late_unref(void *object)
{
    ((struct late *)object)->refs--;
}

static int reads; /* of all late numbers together */

static bool late_to_f64(const void *object, double *out)
{
    const struct late *late = object;
    reads++;
    if (late->fails) {
        mm_raise(MM_ETORCH, "could not read the device");
        return false;
    }
    *out = late->number;
    return true;
}

static const mm_object_ops late_ops = {
    .name = "late", .ref = late_ref, .unref = late_unref, .to_f64 = late_to_f64};

static void add_late(mm_history *history, struct late *late)
{
    mm_value *value = mm_value_new_object(late, &late_ops);
    mm_history_update_value(history, value, 1);
    mm_value_unref(value);
}

static void numbers_are_read_when_needed(void **state)
{
    (void)state;
    enum { COUNT = 50 };
    struct late late[COUNT];
    mm_history *history = mm_history_new(0);
    reads = 0;
    for (int i = 0; i < COUNT; i++) {
        late[i] = (struct late){0, 0, i, false};
        add_late(history, &late[i]);
        assert_int_equal(late[i].refs, 1);
    }
    assert_int_equal(reads, 0);
    assert_true(mm_history_mean(history, 10) == 44.5);
    assert_int_equal(reads, 10); /* those of the window and no more */
    assert_int_equal(late[49].refs, 0);
    assert_int_equal(late[39].refs, 1);
    assert_true(mm_history_current(history) == 49.0);
    assert_int_equal(reads, 10); /* once each */
    mm_history_update(history, 100.0, 1);
    assert_true(mm_history_max(history, MM_WINDOW_ALL) == 100.0);
    assert_int_equal(reads, COUNT);
    add_late(history, &late[0]);
    mm_history_free(history); /* never read */
    assert_int_equal(late[0].refs, 0);
    assert_int_equal(reads, COUNT);
}

static void unread_numbers_are_bounded(void **state)
{
    (void)state;
    struct late late = {0, 0, 2.0, false};
    mm_history *history = mm_history_new(0);
    for (int i = 0; i < 5000; i++) {
        add_late(history, &late);
        assert_true(late.refs <= 1025);
    }
    assert_true(mm_history_mean(history, MM_WINDOW_ALL) == 2.0);
    assert_int_equal(late.refs, 0);
    mm_history_free(history);

    history = mm_history_new(10); /* numbers that fall out need no reading */
    reads = 0;
    for (int i = 0; i < 100; i++) {
        add_late(history, &late);
    }
    assert_true(mm_history_mean(history, MM_WINDOW_ALL) == 2.0);
    assert_int_equal(reads, 10);
    assert_int_equal(late.refs, 0);
    mm_history_free(history);
}

static void a_number_that_cannot_be_read(void **state)
{
    (void)state;
    struct late late = {0, 0, 1.0, true};
    mm_history *history = mm_history_new(0);
    add_late(history, &late);
    mm_history_mean(history, 1);
    check_error_text(MM_ETORCH, "could not read the device");
    late.fails = false;
    assert_true(mm_history_mean(history, 1) == 1.0);
    mm_value *text = mm_value_new_str("x");
    mm_history_update_value(history, text, 1);
    check_error_text(MM_ETYPE, "a scalar needs a number, got str");
    assert_int_equal(mm_history_len(history), 1);
    mm_value_unref(text);
    mm_history_free(history);
}

static double spread(const double *values, const int64_t *counts, size_t size,
                     const mm_value *options)
{
    double scale = options != NULL ? mm_value_f64(mm_dict_get(options, "scale")) : 1.0;
    assert_int_equal(counts[0], 1);
    return (values[size - 1] - values[0]) * scale;
}

static void statistics_by_name(void **state)
{
    (void)state;
    mm_history *history = mm_history_new(0);
    for (int i = 0; i < 10; i++) {
        mm_history_update(history, i, 1);
    }
    assert_true(mm_history_statistic(history, "mean", 4, NULL) == 7.5);
    assert_true(mm_history_statistic(history, "max", 4, NULL) == 9.0);
    assert_true(mm_history_statistic(history, "min", 4, NULL) == 6.0);
    assert_true(mm_history_statistic(history, "current", 4, NULL) == 9.0);
    assert_false(mm_statistic_is_known("spread"));
    assert_int_equal(mm_statistic_register("spread", spread), MM_OK);
    assert_true(mm_statistic_is_known("spread"));
    assert_int_equal(mm_statistic_register("mean", spread), MM_EKEY);
    check_error(MM_EKEY);
    assert_int_equal(mm_statistic_register("spread", spread), MM_EKEY);
    check_error(MM_EKEY);
    mm_value *options = mm_value_new_dict();
    mm_dict_put_f64(options, "scale", 2.0);
    assert_true(mm_history_statistic(history, "spread", 4, NULL) == 3.0);
    assert_true(mm_history_statistic(history, "spread", 4, options) == 6.0);
    mm_value_unref(options);
    mm_history_statistic(history, "spraed", 4, NULL);
    mm_error error;
    mm_error_take(&error);
    assert_int_equal(error.code, MM_EKEY);
    assert_string_equal(error.hint, "did you mean 'spread'?");
    mm_history_free(history);
}

#ifdef MM_FAULTS
static void runs_out_of_memory_cleanly(void **state)
{
    (void)state;
    for (int64_t n = 1;; n++) {
        mmi_fail_at(n);
        struct late late = {0, 0, 1.0, false};
        mm_history *history = mm_history_new(0);
        for (int i = 0; i < 40 && !mm_has_error(); i++) {
            mm_history_update(history, i, 1);
            add_late(history, &late);
            mm_history_update(history, i, 2);
        }
        size_t length = mm_has_error() ? 0 : mm_history_len(history);
        bool was_reached = mmi_fault_points() >= n;
        mmi_fail_at(0);
        if (!was_reached) {
            assert_int_equal(length, 120);
            mm_history_free(history);
            break;
        }
        check_error(MM_ENOMEM);
        mm_history_free(history);
        assert_int_equal(late.refs, 0);
        assert_int_equal(mm_live_blocks(), 0);
        assert_int_equal(mm_live_values(), 0);
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLEAN_TEST(statistics_as_mmengine),
        CLEAN_TEST(empty),
        CLEAN_TEST(bounded),
        CLEAN_TEST(ints_stay_ints),
        CLEAN_TEST(nan_spreads),
        CLEAN_TEST(numbers_are_read_when_needed),
        CLEAN_TEST(unread_numbers_are_bounded),
        CLEAN_TEST(a_number_that_cannot_be_read),
        CLEAN_TEST(statistics_by_name),
#ifdef MM_FAULTS
        CLEAN_TEST(runs_out_of_memory_cleanly),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
