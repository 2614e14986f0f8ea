/* Every optimizer takes the factor by which a wrapper's loss scale and clipping change
 * the gradients: with the fast numerics the factor comes with the step, in the
 * reference numerics the gradients have been multiplied before. Both have to end alike.
 */
#include "optim_support.h"

#include "mmengine/zoo.h"

enum { COUNT = 12, STEPS = 4 };

#define ADAFACTOR                                                                      \
    "{\"type\": \"Adafactor\", \"lr\": 0.1, \"relative_step\": false, "                \
    "\"scale_parameter\": false, \"eps\": [0.1, 0.001]}"
#define BOTH_FACTORS                                                                   \
    "{\"type\": \"AmpOptimWrapper\", \"loss_scale\": 100.0, "                          \
    "\"clip_grad\": {\"max_norm\": 0.7}}"

/* What they need besides lr to make different steps of different gradients. */
static const char *const optimizers[] = {
    "{\"type\": \"SGD\", \"lr\": 0.1, \"momentum\": 0.9, \"weight_decay\": 0.01}",
    "{\"type\": \"Adam\", \"lr\": 0.01, \"eps\": 0.1}",
    "{\"type\": \"AdamW\", \"lr\": 0.01, \"eps\": 0.1, \"amsgrad\": true}",
    "{\"type\": \"Adamax\", \"lr\": 0.01, \"eps\": 0.1}",
    "{\"type\": \"NAdam\", \"lr\": 0.01, \"eps\": 0.1}",
    "{\"type\": \"RAdam\", \"lr\": 0.01, \"eps\": 0.1}",
    "{\"type\": \"Adagrad\", \"lr\": 0.1, \"eps\": 0.1}",
    "{\"type\": \"Adadelta\", \"lr\": 0.5, \"eps\": 0.1}",
    "{\"type\": \"RMSprop\", \"lr\": 0.01, \"eps\": 0.1, \"momentum\": 0.5}",
    "{\"type\": \"Rprop\", \"lr\": 0.01}",
    "{\"type\": \"ASGD\", \"lr\": 0.1}",
    "{\"type\": \"TorchAdafactor\", \"lr\": 0.1, \"eps\": [0.1, 0.001]}",
    ADAFACTOR,
    "{\"type\": \"mmpretrain.LARS\", \"lr\": 0.1, \"momentum\": 0.9, \"weight_decay\": "
    "0.01}",
    "{\"type\": \"mmpretrain.Lamb\", \"lr\": 0.01, \"eps\": 0.1, \"weight_decay\": "
    "0.01}",
    "{\"type\": \"mmpretrain.Adan\", \"lr\": 0.01, \"eps\": 0.1}",
    "{\"type\": \"Lion\", \"lr\": 0.01}",
    "{\"type\": \"Muon\", \"lr\": 0.01}",
    "{\"type\": \"DAdaptSGD\"}",
    "{\"type\": \"DAdaptAdam\"}",
    "{\"type\": \"DAdaptAdaGrad\"}",
    "{\"type\": \"SGDScheduleFree\", \"lr\": 0.1}",
    "{\"type\": \"AdamWScheduleFree\", \"lr\": 0.01, \"eps\": 0.1}",
    "{\"type\": \"RAdamScheduleFree\", \"lr\": 0.01, \"eps\": 0.1}",
};
static const char *const wrappers[] = {
    "{\"type\": \"OptimWrapper\", \"clip_grad\": {\"max_norm\": 0.7}}",
    "{\"type\": \"AmpOptimWrapper\", \"loss_scale\": 100.0}",
    BOTH_FACTORS,
};

static bool is_built(const char *json)
{
    mm_value *config = support_json(json);
    const char *type = mm_value_str(mm_dict_get(config, "type"));
    const char *dot = strrchr(type, '.');
    bool found = mm_component_find("optimizers", dot != NULL ? "mmpretrain" : NULL,
                                   dot != NULL ? dot + 1 : type) != NULL;

    mm_value_unref(config);
    return found;
}

static void train(const char *optimizer_json, const char *wrapper_json,
                  mm_numerics numerics, float *out)
{
    float weights[COUNT];
    mm_value *config = support_json(optimizer_json);
    mm_value *wrapping = support_json(wrapper_json);
    mm_scope scope = mm_scope_open();

    for (int i = 0; i < COUNT; i++)
        weights[i] = sinf((float)i);
    mm_tensor *leaf = mm_keep(mm_from_f32(weights, 2, (const int64_t[]){4, 3}));

    mm_set_requires_grad(leaf, true);
    mm_optimizer *optimizer = support_optimizer(config, &leaf, 1);
    mm_instance *instance = support_build("optim_wrappers", wrapping);
    mm_optim_wrapper *wrapper = mm_optim_wrapper_new(instance, optimizer);

    mm_optim_wrapper_set_numerics(wrapper, numerics);
    mm_optim_wrapper_set_training(wrapper, true);
    for (int step = 0; step < STEPS; step++) {
        for (int i = 0; i < COUNT; i++)
            weights[i] = cosf((float)(i * (step + 1)));
        mm_tensor *input = mm_from_f32(weights, 2, (const int64_t[]){4, 3});

        mm_optim_wrapper_update_params(wrapper, mm_sum(mm_mul(leaf, input)));
        if (mm_has_error())
            fail_msg("%s: %s", optimizer_json, mm_error_peek()->message);
    }
    mm_optim_wrapper_set_training(wrapper, false);
    memcpy(out, support_data(leaf), COUNT * sizeof *out);
    mm_optim_wrapper_unref(wrapper);
    mm_instance_unref(instance);
    mm_optimizer_unref(optimizer);
    mm_tensor_unref(leaf);
    mm_scope_close(scope);
    mm_value_unref(wrapping);
    mm_value_unref(config);
}

static void factors_are_taken(void **state)
{
    size_t tried = 0;

    (void)state;
    for (size_t i = 0; i < sizeof optimizers / sizeof optimizers[0]; i++) {
        if (!is_built(optimizers[i])) {
            print_message("not built here: %s\n", optimizers[i]);
            continue;
        }
        tried++;
        for (size_t k = 0; k < sizeof wrappers / sizeof wrappers[0]; k++) {
            float fast[COUNT];
            float slow[COUNT];

            train(optimizers[i], wrappers[k], MM_NUMERICS_FAST, fast);
            train(optimizers[i], wrappers[k], MM_NUMERICS_REFERENCE, slow);
            for (int e = 0; e < COUNT; e++) {
                if (!(fabsf(fast[e] - slow[e]) <= 1e-5F))
                    fail_msg("%s in %s: element %d is %g, in reference numerics %g",
                             optimizers[i], wrappers[k], e, (double)fast[e],
                             (double)slow[e]);
            }
        }
    }
    assert_true(tried == sizeof optimizers / sizeof optimizers[0]);
}

static int set_up_group(void **state)
{
    (void)state;
    return mm_init() < 0 || mm_register(mm_zoo_components) < 0 || mm_torch_open() < 0
               ? -1
               : 0;
}

int test_grad_factor(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(factors_are_taken),
    };

    return cmocka_run_group_tests(tests, set_up_group, NULL);
}
