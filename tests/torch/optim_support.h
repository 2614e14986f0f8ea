/* What the tests of optimizers share: golden files of the running instruction set, leaf
 * tensors from memory, gradients set by hand. */
#ifndef TESTS_TORCH_OPTIM_SUPPORT_H
#define TESTS_TORCH_OPTIM_SUPPORT_H

#include "check.h"
#include "golden_records.h"

#include <math.h>

#include "mmengine/fileio.h"
#include "mmengine/mmengine.h"

/* The file that was made with the rounding of this libtorch: with fused multiply-add or
 * without. */
static inline struct golden support_golden(const char *family)
{
    char path[64];
    bool has_avx = strstr(mm_torch_build_flags(), "capability usage: AVX") != NULL;

    snprintf(path, sizeof path, "golden/optim/%s_%s.bin", family,
             has_avx ? "avx2" : "default");
    return golden_open(path);
}

static inline mm_value *support_json(const char *text)
{
    mm_value *value = mm_json_parse(text, strlen(text), "test");

    check_ok();
    return value;
}

static inline mm_value *support_json_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    size_t room = 1 << 20;
    char *text = malloc(room);

    assert_non_null(file);
    assert_non_null(text);
    size_t size = fread(text, 1, room, file);

    fclose(file);
    mm_value *value = mm_json_parse(text, size, path);

    free(text);
    check_ok();
    return value;
}

/* A trainable copy of `count` floats; yours. */
static inline mm_tensor *support_leaf(const float *data, size_t count)
{
    mm_scope scope = mm_scope_open();
    mm_tensor *leaf = mm_keep(mm_from_f32(data, 1, (const int64_t[]){(int64_t)count}));

    mm_scope_close(scope);
    mm_set_requires_grad(leaf, true);
    check_ok();
    return leaf;
}

static inline void support_set_grad(mm_tensor *leaf, const float *data)
{
    mm_scope scope = mm_scope_open();
    int64_t count = mm_numel(leaf);

    mm_set_grad(leaf, mm_from_f32(data, 1, &count));
    mm_scope_close(scope);
    check_ok();
}

static inline const float *support_data(mm_tensor *tensor)
{
    const float *data = mm_data(tensor, MM_DTYPE_F32);

    check_ok();
    return data;
}

static inline mm_instance *support_build(const char *registry, mm_value *config)
{
    mm_instance *instance = mm_build(&(mm_build_args){
        .registry = registry,
        .config = config,
    });

    check_ok();
    return instance;
}

/* An optimizer over `leaves`, one group; yours. */
static inline mm_optimizer *support_optimizer(mm_value *config,
                                              mm_tensor *const *leaves, size_t count)
{
    mm_instance *instance = support_build("optimizers", config);
    mm_param_groups *groups = mm_optimizer_new_groups(instance);

    mm_param_groups_add(groups, NULL);
    for (size_t i = 0; i < count; i++) {
        mm_param_groups_add_param(groups, "w", leaves[i]);
    }
    mm_optimizer *optimizer = mm_optimizer_new(instance, groups);

    mm_param_groups_unref(groups);
    mm_instance_unref(instance);
    check_ok();
    return optimizer;
}

/* True if this libtorch's square root gives the bits of the golden file's: MKL's does
 * not on every CPU. */
static inline bool support_sqrt_is_golden(const struct golden *golden)
{
    size_t count = 0;
    float *in = golden_f32(golden, &count, "sqrt/input");
    float *out = golden_f32(golden, NULL, "sqrt/output");
    mm_scope scope = mm_scope_open();
    int64_t size = (int64_t)count;
    mm_tensor *root = mm_sqrt(mm_from_f32(in, 1, &size));
    bool is_same = memcmp(support_data(root), out, count * sizeof *out) == 0;

    mm_scope_close(scope);
    free(out);
    free(in);
    return is_same;
}

/* What may differ where `exact` may with the libtorch that wrote the golden files:
 * another release sums in another order. */
static inline double support_tolerance(double exact)
{
    const char *version = mm_torch_version();
    bool is_golden = version != NULL && strncmp(version, "2.13.", 5) == 0;

    return is_golden || exact > 1e-6 ? exact : 1e-6;
}

static inline void support_same(const float *got, const float *want, size_t count,
                                const char *what, size_t number)
{
    for (size_t i = 0; i < count; i++) {
        if (golden_ulps(got[i], want[i]) != 0) {
            fail_msg("%s %zu: element %zu is %.9g, torch has %.9g", what, number, i,
                     (double)got[i], (double)want[i]);
        }
    }
}

static inline void support_near(const float *got, const float *want, size_t count,
                                double tolerance, const char *what, size_t number)
{
    for (size_t i = 0; i < count; i++) {
        if (golden_ulps(got[i], want[i]) > 1 &&
            !(fabs((double)got[i] - (double)want[i]) <= tolerance)) {
            fail_msg("%s %zu: element %zu is %.9g, torch has %.9g", what, number, i,
                     (double)got[i], (double)want[i]);
        }
    }
}

enum {
    SUPPORT_FIRST = 37, /* elements of the two weights of the golden trainings */
    SUPPORT_SECOND = 5
};

/* The loss of tools/golden/optim_wrapper.py. Nodes are made in its order, since
 * autograd adds up gradients in that order. */
static inline mm_tensor *support_loss(mm_tensor *const *leaves, const float *inputs)
{
    mm_tensor *x0 = mm_from_f32(inputs, 1, (const int64_t[]){SUPPORT_FIRST});
    mm_tensor *x1 =
        mm_from_f32(inputs + SUPPORT_FIRST, 1, (const int64_t[]){SUPPORT_SECOND});
    mm_tensor *products = mm_sum(mm_mul(leaves[0], x0));
    mm_tensor *squares = mm_mul_scalar(mm_sum(mm_mul(leaves[0], leaves[0])), 0.5);
    mm_tensor *first = mm_add(products, squares);

    return mm_add(first, mm_sum(mm_mul(leaves[1], x1)));
}

/* libtorch computes in float16 on the host since 2.3. */
static inline bool support_host_has_half(void)
{
    int major = 0;
    int minor = 0;

    assert_int_equal(sscanf(mm_torch_version(), "%d.%d", &major, &minor), 2);
    return major > 2 || (major == 2 && minor >= 3);
}

/* Counts that a test must leave as it found them. */
struct support_counts {
    int64_t values, instances, blocks, tensors;
};

static inline struct support_counts support_count(void)
{
    return (struct support_counts){mm_live_values(), mm_live_instances(),
                                   mm_live_blocks(), mm_live_tensors()};
}

#endif
