/* VisionTransformer with its heads against MMPretrain's: initial weights under a seed,
 * losses, gradients, scores at two image sizes, resized position embeddings. Then its
 * options, and what is wrong among them. */
#include "model_check.h"
#include "runner_parts.h"

#include "mmengine/checkpoint.h"

static mm_tensor *evaluate(mm_module *model, mm_tensor *x)
{
    mm_module_train(model, false);
    return mm_value_tensor(mm_module_call1(model, mm_scoped(mm_value_new_tensor(x))));
}

static mm_module *build_seeded(mm_value *config)
{
    mm_manual_seed(GOLDEN_SEED);
    mm_module *model = mm_module_build(config, "mmpretrain", "model");

    check_ok();
    assert_int_equal(mm_module_init_weights(model), MM_OK);
    return model;
}

static void read_sizes(const mm_value *item, const char *key, int64_t *out)
{
    for (size_t i = 0; i < 4; i++) {
        out[i] = mm_value_i64(mm_list_get(mm_dict_get(item, key), i));
    }
}

/* Scores of images of another size than the position embeddings were made for. */
static void check_large(const struct golden *golden, const mm_value *item)
{
    const char *name = mm_value_str(mm_dict_get(item, "name"));
    mm_scope scope = mm_scope_open();
    bool recorded = mm_grad_mode_set(false);
    char text[64];
    int64_t sizes[4];

    read_sizes(item, "large", sizes);
    mm_module *model = build_seeded(mm_dict_get(item, "config"));

    (void)snprintf(text, sizeof(text), "%s.large", name);
    mm_tensor *x = nn_from_golden(golden, text, MM_DIMS_N(sizes, 4));
    mm_tensor *score = evaluate(model, x);

    check_ok();
    (void)snprintf(text, sizeof(text), "%s.eval_large", name);
    nn_golden(golden, score, 1e-3, text);
    mm_grad_mode_set(recorded);
    mm_scope_close(scope);
    mm_module_unref(model);
}

static void test_models(void **state)
{
    (void)state;
    struct golden golden = golden_open("golden/nn/vision_transformer.bin");
    mm_value *items = nn_json_file("cases/nn/vision_transformer.json");

    for (size_t i = 0; i < mm_value_len(items); i++) {
        const mm_value *item = mm_list_get(items, i);
        int64_t sizes[4];

        read_sizes(item, "input", sizes);
        model_golden(&golden, mm_value_str(mm_dict_get(item, "name")),
                     mm_dict_get(item, "config"), sizes);
        check_large(&golden, item);
    }
    mm_value_unref(items);
    golden_close(&golden);
}

/* The config of the first case, its backbone changed. */
static mm_value *changed_config(const char *backbone_json)
{
    mm_value *items = nn_json_file("cases/nn/vision_transformer.json");
    mm_value *config = mm_value_copy(mm_dict_get(mm_list_get(items, 0), "config"));
    mm_value *more = nn_json(backbone_json);
    mm_value *backbone = mm_dict_get(config, "backbone");

    for (size_t i = 0; i < mm_value_len(more); i++) {
        mm_dict_put_key(backbone, mm_dict_key_at(more, i), mm_dict_at(more, i));
    }
    mm_value_unref(more);
    mm_value_unref(items);
    return config;
}

static void check_resized(const struct golden *golden, const char *name,
                          const char *backbone_json)
{
    mm_value *small_config = changed_config("{}");
    mm_value *large_config = changed_config(backbone_json);
    mm_module *small = build_seeded(small_config);
    mm_module *large = build_seeded(large_config);
    mm_value *weights = mm_module_state_dict(small);
    mm_load_report report = {0};

    mm_value_freeze(weights);
    assert_int_equal(mm_module_load_state_dict(large, weights, false, &report), MM_OK);
    assert_int_equal(mm_value_len(report.mismatched), 0);
    mm_load_report_deinit(&report);
    nn_golden(golden, mm_module_find_tensor(large, "backbone.pos_embed"), 1e-5, name);
    assert_int_equal(mm_size(mm_module_find_tensor(small, "backbone.pos_embed"), 1),
                     17);
    mm_value_unref(weights);
    mm_module_unref(large);
    mm_module_unref(small);
    mm_value_unref(large_config);
    mm_value_unref(small_config);
}

static void test_resized_weights(void **state)
{
    (void)state;
    struct golden golden = golden_open("golden/nn/vision_transformer.bin");

    check_resized(&golden, "vit_plain.resized", "{\"img_size\": [40, 56]}");
    check_resized(&golden, "vit_plain.resized_no_cls",
                  "{\"with_cls_token\": false, \"out_type\": \"avg_featmap\"}");
    golden_close(&golden);
}

/* Fine-tuning at another image size: the backbone begins with a checkpoint's weights.
 */
static void test_pretrained(void **state)
{
    (void)state;
    struct golden golden = golden_open("golden/nn/vision_transformer.bin");
    char *dir = parts_new_dir();
    char *path = mm_path_join(dir, "small.pth");
    mm_value *small_config = changed_config("{}");
    mm_module *small = build_seeded(small_config);
    mm_value *file = mm_value_new_dict();
    char *more = mm_strfmt("{\"img_size\": [40, 56], \"init_cfg\": {\"type\":"
                           "\"Pretrained\", \"prefix\": \"backbone\","
                           "\"checkpoint\": \"%s\"}}",
                           path);
    mm_value *config = changed_config(more);

    mm_dict_take(file, "state_dict", mm_module_state_dict(small));
    assert_int_equal(mm_checkpoint_save(path, file), MM_OK);
    mm_module *large = build_seeded(config);

    nn_golden(&golden, mm_module_find_tensor(large, "backbone.pos_embed"), 1e-5,
              "vit_plain.resized");
    assert_true(mm_tensor_equal(
        mm_module_find_tensor(large, "backbone.layers.2.attn.qkv.bias"),
        mm_module_find_tensor(small, "backbone.layers.2.attn.qkv.bias")));
    mm_module_unref(large);
    mm_module_unref(small);
    mm_value_unref(config);
    mm_value_unref(small_config);
    mm_value_unref(file);
    mm_free(more);
    mm_free(path);
    parts_remove_dir(dir);
    golden_close(&golden);
}

/* Parameters of backbones as MMPretrain counts them. */
static void test_archs(void **state)
{
    (void)state;
    static const struct {
        const char *arch;
        int64_t params;
    } archs[] = {{"b", 85798656}, {"Deit-Tiny", 5524416}, {"dinov2-s", 21665664}};

    for (size_t i = 0; i < sizeof archs / sizeof *archs; i++) {
        char json[96];

        (void)snprintf(json, sizeof json,
                       "{\"type\": \"VisionTransformer\", \"arch\": \"%s\"}",
                       archs[i].arch);
        mm_module *model = nn_build(json);

        check_ok();
        assert_int_equal(mm_module_num_params(model, false), archs[i].params);
        mm_module_unref(model);
    }
}

static bool is_trained(mm_module *model, const char *name)
{
    mm_tensor_info info;

    assert_int_equal(mm_tensor_info_get(mm_module_find_tensor(model, name), &info),
                     MM_OK);
    return info.requires_grad;
}

static void test_frozen_stages(void **state)
{
    (void)state;
    mm_value *config = changed_config("{\"frozen_stages\": 2}");
    mm_module *model = build_seeded(config);

    assert_false(is_trained(model, "backbone.cls_token"));
    assert_false(is_trained(model, "backbone.pos_embed"));
    assert_false(is_trained(model, "backbone.patch_embed.projection.weight"));
    assert_false(is_trained(model, "backbone.layers.1.ffn.layers.1.bias"));
    assert_true(is_trained(model, "backbone.layers.2.ln1.weight"));
    assert_true(is_trained(model, "backbone.ln1.weight"));
    assert_false(mm_module_is_training(mm_module_find(model, "backbone.layers.0")));
    mm_module_unref(model);
    mm_value_unref(config);
    config = changed_config("{\"frozen_stages\": 3}");
    model = build_seeded(config);
    assert_false(is_trained(model, "backbone.ln1.bias"));
    assert_true(is_trained(model, "head.layers.head.weight"));
    mm_module_unref(model);
    mm_value_unref(config);
}

static void check_out_type(const char *backbone_json, const char *expected)
{
    mm_value *config = changed_config(backbone_json);
    mm_module *model = build_seeded(config);
    mm_scope scope = mm_scope_open();
    mm_value *x = mm_scoped(mm_value_new_tensor(mm_randn(MM_DIMS(2, 3, 32, 24))));
    mm_value *outs = mm_module_call1(mm_module_find(model, "backbone"), x);

    check_ok();
    char *text =
        mm_tensor_describe(mm_value_tensor(mm_list_get(outs, mm_value_len(outs) - 1)));

    assert_non_null(text);
    if (strstr(text, expected) == NULL) {
        fail_msg("%s gives %s, expected %s", backbone_json, text, expected);
    }
    mm_free(text);
    mm_scope_close(scope);
    mm_module_unref(model);
    mm_value_unref(config);
}

static void test_out_types(void **state)
{
    (void)state;
    check_out_type("{}", "[2, 32]");
    check_out_type("{\"out_type\": \"raw\"}", "[2, 13, 32]");
    check_out_type("{\"out_type\": \"raw\", \"with_cls_token\": false}", "[2, 12, 32]");
    check_out_type("{\"out_type\": \"featmap\", \"out_indices\": [0, 1]}",
                   "[2, 32, 4, 3]");
    check_out_type("{\"out_type\": \"avg_featmap\"}", "[2, 32]");
}

/* A copy is made anew from its configs: dropout, layers and weights are the same. */
static void test_copy(void **state)
{
    (void)state;
    mm_value *config = changed_config("{\"layer_cfgs\": {\"num_fcs\": 3}}");
    mm_module *model = build_seeded(config);
    mm_module *copy = mm_module_copy(model);
    mm_scope scope = mm_scope_open();
    bool recorded = mm_grad_mode_set(false);

    check_ok();
    mm_tensor *x = mm_randn(MM_DIMS(2, 3, 32, 32));

    assert_true(mm_tensor_equal(evaluate(model, x), evaluate(copy, x)));
    mm_grad_mode_set(recorded);
    mm_scope_close(scope);
    mm_module_unref(copy);
    mm_module_unref(model);
    mm_value_unref(config);
}

static void test_bad_options(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"{\"arch\": \"bse\"}", "no VisionTransformer of arch 'bse'"},
        {"{\"arch\": {\"embed_dims\": 8}}", "arch has no 'num_layers'"},
        {"{\"with_cls_token\": false}", "needs with_cls_token"},
        {"{\"out_indices\": [4]}", "out_indices has 4"},
        {"{\"frozen_stages\": 4}", "frozen_stages is 4"},
        {"{\"out_type\": \"cls\"}", "out_type"},
        {"{\"layer_cfgs\": [{}]}", "layer_cfgs has 1 entries for 3 layers"},
        {"{\"layer_cfgs\": {\"drop\": 1}}", "drop"},
        {"{\"layer_cfgs\": {\"num_heads\": 5}}", "do not divide into 5 heads"},
        {"{\"patch_cfg\": {\"padding\": \"edge\"}}", "no padding 'edge'"},
        {"{\"interpolate_mode\": \"trilinear\"}", "interpolate_mode"},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        mm_value *config = changed_config(bad[i][0]);
        mm_module *model = mm_module_build(config, "mmpretrain", "model");
        mm_error error;

        assert_null(model);
        assert_true(mm_error_take(&error) < 0);
        if (strstr(error.message, bad[i][1]) == NULL) {
            fail_msg("%s: %s, expected %s", bad[i][0], error.message, bad[i][1]);
        }
        mm_value_unref(config);
    }
}

#define TEST(function) cmocka_unit_test_teardown((function), nn_tear_down)

int test_vision_transformer(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_models), TEST(test_resized_weights), TEST(test_pretrained),
        TEST(test_archs),  TEST(test_frozen_stages),   TEST(test_out_types),
        TEST(test_copy),   TEST(test_bad_options),
    };

    return cmocka_run_group_tests(tests, nn_set_up, NULL);
}
