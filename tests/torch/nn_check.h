/* What the tests of modules and models share: components registered once, configs from
 * JSON, and tensors against golden records. */
#ifndef TESTS_TORCH_NN_CHECK_H
#define TESTS_TORCH_NN_CHECK_H

#include "check.h"
#include "golden_records.h"

#include <inttypes.h>
#include <math.h>

#include "mmengine/file.h"
#include "mmengine/fileio.h"
#include "mmengine/mmengine.h"
#include "mmengine/model.h"
#include "mmengine/nn.h"
#include "mmengine/zoo.h"

enum { GOLDEN_SEED = 2024 };

static inline int nn_set_up(void **state)
{
    (void)state;
    if (mm_component_find("models", NULL, "Linear") == NULL && mm_init() < 0) {
        return -1;
    }
    if (mm_component_find("models", "mmpretrain", "ResNet") == NULL &&
        mm_register(mm_zoo_components) < 0) {
        return -1;
    }
    return mm_set_num_threads(2) == MM_OK ? 0 : -1;
}

/* Nothing is left behind: tensors, values, instances, scopes, errors. */
static inline int nn_tear_down(void **state)
{
    (void)state;
    check_ok();
    assert_false(mm_scope_is_open());
    assert_int_equal(mm_live_instances(), 0);
    assert_int_equal(mm_live_values(), 0);
    assert_int_equal(mm_live_tensors(), 0);
    assert_true(mm_grad_mode());
    return 0;
}

static inline mm_value *nn_json(const char *text)
{
    mm_value *value = mm_json_parse(text, strlen(text), NULL);

    check_ok();
    return value;
}

static inline mm_value *nn_json_file(const char *path)
{
    size_t size = 0;
    char *text = mm_file_read(path, &size);

    check_ok();
    mm_value *value = mm_json_parse(text, size, path);

    check_ok();
    mm_free(text);
    return value;
}

static inline mm_module *nn_build(const char *json)
{
    mm_value *config = nn_json(json);
    mm_module *module = mm_module_build(config, "mmpretrain", "model");

    mm_value_unref(config);
    return module;
}

/* True if bits must be equal: on the machine that made the golden files. */
static inline bool nn_exact(void)
{
    const char *value = getenv("MM_GOLDEN_EXACT");

    return value != NULL && value[0] == '1';
}

/* Compares floats with a tolerance relative to the largest of them, or bit by bit. */
static inline void nn_same(const float *got, const float *expected, size_t count,
                           double tolerance, const char *what)
{
    double largest = 1.0;

    if (nn_exact()) {
        if (memcmp(got, expected, count * sizeof(float)) != 0) {
            for (size_t i = 0; i < count; i++) {
                if (memcmp(&got[i], &expected[i], sizeof(float)) != 0) {
                    fail_msg("%s[%zu]: %.9g, expected %.9g", what, i, (double)got[i],
                             (double)expected[i]);
                }
            }
        }
        return;
    }
    for (size_t i = 0; i < count; i++) {
        largest = fmax(largest, fabs((double)expected[i]));
    }
    for (size_t i = 0; i < count; i++) {
        if (!(fabs((double)got[i] - (double)expected[i]) <= tolerance * largest)) {
            fail_msg("%s[%zu]: %.9g, expected %.9g", what, i, (double)got[i],
                     (double)expected[i]);
        }
    }
}

/* The tensor as contiguous floats; scope-owned. */
static inline mm_tensor *nn_floats(mm_tensor *tensor)
{
    return mm_contiguous(mm_cast(mm_detach(tensor), MM_DTYPE_F32),
                         MM_FORMAT_CONTIGUOUS);
}

/* Compares a tensor with a golden record. */
static inline void nn_golden(const struct golden *golden, mm_tensor *tensor,
                             double tolerance, const char *name)
{
    mm_scope scope = mm_scope_open();
    size_t count = 0;
    float *expected = golden_f32(golden, &count, "%s", name);
    mm_tensor *floats = nn_floats(tensor);

    check_ok();
    if ((size_t)mm_numel(floats) != count) {
        fail_msg("%s: %" PRId64 " elements, expected %zu", name, mm_numel(floats),
                 count);
    }
    nn_same(mm_data(floats, MM_DTYPE_F32), expected, count, tolerance, name);
    free(expected);
    mm_scope_close(scope);
}

/* A tensor of a golden record; scope-owned. */
static inline mm_tensor *nn_from_golden(const struct golden *golden, const char *name,
                                        mm_dims sizes)
{
    size_t count = 0;
    float *data = golden_f32(golden, &count, "%s", name);
    mm_tensor *tensor = mm_from_f32(data, (int)sizes.count, sizes.data);

    check_ok();
    free(data);
    return tensor;
}

#endif
