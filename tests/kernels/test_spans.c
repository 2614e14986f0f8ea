/* Multi-tensor passes: every element is visited once whatever the tensor sizes and
 * however the pool cuts the blocks, and sums do not depend on the cut. */
#include "kernels/spans.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { TENSORS = 9, ELEMENTS = 60000 };

static const int64_t sizes[TENSORS] = {1,    0,     MMI_BLOCK, 3 * MMI_BLOCK + 5, 17, 0,
                                       4095, 30000, 1};

/* A pool that runs the range in pieces of `cut`, last piece first. */
static int64_t cut;
static int64_t calls;

static void run_cut(int64_t count, int64_t grain, mm_parallel_body body, void *user)
{
    (void)grain;
    int64_t pieces = (count + cut - 1) / cut;

    calls++;
    for (int64_t piece = pieces - 1; piece >= 0; piece--) {
        int64_t end = (piece + 1) * cut;

        body(user, piece * cut, end < count ? end : count);
    }
}

static int width_two(void)
{
    return 2;
}

static const mm_parallel pool = {run_cut, width_two};

struct arena {
    float param[ELEMENTS];
    float grad[ELEMENTS];
    float states[3][ELEMENTS];
    mmi_span spans[TENSORS];
};

static void fill(struct arena *arena, mmi_spans *spans)
{
    int64_t at = 0;
    uint32_t bits = 1;

    for (int64_t i = 0; i < ELEMENTS; i++) {
        bits = bits * 1664525U + 1013904223U;
        arena->param[i] = (float)(bits >> 9) / 4e6F - 1.0F;
        bits = bits * 1664525U + 1013904223U;
        arena->grad[i] = (float)(bits >> 9) / 4e6F - 1.0F;
        for (int k = 0; k < 3; k++) {
            arena->states[k][i] = 0.5F;
        }
    }
    for (int i = 0; i < TENSORS; i++) {
        arena->spans[i] = (mmi_span){
            .param = arena->param + at,
            .grad = arena->grad + at,
            .states = {arena->states[0] + at, arena->states[1] + at,
                       arena->states[2] + at},
            .count = sizes[i],
            .rule = i % 2,
            .grad_factor = i % 2 == 0 ? 1.0F : -0.5F,
            .is_new = i == 2,
        };
        at += sizes[i];
    }
    assert_true(at < ELEMENTS);
    *spans = (mmi_spans){
        .kernels = mmi_kernels_best(), .spans = arena->spans, .count = TENSORS};
    mmi_spans_lay_out(spans);
}

static const mmi_sgd_rule sgd_rules[2] = {
    {.weight_decay = 0.01, .momentum = 0.9, .one_minus_dampening = 1.0, .neg_lr = -0.1},
    {.momentum = 0.8, .one_minus_dampening = 0.7, .neg_lr = -0.01},
};
static const mmi_adam_rule adam_rules[2] = {
    {.decay = {0.0, 0.999},
     .lerp_weight = 0.1,
     .beta2 = 0.99,
     .one_minus_beta2 = 0.01,
     .bias2_sqrt = 0.3,
     .eps = 1e-8,
     .neg_step_size = -0.001},
    {.decay = {0.0, 1.0},
     .lerp_weight = 0.2,
     .beta2 = 0.9,
     .one_minus_beta2 = 0.1,
     .bias2_sqrt = 0.5,
     .eps = 1e-6,
     .neg_step_size = -0.01},
};

static mmi_update update_of(bool is_adam)
{
    return is_adam
               ? (mmi_update){mmi_kernels_best()->adam, adam_rules, sizeof *adam_rules}
               : (mmi_update){mmi_kernels_best()->sgd, sgd_rules, sizeof *sgd_rules};
}

/* Tensor by tensor, with the kernels themselves. */
static void step_plainly(struct arena *arena, bool is_adam)
{
    mmi_update update = update_of(is_adam);
    const char *rules = update.coefficients;

    for (int i = 0; i < TENSORS; i++) {
        mmi_span *span = &arena->spans[i];
        mm_update_memory memory = {
            .param = span->param,
            .grad = span->grad,
            .states = {span->states[0], span->states[1], span->states[2]},
            .count = span->count,
            .grad_factor = span->grad_factor,
            .is_new = span->is_new,
        };

        if (span->grad != NULL)
            update.function(rules + (size_t)span->rule * update.size, &memory);
    }
}

static void check_step(bool is_adam, bool skip_one, bool zero_grad)
{
    static struct arena got, want;
    mmi_spans spans;
    mmi_spans plain;

    for (cut = 1; cut < 20; cut += 3) {
        fill(&got, &spans);
        fill(&want, &plain);
        if (skip_one) {
            got.spans[3].grad = NULL;
            want.spans[3].grad = NULL;
        }
        spans.parallel = &pool;
        spans.zero_grad = zero_grad;
        calls = 0;
        mmi_update update = update_of(is_adam);

        mmi_spans_update(&spans, &update);
        assert_int_equal(calls, 1);
        step_plainly(&want, is_adam);
        assert_memory_equal(got.param, want.param, sizeof got.param);
        assert_memory_equal(got.states, want.states, sizeof got.states);
        for (int64_t i = 0; zero_grad && i < sizes[0]; i++) {
            assert_true(got.grad[i] == 0.0F);
        }
        if (!zero_grad) {
            assert_memory_equal(got.grad, want.grad, sizeof got.grad);
        }
    }
}

static void test_steps_match_plain_loops(void **state)
{
    (void)state;
    for (int bits = 0; bits < 8; bits++) {
        check_step((bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0);
    }
}

static void test_zero_grad_covers_every_used_gradient(void **state)
{
    (void)state;
    static struct arena arena;
    mmi_spans spans;
    int64_t used = 0;

    fill(&arena, &spans);
    spans.zero_grad = true;
    mmi_update update = update_of(false);

    mmi_spans_update(&spans, &update);
    for (int i = 0; i < TENSORS; i++) {
        used += sizes[i];
    }
    for (int64_t i = 0; i < ELEMENTS; i++) {
        assert_true(i >= used || arena.grad[i] == 0.0F);
        assert_true(i < used || arena.grad[i] != 0.0F);
    }
}

static void test_reductions_do_not_depend_on_the_cut(void **state)
{
    (void)state;
    static struct arena arena;
    mmi_spans spans;
    double partials[64];
    double plain = 0.0;

    fill(&arena, &spans);
    assert_true(spans.num_blocks <= 64);
    double alone = mmi_spans_grad_squares(&spans, partials);

    spans.parallel = &pool;
    for (cut = 1; cut < 20; cut++) {
        assert_true(mmi_spans_grad_squares(&spans, partials) == alone);
    }
    for (int64_t i = 0; i < 30000 + 4095 + 17 + 3 * MMI_BLOCK + 5 + MMI_BLOCK + 2;
         i++) {
        plain += (double)arena.grad[i] * (double)arena.grad[i];
    }
    assert_true(fabs(plain - alone) < 1e-9 * plain);
    arena.grad[MMI_BLOCK + 7] = -42.0F;
    assert_true(mmi_spans_grad_max(&spans, partials) == 42.0);
    arena.grad[MMI_BLOCK + 7] = NAN;
    assert_true(isnan(mmi_spans_grad_max(&spans, partials)));
    arena.spans[3].grad = NULL; /* holds the NaN */
    assert_true(isnan(mmi_spans_grad_max(&spans, partials)) == 0);
}

static void test_elementwise_passes(void **state)
{
    (void)state;
    static struct arena arena;
    mmi_spans spans;

    fill(&arena, &spans);
    spans.parallel = &pool;
    cut = 2;
    float grad = arena.grad[9000];
    float param = arena.param[9000];

    mmi_spans_grad_scale(&spans, 0.5F);
    assert_true(arena.grad[9000] == grad * 0.5F);
    mmi_spans_grad_clamp(&spans, 0.1F);
    for (int64_t i = 0; i < 40000; i++) {
        assert_true(fabsf(arena.grad[i]) <= 0.1F);
    }
    mmi_spans_pull(&spans, 1.0F);
    assert_true(fabsf(arena.param[9000] - arena.grad[9000]) < 1e-6F);
    mmi_spans_lerp(&spans, 0.0F);
    assert_true(param != arena.param[9000]);
}

static void test_small_models_do_not_ask_the_pool(void **state)
{
    (void)state;
    static struct arena arena;
    mmi_spans spans;

    fill(&arena, &spans);
    spans.parallel = &pool;
    spans.count = 3;
    mmi_spans_lay_out(&spans);
    calls = 0;
    mmi_update update = update_of(false);

    mmi_spans_update(&spans, &update);
    assert_int_equal(calls, 0);
    spans.count = 0;
    mmi_spans_lay_out(&spans);
    mmi_spans_update(&spans, &update);
    assert_int_equal(calls, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps_match_plain_loops),
        cmocka_unit_test(test_zero_grad_covers_every_used_gradient),
        cmocka_unit_test(test_reductions_do_not_depend_on_the_cut),
        cmocka_unit_test(test_elementwise_passes),
        cmocka_unit_test(test_small_models_do_not_ask_the_pool),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
