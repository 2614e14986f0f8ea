/* Every variant of the kernels that this CPU can run, against golden values of
 * torch.optim made with ATEN_CPU_CAPABILITY set to the matching instruction set. */
#include "golden_records.h"
#include "kernels/kernels.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { STEPS = 6 };

static struct golden open_golden(const mmi_kernels *kernels)
{
    return golden_open(kernels->has_fma ? "golden/optim/steps_avx2.bin"
                                        : "golden/optim/steps_default.bin");
}

/* The variant that a test runs on, or NULL after skipping it. */
static const mmi_kernels *variant(void **state)
{
    const mmi_kernels *kernels = mmi_kernels_for((mmi_isa)(intptr_t)*state);

    if (kernels == NULL) {
        skip();
    }
    return kernels;
}

static void assert_same(const float *got, const float *want, size_t count,
                        const char *what)
{
    for (size_t i = 0; i < count; i++) {
        if (golden_ulps(got[i], want[i]) != 0) {
            fail_msg("%s: element %zu is %.9g, torch has %.9g", what, i, (double)got[i],
                     (double)want[i]);
        }
    }
}

static mmi_sgd_rule sgd_rule(const struct golden *golden, size_t index, int step)
{
    double momentum = golden_f64(golden, 0, "sgd/%zu/options", index);
    double dampening = golden_f64(golden, 1, "sgd/%zu/options", index);
    double decay = golden_f64(golden, 2, "sgd/%zu/options", index);
    bool nesterov = golden_f64(golden, 3, "sgd/%zu/options", index) != 0.0;
    double lr = golden_f64(golden, (size_t)step, "sgd/%zu/lr", index);

    return (mmi_sgd_rule){
        .nesterov = nesterov,
        .weight_decay = decay,
        .momentum = momentum,
        .one_minus_dampening = 1.0 - dampening,
        .neg_lr = -lr,
    };
}

static void test_sgd_is_torch(void **state)
{
    const mmi_kernels *kernels = variant(state);
    struct golden golden = open_golden(kernels);
    size_t cases = (size_t)golden_f64(&golden, 0, "sgd/cases");

    assert_true(cases >= 9);
    for (size_t i = 0; i < cases; i++) {
        size_t count = 0;
        float *param = golden_f32(&golden, &count, "sgd/%zu/param", i);
        float *grads = golden_f32(&golden, NULL, "sgd/%zu/grads", i);
        float *want = golden_f32(&golden, NULL, "sgd/%zu/torch", i);
        float *buffer = calloc(count, sizeof *buffer);
        bool maximize = golden_f64(&golden, 4, "sgd/%zu/options", i) != 0.0;

        for (int step = 0; step < STEPS; step++) {
            mmi_sgd_rule rule = sgd_rule(&golden, i, step);
            size_t at = (size_t)step * count;

            kernels->sgd(&rule, &(mm_update_memory){
                                    .param = param,
                                    .grad = grads + at,
                                    .states = {buffer},
                                    .count = (int64_t)count,
                                    .grad_factor = maximize ? -1.0F : 1.0F,
                                    .is_new = step == 0,
                                });
            assert_same(param, want + at, count, "sgd");
        }
        if (golden_f64(&golden, 0, "sgd/%zu/options", i) != 0.0) {
            float *want_buffer =
                golden_f32(&golden, NULL, "sgd/%zu/momentum_buffer", i);

            assert_same(buffer, want_buffer, count, "momentum_buffer");
            free(want_buffer);
        }
        free(buffer);
        free(want);
        free(grads);
        free(param);
    }
    golden_close(&golden);
}

static mmi_adam_rule adam_rule(const struct golden *golden, const char *family,
                               size_t index, int step)
{
    double beta1 = golden_f64(golden, 0, "%s/%zu/options", family, index);
    double beta2 = golden_f64(golden, 1, "%s/%zu/options", family, index);
    double eps = golden_f64(golden, 2, "%s/%zu/options", family, index);
    double decay = golden_f64(golden, 3, "%s/%zu/options", family, index);
    bool decoupled = golden_f64(golden, 6, "%s/%zu/options", family, index) != 0.0;
    double lr = golden_f64(golden, (size_t)step, "%s/%zu/lr", family, index);

    return (mmi_adam_rule){
        .decay = {decoupled ? 0.0 : decay, decoupled ? 1.0 - lr * decay : 1.0},
        .lerp_weight = 1.0 - beta1,
        .beta2 = beta2,
        .one_minus_beta2 = 1.0 - beta2,
        .bias2_sqrt = pow(1.0 - pow(beta2, step + 1), 0.5),
        .eps = eps,
        .neg_step_size = -(lr / (1.0 - pow(beta1, step + 1))),
    };
}

/* What MKL's inexact square root may move a parameter by: the update of a step is at
 * most about lr, and each of its roundings moves it by 1e-7 of itself or so. */
static void assert_near_torch(const float *got, const float *want, size_t count,
                              double lr)
{
    for (size_t i = 0; i < count; i++) {
        double difference = fabs((double)got[i] - (double)want[i]);

        if (golden_ulps(got[i], want[i]) > 1 && !(difference <= 4e-7 * lr * STEPS)) {
            fail_msg("element %zu is %.9g, torch has %.9g", i, (double)got[i],
                     (double)want[i]);
        }
    }
}

static void check_adam_case(const mmi_kernels *kernels, const struct golden *golden,
                            const char *family, size_t i)
{
    size_t count = 0;
    float *param = golden_f32(golden, &count, "%s/%zu/param", family, i);
    float *grads = golden_f32(golden, NULL, "%s/%zu/grads", family, i);
    float *want = golden_f32(golden, NULL, "%s/%zu/exact", family, i);
    float *near = golden_f32(golden, NULL, "%s/%zu/torch", family, i);
    float *states = calloc(3 * count, sizeof *states);
    static const char *const names[] = {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"};
    bool amsgrad = golden_f64(golden, 4, "%s/%zu/options", family, i) != 0.0;
    bool maximize = golden_f64(golden, 5, "%s/%zu/options", family, i) != 0.0;

    for (int step = 0; step < STEPS; step++) {
        size_t at = (size_t)step * count;
        mm_update_memory memory = {
            .param = param,
            .grad = grads + at,
            .states = {states, states + count, amsgrad ? states + 2 * count : NULL},
            .count = (int64_t)count,
            .grad_factor = maximize ? -1.0F : 1.0F,
        };
        mmi_adam_rule rule = adam_rule(golden, family, i, step);

        kernels->adam(&rule, &memory);
        assert_same(param, want + at, count, family);
        assert_near_torch(param, near + at, count,
                          golden_f64(golden, 0, "%s/%zu/lr", family, i));
    }
    for (size_t k = 0; k < (amsgrad ? 3u : 2u); k++) {
        float *want_state = golden_f32(golden, NULL, "%s/%zu/%s", family, i, names[k]);

        assert_same(states + k * count, want_state, count, names[k]);
        free(want_state);
    }
    free(states);
    free(near);
    free(want);
    free(grads);
    free(param);
}

static void test_adam_is_torch(void **state)
{
    const mmi_kernels *kernels = variant(state);
    struct golden golden = open_golden(kernels);
    static const char *const families[] = {"adam", "adamw"};

    for (size_t f = 0; f < 2; f++) {
        size_t cases = (size_t)golden_f64(&golden, 0, "%s/cases", families[f]);

        assert_true(cases >= 4);
        for (size_t i = 0; i < cases; i++) {
            check_adam_case(kernels, &golden, families[f], i);
        }
    }
    golden_close(&golden);
}

static void test_averages_are_torch(void **state)
{
    const mmi_kernels *kernels = variant(state);
    struct golden golden = open_golden(kernels);

    for (int i = 0; i < 3; i++) {
        size_t count = 0;
        float *first = golden_f32(&golden, &count, "lerp/%d/average", i);
        float *second = golden_f32(&golden, NULL, "lerp/%d/average", i);
        float *live = golden_f32(&golden, NULL, "lerp/%d/live", i);
        float *lerp = golden_f32(&golden, NULL, "lerp/%d/lerp", i);
        float *pull = golden_f32(&golden, NULL, "lerp/%d/pull", i);
        float weight = (float)golden_f64(&golden, 0, "lerp/%d/weight", i);

        kernels->lerp(first, live, weight, (int64_t)count);
        assert_same(first, lerp, count, "lerp");
        kernels->pull(second, live, weight, (int64_t)count);
        assert_same(second, pull, count, "pull");
        free(pull);
        free(lerp);
        free(live);
        free(second);
        free(first);
    }
    golden_close(&golden);
}

static void test_clip_is_torch(void **state)
{
    const mmi_kernels *kernels = variant(state);
    struct golden golden = open_golden(kernels);

    for (int i = 0; i < 2; i++) {
        size_t count = 0;
        float *grad = golden_f32(&golden, &count, "clip/%d/grad", i);
        float *copy = golden_f32(&golden, NULL, "clip/%d/grad", i);
        float *clamped = golden_f32(&golden, NULL, "clip/%d/clamped", i);
        float *clipped = golden_f32(&golden, NULL, "clip/%d/clipped", i);
        double limit = golden_f64(&golden, 0, "clip/%d/limit", i);
        double norm = golden_f64(&golden, 0, "clip/%d/norm", i);
        double ours = sqrt(kernels->sum_squares(grad, (int64_t)count));

        /* torch sums in float, so it is torch that is less exact here */
        assert_true(fabs(ours - norm) <= 1e-6 * norm);
        kernels->clamp(grad, (float)limit, (int64_t)count);
        assert_same(grad, clamped, count, "clamp");
        kernels->scale(copy, (float)limit / ((float)norm + 1e-6F), (int64_t)count);
        assert_same(copy, clipped, count, "scale");
        free(clipped);
        free(clamped);
        free(copy);
        free(grad);
    }
    golden_close(&golden);
}

/* The sum's bits do not depend on the instruction set. */
static void test_sum_squares_is_one_value(void **state)
{
    const mmi_kernels *kernels = variant(state);
    float x[1003];
    uint32_t bits = 12345;

    for (size_t i = 0; i < 1003; i++) {
        bits = bits * 1664525U + 1013904223U;
        x[i] = (float)(bits >> 8) / 1000.0F - 7000.0F;
    }
    for (int64_t count = 0; count <= 1003; count += 59) {
        double want = mmi_kernels_baseline.sum_squares(x, count);
        double plain = 0.0;

        for (int64_t i = 0; i < count; i++) {
            plain += (double)x[i] * (double)x[i];
        }
        assert_true(kernels->sum_squares(x, count) == want);
        assert_true(fabs(want - plain) <= 1e-12 * plain);
    }
    x[500] = NAN;
    assert_true(isnan(kernels->sum_squares(x, 1003)));
    assert_true(isnan(kernels->max_abs(x, 1003)));
    x[500] = -INFINITY;
    assert_true(isinf(kernels->sum_squares(x, 1003)));
    assert_true(isinf(kernels->max_abs(x, 1003)));
    x[500] = -9e6F;
    assert_true(kernels->max_abs(x, 1003) == 9e6F);
    assert_true(kernels->max_abs(x, 0) == 0.0F);
}

static void test_best_is_available(void **state)
{
    (void)state;
    const mmi_kernels *best = mmi_kernels_best();

    assert_non_null(best);
    for (int isa = 0; isa < MMI_ISA_COUNT; isa++) {
        const mmi_kernels *kernels = mmi_kernels_for((mmi_isa)isa);

        if (kernels != NULL && kernels != best) {
            assert_string_not_equal(kernels->name, best->name);
        }
    }
    assert_ptr_equal(mmi_kernels_for(MMI_ISA_BASELINE), &mmi_kernels_baseline);
    assert_null(mmi_kernels_for(MMI_ISA_COUNT));
}

#define ON(test, isa) cmocka_unit_test_prestate(test, (void *)(intptr_t)(isa))
#define ON_ALL(test)                                                                   \
    ON(test, MMI_ISA_BASELINE), ON(test, MMI_ISA_AVX2), ON(test, MMI_ISA_AVX512)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_ALL(test_sgd_is_torch),
        ON_ALL(test_adam_is_torch),
        ON_ALL(test_averages_are_torch),
        ON_ALL(test_clip_is_torch),
        ON_ALL(test_sum_squares_is_one_value),
        cmocka_unit_test(test_best_is_available),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
