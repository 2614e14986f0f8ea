/*
 * Random numbers are PyTorch's, bit for bit, for the same seed and order of calls;
 * states can be read and set exactly. See tools/golden/tensor_random.py.
 */
#include "check.h"

#include <math.h>

#include "golden_records.h"
#include "mmengine/ops.h"

static struct golden golden;

static int open_golden(void **state)
{
    (void)state;
    golden = golden_open("golden/tensor/random.bin");
    return 0;
}

static int close_golden(void **state)
{
    (void)state;
    golden_close(&golden);
    return 0;
}

static void same(const char *name, mm_tensor *x)
{
    size_t count = 0;
    float *want = golden_f32(&golden, &count, "%s", name);

    check_ok();
    mm_tensor *flat = mm_contiguous(mm_cast(x, MM_DTYPE_F32), MM_FORMAT_NONE);
    const float *got = mm_data(flat, MM_DTYPE_F32);
    assert_int_equal(mm_numel(x), count);
    for (size_t i = 0; i < count; i++) {
        if (memcmp(&got[i], &want[i], sizeof got[i]) != 0) {
            fail_msg("%s: element %zu is %.9g, not %.9g", name, i, (double)got[i],
                     (double)want[i]);
        }
    }
    free(want);
}

static void same_i64(const char *name, int64_t got)
{
    uint64_t high = (uint64_t)golden_f64(&golden, 0, "%s", name);
    uint64_t low = (uint64_t)golden_f64(&golden, 1, "%s", name);

    check_ok();
    assert_true(got == (int64_t)(high << 32 | low));
}

/* The state holds what is left of a pair of normal numbers at 5016 to 5039; used up, it
 * means nothing, and releases leave different bytes there. */
static void same_state(mm_tensor *state)
{
    mm_tensor *left = mm_narrow(state, 0, 5016, 24);
    size_t count = 0;
    float *want = golden_f32(&golden, &count, "state");
    unsigned char *bytes = mm_data(left, MM_DTYPE_U8);

    check_ok();
    assert_true(count == 5056);
    for (int i = 0; i < 24; i++) {
        bytes[i] = (unsigned char)want[5016 + i];
    }
    free(want);
    same("state", state);
}

/* torch.nn.init's arithmetic: in double, then one call. */
static void check_initialisers(void)
{
    mm_tensor *w = mm_empty(MM_DTYPE_F32, 4, (const int64_t[]){8, 3, 3, 3});
    double fan_out = 8 * 9;
    double fan_in = 3 * 9;

    same("kaiming_normal", mm_normal_(w, 0, sqrt(2.0) / sqrt(fan_out), NULL));
    double std = sqrt(2.0 / (1 + 5)) / sqrt(fan_in);
    double bound = sqrt(3.0) * std;
    same("kaiming_uniform", mm_uniform_(w, -bound, bound, NULL));
}

static void test_streams_are_pytorchs(void **state)
{
    mm_scope scope = mm_scope_open();
    const int64_t grid[2] = {5, 6};
    const float weights[4] = {1, 2, 3, 4};

    (void)state;
    assert_int_equal(mm_manual_seed(42), MM_OK);
    same("rand", mm_rand(MM_DIMS(20)));
    same("randn_short", mm_randn(MM_DIMS(7)));
    same("randn_long", mm_randn(MM_DIMS(40)));
    same("randperm", mm_randperm(10, NULL));
    same("randint", mm_randints(0, 1000, MM_DIMS(8)));
    same_i64("randint_one", mm_randint(-5, INT64_C(1) << 40, NULL));
    same_i64("random_i64", mm_random_i64(NULL));
    same("normal_", mm_normal_(mm_empty(MM_DTYPE_F32, 2, grid), 1.0, 2.0, NULL));
    same("uniform_", mm_uniform_(mm_empty(MM_DTYPE_F32, 2, grid), -0.25, 0.75, NULL));
    same("bernoulli_", mm_bernoulli_(mm_zeros(MM_DIMS(12)), 0.3, NULL));
    same("bernoulli", mm_bernoulli(mm_full(MM_DIMS(12), MM_N(0.6)), NULL));
    check_initialisers();
    same("dropout", mm_dropout(mm_ones(MM_DIMS(30)), 0.4, true));
    mm_tensor *w4 = mm_from_f32(weights, 1, (const int64_t[]){4});
    same("multinomial", mm_multinomial(w4, 6, true, NULL));
    mm_tensor *x = mm_zeros(MM_DIMS(1, 3, 3, 3));
    same("rand_like", mm_rand_like(x, NULL));
    same("randn_like", mm_randn_like(x, NULL));
    same_state(mm_rng_state("cpu"));
    mm_rng *own = mm_rng_new(7);
    same("own_randperm", mm_randperm(10, own));
    same("own_rand", mm_rand(MM_DIMS(5), .rng = own));
    mm_rng_unref(own);
    same("after", mm_rand(MM_DIMS(3)));
    mm_scope_close(scope);
}

static void test_a_state_can_be_set(void **state)
{
    mm_scope scope = mm_scope_open();

    (void)state;
    assert_int_equal(mm_manual_seed(1), MM_OK);
    mm_tensor *before = mm_rng_state("cpu");
    mm_tensor *first = mm_randn(MM_DIMS(5)); /* odd: half a pair is cached */
    mm_tensor *second = mm_randn(MM_DIMS(5));
    assert_int_equal(mm_rng_set_state("cpu", before), MM_OK);
    mm_tensor *again = mm_randn(MM_DIMS(5));
    assert_true(mm_tensor_equal(first, again));
    again = mm_randn(MM_DIMS(5));
    assert_true(mm_tensor_equal(second, again));
    assert_int_equal(mm_tensor_dtype(before), MM_DTYPE_U8);
    assert_true(mm_rng_set_state("cpu", mm_zeros(MM_DIMS(3))) < 0);
    check_error(MM_ETORCH);
    assert_true(mm_rng_set_state("sofa", before) < 0);
    check_error_text(MM_EINVAL, "'sofa' names no device");
    mm_scope_close(scope);
}

static void test_own_generators_start_over(void **state)
{
    mm_scope scope = mm_scope_open();
    mm_rng *rng = mm_rng_new(3);
    mm_tensor *first = mm_randperm(20, rng);

    (void)state;
    assert_int_equal(mm_rng_seed(rng, 3), MM_OK);
    assert_true(mm_tensor_equal(first, mm_randperm(20, rng)));
    assert_false(mm_tensor_equal(first, mm_randperm(20, rng)));
    for (int i = 0; i < 100; i++) {
        int64_t drawn = mm_randint(-2, 3, rng);
        assert_true(drawn >= -2 && drawn < 3);
    }
    mm_rng_unref(rng);
    mm_rng_unref(NULL);
    mm_scope_close(scope);
}

/* A copy goes on as its original, the spare normal number included. */
static void test_copies_go_on_as_their_originals(void **state)
{
    mm_rng *mark = mm_rng_new(0);
    mm_scope scope = mm_scope_open();
    mm_error error;
    (void)state;

    assert_int_equal(mm_manual_seed(5), MM_OK);
    (void)mm_randn(MM_DIMS(3));
    assert_int_equal(mm_rng_copy(mark, NULL), MM_OK);
    mm_tensor *first = mm_randn(MM_DIMS(3)), *more = mm_randn(MM_DIMS(700));

    assert_false(mm_tensor_equal(first, mm_randn(MM_DIMS(3))));
    assert_int_equal(mm_rng_copy(NULL, mark), MM_OK);
    assert_true(mm_tensor_equal(first, mm_randn(MM_DIMS(3))));
    assert_true(mm_tensor_equal(more, mm_randn(MM_DIMS(700))));
    assert_int_equal(mm_rng_copy(mark, mark), MM_EINVAL);
    (void)mm_error_take(&error);
    mm_scope_close(scope);
    mm_rng_unref(mark);
}

int test_random(void)
{
    const struct CMUnitTest tests[] = {
        CLEAN_TEST(test_streams_are_pytorchs),
        CLEAN_TEST(test_a_state_can_be_set),
        CLEAN_TEST(test_own_generators_start_over),
        CLEAN_TEST(test_copies_go_on_as_their_originals),
    };

    return cmocka_run_group_tests(tests, open_golden, close_golden);
}
