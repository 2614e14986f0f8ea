/* Depths of parameters by their names against MMPretrain's backbones, also those that
 * are not built yet: their names were listed in Python. */
#include "check.h"

#include <inttypes.h>
#include <stdlib.h>

#include "mmengine/file.h"
#include "mmengine/fileio.h"
#include "mmengine/memory.h"

/* private to the zoo, whose library shows one table */
#include "mmpretrain/models/layer_depth.c"

enum { MAX_STAGES = 4 };

static mm_layer_depth depth_of(const char *rule, mmz_stages stages, const char *name,
                               const char *prefix)
{
    if (strcmp(rule, "vit") == 0) {
        return mmz_depth_in_vit(stages.blocks[0], name, prefix);
    }
    if (strcmp(rule, "swin") == 0) {
        return mmz_depth_in_swin(stages, name, prefix);
    }
    if (strcmp(rule, "mixmim") == 0) {
        return mmz_depth_in_mixmim(stages, name, prefix);
    }
    if (strcmp(rule, "convnext") == 0) {
        return mmz_depth_in_convnext(stages, name, prefix);
    }
    assert_string_equal(rule, "resnet");
    return mmz_depth_in_resnet(stages, name, prefix);
}

static void check_backbone(const mm_value *item)
{
    const mm_value *listed = mm_dict_get(item, "stages");
    const mm_value *names = mm_dict_get(item, "names");
    int64_t blocks[MAX_STAGES];
    mmz_stages stages = {blocks, mm_value_len(listed)};

    assert_true(stages.count >= 1 && stages.count <= MAX_STAGES);
    for (size_t i = 0; i < stages.count; i++) {
        blocks[i] = mm_value_i64(mm_list_get(listed, i));
    }
    for (size_t i = 0; i < mm_value_len(names); i++) {
        int64_t depth = strtol(mm_dict_name_at(names, i), NULL, 10);
        const mm_value *row = mm_dict_at(names, i);

        for (size_t k = 0; k < mm_value_len(row); k++) {
            const char *name = mm_value_str(mm_list_get(row, k));
            mm_layer_depth got = depth_of(mm_value_str(mm_dict_get(item, "rule")),
                                          stages, name, "backbone.");

            if (got.depth != depth ||
                got.count != mm_value_i64(mm_dict_get(item, "count"))) {
                fail_msg("%s of %s: depth %" PRId64 " of %" PRId64
                         ", expected %" PRId64,
                         name, mm_value_str(mm_dict_get(item, "backbone")), got.depth,
                         got.count, depth);
            }
        }
    }
}

static void test_golden(void **state)
{
    (void)state;
    size_t size = 0;
    char *text = mm_file_read("golden/zoo/layer_depth.json", &size);

    check_ok();
    mm_value *items = mm_json_parse(text, size, "layer_depth.json");

    check_ok();
    assert_true(mm_value_len(items) > 15);
    for (size_t i = 0; i < mm_value_len(items); i++) {
        check_backbone(mm_list_get(items, i));
    }
    check_ok();
    mm_value_unref(items);
    mm_free(text);
}

/* A backbone that is the whole model, or stands deeper in one. */
static void test_prefixes(void **state)
{
    (void)state;
    const int64_t blocks[] = {3, 4, 6, 3};
    mmz_stages stages = {blocks, 4};

    assert_int_equal(mmz_depth_in_vit(12, "layers.7.ln1.bias", "").depth, 8);
    assert_int_equal(mmz_depth_in_vit(12, "a.b.layers.7.ln1.bias", "a.b.").depth, 8);
    assert_int_equal(mmz_depth_in_vit(12, "a.b.layers.7.ln1.bias", "a.c.").depth, 13);
    assert_int_equal(mmz_depth_in_vit(12, "pos_embed.more", "").depth, 13);
    assert_int_equal(mmz_depth_in_resnet(stages, "layer3.5.conv1.weight", "").depth, 5);
    assert_int_equal(mmz_depth_in_resnet(stages, "n.layer3.5.conv1.weight", "n.").depth,
                     5);
    assert_int_equal(
        mmz_depth_in_swin(stages, "stages.1.downsample.norm.weight", "").depth,
        mmz_depth_in_swin(stages, "x.stages.1.downsample.norm.weight", "x.").depth);
}

/* Stages for which MMPretrain has no rule. */
static void test_unknown_resnet(void **state)
{
    (void)state;
    const int64_t blocks[] = {2, 2, 2, 2};

    assert_int_equal(
        mmz_depth_in_resnet((mmz_stages){blocks, 4}, "backbone.conv1.weight", "").count,
        0);
    assert_int_equal(
        mmz_depth_in_resnet((mmz_stages){blocks, 1}, "backbone.conv1.weight", "").count,
        0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_unknown_resnet),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
