/* Whole models against records of the same models in Python. */
#ifndef TESTS_TORCH_MODEL_CHECK_H
#define TESTS_TORCH_MODEL_CHECK_H

#include "nn_check.h"

#include "mmengine/ops.h"
#include "mmengine/structures.h"

/* A model under comparison. */
struct model_check {
    const struct golden *golden;
    const char *model;
    const char *part;
    size_t seen;
};

static inline uint32_t model_crc32_of(const void *data, size_t size)
{
    const unsigned char *bytes = data;
    uint32_t crc = 0xFFFFFFFFu;

    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int k = 0; k < 8; k++) {
            crc = (crc >> 1) ^ (0xEDB88320u & (0u - (crc & 1u)));
        }
    }
    return ~crc;
}

/* The first values and the sum; all bits where that is asked for. */
static inline mm_status model_check_summary(struct model_check *check, const char *name,
                                            mm_tensor *tensor)
{
    mm_scope scope = mm_scope_open();
    char text[160];
    size_t count = 0;
    mm_tensor *flat = mm_contiguous(mm_detach(tensor), MM_FORMAT_CONTIGUOUS);
    double sum = mm_item(mm_sum(mm_cast(flat, MM_DTYPE_F64)));

    (void)snprintf(text, sizeof(text), "%s.%s.%s", check->model, check->part, name);
    float *head = golden_f32(check->golden, &count, "%s.head", text);

    nn_same(mm_data(nn_floats(flat), MM_DTYPE_F32), head, count, 1e-3, text);
    double expected = golden_f64(check->golden, 0, "%s.sum", text);

    if (!(fabs(sum - expected) <= 1e-3 * fmax(1.0, sqrt((double)mm_numel(flat))))) {
        fail_msg("%s: sum %.9g, expected %.9g", text, sum, expected);
    }
    if (nn_exact()) {
        size_t size = (size_t)mm_numel(flat) * mm_dtype_size(mm_tensor_dtype(flat));
        uint32_t crc = model_crc32_of(mm_data(flat, MM_DTYPE_NONE), size);

        if (crc != (uint32_t)golden_f64(check->golden, 1, "%s.sum", text)) {
            fail_msg("%s: not all bits are equal", text);
        }
    }
    free(head);
    check->seen++;
    mm_scope_close(scope);
    return MM_OK;
}

static inline mm_status model_check_grad(void *user, const char *name,
                                         mm_tensor *tensor, mm_module *owner)
{
    (void)owner;
    assert_non_null(mm_grad_find(tensor));
    return model_check_summary(user, name, mm_grad_find(tensor));
}

static inline void model_check_state(struct model_check *check, mm_module *model)
{
    mm_value *state = mm_module_state_dict(model);

    check->part = "init";
    for (size_t i = 0; i < mm_value_len(state); i++) {
        model_check_summary(check, mm_dict_name_at(state, i),
                            mm_value_tensor(mm_dict_at(state, i)));
    }
    mm_value_unref(state);
}

/* {"inputs": x, "data_samples": [..]}; scope-owned */
static inline mm_value *model_batch(mm_tensor *inputs, const float *labels,
                                    int64_t count)
{
    mm_value *batch = mm_scoped(mm_value_new_dict());
    mm_value *samples = mm_value_new_list();

    for (int64_t i = 0; i < count; i++) {
        mm_data_element *sample = mm_data_element_new("DataSample");
        int64_t label = (int64_t)labels[i];

        mm_data_element_put_tensor(sample, "gt_label",
                                   mm_from_i64(&label, 1, (int64_t[]){1}));
        mm_list_push(samples, mm_value_new_data_element(sample));
        mm_data_element_unref(sample);
    }
    mm_dict_put_tensor(batch, "inputs", inputs);
    mm_dict_take(batch, "data_samples", samples);
    check_ok();
    return batch;
}

static inline void model_check_loss(const struct golden *golden, const char *name,
                                    mm_module *model, mm_value *batch)
{
    const mm_model_ops *ops =
        mm_instance_ops(mm_module_instance(model), MM_INTERFACE_MODEL);
    mm_tensor *total = NULL;

    mm_manual_seed(GOLDEN_SEED + 1);
    mm_value *losses = ops->loss(mm_module_self(model), batch);

    check_ok();
    mm_value *log_vars = mm_parse_losses(losses, &total);
    double loss = mm_item(mm_dict_get_tensor(log_vars, "loss"));
    double expected = golden_f64(golden, 0, "%s.loss", name);

    assert_int_equal(mm_value_len(log_vars), 1);
    if (nn_exact() ? loss != expected : fabs(loss - expected) > 1e-3) {
        fail_msg("%s: loss %.9g, expected %.9g", name, loss, expected);
    }
    assert_int_equal(mm_backward(total), MM_OK);
}

static inline void model_check_eval(const struct golden *golden, const char *name,
                                    mm_module *model, mm_tensor *x)
{
    bool recorded = mm_grad_mode_set(false);
    char text[64];

    (void)snprintf(text, sizeof(text), "%s.eval", name);
    mm_module_train(model, false);
    mm_value *score = mm_module_call1(model, mm_scoped(mm_value_new_tensor(x)));

    /* A head without a layer hands the features' last entry on. */
    nn_golden(golden, mm_value_tensor(score), 2e-3, text);
    mm_grad_mode_set(recorded);
}

/* Initial weights under a seed, the loss, its gradients and scores in evaluation mode
 * against records that begin with `name`. */
static inline void model_golden(const struct golden *golden, const char *name,
                                mm_value *config, const int64_t *input_nchw)
{
    struct model_check check = {.golden = golden, .model = name};
    char text[64];

    mm_manual_seed(GOLDEN_SEED);
    mm_module *model = mm_module_build(config, "mmpretrain", "model");

    check_ok();
    assert_int_equal(mm_module_init_weights(model), MM_OK);
    model_check_state(&check, model);
    mm_scope scope = mm_scope_open();

    (void)snprintf(text, sizeof(text), "%s.x", name);
    mm_tensor *x = nn_from_golden(golden, text, MM_DIMS_N(input_nchw, 4));
    float *labels = golden_f32(golden, NULL, "%s.target", name);

    model_check_loss(golden, name, model, model_batch(x, labels, input_nchw[0]));
    check.part = "grad";
    check.seen = 0;
    assert_int_equal(mm_module_each_param(model, model_check_grad, &check), MM_OK);
    assert_true(check.seen > 0);
    model_check_eval(golden, name, model, x);
    free(labels);
    mm_scope_close(scope);
    mm_module_unref(model);
}

#endif
