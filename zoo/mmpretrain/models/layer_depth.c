/* Depths of parameters by their names. Names are read as MMPretrain reads them: parts
 * between dots, of which some are numbers. */
#include "mmpretrain/models/layer_depth.h"

#include <string.h>

static bool begins_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* The part of a dotted name with that index; "" behind the last. */
static const char *part_of(const char *name, int index)
{
    for (; index > 0; index--) {
        name = strchr(name, '.');
        if (name == NULL) {
            return "";
        }
        name++;
    }
    return name;
}

static bool part_is(const char *part, const char *word)
{
    size_t length = strlen(word);

    return strncmp(part, word, length) == 0 &&
           (part[length] == '.' || part[length] == '\0');
}

static int64_t number_of(const char *part)
{
    int64_t number = 0;

    for (; *part >= '0' && *part <= '9' && number < INT32_MAX; part++) {
        number = 10 * number + (*part - '0');
    }
    return number;
}

/* Blocks of the first `count` stages. */
static int64_t sum_of(mmz_stages stages, int64_t count)
{
    int64_t sum = 0;

    for (int64_t i = 0; i < count && i < (int64_t)stages.count; i++) {
        sum += stages.blocks[i];
    }
    return sum;
}

mm_layer_depth mmz_depth_in_vit(int64_t num_layers, const char *name,
                                const char *prefix)
{
    mm_layer_depth last = {num_layers + 1, num_layers + 2};
    const char *own = name + strlen(prefix);

    if (!begins_with(name, prefix)) {
        return last;
    }
    if (strcmp(own, "cls_token") == 0 || strcmp(own, "pos_embed") == 0 ||
        begins_with(own, "patch_embed")) {
        return (mm_layer_depth){0, last.count};
    }
    if (begins_with(own, "layers")) {
        return (mm_layer_depth){number_of(part_of(own, 1)) + 1, last.count};
    }
    return last;
}

/* "stages.1.blocks.0.ffn...", and what shrinks the image behind the blocks. */
static int64_t depth_in_stage(mmz_stages stages, const char *own, bool is_shrinking)
{
    int64_t stage = number_of(part_of(own, 1));

    return is_shrinking ? sum_of(stages, stage + 1)
                        : sum_of(stages, stage) + number_of(part_of(own, 3)) + 1;
}

mm_layer_depth mmz_depth_in_swin(mmz_stages stages, const char *name,
                                 const char *prefix)
{
    int64_t num_layers = sum_of(stages, (int64_t)stages.count);
    mm_layer_depth out = {num_layers + 1, num_layers + 2};
    const char *own = name + strlen(prefix);

    if (!begins_with(name, prefix)) {
        return out;
    }
    if (begins_with(own, "patch_embed")) {
        out.depth = 0;
    } else if (begins_with(own, "stages")) {
        const char *block = part_of(own, 3);
        bool is_shrinking = part_is(block, "reduction") || part_is(block, "norm");

        out.depth = depth_in_stage(stages, own, is_shrinking);
    }
    return out;
}

mm_layer_depth mmz_depth_in_mixmim(mmz_stages stages, const char *name,
                                   const char *prefix)
{
    int64_t num_layers = sum_of(stages, (int64_t)stages.count);
    mm_layer_depth out = {num_layers + 1, num_layers + 2};
    const char *own = name + strlen(prefix);

    if (!begins_with(name, prefix)) {
        out.depth -= begins_with(name, "neck") ? 1 : 0;
        return out;
    }
    out.depth = num_layers;
    if (strstr(own, "patch_embed") != NULL || strstr(own, "pos_embed") != NULL) {
        out.depth = 0;
    } else if (begins_with(own, "layers")) {
        const char *block = part_of(own, 3);
        bool is_shrinking = part_is(block, "downsample") ||
                            part_is(block, "reduction") || part_is(block, "norm");

        out.depth = depth_in_stage(stages, own, is_shrinking);
    }
    return out;
}

mm_layer_depth mmz_depth_in_convnext(mmz_stages stages, const char *name,
                                     const char *prefix)
{
    int64_t most = stages.blocks[stages.count - 2] > 9 ? 12 : 6;
    mm_layer_depth out = {most + 1, most + 2};
    const char *own = name + strlen(prefix);

    if (!begins_with(name, prefix)) {
        return out;
    }
    int64_t stage = number_of(part_of(own, 1));

    if (begins_with(own, "downsample_layers")) {
        out.depth = stage == 0 ? 0 : stage + 1;
        out.depth = stage > 2 ? most : out.depth;
    } else if (begins_with(own, "stages")) {
        int64_t block = number_of(part_of(own, 2));

        out.depth = stage == 2 ? 3 + block / 3 : stage + 1;
        out.depth = stage > 2 ? most : out.depth;
    }
    return out;
}

/* Blocks of the second and third stage that share a depth, by the stages' lengths. */
static bool find_steps(mmz_stages stages, int64_t *out_second, int64_t *out_third)
{
    static const int64_t known[][4] = {
        {4, 6, 2, 3}, {4, 23, 2, 3}, {8, 36, 4, 4}, {24, 36, 4, 4}, {30, 48, 5, 6},
    };

    for (size_t i = 0; i < sizeof known / sizeof *known && stages.count > 2; i++) {
        if (stages.blocks[1] == known[i][0] && stages.blocks[2] == known[i][1]) {
            *out_second = known[i][2];
            *out_third = known[i][3];
            return true;
        }
    }
    return false;
}

mm_layer_depth mmz_depth_in_resnet(mmz_stages stages, const char *name,
                                   const char *prefix)
{
    int64_t second = 1;
    int64_t third = 1;

    if (!find_steps(stages, &second, &third)) {
        return (mm_layer_depth){0, 0};
    }
    int64_t num_second = (stages.blocks[1] + second - 1) / second;
    int64_t num_third = (stages.blocks[2] + third - 1) / third;
    int64_t last = 2 + num_second + num_third;
    mm_layer_depth out = {last + 1, last + 2};
    const char *own = name + strlen(prefix);

    if (!begins_with(name, prefix)) {
        return out;
    }
    out.depth = 0;
    if (begins_with(own, "layer")) {
        int64_t stage = number_of(own + strlen("layer"));
        int64_t block = number_of(part_of(own, 1));

        out.depth = stage == 1   ? 1
                    : stage == 2 ? 2 + block / second
                    : stage == 3 ? 2 + num_second + block / third
                                 : last;
    }
    return out;
}
