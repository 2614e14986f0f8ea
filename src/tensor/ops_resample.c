/*
 * Resampling: torch.nn.functional.interpolate and grid_sample. Which operator serves a
 * mode depends on the number of dimensions.
 */
#include <math.h>
#include <string.h>

#include "tensor/bridge.h"

/* A mode of interpolate and its operators for 1, 2, 3 dimensions after N and C. */
struct mode_row {
    const char *name;
    bool takes_corners;
    mmi_op ops[3];
};

static struct mode_row modes[] = {
    {"nearest",
     false,
     {{"aten::upsample_nearest1d.vec", NULL},
      {"aten::upsample_nearest2d.vec", NULL},
      {"aten::upsample_nearest3d.vec", NULL}}},
    {"nearest-exact",
     false,
     {{"aten::_upsample_nearest_exact1d.vec", NULL},
      {"aten::_upsample_nearest_exact2d.vec", NULL},
      {"aten::_upsample_nearest_exact3d.vec", NULL}}},
    {"linear",
     true,
     {{"aten::upsample_linear1d.vec", NULL}, {NULL, NULL}, {NULL, NULL}}},
    {"bilinear",
     true,
     {{NULL, NULL}, {"aten::upsample_bilinear2d.vec", NULL}, {NULL, NULL}}},
    {"bicubic",
     true,
     {{NULL, NULL}, {"aten::upsample_bicubic2d.vec", NULL}, {NULL, NULL}}},
    {"trilinear",
     true,
     {{NULL, NULL}, {NULL, NULL}, {"aten::upsample_trilinear3d.vec", NULL}}},
};

static struct mode_row smooth_modes[] = {
    {"bilinear",
     true,
     {{NULL, NULL}, {"aten::_upsample_bilinear2d_aa.vec", NULL}, {NULL, NULL}}},
    {"bicubic",
     true,
     {{NULL, NULL}, {"aten::_upsample_bicubic2d_aa.vec", NULL}, {NULL, NULL}}},
};

static struct mode_row *find_mode(const char *name, bool antialias)
{
    struct mode_row *rows = antialias ? smooth_modes : modes;
    size_t count = antialias ? sizeof smooth_modes / sizeof smooth_modes[0]
                             : sizeof modes / sizeof modes[0];

    for (size_t i = 0; i < count; i++) {
        if (strcmp(rows[i].name, name) == 0) {
            return &rows[i];
        }
    }
    return NULL;
}

/* "area" averages: adaptive pooling to the size that was asked for. */
static mm_tensor *average_area(const mm_interpolate_args *args, int spatial)
{
    static mmi_op ops[3] = {{"aten::adaptive_avg_pool1d.", NULL},
                            {"aten::adaptive_avg_pool2d.", NULL},
                            {"aten::adaptive_avg_pool3d.", NULL}};
    int64_t sizes[3];

    for (int i = 0; i < spatial; i++) {
        sizes[i] =
            args->sizes.data != NULL
                ? args->sizes.data[i]
                : (int64_t)floor((double)mm_size(args->x, i + 2) * args->scales[i]);
    }
    return mmi_call(&ops[spatial - 1], MMI_ARGS(MM_T(args->x), MM_IS(sizes, spatial)));
}

static bool is_consistent(const mm_interpolate_args *args, int spatial)
{
    if (mmi_is_pending()) {
        return false;
    }
    if (spatial < 1 || spatial > 3) {
        mm_raise(MM_ESHAPE, "interpolate needs 3 to 5 dimensions, got %d", spatial + 2);
        return false;
    }
    if ((args->sizes.data != NULL) == (args->scales != NULL)) {
        mm_raise(MM_EINVAL, "interpolate needs sizes or scales, and not both");
        return false;
    }
    if (args->sizes.data != NULL && args->sizes.count != (size_t)spatial) {
        mm_raise(MM_ESHAPE, "interpolate got %zu sizes for %d dimensions",
                 args->sizes.count, spatial);
        return false;
    }
    return true;
}

mm_tensor *mm_interpolate_with(const mm_interpolate_args *args)
{
    const char *name = args->mode != NULL ? args->mode : "nearest";

    if (mmi_op_begin() == NULL || !MMI_HAS_AS(args->x, "x")) {
        return NULL;
    }
    int spatial = mm_ndim(args->x) - 2;
    if (!is_consistent(args, spatial)) {
        return NULL;
    }
    if (strcmp(name, "area") == 0) {
        return average_area(args, spatial);
    }
    struct mode_row *mode = find_mode(name, args->antialias);
    if (mode == NULL || mode->ops[spatial - 1].name == NULL) {
        mm_raise(MM_EINVAL, "interpolate mode '%s'%s does not serve %d dimensions",
                 name, args->antialias ? " with antialias" : "", spatial + 2);
        return NULL;
    }
    if (args->align_corners && !mode->takes_corners) {
        mm_raise(MM_EINVAL, "interpolate mode '%s' takes no align_corners", name);
        return NULL;
    }
    int num_scales = args->scales != NULL ? spatial : 0;
    mm_arg scales = MM_FS(args->scales, num_scales);
    if (args->scales == NULL) {
        scales = (mm_arg){.kind = MM_ARG_NONE};
    }
    if (!mode->takes_corners) {
        const mm_arg in[] = {MM_T(args->x), MMI_DIMS(args->sizes), scales};
        return mmi_call(&mode->ops[spatial - 1], in, 3);
    }
    const mm_arg in[] = {MM_T(args->x), MMI_DIMS(args->sizes),
                         MM_B(args->align_corners), scales};
    return mmi_call(&mode->ops[spatial - 1], in, 4);
}

/* The place of `word` in `words`, or -1 with an error. NULL is the first. */
static int64_t place_of(const char *word, const char *const *words, int count,
                        const char *what)
{
    for (int i = 0; i < count; i++) {
        if (word == NULL || strcmp(word, words[i]) == 0) {
            return i;
        }
    }
    mm_raise(MM_EINVAL, "grid_sample has no %s '%s'", what, word);
    return -1;
}

mm_tensor *mm_grid_sample_with(const mm_grid_sample_args *args)
{
    static const char *const kinds[] = {"bilinear", "nearest", "bicubic"};
    static const char *const paddings[] = {"zeros", "border", "reflection"};
    static mmi_op op = {"aten::grid_sampler.", NULL};

    if (!MMI_HAS_AS(args->x, "x") || !MMI_HAS_AS(args->grid, "grid")) {
        return NULL;
    }
    int64_t kind = place_of(args->mode, kinds, 3, "mode");
    int64_t padding = place_of(args->padding_mode, paddings, 3, "padding mode");
    return mmi_call(&op, MMI_ARGS(MM_T(args->x), MM_T(args->grid), MM_I(kind),
                                  MM_I(padding), MM_B(args->align_corners)));
}
